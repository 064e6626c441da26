/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the inner packet: whose it is, where to, and whether its headers tell the truth. */

#ifndef _FZ_AUTHZ_DISSECT_H
#define _FZ_AUTHZ_DISSECT_H

#include <linux/fz.h>
#include <linux/skbuff.h>

#include "authz/tuple.h"

/* Extension headers walked before a packet is refused as malformed. */
#define FZ_DISSECT_EXTENSIONS 8

/**
 * enum fz_packet_kind - how a packet is judged
 * @FZ_PACKET_PLAIN: by its tuple
 * @FZ_PACKET_FRAGMENT_FIRST: by its tuple; later fragments follow it
 * @FZ_PACKET_FRAGMENT_LATER: by what its first fragment got; it has no ports
 * @FZ_PACKET_ERROR: an ICMP error; by the flow that it quotes
 */
enum fz_packet_kind {
	FZ_PACKET_PLAIN,
	FZ_PACKET_FRAGMENT_FIRST,
	FZ_PACKET_FRAGMENT_LATER,
	FZ_PACKET_ERROR,
};

/**
 * struct fz_packet - what the dissector found
 * @tuple: of the packet
 * @quoted: of the packet that an ICMP error quotes, which went the other way
 * @kind: enum fz_packet_kind
 * @opens: it can only be the first of a connection: TCP's SYN without ACK, SCTP's INIT (RFC 9260,
 *	   section 5.1), DCCP's Request (RFC 4340, section 5.1)
 * @tcp_flags: 14th byte of the TCP header (FIN 1, SYN 2, RST 4, ACK 16)
 * @frag_id: identification, host byte order
 * @frag_start: offset of the fragment's first byte in the datagram
 * @frag_end: offset of the byte after its last
 * @frag_last: no fragment comes after it
 * @l4: offset of the transport header from the network header
 * @packets: that it stands for: segments of a super-packet, otherwise 1
 * @bytes: of all these, with the headers of each
 */
struct fz_packet {
	struct fz_tuple tuple;
	struct fz_tuple quoted;
	u8 kind;
	u8 tcp_flags;
	bool opens;
	bool frag_last;
	u32 frag_id;
	u32 frag_start;
	u32 frag_end;
	u16 l4;
	u32 packets;
	u32 bytes;
};

enum fz_reason fz_dissect(const struct sk_buff *skb, struct fz_packet *packet);

#endif /* _FZ_AUTHZ_DISSECT_H */
