// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stays allowed is never refused, and what stays denied never passes, while all about it changes:
 * resources move between prefixes that all cover the destination, grants get other tags, leases and
 * limits, epochs restate them, and other resources and grants come and go. Others decide about it all
 * the time, in whichever way.
 *
 * Policy changes once while a decision is made, or twice: under changes without end, the last of a few
 * looks counts, whatever it has met.
 */

#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "authz/decide.h"
#include "compat/cpumask.h"
#include "tests/stage.h"
#include "tests/suites.h"

#define WORKERS 3U
#define OTHERS 24
#define OWNER 1
#define HOUR_MS (3600ULL * 1000)

/* With KASAN or lockdep a change takes twenty times as long. */
#define IS_SLOW (IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_PROVE_LOCKING))
/* Each commit waits for all readers, which takes half a second beside such busy ones. */
#define EPOCHS 4
#define CHANGES (IS_SLOW ? 400 : 8000)

/**
 * struct constant - a destination about which the decision never changes
 * @dst: address
 * @resource: whose grant decides; "" none; NULL one or another, or none, for whatever reason
 * @verdict: enum fz_verdict
 * @reason: enum fz_reason
 */
struct constant {
	const char *dst;
	const char *resource;
	u8 verdict;
	u8 reason;
};

static const struct constant constants[] = {
	{ "10.1.0.1", "granted", FZ_VERDICT_PASS, FZ_REASON_NONE },
	{ "10.2.0.1", "denied", FZ_VERDICT_REFUSE, FZ_REASON_DENIED },
	{ "10.3.0.1", "", FZ_VERDICT_REFUSE, FZ_REASON_NO_GRANT },
	/* Allowed to any, denied to this one, and both go at once: see turn_mixed(). */
	{ "10.4.0.1", NULL, FZ_VERDICT_REFUSE, FZ_REASON_DENIED },
};

/* Ways to come to a decision; the first is the module's own choice. */
struct way {
	const char *name;
	struct fz_decide_tuning tuning;
};

static const struct way ways[] = {
	{ "as is usual" },
	{ "by index alone", { 0, 0, UINT_MAX, 0, 1 } },
	{ "by the grants", { 0, 0, 1, 1 << 10, 1 } },
	{ "with grants left in the middle", { 0, 0, 1, 40, 1 } },
	{ "by the grants at first", { UINT_MAX, 1 << 20, UINT_MAX, 0, 1 } },
};

static void describe(const struct way *way, char *text)
{
	snprintf(text, KUNIT_PARAM_DESC_SIZE, "%s", way->name);
}

KUNIT_ARRAY_PARAM(way, ways, describe);

/**
 * struct mistake - a decision that was another
 * @found: there is one
 * @constant: about what
 * @by_packet: a packet was judged; else the decision was explained
 * @verdict: that was found; of a packet, PASS or REFUSE
 * @reason: that was found; of a packet, none
 * @resource: whose grant decided
 */
struct mistake {
	bool found;
	const struct constant *constant;
	bool by_packet;
	u8 verdict;
	u8 reason;
	char resource[FZ_NAME_MAX + 1];
};

/* One that decides all the time; @rounds counts decisions. */
struct worker {
	struct watch *watch;
	struct task_struct *task;
	struct rnd_state rnd;
	unsigned int rounds;
	struct mistake mistake;
};

/* All of them, and who waits for them to get on; @mixed is the next step of turn_mixed(). */
struct watch {
	struct fz_stage *stage;
	struct rnd_state rnd;
	unsigned int mixed;
	struct worker workers[WORKERS];
	unsigned int n_workers;
	unsigned int seen[WORKERS];
	struct fz_decide_tuning usual;
};

static u32 roll(struct rnd_state *rnd, u32 sides)
{
	return prandom_u32_state(rnd) % sides;
}

static void look(struct worker *worker, const struct constant *constant,
		 const struct fz_tuple *tuple)
{
	struct fz_stage *stage = worker->watch->stage;
	struct mistake *mistake = &worker->mistake;
	struct fz_explanation explanation;
	const char *resource;

	fz_authz_explain(&stage->az, &stage->peers[0], FZ_DIR_IN, tuple, &explanation, NULL);
	resource = explanation.has_grant ? explanation.grant.resource : "";
	if (explanation.verdict == constant->verdict && !constant->resource)
		return;
	if (explanation.verdict == constant->verdict && explanation.reason == constant->reason &&
	    !strcmp(resource, constant->resource ?: ""))
		return;
	mistake->constant = constant;
	mistake->verdict = explanation.verdict;
	mistake->reason = explanation.reason;
	strscpy(mistake->resource, resource, sizeof(mistake->resource));
	WRITE_ONCE(mistake->found, true);
}

