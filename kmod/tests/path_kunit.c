// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/jiffies.h>

#include "path/candidates.h"
#include "path/sideband.h"
#include "tests/suites.h"

#define LATER (FZ_PATH_QUIET + 1)

/* Times near the wrap of jiffies: comparisons must not mind. */
#define T0 (ULONG_MAX - HZ)

static union fz_path_addr v4(u8 last)
{
	union fz_path_addr addr = {};

	addr.v4.sin_family = AF_INET;
	addr.v4.sin_port = htons(51820);
	addr.v4.sin_addr.s_addr = htonl(0xc0000200 | last);
	return addr;
}

static struct fz_candidate candidate(u8 last, u32 priority)
{
	return (struct fz_candidate){ .addr = v4(last), .priority = priority };
}

static bool heard(struct fz_path *path, u8 last, unsigned long now)
{
	union fz_path_addr addr = v4(last);

	return fz_path_adopt(path, &addr, now);
}

/* 192.0.2.1 is the worst of three, 192.0.2.3 the best. */
static int init(struct kunit *test)
{
	const struct fz_candidate all[] = { candidate(2, 20), candidate(1, 10), candidate(3, 30) };
	struct fz_path *path = kunit_kzalloc(test, sizeof(*path), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, path);
	fz_path_init(path);
	KUNIT_ASSERT_EQ(test, fz_path_set(path, all, ARRAY_SIZE(all), true), 0);
	test->priv = path;
	return 0;
}

static void finish(struct kunit *test)
{
	if (test->priv)
		fz_path_clear(test->priv);
}

static void no_candidates_is_wireguard(struct kunit *test)
{
	struct fz_path *path = test->priv;
	union fz_path_addr targets[FZ_PATH_TARGETS];
	bool probe;

	fz_path_clear(path);
	KUNIT_EXPECT_TRUE(test, heard(path, 1, T0));
	KUNIT_EXPECT_TRUE(test, heard(path, 2, T0));
	KUNIT_EXPECT_EQ(test, fz_path_targets(path, targets, &probe, T0), 0);
}

static void first_to_answer_is_used(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 1, T0));
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 1, T0 + 1));
}

static void better_one_replaces_at_once(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 1, T0));
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 3, T0 + 1));
	KUNIT_EXPECT_FALSE(test, heard(test->priv, 1, T0 + 2));
}

static void worse_one_waits_for_silence(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 3, T0));
	KUNIT_EXPECT_FALSE(test, heard(test->priv, 2, T0 + 1));
	KUNIT_EXPECT_FALSE(test, heard(test->priv, 2, T0 + FZ_PATH_QUIET));
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 2, T0 + LATER));
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 3, T0 + LATER + 1));
}

static void silence_counts_from_the_last_word(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 3, T0));
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 3, T0 + LATER - 2));
	KUNIT_EXPECT_FALSE(test, heard(test->priv, 2, T0 + LATER));
}

static void stranger_is_roaming(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 3, T0));
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 77, T0 + 1));
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 78, T0 + 2));
	KUNIT_EXPECT_FALSE(test, heard(test->priv, 3, T0 + 3));
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 3, T0 + 2 + LATER));
}

static void forgetting_begins_anew(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 3, T0));
	fz_path_forget(test->priv);
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 1, T0 + 1));
}

static void all_are_tried_at_first(struct kunit *test)
{
	union fz_path_addr targets[FZ_PATH_TARGETS];
	const union fz_path_addr best = v4(3);
	bool probe = true;

	KUNIT_ASSERT_EQ(test, fz_path_targets(test->priv, targets, &probe, T0), 3);
	KUNIT_EXPECT_FALSE(test, probe);
	KUNIT_EXPECT_TRUE(test, fz_path_addr_equal(&targets[0], &best));
}

