// SPDX-License-Identifier: GPL-2.0-only
/* /v1/devices, /v1/gateways (the devices that are) and /v1/invitations */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"
#include "invite.h"
#include "key.h"
#include "parse.h"
#include "prefix.h"

#define EXPIRES_DEFAULT_S	(24 * 3600)
#define EXPIRES_MAX_S		(90 * 24 * 3600)

static json_t *key_json(const uint8_t key[MODEL_KEY_LEN])
{
	char text[FZ_KEY_TEXT_SIZE];

	fz_key_format(text, key);
	return json_string(text);
}

static json_t *device_json(struct broker *broker, const struct device *device)
{
	const struct user *user = directory_user(broker->dir, device->user_id);
	const struct site *site = directory_site(broker->dir, device->site_id);
	struct prefix addresses[] = { device->overlay4, device->overlay6 };
	struct presence presence = { 0 };
	json_t *json;

	if (broker->server)
		server_presence(broker->server, device->id, &presence);
	json = json_pack("{ss ss sb so so so so so sb so so so so}", "name", device->name,
			 "role", device->role == DEVICE_GATEWAY ? "gateway" : "client", "enabled", device->enabled,
			 "user", api_json_text(user ? user->name : NULL), "site", api_json_text(site ? site->name : NULL),
			 "addresses", api_json_prefixes(addresses, 2), "tunnel_key", key_json(device->tunnel_key),
			 "control_key", key_json(device->control_key), "online", presence.online,
			 "since", api_json_time(presence.since_ms),
			 "address", api_json_text(presence.address[0] ? presence.address : NULL),
			 "version", api_json_text(presence.version[0] ? presence.version : NULL),
			 "created", api_json_time(device->created_ms));
	return json;
}

static void devices_list(struct api_request *request, bool gateways_only)
{
	const struct directory *dir = request->broker->dir;
	json_t *items = json_array();

	for (size_t i = 0; i < dir->n_devices; i++)
		if (!gateways_only || dir->devices[i].role == DEVICE_GATEWAY)
			json_array_append_new(items, device_json(request->broker, &dir->devices[i]));
	request->answer = api_items(items);
}

static const struct device *device_find(struct api_request *request, bool gateways_only)
{
	const struct device *device = directory_device_named(request->broker->dir, request->name);

	if (device && (!gateways_only || device->role == DEVICE_GATEWAY))
		return device;
	api_missing(request, gateways_only ? "gateway" : "device");
	return NULL;
}

static int device_get(struct api_request *request, bool gateways_only)
{
	const struct device *device = device_find(request, gateways_only);

	if (!device)
		return -ENOENT;
	request->answer = device_json(request->broker, device);
	return 0;
}

static int device_set(struct api_request *request, bool gateways_only)
{
	static const char *const known[] = { "name", "enabled", NULL };
	const struct device *found = device_find(request, gateways_only);
	struct device device;
	int code;

	if (!found)
		return -ENOENT;
	device = *found;
	code = api_fields_known(request, known);
	if (!code)
		code = api_take_name(request, device.name, false);
	if (!code)
		code = api_take_bool(request, "enabled", &device.enabled);
	if (!code)
		code = api_change_begin(request);
	if (code)
		return code;
	code = store_device_put(request->broker->store, &device, &request->fault);
	if (code)
		return api_change_abort(request, code);
	code = api_change_commit(request, gateways_only ? "gateway.set" : "device.set", device.name);
	if (code)
		return code;
	strcpy(request->name, device.name);
	return device_get(request, gateways_only);
}

static int device_del(struct api_request *request, bool gateways_only)
{
	const struct device *device = device_find(request, gateways_only);
	int code;

	if (!device)
		return -ENOENT;
	code = api_change_begin(request);
	if (code)
		return code;
	code = store_device_del(request->broker->store, device->id, &request->fault);
	if (code)
		return api_change_abort(request, code);
	return api_change_commit(request, gateways_only ? "gateway.del" : "device.del", request->name);
}

int api_devices_list(struct api_request *request)
{
	devices_list(request, false);
	return 0;
}

int api_devices_get(struct api_request *request)
{
	return device_get(request, false);
}

int api_devices_set(struct api_request *request)
{
	return device_set(request, false);
}

int api_devices_del(struct api_request *request)
{
	return device_del(request, false);
}

int api_gateways_list(struct api_request *request)
{
	devices_list(request, true);
	return 0;
}

int api_gateways_get(struct api_request *request)
{
	return device_get(request, true);
}

int api_gateways_set(struct api_request *request)
{
	return device_set(request, true);
}

int api_gateways_del(struct api_request *request)
{
	return device_del(request, true);
}

/* ---- invitations ---- */

struct invitations_list {
	const struct directory *dir;
	json_t *items;
	int64_t now_ms;
};

static json_t *invitation_json(const struct directory *dir, const struct invitation *invitation, int64_t now_ms)
{
	const struct user *user = directory_user(dir, invitation->user_id);
	const struct site *site = directory_site(dir, invitation->site_id);
	const struct device *device = directory_device(dir, invitation->device_id);
	const char *state = "open";

	if (invitation->used_ms)
		state = "used";
	else if (invitation->expires_ms <= now_ms)
		state = "expired";
	return json_pack("{sI ss ss so so so so so so}", "id", (json_int_t)invitation->id,
			 "role", invitation->site_id ? "gateway" : "client", "state", state,
			 "user", api_json_text(user ? user->name : NULL), "site", api_json_text(site ? site->name : NULL),
			 "device", api_json_text(device ? device->name : NULL),
			 "created", api_json_time(invitation->created_ms),
			 "expires", api_json_time(invitation->expires_ms), "used", api_json_time(invitation->used_ms));
}

