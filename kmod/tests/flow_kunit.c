// SPDX-License-Identifier: GPL-2.0-only
/* The life of flows: beginning, replies, judged again, ending. */

#include <linux/delay.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/interrupt.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/tcp.h>

#include "authz/decide.h"
#include "authz/ghosts.h"
#include "authz/policy.h"
#include "authz/sweep.h"
#include "compat/workqueue.h"
#include "tests/stage.h"
#include "tests/suites.h"

#define expect_passes(peer, dir, tuple, flags)						\
	KUNIT_EXPECT_TRUE(test, fz_stage_pass(stage, peer, dir, tuple, flags))
#define expect_refused(peer, dir, tuple, flags, reason)					\
	do {										\
		u64 __before = fz_stage_refused(stage, dir, reason);			\
											\
		KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, peer, dir, tuple, flags));	\
		KUNIT_EXPECT_EQ(test, __before + 1, fz_stage_refused(stage, dir, reason));	\
	} while (0)
#define expect_end(end)									\
	KUNIT_EXPECT_EQ(test, end, stage->ends[(stage->n_ends - 1) % FZ_STAGE_RECORDS])

struct kinds {
	struct fz_tuple tuple;
	struct fz_tuple reply;
	u8 flags;
	u8 reply_flags;
};

/* One of each kind of flow to the resource "all". */
static unsigned int make_kinds(struct fz_stage *stage, struct kinds *kinds)
{
	static const char *const ends[2][2] = {
		{ "10.8.0.1", "10.2.0.2" },
		{ "fd08::1", "fd02::2" },
	};
	unsigned int i, n = 0;

	for (i = 0; i < 2; i++) {
		struct kinds *tcp = &kinds[n++], *udp = &kinds[n++];
		struct kinds *ping = &kinds[n++], *gre = &kinds[n++];

		fz_stage_tuple(stage, &tcp->tuple, IPPROTO_TCP, ends[i][0], 1000, ends[i][1], 22);
		tcp->flags = TCPHDR_SYN;
		tcp->reply_flags = TCPHDR_SYN | TCPHDR_ACK;
		fz_stage_tuple(stage, &udp->tuple, IPPROTO_UDP, ends[i][0], 1000, ends[i][1], 53);
		fz_stage_ping(stage, &ping->tuple, ends[i][0], ends[i][1],
			      i ? ICMPV6_ECHO_REQUEST : ICMP_ECHO, 9);
		fz_stage_tuple(stage, &gre->tuple, IPPROTO_GRE, ends[i][0], 0, ends[i][1], 0);
	}
	for (i = 0; i < n; i++)
		kinds[i].reply = fz_stage_reply(&kinds[i].tuple);
	return n;
}

static enum fz_direction other(enum fz_direction dir)
{
	return dir == FZ_DIR_IN ? FZ_DIR_OUT : FZ_DIR_IN;
}

static void set_up(struct fz_stage *stage, enum fz_direction dir)
{
	struct fz_prefix prefixes[] = {
		fz_stage_prefix(stage, "10.2.0.0/16"),
		fz_stage_prefix(stage, "fd02::/16"),
	};
	struct fz_resource_spec spec = { .name = "all", .prefixes = prefixes, .n_prefixes = 2 };

	KUNIT_ASSERT_EQ(stage->test, 0, fz_resource_set(&stage->az, 0, &spec, 1, NULL, NULL));
	KUNIT_ASSERT_EQ(stage->test, 0, fz_stage_grant(stage, 0, 0, "all", dir, FZ_ACTION_ALLOW, 0));
}

/* The resource "back": the far ends of make_kinds(). */
static void set_up_back(struct fz_stage *stage)
{
	struct fz_prefix prefixes[] = {
		fz_stage_prefix(stage, "10.8.0.0/16"),
		fz_stage_prefix(stage, "fd08::/16"),
	};
	struct fz_resource_spec spec = { .name = "back", .prefixes = prefixes, .n_prefixes = 2 };

	KUNIT_ASSERT_EQ(stage->test, 0, fz_resource_set(&stage->az, 0, &spec, 1, NULL, NULL));
}

static void replies_need_no_grant(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct kinds kinds[8];
	unsigned int dir, i, n = make_kinds(stage, kinds);

	for (dir = 0; dir < FZ_DIRS; dir++) {
		set_up(stage, dir);
		for (i = 0; i < n; i++) {
			expect_refused(0, other(dir), &kinds[i].reply, kinds[i].reply_flags,
				       FZ_REASON_NO_GRANT);
			expect_refused(1, dir, &kinds[i].tuple, kinds[i].flags,
				       FZ_REASON_NO_GRANT);
			expect_passes(0, dir, &kinds[i].tuple, kinds[i].flags);
			expect_passes(0, other(dir), &kinds[i].reply, kinds[i].reply_flags);
			expect_passes(0, dir, &kinds[i].tuple, 0);
			/* What another peer answers is no reply. */
			expect_refused(1, other(dir), &kinds[i].reply, kinds[i].reply_flags,
				       FZ_REASON_NO_GRANT);
		}
		KUNIT_EXPECT_EQ(test, n, stage->n_starts);
		fz_flow_flush(&stage->az, NULL);
		KUNIT_EXPECT_EQ(test, n, stage->n_ends);
		expect_end(FZ_END_FLUSHED);
		stage->n_starts = 0;
		stage->n_ends = 0;
	}
}

static void counts_exactly(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct sk_buff_head queue;
	struct fz_flow_info info;
	struct fz_grant_info grant;
	struct fz_tuple tuple, reply;
	struct fz_flow *flow;
	unsigned int i;

	set_up(stage, FZ_DIR_IN);
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	reply = fz_stage_reply(&tuple);
	__skb_queue_head_init(&queue);
	for (i = 0; i < 40; i++) {
		/* Runs of four, then of another flow. */
		tuple.sport = i / 4 % 2 ? 1001 : 1000;
		__skb_queue_tail(&queue, fz_stage_packet(stage, &tuple, 0, i));
	}
	local_bh_disable();
	fz_authz_judge(&stage->az, &stage->peers[0], FZ_DIR_IN, &queue);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, 40, skb_queue_len(&queue));
	for (i = 0; i < 40; i++) {
		struct sk_buff *skb = __skb_dequeue(&queue);

		KUNIT_EXPECT_EQ(test, 28 + i, skb->len);
		kfree_skb(skb);
	}
	expect_passes(0, FZ_DIR_OUT, &reply, 0);
	tuple.sport = 1000;
	flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple);
	KUNIT_ASSERT_NOT_NULL(test, flow);
	rcu_read_lock();
	fz_flow_read(&stage->az, flow, &info);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, 20ULL, info.orig_packets);
	/* 0..3, 8..11, 16..19, 24..27, 32..35 and their headers */
	KUNIT_EXPECT_EQ(test, 20ULL * 28 + 350, info.orig_bytes);
	KUNIT_EXPECT_EQ(test, 1ULL, info.reply_packets);
	KUNIT_EXPECT_EQ(test, 38ULL, info.reply_bytes);
	KUNIT_EXPECT_STREQ(test, "all", info.resource);
	KUNIT_EXPECT_EQ(test, FZ_FLOW_ESTABLISHED, info.state);
	fz_stage_sweep(stage);
	fz_stage_sweep(stage);
	rcu_read_lock();
	fz_grant_read(rcu_dereference(flow->grant), &grant);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, 41ULL, grant.packets);
	KUNIT_EXPECT_EQ(test, 40ULL * 28 + 780 + 38, grant.bytes);
	KUNIT_EXPECT_EQ(test, 2, grant.flows);
}

/* Every kind of flow against what takes its grant away; also what is no reply to it. */
static void ends_with_the_next_packet(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct kinds kinds[8];
	unsigned int dir, i, how, n = make_kinds(stage, kinds);
	static const u8 ends[] = { FZ_END_REVOKED, FZ_END_DENIED, FZ_END_REVOKED, FZ_END_REVOKED,
				   FZ_END_REVOKED };
	const char *all = "all";

	for (how = 0; how < 5; how++) {
		for (dir = 0; dir < FZ_DIRS; dir++) {
			for (i = 0; i < 2 * n; i++) {
				struct kinds *kind = &kinds[i / 2];
				bool by_reply = i % 2;

				set_up(stage, dir);
				expect_passes(0, dir, &kind->tuple, kind->flags);
				expect_passes(0, other(dir), &kind->reply, kind->reply_flags);
				stage->n_ends = 0;
				switch (how) {
				case 0:
					fz_stage_revoke(stage, 0, 0, "all", dir);
					break;
				case 1:
					fz_stage_grant(stage, 0, FZ_STAGE_ANY, "all", dir,
						       FZ_ACTION_DENY, 0);
					break;
				case 2:
					fz_resource_del(&stage->az, 0, &all, 1, NULL, NULL);
					break;
				case 3:
					fz_stage_resource(stage, 0, "all", "10.3.0.0/16", "");
					break;
				case 4:
					fz_epoch_begin(&stage->az, 7, NULL);
					fz_epoch_commit(&stage->az, 7, NULL);
					break;
				}
				if (by_reply)
					expect_refused(0, other(dir), &kind->reply, 0,
						       how == 1 ? FZ_REASON_DENIED :
								  FZ_REASON_NO_GRANT);
				else
					expect_refused(0, dir, &kind->tuple, 0,
						       how == 1 ? FZ_REASON_DENIED :
								  FZ_REASON_NO_GRANT);
				KUNIT_EXPECT_EQ(test, 1, stage->n_ends);
				expect_end(ends[how]);
				KUNIT_EXPECT_EQ(test, 1ULL, stage->infos[0].orig_packets);
				KUNIT_EXPECT_EQ(test, 1ULL, stage->infos[0].reply_packets);
				fz_resource_del(&stage->az, 0, &all, 1, NULL, NULL);
			}
		}
	}
}

