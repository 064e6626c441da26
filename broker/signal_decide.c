// SPDX-License-Identifier: GPL-2.0-only
/* Requests, decided: who may, by which gateway, and the line in the log that says why. */
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "signal_internal.h"

#define PENDING_PER_CLIENT	64

/**
 * tuple_from_message() - a tuple as the broker has it
 * @out: gets it
 * @in: from a message
 *
 * Return: false when it is none.
 */
bool tuple_from_message(struct tuple *out, const fz_Tuple *in)
{
	memset(out, 0, sizeof(*out));
	if ((in->dst.size != 4 && in->dst.size != 16) || (in->src.size && in->src.size != in->dst.size) ||
	    in->protocol > UINT8_MAX || in->sport > UINT16_MAX || in->dport > UINT16_MAX ||
	    in->icmp_type > UINT8_MAX || in->icmp_id > UINT16_MAX)
		return false;
	out->family = in->dst.size == 4 ? AF_INET : AF_INET6;
	out->proto = (uint8_t)in->protocol;
	memcpy(out->src, in->src.bytes, in->src.size);
	memcpy(out->dst, in->dst.bytes, in->dst.size);
	if (out->proto == IPPROTO_ICMP || out->proto == IPPROTO_ICMPV6) {
		out->sport = (uint16_t)in->icmp_id;
		out->dport = (uint16_t)in->icmp_type;
	} else {
		out->sport = (uint16_t)in->sport;
		out->dport = (uint16_t)in->dport;
	}
	return true;
}

/* --- the log of decisions -------------------------------------------------- */

static uint64_t refusal_hash(const struct decision_request *request, const struct decision *decision)
{
	struct {
		int64_t resource, policy;
		uint8_t dst[16];
		uint16_t dport;
		uint8_t proto, reason;
	} what;
	uint64_t hash;
	static const uint8_t key[crypto_shorthash_KEYBYTES];

	memset(&what, 0, sizeof(what));
	what.resource = request->resource_id;
	what.policy = decision->policy ? decision->policy->id : 0;
	memcpy(what.dst, request->tuple.dst, sizeof(what.dst));
	what.dport = request->tuple.dport;
	what.proto = request->tuple.proto;
	what.reason = (uint8_t)decision->reason;
	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)&what, sizeof(what), key);
	return hash;
}

/* A packet that is sent again and again is one refusal, not many. */
static bool refusal_is_new(struct signal *sig, struct agent *agent, uint64_t hash)
{
	uint64_t now = signal_now(sig);
	struct refusal_kept *oldest = &agent->refusals[0];

	for (int i = 0; i < REFUSALS_KEPT; i++) {
		struct refusal_kept *kept = &agent->refusals[i];

		if (kept->hash == hash && kept->at && now - kept->at < REFUSAL_AGAIN_MS)
			return false;
		if (kept->at < oldest->at)
			oldest = kept;
	}
	oldest->hash = hash;
	oldest->at = now ? now : 1;
	return true;
}

static int audit_decision(struct signal *sig, const struct decision_request *request,
			  const struct decision *decision, const char *object, struct fault *fault)
{
	const struct directory *dir = signal_directory(sig);
	const struct device *device = directory_device(dir, request->device_id);
	const struct user *user = device ? directory_user(dir, device->user_id) : NULL;
	char actor[NAME_LEN_MAX + 16];
	struct audit_entry entry = {
		.at_ms = request->now_ms,
		.actor = actor,
		.action = decision->allow ? "decision.allow" : "decision.refuse",
		.object = object,
		.user = user ? user->name : NULL,
		.device = device ? device->name : NULL,
		.resource = decision->resource ? decision->resource->name : NULL,
		.policy = decision->policy ? decision->policy->name : NULL,
		.policy_tag = decision->policy ? decision->policy->tag : NULL,
		.tuple = request->resource_id ? NULL : &request->tuple,
		.text = decision->text,
	};

	snprintf(actor, sizeof(actor), "device %s", device ? device->name : "?");
	return store_audit_add(sig->store, &entry, fault);
}

static void audit_refusal(struct signal *sig, struct agent *client, const struct decision_request *request,
			  const struct decision *decision)
{
	if (!refusal_is_new(sig, client, refusal_hash(request, decision)))
		return;
	if (budget_line(sig, client))
		audit_decision(sig, request, decision, NULL, NULL);
	else
		budget_exceeded(sig, client, 1, 0, 0);
}

/* --- granting --------------------------------------------------------------- */

/* A gateway of the site: the one that the client uses already, if that is there, else the one with the fewest grants. */
struct agent *choose_gateway(const struct signal *sig, const struct agent *client, int64_t site_id)
{
	const struct directory *dir = signal_directory(sig);
	struct agent *agent, *best = NULL;
	const struct grant *grant;

	DL_FOREACH(sig->gateways, agent) {
		const struct device *device = directory_device(dir, agent->id);

		if (!device || !device->enabled || device->site_id != site_id || !agent_ready(agent))
			continue;
		DL_FOREACH2(client->as_client, grant, client_next) {
			if (grant->gateway == agent)
				return agent;
		}
		if (!best || agent->n_as_gateway < best->n_as_gateway)
			best = agent;
	}
	return best;
}

