// SPDX-License-Identifier: GPL-2.0-only
/* The dissector on packets made by hand, and on what is left of them. */

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/random.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>

#include "authz/dissect.h"
#include "tests/stage.h"
#include "tests/suites.h"

/* Headers that the kernel has no names for: RFC 7401, RFC 5533. */
#define NEXTHDR_HIP 139
#define NEXTHDR_SHIM6 140

static enum fz_reason dissect(struct sk_buff *skb, struct fz_packet *packet)
{
	enum fz_reason reason = fz_dissect(skb, packet);

	kfree_skb(skb);
	return reason;
}

static void expect_tuple(struct kunit *test, const struct fz_tuple *want, u8 flags)
{
	struct fz_packet packet;

	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE,
			dissect(fz_stage_packet(test->priv, want, flags, 30), &packet));
	KUNIT_EXPECT_EQ(test, FZ_PACKET_PLAIN, packet.kind);
	KUNIT_EXPECT_MEMEQ(test, want, &packet.tuple, sizeof(*want));
	KUNIT_EXPECT_EQ(test, 1, packet.packets);
}

static void reads_tuples(struct kunit *test)
{
	static const u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_UDPLITE };
	struct fz_tuple tuple;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(protos); i++) {
		fz_stage_tuple(test->priv, &tuple, protos[i], "10.1.0.1", 4000, "10.2.0.2", 53);
		expect_tuple(test, &tuple, 0);
		fz_stage_tuple(test->priv, &tuple, protos[i], "fd00::1", 65535, "fd01::2", 1);
		expect_tuple(test, &tuple, 0);
	}
	fz_stage_ping(test->priv, &tuple, "10.1.0.1", "10.2.0.2", ICMP_ECHO, 77);
	expect_tuple(test, &tuple, 0);
	fz_stage_ping(test->priv, &tuple, "fd00::1", "fd01::2", ICMPV6_ECHO_REPLY, 78);
	expect_tuple(test, &tuple, 0);
	/* No ports are read of what has none. */
	fz_stage_tuple(test->priv, &tuple, IPPROTO_GRE, "10.1.0.1", 0, "10.2.0.2", 0);
	expect_tuple(test, &tuple, 0);
}

/* IPv4 options move the ports; a source route hides the destination. */
static void reads_options(struct kunit *test)
{
	struct fz_packet packet;
	struct fz_tuple tuple;
	struct sk_buff *skb;
	u8 *options;

	fz_stage_tuple(test->priv, &tuple, IPPROTO_UDP, "10.1.0.1", 4000, "10.2.0.2", 53);
#define with_options(first, second)							\
	do {										\
		skb = fz_stage_packet(test->priv, &tuple, 0, 30);			\
		options = skb_push(skb, 8) + 20;					\
		memmove(skb->data, skb->data + 8, 20);					\
		skb_reset_network_header(skb);						\
		memset(options, IPOPT_NOOP, 8);						\
		options[0] = first;							\
		options[1] = second;							\
		ip_hdr(skb)->ihl = 7;							\
		ip_hdr(skb)->tot_len = htons(skb->len);					\
	} while (0)
	with_options(IPOPT_NOOP, IPOPT_NOOP);
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(skb, &packet));
	KUNIT_EXPECT_EQ(test, 53, packet.tuple.dport);
	with_options(IPOPT_RR, 7);
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(skb, &packet));
	with_options(IPOPT_RR, 9);
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, dissect(skb, &packet));
	with_options(IPOPT_RR, 1);
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, dissect(skb, &packet));
	with_options(IPOPT_LSRR, 7);
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, dissect(skb, &packet));
#undef with_options
}

