// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decisions against an evaluator that has no index (plain.c). Policies are made by chance, crowded
 * into few addresses and ports so that they overlap, and changed all the time, in epochs too. What
 * explain says and what happens to packets, of new flows and of old ones, has to be what the plain
 * evaluator says, in whichever way the module comes to it. Everything but the time follows from the
 * seed.
 */

#include <linux/ktime.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "authz/decide.h"
#include "tests/plain.h"
#include "tests/suites.h"

#define CHANGES 8
#define QUESTIONS 400
#define FLOWS 12
#define EPOCH_OWNER 7

/* With KASAN or lockdep a question takes twenty times as long. */
#define IS_SLOW (IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_PROVE_LOCKING))
#define ROUNDS (IS_SLOW ? 20 : 320)

/*
 * Once a mode was observe, or a grant limited, every change has flows judged again. So half of the
 * seeds do without the one, half without the other.
 */
struct chance {
	u64 seed;
	bool observes;
	bool limits;
};

static const struct chance chances[] = {
	{ .seed = 20260101 },
	{ .seed = 20260102, .observes = true },
	{ .seed = 20260103, .limits = true },
	{ .seed = 20260104, .observes = true, .limits = true },
	{ .seed = 20260105 },
	{ .seed = 20260106, .observes = true },
	{ .seed = 20260107, .limits = true },
	{ .seed = 20260108, .observes = true, .limits = true },
};

static void describe(const struct chance *chance, char *text)
{
	snprintf(text, KUNIT_PARAM_DESC_SIZE, "seed %llu%s%s", chance->seed,
		 chance->observes ? ", observe" : "", chance->limits ? ", limits" : "");
}

KUNIT_ARRAY_PARAM(chance, chances, describe);

/**
 * struct way - a way to come to a decision
 * @name: for messages
 * @tuning: has it taken
 * @mark: is counted when it is
 */
struct way {
	const char *name;
	struct fz_decide_tuning tuning;
	enum fz_decide_way mark;
};

/* The least that can be given: who left the grants goes on with the indexes. */
static const struct way ways[] = {
	{ "by index alone", { 0, 0, UINT_MAX, 0, 1 }, FZ_DECIDE_BY_INDEX },
	{ "by the grants", { 0, 0, 1, 1 << 10, 1 }, FZ_DECIDE_BY_GRANTS },
	{ "with too many grants", { 0, 0, 1, 0, 1 }, FZ_DECIDE_TOO_MANY },
	{ "with grants left in the middle", { 0, 0, 1, 24, 1 }, FZ_DECIDE_OUT_OF_STEPS },
	{ "by the grants at first", { UINT_MAX, 1 << 20, UINT_MAX, 0, 1 }, FZ_DECIDE_BY_FEW },
	{ "with the first grants left", { UINT_MAX, 24, UINT_MAX, 0, 1 }, FZ_DECIDE_OUT_OF_STEPS },
};

/**
 * struct oracle - the plain evaluator beside the module's
 * @rnd: where all choices come from
 * @chance: the parameters
 * @round: for messages
 * @plain: what is in force
 * @staged: what the open epoch has
 * @epoch: there is one
 * @flows: what packets are sent of
 * @verdicts: questions by the right verdict
 * @reasons: questions by the right reason
 * @taken: questions by the way taken
 * @unsure: questions asked while a lease ended
 * @packets: sent
 * @commits: of epochs
 * @explanations: of one question, in all ways
 */
struct oracle {
	struct rnd_state rnd;
	const struct chance *chance;
	unsigned int round;
	struct plain plain;
	struct plain_policy staged;
	bool epoch;
	struct plain_question flows[FLOWS];
	unsigned int verdicts[FZ_VERDICT_MAX + 1];
	unsigned int reasons[FZ_REASONS];
	unsigned int taken[ARRAY_SIZE(ways)];
	unsigned int unsure;
	unsigned int packets;
	unsigned int commits;
	struct fz_explanation explanations[ARRAY_SIZE(ways)];
};

/* A policy that changes go to, and in whose name. */
struct target {
	struct plain_policy *policy;
	u64 owner;
};

