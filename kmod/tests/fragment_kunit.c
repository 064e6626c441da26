// SPDX-License-Identifier: GPL-2.0-only
/* Fragments: what passes with its first one, and what does not. */

#include <linux/random.h>

#include "authz/fragment.h"
#include "tests/stage.h"
#include "tests/suites.h"

static const char *const ends[][2] = { { "10.8.0.1", "10.2.0.2" }, { "fd08::1", "fd02::2" } };

static void set_up(struct fz_stage *stage)
{
	struct fz_prefix prefixes[] = {
		fz_stage_prefix(stage, "10.2.0.0/16"),
		fz_stage_prefix(stage, "fd02::/16"),
	};
	struct fz_service service = { .proto = IPPROTO_UDP, .min = 53, .max = 53 };
	struct fz_resource_spec spec = {
		.name = "dns",
		.prefixes = prefixes,
		.n_prefixes = 2,
		.services = &service,
		.n_services = 1,
	};

	KUNIT_ASSERT_EQ(stage->test, 0, fz_resource_set(&stage->az, 0, &spec, 1, NULL, NULL));
	KUNIT_ASSERT_EQ(stage->test, 0,
			fz_stage_grant(stage, 0, 0, "dns", FZ_DIR_IN, FZ_ACTION_ALLOW, 0));
}

#define piece(peer, id, start, len, more)						\
	fz_stage_judge(stage, peer, FZ_DIR_IN,						\
		       fz_stage_fragment(stage, &tuple, id, start, len, more))

static void later_ones_follow_the_first(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;
	unsigned int i, at;

	set_up(stage);
	for (i = 0; i < 2; i++) {
		fz_stage_tuple(stage, &tuple, IPPROTO_UDP, ends[i][0], 1000, ends[i][1], 53);
		KUNIT_EXPECT_FALSE(test, piece(0, 1, 1208, 1208, true));
		KUNIT_EXPECT_TRUE(test, piece(0, 1, 0, 1208, true));
		/* Out of order is fine. */
		KUNIT_EXPECT_TRUE(test, piece(0, 1, 2416, 100, false));
		KUNIT_EXPECT_TRUE(test, piece(0, 1, 1208, 1208, true));
		/* Of another datagram, another peer, the other direction. */
		KUNIT_EXPECT_FALSE(test, piece(0, 2, 1208, 1208, true));
		KUNIT_EXPECT_FALSE(test, piece(1, 1, 1208, 1208, true));
		KUNIT_EXPECT_FALSE(test, fz_stage_judge(stage, 0, FZ_DIR_OUT,
							fz_stage_fragment(stage, &tuple, 1, 1208,
									  1208, true)));
		/* The longest datagram there is. */
		KUNIT_EXPECT_TRUE(test, piece(0, 3, 0, 1480, true));
		for (at = 1480; at + 1480 < 65500; at += 1480)
			KUNIT_EXPECT_TRUE(test, piece(0, 3, at, 1480, true));
		KUNIT_EXPECT_TRUE(test, piece(0, 3, at, 65500 - at, false));
		/* Ports that are not granted. */
		tuple.dport = 54;
		KUNIT_EXPECT_FALSE(test, piece(0, 4, 0, 1208, true));
		KUNIT_EXPECT_FALSE(test, piece(0, 4, 1208, 1208, false));
	}
	KUNIT_EXPECT_LT(test, 0ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_FRAGMENT));
}

static void overlaps_are_refused(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;
	unsigned int i;

	set_up(stage);
	for (i = 0; i < 2; i++) {
		fz_stage_tuple(stage, &tuple, IPPROTO_UDP, ends[i][0], 1000, ends[i][1], 53);
		KUNIT_EXPECT_TRUE(test, piece(0, 1, 0, 800, true));
		KUNIT_EXPECT_FALSE(test, piece(0, 1, 0, 800, true));
		KUNIT_EXPECT_FALSE(test, piece(0, 1, 8, 800, true));
		KUNIT_EXPECT_FALSE(test, piece(0, 1, 792, 800, true));
		KUNIT_EXPECT_TRUE(test, piece(0, 1, 1600, 800, true));
		KUNIT_EXPECT_FALSE(test, piece(0, 1, 1592, 16, true));
		KUNIT_EXPECT_FALSE(test, piece(0, 1, 800, 808, true));
		/* The end comes before what was seen. */
		KUNIT_EXPECT_FALSE(test, piece(0, 1, 800, 100, false));
		KUNIT_EXPECT_TRUE(test, piece(0, 1, 800, 800, true));
		KUNIT_EXPECT_TRUE(test, piece(0, 1, 2400, 100, false));
		/* Past the end, and a second end. */
		KUNIT_EXPECT_FALSE(test, piece(0, 1, 2504, 100, true));
		KUNIT_EXPECT_FALSE(test, piece(0, 1, 2504, 100, false));
		/* All of it was seen: the number is free again. */
		KUNIT_EXPECT_TRUE(test, piece(0, 1, 0, 800, true));
	}
}

