// SPDX-License-Identifier: GPL-2.0-only
/* Packets into messages and back, whatever memory they are in. */

#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/net.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/inet_ecn.h>
#include <net/sock.h>

#include "tests/fault.h"
#include "tests/suites.h"
#include "tunnel/bundle.h"
#include "tunnel/clock.h"
#include "tunnel/device.h"
#include "tunnel/keypair.h"
#include "tunnel/packet.h"
#include "tunnel/seal.h"
#include "tunnel/unseal.h"

#define OUTER_HEADERS (sizeof(struct iphdr) + sizeof(struct udphdr))
#define FIRST_NONCE 1000

/**
 * struct scene - one key, the same for both directions, and a bundle
 * @dev: only its counters are used
 * @fz: with it
 * @keypair: the key
 * @bundle: under test
 * @room: what packets are made in
 * @mtu: of the route
 */
struct scene {
	struct net_device *dev;
	struct fz_device *fz;
	struct fz_keypair *keypair;
	struct fz_bundle bundle;
	struct page_frag room;
	u32 mtu;
};

static int init(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scene);
	test->priv = scene;
	scene->dev = alloc_etherdev(0);
	KUNIT_ASSERT_NOT_NULL(test, scene->dev);
	scene->fz = kunit_kzalloc(test, sizeof(*scene->fz), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, scene->fz);
	scene->fz->dev = scene->dev;
	scene->keypair = kunit_kzalloc(test, sizeof(*scene->keypair), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, scene->keypair);
	memset(scene->keypair->sending_key, 7, FZ_KEY_LEN);
	memset(scene->keypair->receiving_key, 7, FZ_KEY_LEN);
	scene->keypair->receiving_valid = true;
	scene->keypair->birth_ns = fz_clock_now();
	scene->keypair->remote_index = cpu_to_le32(0x12345678);
	scene->bundle.keypair = scene->keypair;
	scene->bundle.nonce = FIRST_NONCE;
	__skb_queue_head_init(&scene->bundle.packets);
	scene->mtu = 1420;
	return 0;
}

static void cleanup(struct kunit *test)
{
	struct scene *scene = test->priv;

	__skb_queue_purge(&scene->bundle.packets);
	if (scene->room.page)
		put_page(scene->room.page);
	free_netdev(scene->dev);
}

/* Byte @at of packet @number of all that have @len bytes, behind the headers. */
static u8 content(unsigned int number, unsigned int at)
{
	return number * 31 + at * 7 + (at >> 8);
}

/* A UDP packet of @len bytes, of which the first @linear are in one piece, its checksum left to others. */
static struct sk_buff *make_packet(struct kunit *test, unsigned int number, unsigned int len,
				   unsigned int linear)
{
	struct sk_buff *skb = alloc_skb_with_frags(linear, len - linear, 0, &(int){ 0 }, GFP_KERNEL);
	struct scene *scene = test->priv;
	unsigned int i, head = OUTER_HEADERS;
	u8 *bytes = kunit_kzalloc(test, len, GFP_KERNEL);
	struct udphdr *udp = (struct udphdr *)(bytes + sizeof(struct iphdr));

	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_ASSERT_NOT_NULL(test, bytes);
	*(struct iphdr *)bytes = (struct iphdr) {
		.version = 4, .ihl = 5, .tot_len = htons(len), .protocol = IPPROTO_UDP, .ttl = 64,
		.saddr = htonl(0x0a000001), .daddr = htonl(0x0a000002),
	};
	udp->len = htons(len - sizeof(struct iphdr));
	udp->check = ~csum_tcpudp_magic(htonl(0x0a000001), htonl(0x0a000002),
					len - sizeof(struct iphdr), IPPROTO_UDP, 0);
	for (i = head; i < len; i++)
		bytes[i] = content(number, i);
	skb_put(skb, linear);
	skb->data_len = len - linear;
	skb->len += skb->data_len;
	KUNIT_ASSERT_EQ(test, skb_store_bits(skb, 0, bytes, len), 0);
	skb->protocol = htons(ETH_P_IP);
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, sizeof(struct iphdr));
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct udphdr, check);
	FZ_CB(skb)->mtu = scene->mtu;
	FZ_CB(skb)->charge_moves = false;
	kunit_kfree(test, bytes);
	return skb;
}

