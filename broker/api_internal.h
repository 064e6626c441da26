/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the admin API share: one request, its route, and JSON to and from the model. */
#ifndef BROKER_API_INTERNAL_H
#define BROKER_API_INTERNAL_H

#include <jansson.h>

#include "broker.h"

#define API_BODY_MAX	(64 * 1024)
#define API_DEPTH_MAX	8

/**
 * struct api_request - one request, transport left aside
 * @actor: for the audit log: "admin uid 0 (root)"
 * @method: "GET", "POST", "PATCH", "DELETE"
 * @path: without the query
 * @body: an object, or NULL
 * @query: looks up a parameter of the query; NULL when it is not there
 * @name: what stood for {name} or {id} in the path
 * @status: out: HTTP status
 * @answer: out: to be freed by the caller; NULL with 204
 * @allow: out: with 405, the methods that the path has
 */
struct api_request {
	struct broker *broker;
	const char *actor;
	const char *method;
	const char *path;
	json_t *body;
	const char *(*query)(void *context, const char *key);
	void *query_context;
	char name[NAME_LEN_MAX + 1];
	unsigned int status;
	json_t *answer;
	char allow[64];
	struct fault fault;
};

/* A handler answers 0 and sets @answer, or a negative errno and fills in the request's fault. */
struct api_route {
	const char *method;
	const char *path;
	int (*handler)(struct api_request *request);
};

/* All routes; ends with a NULL method. */
extern const struct api_route api_routes[];

/* api_route.c: finds the route, calls it, makes the answer. */
void api_handle(struct api_request *request);
unsigned int api_status_of(int code);
/* Parses a body: one object, no key twice, not too deep. NULL and a fault otherwise. */
json_t *api_body_parse(const char *text, size_t len, struct fault *fault);

/*
 * Every change: begin, store_*, commit with its line in the audit log, which also refreshes the directory. After a
 * failure in between: api_change_abort(), which passes @code on.
 */
int api_change_begin(struct api_request *request);
int api_change_commit(struct api_request *request, const char *action, const char *object);
int api_change_abort(struct api_request *request, int code);

/* api_json.c: fields of the body. Absent is not an error unless @required; then the target is left alone. */
int api_fields_known(struct api_request *request, const char *const *known);
int api_take_name(struct api_request *request, char name[NAME_LEN_MAX + 1], bool required);
int api_take_bool(struct api_request *request, const char *field, bool *value);
int api_take_u32(struct api_request *request, const char *field, uint32_t min, uint32_t max, uint32_t *value);
int api_take_text(struct api_request *request, const char *field, char *text, size_t size, bool required);
/* A list of names to an array of ids, ascending, allocated; @find returns the object's id, 0 when there is none. */
int api_take_ids(struct api_request *request, const char *field, const char *what,
		 int64_t (*find)(const struct directory *dir, const char *name), int64_t **ids, size_t *n);
int api_take_prefixes(struct api_request *request, struct prefix **prefixes, size_t *n);
int api_take_services(struct api_request *request, struct service **services, size_t *n);
/* 80/tcp at an address: "10.1.0.10:80/tcp", "[fd00::1]:53/udp", "10.1.0.10/icmp"; without a protocol, tcp */
int api_parse_target(const char *text, struct tuple *tuple, struct fault *fault);

json_t *api_json_time(int64_t ms);
json_t *api_json_prefixes(const struct prefix *prefixes, size_t n);
json_t *api_json_services(const struct service *services, size_t n);
json_t *api_json_tag(const uint8_t tag[MODEL_TAG_LEN]);
json_t *api_json_text(const char *text);
json_t *api_items(json_t *array);

int64_t api_find_group(const struct directory *dir, const char *name);
int64_t api_find_resource(const struct directory *dir, const char *name);

int api_missing(struct api_request *request, const char *what);

#define API_HANDLER(name) int name(struct api_request *request)
API_HANDLER(api_users_list);
API_HANDLER(api_users_add);
API_HANDLER(api_users_get);
API_HANDLER(api_users_set);
API_HANDLER(api_users_del);
API_HANDLER(api_groups_list);
API_HANDLER(api_groups_add);
API_HANDLER(api_groups_get);
API_HANDLER(api_groups_set);
API_HANDLER(api_groups_del);
API_HANDLER(api_sites_list);
API_HANDLER(api_sites_add);
API_HANDLER(api_sites_get);
API_HANDLER(api_sites_set);
API_HANDLER(api_sites_del);
API_HANDLER(api_resources_list);
API_HANDLER(api_resources_add);
API_HANDLER(api_resources_get);
API_HANDLER(api_resources_set);
API_HANDLER(api_resources_del);
API_HANDLER(api_policies_list);
API_HANDLER(api_policies_add);
API_HANDLER(api_policies_get);
API_HANDLER(api_policies_set);
API_HANDLER(api_policies_del);
API_HANDLER(api_devices_list);
API_HANDLER(api_devices_get);
API_HANDLER(api_devices_set);
API_HANDLER(api_devices_del);
API_HANDLER(api_gateways_list);
API_HANDLER(api_gateways_get);
API_HANDLER(api_gateways_set);
API_HANDLER(api_gateways_del);
API_HANDLER(api_invitations_list);
API_HANDLER(api_invitations_add);
API_HANDLER(api_invitations_del);
API_HANDLER(api_log_list);
API_HANDLER(api_explain);
API_HANDLER(api_status);
API_HANDLER(api_health);

#endif
