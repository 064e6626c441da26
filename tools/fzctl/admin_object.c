// SPDX-License-Identifier: GPL-2.0-only
/* Users, groups, sites, gateways, devices and resources; list, show, del, enable, disable for policies too. */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column of a list: the field, and whether a text, a yes or no, a list or seconds. */
struct column {
	const char *title;
	const char *field;
	enum { TEXT, YES_NO, LIST, SECONDS, WINDOW } kind;
};

#define COLUMNS_MAX 10

static const struct noun {
	const char *noun;
	const char *collection;
	struct column columns[COLUMNS_MAX];
} nouns[] = {
	{ "user", "/v1/users", { { "NAME", "name", TEXT }, { "ENABLED", "enabled", YES_NO },
				 { "GROUPS", "groups", LIST }, { "DEVICES", "devices", LIST } } },
	{ "group", "/v1/groups", { { "NAME", "name", TEXT }, { "USERS", "users", LIST } } },
	{ "site", "/v1/sites", { { "NAME", "name", TEXT }, { "PREFIXES", "prefixes", LIST },
				 { "MASQUERADE", "masquerade", YES_NO }, { "GATEWAYS", "gateways", LIST } } },
	{ "gateway", "/v1/gateways", { { "NAME", "name", TEXT }, { "SITE", "site", TEXT },
				       { "ENABLED", "enabled", YES_NO }, { "ONLINE", "online", YES_NO },
				       { "ADDRESSES", "addresses", LIST }, { "KEY", "tunnel_key", TEXT } } },
	{ "device", "/v1/devices", { { "NAME", "name", TEXT }, { "ROLE", "role", TEXT }, { "USER", "user", TEXT },
				     { "SITE", "site", TEXT }, { "ENABLED", "enabled", YES_NO },
				     { "ONLINE", "online", YES_NO }, { "ADDRESSES", "addresses", LIST },
				     { "KEY", "tunnel_key", TEXT } } },
	{ "resource", "/v1/resources", { { "NAME", "name", TEXT }, { "SITE", "site", TEXT },
					 { "PREFIXES", "prefixes", LIST }, { "SERVICES", "services", LIST },
					 { "POLICIES", "policies", LIST } } },
	{ "policy", "/v1/policies", { { "NAME", "name", TEXT }, { "ACTION", "action", TEXT },
				      { "ENABLED", "enabled", YES_NO }, { "GROUPS", "groups", LIST },
				      { "RESOURCES", "resources", LIST }, { "LEASE", "lease", SECONDS },
				      { "WHEN", "window", WINDOW }, { "ID", "id", TEXT } } },
	{ "invite", "/v1/invitations", { { "ID", "id", TEXT }, { "ROLE", "role", TEXT }, { "USER", "user", TEXT },
					 { "SITE", "site", TEXT }, { "STATE", "state", TEXT },
					 { "EXPIRES", "expires", TEXT }, { "DEVICE", "device", TEXT } } },
};

static const struct noun *noun_find(const char *name)
{
	for (size_t i = 0; i < sizeof(nouns) / sizeof(*nouns); i++)
		if (!strcmp(nouns[i].noun, name))
			return &nouns[i];
	return NULL;
}

const char *admin_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

const char *admin_join(const json_t *list, char *text, size_t size)
{
	const json_t *item;
	size_t i, n = 0;

	text[0] = '\0';
	json_array_foreach(list, i, item) {
		int wrote = snprintf(text + n, size - n, "%s%s", i ? "," : "", json_string_value(item));

		if (wrote < 0 || (size_t)wrote >= size - n)
			break;
		n += (size_t)wrote;
	}
	return text;
}

/* Three days and more in a row as mon-fri; the broker lists them in the order of the week. */
static const char *days_text(const json_t *list, char *text, size_t size)
{
	static const char *const names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
	bool chosen[8] = { false };
	const json_t *item;
	size_t i, n = 0;

	json_array_foreach(list, i, item)
		for (int day = 0; day < 7; day++)
			if (json_string_value(item) && !strcmp(json_string_value(item), names[day]))
				chosen[day] = true;
	text[0] = '\0';
	for (int first = 0, last; first < 7; first = last + 1) {
		for (last = first; chosen[last] && chosen[last + 1]; last++)
			;
		if (last > first + 1)
			n += (size_t)snprintf(text + n, size - n, "%s%s-%s", n ? "," : "", names[first], names[last]);
		else
			for (int day = first; day <= last && chosen[day]; day++)
				n += (size_t)snprintf(text + n, size - n, "%s%s", n ? "," : "", names[day]);
	}
	return text;
}

static const char *window_text(const json_t *window, char *text, size_t size)
{
	char days[64];

	if (!json_is_object(window))
		return "always";
	if (json_array_size(json_object_get(window, "days")) == 7)
		strcpy(days, "daily");
	else
		days_text(json_object_get(window, "days"), days, sizeof(days));
	snprintf(text, size, "%s %s-%s %s", days, admin_text(window, "from"), admin_text(window, "to"),
		 admin_text(window, "zone"));
	return text;
}

