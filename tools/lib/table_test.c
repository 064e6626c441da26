// SPDX-License-Identifier: GPL-2.0-only
#include "table.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct fz_column columns[] = {
	{ "NAME", FZ_COLUMN_SHRINKS }, { "N", FZ_COLUMN_RIGHT }, { "LAST", 0 },
};

/* Frees the table. */
static void prints(struct fz_table *table, int width, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fz_table_print(table, out, width);
	fclose(out);
	fz_table_free(table);
	assert_string_equal(text, expected);
	free(text);
}

/* A grant's row, and one that has neither limits nor a tag. */
static void check_folded(int width, bool bare, const char *expected)
{
	static const struct fz_column wide[] = {
		{ "PEER", FZ_COLUMN_KEY }, { "RESOURCE", FZ_COLUMN_SHRINKS }, { "LIMITS", FZ_COLUMN_FOLDS },
		{ "BYTES", FZ_COLUMN_RIGHT }, { "TAG", FZ_COLUMN_FOLDS },
	};
	struct fz_table *table = fz_table_new(wide, 5);

	assert_non_null(table);
	fz_table_cell(table, "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=");
	fz_table_cell(table, "a name that is long");
	fz_table_cell(table, bare ? "-" : "0B/20.0G 10Mbit");
	fz_table_cell(table, "17.3M");
	fz_table_cell(table, "-");
	prints(table, width, expected);
}

/* A key first, then what else shrinks; then what folds; what says nothing goes. */
static void test_folded(void **state)
{
	(void)state;
	check_folded(91, false,
		     "PEER                                       RESOURCE             LIMITS           BYTES  TAG\n"
		     "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZ...  a name that is long  0B/20.0G 10Mbit  17.3M  -\n");
	check_folded(54, false,
		     "PEER         RESOURCE      LIMITS           BYTES  TAG\n"
		     "xTIBA5rb...  a name th...  0B/20.0G 10Mbit  17.3M  -\n");
	check_folded(53, false,
		     "PEER                       RESOURCE             BYTES\n"
		     "    LIMITS\n"
		     "xTIBA5rboUvnH4htodjb6e...  a name that is long  17.3M\n"
		     "    0B/20.0G 10Mbit\n");
	check_folded(39, false,
		     "PEER         RESOURCE             BYTES\n"
		     "    LIMITS\n"
		     "xTIBA5rb...  a name that is long  17.3M\n"
		     "    0B/20.0G 10Mbit\n");
	check_folded(38, true,
		     "PEER         RESOURCE            BYTES\n"
		     "xTIBA5rb...  a name that is ...  17.3M\n");
	check_folded(3, true,
		     "PEER         RESOURCE      BYTES\n"
		     "xTIBA5rb...  a name th...  17.3M\n");
}

static void check(int width, const char *expected)
{
	struct fz_table *table = fz_table_new(columns, 3);

	assert_non_null(table);
	fz_table_cell(table, "a name that is long");
	fz_table_cell(table, "%d", 5);
	fz_table_cell(table, "x");
	fz_table_cell(table, "caf\303\251");
	fz_table_cell(table, "%d", 12345);
	fz_table_cell(table, "y");
	/* a row that is not complete is not printed */
	fz_table_cell(table, "alone");
	prints(table, width, expected);
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
	(void)state;
	prints(fz_table_new(columns, 3), 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_folded),
		cmocka_unit_test(test_no_rows),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
