// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two devices that talk over loopback, with everything that takes from a queue held back until
 * the queue is full. Afterwards what was queued arrives, what comes later passes, and nobody has
 * forgotten a reference.
 */

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <kunit/test.h>
#include <net/ip.h>
#include <net/net_namespace.h>

#include "authz/mode.h"
#include "compat/udp.h"
#include "tests/fault.h"
#include "tests/suites.h"
#include "tunnel/bundle.h"
#include "tunnel/clock.h"
#include "tunnel/device.h"
#include "tunnel/messages.h"
#include "tunnel/packet.h"
#include "tunnel/peer.h"
#include "tunnel/receive.h"
#include "tunnel/respond.h"
#include "tunnel/send.h"
#include "tunnel/socket.h"

/* An inner protocol that the stack knows nothing of, and whose packets it does not merge. */
#define INNER_PROTO 253
#define SMALL_RING 4
#define PATIENCE_MS 60000

/* What a packet carries: its number. */
struct inner {
	struct iphdr ip;
	__be32 number;
} __packed;

/**
 * struct end - one of the two devices
 * @dev: the net device
 * @fz: its private part
 * @peer: the other end, with a reference
 * @address: inside, of this end
 * @sent: packets given to it
 * @arrived: packets that it gave to the stack
 * @last: highest number that arrived; loopback of several CPUs keeps no order
 */
struct end {
	struct net_device *dev;
	struct fz_device *fz;
	struct fz_peer *peer;
	__be32 address;
	u32 sent;
	atomic_t arrived;
	u32 last;
};

struct scene {
	struct end a;
	struct end b;
};

/* Workers wait here before they look into their ring. One for each kind, of both devices. */
static struct completion encrypt_gate, decrypt_gate, handshake_gate;

/* The worker's allocation that fails next, counted from 1; 0 is none. */
static unsigned int worker_fails;

static void gated(struct work_struct *work, struct completion *gate, work_func_t real)
{
	unsigned int nth;

	wait_for_completion(gate);
	nth = READ_ONCE(worker_fails);
	fz_fault_allocation(nth);
	real(work);
	if (nth && !fz_fault_left())
		WRITE_ONCE(worker_fails, 0);
}

static void gated_encrypt(struct work_struct *work)
{
	gated(work, &encrypt_gate, fz_send_encrypt_work);
}

static void gated_decrypt(struct work_struct *work)
{
	gated(work, &decrypt_gate, fz_receive_decrypt_work);
}

static void gated_handshake(struct work_struct *work)
{
	gated(work, &handshake_gate, fz_respond_work);
}

static void open_gates(void)
{
	complete_all(&encrypt_gate);
	complete_all(&decrypt_gate);
	complete_all(&handshake_gate);
}

/* The same rings with workers that wait at the gates. The device is not in use. */
static int gate_rings(struct fz_device *fz, unsigned int bundles)
{
	fz_ring_destroy(&fz->encrypt, NULL);
	fz_ring_destroy(&fz->decrypt, NULL);
	fz_ring_destroy(&fz->handshakes, NULL);
	int err = fz_ring_init(&fz->encrypt, fz, fz->crypto_wq, gated_encrypt, bundles) ?:
		  fz_ring_init(&fz->decrypt, fz, fz->crypto_wq, gated_decrypt, bundles) ?:
		  fz_ring_init(&fz->handshakes, fz, fz->handshake_receive_wq, gated_handshake,
			       FZ_MAX_QUEUED_HANDSHAKES);

	/* Everything is for the workers; fz_ring_init() has both gather. */
	fz->encrypt.quiet = S64_MAX;
	fz->decrypt.quiet = S64_MAX;
	return err;
}

/* What the device gives to the stack ends here. Of one consumer. */
static rx_handler_result_t arrive(struct sk_buff **pskb)
{
	struct end *end = rcu_dereference((*pskb)->dev->rx_handler_data);
	const struct inner *inner = (const void *)skb_network_header(*pskb);
	u32 number = ntohl(inner->number);

	if (inner->ip.protocol == INNER_PROTO) {
		atomic_inc(&end->arrived);
		/* Whoever waits for the number reads the count. */
		smp_store_release(&end->last, max(number, end->last));
	}
	consume_skb(*pskb);
	return RX_HANDLER_CONSUMED;
}

