/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_BUNDLE_H
#define FZ_TUNNEL_BUNDLE_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/ptr_ring.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/time64.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct fz_device;
struct fz_keypair;
struct fz_peer;

/* How much may wait, in packets but where it says otherwise. */
enum {
	FZ_BUNDLE_PACKETS = 64,		/* in one bundle */
	FZ_BUNDLE_SHARE = 16,		/* in one bundle, while workers have nothing else to do */
	FZ_LANE_PACKETS = 1024,		/* of one peer in one direction, that are on nobody's account */
	FZ_LANE_OWNED = 16384,		/* and of those that are on the account of who sent them */
	FZ_RING_BUNDLES = 2048,		/* bundles of one device in one direction; half for those on accounts */
	FZ_ROOM_MAX = 32768,		/* bytes: the largest pages that the network takes */
	FZ_BATCH = 8,			/* that one worker has done, and not handed on yet */
	FZ_WORK_BUNDLES = 64,		/* bundles that a worker works on at a time */
	FZ_FEW = 2,			/* that a process sends before the worker preempts it */
	FZ_LONE_LEN = 2048,		/* bytes of a packet that a softirq may be kept busy with */
	FZ_HERE_LEN = 65536,		/* and of what it does at a time if there is but one CPU: a super-packet */
	FZ_HERE_PACKETS = 128,		/* at a time, as well */
	/*
	 * A CPU that was given nothing for so long has the time for a packet's cryptography, which
	 * is a few microseconds, and saves the packet the way to a worker, which is many.
	 */
	FZ_QUIET_NS = 20 * NSEC_PER_USEC,
};

/**
 * enum fz_bundle_state - how far a bundle has come; it only moves forward
 * @FZ_BUNDLE_OPEN: no worker has it yet; packets may still join (under the lane's lock)
 * @FZ_BUNDLE_TAKEN: a worker, or who added it, encrypts or decrypts it; nobody else touches the packets
 * @FZ_BUNDLE_DONE: the lane's consumer may have it when its turn comes
 */
enum fz_bundle_state {
	FZ_BUNDLE_OPEN,
	FZ_BUNDLE_TAKEN,
	FZ_BUNDLE_DONE,
};

/**
 * struct fz_bundle - packets of one peer and one key, in order, handled together
 * @order: in &struct fz_lane.bundles, under the lane's lock
 * @lane: of the peer, for the direction
 * @peer: a reference
 * @keypair: a reference
 * @nonce: of the first packet; packet i has @nonce + i. Sending only
 * @packets: in order. Under the lane's lock while open, then of the worker, then of the consumer;
 *	its own lock is never taken
 * @counted: how many packets of it its lane still counts in its @packets; as @packets
 * @owned: and in its @owned
 * @of_socket: the packet that began it is on an account, and its ring counts it among those
 * @state: &enum fz_bundle_state; the worker publishes DONE with release semantics
 */
struct fz_bundle {
	struct list_head order;
	struct fz_lane *lane;
	struct fz_peer *peer;
	struct fz_keypair *keypair;
	u64 nonce;
	struct sk_buff_head packets;
	unsigned int counted;
	unsigned int owned;
	bool of_socket;
	int state;
};

/**
 * struct fz_lane - the bundles of one peer in one direction, in the order they must leave in
 * @lock: protects @bundles, @packets, @owned, the packets of an open bundle, and on the sending side
 *	the handing out of nonces, which is why their order is that of the queue. Taken with BH off
 * @bundles: oldest first; the consumer, who alone removes any, looks at the first without @lock
 * @packets: waiting in @bundles on nobody's account, at most about %FZ_LANE_PACKETS
 * @owned: waiting on the account of who sent them, at most about %FZ_LANE_OWNED. Apart, because the many sockets
 *	of this host, each within its limit, are not to take the room of what is forwarded, nor to lose
 *	anything before they fill their half of the ring
 * @kicks: how often the sending consumer was called since it last looked
 *
 * Many producers add at the tail; one consumer at a time takes finished bundles from the head.
 */
