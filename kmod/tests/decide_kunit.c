// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decisions against an evaluator that has no index (plain.c). Policies are made by chance, crowded
 * into few addresses and ports so that they overlap, and changed all the time, in epochs too. What
 * explain says and what happens to packets, of new flows and of old ones, has to be what the plain
 * evaluator says, in whichever way the module comes to it. Where allocations can fail on purpose, each
 * that a change makes does so first, and nothing may have changed. Everything but the time follows from
 * the seed.
 */

#include <linux/ktime.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "authz/decide.h"
#include "tests/fault.h"
#include "tests/plain.h"
#include "tests/suites.h"

#define CHANGES 8
#define QUESTIONS 400
#define FLOWS 12
#define EPOCH_OWNER 7
/* Objects in one change. */
#define BATCH 3
/* Questions after each failure. */
#define DOUBTS 25
/* kmemleak makes one of its own with each, and can do without. */
#define PER_ALLOCATION (IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) ? 2 : 1)

/* With KASAN or lockdep a question takes twenty times as long. */
#define IS_SLOW (IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_PROVE_LOCKING))
#define ROUNDS (IS_SLOW ? 20 : 320)
#define SCARCE_ROUNDS 40

/*
 * Once a mode was observe, or a grant limited, every change has flows judged again. So half of the
 * seeds do without the one, half without the other.
 */
struct chance {
	u64 seed;
	bool observes;
	bool limits;
	bool scarce;
};

static const struct chance scarce[] = {
	{ .seed = 20260111, .scarce = true },
	{ .seed = 20260112, .limits = true, .scarce = true },
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
KUNIT_ARRAY_PARAM(scarce, scarce, describe);

enum what {
	SET_RESOURCES,
	DEL_RESOURCE,
	SET_GRANTS,
	DEL_GRANT,
	BEGIN,
	COMMIT,
	WHATS,
};

/**
 * struct request - a change of policy
 * @what: is to be done
 * @owner: in whose name
 * @count: of @resources or @grants
 * @name: of the resource to remove
 * @resources: to set
 * @grants: to set; the first, to remove
 */
struct request {
	enum what what;
	u64 owner;
	unsigned int count;
	const char *name;
	struct fz_resource_spec resources[BATCH];
	struct fz_grant_spec grants[BATCH];
};

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
 * @failed: requests by what they were, as often as they failed
 * @began: boot clock, ns: when the last request was made
 * @next: a policy that is to be
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
	unsigned int failed[WHATS];
	u64 began;
	struct plain_policy next;
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

static int request(struct fz_stage *stage, const struct request *request)
{
	switch (request->what) {
	case SET_RESOURCES:
		return fz_resource_set(&stage->az, request->owner, request->resources,
				       request->count, NULL, NULL);
	case DEL_RESOURCE:
		return fz_resource_del(&stage->az, request->owner, &request->name, 1, NULL, NULL);
	case SET_GRANTS:
		return fz_grant_set(&stage->az, request->owner, request->grants, request->count,
				    NULL, NULL);
	case DEL_GRANT:
		return fz_grant_del(&stage->az, request->owner, request->grants, 1, NULL, NULL);
	case BEGIN:
		return fz_epoch_begin(&stage->az, request->owner, NULL);
	case COMMIT:
		return fz_epoch_commit(&stage->az, request->owner, NULL);
	case WHATS:
		break;
	}
	return -EINVAL;
}

/* With each allocation failing in turn, until one fails that can be done without, or none. */
static int request_in_need(struct kunit *test, struct oracle *oracle,
			   const struct request *requested)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz_stats before, after;
	unsigned int nth, i;
	bool left;
	int err;

	fz_authz_stats(&stage->az, &before);
	for (nth = 1;; nth += PER_ALLOCATION) {
		oracle->began = ktime_get_boottime_ns();
		fz_fault_allocation(nth);
		err = request(stage, requested);
		left = fz_fault_left();
		if (err != -ENOMEM || left)
			return err;
		oracle->failed[requested->what]++;
		fz_authz_stats(&stage->az, &after);
		KUNIT_ASSERT_EQ(test, before.generation, after.generation);
		KUNIT_ASSERT_EQ(test, before.resources, after.resources);
		KUNIT_ASSERT_EQ(test, before.grants, after.grants);
		for (i = 0; i < DOUBTS; i++)
			KUNIT_ASSERT_TRUE(test, explains(test, oracle));
	}
}

