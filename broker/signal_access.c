// SPDX-License-Identifier: GPL-2.0-only
/*
 * One access: request, decision, admission by the gateway, answer.
 *
 * Nothing is promised to a client before its gateway has it in the kernel, and nothing is given to a gateway before
 * the store remembers it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "signal_internal.h"

/* How long a kernel remembers a refusal: short, so that a new policy is felt at once. */
#define REMEMBER_MS	250

/* --- answers --------------------------------------------------------------- */

/* The client is told no; @decision is NULL when it was not policy that said so. */
void access_refuse(struct signal *sig, struct agent *client, uint64_t id, fz_Code code,
		   const struct decision *decision, const char *sentence)
{
	fz_Message *msg = message_new(sig, fz_Message_access_answer_tag);
	fz_AccessAnswer *answer = &msg->body.access_answer;

	if (!agent_ready(client))
		return;
	answer->id = id;
	answer->code = code;
	answer->remember_ms = REMEMBER_MS;
	fz_string_set(answer->sentence, sentence);
	if (decision && decision->resource)
		fz_string_set(answer->resource, decision->resource->name);
	if (decision && decision->policy) {
		fz_bytes_set(answer->tag, decision->policy->tag, MODEL_TAG_LEN);
		fz_string_set(answer->policy, decision->policy->name);
	}
	session_send(sig, client->session, msg);
}

static void answer_granted(struct signal *sig, const struct access *access)
{
	const struct directory *dir = signal_directory(sig);
	const struct lease *lease = &access->grant->lease;
	const struct device *gateway = directory_device(dir, lease->gateway_id);
	const struct resource *resource = directory_resource(dir, lease->resource_id);
	const struct policy *policy = directory_policy(dir, lease->policy_id);
	int64_t left = lease->expires_ms - signal_clock(sig);
	fz_Message *msg = message_new(sig, fz_Message_access_answer_tag);
	fz_AccessAnswer *answer = &msg->body.access_answer;

	if (!gateway || !resource)
		return;
	answer->id = access->request_id;
	answer->granted = true;
	fz_bytes_set(answer->peer, gateway->tunnel_key, MODEL_KEY_LEN);
	fz_string_set(answer->resource, resource->name);
	fz_bytes_set(answer->tag, lease->policy_tag, MODEL_TAG_LEN);
	fz_string_set(answer->policy, policy ? policy->name : NULL);
	fz_string_set(answer->sentence, access->text);
	answer->lease_ms = (uint64_t)(left > 0 ? left : 1);
	agent_sync(sig, access->client, msg, true);
}

/* --- a request under way --------------------------------------------------- */

void access_free(struct signal *sig, struct access *access)
{
	DL_DELETE(sig->accesses, access);
	free(access);
}

/* The gateway did not take it: what was only for this request goes again. */
static void access_fail(struct signal *sig, struct access *access, fz_Code code, const char *sentence)
{
	struct agent *client = access->client, *gateway = access->gateway;
	struct grant *grant = access->fresh ? access->grant : NULL;
	uint64_t id = access->request_id;
	struct access *other;

	log_info("signal", "not admitted client=%lld gateway=%lld reason=\"%s\"", (long long)client->id,
		 (long long)gateway->id, sentence);
	access_free(sig, access);
	DL_SEARCH_SCALAR(sig->accesses, other, grant, grant);
	if (grant && other) {
		/* another request waits for the same; it inherits */
		other->fresh = true;
	} else if (grant && !grant->admitted) {
		lease_forget(sig, grant, NULL, NULL);
		grant_drop(sig, grant);
		agent_sync(sig, gateway, NULL, false);
	}
	access_refuse(sig, client, id, code, NULL, sentence);
}

void access_gateway_gone(struct signal *sig, struct agent *gateway)
{
	struct access *access, *next;

	DL_FOREACH_SAFE(sig->accesses, access, next) {
		if (access->gateway == gateway)
			access_fail(sig, access, fz_CODE_UNAVAILABLE, "the gateway's connection was lost");
	}
}

