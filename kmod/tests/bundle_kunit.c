// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/tcp.h>

#include "tests/suites.h"
#include "tunnel/bundle.h"
#include "tunnel/keypair.h"
#include "tunnel/peer.h"

/* Places in the ring; half are for what is on accounts. */
enum { RING = 16, HALF = RING / 2 };

/**
 * struct scene - a lane and its ring, with as much of a peer as references need
 * @lane: under test
 * @ring: under test; its workers do nothing, the test takes
 * @wq: where they do it
 * @peer: only its reference count is used
 * @keypairs: two, only their reference counts and nonces are used
 * @length: of the packets, bytes
 * @owned: the packets are on an account
 */
struct scene {
	struct fz_lane lane;
	struct fz_ring ring;
	struct workqueue_struct *wq;
	struct fz_peer *peer;
	struct fz_keypair *keypairs[2];
	unsigned int length;
	bool owned;
};

static unsigned int freed;

static void account(struct sk_buff *skb)
{
	freed++;
}

static void no_work(struct work_struct *work)
{
}

static int init(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, scene);
	test->priv = scene;
	scene->peer = kunit_kzalloc(test, sizeof(*scene->peer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, scene->peer);
	kref_init(&scene->peer->refcount);
	for (i = 0; i < 2; i++) {
		scene->keypairs[i] = kunit_kzalloc(test, sizeof(struct fz_keypair), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, scene->keypairs[i]);
		kref_init(&scene->keypairs[i]->refcount);
		atomic64_set(&scene->keypairs[i]->sending_counter, 0);
	}
	fz_lane_init(&scene->lane);
	scene->wq = alloc_workqueue("fz-kunit", WQ_UNBOUND, 0);
	KUNIT_ASSERT_NOT_NULL(test, scene->wq);
	return fz_ring_init(&scene->ring, NULL, scene->wq, no_work, RING);
}

/* Nothing is left over, and nobody forgot a reference. */
static void cleanup(struct kunit *test)
{
	struct scene *scene = test->priv;

	KUNIT_EXPECT_TRUE(test, fz_lane_is_empty(&scene->lane));
	KUNIT_EXPECT_EQ(test, scene->lane.packets, 0);
	KUNIT_EXPECT_EQ(test, scene->lane.owned, 0);
	KUNIT_EXPECT_EQ(test, kref_read(&scene->peer->refcount), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&scene->keypairs[0]->refcount), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&scene->keypairs[1]->refcount), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&scene->ring.len), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&scene->ring.of_sockets), 0);
	destroy_workqueue(scene->wq);
	fz_ring_destroy(&scene->ring, NULL);
}

