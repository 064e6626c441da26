// SPDX-License-Identifier: GPL-2.0-only
/* db.h on SQLite: one connection, WAL, every commit flushed to the disk. */
#include "db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema.h"

#define APPLICATION_ID	0x667a6272	/* "fzbr" */
#define CACHE_SIZE	256		/* power of two; statements are few and all constant */

struct db_rows {
	struct db *db;
	sqlite3_stmt *statement;
	const char *sql;	/* a string constant: its address is the key of the cache */
	bool busy;
	bool cached;
};

struct db {
	sqlite3 *sqlite;
	unsigned int depth;		/* of nested db_begin() */
	struct db_rows *cache[CACHE_SIZE];
};

static int fail(struct db *db, struct fault *fault)
{
	int extended = sqlite3_extended_errcode(db->sqlite);
	const char *text = sqlite3_errmsg(db->sqlite);

	switch (extended) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
		return fault_set(fault, -EEXIST, NULL, "it exists already");
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return fault_set(fault, -EBUSY, NULL, "something still refers to it");
	default:
		break;
	}
	switch (extended & 0xff) {
	case SQLITE_CONSTRAINT:
		return fault_set(fault, -EINVAL, NULL, "the store does not take this: %s", text);
	case SQLITE_FULL:
		return fault_set(fault, -ENOSPC, NULL, "no space is left for the store");
	default:
		return fault_set(fault, -EIO, NULL, "the store failed: %s", text);
	}
}

static int execute(struct db *db, const char *sql, struct fault *fault)
{
	return sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(db, fault);
}

static int pragma(struct db *db, const char *sql, int64_t *number, struct fault *fault)
{
	sqlite3_stmt *statement = NULL;
	int ret = 0;

	if (sqlite3_prepare_v2(db->sqlite, sql, -1, &statement, NULL) != SQLITE_OK)
		return fail(db, fault);
	if (sqlite3_step(statement) == SQLITE_ROW)
		*number = sqlite3_column_int64(statement, 0);
	else
		ret = fail(db, fault);
	sqlite3_finalize(statement);
	return ret;
}

/* One version up: schema and number in one transaction, so a crash leaves either. */
static int migrate_step(struct db *db, int64_t version, struct fault *fault)
{
	char sql[96];
	int ret = execute(db, "BEGIN IMMEDIATE", fault);

	if (ret)
		return ret;
	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %lld",
		 APPLICATION_ID, (long long)version + 1);
	ret = execute(db, schema_sqlite[version], fault);
	if (!ret)
		ret = execute(db, sql, fault);
	if (!ret)
		ret = execute(db, "COMMIT", fault);
	if (ret)
		sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
	return ret;
}

static int migrate(struct db *db, struct fault *fault)
{
	int64_t version = 0, application = 0, objects = 0;
	int ret;

	ret = pragma(db, "PRAGMA user_version", &version, fault);
	if (!ret)
		ret = pragma(db, "PRAGMA application_id", &application, fault);
	if (!ret)
		ret = pragma(db, "SELECT count(*) FROM sqlite_schema", &objects, fault);
	if (ret)
		return ret;
	if (objects && application != APPLICATION_ID)
		return fault_set(fault, -EINVAL, NULL, "broker.db is not a database of this broker");
	if (version > SCHEMA_SQLITE_VERSION)
		return fault_set(fault, -EOVERFLOW, NULL,
				 "it was written by a newer version of the broker (schema %lld, this one knows up to %d)",
				 (long long)version, SCHEMA_SQLITE_VERSION);
	for (; version < SCHEMA_SQLITE_VERSION; version++) {
		ret = migrate_step(db, version, fault);
		if (ret)
			return ret;
	}
	return 0;
}

struct db *db_open(const char *dir, int *code, struct fault *fault)
{
	struct db *db = calloc(1, sizeof(*db));
	char *path = NULL;
	int64_t intact = 0;