static void add(struct kunit *test, unsigned int number, unsigned int len)
{
	struct scene *scene = test->priv;

	__skb_queue_tail(&scene->bundle.packets, make_packet(test, number, len, OUTER_HEADERS));
}

static void seal(struct kunit *test)
{
	struct scene *scene = test->priv;

	fz_seal_bundle(scene->fz, &scene->bundle, &scene->room);
}

/* In which piece of memory a message comes. */
enum shape {
	LINEAR,
	ONE_FRAGMENT,
	PIECES,
};

/* @len bytes of @from from @offset on as a datagram that came in, its outer headers stripped. */
static struct sk_buff *make_datagram(struct kunit *test, const struct sk_buff *from,
				     unsigned int offset, unsigned int len, enum shape shape)
{
	unsigned int data_len = shape == LINEAR ? 0 : shape == PIECES ? len / 2 : len;
	struct sk_buff *skb = alloc_skb_with_frags(OUTER_HEADERS + len - data_len, data_len, 3,
						   &(int){ 0 }, GFP_KERNEL);
	u8 *bytes = kunit_kzalloc(test, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_ASSERT_NOT_NULL(test, bytes);
	KUNIT_ASSERT_EQ(test, skb_copy_bits(from, offset, bytes, len), 0);
	skb_put_zero(skb, OUTER_HEADERS + len - data_len);
	skb->data_len = data_len;
	skb->len += data_len;
	KUNIT_ASSERT_EQ(test, skb_store_bits(skb, OUTER_HEADERS, bytes, len), 0);
	skb->protocol = htons(ETH_P_IP);
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, sizeof(struct iphdr));
	ip_hdr(skb)->saddr = htonl(0xc0000201);
	udp_hdr(skb)->source = htons(51820);
	__skb_pull(skb, OUTER_HEADERS);
	FZ_CB(skb)->counter = get_unaligned_le64(bytes + 8);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(bytes), FZ_MESSAGE_DATA);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(bytes + 4), 0x12345678);
	kunit_kfree(test, bytes);
	return skb;
}

/* The one packet of the bundle is packet @number of @len bytes, whole, with the outer headers in front. */
static void expect_packet(struct kunit *test, unsigned int number, unsigned int len)
{
	struct scene *scene = test->priv;
	struct sk_buff *skb = __skb_dequeue(&scene->bundle.packets);
	unsigned int i, wrong = 0;

	KUNIT_EXPECT_NOT_NULL(test, skb);
	if (!skb)
		return;
	KUNIT_EXPECT_EQ(test, skb_linearize(skb), 0);
	KUNIT_EXPECT_GE(test, skb->len, len);
	KUNIT_EXPECT_LT(test, skb->len, len + FZ_PADDING_MULTIPLE);
	for (i = OUTER_HEADERS; i < len; i++)
		wrong += skb->data[i] != content(number, i);
	for (i = len; i < skb->len; i++)
		wrong += skb->data[i] != 0;
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, ip_hdr(skb)->saddr, htonl(0xc0000201));
	KUNIT_EXPECT_EQ(test, udp_hdr(skb)->source, htons(51820));
	/* A right checksum sums up to nothing. */
	KUNIT_EXPECT_EQ(test, csum_tcpudp_magic(htonl(0x0a000001), htonl(0x0a000002), len - 20,
						IPPROTO_UDP,
						csum_partial(skb->data + 20, len - 20, 0)), 0);
	kfree_skb(skb);
}

static void unseal(struct kunit *test, struct sk_buff *datagram)
{
	struct scene *scene = test->priv;

	__skb_queue_tail(&scene->bundle.packets, datagram);
	fz_unseal_bundle(scene->fz, &scene->bundle, &scene->room);
}

