// SPDX-License-Identifier: GPL-2.0-only
/* The UDP sockets of a device, and the endpoints of its peers. */

#include "tunnel/socket.h"

#include <linux/inetdevice.h>
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/dst_cache.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "compat/udp.h"
#include "tunnel/device.h"
#include "tunnel/packet.h"
#include "tunnel/peer.h"
#include "tunnel/receive.h"

/* Room in front of a payload for every header that the stack will put there. */
#define HEADROOM (LL_MAX_HEADER + FZ_OUTER_LEN)

/**
 * struct route - how to reach an endpoint: looked up once for many datagrams
 * @sk: the socket to send by; under RCU
 * @dst: with a reference, or NULL
 * @fl4: when the endpoint is IPv4
 * @fl6: when it is IPv6
 * @family: which of them it is
 * @source_died: the source address kept in the endpoint is no longer ours
 */
struct route {
	struct sock *sk;
	struct dst_entry *dst;
	union {
		struct flowi4 fl4;
		struct flowi6 fl6;
	};
	sa_family_t family;
	bool source_died;
};

static struct rtable *lookup4(struct route *route, const struct fz_endpoint *ep)
{
	struct net *net = sock_net(route->sk);
	struct rtable *rt;

	if (route->fl4.saddr &&
	    !inet_confirm_addr(net, NULL, 0, route->fl4.saddr, RT_SCOPE_HOST)) {
		route->fl4.saddr = 0;
		route->source_died = true;
	}
	rt = ip_route_output_flow(net, &route->fl4, route->sk);
	if (!ep->src_if4 || route->source_died)
		return rt;
	if (IS_ERR(rt) ? PTR_ERR(rt) != -EINVAL : rt->dst.dev->ifindex == ep->src_if4)
		return rt;
	/* The peer's packets used to come in elsewhere: routing has changed, begin without. */
	if (!IS_ERR(rt))
		ip_rt_put(rt);
	route->fl4.saddr = 0;
	route->source_died = true;
	return ip_route_output_flow(net, &route->fl4, route->sk);
}

static int route4(struct route *route, struct fz_device *fz, const struct fz_endpoint *ep,
		  struct dst_cache *cache)
{
	struct rtable *rt;

	route->fl4 = (struct flowi4) {
		.saddr = ep->src4.s_addr,
		.daddr = ep->addr4.sin_addr.s_addr,
		.fl4_sport = inet_sk(route->sk)->inet_sport,
		.fl4_dport = ep->addr4.sin_port,
		.flowi4_mark = READ_ONCE(fz->fwmark),
		.flowi4_proto = IPPROTO_UDP,
	};
	rt = cache ? dst_cache_get_ip4(cache, &route->fl4.saddr) : NULL;
	if (!rt) {
		security_sk_classify_flow(route->sk, flowi4_to_flowi_common(&route->fl4));
		rt = lookup4(route, ep);
		if (IS_ERR(rt))
			return PTR_ERR(rt);
		if (cache && !route->source_died)
			dst_cache_set_ip4(cache, &rt->dst, route->fl4.saddr);
	}
	route->dst = &rt->dst;
	return 0;
}

static int route6(struct route *route, struct fz_device *fz, const struct fz_endpoint *ep,
		  struct dst_cache *cache)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct dst_entry *dst;

	route->fl6 = (struct flowi6) {
		.saddr = ep->src6,
		.daddr = ep->addr6.sin6_addr,
		.fl6_sport = inet_sk(route->sk)->inet_sport,
		.fl6_dport = ep->addr6.sin6_port,
		.flowi6_mark = READ_ONCE(fz->fwmark),
		.flowi6_oif = ep->addr6.sin6_scope_id,
		.flowi6_proto = IPPROTO_UDP,
	};
	dst = cache ? dst_cache_get_ip6(cache, &route->fl6.saddr) : NULL;
	if (!dst) {
		security_sk_classify_flow(route->sk, flowi6_to_flowi_common(&route->fl6));
		if (!ipv6_addr_any(&route->fl6.saddr) &&
		    !ipv6_chk_addr(sock_net(route->sk), &route->fl6.saddr, NULL, 0)) {
			route->fl6.saddr = in6addr_any;
			route->source_died = true;
		}
		dst = fz_compat_route6(route->sk, &route->fl6);
		if (IS_ERR(dst))
			return PTR_ERR(dst);
		if (cache && !route->source_died)
			dst_cache_set_ip6(cache, dst, &route->fl6.saddr);
	}
	route->dst = dst;
	return 0;
#else
	return -EAFNOSUPPORT;
#endif
}

