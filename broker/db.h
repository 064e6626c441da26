/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The little that the store asks of a database. SQL given here keeps to what SQLite and PostgreSQL share: parameters
 * are $1, $2 ... and appear for the first time in that order, RETURNING and ON CONFLICT are used, times are BIGINT.
 * What differs (opening, pragmas, the schema) is inside the implementation: db_sqlite.c with schema_sqlite.c.
 *
 * Not thread-safe. Statements are prepared once and cached by their text.
 */
#ifndef BROKER_DB_H
#define BROKER_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

struct db;
struct db_rows;

enum db_type {
	DB_NULL,
	DB_INT,
	DB_TEXT,
	DB_BLOB,
};

struct db_value {
	enum db_type type;
	int64_t number;
	const void *bytes;
	size_t len;
};

static inline struct db_value db_int(int64_t number)
{
	return (struct db_value){ .type = DB_INT, .number = number };
}

/* 0 is no reference: NULL. */
static inline struct db_value db_ref(int64_t id)
{
	return (struct db_value){ .type = id ? DB_INT : DB_NULL, .number = id };
}

static inline struct db_value db_text(const char *text)
{
	return (struct db_value){ .type = text ? DB_TEXT : DB_NULL, .bytes = text };
}

static inline struct db_value db_blob(const void *bytes, size_t len)
{
	return (struct db_value){ .type = bytes ? DB_BLOB : DB_NULL, .bytes = bytes, .len = len };
}

#define DB_VALUES(...)	((const struct db_value[]){ { 0 }, __VA_ARGS__ } + 1), \
			(sizeof((const struct db_value[]){ { 0 }, __VA_ARGS__ }) / sizeof(struct db_value) - 1)

/**
 * db_open() - open or make the database in a state directory and bring its schema up to date
 * @dir: the directory
 * @fault: why not; -EOVERFLOW in @code: a newer version's
 * @code: out: 0 or a negative errno
 */
struct db *db_open(const char *dir, int *code, struct fault *fault);
void db_close(struct db *db);

/*
 * A transaction; inside of one, a savepoint. After db_begin() succeeded exactly one of the others must be called.
 * A failed db_commit() has undone everything since its db_begin().
 */
int db_begin(struct db *db, struct fault *fault);
int db_commit(struct db *db, struct fault *fault);
void db_rollback(struct db *db);

/**
 * db_query() - start a statement that yields rows
 *
 * Return: the rows, to be given to db_done() on every path; NULL when the statement is not understood.
 */
struct db_rows *db_query(struct db *db, struct fault *fault, const char *sql, const struct db_value *values,
			 size_t n_values);

/**
 * db_next() - fetch a row
 *
 * Return: 1 a row, 0 no more, or -EEXIST (unique), -EBUSY (referenced), -EINVAL (check), -ENOSPC, -EIO.
 */
int db_next(struct db_rows *rows, struct fault *fault);
void db_done(struct db_rows *rows);

/* Columns from 0. NULL reads as 0 or NULL. Text and blobs hold until the next db_next() or db_done(). */
int64_t db_column_int(struct db_rows *rows, int column);
const char *db_column_text(struct db_rows *rows, int column);
/* Copies exactly @len bytes; false when the blob has another length. */
bool db_column_blob(struct db_rows *rows, int column, void *out, size_t len);
size_t db_column_len(struct db_rows *rows, int column);
bool db_column_null(struct db_rows *rows, int column);

/* Run a statement to its end, rows dropped. Return: 0 or as db_next(). @changed: rows changed, NULL allowed. */
int db_run(struct db *db, struct fault *fault, int64_t *changed, const char *sql, const struct db_value *values,
	   size_t n_values);
/* Run a statement that yields at most one number. Return: 1 got it, 0 no row, or as db_next(). */
int db_number(struct db *db, struct fault *fault, int64_t *number, const char *sql, const struct db_value *values,
	      size_t n_values);

#endif
