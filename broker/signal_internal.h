/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of signalling share. One thread; nothing here is locked. */
#ifndef BROKER_SIGNAL_INTERNAL_H
#define BROKER_SIGNAL_INTERNAL_H

#include <uthash.h>
#include <utlist.h>

#include "decision.h"
#include "signal.h"
#include "state.h"

#define SOFTWARE		"fzbroker " FZ_VERSION
#define DOUBTFUL		"the broker cannot read its database, and grants nothing until it can"
#define CANDIDATES_MAX		16
#define SEALED_MAX		80
/* Messages an agent may send, and requests it may make, in a row and every second. A gateway answers for many. */
#define MESSAGES_BURST		1000
#define MESSAGES_RATE		500
#define GATEWAY_BURST		100000
#define GATEWAY_RATE		50000
#define REQUESTS_BURST		200
#define REQUESTS_RATE		50
/* Changes of a tunnel key, each of which is told to everybody whom it concerns. */
#define KEYS_BURST		5
#define KEYS_RATE		1
/*
 * Lines of the audit log, and of reports, that one device may cause in a row and every second. What exceeds them is
 * counted, and the count written, so that nobody can fill the disk.
 */
#define LINES_BURST		200
#define LINES_RATE		1
#define REPORTED_BURST		2000
#define REPORTED_RATE		10
#define GATEWAY_REPORTED_BURST	200000
#define GATEWAY_REPORTED_RATE	1000
#define UNWRITTEN_MS		60000
/* Alike refusals are written to the audit log once in this time. */
#define REFUSALS_KEPT		16
#define REFUSAL_AGAIN_MS	10000

/* So many at once, and so many more each second. */
struct bucket {
	uint64_t at;
	uint32_t left;
};

enum session_step {
	SESSION_HELLO,		/* authenticated, nothing said yet */
	SESSION_ENROL,		/* not known; may present an invitation */
	SESSION_RIVAL,		/* another link of the same device is being asked whether it lives */
	SESSION_READY,
};

/**
 * struct session - one authenticated link; changed by session_enter() alone
 * @hello: what it said, kept until it is ready
 * @opened, @heard, @pinged: when, monotonic ms
 * @broken: why it is closed by the next tick, else NULL
 * @list: all of them
 */
struct session {
	enum session_step step;
	void *link;
	struct agent *agent;
	fz_Hello *hello;
	uint8_t key[MODEL_KEY_LEN];
	char address[64];
	uint64_t opened, heard, pinged, ping;
	const char *broken;
	struct bucket messages;
	struct session *prev, *next;
};

/* A preshared key that a gateway sealed for a client, kept by the client's agent. */
struct sealed {
	int64_t gateway_id;
	uint8_t bytes[SEALED_MAX];
	size_t len;
	struct sealed *next;
};

/**
 * struct telling - a state that is on its way to an agent
 * @changes: all of it, from the agent's @sent and from @before; NULL: none is on its way
 * @at: so many of @n are sent
 * @number: what the state will be called
 * @before: what the agent had
 */
struct telling {
	struct state_change *changes;
	size_t n, at;
	uint64_t number;
	struct state before;
};

struct refusal_kept {
	uint64_t hash;
	uint64_t at;
};

/**
 * struct agent - a device
 * @session: its link while it is ready, else NULL
 * @rival: a second one that waits for @session to be found dead
 * @known: @sent is what it has, as far as we were told
 * @stale: something has changed since @sent was built
 * @telling: of @sent, what the link had no room for yet
 * @number, @acked: of its desired state
 * @as_client, @as_gateway: its leases
 * @moved_at: when its candidates or its tunnel key became others, monotonic; 0: not
 * @since_ms: came or went, wall clock; 0: never seen
 * @unwritten: lines that the logs lack, because it caused too many
 * @note: why something is taken away, for the next message
 * @dirty: something of it changed, and it stands in the list of those to be told
 */
struct agent {
	int64_t id;
	struct session *session;
	struct session *rival;
	bool known, stale;
	struct state sent;
	struct telling telling;
	uint64_t number, acked;
	fz_Candidate candidates[CANDIDATES_MAX];
	pb_size_t n_candidates;
	uint64_t moved_at;
	struct grant *as_client, *as_gateway;
	size_t n_as_gateway;
	struct sealed *sealed;
	struct bucket requests, keys, lines, reported;
	struct {
		uint64_t decisions, denials, flows;
	} unwritten;
	struct refusal_kept refusals[REFUSALS_KEPT];
	int64_t since_ms;
	uint64_t online_at;
	char address[64];
	char version[64];
	struct {
		char sentence[256];
		uint8_t tag[MODEL_TAG_LEN];
		char policy[NAME_LEN_MAX + 1];
		bool set;
	} note;
	bool dirty;
	struct agent *dirty_next;
	struct agent *prev, *next;	/* gateways that are ready */
	UT_hash_handle hh;
};

