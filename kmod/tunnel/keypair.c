// SPDX-License-Identifier: GPL-2.0-only
#include <linux/net.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "tunnel/keypair.h"

static atomic64_t last_internal_id = ATOMIC64_INIT(0);

/**
 * fz_keypairs_init() - begin with no session
 * @keypairs: to set up
 * @ifname: name of the device, for the log; has to stay as long as any session of the peer
 * @peer_id: the peer's name in the log
 *
 * Context: any, not shared yet.
 */
void fz_keypairs_init(struct fz_keypairs *keypairs, const char *ifname, u64 peer_id)
{
	RCU_INIT_POINTER(keypairs->current_keypair, NULL);
	RCU_INIT_POINTER(keypairs->previous_keypair, NULL);
	RCU_INIT_POINTER(keypairs->next_keypair, NULL);
	keypairs->crossing = FZ_CROSSING_NONE;
	keypairs->closed = false;
	spin_lock_init(&keypairs->lock);
	keypairs->ifname = ifname;
	keypairs->peer_id = peer_id;
}

/**
 * fz_keypair_create() - make room for a session
 * @keypairs: of the peer
 * @indices: of the device
 * @peer: whose session it will be
 *
 * The caller fills in the keys and the remote index, gives it an index of its own, and hands it to
 * fz_keypairs_add().
 *
 * Context: may sleep.
 * Return: a session with one reference, which is the caller's; NULL without memory.
 */
struct fz_keypair *fz_keypair_create(struct fz_keypairs *keypairs, struct fz_indextable *indices,
				     struct fz_peer *peer)
{
	struct fz_keypair *keypair = kzalloc(sizeof(*keypair), GFP_KERNEL);

	if (unlikely(!keypair))
		return NULL;
	keypair->internal_id = atomic64_inc_return(&last_internal_id);
	keypair->entry.type = FZ_INDEX_KEYPAIR;
	keypair->entry.peer = peer;
	keypair->indices = indices;
	keypair->ifname = keypairs->ifname;
	keypair->peer_id = keypairs->peer_id;
	atomic64_set(&keypair->sending_counter, 0);
	fz_replay_init(&keypair->replay);
	kref_init(&keypair->refcount);
	net_dbg_ratelimited("%s: Keypair %llu created for peer %llu\n", keypair->ifname,
			    keypair->internal_id, keypair->peer_id);
	return keypair;
}

static void free_rcu(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct fz_keypair, rcu));
}

static void release(struct kref *refcount)
{
	struct fz_keypair *keypair = container_of(refcount, struct fz_keypair, refcount);

	net_dbg_ratelimited("%s: Keypair %llu destroyed for peer %llu\n", keypair->ifname,
			    keypair->internal_id, keypair->peer_id);
	fz_indextable_remove(keypair->indices, &keypair->entry);
	/* Who still looks at it under RCU does not use the keys. */
	memzero_explicit(keypair->sending_key, sizeof(keypair->sending_key));
	memzero_explicit(keypair->receiving_key, sizeof(keypair->receiving_key));
	call_rcu(&keypair->rcu, free_rcu);
}

/**
 * fz_keypair_get() - take a reference, if the session is still alive
 * @keypair: found under RCU, or NULL
 *
 * Context: under RCU.
 * Return: true when the caller has a reference now.
 */
bool fz_keypair_get(struct fz_keypair *keypair)
{
	RCU_LOCKDEP_WARN(!rcu_read_lock_held() && !rcu_read_lock_bh_held(),
			 "a session is looked at outside of RCU");
	return keypair && kref_get_unless_zero(&keypair->refcount);
}

/**
 * fz_keypair_put() - give a reference back
 * @keypair: or NULL
 *
 * With the last one the session can no longer be found, and its keys are wiped. The rest of it stays
 * for a grace period.
 *
 * Context: any but hard interrupts.
 */
void fz_keypair_put(struct fz_keypair *keypair)
{
	if (keypair)
		kref_put(&keypair->refcount, release);
}

/**
 * fz_keypair_take_nonces() - set nonces aside for a bundle
 * @keypair: to seal with; the caller has a reference
 * @count: how many
 * @first: takes the first; the others follow it
 *
 * A nonce is given out once, whoever asks at the same time. Those that are taken when too few are
 * left are never used.
 *
 * Context: any.
 * Return: false when the key has been used as often as it may be (FZ_REJECT_AFTER_MESSAGES): the
 *	session is over for sending.
 */
