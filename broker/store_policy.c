// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "store_internal.h"
#include "timezone.h"

static int window_check(const struct window *window, struct fault *fault)
{
	if (!window->days || window->days > 0x7f)
		return fault_set(fault, -EINVAL, "days", "a time window needs at least one day");
	if (window->from_min > 1439)
		return fault_set(fault, -EINVAL, "from", "a time window begins between 00:00 and 23:59");
	if (!window->to_min || window->to_min > 1440)
		return fault_set(fault, -EINVAL, "to", "a time window ends between 00:01 and 24:00");
	if (!timezone_get(window->zone))
		return fault_set(fault, -EINVAL, "zone", "'%s' is not in the time zone database", window->zone);
	return 0;
}

static int policy_check(const struct policy *policy, struct fault *fault)
{
	int ret = name_check(policy->name, "policy", fault);

	if (ret)
		return ret;
	if (policy->lease_s < LEASE_MIN_S || policy->lease_s > LEASE_MAX_S)
		return fault_set(fault, -EINVAL, "lease", "a lease is between %d second and %d days", LEASE_MIN_S,
				 LEASE_MAX_S / 86400);
	if (!policy->n_groups || policy->n_groups > POLICY_REFS_MAX)
		return fault_set(fault, -EINVAL, "groups", "a policy names between 1 and %d groups", POLICY_REFS_MAX);
	if (!policy->n_resources || policy->n_resources > POLICY_REFS_MAX)
		return fault_set(fault, -EINVAL, "resources", "a policy names between 1 and %d resources",
				 POLICY_REFS_MAX);
	return policy->has_window ? window_check(&policy->window, fault) : 0;
}

static int references_write(struct store *store, const struct policy *policy, struct fault *fault)
{
	int ret = db_run(store->db, fault, NULL, "DELETE FROM policy_groups WHERE policy_id = $1",
			 DB_VALUES(db_int(policy->id)));

	if (!ret)
		ret = db_run(store->db, fault, NULL, "DELETE FROM policy_resources WHERE policy_id = $1",
			     DB_VALUES(db_int(policy->id)));
	for (size_t i = 0; !ret && i < policy->n_groups; i++) {
		ret = db_run(store->db, fault, NULL,
			     "INSERT INTO policy_groups (policy_id, group_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
			     DB_VALUES(db_int(policy->id), db_int(policy->groups[i])));
		if (ret == -EBUSY)
			ret = fault_set(fault, -EINVAL, "groups", "a group does not exist (any more)");
	}
	for (size_t i = 0; !ret && i < policy->n_resources; i++) {
		ret = db_run(store->db, fault, NULL,
			     "INSERT INTO policy_resources (policy_id, resource_id) VALUES ($1, $2) "
			     "ON CONFLICT DO NOTHING",
			     DB_VALUES(db_int(policy->id), db_int(policy->resources[i])));
		if (ret == -EBUSY)
			ret = fault_set(fault, -EINVAL, "resources", "a resource does not exist (any more)");
	}
	return ret;
}

static int policy_write(struct store *store, struct policy *policy, struct fault *fault)
{
	const char *action = policy->action == POLICY_DENY ? "deny" : "allow";
	const struct window *window = &policy->window;
	struct db_value days = { 0 }, from = { 0 }, to = { 0 }, zone = { 0 };
	int64_t now = store_clock(), changed = 0;
	int ret;

	if (policy->has_window) {
		days = db_int(window->days);
		from = db_int(window->from_min);
		to = db_int(window->to_min);
		zone = db_text(window->zone);
	}
	if (!policy->id) {
		randombytes_buf(policy->tag, sizeof(policy->tag));
		policy->created_ms = now;
		ret = db_number(store->db, fault, &policy->id,
				"INSERT INTO policies (name, action, enabled, lease_s, days, from_min, to_min, zone, tag, "
				"created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
				DB_VALUES(db_text(policy->name), db_text(action), db_int(policy->enabled),
					  db_int(policy->lease_s), days, from, to, zone,
					  db_blob(policy->tag, sizeof(policy->tag)), db_int(now)));
	} else {
		ret = db_run(store->db, fault, &changed,
			     "UPDATE policies SET name = $1, action = $2, enabled = $3, lease_s = $4, days = $5, "
			     "from_min = $6, to_min = $7, zone = $8 WHERE id = $9",
			     DB_VALUES(db_text(policy->name), db_text(action), db_int(policy->enabled),
				       db_int(policy->lease_s), days, from, to, zone, db_int(policy->id)));
		if (!ret && !changed)
			ret = fault_set(fault, -ENOENT, NULL, "there is no such policy (any more)");
	}
	if (ret == -EEXIST)
		fault_set(fault, ret, "name", "a policy named '%s' exists already", policy->name);
	return ret < 0 ? ret : references_write(store, policy, fault);
}

int store_policy_put(struct store *store, struct policy *policy, struct fault *fault)
{
	int64_t id = policy->id;
	int ret = policy_check(policy, fault);

	if (!ret)
		ret = db_begin(store->db, fault);
	if (ret)
		return ret;
	ret = policy_write(store, policy, fault);
	if (!ret)
		ret = db_commit(store->db, fault);
	else
		db_rollback(store->db);
	if (ret)
		policy->id = id;
	return ret;
}

int store_policy_del(struct store *store, int64_t id, struct fault *fault)
{
	int64_t changed = 0;
	int ret = db_run(store->db, fault, &changed, "DELETE FROM policies WHERE id = $1", DB_VALUES(db_int(id)));

	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such policy (any more)");
	return ret;
}
