/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Authorization: every inner packet, in either direction, is judged here.
 *
 * What calls what: judge.c takes bundles; dissect.c reads the packets; flow.c finds the flow;
 * where there is none, decide.c looks into the policy (resource.c, grant.c) and mode; ask.c holds
 * what must be asked, reject.c answers what was refused. Nothing here knows a key or an endpoint.
 *
 * Locks, outermost first:
 *   az->lock (mutex)		all changes of policy, modes, limits, epochs, ask prefixes
 *   flow->lock (spin, BH)	one flow's state and grant, and what is told of it
 *   az->flow_lock (spin, BH)	lists of flows, and that a flow ends once
 *   flow->side[].lock (spin, BH)	what a flow has counted; never together with the one above
 *   az->ask.lock (spin, BH)	held flows; never together with the three above
 *   az->refusals.lock, ap->fragments.lock (spin, BH)	innermost
 * Packets take az->lock never and otherwise read under RCU.
 */

#ifndef _FZ_AUTHZ_AUTHZ_H
#define _FZ_AUTHZ_AUTHZ_H

#include <linux/atomic.h>
#include <linux/fz.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rhashtable-types.h>
#include <linux/seqlock.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/u64_stats_sync.h>
#include <linux/workqueue.h>

#include "authz/ask.h"
#include "authz/dissect.h"
#include "authz/epoch.h"
#include "authz/event.h"
#include "authz/flow.h"
#include "authz/grant.h"
#include "authz/mode.h"
#include "authz/refusal.h"
#include "authz/resource.h"
#include "authz/tuple.h"
#include "netlink/bucket.h"

#define FZ_DIRS (FZ_DIR_MAX + 1)
#define FZ_REASONS (FZ_REASON_MAX + 1)

struct fz_authz;
struct fz_authz_peer;
struct fz_policy;
struct fz_ask_prefixes;
struct fz_ghosts;

/**
 * struct fz_authz_ops - what the tunnel does for the authorization
 * @xmit: sends the packets of @queue to the peer without judging them: released or answers
 * @deliver: hands packets of @queue to the stack as if decrypted, without judging them
 * @reroute: an outgoing packet that had no peer starts again at cryptokey routing; owns @skb. Must
 *	     not come back to fz_authz_hold_unrouted() with it
 * @recheck: whether the tunnel would still take a packet that was held: FZ_REASON_NONE;
 *	     FZ_REASON_TIMEOUT when the device is down; FZ_REASON_SOURCE when the address is not the
 *	     peer's any more. @ap is NULL for a packet without a peer
 * @routes: whether an inner address is the peer's
 *
 * All are called with BH disabled under RCU, without locks, but @routes, for which RCU is enough and
 * flow->lock may be held; the first two empty the queue.
 */
struct fz_authz_ops {
	void (*xmit)(struct fz_authz_peer *ap, struct sk_buff_head *queue);
	void (*deliver)(struct fz_authz_peer *ap, struct sk_buff_head *queue);
	void (*reroute)(struct fz_authz *az, struct sk_buff *skb);
	enum fz_reason (*recheck)(struct fz_authz *az, struct fz_authz_peer *ap,
				  enum fz_direction dir, const struct sk_buff *skb);
	bool (*routes)(const struct fz_authz_peer *ap, u8 family, const union fz_addr *addr);
};

/**
 * struct fz_authz_listener - who is told; the netlink family unless a test puts another
 * @denial: see fz_event_denial()
 * @flow: see fz_event_flow()
 * @request: see fz_event_request()
 */
struct fz_authz_listener {
	void (*denial)(struct fz_authz *az, struct fz_authz_peer *ap,
		       const struct fz_denial *denial);
	void (*flow)(struct fz_authz *az, const struct fz_flow *flow, enum fz_flow_end end);
	int (*request)(struct fz_authz *az, struct fz_authz_peer *ap,
		       const struct fz_request *request);
};

/**
 * struct fz_authz_count - counters of one CPU
 * @refused: packets refused, by direction and reason
 * @observed: packets passed in mode observe that would have been
 * @flows_created: flows
 * @flows_evicted: flows that made room for others
 * @requests: asked of user space
 * @requests_suppressed: not asked, over the rate or nobody could take them
 * @sync: lets 32-bit machines read whole values
 */
struct fz_authz_count {
	u64_stats_t refused[FZ_DIRS][FZ_REASONS];
	u64_stats_t observed[FZ_DIRS][FZ_REASONS];
	u64_stats_t flows_created;
	u64_stats_t flows_evicted;
	u64_stats_t requests;
	u64_stats_t requests_suppressed;
	struct u64_stats_sync sync;
};

