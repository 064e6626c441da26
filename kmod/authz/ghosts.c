// SPDX-License-Identifier: GPL-2.0-only
/* Withdrawn flows that had to make room: two Bloom filters that take turns. */

#include "authz/ghosts.h"

#include <linux/bitmap.h>
#include <linux/jhash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "authz/authz.h"

#define BITS_PER_FLOW 8
#define BITS_MIN 4096
#define PROBES 4

/* Where the bits of a ghost are: begin, begin + step, and so on. */
struct place {
	u32 begin;
	u32 step;
};

static struct place place_of(const struct fz_ghosts *ghosts, const struct fz_flow_key *key,
			     enum fz_direction dir)
{
	struct place place;

	BUILD_BUG_ON(sizeof(*key) % sizeof(u32));
	place.begin = jhash2((const u32 *)key, sizeof(*key) / sizeof(u32), ghosts->seed + dir);
	place.step = jhash_1word(place.begin, ~ghosts->seed) | 1;
	return place;
}

static void set_bits(struct fz_ghost_set *set, struct place place)
{
	unsigned int i;

	for (i = 0; i < PROBES; i++)
		set_bit((place.begin + i * place.step) & set->mask, set->bits);
	WRITE_ONCE(set->any, true);
}

static bool is_in(const struct fz_ghost_set *set, struct place place)
{
	unsigned int i;

	if (!READ_ONCE(set->any))
		return false;
	for (i = 0; i < PROBES; i++) {
		if (!test_bit((place.begin + i * place.step) & set->mask, set->bits))
			return false;
	}
	return true;
}

/**
 * fz_ghosts_add() - a withdrawn flow is about to leave the table
 * @az: the device's
 * @key: of the flow
 * @dir: of the flow
 *
 * Context: RCU.
 * Return: true if it will be known; false if there is no memory for it yet: it must stay.
 */
bool fz_ghosts_add(struct fz_authz *az, const struct fz_flow_key *key, enum fz_direction dir)
{
	/* Pairs with fz_ghosts_age(). */
	struct fz_ghosts *ghosts = smp_load_acquire(&az->ghosts);

	if (!ghosts)
		return false;
	/* Pairs with turn(). */
	set_bits(rcu_dereference(ghosts->sets[smp_load_acquire(&ghosts->young)]),
		 place_of(ghosts, key, dir));
	/* Pairs with fz_ghosts_find(): who does not find the flow any more finds its ghost. */
	smp_wmb();
	return true;
}

/**
 * fz_ghosts_find() - whether a packet may be a reply within a flow that was withdrawn
 * @az: the device's
 * @key: of the packet, which fz_flow_find() did not find
 * @dir: of the flow that it would be a reply in
 *
 * Like the flow in the table, a ghost stays while somebody sends.
 *
 * Context: RCU.
 * Return: true if so, or if it looks so.
 */
bool fz_ghosts_find(struct fz_authz *az, const struct fz_flow_key *key, enum fz_direction dir)
{
	/* Pairs with fz_ghosts_age(). */
	struct fz_ghosts *ghosts = smp_load_acquire(&az->ghosts);
	const struct fz_ghost_set *young, *old;
	struct place place;
	unsigned int which;

	if (!ghosts)
		return false;
	/* Pairs with fz_ghosts_add(). */
	smp_rmb();
	/* Pairs with turn(). */
	which = smp_load_acquire(&ghosts->young);
	young = rcu_dereference(ghosts->sets[which]);
	old = rcu_dereference(ghosts->sets[!which]);
	if (!READ_ONCE(young->any) && !READ_ONCE(old->any))
		return false;
	place = place_of(ghosts, key, dir);
	if (is_in(young, place))
		return true;
	if (!is_in(old, place))
		return false;
	fz_ghosts_add(az, key, dir);
	return true;
}

/* In proportion to the table: all of it may be withdrawn at once. */
static u32 bits_for(const struct fz_authz *az)
{
	return roundup_pow_of_two(max_t(u32, READ_ONCE(az->max_flows) * BITS_PER_FLOW, BITS_MIN));
}

static struct fz_ghost_set *new_set(u32 bits)
{
	struct fz_ghost_set *set = kvzalloc(struct_size(set, bits, BITS_TO_LONGS(bits)), GFP_KERNEL);

	if (set)
		set->mask = bits - 1;
	return set;
}

