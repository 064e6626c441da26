// SPDX-License-Identifier: GPL-2.0-only
/* fzctl grant */
#include "fzctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* peer KEY|any resource NAME [in|out]; moves *i behind them. */
static int parse_whose(const char *dev, int *i, int argc, char **argv, struct fz_grant *grant)
{
	struct fz_error err;
	int ret;

	ret = take_peer_or_any(dev, i, argc, argv, grant);
	if (ret)
		return ret;
	if (*i >= argc)
		return out_of_words("\"resource\"", argv[*i - 1]);
	if (strcmp(argv[*i], "resource"))
		return usage_error("\"%s\" should be \"resource\"", argv[*i]);
	if (*i + 1 >= argc)
		return out_of_words("a name", "resource");
	if (fz_parse_name(argv[*i + 1], grant->resource, &err))
		return bad_word(&err);
	*i += 2;
	grant->direction = FZ_DIR_IN;
	if (*i < argc && !fz_parse_direction(argv[*i], &grant->direction, NULL))
		(*i)++;
	return 0;
}

/* One that has a value, which is the word after it; moves *i to it. */
static int parse_term(int *i, int argc, char **argv, struct fz_grant *grant)
{
	const char *word = argv[*i];
	const struct grant_term *term = grant_term_find(word);
	struct fz_error err;

	if (!term)
		return usage_error("\"%s\" is no term of a grant (allow, deny, for, until, tag, quota, rate, flows)",
				   word);
	if (++*i == argc)
		return out_of_words(term->what, word);
	if (term->said(grant))
		return usage_error("\"%s\": %s", word, term->twice);
	return term->parse(argv[*i], grant, &err) ? bad_word(&err) : 0;
}

static int parse_terms(int i, int argc, char **argv, struct fz_grant *grant)
{
	bool has_action = false;
	struct fz_error err;
	int ret = 0;

	for (; i < argc && !ret; i++) {
		const char *word = argv[i];

		if (!strcmp(word, "in") || !strcmp(word, "out"))
			return usage_error("\"%s\" comes right after the resource, and once", word);
		if (grant_parse_action(word, &grant->action, NULL)) {
			ret = parse_term(&i, argc, argv, grant);
			continue;
		}
		if (has_action)
			return usage_error("\"%s\": a grant has one action", word);
		has_action = true;
	}
	if (!ret && grant_check(grant, &err))
		ret = bad_word(&err);
	return ret;
}

static int grant_change(int argc, char **argv, bool del)
{
	struct fz_grant grant = { 0 };
	int i = 3, ret;

	if (argc < 3)
		return out_of_words("a device", argv[1]);
	ret = check_device(argv[2]);
	if (!ret)
		ret = parse_whose(argv[2], &i, argc, argv, &grant);
	if (!ret && del && i < argc)
		return too_many_words(argv[i]);
	if (!ret && !del)
		ret = parse_terms(i, argc, argv, &grant);
	return ret ? ret : queue_grant(argv[2], &grant, del);
}

static int print_grants(const struct fz_grant *list, size_t n)
{
	static const struct fz_column columns[] = {
		{ "PEER", FZ_COLUMN_KEY }, { "RESOURCE", FZ_COLUMN_SHRINKS }, { "DIR", 0 },
		{ "ACTION", 0 }, { "ENDS IN", FZ_COLUMN_RIGHT }, { "LIMITS", FZ_COLUMN_FOLDS },
		{ "FLOWS", FZ_COLUMN_RIGHT }, { "PACKETS", FZ_COLUMN_RIGHT }, { "BYTES", FZ_COLUMN_RIGHT },
		{ "TAG", FZ_COLUMN_FOLDS },
	};
	struct fz_table *table = fz_table_new(columns, sizeof(columns) / sizeof(columns[0]));
	char key[FZ_KEY_TEXT_SIZE], lease[32], limits[96], bytes[32], tag[FZ_TAG_TEXT_SIZE];

	for (size_t i = 0; table && i < n; i++) {
		const struct fz_grant *g = &list[i];

		fz_key_format(key, g->peer);
		fz_table_cell(table, "%s", g->any ? "any" : key);
		fz_table_cell(table, "%s", g->resource);
		fz_table_cell(table, "%s", fz_direction_name(g->direction));
		fz_table_cell(table, "%s", fz_action_name(g->action));
		fz_table_cell(table, "%s", format_lease(lease, sizeof(lease), g));
		fz_table_cell(table, "%s", format_limits(limits, sizeof(limits), g));
		fz_table_cell(table, "%u", g->flows);
		fz_table_cell(table, "%" PRIu64, g->packets);
		fz_table_cell(table, "%s", fz_format_bytes(bytes, sizeof(bytes), g->bytes));
		fz_table_cell(table, "%s", g->has_tag ? fz_format_tag(tag, sizeof(tag), g->tag) : "-");
	}
	if (table)
		fz_table_print(table, stdout, fz_terminal_width(stdout));
	fz_table_free(table);
	return table ? EXIT_DONE : usage_error("out of memory");
}

static int grant_list(int argc, char **argv, bool json)
{
	uint8_t key[FZ_KEY_LEN];
	struct fz_grant *list;
	struct fz_error err;
	struct fz_nl *nl;
	bool has_peer;
	json_t *array;
	int i = 3, ret;
	size_t n;

	if (argc < 3)
		return out_of_words("a device", "list");
	ret = check_device(argv[2]);
	if (!ret)
		ret = take_peer(argv[2], &i, argc, argv, key, &has_peer);
	if (!ret && i < argc)
		return too_many_words(argv[i]);
	if (!ret)
		ret = session_nl(&nl);
	if (ret)
		return ret;
	if (fz_nl_grant_list(nl, argv[2], has_peer ? key : NULL, &list, &n, &err))
		return refused(&err);
	if (n)
		qsort(list, n, sizeof(*list), compare_grants);
	if (json) {
		array = json_array();
		for (size_t g = 0; g < n; g++)
			json_array_append_new(array, json_grant(&list[g]));
		ret = print_json(array, true);
	} else {
		ret = print_grants(list, n);
	}
	free(list);
	return ret;
}

int grant_main(int argc, char **argv)
{
	bool json = take_flag(&argc, argv, "--json");

	if (argc < 2)
		return out_of_words("add, del or list", "grant");
	if (!strcmp(argv[1], "add"))
		return grant_change(argc, argv, false);
	if (!strcmp(argv[1], "del"))
		return grant_change(argc, argv, true);
	if (!strcmp(argv[1], "list"))
		return grant_list(argc, argv, json);
	return usage_error("\"%s\" is nothing that can be done to a grant (add, del, list)", argv[1]);
}