/**
 * struct fz_authz_stats - sums for user space
 * @refused: packets refused, by direction and reason
 * @observed: packets passed in mode observe that would have been
 * @resources: there are
 * @grants: there are
 * @flows: there are
 * @flows_created: ever
 * @flows_evicted: ever
 * @requests: asked of user space
 * @requests_suppressed: not asked
 * @generation: moved by every change of policy
 */
struct fz_authz_stats {
	u64 refused[FZ_DIRS][FZ_REASONS];
	u64 observed[FZ_DIRS][FZ_REASONS];
	u32 resources;
	u32 grants;
	u32 flows;
	u64 flows_created;
	u64 flows_evicted;
	u64 requests;
	u64 requests_suppressed;
	u64 generation;
};

/**
 * struct fz_fragments - datagrams of one peer whose first fragment passed
 * @lock: all below; innermost lock, BH disabled
 * @count: length of @list
 * @list: struct fz_fragment, the latest used first
 */
struct fz_fragments {
	spinlock_t lock;
	unsigned int count;
	struct list_head list;
};

/**
 * struct fz_held_list - held flows of one peer, or of destinations without one; az->ask.lock
 * @list: struct fz_held.peer_node
 * @count: length of @list
 * @bytes: truesize of their packets
 */
struct fz_held_list {
	struct list_head list;
	unsigned int count;
	unsigned int bytes;
};

/**
 * struct fz_authz_peer - a peer, as far as authorization knows it; embedded in struct fz_peer
 * @az: its device's
 * @id: for messages and traces; not 0
 * @mode: of each direction, FZ_MODE_INHERIT unless overridden; az->lock to write
 * @dead: being removed; judges nothing any more. Written before anything is taken from the peer,
 *	  with every lock below taken once after, so that nothing comes to a list that was emptied
 * @n_flows: flows of the peer; az->flow_lock
 * @held: flows held
 * @flows: answered flows, by struct fz_flow.peer_node; az->flow_lock
 * @fresh: unanswered flows, oldest first; az->flow_lock
 * @refused: withdrawn flows, oldest first; az->flow_lock
 * @grants: of the peer, staged ones too
 * @node: in az->peers; az->lock to write, RCU to read
 * @fragments: of datagrams in flight
 * @requests: limits its requests
 */
struct fz_authz_peer {
	struct fz_authz *az;
	u64 id;
	struct fz_mode_setting mode[FZ_DIRS];
	bool dead;
	unsigned int n_flows;
	struct fz_held_list held;
	struct list_head flows;
	struct list_head fresh;
	struct list_head refused;
	struct fz_grant_list grants;
	struct list_head node;
	struct fz_fragments fragments;
	struct fz_bucket requests;
};

#define FZ_ASK_BUCKETS 256

/**
 * struct fz_ask - held flows of a device
 * @lock: all below but @prefixes; BH disabled
 * @list: struct fz_held.node, oldest first
 * @count: length of @list
 * @bytes: truesize of their packets
 * @unrouted: held flows without a peer
 * @ids: struct fz_held.id_node by number
 * @last_id: number of the last request
 * @bucket: limits requests about destinations without a peer
 * @work: ends held flows whose time is up
 * @prefixes: RCU; az->lock to write
 */
struct fz_ask {
	spinlock_t lock;
	struct list_head list;
	unsigned int count;
	unsigned int bytes;
	struct fz_held_list unrouted;
	struct hlist_head ids[FZ_ASK_BUCKETS];
	u64 last_id;
	struct fz_bucket bucket;
	struct delayed_work work;
	struct fz_ask_prefixes __rcu *prefixes;
};