static void send(struct worker *worker, const struct constant *constant,
		 const struct fz_tuple *tuple)
{
	struct mistake *mistake = &worker->mistake;
	bool passed = fz_stage_pass(worker->watch->stage, 0, FZ_DIR_IN, tuple, 0);
	bool may = constant->verdict == FZ_VERDICT_PASS;

	if (passed == may)
		return;
	mistake->constant = constant;
	mistake->by_packet = true;
	mistake->verdict = passed ? FZ_VERDICT_PASS : FZ_VERDICT_REFUSE;
	WRITE_ONCE(mistake->found, true);
}

static void decide(struct worker *worker)
{
	const struct constant *constant = &constants[roll(&worker->rnd, ARRAY_SIZE(constants))];
	struct fz_tuple tuple;

	fz_stage_tuple(worker->watch->stage, &tuple, IPPROTO_UDP, "10.8.0.1",
		       1024 + roll(&worker->rnd, 64), constant->dst, 53);
	if (roll(&worker->rnd, 2))
		look(worker, constant, &tuple);
	else
		send(worker, constant, &tuple);
}

static int work(void *data)
{
	struct worker *worker = data;

	while (!kthread_should_stop()) {
		if (!worker->mistake.found)
			decide(worker);
		/* Release: who sees the number sees that the decision is over. */
		smp_store_release(&worker->rounds, worker->rounds + 1);
		cond_resched();
	}
	return 0;
}

static bool has_got_on(const struct watch *watch)
{
	unsigned int i;

	for (i = 0; i < watch->n_workers; i++) {
		/* The one that was under way, and one that began since. */
		if (smp_load_acquire(&watch->workers[i].rounds) - watch->seen[i] < 2)
			return false;
	}
	return true;
}

/* Until no decision is under way that was when this was called. */
static void let_decide(struct watch *watch)
{
	unsigned int i;

	for (i = 0; i < watch->n_workers; i++)
		watch->seen[i] = READ_ONCE(watch->workers[i].rounds);
	while (!has_got_on(watch))
		cond_resched();
}

/* A state of "granted" or "denied": some prefixes and services, all of which cover its constant. */
struct cover {
	struct fz_prefix prefixes[5];
	struct fz_service services[2];
	struct fz_resource_spec spec;
};

static void some_cover(struct watch *watch, const struct constant *constant, struct cover *cover)
{
	static const unsigned int lens[] = { 16, 20, 24, 28, 32 };
	u32 chosen = 1 + roll(&watch->rnd, 31);
	unsigned int i;

	memset(cover, 0, sizeof(*cover));
	cover->spec.name = constant->resource;
	cover->spec.prefixes = cover->prefixes;
	cover->spec.services = cover->services;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		struct fz_prefix *prefix = &cover->prefixes[cover->spec.n_prefixes];

		if (!(chosen >> i & 1))
			continue;
		*prefix = fz_stage_prefix(watch->stage, constant->dst);
		prefix->len = lens[i];
		prefix->addr.words[0] &= htonl(~0U << (32 - lens[i]));
		cover->spec.n_prefixes++;
	}
	cover->spec.n_services = roll(&watch->rnd, 3);
	cover->services[0] = (struct fz_service){ .proto = IPPROTO_UDP, .min = 1, .max = 53 };
	cover->services[1] = (struct fz_service){ .proto = IPPROTO_TCP, .all = true };
}

static void move(struct watch *watch, u64 owner, unsigned int from, unsigned int count)
{
	struct fz_resource_spec specs[2];
	struct cover covers[2];
	unsigned int i;

	for (i = 0; i < count; i++) {
		some_cover(watch, &constants[from + i], &covers[i]);
		specs[i] = covers[i].spec;
	}
	KUNIT_ASSERT_EQ(watch->stage->test, 0,
			fz_resource_set(&watch->stage->az, owner, specs, count, NULL, NULL));
}

