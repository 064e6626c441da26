// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets on all CPUs while everything changes under them. Nothing is asked of the outcome but
 * that it adds up; lockdep, KASAN and kmemleak see the rest where the kernel has them.
 */

#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "authz/ask.h"
#include "authz/held.h"
#include "compat/workqueue.h"
#include "tests/stage.h"
#include "tests/suites.h"

#define WORKERS 3
#define CHANGES 1500
#define ENDS 300

struct worker {
	struct fz_stage *stage;
	struct task_struct *task;
	struct rnd_state rnd;
	u64 passed;
	u64 judged;
};

struct pressure {
	struct worker workers[WORKERS];
	struct fz_authz_peer __rcu *peers[FZ_STAGE_PEERS];
	struct fz_tuple tuples[16];
	atomic64_t released;
	atomic64_t rechecked;
	atomic64_t last_id;
};

static struct pressure *pressure;

/* What the tunnel does with packets of the ask and reject parts, from many CPUs. */
static void count_queue(struct fz_authz_peer *ap, struct sk_buff_head *queue)
{
	atomic64_add(skb_queue_len(queue), &pressure->released);
	__skb_queue_purge(queue);
}

static void count_skb(struct fz_authz *az, struct sk_buff *skb)
{
	kfree_skb(skb);
}

static enum fz_reason recheck_some(struct fz_authz *az, struct fz_authz_peer *ap,
				   enum fz_direction dir, const struct sk_buff *skb)
{
	return atomic64_inc_return(&pressure->rechecked) % 4 ? FZ_REASON_NONE : FZ_REASON_SOURCE;
}

static bool routes_all(const struct fz_authz_peer *ap, u8 family, const union fz_addr *addr)
{
	return true;
}

static const struct fz_authz_ops ops = {
	.xmit = count_queue,
	.deliver = count_queue,
	.reroute = count_skb,
	.recheck = recheck_some,
	.routes = routes_all,
};

static void no_denial(struct fz_authz *az, struct fz_authz_peer *ap,
		      const struct fz_denial *denial)
{
}

static void read_flow(struct fz_authz *az, const struct fz_flow *flow, enum fz_flow_end end)
{
	struct fz_flow_info info;

	fz_flow_read(az, flow, &info);
}

static int take_request(struct fz_authz *az, struct fz_authz_peer *ap,
			const struct fz_request *request)
{
	atomic64_set(&pressure->last_id, request->id);
	return 0;
}

static const struct fz_authz_listener listener = {
	.denial = no_denial,
	.flow = read_flow,
	.request = take_request,
};

static u32 roll(struct rnd_state *rnd, u32 sides)
{
	return prandom_u32_state(rnd) % sides;
}

static void judge_some(struct worker *worker)
{
	unsigned int peer = roll(&worker->rnd, FZ_STAGE_PEERS), n = 1 + roll(&worker->rnd, 8);
	struct fz_tuple tuple = pressure->tuples[roll(&worker->rnd, 16)];
	enum fz_direction dir = roll(&worker->rnd, 2) ? FZ_DIR_IN : FZ_DIR_OUT;
	struct fz_authz_peer *ap;
	struct sk_buff_head queue;

	if (roll(&worker->rnd, 2))
		tuple = fz_stage_reply(&tuple);
	__skb_queue_head_init(&queue);
	worker->judged += n;
	while (n--) {
		struct sk_buff *skb;

		if (tuple.proto == IPPROTO_UDP && !roll(&worker->rnd, 3))
			skb = fz_stage_fragment(worker->stage, &tuple, roll(&worker->rnd, 50),
						roll(&worker->rnd, 3) * 64, 64, true);
		else
			skb = fz_stage_packet(worker->stage, &tuple,
					      tuple.proto == IPPROTO_TCP && !n ? 2 : 0, 20);
		__skb_queue_tail(&queue, skb);
	}
	rcu_read_lock();
	local_bh_disable();
	ap = rcu_dereference(pressure->peers[peer]);
	if (ap)
		fz_authz_judge(&worker->stage->az, ap, dir, &queue);
	local_bh_enable();
	rcu_read_unlock();
	worker->passed += ap ? skb_queue_len(&queue) : 0;
	__skb_queue_purge(&queue);
}

