// SPDX-License-Identifier: GPL-2.0-only
/* What is made of the broker's messages. The connection, the kernel and the agent's other parts are functions of this file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "agent.h"
#include "masquerade.h"
#include "message.h"

#define INSTANCE 11

/**
 * struct world - what the session sees, and what it did
 * @calls, @arg: as given to uplink_new()
 * @sent: the last message of each kind; @n_sent: how many
 * @reconnects: how often the connection was closed to come back
 * @takes: what the kernel says of a whole state, @takes_items of a difference
 * @broker: its address, network byte order
 * @applied, @items: how often each was brought to it
 * @seals: how often a preshared key was sealed
 * @peers, @routes: of the last whole state
 */
static struct world {
	struct uplink_calls calls;
	void *arg;
	fz_Message sent[fz_Message_error_tag + 1];
	unsigned int n_sent[fz_Message_error_tag + 1];
	unsigned int reconnects, applied, items, seals, peers, routes;
	int takes, takes_items;
	in_addr_t broker;
} world;

static struct agent agent;
static uv_loop_t loop;

/* --- the rest of the agent ------------------------------------------------- */

struct uplink *uplink_new(uv_loop_t *on, const struct identity *id, const struct uplink_calls *calls, void *arg)
{
	(void)on;
	(void)id;
	world.calls = *calls;
	world.arg = arg;
	return (struct uplink *)&world;
}

bool uplink_send(struct uplink *up, const fz_Message *msg)
{
	(void)up;
	world.sent[msg->which_body] = *msg;
	world.n_sent[msg->which_body]++;
	return true;
}

void uplink_reconnect(struct uplink *up, const char *sentence)
{
	(void)up;
	world.reconnects++;
	world.calls.closed(world.arg, FZ_REFUSAL_NONE, sentence);
}

bool uplink_address(const struct uplink *up, struct sockaddr_storage *broker)
{
	(void)up;
	*broker = (struct sockaddr_storage){ .ss_family = AF_INET };
	((struct sockaddr_in *)broker)->sin_addr.s_addr = world.broker;
	return world.broker != 0;
}

void uplink_start(struct uplink *up) { (void)up; }
void uplink_stop(struct uplink *up, const char *sentence) { (void)up; (void)sentence; }
void uplink_retry_in(struct uplink *up, uint32_t ms) { (void)up; (void)ms; }
void uplink_alive_every(struct uplink *up, uint32_t ping_ms) { (void)up; (void)ping_ms; }
void uplink_free(struct uplink *up) { (void)up; }

static int say(int ret, struct fz_error *err)
{
	return ret ? fz_error_set(err, ret, "the kernel does not take it") : 0;
}

int kernel_apply_all(struct kernel *k, struct desired *d, struct fz_error *err)
{
	(void)k;
	world.applied++;
	world.peers = HASH_COUNT(d->peers);
	world.routes = HASH_COUNT(d->prefixes);
	return say(world.takes, err);
}

int kernel_apply_items(struct kernel *k, struct desired *d, const fz_Item *items, size_t n, bool connect,
		       struct fz_error *err)
{
	(void)k;
	(void)d;
	(void)items;
	(void)n;
	(void)connect;
	world.items++;
	return say(world.takes_items, err);
}

int kernel_peer_key(struct kernel *k, struct want_peer *want, const fz_PeerKey *key, struct fz_error *err)
{
	(void)k;
	(void)want;
	(void)key;
	(void)err;
	return 0;
}

int kernel_peer_seal(struct kernel *k, struct want_peer *want, uint8_t sealed[KERNEL_SEALED_LEN], struct fz_error *err)
{
	(void)k;
	(void)want;
	(void)err;
	memset(sealed, 7, KERNEL_SEALED_LEN);
	world.seals++;
	return 0;
}

int kernel_peer_candidates(struct kernel *k, struct want_peer *want, const struct fz_candidate *list, size_t n,
			   bool connect, struct fz_error *err)
{
	(void)k;
	(void)want;
	(void)list;
	(void)n;
	(void)connect;
	(void)err;
	return 0;
}

int masquerade_apply(const char *dev, const struct desired *d, struct fz_error *err)
{
	(void)dev;
	(void)d;
	(void)err;
	return 0;
}

