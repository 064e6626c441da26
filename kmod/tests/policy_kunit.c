// SPDX-License-Identifier: GPL-2.0-only
/* Setting, changing, removing and listing of resources and grants; epochs. */

#include <linux/slab.h>

#include "authz/decide.h"
#include "authz/policy.h"
#include "tests/stage.h"
#include "tests/suites.h"

static bool may(struct fz_stage *stage, unsigned int peer, const char *dst, u16 port)
{
	struct fz_explanation explanation;
	struct fz_tuple tuple;

	fz_stage_tuple(stage, &tuple, IPPROTO_TCP, strchr(dst, ':') ? "fd00::1" : "192.0.2.1",
		       1000, dst, port);
	KUNIT_EXPECT_EQ(stage->test, 0,
			fz_authz_explain(&stage->az, &stage->peers[peer], FZ_DIR_IN, &tuple,
					 &explanation, NULL));
	return explanation.verdict == FZ_VERDICT_PASS;
}

static int allow(struct fz_stage *stage, u64 owner, int peer, const char *resource)
{
	return fz_stage_grant(stage, owner, peer, resource, FZ_DIR_IN, FZ_ACTION_ALLOW, 0);
}

static void refuses_bad_resources(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_prefix prefix = fz_stage_prefix(stage, "10.0.0.0/8");
	struct fz_service service = { .proto = IPPROTO_TCP, .min = 1, .max = 2 };
	char name[FZ_NAME_MAX + 2];
	struct fz_resource_spec spec = {
		.name = name,
		.prefixes = &prefix,
		.services = &service,
		.n_prefixes = 1,
		.n_services = 1,
	};

#define expect(err, change)								\
	do {										\
		memset(name, 'x', sizeof(name));					\
		name[FZ_NAME_MAX] = 0;							\
		name[FZ_NAME_MAX + 1] = 0;						\
		prefix = fz_stage_prefix(stage, "10.0.0.0/8");				\
		service.proto = IPPROTO_TCP;						\
		service.min = 1;							\
		service.max = 2;							\
		spec.n_prefixes = 1;							\
		change;									\
		KUNIT_EXPECT_EQ(test, err,						\
				fz_resource_set(&stage->az, 0, &spec, 1, NULL, NULL));	\
	} while (0)
	expect(-EINVAL, name[0] = 0);
	expect(-EINVAL, name[FZ_NAME_MAX] = 'x');
	expect(-EINVAL, name[3] = ' ');
	expect(-EINVAL, name[3] = '\n');
	expect(-EINVAL, name[3] = '#');
	expect(-EINVAL, spec.n_prefixes = 0);
	expect(-E2BIG, spec.n_prefixes = FZ_RESOURCE_PREFIXES_MAX + 1);
	expect(-EAFNOSUPPORT, prefix.family = 1);
	expect(-EINVAL, prefix.len = 33);
	expect(-EINVAL, prefix.len = 6);
	expect(-EINVAL, service.min = 3);
	expect(-EINVAL, service.proto = IPPROTO_GRE);
	expect(-EINVAL, (service.proto = IPPROTO_ICMP, service.max = 256));
	expect(0, service.proto = IPPROTO_SCTP);
#undef expect
}

