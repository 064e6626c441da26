// SPDX-License-Identifier: GPL-2.0-only
#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct fz_column columns[] = {
	{ "NAME", FZ_COLUMN_SHRINKS }, { "N", FZ_COLUMN_RIGHT }, { "LAST", 0 },
};

static void check(int width, const char *expected)
{
	struct fz_table *table = fz_table_new(columns, 3);
	char *text = NULL;
	size_t size;
	FILE *out;

	assert_non_null(table);
	fz_table_cell(table, "a name that is long");
	fz_table_cell(table, "%d", 5);
	fz_table_cell(table, "x");
	fz_table_cell(table, "caf\303\251");
	fz_table_cell(table, "%d", 12345);
	fz_table_cell(table, "y");
	/* a row that is not complete is not printed */
	fz_table_cell(table, "alone");
	out = open_memstream(&text, &size);
	fz_table_print(table, out, width);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
	fz_table_free(table);
}

static void test_whole(void **state)
{
	(void)state;
	check(0, "NAME                     N  LAST\n"
		 "a name that is long      5  x\n"
		 "caf\303\251                 12345  y\n");
}

static void test_narrow(void **state)
{
	(void)state;
	check(28, "NAME                 N  LAST\n"
		  "a name that ...      5  x\n"
		  "caf\303\251             12345  y\n");
}

static void test_no_rows(void **state)
{
	struct fz_table *table = fz_table_new(columns, 3);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	fz_table_print(table, out, 0);
	fclose(out);
	assert_string_equal(text, "");
	free(text);
	fz_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_no_rows),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