int agent_kernel_start(struct agent *a, bool gateway, struct fz_error *err)
{
	(void)err;
	a->kernel.gateway = gateway;
	return 0;
}

size_t paths_candidates(const struct paths *paths, fz_Candidate *out, size_t room)
{
	(void)paths;
	(void)out;
	(void)room;
	return 0;
}

int forwarding_enable(struct fz_error *err) { (void)err; return 0; }
int identity_save(const struct identity *id, struct fz_error *err) { (void)id; (void)err; return 0; }
void agent_fail(struct agent *a, const char *sentence) { (void)a; fail_msg("%s", sentence); }
void paths_start(struct paths *paths) { (void)paths; }
void paths_report(struct paths *paths) { (void)paths; }
void reports_online(struct reports *reports) { (void)reports; }
void reports_ack(struct reports *reports, const fz_ReportAck *ack) { (void)reports; (void)ack; }
void access_answer(struct access *access, const fz_AccessAnswer *answer) { (void)access; (void)answer; }
void access_offline(struct access *access) { (void)access; }
void local_why(struct local *local, const fz_WhyAnswer *answer) { (void)local; (void)answer; }
void local_error(struct local *local, const fz_Error *error) { (void)local; (void)error; }
void local_offline(struct local *local) { (void)local; }

/* --- what the broker says -------------------------------------------------- */

static void hear(const fz_Message *msg)
{
	world.calls.message(world.arg, msg);
}

static fz_Message *message(pb_size_t which)
{
	static fz_Message msg;

	memset(&msg, 0, sizeof(msg));
	msg.which_body = which;
	return &msg;
}

static void online(fz_Role role)
{
	fz_Message *msg = message(fz_Message_hello_ack_tag);

	msg->body.hello_ack.enrolled = true;
	msg->body.hello_ack.has_identity = true;
	msg->body.hello_ack.identity.role = role;
	hear(msg);
	assert_true(agent.online);
}

static int setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	memset(&agent, 0, sizeof(agent));
	assert_int_equal(uv_loop_init(&loop), 0);
	agent.loop = &loop;
	agent.id.joined = true;
	assert_int_equal(session_start(&agent), 0);
	online(fz_ROLE_CLIENT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	session_stop(&agent);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return 0;
}

/* A state of one part with nothing in it yet. */
static fz_State *state_message(fz_Message **msg, uint64_t number, uint64_t base)
{
	fz_State *state;

	*msg = message(fz_Message_state_tag);
	state = &(*msg)->body.state;
	state->instance = INSTANCE;
	state->number = number;
	state->snapshot = !base;
	state->base = base;
	state->last = true;
	return state;
}

static fz_Peer *add_peer(fz_State *state, uint8_t key)
{
	fz_Item *item = &state->item[state->item_count++];

	item->which_body = fz_Item_peer_tag;
	item->body.peer.public_key.size = FZ_KEY_LEN;
	memset(item->body.peer.public_key.bytes, key, FZ_KEY_LEN);
	return &item->body.peer;
}

static void hear_state(uint64_t number, uint64_t base)
{
	fz_Message *msg;

	add_peer(state_message(&msg, number, base), (uint8_t)number);
	hear(msg);
}

static void assert_acked(uint64_t number, fz_Code code)
{
	const fz_Ack *ack = &world.sent[fz_Message_ack_tag].body.ack;

	assert_int_equal(ack->instance, INSTANCE);
	assert_int_equal(ack->number, number);
	assert_int_equal(ack->code, code);
}

/* --- tests ----------------------------------------------------------------- */

static void test_state_with_a_part_left_out(void **state)
{
	(void)state;
	world.takes = KERNEL_LEFT_OUT;
	hear_state(1, 0);
	assert_acked(1, fz_CODE_NONE);
	assert_string_equal(agent.left_out, "the kernel does not take it");

	/* the differences that follow build on it */
	hear_state(2, 1);
	assert_acked(2, fz_CODE_NONE);
	assert_int_equal(world.items, 1);
	assert_int_equal(HASH_COUNT(agent.desired.peers), 2);
	assert_string_equal(agent.left_out, "the kernel does not take it");

	/* it is tried again, also when nothing comes from the broker */
	world.takes = 0;
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(world.applied, 2);
	assert_int_equal(world.peers, 2);
	assert_string_equal(agent.left_out, "");
}

