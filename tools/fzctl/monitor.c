// SPDX-License-Identifier: GPL-2.0-only
/* fzctl monitor */
#include "fzctl.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t stopped;

static int unwritten;	/* errno of the first line that could not be printed */

/* By the bits of FZ_GROUP_*. */
static const char *const groups[] = { "peers", "flows", "denials", "policy" };

#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

static const char *group_name(unsigned int group)
{
	for (size_t i = 0; i < N_GROUPS; i++) {
		if (group == 1U << i)
			return groups[i];
	}
	return "?";
}

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void format_now(char *buf, size_t size, bool json)
{
	struct timespec now;
	struct tm tm;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	if (json) {
		gmtime_r(&now.tv_sec, &tm);
		used = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(buf + used, size - used, ".%03ldZ", now.tv_nsec / 1000000);
	} else {
		localtime_r(&now.tv_sec, &tm);
		used = strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm);
		snprintf(buf + used, size - used, ".%03ld", now.tv_nsec / 1000000);
	}
}

static void describe_decision_json(json_t *object, const struct fz_decision *d)
{
	if (d->has_peer)
		json_object_set_new(object, "peer", json_key(d->peer));
	json_object_set_new(object, "direction", json_string(fz_direction_name(d->direction)));
	json_object_set_new(object, "tuple", json_tuple(&d->tuple));
	json_object_set_new(object, "verdict", json_string(fz_verdict_name(d->verdict)));
	json_object_set_new(object, "reason", json_string(fz_reason_name(d->reason)));
	if (*d->resource)
		json_object_set_new(object, "resource", json_string(d->resource));
	if (d->has_tag)
		json_object_set_new(object, "tag", json_tag(d->tag));
}

/* Without what an event does not say: it has what was asked for, and of a grant that goes who and what. */
static json_t *json_changed_grant(const struct fz_event *event)
{
	static const char *const unsaid[] = { "quota_used", "packets", "bytes", "flows" };
	json_t *object = json_grant(&event->policy.grant);

	for (size_t i = 0; i < sizeof(unsaid) / sizeof(unsaid[0]); i++)
		json_object_del(object, unsaid[i]);
	if (event->policy.event == FZ_POLICY_EVENT_GRANT_DEL)
		json_object_del(object, "action");
	return object;
}

static json_t *json_changed_resource(const struct fz_event *event)
{
	json_t *object = json_resource(&event->policy.resource);

	json_object_del(object, "grants");
	return object;
}

static void describe_policy_json(json_t *object, const struct fz_event *event)
{
	json_object_set_new(object, "change", json_string(fz_policy_event_name(event->policy.event)));
	json_object_set_new(object, "generation", json_integer((json_int_t)event->policy.generation));
	if (event->policy.has_resource)
		json_object_set_new(object, "resource", json_changed_resource(event));
	if (event->policy.has_grant)
		json_object_set_new(object, "grant", json_changed_grant(event));
	if (event->policy.has_peer)
		json_object_set_new(object, "peer", json_key(event->policy.peer));
	if (event->policy.mode[FZ_DIR_IN].present || event->policy.mode[FZ_DIR_OUT].present)
		json_object_set_new(object, "mode", json_mode(event->policy.mode));
}

static const char *event_name(enum fz_event_kind kind)
{
	switch (kind) {
	case FZ_EVENT_PEER:
		return "peer";
	case FZ_EVENT_FLOW_START:
		return "flow-start";
	case FZ_EVENT_FLOW_END:
		return "flow-end";
	case FZ_EVENT_DENIAL:
		return "denial";
	case FZ_EVENT_POLICY:
		return "policy";
	case FZ_EVENT_REQUEST:
		return "request";
	case FZ_EVENT_SIDEBAND:
		return "sideband";
	case FZ_EVENT_SUPPRESSED:
		return "suppressed";
	case FZ_EVENT_LOST:
		return "lost";
	}
	return "?";
}

