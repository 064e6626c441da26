// SPDX-License-Identifier: GPL-2.0-only
/* The devices: who they are to the broker, where they can be reached, and their preshared keys on the way. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "signal_internal.h"

/* An agent that has moved learns its new addresses one after the other, within this time. */
#define MOVED_MS	10000

/* --- agents ---------------------------------------------------------------- */

struct agent *agent_find(const struct signal *sig, int64_t id)
{
	struct agent *agent;

	HASH_FIND(hh, sig->agents, &id, sizeof(id), agent);
	return agent;
}

struct agent *agent_get(struct signal *sig, int64_t id)
{
	struct agent *agent = agent_find(sig, id);

	if (agent)
		return agent;
	agent = calloc(1, sizeof(*agent));
	if (!agent)
		return NULL;
	agent->id = id;
	agent->stale = true;
	HASH_ADD(hh, sig->agents, id, sizeof(agent->id), agent);
	return agent;
}

void agent_free(struct signal *sig, struct agent *agent)
{
	while (agent->sealed) {
		struct sealed *sealed = agent->sealed;

		LL_DELETE(agent->sealed, sealed);
		free(sealed);
	}
	telling_end(&agent->telling);
	state_clear(&agent->sent);
	HASH_DEL(sig->agents, agent);
	free(agent);
}

/* Frees an agent whose device is gone and that nothing hangs on. */
void agent_forget(struct signal *sig, struct agent *agent)
{
	if (!agent->session && !agent->rival && !agent->dirty && !agent->as_client && !agent->as_gateway &&
	    !directory_device(signal_directory(sig), agent->id)) {
		budget_write(sig, agent);
		agent_free(sig, agent);
	}
}

void agent_seal(struct agent *client, int64_t gateway_id, const uint8_t *bytes, size_t len)
{
	struct sealed *sealed;

	LL_SEARCH_SCALAR(client->sealed, sealed, gateway_id, gateway_id);
	if (!sealed) {
		sealed = calloc(1, sizeof(*sealed));
		if (!sealed)
			return;
		sealed->gateway_id = gateway_id;
		LL_PREPEND(client->sealed, sealed);
	}
	memcpy(sealed->bytes, bytes, len);
	sealed->len = len;
}

void prefix_fill(fz_Prefix *out, const struct prefix *prefix)
{
	fz_bytes_set(out->addr, prefix->addr, prefix->family == AF_INET ? 4 : 16);
	out->len = prefix->bits;
}

void identity_fill(const struct signal *sig, const struct device *device, fz_Identity *out)
{
	const struct directory *dir = signal_directory(sig);
	const struct user *user = device->user_id ? directory_user(dir, device->user_id) : NULL;
	const struct site *site = device->site_id ? directory_site(dir, device->site_id) : NULL;
	uint8_t id[16] = { 0 };

	for (int i = 0; i < 8; i++)
		id[15 - i] = (uint8_t)(device->id >> (8 * i));
	fz_bytes_set(out->device, id, sizeof(id));
	fz_string_set(out->name, device->name);
	out->role = device->role == DEVICE_GATEWAY ? fz_ROLE_GATEWAY : fz_ROLE_CLIENT;
	fz_string_set(out->user, user ? user->name : NULL);
	fz_string_set(out->site, site ? site->name : NULL);
	out->address_count = 2;
	prefix_fill(&out->address[0], &device->overlay4);
	prefix_fill(&out->address[1], &device->overlay6);
	out->overlay_count = 2;
	prefix_fill(&out->overlay[0], &dir->overlay4);
	prefix_fill(&out->overlay[1], &dir->overlay6);
	fz_string_set(out->stun_host, sig->config.stun_host);
	out->stun_port = sig->config.stun_port;
}

/* --- candidates and keys --------------------------------------------------- */

/*
 * Only what leaves through one's own firewall opens it for the other's new address, so both ends are to begin a
 * handshake when one has moved, or when the grant is so new that the first one may have missed. Otherwise a tunnel
 * that works is left alone.
 */
static bool should_connect(const struct signal *sig, const struct agent *from, const struct grant *grant)
{
	uint64_t now = signal_now(sig);

	return (from->moved_at && now - from->moved_at < MOVED_MS) ||
	       (grant->made_at && now - grant->made_at < MOVED_MS);
}

static void relay_candidates(struct signal *sig, struct agent *from, struct agent *to, bool connect)
{
	const struct device *device = directory_device(signal_directory(sig), from->id);
	fz_Message *msg;

	if (!device || !agent_ready(to))
		return;
	msg = message_new(sig, fz_Message_candidates_tag);
	fz_bytes_set(msg->body.candidates.peer, device->tunnel_key, MODEL_KEY_LEN);
	memcpy(msg->body.candidates.candidate, from->candidates, sizeof(from->candidates));
	msg->body.candidates.candidate_count = from->n_candidates;
	msg->body.candidates.connect = connect;
	session_send(sig, to->session, msg);
}

static bool same_endpoint(const fz_Candidate *a, const fz_Candidate *b)
{
	return a->endpoint.port == b->endpoint.port && a->endpoint.addr.size == b->endpoint.addr.size &&
	       !memcmp(a->endpoint.addr.bytes, b->endpoint.addr.bytes, a->endpoint.addr.size);
}

