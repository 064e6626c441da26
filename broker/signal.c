// SPDX-License-Identifier: GPL-2.0-only
/* Messages to those who handle them, and what is done by time. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "signal_internal.h"

/* --- small things ---------------------------------------------------------- */

/* The one message that is being built; whoever calls this gives up what was in it. */
fz_Message *message_new(struct signal *sig, pb_size_t which)
{
	memset(sig->msg, 0, sizeof(*sig->msg));
	sig->msg->which_body = which;
	return sig->msg;
}

bool key_matches(const pb_byte_t *bytes, pb_size_t size, const uint8_t key[MODEL_KEY_LEN])
{
	return size == MODEL_KEY_LEN && !memcmp(bytes, key, MODEL_KEY_LEN);
}

bool bucket_take(struct bucket *bucket, uint64_t now, uint32_t burst, uint32_t rate)
{
	uint64_t more = bucket->at ? (now - bucket->at) * rate / 1000 : burst;

	if (more) {
		bucket->left = more > burst - bucket->left ? burst : bucket->left + (uint32_t)more;
		bucket->at = now ? now : 1;
	}
	if (!bucket->left)
		return false;
	bucket->left--;
	return true;
}

void signal_wake(struct signal *sig, uint64_t at)
{
	if (at < sig->due)
		sig->due = at;
}

void signal_wake_clock(struct signal *sig, int64_t at_ms)
{
	int64_t in = at_ms - signal_clock(sig);

	if (at_ms != INT64_MAX)
		signal_wake(sig, signal_now(sig) + (uint64_t)(in > 0 ? in : 0));
}

/* --- messages -------------------------------------------------------------- */

static void on_ack(struct signal *sig, struct session *session, const fz_Ack *ack)
{
	struct agent *agent = session->agent;

	if (ack->instance != sig->instance)
		return;
	if (ack->code == fz_CODE_NONE) {
		if (ack->number <= agent->number)
			agent->acked = ack->number;
		return;
	}
	log_warning("signal", "state not applied device=%lld number=%llu reason=\"%s\"", (long long)agent->id,
		    (unsigned long long)ack->number, ack->sentence);
	/* A snapshot that fails would fail again; the agent says what is wrong, and asks by reconnecting. */
	if (ack->code == fz_CODE_STALE && agent->known) {
		agent->known = false;
		agent_sync(sig, agent, NULL, true);
	}
}

static void on_ping(struct signal *sig, struct session *session, const fz_Ping *ping)
{
	fz_Message *msg = message_new(sig, fz_Message_pong_tag);

	msg->body.pong.number = ping->number;
	session_send(sig, session, msg);
}

/* Of a ready session. */
static void on_ready(struct signal *sig, struct session *session, const fz_Message *msg)
{
	switch (msg->which_body) {
	case fz_Message_ack_tag:
		on_ack(sig, session, &msg->body.ack);
		return;
	case fz_Message_access_request_tag:
		access_request(sig, session, &msg->body.access_request);
		return;
	case fz_Message_admitted_tag:
		access_admitted(sig, session, &msg->body.admitted);
		return;
	case fz_Message_candidates_tag:
		agent_candidates(sig, session->agent, msg->body.candidates.candidate,
				 msg->body.candidates.candidate_count, true);
		return;
	case fz_Message_peer_key_tag:
		agent_peer_key(sig, session->agent, &msg->body.peer_key);
		return;
	case fz_Message_tunnel_key_tag:
		if (msg->body.tunnel_key.public_key.size != MODEL_KEY_LEN)
			session_error(sig, session, fz_CODE_MALFORMED, 0, "the tunnel key is not a key");
		else
			session_tunnel_key(sig, session, msg->body.tunnel_key.public_key.bytes, MODEL_KEY_LEN);
		return;
	case fz_Message_why_tag:
		answer_why(sig, session, &msg->body.why);
		return;
	case fz_Message_status_request_tag:
		answer_status(sig, session, &msg->body.status_request);
		return;
	case fz_Message_denial_report_tag:
		report_denials(sig, session, &msg->body.denial_report);
		return;
	case fz_Message_flow_report_tag:
		report_flows(sig, session, &msg->body.flow_report);
		return;
	case fz_Message_ping_tag:
		on_ping(sig, session, &msg->body.ping);
		return;
	case fz_Message_goodbye_tag:
		session_close(sig, session);
		return;
	case fz_Message_pong_tag:
	case fz_Message_health_tag:
	case fz_Message_error_tag:
		return;
	default:
		session_error(sig, session, fz_CODE_MALFORMED, 0, "the broker expects no such message");
		return;
	}
}

