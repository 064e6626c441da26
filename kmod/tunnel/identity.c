// SPDX-License-Identifier: GPL-2.0-only
#include <linux/string.h>

#include "compat/crypto.h"
#include "tunnel/identity.h"

/**
 * fz_identity_init() - begin without a key
 * @identity: to set up
 *
 * Context: any, not shared yet.
 */
void fz_identity_init(struct fz_identity *identity)
{
	memset(identity, 0, sizeof(*identity));
	init_rwsem(&identity->lock);
}

/**
 * fz_identity_is() - whether a private key is the one in use
 * @identity: of the device
 * @private_key: clamped or not
 *
 * Context: &struct fz_identity.lock held.
 * Return: true if it is; false if there is none.
 */
bool fz_identity_is(const struct fz_identity *identity, const u8 private_key[FZ_KEY_LEN])
{
	u8 clamped[FZ_KEY_LEN];
	bool same;

	lockdep_assert_held(&identity->lock);
	memcpy(clamped, private_key, FZ_KEY_LEN);
	curve25519_clamp_secret(clamped);
	same = identity->present && !crypto_memneq(clamped, identity->private_key, FZ_KEY_LEN);
	memzero_explicit(clamped, FZ_KEY_LEN);
	return same;
}

/**
 * fz_identity_public() - the public key of a private one
 * @public_key: takes it
 * @private_key: clamped or not
 *
 * Context: may sleep.
 * Return: false if it has none.
 */
bool fz_identity_public(u8 public_key[FZ_KEY_LEN], const u8 private_key[FZ_KEY_LEN])
{
	u8 clamped[FZ_KEY_LEN];
	bool has_one;

	memcpy(clamped, private_key, FZ_KEY_LEN);
	curve25519_clamp_secret(clamped);
	has_one = curve25519_generate_public(public_key, clamped);
	memzero_explicit(clamped, FZ_KEY_LEN);
	return has_one;
}

/**
 * fz_identity_set() - take a private key, or give it up
 * @identity: of the device
 * @private_key: is clamped; NULL, zeros, or one that has no public key gives the identity up
 *
 * What was made with the key before (shared secrets, handshakes, sessions, MAC1 keys) is for the
 * caller to make anew before it lets the lock go.
 *
 * Context: may sleep; &struct fz_identity.lock held for writing.
 */
void fz_identity_set(struct fz_identity *identity, const u8 private_key[FZ_KEY_LEN])
{
	static const u8 none[FZ_KEY_LEN];

	lockdep_assert_held_write(&identity->lock);

	identity->present = false;
	if (private_key && crypto_memneq(private_key, none, FZ_KEY_LEN)) {
		memcpy(identity->private_key, private_key, FZ_KEY_LEN);
		curve25519_clamp_secret(identity->private_key);
		identity->present = curve25519_generate_public(identity->public_key,
							       identity->private_key);
	}
	if (!identity->present) {
		memzero_explicit(identity->private_key, FZ_KEY_LEN);
		memzero_explicit(identity->public_key, FZ_KEY_LEN);
	}
}
