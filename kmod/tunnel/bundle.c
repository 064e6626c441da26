// SPDX-License-Identifier: GPL-2.0-only
/* The data path's unit of work, and the queues that it passes. */

#include "tunnel/bundle.h"

#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/tcp.h>

#include "compat/cpumask.h"
#include "compat/crypto.h"
#include "tunnel/keypair.h"
#include "tunnel/peer.h"

static struct kmem_cache *bundle_cache;

/**
 * fz_bundle_init() - prepare for bundles
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int fz_bundle_init(void)
{
	bundle_cache = KMEM_CACHE(fz_bundle, SLAB_HWCACHE_ALIGN);
	return bundle_cache ? 0 : -ENOMEM;
}

/**
 * fz_bundle_uninit() - undo fz_bundle_init()
 *
 * Context: module unload; no bundle exists.
 */
void fz_bundle_uninit(void)
{
	kmem_cache_destroy(bundle_cache);
}

static struct fz_bundle *bundle_create(struct fz_lane *lane, struct fz_peer *peer,
				       struct fz_keypair *keypair)
{
	struct fz_bundle *bundle = kmem_cache_alloc(bundle_cache, GFP_ATOMIC | __GFP_NOWARN);

	if (!bundle)
		return ERR_PTR(-ENOBUFS);
	if (!fz_keypair_get(keypair)) {
		kmem_cache_free(bundle_cache, bundle);
		return ERR_PTR(-EKEYEXPIRED);
	}
	bundle->lane = lane;
	bundle->peer = fz_peer_get(peer);
	bundle->keypair = keypair;
	bundle->nonce = 0;
	bundle->counted = 0;
	bundle->owned = 0;
	bundle->of_socket = false;
	bundle->state = FZ_BUNDLE_OPEN;
	__skb_queue_head_init(&bundle->packets);
	return bundle;
}

/**
 * fz_bundle_free() - end a bundle, with the packets still in it
 * @bundle: on no queue
 *
 * Context: BH off or softirq.
 */
void fz_bundle_free(struct fz_bundle *bundle)
{
	__skb_queue_purge(&bundle->packets);
	fz_keypair_put(bundle->keypair);
	fz_peer_put(bundle->peer);
	kmem_cache_free(bundle_cache, bundle);
}

/**
 * fz_bundle_finish() - give a bundle to the consumer of its lane
 * @bundle: taken by the caller, who must not touch it afterwards
 *
 * The caller then wakes the consumer, with a reference of its own to the peer.
 *
 * Context: any.
 */
void fz_bundle_finish(struct fz_bundle *bundle)
{
	/* Pairs with the acquire in fz_lane_peek(): packets are ready before the state says so. */
	smp_store_release(&bundle->state, FZ_BUNDLE_DONE);
}

/**
 * fz_bundle_finish_lone() - as fz_bundle_finish(), for a bundle that fz_lane_add() left to its caller
 * @bundle: worked on; the caller must not touch it afterwards
 * @ring: that it would have gone to
 *
 * The time that the work took does not count as quiet, however long it was: what comes at once after
 * it goes to the workers.
 *
 * Context: BH off, the CPU that added it.
 */
void fz_bundle_finish_lone(struct fz_bundle *bundle, struct fz_ring *ring)
{
	this_cpu_ptr(ring->workers)->added = ktime_get_mono_fast_ns();
	fz_bundle_finish(bundle);
}

/**
 * fz_lane_init() - prepare a lane
 * @lane: of a new peer
 */
void fz_lane_init(struct fz_lane *lane)
{
	spin_lock_init(&lane->lock);
	INIT_LIST_HEAD(&lane->bundles);
	lane->packets = 0;
	lane->owned = 0;
	atomic_set(&lane->kicks, 0);
}

/* How many packets wait in @lane that are on an account, or on none. */
static unsigned int *lane_count(struct fz_lane *lane, bool owned)
{
	return owned ? &lane->owned : &lane->packets;
}

/* And how many of those in @bundle the lane still counts. */
static unsigned int *bundle_count(struct fz_bundle *bundle, bool owned)
{
	return owned ? &bundle->owned : &bundle->counted;
}

static bool lane_is_full(struct fz_lane *lane, bool owned)
{
	return *lane_count(lane, owned) >= (owned ? FZ_LANE_OWNED : FZ_LANE_PACKETS);
}

