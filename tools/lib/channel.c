// SPDX-License-Identifier: GPL-2.0-only
/* The control channel without I/O; channel.h has the wire format. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "frame.h"

/* First byte of a frame before authentication. */
#define TYPE_HANDSHAKE 1
#define TYPE_REFUSAL 2

/* First plain byte of a frame afterwards. */
#define KIND_MESSAGE 0
#define KIND_REKEY 1

#define OVERHEAD (1 + FZ_NOISE_TAG_LEN)

static const uint8_t prelude[FZ_CHANNEL_PRELUDE_LEN] = { 'f', 'z', 'c', FZ_CHANNEL_VERSION };

enum channel_state {
	STATE_PRELUDE,		/* broker: the first bytes have not come */
	STATE_HANDSHAKE,
	STATE_OPENED,		/* authenticated, and not yet told */
	STATE_OPEN,
	STATE_CLOSING,		/* over, and not yet told */
	STATE_CLOSED,
};

/**
 * struct fz_channel - one connection
 * @state: where it stands; changed by enter() alone
 * @side: which end we are
 * @private_key: ours, until the handshake begins
 * @noise: the handshake
 * @tx: key for what we send
 * @rx: key for what we receive
 * @in: received and not yet understood
 * @out: to be sent
 * @spent: bytes of @in that the event given last still uses
 * @remote_key: the other side's static public key, once authentic
 * @started: when the connection began, ms
 * @rekeyed: when @tx got its key, ms
 * @sent: messages since then
 * @received: messages since the other side changed its key
 * @fresh: the other side changed its key, and has sent nothing with it
 * @sentence: why it is over
 * @refusal: what the other side refused with, or we
 */
struct fz_channel {
	enum channel_state state;
	enum fz_channel_side side;
	uint8_t private_key[FZ_NOISE_KEY_LEN];
	struct fz_noise noise;
	struct fz_noise_cipher tx, rx;
	struct fz_buffer in, out;
	size_t spent;
	uint8_t remote_key[FZ_NOISE_KEY_LEN];
	uint64_t started;
	uint64_t rekeyed;
	uint64_t sent, received;
	bool fresh;
	const char *sentence;
	enum fz_channel_refusal refusal;
};

static void enter(struct fz_channel *ch, enum channel_state state)
{
	if (state == STATE_CLOSING && ch->state >= STATE_CLOSING)
		return;
	ch->state = state;
	if (state == STATE_CLOSING) {
		sodium_memzero(ch->private_key, sizeof(ch->private_key));
		fz_noise_wipe(&ch->noise);
		fz_noise_cipher_wipe(&ch->tx);
		fz_noise_cipher_wipe(&ch->rx);
		fz_buffer_wipe(&ch->in);
		ch->spent = 0;
	}
}

static void close_with(struct fz_channel *ch, const char *sentence)
{
	if (ch->state < STATE_CLOSING)
		ch->sentence = sentence;
	enter(ch, STATE_CLOSING);
}

static bool put_handshake(struct fz_channel *ch, size_t noise_len)
{
	uint8_t *body = fz_frame_reserve(&ch->out, 1 + noise_len);
	size_t len;

	if (!body)
		return false;
	body[0] = TYPE_HANDSHAKE;
	return fz_noise_write(&ch->noise, NULL, 0, body + 1, noise_len, &len);
}

static void put_refusal(struct fz_channel *ch, enum fz_channel_refusal refusal)
{
	uint8_t *body = fz_frame_reserve(&ch->out, 2);

	ch->refusal = refusal;
	if (body) {
		body[0] = TYPE_REFUSAL;
		body[1] = (uint8_t)refusal;
	}
}

static bool begin_handshake(struct fz_channel *ch, const uint8_t *broker_key)
{
	bool ok = fz_noise_init(&ch->noise, ch->side == FZ_CHANNEL_AGENT, prelude, sizeof(prelude), ch->private_key,
				broker_key);

	sodium_memzero(ch->private_key, sizeof(ch->private_key));
	return ok;
}

/* The agent's side says something at once; the broker's waits, for beginning costs it something. */
static bool start(struct fz_channel *ch, const uint8_t *broker_key)
{
	if (ch->side == FZ_CHANNEL_BROKER)
		return !broker_key && !sodium_is_zero(ch->private_key, sizeof(ch->private_key));
	return begin_handshake(ch, broker_key) && fz_buffer_put(&ch->out, prelude, sizeof(prelude)) &&
	       put_handshake(ch, FZ_NOISE_FIRST_LEN);
}

