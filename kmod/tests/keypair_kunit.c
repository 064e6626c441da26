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

static void grow_older(struct fz_keypair *keypair, unsigned int seconds)
{
	keypair->birth_ns -= seconds * NSEC_PER_SEC;
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
	grow_older(second, FZ_REKEY_TIMEOUT);

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

/* Initiations crossed: we have the other end's session and ours, of which @winner is to be used. */
static void cross(struct kunit *test, enum fz_crossing winner, struct fz_keypair **theirs,
		  struct fz_keypair **ours)
{
	struct scene *scene = test->priv;

	*theirs = add(test, false);
	*ours = create(test, true);
	(*theirs)->remote_index = cpu_to_le32(le32_to_cpu((*ours)->entry.index) +
					      (winner == FZ_CROSSING_THEIRS ? 1 : -1));
	KUNIT_EXPECT_TRUE(test, fz_keypairs_add(&scene->keypairs, *ours));
	KUNIT_EXPECT_EQ(test, scene->keypairs.crossing, winner);
}

static void keypair_crossing_stays_with_ours(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypair *before = add(test, true), *theirs, *ours, *after;

	grow_older(before, FZ_REKEY_AFTER_TIME);
	cross(test, FZ_CROSSING_OURS, &theirs, &ours);
	expect(test, ours, before, theirs);
	KUNIT_EXPECT_FALSE(test, fz_keypairs_confirm(&scene->keypairs, theirs));
	KUNIT_EXPECT_FALSE(test, fz_keypairs_confirm(&scene->keypairs, ours));
	KUNIT_EXPECT_FALSE(test, fz_keypairs_confirm(&scene->keypairs, before));
	expect(test, ours, before, theirs);

	/* It is ours to renew. What the other end gave up is not taken for a session to come. */
	grow_older(theirs, FZ_REKEY_AFTER_TIME);
	after = add(test, true);
	expect(test, after, ours, NULL);
}

static void keypair_crossing_follows_theirs(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypair *before = add(test, true), *theirs, *ours, *after;

	grow_older(before, FZ_REKEY_AFTER_TIME);
	cross(test, FZ_CROSSING_THEIRS, &theirs, &ours);
	expect(test, ours, before, theirs);
	KUNIT_EXPECT_FALSE(test, fz_keypairs_confirm(&scene->keypairs, before));
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, theirs));
	expect(test, theirs, before, ours);
	KUNIT_EXPECT_FALSE(test, fz_keypairs_confirm(&scene->keypairs, theirs));
	/* A WireGuard that read our initiation late goes over to our session. */
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, ours));
	expect(test, ours, before, theirs);
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, theirs));
	expect(test, theirs, before, ours);

	after = add(test, false);
	expect(test, theirs, NULL, after);
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, after));
	expect(test, after, theirs, NULL);
}

/* The other end's session was confirmed before the answer to our initiation came. */
static void keypair_crossing_after_confirmation(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypair *before = add(test, true), *theirs = add(test, false), *ours;

	theirs->remote_index = cpu_to_le32(U32_MAX);
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, theirs));
	ours = add(test, true);
	expect(test, ours, before, theirs);
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, theirs));
	expect(test, theirs, before, ours);
}

static void keypair_ordinary_sessions_do_not_cross(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypair *theirs = add(test, false), *ours, *again;

	/* Ours after theirs, as soon as we may initiate again: it is used, whatever the indices. */
	theirs->remote_index = cpu_to_le32(U32_MAX);
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, theirs));
	grow_older(theirs, FZ_REKEY_TIMEOUT);
	ours = add(test, true);
	expect(test, ours, theirs, NULL);
	KUNIT_EXPECT_FALSE(test, fz_keypairs_confirm(&scene->keypairs, theirs));
	expect(test, ours, theirs, NULL);

	/* Theirs after ours, even at once: perhaps the other end has lost its keys. */
	again = add(test, false);
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, again));
	expect(test, again, ours, NULL);
	KUNIT_EXPECT_FALSE(test, fz_keypairs_confirm(&scene->keypairs, ours));

	/* The same while initiations had crossed. */
	fz_keypairs_clear(&scene->keypairs);
	cross(test, FZ_CROSSING_OURS, &theirs, &ours);
	again = add(test, false);
	expect(test, ours, NULL, again);
	KUNIT_EXPECT_TRUE(test, fz_keypairs_confirm(&scene->keypairs, again));
	expect(test, again, ours, NULL);
}