static void carry_out(struct kunit *test, struct oracle *oracle, const struct request *requested)
{
	int err;

	if (oracle->chance->scarce) {
		err = request_in_need(test, oracle, requested);
	} else {
		oracle->began = ktime_get_boottime_ns();
		err = request(test->priv, requested);
	}
	KUNIT_ASSERT_EQ(test, 0, err);
}

static void state_resource(struct request *request, struct plain_resource *resource)
{
	struct fz_resource_spec *spec = &request->resources[request->count++];

	resource->there = true;
	spec->name = resource->name;
	spec->prefixes = resource->prefixes;
	spec->services = resource->services;
	spec->n_prefixes = resource->n_prefixes;
	spec->n_services = resource->n_services;
}

static void make_resource(struct oracle *oracle, struct plain_resource *resource, unsigned int n)
{
	unsigned int i;

	sprintf(resource->name, "r%u", n);
	resource->n_prefixes = 1 + roll(oracle, PLAIN_PREFIXES);
	resource->n_services = roll(oracle, PLAIN_SERVICES + 1);
	for (i = 0; i < resource->n_prefixes; i++)
		some_prefix(oracle, &resource->prefixes[i]);
	for (i = 0; i < resource->n_services; i++)
		some_service(oracle, &resource->services[i]);
}

/* Some that follow each other. */
static void set_resources(struct kunit *test, struct oracle *oracle, struct target to,
			  unsigned int first, unsigned int count)
{
	struct request request = { .what = SET_RESOURCES, .owner = to.owner };
	unsigned int i;

	oracle->next = *to.policy;
	for (i = 0; i < count; i++) {
		unsigned int n = (first + i) % PLAIN_RESOURCES;

		make_resource(oracle, &oracle->next.resources[n], n);
		state_resource(&request, &oracle->next.resources[n]);
	}
	carry_out(test, oracle, &request);
	*to.policy = oracle->next;
}

static void del_resource(struct kunit *test, struct oracle *oracle, struct target to)
{
	unsigned int n = roll(oracle, PLAIN_RESOURCES);
	const struct request request = {
		.what = DEL_RESOURCE,
		.owner = to.owner,
		.name = to.policy->resources[n].name,
	};

	if (!to.policy->resources[n].there)
		return;
	carry_out(test, oracle, &request);
	plain_resource_del(to.policy, n);
}

static struct fz_grant_spec state_grant(struct fz_stage *stage, struct target to,
					const struct plain_grant *grant)
{
	return (struct fz_grant_spec){
		.ap = grant->peer == FZ_STAGE_ANY ? NULL : &stage->peers[grant->peer],
		.resource = to.policy->resources[grant->resource].name,
		.dir = grant->dir,
		.action = grant->action,
		.has_lease = grant->lease_ms,
		.lease_ms = grant->lease_ms,
		.tag = { grant->tag },
		.limits.quota = grant->limited ? 1ULL << 50 : 0,
	};
}