/* All of a message or none. */
static void resources_come_together(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_prefix good = fz_stage_prefix(stage, "10.0.0.0/8");
	struct fz_prefix bad = fz_stage_prefix(stage, "10.0.0.1/8");
	struct fz_resource_spec specs[] = {
		{ .name = "a", .prefixes = &good, .n_prefixes = 1 },
		{ .name = "b", .prefixes = &good, .n_prefixes = 1 },
		{ .name = "c", .prefixes = &bad, .n_prefixes = 1 },
	};
	const char *const names[] = { "a", "b", "c" };
	struct fz_authz_stats stats;
	unsigned int wrong = 99;

	KUNIT_EXPECT_EQ(test, -EINVAL, fz_resource_set(&stage->az, 0, specs, 3, &wrong, NULL));
	KUNIT_EXPECT_EQ(test, 2, wrong);
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 0, stats.resources);
	KUNIT_EXPECT_EQ(test, 0ULL, stats.generation);
	KUNIT_EXPECT_PTR_EQ(test, NULL,
			    rcu_access_pointer(rcu_access_pointer(stage->az.policy)->tries[0].root));
	KUNIT_EXPECT_EQ(test, -ENOENT, allow(stage, 0, 0, "a"));
	KUNIT_EXPECT_EQ(test, 0, fz_resource_set(&stage->az, 0, specs, 2, &wrong, NULL));
	KUNIT_EXPECT_EQ(test, 0, allow(stage, 0, 0, "a"));
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.0.0.1", 22));
	KUNIT_EXPECT_EQ(test, -ENOENT, fz_resource_del(&stage->az, 0, names, 3, &wrong, NULL));
	KUNIT_EXPECT_EQ(test, 2, wrong);
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.0.0.1", 22));
	KUNIT_EXPECT_EQ(test, 0, fz_resource_del(&stage->az, 0, names, 2, &wrong, NULL));
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.0.0.1", 22));
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 0, stats.resources);
	KUNIT_EXPECT_EQ(test, 0, stats.grants);
}

static void resource_changes(struct kunit *test)
{
	struct fz_stage *stage = test->priv;

	fz_stage_resource(stage, 0, "db", "10.1.0.0/16", "tcp/22");
	fz_stage_resource(stage, 0, "web", "10.1.0.0/16", "tcp/80");
	allow(stage, 0, 0, "db");
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.1.2.3", 22));
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.1.2.3", 80));
	KUNIT_EXPECT_FALSE(test, may(stage, 1, "10.1.2.3", 22));
	KUNIT_EXPECT_EQ(test, 0, fz_stage_resource(stage, 0, "db", "10.1.0.0/16", "tcp/5432"));
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.1.2.3", 22));
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.1.2.3", 5432));
	KUNIT_EXPECT_EQ(test, 0, fz_stage_resource(stage, 0, "db", "fd01::/16", ""));
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.1.2.3", 5432));
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "fd01::9", 1));
}

static void grant_changes(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz_stats stats;
	u64 generation;

	fz_stage_resource(stage, 0, "db", "10.1.0.0/16", "");
	KUNIT_EXPECT_EQ(test, 0, allow(stage, 0, 0, "db"));
	KUNIT_EXPECT_EQ(test, 0, allow(stage, 0, 0, "db"));
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 1, stats.grants);
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.1.2.3", 22));
	fz_stage_grant(stage, 0, 0, "db", FZ_DIR_IN, FZ_ACTION_DENY, 0);
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.1.2.3", 22));
	allow(stage, 0, 0, "db");
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.1.2.3", 22));
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 1, stats.grants);
	generation = fz_authz_generation(&stage->az);
	KUNIT_EXPECT_EQ(test, -ENOENT, fz_stage_revoke(stage, 0, 1, "db", FZ_DIR_IN));
	KUNIT_EXPECT_EQ(test, -ENOENT, fz_stage_revoke(stage, 0, 0, "db", FZ_DIR_OUT));
	KUNIT_EXPECT_EQ(test, generation, fz_authz_generation(&stage->az));
	KUNIT_EXPECT_EQ(test, 0, fz_stage_revoke(stage, 0, 0, "db", FZ_DIR_IN));
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.1.2.3", 22));
	KUNIT_EXPECT_LT(test, generation, fz_authz_generation(&stage->az));
}

static void refuses_bad_grants(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_grant_spec specs[2];
	struct fz_authz_stats stats;
	unsigned int wrong;

	fz_stage_resource(stage, 0, "db", "10.1.0.0/16", "");
#define expect(err, change)								\
	do {										\
		memset(specs, 0, sizeof(specs));					\
		specs[0].resource = "db";						\
		specs[1].resource = "db";						\
		specs[0].ap = &stage->peers[0];						\
		specs[1].ap = &stage->peers[1];						\
		change;									\
		wrong = 99;								\
		KUNIT_EXPECT_EQ(test, err,						\
				fz_grant_set(&stage->az, 0, specs, 2, &wrong, NULL));	\
		KUNIT_EXPECT_EQ(test, 1, wrong);					\
	} while (0)
	expect(-ENOENT, specs[1].resource = "none");
	expect(-ENOENT, specs[1].resource = "");
	expect(-EINVAL, specs[1].dir = 2);
	expect(-EINVAL, specs[1].action = 2);
	expect(-EINVAL, specs[1].has_lease = true);
	expect(-ERANGE, (specs[1].has_lease = true, specs[1].lease_ms = FZ_LEASE_MS_MAX + 1));
#undef expect
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 0, stats.grants);
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.1.2.3", 22));
	fz_stage_remove(stage, 2);
	KUNIT_EXPECT_EQ(test, -ENOENT, allow(stage, 0, 2, "db"));
}

