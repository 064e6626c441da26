// SPDX-License-Identifier: GPL-2.0-only
/* Sessions: from the first word to the last. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "log.h"
#include "signal_internal.h"

static void session_enter(struct session *session, enum session_step step)
{
	static const char *const names[] = {
		[SESSION_HELLO] = "hello",
		[SESSION_ENROL] = "enrol",
		[SESSION_RIVAL] = "rival",
		[SESSION_READY] = "ready",
	};

	log_debug("signal", "session address=%s from=%s to=%s", session->address, names[session->step], names[step]);
	session->step = step;
}

/*
 * Its agent lacks something that it had to be told. The next tick closes it, so that sending never ends a session by
 * itself; the agent gets everything anew when it is back.
 */
void session_break(struct signal *sig, struct session *session, const char *reason)
{
	if (!session->broken)
		session->broken = reason;
	signal_wake(sig, signal_now(sig));
}

bool session_send(struct signal *sig, struct session *session, const fz_Message *msg)
{
	if (!session->broken && sig->calls->send(sig->arg, session->link, msg))
		return true;
	session_break(sig, session, "it takes no more");
	return false;
}

/* The link is gone or will be; what hung on it ends. A rival takes its place with the next tick. */
static void session_free(struct signal *sig, struct session *session)
{
	struct agent *agent = session->agent;

	DL_DELETE(sig->sessions, session);
	if (agent && agent->rival == session)
		agent->rival = NULL;
	if (agent && agent->session == session) {
		agent->session = NULL;
		if (session->broken || agent->telling.changes)
			agent->known = false;
		telling_end(&agent->telling);
		agent->note.set = false;
		agent->since_ms = signal_clock(sig);
		if (agent->prev)
			DL_DELETE(sig->gateways, agent);
		agent->prev = agent->next = NULL;
		access_gateway_gone(sig, agent);
		access_client_gone(sig, agent);
	}
	free(session->hello);
	sodium_memzero(session, sizeof(*session));
	free(session);
	if (agent && agent->rival)
		signal_wake(sig, signal_now(sig));
	else if (agent)
		agent_forget(sig, agent);
}

void session_close(struct signal *sig, struct session *session)
{
	void *link = session->link;

	session_free(sig, session);
	sig->calls->close(sig->arg, link);
}

void session_refuse(struct signal *sig, struct session *session, fz_Code code, const char *sentence)
{
	fz_Message *msg = message_new(sig, fz_Message_refused_tag);

	msg->body.refused.code = code;
	fz_string_set(msg->body.refused.sentence, sentence);
	log_info("signal", "refused address=%s reason=\"%s\"", session->address, sentence);
	session_send(sig, session, msg);
	session_close(sig, session);
}

void session_error(struct signal *sig, struct session *session, fz_Code code, uint64_t id, const char *sentence)
{
	fz_Message *msg = message_new(sig, fz_Message_error_tag);

	msg->body.error.code = code;
	msg->body.error.id = id;
	fz_string_set(msg->body.error.sentence, sentence);
	session_send(sig, session, msg);
}

/**
 * signal_open() - a link has authenticated
 * @sig: signalling
 * @link: the caller's link, given back in the calls
 * @key: the agent's control key
 * @address: where it comes from, for logs
 *
 * Return: the session, for the other functions; NULL without memory. It is the caller's until signal_closed(), or
 * until @calls->close is called for @link, whichever comes first.
 */
struct session *signal_open(struct signal *sig, void *link, const uint8_t key[MODEL_KEY_LEN], const char *address)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->link = link;
	session->opened = session->heard = signal_now(sig);
	memcpy(session->key, key, MODEL_KEY_LEN);
	snprintf(session->address, sizeof(session->address), "%s", address);
	DL_APPEND(sig->sessions, session);
	signal_wake(sig, session->opened + sig->config.hello_ms);
	return session;
}

/**
 * signal_closed() - a link has ended by itself
 * @sig: signalling
 * @session: of the link; gone afterwards
 * @sentence: why, for the log
 */
void signal_closed(struct signal *sig, struct session *session, const char *sentence)
{
	if (session->agent && session->agent->session == session)
		log_info("signal", "disconnected device=%lld address=%s reason=\"%s\"",
			 (long long)session->agent->id, session->address, sentence);
	session_free(sig, session);
}

/**
 * signal_malformed() - a message could not be understood
 * @sig: signalling
 * @session: whose; gone afterwards
 * @sentence: what was wrong with it
 */
void signal_malformed(struct signal *sig, struct session *session, const char *sentence)
{
	session_refuse(sig, session, fz_CODE_MALFORMED, sentence);
}