static void make_device(struct kunit *test, struct end *end, __be32 address)
{
	static const struct fz_mode_setting mode = { .mode = FZ_MODE_OPEN };
	u8 key[FZ_KEY_LEN];
	int err;

	rtnl_lock();
	end->dev = fz_device_create(&init_net);
	if (IS_ERR(end->dev))
		end->dev = NULL;
	rtnl_unlock();
	KUNIT_ASSERT_NOT_NULL(test, end->dev);
	end->fz = netdev_priv(end->dev);
	end->address = address;
	KUNIT_EXPECT_TRUE(test, end->fz->encrypt.gathers);
	KUNIT_EXPECT_FALSE(test, end->fz->decrypt.gathers);
	KUNIT_ASSERT_EQ(test, 0, gate_rings(end->fz, FZ_RING_BUNDLES));
	fz_mode_set(&end->fz->authz, NULL, FZ_DIR_IN, &mode);
	fz_mode_set(&end->fz->authz, NULL, FZ_DIR_OUT, &mode);
	get_random_bytes(key, sizeof(key));
	mutex_lock(&end->fz->device_update_lock);
	fz_device_set_private_key(end->fz, key);
	mutex_unlock(&end->fz->device_update_lock);
	rtnl_lock();
	err = netdev_rx_handler_register(end->dev, arrive, end) ?: dev_open(end->dev, NULL);
	rtnl_unlock();
	KUNIT_ASSERT_EQ(test, 0, err);
}

static struct fz_endpoint where(const struct end *end)
{
	return (struct fz_endpoint) {
		.addr4 = {
			.sin_family = AF_INET,
			.sin_port = htons(end->fz->incoming_port),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		},
	};
}

static void make_peer(struct kunit *test, struct end *end, const struct end *other)
{
	static const u8 no_psk[FZ_KEY_LEN];
	struct fz_endpoint ep = where(other);
	struct fz_peer *peer;
	int err = 0;

	mutex_lock(&end->fz->device_update_lock);
	peer = fz_peer_create(end->fz, other->fz->identity.public_key, no_psk);
	if (!IS_ERR(peer)) {
		end->peer = fz_peer_get(peer);
		fz_socket_set_peer_endpoint(peer, &ep);
		err = fz_allowedips_insert(&end->fz->allowedips, AF_INET, &other->address, 32,
					   peer, &peer->allowedips_list);
	}
	mutex_unlock(&end->fz->device_update_lock);
	KUNIT_ASSERT_NOT_NULL(test, end->peer);
	KUNIT_ASSERT_EQ(test, 0, err);
}

static int init(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	if (!scene)
		return -ENOMEM;
	if (!(init_net.loopback_dev->flags & IFF_UP))
		kunit_skip(test, "the loopback interface is down");
	test->priv = scene;
	init_completion(&encrypt_gate);
	init_completion(&decrypt_gate);
	init_completion(&handshake_gate);
	open_gates();
	make_device(test, &scene->a, htonl(0x0a4d0001));
	make_device(test, &scene->b, htonl(0x0a4d0002));
	make_peer(test, &scene->a, &scene->b);
	make_peer(test, &scene->b, &scene->a);
	return 0;
}

static void end_device(struct end *end)
{
	if (!end->dev)
		return;
	fz_peer_put(end->peer);
	rtnl_lock();
	netdev_rx_handler_unregister(end->dev);
	unregister_netdevice(end->dev);
	rtnl_unlock();
}

static void cleanup(struct kunit *test)
{
	struct scene *scene = test->priv;

	if (!scene)
		return;
	WRITE_ONCE(worker_fails, 0);
	open_gates();
	end_device(&scene->a);
	end_device(&scene->b);
}

/* Whether @condition came true; one look for each turn. */
#define wait_until(condition)						\
({									\
	unsigned long until = jiffies + msecs_to_jiffies(PATIENCE_MS);	\
	bool came;							\
									\
	while (!(came = (condition)) && time_before(jiffies, until))	\
		msleep(20);						\
	came;								\
})

