// SPDX-License-Identifier: GPL-2.0-only
#include "parse.h"
#include "format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* The sentence of a refusal must quote the word. */
static void assert_names(const struct fz_error *err, const char *word)
{
	assert_true(err->code < 0);
	assert_non_null(strstr(err->text, word));
}

static void test_prefix(void **state)
{
	static const char *const good[] = {
		"0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "::/0", "fd00::/8", "2001:db8::1/128",
		"10.0.0.128/25", "fe80::/10",
	};
	static const char *const bad[] = {
		"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ",
		"10.0.0.1/8", "10.0.0/8", "fd00::/129", "fd00::1/64", "10.0.0.0/08x", "x", "1.2.3.4/8/8",
		"10.0.0.0/99999999999999999999", "0x0a.0.0.0/8", "::ffff:300.0.0.0/96",
	};
	struct fz_prefix prefix;
	struct fz_error err;
	char text[FZ_ADDR_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(fz_parse_prefix(good[i], &prefix, &err), 0);
		assert_string_equal(fz_format_prefix(text, sizeof(text), &prefix), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(fz_parse_prefix(bad[i], &prefix, &err), 0);
		assert_names(&err, bad[i]);
	}
	assert_int_equal(fz_parse_prefix("192.0.2.1", &prefix, NULL), 0);
	assert_int_equal(prefix.len, 32);
	assert_int_equal(fz_parse_ifaddr("10.0.0.1/8", &prefix, NULL), 0);
	assert_int_equal(prefix.len, 8);
}

static void test_prefix_leaves_out_alone(void **state)
{
	struct fz_prefix prefix, before;

	(void)state;
	memset(&prefix, 0x5a, sizeof(prefix));
	before = prefix;
	assert_int_not_equal(fz_parse_prefix("10.0.0.1/8", &prefix, NULL), 0);
	assert_memory_equal(&prefix, &before, sizeof(prefix));
}

static void test_endpoint(void **state)
{
	static const char *const good[] = {
		"192.0.2.1:51820", "[2001:db8::1]:1", "0.0.0.0:65535",
	};
	static const char *const bad[] = {
		"", ":", "192.0.2.1", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "2001:db8::1:51820",
		"[2001:db8::1]", "[2001:db8::1]51820", "[2001:db8::1:51820", "[192.0.2.1]:5", "host:5",
		"192.0.2.1:5x", "]:5", "[]:5", "[:5",
	};
	union fz_endpoint ep;
	struct fz_error err;
	char text[FZ_ENDPOINT_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(fz_parse_endpoint(good[i], &ep, &err), 0);
		assert_string_equal(fz_format_endpoint(text, sizeof(text), &ep), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(fz_parse_endpoint(bad[i], &ep, &err), 0);
		assert_names(&err, bad[i]);
	}
}

static void check_services(const char *const *words, const char *expected)
{
	struct fz_resource res = { 0 };
	char text[256];

	for (; *words; words++)
		assert_int_equal(fz_parse_service(*words, &res, NULL), 0);
	assert_string_equal(fz_format_services(text, sizeof(text), &res), expected);
	fz_resource_clear(&res);
}

static void test_service(void **state)
{
	static const char *const bad[] = {
		"", "tcp/", "tcp/x", "tcp/1,", "tcp/,1", "tcp/65536", "tcp/2-1", "tcp/1-", "tcp/-1", "http",
		"proto/", "proto/256", "proto/x", "tcp/1-2-3", "icmp/8x", "icmp/256", "icmp/8-",
		"icmpv6/", "icmp/8/0", "proto/1/8", "tcp/0", "tcp 80", "TCP", "tcp/80 ",
	};
	struct fz_resource res = { 0 };
	struct fz_error err;

	(void)state;
	check_services((const char *const[]){ NULL }, "any");
	check_services((const char *const[]){ "tcp", NULL }, "tcp");
	check_services((const char *const[]){ "tcp/443,8000-8010", NULL }, "tcp/443,8000-8010");
	check_services((const char *const[]){ "icmp", "udp/53", NULL }, "icmp udp/53");
	check_services((const char *const[]){ "proto/1", NULL }, "proto/1");
	check_services((const char *const[]){ "icmp/0,8-13", "icmpv6/128", NULL }, "icmp/0,8-13 icmpv6/128");
	check_services((const char *const[]){ "proto/47", "sctp/1-65535", NULL }, "proto/47 sctp/1-65535");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(fz_parse_service(bad[i], &res, &err), 0);
		assert_names(&err, bad[i]);
		assert_int_equal(res.n_services, 0);
	}
	fz_resource_clear(&res);
}

static void test_duration(void **state)
{
	static const struct {
		const char *word;
		uint64_t ms;
		const char *text;
	} good[] = {
		{ "90s", 90000, "1m30s" }, { "15m", 900000, "15m" }, { "8h", 28800000, "8h" },
		{ "7d", 604800000, "7d" }, { "25h", 90000000, "1d1h" }, { "1s", 1000, "1s" },
	};
	static const char *const bad[] = {
		"", "0s", "s", "10", "10x", "-5s", "1.5h", "1h30m", " 1s", "99999999999d", "36501d", "1 s",
	};
	struct fz_error err;
	char text[32];
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(fz_parse_duration(good[i].word, &ms, &err), 0);
		assert_int_equal(ms, good[i].ms);
		assert_string_equal(fz_format_duration(text, sizeof(text), ms), good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(fz_parse_duration(bad[i], &ms, &err), 0);
		assert_names(&err, bad[i]);
	}
}

static void test_limits(void **state)
{
	static const struct {
		const char *word;
		uint64_t value;
	} sizes[] = {
		{ "1", 1 }, { "1500", 1500 }, { "10K", 10240 }, { "500M", 500ull << 20 }, { "20G", 20ull << 30 },
		{ "16777215T", 16777215ull << 40 }, { "18446744073709551609", 18446744073709551609ull },
	}, rates[] = {
		{ "300bit", 300 }, { "64kbit", 64000 }, { "10Mbit", 10000000 }, { "10M", 10000000 },
		{ "1Gbit", 1000000000 },
	};
	static const char *const bad_sizes[] = { "", "0", "0G", "G", "-1", "1g", "1KM", "16777216T", "1.5M", "10 M" };
	static const char *const bad_rates[] = { "", "10", "bit", "0bit", "kbit", "10Kbit", "10mbit", "10Mbits", "99999999999Gbit" };
	static const char *const bad_flows[] = { "", "/s", "0/s", "20", "20/m", "4294967296/s", "-1/s" };
	struct fz_error err;
	uint64_t value;
	uint32_t flows;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(fz_parse_size(sizes[i].word, &value, &err), 0);
		assert_int_equal(value, sizes[i].value);
	}
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		assert_int_equal(fz_parse_rate(rates[i].word, &value, &err), 0);
		assert_int_equal(value, rates[i].value);
	}
	assert_int_equal(fz_parse_flow_rate("4294967295/s", &flows, &err), 0);
	assert_int_equal(flows, UINT32_MAX);
	for (size_t i = 0; i < sizeof(bad_sizes) / sizeof(bad_sizes[0]); i++) {
		assert_int_not_equal(fz_parse_size(bad_sizes[i], &value, &err), 0);
		assert_names(&err, bad_sizes[i]);
	}
	for (size_t i = 0; i < sizeof(bad_rates) / sizeof(bad_rates[0]); i++) {
		assert_int_not_equal(fz_parse_rate(bad_rates[i], &value, &err), 0);
		assert_names(&err, bad_rates[i]);
	}
	for (size_t i = 0; i < sizeof(bad_flows) / sizeof(bad_flows[0]); i++) {
		assert_int_not_equal(fz_parse_flow_rate(bad_flows[i], &flows, &err), 0);
		assert_names(&err, bad_flows[i]);
	}
}

