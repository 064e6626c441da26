// SPDX-License-Identifier: GPL-2.0-only
/*
 * Refusals and flows on their way to the broker. They are numbered and kept
 * until the broker has acknowledged them, so that a lost connection loses
 * none; the ring is bounded, and what does not fit is counted and told.
 *
 * However much the kernel has to tell, the broker gets no more than it takes:
 * only so many reports are on their way unacknowledged, and those of a client
 * come no faster than a broker allows one device.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "format.h"
#include "log.h"

#define FLUSH_MS 100
#define RING 4096
/* Denials, or flows, on their way and not acknowledged. */
#define WINDOW 1024
/* A client's reports of each kind: 8 a second with up to 32 entries; a broker takes 20 of both together. */
#define CLIENT_MS 125
/* Without an acknowledgement for so long, what is on its way is sent again. */
#define RESEND_MS 5000

struct kept_denial {
	fz_Denial body;
	uint64_t at;
};

struct kept_flow {
	fz_Flow body;
	uint64_t at;
};

/**
 * struct reports - two rings, one numbering each
 * @epoch: of the numbers; random, for they start again with the process
 * @denial_acked: number up to which the broker has them
 * @denial_sent: number up to which they were sent on this connection
 * @denial_last: the newest number
 * @lost: refusals that did not fit, told with the next one
 * @moved: uv_now() when the broker last acknowledged, or was sent something while it owed nothing
 * @slot: uv_now() from which on a client may send again
 */
struct reports {
	struct agent *a;
	uint64_t epoch;
	struct kept_denial *denials;
	uint64_t denial_acked, denial_sent, denial_last, lost;
	struct kept_flow *flows;
	uint64_t flow_acked, flow_sent, flow_last;
	uint64_t moved, slot;
	uv_timer_t timer;
};

static bool denials_wait(const struct reports *r)
{
	return r->denial_sent < r->denial_last && r->denial_sent - r->denial_acked < WINDOW;
}

static bool flows_wait(const struct reports *r)
{
	return r->flow_sent < r->flow_last && r->flow_sent - r->flow_acked < WINDOW;
}

static bool unacknowledged(const struct reports *r)
{
	return r->denial_acked < r->denial_sent || r->flow_acked < r->flow_sent;
}

static bool send_denials(struct reports *r, fz_Message *msg)
{
	fz_DenialReport *report = &msg->body.denial_report;
	size_t room = sizeof(report->denial) / sizeof(*report->denial);

	memset(msg, 0, sizeof(*msg));
	msg->which_body = fz_Message_denial_report_tag;
	report->epoch = r->epoch;
	for (uint64_t s = r->denial_sent + 1; s <= r->denial_last && report->denial_count < room; s++) {
		struct kept_denial *kept = &r->denials[s % RING];
		fz_Denial *out = &report->denial[report->denial_count++];

		*out = kept->body;
		out->age_ms = desired_clock() - kept->at;
	}
	if (!uplink_send(r->a->uplink, msg))
		return false;
	r->denial_sent += report->denial_count;
	return true;
}

static bool send_flows(struct reports *r, fz_Message *msg)
{
	fz_FlowReport *report = &msg->body.flow_report;
	size_t room = sizeof(report->flow) / sizeof(*report->flow);

	memset(msg, 0, sizeof(*msg));
	msg->which_body = fz_Message_flow_report_tag;
	report->epoch = r->epoch;
	for (uint64_t s = r->flow_sent + 1; s <= r->flow_last && report->flow_count < room; s++) {
		struct kept_flow *kept = &r->flows[s % RING];
		fz_Flow *out = &report->flow[report->flow_count++];

		*out = kept->body;
		out->age_ms = desired_clock() - kept->at;
	}
	if (!uplink_send(r->a->uplink, msg))
		return false;
	r->flow_sent += report->flow_count;
	return true;
}

/* For a gateway all that the window lets; for a client one report of each kind, and then it waits for its next slot. */
static void send_some(struct reports *r, fz_Message *msg)
{
	bool all = r->a->kernel.gateway;

	while (denials_wait(r) && send_denials(r, msg) && all)
		;
	while (flows_wait(r) && send_flows(r, msg) && all)
		;
}

static void flush(uv_timer_t *timer)
{
	struct reports *r = timer->data;
	uint64_t now = uv_now(timer->loop);
	fz_Message *msg;

	if (!r->a->online)
		return;
	if (!unacknowledged(r)) {
		r->moved = now;
	} else if (now - r->moved >= RESEND_MS) {
		r->denial_sent = r->denial_acked;
		r->flow_sent = r->flow_acked;
		r->moved = now;
	}
	msg = r->a->kernel.gateway || now >= r->slot ? malloc(sizeof(*msg)) : NULL;
	if (msg) {
		send_some(r, msg);
		r->slot = now + CLIENT_MS;
	}
	free(msg);
	if (denials_wait(r) || flows_wait(r))
		uv_timer_start(timer, flush, r->slot > now ? r->slot - now : FLUSH_MS, 0);
	else if (unacknowledged(r))
		uv_timer_start(timer, flush, r->moved + RESEND_MS - now, 0);
}

