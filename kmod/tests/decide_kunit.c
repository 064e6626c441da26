// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decisions against an evaluator that has no index: it goes over every resource, service and grant
 * in turn. Policies are made by chance, crowded into few addresses and ports so that they overlap.
 */

#include <linux/ktime.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "authz/decide.h"
#include "tests/stage.h"
#include "tests/suites.h"

#define RESOURCES 24
#define PREFIXES 3
#define SERVICES 3
#define GRANTS 48

struct plain_resource {
	char name[16];
	bool there;
	struct fz_prefix prefixes[PREFIXES];
	struct fz_service services[SERVICES];
	unsigned int n_prefixes;
	unsigned int n_services;
};

struct plain_grant {
	bool there;
	int peer;
	unsigned int resource;
	u8 dir;
	u8 action;
	bool expired;
};

struct plain_policy {
	struct rnd_state rnd;
	struct plain_resource resources[RESOURCES];
	struct plain_grant grants[GRANTS];
	u8 device[FZ_DIRS];
	u8 peers[FZ_STAGE_PEERS][FZ_DIRS];
};

static u32 roll(struct plain_policy *plain, u32 sides)
{
	return prandom_u32_state(&plain->rnd) % sides;
}

/* One of 64 addresses whose bits differ all over. */
static union fz_addr some_addr(struct plain_policy *plain, u8 family)
{
	union fz_addr addr = {};
	u32 n = roll(plain, 64);

	addr.words[0] = htonl(0x0a000000 | (n & 3) << 20 | (n >> 2 & 3) << 9 | n >> 4);
	if (family == AF_INET6) {
		addr.words[1] = htonl((n & 7) << 13);
		addr.words[3] = htonl(n >> 3);
	}
	return addr;
}

static u8 some_family(struct plain_policy *plain)
{
	return roll(plain, 2) ? AF_INET : AF_INET6;
}

static void some_prefix(struct plain_policy *plain, struct fz_prefix *prefix)
{
	unsigned int bits, i;

	prefix->family = some_family(plain);
	bits = fz_family_bits(prefix->family);
	prefix->len = roll(plain, 4) ? roll(plain, bits + 1) : bits;
	prefix->addr = some_addr(plain, prefix->family);
	for (i = prefix->len; i < bits; i++)
		prefix->addr.words[i / 32] &= ~htonl(1U << (31 - i % 32));
}

static void some_service(struct plain_policy *plain, struct fz_service *service)
{
	static const u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_GRE };

	memset(service, 0, sizeof(*service));
	service->proto = protos[roll(plain, ARRAY_SIZE(protos))];
	service->all = service->proto == IPPROTO_GRE || !roll(plain, 4);
	if (!service->all) {
		service->min = roll(plain, 16);
		service->max = service->min + roll(plain, 6);
	}
}

static void some_tuple(struct plain_policy *plain, struct fz_tuple *tuple)
{
	static const u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_GRE, 99 };

	memset(tuple, 0, sizeof(*tuple));
	tuple->family = some_family(plain);
	tuple->src = some_addr(plain, tuple->family);
	tuple->dst = some_addr(plain, tuple->family);
	tuple->proto = protos[roll(plain, ARRAY_SIZE(protos))];
	if (fz_proto_is_icmp(tuple->family, tuple->proto)) {
		tuple->icmp_type = roll(plain, 24);
	} else if (fz_proto_has_ports(tuple->proto)) {
		tuple->sport = roll(plain, 65536);
		tuple->dport = roll(plain, 24);
	}
}

static bool plain_covers(const struct plain_resource *resource, const struct fz_tuple *tuple)
{
	unsigned int bit, i, bits = fz_family_bits(tuple->family);
	bool service = !resource->n_services, prefix = false;

	for (i = 0; i < resource->n_services; i++) {
		const struct fz_service *s = &resource->services[i];
		u16 port = fz_proto_is_icmp(tuple->family, tuple->proto) ? tuple->icmp_type :
									   tuple->dport;

		if (s->proto == tuple->proto && (s->all || (port >= s->min && port <= s->max)))
			service = true;
	}
	for (i = 0; i < resource->n_prefixes; i++) {
		const struct fz_prefix *p = &resource->prefixes[i];

		if (p->family != tuple->family)
			continue;
		for (bit = 0; bit < p->len && bit < bits; bit++) {
			if ((ntohl(p->addr.words[bit / 32]) ^ ntohl(tuple->dst.words[bit / 32])) >>
			    (31 - bit % 32) & 1)
				break;
		}
		prefix |= bit == p->len;
	}
	return resource->there && service && prefix;
}

