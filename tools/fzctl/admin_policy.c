// SPDX-License-Identifier: GPL-2.0-only
/* admin policy add and set, admin invite */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const day_names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

static int day_number(const char *word, size_t len)
{
	for (int i = 0; i < 7; i++)
		if (len == 3 && !strncasecmp(word, day_names[i], 3))
			return i;
	return -1;
}

/* mon-fri, sat,sun, fri-mon (over the end of the week), daily */
static int days_parse(const char *word, json_t **days)
{
	unsigned int chosen = 0;
	const char *part, *end;

	if (!strcmp(word, "daily") || !strcmp(word, "all"))
		chosen = 0x7f;
	for (part = word; !chosen || part != word; part = end + 1) {
		const char *dash;
		int first, last;

		end = strchrnul(part, ',');
		dash = memchr(part, '-', (size_t)(end - part));
		first = day_number(part, (size_t)((dash ? dash : end) - part));
		last = dash ? day_number(dash + 1, (size_t)(end - dash - 1)) : first;
		if (first < 0 || last < 0)
			return usage_error("\"%s\" is no list of days, like mon-fri or sat,sun", word);
		for (int day = first; ; day = (day + 1) % 7) {
			chosen |= 1u << day;
			if (day == last)
				break;
		}
		if (!*end)
			break;
	}
	*days = json_array();
	for (int i = 0; i < 7; i++)
		if (chosen >> i & 1)
			json_array_append_new(*days, json_string(day_names[i]));
	return EXIT_DONE;
}

/* The window as it is, for a change of a part of it. */
static int window_now(const struct admin *admin, json_t **window)
{
	char *path;
	json_t *answer;
	int status;

	*window = NULL;
	if (!strcmp(admin->verb, "set")) {
		path = admin_path("/v1/policies", admin->words[0]);
		status = admin_call(admin, "GET", path, NULL, &answer);
		free(path);
		if (status)
			return status;
		if (json_is_object(json_object_get(answer, "window")))
			*window = json_deep_copy(json_object_get(answer, "window"));
		json_decref(answer);
	}
	if (!*window)
		*window = json_object();
	return EXIT_DONE;
}

/* HH:MM up to 24:00, as a day's limits are written. NULL, for what is not given, is fine. */
static int clock_check(const char *word)
{
	unsigned int hour, minute;
	int end = 0;

	if (!word)
		return EXIT_DONE;
	if (strlen(word) != 5 || strspn(word, "0123456789:") != 5 ||
	    sscanf(word, "%2u:%2u%n", &hour, &minute, &end) != 2 || end != 5 || minute > 59 ||
	    hour * 60 + minute > 24 * 60)
		return usage_error("\"%s\" is no time of day, like 08:00 or 24:00", word);
	return EXIT_DONE;
}

static int window_fill(const struct admin *admin, json_t *body)
{
	const char *days = admin_option(admin, "--days"), *from = admin_option(admin, "--from");
	const char *to = admin_option(admin, "--to"), *zone = admin_option(admin, "--tz");
	bool some = days || from || to || zone;
	json_t *window, *list = NULL;
	int status;

	if (admin_flag(admin, "--always")) {
		if (some)
			return usage_error("--always and a time exclude each other");
		json_object_set_new(body, "window", json_null());
		return EXIT_DONE;
	}
	if (!some)
		return EXIT_DONE;
	status = days ? days_parse(days, &list) : EXIT_DONE;
	if (!status)
		status = clock_check(from);
	if (!status)
		status = clock_check(to);
	if (!status)
		status = window_now(admin, &window);
	if (status) {
		json_decref(list);
		return status;
	}
	if (list)
		json_object_set_new(window, "days", list);
	if (from)
		json_object_set_new(window, "from", json_string(from));
	if (to)
		json_object_set_new(window, "to", json_string(to));
	if (zone)
		json_object_set_new(window, "zone", json_string(zone));
	json_object_set_new(body, "window", window);
	return EXIT_DONE;
}

static int seconds_option(const struct admin *admin, const char *option, const char *field, uint64_t days_max,
			  json_t *body)
{
	const char *word = admin_option(admin, option);
	struct fz_error err;
	uint64_t ms;

	if (!word)
		return EXIT_DONE;
	if (fz_parse_duration(word, &ms, &err))
		return bad_word(&err);
	if (ms > days_max * 24 * 3600 * 1000)
		return usage_error("\"%s\" is too long: %s takes at most %llud", word, option,
				   (unsigned long long)days_max);
	json_object_set_new(body, field, json_integer((json_int_t)(ms / 1000)));
	return EXIT_DONE;
}

static int policy_fill(const struct admin *admin, json_t *body)
{
	const char *name = !strcmp(admin->verb, "add") ? admin->words[0] : admin_option(admin, "--name");
	json_t *groups = admin_list(admin, "--group"), *resources = admin_list(admin, "--resource");
	int status;

	if (groups)
		json_object_set_new(body, "groups", groups);
	if (resources)
		json_object_set_new(body, "resources", resources);
	if (name && check_name(name))
		return EXIT_USAGE;
	if (name)
		json_object_set_new(body, "name", json_string(name));
	if (!strcmp(admin->verb, "add") && (!groups || !resources))
		return usage_error("a policy needs --group and --resource");
	if (admin_flag(admin, "--allow") && admin_flag(admin, "--deny"))
		return usage_error("--allow and --deny exclude each other");
	if (admin_flag(admin, "--allow") || admin_flag(admin, "--deny"))
		json_object_set_new(body, "action", json_string(admin_flag(admin, "--deny") ? "deny" : "allow"));
	if (admin_flag(admin, "--disabled"))
		json_object_set_new(body, "enabled", json_false());
	status = seconds_option(admin, "--lease", "lease", ADMIN_LEASE_DAYS, body);
	return status ? status : window_fill(admin, body);
}

int admin_policy(const struct admin *admin)
{
	bool add = !strcmp(admin->verb, "add");
	char *path = add ? strdup("/v1/policies") : admin_path("/v1/policies", admin->words[0]);
	json_t *body = json_object();
	int status = policy_fill(admin, body);

	if (!status && !json_object_size(body))
		status = usage_error("\"admin policy set\" changes nothing without an option");
	if (status)
		json_decref(body);
	else
		status = admin_send(admin, add ? "POST" : "PATCH", path, body);
	free(path);
	return status;
}

/* Prints the invitation and nothing else, so that a script can take it. */
static int invite(const struct admin *admin, json_t *body)
{
	json_t *answer;
	int status = seconds_option(admin, "--expires", "expires", ADMIN_INVITE_DAYS, body);

	if (status) {
		json_decref(body);
		return status;
	}
	status = admin_call(admin, "POST", "/v1/invitations", body, &answer);
	if (status)
		return status;
	if (admin->json)
		return print_json(answer, true);
	puts(admin_text(answer, "invitation"));
	json_decref(answer);
	return EXIT_DONE;
}

int admin_invite(const struct admin *admin)
{
	const char *site = admin_option(admin, "--site");
	char *path;
	int status;

	if (!strcmp(admin->verb, "list"))
		return admin_list_print(admin, "/v1/invitations");
	if (!strcmp(admin->verb, "del")) {
		path = admin_path("/v1/invitations", admin->words[0]);
		status = admin_send(admin, "DELETE", path, NULL);
		free(path);
		return status;
	}
	if (!strcmp(admin->verb, "user"))
		return invite(admin, json_pack("{ss}", "user", admin->words[0]));
	if (!site)
		return usage_error("\"admin invite gateway\" needs --site");
	return invite(admin, json_pack("{ss}", "site", site));
}
