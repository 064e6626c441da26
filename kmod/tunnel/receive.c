// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way in: sorting of datagrams, a bundle, decryption on any CPU, and in order the replay
 * window, cryptokey routing, authorization and the stack.
 */

#include "tunnel/receive.h"

#include <linux/sched.h>
#include <net/inet_ecn.h>
#include <net/ip_tunnels.h>

#include "path/sideband.h"
#include "tunnel/allowedips.h"
#include "tunnel/bundle.h"
#include "tunnel/clock.h"
#include "tunnel/device.h"
#include "tunnel/initiate.h"
#include "tunnel/packet.h"
#include "tunnel/peer.h"
#include "tunnel/replay.h"
#include "tunnel/send.h"
#include "tunnel/socket.h"
#include "tunnel/timers.h"
#include "tunnel/unseal.h"

static void drop(struct fz_device *fz, struct sk_buff *skb)
{
	DEV_STATS_INC(fz->dev, rx_dropped);
	kfree_skb(skb);
}

static void count_malformed(struct fz_device *fz)
{
	DEV_STATS_INC(fz->dev, rx_errors);
	DEV_STATS_INC(fz->dev, rx_length_errors);
}

static void drop_malformed(struct fz_device *fz, struct sk_buff *skb)
{
	count_malformed(fz);
	kfree_skb(skb);
}

/* Leaves the payload of a UDP datagram in @skb, nothing in front and nothing behind. */
static bool strip_udp(struct sk_buff *skb)
{
	unsigned int len;

	if (unlikely(!pskb_may_pull(skb, sizeof(struct udphdr))))
		return false;
	len = ntohs(udp_hdr(skb)->len);
	if (unlikely(len < sizeof(struct udphdr) || len > skb->len || pskb_trim(skb, len)))
		return false;
	__skb_pull(skb, sizeof(struct udphdr));
	return true;
}

/*
 * Which message the payload is, by the four bytes in front and its length. Those of a handshake are
 * linear afterwards.
 */
static enum fz_message_type message_type(struct sk_buff *skb)
{
	const struct fz_message_header *header;
	struct fz_message_header buffer;

	header = skb_header_pointer(skb, 0, sizeof(buffer), &buffer);
	if (!header)
		return FZ_MESSAGE_INVALID;
	if (header->type == cpu_to_le32(FZ_MESSAGE_DATA) && skb->len >= FZ_MESSAGE_MIN_LEN)
		return FZ_MESSAGE_DATA;
	if (header->type == cpu_to_le32(FZ_MESSAGE_INITIATION) &&
	    skb->len == sizeof(struct fz_message_initiation) && !skb_linearize(skb))
		return FZ_MESSAGE_INITIATION;
	if (header->type == cpu_to_le32(FZ_MESSAGE_RESPONSE) &&
	    skb->len == sizeof(struct fz_message_response) && !skb_linearize(skb))
		return FZ_MESSAGE_RESPONSE;
	if (header->type == cpu_to_le32(FZ_MESSAGE_COOKIE) &&
	    skb->len == sizeof(struct fz_message_cookie) && !skb_linearize(skb))
		return FZ_MESSAGE_COOKIE;
	return FZ_MESSAGE_INVALID;
}

/* Drops what ties a queued packet to the device and netns that it came in by. */
static void detach(struct fz_device *fz, struct sk_buff *skb)
{
	skb_dst_drop(skb);
	skb_orphan(skb);
	nf_reset_ct(skb);
	skb_ext_reset(skb);
	skb->dev = fz->dev;
}

/* Many producers: softirqs of any CPU. A full queue drops; the sender tries again. */
static void queue_handshake(struct fz_device *fz, struct sk_buff *skb)
{
	detach(fz, skb);
	if (fz_ring_add(&fz->handshakes, skb)) {
		net_dbg_ratelimited("%s: Dropping handshake packet, too many are queued\n",
				    fz->dev->name);
		drop(fz, skb);
		return;
	}
	fz_ring_wake(&fz->handshakes, false);
}

static struct fz_keypair *find_keypair(struct fz_device *fz, __le32 index)
{
	struct fz_index_entry *entry = fz_indextable_find(&fz->indextable, index);

	if (!entry || entry->type != FZ_INDEX_KEYPAIR)
		return NULL;
	return container_of(entry, struct fz_keypair, entry);
}

static void wake_consumers(struct fz_peer *const *peers, unsigned int count)
{
	unsigned int i;

	local_bh_disable();
	for (i = 0; i < count; i++)
		napi_schedule(&peers[i]->napi);
	local_bh_enable();
}

