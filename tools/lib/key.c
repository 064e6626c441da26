// SPDX-License-Identifier: GPL-2.0-only
#include "key.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

static_assert(FZ_KEY_LEN == crypto_scalarmult_curve25519_BYTES, "keys are X25519's");

/**
 * fz_key_format - a key as base64
 * @text: receives 44 characters and a 0
 * @key: may be secret: the time does not depend on it
 */
void fz_key_format(char text[FZ_KEY_TEXT_SIZE], const uint8_t key[FZ_KEY_LEN])
{
	sodium_bin2base64(text, FZ_KEY_TEXT_SIZE, key, FZ_KEY_LEN, sodium_base64_VARIANT_ORIGINAL);
}

/**
 * fz_key_parse - a key from base64
 * @key: left alone if @text is none
 * @text: may be secret
 *
 * Return: whether @text is a key and nothing else.
 */
bool fz_key_parse(uint8_t key[FZ_KEY_LEN], const char *text)
{
	uint8_t bytes[FZ_KEY_LEN];
	size_t len;
	bool ok;

	ok = strlen(text) == FZ_KEY_TEXT_LEN &&
	     !sodium_base642bin(bytes, sizeof(bytes), text, FZ_KEY_TEXT_LEN, NULL, &len, NULL,
				sodium_base64_VARIANT_ORIGINAL) &&
	     len == sizeof(bytes);
	if (ok)
		memcpy(key, bytes, sizeof(bytes));
	sodium_memzero(bytes, sizeof(bytes));
	return ok;
}

/**
 * fz_key_parse_hex - bytes from hexadecimal digits
 * @bytes: receives @len bytes; undefined if @text is not right
 * @len: bytes
 * @text: exactly 2 * @len digits
 *
 * Return: whether @text was that.
 */
bool fz_key_parse_hex(uint8_t *bytes, size_t len, const char *text)
{
	size_t got;

	return strlen(text) == 2 * len &&
	       !sodium_hex2bin(bytes, len, text, 2 * len, NULL, &got, NULL) && got == len;
}

/**
 * fz_key_is_zero - is this no key at all?
 * @key: compared in constant time
 *
 * Return: whether it is all zeros.
 */
bool fz_key_is_zero(const uint8_t key[FZ_KEY_LEN])
{
	return sodium_is_zero(key, FZ_KEY_LEN);
}

/**
 * fz_key_equal - are these the same key?
 * @a: a key
 * @b: another
 *
 * Return: whether they are, found in constant time.
 */
bool fz_key_equal(const uint8_t a[FZ_KEY_LEN], const uint8_t b[FZ_KEY_LEN])
{
	return !sodium_memcmp(a, b, FZ_KEY_LEN);
}

/**
 * fz_key_clamp - make any 32 bytes a private key (RFC 7748, section 5)
 * @key: changed in place
 */
void fz_key_clamp(uint8_t key[FZ_KEY_LEN])
{
	key[0] &= 248;
	key[31] &= 127;
	key[31] |= 64;
}

/**
 * fz_key_generate_preshared - a new preshared key
 * @key: receives random bytes
 *
 * Return: 0, or -EIO if there is no randomness to be had.
 */
int fz_key_generate_preshared(uint8_t key[FZ_KEY_LEN])
{
	if (sodium_init() < 0)
		return -EIO;
	randombytes_buf(key, FZ_KEY_LEN);
	return 0;
}

/**
 * fz_key_generate_private - a new private key
 * @key: receives it
 *
 * Return: 0, or -EIO if there is no randomness to be had.
 */
int fz_key_generate_private(uint8_t key[FZ_KEY_LEN])
{
	int ret = fz_key_generate_preshared(key);

	if (!ret)
		fz_key_clamp(key);
	return ret;
}

/**
 * fz_key_derive_public - the public key that belongs to a private one
 * @public_key: receives it
 * @private_key: clamped or not
 *
 * Return: 0, or -EIO if libsodium cannot be used.
 */
int fz_key_derive_public(uint8_t public_key[FZ_KEY_LEN], const uint8_t private_key[FZ_KEY_LEN])
{
	if (sodium_init() < 0 || crypto_scalarmult_curve25519_base(public_key, private_key))
		return -EIO;
	return 0;
}
