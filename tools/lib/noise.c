// SPDX-License-Identifier: GPL-2.0-only
/* Noise_IK_25519_ChaChaPoly_SHA512 on the primitives of libsodium. */
#include <sodium.h>
#include <string.h>

#include "noise.h"

_Static_assert(crypto_scalarmult_BYTES == FZ_NOISE_KEY_LEN, "X25519");
_Static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == FZ_NOISE_KEY_LEN, "ChaChaPoly key");
_Static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == FZ_NOISE_TAG_LEN, "ChaChaPoly tag");
_Static_assert(crypto_hash_sha512_BYTES == FZ_NOISE_HASH_LEN, "SHA512");
_Static_assert(crypto_auth_hmacsha512_BYTES == FZ_NOISE_HASH_LEN, "HMAC-SHA512");

/* Exactly 32 bytes: shorter than HASHLEN, so it is padded, not hashed (section 5.2). */
static const char protocol_name[] = "Noise_IK_25519_ChaChaPoly_SHA512";

/* The nonce that may never be used for a message (section 5.1); rekeying uses it. */
#define NONCE_LAST UINT64_MAX

static void nonce_bytes(uint8_t out[crypto_aead_chacha20poly1305_ietf_NPUBBYTES], uint64_t nonce)
{
	memset(out, 0, 4);
	for (int i = 0; i < 8; i++)
		out[4 + i] = (uint8_t)(nonce >> (8 * i));
}

static void hmac(uint8_t out[FZ_NOISE_HASH_LEN], const uint8_t key[FZ_NOISE_HASH_LEN],
		 const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	crypto_auth_hmacsha512_state st;

	crypto_auth_hmacsha512_init(&st, key, FZ_NOISE_HASH_LEN);
	crypto_auth_hmacsha512_update(&st, a, a_len);
	crypto_auth_hmacsha512_update(&st, b, b_len);
	crypto_auth_hmacsha512_final(&st, out);
	sodium_memzero(&st, sizeof(st));
}

/* HKDF with two outputs (section 4.3). @out1 may be @chaining_key. */
static void hkdf(const uint8_t chaining_key[FZ_NOISE_HASH_LEN], const uint8_t *input, size_t len,
		 uint8_t out1[FZ_NOISE_HASH_LEN], uint8_t out2[FZ_NOISE_HASH_LEN])
{
	static const uint8_t one = 1, two = 2;
	uint8_t temp[FZ_NOISE_HASH_LEN];

	hmac(temp, chaining_key, input, len, NULL, 0);
	hmac(out1, temp, &one, 1, NULL, 0);
	hmac(out2, temp, out1, FZ_NOISE_HASH_LEN, &two, 1);
	sodium_memzero(temp, sizeof(temp));
}

static void cipher_set(struct fz_noise_cipher *cipher, const uint8_t key[FZ_NOISE_KEY_LEN])
{
	memcpy(cipher->key, key, FZ_NOISE_KEY_LEN);
	cipher->nonce = 0;
	cipher->keyed = true;
}

/**
 * fz_noise_encrypt() - EncryptWithAd of a CipherState (section 5.1)
 * @cipher: the key; its nonce moves on
 * @ad: associated data, or NULL
 * @ad_len: its length in bytes
 * @plain: what to encrypt; may be @out
 * @len: its length in bytes, at most 65519
 * @out: gets @len + 16 bytes
 *
 * Return: false when there is no key, the nonces are used up or @len is too large.
 */
bool fz_noise_encrypt(struct fz_noise_cipher *cipher, const void *ad, size_t ad_len,
		      const uint8_t *plain, size_t len, uint8_t *out)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	if (!cipher->keyed || cipher->nonce == NONCE_LAST ||
	    len > FZ_NOISE_MESSAGE_MAX - FZ_NOISE_TAG_LEN)
		return false;
	nonce_bytes(nonce, cipher->nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, len, ad, ad_len, NULL, nonce,
						  cipher->key);
	cipher->nonce++;
	return true;
}

/**
 * fz_noise_decrypt() - DecryptWithAd of a CipherState (section 5.1)
 * @cipher: the key; its nonce moves on only if the message is authentic
 * @ad: associated data, or NULL
 * @ad_len: its length in bytes
 * @msg: ciphertext with its tag; may be @plain
 * @len: its length in bytes
 * @plain: gets @len - 16 bytes
 *
 * Return: false when it is not authentic, there is no key, or the nonces are used up.
 */