static void better_ones_are_tried_first_while_one_works(struct kunit *test)
{
	union fz_path_addr targets[FZ_PATH_TARGETS];
	const union fz_path_addr best = v4(3);
	bool probe;

	heard(test->priv, 2, T0);
	KUNIT_ASSERT_EQ(test, fz_path_targets(test->priv, targets, &probe, T0 + 1), 1);
	KUNIT_EXPECT_TRUE(test, probe);
	KUNIT_EXPECT_TRUE(test, fz_path_addr_equal(&targets[0], &best));
	/* The next try goes to all, and another probe waits its time. */
	KUNIT_EXPECT_EQ(test, fz_path_targets(test->priv, targets, &probe, T0 + 2), 3);
	KUNIT_EXPECT_FALSE(test, probe);
	heard(test->priv, 2, T0 + FZ_PATH_PROBE);
	KUNIT_EXPECT_EQ(test, fz_path_targets(test->priv, targets, &probe,
					      T0 + FZ_PATH_PROBE + 2), 1);
}

static void all_are_tried_after_silence(struct kunit *test)
{
	union fz_path_addr targets[FZ_PATH_TARGETS];
	bool probe;

	heard(test->priv, 1, T0);
	KUNIT_EXPECT_EQ(test, fz_path_targets(test->priv, targets, &probe, T0 + LATER), 3);
	KUNIT_EXPECT_FALSE(test, probe);
}

static void stranger_is_tried_too(struct kunit *test)
{
	union fz_path_addr targets[FZ_PATH_TARGETS];
	bool probe;

	heard(test->priv, 77, T0);
	KUNIT_EXPECT_EQ(test, fz_path_targets(test->priv, targets, &probe, T0 + 1), 4);
}

static void merging_keeps_what_is_known(struct kunit *test)
{
	const struct fz_candidate more[] = { candidate(1, 40), candidate(4, 5) };
	struct fz_candidate found[FZ_PATH_MAX];
	struct fz_path *path = test->priv;
	const union fz_path_addr first = v4(1);

	heard(path, 1, T0);
	KUNIT_ASSERT_EQ(test, fz_path_set(path, more, ARRAY_SIZE(more), false), 0);
	KUNIT_ASSERT_EQ(test, fz_path_get(path, found, FZ_PATH_MAX), 4);
	KUNIT_EXPECT_TRUE(test, fz_path_addr_equal(&found[0].addr, &first));
	KUNIT_EXPECT_EQ(test, found[0].priority, 40);
	KUNIT_EXPECT_TRUE(test, found[0].answered);
	KUNIT_EXPECT_EQ(test, found[0].heard, T0);
	/* It has the new priority as the one in use, too. */
	KUNIT_EXPECT_FALSE(test, heard(path, 3, T0 + 1));
}

static void withdrawn_one_gives_way(struct kunit *test)
{
	const struct fz_candidate rest[] = { candidate(1, 10) };

	heard(test->priv, 3, T0);
	KUNIT_ASSERT_EQ(test, fz_path_set(test->priv, rest, 1, true), 0);
	KUNIT_EXPECT_TRUE(test, heard(test->priv, 1, T0 + 1));
}

static void too_many_change_nothing(struct kunit *test)
{
	struct fz_candidate *many = kunit_kcalloc(test, FZ_PATH_MAX, sizeof(*many), GFP_KERNEL);
	struct fz_candidate found[FZ_PATH_MAX];
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, many);
	for (i = 0; i < FZ_PATH_MAX; i++)
		many[i] = candidate(100 + i, i);
	KUNIT_EXPECT_EQ(test, fz_path_set(test->priv, many, FZ_PATH_MAX, false), -E2BIG);
	KUNIT_EXPECT_EQ(test, fz_path_get(test->priv, found, FZ_PATH_MAX), 3);
	KUNIT_EXPECT_EQ(test, fz_path_set(test->priv, many, FZ_PATH_MAX, true), 0);
	KUNIT_EXPECT_EQ(test, fz_path_get(test->priv, found, FZ_PATH_MAX), FZ_PATH_MAX);
}

static void addresses_are_told_apart(struct kunit *test)
{
	union fz_path_addr a = { .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(1) } };
	union fz_path_addr b;

	a.v6.sin6_addr.s6_addr[0] = 0x20;
	a.v6.sin6_addr.s6_addr[15] = 1;
	b = a;
	b.v6.sin6_scope_id = 7;
	KUNIT_EXPECT_TRUE(test, fz_path_addr_equal(&a, &b));
	a.v6.sin6_addr.s6_addr[0] = 0xfe;
	a.v6.sin6_addr.s6_addr[1] = 0x80;
	b = a;
	b.v6.sin6_scope_id = 7;
	KUNIT_EXPECT_FALSE(test, fz_path_addr_equal(&a, &b));
	b = v4(1);
	KUNIT_EXPECT_FALSE(test, fz_path_addr_equal(&a, &b));
	a = v4(1);
	a.v4.sin_port = htons(2);
	KUNIT_EXPECT_FALSE(test, fz_path_addr_equal(&a, &b));
}

