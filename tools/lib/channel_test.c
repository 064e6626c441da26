// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "channel.h"
#include "frame.h"

#define T0 1000000

struct ends {
	uint8_t agent_key[32], broker_key[32], agent_public[32], broker_public[32];
	struct fz_channel *agent, *broker;
};

static void ends_new(struct ends *e)
{
	randombytes_buf(e->agent_key, 32);
	randombytes_buf(e->broker_key, 32);
	crypto_scalarmult_base(e->agent_public, e->agent_key);
	crypto_scalarmult_base(e->broker_public, e->broker_key);
	e->agent = fz_channel_new(FZ_CHANNEL_AGENT, e->agent_key, e->broker_public, T0);
	e->broker = fz_channel_new(FZ_CHANNEL_BROKER, e->broker_key, NULL, T0);
	assert_non_null(e->agent);
	assert_non_null(e->broker);
}

static void ends_free(struct ends *e)
{
	fz_channel_free(e->agent);
	fz_channel_free(e->broker);
}

/* Moves what waits from one end to the other, @step bytes at a time. */
static size_t carry(struct fz_channel *from, struct fz_channel *to, size_t step)
{
	size_t total = 0, n;
	const uint8_t *data;

	while ((n = fz_channel_output(from, &data))) {
		if (n > step)
			n = step;
		fz_channel_input(to, data, n, T0);
		fz_channel_wrote(from, n);
		total += n;
	}
	return total;
}

static enum fz_channel_event_type next(struct fz_channel *ch, struct fz_channel_event *ev)
{
	fz_channel_next(ch, ev);
	return ev->type;
}

static void assert_closed(struct fz_channel *ch, const char *sentence)
{
	struct fz_channel_event ev;

	assert_int_equal(next(ch, &ev), FZ_CHANNEL_CLOSED);
	assert_string_equal(ev.sentence, sentence);
	assert_int_equal(next(ch, &ev), FZ_CHANNEL_NONE);
	assert_false(fz_channel_is_open(ch));
	assert_false(fz_channel_send(ch, "x", 1, T0));
}

static void open_both(struct ends *e, size_t step)
{
	struct fz_channel_event ev;

	ends_new(e);
	assert_false(fz_channel_send(e->agent, "early", 5, T0));
	carry(e->agent, e->broker, step);
	assert_int_equal(next(e->broker, &ev), FZ_CHANNEL_OPEN);
	assert_memory_equal(ev.key, e->agent_public, 32);
	carry(e->broker, e->agent, step);
	assert_int_equal(next(e->agent, &ev), FZ_CHANNEL_OPEN);
	assert_memory_equal(ev.key, e->broker_public, 32);
	assert_int_equal(next(e->agent, &ev), FZ_CHANNEL_NONE);
}

static void assert_message(struct fz_channel *ch, const void *data, size_t len)
{
	struct fz_channel_event ev;

	assert_int_equal(next(ch, &ev), FZ_CHANNEL_MESSAGE);
	assert_int_equal(ev.len, len);
	assert_memory_equal(ev.data, data, len);
}

static void opens_and_carries(void **state)
{
	static const size_t steps[] = { 1, 7, 65536 };
	struct fz_channel_event ev;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct ends e;

		open_both(&e, steps[i]);
		assert_true(fz_channel_send(e.agent, "hello", 5, T0));
		assert_true(fz_channel_send(e.agent, "again", 5, T0));
		assert_true(fz_channel_send(e.broker, "welcome", 7, T0));
		carry(e.agent, e.broker, steps[i]);
		carry(e.broker, e.agent, steps[i]);
		assert_message(e.broker, "hello", 5);
		/* answering while the message is still being looked at */
		assert_true(fz_channel_send(e.broker, "yes", 3, T0));
		assert_message(e.broker, "again", 5);
		assert_int_equal(next(e.broker, &ev), FZ_CHANNEL_NONE);
		carry(e.broker, e.agent, steps[i]);
		assert_message(e.agent, "welcome", 7);
		assert_message(e.agent, "yes", 3);
		assert_int_equal(next(e.agent, &ev), FZ_CHANNEL_NONE);
		ends_free(&e);
	}
}

static void sizes(void **state)
{
	static uint8_t big[FZ_CHANNEL_MESSAGE_MAX + 1];
	struct ends e;

	(void)state;
	open_both(&e, 65536);
	randombytes_buf(big, sizeof(big));
	assert_false(fz_channel_send(e.agent, big, sizeof(big), T0));
	assert_false(fz_channel_send(e.agent, big, 0, T0));
	assert_true(fz_channel_send(e.agent, big, FZ_CHANNEL_MESSAGE_MAX, T0));
	carry(e.agent, e.broker, 1000);
	assert_message(e.broker, big, FZ_CHANNEL_MESSAGE_MAX);
	ends_free(&e);
}

