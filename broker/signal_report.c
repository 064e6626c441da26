// SPDX-License-Identifier: GPL-2.0-only
/*
 * What kernels report: refusals and flows. Reports wait a little and are then stored together, for each transaction
 * costs a flush of the disk; they are acknowledged when they are stored.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decision.h"
#include "log.h"
#include "signal_internal.h"

/* So long a report waits for others, and so many may wait. */
#define WAIT_MS		50
#define WAITING_MAX	64
/* What could not be stored is tried again after this. */
#define AGAIN_MS	1000

#define LINES_MAX	(sizeof(((fz_DenialReport *)NULL)->denial) / sizeof(fz_Denial))
_Static_assert(LINES_MAX == sizeof(((fz_FlowReport *)NULL)->flow) / sizeof(fz_Flow), "one bound for both reports");

/**
 * struct report - one that waits to be stored
 * @which: what @body is, as in fz_Message
 * @came_ms: when it came, wall clock
 * @dropped: lines that exceed what its reporter may fill
 * @stored: out: what is stored of the reporter's after it
 */
struct report {
	pb_size_t which;
	int64_t reporter_id;
	int64_t came_ms;
	union {
		fz_DenialReport denials;
		fz_FlowReport flows;
	} body;
	bool dropped[LINES_MAX];
	struct report_state stored;
	struct report *prev, *next;
};

/* --- lines ----------------------------------------------------------------- */

/* Words of the kernel are lower case letters and hyphens; an agent's other text stays out of the logs. */
static const char *word(const char *text)
{
	for (const char *p = text; *p; p++) {
		if ((*p < 'a' || *p > 'z') && *p != '-')
			return "unknown";
	}
	return *text ? text : "unknown";
}

/* A name is only repeated if there is such a resource. */
static const char *resource_name(const struct directory *dir, const char *name)
{
	const struct resource *resource = *name ? directory_resource_named(dir, name) : NULL;

	return resource ? resource->name : NULL;
}

static int64_t peer_id(const struct directory *dir, const pb_byte_t *key, pb_size_t size)
{
	const struct device *device = size == MODEL_KEY_LEN ? directory_device_by_tunnel(dir, key) : NULL;

	return device ? device->id : 0;
}

static int64_t ago(int64_t now, uint64_t age_ms)
{
	return age_ms > (uint64_t)now ? 0 : now - (int64_t)age_ms;
}

/*
 * The kernel knows that the broker refused, the broker why, if policy has not changed since. @decision: kept by the
 * caller for @out
 */
static void denial_explain(const struct directory *dir, struct denial_entry *out, struct decision *decision)
{
	const struct device *reporter = directory_device(dir, out->reporter_id);
	struct decision_request question = { .now_ms = out->at_ms, .tuple = out->tuple };

	if (strcmp(out->reason, "refused") || !reporter)
		return;
	question.device_id = reporter->role == DEVICE_CLIENT ? reporter->id : out->peer_id;
	decision_make(dir, &question, decision);
	if (decision->allow)
		return;
	out->text = decision->text;
	if (decision->policy)
		out->policy_tag = decision->policy->tag;
	if (decision->resource)
		out->resource = decision->resource->name;
}

static void denial_entry(const struct directory *dir, const struct report *report, size_t i, struct denial_entry *out)
{
	const fz_Denial *in = &report->body.denials.denial[i];

	tuple_from_message(&out->tuple, &in->tuple);
	out->sequence = in->seq;
	out->at_ms = ago(report->came_ms, in->age_ms);
	out->reporter_id = report->reporter_id;
	out->peer_id = peer_id(dir, in->peer.bytes, in->peer.size);
	out->outbound = in->direction == fz_DIRECTION_OUT;
	out->observed = in->verdict == fz_VERDICT_OBSERVE;
	out->reason = word(in->reason);
	out->resource = resource_name(dir, in->resource);
	out->policy_tag = in->tag.size == MODEL_TAG_LEN ? in->tag.bytes : NULL;
	out->count = in->suppressed < UINT32_MAX ? in->suppressed + 1 : UINT32_MAX;
	out->dropped = report->dropped[i];
}

