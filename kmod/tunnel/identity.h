/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FZ_TUNNEL_IDENTITY_H
#define _FZ_TUNNEL_IDENTITY_H

#include <linux/rwsem.h>
#include <linux/types.h>

#include "tunnel/messages.h"

/**
 * struct fz_identity - the static keys of a device
 * @private_key: clamped
 * @public_key: of @private_key
 * @present: there is a key; without one no handshake is made or answered
 * @lock: protects all; held for reading during each handshake message, so that a key does not
 *	change under one
 */
struct fz_identity {
	u8 private_key[FZ_KEY_LEN];
	u8 public_key[FZ_KEY_LEN];
	bool present;
	struct rw_semaphore lock;
};

void fz_identity_init(struct fz_identity *identity);
bool fz_identity_is(const struct fz_identity *identity, const u8 private_key[FZ_KEY_LEN]);
bool fz_identity_public(u8 public_key[FZ_KEY_LEN], const u8 private_key[FZ_KEY_LEN]);
void fz_identity_set(struct fz_identity *identity, const u8 private_key[FZ_KEY_LEN]);

#endif /* _FZ_TUNNEL_IDENTITY_H */
