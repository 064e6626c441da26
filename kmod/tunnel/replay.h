/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FZ_TUNNEL_REPLAY_H
#define _FZ_TUNNEL_REPLAY_H

#include <linux/bitops.h>
#include <linux/types.h>

#include "tunnel/messages.h"

/**
 * struct fz_replay - which counters of one receiving key have been seen (RFC 6479)
 * @next: one more than the greatest counter accepted
 * @seen: a ring of bits: the greatest counter and FZ_REPLAY_WINDOW before it; a word is being
 *	reused
 *
 * No lock: packets of a peer are accepted in order by one consumer at a time, and it alone calls.
 */
struct fz_replay {
	u64 next;
	unsigned long seen[FZ_REPLAY_WINDOW_BITS / BITS_PER_LONG];
};

void fz_replay_init(struct fz_replay *replay);
bool fz_replay_accept(struct fz_replay *replay, u64 counter);

#endif /* _FZ_TUNNEL_REPLAY_H */