static u32 roll(struct oracle *oracle, u32 sides)
{
	return prandom_u32_state(&oracle->rnd) % sides;
}

/* One of 64 addresses whose bits differ all over. */
static union fz_addr some_addr(struct oracle *oracle, u8 family)
{
	union fz_addr addr = {};
	u32 n = roll(oracle, 64);

	addr.words[0] = htonl(0x0a000000 | (n & 3) << 20 | (n >> 2 & 3) << 9 | n >> 4);
	if (family == AF_INET6) {
		addr.words[1] = htonl((n & 7) << 13);
		addr.words[3] = htonl(n >> 3);
	}
	return addr;
}

static u8 some_family(struct oracle *oracle)
{
	return roll(oracle, 2) ? AF_INET : AF_INET6;
}

static int some_peer_or_any(struct oracle *oracle)
{
	return (int)roll(oracle, FZ_STAGE_PEERS + 1) - 1;
}

static void some_prefix(struct oracle *oracle, struct fz_prefix *prefix)
{
	unsigned int bits, i;

	prefix->family = some_family(oracle);
	bits = fz_family_bits(prefix->family);
	prefix->len = roll(oracle, 4) ? roll(oracle, bits + 1) : bits;
	prefix->addr = some_addr(oracle, prefix->family);
	for (i = prefix->len; i < bits; i++)
		prefix->addr.words[i / 32] &= ~htonl(1U << (31 - i % 32));
}

static const u8 protos[] = {
	IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_GRE, 99
};

static void some_service(struct oracle *oracle, struct fz_service *service)
{
	memset(service, 0, sizeof(*service));
	service->proto = protos[roll(oracle, ARRAY_SIZE(protos) - 1)];
	service->all = service->proto == IPPROTO_GRE || !roll(oracle, 4);
	if (!service->all) {
		service->min = roll(oracle, 16);
		service->max = service->min + roll(oracle, 6);
	}
}

static void some_tuple(struct oracle *oracle, struct fz_tuple *tuple, unsigned int n_protos)
{
	memset(tuple, 0, sizeof(*tuple));
	tuple->family = some_family(oracle);
	tuple->src = some_addr(oracle, tuple->family);
	tuple->dst = some_addr(oracle, tuple->family);
	tuple->proto = protos[roll(oracle, n_protos)];
	if (fz_proto_is_icmp(tuple->family, tuple->proto)) {
		tuple->icmp_type = roll(oracle, 24);
	} else if (fz_proto_has_ports(tuple->proto)) {
		tuple->sport = 1024 + roll(oracle, 60000);
		tuple->dport = roll(oracle, 24);
	}
}

static void some_question(struct oracle *oracle, struct plain_question *question,
			  unsigned int n_protos)
{
	question->refused = false;
	question->peer = roll(oracle, FZ_STAGE_PEERS);
	question->dir = roll(oracle, FZ_DIRS);
	some_tuple(oracle, &question->tuple, n_protos);
}

static struct target some_target(struct oracle *oracle)
{
	if (oracle->epoch && roll(oracle, 2))
		return (struct target){ &oracle->staged, EPOCH_OWNER };
	return (struct target){ &oracle->plain.policy, 0 };
}

static void put_resource(struct kunit *test, struct target to, unsigned int n)
{
	struct fz_stage *stage = test->priv;
	struct plain_resource *resource = &to.policy->resources[n];
	struct fz_resource_spec spec = {
		.name = resource->name,
		.prefixes = resource->prefixes,
		.services = resource->services,
		.n_prefixes = resource->n_prefixes,
		.n_services = resource->n_services,
	};

	resource->there = true;
	KUNIT_ASSERT_EQ(test, 0, fz_resource_set(&stage->az, to.owner, &spec, 1, NULL, NULL));
}

static void set_resource(struct kunit *test, struct oracle *oracle, struct target to,
			 unsigned int n)
{
	struct plain_resource *resource = &to.policy->resources[n];
	unsigned int i;

	sprintf(resource->name, "r%u", n);
	resource->n_prefixes = 1 + roll(oracle, PLAIN_PREFIXES);
	resource->n_services = roll(oracle, PLAIN_SERVICES + 1);
	for (i = 0; i < resource->n_prefixes; i++)
		some_prefix(oracle, &resource->prefixes[i]);
	for (i = 0; i < resource->n_services; i++)
		some_service(oracle, &resource->services[i]);
	put_resource(test, to, n);
}

