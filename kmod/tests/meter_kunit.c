// SPDX-License-Identifier: GPL-2.0-only
/* Limits of grants: paces by a clock of the test's own, quotas to the packet. */

#include <linux/random.h>
#include <linux/slab.h>
#include <net/tcp.h>

#include "authz/meter.h"
#include "tests/stage.h"
#include "tests/suites.h"

#define TEN_SECONDS (10 * NSEC_PER_SEC)
/* With any but the first, what a test meter is asked at. */
#define START (1234567 * NSEC_PER_SEC)

static struct fz_meter *meter_of(struct kunit *test, struct fz_limits limits)
{
	struct fz_meter *meter = fz_meter_alloc(&limits);

	KUNIT_ASSERT_NOT_NULL(test, meter);
	return meter;
}

/* As packets do it: where no other can come in between. */
static enum fz_reason take(struct fz_meter *meter, u64 bytes, u64 now)
{
	enum fz_reason reason;

	local_bh_disable();
	reason = fz_meter_take(meter, bytes, now);
	local_bh_enable();
	return reason;
}

static enum fz_reason take_flow(struct fz_meter *meter, u64 now)
{
	enum fz_reason reason;

	local_bh_disable();
	reason = fz_meter_take_flow(meter, now);
	local_bh_enable();
	return reason;
}

/* Offers packets of @longest bytes at most, twice as fast as @rate, for ten seconds; what passed. */
static u64 pass_for_ten_seconds(struct fz_meter *meter, u64 rate, unsigned int longest)
{
	u64 now = START, passed = 0, bytes, step;

	/* No more than some hundred thousand steps, however fast. */
	while (now < START + TEN_SECONDS) {
		bytes = longest / 2 + get_random_u32() % (longest / 2);
		step = div64_u64(bytes * 8 * NSEC_PER_SEC, 2 * rate);
		if (take(meter, bytes, now) == FZ_REASON_NONE)
			passed += bytes;
		now += max(step, 1ULL);
	}
	return passed * 8;
}

static void rate_is_kept(struct kunit *test)
{
	static const struct {
		u64 rate;
		unsigned int longest;
	} cases[] = {
		{ 100000, 100 }, { 1000000, 1500 }, { 33333333, 1500 }, { 1000000000, 65536 },
		{ 40000000000, 524288 }, { FZ_RATE_MAX, 524288 },
	};
	unsigned int i;

	for (i = 0; i + 1 < ARRAY_SIZE(cases); i++) {
		struct fz_meter *meter = meter_of(test, (struct fz_limits){ .rate = cases[i].rate });
		u64 passed = pass_for_ten_seconds(meter, cases[i].rate, cases[i].longest);
		u64 want = 10 * cases[i].rate;

		KUNIT_EXPECT_LE(test, passed, want + want / 50);
		KUNIT_EXPECT_GE(test, passed, want - want / 50);
		fz_meter_put(meter);
	}
	/* Nobody sends as fast as the fastest. */
	{
		struct fz_meter *meter = meter_of(test, (struct fz_limits){ .rate = cases[i].rate });
		unsigned int n;

		for (n = 0; n < 1000; n++)
			KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, take(meter, 524288, START));
		fz_meter_put(meter);
	}
}

static void any_packet_passes_some_time(struct kunit *test)
{
	struct fz_meter *meter = meter_of(test, (struct fz_limits){ .rate = 1 });

	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, take(meter, 125, START));
	KUNIT_EXPECT_EQ(test, FZ_REASON_RATE, take(meter, 125, START + 999 * NSEC_PER_SEC));
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, take(meter, 125, START + 1000 * NSEC_PER_SEC));
	/* Another rate counts at once. */
	fz_meter_set(meter, &(struct fz_limits){ .rate = 1000 });
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, take(meter, 125, START + 1000 * NSEC_PER_SEC));
	KUNIT_EXPECT_EQ(test, FZ_REASON_RATE, take(meter, 125, START + 1000 * NSEC_PER_SEC));
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, take(meter, 125, START + 1001 * NSEC_PER_SEC));
	fz_meter_put(meter);
}

static void new_flows_are_kept(struct kunit *test)
{
	static const u32 rates[] = { 1, 7, 100, 30000 };
	unsigned int i, passed;
	u64 now;

	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		struct fz_meter *meter = meter_of(test, (struct fz_limits){ .flow_rate = rates[i] });
		u64 step = div_u64(NSEC_PER_SEC, 3 * rates[i]);

		passed = 0;
		for (now = START; now < START + TEN_SECONDS; now += step)
			passed += take_flow(meter, now) == FZ_REASON_NONE;
		KUNIT_EXPECT_LE(test, passed, 10 * rates[i] + rates[i] / 5 + 1);
		KUNIT_EXPECT_GE(test, passed, 10 * rates[i] - rates[i] / 5);
		fz_meter_put(meter);
	}
}

