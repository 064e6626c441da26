// SPDX-License-Identifier: GPL-2.0-only
/* Questions of people by way of their agents. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "signal_internal.h"

/* --- why ------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t proto;
} protocols[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "sctp", IPPROTO_SCTP },
	{ "icmp", IPPROTO_ICMP },
};

static bool parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !value || value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return true;
}

/* [PROTO:]HOST[:PORT], HOST an address, IPv6 ones with a port in brackets. */
static bool parse_target(const char *text, struct tuple *tuple, char *sentence, size_t size)
{
	char host[320], *colon, *end;
	bool icmp;

	memset(tuple, 0, sizeof(*tuple));
	snprintf(host, sizeof(host), "%s", text);
	tuple->proto = IPPROTO_TCP;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		size_t len = strlen(protocols[i].name);

		if (!strncmp(host, protocols[i].name, len) && host[len] == ':') {
			tuple->proto = protocols[i].proto;
			memmove(host, host + len + 1, strlen(host + len + 1) + 1);
			break;
		}
	}
	icmp = tuple->proto == IPPROTO_ICMP;
	end = *host == '[' ? strchr(host, ']') : NULL;
	colon = end ? (end[1] == ':' ? end + 1 : NULL) : strchr(host, ':');
	/* several colons and no brackets: an IPv6 address without a port */
	if (!end && colon && strchr(colon + 1, ':'))
		colon = NULL;
	if (colon && !parse_port(colon + 1, &tuple->dport)) {
		snprintf(sentence, size, "'%.40s' is not a port", colon + 1);
		return false;
	}
	if (!colon && !icmp) {
		snprintf(sentence, size, "there is no resource %.60s; an address needs a port: %.60s:PORT", text, text);
		return false;
	}
	if (colon)
		*colon = '\0';
	if (end)
		*end = '\0';
	if (inet_pton(AF_INET, host, tuple->dst) == 1) {
		tuple->family = AF_INET;
	} else if (inet_pton(AF_INET6, end ? host + 1 : host, tuple->dst) == 1) {
		tuple->family = AF_INET6;
		if (icmp)
			tuple->proto = IPPROTO_ICMPV6;
	} else {
		snprintf(sentence, size, "'%.60s' is neither a resource nor an address", text);
		return false;
	}
	if (icmp)
		tuple->dport = tuple->family == AF_INET ? 8 : 128; /* echo request */
	return true;
}

static bool why_question(struct signal *sig, const fz_Why *why, struct decision_request *question, char *sentence,
			 size_t size)
{
	const struct resource *resource;

	if (*why->target) {
		resource = directory_resource_named(signal_directory(sig), why->target);
		if (!resource)
			return parse_target(why->target, &question->tuple, sentence, size);
		question->resource_id = resource->id;
		return true;
	}
	if (why->has_tuple && tuple_from_message(&question->tuple, &why->tuple))
		return true;
	snprintf(sentence, size, "the question names nothing to reach");
	return false;
}

void answer_why(struct signal *sig, struct session *session, const fz_Why *why)
{
	struct decision_request question = { .device_id = session->agent->id, .now_ms = signal_clock(sig) };
	struct decision decision = { 0 };
	char sentence[256];
	fz_Message *msg = message_new(sig, fz_Message_why_answer_tag);
	fz_WhyAnswer *answer = &msg->body.why_answer;
	const struct grant *grant;

	answer->id = why->id;
	if (signal_doubtful(sig)) {
		fz_string_set(answer->sentence, DOUBTFUL);
		session_send(sig, session, msg);
		return;
	}
	/* not a no: nothing was asked for that policy could know */
	if (!why_question(sig, why, &question, sentence, sizeof(sentence))) {
		session_error(sig, session, fz_CODE_MALFORMED, why->id, sentence);
		return;
	}
	decision_make(signal_directory(sig), &question, &decision);
	if (decision.resource)
		fz_string_set(answer->resource, decision.resource->name);
	if (decision.policy) {
		fz_bytes_set(answer->tag, decision.policy->tag, MODEL_TAG_LEN);
		fz_string_set(answer->policy, decision.policy->name);
	}
	DL_FOREACH2(session->agent->as_client, grant, client_next) {
		int64_t left = grant->lease.expires_ms - question.now_ms;

		if (!decision.resource || grant->lease.resource_id != decision.resource->id || !grant->admitted ||
		    left <= 0)
			continue;
		answer->has_lease_ms = true;
		answer->lease_ms = (uint64_t)left;
	}
	answer->allowed = decision.allow;
	fz_string_set(answer->sentence, decision.text);
	if (decision.allow && !choose_gateway(sig, session->agent, decision.site->id)) {
		/* what is lent runs on without the gateway's word */
		answer->allowed = answer->has_lease_ms;
		snprintf(sentence, sizeof(sentence), "%.120s, but the gateway of site %.63s is not connected%s",
			 decision.text, decision.site->name,
			 answer->allowed ? "; its lease still holds" : "");
		fz_string_set(answer->sentence, sentence);
	}
	session_send(sig, session, msg);
}

/* --- status ---------------------------------------------------------------- */

static void add_status(const struct directory *dir, fz_StatusAnswer *answer, const struct grant *grant,
		       int64_t other_id, int64_t now)
{
	const struct resource *resource = directory_resource(dir, grant->lease.resource_id);
	const struct policy *policy = directory_policy(dir, grant->lease.policy_id);
	const struct device *other = directory_device(dir, other_id);
	int64_t left = grant->lease.expires_ms - now;
	fz_StatusGrant *out;

	if (!grant->admitted || left <= 0 ||
	    answer->grant_count == sizeof(answer->grant) / sizeof(answer->grant[0]))
		return;
	out = &answer->grant[answer->grant_count++];
	fz_string_set(out->resource, resource ? resource->name : NULL);
	fz_string_set(out->policy, policy ? policy->name : NULL);
	fz_string_set(out->peer, other ? other->name : NULL);
	out->has_lease_ms = true;
	out->lease_ms = (uint64_t)left;
}

void answer_status(struct signal *sig, struct session *session, const fz_StatusRequest *request)
{
	const struct directory *dir = signal_directory(sig);
	const struct device *device = directory_device(dir, session->agent->id);
	fz_Message *msg = message_new(sig, fz_Message_status_answer_tag);
	fz_StatusAnswer *answer = &msg->body.status_answer;
	int64_t now = signal_clock(sig);
	const struct grant *grant;
	const struct agent *gateway;

	answer->id = request->id;
	answer->connected_ms = signal_now(sig) - session->agent->online_at;
	fz_string_set(answer->broker, SOFTWARE);
	if (device) {
		answer->has_identity = true;
		identity_fill(sig, device, &answer->identity);
	}
	DL_FOREACH2(session->agent->as_client, grant, client_next)
		add_status(dir, answer, grant, grant->lease.gateway_id, now);
	DL_FOREACH2(session->agent->as_gateway, grant, gateway_next)
		add_status(dir, answer, grant, grant->lease.device_id, now);
	DL_FOREACH(sig->gateways, gateway)
		answer->gateways++;
	session_send(sig, session, msg);
}