/* Its packets have leave of their own; those of a connection, without a beginning, have not. */
static void expect_far_end(struct fz_stage *stage, const struct kinds *kind, unsigned int dir)
{
	struct kunit *test = stage->test;

	if (kind->tuple.proto == IPPROTO_TCP)
		expect_refused(0, other(dir), &kind->reply, 0, FZ_REASON_NO_GRANT);
	else
		expect_passes(0, other(dir), &kind->reply, 0);
}

/* A fragment that goes out, @start to @start + @len of datagram @id. */
static bool piece(struct fz_stage *stage, const struct fz_tuple *tuple, u16 id,
		  unsigned int start, unsigned int len, bool more)
{
	return fz_stage_judge(stage, 0, FZ_DIR_OUT,
			      fz_stage_fragment(stage, tuple, id, start, len, more));
}

static bool error_passes(struct fz_stage *stage, enum fz_direction dir,
			 const struct fz_tuple *quoted)
{
	const char *src = quoted->family == AF_INET6 ? "fd08::9" : "10.8.0.9";

	return fz_stage_judge(stage, 0, dir, fz_stage_error(stage, quoted, src));
}

static void read_grant(struct fz_stage *stage, const struct fz_grant_spec *spec,
		       struct fz_grant_info *info)
{
	struct fz_grant_key key = { .ap = spec->ap, .dir = spec->dir };
	struct fz_policy *policy = rcu_dereference_protected(stage->az.policy, true);

	key.resource = fz_resource_find(policy, spec->resource);
	fz_grant_read(rhashtable_lookup_fast(&policy->grants, &key, fz_grant_table), info);
}

/* What the far end may open, too, must not carry on what it was only answering. */
static void a_withdrawn_flow_does_not_turn_round(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct kinds kinds[8];
	unsigned int dir, i, n = make_kinds(stage, kinds);

	set_up_back(stage);
	for (dir = 0; dir < FZ_DIRS; dir++) {
		fz_stage_grant(stage, 0, 0, "back", other(dir), FZ_ACTION_ALLOW, 0);
		for (i = 0; i < n; i++) {
			struct kinds *kind = &kinds[i];

			set_up(stage, dir);
			expect_passes(0, dir, &kind->tuple, kind->flags);
			expect_passes(0, other(dir), &kind->reply, kind->reply_flags);
			fz_stage_revoke(stage, 0, 0, "all", dir);
			expect_refused(0, dir, &kind->tuple, 0, FZ_REASON_NO_GRANT);
			expect_far_end(stage, kind, dir);
			expect_refused(0, dir, &kind->tuple, 0, FZ_REASON_NO_GRANT);
			fz_stage_sweep(stage);
			expect_far_end(stage, kind, dir);
			/* Granted again, both ways go on. */
			set_up(stage, dir);
			expect_passes(0, other(dir), &kind->reply, 0);
			expect_passes(0, dir, &kind->tuple, 0);
			fz_stage_revoke(stage, 0, 0, "all", dir);
			expect_far_end(stage, kind, dir);
			expect_refused(0, dir, &kind->tuple, 0, FZ_REASON_NO_GRANT);
			fz_flow_flush(&stage->az, NULL);
		}
		fz_stage_revoke(stage, 0, 0, "back", other(dir));
	}
}

/*
 * What has leave of its own beside a withdrawn flow of its ends has it in pieces too, and errors about it
 * come back; those about the withdrawn flow do not.
 */
static void a_withdrawn_flow_parts_no_datagram(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_grant_spec spec = {
		.ap = &stage->peers[0], .resource = "back", .dir = FZ_DIR_OUT,
		.limits.quota = 3000,
	};
	struct kinds kinds[8];
	unsigned int i, n = make_kinds(stage, kinds);

	set_up_back(stage);
	for (i = 0; i < n; i++) {
		const struct fz_tuple *tuple = &kinds[i].tuple, *reply = &kinds[i].reply;
		struct fz_grant_info info;

		if (tuple->proto == IPPROTO_TCP)
			continue;
		set_up(stage, FZ_DIR_IN);
		expect_passes(0, FZ_DIR_IN, tuple, 0);
		fz_stage_revoke(stage, 0, 0, "all", FZ_DIR_IN);
		expect_refused(0, FZ_DIR_IN, tuple, 0, FZ_REASON_NO_GRANT);
		KUNIT_ASSERT_EQ(test, 0, fz_grant_set(&stage->az, 0, &spec, 1, NULL, NULL));
		KUNIT_EXPECT_TRUE(test, piece(stage, reply, i, 0, 800, true));
		/* Again, it is no piece; and does not count. */
		KUNIT_EXPECT_FALSE(test, piece(stage, reply, i, 0, 800, true));
		KUNIT_EXPECT_FALSE(test, piece(stage, reply, i, 0, 800, true));
		KUNIT_EXPECT_TRUE(test, piece(stage, reply, i, 800, 400, false));
		read_grant(stage, &spec, &info);
		KUNIT_EXPECT_LT(test, 1200ULL, info.used);
		KUNIT_EXPECT_GT(test, 1400ULL, info.used);
		if (tuple->proto == IPPROTO_UDP) {
			KUNIT_EXPECT_TRUE(test, error_passes(stage, FZ_DIR_IN, reply));
			KUNIT_EXPECT_FALSE(test, error_passes(stage, FZ_DIR_OUT, tuple));
		}
		/* Of an address that is another's by now, nothing. */
		stage->lost = true;
		KUNIT_EXPECT_FALSE(test, error_passes(stage, FZ_DIR_IN, reply));
		expect_refused(0, FZ_DIR_OUT, reply, 0, FZ_REASON_SOURCE);
		stage->lost = false;
		fz_stage_revoke(stage, 0, 0, "back", FZ_DIR_OUT);
		KUNIT_EXPECT_FALSE(test, piece(stage, reply, i + n, 0, 800, true));
		KUNIT_EXPECT_FALSE(test, piece(stage, reply, i + n, 800, 400, false));
		KUNIT_EXPECT_FALSE(test, error_passes(stage, FZ_DIR_IN, reply));
		fz_flow_flush(&stage->az, NULL);
	}
}

/* Numbers of policy come round again: that of the day before it was withdrawn is nothing to it. */
static void a_withdrawn_flow_stays_so_for_ever(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct kinds kinds[8];
	unsigned int i, n = make_kinds(stage, kinds);
	struct fz_flow *flow;

	for (i = 0; i < n; i++) {
		struct kinds *kind = &kinds[i];

		set_up(stage, FZ_DIR_IN);
		expect_passes(0, FZ_DIR_IN, &kind->tuple, kind->flags);
		fz_stage_revoke(stage, 0, 0, "all", FZ_DIR_IN);
		expect_refused(0, FZ_DIR_IN, &kind->tuple, 0, FZ_REASON_NO_GRANT);
		rcu_read_lock();
		flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &kind->tuple);
		KUNIT_EXPECT_NOT_NULL(test, flow);
		if (flow)
			stage->az.gen = flow->gen;
		rcu_read_unlock();
		expect_refused(0, FZ_DIR_IN, &kind->tuple, 0, FZ_REASON_NO_GRANT);
		fz_flow_flush(&stage->az, NULL);
	}
}

/* A SYN from the far end over a connection of ours that was withdrawn, or closed by the far end. */
static void begin_at_the_far_end(struct fz_stage *stage, const struct fz_tuple *tuple,
				 const struct fz_tuple *reply, bool closed)
{
	struct kunit *test = stage->test;

	set_up(stage, FZ_DIR_OUT);
	expect_passes(0, FZ_DIR_OUT, tuple, TCPHDR_SYN);
	expect_passes(0, FZ_DIR_IN, reply, TCPHDR_SYN | TCPHDR_ACK);
	if (closed)
		expect_passes(0, FZ_DIR_IN, reply, TCPHDR_RST);
	fz_stage_revoke(stage, 0, 0, "all", FZ_DIR_OUT);
	expect_refused(0, FZ_DIR_OUT, tuple, TCPHDR_ACK, FZ_REASON_NO_GRANT);
	expect_passes(0, FZ_DIR_IN, reply, TCPHDR_SYN);
}