/* Finds the route to @ep. RCU read side with BH off, for as long as @route is in use. */
static int route_find(struct route *route, struct fz_device *fz, const struct fz_endpoint *ep,
		      struct dst_cache *cache)
{
	int err = -EAFNOSUPPORT;

	route->dst = NULL;
	route->source_died = false;
	route->family = ep->addr.sa_family;
	if (route->family == AF_UNSPEC)
		return -EDESTADDRREQ;
	route->sk = route->family == AF_INET ? rcu_dereference_bh(fz->sock4) :
						rcu_dereference_bh(fz->sock6);
	if (!route->sk)
		return -ENONET;
	if (route->family == AF_INET)
		err = route4(route, fz, ep, cache);
	else if (route->family == AF_INET6)
		err = route6(route, fz, ep, cache);
	if (err)
		net_dbg_ratelimited("%s: No route to %pISpfsc, error %d\n", fz->dev->name,
				    &ep->addr, err);
	return err;
}

/* Sends one datagram and gives it away. */
static void route_send(struct route *route, struct fz_device *fz, struct sk_buff *skb, u8 ds)
{
	skb->dev = fz->dev;
	skb->mark = READ_ONCE(fz->fwmark);
	/* What is too long for the path is fragmented, never refused. */
	skb->ignore_df = 1;
	dst_hold(route->dst);
	if (route->family == AF_INET)
		fz_compat_udp_xmit4(dst_rtable(route->dst), route->sk, skb, &route->fl4, ds,
				    ip4_dst_hoplimit(route->dst));
#if IS_ENABLED(CONFIG_IPV6)
	else
		fz_compat_udp_xmit6(route->dst, route->sk, skb, &route->fl6, ds,
				    ip6_dst_hoplimit(route->dst));
#endif
}

/* The route to where @peer is now. RCU read side with BH off. */
static int route_to_peer(struct route *route, struct fz_peer *peer)
{
	struct fz_endpoint ep;
	int err;

	read_lock(&peer->endpoint_lock);
	ep = peer->endpoint;
	err = route_find(route, peer->device, &ep, &peer->endpoint_cache);
	read_unlock(&peer->endpoint_lock);
	if (route->source_died)
		fz_socket_forget_peer_source(peer);
	return err;
}

static unsigned int packets_in(const struct sk_buff *skb)
{
	return skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs : 1;
}

/**
 * fz_socket_send_list() - send datagrams to a peer, the route looked up once for all
 * @peer: to whom
 * @packets: skbs that begin with the message, each with its ECN bits in &struct fz_cb.ds;
 *	sent or dropped afterwards
 *
 * Context: BH off.
 * Return: 0 or -errno, when all have been dropped.
 */
int fz_socket_send_list(struct fz_peer *peer, struct sk_buff_head *packets)
{
	struct fz_device *fz = peer->device;
	struct route route;
	struct sk_buff *skb;
	u64 bytes = 0;
	int err;

	rcu_read_lock_bh();
	err = route_to_peer(&route, peer);
	if (err) {
		skb_queue_walk(packets, skb)
			DEV_STATS_ADD(fz->dev, tx_errors, packets_in(skb));
		__skb_queue_purge(packets);
		goto out;
	}
	while ((skb = __skb_dequeue(packets)) != NULL) {
		bytes += skb->len;
		/* All but one, which the stack will count, as sent or as failed. */
		if (skb_is_gso(skb))
			dev_sw_netstats_tx_add(fz->dev, packets_in(skb) - 1, 0);
		route_send(&route, fz, skb, FZ_CB(skb)->ds);
	}
	dst_release(route.dst);
	atomic64_add(bytes, &peer->tx_bytes);
out:
	rcu_read_unlock_bh();
	return err;
}

static struct sk_buff *buffer_to_skb(const void *data, size_t len)
{
	struct sk_buff *skb = alloc_skb(len + HEADROOM, GFP_ATOMIC);

	if (!skb)
		return NULL;
	skb_reserve(skb, HEADROOM);
	skb_set_inner_network_header(skb, 0);
	skb_put_data(skb, data, len);
	return skb;
}

static int send_buffer(struct fz_device *fz, const struct fz_endpoint *ep, const void *data,
		       size_t len, u8 ds, bool may_loop)
{
	struct sk_buff *skb = buffer_to_skb(data, len);
	struct route route;
	int err;

	if (!skb)
		return -ENOMEM;
	rcu_read_lock_bh();
	err = route_find(&route, fz, ep, NULL);
	if (!err && !may_loop && route.dst->dev == fz->dev) {
		dst_release(route.dst);
		err = -ELOOP;
	}
	if (err) {
		kfree_skb(skb);
	} else {
		route_send(&route, fz, skb, ds);
		dst_release(route.dst);
	}
	rcu_read_unlock_bh();
	return err;
}

