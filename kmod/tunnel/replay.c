// SPDX-License-Identifier: GPL-2.0-only
/*
 * Anti-replay without shifting bits (RFC 6479): the window is a ring of words; moving it ahead
 * clears the words that come into use, and the word being filled is why the window is one word
 * short.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "tunnel/replay.h"

#define WORDS (FZ_REPLAY_WINDOW_BITS / BITS_PER_LONG)

static_assert((WORDS & (WORDS - 1)) == 0);

/**
 * fz_replay_init() - begin with a new key: nothing has been seen
 * @replay: to set up
 *
 * Context: any, not shared yet.
 */
void fz_replay_init(struct fz_replay *replay)
{
	memset(replay, 0, sizeof(*replay));
}

/* Clears the words after the one of the greatest counter so far, up to that of @counter. */
static void advance(struct fz_replay *replay, u64 counter)
{
	/* With nothing accepted yet, the word of counter 0 is clear already. */
	u64 newest = replay->next ? (replay->next - 1) / BITS_PER_LONG : 0;
	u64 words = min_t(u64, counter / BITS_PER_LONG - newest, WORDS);
	u64 i;

	for (i = 1; i <= words; i++)
		replay->seen[(newest + i) % WORDS] = 0;
	replay->next = counter + 1;
}

/**
 * fz_replay_accept() - take a counter, once
 * @replay: of the key that the packet was opened with
 * @counter: of a packet that has been authenticated
 *
 * Context: any; the caller is the only one at a time (see &struct fz_replay).
 * Return: false when the counter was taken before, is too old for the window to tell, or is beyond
 *	what a key may be used for (FZ_REJECT_AFTER_MESSAGES).
 */
bool fz_replay_accept(struct fz_replay *replay, u64 counter)
{
	if (unlikely(counter >= FZ_REJECT_AFTER_MESSAGES))
		return false;
	if (unlikely(counter + FZ_REPLAY_WINDOW + 1 < replay->next))
		return false;

	if (likely(counter >= replay->next))
		advance(replay, counter);
	return !__test_and_set_bit(counter % FZ_REPLAY_WINDOW_BITS, replay->seen);
}
