// SPDX-License-Identifier: GPL-2.0-only
/* fzctl mode, fzctl ask-prefixes */
#include "fzctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_modes(const struct fz_mode_state modes[FZ_DIRECTIONS], bool json)
{
	char text[64];

	if (json)
		return print_json(json_mode(modes), true);
	for (uint8_t direction = 0; direction < FZ_DIRECTIONS; direction++) {
		if (modes[direction].present)
			printf("%s %s\n", fz_direction_name(direction),
			       format_mode(text, sizeof(text), &modes[direction]));
	}
	return EXIT_DONE;
}

static bool has_mode(const struct fz_peer *peer)
{
	for (int d = 0; d < FZ_DIRECTIONS; d++) {
		if (peer->mode[d].present && peer->mode[d].mode != FZ_MODE_INHERIT)
			return true;
	}
	return false;
}

/* The peers that do not do what the device does, each on a line that can be said again. */
static void print_who_differs(const struct fz_device *dev)
{
	char key[FZ_KEY_TEXT_SIZE], text[64];

	for (size_t i = 0; i < dev->n_peers; i++) {
		const struct fz_peer *peer = &dev->peers[i];

		if (!has_mode(peer))
			continue;
		fz_key_format(key, peer->public_key);
		printf("peer %s", key);
		for (uint8_t d = 0; d < FZ_DIRECTIONS; d++) {
			if (peer->mode[d].present && peer->mode[d].mode != FZ_MODE_INHERIT)
				printf(" %s %s", fz_direction_name(d), format_mode(text, sizeof(text), &peer->mode[d]));
		}
		putchar('\n');
	}
}

static json_t *json_who_differs(const struct fz_device *dev)
{
	json_t *array = json_array(), *object;

	for (size_t i = 0; i < dev->n_peers; i++) {
		if (!has_mode(&dev->peers[i]))
			continue;
		object = json_object();
		json_object_set_new(object, "peer", json_key(dev->peers[i].public_key));
		json_object_update_new(object, json_mode(dev->peers[i].mode));
		json_array_append_new(array, object);
	}
	return array;
}

static int print_device_modes(const struct fz_device *dev, bool json)
{
	json_t *object;

	if (!json) {
		print_modes(dev->mode, false);
		print_who_differs(dev);
		return EXIT_DONE;
	}
	object = json_mode(dev->mode);
	json_object_set_new(object, "peers", json_who_differs(dev));
	return print_json(object, true);
}

static int print_mode(struct fz_nl *nl, const char *name, const uint8_t *peer, bool json)
{
	const struct fz_peer *found;
	struct fz_device *dev;
	struct fz_error err;
	int ret;

	if (fz_nl_device_get(nl, name, &dev, &err))
		return refused(&err);
	if (!peer) {
		ret = print_device_modes(dev, json);
	} else {
		found = fz_device_find_peer(dev, peer);
		if (found) {
			struct fz_mode_state modes[FZ_DIRECTIONS];

			for (int i = 0; i < FZ_DIRECTIONS; i++) {
				modes[i] = found->mode[i];
				if (!modes[i].present)
					modes[i] = (struct fz_mode_state){ true, FZ_MODE_INHERIT, 0 };
			}
			ret = print_modes(modes, json);
		} else {
			fz_error_set(&err, -1, "\"%s\" has no such peer", name);
			ret = refused(&err);
		}
	}
	fz_device_free(dev);
	return ret;
}

static int set_mode(struct fz_nl *nl, const char *name, const uint8_t *key,
		    const struct fz_mode_state modes[FZ_DIRECTIONS])
{
	struct fz_device *dev = fz_device_new(name);
	struct fz_peer *peer = NULL;
	struct fz_error err;
	int ret = EXIT_DONE;

	if (dev && key)
		peer = fz_device_add_peer(dev);
	if (!dev || (key && !peer)) {
		fz_device_free(dev);
		return usage_error("out of memory");
	}
	if (key) {
		memcpy(peer->public_key, key, FZ_KEY_LEN);
		peer->flags = FZ_PEER_F_UPDATE_ONLY;
		memcpy(peer->mode, modes, sizeof(peer->mode));
	} else {
		memcpy(dev->mode, modes, sizeof(dev->mode));
	}
	if (fz_nl_device_set(nl, dev, &err))
		ret = refused(&err);
	fz_device_free(dev);
	return ret;
}

