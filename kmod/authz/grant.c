// SPDX-License-Identifier: GPL-2.0-only
/* Grants: setting, removing, listing. */

#include "authz/grant.h"

#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "authz/authz.h"
#include "authz/filter.h"
#include "authz/policy.h"
#include "authz/walk.h"

static struct kmem_cache *grant_cache;

const struct rhashtable_params fz_grant_table = {
	.key_len = sizeof(struct fz_grant_key),
	.key_offset = offsetof(struct fz_grant, key),
	.head_offset = offsetof(struct fz_grant, node),
	.automatic_shrinking = true,
};

/**
 * fz_grant_module_init() - makes what all devices share
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int fz_grant_module_init(void)
{
	grant_cache = kmem_cache_create("fz_grant", sizeof(struct fz_grant), 0, SLAB_ACCOUNT, NULL);
	return grant_cache ? 0 : -ENOMEM;
}

/**
 * fz_grant_module_exit() - frees what all devices share
 *
 * Context: module unload, after rcu_barrier().
 */
void fz_grant_module_exit(void)
{
	kmem_cache_destroy(grant_cache);
}

static void free_grant_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(grant_cache, container_of(rcu, struct fz_grant, rcu));
}

/**
 * fz_grant_put() - gives a reference back
 * @grant: freed after its last reader, with its reference to the resource
 *
 * Context: any.
 */
void fz_grant_put(struct fz_grant *grant)
{
	if (!refcount_dec_and_test(&grant->refs))
		return;
	fz_meter_put(rcu_dereference_protected(grant->meter, true));
	fz_resource_put(grant->key.resource);
	call_rcu(&grant->rcu, free_grant_rcu);
}

/**
 * fz_grant_list_init() - makes an empty list
 * @list: zeros
 *
 * Context: any.
 */
void fz_grant_list_init(struct fz_grant_list *list)
{
	INIT_LIST_HEAD(&list->list);
}

static struct fz_grant_list *list_of(struct fz_policy *policy, const struct fz_grant *grant)
{
	return grant->key.ap ? &grant->key.ap->grants : &policy->any;
}

/* Counts @grant in, or out. */
static void count_grant(struct fz_grant_list *list, const struct fz_grant *grant, int by)
{
	WRITE_ONCE(list->count, list->count + by);
	if (fz_grant_denies(grant))
		WRITE_ONCE(list->denies, list->denies + by);
}

/* Puts @grant where lookups look for it, though it does not count yet. */
static int list_grant(struct fz_policy *policy, struct fz_grant *grant)
{
	struct fz_grant_list *list = list_of(policy, grant);

	count_grant(list, grant, 1);
	list_add_tail_rcu(&grant->peer_node, &list->list);
	return fz_filter_note(&list->filter, &list->list, list->count, grant->key.resource);
}

/**
 * fz_grant_unlist() - takes a grant off the list of its peer
 * @policy: that holds it, or held it
 * @grant: the grant
 *
 * Context: az->lock held.
 */
void fz_grant_unlist(struct fz_policy *policy, struct fz_grant *grant)
{
	list_del_rcu(&grant->peer_node);
	count_grant(list_of(policy, grant), grant, -1);
}

/**
 * fz_grant_unlink() - takes a grant out of its policy
 * @policy: that holds it
 * @grant: the grant
 *
 * Context: az->lock held.
 */
void fz_grant_unlink(struct fz_policy *policy, struct fz_grant *grant)
{
	struct fz_resource *resource = grant->key.resource;

	WRITE_ONCE(grant->dead, true);
	rhashtable_remove_fast(&policy->grants, &grant->node, fz_grant_table);
	list_del(&grant->resource_node);
	fz_grant_unlist(policy, grant);
	WRITE_ONCE(resource->n_grants, resource->n_grants - 1);
	WRITE_ONCE(resource->n_dir[grant->key.dir], resource->n_dir[grant->key.dir] - 1);
	policy->n_grants--;
	fz_grant_put(grant);
}

