/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds a handshake or a session by the 32-bit index that a message names as its receiver.
 */
#ifndef _FZ_TUNNEL_INDEXTABLE_H
#define _FZ_TUNNEL_INDEXTABLE_H

#include <linux/rhashtable-types.h>
#include <linux/types.h>

struct fz_peer;

/**
 * enum fz_index_type - what an entry is embedded in
 * @FZ_INDEX_HANDSHAKE: &struct fz_exchange at &struct fz_handshake.ours
 * @FZ_INDEX_KEYPAIR: &struct fz_keypair
 * @FZ_INDEX_ANSWER: &struct fz_exchange at &struct fz_handshake.theirs
 */
enum fz_index_type {
	FZ_INDEX_HANDSHAKE = 1,
	FZ_INDEX_KEYPAIR = 2,
	FZ_INDEX_ANSWER = 3,
};

/**
 * struct fz_index_entry - one index in use
 * @node: in &struct fz_indextable.entries
 * @index: what the other end calls us; changes while a reader may look only for a handshake, whose
 *	users compare it again under &struct fz_handshake.lock
 * @listed: @node is in the table. Protected by the owner: &struct fz_handshake.lock, or for a
 *	keypair whoever drops its last reference
 * @type: what this is embedded in
 * @peer: whose it is; no reference: the peer outlives its entries by an RCU grace period
 */
struct fz_index_entry {
	struct rhash_head node;
	__le32 index;
	bool listed;
	enum fz_index_type type;
	struct fz_peer *peer;
};

/**
 * struct fz_indextable - all indices of one device
 * @entries: &struct fz_index_entry by index. Has its own locks; read under RCU. The indices are
 *	drawn at random by us, so nobody outside can choose which bucket they fall into
 */
struct fz_indextable {
	struct rhashtable entries;
};

int fz_indextable_init(struct fz_indextable *table);
void fz_indextable_destroy(struct fz_indextable *table);
int fz_indextable_insert(struct fz_indextable *table, struct fz_index_entry *entry);
bool fz_indextable_replace(struct fz_indextable *table, struct fz_index_entry *old,
			   struct fz_index_entry *new);
void fz_indextable_remove(struct fz_indextable *table, struct fz_index_entry *entry);
struct fz_index_entry *fz_indextable_find(struct fz_indextable *table, __le32 index);

#endif /* _FZ_TUNNEL_INDEXTABLE_H */
