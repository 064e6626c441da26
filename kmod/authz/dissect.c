// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads inner packets. Nothing is believed that was not looked at: every length is checked
 * against the bytes that are there, and a packet whose receiver could read it in another way than
 * this file does is refused.
 */

#include "authz/dissect.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/sctp.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

/* SCTP's common header and that of the first chunk (RFC 9260, section 3). */
#define SCTP_HEADERS 16
#define SCTP_CHUNK_TYPE 12

/* The shortest of DCCP's generic headers (RFC 4340, section 5.1). */
#define DCCP_HEADER 12
#define DCCP_TYPE 8
#define DCCP_REQUEST 0

/* The bytes that may be looked at. */
struct view {
	const struct sk_buff *skb;
	u32 base;		/* where offset 0 is in the skb */
	u32 end;		/* offset of the byte after the last */
	bool quoted;		/* the end of the packet may have been cut off */
};

/* An IP packet in a view. */
struct ip_found {
	u32 l4;			/* offset of the transport header */
	u32 end;		/* offset of the byte after the packet */
	bool fragment;
	bool more;
	u32 frag_id;
	u32 frag_start;
};

static const void *look(const struct view *view, u32 offset, u32 len, void *buffer)
{
	if (offset > view->end || len > view->end - offset)
		return NULL;
	return skb_header_pointer(view->skb, view->base + offset, len, buffer);
}

/*
 * Options may not lie about their length, nor route: a source route says that the destination is
 * another one than the header's, so that it cannot be judged (RFC 791, section 3.1).
 */
static enum fz_reason check_ip4_options(const struct view *view, u32 offset, u32 end)
{
	u8 buffer[60 - sizeof(struct iphdr)];
	const u8 *options;
	u32 len = end - offset;
	u32 i = 0;

	if (!len)
		return FZ_REASON_NONE;
	options = look(view, offset, len, buffer);
	if (!options)
		return FZ_REASON_MALFORMED;
	while (i < len && options[i] != IPOPT_END) {
		if (options[i] == IPOPT_NOOP) {
			i++;
			continue;
		}
		if (options[i] == IPOPT_LSRR || options[i] == IPOPT_SSRR)
			return FZ_REASON_MALFORMED;
		if (i + 1 >= len || options[i + 1] < 2 || options[i + 1] > len - i)
			return FZ_REASON_MALFORMED;
		i += options[i + 1];
	}
	return FZ_REASON_NONE;
}

static enum fz_reason read_ip4(const struct view *view, u32 offset, struct ip_found *found,
			       struct fz_tuple *tuple)
{
	struct iphdr buffer;
	const struct iphdr *ip = look(view, offset, sizeof(buffer), &buffer);
	u32 header, total;
	u16 frag;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return FZ_REASON_MALFORMED;
	header = ip->ihl * 4;
	total = ntohs(ip->tot_len);
	if (!total && !view->quoted && skb_is_gso(view->skb))
		total = view->end - offset;
	if (total < header)
		return FZ_REASON_MALFORMED;
	if (total > view->end - offset) {
		if (!view->quoted)
			return FZ_REASON_MALFORMED;
		total = view->end - offset;
		if (total < header)
			return FZ_REASON_MALFORMED;
	}

	frag = ntohs(ip->frag_off);
	tuple->family = AF_INET;
	tuple->proto = ip->protocol;
	tuple->src.ip = ip->saddr;
	tuple->dst.ip = ip->daddr;
	found->l4 = offset + header;
	found->end = offset + total;
	found->more = frag & IP_MF;
	found->frag_start = (frag & IP_OFFSET) * 8;
	found->frag_id = ntohs(ip->id);
	found->fragment = found->more || found->frag_start;
	return check_ip4_options(view, offset + sizeof(*ip), found->l4);
}

/*
 * Walks the extension headers of IPv6 (RFC 8200, section 4) from @next at @found->l4: those that a
 * Linux receiver walks too. To it Mobility, HIP and Shim6 are protocols, with handlers of their own.
 */
static enum fz_reason walk_ip6(const struct view *view, u8 next, struct ip_found *found,
			       struct fz_tuple *tuple)
{
	unsigned int count;