/* Adds @count packets numbered from @first; drops what found no room. */
static int add_quietly(struct kunit *test, unsigned int key, u32 first, unsigned int count,
		       bool sending, bool quiet, struct fz_bundle **lone)
{
	struct scene *scene = test->priv;
	struct sk_buff_head packets;
	unsigned int i;
	int err;

	__skb_queue_head_init(&packets);
	for (i = 0; i < count; i++) {
		struct sk_buff *skb = alloc_skb(16 + scene->length, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb_put_zero(skb, scene->length);
		skb->mark = first + i;
		skb->destructor = scene->owned ? account : NULL;
		__skb_queue_tail(&packets, skb);
	}
	rcu_read_lock_bh();
	/* The future is far from quiet, and the beginning of time is long ago. */
	this_cpu_ptr(scene->ring.workers)->added = quiet ? 0 : ktime_get_mono_fast_ns() + NSEC_PER_SEC;
	err = fz_lane_add(&scene->lane, &scene->ring, scene->peer, scene->keypairs[key], &packets,
			  sending, lone);
	rcu_read_unlock_bh();
	KUNIT_EXPECT_EQ(test, !err, skb_queue_empty(&packets));
	__skb_queue_purge(&packets);
	return err;
}

static int add(struct kunit *test, unsigned int key, u32 first, unsigned int count, bool sending)
{
	struct fz_bundle *lone;
	int err = add_quietly(test, key, first, count, sending, false, &lone);

	KUNIT_EXPECT_NULL(test, lone);
	return err;
}

/* A whole bundle, whether or not there is something to do. The one before it is no longer open, or full. */
static int add_bundle(struct kunit *test, u32 first, bool sending)
{
	return add(test, 0, first, 1, sending) ?: add(test, 0, first + 1, FZ_BUNDLE_PACKETS - 1, sending);
}

/* Takes the bundle that comes next off the lane and expects packets from @first on. */
static unsigned int leave(struct kunit *test, u32 first)
{
	struct scene *scene = test->priv;
	struct sk_buff_head packets;
	struct fz_bundle *bundle;
	unsigned int count = 0;
	struct sk_buff *skb;

	__skb_queue_head_init(&packets);
	local_bh_disable();
	bundle = fz_lane_peek(&scene->lane);
	KUNIT_EXPECT_NOT_NULL(test, bundle);
	if (bundle) {
		fz_lane_take(&scene->lane, bundle, &packets, FZ_BUNDLE_PACKETS);
		fz_bundle_free(bundle);
	}
	local_bh_enable();
	skb_queue_walk(&packets, skb)
		KUNIT_EXPECT_EQ(test, skb->mark, first + count++);
	__skb_queue_purge(&packets);
	return count;
}

static bool may_leave(struct scene *scene)
{
	bool done;

	local_bh_disable();
	done = fz_lane_peek(&scene->lane);
	local_bh_enable();
	return done;
}

/* Packets join the last bundle until a worker has it, the key is another, or it is full. */
static void joins(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_bundle *first, *second, *third;

	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 3, true), 0);
	KUNIT_EXPECT_EQ(test, add(test, 0, 3, 2, true), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&scene->ring.len), 1);
	KUNIT_EXPECT_EQ(test, add(test, 1, 5, 1, true), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&scene->ring.len), 2);

	first = fz_bundle_take(&scene->ring);
	second = fz_bundle_take(&scene->ring);
	KUNIT_ASSERT_NOT_NULL(test, first);
	KUNIT_ASSERT_NOT_NULL(test, second);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&first->packets), 5);
	KUNIT_EXPECT_EQ(test, first->nonce, 0);
	KUNIT_EXPECT_PTR_EQ(test, second->keypair, scene->keypairs[1]);

	/* Same key as the last one, but that one is taken. */
	KUNIT_EXPECT_EQ(test, add(test, 1, 6, 1, true), 0);
	third = fz_bundle_take(&scene->ring);
	KUNIT_ASSERT_NOT_NULL(test, third);
	KUNIT_EXPECT_EQ(test, third->nonce, 1);
	KUNIT_EXPECT_NULL(test, fz_bundle_take(&scene->ring));

	/* Whoever is done first waits for those before. */
	fz_bundle_finish(third);
	fz_bundle_finish(second);
	KUNIT_EXPECT_FALSE(test, may_leave(scene));
	fz_bundle_finish(first);
	KUNIT_EXPECT_EQ(test, leave(test, 0), 5);
	KUNIT_EXPECT_EQ(test, leave(test, 5), 1);
	KUNIT_EXPECT_EQ(test, leave(test, 6), 1);
}

/* More than fits one bundle becomes several, with nonces that go on. */
static void splits(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_bundle *bundle;
	u32 next = 0;

	/* One is there already, so that the workers have something to do. */
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 1, true), 0);
	KUNIT_EXPECT_EQ(test, add(test, 0, 1, 2 * FZ_BUNDLE_PACKETS + 4, true), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&scene->ring.len), 3);
	while ((bundle = fz_bundle_take(&scene->ring)) != NULL) {
		KUNIT_EXPECT_EQ(test, bundle->nonce, next);
		fz_bundle_finish(bundle);
		next += leave(test, next);
	}
	KUNIT_EXPECT_EQ(test, next, 2 * FZ_BUNDLE_PACKETS + 5);
}

/* What comes at once while there is nothing to do is for all CPUs, in order. */
static void shares(struct kunit *test)
{
	const unsigned int count = 2 * FZ_BUNDLE_SHARE + 5;
	struct scene *scene = test->priv;
	struct fz_bundle *bundle;
	unsigned int bundles = 0;
	u32 next = 0;

	KUNIT_EXPECT_EQ(test, add(test, 0, 0, count, true), 0);
	/* What comes now finds something to do, and joins. */
	KUNIT_EXPECT_EQ(test, add(test, 0, count, FZ_BUNDLE_SHARE, true), 0);
	while ((bundle = fz_bundle_take(&scene->ring)) != NULL) {
		KUNIT_EXPECT_EQ(test, bundle->nonce, next);
		fz_bundle_finish(bundle);
		next += leave(test, next);
		bundles++;
	}
	KUNIT_EXPECT_EQ(test, next, count + FZ_BUNDLE_SHARE);
	KUNIT_EXPECT_EQ(test, bundles, num_online_cpus() > 1 ? 3 : 1);
}

