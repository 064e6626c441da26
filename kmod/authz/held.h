/* SPDX-License-Identifier: GPL-2.0-only */
/* Held flows: how the judge gives packets to the ask part. */

#ifndef _FZ_AUTHZ_HELD_H
#define _FZ_AUTHZ_HELD_H

#include <linux/fz.h>
#include <linux/list.h>
#include <linux/skbuff.h>

#include "authz/flow.h"

struct fz_authz;
struct fz_authz_peer;
struct fz_packet;

/**
 * struct fz_held - a flow that waits for a verdict
 * @node: in fz_ask.list; az->ask.lock, as all below that changes
 * @peer_node: in fz_held_list.list of ap->held or fz_ask.unrouted
 * @id_node: in fz_ask.ids
 * @id: number of the request; never changes
 * @key: of the flow; its ap is NULL for a destination without a peer; never changes
 * @dir: enum fz_direction; never changes
 * @tuple: of the first packet; never changes
 * @until: jiffies of its end
 * @releasing: the verdict came and packets are on their way; others queue up behind them
 * @followers: that queued up so far; bounded, so that a flood cannot keep the release from its end
 * @bytes: truesize of @packets
 * @packets: in order
 */
struct fz_held {
	struct list_head node;
	struct list_head peer_node;
	struct hlist_node id_node;
	u64 id;
	struct fz_flow_key key;
	u8 dir;
	struct fz_tuple tuple;
	unsigned long until;
	bool releasing;
	unsigned int followers;
	unsigned int bytes;
	struct sk_buff_head packets;
};

void fz_ask_init(struct fz_authz *az);
void fz_ask_exit(struct fz_authz *az);
void fz_ask_drop_peer(struct fz_authz *az, struct fz_authz_peer *ap);
enum fz_reason fz_ask_hold(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
			   const struct fz_flow_key *key, const struct fz_packet *packet,
			   struct sk_buff *skb);
bool fz_ask_follow(struct fz_authz *az, const struct fz_flow *flow, enum fz_direction dir,
		   struct sk_buff *skb);
void fz_ask_prefixes_free(struct fz_authz *az);
bool fz_ask_covers(struct fz_authz *az, const struct fz_tuple *tuple);

#endif /* _FZ_AUTHZ_HELD_H */