/**
 * fz_grant_take() - takes a grant out of its policy, as a change of its own
 * @az: the device's
 * @policy: that holds it
 * @grant: the grant
 *
 * Context: az->lock held.
 */
void fz_grant_take(struct fz_authz *az, struct fz_policy *policy, struct fz_grant *grant)
{
	fz_policy_change_begin(az, policy);
	fz_grant_unlink(policy, grant);
	fz_policy_change_end(az, policy);
}

/**
 * fz_grant_drop_peer() - takes all grants of a peer out of their policies, staged ones too
 * @az: the device's
 * @ap: the peer
 *
 * Context: az->lock held.
 */
void fz_grant_drop_peer(struct fz_authz *az, struct fz_authz_peer *ap)
{
	bool any = !list_empty(&ap->grants.list);
	struct fz_grant *grant, *next;

	lockdep_assert_held(&az->lock);
	/* Denials last: as in apply_all(). */
	list_for_each_entry_safe(grant, next, &ap->grants.list, peer_node) {
		if (!fz_grant_denies(grant))
			fz_grant_unlink(grant->key.resource->policy, grant);
	}
	list_for_each_entry_safe(grant, next, &ap->grants.list, peer_node)
		fz_grant_unlink(grant->key.resource->policy, grant);
	if (any)
		fz_policy_moved(az, true);
}

static int check_limits(const struct fz_grant_spec *spec, struct netlink_ext_ack *extack)
{
	if (spec->has_lease && !spec->lease_ms) {
		NL_SET_ERR_MSG(extack, "a lease is at least a millisecond");
		return -EINVAL;
	}
	if (spec->has_lease && spec->lease_ms > FZ_LEASE_MS_MAX) {
		NL_SET_ERR_MSG(extack, "a lease is at most 366 days");
		return -ERANGE;
	}
	if (spec->action > FZ_ACTION_MAX) {
		NL_SET_ERR_MSG(extack, "the action of a grant is allow or deny");
		return -EINVAL;
	}
	if (spec->action == FZ_ACTION_DENY && fz_limits_any(&spec->limits)) {
		NL_SET_ERR_MSG(extack, "quota, rate and flow-rate are for what is allowed, not for a denial");
		return -EINVAL;
	}
	return fz_limits_check(&spec->limits, extack);
}

/* Finds what @spec names. */
static int make_key(const struct fz_authz *az, struct fz_policy *policy,
		    const struct fz_grant_spec *spec, struct fz_grant_key *key,
		    struct netlink_ext_ack *extack)
{
	if (spec->dir > FZ_DIR_MAX) {
		NL_SET_ERR_MSG(extack, "the direction of a grant is in or out");
		return -EINVAL;
	}
	if (spec->ap && (spec->ap->az != az || READ_ONCE(spec->ap->dead))) {
		NL_SET_ERR_MSG(extack, "there is no such peer");
		return -ENOENT;
	}
	key->ap = spec->ap;
	key->dir = spec->dir;
	key->resource = fz_resource_find(policy, spec->resource);
	if (!key->resource) {
		if (policy->live)
			NL_SET_ERR_MSG(extack, "there is no resource of this name");
		else
			NL_SET_ERR_MSG(extack, "the epoch has no resource of this name yet");
		return -ENOENT;
	}
	return 0;
}

static struct fz_grant *new_grant(const struct fz_grant_key *key,
				  const struct fz_grant_spec *spec)
{
	struct fz_grant *grant = kmem_cache_zalloc(grant_cache, GFP_KERNEL);

	if (!grant)
		return NULL;
	if (fz_limits_any(&spec->limits)) {
		struct fz_meter *meter = fz_meter_alloc(&spec->limits);

		if (!meter) {
			kmem_cache_free(grant_cache, grant);
			return NULL;
		}
		RCU_INIT_POINTER(grant->meter, meter);
	}
	grant->key = *key;
	grant->action = spec->action;
	memcpy(grant->tag, spec->tag, sizeof(grant->tag));
	if (spec->has_lease)
		grant->lease = ktime_get_boottime_ns() + spec->lease_ms * NSEC_PER_MSEC;
	refcount_set(&grant->refs, 1);
	refcount_inc(&key->resource->refs);
	/* In the table it does not count until this is cleared. */
	grant->dead = true;
	return grant;
}