/* Who still has the old connection answers such a SYN with an ACK (RFC 5961, section 4). */
static void one_syn_revives_nothing(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply;
	int closed;

	fz_stage_tuple(stage, &tuple, IPPROTO_TCP, "10.1.0.1", 1000, "10.2.0.2", 22);
	reply = fz_stage_reply(&tuple);
	fz_stage_resource(stage, 0, "back", "10.1.0.0/16", "");
	fz_stage_grant(stage, 0, 0, "back", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	for (closed = 0; closed < 2; closed++) {
		begin_at_the_far_end(stage, &tuple, &reply, closed);
		expect_refused(0, FZ_DIR_OUT, &tuple, TCPHDR_ACK, FZ_REASON_NO_GRANT);
		expect_refused(0, FZ_DIR_IN, &reply, TCPHDR_ACK, FZ_REASON_NO_GRANT);
		/* Nor when the far end says that it has closed what it began, and begins again. */
		expect_refused(0, FZ_DIR_IN, &reply, TCPHDR_RST, FZ_REASON_NO_GRANT);
		expect_passes(0, FZ_DIR_IN, &reply, TCPHDR_SYN);
		expect_refused(0, FZ_DIR_OUT, &tuple, TCPHDR_ACK, FZ_REASON_NO_GRANT);
		/* A real one goes on. */
		expect_passes(0, FZ_DIR_OUT, &tuple, TCPHDR_SYN | TCPHDR_ACK);
		expect_passes(0, FZ_DIR_IN, &reply, TCPHDR_ACK);
		expect_passes(0, FZ_DIR_OUT, &tuple, TCPHDR_ACK);
		fz_flow_flush(&stage->az, NULL);
	}
	/* Nobody listens: that ends it. */
	begin_at_the_far_end(stage, &tuple, &reply, false);
	expect_passes(0, FZ_DIR_OUT, &tuple, TCPHDR_RST);
	expect_passes(0, FZ_DIR_IN, &reply, TCPHDR_SYN);
}

/*
 * A RST that its receiver does not take for one closes the flow here, not the connection there. A SYN
 * in the flow's own direction does not make room then for the old connection to go on, begun by its far
 * end, nor does silence.
 */
static void bogus_reset_frees_nothing(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply;
	struct fz_flow *flow;
	unsigned int dir, seen, waits;

	fz_stage_resource(stage, 0, "back", "10.8.0.0/16", "");
	fz_stage_tuple(stage, &tuple, IPPROTO_TCP, "10.8.0.1", 1000, "10.2.0.2", 22);
	reply = fz_stage_reply(&tuple);
	for (dir = 0; dir < FZ_DIRS; dir++) {
		for (seen = 0; seen < 4; seen++) {
			waits = seen & 2;
			set_up(stage, dir);
			fz_stage_grant(stage, 0, 0, "back", other(dir), FZ_ACTION_ALLOW, 0);
			expect_passes(0, dir, &tuple, TCPHDR_SYN);
			expect_passes(0, other(dir), &reply, TCPHDR_SYN | TCPHDR_ACK);
			expect_passes(0, dir, &tuple, TCPHDR_RST);
			expect_passes(0, other(dir), &reply, TCPHDR_ACK);
			fz_stage_revoke(stage, 0, 0, "all", dir);
			/* With a packet of the old connection in between, or none. */
			if (seen & 1)
				expect_refused(0, dir, &tuple, TCPHDR_ACK, FZ_REASON_NO_GRANT);
			if (waits)
				fz_stage_sweep(stage);
			else
				expect_refused(0, dir, &tuple, TCPHDR_SYN, FZ_REASON_NO_GRANT);
			expect_end(FZ_END_REVOKED);
			if (waits) {
				flow = fz_stage_flow(stage, 0, dir, &tuple);
				KUNIT_ASSERT_NOT_NULL(test, flow);
				flow->side[0].used -= (stage->az.timeouts.tcp_closing + 1) * HZ;
				flow->side[1].used = flow->side[0].used;
				fz_stage_sweep(stage);
			}
			expect_refused(0, other(dir), &reply, TCPHDR_ACK, FZ_REASON_NO_GRANT);
			expect_refused(0, dir, &tuple, TCPHDR_ACK, FZ_REASON_NO_GRANT);
			fz_flow_flush(&stage->az, NULL);
			fz_stage_revoke(stage, 0, 0, "back", other(dir));
		}
	}
	/* Where policy admits it, the same ports may be used again. */
	set_up(stage, FZ_DIR_IN);
	expect_passes(0, FZ_DIR_IN, &tuple, TCPHDR_SYN);
	expect_passes(0, FZ_DIR_OUT, &reply, TCPHDR_RST);
	expect_passes(0, FZ_DIR_IN, &tuple, TCPHDR_SYN);
	expect_end(FZ_END_CLOSED);
	expect_passes(0, FZ_DIR_OUT, &reply, TCPHDR_SYN | TCPHDR_ACK);
}

static void idle_flows_end_too(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;

	set_up(stage, FZ_DIR_IN);
	fz_stage_tuple(stage, &tuple, IPPROTO_TCP, "10.8.0.1", 1000, "10.2.0.2", 22);
	expect_passes(0, FZ_DIR_IN, &tuple, TCPHDR_SYN);
	fz_stage_sweep(stage);
	KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
	fz_stage_revoke(stage, 0, 0, "all", FZ_DIR_IN);
	fz_stage_sweep(stage);
	KUNIT_EXPECT_EQ(test, 1, stage->n_ends);
	expect_end(FZ_END_REVOKED);
}

static void another_grant_carries_on(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct kinds kinds[8];
	unsigned int i, n = make_kinds(stage, kinds);

	set_up(stage, FZ_DIR_IN);
	fz_stage_resource(stage, 0, "four", "10.2.0.0/24", "");
	fz_stage_resource(stage, 0, "six", "fd02::/64", "");
	fz_stage_grant(stage, 0, FZ_STAGE_ANY, "four", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	fz_stage_grant(stage, 0, FZ_STAGE_ANY, "six", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	for (i = 0; i < n; i++)
		expect_passes(0, FZ_DIR_IN, &kinds[i].tuple, kinds[i].flags);
	fz_stage_revoke(stage, 0, 0, "all", FZ_DIR_IN);
	for (i = 0; i < n; i++) {
		expect_passes(0, FZ_DIR_OUT, &kinds[i].reply, kinds[i].reply_flags);
		expect_passes(0, FZ_DIR_IN, &kinds[i].tuple, 0);
	}
	fz_stage_sweep(stage);
	KUNIT_EXPECT_EQ(test, n, stage->n_starts);
	KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
}

static void wait_ms(unsigned int ms)
{
	u64 until = ktime_get_boottime_ns() + ms * NSEC_PER_MSEC;

	while (ktime_get_boottime_ns() < until)
		cond_resched();
}

static void lease_ends_it(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply;

	set_up(stage, FZ_DIR_IN);
	fz_stage_tuple(stage, &tuple, IPPROTO_TCP, "10.8.0.1", 1000, "10.2.0.2", 22);
	reply = fz_stage_reply(&tuple);
	expect_passes(0, FZ_DIR_IN, &tuple, TCPHDR_SYN);
	fz_stage_grant(stage, 0, 0, "all", FZ_DIR_IN, FZ_ACTION_ALLOW, 3600000);
	expect_passes(0, FZ_DIR_OUT, &reply, TCPHDR_SYN | TCPHDR_ACK);
	fz_stage_grant(stage, 0, 0, "all", FZ_DIR_IN, FZ_ACTION_ALLOW, 1);
	wait_ms(2);
	expect_refused(0, FZ_DIR_OUT, &reply, 0, FZ_REASON_EXPIRED);
	expect_end(FZ_END_EXPIRED);
	expect_refused(0, FZ_DIR_IN, &tuple, 0, FZ_REASON_EXPIRED);
	/* Renewed, it is as good as new. */
	fz_stage_grant(stage, 0, 0, "all", FZ_DIR_IN, FZ_ACTION_ALLOW, 3600000);
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
	/* Nobody sends: the sweep notices. */
	fz_stage_grant(stage, 0, 0, "all", FZ_DIR_IN, FZ_ACTION_ALLOW, 1);
	wait_ms(2);
	stage->n_ends = 0;
	fz_stage_sweep(stage);
	KUNIT_EXPECT_EQ(test, 1, stage->n_ends);
	expect_end(FZ_END_EXPIRED);
	/* A deny that comes back after its end takes what it takes. */
	fz_stage_grant(stage, 0, FZ_STAGE_ANY, "all", FZ_DIR_IN, FZ_ACTION_DENY, 1);
	fz_stage_grant(stage, 0, 0, "all", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	wait_ms(2);
	expect_passes(0, FZ_DIR_IN, &tuple, TCPHDR_SYN);
	fz_stage_grant(stage, 0, FZ_STAGE_ANY, "all", FZ_DIR_IN, FZ_ACTION_DENY, 10000);
	expect_refused(0, FZ_DIR_IN, &tuple, 0, FZ_REASON_DENIED);
}

/* Cryptokey routing refuses their packets; here their end is told, in every mode, and once. */
static void lost_address_ends_it(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct kinds kinds[8];
	unsigned int dir, i, n = make_kinds(stage, kinds);

	for (dir = 0; dir < FZ_DIRS; dir++) {
		set_up(stage, dir);
		fz_stage_mode(stage, FZ_STAGE_ANY, dir, dir ? FZ_MODE_OPEN : FZ_MODE_ENFORCE, 0);
		for (i = 0; i < n; i++)
			expect_passes(0, dir, &kinds[i].tuple, kinds[i].flags);
		stage->n_ends = 0;
		fz_authz_reroute_end(&stage->az, true);
		fz_stage_sweep(stage);
		KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
		stage->lost = true;
		fz_stage_sweep(stage);
		KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
		/* They may be about to be given back. */
		fz_authz_reroute_begin(&stage->az);
		fz_stage_mode(stage, FZ_STAGE_ANY, !dir, FZ_MODE_ENFORCE, 0);
		fz_stage_sweep(stage);
		KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
		fz_authz_reroute_end(&stage->az, true);
		fz_stage_sweep(stage);
		fz_stage_sweep(stage);
		KUNIT_EXPECT_EQ(test, n, stage->n_ends);
		expect_end(FZ_END_SOURCE);
		/* Given back, they begin anew. */
		stage->lost = false;
		stage->n_starts = 0;
		for (i = 0; i < n; i++)
			expect_passes(0, dir, &kinds[i].tuple, 0);
		KUNIT_EXPECT_EQ(test, n, stage->n_starts);
		fz_flow_flush(&stage->az, NULL);
	}
	/* A sweep that comes while a peer is being removed says so. */
	expect_passes(0, FZ_DIR_IN, &kinds[0].tuple, kinds[0].flags);
	stage->n_ends = 0;
	stage->lost = true;
	stage->peers[0].dead = true;
	fz_authz_reroute_end(&stage->az, true);
	fz_stage_sweep(stage);
	stage->peers[0].dead = false;
	KUNIT_EXPECT_EQ(test, 1, stage->n_ends);
	expect_end(FZ_END_PEER_REMOVED);
}

/* A packet that was routed just before its address went begins no flow that nobody would end. */
static void lost_address_begins_none(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct kinds kinds[8];
	unsigned int dir, mode, i, n = make_kinds(stage, kinds);

	for (dir = 0; dir < FZ_DIRS; dir++) {
		set_up(stage, dir);
		for (mode = FZ_MODE_OPEN; mode <= FZ_MODE_ENFORCE; mode++) {
			fz_stage_mode(stage, FZ_STAGE_ANY, dir, mode, 0);
			stage->lost = true;
			for (i = 0; i < n; i++)
				expect_refused(0, dir, &kinds[i].tuple, kinds[i].flags,
					       FZ_REASON_SOURCE);
			KUNIT_EXPECT_EQ(test, 0, stage->n_starts);
			stage->lost = false;
		}
	}
}

/* Whatever it is that a sweep, or a packet, misses first while a peer is being removed. */
static void removal_is_why(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;
	const char *all = "all";
	unsigned int how;

	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	for (how = 0; how < 10; how++) {
		set_up(stage, FZ_DIR_IN);
		expect_passes(0, FZ_DIR_IN, &tuple, 0);
		stage->n_ends = 0;
		if (how / 2 == 4)
			fz_stage_grant(stage, 0, 0, all, FZ_DIR_IN, FZ_ACTION_ALLOW, 1);
		fz_authz_reroute_begin(&stage->az);
		fz_authz_peer_going(&stage->peers[0]);
		switch (how / 2) {
		case 0:
			mutex_lock(&stage->az.lock);
			fz_grant_drop_peer(&stage->az, &stage->peers[0]);
			mutex_unlock(&stage->az.lock);
			break;
		case 1:
			fz_stage_grant(stage, 0, FZ_STAGE_ANY, all, FZ_DIR_IN, FZ_ACTION_DENY, 0);
			break;
		case 2:
			fz_resource_del(&stage->az, 0, &all, 1, NULL, NULL);
			break;
		case 3:
			stage->lost = true;
			fz_authz_reroute_end(&stage->az, true);
			break;
		case 4:
			wait_ms(2);
			break;
		}
		if (how % 2)
			fz_stage_sweep(stage);
		else
			KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 0));
		KUNIT_EXPECT_EQ_MSG(test, 1, stage->n_ends, "in way %u", how);
		expect_end(FZ_END_PEER_REMOVED);
		fz_authz_reroute_end(&stage->az, false);
		stage->peers[0].dead = false;
		stage->lost = false;
		fz_stage_revoke(stage, 0, FZ_STAGE_ANY, all, FZ_DIR_IN);
		fz_flow_flush(&stage->az, NULL);
	}
}

/* Its denials go as well as its grants, while what is allowed to anybody stays. */
static void removal_frees_nothing(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct kinds kinds[8];
	unsigned int dir, i, n = make_kinds(stage, kinds);

	for (dir = 0; dir < FZ_DIRS; dir++) {
		for (i = 0; i < n; i++) {
			set_up(stage, dir);
			fz_stage_grant(stage, 0, FZ_STAGE_ANY, "all", dir, FZ_ACTION_ALLOW, 0);
			expect_passes(0, dir, &kinds[i].tuple, kinds[i].flags);
			fz_stage_grant(stage, 0, 0, "all", dir, FZ_ACTION_DENY, 0);
			expect_refused(0, dir, &kinds[i].tuple, 0, FZ_REASON_DENIED);
			fz_authz_reroute_begin(&stage->az);
			fz_authz_peer_going(&stage->peers[0]);
			mutex_lock(&stage->az.lock);
			fz_grant_drop_peer(&stage->az, &stage->peers[0]);
			mutex_unlock(&stage->az.lock);
			expect_refused(0, dir, &kinds[i].tuple, 0, FZ_REASON_SOURCE);
			fz_authz_reroute_end(&stage->az, false);
			stage->peers[0].dead = false;
			fz_stage_revoke(stage, 0, FZ_STAGE_ANY, "all", dir);
			fz_flow_flush(&stage->az, NULL);
		}
	}
}

/* How many flows a sweep visited, and how many when others had the CPU for the first time. */
static unsigned int visits, visits_alone;

static void note_visits(struct tasklet_struct *tasklet)
{
	visits_alone = visits;
}

static DECLARE_TASKLET(other_work, note_visits);

static bool routes_slowly(const struct fz_authz_peer *ap, u8 family, const union fz_addr *addr)
{
	if (!visits++)
		tasklet_schedule(&other_work);
	mdelay(1);
	return true;
}

/* Sweeps 100 flows, all of which have to be judged again, each with @routes, in the workqueue of sweeps. */
static void sweep_slowly(struct kunit *test,
			 bool (*routes)(const struct fz_authz_peer *ap, u8 family, const union fz_addr *addr))
{
	struct fz_stage *stage = test->priv;
	const struct fz_authz_ops *ops = stage->az.ops;
	struct fz_authz_ops slow = *ops;
	struct fz_tuple tuple;
	unsigned int i;

	visits = 0;
	visits_alone = 0;
	slow.routes = routes;
	set_up(stage, FZ_DIR_IN);
	for (i = 0; i < 100; i++) {
		fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000 + i, "10.2.0.2", 53);
		expect_passes(0, FZ_DIR_IN, &tuple, 0);
	}
	cancel_delayed_work_sync(&stage->az.sweep);
	stage->az.ops = &slow;
	fz_authz_reroute_end(&stage->az, true);
	fz_sweep_expect(&stage->az);
	flush_delayed_work(&stage->az.sweep);
	cancel_delayed_work_sync(&stage->az.sweep);
	stage->az.ops = ops;
	KUNIT_EXPECT_LE(test, 100, visits);
}

/* However long it takes to judge a flow, others do not have to wait for hundreds of them. */
static void sweep_lets_others_work(struct kunit *test)
{
	sweep_slowly(test, routes_slowly);
	tasklet_kill(&other_work);
	KUNIT_EXPECT_GT(test, 50, visits_alone);
}

static struct workqueue_struct *workers;

static void note_worker(struct work_struct *work)
{
	visits_alone = visits;
}

static DECLARE_WORK(a_worker, note_worker);

static bool routes_beside_worker(const struct fz_authz_peer *ap, u8 family, const union fz_addr *addr)
{
	if (!visits++)
		queue_work_on(raw_smp_processor_id(), workers, &a_worker);
	mdelay(1);
	return true;
}

/*
 * Nor has a worker that is to encrypt or decrypt on the CPU that sweeps. Kernels from 6.5 on say the same of any work
 * after 10 ms, if selftests/lab/kunit does not keep them from it.
 */
static void sweep_lets_workers_begin(struct kunit *test)
{
	workers = alloc_workqueue("fz-test", WQ_CPU_INTENSIVE | WQ_MEM_RECLAIM | FZ_COMPAT_WQ_PERCPU, 0);
	KUNIT_ASSERT_NOT_NULL(test, workers);
	sweep_slowly(test, routes_beside_worker);
	destroy_workqueue(workers);
	KUNIT_EXPECT_GT(test, 50, visits_alone);
}

static void peer_removal_ends_all(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct kinds kinds[8];
	unsigned int i, n = make_kinds(stage, kinds);

	set_up(stage, FZ_DIR_IN);
	for (i = 0; i < n; i++)
		expect_passes(0, FZ_DIR_IN, &kinds[i].tuple, kinds[i].flags);
	expect_passes(0, FZ_DIR_OUT, &kinds[1].reply, 0);
	fz_stage_remove(stage, 0);
	KUNIT_EXPECT_EQ(test, n, stage->n_ends);
	expect_end(FZ_END_PEER_REMOVED);
	KUNIT_EXPECT_EQ(test, 0, stage->az.n_flows);
	/* A packet that was under way makes none. */
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_FALSE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &kinds[i].tuple, 0));
	KUNIT_EXPECT_EQ(test, 0, stage->az.n_flows);
}

