// SPDX-License-Identifier: GPL-2.0-only
/* Held flows: asked about, answered, forgotten. */

#include <linux/ktime.h>

#include "authz/held.h"
#include "compat/workqueue.h"
#include "tests/stage.h"
#include "tests/suites.h"

static void set_up(struct fz_stage *stage)
{
	unsigned int dir;

	fz_stage_resource(stage, 0, "ssh", "10.2.0.0/16", "tcp/22");
	for (dir = 0; dir < FZ_DIRS; dir++)
		fz_stage_mode(stage, FZ_STAGE_ANY, dir, FZ_MODE_ENFORCE, FZ_MODE_F_ASK);
}

static void ssh(struct fz_stage *stage, struct fz_tuple *tuple, u16 sport)
{
	fz_stage_tuple(stage, tuple, IPPROTO_TCP, "10.8.0.1", sport, "10.2.0.2", 22);
}

static u64 last_id(const struct fz_stage *stage)
{
	return stage->requests[(stage->n_requests - 1) % FZ_STAGE_RECORDS].id;
}

static int answer(struct fz_stage *stage, u64 id, enum fz_verdict verdict, u32 ttl_ms)
{
	struct fz_verdict_spec spec = { .id = id, .verdict = verdict, .ttl_ms = ttl_ms };

	return fz_ask_verdict(&stage->az, &spec, NULL);
}

static void passes_in_order(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct sk_buff_head *out;
	struct fz_tuple tuple;
	unsigned int dir, i;

	set_up(stage);
	for (dir = 0; dir < FZ_DIRS; dir++) {
		struct fz_grant_spec grant = {
			.ap = &stage->peers[0],
			.resource = "ssh",
			.dir = dir,
		};
		struct fz_verdict_spec spec = { .verdict = FZ_VERDICT_PASS, .grant = &grant };

		fz_stage_mode(stage, FZ_STAGE_ANY, dir, FZ_MODE_ENFORCE,
			      FZ_MODE_F_ASK | FZ_MODE_F_REJECT);
		ssh(stage, &tuple, 1000);
		stage->n_requests = 0;
		for (i = 0; i < FZ_ASK_PACKETS + 2; i++)
			KUNIT_EXPECT_FALSE(test, fz_stage_judge(stage, 0, dir,
								fz_stage_packet(stage, &tuple, 2,
										i)));
		KUNIT_EXPECT_EQ(test, 1, stage->n_requests);
		KUNIT_EXPECT_EQ(test, dir, stage->requests[0].dir);
		KUNIT_EXPECT_MEMEQ(test, &tuple, &stage->requests[0].tuple, sizeof(tuple));
		spec.id = last_id(stage);
		KUNIT_EXPECT_EQ(test, 0, fz_ask_verdict(&stage->az, &spec, NULL));
		KUNIT_EXPECT_EQ(test, -ENOENT, fz_ask_verdict(&stage->az, &spec, NULL));
		out = dir == FZ_DIR_IN ? &stage->delivered : &stage->sent;
		KUNIT_EXPECT_EQ(test, FZ_ASK_PACKETS, skb_queue_len(out));
		/* Those for which there was no room are not answered as if all was decided. */
		KUNIT_EXPECT_TRUE(test, skb_queue_empty(dir == FZ_DIR_IN ? &stage->sent :
								      &stage->delivered));
		for (i = 0; i < FZ_ASK_PACKETS; i++) {
			struct sk_buff *skb = __skb_dequeue(out);

			KUNIT_ASSERT_NOT_NULL(test, skb);
			KUNIT_EXPECT_EQ(test, 40 + i, skb->len);
			kfree_skb(skb);
		}
		KUNIT_EXPECT_TRUE(test, fz_stage_pass(stage, 0, dir, &tuple, 0));
		KUNIT_EXPECT_EQ(test, 1, stage->n_requests);
		KUNIT_EXPECT_EQ(test, 0, stage->peers[0].held.count);
		/* Not for the other peer. */
		KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 1, dir, &tuple, 0));
		KUNIT_EXPECT_EQ(test, 2, stage->n_requests);
	}
}