	*code = -ENOMEM;
	if (!db || asprintf(&path, "%s/broker.db", dir) < 0) {
		fault_set(fault, -ENOMEM, NULL, "out of memory");
		goto fail;
	}
	if (sqlite3_open_v2(path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK) {
		*code = fault_set(fault, -EIO, NULL, "cannot open %s: %s", path,
				  db->sqlite ? sqlite3_errmsg(db->sqlite) : "out of memory");
		goto fail;
	}
	sqlite3_extended_result_codes(db->sqlite, 1);
	sqlite3_busy_timeout(db->sqlite, 2000);
	/* Which version it is comes first: what belongs to a newer one is not touched. */
	*code = migrate(db, fault);
	if (!*code)
		*code = execute(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
				    "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF", fault);
	if (!*code)
		*code = pragma(db, "SELECT count(*) FROM pragma_foreign_key_check", &intact, fault);
	if (!*code && intact)
		*code = fault_set(fault, -EIO, NULL, "broker.db is damaged: %lld references lead nowhere",
				  (long long)intact);
	if (*code)
		goto fail;
	free(path);
	return db;
fail:
	free(path);
	db_close(db);
	return NULL;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < CACHE_SIZE; i++) {
		if (!db->cache[i])
			continue;
		sqlite3_finalize(db->cache[i]->statement);
		free(db->cache[i]);
	}
	sqlite3_close(db->sqlite);
	free(db);
}

int db_begin(struct db *db, struct fault *fault)
{
	int ret = execute(db, db->depth ? "SAVEPOINT inner" : "BEGIN IMMEDIATE", fault);

	if (!ret)
		db->depth++;
	return ret;
}

int db_commit(struct db *db, struct fault *fault)
{
	int ret = execute(db, db->depth > 1 ? "RELEASE inner" : "COMMIT", fault);

	if (ret)
		db_rollback(db);
	else
		db->depth--;
	return ret;
}

void db_rollback(struct db *db)
{
	db->depth--;
	/* SQLite has undone the whole transaction by itself after some failures. */
	if (sqlite3_get_autocommit(db->sqlite))
		return;
	sqlite3_exec(db->sqlite, db->depth ? "ROLLBACK TO inner; RELEASE inner" : "ROLLBACK", NULL, NULL, NULL);
}

/* The first use of a statement checks that its parameters are numbered in order, as db.h asks. */
static bool parameters_ordered(sqlite3_stmt *statement)
{
	int n = sqlite3_bind_parameter_count(statement);
	char want[16];

	for (int i = 1; i <= n; i++) {
		const char *name = sqlite3_bind_parameter_name(statement, i);

		snprintf(want, sizeof(want), "$%d", i);
		if (!name || strcmp(name, want))
			return false;
	}
	return true;
}

static struct db_rows *prepare(struct db *db, const char *sql, struct fault *fault)
{
	struct db_rows *rows = calloc(1, sizeof(*rows));

	if (!rows) {
		fault_set(fault, -ENOMEM, NULL, "out of memory");
		return NULL;
	}
	rows->db = db;
	rows->sql = sql;
	if (sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &rows->statement, NULL) != SQLITE_OK) {
		fail(db, fault);
		free(rows);
		return NULL;
	}
	if (!parameters_ordered(rows->statement)) {
		fault_set(fault, -EIO, NULL, "the store failed: a statement's parameters are out of order");
		sqlite3_finalize(rows->statement);
		free(rows);
		return NULL;
	}
	return rows;
}

/* From the cache, unless it is running there already (then a copy of its own). */
static struct db_rows *statement_get(struct db *db, const char *sql, struct fault *fault)
{
	size_t start = ((uintptr_t)sql >> 2) * 0x9e3779b1u;
	struct db_rows *rows;
	size_t slot;

	for (size_t i = 0; i < CACHE_SIZE; i++) {
		slot = (start + i) & (CACHE_SIZE - 1);
		rows = db->cache[slot];
		if (!rows) {
			rows = prepare(db, sql, fault);
			if (!rows)
				return NULL;
			rows->cached = true;
			db->cache[slot] = rows;
			return rows;
		}
		if (rows->sql == sql)
			return rows->busy ? prepare(db, sql, fault) : rows;
	}
	return prepare(db, sql, fault);
}

