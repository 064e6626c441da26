// SPDX-License-Identifier: GPL-2.0-only
/* Leases: the grants that gateways have been told of. */
#include <errno.h>

#include "store_internal.h"

int store_lease_put(struct store *store, struct lease *lease, struct fault *fault)
{
	int ret;

	ret = db_number(store->db, fault, &lease->id,
			"INSERT INTO leases (device_id, gateway_id, resource_id, policy_id, policy_tag, request_id, "
			"issued_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
			"ON CONFLICT (gateway_id, device_id, resource_id) DO UPDATE SET "
			"policy_id = excluded.policy_id, policy_tag = excluded.policy_tag, "
			"request_id = excluded.request_id, issued_ms = excluded.issued_ms, "
			"expires_ms = excluded.expires_ms RETURNING id",
			DB_VALUES(db_int(lease->device_id), db_int(lease->gateway_id), db_int(lease->resource_id),
				  db_int(lease->policy_id), db_blob(lease->policy_tag, MODEL_TAG_LEN),
				  db_int((int64_t)lease->request_id), db_int(lease->issued_ms),
				  db_int(lease->expires_ms)));
	if (ret == -EBUSY)
		return fault_set(fault, -ENOENT, NULL, "device, gateway, resource or policy do not exist any more");
	return ret > 0 ? 0 : ret;
}

int store_lease_del(struct store *store, int64_t lease_id, struct fault *fault)
{
	int64_t changed = 0;
	int ret = db_run(store->db, fault, &changed, "DELETE FROM leases WHERE id = $1", DB_VALUES(db_int(lease_id)));

	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such lease (any more)");
	return ret;
}

int store_lease_expire(struct store *store, int64_t now_ms, size_t *n, struct fault *fault)
{
	int64_t changed = 0;
	int ret = db_run(store->db, fault, &changed, "DELETE FROM leases WHERE expires_ms <= $1",
			 DB_VALUES(db_int(now_ms)));

	if (n)
		*n = (size_t)changed;
	return ret;
}

int store_lease_each(struct store *store, int (*visit)(void *context, const struct lease *lease), void *context,
		     struct fault *fault)
{
	struct db_rows *rows;
	struct lease lease;
	int ret;

	rows = db_query(store->db, fault,
			"SELECT id, device_id, gateway_id, resource_id, policy_id, policy_tag, request_id, issued_ms, "
			"expires_ms FROM leases ORDER BY gateway_id, device_id, id", DB_VALUES());
	if (!rows)
		return -EIO;
	while ((ret = db_next(rows, fault)) > 0) {
		lease.id = db_column_int(rows, 0);
		lease.device_id = db_column_int(rows, 1);
		lease.gateway_id = db_column_int(rows, 2);
		lease.resource_id = db_column_int(rows, 3);
		lease.policy_id = db_column_int(rows, 4);
		lease.request_id = (uint64_t)db_column_int(rows, 6);
		lease.issued_ms = db_column_int(rows, 7);
		lease.expires_ms = db_column_int(rows, 8);
		if (!db_column_blob(rows, 5, lease.policy_tag, MODEL_TAG_LEN)) {
			ret = fault_set(fault, -EIO, NULL, "the store is damaged: lease %lld", (long long)lease.id);
			break;
		}
		ret = visit(context, &lease);
		if (ret)
			break;
	}
	db_done(rows);
	return ret;
}