/* Everything that a client reaches through one gateway must fit into one peer. */
static bool prefixes_fit(const struct signal *sig, const struct agent *client, const struct agent *gateway,
			 const struct resource *resource)
{
	const struct directory *dir = signal_directory(sig);
	size_t n = resource->n_prefixes + 2;
	const struct grant *grant;

	DL_FOREACH2(client->as_client, grant, client_next) {
		const struct resource *other = directory_resource(dir, grant->lease.resource_id);

		if (other && other != resource && grant->gateway == gateway)
			n += other->n_prefixes;
	}
	return n <= sizeof(((fz_Peer *)NULL)->allowed_ip) / sizeof(fz_Prefix);
}

/* The lease and the line that says why, in the transaction that is open; and in memory. */
static struct grant *lend(struct signal *sig, struct access *access, const struct decision_request *request,
			  const struct decision *decision, struct fault *fault)
{
	struct grant *grant = grant_find(access->client, access->gateway->id, decision->resource->id);
	const struct device *device = directory_device(signal_directory(sig), access->gateway->id);
	struct lease lease = {
		.id = grant ? grant->lease.id : 0,
		.device_id = access->client->id,
		.gateway_id = access->gateway->id,
		.resource_id = decision->resource->id,
		.policy_id = decision->policy->id,
		.request_id = access->request_id,
		.issued_ms = request->now_ms,
		.expires_ms = decision->expires_ms,
	};

	memcpy(lease.policy_tag, decision->policy->tag, MODEL_TAG_LEN);
	if (store_lease_put(sig->store, &lease, fault))
		return NULL;
	/* What is granted for the first time is always written; there are not more of these than leases. */
	if (!budget_line(sig, access->client) && grant) {
		budget_exceeded(sig, access->client, 1, 0, 0);
	} else if (audit_decision(sig, request, decision, device ? device->name : NULL, fault)) {
		if (grant)
			store_lease_put(sig->store, &grant->lease, NULL);
		else
			store_lease_del(sig->store, lease.id, NULL);
		return NULL;
	}
	access->fresh = !grant;
	if (grant) {
		access->before = grant->lease;
		grant_set(sig, grant, &lease);
		return grant;
	}
	grant = grant_add(sig, &lease, false);
	if (!grant) {
		fault_set(fault, -ENOMEM, NULL, "the broker is out of memory");
		store_lease_del(sig->store, lease.id, NULL);
		return NULL;
	}
	grant->made_at = signal_now(sig);
	return grant;
}

#define UNWRITABLE "the broker cannot write its database, and grants nothing that it cannot remember"

static void begin(struct signal *sig, struct agent *client, struct agent *gateway, uint64_t request_id,
		  const struct decision_request *request, const struct decision *decision)
{
	struct access *access = calloc(1, sizeof(*access));
	struct fault fault = { .text = "the broker is out of memory" };

	if (access) {
		access->request_id = request_id;
		access->admit_id = ++sig->last_id ? sig->last_id : ++sig->last_id;
		access->client = client;
		access->gateway = gateway;
		access->deadline = signal_now(sig) + sig->config.admit_ms;
		snprintf(access->text, sizeof(access->text), "%.*s", (int)sizeof(access->text) - 1, decision->text);
		access->grant = lend(sig, access, request, decision, &fault);
	}
	if (!access || !access->grant) {
		free(access);
		log_error("signal", "nothing granted reason=\"%s\"", fault.text);
		access_refuse(sig, client, request_id, fz_CODE_UNAVAILABLE, decision, UNWRITABLE);
		return;
	}
	DL_APPEND(sig->accesses, access);
	signal_wake(sig, access->deadline);
}

/* Policy says yes: who can let it in? */
static void admit(struct signal *sig, struct agent *client, uint64_t request_id,
		  const struct decision_request *request, struct decision *decision)
{
	struct agent *gateway = choose_gateway(sig, client, decision->site->id);
	char sentence[256];
	fz_Code code = fz_CODE_UNAVAILABLE;

	if (gateway && prefixes_fit(sig, client, gateway, decision->resource)) {
		begin(sig, client, gateway, request_id, request, decision);
		return;
	}
	if (gateway) {
		code = fz_CODE_LIMIT;
		snprintf(sentence, sizeof(sentence), "this device reaches too many prefixes through the gateway of site %s",
			 decision->site->name);
	} else {
		snprintf(sentence, sizeof(sentence), "the gateway of site %s is not connected",
			 decision->site->name);
	}
	decision->allow = false;
	snprintf(decision->text, sizeof(decision->text), "%s", sentence);
	audit_refusal(sig, client, request, decision);
	access_refuse(sig, client, request_id, code, decision, sentence);
}

/* --- deciding --------------------------------------------------------------- */

void asked_free(struct signal *sig, struct asked *asked)
{
	DL_DELETE(sig->asked, asked);
	free(asked);
}

