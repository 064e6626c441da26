/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every byte that the tunnel puts on the wire, and the numbers of the protocol.
 *
 * The layouts are those of the WireGuard paper, section 5.4: all integers little endian, every
 * field at its natural alignment, so that no structure is packed. The type is one byte followed by
 * three zero bytes; read as a 32-bit little endian number, one comparison checks the four of them.
 */
#ifndef _FZ_TUNNEL_MESSAGES_H
#define _FZ_TUNNEL_MESSAGES_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/param.h>
#include <linux/stddef.h>
#include <linux/types.h>

/* Sizes of what the primitives take and give, in bytes. */
#define FZ_KEY_LEN		32	/* Curve25519, ChaCha20Poly1305, preshared */
#define FZ_HASH_LEN		32	/* BLAKE2s */
#define FZ_AUTHTAG_LEN		16	/* Poly1305 */
#define FZ_TIMESTAMP_LEN	12	/* TAI64N */
#define FZ_MAC_LEN		16	/* keyed BLAKE2s for MAC1 and MAC2 */
#define FZ_COOKIE_LEN		16
#define FZ_COOKIE_NONCE_LEN	24	/* XChaCha20Poly1305 */

/* Length of @len bytes once encrypted. */
#define FZ_SEALED_LEN(len)	((len) + FZ_AUTHTAG_LEN)

/*
 * How many messages a key may protect (paper, section 6.1), less the window of late packets.
 */
#define FZ_REPLAY_WINDOW_BITS		8192
#define FZ_REPLAY_WINDOW		(FZ_REPLAY_WINDOW_BITS - BITS_PER_LONG)
#define FZ_REKEY_AFTER_MESSAGES		BIT_ULL(60)
#define FZ_REJECT_AFTER_MESSAGES	(U64_MAX - FZ_REPLAY_WINDOW - 1)

/* How long, in seconds. */
#define FZ_REKEY_TIMEOUT		5
#define FZ_REKEY_AFTER_TIME		120
#define FZ_REJECT_AFTER_TIME		180
#define FZ_KEEPALIVE_TIMEOUT		10
#define FZ_REKEY_ATTEMPT_TIME		90
#define FZ_REKEY_TIMEOUT_JITTER_JIFFIES	(HZ / 3)
#define FZ_MAX_TIMER_HANDSHAKES		(FZ_REKEY_ATTEMPT_TIME / FZ_REKEY_TIMEOUT)
#define FZ_ZERO_KEYS_AFTER		(FZ_REJECT_AFTER_TIME * 3)
#define FZ_COOKIE_SECRET_MAX_AGE	120
#define FZ_COOKIE_SECRET_LATENCY	5	/* so much sooner the asker forgets it */

/* How many. */
#define FZ_INITIATIONS_PER_SECOND	50	/* accepted from one peer */
#define FZ_MAX_PEERS			(1U << 20)
#define FZ_MAX_STAGED_PACKETS		128	/* per peer, while there is no session */
#define FZ_MAX_QUEUED_HANDSHAKES	4096
#define FZ_UNDER_LOAD_HANDSHAKES	512	/* from here on, cookies are asked for */
#define FZ_PADDING_MULTIPLE		16

/* The outer IP header's DSCP of a handshake message; data has 0 and the inner ECN bits. */
#define FZ_HANDSHAKE_DSCP		0x88

/**
 * enum fz_message_type - first four bytes of a message, as a little endian number
 * @FZ_MESSAGE_INVALID: not a WireGuard message
 * @FZ_MESSAGE_INITIATION: &struct fz_message_initiation
 * @FZ_MESSAGE_RESPONSE: &struct fz_message_response
 * @FZ_MESSAGE_COOKIE: &struct fz_message_cookie
 * @FZ_MESSAGE_DATA: &struct fz_message_data
 */
enum fz_message_type {
	FZ_MESSAGE_INVALID = 0,
	FZ_MESSAGE_INITIATION = 1,
	FZ_MESSAGE_RESPONSE = 2,
	FZ_MESSAGE_COOKIE = 3,
	FZ_MESSAGE_DATA = 4,
};

/**
 * struct fz_message_header - what all messages begin with
 * @type: &enum fz_message_type
 */
struct fz_message_header {
	__le32 type;
};

/**
 * struct fz_message_macs - what both handshake messages end with (paper, section 5.4.4)
 * @mac1: keyed by the receiver's public key: proves that the sender knows whom it speaks to
 * @mac2: keyed by a cookie: proves that the sender receives at its source address
 */
struct fz_message_macs {
	u8 mac1[FZ_MAC_LEN];
	u8 mac2[FZ_MAC_LEN];
};