/* A lane that was full takes packets again as soon as some have left. */
static void recovers(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_bundle *bundle;
	u32 added = 0, left = 0;

	while (!add_bundle(test, added, false))
		added += FZ_BUNDLE_PACKETS;
	KUNIT_EXPECT_EQ(test, added, HALF * FZ_BUNDLE_PACKETS);
	KUNIT_EXPECT_EQ(test, add(test, 0, added, 1, false), -ENOBUFS);

	bundle = fz_bundle_take(&scene->ring);
	KUNIT_ASSERT_NOT_NULL(test, bundle);
	KUNIT_EXPECT_EQ(test, add(test, 0, added, 1, false), 0);
	added++;
	do {
		fz_bundle_finish(bundle);
		left += leave(test, left);
		bundle = fz_bundle_take(&scene->ring);
	} while (bundle);
	KUNIT_EXPECT_EQ(test, left, added);
	KUNIT_EXPECT_EQ(test, scene->lane.packets, 0);
}

/* A worker does the next bundle, which then leaves, with packets from @first on. */
static unsigned int work_and_leave(struct kunit *test, u32 first)
{
	struct scene *scene = test->priv;
	struct fz_bundle *bundle = fz_bundle_take(&scene->ring);

	KUNIT_ASSERT_NOT_NULL(test, bundle);
	fz_bundle_finish(bundle);
	return leave(test, first);
}

/* The bound is on packets too, not only on bundles in the ring. */
static void bounds(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_bundle *bundles[FZ_LANE_PACKETS / FZ_BUNDLE_PACKETS];
	u32 added = 0, left = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bundles); i++) {
		KUNIT_EXPECT_EQ(test, add_bundle(test, added, false), 0);
		added += FZ_BUNDLE_PACKETS;
		bundles[i] = fz_bundle_take(&scene->ring);
		KUNIT_ASSERT_NOT_NULL(test, bundles[i]);
	}
	KUNIT_EXPECT_EQ(test, add(test, 0, added, 1, false), -ENOBUFS);
	for (i = 0; i < ARRAY_SIZE(bundles); i++) {
		fz_bundle_finish(bundles[i]);
		left += leave(test, left);
	}
	KUNIT_EXPECT_EQ(test, left, added);
}

/* What is on an account has room of its own, and leaves nothing of it to what is on none. */
static void owned(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_bundle *bundles[FZ_LANE_PACKETS / FZ_BUNDLE_PACKETS + 2];
	u32 added = 0, left = 0;
	unsigned int i;

	freed = 0;
	for (i = 0; i < ARRAY_SIZE(bundles); i++) {
		scene->owned = i != 1;
		KUNIT_EXPECT_EQ(test, add_bundle(test, added, true), 0);
		added += FZ_BUNDLE_PACKETS;
		bundles[i] = fz_bundle_take(&scene->ring);
		KUNIT_ASSERT_NOT_NULL(test, bundles[i]);
	}
	KUNIT_EXPECT_EQ(test, scene->lane.packets, FZ_BUNDLE_PACKETS);
	KUNIT_EXPECT_EQ(test, scene->lane.owned, FZ_LANE_PACKETS + FZ_BUNDLE_PACKETS);
	/* They share a bundle, and what is received is on no account, whatever it says. */
	scene->owned = false;
	KUNIT_EXPECT_EQ(test, add(test, 0, added++, 1, true), 0);
	scene->owned = true;
	KUNIT_EXPECT_EQ(test, add(test, 0, added++, 1, true), 0);
	KUNIT_EXPECT_EQ(test, add(test, 0, added++, 1, false), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&scene->ring.len), 1);
	KUNIT_EXPECT_EQ(test, scene->lane.packets, FZ_BUNDLE_PACKETS + 2);
	KUNIT_EXPECT_EQ(test, scene->lane.owned, FZ_LANE_PACKETS + FZ_BUNDLE_PACKETS + 1);
	for (i = 0; i < ARRAY_SIZE(bundles); i++) {
		fz_bundle_finish(bundles[i]);
		left += leave(test, left);
	}
	left += work_and_leave(test, left);
	KUNIT_EXPECT_EQ(test, left, added);
	KUNIT_EXPECT_EQ(test, scene->lane.packets, 0);
	KUNIT_EXPECT_EQ(test, scene->lane.owned, 0);
	KUNIT_EXPECT_EQ(test, freed, FZ_LANE_PACKETS + FZ_BUNDLE_PACKETS + 2);

	/* It is bounded, too. */
	scene->lane.owned = FZ_LANE_OWNED;
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 1, true), -ENOBUFS);
	scene->owned = false;
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 1, true), 0);
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 0), 1);
	scene->lane.owned = 0;
}

