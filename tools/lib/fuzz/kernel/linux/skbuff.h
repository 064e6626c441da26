/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kmod/authz/dissect.c needs of the kernel beside its user-space headers, so that it can be
 * built and fuzzed as it is. A packet is in pieces here, each a block of its own: the address
 * sanitizer sees who reads past one. The first is what the kernel calls linear.
 */
#ifndef _FZ_FUZZ_SKBUFF_H
#define _FZ_FUZZ_SKBUFF_H

#include <arpa/inet.h>
#include <assert.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define cpu_to_be32(value) htonl(value)
#define fallthrough __attribute__((__fallthrough__))
#define max_t(type, a, b) ((type)(a) > (type)(b) ? (type)(a) : (type)(b))

#define SKB_GSO_TCPV4 (1 << 0)
#define SKB_GSO_TCPV6 (1 << 4)
#define SKB_GSO_SCTP (1 << 14)
#define SKB_GSO_UDP_L4 (1 << 17)

#define SKB_PIECES 4

struct skb_piece {
	u8 *data;
	u32 len;
};

struct skb_shared_info {
	u16 gso_size;
	u16 gso_segs;
	u32 gso_type;
};

struct sk_buff {
	struct skb_piece pieces[SKB_PIECES];
	struct skb_shared_info shinfo;
	u32 len;
	u32 network_offset;
	u32 inner_transport_offset;
	__be16 protocol;
	bool encapsulation;
};

static inline const struct skb_shared_info *skb_shinfo(const struct sk_buff *skb)
{
	return &skb->shinfo;
}

static inline bool skb_is_gso(const struct sk_buff *skb)
{
	return skb->shinfo.gso_size;
}

static inline int skb_network_offset(const struct sk_buff *skb)
{
	return skb->network_offset;
}

static inline int skb_inner_transport_offset(const struct sk_buff *skb)
{
	return skb->inner_transport_offset;
}

const void *skb_header_pointer(const struct sk_buff *skb, int offset, int len, void *buffer);

#endif
