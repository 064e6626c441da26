/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rows and columns on a terminal. Columns are as wide as their widest cell. If
 * the terminal is narrower, keys are cut to their start, and the columns marked
 * to shrink with "..."; if that is not enough, the columns marked to fold become
 * a second line of each row, but for those that say nothing. Elsewhere nothing is
 * cut or folded.
 */
#ifndef FZ_TABLE_H
#define FZ_TABLE_H

#include <stdio.h>

#define FZ_TABLE_COLUMNS 12

struct fz_table;

enum {
	FZ_COLUMN_LEFT		= 0,
	FZ_COLUMN_RIGHT		= 1 << 0,
	FZ_COLUMN_SHRINKS	= 1 << 1,
	FZ_COLUMN_KEY		= 1 << 2,	/* shrinks before the others, and further */
	FZ_COLUMN_FOLDS		= 1 << 3,	/* not the first column */
};

struct fz_column {
	const char *title;
	unsigned int flags;
};

struct fz_table *fz_table_new(const struct fz_column *columns, size_t n);
void fz_table_free(struct fz_table *table);
/* The next cell of the row; a row is complete when every column has one. */
int fz_table_cell(struct fz_table *table, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* @width: columns of the terminal, 0 for no limit */
void fz_table_print(const struct fz_table *table, FILE *out, int width);
int fz_terminal_width(FILE *out);

#endif