static void peer_takes_its_grants_along(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz_stats stats;

	fz_stage_resource(stage, 0, "db", "10.1.0.0/16", "");
	allow(stage, 0, 0, "db");
	allow(stage, 0, 1, "db");
	allow(stage, 0, FZ_STAGE_ANY, "db");
	fz_epoch_begin(&stage->az, 7, NULL);
	fz_stage_resource(stage, 7, "db", "10.1.0.0/16", "");
	allow(stage, 7, 0, "db");
	allow(stage, 7, 1, "db");
	fz_stage_remove(stage, 0);
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 2, stats.grants);
	KUNIT_EXPECT_EQ(test, 0, fz_epoch_commit(&stage->az, 7, NULL));
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 1, stats.grants);
	KUNIT_EXPECT_TRUE(test, may(stage, 1, "10.1.2.3", 22));
}

static void epoch_replaces_all(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz_stats stats;

	fz_stage_resource(stage, 0, "old", "10.1.0.0/16", "");
	fz_stage_resource(stage, 0, "kept", "10.2.0.0/16", "");
	allow(stage, 0, 0, "old");
	allow(stage, 0, 0, "kept");
	KUNIT_EXPECT_EQ(test, -ENOENT, fz_epoch_commit(&stage->az, 7, NULL));
	KUNIT_EXPECT_EQ(test, 0, fz_epoch_begin(&stage->az, 7, NULL));
	KUNIT_EXPECT_EQ(test, -EALREADY, fz_epoch_begin(&stage->az, 7, NULL));
	KUNIT_EXPECT_EQ(test, -EBUSY, fz_epoch_begin(&stage->az, 8, NULL));
	KUNIT_EXPECT_EQ(test, -ENOENT, fz_epoch_commit(&stage->az, 8, NULL));
	KUNIT_EXPECT_EQ(test, -ENOENT, fz_epoch_abort(&stage->az, 8, NULL));
	KUNIT_EXPECT_EQ(test, -ENOENT, allow(stage, 7, 0, "kept"));
	fz_stage_resource(stage, 7, "kept", "10.2.0.0/16", "");
	fz_stage_resource(stage, 7, "new", "10.3.0.0/16", "");
	KUNIT_EXPECT_EQ(test, 0, allow(stage, 7, 0, "kept"));
	KUNIT_EXPECT_EQ(test, 0, allow(stage, 7, 0, "new"));
	/* Nothing of it is seen; others' changes go on, to be lost. */
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.1.0.1", 1));
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.3.0.1", 1));
	fz_stage_resource(stage, 8, "theirs", "10.4.0.0/16", "");
	allow(stage, 8, 0, "theirs");
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.4.0.1", 1));
	KUNIT_EXPECT_EQ(test, 0, fz_epoch_commit(&stage->az, 7, NULL));
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.1.0.1", 1));
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.2.0.1", 1));
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.3.0.1", 1));
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.4.0.1", 1));
	fz_authz_stats(&stage->az, &stats);
	KUNIT_EXPECT_EQ(test, 2, stats.resources);
	KUNIT_EXPECT_EQ(test, 2, stats.grants);
}

