// SPDX-License-Identifier: GPL-2.0-only
/*
 * A binary trie in which no node has a single child unless it is somebody's prefix: a node stands
 * for the longest prefix that all below it share, so that there are fewer forks than prefixes and a
 * lookup visits at most as many nodes as there are bits. Both families use it: an IPv4 address is
 * the first 32 of the 128 bits.
 */
#include <linux/bitops.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/mutex.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/socket.h>

#include "compat/unaligned.h"
#include "tunnel/allowedips.h"

#define BITS4 32
#define BITS6 128

/* Every peer has a few nodes: in a cache of their own they take no more than they are. */
static struct kmem_cache *node_cache;

/**
 * fz_allowedips_module_init() - prepare for allowed IPs
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int fz_allowedips_module_init(void)
{
	node_cache = KMEM_CACHE(fz_allowedip, 0);
	return node_cache ? 0 : -ENOMEM;
}

/**
 * fz_allowedips_module_exit() - undo fz_allowedips_module_init()
 *
 * Context: module unload, after rcu_barrier(); there is no table any more.
 */
void fz_allowedips_module_exit(void)
{
	kmem_cache_destroy(node_cache);
}

static bool bit_at(u64 high, u64 low, u8 at)
{
	return at < 64 ? high >> (63 - at) & 1 : low >> (127 - at) & 1;
}

static bool covers(const struct fz_allowedip_prefix *prefix, u64 high, u64 low)
{
	if (prefix->len == 0)
		return true;
	if (prefix->len <= 64)
		return !((prefix->high ^ high) >> (64 - prefix->len));
	return prefix->high == high && !((prefix->low ^ low) >> (128 - prefix->len));
}

/* How many bits two prefixes share; no more than the shorter has. */
static u8 shared_len(const struct fz_allowedip_prefix *a, const struct fz_allowedip_prefix *b)
{
	u8 len = 64 - fls64(a->high ^ b->high);

	if (len == 64)
		len += 64 - fls64(a->low ^ b->low);
	return min3(len, a->len, b->len);
}

static void cut(struct fz_allowedip_prefix *prefix, u8 len)
{
	prefix->len = len;
	prefix->high &= len == 0 ? 0 : len < 64 ? ~0ULL << (64 - len) : ~0ULL;
	prefix->low &= len <= 64 ? 0 : ~0ULL << (128 - len);
}

static int read_prefix(struct fz_allowedip_prefix *prefix, u8 family, const void *address, u8 len)
{
	if (family == AF_INET && len <= BITS4) {
		prefix->high = (u64)get_unaligned_be32(address) << 32;
		prefix->low = 0;
	} else if (family == AF_INET6 && len <= BITS6) {
		prefix->high = get_unaligned_be64(address);
		prefix->low = get_unaligned_be64(address + sizeof(u64));
	} else {
		return -EINVAL;
	}
	prefix->family = family;
	cut(prefix, len);
	return 0;
}

static struct fz_allowedip __rcu **root_of(struct fz_allowedips *table, u8 family)
{
	return family == AF_INET ? &table->root4 : &table->root6;
}

static struct fz_allowedip *locked(const struct fz_allowedips *table,
				   struct fz_allowedip __rcu *const *link)
{
	return rcu_dereference_protected(*link, lockdep_is_held(table->lock));
}

/* The pointer that leads to a node. */
static struct fz_allowedip __rcu **link_of(struct fz_allowedips *table,
					   const struct fz_allowedip *node)
{
	struct fz_allowedip *parent = node->parent;

	if (!parent)
		return root_of(table, node->prefix.family);
	return &parent->child[bit_at(node->prefix.high, node->prefix.low, parent->prefix.len)];
}

/* Where to go on from a node that covers the prefix and is shorter. */
static struct fz_allowedip __rcu **link_below(struct fz_allowedip *node,
					      const struct fz_allowedip_prefix *prefix)
{
	return &node->child[bit_at(prefix->high, prefix->low, node->prefix.len)];
}

static struct fz_allowedip *create(const struct fz_allowedip_prefix *prefix)
{
	struct fz_allowedip *node = kmem_cache_zalloc(node_cache, GFP_KERNEL);

	if (node)
		node->prefix = *prefix;
	return node;
}

static void free_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(node_cache, container_of(rcu, struct fz_allowedip, rcu));
}

/* Makes a node, which readers cannot see yet, the parent of another. */
static void adopt(struct fz_allowedip *node, struct fz_allowedip *child)
{
	RCU_INIT_POINTER(*link_below(node, &child->prefix), child);
	child->parent = node;
}

