// SPDX-License-Identifier: GPL-2.0-only
/* /v1/users and /v1/groups */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"

static json_t *user_json(const struct directory *dir, const struct user *user)
{
	json_t *groups = json_array(), *devices = json_array();

	for (size_t i = 0; i < user->n_groups; i++) {
		const struct group *group = directory_group(dir, user->groups[i]);

		if (group)
			json_array_append_new(groups, json_string(group->name));
	}
	for (size_t i = 0; i < dir->n_devices; i++)
		if (dir->devices[i].user_id == user->id)
			json_array_append_new(devices, json_string(dir->devices[i].name));
	return json_pack("{ss sb so so so}", "name", user->name, "enabled", user->enabled, "groups", groups,
			 "devices", devices, "created", api_json_time(user->created_ms));
}

int api_users_list(struct api_request *request)
{
	const struct directory *dir = request->broker->dir;
	json_t *items = json_array();

	for (size_t i = 0; i < dir->n_users; i++)
		json_array_append_new(items, user_json(dir, &dir->users[i]));
	request->answer = api_items(items);
	return 0;
}

int api_users_get(struct api_request *request)
{
	const struct user *user = directory_user_named(request->broker->dir, request->name);

	if (!user)
		return api_missing(request, "user");
	request->answer = user_json(request->broker->dir, user);
	return 0;
}

static int user_change(struct api_request *request, struct user *user, const char *action)
{
	static const char *const known[] = { "name", "enabled", "groups", NULL };
	bool add = !user->id;
	int64_t *groups = NULL;
	int code = api_fields_known(request, known);

	if (!code)
		code = api_take_name(request, user->name, add);
	if (!code)
		code = api_take_bool(request, "enabled", &user->enabled);
	if (!code)
		code = api_take_ids(request, "groups", "group", api_find_group, &groups, &user->n_groups);
	if (groups)
		user->groups = groups;
	if (!code)
		code = api_change_begin(request);
	if (!code) {
		code = store_user_put(request->broker->store, user, &request->fault);
		if (code)
			api_change_abort(request, code);
		else
			code = api_change_commit(request, action, user->name);
	}
	free(groups);
	if (!code) {
		strcpy(request->name, user->name);
		code = api_users_get(request);
	}
	return code;
}

int api_users_add(struct api_request *request)
{
	struct user user = { .enabled = true };

	return user_change(request, &user, "user.add");
}

int api_users_set(struct api_request *request)
{
	const struct user *found = directory_user_named(request->broker->dir, request->name);
	struct user user;

	if (!found)
		return api_missing(request, "user");
	user = *found;
	return user_change(request, &user, "user.set");
}

/* They go with their user, each with a line of its own. */
static int user_devices_log(struct api_request *request, const struct user *user)
{
	const struct directory *dir = request->broker->dir;
	char text[NAME_LEN_MAX + 32];
	struct audit_entry entry = { .at_ms = store_clock(), .actor = request->actor, .action = "device.del",
				     .user = user->name, .text = text };
	int code = 0;

	snprintf(text, sizeof(text), "with user %s", user->name);
	for (size_t i = 0; !code && i < dir->n_devices; i++) {
		if (dir->devices[i].user_id != user->id)
			continue;
		entry.object = entry.device = dir->devices[i].name;
		code = store_audit_add(request->broker->store, &entry, &request->fault);
	}
	return code;
}

int api_users_del(struct api_request *request)
{
	const struct user *user = directory_user_named(request->broker->dir, request->name);
	int code;

	if (!user)
		return api_missing(request, "user");
	code = api_change_begin(request);
	if (code)
		return code;
	code = user_devices_log(request, user);
	if (!code)
		code = store_user_del(request->broker->store, user->id, &request->fault);
	return code ? api_change_abort(request, code) : api_change_commit(request, "user.del", request->name);
}

static json_t *group_json(const struct directory *dir, const struct group *group)
{
	json_t *users = json_array();

	for (size_t i = 0; i < dir->n_users; i++)
		for (size_t j = 0; j < dir->users[i].n_groups; j++)
			if (dir->users[i].groups[j] == group->id)
				json_array_append_new(users, json_string(dir->users[i].name));
	return json_pack("{ss so so}", "name", group->name, "users", users, "created",
			 api_json_time(group->created_ms));
}

int api_groups_list(struct api_request *request)
{
	const struct directory *dir = request->broker->dir;
	json_t *items = json_array();

	for (size_t i = 0; i < dir->n_groups; i++)
		json_array_append_new(items, group_json(dir, &dir->groups[i]));
	request->answer = api_items(items);
	return 0;
}

int api_groups_get(struct api_request *request)
{
	const struct group *group = directory_group_named(request->broker->dir, request->name);

	if (!group)
		return api_missing(request, "group");
	request->answer = group_json(request->broker->dir, group);
	return 0;
}

static int group_change(struct api_request *request, struct group *group, const char *action)
{
	static const char *const known[] = { "name", NULL };
	int code = api_fields_known(request, known);

	if (!code)
		code = api_take_name(request, group->name, true);
	if (!code)
		code = api_change_begin(request);
	if (code)
		return code;
	code = store_group_put(request->broker->store, group, &request->fault);
	if (code)
		return api_change_abort(request, code);
	code = api_change_commit(request, action, group->name);
	if (code)
		return code;
	strcpy(request->name, group->name);
	return api_groups_get(request);
}

int api_groups_add(struct api_request *request)
{
	struct group group = { 0 };

	return group_change(request, &group, "group.add");
}

int api_groups_set(struct api_request *request)
{
	const struct group *found = directory_group_named(request->broker->dir, request->name);
	struct group group;

	if (!found)
		return api_missing(request, "group");
	group = *found;
	return group_change(request, &group, "group.set");
}

int api_groups_del(struct api_request *request)
{
	const struct group *group = directory_group_named(request->broker->dir, request->name);
	int code;

	if (!group)
		return api_missing(request, "group");
	code = api_change_begin(request);
	if (code)
		return code;
	code = store_group_del(request->broker->store, group->id, &request->fault);
	return code ? api_change_abort(request, code) : api_change_commit(request, "group.del", request->name);
}