static struct fz_ghosts *new_ghosts(const struct fz_authz *az)
{
	struct fz_ghosts *ghosts = kzalloc(sizeof(*ghosts), GFP_KERNEL);
	struct fz_ghost_set *sets[2];

	if (!ghosts)
		return NULL;
	sets[0] = new_set(bits_for(az));
	sets[1] = new_set(bits_for(az));
	if (!sets[0] || !sets[1]) {
		kvfree(sets[0]);
		kvfree(sets[1]);
		kfree(ghosts);
		return NULL;
	}
	RCU_INIT_POINTER(ghosts->sets[0], sets[0]);
	RCU_INIT_POINTER(ghosts->sets[1], sets[1]);
	ghosts->seed = get_random_u32();
	ghosts->turned = jiffies;
	return ghosts;
}

static u32 longest_timeout(const struct fz_authz *az)
{
	struct fz_timeouts timeouts;

	fz_timeouts_get(az, &timeouts);
	return max3(max(timeouts.tcp_opening, timeouts.tcp_established),
		    max3(timeouts.tcp_closing, timeouts.udp_new, timeouts.udp_answered),
		    max(timeouts.icmp, timeouts.other));
}

/* For the sweep alone, which replaces them. */
static struct fz_ghost_set *set_of(const struct fz_ghosts *ghosts, unsigned int which)
{
	return rcu_dereference_protected(ghosts->sets[which], true);
}

static void empty(struct fz_ghost_set *set)
{
	WRITE_ONCE(set->any, false);
	bitmap_zero(set->bits, set->mask + 1);
}

/* The older becomes the younger, empty, and as large as the table is by now if there is the memory. */
static void turn(struct fz_authz *az, struct fz_ghosts *ghosts)
{
	unsigned int which = !ghosts->young;
	struct fz_ghost_set *old = set_of(ghosts, which), *set = NULL;

	if (old->mask + 1 != bits_for(az))
		set = new_set(bits_for(az));
	if (set) {
		rcu_assign_pointer(ghosts->sets[which], set);
		kvfree_rcu(old, rcu);
	} else {
		empty(old);
	}
	/* Pairs with who adds: not to what is being emptied. */
	smp_store_release(&ghosts->young, which);
	ghosts->turned = jiffies;
}

/* Whether the sets are too small for what may come, and the older can be spared. */
static bool has_outgrown(const struct fz_authz *az, const struct fz_ghosts *ghosts)
{
	return set_of(ghosts, ghosts->young)->mask + 1 < bits_for(az) &&
	       !READ_ONCE(set_of(ghosts, !ghosts->young)->any);
}

/**
 * fz_ghosts_age() - makes room for ghosts before they are needed, and lets old ones go
 * @az: the device's
 *
 * Context: may sleep; the sweep alone.
 */
void fz_ghosts_age(struct fz_authz *az)
{
	struct fz_ghosts *ghosts = az->ghosts;

	if (ghosts) {
		if (time_after(jiffies, ghosts->turned + longest_timeout(az) * HZ) ||
		    has_outgrown(az, ghosts))
			turn(az, ghosts);
		return;
	}
	if (list_empty_careful(&az->refused) ||
	    READ_ONCE(az->n_flows) < READ_ONCE(az->max_flows) / 2)
		return;
	/* Without memory withdrawn flows stay until their time is up. Pairs with the readers. */
	smp_store_release(&az->ghosts, new_ghosts(az));
}

/**
 * fz_ghosts_forget() - forgets all ghosts
 * @az: the device's
 *
 * Context: any. Takes RCU.
 */
void fz_ghosts_forget(struct fz_authz *az)
{
	/* Pairs with fz_ghosts_age(). */
	struct fz_ghosts *ghosts = smp_load_acquire(&az->ghosts);
	unsigned int which;

	rcu_read_lock();
	for (which = 0; ghosts && which < 2; which++)
		empty(rcu_dereference(ghosts->sets[which]));
	rcu_read_unlock();
}

/**
 * fz_ghosts_free() - the end of a device's ghosts
 * @az: the device's; no packet can come any more
 *
 * Context: may sleep.
 */
void fz_ghosts_free(struct fz_authz *az)
{
	struct fz_ghosts *ghosts = az->ghosts;

	if (!ghosts)
		return;
	kvfree(set_of(ghosts, 0));
	kvfree(set_of(ghosts, 1));
	kfree(ghosts);
	az->ghosts = NULL;
}
