// SPDX-License-Identifier: GPL-2.0-only
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat/crypto.h"
#include "tunnel/clock.h"
#include "tunnel/kdf.h"
#include "tunnel/noise.h"
#include "tunnel/peer.h"
#include "tunnel/tai64n.h"

/* What the keys of one message need while it is made or read. Wiped at the end of each function. */
struct scratch {
	struct fz_transcript transcript;
	u8 key[FZ_KEY_LEN];
	u8 ephemeral_private[FZ_KEY_LEN];
	u8 ephemeral_public[FZ_KEY_LEN];
	u8 remote_static[FZ_KEY_LEN];
	u8 static_static[FZ_KEY_LEN];
	u8 psk[FZ_KEY_LEN];
	u8 timestamp[FZ_TIMESTAMP_LEN];
};

static const u8 zeros[FZ_KEY_LEN];

/**
 * fz_handshake_init() - begin with no handshake
 * @handshake: of a new peer
 * @peer: the peer
 * @identity: of the device
 * @indices: of the device
 * @public_key: the peer's
 * @psk: preshared key, NULL or zeros when there is none
 *
 * Context: any, not shared yet.
 */
void fz_handshake_init(struct fz_handshake *handshake, struct fz_peer *peer,
		       struct fz_identity *identity, struct fz_indextable *indices,
		       const u8 public_key[FZ_KEY_LEN], const u8 psk[FZ_KEY_LEN])
{
	memset(handshake, 0, sizeof(*handshake));
	init_rwsem(&handshake->lock);
	handshake->remote.peer = peer;
	memcpy(handshake->remote.public_key, public_key, FZ_KEY_LEN);
	memcpy(handshake->psk, psk ?: zeros, FZ_KEY_LEN);
	handshake->identity = identity;
	handshake->indices = indices;
}

/**
 * fz_handshake_forget_secret() - let go of the secret of the two static keys
 * @handshake: of a peer whose device has a new key
 *
 * Context: may sleep; &struct fz_identity.lock held for writing.
 */
void fz_handshake_forget_secret(struct fz_handshake *handshake)
{
	lockdep_assert_held_write(&handshake->identity->lock);

	down_write(&handshake->lock);
	memzero_explicit(handshake->static_static, FZ_KEY_LEN);
	handshake->static_known = false;
	up_write(&handshake->lock);
}

/*
 * The secret of the two static keys is worked out when it is first needed: a device may have a
 * hundred thousand peers, and a tenth of a millisecond for each is too long to wait for a key or
 * a configuration. Nobody gains work for us by it: whoever gets here has made us do as much before.
 * Both locks are held, the handshake's for writing. False when there is no secret: the peer's key
 * is of low order, and every handshake is refused.
 */
static bool static_secret(struct fz_handshake *handshake)
{
	const struct fz_identity *identity = handshake->identity;

	lockdep_assert_held(&identity->lock);
	lockdep_assert_held_write(&handshake->lock);
	if (!handshake->static_known) {
		if (!curve25519(handshake->static_static, identity->private_key,
				handshake->remote.public_key))
			memzero_explicit(handshake->static_static, FZ_KEY_LEN);
		handshake->static_known = true;
	}
	return crypto_memneq(handshake->static_static, zeros, FZ_KEY_LEN);
}

/**
 * fz_handshake_set_psk() - take another preshared key
 * @handshake: of the peer
 * @psk: preshared key, zeros for none; counts from the next response on
 *
 * Context: may sleep.
 */
void fz_handshake_set_psk(struct fz_handshake *handshake, const u8 psk[FZ_KEY_LEN])
{
	down_write(&handshake->lock);
	memcpy(handshake->psk, psk, FZ_KEY_LEN);
	up_write(&handshake->lock);
}

/**
 * fz_exchange_wipe() - wipe all that belongs to an exchange under way, but for its index
 * @exchange: the exchange
 *
 * Context: &struct fz_handshake.lock held.
 */