/* Sockets, of which there can be any number, and what is forwarded each have half of what all peers share. */
static bool ring_is_full(const struct fz_ring *ring, bool owned)
{
	int of_sockets = atomic_read(&ring->of_sockets);

	return (owned ? of_sockets : atomic_read(&ring->len) - of_sockets) >= ring->ring.size / 2;
}

static int ring_add_bundle(struct fz_ring *ring, struct fz_bundle *bundle, bool owned)
{
	bundle->of_socket = owned;
	/* Whoever takes it may do so at once. */
	if (owned)
		atomic_inc(&ring->of_sockets);
	if (!fz_ring_add(ring, bundle))
		return 0;
	if (owned)
		atomic_dec(&ring->of_sockets);
	return -ENOBUFS;
}

/*
 * Whether packets like @skb are limited by the account of the socket that sends them. Some hold on to their
 * socket, but are not on its account, or only for form's sake.
 */
static bool is_owned(const struct sk_buff *skb)
{
	return skb->destructor && skb->destructor != sock_edemux && skb->destructor != sock_efree &&
	       skb->destructor != sock_pfree && !skb_is_tcp_pure_ack(skb);
}

/*
 * How many packets a bundle gets. As long as there is enough to do, long ones are cheaper. Before that, all
 * CPUs are to have some of what comes at once, and its first packets to leave while its last are worked on.
 */
static unsigned int bundle_size(const struct fz_lane *lane, const struct fz_ring *ring)
{
	bool idle = list_empty(&lane->bundles) && !atomic_read(&ring->len);

	lockdep_assert_held(&lane->lock);
	return idle && num_online_cpus() > 1 ? FZ_BUNDLE_SHARE : FZ_BUNDLE_PACKETS;
}

static bool bundle_may_join(const struct fz_bundle *bundle, const struct fz_keypair *keypair, unsigned int size)
{
	return bundle->state == FZ_BUNDLE_OPEN && bundle->keypair == keypair &&
	       skb_queue_len(&bundle->packets) < size;
}

/*
 * The bundle that takes the next packets: the last one while it is open and shorter than @size, or a new and empty one,
 * for @ring if not NULL, whose workers are the caller's to wake. ERR_PTR as fz_lane_add() returns it.
 */
static struct fz_bundle *lane_tail(struct fz_lane *lane, struct fz_ring *ring, struct fz_peer *peer,
				   struct fz_keypair *keypair, bool owned, unsigned int size)
{
	struct fz_bundle *bundle;

	lockdep_assert_held(&lane->lock);
	if (lane_is_full(lane, owned))
		return ERR_PTR(-ENOBUFS);
	if (!list_empty(&lane->bundles)) {
		bundle = list_last_entry(&lane->bundles, struct fz_bundle, order);
		if (bundle_may_join(bundle, keypair, size))
			return bundle;
	}
	if (ring && ring_is_full(ring, owned))
		return ERR_PTR(-ENOBUFS);
	bundle = bundle_create(lane, peer, keypair);
	if (IS_ERR(bundle))
		return bundle;
	/* A worker may find it at once, and then waits for the lane's lock to take it. */
	if (ring && ring_add_bundle(ring, bundle, owned)) {
		fz_bundle_free(bundle);
		return ERR_PTR(-ENOBUFS);
	}
	/* The consumer looks without the lock: it sees the bundle as it is now, or not at all. */
	list_add_tail_rcu(&bundle->order, &lane->bundles);
	return bundle;
}

/* Moves as many of @packets as there is room for in one of @size; one set of nonces for all of them. */
static int bundle_fill(struct fz_bundle *bundle, struct sk_buff_head *packets, bool sending, bool owned,
		       unsigned int size)
{
	unsigned int room = size - skb_queue_len(&bundle->packets);
	unsigned int count = min(room, skb_queue_len(packets));
	u64 nonce;

	if (sending) {
		if (!fz_keypair_take_nonces(bundle->keypair, count, &nonce))
			return -EKEYEXPIRED;
		if (skb_queue_empty(&bundle->packets))
			bundle->nonce = nonce;
	}
	*lane_count(bundle->lane, owned) += count;
	*bundle_count(bundle, owned) += count;
	while (count--)
		__skb_queue_tail(&bundle->packets, __skb_dequeue(packets));
	return 0;
}

