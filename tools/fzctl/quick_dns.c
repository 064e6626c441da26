// SPDX-License-Identifier: GPL-2.0-only
/* Name servers, by resolvconf(8). */
#include "quick_up.h"
#include "program.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INTERFACE_ORDER "/etc/resolvconf/interface-order"

/*
 * Debian's resolvconf orders what it is told by the name of the interface: a
 * name of ours gets the beginning of the first kind of interface in that list.
 */
static void record_name(char *out, size_t size, const char *name)
{
	char line[128], *end;
	FILE *file = fopen(INTERFACE_ORDER, "re");

	snprintf(out, size, "%s", name);
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		for (end = line; isalnum((unsigned char)*end) || *end == '-'; end++)
			;
		if (end > line && !strcmp(end, "*")) {
			*end = 0;
			snprintf(out, size, "%s.%s", line, name);
			break;
		}
	}
	if (file)
		fclose(file);
}

static char *resolv_conf(const struct quick *quick)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < quick->servers.n; i++)
		fprintf(out, "nameserver %s\n", quick->servers.texts[i]);
	for (size_t i = 0; i < quick->domains.n; i++)
		fprintf(out, "%s%s%s", i ? " " : "search ", quick->domains.texts[i],
			i + 1 == quick->domains.n ? "\n" : "");
	fclose(out);
	return text;
}

/**
 * quick_dns_set - give the host the name servers of a file
 * @up: the device; its has_dns becomes true if there are any
 *
 * Return: 0, or an exit status after saying why not
 */
int quick_dns_set(struct quick_up *up)
{
	char record[160], *text;
	char *argv[] = { (char *)"resolvconf", (char *)"-a", record, (char *)"-m", (char *)"0", (char *)"-x", NULL };
	int ret;

	if (!up->quick->servers.n)
		return EXIT_DONE;
	record_name(record, sizeof(record), up->quick->name);
	text = resolv_conf(up->quick);
	if (!text)
		return usage_error("out of memory");
	ret = program_run(argv, text, NULL, false);
	free(text);
	up->has_dns = !ret;
	if (!ret)
		return EXIT_DONE;
	if (ret == -ENOENT)
		usage_error("the name servers cannot be set: there is no program resolvconf");
	else
		usage_error("the name servers cannot be set: resolvconf failed");
	return EXIT_REFUSED;
}

/* Takes them back. */
void quick_dns_unset(const struct quick *quick)
{
	char record[160];
	char *argv[] = { (char *)"resolvconf", (char *)"-d", record, (char *)"-f", NULL };

	if (!quick->servers.n)
		return;
	record_name(record, sizeof(record), quick->name);
	program_run(argv, NULL, NULL, false);
}
