// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/time64.h>
#include <net/net_namespace.h>

#include "tests/suites.h"
#include "tunnel/ratelimiter.h"

#define MS NSEC_PER_MSEC
#define START (1000 * NSEC_PER_SEC)
#define SOURCES 64

/* Compared, never followed. */
static const struct net *const other_net = (const struct net *)&other_net;

static int init(struct kunit *test)
{
	test->priv = fz_ratelimiter_create(SOURCES);
	KUNIT_ASSERT_NOT_NULL(test, test->priv);
	return 0;
}

static void cleanup(struct kunit *test)
{
	fz_ratelimiter_destroy(test->priv);
}

static bool take4(struct kunit *test, const struct net *net, u32 address, u16 port, u64 now)
{
	const struct sockaddr_in source = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(address),
		.sin_port = htons(port),
	};

	return fz_ratelimiter_take(test->priv, net, (const struct sockaddr *)&source, now);
}

static bool take6(struct kunit *test, u32 network, u32 host, u64 now)
{
	const struct sockaddr_in6 source = {
		.sin6_family = AF_INET6,
		.sin6_addr.s6_addr32 = { htonl(0x20010db8), htonl(network), htonl(host), htonl(1) },
	};

	return fz_ratelimiter_take(test->priv, &init_net, (const struct sockaddr *)&source, now);
}

#define TAKES(count, what) do {							\
	for (int n = 0; n < (count); n++)					\
		KUNIT_EXPECT_TRUE_MSG(test, what, "number %d", n);		\
} while (0)

static void ratelimiter_allows_a_burst_and_a_rate(struct kunit *test)
{
	u64 now = START;

	TAKES(5, take4(test, &init_net, 0x0a000001, 1, now));
	KUNIT_EXPECT_FALSE(test, take4(test, &init_net, 0x0a000001, 1, now));
	KUNIT_EXPECT_FALSE(test, take4(test, &init_net, 0x0a000001, 1, now + 49 * MS));
	KUNIT_EXPECT_TRUE(test, take4(test, &init_net, 0x0a000001, 1, now + 50 * MS));
	KUNIT_EXPECT_FALSE(test, take4(test, &init_net, 0x0a000001, 1, now + 50 * MS));

	/* Asking all the time does not hinder it from filling: 20 a second, no more. */
	for (int second = 1, taken; second < 4; second++) {
		taken = 0;
		for (int ms = 0; ms < 1000; ms++)
			taken += take4(test, &init_net, 0x0a000001, 1,
				       now + second * NSEC_PER_SEC + ms * MS);
		KUNIT_EXPECT_EQ(test, taken, second == 1 ? 24 : 20);
	}

	/* However long it rests, the burst is five. */
	now += 3600 * NSEC_PER_SEC;
	TAKES(5, take4(test, &init_net, 0x0a000001, 1, now));
	KUNIT_EXPECT_FALSE(test, take4(test, &init_net, 0x0a000001, 1, now));
}

static void ratelimiter_tells_sources_apart(struct kunit *test)
{
	TAKES(5, take4(test, &init_net, 0x0a000001, 1, START));
	KUNIT_EXPECT_FALSE(test, take4(test, &init_net, 0x0a000001, 1, START));
	/* Another port is the same source, another address or netns is not. */
	KUNIT_EXPECT_FALSE(test, take4(test, &init_net, 0x0a000001, 2, START));
	TAKES(5, take4(test, &init_net, 0x0a000002, 1, START));
	TAKES(5, take4(test, other_net, 0x0a000001, 1, START));
	KUNIT_EXPECT_FALSE(test, take4(test, other_net, 0x0a000001, 1, START));

	/* Of IPv6, a /64 is one source. */
	for (int host = 0; host < 5; host++)
		KUNIT_EXPECT_TRUE(test, take6(test, 1, host, START));
	KUNIT_EXPECT_FALSE(test, take6(test, 1, 99, START));
	TAKES(5, take6(test, 2, 1, START));
}

static void ratelimiter_refuses_what_it_cannot_count(struct kunit *test)
{
	const struct sockaddr unknown = { .sa_family = AF_UNIX };

	KUNIT_EXPECT_FALSE(test, fz_ratelimiter_take(test->priv, &init_net, &unknown, START));
	KUNIT_EXPECT_EQ(test, fz_ratelimiter_collect(test->priv, START), 0);

	for (u32 i = 0; i < SOURCES; i++)
		KUNIT_EXPECT_TRUE(test, take4(test, &init_net, i, 1, START));
	KUNIT_EXPECT_FALSE(test, take4(test, &init_net, SOURCES, 1, START));
	/* Those who are known are still served. */
	KUNIT_EXPECT_TRUE(test, take4(test, &init_net, 0, 1, START));
}

static void ratelimiter_forgets_idle_sources(struct kunit *test)
{
	for (u32 i = 0; i < SOURCES; i++)
		KUNIT_EXPECT_TRUE(test, take4(test, &init_net, i, 1, START));
	KUNIT_EXPECT_EQ(test, fz_ratelimiter_collect(test->priv, START + 999 * MS), SOURCES);
	KUNIT_EXPECT_TRUE(test, take4(test, &init_net, 7, 1, START + 999 * MS));
	KUNIT_EXPECT_EQ(test, fz_ratelimiter_collect(test->priv, START + NSEC_PER_SEC), 1);
	KUNIT_EXPECT_TRUE(test, take4(test, &init_net, SOURCES, 1, START + NSEC_PER_SEC));
	KUNIT_EXPECT_EQ(test, fz_ratelimiter_collect(test->priv, START + 3 * NSEC_PER_SEC), 0);
}

static struct kunit_case ratelimiter_cases[] = {
	KUNIT_CASE(ratelimiter_allows_a_burst_and_a_rate),
	KUNIT_CASE(ratelimiter_tells_sources_apart),
	KUNIT_CASE(ratelimiter_refuses_what_it_cannot_count),
	KUNIT_CASE(ratelimiter_forgets_idle_sources),
	{}
};

struct kunit_suite fz_ratelimiter_suite = {
	.name = "fz_ratelimiter",
	.init = init,
	.exit = cleanup,
	.test_cases = ratelimiter_cases,
};