void fz_exchange_wipe(struct fz_exchange *exchange)
{
	memzero_explicit(&exchange->transcript, sizeof(exchange->transcript));
	memzero_explicit(exchange->ephemeral_private, FZ_KEY_LEN);
	memzero_explicit(exchange->remote_ephemeral, FZ_KEY_LEN);
	exchange->remote_index = 0;
	exchange->state = FZ_HANDSHAKE_NONE;
}

/* The exchange at @slot, made if there is none; NULL without memory. */
static struct fz_exchange *have_exchange(struct fz_handshake *handshake, struct fz_exchange **slot)
{
	struct fz_exchange *exchange = *slot;

	lockdep_assert_held_write(&handshake->lock);
	if (exchange)
		return exchange;
	exchange = kzalloc(sizeof(*exchange), GFP_KERNEL);
	if (!exchange)
		return NULL;
	exchange->handshake = handshake;
	exchange->entry.type = slot == &handshake->ours ? FZ_INDEX_HANDSHAKE : FZ_INDEX_ANSWER;
	exchange->entry.peer = handshake->remote.peer;
	*slot = exchange;
	return exchange;
}

/* Ends the exchange at @slot, if there is one. */
static void end_exchange(struct fz_handshake *handshake, struct fz_exchange **slot)
{
	struct fz_exchange *exchange = *slot;

	lockdep_assert_held_write(&handshake->lock);
	if (!exchange)
		return;
	*slot = NULL;
	fz_indextable_remove(handshake->indices, &exchange->entry);
	fz_exchange_wipe(exchange);
	kfree_rcu(exchange, rcu);
}

/* Gives up what is under way. */
static void abandon(struct fz_handshake *handshake)
{
	end_exchange(handshake, &handshake->ours);
	end_exchange(handshake, &handshake->theirs);
}

/**
 * fz_handshake_clear() - give up a handshake under way
 * @handshake: of the peer
 *
 * Timestamps and keys that are not of one handshake stay.
 *
 * Context: may sleep.
 */
void fz_handshake_clear(struct fz_handshake *handshake)
{
	down_write(&handshake->lock);
	abandon(handshake);
	up_write(&handshake->lock);
}

/**
 * fz_handshake_close() - give up a handshake under way, and begin none any more
 * @handshake: of a peer that is being removed
 *
 * Context: may sleep.
 */
void fz_handshake_close(struct fz_handshake *handshake)
{
	down_write(&handshake->lock);
	handshake->closed = true;
	abandon(handshake);
	memzero_explicit(handshake->static_static, FZ_KEY_LEN);
	memzero_explicit(handshake->psk, FZ_KEY_LEN);
	up_write(&handshake->lock);
}

static bool make_ephemeral(struct scratch *scratch)
{
	curve25519_generate_secret(scratch->ephemeral_private);
	return curve25519_generate_public(scratch->ephemeral_public, scratch->ephemeral_private);
}

/* Both locks are held. Fills in all of the message but the index and the MACs. */
static int write_initiation(struct fz_message_initiation *msg, struct fz_handshake *handshake,
			    struct scratch *s)
{
	const struct fz_identity *identity = handshake->identity;

	if (handshake->closed)
		return -ESHUTDOWN;
	if (!identity->present)
		return -ENOKEY;
	if (!static_secret(handshake) || !make_ephemeral(s))
		return -EKEYREJECTED;

	msg->header.type = cpu_to_le32(FZ_MESSAGE_INITIATION);
	fz_transcript_begin(&s->transcript, handshake->remote.public_key);
	/* e */
	memcpy(msg->ephemeral, s->ephemeral_public, FZ_KEY_LEN);
	fz_transcript_mix_ephemeral(&s->transcript, msg->ephemeral);
	/* es */
	if (!fz_transcript_mix_dh(&s->transcript, s->key, s->ephemeral_private,
				  handshake->remote.public_key))
		return -EKEYREJECTED;
	/* s */
	fz_transcript_seal(&s->transcript, msg->sealed_static, identity->public_key, FZ_KEY_LEN,
			   s->key);
	/* ss */
	fz_transcript_mix(&s->transcript, s->key, handshake->static_static);
	fz_tai64n_now(s->timestamp);
	fz_transcript_seal(&s->transcript, msg->sealed_timestamp, s->timestamp, FZ_TIMESTAMP_LEN,
			   s->key);
	return 0;
}