/* --- by packets --------------------------------------------------------------- */

#define passes() fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, 0)
#define replies() fz_stage_pass(stage, 0, FZ_DIR_OUT, &reply, 0)
#define refused(dir, reason) fz_stage_refused(stage, dir, FZ_REASON_##reason)

static int grant(struct fz_stage *stage, u64 owner, int peer, struct fz_limits limits, u8 tag)
{
	struct fz_grant_spec spec = {
		.ap = peer >= 0 ? &stage->peers[peer] : NULL,
		.resource = "all",
		.dir = FZ_DIR_IN,
		.action = FZ_ACTION_ALLOW,
		.tag = { tag },
		.limits = limits,
	};

	return fz_grant_set(&stage->az, owner, &spec, 1, NULL, NULL);
}

static void set_up(struct fz_stage *stage, struct fz_tuple *tuple, struct fz_tuple *reply)
{
	fz_stage_resource(stage, 0, "all", "10.2.0.0/16", "");
	fz_stage_tuple(stage, tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	*reply = fz_stage_reply(tuple);
}

/* A packet of fz_stage_pass() to this, and one back. */
#define LEN 38ULL

/* Packets pass until one does not; how many did. */
static unsigned int count(struct fz_stage *stage, struct fz_tuple *tuple)
{
	unsigned int n = 0;

	while (n < 1000 && fz_stage_pass(stage, 0, FZ_DIR_IN, tuple, 0))
		n++;
	return n;
}

static void quota_ends_to_the_packet(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply;
	struct fz_flow_info *info = &stage->infos[0];

	set_up(stage, &tuple, &reply);
	grant(stage, 0, 0, (struct fz_limits){ .quota = 6 * LEN - 1 }, 7);
	KUNIT_EXPECT_TRUE(test, passes());
	KUNIT_EXPECT_TRUE(test, replies());
	KUNIT_EXPECT_TRUE(test, passes());
	KUNIT_EXPECT_TRUE(test, replies());
	KUNIT_EXPECT_TRUE(test, replies());
	KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
	KUNIT_EXPECT_FALSE(test, replies());
	KUNIT_EXPECT_EQ(test, 1ULL, refused(FZ_DIR_OUT, QUOTA));
	KUNIT_EXPECT_EQ(test, 1, stage->n_ends);
	KUNIT_EXPECT_EQ(test, FZ_END_QUOTA, stage->ends[0]);
	KUNIT_EXPECT_EQ(test, 5 * LEN, info->orig_bytes + info->reply_bytes);
	KUNIT_EXPECT_EQ(test, 7, stage->denials[0].tag[0]);
	/* A new flow does not begin, nor is this one begun again. */
	KUNIT_EXPECT_FALSE(test, passes());
	tuple.sport++;
	KUNIT_EXPECT_FALSE(test, passes());
	KUNIT_EXPECT_EQ(test, 2ULL, refused(FZ_DIR_IN, QUOTA));
	KUNIT_EXPECT_EQ(test, 1, stage->n_starts);

	/* Larger, it goes on where it was; smaller, it ends. */
	grant(stage, 0, 0, (struct fz_limits){ .quota = 8 * LEN }, 7);
	KUNIT_EXPECT_EQ(test, 3, count(stage, &tuple));
	grant(stage, 0, 0, (struct fz_limits){ .quota = 100 * LEN }, 7);
	KUNIT_EXPECT_TRUE(test, passes());
	grant(stage, 0, 0, (struct fz_limits){ .quota = 2 }, 7);
	KUNIT_EXPECT_FALSE(test, passes());
	grant(stage, 0, 0, (struct fz_limits){}, 7);
	KUNIT_EXPECT_EQ(test, 1000, count(stage, &tuple));
}

/* The last segment has what is left of the payload. */
static struct sk_buff *super_packet(struct fz_stage *stage, const struct fz_tuple *tuple,
				    unsigned int segments, unsigned int payload, unsigned int type)
{
	struct sk_buff *skb = fz_stage_packet(stage, tuple, 0, segments * payload - 1);

	skb_shinfo(skb)->gso_size = payload;
	skb_shinfo(skb)->gso_segs = segments;
	skb_shinfo(skb)->gso_type = type;
	return skb;
}

static void segments_count_with_their_headers(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	const struct fz_flow_info *info;
	struct fz_tuple tuple, reply;
	struct sk_buff *skb;

	set_up(stage, &tuple, &reply);
	grant(stage, 0, 0, (struct fz_limits){ .quota = LEN + 10 * (28 + 48) - 1 }, 0);
	KUNIT_EXPECT_TRUE(test, passes());
	KUNIT_EXPECT_TRUE(test, fz_stage_judge(stage, 0, FZ_DIR_OUT,
					       super_packet(stage, &reply, 10, 48, SKB_GSO_UDP_L4)));
	KUNIT_EXPECT_FALSE(test, passes());
	KUNIT_EXPECT_EQ(test, 10ULL * (28 + 48) - 1, stage->infos[0].reply_bytes);
	KUNIT_EXPECT_EQ(test, 10ULL, stage->infos[0].reply_packets);

	/* As AF_PACKET makes it, where nobody has counted yet. */
	grant(stage, 0, 0, (struct fz_limits){}, 0);
	KUNIT_EXPECT_TRUE(test, passes());
	grant(stage, 0, 0, (struct fz_limits){ .quota = LEN + 10 * (28 + 48) - 1 }, 0);
	KUNIT_EXPECT_TRUE(test, passes());
	skb = super_packet(stage, &reply, 10, 48, SKB_GSO_UDP_L4);
	skb_shinfo(skb)->gso_segs = 0;
	KUNIT_EXPECT_TRUE(test, fz_stage_judge(stage, 0, FZ_DIR_OUT, skb));
	KUNIT_EXPECT_FALSE(test, passes());
	info = &stage->infos[(stage->n_ends - 1) % FZ_STAGE_RECORDS];
	KUNIT_EXPECT_EQ(test, 10ULL, info->reply_packets);
	KUNIT_EXPECT_EQ(test, 10ULL * (28 + 48) - 1, info->reply_bytes);

	fz_stage_tuple(stage, &tuple, IPPROTO_TCP, "10.8.0.1", 1000, "10.2.0.2", 80);
	reply = fz_stage_reply(&tuple);
	grant(stage, 0, 0, (struct fz_limits){}, 0);
	KUNIT_EXPECT_TRUE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &tuple, TCPHDR_SYN));
	grant(stage, 0, 0, (struct fz_limits){ .quota = 10 * (40 + 48) - 1 }, 0);
	KUNIT_EXPECT_TRUE(test, fz_stage_judge(stage, 0, FZ_DIR_OUT,
					       super_packet(stage, &reply, 10, 48, SKB_GSO_TCPV4)));
	KUNIT_EXPECT_FALSE(test, replies());
}

