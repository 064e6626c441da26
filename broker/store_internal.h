/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the store share; nobody else includes this. */
#ifndef BROKER_STORE_INTERNAL_H
#define BROKER_STORE_INTERNAL_H

#include "db.h"
#include "store.h"

/**
 * struct store - an open state directory
 * @dir: its path
 * @dir_fd: open on it
 * @lock_fd: the lock that keeps a second broker out, held until store_close()
 * @open: inside store_begin()
 */
struct store {
	struct db *db;
	char *dir;
	int dir_fd;
	int lock_fd;
	bool open;
	struct prefix overlay4, overlay6;
};

#define STORE_OUT_OF_MEMORY "out of memory"

static inline size_t prefix_len(const struct prefix *prefix)
{
	return prefix->family == 2 /* AF_INET */ ? 4 : 16;
}

/* store_identity.c */
int identity_open(struct store *store, bool fresh, struct fault *fault);

/* store_device.c */
void device_addresses(const struct store *store, struct device *device);
/* Columns: DEVICE_COLUMNS. */
#define DEVICE_COLUMNS "id, name, role, user_id, site_id, enabled, control_key, tunnel_key, host, created_ms"
int device_read(const struct store *store, struct db_rows *rows, struct device *device, struct fault *fault);

/* 0 or -EINVAL: 1 to 63 of A-Z a-z 0-9 . _ - @, the first one a letter or digit. @what: "user", "group" ... */
int name_check(const char *name, const char *what, struct fault *fault);

#endif