/* What ends the making of either message: gives it an index and remembers the rest. */
static int commit_created(struct fz_handshake *handshake, struct fz_exchange **slot,
			  const struct scratch *s, enum fz_handshake_state state,
			  __le32 *sender_index)
{
	struct fz_exchange *exchange = have_exchange(handshake, slot);
	int err = exchange ? fz_indextable_insert(handshake->indices, &exchange->entry) : -ENOMEM;

	if (err) {
		end_exchange(handshake, slot);
		return err;
	}
	*sender_index = exchange->entry.index;
	exchange->transcript = s->transcript;
	memcpy(exchange->ephemeral_private, s->ephemeral_private, FZ_KEY_LEN);
	exchange->state = state;
	return 0;
}

/**
 * fz_handshake_create_initiation() - begin a handshake (paper, section 5.4.2)
 * @msg: takes the message; fz_cookie_add_macs() has to follow
 * @handshake: of the peer; what we had begun before is forgotten, what the peer began is not
 *
 * Context: may sleep.
 * Return: 0; -ENOKEY when the device has no private key, -EKEYREJECTED when the peer's public key
 *	is of low order, -ESHUTDOWN when the peer is being removed, -ENOMEM and the like when there
 *	is no room for an index.
 */
int fz_handshake_create_initiation(struct fz_message_initiation *msg,
				   struct fz_handshake *handshake)
{
	struct scratch s;
	int err;

	/* Not with the locks held: early after boot this takes a while. */
	err = wait_for_random_bytes();
	if (err)
		return err;

	down_read(&handshake->identity->lock);
	down_write(&handshake->lock);
	err = write_initiation(msg, handshake, &s);
	if (!err)
		err = commit_created(handshake, &handshake->ours, &s,
				     FZ_HANDSHAKE_CREATED_INITIATION, &msg->sender_index);
	up_write(&handshake->lock);
	up_read(&handshake->identity->lock);
	memzero_explicit(&s, sizeof(s));
	return err;
}

/* The identity's lock is held for reading. Learns who speaks, in s->remote_static. */
static bool read_initiation_static(const struct fz_message_initiation *msg,
				   const struct fz_identity *identity, struct scratch *s)
{
	fz_transcript_begin(&s->transcript, identity->public_key);
	/* e */
	fz_transcript_mix_ephemeral(&s->transcript, msg->ephemeral);
	/* es */
	if (!fz_transcript_mix_dh(&s->transcript, s->key, identity->private_key, msg->ephemeral))
		return false;
	/* s */
	return fz_transcript_open(&s->transcript, s->remote_static, msg->sealed_static,
				  sizeof(msg->sealed_static), s->key);
}

/* The identity's lock is held for reading. Authenticates the rest, with the peer it names. */
static bool read_initiation_timestamp(const struct fz_message_initiation *msg,
				      struct fz_handshake *handshake, struct scratch *s)
{
	bool known;

	/* It only changes with the identity, whose lock is held: no need to look again later. */
	down_write(&handshake->lock);
	known = !handshake->closed && static_secret(handshake);
	memcpy(s->static_static, handshake->static_static, FZ_KEY_LEN);
	up_write(&handshake->lock);
	if (!known)
		return false;

	/* ss */
	fz_transcript_mix(&s->transcript, s->key, s->static_static);
	return fz_transcript_open(&s->transcript, s->timestamp, msg->sealed_timestamp,
				  sizeof(msg->sealed_timestamp), s->key);
}