static int bind_one(sqlite3_stmt *statement, int index, const struct db_value *value)
{
	switch (value->type) {
	case DB_NULL:
		return sqlite3_bind_null(statement, index);
	case DB_INT:
		return sqlite3_bind_int64(statement, index, value->number);
	case DB_TEXT:
		return sqlite3_bind_text(statement, index, value->bytes, -1, SQLITE_TRANSIENT);
	case DB_BLOB:
		return sqlite3_bind_blob64(statement, index, value->bytes, value->len, SQLITE_TRANSIENT);
	}
	return SQLITE_MISUSE;
}

struct db_rows *db_query(struct db *db, struct fault *fault, const char *sql, const struct db_value *values,
			 size_t n_values)
{
	struct db_rows *rows;

	/* SQLite ends a transaction by itself after some failures; what follows must not be committed piecemeal. */
	if (db->depth && sqlite3_get_autocommit(db->sqlite)) {
		fault_set(fault, -EIO, NULL, "the store failed earlier in this transaction");
		return NULL;
	}
	rows = statement_get(db, sql, fault);
	if (!rows)
		return NULL;
	rows->busy = true;
	if ((size_t)sqlite3_bind_parameter_count(rows->statement) != n_values) {
		fault_set(fault, -EIO, NULL, "the store failed: wrong number of parameters");
		db_done(rows);
		return NULL;
	}
	for (size_t i = 0; i < n_values; i++) {
		if (bind_one(rows->statement, (int)i + 1, &values[i]) != SQLITE_OK) {
			fail(db, fault);
			db_done(rows);
			return NULL;
		}
	}
	return rows;
}

int db_next(struct db_rows *rows, struct fault *fault)
{
	switch (sqlite3_step(rows->statement)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return fail(rows->db, fault);
	}
}

void db_done(struct db_rows *rows)
{
	if (!rows)
		return;
	if (!rows->cached) {
		sqlite3_finalize(rows->statement);
		free(rows);
		return;
	}
	sqlite3_reset(rows->statement);
	sqlite3_clear_bindings(rows->statement);
	rows->busy = false;
}

int64_t db_column_int(struct db_rows *rows, int column)
{
	return sqlite3_column_int64(rows->statement, column);
}

const char *db_column_text(struct db_rows *rows, int column)
{
	return (const char *)sqlite3_column_text(rows->statement, column);
}

bool db_column_blob(struct db_rows *rows, int column, void *out, size_t len)
{
	const void *bytes = sqlite3_column_blob(rows->statement, column);

	if (!bytes || (size_t)sqlite3_column_bytes(rows->statement, column) != len)
		return false;
	memcpy(out, bytes, len);
	return true;
}

size_t db_column_len(struct db_rows *rows, int column)
{
	return (size_t)sqlite3_column_bytes(rows->statement, column);
}

bool db_column_null(struct db_rows *rows, int column)
{
	return sqlite3_column_type(rows->statement, column) == SQLITE_NULL;
}

int db_run(struct db *db, struct fault *fault, int64_t *changed, const char *sql, const struct db_value *values,
	   size_t n_values)
{
	struct db_rows *rows = db_query(db, fault, sql, values, n_values);
	int ret;

	if (!rows)
		return -EIO;
	do {
		ret = db_next(rows, fault);
	} while (ret > 0);
	if (!ret && changed)
		*changed = sqlite3_changes64(db->sqlite);
	db_done(rows);
	return ret;
}

int db_number(struct db *db, struct fault *fault, int64_t *number, const char *sql, const struct db_value *values,
	      size_t n_values)
{
	struct db_rows *rows = db_query(db, fault, sql, values, n_values);
	int ret, rest;

	if (!rows)
		return -EIO;
	ret = db_next(rows, fault);
	if (ret > 0) {
		*number = db_column_int(rows, 0);
		/* INSERT ... RETURNING has done its work once it has come to its end. */
		do {
			rest = db_next(rows, fault);
		} while (rest > 0);
		if (rest < 0)
			ret = rest;
	}
	db_done(rows);
	return ret;
}
