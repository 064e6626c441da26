/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses, prefixes and the tuple that says what a packet is. */

#ifndef _FZ_AUTHZ_TUPLE_H
#define _FZ_AUTHZ_TUPLE_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/string.h>
#include <linux/types.h>

/**
 * union fz_addr - an IPv4 or IPv6 address
 * @ip: as an IPv4 address; the other twelve bytes are zero
 * @ip6: as an IPv6 address
 * @words: big endian, for comparing and hashing
 */
union fz_addr {
	__be32 ip;
	struct in6_addr ip6;
	__be32 words[4];
};

/**
 * struct fz_prefix - an address prefix
 * @addr: the address; bits after the length are zero
 * @family: AF_INET or AF_INET6
 * @len: in bits, at most 32 or 128
 */
struct fz_prefix {
	union fz_addr addr;
	u8 family;
	u8 len;
};

/**
 * struct fz_tuple - what a packet is, as the packet says it; host byte order
 * @src: inner source
 * @dst: inner destination
 * @family: AF_INET or AF_INET6
 * @proto: IP protocol number, after all extension headers
 * @icmp_type: of ICMP and ICMPv6; otherwise 0
 * @icmp_code: of ICMP and ICMPv6; otherwise 0
 * @sport: of TCP, UDP, UDP-Lite, SCTP and DCCP; otherwise 0
 * @dport: the same
 * @icmp_id: of ICMP messages that have one (echo, timestamp); otherwise 0
 *
 * No padding, and unused fields are zero: tuples are compared as memory.
 */
struct fz_tuple {
	union fz_addr src;
	union fz_addr dst;
	u8 family;
	u8 proto;
	u8 icmp_type;
	u8 icmp_code;
	u16 sport;
	u16 dport;
	u16 icmp_id;
	u16 zero;
};

static inline bool fz_tuple_equal(const struct fz_tuple *a, const struct fz_tuple *b)
{
	return !memcmp(a, b, sizeof(*a));
}

bool fz_proto_has_ports(u8 proto);
bool fz_proto_is_icmp(u8 family, u8 proto);
unsigned int fz_family_bits(u8 family);
void fz_addr_to_sockaddr(u8 family, const union fz_addr *addr, u8 *sockaddr);
bool fz_prefix_is_clean(const struct fz_prefix *prefix);
bool fz_prefix_covers(const struct fz_prefix *prefix, u8 family, const union fz_addr *addr);

#endif /* _FZ_AUTHZ_TUPLE_H */
