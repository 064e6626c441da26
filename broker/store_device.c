// SPDX-License-Identifier: GPL-2.0-only
/* Devices: their addresses, what an admin and what their agent may change. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "store_internal.h"

/* The device's number is counted up from the start of both overlay prefixes. */
static void address_at(const struct prefix *overlay, uint32_t host, struct prefix *address)
{
	size_t len = prefix_len(overlay);
	uint32_t low;

	*address = *overlay;
	address->bits = (uint8_t)(8 * len);
	memcpy(&low, address->addr + len - 4, 4);
	low = htonl(ntohl(low) + host);
	memcpy(address->addr + len - 4, &low, 4);
}

void device_addresses(const struct store *store, struct device *device)
{
	address_at(&store->overlay4, device->host, &device->overlay4);
	address_at(&store->overlay6, device->host, &device->overlay6);
}

int device_read(const struct store *store, struct db_rows *rows, struct device *device, struct fault *fault)
{
	const char *name = db_column_text(rows, 1), *role = db_column_text(rows, 2);

	memset(device, 0, sizeof(*device));
	device->id = db_column_int(rows, 0);
	device->user_id = db_column_int(rows, 3);
	device->site_id = db_column_int(rows, 4);
	device->enabled = db_column_int(rows, 5);
	device->host = (uint32_t)db_column_int(rows, 8);
	device->created_ms = db_column_int(rows, 9);
	if (!name || strlen(name) > NAME_LEN_MAX || !role ||
	    !db_column_blob(rows, 6, device->control_key, MODEL_KEY_LEN) ||
	    !db_column_blob(rows, 7, device->tunnel_key, MODEL_KEY_LEN))
		return fault_set(fault, -EIO, NULL, "the store is damaged: device %lld", (long long)device->id);
	strcpy(device->name, name);
	device->role = strcmp(role, "gateway") ? DEVICE_CLIENT : DEVICE_GATEWAY;
	device_addresses(store, device);
	return 0;
}

int store_device_put(struct store *store, const struct device *device, struct fault *fault)
{
	int64_t changed = 0;
	int ret = name_check(device->name, "device", fault);

	if (ret)
		return ret;
	ret = db_run(store->db, fault, &changed, "UPDATE devices SET name = $1, enabled = $2 WHERE id = $3",
		     DB_VALUES(db_text(device->name), db_int(device->enabled), db_int(device->id)));
	if (ret == -EEXIST)
		fault_set(fault, ret, "name", "a device named '%s' exists already", device->name);
	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such device (any more)");
	return ret;
}

int store_device_del(struct store *store, int64_t id, struct fault *fault)
{
	int64_t changed = 0;
	int ret = db_run(store->db, fault, &changed, "DELETE FROM devices WHERE id = $1", DB_VALUES(db_int(id)));

	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such device (any more)");
	return ret;
}

int store_device_set_tunnel_key(struct store *store, int64_t device_id, const uint8_t key[MODEL_KEY_LEN],
				struct fault *fault)
{
	int64_t changed = 0;
	int ret;

	ret = db_run(store->db, fault, &changed, "UPDATE devices SET tunnel_key = $1 WHERE id = $2",
		     DB_VALUES(db_blob(key, MODEL_KEY_LEN), db_int(device_id)));
	if (ret == -EEXIST)
		fault_set(fault, ret, "tunnel_key", "another device has this tunnel key");
	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such device (any more)");
	return ret;
}