/* However it is heard afterwards, nothing is sent in either session that was told to expire. */
static void keypair_crossing_expires(struct kunit *test)
{
	static const enum fz_crossing winners[] = { FZ_CROSSING_OURS, FZ_CROSSING_THEIRS };
	struct scene *scene = test->priv;
	struct fz_keypair *theirs, *ours, *fresh;

	for (int i = 0; i < ARRAY_SIZE(winners); i++) {
		fz_keypairs_clear(&scene->keypairs);
		cross(test, winners[i], &theirs, &ours);
		fz_keypairs_expire(&scene->keypairs);
		for (int j = 0; j < 4; j++) {
			fz_keypairs_confirm(&scene->keypairs, j % 2 ? ours : theirs);
			KUNIT_EXPECT_FALSE(test, fz_keypair_may_send(theirs));
			KUNIT_EXPECT_FALSE(test, fz_keypair_may_send(ours));
		}
		/* A new one takes over, although it is hardly younger. */
		theirs->remote_index = cpu_to_le32(U32_MAX);
		fz_keypairs_confirm(&scene->keypairs, theirs);
		fresh = add(test, true);
		KUNIT_EXPECT_EQ(test, scene->keypairs.crossing, FZ_CROSSING_NONE);
		KUNIT_EXPECT_TRUE(test, fz_keypair_may_send(fresh));
		expect(test, fresh, winners[i] == FZ_CROSSING_OURS ? ours : theirs, NULL);
	}
}

/**
 * struct end - one of two ends that begin a session each at the same moment
 * @scene: its sessions
 * @mine: the session that it initiates
 * @theirs: the session that the other end initiates
 * @late: the index that a packet names which is still under way to it
 * @late_count: how many of @late there are
 */
struct end {
	struct scene scene;
	struct fz_keypair *mine;
	struct fz_keypair *theirs;
	__le32 late[4];
	unsigned int late_count;
};

static struct fz_keypair *current_of(struct end *end)
{
	return rcu_dereference_protected(end->scene.keypairs.current_keypair, true);
}

static struct fz_keypair *create_at(struct kunit *test, struct end *end, bool initiator)
{
	void *priv = test->priv;
	struct fz_keypair *keypair;

	test->priv = &end->scene;
	keypair = create(test, initiator);
	test->priv = priv;
	return keypair;
}

/* The session of which @winner is the initiator is the one to be used in the end. */
static void meet(struct kunit *test, struct end end[2], unsigned int winner)
{
	for (int i = 0; i < 2; i++) {
		fz_keypairs_init(&end[i].scene.keypairs, "kunit", i);
		end[i].late_count = 0;
		end[i].mine = create_at(test, &end[i], true);
		end[i].theirs = create_at(test, &end[i], false);
	}
	while (le32_to_cpu(end[winner].mine->entry.index) <=
	       le32_to_cpu(end[!winner].mine->entry.index))
		KUNIT_ASSERT_EQ(test, fz_indextable_insert(&end[winner].scene.indices,
							   &end[winner].mine->entry), 0);
	for (int i = 0; i < 2; i++) {
		end[i].mine->remote_index = end[!i].theirs->entry.index;
		end[!i].theirs->remote_index = end[i].mine->entry.index;
	}
}

static bool hear(struct end *end, __le32 index)
{
	struct fz_index_entry *entry;
	bool found;

	rcu_read_lock();
	entry = fz_indextable_find(&end->scene.indices, index);
	found = entry;
	if (found)
		fz_keypairs_confirm(&end->scene.keypairs,
				    container_of(entry, struct fz_keypair, entry));
	rcu_read_unlock();
	return found;
}

/* A packet in what is the current session at @from; false if it is lost. */
static bool send(struct end *from, struct end *to, bool late)
{
	struct fz_keypair *keypair = current_of(from);

	if (!keypair)
		return true;
	if (!late)
		return hear(to, keypair->remote_index);
	to->late[to->late_count++] = keypair->remote_index;
	return true;
}