bool fz_keypair_take_nonces(struct fz_keypair *keypair, unsigned int count, u64 *first)
{
	u64 end;

	/* Looked at before it moves, so that retries never carry an exhausted key past 2^64. */
	if (unlikely((u64)atomic64_read(&keypair->sending_counter) >= FZ_REJECT_AFTER_MESSAGES))
		goto exhausted;
	end = atomic64_add_return(count, &keypair->sending_counter);
	if (unlikely(end > FZ_REJECT_AFTER_MESSAGES || end < count))
		goto exhausted;
	*first = end - count;
	return true;

exhausted:
	WRITE_ONCE(keypair->sending_valid, false);
	return false;
}

static struct fz_keypair *at(struct fz_keypairs *keypairs, struct fz_keypair __rcu *place)
{
	return rcu_dereference_protected(place, lockdep_is_held(&keypairs->lock));
}

/* Each session keeps its reference wherever it goes; the caller drops those that go nowhere. */
static void arrange(struct fz_keypairs *keypairs, struct fz_keypair *current_keypair,
		    struct fz_keypair *previous, struct fz_keypair *next)
{
	lockdep_assert_held(&keypairs->lock);
	rcu_assign_pointer(keypairs->current_keypair, current_keypair);
	rcu_assign_pointer(keypairs->previous_keypair, previous);
	rcu_assign_pointer(keypairs->next_keypair, next);
}

/*
 * Whether @theirs began while our initiation was under way, which led to @ours just now. If it did
 * not, it is older than FZ_REKEY_TIMEOUT: so long we do not initiate after an answer, unless the
 * sessions of before were told to expire. An initiation that comes after @ours began, as from an
 * end that has lost its keys, does not count as crossing: its session is taken like any other.
 */
static enum fz_crossing compare(const struct fz_keypair *theirs, const struct fz_keypair *ours)
{
	if (!theirs || theirs->initiator || !READ_ONCE(theirs->sending_valid) ||
	    fz_clock_expired(theirs->birth_ns, FZ_REKEY_TIMEOUT))
		return FZ_CROSSING_NONE;
	return le32_to_cpu(theirs->remote_index) > le32_to_cpu(ours->entry.index) ?
		       FZ_CROSSING_THEIRS : FZ_CROSSING_OURS;
}

/* The responder has the keys, as it answered. */
static void add_ours(struct fz_keypairs *keypairs, struct fz_keypair *ours)
{
	struct fz_keypair *current_keypair = at(keypairs, keypairs->current_keypair);
	struct fz_keypair *previous = at(keypairs, keypairs->previous_keypair);
	struct fz_keypair *next = at(keypairs, keypairs->next_keypair);
	bool unconfirmed = next && keypairs->crossing == FZ_CROSSING_NONE;
	/*
	 * What the other end sends in. A next session that was never confirmed may be in use there:
	 * it comes before the current one.
	 */
	struct fz_keypair *theirs = unconfirmed ? next : current_keypair;

	keypairs->crossing = compare(theirs, ours);
	if (keypairs->crossing == FZ_CROSSING_NONE) {
		arrange(keypairs, ours, theirs, NULL);
		fz_keypair_put(unconfirmed ? current_keypair : next);
		fz_keypair_put(previous);
	} else if (unconfirmed) {
		/* Until something comes in it, what is under way is of the current one. */
		arrange(keypairs, ours, current_keypair, theirs);
		fz_keypair_put(previous);
	} else {
		arrange(keypairs, ours, previous, theirs);
		fz_keypair_put(next);
	}
}

/* One unconfirmed session beside the current one is enough. */
static void add_theirs(struct fz_keypairs *keypairs, struct fz_keypair *theirs)
{
	struct fz_keypair *previous = at(keypairs, keypairs->previous_keypair);
	struct fz_keypair *next = at(keypairs, keypairs->next_keypair);

	keypairs->crossing = FZ_CROSSING_NONE;
	arrange(keypairs, at(keypairs, keypairs->current_keypair), NULL, theirs);
	fz_keypair_put(previous);
	fz_keypair_put(next);
}

/**
 * fz_keypairs_add() - begin to use a session
 * @keypairs: of the peer
 * @keypair: ready for use; the caller's reference is taken over, whatever is returned
 *
 * The initiator knows that the responder has the keys, and sends with them at once. The responder
 * knows it only when a first packet comes (paper, section 5.4.5 and 6.3): until then the session is
 * the next one, see fz_keypairs_confirm().
 *
 * Context: process context, BH on.
 * Return: false when the peer is being removed; the session is gone then.
 */