/* A bundle for each packet numbered from @first on, until there is no place for one. Return: how many had one. */
static unsigned int fill_half(struct kunit *test, u32 first, bool owned)
{
	struct scene *scene = test->priv;
	unsigned int count = 0;

	scene->owned = owned;
	while (count <= RING && !add(test, (first + count) % 2, first + count, 1, true))
		count++;
	return count;
}

/* Of the ring, which all peers share, half is for what is on accounts, half for all else, whoever comes first. */
static void half(struct kunit *test)
{
	struct scene *scene = test->priv;
	unsigned int round, i, left;

	for (round = 0; round < 2; round++) {
		KUNIT_EXPECT_EQ(test, fill_half(test, 0, round), HALF);
		KUNIT_EXPECT_EQ(test, fill_half(test, HALF, !round), HALF);
		/* What joins needs no place, */
		KUNIT_EXPECT_EQ(test, add(test, 1, RING, 1, true), 0);
		for (i = 0, left = 0; i < RING; i++)
			left += work_and_leave(test, left);
		KUNIT_EXPECT_EQ(test, left, RING + 1);
		/* and who left made one. */
		KUNIT_EXPECT_EQ(test, atomic_read(&scene->ring.of_sockets), 0);
	}
}

static void send_one(struct kunit *test, u32 number, void (*destructor)(struct sk_buff *skb), bool pure_ack)
{
	struct scene *scene = test->priv;
	struct sk_buff *skb = alloc_skb(16, GFP_KERNEL);
	struct sk_buff_head packets;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb->mark = number;
	skb->destructor = destructor;
	if (pure_ack)
		skb_set_tcp_pure_ack(skb);
	__skb_queue_head_init(&packets);
	__skb_queue_tail(&packets, skb);
	rcu_read_lock_bh();
	KUNIT_EXPECT_EQ(test, fz_lane_add(&scene->lane, &scene->ring, scene->peer, scene->keypairs[0], &packets,
					  true, NULL), 0);
	rcu_read_unlock_bh();
	skb->destructor = NULL;
}

/* Not everything that holds on to a socket is limited by its account. */
static void accounts(struct kunit *test)
{
	struct scene *scene = test->priv;

	send_one(test, 0, sock_efree, false);
	send_one(test, 1, sock_edemux, false);
	send_one(test, 2, sock_pfree, false);
	send_one(test, 3, account, true);
	KUNIT_EXPECT_EQ(test, scene->lane.owned, 0);
	send_one(test, 4, account, false);
	KUNIT_EXPECT_EQ(test, scene->lane.owned, 1);
	KUNIT_EXPECT_EQ(test, scene->lane.packets, 4);
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 0), 5);
}