/* Whether this CPU was given nothing for the ring's workers for a while. */
static bool cpu_is_quiet(struct fz_ring *ring)
{
	struct fz_worker *worker = this_cpu_ptr(ring->workers);
	u64 now = ktime_get_mono_fast_ns();
	u64 before = worker->added;

	worker->added = now;
	return (s64)(now - before) >= ring->quiet;
}

/*
 * With a single CPU a worker is a detour, however much there is to do. But for what gains by waiting, and where its
 * cipher is the faster one.
 */
static bool is_worked_on_here(const struct fz_ring *ring)
{
	return !ring->gathers && num_online_cpus() == 1 && fz_compat_cipher_is_fast();
}

/* One packet, with nothing before it and nobody at work, is done with sooner where it is. */
static bool is_lone(const struct fz_lane *lane, struct fz_ring *ring,
		    const struct sk_buff_head *packets)
{
	bool quiet = cpu_is_quiet(ring);

	lockdep_assert_held(&lane->lock);
	return (quiet || is_worked_on_here(ring)) && skb_queue_len(packets) == 1 &&
	       skb_peek(packets)->len <= FZ_LONE_LEN && list_empty(&lane->bundles) &&
	       !atomic_read(&ring->len);
}

/*
 * Whether a process of this host sends so few that it would send more at once, if it is left its CPU. Threads that poll
 * a device are tasks as well, but what they forward is on nobody's account.
 */
static bool is_packet_by_packet(const struct sk_buff_head *packets, bool owned)
{
	return owned && in_task() && skb_queue_len(packets) <= FZ_FEW;
}

/* To be asked before packets are added for a worker: whether to let who sends them go on, before it takes them. */
static void note_begun(struct fz_ring *ring, bool by_few)
{
	if (!ring->gathers || num_online_cpus() > 1)
		return;
	if (!by_few)
		WRITE_ONCE(ring->begun, false);
	else if (!atomic_read(&ring->len))
		WRITE_ONCE(ring->begun, true);
}

/**
 * fz_lane_add() - queue packets of one peer and one key for a worker and for their turn
 * @lane: of @peer, for the direction
 * @ring: of the device, for the direction
 * @peer: whose packets these are
 * @keypair: to encrypt or decrypt with, found under RCU; the caller needs no reference
 * @packets: in order; those that found room are taken away, those left are the caller's to drop
 * @sending: nonces are to be handed out; and the first packet says whether all are on the account of who sent them
 * @lone: set to a bundle that the caller has to work on and to give to fz_bundle_finish_lone(), as it
 *	  would be a detour to have a worker do it; else to NULL. Itself NULL if more packets follow at once
 *
 * Many producers. Packets join the last bundle while no worker has it, so that bundles grow by
 * themselves under load and are as short as can be without.
 *
 * Context: BH off, RCU. Takes the lane's lock.
 * Return: 0; -ENOBUFS if the lane, the ring or memory is full; -EKEYEXPIRED if @keypair has no
 * nonces left, or has just ended. @packets is empty if and only if 0 is returned.
 */
int fz_lane_add(struct fz_lane *lane, struct fz_ring *ring, struct fz_peer *peer,
		struct fz_keypair *keypair, struct sk_buff_head *packets, bool sending,
		struct fz_bundle **lone)
{
	const struct sk_buff *first = skb_peek(packets);
	bool owned = sending && first && is_owned(first);
	bool by_few = is_packet_by_packet(packets, owned), here;
	struct fz_bundle *bundle;
	unsigned int size;
	int err = 0;

	if (lone)
		*lone = NULL;
	spin_lock(&lane->lock);
	here = is_lone(lane, ring, packets) && lone;
	size = bundle_size(lane, ring);
	if (!here)
		note_begun(ring, by_few);
	while (!err && !skb_queue_empty(packets)) {
		bundle = lane_tail(lane, here ? NULL : ring, peer, keypair, owned, size);
		if (IS_ERR(bundle)) {
			err = PTR_ERR(bundle);
			break;
		}
		/* Whoever is woken waits for the lock. */
		if (!here && skb_queue_empty(&bundle->packets))
			fz_ring_wake(ring, by_few);
		err = bundle_fill(bundle, packets, sending, owned, size);
		if (here) {
			bundle->state = FZ_BUNDLE_TAKEN;
			*lone = bundle;
		}
	}
	spin_unlock(&lane->lock);
	return err;
}