static struct sk_buff *packet(struct kunit *test, struct end *from, const struct end *to)
{
	struct sk_buff *skb = alloc_skb(LL_MAX_HEADER + sizeof(struct inner), GFP_KERNEL);
	struct inner *inner;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_reserve(skb, LL_MAX_HEADER);
	skb_reset_network_header(skb);
	skb->protocol = htons(ETH_P_IP);
	skb->dev = from->dev;
	inner = skb_put_zero(skb, sizeof(*inner));
	inner->ip.version = 4;
	inner->ip.ihl = 5;
	inner->ip.ttl = 64;
	inner->ip.protocol = INNER_PROTO;
	inner->ip.tot_len = htons(sizeof(*inner));
	inner->ip.saddr = from->address;
	inner->ip.daddr = to->address;
	ip_send_check(&inner->ip);
	inner->number = htonl(++from->sent);
	return skb;
}

static void transmit(struct sk_buff *skb)
{
	local_bh_disable();
	fz_send_xmit(skb, skb->dev);
	local_bh_enable();
}

static void send(struct kunit *test, struct end *from, const struct end *to, unsigned int count)
{
	while (count--)
		transmit(packet(test, from, to));
}

/* The number that has arrived last; the count of arrivals is no older. */
static u32 last_at(const struct end *end)
{
	/* Pairs with where it is written. */
	return smp_load_acquire(&end->last);
}

/* One more packet arrives, each way, and it is the one that was sent. */
static void passes(struct kunit *test)
{
	struct scene *scene = test->priv;

	send(test, &scene->a, &scene->b, 1);
	KUNIT_EXPECT_TRUE(test, wait_until(last_at(&scene->b) == scene->a.sent));
	send(test, &scene->b, &scene->a, 1);
	KUNIT_EXPECT_TRUE(test, wait_until(last_at(&scene->a) == scene->b.sent));
}

static bool is_idle(const struct end *end)
{
	return skb_queue_empty_lockless(&end->peer->staged) &&
	       fz_lane_is_empty(&end->peer->tx) && fz_lane_is_empty(&end->peer->rx) &&
	       !READ_ONCE(end->peer->tx.packets) && !READ_ONCE(end->peer->rx.packets) &&
	       !READ_ONCE(end->peer->tx.owned) && !READ_ONCE(end->peer->rx.owned) &&
	       !atomic_read(&end->fz->encrypt.len) && !atomic_read(&end->fz->decrypt.len) &&
	       !atomic_read(&end->fz->handshakes.len) &&
	       /* the list's and ours */
	       kref_read(&end->peer->refcount) == 2;
}

/* Later packets pass, nothing is left in a queue, nobody has a reference who has nothing to do. */
static void ends_well(struct kunit *test)
{
	struct scene *scene = test->priv;
	int i;

	/* As long as a queue is full, what comes is dropped. */
	KUNIT_EXPECT_TRUE(test, wait_until(is_idle(&scene->a)));
	KUNIT_EXPECT_TRUE(test, wait_until(is_idle(&scene->b)));
	for (i = 0; i < 5; i++)
		passes(test);
	KUNIT_EXPECT_TRUE(test, wait_until(is_idle(&scene->a)));
	KUNIT_EXPECT_TRUE(test, wait_until(is_idle(&scene->b)));
}

static bool has_left(const struct end *end)
{
	return fz_lane_is_empty(&end->peer->tx) && !atomic_read(&end->fz->encrypt.len);
}

/* Sends from a until b's lane is full, and more. Loopback may lose some on the way. Returns always. */
static void fill_receiver(struct kunit *test, unsigned int room)
{
	struct scene *scene = test->priv;
	bool leaves = true;
	unsigned int sent;

	for (sent = 0; leaves && sent < 16 * room; sent += 64) {
		if (READ_ONCE(scene->b.peer->rx.packets) == room)
			break;
		send(test, &scene->a, &scene->b, 64);
		leaves = wait_until(has_left(&scene->a));
	}
	send(test, &scene->a, &scene->b, 100);
	KUNIT_EXPECT_TRUE(test, wait_until(has_left(&scene->a)));
	KUNIT_EXPECT_EQ(test, room, READ_ONCE(scene->b.peer->rx.packets));
}