/* Who does not read is not written to for ever. */
static void output_is_bounded(void **state)
{
	static const uint8_t big[60000];
	unsigned int sent = 0;
	struct ends e;

	(void)state;
	open_both(&e, 65536);
	while (fz_channel_send(e.broker, big, sizeof(big), T0))
		assert_true(++sent < 1000);
	assert_true(sent * sizeof(big) >= FZ_CHANNEL_OUTPUT_MAX);
	carry(e.broker, e.agent, 65536);
	for (unsigned int i = 0; i < sent; i++)
		assert_message(e.agent, big, sizeof(big));
	assert_true(fz_channel_send(e.broker, "x", 1, T0));
	ends_free(&e);
}

static void another_broker(void **state)
{
	struct fz_channel_event ev;
	struct ends e, other;

	(void)state;
	ends_new(&e);
	ends_new(&other);
	carry(e.agent, other.broker, 65536);
	assert_closed(other.broker, "the handshake is not for this broker, or was damaged");
	carry(other.broker, e.agent, 65536);
	assert_int_equal(next(e.agent, &ev), FZ_CHANNEL_CLOSED);
	assert_int_equal(ev.refusal, FZ_REFUSAL_KEY);
	assert_string_equal(ev.sentence, "this broker is not the one you were invited to");
	ends_free(&e);
	ends_free(&other);
}

/* An answer that the broker's key did not make. */
static void forged_answer(void **state)
{
	uint8_t frame[FZ_FRAME_HEADER_LEN + 1 + FZ_NOISE_SECOND_LEN];
	struct ends e;

	(void)state;
	ends_new(&e);
	randombytes_buf(frame, sizeof(frame));
	frame[0] = 0;
	frame[1] = 1 + FZ_NOISE_SECOND_LEN;
	frame[2] = 1;
	fz_channel_input(e.agent, frame, sizeof(frame), T0);
	assert_closed(e.agent, "this broker is not the one you were invited to");
	ends_free(&e);
}

static void refusals(void **state)
{
	struct ends e;

	(void)state;
	ends_new(&e);
	fz_channel_refuse(e.broker, FZ_REFUSAL_BUSY);
	carry(e.broker, e.agent, 1);
	assert_closed(e.broker, "refused before authentication");
	assert_closed(e.agent, "the broker takes no more connections from here just now");
	ends_free(&e);

	/* Not any more once it is open. */
	open_both(&e, 65536);
	fz_channel_refuse(e.broker, FZ_REFUSAL_BUSY);
	assert_true(fz_channel_is_open(e.broker));
	ends_free(&e);
}

static void before_authentication(void **state)
{
	static const char *const rubbish[] = {
		"GET / HTTP/1.1\r\n",	/* another protocol */
		"fzX\1",		/* nearly ours */
		"fzc\1\0\1\2",		/* a refusal from an agent */
		"fzc\1\0\141\3",	/* an unknown type of the right length */
		"fzc\1\0\0",		/* an empty frame */
		"fzc\1\1\1",		/* a frame longer than a handshake: judged by its length alone */
		"fzc\1\377\377",
	};
	static const size_t lens[] = { 16, 4, 7, 6 + 97, 6, 6, 6 };

	(void)state;
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
		struct fz_channel_event ev;
		uint8_t bytes[128] = { 0 };
		const uint8_t *out;
		struct ends e;

		ends_new(&e);
		memcpy(bytes, rubbish[i], lens[i] < 7 ? lens[i] : i == 0 ? 16 : 7);
		fz_channel_input(e.broker, bytes, lens[i], T0);
		assert_int_equal(next(e.broker, &ev), FZ_CHANNEL_CLOSED);
		assert_int_equal(fz_channel_output(e.broker, &out), 0);
		ends_free(&e);
	}
}

static void other_version(void **state)
{
	struct ends e;

	(void)state;
	ends_new(&e);
	fz_channel_input(e.broker, "fzc\2", 4, T0);
	assert_closed(e.broker, "the agent speaks another version of the control channel");
	carry(e.broker, e.agent, 65536);
	assert_closed(e.agent, "the broker speaks another version of the control channel");
	ends_free(&e);
}

