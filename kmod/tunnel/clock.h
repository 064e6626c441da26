/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ages on the boot clock, which goes on through suspend: what was valid before a long sleep is not
 * after it.
 */
#ifndef _FZ_TUNNEL_CLOCK_H
#define _FZ_TUNNEL_CLOCK_H

#include <linux/ktime.h>
#include <linux/time64.h>
#include <linux/types.h>

/**
 * fz_clock_now() - the time that births are written down in
 *
 * Context: any.
 * Return: nanoseconds on the boot clock, at the resolution of a tick.
 */
static inline u64 fz_clock_now(void)
{
	return ktime_get_coarse_boottime_ns();
}

/**
 * fz_clock_expired() - whether something is older than it may be
 * @birth_ns: fz_clock_now() when it was made
 * @age_s: seconds that it may live
 *
 * Context: any.
 * Return: true when @age_s seconds have passed since @birth_ns.
 */
static inline bool fz_clock_expired(u64 birth_ns, u64 age_s)
{
	return (s64)(birth_ns + age_s * NSEC_PER_SEC) <= (s64)fz_clock_now();
}

#endif /* _FZ_TUNNEL_CLOCK_H */
