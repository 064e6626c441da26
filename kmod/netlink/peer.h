/* SPDX-License-Identifier: GPL-2.0-only */
/* Peers in set-device and get-device. */

#ifndef _FZ_NETLINK_PEER_H
#define _FZ_NETLINK_PEER_H

#include <linux/list.h>
#include <linux/types.h>

struct fz_device;
struct fz_peer;
struct net_device;
struct netlink_ext_ack;
struct nlattr;
struct sk_buff;

/**
 * struct fz_peer_cursor - where a dump of peers is
 * @peer: the peer to go on with, with a reference; NULL at the beginning
 * @id: its internal_id: if it was removed since, the next one has a greater one
 * @resumed: something of @peer was told in an earlier message
 * @family: of the last allowed IP told of @peer; AF_UNSPEC if none was
 * @address: the last allowed IP told of @peer
 * @len: its prefix length
 */
struct fz_peer_cursor {
	struct fz_peer *peer;
	u64 id;
	bool resumed;
	u8 family;
	u8 address[16];
	u8 len;
};

int fz_nl_peers_check(const struct nlattr *peers, unsigned int *count,
		      struct netlink_ext_ack *extack);
int fz_nl_peers_check_state(struct fz_device *fz, const struct nlattr *peers, unsigned int count,
			    bool replace, struct netlink_ext_ack *extack);
int fz_nl_peers_apply(struct fz_device *fz, const struct nlattr *peers,
		      struct netlink_ext_ack *extack);
void fz_nl_peers_wipe(const struct nlattr *peers);
int fz_nl_peers_put(struct sk_buff *skb, struct fz_device *fz, struct fz_peer_cursor *cursor);
void fz_nl_peers_end(struct fz_peer_cursor *cursor);

#endif /* _FZ_NETLINK_PEER_H */
