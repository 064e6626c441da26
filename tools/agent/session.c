// SPDX-License-Identifier: GPL-2.0-only
/* What the broker says, and what is answered: one function a message. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "format.h"
#include "key.h"
#include "log.h"
#include "masquerade.h"

#define SOFTWARE "fzagent " FZ_VERSION
/* Of one difference, which is kept as it came until it is complete; a larger change is better told as a snapshot. */
#define INCOMING_BYTES_MAX (64u << 20)
#define ITEMS_MAX (INCOMING_BYTES_MAX / sizeof(fz_Item))
#define JOIN_MS 15000
/* Until what the kernel did not take is tried again; doubled each time. */
#define AGAIN_MIN_MS 1000
#define AGAIN_MAX_MS 60000
/* Until a broker is asked again that sent what nobody can take. */
#define REFUSED_MS 5000

/**
 * struct join - an enrolment under way
 * @invite: the invitation
 * @name: what the device wants to be called
 * @done: whom to tell, once; @arg is its own
 * @timer: an end to waiting
 */
struct join {
	struct fz_invite invite;
	char name[64];
	join_done done;
	void *arg;
	uv_timer_t timer;
};

/**
 * session_message() - an empty message, to be filled in and given to session_send()
 * @which: tag of its body
 *
 * Return: the message, or NULL without memory.
 */
fz_Message *session_message(pb_size_t which)
{
	fz_Message *msg = calloc(1, sizeof(*msg));	/* large */

	if (msg)
		msg->which_body = which;
	return msg;
}

/**
 * session_send() - send a message to the broker, and forget it
 * @a: the agent
 * @msg: from session_message(), taken over and wiped: keys may be in it; NULL is not sent
 *
 * Return: false when there is no channel, or it is too full.
 */
bool session_send(struct agent *a, fz_Message *msg)
{
	bool sent = msg && uplink_send(a->uplink, msg);

	if (msg)
		sodium_memzero(msg, sizeof(*msg));
	free(msg);
	return sent;
}

/* --- joining --------------------------------------------------------------- */

static void join_closed(uv_handle_t *handle)
{
	struct join *join = handle->data;

	fz_invite_wipe(&join->invite);
	free(join);
}

/* Ends an enrolment and tells; @error is NULL if it worked. */
static void join_end(struct agent *a, const char *error)
{
	struct join *join = a->join;

	if (!join)
		return;
	a->join = NULL;
	if (error) {
		uplink_stop(a->uplink, error);
		fz_invite_wipe(&a->id.broker);
		log_warning("joining failed: %s", error);
	}
	if (join->done)
		join->done(join->arg, error);
	uv_close((uv_handle_t *)&join->timer, join_closed);
}

static void join_timeout(uv_timer_t *timer)
{
	struct agent *a = timer->loop->data;
	char sentence[1024];

	snprintf(sentence, sizeof(sentence), "the broker at %s port %u did not answer%s%s",
		 a->id.broker.host, a->id.broker.port, *a->trouble ? ": " : "", a->trouble);
	join_end(a, sentence);
}

/**
 * session_join() - enrol this device with an invitation
 * @a: the agent
 * @invite: parsed
 * @name: wished for the device, NULL: the host's
 * @done: called once with NULL, or why not
 * @arg: for @done
 * @err: why it is not even tried; then @done is not called
 *
 * Return: 0 or a negative errno.
 */
int session_join(struct agent *a, const struct fz_invite *invite, const char *name, join_done done, void *arg,
		 struct fz_error *err)
{
	struct join *join;