static const char *field_text(const json_t *object, const struct column *column, char *text, size_t size)
{
	const json_t *value = json_object_get(object, column->field);

	switch (column->kind) {
	case TEXT:
		if (json_is_integer(value))
			snprintf(text, size, "%lld", (long long)json_integer_value(value));
		else
			snprintf(text, size, "%s", json_is_string(value) ? json_string_value(value) : "-");
		return text;
	case YES_NO:
		return json_is_true(value) ? "yes" : "no";
	case LIST:
		return json_array_size(value) ? admin_join(value, text, size) : "-";
	case SECONDS:
		return fz_format_duration(text, size, (uint64_t)json_integer_value(value) * 1000);
	case WINDOW:
		return window_text(value, text, size);
	}
	return "";
}

static int table_print(const struct noun *noun, const json_t *items)
{
	struct fz_column columns[COLUMNS_MAX] = { 0 };
	struct fz_table *table;
	const json_t *item;
	char text[4096];
	size_t n, i;

	for (n = 0; n < COLUMNS_MAX && noun->columns[n].title; n++)
		columns[n] = (struct fz_column){ noun->columns[n].title,
						 noun->columns[n].kind == LIST ? FZ_COLUMN_SHRINKS : FZ_COLUMN_LEFT };
	table = fz_table_new(columns, n);
	if (!table)
		return usage_error("out of memory");
	json_array_foreach(items, i, item)
		for (size_t c = 0; c < n; c++)
			fz_table_cell(table, "%s", field_text(item, &noun->columns[c], text, sizeof(text)));
	fz_table_print(table, stdout, fz_terminal_width(stdout));
	fz_table_free(table);
	return EXIT_DONE;
}

int admin_list_print(const struct admin *admin, const char *collection)
{
	json_t *answer, *items;
	int status = admin_call(admin, "GET", collection, NULL, &answer);

	if (status)
		return status;
	items = json_object_get(answer, "items");
	if (admin->json)
		status = print_json(json_incref(items), true);
	else
		status = table_print(noun_find(admin->noun), items);
	json_decref(answer);
	return status;
}

