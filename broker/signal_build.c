// SPDX-License-Identifier: GPL-2.0-only
/* What one agent shall have, from directory and grants. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "signal_internal.h"

/* A client keeps the way through its NAT and the gateway's firewall open; most forget UDP after 30 s or more. */
#define KEEPALIVE_S	25
#define ALLOWED_MAX	(sizeof(((fz_Peer *)NULL)->allowed_ip) / sizeof(fz_Prefix))

static fz_Item *item_new(struct signal *sig, pb_size_t kind)
{
	memset(&sig->item, 0, sizeof(sig->item));
	sig->item.which_body = kind;
	return &sig->item;
}

static void add_prefix(struct signal *sig, struct state *state, pb_size_t kind, const struct prefix *prefix)
{
	fz_Item *item = item_new(sig, kind);
	fz_Prefix *out = kind == fz_Item_address_tag ? &item->body.address :
			 kind == fz_Item_route_tag ? &item->body.route :
			 kind == fz_Item_ask_tag ? &item->body.ask : &item->body.masquerade;

	prefix_fill(out, prefix);
	state_add(state, item, 0);
}

static void add_addresses(struct signal *sig, struct state *state, const struct device *device)
{
	add_prefix(sig, state, fz_Item_address_tag, &device->overlay4);
	add_prefix(sig, state, fz_Item_address_tag, &device->overlay6);
}

static void add_resource(struct signal *sig, struct state *state, const struct resource *resource)
{
	fz_Item *item = item_new(sig, fz_Item_resource_tag);
	fz_Resource *out = &item->body.resource;

	fz_string_set(out->name, resource->name);
	for (size_t i = 0; i < resource->n_prefixes; i++)
		prefix_fill(&out->prefix[out->prefix_count++], &resource->prefixes[i]);
	for (size_t i = 0; i < resource->n_services; i++) {
		const struct service *service = &resource->services[i];
		fz_Service *to = &out->service[out->service_count++];

		to->protocol = service->proto;
		/* all ports: said by saying none, which also holds for protocols without */
		if (service->first == 0 && service->last == UINT16_MAX)
			continue;
		to->has_port_min = to->has_port_max = true;
		to->port_min = service->first;
		to->port_max = service->last;
	}
	state_add(state, item, 0);
}

static void add_grant(struct signal *sig, struct state *state, const uint8_t *peer, const struct resource *resource,
		      fz_Direction direction, fz_Action action, const uint8_t tag[MODEL_TAG_LEN],
		      const struct policy *policy, int64_t expires_ms)
{
	fz_Item *item = item_new(sig, fz_Item_grant_tag);
	fz_Grant *out = &item->body.grant;

	fz_bytes_set(out->peer, peer, MODEL_KEY_LEN);
	fz_string_set(out->resource, resource->name);
	out->direction = direction;
	out->action = action;
	fz_bytes_set(out->tag, tag, MODEL_TAG_LEN);
	fz_string_set(out->policy, policy ? policy->name : NULL);
	state_add(state, item, expires_ms);
}

static void allow(fz_Peer *peer, const struct prefix *prefix)
{
	fz_Prefix out = { 0 };

	prefix_fill(&out, prefix);
	for (pb_size_t i = 0; i < peer->allowed_ip_count; i++) {
		const fz_Prefix *have = &peer->allowed_ip[i];

		if (have->len == out.len && have->addr.size == out.addr.size &&
		    !memcmp(have->addr.bytes, out.addr.bytes, out.addr.size))
			return;
	}
	if (peer->allowed_ip_count < ALLOWED_MAX)
		peer->allowed_ip[peer->allowed_ip_count++] = out;
}

static bool in_force(const struct signal *sig, const struct grant *grant)
{
	return grant->admitted && grant->lease.expires_ms > signal_clock(sig);
}

/* A gateway as the client's peer: everything that the client has through it. */
static void add_gateway_peer(struct signal *sig, struct state *state, const struct agent *client,
			     const struct device *gateway)
{
	const struct directory *dir = signal_directory(sig);
	fz_Item *item = item_new(sig, fz_Item_peer_tag);
	fz_Peer *peer = &item->body.peer;
	const struct grant *grant;

	fz_bytes_set(peer->public_key, gateway->tunnel_key, MODEL_KEY_LEN);
	fz_bytes_set(peer->control_key, gateway->control_key, MODEL_KEY_LEN);
	fz_string_set(peer->name, gateway->name);
	peer->keepalive_s = KEEPALIVE_S;
	peer->psk = true;
	/* its own addresses too: ICMP errors come from there */
	allow(peer, &gateway->overlay4);
	allow(peer, &gateway->overlay6);
	DL_FOREACH2(client->as_client, grant, client_next) {
		const struct resource *resource = directory_resource(dir, grant->lease.resource_id);

		if (grant->gateway->id != gateway->id || !resource || !in_force(sig, grant))
			continue;
		for (size_t i = 0; i < resource->n_prefixes; i++)
			allow(peer, &resource->prefixes[i]);
	}
	state_add(state, item, 0);
}

