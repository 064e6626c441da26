// SPDX-License-Identifier: GPL-2.0-only
/* A token bucket: what a stream of events may cost at most. */

#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "netlink/bucket.h"

/**
 * fz_bucket_init() - begin with a full bucket
 * @bucket: the bucket
 * @rate: tokens per second, at least 1
 * @burst: tokens it holds at most, at least 1
 */
void fz_bucket_init(struct fz_bucket *bucket, u32 rate, u32 burst)
{
	spin_lock_init(&bucket->lock);
	bucket->filled = ktime_get_ns();
	bucket->tokens = burst;
	bucket->rate = rate;
	bucket->burst = burst;
}

/* Adds what has come in since the last time; the rest of a token stays in @filled. */
static void fill(struct fz_bucket *bucket, u64 now)
{
	u64 interval = NSEC_PER_SEC / bucket->rate;
	u64 fresh;

	if (now <= bucket->filled)
		return;
	fresh = div64_u64(now - bucket->filled, interval);
	if (fresh >= bucket->burst - bucket->tokens) {
		bucket->tokens = bucket->burst;
		bucket->filled = now;
		return;
	}
	bucket->tokens += fresh;
	bucket->filled += fresh * interval;
}

/**
 * fz_bucket_take_at() - take a token, if there is one
 * @bucket: the bucket
 * @now: ns of the monotonic clock
 *
 * Context: any but hard interrupts.
 * Return: true if there was one.
 */
bool fz_bucket_take_at(struct fz_bucket *bucket, u64 now)
{
	bool taken;

	spin_lock_bh(&bucket->lock);
	fill(bucket, now);
	taken = bucket->tokens > 0;
	if (taken)
		bucket->tokens--;
	spin_unlock_bh(&bucket->lock);
	return taken;
}

/**
 * fz_bucket_take() - take a token now, if there is one
 * @bucket: the bucket
 *
 * Context: any but hard interrupts.
 * Return: true if there was one.
 */
bool fz_bucket_take(struct fz_bucket *bucket)
{
	return fz_bucket_take_at(bucket, ktime_get_ns());
}