/* Those for which there is room, and a resource. */
static void put_grants(struct kunit *test, struct oracle *oracle, struct target to,
		       const struct plain_grant *likes, unsigned int count)
{
	struct request request = { .what = SET_GRANTS, .owner = to.owner };
	struct plain_grant *grants[BATCH];
	unsigned int i;

	oracle->next = *to.policy;
	for (i = 0; i < count; i++) {
		const struct plain_grant *like = &likes[i];
		struct plain_grant *grant = plain_grant_find(&oracle->next, like->peer,
							     like->resource, like->dir);

		if (!grant || !oracle->next.resources[like->resource].there)
			continue;
		*grant = *like;
		request.grants[request.count] = state_grant(test->priv, to, like);
		grants[request.count++] = grant;
	}
	if (!request.count)
		return;
	carry_out(test, oracle, &request);
	for (i = 0; i < request.count; i++) {
		u64 lease = grants[i]->lease_ms * NSEC_PER_MSEC;

		grants[i]->ends_from = oracle->began + lease;
		grants[i]->ends_to = ktime_get_boottime_ns() + lease;
	}
	*to.policy = oracle->next;
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

static struct plain_grant some_grant(struct oracle *oracle)
{
	struct plain_grant grant = {
		.there = true,
		.peer = some_peer_or_any(oracle),
		.resource = roll(oracle, PLAIN_RESOURCES),
		.dir = roll(oracle, FZ_DIRS),
		.action = roll(oracle, 4) ? FZ_ACTION_ALLOW : FZ_ACTION_DENY,
		.tag = roll(oracle, 4) == 0,
		.lease_ms = some_lease(oracle),
	};

	grant.limited = !roll(oracle, 3) && oracle->chance->limits &&
			grant.action == FZ_ACTION_ALLOW;
	return grant;
}

static void set_grants(struct kunit *test, struct oracle *oracle, struct target to)
{
	unsigned int count = 1 + roll(oracle, BATCH), i;
	struct plain_grant likes[BATCH];

	for (i = 0; i < count; i++)
		likes[i] = some_grant(oracle);
	put_grants(test, oracle, to, likes, count);
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
	put_grants(test, oracle, to, &like, 1);
}

static void del_grant(struct kunit *test, struct oracle *oracle, struct target to)
{
	struct plain_grant *grant = &to.policy->grants[roll(oracle, PLAIN_GRANTS)];
	struct request request = { .what = DEL_GRANT, .owner = to.owner };

	if (!grant->there)
		return;
	request.grants[0] = state_grant(test->priv, to, grant);
	carry_out(test, oracle, &request);
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
	const struct request begin = { .what = BEGIN, .owner = EPOCH_OWNER };
	struct target to = { &oracle->staged, EPOCH_OWNER };
	unsigned int i;

	carry_out(test, oracle, &begin);
	oracle->epoch = true;
	memset(&oracle->staged, 0, sizeof(oracle->staged));
	for (i = 0; i < PLAIN_RESOURCES; i++) {
		struct request request = { .what = SET_RESOURCES, .owner = EPOCH_OWNER };
		struct plain_resource resource = oracle->plain.policy.resources[i];

		resource.there &= !!roll(oracle, 8);
		if (resource.there) {
			state_resource(&request, &resource);
			carry_out(test, oracle, &request);
		}
		oracle->staged.resources[i] = resource;
	}
	for (i = 0; i < PLAIN_GRANTS; i++) {
		if (oracle->plain.policy.grants[i].there && roll(oracle, 8))
			put_grants(test, oracle, to, &oracle->plain.policy.grants[i], 1);
	}
}

static void end_epoch(struct kunit *test, struct oracle *oracle)
{
	const struct request commit = { .what = COMMIT, .owner = EPOCH_OWNER };
	struct fz_stage *stage = test->priv;
	u32 how = roll(oracle, 4);

	if (how == 0) {
		KUNIT_ASSERT_EQ(test, 0, fz_epoch_abort(&stage->az, EPOCH_OWNER, NULL));
	} else if (how == 1) {
		fz_epoch_release(&stage->az, EPOCH_OWNER);
	} else {
		carry_out(test, oracle, &commit);
		oracle->plain.policy = oracle->staged;
		oracle->commits++;
	}
	oracle->epoch = false;
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
		set_resources(test, oracle, to, roll(oracle, PLAIN_RESOURCES),
			      1 + roll(oracle, BATCH));
	else if (what < 44)
		del_resource(test, oracle, to);
	else if (what < 100)
		set_grants(test, oracle, to);
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
		set_resources(test, oracle, to, i, 1);
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

/* Nothing is left of what failed: that is seen by kmemleak. */
static void fails_without_a_trace(struct kunit *test)
{
	struct oracle *oracle;
	unsigned int what;

	if (!IS_ENABLED(CONFIG_FAILSLAB))
		kunit_skip(test, "no allocation of this kernel fails on purpose");
	oracle = kunit_kzalloc(test, sizeof(*oracle), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, oracle);
	prepare(test, oracle);
	while (oracle->round < SCARCE_ROUNDS && play(test, oracle))
		oracle->round++;
	for (what = 0; what < WHATS; what++) {
		if (what != DEL_GRANT)
			KUNIT_EXPECT_LT(test, 0U, oracle->failed[what]);
	}
	kunit_info(test, "%u, %u, %u, %u, %u, %u failures", oracle->failed[0], oracle->failed[1],
		   oracle->failed[2], oracle->failed[3], oracle->failed[4], oracle->failed[5]);
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
	KUNIT_CASE_PARAM(fails_without_a_trace, scarce_gen_params),
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
