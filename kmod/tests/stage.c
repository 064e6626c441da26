// SPDX-License-Identifier: GPL-2.0-only
/* An authorization without a device, for tests. */

#include "tests/stage.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/inet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>

#include "authz/decide.h"
#include "authz/sweep.h"

static struct fz_stage *stage_of(struct fz_authz *az)
{
	return container_of(az, struct fz_stage, az);
}

static void told_denial(struct fz_authz *az, struct fz_authz_peer *ap,
			const struct fz_denial *denial)
{
	struct fz_stage *stage = stage_of(az);

	stage->denials[stage->n_denials++ % FZ_STAGE_RECORDS] = *denial;
}

static void told_flow(struct fz_authz *az, const struct fz_flow *flow, enum fz_flow_end end)
{
	struct fz_stage *stage = stage_of(az);
	unsigned int at = stage->n_ends % FZ_STAGE_RECORDS;

	if (end == FZ_END_NONE) {
		stage->n_starts++;
		return;
	}
	stage->ends[at] = end;
	fz_flow_read(az, flow, &stage->infos[at]);
	stage->n_ends++;
}

static int told_request(struct fz_authz *az, struct fz_authz_peer *ap,
			const struct fz_request *request)
{
	struct fz_stage *stage = stage_of(az);

	if (stage->request_err)
		return stage->request_err;
	stage->requests[stage->n_requests++ % FZ_STAGE_RECORDS] = *request;
	return 0;
}

static const struct fz_authz_listener listener = {
	.denial = told_denial,
	.flow = told_flow,
	.request = told_request,
};

static void xmit(struct fz_authz_peer *ap, struct sk_buff_head *queue)
{
	skb_queue_splice_tail_init(queue, &stage_of(ap->az)->sent);
}

static void deliver(struct fz_authz_peer *ap, struct sk_buff_head *queue)
{
	skb_queue_splice_tail_init(queue, &stage_of(ap->az)->delivered);
}

static void reroute(struct fz_authz *az, struct sk_buff *skb)
{
	__skb_queue_tail(&stage_of(az)->rerouted, skb);
}

static enum fz_reason recheck(struct fz_authz *az, struct fz_authz_peer *ap,
			      enum fz_direction dir, const struct sk_buff *skb)
{
	struct fz_stage *stage = stage_of(az);

	if (!stage->recheck_from)
		return stage->recheck;
	stage->recheck_from--;
	return FZ_REASON_NONE;
}

static bool routes(const struct fz_authz_peer *ap, u8 family, const union fz_addr *addr)
{
	return !stage_of(ap->az)->lost;
}

static const struct fz_authz_ops ops = {
	.xmit = xmit,
	.deliver = deliver,
	.reroute = reroute,
	.recheck = recheck,
	.routes = routes,
};

/**
 * fz_stage_init() - kunit_suite.init: puts a stage into test->priv, in mode enforce
 * @test: the test
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int fz_stage_init(struct kunit *test)
{
	struct fz_stage *stage = kvzalloc(sizeof(*stage), GFP_KERNEL);
	unsigned int i;
	int err;

	if (!stage)
		return -ENOMEM;
	stage->test = test;
	__skb_queue_head_init(&stage->sent);
	__skb_queue_head_init(&stage->delivered);
	__skb_queue_head_init(&stage->rerouted);
	err = fz_authz_init(&stage->az, NULL, &ops, FZ_MODE_ENFORCE, FZ_FLOWS_MAX_DEFAULT);
	if (err) {
		kvfree(stage);
		return err;
	}
	stage->az.listener = &listener;
	for (i = 0; i < FZ_STAGE_PEERS; i++)
		fz_authz_peer_init(&stage->az, &stage->peers[i], i + 1);
	test->priv = stage;
	return 0;
}

/**
 * fz_stage_remove() - removes a peer
 * @stage: the stage
 * @peer: its number
 *
 * Context: may sleep.
 */
void fz_stage_remove(struct fz_stage *stage, unsigned int peer)
{
	fz_authz_peer_remove(&stage->az, &stage->peers[peer]);
	stage->removed[peer] = true;
}

/**
 * fz_stage_exit() - kunit_suite.exit
 * @test: the test
 *
 * Context: may sleep.
 */