static void print_event_json(const struct fz_event *event)
{
	json_t *object = json_object();
	char now[48];

	format_now(now, sizeof(now), true);
	json_object_set_new(object, "time", json_string(now));
	json_object_set_new(object, "event", json_string(event_name(event->kind)));
	if (*event->dev)
		json_object_set_new(object, "device", json_string(event->dev));
	if (event->suppressed)
		json_object_set_new(object, "suppressed", json_integer((json_int_t)event->suppressed));
	switch (event->kind) {
	case FZ_EVENT_PEER:
		json_object_set_new(object, "type", json_string(fz_peer_event_name(event->peer.type)));
		json_object_set_new(object, "peer", json_key(event->peer.public_key));
		json_object_set_new(object, "endpoint", json_endpoint(&event->peer.endpoint));
		break;
	case FZ_EVENT_FLOW_START:
	case FZ_EVENT_FLOW_END:
		json_object_set_new(object, "flow", json_flow(&event->flow));
		break;
	case FZ_EVENT_DENIAL:
	case FZ_EVENT_REQUEST:
		describe_decision_json(object, &event->decision);
		break;
	case FZ_EVENT_POLICY:
		describe_policy_json(object, event);
		break;
	case FZ_EVENT_SUPPRESSED:
		json_object_set_new(object, "group", json_string(group_name(event->group)));
		break;
	case FZ_EVENT_LOST:
		if (event->lost)
			json_object_set_new(object, "lost", json_integer((json_int_t)event->lost));
		break;
	case FZ_EVENT_SIDEBAND:
		break;
	}
	json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(object);
	putchar('\n');
}

static void print_flow(const struct fz_flow *flow, bool end)
{
	char key[FZ_KEY_TEXT_SIZE], tuple[256], there[32], back[32], age[32], tag[FZ_TAG_TEXT_SIZE];

	fz_key_format(key, flow->peer);
	printf("%s %s peer %s %s", end ? "flow ended" : "flow started", fz_direction_name(flow->direction),
	       key, fz_format_tuple(tuple, sizeof(tuple), &flow->tuple));
	if (*flow->resource)
		printf(" resource %s", flow->resource);
	if (flow->has_tag)
		printf(" tag %s", fz_format_tag(tag, sizeof(tag), flow->tag));
	if (flow->observed != FZ_REASON_NONE)
		printf(" observed %s", fz_reason_name(flow->observed));
	if (end)
		printf(": %s after %s, %s there, %s back", fz_flow_end_name(flow->end),
		       fz_format_duration(age, sizeof(age), flow->age_ms),
		       fz_format_bytes(there, sizeof(there), flow->orig_bytes),
		       fz_format_bytes(back, sizeof(back), flow->reply_bytes));
}

static void print_denial(const struct fz_decision *d)
{
	char key[FZ_KEY_TEXT_SIZE], tuple[256], tag[FZ_TAG_TEXT_SIZE];

	fz_key_format(key, d->peer);
	printf("%s %s%s%s %s: %s", d->verdict == FZ_VERDICT_OBSERVE ? "would be refused" : "refused",
	       fz_direction_name(d->direction), d->has_peer ? " peer " : "", d->has_peer ? key : "",
	       fz_format_tuple(tuple, sizeof(tuple), &d->tuple), fz_reason_name(d->reason));
	if (*d->resource)
		printf(" resource %s", d->resource);
	if (d->has_tag)
		printf(" tag %s", fz_format_tag(tag, sizeof(tag), d->tag));
}