static void handshake_deadline(void **state)
{
	struct ends e;

	(void)state;
	ends_new(&e);
	fz_channel_input(e.broker, "fzc\1\0", 5, T0);
	assert_int_equal(fz_channel_deadline(e.broker), T0 + FZ_CHANNEL_HANDSHAKE_MS);
	fz_channel_tick(e.broker, T0 + FZ_CHANNEL_HANDSHAKE_MS - 1);
	fz_channel_tick(e.broker, T0 + FZ_CHANNEL_HANDSHAKE_MS);
	assert_closed(e.broker, "no handshake within 5 s");
	fz_channel_tick(e.agent, T0 + FZ_CHANNEL_HANDSHAKE_MS);
	assert_closed(e.agent, "the broker did not answer the handshake within 5 s");
	ends_free(&e);

	open_both(&e, 65536);
	assert_true(fz_channel_deadline(e.agent) == UINT64_MAX);
	fz_channel_tick(e.agent, T0 + 10 * FZ_CHANNEL_HANDSHAKE_MS);
	assert_true(fz_channel_is_open(e.agent));
	ends_free(&e);
}

static void end_of_stream(void **state)
{
	struct ends e;

	(void)state;
	ends_new(&e);
	fz_channel_eof(e.agent);
	fz_channel_eof(e.broker);
	assert_closed(e.agent, "the broker closed the connection before it proved who it is");
	assert_closed(e.broker, "the other side closed the connection before it authenticated");
	ends_free(&e);
	open_both(&e, 65536);
	fz_channel_eof(e.agent);
	assert_closed(e.agent, "the other side closed the connection");
	ends_free(&e);
}

enum harm { FLIP, CUT, REPLAY, REORDER, EMPTY };

/* Two messages on their way to the broker, harmed. */
static void harmed(enum harm harm, size_t where)
{
	uint8_t first[64], second[64];
	struct fz_channel_event ev;
	const uint8_t *out;
	struct ends e;
	size_t n1, n2;

	open_both(&e, 65536);
	assert_true(fz_channel_send(e.agent, "first", 5, T0));
	n1 = fz_channel_output(e.agent, &out);
	memcpy(first, out, n1);
	fz_channel_wrote(e.agent, n1);
	assert_true(fz_channel_send(e.agent, "second", 6, T0));
	n2 = fz_channel_output(e.agent, &out);
	memcpy(second, out, n2);
	switch (harm) {
	case FLIP:
		first[where] ^= 1;
		fz_channel_input(e.broker, first, n1, T0);
		break;
	case CUT:
		/* the frame says that it is shorter by @where bytes, and is */
		first[1] = (uint8_t)(first[1] - where);
		fz_channel_input(e.broker, first, n1 - where, T0);
		break;
	case REPLAY:
		fz_channel_input(e.broker, first, n1, T0);
		assert_message(e.broker, "first", 5);
		fz_channel_input(e.broker, first, n1, T0);
		break;
	case REORDER:
		fz_channel_input(e.broker, second, n2, T0);
		break;
	case EMPTY:
		fz_channel_input(e.broker, "\0\0", 2, T0);
		break;
	}
	assert_int_equal(next(e.broker, &ev), FZ_CHANNEL_CLOSED);
	fz_channel_input(e.broker, second, n2, T0);
	assert_int_equal(next(e.broker, &ev), FZ_CHANNEL_NONE);
	ends_free(&e);
}

static void harmed_frames(void **state)
{
	(void)state;
	for (size_t i = FZ_FRAME_HEADER_LEN; i < FZ_FRAME_HEADER_LEN + 1 + 5 + 16; i++)
		harmed(FLIP, i);
	for (size_t i = 1; i < 1 + 5 + 16; i++)
		harmed(CUT, i);
	harmed(REPLAY, 0);
	harmed(REORDER, 0);
	harmed(EMPTY, 0);
}

static void rekeys(void **state)
{
	struct fz_channel_event ev;
	struct ends e;

	(void)state;
	/* by number */
	open_both(&e, 65536);
	for (int i = 0; i < FZ_CHANNEL_REKEY_MESSAGES + 5; i++) {
		assert_true(fz_channel_send(e.agent, &i, sizeof(i), T0));
		carry(e.agent, e.broker, 65536);
		assert_message(e.broker, &i, sizeof(i));
	}
	ends_free(&e);
	/* by time: the frame that says so comes before the message */
	open_both(&e, 65536);
	assert_true(fz_channel_send(e.agent, "a", 1, T0));
	assert_true(fz_channel_send(e.agent, "b", 1, T0 + FZ_CHANNEL_REKEY_MS));
	assert_int_equal(carry(e.agent, e.broker, 65536), 2 * (2 + 2 + 16) + 2 + 1 + 16);
	assert_message(e.broker, "a", 1);
	assert_message(e.broker, "b", 1);
	assert_int_equal(next(e.broker, &ev), FZ_CHANNEL_NONE);
	assert_true(fz_channel_send(e.broker, "c", 1, T0 + FZ_CHANNEL_REKEY_MS));
	carry(e.broker, e.agent, 3);
	assert_message(e.agent, "c", 1);
	ends_free(&e);
}