void fz_stage_exit(struct kunit *test)
{
	struct fz_stage *stage = test->priv;
	unsigned int i;

	if (!stage)
		return;
	for (i = 0; i < FZ_STAGE_PEERS; i++) {
		if (!stage->removed[i])
			fz_stage_remove(stage, i);
	}
	synchronize_rcu();
	fz_authz_stop(&stage->az);
	fz_authz_destroy(&stage->az);
	__skb_queue_purge(&stage->sent);
	__skb_queue_purge(&stage->delivered);
	__skb_queue_purge(&stage->rerouted);
	kvfree(stage);
	test->priv = NULL;
}

/**
 * fz_stage_prefix() - reads a prefix
 * @stage: the stage
 * @text: address, or address/length
 *
 * Context: may sleep.
 * Return: the prefix.
 */
struct fz_prefix fz_stage_prefix(struct fz_stage *stage, const char *text)
{
	const char *slash = strchr(text, '/');
	int len = slash ? slash - text : strlen(text);
	struct fz_prefix prefix = {};
	unsigned int bits;

	if (memchr(text, ':', len)) {
		prefix.family = AF_INET6;
		prefix.len = 128;
		KUNIT_ASSERT_TRUE(stage->test, in6_pton(text, len, (u8 *)&prefix.addr, -1, NULL));
	} else {
		prefix.family = AF_INET;
		prefix.len = 32;
		KUNIT_ASSERT_TRUE(stage->test, in4_pton(text, len, (u8 *)&prefix.addr, -1, NULL));
	}
	if (slash) {
		KUNIT_ASSERT_EQ(stage->test, 0, kstrtouint(slash + 1, 10, &bits));
		prefix.len = bits;
	}
	return prefix;
}

/**
 * fz_stage_tuple() - makes a tuple
 * @stage: the stage
 * @tuple: filled in
 * @proto: IP protocol number
 * @src: address
 * @sport: port
 * @dst: address
 * @dport: port
 *
 * Context: may sleep.
 */
void fz_stage_tuple(struct fz_stage *stage, struct fz_tuple *tuple, u8 proto, const char *src,
		    u16 sport, const char *dst, u16 dport)
{
	struct fz_prefix from = fz_stage_prefix(stage, src);
	struct fz_prefix to = fz_stage_prefix(stage, dst);

	memset(tuple, 0, sizeof(*tuple));
	tuple->family = from.family;
	tuple->proto = proto;
	tuple->src = from.addr;
	tuple->dst = to.addr;
	tuple->sport = sport;
	tuple->dport = dport;
}

/**
 * fz_stage_ping() - makes a tuple of an ICMP message
 * @stage: the stage
 * @tuple: filled in
 * @src: address
 * @dst: address
 * @type: of ICMP or ICMPv6, by the addresses
 * @id: of the message
 *
 * Context: may sleep.
 */
void fz_stage_ping(struct fz_stage *stage, struct fz_tuple *tuple, const char *src,
		   const char *dst, u8 type, u16 id)
{
	fz_stage_tuple(stage, tuple, IPPROTO_ICMP, src, 0, dst, 0);
	if (tuple->family == AF_INET6)
		tuple->proto = IPPROTO_ICMPV6;
	tuple->icmp_type = type;
	tuple->icmp_id = id;
}

/**
 * fz_stage_reply() - the tuple of an answer
 * @tuple: of the question
 *
 * Context: any.
 * Return: the answer's.
 */
struct fz_tuple fz_stage_reply(const struct fz_tuple *tuple)
{
	struct fz_tuple reply = *tuple;

	reply.src = tuple->dst;
	reply.dst = tuple->src;
	reply.sport = tuple->dport;
	reply.dport = tuple->sport;
	if (tuple->proto == IPPROTO_ICMP)
		reply.icmp_type = ICMP_ECHOREPLY;
	else if (tuple->proto == IPPROTO_ICMPV6)
		reply.icmp_type = ICMPV6_ECHO_REPLY;
	return reply;
}

