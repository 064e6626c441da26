// SPDX-License-Identifier: GPL-2.0-only
/*
 * What differs between kernels, asked of the compiler. Never linked: probe.sh compiles this file
 * once for its errors. Each probe begins with a #line that names it; if anything in it is wrong for
 * the kernel, probed.h says 0, else 1. A probe must be free of syntax errors, must not use macros
 * that hold the error themselves (the compiler would name the header), and must not need another.
 */
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>
#include <net/rtnetlink.h>
#include <net/udp_tunnel.h>

#line 1 "FZ_PROBE_MUST_PASS"
static int probe_must_pass(struct net_device *dev) { return dev->ifindex; }

#line 1 "FZ_PROBE_MUST_FAIL"
static int probe_must_fail(struct net_device *dev) { return dev->there_is_no_such_field; }

#line 1 "FZ_HAVE_NET_GSO_H"
#if !__has_include(<net/gso.h>)
#error absent
#endif

#line 1 "FZ_HAVE_CRYPTO_UTILS_H"
#if !__has_include(<crypto/utils.h>)
#error absent
#endif

#line 1 "FZ_HAVE_UNALIGNED_H"
#if !__has_include(<linux/unaligned.h>)
#error absent
#endif

#line 1 "FZ_HAVE_TIMER_DELETE"
static void probe_timer_delete(struct timer_list *t) { timer_delete(t); timer_delete_sync(t); }

#line 1 "FZ_HAVE_LLTX"
static void probe_lltx(struct net_device *dev) { dev->lltx = true; }

#line 1 "FZ_HAVE_PCPU_STAT_TYPE"
static void probe_pcpu_stat_type(struct net_device *dev)
{
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
}

#line 1 "FZ_HAVE_NEWLINK_PARAMS"
static void probe_newlink(struct rtnl_link_ops *ops, struct net_device *dev,
			  struct rtnl_newlink_params *params, struct netlink_ext_ack *extack)
{
	ops->newlink(dev, params, extack);
}

#line 1 "FZ_HAVE_UDP_ENCAP_NEEDED"
static bool probe_udp_encap_needed(void) { return udp_encap_needed(); }

#line 1 "FZ_HAVE_UDP_SOCK_ARGS"
static void probe_udp_sock(struct net *net, struct sock *sk, struct udp_tunnel_sock_cfg *cfg)
{
	setup_udp_tunnel_sock(net, sk, cfg);
	udp_tunnel_sock_release(sk);
}

#line 1 "FZ_HAVE_UDP_XMIT_FLAGS"
static void probe_udp_xmit(struct rtable *rt, struct sock *sk, struct sk_buff *skb)
{
	udp_tunnel_xmit_skb(rt, sk, skb, 0, 0, 0, 0, 0, 0, 0, false, false, 0);
}

#line 1 "FZ_HAVE_UDP6_XMIT_FLAGS"
static void probe_udp6_xmit(struct dst_entry *dst, struct sock *sk, struct sk_buff *skb,
			    struct in6_addr *addr)
{
	udp_tunnel6_xmit_skb(dst, sk, skb, NULL, addr, addr, 0, 0, 0, 0, 0, false, 0);
}

#line 1 "FZ_HAVE_IPV6_STUB"
#if __has_include(<net/ipv6_stubs.h>)
#include <net/ipv6_stubs.h>
#endif
static struct dst_entry *probe_ipv6_stub(struct net *net, struct sock *sk, struct flowi6 *fl)
{
	return ipv6_stub->ipv6_dst_lookup_flow(net, sk, fl, NULL);
}

#line 1 "FZ_HAVE_TSTAMP_TYPE"
static void probe_tstamp_type(struct sk_buff *skb) { skb->tstamp_type = 0; }

#line 1 "FZ_HAVE_GENL_INFO_DUMP"
static struct nlattr **probe_genl_info_dump(struct netlink_callback *cb)
{
	return genl_info_dump(cb)->attrs;
}

#line 1 "FZ_HAVE_BLAKE2S_CTX"
#include <crypto/blake2s.h>
static void probe_blake2s_ctx(struct blake2s_ctx *ctx) { ctx->outlen = BLAKE2S_HASH_SIZE; }

#line 1 "FZ_HAVE_BLAKE2S_KEY_FIRST"
static void probe_blake2s(const u8 *in, u8 *out, size_t len) { blake2s(in, len, in, len, out, len); }

#line 1 "FZ_HAVE_WQ_PERCPU"
static unsigned int probe_wq_percpu(void) { return WQ_PERCPU; }

#line 1 "FZ_HAVE_SYSTEM_DFL_WQ"
static struct workqueue_struct *probe_system_dfl_wq(void) { return system_dfl_wq; }

#line 1 "FZ_HAVE_DUMP_EXTACK"
static void probe_dump_extack(struct netlink_dump_control *control) { control->extack = NULL; }

#line 1 "FZ_HAVE_DROP_SECURITY_HOOK"
static void probe_drop_security_hook(struct sk_buff *skb)
{
	kfree_skb_reason(skb, SKB_DROP_REASON_SECURITY_HOOK);
}