/**
 * struct grant - a lease in force
 * @admitted: the gateway has it; before that the client does not hear of it
 * @stored: it is on disk, not only in a transaction that is open
 * @followed: it follows another policy now, and the store does not know yet
 * @made_at: when it was granted, monotonic; 0: before the broker was started
 * @renew_ms: when to renew it, wall clock
 * @device, @user: names of the client, for a line of the log after they are gone
 */
struct grant {
	struct lease lease;
	char device[NAME_LEN_MAX + 1], user[NAME_LEN_MAX + 1];
	struct agent *client, *gateway;
	bool admitted, stored, followed;
	uint64_t made_at;
	int64_t renew_ms;
	struct grant *prev, *next;
	struct grant *client_prev, *client_next;
	struct grant *gateway_prev, *gateway_next;
};

/* A lease that is gone, and the store does not know yet. */
struct withdrawal {
	struct lease lease;
	char device[NAME_LEN_MAX + 1], user[NAME_LEN_MAX + 1];
	char policy[NAME_LEN_MAX + 1];
	char sentence[256];
	struct withdrawal *prev, *next;
};

/* A request that came and waits for the next tick, which decides all that there are in one transaction. */
struct asked {
	struct agent *client;
	fz_AccessRequest request;
	struct asked *prev, *next;
};

/**
 * struct access - a request that waits for a gateway
 * @request_id: the client's
 * @admit_id: ours, towards the gateway
 * @before: the lease that the grant had before
 * @fresh: the grant did not exist before, and goes when the gateway does not admit it
 * @stored: the lease is on disk
 * @told: the gateway was told, which is not before
 */
struct access {
	uint64_t request_id;
	uint64_t admit_id;
	struct agent *client, *gateway;
	struct grant *grant;
	struct lease before;
	bool fresh, stored, told;
	uint64_t deadline;
	char text[256];
	struct access *prev, *next;
};

/**
 * struct signal - all of it
 * @due: nothing is to be done by time before this, monotonic ms
 * @unwritten_at: when to write how many lines were not, monotonic ms; 0: none
 * @withdrawn, @followed: what grants_write() is to tell the store
 * @reports: wait to be stored, at @reports_at, monotonic ms
 * @reports_failed: they could not be
 * @window_ms: when some policy's window begins or ends, wall clock
 * @out: State messages are built here, by agent_sync() alone
 * @msg: all other messages
 */
struct signal {
	struct store *store;
	struct signal_config config;
	const struct signal_calls *calls;
	void *arg;
	uint64_t instance;
	uint64_t last_id;
	uint64_t due, unwritten_at;
	int64_t window_ms;
	struct session *sessions;
	struct agent *agents;
	struct agent *gateways;
	struct grant *grants;
	struct withdrawal *withdrawn;
	bool followed;
	struct asked *asked;
	struct access *accesses;
	struct report *reports;
	size_t n_reports;
	uint64_t reports_at;
	bool reports_failed;
	struct agent *dirty;
	bool changing;
	struct bucket strangers;
	uint64_t strangers_unwritten;
	fz_Message *out;
	fz_Message *msg;
	fz_Item item;
};

/* signal.c */
fz_Message *message_new(struct signal *sig, pb_size_t which);
bool bucket_take(struct bucket *bucket, uint64_t now, uint32_t burst, uint32_t rate);
void signal_wake(struct signal *sig, uint64_t at);
void signal_wake_clock(struct signal *sig, int64_t at_ms);
bool key_matches(const pb_byte_t *bytes, pb_size_t size, const uint8_t key[MODEL_KEY_LEN]);

/* signal_session.c */
bool session_send(struct signal *sig, struct session *session, const fz_Message *msg);
void session_break(struct signal *sig, struct session *session, const char *reason);
void session_close(struct signal *sig, struct session *session);
void session_refuse(struct signal *sig, struct session *session, fz_Code code, const char *sentence);
void session_error(struct signal *sig, struct session *session, fz_Code code, uint64_t id, const char *sentence);
void session_hello(struct signal *sig, struct session *session, const fz_Hello *hello);
void session_enrol(struct signal *sig, struct session *session, const fz_Enrol *enrol);
bool session_tunnel_key(struct signal *sig, struct session *session, const pb_byte_t *key, pb_size_t size);
void session_rival_refuse(struct signal *sig, struct agent *agent);
void sessions_judge(struct signal *sig);
void sessions_tick(struct signal *sig);