static void put_ip(struct sk_buff *skb, const struct fz_tuple *tuple, unsigned int len)
{
	skb_reset_network_header(skb);
	if (tuple->family == AF_INET) {
		struct iphdr *ip = skb_put_zero(skb, sizeof(*ip));

		skb->protocol = htons(ETH_P_IP);
		ip->version = 4;
		ip->ihl = 5;
		ip->tot_len = htons(sizeof(*ip) + len);
		ip->ttl = 64;
		ip->protocol = tuple->proto;
		ip->saddr = tuple->src.ip;
		ip->daddr = tuple->dst.ip;
		ip_send_check(ip);
	} else {
		struct ipv6hdr *ip = skb_put_zero(skb, sizeof(*ip));

		skb->protocol = htons(ETH_P_IPV6);
		ip->version = 6;
		ip->payload_len = htons(len);
		ip->nexthdr = tuple->proto;
		ip->hop_limit = 64;
		ip->saddr = tuple->src.ip6;
		ip->daddr = tuple->dst.ip6;
	}
}

static unsigned int header_len(const struct fz_tuple *tuple)
{
	if (tuple->proto == IPPROTO_TCP)
		return sizeof(struct tcphdr);
	return fz_proto_has_ports(tuple->proto) || fz_proto_is_icmp(tuple->family, tuple->proto) ?
	       8 : 0;
}

static void put_transport(struct sk_buff *skb, const struct fz_tuple *tuple, u8 tcp_flags,
			  unsigned int payload)
{
	unsigned int len = header_len(tuple);
	u8 *header = skb_put_zero(skb, len + payload);

	if (fz_proto_is_icmp(tuple->family, tuple->proto)) {
		header[0] = tuple->icmp_type;
		header[1] = tuple->icmp_code;
		((__be16 *)header)[2] = htons(tuple->icmp_id);
	} else if (len) {
		((__be16 *)header)[0] = htons(tuple->sport);
		((__be16 *)header)[1] = htons(tuple->dport);
	}
	if (tuple->proto == IPPROTO_UDP)
		((struct udphdr *)header)->len = htons(len + payload);
	if (tuple->proto == IPPROTO_TCP) {
		((struct tcphdr *)header)->doff = 5;
		header[13] = tcp_flags;
	}
}

static struct sk_buff *new_skb(struct fz_stage *stage, unsigned int len)
{
	struct sk_buff *skb = alloc_skb(64 + len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(stage->test, skb);
	skb_reserve(skb, 64);
	return skb;
}

/**
 * fz_stage_packet() - makes a packet
 * @stage: the stage
 * @tuple: what it is
 * @tcp_flags: of TCP; 0 is taken as ACK
 * @payload: bytes after the transport header
 *
 * Context: may sleep.
 * Return: the packet.
 */
struct sk_buff *fz_stage_packet(struct fz_stage *stage, const struct fz_tuple *tuple,
				u8 tcp_flags, unsigned int payload)
{
	unsigned int len = header_len(tuple) + payload;
	struct sk_buff *skb = new_skb(stage, 40 + len);

	put_ip(skb, tuple, len);
	put_transport(skb, tuple, tcp_flags ?: 16, payload);
	return skb;
}

/**
 * fz_stage_error() - makes an ICMP error
 * @stage: the stage
 * @quoted: of the packet that failed; the error is for its sender
 * @src: who says so
 *
 * Context: may sleep.
 * Return: the packet.
 */
struct sk_buff *fz_stage_error(struct fz_stage *stage, const struct fz_tuple *quoted,
			       const char *src)
{
	bool v4 = quoted->family == AF_INET;
	unsigned int quote = (v4 ? 20 : 40) + 8;
	struct fz_tuple outer = {
		.family = quoted->family,
		.proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		.src = fz_stage_prefix(stage, src).addr,
		.dst = quoted->src,
		.icmp_type = v4 ? ICMP_DEST_UNREACH : ICMPV6_DEST_UNREACH,
	};
	struct sk_buff *skb = new_skb(stage, 200);
	struct sk_buff *inner = fz_stage_packet(stage, quoted, 0, 64);

	put_ip(skb, &outer, 8 + quote);
	put_transport(skb, &outer, 0, 0);
	skb_put_data(skb, inner->data, quote);
	kfree_skb(inner);
	return skb;
}

/**
 * fz_stage_fragment() - makes a fragment of a UDP datagram
 * @stage: the stage
 * @tuple: of the datagram
 * @id: of the datagram
 * @start: first byte; with 0, the UDP header is part of it
 * @len: bytes
 * @more: not the last
 *
 * Context: may sleep.
 * Return: the packet.
 */
struct sk_buff *fz_stage_fragment(struct fz_stage *stage, const struct fz_tuple *tuple, u16 id,
				  unsigned int start, unsigned int len, bool more)
{
	struct sk_buff *skb = new_skb(stage, 48 + len);
	u16 offset = start | (more ? (tuple->family == AF_INET ? 0 : 1) : 0);
	struct frag_hdr *frag;
	u8 *body;

	if (tuple->family == AF_INET) {
		put_ip(skb, tuple, len);
		ip_hdr(skb)->id = htons(id);
		ip_hdr(skb)->frag_off = htons(start / 8 | (more ? IP_MF : 0));
		ip_send_check(ip_hdr(skb));
	} else {
		put_ip(skb, tuple, sizeof(*frag) + len);
		ipv6_hdr(skb)->nexthdr = NEXTHDR_FRAGMENT;
		frag = skb_put_zero(skb, sizeof(*frag));
		frag->nexthdr = tuple->proto;
		frag->frag_off = htons(offset);
		frag->identification = htonl(id);
	}
	body = skb_put_zero(skb, len);
	if (!start && len >= 8) {
		((__be16 *)body)[0] = htons(tuple->sport);
		((__be16 *)body)[1] = htons(tuple->dport);
		((__be16 *)body)[2] = htons(4000);
	}
	return skb;
}

/**
 * fz_stage_judge() - judges one packet
 * @stage: the stage
 * @peer: number of the peer
 * @dir: direction
 * @skb: freed, unless held
 *
 * Context: may sleep.
 * Return: true if it passed.
 */
bool fz_stage_judge(struct fz_stage *stage, unsigned int peer, enum fz_direction dir,
		    struct sk_buff *skb)
{
	struct sk_buff_head queue;
	bool passed;