/**
 * fz_allowedips_init() - begin with nobody's addresses
 * @table: of a new device
 * @lock: the device's update_lock
 *
 * Context: any, not shared yet.
 */
void fz_allowedips_init(struct fz_allowedips *table, struct mutex *lock)
{
	RCU_INIT_POINTER(table->root4, NULL);
	RCU_INIT_POINTER(table->root6, NULL);
	table->lock = lock;
	table->seq = 1;
}

/**
 * fz_allowedips_find() - find an entry by exactly its prefix
 * @table: of the device
 * @family: AF_INET or AF_INET6
 * @address: 4 or 16 bytes; those after the prefix do not count
 * @len: length of the prefix in bits
 *
 * Context: update_lock held.
 * Return: the entry, or NULL when the prefix as such is nobody's.
 */
struct fz_allowedip *fz_allowedips_find(struct fz_allowedips *table, u8 family,
					const void *address, u8 len)
{
	struct fz_allowedip *node;
	struct fz_allowedip_prefix prefix;

	lockdep_assert_held(table->lock);

	if (read_prefix(&prefix, family, address, len))
		return NULL;
	node = locked(table, root_of(table, family));
	while (node && node->prefix.len < len && covers(&node->prefix, prefix.high, prefix.low))
		node = locked(table, link_below(node, &prefix));
	if (!node || node->prefix.len != len || node->prefix.high != prefix.high ||
	    node->prefix.low != prefix.low || !rcu_access_pointer(node->peer))
		return NULL;
	return node;
}

/* Gives a node to a peer, from whomever had it. */
static void give(struct fz_allowedip *node, struct fz_peer *peer, struct list_head *owned)
{
	if (rcu_access_pointer(node->peer))
		list_del(&node->siblings);
	list_add_tail(&node->siblings, owned);
	rcu_assign_pointer(node->peer, peer);
}

/* Whose the addresses at @node are, or were, that nobody has a longer prefix of; it may be NULL. */
static const struct fz_peer *owner_at(const struct fz_allowedips *table,
				      const struct fz_allowedip *node)
{
	const struct fz_peer *owner = NULL;

	for (; node && !owner; node = node->parent)
		owner = rcu_dereference_protected(node->peer, lockdep_is_held(table->lock));
	return owner;
}

/* Notes that the addresses of @owner, if it is anybody, go to @peer. */
static void note_gift(struct fz_allowedips *table, const struct fz_peer *owner,
		      const struct fz_peer *peer)
{
	if (owner && owner != peer)
		table->lost = true;
}

/**
 * fz_allowedips_insert() - give a prefix to a peer
 * @table: of the device
 * @family: AF_INET or AF_INET6
 * @address: 4 or 16 bytes; those after the prefix do not count
 * @len: length of the prefix in bits
 * @peer: takes the prefix, from whichever peer had it
 * @owned: the peer's list of entries
 *
 * Context: may sleep; update_lock held.
 * Return: 0; -EINVAL when family or length is wrong; -ENOMEM, then nothing has changed.
 */
int fz_allowedips_insert(struct fz_allowedips *table, u8 family, const void *address, u8 len,
			 struct fz_peer *peer, struct list_head *owned)
{
	struct fz_allowedip *node, *new, *top, *parent = NULL;
	struct fz_allowedip __rcu **link;
	struct fz_allowedip_prefix prefix;
	u8 shared = 0;
	int err;

	lockdep_assert_held(table->lock);

	err = read_prefix(&prefix, family, address, len);
	if (err)
		return err;

	/* Down to where the prefix is, or where it belongs. */
	link = root_of(table, family);
	while ((node = locked(table, link))) {
		shared = shared_len(&node->prefix, &prefix);
		if (shared < node->prefix.len || shared == len)
			break;
		parent = node;
		link = link_below(node, &prefix);
	}

	if (node && node->prefix.len == len && shared == len) {
		note_gift(table, owner_at(table, node), peer);
		give(node, peer, owned);
		table->seq++;
		return 0;
	}

	new = create(&prefix);
	if (!new)
		return -ENOMEM;
	top = new;
	if (node && shared == len) {
		adopt(new, node);
	} else if (node) {
		cut(&prefix, shared);
		top = create(&prefix);
		if (!top) {
			kmem_cache_free(node_cache, new);
			return -ENOMEM;
		}
		adopt(top, new);
		adopt(top, node);
	}
	top->parent = parent;
	note_gift(table, owner_at(table, parent), peer);
	give(new, peer, owned);
	rcu_assign_pointer(*link, top);
	table->seq++;
	return 0;
}

