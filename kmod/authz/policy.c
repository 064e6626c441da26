// SPDX-License-Identifier: GPL-2.0-only
/* Resources and grants that are in force together. */

#include "authz/policy.h"

#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "authz/authz.h"
#include "authz/filter.h"

/* Grants let go of before others get the lock. */
#define RETIRE_BATCH 1024

/**
 * fz_policy_alloc() - makes an empty policy
 *
 * Context: may sleep.
 * Return: the policy with one reference, or NULL without memory.
 */
struct fz_policy *fz_policy_alloc(void)
{
	struct fz_policy *policy = kzalloc(sizeof(*policy), GFP_KERNEL_ACCOUNT);

	if (!policy)
		return NULL;
	if (rhashtable_init(&policy->grants, &fz_grant_table))
		goto no_grants;
	if (rhashtable_init(&policy->names, &fz_name_table))
		goto no_names;
	fz_grant_list_init(&policy->any);
	INIT_LIST_HEAD(&policy->dirty);
	refcount_set(&policy->refs, 1);
	return policy;

no_names:
	rhashtable_destroy(&policy->grants);
no_grants:
	kfree(policy);
	return NULL;
}

static void free_grant(void *pointer, void *unused)
{
	fz_grant_put(pointer);
}

static void free_resource(void *pointer, void *unused)
{
	struct fz_resource *resource = pointer;

	kvfree(rcu_dereference_protected(resource->shape, 1));
	RCU_INIT_POINTER(resource->shape, NULL);
	fz_resource_put(resource);
}

/**
 * fz_policy_put() - gives a reference back
 * @policy: freed with the last one; by then retired, or never in force
 *
 * Context: may sleep.
 */
void fz_policy_put(struct fz_policy *policy)
{
	if (!refcount_dec_and_test(&policy->refs))
		return;
	rhashtable_free_and_destroy(&policy->grants, free_grant, NULL);
	rhashtable_free_and_destroy(&policy->names, free_resource, NULL);
	fz_trie_free(&policy->tries[0]);
	fz_trie_free(&policy->tries[1]);
	fz_filter_free(&policy->any.filter);
	kfree(policy);
}

/**
 * fz_policy_get() - the policy in force, for a dump
 * @az: the device's
 *
 * Context: may sleep; takes az->lock.
 * Return: the policy with a reference for the caller.
 */
struct fz_policy *fz_policy_get(struct fz_authz *az)
{
	struct fz_policy *policy;

	mutex_lock(&az->lock);
	policy = rcu_dereference_protected(az->policy, lockdep_is_held(&az->lock));
	refcount_inc(&policy->refs);
	mutex_unlock(&az->lock);
	return policy;
}

/**
 * fz_policy_of() - the policy that a client's changes go to
 * @az: the device's
 * @owner: the client
 *
 * Context: az->lock held.
 * Return: the staged one if the client has an epoch open, otherwise the one in force.
 */
struct fz_policy *fz_policy_of(struct fz_authz *az, u64 owner)
{
	lockdep_assert_held(&az->lock);
	if (az->staged && owner && az->owner == owner)
		return az->staged;
	return rcu_dereference_protected(az->policy, lockdep_is_held(&az->lock));
}

/* Takes some grants off the lists of their peers. False at the end of the table. */
static bool forget_some(struct fz_policy *policy, struct rhashtable_iter *iter)
{
	unsigned int count = RETIRE_BATCH;
	struct fz_grant *grant = NULL;

	lockdep_assert_held(&policy->az->lock);
	rhashtable_walk_start(iter);
	while (count-- && (grant = rhashtable_walk_next(iter))) {
		/* A table that was resized is walked from the start again. */
		if (IS_ERR(grant) || grant->dead)
			continue;
		WRITE_ONCE(grant->dead, true);
		fz_grant_unlist(policy, grant);
		policy->n_grants--;
	}
	rhashtable_walk_stop(iter);
	return grant;
}

/*
 * Takes all grants off the lists of their peers: a peer may go before the policy. Others have the
 * lock in between, and may take out those of a peer: where that confuses the walk, there is another.
 */
static void forget_peers(struct fz_policy *policy)
{
	struct fz_authz *az = policy->az;
	struct rhashtable_iter iter;
	bool more;

	do {
		rhashtable_walk_enter(&policy->grants, &iter);
		do {
			mutex_lock(&az->lock);
			more = forget_some(policy, &iter) && policy->n_grants;
			mutex_unlock(&az->lock);
			cond_resched();
		} while (more);
		rhashtable_walk_exit(&iter);
	} while (READ_ONCE(policy->n_grants));
}

static void run_retirement(struct work_struct *work)
{
	struct fz_policy *policy = container_of(work, struct fz_policy, retirement);
	struct fz_authz *az = policy->az;

	forget_peers(policy);
	/* The device may go from here on. */
	if (atomic_dec_and_test(&az->retiring))
		wake_up_var(&az->retiring);
	fz_policy_put(policy);
}

