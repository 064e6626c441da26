// SPDX-License-Identifier: GPL-2.0-only
/* The life of a peer. */

#include "tunnel/peer.h"

#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "tunnel/allowedips.h"
#include "tunnel/clock.h"
#include "tunnel/device.h"
#include "tunnel/initiate.h"
#include "tunnel/peertable.h"
#include "tunnel/receive.h"
#include "tunnel/send.h"
#include "tunnel/socket.h"
#include "tunnel/timers.h"

static struct kmem_cache *peer_cache;
static atomic64_t last_internal_id = ATOMIC64_INIT(0);

/**
 * fz_peer_init() - prepare for peers
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int fz_peer_init(void)
{
	peer_cache = KMEM_CACHE(fz_peer, SLAB_HWCACHE_ALIGN);
	return peer_cache ? 0 : -ENOMEM;
}

/**
 * fz_peer_uninit() - undo fz_peer_init()
 *
 * Context: module unload; no peer is left but in RCU callbacks that rcu_barrier() has waited for.
 */
void fz_peer_uninit(void)
{
	kmem_cache_destroy(peer_cache);
}

/* Long silence: nothing that could decrypt what was recorded is to be left. */
static void clear_work(struct work_struct *work)
{
	struct fz_peer *peer = container_of(work, struct fz_peer, clear_work);

	pr_debug("%s: Zeroing out keys for peer %llu, since it was silent for %d seconds\n",
		 peer->device->dev->name, peer->internal_id, FZ_ZERO_KEYS_AFTER);
	fz_handshake_clear(&peer->handshake);
	fz_keypairs_clear(&peer->keypairs);
	fz_peer_put(peer);
}

/* As if the last initiation were long ago, whatever the clock says. */
static void allow_handshake(struct fz_peer *peer)
{
	atomic64_set(&peer->last_sent_handshake,
		     fz_clock_now() - (u64)(FZ_REKEY_TIMEOUT + 1) * NSEC_PER_SEC);
}

static void peer_setup(struct fz_peer *peer, struct fz_device *fz, const u8 *public_key,
		       const u8 *preshared_key)
{
	peer->device = fz;
	kref_init(&peer->refcount);
	peer->internal_id = atomic64_inc_return(&last_internal_id);
	INIT_LIST_HEAD(&peer->allowedips_list);
	fz_keypairs_init(&peer->keypairs, fz->dev->name, peer->internal_id);
	fz_handshake_init(&peer->handshake, peer, &fz->identity, &fz->indextable, public_key,
			  preshared_key);
	fz_cookie_init(&peer->latest_cookie, peer->handshake.remote.public_key);
	rwlock_init(&peer->endpoint_lock);
	fz_path_init(&peer->path);
	skb_queue_head_init(&peer->staged);
	fz_lane_init(&peer->tx);
	fz_lane_init(&peer->rx);
	skb_queue_head_init(&peer->released);
	INIT_WORK(&peer->handshake_work, fz_initiate_work);
	INIT_WORK(&peer->clear_work, clear_work);
	allow_handshake(peer);
	fz_timers_init(peer);
}

/**
 * fz_peer_create() - add a peer to a device
 * @fz: the device
 * @public_key: of the peer, not yet known to @fz
 * @preshared_key: zeros for none
 *
 * Context: may sleep. device_update_lock held.
 * Return: the peer, whose reference is that of the device's list (take another to keep it after
 * the lock is released); ERR_PTR of -ENOMEM, or -ENOSPC if the device has all the peers it may.
 */
struct fz_peer *fz_peer_create(struct fz_device *fz, const u8 public_key[FZ_KEY_LEN],
			       const u8 preshared_key[FZ_KEY_LEN])
{
	struct fz_peer *peer;
	int err = -ENOMEM;

	lockdep_assert_held(&fz->device_update_lock);
	if (fz->num_peers >= FZ_MAX_PEERS)
		return ERR_PTR(-ENOSPC);
	peer = kmem_cache_zalloc(peer_cache, GFP_KERNEL);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	if (dst_cache_init(&peer->endpoint_cache, GFP_KERNEL))
		goto err_cache;
	peer_setup(peer, fz, public_key, preshared_key);

	/* Peers may be many: none of them is worth an entry in the table for busy polling. */
	set_bit(NAPI_STATE_NO_BUSY_POLL, &peer->napi.state);
	netif_napi_add(fz->dev, &peer->napi, fz_receive_poll);
	napi_enable(&peer->napi);
	fz_authz_peer_init(&fz->authz, &peer->authz, peer->internal_id);
	err = fz_peertable_insert(&fz->peertable, &peer->handshake.remote);
	if (err)
		goto err_table;
	list_add_tail(&peer->peer_list, &fz->peer_list);
	fz->num_peers++;
	pr_debug("%s: Peer %llu created\n", fz->dev->name, peer->internal_id);
	return peer;

err_table:
	fz_authz_peer_remove(&fz->authz, &peer->authz);
	napi_disable(&peer->napi);
	netif_napi_del(&peer->napi);
	synchronize_rcu();
	dst_cache_destroy(&peer->endpoint_cache);
err_cache:
	memzero_explicit(peer, sizeof(*peer));
	kmem_cache_free(peer_cache, peer);
	return ERR_PTR(err);
}