static void revocation_ends_them(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;

	set_up(stage);
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, ends[0][0], 1000, ends[0][1], 53);
	KUNIT_EXPECT_TRUE(test, piece(0, 1, 0, 800, true));
	KUNIT_EXPECT_TRUE(test, piece(0, 1, 800, 800, true));
	fz_stage_revoke(stage, 0, 0, "dns", FZ_DIR_IN);
	KUNIT_EXPECT_FALSE(test, piece(0, 1, 1600, 800, true));
	KUNIT_EXPECT_EQ(test, 1, stage->n_ends);
	KUNIT_EXPECT_EQ(test, FZ_END_REVOKED, stage->ends[0]);
}

/* What is over a limit did not pass, and so nothing passes with it. */
static void limits_end_them(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_grant_spec spec = {
		.ap = &stage->peers[0],
		.resource = "dns",
		.dir = FZ_DIR_IN,
		.limits.rate = 8,
	};
	struct fz_tuple tuple;

	set_up(stage);
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, ends[0][0], 1000, ends[0][1], 53);
	KUNIT_ASSERT_EQ(test, 0, fz_grant_set(&stage->az, 0, &spec, 1, NULL, NULL));
	KUNIT_EXPECT_TRUE(test, piece(0, 1, 0, 800, true));
	KUNIT_EXPECT_FALSE(test, piece(0, 2, 0, 800, true));
	KUNIT_EXPECT_EQ(test, 1ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_RATE));
	spec.limits.rate = 0;
	KUNIT_ASSERT_EQ(test, 0, fz_grant_set(&stage->az, 0, &spec, 1, NULL, NULL));
	KUNIT_EXPECT_TRUE(test, piece(0, 1, 800, 8, false));
	KUNIT_EXPECT_FALSE(test, piece(0, 2, 800, 8, false));
	KUNIT_EXPECT_EQ(test, 1ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_FRAGMENT));
	/* It may come again, as a whole. */
	KUNIT_EXPECT_TRUE(test, piece(0, 2, 0, 800, true));
	KUNIT_EXPECT_TRUE(test, piece(0, 2, 800, 8, false));
}

/* What waits for a session is judged twice. */
static void twice_is_no_overlap(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct sk_buff_head queue;
	struct fz_tuple tuple;
	struct fz_flow *flow;

	set_up(stage);
	__skb_queue_head_init(&queue);
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, ends[1][0], 1000, ends[1][1], 53);
	__skb_queue_tail(&queue, fz_stage_fragment(stage, &tuple, 1, 0, 800, true));
	__skb_queue_tail(&queue, fz_stage_fragment(stage, &tuple, 1, 800, 800, true));
	__skb_queue_tail(&queue, fz_stage_fragment(stage, &tuple, 1, 1600, 8, false));
	local_bh_disable();
	fz_authz_judge(&stage->az, &stage->peers[0], FZ_DIR_IN, &queue);
	KUNIT_EXPECT_EQ(test, 3, skb_queue_len(&queue));
	fz_authz_judge_again(&stage->az, &stage->peers[0], FZ_DIR_IN, &queue);
	KUNIT_EXPECT_EQ(test, 3, skb_queue_len(&queue));
	local_bh_enable();
	flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple);
	KUNIT_ASSERT_NOT_NULL(test, flow);
	KUNIT_EXPECT_EQ(test, 3ULL, flow->side[FZ_DIR_IN].packets);
	fz_stage_revoke(stage, 0, 0, "dns", FZ_DIR_IN);
	local_bh_disable();
	fz_authz_judge_again(&stage->az, &stage->peers[0], FZ_DIR_IN, &queue);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, 0, skb_queue_len(&queue));
}

