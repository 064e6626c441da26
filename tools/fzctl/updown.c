// SPDX-License-Identifier: GPL-2.0-only
/* fzctl up, down, reload, save, strip: what wg-quick(8) does with its files. */
#include "fzctl.h"
#include "endpoint.h"
#include "program.h"
#include "quick.h"
#include "quick_up.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=+.-"

/* Somebody wants `up` to end: what it has done is undone first. */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
	endpoint_give_up = 1;
}

static int check_interrupted(void)
{
	if (!interrupted)
		return EXIT_DONE;
	usage_error("interrupted by a signal (%s)", strsignal(interrupted));
	return EXIT_REFUSED;
}

/* A command of the file, with %i being the device. */
static char *hook_command(const char *hook, const char *name)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (; *hook; hook++) {
		if (hook[0] == '%' && hook[1] == 'i') {
			fputs(name, out);
			hook++;
		} else {
			fputc(*hook, out);
		}
	}
	fclose(out);
	return text;
}

/* By bash, with the options that wg-quick gives it: a pipe, or a list, fails with its first failure. */
static int run_hook(const char *hook, const char *name)
{
	char *argv[] = { (char *)"bash", (char *)"-e", (char *)"-o", (char *)"pipefail", (char *)"-O",
			 (char *)"extglob", (char *)"-c", (char *)"--", hook_command(hook, name), NULL };
	int ret;

	if (!argv[8])
		return usage_error("out of memory");
	fflush(stdout);
	ret = program_run(argv, NULL, NULL, false);
	free(argv[8]);
	if (!ret)
		return EXIT_DONE;
	if (ret == -ENOENT)
		usage_error("this command needs bash, and there is no bash: %s", hook);
	else
		usage_error("this command failed: %s", hook);
	return EXIT_REFUSED;
}

static int run_hooks(const struct quick *quick, enum quick_hook occasion)
{
	const struct quick_list *hooks = &quick->hooks[occasion];
	int ret = 0;

	if (!hooks->n)
		return 0;
	setenv("LC_ALL", "C", 1);
	setenv("INTERFACE", quick->name, 1);
	setenv("CONFIG_FILE", quick->path, 1);
	for (size_t i = 0; i < hooks->n && !ret; i++) {
		ret = run_hook(hooks->texts[i], quick->name);
		if (!ret)
			ret = check_interrupted();
	}
	return ret;
}

static bool ends_in_conf(const char *word)
{
	size_t len = strlen(word);

	return len > strlen(".conf") && !strcmp(word + len - strlen(".conf"), ".conf");
}

static void warn_if_open(const char *path)
{
	char directory[PATH_MAX];
	struct stat file, dir;

	snprintf(directory, sizeof(directory), "%s", path);
	*strrchr(directory, '/') = 0;
	if (!stat(path, &file) && !stat(*directory ? directory : "/", &dir) && (file.st_mode & dir.st_mode & 0007))
		fprintf(stderr, "Warning: `%s' is world accessible\n", path);
}

/*
 * FILE or NAME: a word with a slash or the ending .conf is a file, and the
 * device's name is the file's without the ending. A name's file is looked for
 * where ours are, then where those of wg-quick are.
 */
static int find_file(const char *word, char path[PATH_MAX], char name[IFNAMSIZ])
{
	static const char *const directories[] = { "/etc/fz", "/etc/wireguard" };
	const char *slash = strrchr(word, '/'), *base = slash ? slash + 1 : word;
	bool is_file = slash || ends_in_conf(word), found = false;
	size_t len = strlen(base);
	char text[PATH_MAX];

	if (is_file && !ends_in_conf(base))
		return usage_error("\"%s\": the name of a file has to end in .conf", word);
	if (is_file)
		len -= strlen(".conf");
	if (!len || len >= IFNAMSIZ || strspn(base, NAME_CHARACTERS) < len)
		return usage_error("\"%.*s\" is no name for a device (1 to %d letters, digits or any of _=+.-)",
				   (int)len, base, IFNAMSIZ - 1);
	snprintf(name, IFNAMSIZ, "%.*s", (int)len, base);
	if (is_file)
		found = realpath(word, path);
	for (size_t i = 0; !is_file && !found && i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(text, sizeof(text), "%s/%s.conf", directories[i], name);
		found = realpath(text, path);
	}
	if (found)
		return 0;
	if (is_file)
		return usage_error("\"%s\" does not exist", word);
	return usage_error("\"%s\": there is neither %s/%s.conf nor %s/%s.conf", word, directories[0], name,
			   directories[1], name);
}