/**
 * fz_peer_get_maybe_zero() - take a reference to a peer that is perhaps being freed
 * @peer: found under RCU; NULL is fine
 *
 * Context: RCU read side.
 * Return: @peer, or NULL if it was on its way out.
 */
struct fz_peer *fz_peer_get_maybe_zero(struct fz_peer *peer)
{
	RCU_LOCKDEP_WARN(!rcu_read_lock_held() && !rcu_read_lock_bh_held(),
			 "taking a peer's reference without holding RCU");
	if (unlikely(!peer || !kref_get_unless_zero(&peer->refcount)))
		return NULL;
	return peer;
}

static void peer_free_rcu(struct rcu_head *rcu)
{
	struct fz_peer *peer = container_of(rcu, struct fz_peer, rcu);

	dst_cache_destroy(&peer->endpoint_cache);
	WARN_ON(!fz_lane_is_empty(&peer->tx) || !fz_lane_is_empty(&peer->rx));
	memzero_explicit(peer, sizeof(*peer));
	kmem_cache_free(peer_cache, peer);
}

static void peer_release(struct kref *refcount)
{
	struct fz_peer *peer = container_of(refcount, struct fz_peer, refcount);

	pr_debug("%s: Peer %llu destroyed\n", peer->device->dev->name, peer->internal_id);
	fz_send_purge_staged(peer);
	call_rcu(&peer->rcu, peer_free_rcu);
}

/**
 * fz_peer_put() - give a reference back
 * @peer: NULL is fine
 *
 * Context: any but hard interrupts.
 */
void fz_peer_put(struct fz_peer *peer)
{
	if (peer)
		kref_put(&peer->refcount, peer_release);
}

/*
 * Phase 1: nothing new begins.
 * 1. Authorization knows why its flows end from here on.
 * 2. Nobody finds the peer any more: not by address, key or index.
 * 3. Timers, handshakes and staged packets see that it is dead.
 * 4. There are no keys and no new ones.
 * 5. Authorization forgets it.
 */
static void peer_mark_dead(struct fz_peer *peer)
{
	struct fz_device *fz = peer->device;

	lockdep_assert_held(&fz->device_update_lock);
	fz_authz_peer_going(&peer->authz);
	list_del_init(&peer->peer_list);
	fz->num_peers--;
	fz_allowedips_remove_by_peer(&fz->allowedips, &peer->allowedips_list);
	fz_peertable_remove(&fz->peertable, &peer->handshake.remote);
	WRITE_ONCE(peer->is_dead, true);
	fz_keypairs_close(&peer->keypairs);
	fz_handshake_close(&peer->handshake);
	fz_authz_peer_remove(&fz->authz, &peer->authz);
}

static void lane_purge(struct fz_lane *lane)
{
	struct sk_buff_head packets;
	struct fz_bundle *bundle;

	__skb_queue_head_init(&packets);
	local_bh_disable();
	while ((bundle = fz_lane_peek(lane)) != NULL) {
		fz_lane_take(lane, bundle, &packets, FZ_BUNDLE_PACKETS);
		fz_bundle_free(bundle);
	}
	__skb_queue_purge(&packets);
	local_bh_enable();
}

static bool are_worked_on(const struct list_head *peers)
{
	struct fz_peer *peer;

	list_for_each_entry(peer, peers, peer_list) {
		if (fz_lane_is_worked_on(&peer->tx) || fz_lane_is_worked_on(&peer->rx))
			return true;
	}
	return false;
}

/* Without a worker or a timer left that could know of it, the consumer in softirqs stops. */
static void peer_stop_consumer(struct fz_peer *peer)
{
	napi_disable(&peer->napi);
	lane_purge(&peer->tx);
	lane_purge(&peer->rx);
	skb_queue_purge(&peer->released);
	__netif_napi_del(&peer->napi);
}

/*
 * Phase 2: what had begun ends.
 * 1. After a grace period nobody is left who found the peers alive.
 * 2. Timers stop; none is armed again.
 * 3. Workers finish every bundle, and hand it on.
 * 4. The consumers stop; what they did not get to is dropped.
 * 5. Handshake work ends: it sees a dead peer and gives its reference back.
 * 6. The list's references go; RCU frees.
 */