/* The agent's end by hand, as fz_channel_send() would never use it: a key is changed for nothing. */
static void rekeys_for_nothing(void **state)
{
	uint8_t key[32], broker_key[32], broker_public[32], first[1 + FZ_NOISE_FIRST_LEN] = { 1 }, frame[64];
	struct fz_noise_cipher tx, rx;
	struct fz_channel *broker;
	struct fz_channel_event ev;
	struct fz_noise noise;
	const uint8_t *out;
	size_t len;

	(void)state;
	randombytes_buf(key, 32);
	randombytes_buf(broker_key, 32);
	crypto_scalarmult_base(broker_public, broker_key);
	broker = fz_channel_new(FZ_CHANNEL_BROKER, broker_key, NULL, T0);
	assert_true(fz_noise_init(&noise, true, "fzc\1", 4, key, broker_public));
	assert_true(fz_noise_write(&noise, NULL, 0, first + 1, FZ_NOISE_FIRST_LEN, &len));
	fz_channel_input(broker, "fzc\1\0\141", 6, T0);
	fz_channel_input(broker, first, sizeof(first), T0);
	assert_int_equal(next(broker, &ev), FZ_CHANNEL_OPEN);
	len = fz_channel_output(broker, &out);
	assert_true(fz_noise_read(&noise, out + 3, len - 3, NULL, 0, &len));
	assert_true(fz_noise_split(&noise, &tx, &rx));
	/* the first one is for what follows */
	for (int i = 0; i < 4; i++) {
		const uint8_t plain[2] = { i == 0 || i == 2 || i == 3, 'x' };
		size_t n = plain[0] ? 1 : 2;

		frame[0] = 0;
		frame[1] = (uint8_t)(n + FZ_NOISE_TAG_LEN);
		assert_true(fz_noise_encrypt(&tx, NULL, 0, plain, n, frame + 2));
		if (plain[0])
			assert_true(fz_noise_rekey(&tx));
		fz_channel_input(broker, frame, 2 + n + FZ_NOISE_TAG_LEN, T0);
		if (i == 1)
			assert_message(broker, "x", 1);
		else if (i < 3)
			assert_int_equal(next(broker, &ev), FZ_CHANNEL_NONE);
	}
	assert_closed(broker, "the other side changes its key again and again");
	fz_channel_free(broker);
}

static void wrong_keys(void **state)
{
	static const uint8_t zero[32];
	uint8_t key[32];

	(void)state;
	randombytes_buf(key, sizeof(key));
	assert_null(fz_channel_new(FZ_CHANNEL_AGENT, zero, key, T0));
	assert_null(fz_channel_new(FZ_CHANNEL_AGENT, key, zero, T0));
	assert_null(fz_channel_new(FZ_CHANNEL_AGENT, key, NULL, T0));
	assert_null(fz_channel_new(FZ_CHANNEL_BROKER, key, key, T0));
}

static void buffers(void **state)
{
	struct fz_buffer buf = { 0 };
	uint8_t *body;
	size_t len;

	(void)state;
	assert_int_equal(fz_frame_peek(&buf, 10, &body, &len), FZ_FRAME_PARTIAL);
	assert_null(fz_frame_reserve(&buf, 0));
	assert_null(fz_frame_reserve(&buf, FZ_FRAME_MAX + 1));
	for (int round = 0; round < 1000; round++) {
		body = fz_frame_reserve(&buf, 100);
		assert_non_null(body);
		memset(body, round, 100);
		if (round % 3)
			continue;
		assert_int_equal(fz_frame_peek(&buf, 99, &body, &len), FZ_FRAME_TOO_LONG);
		assert_int_equal(fz_frame_peek(&buf, 100, &body, &len), FZ_FRAME_READY);
		assert_int_equal(body[0], round / 3 & 0xff);
		fz_buffer_take(&buf, FZ_FRAME_HEADER_LEN + len);
	}
	fz_buffer_wipe(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_and_carries),
		cmocka_unit_test(sizes),
		cmocka_unit_test(output_is_bounded),
		cmocka_unit_test(another_broker),
		cmocka_unit_test(forged_answer),
		cmocka_unit_test(refusals),
		cmocka_unit_test(before_authentication),
		cmocka_unit_test(other_version),
		cmocka_unit_test(handshake_deadline),
		cmocka_unit_test(end_of_stream),
		cmocka_unit_test(harmed_frames),
		cmocka_unit_test(rekeys),
		cmocka_unit_test(rekeys_for_nothing),
		cmocka_unit_test(wrong_keys),
		cmocka_unit_test(buffers),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
