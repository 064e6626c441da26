// SPDX-License-Identifier: GPL-2.0-only
/* Fragments of inner packets. */

#include "authz/fragment.h"

#include <linux/slab.h>

#include "authz/authz.h"

/* Bytes seen: from the first to the one before the last. */
struct piece {
	u32 from;
	u32 to;
};

/**
 * struct fz_fragment - a datagram whose first fragment passed
 * @node: in fz_fragments.list
 * @src: of the datagram
 * @dst: of the datagram
 * @id: of the datagram
 * @family: AF_INET or AF_INET6
 * @proto: of IPv4; 0 for IPv6, where it does not name the datagram
 * @dir: enum fz_direction
 * @n_pieces: length of @pieces
 * @total: bytes of the datagram, 0 until its last fragment was seen
 * @until: jiffies
 * @key: of the flow it is of
 * @pieces: seen, in order, not touching
 */
struct fz_fragment {
	struct list_head node;
	union fz_addr src;
	union fz_addr dst;
	u32 id;
	u8 family;
	u8 proto;
	u8 dir;
	u8 n_pieces;
	u32 total;
	unsigned long until;
	struct fz_flow_key key;
	struct piece pieces[FZ_FRAGMENT_GAPS];
};

static u8 key_proto(const struct fz_tuple *tuple)
{
	return tuple->family == AF_INET ? tuple->proto : 0;
}

static bool is_of(const struct fz_fragment *fragment, enum fz_direction dir,
		  const struct fz_packet *packet)
{
	const struct fz_tuple *tuple = &packet->tuple;

	return fragment->id == packet->frag_id && fragment->dir == dir &&
	       fragment->family == tuple->family && fragment->proto == key_proto(tuple) &&
	       !memcmp(&fragment->src, &tuple->src, sizeof(tuple->src)) &&
	       !memcmp(&fragment->dst, &tuple->dst, sizeof(tuple->dst));
}

static void drop(struct fz_authz *az, struct fz_fragments *fragments,
		 struct fz_fragment *fragment)
{
	lockdep_assert_held(&fragments->lock);
	list_del(&fragment->node);
	fragments->count--;
	atomic_dec(&az->n_fragments);
	kfree(fragment);
}

static struct fz_fragment *find(struct fz_authz *az, struct fz_fragments *fragments,
				enum fz_direction dir, const struct fz_packet *packet)
{
	struct fz_fragment *fragment;

	list_for_each_entry(fragment, &fragments->list, node) {
		if (!is_of(fragment, dir, packet))
			continue;
		if (time_after(jiffies, fragment->until)) {
			drop(az, fragments, fragment);
			return NULL;
		}
		list_move(&fragment->node, &fragments->list);
		return fragment;
	}
	return NULL;
}

/* Adds what @packet brings, unless some of it was seen, or it is past the datagram's end. */
static bool add_piece(struct fz_fragment *fragment, const struct fz_packet *packet)
{
	struct piece *pieces = fragment->pieces;
	u32 from = packet->frag_start, to = packet->frag_end;
	unsigned int n = fragment->n_pieces, at = 0;
	bool joins_before, joins_after;

	while (at < n && pieces[at].to <= from)
		at++;
	if (at < n && pieces[at].from < to)
		return false;
	if (fragment->total && (packet->frag_last || to > fragment->total))
		return false;
	if (packet->frag_last && n && pieces[n - 1].to > to)
		return false;

	joins_before = at && pieces[at - 1].to == from;
	joins_after = at < n && pieces[at].from == to;
	if (joins_before && joins_after) {
		pieces[at - 1].to = pieces[at].to;
		memmove(&pieces[at], &pieces[at + 1], (n - at - 1) * sizeof(*pieces));
		fragment->n_pieces--;
	} else if (joins_before) {
		pieces[at - 1].to = to;
	} else if (joins_after) {
		pieces[at].from = from;
	} else {
		if (n == FZ_FRAGMENT_GAPS)
			return false;
		memmove(&pieces[at + 1], &pieces[at], (n - at) * sizeof(*pieces));
		pieces[at] = (struct piece){ from, to };
		fragment->n_pieces++;
	}
	if (packet->frag_last)
		fragment->total = to;
	return true;
}

static bool is_whole(const struct fz_fragment *fragment)
{
	return fragment->total && fragment->n_pieces == 1 && !fragment->pieces[0].from &&
	       fragment->pieces[0].to == fragment->total;
}

/**
 * fz_fragment_init() - prepares a peer's memory of datagrams
 * @fragments: the memory
 *
 * Context: any.
 */
void fz_fragment_init(struct fz_fragments *fragments)
{
	spin_lock_init(&fragments->lock);
	INIT_LIST_HEAD(&fragments->list);
	fragments->count = 0;
}

static struct fz_fragment *new_fragment(enum fz_direction dir, const struct fz_packet *packet,
					const struct fz_flow_key *key)
{
	struct fz_fragment *fragment = kzalloc(sizeof(*fragment), GFP_ATOMIC);

	if (!fragment)
		return NULL;
	fragment->src = packet->tuple.src;
	fragment->dst = packet->tuple.dst;
	fragment->id = packet->frag_id;
	fragment->family = packet->tuple.family;
	fragment->proto = key_proto(&packet->tuple);
	fragment->dir = dir;
	fragment->until = jiffies + FZ_FRAGMENT_SECONDS * HZ;
	fragment->key = *key;
	add_piece(fragment, packet);
	return fragment;
}

