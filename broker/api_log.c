// SPDX-License-Identifier: GPL-2.0-only
/* /v1/log, /v1/explain, /v1/status and /v1/health */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"
#include "decision.h"
#include "key.h"
#include "parse.h"
#include "prefix.h"

static const char *query(struct api_request *request, const char *key)
{
	return request->query ? request->query(request->query_context, key) : NULL;
}

/* ---- the logs ---- */

static json_t *tuple_json(const struct tuple *tuple)
{
	char src[ADDR_TEXT_SIZE], dst[ADDR_TEXT_SIZE], service[SERVICE_TEXT_SIZE];
	const struct service proto = { tuple->proto, 0, UINT16_MAX };

	return json_pack("{ss ss si ss si}", "protocol", service_format(&proto, service), "source",
			 addr_format(tuple->family, tuple->src, src), "source_port", tuple->sport, "destination",
			 addr_format(tuple->family, tuple->dst, dst), "destination_port", tuple->dport);
}

static void set_text(json_t *json, const char *key, const char *text)
{
	if (text)
		json_object_set_new(json, key, api_json_text(text));
}

/* Fields that a line does not have are left out: a log is read line by line. */
static json_t *row_json(const struct log_row *row)
{
	static const char *const kinds[] = { [LOG_AUDIT] = "audit", [LOG_DENIALS] = "denial", [LOG_FLOWS] = "flow" };
	json_t *json = json_pack("{ss sI so}", "kind", kinds[row->kind], "id", (json_int_t)row->id, "at",
				 api_json_time(row->at_ms));

	set_text(json, "actor", row->actor);
	set_text(json, "action", row->action);
	set_text(json, "object", row->object);
	set_text(json, "user", row->user);
	set_text(json, "device", row->device);
	set_text(json, "resource", row->resource);
	set_text(json, "policy", row->policy);
	set_text(json, "reporter", row->reporter);
	set_text(json, "peer", row->peer);
	set_text(json, "reason", row->reason);
	set_text(json, "text", row->text);
	if (row->has_tag)
		json_object_set_new(json, "policy_id", api_json_tag(row->tag));
	if (row->has_tuple)
		json_object_set_new(json, "flow", tuple_json(&row->tuple));
	if (row->kind == LOG_DENIALS) {
		json_object_set_new(json, "direction", json_string(row->outbound ? "out" : "in"));
		json_object_set_new(json, "observed", json_boolean(row->observed));
		json_object_set_new(json, "count", json_integer((json_int_t)row->count));
	}
	if (row->kind == LOG_FLOWS) {
		json_object_set_new(json, "end", api_json_time(row->end_ms));
		json_object_set_new(json, "packets_in", json_integer((json_int_t)row->packets_in));
		json_object_set_new(json, "packets_out", json_integer((json_int_t)row->packets_out));
		json_object_set_new(json, "bytes_in", json_integer((json_int_t)row->bytes_in));
		json_object_set_new(json, "bytes_out", json_integer((json_int_t)row->bytes_out));
	}
	return json;
}

static int row_visit(void *context, const struct log_row *row)
{
	json_array_append_new(context, row_json(row));
	return 0;
}

static int take_number(struct api_request *request, const char *key, long long max, long long *value)
{
	const char *text = query(request, key);
	char *end;

	if (!text)
		return 0;
	errno = 0;
	*value = strtoll(text, &end, 10);
	if (*end || end == text || errno || *value < 0 || *value > max)
		return fault_set(&request->fault, -EINVAL, key, "'%s' has to be a number up to %lld", key, max);
	return 0;
}

static int take_kind(struct api_request *request, enum log_kind *kind)
{
	const char *text = query(request, "kind");

	if (!text || !strcmp(text, "audit"))
		*kind = LOG_AUDIT;
	else if (!strcmp(text, "denial"))
		*kind = LOG_DENIALS;
	else if (!strcmp(text, "flow"))
		*kind = LOG_FLOWS;
	else
		return fault_set(&request->fault, -EINVAL, "kind", "'kind' has to be audit, denial or flow");
	return 0;
}

