// SPDX-License-Identifier: GPL-2.0-only
/* Flows towards user space: limits, timeouts, listing, flushing. */

#include <linux/capability.h>
#include <linux/ktime.h>
#include <linux/rhashtable.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "authz/authz.h"
#include "authz/ghosts.h"
#include "authz/walk.h"

static const struct {
	size_t at;
	const char *name;
} fields[] = {
	{ offsetof(struct fz_timeouts, tcp_opening), "tcp-opening" },
	{ offsetof(struct fz_timeouts, tcp_established), "tcp-established" },
	{ offsetof(struct fz_timeouts, tcp_closing), "tcp-closing" },
	{ offsetof(struct fz_timeouts, udp_new), "udp-new" },
	{ offsetof(struct fz_timeouts, udp_answered), "udp-answered" },
	{ offsetof(struct fz_timeouts, icmp), "icmp" },
	{ offsetof(struct fz_timeouts, other), "other" },
};

static u32 *field_of(const struct fz_timeouts *timeouts, unsigned int i)
{
	return (void *)timeouts + fields[i].at;
}

/**
 * fz_timeouts_check() - whether timeouts can be set
 * @timeouts: seconds; 0 leaves one as it is
 * @extack: says why not; may be NULL
 *
 * Context: any.
 * Return: 0 or -ERANGE.
 */
int fz_timeouts_check(const struct fz_timeouts *timeouts, struct netlink_ext_ack *extack)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (*field_of(timeouts, i) > FZ_TIMEOUT_MAX) {
			NL_SET_ERR_MSG(extack, "a timeout is at most 604800 seconds");
			return -ERANGE;
		}
	}
	return 0;
}

/**
 * fz_timeouts_set() - sets timeouts
 * @az: the device's
 * @timeouts: passed fz_timeouts_check(); 0 leaves one as it is
 *
 * Context: may sleep; takes az->lock.
 */
void fz_timeouts_set(struct fz_authz *az, const struct fz_timeouts *timeouts)
{
	unsigned int i;

	mutex_lock(&az->lock);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (*field_of(timeouts, i))
			WRITE_ONCE(*field_of(&az->timeouts, i), *field_of(timeouts, i));
	}
	mutex_unlock(&az->lock);
}

/**
 * fz_timeouts_get() - the timeouts in force
 * @az: the device's
 * @timeouts: filled in
 *
 * Context: any.
 */
void fz_timeouts_get(const struct fz_authz *az, struct fz_timeouts *timeouts)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		*field_of(timeouts, i) = READ_ONCE(*field_of(&az->timeouts, i));
}

/**
 * fz_max_flows_check() - whether a limit of flows can be set
 * @max: the limit
 * @extack: says why not; may be NULL
 *
 * Flows are made by packets, on nobody's account: how much of the host's memory they may take is for
 * the host's administrator to say.
 *
 * Context: process.
 * Return: 0, -ERANGE, or -EPERM.
 */
int fz_max_flows_check(u32 max, struct netlink_ext_ack *extack)
{
	if (!max || max > FZ_FLOWS_MAX_LIMIT) {
		NL_SET_ERR_MSG(extack, "max-flows is 1 to 16777216");
		return -ERANGE;
	}
	if (max > FZ_FLOWS_MAX_CONTAINED && !capable(CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "max-flows above 65536 needs CAP_NET_ADMIN outside of any user namespace");
		return -EPERM;
	}
	return 0;
}

/**
 * fz_max_flows_default() - the limit of a new device
 * @net: the network namespace that it is made in
 *
 * Context: any.
 * Return: the limit.
 */
u32 fz_max_flows_default(const struct net *net)
{
	return net->user_ns == &init_user_ns ? FZ_FLOWS_MAX_DEFAULT : FZ_FLOWS_MAX_CONTAINED;
}

/**
 * fz_max_flows_set() - limits the flows of a device
 * @az: the device's
 * @max: passed fz_max_flows_check(). A peer has three quarters of it at most, so that one alone
 *	 cannot take all
 *
 * Flows beyond a lowered limit stay; new ones wait until they are gone.
 *
 * Context: may sleep; takes az->lock.
 */
void fz_max_flows_set(struct fz_authz *az, u32 max)
{
	mutex_lock(&az->lock);
	WRITE_ONCE(az->max_flows, max);
	WRITE_ONCE(az->max_peer_flows, max - max / 4);
	mutex_unlock(&az->lock);
}

/**
 * fz_max_flows_get() - the limit in force
 * @az: the device's
 *
 * Context: any.
 * Return: the limit.
 */
u32 fz_max_flows_get(const struct fz_authz *az)
{
	return READ_ONCE(az->max_flows);
}

static u64 ms_left(u64 until, u64 now)
{
	return until > now ? DIV_ROUND_UP_ULL(until - now, NSEC_PER_MSEC) : 0;
}