/* Takes a node that is nobody's and has at most one child out of the trie. */
static void splice_out(struct fz_allowedips *table, struct fz_allowedip *node)
{
	struct fz_allowedip *child = locked(table, &node->child[0]) ?:
				     locked(table, &node->child[1]);

	if (child)
		child->parent = node->parent;
	rcu_assign_pointer(*link_of(table, node), child);
	call_rcu(&node->rcu, free_rcu);
}

static bool is_needed(const struct fz_allowedip *node)
{
	return rcu_access_pointer(node->peer) ||
	       (rcu_access_pointer(node->child[0]) && rcu_access_pointer(node->child[1]));
}

static void take_away(struct fz_allowedips *table, struct fz_allowedip *node)
{
	struct fz_allowedip *parent = node->parent;
	const struct fz_peer *peer = owner_at(table, node);

	list_del(&node->siblings);
	RCU_INIT_POINTER(node->peer, NULL);
	/* A shorter prefix may hold them still. */
	if (owner_at(table, parent) != peer)
		table->lost = true;
	if (!is_needed(node)) {
		splice_out(table, node);
		if (parent && !is_needed(parent))
			splice_out(table, parent);
	}
	table->seq++;
}

/**
 * fz_allowedips_remove() - take a prefix from a peer
 * @table: of the device
 * @family: AF_INET or AF_INET6
 * @address: 4 or 16 bytes; those after the prefix do not count
 * @len: length of the prefix in bits
 * @peer: who has it
 *
 * Context: update_lock held.
 * Return: 0, -EINVAL when family or length is wrong, -ENOENT when @peer has no such prefix.
 */
int fz_allowedips_remove(struct fz_allowedips *table, u8 family, const void *address, u8 len,
			 const struct fz_peer *peer)
{
	struct fz_allowedip *node;
	struct fz_allowedip_prefix prefix;
	int err;

	err = read_prefix(&prefix, family, address, len);
	if (err)
		return err;
	node = fz_allowedips_find(table, family, address, len);
	if (!node || rcu_access_pointer(node->peer) != peer)
		return -ENOENT;
	take_away(table, node);
	return 0;
}

/**
 * fz_allowedips_remove_by_peer() - take all prefixes from a peer
 * @table: of the device
 * @owned: the peer's list of entries, or those set aside; empty afterwards
 *
 * Context: update_lock held.
 */
void fz_allowedips_remove_by_peer(struct fz_allowedips *table, struct list_head *owned)
{
	struct fz_allowedip *node, *next;

	lockdep_assert_held(table->lock);

	/* Beside each entry only forks go, and these are in no list. */
	list_for_each_entry_safe(node, next, owned, siblings)
		take_away(table, node);
}

/**
 * fz_allowedips_set_aside() - begin to state anew which prefixes a peer has
 * @owned: the peer's list of entries; empty afterwards
 * @aside: an empty list; takes the entries
 *
 * All still are the peer's. fz_allowedips_insert() puts those that are stated again back into
 * @owned, without a moment in which they are nobody's; what stays in @aside is for
 * fz_allowedips_remove_by_peer().
 *
 * Context: update_lock held until @aside is empty again.
 */
void fz_allowedips_set_aside(struct list_head *owned, struct list_head *aside)
{
	list_splice_init(owned, aside);
}

/**
 * fz_allowedips_lost() - whether a peer has lost addresses since this was asked last
 * @table: of the device
 *
 * It may be that they have been given back since.
 *
 * Context: update_lock held.
 * Return: true if one has.
 */
bool fz_allowedips_lost(struct fz_allowedips *table)
{
	bool lost = table->lost;

	lockdep_assert_held(table->lock);
	table->lost = false;
	return lost;
}

static void clear(struct fz_allowedips *table, struct fz_allowedip __rcu **root)
{
	struct fz_allowedip *node, *child, *parent;

	node = locked(table, root);
	RCU_INIT_POINTER(*root, NULL);
	while (node) {
		child = locked(table, &node->child[0]) ?: locked(table, &node->child[1]);
		if (child) {
			RCU_INIT_POINTER(*link_below(node, &child->prefix), NULL);
			node = child;
			continue;
		}
		parent = node->parent;
		if (rcu_access_pointer(node->peer))
			list_del(&node->siblings);
		call_rcu(&node->rcu, free_rcu);
		node = parent;
	}
}

