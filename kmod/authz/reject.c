// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers to refused packets: a reset for TCP, ICMP "administratively prohibited" for the rest.
 * They go back the way the packet came, from the address it was for: that is the only one of
 * which both ends are known to route it through this tunnel.
 */

#include "authz/reject.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>

#include "authz/authz.h"

/* What an ICMP error quotes: RFC 1812, section 4.3.2.3, and RFC 4443, section 2.4. */
#define QUOTE_IP4 (576 - sizeof(struct iphdr) - sizeof(struct icmphdr))
#define QUOTE_IP6 (1280 - sizeof(struct ipv6hdr) - sizeof(struct icmp6hdr))

/* Room before an answer for whatever the tunnel puts there. */
#define HEADROOM 128

static bool is_answerable_address(const struct fz_tuple *tuple)
{
	if (tuple->family == AF_INET)
		return !ipv4_is_multicast(tuple->src.ip) && !ipv4_is_zeronet(tuple->src.ip) &&
		       !ipv4_is_lbcast(tuple->src.ip) && !ipv4_is_multicast(tuple->dst.ip) &&
		       !ipv4_is_lbcast(tuple->dst.ip);
	return !ipv6_addr_is_multicast(&tuple->src.ip6) && !ipv6_addr_any(&tuple->src.ip6) &&
	       !ipv6_addr_is_multicast(&tuple->dst.ip6);
}

/* RFC 1122, section 3.2.2: what must never be answered; and what is not worth it. */
static bool is_answerable(const struct fz_packet *packet, enum fz_reason reason)
{
	const struct fz_tuple *tuple = &packet->tuple;

	if (reason == FZ_REASON_MALFORMED || reason == FZ_REASON_FRAGMENT ||
	    reason == FZ_REASON_SOURCE)
		return false;
	/* It shall slow down, or wait for a verdict or for room, not end. */
	if (fz_reject_is_early(reason))
		return false;
	if (packet->kind != FZ_PACKET_PLAIN && packet->kind != FZ_PACKET_FRAGMENT_FIRST)
		return false;
	if (!tuple->family || !is_answerable_address(tuple))
		return false;
	if (fz_proto_is_icmp(tuple->family, tuple->proto))
		return tuple->icmp_type == (tuple->family == AF_INET ? ICMP_ECHO :
								       ICMPV6_ECHO_REQUEST);
	return tuple->proto != IPPROTO_TCP || !(packet->tcp_flags & TCPHDR_RST);
}