/**
 * fz_channel_new() - begin a channel over a fresh connection
 * @side: which end we are
 * @private_key: our static private key; copied, and wiped after the handshake
 * @broker_key: the broker's public key for the agent, NULL for the broker
 * @now: the time, ms
 *
 * Return: the channel, to be freed with fz_channel_free(); NULL without memory, or when a key cannot
 * be one.
 */
struct fz_channel *fz_channel_new(enum fz_channel_side side,
				  const uint8_t private_key[FZ_NOISE_KEY_LEN],
				  const uint8_t *broker_key, uint64_t now)
{
	struct fz_channel *ch = calloc(1, sizeof(*ch));

	if (!ch)
		return NULL;
	ch->side = side;
	ch->started = now;
	ch->state = side == FZ_CHANNEL_AGENT ? STATE_HANDSHAKE : STATE_PRELUDE;
	memcpy(ch->private_key, private_key, sizeof(ch->private_key));
	if (!start(ch, broker_key)) {
		fz_channel_free(ch);
		return NULL;
	}
	return ch;
}

/**
 * fz_channel_free() - forget a channel and its keys
 * @ch: the channel, or NULL
 */
void fz_channel_free(struct fz_channel *ch)
{
	if (!ch)
		return;
	fz_buffer_wipe(&ch->in);
	fz_buffer_wipe(&ch->out);
	sodium_memzero(ch, sizeof(*ch));
	free(ch);
}

/**
 * fz_channel_refuse() - end a connection that has not authenticated, saying why
 * @ch: the broker's end; nothing happens when it is open or over
 * @refusal: what the agent is told. It cannot be authenticated, and an agent takes it as a hint
 */
void fz_channel_refuse(struct fz_channel *ch, enum fz_channel_refusal refusal)
{
	if (ch->side != FZ_CHANNEL_BROKER || ch->state > STATE_HANDSHAKE)
		return;
	put_refusal(ch, refusal);
	close_with(ch, "refused before authentication");
}

static void opened(struct fz_channel *ch, uint64_t now)
{
	memcpy(ch->remote_key, ch->noise.remote_static, FZ_NOISE_KEY_LEN);
	if (!fz_noise_split(&ch->noise, &ch->tx, &ch->rx)) {
		close_with(ch, "the handshake failed");
		return;
	}
	fz_noise_wipe(&ch->noise);
	ch->rekeyed = now;
	enter(ch, STATE_OPENED);
}

static void read_prelude(struct fz_channel *ch)
{
	const uint8_t *got = ch->in.data + ch->in.start;
	size_t n = ch->in.len < sizeof(prelude) ? ch->in.len : sizeof(prelude);

	/* The first wrong byte ends it; who speaks something else gets no answer. */
	if (memcmp(got, prelude, n < sizeof(prelude) ? n : sizeof(prelude) - 1)) {
		close_with(ch, "the other side does not speak the control protocol");
	} else if (n == sizeof(prelude) && got[n - 1] != FZ_CHANNEL_VERSION) {
		put_refusal(ch, FZ_REFUSAL_VERSION);
		close_with(ch, "the agent speaks another version of the control channel");
	} else if (n == sizeof(prelude)) {
		fz_buffer_take(&ch->in, sizeof(prelude));
		enter(ch, STATE_HANDSHAKE);
	}
}

static void read_first(struct fz_channel *ch, const uint8_t *body, size_t len, uint64_t now)
{
	uint8_t none[1];
	size_t n;

	if (body[0] != TYPE_HANDSHAKE || len != 1 + FZ_NOISE_FIRST_LEN) {
		close_with(ch, "something else than a handshake before authentication");
	} else if (!begin_handshake(ch, NULL)) {
		close_with(ch, "the handshake failed");
	} else if (!fz_noise_read(&ch->noise, body + 1, len - 1, none, sizeof(none), &n)) {
		put_refusal(ch, FZ_REFUSAL_KEY);
		close_with(ch, "the handshake is not for this broker, or was damaged");
	} else if (!put_handshake(ch, FZ_NOISE_SECOND_LEN)) {
		close_with(ch, "the handshake failed");
	} else {
		fz_buffer_take(&ch->in, FZ_FRAME_HEADER_LEN + len);
		opened(ch, now);
	}
}

static void read_refusal(struct fz_channel *ch, uint8_t code)
{
	switch ((enum fz_channel_refusal)code) {
	case FZ_REFUSAL_KEY:
		ch->refusal = FZ_REFUSAL_KEY;
		close_with(ch, "this broker is not the one you were invited to");
		return;
	case FZ_REFUSAL_BUSY:
		ch->refusal = FZ_REFUSAL_BUSY;
		close_with(ch, "the broker takes no more connections from here just now");
		return;
	case FZ_REFUSAL_VERSION:
		ch->refusal = FZ_REFUSAL_VERSION;
		close_with(ch, "the broker speaks another version of the control channel");
		return;
	case FZ_REFUSAL_NONE:
		break;
	}
	close_with(ch, "the broker refused the connection for an unknown reason");
}

