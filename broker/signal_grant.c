// SPDX-License-Identifier: GPL-2.0-only
/* Leases in force: remembered, renewed while policy still says so, withdrawn when it no longer does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "signal_internal.h"

/* Renewing is tried again after this, when client or gateway are away or the store fails. */
#define RENEW_AGAIN_MS	1000

struct grant *grant_find(const struct agent *client, int64_t gateway_id, int64_t resource_id)
{
	struct grant *grant;

	DL_FOREACH2(client->as_client, grant, client_next) {
		if (grant->lease.gateway_id == gateway_id && grant->lease.resource_id == resource_id)
			return grant;
	}
	return NULL;
}

/* Half of a lease is left when it is renewed, so that it outlives a short absence of the broker. */
static void grant_schedule(struct signal *sig, struct grant *grant)
{
	int64_t now = signal_clock(sig);

	grant->renew_ms = now + (grant->lease.expires_ms - now) / 2;
	signal_wake_clock(sig, grant->renew_ms);
}

/* As they are now; once they are gone, as they were. */
static void grant_names(const struct directory *dir, struct grant *grant)
{
	const struct device *client = directory_device(dir, grant->lease.device_id);
	const struct user *user = client ? directory_user(dir, client->user_id) : NULL;

	if (client)
		strcpy(grant->device, client->name);
	if (user)
		strcpy(grant->user, user->name);
}

/* Another lease for the same; the store is the caller's. */
void grant_set(struct signal *sig, struct grant *grant, const struct lease *lease)
{
	grant->lease = *lease;
	grant_names(signal_directory(sig), grant);
	grant->client->stale = grant->gateway->stale = true;
	grant_schedule(sig, grant);
}

struct grant *grant_add(struct signal *sig, const struct lease *lease, bool admitted)
{
	struct agent *client = agent_get(sig, lease->device_id);
	struct agent *gateway = agent_get(sig, lease->gateway_id);
	struct grant *grant = client && gateway ? calloc(1, sizeof(*grant)) : NULL;

	if (!grant)
		return NULL;
	grant->lease = *lease;
	grant_names(signal_directory(sig), grant);
	grant->client = client;
	grant->gateway = gateway;
	grant->admitted = admitted;
	DL_APPEND(sig->grants, grant);
	DL_APPEND2(client->as_client, grant, client_prev, client_next);
	DL_APPEND2(gateway->as_gateway, grant, gateway_prev, gateway_next);
	gateway->n_as_gateway++;
	client->stale = gateway->stale = true;
	grant_schedule(sig, grant);
	return grant;
}

/* Out of memory; the store is the caller's. */
void grant_drop(struct signal *sig, struct grant *grant)
{
	access_grant_gone(sig, grant);
	DL_DELETE(sig->grants, grant);
	DL_DELETE2(grant->client->as_client, grant, client_prev, client_next);
	DL_DELETE2(grant->gateway->as_gateway, grant, gateway_prev, gateway_next);
	grant->gateway->n_as_gateway--;
	grant->client->stale = grant->gateway->stale = true;
	free(grant);
}

static void audit_revoked(struct signal *sig, const struct withdrawal *withdrawal)
{
	const struct directory *dir = signal_directory(sig);
	const struct lease *lease = &withdrawal->lease;
	const struct device *gateway = directory_device(dir, lease->gateway_id);
	const struct resource *resource = directory_resource(dir, lease->resource_id);
	struct audit_entry entry = {
		.at_ms = signal_clock(sig),
		.actor = "broker",
		.action = "lease.revoke",
		.object = gateway ? gateway->name : NULL,
		.user = withdrawal->user[0] ? withdrawal->user : NULL,
		.device = withdrawal->device[0] ? withdrawal->device : NULL,
		.resource = resource ? resource->name : NULL,
		.policy = withdrawal->policy[0] ? withdrawal->policy : NULL,
		.policy_tag = lease->policy_tag,
		.text = withdrawal->sentence,
	};
	struct fault fault;

	if (store_audit_add(sig->store, &entry, &fault))
		log_error("signal", "audit log not written reason=\"%s\"", fault.text);
}

/* Whether the store obeys or not, the agents have lost it; a lease that stays in the store is judged again. */
static void withdrawal_write(struct signal *sig, const struct withdrawal *withdrawal)
{
	struct fault fault;
	int ret = store_lease_del(sig->store, withdrawal->lease.id, &fault);

	if (ret && ret != -ENOENT)
		log_error("signal", "lease not deleted reason=\"%s\"", fault.text);
	if (withdrawal->sentence[0])
		audit_revoked(sig, withdrawal);
}

/*
 * The store forgets a lease with the next grants_write(), so that no agent waits for a disk to hear that it is gone.
 * @policy: that withdrew it, NULL: none; @sentence: why, for the audit log, NULL: nothing is written there
 */