static void follows_tcp(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply;
	struct fz_flow *flow;

	set_up(stage, FZ_DIR_OUT);
	fz_stage_tuple(stage, &tuple, IPPROTO_TCP, "10.8.0.1", 1000, "10.2.0.2", 22);
	reply = fz_stage_reply(&tuple);
#define state() (flow = fz_stage_flow(stage, 0, FZ_DIR_OUT, &tuple), flow ? flow->state : -1)
	expect_passes(0, FZ_DIR_OUT, &tuple, TCPHDR_SYN);
	KUNIT_EXPECT_EQ(test, FZ_FLOW_OPENING, state());
	expect_passes(0, FZ_DIR_IN, &reply, TCPHDR_SYN | TCPHDR_ACK);
	KUNIT_EXPECT_EQ(test, FZ_FLOW_ESTABLISHED, state());
	/* The other end begins a connection from there: it has no leave of its own. */
	expect_refused(0, FZ_DIR_IN, &reply, TCPHDR_SYN, FZ_REASON_NO_GRANT);
	KUNIT_EXPECT_EQ(test, FZ_FLOW_ESTABLISHED, state());
	expect_passes(0, FZ_DIR_OUT, &tuple, TCPHDR_FIN | TCPHDR_ACK);
	KUNIT_EXPECT_EQ(test, FZ_FLOW_ESTABLISHED, state());
	expect_passes(0, FZ_DIR_IN, &reply, TCPHDR_ACK);
	expect_passes(0, FZ_DIR_IN, &reply, TCPHDR_FIN | TCPHDR_ACK);
	KUNIT_EXPECT_EQ(test, FZ_FLOW_CLOSING, state());
	expect_passes(0, FZ_DIR_OUT, &tuple, TCPHDR_ACK);
	/* The same ports again: another connection. */
	expect_passes(0, FZ_DIR_OUT, &tuple, TCPHDR_SYN);
	expect_end(FZ_END_CLOSED);
	KUNIT_EXPECT_EQ(test, FZ_FLOW_OPENING, state());
	expect_passes(0, FZ_DIR_IN, &reply, TCPHDR_RST | TCPHDR_ACK);
	KUNIT_EXPECT_EQ(test, FZ_FLOW_CLOSING, state());
	/* What is refused ends nothing. */
	expect_refused(0, FZ_DIR_IN, &reply, TCPHDR_SYN, FZ_REASON_NO_GRANT);
	KUNIT_EXPECT_EQ(test, FZ_FLOW_CLOSING, state());
	fz_flow_flush(&stage->az, NULL);
	/* From the middle: as good as its grant. */
	expect_passes(0, FZ_DIR_OUT, &tuple, TCPHDR_ACK);
	KUNIT_EXPECT_EQ(test, FZ_FLOW_OPENING, state());
	expect_refused(1, FZ_DIR_OUT, &tuple, TCPHDR_ACK, FZ_REASON_NO_GRANT);
#undef state
}