	if (a->id.joined)
		return fz_error_set(err, -EEXIST,
				    "this device has joined the broker at %s already; to join another one, end fzagent and remove its state directory",
				    a->id.broker.host);
	if (a->join)
		return fz_error_set(err, -EBUSY, "this device is joining already");
	if (name && (!*name || strlen(name) >= sizeof(join->name)))
		return fz_error_set(err, -EINVAL, "the name of a device has 1 to %zu characters",
				    sizeof(join->name) - 1);
	join = calloc(1, sizeof(*join));
	if (!join)
		return fz_error_memory(err);
	*a->trouble = '\0';
	a->refused = false;
	join->invite = *invite;
	if (name)
		snprintf(join->name, sizeof(join->name), "%s", name);
	else if (gethostname(join->name, sizeof(join->name) - 1))
		strcpy(join->name, "device");
	join->done = done;
	join->arg = arg;
	uv_timer_init(a->loop, &join->timer);
	join->timer.data = join;
	uv_timer_start(&join->timer, join_timeout, JOIN_MS, 0);
	a->join = join;
	a->id.broker = *invite;
	sodium_memzero(a->id.broker.token, sizeof(a->id.broker.token));
	uplink_start(a->uplink);
	return 0;
}

/**
 * session_join_forget() - whoever waits for the enrolment is gone; it goes on
 * @a: the agent
 * @arg: as given to session_join()
 */
void session_join_forget(struct agent *a, void *arg)
{
	if (a->join && a->join->arg == arg)
		a->join->done = NULL;
}

static void send_enrol(struct agent *a)
{
	fz_Message *msg = session_message(fz_Message_enrol_tag);

	if (msg) {
		fz_bytes_set(msg->body.enrol.token, a->join->invite.token, FZ_INVITE_TOKEN_LEN);
		fz_string_set(msg->body.enrol.name, a->join->name);
		fz_bytes_set(msg->body.enrol.tunnel_key, a->kernel.public_key, FZ_KEY_LEN);
	}
	session_send(a, msg);
}

/* --- the state and the kernel ----------------------------------------------- */

static void send_ack(struct agent *a, uint64_t instance, uint64_t number, fz_Code code, const char *sentence)
{
	fz_Message *msg = session_message(fz_Message_ack_tag);

	if (msg) {
		msg->body.ack.instance = instance;
		msg->body.ack.number = number;
		msg->body.ack.code = code;
		fz_string_set(msg->body.ack.sentence, sentence);
	}
	session_send(a, msg);
}

/* Notes which part of the state the kernel does not have; says it once. @why is NULL when it has all. */
static void note_left_out(struct agent *a, const struct fz_error *why)
{
	char before[sizeof(a->left_out)];

	memcpy(before, a->left_out, sizeof(before));
	fz_string_set(a->left_out, why ? why->text : "");
	if (!strcmp(before, a->left_out))
		return;
	if (!why)
		log_info("all of the broker's state is in the kernel now");
	else if (a->behind)
		log_error("what the broker has withdrawn may still be in force: %s", a->left_out);
	else
		log_warning("%s", a->left_out);
}

static void on_again(uv_timer_t *timer);

static void again_later(struct agent *a)
{
	if (!a->again_ms)
		a->again_ms = AGAIN_MIN_MS;
	uv_timer_start(&a->again, on_again, a->again_ms, 0);
	a->again_ms = a->again_ms * 2 > AGAIN_MAX_MS ? AGAIN_MAX_MS : a->again_ms * 2;
}

/*
 * Brings the whole state to the kernel, now, and again later if it is not taken
 * whole: with the broker or without it, nothing that was withdrawn stays.
 * Return: as kernel_apply_all().
 */
static int settle(struct agent *a, struct fz_error *err)
{
	struct fz_error why = { 0 };
	int ret = kernel_apply_all(&a->kernel, &a->desired, err);

	if (a->kernel.gateway && masquerade_apply(a->kernel.dev, &a->desired, &why) && !ret) {
		*err = why;
		ret = KERNEL_LEFT_OUT;
	}
	a->behind = ret < 0;
	note_left_out(a, ret ? err : NULL);
	if (ret) {
		again_later(a);
	} else {
		a->again_ms = 0;
		uv_timer_stop(&a->again);
	}
	return ret;
}