int api_log_list(struct api_request *request)
{
	struct log_filter filter = { .user = query(request, "user"), .device = query(request, "device"),
				     .resource = query(request, "resource"), .policy = query(request, "policy"),
				     .action = query(request, "action") };
	long long after = 0, limit = 100;
	json_t *items;
	int code = take_kind(request, &filter.kind);

	if (!code)
		code = take_number(request, "after", LLONG_MAX, &after);
	if (!code)
		code = take_number(request, "limit", 1000, &limit);
	if (code)
		return code;
	filter.after_id = after;
	filter.limit = limit ? (unsigned int)limit : 1;
	items = json_array();
	code = store_log_each(request->broker->store, &filter, row_visit, items, &request->fault);
	if (code)
		json_decref(items);
	else
		request->answer = api_items(items);
	return code;
}

/* ---- explain ---- */

/* The device named, or the only one (the first that is enabled) of the user named. */
static const struct device *asker(struct api_request *request)
{
	const char *device_name = query(request, "device"), *user_name = query(request, "user");
	const struct directory *dir = request->broker->dir;
	const struct device *device = NULL;
	const struct user *user;

	if (device_name) {
		device = directory_device_named(dir, device_name);
		if (!device)
			fault_set(&request->fault, -ENOENT, "device", "there is no device '%.63s'", device_name);
		return device;
	}
	user = user_name ? directory_user_named(dir, user_name) : NULL;
	if (!user_name)
		fault_set(&request->fault, -EINVAL, "device", "who asks: 'device' or 'user' is missing");
	else if (!user)
		fault_set(&request->fault, -ENOENT, "user", "there is no user '%.63s'", user_name);
	if (!user)
		return NULL;
	for (size_t i = 0; i < dir->n_devices; i++)
		if (dir->devices[i].user_id == user->id && (!device || (!device->enabled && dir->devices[i].enabled)))
			device = &dir->devices[i];
	if (!device)
		fault_set(&request->fault, -ENOENT, "user", "user '%s' has no device yet", user->name);
	return device;
}

static int asked(struct api_request *request, struct decision_request *question)
{
	const char *resource_name = query(request, "resource"), *target = query(request, "target");
	const struct resource *resource;

	if (!resource_name == !target)
		return fault_set(&request->fault, -EINVAL, "target",
				 "what is asked for: either 'resource' or 'target' (ADDRESS:PORT/PROTOCOL)");
	if (target)
		return api_parse_target(target, &question->tuple, &request->fault);
	resource = directory_resource_named(request->broker->dir, resource_name);
	if (!resource)
		return fault_set(&request->fault, -ENOENT, "resource", "there is no resource '%.63s'", resource_name);
	question->resource_id = resource->id;
	return 0;
}

static bool gateway_connected(const struct broker *broker, int64_t site_id)
{
	const struct directory *dir = broker->dir;
	struct presence presence = { 0 };

	for (size_t i = 0; !presence.online && i < dir->n_devices; i++) {
		const struct device *device = &dir->devices[i];

		if (device->role == DEVICE_GATEWAY && device->enabled && device->site_id == site_id)
			server_presence(broker->server, device->id, &presence);
	}
	return presence.online;
}

/* Policy may allow what cannot be had now; of another time than now, only policy can be asked. */
static void explain_reachable(struct api_request *request, const struct decision *decision, bool now)
{
	bool away = now && decision->allow && !gateway_connected(request->broker, decision->site->id);

	json_object_set_new(request->answer, "reachable", json_boolean(decision->allow && !away));
	if (away)
		json_object_set_new(request->answer, "text",
				    json_sprintf("%s, but the gateway of site %s is not connected", decision->text,
						 decision->site->name));
}

