// SPDX-License-Identifier: GPL-2.0-only
/*
 * The five timers of a peer (WireGuard paper, section 6).
 *
 * timer                  armed when                           does
 * retransmit_handshake   an initiation was sent               another one, 18 times at most
 * send_keepalive         data came, nothing was said since    an empty packet
 * new_handshake          data was sent, nothing came since    an initiation
 * zero_keys              a session began, or was given up     wipes all keys
 * persistent_keepalive   anything was sent or came            an empty packet, if set so
 */

#include "tunnel/timers.h"

#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/rcupdate.h>

#include "compat/timer.h"
#include "netlink/event.h"
#include "tunnel/device.h"
#include "tunnel/initiate.h"
#include "tunnel/messages.h"
#include "tunnel/peer.h"
#include "tunnel/send.h"
#include "tunnel/socket.h"

static unsigned long jitter(void)
{
	u32 random = get_random_u32();

	return ((u64)random * FZ_REKEY_TIMEOUT_JITTER_JIFFIES) >> 32;
}

/* Arms @timer unless the peer or the device is on its way out: fz_timers_stop() finds them all. */
static void arm(struct fz_peer *peer, struct timer_list *timer, unsigned long delay)
{
	rcu_read_lock();
	if (likely(netif_running(peer->device->dev) && !READ_ONCE(peer->is_dead)))
		mod_timer(timer, jiffies + delay);
	rcu_read_unlock();
}

/* Once per silence; the next authentic message ends it. */
static void tell_quiet(struct fz_peer *peer)
{
	if (READ_ONCE(peer->was_quiet))
		return;
	WRITE_ONCE(peer->was_quiet, true);
	fz_event_peer(peer, FZ_PEER_EVENT_QUIET);
}

static void give_up(struct fz_peer *peer)
{
	net_dbg_ratelimited("%s: Peer %llu does not answer after %d attempts, giving up\n",
			    peer->device->dev->name, peer->internal_id,
			    FZ_MAX_TIMER_HANDSHAKES + 2);
	timer_delete(&peer->send_keepalive);
	/* What waits for the session would be too old to be of use when there is one. */
	fz_send_purge_staged(peer);
	if (!timer_pending(&peer->zero_keys))
		arm(peer, &peer->zero_keys, FZ_ZERO_KEYS_AFTER * HZ);
	tell_quiet(peer);
}

static void retransmit_handshake_expired(struct timer_list *timer)
{
	struct fz_peer *peer = timer_container_of(peer, timer, retransmit_handshake);

	if (READ_ONCE(peer->handshake_attempts) > FZ_MAX_TIMER_HANDSHAKES) {
		give_up(peer);
		return;
	}
	WRITE_ONCE(peer->handshake_attempts, peer->handshake_attempts + 1);
	/* Perhaps it is our own address that does not work any more. */
	fz_socket_forget_peer_source(peer);
	fz_initiate_handshake(peer, true);
}

static void send_keepalive_expired(struct timer_list *timer)
{
	struct fz_peer *peer = timer_container_of(peer, timer, send_keepalive);

	fz_send_keepalive(peer);
	if (READ_ONCE(peer->need_another_keepalive)) {
		WRITE_ONCE(peer->need_another_keepalive, false);
		arm(peer, &peer->send_keepalive, FZ_KEEPALIVE_TIMEOUT * HZ);
	}
}

static void new_handshake_expired(struct timer_list *timer)
{
	struct fz_peer *peer = timer_container_of(peer, timer, new_handshake);

	tell_quiet(peer);
	fz_socket_forget_peer_source(peer);
	fz_initiate_handshake(peer, false);
}

static void zero_keys_expired(struct timer_list *timer)
{
	struct fz_peer *peer = timer_container_of(peer, timer, zero_keys);

	rcu_read_lock();
	if (!READ_ONCE(peer->is_dead)) {
		fz_peer_get(peer);
		if (!queue_work(peer->device->handshake_send_wq, &peer->clear_work))
			fz_peer_put(peer);
	}
	rcu_read_unlock();
}

static void persistent_keepalive_expired(struct timer_list *timer)
{
	struct fz_peer *peer = timer_container_of(peer, timer, persistent_keepalive);

	if (READ_ONCE(peer->persistent_keepalive_interval))
		fz_send_keepalive(peer);
}

