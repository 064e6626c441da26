// SPDX-License-Identifier: GPL-2.0-only
/* /v1/policies */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"

static const char *const day_names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

static json_t *clock_json(unsigned int minutes)
{
	char text[8];

	snprintf(text, sizeof(text), "%02u:%02u", minutes / 60 % 100, minutes % 60);
	return json_string(text);
}

static json_t *window_json(const struct window *window)
{
	json_t *days = json_array();

	for (int i = 0; i < 7; i++)
		if (window->days >> i & 1)
			json_array_append_new(days, json_string(day_names[i]));
	return json_pack("{so so so ss}", "days", days, "from", clock_json(window->from_min), "to",
			 clock_json(window->to_min), "zone", window->zone);
}

static json_t *policy_json(const struct directory *dir, const struct policy *policy)
{
	json_t *groups = json_array(), *resources = json_array();

	for (size_t i = 0; i < policy->n_groups; i++) {
		const struct group *group = directory_group(dir, policy->groups[i]);

		if (group)
			json_array_append_new(groups, json_string(group->name));
	}
	for (size_t i = 0; i < policy->n_resources; i++) {
		const struct resource *resource = directory_resource(dir, policy->resources[i]);

		if (resource)
			json_array_append_new(resources, json_string(resource->name));
	}
	return json_pack("{so ss ss sb so so sI so so}", "id", api_json_tag(policy->tag), "name", policy->name,
			 "action", policy->action == POLICY_DENY ? "deny" : "allow", "enabled", policy->enabled,
			 "groups", groups, "resources", resources, "lease", (json_int_t)policy->lease_s,
			 "window", policy->has_window ? window_json(&policy->window) : json_null(),
			 "created", api_json_time(policy->created_ms));
}

int api_policies_list(struct api_request *request)
{
	const struct directory *dir = request->broker->dir;
	json_t *items = json_array();

	for (size_t i = 0; i < dir->n_policies; i++)
		json_array_append_new(items, policy_json(dir, &dir->policies[i]));
	request->answer = api_items(items);
	return 0;
}

int api_policies_get(struct api_request *request)
{
	const struct policy *policy = directory_policy_named(request->broker->dir, request->name);

	if (!policy)
		return api_missing(request, "policy");
	request->answer = policy_json(request->broker->dir, policy);
	return 0;
}

/* HH:MM, 24:00 included. */
static bool clock_parse(const char *text, uint16_t *minutes)
{
	unsigned int hour, minute;

	if (strlen(text) != 5 || !isdigit((unsigned char)text[0]) || !isdigit((unsigned char)text[1]) ||
	    text[2] != ':' || !isdigit((unsigned char)text[3]) || !isdigit((unsigned char)text[4]))
		return false;
	hour = (unsigned int)(text[0] - '0') * 10 + (unsigned int)(text[1] - '0');
	minute = (unsigned int)(text[3] - '0') * 10 + (unsigned int)(text[4] - '0');
	if (minute > 59 || hour > 24 || (hour == 24 && minute))
		return false;
	*minutes = (uint16_t)(hour * 60 + minute);
	return true;
}

static int window_days(struct api_request *request, json_t *list, uint8_t *days)
{
	json_t *item;
	size_t i;

	if (!list)
		return 0;
	*days = 0;
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);
		int day = 0;

		while (text && day < 7 && strcmp(text, day_names[day]))
			day++;
		if (!text || day == 7)
			return fault_set(&request->fault, -EINVAL, "days", "'%.20s' is no day: mon, tue, wed, thu, fri, sat "
					 "or sun", text ? text : "?");
		*days |= (uint8_t)(1 << day);
	}
	return *days ? 0 : fault_set(&request->fault, -EINVAL, "days", "'days' has to be a list of at least one day");
}

static int window_clock(struct api_request *request, json_t *window, const char *field, uint16_t *minutes)
{
	json_t *value = json_object_get(window, field);
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	if (!text || !clock_parse(text, minutes))
		return fault_set(&request->fault, -EINVAL, field, "'%s' has to be a time of day like 08:00", field);
	return 0;
}