/**
 * fz_lane_peek() - what a lane's consumer may have next
 * @lane: whose one consumer the caller is
 *
 * Single consumer, many producers. Without the lock: only the consumer removes bundles.
 *
 * Context: BH off or softirq.
 * Return: the oldest bundle, still on the lane, or NULL if there is none or it is not done.
 */
struct fz_bundle *fz_lane_peek(struct fz_lane *lane)
{
	struct fz_bundle *bundle = list_first_or_null_rcu(&lane->bundles, struct fz_bundle, order);

	/* Pairs with the release in fz_bundle_finish(): what is done is there to be taken. */
	if (bundle && smp_load_acquire(&bundle->state) != FZ_BUNDLE_DONE)
		return NULL;
	return bundle;
}

/**
 * fz_lane_take() - take packets out of the bundle that comes next
 * @lane: whose one consumer the caller is
 * @bundle: from fz_lane_peek(). When there are no packets left in it, it is off the lane, and the
 *	    caller's to free
 * @packets: takes them at its tail, in order
 * @max: at most so many
 *
 * Single consumer, many producers.
 *
 * Context: BH off or softirq. Takes the lane's lock.
 * Return: how many were taken.
 */
unsigned int fz_lane_take(struct fz_lane *lane, struct fz_bundle *bundle,
			  struct sk_buff_head *packets, unsigned int max)
{
	unsigned int count = skb_queue_len(&bundle->packets), leave = bundle->counted, owned = bundle->owned, i;

	if (count <= max) {
		skb_queue_splice_tail_init(&bundle->packets, packets);
	} else {
		/* Which of them are on accounts is of no matter: all are gone from the count with the last. */
		count = max;
		leave = min(leave, max);
		owned = max - leave;
		for (i = 0; i < count; i++)
			__skb_queue_tail(packets, __skb_dequeue(&bundle->packets));
	}
	bundle->counted -= leave;
	bundle->owned -= owned;
	spin_lock(&lane->lock);
	lane->packets -= leave;
	lane->owned -= owned;
	/* Those that could not be worked on are counted, but not there. */
	if (skb_queue_empty(&bundle->packets))
		list_del(&bundle->order);
	spin_unlock(&lane->lock);
	return count;
}

/**
 * fz_lane_is_worked_on() - whether workers still have to do with a lane
 * @lane: to which nothing is added any more
 *
 * Context: any but hard interrupts. Takes the lane's lock.
 * Return: true if a bundle of it is not done.
 */
bool fz_lane_is_worked_on(struct fz_lane *lane)
{
	struct fz_bundle *bundle;
	bool pending = false;

	spin_lock_bh(&lane->lock);
	list_for_each_entry(bundle, &lane->bundles, order) {
		/* Pairs with the release in fz_bundle_finish(): the worker has let go of it. */
		pending |= smp_load_acquire(&bundle->state) != FZ_BUNDLE_DONE;
	}
	spin_unlock_bh(&lane->lock);
	return pending;
}

/**
 * fz_lane_is_empty() - whether nothing waits in a lane
 * @lane: any
 *
 * Context: any; the answer may be old at once.
 * Return: true if it is empty.
 */
bool fz_lane_is_empty(struct fz_lane *lane)
{
	return list_empty_careful(&lane->bundles);
}

/**
 * fz_ring_init() - prepare a ring and its workers
 * @ring: of a new device
 * @fz: the device
 * @wq: where the workers run
 * @work: what a worker does: take from the ring until it is empty
 * @size: how many items fit
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int fz_ring_init(struct fz_ring *ring, struct fz_device *fz, struct workqueue_struct *wq,
		 work_func_t work, unsigned int size)
{
	int cpu;

	if (ptr_ring_init(&ring->ring, size, GFP_KERNEL))
		return -ENOMEM;
	ring->workers = alloc_percpu(struct fz_worker);
	if (!ring->workers) {
		ptr_ring_cleanup(&ring->ring, NULL);
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu) {
		struct fz_worker *worker = per_cpu_ptr(ring->workers, cpu);

		worker->fz = fz;
		INIT_WORK(&worker->work, work);
	}
	ring->wq = wq;
	ring->quiet = FZ_QUIET_NS;
	ring->gathers = true;
	ring->begun = false;
	ring->last_cpu = 0;
	atomic_set(&ring->len, 0);
	atomic_set(&ring->of_sockets, 0);
	return 0;
}

/**
 * fz_ring_destroy() - undo fz_ring_init()
 * @ring: whose workers are no longer queued anywhere
 * @destroy: what to do with an item still in it; NULL if there can be none
 *
 * Context: may sleep.
 */
