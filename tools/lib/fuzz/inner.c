// SPDX-License-Identifier: GPL-2.0-only
/*
 * The packets inside the tunnel, as kmod/authz/dissect.c reads them: built for user space as it is,
 * with kernel/ in the place of the kernel's headers. What it says of a packet is compared with the
 * packet, with a plain reading of its own below, and with what it says of the same bytes in pieces,
 * cut off, and followed by others.
 *
 * An input is HEADER bytes that say how the packet lies in memory, and the packet.
 */
#include "fuzz.h"

#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "authz/dissect.h"

#define HEADER 6

/* The first byte of the header. */
#define FLAG_OTHER_PROTOCOL 1
#define FLAG_GSO 2
#define FLAG_GSO_TCP 4
#define FLAG_GSO_UDP 8
#define FLAG_ENCAPSULATED 16

/* A packet is cut at each of its first bytes, and at its last. */
#define CUTS 96

/* As in the kernel: where all is in the first piece, no copy is made. */
const void *skb_header_pointer(const struct sk_buff *skb, int offset, int len, void *buffer)
{
	u32 at = offset, want = len, done = 0, begin = 0;

	if (at <= skb->pieces[0].len && want <= skb->pieces[0].len - at)
		return skb->pieces[0].data + at;
	if (at > skb->len || want > skb->len - at)
		return NULL;
	for (unsigned int i = 0; i < SKB_PIECES; i++) {
		const struct skb_piece *piece = &skb->pieces[i];

		for (; done < want && at + done < begin + piece->len; done++)
			((u8 *)buffer)[done] = piece->data[at + done - begin];
		begin += piece->len;
	}
	return buffer;
}

/* A packet, by how its bytes lie: @ends of all pieces but the last. */
static void skb_make(struct sk_buff *skb, const u8 *header, const u8 *bytes, u32 len, const u32 *ends)
{
	u32 from = 0;

	memset(skb, 0, sizeof(*skb));
	for (unsigned int i = 0; i < SKB_PIECES; i++) {
		u32 to = i < SKB_PIECES - 1 && ends[i] < len ? ends[i] : len;
		struct skb_piece *piece = &skb->pieces[i];

		piece->len = to > from ? to - from : 0;
		piece->data = malloc(piece->len + !piece->len);
		always(piece->data);
		memcpy(piece->data, bytes + from, piece->len);
		from += piece->len;
	}
	skb->len = len;
	skb->protocol = htons(!len || bytes[0] >> 4 != 6 ? ETH_P_IP : ETH_P_IPV6);
	if (header[0] & FLAG_OTHER_PROTOCOL)
		skb->protocol = htons(ETH_P_IPV6);
	if (!(header[0] & FLAG_GSO))
		return;
	skb->shinfo.gso_size = 1000;
	skb->shinfo.gso_segs = header[4];
	skb->shinfo.gso_type = header[0] & FLAG_GSO_TCP ? SKB_GSO_TCPV4 | SKB_GSO_TCPV6 :
			       header[0] & FLAG_GSO_UDP ? SKB_GSO_UDP_L4 : SKB_GSO_SCTP;
	skb->encapsulation = header[0] & FLAG_ENCAPSULATED;
	skb->inner_transport_offset = header[5] * 4;
}

/* What the dissector says, each time from its own memory. */
static enum fz_reason dissect(const u8 *header, const u8 *bytes, u32 len, const u32 *ends,
			      struct fz_packet *packet)
{
	enum fz_reason reason;
	struct sk_buff skb;

	skb_make(&skb, header, bytes, len, ends);
	memset(packet, 0xa5, sizeof(*packet));
	reason = fz_dissect(&skb, packet);
	for (unsigned int i = 0; i < SKB_PIECES; i++)
		free(skb.pieces[i].data);
	always(reason == FZ_REASON_NONE || reason == FZ_REASON_MALFORMED || reason == FZ_REASON_FRAGMENT);
	return reason;
}