static void print_policy(const struct fz_event *event)
{
	char key[FZ_KEY_TEXT_SIZE], mode[64];

	printf("policy %s", fz_policy_event_name(event->policy.event));
	if (event->policy.has_resource)
		printf(" %s", event->policy.resource.name);
	if (event->policy.has_grant) {
		const struct fz_grant *grant = &event->policy.grant;

		fz_key_format(key, grant->peer);
		printf(" %s %s %s", grant->any ? "any" : key, grant->resource, fz_direction_name(grant->direction));
		if (event->policy.event != FZ_POLICY_EVENT_GRANT_DEL)
			printf(" %s", fz_action_name(grant->action));
	}
	if (event->policy.has_peer) {
		fz_key_format(key, event->policy.peer);
		printf(" peer %s", key);
	}
	for (uint8_t d = 0; d < FZ_DIRECTIONS; d++) {
		if (event->policy.mode[d].present)
			printf(" %s %s", fz_direction_name(d),
			       format_mode(mode, sizeof(mode), &event->policy.mode[d]));
	}
	printf(" (generation %" PRIu64 ")", event->policy.generation);
}

static void print_event(const struct fz_event *event)
{
	char now[48], key[FZ_KEY_TEXT_SIZE], endpoint[FZ_ENDPOINT_TEXT_SIZE];

	format_now(now, sizeof(now), false);
	printf("%s %s%s", now, event->dev, *event->dev ? " " : "");
	switch (event->kind) {
	case FZ_EVENT_PEER:
		fz_key_format(key, event->peer.public_key);
		printf("peer %s %s %s", key, fz_peer_event_name(event->peer.type),
		       fz_format_endpoint(endpoint, sizeof(endpoint), &event->peer.endpoint));
		break;
	case FZ_EVENT_FLOW_START:
	case FZ_EVENT_FLOW_END:
		print_flow(&event->flow, event->kind == FZ_EVENT_FLOW_END);
		break;
	case FZ_EVENT_DENIAL:
		print_denial(&event->decision);
		break;
	case FZ_EVENT_POLICY:
		print_policy(event);
		break;
	case FZ_EVENT_SUPPRESSED:
		printf("%" PRIu64 " events of %s not told: they came too fast", event->suppressed,
		       group_name(event->group));
		break;
	case FZ_EVENT_LOST:
		if (event->lost)
			printf("%" PRIu64 " events lost: they came faster than they were read", event->lost);
		else
			printf("some events were lost: they came faster than they were read");
		break;
	case FZ_EVENT_REQUEST:
	case FZ_EVENT_SIDEBAND:
		break;
	}
	if (event->suppressed && event->kind != FZ_EVENT_SUPPRESSED)
		printf(" (%" PRIu64 " before it not shown)", event->suppressed);
	putchar('\n');
}

static void on_event(const struct fz_event *event, void *json)
{
	if (json)
		print_event_json(event);
	else
		print_event(event);
	if (ferror(stdout) && !unwritten)
		unwritten = errno;
}

int monitor_main(int argc, char **argv)
{
	bool json = take_flag(&argc, argv, "--json");
	struct sigaction action = { .sa_handler = stop };
	unsigned int wanted = 0;
	struct fz_error err;
	struct fz_nl *nl;
	int ret;

	for (int i = 1; i < argc; i++) {
		size_t g = 0;

		while (g < N_GROUPS && strcmp(argv[i], groups[g]))
			g++;
		if (g == N_GROUPS)
			return usage_error("\"%s\" is no group of events (peers, flows, denials, policy)", argv[i]);
		wanted |= 1U << g;
	}
	ret = session_nl(&nl);
	if (ret)
		return ret;
	if (fz_nl_join(nl, wanted ? wanted : FZ_GROUP_ALL, &err))
		return refused(&err);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	fz_nl_on_event(nl, on_event, json ? nl : NULL);
	while (!stopped && !unwritten) {
		ret = fz_nl_wait(nl, -1, &err);
		if (ret < 0 && ret != -EINTR)
			return refused(&err);
		/* All that was there at once: one write for many lines, when they come fast. */
		if (fflush(stdout) && !unwritten)
			unwritten = errno;
	}
	if (unwritten && unwritten != EPIPE && !stopped)
		return output_failed(unwritten);
	/* A reader that has seen enough is no failure, nor is a line that the end interrupts. */
	clearerr(stdout);
	return EXIT_DONE;
}
