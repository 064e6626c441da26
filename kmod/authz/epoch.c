// SPDX-License-Identifier: GPL-2.0-only
/* Replacing a whole policy at once. */

#include "authz/epoch.h"

#include "authz/authz.h"
#include "authz/policy.h"

/**
 * fz_epoch_begin() - opens an epoch
 * @az: the device's
 * @owner: the client; not 0
 * @extack: says why not; may be NULL
 *
 * Context: may sleep; takes az->lock.
 * Return: 0, -EALREADY if the client has one open, -EBUSY if another has, -ENOMEM.
 */
int fz_epoch_begin(struct fz_authz *az, u64 owner, struct netlink_ext_ack *extack)
{
	int err = 0;

	mutex_lock(&az->lock);
	if (az->staged && az->owner == owner) {
		NL_SET_ERR_MSG(extack, "this socket has an epoch open already");
		err = -EALREADY;
	} else if (az->staged) {
		NL_SET_ERR_MSG(extack, "another process has an epoch open on this device");
		err = -EBUSY;
	} else {
		az->staged = fz_policy_alloc();
		if (az->staged) {
			WRITE_ONCE(az->owner, owner);
		} else {
			NL_SET_ERR_MSG(extack, "out of memory for the epoch");
			err = -ENOMEM;
		}
	}
	mutex_unlock(&az->lock);
	return err;
}

/**
 * fz_epoch_is_owner() - whether a client has an epoch open, so that its changes are kept aside
 * @az: the device's
 * @owner: the client; not 0
 *
 * Context: any. Only the client's own requests change the answer.
 * Return: true if it has.
 */
bool fz_epoch_is_owner(const struct fz_authz *az, u64 owner)
{
	return READ_ONCE(az->owner) == owner;
}

static void drop_staged(struct fz_authz *az)
{
	lockdep_assert_held(&az->lock);
	fz_policy_retire(az, az->staged);
	az->staged = NULL;
	WRITE_ONCE(az->owner, 0);
}

static int check_owner(const struct fz_authz *az, u64 owner, struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&az->lock);
	if (az->staged && az->owner == owner)
		return 0;
	NL_SET_ERR_MSG(extack, "this socket has no epoch open on this device");
	return -ENOENT;
}

/* What a grant has counted goes over to the grant that restates it. */
static void carry_counts(struct fz_authz *az, struct fz_grant *grant, struct fz_grant *heir)
{
	atomic64_add(atomic64_xchg(&grant->packets, 0), &heir->packets);
	atomic64_add(atomic64_xchg(&grant->bytes, 0), &heir->bytes);
}

static void carry_meter(struct fz_authz *az, struct fz_grant *grant, struct fz_grant *heir)
{
	fz_grant_inherit_meter(az, heir, grant);
}

/* Calls @carry for all grants of @old that @policy restates. */
static void carry_to_heirs(struct fz_authz *az, struct fz_policy *old, struct fz_policy *policy,
			   void (*carry)(struct fz_authz *az, struct fz_grant *grant,
					 struct fz_grant *heir))
{
	struct rhashtable_iter iter;
	struct fz_grant *grant;

	rhashtable_walk_enter(&old->grants, &iter);
	rhashtable_walk_start(&iter);
	while ((grant = rhashtable_walk_next(&iter))) {
		struct fz_grant_key key;
		struct fz_grant *heir;

		if (IS_ERR(grant))
			continue;
		key = grant->key;
		key.resource = fz_resource_find(policy, grant->key.resource->name);
		heir = key.resource ? rhashtable_lookup_fast(&policy->grants, &key,
							     fz_grant_table) : NULL;
		if (heir)
			carry(az, grant, heir);
		if (need_resched()) {
			rhashtable_walk_stop(&iter);
			cond_resched();
			rhashtable_walk_start(&iter);
		}
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
}

static int commit_locked(struct fz_authz *az, struct netlink_ext_ack *extack)
{
	struct fz_policy *policy = az->staged, *old;
	int err = fz_policy_flush(policy);

	if (err) {
		NL_SET_ERR_MSG(extack, "out of memory, nothing was changed");
		return err;
	}
	old = rcu_dereference_protected(az->policy, lockdep_is_held(&az->lock));
	/* Before packets see the new grants: what they use counts from the first one on. */
	if (old->metered && policy->metered)
		carry_to_heirs(az, old, policy, carry_meter);
	policy->live = true;
	fz_policy_change_begin(az, policy);
	rcu_assign_pointer(az->policy, policy);
	fz_policy_change_end(az, policy);
	az->staged = NULL;
	WRITE_ONCE(az->owner, 0);
	fz_policy_moved(az, true);
	/* From here no packet is judged by the old one. */
	synchronize_rcu();
	old->live = false;
	carry_to_heirs(az, old, policy, carry_counts);
	fz_policy_retire(az, old);
	return 0;
}

/**
 * fz_epoch_commit() - puts in force what was staged, and removes all else, with one store
 * @az: the device's
 * @owner: the client
 * @extack: says why not; may be NULL
 *
 * Context: may sleep; takes az->lock.
 * Return: 0, -ENOENT if the client has no epoch open, -ENOMEM; then nothing was changed.
 */
int fz_epoch_commit(struct fz_authz *az, u64 owner, struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&az->lock);
	err = check_owner(az, owner, extack);
	if (!err)
		err = commit_locked(az, extack);
	mutex_unlock(&az->lock);
	return err;
}

/**
 * fz_epoch_abort() - drops what was staged
 * @az: the device's
 * @owner: the client
 * @extack: says why not; may be NULL
 *
 * Context: may sleep; takes az->lock.
 * Return: 0, or -ENOENT if the client has no epoch open.
 */
int fz_epoch_abort(struct fz_authz *az, u64 owner, struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&az->lock);
	err = check_owner(az, owner, extack);
	if (!err)
		drop_staged(az);
	mutex_unlock(&az->lock);
	return err;
}

/**
 * fz_epoch_release() - drops what a client that is gone had staged
 * @az: the device's
 * @owner: the client, which makes no request any more
 *
 * Without a lock for all who had nothing: only the client itself ever makes itself the owner, so
 * that what is read here cannot become its number afterwards.
 *
 * Context: may sleep; takes az->lock if the client has an epoch open.
 */
void fz_epoch_release(struct fz_authz *az, u64 owner)
{
	if (fz_epoch_is_owner(az, owner))
		fz_epoch_abort(az, owner, NULL);
}

/**
 * fz_epoch_release_any() - drops what anybody had staged
 * @az: of a device that is out of the reach of all its clients
 *
 * Context: may sleep; takes az->lock.
 */
void fz_epoch_release_any(struct fz_authz *az)
{
	mutex_lock(&az->lock);
	if (az->staged)
		drop_staged(az);
	mutex_unlock(&az->lock);
}
