// SPDX-License-Identifier: GPL-2.0-only
/* How much of the logs one device may fill. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "signal_internal.h"

/* May it cause another line of the audit log? */
bool budget_line(struct signal *sig, struct agent *agent)
{
	return bucket_take(&agent->lines, signal_now(sig), LINES_BURST, LINES_RATE);
}

/* May it report another line? A gateway reports for many. */
bool budget_reported(struct signal *sig, struct agent *agent)
{
	if (agent->prev)
		return bucket_take(&agent->reported, signal_now(sig), GATEWAY_REPORTED_BURST, GATEWAY_REPORTED_RATE);
	return bucket_take(&agent->reported, signal_now(sig), REPORTED_BURST, REPORTED_RATE);
}

/* So many lines were not written. */
void budget_exceeded(struct signal *sig, struct agent *agent, uint64_t decisions, uint64_t denials, uint64_t flows)
{
	if (!decisions && !denials && !flows)
		return;
	agent->unwritten.decisions += decisions;
	agent->unwritten.denials += denials;
	agent->unwritten.flows += flows;
	if (!sig->unwritten_at)
		sig->unwritten_at = signal_now(sig) + UNWRITTEN_MS;
	signal_wake(sig, sig->unwritten_at);
}

/*
 * A line of the audit log for somebody who was not let in: @agent's, whose key it has, or a stranger's with NULL. All
 * strangers together are one device here.
 */
void budget_refused(struct signal *sig, const struct session *session, struct agent *agent, const char *sentence)
{
	const struct directory *dir = signal_directory(sig);
	const struct device *device = agent ? directory_device(dir, agent->id) : NULL;
	const struct user *user = device ? directory_user(dir, device->user_id) : NULL;
	struct audit_entry entry = { .at_ms = signal_clock(sig), .actor = "broker",
				     .action = agent ? "device.refuse" : "enrol.refuse",
				     .user = user ? user->name : NULL, .device = device ? device->name : NULL };
	struct fault fault;
	char text[512];
	int n;

	if (agent && !budget_line(sig, agent)) {
		budget_exceeded(sig, agent, 1, 0, 0);
		return;
	}
	if (!agent && !bucket_take(&sig->strangers, signal_now(sig), LINES_BURST, LINES_RATE)) {
		sig->strangers_unwritten++;
		return;
	}
	n = snprintf(text, sizeof(text), "%.300s, from %s", sentence, session->address);
	if (!agent && sig->strangers_unwritten)
		snprintf(text + n, sizeof(text) - (size_t)n, "; %" PRIu64 " more before it were not written",
			 sig->strangers_unwritten);
	entry.text = text;
	if (store_audit_add(sig->store, &entry, &fault))
		log_error("signal", "audit log not written reason=\"%s\"", fault.text);
	else if (!agent)
		sig->strangers_unwritten = 0;
}

/* Writes how many; tried again when that fails. */
void budget_write(struct signal *sig, struct agent *agent)
{
	const struct directory *dir = signal_directory(sig);
	const struct device *device = directory_device(dir, agent->id);
	const struct user *user = device ? directory_user(dir, device->user_id) : NULL;
	struct audit_entry entry = { .at_ms = signal_clock(sig), .actor = "broker", .action = "log.suppress",
				     .user = user ? user->name : NULL, .device = device ? device->name : NULL };
	struct fault fault;
	char text[256];

	if (!agent->unwritten.decisions && !agent->unwritten.denials && !agent->unwritten.flows)
		return;
	snprintf(text, sizeof(text), "not written, because this device caused too many lines: %" PRIu64 " decisions, "
		 "%" PRIu64 " refusals and %" PRIu64 " flows that it reported", agent->unwritten.decisions,
		 agent->unwritten.denials, agent->unwritten.flows);
	entry.text = text;
	if (store_audit_add(sig->store, &entry, &fault)) {
		log_error("signal", "audit log not written reason=\"%s\"", fault.text);
		sig->unwritten_at = signal_now(sig) + UNWRITTEN_MS;
		return;
	}
	log_warning("signal", "too many log lines device=%lld: %s", (long long)agent->id, text);
	memset(&agent->unwritten, 0, sizeof(agent->unwritten));
}

void budget_tick(struct signal *sig)
{
	struct agent *agent, *next;

	if (sig->unwritten_at && sig->unwritten_at <= signal_now(sig)) {
		sig->unwritten_at = 0;
		HASH_ITER(hh, sig->agents, agent, next)
			budget_write(sig, agent);
	}
	if (sig->unwritten_at)
		signal_wake(sig, sig->unwritten_at);
}
