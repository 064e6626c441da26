// SPDX-License-Identifier: GPL-2.0-only
/* fzctl resource */
#include "fzctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_resource(int i, int argc, char **argv, struct fz_resource *res)
{
	struct fz_prefix prefix;
	struct fz_error err;

	if (fz_parse_name(argv[i], res->name, &err))
		return bad_word(&err);
	for (i++; i < argc && !looks_like_service(argv[i]); i++) {
		if (fz_parse_prefix(argv[i], &prefix, NULL))
			return bad_prefix_or_service(argv[i]);
		if (fz_resource_add_prefix(res, &prefix))
			return usage_error("out of memory");
	}
	if (!res->n_prefixes)
		return usage_error("resource \"%s\" needs a prefix before its services", res->name);
	for (; i < argc; i++) {
		if (fz_parse_service(argv[i], res, &err))
			return bad_word(&err);
	}
	return 0;
}

static int resource_add(int argc, char **argv)
{
	struct fz_resource res = { 0 };
	int ret;

	if (argc < 4)
		return out_of_words(argc < 3 ? "a device" : "a name", argv[argc - 1]);
	ret = parse_resource(3, argc, argv, &res);
	if (ret) {
		fz_resource_clear(&res);
		return ret;
	}
	return queue_resource(argv[2], &res, false);
}

static int resource_del(int argc, char **argv)
{
	struct fz_resource res = { 0 };
	struct fz_error err;

	if (argc < 4)
		return out_of_words(argc < 3 ? "a device" : "a name", argv[argc - 1]);
	if (argc > 4)
		return too_many_words(argv[4]);
	if (fz_parse_name(argv[3], res.name, &err))
		return bad_word(&err);
	return queue_resource(argv[2], &res, true);
}

static char *join_prefixes(const struct fz_resource *res)
{
	char *text = NULL, one[FZ_ADDR_TEXT_SIZE];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < res->n_prefixes; i++)
		fprintf(out, "%s%s", i ? " " : "", fz_format_prefix(one, sizeof(one), &res->prefixes[i]));
	fclose(out);
	return text;
}

static int print_resources(const struct fz_resource *list, size_t n)
{
	static const struct fz_column columns[] = {
		{ "NAME", FZ_COLUMN_SHRINKS }, { "PREFIXES", FZ_COLUMN_SHRINKS },
		{ "SERVICES", FZ_COLUMN_SHRINKS }, { "GRANTS", FZ_COLUMN_RIGHT },
	};
	struct fz_table *table = fz_table_new(columns, sizeof(columns) / sizeof(columns[0]));
	char *services, *prefixes;

	for (size_t i = 0; table && i < n; i++) {
		prefixes = join_prefixes(&list[i]);
		services = format_services(&list[i]);
		fz_table_cell(table, "%s", list[i].name);
		fz_table_cell(table, "%s", prefixes ? prefixes : "?");
		fz_table_cell(table, "%s", services ? services : "?");
		fz_table_cell(table, "%u", list[i].grants);
		free(prefixes);
		free(services);
	}
	if (table)
		fz_table_print(table, stdout, fz_terminal_width(stdout));
	fz_table_free(table);
	return table ? EXIT_DONE : usage_error("out of memory");
}

static int resource_list(int argc, char **argv, bool json)
{
	struct fz_resource *list;
	struct fz_error err;
	struct fz_nl *nl;
	json_t *array;
	size_t n;
	int ret;

	if (argc < 3)
		return out_of_words("a device", "list");
	if (argc > 3)
		return too_many_words(argv[3]);
	ret = check_device(argv[2]);
	if (!ret)
		ret = session_nl(&nl);
	if (ret)
		return ret;
	if (fz_nl_resource_list(nl, argv[2], &list, &n, &err))
		return refused(&err);
	if (n)
		qsort(list, n, sizeof(*list), compare_resources);
	if (json) {
		array = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(array, json_resource(&list[i]));
		ret = print_json(array, true);
	} else {
		ret = print_resources(list, n);
	}
	fz_resources_free(list, n);
	return ret;
}

int resource_main(int argc, char **argv)
{
	bool json = take_flag(&argc, argv, "--json");

	if (argc < 2)
		return out_of_words("add, del or list", "resource");
	if (!strcmp(argv[1], "add"))
		return resource_add(argc, argv);
	if (!strcmp(argv[1], "del"))
		return resource_del(argc, argv);
	if (!strcmp(argv[1], "list"))
		return resource_list(argc, argv, json);
	return usage_error("\"%s\" is nothing that can be done to a resource (add, del, list)", argv[1]);
}