static void del_resource(struct kunit *test, struct oracle *oracle, struct target to)
{
	unsigned int n = roll(oracle, PLAIN_RESOURCES);
	const char *name = to.policy->resources[n].name;
	struct fz_stage *stage = test->priv;

	if (!to.policy->resources[n].there)
		return;
	KUNIT_ASSERT_EQ(test, 0, fz_resource_del(&stage->az, to.owner, &name, 1, NULL, NULL));
	plain_resource_del(to.policy, n);
}

static void put_grant(struct kunit *test, struct target to, const struct plain_grant *like)
{
	struct plain_grant *grant = plain_grant_find(to.policy, like->peer, like->resource,
						     like->dir);
	struct fz_stage *stage = test->priv;
	struct fz_grant_spec spec = {
		.ap = like->peer == FZ_STAGE_ANY ? NULL : &stage->peers[like->peer],
		.resource = to.policy->resources[like->resource].name,
		.dir = like->dir,
		.action = like->action,
		.has_lease = like->lease_ms,
		.lease_ms = like->lease_ms,
		.tag = { like->tag },
		.limits.quota = like->limited ? 1ULL << 50 : 0,
	};
	u64 lease = like->lease_ms * NSEC_PER_MSEC;

	if (!grant || !to.policy->resources[like->resource].there)
		return;
	*grant = *like;
	grant->ends_from = ktime_get_boottime_ns() + lease;
	KUNIT_ASSERT_EQ(test, 0, fz_grant_set(&stage->az, to.owner, &spec, 1, NULL, NULL));
	grant->ends_to = ktime_get_boottime_ns() + lease;
}

/* Most of those that end do so among the questions of the next rounds. */
static u64 some_lease(struct oracle *oracle)
{
	switch (roll(oracle, 4)) {
	case 0:
		return 1 + roll(oracle, 4);
	case 1:
		return 1000000 + roll(oracle, 4);
	default:
		return 0;
	}
}

static void set_grant(struct kunit *test, struct oracle *oracle, struct target to)
{
	struct plain_grant like = {
		.there = true,
		.peer = some_peer_or_any(oracle),
		.resource = roll(oracle, PLAIN_RESOURCES),
		.dir = roll(oracle, FZ_DIRS),
		.action = roll(oracle, 4) ? FZ_ACTION_ALLOW : FZ_ACTION_DENY,
		.tag = roll(oracle, 4) == 0,
		.lease_ms = some_lease(oracle),
	};

	like.limited = !roll(oracle, 3) && oracle->chance->limits &&
		       like.action == FZ_ACTION_ALLOW;
	put_grant(test, to, &like);
}

/* Another end, or another action, of one that is there. */
static void change_grant(struct kunit *test, struct oracle *oracle, struct target to)
{
	struct plain_grant like = to.policy->grants[roll(oracle, PLAIN_GRANTS)];

	if (!like.there)
		return;
	like.lease_ms = some_lease(oracle);
	if (!roll(oracle, 4)) {
		like.action = !like.action;
		like.limited = false;
	}
	put_grant(test, to, &like);
}

static void del_grant(struct kunit *test, struct oracle *oracle, struct target to)
{
	struct plain_grant *grant = &to.policy->grants[roll(oracle, PLAIN_GRANTS)];

	if (!grant->there)
		return;
	KUNIT_ASSERT_EQ(test, 0, fz_stage_revoke(test->priv, to.owner, grant->peer,
						 to.policy->resources[grant->resource].name,
						 grant->dir));
	grant->there = false;
}