/**
 * fz_allowedips_clear() - take all prefixes from all peers
 * @table: of the device
 *
 * Context: update_lock held.
 */
void fz_allowedips_clear(struct fz_allowedips *table)
{
	lockdep_assert_held(table->lock);

	clear(table, &table->root4);
	clear(table, &table->root6);
	table->seq++;
}

static struct fz_peer *lookup(struct fz_allowedip __rcu *const *root, u64 high, u64 low)
{
	struct fz_peer *peer, *found = NULL;
	const struct fz_allowedip *node;

	node = rcu_dereference_check(*root, rcu_read_lock_bh_held());
	while (node && covers(&node->prefix, high, low)) {
		peer = rcu_dereference_check(node->peer, rcu_read_lock_bh_held());
		if (peer)
			found = peer;
		if (node->prefix.len == BITS6)
			break;
		node = rcu_dereference_check(node->child[bit_at(high, low, node->prefix.len)],
					     rcu_read_lock_bh_held());
	}
	return found;
}

/**
 * fz_allowedips_lookup4() - whose an IPv4 address is
 * @table: of the device
 * @address: the address
 *
 * Context: under RCU, for as long as the peer is used without a reference.
 * Return: the peer with the longest prefix that covers @address, or NULL.
 */
struct fz_peer *fz_allowedips_lookup4(const struct fz_allowedips *table,
				      const struct in_addr *address)
{
	return lookup(&table->root4, (u64)ntohl(address->s_addr) << 32, 0);
}

/**
 * fz_allowedips_lookup6() - whose an IPv6 address is
 * @table: of the device
 * @address: the address
 *
 * Context: under RCU, for as long as the peer is used without a reference.
 * Return: the peer with the longest prefix that covers @address, or NULL.
 */
struct fz_peer *fz_allowedips_lookup6(const struct fz_allowedips *table,
				      const struct in6_addr *address)
{
	return lookup(&table->root6, get_unaligned_be64(address->s6_addr),
		      get_unaligned_be64(address->s6_addr + sizeof(u64)));
}

static struct fz_peer *lookup_skb(const struct fz_allowedips *table, const struct sk_buff *skb,
				  bool by_source)
{
	struct in_addr address;

	if (skb->protocol == htons(ETH_P_IP)) {
		address.s_addr = by_source ? ip_hdr(skb)->saddr : ip_hdr(skb)->daddr;
		return fz_allowedips_lookup4(table, &address);
	}
	if (skb->protocol == htons(ETH_P_IPV6))
		return fz_allowedips_lookup6(table, by_source ? &ipv6_hdr(skb)->saddr :
								&ipv6_hdr(skb)->daddr);
	return NULL;
}

/**
 * fz_allowedips_lookup_dst() - whom a packet goes to
 * @table: of the device
 * @skb: protocol and network header set, the whole IP header linear
 *
 * Context: under RCU, for as long as the peer is used without a reference.
 * Return: the peer with the longest prefix that covers the destination, or NULL.
 */
struct fz_peer *fz_allowedips_lookup_dst(const struct fz_allowedips *table,
					 const struct sk_buff *skb)
{
	return lookup_skb(table, skb, false);
}

/**
 * fz_allowedips_lookup_src() - who may have sent a packet
 * @table: of the device
 * @skb: protocol and network header set, the whole IP header linear
 *
 * Context: under RCU, for as long as the peer is used without a reference.
 * Return: the peer with the longest prefix that covers the source, or NULL.
 */
struct fz_peer *fz_allowedips_lookup_src(const struct fz_allowedips *table,
					 const struct sk_buff *skb)
{
	return lookup_skb(table, skb, true);
}

/**
 * fz_allowedip_read() - tell an entry's prefix
 * @entry: found under update_lock
 * @address: takes 4 or 16 bytes, as &struct fz_allowedip_prefix.family says
 *
 * Context: update_lock held.
 * Return: length of the prefix in bits.
 */
u8 fz_allowedip_read(const struct fz_allowedip *entry, u8 address[16])
{
	if (entry->prefix.family == AF_INET) {
		put_unaligned_be32(entry->prefix.high >> 32, address);
	} else {
		put_unaligned_be64(entry->prefix.high, address);
		put_unaligned_be64(entry->prefix.low, address + sizeof(u64));
	}
	return entry->prefix.len;
}
