/* SPDX-License-Identifier: GPL-2.0-only */
/* Multicast groups: how an event leaves, or is counted instead. */

#ifndef _FZ_NETLINK_GROUP_H
#define _FZ_NETLINK_GROUP_H

#include "netlink/event.h"

/**
 * struct fz_message - an event on its way out
 * @skb: being filled
 * @header: of the message in it
 * @suppressed: events that it reports as not sent
 */
struct fz_message {
	struct sk_buff *skb;
	void *header;
	u64 suppressed;
};

void fz_group_init(struct fz_events *events, enum fz_nl_group group, u32 rate, u32 burst);
void fz_group_destroy(struct fz_events *events, enum fz_nl_group group);
bool fz_group_begin(struct fz_device *fz, enum fz_nl_group group, enum fz_cmd cmd, size_t room,
		    struct fz_bucket *share, struct fz_message *message);
void fz_group_end(struct fz_device *fz, enum fz_nl_group group, struct fz_message *message);
void fz_group_cancel(struct fz_device *fz, enum fz_nl_group group, struct fz_message *message);

#endif /* _FZ_NETLINK_GROUP_H */
