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

static bool send_parts(struct signal *sig, struct agent *agent, uint64_t number, const struct state_change *changes,
		       size_t n)
{
	do {
		size_t took;

		memset(sig->out, 0, sizeof(*sig->out));
		sig->out->which_body = fz_Message_state_tag;
		took = fill_state(sig, agent, &sig->out->body.state, number, changes, n);
		if (!session_send(sig, agent->session, sig->out))
			return false;
		changes += took;
		n -= took;
	} while (n);
	return true;
}

static bool send_changes(struct signal *sig, struct agent *agent, fz_Message *wrap,
			 const struct state_change *changes, size_t n, bool always)
{
	uint64_t number = agent->number + (n || !agent->known);

	/* What does not fit into the message that goes with it goes before it. */
	if (!wrap || !agent->known || n > ITEMS_MAX) {
		if ((n || always || !agent->known) && !send_parts(sig, agent, number, changes, n))
			return false;
		agent->known = true;
		agent->number = number;
		n = 0;
	}
	if (!wrap)
		return true;
	fill_state(sig, agent, wrapped_state(wrap), number, changes, n);
	agent->number = number;
	return session_send(sig, agent->session, wrap);
}

/*
 * Tells a ready agent the difference between what it was given and what it shall have. @wrap: an Admit, AccessAnswer
 * or Revoke that is to carry it. @always: say so too when there is no difference.
 *
 * False when the agent could not be told; its link is then closed soon, and it hears everything when it is back.
 */
bool agent_sync(struct signal *sig, struct agent *agent, fz_Message *wrap, bool always)
{
	struct state_change *changes = NULL;
	static const struct state empty;
	struct state fresh = { 0 };
	size_t n;
	bool ok;

	if (!agent_ready(agent))
		return false;
	if (agent->known && !agent->stale) {
		ok = send_changes(sig, agent, wrap, NULL, 0, always);
		agent->known = ok;
		return ok;
	}
	if (!agent_build(sig, &fresh, agent) ||
	    state_diff(agent->known ? &agent->sent : &empty, &fresh, &changes, &n)) {
		log_error("signal", "out of memory device=%lld", (long long)agent->id);
		state_clear(&fresh);
		return false;
	}
	ok = send_changes(sig, agent, wrap, changes, n, always);
	free(changes);
	state_clear(&agent->sent);
	agent->sent = fresh;
	agent->stale = false;
	if (!ok)
		agent->known = false;
	return ok;
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
	agent->note.set = false;
	agent_sync(sig, agent, msg, false);
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