static void regrant(struct watch *watch, u64 owner, unsigned int from, unsigned int count)
{
	struct fz_grant_spec specs[2] = {};
	unsigned int i;

	for (i = 0; i < count; i++) {
		const struct constant *constant = &constants[from + i];

		specs[i].ap = &watch->stage->peers[0];
		specs[i].resource = constant->resource;
		specs[i].dir = FZ_DIR_IN;
		specs[i].action = constant->reason == FZ_REASON_DENIED ? FZ_ACTION_DENY :
									 FZ_ACTION_ALLOW;
		specs[i].has_lease = roll(&watch->rnd, 2);
		specs[i].lease_ms = specs[i].has_lease ? HOUR_MS : 0;
		specs[i].tag[0] = roll(&watch->rnd, 3);
		if (specs[i].action == FZ_ACTION_ALLOW && !roll(&watch->rnd, 3))
			specs[i].limits.quota = 1ULL << 50;
	}
	KUNIT_ASSERT_EQ(watch->stage->test, 0,
			fz_grant_set(&watch->stage->az, owner, specs, count, NULL, NULL));
}

/* What would let the denied pass, were there no denial. */
static void put_wide(struct watch *watch, u64 owner)
{
	fz_stage_resource(watch->stage, owner, "wide", "10.2.0.0/15", "");
	fz_stage_resource(watch->stage, owner, "beside", "10.2.0.0/16", "udp");
	fz_stage_grant(watch->stage, owner, FZ_STAGE_ANY, "beside", FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
}

/*
 * Covers constants, perhaps, but is nothing to their peer in their direction; and no other denial of
 * that peer, or of any, has lookups go on that one could make stop.
 */
static void put_other(struct watch *watch, u64 owner)
{
	unsigned int len = 8 + roll(&watch->rnd, 25), n = roll(&watch->rnd, OTHERS);
	bool out = roll(&watch->rnd, 2);
	struct fz_prefix prefix;
	char name[8], text[20];

	prefix = fz_stage_prefix(watch->stage, constants[n % ARRAY_SIZE(constants)].dst);
	prefix.addr.words[0] &= htonl(~0U << (32 - len));
	snprintf(name, sizeof(name), "o%u", n);
	snprintf(text, sizeof(text), "%pI4/%u", &prefix.addr.ip, len);
	fz_stage_resource(watch->stage, owner, name, text, roll(&watch->rnd, 2) ? "udp/1-100" : "");
	fz_stage_grant(watch->stage, owner, out ? (int)roll(&watch->rnd, 2) - 1 : 1, name,
		       out ? FZ_DIR_OUT : FZ_DIR_IN,
		       out || roll(&watch->rnd, 2) ? FZ_ACTION_ALLOW : FZ_ACTION_DENY, 0);
}

static void del_other(struct watch *watch)
{
	char text[8];
	const char *name = text;

	snprintf(text, sizeof(text), "o%u", roll(&watch->rnd, OTHERS));
	if (roll(&watch->rnd, 2))
		fz_resource_del(&watch->stage->az, 0, &name, 1, NULL, NULL);
	else
		fz_stage_revoke(watch->stage, 0, (int)roll(&watch->rnd, 3) - 1, name,
				roll(&watch->rnd, FZ_DIRS));
}

/* What one request says is not said of the denial alone, or of what it is for alone, in whatever order. */
static void put_mixed(struct watch *watch, u64 owner, unsigned int step)
{
	static const char *const both[] = { "more", "mixed" };
	struct fz_authz *az = &watch->stage->az;
	struct fz_grant_spec allow = {
		.resource = "mixed", .dir = FZ_DIR_IN, .action = FZ_ACTION_ALLOW,
	};
	struct fz_grant_spec deny = {
		.ap = &watch->stage->peers[0],
		.resource = "more", .dir = FZ_DIR_IN, .action = FZ_ACTION_DENY,
	};
	switch (step) {
	case 0:
		fz_stage_resource(watch->stage, owner, deny.resource, "10.4.0.0/24", "");
		fz_stage_resource(watch->stage, owner, allow.resource, "10.4.0.0/16", "");
		break;
	case 1:
	case 3:
		fz_grant_set(az, owner, (struct fz_grant_spec[]){ allow, deny }, 2, NULL, NULL);
		break;
	case 2:
		fz_grant_del(az, owner, (struct fz_grant_spec[]){ deny, allow }, 2, NULL, NULL);
		break;
	default:
		fz_resource_del(az, owner, both, 2, NULL, NULL);
	}
}

static void turn_mixed(struct watch *watch)
{
	put_mixed(watch, 0, watch->mixed);
	watch->mixed = (watch->mixed + 1) % 5;
}

static void state_all(struct watch *watch, u64 owner)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		put_mixed(watch, owner, i);
	watch->mixed = 2;
	put_wide(watch, owner);
	move(watch, owner, 0, 2);
	regrant(watch, owner, 0, 2);
	for (i = 0; i < OTHERS; i++)
		put_other(watch, owner);
}

