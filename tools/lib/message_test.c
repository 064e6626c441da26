// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <sodium.h>

#include "message.h"

static fz_Message *msg, *back;

static int setup(void **state)
{
	(void)state;
	msg = calloc(1, sizeof(*msg));
	back = calloc(1, sizeof(*back));
	return msg && back ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(msg);
	free(back);
	return 0;
}

static void hello(void **state)
{
	uint8_t buf[fz_Message_size], key[32];
	struct sockaddr_storage ss, ss2;
	struct fz_error err;
	size_t len;

	(void)state;
	memset(msg, 0, sizeof(*msg));
	randombytes_buf(key, sizeof(key));
	msg->which_body = fz_Message_hello_tag;
	msg->body.hello.major = FZ_CONTROL_MAJOR;
	msg->body.hello.number = UINT64_MAX;
	assert_true(fz_string_set(msg->body.hello.host, "laptop"));
	assert_true(fz_bytes_set(msg->body.hello.tunnel_key, key, 32));
	msg->body.hello.candidate_count = 1;
	msg->body.hello.candidate[0].has_endpoint = true;
	memset(&ss, 0, sizeof(ss));
	ss.ss_family = AF_INET6;
	((struct sockaddr_in6 *)&ss)->sin6_port = htons(51820);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::5", &((struct sockaddr_in6 *)&ss)->sin6_addr), 1);
	assert_true(fz_endpoint_from_sockaddr(&msg->body.hello.candidate[0].endpoint,
					      (struct sockaddr *)&ss));
	assert_int_equal(fz_message_encode(msg, buf, sizeof(buf), &len, &err), 0);
	assert_int_equal(fz_message_decode(back, buf, len, &err), 0);
	assert_int_equal(back->which_body, fz_Message_hello_tag);
	assert_string_equal(fz_message_name(back), "Hello");
	assert_true(back->body.hello.number == UINT64_MAX);
	assert_string_equal(back->body.hello.host, "laptop");
	assert_int_equal(back->body.hello.tunnel_key.size, 32);
	assert_memory_equal(back->body.hello.tunnel_key.bytes, key, 32);
	assert_true(fz_endpoint_to_sockaddr(&back->body.hello.candidate[0].endpoint, &ss2));
	assert_memory_equal(&ss, &ss2, sizeof(ss));
}

/* The fullest message that the bounds allow fits one frame and comes back. */
static void fullest(void **state)
{
	static uint8_t buf[FZ_CHANNEL_MESSAGE_MAX];
	fz_Revoke *revoke = &msg->body.revoke;
	struct fz_error err;
	size_t len;

	(void)state;
	memset(msg, 0, sizeof(*msg));
	msg->which_body = fz_Message_revoke_tag;
	revoke->has_state = true;
	revoke->state.item_count = sizeof(revoke->state.item) / sizeof(revoke->state.item[0]);
	revoke->state.number = UINT64_MAX;
	for (pb_size_t i = 0; i < revoke->state.item_count; i++) {
		fz_Item *item = &revoke->state.item[i];
		fz_Peer *peer = &item->body.peer;

		item->which_body = fz_Item_peer_tag;
		fz_bytes_set(peer->public_key, buf, 32);
		fz_bytes_set(peer->sealed_psk, buf, 80);
		memset(peer->name, 'n', sizeof(peer->name) - 1);
		peer->allowed_ip_count = sizeof(peer->allowed_ip) / sizeof(peer->allowed_ip[0]);
		for (pb_size_t p = 0; p < peer->allowed_ip_count; p++) {
			fz_bytes_set(peer->allowed_ip[p].addr, buf, 16);
			peer->allowed_ip[p].len = 128;
		}
		peer->candidate_count = sizeof(peer->candidate) / sizeof(peer->candidate[0]);
		for (pb_size_t c = 0; c < peer->candidate_count; c++) {
			peer->candidate[c].has_endpoint = true;
			peer->candidate[c].priority = UINT32_MAX;
			peer->candidate[c].endpoint.port = 65535;
			fz_bytes_set(peer->candidate[c].endpoint.addr, buf, 16);
		}
	}
	assert_int_equal(fz_message_encode(msg, buf, sizeof(buf), &len, &err), 0);
	assert_true(len > 30000);
	assert_int_equal(fz_message_decode(back, buf, len, &err), 0);
	assert_int_equal(back->body.revoke.state.item[11].body.peer.allowed_ip[127].len, 128);
	assert_int_equal(fz_message_encode(msg, buf, len - 1, &len, &err), -EMSGSIZE);
}