static int work(void *data)
{
	while (!kthread_should_stop()) {
		judge_some(data);
		cond_resched();
	}
	return 0;
}

/* The last peer goes and comes back. */
static void replace_peer(struct fz_stage *stage, unsigned int n)
{
	struct fz_authz_peer *ap = &stage->peers[n];

	RCU_INIT_POINTER(pressure->peers[n], NULL);
	fz_authz_peer_remove(&stage->az, ap);
	synchronize_rcu();
	memset(ap, 0, sizeof(*ap));
	fz_authz_peer_init(&stage->az, ap, n + 1);
	rcu_assign_pointer(pressure->peers[n], ap);
}

static void change(struct fz_stage *stage, struct rnd_state *rnd)
{
	static const char *const names[] = { "a", "b", "c" };
	static const char *const prefixes[] = {
		"10.0.0.0/8", "10.2.0.0/16", "10.2.0.2", "fd00::/8",
	};
	static const char *const services[] = { "", "tcp/22", "udp/1-100", "icmp" };
	const char *name = names[roll(rnd, 3)];
	int peer = (int)roll(rnd, FZ_STAGE_PEERS + 1) - 1;
	u64 owner = roll(rnd, 2);
	u8 dir = roll(rnd, FZ_DIRS);
	struct fz_verdict_spec spec = {
		.id = atomic64_read(&pressure->last_id),
		.verdict = roll(rnd, 2) ? FZ_VERDICT_PASS : FZ_VERDICT_REFUSE,
		.ttl_ms = roll(rnd, 3),
	};

	switch (roll(rnd, 64)) {
	case 0 ... 9:
		fz_stage_resource(stage, owner, name, prefixes[roll(rnd, 4)],
				  services[roll(rnd, 4)]);
		break;
	case 10:
		fz_resource_del(&stage->az, owner, &name, 1, NULL, NULL);
		break;
	case 11 ... 29:
		fz_stage_grant(stage, owner, peer, name, dir,
			       roll(rnd, 5) ? FZ_ACTION_ALLOW : FZ_ACTION_DENY, roll(rnd, 3));
		break;
	case 30 ... 39:
		fz_stage_revoke(stage, owner, peer, name, dir);
		break;
	case 40 ... 44:
		fz_stage_mode(stage, peer, dir, FZ_MODE_ENFORCE, roll(rnd, 4));
		break;
	case 45:
		fz_stage_mode(stage, peer, dir, roll(rnd, 2), 0);
		break;
	case 46:
		fz_epoch_begin(&stage->az, 1, NULL);
		break;
	case 47:
		if (roll(rnd, 2))
			fz_epoch_commit(&stage->az, 1, NULL);
		else
			fz_epoch_abort(&stage->az, 1, NULL);
		break;
	case 48:
		replace_peer(stage, FZ_STAGE_PEERS - 1);
		break;
	case 49:
		fz_flow_flush(&stage->az, roll(rnd, 2) ? &stage->peers[0] : NULL);
		break;
	case 50:
		fz_max_flows_set(&stage->az, 1 + roll(rnd, 20));
		break;
	case 51 ... 53:
		mod_delayed_work(fz_authz_wq, &stage->az.sweep, 0);
		break;
	case 54:
		mod_delayed_work(fz_compat_unbound_wq, &stage->az.ask.work, 0);
		break;
	default:
		fz_ask_verdict(&stage->az, &spec, NULL);
		break;
	}
}