static void on_again(uv_timer_t *timer)
{
	struct agent *a = timer->data;
	struct fz_error err = { 0 };
	bool behind = a->behind;

	if (settle(a, &err) >= 0 && behind && a->online && a->desired.number)
		send_ack(a, a->desired.instance, a->desired.number, fz_CODE_NONE, "");
}

/* --- who we are ------------------------------------------------------------ */

/* The role decides what the kernel is asked for, so it is known before the first state. */
static void welcome(struct agent *a, const fz_Identity *identity)
{
	bool gateway = identity->role == fz_ROLE_GATEWAY;
	struct fz_error err = { 0 };

	a->welcome = *identity;
	if (agent_kernel_start(a, gateway, &err) || (gateway && forwarding_enable(&err))) {
		agent_fail(a, err.text);
		return;
	}
	a->known = true;
	a->online = true;
	*a->trouble = '\0';
	log_info("connected to the broker at %s as %s %s", a->id.broker.host,
		 gateway ? "gateway" : "client", identity->name);
	paths_start(a->paths);
	paths_report(a->paths);
	reports_online(a->reports);
}

/*
 * The broker itself says that this device has no right to anything: all that
 * was granted goes, here too. That is not what happens when the broker is away.
 */
static void give_up_state(struct agent *a)
{
	struct fz_error err = { 0 };

	desired_clear(&a->desired);
	settle(a, &err);
}

static void trouble(struct agent *a, const char *sentence)
{
	fz_string_set(a->trouble, sentence);
	a->refused = true;
}

static void unknown(struct agent *a)
{
	trouble(a, "the broker does not know this device any more; join again: end fzagent, remove its state directory, and ask for a new invitation");
	log_error("%s", a->trouble);
	give_up_state(a);
	uplink_retry_in(a->uplink, REFUSED_MS);
}

static void on_hello_ack(struct agent *a, const fz_HelloAck *ack)
{
	struct fz_error err = { 0 };

	memcpy(a->broker_software, ack->software, sizeof(a->broker_software));
	uplink_alive_every(a->uplink, ack->ping_ms);
	if (ack->enrolled && ack->has_identity) {
		if (a->join) {
			/* an earlier try got through, and its answer did not: the device is known */
			a->id.joined = true;
			if (identity_save(&a->id, &err)) {
				a->id.joined = false;
				join_end(a, err.text);
				return;
			}
		}
		welcome(a, &ack->identity);
		join_end(a, NULL);
	} else if (a->join) {
		send_enrol(a);
	} else {
		unknown(a);
	}
}

static void on_enrol_ack(struct agent *a, const fz_EnrolAck *ack)
{
	struct fz_error err = { 0 };

	if (!a->join || !ack->has_identity)
		return;
	a->id.joined = true;
	if (identity_save(&a->id, &err)) {
		a->id.joined = false;
		join_end(a, err.text);
		return;
	}
	welcome(a, &ack->identity);
	join_end(a, NULL);
}

static void on_refused(struct agent *a, const fz_Refused *refused)
{
	trouble(a, refused->sentence);
	if (a->join) {
		join_end(a, refused->sentence);
		return;
	}
	log_error("the broker refuses this device: %s", refused->sentence);
	if (refused->code == fz_CODE_DISABLED || refused->code == fz_CODE_NOT_ENROLLED)
		give_up_state(a);
	uplink_retry_in(a->uplink, REFUSED_MS);
}

/* --- state ----------------------------------------------------------------- */

static void incoming_reset(struct agent *a)
{
	free(a->incoming.items);
	desired_clear(&a->incoming.fresh);
	memset(&a->incoming, 0, sizeof(a->incoming));
}