static void read_grant(const struct fz_grant *grant, struct fz_flow_info *info, u64 now)
{
	u64 lease = READ_ONCE(grant->lease);

	info->has_grant = true;
	strscpy(info->resource, grant->key.resource->name, sizeof(info->resource));
	memcpy(info->tag, grant->tag, sizeof(info->tag));
	info->has_lease = lease;
	info->lease_ms = lease ? ms_left(lease, now) : 0;
}

static void read_side(const struct fz_flow *flow, u8 dir, u64 *packets, u64 *bytes)
{
	/* For its lock alone. */
	struct fz_flow_side *side = (struct fz_flow_side *)&flow->side[dir];

	spin_lock_bh(&side->lock);
	*packets = side->packets;
	*bytes = side->bytes;
	spin_unlock_bh(&side->lock);
}

/**
 * fz_flow_read() - copies a flow for user space
 * @az: the device's
 * @flow: the flow
 * @info: filled in
 *
 * Context: RCU.
 */
void fz_flow_read(const struct fz_authz *az, const struct fz_flow *flow,
		  struct fz_flow_info *info)
{
	const struct fz_grant *grant = rcu_dereference(flow->grant);
	u64 now = ktime_get_boottime_ns(), started = READ_ONCE(flow->started);

	memset(info, 0, sizeof(*info));
	info->ap = flow->key.ap;
	info->dir = flow->dir;
	fz_flow_tuple(flow, &info->tuple);
	info->state = READ_ONCE(flow->state);
	info->observed = READ_ONCE(flow->observed);
	if (grant)
		read_grant(grant, info, now);
	read_side(flow, flow->dir, &info->orig_packets, &info->orig_bytes);
	read_side(flow, !flow->dir, &info->reply_packets, &info->reply_bytes);
	/* It may have begun anew just now. */
	info->age_ms = started < now ? div_u64(now - started, NSEC_PER_MSEC) : 0;
	info->timeout_ms = fz_flow_timeout_ms(az, flow);
}

/**
 * fz_flow_dump_begin() - begins a dump of flows
 * @az: the device's
 * @cursor: its position; given to fz_flow_dump_end() in the end
 * @only: only this peer's flows; NULL all
 *
 * Context: any but interrupts.
 */
void fz_flow_dump_begin(struct fz_authz *az, struct fz_flow_cursor *cursor,
			const struct fz_authz_peer *only)
{
	cursor->az = az;
	cursor->only = only;
	rhashtable_walk_enter(&az->flows, &cursor->iter);
}

/* A dump of flows while it goes on. */
struct dump {
	const struct fz_flow_cursor *cursor;
	int (*emit)(void *context, const struct fz_flow_info *info);
	void *context;
};

static int visit(void *context, void *entry)
{
	const struct fz_flow *flow = entry;
	const struct dump *dump = context;
	struct fz_flow_info info;

	if (READ_ONCE(flow->dead) || READ_ONCE(flow->refused))
		return 0;
	if (dump->cursor->only && flow->key.ap != dump->cursor->only)
		return 0;
	fz_flow_read(dump->cursor->az, flow, &info);
	return dump->emit(dump->context, &info);
}

/**
 * fz_flow_dump() - goes on with a dump
 * @cursor: its position
 * @emit: takes one flow, under RCU; may not sleep. Non-zero ends the call, and the same flow comes
 *	  again in the next
 * @context: for @emit
 *
 * Context: the device stays as long as the call.
 * Return: what @emit returned; 0 at the end; -EINTR if the table was so changed that some may be
 * missing or come twice.
 */
int fz_flow_dump(struct fz_flow_cursor *cursor,
		 int (*emit)(void *context, const struct fz_flow_info *info), void *context)
{
	struct dump dump = { .cursor = cursor, .emit = emit, .context = context };

	return fz_walk(&cursor->iter, visit, &dump);
}

/**
 * fz_flow_dump_end() - ends a dump
 * @cursor: its position; a cursor of zeros, never begun, is fine
 *
 * Context: before the device is gone.
 */
void fz_flow_dump_end(struct fz_flow_cursor *cursor)
{
	if (!cursor->az)
		return;
	rhashtable_walk_exit(&cursor->iter);
	cursor->az = NULL;
}

/**
 * fz_flow_flush() - forgets flows; live ones are judged anew with their next packet
 * @az: the device's
 * @only: only this peer's flows; NULL all. Ghosts of withdrawn ones go only with all: which of them
 *	  are the peer's cannot be told
 *
 * Context: may sleep; takes az->lock.
 */
void fz_flow_flush(struct fz_authz *az, struct fz_authz_peer *only)
{
	struct fz_authz_peer *ap;

	if (only) {
		fz_flow_end_peer(az, only, FZ_END_FLUSHED);
		return;
	}
	fz_ghosts_forget(az);
	mutex_lock(&az->lock);
	list_for_each_entry(ap, &az->peers, node)
		fz_flow_end_peer(az, ap, FZ_END_FLUSHED);
	mutex_unlock(&az->lock);
}