static void add_mode(struct signal *sig, struct state *state, fz_Direction direction, bool ask)
{
	fz_Item *item = item_new(sig, fz_Item_mode_tag);

	item->body.mode.direction = direction;
	item->body.mode.mode = fz_MODE_ENFORCE;
	item->body.mode.ask = ask;
	item->body.mode.reject = true;
	state_add(state, item, 0);
}

static void build_client(struct signal *sig, struct state *state, const struct agent *agent,
			 const struct device *device)
{
	const struct directory *dir = signal_directory(sig);
	struct prefix *prefixes = NULL;
	const struct grant *grant;
	int n;

	add_addresses(sig, state, device);
	n = directory_prefixes(dir, device->user_id, &prefixes);
	if (n < 0)
		state->failed = true;
	for (int i = 0; i < n; i++) {
		add_prefix(sig, state, fz_Item_route_tag, &prefixes[i]);
		add_prefix(sig, state, fz_Item_ask_tag, &prefixes[i]);
	}
	free(prefixes);
	add_mode(sig, state, fz_DIRECTION_OUT, true);
	DL_FOREACH2(agent->as_client, grant, client_next) {
		const struct device *gateway = directory_device(dir, grant->lease.gateway_id);
		const struct resource *resource = directory_resource(dir, grant->lease.resource_id);

		if (!gateway || !resource || !in_force(sig, grant))
			continue;
		add_gateway_peer(sig, state, agent, gateway);
		add_resource(sig, state, resource);
		add_grant(sig, state, gateway->tunnel_key, resource, fz_DIRECTION_OUT, fz_ACTION_ALLOW,
			  grant->lease.policy_tag, directory_policy(dir, grant->lease.policy_id),
			  grant->lease.expires_ms);
	}
}

static void add_client_peer(struct signal *sig, struct state *state, const struct device *client)
{
	fz_Item *item = item_new(sig, fz_Item_peer_tag);
	fz_Peer *peer = &item->body.peer;

	fz_bytes_set(peer->public_key, client->tunnel_key, MODEL_KEY_LEN);
	fz_bytes_set(peer->control_key, client->control_key, MODEL_KEY_LEN);
	fz_string_set(peer->name, client->name);
	peer->psk = true;
	allow(peer, &client->overlay4);
	allow(peer, &client->overlay6);
	state_add(state, item, 0);
}

/* What a policy denies this client inside of what others grant it. */
static void add_denies(struct signal *sig, struct state *state, const struct device *client, int64_t site_id)
{
	const struct directory *dir = signal_directory(sig);
	struct decision_deny *denies = NULL;
	int n = decision_denies(dir, client->id, site_id, signal_clock(sig), &denies);

	if (n < 0)
		state->failed = true;
	for (int i = 0; i < n; i++) {
		add_resource(sig, state, denies[i].resource);
		add_grant(sig, state, client->tunnel_key, denies[i].resource, fz_DIRECTION_IN, fz_ACTION_DENY,
			  denies[i].policy->tag, denies[i].policy,
			  denies[i].expires_ms == INT64_MAX ? 0 : denies[i].expires_ms);
	}
	free(denies);
}

static void build_gateway(struct signal *sig, struct state *state, const struct agent *agent,
			  const struct device *device)
{
	const struct directory *dir = signal_directory(sig);
	const struct site *site = directory_site(dir, device->site_id);
	const struct grant *grant;
	int64_t last = 0;

	add_addresses(sig, state, device);
	add_prefix(sig, state, fz_Item_route_tag, &dir->overlay4);
	add_prefix(sig, state, fz_Item_route_tag, &dir->overlay6);
	if (site && site->masquerade) {
		add_prefix(sig, state, fz_Item_masquerade_tag, &dir->overlay4);
		add_prefix(sig, state, fz_Item_masquerade_tag, &dir->overlay6);
	}
	DL_FOREACH2(agent->as_gateway, grant, gateway_next) {
		const struct device *client = directory_device(dir, grant->lease.device_id);
		const struct resource *resource = directory_resource(dir, grant->lease.resource_id);

		if (!client || !resource || grant->lease.expires_ms <= signal_clock(sig))
			continue;
		if (client->id != last) {
			add_client_peer(sig, state, client);
			add_denies(sig, state, client, device->site_id);
		}
		last = client->id;
		add_resource(sig, state, resource);
		add_grant(sig, state, client->tunnel_key, resource, fz_DIRECTION_IN, fz_ACTION_ALLOW,
			  grant->lease.policy_tag, directory_policy(dir, grant->lease.policy_id),
			  grant->lease.expires_ms);
	}
}

/* What the agent shall have. False when memory ran out. */
bool agent_build(struct signal *sig, struct state *state, const struct agent *agent)
{
	const struct device *device = directory_device(signal_directory(sig), agent->id);

	if (device && device->role == DEVICE_CLIENT)
		build_client(sig, state, agent, device);
	else if (device)
		build_gateway(sig, state, agent, device);
	return state_sort(state);
}
