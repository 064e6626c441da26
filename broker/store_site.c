// SPDX-License-Identifier: GPL-2.0-only
/* Sites and the resources in them. A resource lies within the prefixes of its site, always. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "prefix.h"
#include "store_internal.h"

static int prefixes_check(const struct prefix *prefixes, size_t n, size_t max, const char *what, struct fault *fault)
{
	char text[PREFIX_TEXT_SIZE];

	if (!n)
		return fault_set(fault, -EINVAL, "prefixes", "a %s needs at least one prefix", what);
	if (n > max)
		return fault_set(fault, -EINVAL, "prefixes", "a %s has at most %zu prefixes", what, max);
	for (size_t i = 0; i < n; i++) {
		struct prefix masked = prefixes[i];

		prefix_format(&prefixes[i], text);
		if (!prefix_mask(&masked))
			return fault_set(fault, -EINVAL, "prefixes", "%s has bits set after its length", text);
		if (!prefix_unicast(&prefixes[i]))
			return fault_set(fault, -EINVAL, "prefixes", "%s holds addresses that no host can have", text);
	}
	return 0;
}

static int overlay_avoid(const struct store *store, const struct prefix *prefixes, size_t n, struct fault *fault)
{
	char text[PREFIX_TEXT_SIZE], overlay[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < n; i++) {
		const struct prefix *hit = NULL;

		if (prefix_overlaps(&prefixes[i], &store->overlay4))
			hit = &store->overlay4;
		else if (prefix_overlaps(&prefixes[i], &store->overlay6))
			hit = &store->overlay6;
		if (hit)
			return fault_set(fault, -EINVAL, "prefixes", "%s overlaps the overlay %s, where devices live",
					 prefix_format(&prefixes[i], text), prefix_format(hit, overlay));
	}
	return 0;
}

/* Reads address and bits from columns 0 and 1. */
static int prefix_read(struct db_rows *rows, struct prefix *prefix, struct fault *fault)
{
	size_t len = db_column_len(rows, 0);

	memset(prefix, 0, sizeof(*prefix));
	prefix->family = len == 4 ? AF_INET : AF_INET6;
	prefix->bits = (uint8_t)db_column_int(rows, 1);
	if ((len != 4 && len != 16) || !db_column_blob(rows, 0, prefix->addr, len))
		return fault_set(fault, -EIO, NULL, "the store is damaged: an address has %zu bytes", len);
	return 0;
}

static bool within(const struct prefix *prefix, const struct prefix *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_contains(&list[i], prefix))
			return true;
	return false;
}

/* Are all resources of the site within @site's (new) prefixes? */
static int resources_fit(struct store *store, const struct site *site, struct fault *fault)
{
	char text[PREFIX_TEXT_SIZE];
	struct prefix prefix;
	struct db_rows *rows;
	int ret;

	rows = db_query(store->db, fault,
			"SELECT address, bits, name FROM resource_prefixes JOIN resources ON resource_id = id "
			"WHERE site_id = $1", DB_VALUES(db_int(site->id)));
	if (!rows)
		return -EIO;
	while ((ret = db_next(rows, fault)) > 0) {
		ret = prefix_read(rows, &prefix, fault);
		if (ret)
			break;
		if (within(&prefix, site->prefixes, site->n_prefixes))
			continue;
		ret = fault_set(fault, -EINVAL, "prefixes", "resource '%s' has %s, which the site would not reach any more",
				db_column_text(rows, 2), prefix_format(&prefix, text));
		break;
	}
	db_done(rows);
	return ret;
}

