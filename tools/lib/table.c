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
#define KEY_MIN 11		/* nor a key: 8 characters tell one from another */
#define INDENT 4		/* of a second line */

struct fz_table {
	const struct fz_column *columns;
	size_t n_columns;
	size_t widths[FZ_TABLE_COLUMNS];
	bool says[FZ_TABLE_COLUMNS];	/* a cell of the column has more than "-" */
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
	if (strcmp(text, "-"))
		table->says[column] = true;
	return 0;
}

/* Some of the columns, as they are on one line. */
struct line {
	size_t columns[FZ_TABLE_COLUMNS];
	size_t widths[FZ_TABLE_COLUMNS];
	size_t n;
};

static void add_column(const struct fz_table *table, struct line *line, size_t column)
{
	line->columns[line->n] = column;
	line->widths[line->n++] = table->widths[column];
}

/* Whether cell @a of the line is to be cut rather than @b. */
static bool shrinks_before(const struct fz_table *table, const struct line *line, size_t a, size_t b)
{
	bool a_key = table->columns[line->columns[a]].flags & FZ_COLUMN_KEY;
	bool b_key = table->columns[line->columns[b]].flags & FZ_COLUMN_KEY;

	return a_key == b_key ? line->widths[a] > line->widths[b] : a_key;
}

/* Cut keys, then the widest column that may shrink, until all fit; false if they do not. */
static bool fit(const struct fz_table *table, struct line *line, size_t limit)
{
	for (;;) {
		size_t total = GAP * (line->n - 1), next = line->n;

		for (size_t i = 0; i < line->n; i++) {
			unsigned int flags = table->columns[line->columns[i]].flags;

			total += line->widths[i];
			if (!(flags & (FZ_COLUMN_SHRINKS | FZ_COLUMN_KEY)) ||
			    line->widths[i] <= (flags & FZ_COLUMN_KEY ? KEY_MIN : SHRUNK_MIN))
				continue;
			if (next == line->n || shrinks_before(table, line, i, next))
				next = i;
		}
		if (total <= limit)
			return true;
		if (next == line->n)
			return false;
		line->widths[next]--;
	}
}

/* What folds goes to the @second line, which is indented, unless it says nothing. */
static void fold(const struct fz_table *table, struct line *first, struct line *second, size_t limit)
{
	first->n = 0;
	for (size_t i = 0; i < table->n_columns; i++) {
		if (!(table->columns[i].flags & FZ_COLUMN_FOLDS))
			add_column(table, first, i);
		else if (table->says[i])
			add_column(table, second, i);
	}
	fit(table, first, limit);
	if (second->n)
		fit(table, second, limit > INDENT ? limit - INDENT : 0);
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

/* A row of cells, or the titles if @cells is NULL. */
static void print_line(const struct fz_table *table, const struct line *line, char **cells, FILE *out)
{
	for (size_t i = 0; i < line->n; i++) {
		const struct fz_column *column = &table->columns[line->columns[i]];

		print_cell(cells ? cells[line->columns[i]] : column->title, line->widths[i], column->flags,
			   i + 1 == line->n, out);
	}
	fputc('\n', out);
}

static void print_row(const struct fz_table *table, const struct line *first, const struct line *second,
		      char **cells, FILE *out)
{
	print_line(table, first, cells, out);
	if (second->n) {
		fprintf(out, "%*s", INDENT, "");
		print_line(table, second, cells, out);
	}
}

/**
 * fz_table_print - a line of titles, then the rows
 * @table: the table; nothing is printed if it has no complete row
 * @out: where to
 * @width: columns of the terminal, 0 for no limit
 */
void fz_table_print(const struct fz_table *table, FILE *out, int width)
{
	struct line first = { .n = 0 }, second = { .n = 0 };
	size_t n = table->n_columns;

	if (table->n_cells < n)
		return;
	for (size_t i = 0; i < n; i++)
		add_column(table, &first, i);
	if (width > 0 && !fit(table, &first, (size_t)width))
		fold(table, &first, &second, (size_t)width);
	print_row(table, &first, &second, NULL, out);
	for (size_t row = 0; (row + 1) * n <= table->n_cells; row++)
		print_row(table, &first, &second, &table->cells[row * n], out);
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