static void bad_bytes(void **state)
{
	static uint8_t buf[4096];
	struct fz_error err;
	size_t len;

	(void)state;
	/* one candidate more than a Hello can hold: 17 empty ones */
	memset(buf, 0, sizeof(buf));
	buf[0] = fz_Message_hello_tag << 3 | 2;
	buf[1] = 17 * 2;
	for (size_t i = 0; i < 17; i++)
		buf[2 + 2 * i] = fz_Hello_candidate_tag << 3 | 2;
	assert_int_equal(fz_message_decode(back, buf, 2 + 17 * 2, &err), -EBADMSG);
	buf[1] = 16 * 2;
	assert_int_equal(fz_message_decode(back, buf, 2 + 16 * 2, &err), 0);
	/* a key of 33 bytes */
	buf[1] = 35;
	buf[2] = fz_Hello_tunnel_key_tag << 3 | 2;
	buf[3] = 33;
	assert_int_equal(fz_message_decode(back, buf, 2 + 35, &err), -EBADMSG);
	/* an unknown message, and nothing at all */
	assert_int_equal(fz_message_decode(back, (const uint8_t *)"\x82\x08\x00", 3, &err), -ENOMSG);
	assert_int_equal(fz_message_decode(back, buf, 0, &err), -ENOMSG);
	/* an unknown field in a known one */
	assert_int_equal(fz_message_decode(back, (const uint8_t *)"\xc2\x01\x05\x08\x07\xf8\x01\x01", 8,
					   &err), 0);
	assert_int_equal(back->which_body, fz_Message_ping_tag);
	assert_int_equal(back->body.ping.number, 7);
	/* rubbish never crashes */
	for (int i = 0; i < 20000; i++) {
		len = randombytes_uniform(sizeof(buf));
		randombytes_buf(buf, len < 64 ? len : 64);
		if (len > 2) {
			buf[0] = (uint8_t)(1 + randombytes_uniform(15)) << 3 | 2;
			buf[1] = (uint8_t)(len > 127 ? 127 : len - 2);
		}
		fz_message_decode(back, buf, len > 129 ? 129 : len, &err);
	}
}

static void bounded_fields(void **state)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	fz_Endpoint ep = { .port = 5 };
	char text[8];

	(void)state;
	assert_true(fz_string_set(text, "1234567"));
	assert_false(fz_string_set(text, "12345678"));
	assert_string_equal(text, "1234567");
	assert_false(fz_string_set(text, "12345\u20ac"));
	assert_string_equal(text, "12345");
	assert_true(fz_string_set(text, NULL));
	assert_string_equal(text, "");
	assert_false(fz_bytes_set(ep.addr, "12345678901234567", 17));
	assert_int_equal(ep.addr.size, 0);
	assert_false(fz_endpoint_to_sockaddr(&ep, &ss));
	assert_true(fz_bytes_set(ep.addr, "1234", 4));
	assert_true(fz_endpoint_to_sockaddr(&ep, &ss));
	ep.port = 0;
	assert_false(fz_endpoint_to_sockaddr(&ep, &ss));
	ep.port = 65536;
	assert_false(fz_endpoint_to_sockaddr(&ep, &ss));
	ss.ss_family = AF_UNIX;
	assert_false(fz_endpoint_from_sockaddr(&ep, (struct sockaddr *)&ss));
}

static void sent(void **state)
{
	uint8_t agent[32], broker[32], pub[32];
	struct fz_channel *a, *b;
	struct fz_channel_event ev;
	struct fz_error err;
	const uint8_t *out;
	size_t n;

	(void)state;
	randombytes_buf(agent, 32);
	randombytes_buf(broker, 32);
	crypto_scalarmult_base(pub, broker);
	a = fz_channel_new(FZ_CHANNEL_AGENT, agent, pub, 0);
	b = fz_channel_new(FZ_CHANNEL_BROKER, broker, NULL, 0);
	memset(msg, 0, sizeof(*msg));
	msg->which_body = fz_Message_ping_tag;
	msg->body.ping.number = 9;
	assert_int_equal(fz_message_send(a, msg, 0, &err), -ENOBUFS);
	for (int i = 0; i < 2; i++) {
		n = fz_channel_output(i ? b : a, &out);
		fz_channel_input(i ? a : b, out, n, 0);
		fz_channel_wrote(i ? b : a, n);
		fz_channel_next(i ? a : b, &ev);
		assert_int_equal(ev.type, FZ_CHANNEL_OPEN);
	}
	assert_int_equal(fz_message_send(a, msg, 0, &err), 0);
	n = fz_channel_output(a, &out);
	fz_channel_input(b, out, n, 0);
	fz_channel_next(b, &ev);
	assert_int_equal(ev.type, FZ_CHANNEL_MESSAGE);
	assert_int_equal(fz_message_decode(back, ev.data, ev.len, &err), 0);
	assert_int_equal(back->body.ping.number, 9);
	fz_channel_free(a);
	fz_channel_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello),
		cmocka_unit_test(fullest),
		cmocka_unit_test(bad_bytes),
		cmocka_unit_test(bounded_fields),
		cmocka_unit_test(sent),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("message", tests, setup, teardown);
}
