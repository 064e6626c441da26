/* SPDX-License-Identifier: GPL-2.0-only */
/* Grants: who may open a flow to a resource, in which direction, until when. */

#ifndef _FZ_AUTHZ_GRANT_H
#define _FZ_AUTHZ_GRANT_H

#include <linux/atomic.h>
#include <linux/fz.h>
#include <linux/list.h>
#include <linux/netlink.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>

#include "authz/meter.h"

struct fz_authz;
struct fz_authz_peer;
struct fz_filter;
struct fz_policy;
struct fz_resource;

/* A year: longer leases are refused as a mistake in the unit. */
#define FZ_LEASE_MS_MAX (366ULL * 24 * 3600 * 1000)

/**
 * struct fz_grant_spec - a grant as user space states it
 * @ap: the peer, NULL means any
 * @resource: name of the resource, NUL-terminated
 * @dir: enum fz_direction
 * @action: enum fz_action
 * @has_lease: @lease_ms is given
 * @lease_ms: milliseconds from now until it ends
 * @tag: zeros if none
 * @limits: what it admits at most
 *
 * fz_grant_del() looks at @ap, @resource and @dir alone.
 */
struct fz_grant_spec {
	struct fz_authz_peer *ap;
	const char *resource;
	u8 dir;
	u8 action;
	bool has_lease;
	u64 lease_ms;
	u8 tag[FZ_TAG_LEN];
	struct fz_limits limits;
};

/**
 * struct fz_grant_info - a grant as it is told to user space
 * @ap: the peer, NULL means any; valid under RCU only
 * @resource: name of the resource
 * @dir: enum fz_direction
 * @action: enum fz_action
 * @has_lease: it has a lease
 * @lease_ms: milliseconds until it ends, 0 when it has
 * @tag: zeros if none
 * @packets: admitted by it, both directions, up to a second ago
 * @bytes: the same
 * @flows: live flows that it admitted
 * @limits: what it admits at most
 * @used: bytes, of the quota
 */
struct fz_grant_info {
	struct fz_authz_peer *ap;
	char resource[FZ_NAME_MAX + 1];
	u8 dir;
	u8 action;
	bool has_lease;
	u64 lease_ms;
	u8 tag[FZ_TAG_LEN];
	u64 packets;
	u64 bytes;
	u32 flows;
	struct fz_limits limits;
	u64 used;
};

/**
 * struct fz_grant_key - what names a grant
 * @ap: the peer, NULL means any; compared, followed only under RCU or az->lock while the grant is
 *	in its policy
 * @resource: compared likewise; the grant holds a reference
 * @dir: enum fz_direction
 */
struct fz_grant_key {
	struct fz_authz_peer *ap;
	struct fz_resource *resource;
	unsigned long dir;
};

/**
 * struct fz_grant - leave to open flows to a resource
 * @node: in its policy's table of grants; written under az->lock, read under RCU
 * @key: what names it; never changes
 * @lease: boot clock in ns at which it ends, 0 never. Renewed in place: READ_ONCE, WRITE_ONCE
 * @meter: of its limits, with a reference; NULL if it has none. Changed in place, under az->lock; RCU
 * @resource_node: in resource->grants; az->lock
 * @rcu: frees it, when that list is not looked at any more
 * @peer_node: in ap->grants, or the policy's for `any`; written under az->lock, read under RCU
 * @packets: of flows, added when they end or are swept
 * @bytes: the same
 * @refs: one for the policy, one for each flow that it admitted
 * @flows: live flows that it admitted
 * @action: enum fz_action; never changes
 * @dead: no longer in a policy, or not yet; az->lock
 * @named: by a change that is being made; az->lock
 * @tag: never changes
 *
 * Whoever changes more than lease and limits puts a new grant in its place.
 */
struct fz_grant {
	struct rhash_head node;
	struct fz_grant_key key;
	u64 lease;
	struct fz_meter __rcu *meter;
	union {
		struct list_head resource_node;
		struct rcu_head rcu;
	};
	struct list_head peer_node;
	atomic64_t packets;
	atomic64_t bytes;
	refcount_t refs;
	atomic_t flows;
	u8 action;
	u8 dead;
	u8 named;
	u8 tag[FZ_TAG_LEN] __aligned(4);
};

/* The design's bound on what a grant may cost. */
static_assert(sizeof(struct fz_grant) <= 128);

static inline bool fz_grant_denies(const struct fz_grant *grant)
{
	return grant->action == FZ_ACTION_DENY;
}

/**
 * struct fz_grant_list - all grants of a peer, or all to any peer
 * @list: struct fz_grant.peer_node; az->lock to write, RCU to read
 * @count: length of @list; az->lock to write, READ_ONCE to read
 * @denies: how many of them deny; likewise
 * @filter: of their resources, NULL until there was one; az->lock to write, RCU to read
 */
struct fz_grant_list {
	struct list_head list;
	unsigned int count;
	unsigned int denies;
	struct fz_filter __rcu *filter;
};

/**
 * struct fz_grant_cursor - where a dump of grants is
 * @policy: that is dumped, with a reference; NULL when the dump is not begun
 * @only: only this peer's grants, if not NULL; compared, never followed
 * @iter: position in its table of grants
 */
struct fz_grant_cursor {
	struct fz_policy *policy;
	const struct fz_authz_peer *only;
	struct rhashtable_iter iter;
};

int fz_grant_set(struct fz_authz *az, u64 owner, const struct fz_grant_spec *specs,
		 unsigned int count, unsigned int *bad, struct netlink_ext_ack *extack);
int fz_grant_del(struct fz_authz *az, u64 owner, const struct fz_grant_spec *specs,
		 unsigned int count, unsigned int *bad, struct netlink_ext_ack *extack);

void fz_grant_dump_begin(struct fz_authz *az, struct fz_grant_cursor *cursor,
			 const struct fz_authz_peer *only);
int fz_grant_dump(struct fz_grant_cursor *cursor,
		  int (*emit)(void *context, const struct fz_grant_info *info), void *context);
void fz_grant_dump_end(struct fz_grant_cursor *cursor);

void fz_grant_inherit_meter(struct fz_authz *az, struct fz_grant *grant,
			    const struct fz_grant *old);
void fz_grant_read(const struct fz_grant *grant, struct fz_grant_info *info);
void fz_grant_put(struct fz_grant *grant);
void fz_grant_list_init(struct fz_grant_list *list);

#endif /* _FZ_AUTHZ_GRANT_H */