/**
 * struct fz_authz - the authorization of one device; embedded in struct fz_device
 * @policy: in force. RCU; az->lock to write
 * @gen: moves with every change that could end a flow; a flow judged with another one is judged
 *	 again. Written under @lock with release, read with acquire
 * @change: odd while policy is being changed, another one afterwards: what was decided meanwhile is
 *	    decided again. Written under @lock
 * @rerouting: peers' addresses are being changed, and may be nobody's for a moment; device_update_lock
 *	       to write, READ_ONCE to read
 * @mode: of each direction; @lock to write
 * @timeouts: in seconds; @lock to write, READ_ONCE to read
 * @max_flows: of the device; @lock to write
 * @max_peer_flows: of one peer, follows from @max_flows
 * @flows: table of flows
 * @ops: the tunnel's
 * @listener: who is told
 * @dev: the net device; NULL in tests
 * @counts: per CPU
 * @n_flows: flows of the device; @flow_lock to write
 * @n_fragments: datagrams remembered, of all peers
 * @flow_lock: lists of flows here and in peers, and struct fz_flow.dead; BH disabled
 * @fresh: unanswered flows, oldest first; @flow_lock
 * @refused: withdrawn flows, oldest first; @flow_lock
 * @ghosts: withdrawn flows that had to make room; NULL until they may have to. The sweep writes it
 *	    once
 * @lock: all changes; see the top of this file
 * @generation: moves with every change of policy; @lock to write, READ_ONCE to read
 * @staged: policy of the open epoch, NULL if there is none; @lock
 * @owner: of the open epoch, 0 if there is none; @lock to write, READ_ONCE to read
 * @retiring: policies that were let go of and have need of the device still
 * @observes: some mode was observe once: then admitting more also moves @gen
 * @peers: by struct fz_authz_peer.node; @lock to write, RCU to read
 * @ask: held flows
 * @refusals: remembered
 * @rejects: limits answers to refused packets
 * @sweep: ends flows that nothing is sent on
 * @sweep_iter: where the sweep is; its own
 * @sweep_gen: az->gen of the last full sweep
 * @next_lease: boot clock in ns of the earliest lease to end, or earlier; U64_MAX none
 */
struct fz_authz {
	struct fz_policy __rcu *policy;
	u32 gen;
	seqcount_t change;
	bool rerouting;
	struct fz_mode_setting mode[FZ_DIRS];
	struct fz_timeouts timeouts;
	u32 max_flows;
	u32 max_peer_flows;
	struct rhashtable flows;
	const struct fz_authz_ops *ops;
	const struct fz_authz_listener *listener;
	struct net_device *dev;
	struct fz_authz_count __percpu *counts;

	u32 n_flows ____cacheline_aligned_in_smp;
	atomic_t n_fragments;
	spinlock_t flow_lock;
	struct list_head fresh;
	struct list_head refused;
	struct fz_ghosts *ghosts;

	struct mutex lock ____cacheline_aligned_in_smp;
	u64 generation;
	struct fz_policy *staged;
	u64 owner;
	atomic_t retiring;
	bool observes;
	struct list_head peers;
	struct fz_ask ask;
	struct fz_refusals refusals;
	struct fz_bucket rejects;
	struct delayed_work sweep;
	struct rhashtable_iter sweep_iter;
	u32 sweep_gen;
	atomic64_t next_lease;
};

/**
 * struct fz_explanation - what would happen to the first packet of a flow
 * @verdict: enum fz_verdict
 * @reason: enum fz_reason
 * @mode: enum fz_mode in force
 * @has_grant: @grant is the one that decides
 * @grant: a copy; its ap is valid as long as the caller's peer is
 */
struct fz_explanation {
	u8 verdict;
	u8 reason;
	u8 mode;
	bool has_grant;
	struct fz_grant_info grant;
};

/*
 * For work that takes long: sweeps, and taking apart policies, which can be as large as memory allows. It runs wherever
 * there is a CPU for it: on a queue of one CPU it would share its workers with those that encrypt and decrypt, and
 * these would not begin before it has ended. As much at a time as there is: policies that wait for the lock of their
 * device are not to keep those of others waiting, for which RTNL may be held.
 */
extern struct workqueue_struct *fz_authz_wq;

int fz_authz_module_init(void);
void fz_authz_module_exit(void);

int fz_authz_init(struct fz_authz *az, struct net_device *dev, const struct fz_authz_ops *ops,
		  enum fz_mode mode, u32 max_flows);
void fz_authz_stop(struct fz_authz *az);
void fz_authz_destroy(struct fz_authz *az);
void fz_authz_peer_init(struct fz_authz *az, struct fz_authz_peer *ap, u64 id);
void fz_authz_peer_going(struct fz_authz_peer *ap);
void fz_authz_peer_remove(struct fz_authz *az, struct fz_authz_peer *ap);
void fz_authz_reroute_begin(struct fz_authz *az);
void fz_authz_reroute_end(struct fz_authz *az, bool lost);

void fz_authz_judge(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		    struct sk_buff_head *queue);
void fz_authz_judge_again(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
			  struct sk_buff_head *queue);
bool fz_authz_hold_unrouted(struct fz_authz *az, struct sk_buff *skb);
void fz_authz_bad_packet(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_reason reason,
			 struct sk_buff *skb);

int fz_authz_explain(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		     const struct fz_tuple *tuple, struct fz_explanation *explanation,
		     struct netlink_ext_ack *extack);
void fz_authz_stats(struct fz_authz *az, struct fz_authz_stats *stats);
u64 fz_authz_generation(const struct fz_authz *az);

#endif /* _FZ_AUTHZ_AUTHZ_H */
