// SPDX-License-Identifier: GPL-2.0-only
/* fzctl up, fzctl down: files of wg-quick(8). */
#include "fzctl.h"
#include "quick.h"

#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MTU_DEFAULT 1420	/* an Ethernet's 1500 less the largest header of a tunnel */
#define TABLE_DEFAULT 51820	/* where a default route goes, and the mark of what must not take it */
#define WORDS_MAX 16

extern char **environ;

/* Run a program and wait for it; true if it exits with 0. */
static bool run(const char *program, char *const argv[])
{
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, program, NULL, NULL, argv, environ))
		return false;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* The words of a format, separated by single spaces, as a command. */
__attribute__((format(printf, 1, 2)))
static bool run_words(const char *fmt, ...)
{
	char text[256], *words[WORDS_MAX], *rest = text;
	va_list args;
	int n = 0;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	while (n < WORDS_MAX - 1 && (words[n] = strsep(&rest, " ")))
		n++;
	words[n] = NULL;
	return run(words[0], words);
}

/* A command of the file, with %i being the device. */
static bool run_hook(const char *command, const char *name)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool ok;

	if (!out)
		return false;
	for (; *command; command++) {
		if (command[0] == '%' && command[1] == 'i') {
			fputs(name, out);
			command++;
		} else {
			fputc(*command, out);
		}
	}
	fclose(out);
	ok = run("sh", (char *[]){ (char *)"sh", (char *)"-c", text, NULL });
	free(text);
	return ok;
}

static int run_hooks(const struct quick *quick, enum quick_hook hook)
{
	for (size_t i = 0; i < quick->hooks[hook].n; i++) {
		if (!run_hook(quick->hooks[hook].texts[i], quick->dev->name)) {
			usage_error("this command failed: %s", quick->hooks[hook].texts[i]);
			return EXIT_REFUSED;
		}
	}
	return EXIT_DONE;
}

/*
 * FILE or NAME: a word with a slash or the ending .conf is a file, and the
 * device's name is the file's without the ending.
 */
static int find_file(const char *word, char **path, char name[IFNAMSIZ])
{
	const char *base = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
	const char *ending = strrchr(base, '.');
	bool is_file = strchr(word, '/') || (ending && !strcmp(ending, ".conf"));
	size_t len = is_file && ending ? (size_t)(ending - base) : strlen(base);
	struct fz_error err;
	int ret;

	if (is_file && (!ending || strcmp(ending, ".conf")))
		return usage_error("\"%s\": the name of a file has to end in .conf", word);
	if (len >= IFNAMSIZ)
		return usage_error("\"%s\": a device's name has at most %d characters", word, IFNAMSIZ - 1);
	memcpy(name, base, len);
	name[len] = 0;
	if (fz_nl_check_name(name, &err))
		return bad_word(&err);
	if (is_file) {
		ret = asprintf(path, "%s", word);
	} else {
		ret = asprintf(path, "/etc/fz/%s.conf", name);
		if (ret >= 0 && access(*path, F_OK)) {
			free(*path);
			ret = asprintf(path, "/etc/wireguard/%s.conf", name);
		}
	}
	return ret < 0 ? usage_error("out of memory") : 0;
}

/* Whether a peer holds every address of a family: then the routes need a table of their own. */
static bool has_default(const struct quick *quick, sa_family_t family)
{
	for (size_t i = 0; i < quick->dev->n_peers; i++) {
		const struct fz_peer *peer = &quick->dev->peers[i];

		for (size_t j = 0; j < peer->n_allowedips; j++) {
			if (!peer->allowedips[j].prefix.len &&
			    peer->allowedips[j].prefix.addr.family == family)
				return true;
		}
	}
	return false;
}

static const char *flag_of(sa_family_t family)
{
	return family == AF_INET ? "-4" : "-6";
}

/*
 * The default route lives in a table that everything looks at but the tunnel's
 * own datagrams, which carry the mark. More specific routes of the main table
 * still come first.
 */
static int add_rules(sa_family_t family, uint32_t table)
{
	if (run_words("ip %s rule add not fwmark %u table %u", flag_of(family), table, table) &&
	    run_words("ip %s rule add table main suppress_prefixlength 0", flag_of(family)))
		return EXIT_DONE;
	usage_error("the rules for a default route cannot be set");
	return EXIT_REFUSED;
}

static void del_rules(sa_family_t family, uint32_t table)
{
	run_words("ip %s rule del not fwmark %u table %u", flag_of(family), table, table);
	run_words("ip %s rule del table main suppress_prefixlength 0", flag_of(family));
}

/* Decide on table and mark before the device is set, so that the mark goes with it. */
static void decide_table(struct quick *quick)
{
	bool any = has_default(quick, AF_INET) || has_default(quick, AF_INET6);

	if (quick->no_routes || quick->table || !any)
		return;
	if (!quick->dev->fwmark) {
		quick->dev->fwmark = TABLE_DEFAULT;
		quick->dev->has |= FZ_HAS_FWMARK;
	}
}

/* The table of one prefix: a default route's own, or what the file says. */
static uint32_t table_of(const struct quick *quick, const struct fz_prefix *prefix)
{
	if (quick->table || prefix->len)
		return quick->table;
	return quick->dev->fwmark;
}

