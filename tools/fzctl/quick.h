/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of wg-quick(8): a WireGuard configuration, and what else belongs to
 * the interface. Ours may say more: a Mode, and sections [Resource] and [Grant].
 */
#ifndef FZCTL_QUICK_H
#define FZCTL_QUICK_H

#include "fz.h"

#include <stdio.h>

enum quick_hook { PRE_UP, POST_UP, PRE_DOWN, POST_DOWN, QUICK_HOOKS };

struct quick_list {
	char **texts;
	size_t n;
};

/* A line without the space around it, and where it stands. */
struct quick_line {
	char *text;
	unsigned long number;
};

struct quick_lines {
	struct quick_line *lines;
	size_t n;
};

#define QUICK_MTU_LARGEST 65455		/* of an fz device */

/**
 * struct quick - a file that was read
 * @name: the device
 * @path: the file
 * @addresses: of the interface, with the length of their network
 * @mtu: 0 if not said
 * @table: where the routes go; 0 is the main one, unless a default route needs its own
 * @no_routes: Table = off
 * @table_text: what the file says of it, NULL if nothing
 * @save: SaveConfig = true
 * @servers, @domains: of DNS
 * @hooks: commands, for each occasion
 * @config: the lines that are not ours but those of wg(8)
 * @mode: the value of Mode, for quick_policy(); none if not said
 * @policy: the lines of [Resource] and [Grant], for quick_policy()
 */
struct quick {
	char name[IFNAMSIZ];
	char *path;
	struct fz_prefix *addresses;
	size_t n_addresses;
	uint32_t mtu;
	uint32_t table;
	bool no_routes;
	char *table_text;
	bool save;
	struct quick_list servers;
	struct quick_list domains;
	struct quick_list hooks[QUICK_HOOKS];
	struct quick_lines config;
	struct quick_lines mode;
	struct quick_lines policy;
};

/**
 * struct quick_policy - what a file says of flows
 * @mode: of the device; a direction that is not present is that of a new device
 * @resources, @grants: a grant whose time is over has a lease of 0
 * @resource_lines, @grant_lines: where each begins
 */
struct quick_policy {
	struct fz_mode_state mode[FZ_DIRECTIONS];
	struct fz_resource *resources;
	unsigned long *resource_lines;
	size_t n_resources;
	struct fz_grant *grants;
	unsigned long *grant_lines;
	size_t n_grants;
};

/**
 * struct quick_state - a device as it is
 * @addresses: of the interface
 * @mtu: written if the file has one
 */
struct quick_state {
	const struct fz_device *dev;
	const struct fz_prefix *addresses;
	size_t n_addresses;
	uint32_t mtu;
	struct fz_resource *resources;
	size_t n_resources;
	struct fz_grant *grants;
	size_t n_grants;
};

#define QUICK_SPACE " \t\r\n\v\f"

int quick_list_add(struct quick_list *list, const char *text, struct fz_error *err);
int quick_list_words(struct quick_list *list, char *text, const char *delimiters, struct fz_error *err);
void quick_list_free(struct quick_list *list);

/* quick.c */
int quick_read(const char *path, const char *name, struct quick *quick, struct fz_error *err);
int quick_config(const struct quick *quick, bool check, struct fz_device **out, struct fz_error *err);
bool quick_says_policy(const struct quick *quick);
void quick_write(FILE *out, const struct quick *quick, const struct quick_policy *policy,
		 const struct quick_state *state);
void quick_free(struct quick *quick);
char *quick_split(char *line, char **value);
bool quick_is_header(const char *line, const char *header);

/* quick_policy.c */
int quick_policy(const struct quick *quick, const struct fz_device *dev, struct quick_policy *policy,
		 struct fz_error *err);
void quick_policy_free(struct quick_policy *policy);
const struct fz_resource *quick_find_resource(const struct fz_resource *list, size_t n, const char *name);
const struct fz_grant *quick_find_grant(const struct fz_grant *list, size_t n, const struct fz_grant *grant);

/* quick_save.c */
void quick_write_mode(FILE *out, const struct quick *quick, const struct quick_policy *policy,
		      const struct quick_state *state);
void quick_write_policy(FILE *out, const struct quick *quick, const struct quick_policy *policy,
			const struct quick_state *state);

#endif
