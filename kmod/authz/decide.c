// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decision about one flow. It reads, and changes nothing: packets, the sweep and explain all
 * come here.
 */

#include "authz/decide.h"

#include "authz/authz.h"
#include "authz/policy.h"
#include "authz/refusal.h"

/* What the grants for one flow come to. */
struct tally {
	u64 now;
	struct fz_grant *denies;
	struct fz_grant *allows;	/* of several, see is_better() */
	struct fz_grant *spent;
	struct fz_grant *expired;
};

/* Without limits rather than with, and that which ends last. */
static bool is_better(const struct fz_grant *a, const struct fz_grant *b)
{
	u64 lease_a = READ_ONCE(a->lease), lease_b = READ_ONCE(b->lease);
	bool limits_a = rcu_access_pointer(a->meter), limits_b = rcu_access_pointer(b->meter);

	if (limits_a != limits_b)
		return limits_b;
	return lease_b && (!lease_a || lease_a > lease_b);
}

static void add_grant(struct tally *tally, struct fz_policy *policy,
		      const struct fz_grant_key *key)
{
	struct fz_grant *grant = rhashtable_lookup(&policy->grants, key, fz_grant_table);
	u64 lease;

	if (!grant || READ_ONCE(grant->dead))
		return;
	lease = READ_ONCE(grant->lease);
	if (lease && lease <= tally->now) {
		if (grant->action == FZ_ACTION_ALLOW)
			tally->expired = grant;
		return;
	}
	if (grant->action == FZ_ACTION_DENY)
		tally->denies = grant;
	else if (fz_meter_is_spent(rcu_dereference(grant->meter)))
		tally->spent = grant;
	else if (!tally->allows || is_better(grant, tally->allows))
		tally->allows = grant;
}

/* All grants at one prefix. */
static void add_prefix(struct tally *tally, struct fz_policy *policy,
		       const struct fz_services *services, u32 point, struct fz_authz_peer *ap,
		       enum fz_direction dir)
{
	struct fz_services_walk walk;
	struct fz_shape *shape;

	fz_services_ask(&walk, services, point);
	while (!tally->denies && (shape = fz_services_answer(&walk))) {
		struct fz_grant_key key = { .resource = shape->resource, .dir = dir };

		if (rcu_access_pointer(shape->resource->shape) != shape ||
		    !READ_ONCE(shape->resource->n_dir[dir]))
			continue;
		add_grant(tally, policy, &key);
		if (!ap)
			continue;
		key.ap = ap;
		add_grant(tally, policy, &key);
	}
}

/* All resources that cover the destination have a say, not only that with the longest prefix. */
static void add_all(struct tally *tally, struct fz_policy *policy, struct fz_authz_peer *ap,
		    enum fz_direction dir, const struct fz_tuple *tuple)
{
	const struct fz_trie *trie = fz_policy_trie(policy, tuple->family);
	const struct fz_trie_node *node = NULL;
	u32 point = fz_services_point(tuple);

	while (!tally->denies &&
	       (node = fz_trie_next(trie, node, tuple->family, &tuple->dst)))
		add_prefix(tally, policy, rcu_dereference(node->services), point, ap, dir);
}

static void conclude(const struct tally *tally, struct fz_decision *decision)
{
	if (tally->denies) {
		decision->reason = FZ_REASON_DENIED;
		decision->grant = tally->denies;
	} else if (tally->allows) {
		decision->reason = FZ_REASON_NONE;
		decision->grant = tally->allows;
	} else if (tally->spent) {
		decision->reason = FZ_REASON_QUOTA;
		decision->grant = tally->spent;
	} else if (tally->expired) {
		decision->reason = FZ_REASON_EXPIRED;
		decision->grant = tally->expired;
	} else {
		decision->reason = FZ_REASON_NO_GRANT;
	}
}

/* Nobody is asked about what is denied, nor again about what was refused a moment ago. */
static void consider_asking(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
			    const struct fz_tuple *tuple, struct fz_decision *decision)
{
	decision->verdict = FZ_VERDICT_REFUSE;
	if (!(decision->flags & FZ_MODE_F_ASK) || decision->reason == FZ_REASON_DENIED)
		return;
	if (fz_refusal_find(az, ap, dir, tuple, decision->tag, &decision->has_tag)) {
		decision->reason = FZ_REASON_REFUSED;
		decision->grant = NULL;
		return;
	}
	decision->verdict = FZ_VERDICT_ASK;
}

/**
 * fz_decide() - decides about one flow
 * @az: the device's
 * @ap: the peer's; NULL where there is none
 * @dir: of the first packet
 * @tuple: of the first packet
 * @now: boot clock, ns
 * @decision: filled in
 *
 * Deny beats allow, whatever the prefixes, and whoever the peers are. What has expired, or whose
 * quota is used up, is as good as gone, but is named as the reason. Of several grants that admit, one
 * without limits does, or else the one that ends last; the flow goes on its counters, and by its
 * limits alone.
 *
 * Context: RCU; @decision->grant stays as long.
 */
void fz_decide(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
	       const struct fz_tuple *tuple, u64 now, struct fz_decision *decision)
{
	struct fz_mode_setting setting = fz_mode_effective(az, ap, dir);
	struct tally tally = { .now = now };

	memset(decision, 0, sizeof(*decision));
	decision->mode = setting.mode;
	decision->flags = setting.flags;
	decision->verdict = FZ_VERDICT_PASS;
	if (setting.mode == FZ_MODE_OPEN)
		return;
	add_all(&tally, rcu_dereference(az->policy), ap, dir, tuple);
	conclude(&tally, decision);
	if (decision->reason == FZ_REASON_NONE)
		return;
	if (setting.mode == FZ_MODE_OBSERVE) {
		decision->verdict = FZ_VERDICT_OBSERVE;
		return;
	}
	consider_asking(az, ap, dir, tuple, decision);
}