static u32 word(const u8 *bytes, u32 at)
{
	return bytes[at] << 8 | bytes[at + 1];
}

/* Where a header begins that is no extension, and its number; of a packet that was accepted. */
static u32 find_transport(const u8 *bytes, u32 len, u8 *proto, bool *fragment, u32 *start)
{
	u8 next = bytes[6];
	u32 at = 40;

	*fragment = false;
	*start = 0;
	if (bytes[0] >> 4 == 4) {
		*proto = bytes[9];
		*fragment = word(bytes, 6) & 0x3fff;
		*start = (word(bytes, 6) & 0x1fff) * 8;
		return (bytes[0] & 15) * 4;
	}
	while (!*start && (next == 0 || next == 43 || next == 44 || next == 51 || next == 60)) {
		always(at + 8 <= len);
		if (next == 44) {
			*fragment = word(bytes, at + 2) & 0xfff9;
			*start = word(bytes, at + 2) & 0xfff8;
		}
		always(next != 43 || !bytes[at + 3]);
		u32 size = next == 44 ? 8 : next == 51 ? bytes[at + 1] * 4 + 8 : bytes[at + 1] * 8 + 8;

		next = bytes[at];
		at += size;
	}
	*proto = next;
	return at;
}

static void check_addresses(const u8 *bytes, u32 len, const struct fz_tuple *tuple)
{
	bool four = tuple->family == AF_INET;

	always(four || tuple->family == AF_INET6);
	always(len >= (four ? 20U : 40U) && bytes[0] >> 4 == (four ? 4 : 6));
	always(!memcmp(&tuple->src, bytes + (four ? 12 : 8), four ? 4 : 16));
	always(!memcmp(&tuple->dst, bytes + (four ? 16 : 24), four ? 4 : 16));
	if (four) {
		always(!tuple->src.words[1] && !tuple->src.words[2] && !tuple->src.words[3]);
		always(!tuple->dst.words[1] && !tuple->dst.words[2] && !tuple->dst.words[3]);
	}
}

/* The tuple's transport part against what is at @l4. */
static void check_transport(const u8 *bytes, u32 len, u32 l4, const struct fz_tuple *tuple)
{
	always(!tuple->zero);
	if (fz_proto_has_ports(tuple->proto)) {
		always(l4 + 8 <= len);
		always(tuple->sport == word(bytes, l4) && tuple->dport == word(bytes, l4 + 2));
		always(!tuple->icmp_type && !tuple->icmp_code && !tuple->icmp_id);
	} else if (fz_proto_is_icmp(tuple->family, tuple->proto)) {
		always(l4 + 8 <= len);
		always(tuple->icmp_type == bytes[l4] && tuple->icmp_code == bytes[l4 + 1]);
		always(!tuple->icmp_id || tuple->icmp_id == word(bytes, l4 + 4));
		always(!tuple->sport && !tuple->dport);
	} else {
		always(!tuple->sport && !tuple->dport && !tuple->icmp_type && !tuple->icmp_code &&
		       !tuple->icmp_id);
	}
}