void lease_forget(struct signal *sig, const struct grant *grant, const struct policy *policy, const char *sentence)
{
	struct withdrawal *kept = malloc(sizeof(*kept)), here, *withdrawal = kept ? kept : &here;

	withdrawal->lease = grant->lease;
	strcpy(withdrawal->device, grant->device);
	strcpy(withdrawal->user, grant->user);
	if (policy)
		memcpy(withdrawal->lease.policy_tag, policy->tag, MODEL_TAG_LEN);
	snprintf(withdrawal->policy, sizeof(withdrawal->policy), "%s", policy ? policy->name : "");
	snprintf(withdrawal->sentence, sizeof(withdrawal->sentence), "%s", sentence ? sentence : "");
	if (kept)
		DL_APPEND(sig->withdrawn, kept);
	else
		withdrawal_write(sig, &here);
	signal_wake(sig, signal_now(sig));
}

static void lease_write(struct signal *sig, struct grant *grant)
{
	struct fault fault;

	/* The store gives it a new number, if it went with the policy that it rested on. */
	grant->followed = false;
	if (store_lease_put(sig->store, &grant->lease, &fault))
		log_error("signal", "lease not written reason=\"%s\"", fault.text);
}

/*
 * What became of leases and was told already, in one transaction. Before anything else is lent: a lease for the same
 * would have the number of the one that is forgotten. When the broker ends before this, the store has leases that no
 * longer stand; they are judged before anybody connects.
 */
void grants_write(struct signal *sig)
{
	struct grant *grant;
	struct fault fault;
	bool batch;

	if (!sig->withdrawn && !sig->followed)
		return;
	batch = !store_begin(sig->store, &fault);
	while (sig->withdrawn) {
		struct withdrawal *withdrawal = sig->withdrawn;

		withdrawal_write(sig, withdrawal);
		DL_DELETE(sig->withdrawn, withdrawal);
		free(withdrawal);
	}
	if (sig->followed) {
		DL_FOREACH(sig->grants, grant)
			if (grant->followed)
				lease_write(sig, grant);
	}
	sig->followed = false;
	if (batch && store_commit(sig->store, &fault))
		log_error("signal", "leases not written reason=\"%s\"", fault.text);
}

static int64_t site_of(const struct signal *sig, const struct grant *grant)
{
	const struct device *gateway = directory_device(signal_directory(sig), grant->lease.gateway_id);

	return gateway ? gateway->site_id : 0;
}

static bool issued_after(const struct lease *a, const struct lease *b)
{
	return a->issued_ms != b->issued_ms ? a->issued_ms > b->issued_ms : a->id > b->id;
}

/* The client reaches the site through the gateway of @to now. */
static void leave(struct signal *sig, struct grant *grant, const struct grant *to)
{
	const struct site *site = directory_site(signal_directory(sig), site_of(sig, to));
	const struct device *gateway = directory_device(signal_directory(sig), to->lease.gateway_id);
	char sentence[256];

	snprintf(sentence, sizeof(sentence), "the device reaches site %s through gateway %s now", site ? site->name : "?",
		 gateway ? gateway->name : "?");
	lease_forget(sig, grant, NULL, sentence);
	agent_mark(sig, grant->gateway);
	grant_drop(sig, grant);
}

/*
 * A client has one gateway at a site. Two would be two peers with the same addresses, of which the kernel gives each
 * to one, be that the dead one. Who is given another because the first is away leaves the first.
 */
void grants_move(struct signal *sig, const struct grant *to)
{
	struct grant *grant, *next;

	DL_FOREACH_SAFE2(to->client->as_client, grant, next, client_next) {
		if (grant->admitted && grant->gateway != to->gateway && site_of(sig, grant) == site_of(sig, to))
			leave(sig, grant, to);
	}
}

/* The same after a restart: the broker may have ended before the store knew who had moved. */
static void grants_move_loaded(struct signal *sig)
{
	struct grant *grant, *next, *to;

	DL_FOREACH_SAFE(sig->grants, grant, next) {
		DL_FOREACH2(grant->client->as_client, to, client_next)
			if (to->gateway != grant->gateway && site_of(sig, to) == site_of(sig, grant) &&
			    issued_after(&to->lease, &grant->lease))
				break;
		if (to)
			leave(sig, grant, to);
	}
}

struct loading {
	struct signal *sig;
	int64_t now;
};

static int load_one(void *context, const struct lease *lease)
{
	struct loading *loading = context;
	struct grant *grant;

	if (lease->expires_ms <= loading->now)
		return 0;
	grant = grant_add(loading->sig, lease, true);
	if (!grant)
		return -ENOMEM;
	grant->stored = true;
	return 0;
}

/* What was granted before a restart runs on. */
int grants_load(struct signal *sig, struct fault *fault)
{
	struct loading loading = { .sig = sig, .now = signal_clock(sig) };
	int ret = store_lease_expire(sig->store, loading.now, NULL, fault);

	if (ret)
		return ret;
	ret = store_lease_each(sig->store, load_one, &loading, fault);
	if (!ret)
		grants_move_loaded(sig);
	return ret;
}

static void note(struct agent *agent, const struct lease *lease, const struct policy *policy, const char *sentence)
{
	agent->note.set = true;
	snprintf(agent->note.sentence, sizeof(agent->note.sentence), "%s", sentence);
	snprintf(agent->note.policy, sizeof(agent->note.policy), "%s", policy ? policy->name : "");
	memcpy(agent->note.tag, policy ? policy->tag : lease->policy_tag, MODEL_TAG_LEN);
}