int api_explain(struct api_request *request)
{
	struct decision_request question = { .now_ms = store_clock() };
	const char *at = query(request, "at");
	const struct device *device;
	struct decision decision;
	struct fz_error error;
	const struct user *user;
	int64_t seconds;
	int code;

	code = asked(request, &question);
	if (code)
		return code;
	if (at) {
		if (fz_parse_time(at, &seconds, &error))
			return fault_set(&request->fault, -EINVAL, "at", "%.200s", error.text);
		question.now_ms = seconds * 1000;
	}
	device = asker(request);
	if (!device)
		return query(request, "device") || query(request, "user") ? -ENOENT : -EINVAL;
	question.device_id = device->id;
	decision_make(request->broker->dir, &question, &decision);
	user = directory_user(request->broker->dir, device->user_id);
	request->answer = json_pack("{sb ss ss ss so so so so}", "allow", decision.allow, "reason",
				    decision_reason_name(decision.reason), "text", decision.text, "device", device->name,
				    "user", api_json_text(user ? user->name : NULL),
				    "resource", api_json_text(decision.resource ? decision.resource->name : NULL),
				    "site", api_json_text(decision.site ? decision.site->name : NULL),
				    "policy", api_json_text(decision.policy ? decision.policy->name : NULL));
	explain_reachable(request, &decision, !at);
	if (decision.policy)
		json_object_set_new(request->answer, "policy_id", api_json_tag(decision.policy->tag));
	if (decision.allow)
		json_object_set_new(request->answer, "lease", json_integer(decision.lease_s));
	return 0;
}

/* ---- status and health ---- */

static int count_lease(void *context, const struct lease *lease)
{
	(void)lease;
	++*(json_int_t *)context;
	return 0;
}

static int broker_key_text(struct api_request *request, char text[FZ_KEY_TEXT_SIZE])
{
	uint8_t secret[MODEL_KEY_LEN], public[MODEL_KEY_LEN];
	int code = store_broker_key(request->broker->store, secret, public, &request->fault);

	memset(secret, 0, sizeof(secret));
	if (!code)
		fz_key_format(text, public);
	return code;
}

int api_status(struct api_request *request)
{
	struct broker *broker = request->broker;
	const struct directory *dir = broker->dir;
	struct prefix overlay[] = { dir->overlay4, dir->overlay6 };
	json_int_t clients = 0, gateways = 0, clients_online = 0, gateways_online = 0, leases = 0;
	char key[FZ_KEY_TEXT_SIZE];
	int code = broker_key_text(request, key);

	if (!code)
		code = store_lease_each(broker->store, count_lease, &leases, &request->fault);
	if (code)
		return code;
	for (size_t i = 0; i < dir->n_devices; i++) {
		struct presence presence = { 0 };
		bool gateway = dir->devices[i].role == DEVICE_GATEWAY;

		if (broker->server)
			server_presence(broker->server, dir->devices[i].id, &presence);
		*(gateway ? &gateways : &clients) += 1;
		*(gateway ? &gateways_online : &clients_online) += presence.online;
	}
	request->answer = json_pack("{ss so sI ss ss so sI sI sI sI sI sI sI sI sI sI}", "version", FZ_VERSION,
				    "started", api_json_time(broker->started_ms),
				    "uptime", (json_int_t)((store_clock() - broker->started_ms) / 1000),
				    "public", broker->config.public, "key", key, "overlay", api_json_prefixes(overlay, 2),
				    "users", (json_int_t)dir->n_users, "groups", (json_int_t)dir->n_groups,
				    "sites", (json_int_t)dir->n_sites, "resources", (json_int_t)dir->n_resources,
				    "policies", (json_int_t)dir->n_policies, "clients", clients,
				    "clients_online", clients_online, "gateways", gateways,
				    "gateways_online", gateways_online, "leases", leases);
	return 0;
}

/* Ready: the store answers. */
int api_health(struct api_request *request)
{
	struct report_state state;
	int code = store_report_get(request->broker->store, 0, &state, &request->fault);

	if (code) {
		request->status = 503;
		return -EIO;
	}
	request->answer = json_pack("{ss}", "status", "ok");
	return 0;
}