/* A grant that is being set. */
struct change {
	struct fz_grant *grant;
	struct fz_grant *old;	/* what the table has for its key; may be one of another change */
	bool inserted;		/* in the table, where there was none of its key */
};

static int prepare(const struct fz_authz *az, struct fz_policy *policy, struct change *change,
		   const struct fz_grant_spec *spec, struct netlink_ext_ack *extack)
{
	struct fz_grant_key key;
	struct fz_grant *old;
	int err;

	err = check_limits(spec, extack);
	if (err)
		return err;
	err = make_key(az, policy, spec, &key, extack);
	if (err)
		return err;
	change->grant = new_grant(&key, spec);
	if (!change->grant) {
		NL_SET_ERR_MSG(extack, "out of memory for the grants");
		return -ENOMEM;
	}
	old = rhashtable_lookup_get_insert_fast(&policy->grants, &change->grant->node,
						fz_grant_table);
	if (IS_ERR(old)) {
		NL_SET_ERR_MSG(extack, "no room for the grants");
		return PTR_ERR(old);
	}
	change->inserted = !old;
	change->old = old;
	if (old || !list_grant(policy, change->grant))
		return 0;
	NL_SET_ERR_MSG(extack, "out of memory for the grants");
	return -ENOMEM;
}

static void undo(struct fz_policy *policy, struct change *changes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (!changes[i].grant)
			continue;
		if (changes[i].inserted) {
			rhashtable_remove_fast(&policy->grants, &changes[i].grant->node,
					       fz_grant_table);
			fz_grant_unlist(policy, changes[i].grant);
		}
		fz_grant_put(changes[i].grant);
	}
}

/* Makes @grant count; the table and the list of its peer have it. */
static void link_grant(struct fz_policy *policy, struct fz_grant *grant)
{
	struct fz_resource *resource = grant->key.resource;

	list_add_tail(&grant->resource_node, &resource->grants);
	WRITE_ONCE(resource->n_grants, resource->n_grants + 1);
	WRITE_ONCE(resource->n_dir[grant->key.dir], resource->n_dir[grant->key.dir] + 1);
	policy->n_grants++;
	WRITE_ONCE(grant->dead, false);
}

static struct fz_meter *meter_of(const struct fz_authz *az, const struct fz_grant *grant)
{
	return rcu_dereference_protected(grant->meter, lockdep_is_held(&az->lock));
}

/**
 * fz_grant_inherit_meter() - has a grant go on with what was used of the one whose place it takes
 * @az: the device's
 * @grant: seen by no packet yet; its limits become those of the meter
 * @old: the one in force
 *
 * Both have the same meter then, so that not a packet is lost between them.
 *
 * Context: az->lock held.
 */
void fz_grant_inherit_meter(struct fz_authz *az, struct fz_grant *grant,
			    const struct fz_grant *old)
{
	struct fz_meter *mine = meter_of(az, grant), *meter = meter_of(az, old);

	if (!mine || !meter)
		return;
	fz_meter_set(meter, &mine->limits);
	refcount_inc(&meter->refs);
	rcu_assign_pointer(grant->meter, meter);
	fz_meter_put(mine);
}

/* Gives @old, which is in force, the limits of @grant, which is not to be. */
static void change_limits(struct fz_authz *az, struct fz_grant *old, struct fz_grant *grant)
{
	struct fz_meter *meter = meter_of(az, old);

	if (meter && meter_of(az, grant)) {
		fz_meter_set(meter, &meter_of(az, grant)->limits);
		return;
	}
	rcu_assign_pointer(old->meter, meter_of(az, grant));
	RCU_INIT_POINTER(grant->meter, meter);
}

