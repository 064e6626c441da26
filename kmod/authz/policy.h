/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy: resources and grants that are in force together.
 *
 * A device has one in force and at most one staged in an epoch. Packets see the one in force only,
 * through az->policy under RCU. All changes are under az->lock.
 */

#ifndef _FZ_AUTHZ_POLICY_H
#define _FZ_AUTHZ_POLICY_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/workqueue.h>

#include "authz/authz.h"
#include "authz/services.h"
#include "authz/trie.h"

/**
 * struct fz_binding - a shape at one of its prefixes
 * @node: in fz_site.bindings, empty if not bound
 * @at: the prefix's site
 * @shape: the shape
 */
struct fz_binding {
	struct list_head node;
	struct fz_site *at;
	struct fz_shape *shape;
};

/**
 * struct fz_shape - what a resource covers at one time; never changes once published
 * @resource: whose it is; outlives the shape
 * @n_prefixes: length of @prefixes and @bindings
 * @n_services: length of @services
 * @prefixes: in the same allocation
 * @services: in the same allocation
 * @bindings: in the same allocation; the writer's
 * @gone: bound nowhere any more; the writer's
 * @rcu: frees it
 */
struct fz_shape {
	struct fz_resource *resource;
	unsigned int n_prefixes;
	unsigned int n_services;
	struct fz_prefix *prefixes;
	struct fz_service *services;
	struct fz_binding *bindings;
	bool gone;
	struct rcu_head rcu;
};

/**
 * struct fz_policy - resources and grants
 * @tries: prefixes of IPv4 and IPv6
 * @grants: struct fz_grant by key
 * @names: struct fz_resource by name
 * @any: grants to any peer
 * @dirty: struct fz_site.dirty, sites whose index is not up to date
 * @n_resources: resources that have a shape
 * @n_grants: grants; of a retired policy, those that are in the lists of peers still
 * @live: in force: packets see it
 * @metered: some grant has, or had, limits
 * @over: was replaced: dumps of it end. Written before its peers can go; READ_ONCE
 * @refs: one for the device, one for each dump
 * @az: the device's, once it is retired
 * @retirement: takes it apart then
 *
 * All under az->lock but @refs, @over and what is read under RCU.
 */
struct fz_policy {
	struct fz_trie tries[2];
	struct rhashtable grants;
	struct rhashtable names;
	struct fz_grant_list any;
	struct list_head dirty;
	unsigned int n_resources;
	unsigned int n_grants;
	bool live;
	bool metered;
	bool over;
	refcount_t refs;
	struct fz_authz *az;
	struct work_struct retirement;
};

extern const struct rhashtable_params fz_grant_table;
extern const struct rhashtable_params fz_name_table;

struct fz_policy *fz_policy_alloc(void);
void fz_policy_put(struct fz_policy *policy);
struct fz_policy *fz_policy_get(struct fz_authz *az);
struct fz_policy *fz_policy_of(struct fz_authz *az, u64 owner);
void fz_policy_retire(struct fz_authz *az, struct fz_policy *policy);
void fz_policy_wait(struct fz_authz *az);
int fz_policy_flush(struct fz_policy *policy);
void fz_policy_settle(struct fz_policy *policy);
void fz_policy_judge_again(struct fz_authz *az);
void fz_policy_moved(struct fz_authz *az, bool takes);

/**
 * fz_policy_change_begin() - has decisions that are made meanwhile be made again
 * @az: the device's
 * @policy: that is changed; nobody decides by one that is not in force
 *
 * For as short as can be: until fz_policy_change_end(). Readers do not wait for it, so that it may be
 * interrupted.
 *
 * Context: az->lock held.
 */
static inline void fz_policy_change_begin(struct fz_authz *az, const struct fz_policy *policy)
{
	lockdep_assert_held(&az->lock);
	if (!policy->live)
		return;
	raw_write_seqcount_begin(&az->change);
}

static inline void fz_policy_change_end(struct fz_authz *az, const struct fz_policy *policy)
{
	if (!policy->live)
		return;
	raw_write_seqcount_end(&az->change);
}

struct fz_trie *fz_policy_trie(struct fz_policy *policy, u8 family);
struct fz_resource *fz_resource_find(struct fz_policy *policy, const char *name);
void fz_grant_unlink(struct fz_policy *policy, struct fz_grant *grant);
void fz_grant_take(struct fz_authz *az, struct fz_policy *policy, struct fz_grant *grant);
void fz_grant_unlist(struct fz_policy *policy, struct fz_grant *grant);
void fz_grant_drop_peer(struct fz_authz *az, struct fz_authz_peer *ap);

int fz_grant_module_init(void);
void fz_grant_module_exit(void);

#endif /* _FZ_AUTHZ_POLICY_H */