/**
 * struct fz_message_initiation - first message of a handshake (paper, section 5.4.2)
 * @header: FZ_MESSAGE_INITIATION
 * @sender_index: the initiator's name for the session
 * @ephemeral: the initiator's ephemeral public key, in the clear
 * @sealed_static: the initiator's static public key
 * @sealed_timestamp: TAI64N, greater than any that this initiator has sent before
 * @macs: over everything before
 */
struct fz_message_initiation {
	struct fz_message_header header;
	__le32 sender_index;
	u8 ephemeral[FZ_KEY_LEN];
	u8 sealed_static[FZ_SEALED_LEN(FZ_KEY_LEN)];
	u8 sealed_timestamp[FZ_SEALED_LEN(FZ_TIMESTAMP_LEN)];
	struct fz_message_macs macs;
};

/**
 * struct fz_message_response - second message of a handshake (paper, section 5.4.3)
 * @header: FZ_MESSAGE_RESPONSE
 * @sender_index: the responder's name for the session
 * @receiver_index: @sender_index of the initiation
 * @ephemeral: the responder's ephemeral public key, in the clear
 * @sealed_nothing: an authentication tag alone: proof that all keys agree
 * @macs: over everything before
 */
struct fz_message_response {
	struct fz_message_header header;
	__le32 sender_index;
	__le32 receiver_index;
	u8 ephemeral[FZ_KEY_LEN];
	u8 sealed_nothing[FZ_SEALED_LEN(0)];
	struct fz_message_macs macs;
};

/**
 * struct fz_message_cookie - answer to a handshake message under load (paper, section 5.4.7)
 * @header: FZ_MESSAGE_COOKIE
 * @receiver_index: @sender_index of the message that is answered
 * @nonce: random
 * @sealed_cookie: the cookie; the answered message's MAC1 is authenticated with it
 */
struct fz_message_cookie {
	struct fz_message_header header;
	__le32 receiver_index;
	u8 nonce[FZ_COOKIE_NONCE_LEN];
	u8 sealed_cookie[FZ_SEALED_LEN(FZ_COOKIE_LEN)];
};

/**
 * struct fz_message_data - an encapsulated packet (paper, section 5.4.6)
 * @header: FZ_MESSAGE_DATA
 * @receiver_index: the receiver's name for the session
 * @counter: the nonce
 * @sealed_data: the inner packet, padded with zeros; empty is a keepalive
 */
struct fz_message_data {
	struct fz_message_header header;
	__le32 receiver_index;
	__le64 counter;
	u8 sealed_data[];
};

static_assert(offsetof(struct fz_message_initiation, sender_index) == 4);
static_assert(offsetof(struct fz_message_initiation, ephemeral) == 8);
static_assert(offsetof(struct fz_message_initiation, sealed_static) == 40);
static_assert(offsetof(struct fz_message_initiation, sealed_timestamp) == 88);
static_assert(offsetof(struct fz_message_initiation, macs.mac1) == 116);
static_assert(offsetof(struct fz_message_initiation, macs.mac2) == 132);
static_assert(sizeof(struct fz_message_initiation) == 148);

static_assert(offsetof(struct fz_message_response, sender_index) == 4);
static_assert(offsetof(struct fz_message_response, receiver_index) == 8);
static_assert(offsetof(struct fz_message_response, ephemeral) == 12);
static_assert(offsetof(struct fz_message_response, sealed_nothing) == 44);
static_assert(offsetof(struct fz_message_response, macs.mac1) == 60);
static_assert(offsetof(struct fz_message_response, macs.mac2) == 76);
static_assert(sizeof(struct fz_message_response) == 92);

static_assert(offsetof(struct fz_message_cookie, receiver_index) == 4);
static_assert(offsetof(struct fz_message_cookie, nonce) == 8);
static_assert(offsetof(struct fz_message_cookie, sealed_cookie) == 32);
static_assert(sizeof(struct fz_message_cookie) == 64);

static_assert(offsetof(struct fz_message_data, receiver_index) == 4);
static_assert(offsetof(struct fz_message_data, counter) == 8);
static_assert(offsetof(struct fz_message_data, sealed_data) == 16);
static_assert(sizeof(struct fz_message_data) == 16);

/* Length of a data message of @plain bytes, padding included; the smallest is a keepalive. */
#define FZ_DATA_LEN(plain)	(sizeof(struct fz_message_data) + FZ_SEALED_LEN(plain))
#define FZ_MESSAGE_MIN_LEN	FZ_DATA_LEN(0)

#endif /* _FZ_TUNNEL_MESSAGES_H */
