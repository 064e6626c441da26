/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Session keys, and the three places where a peer keeps them.
 */
#ifndef _FZ_TUNNEL_KEYPAIR_H
#define _FZ_TUNNEL_KEYPAIR_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "tunnel/clock.h"
#include "tunnel/indextable.h"
#include "tunnel/messages.h"
#include "tunnel/replay.h"

/**
 * struct fz_keypair - the keys of one session
 * @sending_key: seals what we send
 * @birth_ns: fz_clock_now() when the session began
 * @remote_index: the receiver_index of what we send
 * @sending_valid: may be sealed with; ends early when the session is told to expire
 * @receiving_valid: may be opened with
 * @initiator: we sent the initiation, so we are the one who renews the session by age
 * @refcount: one for the place in &struct fz_keypairs, one for each bundle in flight
 * @sending_counter: next nonce; written by every sender, as @refcount is by everybody, therefore on a
 *	cache line of their own
 * @receiving_key: opens what we receive
 * @entry: finds the session by the receiver_index of what we receive. &struct fz_index_entry.peer
 *	is the peer
 * @replay: of what we receive; only the peer's receiving consumer may touch it
 * @internal_id: names the session in the log
 * @indices: where @entry is
 * @ifname: name of the device, for the log
 * @peer_id: internal id of the peer, for the log
 * @rcu: the session is freed a grace period after the last reference, with which its keys are wiped
 *
 * All but @sending_counter, @replay, @refcount and the two flags is constant once the session is
 * published.
 */
struct fz_keypair {
	u8 sending_key[FZ_KEY_LEN];
	u64 birth_ns;
	__le32 remote_index;
	bool sending_valid;
	bool receiving_valid;
	bool initiator;

	struct kref refcount ____cacheline_aligned_in_smp;
	atomic64_t sending_counter;

	u8 receiving_key[FZ_KEY_LEN] ____cacheline_aligned_in_smp;
	struct fz_index_entry entry;

	struct fz_replay replay ____cacheline_aligned_in_smp;

	u64 internal_id;
	struct fz_indextable *indices;
	const char *ifname;
	u64 peer_id;
	struct rcu_head rcu;
};

/**
 * enum fz_crossing - which of two sessions to use when both ends initiated at the same moment
 * @FZ_CROSSING_NONE: there are no two such sessions
 * @FZ_CROSSING_OURS: the one that we initiated: we stay with it
 * @FZ_CROSSING_THEIRS: the other end's, which stays with it: we follow to where we hear it
 *
 * Each end gets the session that it began and the one that the other began (see &struct
 * fz_handshake). If each kept to its own, both would renew theirs by age, at the same moment again,
 * and lose packets of a session more than there are places for. So the session with the greater
 * index of its initiator, a number that both know and nobody chose, is the one to use.
 *
 * A WireGuard that keeps one handshake at a time has one of the sessions only, or, if it read our
 * initiation late, has both and goes over to the one that it read last. Following what is heard
 * leads to the same session as it in either case, and whatever is lost or overtaken on the way.
 */
enum fz_crossing {
	FZ_CROSSING_NONE,
	FZ_CROSSING_OURS,
	FZ_CROSSING_THEIRS,
};

/**
 * struct fz_keypairs - the sessions of one peer
 * @current_keypair: what we send with
 * @previous_keypair: what came before; packets of it may still be under way
 * @next_keypair: we answered an initiation and wait for the first packet of the session (key
 *	confirmation); or the other of two sessions whose initiations crossed
 * @crossing: how @current_keypair and @next_keypair relate. Under @lock
 * @closed: the peer is being removed; no session is taken any more. Under @lock
 * @lock: for changing the three pointers, each of which owns a reference. They are read under RCU
 * @ifname: name of the device, for the log; valid as long as the peer
 * @peer_id: internal id of the peer, for the log
 */
struct fz_keypairs {
	struct fz_keypair __rcu *current_keypair;
	struct fz_keypair __rcu *previous_keypair;
	struct fz_keypair __rcu *next_keypair;
	enum fz_crossing crossing;
	bool closed;
	spinlock_t lock;
	const char *ifname;
	u64 peer_id;
};

void fz_keypairs_init(struct fz_keypairs *keypairs, const char *ifname, u64 peer_id);
void fz_keypairs_clear(struct fz_keypairs *keypairs);
void fz_keypairs_close(struct fz_keypairs *keypairs);
void fz_keypairs_expire(struct fz_keypairs *keypairs);
bool fz_keypairs_add(struct fz_keypairs *keypairs, struct fz_keypair *keypair);
bool fz_keypairs_confirm(struct fz_keypairs *keypairs, struct fz_keypair *received);

struct fz_keypair *fz_keypair_create(struct fz_keypairs *keypairs, struct fz_indextable *indices,
				     struct fz_peer *peer);
bool fz_keypair_get(struct fz_keypair *keypair);
void fz_keypair_put(struct fz_keypair *keypair);
bool fz_keypair_take_nonces(struct fz_keypair *keypair, unsigned int count, u64 *first);

/**
 * fz_keypair_may_send() - whether a session is young enough to seal with
 * @keypair: with a reference or under RCU
 *
 * Context: any.
 * Return: false when it was told to expire or is older than FZ_REJECT_AFTER_TIME seconds.
 */
static inline bool fz_keypair_may_send(const struct fz_keypair *keypair)
{
	return READ_ONCE(keypair->sending_valid) &&
	       !fz_clock_expired(keypair->birth_ns, FZ_REJECT_AFTER_TIME);
}

/**
 * fz_keypair_may_receive() - whether a session is young enough to open with
 * @keypair: with a reference or under RCU
 *
 * The nonces received are checked by fz_replay_accept().
 *
 * Context: any.
 * Return: false when it was told to expire or is older than FZ_REJECT_AFTER_TIME seconds.
 */
static inline bool fz_keypair_may_receive(const struct fz_keypair *keypair)
{
	return READ_ONCE(keypair->receiving_valid) &&
	       !fz_clock_expired(keypair->birth_ns, FZ_REJECT_AFTER_TIME);
}

/**
 * fz_keypair_sent_enough() - whether a session that was sent in just now is to be followed by another
 * @keypair: with a reference or under RCU
 *
 * By age the initiator renews it, by the number of messages whoever sent them (paper, section 6.2).
 *
 * Context: any.
 * Return: true once it is so, for as long as the session lives.
 */
static inline bool fz_keypair_sent_enough(const struct fz_keypair *keypair)
{
	return (u64)atomic64_read(&keypair->sending_counter) > FZ_REKEY_AFTER_MESSAGES ||
	       (keypair->initiator && fz_clock_expired(keypair->birth_ns, FZ_REKEY_AFTER_TIME));
}

/**
 * fz_keypair_ends_soon() - whether a session that something came in just now is about to end
 * @keypair: with a reference or under RCU
 *
 * The initiator has not sent for so long, or would have renewed it; and when it wants to, it could be
 * too late.
 *
 * Context: any.
 * Return: true if we are the initiator and less is left than it takes to miss the other end.
 */
static inline bool fz_keypair_ends_soon(const struct fz_keypair *keypair)
{
	return READ_ONCE(keypair->sending_valid) && keypair->initiator &&
	       fz_clock_expired(keypair->birth_ns, FZ_REJECT_AFTER_TIME - FZ_KEEPALIVE_TIMEOUT -
				FZ_REKEY_TIMEOUT);
}

#endif /* _FZ_TUNNEL_KEYPAIR_H */
