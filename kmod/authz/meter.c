// SPDX-License-Identifier: GPL-2.0-only
/* Meters: what of a grant's limits has been used. */

#include "authz/meter.h"

#include <linux/math64.h>
#include <linux/slab.h>

/* What may come at once, beyond one packet or flow: a hundredth of ten seconds. */
#define BURST_NS (100 * NSEC_PER_MSEC)

/**
 * fz_limits_check() - whether limits make sense
 * @limits: of a grant
 * @extack: says why not; may be NULL
 *
 * Context: any.
 * Return: 0 or -ERANGE.
 */
int fz_limits_check(const struct fz_limits *limits, struct netlink_ext_ack *extack)
{
	if (limits->rate <= FZ_RATE_MAX)
		return 0;
	NL_SET_ERR_MSG(extack, "the rate of a grant is at most 2^53 bits per second");
	return -ERANGE;
}

/**
 * fz_meter_alloc() - makes a meter of which nothing is used
 * @limits: checked
 *
 * Context: may sleep.
 * Return: the meter with one reference, or NULL without memory.
 */
struct fz_meter *fz_meter_alloc(const struct fz_limits *limits)
{
	struct fz_meter *meter = kzalloc(sizeof(*meter), GFP_KERNEL_ACCOUNT);

	if (!meter)
		return NULL;
	meter->limits = *limits;
	spin_lock_init(&meter->lock);
	refcount_set(&meter->refs, 1);
	return meter;
}

/**
 * fz_meter_put() - gives a reference back
 * @meter: freed with the last one, after its last reader; may be NULL
 *
 * Context: any.
 */
void fz_meter_put(struct fz_meter *meter)
{
	if (meter && refcount_dec_and_test(&meter->refs))
		kfree_rcu(meter, rcu);
}

/**
 * fz_meter_set() - changes the limits, not what has been used
 * @meter: of a grant
 * @limits: checked
 *
 * A pace that is another now begins anew: what was too fast for the old one is not held against it.
 *
 * Context: any; takes the meter's lock.
 */
void fz_meter_set(struct fz_meter *meter, const struct fz_limits *limits)
{
	spin_lock_bh(&meter->lock);
	if (meter->limits.rate != limits->rate)
		memset(&meter->bits, 0, sizeof(meter->bits));
	if (meter->limits.flow_rate != limits->flow_rate)
		memset(&meter->flows, 0, sizeof(meter->flows));
	if (meter->limits.quota != limits->quota)
		WRITE_ONCE(meter->spent, limits->quota && meter->used >= limits->quota);
	meter->limits = *limits;
	spin_unlock_bh(&meter->lock);
}

/**
 * fz_meter_read() - what a meter shows
 * @meter: of a grant
 * @limits: filled in
 * @used: set to the bytes used of the quota
 *
 * Context: any; takes the meter's lock.
 */
void fz_meter_read(struct fz_meter *meter, struct fz_limits *limits, u64 *used)
{
	spin_lock_bh(&meter->lock);
	*limits = meter->limits;
	*used = meter->used;
	spin_unlock_bh(&meter->lock);
}

static bool may_go(const struct fz_pace *pace, u64 now)
{
	return pace->next <= now + BURST_NS;
}

/* @units of what may happen @rate times a second happen now. */
static void go(struct fz_pace *pace, u64 rate, u64 units, u64 now)
{
	if (pace->next < now) {
		pace->next = now;
		pace->rest = 0;
	}
	pace->next += div64_u64_rem(units * NSEC_PER_SEC + pace->rest, rate, &pace->rest);
}

/**
 * fz_meter_take() - lets a packet pass if the limits have room for it
 * @meter: of the grant that admits it
 * @bytes: its length
 * @now: boot clock, ns
 *
 * What is admitted in all is never more than the quota, and a packet that would be too much ends it,
 * even if a shorter one would still fit. A rate has room while what passed before was not more than
 * BURST_NS ahead of it, so that a packet of any length passes some time.
 *
 * Context: BH disabled, RCU. Takes the meter's lock.
 * Return: FZ_REASON_NONE, FZ_REASON_RATE or FZ_REASON_QUOTA; only with the first it is counted.
 */
enum fz_reason fz_meter_take(struct fz_meter *meter, u64 bytes, u64 now)
{
	const struct fz_limits *limits = &meter->limits;
	enum fz_reason reason = FZ_REASON_NONE;

	spin_lock(&meter->lock);
	if (limits->quota && (meter->spent || bytes > limits->quota - meter->used)) {
		WRITE_ONCE(meter->spent, true);
		reason = FZ_REASON_QUOTA;
	} else if (limits->rate && !may_go(&meter->bits, now)) {
		reason = FZ_REASON_RATE;
	} else {
		if (limits->quota)
			meter->used += bytes;
		if (limits->rate)
			go(&meter->bits, limits->rate, bytes * BITS_PER_BYTE, now);
	}
	spin_unlock(&meter->lock);
	return reason;
}

/**
 * fz_meter_take_flow() - lets a flow begin if the limits have room for it
 * @meter: of the grant that admits it
 * @now: boot clock, ns
 *
 * Context: BH disabled, RCU. Takes the meter's lock.
 * Return: FZ_REASON_NONE or FZ_REASON_RATE; only with the first it is counted.
 */
enum fz_reason fz_meter_take_flow(struct fz_meter *meter, u64 now)
{
	const struct fz_limits *limits = &meter->limits;
	enum fz_reason reason = FZ_REASON_NONE;

	spin_lock(&meter->lock);
	if (limits->flow_rate && !may_go(&meter->flows, now))
		reason = FZ_REASON_RATE;
	else if (limits->flow_rate)
		go(&meter->flows, limits->flow_rate, 1, now);
	spin_unlock(&meter->lock);
	return reason;
}
