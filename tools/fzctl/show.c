// SPDX-License-Identifier: GPL-2.0-only
/* fzctl show, fzctl showconf */
#include "fzctl.h"
#include "paint.h"
#include "show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool hide_keys(void)
{
	const char *mode = getenv("WG_HIDE_KEYS");

	return !mode || strcmp(mode, "never");
}

static json_t *json_peer(const struct fz_peer *peer)
{
	json_t *object = json_object(), *ips = json_array(), *candidates, *one;
	char text[FZ_ADDR_TEXT_SIZE];

	json_object_set_new(object, "public_key", json_key(peer->public_key));
	if (peer->has & FZ_HAS_PRESHARED_KEY && !hide_keys())
		json_object_set_new(object, "preshared_key", json_key(peer->preshared_key));
	json_object_set_new(object, "has_preshared_key", json_boolean(peer->has & FZ_HAS_PRESHARED_KEY));
	json_object_set_new(object, "endpoint", json_endpoint(&peer->endpoint));
	for (size_t i = 0; i < peer->n_allowedips; i++)
		json_array_append_new(ips, json_string(fz_format_prefix(text, sizeof(text),
									&peer->allowedips[i].prefix)));
	json_object_set_new(object, "allowed_ips", ips);
	json_object_set_new(object, "latest_handshake", json_integer(peer->last_handshake.sec));
	json_object_set_new(object, "rx_bytes", json_integer((json_int_t)peer->rx_bytes));
	json_object_set_new(object, "tx_bytes", json_integer((json_int_t)peer->tx_bytes));
	json_object_set_new(object, "persistent_keepalive", json_integer(peer->keepalive));
	json_object_set_new(object, "mode", json_mode(peer->mode));
	candidates = json_array();
	for (size_t i = 0; i < peer->n_candidates; i++) {
		const struct fz_candidate *c = &peer->candidates[i];

		one = json_object();
		json_object_set_new(one, "endpoint", json_endpoint(&c->endpoint));
		json_object_set_new(one, "priority", json_integer(c->priority));
		if (c->heard)
			json_object_set_new(one, "last_heard_ms", json_integer((json_int_t)c->last_heard_ms));
		json_array_append_new(candidates, one);
	}
	json_object_set_new(object, "candidates", candidates);
	return object;
}

static json_t *json_device(const struct fz_device *dev)
{
	json_t *object = json_object(), *peers = json_array();

	json_object_set_new(object, "name", json_string(dev->name));
	if (dev->has & FZ_HAS_PUBLIC_KEY)
		json_object_set_new(object, "public_key", json_key(dev->public_key));
	if (dev->has & FZ_HAS_PRIVATE_KEY && !hide_keys())
		json_object_set_new(object, "private_key", json_key(dev->private_key));
	json_object_set_new(object, "listen_port", json_integer(dev->listen_port));
	json_object_set_new(object, "fwmark", json_integer(dev->fwmark));
	json_object_set_new(object, "mode", json_mode(dev->mode));
	for (size_t i = 0; i < dev->n_peers; i++)
		json_array_append_new(peers, json_peer(&dev->peers[i]));
	json_object_set_new(object, "peers", peers);
	return object;
}

/* One device, in whichever way was asked for. @array: for JSON, else NULL. */
static int show_one(struct fz_nl *nl, const char *name, const char *field, bool with_name, json_t *array)
{
	struct fz_device *dev;
	struct fz_error err;

	if (fz_nl_device_get(nl, name, &dev, &err))
		return refused(&err);
	if (array)
		json_array_append_new(array, json_device(dev));
	else if (field)
		show_field(stdout, dev, field, with_name);
	else
		show_pretty(stdout, dev, time(NULL), hide_keys());
	fz_device_free(dev);
	return EXIT_DONE;
}

static int print_names(char (*names)[IFNAMSIZ], size_t n, bool json)
{
	json_t *array;

	if (json) {
		array = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(array, json_string(names[i]));
		return print_json(array, true);
	}
	for (size_t i = 0; i < n; i++)
		printf("%s%c", names[i], i + 1 < n ? ' ' : '\n');
	return EXIT_DONE;
}

static int show_all(char (*names)[IFNAMSIZ], size_t n, const char *field, json_t *array)
{
	struct fz_nl *nl;
	int status = EXIT_DONE, ret;

	if (!n)
		return EXIT_DONE;
	ret = session_nl(&nl);
	if (ret)
		return ret;
	for (size_t i = 0; i < n; i++) {
		ret = show_one(nl, names[i], field, true, array);
		if (!ret && !field && !array && i + 1 < n)
			putchar('\n');
		status = status ? status : ret;
	}
	return status;
}

/* Nothing is listed: is it that nothing can be there? Saying so is no failure. */
static void say_if_not_loaded(void)
{
	struct fz_nl *nl = NULL;
	struct fz_error err;

	if (fz_nl_open(&nl, &err) == -ENOENT)
		usage_error("%s", err.text);
	fz_nl_close(nl);
}

/* all, or the names alone. */
static int show_many(const char *which, const char *field, bool json)
{
	json_t *array = json ? json_array() : NULL;
	char (*names)[IFNAMSIZ];
	struct fz_error err;
	size_t n;
	int ret;

	if (fz_nl_device_list(&names, &n, &err)) {
		json_decref(array);
		return refused(&err);
	}
	if (!n)
		say_if_not_loaded();
	if (!strcmp(which, "interfaces")) {
		json_decref(array);
		ret = print_names(names, n, json);
	} else {
		ret = show_all(names, n, field, array);
		if (json && !ret)
			ret = print_json(array, true);
		else
			json_decref(array);
	}
	free(names);
	return ret;
}

int show_main(int argc, char **argv)
{
	bool json = take_flag(&argc, argv, "--json");
	const char *which = argc > 1 ? argv[1] : "all", *field = argc > 2 ? argv[2] : NULL;
	struct fz_device nothing = { .name = "" };
	json_t *array;
	struct fz_nl *nl;
	int ret;

	if (argc > 3)
		return too_many_words(argv[3]);
	if (field && json)
		return usage_error("\"%s\" and --json exclude each other", field);
	if (field && !strcmp(which, "interfaces"))
		return too_many_words(field);
	if (field) {
		FILE *sink = fopen("/dev/null", "we");
		bool known = sink && show_field(sink, &nothing, field, false);

		if (sink)
			fclose(sink);
		if (!known)
			return usage_error("Invalid parameter: `%s'", field);
	}
	paint_decide();
	if (!strcmp(which, "all") || !strcmp(which, "interfaces"))
		return show_many(which, field, json);
	ret = check_device(which);
	if (!ret)
		ret = session_nl(&nl);
	if (ret)
		return ret;
	array = json ? json_array() : NULL;
	ret = show_one(nl, which, field, false, array);
	if (json && !ret)
		return print_json(array, true);
	json_decref(array);
	return ret;
}

int showconf_main(int argc, char **argv)
{
	struct fz_device *dev;
	struct fz_error err;
	struct fz_nl *nl;
	int ret;

	if (argc < 2)
		return out_of_words("a device", "showconf");
	if (argc > 2)
		return too_many_words(argv[2]);
	ret = check_device(argv[1]);
	if (!ret)
		ret = session_nl(&nl);
	if (ret)
		return ret;
	if (fz_nl_device_get(nl, argv[1], &dev, &err))
		return refused(&err);
	show_config(stdout, dev);
	fz_device_free(dev);
	return EXIT_DONE;
}
