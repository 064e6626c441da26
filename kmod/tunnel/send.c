// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way out: cryptokey routing, authorization, segmentation, a session, a bundle, encryption on
 * any CPU, and in order to the socket.
 */

#include "tunnel/send.h"

#include <linux/icmpv6.h>
#include <linux/sched.h>
#include <net/dst_metadata.h>
#include <net/icmp.h>
#include <net/ip_tunnels.h>

#include "compat/gso.h"
#include "tunnel/allowedips.h"
#include "tunnel/bundle.h"
#include "tunnel/device.h"
#include "tunnel/initiate.h"
#include "tunnel/packet.h"
#include "tunnel/peer.h"
#include "tunnel/seal.h"
#include "tunnel/socket.h"
#include "tunnel/timers.h"

/* After how many packets, or super-packets, who sends leaves the rest for later: others encrypt all the time. */
#define SEND_PACKETS 64

/* What a segment may be, since it is copied once more when it is encrypted. */
#define SEGMENT_FEATURES (NETIF_F_SG | NETIF_F_HIGHDMA | NETIF_F_HW_CSUM)

static bool peer_is_reachable(struct fz_peer *peer)
{
	return fz_socket_has_endpoint(peer) || rcu_access_pointer(peer->path.list);
}

/* Drops what cannot be sent and says so to who sent it. */
static void refuse(struct fz_device *fz, struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP))
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
	else if (skb->protocol == htons(ETH_P_IPV6))
		icmpv6_ndo_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, 0);
	DEV_STATS_INC(fz->dev, tx_errors);
	kfree_skb(skb);
}

static void drop(struct fz_device *fz, struct sk_buff *skb)
{
	DEV_STATS_INC(fz->dev, tx_dropped);
	kfree_skb(skb);
}

/* Cuts @skb into what fits a packet each, appended to @packets. */
static void segment(struct fz_device *fz, struct sk_buff *skb, struct sk_buff_head *packets)
{
	u32 mtu = skb_valid_dst(skb) ? dst_mtu(skb_dst(skb)) : READ_ONCE(fz->dev->mtu);
	void (*destructor)(struct sk_buff *skb) = skb->destructor;
	bool charge_moves = destructor == sock_wfree;
	struct sk_buff *segment, *next;

	/* What tells flows apart outside, where their headers cannot be seen; its segments have the same. */
	skb_get_hash(skb);
	if (skb_is_gso(skb)) {
		struct sk_buff *segments = skb_gso_segment(skb, SEGMENT_FEATURES);

		if (IS_ERR_OR_NULL(segments)) {
			drop(fz, skb);
			return;
		}
		/* TCP's, which has no name here: only of that does each segment get its part. */
		charge_moves |= segments->next && segments->destructor == destructor;
		consume_skb(skb);
		skb = segments;
	}
	skb_list_walk_safe(skb, segment, next) {
		skb_mark_not_on_list(segment);
		segment = skb_share_check(segment, GFP_ATOMIC);
		if (unlikely(!segment)) {
			DEV_STATS_INC(fz->dev, tx_dropped);
			continue;
		}
		/* The route was for ICMP; the outer packet finds its own. */
		skb_dst_drop(segment);
		FZ_CB(segment)->mtu = mtu;
		FZ_CB(segment)->charge_moves = charge_moves;
		__skb_queue_tail(packets, segment);
	}
}

/*
 * Stages packets for a session, the oldest making room if there are too many: before the new ones
 * join, so that a super-packet with more segments than may wait does not lose its own first ones,
 * when all of it is about to be sent. Many producers: any CPU that sends. Whoever sends next takes
 * all.
 */
static void stage(struct fz_peer *peer, struct sk_buff_head *packets)
{
	struct sk_buff_head excess;

	__skb_queue_head_init(&excess);
	spin_lock_bh(&peer->staged.lock);
	while (skb_queue_len(&peer->staged) > FZ_MAX_STAGED_PACKETS)
		__skb_queue_tail(&excess, __skb_dequeue(&peer->staged));
	skb_queue_splice_tail_init(packets, &peer->staged);
	spin_unlock_bh(&peer->staged.lock);
	DEV_STATS_ADD(peer->device->dev, tx_dropped, skb_queue_len(&excess));
	__skb_queue_purge(&excess);
}

/*
 * What waited for a session is judged again: the policy may be another by now. Keepalives have
 * nothing to be judged, and beside data, or another one, they are needless.
 */