static void test_time(void **state)
{
	static const char *const bad[] = {
		"", "25:00", "12:60", "12:00:", "2026-13-01T00:00", "2026-02-30T00:00", "2026-12-31",
		"2026-12-31T18:00:00X", "2026-12-31T18:00+1", "2026-12-31T18:00+25:00", "tomorrow",
	};
	struct fz_error err;
	int64_t when;

	(void)state;
	assert_int_equal(fz_parse_time("2026-12-31T18:00:00Z", &when, &err), 0);
	assert_int_equal(when, 1798740000);
	assert_int_equal(fz_parse_time("2026-12-31T19:30:00+01:30", &when, &err), 0);
	assert_int_equal(when, 1798740000);
	assert_int_equal(fz_parse_time("2026-12-31T18:00Z", &when, &err), 0);
	assert_int_equal(when, 1798740000);
	assert_int_equal(fz_parse_time("00:00", &when, &err), 0);
	assert_true(when > time(NULL) && when <= time(NULL) + 25 * 3600);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(fz_parse_time(bad[i], &when, &err), 0);
		assert_names(&err, bad[i]);
	}
}

static void test_tag(void **state)
{
	static const char *const bad[] = {
		"", "00", "000102030405060708090a0b0c0d0e0", "000102030405060708090a0b0c0d0e0f0",
		"000102030405060708090a0b0c0d0e0g", "00010203-04050607-0809-0a0b0c0d0e0f0",
		"0001020-304050-6070-8090-a0b0c0d0e0f",
	};
	uint8_t tag[FZ_TAG_LEN], other[FZ_TAG_LEN];
	struct fz_error err;
	char text[FZ_TAG_TEXT_SIZE];

	(void)state;
	assert_int_equal(fz_parse_tag("000102030405060708090A0b0c0d0e0f", tag, &err), 0);
	assert_string_equal(fz_format_tag(text, sizeof(text), tag), "000102030405060708090a0b0c0d0e0f");
	assert_int_equal(fz_parse_tag("00010203-0405-0607-0809-0a0b0c0d0e0f", other, &err), 0);
	assert_memory_equal(tag, other, sizeof(tag));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(fz_parse_tag(bad[i], tag, &err), 0);
		assert_names(&err, bad[i]);
	}
}