static unsigned int ip_header_len(const struct fz_tuple *tuple)
{
	return tuple->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* An answer to @packet with its IP header; the payload of @len bytes is zero. */
static struct sk_buff *new_answer(const struct fz_packet *packet, u8 proto, unsigned int len)
{
	const struct fz_tuple *tuple = &packet->tuple;
	unsigned int header = ip_header_len(tuple);
	struct sk_buff *skb = alloc_skb(HEADROOM + header + len, GFP_ATOMIC);

	if (!skb)
		return NULL;
	skb_reserve(skb, HEADROOM);
	/* It may enter the stack here, where others count from the link header. */
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_put_zero(skb, header + len);
	skb_set_transport_header(skb, header);
	if (tuple->family == AF_INET) {
		struct iphdr *ip = ip_hdr(skb);

		skb->protocol = htons(ETH_P_IP);
		ip->version = 4;
		ip->ihl = sizeof(*ip) / 4;
		ip->tot_len = htons(header + len);
		ip->frag_off = htons(IP_DF);
		ip->ttl = 64;
		ip->protocol = proto;
		ip->saddr = tuple->dst.ip;
		ip->daddr = tuple->src.ip;
		ip_send_check(ip);
	} else {
		struct ipv6hdr *ip = ipv6_hdr(skb);

		skb->protocol = htons(ETH_P_IPV6);
		ip->version = 6;
		ip->payload_len = htons(len);
		ip->nexthdr = proto;
		ip->hop_limit = 64;
		ip->saddr = tuple->dst.ip6;
		ip->daddr = tuple->src.ip6;
	}
	return skb;
}

static __sum16 transport_check(const struct sk_buff *skb, const struct fz_tuple *tuple, u8 proto)
{
	unsigned int len = skb->len - skb_transport_offset(skb);
	__wsum sum = csum_partial(skb_transport_header(skb), len, 0);

	if (tuple->family == AF_INET)
		return csum_tcpudp_magic(tuple->dst.ip, tuple->src.ip, len, proto, sum);
	return csum_ipv6_magic(&tuple->dst.ip6, &tuple->src.ip6, len, proto, sum);
}

/* RFC 9293, section 3.10.7.1: a reset that the sender of @skb will believe. */
static struct sk_buff *make_reset(const struct fz_packet *packet, const struct sk_buff *skb)
{
	struct tcphdr buffer, *tcp;
	const struct tcphdr *theirs;
	struct sk_buff *answer;

	theirs = skb_header_pointer(skb, skb_network_offset(skb) + packet->l4, sizeof(buffer),
				    &buffer);
	if (!theirs)
		return NULL;
	answer = new_answer(packet, IPPROTO_TCP, sizeof(*tcp));
	if (!answer)
		return NULL;
	tcp = tcp_hdr(answer);
	tcp->source = theirs->dest;
	tcp->dest = theirs->source;
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	if (theirs->ack) {
		tcp->seq = theirs->ack_seq;
	} else {
		u32 payload = skb->len - skb_network_offset(skb) - packet->l4 - theirs->doff * 4;

		tcp->ack = 1;
		tcp->ack_seq = htonl(ntohl(theirs->seq) + theirs->syn + theirs->fin + payload);
	}
	tcp->check = transport_check(answer, &packet->tuple, IPPROTO_TCP);
	return answer;
}

static struct sk_buff *make_icmp4(const struct fz_packet *packet, const struct sk_buff *skb,
				  unsigned int len)
{
	struct sk_buff *answer = new_answer(packet, IPPROTO_ICMP, sizeof(struct icmphdr) + len);
	struct icmphdr *icmp;

	if (!answer)
		return NULL;
	icmp = icmp_hdr(answer);
	icmp->type = ICMP_DEST_UNREACH;
	icmp->code = ICMP_PKT_FILTERED;
	skb_copy_bits(skb, skb_network_offset(skb), icmp + 1, len);
	icmp->checksum = ip_compute_csum(icmp, sizeof(*icmp) + len);
	return answer;
}

static struct sk_buff *make_icmp6(const struct fz_packet *packet, const struct sk_buff *skb,
				  unsigned int len)
{
	struct sk_buff *answer = new_answer(packet, IPPROTO_ICMPV6, sizeof(struct icmp6hdr) + len);
	struct icmp6hdr *icmp;

	if (!answer)
		return NULL;
	icmp = icmp6_hdr(answer);
	icmp->icmp6_type = ICMPV6_DEST_UNREACH;
	icmp->icmp6_code = ICMPV6_ADM_PROHIBITED;
	skb_copy_bits(skb, skb_network_offset(skb), icmp + 1, len);
	icmp->icmp6_cksum = transport_check(answer, &packet->tuple, IPPROTO_ICMPV6);
	return answer;
}

static struct sk_buff *make_answer(const struct fz_packet *packet, const struct sk_buff *skb)
{
	unsigned int len = skb->len - skb_network_offset(skb);

	if (packet->tuple.proto == IPPROTO_TCP)
		return make_reset(packet, skb);
	if (packet->tuple.family == AF_INET)
		return make_icmp4(packet, skb, min_t(unsigned int, len, QUOTE_IP4));
	return make_icmp6(packet, skb, min_t(unsigned int, len, QUOTE_IP6));
}

/**
 * fz_reject() - answers a refused packet
 * @az: the device's
 * @ap: the peer's; NULL for an outgoing packet without one
 * @dir: of the refused packet
 * @packet: what the dissector found in it
 * @reason: why it is refused
 * @skb: the packet; left alone
 *
 * Context: RCU, BH disabled.
 */
void fz_reject(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
	       const struct fz_packet *packet, enum fz_reason reason, const struct sk_buff *skb)
{
	struct sk_buff_head queue;
	struct sk_buff *answer;

	if (!is_answerable(packet, reason) || !fz_bucket_take(&az->rejects))
		return;
	/* Without a peer the device itself must take it, which tests do not have. */
	if (az->dev ? !netif_running(az->dev) : !ap)
		return;
	answer = make_answer(packet, skb);
	if (!answer)
		return;
	answer->dev = az->dev;
	__skb_queue_head_init(&queue);
	__skb_queue_tail(&queue, answer);
	if (ap && dir == FZ_DIR_IN) {
		az->ops->xmit(ap, &queue);
	} else if (ap) {
		az->ops->deliver(ap, &queue);
	} else {
		__skb_unlink(answer, &queue);
		netif_rx(answer);
	}
}
