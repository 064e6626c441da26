// SPDX-License-Identifier: GPL-2.0-only
#include "masquerade.h"

#include <errno.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format.h"
#include "log.h"

static int run(const char *commands, struct fz_error *err)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	int ret = 0;

	if (!nft)
		return fz_error_set(err, -ENOMEM, "nftables cannot be used");
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	if (nft_run_cmd_from_buffer(nft, commands)) {
		const char *why = nft_ctx_get_error_buffer(nft);

		ret = fz_error_set(err, -EIO, "nftables refused the table of the gateway: %.*s",
				   (int)strcspn(why, "\n"), why);
	}
	nft_ctx_free(nft);
	return ret;
}

/**
 * masquerade_remove() - take our table away
 * @dev: the tunnel device it belongs to
 * @err: why not
 *
 * Return: 0 or a negative errno.
 */
int masquerade_remove(const char *dev, struct fz_error *err)
{
	char commands[256];

	/* add first: deleting what is not there would be refused */
	snprintf(commands, sizeof(commands), "add table inet fz-%s\ndelete table inet fz-%s\n", dev, dev);
	return run(commands, err);
}

/**
 * masquerade_apply() - translate the sources that the state names, when they leave by another device
 * @dev: the tunnel device
 * @d: the desired state
 * @err: why not; then the old table is in force
 *
 * Return: 0 or a negative errno.
 */
int masquerade_apply(const char *dev, const struct desired *d, struct fz_error *err)
{
	struct want_prefix *want;
	char *commands = NULL;
	size_t size = 0;
	FILE *out;
	int ret;

	out = open_memstream(&commands, &size);
	if (!out)
		return fz_error_memory(err);
	fprintf(out, "add table inet fz-%s\ndelete table inet fz-%s\n", dev, dev);
	fprintf(out, "table inet fz-%s {\n\tchain postrouting {\n"
		"\t\ttype nat hook postrouting priority srcnat; policy accept;\n", dev);
	for (want = d->prefixes; want; want = want->hh.next) {
		char text[FZ_ADDR_TEXT_SIZE];

		if (want->key.kind != PREFIX_MASQUERADE)
			continue;
		fprintf(out, "\t\tiifname \"%s\" oifname != \"%s\" %s saddr %s masquerade\n", dev, dev,
			want->prefix.addr.family == AF_INET ? "ip" : "ip6",
			fz_format_prefix(text, sizeof(text), &want->prefix));
	}
	fprintf(out, "\t}\n}\n");
	ret = fclose(out) ? fz_error_memory(err) : run(commands, err);
	free(commands);
	return ret;
}

static int sysctl_on(const char *name, struct fz_error *err)
{
	char now = '0';
	int fd, ret = 0;

	fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd < 0)	/* no IPv6 on this host is no trouble */
		return errno == ENOENT ? 0 : fz_error_set(err, -errno, "%s: %s", name, strerror(errno));
	if (read(fd, &now, 1) != 1 || now == '0') {
		if (pwrite(fd, "1\n", 2, 0) != 2)
			ret = fz_error_set(err, -errno, "%s cannot be switched on: %s", name, strerror(errno));
		else
			log_info("%s switched on", name);
	}
	close(fd);
	return ret;
}

/**
 * forwarding_enable() - let this host pass packets on
 * @err: why not
 *
 * Return: 0 or a negative errno.
 */
int forwarding_enable(struct fz_error *err)
{
	int ret = sysctl_on("/proc/sys/net/ipv4/ip_forward", err);

	return ret ? ret : sysctl_on("/proc/sys/net/ipv6/conf/all/forwarding", err);
}