static void idle_flows_end_with_the_quota(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply, other;

	set_up(stage, &tuple, &reply);
	grant(stage, 0, 0, (struct fz_limits){ .quota = 2 * LEN }, 0);
	other = tuple;
	other.sport++;
	KUNIT_EXPECT_TRUE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &other, 0));
	KUNIT_EXPECT_EQ(test, 1, count(stage, &tuple));
	KUNIT_EXPECT_EQ(test, 1, stage->n_ends);
	fz_stage_sweep(stage);
	KUNIT_EXPECT_EQ(test, 2, stage->n_ends);
	KUNIT_EXPECT_EQ(test, FZ_END_QUOTA, stage->ends[1]);
}

static void another_grant_goes_on(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply;

	set_up(stage, &tuple, &reply);
	grant(stage, 0, 0, (struct fz_limits){ .quota = 3 * LEN }, 0);
	grant(stage, 0, FZ_STAGE_ANY, (struct fz_limits){ .quota = 4 * LEN }, 0);
	KUNIT_EXPECT_EQ(test, 7, count(stage, &tuple));
	KUNIT_EXPECT_EQ(test, 1, stage->n_starts);
	/* One without limits comes before all others, also for a flow that has one. */
	grant(stage, 0, FZ_STAGE_ANY, (struct fz_limits){ .quota = 6 * LEN }, 0);
	KUNIT_EXPECT_TRUE(test, passes());
	fz_stage_resource(stage, 0, "more", "10.2.0.2", "");
	fz_stage_grant(stage, 0, 0, "more", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	KUNIT_EXPECT_EQ(test, 1000, count(stage, &tuple));
	fz_stage_revoke(stage, 0, 0, "more", FZ_DIR_IN);
	KUNIT_EXPECT_EQ(test, 1, count(stage, &tuple));
}

static void limits_come_and_go(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_limits slow = { .rate = 1 };
	struct fz_tuple tuple, reply;

	set_up(stage, &tuple, &reply);
	grant(stage, 0, 0, slow, 0);
	grant(stage, 0, FZ_STAGE_ANY, slow, 0);
	KUNIT_EXPECT_EQ(test, 1, count(stage, &tuple));
	/* Whichever it is that admits the flow, one without limits does now. */
	grant(stage, 0, 0, (struct fz_limits){}, 0);
	KUNIT_EXPECT_EQ(test, 1000, count(stage, &tuple));
	grant(stage, 0, FZ_STAGE_ANY, (struct fz_limits){}, 0);
	grant(stage, 0, 0, slow, 0);
	KUNIT_EXPECT_EQ(test, 1000, count(stage, &tuple));
	grant(stage, 0, 0, (struct fz_limits){}, 0);
	grant(stage, 0, FZ_STAGE_ANY, slow, 0);
	KUNIT_EXPECT_EQ(test, 1000, count(stage, &tuple));
	KUNIT_EXPECT_EQ(test, 1, stage->n_starts);
}

static void use_outlives_change_and_epoch(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_limits five = { .quota = 5 * LEN };
	struct fz_tuple tuple, reply;
	unsigned int i;

	set_up(stage, &tuple, &reply);
	grant(stage, 0, 0, five, 1);
	KUNIT_EXPECT_TRUE(test, passes());
	grant(stage, 0, 0, five, 2);
	KUNIT_EXPECT_TRUE(test, passes());
	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_EQ(test, 0, fz_epoch_begin(&stage->az, 7, NULL));
		fz_stage_resource(stage, 7, "all", "10.2.0.0/16", "");
		grant(stage, 7, 0, five, 2);
		KUNIT_EXPECT_TRUE(test, passes());
		KUNIT_ASSERT_EQ(test, 0, fz_epoch_commit(&stage->az, 7, NULL));
	}
	KUNIT_EXPECT_FALSE(test, passes());
	/* An epoch may also lift it, and set it: then it is another. */
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, 0, fz_epoch_begin(&stage->az, 7, NULL));
		fz_stage_resource(stage, 7, "all", "10.2.0.0/16", "");
		grant(stage, 7, 0, i ? five : (struct fz_limits){}, 2);
		KUNIT_ASSERT_EQ(test, 0, fz_epoch_commit(&stage->az, 7, NULL));
		KUNIT_EXPECT_EQ(test, i ? 5 : 1000, count(stage, &tuple));
	}
	/* Removed and made again as well. */
	fz_stage_revoke(stage, 0, 0, "all", FZ_DIR_IN);
	grant(stage, 0, 0, five, 2);
	KUNIT_EXPECT_EQ(test, 5, count(stage, &tuple));
}