	for (count = 0; count <= FZ_DISSECT_EXTENSIONS; count++) {
		struct frag_hdr buffer;
		const u8 *header;
		u32 len;

		tuple->proto = next;
		switch (next) {
		case NEXTHDR_HOP:
			if (count)
				return FZ_REASON_MALFORMED;
			fallthrough;
		case NEXTHDR_ROUTING:
		case NEXTHDR_DEST:
		case NEXTHDR_FRAGMENT:
		case NEXTHDR_AUTH:
			break;
		default:
			return FZ_REASON_NONE;
		}
		/* All of them are at least 8 bytes long. */
		header = look(view, found->l4, sizeof(buffer), &buffer);
		if (!header)
			return found->fragment ? FZ_REASON_FRAGMENT : FZ_REASON_MALFORMED;
		if (next == NEXTHDR_FRAGMENT) {
			const struct frag_hdr *frag = (const struct frag_hdr *)header;
			u16 offset = ntohs(frag->frag_off);

			if (found->fragment)
				return FZ_REASON_FRAGMENT;
			found->more = offset & IP6_MF;
			found->frag_start = offset & IP6_OFFSET;
			found->frag_id = ntohl(frag->identification);
			/* RFC 6946: alone in its datagram, it is none. */
			found->fragment = found->more || found->frag_start;
			len = sizeof(*frag);
		} else if (next == NEXTHDR_AUTH) {
			len = (header[1] + 2) * 4;
		} else {
			len = (header[1] + 1) * 8;
		}
		/* With segments left, the destination is not the last one. */
		if (next == NEXTHDR_ROUTING && header[3])
			return FZ_REASON_MALFORMED;
		next = header[0];
		if (len > found->end - found->l4)
			return found->fragment ? FZ_REASON_FRAGMENT : FZ_REASON_MALFORMED;
		found->l4 += len;
		if (found->frag_start) {
			tuple->proto = next;
			return FZ_REASON_NONE;
		}
	}
	return FZ_REASON_MALFORMED;
}

static enum fz_reason read_ip6(const struct view *view, u32 offset, struct ip_found *found,
			       struct fz_tuple *tuple)
{
	struct ipv6hdr buffer;
	const struct ipv6hdr *ip = look(view, offset, sizeof(buffer), &buffer);
	u32 payload;

	if (!ip || ip->version != 6)
		return FZ_REASON_MALFORMED;
	payload = ntohs(ip->payload_len);
	found->l4 = offset + sizeof(*ip);
	if (!payload && !view->quoted && skb_is_gso(view->skb))
		payload = view->end - found->l4;
	if (payload > view->end - found->l4) {
		if (!view->quoted)
			return FZ_REASON_MALFORMED;
		payload = view->end - found->l4;
	}
	found->end = found->l4 + payload;
	tuple->family = AF_INET6;
	tuple->src.ip6 = ip->saddr;
	tuple->dst.ip6 = ip->daddr;
	return walk_ip6(view, ip->nexthdr, found, tuple);
}

static enum fz_reason read_ip(const struct view *view, u32 offset, struct ip_found *found,
			      struct fz_tuple *tuple)
{
	u8 buffer;
	const u8 *first = look(view, offset, 1, &buffer);

	if (!first)
		return FZ_REASON_MALFORMED;
	return *first >> 4 == 4 ? read_ip4(view, offset, found, tuple) :
				  read_ip6(view, offset, found, tuple);
}

static bool icmp_has_id(u8 family, u8 type)
{
	if (family == AF_INET6)
		return type == ICMPV6_ECHO_REQUEST || type == ICMPV6_ECHO_REPLY;
	switch (type) {
	case ICMP_ECHO:
	case ICMP_ECHOREPLY:
	case ICMP_TIMESTAMP:
	case ICMP_TIMESTAMPREPLY:
	case ICMP_INFO_REQUEST:
	case ICMP_INFO_REPLY:
	case ICMP_ADDRESS:
	case ICMP_ADDRESSREPLY:
		return true;
	default:
		return false;
	}
}