static void check_accepted(const u8 *bytes, u32 len, const struct fz_packet *packet, bool gso)
{
	const struct fz_tuple *tuple = &packet->tuple;
	u32 l4, stated, start;
	bool fragment;
	u8 proto;

	check_addresses(bytes, len, tuple);
	stated = word(bytes, tuple->family == AF_INET ? 2 : 4);
	/* The length of a super-packet may be more than the field can say, which is 0 then. */
	if (stated || !gso) {
		stated += tuple->family == AF_INET ? 0 : 40;
		always(stated <= len);
		len = stated;
	}
	l4 = find_transport(bytes, len, &proto, &fragment, &start);
	always(l4 <= len && packet->l4 == l4 && tuple->proto == proto);
	if (packet->kind == FZ_PACKET_FRAGMENT_LATER) {
		always(fragment && start && packet->frag_start == start);
		always(!tuple->sport && !tuple->dport && !tuple->icmp_type);
	} else {
		always(!start);
		always(fragment == (packet->kind == FZ_PACKET_FRAGMENT_FIRST));
		check_transport(bytes, len, l4, tuple);
	}
	if (fragment)
		always(packet->frag_end > packet->frag_start && packet->frag_end <= 65535 &&
		       packet->frag_end - packet->frag_start == len - l4);
	if (packet->kind != FZ_PACKET_FRAGMENT_LATER && proto == IPPROTO_TCP) {
		always(l4 + (bytes[l4 + 12] >> 4) * 4 <= len && bytes[l4 + 12] >> 4 >= 5);
		always(packet->tcp_flags == bytes[l4 + 13]);
		always(packet->opens == ((packet->tcp_flags & 0x12) == 2));
	} else {
		always(!packet->tcp_flags);
	}
	if (packet->kind == FZ_PACKET_ERROR) {
		const u8 *quoted = bytes + l4 + 8;

		check_addresses(quoted, len - l4 - 8, &packet->quoted);
		always(packet->quoted.family == tuple->family);
		always(!memcmp(&packet->quoted.src, &tuple->dst, sizeof(tuple->dst)));
		l4 = find_transport(quoted, len - l4 - 8, &proto, &fragment, &start);
		always(packet->quoted.proto == proto && !start);
		check_transport(quoted, (u32)(bytes + len - quoted), l4, &packet->quoted);
	}
}

/* What is left of a packet says nothing that the packet does not. */
static void check_cut(const u8 *header, const u8 *bytes, u32 cut, const u32 *ends,
		      const struct fz_packet *whole, enum fz_reason reason)
{
	struct fz_packet part;

	if (dissect(header, bytes, cut, ends, &part) != FZ_REASON_NONE)
		return;
	if (header[0] & FLAG_GSO) {
		/* It may have no length of its own. */
		always(reason != FZ_REASON_NONE || fz_tuple_equal(&part.tuple, &whole->tuple));
		return;
	}
	always(reason == FZ_REASON_NONE);
	part.bytes = whole->bytes;
	always(!memcmp(&part, whole, sizeof(part)));
}

static void check_followed(const u8 *header, const u8 *bytes, u32 len, const u32 *ends,
			   const struct fz_packet *whole)
{
	u8 *more = malloc(len + 8);
	struct fz_packet other;

	always(more);
	memcpy(more, bytes, len);
	memset(more + len, 0xff, 8);
	always(dissect(header, more, len + 8, ends, &other) == FZ_REASON_NONE);
	other.bytes = whole->bytes;
	always(!memcmp(&other, whole, sizeof(other)));
	free(more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const u32 whole[SKB_PIECES - 1] = { UINT32_MAX, UINT32_MAX, UINT32_MAX };
	u32 ends[SKB_PIECES - 1], len = size - HEADER;
	const u8 *bytes = data + HEADER;
	struct fz_packet packet, again;
	enum fz_reason reason;
	bool gso;

	if (size < HEADER || size > HEADER + 65535)
		return 0;
	gso = data[0] & FLAG_GSO;
	for (unsigned int i = 0; i < SKB_PIECES - 1; i++)
		ends[i] = (i ? ends[i - 1] : 0) + data[1 + i];

	reason = dissect(data, bytes, len, whole, &packet);
	always(reason == dissect(data, bytes, len, ends, &again));
	always(!memcmp(&packet, &again, sizeof(packet)));
	always(packet.packets >= 1 && packet.bytes >= len);
	always(gso || (packet.packets == 1 && packet.bytes == len));
	if (packet.tuple.family)
		check_addresses(bytes, len, &packet.tuple);
	if (reason == FZ_REASON_NONE) {
		check_accepted(bytes, len, &packet, gso);
		if (!gso)
			check_followed(data, bytes, len, ends, &packet);
	}
	for (u32 cut = 0; cut < len && cut < CUTS; cut++)
		check_cut(data, bytes, cut, ends, &packet, reason);
	if (len)
		check_cut(data, bytes, len - 1, ends, &packet, reason);
	return 0;
}
