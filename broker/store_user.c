// SPDX-License-Identifier: GPL-2.0-only
/* Users, groups, and who is in which. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "store_internal.h"

int name_check(const char *name, const char *what, struct fault *fault)
{
	size_t len = strlen(name);

	if (!len)
		return fault_set(fault, -EINVAL, "name", "a %s needs a name", what);
	if (len > NAME_LEN_MAX)
		return fault_set(fault, -EINVAL, "name", "the %s's name is longer than %d bytes", what, NAME_LEN_MAX);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		bool plain = c < 0x80 && isalnum(c);

		if (!plain && (!i || !strchr("._-@", c)))
			return fault_set(fault, -EINVAL, "name",
					 "'%s' is no name for a %s: letters, digits and . _ - @ after the first",
					 name, what);
	}
	return 0;
}

static int memberships_set(struct store *store, const struct user *user, struct fault *fault)
{
	int ret = db_run(store->db, fault, NULL, "DELETE FROM memberships WHERE user_id = $1",
			 DB_VALUES(db_int(user->id)));

	for (size_t i = 0; !ret && i < user->n_groups; i++) {
		ret = db_run(store->db, fault, NULL,
			     "INSERT INTO memberships (user_id, group_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
			     DB_VALUES(db_int(user->id), db_int(user->groups[i])));
		if (ret == -EBUSY)
			ret = fault_set(fault, -EINVAL, "groups", "a group does not exist (any more)");
	}
	return ret;
}

static int user_write(struct store *store, struct user *user, struct fault *fault)
{
	int64_t now = store_clock(), changed = 0;
	int ret;

	if (!user->id) {
		ret = db_number(store->db, fault, &user->id,
				"INSERT INTO users (name, enabled, created_ms) VALUES ($1, $2, $3) RETURNING id",
				DB_VALUES(db_text(user->name), db_int(user->enabled), db_int(now)));
		user->created_ms = now;
		return ret > 0 ? 0 : ret;
	}
	ret = db_run(store->db, fault, &changed, "UPDATE users SET name = $1, enabled = $2 WHERE id = $3",
		     DB_VALUES(db_text(user->name), db_int(user->enabled), db_int(user->id)));
	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such user (any more)");
	return ret;
}

int store_user_put(struct store *store, struct user *user, struct fault *fault)
{
	int64_t id = user->id;
	int ret = name_check(user->name, "user", fault);

	if (!ret)
		ret = db_begin(store->db, fault);
	if (ret)
		return ret;
	ret = user_write(store, user, fault);
	if (ret == -EEXIST)
		fault_set(fault, ret, "name", "a user named '%s' exists already", user->name);
	if (!ret)
		ret = memberships_set(store, user, fault);
	if (!ret)
		ret = db_commit(store->db, fault);
	else
		db_rollback(store->db);
	if (ret)
		user->id = id;
	return ret;
}

int store_user_del(struct store *store, int64_t id, struct fault *fault)
{
	int64_t changed = 0;
	int ret = db_run(store->db, fault, &changed, "DELETE FROM users WHERE id = $1", DB_VALUES(db_int(id)));

	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such user (any more)");
	return ret;
}

int store_group_put(struct store *store, struct group *group, struct fault *fault)
{
	int64_t now = store_clock(), changed = 0;
	int ret = name_check(group->name, "group", fault);

	if (ret)
		return ret;
	if (group->id) {
		ret = db_run(store->db, fault, &changed, "UPDATE groups SET name = $1 WHERE id = $2",
			     DB_VALUES(db_text(group->name), db_int(group->id)));
		if (!ret && !changed)
			ret = fault_set(fault, -ENOENT, NULL, "there is no such group (any more)");
	} else {
		ret = db_number(store->db, fault, &group->id,
				"INSERT INTO groups (name, created_ms) VALUES ($1, $2) RETURNING id",
				DB_VALUES(db_text(group->name), db_int(now)));
		group->created_ms = now;
	}
	if (ret == -EEXIST)
		fault_set(fault, ret, "name", "a group named '%s' exists already", group->name);
	return ret > 0 ? 0 : ret;
}

int store_group_del(struct store *store, int64_t id, struct fault *fault)
{
	struct db_rows *rows;
	int64_t changed = 0;
	int ret;

	rows = db_query(store->db, fault,
			"SELECT policies.name FROM policies JOIN policy_groups ON policy_id = policies.id "
			"WHERE group_id = $1 ORDER BY policies.name LIMIT 1", DB_VALUES(db_int(id)));
	ret = rows ? db_next(rows, fault) : -EIO;
	if (ret > 0)
		ret = fault_set(fault, -EBUSY, NULL, "the group is used by policy '%s'", db_column_text(rows, 0));
	db_done(rows);
	if (ret)
		return ret;
	ret = db_run(store->db, fault, &changed, "DELETE FROM groups WHERE id = $1", DB_VALUES(db_int(id)));
	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such group (any more)");
	return ret;
}
