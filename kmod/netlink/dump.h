/* SPDX-License-Identifier: GPL-2.0-only */
/* What dumps of many objects have in common. */

#ifndef _FZ_NETLINK_DUMP_H
#define _FZ_NETLINK_DUMP_H

#include <linux/fz.h>
#include <linux/netlink.h>
#include <linux/types.h>

struct fz_authz_peer;
struct fz_device;
struct fz_peer;

/**
 * struct fz_dump - a dump of many objects under way; the first member of each kind's own state
 * @fz: the device, with a reference
 * @peer: only what is this peer's, with a reference; NULL for all
 * @skb: the message being filled
 * @header: of the message
 * @told: the message holds an object
 * @done: all is told
 */
struct fz_dump {
	struct fz_device *fz;
	struct fz_peer *peer;
	struct sk_buff *skb;
	void *header;
	bool told;
	bool done;
};

void *fz_dump_new(struct netlink_callback *cb, size_t size, int peer_attribute);
void fz_dump_free(struct fz_dump *dump);
const struct fz_authz_peer *fz_dump_only(const struct fz_dump *dump);
int fz_dump_open(struct fz_dump *dump, struct sk_buff *skb, struct netlink_callback *cb,
		 enum fz_cmd cmd);
int fz_dump_close(struct fz_dump *dump, struct netlink_callback *cb, int ret);

#endif /* _FZ_NETLINK_DUMP_H */