/**
 * signal_received() - a message came, and is not understood yet
 * @sig: signalling
 * @session: from whom
 *
 * All are counted, whatever they are.
 *
 * Return: false when there were too many, and the session is gone (then @calls->close was called for its link).
 */
bool signal_received(struct signal *sig, struct session *session)
{
	uint64_t now = signal_now(sig);
	bool gateway = session->agent && session->agent->session == session && session->agent->prev;

	session->heard = now;
	if (bucket_take(&session->messages, now, gateway ? GATEWAY_BURST : MESSAGES_BURST,
			gateway ? GATEWAY_RATE : MESSAGES_RATE))
		return true;
	session_refuse(sig, session, fz_CODE_LIMIT, "too many messages");
	return false;
}

/**
 * signal_message() - it is understood
 * @sig: signalling
 * @session: from whom, after signal_received(); may be gone afterwards (then @calls->close was called for its link)
 * @msg: the message
 */
void signal_message(struct signal *sig, struct session *session, const fz_Message *msg)
{
	if (session->agent && session->agent->session == session && session->agent->rival &&
	    msg->which_body != fz_Message_goodbye_tag)
		session_rival_refuse(sig, session->agent);
	switch (session->step) {
	case SESSION_HELLO:
		if (msg->which_body == fz_Message_hello_tag)
			session_hello(sig, session, &msg->body.hello);
		else
			session_refuse(sig, session, fz_CODE_MALFORMED, "the first message must be Hello");
		return;
	case SESSION_ENROL:
		if (msg->which_body == fz_Message_enrol_tag)
			session_enrol(sig, session, &msg->body.enrol);
		else if (msg->which_body == fz_Message_goodbye_tag)
			session_close(sig, session);
		else if (msg->which_body != fz_Message_ping_tag && msg->which_body != fz_Message_pong_tag)
			session_refuse(sig, session, fz_CODE_NOT_ENROLLED,
				       "this device is not enrolled: it needs an invitation");
		return;
	case SESSION_RIVAL:
		return;
	case SESSION_READY:
		on_ready(sig, session, msg);
		return;
	}
}

/* --- changes and time ------------------------------------------------------ */

/**
 * signal_changed() - the directory is another one, or what it says has changed with time
 * @sig: signalling
 *
 * Leases that no longer stand are withdrawn, and every agent hears of what changed for it, gateways first; then the
 * store does.
 */
void signal_changed(struct signal *sig)
{
	struct agent *agent, *next;

	if (sig->changing)
		return;
	sig->changing = true;
	grants_judge(sig);
	sessions_judge(sig);
	HASH_ITER(hh, sig->agents, agent, next)
		agent_mark(sig, agent);
	agents_sync_marked(sig);
	grants_write(sig);
	sig->window_ms = decision_next_change(signal_directory(sig), signal_clock(sig));
	signal_wake_clock(sig, sig->window_ms);
	sig->changing = false;
}

/**
 * signal_due() - when signal_tick() has something to do
 * @sig: signalling
 *
 * Return: a time of @calls->now, UINT64_MAX for never. It may be earlier than needed, never later.
 */
uint64_t signal_due(const struct signal *sig)
{
	return sig->due;
}

/**
 * signal_tick() - time has passed
 * @sig: signalling
 */
void signal_tick(struct signal *sig)
{
	sig->due = UINT64_MAX;
	grants_write(sig);
	access_tick(sig);
	if (sig->window_ms <= signal_clock(sig))
		signal_changed(sig);
	grants_tick(sig);
	sessions_tick(sig);
	reports_tick(sig);
	budget_tick(sig);
	signal_wake_clock(sig, sig->window_ms);
}