/* Of some on accounts and some on none, taken in parts, all is counted once. */
static void mixed_parts(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct sk_buff_head taken;
	struct fz_bundle *bundle;

	__skb_queue_head_init(&taken);
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 3, true), 0);
	scene->owned = true;
	KUNIT_EXPECT_EQ(test, add(test, 0, 3, 7, true), 0);
	bundle = fz_bundle_take(&scene->ring);
	KUNIT_ASSERT_NOT_NULL(test, bundle);
	fz_bundle_finish(bundle);
	local_bh_disable();
	KUNIT_EXPECT_EQ(test, fz_lane_take(&scene->lane, bundle, &taken, 4), 4);
	KUNIT_EXPECT_EQ(test, scene->lane.packets, 0);
	KUNIT_EXPECT_EQ(test, scene->lane.owned, 6);
	KUNIT_EXPECT_EQ(test, fz_lane_take(&scene->lane, bundle, &taken, 4), 4);
	KUNIT_EXPECT_EQ(test, scene->lane.packets, 0);
	KUNIT_EXPECT_EQ(test, scene->lane.owned, 2);
	KUNIT_EXPECT_EQ(test, fz_lane_take(&scene->lane, bundle, &taken, 4), 2);
	KUNIT_EXPECT_TRUE(test, fz_lane_is_empty(&scene->lane));
	__skb_queue_purge(&taken);
	fz_bundle_free(bundle);
	local_bh_enable();
}

/* A consumer with a small budget takes a bundle in parts; what did not decrypt is counted too. */
static void parts(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct sk_buff_head taken;
	struct fz_bundle *bundle;
	struct sk_buff *skb;

	__skb_queue_head_init(&taken);
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 10, false), 0);
	bundle = fz_bundle_take(&scene->ring);
	KUNIT_ASSERT_NOT_NULL(test, bundle);
	skb = skb_peek(&bundle->packets);
	__skb_unlink(skb, &bundle->packets);
	kfree_skb(skb);
	fz_bundle_finish(bundle);

	local_bh_disable();
	KUNIT_EXPECT_EQ(test, fz_lane_take(&scene->lane, bundle, &taken, 4), 4);
	KUNIT_EXPECT_EQ(test, scene->lane.packets, 6);
	KUNIT_EXPECT_PTR_EQ(test, fz_lane_peek(&scene->lane), bundle);
	KUNIT_EXPECT_EQ(test, fz_lane_take(&scene->lane, bundle, &taken, 64), 5);
	KUNIT_EXPECT_EQ(test, scene->lane.packets, 0);
	KUNIT_EXPECT_TRUE(test, fz_lane_is_empty(&scene->lane));
	fz_bundle_free(bundle);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, skb_queue_len(&taken), 9);
	KUNIT_EXPECT_EQ(test, skb_peek(&taken)->mark, 1);
	__skb_queue_purge(&taken);
}

/* A key without nonces left refuses, and what it refuses stays with the caller. */
static void exhausted(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_bundle *bundle;

	atomic64_set(&scene->keypairs[0]->sending_counter, FZ_REJECT_AFTER_MESSAGES - 2);
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 2, true), 0);
	KUNIT_EXPECT_EQ(test, add(test, 0, 2, 1, true), -EKEYEXPIRED);
	while ((bundle = fz_bundle_take(&scene->ring)) != NULL)
		fz_bundle_finish(bundle);
	KUNIT_EXPECT_EQ(test, leave(test, 0), 2);
}

/* Whether the time until now is counted as work, not as quiet. */
static bool finish_lone(struct scene *scene, struct fz_bundle *lone)
{
	u64 before = ktime_get_mono_fast_ns();
	bool counted;

	local_bh_disable();
	fz_bundle_finish_lone(lone, &scene->ring);
	counted = this_cpu_ptr(scene->ring.workers)->added >= before;
	local_bh_enable();
	return counted;
}