/**
 * fz_socket_send_buffer() - send a datagram from the tunnel's port
 * @fz: the device
 * @ep: where to; its source address is tried
 * @data: the datagram
 * @len: its length in bytes
 * @ds: DS field of the IP header
 *
 * Context: any but hard interrupts.
 * Return: 0 or -errno: -ENOMEM, -EDESTADDRREQ without an address, -ENONET while the device is
 * down, or what routing says.
 */
int fz_socket_send_buffer(struct fz_device *fz, const struct fz_endpoint *ep, const void *data,
			  size_t len, u8 ds)
{
	return send_buffer(fz, ep, data, len, ds, true);
}

/**
 * fz_socket_send_outside() - send a datagram from the tunnel's port, but not into the tunnel
 * @fz: the device
 * @ep: where to
 * @data: the datagram
 * @len: its length in bytes
 * @ds: DS field of the IP header
 *
 * For addresses that others supply: a peer's own address often lies behind the peer, and what is
 * sent there would go through the tunnel that it is to set up.
 *
 * Context: any but hard interrupts.
 * Return: 0 or -errno as for fz_socket_send_buffer(); -ELOOP if the route leads into @fz.
 */
int fz_socket_send_outside(struct fz_device *fz, const struct fz_endpoint *ep, const void *data,
			   size_t len, u8 ds)
{
	return send_buffer(fz, ep, data, len, ds, false);
}

/**
 * fz_socket_send_buffer_to_peer() - send a datagram to where a peer is now
 * @peer: to whom
 * @data: the datagram
 * @len: its length in bytes
 * @ds: DS field of the IP header
 *
 * Context: any but hard interrupts.
 * Return: 0 or -errno as for fz_socket_send_buffer().
 */
int fz_socket_send_buffer_to_peer(struct fz_peer *peer, const void *data, size_t len, u8 ds)
{
	struct sk_buff *skb = buffer_to_skb(data, len);
	struct route route;
	int err;

	if (!skb)
		return -ENOMEM;
	rcu_read_lock_bh();
	err = route_to_peer(&route, peer);
	if (err) {
		kfree_skb(skb);
	} else {
		route_send(&route, peer->device, skb, ds);
		dst_release(route.dst);
		atomic64_add(len, &peer->tx_bytes);
	}
	rcu_read_unlock_bh();
	return err;
}

/**
 * fz_socket_send_reply() - answer a datagram to where it came from
 * @fz: the device
 * @in: the datagram, with its IP and UDP headers
 * @data: the answer
 * @len: its length in bytes
 *
 * Context: any but hard interrupts.
 * Return: 0 or -errno as for fz_socket_send_buffer().
 */
int fz_socket_send_reply(struct fz_device *fz, struct sk_buff *in, const void *data, size_t len)
{
	struct fz_endpoint ep;
	int err = fz_socket_endpoint_from_skb(&ep, in);

	return err ?: fz_socket_send_buffer(fz, &ep, data, len, 0);
}

/**
 * fz_socket_endpoint_from_skb() - where a datagram came from and where it was sent to
 * @ep: filled in, wholly
 * @skb: with its network and transport headers
 *
 * Context: any.
 * Return: 0, or -EINVAL if it is neither IPv4 nor IPv6.
 */
int fz_socket_endpoint_from_skb(struct fz_endpoint *ep, const struct sk_buff *skb)
{
	memset(ep, 0, sizeof(*ep));
	if (skb->protocol == htons(ETH_P_IP)) {
		ep->addr4.sin_family = AF_INET;
		ep->addr4.sin_port = udp_hdr(skb)->source;
		ep->addr4.sin_addr.s_addr = ip_hdr(skb)->saddr;
		ep->src4.s_addr = ip_hdr(skb)->daddr;
		ep->src_if4 = skb->skb_iif;
	} else if (IS_ENABLED(CONFIG_IPV6) && skb->protocol == htons(ETH_P_IPV6)) {
		ep->addr6.sin6_family = AF_INET6;
		ep->addr6.sin6_port = udp_hdr(skb)->source;
		ep->addr6.sin6_addr = ipv6_hdr(skb)->saddr;
		ep->addr6.sin6_scope_id = ipv6_iface_scope_id(&ipv6_hdr(skb)->saddr, skb->skb_iif);
		ep->src6 = ipv6_hdr(skb)->daddr;
	} else {
		return -EINVAL;
	}
	return 0;
}

