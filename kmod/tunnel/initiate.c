// SPDX-License-Identifier: GPL-2.0-only
/* Sends handshake messages. */

#include "tunnel/initiate.h"

#include "path/candidates.h"
#include "tunnel/clock.h"
#include "tunnel/cookie.h"
#include "tunnel/device.h"
#include "tunnel/noise.h"
#include "tunnel/peer.h"
#include "tunnel/socket.h"
#include "tunnel/timers.h"

static bool sent_lately(struct fz_peer *peer)
{
	return !fz_clock_expired(atomic64_read(&peer->last_sent_handshake), FZ_REKEY_TIMEOUT);
}

/**
 * fz_initiate_handshake() - have an initiation sent, if the last one is old enough
 * @peer: to whom
 * @is_retry: the last one was not answered; otherwise attempts are counted from 0
 *
 * Context: any but hard interrupts.
 */
void fz_initiate_handshake(struct fz_peer *peer, bool is_retry)
{
	if (!is_retry)
		WRITE_ONCE(peer->handshake_attempts, 0);
	rcu_read_lock_bh();
	if (!sent_lately(peer) && !READ_ONCE(peer->is_dead)) {
		fz_peer_get(peer);
		if (!queue_work(peer->device->handshake_send_wq, &peer->handshake_work))
			fz_peer_put(peer);
	}
	rcu_read_unlock_bh();
}

static void send_initiation(struct fz_peer *peer)
{
	struct fz_message_initiation message;
	int err;

	/* A timer may have asked for it just before the device went down: there are to be no keys then. */
	if (READ_ONCE(peer->is_dead) || !netif_running(peer->device->dev) || sent_lately(peer))
		return;
	atomic64_set(&peer->last_sent_handshake, fz_clock_now());
	net_dbg_ratelimited("%s: Sending handshake initiation to peer %llu\n",
			    peer->device->dev->name, peer->internal_id);
	err = fz_handshake_create_initiation(&message, &peer->handshake);
	if (unlikely(err)) {
		/* Nobody else comes back to it when there is memory again. */
		if (err != -ENOKEY && err != -EKEYREJECTED && err != -ESHUTDOWN)
			fz_timers_handshake_initiated(peer);
		return;
	}
	fz_cookie_add_macs(&message, sizeof(message), &peer->latest_cookie);
	fz_timers_any_traversal(peer);
	fz_timers_any_sent(peer);
	atomic64_set(&peer->last_sent_handshake, fz_clock_now());
	/* First: the answer, which ends the wait, may come before we are back from sending. */
	fz_timers_handshake_initiated(peer);
	if (fz_path_send_initiation(peer, &message, sizeof(message), FZ_HANDSHAKE_DSCP))
		atomic64_add(sizeof(message), &peer->tx_bytes);
	else
		fz_socket_send_buffer_to_peer(peer, &message, sizeof(message), FZ_HANDSHAKE_DSCP);
}

/**
 * fz_initiate_work() - send an initiation
 * @work: &struct fz_peer.handshake_work, with a reference to the peer, given back
 *
 * Context: workqueue.
 */
void fz_initiate_work(struct work_struct *work)
{
	struct fz_peer *peer = container_of(work, struct fz_peer, handshake_work);

	send_initiation(peer);
	fz_peer_put(peer);
}

/**
 * fz_initiate_response() - answer the initiation that a peer's handshake holds
 * @peer: from whom it came
 *
 * Context: may sleep.
 */
void fz_initiate_response(struct fz_peer *peer)
{
	struct fz_message_response message;

	atomic64_set(&peer->last_sent_handshake, fz_clock_now());
	net_dbg_ratelimited("%s: Sending handshake response to peer %llu\n",
			    peer->device->dev->name, peer->internal_id);
	if (fz_handshake_create_response(&message, &peer->handshake))
		return;
	fz_cookie_add_macs(&message, sizeof(message), &peer->latest_cookie);
	if (fz_handshake_begin_session(&peer->handshake, &peer->keypairs, false))
		return;
	fz_timers_session_derived(peer);
	fz_timers_any_traversal(peer);
	fz_timers_any_sent(peer);
	atomic64_set(&peer->last_sent_handshake, fz_clock_now());
	fz_socket_send_buffer_to_peer(peer, &message, sizeof(message), FZ_HANDSHAKE_DSCP);
}
