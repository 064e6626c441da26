// SPDX-License-Identifier: GPL-2.0-only
/* fzctl stats */
#include "fzctl.h"

#include <inttypes.h>
#include <stdio.h>

struct counter {
	const char *name;
	uint64_t value;
};

#define COUNTERS 11

static void list_counters(const struct fz_stats *s, struct counter out[COUNTERS])
{
	const struct counter all[COUNTERS] = {
		{ "peers", s->peers }, { "resources", s->resources }, { "grants", s->grants },
		{ "flows", s->flows }, { "flows_created", s->flows_created },
		{ "flows_evicted", s->flows_evicted }, { "requests", s->requests },
		{ "requests_suppressed", s->requests_suppressed },
		{ "events_suppressed", s->events_suppressed },
		{ "sideband_dropped", s->sideband_dropped }, { "generation", s->generation },
	};

	for (size_t i = 0; i < COUNTERS; i++)
		out[i] = all[i];
}

static int print_stats_json(const struct fz_stats *stats, const struct counter counters[COUNTERS])
{
	json_t *object = json_object(), *refusals = json_object();

	for (size_t i = 0; i < COUNTERS; i++)
		json_object_set_new(object, counters[i].name, json_integer((json_int_t)counters[i].value));
	for (uint8_t reason = FZ_REASON_NONE + 1; reason <= FZ_REASON_MAX; reason++) {
		json_t *one = json_object();

		for (uint8_t d = 0; d < FZ_DIRECTIONS; d++)
			json_object_set_new(one, fz_direction_name(d),
					    json_pack("{s:I, s:I}",
						      "refused", (json_int_t)stats->refused[d][reason].packets,
						      "observed", (json_int_t)stats->refused[d][reason].observed));
		json_object_set_new(refusals, fz_reason_name(reason), one);
	}
	json_object_set_new(object, "refused", refusals);
	return print_json(object, true);
}

static int print_stats(const struct fz_stats *stats, const struct counter counters[COUNTERS])
{
	static const struct fz_column columns[] = {
		{ "REASON", 0 }, { "REFUSED IN", FZ_COLUMN_RIGHT }, { "REFUSED OUT", FZ_COLUMN_RIGHT },
		{ "OBSERVED IN", FZ_COLUMN_RIGHT }, { "OBSERVED OUT", FZ_COLUMN_RIGHT },
	};
	struct fz_table *table = fz_table_new(columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < COUNTERS; i++)
		printf("%-20s %" PRIu64 "\n", counters[i].name, counters[i].value);
	putchar('\n');
	for (uint8_t reason = FZ_REASON_NONE + 1; table && reason <= FZ_REASON_MAX; reason++) {
		fz_table_cell(table, "%s", fz_reason_name(reason));
		fz_table_cell(table, "%" PRIu64, stats->refused[FZ_DIR_IN][reason].packets);
		fz_table_cell(table, "%" PRIu64, stats->refused[FZ_DIR_OUT][reason].packets);
		fz_table_cell(table, "%" PRIu64, stats->refused[FZ_DIR_IN][reason].observed);
		fz_table_cell(table, "%" PRIu64, stats->refused[FZ_DIR_OUT][reason].observed);
	}
	if (table)
		fz_table_print(table, stdout, fz_terminal_width(stdout));
	fz_table_free(table);
	return table ? EXIT_DONE : usage_error("out of memory");
}

int stats_main(int argc, char **argv)
{
	bool json = take_flag(&argc, argv, "--json");
	struct counter counters[COUNTERS];
	struct fz_stats stats;
	struct fz_error err;
	struct fz_nl *nl;
	int ret;

	if (argc < 2)
		return out_of_words("a device", "stats");
	if (argc > 2)
		return too_many_words(argv[2]);
	ret = check_device(argv[1]);
	if (!ret)
		ret = session_nl(&nl);
	if (ret)
		return ret;
	if (fz_nl_stats_get(nl, argv[1], &stats, &err))
		return refused(&err);
	list_counters(&stats, counters);
	return json ? print_stats_json(&stats, counters) : print_stats(&stats, counters);
}
