// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sodium.h>

#include "stun.h"

/* RFC 5769, sections 2.1 to 2.3. */
static const char request_21[] =
	"000100582112a442b7e7a701bc34d686fa87dfae"
	"802200105354554e207465737420636c69656e74"
	"002400046e0001ff"
	"80290008932ff9b151263b36"
	"000600096576746a3a68367659202020"
	"000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
	"80280004e57a3bcf";

static const char response_22[] =
	"0101003c2112a442b7e7a701bc34d686fa87dfae"
	"8022000b7465737420766563746f7220"
	"002000080001a147e112a643"
	"000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
	"80280004c07d4c96";

static const char response_23[] =
	"010100482112a442b7e7a701bc34d686fa87dfae"
	"8022000b7465737420766563746f7220"
	"002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
	"00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
	"80280004c8fb0b4c";

static const uint8_t sample_id[FZ_STUN_ID_LEN] = {
	0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
};

static size_t unhex(uint8_t *out, size_t size, const char *hex)
{
	size_t len;

	assert_int_equal(sodium_hex2bin(out, size, hex, strlen(hex), NULL, &len, NULL), 0);
	return len;
}

static void address(struct sockaddr_storage *ss, const char *text, uint16_t port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
	}
}

static void published_vectors(void **state)
{
	struct sockaddr_storage expected;
	uint8_t bytes[256];
	struct fz_stun msg;
	size_t len;

	(void)state;
	len = unhex(bytes, sizeof(bytes), request_21);
	fz_stun_parse(&msg, bytes, len);
	assert_int_equal(msg.kind, FZ_STUN_REQUEST);
	assert_memory_equal(msg.id, sample_id, sizeof(sample_id));
	/* PRIORITY of ICE */
	assert_int_equal(msg.unknown_len, 1);
	assert_int_equal(msg.unknown[0], 0x24);

	len = unhex(bytes, sizeof(bytes), response_22);
	fz_stun_parse(&msg, bytes, len);
	assert_int_equal(msg.kind, FZ_STUN_SUCCESS);
	assert_true(fz_stun_answers(&msg, sample_id));
	address(&expected, "192.0.2.1", 32853);
	assert_memory_equal(&msg.mapped, &expected, sizeof(expected));

	len = unhex(bytes, sizeof(bytes), response_23);
	fz_stun_parse(&msg, bytes, len);
	assert_int_equal(msg.kind, FZ_STUN_SUCCESS);
	address(&expected, "2001:db8:1234:5678:11:2233:4455:6677", 32853);
	assert_memory_equal(&msg.mapped, &expected, sizeof(expected));
}

static void round_trip(void **state)
{
	static const struct {
		const char *from, *told;
	} cases[] = {
		{ "203.0.113.9", "203.0.113.9" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "::ffff:198.51.100.7", "198.51.100.7" },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sockaddr_storage from, told;
		uint8_t id[FZ_STUN_ID_LEN], other[FZ_STUN_ID_LEN], out[64];
		struct fz_stun req, resp;
		size_t len;

		randombytes_buf(id, sizeof(id));
		memcpy(other, id, sizeof(id));
		other[11] ^= 1;
		address(&from, cases[i].from, 40000);
		address(&told, cases[i].told, 40000);
		len = fz_stun_request(out, sizeof(out), id);
		assert_int_equal(len, 28);
		fz_stun_parse(&req, out, len);
		assert_int_equal(req.kind, FZ_STUN_REQUEST);
		assert_int_equal(req.unknown_len, 0);
		len = fz_stun_response(out, sizeof(out), &req, (struct sockaddr *)&from);
		assert_true(len > 0 && len <= sizeof(out));
		fz_stun_parse(&resp, out, len);
		assert_int_equal(resp.kind, FZ_STUN_SUCCESS);
		assert_true(fz_stun_answers(&resp, id));
		assert_false(fz_stun_answers(&resp, other));
		assert_false(fz_stun_answers(&req, id));
		assert_memory_equal(&resp.mapped, &told, sizeof(told));
	}
}