/*
 * All that a file says of the device.
 * @check: names of endpoints are not resolved
 * On failure there is nothing to free.
 */
static int read_file(const struct quick *quick, bool check, struct fz_device **dev, struct quick_policy *policy)
{
	struct fz_error err;

	if (quick_config(quick, check, dev, &err))
		return bad_word(&err);
	if (!quick_policy(quick, *dev, policy, &err))
		return 0;
	quick_policy_free(policy);
	fz_device_free(*dev);
	return bad_word(&err);
}

/* As far as it can be told before anything is done. */
static int check_file(const struct quick *quick)
{
	struct quick_policy policy;
	struct fz_device *dev;
	int ret = read_file(quick, true, &dev, &policy);

	if (ret)
		return ret;
	quick_policy_free(&policy);
	fz_device_free(dev);
	return 0;
}

/* Names are resolved, and leases begin, here, when the device is there and PreUp has run. */
static int set_config(struct quick_up *up)
{
	struct quick_policy policy;
	struct fz_device *dev;
	struct fz_error err;
	int ret;

	ret = read_file(up->quick, false, &dev, &policy);
	if (ret)
		return ret;
	if (fz_nl_device_set(up->nl, dev, &err))
		ret = refused(&err);
	if (!ret)
		ret = check_interrupted();
	if (!ret)
		ret = quick_apply(up, &policy);
	quick_policy_free(&policy);
	fz_device_free(dev);
	return ret;
}

static int set_link(struct quick_up *up)
{
	const struct quick *quick = up->quick;
	uint32_t mtu = quick->mtu;
	struct fz_error err;
	int ret;

	for (size_t i = 0; i < quick->n_addresses; i++) {
		if (fz_rtnl_addr_add(up->rt, quick->name, &quick->addresses[i], &err))
			return refused(&err);
	}
	ret = mtu ? 0 : quick_route_mtu(up, &mtu);
	if (ret)
		return ret;
	if (fz_rtnl_link_mtu(up->rt, quick->name, mtu, &err) || fz_rtnl_link_up(up->rt, quick->name, &err))
		return refused(&err);
	return EXIT_DONE;
}

static int configure(struct quick_up *up)
{
	int ret;

	ret = set_config(up);
	if (!ret)
		ret = set_link(up);
	if (!ret)
		ret = quick_dns_set(up);
	if (!ret)
		ret = quick_route_add(up);
	if (!ret)
		ret = run_hooks(up->quick, POST_UP);
	return ret ? ret : check_interrupted();
}

/* Nothing of it stays. */
static void undo(struct quick_up *up)
{
	if (up->has_dns)
		quick_dns_unset(up->quick);
	if (up->has_firewall)
		quick_firewall_del(up->quick->name);
	quick_route_del_rules(up);
	fz_rtnl_link_del(up->rt, up->quick->name, NULL);
}

static int bring_up(struct quick_up *up)
{
	const struct sigaction action = { .sa_handler = on_signal };
	const char *name = up->quick->name;
	struct fz_link link;
	struct fz_error err;
	int ret;

	if (!fz_rtnl_link_get(up->rt, name, &link, &err)) {
		fz_error_set(&err, -EEXIST, "\"%s\" exists already", name);
		return refused(&err);
	}
	ret = check_file(up->quick);
	if (ret)
		return ret;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	ret = run_hooks(up->quick, PRE_UP);
	if (ret)
		return ret;
	if (fz_rtnl_link_add(up->rt, name, "fz", &err))
		return refused(&err);
	if (fz_rtnl_link_get(up->rt, name, &link, &err)) {
		ret = refused(&err);
	} else {
		up->ifindex = link.ifindex;
		ret = session_nl(&up->nl);
		if (!ret)
			ret = configure(up);
	}
	if (ret)
		undo(up);
	else if (up->was_opened)
		fprintf(stderr, "fzctl: \"%s\" is open, as with WireGuard: \"%s\" has no Mode, [Resource] or [Grant]\n",
			name, up->quick->path);
	return ret;
}