/* Without a grant, a verdict admits nothing. */
static void a_grant_decides(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;

	set_up(stage);
	ssh(stage, &tuple, 1000);
	KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2));
	KUNIT_EXPECT_EQ(test, 0, answer(stage, last_id(stage), FZ_VERDICT_PASS, 0));
	KUNIT_EXPECT_TRUE(test, skb_queue_empty(&stage->delivered));
	KUNIT_EXPECT_EQ(test, 1ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_NO_GRANT));
	KUNIT_EXPECT_EQ(test, 1, stage->n_requests);
	/* What is denied is not asked about. */
	fz_stage_grant(stage, 0, 0, "ssh", FZ_DIR_IN, FZ_ACTION_DENY, 0);
	KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2));
	KUNIT_EXPECT_EQ(test, 1, stage->n_requests);
	KUNIT_EXPECT_EQ(test, 1ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_DENIED));
}

static void refusal_is_remembered(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_verdict_spec spec = {
		.verdict = FZ_VERDICT_REFUSE,
		.ttl_ms = 60000,
		.has_tag = true,
		.tag = "policy 7",
	};
	struct fz_tuple tuple;

	set_up(stage);
	ssh(stage, &tuple, 1000);
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	spec.id = last_id(stage);
	KUNIT_EXPECT_EQ(test, 0, fz_ask_verdict(&stage->az, &spec, NULL));
	KUNIT_EXPECT_EQ(test, 1ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_REFUSED));
	KUNIT_EXPECT_STREQ(test, "policy 7", stage->denials[stage->n_denials - 1].tag);
	/* Also from another port. */
	ssh(stage, &tuple, 1001);
	KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2));
	KUNIT_EXPECT_EQ(test, 2ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_REFUSED));
	KUNIT_EXPECT_STREQ(test, "policy 7", stage->denials[stage->n_denials - 1].tag);
	KUNIT_EXPECT_EQ(test, 1, stage->n_requests);
	/* Not for another service, nor another peer. */
	tuple.dport = 23;
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	KUNIT_EXPECT_EQ(test, 2, stage->n_requests);
	tuple.dport = 22;
	fz_stage_pass(stage, 1, FZ_DIR_IN, &tuple, 2);
	KUNIT_EXPECT_EQ(test, 3, stage->n_requests);
	/* A grant is stronger. */
	fz_stage_grant(stage, 0, 0, "ssh", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	KUNIT_EXPECT_TRUE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2));
}

static void bad_verdicts_do_nothing(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_grant_spec grant = { .ap = &stage->peers[0], .resource = "none" };
	struct fz_verdict_spec spec = { .verdict = FZ_VERDICT_PASS, .grant = &grant };
	struct fz_tuple tuple;

	set_up(stage);
	ssh(stage, &tuple, 1000);
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	spec.id = last_id(stage);
	KUNIT_EXPECT_EQ(test, -ENOENT, fz_ask_verdict(&stage->az, &spec, NULL));
	spec.verdict = FZ_VERDICT_REFUSE;
	KUNIT_EXPECT_EQ(test, -EINVAL, fz_ask_verdict(&stage->az, &spec, NULL));
	spec.grant = NULL;
	spec.ttl_ms = FZ_ASK_TTL_MS_MAX + 1;
	KUNIT_EXPECT_EQ(test, -ERANGE, fz_ask_verdict(&stage->az, &spec, NULL));
	spec.verdict = FZ_VERDICT_OBSERVE;
	KUNIT_EXPECT_EQ(test, -EINVAL, fz_ask_verdict(&stage->az, &spec, NULL));
	KUNIT_EXPECT_EQ(test, -ENOENT, answer(stage, 12345, FZ_VERDICT_PASS, 0));
	/* It is still held, and still can be answered. */
	KUNIT_EXPECT_EQ(test, 1, stage->az.ask.count);
	grant.resource = "ssh";
	spec.verdict = FZ_VERDICT_PASS;
	spec.grant = &grant;
	spec.ttl_ms = 0;
	KUNIT_EXPECT_EQ(test, 0, fz_ask_verdict(&stage->az, &spec, NULL));
	KUNIT_EXPECT_EQ(test, 1, skb_queue_len(&stage->delivered));
}