/* The message is authentic. Takes it over if it is not a replay and does not come too soon. */
static bool commit_initiation(const struct fz_message_initiation *msg,
			      struct fz_handshake *handshake, const struct scratch *s)
{
	const u64 interval_ns = NSEC_PER_SEC / FZ_INITIATIONS_PER_SECOND;
	struct fz_exchange *theirs = NULL;
	u64 now = fz_clock_now();

	down_write(&handshake->lock);
	if (!handshake->closed &&
	    fz_tai64n_after(s->timestamp, handshake->latest_timestamp) &&
	    handshake->latest_initiation_ns + interval_ns <= now)
		theirs = have_exchange(handshake, &handshake->theirs);
	if (theirs) {
		memcpy(handshake->latest_timestamp, s->timestamp, FZ_TIMESTAMP_LEN);
		handshake->latest_initiation_ns = now;
		memcpy(theirs->remote_ephemeral, msg->ephemeral, FZ_KEY_LEN);
		theirs->remote_index = msg->sender_index;
		theirs->transcript = s->transcript;
		theirs->state = FZ_HANDSHAKE_CONSUMED_INITIATION;
	}
	up_write(&handshake->lock);
	return theirs;
}

/**
 * fz_handshake_consume_initiation() - somebody begins a handshake (paper, section 5.4.2)
 * @msg: as received; its MACs are checked already (fz_cookie_check())
 * @identity: of the device
 * @peers: of the device
 *
 * Context: may sleep.
 * Return: the peer, with a reference for the caller (fz_peer_put()), which can be answered now;
 *	NULL when the message is refused: it is not authentic, is nobody's we know, was seen before,
 *	or comes sooner after the one before than FZ_INITIATIONS_PER_SECOND allows; or there is no
 *	memory for it.
 */
struct fz_peer *fz_handshake_consume_initiation(const struct fz_message_initiation *msg,
						struct fz_identity *identity,
						struct fz_peertable *peers)
{
	struct fz_peertable_entry *entry;
	struct fz_handshake *handshake;
	struct fz_peer *peer = NULL;
	bool accepted = false;
	struct scratch s;

	down_read(&identity->lock);
	if (!identity->present || !read_initiation_static(msg, identity, &s))
		goto out;

	rcu_read_lock();
	entry = fz_peertable_find(peers, s.remote_static);
	if (entry)
		peer = fz_peer_get_maybe_zero(entry->peer);
	rcu_read_unlock();
	if (!peer)
		goto out;

	handshake = container_of(entry, struct fz_handshake, remote);
	accepted = read_initiation_timestamp(msg, handshake, &s) &&
		   commit_initiation(msg, handshake, &s);
out:
	up_read(&identity->lock);
	memzero_explicit(&s, sizeof(s));
	if (accepted)
		return peer;
	fz_peer_put(peer);
	return NULL;
}

/* Both locks are held. Fills in all of the message but our index and the MACs. */
static int write_response(struct fz_message_response *msg, struct fz_handshake *handshake,
			  struct scratch *s)
{
	const struct fz_exchange *exchange = handshake->theirs;

	if (handshake->closed)
		return -ESHUTDOWN;
	if (!exchange || exchange->state != FZ_HANDSHAKE_CONSUMED_INITIATION)
		return -EPROTO;
	if (!make_ephemeral(s))
		return -EKEYREJECTED;

	s->transcript = exchange->transcript;
	msg->header.type = cpu_to_le32(FZ_MESSAGE_RESPONSE);
	msg->receiver_index = exchange->remote_index;
	/* e */
	memcpy(msg->ephemeral, s->ephemeral_public, FZ_KEY_LEN);
	fz_transcript_mix_ephemeral(&s->transcript, msg->ephemeral);
	/* ee, se */
	if (!fz_transcript_mix_dh(&s->transcript, NULL, s->ephemeral_private,
				  exchange->remote_ephemeral) ||
	    !fz_transcript_mix_dh(&s->transcript, NULL, s->ephemeral_private,
				  handshake->remote.public_key))
		return -EKEYREJECTED;
	/* psk */
	fz_transcript_mix_psk(&s->transcript, s->key, handshake->psk);
	fz_transcript_seal(&s->transcript, msg->sealed_nothing, NULL, 0, s->key);
	return 0;
}

