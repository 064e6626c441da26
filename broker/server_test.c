// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server over loopback, as agents see it: real sockets, the real channel, small agents written for the test. The
 * broker and all agents share one loop; every wait is for a condition and gives up after some seconds.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "channel.h"
#include "log.h"
#include "message.h"
#include "server.h"
#include "stun.h"

#define PATIENCE_MS	60000
#define LOAD_AGENTS	100
#define LOAD_REQUESTS	20

/**
 * struct peer - an agent of the test
 * @raw: bytes go out as the test says; nothing is understood
 * @got: number of messages of each kind that came
 * @answers, @granted: of access requests
 */
struct peer {
	uv_tcp_t tcp;
	uv_connect_t connect;
	struct fz_channel *channel;
	uint8_t control[32], tunnel[32];
	uint8_t token[INVITATION_TOKEN_LEN];
	bool gateway, raw, connected, open, closed;
	unsigned int got[32];
	unsigned int answers, granted, asked;
	size_t raw_bytes, bytes;
	bool last;
	uint8_t in[65536];
	uint64_t number, instance;
	char sentence[256];
};

static struct broker broker;
static uv_loop_t loop;
static uint8_t broker_key[32];
static char path[64];
static struct fault fault;
static fz_Message msg;
static struct user alice = { .enabled = true };
static struct group staff;
static struct site hq;
static struct resource web;

