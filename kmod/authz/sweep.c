// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sweep comes once a second while there is anything to sweep. After a change that could end
 * flows, or when a lease has ended, it visits all of them; else a part, which for most devices is
 * all as well.
 */

#include "authz/sweep.h"

#include <linux/ktime.h>
#include <linux/rhashtable.h>

#include "authz/authz.h"
#include "authz/decide.h"
#include "authz/fragment.h"
#include "authz/ghosts.h"

/* Flows visited a second when nothing happened: a million take a quarter of a minute. */
#define SWEEP_PART 65536

/* How long others are kept off the CPU, ns: by some policies it takes long to judge a flow. */
#define SWEEP_SLICE (100 * NSEC_PER_USEC)

/* Flows visited between two looks at the clock. */
#define SWEEP_LOOK 8

/**
 * fz_sweep_expect() - has the sweep come in a second, unless it comes before
 * @az: the device's
 *
 * Context: any.
 */
void fz_sweep_expect(struct fz_authz *az)
{
	queue_delayed_work(fz_authz_wq, &az->sweep, HZ);
}

static void visit(struct fz_authz *az, struct fz_flow *flow, u64 now)
{
	const struct fz_grant *grant;
	struct fz_decision why;
	u64 lease;

	if (fz_flow_is_idle(az, flow, flow->dir)) {
		fz_flow_end(az, flow, READ_ONCE(flow->state) == FZ_FLOW_CLOSING ?
				      FZ_END_CLOSED : FZ_END_TIMEOUT);
		return;
	}
	fz_flow_keep_time(flow);
	if (READ_ONCE(flow->refused) || !fz_flow_check(az, flow, now, &why))
		return;
	fz_flow_fold(flow);
	grant = rcu_dereference(flow->grant);
	lease = grant ? READ_ONCE(grant->lease) : 0;
	if (lease)
		fz_flow_note_lease(az, lease);
}

/* Visits flows for a slice of time, and adds how many to @done. False at the end of the table. */
static bool visit_some(struct fz_authz *az, unsigned int *done, u64 now)
{
	u64 end = ktime_get_mono_fast_ns() + SWEEP_SLICE;
	struct fz_flow *flow;

	local_bh_disable();
	rhashtable_walk_start(&az->sweep_iter);
	while ((flow = rhashtable_walk_next(&az->sweep_iter))) {
		/* The table was resized and the walk begins again: none is left out. */
		if (!IS_ERR(flow))
			visit(az, flow, now);
		if (!(++*done % SWEEP_LOOK) && ktime_get_mono_fast_ns() >= end)
			break;
	}
	rhashtable_walk_stop(&az->sweep_iter);
	local_bh_enable();
	return flow;
}

static void begin_round(struct fz_authz *az)
{
	rhashtable_walk_exit(&az->sweep_iter);
	rhashtable_walk_enter(&az->flows, &az->sweep_iter);
}

static void sweep_flows(struct fz_authz *az)
{
	/* Pairs with fz_policy_judge_again(). */
	u32 gen = smp_load_acquire(&az->gen);
	u64 now = ktime_get_boottime_ns();
	bool all = gen != az->sweep_gen || now >= (u64)atomic64_read(&az->next_lease);
	unsigned int part = max_t(u32, SWEEP_PART, READ_ONCE(az->n_flows) / 16);
	unsigned int done = 0;

	if (all) {
		/* What ends later is noted again by the visits, and by whoever sets it. */
		atomic64_set(&az->next_lease, U64_MAX);
		begin_round(az);
	}
	while (all || done < part) {
		bool more = visit_some(az, &done, now);

		cond_resched();
		if (!more) {
			begin_round(az);
			break;
		}
	}
	if (all)
		az->sweep_gen = gen;
}

static void sweep_fragments(struct fz_authz *az)
{
	struct fz_authz_peer *ap;

	if (!atomic_read(&az->n_fragments))
		return;
	rcu_read_lock();
	list_for_each_entry_rcu(ap, &az->peers, node)
		fz_fragment_expire(az, ap);
	rcu_read_unlock();
}

/**
 * fz_sweep_run() - one sweep
 * @work: az->sweep
 *
 * Context: workqueue.
 */
void fz_sweep_run(struct work_struct *work)
{
	struct fz_authz *az = container_of(to_delayed_work(work), struct fz_authz, sweep);

	sweep_flows(az);
	sweep_fragments(az);
	fz_ghosts_age(az);
	if (READ_ONCE(az->n_flows) || atomic_read(&az->n_fragments))
		fz_sweep_expect(az);
}

/**
 * fz_sweep_init() - prepares the sweep; the first flow starts it
 * @az: the device's; its table of flows is there
 *
 * Context: may sleep.
 */
void fz_sweep_init(struct fz_authz *az)
{
	atomic64_set(&az->next_lease, U64_MAX);
	az->sweep_gen = az->gen;
	INIT_DELAYED_WORK(&az->sweep, fz_sweep_run);
	rhashtable_walk_enter(&az->flows, &az->sweep_iter);
}

/**
 * fz_sweep_exit() - ends the sweep for good
 * @az: the device's; no packet can come any more
 *
 * Context: may sleep.
 */
void fz_sweep_exit(struct fz_authz *az)
{
	cancel_delayed_work_sync(&az->sweep);
	rhashtable_walk_exit(&az->sweep_iter);
}
