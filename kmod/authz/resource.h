/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Resources: what can be reached. A name, prefixes, and services that hold for every prefix.
 *
 * One structure per policy answers "which resources cover this destination": a radix trie over
 * prefixes, and at each prefix an interval tree over (protocol, port). See trie.h and services.h.
 */

#ifndef _FZ_AUTHZ_RESOURCE_H
#define _FZ_AUTHZ_RESOURCE_H

#include <linux/fz.h>
#include <linux/list.h>
#include <linux/netlink.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>

#include "authz/tuple.h"

struct fz_authz;
struct fz_policy;
struct fz_shape;

/* Bounds of one resource; of all together there is none but memory. */
#define FZ_RESOURCE_PREFIXES_MAX 4096
#define FZ_RESOURCE_SERVICES_MAX 1024

/**
 * struct fz_service - a protocol and a range of its ports
 * @proto: IP protocol number
 * @all: every port or ICMP type; @min and @max say nothing. The only choice for protocols that
 *	 have neither
 * @min: first destination port, or ICMP type
 * @max: last one
 */
struct fz_service {
	u8 proto;
	bool all;
	u16 min;
	u16 max;
};

/**
 * struct fz_resource_spec - a resource as user space states it
 * @name: 1 to FZ_NAME_MAX bytes, NUL-terminated
 * @prefixes: at least one
 * @services: none means every protocol and port
 * @n_prefixes: length of @prefixes
 * @n_services: length of @services
 */
struct fz_resource_spec {
	const char *name;
	const struct fz_prefix *prefixes;
	const struct fz_service *services;
	unsigned int n_prefixes;
	unsigned int n_services;
};

/**
 * struct fz_resource_info - a resource as it is told to user space; pointers under RCU only
 * @name: its name
 * @prefixes: its prefixes
 * @services: its services
 * @n_prefixes: length of @prefixes
 * @n_services: length of @services
 * @grants: grants that name it
 */
struct fz_resource_info {
	const char *name;
	const struct fz_prefix *prefixes;
	const struct fz_service *services;
	unsigned int n_prefixes;
	unsigned int n_services;
	unsigned int grants;
};

/**
 * struct fz_resource - what can be reached
 * @node: in its policy's table of names; written under az->lock, read under RCU
 * @shape: its prefixes and services. RCU; NULL once removed. Every index entry names a shape and
 *	   counts only while the shape is its resource's: so one store moves a resource from its
 *	   old prefixes to its new ones, everywhere at once
 * @policy: that holds it; of use only while @shape is not NULL. az->lock
 * @grants: list of struct fz_grant.resource_node; az->lock
 * @n_grants: length of @grants; written under az->lock, read anywhere
 * @n_dir: the same for each direction: lets a lookup pass over resources without grants
 * @refs: one for the table, one for each grant that is alive in any form
 * @rcu: frees it
 * @name: NUL-terminated
 */
struct fz_resource {
	struct rhash_head node;
	struct fz_shape __rcu *shape;
	struct fz_policy *policy;
	struct list_head grants;
	unsigned int n_grants;
	unsigned int n_dir[2];
	refcount_t refs;
	struct rcu_head rcu;
	char name[FZ_NAME_MAX + 1];
};

/**
 * struct fz_resource_cursor - where a dump of resources is
 * @policy: that is dumped, with a reference; NULL when the dump is not begun
 * @iter: position in its table of names
 */
struct fz_resource_cursor {
	struct fz_policy *policy;
	struct rhashtable_iter iter;
};

int fz_resource_set(struct fz_authz *az, u64 owner, const struct fz_resource_spec *specs,
		    unsigned int count, unsigned int *bad, struct netlink_ext_ack *extack);
int fz_resource_del(struct fz_authz *az, u64 owner, const char *const *names, unsigned int count,
		    unsigned int *bad, struct netlink_ext_ack *extack);

void fz_resource_dump_begin(struct fz_authz *az, struct fz_resource_cursor *cursor);
int fz_resource_dump(struct fz_resource_cursor *cursor,
		     int (*emit)(void *context, const struct fz_resource_info *info),
		     void *context);
void fz_resource_dump_end(struct fz_resource_cursor *cursor);

void fz_resource_put(struct fz_resource *resource);

#endif /* _FZ_AUTHZ_RESOURCE_H */