static void memory_is_bounded(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;
	unsigned int i;

	set_up(stage);
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, ends[0][0], 1000, ends[0][1], 53);
	for (i = 0; i < 3 * FZ_FRAGMENTS_PEER; i++)
		KUNIT_EXPECT_TRUE(test, piece(0, i, 0, 800, true));
	KUNIT_EXPECT_EQ(test, FZ_FRAGMENTS_PEER, stage->peers[0].fragments.count);
	KUNIT_EXPECT_FALSE(test, piece(0, 0, 800, 8, false));
	KUNIT_EXPECT_TRUE(test, piece(0, i - 1, 800, 8, false));
	/* Pieces with gaps between: so many and no more. */
	for (i = 0; i < FZ_FRAGMENT_GAPS + 4; i++)
		KUNIT_EXPECT_EQ(test, i < FZ_FRAGMENT_GAPS, piece(0, 999, i * 32, 16, true));
	fz_stage_remove(stage, 0);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&stage->az.n_fragments));
}

#define MAP_UNITS 40

/* A datagram, each eight bytes of it. */
struct map {
	bool seen[MAP_UNITS];
	unsigned int end;
};

static unsigned int count_pieces(const struct map *map)
{
	unsigned int i, n = 0;

	for (i = 0; i < MAP_UNITS; i++)
		n += map->seen[i] && (!i || !map->seen[i - 1]);
	return n;
}

/* Whether a fragment belongs into @map, where it then is. */
static bool map_takes(struct map *map, unsigned int from, unsigned int to, bool more)
{
	struct map with = *map;
	unsigned int i;

	if (map->end && (!more || to > map->end))
		return false;
	for (i = from; i < MAP_UNITS; i++) {
		if (map->seen[i] && (i < to || !more))
			return false;
		with.seen[i] |= i < to;
	}
	if (count_pieces(&with) > FZ_FRAGMENT_GAPS)
		return false;
	*map = with;
	if (!more)
		map->end = to;
	return true;
}

static bool map_is_whole(const struct map *map)
{
	unsigned int i;

	for (i = 0; i < map->end; i++) {
		if (!map->seen[i])
			return false;
	}
	return map->end;
}

/* Whatever comes in whatever order, what passes is what has a place of its own. */
static void agrees_with_a_map(struct kunit *test)
{
	unsigned int round, i, passed = 0, refused = 0;
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;

	set_up(stage);
	for (round = 0; round < 400; round++) {
		struct map map = {};

		fz_stage_tuple(stage, &tuple, IPPROTO_UDP, ends[round % 2][0], 1000,
			       ends[round % 2][1], 53);
		for (i = 0; i < 40; i++) {
			unsigned int from = i ? get_random_u32() % MAP_UNITS : 0;
			unsigned int to = from + 1 + get_random_u32() % (round % 7 + 1);
			bool more = !from || get_random_u32() % 16;
			bool expected;

			to = min_t(unsigned int, to, MAP_UNITS);
			/* A first one, again, is another datagram's if this one is whole. */
			if (!from && map_is_whole(&map))
				memset(&map, 0, sizeof(map));
			expected = map_takes(&map, from, to, more);
			if (piece(0, round, 8 * from, 8 * (to - from), more) != expected) {
				KUNIT_FAIL(test, "round %u: %u to %u, %s: not %s", round, from, to,
					   more ? "more" : "the last",
					   expected ? "passed" : "refused");
				break;
			}
			passed += expected;
			refused += !expected;
		}
	}
	KUNIT_EXPECT_GT(test, passed, 1000);
	KUNIT_EXPECT_GT(test, refused, 1000);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(later_ones_follow_the_first),
	KUNIT_CASE(overlaps_are_refused),
	KUNIT_CASE(revocation_ends_them),
	KUNIT_CASE(limits_end_them),
	KUNIT_CASE(twice_is_no_overlap),
	KUNIT_CASE(memory_is_bounded),
	KUNIT_CASE(agrees_with_a_map),
	{}
};

struct kunit_suite fz_fragment_suite = {
	.name = "fz_fragment",
	.init = fz_stage_init,
	.exit = fz_stage_exit,
	.test_cases = cases,
};