static void flow_entry(const struct directory *dir, const struct report *report, size_t i, struct flow_entry *out)
{
	const fz_Flow *in = &report->body.flows.flow[i];
	bool outbound = in->direction == fz_DIRECTION_OUT;
	int64_t at = ago(report->came_ms, in->age_ms);

	tuple_from_message(&out->tuple, &in->tuple);
	out->sequence = in->seq;
	out->start_ms = in->end ? ago(at, in->duration_ms) : at;
	out->end_ms = in->end ? at : 0;
	out->reporter_id = report->reporter_id;
	out->peer_id = peer_id(dir, in->peer.bytes, in->peer.size);
	out->end = in->end ? word(in->reason) : NULL;
	out->resource = resource_name(dir, in->resource);
	out->policy_tag = in->tag.size == MODEL_TAG_LEN ? in->tag.bytes : NULL;
	out->packets_in = outbound ? in->reply_packets : in->orig_packets;
	out->packets_out = outbound ? in->orig_packets : in->reply_packets;
	out->bytes_in = outbound ? in->reply_bytes : in->orig_bytes;
	out->bytes_out = outbound ? in->orig_bytes : in->reply_bytes;
	out->dropped = report->dropped[i];
}

static int store_denials(struct signal *sig, struct report *report, struct fault *fault)
{
	const fz_DenialReport *in = &report->body.denials;
	struct denial_entry entries[LINES_MAX] = { 0 };
	struct decision decisions[LINES_MAX];

	for (size_t i = 0; i < in->denial_count; i++) {
		denial_entry(signal_directory(sig), report, i, &entries[i]);
		denial_explain(signal_directory(sig), &entries[i], &decisions[i]);
	}
	return store_report_add(sig->store, report->reporter_id, in->epoch, entries, in->denial_count, NULL, 0,
				&report->stored, fault);
}

static int store_flows(struct signal *sig, struct report *report, struct fault *fault)
{
	const fz_FlowReport *in = &report->body.flows;
	struct flow_entry entries[LINES_MAX] = { 0 };

	for (size_t i = 0; i < in->flow_count; i++)
		flow_entry(signal_directory(sig), report, i, &entries[i]);
	return store_report_add(sig->store, report->reporter_id, in->epoch, NULL, 0, entries, in->flow_count,
				&report->stored, fault);
}

/* --- storing --------------------------------------------------------------- */

static void report_free(struct signal *sig, struct report *report)
{
	DL_DELETE(sig->reports, report);
	sig->n_reports--;
	free(report);
}

/* The last one of an agent speaks for those before it. */
static void acknowledge(struct signal *sig, const struct report *report)
{
	struct agent *agent = agent_find(sig, report->reporter_id);
	const struct report *later;
	fz_Message *msg;

	for (later = report->next; later; later = later->next) {
		if (later->reporter_id == report->reporter_id)
			return;
	}
	if (!agent_ready(agent) || !report->stored.epoch)
		return;
	msg = message_new(sig, fz_Message_report_ack_tag);
	msg->body.report_ack.epoch = report->stored.epoch;
	msg->body.report_ack.denial_seq = report->stored.denial_sequence;
	msg->body.report_ack.flow_seq = report->stored.flow_sequence;
	session_send(sig, agent->session, msg);
}

static int store_all(struct signal *sig, struct fault *fault)
{
	int ret = store_begin(sig->store, fault);
	struct report *report;

	if (ret)
		return ret;
	DL_FOREACH(sig->reports, report) {
		ret = report->which == fz_Message_denial_report_tag ? store_denials(sig, report, fault) :
								      store_flows(sig, report, fault);
		if (ret == -EIO || ret == -ENOSPC) {
			store_rollback(sig->store);
			return ret;
		}
		/* Its device is gone, and the others are not to suffer from it. */
		if (ret)
			log_info("signal", "report not stored device=%lld reason=\"%s\"",
				 (long long)report->reporter_id, fault->text);
	}
	return store_commit(sig->store, fault);
}

