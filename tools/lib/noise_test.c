// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "noise.h"
#include "noise_vectors.h"

static size_t unhex(uint8_t *out, size_t size, const char *hex)
{
	size_t len;

	assert_int_equal(sodium_hex2bin(out, size, hex, strlen(hex), NULL, &len, NULL), 0);
	return len;
}

struct pair {
	struct fz_noise init, resp;
	struct fz_noise_cipher init_tx, init_rx, resp_tx, resp_rx;
};

static void begin(struct pair *p, const struct noise_vector *v)
{
	uint8_t prologue[64], s[32], rs[32];
	size_t len = unhex(prologue, sizeof(prologue), v->prologue);

	unhex(s, sizeof(s), v->init_static);
	unhex(rs, sizeof(rs), v->resp_static_public);
	assert_true(fz_noise_init(&p->init, true, prologue, len, s, rs));
	unhex(s, sizeof(s), v->resp_static);
	assert_true(fz_noise_init(&p->resp, false, prologue, len, s, NULL));
	assert_memory_equal(p->resp.static_public, rs, sizeof(rs));
	unhex(p->init.ephemeral_private, 32, v->init_ephemeral);
	unhex(p->resp.ephemeral_private, 32, v->resp_ephemeral);
}

/* Keys of its own for tests that need no vector. */
static void begin_random(struct pair *p)
{
	uint8_t init[32], resp[32], rs[32];

	randombytes_buf(init, sizeof(init));
	randombytes_buf(resp, sizeof(resp));
	crypto_scalarmult_base(rs, resp);
	assert_true(fz_noise_init(&p->init, true, "x", 1, init, rs));
	assert_true(fz_noise_init(&p->resp, false, "x", 1, resp, NULL));
}

static void finish(struct pair *p)
{
	uint8_t msg[256], payload[256];
	size_t len, plen;

	assert_true(fz_noise_write(&p->init, NULL, 0, msg, sizeof(msg), &len));
	assert_true(fz_noise_read(&p->resp, msg, len, payload, sizeof(payload), &plen));
	assert_true(fz_noise_write(&p->resp, NULL, 0, msg, sizeof(msg), &len));
	assert_true(fz_noise_read(&p->init, msg, len, payload, sizeof(payload), &plen));
	assert_true(fz_noise_split(&p->init, &p->init_tx, &p->init_rx));
	assert_true(fz_noise_split(&p->resp, &p->resp_tx, &p->resp_rx));
}

static void handshake_message(struct fz_noise *from, struct fz_noise *to, const char *payload_hex,
			      const char *ciphertext_hex)
{
	uint8_t payload[128], expected[256], msg[256], back[128];
	size_t plen = unhex(payload, sizeof(payload), payload_hex);
	size_t elen = unhex(expected, sizeof(expected), ciphertext_hex);
	size_t len, blen;

	assert_true(fz_noise_write(from, payload, plen, msg, sizeof(msg), &len));
	assert_int_equal(len, elen);
	assert_memory_equal(msg, expected, elen);
	assert_true(fz_noise_read(to, msg, len, back, sizeof(back), &blen));
	assert_int_equal(blen, plen);
	assert_memory_equal(back, payload, plen);
}

static void transport_message(struct fz_noise_cipher *tx, struct fz_noise_cipher *rx,
			      const char *payload_hex, const char *ciphertext_hex)
{
	uint8_t payload[128], expected[256], msg[256];
	size_t plen = unhex(payload, sizeof(payload), payload_hex);
	size_t elen = unhex(expected, sizeof(expected), ciphertext_hex);

	assert_true(fz_noise_encrypt(tx, NULL, 0, payload, plen, msg));
	assert_int_equal(plen + FZ_NOISE_TAG_LEN, elen);
	assert_memory_equal(msg, expected, elen);
	assert_true(fz_noise_decrypt(rx, NULL, 0, msg, elen, msg));
	assert_memory_equal(msg, payload, plen);
}

static void published_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(noise_vectors) / sizeof(noise_vectors[0]); i++) {
		const struct noise_vector *v = &noise_vectors[i];
		struct pair p;
		uint8_t hash[64];

		unhex(hash, sizeof(hash), v->hash);
		begin(&p, v);
		for (unsigned int m = 0; m < 2; m++) {
			handshake_message(m ? &p.resp : &p.init, m ? &p.init : &p.resp,
					  v->messages[m].payload, v->messages[m].ciphertext);
			assert_memory_equal(p.init.hash, p.resp.hash, sizeof(hash));
			if (m + 1 == v->hash_after)
				assert_memory_equal(p.init.hash, hash, sizeof(hash));
		}
		assert_memory_equal(p.resp.remote_static, p.init.static_public, 32);
		assert_true(fz_noise_split(&p.init, &p.init_tx, &p.init_rx));
		assert_true(fz_noise_split(&p.resp, &p.resp_tx, &p.resp_rx));
		for (size_t m = 2; m < NOISE_VECTOR_MESSAGES && v->messages[m].payload; m++) {
			bool from_init = m % 2 == 0;

			transport_message(from_init ? &p.init_tx : &p.resp_tx,
					  from_init ? &p.resp_rx : &p.init_rx,
					  v->messages[m].payload, v->messages[m].ciphertext);
		}
	}
}