/* Its grants run on; there is nobody to answer. */
void access_client_gone(struct signal *sig, struct agent *client)
{
	struct access *access, *next;
	struct asked *asked, *next_asked;

	DL_FOREACH_SAFE(sig->asked, asked, next_asked) {
		if (asked->client == client)
			asked_free(sig, asked);
	}
	DL_FOREACH_SAFE(sig->accesses, access, next) {
		if (access->client == client)
			access_fail(sig, access, fz_CODE_UNAVAILABLE, "the client's connection was lost");
	}
}

/* Withdrawn before it was admitted. */
void access_grant_gone(struct signal *sig, struct grant *grant)
{
	struct access *access, *next;

	DL_FOREACH_SAFE(sig->accesses, access, next) {
		if (access->grant != grant)
			continue;
		access_refuse(sig, access->client, access->request_id, fz_CODE_DENIED, NULL,
			       "policy changed while the gateway was asked");
		access_free(sig, access);
	}
}

static void send_admit(struct signal *sig, struct access *access)
{
	const struct directory *dir = signal_directory(sig);
	const struct device *client = directory_device(dir, access->client->id);
	const struct user *user = client ? directory_user(dir, client->user_id) : NULL;
	fz_Message *msg = message_new(sig, fz_Message_admit_tag);
	fz_Admit *admit = &msg->body.admit;

	if (!client) {
		access_fail(sig, access, fz_CODE_NOT_ENROLLED, "this device was removed");
		return;
	}
	admit->id = access->admit_id;
	fz_bytes_set(admit->peer, client->tunnel_key, MODEL_KEY_LEN);
	fz_bytes_set(admit->control_key, client->control_key, MODEL_KEY_LEN);
	admit->want_psk = true;
	admit->connect = true;
	snprintf(admit->client, sizeof(admit->client), "%s%s%s", user ? user->name : "", user ? " on " : "",
		 client->name);
	if (!agent_sync(sig, access->gateway, msg, true))
		access_fail(sig, access, fz_CODE_UNAVAILABLE, "the gateway's connection was lost");
}

static void tell_gateways(struct signal *sig)
{
	struct access *access, *next;

	DL_FOREACH_SAFE(sig->accesses, access, next) {
		/* one that is still being told a large state hears of it after that */
		if (access->stored && !access->told && !access->gateway->telling.changes) {
			access->told = true;
			send_admit(sig, access);
		}
	}
}

void access_tick(struct signal *sig)
{
	uint64_t now = signal_now(sig);
	struct access *access, *next;

	if (sig->asked)
		access_decide(sig);
	tell_gateways(sig);
	DL_FOREACH_SAFE(sig->accesses, access, next) {
		if (access->deadline > now) {
			signal_wake(sig, access->deadline);
			continue;
		}
		access_fail(sig, access, fz_CODE_TIMEOUT, "the gateway did not answer in time");
		next = sig->accesses;
	}
}

/* The gateway has it in its kernel, or has not. */
void access_admitted(struct signal *sig, struct session *session, const fz_Admitted *admitted)
{
	struct agent *gateway = session->agent;
	struct access *access;
	char sentence[256];

	DL_FOREACH(sig->accesses, access) {
		if (access->admit_id == admitted->id && access->gateway == gateway)
			break;
	}
	/* Too late, or withdrawn meanwhile: its state says so already. */
	if (!access)
		return;
	if (admitted->code != fz_CODE_NONE) {
		const struct device *device = directory_device(signal_directory(sig), gateway->id);

		snprintf(sentence, sizeof(sentence), "gateway %.63s did not admit this device: %.150s",
			 device ? device->name : "?", admitted->sentence);
		access_fail(sig, access, fz_CODE_UNAVAILABLE, sentence);
		return;
	}
	if (signal_doubtful(sig)) {
		access_fail(sig, access, fz_CODE_UNAVAILABLE, DOUBTFUL);
		return;
	}
	if (admitted->sealed_psk.size)
		agent_seal(access->client, gateway->id, admitted->sealed_psk.bytes, admitted->sealed_psk.size);
	if (admitted->candidate_count)
		agent_candidates(sig, gateway, admitted->candidate, admitted->candidate_count, true);
	access->grant->admitted = true;
	access->client->stale = true;
	grants_move(sig, access->grant);
	answer_granted(sig, access);
	access_free(sig, access);
}