/* No session comes: the newest wait for it, the oldest make room. */
static void staged(struct kunit *test)
{
	const unsigned int waiting = FZ_MAX_STAGED_PACKETS + 1;
	struct scene *scene = test->priv;

	reinit_completion(&handshake_gate);
	send(test, &scene->a, &scene->b, 2 * FZ_MAX_STAGED_PACKETS + 50);
	/* Room is made before one more joins. */
	KUNIT_EXPECT_EQ(test, waiting, skb_queue_len(&scene->a.peer->staged));
	KUNIT_EXPECT_TRUE(test, wait_until(atomic_read(&scene->b.fz->handshakes.len)));
	complete_all(&handshake_gate);
	KUNIT_EXPECT_TRUE(test, wait_until(last_at(&scene->b) == scene->a.sent));
	KUNIT_EXPECT_EQ(test, waiting, atomic_read(&scene->b.arrived));
	ends_well(test);
}

/* No bundle is encrypted: the lane takes what it may hold. */
static void sending_lane(struct kunit *test)
{
	struct scene *scene = test->priv;
	u64 bytes;

	passes(test);
	KUNIT_ASSERT_TRUE(test, wait_until(is_idle(&scene->a)));
	reinit_completion(&encrypt_gate);
	bytes = atomic64_read(&scene->a.peer->tx_bytes);
	send(test, &scene->a, &scene->b, FZ_LANE_PACKETS + 100);
	KUNIT_EXPECT_EQ(test, FZ_LANE_PACKETS, scene->a.peer->tx.packets);
	complete_all(&encrypt_gate);
	KUNIT_EXPECT_TRUE(test, wait_until(has_left(&scene->a)));
	/* One of them may be a keepalive. */
	bytes += (FZ_LANE_PACKETS - 1) * FZ_DATA_LEN(ALIGN(sizeof(struct inner), 16));
	KUNIT_EXPECT_LE(test, bytes, atomic64_read(&scene->a.peer->tx_bytes));
	ends_well(test);
}

/* The same with rings that are full before the lanes are. */
static void rings(struct kunit *test)
{
	struct scene *scene = test->priv;
	const unsigned int room = SMALL_RING * FZ_BUNDLE_PACKETS;
	int before;

	/* Half of the places are for what is on accounts, and nothing here is. */
	KUNIT_ASSERT_EQ(test, 0, gate_rings(scene->a.fz, 2 * SMALL_RING));
	KUNIT_ASSERT_EQ(test, 0, gate_rings(scene->b.fz, 2 * SMALL_RING));
	passes(test);
	KUNIT_ASSERT_TRUE(test, wait_until(is_idle(&scene->a)));
	reinit_completion(&encrypt_gate);
	send(test, &scene->a, &scene->b, room + 100);
	KUNIT_EXPECT_EQ(test, room, scene->a.peer->tx.packets);
	KUNIT_EXPECT_EQ(test, SMALL_RING, atomic_read(&scene->a.fz->encrypt.len));
	complete_all(&encrypt_gate);
	ends_well(test);

	reinit_completion(&decrypt_gate);
	before = atomic_read(&scene->b.arrived);
	fill_receiver(test, room);
	KUNIT_EXPECT_EQ(test, SMALL_RING, atomic_read(&scene->b.fz->decrypt.len));
	complete_all(&decrypt_gate);
	KUNIT_EXPECT_TRUE(test, wait_until(is_idle(&scene->b)));
	KUNIT_EXPECT_EQ(test, before + room, atomic_read(&scene->b.arrived));
	ends_well(test);
}

/* Nothing is decrypted. */
static void receiving_lane(struct kunit *test)
{
	struct scene *scene = test->priv;
	int before;

	passes(test);
	reinit_completion(&decrypt_gate);
	before = atomic_read(&scene->b.arrived);
	fill_receiver(test, FZ_LANE_PACKETS);
	complete_all(&decrypt_gate);
	KUNIT_EXPECT_TRUE(test, wait_until(is_idle(&scene->b)));
	KUNIT_EXPECT_EQ(test, before + FZ_LANE_PACKETS, atomic_read(&scene->b.arrived));
	ends_well(test);
}