static bool same_address(const struct fz_endpoint *a, const struct fz_endpoint *b)
{
	if (a->addr.sa_family != b->addr.sa_family)
		return false;
	if (a->addr.sa_family == AF_INET)
		return a->addr4.sin_port == b->addr4.sin_port &&
		       a->addr4.sin_addr.s_addr == b->addr4.sin_addr.s_addr;
	if (a->addr.sa_family == AF_INET6)
		return a->addr6.sin6_port == b->addr6.sin6_port &&
		       ipv6_addr_equal(&a->addr6.sin6_addr, &b->addr6.sin6_addr) &&
		       a->addr6.sin6_scope_id == b->addr6.sin6_scope_id;
	return true;
}

static bool same_source(const struct fz_endpoint *a, const struct fz_endpoint *b)
{
	if (a->addr.sa_family == AF_INET)
		return a->src4.s_addr == b->src4.s_addr && a->src_if4 == b->src_if4;
	return ipv6_addr_equal(&a->src6, &b->src6);
}

/* Only what belongs to the family, so that nothing old is left in the rest. */
static void copy_endpoint(struct fz_endpoint *to, const struct fz_endpoint *from)
{
	memset(to, 0, sizeof(*to));
	if (from->addr.sa_family == AF_INET) {
		to->addr4 = from->addr4;
		to->src4 = from->src4;
		to->src_if4 = from->src_if4;
	} else if (from->addr.sa_family == AF_INET6) {
		to->addr6 = from->addr6;
		to->src6 = from->src6;
	}
}

/**
 * fz_socket_set_peer_endpoint() - from now on a peer is there
 * @peer: which
 * @ep: from an authenticated message, or from user space with no source
 *
 * Costs two comparisons under a shared lock when nothing changes.
 *
 * Context: any but hard interrupts. Takes endpoint_lock.
 * Return: true if the peer's address is another than before.
 */
bool fz_socket_set_peer_endpoint(struct fz_peer *peer, const struct fz_endpoint *ep)
{
	bool same, moved;

	read_lock_bh(&peer->endpoint_lock);
	same = same_address(&peer->endpoint, ep) && same_source(&peer->endpoint, ep);
	read_unlock_bh(&peer->endpoint_lock);
	if (likely(same))
		return false;
	write_lock_bh(&peer->endpoint_lock);
	moved = !same_address(&peer->endpoint, ep);
	copy_endpoint(&peer->endpoint, ep);
	dst_cache_reset(&peer->endpoint_cache);
	write_unlock_bh(&peer->endpoint_lock);
	return moved;
}

/**
 * fz_socket_forget_peer_source() - let routing choose our address for a peer again
 * @peer: which
 *
 * Context: any but hard interrupts. Takes endpoint_lock.
 */
void fz_socket_forget_peer_source(struct fz_peer *peer)
{
	write_lock_bh(&peer->endpoint_lock);
	memset(&peer->endpoint.src6, 0, sizeof(peer->endpoint.src6));
	dst_cache_reset_now(&peer->endpoint_cache);
	write_unlock_bh(&peer->endpoint_lock);
}

/**
 * fz_socket_reset_sources() - let routing choose our address anew for all peers
 * @fz: the device
 *
 * Context: device_update_lock held.
 */
void fz_socket_reset_sources(struct fz_device *fz)
{
	struct fz_peer *peer;

	lockdep_assert_held(&fz->device_update_lock);
	list_for_each_entry(peer, &fz->peer_list, peer_list)
		fz_socket_forget_peer_source(peer);
}

/**
 * fz_socket_has_endpoint() - whether it is known where a peer is
 * @peer: which
 *
 * Context: any; the answer may be old at once.
 * Return: true if it is.
 */
bool fz_socket_has_endpoint(struct fz_peer *peer)
{
	sa_family_t family = READ_ONCE(peer->endpoint.addr.sa_family);

	return family == AF_INET || family == AF_INET6;
}

static int encap_rcv(struct sock *sk, struct sk_buff *skb)
{
	struct fz_device *fz = rcu_dereference_sk_user_data(sk);
	/* What UDP cut from one super-packet is chained until it has all been handed on. */
	bool more = skb->next;

	if (unlikely(!fz)) {
		kfree_skb(skb);
		return 0;
	}
	skb_mark_not_on_list(skb);
	fz_receive_packet(fz, skb, more);
	return 0;
}

/*
 * Has the device that datagrams arrive by join them, so that they pass the stack as one; the socket
 * gets them one by one again, and nobody sums them up for it: they are authenticated. Without it they
 * are slower, and that is all. Kernels that would not cut them for a tunnel's socket are not asked.
 */