static void judge_again(struct fz_peer *peer, struct sk_buff_head *packets)
{
	struct sk_buff *skb, *next;

	skb_queue_walk_safe(packets, skb, next) {
		if (skb->len)
			continue;
		if (skb_queue_len(packets) == 1)
			return;
		__skb_unlink(skb, packets);
		consume_skb(skb);
	}
	fz_authz_judge_again(&peer->device->authz, &peer->authz, FZ_DIR_OUT, packets);
}

/* Takes all that is staged. Single consumer for each packet, many producers: the lock decides. */
static void take_staged(struct fz_peer *peer, struct sk_buff_head *packets)
{
	bool waited;

	__skb_queue_head_init(packets);
	spin_lock(&peer->staged.lock);
	skb_queue_splice_tail_init(&peer->staged, packets);
	waited = peer->staged_waited;
	peer->staged_waited = false;
	spin_unlock(&peer->staged.lock);
	if (unlikely(waited && !skb_queue_empty(packets)))
		judge_again(peer, packets);
}

/* Leaves what is staged for later, so that it is no longer on its senders' account. */
static void leave_staged(struct fz_peer *peer, struct sk_buff_head *unsent)
{
	struct sk_buff *skb;
	bool waits;

	spin_lock(&peer->staged.lock);
	skb_queue_splice_init(unsent, &peer->staged);
	skb_queue_walk(&peer->staged, skb)
		skb_orphan(skb);
	waits = !skb_queue_empty(&peer->staged);
	peer->staged_waited = waits;
	spin_unlock(&peer->staged.lock);
	if (waits)
		fz_initiate_handshake(peer, false);
}

/*
 * Encrypts where it is. Sending is left to the softirq that follows at once: this may be deep in the
 * stack of whoever sends, perhaps through another tunnel.
 */
static void finish_here(struct fz_peer *peer, struct fz_bundle *bundle)
{
	fz_seal_bundle(peer->device, bundle, NULL);
	fz_bundle_finish_lone(bundle, &peer->device->encrypt);
	napi_schedule(&peer->napi);
}

/*
 * Sends @packets, behind what is staged if @staged. RCU read side, BH off. Return: false if there is no
 * session for them; then all are still in @packets.
 */
static bool send_packets(struct fz_peer *peer, struct sk_buff_head *packets, bool staged)
{
	struct fz_device *fz = peer->device;
	struct fz_bundle *lone = NULL;
	struct fz_keypair *keypair;
	int err = -EKEYEXPIRED;

	keypair = rcu_dereference_bh(peer->keypairs.current_keypair);
	if (keypair && fz_keypair_may_send(keypair)) {
		if (staged)
			take_staged(peer, packets);
		err = fz_lane_add(&peer->tx, &fz->encrypt, peer, keypair, packets, true, &lone);
		if (lone)
			finish_here(peer, lone);
	}
	if (err && err != -EKEYEXPIRED) {
		DEV_STATS_ADD(fz->dev, tx_dropped, skb_queue_len(packets));
		__skb_queue_purge(packets);
	}
	return err != -EKEYEXPIRED;
}

/**
 * fz_send_staged() - send what is staged for a peer, or begin the handshake that it needs
 * @peer: to whom
 *
 * Context: any but hard interrupts.
 */
void fz_send_staged(struct fz_peer *peer)
{
	struct sk_buff_head packets;

	__skb_queue_head_init(&packets);
	rcu_read_lock_bh();
	if (!READ_ONCE(peer->is_dead) && !send_packets(peer, &packets, true))
		leave_staged(peer, &packets);
	rcu_read_unlock_bh();
}

/* Sends packets that may pass to a peer; RCU read side, BH off. */
static int send_judged(struct fz_peer *peer, struct sk_buff_head *queue)
{
	struct fz_device *fz = peer->device;
	struct sk_buff_head packets;
	struct sk_buff *skb;

	if (unlikely(!peer_is_reachable(peer))) {
		net_dbg_ratelimited("%s: No endpoint known for peer %llu\n", fz->dev->name,
				    peer->internal_id);
		while ((skb = __skb_dequeue(queue)) != NULL)
			refuse(fz, skb);
		return -EDESTADDRREQ;
	}
	__skb_queue_head_init(&packets);
	while ((skb = __skb_dequeue(queue)) != NULL)
		segment(fz, skb, &packets);
	if (skb_queue_empty(&packets))
		return 0;
	/* Most often nobody waits, and there is no need to queue up. */
	if (likely(skb_queue_empty_lockless(&peer->staged) && !READ_ONCE(peer->is_dead)) &&
	    likely(send_packets(peer, &packets, false)))
		return 0;
	/* First staged, then looked for a session: whoever completes one sees what is staged, or we it. */
	stage(peer, &packets);
	fz_send_staged(peer);
	return 0;
}