static void peers_drain(struct fz_device *fz, struct list_head *dead)
{
	struct fz_peer *peer, *next;

	synchronize_net();
	list_for_each_entry(peer, dead, peer_list)
		fz_timers_stop(peer);
	/*
	 * What is done of others' meanwhile is not waited for. The last bundle is done before it is handed on: once
	 * more, for that. A softirq that hands one on is waited for with the consumers stopped, which it finds so.
	 */
	do {
		flush_workqueue(fz->crypto_wq);
	} while (are_worked_on(dead));
	flush_workqueue(fz->crypto_wq);
	list_for_each_entry(peer, dead, peer_list)
		peer_stop_consumer(peer);
	synchronize_net();
	list_for_each_entry_safe(peer, next, dead, peer_list) {
		list_del_init(&peer->peer_list);
		flush_work(&peer->handshake_work);
		flush_work(&peer->clear_work);
		fz_send_purge_staged(peer);
		fz_path_clear(&peer->path);
		fz_peer_put(peer);
	}
}

/**
 * fz_peer_remove() - take a peer off its device
 * @peer: on the list; gone for the caller unless it has a reference of its own
 *
 * Context: may sleep. device_update_lock held.
 */
void fz_peer_remove(struct fz_peer *peer)
{
	struct fz_device *fz = peer->device;
	LIST_HEAD(dead);

	peer_mark_dead(peer);
	list_add(&peer->peer_list, &dead);
	peers_drain(fz, &dead);
}

/**
 * fz_peer_remove_all() - take all peers off a device
 * @fz: the device
 *
 * Context: may sleep. device_update_lock held.
 */
void fz_peer_remove_all(struct fz_device *fz)
{
	struct fz_peer *peer, *next;
	LIST_HEAD(dead);

	lockdep_assert_held(&fz->device_update_lock);
	if (list_empty(&fz->peer_list))
		return;
	list_for_each_entry_safe(peer, next, &fz->peer_list, peer_list) {
		peer_mark_dead(peer);
		list_add_tail(&peer->peer_list, &dead);
	}
	peers_drain(fz, &dead);
}

/**
 * fz_peer_connect() - begin a handshake now, with nothing to send
 * @peer: whose endpoint or candidates are set
 *
 * Nothing happens if an initiation went out less than FZ_REKEY_TIMEOUT seconds ago, or the device
 * is down.
 *
 * Context: any but hard interrupts.
 */
void fz_peer_connect(struct fz_peer *peer)
{
	if (netif_running(peer->device->dev))
		fz_initiate_handshake(peer, false);
}

/**
 * fz_peer_set_keepalive() - set how often the peer hears from us at least
 * @peer: whose
 * @seconds: 0 switches it off
 *
 * Context: may sleep. device_update_lock held.
 */
void fz_peer_set_keepalive(struct fz_peer *peer, u16 seconds)
{
	bool begins = seconds && !peer->persistent_keepalive_interval;

	lockdep_assert_held(&peer->device->device_update_lock);
	WRITE_ONCE(peer->persistent_keepalive_interval, seconds);
	if (begins && netif_running(peer->device->dev))
		fz_send_keepalive(peer);
}

/**
 * fz_peer_expire_sessions() - send no more under the keys that there are; begin anew when needed
 * @peer: whose keys
 *
 * A handshake under way is given up too: it would end in a session of the old key, or of an
 * ephemeral key that two copies of a machine have.
 *
 * Context: may sleep.
 */
void fz_peer_expire_sessions(struct fz_peer *peer)
{
	fz_handshake_clear(&peer->handshake);
	fz_keypairs_expire(&peer->keypairs);
	allow_handshake(peer);
}

/**
 * fz_peer_wipe_sessions() - forget all that is secret about sessions, and what waits for one
 * @peer: of a device that is down
 *
 * Context: may sleep.
 */
void fz_peer_wipe_sessions(struct fz_peer *peer)
{
	fz_send_purge_staged(peer);
	fz_timers_stop(peer);
	fz_handshake_clear(&peer->handshake);
	fz_keypairs_clear(&peer->keypairs);
	allow_handshake(peer);
}

/**
 * fz_peer_heard() - an authentic message came from somewhere
 * @peer: whose message it was
 * @ep: where it came from and was sent to
 *
 * The candidates decide whether the peer is there from now on; without any, it is.
 *
 * Context: any but hard interrupts.
 */
void fz_peer_heard(struct fz_peer *peer, const struct fz_endpoint *ep)
{
	if (fz_path_heard(peer, ep) && fz_socket_set_peer_endpoint(peer, ep))
		fz_event_peer(peer, FZ_PEER_EVENT_ENDPOINT);
}

/**
 * fz_peer_note_handshake() - remember that a handshake was finished just now
 * @peer: with which
 *
 * Context: any but hard interrupts.
 */
void fz_peer_note_handshake(struct fz_peer *peer)
{
	atomic64_set(&peer->last_handshake, ktime_get_real_ns());
}

/**
 * fz_peer_last_handshake() - when the last handshake was finished
 * @peer: with which
 *
 * Context: any.
 * Return: CLOCK_REALTIME; 0 if never.
 */
struct timespec64 fz_peer_last_handshake(const struct fz_peer *peer)
{
	return ns_to_timespec64(atomic64_read(&peer->last_handshake));
}