	__skb_queue_head_init(&queue);
	__skb_queue_tail(&queue, skb);
	local_bh_disable();
	fz_authz_judge(&stage->az, &stage->peers[peer], dir, &queue);
	local_bh_enable();
	passed = !skb_queue_empty(&queue);
	__skb_queue_purge(&queue);
	return passed;
}

/**
 * fz_stage_pass() - makes and judges one packet
 * @stage: the stage
 * @peer: number of the peer
 * @dir: direction
 * @tuple: what it is
 * @tcp_flags: of TCP; 0 is taken as ACK
 *
 * Context: may sleep.
 * Return: true if it passed.
 */
bool fz_stage_pass(struct fz_stage *stage, unsigned int peer, enum fz_direction dir,
		   const struct fz_tuple *tuple, u8 tcp_flags)
{
	return fz_stage_judge(stage, peer, dir, fz_stage_packet(stage, tuple, tcp_flags, 10));
}

/**
 * fz_stage_refused() - packets refused so far
 * @stage: the stage
 * @dir: direction
 * @reason: for this reason
 *
 * Context: may sleep.
 * Return: the count.
 */
u64 fz_stage_refused(struct fz_stage *stage, enum fz_direction dir, enum fz_reason reason)
{
	struct fz_authz_stats stats;

	fz_authz_stats(&stage->az, &stats);
	return stats.refused[dir][reason];
}

/**
 * fz_stage_flow() - the flow of a packet
 * @stage: the stage
 * @peer: number of the peer
 * @dir: direction
 * @tuple: of the packet
 *
 * Context: nothing else ends flows meanwhile.
 * Return: the flow, or NULL.
 */
struct fz_flow *fz_stage_flow(struct fz_stage *stage, unsigned int peer, enum fz_direction dir,
			      const struct fz_tuple *tuple)
{
	struct fz_flow_key key;
	struct fz_flow *flow;

	fz_flow_key_make(&key, &stage->peers[peer], dir, tuple);
	rcu_read_lock();
	flow = fz_flow_find(&stage->az, &key);
	rcu_read_unlock();
	return flow;
}

static void read_service(struct fz_stage *stage, const char *text, struct fz_service *service)
{
	unsigned int min, max;
	int n;

	if (!strncmp(text, "tcp", 3))
		service->proto = IPPROTO_TCP;
	else if (!strncmp(text, "udp", 3))
		service->proto = IPPROTO_UDP;
	else
		service->proto = IPPROTO_ICMP;
	service->all = !strchr(text, '/');
	if (service->all)
		return;
	n = sscanf(strchr(text, '/'), "/%u-%u", &min, &max);
	KUNIT_ASSERT_GE(stage->test, n, 1);
	service->min = min;
	service->max = n == 2 ? max : min;
}

/**
 * fz_stage_resource() - sets a resource with one prefix
 * @stage: the stage
 * @owner: the client
 * @name: its name
 * @prefix: its prefix
 * @service: "tcp/22", "udp/1000-2000", "icmp"; "" all
 *
 * Context: may sleep.
 * Return: what fz_resource_set() returns.
 */
int fz_stage_resource(struct fz_stage *stage, u64 owner, const char *name, const char *prefix,
		      const char *service)
{
	struct fz_prefix prefixes = fz_stage_prefix(stage, prefix);
	struct fz_service services = {};
	struct fz_resource_spec spec = {
		.name = name,
		.prefixes = &prefixes,
		.n_prefixes = 1,
		.services = &services,
		.n_services = *service ? 1 : 0,
	};

	if (*service)
		read_service(stage, service, &services);
	return fz_resource_set(&stage->az, owner, &spec, 1, NULL, NULL);
}

/**
 * fz_stage_grant() - sets a grant
 * @stage: the stage
 * @owner: the client
 * @peer: number of the peer, or FZ_STAGE_ANY
 * @resource: name
 * @dir: direction
 * @action: allow or deny
 * @lease_ms: 0 none
 *
 * Context: may sleep.
 * Return: what fz_grant_set() returns.
 */
int fz_stage_grant(struct fz_stage *stage, u64 owner, int peer, const char *resource,
		   enum fz_direction dir, enum fz_action action, u64 lease_ms)
{
	struct fz_grant_spec spec = {
		.ap = peer >= 0 ? &stage->peers[peer] : NULL,
		.resource = resource,
		.dir = dir,
		.action = action,
		.has_lease = lease_ms,
		.lease_ms = lease_ms,
	};