/* The next thing that leaves holds @count packets of @len bytes, the last of @last. */
static void expect_leaves(struct kunit *test, unsigned int first, unsigned int count,
			  unsigned int len, unsigned int last)
{
	struct scene *scene = test->priv;
	struct sk_buff *skb = __skb_dequeue(&scene->bundle.packets);
	unsigned int stride = FZ_DATA_LEN(ALIGN(len, FZ_PADDING_MULTIPLE)), i;
	struct sk_buff_head rest;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	__skb_queue_head_init(&rest);
	skb_queue_splice_init(&scene->bundle.packets, &rest);
	KUNIT_EXPECT_EQ(test, skb->len, (count - 1) * stride +
			FZ_DATA_LEN(ALIGN(last, FZ_PADDING_MULTIPLE)));
	KUNIT_EXPECT_EQ(test, skb_is_gso(skb), count > 1);
	if (count > 1) {
		KUNIT_EXPECT_EQ(test, skb_shinfo(skb)->gso_size, stride);
		KUNIT_EXPECT_EQ(test, skb_shinfo(skb)->gso_segs, count);
		KUNIT_EXPECT_EQ(test, skb_shinfo(skb)->gso_type, SKB_GSO_UDP_L4);
		KUNIT_EXPECT_TRUE(test, skb->ip_summed == CHECKSUM_PARTIAL);
		KUNIT_EXPECT_EQ(test, skb_checksum_start_offset(skb), -(int)sizeof(struct udphdr));
	}
	for (i = 0; i < count; i++) {
		unsigned int this = min(stride, skb->len - i * stride);

		unseal(test, make_datagram(test, skb, i * stride, this, (first + i) % 3));
		expect_packet(test, first + i, i == count - 1 ? last : len);
	}
	kfree_skb(skb);
	skb_queue_splice_init(&rest, &scene->bundle.packets);
}

static void expect_no_more(struct kunit *test)
{
	struct scene *scene = test->priv;

	KUNIT_EXPECT_TRUE(test, skb_queue_empty(&scene->bundle.packets));
}

static void leaves_as_one(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 9; i++)
		add(test, i, 1408);
	add(test, 9, 100);
	seal(test);
	expect_leaves(test, 0, 10, 1408, 100);
	expect_no_more(test);
}

/* No more than an IP header can say, and no longer one behind a shorter one. */
static void leaves_in_parts(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 50; i++)
		add(test, i, 1408);
	add(test, 50, 60);
	add(test, 51, 60);
	add(test, 52, 100);
	seal(test);
	expect_leaves(test, 0, 45, 1408, 1408);
	expect_leaves(test, 45, 6, 1408, 60);
	expect_leaves(test, 51, 1, 60, 60);
	expect_leaves(test, 52, 1, 100, 100);
	expect_no_more(test);
}

/* What the route takes is not padded, so that messages stand at odd places. */
static void stands_anywhere(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct sk_buff *skb;
	unsigned int i;

	scene->mtu = 1403;
	for (i = 0; i < 20; i++)
		add(test, i, 1403);
	seal(test);
	skb = __skb_dequeue(&scene->bundle.packets);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_EQ(test, skb->len, 20 * FZ_DATA_LEN(1403));
	for (i = 0; i < 20; i++) {
		unseal(test, make_datagram(test, skb, i * FZ_DATA_LEN(1403), FZ_DATA_LEN(1403), i % 3));
		expect_packet(test, i, 1403);
	}
	kfree_skb(skb);
	expect_no_more(test);
}

/* More than a page of the network's is not put together, but arrives. */
static void giants(struct kunit *test)
{
	struct scene *scene = test->priv;

	scene->mtu = 65000;
	add(test, 0, 30000);
	add(test, 1, 30000);
	add(test, 2, 30000);
	add(test, 3, 40000);
	add(test, 4, 64000);
	seal(test);
	expect_leaves(test, 0, 2, 30000, 30000);
	expect_leaves(test, 2, 1, 30000, 30000);
	expect_leaves(test, 3, 1, 40000, 40000);
	expect_leaves(test, 4, 1, 64000, 64000);
	expect_no_more(test);
}

/* What shows outside is of one kind in a super-packet. */
static void ecn_differs(struct kunit *test)
{
	struct scene *scene = test->priv;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		add(test, i, 1408);
		if (i >= 2 && i < 4)
			ip_hdr(skb_peek_tail(&scene->bundle.packets))->tos = 0xb8 | INET_ECN_ECT_0;
	}
	seal(test);
	KUNIT_ASSERT_EQ(test, skb_queue_len(&scene->bundle.packets), 3);
	KUNIT_EXPECT_EQ(test, FZ_CB(skb_peek(&scene->bundle.packets))->ds, 0);
	KUNIT_EXPECT_EQ(test, FZ_CB(skb_peek(&scene->bundle.packets)->next)->ds, INET_ECN_ECT_0);
	expect_leaves(test, 0, 2, 1408, 1408);
	kfree_skb(__skb_dequeue(&scene->bundle.packets));
	expect_leaves(test, 4, 2, 1408, 1408);
	expect_no_more(test);
}

