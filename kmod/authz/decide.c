// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decision about one flow. It reads, and changes nothing: packets, the sweep and explain all
 * come here.
 */

#include "authz/decide.h"

#include "authz/authz.h"
#include "authz/filter.h"
#include "authz/policy.h"
#include "authz/refusal.h"

struct fz_decide_tuning fz_decide_tuning __read_mostly = {
	.few = 16,
	.few_steps = 256,
	.crowd = 32,
	.steps_per_answer = 4,
	.steps_per_grant = 4,
};

/* How often a decision is made at most while policy is changing. */
#define LOOKS 3

#ifdef FZ_KUNIT
unsigned int fz_decide_ways[FZ_DECIDE_WAYS];
#endif

static void count_way(enum fz_decide_way way)
{
#ifdef FZ_KUNIT
	WRITE_ONCE(fz_decide_ways[way], READ_ONCE(fz_decide_ways[way]) + 1);
#endif
}

/* What the grants for one flow come to. */
struct tally {
	struct fz_policy *policy;
	struct fz_authz_peer *ap;
	enum fz_direction dir;
	const struct fz_tuple *tuple;
	const struct fz_filter *mine;	/* of the peer's grants */
	const struct fz_filter *any;	/* of those to any peer */
	bool denial_possible;
	unsigned int answers;
	unsigned int crowd;	/* of answers, when the grants are tried next */
	int steps;		/* that may still be spent on them */
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

static void add_grant(struct tally *tally, struct fz_grant *grant)
{
	u64 lease;

	if (READ_ONCE(grant->dead))
		return;
	lease = READ_ONCE(grant->lease);
	if (lease && lease <= tally->now) {
		if (grant->action == FZ_ACTION_ALLOW)
			tally->expired = grant;
		return;
	}
	if (fz_grant_denies(grant))
		tally->denies = grant;
	else if (fz_meter_is_spent(rcu_dereference(grant->meter)))
		tally->spent = grant;
	else if (!tally->allows || is_better(grant, tally->allows))
		tally->allows = grant;
}

/* Whether no other grant can change what was found. */
static bool is_settled(const struct tally *tally)
{
	const struct fz_grant *allows = tally->allows;

	if (tally->denies)
		return true;
	return allows && !tally->denial_possible && !READ_ONCE(allows->lease) &&
	       !rcu_access_pointer(allows->meter);
}

static void add_key(struct tally *tally, struct fz_resource *resource, struct fz_authz_peer *ap)
{
	const struct fz_grant_key key = { .ap = ap, .resource = resource, .dir = tally->dir };
	struct fz_grant *grant = rhashtable_lookup(&tally->policy->grants, &key, fz_grant_table);

	if (grant)
		add_grant(tally, grant);
}

/* The grants to one resource that covers the destination. */
static void add_shape(struct tally *tally, const struct fz_shape *shape, u32 tag)
{
	bool any = fz_filter_has(tally->any, tag), mine = fz_filter_has(tally->mine, tag);
	struct fz_resource *resource;

	if (!any && !mine)
		return;
	resource = shape->resource;
	if (rcu_access_pointer(resource->shape) != shape || !READ_ONCE(resource->n_dir[tally->dir]))
		return;
	if (any)
		add_key(tally, resource, NULL);
	if (mine)
		add_key(tally, resource, tally->ap);
}

/* All grants of a list. False if that would take too long. */
static bool add_list(struct tally *tally, const struct fz_grant_list *list)
{
	s64 per_grant = fz_decide_tuning.steps_per_grant;
	struct fz_grant *grant;

	if (READ_ONCE(list->count) * per_grant > tally->steps) {
		count_way(FZ_DECIDE_TOO_MANY);
		return false;
	}
	list_for_each_entry_rcu(grant, &list->list, peer_node) {
		struct fz_resource *resource = grant->key.resource;
		const struct fz_shape *shape;

		if (is_settled(tally))
			return true;
		tally->steps -= per_grant;
		/* One that is staged has its shape in another policy, which may go at any time. */
		if (grant->key.dir != tally->dir || resource->policy != tally->policy)
			continue;
		shape = rcu_dereference(resource->shape);
		if (!shape)
			continue;
		tally->steps -= shape->n_services + shape->n_prefixes;
		if (tally->steps < 0) {
			count_way(FZ_DECIDE_OUT_OF_STEPS);
			return false;
		}
		if (fz_services_cover(shape, tally->tuple))
			add_grant(tally, grant);
	}
	return true;
}

/* All grants that could have a say, if that costs no more than so many steps. */
static bool add_grants(struct tally *tally, int steps)
{
	tally->steps = steps;
	return add_list(tally, &tally->policy->any) &&
	       (!tally->ap || add_list(tally, &tally->ap->grants));
}

/* A peer with few grants costs the same in every policy: no index is as near as they are. */
static bool add_few(struct tally *tally)
{
	unsigned int count = READ_ONCE(tally->policy->any.count);

	if (tally->ap)
		count += READ_ONCE(tally->ap->grants.count);
	return count <= fz_decide_tuning.few && add_grants(tally, fz_decide_tuning.few_steps);
}

/*
 * All grants, if they cost no more than what was done so far. So a decision costs a small multiple of
 * the cheaper of the two ways, whatever the policy.
 */
static bool add_crowd(struct tally *tally)
{
	tally->crowd *= 2;
	return add_grants(tally, min(tally->answers, 1U << 20) * fz_decide_tuning.steps_per_answer);
}

/* All grants at one prefix. True if nothing is left to be looked at anywhere. */
static bool add_prefix(struct tally *tally, const struct fz_services *services, u32 point)
{
	struct fz_services_walk walk;
	struct fz_shape *shape;
	u32 tag;

	fz_services_ask(&walk, services, point);
	while (!is_settled(tally) && (shape = fz_services_answer(&walk, &tag))) {
		add_shape(tally, shape, tag);
		if (++tally->answers == tally->crowd && add_crowd(tally)) {
			count_way(FZ_DECIDE_BY_GRANTS);
			return true;
		}
	}
	return is_settled(tally);
}

/* Whether there may be a grant to what is at a prefix. Most often the node alone can tell. */
static bool is_of_interest(const struct tally *tally, const struct fz_trie_node *node)
{
	u32 tag = READ_ONCE(node->tag);

	if (!rcu_access_pointer(node->services))
		return false;
	return !tag || fz_filter_has(tally->any, tag) || fz_filter_has(tally->mine, tag);
}

/*
 * All resources that cover the destination have a say, not only that with the longest prefix. Where
 * thousands do, the peer's grants are most likely far fewer: then it is they that are looked at, as
 * where they are few from the start. What was found by then is found again, and makes no difference.
 */
static void add_all(struct tally *tally)
{
	const struct fz_tuple *tuple = tally->tuple;
	const struct fz_trie *trie = fz_policy_trie(tally->policy, tuple->family);
	const struct fz_trie_node *node = NULL;
	unsigned int bits = fz_family_bits(tuple->family);
	u32 point = fz_services_point(tuple);

	if (add_few(tally)) {
		count_way(FZ_DECIDE_BY_FEW);
		return;
	}
	while ((node = fz_trie_next(trie, node, bits, &tuple->dst))) {
		if (!is_of_interest(tally, node))
			continue;
		if (!fz_prefix_covers(&node->prefix, tuple->family, &tuple->dst) ||
		    add_prefix(tally, rcu_dereference(node->services), point))
			return;
	}
	count_way(FZ_DECIDE_BY_INDEX);
}

/* What all grants of the moment come to. */
static void add_up(struct fz_authz *az, struct tally *tally)
{
	tally->crowd = fz_decide_tuning.crowd;
	tally->answers = 0;
	tally->denies = NULL;
	tally->allows = NULL;
	tally->expired = NULL;
	tally->spent = NULL;
	tally->policy = rcu_dereference(az->policy);
	tally->any = rcu_dereference(tally->policy->any.filter);
	tally->denial_possible = READ_ONCE(tally->policy->any.denies);
	if (tally->ap) {
		tally->mine = rcu_dereference(tally->ap->grants.filter);
		tally->denial_possible |= READ_ONCE(tally->ap->grants.denies);
	}
	add_all(tally);
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
	struct tally tally = { .ap = ap, .dir = dir, .tuple = tuple, .now = now };
	unsigned int looks = LOOKS;
	unsigned int seq;

	memset(decision, 0, sizeof(*decision));
	decision->mode = setting.mode;
	decision->flags = setting.flags;
	decision->verdict = FZ_VERDICT_PASS;
	if (setting.mode == FZ_MODE_OPEN)
		return;
	/*
	 * What changes on the way could be missed in both states. Under changes without end the last
	 * look counts: it can only be wrong about what was being changed in that microsecond.
	 */
	do {
		seq = raw_read_seqcount(&az->change);
		add_up(az, &tally);
	} while (((seq & 1) || read_seqcount_retry(&az->change, seq)) && --looks);
	conclude(&tally, decision);
	if (decision->reason == FZ_REASON_NONE)
		return;
	if (setting.mode == FZ_MODE_OBSERVE) {
		decision->verdict = FZ_VERDICT_OBSERVE;
		return;
	}
	consider_asking(az, ap, dir, tuple, decision);
}
