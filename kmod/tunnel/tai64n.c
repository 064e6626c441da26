// SPDX-License-Identifier: GPL-2.0-only
/*
 * TAI64N timestamps: 8 bytes of seconds and 4 of nanoseconds, both big endian, so that the order of
 * times is the order of the bytes.
 */
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/string.h>

#include "compat/unaligned.h"
#include "tunnel/tai64n.h"

/* TAI64 counts from 2^62, and TAI was 10 s ahead of UTC at its start. Leap seconds are ignored. */
#define TAI64_EPOCH 0x400000000000000aULL

/**
 * fz_tai64n_encode() - write a time down
 * @out: takes the timestamp
 * @time: on the real-time clock
 *
 * The nanoseconds are rounded down to a power of two that is a little less than the shortest time
 * between two initiations that a peer accepts: a finer clock would tell the peer, and whoever
 * replays its view, about our timing, and would gain nothing. A greater rounding would make two
 * initiations in a row equal, and the second refused.
 *
 * Context: any.
 */
void fz_tai64n_encode(u8 out[FZ_TIMESTAMP_LEN], const struct timespec64 *time)
{
	const u32 grain = rounddown_pow_of_two(NSEC_PER_SEC / FZ_INITIATIONS_PER_SECOND);

	put_unaligned_be64(TAI64_EPOCH + time->tv_sec, out);
	put_unaligned_be32((u32)time->tv_nsec & ~(grain - 1), out + sizeof(u64));
}

/**
 * fz_tai64n_now() - timestamp of this moment
 * @out: takes the timestamp
 *
 * Context: any.
 */
void fz_tai64n_now(u8 out[FZ_TIMESTAMP_LEN])
{
	struct timespec64 now;

	ktime_get_real_ts64(&now);
	fz_tai64n_encode(out, &now);
}

/**
 * fz_tai64n_after() - compare timestamps
 * @a: one
 * @b: another
 *
 * Context: any.
 * Return: true when @a is later than @b.
 */
bool fz_tai64n_after(const u8 a[FZ_TIMESTAMP_LEN], const u8 b[FZ_TIMESTAMP_LEN])
{
	return memcmp(a, b, FZ_TIMESTAMP_LEN) > 0;
}