/* A little later, so that a burst travels together. */
static void soon(struct reports *r)
{
	if (r->a->online && (!uv_is_active((uv_handle_t *)&r->timer) || uv_timer_get_due_in(&r->timer) > FLUSH_MS))
		uv_timer_start(&r->timer, flush, FLUSH_MS, 0);
}

struct reports *reports_new(struct agent *a)
{
	struct reports *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->denials = calloc(RING, sizeof(*r->denials));
	r->flows = calloc(RING, sizeof(*r->flows));
	if (!r->denials || !r->flows) {
		free(r->denials);
		free(r->flows);
		free(r);
		return NULL;
	}
	r->a = a;
	randombytes_buf(&r->epoch, sizeof(r->epoch));
	uv_timer_init(a->loop, &r->timer);
	r->timer.data = r;
	return r;
}

/**
 * reports_denial() - keep a refusal for the broker
 * @r: the reports
 * @denial: the kernel's event
 * @suppressed: refusals that the kernel did not tell before it
 */
void reports_denial(struct reports *r, const struct fz_decision *denial, uint64_t suppressed)
{
	struct kept_denial *kept;
	fz_Denial *out;

	if (r->denial_last - r->denial_acked >= RING) {
		r->lost += 1 + suppressed;
		return;
	}
	kept = &r->denials[++r->denial_last % RING];
	memset(kept, 0, sizeof(*kept));
	kept->at = desired_clock();
	out = &kept->body;
	out->seq = r->denial_last;
	if (denial->has_peer)
		fz_bytes_set(out->peer, denial->peer, FZ_KEY_LEN);
	out->direction = (fz_Direction)denial->direction;
	out->has_tuple = true;
	tuple_to_message(&out->tuple, &denial->tuple);
	out->verdict = (fz_Verdict)denial->verdict;
	fz_string_set(out->reason, fz_reason_name(denial->reason));
	if (denial->has_tag)
		fz_bytes_set(out->tag, denial->tag, FZ_TAG_LEN);
	fz_string_set(out->resource, denial->resource);
	out->suppressed = suppressed + r->lost;
	r->lost = 0;
	soon(r);
}

/**
 * reports_suppressed() - refusals that the kernel did not tell, and nothing came after them
 * @r: the reports
 * @count: how many; goes to the broker with the next that is told
 */
void reports_suppressed(struct reports *r, uint64_t count)
{
	r->lost += count;
}

/**
 * reports_flow() - keep the start or end of a flow for the broker
 * @r: the reports
 * @flow: the kernel's event
 * @end: which of both
 *
 * Without room the event is dropped: unlike a refusal it is also in the counters of its grant.
 */
void reports_flow(struct reports *r, const struct fz_flow *flow, bool end)
{
	struct kept_flow *kept;
	fz_Flow *out;

	if (r->flow_last - r->flow_acked >= RING)
		return;
	kept = &r->flows[++r->flow_last % RING];
	memset(kept, 0, sizeof(*kept));
	kept->at = desired_clock();
	out = &kept->body;
	out->seq = r->flow_last;
	fz_bytes_set(out->peer, flow->peer, FZ_KEY_LEN);
	out->direction = (fz_Direction)flow->direction;
	out->has_tuple = true;
	tuple_to_message(&out->tuple, &flow->tuple);
	fz_string_set(out->resource, flow->resource);
	if (flow->has_tag)
		fz_bytes_set(out->tag, flow->tag, FZ_TAG_LEN);
	out->end = end;
	if (end)
		fz_string_set(out->reason, fz_flow_end_name(flow->end));
	out->orig_packets = flow->orig_packets;
	out->orig_bytes = flow->orig_bytes;
	out->reply_packets = flow->reply_packets;
	out->reply_bytes = flow->reply_bytes;
	out->duration_ms = flow->age_ms;
	if (flow->observed)
		fz_string_set(out->observed, fz_reason_name(flow->observed));
	soon(r);
}

/**
 * reports_online() - the broker is there (again): send all that it has not acknowledged
 * @r: the reports
 */
void reports_online(struct reports *r)
{
	r->denial_sent = r->denial_acked;
	r->flow_sent = r->flow_acked;
	if (denials_wait(r) || flows_wait(r))
		soon(r);
}

/**
 * reports_ack() - the broker has stored reports
 * @r: the reports
 * @ack: up to which
 */
void reports_ack(struct reports *r, const fz_ReportAck *ack)
{
	if (ack->epoch != r->epoch)
		return;
	if (ack->denial_seq > r->denial_acked && ack->denial_seq <= r->denial_sent) {
		r->denial_acked = ack->denial_seq;
		r->moved = uv_now(r->a->loop);
	}
	if (ack->flow_seq > r->flow_acked && ack->flow_seq <= r->flow_sent) {
		r->flow_acked = ack->flow_seq;
		r->moved = uv_now(r->a->loop);
	}
	if (denials_wait(r) || flows_wait(r))
		soon(r);
}

static void closed(uv_handle_t *handle)
{
	struct reports *r = handle->data;

	free(r->denials);
	free(r->flows);
	free(r);
}

void reports_free(struct reports *r)
{
	if (r)
		uv_close((uv_handle_t *)&r->timer, closed);
}