/* Puts @count extension headers of 8 bytes before the transport header. */
static struct sk_buff *extended(struct kunit *test, const struct fz_tuple *tuple,
				const u8 *types, unsigned int count)
{
	struct sk_buff *skb = alloc_skb(1000, GFP_KERNEL);
	struct sk_buff *plain = fz_stage_packet(test->priv, tuple, 0, 30);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_put_data(skb, plain->data, 40);
	skb_reset_network_header(skb);
	skb->protocol = htons(ETH_P_IPV6);
	for (i = 0; i < count; i++) {
		u8 *header = skb_put_zero(skb, 8);

		header[0] = i + 1 < count ? types[i + 1] : tuple->proto;
		if (types[i] == NEXTHDR_DEST)
			header[2] = 1;
	}
	skb_put_data(skb, plain->data + 40, plain->len - 40);
	kfree_skb(plain);
	ipv6_hdr(skb)->payload_len = htons(skb->len - 40);
	if (count)
		ipv6_hdr(skb)->nexthdr = types[0];
	return skb;
}

static void walks_extensions(struct kunit *test)
{
	static const u8 some[] = { NEXTHDR_HOP, NEXTHDR_DEST, NEXTHDR_ROUTING, NEXTHDR_DEST };
	static const u8 late_hop[] = { NEXTHDR_DEST, NEXTHDR_HOP };
	static const u8 frag[] = { NEXTHDR_FRAGMENT };
	static const u8 route[] = { NEXTHDR_ROUTING };
	u8 many[20];
	struct fz_packet packet;
	struct fz_tuple tuple;
	struct sk_buff *skb;

	memset(many, NEXTHDR_DEST, sizeof(many));
	fz_stage_tuple(test->priv, &tuple, IPPROTO_TCP, "fd00::1", 4000, "fd01::2", 443);
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(extended(test, &tuple, some, 4), &packet));
	KUNIT_EXPECT_MEMEQ(test, &tuple, &packet.tuple, sizeof(tuple));
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED,
			dissect(extended(test, &tuple, late_hop, 2), &packet));
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE,
			dissect(extended(test, &tuple, many, FZ_DISSECT_EXTENSIONS), &packet));
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED,
			dissect(extended(test, &tuple, many, FZ_DISSECT_EXTENSIONS + 1), &packet));
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED,
			dissect(extended(test, &tuple, many, 20), &packet));
	/* A fragment alone in its datagram is none. */
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(extended(test, &tuple, frag, 1), &packet));
	KUNIT_EXPECT_EQ(test, FZ_PACKET_PLAIN, packet.kind);
	/* Segments left: the destination is not the last. */
	skb = extended(test, &tuple, route, 1);
	skb->data[43] = 1;
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, dissect(skb, &packet));
	/* A header longer than the packet. */
	skb = extended(test, &tuple, some, 4);
	skb->data[49] = 200;
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, dissect(skb, &packet));
}

/* To a receiver these are protocols: what follows them is theirs, and so is their length. */
static void walks_no_protocol(struct kunit *test)
{
	static const u8 protos[] = { NEXTHDR_MOBILITY, NEXTHDR_HIP, NEXTHDR_SHIM6 };
	struct fz_packet packet;
	struct fz_tuple inner;
	unsigned int i;

	fz_stage_tuple(test->priv, &inner, IPPROTO_TCP, "fd00::1", 4000, "fd01::2", 443);
	for (i = 0; i < ARRAY_SIZE(protos); i++) {
		const u8 behind[] = { NEXTHDR_DEST, protos[i] };
		const u8 first[] = { NEXTHDR_FRAGMENT, protos[i] };
		struct fz_tuple want;
		struct sk_buff *skb;

		fz_stage_tuple(test->priv, &want, protos[i], "fd00::1", 0, "fd01::2", 0);
		KUNIT_EXPECT_EQ(test, FZ_REASON_NONE,
				dissect(extended(test, &inner, &protos[i], 1), &packet));
		KUNIT_EXPECT_EQ(test, FZ_PACKET_PLAIN, packet.kind);
		KUNIT_EXPECT_MEMEQ(test, &want, &packet.tuple, sizeof(want));
		KUNIT_EXPECT_EQ(test, 40, packet.l4);
		KUNIT_EXPECT_EQ(test, FZ_REASON_NONE,
				dissect(extended(test, &inner, behind, 2), &packet));
		KUNIT_EXPECT_MEMEQ(test, &want, &packet.tuple, sizeof(want));
		KUNIT_EXPECT_EQ(test, 48, packet.l4);
		/* Longer than the packet, by its own account. */
		skb = extended(test, &inner, &protos[i], 1);
		skb->data[41] = 200;
		KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(skb, &packet));
		/* With fragments still to come. */
		skb = extended(test, &inner, first, 2);
		skb_trim(skb, 40 + 8 + 32);
		ipv6_hdr(skb)->payload_len = htons(skb->len - 40);
		skb->data[43] = IP6_MF;
		KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(skb, &packet));
		KUNIT_EXPECT_EQ(test, FZ_PACKET_FRAGMENT_FIRST, packet.kind);
		KUNIT_EXPECT_MEMEQ(test, &want, &packet.tuple, sizeof(want));
	}
}