/**
 * fz_timers_data_sent() - something that the peer must answer went out
 * @peer: to which
 *
 * Context: any but hard interrupts, as for all of these.
 */
void fz_timers_data_sent(struct fz_peer *peer)
{
	if (!timer_pending(&peer->new_handshake))
		arm(peer, &peer->new_handshake,
		    (FZ_KEEPALIVE_TIMEOUT + FZ_REKEY_TIMEOUT) * HZ + jitter());
}

/**
 * fz_timers_data_received() - something that we must answer came in
 * @peer: from which
 */
void fz_timers_data_received(struct fz_peer *peer)
{
	if (!timer_pending(&peer->send_keepalive))
		arm(peer, &peer->send_keepalive, FZ_KEEPALIVE_TIMEOUT * HZ);
	else
		WRITE_ONCE(peer->need_another_keepalive, true);
}

/**
 * fz_timers_any_sent() - an authenticated packet of any kind went out
 * @peer: to which
 */
void fz_timers_any_sent(struct fz_peer *peer)
{
	timer_delete(&peer->send_keepalive);
}

/**
 * fz_timers_any_received() - an authenticated packet of any kind came in
 * @peer: from which
 */
void fz_timers_any_received(struct fz_peer *peer)
{
	timer_delete(&peer->new_handshake);
	if (READ_ONCE(peer->was_quiet))
		WRITE_ONCE(peer->was_quiet, false);
}

/**
 * fz_timers_any_traversal() - an authenticated packet of any kind is about to go out, or came in
 * @peer: whose
 */
void fz_timers_any_traversal(struct fz_peer *peer)
{
	u16 interval = READ_ONCE(peer->persistent_keepalive_interval);

	if (interval)
		arm(peer, &peer->persistent_keepalive, interval * HZ);
}

/**
 * fz_timers_handshake_initiated() - an initiation is about to go out
 * @peer: to which
 */
void fz_timers_handshake_initiated(struct fz_peer *peer)
{
	arm(peer, &peer->retransmit_handshake, FZ_REKEY_TIMEOUT * HZ + jitter());
}

/**
 * fz_timers_handshake_complete() - both ends have proved that they hold the session's keys
 * @peer: with which
 */
void fz_timers_handshake_complete(struct fz_peer *peer)
{
	timer_delete(&peer->retransmit_handshake);
	WRITE_ONCE(peer->handshake_attempts, 0);
	WRITE_ONCE(peer->sent_lastminute_handshake, false);
	fz_peer_note_handshake(peer);
	fz_event_peer(peer, FZ_PEER_EVENT_HANDSHAKE);
}

/**
 * fz_timers_session_derived() - there are new session keys
 * @peer: with which
 */
void fz_timers_session_derived(struct fz_peer *peer)
{
	arm(peer, &peer->zero_keys, FZ_ZERO_KEYS_AFTER * HZ);
}

/**
 * fz_timers_init() - prepare a peer's timers
 * @peer: being created
 */
void fz_timers_init(struct fz_peer *peer)
{
	timer_setup(&peer->retransmit_handshake, retransmit_handshake_expired, 0);
	timer_setup(&peer->send_keepalive, send_keepalive_expired, 0);
	timer_setup(&peer->new_handshake, new_handshake_expired, 0);
	timer_setup(&peer->zero_keys, zero_keys_expired, 0);
	timer_setup(&peer->persistent_keepalive, persistent_keepalive_expired, 0);
	peer->handshake_attempts = 0;
	peer->need_another_keepalive = false;
	peer->sent_lastminute_handshake = false;
	peer->was_quiet = false;
}

/**
 * fz_timers_stop() - stop all of a peer's timers and wait for those that run
 * @peer: whose
 *
 * They stay stopped if the peer is dead or the device down, and a grace period has passed since.
 *
 * Context: may sleep.
 */
void fz_timers_stop(struct fz_peer *peer)
{
	timer_delete_sync(&peer->retransmit_handshake);
	timer_delete_sync(&peer->send_keepalive);
	timer_delete_sync(&peer->new_handshake);
	timer_delete_sync(&peer->zero_keys);
	timer_delete_sync(&peer->persistent_keepalive);
}
