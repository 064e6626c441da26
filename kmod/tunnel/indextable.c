// SPDX-License-Identifier: GPL-2.0-only
#include <linux/random.h>
#include <linux/rhashtable.h>

#include "tunnel/indextable.h"

static const struct rhashtable_params params = {
	.key_len = sizeof_field(struct fz_index_entry, index),
	.key_offset = offsetof(struct fz_index_entry, index),
	.head_offset = offsetof(struct fz_index_entry, node),
	.automatic_shrinking = true,
};

/**
 * fz_indextable_init() - begin with no indices
 * @table: to set up
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int fz_indextable_init(struct fz_indextable *table)
{
	return rhashtable_init(&table->entries, &params);
}

/**
 * fz_indextable_destroy() - free what the table is made of
 * @table: empty, and nobody looks into it any more
 *
 * Context: may sleep.
 */
void fz_indextable_destroy(struct fz_indextable *table)
{
	rhashtable_destroy(&table->entries);
}

/**
 * fz_indextable_insert() - give a new index
 * @table: of the device
 * @entry: what will be found by it; loses the index that it had
 *
 * The index is random, as it must tell nobody how many sessions there are or which are the same
 * peer's (paper, section 5.4).
 *
 * Context: process context or softirq; the owner of @entry holds what protects
 *	&struct fz_index_entry.listed.
 * Return: 0 with @entry's index set, or -ENOMEM and the like; then @entry is not in the table.
 */
int fz_indextable_insert(struct fz_indextable *table, struct fz_index_entry *entry)
{
	int err;

	fz_indextable_remove(table, entry);
	do {
		entry->index = (__force __le32)get_random_u32();
		err = rhashtable_lookup_insert_fast(&table->entries, &entry->node, params);
	} while (err == -EEXIST);
	entry->listed = !err;
	return err;
}

/**
 * fz_indextable_replace() - hand an index on
 * @table: of the device
 * @old: which has the index; loses it
 * @new: which takes it; has none yet
 *
 * At no moment does the index lead nowhere.
 *
 * Context: process context or softirq; the owners of both hold what protects
 *	&struct fz_index_entry.listed.
 * Return: false when @old has no index; nothing has changed then.
 */
bool fz_indextable_replace(struct fz_indextable *table, struct fz_index_entry *old,
			   struct fz_index_entry *new)
{
	if (!old->listed)
		return false;
	new->index = old->index;
	if (rhashtable_replace_fast(&table->entries, &old->node, &new->node, params))
		return false;
	new->listed = true;
	old->listed = false;
	return true;
}

/**
 * fz_indextable_remove() - take an index away
 * @table: of the device
 * @entry: which may have one
 *
 * Readers may still hold @entry until a grace period has passed.
 *
 * Context: process context or softirq; the owner of @entry holds what protects
 *	&struct fz_index_entry.listed.
 */
void fz_indextable_remove(struct fz_indextable *table, struct fz_index_entry *entry)
{
	if (!entry->listed)
		return;
	rhashtable_remove_fast(&table->entries, &entry->node, params);
	entry->listed = false;
}

/**
 * fz_indextable_find() - find what a message is for
 * @table: of the device
 * @index: the message's receiver index
 *
 * A handshake may get another index while it is looked at: compare again under its lock.
 *
 * Context: under RCU, for as long as the entry is used without a reference to what it is part of.
 * Return: the entry, or NULL when nobody has that index.
 */
struct fz_index_entry *fz_indextable_find(struct fz_indextable *table, __le32 index)
{
	return rhashtable_lookup(&table->entries, &index, params);
}