/**
 * signal_presence() - what is known of a device's link
 * @sig: signalling
 * @device_id: the device
 * @presence: gets it
 */
void signal_presence(const struct signal *sig, int64_t device_id, struct presence *presence)
{
	const struct agent *agent = agent_find(sig, device_id);

	memset(presence, 0, sizeof(*presence));
	if (!agent)
		return;
	presence->online = agent->session != NULL;
	presence->since_ms = agent->since_ms;
	presence->state_sent = agent->number;
	presence->state_acked = agent->acked;
	fz_string_put(presence->address, sizeof(presence->address), agent->address);
	fz_string_put(presence->version, sizeof(presence->version), agent->version);
}

/* --- beginning and end ----------------------------------------------------- */

/**
 * signal_new() - begin, with the leases that the store remembers
 * @store: kept
 * @config: copied
 * @calls: kept
 * @arg: for @calls
 * @fault: why not
 *
 * Return: signalling, to be given to signal_free(), or NULL.
 */
struct signal *signal_new(struct store *store, const struct signal_config *config, const struct signal_calls *calls,
			  void *arg, struct fault *fault)
{
	struct signal *sig = calloc(1, sizeof(*sig));

	if (sig) {
		sig->out = malloc(sizeof(*sig->out));
		sig->msg = malloc(sizeof(*sig->msg));
	}
	if (!sig || !sig->out || !sig->msg) {
		fault_set(fault, -ENOMEM, NULL, "out of memory");
		signal_free(sig);
		return NULL;
	}
	sig->store = store;
	sig->config = *config;
	sig->calls = calls;
	sig->arg = arg;
	sig->due = UINT64_MAX;
	randombytes_buf(&sig->instance, sizeof(sig->instance));
	randombytes_buf(&sig->last_id, sizeof(sig->last_id));
	if (grants_load(sig, fault)) {
		signal_free(sig);
		return NULL;
	}
	signal_changed(sig);
	return sig;
}

/**
 * signal_goodbye() - tell all agents that the broker ends, and let their links go
 * @sig: signalling
 */
void signal_goodbye(struct signal *sig)
{
	struct session *session, *next;

	reports_store(sig);
	/* nobody takes the place of another now */
	DL_FOREACH(sig->sessions, session) {
		if (session->step != SESSION_RIVAL)
			continue;
		session->agent->rival = NULL;
		session->agent = NULL;
	}
	DL_FOREACH_SAFE(sig->sessions, session, next) {
		fz_Message *msg = message_new(sig, fz_Message_goodbye_tag);

		msg->body.goodbye.code = fz_CODE_SHUTDOWN;
		fz_string_set(msg->body.goodbye.sentence, "the broker ends");
		session_send(sig, session, msg);
		session_close(sig, session);
	}
	grants_write(sig);
}

/**
 * signal_free() - end
 * @sig: signalling, or NULL; sessions that are left are forgotten without a word
 */
void signal_free(struct signal *sig)
{
	struct session *session, *next;
	struct grant *grant, *next_grant;
	struct agent *agent, *next_agent;

	if (!sig)
		return;
	while (sig->asked) {
		struct asked *asked = sig->asked;

		DL_DELETE(sig->asked, asked);
		free(asked);
	}
	while (sig->accesses) {
		struct access *access = sig->accesses;

		DL_DELETE(sig->accesses, access);
		free(access);
	}
	reports_forget(sig);
	grants_write(sig);
	DL_FOREACH_SAFE(sig->sessions, session, next) {
		if (session->agent)
			session->agent->session = session->agent->rival = NULL;
		free(session->hello);
		free(session);
	}
	DL_FOREACH_SAFE(sig->grants, grant, next_grant)
		grant_drop(sig, grant);
	HASH_ITER(hh, sig->agents, agent, next_agent) {
		budget_write(sig, agent);
		agent_free(sig, agent);
	}
	free(sig->out);
	free(sig->msg);
	free(sig);
}