/**
 * fz_handshake_create_response() - answer an initiation (paper, section 5.4.3)
 * @msg: takes the message; fz_cookie_add_macs() has to follow
 * @handshake: of the peer that fz_handshake_consume_initiation() found
 *
 * Context: may sleep.
 * Return: 0, fz_handshake_begin_session() may follow; -EPROTO when there is no initiation to answer
 *	any more, -EKEYREJECTED when a key of the other end is of low order, -ESHUTDOWN when the
 *	peer is being removed, -ENOMEM and the like when there is no room for an index.
 */
int fz_handshake_create_response(struct fz_message_response *msg, struct fz_handshake *handshake)
{
	struct scratch s;
	int err;

	err = wait_for_random_bytes();
	if (err)
		return err;

	down_read(&handshake->identity->lock);
	down_write(&handshake->lock);
	err = write_response(msg, handshake, &s);
	if (!err)
		err = commit_created(handshake, &handshake->theirs, &s,
				     FZ_HANDSHAKE_CREATED_RESPONSE, &msg->sender_index);
	up_write(&handshake->lock);
	up_read(&handshake->identity->lock);
	memzero_explicit(&s, sizeof(s));
	return err;
}

/* Whether the message answers the initiation that the handshake is waiting on. Lock held. */
static bool awaits(const struct fz_handshake *handshake, const struct fz_message_response *msg)
{
	const struct fz_exchange *ours = handshake->ours;

	return ours && ours->state == FZ_HANDSHAKE_CREATED_INITIATION &&
	       ours->entry.index == msg->receiver_index;
}

/* The identity's lock is held for reading. */
static bool read_response(const struct fz_message_response *msg, const struct fz_identity *identity,
			  struct fz_handshake *handshake, struct scratch *s)
{
	bool awaited;

	down_read(&handshake->lock);
	awaited = awaits(handshake, msg);
	if (awaited) {
		s->transcript = handshake->ours->transcript;
		memcpy(s->ephemeral_private, handshake->ours->ephemeral_private, FZ_KEY_LEN);
		memcpy(s->psk, handshake->psk, FZ_KEY_LEN);
	}
	up_read(&handshake->lock);
	if (!awaited)
		return false;

	/* e */
	fz_transcript_mix_ephemeral(&s->transcript, msg->ephemeral);
	/* ee, se */
	if (!fz_transcript_mix_dh(&s->transcript, NULL, s->ephemeral_private, msg->ephemeral) ||
	    !fz_transcript_mix_dh(&s->transcript, NULL, identity->private_key, msg->ephemeral))
		return false;
	/* psk */
	fz_transcript_mix_psk(&s->transcript, s->key, s->psk);
	return fz_transcript_open(&s->transcript, NULL, msg->sealed_nothing,
				  sizeof(msg->sealed_nothing), s->key);
}

/* The message is authentic. Takes it over if the handshake still waits for it. */
static bool commit_response(const struct fz_message_response *msg, struct fz_handshake *handshake,
			    const struct scratch *s)
{
	bool awaited;

	down_write(&handshake->lock);
	awaited = awaits(handshake, msg);
	if (awaited) {
		memcpy(handshake->ours->remote_ephemeral, msg->ephemeral, FZ_KEY_LEN);
		handshake->ours->remote_index = msg->sender_index;
		handshake->ours->transcript = s->transcript;
		handshake->ours->state = FZ_HANDSHAKE_CONSUMED_RESPONSE;
	}
	up_write(&handshake->lock);
	return awaited;
}

