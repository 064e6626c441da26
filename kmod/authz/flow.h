/* SPDX-License-Identifier: GPL-2.0-only */
/* Flows: admitted conversations, both directions in one entry. */

#ifndef _FZ_AUTHZ_FLOW_H
#define _FZ_AUTHZ_FLOW_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/fz.h>
#include <linux/list.h>
#include <linux/netlink.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>

#include "authz/tuple.h"

struct fz_authz;
struct fz_authz_peer;
struct fz_grant;
struct fz_meter;
struct net;
struct fz_packet;

/* Seconds, a week: as jiffies they fit 32 bits on any machine. */
#define FZ_TIMEOUT_MAX (7 * 24 * 3600)
#define FZ_FLOWS_MAX_DEFAULT (1U << 20)
/* For whoever is root in a container only: the memory is the host's, and no cgroup pays for it. */
#define FZ_FLOWS_MAX_CONTAINED (1U << 16)
#define FZ_FLOWS_MAX_LIMIT (1U << 24)

/**
 * struct fz_timeouts - seconds after which a silent flow ends
 * @tcp_opening: TCP until both sides were heard
 * @tcp_established: TCP after that
 * @tcp_closing: TCP after both sides' FIN, or a RST
 * @udp_new: UDP until answered
 * @udp_answered: UDP after that
 * @icmp: ICMP and ICMPv6
 * @other: any other protocol
 *
 * In fz_timeouts_set(), 0 leaves one as it is.
 */
struct fz_timeouts {
	u32 tcp_opening;
	u32 tcp_established;
	u32 tcp_closing;
	u32 udp_new;
	u32 udp_answered;
	u32 icmp;
	u32 other;
};

/**
 * struct fz_flow_key - what both directions of a flow have in common
 * @ap: the peer; compared as a value
 * @remote: address on the peer's side
 * @local: address on our side
 * @remote_port: port on the peer's side; of ICMP the request's type, with FZ_FLOW_KEY_* flags
 * @local_port: port on our side; of ICMP the id
 * @proto: IP protocol number
 * @family: AF_INET or AF_INET6
 * @zero: makes the size a multiple of four for hashing
 */
struct fz_flow_key {
	struct fz_authz_peer *ap;
	union fz_addr remote;
	union fz_addr local;
	u16 remote_port;
	u16 local_port;
	u8 proto;
	u8 family;
	u16 zero;
};

/**
 * struct fz_flow_side - what changes with each bundle of one direction; a cache line of its own
 * @packets: passed; @lock
 * @bytes: passed, inner headers included; @lock
 * @counted_packets: of @packets, already added to the grant; flow->lock
 * @counted_bytes: the same
 * @lock: inside flow->lock, BH disabled
 * @used: jiffies of the last one, low 32 bits
 * @fin: a FIN was seen from this side
 * @closed: the flow has ended: what it has counted is told, and nothing passes with it any more.
 *	    Written under flow->lock and @lock, read under either
 */
struct fz_flow_side {
	u64 packets;
	u64 bytes;
	u64 counted_packets;
	u64 counted_bytes;
	spinlock_t lock;
	u32 used;
	u8 fin;
	u8 closed;
} ____cacheline_aligned;

/**
 * struct fz_flow - an admitted conversation
 * @node: in az->flows; RCU
 * @key: never changes
 * @grant: that admitted it, with a reference; NULL where none did (modes open and observe). RCU,
 *	   changed under @lock
 * @gen: az->gen with which it was judged last; changed under @lock
 * @lock: the fields that say so, and that beginning and end are told in their order; outside
 *	  az->flow_lock, BH disabled
 * @dir: enum fz_direction of the first packet; never changes
 * @state: enum fz_flow_state; changed under @lock
 * @observed: enum fz_reason that enforce would have refused it with; changed under @lock
 * @mode: enum fz_mode it was judged in; changed under @lock
 * @held: packets of it are still being released by the ask part: others must queue behind
 * @dead: ended; written under @lock and az->flow_lock, read under either
 * @answered: on ap->flows rather than ap->fresh, unless @refused; az->flow_lock
 * @refused: policy ended it, and user space was told; it stays so that what still comes is not taken
 *	for the beginning of another. Changed under @lock and az->flow_lock
 * @icmp_code: of the first packet; never changes
 * @reopened: begun by a SYN where a connection of the other direction was, that was withdrawn or
 *	closing, and not yet answered by a SYN with ACK: see fz_flow_may_reopen(). Only ever cleared,
 *	once published
 * @started: boot clock, ns; changed under @lock
 * @peer_node: in ap->fresh, ap->flows or ap->refused; az->flow_lock
 * @device_node: in az->fresh while unanswered, in az->refused while @refused; az->flow_lock
 * @rcu: frees it
 * @side: by enum fz_direction
 */
struct fz_flow {
	struct rhash_head node;
	struct fz_flow_key key;
	struct fz_grant __rcu *grant;

	u32 gen;
	spinlock_t lock;
	u8 dir;
	u8 state;
	u8 observed;
	u8 mode;
	u8 held;
	u8 dead;
	u8 answered;
	u8 icmp_code;
	u8 refused;
	u8 reopened;
	u64 started;
	struct list_head peer_node;
	union {
		struct list_head device_node;
		struct rcu_head rcu;
	};

	struct fz_flow_side side[2];
};

/* The design's bound on what a flow may cost, both directions. */
static_assert(sizeof(struct fz_flow) <= 256 || !IS_ENABLED(CONFIG_X86_64) ||
	      IS_ENABLED(CONFIG_DEBUG_SPINLOCK) || IS_ENABLED(CONFIG_DEBUG_LOCK_ALLOC));