static void nobody_answers(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz_stats stats;
	struct fz_tuple tuple;

	set_up(stage);
	ssh(stage, &tuple, 1000);
	stage->request_err = -ESRCH;
	KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2));
	KUNIT_EXPECT_EQ(test, 1ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_NO_GRANT));
	stage->request_err = -ENOBUFS;
	KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2));
	KUNIT_EXPECT_EQ(test, 1ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_RATE));
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 1ULL, stats.requests_suppressed);
	KUNIT_EXPECT_EQ(test, 0, stage->az.ask.count);
}

static void make_late(struct fz_stage *stage)
{
	struct fz_held *held;

	spin_lock_bh(&stage->az.ask.lock);
	list_for_each_entry(held, &stage->az.ask.list, node)
		held->until = jiffies - 1;
	spin_unlock_bh(&stage->az.ask.lock);
	mod_delayed_work(fz_compat_unbound_wq, &stage->az.ask.work, 0);
	flush_delayed_work(&stage->az.ask.work);
}

static void time_runs_out(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;

	set_up(stage);
	ssh(stage, &tuple, 1000);
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	make_late(stage);
	KUNIT_EXPECT_EQ(test, 2ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_TIMEOUT));
	KUNIT_EXPECT_EQ(test, 0, stage->az.ask.count);
	KUNIT_EXPECT_EQ(test, -ENOENT, answer(stage, last_id(stage), FZ_VERDICT_PASS, 0));
	/* A grant came without a verdict. */
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	fz_stage_grant(stage, 0, 0, "ssh", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	make_late(stage);
	KUNIT_EXPECT_EQ(test, 2ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_TIMEOUT));
	KUNIT_EXPECT_EQ(test, 1, skb_queue_len(&stage->delivered));
}

static void a_flood_is_bounded(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;
	unsigned int i;

	set_up(stage);
	/* Held flows of a peer, however fast it may ask. */
	fz_bucket_init(&stage->peers[0].requests, 1000, 1000);
	for (i = 0; i < 500; i++) {
		ssh(stage, &tuple, i);
		KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2));
	}
	KUNIT_EXPECT_EQ(test, FZ_ASK_FLOWS_PEER, stage->n_requests);
	KUNIT_EXPECT_EQ(test, FZ_ASK_FLOWS_PEER, stage->peers[0].held.count);
	KUNIT_EXPECT_EQ(test, 500ULL - FZ_ASK_FLOWS_PEER,
			fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_TABLE_FULL));
	/* The other peer is heard. */
	i = stage->n_requests;
	fz_stage_pass(stage, 1, FZ_DIR_IN, &tuple, 2);
	KUNIT_EXPECT_EQ(test, i + 1, stage->n_requests);
	/* What is held goes with its peer. */
	fz_stage_remove(stage, 0);
	KUNIT_EXPECT_EQ(test, 1, stage->az.ask.count);
	KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2));
	KUNIT_EXPECT_EQ(test, 1, stage->az.ask.count);
}

/* However fast user space answers, it is asked so often and no more. */
static void requests_have_a_rate(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz_stats stats;
	struct fz_tuple tuple;
	unsigned int i, asked;
	u64 before = ktime_get_ns();

	set_up(stage);
	for (i = 0; i < 500; i++) {
		ssh(stage, &tuple, i);
		asked = stage->n_requests;
		fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
		if (stage->n_requests > asked)
			KUNIT_EXPECT_EQ(test, 0,
					answer(stage, last_id(stage), FZ_VERDICT_REFUSE, 0));
	}
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 500ULL, stats.requests + stats.requests_suppressed);
	KUNIT_EXPECT_EQ(test, stats.requests_suppressed,
			fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_RATE));
	KUNIT_EXPECT_LE(test, FZ_ASK_BURST, stats.requests);
	KUNIT_EXPECT_GE(test, FZ_ASK_BURST + 1 +
			div_u64((ktime_get_ns() - before) * FZ_ASK_RATE, NSEC_PER_SEC),
			stats.requests);
}

