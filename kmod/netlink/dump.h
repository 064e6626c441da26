/* SPDX-License-Identifier: GPL-2.0-only */
/* What dumps of many objects have in common. */

#ifndef _FZ_NETLINK_DUMP_H
#define _FZ_NETLINK_DUMP_H

#include <linux/fz.h>
#include <linux/netlink.h>
#include <linux/types.h>

struct fz_device;

/**
 * struct fz_dump - a dump of many objects under way
 * @fz: the device, with a reference
 * @skb: the message being filled
 * @header: of the message
 * @told: the message holds an object
 * @done: all is told
 */
struct fz_dump {
	struct fz_device *fz;
	struct sk_buff *skb;
	void *header;
	bool told;
	bool done;
};

int fz_dump_open(struct fz_dump *dump, struct sk_buff *skb, struct netlink_callback *cb,
		 enum fz_cmd cmd);
int fz_dump_close(struct fz_dump *dump, struct netlink_callback *cb, int ret);

#endif /* _FZ_NETLINK_DUMP_H */
