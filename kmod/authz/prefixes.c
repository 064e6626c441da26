// SPDX-License-Identifier: GPL-2.0-only
/* Prefixes for asking: outgoing packets to them become requests when no peer holds them. */

#include <linux/slab.h>

#include "authz/authz.h"
#include "authz/held.h"

/**
 * struct fz_ask_prefixes - the prefixes of a device; never changes once published
 * @rcu: frees it
 * @count: length of @prefixes
 * @prefixes: no two alike
 */
struct fz_ask_prefixes {
	struct rcu_head rcu;
	unsigned int count;
	struct fz_prefix prefixes[];
};

static bool same_prefix(const struct fz_prefix *a, const struct fz_prefix *b)
{
	return a->family == b->family && a->len == b->len &&
	       !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

/**
 * fz_ask_prefix_check() - whether a prefix can be set for asking
 * @prefix: the prefix
 * @extack: says why not; may be NULL
 *
 * Context: any.
 * Return: 0, -EAFNOSUPPORT or -EINVAL.
 */
int fz_ask_prefix_check(const struct fz_prefix *prefix, struct netlink_ext_ack *extack)
{
	if (!fz_family_bits(prefix->family)) {
		NL_SET_ERR_MSG(extack, "an ask prefix is IPv4 or IPv6");
		return -EAFNOSUPPORT;
	}
	if (prefix->len > fz_family_bits(prefix->family)) {
		NL_SET_ERR_MSG(extack, "the ask prefix is longer than its address");
		return -EINVAL;
	}
	if (!fz_prefix_is_clean(prefix)) {
		NL_SET_ERR_MSG(extack, "the ask prefix has bits set after its length");
		return -EINVAL;
	}
	return 0;
}

static void add(struct fz_ask_prefixes *set, const struct fz_prefix *prefix)
{
	unsigned int i;

	for (i = 0; i < set->count; i++) {
		if (same_prefix(&set->prefixes[i], prefix))
			return;
	}
	set->prefixes[set->count++] = *prefix;
}

static int replace_set(struct fz_authz *az, const struct fz_prefix *prefixes, unsigned int count,
		       bool replace, struct netlink_ext_ack *extack)
{
	struct fz_ask_prefixes *old, *set;
	unsigned int kept, i;

	lockdep_assert_held(&az->lock);
	old = rcu_dereference_protected(az->ask.prefixes, lockdep_is_held(&az->lock));
	kept = replace || !old ? 0 : old->count;
	if (count > FZ_ASK_PREFIXES || kept + count > FZ_ASK_PREFIXES) {
		NL_SET_ERR_MSG(extack, "a device has at most 1024 ask prefixes");
		return -E2BIG;
	}
	set = kzalloc(struct_size(set, prefixes, kept + count), GFP_KERNEL_ACCOUNT);
	if (!set) {
		NL_SET_ERR_MSG(extack, "out of memory for the ask prefixes");
		return -ENOMEM;
	}
	for (i = 0; i < kept; i++)
		add(set, &old->prefixes[i]);
	for (i = 0; i < count; i++)
		add(set, &prefixes[i]);
	rcu_assign_pointer(az->ask.prefixes, set);
	if (old)
		kfree_rcu(old, rcu);
	return 0;
}

/**
 * fz_ask_prefixes_set() - sets or adds prefixes for asking, at once
 * @az: the device's
 * @prefixes: to set or add
 * @count: length of @prefixes
 * @replace: the old ones go
 * @extack: says why not; may be NULL
 *
 * Context: may sleep; takes az->lock.
 * Return: 0, or an error and nothing was changed.
 */
int fz_ask_prefixes_set(struct fz_authz *az, const struct fz_prefix *prefixes, unsigned int count,
			bool replace, struct netlink_ext_ack *extack)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < count; i++)
		err = fz_ask_prefix_check(&prefixes[i], extack);
	if (err)
		return err;
	mutex_lock(&az->lock);
	err = replace_set(az, prefixes, count, replace, extack);
	mutex_unlock(&az->lock);
	return err;
}

/**
 * fz_ask_prefixes_dump() - lists the prefixes for asking
 * @az: the device's
 * @pos: number of the first to list; afterwards, of the one that @emit did not take
 * @emit: takes one, under RCU; non-zero ends the call
 * @context: for @emit
 *
 * Context: any. Takes RCU.
 * Return: what @emit returned, or 0 at the end.
 */
int fz_ask_prefixes_dump(struct fz_authz *az, unsigned int *pos,
			 int (*emit)(void *context, const struct fz_prefix *prefix),
			 void *context)
{
	const struct fz_ask_prefixes *set;
	int err = 0;

	rcu_read_lock();
	set = rcu_dereference(az->ask.prefixes);
	for (; set && *pos < set->count; (*pos)++) {
		err = emit(context, &set->prefixes[*pos]);
		if (err)
			break;
	}
	rcu_read_unlock();
	return err;
}

/**
 * fz_ask_covers() - whether a destination is one to ask about
 * @az: the device's
 * @tuple: of an outgoing packet
 *
 * Context: RCU.
 * Return: true if a prefix for asking covers it.
 */
bool fz_ask_covers(struct fz_authz *az, const struct fz_tuple *tuple)
{
	const struct fz_ask_prefixes *set = rcu_dereference(az->ask.prefixes);
	unsigned int i;

	for (i = 0; set && i < set->count; i++) {
		if (fz_prefix_covers(&set->prefixes[i], tuple->family, &tuple->dst))
			return true;
	}
	return false;
}

/**
 * fz_ask_prefixes_free() - frees the prefixes of a device that goes
 * @az: the device's
 *
 * Context: no reader is left.
 */
void fz_ask_prefixes_free(struct fz_authz *az)
{
	kfree(rcu_dereference_protected(az->ask.prefixes, 1));
	RCU_INIT_POINTER(az->ask.prefixes, NULL);
}
