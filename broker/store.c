// SPDX-License-Identifier: GPL-2.0-only
/* Opening a state directory: one broker at a time, overlay prefixes fixed at the first start. */
#include "store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "prefix.h"
#include "store_internal.h"

int64_t store_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* It is ours, and nobody else may write there: who can replace a file in it is the broker. */
static int directory_open(struct store *store, struct fault *fault)
{
	struct stat st;

	if (mkdir(store->dir, 0700) && errno != EEXIST)
		return fault_set(fault, -errno, NULL, "cannot make the state directory %s: %s", store->dir,
				 strerror(errno));
	store->dir_fd = open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dir_fd < 0 || fstat(store->dir_fd, &st))
		return fault_set(fault, -EIO, NULL, "cannot open the state directory %s: %s", store->dir,
				 strerror(errno));
	if (st.st_uid != geteuid())
		return fault_set(fault, -EPERM, NULL, "the state directory %s belongs to somebody else (uid %u), who would "
				 "be the broker: run chown on it, and on what is in it", store->dir, st.st_uid);
	if (st.st_mode & 022)
		return fault_set(fault, -EPERM, NULL, "others may write in the state directory %s: run chmod 700 on it",
				 store->dir);
	return 0;
}

static int directory_lock(struct store *store, struct fault *fault)
{
	store->lock_fd = openat(store->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock_fd < 0)
		return fault_set(fault, -EIO, NULL, "cannot write in the state directory %s: %s", store->dir,
				 strerror(errno));
	if (!flock(store->lock_fd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		return fault_set(fault, -EBUSY, NULL, "the state directory %s is in use by another broker", store->dir);
	return fault_set(fault, -EIO, NULL, "cannot lock the state directory %s: %s", store->dir, strerror(errno));
}

static int meta_prefix(struct store *store, const char *key, struct prefix *prefix, struct fault *fault)
{
	struct db_rows *rows = db_query(store->db, fault, "SELECT number, bytes FROM meta WHERE key = $1",
					DB_VALUES(db_text(key)));
	size_t len;
	int ret;

	if (!rows)
		return -EIO;
	ret = db_next(rows, fault);
	memset(prefix, 0, sizeof(*prefix));
	if (ret > 0) {
		len = db_column_len(rows, 1);
		prefix->family = len == 4 ? AF_INET : AF_INET6;
		prefix->bits = (uint8_t)db_column_int(rows, 0);
		if ((len != 4 && len != 16) || !db_column_blob(rows, 1, prefix->addr, len))
			ret = fault_set(fault, -EIO, NULL, "the store is damaged: %s is no prefix", key);
	}
	db_done(rows);
	return ret;
}

static int overlay_check(const struct prefix *prefix, bool v6, struct fault *fault)
{
	const char *field = v6 ? "overlay6" : "overlay4";
	char text[PREFIX_TEXT_SIZE];

	prefix_format(prefix, text);
	if (prefix->family != (v6 ? AF_INET6 : AF_INET))
		return fault_set(fault, -EINVAL, field, "overlay prefix %s is not %s", text, v6 ? "IPv6" : "IPv4");
	if (prefix->bits < (v6 ? 16 : 8) || prefix->bits > (v6 ? 96 : 28))
		return fault_set(fault, -EINVAL, field, "overlay prefix %s is too %s: between /%d and /%d, please", text,
				 prefix->bits < (v6 ? 16 : 8) ? "large" : "small", v6 ? 16 : 8, v6 ? 96 : 28);
	if (!prefix_unicast(prefix))
		return fault_set(fault, -EINVAL, field, "overlay prefix %s holds addresses that no host can have", text);
	return 0;
}

static void overlay_default(struct prefix *overlay4, struct prefix *overlay6)
{
	if (!overlay4->family)
		*overlay4 = (struct prefix){ .family = AF_INET, .bits = 11, .addr = { 100, 64 } };
	if (!overlay6->family) {
		*overlay6 = (struct prefix){ .family = AF_INET6, .bits = 48, .addr = { 0xfd } };
		randombytes_buf(overlay6->addr + 1, 5);	/* RFC 4193, 3.2: a random global id */
	}
}

static int overlay_keep(struct store *store, const char *key, const struct prefix *prefix, struct fault *fault)
{
	return db_run(store->db, fault, NULL, "INSERT INTO meta (key, number, bytes) VALUES ($1, $2, $3)",
		      DB_VALUES(db_text(key), db_int(prefix->bits), db_blob(prefix->addr, prefix_len(prefix))));
}

static int overlay_open(struct store *store, const struct store_options *options, bool *fresh, struct fault *fault)
{
	static const struct store_options none;
	struct prefix wish4, wish6;
	char have[PREFIX_TEXT_SIZE];
	int ret;

	if (!options)
		options = &none;
	wish4 = options->overlay4;
	wish6 = options->overlay6;
	ret = meta_prefix(store, "overlay4", &store->overlay4, fault);
	if (ret > 0)
		ret = meta_prefix(store, "overlay6", &store->overlay6, fault);
	if (ret < 0)
		return ret;
	*fresh = !ret;
	if (!*fresh) {
		prefix_format(&store->overlay4, have);
		if (wish4.family && !prefix_equal(&wish4, &store->overlay4))
			return fault_set(fault, -EINVAL, "overlay4",
					 "the IPv4 overlay prefix is %s since the first start and cannot be changed", have);
		prefix_format(&store->overlay6, have);
		if (wish6.family && !prefix_equal(&wish6, &store->overlay6))
			return fault_set(fault, -EINVAL, "overlay6",
					 "the IPv6 overlay prefix is %s since the first start and cannot be changed", have);
		return 0;
	}
	overlay_default(&wish4, &wish6);
	ret = overlay_check(&wish4, false, fault);
	if (!ret)
		ret = overlay_check(&wish6, true, fault);
	if (!ret)
		ret = overlay_keep(store, "overlay4", &wish4, fault);
	if (!ret)
		ret = overlay_keep(store, "overlay6", &wish6, fault);
	store->overlay4 = wish4;
	store->overlay6 = wish6;
	return ret;
}

/* What a first start leaves is complete or nothing: overlay prefixes and the broker's key in one transaction. */
static int contents_open(struct store *store, const struct store_options *options, struct fault *fault)
{
	bool fresh;
	int ret = db_begin(store->db, fault);

	if (ret)
		return ret;
	ret = overlay_open(store, options, &fresh, fault);
	if (!ret)
		ret = identity_open(store, fresh, fault);
	if (!ret)
		return db_commit(store->db, fault);
	db_rollback(store->db);
	return ret;
}

struct store *store_open(const char *path, const struct store_options *options, struct fault *fault)
{
	struct store *store = calloc(1, sizeof(*store));
	struct fault why = { 0 };
	mode_t mask;
	int ret;

	if (sodium_init() < 0 || !store || !(store->dir = strdup(path))) {
		fault_set(fault, -ENOMEM, NULL, STORE_OUT_OF_MEMORY);
		free(store);
		return NULL;
	}
	store->dir_fd = store->lock_fd = -1;
	mask = umask(077);
	ret = directory_open(store, fault);
	if (!ret)
		ret = directory_lock(store, fault);
	if (!ret) {
		store->db = db_open(path, &ret, &why);
		if (ret)
			fault_set(fault, ret, NULL, "cannot use the state directory %s: %s", path, why.text);
	}
	if (!ret)
		ret = contents_open(store, options, fault);
	umask(mask);
	if (!ret)
		return store;
	store_close(store);
	return NULL;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	db_close(store->db);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	if (store->dir_fd >= 0)
		close(store->dir_fd);
	free(store->dir);
	free(store);
}

int store_begin(struct store *store, struct fault *fault)
{
	int ret;

	if (store->open)
		return fault_set(fault, -EBUSY, NULL, "the store failed: a transaction is open already");
	ret = db_begin(store->db, fault);
	store->open = !ret;
	return ret;
}

int store_commit(struct store *store, struct fault *fault)
{
	store->open = false;
	return db_commit(store->db, fault);
}

void store_rollback(struct store *store)
{
	store->open = false;
	db_rollback(store->db);
}

void store_overlay(struct store *store, struct prefix *overlay4, struct prefix *overlay6)
{
	*overlay4 = store->overlay4;
	*overlay6 = store->overlay6;
}
