// SPDX-License-Identifier: GPL-2.0-only
/* Consumes handshake messages, as they come off the device's queue. */

#include "tunnel/respond.h"

#include <linux/sched.h>

#include "tunnel/clock.h"
#include "tunnel/cookie.h"
#include "tunnel/device.h"
#include "tunnel/initiate.h"
#include "tunnel/messages.h"
#include "tunnel/noise.h"
#include "tunnel/peer.h"
#include "tunnel/send.h"
#include "tunnel/socket.h"
#include "tunnel/timers.h"

/* How long the device stays under load after the queue has shrunk, seconds. */
#define LOAD_LASTS 1

static bool under_load(struct fz_device *fz)
{
	if (atomic_read(&fz->handshakes.len) >= FZ_UNDER_LOAD_HANDSHAKES) {
		atomic64_set(&fz->last_under_load, fz_clock_now());
		return true;
	}
	return !fz_clock_expired(atomic64_read(&fz->last_under_load), LOAD_LASTS);
}

static void consume_cookie(struct fz_device *fz, const struct fz_message_cookie *message)
{
	struct fz_index_entry *entry;
	struct fz_peer *peer = NULL;

	rcu_read_lock();
	entry = fz_indextable_find(&fz->indextable, message->receiver_index);
	if (entry)
		peer = fz_peer_get_maybe_zero(entry->peer);
	rcu_read_unlock();
	if (!peer)
		return;
	if (!fz_cookie_reply_consume(message, &peer->latest_cookie))
		net_dbg_ratelimited("%s: Receiving cookie response from peer %llu\n",
				    fz->dev->name, peer->internal_id);
	fz_peer_put(peer);
}

static void send_cookie(struct fz_device *fz, const struct sk_buff *skb,
			const struct fz_endpoint *ep)
{
	struct fz_message_cookie reply;

	net_dbg_ratelimited("%s: Sending cookie response to %pISpfsc\n", fz->dev->name, &ep->addr);
	if (!fz_cookie_reply_create(&reply, skb->data, skb->len, &ep->addr,
				    &fz->cookie_checker))
		fz_socket_send_buffer(fz, ep, &reply, sizeof(reply), 0);
}

/* What both kinds of authentic handshake message mean for the peer. */
static void heard(struct fz_peer *peer, const struct fz_endpoint *ep, size_t len)
{
	fz_peer_heard(peer, ep);
	atomic64_add(len, &peer->rx_bytes);
	local_bh_disable();
	dev_sw_netstats_rx_add(peer->device->dev, len);
	local_bh_enable();
}

static void consume_initiation(struct fz_device *fz, const struct sk_buff *skb,
			       const struct fz_endpoint *ep)
{
	struct fz_peer *peer = fz_handshake_consume_initiation((const void *)skb->data,
							       &fz->identity, &fz->peertable);

	if (!peer) {
		net_dbg_ratelimited("%s: Invalid handshake initiation from %pISpfsc\n",
				    fz->dev->name, &ep->addr);
		return;
	}
	net_dbg_ratelimited("%s: Receiving handshake initiation from peer %llu (%pISpfsc)\n",
			    fz->dev->name, peer->internal_id, &ep->addr);
	heard(peer, ep, skb->len);
	fz_initiate_response(peer);
	fz_timers_any_received(peer);
	fz_timers_any_traversal(peer);
	fz_peer_put(peer);
}

static void consume_response(struct fz_device *fz, const struct sk_buff *skb,
			     const struct fz_endpoint *ep)
{
	struct fz_peer *peer = fz_handshake_consume_response((const void *)skb->data,
							     &fz->identity, &fz->indextable);

	if (!peer) {
		net_dbg_ratelimited("%s: Invalid handshake response from %pISpfsc\n",
				    fz->dev->name, &ep->addr);
		return;
	}
	net_dbg_ratelimited("%s: Receiving handshake response from peer %llu (%pISpfsc)\n",
			    fz->dev->name, peer->internal_id, &ep->addr);
	heard(peer, ep, skb->len);
	if (!fz_handshake_begin_session(&peer->handshake, &peer->keypairs, true)) {
		fz_timers_session_derived(peer);
		fz_timers_handshake_complete(peer);
		/* The responder may not send before it has heard something under the new keys. */
		fz_send_keepalive(peer);
	}
	fz_timers_any_received(peer);
	fz_timers_any_traversal(peer);
	fz_peer_put(peer);
}

/* Whether a message is worth the arithmetic; if not, it may be worth a cookie. */
static bool admit(struct fz_device *fz, const struct sk_buff *skb, const struct fz_endpoint *ep)
{
	bool loaded = under_load(fz);
	struct net *net;

	/* Only its identity counts: the limit is one for all devices. */
	rcu_read_lock();
	net = rcu_dereference(fz->creating_net);
	rcu_read_unlock();
	switch (fz_cookie_check(&fz->cookie_checker, skb->data, skb->len, loaded, net, &ep->addr)) {
	case FZ_COOKIE_VALID:
		return true;
	case FZ_COOKIE_MAC_VALID:
		if (!loaded)
			return true;
		send_cookie(fz, skb, ep);
		return false;
	case FZ_COOKIE_RATELIMITED:
	case FZ_COOKIE_MAC_INVALID:
		net_dbg_ratelimited("%s: Invalid MAC of handshake, dropping packet from %pISpfsc\n",
				    fz->dev->name, &ep->addr);
		return false;
	}
	return false;
}

/* Types and lengths were checked before the message was queued. */
static void consume(struct fz_device *fz, struct sk_buff *skb)
{
	const struct fz_message_header *header = (const void *)skb->data;
	struct fz_endpoint ep;

	if (fz_socket_endpoint_from_skb(&ep, skb))
		return;
	switch ((enum fz_message_type)le32_to_cpu(header->type)) {
	case FZ_MESSAGE_COOKIE:
		consume_cookie(fz, (const void *)skb->data);
		break;
	case FZ_MESSAGE_INITIATION:
		if (admit(fz, skb, &ep))
			consume_initiation(fz, skb, &ep);
		break;
	case FZ_MESSAGE_RESPONSE:
		if (admit(fz, skb, &ep))
			consume_response(fz, skb, &ep);
		break;
	case FZ_MESSAGE_DATA:
	case FZ_MESSAGE_INVALID:
		WARN_ONCE(1, "fz: not a handshake message in the queue of handshakes\n");
		break;
	}
}

/**
 * fz_respond_work() - consume handshake messages until there are none
 * @work: of a &struct fz_worker
 *
 * Context: workqueue.
 */
void fz_respond_work(struct work_struct *work)
{
	struct fz_device *fz = container_of(work, struct fz_worker, work)->fz;
	struct sk_buff *skb;

	while ((skb = fz_ring_take(&fz->handshakes)) != NULL) {
		consume(fz, skb);
		consume_skb(skb);
		cond_resched();
	}
}