static bool hold_unrouted(struct fz_stage *stage, const struct fz_tuple *tuple)
{
	struct sk_buff *skb = fz_stage_packet(stage, tuple, 2, 0);
	bool taken;

	local_bh_disable();
	taken = fz_authz_hold_unrouted(&stage->az, skb);
	local_bh_enable();
	if (!taken)
		kfree_skb(skb);
	return taken;
}

static int count_prefix(void *context, const struct fz_prefix *prefix)
{
	(*(unsigned int *)context)++;
	return 0;
}

static void asks_without_a_peer(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_prefix prefixes[] = {
		fz_stage_prefix(stage, "10.2.0.0/16"),
		fz_stage_prefix(stage, "fd02::/16"),
		fz_stage_prefix(stage, "10.2.0.0/16"),
		fz_stage_prefix(stage, "10.2.0.1/16"),
	};
	struct fz_explanation explanation;
	struct fz_tuple tuple;
	unsigned int seen = 0, pos = 0, i;

	set_up(stage);
	ssh(stage, &tuple, 1000);
	KUNIT_EXPECT_FALSE(test, hold_unrouted(stage, &tuple));
	KUNIT_EXPECT_EQ(test, -EINVAL, fz_ask_prefixes_set(&stage->az, prefixes, 4, false, NULL));
	KUNIT_EXPECT_FALSE(test, hold_unrouted(stage, &tuple));
	KUNIT_EXPECT_EQ(test, 0, fz_ask_prefixes_set(&stage->az, prefixes, 3, false, NULL));
	KUNIT_EXPECT_EQ(test, 0, fz_ask_prefixes_dump(&stage->az, &pos, count_prefix, &seen));
	KUNIT_EXPECT_EQ(test, 2, seen);
	fz_authz_explain(&stage->az, NULL, FZ_DIR_OUT, &tuple, &explanation, NULL);
	KUNIT_EXPECT_EQ(test, FZ_VERDICT_ASK, explanation.verdict);
	/* One more than there is room for: it is gone, without the answer that nothing is there. */
	for (i = 0; i < FZ_ASK_PACKETS + 1; i++)
		KUNIT_EXPECT_TRUE(test, hold_unrouted(stage, &tuple));
	KUNIT_EXPECT_EQ(test, 1ULL, fz_stage_refused(stage, FZ_DIR_OUT, FZ_REASON_TABLE_FULL));
	KUNIT_EXPECT_EQ(test, 1, stage->n_requests);
	KUNIT_EXPECT_EQ(test, 0, answer(stage, last_id(stage), FZ_VERDICT_PASS, 0));
	KUNIT_EXPECT_EQ(test, FZ_ASK_PACKETS, skb_queue_len(&stage->rerouted));
	/* Refused, it is not asked again. */
	KUNIT_EXPECT_TRUE(test, hold_unrouted(stage, &tuple));
	KUNIT_EXPECT_EQ(test, 0, answer(stage, last_id(stage), FZ_VERDICT_REFUSE, 60000));
	KUNIT_EXPECT_FALSE(test, hold_unrouted(stage, &tuple));
	KUNIT_EXPECT_EQ(test, 2, stage->n_requests);
	fz_authz_explain(&stage->az, NULL, FZ_DIR_OUT, &tuple, &explanation, NULL);
	KUNIT_EXPECT_EQ(test, FZ_VERDICT_REFUSE, explanation.verdict);
	KUNIT_EXPECT_EQ(test, FZ_REASON_REFUSED, explanation.reason);
	/* Outside of the prefixes, and when they are gone. */
	tuple.dst = fz_stage_prefix(stage, "10.3.0.1").addr;
	KUNIT_EXPECT_FALSE(test, hold_unrouted(stage, &tuple));
	tuple.dst = fz_stage_prefix(stage, "10.2.0.9").addr;
	KUNIT_EXPECT_TRUE(test, hold_unrouted(stage, &tuple));
	KUNIT_EXPECT_EQ(test, 0, fz_ask_prefixes_set(&stage->az, NULL, 0, true, NULL));
	tuple.dst = fz_stage_prefix(stage, "10.2.0.10").addr;
	KUNIT_EXPECT_FALSE(test, hold_unrouted(stage, &tuple));
}

