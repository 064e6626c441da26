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

/**
 * fz_ghosts_add() - a withdrawn flow is about to leave the table
 * @az: the device's
 * @key: of the flow
 * @dir: of the flow
 *
 * Context: any.
 * Return: true if it will be known; false if there is no memory for it yet: it must stay.
 */
bool fz_ghosts_add(struct fz_authz *az, const struct fz_flow_key *key, enum fz_direction dir)
{
	/* Pairs with fz_ghosts_age(). */
	struct fz_ghosts *ghosts = smp_load_acquire(&az->ghosts);
	struct place place;
	unsigned int young, i;

	if (!ghosts)
		return false;
	young = READ_ONCE(ghosts->young);
	place = place_of(ghosts, key, dir);
	for (i = 0; i < PROBES; i++)
		set_bit((place.begin + i * place.step) & ghosts->mask, ghosts->bits[young]);
	WRITE_ONCE(ghosts->any[young], true);
	/* Pairs with fz_ghosts_find(): who does not find the flow any more finds its ghost. */
	smp_wmb();
	return true;
}

static bool is_in(const struct fz_ghosts *ghosts, unsigned int set, struct place place)
{
	unsigned int i;

	if (!READ_ONCE(ghosts->any[set]))
		return false;
	for (i = 0; i < PROBES; i++) {
		if (!test_bit((place.begin + i * place.step) & ghosts->mask, ghosts->bits[set]))
			return false;
	}
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
 * Context: any.
 * Return: true if so, or if it looks so.
 */
bool fz_ghosts_find(struct fz_authz *az, const struct fz_flow_key *key, enum fz_direction dir)
{
	/* Pairs with fz_ghosts_age(). */
	struct fz_ghosts *ghosts = smp_load_acquire(&az->ghosts);
	unsigned int young;
	struct place place;

	if (!ghosts)
		return false;
	/* Pairs with fz_ghosts_add(). */
	smp_rmb();
	if (!READ_ONCE(ghosts->any[0]) && !READ_ONCE(ghosts->any[1]))
		return false;
	young = READ_ONCE(ghosts->young);
	place = place_of(ghosts, key, dir);
	if (is_in(ghosts, young, place))
		return true;
	if (!is_in(ghosts, !young, place))
		return false;
	fz_ghosts_add(az, key, dir);
	return true;
}

/* In proportion to the table: all of it may be withdrawn at once. */
static struct fz_ghosts *new_ghosts(u32 max_flows)
{
	u64 bits = roundup_pow_of_two(max_t(u64, (u64)max_flows * BITS_PER_FLOW, BITS_MIN));
	struct fz_ghosts *ghosts = kzalloc(sizeof(*ghosts), GFP_KERNEL);
	unsigned int set;

	if (!ghosts)
		return NULL;
	for (set = 0; set < 2; set++) {
		ghosts->bits[set] = kvzalloc(bits / 8, GFP_KERNEL);
		if (!ghosts->bits[set])
			goto free;
	}
	ghosts->mask = bits - 1;
	ghosts->seed = get_random_u32();
	ghosts->turned = jiffies;
	return ghosts;

free:
	kvfree(ghosts->bits[0]);
	kfree(ghosts);
	return NULL;
}

static u32 longest_timeout(const struct fz_authz *az)
{
	struct fz_timeouts timeouts;

	fz_timeouts_get(az, &timeouts);
	return max3(max(timeouts.tcp_opening, timeouts.tcp_established),
		    max3(timeouts.tcp_closing, timeouts.udp_new, timeouts.udp_answered),
		    max(timeouts.icmp, timeouts.other));
}

static void turn(struct fz_ghosts *ghosts)
{
	unsigned int old = !ghosts->young;

	bitmap_zero(ghosts->bits[old], ghosts->mask + 1);
	WRITE_ONCE(ghosts->any[old], false);
	WRITE_ONCE(ghosts->young, old);
	ghosts->turned = jiffies;
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
		if (time_after(jiffies, ghosts->turned + longest_timeout(az) * HZ))
			turn(ghosts);
		return;
	}
	if (list_empty_careful(&az->refused) ||
	    READ_ONCE(az->n_flows) < READ_ONCE(az->max_flows) / 2)
		return;
	/* Without memory withdrawn flows stay until their time is up. Pairs with the readers. */
	smp_store_release(&az->ghosts, new_ghosts(READ_ONCE(az->max_flows)));
}

/**
 * fz_ghosts_forget() - forgets all ghosts
 * @az: the device's
 *
 * Context: any.
 */
void fz_ghosts_forget(struct fz_authz *az)
{
	/* Pairs with fz_ghosts_age(). */
	struct fz_ghosts *ghosts = smp_load_acquire(&az->ghosts);
	unsigned int set;

	for (set = 0; ghosts && set < 2; set++)
		bitmap_zero(ghosts->bits[set], ghosts->mask + 1);
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
	kvfree(ghosts->bits[0]);
	kvfree(ghosts->bits[1]);
	kfree(ghosts);
	az->ghosts = NULL;
}