static void rate_refuses_without_ending(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply;

	set_up(stage, &tuple, &reply);
	fz_stage_mode(stage, FZ_STAGE_ANY, FZ_DIR_IN, FZ_MODE_ENFORCE, FZ_MODE_F_REJECT);
	grant(stage, 0, 0, (struct fz_limits){ .rate = 1 }, 0);
	KUNIT_EXPECT_TRUE(test, passes());
	KUNIT_EXPECT_FALSE(test, passes());
	KUNIT_EXPECT_FALSE(test, replies());
	KUNIT_EXPECT_EQ(test, 1ULL, refused(FZ_DIR_IN, RATE));
	KUNIT_EXPECT_EQ(test, 1ULL, refused(FZ_DIR_OUT, RATE));
	KUNIT_EXPECT_EQ(test, 0, stage->n_ends);
	/* It is to slow down, not to give up. */
	KUNIT_EXPECT_EQ(test, 0, skb_queue_len(&stage->sent));
	/* What did not pass is no answer. */
	KUNIT_EXPECT_EQ(test, FZ_FLOW_NEW, fz_stage_flow(stage, 0, FZ_DIR_IN, &tuple)->state);
	grant(stage, 0, 0, (struct fz_limits){ .rate = FZ_RATE_MAX }, 0);
	KUNIT_EXPECT_EQ(test, 1000, count(stage, &tuple));
}