static int incoming_keep(struct agent *a, const fz_State *part, struct fz_error *err)
{
	size_t need = a->incoming.n + part->item_count;

	if (need > ITEMS_MAX)
		return fz_error_set(err, -E2BIG, "the broker's difference is too large; a snapshot is due");
	if (need > a->incoming.room) {
		size_t room = need < 16 ? 16 : need * 2 > ITEMS_MAX ? ITEMS_MAX : need * 2;
		fz_Item *items = realloc(a->incoming.items, room * sizeof(*items));

		if (!items)
			return fz_error_set(err, -ENOMEM, "out of memory for the broker's state");
		a->incoming.items = items;
		a->incoming.room = room;
	}
	if (part->item_count)
		memcpy(a->incoming.items + a->incoming.n, part->item, part->item_count * sizeof(*part->item));
	a->incoming.n = need;
	return 0;
}

static int incoming_add(struct agent *a, const fz_State *part, struct fz_error *err)
{
	int ret = 0;

	if (!a->incoming.collecting || a->incoming.number != part->number ||
	    a->incoming.instance != part->instance) {
		incoming_reset(a);
		a->incoming.collecting = true;
		a->incoming.instance = part->instance;
		a->incoming.number = part->number;
		a->incoming.snapshot = part->snapshot;
		a->incoming.base = part->base;
	}
	for (size_t i = 0; i < part->item_count && !ret; i++)
		ret = desired_check(&part->item[i], err);
	if (!ret && !a->incoming.snapshot)
		return incoming_keep(a, part, err);
	for (size_t i = 0; i < part->item_count && !ret; i++)
		ret = desired_put(&a->incoming.fresh, &part->item[i], err);
	return ret;
}

static bool has_kind(const fz_Item *items, size_t n, pb_size_t kind)
{
	for (size_t i = 0; i < n; i++) {
		if (items[i].which_body == kind)
			return true;
	}
	return false;
}

/* Preshared keys that we made stay with their peers over a snapshot. */
static void keep_preshared(struct desired *fresh, const struct desired *old)
{
	struct want_peer *peer;

	for (peer = fresh->peers; peer; peer = peer->hh.next) {
		const struct want_peer *before = desired_peer(old, peer->key);

		if (before)
			want_peer_keep_key(peer, before);
	}
}

static void adopt_snapshot(struct agent *a)
{
	struct desired *fresh = &a->incoming.fresh;

	keep_preshared(fresh, &a->desired);
	desired_clear(&a->desired);
	a->desired = *fresh;
	memset(fresh, 0, sizeof(*fresh));
	a->desired.instance = a->incoming.instance;
	a->desired.number = a->incoming.number;
}

/* Brings the complete difference to the kernel. Return: as kernel_apply_items(). */
static int apply_items(struct agent *a, bool connect, struct fz_error *err)
{
	const fz_Item *items = a->incoming.items;
	size_t n = a->incoming.n;
	struct fz_error why = { 0 };
	int ret = kernel_apply_items(&a->kernel, &a->desired, items, n, connect, err);

	if (a->kernel.gateway && has_kind(items, n, fz_Item_masquerade_tag) &&
	    masquerade_apply(a->kernel.dev, &a->desired, &why) && !ret) {
		*err = why;
		ret = KERNEL_LEFT_OUT;
	}
	if (ret > 0)
		note_left_out(a, err);
	/* what was left out before is not judged here; it may be what has changed */
	if (ret > 0 || (*a->left_out && has_kind(items, n, fz_Item_route_tag))) {
		a->again_ms = 0;
		again_later(a);
	}
	return ret;
}

static int adopt_difference(struct agent *a, struct fz_error *err)
{
	int ret = 0;

	if (a->incoming.instance != a->desired.instance || a->incoming.base != a->desired.number)
		return fz_error_set(err, -ESTALE, "a difference to state %llu came, but this device has %llu",
				    (unsigned long long)a->incoming.base,
				    (unsigned long long)a->desired.number);
	for (size_t i = 0; i < a->incoming.n && !ret; i++)
		ret = desired_put(&a->desired, &a->incoming.items[i], err);
	a->desired.number = a->incoming.number;
	return ret;
}