static void read_second(struct fz_channel *ch, const uint8_t *body, size_t len, uint64_t now)
{
	uint8_t none[1];
	size_t n;

	if (body[0] == TYPE_REFUSAL && len == 2) {
		read_refusal(ch, body[1]);
	} else if (body[0] != TYPE_HANDSHAKE || len != 1 + FZ_NOISE_SECOND_LEN) {
		close_with(ch, "the other side does not speak the control protocol");
	} else if (!fz_noise_read(&ch->noise, body + 1, len - 1, none, sizeof(none), &n)) {
		ch->refusal = FZ_REFUSAL_KEY;
		close_with(ch, "this broker is not the one you were invited to");
	} else {
		fz_buffer_take(&ch->in, FZ_FRAME_HEADER_LEN + len);
		opened(ch, now);
	}
}

static void read_handshake(struct fz_channel *ch, uint64_t now)
{
	bool broker = ch->side == FZ_CHANNEL_BROKER;
	size_t max = 1 + (broker ? FZ_NOISE_FIRST_LEN : FZ_NOISE_SECOND_LEN);
	uint8_t *body;
	size_t len;

	switch (fz_frame_peek(&ch->in, max, &body, &len)) {
	case FZ_FRAME_PARTIAL:
		return;
	case FZ_FRAME_TOO_LONG:
		close_with(ch, broker ? "something else than a handshake before authentication" :
					"the other side does not speak the control protocol");
		return;
	case FZ_FRAME_READY:
		if (broker)
			read_first(ch, body, len, now);
		else
			read_second(ch, body, len, now);
		return;
	}
}

/**
 * fz_channel_input() - bytes that were received
 * @ch: the channel; call fz_channel_next() afterwards until there is nothing more
 * @data: the bytes
 * @len: how many
 * @now: the time, ms
 */
void fz_channel_input(struct fz_channel *ch, const void *data, size_t len, uint64_t now)
{
	if (ch->state >= STATE_CLOSING || !len)
		return;
	fz_buffer_take(&ch->in, ch->spent);
	ch->spent = 0;
	if (!fz_buffer_put(&ch->in, data, len)) {
		close_with(ch, "out of memory");
		return;
	}
	if (ch->state == STATE_PRELUDE)
		read_prelude(ch);
	if (ch->state == STATE_HANDSHAKE)
		read_handshake(ch, now);
}

/**
 * fz_channel_eof() - the connection ended
 * @ch: the channel
 */
void fz_channel_eof(struct fz_channel *ch)
{
	if (ch->state >= STATE_OPENED)
		close_with(ch, "the other side closed the connection");
	else if (ch->side == FZ_CHANNEL_AGENT)
		close_with(ch, "the broker closed the connection before it proved who it is");
	else
		close_with(ch, "the other side closed the connection before it authenticated");
}

/**
 * fz_channel_tick() - time has passed
 * @ch: the channel
 * @now: the time, ms
 */
void fz_channel_tick(struct fz_channel *ch, uint64_t now)
{
	if (now >= fz_channel_deadline(ch))
		close_with(ch, ch->side == FZ_CHANNEL_AGENT ?
			"the broker did not answer the handshake within 5 s" :
			"no handshake within 5 s");
}

/**
 * fz_channel_deadline() - when fz_channel_tick() has something to do
 * @ch: the channel
 *
 * Return: a time in ms, UINT64_MAX for never.
 */
uint64_t fz_channel_deadline(const struct fz_channel *ch)
{
	return ch->state <= STATE_HANDSHAKE ? ch->started + FZ_CHANNEL_HANDSHAKE_MS : UINT64_MAX;
}

/* One frame of an open channel, decrypted in place. True when @ev holds a message. */
static bool read_message(struct fz_channel *ch, struct fz_channel_event *ev)
{
	uint8_t *body;
	size_t len;

	switch (fz_frame_peek(&ch->in, FZ_FRAME_MAX, &body, &len)) {
	case FZ_FRAME_PARTIAL:
		return false;
	case FZ_FRAME_TOO_LONG:
		close_with(ch, "an empty frame");
		return false;
	case FZ_FRAME_READY:
		break;
	}
	if (len < OVERHEAD || !fz_noise_decrypt(&ch->rx, NULL, 0, body, len, body)) {
		close_with(ch, "a frame is not authentic");
		return false;
	}
	ch->spent = FZ_FRAME_HEADER_LEN + len;
	if (++ch->received > 2 * FZ_CHANNEL_REKEY_MESSAGES) {
		close_with(ch, "the other side never changes its key");
		return false;
	}
	if (body[0] == KIND_MESSAGE && len > OVERHEAD) {
		ch->fresh = false;
		ev->type = FZ_CHANNEL_MESSAGE;
		ev->data = body + 1;
		ev->len = len - OVERHEAD;
		return true;
	}
	/* A key is changed for a message that follows, so there cannot be more of these than of messages. */
	if (body[0] != KIND_REKEY || len != OVERHEAD || !fz_noise_rekey(&ch->rx))
		close_with(ch, "a frame of unknown kind");
	else if (ch->fresh)
		close_with(ch, "the other side changes its key again and again");
	ch->fresh = true;
	ch->received = 0;
	return false;
}