static struct sk_buff *connection_packet(struct fz_stage *stage, const struct fz_tuple *tuple,
					 bool opens)
{
	struct sk_buff *skb = fz_stage_packet(stage, tuple, 0, 12);
	u8 *header = skb->data + 20;

	if (tuple->proto == IPPROTO_SCTP)
		header[12] = opens ? 1 : 0;	/* INIT or DATA */
	else
		header[8] = opens ? 0 : 2 << 1;	/* Request or Data */
	return skb;
}

/* SCTP and DCCP: what the far end begins needs leave of its own, as with TCP. */
static void connections_begin_at_one_end(struct kunit *test)
{
	static const u8 protos[] = { IPPROTO_SCTP, IPPROTO_DCCP };
	struct fz_stage *stage = test->priv;
	struct sk_buff_head queue;
	struct fz_tuple tuple, reply;
	struct sk_buff *skb;
	unsigned int dir, i;

#define judge(dir, tuple, opens)							\
	fz_stage_judge(stage, 0, dir, connection_packet(stage, tuple, opens))
	fz_stage_resource(stage, 0, "back", "10.8.0.0/16", "");
	for (dir = 0; dir < FZ_DIRS; dir++) {
		set_up(stage, dir);
		for (i = 0; i < ARRAY_SIZE(protos); i++) {
			fz_stage_tuple(stage, &tuple, protos[i], "10.8.0.1", 1000, "10.2.0.2", 22);
			reply = fz_stage_reply(&tuple);
			KUNIT_EXPECT_TRUE(test, judge(dir, &tuple, true));
			KUNIT_EXPECT_TRUE(test, judge(other(dir), &reply, false));
			KUNIT_EXPECT_FALSE(test, judge(other(dir), &reply, true));
			KUNIT_EXPECT_TRUE(test, judge(dir, &tuple, true));
			/* Also behind packets that are replies. */
			__skb_queue_head_init(&queue);
			__skb_queue_tail(&queue, connection_packet(stage, &reply, false));
			__skb_queue_tail(&queue, connection_packet(stage, &reply, true));
			__skb_queue_tail(&queue, connection_packet(stage, &reply, false));
			local_bh_disable();
			fz_authz_judge(&stage->az, &stage->peers[0], other(dir), &queue);
			local_bh_enable();
			KUNIT_EXPECT_EQ(test, 2, skb_queue_len(&queue));
			__skb_queue_purge(&queue);
			/* With leave it may, and it ends nothing. */
			fz_stage_grant(stage, 0, 0, "back", other(dir), FZ_ACTION_ALLOW, 0);
			KUNIT_EXPECT_TRUE(test, judge(other(dir), &reply, true));
			/* A withdrawn one does not turn round by itself. */
			fz_stage_revoke(stage, 0, 0, "all", dir);
			KUNIT_EXPECT_TRUE(test, judge(other(dir), &reply, true));
			KUNIT_EXPECT_TRUE(test, judge(other(dir), &reply, false));
			KUNIT_EXPECT_FALSE(test, judge(dir, &tuple, false));
			fz_stage_revoke(stage, 0, 0, "back", other(dir));
			set_up(stage, dir);
			fz_flow_flush(&stage->az, NULL);
			/* Without a chunk it is nothing. */
			skb = fz_stage_packet(stage, &tuple, 0, 0);
			KUNIT_EXPECT_FALSE(test, fz_stage_judge(stage, 0, dir, skb));
		}
		KUNIT_EXPECT_EQ(test, 2ULL, fz_stage_refused(stage, dir, FZ_REASON_MALFORMED));
		fz_stage_revoke(stage, 0, 0, "all", dir);
	}
#undef judge
}

static void bad_packets_are_told(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;
	struct sk_buff *skb;

	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.9.0.1", 1000, "10.2.0.2", 53);
	skb = fz_stage_packet(stage, &tuple, 0, 0);
	local_bh_disable();
	fz_authz_bad_packet(&stage->az, &stage->peers[0], FZ_REASON_SOURCE, skb);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, 1ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_SOURCE));
	KUNIT_EXPECT_EQ(test, 1, stage->n_denials);
	KUNIT_EXPECT_EQ(test, FZ_REASON_SOURCE, stage->denials[0].reason);
	KUNIT_EXPECT_EQ(test, FZ_VERDICT_REFUSE, stage->denials[0].verdict);
	KUNIT_EXPECT_EQ(test, FZ_DIR_IN, stage->denials[0].dir);
	KUNIT_EXPECT_MEMEQ(test, &tuple, &stage->denials[0].tuple, sizeof(tuple));

	/* No IP packet at all. */
	skb = fz_stage_packet(stage, &tuple, 0, 0);
	skb_trim(skb, 1);
	skb->protocol = 0;
	local_bh_disable();
	fz_authz_bad_packet(&stage->az, &stage->peers[0], FZ_REASON_MALFORMED, skb);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, 1ULL, fz_stage_refused(stage, FZ_DIR_IN, FZ_REASON_MALFORMED));
	KUNIT_EXPECT_EQ(test, 2, stage->n_denials);
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, stage->denials[1].reason);
	KUNIT_EXPECT_FALSE(test, stage->denials[1].has_tuple);
}

