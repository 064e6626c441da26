/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_PACKET_H
#define FZ_TUNNEL_PACKET_H

#include <linux/build_bug.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/kernel.h>
#include <linux/skbuff.h>
#include <linux/types.h>
#include <linux/udp.h>

#include "tunnel/messages.h"

/**
 * struct fz_cb - what the tunnel knows of a packet while it is the tunnel's, in skb->cb
 * @counter: nonce of a received message
 * @mtu: of the route that the packet was sent on, bytes; limits padding
 * @ds: DS field for, or from, the outer IP header
 * @charge_moves: the destructor takes skb->truesize off what skb->sk has under way, and does no more
 *	that a packet in place of this one could not do once for several
 */
struct fz_cb {
	u64 counter;
	u32 mtu;
	u8 ds;
	bool charge_moves;
};

#define FZ_CB(skb) ((struct fz_cb *)(skb)->cb)
static_assert(sizeof(struct fz_cb) <= sizeof_field(struct sk_buff, cb));

/* What a data message adds to an inner packet: in front, with the outer headers, and behind. */
#define FZ_OUTER_LEN (sizeof(struct ipv6hdr) + sizeof(struct udphdr))
#define FZ_HEADROOM ALIGN(sizeof(struct fz_message_data) + FZ_OUTER_LEN + NET_SKB_PAD, 4)
#define FZ_TAILROOM (FZ_AUTHTAG_LEN + FZ_PADDING_MULTIPLE)
/* IP cannot carry more, with everything around it. */
#define FZ_MAX_MTU (65535 - (int)(FZ_OUTER_LEN + FZ_DATA_LEN(0)))
/* What fits into 1,500 bytes over IPv6. */
#define FZ_DEFAULT_MTU 1420

#endif
