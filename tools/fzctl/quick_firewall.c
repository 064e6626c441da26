// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes with a default route: nobody from outside reaches the tunnel's
 * addresses past the tunnel, and answers to the tunnel's own datagrams carry
 * its mark again, so that the check of their source address finds their route.
 */
#include "quick_up.h"
#include "program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMMENT_START "fzctl up "

/* How nftables calls a family, and how iptables its programs. */
struct names {
	sa_family_t family;
	const char *nft, *save, *restore;
};

static const struct names ipv4 = { AF_INET, "ip", "iptables-save", "iptables-restore" };
static const struct names ipv6 = { AF_INET6, "ip6", "ip6tables-save", "ip6tables-restore" };

/* Where a name of a device has what nftables does not like in one of its own. */
static void put_table_name(FILE *out, const char *name)
{
	fputs("fzctl-up-", out);
	for (; *name; name++) {
		if (*name == '=' || *name == '+')
			fprintf(out, "/%02x", (unsigned int)*name);
		else
			fputc(*name, out);
	}
}

static bool is_ours(const struct quick_up *up, const struct names *names, const struct fz_local_addr *addr)
{
	return addr->ifindex == up->ifindex && addr->prefix.addr.family == names->family;
}

static void write_nft(FILE *out, const struct quick_up *up, const struct names *names, uint32_t mark,
		      const struct fz_local_addr *addrs, size_t n)
{
	char text[FZ_ADDR_TEXT_SIZE];

	fprintf(out, "table %s ", names->nft);
	put_table_name(out, up->quick->name);
	fputs(" {\n\tchain strangers {\n\t\ttype filter hook prerouting priority -300\n", out);
	for (size_t i = 0; i < n; i++) {
		if (is_ours(up, names, &addrs[i]))
			fprintf(out, "\t\tiifname != \"%s\" %s daddr %s fib saddr type != local drop\n",
				up->quick->name, names->nft,
				fz_format_addr(text, sizeof(text), &addrs[i].prefix.addr));
	}
	fputs("\t}\n\tchain marks_in {\n\t\ttype filter hook prerouting priority -150\n"
	      "\t\tmeta l4proto udp meta mark set ct mark\n"
	      "\t}\n\tchain marks_out {\n\t\ttype filter hook postrouting priority -150\n", out);
	fprintf(out, "\t\tmeta l4proto udp meta mark %u ct mark set meta mark\n\t}\n}\n", mark);
}

static void write_iptables(FILE *out, const struct quick_up *up, const struct names *names, uint32_t mark,
			   const struct fz_local_addr *addrs, size_t n)
{
	const char *name = up->quick->name;
	char text[FZ_ADDR_TEXT_SIZE];

	fputs("*raw\n", out);
	for (size_t i = 0; i < n; i++) {
		if (is_ours(up, names, &addrs[i]))
			fprintf(out, "-I PREROUTING -d %s ! -i %s -m addrtype ! --src-type LOCAL "
				"-m comment --comment \"" COMMENT_START "%s\" -j DROP\n",
				fz_format_addr(text, sizeof(text), &addrs[i].prefix.addr), name, name);
	}
	fputs("COMMIT\n*mangle\n", out);
	fprintf(out, "-I PREROUTING -p udp -m comment --comment \"" COMMENT_START "%s\" "
		"-j CONNMARK --restore-mark\n", name);
	fprintf(out, "-I POSTROUTING -p udp -m mark --mark %u -m comment --comment \"" COMMENT_START "%s\" "
		"-j CONNMARK --save-mark\nCOMMIT\n", mark, name);
}

typedef void (*write_fn)(FILE *out, const struct quick_up *up, const struct names *names, uint32_t mark,
			 const struct fz_local_addr *addrs, size_t n);

static char *rules_text(write_fn write, const struct quick_up *up, const struct names *names, uint32_t mark,
			const struct fz_local_addr *addrs, size_t n)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out) {
		write(out, up, names, mark, addrs, n);
		fclose(out);
	}
	return text;
}

static int run_with(const char *program, const char *option, const char *word, char *text)
{
	char *argv[] = { (char *)program, (char *)option, (char *)word, NULL };
	int ret = text ? program_run(argv, text, NULL, false) : -ENOMEM;

	free(text);
	return ret;
}

/**
 * quick_firewall_add - rules for a default route, by nft(8), or iptables(8) where that is not
 * @up: the device, with its addresses
 * @family: of the route
 * @mark: of the tunnel's own datagrams
 *
 * Return: 0, or an exit status after saying why not
 */
int quick_firewall_add(struct quick_up *up, sa_family_t family, uint32_t mark)
{
	const struct names *names = family == AF_INET ? &ipv4 : &ipv6;
	struct fz_local_addr *addrs;
	const char *program = "nft";
	struct fz_error err;
	size_t n;
	int ret;

	if (fz_rtnl_addr_list(up->rt, &addrs, &n, &err))
		return refused(&err);
	ret = run_with(program, "-f", "-", rules_text(write_nft, up, names, mark, addrs, n));
	if (ret == -ENOENT) {
		program = names->restore;
		ret = run_with(program, "-n", NULL, rules_text(write_iptables, up, names, mark, addrs, n));
	}
	free(addrs);
	if (!ret) {
		up->has_firewall = true;
		return EXIT_DONE;
	}
	if (ret == -ENOENT)
		usage_error("a default route needs nft, or iptables, and neither program is here");
	else
		usage_error("the packet filter of a default route cannot be set: %s failed", program);
	return EXIT_REFUSED;
}

/* The table is made if it is not there, so that it can be deleted in any case. */
static void del_nft(const struct names *names, const char *name)
{
	char *argv[] = { (char *)"nft", (char *)"-f", (char *)"-", NULL }, *text = NULL;
	static const char *const verbs[] = { "add", "delete" };
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	for (int i = 0; i < 2; i++) {
		fprintf(out, "%s table %s ", verbs[i], names->nft);
		put_table_name(out, name);
		fputc('\n', out);
	}
	fclose(out);
	program_run(argv, text, NULL, true);
	free(text);
}

/* The rules of a saved table that carry our comment, as their own removal; NULL if there are none. */
static char *removal(char *saved, const char *comment)
{
	char *text = NULL, *line;
	bool any = false;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	while ((line = strsep(&saved, "\n"))) {
		if (*line == '*' || !strcmp(line, "COMMIT")) {
			fprintf(out, "%s\n", line);
		} else if (!strncmp(line, "-A ", 3) && strstr(line, comment)) {
			fprintf(out, "-D %s\n", line + 3);
			any = true;
		}
	}
	fclose(out);
	if (!any) {
		free(text);
		text = NULL;
	}
	return text;
}

static void del_iptables(const struct names *names, const char *name)
{
	char *save[] = { (char *)names->save, NULL };
	char comment[64], *saved, *text;

	if (program_run(save, NULL, &saved, true))
		return;
	snprintf(comment, sizeof(comment), "--comment \"" COMMENT_START "%s\"", name);
	text = removal(saved, comment);
	free(saved);
	if (text)
		run_with(names->restore, "-n", NULL, text);
}

/* Whatever of it is there, by either program. */
void quick_firewall_del(const char *name)
{
	del_nft(&ipv4, name);
	del_nft(&ipv6, name);
	del_iptables(&ipv4, name);
	del_iptables(&ipv6, name);
}
