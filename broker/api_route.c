// SPDX-License-Identifier: GPL-2.0-only
/* From method and path to handler; from what the handler found to a status. openapi.yaml lists the same routes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api_internal.h"
#include "log.h"

#define CRUD(path, noun) \
	{ "GET", path, api_##noun##_list }, \
	{ "POST", path, api_##noun##_add }, \
	{ "GET", path "/{name}", api_##noun##_get }, \
	{ "PATCH", path "/{name}", api_##noun##_set }, \
	{ "DELETE", path "/{name}", api_##noun##_del }

const struct api_route api_routes[] = {
	CRUD("/v1/users", users),
	CRUD("/v1/groups", groups),
	CRUD("/v1/sites", sites),
	CRUD("/v1/resources", resources),
	CRUD("/v1/policies", policies),
	{ "GET", "/v1/devices", api_devices_list },
	{ "GET", "/v1/devices/{name}", api_devices_get },
	{ "PATCH", "/v1/devices/{name}", api_devices_set },
	{ "DELETE", "/v1/devices/{name}", api_devices_del },
	{ "GET", "/v1/gateways", api_gateways_list },
	{ "GET", "/v1/gateways/{name}", api_gateways_get },
	{ "PATCH", "/v1/gateways/{name}", api_gateways_set },
	{ "DELETE", "/v1/gateways/{name}", api_gateways_del },
	{ "GET", "/v1/invitations", api_invitations_list },
	{ "POST", "/v1/invitations", api_invitations_add },
	{ "DELETE", "/v1/invitations/{id}", api_invitations_del },
	{ "GET", "/v1/log", api_log_list },
	{ "GET", "/v1/explain", api_explain },
	{ "GET", "/v1/status", api_status },
	{ "GET", "/v1/health", api_health },
	{ NULL, NULL, NULL },
};

unsigned int api_status_of(int code)
{
	switch (code) {
	case -EINVAL:
		return 400;
	case -EPERM:
		return 403;
	case -ENOENT:
		return 404;
	case -EEXIST:
	case -EBUSY:
		return 409;
	case -ENOSPC:
		return 507;
	default:
		return 500;
	}
}

/* Does @path fit the @pattern, whose last part may be {name}? That part goes to @name. */
static bool path_fits(const char *pattern, const char *path, char name[NAME_LEN_MAX + 1])
{
	const char *open = strchr(pattern, '{');
	size_t len = open ? (size_t)(open - pattern) : strlen(pattern);

	name[0] = '\0';
	if (strncmp(pattern, path, len))
		return false;
	path += len;
	if (!open)
		return !*path;
	if (!*path || strchr(path, '/') || strlen(path) > NAME_LEN_MAX)
		return false;
	strcpy(name, path);
	return true;
}

static json_t *depth_refused(struct fault *fault)
{
	fault_set(fault, -EINVAL, NULL, "the body is nested deeper than %d", API_DEPTH_MAX);
	return NULL;
}

json_t *api_body_parse(const char *text, size_t len, struct fault *fault)
{
	bool string = false, escape = false;
	json_error_t error;
	int depth = 0;
	json_t *body;

	/* Before the parser builds anything: how deep? */
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (escape)
			escape = false;
		else if (string && c == '\\')
			escape = true;
		else if (c == '"')
			string = !string;
		else if (!string && (c == '{' || c == '[') && ++depth > API_DEPTH_MAX)
			return depth_refused(fault);
		else if (!string && (c == '}' || c == ']'))
			depth--;
	}
	body = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!body) {
		fault_set(fault, -EINVAL, NULL, "the body is not valid JSON: %s, at byte %d", error.text, error.position);
		return NULL;
	}
	if (!json_is_object(body)) {
		json_decref(body);
		fault_set(fault, -EINVAL, NULL, "the body is no JSON object");
		return NULL;
	}
	return body;
}

static void answer_fault(struct api_request *request, unsigned int status)
{
	json_decref(request->answer);
	request->status = status;
	request->answer = json_pack("{ss}", "error", request->fault.text);
	if (request->fault.field[0])
		json_object_set_new(request->answer, "field", json_string(request->fault.field));
}

static void method_note(struct api_request *request, const char *method)
{
	size_t n = strlen(request->allow);

	snprintf(request->allow + n, sizeof(request->allow) - n, "%s%s", n ? ", " : "", method);
}

static const struct api_route *route_find(struct api_request *request)
{
	const struct api_route *route, *other = NULL;

	request->allow[0] = '\0';
	for (route = api_routes; route->method; route++) {
		if (!path_fits(route->path, request->path, request->name))
			continue;
		if (!strcmp(route->method, request->method))
			return route;
		method_note(request, route->method);
		other = route;
	}
	if (other) {
		fault_set(&request->fault, -EINVAL, NULL, "%s cannot be done with %.100s", request->method, request->path);
		answer_fault(request, 405);
	} else {
		fault_set(&request->fault, -ENOENT, NULL, "there is no %.100s here", request->path);
		answer_fault(request, 404);
	}
	return NULL;
}

/* What the directory says may not hold: it is asked for nothing. @what: of this request. */
static int api_doubtful(struct api_request *request, const char *what)
{
	struct fault why = request->fault;

	request->status = 503;
	return fault_set(&request->fault, -EIO, NULL, "%s: the broker cannot read its database (%.160s), and grants "
			 "nothing until it can", what, why.text);
}

void api_handle(struct api_request *request)
{
	const struct api_route *route = route_find(request);
	bool writes;
	int code;

	if (!route)
		return;
	request->fault = (struct fault){ 0 };
	writes = !strcmp(request->method, "POST") || !strcmp(request->method, "PATCH");
	if (writes && !request->body) {
		fault_set(&request->fault, -EINVAL, NULL, "a body is missing: a JSON object");
		answer_fault(request, 400);
		return;
	}
	if (!writes && request->body) {
		fault_set(&request->fault, -EINVAL, NULL, "%s takes no body", request->method);
		answer_fault(request, 400);
		return;
	}
	request->status = !strcmp(request->method, "POST") ? 201 : 200;
	if (request->broker->doubtful && broker_refresh(request->broker, &request->fault))
		code = api_doubtful(request, "nothing was done");
	else
		code = route->handler(request);
	if (code) {
		answer_fault(request, code == -EIO && request->status >= 500 ? request->status : api_status_of(code));
		log_line(request->status >= 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "api", "%s %s by %s: %s",
			 request->method, request->path, request->actor, request->fault.text);
		return;
	}
	if (!request->answer)
		request->status = 204;
	if (strcmp(request->method, "GET"))
		log_info("api", "%s %s by %s: done", request->method, request->path, request->actor);
}

int api_change_begin(struct api_request *request)
{
	return store_begin(request->broker->store, &request->fault);
}

int api_change_abort(struct api_request *request, int code)
{
	store_rollback(request->broker->store);
	return code;
}

int api_change_commit(struct api_request *request, const char *action, const char *object)
{
	char *text = request->body ? json_dumps(request->body, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	struct audit_entry entry = { .at_ms = store_clock(), .actor = request->actor, .action = action,
				     .object = object, .text = text };
	int code = store_audit_add(request->broker->store, &entry, &request->fault);

	free(text);
	if (code)
		return api_change_abort(request, code);
	code = store_commit(request->broker->store, &request->fault);
	if (code || !broker_refresh(request->broker, &request->fault))
		return code;
	return api_doubtful(request, "the change is stored, but not in force yet");
}

int api_missing(struct api_request *request, const char *what)
{
	return fault_set(&request->fault, -ENOENT, NULL, "there is no %s '%s'", what, request->name);
}