static void start(struct kunit *test, struct fz_stage *stage)
{
	unsigned int i;

	stage->az.ops = &ops;
	stage->az.listener = &listener;
	for (i = 0; i < FZ_STAGE_PEERS; i++)
		rcu_assign_pointer(pressure->peers[i], &stage->peers[i]);
	for (i = 0; i < 12; i++) {
		static const u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_GRE };

		fz_stage_tuple(stage, &pressure->tuples[i], protos[i % 3],
			       i < 6 ? "10.8.0.1" : "fd08::1", i % 3 < 2 ? 1000 + i : 0,
			       i < 6 ? "10.2.0.2" : "fd02::2", i % 3 < 2 ? 22 : 0);
	}
	for (i = 12; i < 16; i++)
		fz_stage_ping(stage, &pressure->tuples[i], "10.8.0.1", "10.2.0.2", 8, i);
	for (i = 0; i < WORKERS; i++) {
		struct worker *worker = &pressure->workers[i];

		worker->stage = stage;
		prandom_seed_state(&worker->rnd, i + 1);
		worker->task = kthread_run(work, worker, "fz-stress/%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(worker->task));
	}
}

static void everything_at_once(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz_stats stats;
	u64 passed = 0, judged = 0;
	struct rnd_state rnd;
	unsigned int i;

	pressure = kunit_kzalloc(test, sizeof(*pressure), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pressure);
	prandom_seed_state(&rnd, 99);
	start(test, stage);
	for (i = 0; i < CHANGES; i++) {
		change(stage, &rnd);
		cond_resched();
	}
	for (i = 0; i < WORKERS; i++) {
		kthread_stop(pressure->workers[i].task);
		passed += pressure->workers[i].passed;
		judged += pressure->workers[i].judged;
	}
	fz_authz_stats(&stage->az, &stats);
	kunit_info(test, "%llu of %llu passed, %lld released, %llu flows, %llu evicted, %llu requests\n",
		   passed, judged, atomic64_read(&pressure->released), stats.flows_created,
		   stats.flows_evicted, stats.requests);
	KUNIT_EXPECT_LT(test, 0ULL, passed);
	KUNIT_EXPECT_LT(test, passed, judged);
	/* With nobody about, all of it can be taken down to nothing. */
	fz_flow_flush(&stage->az, NULL);
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 0, stats.flows);
	for (i = 0; i < FZ_STAGE_PEERS; i++) {
		KUNIT_EXPECT_EQ(test, 0, stage->peers[i].n_flows);
		fz_stage_remove(stage, i);
	}
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&stage->az.n_fragments));
	/* Whoever has claimed what was held for too long ends it. */
	flush_delayed_work(&stage->az.ask.work);
	KUNIT_EXPECT_EQ(test, 0, stage->az.ask.count);
}

/* Of one flow, what passed and what was told about it. */
struct ledger {
	struct worker workers[WORKERS];
	struct fz_tuple tuple;
	atomic_t alive;
	atomic64_t bundles;
	atomic64_t ends;
	atomic64_t out_of_order;
	atomic64_t packets;
	atomic64_t bytes;
};

static struct ledger *ledger;

static void note_flow(struct fz_authz *az, const struct fz_flow *flow, enum fz_flow_end end)
{
	struct fz_flow_info info;

	if (end == FZ_END_NONE) {
		if (atomic_inc_return(&ledger->alive) != 1)
			atomic64_inc(&ledger->out_of_order);
		return;
	}
	if (atomic_dec_return(&ledger->alive))
		atomic64_inc(&ledger->out_of_order);
	fz_flow_read(az, flow, &info);
	atomic64_inc(&ledger->ends);
	atomic64_add(info.orig_packets, &ledger->packets);
	atomic64_add(info.orig_bytes, &ledger->bytes);
}

static const struct fz_authz_listener noting = {
	.denial = no_denial,
	.flow = note_flow,
	.request = take_request,
};

static int send_bundles(void *data)
{
	struct worker *worker = data;
	struct sk_buff_head queue;
	unsigned int i;

	__skb_queue_head_init(&queue);
	while (!kthread_should_stop()) {
		for (i = 0; i < 64; i++)
			__skb_queue_tail(&queue, fz_stage_packet(worker->stage, &ledger->tuple, 0,
								 20));
		local_bh_disable();
		fz_authz_judge(&worker->stage->az, &worker->stage->peers[0], FZ_DIR_IN, &queue);
		local_bh_enable();
		worker->passed += skb_queue_len(&queue);
		__skb_queue_purge(&queue);
		atomic64_inc(&ledger->bundles);
		cond_resched();
	}
	return 0;
}