#define assert_ok(call) \
	do { \
		fault.text[0] = '\0'; \
		int assert_ret = (call); \
		if (assert_ret) \
			fail_msg("%s: %d: %s", #call, assert_ret, fault.text); \
	} while (0)

/* --- agents ---------------------------------------------------------------- */

struct sending {
	uv_write_t req;
	uint8_t data[];
};

static void on_written(uv_write_t *req, int status)
{
	(void)status;
	free(req);
}

static void put(struct peer *peer, const void *data, size_t n)
{
	struct sending *sending = malloc(sizeof(*sending) + n);
	uv_buf_t buf = uv_buf_init((char *)sending->data, (unsigned int)n);

	memcpy(sending->data, data, n);
	if (uv_is_closing((uv_handle_t *)&peer->tcp) ||
	    uv_write(&sending->req, (uv_stream_t *)&peer->tcp, &buf, 1, on_written))
		free(sending);
}

static void flush(struct peer *peer)
{
	const uint8_t *data;
	size_t n = fz_channel_output(peer->channel, &data);

	if (!n)
		return;
	put(peer, data, n);
	fz_channel_wrote(peer->channel, n);
}

static void say(struct peer *peer, pb_size_t which)
{
	struct fz_error err;

	msg.which_body = which;
	assert_int_equal(fz_message_send(peer->channel, &msg, uv_now(&loop), &err), 0);
	memset(&msg, 0, sizeof(msg));
	flush(peer);
}

static void hello(struct peer *peer)
{
	msg.body.hello.major = FZ_CONTROL_MAJOR;
	msg.body.hello.number = peer->number;
	msg.body.hello.instance = peer->instance;
	fz_bytes_set(msg.body.hello.tunnel_key, peer->tunnel, 32);
	say(peer, fz_Message_hello_tag);
}

static void enrol(struct peer *peer)
{
	fz_bytes_set(msg.body.enrol.token, peer->token, sizeof(peer->token));
	fz_string_set(msg.body.enrol.name, peer->gateway ? "gw" : "laptop");
	fz_bytes_set(msg.body.enrol.tunnel_key, peer->tunnel, 32);
	say(peer, fz_Message_enrol_tag);
}

static void ask(struct peer *peer)
{
	fz_AccessRequest *request = &msg.body.access_request;

	request->id = ++peer->asked;
	request->direction = fz_DIRECTION_OUT;
	request->has_tuple = true;
	request->tuple.protocol = IPPROTO_TCP;
	fz_bytes_set(request->tuple.src, "\x64\x40\x00\x01", 4);
	fz_bytes_set(request->tuple.dst, "\x0a\x01\x00\x0a", 4);
	request->tuple.dport = 443;
	say(peer, fz_Message_access_request_tag);
}

static void took(struct peer *peer, const fz_State *state)
{
	peer->last = state->last;
	if (!state->last)
		return;
	peer->number = state->number;
	peer->instance = state->instance;
	msg.body.ack.number = state->number;
	msg.body.ack.instance = state->instance;
	say(peer, fz_Message_ack_tag);
}

static void on_message(struct peer *peer, const fz_Message *in)
{
	peer->got[in->which_body]++;
	switch (in->which_body) {
	case fz_Message_hello_ack_tag:
		if (!in->body.hello_ack.enrolled)
			enrol(peer);
		break;
	case fz_Message_refused_tag:
		strcpy(peer->sentence, in->body.refused.sentence);
		break;
	case fz_Message_state_tag:
		took(peer, &in->body.state);
		break;
	case fz_Message_admit_tag:
		took(peer, &in->body.admit.state);
		msg.body.admitted.id = in->body.admit.id;
		fz_bytes_set(msg.body.admitted.sealed_psk, "sealed", 6);
		say(peer, fz_Message_admitted_tag);
		break;
	case fz_Message_access_answer_tag:
		peer->answers++;
		peer->granted += in->body.access_answer.granted;
		strcpy(peer->sentence, in->body.access_answer.sentence);
		if (in->body.access_answer.has_state)
			took(peer, &in->body.access_answer.state);
		break;
	case fz_Message_revoke_tag:
		took(peer, &in->body.revoke.state);
		break;
	default:
		break;
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct peer *peer = handle->data;

	peer->closed = true;
}

static void hang_up(struct peer *peer)
{
	if (!uv_is_closing((uv_handle_t *)&peer->tcp))
		uv_close((uv_handle_t *)&peer->tcp, on_closed);
}

static void events(struct peer *peer)
{
	static fz_Message in;
	struct fz_channel_event ev;

	for (;;) {
		fz_channel_next(peer->channel, &ev);
		switch (ev.type) {
		case FZ_CHANNEL_NONE:
			return;
		case FZ_CHANNEL_OPEN:
			peer->open = true;
			hello(peer);
			break;
		case FZ_CHANNEL_MESSAGE:
			assert_int_equal(fz_message_decode(&in, ev.data, ev.len, NULL), 0);
			on_message(peer, &in);
			break;
		case FZ_CHANNEL_CLOSED:
			if (!*peer->sentence)
				snprintf(peer->sentence, sizeof(peer->sentence), "%s", ev.sentence);
			hang_up(peer);
			return;
		}
	}
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct peer *peer = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)peer->in, sizeof(peer->in));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct peer *peer = stream->data;

	if (peer->raw) {
		if (n < 0)
			hang_up(peer);
		else
			peer->raw_bytes += (size_t)n;
		return;
	}
	peer->bytes += n > 0 ? (size_t)n : 0;
	if (n < 0)
		fz_channel_eof(peer->channel);
	else
		fz_channel_input(peer->channel, buf->base, (size_t)n, uv_now(&loop));
	events(peer);
}

static void on_connected(uv_connect_t *req, int status)
{
	struct peer *peer = req->data;

	assert_int_equal(status, 0);
	peer->connected = true;
	uv_read_start((uv_stream_t *)&peer->tcp, give_buffer, on_read);
	if (!peer->raw)
		flush(peer);
}

static void dial(struct peer *peer, const uint8_t *key)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)server_port(broker.server)),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };

	fz_channel_free(peer->channel);
	peer->channel = NULL;
	peer->open = peer->closed = peer->connected = false;
	*peer->sentence = '\0';
	if (!peer->raw) {
		peer->channel = fz_channel_new(FZ_CHANNEL_AGENT, peer->control, key, uv_now(&loop));
		assert_non_null(peer->channel);
	}
	uv_tcp_init(&loop, &peer->tcp);
	peer->tcp.data = peer->connect.data = peer;
	assert_int_equal(uv_tcp_connect(&peer->connect, &peer->tcp, (struct sockaddr *)&to, on_connected), 0);
}

static struct peer *peer_new(bool gateway)
{
	struct invitation invitation = { .user_id = gateway ? 0 : alice.id, .site_id = gateway ? hq.id : 0,
					 .created_ms = store_clock(), .expires_ms = store_clock() + 3600000 };
	struct peer *peer = calloc(1, sizeof(*peer));