static void pings_do_not_mix(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple ours, theirs, answer;

	/* We may ping the peer; the peer may not ping us, whatever id it takes. */
	set_up(stage, FZ_DIR_OUT);
	fz_stage_ping(stage, &ours, "10.8.0.1", "10.2.0.2", ICMP_ECHO, 5);
	fz_stage_ping(stage, &theirs, "10.2.0.2", "10.8.0.1", ICMP_ECHO, 5);
	expect_passes(0, FZ_DIR_OUT, &ours, 0);
	expect_refused(0, FZ_DIR_IN, &theirs, 0, FZ_REASON_NO_GRANT);
	answer = fz_stage_reply(&ours);
	expect_passes(0, FZ_DIR_IN, &answer, 0);
	answer.icmp_id = 6;
	expect_refused(0, FZ_DIR_IN, &answer, 0, FZ_REASON_NO_GRANT);

	/* An answer that nobody asked for, where a grant admits it, lets no question through. */
	fz_stage_resource(stage, 0, "answers", "10.8.0.0/16", "icmp/0");
	fz_stage_grant(stage, 0, 1, "answers", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	expect_passes(1, FZ_DIR_IN, &answer, 0);
	ours.icmp_id = 6;
	expect_refused(1, FZ_DIR_OUT, &ours, 0, FZ_REASON_NO_GRANT);
}

static void errors_belong_to_flows(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct kinds kinds[8];
	unsigned int i, n = make_kinds(stage, kinds);

	set_up(stage, FZ_DIR_OUT);
	for (i = 0; i < n; i++) {
		const char *router = i < 4 ? "10.2.0.254" : "fd02::ff";

#define error(peer, dir, about)								\
	fz_stage_judge(stage, peer, dir, fz_stage_error(stage, about, router))
		KUNIT_EXPECT_FALSE(test, error(0, FZ_DIR_IN, &kinds[i].tuple));
		expect_passes(0, FZ_DIR_OUT, &kinds[i].tuple, kinds[i].flags);
		KUNIT_EXPECT_TRUE(test, error(0, FZ_DIR_IN, &kinds[i].tuple));
		KUNIT_EXPECT_FALSE(test, error(1, FZ_DIR_IN, &kinds[i].tuple));
		/* It goes against what it quotes. */
		KUNIT_EXPECT_FALSE(test, error(0, FZ_DIR_OUT, &kinds[i].tuple));
		expect_passes(0, FZ_DIR_IN, &kinds[i].reply, kinds[i].reply_flags);
		KUNIT_EXPECT_TRUE(test, error(0, FZ_DIR_OUT, &kinds[i].reply));
	}
	fz_stage_revoke(stage, 0, 0, "all", FZ_DIR_OUT);
	for (i = 0; i < n; i++) {
		const char *router = i < 4 ? "10.2.0.254" : "fd02::ff";

		KUNIT_EXPECT_FALSE(test, error(0, FZ_DIR_IN, &kinds[i].tuple));
#undef error
	}
}

static void modes_change_under_flows(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple granted, other_port, reply;
	struct fz_authz_stats stats;

	fz_stage_resource(stage, 0, "ssh", "10.2.0.0/16", "tcp/22");
	fz_stage_grant(stage, 0, 0, "ssh", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	fz_stage_tuple(stage, &granted, IPPROTO_TCP, "10.8.0.1", 1000, "10.2.0.2", 22);
	fz_stage_tuple(stage, &other_port, IPPROTO_TCP, "10.8.0.1", 1000, "10.2.0.2", 80);
	reply = fz_stage_reply(&granted);
	fz_stage_mode(stage, FZ_STAGE_ANY, FZ_DIR_IN, FZ_MODE_OPEN, 0);
	expect_passes(0, FZ_DIR_IN, &granted, TCPHDR_SYN);
	expect_passes(0, FZ_DIR_IN, &other_port, TCPHDR_SYN);
	KUNIT_EXPECT_EQ(test, 0, stage->n_denials);

	fz_stage_mode(stage, FZ_STAGE_ANY, FZ_DIR_IN, FZ_MODE_OBSERVE, 0);
	expect_passes(0, FZ_DIR_IN, &granted, 0);
	expect_passes(0, FZ_DIR_IN, &other_port, 0);
	expect_passes(0, FZ_DIR_IN, &other_port, 0);
	/* Told once a flow, counted each packet. */
	KUNIT_EXPECT_EQ(test, 1, stage->n_denials);
	KUNIT_EXPECT_EQ(test, FZ_VERDICT_OBSERVE, stage->denials[0].verdict);
	KUNIT_EXPECT_EQ(test, FZ_REASON_NO_GRANT, stage->denials[0].reason);
	KUNIT_EXPECT_EQ(test, 80, stage->denials[0].tuple.dport);
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 2ULL, stats.observed[FZ_DIR_IN][FZ_REASON_NO_GRANT]);

	/* To enforce: a reply comes first, and is not lost. */
	fz_stage_mode(stage, FZ_STAGE_ANY, FZ_DIR_IN, FZ_MODE_ENFORCE, 0);
	expect_passes(0, FZ_DIR_OUT, &reply, TCPHDR_SYN | TCPHDR_ACK);
	expect_passes(0, FZ_DIR_IN, &granted, 0);
	KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
	expect_refused(0, FZ_DIR_IN, &other_port, 0, FZ_REASON_NO_GRANT);
	KUNIT_EXPECT_EQ(test, 1, stage->n_ends);
	expect_end(FZ_END_MODE);

	/* A peer has its own. */
	fz_stage_mode(stage, 1, FZ_DIR_IN, FZ_MODE_OPEN, 0);
	expect_passes(1, FZ_DIR_IN, &other_port, 0);
	expect_refused(0, FZ_DIR_IN, &other_port, 0, FZ_REASON_NO_GRANT);
	fz_stage_mode(stage, 1, FZ_DIR_IN, FZ_MODE_INHERIT, 0);
	expect_refused(1, FZ_DIR_IN, &other_port, 0, FZ_REASON_NO_GRANT);
}

static void refuses_bad_modes(struct kunit *test)
{
	struct fz_mode_setting setting = { .mode = FZ_MODE_INHERIT };

	KUNIT_EXPECT_EQ(test, -EINVAL, fz_mode_check(&setting, false, NULL));
	KUNIT_EXPECT_EQ(test, 0, fz_mode_check(&setting, true, NULL));
	setting.mode = FZ_MODE_MAX + 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, fz_mode_check(&setting, true, NULL));
	setting = (struct fz_mode_setting){ .mode = FZ_MODE_OPEN, .flags = FZ_MODE_F_ASK };
	KUNIT_EXPECT_EQ(test, -EINVAL, fz_mode_check(&setting, true, NULL));
	setting = (struct fz_mode_setting){ .mode = FZ_MODE_ENFORCE, .flags = 4 };
	KUNIT_EXPECT_EQ(test, -EINVAL, fz_mode_check(&setting, true, NULL));
}

/* In mode open nothing is refused, whatever it looks like. */
static void open_is_open(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;
	struct sk_buff *skb;

	fz_stage_mode(stage, FZ_STAGE_ANY, FZ_DIR_IN, FZ_MODE_OPEN, 0);
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 22);
	skb = fz_stage_packet(stage, &tuple, 0, 0);
	skb->data[25] = 1;
	KUNIT_EXPECT_TRUE(test, fz_stage_judge(stage, 0, FZ_DIR_IN, skb));
	KUNIT_EXPECT_TRUE(test, fz_stage_judge(stage, 0, FZ_DIR_IN,
					       fz_stage_fragment(stage, &tuple, 1, 64, 8, false)));
	fz_max_flows_set(&stage->az, 1);
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
	tuple.sport++;
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
	tuple.sport++;
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
	KUNIT_EXPECT_EQ(test, 1, stage->az.n_flows);
	KUNIT_EXPECT_EQ(test, 0, stage->n_denials);
}

