/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds a peer by its static public key.
 */
#ifndef _FZ_TUNNEL_PEERTABLE_H
#define _FZ_TUNNEL_PEERTABLE_H

#include <linux/rhashtable-types.h>
#include <linux/siphash.h>
#include <linux/types.h>

#include "tunnel/messages.h"

struct fz_device;
struct fz_peer;

/**
 * struct fz_peertable_entry - one peer's place in the table; &struct fz_handshake.remote
 * @node: in &struct fz_peertable.entries
 * @hash: the public key under &struct fz_peertable.key
 * @public_key: the peer's static public key; never changes
 * @peer: whose key this is; no reference: a peer is freed an RCU grace period after its removal
 */
struct fz_peertable_entry {
	struct rhash_head node;
	u64 hash;
	u8 public_key[FZ_KEY_LEN];
	struct fz_peer *peer;
};

/**
 * struct fz_peertable - all peers of one device
 * @entries: &struct fz_peertable_entry. Changed under the device's update_lock, read under RCU
 * @key: public keys come from outside; without this secret nobody can make them collide
 */
struct fz_peertable {
	struct rhashtable entries;
	siphash_key_t key;
};

int fz_peertable_init(struct fz_peertable *table);
void fz_peertable_destroy(struct fz_peertable *table);
int fz_peertable_insert(struct fz_peertable *table, struct fz_peertable_entry *entry);
void fz_peertable_remove(struct fz_peertable *table, struct fz_peertable_entry *entry);
struct fz_peertable_entry *fz_peertable_find(struct fz_peertable *table,
					     const u8 public_key[FZ_KEY_LEN]);
struct fz_peer *fz_peertable_lookup(struct fz_device *fz, const u8 public_key[FZ_KEY_LEN]);

#endif /* _FZ_TUNNEL_PEERTABLE_H */