/* @count messages leave as one super-packet. */
static void send_together(struct kunit *test, unsigned int count)
{
	struct scene *scene = test->priv;

	reinit_completion(&encrypt_gate);
	send(test, &scene->a, &scene->b, count);
	complete_all(&encrypt_gate);
	KUNIT_EXPECT_TRUE(test, wait_until(has_left(&scene->a)));
}

/* Messages that come as one super-packet wait for each other, however quiet it was before the first. */
static void super_packet(struct kunit *test)
{
	struct scene *scene = test->priv;
	const unsigned int count = 8;
	int before;

	if (!FZ_HAVE_UDP_ENCAP_NEEDED)
		kunit_skip(test, "nothing is joined on this kernel");
	passes(test);
	KUNIT_ASSERT_TRUE(test, wait_until(is_idle(&scene->a) && is_idle(&scene->b)));
	before = atomic_read(&scene->b.arrived);
	scene->b.fz->decrypt.quiet = 0;
	reinit_completion(&decrypt_gate);
	send_together(test, count);
	KUNIT_EXPECT_TRUE(test, wait_until(READ_ONCE(scene->b.peer->rx.packets) == count));
	KUNIT_EXPECT_EQ(test, before, atomic_read(&scene->b.arrived));
	complete_all(&decrypt_gate);
	scene->b.fz->decrypt.quiet = S64_MAX;
	KUNIT_EXPECT_TRUE(test, wait_until(is_idle(&scene->b)));
	KUNIT_EXPECT_EQ(test, before + count, atomic_read(&scene->b.arrived));
	ends_well(test);
}

/* So many packets are in its lane, and so many have arrived. */
static bool has_received(const struct end *end, unsigned int waiting, int arrived)
{
	return READ_ONCE(end->peer->rx.packets) == waiting && atomic_read(&end->arrived) == arrived;
}

/* With a single CPU what is received is decrypted where it is, though no worker comes; else nothing is. */
static void decrypted_here(struct kunit *test)
{
	const unsigned int count = 8, here = num_online_cpus() == 1 ? count : 0;
	struct scene *scene = test->priv;
	struct fz_ring *ring;
	struct sk_buff *junk;
	int before;

	passes(test);
	KUNIT_ASSERT_TRUE(test, wait_until(is_idle(&scene->a) && is_idle(&scene->b)));
	before = atomic_read(&scene->b.arrived);
	ring = &scene->b.fz->decrypt;
	reinit_completion(&decrypt_gate);
	ring->gathers = false;
	send_together(test, count);
	KUNIT_EXPECT_TRUE(test, wait_until(has_received(&scene->b, count - here, before + here)));

	/* What was left is as well, when something else comes that is not even a message. */
	ring->gathers = true;
	send_together(test, count);
	KUNIT_EXPECT_TRUE(test, wait_until(has_received(&scene->b, 2 * count - here, before + here)));
	ring->gathers = false;
	junk = alloc_skb(1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, junk);
	rcu_read_lock_bh();
	fz_receive_packet(scene->b.fz, junk, false);
	rcu_read_unlock_bh();
	KUNIT_EXPECT_TRUE(test, wait_until(has_received(&scene->b, 2 * (count - here), before + 2 * here)));
	ring->gathers = true;
	complete_all(&decrypt_gate);
	KUNIT_EXPECT_TRUE(test, wait_until(is_idle(&scene->b)));
	KUNIT_EXPECT_EQ(test, before + 2 * count, atomic_read(&scene->b.arrived));
	ends_well(test);
}

/* What was decrypted is not taken: the consumer was called and does not get to it. */
static void consumer(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct napi_struct *napi = &scene->b.peer->napi;
	int before;

	passes(test);
	KUNIT_ASSERT_TRUE(test, wait_until(napi_schedule_prep(napi)));
	before = atomic_read(&scene->b.arrived);
	fill_receiver(test, FZ_LANE_PACKETS);
	KUNIT_EXPECT_TRUE(test, wait_until(!atomic_read(&scene->b.fz->decrypt.len)));
	KUNIT_EXPECT_EQ(test, before, atomic_read(&scene->b.arrived));
	local_bh_disable();
	__napi_schedule(napi);
	local_bh_enable();
	KUNIT_EXPECT_TRUE(test, wait_until(is_idle(&scene->b)));
	KUNIT_EXPECT_EQ(test, before + FZ_LANE_PACKETS, atomic_read(&scene->b.arrived));
	ends_well(test);
}