/* Puts @grant in the place of @old, which flows may still refer to. */
static void replace_grant(struct fz_policy *policy, struct fz_grant *old, struct fz_grant *grant)
{
	atomic64_set(&grant->packets, atomic64_read(&old->packets));
	atomic64_set(&grant->bytes, atomic64_read(&old->bytes));
	list_replace(&old->resource_node, &grant->resource_node);
	count_grant(list_of(policy, grant), grant, 1);
	/* One of the two counts at every moment; for who has found @old already, that is @old. */
	WRITE_ONCE(grant->dead, false);
	list_replace_rcu(&old->peer_node, &grant->peer_node);
	rhashtable_replace_fast(&policy->grants, &old->node, &grant->node, fz_grant_table);
	count_grant(list_of(policy, old), old, -1);
	fz_grant_put(old);
}

/* Says that @grant's end may come before the sweep expects one. */
static void note_lease(struct fz_authz *az, const struct fz_grant *grant)
{
	if (grant->lease)
		fz_flow_note_lease(az, grant->lease);
}

/*
 * Cannot fail. Returns whether flows have to be judged again: they could lose something, or, where
 * there are limits, be admitted by a grant that has none.
 */
static bool apply(struct fz_authz *az, struct fz_policy *policy, struct change *change)
{
	struct fz_grant *grant = change->grant;
	struct fz_grant *old;

	note_lease(az, grant);
	if (meter_of(az, grant))
		policy->metered = true;
	if (change->inserted) {
		link_grant(policy, grant);
		return fz_grant_denies(grant) || policy->metered;
	}
	old = rhashtable_lookup_fast(&policy->grants, &grant->key, fz_grant_table);
	if (old->action == grant->action && !memcmp(old->tag, grant->tag, sizeof(old->tag))) {
		bool limits_change = !meter_of(az, old) != !meter_of(az, grant);
		bool had_lease = old->lease;

		/* Flows look at the lease for themselves; that of a denial may have ended just now. */
		WRITE_ONCE(old->lease, grant->lease);
		change_limits(az, old, grant);
		note_lease(az, grant);
		fz_grant_put(grant);
		return limits_change ||
		       (had_lease && (fz_grant_denies(old) || policy->metered));
	}
	fz_grant_inherit_meter(az, grant, old);
	replace_grant(policy, old, grant);
	return true;
}

/* Whether two of the changes are of one key: then their order says what is in force in the end. */
static bool repeats(struct change *changes, unsigned int count)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct fz_grant *old = changes[i].old;

		if (!old)
			continue;
		/* What does not count yet is of another change; or it was named before. */
		found |= old->dead || old->named;
		old->named = true;
	}
	for (i = 0; i < count; i++) {
		if (changes[i].old)
			changes[i].old->named = false;
	}
	return found;
}

/* Puts those in force that deny, if @denials, or the others. True if flows have to be judged again. */
static bool apply_some(struct fz_authz *az, struct fz_policy *policy, struct change *changes,
		       unsigned int count, bool denials)
{
	bool takes = false;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (!changes[i].grant || fz_grant_denies(changes[i].grant) != denials)
			continue;
		fz_policy_change_begin(az, policy);
		takes |= apply(az, policy, &changes[i]);
		fz_policy_change_end(az, policy);
		changes[i].grant = NULL;
	}
	return takes;
}

/* Denials first: no packet is to see what is allowed without what is denied of it. */
static bool apply_all(struct fz_authz *az, struct fz_policy *policy, struct change *changes,
		      unsigned int count)
{
	bool takes = false;
	unsigned int i;

	if (!repeats(changes, count)) {
		takes = apply_some(az, policy, changes, count, true);
		return apply_some(az, policy, changes, count, false) || takes;
	}
	for (i = 0; i < count; i++)
		takes |= apply_some(az, policy, &changes[i], 1,
				    fz_grant_denies(changes[i].grant));
	return takes;
}