static u8 plain_verdict(const struct plain_policy *plain, unsigned int peer, u8 dir,
			const struct fz_tuple *tuple, u8 *reason)
{
	bool allow = false, deny = false, expired = false;
	u8 mode = plain->peers[peer][dir];
	unsigned int i;

	*reason = FZ_REASON_NONE;
	if (mode == FZ_MODE_INHERIT)
		mode = plain->device[dir];
	if (mode == FZ_MODE_OPEN)
		return FZ_VERDICT_PASS;
	for (i = 0; i < GRANTS; i++) {
		const struct plain_grant *grant = &plain->grants[i];

		if (!grant->there || grant->dir != dir ||
		    (grant->peer != FZ_STAGE_ANY && grant->peer != (int)peer) ||
		    !plain_covers(&plain->resources[grant->resource], tuple))
			continue;
		deny |= grant->action == FZ_ACTION_DENY && !grant->expired;
		allow |= grant->action == FZ_ACTION_ALLOW && !grant->expired;
		expired |= grant->action == FZ_ACTION_ALLOW && grant->expired;
	}
	if (allow && !deny)
		return FZ_VERDICT_PASS;
	if (deny)
		*reason = FZ_REASON_DENIED;
	else
		*reason = expired ? FZ_REASON_EXPIRED : FZ_REASON_NO_GRANT;
	return mode == FZ_MODE_OBSERVE ? FZ_VERDICT_OBSERVE : FZ_VERDICT_REFUSE;
}

static void set_resource(struct kunit *test, struct plain_policy *plain, unsigned int n)
{
	struct fz_stage *stage = test->priv;
	struct plain_resource *resource = &plain->resources[n];
	struct fz_resource_spec spec = {
		.name = resource->name,
		.prefixes = resource->prefixes,
		.services = resource->services,
	};
	unsigned int i;

	sprintf(resource->name, "r%u", n);
	resource->there = true;
	resource->n_prefixes = 1 + roll(plain, PREFIXES);
	resource->n_services = roll(plain, SERVICES + 1);
	for (i = 0; i < resource->n_prefixes; i++)
		some_prefix(plain, &resource->prefixes[i]);
	for (i = 0; i < resource->n_services; i++)
		some_service(plain, &resource->services[i]);
	spec.n_prefixes = resource->n_prefixes;
	spec.n_services = resource->n_services;
	KUNIT_ASSERT_EQ(test, 0, fz_resource_set(&stage->az, 0, &spec, 1, NULL, NULL));
}

static void del_resource(struct kunit *test, struct plain_policy *plain, unsigned int n)
{
	struct fz_stage *stage = test->priv;
	const char *name = plain->resources[n].name;
	unsigned int i;

	if (!plain->resources[n].there)
		return;
	KUNIT_ASSERT_EQ(test, 0, fz_resource_del(&stage->az, 0, &name, 1, NULL, NULL));
	plain->resources[n].there = false;
	for (i = 0; i < GRANTS; i++) {
		if (plain->grants[i].resource == n)
			plain->grants[i].there = false;
	}
}

/* The place of the grant of this key, or a free one. */
static struct plain_grant *place(struct plain_policy *plain, const struct plain_grant *like)
{
	struct plain_grant *free = NULL;
	unsigned int i;

	for (i = 0; i < GRANTS; i++) {
		struct plain_grant *grant = &plain->grants[i];

		if (!grant->there)
			free = free ?: grant;
		else if (grant->peer == like->peer && grant->resource == like->resource &&
			 grant->dir == like->dir)
			return grant;
	}
	return free;
}

static void set_grant(struct kunit *test, struct plain_policy *plain)
{
	struct fz_stage *stage = test->priv;
	struct plain_grant like = {
		.there = true,
		.peer = (int)roll(plain, FZ_STAGE_PEERS + 1) - 1,
		.resource = roll(plain, RESOURCES),
		.dir = roll(plain, FZ_DIRS),
		.action = roll(plain, 4) ? FZ_ACTION_ALLOW : FZ_ACTION_DENY,
		.expired = !roll(plain, 4),
	};
	struct plain_grant *grant = place(plain, &like);
	const char *name = plain->resources[like.resource].name;

	if (!grant || !plain->resources[like.resource].there)
		return;
	/* A millisecond is over when the questions come. */
	KUNIT_ASSERT_EQ(test, 0, fz_stage_grant(stage, 0, like.peer, name, like.dir, like.action,
						like.expired ? 1 : roll(plain, 2) * 1000000));
	*grant = like;
}