/* While packets wait the device may go down, or their address to another peer. */
static void the_world_moves_on(struct kunit *test)
{
	static const enum fz_reason reasons[] = { FZ_REASON_TIMEOUT, FZ_REASON_SOURCE };
	struct fz_stage *stage = test->priv;
	struct fz_prefix prefix = fz_stage_prefix(stage, "10.2.0.0/16");
	struct sk_buff_head *out;
	struct fz_tuple tuple;
	unsigned int dir, i;

	set_up(stage);
	ssh(stage, &tuple, 1000);
	for (dir = 0; dir < FZ_DIRS; dir++) {
		out = dir == FZ_DIR_IN ? &stage->delivered : &stage->sent;
		for (i = 0; i < ARRAY_SIZE(reasons); i++) {
			stage->recheck = FZ_REASON_NONE;
			fz_stage_revoke(stage, 0, 0, "ssh", dir);
			fz_flow_flush(&stage->az, NULL);
			fz_stage_pass(stage, 0, dir, &tuple, 2);
			fz_stage_pass(stage, 0, dir, &tuple, 2);
			fz_stage_pass(stage, 0, dir, &tuple, 2);
			fz_stage_grant(stage, 0, 0, "ssh", dir, FZ_ACTION_ALLOW, 0);
			stage->recheck = reasons[i];
			stage->recheck_from = 1;
			KUNIT_EXPECT_EQ(test, 0, answer(stage, last_id(stage), FZ_VERDICT_PASS, 0));
			KUNIT_EXPECT_EQ(test, 1, skb_queue_len(out));
			__skb_queue_purge(out);
			KUNIT_EXPECT_EQ(test, 2ULL, fz_stage_refused(stage, dir, reasons[i]));
			KUNIT_EXPECT_EQ(test, reasons[i],
					stage->denials[(stage->n_denials - 1) %
						       FZ_STAGE_RECORDS].reason);
			KUNIT_EXPECT_EQ(test, 0, stage->az.ask.count);
		}
	}
	/* Without a peer, the device may be down as well. */
	KUNIT_EXPECT_EQ(test, 0, fz_ask_prefixes_set(&stage->az, &prefix, 1, false, NULL));
	KUNIT_EXPECT_TRUE(test, hold_unrouted(stage, &tuple));
	stage->recheck = FZ_REASON_TIMEOUT;
	KUNIT_EXPECT_EQ(test, 0, answer(stage, last_id(stage), FZ_VERDICT_PASS, 0));
	KUNIT_EXPECT_TRUE(test, skb_queue_empty(&stage->rerouted));
	KUNIT_EXPECT_EQ(test, 3ULL, fz_stage_refused(stage, FZ_DIR_OUT, FZ_REASON_TIMEOUT));
}

/* Holds what fits of @packets flows of @peer, each with a packet of @truesize. Returns how many. */
static unsigned int hold_big(struct fz_stage *stage, unsigned int peer, unsigned int packets,
			     unsigned int truesize)
{
	unsigned int before = stage->peers[peer].held.bytes, i;
	struct fz_tuple tuple;

	for (i = 0; i < packets; i++) {
		struct sk_buff *skb;

		ssh(stage, &tuple, i / 2);
		skb = fz_stage_packet(stage, &tuple, 2, 0);
		skb->truesize = truesize;
		fz_stage_judge(stage, peer, FZ_DIR_IN, skb);
	}
	return (stage->peers[peer].held.bytes - before) / truesize;
}

