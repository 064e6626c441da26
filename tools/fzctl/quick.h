/* SPDX-License-Identifier: GPL-2.0-only */
/* Files of wg-quick(8): a WireGuard configuration, and what else belongs to the interface. */
#ifndef FZCTL_QUICK_H
#define FZCTL_QUICK_H

#include "fz.h"

enum quick_hook { PRE_UP, POST_UP, PRE_DOWN, POST_DOWN, QUICK_HOOKS };

struct quick_list {
	char **texts;
	size_t n;
};

/**
 * struct quick - a file that was read
 * @dev: what the kernel module gets
 * @addresses: of the interface, with the length of their network
 * @mtu: 0 if not said
 * @table: where the routes go; 0 is the main one, unless a default route needs its own
 * @no_routes: Table = off
 * @dns: servers and search domains, as they stand
 * @hooks: commands, for each occasion
 */
struct quick {
	struct fz_device *dev;
	struct fz_prefix *addresses;
	size_t n_addresses;
	uint32_t mtu;
	uint32_t table;
	bool no_routes;
	struct quick_list dns;
	struct quick_list hooks[QUICK_HOOKS];
};

int quick_read(const char *path, const char *name, struct quick *quick, struct fz_error *err);
void quick_free(struct quick *quick);

#endif
