/* SPDX-License-Identifier: GPL-2.0-only */
/* Meters: what of a grant's limits has been used. */

#ifndef _FZ_AUTHZ_METER_H
#define _FZ_AUTHZ_METER_H

#include <linux/fz.h>
#include <linux/netlink.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>

/* Bits per second; with the longest packet, what a pace has to reckon with stays within 64 bits. */
#define FZ_RATE_MAX (1ULL << 53)

/**
 * struct fz_limits - what a grant admits at most, both directions, of all its flows
 * @quota: bytes of inner packets in all; 0 no limit
 * @rate: bits of inner packets per second; 0 no limit
 * @flow_rate: new flows per second; 0 no limit
 */
struct fz_limits {
	u64 quota;
	u64 rate;
	u32 flow_rate;
};

/**
 * struct fz_pace - something that may happen so many times a second
 * @next: boot clock, ns: when all that happened would be over, had it happened evenly
 * @rest: of @next, what is less than a nanosecond, in parts of the rate
 *
 * The virtual scheduling of the generic cell rate algorithm (ITU-T I.371, annex A.1).
 */
struct fz_pace {
	u64 next;
	u64 rest;
};

/**
 * struct fz_meter - the limits of a grant, and what has been used of them
 * @limits: @lock
 * @used: bytes, of the quota; @lock
 * @bits: pace of limits.rate; @lock
 * @flows: pace of limits.flow_rate; @lock
 * @lock: innermost, BH disabled
 * @spent: a packet did not fit into the quota: nothing more is admitted until there is a larger one.
 *	   Written under @lock, READ_ONCE
 * @refs: of the grants that have it; more than one while one takes the other's place
 * @rcu: frees it
 */
struct fz_meter {
	struct fz_limits limits;
	u64 used;
	struct fz_pace bits;
	struct fz_pace flows;
	spinlock_t lock;
	bool spent;
	refcount_t refs;
	struct rcu_head rcu;
};

int fz_limits_check(const struct fz_limits *limits, struct netlink_ext_ack *extack);
struct fz_meter *fz_meter_alloc(const struct fz_limits *limits);
void fz_meter_put(struct fz_meter *meter);
void fz_meter_set(struct fz_meter *meter, const struct fz_limits *limits);
void fz_meter_read(struct fz_meter *meter, struct fz_limits *limits, u64 *used);
enum fz_reason fz_meter_take(struct fz_meter *meter, u64 bytes, u64 now);
enum fz_reason fz_meter_take_flow(struct fz_meter *meter, u64 now);

/**
 * fz_limits_any() - whether there is a limit at all
 * @limits: of a grant
 *
 * Return: true if there is.
 */
static inline bool fz_limits_any(const struct fz_limits *limits)
{
	return limits->quota || limits->rate || limits->flow_rate;
}

/**
 * fz_meter_is_spent() - whether the quota is used up
 * @meter: of a grant, under RCU; NULL if it has no limits
 *
 * Context: any.
 * Return: true if it is.
 */
static inline bool fz_meter_is_spent(const struct fz_meter *meter)
{
	return meter && READ_ONCE(meter->spent);
}

#endif /* _FZ_AUTHZ_METER_H */