static void set_mode(struct kunit *test, struct oracle *oracle)
{
	int peer = some_peer_or_any(oracle);
	u8 dir = roll(oracle, FZ_DIRS);
	struct fz_mode_setting mode = { .mode = FZ_MODE_ENFORCE };

	switch (roll(oracle, 8)) {
	case 0:
		mode.mode = FZ_MODE_OPEN;
		break;
	case 1:
	case 2:
		if (oracle->chance->observes)
			mode.mode = FZ_MODE_OBSERVE;
		break;
	case 3:
		mode.flags = FZ_MODE_F_ASK;
		break;
	case 4:
	case 5:
		if (peer != FZ_STAGE_ANY)
			mode.mode = FZ_MODE_INHERIT;
		break;
	}
	if (peer == FZ_STAGE_ANY)
		oracle->plain.device[dir] = mode;
	else
		oracle->plain.peers[peer][dir] = mode;
	fz_stage_mode(test->priv, peer, dir, mode.mode, mode.flags);
}

/* Begins one, and restates most of what is in force. */
static void begin_epoch(struct kunit *test, struct oracle *oracle)
{
	struct target to = { &oracle->staged, EPOCH_OWNER };
	struct fz_stage *stage = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, fz_epoch_begin(&stage->az, EPOCH_OWNER, NULL));
	oracle->epoch = true;
	memset(&oracle->staged, 0, sizeof(oracle->staged));
	for (i = 0; i < PLAIN_RESOURCES; i++) {
		struct plain_resource *resource = &oracle->staged.resources[i];

		*resource = oracle->plain.policy.resources[i];
		if (resource->there && roll(oracle, 8))
			put_resource(test, to, i);
		else
			resource->there = false;
	}
	for (i = 0; i < PLAIN_GRANTS; i++) {
		if (oracle->plain.policy.grants[i].there && roll(oracle, 8))
			put_grant(test, to, &oracle->plain.policy.grants[i]);
	}
}

static void end_epoch(struct kunit *test, struct oracle *oracle)
{
	struct fz_stage *stage = test->priv;
	u32 how = roll(oracle, 4);

	oracle->epoch = false;
	if (how == 0) {
		KUNIT_ASSERT_EQ(test, 0, fz_epoch_abort(&stage->az, EPOCH_OWNER, NULL));
	} else if (how == 1) {
		fz_epoch_release(&stage->az, EPOCH_OWNER);
	} else {
		KUNIT_ASSERT_EQ(test, 0, fz_epoch_commit(&stage->az, EPOCH_OWNER, NULL));
		oracle->plain.policy = oracle->staged;
		oracle->commits++;
	}
}

/* Another peer in its place, which has nothing of it. */
static void replace_peer(struct kunit *test, struct oracle *oracle)
{
	struct fz_stage *stage = test->priv;
	unsigned int peer = roll(oracle, FZ_STAGE_PEERS), dir;

	fz_stage_remove(stage, peer);
	synchronize_rcu();
	memset(&stage->peers[peer], 0, sizeof(stage->peers[peer]));
	fz_authz_peer_init(&stage->az, &stage->peers[peer], peer + 1);
	stage->removed[peer] = false;
	plain_peer_del(&oracle->plain.policy, peer);
	plain_peer_del(&oracle->staged, peer);
	for (dir = 0; dir < FZ_DIRS; dir++)
		oracle->plain.peers[peer][dir] =
			(struct fz_mode_setting){ .mode = FZ_MODE_INHERIT };
}

static void change(struct kunit *test, struct oracle *oracle)
{
	struct target to = some_target(oracle);
	unsigned int what = roll(oracle, 160);

	if (what < 40)
		set_resource(test, oracle, to, roll(oracle, PLAIN_RESOURCES));
	else if (what < 44)
		del_resource(test, oracle, to);
	else if (what < 100)
		set_grant(test, oracle, to);
	else if (what < 115)
		change_grant(test, oracle, to);
	else if (what < 130)
		del_grant(test, oracle, to);
	else if (what < 154)
		set_mode(test, oracle);
	else if (what < 159 && oracle->epoch)
		end_epoch(test, oracle);
	else if (what < 159)
		begin_epoch(test, oracle);
	else
		replace_peer(test, oracle);
}

static bool disagree(struct kunit *test, const struct oracle *oracle,
		     const struct plain_question *question, const char *what,
		     const struct plain_answer *right)
{
	const struct fz_tuple *tuple = &question->tuple;

	KUNIT_FAIL(test, "round %u: peer %u dir %u family %u proto %u %pI6c port %u type %u: %s, not %u, %u, %u",
		   oracle->round, question->peer, question->dir, tuple->family, tuple->proto,
		   &tuple->dst.ip6, tuple->dport, tuple->icmp_type, what, right->verdict,
		   right->reason, right->mode);
	return false;
}

