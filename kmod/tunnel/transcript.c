// SPDX-License-Identifier: GPL-2.0-only
#include <linux/string.h>

#include "compat/crypto.h"
#include "tunnel/kdf.h"
#include "tunnel/transcript.h"

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

/* Where every transcript begins. Written by fz_noise_init(), constant from then on. */
static struct fz_transcript beginning __ro_after_init;

/**
 * fz_noise_init() - work out where every handshake begins
 *
 * Context: once, when the module is loaded, before any handshake.
 */
void __init fz_noise_init(void)
{
	fz_blake2s(beginning.chaining_key, FZ_HASH_LEN, construction, sizeof(construction) - 1,
		   NULL, 0);
	memcpy(beginning.hash, beginning.chaining_key, FZ_HASH_LEN);
	fz_transcript_hear(&beginning, (const u8 *)identifier, sizeof(identifier) - 1);
}

/**
 * fz_transcript_begin() - what is agreed on before the first message
 * @transcript: to set up
 * @responder: static public key of the responder, which the initiator has to know
 *
 * Context: any.
 */
void fz_transcript_begin(struct fz_transcript *transcript, const u8 responder[FZ_KEY_LEN])
{
	*transcript = beginning;
	fz_transcript_hear(transcript, responder, FZ_KEY_LEN);
}

/**
 * fz_transcript_hear() - add what is said to the hash (Noise: MixHash)
 * @transcript: so far
 * @data: as it is on the wire
 * @len: its length in bytes
 *
 * Context: any.
 */
void fz_transcript_hear(struct fz_transcript *transcript, const u8 *data, size_t len)
{
	struct fz_blake2s_ctx ctx;

	blake2s_init(&ctx, FZ_HASH_LEN);
	blake2s_update(&ctx, transcript->hash, FZ_HASH_LEN);
	blake2s_update(&ctx, data, len);
	blake2s_final(&ctx, transcript->hash);
}

/**
 * fz_transcript_mix_ephemeral() - add an ephemeral public key, said in the clear
 * @transcript: so far
 * @ephemeral: of whoever speaks
 *
 * It goes into the chaining key too, as the psk2 pattern wants (Noise, section 9.2).
 *
 * Context: any.
 */
void fz_transcript_mix_ephemeral(struct fz_transcript *transcript, const u8 ephemeral[FZ_KEY_LEN])
{
	fz_transcript_hear(transcript, ephemeral, FZ_KEY_LEN);
	fz_transcript_mix(transcript, NULL, ephemeral);
}

/**
 * fz_transcript_mix() - add a secret to the chaining key (Noise: MixKey)
 * @transcript: so far
 * @key: takes a key to seal or open the next item with; NULL when nothing is sealed before the next
 *	secret is mixed in
 * @secret: shared
 *
 * Context: any.
 */
void fz_transcript_mix(struct fz_transcript *transcript, u8 key[FZ_KEY_LEN],
		       const u8 secret[FZ_KEY_LEN])
{
	fz_kdf(transcript->chaining_key, secret, FZ_KEY_LEN, transcript->chaining_key, key, NULL);
}

/**
 * fz_transcript_mix_dh() - add the secret of two keys
 * @transcript: so far
 * @key: as in fz_transcript_mix()
 * @private_key: ours
 * @public_key: theirs
 *
 * Context: any; takes some tens of microseconds.
 * Return: false when @public_key is of low order, so that there is no secret; nothing is added
 * then.
 */
bool fz_transcript_mix_dh(struct fz_transcript *transcript, u8 key[FZ_KEY_LEN],
			  const u8 private_key[FZ_KEY_LEN], const u8 public_key[FZ_KEY_LEN])
{
	u8 secret[FZ_KEY_LEN];
	bool ok;

	ok = curve25519(secret, private_key, public_key);
	if (likely(ok))
		fz_transcript_mix(transcript, key, secret);
	memzero_explicit(secret, sizeof(secret));
	return ok;
}

/**
 * fz_transcript_mix_psk() - add the preshared key (Noise: MixKeyAndHash)
 * @transcript: so far
 * @key: takes a key to seal or open the next item with
 * @psk: preshared key, zeros when there is none
 *
 * Context: any.
 */
void fz_transcript_mix_psk(struct fz_transcript *transcript, u8 key[FZ_KEY_LEN],
			   const u8 psk[FZ_KEY_LEN])
{
	u8 proof[FZ_HASH_LEN];

	fz_kdf(transcript->chaining_key, psk, FZ_KEY_LEN, transcript->chaining_key, proof, key);
	fz_transcript_hear(transcript, proof, FZ_HASH_LEN);
	memzero_explicit(proof, sizeof(proof));
}

/**
 * fz_transcript_seal() - say something that only the other end can read (Noise: EncryptAndHash)
 * @transcript: so far; the sealed item is authenticated with its hash
 * @sealed: takes FZ_SEALED_LEN(@plain_len) bytes
 * @plain: what to say; NULL for nothing but the tag
 * @plain_len: its length in bytes
 * @key: from the mix before, used this once
 *
 * Context: any.
 */
void fz_transcript_seal(struct fz_transcript *transcript, u8 *sealed, const u8 *plain,
			size_t plain_len, const u8 key[FZ_KEY_LEN])
{
	chacha20poly1305_encrypt(sealed, plain, plain_len, transcript->hash, FZ_HASH_LEN, 0, key);
	fz_transcript_hear(transcript, sealed, FZ_SEALED_LEN(plain_len));
}

/**
 * fz_transcript_open() - understand what the other end sealed (Noise: DecryptAndHash)
 * @transcript: so far
 * @plain: takes @sealed_len less FZ_AUTHTAG_LEN bytes; NULL when that is none
 * @sealed: from the wire
 * @sealed_len: its length in bytes
 * @key: from the mix before, used this once
 *
 * Context: any.
 * Return: false when it is not authentic: keys or transcripts differ, or somebody changed it.
 */
bool fz_transcript_open(struct fz_transcript *transcript, u8 *plain, const u8 *sealed,
			size_t sealed_len, const u8 key[FZ_KEY_LEN])
{
	if (!chacha20poly1305_decrypt(plain, sealed, sealed_len, transcript->hash, FZ_HASH_LEN, 0,
				      key))
		return false;
	fz_transcript_hear(transcript, sealed, sealed_len);
	return true;
}