static void restate(struct watch *watch)
{
	struct fz_stage *stage = watch->stage;

	KUNIT_ASSERT_EQ(stage->test, 0, fz_epoch_begin(&stage->az, OWNER, NULL));
	state_all(watch, OWNER);
	let_decide(watch);
	KUNIT_ASSERT_EQ(stage->test, 0, fz_epoch_commit(&stage->az, OWNER, NULL));
}

static void change(struct watch *watch)
{
	unsigned int from = roll(&watch->rnd, 2);
	unsigned int count = from ? 1 : 1 + roll(&watch->rnd, 2);

	switch (roll(&watch->rnd, 79)) {
	case 0 ... 23:
		move(watch, 0, from, count);
		break;
	case 24 ... 47:
		regrant(watch, 0, from, count);
		break;
	case 48 ... 55:
		put_other(watch, 0);
		break;
	case 56 ... 71:
		turn_mixed(watch);
		break;
	default:
		del_other(watch);
		break;
	}
}

static bool mistaken(const struct watch *watch)
{
	unsigned int i;

	for (i = 0; i < watch->n_workers; i++) {
		if (READ_ONCE(watch->workers[i].mistake.found))
			return true;
	}
	return false;
}

static void tell_mistake(struct kunit *test, const struct mistake *mistake, unsigned int changes)
{
	if (!mistake->found)
		return;
	KUNIT_FAIL(test, "%s, after %u changes: %s %u, reason %u, resource \"%s\"",
		   mistake->constant->dst, changes,
		   mistake->by_packet ? "a packet got" : "explained as", mistake->verdict,
		   mistake->reason, mistake->resource);
}

static void start(struct kunit *test, struct watch *watch)
{
	unsigned int cpu = raw_smp_processor_id(), i;

	/* A CPU is left to what changes, where there are several. */
	watch->n_workers = clamp(num_online_cpus() - 1, 1U, WORKERS);
	state_all(watch, 0);
	for (i = 0; i < watch->n_workers; i++) {
		struct worker *worker = &watch->workers[i];

		worker->watch = watch;
		prandom_seed_state(&worker->rnd, i + 1);
		worker->task = kthread_create(work, worker, "fz-steady/%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(worker->task));
		cpu = fz_compat_next_cpu(cpu);
		kthread_bind(worker->task, cpu);
		wake_up_process(worker->task);
	}
}

static void stays_as_it_is(struct kunit *test)
{
	struct watch *watch = kunit_kzalloc(test, sizeof(*watch), GFP_KERNEL);
	const struct way *way = test->param_value;
	unsigned int changes, decisions = 0, i;

	KUNIT_ASSERT_NOT_NULL(test, watch);
	watch->stage = test->priv;
	watch->usual = fz_decide_tuning;
	if (way != ways)
		fz_decide_tuning = way->tuning;
	prandom_seed_state(&watch->rnd, 20260201);
	start(test, watch);
	for (changes = 0; changes < CHANGES && !mistaken(watch); changes++) {
		if (changes % (CHANGES / EPOCHS) == CHANGES / EPOCHS - 1)
			restate(watch);
		else
			change(watch);
		let_decide(watch);
	}
	for (i = 0; i < watch->n_workers; i++) {
		struct worker *worker = &watch->workers[i];

		kthread_stop(worker->task);
		tell_mistake(test, &worker->mistake, changes);
		decisions += worker->rounds;
	}
	fz_decide_tuning = watch->usual;
	kunit_info(test, "%u changes, %u decisions", changes, decisions);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(stays_as_it_is, way_gen_params),
	{}
};

struct kunit_suite fz_steady_suite = {
	.name = "fz_steady",
	.init = fz_stage_init,
	.exit = fz_stage_exit,
	.test_cases = cases,
};