static void refuses_lies(struct kunit *test)
{
	struct fz_packet packet;
	struct fz_tuple tuple;
	struct sk_buff *skb;

#define expect_malformed(change)							\
	do {										\
		skb = fz_stage_packet(test->priv, &tuple, 0, 30);			\
		change;									\
		KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, dissect(skb, &packet));	\
	} while (0)
	fz_stage_tuple(test->priv, &tuple, IPPROTO_TCP, "10.1.0.1", 4000, "10.2.0.2", 22);
	expect_malformed(ip_hdr(skb)->tot_len = htons(skb->len + 1));
	expect_malformed(ip_hdr(skb)->tot_len = htons(19));
	expect_malformed(ip_hdr(skb)->tot_len = htons(30));
	expect_malformed(ip_hdr(skb)->tot_len = 0);
	expect_malformed(ip_hdr(skb)->ihl = 4);
	expect_malformed(ip_hdr(skb)->ihl = 15);
	expect_malformed(ip_hdr(skb)->version = 5);
	expect_malformed(skb->protocol = htons(ETH_P_IPV6));
	expect_malformed(skb->data[20 + 12] = 0x40);
	expect_malformed(skb->data[20 + 12] = 0xf0);
	expect_malformed(skb->data[20 + 13] = 0);
	expect_malformed(skb->data[20 + 13] = 3);
	expect_malformed(skb->data[20 + 13] = 6);
	fz_stage_tuple(test->priv, &tuple, IPPROTO_UDP, "10.1.0.1", 4000, "10.2.0.2", 53);
	expect_malformed(((struct udphdr *)(skb->data + 20))->len = htons(7));
	expect_malformed(((struct udphdr *)(skb->data + 20))->len = htons(39));
	fz_stage_tuple(test->priv, &tuple, IPPROTO_UDP, "fd00::1", 4000, "fd01::2", 53);
	expect_malformed(ipv6_hdr(skb)->payload_len = htons(39));
	expect_malformed(ipv6_hdr(skb)->payload_len = 0);
	expect_malformed(ipv6_hdr(skb)->payload_len = htons(7));
#undef expect_malformed
	/* Padding after the packet is none of ours. */
	skb = fz_stage_packet(test->priv, &tuple, 0, 30);
	skb_put_zero(skb, 10);
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(skb, &packet));
}