static void keys_are_wiped(void **state)
{
	struct pair p;

	(void)state;
	begin_random(&p);
	finish(&p);
	assert_true(sodium_is_zero(p.init.static_private, 32));
	assert_true(sodium_is_zero(p.init.ephemeral_private, 32));
	assert_true(sodium_is_zero(p.init.chaining_key, 64));
	assert_true(sodium_is_zero(p.init.cipher.key, 32));
	fz_noise_wipe(&p.init);
	assert_true(sodium_is_zero(p.init.hash, 64));
	fz_noise_cipher_wipe(&p.init_tx);
	assert_true(sodium_is_zero(p.init_tx.key, 32));
	assert_false(fz_noise_encrypt(&p.init_tx, NULL, 0, NULL, 0, p.init.hash));
}

/* One flipped bit anywhere in either handshake message ends the handshake. */
static void tampered_handshake(void **state)
{
	uint8_t msg[256], bad[256], payload[256];
	size_t len, plen;

	(void)state;
	/* every seventh bit is enough to hit each byte */
	for (size_t bit = 0; bit < FZ_NOISE_FIRST_LEN * 8; bit += 7) {
		struct pair p;

		begin_random(&p);
		assert_true(fz_noise_write(&p.init, NULL, 0, msg, sizeof(msg), &len));
		assert_int_equal(len, FZ_NOISE_FIRST_LEN);
		msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(fz_noise_read(&p.resp, msg, len, payload, sizeof(payload), &plen));
		assert_int_equal(p.resp.step, FZ_NOISE_FAILED);
		assert_true(sodium_is_zero(p.resp.static_private, 32));
	}
	for (size_t bit = 0; bit < FZ_NOISE_SECOND_LEN * 8; bit += 7) {
		struct pair p;

		begin_random(&p);
		assert_true(fz_noise_write(&p.init, NULL, 0, msg, sizeof(msg), &len));
		assert_true(fz_noise_read(&p.resp, msg, len, payload, sizeof(payload), &plen));
		assert_true(fz_noise_write(&p.resp, NULL, 0, msg, sizeof(msg), &len));
		memcpy(bad, msg, len);
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(fz_noise_read(&p.init, bad, len, payload, sizeof(payload), &plen));
		assert_false(fz_noise_read(&p.init, msg, len, payload, sizeof(payload), &plen));
	}
}

static void truncated_handshake(void **state)
{
	uint8_t msg[256], payload[256];
	size_t len, plen;

	(void)state;
	for (size_t cut = 0; cut < FZ_NOISE_FIRST_LEN; cut++) {
		struct pair p;

		begin_random(&p);
		assert_true(fz_noise_write(&p.init, NULL, 0, msg, sizeof(msg), &len));
		assert_false(fz_noise_read(&p.resp, msg, cut, payload, sizeof(payload), &plen));
	}
}

static void wrong_keys(void **state)
{
	uint8_t msg[256], payload[256], key[32];
	struct fz_noise hs;
	struct pair p, other;
	size_t len, plen;

	(void)state;
	/* Made for another responder. */
	begin_random(&p);
	begin_random(&other);
	assert_true(fz_noise_write(&p.init, NULL, 0, msg, sizeof(msg), &len));
	assert_false(fz_noise_read(&other.resp, msg, len, payload, sizeof(payload), &plen));

	/* Another prologue. */
	begin_random(&p);
	randombytes_buf(key, sizeof(key));
	assert_true(fz_noise_init(&hs, true, "y", 1, key, p.init.remote_static));
	assert_true(fz_noise_write(&hs, NULL, 0, msg, sizeof(msg), &len));
	assert_false(fz_noise_read(&p.resp, msg, len, payload, sizeof(payload), &plen));

	/* Missing, superfluous and empty keys. */
	assert_false(fz_noise_init(&hs, true, NULL, 0, key, NULL));
	assert_false(fz_noise_init(&hs, false, NULL, 0, key, key));
	memset(key, 0, sizeof(key));
	assert_false(fz_noise_init(&hs, false, NULL, 0, key, NULL));
}

/* Public keys whose shared secret with anybody is zero. */
static void low_order_keys(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t msg[256] = { 0 }, payload[256], key[32], bad[32];
	struct fz_noise hs;
	struct pair p;
	size_t len, plen;

	(void)state;
	randombytes_buf(key, sizeof(key));
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		unhex(bad, sizeof(bad), points[i]);
		assert_true(fz_noise_init(&hs, true, NULL, 0, key, bad));
		assert_false(fz_noise_write(&hs, NULL, 0, msg, sizeof(msg), &len));

		/* as the initiator's ephemeral key */
		begin_random(&p);
		assert_true(fz_noise_write(&p.init, NULL, 0, msg, sizeof(msg), &len));
		memcpy(msg, bad, sizeof(bad));
		assert_false(fz_noise_read(&p.resp, msg, len, payload, sizeof(payload), &plen));

		/* as the responder's */
		begin_random(&p);
		assert_true(fz_noise_write(&p.init, NULL, 0, msg, sizeof(msg), &len));
		assert_true(fz_noise_read(&p.resp, msg, len, payload, sizeof(payload), &plen));
		assert_true(fz_noise_write(&p.resp, NULL, 0, msg, sizeof(msg), &len));
		memcpy(msg, bad, sizeof(bad));
		assert_false(fz_noise_read(&p.init, msg, len, payload, sizeof(payload), &plen));
	}
}