/* RCU read side. @more: others follow at once. */
static void queue_data(struct fz_device *fz, struct sk_buff *skb, bool more)
{
	struct fz_message_data buffer, *message;
	struct fz_keypair *keypair;
	struct fz_bundle *lone = NULL;
	struct sk_buff_head packets;
	struct fz_peer *peer;

	message = skb_header_pointer(skb, 0, sizeof(buffer), &buffer);
	keypair = message ? find_keypair(fz, message->receiver_index) : NULL;
	if (unlikely(!keypair)) {
		drop(fz, skb);
		return;
	}
	/* Alive in this read-side section, so that its device's list still has a reference. */
	peer = keypair->entry.peer;
	if (unlikely(READ_ONCE(peer->is_dead))) {
		drop(fz, skb);
		return;
	}
	detach(fz, skb);
	FZ_CB(skb)->counter = le64_to_cpu(message->counter);
	__skb_queue_head_init(&packets);
	__skb_queue_tail(&packets, skb);
	if (unlikely(fz_lane_add(&peer->rx, &fz->decrypt, peer, keypair, &packets, false,
				 more ? NULL : &lone)))
		drop(fz, skb);
	if (lone) {
		fz_unseal_bundle(fz, lone, NULL);
		fz_bundle_finish_lone(lone, &fz->decrypt);
		napi_schedule(&peer->napi);
	}
}

static void receive_one(struct fz_device *fz, struct sk_buff *skb, bool more)
{
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (unlikely(!skb))
		return;
	if (unlikely(!netif_running(fz->dev))) {
		kfree_skb(skb);
		return;
	}
	if (unlikely(!strip_udp(skb))) {
		drop_malformed(fz, skb);
		return;
	}
	switch (message_type(skb)) {
	case FZ_MESSAGE_DATA:
		rcu_read_lock();
		queue_data(fz, skb, more);
		rcu_read_unlock();
		break;
	case FZ_MESSAGE_INITIATION:
	case FZ_MESSAGE_RESPONSE:
	case FZ_MESSAGE_COOKIE:
		queue_handshake(fz, skb);
		break;
	case FZ_MESSAGE_INVALID:
		if (!fz_sideband_receive(fz, skb))
			drop_malformed(fz, skb);
		break;
	}
}

/**
 * fz_receive_packet() - take a datagram that came to the tunnel's port
 * @fz: the device
 * @skb: begins with the UDP header; given away
 * @more: others follow at once; a hint
 *
 * Context: softirq, RCU read side.
 */
void fz_receive_packet(struct fz_device *fz, struct sk_buff *skb, bool more)
{
	receive_one(fz, skb, more);
	/* Also if the last was something else: data may have come before it. */
	if (!more)
		fz_bundle_work_here(&fz->decrypt, fz, fz_unseal_bundle, wake_consumers);
}

/**
 * fz_receive_decrypt_work() - decrypt bundles until there are none
 * @work: of a &struct fz_worker
 *
 * Context: workqueue.
 */
void fz_receive_decrypt_work(struct work_struct *work)
{
	struct fz_worker *worker = container_of(work, struct fz_worker, work);

	fz_bundle_work(worker, &worker->fz->decrypt, fz_unseal_bundle, wake_consumers);
}

/* Keeps packets whose nonce is new; what they were on the wire is added to @bytes. */
static void check_replay(struct fz_peer *peer, struct fz_keypair *keypair,
			 struct sk_buff_head *packets, u64 *bytes)
{
	struct sk_buff *skb, *next;

	skb_queue_walk_safe(packets, skb, next) {
		if (likely(fz_replay_accept(&keypair->replay, FZ_CB(skb)->counter))) {
			*bytes += FZ_DATA_LEN(skb->len);
			continue;
		}
		net_dbg_ratelimited("%s: Packet has invalid nonce %llu\n",
				    peer->device->dev->name, FZ_CB(skb)->counter);
		__skb_unlink(skb, packets);
		drop(peer->device, skb);
	}
}

/* The session may end before we send again, while the peer still talks to us: renew it. */
static void keep_key_fresh(struct fz_peer *peer)
{
	struct fz_keypair *keypair;
	bool renew;

	if (READ_ONCE(peer->sent_lastminute_handshake))
		return;
	rcu_read_lock();
	keypair = rcu_dereference(peer->keypairs.current_keypair);
	renew = keypair && fz_keypair_ends_soon(keypair);
	rcu_read_unlock();
	if (unlikely(renew)) {
		WRITE_ONCE(peer->sent_lastminute_handshake, true);
		fz_initiate_handshake(peer, false);
	}
}