bool fz_noise_decrypt(struct fz_noise_cipher *cipher, const void *ad, size_t ad_len,
		      const uint8_t *msg, size_t len, uint8_t *plain)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	if (!cipher->keyed || cipher->nonce == NONCE_LAST || len < FZ_NOISE_TAG_LEN ||
	    len > FZ_NOISE_MESSAGE_MAX)
		return false;
	nonce_bytes(nonce, cipher->nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, msg, len, ad, ad_len,
						      nonce, cipher->key))
		return false;
	cipher->nonce++;
	return true;
}

/**
 * fz_noise_rekey() - REKEY (sections 4.2 and 11.3): a new key from the old one
 * @cipher: the key; its nonce stays
 *
 * Return: false when there is no key.
 */
bool fz_noise_rekey(struct fz_noise_cipher *cipher)
{
	static const uint8_t zeros[FZ_NOISE_KEY_LEN];
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
	uint8_t out[FZ_NOISE_KEY_LEN + FZ_NOISE_TAG_LEN];

	if (!cipher->keyed)
		return false;
	nonce_bytes(nonce, NONCE_LAST);
	crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, zeros, sizeof(zeros), NULL, 0, NULL,
						  nonce, cipher->key);
	memcpy(cipher->key, out, FZ_NOISE_KEY_LEN);
	sodium_memzero(out, sizeof(out));
	return true;
}

/**
 * fz_noise_cipher_wipe() - forget a key
 * @cipher: the key; unusable afterwards
 */
void fz_noise_cipher_wipe(struct fz_noise_cipher *cipher)
{
	sodium_memzero(cipher, sizeof(*cipher));
}

static void mix_hash(struct fz_noise *hs, const void *data, size_t len)
{
	crypto_hash_sha512_state st;

	crypto_hash_sha512_init(&st);
	crypto_hash_sha512_update(&st, hs->hash, sizeof(hs->hash));
	crypto_hash_sha512_update(&st, data, len);
	crypto_hash_sha512_final(&st, hs->hash);
}

/* MixKey(DH(@private, @public)); a public key of low order is refused, as section 12.1 allows. */
static bool mix_dh(struct fz_noise *hs, const uint8_t private[FZ_NOISE_KEY_LEN],
		   const uint8_t public[FZ_NOISE_KEY_LEN])
{
	uint8_t shared[FZ_NOISE_KEY_LEN];
	uint8_t key[FZ_NOISE_HASH_LEN];
	bool ok = false;

	/* libsodium fails when the result is all zero. */
	if (!crypto_scalarmult(shared, private, public)) {
		hkdf(hs->chaining_key, shared, sizeof(shared), hs->chaining_key, key);
		cipher_set(&hs->cipher, key);
		ok = true;
	}
	sodium_memzero(shared, sizeof(shared));
	sodium_memzero(key, sizeof(key));
	return ok;
}

static bool encrypt_and_hash(struct fz_noise *hs, const void *plain, size_t len, uint8_t *out)
{
	if (!fz_noise_encrypt(&hs->cipher, hs->hash, sizeof(hs->hash), plain, len, out))
		return false;
	mix_hash(hs, out, len + FZ_NOISE_TAG_LEN);
	return true;
}

static bool decrypt_and_hash(struct fz_noise *hs, const uint8_t *msg, size_t len, uint8_t *out)
{
	uint8_t hash[FZ_NOISE_HASH_LEN];

	/* @out may be @msg, so the ciphertext is hashed first. */
	memcpy(hash, hs->hash, sizeof(hash));
	mix_hash(hs, msg, len);
	return fz_noise_decrypt(&hs->cipher, hash, sizeof(hash), msg, len, out);
}

/**
 * fz_noise_init() - begin a handshake
 * @hs: the handshake; to be wiped with fz_noise_wipe() in every case
 * @initiator: true for the side that speaks first
 * @prologue: bytes that both sides must agree on, or NULL
 * @prologue_len: their number
 * @static_private: our long-term private key
 * @remote_static: the responder's public key for an initiator, NULL for a responder
 *
 * Return: false for a private key that is no key, or a public key that is missing or of low order.
 */