static void value_print(const char *key, const json_t *value)
{
	char text[4096];

	if (json_is_array(value))
		printf("%s: %s\n", key, json_array_size(value) ? admin_join(value, text, sizeof(text)) : "-");
	else if (json_is_object(value))
		printf("%s: %s\n", key, window_text(value, text, sizeof(text)));
	else if (json_is_integer(value))
		printf("%s: %lld\n", key, (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		printf("%s: %s\n", key, json_is_true(value) ? "yes" : "no");
	else
		printf("%s: %s\n", key, json_is_string(value) ? json_string_value(value) : "-");
}

static int object_print(const struct admin *admin, json_t *object)
{
	const char *key;
	json_t *value;

	if (admin->json)
		return print_json(object, true);
	json_object_foreach(object, key, value)
		value_print(key, value);
	json_decref(object);
	return EXIT_DONE;
}

int admin_show(const struct admin *admin, const char *collection, const char *name)
{
	char *path = name ? admin_path(collection, name) : strdup(collection);
	json_t *answer;
	int status = admin_call(admin, "GET", path, NULL, &answer);

	free(path);
	return status ? status : object_print(admin, answer);
}

/* A change: silent when done, unless --json asks for the object as it is now. Takes @body. */
int admin_send(const struct admin *admin, const char *method, const char *path, json_t *body)
{
	json_t *answer;
	int status = admin_call(admin, method, path, body, &answer);

	if (status)
		return status;
	if (admin->json && answer)
		return print_json(answer, true);
	json_decref(answer);
	return EXIT_DONE;
}

/* --add-group and --del-group start from the groups that the user has. */
static int groups_edit(const struct admin *admin, json_t *body)
{
	char *path = admin_path("/v1/users", admin->words[0]);
	json_t *answer, *groups, *item;
	size_t i;
	int status;

	if (!admin_flag(admin, "--add-group") && !admin_flag(admin, "--del-group")) {
		free(path);
		return EXIT_DONE;
	}
	status = admin_call(admin, "GET", path, NULL, &answer);
	free(path);
	if (status)
		return status;
	groups = json_object_get(body, "groups");
	groups = groups ? json_incref(groups) : json_deep_copy(json_object_get(answer, "groups"));
	json_decref(answer);
	for (size_t o = 0; o < admin->n_options; o++) {
		const char *value = admin->options[o].value;

		if (!strcmp(admin->options[o].name, "--add-group"))
			json_array_append_new(groups, json_string(value));
		if (strcmp(admin->options[o].name, "--del-group"))
			continue;
		for (i = json_array_size(groups); i--;) {
			item = json_array_get(groups, i);
			if (!strcmp(json_string_value(item), value))
				json_array_remove(groups, i);
		}
	}
	json_object_set_new(body, "groups", groups);
	return EXIT_DONE;
}

/* The words after a resource's name: prefixes and services, told apart by what they are. */
static int resource_words(const struct admin *admin, json_t *body)
{
	json_t *prefixes = json_array(), *services = json_array();
	struct fz_resource ignored = { 0 };
	struct fz_prefix prefix;
	int status = EXIT_DONE;

	for (int i = 1; i < admin->n_words && !status; i++) {
		if (!fz_parse_prefix(admin->words[i], &prefix, NULL))
			json_array_append_new(prefixes, json_string(admin->words[i]));
		else if (!fz_parse_service(admin->words[i], &ignored, NULL))
			json_array_append_new(services, json_string(admin->words[i]));
		else
			status = bad_prefix_or_service(admin->words[i]);
	}
	fz_resource_clear(&ignored);
	if (json_array_size(prefixes))
		json_object_set(body, "prefixes", prefixes);
	if (json_array_size(services) || admin_flag(admin, "--any-service"))
		json_object_set(body, "services", services);
	if (!status && json_array_size(services) && admin_flag(admin, "--any-service"))
		status = usage_error("--any-service and a service exclude each other");
	json_decref(prefixes);
	json_decref(services);
	return status;
}

static void set_list(const struct admin *admin, json_t *body, const char *field, const char *option)
{
	json_t *list = admin_list(admin, option);

	if (list)
		json_object_set_new(body, field, list);
}

/* A site's: a wrong one is found before the broker is asked. */
static int prefixes_check(const struct admin *admin)
{
	struct fz_prefix prefix;
	struct fz_error err;

	for (size_t i = 0; i < admin->n_options; i++)
		if (!strcmp(admin->options[i].name, "--prefix") &&
		    fz_parse_prefix(admin->options[i].value, &prefix, &err))
			return bad_word(&err);
	return EXIT_DONE;
}

static int body_fill(const struct admin *admin, json_t *body)
{
	const char *site = admin_option(admin, "--site"), *name = admin_option(admin, "--name");
	bool add = !strcmp(admin->verb, "add");
	int status;

	if (add)
		name = admin->words[0];
	status = name ? check_name(name) : EXIT_DONE;
	if (status)
		return status;
	if (add && !strcmp(admin->noun, "resource") && !site)
		return usage_error("\"admin resource add\" needs --site");
	if (add && !strcmp(admin->noun, "site") && !admin_option(admin, "--prefix"))
		return usage_error("\"admin site add\" needs --prefix");
	if (name)
		json_object_set_new(body, "name", json_string(name));
	if (site)
		json_object_set_new(body, "site", json_string(site));
	set_list(admin, body, "groups", "--group");
	set_list(admin, body, "prefixes", "--prefix");
	if (admin_flag(admin, "--disabled"))
		json_object_set_new(body, "enabled", json_false());
	if (admin_flag(admin, "--masquerade") && admin_flag(admin, "--no-masquerade"))
		return usage_error("--masquerade and --no-masquerade exclude each other");
	if (admin_flag(admin, "--masquerade") || admin_flag(admin, "--no-masquerade"))
		json_object_set_new(body, "masquerade", json_boolean(admin_flag(admin, "--masquerade")));
	if (!strcmp(admin->noun, "user"))
		return groups_edit(admin, body);
	if (!strcmp(admin->noun, "resource"))
		return resource_words(admin, body);
	return prefixes_check(admin);
}

static int change(const struct admin *admin, const struct noun *noun)
{
	bool add = !strcmp(admin->verb, "add");
	char *path = add ? strdup(noun->collection) : admin_path(noun->collection, admin->words[0]);
	json_t *body = json_object();
	int status = body_fill(admin, body);

	if (!status && !json_object_size(body))
		status = usage_error("\"admin %s set\" changes nothing without an option", noun->noun);
	if (status)
		json_decref(body);
	else
		status = admin_send(admin, add ? "POST" : "PATCH", path, body);
	free(path);
	return status;
}

int admin_object(const struct admin *admin)
{
	const struct noun *noun = noun_find(admin->noun);
	char *path;
	int status;

	if (!strcmp(admin->verb, "list"))
		return admin_list_print(admin, noun->collection);
	if (!strcmp(admin->verb, "show"))
		return admin_show(admin, noun->collection, admin->words[0]);
	if (!strcmp(admin->verb, "add") || !strcmp(admin->verb, "set"))
		return change(admin, noun);
	path = admin_path(noun->collection, admin->words[0]);
	if (!strcmp(admin->verb, "del"))
		status = admin_send(admin, "DELETE", path, NULL);
	else
		status = admin_send(admin, "PATCH", path, json_pack("{sb}", "enabled", !strcmp(admin->verb, "enable")));
	free(path);
	return status;
}