void reports_forget(struct signal *sig)
{
	while (sig->reports)
		report_free(sig, sig->reports);
}

/* Stores and acknowledges what waits. When that fails, it waits on. */
void reports_store(struct signal *sig)
{
	struct report *report;
	struct fault fault;

	if (!sig->reports)
		return;
	if (store_all(sig, &fault)) {
		log_error("signal", "reports not stored reason=\"%s\"", fault.text);
		sig->reports_failed = true;
		sig->reports_at = signal_now(sig) + AGAIN_MS;
		signal_wake(sig, sig->reports_at);
		return;
	}
	sig->reports_failed = false;
	DL_FOREACH(sig->reports, report)
		acknowledge(sig, report);
	reports_forget(sig);
}

void reports_tick(struct signal *sig)
{
	if (sig->reports && sig->reports_at <= signal_now(sig))
		reports_store(sig);
	if (sig->reports)
		signal_wake(sig, sig->reports_at);
}

/* --- receiving ------------------------------------------------------------- */

/* Room for one more, last of those that wait; NULL when nothing can be stored for so long that there is none. */
static struct report *report_new(struct signal *sig, const struct agent *agent, pb_size_t which)
{
	struct report *report;

	if (sig->n_reports >= WAITING_MAX && !sig->reports_failed)
		reports_store(sig);
	if (sig->n_reports >= WAITING_MAX)
		return NULL;
	report = calloc(1, sizeof(*report));
	if (!report)
		return NULL;
	report->which = which;
	report->reporter_id = agent->id;
	report->came_ms = signal_clock(sig);
	if (!sig->reports)
		sig->reports_at = signal_now(sig) + WAIT_MS;
	signal_wake(sig, sig->reports_at);
	DL_APPEND(sig->reports, report);
	sig->n_reports++;
	return report;
}

/* Which of its lines exceed what the agent may fill, and how many. */
static size_t drop_lines(struct signal *sig, struct agent *agent, struct report *report, size_t n)
{
	size_t dropped = 0;

	if (!report)
		return n;
	for (size_t i = 0; i < n; i++) {
		report->dropped[i] = !budget_reported(sig, agent);
		dropped += report->dropped[i];
	}
	return dropped;
}

void report_denials(struct signal *sig, struct session *session, const fz_DenialReport *in)
{
	struct report *report;
	struct tuple tuple;
	bool valid = in->epoch;

	for (pb_size_t i = 0; i < in->denial_count; i++)
		valid = valid && tuple_from_message(&tuple, &in->denial[i].tuple);
	if (!valid) {
		session_error(sig, session, fz_CODE_MALFORMED, 0, "a report without epoch, or a denial without flow");
		return;
	}
	report = report_new(sig, session->agent, fz_Message_denial_report_tag);
	if (report)
		report->body.denials = *in;
	budget_exceeded(sig, session->agent, 0, drop_lines(sig, session->agent, report, in->denial_count), 0);
}

void report_flows(struct signal *sig, struct session *session, const fz_FlowReport *in)
{
	struct report *report;
	struct tuple tuple;
	bool valid = in->epoch;

	for (pb_size_t i = 0; i < in->flow_count; i++)
		valid = valid && tuple_from_message(&tuple, &in->flow[i].tuple);
	if (!valid) {
		session_error(sig, session, fz_CODE_MALFORMED, 0, "a report without epoch, or a flow without tuple");
		return;
	}
	report = report_new(sig, session->agent, fz_Message_flow_report_tag);
	if (report)
		report->body.flows = *in;
	budget_exceeded(sig, session->agent, 0, 0, drop_lines(sig, session->agent, report, in->flow_count));
}