/* UPDATE_ONLY passes over a peer that is not there in silence; a person should hear of it. */
static int check_peer(struct fz_nl *nl, const char *name, const uint8_t *key, const char *word)
{
	struct fz_device *dev;
	struct fz_error err;
	bool there;

	if (fz_nl_device_get(nl, name, &dev, &err))
		return refused(&err);
	there = fz_device_find_peer(dev, key);
	fz_device_free(dev);
	if (there)
		return 0;
	fz_error_set(&err, -1, "\"%s\" is no peer of \"%s\"", word, name);
	return refused(&err);
}

int mode_main(int argc, char **argv)
{
	struct fz_mode_state modes[FZ_DIRECTIONS] = { 0 };
	bool json = take_flag(&argc, argv, "--json"), has_peer;
	uint8_t key[FZ_KEY_LEN];
	struct fz_error err;
	struct fz_nl *nl;
	const char *dev;
	int i = 2, ret;

	if (argc < 2)
		return out_of_words("a device", "mode");
	dev = argv[1];
	ret = check_device(dev);
	if (!ret)
		ret = take_peer(dev, &i, argc, argv, key, &has_peer);
	if (ret)
		return ret;
	if (mode_parse(argc - i, argv + i, modes, &err) || (!has_peer && mode_check_device(modes, &err)))
		return bad_word(&err);
	ret = session_nl(&nl);
	if (ret)
		return ret;
	if (i == argc)
		return print_mode(nl, dev, has_peer ? key : NULL, json);
	if (has_peer) {
		ret = check_peer(nl, dev, key, argv[i - 1]);
		if (ret)
			return ret;
	}
	return set_mode(nl, dev, has_peer ? key : NULL, modes);
}

static int print_ask_prefixes(struct fz_nl *nl, const char *name, bool json)
{
	char text[FZ_ADDR_TEXT_SIZE];
	json_t *array = json_array();
	struct fz_device *dev;
	struct fz_error err;

	if (fz_nl_device_get(nl, name, &dev, &err)) {
		json_decref(array);
		return refused(&err);
	}
	for (size_t i = 0; i < dev->n_ask_prefixes; i++) {
		fz_format_prefix(text, sizeof(text), &dev->ask_prefixes[i]);
		if (json)
			json_array_append_new(array, json_string(text));
		else
			printf("%s\n", text);
	}
	fz_device_free(dev);
	if (json)
		return print_json(array, true);
	json_decref(array);
	return EXIT_DONE;
}

int ask_prefixes_main(int argc, char **argv)
{
	bool json = take_flag(&argc, argv, "--json"), none;
	struct fz_device *dev;
	struct fz_error err;
	struct fz_nl *nl;
	int ret;

	if (argc < 2)
		return out_of_words("a device", "ask-prefixes");
	ret = check_device(argv[1]);
	if (ret)
		return ret;
	dev = fz_device_new(argv[1]);
	if (!dev)
		return usage_error("out of memory");
	dev->flags = FZ_DEVICE_F_REPLACE_ASK_PREFIXES;
	none = argc == 3 && !strcmp(argv[2], "none");
	for (int i = 2; i < argc && !none && !ret; i++) {
		struct fz_prefix prefix;

		if (fz_parse_prefix(argv[i], &prefix, &err))
			ret = bad_word(&err);
		else if (fz_device_add_ask_prefix(dev, &prefix))
			ret = usage_error("out of memory");
	}
	if (!ret)
		ret = session_nl(&nl);
	if (!ret && argc == 2)
		ret = print_ask_prefixes(nl, argv[1], json);
	else if (!ret && fz_nl_device_set(nl, dev, &err))
		ret = refused(&err);
	fz_device_free(dev);
	return ret;
}