static int site_write(struct store *store, struct site *site, struct fault *fault)
{
	int64_t now = store_clock(), changed = 0;
	int ret;

	if (!site->id) {
		ret = db_number(store->db, fault, &site->id,
				"INSERT INTO sites (name, masquerade, created_ms) VALUES ($1, $2, $3) RETURNING id",
				DB_VALUES(db_text(site->name), db_int(site->masquerade), db_int(now)));
		site->created_ms = now;
	} else {
		ret = db_run(store->db, fault, &changed, "UPDATE sites SET name = $1, masquerade = $2 WHERE id = $3",
			     DB_VALUES(db_text(site->name), db_int(site->masquerade), db_int(site->id)));
		if (!ret && !changed)
			ret = fault_set(fault, -ENOENT, NULL, "there is no such site (any more)");
	}
	if (ret == -EEXIST)
		fault_set(fault, ret, "name", "a site named '%s' exists already", site->name);
	if (ret >= 0)
		ret = db_run(store->db, fault, NULL, "DELETE FROM site_prefixes WHERE site_id = $1",
			     DB_VALUES(db_int(site->id)));
	for (size_t i = 0; !ret && i < site->n_prefixes; i++) {
		const struct prefix *prefix = &site->prefixes[i];

		ret = db_run(store->db, fault, NULL,
			     "INSERT INTO site_prefixes (site_id, address, bits) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
			     DB_VALUES(db_int(site->id), db_blob(prefix->addr, prefix_len(prefix)),
				       db_int(prefix->bits)));
	}
	return ret;
}

int store_site_put(struct store *store, struct site *site, struct fault *fault)
{
	int64_t id = site->id;
	int ret = name_check(site->name, "site", fault);

	if (!ret)
		ret = prefixes_check(site->prefixes, site->n_prefixes, SITE_PREFIXES_MAX, "site", fault);
	if (!ret)
		ret = overlay_avoid(store, site->prefixes, site->n_prefixes, fault);
	if (!ret)
		ret = db_begin(store->db, fault);
	if (ret)
		return ret;
	ret = site_write(store, site, fault);
	if (!ret)
		ret = resources_fit(store, site, fault);
	if (!ret)
		ret = db_commit(store->db, fault);
	else
		db_rollback(store->db);
	if (ret)
		site->id = id;
	return ret;
}

/* -EBUSY with @sentence, which takes the name that @sql finds. */
static int unused(struct store *store, struct fault *fault, const char *sql, int64_t id, const char *what,
		  const char *user)
{
	struct db_rows *rows = db_query(store->db, fault, sql, DB_VALUES(db_int(id)));
	int ret = rows ? db_next(rows, fault) : -EIO;

	if (ret > 0)
		ret = fault_set(fault, -EBUSY, NULL, "the %s is used by %s '%s'", what, user, db_column_text(rows, 0));
	db_done(rows);
	return ret;
}

int store_site_del(struct store *store, int64_t id, struct fault *fault)
{
	int64_t changed = 0;
	int ret;

	ret = unused(store, fault, "SELECT name FROM resources WHERE site_id = $1 ORDER BY name LIMIT 1", id,
		     "site", "resource");
	if (!ret)
		ret = unused(store, fault, "SELECT name FROM devices WHERE site_id = $1 ORDER BY name LIMIT 1", id,
			     "site", "gateway");
	if (!ret)
		ret = db_run(store->db, fault, &changed, "DELETE FROM sites WHERE id = $1", DB_VALUES(db_int(id)));
	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such site (any more)");
	return ret;
}

static int services_check(const struct resource *resource, struct fault *fault)
{
	if (resource->n_services > RESOURCE_SERVICES_MAX)
		return fault_set(fault, -EINVAL, "services", "a resource has at most %d services",
				 RESOURCE_SERVICES_MAX);
	for (size_t i = 0; i < resource->n_services; i++) {
		const struct service *service = &resource->services[i];

		if (service->first > service->last)
			return fault_set(fault, -EINVAL, "services", "ports %u-%u run backwards", service->first,
					 service->last);
		if (!proto_has_ports(service->proto) && (service->first || service->last != UINT16_MAX))
			return fault_set(fault, -EINVAL, "services", "protocol %u has no ports", service->proto);
	}
	return 0;
}

/* The site exists and reaches every prefix. */
static int resource_fits(struct store *store, const struct resource *resource, struct fault *fault)
{
	struct prefix have[SITE_PREFIXES_MAX];
	char text[PREFIX_TEXT_SIZE];
	struct db_rows *rows;
	size_t n = 0;
	int ret;

	rows = db_query(store->db, fault, "SELECT address, bits FROM site_prefixes WHERE site_id = $1",
			DB_VALUES(db_int(resource->site_id)));
	if (!rows)
		return -EIO;
	while ((ret = db_next(rows, fault)) > 0 && n < SITE_PREFIXES_MAX) {
		ret = prefix_read(rows, &have[n++], fault);
		if (ret)
			break;
	}
	db_done(rows);
	if (ret < 0)
		return ret;
	if (!n)
		return fault_set(fault, -EINVAL, "site", "the site does not exist (any more)");
	for (size_t i = 0; i < resource->n_prefixes; i++)
		if (!within(&resource->prefixes[i], have, n))
			return fault_set(fault, -EINVAL, "prefixes", "%s is in no prefix of its site",
					 prefix_format(&resource->prefixes[i], text));
	return 0;
}