bool fz_noise_init(struct fz_noise *hs, bool initiator, const void *prologue, size_t prologue_len,
		   const uint8_t static_private[FZ_NOISE_KEY_LEN], const uint8_t *remote_static)
{
	memset(hs, 0, sizeof(*hs));
	hs->step = FZ_NOISE_FAILED;
	if (initiator != !!remote_static || sodium_is_zero(static_private, FZ_NOISE_KEY_LEN))
		return false;

	hs->initiator = initiator;
	memcpy(hs->static_private, static_private, FZ_NOISE_KEY_LEN);
	if (crypto_scalarmult_base(hs->static_public, static_private))
		return false;

	memcpy(hs->hash, protocol_name, sizeof(protocol_name) - 1);
	memcpy(hs->chaining_key, hs->hash, sizeof(hs->hash));
	mix_hash(hs, prologue, prologue_len);
	if (initiator) {
		memcpy(hs->remote_static, remote_static, FZ_NOISE_KEY_LEN);
		mix_hash(hs, hs->remote_static, FZ_NOISE_KEY_LEN);
	} else {
		mix_hash(hs, hs->static_public, FZ_NOISE_KEY_LEN);
	}
	hs->step = FZ_NOISE_FIRST;
	return true;
}

static bool write_ephemeral(struct fz_noise *hs, uint8_t *out)
{
	if (sodium_is_zero(hs->ephemeral_private, FZ_NOISE_KEY_LEN))
		randombytes_buf(hs->ephemeral_private, FZ_NOISE_KEY_LEN);
	if (crypto_scalarmult_base(hs->ephemeral_public, hs->ephemeral_private))
		return false;
	memcpy(out, hs->ephemeral_public, FZ_NOISE_KEY_LEN);
	mix_hash(hs, hs->ephemeral_public, FZ_NOISE_KEY_LEN);
	return true;
}

static void read_ephemeral(struct fz_noise *hs, const uint8_t *msg)
{
	memcpy(hs->remote_ephemeral, msg, FZ_NOISE_KEY_LEN);
	mix_hash(hs, hs->remote_ephemeral, FZ_NOISE_KEY_LEN);
}

/* -> e, es, s, ss */
static bool write_first(struct fz_noise *hs, const void *payload, size_t len, uint8_t *out)
{
	if (!write_ephemeral(hs, out))
		return false;
	out += FZ_NOISE_KEY_LEN;
	if (!mix_dh(hs, hs->ephemeral_private, hs->remote_static) ||
	    !encrypt_and_hash(hs, hs->static_public, FZ_NOISE_KEY_LEN, out))
		return false;
	out += FZ_NOISE_KEY_LEN + FZ_NOISE_TAG_LEN;
	return mix_dh(hs, hs->static_private, hs->remote_static) &&
	       encrypt_and_hash(hs, payload, len, out);
}

static bool read_first(struct fz_noise *hs, const uint8_t *msg, size_t len, uint8_t *payload)
{
	const uint8_t *s = msg + FZ_NOISE_KEY_LEN;
	const uint8_t *rest = s + FZ_NOISE_KEY_LEN + FZ_NOISE_TAG_LEN;

	read_ephemeral(hs, msg);
	return mix_dh(hs, hs->static_private, hs->remote_ephemeral) &&
	       decrypt_and_hash(hs, s, FZ_NOISE_KEY_LEN + FZ_NOISE_TAG_LEN, hs->remote_static) &&
	       mix_dh(hs, hs->static_private, hs->remote_static) &&
	       decrypt_and_hash(hs, rest, len - (size_t)(rest - msg), payload);
}

/* <- e, ee, se */
static bool write_second(struct fz_noise *hs, const void *payload, size_t len, uint8_t *out)
{
	return write_ephemeral(hs, out) &&
	       mix_dh(hs, hs->ephemeral_private, hs->remote_ephemeral) &&
	       mix_dh(hs, hs->ephemeral_private, hs->remote_static) &&
	       encrypt_and_hash(hs, payload, len, out + FZ_NOISE_KEY_LEN);
}

static bool read_second(struct fz_noise *hs, const uint8_t *msg, size_t len, uint8_t *payload)
{
	read_ephemeral(hs, msg);
	return mix_dh(hs, hs->ephemeral_private, hs->remote_ephemeral) &&
	       mix_dh(hs, hs->static_private, hs->remote_ephemeral) &&
	       decrypt_and_hash(hs, msg + FZ_NOISE_KEY_LEN, len - FZ_NOISE_KEY_LEN, payload);
}

