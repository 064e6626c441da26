// SPDX-License-Identifier: GPL-2.0-only
/* fzctl set, setconf, addconf, syncconf */
#include "fzctl.h"
#include "config.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int apply(const struct fz_device *dev)
{
	struct fz_error err;
	struct fz_nl *nl;
	int ret;

	ret = session_nl(&nl);
	if (ret)
		return ret;
	if (fz_nl_device_set(nl, dev, &err))
		return refused(&err);
	return EXIT_DONE;
}

int set_main(int argc, char **argv)
{
	struct fz_device *dev = NULL;
	struct fz_error err;
	int ret;

	if (argc < 3)
		return out_of_words(argc < 2 ? "a device" : "what to set", argv[argc - 1]);
	if (fz_nl_check_name(argv[1], &err) || config_words(argv[1], argc - 2, argv + 2, &dev, &err))
		return bad_word(&err);
	ret = apply(dev);
	fz_device_free(dev);
	return ret;
}

static int read_file(const char *name, const char *path, bool append, struct fz_device **out)
{
	struct config_parser parser;
	struct fz_error err;
	char *line = NULL;
	size_t size = 0;
	int ret = 0;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		return usage_error("cannot read \"%s\": %s", path, strerror(errno));
	if (config_begin(&parser, name, append)) {
		fclose(file);
		return usage_error("out of memory");
	}
	while (!ret && getline(&line, &size, file) >= 0)
		ret = config_line(&parser, line, &err);
	if (!ret && ferror(file))
		ret = fz_error_set(&err, -errno, "cannot read \"%s\": %s", path, strerror(errno));
	if (!ret)
		ret = config_end(&parser, &err);
	if (line)
		sodium_memzero(line, size);
	free(line);
	fclose(file);
	if (ret) {
		config_abandon(&parser);
		return bad_word(&err);
	}
	*out = parser.dev;
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct fz_peer *const *left = a, *const *right = b;

	return memcmp((*left)->public_key, (*right)->public_key, FZ_KEY_LEN);
}

/* The peers of a device in the order of their keys; NULL if out of memory. */
static struct fz_peer **sorted_peers(const struct fz_device *dev)
{
	struct fz_peer **list = calloc(dev->n_peers + 1, sizeof(*list));

	for (size_t i = 0; list && i < dev->n_peers; i++)
		list[i] = &dev->peers[i];
	if (list && dev->n_peers)
		qsort(list, dev->n_peers, sizeof(*list), compare_keys);
	return list;
}

/*
 * Turn a whole configuration into the change from what there is: peers that
 * stay keep their sessions. As with wg(8), they also keep a preshared key and an
 * interval that the file does not mention.
 */
static int make_difference(struct fz_device *wanted, const struct fz_device *is)
{
	struct fz_peer **old = sorted_peers(is), **new = sorted_peers(wanted), *gone;
	uint8_t (*removed)[FZ_KEY_LEN] = calloc(is->n_peers + 1, FZ_KEY_LEN);
	size_t n_removed = 0, i, j;
	int order, ret = 0;

	if (!old || !new || !removed) {
		ret = -ENOMEM;
		goto out;
	}
	wanted->flags &= ~(uint32_t)FZ_DEVICE_F_REPLACE_PEERS;
	for (i = 0, j = 0; i < is->n_peers; ) {
		order = j < wanted->n_peers ? compare_keys(&old[i], &new[j]) : -1;
		if (order < 0)
			memcpy(removed[n_removed++], old[i++]->public_key, FZ_KEY_LEN);
		else if (order > 0)
			j++;
		else
			i++;
	}
	for (i = 0; i < n_removed && !ret; i++) {
		gone = fz_device_add_peer(wanted);
		if (!gone) {
			ret = -ENOMEM;
			break;
		}
		memcpy(gone->public_key, removed[i], FZ_KEY_LEN);
		gone->flags = FZ_PEER_F_REMOVE_ME;
	}
out:
	free(old);
	free(new);
	free(removed);
	return ret;
}

/**
 * sync_device - make a device what it should be, and disturb no peer that stays
 * @wanted: all of it; becomes the change
 *
 * Return: an exit status
 */
int sync_device(struct fz_device *wanted)
{
	struct fz_device *is;
	struct fz_error err;
	struct fz_nl *nl;
	int ret;

	ret = session_nl(&nl);
	if (ret)
		return ret;
	if (fz_nl_device_get(nl, wanted->name, &is, &err))
		return refused(&err);
	ret = make_difference(wanted, is);
	fz_device_free(is);
	return ret ? usage_error("out of memory") : apply(wanted);
}

/* argv[0] says which of the three. */
int setconf_main(int argc, char **argv)
{
	struct fz_device *dev = NULL;
	int ret;

	if (argc < 3)
		return out_of_words(argc < 2 ? "a device" : "a file", argv[argc - 1]);
	if (argc > 3)
		return too_many_words(argv[3]);
	ret = check_device(argv[1]);
	if (!ret)
		ret = read_file(argv[1], argv[2], !strcmp(argv[0], "addconf"), &dev);
	if (ret)
		return ret;
	ret = strcmp(argv[0], "syncconf") ? apply(dev) : sync_device(dev);
	fz_device_free(dev);
	return ret;
}