static void send_hello_ack(struct signal *sig, struct session *session, const struct device *device)
{
	fz_Message *msg = message_new(sig, fz_Message_hello_ack_tag);
	fz_HelloAck *ack = &msg->body.hello_ack;

	ack->major = FZ_CONTROL_MAJOR;
	ack->minor = FZ_CONTROL_MINOR;
	fz_string_set(ack->software, SOFTWARE);
	ack->ping_ms = sig->config.ping_ms;
	ack->enrolled = device != NULL;
	ack->has_identity = ack->enrolled;
	if (device)
		identity_fill(sig, device, &ack->identity);
	session_send(sig, session, msg);
}

static bool device_enabled(const struct directory *dir, const struct device *device)
{
	const struct user *user = device->user_id ? directory_user(dir, device->user_id) : NULL;

	return device->enabled && (!device->user_id || (user && user->enabled));
}

/* With a line in the audit log: it is what a false one would be found by. */
static int store_tunnel_key(struct signal *sig, const struct device *device, const uint8_t *key, struct fault *fault)
{
	const struct directory *dir = signal_directory(sig);
	const struct user *user = device->user_id ? directory_user(dir, device->user_id) : NULL;
	char actor[NAME_LEN_MAX + 16], old[FZ_KEY_TEXT_SIZE], new[FZ_KEY_TEXT_SIZE], text[160];
	struct audit_entry entry = { .at_ms = signal_clock(sig), .actor = actor, .action = "device.rekey",
				     .object = device->name, .user = user ? user->name : NULL, .device = device->name,
				     .text = text };
	int ret = store_begin(sig->store, fault);

	if (ret)
		return ret;
	snprintf(actor, sizeof(actor), "device %s", device->name);
	fz_key_format(old, device->tunnel_key);
	fz_key_format(new, key);
	snprintf(text, sizeof(text), "tunnel key %s instead of %s", new, old);
	ret = store_device_set_tunnel_key(sig->store, device->id, key, fault);
	if (!ret)
		ret = store_audit_add(sig->store, &entry, fault);
	if (!ret)
		return store_commit(sig->store, fault);
	store_rollback(sig->store);
	return ret;
}

/* No tunnel of the old key works for the new one: who talks with it is to begin anew. */
static void tunnel_moved(struct signal *sig, struct agent *agent)
{
	struct grant *grant;

	agent->moved_at = signal_now(sig);
	DL_FOREACH2(agent->as_client, grant, client_next)
		agent_mark(sig, grant->gateway);
	DL_FOREACH2(agent->as_gateway, grant, gateway_next)
		agent_mark(sig, grant->client);
	agents_sync_marked(sig);
}

/* The tunnel key may have changed while the agent was away. False when the session ended over it. */
bool session_tunnel_key(struct signal *sig, struct session *session, const pb_byte_t *key, pb_size_t size)
{
	struct agent *agent = session->agent;
	const struct device *device = directory_device(signal_directory(sig), agent->id);
	struct fault fault = { 0 };
	int ret;

	if (!size || !device || key_matches(key, size, device->tunnel_key))
		return true;
	if (size != MODEL_KEY_LEN || sodium_is_zero(key, size)) {
		session_refuse(sig, session, fz_CODE_MALFORMED, "the tunnel key is not a key");
		return false;
	}
	if (!bucket_take(&agent->keys, signal_now(sig), KEYS_BURST, KEYS_RATE)) {
		session_refuse(sig, session, fz_CODE_LIMIT, "the tunnel key changes too often");
		return false;
	}
	if (signal_doubtful(sig)) {
		session_refuse(sig, session, fz_CODE_UNAVAILABLE, DOUBTFUL);
		return false;
	}
	ret = store_tunnel_key(sig, device, key, &fault);
	if (ret) {
		session_refuse(sig, session, ret == -EEXIST ? fz_CODE_DUPLICATE : fz_CODE_UNAVAILABLE, fault.text);
		return false;
	}
	sig->calls->rekey(sig->arg, agent->id, key);
	tunnel_moved(sig, agent);
	return true;
}