/* signal_agent.c */
struct agent *agent_find(const struct signal *sig, int64_t id);
struct agent *agent_get(struct signal *sig, int64_t id);
void agent_forget(struct signal *sig, struct agent *agent);
void agent_free(struct signal *sig, struct agent *agent);
void agent_candidates(struct signal *sig, struct agent *agent, const fz_Candidate *list, pb_size_t n, bool relay);
void agent_seal(struct agent *client, int64_t gateway_id, const uint8_t *bytes, size_t len);
void agent_peer_key(struct signal *sig, struct agent *agent, const fz_PeerKey *key);
void prefix_fill(fz_Prefix *out, const struct prefix *prefix);
void identity_fill(const struct signal *sig, const struct device *device, fz_Identity *out);

/* signal_build.c */
bool agent_build(struct signal *sig, struct state *state, const struct agent *agent);

/* signal_sync.c */
void telling_end(struct telling *telling);
bool agent_sync(struct signal *sig, struct agent *agent, fz_Message *wrap, bool always);
void agent_mark(struct signal *sig, struct agent *agent);
void agents_sync_marked(struct signal *sig);

/* signal_grant.c */
int grants_load(struct signal *sig, struct fault *fault);
struct grant *grant_find(const struct agent *client, int64_t gateway_id, int64_t resource_id);
struct grant *grant_add(struct signal *sig, const struct lease *lease, bool admitted);
void grant_set(struct signal *sig, struct grant *grant, const struct lease *lease);
void grant_drop(struct signal *sig, struct grant *grant);
void lease_forget(struct signal *sig, const struct grant *grant, const struct policy *policy, const char *sentence);
void grants_move(struct signal *sig, const struct grant *to);
void grants_judge(struct signal *sig);
void grants_write(struct signal *sig);
void grants_tick(struct signal *sig);

/* signal_access.c */
void access_admitted(struct signal *sig, struct session *session, const fz_Admitted *admitted);
void access_refuse(struct signal *sig, struct agent *client, uint64_t id, fz_Code code,
		   const struct decision *decision, const char *sentence);
void access_free(struct signal *sig, struct access *access);
void access_gateway_gone(struct signal *sig, struct agent *gateway);
void access_client_gone(struct signal *sig, struct agent *client);
void access_grant_gone(struct signal *sig, struct grant *grant);
void access_tick(struct signal *sig);

/* signal_budget.c */
bool budget_line(struct signal *sig, struct agent *agent);
bool budget_reported(struct signal *sig, struct agent *agent);
void budget_refused(struct signal *sig, const struct session *session, struct agent *agent, const char *sentence);
void budget_exceeded(struct signal *sig, struct agent *agent, uint64_t decisions, uint64_t denials, uint64_t flows);
void budget_write(struct signal *sig, struct agent *agent);
void budget_tick(struct signal *sig);

/* signal_decide.c */
struct agent *choose_gateway(const struct signal *sig, const struct agent *client, int64_t site_id);
bool tuple_from_message(struct tuple *out, const fz_Tuple *in);
void asked_free(struct signal *sig, struct asked *asked);
void access_request(struct signal *sig, struct session *session, const fz_AccessRequest *request);
void access_decide(struct signal *sig);

/* signal_answer.c */
void answer_why(struct signal *sig, struct session *session, const fz_Why *why);
void answer_status(struct signal *sig, struct session *session, const fz_StatusRequest *request);

/* signal_report.c */
void report_denials(struct signal *sig, struct session *session, const fz_DenialReport *in);
void report_flows(struct signal *sig, struct session *session, const fz_FlowReport *in);
void reports_store(struct signal *sig);
void reports_forget(struct signal *sig);
void reports_tick(struct signal *sig);

static inline const struct directory *signal_directory(const struct signal *sig)
{
	return sig->calls->directory(sig->arg);
}

static inline uint64_t signal_now(const struct signal *sig)
{
	return sig->calls->now(sig->arg);
}

static inline int64_t signal_clock(const struct signal *sig)
{
	return sig->calls->clock(sig->arg);
}

static inline bool signal_doubtful(const struct signal *sig)
{
	return sig->calls->doubtful(sig->arg);
}

static inline bool agent_ready(const struct agent *agent)
{
	return agent && agent->session;
}

#endif