/* The device is there, and one of ours. */
static int find_device(struct quick_up *up)
{
	struct fz_link link;
	struct fz_error err;

	if (fz_rtnl_link_get(up->rt, up->quick->name, &link, &err))
		return refused(&err);
	if (strcmp(link.kind, "fz")) {
		fz_error_set(&err, -EOPNOTSUPP, "\"%s\" is no fz device (wg-quick is for wireguard devices)",
			     up->quick->name);
		return refused(&err);
	}
	up->ifindex = link.ifindex;
	return session_nl(&up->nl);
}

/* All of it, or not at all: a file of its own takes the place of the old one. */
static int replace_file(const struct quick *quick, const char *text)
{
	size_t len = strlen(text);
	char path[PATH_MAX];
	int fd, ret = 0;

	if (snprintf(path, sizeof(path), "%s.tmp", quick->path) >= (int)sizeof(path))
		return usage_error("the name \"%s\" is too long", quick->path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fchmod(fd, 0600) || write(fd, text, len) != (ssize_t)len || fsync(fd) ||
	    rename(path, quick->path)) {
		usage_error("cannot write \"%s\": %s", quick->path, strerror(errno));
		ret = EXIT_REFUSED;
		if (fd >= 0)
			unlink(path);
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

/* Those of the device among @list; returns how many. */
static size_t addresses_of(uint32_t ifindex, const struct fz_local_addr *list, size_t n, struct fz_prefix *out)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (list[i].ifindex == ifindex)
			out[found++] = list[i].prefix;
	}
	return found;
}

static int write_file(const struct quick_up *up, const struct quick_policy *policy, const struct quick_state *state)
{
	char *text = NULL;
	FILE *out;
	size_t size;
	int ret;

	out = open_memstream(&text, &size);
	if (!out)
		return usage_error("out of memory");
	quick_write(out, up->quick, policy, state);
	fclose(out);
	ret = replace_file(up->quick, text);
	explicit_bzero(text, size);
	free(text);
	return ret;
}

/* What a file has no key for. */
static void warn_of_what_is_lost(const struct fz_device *dev)
{
	bool peers = false;

	for (size_t i = 0; i < dev->n_peers; i++) {
		for (int d = 0; d < FZ_DIRECTIONS; d++) {
			const struct fz_mode_state *mode = &dev->peers[i].mode[d];

			peers = peers || (mode->present && mode->mode != FZ_MODE_INHERIT);
		}
	}
	if (peers)
		fprintf(stderr, "fzctl: peers of \"%s\" have modes of their own, which are not saved\n", dev->name);
	if (dev->n_ask_prefixes)
		fprintf(stderr, "fzctl: the ask-prefixes of \"%s\" are not saved\n", dev->name);
}

static int list_objects(struct quick_up *up, struct quick_state *state)
{
	const char *name = up->quick->name;
	struct fz_error err;

	if (fz_nl_resource_list(up->nl, name, &state->resources, &state->n_resources, &err) ||
	    fz_nl_grant_list(up->nl, name, NULL, &state->grants, &state->n_grants, &err))
		return refused(&err);
	if (state->n_resources)
		qsort(state->resources, state->n_resources, sizeof(*state->resources), compare_resources);
	if (state->n_grants)
		qsort(state->grants, state->n_grants, sizeof(*state->grants), compare_grants);
	return EXIT_DONE;
}

/* The words of the file stay where they are true still. If it has none, it need not be right, as with wg-quick. */
static int save_policy(struct quick_up *up, struct quick_state *state)
{
	struct quick_policy policy = { 0 };
	struct fz_device *dev = NULL;
	int ret = 0;

	if (quick_says_policy(up->quick))
		ret = read_file(up->quick, true, &dev, &policy);
	if (ret)
		return ret;
	ret = list_objects(up, state);
	if (!ret)
		ret = write_file(up, &policy, state);
	fz_resources_free(state->resources, state->n_resources);
	free(state->grants);
	quick_policy_free(&policy);
	fz_device_free(dev);
	return ret;
}