	assert_non_null(peer);
	peer->gateway = gateway;
	randombytes_buf(peer->control, 32);
	randombytes_buf(peer->tunnel, 32);
	assert_ok(store_invitation_add(broker.store, &invitation, peer->token, &fault));
	return peer;
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* Runs the loop until the condition holds. */
#define wait_for(condition) \
	do { \
		uint64_t until = uv_now(&loop) + PATIENCE_MS; \
		while (!(condition)) { \
			if (uv_now(&loop) > until) \
				fail_msg("waited in vain for %s", #condition); \
			uv_run(&loop, UV_RUN_ONCE); \
		} \
	} while (0)

static void peer_free(struct peer *peer)
{
	if (peer->connected) {
		hang_up(peer);
		wait_for(peer->closed);
	}
	fz_channel_free(peer->channel);
	free(peer);
}

/* --- the broker ------------------------------------------------------------ */

static uv_timer_t ticking;

static int setup(void **state)
{
	struct prefix prefix = { .family = AF_INET, .bits = 16, .addr = { 10, 1 } };
	struct prefix host = { .family = AF_INET, .bits = 32, .addr = { 10, 1, 0, 10 } };
	struct sockaddr_in *in;
	uint8_t secret[32];

	(void)state;
	log_threshold = LOG_LEVEL_ERROR;
	strcpy(path, "/tmp/fz-server-test-XXXXXX");
	if (!mkdtemp(path))
		return -1;
	uv_loop_init(&loop);
	uv_timer_init(&loop, &ticking);
	uv_timer_start(&ticking, on_tick, 100, 100);
	memset(&broker, 0, sizeof(broker));
	uv_timer_init(&loop, &broker.retry);
	broker.loop = &loop;
	in = (struct sockaddr_in *)&broker.config.listen;
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	broker.config.stun = broker.config.listen;
	strcpy(broker.config.public_stun, "stun.example.org:3479");
	broker.store = store_open(path, NULL, &fault);
	assert_non_null(broker.store);
	strcpy(staff.name, "staff");
	staff.id = alice.id = hq.id = web.id = 0;
	assert_ok(store_group_put(broker.store, &staff, &fault));
	strcpy(alice.name, "alice");
	alice.groups = &staff.id;
	alice.n_groups = 1;
	assert_ok(store_user_put(broker.store, &alice, &fault));
	strcpy(hq.name, "hq");
	hq.prefixes = &prefix;
	hq.n_prefixes = 1;
	assert_ok(store_site_put(broker.store, &hq, &fault));
	strcpy(web.name, "web");
	web.site_id = hq.id;
	web.prefixes = &host;
	web.n_prefixes = 1;
	assert_ok(store_resource_put(broker.store, &web, &fault));
	assert_ok(store_broker_key(broker.store, secret, broker_key, &fault));
	broker.dir = store_directory(broker.store, &fault);
	broker.server = server_start(&broker, &fault);
	if (!broker.server)
		fail_msg("server_start: %s", fault.text);
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static int teardown(void **state)
{
	(void)state;
	server_stop(broker.server);
	uv_close((uv_handle_t *)&ticking, NULL);
	uv_close((uv_handle_t *)&broker.retry, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	directory_free(broker.dir);
	store_close(broker.store);
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct policy allow(void)
{
	struct policy policy = { .action = POLICY_ALLOW, .enabled = true, .lease_s = 60, .groups = &staff.id,
				 .n_groups = 1, .resources = &web.id, .n_resources = 1 };

	strcpy(policy.name, "staff-web");
	assert_ok(store_policy_put(broker.store, &policy, &fault));
	assert_ok(broker_refresh(&broker, &fault));
	return policy;
}

/* --- tests ----------------------------------------------------------------- */

static void whole_story(void **state)
{
	struct peer *gw = peer_new(true), *laptop = peer_new(false);
	struct presence presence;
	struct policy policy;

	(void)state;
	dial(gw, broker_key);
	dial(laptop, broker_key);
	wait_for(gw->got[fz_Message_state_tag] && laptop->got[fz_Message_state_tag]);
	assert_int_equal(gw->got[fz_Message_enrol_ack_tag], 1);
	ask(laptop);
	wait_for(laptop->answers == 1);
	assert_int_equal(laptop->granted, 0);
	policy = allow();
	ask(laptop);
	wait_for(laptop->answers == 2);
	assert_int_equal(laptop->granted, 1);
	assert_int_equal(gw->got[fz_Message_admit_tag], 1);
	server_presence(broker.server, directory_device_named(broker.dir, "laptop")->id, &presence);
	assert_true(presence.online);
	assert_memory_equal(presence.address, "127.0.0.1:", 10);

	assert_ok(store_policy_del(broker.store, policy.id, &fault));
	assert_ok(broker_refresh(&broker, &fault));
	wait_for(gw->got[fz_Message_revoke_tag] && laptop->got[fz_Message_revoke_tag]);

	/* gone and back: known, and no snapshot needed */
	hang_up(laptop);
	wait_for(laptop->closed);
	dial(laptop, broker_key);
	wait_for(laptop->got[fz_Message_hello_ack_tag] == 2 && laptop->got[fz_Message_state_tag] >= 2);
	assert_int_equal(laptop->got[fz_Message_enrol_ack_tag], 1);

	peer_free(gw);
	peer_free(laptop);
}

static void wrong_broker(void **state)
{
	struct peer *laptop = peer_new(false);
	uint8_t key[32], other[32];

	(void)state;
	randombytes_buf(key, 32);
	crypto_scalarmult_base(other, key);
	dial(laptop, other);
	wait_for(laptop->closed);
	assert_false(laptop->open);
	assert_string_equal(laptop->sentence, "this broker is not the one you were invited to");
	peer_free(laptop);
}

static void rubbish(void **state)
{
	static const char *const words[] = { "GET / HTTP/1.1\r\n\r\n", "fzc\1\377\377", "fzc\1\1\1" };
	static const size_t lens[] = { 18, 6, 6 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct peer *peer = peer_new(false);

		peer->raw = true;
		dial(peer, NULL);
		wait_for(peer->connected);
		put(peer, words[i], lens[i]);
		wait_for(peer->closed);
		assert_int_equal(peer->raw_bytes, 0);
		peer_free(peer);
	}
}

static unsigned int handshakes;
bool __real_fz_noise_init(struct fz_noise *hs, bool initiator, const void *prologue, size_t prologue_len,
			  const uint8_t *static_private, const uint8_t *remote_static);
bool __wrap_fz_noise_init(struct fz_noise *hs, bool initiator, const void *prologue, size_t prologue_len,
			  const uint8_t *static_private, const uint8_t *remote_static);

bool __wrap_fz_noise_init(struct fz_noise *hs, bool initiator, const void *prologue, size_t prologue_len,
			  const uint8_t *static_private, const uint8_t *remote_static)
{
	handshakes += !initiator;
	return __real_fz_noise_init(hs, initiator, prologue, prologue_len, static_private, remote_static);
}

/* Connections that say nothing: so many from one source, and each for five seconds. None costs a multiplication. */
static void silent_connections(void **state)
{
	struct channel_limits limits = CHANNEL_LIMITS_DEFAULT;
	struct peer *peers[40], *laptop = peer_new(false);
	unsigned int refused = 0;
	uint64_t start = uv_hrtime();

	(void)state;
	handshakes = 0;
	for (int i = 0; i < 40; i++) {
		peers[i] = peer_new(false);
		peers[i]->raw = true;
		dial(peers[i], NULL);
		wait_for(peers[i]->connected);
	}
	wait_for(peers[39]->closed);
	for (int i = 0; i < 40; i++)
		refused += peers[i]->closed;
	assert_int_equal(refused, 40 - limits.unauthenticated_source);
	assert_int_equal(peers[39]->raw_bytes, 4);
	dial(laptop, broker_key);
	wait_for(laptop->closed);
	assert_string_equal(laptop->sentence, "the broker takes no more connections from here just now");
	for (int i = 0; i < 40; i++)
		wait_for(peers[i]->closed);
	assert_true(uv_hrtime() - start > 4900000000ull);
	assert_int_equal(handshakes, 0);
	dial(laptop, broker_key);
	wait_for(laptop->got[fz_Message_state_tag]);
	assert_int_equal(handshakes, 1);
	peer_free(laptop);
	for (int i = 0; i < 40; i++)
		peer_free(peers[i]);
}

/* A message that cannot be decoded, from somebody who is authentic. */
static void malformed(void **state)
{
	struct peer *laptop = peer_new(false);

	(void)state;
	dial(laptop, broker_key);
	wait_for(laptop->got[fz_Message_state_tag]);
	/* a kind that is not known is passed over */
	assert_true(fz_channel_send(laptop->channel, "\x82\x08\x00", 3, uv_now(&loop)));
	assert_true(fz_channel_send(laptop->channel, "\xc2\x01\x02\x08\x07", 5, uv_now(&loop)));
	flush(laptop);
	wait_for(laptop->got[fz_Message_pong_tag]);
	assert_true(fz_channel_send(laptop->channel, "\xff\xff\xff", 3, uv_now(&loop)));
	flush(laptop);
	wait_for(laptop->closed);
	assert_int_equal(laptop->got[fz_Message_refused_tag], 1);
	assert_non_null(strstr(laptop->sentence, "malformed"));
	peer_free(laptop);
}

/* What nobody understands is counted too, so that nobody can keep the broker busy with it. */
static void unknown_messages(void **state)
{
	struct peer *laptop = peer_new(false);

	(void)state;
	dial(laptop, broker_key);
	wait_for(laptop->got[fz_Message_state_tag]);
	for (int i = 0; i < 1000 && !laptop->got[fz_Message_refused_tag]; i++) {
		for (int j = 0; j < 100; j++)
			assert_true(fz_channel_send(laptop->channel, "\x82\x08\x00", 3, uv_now(&loop)));
		flush(laptop);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	wait_for(laptop->closed);
	assert_string_equal(laptop->sentence, "too many messages");
	peer_free(laptop);
}

static int no_memory;
struct fz_channel *__real_fz_channel_new(enum fz_channel_side side, const uint8_t *key, const uint8_t *broker_key,
					 uint64_t now);
struct fz_channel *__wrap_fz_channel_new(enum fz_channel_side side, const uint8_t *key, const uint8_t *other,
					 uint64_t now);

struct fz_channel *__wrap_fz_channel_new(enum fz_channel_side side, const uint8_t *key, const uint8_t *other,
					 uint64_t now)
{
	if (side == FZ_CHANNEL_BROKER && no_memory && no_memory--)
		return NULL;
	return __real_fz_channel_new(side, key, other, now);
}

/* Connections that come while there is no memory for them wait. */
static void no_memory_to_accept(void **state)
{
	struct peer *gw = peer_new(true), *laptop = peer_new(false);

	(void)state;
	log_threshold = LOG_LEVEL_ERROR;
	no_memory = 3;
	dial(gw, broker_key);
	dial(laptop, broker_key);
	wait_for(gw->got[fz_Message_state_tag] && laptop->got[fz_Message_state_tag]);
	assert_int_equal(no_memory, 0);
	peer_free(gw);
	peer_free(laptop);
	/* and the broker can end meanwhile */
	no_memory = 1000;
	gw = peer_new(true);
	dial(gw, broker_key);
	wait_for(no_memory < 1000);
	server_stop(broker.server);
	broker.server = NULL;
	wait_for(gw->closed);
	no_memory = 0;
	peer_free(gw);
}

#define LARGE_POLICIES		120
#define LARGE_RESOURCES		60
#define LARGE_PREFIXES		60

/* Leases of a policy of its own, for as many resources as it may name, each as large as it may be. */
static void lend_much(int number)
{
	int64_t ids[LARGE_RESOURCES];
	struct prefix prefixes[LARGE_PREFIXES];
	struct resource resource = { .site_id = hq.id, .prefixes = prefixes, .n_prefixes = LARGE_PREFIXES };
	struct policy policy = { .action = POLICY_ALLOW, .enabled = true, .lease_s = 3600, .groups = &staff.id,
				 .n_groups = 1, .resources = ids, .n_resources = LARGE_RESOURCES };
	struct lease lease = { .device_id = directory_device_named(broker.dir, "laptop")->id,
			       .gateway_id = directory_device_named(broker.dir, "gw")->id,
			       .issued_ms = store_clock(), .expires_ms = store_clock() + 3600000 };

	for (int i = 0; i < LARGE_RESOURCES; i++) {
		for (int j = 0; j < LARGE_PREFIXES; j++)
			prefixes[j] = (struct prefix){ .family = AF_INET, .bits = 32,
						       .addr = { 10, 1, (uint8_t)j, (uint8_t)i } };
		resource.id = 0;
		snprintf(resource.name, sizeof(resource.name), "resource-%d-%d", number, i);
		assert_ok(store_resource_put(broker.store, &resource, &fault));
		ids[i] = resource.id;
	}
	snprintf(policy.name, sizeof(policy.name), "policy-%d", number);
	assert_ok(store_policy_put(broker.store, &policy, &fault));
	lease.policy_id = policy.id;
	memcpy(lease.policy_tag, policy.tag, MODEL_TAG_LEN);
	for (int i = 0; i < LARGE_RESOURCES; i++) {
		lease.id = 0;
		lease.resource_id = ids[i];
		assert_ok(store_lease_put(broker.store, &lease, &fault));
	}
}

/* A gateway's state of more bytes than may be queued for one agent. */
static void large_snapshot(void **state)
{
	struct peer *gw = peer_new(true), *laptop = peer_new(false);

	(void)state;
	dial(gw, broker_key);
	dial(laptop, broker_key);
	wait_for(gw->got[fz_Message_state_tag] && laptop->got[fz_Message_state_tag]);
	server_stop(broker.server);
	broker.server = NULL;
	wait_for(gw->closed && laptop->closed);
	assert_ok(store_begin(broker.store, &fault));
	for (int i = 0; i < LARGE_POLICIES; i++)
		lend_much(i);
	assert_ok(store_commit(broker.store, &fault));
	assert_ok(broker_refresh(&broker, &fault));
	broker.server = server_start(&broker, &fault);
	assert_non_null(broker.server);
	gw->last = false;
	gw->bytes = 0;
	dial(gw, broker_key);
	wait_for(gw->last || gw->closed);
	assert_false(gw->closed);
	assert_true(gw->bytes > FZ_CHANNEL_OUTPUT_MAX);
	peer_free(gw);
	peer_free(laptop);
}

/* Many agents, many requests: all answered. */
static void load(void **state)
{
	struct peer *gw = peer_new(true), *peers[LOAD_AGENTS];
	unsigned int answers = 0, granted = 0;
	uint64_t start;

	(void)state;
	allow();
	dial(gw, broker_key);
	wait_for(gw->got[fz_Message_state_tag]);
	start = uv_hrtime();
	/* each from an address of its own would not be limited: here they come one by one */
	for (int i = 0; i < LOAD_AGENTS; i++) {
		peers[i] = peer_new(false);
		do {
			dial(peers[i], broker_key);
			wait_for(peers[i]->got[fz_Message_state_tag] || peers[i]->closed);
		} while (peers[i]->closed);
	}
	print_message("%d agents enrolled in %.2f s\n", LOAD_AGENTS, (double)(uv_hrtime() - start) / 1e9);
	start = uv_hrtime();
	for (int round = 0; round < LOAD_REQUESTS; round++) {
		for (int i = 0; i < LOAD_AGENTS; i++)
			ask(peers[i]);
		for (int i = 0; i < LOAD_AGENTS; i++)
			wait_for(peers[i]->answers == (unsigned int)round + 1);
	}
	for (int i = 0; i < LOAD_AGENTS; i++) {
		answers += peers[i]->answers;
		granted += peers[i]->granted;
	}
	print_message("%u requests answered, %.0f/s\n", answers, answers / ((double)(uv_hrtime() - start) / 1e9));
	assert_int_equal(answers, LOAD_AGENTS * LOAD_REQUESTS);
	assert_int_equal(granted, answers);
	for (int i = 0; i < LOAD_AGENTS; i++)
		peer_free(peers[i]);
	peer_free(gw);
}

/* The broker ends: agents hear it, and nothing hangs. */
static void goodbye(void **state)
{
	struct peer *laptop = peer_new(false);

	(void)state;
	dial(laptop, broker_key);
	wait_for(laptop->got[fz_Message_state_tag]);
	server_stop(broker.server);
	broker.server = NULL;
	wait_for(laptop->closed);
	assert_int_equal(laptop->got[fz_Message_goodbye_tag], 1);
	peer_free(laptop);
}

struct asking {
	struct fz_stun answer;
	bool came;
};

static void on_stun(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned int flags)
{
	struct asking *asking = udp->data;

	(void)flags;
	if (n <= 0 || !from)
		return;
	fz_stun_parse(&asking->answer, buf->base, (size_t)n);
	asking->came = true;
}

static void give_static(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char in[FZ_STUN_MAX];

	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(in, sizeof(in));
}

static void stun_answers(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in own = to;
	struct asking asking = { 0 };
	uint8_t id[FZ_STUN_ID_LEN], out[64];
	struct sockaddr_storage bound;
	int len = sizeof(bound);
	static uv_udp_t udp;	/* closed in the loop's last turn */
	uv_buf_t buf;

	(void)state;
	to.sin_port = htons((uint16_t)server_stun_port(broker.server));
	uv_udp_init(&loop, &udp);
	udp.data = &asking;
	assert_int_equal(uv_udp_bind(&udp, (struct sockaddr *)&own, 0), 0);
	uv_udp_recv_start(&udp, give_static, on_stun);
	/* rubbish is not answered, the request after it is */
	buf = uv_buf_init((char *)out, 20);
	memset(out, 1, sizeof(out));
	assert_int_equal(uv_udp_try_send(&udp, &buf, 1, (struct sockaddr *)&to), 20);
	randombytes_buf(id, sizeof(id));
	buf = uv_buf_init((char *)out, (unsigned int)fz_stun_request(out, sizeof(out), id));
	assert_true(uv_udp_try_send(&udp, &buf, 1, (struct sockaddr *)&to) > 0);
	wait_for(asking.came);
	assert_true(fz_stun_answers(&asking.answer, id));
	uv_udp_getsockname(&udp, (struct sockaddr *)&bound, &len);
	assert_int_equal(((struct sockaddr_in *)&asking.answer.mapped)->sin_port,
			 ((struct sockaddr_in *)&bound)->sin_port);
	uv_close((uv_handle_t *)&udp, NULL);
}

static void port_in_use(void **state)
{
	struct broker second = broker;
	struct sockaddr_in *in = (struct sockaddr_in *)&second.config.listen;
	char want[80];

	(void)state;
	in->sin_port = htons((uint16_t)server_port(broker.server));
	second.config.stun.ss_family = 0;
	assert_null(server_start(&second, &fault));
	assert_string_equal(fault.field, "listen");
	snprintf(want, sizeof(want), "127.0.0.1:%d (--listen): address already in use", server_port(broker.server));
	assert_non_null(strstr(fault.text, want));
	second.config.stun = broker.config.stun;
	((struct sockaddr_in *)&second.config.stun)->sin_port = htons((uint16_t)server_stun_port(broker.server));
	assert_null(server_start(&second, &fault));
	snprintf(want, sizeof(want), "127.0.0.1:%d (--stun): address already in use", server_stun_port(broker.server));
	assert_non_null(strstr(fault.text, want));
	second.config.stun.ss_family = 0;
	strcpy(second.config.public_stun, "nonsense");
	in->sin_port = 0;
	assert_null(server_start(&second, &fault));
	assert_non_null(strstr(fault.text, "'nonsense' is not HOST:PORT"));
}

int main(void)
{
#define run(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		run(whole_story),
		run(wrong_broker),
		run(rubbish),
		run(silent_connections),
		run(malformed),
		run(unknown_messages),
		run(no_memory_to_accept),
		run(large_snapshot),
		run(load),
		run(goodbye),
		run(stun_answers),
		run(port_in_use),
	};

	if (sodium_init() < 0)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
