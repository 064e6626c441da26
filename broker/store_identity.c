// SPDX-License-Identifier: GPL-2.0-only
/*
 * The broker's static X25519 key: the secret half in a file of its own (broker.key, mode 0600), the public half in the
 * database, so that a lost or exchanged file is noticed instead of giving every agent a stranger to talk to.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_internal.h"

#define KEY_FILE	"broker.key"
#define KEY_FILE_NEW	"broker.key.new"

static int key_write(struct store *store, const uint8_t secret[MODEL_KEY_LEN], struct fault *fault)
{
	bool good;
	int fd;

	unlinkat(store->dir_fd, KEY_FILE_NEW, 0);
	fd = openat(store->dir_fd, KEY_FILE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_set(fault, -EIO, NULL, "cannot make %s/" KEY_FILE ": %s", store->dir, strerror(errno));
	good = write(fd, secret, MODEL_KEY_LEN) == MODEL_KEY_LEN && !fsync(fd);
	good = !close(fd) && good;
	good = good && !renameat(store->dir_fd, KEY_FILE_NEW, store->dir_fd, KEY_FILE) && !fsync(store->dir_fd);
	if (!good)
		return fault_set(fault, -EIO, NULL, "cannot write %s/" KEY_FILE ": %s", store->dir, strerror(errno));
	return 0;
}

static int key_read(struct store *store, uint8_t secret[MODEL_KEY_LEN], struct fault *fault)
{
	struct stat st;
	ssize_t n;
	int fd = openat(store->dir_fd, KEY_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return fault_set(fault, -errno, NULL, "cannot read the broker's key %s/" KEY_FILE ": %s", store->dir,
				 strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (st.st_mode & 077)) {
		close(fd);
		return fault_set(fault, -EPERM, NULL, "others may read the broker's key %s/" KEY_FILE
				 ": run chmod 600 on it", store->dir);
	}
	n = read(fd, secret, MODEL_KEY_LEN);
	close(fd);
	if (n != MODEL_KEY_LEN || st.st_size != MODEL_KEY_LEN)
		return fault_set(fault, -EIO, NULL, "the broker's key %s/" KEY_FILE " is damaged", store->dir);
	return 0;
}

/* A file left by a first start that did not come to its end is nobody's yet and is used. */
static int identity_make(struct store *store, struct fault *fault)
{
	uint8_t secret[MODEL_KEY_LEN], public[MODEL_KEY_LEN];
	int ret = key_read(store, secret, fault);

	if (ret == -ENOENT) {
		randombytes_buf(secret, sizeof(secret));
		ret = key_write(store, secret, fault);
	}
	if (!ret)
		ret = crypto_scalarmult_base(public, secret);
	if (!ret)
		ret = db_run(store->db, fault, NULL, "INSERT INTO meta (key, bytes) VALUES ('broker_key', $1)",
			     DB_VALUES(db_blob(public, sizeof(public))));
	sodium_memzero(secret, sizeof(secret));
	return ret;
}

int store_broker_key(struct store *store, uint8_t secret[MODEL_KEY_LEN], uint8_t public[MODEL_KEY_LEN],
		     struct fault *fault)
{
	uint8_t known[MODEL_KEY_LEN];
	struct db_rows *rows;
	int ret = key_read(store, secret, fault);

	if (!ret)
		ret = crypto_scalarmult_base(public, secret);
	if (ret)
		goto out;
	rows = db_query(store->db, fault, "SELECT bytes FROM meta WHERE key = 'broker_key'", DB_VALUES());
	ret = rows ? db_next(rows, fault) : -EIO;
	if (ret >= 0)
		ret = ret && db_column_blob(rows, 0, known, sizeof(known)) && !memcmp(known, public, sizeof(known)) ?
			0 : fault_set(fault, -EINVAL, NULL, "%s/" KEY_FILE " is not the key of this broker's database",
				      store->dir);
	db_done(rows);
out:
	if (ret)
		sodium_memzero(secret, MODEL_KEY_LEN);
	return ret;
}

int identity_open(struct store *store, bool fresh, struct fault *fault)
{
	uint8_t secret[MODEL_KEY_LEN], public[MODEL_KEY_LEN];
	int ret;

	if (fresh) {
		ret = identity_make(store, fault);
		if (ret)
			return ret;
	}
	ret = store_broker_key(store, secret, public, fault);
	sodium_memzero(secret, sizeof(secret));
	return ret;
}