static void reads_errors(struct kunit *test)
{
	struct fz_packet packet;
	struct fz_tuple tuple;
	struct sk_buff *skb;

	fz_stage_tuple(test->priv, &tuple, IPPROTO_TCP, "10.1.0.1", 4000, "10.2.0.2", 22);
	skb = fz_stage_error(test->priv, &tuple, "10.2.0.254");
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(skb, &packet));
	KUNIT_EXPECT_EQ(test, FZ_PACKET_ERROR, packet.kind);
	KUNIT_EXPECT_MEMEQ(test, &tuple, &packet.quoted, sizeof(tuple));
	fz_stage_tuple(test->priv, &tuple, IPPROTO_UDP, "fd00::1", 4000, "fd01::2", 22);
	skb = fz_stage_error(test->priv, &tuple, "fd01::ff");
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(skb, &packet));
	KUNIT_EXPECT_EQ(test, FZ_PACKET_ERROR, packet.kind);
	KUNIT_EXPECT_MEMEQ(test, &tuple, &packet.quoted, sizeof(tuple));

	/* Not for the one whose packet it quotes. */
	skb = fz_stage_error(test->priv, &tuple, "fd01::ff");
	skb->data[39] ^= 1;
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, dissect(skb, &packet));
	/* Too short a quotation. */
	skb = fz_stage_error(test->priv, &tuple, "fd01::ff");
	skb_trim(skb, skb->len - 1);
	ipv6_hdr(skb)->payload_len = htons(skb->len - 40);
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, dissect(skb, &packet));
	/* Of the other family. */
	skb = fz_stage_error(test->priv, &tuple, "fd01::ff");
	skb->data[48] = 0x45;
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, dissect(skb, &packet));
	/* About an error. */
	fz_stage_ping(test->priv, &tuple, "10.1.0.1", "10.2.0.2", ICMP_TIME_EXCEEDED, 0);
	skb = fz_stage_error(test->priv, &tuple, "10.2.0.254");
	KUNIT_EXPECT_EQ(test, FZ_REASON_MALFORMED, dissect(skb, &packet));
	/* A redirect is no error. */
	fz_stage_tuple(test->priv, &tuple, IPPROTO_TCP, "10.1.0.1", 4000, "10.2.0.2", 22);
	skb = fz_stage_error(test->priv, &tuple, "10.2.0.254");
	skb->data[20] = ICMP_REDIRECT;
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(skb, &packet));
	KUNIT_EXPECT_EQ(test, FZ_PACKET_PLAIN, packet.kind);
}

static void reads_fragments(struct kunit *test)
{
	static const char *const ends[][2] = {
		{ "10.1.0.1", "10.2.0.2" },
		{ "fd00::1", "fd01::2" },
	};
	struct fz_packet packet;
	struct fz_tuple tuple;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		fz_stage_tuple(test->priv, &tuple, IPPROTO_UDP, ends[i][0], 4000, ends[i][1], 53);
		KUNIT_EXPECT_EQ(test, FZ_REASON_NONE,
				dissect(fz_stage_fragment(test->priv, &tuple, 7, 0, 64, true),
					&packet));
		KUNIT_EXPECT_EQ(test, FZ_PACKET_FRAGMENT_FIRST, packet.kind);
		KUNIT_EXPECT_EQ(test, 53, packet.tuple.dport);
		KUNIT_EXPECT_EQ(test, 7, packet.frag_id);
		KUNIT_EXPECT_EQ(test, 64, packet.frag_end);
		KUNIT_EXPECT_EQ(test, FZ_REASON_NONE,
				dissect(fz_stage_fragment(test->priv, &tuple, 7, 64, 9, false),
					&packet));
		KUNIT_EXPECT_EQ(test, FZ_PACKET_FRAGMENT_LATER, packet.kind);
		KUNIT_EXPECT_EQ(test, 0, packet.tuple.dport);
		KUNIT_EXPECT_EQ(test, 64, packet.frag_start);
		KUNIT_EXPECT_TRUE(test, packet.frag_last);
		/* Tiny: the ports are not all there. */
		tuple.proto = IPPROTO_TCP;
		KUNIT_EXPECT_EQ(test, FZ_REASON_FRAGMENT,
				dissect(fz_stage_fragment(test->priv, &tuple, 7, 0, 16, true),
					&packet));
		/* Not a multiple of eight, and past the longest datagram. */
		KUNIT_EXPECT_EQ(test, FZ_REASON_FRAGMENT,
				dissect(fz_stage_fragment(test->priv, &tuple, 7, 64, 9, true),
					&packet));
		KUNIT_EXPECT_EQ(test, FZ_REASON_FRAGMENT,
				dissect(fz_stage_fragment(test->priv, &tuple, 7, 65528, 16, false),
					&packet));
	}
}