static void new_flows_wait(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply;

	set_up(stage, &tuple, &reply);
	grant(stage, 0, 0, (struct fz_limits){ .flow_rate = 1 }, 0);
	KUNIT_EXPECT_TRUE(test, passes());
	tuple.sport++;
	KUNIT_EXPECT_FALSE(test, passes());
	KUNIT_EXPECT_EQ(test, 1ULL, refused(FZ_DIR_IN, RATE));
	tuple.sport--;
	KUNIT_EXPECT_EQ(test, 1000, count(stage, &tuple));
	KUNIT_EXPECT_EQ(test, 1, stage->n_starts);
}

static void observe_passes_and_says(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz_stats stats;
	struct fz_tuple tuple, reply;

	set_up(stage, &tuple, &reply);
	fz_stage_mode(stage, FZ_STAGE_ANY, FZ_DIR_IN, FZ_MODE_OBSERVE, 0);
	grant(stage, 0, 0, (struct fz_limits){ .quota = 2 * LEN }, 0);
	KUNIT_EXPECT_EQ(test, 1000, count(stage, &tuple));
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 998ULL, stats.observed[FZ_DIR_IN][FZ_REASON_QUOTA]);
	grant(stage, 0, 0, (struct fz_limits){ .rate = 1 }, 0);
	KUNIT_EXPECT_EQ(test, 1000, count(stage, &tuple));
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 999ULL, stats.observed[FZ_DIR_IN][FZ_REASON_RATE]);
	KUNIT_EXPECT_EQ(test, 0ULL, refused(FZ_DIR_IN, RATE));
}

static void fragments_and_errors_count(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple, reply;

	set_up(stage, &tuple, &reply);
	grant(stage, 0, 0, (struct fz_limits){ .quota = 20 + 800 + 20 + 800 + LEN }, 0);
	KUNIT_EXPECT_TRUE(test, fz_stage_judge(stage, 0, FZ_DIR_IN,
					       fz_stage_fragment(stage, &tuple, 1, 0, 800, true)));
	KUNIT_EXPECT_TRUE(test, fz_stage_judge(stage, 0, FZ_DIR_IN,
					       fz_stage_fragment(stage, &tuple, 1, 800, 800, true)));
	KUNIT_EXPECT_FALSE(test, fz_stage_judge(stage, 0, FZ_DIR_IN,
						fz_stage_fragment(stage, &tuple, 1, 1600, 8 + LEN, false)));
	KUNIT_EXPECT_EQ(test, 1ULL, refused(FZ_DIR_IN, QUOTA));
	grant(stage, 0, 0, (struct fz_limits){ .quota = 2000 }, 0);
	KUNIT_EXPECT_TRUE(test, passes());
	KUNIT_EXPECT_TRUE(test, fz_stage_judge(stage, 0, FZ_DIR_OUT,
					       fz_stage_error(stage, &tuple, "10.2.0.2")));
	KUNIT_EXPECT_LT(test, count(stage, &tuple), 11);
}

static void what_makes_no_sense_is_refused(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_grant_spec spec = { .ap = &stage->peers[0], .resource = "all" };
	struct fz_tuple tuple, reply;

	set_up(stage, &tuple, &reply);
	spec.limits.rate = FZ_RATE_MAX + 1;
	KUNIT_EXPECT_EQ(test, -ERANGE, fz_grant_set(&stage->az, 0, &spec, 1, NULL, NULL));
	spec.limits.rate = 0;
	spec.limits.quota = 1;
	spec.action = FZ_ACTION_DENY;
	KUNIT_EXPECT_EQ(test, -EINVAL, fz_grant_set(&stage->az, 0, &spec, 1, NULL, NULL));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(rate_is_kept),
	KUNIT_CASE(any_packet_passes_some_time),
	KUNIT_CASE(new_flows_are_kept),
	KUNIT_CASE(quota_ends_to_the_packet),
	KUNIT_CASE(segments_count_with_their_headers),
	KUNIT_CASE(idle_flows_end_with_the_quota),
	KUNIT_CASE(another_grant_goes_on),
	KUNIT_CASE(limits_come_and_go),
	KUNIT_CASE(use_outlives_change_and_epoch),
	KUNIT_CASE(rate_refuses_without_ending),
	KUNIT_CASE(new_flows_wait),
	KUNIT_CASE(observe_passes_and_says),
	KUNIT_CASE(fragments_and_errors_count),
	KUNIT_CASE(what_makes_no_sense_is_refused),
	{}
};

struct kunit_suite fz_meter_suite = {
	.name = "fz_meter",
	.init = fz_stage_init,
	.exit = fz_stage_exit,
	.test_cases = cases,
};