/* One packet on a quiet CPU stays with who adds it, as long as there is nothing else to do. */
static void lone(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_bundle *lone, *second;

	KUNIT_EXPECT_EQ(test, add_quietly(test, 0, 0, 2, true, true, &lone), 0);
	KUNIT_EXPECT_NULL(test, lone);
	KUNIT_EXPECT_EQ(test, add_quietly(test, 0, 2, 1, true, true, &lone), 0);
	KUNIT_EXPECT_NULL(test, lone);
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 0), 3);

	KUNIT_EXPECT_EQ(test, add_quietly(test, 0, 3, 1, true, false, &lone), 0);
	KUNIT_EXPECT_NULL(test, lone);
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 3), 1);

	KUNIT_EXPECT_EQ(test, add_quietly(test, 0, 4, 1, true, true, &lone), 0);
	KUNIT_ASSERT_NOT_NULL(test, lone);
	KUNIT_EXPECT_NULL(test, fz_bundle_take(&scene->ring));
	/* What comes meanwhile does not join it, goes to the workers, and leaves after it. */
	KUNIT_EXPECT_EQ(test, add_quietly(test, 0, 5, 1, true, true, &second), 0);
	KUNIT_EXPECT_NULL(test, second);
	second = fz_bundle_take(&scene->ring);
	KUNIT_ASSERT_NOT_NULL(test, second);
	fz_bundle_finish(second);
	KUNIT_EXPECT_FALSE(test, may_leave(scene));
	KUNIT_EXPECT_TRUE(test, finish_lone(scene, lone));
	KUNIT_EXPECT_EQ(test, leave(test, 4), 1);
	KUNIT_EXPECT_EQ(test, leave(test, 5), 1);

	/* Nor has a softirq the time for a long one. */
	for (scene->length = FZ_LONE_LEN; scene->length <= FZ_LONE_LEN + 1; scene->length++) {
		KUNIT_EXPECT_EQ(test, add_quietly(test, 0, 6, 1, true, true, &lone), 0);
		KUNIT_EXPECT_EQ(test, !lone, scene->length > FZ_LONE_LEN);
		second = lone ?: fz_bundle_take(&scene->ring);
		KUNIT_ASSERT_NOT_NULL(test, second);
		fz_bundle_finish(second);
		KUNIT_EXPECT_EQ(test, leave(test, 6), 1);
	}
	scene->length = 0;

	/* Of a key that has no nonces left there is a bundle without packets. */
	atomic64_set(&scene->keypairs[0]->sending_counter, FZ_REJECT_AFTER_MESSAGES);
	KUNIT_EXPECT_EQ(test, add_quietly(test, 0, 6, 1, true, true, &lone), -EKEYEXPIRED);
	KUNIT_ASSERT_NOT_NULL(test, lone);
	KUNIT_EXPECT_TRUE(test, finish_lone(scene, lone));
	KUNIT_EXPECT_EQ(test, leave(test, 6), 0);
}

/* With a single CPU, what is received is worked on where it is, quiet or not, unless more of it follows. */
static void lone_cpu(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_bundle *lone, *taken;

	scene->ring.gathers = false;
	KUNIT_EXPECT_EQ(test, add_quietly(test, 0, 0, 1, false, false, &lone), 0);
	KUNIT_EXPECT_EQ(test, !!lone, num_online_cpus() == 1);
	taken = lone ?: fz_bundle_take(&scene->ring);
	KUNIT_ASSERT_NOT_NULL(test, taken);
	/* Whatever is quiet: not while there is something before it, and not if more follows. */
	KUNIT_EXPECT_EQ(test, add_quietly(test, 0, 1, 1, false, true, &lone), 0);
	KUNIT_EXPECT_NULL(test, lone);
	fz_bundle_finish(taken);
	KUNIT_EXPECT_EQ(test, leave(test, 0), 1);
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 1), 1);

	KUNIT_EXPECT_EQ(test, add_quietly(test, 0, 2, 1, false, true, NULL), 0);
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 2), 1);
}

/* Adds @count to an empty ring, or to what one packet of a process began, and expects whether it is let go on. */
static void expect_begun(struct kunit *test, unsigned int count, bool owned, bool begins, bool expected)
{
	struct scene *scene = test->priv;
	u32 first = 0;

	if (!begins) {
		scene->owned = true;
		KUNIT_EXPECT_EQ(test, add(test, 0, first++, 1, true), 0);
	}
	scene->owned = owned;
	KUNIT_EXPECT_EQ(test, add(test, 0, first, count, true), 0);
	KUNIT_EXPECT_EQ(test, scene->ring.begun, expected);
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 0), first + count);
	scene->ring.begun = false;
}

