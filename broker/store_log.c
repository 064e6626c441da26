// SPDX-License-Identifier: GPL-2.0-only
/* The audit log, and what kernels report: refusals and flows. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "store_internal.h"

static struct db_value tag_value(const uint8_t *tag)
{
	return db_blob(tag, MODEL_TAG_LEN);
}

static struct db_value addr_value(const struct tuple *tuple, const uint8_t *addr)
{
	return db_blob(addr, tuple->family == AF_INET ? 4 : 16);
}

int store_audit_add(struct store *store, const struct audit_entry *entry, struct fault *fault)
{
	struct db_value proto = { 0 }, src = { 0 }, sport = { 0 }, dst = { 0 }, dport = { 0 };

	if (entry->tuple) {
		proto = db_int(entry->tuple->proto);
		src = addr_value(entry->tuple, entry->tuple->src);
		sport = db_int(entry->tuple->sport);
		dst = addr_value(entry->tuple, entry->tuple->dst);
		dport = db_int(entry->tuple->dport);
	}
	return db_run(store->db, fault, NULL,
		      "INSERT INTO audit (at_ms, actor, action, object, user_name, device, resource, policy, "
		      "policy_tag, proto, src, sport, dst, dport, text) "
		      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
		      DB_VALUES(db_int(entry->at_ms), db_text(entry->actor), db_text(entry->action),
				db_text(entry->object), db_text(entry->user), db_text(entry->device),
				db_text(entry->resource), db_text(entry->policy), tag_value(entry->policy_tag),
				proto, src, sport, dst, dport, db_text(entry->text)));
}

/* Names are looked up as they are now; a device that is gone leaves its number. */
#define DEVICE_NAME(n) "coalesce((SELECT name FROM devices WHERE id = " n "), 'device ' || " n ")"
/* Of two ends of a tunnel, the one that belongs to a user. */
#define CLIENT_NAME(a, b) "(SELECT name FROM devices WHERE id IN (" a ", " b ") AND user_id IS NOT NULL LIMIT 1)"

static int denial_write(struct store *store, int64_t reporter_id, const struct denial_entry *entry,
			struct fault *fault)
{
	const struct tuple *tuple = &entry->tuple;

	return db_run(store->db, fault, NULL,
		      "INSERT INTO denials (at_ms, reporter, peer, user_name, outbound, observed, reason, resource, "
		      "policy_tag, policy, proto, src, sport, dst, dport, count, text, device) "
		      "VALUES ($1, " DEVICE_NAME("$2") ", (SELECT name FROM devices WHERE id = $3), "
		      "(SELECT users.name FROM users JOIN devices ON user_id = users.id "
		      " WHERE devices.id IN ($2, $3) LIMIT 1), $4, $5, $6, $7, $8, "
		      "(SELECT name FROM policies WHERE tag = $8), $9, $10, $11, $12, $13, $14, $15, " CLIENT_NAME("$2", "$3") ")",
		      DB_VALUES(db_int(entry->at_ms), db_int(reporter_id), db_ref(entry->peer_id),
				db_int(entry->outbound), db_int(entry->observed), db_text(entry->reason),
				db_text(entry->resource), tag_value(entry->policy_tag), db_int(tuple->proto),
				addr_value(tuple, tuple->src), db_int(tuple->sport), addr_value(tuple, tuple->dst),
				db_int(tuple->dport), db_int((int64_t)entry->count), db_text(entry->text)));
}

static int flow_write(struct store *store, int64_t reporter_id, const struct flow_entry *entry, struct fault *fault)
{
	const struct tuple *tuple = &entry->tuple;

	return db_run(store->db, fault, NULL,
		      "INSERT INTO flows (start_ms, end_ms, reporter, peer, user_name, end_reason, resource, policy_tag, "
		      "policy, proto, src, sport, dst, dport, packets_in, packets_out, bytes_in, bytes_out, device) "
		      "VALUES ($1, $2, " DEVICE_NAME("$3") ", (SELECT name FROM devices WHERE id = $4), "
		      "(SELECT users.name FROM users JOIN devices ON user_id = users.id "
		      " WHERE devices.id IN ($3, $4) LIMIT 1), $5, $6, $7, "
		      "(SELECT name FROM policies WHERE tag = $7), $8, $9, $10, $11, $12, $13, $14, $15, $16, "
		      CLIENT_NAME("$3", "$4") ")",
		      DB_VALUES(db_int(entry->start_ms), db_ref(entry->end_ms), db_int(reporter_id),
				db_ref(entry->peer_id), db_text(entry->end), db_text(entry->resource),
				tag_value(entry->policy_tag), db_int(tuple->proto), addr_value(tuple, tuple->src),
				db_int(tuple->sport), addr_value(tuple, tuple->dst), db_int(tuple->dport),
				db_int((int64_t)entry->packets_in), db_int((int64_t)entry->packets_out),
				db_int((int64_t)entry->bytes_in), db_int((int64_t)entry->bytes_out)));
}