static int add_routes(struct fz_rtnl *rt, const struct quick *quick, uint32_t ifindex)
{
	struct fz_error err;

	for (size_t i = 0; i < quick->dev->n_peers && !quick->no_routes; i++) {
		const struct fz_peer *peer = &quick->dev->peers[i];

		for (size_t j = 0; j < peer->n_allowedips; j++) {
			struct fz_route route = { .dst = peer->allowedips[j].prefix, .ifindex = ifindex };

			route.table = table_of(quick, &route.dst);
			if (fz_rtnl_route_add(rt, &route, &err))
				return refused(&err);
		}
	}
	return EXIT_DONE;
}

static int set_dns(const struct quick *quick)
{
	char *text = NULL, *argv[] = { (char *)"sh", (char *)"-c", NULL, NULL };
	size_t size;
	FILE *out;
	bool ok;

	if (!quick->dns.n)
		return EXIT_DONE;
	out = open_memstream(&text, &size);
	if (!out)
		return usage_error("out of memory");
	fputs("resolvconf -a \"$FZ_DEV\" -m 0 -x <<'END'\n", out);
	for (size_t i = 0; i < quick->dns.n; i++) {
		struct fz_addr addr;

		fprintf(out, "%s %s\n", fz_parse_addr(quick->dns.texts[i], &addr, NULL) ? "search" : "nameserver",
			quick->dns.texts[i]);
	}
	fputs("END\n", out);
	fclose(out);
	setenv("FZ_DEV", quick->dev->name, 1);
	argv[2] = text;
	ok = run("sh", argv);
	free(text);
	if (ok)
		return EXIT_DONE;
	usage_error("the name servers cannot be set: resolvconf failed");
	return EXIT_REFUSED;
}

static int configure(struct fz_rtnl *rt, struct quick *quick)
{
	static const sa_family_t families[] = { AF_INET, AF_INET6 };
	const char *name = quick->dev->name;
	struct fz_link link;
	struct fz_error err;
	struct fz_nl *nl;
	int ret;

	decide_table(quick);
	ret = session_nl(&nl);
	if (ret)
		return ret;
	if (fz_nl_device_set(nl, quick->dev, &err))
		return refused(&err);
	for (size_t i = 0; i < quick->n_addresses; i++) {
		if (fz_rtnl_addr_add(rt, name, &quick->addresses[i], &err))
			return refused(&err);
	}
	if (fz_rtnl_link_mtu(rt, name, quick->mtu ? quick->mtu : MTU_DEFAULT, &err) ||
	    fz_rtnl_link_up(rt, name, &err) || fz_rtnl_link_get(rt, name, &link, &err))
		return refused(&err);
	ret = set_dns(quick);
	if (!ret)
		ret = add_routes(rt, quick, link.ifindex);
	for (size_t i = 0; !ret && !quick->no_routes && !quick->table && i < 2; i++) {
		if (has_default(quick, families[i]))
			ret = add_rules(families[i], quick->dev->fwmark);
	}
	return ret;
}

static void remove_rules(struct quick *quick)
{
	decide_table(quick);
	if (quick->no_routes || quick->table)
		return;
	if (has_default(quick, AF_INET))
		del_rules(AF_INET, quick->dev->fwmark);
	if (has_default(quick, AF_INET6))
		del_rules(AF_INET6, quick->dev->fwmark);
}

static void unset_dns(const struct quick *quick)
{
	if (quick->dns.n)
		run("resolvconf", (char *[]){ (char *)"resolvconf", (char *)"-d", quick->dev->name,
					      (char *)"-f", NULL });
}

static int bring_up(struct fz_rtnl *rt, struct quick *quick)
{
	struct fz_error err, ignored;
	int ret;

	ret = run_hooks(quick, PRE_UP);
	if (ret)
		return ret;
	if (fz_rtnl_link_add(rt, quick->dev->name, "fz", &err))
		return refused(&err);
	ret = configure(rt, quick);
	if (!ret)
		ret = run_hooks(quick, POST_UP);
	if (ret) {
		/* Nothing of it stays. */
		remove_rules(quick);
		unset_dns(quick);
		fz_rtnl_link_del(rt, quick->dev->name, &ignored);
	}
	return ret;
}

static int take_down(struct fz_rtnl *rt, struct quick *quick)
{
	const char *name = quick->dev->name;
	struct fz_link link;
	struct fz_error err;
	int ret;

	if (fz_rtnl_link_get(rt, name, &link, &err))
		return refused(&err);
	if (strcmp(link.kind, "fz")) {
		fz_error_set(&err, -EOPNOTSUPP, "\"%s\" is no fz device (wg-quick is for wireguard devices)", name);
		return refused(&err);
	}
	ret = run_hooks(quick, PRE_DOWN);
	if (ret)
		return ret;
	if (fz_rtnl_link_del(rt, name, &err))
		return refused(&err);
	remove_rules(quick);
	unset_dns(quick);
	return run_hooks(quick, POST_DOWN);
}

/* argv[0] says which of the two. */
int updown_main(int argc, char **argv)
{
	struct fz_rtnl *rt = NULL;
	struct fz_error err;
	struct quick quick;
	char name[IFNAMSIZ], *path;
	int ret;

	if (argc < 2)
		return out_of_words(argv[0]);
	if (argc > 2)
		return too_many_words(argv[2]);
	ret = find_file(argv[1], &path, name);
	if (ret)
		return ret;
	if (quick_read(path, name, &quick, &err)) {
		free(path);
		return bad_word(&err);
	}
	free(path);
	if (fz_rtnl_open(&rt, &err))
		ret = refused(&err);
	else
		ret = strcmp(argv[0], "up") ? take_down(rt, &quick) : bring_up(rt, &quick);
	fz_rtnl_close(rt);
	quick_free(&quick);
	return ret;
}