bool fz_keypairs_add(struct fz_keypairs *keypairs, struct fz_keypair *keypair)
{
	bool closed;

	spin_lock_bh(&keypairs->lock);
	closed = keypairs->closed;
	if (closed)
		fz_keypair_put(keypair);
	else if (keypair->initiator)
		add_ours(keypairs, keypair);
	else
		add_theirs(keypairs, keypair);
	spin_unlock_bh(&keypairs->lock);
	return !closed;
}

/* Something came in the next session. Returns whether the current one changed. */
static bool confirm_next(struct fz_keypairs *keypairs)
{
	struct fz_keypair *current_keypair = at(keypairs, keypairs->current_keypair);
	struct fz_keypair *previous = at(keypairs, keypairs->previous_keypair);
	struct fz_keypair *next = at(keypairs, keypairs->next_keypair);

	switch (keypairs->crossing) {
	case FZ_CROSSING_NONE:
		arrange(keypairs, next, current_keypair, NULL);
		fz_keypair_put(previous);
		return true;
	case FZ_CROSSING_OURS:
		/* Sent before the other end heard of ours. */
		return false;
	case FZ_CROSSING_THEIRS:
		arrange(keypairs, next, previous, current_keypair);
		return true;
	}
	return false;
}

/**
 * fz_keypairs_confirm() - a packet was authenticated with a session
 * @keypairs: of the peer
 * @received: the session; the caller has a reference
 *
 * If it is the next one, the other end has proved that it has the keys: it becomes the current one,
 * unless it is the one to be given up of two whose initiations crossed.
 *
 * Context: softirq or process context.
 * Return: true when the current session changed: what waits for a session can be sent now.
 */
bool fz_keypairs_confirm(struct fz_keypairs *keypairs, struct fz_keypair *received)
{
	bool changed;

	/* Nearly every packet ends here. The pointer is compared, never followed. */
	if (likely(received != rcu_access_pointer(keypairs->next_keypair)))
		return false;

	spin_lock_bh(&keypairs->lock);
	changed = received == rcu_access_pointer(keypairs->next_keypair) && confirm_next(keypairs);
	spin_unlock_bh(&keypairs->lock);
	return changed;
}

/**
 * fz_keypairs_clear() - forget all sessions
 * @keypairs: of the peer
 *
 * The keys are wiped when the last bundle that uses them is through.
 *
 * Context: any but hard interrupts.
 */
void fz_keypairs_clear(struct fz_keypairs *keypairs)
{
	struct fz_keypair *current_keypair, *previous, *next;

	spin_lock_bh(&keypairs->lock);
	current_keypair = at(keypairs, keypairs->current_keypair);
	previous = at(keypairs, keypairs->previous_keypair);
	next = at(keypairs, keypairs->next_keypair);
	keypairs->crossing = FZ_CROSSING_NONE;
	arrange(keypairs, NULL, NULL, NULL);
	spin_unlock_bh(&keypairs->lock);
	fz_keypair_put(current_keypair);
	fz_keypair_put(previous);
	fz_keypair_put(next);
}

/**
 * fz_keypairs_close() - forget all sessions, and take no new one
 * @keypairs: of a peer that is being removed
 *
 * Context: any but hard interrupts.
 */
void fz_keypairs_close(struct fz_keypairs *keypairs)
{
	spin_lock_bh(&keypairs->lock);
	keypairs->closed = true;
	spin_unlock_bh(&keypairs->lock);
	fz_keypairs_clear(keypairs);
}

static void stop_sending(struct fz_keypair *keypair)
{
	if (keypair)
		WRITE_ONCE(keypair->sending_valid, false);
}

/**
 * fz_keypairs_expire() - send nothing more in the sessions of now
 * @keypairs: of the peer
 *
 * What was sent to us in them can still be received. For a new identity, and for a machine that was
 * duplicated with its memory: both copies would use the same nonces.
 *
 * Context: any but hard interrupts.
 */
void fz_keypairs_expire(struct fz_keypairs *keypairs)
{
	spin_lock_bh(&keypairs->lock);
	stop_sending(at(keypairs, keypairs->current_keypair));
	stop_sending(at(keypairs, keypairs->next_keypair));
	spin_unlock_bh(&keypairs->lock);
}