	return fz_grant_set(&stage->az, owner, &spec, 1, NULL, NULL);
}

/**
 * fz_stage_revoke() - removes a grant
 * @stage: the stage
 * @owner: the client
 * @peer: number of the peer, or FZ_STAGE_ANY
 * @resource: name
 * @dir: direction
 *
 * Context: may sleep.
 * Return: what fz_grant_del() returns.
 */
int fz_stage_revoke(struct fz_stage *stage, u64 owner, int peer, const char *resource,
		    enum fz_direction dir)
{
	struct fz_grant_spec spec = {
		.ap = peer >= 0 ? &stage->peers[peer] : NULL,
		.resource = resource,
		.dir = dir,
	};

	return fz_grant_del(&stage->az, owner, &spec, 1, NULL, NULL);
}

/**
 * fz_stage_mode() - sets a mode
 * @stage: the stage
 * @peer: number of the peer, or FZ_STAGE_ANY for the device
 * @dir: direction
 * @mode: the mode
 * @flags: its flags
 *
 * Context: may sleep.
 */
void fz_stage_mode(struct fz_stage *stage, int peer, enum fz_direction dir, enum fz_mode mode,
		   u8 flags)
{
	struct fz_mode_setting setting = { .mode = mode, .flags = flags };

	KUNIT_ASSERT_EQ(stage->test, 0, fz_mode_check(&setting, peer >= 0, NULL));
	fz_mode_set(&stage->az, peer >= 0 ? &stage->peers[peer] : NULL, dir, &setting);
}

/**
 * fz_stage_sweep() - sweeps now
 * @stage: the stage
 *
 * Context: may sleep.
 */
void fz_stage_sweep(struct fz_stage *stage)
{
	cancel_delayed_work_sync(&stage->az.sweep);
	fz_sweep_run(&stage->az.sweep.work);
}
