// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/slab.h>

#include "tests/suites.h"
#include "tunnel/keypair.h"

/**
 * struct scene - a peer's sessions without a peer
 * @keypairs: under test
 * @indices: where sessions are found
 */
struct scene {
	struct fz_keypairs keypairs;
	struct fz_indextable indices;
};

static int init(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scene);
	test->priv = scene;
	fz_keypairs_init(&scene->keypairs, "kunit", 0);
	return fz_indextable_init(&scene->indices);
}

static void cleanup(struct kunit *test)
{
	struct scene *scene = test->priv;

	fz_keypairs_close(&scene->keypairs);
	/* Every session that was let go has left the table. */
	KUNIT_EXPECT_EQ(test, atomic_read(&scene->indices.entries.nelems), 0);
	fz_indextable_destroy(&scene->indices);
}

/* A session in which everything but the keys is right; the caller has the one reference. */
static struct fz_keypair *create(struct kunit *test, bool initiator)
{
	struct scene *scene = test->priv;
	struct fz_keypair *keypair = fz_keypair_create(&scene->keypairs, &scene->indices, NULL);

	KUNIT_ASSERT_NOT_NULL(test, keypair);
	KUNIT_ASSERT_EQ(test, fz_indextable_insert(&scene->indices, &keypair->entry), 0);
	keypair->initiator = initiator;
	keypair->birth_ns = fz_clock_now();
	keypair->sending_valid = true;
	keypair->receiving_valid = true;
	return keypair;
}

/* The same, in use. The pointer is good as long as the session is in one of the three places. */
static struct fz_keypair *add(struct kunit *test, bool initiator)
{
	struct scene *scene = test->priv;
	struct fz_keypair *keypair = create(test, initiator);

	KUNIT_EXPECT_TRUE(test, fz_keypairs_add(&scene->keypairs, keypair));
	return keypair;
}

static void expect(struct kunit *test, const struct fz_keypair *current_keypair,
		   const struct fz_keypair *previous, const struct fz_keypair *next)
{
	struct fz_keypairs *keypairs = &((struct scene *)test->priv)->keypairs;

	KUNIT_EXPECT_PTR_EQ(test, (const struct fz_keypair *)
			    rcu_access_pointer(keypairs->current_keypair), current_keypair);
	KUNIT_EXPECT_PTR_EQ(test, (const struct fz_keypair *)
			    rcu_access_pointer(keypairs->previous_keypair), previous);
	KUNIT_EXPECT_PTR_EQ(test, (const struct fz_keypair *)
			    rcu_access_pointer(keypairs->next_keypair), next);
}

static void keypair_initiator_sends_at_once(struct kunit *test)
{
	struct fz_keypair *first, *second, *third;

	first = add(test, true);
	expect(test, first, NULL, NULL);
	second = add(test, true);
	expect(test, second, first, NULL);
	third = add(test, true);
	expect(test, third, second, NULL);
}

static void keypair_responder_waits_for_confirmation(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypair *first, *second;

	first = add(test, false);
	expect(test, NULL, NULL, first);
	KUNIT_EXPECT_NULL(test, fz_keypair_get_current(&scene->keypairs));
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, first));
	expect(test, first, NULL, NULL);
	KUNIT_EXPECT_FALSE(test, fz_keypairs_confirm(&scene->keypairs, first));

	second = add(test, false);
	expect(test, first, NULL, second);
	/* What comes in the session in use confirms nothing. */
	KUNIT_EXPECT_FALSE(test, fz_keypairs_confirm(&scene->keypairs, first));
	expect(test, first, NULL, second);
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, second));
	expect(test, second, first, NULL);
}

static void keypair_unconfirmed_is_replaced(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypair *first, *second, *third;

	first = add(test, true);
	add(test, false);
	second = add(test, false);
	expect(test, first, NULL, second);

	/* Our own session comes first; the unconfirmed one can still be received in. */
	third = add(test, true);
	expect(test, third, second, NULL);
	KUNIT_EXPECT_FALSE(test, fz_keypairs_confirm(&scene->keypairs, second));
	expect(test, third, second, NULL);
}

static void keypair_new_answer_drops_the_previous(struct kunit *test)
{
	struct fz_keypair *second, *third;

	add(test, true);
	second = add(test, true);
	third = add(test, false);
	expect(test, second, NULL, third);
}