/* The steps of both ends, in every order in which an answer is not read before it was written. */
static const struct {
	u8 end;
	bool mine;
} crossings[][4] = {
	{ { 0, false }, { 1, false }, { 0, true }, { 1, true } },
	{ { 0, false }, { 1, false }, { 1, true }, { 0, true } },
	/* One end reads the answer to its initiation first. */
	{ { 0, false }, { 1, true }, { 1, false }, { 0, true } },
};

/*
 * After each step either end may send a packet, which arrives at once or, by the bits of @late,
 * when all is over.
 */
static bool converges(struct end end[2], unsigned int crossing, unsigned int late)
{
	bool heard = true;

	for (unsigned int i = 0; i < 4; i++) {
		struct end *at = &end[crossings[crossing][i].end];

		fz_keypairs_add(&at->scene.keypairs,
				crossings[crossing][i].mine ? at->mine : at->theirs);
		for (unsigned int j = 0; j < 2; j++, late >>= 1)
			heard &= send(&end[j], &end[!j], late & 1);
	}
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int j = 0; j < end[i].late_count; j++)
			heard &= hear(&end[i], end[i].late[j]);
	}
	for (unsigned int i = 0; i < 4; i++)
		heard &= send(&end[i & 1], &end[!(i & 1)], false);
	return heard && current_of(&end[0])->remote_index == current_of(&end[1])->entry.index &&
	       current_of(&end[1])->remote_index == current_of(&end[0])->entry.index;
}

/* Both ends come to send in one session, so that one of them renews it, and nothing is lost. */
static void keypair_crossing_converges(struct kunit *test)
{
	struct end *end = kunit_kcalloc(test, 2, sizeof(*end), GFP_KERNEL);
	const unsigned int cases = ARRAY_SIZE(crossings) * 2 * BIT(8);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, end);
	KUNIT_ASSERT_EQ(test, fz_indextable_init(&end[0].scene.indices), 0);
	KUNIT_ASSERT_EQ(test, fz_indextable_init(&end[1].scene.indices), 0);
	for (i = 0; i < cases; i++) {
		meet(test, end, i & 1);
		if (!converges(end, i / 2 / BIT(8), i / 2 % BIT(8)))
			break;
		fz_keypairs_close(&end[0].scene.keypairs);
		fz_keypairs_close(&end[1].scene.keypairs);
	}
	KUNIT_EXPECT_EQ_MSG(test, i, cases, "order %lu, packets %lx are late, end %u wins",
			    i / 2 / BIT(8), i / 2 % BIT(8), i & 1);
	fz_keypairs_close(&end[0].scene.keypairs);
	fz_keypairs_close(&end[1].scene.keypairs);
	fz_indextable_destroy(&end[0].scene.indices);
	fz_indextable_destroy(&end[1].scene.indices);
}