/* A flood of initiations that nobody answers; then there is a session all the same. */
static void handshakes(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_message_initiation junk = {
		.header.type = cpu_to_le32(FZ_MESSAGE_INITIATION),
	};
	struct fz_endpoint ep = where(&scene->b);
	atomic_t *len = &scene->b.fz->handshakes.len;
	unsigned long until;
	int i;

	reinit_completion(&handshake_gate);
	for (i = 0; atomic_read(len) < FZ_MAX_QUEUED_HANDSHAKES && i < 100000; i++)
		fz_socket_send_buffer(scene->a.fz, &ep, &junk, sizeof(junk), 0);
	KUNIT_EXPECT_EQ(test, FZ_MAX_QUEUED_HANDSHAKES, atomic_read(len));
	send(test, &scene->a, &scene->b, 1);
	flush_workqueue(scene->a.fz->handshake_send_wq);
	KUNIT_EXPECT_EQ(test, FZ_MAX_QUEUED_HANDSHAKES, atomic_read(len));
	complete_all(&handshake_gate);
	KUNIT_EXPECT_TRUE(test, wait_until(!atomic_read(len)));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&scene->b.arrived));
	/* The first is answered with a cookie while the flood is not forgotten. */
	until = jiffies + msecs_to_jiffies(PATIENCE_MS);
	while (!atomic_read(&scene->b.arrived) && time_before(jiffies, until)) {
		atomic64_set(&scene->a.peer->last_sent_handshake,
			     fz_clock_now() - 2 * FZ_REKEY_TIMEOUT * NSEC_PER_SEC);
		send(test, &scene->a, &scene->b, 1);
		msleep(500);
	}
	ends_well(test);
}

/* Each allocation on the way fails in turn: the sender's, then those of the workers. */
static void no_memory(struct kunit *test)
{
	struct scene *scene = test->priv;
	unsigned int nth, failed = 0;
	struct sk_buff *skb, *copy;
	bool left = false;

	if (!IS_ENABLED(CONFIG_FAILSLAB))
		kunit_skip(test, "no allocation of this kernel fails on purpose");
	passes(test);
	for (nth = 1; !left && nth < 100; nth++) {
		skb = packet(test, &scene->a, &scene->b);
		fz_fault_allocation(nth);
		transmit(skb);
		left = fz_fault_left();
		failed += !left;
		KUNIT_ASSERT_TRUE(test, wait_until(is_idle(&scene->a) && is_idle(&scene->b)));
	}
	KUNIT_EXPECT_TRUE(test, left);
	KUNIT_EXPECT_LT(test, 0, failed);
	for (nth = 1, failed = 0; nth < 4; nth++) {
		/* Cloned, so that whoever encrypts has to copy it. */
		skb = packet(test, &scene->a, &scene->b);
		copy = skb_clone(skb, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, copy);
		WRITE_ONCE(worker_fails, nth);
		transmit(skb);
		KUNIT_EXPECT_TRUE(test, wait_until(is_idle(&scene->a) && is_idle(&scene->b)));
		kfree_skb(copy);
		failed += !READ_ONCE(worker_fails);
	}
	WRITE_ONCE(worker_fails, 0);
	KUNIT_EXPECT_LT(test, 0, failed);
	ends_well(test);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_SLOW(staged),
	KUNIT_CASE_SLOW(sending_lane),
	KUNIT_CASE_SLOW(rings),
	KUNIT_CASE_SLOW(receiving_lane),
	KUNIT_CASE_SLOW(super_packet),
	KUNIT_CASE_SLOW(decrypted_here),
	KUNIT_CASE_SLOW(consumer),
	KUNIT_CASE_SLOW(handshakes),
	KUNIT_CASE_SLOW(no_memory),
	{}
};

struct kunit_suite fz_stall_suite = {
	.name = "fz_stall",
	.init = init,
	.exit = cleanup,
	.test_cases = cases,
};