static void keypair_is_found_while_referenced(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_index_entry *entry;
	struct fz_keypair *keypair;
	__le32 index;

	add(test, true);
	keypair = fz_keypair_get_current(&scene->keypairs);
	KUNIT_ASSERT_NOT_NULL(test, keypair);
	index = keypair->entry.index;
	fz_keypairs_clear(&scene->keypairs);
	expect(test, NULL, NULL, NULL);

	rcu_read_lock();
	entry = fz_indextable_find(&scene->indices, index);
	KUNIT_EXPECT_PTR_EQ(test, entry, &keypair->entry);
	fz_keypair_put(keypair);
	/* Its memory is there until the end of the grace period, but nobody gets it any more. */
	KUNIT_EXPECT_NULL(test, fz_indextable_find(&scene->indices, index));
	KUNIT_EXPECT_FALSE(test, fz_keypair_get(keypair));
	rcu_read_unlock();
}

static void keypair_expires(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypair *current_keypair = add(test, true), *next = add(test, false);

	KUNIT_EXPECT_TRUE(test, fz_keypair_may_send(current_keypair));
	fz_keypairs_expire(&scene->keypairs);
	KUNIT_EXPECT_FALSE(test, fz_keypair_may_send(current_keypair));
	KUNIT_EXPECT_FALSE(test, fz_keypair_may_send(next));
	KUNIT_EXPECT_TRUE(test, fz_keypair_may_receive(current_keypair));
	KUNIT_EXPECT_TRUE(test, fz_keypair_may_receive(next));

	next->sending_valid = true;
	next->birth_ns -= (FZ_REJECT_AFTER_TIME - 20) * NSEC_PER_SEC;
	KUNIT_EXPECT_TRUE(test, fz_keypair_may_send(next));
	next->birth_ns -= 20 * NSEC_PER_SEC;
	KUNIT_EXPECT_FALSE(test, fz_keypair_may_send(next));
	KUNIT_EXPECT_FALSE(test, fz_keypair_may_receive(next));
}

static void keypair_gives_each_nonce_once(struct kunit *test)
{
	struct fz_keypair *keypair = add(test, true);
	u64 first;

	KUNIT_EXPECT_TRUE(test, fz_keypair_take_nonces(keypair, 3, &first));
	KUNIT_EXPECT_EQ(test, first, 0);
	KUNIT_EXPECT_TRUE(test, fz_keypair_take_nonces(keypair, 1, &first));
	KUNIT_EXPECT_EQ(test, first, 3);

	atomic64_set(&keypair->sending_counter, FZ_REJECT_AFTER_MESSAGES - 2);
	KUNIT_EXPECT_TRUE(test, fz_keypair_take_nonces(keypair, 2, &first));
	KUNIT_EXPECT_EQ(test, first, FZ_REJECT_AFTER_MESSAGES - 2);
	KUNIT_EXPECT_FALSE(test, fz_keypair_take_nonces(keypair, 1, &first));
	KUNIT_EXPECT_FALSE(test, fz_keypair_may_send(keypair));

	/* A bundle that does not fit ends the session too. */
	keypair->sending_valid = true;
	atomic64_set(&keypair->sending_counter, FZ_REJECT_AFTER_MESSAGES - 2);
	KUNIT_EXPECT_FALSE(test, fz_keypair_take_nonces(keypair, 3, &first));
	KUNIT_EXPECT_FALSE(test, fz_keypair_may_send(keypair));
}

static void keypair_none_after_closing(struct kunit *test)
{
	struct scene *scene = test->priv;

	add(test, true);
	fz_keypairs_close(&scene->keypairs);
	expect(test, NULL, NULL, NULL);
	KUNIT_EXPECT_FALSE(test, fz_keypairs_add(&scene->keypairs, create(test, true)));
	KUNIT_EXPECT_FALSE(test, fz_keypairs_add(&scene->keypairs, create(test, false)));
	expect(test, NULL, NULL, NULL);
}

static struct kunit_case keypair_cases[] = {
	KUNIT_CASE(keypair_initiator_sends_at_once),
	KUNIT_CASE(keypair_responder_waits_for_confirmation),
	KUNIT_CASE(keypair_unconfirmed_is_replaced),
	KUNIT_CASE(keypair_new_answer_drops_the_previous),
	KUNIT_CASE(keypair_is_found_while_referenced),
	KUNIT_CASE(keypair_expires),
	KUNIT_CASE(keypair_gives_each_nonce_once),
	KUNIT_CASE(keypair_none_after_closing),
	{}
};

struct kunit_suite fz_keypair_suite = {
	.name = "fz_keypair",
	.init = init,
	.exit = cleanup,
	.test_cases = keypair_cases,
};
