// SPDX-License-Identifier: GPL-2.0-only
/* Refusals that user space gave. */

#include "authz/refusal.h"

#include <linux/jhash.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "authz/authz.h"
#include "authz/services.h"

/*
 * What was refused: who, to whom, which service. Not the source port, which is another one at
 * every new attempt.
 */
struct refused {
	const struct fz_authz_peer *ap;
	union fz_addr src;
	union fz_addr dst;
	u32 point;
	u8 family;
	u8 dir;
	u16 zero;
};

/**
 * struct fz_refusal - one refusal
 * @bucket: in its bucket
 * @node: in the list
 * @what: never changes
 * @until: jiffies
 * @has_tag: @tag is given
 * @tag: of the verdict
 * @rcu: frees it
 */
struct fz_refusal {
	struct hlist_node bucket;
	struct list_head node;
	struct refused what;
	unsigned long until;
	bool has_tag;
	u8 tag[FZ_TAG_LEN];
	struct rcu_head rcu;
};

static void describe(struct refused *what, const struct fz_authz_peer *ap,
		     enum fz_direction dir, const struct fz_tuple *tuple)
{
	memset(what, 0, sizeof(*what));
	what->ap = ap;
	what->src = tuple->src;
	what->dst = tuple->dst;
	what->point = fz_services_point(tuple);
	what->family = tuple->family;
	what->dir = dir;
}

static struct hlist_head *bucket_of(struct fz_refusals *refusals, const struct refused *what)
{
	static u32 seed __read_mostly;

	net_get_random_once(&seed, sizeof(seed));
	return &refusals->buckets[jhash(what, sizeof(*what), seed) % FZ_REFUSAL_BUCKETS];
}

static void drop(struct fz_refusals *refusals, struct fz_refusal *refusal)
{
	lockdep_assert_held(&refusals->lock);
	hlist_del_rcu(&refusal->bucket);
	list_del(&refusal->node);
	refusals->count--;
	kfree_rcu(refusal, rcu);
}

/**
 * fz_refusal_init() - prepares a device's memory of refusals
 * @refusals: the memory
 *
 * Context: any.
 */
void fz_refusal_init(struct fz_refusals *refusals)
{
	unsigned int i;

	spin_lock_init(&refusals->lock);
	INIT_LIST_HEAD(&refusals->list);
	refusals->count = 0;
	for (i = 0; i < FZ_REFUSAL_BUCKETS; i++)
		INIT_HLIST_HEAD(&refusals->buckets[i]);
}

/**
 * fz_refusal_add() - remembers a refusal
 * @az: the device's
 * @ap: the peer's; NULL for a destination without one
 * @dir: of the refused packet
 * @tuple: of the refused packet
 * @ttl_ms: for how long; 0 not at all
 * @tag: of the verdict; NULL if it has none
 *
 * The oldest is forgotten for it when there are too many, or there is no memory for it; then user
 * space is asked again earlier than it wanted.
 *
 * Context: BH disabled.
 */
void fz_refusal_add(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		    const struct fz_tuple *tuple, u32 ttl_ms, const u8 *tag)
{
	struct fz_refusals *refusals = &az->refusals;
	struct fz_refusal *refusal, *old, *next;

	refusal = ttl_ms ? kzalloc(sizeof(*refusal), GFP_ATOMIC) : NULL;
	if (!refusal)
		return;
	describe(&refusal->what, ap, dir, tuple);
	refusal->until = jiffies + msecs_to_jiffies(ttl_ms);
	if (tag) {
		refusal->has_tag = true;
		memcpy(refusal->tag, tag, sizeof(refusal->tag));
	}
	spin_lock(&refusals->lock);
	/* Whoever removes the peer drops what is here after saying so. */
	if (ap && READ_ONCE(ap->dead)) {
		spin_unlock(&refusals->lock);
		kfree(refusal);
		return;
	}
	list_for_each_entry_safe(old, next, &refusals->list, node) {
		if (refusals->count < FZ_ASK_REFUSALS && time_before(jiffies, old->until))
			break;
		drop(refusals, old);
	}
	list_add_tail(&refusal->node, &refusals->list);
	hlist_add_head_rcu(&refusal->bucket, bucket_of(refusals, &refusal->what));
	refusals->count++;
	spin_unlock(&refusals->lock);
}

/**
 * fz_refusal_find() - whether a flow was refused a moment ago
 * @az: the device's
 * @ap: the peer's; NULL for a destination without one
 * @dir: of the packet
 * @tuple: of the packet
 * @tag: set to the verdict's, if it has one
 * @has_tag: set to whether it has
 *
 * Context: RCU.
 * Return: true if so, and the refusal is still to be remembered.
 */
bool fz_refusal_find(struct fz_authz *az, const struct fz_authz_peer *ap, enum fz_direction dir,
		     const struct fz_tuple *tuple, u8 *tag, bool *has_tag)
{
	struct fz_refusal *refusal;
	struct refused what;

	if (!READ_ONCE(az->refusals.count))
		return false;
	describe(&what, ap, dir, tuple);
	hlist_for_each_entry_rcu(refusal, bucket_of(&az->refusals, &what), bucket) {
		if (memcmp(&refusal->what, &what, sizeof(what)) ||
		    !time_before(jiffies, refusal->until))
			continue;
		memcpy(tag, refusal->tag, sizeof(refusal->tag));
		*has_tag = refusal->has_tag;
		return true;
	}
	return false;
}

/**
 * fz_refusal_drop() - forgets the refusals of a peer that goes
 * @az: the device's
 * @ap: the peer
 *
 * Context: any but hard interrupts.
 */
void fz_refusal_drop(struct fz_authz *az, const struct fz_authz_peer *ap)
{
	struct fz_refusal *refusal, *next;

	spin_lock_bh(&az->refusals.lock);
	list_for_each_entry_safe(refusal, next, &az->refusals.list, node) {
		if (refusal->what.ap == ap)
			drop(&az->refusals, refusal);
	}
	spin_unlock_bh(&az->refusals.lock);
}

/**
 * fz_refusal_drop_all() - forgets all
 * @az: the device's
 *
 * Context: any but hard interrupts.
 */
void fz_refusal_drop_all(struct fz_authz *az)
{
	struct fz_refusal *refusal, *next;

	spin_lock_bh(&az->refusals.lock);
	list_for_each_entry_safe(refusal, next, &az->refusals.list, node)
		drop(&az->refusals, refusal);
	spin_unlock_bh(&az->refusals.lock);
}