static bool agrees(struct kunit *test, const struct oracle *oracle,
		   const struct plain_question *question, const struct plain_answer *right,
		   const struct fz_explanation *explanation, const char *way)
{
	const char *wrong;
	char what[96];

	if (explanation->verdict != right->verdict || explanation->reason != right->reason ||
	    explanation->mode != right->mode) {
		snprintf(what, sizeof(what), "explained %s as %u, %u, %u", way,
			 explanation->verdict, explanation->reason, explanation->mode);
		return disagree(test, oracle, question, what, right);
	}
	wrong = plain_wrong_grant(&oracle->plain, question, explanation, test->priv);
	if (!wrong)
		return true;
	snprintf(what, sizeof(what), "the grant found %s is %s", way, wrong);
	return disagree(test, oracle, question, what, right);
}

/* Asks in one way, and notes whether it was taken. */
static void ask(struct kunit *test, struct oracle *oracle, const struct plain_question *question,
		unsigned int n, struct fz_explanation *explanation)
{
	struct fz_stage *stage = test->priv;
	const unsigned int *count = &fz_decide_ways[ways[n].mark];
	unsigned int before = *count;

	fz_decide_tuning = ways[n].tuning;
	KUNIT_ASSERT_EQ(test, 0, fz_authz_explain(&stage->az, &stage->peers[question->peer],
						  question->dir, &question->tuple, explanation,
						  NULL));
	oracle->taken[n] += *count != before;
}

/* The same in all ways. */
static bool explains(struct kunit *test, struct oracle *oracle)
{
	struct plain_question question;
	struct plain_answer right;
	unsigned int i;

	some_question(oracle, &question, ARRAY_SIZE(protos));
	question.from = ktime_get_boottime_ns();
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		ask(test, oracle, &question, i, &oracle->explanations[i]);
	question.to = ktime_get_boottime_ns();
	right = plain_answer(&oracle->plain, &question);
	if (right.verdict == PLAIN_UNSURE) {
		oracle->unsure++;
		return true;
	}
	oracle->verdicts[right.verdict]++;
	oracle->reasons[right.reason]++;
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!agrees(test, oracle, &question, &right, &oracle->explanations[i],
			    ways[i].name))
			return false;
	}
	return true;
}

/*
 * Of a flow that perhaps began under another policy. What would be held is not sent. Most of what is
 * refused gives way to another flow: it is those that go on which a change can end.
 */
static bool passes(struct kunit *test, struct oracle *oracle, struct plain_question *question)
{
	struct plain_answer right;
	bool passed, may;

	if (question->refused && roll(oracle, 4))
		some_question(oracle, question, 2);
	if (plain_mode(&oracle->plain, question->peer, question->dir).flags & FZ_MODE_F_ASK)
		return true;
	fz_decide_tuning = ways[roll(oracle, ARRAY_SIZE(ways))].tuning;
	question->from = ktime_get_boottime_ns();
	passed = fz_stage_pass(test->priv, question->peer, question->dir, &question->tuple, 0);
	question->to = ktime_get_boottime_ns();
	right = plain_answer(&oracle->plain, question);
	question->refused = !passed;
	if (right.verdict == PLAIN_UNSURE) {
		oracle->unsure++;
		return true;
	}
	oracle->packets++;
	may = right.verdict != FZ_VERDICT_REFUSE;
	if (passed == may)
		return true;
	return disagree(test, oracle, question, passed ? "a packet passed" : "a packet did not pass",
			&right);
}

static bool all_pass(struct kunit *test, struct oracle *oracle)
{
	unsigned int i;

	for (i = 0; i < FLOWS; i++) {
		if (!passes(test, oracle, &oracle->flows[i]))
			return false;
	}
	return true;
}