int store_report_get(struct store *store, int64_t reporter_id, struct report_state *state, struct fault *fault)
{
	struct db_rows *rows;
	int ret;

	memset(state, 0, sizeof(*state));
	rows = db_query(store->db, fault,
			"SELECT epoch, denial_sequence, flow_sequence FROM reports WHERE device_id = $1",
			DB_VALUES(db_int(reporter_id)));
	ret = rows ? db_next(rows, fault) : -EIO;
	if (ret > 0) {
		state->epoch = (uint64_t)db_column_int(rows, 0);
		state->denial_sequence = (uint64_t)db_column_int(rows, 1);
		state->flow_sequence = (uint64_t)db_column_int(rows, 2);
	}
	db_done(rows);
	return ret > 0 ? 0 : ret;
}

static int report_state_set(struct store *store, int64_t reporter_id, const struct report_state *state,
			    struct fault *fault)
{
	int ret;

	ret = db_run(store->db, fault, NULL,
		     "INSERT INTO reports (device_id, epoch, denial_sequence, flow_sequence) VALUES ($1, $2, $3, $4) "
		     "ON CONFLICT (device_id) DO UPDATE SET epoch = excluded.epoch, "
		     "denial_sequence = excluded.denial_sequence, flow_sequence = excluded.flow_sequence",
		     DB_VALUES(db_int(reporter_id), db_int((int64_t)state->epoch),
			       db_int((int64_t)state->denial_sequence), db_int((int64_t)state->flow_sequence)));
	if (ret == -EBUSY)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such device (any more)");
	return ret;
}

static int report_write(struct store *store, int64_t reporter_id, struct report_state *state,
			const struct denial_entry *denials, size_t n_denials, const struct flow_entry *flows,
			size_t n_flows, struct fault *fault)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n_denials; i++) {
		if (denials[i].sequence <= state->denial_sequence)
			continue;
		ret = denials[i].dropped ? 0 : denial_write(store, reporter_id, &denials[i], fault);
		state->denial_sequence = denials[i].sequence;
	}
	for (size_t i = 0; !ret && i < n_flows; i++) {
		if (flows[i].sequence <= state->flow_sequence)
			continue;
		ret = flows[i].dropped ? 0 : flow_write(store, reporter_id, &flows[i], fault);
		state->flow_sequence = flows[i].sequence;
	}
	return ret ? ret : report_state_set(store, reporter_id, state, fault);
}

int store_report_add(struct store *store, int64_t reporter_id, uint64_t epoch,
		     const struct denial_entry *denials, size_t n_denials,
		     const struct flow_entry *flows, size_t n_flows, struct report_state *state,
		     struct fault *fault)
{
	struct report_state now;
	int ret;

	if (!epoch)
		return fault_set(fault, -EINVAL, NULL, "a report needs an epoch");
	ret = db_begin(store->db, fault);
	if (ret)
		return ret;
	ret = store_report_get(store, reporter_id, &now, fault);
	if (!ret && now.epoch != epoch)
		now = (struct report_state){ .epoch = epoch };
	if (!ret)
		ret = report_write(store, reporter_id, &now, denials, n_denials, flows, n_flows, fault);
	if (!ret)
		ret = db_commit(store->db, fault);
	else
		db_rollback(store->db);
	if (!ret && state)
		*state = now;
	return ret;
}

static int trim_age(struct store *store, int64_t before_ms, size_t *n, struct fault *fault)
{
	int64_t denials = 0, flows = 0;
	int ret;

	ret = db_run(store->db, fault, &denials, "DELETE FROM denials WHERE at_ms < $1", DB_VALUES(db_int(before_ms)));
	if (!ret)
		ret = db_run(store->db, fault, &flows,
			     "DELETE FROM flows WHERE start_ms < $1 AND (end_ms IS NULL OR end_ms < $1)",
			     DB_VALUES(db_int(before_ms)));
	*n += (size_t)(denials + flows);
	return ret;
}

/* Ids are never used again, so the newest @rows have the highest ones. */
static int trim_rows(struct store *store, int64_t rows, size_t *n, struct fault *fault)
{
	static const char *const deletes[] = {
		"DELETE FROM denials WHERE id <= (SELECT max(id) FROM denials) - $1",
		"DELETE FROM flows WHERE id <= (SELECT max(id) FROM flows) - $1",
		/* the trigger lets go what is older than this alone */
		"INSERT INTO meta (key, number) SELECT 'audit_trimmed', max(id) - $1 FROM audit WHERE true "
		"ON CONFLICT (key) DO UPDATE SET number = excluded.number WHERE excluded.number > meta.number",
	};
	int64_t removed = 0;
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(deletes) / sizeof(*deletes); i++) {
		*n += (size_t)removed;
		ret = db_run(store->db, fault, &removed, deletes[i], DB_VALUES(db_int(rows)));
	}
	removed = 0;
	if (!ret)
		ret = db_run(store->db, fault, &removed, "DELETE FROM audit WHERE id <= "
			     "(SELECT number FROM meta WHERE key = 'audit_trimmed')", NULL, 0);
	*n += (size_t)removed;
	return ret;
}

int store_log_trim(struct store *store, int64_t before_ms, int64_t rows, size_t *n, struct fault *fault)
{
	size_t removed = 0;
	int ret = db_begin(store->db, fault);

	if (ret)
		return ret;
	ret = trim_age(store, before_ms, &removed, fault);
	if (!ret)
		ret = trim_rows(store, rows, &removed, fault);
	if (!ret)
		ret = db_commit(store->db, fault);
	else
		db_rollback(store->db);
	if (!ret && n)
		*n = removed;
	return ret;
}