static int set_locked(struct fz_authz *az, struct fz_policy *policy, struct change *changes,
		      const struct fz_grant_spec *specs, unsigned int count, unsigned int *bad,
		      struct netlink_ext_ack *extack)
{
	unsigned int i;
	bool takes;

	for (i = 0; i < count; i++) {
		int err = prepare(az, policy, &changes[i], &specs[i], extack);

		if (err) {
			*bad = i;
			undo(policy, changes, i + 1);
			return err;
		}
	}
	takes = apply_all(az, policy, changes, count);
	if (policy->live)
		fz_policy_moved(az, takes);
	return 0;
}

/**
 * fz_grant_set() - adds grants, or renews or changes those of the same peer, resource, direction
 * @az: the device's
 * @owner: the client; if it has an epoch open, the change is staged
 * @specs: what to set
 * @count: length of @specs
 * @bad: set to the number of the one that was refused; may be NULL
 * @extack: says why; may be NULL
 *
 * Context: may sleep; takes az->lock. The peers stay as long as the call, by device_update_lock.
 * Return: 0, or an error and nothing was changed.
 */
int fz_grant_set(struct fz_authz *az, u64 owner, const struct fz_grant_spec *specs,
		 unsigned int count, unsigned int *bad, struct netlink_ext_ack *extack)
{
	struct change *changes;
	unsigned int unused;
	int err;

	changes = kvcalloc(count, sizeof(*changes), GFP_KERNEL);
	if (!changes && count) {
		NL_SET_ERR_MSG(extack, "out of memory for so many grants at once");
		return -ENOMEM;
	}
	mutex_lock(&az->lock);
	err = set_locked(az, fz_policy_of(az, owner), changes, specs, count, bad ?: &unused,
			 extack);
	mutex_unlock(&az->lock);
	kvfree(changes);
	return err;
}

/* Takes those away that deny, if @denials, or the others. */
static void del_some(struct fz_authz *az, struct fz_policy *policy,
		     const struct fz_grant_spec *specs, unsigned int count, bool denials)
{
	struct fz_grant_key key;
	struct fz_grant *grant;
	unsigned int i;

	for (i = 0; i < count; i++) {
		make_key(az, policy, &specs[i], &key, NULL);
		grant = rhashtable_lookup_fast(&policy->grants, &key, fz_grant_table);
		/* None if it was named twice. */
		if (grant && fz_grant_denies(grant) == denials)
			fz_grant_take(az, policy, grant);
	}
}

static int del_locked(struct fz_authz *az, struct fz_policy *policy,
		      const struct fz_grant_spec *specs, unsigned int count, unsigned int *bad,
		      struct netlink_ext_ack *extack)
{
	struct fz_grant_key key;
	unsigned int i;
	int err;

	for (i = 0; i < count; i++) {
		*bad = i;
		err = make_key(az, policy, &specs[i], &key, extack);
		if (err)
			return err;
		if (!rhashtable_lookup_fast(&policy->grants, &key, fz_grant_table)) {
			NL_SET_ERR_MSG(extack, "there is no such grant");
			return -ENOENT;
		}
	}
	/* Denials last: as in apply_all(). */
	del_some(az, policy, specs, count, false);
	del_some(az, policy, specs, count, true);
	if (policy->live)
		fz_policy_moved(az, true);
	return 0;
}

/**
 * fz_grant_del() - removes grants
 * @az: the device's
 * @owner: the client; if it has an epoch open, the change is staged
 * @specs: their peers, resources and directions
 * @count: length of @specs
 * @bad: set to the number of the one that was refused; may be NULL
 * @extack: says why; may be NULL
 *
 * Context: may sleep; takes az->lock. The peers stay as long as the call, by device_update_lock.
 * Return: 0, or an error and nothing was changed.
 */
