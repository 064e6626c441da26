/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attributes as objects. What the policy tables can say they have checked already; here is the
 * rest. Each function that can refuse sets the sentence and the attribute.
 */

#ifndef _FZ_NETLINK_PARSE_H
#define _FZ_NETLINK_PARSE_H

#include <linux/netdevice.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "authz/authz.h"
#include "path/candidates.h"

struct fz_device;
struct fz_peer;

struct fz_device *fz_nl_device_get(struct net *net, struct nlattr **attrs,
				   struct netlink_ext_ack *extack);
void fz_nl_device_put(struct fz_device *fz);
int fz_nl_sockets_allowed(struct fz_device *fz, const struct nlattr *attr,
			  struct netlink_ext_ack *extack);
struct fz_peer *fz_nl_peer_get(struct fz_device *fz, const struct nlattr *key,
			       struct netlink_ext_ack *extack);

int fz_parse_endpoint(const struct nlattr *attr, union fz_path_addr *addr,
		      struct netlink_ext_ack *extack);
int fz_parse_prefix(const struct nlattr *nest, struct fz_prefix *prefix,
		    struct netlink_ext_ack *extack);
int fz_parse_tuple(const struct nlattr *nest, struct fz_tuple *tuple,
		   struct netlink_ext_ack *extack);
int fz_parse_mode(const struct nlattr *nest, bool for_peer, u8 *direction,
		  struct fz_mode_setting *setting, struct netlink_ext_ack *extack);

/**
 * fz_nl_owner() - name a socket, as the owner of an epoch
 * @net: its network namespace
 * @portid: its netlink port, which is not 0
 *
 * Return: a number that no other open socket has; never 0.
 */
static inline u64 fz_nl_owner(const struct net *net, u32 portid)
{
	return net->net_cookie << 32 | portid;
}

#endif /* _FZ_NETLINK_PARSE_H */
