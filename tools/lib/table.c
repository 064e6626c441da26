// SPDX-License-Identifier: GPL-2.0-only
#include "table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP 2			/* spaces between columns */
#define SHRUNK_MIN 12		/* a column is not cut below this */

struct fz_table {
	const struct fz_column *columns;
	size_t n_columns;
	size_t widths[FZ_TABLE_COLUMNS];
	char **cells;
	size_t n_cells;
};

/* Columns on the terminal: one for each character of UTF-8 text. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/**
 * fz_table_new - an empty table
 * @columns: its columns, which must outlive it
 * @n: how many, at most FZ_TABLE_COLUMNS
 *
 * Return: the table, which the caller owns; NULL if out of memory.
 */
struct fz_table *fz_table_new(const struct fz_column *columns, size_t n)
{
	struct fz_table *table;

	if (!n || n > FZ_TABLE_COLUMNS)
		return NULL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->columns = columns;
	table->n_columns = n;
	for (size_t i = 0; i < n; i++)
		table->widths[i] = text_width(columns[i].title);
	return table;
}

/**
 * fz_table_free - a table and its cells
 * @table: may be NULL
 */
void fz_table_free(struct fz_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

/**
 * fz_table_cell - fill the next cell
 * @table: the table
 * @fmt: its text, as for printf
 *
 * Return: 0 or -ENOMEM
 */
int fz_table_cell(struct fz_table *table, const char *fmt, ...)
{
	size_t column = table->n_cells % table->n_columns;
	va_list args;
	char *text;
	int len;

	if (!(table->n_cells & (table->n_cells - 1))) {
		char **grown = reallocarray(table->cells, table->n_cells ? 2 * table->n_cells : 1,
					    sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		table->cells = grown;
	}
	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		return -ENOMEM;
	table->cells[table->n_cells++] = text;
	if (text_width(text) > table->widths[column])
		table->widths[column] = text_width(text);
	return 0;
}

/* Cut the widest column that may shrink, until all fit or none can. */
static void fit(const struct fz_table *table, size_t widths[FZ_TABLE_COLUMNS], size_t limit)
{
	for (;;) {
		size_t total = GAP * (table->n_columns - 1), widest = table->n_columns;

		for (size_t i = 0; i < table->n_columns; i++) {
			total += widths[i];
			if (!(table->columns[i].flags & FZ_COLUMN_SHRINKS) || widths[i] <= SHRUNK_MIN)
				continue;
			if (widest == table->n_columns || widths[i] > widths[widest])
				widest = i;
		}
		if (total <= limit || widest == table->n_columns)
			return;
		widths[widest]--;
	}
}

static void print_cell(const char *text, size_t width, unsigned int flags, bool last, FILE *out)
{
	size_t len = text_width(text);
	size_t pad = len < width ? width - len : 0;

	if (len > width) {
		size_t shown = 0;

		for (; *text; text++) {
			if (((unsigned char)*text & 0xc0) != 0x80 && shown++ == width - 3)
				break;
			fputc(*text, out);
		}
		fputs("...", out);
	} else if (flags & FZ_COLUMN_RIGHT) {
		fprintf(out, "%*s%s", (int)pad, "", text);
	} else {
		fprintf(out, "%s%*s", text, last ? 0 : (int)pad, "");
	}
	if (!last)
		fprintf(out, "%*s", GAP, "");
}

/**
 * fz_table_print - a line of titles, then the rows
 * @table: the table; nothing is printed if it has no complete row
 * @out: where to
 * @width: columns of the terminal, 0 for no limit
 */
void fz_table_print(const struct fz_table *table, FILE *out, int width)
{
	size_t widths[FZ_TABLE_COLUMNS];
	size_t n = table->n_columns;

	if (table->n_cells < n)
		return;
	memcpy(widths, table->widths, sizeof(widths));
	if (width > 0)
		fit(table, widths, (size_t)width);
	for (size_t i = 0; i < n; i++)
		print_cell(table->columns[i].title, widths[i], table->columns[i].flags, i + 1 == n, out);
	fputc('\n', out);
	for (size_t row = 0; (row + 1) * n <= table->n_cells; row++) {
		for (size_t i = 0; i < n; i++)
			print_cell(table->cells[row * n + i], widths[i], table->columns[i].flags,
				   i + 1 == n, out);
		fputc('\n', out);
	}
}

/**
 * fz_terminal_width - how wide is it?
 * @out: perhaps a terminal
 *
 * Return: its columns, or 0 if it is none.
 */
int fz_terminal_width(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size))
		return 0;
	return size.ws_col;
}