/* What authentic packets mean for the peer, once for all of @packets, of which there is one. */
static void note_authentic(struct fz_peer *peer, struct fz_keypair *keypair,
			   struct sk_buff_head *packets)
{
	struct fz_endpoint ep;

	/* The outer headers are still in front: where the peer was when it sent the last one. */
	if (!fz_socket_endpoint_from_skb(&ep, skb_peek_tail(packets)))
		fz_peer_heard(peer, &ep);
	if (unlikely(fz_keypairs_confirm(&peer->keypairs, keypair))) {
		fz_timers_handshake_complete(peer);
		fz_send_staged(peer);
	}
	keep_key_fresh(peer);
	fz_timers_any_received(peer);
	fz_timers_any_traversal(peer);
}

static u8 outer_ds(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IP) ? ip_hdr(skb)->tos :
						  ipv6_get_dsfield(ipv6_hdr(skb));
}

/* Makes the packet look as if it had come in by the device with nothing around it. */
static void become_inner(struct fz_device *fz, struct sk_buff *skb)
{
	skb_scrub_packet(skb, true);
	skb_clear_hash(skb);
	skb->queue_mapping = 0;
	skb->encapsulation = 0;
	skb_reset_redirect(skb);
	skb->dev = fz->dev;
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_reset_transport_header(skb);
	skb_reset_mac_len(skb);
	skb->protocol = ip_tunnel_parse_protocol(skb);
	/* The peer vouches for every checksum, and nobody has changed a bit since. */
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->csum_level = ~0;
}

/* The header's length rules; what follows is padding. False if there is not that much. */
static bool trim_padding(struct sk_buff *skb, u8 ds)
{
	unsigned int len;

	if (skb->protocol == htons(ETH_P_IP)) {
		len = ntohs(ip_hdr(skb)->tot_len);
		if (unlikely(len < sizeof(struct iphdr)))
			return false;
		if (INET_ECN_is_ce(ds))
			IP_ECN_set_ce(ip_hdr(skb));
	} else if (skb->protocol == htons(ETH_P_IPV6)) {
		len = ntohs(ipv6_hdr(skb)->payload_len) + sizeof(struct ipv6hdr);
		if (INET_ECN_is_ce(ds))
			IP6_ECN_set_ce(skb, ipv6_hdr(skb));
	} else {
		return false;
	}
	if (unlikely(len > skb->len))
		return false;
	__skb_trim(skb, len);
	return true;
}

static void drop_source(struct fz_peer *peer, struct sk_buff *skb)
{
	struct fz_device *fz = peer->device;

	if (skb->protocol == htons(ETH_P_IP))
		net_dbg_ratelimited("%s: Packet has unallowed src IP (%pI4) from peer %llu\n",
				    fz->dev->name, &ip_hdr(skb)->saddr, peer->internal_id);
	else
		net_dbg_ratelimited("%s: Packet has unallowed src IP (%pI6c) from peer %llu\n",
				    fz->dev->name, &ipv6_hdr(skb)->saddr, peer->internal_id);
	DEV_STATS_INC(fz->dev, rx_errors);
	DEV_STATS_INC(fz->dev, rx_frame_errors);
	fz_authz_bad_packet(&fz->authz, &peer->authz, FZ_REASON_SOURCE, skb);
}

/* Leaves the inner packets that the peer may send, ready to be judged; keepalives are used up. */
static void route_inner(struct fz_peer *peer, struct sk_buff_head *packets)
{
	struct fz_device *fz = peer->device;
	struct sk_buff *skb, *next;
	bool data = false;

	skb_queue_walk_safe(packets, skb, next) {
		u8 ds = outer_ds(skb);

		if (!skb->len) {
			net_dbg_ratelimited("%s: Receiving keepalive packet from peer %llu\n",
					    fz->dev->name, peer->internal_id);
			__skb_unlink(skb, packets);
			consume_skb(skb);
			continue;
		}
		data = true;
		become_inner(fz, skb);
		if (unlikely(!trim_padding(skb, ds))) {
			__skb_unlink(skb, packets);
			count_malformed(fz);
			fz_authz_bad_packet(&fz->authz, &peer->authz, FZ_REASON_MALFORMED, skb);
		} else if (unlikely(fz_allowedips_lookup_src(&fz->allowedips, skb) != peer)) {
			__skb_unlink(skb, packets);
			drop_source(peer, skb);
		}
	}
	if (data)
		fz_timers_data_received(peer);
}