/**
 * fz_policy_retire() - lets go of a policy that was in force, or staged
 * @az: the device's
 * @policy: no packet can see it any more; a dump still may
 *
 * It is taken apart in the background, so that other changes of policy need not wait. Until then
 * its grants stay in the lists of their peers, as staged ones do.
 *
 * Context: az->lock held. Takes over the device's reference.
 */
void fz_policy_retire(struct fz_authz *az, struct fz_policy *policy)
{
	lockdep_assert_held(&az->lock);
	WRITE_ONCE(policy->over, true);
	policy->az = az;
	atomic_inc(&az->retiring);
	INIT_WORK(&policy->retirement, run_retirement);
	queue_work(fz_authz_wq, &policy->retirement);
}

/**
 * fz_policy_wait() - waits until no retired policy has need of the device any more
 * @az: the device's
 *
 * Not for others' policies, of which there may be many, and perhaps with RTNL held.
 *
 * Context: may sleep; no az->lock held.
 */
void fz_policy_wait(struct fz_authz *az)
{
	wait_var_event(&az->retiring, !atomic_read(&az->retiring));
}

/**
 * fz_policy_trie() - the trie of a family
 * @policy: the policy
 * @family: AF_INET or AF_INET6
 *
 * Context: any.
 * Return: the trie.
 */
struct fz_trie *fz_policy_trie(struct fz_policy *policy, u8 family)
{
	return &policy->tries[family == AF_INET6];
}

/* The tag of the only resource at a prefix, or 0. */
static u32 only_tag(const struct fz_site *site)
{
	const struct fz_resource *only = NULL;
	const struct fz_binding *binding;

	list_for_each_entry(binding, &site->bindings, node) {
		if (only && binding->shape->resource != only)
			return 0;
		only = binding->shape->resource;
	}
	return only ? fz_filter_tag(only) : 0;
}

static int rebuild(struct fz_policy *policy, struct fz_site *site)
{
	struct fz_trie_node *node = site->node;
	struct fz_services *services = NULL, *old;
	struct fz_binding *binding;
	unsigned int count = 0, i;

	list_for_each_entry(binding, &site->bindings, node)
		count += max(binding->shape->n_services, 1U);
	if (count) {
		services = fz_services_alloc(count);
		if (!services)
			return -ENOMEM;
		count = 0;
		list_for_each_entry(binding, &site->bindings, node) {
			struct fz_shape *shape = binding->shape;

			if (!shape->n_services)
				fz_services_fill(services, &count, shape, NULL);
			for (i = 0; i < shape->n_services; i++)
				fz_services_fill(services, &count, shape, &shape->services[i]);
		}
		fz_services_seal(services);
	}
	old = rcu_dereference_protected(node->services, 1);
	/*
	 * In either order a reader finds what was here before or what is now: what comes counts only
	 * later, and what goes does not any more.
	 */
	WRITE_ONCE(node->tag, only_tag(site));
	rcu_assign_pointer(node->services, services);
	fz_services_retire(old);
	list_del_init(&site->dirty);
	fz_trie_prune(fz_policy_trie(policy, node->prefix.family), site);
	return 0;
}

/**
 * fz_policy_flush() - brings all indexes up to date
 * @policy: whose
 *
 * Context: az->lock held; may sleep.
 * Return: 0, or -ENOMEM when some could not be.
 */
int fz_policy_flush(struct fz_policy *policy)
{
	struct fz_site *site;
	int err;

	while ((site = list_first_entry_or_null(&policy->dirty, struct fz_site, dirty))) {
		err = rebuild(policy, site);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

/**
 * fz_policy_settle() - takes shapes that are gone out of all indexes
 * @policy: whose
 *
 * Context: az->lock held; may sleep. Cannot fail: without memory, what is gone is struck out and
 * the index stays larger than it need be until the next change of it.
 */
void fz_policy_settle(struct fz_policy *policy)
{
	struct fz_site *site;

	if (!fz_policy_flush(policy))
		return;
	list_for_each_entry(site, &policy->dirty, dirty)
		fz_services_strike(rcu_dereference_protected(site->node->services, 1));
}

/**
 * fz_policy_judge_again() - has all flows judged again, each with its next packet or by the sweep
 * @az: the device's
 *
 * Context: az->lock held; what they are to be judged by is already visible.
 */
void fz_policy_judge_again(struct fz_authz *az)
{
	lockdep_assert_held(&az->lock);
	/* Pairs with smp_load_acquire() where flows are judged: who sees the new number sees
	 * the new policy.
	 */
	smp_store_release(&az->gen, az->gen + 1);
}

/**
 * fz_policy_moved() - makes a change of policy or mode count
 * @az: the device's
 * @takes: the change could take something from a flow that has it: all are judged again
 *
 * Admitting more cannot end a flow. It only can change what mode observe says about one.
 *
 * Context: az->lock held; the change is already visible.
 */
void fz_policy_moved(struct fz_authz *az, bool takes)
{
	lockdep_assert_held(&az->lock);
	WRITE_ONCE(az->generation, az->generation + 1);
	if (takes || az->observes)
		fz_policy_judge_again(az);
}
