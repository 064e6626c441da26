/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_PEER_H
#define FZ_TUNNEL_PEER_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <net/dst_cache.h>

#include "authz/authz.h"
#include "path/candidates.h"
#include "tunnel/bundle.h"
#include "tunnel/cookie.h"
#include "tunnel/endpoint.h"
#include "tunnel/keypair.h"
#include "tunnel/noise.h"

struct fz_device;

/**
 * struct fz_peer - the other end of a tunnel
 * @keypairs: session keys, with locks of their own
 * @device: its device, which outlives it: a device goes after all its peers
 * @refcount: one for being on the list, one for each user; drops to an RCU callback
 * @persistent_keepalive_interval: seconds, 0 is off; written under device_update_lock
 * @is_dead: set once under device_update_lock by removal; nothing new begins for a dead peer
 * @staged_waited: @staged was left alone for want of a session, so that what is in it has to be
 *	judged again. Under the lock of @staged
 * @need_another_keepalive: a packet came while @send_keepalive was pending
 * @sent_lastminute_handshake: a rekey was begun shortly before this session's end
 * @was_quiet: user space knows that the peer answers no more
 * @staged: packets without a session yet, under its own lock, at most FZ_MAX_STAGED_PACKETS. Many
 *	producers; whoever holds the lock empties it
 * @endpoint_lock: protects @endpoint and @endpoint_cache. Taken with BH off
 * @path: candidates for @endpoint
 * @endpoint: under @endpoint_lock
 * @endpoint_cache: the route to @endpoint, only used and reset under @endpoint_lock for reading at
 *	least, BH off
 * @tx: bundles on their way out; the consumer is whoever raised @tx.kicks from 0
 * @tx_bytes: of messages sent, headers and padding included
 * @authz: what authorization keeps about the peer
 * @send_keepalive: timer
 * @new_handshake: timer
 * @rx: bundles on their way in; the consumer is @napi
 * @released: packets that authorization held, or its answers, on their way in; many producers, under its
 *	own lock; the consumer is @napi
 * @rx_bytes: the same, of authenticated messages received
 * @napi: hands received packets to the stack
 * @handshake: the handshake, with a lock of its own
 * @latest_cookie: that the peer gave us, with a lock of its own
 * @rcu: frees it
 * @internal_id: names it in the kernel log and to authorization; never used twice
 * @peer_list: in &struct fz_device.peer_list, under device_update_lock
 * @allowedips_list: its allowed IPs, under device_update_lock
 * @handshake_work: sends an initiation; queued with a reference held
 * @clear_work: wipes keys after long silence; queued with a reference held
 * @last_sent_handshake: boot time in ns
 * @last_handshake: CLOCK_REALTIME of the last finished handshake in ns, for user space
 * @retransmit_handshake: timer
 * @zero_keys: timer
 * @persistent_keepalive: timer
 * @handshake_attempts: initiations sent without an answer
 *
 * In the order of use. One packet to, or from, each of many peers in turn finds all of it cold in memory: what is
 * sent with stands in a few cache lines from the start on, what is received with in others, so that two CPUs do
 * not take them from each other.
 */
struct fz_peer {
	struct fz_keypairs keypairs;
	struct fz_device *device;
	struct kref refcount;
	u16 persistent_keepalive_interval;
	bool is_dead;
	bool staged_waited;
	bool need_another_keepalive;
	bool sent_lastminute_handshake;
	bool was_quiet;
	struct sk_buff_head staged;
	rwlock_t endpoint_lock;
	struct fz_path path;
	struct fz_endpoint endpoint;
	struct dst_cache endpoint_cache;

	struct fz_lane tx;
	atomic64_t tx_bytes;
	struct fz_authz_peer authz;

	struct timer_list send_keepalive;
	struct timer_list new_handshake;

	struct fz_lane rx ____cacheline_aligned_in_smp;
	struct sk_buff_head released;
	atomic64_t rx_bytes;
	struct napi_struct napi;

	struct fz_handshake handshake;
	struct fz_cookie latest_cookie;
	struct rcu_head rcu;
	u64 internal_id;
	struct list_head peer_list;
	struct list_head allowedips_list;
	struct work_struct handshake_work;
	struct work_struct clear_work;
	atomic64_t last_sent_handshake;
	atomic64_t last_handshake;
	struct timer_list retransmit_handshake;
	struct timer_list zero_keys;
	struct timer_list persistent_keepalive;
	unsigned int handshake_attempts;
};

int fz_peer_init(void);
void fz_peer_uninit(void);
struct fz_peer *fz_peer_create(struct fz_device *fz, const u8 public_key[FZ_KEY_LEN],
			       const u8 preshared_key[FZ_KEY_LEN]);
struct fz_peer *fz_peer_get_maybe_zero(struct fz_peer *peer);
void fz_peer_put(struct fz_peer *peer);
void fz_peer_remove(struct fz_peer *peer);
void fz_peer_remove_all(struct fz_device *fz);
void fz_peer_connect(struct fz_peer *peer);
void fz_peer_set_keepalive(struct fz_peer *peer, u16 seconds);
void fz_peer_expire_sessions(struct fz_peer *peer);
void fz_peer_wipe_sessions(struct fz_peer *peer);
void fz_peer_heard(struct fz_peer *peer, const struct fz_endpoint *ep);
void fz_peer_note_handshake(struct fz_peer *peer);
struct timespec64 fz_peer_last_handshake(const struct fz_peer *peer);

/**
 * fz_peer_get() - take another reference
 * @peer: to which the caller has a reference already
 *
 * Return: @peer.
 */
static inline struct fz_peer *fz_peer_get(struct fz_peer *peer)
{
	kref_get(&peer->refcount);
	return peer;
}

#endif