static void count_received(struct fz_peer *peer, unsigned int packets, u64 bytes)
{
	struct pcpu_sw_netstats *tstats = this_cpu_ptr(peer->device->dev->tstats);

	u64_stats_update_begin(&tstats->syncp);
	u64_stats_add(&tstats->rx_bytes, bytes);
	u64_stats_add(&tstats->rx_packets, packets);
	u64_stats_update_end(&tstats->syncp);
	atomic64_add(bytes, &peer->rx_bytes);
}

/* Hands on what authorization has let go since. The one consumer, RCU read side. */
static void deliver_released(struct fz_peer *peer)
{
	struct sk_buff_head packets;
	struct sk_buff *skb;

	/* Pairs with the release of struct fz_flow.held: whoever saw it false sees what was let go before. */
	smp_rmb();
	if (likely(skb_queue_empty_lockless(&peer->released)))
		return;
	__skb_queue_head_init(&packets);
	spin_lock(&peer->released.lock);
	skb_queue_splice_tail_init(&peer->released, &packets);
	spin_unlock(&peer->released.lock);
	if (unlikely(!netif_running(peer->device->dev)))
		__skb_queue_purge(&packets);
	while ((skb = __skb_dequeue(&packets)) != NULL)
		netif_receive_skb(skb);
}

/* Takes decrypted packets of one key through to the stack. RCU read side. */
static void receive_packets(struct fz_peer *peer, struct fz_keypair *keypair,
			    struct sk_buff_head *packets)
{
	struct fz_device *fz = peer->device;
	struct sk_buff *skb;
	u64 bytes = 0;

	check_replay(peer, keypair, packets, &bytes);
	if (skb_queue_empty(packets))
		return;
	count_received(peer, skb_queue_len(packets), bytes);
	note_authentic(peer, keypair, packets);
	route_inner(peer, packets);
	if (skb_queue_empty(packets))
		return;
	if (unlikely(!netif_running(fz->dev))) {
		__skb_queue_purge(packets);
		return;
	}
	fz_authz_judge(&fz->authz, &peer->authz, FZ_DIR_IN, packets);
	/* What passed now may follow what was let go a moment ago. */
	deliver_released(peer);
	while ((skb = __skb_dequeue(packets)) != NULL)
		napi_gro_receive(&peer->napi, skb);
}

/**
 * fz_receive_poll() - hand a peer's finished bundles to the stack in order
 * @napi: of a peer
 * @budget: how many packets at most
 *
 * The one consumer of the receiving lane, and of what authorization lets go. It also sends what was
 * encrypted where it was.
 *
 * Context: softirq.
 * Return: how many packets were taken, or the budget if there is more to send.
 */
int fz_receive_poll(struct napi_struct *napi, int budget)
{
	struct fz_peer *peer = container_of(napi, struct fz_peer, napi);
	struct sk_buff_head packets;
	struct fz_bundle *bundle;
	bool more;
	int done = 0;

	/* Nothing may be asked for but that what was sent is freed: there is nothing of that kind. */
	if (unlikely(!budget))
		return 0;
	more = fz_send_lane_softly(peer);
	rcu_read_lock();
	deliver_released(peer);
	rcu_read_unlock();
	__skb_queue_head_init(&packets);
	while (done < budget && (bundle = fz_lane_peek(&peer->rx)) != NULL) {
		done += fz_lane_take(&peer->rx, bundle, &packets, budget - done);
		rcu_read_lock();
		receive_packets(peer, bundle->keypair, &packets);
		rcu_read_unlock();
		if (skb_queue_empty(&bundle->packets))
			fz_bundle_free(bundle);
	}
	if (more)
		return budget;
	if (done < budget)
		napi_complete_done(napi, done);
	return done;
}

/**
 * fz_receive_deliver() - hand decrypted packets to the stack without judging them
 * @ap: from whom they came, as authorization knows it
 * @queue: inner packets; emptied
 *
 * &struct fz_authz_ops.deliver. In order, and before whatever is judged after this: they go the way of
 * all that the peer sends.
 *
 * Context: RCU read side, BH off.
 */
void fz_receive_deliver(struct fz_authz_peer *ap, struct sk_buff_head *queue)
{
	struct fz_peer *peer = container_of(ap, struct fz_peer, authz);

	if (READ_ONCE(peer->is_dead)) {
		__skb_queue_purge(queue);
		return;
	}
	spin_lock(&peer->released.lock);
	skb_queue_splice_tail_init(queue, &peer->released);
	spin_unlock(&peer->released.lock);
	napi_schedule(&peer->napi);
}