static void test_name(void **state)
{
	char name[FZ_NAME_MAX + 1], longest[FZ_NAME_MAX + 2];
	struct fz_error err;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[FZ_NAME_MAX] = 0;
	assert_int_equal(fz_parse_name(longest, name, &err), 0);
	assert_int_equal(fz_parse_name("caf\303\251-db.1", name, &err), 0);
	longest[FZ_NAME_MAX] = 'x';
	{
		char too_long[sizeof(longest) + 1];

		memcpy(too_long, longest, sizeof(longest));
		too_long[sizeof(longest)] = 0;
		assert_int_not_equal(fz_parse_name(too_long, name, &err), 0);
	}
	assert_int_not_equal(fz_parse_name("", name, &err), 0);
	assert_int_not_equal(fz_parse_name("a b", name, &err), 0);
	assert_int_not_equal(fz_parse_name("a\n", name, &err), 0);
	assert_int_not_equal(fz_parse_name("caf\351", name, &err), 0);
	assert_int_not_equal(fz_parse_name("\300\257", name, &err), 0);
	assert_int_not_equal(fz_parse_name("\355\240\200", name, &err), 0);
	assert_int_not_equal(fz_parse_name("x\360\237", name, &err), 0);
	assert_int_equal(fz_parse_name("\360\237\220\234", name, &err), 0);
}

static void test_protocol_and_port(void **state)
{
	uint8_t protocol;
	uint16_t port;

	(void)state;
	assert_int_equal(fz_parse_protocol("sctp", &protocol, NULL), 0);
	assert_int_equal(protocol, IPPROTO_SCTP);
	assert_int_equal(fz_parse_protocol("proto/255", &protocol, NULL), 0);
	assert_int_equal(protocol, 255);
	assert_int_not_equal(fz_parse_protocol("proto/256", &protocol, NULL), 0);
	assert_int_not_equal(fz_parse_protocol("6", &protocol, NULL), 0);
	assert_int_equal(fz_parse_port("65535", &port, NULL), 0);
	assert_int_not_equal(fz_parse_port("65536", &port, NULL), 0);
	assert_int_not_equal(fz_parse_port("0", &port, NULL), 0);
	assert_int_not_equal(fz_parse_port("", &port, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_prefix_leaves_out_alone),
		cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_service),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_protocol_and_port),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