/* Others have the lock while a policy is taken apart, and may remove peers that it names. */
static void policies_go_in_the_background(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_authz *az = &stage->az;
	char name[8], prefix[16];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, fz_epoch_begin(az, 7, NULL));
	for (i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		snprintf(prefix, sizeof(prefix), "10.%u.%u.0/24", i / 256, i % 256);
		KUNIT_ASSERT_EQ(test, 0, fz_stage_resource(stage, 7, name, prefix, ""));
		KUNIT_ASSERT_EQ(test, 0, fz_stage_grant(stage, 7, i % 2, name, FZ_DIR_IN,
							FZ_ACTION_ALLOW, 0));
	}
	mutex_lock(&az->lock);
	fz_policy_retire(az, az->staged);
	az->staged = NULL;
	az->owner = 0;
	KUNIT_EXPECT_EQ(test, 750, stage->peers[0].grants.count);
	fz_grant_drop_peer(az, &stage->peers[1]);
	KUNIT_EXPECT_EQ(test, 0, stage->peers[1].grants.count);
	mutex_unlock(&az->lock);
	fz_policy_wait(az);
	KUNIT_EXPECT_EQ(test, 0, stage->peers[0].grants.count);
	KUNIT_EXPECT_TRUE(test, list_empty(&stage->peers[0].grants.list));
	fz_stage_remove(stage, 0);
}

static void epoch_aborted_changes_nothing(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	u64 generation;

	fz_stage_resource(stage, 0, "kept", "10.2.0.0/16", "");
	allow(stage, 0, 0, "kept");
	generation = fz_authz_generation(&stage->az);
	fz_epoch_begin(&stage->az, 7, NULL);
	fz_stage_resource(stage, 7, "new", "10.3.0.0/16", "");
	allow(stage, 7, 0, "new");
	KUNIT_EXPECT_EQ(test, 0, fz_epoch_abort(&stage->az, 7, NULL));
	KUNIT_EXPECT_TRUE(test, may(stage, 0, "10.2.0.1", 1));
	KUNIT_EXPECT_FALSE(test, may(stage, 0, "10.3.0.1", 1));
	KUNIT_EXPECT_EQ(test, generation, fz_authz_generation(&stage->az));
	/* What a client had open goes with it; who had nothing waits for nobody. */
	fz_epoch_begin(&stage->az, 7, NULL);
	mutex_lock(&stage->az.lock);
	fz_epoch_release(&stage->az, 8);
	KUNIT_EXPECT_NOT_NULL(test, stage->az.staged);
	mutex_unlock(&stage->az.lock);
	fz_epoch_release(&stage->az, 7);
	KUNIT_EXPECT_NULL(test, stage->az.staged);
	KUNIT_EXPECT_EQ(test, generation, fz_authz_generation(&stage->az));
	/* One is left open: the device takes it along. */
	KUNIT_EXPECT_EQ(test, 0, fz_epoch_begin(&stage->az, 8, NULL));
	fz_stage_resource(stage, 8, "new", "10.3.0.0/16", "");
	allow(stage, 8, 0, "new");
}

struct listing {
	unsigned int seen;
	unsigned int limit;
	char first[FZ_NAME_MAX + 1];
};

static int list_grant(void *context, const struct fz_grant_info *info)
{
	struct listing *listing = context;

	if (listing->seen == listing->limit) {
		strscpy(listing->first, info->resource, sizeof(listing->first));
		return -EMSGSIZE;
	}
	if (listing->first[0]) {
		/* What did not fit comes again. */
		if (strcmp(listing->first, info->resource))
			return -EBADMSG;
		listing->first[0] = 0;
	}
	listing->seen++;
	return 0;
}

static int list_resource(void *context, const struct fz_resource_info *info)
{
	struct listing *listing = context;

	listing->seen += info->n_prefixes == 1 && info->grants == 1;
	return 0;
}

/* After many came, the table is still being rebuilt for a moment, and a dump says so. */
static int list_all(struct fz_stage *stage, struct fz_resource_cursor *cursor,
		    struct listing *listing)
{
	int err;

	do {
		cond_resched();
		memset(listing, 0, sizeof(*listing));
		fz_resource_dump_begin(&stage->az, cursor);
		err = fz_resource_dump(cursor, list_resource, listing);
		fz_resource_dump_end(cursor);
		fz_resource_dump_end(cursor);
	} while (err == -EINTR);
	return err;
}

static int list_grants_of(struct fz_stage *stage, struct fz_grant_cursor *cursor,
			  struct listing *listing, unsigned int peer)
{
	int err;