/* With a single CPU, a process that sends packet by packet is let go on; nobody else is. */
static void begun(struct kunit *test)
{
	struct scene *scene = test->priv;
	bool single = num_online_cpus() == 1;
	unsigned int begins;

	for (begins = 0; begins < 2; begins++) {
		expect_begun(test, 1, true, begins, single);
		expect_begun(test, FZ_FEW, true, begins, single);
		expect_begun(test, FZ_FEW + 1, true, begins, false);
		expect_begun(test, 1, false, begins, false);
	}
	/* Who comes later does not make those wait who were there. */
	scene->owned = false;
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 1, true), 0);
	scene->owned = true;
	KUNIT_EXPECT_EQ(test, add(test, 0, 1, 1, true), 0);
	KUNIT_EXPECT_FALSE(test, scene->ring.begun);
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 0), 2);
	/* Nor is anything gained by waiting where nothing leaves together. */
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 1, true), 0);
	scene->ring.begun = false;
	scene->ring.gathers = false;
	KUNIT_EXPECT_EQ(test, add(test, 0, 1, 1, true), 0);
	KUNIT_EXPECT_FALSE(test, scene->ring.begun);
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 0), 2);
}

/* Adds @count packets to an empty ring, twice. Return: how many of the workers that were woken are here. */
static unsigned int woken_here(struct kunit *test, unsigned int count, bool owned)
{
	struct scene *scene = test->priv;
	unsigned int here = 0, round;

	scene->owned = owned;
	migrate_disable();
	for (round = 0; round < 2; round++) {
		KUNIT_EXPECT_EQ(test, add(test, 0, 0, count, true), 0);
		here += scene->ring.last_cpu == smp_processor_id();
		KUNIT_EXPECT_EQ(test, work_and_leave(test, 0), count);
	}
	migrate_enable();
	return here;
}

/* Who sends packet by packet keeps its CPU, where there is another; else workers are woken in turn. */
static void elsewhere(struct kunit *test)
{
	struct scene *scene = test->priv;
	unsigned int cpus = num_online_cpus();

	if (cpus > 2)
		kunit_skip(test, "in turn is more than this CPU and another here");
	KUNIT_EXPECT_EQ(test, woken_here(test, 1, true), cpus > 1 ? 0 : 2);
	KUNIT_EXPECT_EQ(test, woken_here(test, FZ_FEW, true), cpus > 1 ? 0 : 2);
	KUNIT_EXPECT_EQ(test, woken_here(test, FZ_FEW + 1, true), cpus > 1 ? 1 : 2);
	KUNIT_EXPECT_EQ(test, woken_here(test, 1, false), cpus > 1 ? 1 : 2);
	/* If there is more to do than that, it has to help. */
	scene->owned = true;
	migrate_disable();
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 1, true), 0);
	KUNIT_EXPECT_EQ(test, add(test, 1, 1, 1, true), 0);
	KUNIT_EXPECT_EQ(test, scene->ring.last_cpu, smp_processor_id());
	migrate_enable();
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 0), 1);
	KUNIT_EXPECT_EQ(test, work_and_leave(test, 1), 1);
}

static unsigned int handed_on;

static void work_nothing(struct fz_device *fz, struct fz_bundle *bundle, struct page_frag *room)
{
}

static void count_handed_on(struct fz_peer *const *peers, unsigned int count)
{
	handed_on += count;
}

/* Adds @bundles of @count packets and has them worked on here; expects that of so many, with a single CPU. */
static void work_here(struct kunit *test, unsigned int bundles, unsigned int count, unsigned int expected)
{
	struct scene *scene = test->priv;
	unsigned int i, left = 0;

	handed_on = 0;
	for (i = 0; i < bundles; i++)
		KUNIT_EXPECT_EQ(test, add(test, i % 2, i * count, count, false), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&scene->ring.len), bundles);
	local_bh_disable();
	fz_bundle_work_here(&scene->ring, NULL, work_nothing, count_handed_on);
	local_bh_enable();
	if (num_online_cpus() > 1)
		expected = 0;
	KUNIT_EXPECT_EQ(test, handed_on, expected);
	KUNIT_EXPECT_EQ(test, atomic_read(&scene->ring.len), bundles - expected);
	for (i = 0; i < expected; i++)
		left += leave(test, left);
	for (; i < bundles; i++)
		left += work_and_leave(test, left);
	KUNIT_EXPECT_EQ(test, left, bundles * count);
}