static int resource_parts_write(struct store *store, const struct resource *resource, struct fault *fault)
{
	int ret = db_run(store->db, fault, NULL, "DELETE FROM resource_prefixes WHERE resource_id = $1",
			 DB_VALUES(db_int(resource->id)));

	if (!ret)
		ret = db_run(store->db, fault, NULL, "DELETE FROM resource_services WHERE resource_id = $1",
			     DB_VALUES(db_int(resource->id)));
	for (size_t i = 0; !ret && i < resource->n_prefixes; i++) {
		const struct prefix *prefix = &resource->prefixes[i];

		ret = db_run(store->db, fault, NULL,
			     "INSERT INTO resource_prefixes (resource_id, address, bits) VALUES ($1, $2, $3) "
			     "ON CONFLICT DO NOTHING",
			     DB_VALUES(db_int(resource->id), db_blob(prefix->addr, prefix_len(prefix)),
				       db_int(prefix->bits)));
	}
	for (size_t i = 0; !ret && i < resource->n_services; i++) {
		const struct service *service = &resource->services[i];

		ret = db_run(store->db, fault, NULL,
			     "INSERT INTO resource_services (resource_id, proto, port_first, port_last) "
			     "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			     DB_VALUES(db_int(resource->id), db_int(service->proto), db_int(service->first),
				       db_int(service->last)));
	}
	return ret;
}

static int resource_write(struct store *store, struct resource *resource, struct fault *fault)
{
	int64_t now = store_clock(), changed = 0;
	int ret;

	if (!resource->id) {
		ret = db_number(store->db, fault, &resource->id,
				"INSERT INTO resources (name, site_id, created_ms) VALUES ($1, $2, $3) RETURNING id",
				DB_VALUES(db_text(resource->name), db_int(resource->site_id), db_int(now)));
		resource->created_ms = now;
	} else {
		ret = db_run(store->db, fault, &changed, "UPDATE resources SET name = $1, site_id = $2 WHERE id = $3",
			     DB_VALUES(db_text(resource->name), db_int(resource->site_id), db_int(resource->id)));
		if (!ret && !changed)
			ret = fault_set(fault, -ENOENT, NULL, "there is no such resource (any more)");
	}
	if (ret == -EEXIST)
		fault_set(fault, ret, "name", "a resource named '%s' exists already", resource->name);
	return ret < 0 ? ret : resource_parts_write(store, resource, fault);
}

int store_resource_put(struct store *store, struct resource *resource, struct fault *fault)
{
	int64_t id = resource->id;
	int ret = name_check(resource->name, "resource", fault);

	if (!ret)
		ret = prefixes_check(resource->prefixes, resource->n_prefixes, RESOURCE_PREFIXES_MAX, "resource", fault);
	if (!ret)
		ret = services_check(resource, fault);
	if (!ret)
		ret = db_begin(store->db, fault);
	if (ret)
		return ret;
	ret = resource_fits(store, resource, fault);
	if (!ret)
		ret = resource_write(store, resource, fault);
	if (!ret)
		ret = db_commit(store->db, fault);
	else
		db_rollback(store->db);
	if (ret)
		resource->id = id;
	return ret;
}

int store_resource_del(struct store *store, int64_t id, struct fault *fault)
{
	int64_t changed = 0;
	int ret;

	ret = unused(store, fault,
		     "SELECT name FROM policies JOIN policy_resources ON policy_id = id "
		     "WHERE resource_id = $1 ORDER BY name LIMIT 1", id, "resource", "policy");
	if (!ret)
		ret = db_run(store->db, fault, &changed, "DELETE FROM resources WHERE id = $1", DB_VALUES(db_int(id)));
	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such resource (any more)");
	return ret;
}
