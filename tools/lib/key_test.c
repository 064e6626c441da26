// SPDX-License-Identifier: GPL-2.0-only
#include "key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_text(void **state)
{
	static const char *const bad[] = {
		"", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ", " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAA-AAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAA=AAAAAAAAAAAAAAAAAAAAA=",
	};
	uint8_t key[FZ_KEY_LEN], other[FZ_KEY_LEN];
	char text[FZ_KEY_TEXT_SIZE];

	(void)state;
	for (int fill = 0; fill < 256; fill++) {
		for (int i = 0; i < FZ_KEY_LEN; i++)
			key[i] = (uint8_t)(fill * (i + 1));
		fz_key_format(text, key);
		assert_int_equal(strlen(text), FZ_KEY_TEXT_LEN);
		assert_true(fz_key_parse(other, text));
		assert_true(fz_key_equal(key, other));
	}
	memset(other, 0x5a, sizeof(other));
	memcpy(key, other, sizeof(key));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(fz_key_parse(other, bad[i]));
		assert_memory_equal(other, key, sizeof(key));
	}
}

static void test_hex(void **state)
{
	uint8_t bytes[2];

	(void)state;
	assert_true(fz_key_parse_hex(bytes, 2, "0aFf"));
	assert_int_equal(bytes[0], 0x0a);
	assert_int_equal(bytes[1], 0xff);
	assert_false(fz_key_parse_hex(bytes, 2, "0aF"));
	assert_false(fz_key_parse_hex(bytes, 2, "0aFff"));
	assert_false(fz_key_parse_hex(bytes, 2, "0aFg"));
	assert_false(fz_key_parse_hex(bytes, 2, "0a:f"));
}

/* RFC 7748, section 6.1: Bob's pair. */
static void test_derive(void **state)
{
	uint8_t private_key[FZ_KEY_LEN], public_key[FZ_KEY_LEN], expected[FZ_KEY_LEN];

	(void)state;
	assert_true(fz_key_parse_hex(private_key, FZ_KEY_LEN,
				     "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
	assert_true(fz_key_parse_hex(expected, FZ_KEY_LEN,
				     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
	assert_int_equal(fz_key_derive_public(public_key, private_key), 0);
	assert_memory_equal(public_key, expected, FZ_KEY_LEN);
	/* Clamping is part of deriving. */
	fz_key_clamp(private_key);
	assert_int_equal(fz_key_derive_public(public_key, private_key), 0);
	assert_memory_equal(public_key, expected, FZ_KEY_LEN);
}

static void test_generate(void **state)
{
	uint8_t a[FZ_KEY_LEN], b[FZ_KEY_LEN];

	(void)state;
	for (int i = 0; i < 64; i++) {
		assert_int_equal(fz_key_generate_private(a), 0);
		assert_int_equal(a[0] & 7, 0);
		assert_int_equal(a[31] & 0xc0, 0x40);
		assert_int_equal(fz_key_generate_preshared(b), 0);
		assert_false(fz_key_equal(a, b));
		assert_false(fz_key_is_zero(b));
	}
	memset(a, 0, sizeof(a));
	assert_true(fz_key_is_zero(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_derive),
		cmocka_unit_test(test_generate),
	};

	return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