/* Few packets may be much memory. */
static void bytes_are_bounded(struct kunit *test)
{
	const unsigned int big = FZ_ASK_BYTES_PEER / 8 - 1;
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;
	unsigned int i;

	set_up(stage);
	/* One peer alone does not take all. */
	KUNIT_EXPECT_EQ(test, 8, hold_big(stage, 0, 20, big));
	KUNIT_EXPECT_EQ(test, 4, stage->n_requests);
	KUNIT_EXPECT_EQ(test, 12ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_TABLE_FULL));
	KUNIT_EXPECT_EQ(test, 8 * big, stage->az.ask.bytes);
	KUNIT_EXPECT_EQ(test, 8, hold_big(stage, 1, 20, big));
	/* Nor all together. */
	stage->az.ask.bytes += FZ_ASK_BYTES / 2;
	KUNIT_EXPECT_EQ(test, 0, hold_big(stage, 2, 2, big));
	stage->az.ask.bytes -= FZ_ASK_BYTES / 2;
	KUNIT_EXPECT_EQ(test, 2, hold_big(stage, 2, 2, big));
	/* What is answered gives it back, as does a peer that goes. */
	for (i = 0; i < 4; i++)
		answer(stage, stage->requests[i].id, FZ_VERDICT_REFUSE, 0);
	KUNIT_EXPECT_EQ(test, 0, stage->peers[0].held.bytes);
	KUNIT_EXPECT_EQ(test, 10 * big, stage->az.ask.bytes);
	fz_stage_remove(stage, 1);
	KUNIT_EXPECT_EQ(test, 2 * big, stage->az.ask.bytes);
	make_late(stage);
	KUNIT_EXPECT_EQ(test, 0, stage->az.ask.bytes);
	ssh(stage, &tuple, 1);
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	KUNIT_EXPECT_EQ(test, 1, stage->az.ask.count);
}

/* However fast packets come, the release of those before them ends. */
static void followers_are_bounded(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_held *held;
	struct fz_tuple tuple;
	struct fz_flow *flow;
	unsigned int i, followers = 0;

	set_up(stage);
	ssh(stage, &tuple, 1000);
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	fz_stage_grant(stage, 0, 0, "ssh", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple);
	KUNIT_ASSERT_NOT_NULL(test, flow);
	flow->held = true;
	held = list_first_entry(&stage->az.ask.list, struct fz_held, node);
	/* Where this takes more than its time, it is not to go meanwhile. */
	held->until += 3600 * HZ;
	for (i = 0; i < 1000; i++) {
		followers += !fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 0);
		/* Taken at once, so that there is always room. */
		spin_lock_bh(&stage->az.ask.lock);
		stage->az.ask.bytes -= held->bytes;
		stage->peers[0].held.bytes -= held->bytes;
		held->bytes = 0;
		__skb_queue_purge(&held->packets);
		spin_unlock_bh(&stage->az.ask.lock);
	}
	KUNIT_EXPECT_EQ(test, 64, followers);
	KUNIT_EXPECT_EQ(test, 0, answer(stage, last_id(stage), FZ_VERDICT_PASS, 0));
	KUNIT_EXPECT_FALSE(test, flow->held);
}

/* A first fragment that stays behind others is judged twice, and is no duplicate of itself. */
static void fragments_follow(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;
	struct fz_flow *flow;

	set_up(stage);
	fz_stage_resource(stage, 0, "dns", "10.2.0.0/16", "udp/53");
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 0));
	fz_stage_grant(stage, 0, 0, "dns", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	KUNIT_EXPECT_TRUE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 0));
	flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple);
	KUNIT_ASSERT_NOT_NULL(test, flow);
	flow->held = true;
	KUNIT_EXPECT_FALSE(test, fz_stage_judge(stage, 0, FZ_DIR_IN,
						fz_stage_fragment(stage, &tuple, 1, 0, 800, true)));
	KUNIT_EXPECT_EQ(test, 0, answer(stage, last_id(stage), FZ_VERDICT_PASS, 0));
	KUNIT_EXPECT_EQ(test, 2, skb_queue_len(&stage->delivered));
	KUNIT_EXPECT_EQ(test, 0ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_FRAGMENT));
	KUNIT_EXPECT_TRUE(test, fz_stage_judge(stage, 0, FZ_DIR_IN,
					       fz_stage_fragment(stage, &tuple, 1, 800, 8, false)));
}