static int save_state(struct quick_up *up, const struct fz_device *dev, uint32_t mtu)
{
	struct quick_state state = { .dev = dev, .mtu = mtu };
	struct fz_local_addr *list;
	struct fz_prefix *addresses;
	struct fz_error err;
	size_t n;
	int ret;

	if (fz_rtnl_addr_list(up->rt, &list, &n, &err))
		return refused(&err);
	addresses = calloc(n + 1, sizeof(*addresses));
	if (addresses) {
		state.addresses = addresses;
		state.n_addresses = addresses_of(up->ifindex, list, n, addresses);
		ret = save_policy(up, &state);
	} else {
		ret = usage_error("out of memory");
	}
	free(addresses);
	free(list);
	return ret;
}

static int save_file(struct quick_up *up)
{
	struct fz_device *dev;
	struct fz_link link;
	struct fz_error err;
	int ret;

	if (fz_rtnl_link_get(up->rt, up->quick->name, &link, &err) ||
	    fz_nl_device_get(up->nl, up->quick->name, &dev, &err))
		return refused(&err);
	ret = save_state(up, dev, link.mtu);
	if (!ret)
		warn_of_what_is_lost(dev);
	fz_device_free(dev);
	return ret;
}

static int take_down(struct quick_up *up)
{
	const struct quick *quick = up->quick;
	struct fz_error err;
	int ret;

	ret = find_device(up);
	if (!ret && quick->save && quick_says_policy(quick))
		ret = check_file(quick);
	if (!ret)
		ret = run_hooks(quick, PRE_DOWN);
	if (!ret && quick->save)
		ret = save_file(up);
	if (ret)
		return ret;
	quick_route_del_rules(up);
	if (fz_rtnl_link_del(up->rt, quick->name, &err))
		return refused(&err);
	quick_dns_unset(quick);
	quick_firewall_del(quick->name);
	return run_hooks(quick, POST_DOWN);
}

static int save(struct quick_up *up)
{
	int ret = find_device(up);

	return ret ? ret : save_file(up);
}

/* The addresses, the routes and the rest of the host stay as they are. */
static int reload(struct quick_up *up)
{
	struct quick_policy policy;
	struct fz_device *dev;
	int ret;

	ret = find_device(up);
	if (!ret)
		ret = read_file(up->quick, false, &dev, &policy);
	if (ret)
		return ret;
	ret = sync_device(dev);
	if (!ret)
		ret = quick_apply_again(up, &policy);
	quick_policy_free(&policy);
	fz_device_free(dev);
	return ret;
}

static int strip(const struct quick *quick)
{
	if (quick_says_policy(quick))
		fprintf(stderr, "fzctl: what \"%s\" says of flows is not for setconf or syncconf; `fzctl reload` applies it\n",
			quick->path);
	for (size_t i = 0; i < quick->config.n; i++)
		puts(quick->config.lines[i].text);
	return EXIT_DONE;
}

static int run_verb(const char *verb, const struct quick *quick)
{
	struct quick_up up = { .quick = quick };
	struct fz_error err;
	int ret;

	if (!strcmp(verb, "strip"))
		return strip(quick);
	if (fz_rtnl_open(&up.rt, &err))
		return refused(&err);
	if (!strcmp(verb, "up"))
		ret = bring_up(&up);
	else if (!strcmp(verb, "down"))
		ret = take_down(&up);
	else
		ret = strcmp(verb, "save") ? reload(&up) : save(&up);
	fz_rtnl_close(up.rt);
	return ret;
}

/* argv[0] says which of them. */
int updown_main(int argc, char **argv)
{
	char name[IFNAMSIZ], path[PATH_MAX];
	struct quick quick;
	struct fz_error err;
	int ret;

	if (argc < 2)
		return out_of_words("a file or name", argv[0]);
	if (argc > 2)
		return too_many_words(argv[2]);
	ret = find_file(argv[1], path, name);
	if (ret)
		return ret;
	warn_if_open(path);
	if (quick_read(path, name, &quick, &err))
		return bad_word(&err);
	ret = run_verb(argv[0], &quick);
	quick_free(&quick);
	return ret;
}
