/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control channel as a machine without I/O: bytes in, events out, bytes
 * out. The broker drives it with libuv, the agent with its own loop.
 *
 * On the wire
 *	initiator:	"fzc" and one byte of version, once
 *	then frames:	16-bit big-endian length, then that many bytes
 *	before authentication the first byte of a frame is its type, handshake
 *	or refusal, and it can be no longer than such a message is;
 *	afterwards a frame is one Noise transport message, whose first plain
 *	byte says whether it carries a control message, or announces that the
 *	sender has changed its key, which it does before a message alone.
 *
 *	struct fz_channel *ch = fz_channel_new(FZ_CHANNEL_AGENT, key, broker_key, now);
 *	loop:
 *		fz_channel_output() -> write what it gives, fz_channel_wrote()
 *		read -> fz_channel_input(), then fz_channel_next() until FZ_CHANNEL_NONE
 *		at fz_channel_deadline(): fz_channel_tick(), then fz_channel_next()
 *		end of stream: fz_channel_eof(), then fz_channel_next()
 *
 * Times are milliseconds of a monotonic clock, the caller's choice.
 */
#ifndef FZ_CHANNEL_H
#define FZ_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "noise.h"

#define FZ_CHANNEL_VERSION 1
#define FZ_CHANNEL_PRELUDE_LEN 4
#define FZ_CHANNEL_HANDSHAKE_MS 5000
/* Longest control message. */
#define FZ_CHANNEL_MESSAGE_MAX (FZ_NOISE_MESSAGE_MAX - FZ_NOISE_TAG_LEN - 1)
/* Unsent bytes at which fz_channel_send() refuses more. */
#define FZ_CHANNEL_OUTPUT_MAX (4 * 1024 * 1024)
#define FZ_CHANNEL_REKEY_MESSAGES 65536
#define FZ_CHANNEL_REKEY_MS (3600 * 1000)

enum fz_channel_side {
	FZ_CHANNEL_AGENT,	/* connects; knows the broker's key */
	FZ_CHANNEL_BROKER,	/* accepts; learns the agent's key */
};

enum fz_channel_refusal {
	FZ_REFUSAL_NONE,
	FZ_REFUSAL_KEY,		/* the first message was not made for this broker */
	FZ_REFUSAL_BUSY,	/* too many handshakes from this source */
	FZ_REFUSAL_VERSION,	/* another version of the channel */
};

enum fz_channel_event_type {
	FZ_CHANNEL_NONE,	/* nothing more for now */
	FZ_CHANNEL_OPEN,	/* authenticated; @key is the other side's */
	FZ_CHANNEL_MESSAGE,	/* @data is valid until more is put in or asked for */
	FZ_CHANNEL_CLOSED,	/* over; @sentence says why. Send what is left, then close */
};

struct fz_channel_event {
	enum fz_channel_event_type type;
	const uint8_t *key;
	const uint8_t *data;
	size_t len;
	const char *sentence;
	enum fz_channel_refusal refusal;
};

struct fz_channel;

struct fz_channel *fz_channel_new(enum fz_channel_side side,
				  const uint8_t private_key[FZ_NOISE_KEY_LEN],
				  const uint8_t *broker_key, uint64_t now);
void fz_channel_free(struct fz_channel *ch);
void fz_channel_refuse(struct fz_channel *ch, enum fz_channel_refusal refusal);
void fz_channel_input(struct fz_channel *ch, const void *data, size_t len, uint64_t now);
void fz_channel_eof(struct fz_channel *ch);
void fz_channel_tick(struct fz_channel *ch, uint64_t now);
void fz_channel_next(struct fz_channel *ch, struct fz_channel_event *ev);
bool fz_channel_send(struct fz_channel *ch, const void *data, size_t len, uint64_t now);
size_t fz_channel_output(struct fz_channel *ch, const uint8_t **data);
void fz_channel_wrote(struct fz_channel *ch, size_t len);
uint64_t fz_channel_deadline(const struct fz_channel *ch);
bool fz_channel_is_open(const struct fz_channel *ch);

static inline void fz_channel_freep(struct fz_channel **ch)
{
	if (*ch)
		fz_channel_free(*ch);
}

#endif
