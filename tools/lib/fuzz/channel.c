// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control channel. The first byte says who the input comes from:
 *
 *	0	somebody without keys, to the broker
 *	1	the same, to an agent
 *	2	an agent that has authenticated, and seals what it sends: the
 *		rest is messages, a byte of length before each, their kind first
 *	3	the same, which no longer seals it
 */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "channel.h"
#include "frame.h"

#define NOW 1000000
#define TYPE_HANDSHAKE 1

static const uint8_t prelude[FZ_CHANNEL_PRELUDE_LEN] = { 'f', 'z', 'c', FZ_CHANNEL_VERSION };
static uint8_t agent_key[32], broker_key[32], broker_public[32];

/* All that it has to tell, and that it ends once. */
static void drain(struct fz_channel *ch)
{
	struct fz_channel_event ev;
	const uint8_t *data;
	volatile uint8_t sum = 0;
	bool closed = false;

	for (;;) {
		fz_channel_next(ch, &ev);
		if (ev.type == FZ_CHANNEL_NONE)
			break;
		always(!closed);
		if (ev.type == FZ_CHANNEL_CLOSED) {
			closed = true;
			always(ev.sentence && *ev.sentence);
		}
		/* all of it may be read */
		for (size_t i = 0; ev.type == FZ_CHANNEL_MESSAGE && i < ev.len; i++)
			sum ^= ev.data[i];
	}
	fz_channel_wrote(ch, fz_channel_output(ch, &data));
	always(!(closed && fz_channel_is_open(ch)));
}

/* In two pieces, as a network may cut it. */
static void feed(struct fz_channel *ch, const uint8_t *data, size_t size)
{
	fz_channel_input(ch, data, size / 2, NOW);
	drain(ch);
	fz_channel_input(ch, data + size / 2, size - size / 2, NOW);
	drain(ch);
}

static void put_frame(struct fz_channel *ch, const uint8_t *body, size_t len)
{
	const uint8_t header[FZ_FRAME_HEADER_LEN] = { (uint8_t)(len >> 8), (uint8_t)len };

	fz_channel_input(ch, header, sizeof(header), NOW);
	fz_channel_input(ch, body, len, NOW);
}

/* The agent's half of a handshake; @tx is the key of what it sends then. */
static bool authenticate(struct fz_channel *broker, struct fz_noise_cipher *tx)
{
	uint8_t first[1 + FZ_NOISE_FIRST_LEN] = { TYPE_HANDSHAKE };
	struct fz_noise_cipher rx;
	struct fz_channel_event ev;
	const uint8_t *answer;
	struct fz_noise noise;
	size_t len;

	if (!fz_noise_init(&noise, true, prelude, sizeof(prelude), agent_key, broker_public) ||
	    !fz_noise_write(&noise, NULL, 0, first + 1, FZ_NOISE_FIRST_LEN, &len))
		return false;
	fz_channel_input(broker, prelude, sizeof(prelude), NOW);
	put_frame(broker, first, sizeof(first));
	fz_channel_next(broker, &ev);
	always(ev.type == FZ_CHANNEL_OPEN);
	len = fz_channel_output(broker, &answer);
	always(len == FZ_FRAME_HEADER_LEN + 1 + FZ_NOISE_SECOND_LEN);
	always(fz_noise_read(&noise, answer + FZ_FRAME_HEADER_LEN + 1, FZ_NOISE_SECOND_LEN, NULL, 0, &len));
	fz_channel_wrote(broker, FZ_FRAME_HEADER_LEN + 1 + FZ_NOISE_SECOND_LEN);
	always(fz_noise_split(&noise, tx, &rx));
	return true;
}

static void send_sealed(struct fz_channel *broker, struct fz_noise_cipher *tx, const uint8_t *data, size_t size)
{
	uint8_t sealed[255 + FZ_NOISE_TAG_LEN];

	while (size) {
		size_t len = data[0] < size - 1 ? data[0] : size - 1;

		always(fz_noise_encrypt(tx, NULL, 0, data + 1, len, sealed));
		/* the honest announcement is followed by the new key */
		if (len == 1 && data[1] == 1)
			always(fz_noise_rekey(tx));
		put_frame(broker, sealed, len + FZ_NOISE_TAG_LEN);
		drain(broker);
		data += 1 + len;
		size -= 1 + len;
	}
}

static void authenticated(const uint8_t *data, size_t size, bool seals)
{
	struct fz_channel *broker = fz_channel_new(FZ_CHANNEL_BROKER, broker_key, NULL, NOW);
	struct fz_noise_cipher tx;

	if (broker && authenticate(broker, &tx)) {
		if (seals)
			send_sealed(broker, &tx, data, size);
		else
			feed(broker, data, size);
	}
	fz_channel_free(broker);
}

static void stranger(const uint8_t *data, size_t size, enum fz_channel_side side)
{
	struct fz_channel *ch = fz_channel_new(side, side == FZ_CHANNEL_AGENT ? agent_key : broker_key,
					       side == FZ_CHANNEL_AGENT ? broker_public : NULL, NOW);

	if (!ch)
		return;
	feed(ch, data, size);
	always(!fz_channel_is_open(ch));
	fz_channel_tick(ch, NOW + FZ_CHANNEL_HANDSHAKE_MS);
	drain(ch);
	fz_channel_eof(ch);
	drain(ch);
	fz_channel_free(ch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (sodium_is_zero(broker_public, sizeof(broker_public))) {
		always(sodium_init() >= 0);
		memset(agent_key, 1, sizeof(agent_key));
		memset(broker_key, 2, sizeof(broker_key));
		always(!crypto_scalarmult_base(broker_public, broker_key));
	}
	if (!size)
		return 0;
	switch (data[0] & 3) {
	case 0:
		stranger(data + 1, size - 1, FZ_CHANNEL_BROKER);
		break;
	case 1:
		stranger(data + 1, size - 1, FZ_CHANNEL_AGENT);
		break;
	default:
		authenticated(data + 1, size - 1, (data[0] & 3) == 2);
	}
	return 0;
}