/* Takes the flow's leave and gives it back, while its grant stays. */
static void end_flow(struct fz_stage *stage, unsigned int how)
{
	switch (how % 3) {
	case 0:
		fz_stage_grant(stage, 0, FZ_STAGE_ANY, "all", FZ_DIR_IN, FZ_ACTION_DENY, 0);
		if (how % 2)
			fz_stage_sweep(stage);
		fz_stage_revoke(stage, 0, FZ_STAGE_ANY, "all", FZ_DIR_IN);
		break;
	case 1:
		fz_flow_flush(&stage->az, NULL);
		break;
	case 2:
		fz_stage_sweep(stage);
		break;
	}
}

/* However a flow ends under its packets, they are told of, each once, to user space and grant. */
static void counts_what_passed(struct kunit *test, u64 quota)
{
	struct fz_grant_spec spec = { .resource = "all", .limits.quota = quota };
	struct fz_stage *stage = test->priv;
	struct fz_grant_info info = {};
	struct fz_flow *flow;
	u64 passed = 0;
	unsigned int i;

	spec.ap = &stage->peers[0];
	ledger = kunit_kzalloc(test, sizeof(*ledger), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ledger);
	stage->az.listener = &noting;
	fz_stage_tuple(stage, &ledger->tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	KUNIT_ASSERT_EQ(test, 0, fz_stage_resource(stage, 0, "all", "10.2.0.0/16", ""));
	KUNIT_ASSERT_EQ(test, 0, fz_grant_set(&stage->az, 0, &spec, 1, NULL, NULL));
	for (i = 0; i < WORKERS; i++) {
		struct worker *worker = &ledger->workers[i];

		worker->stage = stage;
		worker->task = kthread_run(send_bundles, worker, "fz-ledger/%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(worker->task));
	}
	for (i = 0; i < ENDS; i++) {
		s64 before = atomic64_read(&ledger->bundles);

		end_flow(stage, i);
		/* Each time under another packet of a bundle, where there are CPUs enough. */
		while (atomic64_read(&ledger->bundles) == before)
			cond_resched();
	}
	for (i = 0; i < WORKERS; i++) {
		kthread_stop(ledger->workers[i].task);
		passed += ledger->workers[i].passed;
	}
	fz_flow_flush(&stage->az, NULL);
	/* One more, to find the grant by. */
	KUNIT_EXPECT_TRUE(test, fz_stage_judge(stage, 0, FZ_DIR_IN,
					       fz_stage_packet(stage, &ledger->tuple, 0, 20)));
	flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &ledger->tuple);
	KUNIT_ASSERT_NOT_NULL(test, flow);
	rcu_read_lock();
	fz_grant_read(rcu_dereference(flow->grant), &info);
	rcu_read_unlock();
	kunit_info(test, "%llu passed, %lld ends\n", passed, atomic64_read(&ledger->ends));
	KUNIT_EXPECT_LT(test, ENDS / 10, atomic64_read(&ledger->ends));
	KUNIT_EXPECT_EQ(test, 0LL, atomic64_read(&ledger->out_of_order));
	KUNIT_EXPECT_EQ(test, passed, (u64)atomic64_read(&ledger->packets));
	KUNIT_EXPECT_EQ(test, passed * 48, (u64)atomic64_read(&ledger->bytes));
	KUNIT_EXPECT_EQ(test, passed, info.packets);
	KUNIT_EXPECT_EQ(test, passed * 48, info.bytes);
	KUNIT_EXPECT_EQ(test, quota ? (passed + 1) * 48 : 0, info.used);
}

static void ends_are_exact(struct kunit *test)
{
	counts_what_passed(test, 0);
}

static void ends_are_exact_with_a_quota(struct kunit *test)
{
	counts_what_passed(test, 1ULL << 60);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(everything_at_once),
	KUNIT_CASE(ends_are_exact),
	KUNIT_CASE(ends_are_exact_with_a_quota),
	{}
};

struct kunit_suite fz_stress_suite = {
	.name = "fz_stress",
	.init = fz_stage_init,
	.exit = fz_stage_exit,
	.test_cases = cases,
};