static void test_state_that_the_kernel_does_not_take(void **state)
{
	(void)state;
	world.takes = -EBUSY;
	hear_state(1, 0);
	assert_acked(1, fz_CODE_INTERNAL);
	assert_string_equal(agent.left_out, "the kernel does not take it");
	assert_int_equal(world.reconnects, 0);

	/* while it is behind, a difference brings the whole */
	hear_state(2, 1);
	assert_acked(2, fz_CODE_INTERNAL);
	assert_int_equal(world.items, 0);
	assert_int_equal(world.applied, 2);

	world.takes = 0;
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(world.applied, 3);
	assert_int_equal(world.peers, 2);
	assert_acked(2, fz_CODE_NONE);
	assert_string_equal(agent.left_out, "");
}

static void test_difference_that_the_kernel_does_not_take(void **state)
{
	(void)state;
	hear_state(1, 0);
	world.takes_items = -EINVAL;
	hear_state(2, 1);
	assert_acked(2, fz_CODE_NONE);
	assert_int_equal(world.items, 1);
	assert_int_equal(world.applied, 2);
	assert_int_equal(world.peers, 2);
}

static void test_snapshot_that_makes_no_sense(void **state)
{
	fz_Message *msg;

	(void)state;
	hear_state(1, 0);
	add_peer(state_message(&msg, 2, 0), 2)->public_key.size = 5;
	hear(msg);
	assert_acked(2, fz_CODE_INTERNAL);
	assert_int_equal(world.reconnects, 1);
	assert_false(agent.online);
	assert_string_equal(agent.trouble, "the broker sent a peer without a key");
	/* what was in force is, and a snapshot will be asked for */
	assert_int_equal(world.applied, 1);
	world.calls.open(world.arg);
	assert_int_equal(world.sent[fz_Message_hello_tag].body.hello.number, 0);
}

static void test_parts_after_one_that_makes_no_sense(void **state)
{
	fz_State *part;
	fz_Message *msg;

	(void)state;
	hear_state(1, 0);
	part = state_message(&msg, 2, 1);
	part->last = false;
	add_peer(part, 2)->public_key.size = 5;
	hear(msg);
	assert_acked(2, fz_CODE_STALE);
	assert_int_equal(world.n_sent[fz_Message_ack_tag], 2);
	hear_state(2, 1);
	assert_int_equal(world.n_sent[fz_Message_ack_tag], 2);
	assert_int_equal(HASH_COUNT(agent.desired.peers), 1);
	/* the snapshot that was asked for is taken */
	hear_state(3, 0);
	assert_acked(3, fz_CODE_NONE);
}

static void test_broker_at_another_address(void **state)
{
	fz_Message *msg;
	fz_State *part;

	(void)state;
	world.broker = htonl(0xc0a80101);
	world.calls.open(world.arg);
	assert_int_equal(agent.kernel.broker.v4.s_addr, world.broker);
	part = state_message(&msg, 1, 0);
	part->item[part->item_count].which_body = fz_Item_route_tag;
	part->item[part->item_count++].body.route.addr.size = 4;
	hear(msg);
	assert_int_equal(world.applied, 1);
	world.calls.closed(world.arg, FZ_REFUSAL_NONE, "lost");
	assert_int_equal(world.applied, 1);
	/* one that is not reached, perhaps for a route of ours */
	world.broker = htonl(0xc0a80102);
	world.calls.closed(world.arg, FZ_REFUSAL_NONE, "no answer");
	assert_int_equal(world.applied, 2);
	assert_int_equal(agent.kernel.broker.v4.s_addr, world.broker);
}

/* A broker that never comes to the end of a difference. */
static void test_parts_without_end(void **state)
{
	fz_State *part;
	fz_Message *msg;
	size_t most = 0;

	(void)state;
	hear_state(1, 0);
	part = state_message(&msg, 2, 1);
	part->last = false;
	while (part->item_count < sizeof(part->item) / sizeof(*part->item))
		add_peer(part, (uint8_t)part->item_count);
	for (unsigned int i = 0; i < 3000; i++) {
		hear(msg);
		most = agent.incoming.room > most ? agent.incoming.room : most;
	}
	assert_true(most * sizeof(fz_Item) <= 64u << 20);
	assert_int_equal(agent.incoming.room, 0);
	assert_acked(2, fz_CODE_STALE);
	assert_int_equal(world.n_sent[fz_Message_ack_tag], 2);
}