/* A packet that comes while others of its flow are being released stays behind them. */
static void nobody_overtakes(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_held *held;
	struct fz_tuple tuple;
	struct fz_flow *flow;

	set_up(stage);
	ssh(stage, &tuple, 1000);
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	fz_stage_grant(stage, 0, 0, "ssh", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	/* As it is between the first packet's release and the end of all. */
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple);
	KUNIT_ASSERT_NOT_NULL(test, flow);
	flow->held = true;
	KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 0));
	held = list_first_entry(&stage->az.ask.list, struct fz_held, node);
	KUNIT_EXPECT_EQ(test, 2, skb_queue_len(&held->packets));
	KUNIT_EXPECT_EQ(test, 0, answer(stage, last_id(stage), FZ_VERDICT_PASS, 0));
	KUNIT_EXPECT_EQ(test, 2, skb_queue_len(&stage->delivered));
	KUNIT_EXPECT_FALSE(test, flow->held);
	KUNIT_EXPECT_TRUE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 0));
}

/* What begins at the far end waits as well, and uses up its own grant once, when it is judged again. */
static void followers_are_charged_once(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_grant_spec grant = {
		.ap = &stage->peers[0],
		.resource = "back",
		.dir = FZ_DIR_OUT,
		.action = FZ_ACTION_ALLOW,
		/* for two packets of 40 bytes */
		.limits = { .quota = 100 },
	};
	struct fz_tuple tuple, reply;
	struct fz_flow *flow;

	set_up(stage);
	fz_stage_resource(stage, 0, "back", "10.8.0.0/16", "");
	ssh(stage, &tuple, 1000);
	reply = fz_stage_reply(&tuple);
	/* Both ends begin at once. */
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	fz_stage_pass(stage, 0, FZ_DIR_OUT, &reply, 2);
	KUNIT_EXPECT_EQ(test, 2, stage->n_requests);
	fz_stage_grant(stage, 0, 0, "ssh", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	KUNIT_EXPECT_EQ(test, 0, fz_grant_set(&stage->az, 0, &grant, 1, NULL, NULL));
	fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 2);
	flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple);
	KUNIT_ASSERT_NOT_NULL(test, flow);
	flow->held = true;
	KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_OUT, &reply, 2));
	KUNIT_EXPECT_EQ(test, 0, answer(stage, last_id(stage), FZ_VERDICT_PASS, 0));
	KUNIT_EXPECT_EQ(test, 2, skb_queue_len(&stage->sent));
	KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_OUT, &reply, 2));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(passes_in_order),
	KUNIT_CASE(a_grant_decides),
	KUNIT_CASE(refusal_is_remembered),
	KUNIT_CASE(bad_verdicts_do_nothing),
	KUNIT_CASE(nobody_answers),
	KUNIT_CASE(time_runs_out),
	KUNIT_CASE(a_flood_is_bounded),
	KUNIT_CASE(requests_have_a_rate),
	KUNIT_CASE(asks_without_a_peer),
	KUNIT_CASE(the_world_moves_on),
	KUNIT_CASE(bytes_are_bounded),
	KUNIT_CASE(followers_are_bounded),
	KUNIT_CASE(fragments_follow),
	KUNIT_CASE(nobody_overtakes),
	KUNIT_CASE(followers_are_charged_once),
	{}
};

struct kunit_suite fz_ask_suite = {
	.name = "fz_ask",
	.init = fz_stage_init,
	.exit = fz_stage_exit,
	.test_cases = cases,
};