static void del_grant(struct kunit *test, struct plain_policy *plain)
{
	struct plain_grant *grant = &plain->grants[roll(plain, GRANTS)];

	if (!grant->there)
		return;
	KUNIT_ASSERT_EQ(test, 0, fz_stage_revoke(test->priv, 0, grant->peer,
						 plain->resources[grant->resource].name,
						 grant->dir));
	grant->there = false;
}

static void set_mode(struct kunit *test, struct plain_policy *plain)
{
	u8 dir = roll(plain, FZ_DIRS), mode = roll(plain, 4);
	int peer = (int)roll(plain, FZ_STAGE_PEERS + 1) - 1;

	if (peer == FZ_STAGE_ANY) {
		mode = roll(plain, 3) ? FZ_MODE_ENFORCE : FZ_MODE_OBSERVE;
		plain->device[dir] = mode;
	} else {
		plain->peers[peer][dir] = mode;
	}
	fz_stage_mode(test->priv, peer, dir, mode, 0);
}

static void change(struct kunit *test, struct plain_policy *plain)
{
	unsigned int what = roll(plain, 16);

	if (what < 4)
		set_resource(test, plain, roll(plain, RESOURCES));
	else if (what < 5)
		del_resource(test, plain, roll(plain, RESOURCES));
	else if (what < 12)
		set_grant(test, plain);
	else if (what < 14)
		del_grant(test, plain);
	else
		set_mode(test, plain);
}

static void wait_for_leases(void)
{
	u64 until = ktime_get_boottime_ns() + 2 * NSEC_PER_MSEC;

	while (ktime_get_boottime_ns() < until)
		cond_resched();
}

static bool agrees(struct kunit *test, struct plain_policy *plain, unsigned int round)
{
	struct fz_stage *stage = test->priv;
	unsigned int peer = roll(plain, FZ_STAGE_PEERS);
	struct fz_explanation explanation;
	u8 dir = roll(plain, FZ_DIRS);
	struct fz_tuple tuple;
	u8 verdict, reason;

	some_tuple(plain, &tuple);
	verdict = plain_verdict(plain, peer, dir, &tuple, &reason);
	KUNIT_ASSERT_EQ(test, 0, fz_authz_explain(&stage->az, &stage->peers[peer], dir, &tuple,
						  &explanation, NULL));
	if (explanation.verdict == verdict && explanation.reason == reason)
		return true;
	KUNIT_FAIL(test, "round %u: peer %u dir %u proto %u dst %pI6c port %u: %u/%u, not %u/%u",
		   round, peer, dir, tuple.proto, &tuple.dst.ip6, tuple.dport,
		   explanation.verdict, explanation.reason, verdict, reason);
	return false;
}

static void agrees_with_plain(struct kunit *test)
{
	struct plain_policy *plain = kunit_kzalloc(test, sizeof(*plain), GFP_KERNEL);
	unsigned int round, i;

	KUNIT_ASSERT_NOT_NULL(test, plain);
	prandom_seed_state(&plain->rnd, 20260101);
	for (i = 0; i < FZ_DIRS; i++)
		plain->device[i] = FZ_MODE_ENFORCE;
	for (i = 0; i < FZ_STAGE_PEERS * FZ_DIRS; i++)
		plain->peers[i / FZ_DIRS][i % FZ_DIRS] = FZ_MODE_INHERIT;
	for (i = 0; i < RESOURCES; i++)
		set_resource(test, plain, i);
	for (round = 0; round < 600; round++) {
		for (i = 0; i < 8; i++)
			change(test, plain);
		wait_for_leases();
		for (i = 0; i < 200; i++) {
			if (!agrees(test, plain, round))
				return;
		}
	}
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
	KUNIT_CASE(agrees_with_plain),
	KUNIT_CASE(deny_beats_allow),
	KUNIT_CASE(explains_only_what_can_be),
	{}
};

struct kunit_suite fz_decide_suite = {
	.name = "fz_decide",
	.init = fz_stage_init,
	.exit = fz_stage_exit,
	.test_cases = cases,
};