/* It is shown to admins, so nothing that a terminal would obey. */
static void version_set(struct agent *agent, const char *software)
{
	snprintf(agent->version, sizeof(agent->version), "%s", software);
	for (char *c = agent->version; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
}

/* The session is the agent's from here on. */
static void session_ready(struct signal *sig, struct session *session)
{
	struct agent *agent = session->agent;
	fz_Hello *hello = session->hello;
	const struct device *device;

	session_enter(session, SESSION_READY);
	agent->session = session;
	agent->since_ms = signal_clock(sig);
	agent->online_at = signal_now(sig);
	snprintf(agent->address, sizeof(agent->address), "%s", session->address);
	version_set(agent, hello->software);
	agent->known = agent->known && hello->instance == sig->instance && hello->number == agent->number;
	if (!session_tunnel_key(sig, session, hello->tunnel_key.bytes, hello->tunnel_key.size))
		return;
	device = directory_device(signal_directory(sig), agent->id);
	if (!device)
		return;
	if (device->role == DEVICE_GATEWAY && !agent->prev)
		DL_APPEND(sig->gateways, agent);
	log_info("signal", "connected device=%lld name=%s address=%s state=%s", (long long)agent->id, device->name,
		 session->address, agent->known ? "known" : "unknown");
	agent_candidates(sig, agent, hello->candidate, hello->candidate_count, true);
	free(hello);
	session->hello = NULL;
	signal_wake(sig, session->heard + sig->config.ping_ms);
	agent_sync(sig, agent, NULL, true);
}

static void rival_promote(struct signal *sig, struct agent *agent)
{
	struct session *session = agent->rival;

	agent->rival = NULL;
	send_hello_ack(sig, session, directory_device(signal_directory(sig), agent->id));
	session_ready(sig, session);
}

/* Asks the link that the device has already whether it lives. */
static void rival_begin(struct signal *sig, struct session *session, struct agent *agent)
{
	uint64_t now = signal_now(sig);
	fz_Message *msg = message_new(sig, fz_Message_ping_tag);

	agent->rival = session;
	session->opened = now;
	session_enter(session, SESSION_RIVAL);
	msg->body.ping.number = ++agent->session->ping;
	agent->session->pinged = now;
	session_send(sig, agent->session, msg);
	signal_wake(sig, now + sig->config.rival_ms);
}

void session_rival_refuse(struct signal *sig, struct agent *agent)
{
	char sentence[256];

	snprintf(sentence, sizeof(sentence), "another agent that uses this device's key is connected, from %s",
		 agent->session->address);
	budget_refused(sig, agent->rival, agent, sentence);
	session_refuse(sig, agent->rival, fz_CODE_DUPLICATE, sentence);
}

/* The device of @session is known: it becomes the agent's link, unless that has another one which may live. */
static void session_attach(struct signal *sig, struct session *session, const struct device *device, bool ack)
{
	struct agent *agent;

	if (!device_enabled(signal_directory(sig), device)) {
		session_refuse(sig, session, fz_CODE_DISABLED, device->enabled ?
			       "the user of this device is disabled" : "this device is disabled");
		return;
	}
	agent = agent_get(sig, device->id);
	if (!agent) {
		session_refuse(sig, session, fz_CODE_UNAVAILABLE, "the broker is out of memory");
		return;
	}
	session->agent = agent;
	if (agent->session && agent->rival) {
		session->agent = NULL;
		budget_refused(sig, session, agent, "other agents that use this device's key are connecting");
		session_refuse(sig, session, fz_CODE_DUPLICATE,
			       "other agents that use this device's key are connecting");
		return;
	}
	if (agent->session) {
		rival_begin(sig, session, agent);
		return;
	}
	if (ack)
		send_hello_ack(sig, session, device);
	session_ready(sig, session);
}

void session_hello(struct signal *sig, struct session *session, const fz_Hello *hello)
{
	const struct device *device;
	char sentence[128];

	if (hello->major != FZ_CONTROL_MAJOR) {
		snprintf(sentence, sizeof(sentence),
			 "the agent speaks version %u.%u of the protocol, the broker %u.%u: upgrade the older one",
			 hello->major, hello->minor, FZ_CONTROL_MAJOR, FZ_CONTROL_MINOR);
		session_refuse(sig, session, fz_CODE_VERSION, sentence);
		return;
	}
	/* It may have been disabled or removed meanwhile. */
	if (signal_doubtful(sig)) {
		session_refuse(sig, session, fz_CODE_UNAVAILABLE, DOUBTFUL);
		return;
	}
	session->hello = malloc(sizeof(*hello));
	if (!session->hello) {
		session_refuse(sig, session, fz_CODE_UNAVAILABLE, "the broker is out of memory");
		return;
	}
	*session->hello = *hello;
	device = directory_device_by_control(signal_directory(sig), session->key);
	if (device) {
		session_attach(sig, session, device, true);
		return;
	}
	session_enter(session, SESSION_ENROL);
	send_hello_ack(sig, session, NULL);
}

void session_enrol(struct signal *sig, struct session *session, const fz_Enrol *enrol)
{
	struct enrolment enrolment = { 0 };
	const struct device *known;
	struct fault fault = { 0 };
	struct device device;
	fz_Message *msg;
	int ret;

	if (enrol->token.size != INVITATION_TOKEN_LEN || enrol->tunnel_key.size != MODEL_KEY_LEN ||
	    sodium_is_zero(enrol->tunnel_key.bytes, MODEL_KEY_LEN)) {
		session_refuse(sig, session, fz_CODE_MALFORMED, "the enrolment lacks its token or tunnel key");
		return;
	}
	/* The invitation is kept for the next time. */
	if (signal_doubtful(sig)) {
		session_refuse(sig, session, fz_CODE_UNAVAILABLE, DOUBTFUL);
		return;
	}
	memcpy(enrolment.token, enrol->token.bytes, INVITATION_TOKEN_LEN);
	fz_string_set(enrolment.name, enrol->name);
	memcpy(enrolment.control_key, session->key, MODEL_KEY_LEN);
	memcpy(enrolment.tunnel_key, enrol->tunnel_key.bytes, MODEL_KEY_LEN);
	ret = store_enrol(sig->store, &enrolment, signal_clock(sig), &device, &fault);
	sodium_memzero(&enrolment, sizeof(enrolment));
	if (ret) {
		budget_refused(sig, session, NULL, fault.text);
		session_refuse(sig, session, ret == -EIO ? fz_CODE_UNAVAILABLE : fz_CODE_INVITATION, fault.text);
		return;
	}
	sig->calls->refresh(sig->arg);
	known = directory_device(signal_directory(sig), device.id);
	if (!known) {
		session_refuse(sig, session, fz_CODE_UNAVAILABLE, DOUBTFUL);
		return;
	}
	fz_bytes_set(session->hello->tunnel_key, known->tunnel_key, MODEL_KEY_LEN);
	msg = message_new(sig, fz_Message_enrol_ack_tag);
	msg->body.enrol_ack.has_identity = true;
	identity_fill(sig, known, &msg->body.enrol_ack.identity);
	session_send(sig, session, msg);
	session_attach(sig, session, known, false);
}

void sessions_judge(struct signal *sig)
{
	const struct directory *dir = signal_directory(sig);
	struct session *session, *next;

	DL_FOREACH_SAFE(sig->sessions, session, next) {
		const struct device *device;

		if (!session->agent)
			continue;
		device = directory_device(dir, session->agent->id);
		if (!device)
			session_refuse(sig, session, fz_CODE_NOT_ENROLLED, "this device was removed");
		else if (!device_enabled(dir, device))
			session_refuse(sig, session, fz_CODE_DISABLED, device->enabled ?
				       "the user of this device was disabled" : "this device was disabled");
		else
			continue;
		/* refusing one may have ended or moved others */
		next = sig->sessions;
	}
}

/* True when other sessions may have ended over it. */
static bool session_tick(struct signal *sig, struct session *session, uint64_t now)
{
	const struct signal_config *config = &sig->config;
	struct agent *agent = session->agent;

	if (session->broken) {
		log_warning("signal", "closed address=%s reason=\"%s\"", session->address, session->broken);
		session_close(sig, session);
		return false;
	}
	switch (session->step) {
	case SESSION_HELLO:
	case SESSION_ENROL:
		if (now - session->opened >= config->hello_ms && session->step == SESSION_ENROL)
			session_refuse(sig, session, fz_CODE_NOT_ENROLLED,
				       "this device is not enrolled: it needs an invitation");
		else if (now - session->opened >= config->hello_ms)
			session_refuse(sig, session, fz_CODE_TIMEOUT, "the agent did not say who it is");
		else
			signal_wake(sig, session->opened + config->hello_ms);
		return false;
	case SESSION_RIVAL:
		if (!agent->session) {
			rival_promote(sig, agent);
		} else if (now - session->opened < config->rival_ms) {
			signal_wake(sig, session->opened + config->rival_ms);
			return false;
		} else {
			log_info("signal", "lost device=%lld address=%s", (long long)agent->id,
				 agent->session->address);
			session_close(sig, agent->session);
		}
		return true;
	case SESSION_READY:
		break;
	}
	if (now - session->heard >= 3 * (uint64_t)config->ping_ms) {
		log_info("signal", "lost device=%lld address=%s", (long long)agent->id, session->address);
		session_close(sig, session);
		return false;
	}
	if (now - session->heard >= config->ping_ms && now - session->pinged >= config->ping_ms) {
		fz_Message *msg = message_new(sig, fz_Message_ping_tag);

		msg->body.ping.number = ++session->ping;
		session->pinged = now;
		session_send(sig, session, msg);
	}
	signal_wake(sig, (session->heard > session->pinged ? session->heard : session->pinged) + config->ping_ms);
	return false;
}

void sessions_tick(struct signal *sig)
{
	struct session *session, *next;

	DL_FOREACH_SAFE(sig->sessions, session, next) {
		/* Begin again then; the others have nothing to do a second time. */
		if (session_tick(sig, session, signal_now(sig)))
			next = sig->sessions;
	}
}