struct fz_lane {
	spinlock_t lock;
	struct list_head bundles;
	unsigned int packets;
	unsigned int owned;
	atomic_t kicks;
};

/**
 * struct fz_worker - a CPU's part in a ring
 * @work: takes from the ring until it is empty
 * @fz: the device
 * @added: monotonic clock, ns: when this CPU last added to a lane of the ring, or was done with what
 *	it added; BH off
 * @room: memory for the messages that the worker makes; of the worker alone
 */
struct fz_worker {
	struct work_struct work;
	struct fz_device *fz;
	u64 added;
	struct page_frag room;
};

/**
 * struct fz_ring - work of one device for any CPU
 * @ring: pointers to what is to be done
 * @wq: where the workers run
 * @workers: one for each possible CPU
 * @quiet: ns for which a CPU has to be left alone to work on what it adds itself
 * @gathers: what is added gains by waiting for more, even if there is but one CPU to work on it; so does what
 *	leaves as one super-packet. Set by fz_ring_init()
 * @begun: there is one CPU, and all that was added since the ring was empty came by few packets from processes,
 *	which would send more if they were not preempted by the worker; a hint
 * @len: items in @ring, at most one too many for a moment; written for each item, therefore on a cache
 *	line of its own
 * @of_sockets: bundles among them that packets on an account began. They fill about half of @ring, and
 *	all others about the other half: nobody keeps the others out. On the line of @len
 * @last_cpu: that was given work; a hint, races do no harm
 *
 * Many producers, many consumers.
 */
struct fz_ring {
	struct ptr_ring ring;
	struct workqueue_struct *wq;
	struct fz_worker __percpu *workers;
	s64 quiet;
	bool gathers;
	bool begun;
	atomic_t len ____cacheline_aligned_in_smp;
	atomic_t of_sockets;
	unsigned int last_cpu;
};

int fz_bundle_init(void);
void fz_bundle_uninit(void);
struct fz_bundle *fz_bundle_take(struct fz_ring *ring);
void fz_bundle_work(struct fz_worker *worker, struct fz_ring *ring,
		    void (*work)(struct fz_device *fz, struct fz_bundle *bundle,
				 struct page_frag *room),
		    void (*hand_on)(struct fz_peer *const *peers, unsigned int count));
void fz_bundle_work_here(struct fz_ring *ring, struct fz_device *fz,
			 void (*work)(struct fz_device *fz, struct fz_bundle *bundle,
				      struct page_frag *room),
			 void (*hand_on)(struct fz_peer *const *peers, unsigned int count));
void fz_bundle_free(struct fz_bundle *bundle);
void fz_bundle_finish(struct fz_bundle *bundle);
void fz_bundle_finish_lone(struct fz_bundle *bundle, struct fz_ring *ring);

void fz_lane_init(struct fz_lane *lane);
int fz_lane_add(struct fz_lane *lane, struct fz_ring *ring, struct fz_peer *peer,
		struct fz_keypair *keypair, struct sk_buff_head *packets, bool sending,
		struct fz_bundle **lone);
struct fz_bundle *fz_lane_peek(struct fz_lane *lane);
unsigned int fz_lane_take(struct fz_lane *lane, struct fz_bundle *bundle,
			  struct sk_buff_head *packets, unsigned int max);
bool fz_lane_is_worked_on(struct fz_lane *lane);
bool fz_lane_is_empty(struct fz_lane *lane);

int fz_ring_init(struct fz_ring *ring, struct fz_device *fz, struct workqueue_struct *wq,
		 work_func_t work, unsigned int size);
void fz_ring_destroy(struct fz_ring *ring, void (*destroy)(void *item));
int fz_ring_add(struct fz_ring *ring, void *item);
void fz_ring_wake(struct fz_ring *ring, bool elsewhere);
void *fz_ring_take(struct fz_ring *ring);

bool fz_room_refill(struct page_frag *room, unsigned int len);

#endif