void fz_ring_destroy(struct fz_ring *ring, void (*destroy)(void *item))
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct page *page = per_cpu_ptr(ring->workers, cpu)->room.page;

		if (page)
			put_page(page);
	}
	free_percpu(ring->workers);
	WARN_ON(!destroy && !__ptr_ring_empty(&ring->ring));
	ptr_ring_cleanup(&ring->ring, destroy);
}

/**
 * fz_ring_add() - queue an item
 * @ring: where to
 * @item: what
 *
 * Many producers. The caller calls fz_ring_wake() afterwards.
 *
 * Context: any but hard interrupts.
 * Return: 0, or -ENOBUFS if it is full.
 */
int fz_ring_add(struct fz_ring *ring, void *item)
{
	atomic_inc(&ring->len);
	if (!ptr_ring_produce_bh(&ring->ring, item))
		return 0;
	atomic_dec(&ring->len);
	return -ENOBUFS;
}

/**
 * fz_ring_wake() - have a worker look at the ring, on the next CPU of all
 * @ring: something was added
 * @elsewhere: this CPU has something to do: as long as nothing else waits, leave it alone if there is another
 *
 * Context: any but hard interrupts.
 */
void fz_ring_wake(struct fz_ring *ring, bool elsewhere)
{
	unsigned int cpu = fz_compat_next_cpu(READ_ONCE(ring->last_cpu));
	struct work_struct *work;

	if (elsewhere && cpu == raw_smp_processor_id() && atomic_read(&ring->len) <= 1)
		cpu = fz_compat_next_cpu(cpu);
	WRITE_ONCE(ring->last_cpu, cpu);
	work = &per_cpu_ptr(ring->workers, cpu)->work;
	/*
	 * Pairs with the barrier behind which a work item stops being pending: one that still is will
	 * look at the ring after what was added. Asking is cheaper than queueing in vain.
	 */
	smp_mb();
	if (!work_pending(work))
		queue_work_on(cpu, ring->wq, work);
}

/**
 * fz_ring_take() - take an item
 * @ring: where from
 *
 * Many consumers.
 *
 * Context: any but hard interrupts.
 * Return: the oldest item, or NULL if there is none.
 */
void *fz_ring_take(struct fz_ring *ring)
{
	void *item = ptr_ring_consume_bh(&ring->ring);

	if (item)
		atomic_dec(&ring->len);
	return item;
}

/**
 * fz_room_refill() - see that there is room for so much
 * @room: of the caller alone
 * @len: bytes
 *
 * Context: any but hard interrupts.
 * Return: true if @room has @len bytes from its offset on; false without memory, and always for more
 * than %FZ_ROOM_MAX.
 */
bool fz_room_refill(struct page_frag *room, unsigned int len)
{
	if (len > FZ_ROOM_MAX || !skb_page_frag_refill(len, room, GFP_NOWAIT | __GFP_NOWARN))
		return false;
	/* It may come back with less than it was asked for, and would do so again. */
	if (likely(room->size - room->offset >= len))
		return true;
	put_page(room->page);
	room->page = NULL;
	return false;
}

/**
 * fz_bundle_take() - take a bundle to work on
 * @ring: of bundles
 *
 * Many consumers. No packet joins the bundle any more.
 *
 * Context: any but hard interrupts. Takes the lock of the bundle's lane.
 * Return: the bundle, or NULL if there is none.
 */
struct fz_bundle *fz_bundle_take(struct fz_ring *ring)
{
	struct fz_bundle *bundle = fz_ring_take(ring);

	if (!bundle)
		return NULL;
	if (bundle->of_socket)
		atomic_dec(&ring->of_sockets);
	spin_lock_bh(&bundle->lane->lock);
	bundle->state = FZ_BUNDLE_TAKEN;
	spin_unlock_bh(&bundle->lane->lock);
	return bundle;
}

/*
 * Works on bundles, some packets of many peers, or one bundle of many packets, and has them handed on. Return: how many
 * bundles.
 */