	do {
		cond_resched();
		memset(listing, 0, sizeof(*listing));
		fz_grant_dump_begin(&stage->az, cursor, &stage->peers[peer]);
		do {
			listing->limit += 7;
			err = fz_grant_dump(cursor, list_grant, listing);
		} while (err == -EMSGSIZE);
		fz_grant_dump_end(cursor);
	} while (err == -EINTR);
	return err;
}

static void dumps_go_on(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_resource_cursor *resources = kunit_kzalloc(test, sizeof(*resources), GFP_KERNEL);
	struct fz_grant_cursor *grants = kunit_kzalloc(test, sizeof(*grants), GFP_KERNEL);
	struct listing listing = {};
	char name[16], prefix[32];
	unsigned int i;

	for (i = 0; i < 100; i++) {
		sprintf(name, "r%u", i);
		sprintf(prefix, "10.1.%u.0/24", i);
		fz_stage_resource(stage, 0, name, prefix, "");
		allow(stage, 0, i % 2, name);
	}
	KUNIT_EXPECT_EQ(test, 0, list_all(stage, resources, &listing));
	KUNIT_EXPECT_EQ(test, 100, listing.seen);
	KUNIT_EXPECT_EQ(test, 0, list_grants_of(stage, grants, &listing, 1));
	KUNIT_EXPECT_EQ(test, 50, listing.seen);

	/* A dump that stands still while everything goes shows nothing of it. */
	memset(&listing, 0, sizeof(listing));
	listing.limit = 3;
	fz_grant_dump_begin(&stage->az, grants, NULL);
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, fz_grant_dump(grants, list_grant, &listing));
	fz_epoch_begin(&stage->az, 7, NULL);
	KUNIT_EXPECT_EQ(test, 0, fz_epoch_commit(&stage->az, 7, NULL));
	fz_stage_remove(stage, 0);
	KUNIT_EXPECT_EQ(test, -EINTR, fz_grant_dump(grants, list_grant, &listing));
	fz_grant_dump_end(grants);
	KUNIT_EXPECT_EQ(test, 3, listing.seen);
}

/* Nodes that nothing needs go away. */
static void trie_is_pruned(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	struct fz_policy *policy = rcu_access_pointer(stage->az.policy);
	char name[16], prefix[32];
	const char *names = name;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		sprintf(name, "r%u", i);
		sprintf(prefix, "10.%u.%u.0/%u", i % 3, i & ~3, 22 + i % 3);
		KUNIT_EXPECT_EQ(test, 0, fz_stage_resource(stage, 0, name, prefix, ""));
	}
	KUNIT_EXPECT_NOT_NULL(test, rcu_access_pointer(policy->tries[0].root));
	for (i = 0; i < 200; i++) {
		sprintf(name, "r%u", (i * 7) % 200);
		KUNIT_EXPECT_EQ(test, 0, fz_resource_del(&stage->az, 0, &names, 1, NULL, NULL));
	}
	KUNIT_EXPECT_PTR_EQ(test, NULL, rcu_access_pointer(policy->tries[0].root));
	KUNIT_EXPECT_TRUE(test, list_empty(&policy->dirty));
}

static void costs_what_was_promised(struct kunit *test)
{
	KUNIT_EXPECT_LE(test, sizeof(struct fz_grant), 128);
	/* Lock debugging makes locks larger. */
	if (sizeof(spinlock_t) == 4)
		KUNIT_EXPECT_LE(test, sizeof(struct fz_flow), 256);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(refuses_bad_resources),
	KUNIT_CASE(resources_come_together),
	KUNIT_CASE(resource_changes),
	KUNIT_CASE(grant_changes),
	KUNIT_CASE(refuses_bad_grants),
	KUNIT_CASE(peer_takes_its_grants_along),
	KUNIT_CASE(epoch_replaces_all),
	KUNIT_CASE(policies_go_in_the_background),
	KUNIT_CASE(epoch_aborted_changes_nothing),
	KUNIT_CASE(dumps_go_on),
	KUNIT_CASE(trie_is_pruned),
	KUNIT_CASE(costs_what_was_promised),
	{}
};

struct kunit_suite fz_policy_suite = {
	.name = "fz_policy",
	.init = fz_stage_init,
	.exit = fz_stage_exit,
	.test_cases = cases,
};