static void makes_room(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz_stats stats;
	struct fz_tuple tuple, reply, kept;
	unsigned int i;

	set_up(stage, FZ_DIR_IN);
	fz_stage_grant(stage, 0, 1, "all", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	KUNIT_EXPECT_EQ(test, -ERANGE, fz_max_flows_check(0, NULL));
	KUNIT_EXPECT_EQ(test, -ERANGE, fz_max_flows_check(FZ_FLOWS_MAX_LIMIT + 1, NULL));
	fz_max_flows_set(&stage->az, 8);
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	kept = tuple;
	reply = fz_stage_reply(&kept);
	expect_passes(0, FZ_DIR_IN, &kept, 0);
	expect_passes(0, FZ_DIR_OUT, &reply, 0);
	/* One peer takes three quarters at most, and loses its own unanswered ones. */
	for (i = 0; i < 100; i++) {
		tuple.sport++;
		expect_passes(0, FZ_DIR_IN, &tuple, 0);
	}
	KUNIT_EXPECT_EQ(test, 6, stage->az.n_flows);
	expect_end(FZ_END_EVICTED);
	KUNIT_EXPECT_NOT_NULL(test, fz_stage_flow(stage, 0, FZ_DIR_IN, &kept));
	expect_passes(0, FZ_DIR_OUT, &reply, 0);
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 95ULL, stats.flows_evicted);
	KUNIT_EXPECT_EQ(test, 101ULL, stats.flows_created);
	/* The other peer has room. */
	for (i = 0; i < 3; i++) {
		tuple.sport++;
		expect_passes(1, FZ_DIR_IN, &tuple, 0);
		reply = fz_stage_reply(&tuple);
		expect_passes(1, FZ_DIR_OUT, &reply, 0);
	}
	KUNIT_EXPECT_EQ(test, 8, stage->az.n_flows);
	/* All answered: no room is made. */
	fz_flow_flush(&stage->az, &stage->peers[0]);
	for (i = 0; i < 3; i++) {
		tuple.sport++;
		expect_passes(1, FZ_DIR_IN, &tuple, 0);
		reply = fz_stage_reply(&tuple);
		expect_passes(1, FZ_DIR_OUT, &reply, 0);
	}
	tuple.sport++;
	expect_refused(1, FZ_DIR_IN, &tuple, 0, FZ_REASON_TABLE_FULL);
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
}

/* What is just being judged does not keep another from making room. */
static void busy_flows_stay(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	static struct lock_class_key busy;
	struct fz_flow *oldest;
	struct fz_tuple tuple;
	struct sk_buff *skb;
	unsigned int i;
	bool passes;

	set_up(stage, FZ_DIR_IN);
	for (i = 0; i < FZ_DIRS; i++) {
		/* First it is the peer that has too many, then all of them. */
		fz_max_flows_set(&stage->az, 3);
		stage->az.max_peer_flows = 3 + i;
		fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
		for (; tuple.sport < 1003; tuple.sport++)
			expect_passes(0, FZ_DIR_IN, &tuple, 0);
		tuple.sport = 1000;
		oldest = fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple);
		KUNIT_ASSERT_NOT_NULL(test, oldest);
		tuple.sport = 1003;
		skb = fz_stage_packet(stage, &tuple, 0, 0);
		/* Another CPU's, in truth: lockdep must not take it for that of the new flow. */
		lockdep_set_class(&oldest->lock, &busy);
		spin_lock_bh(&oldest->lock);
		passes = fz_stage_judge(stage, 0, FZ_DIR_IN, skb);
		spin_unlock_bh(&oldest->lock);
		KUNIT_EXPECT_TRUE(test, passes);
		KUNIT_EXPECT_FALSE(test, oldest->dead);
		tuple.sport = 1001;
		KUNIT_EXPECT_NULL(test, fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple));
		fz_flow_flush(&stage->az, NULL);
	}
}

/*
 * A table full of withdrawn flows takes new ones, and those that made room for them still do not
 * come back as replies.
 */
static void withdrawn_flows_make_room(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz_stats stats;
	struct kinds kinds[8];
	struct fz_tuple tuple, reply;
	unsigned int dir, i, n = make_kinds(stage, kinds);

	set_up_back(stage);
	fz_stage_resource(stage, 0, "new", "10.3.0.0/16", "");
	fz_max_flows_set(&stage->az, n);
	for (dir = 0; dir < FZ_DIRS; dir++) {
		/* First it is the peer that has too many, then all of them. */
		stage->az.max_peer_flows = n + dir;
		fz_stage_grant(stage, 0, 0, "back", other(dir), FZ_ACTION_ALLOW, 0);
		fz_stage_grant(stage, 0, 0, "new", dir, FZ_ACTION_ALLOW, 0);
		set_up(stage, dir);
		for (i = 0; i < n; i++) {
			expect_passes(0, dir, &kinds[i].tuple, kinds[i].flags);
			expect_passes(0, other(dir), &kinds[i].reply, kinds[i].reply_flags);
		}
		fz_stage_revoke(stage, 0, 0, "all", dir);
		fz_stage_sweep(stage);
		stage->n_ends = 0;
		for (i = 0; i < n; i++) {
			fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000 + i, "10.3.0.2",
				       53);
			reply = fz_stage_reply(&tuple);
			expect_passes(0, dir, &tuple, 0);
			expect_passes(0, other(dir), &reply, 0);
		}
		KUNIT_EXPECT_EQ(test, n, stage->az.n_flows);
		/* What lives has not been touched, and their end was told before. */
		KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
		fz_authz_stats(&stage->az, &stats);
		KUNIT_EXPECT_EQ(test, 0ULL, stats.flows_evicted);
		fz_flow_end_peer(&stage->az, &stage->peers[0], FZ_END_FLUSHED);
		for (i = 0; i < n; i++) {
			expect_far_end(stage, &kinds[i], dir);
			expect_refused(0, dir, &kinds[i].tuple, 0, FZ_REASON_NO_GRANT);
		}
		/* What really begins at the far end may, and whatever never was a reply. */
		expect_passes(0, other(dir), &kinds[0].reply, TCPHDR_SYN);
		expect_refused(0, dir, &kinds[0].tuple, TCPHDR_ACK, FZ_REASON_NO_GRANT);
		for (i = 1000; i < 1003; i++) {
			fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.5.0.2", i, "10.8.0.1", 1000);
			expect_passes(0, other(dir), &tuple, 0);
		}
		fz_flow_end_peer(&stage->az, &stage->peers[0], FZ_END_FLUSHED);
		/* While somebody goes on sending it is remembered; then forgotten. */
		for (i = 0; i < 6; i++) {
			stage->az.ghosts->turned = jiffies - FZ_TIMEOUT_MAX * HZ;
			fz_stage_sweep(stage);
			expect_refused(0, other(dir), &kinds[0].reply, 0, FZ_REASON_NO_GRANT);
		}
		expect_passes(0, other(dir), &kinds[3].reply, 0);
		/* Granted again, it begins anew, and has replies. */
		set_up(stage, dir);
		expect_passes(0, dir, &kinds[1].tuple, 0);
		expect_passes(0, other(dir), &kinds[1].reply, 0);
		fz_flow_flush(&stage->az, NULL);
		expect_passes(0, other(dir), &kinds[1].reply, 0);
		fz_flow_flush(&stage->az, NULL);
		fz_stage_revoke(stage, 0, 0, "all", dir);
		fz_stage_revoke(stage, 0, 0, "new", dir);
		fz_stage_revoke(stage, 0, 0, "back", other(dir));
	}
}

static u32 young_bits(const struct fz_ghosts *ghosts)
{
	return rcu_dereference_protected(ghosts->sets[ghosts->young], true)->mask + 1;
}