/* Takes a part. Return: 1 when the state is complete and became the desired one, 0 if not yet, or a negative errno. */
static int take(struct agent *a, const fz_State *part, struct fz_error *err)
{
	int ret;

	if (a->incoming.refused && a->incoming.number == part->number && a->incoming.instance == part->instance) {
		if (part->last)
			incoming_reset(a);
		return 0;
	}
	ret = incoming_add(a, part, err);
	if (ret || !part->last)
		return ret;
	if (a->incoming.snapshot)
		adopt_snapshot(a);
	else
		ret = adopt_difference(a, err);
	return ret ? ret : 1;
}

/* A state that cannot be taken: what is held is not known for sure, so only a snapshot helps. */
static void refuse(struct agent *a, const fz_State *part, const char *sentence)
{
	log_error("a state of the broker's cannot be taken: %s", sentence);
	a->desired.instance = 0;
	a->desired.number = 0;
	send_ack(a, part->instance, part->number, part->snapshot ? fz_CODE_INTERNAL : fz_CODE_STALE, sentence);
	if (part->snapshot) {
		/* the broker sends no other one to the same connection */
		trouble(a, sentence);
		uplink_retry_in(a->uplink, REFUSED_MS);
		uplink_reconnect(a->uplink, sentence);
		return;
	}
	incoming_reset(a);
	if (!part->last) {
		a->incoming.instance = part->instance;
		a->incoming.number = part->number;
		a->incoming.refused = true;
	}
}

/* The desired state becomes the kernel's. Return: as kernel_apply_all(). */
static int put_in_force(struct agent *a, bool connect, struct fz_error *err)
{
	int ret;

	if (a->incoming.snapshot || a->behind)
		return settle(a, err);
	ret = apply_items(a, connect, err);
	/* the kernel may have a part of the difference: it gets the whole */
	return ret < 0 ? settle(a, err) : ret;
}

/**
 * session_apply() - take a part of a state, apply the state when it is complete, and acknowledge it
 * @a: the agent
 * @state: the part
 * @connect: start handshakes with the peers in it
 * @err: why not. The broker is told, and sends a snapshot if it was a difference that could not be
 *	taken; a snapshot that could not ends the connection. What the kernel does not take is tried again
 *
 * A part that this host cannot have is no reason to refuse the rest: it is left out and told to people.
 *
 * Return: 1 when the state is in force, 0 when parts are missing, or a negative errno.
 */
int session_apply(struct agent *a, const fz_State *state, bool connect, struct fz_error *err)
{
	int ret = take(a, state, err);

	if (ret < 0)
		refuse(a, state, err->text);
	if (ret <= 0)
		return ret;
	ret = put_in_force(a, connect, err);
	incoming_reset(a);
	send_ack(a, state->instance, state->number, ret < 0 ? fz_CODE_INTERNAL : fz_CODE_NONE,
		 ret < 0 ? err->text : "");
	if (ret < 0)
		return ret;
	log_debug("state %llu is in force", (unsigned long long)state->number);
	return 1;
}

static void on_state(struct agent *a, const fz_State *state)
{
	struct fz_error err = { 0 };

	session_apply(a, state, false, &err);
}

/* --- peers ----------------------------------------------------------------- */

/* Whether the broker still means the other end that the state names: only to that one a key is sealed. */
static bool same_end(const struct want_peer *peer, const pb_byte_t *control_key, pb_size_t len)
{
	return peer->has_control_key && len == sizeof(peer->control_key) &&
	       !memcmp(peer->control_key, control_key, sizeof(peer->control_key));
}

static int seal_for_client(struct agent *a, const fz_Admit *admit, struct want_peer *peer, fz_Admitted *out,
			   struct fz_error *err)
{
	int ret;