static void out_of_turn(void **state)
{
	uint8_t msg[256], payload[256];
	size_t len, plen;
	struct pair p;

	(void)state;
	begin_random(&p);
	assert_false(fz_noise_write(&p.resp, NULL, 0, msg, sizeof(msg), &len));
	begin_random(&p);
	assert_false(fz_noise_split(&p.init, &p.init_tx, &p.init_rx));
	assert_true(fz_noise_write(&p.init, NULL, 0, msg, sizeof(msg), &len));
	assert_false(fz_noise_write(&p.init, NULL, 0, msg, sizeof(msg), &len));
	/* a handshake message read twice */
	begin_random(&p);
	assert_true(fz_noise_write(&p.init, NULL, 0, msg, sizeof(msg), &len));
	assert_true(fz_noise_read(&p.resp, msg, len, payload, sizeof(payload), &plen));
	assert_false(fz_noise_read(&p.resp, msg, len, payload, sizeof(payload), &plen));
	/* no room */
	begin_random(&p);
	assert_false(fz_noise_write(&p.init, NULL, 0, msg, FZ_NOISE_FIRST_LEN - 1, &len));
}

static void transport_tampered_and_replayed(void **state)
{
	uint8_t first[32], second[32], plain[16];
	struct pair p;

	(void)state;
	begin_random(&p);
	finish(&p);
	assert_true(fz_noise_encrypt(&p.init_tx, NULL, 0, (const uint8_t *)"one", 3, first));
	assert_true(fz_noise_encrypt(&p.init_tx, NULL, 0, (const uint8_t *)"two", 3, second));
	assert_false(fz_noise_decrypt(&p.resp_rx, NULL, 0, second, 19, plain));
	first[0] ^= 1;
	assert_false(fz_noise_decrypt(&p.resp_rx, NULL, 0, first, 19, plain));
	first[0] ^= 1;
	assert_false(fz_noise_decrypt(&p.resp_rx, NULL, 0, first, 18, plain));
	assert_false(fz_noise_decrypt(&p.resp_rx, NULL, 0, first, 3, plain));
	assert_true(fz_noise_decrypt(&p.resp_rx, NULL, 0, first, 19, plain));
	assert_memory_equal(plain, "one", 3);
	assert_false(fz_noise_decrypt(&p.resp_rx, NULL, 0, first, 19, plain));
	/* one direction's message back to its sender */
	assert_false(fz_noise_decrypt(&p.init_rx, NULL, 0, second, 19, plain));
	assert_true(fz_noise_decrypt(&p.resp_rx, NULL, 0, second, 19, plain));
}

static void nonces_end(void **state)
{
	uint8_t msg[32];
	struct pair p;

	(void)state;
	begin_random(&p);
	finish(&p);
	p.init_tx.nonce = UINT64_MAX - 1;
	assert_true(fz_noise_encrypt(&p.init_tx, NULL, 0, (const uint8_t *)"x", 1, msg));
	assert_false(fz_noise_encrypt(&p.init_tx, NULL, 0, (const uint8_t *)"x", 1, msg));
	assert_false(fz_noise_decrypt(&p.init_tx, NULL, 0, msg, 17, msg));
}

static void rekeyed(void **state)
{
	uint8_t msg[32], old[32], plain[1];
	struct pair p;

	(void)state;
	begin_random(&p);
	finish(&p);
	memcpy(old, p.init_tx.key, sizeof(old));
	assert_true(fz_noise_rekey(&p.init_tx));
	assert_memory_not_equal(old, p.init_tx.key, sizeof(old));
	assert_true(fz_noise_encrypt(&p.init_tx, NULL, 0, (const uint8_t *)"x", 1, msg));
	assert_false(fz_noise_decrypt(&p.resp_rx, NULL, 0, msg, 17, plain));
	assert_true(fz_noise_rekey(&p.resp_rx));
	assert_true(fz_noise_decrypt(&p.resp_rx, NULL, 0, msg, 17, plain));
	fz_noise_cipher_wipe(&p.resp_rx);
	assert_false(fz_noise_rekey(&p.resp_rx));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),
		cmocka_unit_test(keys_are_wiped),
		cmocka_unit_test(tampered_handshake),
		cmocka_unit_test(truncated_handshake),
		cmocka_unit_test(wrong_keys),
		cmocka_unit_test(low_order_keys),
		cmocka_unit_test(out_of_turn),
		cmocka_unit_test(transport_tampered_and_replayed),
		cmocka_unit_test(nonces_end),
		cmocka_unit_test(rekeyed),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("noise", tests, NULL, NULL);
}