/* Only what says that an earlier packet failed. A redirect or a query does not. */
static bool icmp_is_error(u8 family, u8 type)
{
	if (family == AF_INET6)
		return type == ICMPV6_DEST_UNREACH || type == ICMPV6_PKT_TOOBIG ||
		       type == ICMPV6_TIME_EXCEED || type == ICMPV6_PARAMPROB;
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static enum fz_reason read_tcp(const struct view *view, const struct ip_found *found,
			       struct fz_packet *packet)
{
	struct tcphdr buffer;
	const struct tcphdr *tcp = look(view, found->l4, sizeof(buffer), &buffer);
	u32 len = found->end - found->l4;

	if (!tcp || len < sizeof(*tcp) || tcp->doff < 5 || tcp->doff * 4 > len)
		return FZ_REASON_MALFORMED;
	/* Flags that no TCP sends, and that receivers read in different ways (RFC 9293, 3.10.7). */
	if ((tcp->syn && (tcp->fin || tcp->rst)) || !(tcp->syn || tcp->ack || tcp->rst))
		return FZ_REASON_MALFORMED;
	packet->tcp_flags = ((const u8 *)tcp)[13];
	packet->opens = tcp->syn && !tcp->ack;
	return FZ_REASON_NONE;
}

/* The first chunk: an INIT has no other beside it, and an association begins with no other. */
static enum fz_reason read_sctp(const struct view *view, const struct ip_found *found,
				struct fz_packet *packet)
{
	u8 buffer[SCTP_HEADERS];
	const u8 *sctp = look(view, found->l4, sizeof(buffer), buffer);

	if (!sctp || found->end - found->l4 < sizeof(buffer))
		return FZ_REASON_MALFORMED;
	packet->opens = sctp[SCTP_CHUNK_TYPE] == SCTP_CID_INIT;
	return FZ_REASON_NONE;
}

static enum fz_reason read_dccp(const struct view *view, const struct ip_found *found,
				struct fz_packet *packet)
{
	u8 buffer[DCCP_HEADER];
	const u8 *dccp = look(view, found->l4, sizeof(buffer), buffer);

	if (!dccp || found->end - found->l4 < sizeof(buffer))
		return FZ_REASON_MALFORMED;
	packet->opens = (dccp[DCCP_TYPE] >> 1 & 0xf) == DCCP_REQUEST;
	return FZ_REASON_NONE;
}

static enum fz_reason check_udp_len(const struct view *view, const struct ip_found *found,
				    const __be16 *words)
{
	u32 len = ntohs(words[2]);

	/* A super-packet is longer than the field; in a fragment it is the whole datagram's. */
	if (skb_is_gso(view->skb))
		return FZ_REASON_NONE;
	if (len < sizeof(struct udphdr))
		return FZ_REASON_MALFORMED;
	if (!found->fragment && len > found->end - found->l4)
		return FZ_REASON_MALFORMED;
	return FZ_REASON_NONE;
}

/* Ports, or the type of ICMP, from the first 8 bytes of the transport header. */
static enum fz_reason read_transport(const struct view *view, const struct ip_found *found,
				     struct fz_tuple *tuple)
{
	__be16 buffer[4];
	const __be16 *words;
	const u8 *bytes;
	bool icmp = fz_proto_is_icmp(tuple->family, tuple->proto);

	if (!icmp && !fz_proto_has_ports(tuple->proto))
		return FZ_REASON_NONE;
	words = look(view, found->l4, sizeof(buffer), buffer);
	if (!words || found->end - found->l4 < sizeof(buffer))
		return FZ_REASON_MALFORMED;
	if (!icmp) {
		tuple->sport = ntohs(words[0]);
		tuple->dport = ntohs(words[1]);
		if (tuple->proto == IPPROTO_UDP && !view->quoted)
			return check_udp_len(view, found, words);
		return FZ_REASON_NONE;
	}
	bytes = (const u8 *)words;
	tuple->icmp_type = bytes[0];
	tuple->icmp_code = bytes[1];
	if (icmp_has_id(tuple->family, tuple->icmp_type))
		tuple->icmp_id = ntohs(words[2]);
	return FZ_REASON_NONE;
}

/*
 * What an ICMP error quotes is a packet that its receiver sent, or forwarded for the one it is
 * addressed to (RFC 792; RFC 4443, section 2.4).
 */
static enum fz_reason read_quoted(const struct view *outer, const struct ip_found *carrier,
				  struct fz_packet *packet)
{
	struct view view = {
		.skb = outer->skb,
		.base = outer->base,
		.end = carrier->end,
		.quoted = true,
	};
	struct ip_found found = {};
	enum fz_reason reason;

	reason = read_ip(&view, carrier->l4 + sizeof(struct icmphdr), &found, &packet->quoted);
	if (reason != FZ_REASON_NONE)
		return reason;
	if (packet->quoted.family != packet->tuple.family)
		return FZ_REASON_MALFORMED;
	if (found.frag_start)
		return FZ_REASON_FRAGMENT;
	reason = read_transport(&view, &found, &packet->quoted);
	if (reason != FZ_REASON_NONE)
		return reason;
	if (memcmp(&packet->quoted.src, &packet->tuple.dst, sizeof(packet->tuple.dst)))
		return FZ_REASON_MALFORMED;
	/* An error about an error is never sent. */
	if (fz_proto_is_icmp(packet->quoted.family, packet->quoted.proto) &&
	    icmp_is_error(packet->quoted.family, packet->quoted.icmp_type))
		return FZ_REASON_MALFORMED;
	return FZ_REASON_NONE;
}

static enum fz_reason read_fragment(const struct ip_found *found, struct fz_packet *packet)
{
	u32 len = found->end - found->l4;

	packet->frag_id = found->frag_id;
	packet->frag_start = found->frag_start;
	packet->frag_end = found->frag_start + len;
	packet->frag_last = !found->more;
	/* RFC 791: all but the last are multiples of eight. */
	if (!len || (found->more && len % 8) || packet->frag_end > 65535)
		return FZ_REASON_FRAGMENT;
	packet->kind = found->frag_start ? FZ_PACKET_FRAGMENT_LATER : FZ_PACKET_FRAGMENT_FIRST;
	return FZ_REASON_NONE;
}

static enum fz_reason read_unfragmented(const struct view *view, const struct ip_found *found,
					struct fz_packet *packet)
{
	const struct fz_tuple *tuple = &packet->tuple;
	enum fz_reason reason;

	reason = read_transport(view, found, &packet->tuple);
	if (reason != FZ_REASON_NONE)
		return reason;
	if (tuple->proto == IPPROTO_TCP)
		return read_tcp(view, found, packet);
	if (tuple->proto == IPPROTO_SCTP)
		return read_sctp(view, found, packet);
	if (tuple->proto == IPPROTO_DCCP)
		return read_dccp(view, found, packet);
	if (fz_proto_is_icmp(tuple->family, tuple->proto) &&
	    icmp_is_error(tuple->family, tuple->icmp_type)) {
		if (found->fragment)
			return FZ_REASON_FRAGMENT;
		packet->kind = FZ_PACKET_ERROR;
		return read_quoted(view, found, packet);
	}
	return FZ_REASON_NONE;
}

/* What is in front of the payload of a super-packet, and will be of each segment's. */
static u32 segment_headers(const struct view *view, u32 l4)
{
	const struct sk_buff *skb = view->skb;
	const struct tcphdr *tcp;
	struct tcphdr buffer;

	if (skb->encapsulation)
		l4 = skb_inner_transport_offset(skb) - view->base;
	if (skb_shinfo(skb)->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) {
		tcp = look(view, l4, sizeof(buffer), &buffer);
		return l4 + (tcp ? tcp->doff * 4 : sizeof(*tcp));
	}
	if (skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4)
		return l4 + sizeof(struct udphdr);
	if (skb_shinfo(skb)->gso_type & SKB_GSO_SCTP)
		return l4 + sizeof(struct sctphdr);
	return l4;
}

/* Counts the packets that a super-packet is cut into; who makes one in user space leaves that to others. */
static void count_segments(const struct view *view, u32 l4, struct fz_packet *packet)
{
	const struct skb_shared_info *shared = skb_shinfo(view->skb);
	u32 headers = segment_headers(view, l4);

	packet->packets = shared->gso_segs;
	if (!packet->packets) {
		packet->packets = 1;
		if (packet->bytes > headers + shared->gso_size)
			packet->packets += (packet->bytes - headers - 1) / shared->gso_size;
	}
	packet->bytes += (packet->packets - 1) * headers;
}

/**
 * fz_dissect() - reads an inner packet
 * @skb: network header set, protocol set; linear or not, may be a GSO super-packet
 * @packet: filled in; @packet->tuple has a family only if the addresses could be read
 *
 * Context: any.
 * Return: FZ_REASON_NONE, or why the packet cannot be judged: FZ_REASON_MALFORMED or
 * FZ_REASON_FRAGMENT. A first fragment without the whole header that decides is one of those
 * (RFC 1858; RFC 7112).
 */
enum fz_reason fz_dissect(const struct sk_buff *skb, struct fz_packet *packet)
{
	struct view view = {
		.skb = skb,
		.base = skb_network_offset(skb),
		.end = skb->len - skb_network_offset(skb),
	};
	struct ip_found found = {};
	enum fz_reason reason;

	memset(packet, 0, sizeof(*packet));
	packet->packets = 1;
	packet->bytes = view.end;
	reason = read_ip(&view, 0, &found, &packet->tuple);
	if (reason != FZ_REASON_NONE)
		return reason;
	if (skb->protocol != (packet->tuple.family == AF_INET ? htons(ETH_P_IP) :
								htons(ETH_P_IPV6)))
		return FZ_REASON_MALFORMED;
	/* What comes after the packet is padding. */
	view.end = found.end;
	packet->l4 = found.l4;
	if (skb_is_gso(skb))
		count_segments(&view, found.l4, packet);
	if (found.fragment) {
		reason = read_fragment(&found, packet);
		if (reason != FZ_REASON_NONE || packet->kind == FZ_PACKET_FRAGMENT_LATER)
			return reason;
	}
	reason = read_unfragmented(&view, &found, packet);
	if (reason == FZ_REASON_MALFORMED && found.fragment)
		return FZ_REASON_FRAGMENT;
	return reason;
}
