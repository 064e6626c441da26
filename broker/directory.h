/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Users, groups, sites, devices, resources and policies in memory: one consistent state of the store. Decisions are
 * taken from it. The broker replaces it as a whole after each change (broker_refresh() in broker.h); pointers into it
 * hold until then, so keep ids, not pointers, beyond one event. What agents change often, and no decision looks at, is
 * changed in place: their tunnel keys.
 *
 * Arrays are ordered by id. Lookups return NULL for what is not there.
 */
#ifndef BROKER_DIRECTORY_H
#define BROKER_DIRECTORY_H

#include "model.h"

struct directory_index;

#define DIRECTORY_POOLS	6

struct directory {
	struct prefix overlay4, overlay6;
	struct user *users;
	size_t n_users;
	struct group *groups;
	size_t n_groups;
	struct site *sites;
	size_t n_sites;
	struct device *devices;
	size_t n_devices;
	struct resource *resources;
	size_t n_resources;
	struct policy *policies;
	size_t n_policies;
	void *pools[DIRECTORY_POOLS];	/* what the arrays inside of objects point into */
	struct directory_index *index;	/* of directory.c */
};

/* Order what was filled in, so that the lookups below work. 0 or -ENOMEM. */
int directory_index(struct directory *dir);
void directory_free(struct directory *dir);
/* A device has another tunnel key. Nothing happens when there is no such device. */
void directory_rekey(struct directory *dir, int64_t device_id, const uint8_t key[MODEL_KEY_LEN]);

const struct user *directory_user(const struct directory *dir, int64_t id);
const struct group *directory_group(const struct directory *dir, int64_t id);
const struct site *directory_site(const struct directory *dir, int64_t id);
const struct device *directory_device(const struct directory *dir, int64_t id);
const struct resource *directory_resource(const struct directory *dir, int64_t id);
const struct policy *directory_policy(const struct directory *dir, int64_t id);

const struct user *directory_user_named(const struct directory *dir, const char *name);
const struct group *directory_group_named(const struct directory *dir, const char *name);
const struct site *directory_site_named(const struct directory *dir, const char *name);
const struct device *directory_device_named(const struct directory *dir, const char *name);
const struct resource *directory_resource_named(const struct directory *dir, const char *name);
const struct policy *directory_policy_named(const struct directory *dir, const char *name);

/* By key; control keys and tunnel keys are unique each among their kind. */
const struct device *directory_device_by_control(const struct directory *dir, const uint8_t key[MODEL_KEY_LEN]);
const struct device *directory_device_by_tunnel(const struct directory *dir, const uint8_t key[MODEL_KEY_LEN]);
/* By overlay address, either family. */
const struct device *directory_device_by_address(const struct directory *dir, uint8_t family, const uint8_t *addr);

/* Calls @visit for each prefix of a resource that holds the address; @bits is its length. */
void directory_covering(const struct directory *dir, uint8_t family, const uint8_t *addr,
			void (*visit)(void *context, const struct resource *resource, uint8_t bits), void *context);
/* The policies that name the resource, by id; @n of them. */
const struct policy *const *directory_policies_on(const struct directory *dir, int64_t resource_id, size_t *n);
/* All enabled policies that deny, by id; @n of them. */
const struct policy *const *directory_denying(const struct directory *dir, size_t *n);
/* Does the policy name a group that the user is in? */
bool directory_concerns(const struct policy *policy, const struct user *user);

/**
 * directory_prefixes() - the prefixes of every site
 * @dir: the directory
 * @user_id: the user
 * @prefixes: out: prefixes without duplicates, to be freed by the caller
 *
 * What the kernel of a user's device should ask about and route into the tunnel. It does not depend on policy: where
 * nothing is granted, packets meant for a site are to be refused, not to leave in the clear by another route.
 *
 * Return: their number, or a negative errno.
 */
int directory_prefixes(const struct directory *dir, int64_t user_id, struct prefix **prefixes);

#endif