static void unusable_addresses(struct kunit *test)
{
	union fz_path_addr addr = v4(1);

	KUNIT_EXPECT_TRUE(test, fz_path_addr_usable(&addr));
	addr.v4.sin_port = 0;
	KUNIT_EXPECT_FALSE(test, fz_path_addr_usable(&addr));
	addr = v4(1);
	addr.v4.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	KUNIT_EXPECT_FALSE(test, fz_path_addr_usable(&addr));
	addr.v4.sin_addr.s_addr = htonl(0xe0000001);
	KUNIT_EXPECT_FALSE(test, fz_path_addr_usable(&addr));
	addr.v4.sin_addr.s_addr = 0;
	KUNIT_EXPECT_FALSE(test, fz_path_addr_usable(&addr));
	memset(&addr, 0, sizeof(addr));
	KUNIT_EXPECT_FALSE(test, fz_path_addr_usable(&addr));
	addr.v6.sin6_family = AF_INET6;
	addr.v6.sin6_port = htons(1);
	KUNIT_EXPECT_FALSE(test, fz_path_addr_usable(&addr));
	addr.v6.sin6_addr.s6_addr[0] = 0xff;
	KUNIT_EXPECT_FALSE(test, fz_path_addr_usable(&addr));
	addr.v6.sin6_addr.s6_addr[0] = 0x20;
	KUNIT_EXPECT_TRUE(test, fz_path_addr_usable(&addr));
}

static void tunnel_messages_are_known(struct kunit *test)
{
	static const u8 initiation[] = { 1, 0, 0, 0, 9 };
	static const u8 data[] = { 4, 0, 0, 0 };
	static const u8 reserved[] = { 1, 0, 1, 0 };
	static const u8 stun_request[] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
	static const u8 stun_answer[] = { 1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42 };

	KUNIT_EXPECT_TRUE(test, fz_sideband_is_tunnel(initiation, sizeof(initiation)));
	KUNIT_EXPECT_TRUE(test, fz_sideband_is_tunnel(data, sizeof(data)));
	KUNIT_EXPECT_FALSE(test, fz_sideband_is_tunnel(data, 3));
	KUNIT_EXPECT_FALSE(test, fz_sideband_is_tunnel(reserved, sizeof(reserved)));
	KUNIT_EXPECT_FALSE(test, fz_sideband_is_tunnel(stun_request, sizeof(stun_request)));
	KUNIT_EXPECT_FALSE(test, fz_sideband_is_tunnel(stun_answer, sizeof(stun_answer)));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(no_candidates_is_wireguard),
	KUNIT_CASE(first_to_answer_is_used),
	KUNIT_CASE(better_one_replaces_at_once),
	KUNIT_CASE(worse_one_waits_for_silence),
	KUNIT_CASE(silence_counts_from_the_last_word),
	KUNIT_CASE(stranger_is_roaming),
	KUNIT_CASE(forgetting_begins_anew),
	KUNIT_CASE(all_are_tried_at_first),
	KUNIT_CASE(better_ones_are_tried_first_while_one_works),
	KUNIT_CASE(all_are_tried_after_silence),
	KUNIT_CASE(stranger_is_tried_too),
	KUNIT_CASE(merging_keeps_what_is_known),
	KUNIT_CASE(withdrawn_one_gives_way),
	KUNIT_CASE(too_many_change_nothing),
	KUNIT_CASE(addresses_are_told_apart),
	KUNIT_CASE(unusable_addresses),
	KUNIT_CASE(tunnel_messages_are_known),
	{}
};

struct kunit_suite fz_path_suite = {
	.name = "fz-path",
	.init = init,
	.exit = finish,
	.test_cases = cases,
};