static bool play(struct kunit *test, struct oracle *oracle)
{
	unsigned int i;

	for (i = 0; i < CHANGES; i++) {
		change(test, oracle);
		/* Before the next change: each has to count for flows by itself. */
		if (!all_pass(test, oracle))
			return false;
	}
	for (i = 0; i < QUESTIONS; i++) {
		if (!explains(test, oracle))
			return false;
	}
	/* Leases have ended since, and nothing else has changed. */
	return all_pass(test, oracle);
}

static void prepare(struct kunit *test, struct oracle *oracle)
{
	struct target to = { &oracle->plain.policy, 0 };
	unsigned int i;

	oracle->chance = test->param_value;
	prandom_seed_state(&oracle->rnd, oracle->chance->seed);
	for (i = 0; i < FZ_DIRS; i++)
		oracle->plain.device[i].mode = FZ_MODE_ENFORCE;
	for (i = 0; i < FZ_STAGE_PEERS * FZ_DIRS; i++)
		oracle->plain.peers[i / FZ_DIRS][i % FZ_DIRS].mode = FZ_MODE_INHERIT;
	for (i = 0; i < PLAIN_RESOURCES; i++)
		set_resource(test, oracle, to, i);
	for (i = 0; i < FLOWS; i++)
		some_question(oracle, &oracle->flows[i], 2);
}

/*
 * A hundredth of the questions: fewer would be no test of what they are about. How many leases end on
 * the way depends on how fast the machine is.
 */
static void enough(struct kunit *test, const struct oracle *oracle)
{
	unsigned int all = ROUNDS * QUESTIONS, few = all / 100, i;

	KUNIT_EXPECT_GT(test, oracle->verdicts[FZ_VERDICT_PASS], few);
	KUNIT_EXPECT_GT(test, oracle->verdicts[FZ_VERDICT_REFUSE], few);
	KUNIT_EXPECT_GT(test, oracle->verdicts[FZ_VERDICT_ASK], few);
	if (oracle->chance->observes)
		KUNIT_EXPECT_GT(test, oracle->verdicts[FZ_VERDICT_OBSERVE], few);
	KUNIT_EXPECT_GT(test, oracle->reasons[FZ_REASON_NONE], few);
	KUNIT_EXPECT_GT(test, oracle->reasons[FZ_REASON_NO_GRANT], few);
	KUNIT_EXPECT_GT(test, oracle->reasons[FZ_REASON_DENIED], few);
	KUNIT_EXPECT_GT(test, oracle->reasons[FZ_REASON_EXPIRED], few / 10);
	KUNIT_EXPECT_LT(test, oracle->unsure, all / 10);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		KUNIT_EXPECT_GT(test, oracle->taken[i], few);
		kunit_info(test, "%u decided %s", oracle->taken[i], ways[i].name);
	}
	KUNIT_EXPECT_GT(test, oracle->packets, ROUNDS * CHANGES * FLOWS / 2);
	KUNIT_EXPECT_GT(test, oracle->commits, 0U);
	kunit_info(test, "%u questions, %u packets, %u commits", all, oracle->packets,
		   oracle->commits);
}

static void agrees_with_plain(struct kunit *test)
{
	struct oracle *oracle = kunit_kzalloc(test, sizeof(*oracle), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, oracle);
	prepare(test, oracle);
	while (oracle->round < ROUNDS && play(test, oracle))
		oracle->round++;
	if (oracle->round == ROUNDS && !IS_SLOW)
		enough(test, oracle);
}

/* What the module itself uses, but for a case that forces a way. */
static struct fz_decide_tuning usual;

static int begin(struct kunit *test)
{
	usual = fz_decide_tuning;
	return fz_stage_init(test);
}

static void end(struct kunit *test)
{
	fz_decide_tuning = usual;
	fz_stage_exit(test);
}

