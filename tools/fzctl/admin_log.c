// SPDX-License-Identifier: GPL-2.0-only
/* admin log, explain and status */
#include "admin.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FOLLOW_MS	300
#define KINDS		3

static const char *const kinds[KINDS] = { "audit", "denial", "flow" };

static void print_field(const json_t *line, const char *key, const char *before)
{
	const char *text = admin_text(line, key);

	if (!*text)
		return;
	fputs(before, stdout);
	print_plain(stdout, text);
}

static void print_flow(const json_t *flow)
{
	if (!flow)
		return;
	printf(" %s %s:%lld > %s:%lld", admin_text(flow, "protocol"), admin_text(flow, "source"),
	       (long long)json_integer_value(json_object_get(flow, "source_port")), admin_text(flow, "destination"),
	       (long long)json_integer_value(json_object_get(flow, "destination_port")));
}

static int print_entry(const struct admin *admin, json_t *line)
{
	if (admin->json)
		return print_json(json_incref(line), false);
	print_field(line, "at", "");
	print_field(line, "kind", " ");
	print_field(line, "action", " ");
	print_field(line, "object", " ");
	print_field(line, "reason", " ");
	print_flow(json_object_get(line, "flow"));
	print_field(line, "user", " user ");
	print_field(line, "device", " device ");
	print_field(line, "resource", " resource ");
	print_field(line, "policy", " policy ");
	print_field(line, "reporter", " seen by ");
	print_field(line, "actor", " by ");
	print_field(line, "text", ": ");
	putchar('\n');
	return EXIT_DONE;
}

static int fetch(const struct admin *admin, const char *kind, const char *limit, long long after, json_t **items)
{
	char number[24];
	const char *pairs[] = { "kind", kind, "limit", limit, "after", number, "user", admin_option(admin, "--user"),
				"device", admin_option(admin, "--device"), "resource",
				admin_option(admin, "--resource"), "policy", admin_option(admin, "--policy"), NULL, NULL };
	json_t *answer;
	char *path;
	int status;

	snprintf(number, sizeof(number), "%lld", after);
	path = admin_query("/v1/log", pairs);
	status = admin_call(admin, "GET", path, NULL, &answer);
	free(path);
	*items = status ? NULL : json_incref(json_object_get(answer, "items"));
	json_decref(answer);
	return status;
}

static int compare_lines(const void *a, const void *b)
{
	const json_t *const *p = a, *const *q = b;
	int order = strcmp(admin_text(*p, "at"), admin_text(*q, "at"));
	json_int_t first, second;

	if (order)
		return order;
	first = json_integer_value(json_object_get(*p, "id"));
	second = json_integer_value(json_object_get(*q, "id"));
	return first < second ? -1 : first > second;
}

/* One round: what is new of each kind, in the order of time. The last @limit lines when it is the first. */
static int round_print(const struct admin *admin, const char *kind, const char *limit, long long after[KINDS],
		       size_t most)
{
	json_t *all = json_array(), *items, *item, **lines;
	int status = EXIT_DONE;
	size_t n, i;

	for (int k = 0; k < KINDS && !status; k++) {
		if (kind ? strcmp(kind, kinds[k]) : !strcmp(kinds[k], "flow"))
			continue;
		status = fetch(admin, kinds[k], limit, after[k], &items);
		if (status)
			break;
		json_array_foreach(items, i, item)
			after[k] = json_integer_value(json_object_get(item, "id"));
		json_array_extend(all, items);
		json_decref(items);
	}
	n = json_array_size(all);
	lines = calloc(n + 1, sizeof(*lines));
	for (i = 0; lines && i < n; i++)
		lines[i] = json_array_get(all, i);
	if (lines)
		qsort(lines, n, sizeof(*lines), compare_lines);
	for (i = most && n > most ? n - most : 0; lines && i < n && !status; i++)
		status = print_entry(admin, lines[i]);
	if (fflush(stdout))
		status = EXIT_REFUSED;
	free(lines);
	json_decref(all);
	return status;
}

int admin_log(const struct admin *admin)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_MS * 1000000L };
	const char *kind = admin_option(admin, "--kind"), *word = admin_option(admin, "--limit");
	long long after[KINDS] = { 0 };
	struct fz_error err;
	uint32_t limit = 100;
	char number[16];
	int status;

	for (int k = 0; kind && strcmp(kind, kinds[k]); k++)
		if (k == KINDS - 1)
			return usage_error("\"%s\" is no kind of log: audit, denial or flow", kind);
	if (word && fz_parse_u32(word, "number of lines", 1, 1000, &limit, &err))
		return bad_word(&err);
	snprintf(number, sizeof(number), "%u", limit);
	status = round_print(admin, kind, number, after, limit);
	while (!status && admin_flag(admin, "--follow")) {
		nanosleep(&pause, NULL);
		status = round_print(admin, kind, "1000", after, 0);
	}
	return status;
}

/* Is there a device of that name? Then it asks; else a user. */
static int is_device(const struct admin *admin, const char *name, bool *device)
{
	json_t *answer, *item;
	size_t i;
	int status = admin_call(admin, "GET", "/v1/devices", NULL, &answer);

	*device = false;
	json_array_foreach(json_object_get(answer, "items"), i, item)
		*device = *device || !strcmp(admin_text(item, "name"), name);
	json_decref(answer);
	return status;
}

/* What can be wrong without a broker: a RESOURCE or ADDRESS:PORT[/PROTOCOL], and a time. */
static int explain_check(const char *what, const char *at)
{
	const char *slash = strrchr(what, '/');
	uint8_t protocol = IPPROTO_TCP;
	struct fz_error err;
	int64_t seconds;
	char *target;
	int status;

	if (at && fz_parse_time(at, &seconds, &err))
		return bad_word(&err);
	if (slash && fz_parse_protocol(slash + 1, &protocol, &err))
		return bad_word(&err);
	target = strndup(what, slash ? (size_t)(slash - what) : strlen(what));
	if (!target)
		return usage_error("out of memory");
	status = check_target(target, protocol);
	free(target);
	return status;
}

/* Its exit status is that of fzctl why: refused when the answer is no. */
int admin_explain(const struct admin *admin)
{
	const char *what = admin->words[1];
	bool target = strpbrk(what, ":/"), device;
	const char *pairs[] = { NULL, admin->words[0], target ? "target" : "resource", what, "at",
				admin_option(admin, "--at"), NULL, NULL };
	json_t *answer;
	bool reachable;
	char *path;
	int status = explain_check(what, admin_option(admin, "--at"));

	if (!status)
		status = is_device(admin, admin->words[0], &device);
	if (status)
		return status;
	pairs[0] = device ? "device" : "user";
	path = admin_query("/v1/explain", pairs);
	status = admin_call(admin, "GET", path, NULL, &answer);
	free(path);
	if (status)
		return status;
	reachable = json_is_true(json_object_get(answer, "reachable"));
	if (admin->json) {
		status = print_json(answer, true);
		return status ? status : reachable ? EXIT_DONE : EXIT_REFUSED;
	}
	printf("%s: %s\n", reachable ? "yes" : "no", admin_text(answer, "text"));
	json_decref(answer);
	return reachable ? EXIT_DONE : EXIT_REFUSED;
}

int admin_status(const struct admin *admin)
{
	return admin_show(admin, "/v1/status", NULL);
}
