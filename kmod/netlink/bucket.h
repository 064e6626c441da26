/* SPDX-License-Identifier: GPL-2.0-only */
/* A token bucket: what a stream of events may cost at most. */

#ifndef _FZ_NETLINK_BUCKET_H
#define _FZ_NETLINK_BUCKET_H

#include <linux/spinlock.h>
#include <linux/types.h>

/**
 * struct fz_bucket - a token bucket
 * @lock: protects all below; taken with BH disabled
 * @tokens: events that may pass now
 * @filled: when tokens were added last, in ns of the monotonic clock
 * @rate: tokens added per second
 * @burst: tokens it holds at most
 */
struct fz_bucket {
	spinlock_t lock; /* all below */
	u32 tokens;
	u64 filled;
	u32 rate;
	u32 burst;
};

void fz_bucket_init(struct fz_bucket *bucket, u32 rate, u32 burst);
bool fz_bucket_take_at(struct fz_bucket *bucket, u64 now);
bool fz_bucket_take(struct fz_bucket *bucket);

#endif /* _FZ_NETLINK_BUCKET_H */