/**
 * fz_send_judged() - send packets to a peer without judging them
 * @ap: the peer, as authorization knows it
 * @queue: inner packets; emptied
 *
 * &struct fz_authz_ops.xmit.
 *
 * Context: RCU read side, BH off.
 */
void fz_send_judged(struct fz_authz_peer *ap, struct sk_buff_head *queue)
{
	struct fz_peer *peer = container_of(ap, struct fz_peer, authz);

	if (READ_ONCE(peer->is_dead))
		__skb_queue_purge(queue);
	else
		send_judged(peer, queue);
}

/* From cryptokey routing on; owns @skb. RCU read side, BH off. */
static int send_routed(struct fz_device *fz, struct sk_buff *skb, bool may_hold)
{
	struct sk_buff_head queue;
	struct fz_peer *peer;

	peer = fz_allowedips_lookup_dst(&fz->allowedips, skb);
	if (unlikely(!peer)) {
		if (may_hold && fz_authz_hold_unrouted(&fz->authz, skb))
			return 0;
		refuse(fz, skb);
		return -ENOKEY;
	}
	__skb_queue_head_init(&queue);
	__skb_queue_tail(&queue, skb);
	fz_authz_judge(&fz->authz, &peer->authz, FZ_DIR_OUT, &queue);
	return skb_queue_empty(&queue) ? 0 : send_judged(peer, &queue);
}

/**
 * fz_send_reroute() - send a packet that had no peer from the start again
 * @az: the device, as authorization knows it
 * @skb: inner packet; given away
 *
 * &struct fz_authz_ops.reroute.
 *
 * Context: RCU read side, BH off.
 */
void fz_send_reroute(struct fz_authz *az, struct sk_buff *skb)
{
	send_routed(container_of(az, struct fz_device, authz), skb, false);
}

/**
 * fz_send_xmit() - take a packet that the stack sends by the device
 * @skb: inner packet; given away
 * @dev: the device
 *
 * &struct net_device_ops.ndo_start_xmit.
 *
 * Context: BH off.
 * Return: NETDEV_TX_OK, or as WireGuard does -errno that the sender gets to see: -EPROTONOSUPPORT,
 * -ENOKEY without a peer for the address, -EDESTADDRREQ without an endpoint.
 */
netdev_tx_t fz_send_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct fz_device *fz = netdev_priv(dev);
	int err;

	if (unlikely(!netif_running(dev) || skb_network_offset(skb) || !skb->protocol ||
		     skb->protocol != ip_tunnel_parse_protocol(skb))) {
		DEV_STATS_INC(dev, tx_errors);
		kfree_skb(skb);
		return (netdev_tx_t)-EPROTONOSUPPORT;
	}
	/* What user space can still write to is not what was judged when it leaves. */
	if (unlikely(skb_orphan_frags(skb, GFP_ATOMIC))) {
		DEV_STATS_INC(dev, tx_dropped);
		kfree_skb(skb);
		return NETDEV_TX_OK;
	}
	rcu_read_lock();
	err = send_routed(fz, skb, true);
	rcu_read_unlock();
	return (netdev_tx_t)err;
}

/**
 * fz_send_purge_staged() - drop what is staged for a peer
 * @peer: whose session will not come
 *
 * Context: any but hard interrupts.
 */
void fz_send_purge_staged(struct fz_peer *peer)
{
	spin_lock_bh(&peer->staged.lock);
	DEV_STATS_ADD(peer->device->dev, tx_dropped, skb_queue_len(&peer->staged));
	__skb_queue_purge(&peer->staged);
	peer->staged_waited = false;
	spin_unlock_bh(&peer->staged.lock);
}

/**
 * fz_send_keepalive() - send an empty packet, unless others are about to go
 * @peer: to whom
 *
 * Context: any but hard interrupts.
 */
void fz_send_keepalive(struct fz_peer *peer)
{
	struct sk_buff_head packets;
	struct sk_buff *skb;

	if (skb_queue_empty_lockless(&peer->staged)) {
		skb = alloc_skb(FZ_HEADROOM + LL_MAX_HEADER + FZ_TAILROOM, GFP_ATOMIC);
		if (unlikely(!skb))
			return;
		skb_reserve(skb, FZ_HEADROOM + LL_MAX_HEADER);
		skb->dev = peer->device->dev;
		skb_reset_network_header(skb);
		FZ_CB(skb)->mtu = skb->dev->mtu;
		__skb_queue_head_init(&packets);
		__skb_queue_tail(&packets, skb);
		stage(peer, &packets);
		net_dbg_ratelimited("%s: Sending keepalive packet to peer %llu\n", skb->dev->name,
				    peer->internal_id);
	}
	fz_send_staged(peer);
}

