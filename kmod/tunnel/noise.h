/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s: the handshake (paper, section 5.4; Noise specification,
 * revision 34).
 *
 * Order of locks: &struct fz_identity.lock, then &struct fz_handshake.lock, then &struct
 * fz_keypairs.lock.
 */
#ifndef _FZ_TUNNEL_NOISE_H
#define _FZ_TUNNEL_NOISE_H

#include <linux/rwsem.h>
#include <linux/types.h>

#include "tunnel/identity.h"
#include "tunnel/indextable.h"
#include "tunnel/keypair.h"
#include "tunnel/messages.h"
#include "tunnel/peertable.h"
#include "tunnel/transcript.h"

/**
 * enum fz_handshake_state - how far a peer's handshake has come
 * @FZ_HANDSHAKE_NONE: none under way; the transcript is wiped
 * @FZ_HANDSHAKE_CREATED_INITIATION: initiator, waiting for a response
 * @FZ_HANDSHAKE_CONSUMED_INITIATION: responder, about to respond
 * @FZ_HANDSHAKE_CREATED_RESPONSE: responder, about to begin the session
 * @FZ_HANDSHAKE_CONSUMED_RESPONSE: initiator, about to begin the session
 */
enum fz_handshake_state {
	FZ_HANDSHAKE_NONE,
	FZ_HANDSHAKE_CREATED_INITIATION,
	FZ_HANDSHAKE_CONSUMED_INITIATION,
	FZ_HANDSHAKE_CREATED_RESPONSE,
	FZ_HANDSHAKE_CONSUMED_RESPONSE,
};

/**
 * struct fz_exchange - one pair of messages, and what is known of it so far; only there while it lasts
 * @state: how far it has come
 * @transcript: so far
 * @ephemeral_private: ours, from the message we created
 * @remote_ephemeral: theirs, from the message we consumed
 * @remote_index: what they call themselves
 * @entry: finds this exchange by the index that we gave the other end
 * @handshake: whose it is; never changes
 * @rcu: frees it, after its secrets were wiped
 */
struct fz_exchange {
	enum fz_handshake_state state;
	struct fz_transcript transcript;
	u8 ephemeral_private[FZ_KEY_LEN];
	u8 remote_ephemeral[FZ_KEY_LEN];
	__le32 remote_index;
	struct fz_index_entry entry;
	struct fz_handshake *handshake;
	struct rcu_head rcu;
};

/**
 * struct fz_handshake - a peer's side of the handshake; &struct fz_peer has one
 * @lock: protects everything below but the constants @remote, @identity and @indices
 * @ours: the exchange that we began, NULL if there is none
 * @theirs: the exchange that the peer began, NULL if there is none
 * @static_static: the shared secret of both static keys; zeros when there is none, as with a
 *	low-order key
 * @psk: preshared key; zeros when there is none
 * @latest_timestamp: the greatest of an initiation accepted; a restart of the handshake does not
 *	forget it
 * @closed: the peer is being removed; nothing is made or accepted any more
 * @static_known: @static_static was worked out under the device's key of now
 * @latest_initiation_ns: fz_clock_now() when the last initiation was accepted
 * @remote: the peer's public key, and how the device finds the peer by it
 * @identity: of the device
 * @indices: of the device
 *
 * The exchanges are apart because two ends behind firewalls begin at the same moment, on purpose:
 * with one for both, each end would forget its own initiation when it answers the other's, refuse
 * the answer to it, and try again five seconds later. So each end gets two sessions, and what
 * either sends in the one that it began can be read; &enum fz_crossing says which one stays.
 */
struct fz_handshake {
	struct rw_semaphore lock;
	struct fz_exchange *ours;
	struct fz_exchange *theirs;
	u8 static_static[FZ_KEY_LEN];
	u8 psk[FZ_KEY_LEN];
	u8 latest_timestamp[FZ_TIMESTAMP_LEN];
	bool closed;
	bool static_known;
	u64 latest_initiation_ns;
	struct fz_peertable_entry remote;
	struct fz_identity *identity;
	struct fz_indextable *indices;
};

void fz_handshake_init(struct fz_handshake *handshake, struct fz_peer *peer,
		       struct fz_identity *identity, struct fz_indextable *indices,
		       const u8 public_key[FZ_KEY_LEN], const u8 psk[FZ_KEY_LEN]);
void fz_exchange_wipe(struct fz_exchange *exchange);
void fz_handshake_forget_secret(struct fz_handshake *handshake);
void fz_handshake_set_psk(struct fz_handshake *handshake, const u8 psk[FZ_KEY_LEN]);
void fz_handshake_clear(struct fz_handshake *handshake);
void fz_handshake_close(struct fz_handshake *handshake);

int fz_handshake_create_initiation(struct fz_message_initiation *msg,
				   struct fz_handshake *handshake);
struct fz_peer *fz_handshake_consume_initiation(const struct fz_message_initiation *msg,
						struct fz_identity *identity,
						struct fz_peertable *peers);
int fz_handshake_create_response(struct fz_message_response *msg, struct fz_handshake *handshake);
struct fz_peer *fz_handshake_consume_response(const struct fz_message_response *msg,
					      struct fz_identity *identity,
					      struct fz_indextable *indices);
int fz_handshake_begin_session(struct fz_handshake *handshake, struct fz_keypairs *keypairs,
			       bool initiator);

#endif /* _FZ_TUNNEL_NOISE_H */