	if (!peer || !same_end(peer, admit->control_key.bytes, admit->control_key.size))
		return fz_error_set(err, -ENOKEY, "a preshared key was asked for that is not this client's");
	ret = kernel_peer_seal(&a->kernel, peer, out->sealed_psk.bytes, err);
	if (!ret)
		out->sealed_psk.size = KERNEL_SEALED_LEN;
	return ret;
}

static void on_admit(struct agent *a, const fz_Admit *admit)
{
	fz_Message *msg = session_message(fz_Message_admitted_tag);
	struct fz_error err = { 0 };
	struct want_peer *peer;
	fz_Admitted *out;
	int ret;

	if (!msg)
		return;
	out = &msg->body.admitted;
	out->id = admit->id;
	ret = admit->has_state ? session_apply(a, &admit->state, admit->connect, &err) : 1;
	if (ret == 0)
		ret = fz_error_set(&err, -EINVAL, "the state of an admission came in parts");
	peer = admit->peer.size == FZ_KEY_LEN ? desired_peer(&a->desired, admit->peer.bytes) : NULL;
	if (ret < 0) {
		out->code = ret == -ESTALE ? fz_CODE_STALE : fz_CODE_INTERNAL;
		fz_string_set(out->sentence, err.text);
	} else if (peer && peer->failed) {
		out->code = fz_CODE_INTERNAL;
		fz_string_set(out->sentence, a->left_out);
	} else if (admit->want_psk && seal_for_client(a, admit, peer, out, &err)) {
		out->code = fz_CODE_INTERNAL;
		fz_string_set(out->sentence, err.text);
	}
	out->candidate_count = (pb_size_t)paths_candidates(a->paths, out->candidate,
							   sizeof(out->candidate) / sizeof(*out->candidate));
	if (out->code == fz_CODE_NONE)
		log_info("admitted %s", admit->client);
	session_send(a, msg);
}

static void on_revoke(struct agent *a, const fz_Revoke *revoke)
{
	if (*revoke->sentence)
		log_info("withdrawn: %s", revoke->sentence);
	if (revoke->has_state)
		on_state(a, &revoke->state);
}

static void on_candidates(struct agent *a, const fz_Candidates *c)
{
	struct fz_candidate *list = NULL;
	struct fz_error err = { 0 };
	struct want_peer *peer;
	size_t n;

	peer = c->peer.size == FZ_KEY_LEN ? desired_peer(&a->desired, c->peer.bytes) : NULL;
	if (!peer)
		return;
	if (!desired_candidates(&list, &n, c->candidate, c->candidate_count) &&
	    kernel_peer_candidates(&a->kernel, peer, list, n, c->connect, &err))
		log_warning("new candidates of a peer could not be set: %s", err.text);
	free(list);
}

/* The preshared key of a pair, sealed for the other end. */
static void send_peer_key(struct agent *a, struct want_peer *peer)
{
	fz_Message *msg = session_message(fz_Message_peer_key_tag);
	struct fz_error err = { 0 };
	fz_PeerKey *out;

	if (!msg)
		return;
	out = &msg->body.peer_key;
	fz_bytes_set(out->peer, peer->key, FZ_KEY_LEN);
	if (kernel_peer_seal(&a->kernel, peer, out->sealed_psk.bytes, &err)) {
		log_warning("no preshared key for %s: %s", peer->name, err.text);
		free(msg);
		return;
	}
	out->sealed_psk.size = KERNEL_SEALED_LEN;
	session_send(a, msg);
}

/* A gateway made a key outside of an admission (it lost the old one): its client must get it. */
static void on_key_made(void *arg, struct want_peer *peer)
{
	if (peer->has_control_key)
		send_peer_key(arg, peer);
}

static void on_key_missing(void *arg, const struct want_peer *peer)
{
	fz_Message *msg = session_message(fz_Message_peer_key_tag);

	if (msg) {
		fz_bytes_set(msg->body.peer_key.peer, peer->key, FZ_KEY_LEN);
		msg->body.peer_key.want = true;
	}
	session_send(arg, msg);
}

