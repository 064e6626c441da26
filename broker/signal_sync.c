// SPDX-License-Identifier: GPL-2.0-only
/* Telling an agent the difference between what it has and what it shall have. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "signal_internal.h"

#define ITEMS_MAX	(sizeof(((fz_State *)NULL)->item) / sizeof(fz_Item))

static void fill_peer(struct signal *sig, const struct agent *agent, fz_Peer *peer)
{
	const struct device *other = directory_device_by_tunnel(signal_directory(sig), peer->public_key.bytes);
	const struct agent *from = other ? agent_find(sig, other->id) : NULL;
	const struct sealed *sealed;

	if (!from)
		return;
	memcpy(peer->candidate, from->candidates, from->n_candidates * sizeof(*peer->candidate));
	peer->candidate_count = from->n_candidates;
	LL_SEARCH_SCALAR(agent->sealed, sealed, gateway_id, from->id);
	if (sealed)
		fz_bytes_set(peer->sealed_psk, sealed->bytes, sealed->len);
}

static void fill_item(struct signal *sig, const struct agent *agent, const struct state_change *change,
		      fz_Item *item)
{
	int64_t left = change->item->expires_ms - signal_clock(sig);

	state_decode(change->item, item);
	item->remove = change->remove;
	if (change->remove) {
		/* the key is enough */
		if (item->which_body == fz_Item_peer_tag)
			item->body.peer.allowed_ip_count = 0;
		if (item->which_body == fz_Item_resource_tag)
			item->body.resource.prefix_count = item->body.resource.service_count = 0;
		return;
	}
	if (item->which_body == fz_Item_peer_tag)
		fill_peer(sig, agent, &item->body.peer);
	if (item->which_body == fz_Item_grant_tag && change->item->expires_ms) {
		item->body.grant.has_lease_ms = true;
		item->body.grant.lease_ms = (uint64_t)(left > 0 ? left : 1);
	}
}

/* Fills one part; returns how many changes it took. */
static size_t fill_state(struct signal *sig, struct agent *agent, fz_State *out, uint64_t number,
			 const struct state_change *changes, size_t n)
{
	size_t take = n < ITEMS_MAX ? n : ITEMS_MAX;

	out->instance = sig->instance;
	out->number = number;
	out->snapshot = !agent->known;
	out->base = agent->known ? agent->number : 0;
	out->item_count = (pb_size_t)take;
	for (size_t i = 0; i < take; i++)
		fill_item(sig, agent, &changes[i], &out->item[i]);
	out->last = take == n;
	return take;
}

static fz_State *wrapped_state(fz_Message *wrap)
{
	switch (wrap->which_body) {
	case fz_Message_admit_tag:
		wrap->body.admit.has_state = true;
		return &wrap->body.admit.state;
	case fz_Message_access_answer_tag:
		wrap->body.access_answer.has_state = true;
		return &wrap->body.access_answer.state;
	default:
		wrap->body.revoke.has_state = true;
		return &wrap->body.revoke.state;
	}
}

void telling_end(struct telling *telling)
{
	free(telling->changes);
	state_clear(&telling->before);
	memset(telling, 0, sizeof(*telling));
}

/* Works out what is to be told. False without memory. */
static bool telling_begin(struct signal *sig, struct agent *agent)
{
	struct telling *telling = &agent->telling;
	static const struct state empty;
	struct state fresh = { 0 };

	telling->number = agent->number;
	if (agent->known && !agent->stale)
		return true;
	if (!agent_build(sig, &fresh, agent) ||
	    state_diff(agent->known ? &agent->sent : &empty, &fresh, &telling->changes, &telling->n)) {
		state_clear(&fresh);
		return false;
	}
	telling->number = agent->number + (telling->n || !agent->known);
	telling->before = agent->sent;
	agent->sent = fresh;
	agent->stale = false;
	return true;
}

/*
 * Sends the parts of a state, as many as the link has room for; signal_drained() goes on. @all: room or not. False
 * when the link takes no more.
 */
static bool send_parts(struct signal *sig, struct agent *agent, bool all)
{
	struct telling *telling = &agent->telling;

	do {
		fz_State *out = &sig->out->body.state;

		if (!all && !sig->calls->room(sig->arg, agent->session->link))
			return true;
		memset(sig->out, 0, sizeof(*sig->out));
		sig->out->which_body = fz_Message_state_tag;
		telling->at += fill_state(sig, agent, out, telling->number, telling->changes + telling->at,
					  telling->n - telling->at);
		if (!session_send(sig, agent->session, sig->out))
			return false;
	} while (telling->at < telling->n);
	agent->known = true;
	agent->number = telling->number;
	telling_end(telling);
	return true;
}

