// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/prandom.h>

#include "tests/suites.h"
#include "tunnel/replay.h"

#define W FZ_REPLAY_WINDOW

static struct fz_replay *new_replay(struct kunit *test)
{
	struct fz_replay *replay = kunit_kzalloc(test, sizeof(*replay), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, replay);
	fz_replay_init(replay);
	return replay;
}

/* The first failure ends a case: the others would fill the log. */
#define TAKEN(replay, counter) KUNIT_ASSERT_TRUE(test, fz_replay_accept(replay, counter))
#define REFUSED(replay, counter) KUNIT_ASSERT_FALSE(test, fz_replay_accept(replay, counter))

static void replay_takes_each_counter_once(struct kunit *test)
{
	struct fz_replay *replay = new_replay(test);
	u64 i;

	for (i = 0; i < 3 * FZ_REPLAY_WINDOW_BITS; i++) {
		TAKEN(replay, i);
		REFUSED(replay, i);
	}
	for (i = 2 * FZ_REPLAY_WINDOW_BITS; i < 3 * FZ_REPLAY_WINDOW_BITS; i++)
		REFUSED(replay, i);
}

static void replay_takes_late_packets_within_the_window(struct kunit *test)
{
	struct fz_replay *replay = new_replay(test);

	TAKEN(replay, W + 1);
	TAKEN(replay, 1);
	REFUSED(replay, 1);
	REFUSED(replay, 0);

	/* The same at every position of the newest counter in its word. */
	for (u64 newest = 3 * W; newest < 3 * W + 2 * BITS_PER_LONG; newest++) {
		fz_replay_init(replay);
		TAKEN(replay, newest);
		TAKEN(replay, newest - W);
		REFUSED(replay, newest - W - 1);
		REFUSED(replay, newest);
		REFUSED(replay, newest - W);
		TAKEN(replay, newest - 1);
	}
}

static void replay_takes_a_whole_window_backwards(struct kunit *test)
{
	struct fz_replay *replay = new_replay(test);
	u64 i;

	for (i = 0; i <= W; i++)
		TAKEN(replay, 5 * W - i);
	for (i = 0; i <= W + 1; i++)
		REFUSED(replay, 5 * W - i);
}

static void replay_forgets_what_a_jump_leaves_behind(struct kunit *test)
{
	struct fz_replay *replay = new_replay(test);
	u64 i;

	for (i = 0; i < FZ_REPLAY_WINDOW_BITS; i++)
		TAKEN(replay, i);
	/* One ring further: each bit is in use for another counter, which has not been seen. */
	TAKEN(replay, 2 * FZ_REPLAY_WINDOW_BITS - 1);
	for (i = 2 * FZ_REPLAY_WINDOW_BITS - 2; i > 2 * FZ_REPLAY_WINDOW_BITS - 2 - W; i--)
		TAKEN(replay, i);
	/* Many rings further. */
	TAKEN(replay, 1ULL << 40);
	TAKEN(replay, (1ULL << 40) - W);
	REFUSED(replay, 2 * FZ_REPLAY_WINDOW_BITS);
}

static void replay_refuses_beyond_the_limit(struct kunit *test)
{
	struct fz_replay *replay = new_replay(test);

	REFUSED(replay, FZ_REJECT_AFTER_MESSAGES);
	REFUSED(replay, U64_MAX);
	REFUSED(replay, U64_MAX - W);
	/* Refusing them has moved nothing. */
	TAKEN(replay, 0);
	TAKEN(replay, FZ_REJECT_AFTER_MESSAGES - 1);
	REFUSED(replay, FZ_REJECT_AFTER_MESSAGES - 1);
	TAKEN(replay, FZ_REJECT_AFTER_MESSAGES - 2);
	REFUSED(replay, FZ_REJECT_AFTER_MESSAGES);
	REFUSED(replay, 1);
}

/* Against the definition: a counter is taken if it is new and at most W older than the greatest. */
static void replay_agrees_with_the_definition(struct kunit *test)
{
	const unsigned int counters = 1 << 18;
	struct fz_replay *replay = new_replay(test);
	unsigned long *seen = kunit_kzalloc(test, counters / BITS_PER_BYTE, GFP_KERNEL);
	u64 base = 0, greatest = 0, counter;
	struct rnd_state random;
	bool expected;

	KUNIT_ASSERT_NOT_NULL(test, seen);
	prandom_seed_state(&random, 6479);
	while (base < counters - 3 * W) {
		counter = base + prandom_u32_state(&random) % (2 * W);
		expected = counter + W >= greatest && !test_bit(counter, seen);
		if (expected != fz_replay_accept(replay, counter)) {
			KUNIT_FAIL(test, "counter %llu, greatest %llu: expected %d", counter,
				   greatest, expected);
			return;
		}
		if (expected) {
			__set_bit(counter, seen);
			greatest = max(greatest, counter);
		}
		base += prandom_u32_state(&random) % 16 == 0 ? prandom_u32_state(&random) % 40 : 0;
	}
}

static struct kunit_case replay_cases[] = {
	KUNIT_CASE(replay_takes_each_counter_once),
	KUNIT_CASE(replay_takes_late_packets_within_the_window),
	KUNIT_CASE(replay_takes_a_whole_window_backwards),
	KUNIT_CASE(replay_forgets_what_a_jump_leaves_behind),
	KUNIT_CASE(replay_refuses_beyond_the_limit),
	KUNIT_CASE(replay_agrees_with_the_definition),
	{}
};

struct kunit_suite fz_replay_suite = {
	.name = "fz_replay",
	.test_cases = replay_cases,
};