/* An object replaces what it names and takes the day, all days, UTC for what it does not; null takes the window away. */
static int policy_window(struct api_request *request, struct policy *policy)
{
	static const char *const known[] = { "days", "from", "to", "zone", NULL };
	json_t *window = json_object_get(request->body, "window"), *zone;
	struct api_request inner = { .body = window };
	int code;

	if (!window)
		return 0;
	policy->has_window = json_is_object(window);
	if (json_is_null(window))
		return 0;
	if (!policy->has_window)
		return fault_set(&request->fault, -EINVAL, "window", "'window' has to be an object or null");
	code = api_fields_known(&inner, known);
	if (code) {
		request->fault = inner.fault;
		return code;
	}
	policy->window = (struct window){ .days = 0x7f, .from_min = 0, .to_min = 1440, .zone = "UTC" };
	code = window_days(request, json_object_get(window, "days"), &policy->window.days);
	if (!code)
		code = window_clock(request, window, "from", &policy->window.from_min);
	if (!code)
		code = window_clock(request, window, "to", &policy->window.to_min);
	zone = json_object_get(window, "zone");
	if (code || !zone)
		return code;
	if (!json_is_string(zone) || json_string_length(zone) >= sizeof(policy->window.zone))
		return fault_set(&request->fault, -EINVAL, "zone", "'zone' has to be the name of a time zone");
	strcpy(policy->window.zone, json_string_value(zone));
	return 0;
}

static int policy_action(struct api_request *request, struct policy *policy)
{
	char action[8] = "";
	int code = api_take_text(request, "action", action, sizeof(action), false);

	if (code || !json_object_get(request->body, "action"))
		return code;
	if (strcmp(action, "allow") && strcmp(action, "deny"))
		return fault_set(&request->fault, -EINVAL, "action", "'action' has to be allow or deny");
	policy->action = strcmp(action, "allow") ? POLICY_DENY : POLICY_ALLOW;
	return 0;
}

static int policy_change(struct api_request *request, struct policy *policy, const char *action)
{
	static const char *const known[] = { "name", "action", "enabled", "groups", "resources", "lease", "window", NULL };
	int64_t *groups = NULL, *resources = NULL;
	int code = api_fields_known(request, known);

	if (!code)
		code = api_take_name(request, policy->name, !policy->id);
	if (!code)
		code = policy_action(request, policy);
	if (!code)
		code = api_take_bool(request, "enabled", &policy->enabled);
	if (!code)
		code = api_take_u32(request, "lease", LEASE_MIN_S, LEASE_MAX_S, &policy->lease_s);
	if (!code)
		code = policy_window(request, policy);
	if (!code)
		code = api_take_ids(request, "groups", "group", api_find_group, &groups, &policy->n_groups);
	if (groups)
		policy->groups = groups;
	if (!code)
		code = api_take_ids(request, "resources", "resource", api_find_resource, &resources,
				    &policy->n_resources);
	if (resources)
		policy->resources = resources;
	if (!code)
		code = api_change_begin(request);
	if (!code) {
		code = store_policy_put(request->broker->store, policy, &request->fault);
		if (code)
			api_change_abort(request, code);
		else
			code = api_change_commit(request, action, policy->name);
	}
	free(groups);
	free(resources);
	if (!code) {
		strcpy(request->name, policy->name);
		code = api_policies_get(request);
	}
	return code;
}

int api_policies_add(struct api_request *request)
{
	struct policy policy = { .action = POLICY_ALLOW, .enabled = true,
				 .lease_s = request->broker->config.lease_s };

	return policy_change(request, &policy, "policy.add");
}

int api_policies_set(struct api_request *request)
{
	const struct policy *found = directory_policy_named(request->broker->dir, request->name);
	struct policy policy;

	if (!found)
		return api_missing(request, "policy");
	policy = *found;
	return policy_change(request, &policy, "policy.set");
}

int api_policies_del(struct api_request *request)
{
	const struct policy *policy = directory_policy_named(request->broker->dir, request->name);
	int code;

	if (!policy)
		return api_missing(request, "policy");
	code = api_change_begin(request);
	if (code)
		return code;
	code = store_policy_del(request->broker->store, policy->id, &request->fault);
	return code ? api_change_abort(request, code) : api_change_commit(request, "policy.del", request->name);
}