/* The difference goes inside of @wrap, which it fits into. */
static bool send_wrapped(struct signal *sig, struct agent *agent, fz_Message *wrap)
{
	struct telling *telling = &agent->telling;
	uint64_t number = telling->changes ? telling->number : agent->number;

	fill_state(sig, agent, wrapped_state(wrap), number, telling->changes, telling->n);
	agent->number = number;
	telling_end(telling);
	return session_send(sig, agent->session, wrap);
}

/*
 * Tells a ready agent the difference between what it was given and what it shall have. @wrap: an Admit, AccessAnswer
 * or Revoke that is to carry it. @always: say so too when there is no difference.
 *
 * A large state goes in parts as the link takes them; meanwhile what changes waits, and a Revoke with it
 * (agent->telling tells).
 *
 * False when the agent could not be told; its link is then closed soon, and it hears everything when it is back.
 */
bool agent_sync(struct signal *sig, struct agent *agent, fz_Message *wrap, bool always)
{
	struct telling *telling = &agent->telling;
	bool waits = !wrap || wrap->which_body == fz_Message_revoke_tag, parts;

	if (!agent_ready(agent) || agent->session->broken)
		return false;
	if (telling->changes && waits) {
		agent->stale = true;
		return true;
	}
	if (telling->changes && !send_parts(sig, agent, true))
		return false;
	if (!telling_begin(sig, agent)) {
		log_error("signal", "out of memory device=%lld", (long long)agent->id);
		session_break(sig, agent->session, "the broker had no memory to tell it a change");
		return false;
	}
	/* What does not fit into the message that goes with it goes before it. */
	parts = !wrap || !agent->known || telling->n > ITEMS_MAX;
	if (parts && (telling->n || always || !agent->known)) {
		if (!send_parts(sig, agent, !waits || !telling->n))
			return false;
		if (telling->changes)
			return true;
	}
	if (wrap)
		return send_wrapped(sig, agent, wrap);
	telling_end(telling);
	return true;
}

/* Says why something went when that is known. */
static void sync_marked(struct signal *sig, struct agent *agent)
{
	fz_Message *msg = NULL;

	if (agent->note.set && agent_ready(agent)) {
		msg = message_new(sig, fz_Message_revoke_tag);
		fz_string_set(msg->body.revoke.sentence, agent->note.sentence);
		fz_string_set(msg->body.revoke.policy, agent->note.policy);
		fz_bytes_set(msg->body.revoke.tag, agent->note.tag, MODEL_TAG_LEN);
	}
	agent_sync(sig, agent, msg, false);
	/* Words that wait for what they are about are said when it is through. */
	if (!agent_ready(agent) || !agent->telling.changes)
		agent->note.set = false;
}

/**
 * signal_drained() - a link has room again
 * @sig: signalling
 * @session: of the link
 */
void signal_drained(struct signal *sig, struct session *session)
{
	struct agent *agent = session->agent;

	if (!agent || agent->session != session || !agent->telling.changes || session->broken)
		return;
	if (!send_parts(sig, agent, false) || agent->telling.changes)
		return;
	/* What has waited for it: a change, its words, clients that are to be admitted. */
	if (agent->stale || agent->note.set)
		agent_mark(sig, agent);
	signal_wake(sig, signal_now(sig));
}

/* Something that may concern it has changed. */
void agent_mark(struct signal *sig, struct agent *agent)
{
	agent->stale = true;
	if (agent->dirty)
		return;
	agent->dirty = true;
	agent->dirty_next = sig->dirty;
	sig->dirty = agent;
}

/* Tells all that are marked, gateways first: they are where access ends. */
void agents_sync_marked(struct signal *sig)
{
	struct agent *agent;

	for (agent = sig->dirty; agent; agent = agent->dirty_next) {
		if (agent->prev)
			sync_marked(sig, agent);
	}
	while (sig->dirty) {
		agent = sig->dirty;
		sig->dirty = agent->dirty_next;
		agent->dirty = false;
		if (!agent->prev)
			sync_marked(sig, agent);
	}
}