/* However little is left of a packet, it is refused, and nothing after its end is read. */
static void survives_truncation(struct kunit *test)
{
	struct fz_packet packet;
	struct fz_tuple tuple;
	struct sk_buff *whole, *part;
	unsigned int i, len;

	for (i = 0; i < 2; i++) {
		fz_stage_tuple(test->priv, &tuple, IPPROTO_TCP, i ? "fd00::1" : "10.1.0.1", 4000,
			       i ? "fd01::2" : "10.2.0.2", 22);
		whole = i ? fz_stage_error(test->priv, &tuple, "fd01::ff") :
			    fz_stage_packet(test->priv, &tuple, 0, 0);
		for (len = 0; len < whole->len; len++) {
			part = alloc_skb(len, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, part);
			skb_put_data(part, whole->data, len);
			skb_reset_network_header(part);
			part->protocol = whole->protocol;
			KUNIT_EXPECT_NE(test, FZ_REASON_NONE, dissect(part, &packet));
		}
		kfree_skb(whole);
	}
}

/* Bytes by chance: anything may come out, but every packet gets an answer. */
static void survives_noise(struct kunit *test)
{
	struct fz_packet packet;
	struct fz_tuple tuple;
	unsigned int i, passed = 0;

	for (i = 0; i < 20000; i++) {
		bool v6 = i & 1;
		struct sk_buff *skb;
		unsigned int hits = i % 5;

		fz_stage_tuple(test->priv, &tuple, i % 3 ? IPPROTO_TCP : IPPROTO_UDP,
			       v6 ? "fd00::1" : "10.1.0.1", 4000, v6 ? "fd01::2" : "10.2.0.2", 22);
		skb = i % 7 ? fz_stage_packet(test->priv, &tuple, 0, 40) :
			      fz_stage_error(test->priv, &tuple, v6 ? "fd01::ff" : "10.2.0.3");
		while (hits--)
			skb->data[get_random_u32() % skb->len] = get_random_u32();
		passed += dissect(skb, &packet) == FZ_REASON_NONE;
	}
	KUNIT_EXPECT_GT(test, passed, 4000);
}

/* The same packet in one piece and in many says the same. */
static void reads_scattered(struct kunit *test)
{
	struct fz_packet packet;
	struct fz_tuple tuple;
	struct sk_buff *whole, *skb;
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	fz_stage_tuple(test->priv, &tuple, IPPROTO_TCP, "fd00::1", 4000, "fd01::2", 22);
	whole = fz_stage_packet(test->priv, &tuple, 2, 100);
	memcpy(page_address(page), whole->data, whole->len);
	skb = alloc_skb(64, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_put_data(skb, whole->data, 3);
	skb_reset_network_header(skb);
	skb->protocol = whole->protocol;
	skb_add_rx_frag(skb, 0, page, 3, 47, 47);
	get_page(page);
	skb_add_rx_frag(skb, 1, page, 50, whole->len - 50, whole->len - 50);
	kfree_skb(whole);
	KUNIT_EXPECT_EQ(test, FZ_REASON_NONE, dissect(skb, &packet));
	KUNIT_EXPECT_MEMEQ(test, &tuple, &packet.tuple, sizeof(tuple));
	KUNIT_EXPECT_EQ(test, 2, packet.tcp_flags);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(reads_tuples),
	KUNIT_CASE(reads_options),
	KUNIT_CASE(walks_extensions),
	KUNIT_CASE(walks_no_protocol),
	KUNIT_CASE(refuses_lies),
	KUNIT_CASE(reads_errors),
	KUNIT_CASE(reads_fragments),
	KUNIT_CASE(survives_truncation),
	KUNIT_CASE(survives_noise),
	KUNIT_CASE(reads_scattered),
	{}
};

struct kunit_suite fz_dissect_suite = {
	.name = "fz_dissect",
	.init = fz_stage_init,
	.exit = fz_stage_exit,
	.test_cases = cases,
};
