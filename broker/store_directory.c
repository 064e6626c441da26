// SPDX-License-Identifier: GPL-2.0-only
/* The store's objects as a directory: read in one transaction, parts of objects in the order of their owners. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "directory.h"
#include "store_internal.h"
#include "timezone.h"

/**
 * struct list - rows of a query as an array
 * @owners: per row, the object that it is a part of; NULL when the rows are the objects
 */
struct list {
	char *items;
	int64_t *owners;
	size_t n, room, size;
};

struct loader {
	struct store *store;
	struct directory *dir;
	struct fault *fault;
};

static int list_grow(struct list *list, bool owned, struct fault *fault)
{
	size_t room = list->room ? 2 * list->room : 64;
	int64_t *owners;
	char *items;

	if (list->n < list->room)
		return 0;
	items = realloc(list->items, room * list->size);
	if (items)
		list->items = items;
	owners = owned ? realloc(list->owners, room * sizeof(*owners)) : NULL;
	if (owners)
		list->owners = owners;
	if (!items || (owned && !owners))
		return fault_set(fault, -ENOMEM, NULL, STORE_OUT_OF_MEMORY);
	list->room = room;
	return 0;
}

/* Reads all rows; @read makes an item of one. When @owned, column 0 is the owner. */
static int list_read(struct loader *loader, struct list *list, bool owned, const char *sql,
		     int (*read)(struct loader *loader, struct db_rows *rows, void *item))
{
	struct db_rows *rows = db_query(loader->store->db, loader->fault, sql, DB_VALUES());
	int ret;

	if (!rows)
		return -EIO;
	while ((ret = db_next(rows, loader->fault)) > 0) {
		ret = list_grow(list, owned, loader->fault);
		if (ret)
			break;
		memset(list->items + list->n * list->size, 0, list->size);
		if (owned)
			list->owners[list->n] = db_column_int(rows, 0);
		ret = read(loader, rows, list->items + list->n * list->size);
		if (ret)
			break;
		list->n++;
	}
	db_done(rows);
	return ret;
}

static int damaged(struct loader *loader, const char *what, int64_t id)
{
	return fault_set(loader->fault, -EIO, NULL, "the store is damaged: %s %lld", what, (long long)id);
}

static bool name_read(struct db_rows *rows, int column, char name[NAME_LEN_MAX + 1])
{
	const char *text = db_column_text(rows, column);

	if (!text || strlen(text) > NAME_LEN_MAX)
		return false;
	strcpy(name, text);
	return true;
}

static int read_user(struct loader *loader, struct db_rows *rows, void *item)
{
	struct user *user = item;

	user->id = db_column_int(rows, 0);
	user->enabled = db_column_int(rows, 2);
	user->created_ms = db_column_int(rows, 3);
	return name_read(rows, 1, user->name) ? 0 : damaged(loader, "user", user->id);
}

static int read_group(struct loader *loader, struct db_rows *rows, void *item)
{
	struct group *group = item;

	group->id = db_column_int(rows, 0);
	group->created_ms = db_column_int(rows, 2);
	return name_read(rows, 1, group->name) ? 0 : damaged(loader, "group", group->id);
}

static int read_site(struct loader *loader, struct db_rows *rows, void *item)
{
	struct site *site = item;

	site->id = db_column_int(rows, 0);
	site->masquerade = db_column_int(rows, 2);
	site->created_ms = db_column_int(rows, 3);
	return name_read(rows, 1, site->name) ? 0 : damaged(loader, "site", site->id);
}

static int read_device(struct loader *loader, struct db_rows *rows, void *item)
{
	return device_read(loader->store, rows, item, loader->fault);
}

static int read_resource(struct loader *loader, struct db_rows *rows, void *item)
{
	struct resource *resource = item;

	resource->id = db_column_int(rows, 0);
	resource->site_id = db_column_int(rows, 2);
	resource->created_ms = db_column_int(rows, 3);
	return name_read(rows, 1, resource->name) ? 0 : damaged(loader, "resource", resource->id);
}

static int read_policy(struct loader *loader, struct db_rows *rows, void *item)
{
	struct policy *policy = item;
	const char *action = db_column_text(rows, 3), *zone = db_column_text(rows, 9);

	policy->id = db_column_int(rows, 0);
	policy->enabled = db_column_int(rows, 4);
	policy->lease_s = (uint32_t)db_column_int(rows, 5);
	policy->has_window = zone;
	policy->created_ms = db_column_int(rows, 10);
	if (!name_read(rows, 1, policy->name) || !db_column_blob(rows, 2, policy->tag, sizeof(policy->tag)) || !action)
		return damaged(loader, "policy", policy->id);
	policy->action = strcmp(action, "allow") ? POLICY_DENY : POLICY_ALLOW;
	if (!zone)
		return 0;
	if (strlen(zone) >= sizeof(policy->window.zone))
		return damaged(loader, "policy", policy->id);
	strcpy(policy->window.zone, zone);
	policy->window.days = (uint8_t)db_column_int(rows, 6);
	policy->window.from_min = (uint16_t)db_column_int(rows, 7);
	policy->window.to_min = (uint16_t)db_column_int(rows, 8);
	policy->zone = timezone_get(zone);	/* NULL when the database of zones lost it: see decision.c */
	return 0;
}