/* Sends messages of one session, and does for the peer what follows from that. */
static void send_messages(struct fz_peer *peer, const struct fz_keypair *keypair,
			  struct sk_buff_head *messages)
{
	bool data = false;
	struct sk_buff *skb;

	if (skb_queue_empty(messages))
		return;
	skb_queue_walk(messages, skb)
		data |= skb->len > FZ_DATA_LEN(0);
	fz_timers_any_traversal(peer);
	fz_timers_any_sent(peer);
	if (!fz_socket_send_list(peer, messages) && data)
		fz_timers_data_sent(peer);
	if (unlikely(fz_keypair_sent_enough(keypair)))
		fz_initiate_handshake(peer, false);
}

/* Sends the bundle that comes next, if it is finished; @sent grows by what it came to. */
static bool send_next(struct fz_peer *peer, unsigned int *sent)
{
	struct sk_buff_head messages;
	struct fz_bundle *bundle;

	local_bh_disable();
	bundle = fz_lane_peek(&peer->tx);
	if (bundle) {
		__skb_queue_head_init(&messages);
		*sent += fz_lane_take(&peer->tx, bundle, &messages, FZ_BUNDLE_PACKETS);
		send_messages(peer, bundle->keypair, &messages);
		fz_bundle_free(bundle);
	}
	local_bh_enable();
	return bundle;
}

/*
 * Sends a peer's finished bundles in order, for as long as @sent, which grows, is below %SEND_PACKETS. The caller has
 * a reference. Many may call, one of them is the consumer: who raises the kicks from 0. The others only leave
 * a kick, so that the consumer looks again. A bundle that was finished before its kick is either seen by the
 * consumer's next look or its kick keeps the consumer from leaving. Return: true if there may be more, which
 * is then for the peer's NAPI.
 */
static bool send_lane(struct fz_peer *peer, unsigned int *sent)
{
	struct fz_lane *lane = &peer->tx;
	int seen;

	if (fz_lane_is_empty(lane) || atomic_inc_return(&lane->kicks) != 1)
		return false;
	do {
		/* Before the look: what was finished before a kick that counts here is seen by it. */
		seen = atomic_read_acquire(&lane->kicks);
		while (*sent < SEND_PACKETS && send_next(peer, sent))
			;
		if (*sent >= SEND_PACKETS) {
			/* What was finished before a kick that is lost here is there to be seen. */
			atomic_xchg(&lane->kicks, 0);
			return !fz_lane_is_empty(lane);
		}
	} while (atomic_sub_return(seen, &lane->kicks));
	return false;
}

/**
 * fz_send_lane_softly() - send a peer's finished bundles in order, but not for long
 * @peer: to whom; the caller has a reference
 *
 * Context: softirq.
 * Return: true if there may be more: the caller has to come back.
 */
bool fz_send_lane_softly(struct fz_peer *peer)
{
	unsigned int sent = 0;

	return send_lane(peer, &sent);
}

/* As send_lane(), and what that leaves is left to the peer's NAPI. */
static void send_or_leave(struct fz_peer *peer, unsigned int *sent)
{
	if (!send_lane(peer, sent))
		return;
	local_bh_disable();
	napi_schedule(&peer->napi);
	local_bh_enable();
}

/* Of several, all in one go. For one alone BH are off for a bundle at a time. */
static void send_lanes(struct fz_peer *const *peers, unsigned int count)
{
	unsigned int i, sent = 0;

	if (count == 1) {
		send_or_leave(peers[0], &sent);
		return;
	}
	local_bh_disable();
	for (i = 0; i < count; i++)
		send_or_leave(peers[i], &sent);
	local_bh_enable();
}

/**
 * fz_send_encrypt_work() - encrypt bundles until there are none
 * @work: of a &struct fz_worker
 *
 * Context: workqueue.
 */
void fz_send_encrypt_work(struct work_struct *work)
{
	struct fz_worker *worker = container_of(work, struct fz_worker, work);

	fz_bundle_work(worker, &worker->fz->encrypt, fz_seal_bundle, send_lanes);
}