/* The parts of a state that came before a key have the one before it, which must not come back with them. */
static void renew_incoming(struct agent *a, const fz_PeerKey *key)
{
	struct want_peer *peer = desired_peer(&a->incoming.fresh, key->peer.bytes);

	if (peer)
		want_peer_seal(peer, key->sealed_psk.bytes, key->sealed_psk.size);
	for (size_t i = 0; i < a->incoming.n; i++) {
		fz_Item *item = &a->incoming.items[i];

		if (item->which_body == fz_Item_peer_tag &&
		    !memcmp(item->body.peer.public_key.bytes, key->peer.bytes, FZ_KEY_LEN))
			fz_bytes_set(item->body.peer.sealed_psk, key->sealed_psk.bytes, key->sealed_psk.size);
	}
}

static void on_peer_key(struct agent *a, const fz_PeerKey *key)
{
	struct fz_error err = { 0 };
	struct want_peer *peer;

	if (key->peer.size != FZ_KEY_LEN)
		return;
	if (key->sealed_psk.size)
		renew_incoming(a, key);
	peer = desired_peer(&a->desired, key->peer.bytes);
	if (!peer)
		return;
	if (key->want && a->kernel.gateway) {
		if (same_end(peer, key->control_key.bytes, key->control_key.size))
			send_peer_key(a, peer);
		else
			log_warning("the broker asks for the preshared key of %s in the name of somebody else", peer->name);
		return;
	}
	if (!a->kernel.gateway && key->sealed_psk.size && kernel_peer_key(&a->kernel, peer, key, &err))
		log_warning("a peer's preshared key could not be set: %s", err.text);
}

/* Where the broker is tried decides which routes cannot be had. */
static void note_broker(struct agent *a)
{
	struct fz_addr before = a->kernel.broker;
	struct sockaddr_storage ss;
	struct fz_error err = { 0 };

	memset(&a->kernel.broker, 0, sizeof(a->kernel.broker));
	if (!uplink_address(a->uplink, &ss))
		return;
	a->kernel.broker.family = ss.ss_family;
	if (ss.ss_family == AF_INET)
		a->kernel.broker.v4 = ((struct sockaddr_in *)&ss)->sin_addr;
	else
		a->kernel.broker.v6 = ((struct sockaddr_in6 *)&ss)->sin6_addr;
	if (a->desired.prefixes && memcmp(&before, &a->kernel.broker, sizeof(before)))
		settle(a, &err);
}

/* --- the channel ----------------------------------------------------------- */

static void on_open(void *arg)
{
	fz_Message *msg = session_message(fz_Message_hello_tag);
	struct agent *a = arg;
	fz_Hello *hello;

	note_broker(a);
	if (!msg)
		return;
	hello = &msg->body.hello;
	hello->major = FZ_CONTROL_MAJOR;
	hello->minor = FZ_CONTROL_MINOR;
	fz_string_set(hello->software, SOFTWARE);
	hello->instance = a->desired.instance;
	hello->number = a->desired.number;
	fz_bytes_set(hello->tunnel_key, a->kernel.public_key, FZ_KEY_LEN);
	if (gethostname(hello->host, sizeof(hello->host) - 1))
		*hello->host = '\0';
	hello->candidate_count = (pb_size_t)paths_candidates(a->paths, hello->candidate,
							     sizeof(hello->candidate) / sizeof(*hello->candidate));
	session_send(a, msg);
}

static void on_ping(struct agent *a, const fz_Ping *ping)
{
	fz_Message *msg = session_message(fz_Message_pong_tag);

	if (msg)
		msg->body.pong.number = ping->number;
	session_send(a, msg);
}