/**
 * struct fz_flow_info - a flow as it is told to user space
 * @ap: its peer; valid under RCU only
 * @dir: enum fz_direction
 * @tuple: of the first packet
 * @state: enum fz_flow_state
 * @observed: enum fz_reason, FZ_REASON_NONE if it was admitted
 * @has_grant: @resource, @tag and the lease are those of the grant that admitted it
 * @has_lease: the grant has a lease
 * @resource: name
 * @tag: zeros if none
 * @orig_packets: of the direction of the first packet
 * @orig_bytes: the same
 * @reply_packets: of the other direction
 * @reply_bytes: the same
 * @age_ms: since the first packet
 * @timeout_ms: until it ends if it stays silent
 * @lease_ms: until the grant ends
 */
struct fz_flow_info {
	struct fz_authz_peer *ap;
	u8 dir;
	struct fz_tuple tuple;
	u8 state;
	u8 observed;
	bool has_grant;
	bool has_lease;
	char resource[FZ_NAME_MAX + 1];
	u8 tag[FZ_TAG_LEN];
	u64 orig_packets;
	u64 orig_bytes;
	u64 reply_packets;
	u64 reply_bytes;
	u64 age_ms;
	u64 timeout_ms;
	u64 lease_ms;
};

/**
 * struct fz_flow_cursor - where a dump of flows is
 * @az: whose flows; NULL when the dump is not begun
 * @only: only this peer's flows, if not NULL; compared, never followed
 * @iter: position in the table
 */
struct fz_flow_cursor {
	struct fz_authz *az;
	const struct fz_authz_peer *only;
	struct rhashtable_iter iter;
};

/* What the sweep and the judge do with flows. */
struct fz_decision;

void fz_flow_key_make(struct fz_flow_key *key, struct fz_authz_peer *ap, enum fz_direction dir,
		      const struct fz_tuple *tuple);
bool fz_flow_key_alone(struct fz_flow_key *key, enum fz_direction dir,
		       const struct fz_tuple *tuple);
struct fz_flow *fz_flow_find(struct fz_authz *az, const struct fz_flow_key *key);
struct fz_flow *fz_flow_create(struct fz_authz *az, const struct fz_flow_key *key,
			       enum fz_direction dir, const struct fz_packet *packet,
			       const struct fz_decision *decision, u32 gen, bool held);
bool fz_flow_has_address(const struct fz_authz *az, const struct fz_flow_key *key);
bool fz_flow_is_leaving(const struct fz_authz_peer *ap);
bool fz_flow_check(struct fz_authz *az, struct fz_flow *flow, u64 now, struct fz_decision *why);
bool fz_flow_is_idle(const struct fz_authz *az, const struct fz_flow *flow, u8 dir);
void fz_flow_keep_time(struct fz_flow *flow);
u64 fz_flow_timeout_ms(const struct fz_authz *az, const struct fz_flow *flow);
bool fz_flow_may_reopen(struct fz_flow *flow, enum fz_direction dir,
			const struct fz_packet *packet);
void fz_flow_advance(struct fz_authz *az, struct fz_flow *flow, enum fz_direction dir,
		     const struct fz_packet *packet);
bool fz_flow_pass(struct fz_flow *flow, enum fz_direction dir, u64 packets, u64 bytes);
bool fz_flow_pass_metered(struct fz_flow *flow, enum fz_direction dir,
			  const struct fz_packet *packet, struct fz_meter *meter, u64 now,
			  enum fz_reason *reason);
void fz_flow_end(struct fz_authz *az, struct fz_flow *flow, enum fz_flow_end end);
void fz_flow_refuse(struct fz_authz *az, struct fz_flow *flow, enum fz_flow_end end);
void fz_flow_restore(struct fz_authz *az, struct fz_flow *flow);
void fz_flow_touch(struct fz_flow *flow, enum fz_direction dir);
void fz_flow_end_peer(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_flow_end end);
void fz_flow_fold(struct fz_flow *flow);
void fz_flow_fold_locked(struct fz_flow *flow, struct fz_grant *grant);
void fz_flow_set_grant(struct fz_authz *az, struct fz_flow *flow, struct fz_grant *grant);
void fz_flow_tuple(const struct fz_flow *flow, struct fz_tuple *tuple);
void fz_flow_tuple_of(const struct fz_flow *flow, enum fz_direction dir, struct fz_tuple *tuple);

extern const struct rhashtable_params fz_flow_table;
int fz_flow_module_init(void);
void fz_flow_module_exit(void);

int fz_timeouts_check(const struct fz_timeouts *timeouts, struct netlink_ext_ack *extack);
void fz_timeouts_set(struct fz_authz *az, const struct fz_timeouts *timeouts);
void fz_timeouts_get(const struct fz_authz *az, struct fz_timeouts *timeouts);
int fz_max_flows_check(u32 max, struct netlink_ext_ack *extack);
u32 fz_max_flows_default(const struct net *net);
void fz_max_flows_set(struct fz_authz *az, u32 max);
void fz_flow_note_lease(struct fz_authz *az, u64 lease);
u32 fz_max_flows_get(const struct fz_authz *az);

/* Reads a flow for an event or a dump. Under RCU. @az is its device's. */
void fz_flow_read(const struct fz_authz *az, const struct fz_flow *flow,
		  struct fz_flow_info *info);
void fz_flow_flush(struct fz_authz *az, struct fz_authz_peer *only);
void fz_flow_dump_begin(struct fz_authz *az, struct fz_flow_cursor *cursor,
			const struct fz_authz_peer *only);
int fz_flow_dump(struct fz_flow_cursor *cursor,
		 int (*emit)(void *context, const struct fz_flow_info *info), void *context);
void fz_flow_dump_end(struct fz_flow_cursor *cursor);

#endif /* _FZ_AUTHZ_FLOW_H */
