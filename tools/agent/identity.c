// SPDX-License-Identifier: GPL-2.0-only
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key.h"

static int file_name(char *out, size_t size, const struct identity *id, const char *name)
{
	int n = snprintf(out, size, "%s/%s", id->path, name);

	return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

/* Whoever may write there could give us another identity. */
static int check_owner(const struct identity *id, struct fz_error *err)
{
	struct stat st;

	if (stat(id->path, &st))
		return fz_error_set(err, -errno, "the state directory %s: %s", id->path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fz_error_set(err, -ENOTDIR, "the state directory %s is not a directory", id->path);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return fz_error_set(err, -EPERM,
				    "the state directory %s must belong to the user that fzagent runs as (%u), and nobody else may write in it",
				    id->path, (unsigned int)geteuid());
	return 0;
}

static int take_lock(struct identity *id, struct fz_error *err)
{
	char name[4096];

	if (file_name(name, sizeof(name), id, "lock"))
		return fz_error_set(err, -ENAMETOOLONG, "the state directory's name is too long");
	id->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (id->lock < 0)
		return fz_error_set(err, -errno, "%s: %s", name, strerror(errno));
	if (flock(id->lock, LOCK_EX | LOCK_NB))
		return fz_error_set(err, -EBUSY, "another fzagent uses the state directory %s", id->path);
	return 0;
}

static int parse_key(uint8_t key[32], json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && fz_key_parse(key, text) ? 0 : -EINVAL;
}

static int parse_broker(struct fz_invite *broker, json_t *object)
{
	const char *host = json_string_value(json_object_get(object, "host"));
	json_int_t port = json_integer_value(json_object_get(object, "port"));
	json_int_t stun = json_integer_value(json_object_get(object, "stun_port"));

	if (!host || !*host || strlen(host) > FZ_INVITE_HOST_MAX || port < 1 || port > 65535 ||
	    stun < 0 || stun > 65535 || parse_key(broker->broker_key, object, "key"))
		return -EINVAL;
	strcpy(broker->host, host);
	broker->port = (uint16_t)port;
	broker->stun_port = (uint16_t)stun;
	return 0;
}

static int load(struct identity *id, const char *name, json_t *root, struct fz_error *err)
{
	json_t *broker = json_object_get(root, "broker");
	json_int_t version = json_integer_value(json_object_get(root, "version"));

	if (version > IDENTITY_VERSION)
		return fz_error_set(err, -EOVERFLOW,
				    "%s was written by a newer fzagent (version %lld, this one knows %d)",
				    name, (long long)version, IDENTITY_VERSION);
	if (version < 1 || parse_key(id->control_private, root, "control_key"))
		return fz_error_set(err, -EINVAL, "%s is damaged: no valid version or control_key", name);
	if (broker && !json_is_null(broker)) {
		if (parse_broker(&id->broker, broker))
			return fz_error_set(err, -EINVAL, "%s is damaged: the broker in it is not valid", name);
		id->joined = true;
	}
	return 0;
}

/**
 * identity_open() - take a state directory, making it and a control key when new
 * @id: out; to be given to identity_close(), also after a failure
 * @directory: its name; made with mode 0700
 * @err: why not: another agent runs there, it is a newer version's, or damaged
 *
 * Return: 0 or a negative errno.
 */
int identity_open(struct identity *id, const char *directory, struct fz_error *err)
{
	char name[4096];
	json_error_t where;
	json_t *root;
	int ret;

	memset(id, 0, sizeof(*id));
	id->lock = -1;
	id->path = strdup(directory);
	if (!id->path)
		return fz_error_memory(err);
	if (mkdir(directory, 0700) && errno != EEXIST)
		return fz_error_set(err, -errno, "the state directory %s cannot be made: %s", directory,
				    strerror(errno));
	ret = check_owner(id, err);
	if (!ret)
		ret = take_lock(id, err);
	if (ret)
		return ret;
	if (file_name(name, sizeof(name), id, "agent.json"))
		return fz_error_set(err, -ENAMETOOLONG, "the state directory's name is too long");
	if (access(name, F_OK) && errno == ENOENT) {
		ret = fz_key_generate_private(id->control_private);
		if (ret)
			return fz_error_set(err, ret, "no random numbers for the control key");
		ret = identity_save(id, err);
	} else {
		root = json_load_file(name, JSON_REJECT_DUPLICATES, &where);
		if (!root)
			return fz_error_set(err, -EINVAL, "%s cannot be read: %s", name, where.text);
		ret = load(id, name, root, err);
		json_decref(root);
	}
	if (!ret && fz_key_derive_public(id->control_public, id->control_private))
		ret = fz_error_set(err, -EINVAL, "%s is damaged: the control_key is not valid", name);
	return ret;
}

static json_t *broker_json(const struct identity *id)
{
	char key[FZ_KEY_TEXT_SIZE];

	if (!id->joined)
		return json_null();
	fz_key_format(key, id->broker.broker_key);
	return json_pack("{s:s, s:i, s:i, s:s}", "host", id->broker.host, "port", (int)id->broker.port,
			 "stun_port", (int)id->broker.stun_port, "key", key);
}

static int write_file(const char *name, const char *text)
{
	size_t len = strlen(text), done = 0;
	int fd, ret = 0;

	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (done < len && !ret) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0)
			ret = -errno;
		else
			done += (size_t)n;
	}
	if (!ret && fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

/**
 * identity_save() - replace agent.json as a whole, so that a crash leaves the old or the new one
 * @id: what to write
 * @err: why not
 *
 * Return: 0 or a negative errno; then the old file is still there.
 */
int identity_save(const struct identity *id, struct fz_error *err)
{
	char name[4096], fresh[4096], key[FZ_KEY_TEXT_SIZE];
	json_t *root;
	char *text = NULL;
	int dir, ret;

	if (file_name(name, sizeof(name), id, "agent.json") ||
	    file_name(fresh, sizeof(fresh), id, "agent.json.new"))
		return fz_error_set(err, -ENAMETOOLONG, "the state directory's name is too long");
	fz_key_format(key, id->control_private);
	root = json_pack("{s:i, s:s, s:o}", "version", IDENTITY_VERSION, "control_key", key, "broker",
			 broker_json(id));
	if (root)
		text = json_dumps(root, JSON_INDENT(2));
	ret = text ? write_file(fresh, text) : -ENOMEM;
	if (!ret && rename(fresh, name))
		ret = -errno;
	if (!ret) {
		dir = open(id->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0) {
			fsync(dir);
			close(dir);
		}
	}
	if (text)
		sodium_memzero(text, strlen(text));
	free(text);
	json_decref(root);
	sodium_memzero(key, sizeof(key));
	return ret ? fz_error_set(err, ret, "%s cannot be written: %s", name, strerror(-ret)) : 0;
}

/**
 * identity_close() - give the directory back and forget the key
 * @id: what identity_open() filled in
 */
void identity_close(struct identity *id)
{
	if (id->lock >= 0)
		close(id->lock);
	free(id->path);
	sodium_memzero(id, sizeof(*id));
	id->lock = -1;
}
