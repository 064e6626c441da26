// SPDX-License-Identifier: GPL-2.0-only
/* The table of flows, when a peer chooses what it is hashed by. */

#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "tests/stage.h"
#include "tests/suites.h"

#define BUCKETS 4096		/* that are counted in, whatever the table has at the moment */
#define LONGEST 16		/* chain; by chance one in a million millions is longer */
#define COLLIDING 64

/* Ways to count up what makes a flow another one. */
enum sequence {
	PORTS,
	ADDRESSES,
	HIGH_BITS,
	BOTH_PORTS,
	PORT_AND_ADDRESS,
	SEQUENCES
};

static void choose(struct fz_stage *stage, enum sequence sequence, u32 number,
		   struct fz_tuple *tuple)
{
	fz_stage_tuple(stage, tuple, IPPROTO_UDP, "10.8.0.1", 1000, "10.2.0.2", 53);
	switch (sequence) {
	case PORTS:
		tuple->sport = number;
		break;
	case ADDRESSES:
		tuple->dst.ip = cpu_to_be32(be32_to_cpu(tuple->dst.ip) + number);
		break;
	case HIGH_BITS:
		tuple->src.ip = cpu_to_be32(number << 20 | number >> 12);
		break;
	case BOTH_PORTS:
		tuple->sport = number;
		tuple->dport = ~number;
		break;
	case PORT_AND_ADDRESS:
		tuple->sport = number & 0xffff;
		tuple->src.ip = cpu_to_be32(be32_to_cpu(tuple->src.ip) + (number >> 16));
		break;
	case SEQUENCES:
		break;
	}
}

/* The newest one: what is being filled while the table is rebuilt. */
static struct bucket_table *newest(struct rhashtable *table)
{
	struct bucket_table *found = rcu_dereference(table->tbl), *next;

	while ((next = rcu_dereference(found->future_tbl)))
		found = next;
	return found;
}

static u32 hash(struct fz_stage *stage, struct fz_authz *az, const struct fz_tuple *tuple)
{
	struct fz_flow_key key;
	u32 found;

	fz_flow_key_make(&key, &stage->peers[0], FZ_DIR_IN, tuple);
	rcu_read_lock();
	found = rht_key_get_hash(&az->flows, &key, fz_flow_table, newest(&az->flows)->hash_rnd);
	rcu_read_unlock();
	return found;
}

static u32 seed_of(struct fz_authz *az)
{
	u32 seed;

	rcu_read_lock();
	seed = newest(&az->flows)->hash_rnd;
	rcu_read_unlock();
	return seed;
}

static void sequences_are_spread(struct kunit *test)
{
	u16 *counts = kunit_kzalloc(test, BUCKETS * sizeof(*counts), GFP_KERNEL);
	struct fz_stage *stage = test->priv;
	struct fz_tuple tuple;
	unsigned int sequence;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, counts);
	for (sequence = 0; sequence < SEQUENCES; sequence++) {
		u32 longest = 0, used = 0;

		memset(counts, 0, BUCKETS * sizeof(*counts));
		for (i = 0; i < BUCKETS; i++) {
			u16 *count;

			choose(stage, sequence, i, &tuple);
			count = &counts[hash(stage, &stage->az, &tuple) % BUCKETS];
			used += !*count;
			longest = max_t(u32, longest, ++*count);
		}
		KUNIT_EXPECT_LE_MSG(test, longest, LONGEST, "sequence %u", sequence);
		/* Of as many as there are buckets, chance leaves 37 % of these empty. */
		KUNIT_EXPECT_GT_MSG(test, used, BUCKETS / 2, "sequence %u", sequence);
	}
}

/* Tuples that are in one bucket of a device's table, as somebody would choose who knew its seed. */
static struct fz_tuple *find_colliding(struct kunit *test, struct fz_authz *az)
{
	struct fz_tuple *found = kunit_kcalloc(test, COLLIDING, sizeof(*found), GFP_KERNEL);
	struct fz_stage *stage = test->priv;
	unsigned int n = 0;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, found);
	for (i = 0; n < COLLIDING && i < 8 * COLLIDING * BUCKETS; i++) {
		choose(stage, PORT_AND_ADDRESS, i, &found[n]);
		n += !(hash(stage, az, &found[n]) % BUCKETS);
	}
	KUNIT_ASSERT_EQ(test, COLLIDING, n);
	return found;
}

static u32 longest_chain(struct kunit *test, struct fz_authz *az, const struct fz_tuple *tuples,
			 u32 buckets)
{
	u16 *counts = kunit_kzalloc(test, buckets * sizeof(*counts), GFP_KERNEL);
	u32 longest = 0;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, counts);
	for (i = 0; i < COLLIDING; i++) {
		u16 *count = &counts[hash(test->priv, az, &tuples[i]) % buckets];

		longest = max_t(u32, longest, ++*count);
	}
	return longest;
}

/* What collides on one device does not on another, nor on the same one made again. */
static void each_device_has_its_own_key(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	const struct fz_tuple *colliding = find_colliding(test, &stage->az);
	struct fz_authz *other = kvzalloc(sizeof(*other), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_EXPECT_EQ(test, COLLIDING, longest_chain(test, &stage->az, colliding, BUCKETS));
	for (i = 0; i < 2; i++) {
		if (fz_authz_init(other, NULL, stage->az.ops, FZ_MODE_ENFORCE,
				  FZ_FLOWS_MAX_DEFAULT)) {
			KUNIT_FAIL(test, "no second device");
			break;
		}
		KUNIT_EXPECT_NE(test, seed_of(&stage->az), seed_of(other));
		KUNIT_EXPECT_LE(test, longest_chain(test, other, colliding, BUCKETS), LONGEST);
		fz_authz_stop(other);
		fz_authz_destroy(other);
	}
	kvfree(other);
}

/* Who knows the key all the same makes the table take another. All flows are admitted and found. */
static void collisions_change_the_key(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	u32 buckets, seed = seed_of(&stage->az);
	const struct fz_tuple *colliding;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, fz_stage_resource(stage, 0, "all", "10.2.0.0/16", ""));
	KUNIT_ASSERT_EQ(test, 0, fz_stage_grant(stage, 0, 0, "all", FZ_DIR_IN, FZ_ACTION_ALLOW, 0));
	colliding = find_colliding(test, &stage->az);
	for (i = 0; i < COLLIDING; i++)
		KUNIT_EXPECT_TRUE(test, fz_stage_pass(stage, 0, FZ_DIR_IN, &colliding[i], 0));
	for (i = 0; i < COLLIDING; i++)
		KUNIT_EXPECT_NOT_NULL(test, fz_stage_flow(stage, 0, FZ_DIR_IN, &colliding[i]));
	KUNIT_EXPECT_EQ(test, COLLIDING, stage->az.n_flows);
	KUNIT_EXPECT_NE(test, seed, seed_of(&stage->az));
	rcu_read_lock();
	buckets = newest(&stage->az.flows)->size;
	rcu_read_unlock();
	KUNIT_EXPECT_LE(test, longest_chain(test, &stage->az, colliding, buckets), LONGEST);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(sequences_are_spread),
	KUNIT_CASE(each_device_has_its_own_key),
	KUNIT_CASE(collisions_change_the_key),
	{}
};

struct kunit_suite fz_flowtable_suite = {
	.name = "fz_flowtable",
	.init = fz_stage_init,
	.exit = fz_stage_exit,
	.test_cases = cases,
};