/* What a socket has under way is on its account until it has left, once. */
static void charges_move(struct kunit *test)
{
	struct scene *scene = test->priv;
	unsigned int i, before, charged;
	struct socket *sock;
	struct sk_buff *skb;

	KUNIT_ASSERT_EQ(test, sock_create_kern(&init_net, AF_INET, SOCK_DGRAM, 0, &sock), 0);
	before = refcount_read(&sock->sk->sk_wmem_alloc);
	for (i = 0; i < 12; i++) {
		add(test, i, 1408);
		skb = skb_peek_tail(&scene->bundle.packets);
		skb_set_owner_w(skb, sock->sk);
		FZ_CB(skb)->charge_moves = i < 8;
	}
	charged = refcount_read(&sock->sk->sk_wmem_alloc);
	seal(test);
	/* Those whose charge does not move, one by one. */
	KUNIT_EXPECT_EQ(test, skb_queue_len(&scene->bundle.packets), 1 + 4);
	KUNIT_EXPECT_EQ(test, refcount_read(&sock->sk->sk_wmem_alloc), charged);
	__skb_queue_purge(&scene->bundle.packets);
	KUNIT_EXPECT_EQ(test, refcount_read(&sock->sk->sk_wmem_alloc), before);
	sock_release(sock);
}

/* A checksum that comes out as zero is sent as 0xffff: zero would say that there is none. */
static void no_sum_is_zero(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct sk_buff *skb;
	unsigned int i;
	__sum16 sum;

	for (i = 0; i < 2; i++) {
		add(test, i, 1408);
		skb = skb_peek_tail(&scene->bundle.packets);
		/* What is in the checksum's place is summed too: with its complement, all is. */
		sum = csum_fold(skb_checksum(skb, 20, 1388, 0));
		skb_store_bits(skb, 1406, &(__sum16){ 0 }, 2);
		sum = csum_fold(skb_checksum(skb, 20, 1388, 0));
		skb_store_bits(skb, 1406, &sum, 2);
	}
	seal(test);
	skb = __skb_dequeue(&scene->bundle.packets);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	unseal(test, make_datagram(test, skb, 0, FZ_DATA_LEN(1408), LINEAR));
	kfree_skb(skb);
	skb = __skb_dequeue(&scene->bundle.packets);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_EQ(test, ((struct udphdr *)(skb->data + 20))->check, CSUM_MANGLED_0);
	kfree_skb(skb);
}

/* A bit that is another, or a counter that no session reaches: dropped and counted. */
static void refuses_what_is_not_authentic(struct kunit *test)
{
	struct scene *scene = test->priv;
	unsigned int shape, len = FZ_DATA_LEN(1408);
	struct sk_buff *sealed, *skb;

	add(test, 0, 1408);
	add(test, 1, 1408);
	seal(test);
	sealed = __skb_dequeue(&scene->bundle.packets);
	KUNIT_ASSERT_NOT_NULL(test, sealed);
	for (shape = LINEAR; shape <= PIECES; shape++) {
		u8 bit;

		skb = make_datagram(test, sealed, 0, len, shape);
		skb_copy_bits(skb, len - 1, &bit, 1);
		bit ^= 1;
		skb_store_bits(skb, len - 1, &bit, 1);
		unseal(test, skb);
		expect_no_more(test);
	}
	kfree_skb(sealed);
	/* Sealed as it should be, but with a nonce that no session reaches. */
	scene->bundle.nonce = FZ_REJECT_AFTER_MESSAGES;
	add(test, 0, 1408);
	seal(test);
	sealed = __skb_dequeue(&scene->bundle.packets);
	KUNIT_ASSERT_NOT_NULL(test, sealed);
	unseal(test, make_datagram(test, sealed, 0, len, ONE_FRAGMENT));
	expect_no_more(test);
	kfree_skb(sealed);
}

/*
 * What was in pieces is charged for what it is now, not for them too: TCP takes how much window a receive
 * buffer is worth from that.
 */