static void on_message(void *arg, const fz_Message *msg)
{
	struct agent *a = arg;

	switch (msg->which_body) {
	case fz_Message_hello_ack_tag:
		on_hello_ack(a, &msg->body.hello_ack);
		break;
	case fz_Message_enrol_ack_tag:
		on_enrol_ack(a, &msg->body.enrol_ack);
		break;
	case fz_Message_refused_tag:
		on_refused(a, &msg->body.refused);
		break;
	case fz_Message_ping_tag:
		on_ping(a, &msg->body.ping);
		break;
	case fz_Message_goodbye_tag:
		log_info("the broker says goodbye: %s", msg->body.goodbye.sentence);
		uplink_retry_in(a->uplink, msg->body.goodbye.retry_ms);
		break;
	case fz_Message_error_tag:
		log_warning("the broker could not handle a message: %s", msg->body.error.sentence);
		if (msg->body.error.id)
			local_error(a->local, &msg->body.error);
		break;
	default:
		break;
	}
	if (!a->online)
		return;
	switch (msg->which_body) {
	case fz_Message_state_tag:
		on_state(a, &msg->body.state);
		break;
	case fz_Message_access_answer_tag:
		access_answer(a->access, &msg->body.access_answer);
		break;
	case fz_Message_admit_tag:
		on_admit(a, &msg->body.admit);
		break;
	case fz_Message_revoke_tag:
		on_revoke(a, &msg->body.revoke);
		break;
	case fz_Message_candidates_tag:
		on_candidates(a, &msg->body.candidates);
		break;
	case fz_Message_peer_key_tag:
		on_peer_key(a, &msg->body.peer_key);
		break;
	case fz_Message_why_answer_tag:
		local_why(a->local, &msg->body.why_answer);
		break;
	case fz_Message_report_ack_tag:
		reports_ack(a->reports, &msg->body.report_ack);
		break;
	default:
		break;
	}
}

static void on_closed(void *arg, enum fz_channel_refusal refusal, const char *sentence)
{
	struct agent *a = arg;
	bool was = a->online;

	a->online = false;
	incoming_reset(a);
	if (!a->refused)
		fz_string_set(a->trouble, sentence);
	a->refused = false;
	if (was)
		log_warning("the connection to the broker is lost: %s", sentence);
	else
		log_debug("no connection to the broker: %s", sentence);
	if (a->join && refusal == FZ_REFUSAL_KEY)
		join_end(a, sentence);
	/* another address may have been tried, in vain for a route of ours */
	note_broker(a);
	access_offline(a->access);
	local_offline(a->local);
}

static const struct uplink_calls calls = {
	.open = on_open,
	.message = on_message,
	.closed = on_closed,
};

/**
 * session_start() - get ready, and connect if this device has joined
 * @a: the agent
 *
 * Return: 0 or -ENOMEM.
 */
int session_start(struct agent *a)
{
	a->kernel.control_private = a->id.control_private;
	a->kernel.control_public = a->id.control_public;
	a->kernel.key_made = on_key_made;
	a->kernel.key_missing = on_key_missing;
	a->kernel.arg = a;
	a->uplink = uplink_new(a->loop, &a->id, &calls, a);
	if (!a->uplink)
		return -ENOMEM;
	uv_timer_init(a->loop, &a->again);
	a->again.data = a;
	if (a->id.joined)
		uplink_start(a->uplink);
	else
		log_info("this device has not joined a broker yet: fzctl join INVITATION");
	return 0;
}

/**
 * session_stop() - say goodbye and let the broker go
 * @a: the agent
 */
void session_stop(struct agent *a)
{
	fz_Message *msg = a->online ? session_message(fz_Message_goodbye_tag) : NULL;

	if (a->join)
		join_end(a, "the agent ends");
	if (msg) {
		msg->body.goodbye.code = fz_CODE_SHUTDOWN;
		fz_string_set(msg->body.goodbye.sentence, "the agent ends");
	}
	session_send(a, msg);
	a->online = false;	/* nobody sends any more */
	if (a->uplink)
		uv_close((uv_handle_t *)&a->again, NULL);
	uplink_free(a->uplink);
	a->uplink = NULL;
	incoming_reset(a);
	desired_clear(&a->desired);
}
