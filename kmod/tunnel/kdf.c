// SPDX-License-Identifier: GPL-2.0-only
/*
 * HMAC (RFC 2104) and HKDF (RFC 5869) over BLAKE2s, as the handshake chains its keys (paper,
 * section 5.4: HMAC and KDF1 to KDF3).
 */
#include <linux/string.h>

#include "compat/crypto.h"
#include "tunnel/kdf.h"

#define IPAD 0x36
#define OPAD 0x5c

/* One of HMAC's two passes. A key here is shorter than a block, so it is not hashed first. */
static void hmac_pass(u8 out[FZ_HASH_LEN], const u8 key[FZ_HASH_LEN], u8 pad,
		      const u8 *in, size_t in_len)
{
	struct fz_blake2s_ctx ctx;
	u8 block[BLAKE2S_BLOCK_SIZE];
	unsigned int i;

	memset(block, pad, sizeof(block));
	for (i = 0; i < FZ_HASH_LEN; i++)
		block[i] ^= key[i];

	blake2s_init(&ctx, FZ_HASH_LEN);
	blake2s_update(&ctx, block, sizeof(block));
	blake2s_update(&ctx, in, in_len);
	blake2s_final(&ctx, out);
	memzero_explicit(block, sizeof(block));
	memzero_explicit(&ctx, sizeof(ctx));
}

static void hmac(u8 out[FZ_HASH_LEN], const u8 key[FZ_HASH_LEN], const u8 *in, size_t in_len)
{
	u8 inner[FZ_HASH_LEN];

	hmac_pass(inner, key, IPAD, in, in_len);
	hmac_pass(out, key, OPAD, inner, sizeof(inner));
	memzero_explicit(inner, sizeof(inner));
}

/**
 * fz_kdf() - derive up to three keys from a chaining key and an input (paper, section 5.4: KDF1..3)
 * @chaining_key: the key that is chained on; may be the same memory as any of the outputs
 * @input: new secret, or NULL
 * @input_len: its length in bytes
 * @first: takes the first key
 * @second: takes the second key; NULL when there is no need for it
 * @third: takes the third key; NULL when there is no need for it, as when @second is NULL
 *
 * Context: any.
 */
void fz_kdf(const u8 chaining_key[FZ_HASH_LEN], const u8 *input, size_t input_len,
	    u8 first[FZ_HASH_LEN], u8 second[FZ_HASH_LEN], u8 third[FZ_HASH_LEN])
{
	u8 *const outputs[] = { first, second, third };
	u8 secret[FZ_HASH_LEN];
	u8 chained[FZ_HASH_LEN + 1];	/* the output before, and the number of this one */
	size_t chained_len = 0;
	unsigned int i;

	hmac(secret, chaining_key, input, input_len);
	for (i = 0; i < ARRAY_SIZE(outputs) && outputs[i]; i++) {
		chained[chained_len] = i + 1;
		hmac(chained, secret, chained, chained_len + 1);
		memcpy(outputs[i], chained, FZ_HASH_LEN);
		chained_len = FZ_HASH_LEN;
	}
	memzero_explicit(secret, sizeof(secret));
	memzero_explicit(chained, sizeof(chained));
}