static void join_on_arrival(struct sock *sk)
{
	int on = FZ_HAVE_UDP_ENCAP_NEEDED;

	inet_dec_convert_csum(sk);
	sk->sk_prot->setsockopt(sk, SOL_UDP, UDP_GRO, KERNEL_SOCKPTR(&on), sizeof(on));
}

static int open_one(struct fz_device *fz, struct net *net, struct udp_port_cfg *port,
		    struct socket **sock)
{
	struct udp_tunnel_sock_cfg cfg = {
		.sk_user_data = fz,
		.encap_type = 1,
		.encap_rcv = encap_rcv,
	};
	int err = udp_sock_create(net, port, sock);

	if (err < 0)
		return err;
	(*sock)->sk->sk_allocation = GFP_ATOMIC;
	(*sock)->sk->sk_sndbuf = INT_MAX;
	sk_set_memalloc((*sock)->sk);
	fz_compat_udp_setup(net, *sock, &cfg);
	join_on_arrival((*sock)->sk);
	return 0;
}

/* Both families on one port. With port 0 the first one's choice is asked for by the second. */
static int open_pair(struct fz_device *fz, struct net *net, u16 port, struct socket *socks[2])
{
	struct udp_port_cfg port4 = {
		.family = AF_INET,
		.local_ip.s_addr = htonl(INADDR_ANY),
		.local_udp_port = htons(port),
		.use_udp_checksums = true,
	};
	int err = open_one(fz, net, &port4, &socks[0]);

	if (err || !IS_ENABLED(CONFIG_IPV6) || !ipv6_mod_enabled())
		return err;
#if IS_ENABLED(CONFIG_IPV6)
	{
		struct udp_port_cfg port6 = {
			.family = AF_INET6,
			.local_ip6 = IN6ADDR_ANY_INIT,
			.local_udp_port = inet_sk(socks[0]->sk)->inet_sport,
			.use_udp6_tx_checksums = true,
			.use_udp6_rx_checksums = true,
			.ipv6_v6only = true,
		};

		err = open_one(fz, net, &port6, &socks[1]);
	}
	if (err) {
		fz_compat_udp_release(socks[0]->sk);
		socks[0] = NULL;
	}
#endif
	return err;
}

static void replace_sockets(struct fz_device *fz, struct sock *new4, struct sock *new6)
{
	struct sock *old4, *old6;

	mutex_lock(&fz->socket_update_lock);
	old4 = rcu_replace_pointer(fz->sock4, new4, lockdep_is_held(&fz->socket_update_lock));
	old6 = rcu_replace_pointer(fz->sock6, new6, lockdep_is_held(&fz->socket_update_lock));
	if (new4)
		fz->incoming_port = ntohs(inet_sk(new4)->inet_sport);
	mutex_unlock(&fz->socket_update_lock);

	synchronize_net();
	if (old4) {
		sk_clear_memalloc(old4);
		fz_compat_udp_release(old4);
	}
	if (old6) {
		sk_clear_memalloc(old6);
		fz_compat_udp_release(old6);
	}
}

/**
 * fz_socket_open() - open the device's sockets in the netns that created it
 * @fz: the device
 * @port: UDP port in host order; 0 chooses one
 *
 * The old sockets stay until the new ones work. A port that is free in one family and taken in
 * the other is taken; a chosen one is then chosen anew, a hundred times at most.
 *
 * Context: may sleep. device_update_lock held.
 * Return: 0 or -errno: -EADDRINUSE, -ENONET if the netns is gone.
 */
int fz_socket_open(struct fz_device *fz, u16 port)
{
	struct socket *socks[2] = { NULL, NULL };
	unsigned int tries = port ? 1 : 100;
	struct net *net;
	int err;

	lockdep_assert_held(&fz->device_update_lock);
	rcu_read_lock();
	net = rcu_dereference(fz->creating_net);
	net = net ? maybe_get_net(net) : NULL;
	rcu_read_unlock();
	if (unlikely(!net))
		return -ENONET;
	do {
		err = open_pair(fz, net, port, socks);
	} while (err == -EADDRINUSE && --tries);
	if (err)
		pr_err("%s: Could not open UDP port %u: %d\n", fz->dev->name, port, err);
	else
		replace_sockets(fz, socks[0]->sk, socks[1] ? socks[1]->sk : NULL);
	put_net(net);
	return err;
}

/**
 * fz_socket_close() - close the device's sockets; the port number is kept
 * @fz: the device
 *
 * Context: may sleep.
 */
void fz_socket_close(struct fz_device *fz)
{
	replace_sockets(fz, NULL, NULL);
}