/* With a single CPU, what was received is worked on where it is, but not without end; nothing else is. */
static void works_here(struct kunit *test)
{
	struct scene *scene = test->priv;

	work_here(test, 1, 3, 0);
	scene->ring.gathers = false;
	work_here(test, 1, 3, 1);
	/* Five of these are less than what may be done at a time. */
	scene->length = FZ_HERE_LEN / (5 * 12) - 1;
	work_here(test, 8, 12, 6);
	/* More of what is short, but not of that without end either. */
	scene->length = 0;
	work_here(test, 8, 12, 8);
	if (num_online_cpus() == 1)
		work_here(test, 8, FZ_HERE_PACKETS / 4, 4);
}

/* As removal asks it: until workers have done all that there is, whoever takes it. */
static void is_worked_on(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_bundle *first, *second;

	KUNIT_EXPECT_FALSE(test, fz_lane_is_worked_on(&scene->lane));
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 1, true), 0);
	KUNIT_EXPECT_EQ(test, add(test, 1, 1, 1, true), 0);
	KUNIT_EXPECT_TRUE(test, fz_lane_is_worked_on(&scene->lane));
	first = fz_bundle_take(&scene->ring);
	second = fz_bundle_take(&scene->ring);
	KUNIT_ASSERT_TRUE(test, first && second);
	fz_bundle_finish(first);
	KUNIT_EXPECT_TRUE(test, fz_lane_is_worked_on(&scene->lane));
	fz_bundle_finish(second);
	KUNIT_EXPECT_FALSE(test, fz_lane_is_worked_on(&scene->lane));
	KUNIT_EXPECT_EQ(test, leave(test, 0), 1);
	KUNIT_EXPECT_EQ(test, leave(test, 1), 1);
}

/* A session that ends while packets are added to it is like one that is over: they stay. */
static void ended(struct kunit *test)
{
	struct scene *scene = test->priv;

	refcount_set(&scene->keypairs[0]->refcount.refcount, 0);
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 1, true), -EKEYEXPIRED);
	KUNIT_EXPECT_TRUE(test, fz_lane_is_empty(&scene->lane));
	KUNIT_EXPECT_NULL(test, fz_bundle_take(&scene->ring));
	kref_init(&scene->keypairs[0]->refcount);
}

/* What the worker of endless() works with, and how much it still has to do. */
static struct kunit *endless_test;
static unsigned int endless_left;

/* Has as much to do afterwards as before. */
static void do_and_add(struct fz_device *fz, struct fz_bundle *bundle, struct page_frag *room)
{
	if (endless_left && --endless_left)
		add(endless_test, 0, 0, 1, false);
}

static void forget(struct fz_peer *const *peers, unsigned int count)
{
	struct scene *scene = endless_test->priv;

	while (may_leave(scene))
		leave(endless_test, 0);
}

static void endless_work(struct work_struct *work)
{
	struct scene *scene = endless_test->priv;

	fz_bundle_work(container_of(work, struct fz_worker, work), &scene->ring, do_and_add, forget);
}

/* Who waits for what was queued does not wait for what is added meanwhile. */
static void endless(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_worker *worker = per_cpu_ptr(scene->ring.workers, 0);

	endless_test = test;
	endless_left = 100000;
	/* One of the workers: there is one consumer. */
	INIT_WORK(&worker->work, endless_work);
	KUNIT_EXPECT_EQ(test, add(test, 0, 0, 1, false), 0);
	queue_work(scene->wq, &worker->work);
	flush_workqueue(scene->wq);
	KUNIT_EXPECT_GT(test, endless_left, 0);
	endless_left = 0;
	drain_workqueue(scene->wq);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(joins),
	KUNIT_CASE(splits),
	KUNIT_CASE(shares),
	KUNIT_CASE(recovers),
	KUNIT_CASE(bounds),
	KUNIT_CASE(owned),
	KUNIT_CASE(half),
	KUNIT_CASE(accounts),
	KUNIT_CASE(mixed_parts),
	KUNIT_CASE(parts),
	KUNIT_CASE(exhausted),
	KUNIT_CASE(lone),
	KUNIT_CASE(lone_cpu),
	KUNIT_CASE(begun),
	KUNIT_CASE(elsewhere),
	KUNIT_CASE(works_here),
	KUNIT_CASE(is_worked_on),
	KUNIT_CASE(ended),
	KUNIT_CASE(endless),
	{}
};

struct kunit_suite fz_bundle_suite = {
	.name = "fz_bundle",
	.init = init,
	.exit = cleanup,
	.test_cases = cases,
};