static size_t pending_of(const struct signal *sig, const struct agent *client, uint64_t id, bool *same)
{
	const struct access *access;
	const struct asked *asked;
	size_t n = 0;

	*same = false;
	DL_FOREACH(sig->accesses, access) {
		if (access->client != client)
			continue;
		n++;
		*same |= access->request_id == id;
	}
	DL_FOREACH(sig->asked, asked) {
		if (asked->client != client)
			continue;
		n++;
		*same |= asked->request.id == id;
	}
	return n;
}

static bool understand(struct signal *sig, const fz_AccessRequest *in, struct decision_request *out,
		       char *sentence, size_t size)
{
	const struct resource *resource;

	if (!in->id || in->direction != fz_DIRECTION_OUT) {
		snprintf(sentence, size, "only flows that this device opens can be asked for");
		return false;
	}
	if (in->has_tuple) {
		if (tuple_from_message(&out->tuple, &in->tuple))
			return true;
		snprintf(sentence, size, "the request names no flow");
		return false;
	}
	resource = directory_resource_named(signal_directory(sig), in->resource);
	if (resource) {
		out->resource_id = resource->id;
		return true;
	}
	snprintf(sentence, size, "there is no resource %s", in->resource);
	return false;
}

static void decide(struct signal *sig, struct agent *client, const fz_AccessRequest *request)
{
	struct decision_request question = { .device_id = client->id, .now_ms = signal_clock(sig) };
	struct decision decision;
	char sentence[256];

	if (signal_doubtful(sig)) {
		access_refuse(sig, client, request->id, fz_CODE_UNAVAILABLE, NULL, DOUBTFUL);
		return;
	}
	if (!understand(sig, request, &question, sentence, sizeof(sentence))) {
		access_refuse(sig, client, request->id, fz_CODE_DENIED, NULL, sentence);
		return;
	}
	decision_make(signal_directory(sig), &question, &decision);
	if (decision.allow) {
		admit(sig, client, request->id, &question, &decision);
		return;
	}
	audit_refusal(sig, client, &question, &decision);
	access_refuse(sig, client, request->id, fz_CODE_DENIED, &decision, decision.text);
}

/* A client asks. The same id asked again while it is under way gets the one answer. */
void access_request(struct signal *sig, struct session *session, const fz_AccessRequest *request)
{
	struct agent *client = session->agent;
	struct asked *asked;
	bool same;

	if (!bucket_take(&client->requests, signal_now(sig), REQUESTS_BURST, REQUESTS_RATE) ||
	    (pending_of(sig, client, request->id, &same) >= PENDING_PER_CLIENT && !same)) {
		access_refuse(sig, client, request->id, fz_CODE_LIMIT, NULL, "too many requests");
		return;
	}
	if (same)
		return;
	asked = calloc(1, sizeof(*asked));
	if (!asked) {
		access_refuse(sig, client, request->id, fz_CODE_UNAVAILABLE, NULL, "the broker is out of memory");
		return;
	}
	asked->client = client;
	asked->request = *request;
	DL_APPEND(sig->asked, asked);
	signal_wake(sig, signal_now(sig));
}

/* What was promised in a transaction that failed. */
static void take_back(struct signal *sig, struct access *access)
{
	struct agent *client = access->client;
	uint64_t id = access->request_id;

	access_free(sig, access);
	access_refuse(sig, client, id, fz_CODE_UNAVAILABLE, NULL, UNWRITABLE);
}

/* The last first: of several requests for one grant, the first knows the lease that is stored. */
static void leases_restore(struct signal *sig)
{
	struct access *access = sig->accesses ? sig->accesses->prev : NULL;

	while (access) {
		if (!access->stored && !access->fresh)
			grant_set(sig, access->grant, &access->before);
		access = access == sig->accesses ? NULL : access->prev;
	}
}

/* Grants that were made in that transaction; no request holds them any more. */
static void drop_unstored(struct signal *sig)
{
	struct grant *grant, *next;

	DL_FOREACH_SAFE(sig->grants, grant, next) {
		if (!grant->stored)
			grant_drop(sig, grant);
	}
}

/* All that was asked since the last tick: one transaction, then the gateways are told. */
void access_decide(struct signal *sig)
{
	struct access *access, *next;
	struct fault fault;
	int ret = store_begin(sig->store, &fault);

	while (sig->asked) {
		struct asked *asked = sig->asked;

		if (ret)
			access_refuse(sig, asked->client, asked->request.id, fz_CODE_UNAVAILABLE, NULL, UNWRITABLE);
		else
			decide(sig, asked->client, &asked->request);
		asked_free(sig, asked);
	}
	if (!ret)
		ret = store_commit(sig->store, &fault);
	if (ret)
		log_error("signal", "nothing granted reason=\"%s\"", fault.text);
	if (ret)
		leases_restore(sig);
	DL_FOREACH_SAFE(sig->accesses, access, next) {
		if (access->stored)
			continue;
		if (ret)
			take_back(sig, access);
		else
			access->stored = access->grant->stored = true;
	}
	if (ret)
		drop_unstored(sig);
}