static int read_reference(struct loader *loader, struct db_rows *rows, void *item)
{
	(void)loader;
	*(int64_t *)item = db_column_int(rows, 1);
	return 0;
}

static int read_prefix(struct loader *loader, struct db_rows *rows, void *item)
{
	struct prefix *prefix = item;
	size_t len = db_column_len(rows, 1);

	prefix->family = len == 4 ? AF_INET : AF_INET6;
	prefix->bits = (uint8_t)db_column_int(rows, 2);
	if ((len != 4 && len != 16) || prefix->bits > 8 * len || !db_column_blob(rows, 1, prefix->addr, len))
		return damaged(loader, "a prefix of object", db_column_int(rows, 0));
	return 0;
}

static int read_service(struct loader *loader, struct db_rows *rows, void *item)
{
	struct service *service = item;

	(void)loader;
	service->proto = (uint8_t)db_column_int(rows, 1);
	service->first = (uint16_t)db_column_int(rows, 2);
	service->last = (uint16_t)db_column_int(rows, 3);
	return 0;
}

#define OBJECTS(noun, sql, read) \
	do { \
		struct list list = { .size = sizeof(*dir->noun) }; \
		int ret = list_read(loader, &list, false, sql, read); \
		dir->noun = (void *)list.items; \
		dir->n_##noun = list.n; \
		if (ret) \
			return ret; \
	} while (0)

/* Parts come ordered by owner, owners by id: one walk gives each owner its stretch of the pool. */
#define PARTS(pool, owners_noun, field, sql, read) \
	do { \
		struct list list = { .size = sizeof(*dir->owners_noun->field) }; \
		int ret = list_read(loader, &list, true, sql, read); \
		size_t at = 0; \
		dir->pools[pool] = list.items; \
		for (size_t i = 0; !ret && i < dir->n_##owners_noun; i++) { \
			size_t first = at; \
			while (at < list.n && list.owners[at] == dir->owners_noun[i].id) \
				at++; \
			dir->owners_noun[i].field = at > first ? (void *)(list.items + first * list.size) : NULL; \
			dir->owners_noun[i].n_##field = at - first; \
		} \
		free(list.owners); \
		if (ret) \
			return ret; \
	} while (0)

static int read_objects(struct loader *loader)
{
	struct directory *dir = loader->dir;

	OBJECTS(users, "SELECT id, name, enabled, created_ms FROM users ORDER BY id", read_user);
	OBJECTS(groups, "SELECT id, name, created_ms FROM groups ORDER BY id", read_group);
	OBJECTS(sites, "SELECT id, name, masquerade, created_ms FROM sites ORDER BY id", read_site);
	OBJECTS(devices, "SELECT " DEVICE_COLUMNS " FROM devices ORDER BY id", read_device);
	OBJECTS(resources, "SELECT id, name, site_id, created_ms FROM resources ORDER BY id", read_resource);
	OBJECTS(policies, "SELECT id, name, tag, action, enabled, lease_s, days, from_min, to_min, zone, created_ms "
		"FROM policies ORDER BY id", read_policy);
	return 0;
}

static int read_parts(struct loader *loader)
{
	struct directory *dir = loader->dir;

	PARTS(0, users, groups, "SELECT user_id, group_id FROM memberships ORDER BY user_id, group_id",
	      read_reference);
	PARTS(1, sites, prefixes, "SELECT site_id, address, bits FROM site_prefixes "
	      "ORDER BY site_id, length(address), address, bits", read_prefix);
	PARTS(2, resources, prefixes, "SELECT resource_id, address, bits FROM resource_prefixes "
	      "ORDER BY resource_id, length(address), address, bits", read_prefix);
	PARTS(3, resources, services, "SELECT resource_id, proto, port_first, port_last FROM resource_services "
	      "ORDER BY resource_id, proto, port_first, port_last", read_service);
	PARTS(4, policies, groups, "SELECT policy_id, group_id FROM policy_groups ORDER BY policy_id, group_id",
	      read_reference);
	PARTS(5, policies, resources, "SELECT policy_id, resource_id FROM policy_resources "
	      "ORDER BY policy_id, resource_id", read_reference);
	return 0;
}

struct directory *store_directory(struct store *store, struct fault *fault)
{
	struct directory *dir = calloc(1, sizeof(*dir));
	struct loader loader = { store, dir, fault };
	int ret;

	if (!dir) {
		fault_set(fault, -ENOMEM, NULL, STORE_OUT_OF_MEMORY);
		return NULL;
	}
	dir->overlay4 = store->overlay4;
	dir->overlay6 = store->overlay6;
	ret = db_begin(store->db, fault);
	if (!ret) {
		ret = read_objects(&loader);
		if (!ret)
			ret = read_parts(&loader);
		db_rollback(store->db);
	}
	if (!ret && directory_index(dir))
		ret = fault_set(fault, -ENOMEM, NULL, STORE_OUT_OF_MEMORY);
	if (!ret)
		return dir;
	directory_free(dir);
	return NULL;
}