static unsigned int work_some(struct fz_worker *worker, struct fz_ring *ring,
			      void (*work)(struct fz_device *fz, struct fz_bundle *bundle,
					   struct page_frag *room),
			      void (*hand_on)(struct fz_peer *const *peers, unsigned int count))
{
	unsigned int count = 0, packets = 0, i;
	struct fz_peer *peers[FZ_BATCH];
	struct fz_bundle *bundle;

	while (count < FZ_BATCH && packets < FZ_BATCH && (bundle = fz_bundle_take(ring)) != NULL) {
		peers[count++] = fz_peer_get(bundle->peer);
		packets += skb_queue_len(&bundle->packets);
		work(worker->fz, bundle, &worker->room);
		fz_bundle_finish(bundle);
	}
	if (count)
		hand_on(peers, count);
	for (i = 0; i < count; i++)
		fz_peer_put(peers[i]);
	return count;
}

/*
 * Whoever sends packet by packet is preempted by the worker that its first one wakes, and would be for each, with
 * bundles of one and two, if it were not let go on: for as long as it and others have their share of the CPU. What
 * comes from softirqs, or many at once, is not kept waiting, nor are the bundles of several by one that just begins.
 */
static void let_sender_go_on(struct fz_ring *ring)
{
	if (!READ_ONCE(ring->begun))
		return;
	WRITE_ONCE(ring->begun, false);
	if (atomic_read(&ring->len) <= 1)
		yield();
}

/**
 * fz_bundle_work() - work on bundles until there are none
 * @worker: whose turn it is
 * @ring: of bundles, the worker's
 * @work: encrypts or decrypts one
 * @hand_on: has those whose bundles are done send or deliver them, in order
 *
 * With many peers a bundle is a packet, and to hand on each by itself is to let softirqs run for each.
 * While more comes all the time it ends, and is queued again, every %FZ_WORK_BUNDLES: who flushes the
 * workqueue is not kept waiting by whoever sends.
 *
 * Context: workqueue.
 */
void fz_bundle_work(struct fz_worker *worker, struct fz_ring *ring,
		    void (*work)(struct fz_device *fz, struct fz_bundle *bundle,
				 struct page_frag *room),
		    void (*hand_on)(struct fz_peer *const *peers, unsigned int count))
{
	unsigned int count, done = 0;

	let_sender_go_on(ring);
	while (done < FZ_WORK_BUNDLES) {
		count = work_some(worker, ring, work, hand_on);
		if (!count)
			break;
		done += count;
		cond_resched();
	}
	if (done >= FZ_WORK_BUNDLES)
		queue_work(ring->wq, &worker->work);
}

/* Bytes of all that is in a bundle that the caller has. */
static unsigned int bundle_len(const struct fz_bundle *bundle)
{
	const struct sk_buff *skb;
	unsigned int len = 0;

	skb_queue_walk(&bundle->packets, skb)
		len += skb->len;
	return len;
}

/**
 * fz_bundle_work_here() - with a single CPU, work on what was received where it is
 * @ring: of bundles; of one whose bundles gain by waiting nothing is done
 * @fz: the device
 * @work: as fz_bundle_work() has it, without room
 * @hand_on: as there
 *
 * There a worker is a detour, and whoever receives gets ahead of it, by as much as lanes hold: behind that all
 * waits that comes later. To be called when no more follows at once. %FZ_HERE_LEN bytes, or as many packets as a
 * super-packet can have, and a bundle are done at most; what is left, also if this is never called, is the workers'.
 *
 * Context: BH off or softirq.
 */
void fz_bundle_work_here(struct fz_ring *ring, struct fz_device *fz,
			 void (*work)(struct fz_device *fz, struct fz_bundle *bundle,
				      struct page_frag *room),
			 void (*hand_on)(struct fz_peer *const *peers, unsigned int count))
{
	struct fz_bundle *bundle;
	unsigned int len = 0, packets = 0;
	struct fz_peer *peer;

	if (!is_worked_on_here(ring))
		return;
	while (len < FZ_HERE_LEN && packets < FZ_HERE_PACKETS && atomic_read(&ring->len) &&
	       (bundle = fz_bundle_take(ring)) != NULL) {
		peer = fz_peer_get(bundle->peer);
		packets += skb_queue_len(&bundle->packets);
		len += bundle_len(bundle);
		work(fz, bundle, NULL);
		fz_bundle_finish(bundle);
		hand_on(&peer, 1);
		fz_peer_put(peer);
	}
}