static int invitation_visit(void *context, const struct invitation *invitation)
{
	struct invitations_list *list = context;

	json_array_append_new(list->items, invitation_json(list->dir, invitation, list->now_ms));
	return 0;
}

int api_invitations_list(struct api_request *request)
{
	struct invitations_list list = { request->broker->dir, json_array(), store_clock() };
	int code = store_invitation_each(request->broker->store, invitation_visit, &list, &request->fault);

	if (code)
		json_decref(list.items);
	else
		request->answer = api_items(list.items);
	return code;
}

/* For whom: a user or a site, one of them. */
static int invitation_whom(struct api_request *request, struct invitation *invitation)
{
	char name[NAME_LEN_MAX + 1] = "";
	bool for_user = json_object_get(request->body, "user"), for_site = json_object_get(request->body, "site");
	const struct user *user;
	const struct site *site;
	int code;

	if (for_user == for_site)
		return fault_set(&request->fault, -EINVAL, NULL,
				 "an invitation is for a 'user' or for a gateway of a 'site', one of them");
	code = api_take_text(request, for_user ? "user" : "site", name, sizeof(name), true);
	if (code)
		return code;
	user = for_user ? directory_user_named(request->broker->dir, name) : NULL;
	site = for_site ? directory_site_named(request->broker->dir, name) : NULL;
	if (!user && !site)
		return fault_set(&request->fault, -ENOENT, for_user ? "user" : "site", "there is no %s '%s'",
				 for_user ? "user" : "site", name);
	if (user && !user->enabled)
		return fault_set(&request->fault, -EINVAL, "user", "user '%s' is disabled", name);
	invitation->user_id = user ? user->id : 0;
	invitation->site_id = site ? site->id : 0;
	return 0;
}

/* HOST:PORT or [HOST]:PORT of the configuration. */
static int public_split(struct api_request *request, struct fz_invite *invite)
{
	const char *public = request->broker->config.public, *colon = strrchr(public, ':');
	size_t len = colon ? (size_t)(colon - public) : 0;

	if (!colon || fz_parse_port(colon + 1, &invite->port, NULL))
		return fault_set(&request->fault, -EINVAL, NULL,
				 "the broker does not know its public address: start it with --public HOST:PORT");
	if (public[0] == '[' && len >= 2 && public[len - 1] == ']') {
		public++;
		len -= 2;
	}
	if (!len || len > FZ_INVITE_HOST_MAX)
		return fault_set(&request->fault, -EINVAL, NULL, "the broker's public host name is too long");
	memcpy(invite->host, public, len);
	invite->host[len] = '\0';
	return 0;
}

static uint16_t stun_port(const struct config *config)
{
	const struct sockaddr *sa = (const struct sockaddr *)&config->stun;

	if (sa->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)sa)->sin_port);
	if (sa->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)sa)->sin6_port);
	return 0;
}

static int invitation_text(struct api_request *request, const struct invitation *invitation,
			   const uint8_t token[INVITATION_TOKEN_LEN], char text[FZ_INVITE_TEXT_MAX])
{
	struct fz_invite invite = { .role = invitation->site_id ? FZ_INVITE_GATEWAY : FZ_INVITE_CLIENT,
				    .stun_port = stun_port(&request->broker->config) };
	uint8_t secret[MODEL_KEY_LEN];
	struct fz_error error;
	int code = public_split(request, &invite);

	if (code)
		return code;
	code = store_broker_key(request->broker->store, secret, invite.broker_key, &request->fault);
	sodium_memzero(secret, sizeof(secret));
	if (code)
		return code;
	memcpy(invite.token, token, sizeof(invite.token));
	if (fz_invite_format(&invite, text, FZ_INVITE_TEXT_MAX, &error))
		code = fault_set(&request->fault, -EIO, NULL, "%.200s", error.text);
	fz_invite_wipe(&invite);
	return code;
}

static int invitation_make(struct api_request *request, struct invitation *invitation, char text[FZ_INVITE_TEXT_MAX])
{
	uint8_t token[INVITATION_TOKEN_LEN];
	char object[32];
	int code = api_change_begin(request);

	if (code)
		return code;
	code = store_invitation_add(request->broker->store, invitation, token, &request->fault);
	if (!code)
		code = invitation_text(request, invitation, token, text);
	sodium_memzero(token, sizeof(token));
	if (code)
		return api_change_abort(request, code);
	snprintf(object, sizeof(object), "%lld", (long long)invitation->id);
	return api_change_commit(request, "invitation.add", object);
}

int api_invitations_add(struct api_request *request)
{
	static const char *const known[] = { "user", "site", "expires", NULL };
	struct invitation invitation = { 0 };
	uint32_t expires_s = EXPIRES_DEFAULT_S;
	char text[FZ_INVITE_TEXT_MAX];
	int code = api_fields_known(request, known);

	if (!code)
		code = invitation_whom(request, &invitation);
	if (!code)
		code = api_take_u32(request, "expires", 1, EXPIRES_MAX_S, &expires_s);
	invitation.expires_ms = store_clock() + (int64_t)expires_s * 1000;
	if (!code)
		code = invitation_make(request, &invitation, text);
	if (code)
		return code;
	request->answer = invitation_json(request->broker->dir, &invitation, store_clock());
	json_object_set_new(request->answer, "invitation", json_string(text));
	sodium_memzero(text, sizeof(text));
	return 0;
}

int api_invitations_del(struct api_request *request)
{
	char *end;
	long long id = strtoll(request->name, &end, 10);
	int code;

	if (*end || id <= 0)
		return api_missing(request, "invitation");
	code = api_change_begin(request);
	if (code)
		return code;
	code = store_invitation_del(request->broker->store, id, &request->fault);
	return code ? api_change_abort(request, code) : api_change_commit(request, "invitation.del", request->name);
}
