// SPDX-License-Identifier: GPL-2.0-only
/* Addresses, prefixes, protocols. */

#include "authz/tuple.h"

#include <linux/socket.h>

/**
 * fz_proto_has_ports() - whether a protocol's header begins with two ports
 * @proto: IP protocol number
 *
 * Context: any.
 * Return: true for TCP, UDP, UDP-Lite, SCTP and DCCP.
 */
bool fz_proto_has_ports(u8 proto)
{
	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		return true;
	default:
		return false;
	}
}

/**
 * fz_proto_is_icmp() - whether a protocol is the ICMP of a family
 * @family: AF_INET or AF_INET6
 * @proto: IP protocol number
 *
 * Context: any.
 * Return: true for ICMP over IPv4 and ICMPv6 over IPv6; the other two combinations are protocols
 * like any other.
 */
bool fz_proto_is_icmp(u8 family, u8 proto)
{
	return proto == (family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/**
 * fz_family_bits() - length of a family's addresses
 * @family: any number
 *
 * Context: any.
 * Return: bits, or 0 if @family is neither AF_INET nor AF_INET6.
 */
unsigned int fz_family_bits(u8 family)
{
	switch (family) {
	case AF_INET:
		return 32;
	case AF_INET6:
		return 128;
	default:
		return 0;
	}
}

/* The bits of word number @word of an address that the first @len bits of it touch. */
static __be32 word_mask(unsigned int word, unsigned int len)
{
	if (len <= word * 32)
		return 0;
	if (len >= word * 32 + 32)
		return cpu_to_be32(~0U);
	return cpu_to_be32(~0U << (word * 32 + 32 - len));
}

/**
 * fz_addr_to_sockaddr() - an address as others print it
 * @family: AF_INET or AF_INET6; what is neither becomes the IPv4 address 0.0.0.0
 * @addr: the address
 * @sockaddr: takes it: as many bytes as a struct sockaddr_in6 has, of any alignment
 *
 * Context: any.
 */
void fz_addr_to_sockaddr(u8 family, const union fz_addr *addr, u8 *sockaddr)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };

	memset(sockaddr, 0, sizeof(in6));
	if (family == AF_INET6) {
		in6.sin6_addr = addr->ip6;
		memcpy(sockaddr, &in6, sizeof(in6));
		return;
	}
	if (family == AF_INET)
		in.sin_addr.s_addr = addr->ip;
	memcpy(sockaddr, &in, sizeof(in));
}

/**
 * fz_prefix_is_clean() - whether all bits after a prefix's length are zero
 * @prefix: its length fits its family
 *
 * Context: any.
 * Return: true if so.
 */
bool fz_prefix_is_clean(const struct fz_prefix *prefix)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (prefix->addr.words[i] & ~word_mask(i, prefix->len))
			return false;
	}
	return true;
}

/**
 * fz_prefix_covers() - whether an address is inside a prefix
 * @prefix: the prefix
 * @family: of @addr
 * @addr: the address
 *
 * Context: any.
 * Return: true if so.
 */
bool fz_prefix_covers(const struct fz_prefix *prefix, u8 family, const union fz_addr *addr)
{
	unsigned int i;

	if (prefix->family != family)
		return false;
	for (i = 0; i < 4 && i * 32 < prefix->len; i++) {
		if ((prefix->addr.words[i] ^ addr->words[i]) & word_mask(i, prefix->len))
			return false;
	}
	return true;
}
