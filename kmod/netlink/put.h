/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects as attributes. Each function returns 0, or -EMSGSIZE when the message has no room left;
 * then it has put nothing.
 */

#ifndef _FZ_NETLINK_PUT_H
#define _FZ_NETLINK_PUT_H

#include <linux/if.h>
#include <net/netlink.h>

struct fz_authz_peer;
struct fz_flow_info;
struct fz_grant_info;
struct fz_mode_setting;
struct fz_prefix;
struct fz_service;
struct fz_tuple;
struct net_device;
struct sockaddr;

/* Upper bounds in bytes, for who allocates a message. */
#define FZ_PUT_DEVICE_SIZE (nla_total_size(sizeof(u32)) + nla_total_size(IFNAMSIZ))
#define FZ_PUT_TUPLE_SIZE 96
#define FZ_PUT_GRANT_SIZE 256
#define FZ_PUT_FLOW_SIZE 448

int fz_put_device(struct sk_buff *skb, const struct net_device *dev);
int fz_put_u64(struct sk_buff *skb, int attribute, u64 value);
int fz_put_peer(struct sk_buff *skb, int attribute, const struct fz_authz_peer *ap);
int fz_put_endpoint(struct sk_buff *skb, int attribute, const struct sockaddr *addr);
int fz_put_prefix(struct sk_buff *skb, int attribute, const struct fz_prefix *prefix);
int fz_put_service(struct sk_buff *skb, int attribute, const struct fz_service *service);
int fz_put_tuple(struct sk_buff *skb, int attribute, const struct fz_tuple *tuple);
int fz_put_mode(struct sk_buff *skb, int attribute, u8 direction,
		const struct fz_mode_setting *setting);
int fz_put_grant(struct sk_buff *skb, int attribute, const struct fz_grant_info *info);
int fz_put_flow(struct sk_buff *skb, int attribute, const struct fz_flow_info *info, u8 end);

#endif /* _FZ_NETLINK_PUT_H */
