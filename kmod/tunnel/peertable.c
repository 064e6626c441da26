// SPDX-License-Identifier: GPL-2.0-only
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/string.h>

#include "tunnel/device.h"
#include "tunnel/peer.h"
#include "tunnel/peertable.h"

/* What is looked for: the public key, and its hash under the table's secret, worked out once. */
struct wanted {
	u64 hash;
	const u8 *public_key;
};

static u32 fold(u64 hash, u32 seed)
{
	return (u32)(hash ^ hash >> 32) ^ seed;
}

static u32 hash_wanted(const void *data, u32 len, u32 seed)
{
	const struct wanted *wanted = data;

	return fold(wanted->hash, seed);
}

static u32 hash_entry(const void *data, u32 len, u32 seed)
{
	const struct fz_peertable_entry *entry = data;

	return fold(entry->hash, seed);
}

static int compare(struct rhashtable_compare_arg *arg, const void *data)
{
	const struct fz_peertable_entry *entry = data;
	const struct wanted *wanted = arg->key;

	return entry->hash != wanted->hash ||
	       memcmp(entry->public_key, wanted->public_key, FZ_KEY_LEN);
}

static const struct rhashtable_params params = {
	.head_offset = offsetof(struct fz_peertable_entry, node),
	.key_len = sizeof(struct wanted),
	.hashfn = hash_wanted,
	.obj_hashfn = hash_entry,
	.obj_cmpfn = compare,
	.automatic_shrinking = true,
};

/* Public keys come from the wire at any alignment. */
static struct wanted want(struct fz_peertable *table, const u8 public_key[FZ_KEY_LEN])
{
	return (struct wanted){
		.hash = siphash(public_key, FZ_KEY_LEN, &table->key),
		.public_key = public_key,
	};
}

/**
 * fz_peertable_init() - begin with no peers
 * @table: to set up
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int fz_peertable_init(struct fz_peertable *table)
{
	get_random_bytes(&table->key, sizeof(table->key));
	return rhashtable_init(&table->entries, &params);
}

/**
 * fz_peertable_destroy() - free what the table is made of
 * @table: empty, and nobody looks into it any more
 *
 * Context: may sleep.
 */
void fz_peertable_destroy(struct fz_peertable *table)
{
	rhashtable_destroy(&table->entries);
}

/**
 * fz_peertable_insert() - make a peer known by its public key
 * @table: of the device
 * @entry: its place, public key and peer set
 *
 * Context: process context, update_lock held.
 * Return: 0, -EEXIST when a peer with that public key is there, or -ENOMEM and the like.
 */
int fz_peertable_insert(struct fz_peertable *table, struct fz_peertable_entry *entry)
{
	struct wanted wanted = want(table, entry->public_key);

	entry->hash = wanted.hash;
	return rhashtable_lookup_insert_key(&table->entries, &wanted, &entry->node, params);
}

/**
 * fz_peertable_remove() - the public key is nobody's any more
 * @table: of the device
 * @entry: in the table
 *
 * Readers may still hold @entry until a grace period has passed.
 *
 * Context: process context, update_lock held.
 */
void fz_peertable_remove(struct fz_peertable *table, struct fz_peertable_entry *entry)
{
	rhashtable_remove_fast(&table->entries, &entry->node, params);
}

/**
 * fz_peertable_find() - find a peer's place by public key
 * @table: of the device
 * @public_key: of a peer
 *
 * Context: under RCU, for as long as the entry is used without a reference to its peer.
 * Return: the place, or NULL when nobody has that key.
 */
struct fz_peertable_entry *fz_peertable_find(struct fz_peertable *table,
					     const u8 public_key[FZ_KEY_LEN])
{
	struct wanted wanted = want(table, public_key);

	return rhashtable_lookup(&table->entries, &wanted, params);
}

/**
 * fz_peertable_lookup() - find a peer by public key
 * @fz: the device
 * @public_key: of a peer
 *
 * Context: any but hard interrupts.
 * Return: the peer with a reference for the caller (fz_peer_put()), or NULL.
 */
struct fz_peer *fz_peertable_lookup(struct fz_device *fz, const u8 public_key[FZ_KEY_LEN])
{
	struct fz_peertable_entry *entry;
	struct fz_peer *peer = NULL;

	rcu_read_lock();
	entry = fz_peertable_find(&fz->peertable, public_key);
	if (entry)
		peer = fz_peer_get_maybe_zero(entry->peer);
	rcu_read_unlock();
	return peer;
}