/**
 * fz_channel_next() - what has happened
 * @ch: the channel
 * @ev: gets the event; FZ_CHANNEL_NONE when there is nothing more for now
 */
void fz_channel_next(struct fz_channel *ch, struct fz_channel_event *ev)
{
	*ev = (struct fz_channel_event){ .type = FZ_CHANNEL_NONE };
	if (ch->state == STATE_OPENED) {
		enter(ch, STATE_OPEN);
		ev->type = FZ_CHANNEL_OPEN;
		ev->key = ch->remote_key;
		return;
	}
	while (ch->state == STATE_OPEN) {
		fz_buffer_take(&ch->in, ch->spent);
		ch->spent = 0;
		if (read_message(ch, ev))
			return;
		if (!ch->spent)
			break;
	}
	if (ch->state == STATE_CLOSING) {
		enter(ch, STATE_CLOSED);
		ev->type = FZ_CHANNEL_CLOSED;
		ev->sentence = ch->sentence;
		ev->refusal = ch->refusal;
	}
}

static bool put_frame(struct fz_channel *ch, uint8_t kind, const void *data, size_t len)
{
	size_t before = ch->out.len;
	uint8_t *body = fz_frame_reserve(&ch->out, len + OVERHEAD);

	if (!body)
		return false;
	body[0] = kind;
	if (len)
		memcpy(body + 1, data, len);
	if (!fz_noise_encrypt(&ch->tx, NULL, 0, body, len + 1, body)) {
		ch->out.len = before;
		return false;
	}
	return true;
}

static bool rekey_when_due(struct fz_channel *ch, uint64_t now)
{
	if (ch->sent < FZ_CHANNEL_REKEY_MESSAGES && now - ch->rekeyed < FZ_CHANNEL_REKEY_MS)
		return true;
	if (!put_frame(ch, KIND_REKEY, NULL, 0) || !fz_noise_rekey(&ch->tx))
		return false;
	ch->sent = 0;
	ch->rekeyed = now;
	return true;
}

/**
 * fz_channel_send() - encrypt a message into the output
 * @ch: the channel
 * @data: the message; copied
 * @len: its length in bytes, 1 to FZ_CHANNEL_MESSAGE_MAX
 * @now: the time, ms
 *
 * Return: false when the channel is not open, the length is wrong, there is no memory, or the other
 * side has not read FZ_CHANNEL_OUTPUT_MAX bytes; nothing was queued then.
 */
bool fz_channel_send(struct fz_channel *ch, const void *data, size_t len, uint64_t now)
{
	if (ch->state != STATE_OPEN || !len || len > FZ_CHANNEL_MESSAGE_MAX ||
	    ch->out.len > FZ_CHANNEL_OUTPUT_MAX)
		return false;
	if (!rekey_when_due(ch, now) || !put_frame(ch, KIND_MESSAGE, data, len))
		return false;
	ch->sent++;
	return true;
}

/**
 * fz_channel_output() - bytes to be sent
 * @ch: the channel
 * @data: gets them; valid until something is sent or written
 *
 * Return: how many; 0 for none.
 */
size_t fz_channel_output(struct fz_channel *ch, const uint8_t **data)
{
	*data = ch->out.len ? ch->out.data + ch->out.start : NULL;
	return ch->out.len;
}

/**
 * fz_channel_wrote() - bytes were sent
 * @ch: the channel
 * @len: how many of those that fz_channel_output() gave
 */
void fz_channel_wrote(struct fz_channel *ch, size_t len)
{
	fz_buffer_take(&ch->out, len);
}

/**
 * fz_channel_is_open() - whether fz_channel_send() can work
 * @ch: the channel
 *
 * Return: true after FZ_CHANNEL_OPEN and before FZ_CHANNEL_CLOSED.
 */
bool fz_channel_is_open(const struct fz_channel *ch)
{
	return ch->state == STATE_OPEN;
}
