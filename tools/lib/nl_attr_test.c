// SPDX-License-Identifier: GPL-2.0-only
/* What is written must be what is read, and hostile or short attributes must do no harm. */
#include "nl_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char buffer[FZ_MSG_SIZE] __attribute__((aligned(MNL_ALIGNTO)));

static struct nlmsghdr *fresh(void)
{
	memset(buffer, 0, sizeof(buffer));
	return mnl_nlmsg_put_header(buffer);
}

static const struct nlattr *first(const struct nlmsghdr *nlh)
{
	return mnl_nlmsg_get_payload(nlh);
}

static void test_grant(void **state)
{
	struct fz_grant grant = {
		.resource = "db", .direction = FZ_DIR_OUT, .action = FZ_ACTION_DENY, .has_lease = true,
		.lease_ms = 1ULL << 40, .has_tag = true, .quota = 5, .rate = 6, .flow_rate = 7,
	}, back;
	struct nlmsghdr *nlh = fresh();

	(void)state;
	memset(grant.peer, 3, sizeof(grant.peer));
	memset(grant.tag, 4, sizeof(grant.tag));
	assert_true(fz_put_grant(nlh, 1, &grant, false));
	fz_get_grant(first(nlh), &back);
	assert_memory_equal(&grant, &back, sizeof(grant));
}

static void test_resource(void **state)
{
	struct fz_resource res = { .name = "web" }, back = { .name = "" };
	struct nlmsghdr *nlh = fresh();

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		struct fz_prefix prefix = { .addr = { .family = i % 2 ? AF_INET : AF_INET6 }, .len = 8 };
		struct fz_service service = { .protocol = IPPROTO_TCP, .has_ports = i % 3,
					      .port_min = i % 3 ? 1 : 0, .port_max = (uint16_t)(i % 3 ? i : 0) };

		prefix.addr.bytes[0] = (uint8_t)i;
		assert_int_equal(fz_resource_add_prefix(&res, &prefix), 0);
		assert_int_equal(fz_resource_add_service(&res, &service), 0);
	}
	assert_true(fz_put_resource(nlh, 1, &res, false));
	assert_int_equal(fz_get_resource(first(nlh), &back), 0);
	assert_string_equal(back.name, "web");
	assert_int_equal(back.n_prefixes, 100);
	assert_int_equal(back.n_services, 100);
	assert_memory_equal(res.prefixes, back.prefixes, 100 * sizeof(*res.prefixes));
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(res.services[i].has_ports, back.services[i].has_ports);
		assert_int_equal(res.services[i].port_max, back.services[i].port_max);
	}
	fz_resource_clear(&res);
	fz_resource_clear(&back);
}

/* A resource that does not fit leaves the message as it was. */
static void test_too_large(void **state)
{
	struct fz_resource res = { .name = "web" };
	struct nlmsghdr *nlh = fresh();
	uint32_t before = nlh->nlmsg_len;

	(void)state;
	for (unsigned int i = 0; i < 5000; i++) {
		struct fz_prefix prefix = { .addr = { .family = AF_INET6 }, .len = 128 };

		prefix.addr.bytes[15] = (uint8_t)i;
		prefix.addr.bytes[14] = (uint8_t)(i >> 8);
		assert_int_equal(fz_resource_add_prefix(&res, &prefix), 0);
	}
	assert_false(fz_put_resource(nlh, 1, &res, false));
	assert_int_equal(nlh->nlmsg_len, before);
	assert_true(fz_put_resource(nlh, 1, &res, true));
	fz_resource_clear(&res);
}

/* Attributes that are shorter than their type read as absent. */
static void test_short(void **state)
{
	struct nlmsghdr *nlh = fresh();
	struct nlattr *nest = mnl_attr_nest_start_check(nlh, FZ_MSG_SIZE, 1);
	struct fz_grant grant;
	struct fz_flow flow;

	(void)state;
	mnl_attr_put(nlh, FZ_GRANT_A_PEER, 5, "short");
	mnl_attr_put(nlh, FZ_GRANT_A_RESOURCE, 3, "web");	/* no final 0 */
	mnl_attr_put(nlh, FZ_GRANT_A_LEASE_MS, 2, "ab");
	mnl_attr_put(nlh, FZ_GRANT_A_TAG, 0, "");
	mnl_attr_nest_end(nlh, nest);
	fz_get_grant(first(nlh), &grant);
	assert_true(grant.any);
	assert_string_equal(grant.resource, "web");
	assert_int_equal(grant.lease_ms, 0);
	assert_false(grant.has_tag);
	fz_get_flow(first(nlh), &flow);
}

/* The kernel reports an expired grant's tag even if it had none: zeros are none. */
static void test_no_tag(void **state)
{
	static const uint8_t tags[][FZ_TAG_LEN] = { { 0 }, { [15] = 1 } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct nlmsghdr *nlh = fresh();
		struct nlattr *nest = mnl_attr_nest_start_check(nlh, FZ_MSG_SIZE, 1);
		struct fz_decision decision = { .id = 0 };
		struct fz_attrs attrs;

		mnl_attr_put(nlh, FZ_DECISION_A_TAG, FZ_TAG_LEN, tags[i]);
		mnl_attr_nest_end(nlh, nest);
		fz_attrs_read_nest(&attrs, first(nlh));
		fz_get_decision(&attrs, &decision);
		assert_int_equal(decision.has_tag, i);
	}
}

/* Any bytes whatever: the sanitizers watch. */
static void test_noise(void **state)
{
	struct fz_resource res = { .name = "" };
	struct fz_decision decision = { .id = 0 };
	struct fz_attrs attrs;
	struct fz_flow flow;
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t len = 4 + (size_t)round % 200;
		char *exact = aligned_alloc(16, (len + 4 + 15) / 16 * 16);
		struct nlattr *nest = (struct nlattr *)(void *)exact;

		assert_non_null(exact);
		for (size_t i = 4; i < len + 4; i++) {
			seed = seed * 1664525 + 1013904223;
			exact[i] = (char)(i % 4 < 2 ? (seed >> 24) % 24 : (seed >> 24) % 16);
		}
		nest->nla_len = (uint16_t)(len & ~3U);
		nest->nla_type = 1;
		fz_get_resource(nest, &res);
		fz_get_flow(nest, &flow);
		fz_attrs_read_nest(&attrs, nest);
		fz_get_decision(&attrs, &decision);
		fz_resource_clear(&res);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grant),
		cmocka_unit_test(test_resource),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_no_tag),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("nl_attr", tests, NULL, NULL);
}