static void keypair_is_found_while_referenced(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_index_entry *entry;
	struct fz_keypair *keypair = add(test, true);
	__le32 index;

	rcu_read_lock();
	KUNIT_EXPECT_TRUE(test, fz_keypair_get(keypair));
	rcu_read_unlock();
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
	grow_older(next, FZ_REJECT_AFTER_TIME - 20);
	KUNIT_EXPECT_TRUE(test, fz_keypair_may_send(next));
	grow_older(next, 20);
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

static void keypair_is_renewed(struct kunit *test)
{
	struct fz_keypair *ours = add(test, true), *theirs = add(test, false);

	KUNIT_EXPECT_FALSE(test, fz_keypair_sent_enough(ours));
	atomic64_set(&ours->sending_counter, FZ_REKEY_AFTER_MESSAGES);
	KUNIT_EXPECT_FALSE(test, fz_keypair_sent_enough(ours));
	atomic64_inc(&ours->sending_counter);
	KUNIT_EXPECT_TRUE(test, fz_keypair_sent_enough(ours));
	atomic64_set(&ours->sending_counter, 0);
	atomic64_set(&theirs->sending_counter, -1);
	KUNIT_EXPECT_TRUE(test, fz_keypair_sent_enough(theirs));
	atomic64_set(&theirs->sending_counter, 0);

	/* By age, who began it. A test is not so slow that it takes 20 s. */
	grow_older(ours, FZ_REKEY_AFTER_TIME - 20);
	KUNIT_EXPECT_FALSE(test, fz_keypair_sent_enough(ours));
	grow_older(ours, 20);
	KUNIT_EXPECT_TRUE(test, fz_keypair_sent_enough(ours));
	grow_older(ours, 165 - FZ_REKEY_AFTER_TIME - 20);
	KUNIT_EXPECT_FALSE(test, fz_keypair_ends_soon(ours));
	grow_older(ours, 20);
	KUNIT_EXPECT_TRUE(test, fz_keypair_ends_soon(ours));
	ours->sending_valid = false;
	KUNIT_EXPECT_FALSE(test, fz_keypair_ends_soon(ours));
	grow_older(theirs, FZ_REJECT_AFTER_TIME - 1);
	KUNIT_EXPECT_FALSE(test, fz_keypair_sent_enough(theirs));
	KUNIT_EXPECT_FALSE(test, fz_keypair_ends_soon(theirs));
}

static bool has_keys(const struct fz_keypair *keypair)
{
	return memchr_inv(keypair->sending_key, 0, FZ_KEY_LEN) &&
	       memchr_inv(keypair->receiving_key, 0, FZ_KEY_LEN);
}

static bool is_wiped(const struct fz_keypair *keypair)
{
	return !memchr_inv(keypair->sending_key, 0, FZ_KEY_LEN) &&
	       !memchr_inv(keypair->receiving_key, 0, FZ_KEY_LEN);
}

/* Keys go with their last user, wherever they were and whoever that is. */
static void keypair_keys_are_wiped(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypair *all[4];

	for (int i = 0; i < ARRAY_SIZE(all); i++) {
		all[i] = create(test, i < 3);
		memset(all[i]->sending_key, 0xaa, FZ_KEY_LEN);
		memset(all[i]->receiving_key, 0x55, FZ_KEY_LEN);
	}
	rcu_read_lock();
	/* One that has no place any more, then the three places. */
	for (int i = 0; i < ARRAY_SIZE(all); i++) {
		if (i == 2)
			KUNIT_EXPECT_TRUE(test, fz_keypair_get(all[1]));
		KUNIT_EXPECT_TRUE(test, fz_keypairs_add(&scene->keypairs, all[i]));
	}
	KUNIT_EXPECT_TRUE(test, is_wiped(all[0]));
	KUNIT_EXPECT_TRUE(test, has_keys(all[2]));
	KUNIT_EXPECT_TRUE(test, has_keys(all[3]));
	fz_keypairs_clear(&scene->keypairs);
	KUNIT_EXPECT_TRUE(test, is_wiped(all[2]));
	KUNIT_EXPECT_TRUE(test, is_wiped(all[3]));
	/* A bundle is under way. */
	KUNIT_EXPECT_TRUE(test, has_keys(all[1]));
	fz_keypair_put(all[1]);
	KUNIT_EXPECT_TRUE(test, is_wiped(all[1]));
	rcu_read_unlock();
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
	KUNIT_CASE(keypair_crossing_stays_with_ours),
	KUNIT_CASE(keypair_crossing_follows_theirs),
	KUNIT_CASE(keypair_crossing_after_confirmation),
	KUNIT_CASE(keypair_ordinary_sessions_do_not_cross),
	KUNIT_CASE(keypair_crossing_expires),
	KUNIT_CASE(keypair_crossing_converges),
	KUNIT_CASE(keypair_is_found_while_referenced),
	KUNIT_CASE(keypair_expires),
	KUNIT_CASE(keypair_gives_each_nonce_once),
	KUNIT_CASE(keypair_is_renewed),
	KUNIT_CASE(keypair_keys_are_wiped),
	KUNIT_CASE(keypair_none_after_closing),
	{}
};

struct kunit_suite fz_keypair_suite = {
	.name = "fz_keypair",
	.init = init,
	.exit = cleanup,
	.test_cases = keypair_cases,
};
