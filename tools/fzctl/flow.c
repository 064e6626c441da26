// SPDX-License-Identifier: GPL-2.0-only
/* fzctl flow */
#include "fzctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The oldest first. */
static int compare_flows(const void *left, const void *right)
{
	const struct fz_flow *a = left, *b = right;
	int order;

	if (a->age_ms != b->age_ms)
		return a->age_ms < b->age_ms ? 1 : -1;
	order = memcmp(a->peer, b->peer, FZ_KEY_LEN);
	return order ? order : memcmp(&a->tuple, &b->tuple, sizeof(a->tuple));
}

static int print_flows(const struct fz_flow *list, size_t n)
{
	static const struct fz_column columns[] = {
		{ "PEER", FZ_COLUMN_KEY }, { "DIR", 0 }, { "FLOW", 0 }, { "STATE", FZ_COLUMN_FOLDS },
		{ "RESOURCE", FZ_COLUMN_SHRINKS | FZ_COLUMN_FOLDS }, { "THERE", FZ_COLUMN_RIGHT | FZ_COLUMN_FOLDS },
		{ "BACK", FZ_COLUMN_RIGHT | FZ_COLUMN_FOLDS }, { "AGE", FZ_COLUMN_RIGHT | FZ_COLUMN_FOLDS },
		{ "LEFT", FZ_COLUMN_RIGHT | FZ_COLUMN_FOLDS }, { "OBSERVED", FZ_COLUMN_FOLDS },
	};
	struct fz_table *table = fz_table_new(columns, sizeof(columns) / sizeof(columns[0]));
	char key[FZ_KEY_TEXT_SIZE], tuple[256], there[32], back[32], age[32], left[32];

	for (size_t i = 0; table && i < n; i++) {
		const struct fz_flow *f = &list[i];

		fz_key_format(key, f->peer);
		fz_table_cell(table, "%s", key);
		fz_table_cell(table, "%s", fz_direction_name(f->direction));
		fz_table_cell(table, "%s", fz_format_tuple(tuple, sizeof(tuple), &f->tuple));
		fz_table_cell(table, "%s", fz_flow_state_name(f->state));
		fz_table_cell(table, "%s", *f->resource ? f->resource : "-");
		fz_table_cell(table, "%s", fz_format_bytes(there, sizeof(there), f->orig_bytes));
		fz_table_cell(table, "%s", fz_format_bytes(back, sizeof(back), f->reply_bytes));
		fz_table_cell(table, "%s", fz_format_duration(age, sizeof(age), f->age_ms));
		fz_table_cell(table, "%s", fz_format_duration(left, sizeof(left), f->timeout_ms));
		fz_table_cell(table, "%s", f->observed == FZ_REASON_NONE ? "-" : fz_reason_name(f->observed));
	}
	if (table)
		fz_table_print(table, stdout, fz_terminal_width(stdout));
	fz_table_free(table);
	return table ? EXIT_DONE : usage_error("out of memory");
}

static int flow_list(struct fz_nl *nl, const char *dev, const uint8_t *peer, bool json)
{
	struct fz_flow *list;
	struct fz_error err;
	json_t *array;
	size_t n;
	int ret;

	if (fz_nl_flow_list(nl, dev, peer, &list, &n, &err))
		return refused(&err);
	if (n)
		qsort(list, n, sizeof(*list), compare_flows);
	if (json) {
		array = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(array, json_flow(&list[i]));
		ret = print_json(array, true);
	} else {
		ret = print_flows(list, n);
	}
	free(list);
	return ret;
}

int flow_main(int argc, char **argv)
{
	bool json = take_flag(&argc, argv, "--json"), has_peer, list;
	uint8_t key[FZ_KEY_LEN];
	struct fz_error err;
	struct fz_nl *nl;
	int i = 3, ret;

	if (argc < 2)
		return out_of_words("list or flush", "flow");
	list = !strcmp(argv[1], "list");
	if (!list && strcmp(argv[1], "flush"))
		return usage_error("\"%s\" is nothing that can be done to flows (list, flush)", argv[1]);
	if (argc < 3)
		return out_of_words("a device", argv[1]);
	ret = check_device(argv[2]);
	if (!ret)
		ret = take_peer(argv[2], &i, argc, argv, key, &has_peer);
	if (!ret && i < argc)
		return too_many_words(argv[i]);
	if (!ret)
		ret = session_nl(&nl);
	if (ret)
		return ret;
	if (list)
		return flow_list(nl, argv[2], has_peer ? key : NULL, json);
	if (fz_nl_flow_flush(nl, argv[2], has_peer ? key : NULL, &err))
		return refused(&err);
	return EXIT_DONE;
}