static void withdraw(struct signal *sig, struct grant *grant, const struct decision *decision, const char *sentence)
{
	struct agent *client = grant->client, *gateway = grant->gateway;

	lease_forget(sig, grant, decision->policy, sentence);
	note(client, &grant->lease, decision->policy, sentence);
	note(gateway, &grant->lease, decision->policy, sentence);
	agent_mark(sig, client);
	agent_mark(sig, gateway);
	grant_drop(sig, grant);
}

static bool gateway_serves(const struct signal *sig, const struct grant *grant)
{
	const struct directory *dir = signal_directory(sig);
	const struct device *gateway = directory_device(dir, grant->lease.gateway_id);
	const struct resource *resource = directory_resource(dir, grant->lease.resource_id);

	return gateway && gateway->enabled && gateway->role == DEVICE_GATEWAY && resource &&
	       gateway->site_id == resource->site_id;
}

/* The same access may now rest on another policy, which may lend it for a shorter time. */
static void follow_policy(struct signal *sig, struct grant *grant, const struct decision *decision)
{
	struct lease lease = grant->lease;

	lease.policy_id = decision->policy->id;
	memcpy(lease.policy_tag, decision->policy->tag, MODEL_TAG_LEN);
	if (decision->expires_ms < lease.expires_ms)
		lease.expires_ms = decision->expires_ms;
	if (lease.policy_id == grant->lease.policy_id && lease.expires_ms == grant->lease.expires_ms)
		return;
	grant_set(sig, grant, &lease);
	grant->followed = sig->followed = true;
}

static void judge(struct signal *sig, struct grant *grant)
{
	struct decision decision;
	char sentence[256];

	memset(&decision, 0, sizeof(decision));
	if (!decision_lease_stands(signal_directory(sig), &grant->lease, signal_clock(sig), &decision)) {
		snprintf(sentence, sizeof(sentence), "%.*s", (int)sizeof(sentence) - 1, decision.text);
		withdraw(sig, grant, &decision, sentence);
	} else if (!gateway_serves(sig, grant)) {
		decision.policy = NULL;
		withdraw(sig, grant, &decision, "the gateway no longer serves this resource");
	} else {
		follow_policy(sig, grant, &decision);
	}
}

/* After a change: withdraws what no longer stands. The agents are told by the caller, which then writes it. */
void grants_judge(struct signal *sig)
{
	struct grant *grant, *next;

	DL_FOREACH_SAFE(sig->grants, grant, next)
		judge(sig, grant);
}

/* True when the lease is another one now. */
static bool renew(struct signal *sig, struct grant *grant)
{
	struct lease lease = grant->lease;
	struct decision decision;
	struct fault fault;

	if (signal_doubtful(sig) || !agent_ready(grant->client) || !agent_ready(grant->gateway) ||
	    !decision_lease_stands(signal_directory(sig), &lease, signal_clock(sig), &decision) ||
	    decision.expires_ms <= lease.expires_ms)
		return false;
	lease.expires_ms = decision.expires_ms;
	lease.policy_id = decision.policy->id;
	memcpy(lease.policy_tag, decision.policy->tag, MODEL_TAG_LEN);
	if (store_lease_put(sig->store, &lease, &fault)) {
		log_error("signal", "lease not renewed reason=\"%s\"", fault.text);
		return false;
	}
	grant_set(sig, grant, &lease);
	return true;
}

static void tell_both(struct signal *sig, const struct grant *grant)
{
	agent_mark(sig, grant->client);
	agent_mark(sig, grant->gateway);
}

static void expire(struct signal *sig, struct grant *grant)
{
	struct fault fault;
	int ret = store_lease_del(sig->store, grant->lease.id, &fault);

	if (ret && ret != -ENOENT)
		log_error("signal", "lease not deleted reason=\"%s\"", fault.text);
	tell_both(sig, grant);
	grant_drop(sig, grant);
}

void grants_tick(struct signal *sig)
{
	int64_t now = signal_clock(sig);
	struct grant *grant, *next;
	bool batch = false;
	struct fault fault;

	DL_FOREACH_SAFE(sig->grants, grant, next) {
		bool over = grant->lease.expires_ms <= now, due = grant->admitted && grant->renew_ms <= now;

		/* One transaction for all that is to be done, begun for the first of them. */
		if ((over || due) && !batch)
			batch = !store_begin(sig->store, &fault);
		if (over) {
			expire(sig, grant);
			continue;
		}
		if (due && renew(sig, grant))
			tell_both(sig, grant);
		else if (due)
			grant->renew_ms = now + RENEW_AGAIN_MS;
		signal_wake_clock(sig, grant->admitted && grant->renew_ms < grant->lease.expires_ms ?
				  grant->renew_ms : grant->lease.expires_ms);
	}
	if (batch && store_commit(sig->store, &fault))
		log_error("signal", "leases not written reason=\"%s\"", fault.text);
	agents_sync_marked(sig);
}
