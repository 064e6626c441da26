/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_ENDPOINT_H
#define FZ_TUNNEL_ENDPOINT_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/socket.h>

/**
 * struct fz_endpoint - where a peer is reached, and from where we reach it
 * @addr: family AF_UNSPEC while unknown
 * @addr4: the peer's IPv4 address and port, when the family is AF_INET
 * @addr6: the peer's IPv6 address, port and scope, when it is AF_INET6
 * @src4: our address that the peer last talked to; 0 lets routing choose
 * @src_if4: the interface it came in by; 0 when unknown
 * @src6: the same for IPv6; for link-local ones the interface is in the scope of @addr6
 */
struct fz_endpoint {
	union {
		struct sockaddr addr;
		struct sockaddr_in addr4;
		struct sockaddr_in6 addr6;
	};
	union {
		struct {
			struct in_addr src4;
			int src_if4;
		};
		struct in6_addr src6;
	};
};

#endif