static void test_access_that_is_taken_away_from_the_device(void **state)
{
	fz_Message *msg;

	(void)state;
	hear_state(1, 0);
	world.takes = -EBUSY;
	msg = message(fz_Message_refused_tag);
	msg->body.refused.code = fz_CODE_DISABLED;
	hear(msg);
	assert_int_equal(world.applied, 2);
	assert_int_equal(world.peers, 0);
	/* until nothing is left in the kernel */
	world.takes = 0;
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(world.applied, 3);
	assert_int_equal(world.peers, 0);
}

static void test_preshared_key_for_somebody_else(void **state)
{
	fz_Admit *admit;
	fz_Message *msg;
	fz_Peer *peer;

	(void)state;
	agent.kernel.gateway = true;
	peer = add_peer(state_message(&msg, 1, 0), 1);
	peer->psk = true;
	peer->control_key.size = 32;
	memset(peer->control_key.bytes, 5, 32);
	hear(msg);

	for (uint8_t end = 5; end <= 6; end++) {
		msg = message(fz_Message_peer_key_tag);
		msg->body.peer_key.want = true;
		msg->body.peer_key.peer.size = msg->body.peer_key.control_key.size = 32;
		memset(msg->body.peer_key.peer.bytes, 1, 32);
		memset(msg->body.peer_key.control_key.bytes, end, 32);
		hear(msg);
		assert_int_equal(world.seals, 1);
		assert_int_equal(world.n_sent[fz_Message_peer_key_tag], 1);
	}
	for (uint8_t end = 5; end <= 6; end++) {
		msg = message(fz_Message_admit_tag);
		admit = &msg->body.admit;
		admit->want_psk = true;
		admit->peer.size = admit->control_key.size = 32;
		memset(admit->peer.bytes, 1, 32);
		memset(admit->control_key.bytes, end, 32);
		hear(msg);
		assert_int_equal(world.seals, 2);
		assert_int_equal(world.sent[fz_Message_admitted_tag].body.admitted.code,
				 end == 5 ? fz_CODE_NONE : fz_CODE_INTERNAL);
		assert_int_equal(world.sent[fz_Message_admitted_tag].body.admitted.sealed_psk.size,
				 end == 5 ? KERNEL_SEALED_LEN : 0);
	}
}

/* Between the parts of a state: the key of an earlier part is not the one that is wanted when the last one is in. */
static void test_preshared_key_between_parts(void **state)
{
	const uint8_t key[FZ_KEY_LEN] = { [0 ... FZ_KEY_LEN - 1] = 2 };
	fz_State *part;
	fz_Message *msg;
	fz_Peer *peer;

	(void)state;
	hear_state(1, 0);
	for (uint64_t base = 0; base <= 1; base++) {
		part = state_message(&msg, base ? 3 : 2, base ? 2 : 0);
		part->last = false;
		peer = add_peer(part, 2);
		peer->sealed_psk.size = KERNEL_SEALED_LEN;
		memset(peer->sealed_psk.bytes, 1, KERNEL_SEALED_LEN);
		hear(msg);

		msg = message(fz_Message_peer_key_tag);
		fz_bytes_set(msg->body.peer_key.peer, key, sizeof(key));
		msg->body.peer_key.sealed_psk.size = KERNEL_SEALED_LEN;
		memset(msg->body.peer_key.sealed_psk.bytes, 9, KERNEL_SEALED_LEN);
		hear(msg);

		state_message(&msg, base ? 3 : 2, base ? 2 : 0);
		hear(msg);
		assert_acked(base ? 3 : 2, fz_CODE_NONE);
		assert_int_equal(desired_peer(&agent.desired, key)->sealed_psk[0], 9);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_state_with_a_part_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_state_that_the_kernel_does_not_take, setup, teardown),
		cmocka_unit_test_setup_teardown(test_difference_that_the_kernel_does_not_take, setup, teardown),
		cmocka_unit_test_setup_teardown(test_snapshot_that_makes_no_sense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parts_after_one_that_makes_no_sense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broker_at_another_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parts_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_access_that_is_taken_away_from_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_preshared_key_for_somebody_else, setup, teardown),
		cmocka_unit_test_setup_teardown(test_preshared_key_between_parts, setup, teardown),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
