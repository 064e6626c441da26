// SPDX-License-Identifier: GPL-2.0-only
/* Reading the logs: filtered, oldest first, from a known line on or the last ones. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "store_internal.h"

/*
 * Every log is read with the same columns and parameters. $1: after this id; $2..$6: filters, NULL for none; $7: limit.
 * The inner query takes the first lines after $1, or, when that is 0, the last of all.
 */
#define COLUMNS \
	"id, at_ms, end_ms, actor, action, object, user_name, device, resource, policy, text, reporter, reason, " \
	"outbound, observed, policy_tag, proto, src, sport, dst, dport, count, packets_in, packets_out, bytes_in, bytes_out, " \
	"peer"

#define FILTER(device) \
	" WHERE id > $1 AND ($2 IS NULL OR user_name = $2) AND ($3 IS NULL OR " device ")" \
	" AND ($4 IS NULL OR resource = $4) AND ($5 IS NULL OR policy = $5)"

#define FIRST	" ORDER BY id LIMIT $7) AS lines ORDER BY id"
#define LAST	" ORDER BY id DESC LIMIT $7) AS lines ORDER BY id"

#define NO_TRAFFIC "0 AS count, 0 AS packets_in, 0 AS packets_out, 0 AS bytes_in, 0 AS bytes_out"

#define AUDIT \
	"SELECT " COLUMNS " FROM (SELECT id, at_ms, 0 AS end_ms, actor, action, object, user_name, device, resource, " \
	"policy, text, NULL AS reporter, NULL AS peer, NULL AS reason, 0 AS outbound, 0 AS observed, policy_tag, proto, src, sport, " \
	"dst, dport, " NO_TRAFFIC " FROM audit" FILTER("device = $3") " AND ($6 IS NULL OR action = $6)"

#define DENIALS \
	"SELECT " COLUMNS " FROM (SELECT id, at_ms, 0 AS end_ms, NULL AS actor, NULL AS action, NULL AS object, " \
	"user_name, device, resource, policy, text, reporter, peer, reason, outbound, observed, policy_tag, " \
	"proto, src, sport, dst, dport, count, 0 AS packets_in, 0 AS packets_out, 0 AS bytes_in, 0 AS bytes_out " \
	"FROM denials" FILTER("$3 IN (device, peer, reporter)") " AND ($6 IS NULL OR reason = $6)"

#define FLOWS \
	"SELECT " COLUMNS " FROM (SELECT id, start_ms AS at_ms, end_ms, NULL AS actor, NULL AS action, NULL AS object, " \
	"user_name, device, resource, policy, NULL AS text, reporter, peer, end_reason AS reason, 0 AS outbound, " \
	"0 AS observed, policy_tag, proto, src, sport, dst, dport, 0 AS count, packets_in, packets_out, bytes_in, " \
	"bytes_out FROM flows" FILTER("$3 IN (device, peer, reporter)") " AND ($6 IS NULL OR end_reason = $6)"

static const char *sql_of(enum log_kind kind, bool last)
{
	switch (kind) {
	case LOG_AUDIT:
		return last ? AUDIT LAST : AUDIT FIRST;
	case LOG_DENIALS:
		return last ? DENIALS LAST : DENIALS FIRST;
	case LOG_FLOWS:
		return last ? FLOWS LAST : FLOWS FIRST;
	}
	return AUDIT LAST;
}

static void tuple_read(struct db_rows *rows, struct log_row *row)
{
	size_t len = db_column_len(rows, 19);

	row->has_tuple = false;
	memset(&row->tuple, 0, sizeof(row->tuple));
	if (db_column_null(rows, 16) || (len != 4 && len != 16))
		return;
	row->has_tuple = db_column_blob(rows, 19, row->tuple.dst, len) &&
			 db_column_blob(rows, 17, row->tuple.src, len);
	row->tuple.family = len == 4 ? AF_INET : AF_INET6;
	row->tuple.proto = (uint8_t)db_column_int(rows, 16);
	row->tuple.sport = (uint16_t)db_column_int(rows, 18);
	row->tuple.dport = (uint16_t)db_column_int(rows, 20);
}

static void row_read(struct db_rows *rows, struct log_row *row)
{
	row->id = db_column_int(rows, 0);
	row->at_ms = db_column_int(rows, 1);
	row->end_ms = db_column_int(rows, 2);
	row->actor = db_column_text(rows, 3);
	row->action = db_column_text(rows, 4);
	row->object = db_column_text(rows, 5);
	row->user = db_column_text(rows, 6);
	row->device = db_column_text(rows, 7);
	row->resource = db_column_text(rows, 8);
	row->policy = db_column_text(rows, 9);
	row->text = db_column_text(rows, 10);
	row->reporter = db_column_text(rows, 11);
	row->reason = db_column_text(rows, 12);
	row->outbound = db_column_int(rows, 13);
	row->observed = db_column_int(rows, 14);
	row->has_tag = db_column_blob(rows, 15, row->tag, sizeof(row->tag));
	tuple_read(rows, row);
	row->count = (uint64_t)db_column_int(rows, 21);
	row->packets_in = (uint64_t)db_column_int(rows, 22);
	row->packets_out = (uint64_t)db_column_int(rows, 23);
	row->bytes_in = (uint64_t)db_column_int(rows, 24);
	row->bytes_out = (uint64_t)db_column_int(rows, 25);
	row->peer = db_column_text(rows, 26);
}

int store_log_each(struct store *store, const struct log_filter *filter,
		   int (*visit)(void *context, const struct log_row *row), void *context, struct fault *fault)
{
	unsigned int limit = filter->limit && filter->limit <= 1000 ? filter->limit : 1000;
	struct log_row row = { .kind = filter->kind };
	struct db_rows *rows;
	int ret;

	rows = db_query(store->db, fault, sql_of(filter->kind, !filter->after_id),
			DB_VALUES(db_int(filter->after_id), db_text(filter->user), db_text(filter->device),
				  db_text(filter->resource), db_text(filter->policy), db_text(filter->action),
				  db_int(limit)));
	if (!rows)
		return -EIO;
	while ((ret = db_next(rows, fault)) > 0) {
		row_read(rows, &row);
		ret = visit(context, &row);
		if (ret)
			break;
	}
	db_done(rows);
	return ret;
}