/* Whatever the prefixes: the deny of a network holds against the allow of a host in it. */
static void deny_beats_allow(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_explanation explanation;
	struct fz_tuple tuple;

	fz_stage_resource(stage, 0, "net", "10.0.0.0/8", "");
	fz_stage_resource(stage, 0, "host", "10.1.2.3", "tcp/22");
	fz_stage_grant(stage, 0, 0, "host", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	fz_stage_tuple(stage, &tuple, IPPROTO_TCP, "192.0.2.1", 1000, "10.1.2.3", 22);
	fz_authz_explain(&stage->az, &stage->peers[0], FZ_DIR_IN, &tuple, &explanation, NULL);
	KUNIT_EXPECT_EQ(test, FZ_VERDICT_PASS, explanation.verdict);
	KUNIT_EXPECT_STREQ(test, "host", explanation.grant.resource);
	fz_stage_grant(stage, 0, FZ_STAGE_ANY, "net", FZ_DIR_IN, FZ_ACTION_DENY, 0);
	fz_authz_explain(&stage->az, &stage->peers[0], FZ_DIR_IN, &tuple, &explanation, NULL);
	KUNIT_EXPECT_EQ(test, FZ_VERDICT_REFUSE, explanation.verdict);
	KUNIT_EXPECT_EQ(test, FZ_REASON_DENIED, explanation.reason);
	KUNIT_EXPECT_STREQ(test, "net", explanation.grant.resource);
	KUNIT_EXPECT_PTR_EQ(test, NULL, explanation.grant.ap);
	/* Only in its direction. */
	fz_stage_grant(stage, 0, 0, "net", FZ_DIR_OUT, FZ_ACTION_ALLOW, 0);
	fz_authz_explain(&stage->az, &stage->peers[0], FZ_DIR_OUT, &tuple, &explanation, NULL);
	KUNIT_EXPECT_EQ(test, FZ_VERDICT_PASS, explanation.verdict);
	fz_authz_explain(&stage->az, &stage->peers[1], FZ_DIR_OUT, &tuple, &explanation, NULL);
	KUNIT_EXPECT_EQ(test, FZ_REASON_NO_GRANT, explanation.reason);
}

#define CROWD 300

static bool asks(struct kunit *test, unsigned int peer, enum fz_direction dir, u8 reason,
		 const char *resource)
{
	struct fz_stage *stage = test->priv;
	struct fz_explanation explanation;
	struct fz_tuple tuple;

	fz_stage_tuple(stage, &tuple, IPPROTO_TCP, "192.0.2.1", 1000, "10.1.2.3", 22);
	fz_authz_explain(&stage->az, &stage->peers[peer], dir, &tuple, &explanation, NULL);
	KUNIT_EXPECT_STREQ(test, resource,
			   explanation.has_grant ? explanation.grant.resource : "");
	return explanation.reason == reason;
}

/* Hundreds of resources at one address: it is the grants that are looked at, with the same result. */
static void crowds_change_nothing(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	char name[16];
	unsigned int i;

	for (i = 0; i < CROWD; i++) {
		sprintf(name, "r%u", i);
		fz_stage_resource(stage, 0, name, "10.1.2.3/32", "");
	}
	fz_stage_resource(stage, 0, "elsewhere", "10.1.2.4/32", "");
	fz_stage_resource(stage, 0, "http", "10.1.2.3/32", "tcp/80");
	fz_stage_grant(stage, 0, 0, "elsewhere", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	fz_stage_grant(stage, 0, FZ_STAGE_ANY, "http", FZ_DIR_IN, FZ_ACTION_DENY, 0);
	KUNIT_EXPECT_TRUE(test, asks(test, 0, FZ_DIR_IN, FZ_REASON_NO_GRANT, ""));

	/* A staged grant is none, whatever list it is on. */
	KUNIT_EXPECT_EQ(test, 0, fz_epoch_begin(&stage->az, 7, NULL));
	fz_stage_resource(stage, 7, "r299", "10.1.2.3/32", "");
	fz_stage_grant(stage, 7, 0, "r299", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	KUNIT_EXPECT_TRUE(test, asks(test, 0, FZ_DIR_IN, FZ_REASON_NO_GRANT, ""));
	KUNIT_EXPECT_EQ(test, 0, fz_epoch_abort(&stage->az, 7, NULL));

	fz_stage_grant(stage, 0, 0, "r299", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	KUNIT_EXPECT_TRUE(test, asks(test, 0, FZ_DIR_IN, FZ_REASON_NONE, "r299"));
	KUNIT_EXPECT_TRUE(test, asks(test, 0, FZ_DIR_OUT, FZ_REASON_NO_GRANT, ""));
	KUNIT_EXPECT_TRUE(test, asks(test, 1, FZ_DIR_IN, FZ_REASON_NO_GRANT, ""));

	fz_stage_grant(stage, 0, FZ_STAGE_ANY, "r0", FZ_DIR_IN, FZ_ACTION_DENY, 0);
	KUNIT_EXPECT_TRUE(test, asks(test, 0, FZ_DIR_IN, FZ_REASON_DENIED, "r0"));
	fz_stage_grant(stage, 0, FZ_STAGE_ANY, "r0", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	KUNIT_EXPECT_TRUE(test, asks(test, 1, FZ_DIR_IN, FZ_REASON_NONE, "r0"));
	fz_stage_revoke(stage, 0, FZ_STAGE_ANY, "r0", FZ_DIR_IN);
	fz_stage_revoke(stage, 0, 0, "r299", FZ_DIR_IN);
	KUNIT_EXPECT_TRUE(test, asks(test, 0, FZ_DIR_IN, FZ_REASON_NO_GRANT, ""));
}

/* A denial that comes after what allows for good, and is not looked for until there is one. */
static void denials_are_looked_for(struct kunit *test)
{
	struct fz_stage *stage = test->priv;

	fz_stage_resource(stage, 0, "net", "10.0.0.0/8", "");
	fz_stage_resource(stage, 0, "host", "10.1.2.3/32", "");
	fz_stage_grant(stage, 0, 0, "net", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	KUNIT_EXPECT_TRUE(test, asks(test, 0, FZ_DIR_IN, FZ_REASON_NONE, "net"));
	fz_stage_grant(stage, 0, 0, "host", FZ_DIR_IN, FZ_ACTION_DENY, 0);
	KUNIT_EXPECT_TRUE(test, asks(test, 0, FZ_DIR_IN, FZ_REASON_DENIED, "host"));
	fz_stage_grant(stage, 0, 0, "host", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
	KUNIT_EXPECT_TRUE(test, asks(test, 0, FZ_DIR_IN, FZ_REASON_NONE, "net"));
	KUNIT_EXPECT_EQ(test, 0, stage->peers[0].grants.denies);
	/* What was an allow becomes a denial in its place. */
	fz_stage_grant(stage, 0, 0, "host", FZ_DIR_IN, FZ_ACTION_DENY, 0);
	KUNIT_EXPECT_TRUE(test, asks(test, 0, FZ_DIR_IN, FZ_REASON_DENIED, "host"));
	fz_stage_revoke(stage, 0, 0, "host", FZ_DIR_IN);
	KUNIT_EXPECT_EQ(test, 0, stage->peers[0].grants.denies);
	KUNIT_EXPECT_EQ(test, 1, stage->peers[0].grants.count);
}

static void explains_only_what_can_be(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_explanation explanation;
	struct fz_tuple tuple;

	fz_stage_tuple(stage, &tuple, IPPROTO_GRE, "192.0.2.1", 0, "10.1.2.3", 22);
	KUNIT_EXPECT_EQ(test, -EINVAL, fz_authz_explain(&stage->az, NULL, FZ_DIR_OUT, &tuple,
							&explanation, NULL));
	tuple.dport = 0;
	tuple.icmp_type = 8;
	KUNIT_EXPECT_EQ(test, -EINVAL, fz_authz_explain(&stage->az, NULL, FZ_DIR_OUT, &tuple,
							&explanation, NULL));
	tuple.icmp_type = 0;
	tuple.family = 0;
	KUNIT_EXPECT_EQ(test, -EAFNOSUPPORT,
			fz_authz_explain(&stage->az, NULL, FZ_DIR_OUT, &tuple, &explanation, NULL));
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(agrees_with_plain, chance_gen_params),
	KUNIT_CASE(deny_beats_allow),
	KUNIT_CASE(crowds_change_nothing),
	KUNIT_CASE(denials_are_looked_for),
	KUNIT_CASE(explains_only_what_can_be),
	{}
};

struct kunit_suite fz_decide_suite = {
	.name = "fz_decide",
	.init = begin,
	.exit = end,
	.test_cases = cases,
};