static void unknown_attributes(void **state)
{
	struct sockaddr_storage from;
	uint8_t bytes[256], out[64];
	struct fz_stun req, resp;
	size_t len;

	(void)state;
	address(&from, "192.0.2.1", 1);
	len = unhex(bytes, sizeof(bytes), request_21);
	fz_stun_parse(&req, bytes, len);
	len = fz_stun_response(out, sizeof(out), &req, (struct sockaddr *)&from);
	fz_stun_parse(&resp, out, len);
	assert_int_equal(resp.kind, FZ_STUN_ERROR);
	assert_int_equal(resp.error, 420);
	assert_true(fz_stun_answers(&resp, sample_id));
	/* as many as we keep still fit */
	req.unknown_len = 8;
	len = fz_stun_response(out, sizeof(out), &req, (struct sockaddr *)&from);
	assert_true(len > 0 && len <= sizeof(out));
	fz_stun_parse(&resp, out, len);
	assert_int_equal(resp.error, 420);
}

static void broken(void **state)
{
	struct sockaddr_storage from, told;
	uint8_t good[256], bad[256], out[64];
	struct fz_stun msg;
	size_t len;

	(void)state;
	address(&from, "192.0.2.1", 1);
	len = unhex(good, sizeof(good), response_22);
	for (size_t cut = 0; cut < len; cut++) {
		fz_stun_parse(&msg, good, cut);
		assert_int_equal(msg.kind, FZ_STUN_NOT_STUN);
	}
	/* no flipped bit leads to another address: FINGERPRINT finds it, or it hides FINGERPRINT alone */
	address(&told, "192.0.2.1", 32853);
	for (size_t bit = 0; bit < len * 8; bit++) {
		memcpy(bad, good, len);
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		fz_stun_parse(&msg, bad, len);
		if (msg.kind == FZ_STUN_SUCCESS)
			assert_memory_equal(&msg.mapped, &told, sizeof(told));
	}
	/* an attribute that is longer than the message */
	len = fz_stun_request(bad, sizeof(bad), sample_id);
	bad[23] = 200;
	fz_stun_parse(&msg, bad, len);
	assert_int_equal(msg.kind, FZ_STUN_BAD);
	assert_int_equal(fz_stun_response(out, sizeof(out), &msg, (struct sockaddr *)&from), 0);
	/* another method (Allocate) without attributes */
	len = unhex(bad, sizeof(bad), "000300002112a442b7e7a701bc34d686fa87dfae");
	fz_stun_parse(&msg, bad, len);
	assert_int_equal(msg.kind, FZ_STUN_BAD);
	/* a response that maps nothing */
	bad[0] = bad[1] = 1;
	fz_stun_parse(&msg, bad, len);
	assert_int_equal(msg.kind, FZ_STUN_BAD);
	/* no room, no IP */
	assert_int_equal(fz_stun_request(out, 27, sample_id), 0);
	len = fz_stun_request(bad, sizeof(bad), sample_id);
	fz_stun_parse(&msg, bad, len);
	assert_int_equal(fz_stun_response(out, 63, &msg, (struct sockaddr *)&from), 0);
	from.ss_family = AF_UNIX;
	assert_int_equal(fz_stun_response(out, sizeof(out), &msg, (struct sockaddr *)&from), 0);
	/* a WireGuard initiation */
	memset(bad, 0, 148);
	bad[0] = 1;
	assert_false(fz_stun_is_stun(bad, 148));
}

/* MAPPED-ADDRESS counts only where the other one is missing. */
static void old_server(void **state)
{
	struct sockaddr_storage expected;
	uint8_t bytes[64];
	struct fz_stun msg;
	size_t len;

	(void)state;
	len = unhex(bytes, sizeof(bytes), "0101000c2112a442b7e7a701bc34d686fa87dfae"
					  "0001000800010050c0000207");
	fz_stun_parse(&msg, bytes, len);
	assert_int_equal(msg.kind, FZ_STUN_SUCCESS);
	address(&expected, "192.0.2.7", 80);
	assert_memory_equal(&msg.mapped, &expected, sizeof(expected));
	len = unhex(bytes, sizeof(bytes), "010100182112a442b7e7a701bc34d686fa87dfae"
					  "0001000800010050c0000207"
					  "002000080001a147e112a643");
	fz_stun_parse(&msg, bytes, len);
	address(&expected, "192.0.2.1", 32853);
	assert_memory_equal(&msg.mapped, &expected, sizeof(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(unknown_attributes),
		cmocka_unit_test(broken),
		cmocka_unit_test(old_server),
	};

	return cmocka_run_group_tests_name("stun", tests, NULL, NULL);
}