int fz_grant_del(struct fz_authz *az, u64 owner, const struct fz_grant_spec *specs,
		 unsigned int count, unsigned int *bad, struct netlink_ext_ack *extack)
{
	unsigned int unused;
	int err;

	mutex_lock(&az->lock);
	err = del_locked(az, fz_policy_of(az, owner), specs, count, bad ?: &unused, extack);
	mutex_unlock(&az->lock);
	return err;
}

/**
 * fz_grant_read() - copies a grant for user space
 * @grant: the grant
 * @info: filled in
 *
 * Context: RCU, or az->lock, or a reference.
 */
void fz_grant_read(const struct fz_grant *grant, struct fz_grant_info *info)
{
	u64 now = ktime_get_boottime_ns();
	u64 lease = READ_ONCE(grant->lease);
	struct fz_meter *meter;

	memset(info, 0, sizeof(*info));
	info->ap = grant->key.ap;
	strscpy(info->resource, grant->key.resource->name, sizeof(info->resource));
	info->dir = grant->key.dir;
	info->action = grant->action;
	info->has_lease = lease;
	info->lease_ms = lease > now ? DIV_ROUND_UP_ULL(lease - now, NSEC_PER_MSEC) : 0;
	memcpy(info->tag, grant->tag, sizeof(info->tag));
	info->packets = atomic64_read(&grant->packets);
	info->bytes = atomic64_read(&grant->bytes);
	info->flows = atomic_read(&grant->flows);
	rcu_read_lock();
	meter = rcu_dereference(grant->meter);
	if (meter)
		fz_meter_read(meter, &info->limits, &info->used);
	rcu_read_unlock();
}

/**
 * fz_grant_dump_begin() - begins a dump of the policy in force
 * @az: the device's
 * @cursor: its position; given to fz_grant_dump_end() in the end
 * @only: only this peer's grants; NULL all
 *
 * Context: may sleep; takes az->lock.
 */
void fz_grant_dump_begin(struct fz_authz *az, struct fz_grant_cursor *cursor,
			 const struct fz_authz_peer *only)
{
	cursor->policy = fz_policy_get(az);
	cursor->only = only;
	rhashtable_walk_enter(&cursor->policy->grants, &cursor->iter);
}

/* A dump of grants while it goes on. */
struct dump {
	const struct fz_grant_cursor *cursor;
	int (*emit)(void *context, const struct fz_grant_info *info);
	void *context;
};

static int visit(void *context, void *entry)
{
	const struct fz_grant *grant = entry;
	const struct dump *dump = context;
	struct fz_grant_info info;

	if (READ_ONCE(dump->cursor->policy->over))
		return -EINTR;
	if (READ_ONCE(grant->dead))
		return 0;
	if (dump->cursor->only && grant->key.ap != dump->cursor->only)
		return 0;
	fz_grant_read(grant, &info);
	return dump->emit(dump->context, &info);
}

/**
 * fz_grant_dump() - goes on with a dump
 * @cursor: its position
 * @emit: takes one grant, under RCU; may not sleep. Non-zero ends the call, and the same grant
 *	  comes again in the next
 * @context: for @emit
 *
 * A peer that is gone is never shown: a policy that was replaced says so before its peers can go,
 * and a peer goes only after all who read under RCU by then.
 *
 * Context: may sleep.
 * Return: what @emit returned; 0 at the end; -EINTR if the policy was replaced meanwhile, or so
 * changed that some may be missing or come twice.
 */
int fz_grant_dump(struct fz_grant_cursor *cursor,
		  int (*emit)(void *context, const struct fz_grant_info *info), void *context)
{
	struct dump dump = { .cursor = cursor, .emit = emit, .context = context };

	return fz_walk(&cursor->iter, visit, &dump);
}

/**
 * fz_grant_dump_end() - ends a dump
 * @cursor: its position; a cursor of zeros, never begun, is fine
 *
 * Context: may sleep.
 */
void fz_grant_dump_end(struct fz_grant_cursor *cursor)
{
	if (!cursor->policy)
		return;
	rhashtable_walk_exit(&cursor->iter);
	fz_policy_put(cursor->policy);
	cursor->policy = NULL;
}