/**
 * fz_handshake_consume_response() - our initiation is answered (paper, section 5.4.3)
 * @msg: as received; its MACs are checked already (fz_cookie_check())
 * @identity: of the device
 * @indices: of the device
 *
 * Context: may sleep.
 * Return: the peer, with a reference for the caller (fz_peer_put()), for whom
 *	fz_handshake_begin_session() may follow; NULL when the message is refused: it is not
 *	authentic or answers no initiation that we wait on.
 */
struct fz_peer *fz_handshake_consume_response(const struct fz_message_response *msg,
					      struct fz_identity *identity,
					      struct fz_indextable *indices)
{
	struct fz_handshake *handshake = NULL;
	struct fz_index_entry *entry;
	struct fz_peer *peer = NULL;
	bool accepted = false;
	struct scratch s;

	down_read(&identity->lock);
	if (!identity->present)
		goto out;

	rcu_read_lock();
	entry = fz_indextable_find(indices, msg->receiver_index);
	if (entry && entry->type == FZ_INDEX_HANDSHAKE) {
		peer = fz_peer_get_maybe_zero(entry->peer);
		handshake = container_of(entry, struct fz_exchange, entry)->handshake;
	}
	rcu_read_unlock();
	if (!peer)
		goto out;

	accepted = read_response(msg, identity, handshake, &s) &&
		   commit_response(msg, handshake, &s);
out:
	up_read(&identity->lock);
	memzero_explicit(&s, sizeof(s));
	if (accepted)
		return peer;
	fz_peer_put(peer);
	return NULL;
}

/* Turns a finished exchange into keys. The handshake's lock is held. */
static int finish(struct fz_handshake *handshake, struct fz_keypair *keypair, bool initiator)
{
	struct fz_exchange **slot = initiator ? &handshake->ours : &handshake->theirs;
	struct fz_exchange *exchange = *slot;
	bool replaced;
	u8 *by_initiator, *by_responder;

	if (handshake->closed)
		return -ESHUTDOWN;
	if (!exchange || exchange->state != (initiator ? FZ_HANDSHAKE_CONSUMED_RESPONSE :
							 FZ_HANDSHAKE_CREATED_RESPONSE))
		return -EPROTO;

	keypair->initiator = initiator;
	by_initiator = keypair->initiator ? keypair->sending_key : keypair->receiving_key;
	by_responder = keypair->initiator ? keypair->receiving_key : keypair->sending_key;
	fz_kdf(exchange->transcript.chaining_key, NULL, 0, by_initiator, by_responder, NULL);
	keypair->remote_index = exchange->remote_index;
	keypair->birth_ns = fz_clock_now();
	keypair->sending_valid = true;
	keypair->receiving_valid = true;
	/* From here on, what is received for our index is for the session. */
	replaced = fz_indextable_replace(handshake->indices, &exchange->entry, &keypair->entry);
	end_exchange(handshake, slot);
	return replaced ? 0 : -ENOENT;
}

/**
 * fz_handshake_begin_session() - make a session of a finished handshake (paper, section 5.4.5)
 * @handshake: of the peer; nothing of the finished exchange is left afterwards
 * @keypairs: of the peer
 * @initiator: whether the exchange that we began is meant, or the peer's
 *
 * The initiator can send in the session at once, the responder when the initiator has.
 *
 * Context: may sleep.
 * Return: 0; -EPROTO when the handshake is not finished, or no longer; -ESHUTDOWN when the peer is
 *	being removed; -ENOENT when the index has gone; -ENOMEM.
 */
int fz_handshake_begin_session(struct fz_handshake *handshake, struct fz_keypairs *keypairs,
			       bool initiator)
{
	struct fz_keypair *keypair;
	int err;

	keypair = fz_keypair_create(keypairs, handshake->indices, handshake->remote.peer);
	if (unlikely(!keypair))
		return -ENOMEM;

	down_write(&handshake->lock);
	err = finish(handshake, keypair, initiator);
	if (err)
		fz_keypair_put(keypair);
	else if (!fz_keypairs_add(keypairs, keypair))
		err = -ESHUTDOWN;
	up_write(&handshake->lock);
	return err;
}