static bool same_candidates(const struct agent *agent, const fz_Candidate *list, pb_size_t n)
{
	if (n != agent->n_candidates)
		return false;
	for (pb_size_t i = 0; i < n; i++) {
		const fz_Candidate *a = &agent->candidates[i], *b = &list[i];

		if (a->priority != b->priority || a->kind != b->kind || !same_endpoint(a, b))
			return false;
	}
	return true;
}

static bool has_reflexive(const fz_Candidate *list, pb_size_t n)
{
	for (pb_size_t i = 0; i < n; i++) {
		if (list[i].kind == fz_CANDIDATE_REFLEXIVE)
			return true;
	}
	return false;
}

/* Nothing is left of where it was: of what its NAT made of it, if that is known both times, else of everything. */
static bool has_moved(const struct agent *agent, const fz_Candidate *list, pb_size_t n)
{
	bool reflexive = has_reflexive(agent->candidates, agent->n_candidates) && has_reflexive(list, n);

	for (pb_size_t i = 0; i < n; i++) {
		for (pb_size_t j = 0; j < agent->n_candidates; j++) {
			if (reflexive && (list[i].kind != fz_CANDIDATE_REFLEXIVE ||
					  agent->candidates[j].kind != fz_CANDIDATE_REFLEXIVE))
				continue;
			if (same_endpoint(&list[i], &agent->candidates[j]))
				return false;
		}
	}
	return n && agent->n_candidates;
}

/*
 * One host's address, not its own: a kernel refuses a peer with any other, and with it what else its agent was told,
 * so that a client could keep its gateway from hearing anything.
 */
static bool valid_candidate(const fz_Candidate *candidate)
{
	const struct sockaddr_in6 *v6;
	const struct sockaddr_in *v4;
	struct sockaddr_storage ss;
	uint32_t addr;

	if (!candidate->has_endpoint || !fz_endpoint_to_sockaddr(&candidate->endpoint, &ss))
		return false;
	if (ss.ss_family == AF_INET) {
		v4 = (const struct sockaddr_in *)&ss;
		addr = ntohl(v4->sin_addr.s_addr);
		return addr >> 24 && addr >> 24 != IN_LOOPBACKNET && !IN_MULTICAST(addr) && addr != INADDR_BROADCAST;
	}
	v6 = (const struct sockaddr_in6 *)&ss;
	return !IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr) && !IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) &&
	       !IN6_IS_ADDR_MULTICAST(&v6->sin6_addr) && !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
}

/* Where the agent can be reached now; @relay: tell those who talk with it. */
void agent_candidates(struct signal *sig, struct agent *agent, const fz_Candidate *list, pb_size_t n, bool relay)
{
	fz_Candidate valid[CANDIDATES_MAX];
	struct grant *grant, *same;
	pb_size_t count = 0;

	memset(valid, 0, sizeof(valid));
	for (pb_size_t i = 0; i < n && count < CANDIDATES_MAX; i++) {
		if (valid_candidate(&list[i]))
			valid[count++] = list[i];
	}
	if (same_candidates(agent, valid, count))
		return;
	if (has_moved(agent, valid, count))
		agent->moved_at = signal_now(sig);
	memcpy(agent->candidates, valid, sizeof(valid));
	agent->n_candidates = count;
	if (!relay)
		return;
	/* Whom it shares several grants with hears of it once: with the first of them. */
	DL_FOREACH2(agent->as_client, grant, client_next) {
		DL_FOREACH2(agent->as_client, same, client_next)
			if (same->gateway == grant->gateway)
				break;
		if (same == grant)
			relay_candidates(sig, agent, grant->gateway, should_connect(sig, agent, grant));
	}
	DL_FOREACH2(agent->as_gateway, grant, gateway_next) {
		DL_FOREACH2(grant->client->as_client, same, client_next)
			if (same->gateway == agent)
				break;
		if (same == grant && grant->admitted)
			relay_candidates(sig, agent, grant->client, should_connect(sig, agent, grant));
	}
}

static bool share_grant(const struct agent *client, const struct agent *gateway)
{
	const struct grant *grant;

	DL_FOREACH2(client->as_client, grant, client_next) {
		if (grant->gateway == gateway)
			return true;
	}
	return false;
}

/* A preshared key on its way from gateway to client, or asked for the other way. */
void agent_peer_key(struct signal *sig, struct agent *agent, const fz_PeerKey *key)
{
	const struct directory *dir = signal_directory(sig);
	const struct device *device = directory_device(dir, agent->id), *other = NULL;
	struct agent *to = NULL;
	fz_Message *msg;

	if (key->peer.size == MODEL_KEY_LEN)
		other = directory_device_by_tunnel(dir, key->peer.bytes);
	if (other)
		to = agent_find(sig, other->id);
	if (!device || !to || device->role == other->role)
		return;
	if (device->role == DEVICE_GATEWAY ? !share_grant(to, agent) : !share_grant(agent, to))
		return;
	if (device->role == DEVICE_GATEWAY && key->sealed_psk.size)
		agent_seal(to, agent->id, key->sealed_psk.bytes, key->sealed_psk.size);
	if (!agent_ready(to))
		return;
	msg = message_new(sig, fz_Message_peer_key_tag);
	fz_bytes_set(msg->body.peer_key.peer, device->tunnel_key, MODEL_KEY_LEN);
	if (device->role == DEVICE_GATEWAY) {
		msg->body.peer_key.sealed_psk = key->sealed_psk;
	} else {
		msg->body.peer_key.want = true;
		fz_bytes_set(msg->body.peer_key.control_key, device->control_key, MODEL_KEY_LEN);
	}
	session_send(sig, to->session, msg);
}
