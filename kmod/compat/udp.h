/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_COMPAT_UDP_H
#define FZ_COMPAT_UDP_H

#include <linux/net.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/udp_tunnel.h>

#include "compat/probed.h"

#if FZ_HAVE_IPV6_STUB
#include <net/ipv6_stubs.h>
#endif

#ifndef dst_rtable
#define dst_rtable(ptr) container_of(ptr, struct rtable, dst)
#endif

/**
 * fz_compat_udp_setup() - make a UDP socket a tunnel's
 * @net: the socket's netns
 * @sock: just created
 * @cfg: what to do with its datagrams
 */
static inline void fz_compat_udp_setup(struct net *net, struct socket *sock,
				       struct udp_tunnel_sock_cfg *cfg)
{
#if FZ_HAVE_UDP_SOCK_ARGS
	setup_udp_tunnel_sock(net, sock->sk, cfg);
#else
	setup_udp_tunnel_sock(net, sock, cfg);
#endif
}

/**
 * fz_compat_udp_release() - close a tunnel's socket
 * @sk: the socket
 *
 * Context: may sleep.
 */
static inline void fz_compat_udp_release(struct sock *sk)
{
#if FZ_HAVE_UDP_SOCK_ARGS
	udp_tunnel_sock_release(sk);
#else
	udp_tunnel_sock_release(sk->sk_socket);
#endif
}

/**
 * fz_compat_udp_xmit4() - send a datagram over IPv4
 * @rt: the route; a reference that is given away
 * @sk: the socket
 * @skb: the payload; given away
 * @fl: addresses and ports
 * @ds: for the IP header
 * @ttl: for the IP header
 */
static inline void fz_compat_udp_xmit4(struct rtable *rt, struct sock *sk, struct sk_buff *skb,
				       const struct flowi4 *fl, u8 ds, u8 ttl)
{
#if FZ_HAVE_UDP_XMIT_FLAGS
	udp_tunnel_xmit_skb(rt, sk, skb, fl->saddr, fl->daddr, ds, ttl, 0, fl->fl4_sport,
			    fl->fl4_dport, false, false, 0);
#else
	udp_tunnel_xmit_skb(rt, sk, skb, fl->saddr, fl->daddr, ds, ttl, 0, fl->fl4_sport,
			    fl->fl4_dport, false, false);
#endif
}

/**
 * fz_compat_udp_xmit6() - send a datagram over IPv6
 * @dst: the route; a reference that is given away
 * @sk: the socket
 * @skb: the payload; given away
 * @fl: addresses and ports
 * @ds: for the IP header
 * @ttl: for the IP header
 */
static inline void fz_compat_udp_xmit6(struct dst_entry *dst, struct sock *sk, struct sk_buff *skb,
				       struct flowi6 *fl, u8 ds, u8 ttl)
{
#if FZ_HAVE_UDP6_XMIT_FLAGS
	udp_tunnel6_xmit_skb(dst, sk, skb, skb->dev, &fl->saddr, &fl->daddr, ds, ttl, 0,
			     fl->fl6_sport, fl->fl6_dport, false, 0);
#else
	udp_tunnel6_xmit_skb(dst, sk, skb, skb->dev, &fl->saddr, &fl->daddr, ds, ttl, 0,
			     fl->fl6_sport, fl->fl6_dport, false);
#endif
}

/**
 * fz_compat_route6() - find the route to an IPv6 address
 * @sk: that sends
 * @fl: where to; the source address is filled in
 *
 * Return: the route with a reference, or ERR_PTR.
 */
static inline struct dst_entry *fz_compat_route6(struct sock *sk, struct flowi6 *fl)
{
#if FZ_HAVE_IPV6_STUB
	return ipv6_stub->ipv6_dst_lookup_flow(sock_net(sk), sk, fl, NULL);
#else
	return ip6_dst_lookup_flow(sock_net(sk), sk, fl, NULL);
#endif
}

#endif