/* What was withdrawn from a small table stays known when there is room for more. */
static void ghosts_grow_with_the_table(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply, next;
	u32 small;

	fz_max_flows_set(&stage->az, 1);
	stage->az.max_peer_flows = 1;
	fz_stage_resource(stage, 0, "back", "10.8.0.0/16", "");
	fz_stage_grant(stage, 0, 0, "back", FZ_DIR_OUT, FZ_ACTION_ALLOW, 0);
	set_up(stage, FZ_DIR_IN);
	fz_stage_tuple(stage, &tuple, IPPROTO_TCP, "10.8.0.1", 1000, "10.2.0.2", 22);
	fz_stage_tuple(stage, &next, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	reply = fz_stage_reply(&tuple);
	expect_passes(0, FZ_DIR_IN, &tuple, TCPHDR_SYN);
	fz_stage_revoke(stage, 0, 0, "all", FZ_DIR_IN);
	fz_stage_sweep(stage);
	set_up(stage, FZ_DIR_IN);
	expect_passes(0, FZ_DIR_IN, &next, 0);
	fz_stage_revoke(stage, 0, 0, "all", FZ_DIR_IN);
	expect_refused(0, FZ_DIR_OUT, &reply, TCPHDR_ACK, FZ_REASON_NO_GRANT);
	KUNIT_ASSERT_NOT_NULL(test, stage->az.ghosts);
	small = young_bits(stage->az.ghosts);

	fz_max_flows_set(&stage->az, 100000);
	fz_stage_sweep(stage);
	KUNIT_EXPECT_GT(test, young_bits(stage->az.ghosts), small);
	expect_refused(0, FZ_DIR_OUT, &reply, TCPHDR_ACK, FZ_REASON_NO_GRANT);
	/* The larger one has taken it over. The older set is needed no more, and grows in its turn. */
	fz_stage_sweep(stage);
	stage->az.ghosts->turned = jiffies - FZ_TIMEOUT_MAX * HZ;
	fz_stage_sweep(stage);
	KUNIT_EXPECT_GT(test, young_bits(stage->az.ghosts), small);
	expect_refused(0, FZ_DIR_OUT, &reply, TCPHDR_ACK, FZ_REASON_NO_GRANT);
}

static void silence_ends_it(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_timeouts timeouts = { .udp_new = FZ_TIMEOUT_MAX + 1 };
	struct fz_tuple tuple, reply;
	struct fz_flow *flow;

	KUNIT_EXPECT_EQ(test, -ERANGE, fz_timeouts_check(&timeouts, NULL));
	timeouts.udp_new = 7;
	KUNIT_EXPECT_EQ(test, 0, fz_timeouts_check(&timeouts, NULL));
	fz_timeouts_set(&stage->az, &timeouts);
	fz_timeouts_get(&stage->az, &timeouts);
	KUNIT_EXPECT_EQ(test, 7, timeouts.udp_new);
	KUNIT_EXPECT_EQ(test, 7440, timeouts.tcp_established);

	set_up(stage, FZ_DIR_IN);
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	reply = fz_stage_reply(&tuple);
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
	flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple);
#define pass_time(seconds)								\
	do {										\
		flow->side[0].used -= (seconds) * HZ;					\
		flow->side[1].used -= (seconds) * HZ;					\
	} while (0)
	pass_time(6);
	fz_stage_sweep(stage);
	KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
	/* One that is heard has longer. */
	expect_passes(0, FZ_DIR_OUT, &reply, 0);
	pass_time(170);
	fz_stage_sweep(stage);
	KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
	pass_time(12);
	fz_stage_sweep(stage);
	KUNIT_EXPECT_EQ(test, 1, stage->n_ends);
	expect_end(FZ_END_TIMEOUT);
	/* Late, but before the sweep: the answer is no answer any more. */
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
	flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple);
	pass_time(8);
	expect_refused(0, FZ_DIR_OUT, &reply, 0, FZ_REASON_NO_GRANT);
	KUNIT_EXPECT_EQ(test, 2, stage->n_ends);
#undef pass_time
}

/* The counts of a grant outlive the epoch that restates it. */
static void epoch_keeps_flows(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_grant_info info;
	struct fz_tuple tuple;
	struct fz_flow *flow;

	fz_stage_resource(stage, 0, "dns", "10.2.0.0/16", "udp/53");
	fz_stage_grant(stage, 0, 0, "dns", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
	fz_stage_sweep(stage);
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
	fz_epoch_begin(&stage->az, 7, NULL);
	fz_stage_resource(stage, 7, "dns", "10.2.0.0/16", "udp/53");
	fz_stage_grant(stage, 7, 0, "dns", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
	KUNIT_EXPECT_EQ(test, 0, fz_epoch_commit(&stage->az, 7, NULL));
	expect_passes(0, FZ_DIR_IN, &tuple, 0);
	fz_stage_sweep(stage);
	KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
	KUNIT_EXPECT_EQ(test, 1, stage->n_starts);
	flow = fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple);
	KUNIT_ASSERT_NOT_NULL(test, flow);
	rcu_read_lock();
	fz_grant_read(rcu_dereference(flow->grant), &info);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, 4ULL, info.packets);
	KUNIT_EXPECT_EQ(test, 1, info.flows);
}

static int list_flow(void *context, const struct fz_flow_info *info)
{
	unsigned int *seen = context;

	(*seen)++;
	return 0;
}

static void lists_flows(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_flow_cursor *cursor = kunit_kzalloc(test, sizeof(*cursor), GFP_KERNEL);
	struct fz_tuple tuple;
	unsigned int seen = 0;

	set_up(stage, FZ_DIR_IN);
	fz_stage_grant(stage, 0, 1, "all", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	fz_stage_tuple(stage, &tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	for (; tuple.sport < 1030; tuple.sport++)
		expect_passes(tuple.sport % 3 == 0, FZ_DIR_IN, &tuple, 0);
	fz_flow_dump_begin(&stage->az, cursor, NULL);
	KUNIT_EXPECT_EQ(test, 0, fz_flow_dump(cursor, list_flow, &seen));
	fz_flow_dump_end(cursor);
	KUNIT_EXPECT_EQ(test, 30, seen);
	seen = 0;
	fz_flow_dump_begin(&stage->az, cursor, &stage->peers[1]);
	KUNIT_EXPECT_EQ(test, 0, fz_flow_dump(cursor, list_flow, &seen));
	fz_flow_dump_end(cursor);
	KUNIT_EXPECT_EQ(test, 10, seen);
}

/* Answers to what is refused, back the way it came. */
static void rejects(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_packet packet;
	struct kinds kinds[8];
	struct sk_buff *skb;
	unsigned int dir, i, n = make_kinds(stage, kinds);

	for (dir = 0; dir < FZ_DIRS; dir++) {
		fz_stage_mode(stage, FZ_STAGE_ANY, dir, FZ_MODE_ENFORCE, FZ_MODE_F_REJECT);
		for (i = 0; i < n; i++) {
			expect_refused(0, dir, &kinds[i].tuple, kinds[i].flags, FZ_REASON_NO_GRANT);
			skb = __skb_dequeue(dir == FZ_DIR_IN ? &stage->sent : &stage->delivered);
			KUNIT_ASSERT_NOT_NULL(test, skb);
			KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, fz_dissect(skb, &packet));
			KUNIT_EXPECT_MEMEQ(test, &kinds[i].tuple.src, &packet.tuple.dst, 16);
			KUNIT_EXPECT_MEMEQ(test, &kinds[i].tuple.dst, &packet.tuple.src, 16);
			if (kinds[i].tuple.proto == IPPROTO_TCP) {
				KUNIT_EXPECT_EQ(test, TCPHDR_RST | TCPHDR_ACK, packet.tcp_flags);
				KUNIT_EXPECT_EQ(test, kinds[i].tuple.sport, packet.tuple.dport);
				/* The SYN and ten bytes. */
				KUNIT_EXPECT_EQ(test, 11,
						ntohl(*(__be32 *)(skb->data + packet.l4 + 8)));
			} else {
				KUNIT_EXPECT_EQ(test, FZ_PACKET_ERROR, packet.kind);
				KUNIT_EXPECT_MEMEQ(test, &kinds[i].tuple, &packet.quoted,
						   sizeof(packet.quoted));
			}
			kfree_skb(skb);
		}
		/* What must not be answered. */
		fz_stage_pass(stage, 0, dir, &kinds[0].tuple, TCPHDR_RST);
		fz_stage_judge(stage, 0, dir,
			       fz_stage_error(stage, &kinds[0].tuple, "10.2.0.254"));
		KUNIT_EXPECT_TRUE(test, skb_queue_empty(&stage->sent));
		KUNIT_EXPECT_TRUE(test, skb_queue_empty(&stage->delivered));
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(replies_need_no_grant),
	KUNIT_CASE(counts_exactly),
	KUNIT_CASE(ends_with_the_next_packet),
	KUNIT_CASE(a_withdrawn_flow_does_not_turn_round),
	KUNIT_CASE(a_withdrawn_flow_parts_no_datagram),
	KUNIT_CASE(a_withdrawn_flow_stays_so_for_ever),
	KUNIT_CASE(one_syn_revives_nothing),
	KUNIT_CASE(bogus_reset_frees_nothing),
	KUNIT_CASE(idle_flows_end_too),
	KUNIT_CASE(another_grant_carries_on),
	KUNIT_CASE(lease_ends_it),
	KUNIT_CASE(lost_address_ends_it),
	KUNIT_CASE(lost_address_begins_none),
	KUNIT_CASE(removal_is_why),
	KUNIT_CASE(removal_frees_nothing),
	KUNIT_CASE(sweep_lets_others_work),
	KUNIT_CASE(sweep_lets_workers_begin),
	KUNIT_CASE(peer_removal_ends_all),
	KUNIT_CASE(follows_tcp),
	KUNIT_CASE(connections_begin_at_one_end),
	KUNIT_CASE(bad_packets_are_told),
	KUNIT_CASE(pings_do_not_mix),
	KUNIT_CASE(errors_belong_to_flows),
	KUNIT_CASE(modes_change_under_flows),
	KUNIT_CASE(refuses_bad_modes),
	KUNIT_CASE(open_is_open),
	KUNIT_CASE(makes_room),
	KUNIT_CASE(busy_flows_stay),
	KUNIT_CASE(withdrawn_flows_make_room),
	KUNIT_CASE(ghosts_grow_with_the_table),
	KUNIT_CASE(silence_ends_it),
	KUNIT_CASE(epoch_keeps_flows),
	KUNIT_CASE(lists_flows),
	KUNIT_CASE(rejects),
	{}
};

struct kunit_suite fz_flow_suite = {
	.name = "fz_flow",
	.init = fz_stage_init,
	.exit = fz_stage_exit,
	.test_cases = cases,
};