/**
 * fz_fragment_first() - remembers a datagram whose first fragment passes
 * @az: the device's
 * @ap: the peer's
 * @dir: direction
 * @packet: the first fragment
 * @key: of its flow
 *
 * The peer's least used datagram is forgotten for it when there are too many. Without memory the
 * rest of the datagram will be refused.
 *
 * Context: BH disabled.
 * Return: FZ_REASON_NONE, or FZ_REASON_FRAGMENT if the datagram has one already.
 */
enum fz_reason fz_fragment_first(struct fz_authz *az, struct fz_authz_peer *ap,
				 enum fz_direction dir, const struct fz_packet *packet,
				 const struct fz_flow_key *key)
{
	struct fz_fragments *fragments = &ap->fragments;
	enum fz_reason reason = FZ_REASON_NONE;
	struct fz_fragment *fragment;

	spin_lock(&fragments->lock);
	/* Whoever removes the peer drops what is here after saying so. */
	if (READ_ONCE(ap->dead))
		goto out;
	fragment = find(az, fragments, dir, packet);
	if (fragment && !is_whole(fragment)) {
		reason = FZ_REASON_FRAGMENT;
		goto out;
	}
	/* The number is in use again. */
	if (fragment)
		drop(az, fragments, fragment);
	fragment = new_fragment(dir, packet, key);
	if (!fragment)
		goto out;
	if (fragments->count >= FZ_FRAGMENTS_PEER)
		drop(az, fragments, list_last_entry(&fragments->list, struct fz_fragment, node));
	list_add(&fragment->node, &fragments->list);
	fragments->count++;
	atomic_inc(&az->n_fragments);
out:
	spin_unlock(&fragments->lock);
	return reason;
}

/**
 * fz_fragment_forget() - forgets a datagram whose first fragment was refused after all
 * @az: the device's
 * @ap: the peer's
 * @dir: direction
 * @packet: the first fragment
 *
 * Context: BH disabled.
 */
void fz_fragment_forget(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
			const struct fz_packet *packet)
{
	struct fz_fragment *fragment;

	spin_lock(&ap->fragments.lock);
	fragment = find(az, &ap->fragments, dir, packet);
	if (fragment)
		drop(az, &ap->fragments, fragment);
	spin_unlock(&ap->fragments.lock);
}

/**
 * fz_fragment_later() - finds what a later fragment belongs to
 * @az: the device's
 * @ap: the peer's
 * @dir: direction
 * @packet: the fragment
 * @key: set to that of its flow
 *
 * Context: BH disabled.
 * Return: FZ_REASON_NONE, or FZ_REASON_FRAGMENT if its first one did not pass, or it overlaps.
 */
enum fz_reason fz_fragment_later(struct fz_authz *az, struct fz_authz_peer *ap,
				 enum fz_direction dir, const struct fz_packet *packet,
				 struct fz_flow_key *key)
{
	struct fz_fragments *fragments = &ap->fragments;
	enum fz_reason reason = FZ_REASON_FRAGMENT;
	struct fz_fragment *fragment;

	spin_lock(&fragments->lock);
	fragment = find(az, fragments, dir, packet);
	if (fragment && add_piece(fragment, packet)) {
		*key = fragment->key;
		reason = FZ_REASON_NONE;
	}
	spin_unlock(&fragments->lock);
	return reason;
}

/**
 * fz_fragment_again() - finds what a later fragment belongs to that passed before
 * @az: the device's
 * @ap: the peer's
 * @dir: direction
 * @packet: the fragment
 * @key: set to that of its flow
 *
 * Context: BH disabled.
 * Return: FZ_REASON_NONE, or FZ_REASON_FRAGMENT if the datagram is forgotten.
 */
enum fz_reason fz_fragment_again(struct fz_authz *az, struct fz_authz_peer *ap,
				 enum fz_direction dir, const struct fz_packet *packet,
				 struct fz_flow_key *key)
{
	struct fz_fragments *fragments = &ap->fragments;
	struct fz_fragment *fragment;

	spin_lock(&fragments->lock);
	fragment = find(az, fragments, dir, packet);
	if (fragment)
		*key = fragment->key;
	spin_unlock(&fragments->lock);
	return fragment ? FZ_REASON_NONE : FZ_REASON_FRAGMENT;
}

/**
 * fz_fragment_expire() - forgets the datagrams of a peer that are too late
 * @az: the device's
 * @ap: the peer's
 *
 * Context: any but hard interrupts.
 */
void fz_fragment_expire(struct fz_authz *az, struct fz_authz_peer *ap)
{
	struct fz_fragment *fragment, *next;

	if (!READ_ONCE(ap->fragments.count))
		return;
	spin_lock_bh(&ap->fragments.lock);
	list_for_each_entry_safe(fragment, next, &ap->fragments.list, node) {
		if (time_after(jiffies, fragment->until))
			drop(az, &ap->fragments, fragment);
	}
	spin_unlock_bh(&ap->fragments.lock);
}

/**
 * fz_fragment_drop() - forgets all datagrams of a peer
 * @az: the device's
 * @ap: the peer's
 *
 * Context: any but hard interrupts.
 */
void fz_fragment_drop(struct fz_authz *az, struct fz_authz_peer *ap)
{
	struct fz_fragment *fragment, *next;

	spin_lock_bh(&ap->fragments.lock);
	list_for_each_entry_safe(fragment, next, &ap->fragments.list, node)
		drop(az, &ap->fragments, fragment);
	spin_unlock_bh(&ap->fragments.lock);
}