static void is_charged_for_itself(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct sk_buff *sealed, *packet;
	unsigned int i;

	add(test, 0, 1408);
	seal(test);
	sealed = __skb_dequeue(&scene->bundle.packets);
	KUNIT_ASSERT_NOT_NULL(test, sealed);
	for (i = 0; i < 2 * (PIECES + 1); i++) {
		__skb_queue_tail(&scene->bundle.packets,
				 make_datagram(test, sealed, 0, sealed->len, i / 2));
		fz_unseal_bundle(scene->fz, &scene->bundle, i % 2 ? &scene->room : NULL);
		packet = skb_peek(&scene->bundle.packets);
		KUNIT_ASSERT_NOT_NULL(test, packet);
		KUNIT_EXPECT_LT(test, packet->truesize, 2 * 1408);
		expect_packet(test, 0, 1408);
	}
	kfree_skb(sealed);
}

/* A message that others read too stays as it is. */
static void leaves_others_memory_alone(struct kunit *test)
{
	struct scene *scene = test->priv;
	unsigned int len = FZ_DATA_LEN(1408);
	struct sk_buff *sealed, *skb, *clone;
	u8 *before = kunit_kzalloc(test, len, GFP_KERNEL);
	u8 *after = kunit_kzalloc(test, len, GFP_KERNEL);
	unsigned int shape;

	KUNIT_ASSERT_NOT_NULL(test, before);
	KUNIT_ASSERT_NOT_NULL(test, after);
	add(test, 0, 1408);
	add(test, 1, 1408);
	seal(test);
	sealed = __skb_dequeue(&scene->bundle.packets);
	KUNIT_ASSERT_NOT_NULL(test, sealed);
	for (shape = LINEAR; shape <= PIECES; shape++) {
		skb = make_datagram(test, sealed, 0, len, shape);
		clone = skb_clone(skb, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, clone);
		skb_copy_bits(clone, 0, before, len);
		unseal(test, skb);
		expect_packet(test, 0, 1408);
		skb_copy_bits(clone, 0, after, len);
		KUNIT_EXPECT_EQ(test, memcmp(before, after, len), 0);
		kfree_skb(clone);
	}
	kfree_skb(sealed);
}

/* How many packets leave, as what is left over: each with the nonce of its place, and whole. */
static unsigned int expect_whole(struct kunit *test)
{
	unsigned int stride = FZ_DATA_LEN(1408), count = 0, at;
	struct scene *scene = test->priv;
	struct sk_buff_head sealed;
	struct sk_buff *skb;

	__skb_queue_head_init(&sealed);
	skb_queue_splice_init(&scene->bundle.packets, &sealed);
	while ((skb = __skb_dequeue(&sealed)) != NULL) {
		KUNIT_EXPECT_EQ(test, skb->len % stride, 0);
		for (at = 0; at < skb->len; at += stride) {
			struct sk_buff *datagram = make_datagram(test, skb, at, stride, count % 3);
			u64 counter = FZ_CB(datagram)->counter;

			unseal(test, datagram);
			expect_packet(test, counter - FIRST_NONCE, 1408);
			count++;
		}
		kfree_skb(skb);
	}
	return count;
}

/* Whatever allocation fails, what is lost is counted, and the rest is as it would be. */
static void goes_on_without_memory(struct kunit *test)
{
	struct scene *scene = test->priv;
	unsigned int nth, i, dropped;
	bool left;

	for (nth = 1; nth <= 20; nth++) {
		dropped = READ_ONCE(scene->dev->stats.tx_dropped);
		for (i = 0; i < 12; i++)
			add(test, i, 1408);
		fz_fault_allocation(nth);
		seal(test);
		left = fz_fault_left();
		dropped = READ_ONCE(scene->dev->stats.tx_dropped) - dropped;
		KUNIT_EXPECT_EQ(test, expect_whole(test) + dropped, 12);
		if (left)
			break;
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(goes_on_without_memory),
	KUNIT_CASE(leaves_as_one),
	KUNIT_CASE(leaves_in_parts),
	KUNIT_CASE(stands_anywhere),
	KUNIT_CASE(giants),
	KUNIT_CASE(ecn_differs),
	KUNIT_CASE(charges_move),
	KUNIT_CASE(no_sum_is_zero),
	KUNIT_CASE(refuses_what_is_not_authentic),
	KUNIT_CASE(is_charged_for_itself),
	KUNIT_CASE(leaves_others_memory_alone),
	{}
};

struct kunit_suite fz_seal_suite = {
	.name = "fz_seal",
	.init = init,
	.exit = cleanup,
	.test_cases = cases,
};