/* Whose turn it is, and how much longer than its payload the message is; 0 if not ours. */
static size_t overhead(const struct fz_noise *hs, bool writing)
{
	if (hs->step == FZ_NOISE_FIRST && hs->initiator == writing)
		return FZ_NOISE_FIRST_LEN;
	if (hs->step == FZ_NOISE_SECOND && hs->initiator != writing)
		return FZ_NOISE_SECOND_LEN;
	return 0;
}

static bool advance(struct fz_noise *hs, bool ok)
{
	if (!ok) {
		fz_noise_wipe(hs);
		return false;
	}
	hs->step = hs->step == FZ_NOISE_FIRST ? FZ_NOISE_SECOND : FZ_NOISE_DONE;
	return true;
}

/**
 * fz_noise_write() - WriteMessage (section 5.3)
 * @hs: the handshake; wiped when this fails
 * @payload: encrypted along
 * @len: its length in bytes
 * @out: gets the message
 * @size: room at @out in bytes
 * @out_len: gets the message's length in bytes
 *
 * Return: false when it is not our turn, there is no room, or the other side's key is of low order.
 */
bool fz_noise_write(struct fz_noise *hs, const void *payload, size_t len, uint8_t *out, size_t size,
		    size_t *out_len)
{
	size_t more = overhead(hs, true);

	if (!more || len > FZ_NOISE_MESSAGE_MAX - more || size < len + more)
		return advance(hs, false);
	*out_len = len + more;
	return advance(hs, hs->step == FZ_NOISE_FIRST ? write_first(hs, payload, len, out) :
							write_second(hs, payload, len, out));
}

/**
 * fz_noise_read() - ReadMessage (section 5.3)
 * @hs: the handshake; wiped when this fails
 * @msg: the message
 * @len: its length in bytes
 * @payload: gets what was encrypted along
 * @size: room at @payload in bytes
 * @payload_len: gets the payload's length in bytes
 *
 * Return: false when it is not the other side's turn, or the message is not authentic.
 */
bool fz_noise_read(struct fz_noise *hs, const uint8_t *msg, size_t len, uint8_t *payload,
		   size_t size, size_t *payload_len)
{
	size_t more = overhead(hs, false);

	if (!more || len < more || len > FZ_NOISE_MESSAGE_MAX || size < len - more)
		return advance(hs, false);
	*payload_len = len - more;
	return advance(hs, hs->step == FZ_NOISE_FIRST ? read_first(hs, msg, len, payload) :
							read_second(hs, msg, len, payload));
}

/**
 * fz_noise_split() - Split (section 5.2): the keys of the channel
 * @hs: a handshake whose two messages are through; its keys are wiped, @hash and @remote_static stay
 * @tx: gets the key for what we send
 * @rx: gets the key for what we receive
 *
 * Return: false when the handshake is not done.
 */
bool fz_noise_split(struct fz_noise *hs, struct fz_noise_cipher *tx, struct fz_noise_cipher *rx)
{
	uint8_t first[FZ_NOISE_HASH_LEN], second[FZ_NOISE_HASH_LEN];

	if (hs->step != FZ_NOISE_DONE || !hs->cipher.keyed)
		return false;
	hkdf(hs->chaining_key, NULL, 0, first, second);
	cipher_set(tx, hs->initiator ? first : second);
	cipher_set(rx, hs->initiator ? second : first);
	sodium_memzero(first, sizeof(first));
	sodium_memzero(second, sizeof(second));
	sodium_memzero(hs->chaining_key, sizeof(hs->chaining_key));
	sodium_memzero(hs->static_private, sizeof(hs->static_private));
	sodium_memzero(hs->ephemeral_private, sizeof(hs->ephemeral_private));
	fz_noise_cipher_wipe(&hs->cipher);
	return true;
}

/**
 * fz_noise_wipe() - forget a handshake
 * @hs: the handshake; every further call on it fails
 */
void fz_noise_wipe(struct fz_noise *hs)
{
	sodium_memzero(hs, sizeof(*hs));
	hs->step = FZ_NOISE_FAILED;
}
