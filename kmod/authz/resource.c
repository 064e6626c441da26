// SPDX-License-Identifier: GPL-2.0-only
/* Resources: setting, removing, listing. */

#include "authz/resource.h"

#include <linux/mm.h>
#include <linux/slab.h>

#include "authz/authz.h"
#include "authz/policy.h"
#include "authz/walk.h"

const struct rhashtable_params fz_name_table = {
	.key_len = sizeof_field(struct fz_resource, name),
	.key_offset = offsetof(struct fz_resource, name),
	.head_offset = offsetof(struct fz_resource, node),
	.automatic_shrinking = true,
};

/**
 * fz_resource_find() - a resource by name
 * @policy: where to look
 * @name: NUL-terminated
 *
 * Context: az->lock held.
 * Return: the resource, or NULL.
 */
struct fz_resource *fz_resource_find(struct fz_policy *policy, const char *name)
{
	char key[FZ_NAME_MAX + 1] = {};

	if (strscpy(key, name, sizeof(key)) < 0)
		return NULL;
	return rhashtable_lookup_fast(&policy->names, key, fz_name_table);
}

/**
 * fz_resource_put() - gives a reference back
 * @resource: freed after its last reader
 *
 * Context: any.
 */
void fz_resource_put(struct fz_resource *resource)
{
	if (refcount_dec_and_test(&resource->refs))
		kfree_rcu(resource, rcu);
}

static int check_name(const char *name, struct netlink_ext_ack *extack)
{
	size_t len = strlen(name);
	size_t i;

	if (!len || len > FZ_NAME_MAX) {
		NL_SET_ERR_MSG(extack, "the name of a resource has 1 to 63 bytes");
		return -EINVAL;
	}
	for (i = 0; i < len; i++) {
		if ((u8)name[i] <= ' ' || (u8)name[i] == 127) {
			NL_SET_ERR_MSG(extack, "a name has no blanks or control characters");
			return -EINVAL;
		}
		/* In the files that user space keeps it begins a comment. */
		if (name[i] == '#') {
			NL_SET_ERR_MSG(extack, "a name has no #");
			return -EINVAL;
		}
	}
	return 0;
}

static int check_prefix(const struct fz_prefix *prefix, struct netlink_ext_ack *extack)
{
	if (!fz_family_bits(prefix->family)) {
		NL_SET_ERR_MSG(extack, "a prefix is IPv4 or IPv6");
		return -EAFNOSUPPORT;
	}
	if (prefix->len > fz_family_bits(prefix->family)) {
		NL_SET_ERR_MSG(extack, "the prefix is longer than its address");
		return -EINVAL;
	}
	if (!fz_prefix_is_clean(prefix)) {
		NL_SET_ERR_MSG(extack, "the prefix has bits set after its length");
		return -EINVAL;
	}
	return 0;
}

static int check_service(const struct fz_service *service, struct netlink_ext_ack *extack)
{
	bool icmp = service->proto == IPPROTO_ICMP || service->proto == IPPROTO_ICMPV6;

	if (service->all)
		return 0;
	if (!icmp && !fz_proto_has_ports(service->proto)) {
		NL_SET_ERR_MSG(extack, "this protocol has no ports");
		return -EINVAL;
	}
	if (service->min > service->max) {
		NL_SET_ERR_MSG(extack, "the first port is after the last");
		return -EINVAL;
	}
	if (icmp && service->max > 255) {
		NL_SET_ERR_MSG(extack, "an ICMP type is at most 255");
		return -EINVAL;
	}
	return 0;
}

static int check_spec(const struct fz_resource_spec *spec, struct netlink_ext_ack *extack)
{
	unsigned int i;
	int err = check_name(spec->name, extack);

	if (err)
		return err;
	if (!spec->n_prefixes) {
		NL_SET_ERR_MSG(extack, "a resource needs a prefix");
		return -EINVAL;
	}
	if (spec->n_prefixes > FZ_RESOURCE_PREFIXES_MAX ||
	    spec->n_services > FZ_RESOURCE_SERVICES_MAX) {
		NL_SET_ERR_MSG(extack, "a resource has at most 4096 prefixes and 1024 services");
		return -E2BIG;
	}
	for (i = 0; i < spec->n_prefixes; i++) {
		err = check_prefix(&spec->prefixes[i], extack);
		if (err)
			return err;
	}
	for (i = 0; i < spec->n_services; i++) {
		err = check_service(&spec->services[i], extack);
		if (err)
			return err;
	}
	return 0;
}

static struct fz_shape *new_shape(const struct fz_resource_spec *spec)
{
	size_t prefixes = array_size(spec->n_prefixes, sizeof(struct fz_prefix));
	size_t services = array_size(spec->n_services, sizeof(struct fz_service));
	size_t bindings = array_size(spec->n_prefixes, sizeof(struct fz_binding));
	struct fz_shape *shape;
	unsigned int i;

	shape = kvzalloc(sizeof(*shape) + bindings + prefixes + services, GFP_KERNEL_ACCOUNT);
	if (!shape)
		return NULL;
	/* In order of falling alignment. */
	shape->bindings = (void *)(shape + 1);
	shape->prefixes = (void *)shape->bindings + bindings;
	shape->services = (void *)shape->prefixes + prefixes;
	shape->n_prefixes = spec->n_prefixes;
	shape->n_services = spec->n_services;
	memcpy(shape->prefixes, spec->prefixes, prefixes);
	if (services)
		memcpy(shape->services, spec->services, services);
	for (i = 0; i < shape->n_prefixes; i++) {
		INIT_LIST_HEAD(&shape->bindings[i].node);
		shape->bindings[i].shape = shape;
	}
	return shape;
}

static void mark_dirty(struct fz_policy *policy, struct fz_site *site)
{
	if (list_empty(&site->dirty))
		list_add_tail(&site->dirty, &policy->dirty);
}

static int bind_shape(struct fz_policy *policy, struct fz_shape *shape)
{
	unsigned int i;

	for (i = 0; i < shape->n_prefixes; i++) {
		const struct fz_prefix *prefix = &shape->prefixes[i];
		struct fz_binding *binding = &shape->bindings[i];

		binding->at = fz_trie_get(fz_policy_trie(policy, prefix->family), prefix);
		if (!binding->at)
			return -ENOMEM;
		list_add_tail(&binding->node, &binding->at->bindings);
		mark_dirty(policy, binding->at);
	}
	return 0;
}

static void unbind_shape(struct fz_policy *policy, struct fz_shape *shape)
{
	unsigned int i;

	for (i = 0; i < shape->n_prefixes; i++) {
		struct fz_binding *binding = &shape->bindings[i];

		if (list_empty(&binding->node))
			continue;
		list_del_init(&binding->node);
		mark_dirty(policy, binding->at);
	}
	shape->gone = true;
}

/* A resource that is being set. */
struct change {
	struct fz_resource *resource;
	struct fz_shape *shape;		/* to come; after the change, the one that was */
	bool created;
	bool gone;			/* the table's reference is to be given back */
};

static struct fz_resource *new_resource(struct fz_policy *policy, const char *name)
{
	struct fz_resource *resource = kzalloc(sizeof(*resource), GFP_KERNEL_ACCOUNT);
	int err;

	if (!resource)
		return ERR_PTR(-ENOMEM);
	strscpy(resource->name, name, sizeof(resource->name));
	resource->policy = policy;
	INIT_LIST_HEAD(&resource->grants);
	refcount_set(&resource->refs, 1);
	err = rhashtable_insert_fast(&policy->names, &resource->node, fz_name_table);
	if (err) {
		kfree(resource);
		return ERR_PTR(err);
	}
	return resource;
}

/* All that can fail: afterwards the new shape is in the indexes, but does not count yet. */
static int prepare(struct fz_policy *policy, struct change *change,
		   const struct fz_resource_spec *spec, struct netlink_ext_ack *extack)
{
	int err = check_spec(spec, extack);

	if (err)
		return err;
	change->resource = fz_resource_find(policy, spec->name);
	if (!change->resource) {
		struct fz_resource *resource = new_resource(policy, spec->name);

		if (IS_ERR(resource))
			return PTR_ERR(resource);
		change->resource = resource;
		change->created = true;
	}
	change->shape = new_shape(spec);
	if (!change->shape)
		return -ENOMEM;
	change->shape->resource = change->resource;
	return bind_shape(policy, change->shape);
}

/*
 * Frees what is in @changes: shapes that do not count, and resources that are gone. The indexes
 * lead readers to both until they are settled, so that not even RCU may free them before.
 */
static void clean_up(struct fz_policy *policy, struct change *changes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (changes[i].shape)
			unbind_shape(policy, changes[i].shape);
	}
	if (policy->live)
		fz_policy_settle(policy);
	for (i = 0; i < count; i++) {
		if (changes[i].shape)
			kvfree_rcu(changes[i].shape, rcu);
		if (changes[i].gone)
			fz_resource_put(changes[i].resource);
	}
	kvfree(changes);
}

static void undo(struct fz_policy *policy, struct change *changes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (!changes[i].created)
			continue;
		rhashtable_remove_fast(&policy->names, &changes[i].resource->node, fz_name_table);
		changes[i].gone = true;
	}
	clean_up(policy, changes, count);
}

static void apply(struct fz_policy *policy, struct change *change)
{
	struct fz_resource *resource = change->resource;
	struct fz_shape *old = rcu_dereference_protected(resource->shape, 1);

	if (!old)
		policy->n_resources++;
	rcu_assign_pointer(resource->shape, change->shape);
	change->shape = old;
}

static int set_locked(struct fz_authz *az, struct fz_policy *policy, struct change *changes,
		      const struct fz_resource_spec *specs, unsigned int count,
		      unsigned int *bad, struct netlink_ext_ack *extack)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < count; i++) {
		*bad = i;
		err = prepare(policy, &changes[i], &specs[i], extack);
		if (err)
			break;
	}
	if (!err && policy->live)
		err = fz_policy_flush(policy);
	if (err) {
		if (err == -ENOMEM)
			NL_SET_ERR_MSG(extack, "out of memory for the resources");
		undo(policy, changes, count);
		return err;
	}
	for (i = 0; i < count; i++) {
		fz_policy_change_begin(az, policy);
		apply(policy, &changes[i]);
		fz_policy_change_end(az, policy);
	}
	clean_up(policy, changes, count);
	if (policy->live)
		fz_policy_moved(az, true);
	return 0;
}

/**
 * fz_resource_set() - adds resources, or replaces those of the same name
 * @az: the device's
 * @owner: the client; if it has an epoch open, the change is staged
 * @specs: what to set
 * @count: length of @specs
 * @bad: set to the number of the one that was refused; may be NULL
 * @extack: says why; may be NULL
 *
 * Each moves from its old prefixes and services to the new ones at once.
 *
 * Context: may sleep; takes az->lock.
 * Return: 0, or an error and nothing was changed.
 */
int fz_resource_set(struct fz_authz *az, u64 owner, const struct fz_resource_spec *specs,
		    unsigned int count, unsigned int *bad, struct netlink_ext_ack *extack)
{
	struct change *changes;
	unsigned int unused;
	int err;

	changes = kvcalloc(count, sizeof(*changes), GFP_KERNEL);
	if (!changes && count) {
		NL_SET_ERR_MSG(extack, "out of memory for so many resources at once");
		return -ENOMEM;
	}
	mutex_lock(&az->lock);
	err = set_locked(az, fz_policy_of(az, owner), changes, specs, count, bad ?: &unused,
			 extack);
	mutex_unlock(&az->lock);
	return err;
}

/* Takes away what allows a resource. */
static void take_allowed(struct fz_authz *az, struct fz_policy *policy,
			 struct fz_resource *resource)
{
	struct fz_grant *grant, *next;

	list_for_each_entry_safe(grant, next, &resource->grants, resource_node) {
		if (!fz_grant_denies(grant))
			fz_grant_take(az, policy, grant);
	}
}

static void take_away(struct fz_authz *az, struct fz_policy *policy, struct change *change)
{
	struct fz_resource *resource = change->resource;
	struct fz_grant *grant, *next;

	change->shape = rcu_dereference_protected(resource->shape, 1);
	/* Whoever has found one of its grants, and finds the next no more, looks again. */
	fz_policy_change_begin(az, policy);
	RCU_INIT_POINTER(resource->shape, NULL);
	fz_policy_change_end(az, policy);
	policy->n_resources--;
	list_for_each_entry_safe(grant, next, &resource->grants, resource_node)
		fz_grant_unlink(policy, grant);
	rhashtable_remove_fast(&policy->names, &resource->node, fz_name_table);
	change->gone = true;
}

static int del_locked(struct fz_authz *az, struct fz_policy *policy, struct change *changes,
		      const char *const *names, unsigned int count, unsigned int *bad,
		      struct netlink_ext_ack *extack)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (!fz_resource_find(policy, names[i])) {
			*bad = i;
			NL_SET_ERR_MSG(extack, "there is no resource of this name");
			kvfree(changes);
			return -ENOENT;
		}
	}
	/* Of all of them, before the first denial goes. */
	for (i = 0; i < count; i++)
		take_allowed(az, policy, fz_resource_find(policy, names[i]));
	for (i = 0; i < count; i++) {
		changes[i].resource = fz_resource_find(policy, names[i]);
		if (changes[i].resource)	/* not if it was named twice */
			take_away(az, policy, &changes[i]);
	}
	clean_up(policy, changes, count);
	if (policy->live)
		fz_policy_moved(az, true);
	return 0;
}

/**
 * fz_resource_del() - removes resources, with the grants that name them
 * @az: the device's
 * @owner: the client; if it has an epoch open, the change is staged
 * @names: NUL-terminated
 * @count: length of @names
 * @bad: set to the number of the one that was refused; may be NULL
 * @extack: says why; may be NULL
 *
 * Context: may sleep; takes az->lock.
 * Return: 0, or an error and nothing was changed.
 */
int fz_resource_del(struct fz_authz *az, u64 owner, const char *const *names, unsigned int count,
		    unsigned int *bad, struct netlink_ext_ack *extack)
{
	struct change *changes;
	unsigned int unused;
	int err;

	changes = kvcalloc(count, sizeof(*changes), GFP_KERNEL);
	if (!changes && count) {
		NL_SET_ERR_MSG(extack, "out of memory for so many resources at once");
		return -ENOMEM;
	}
	mutex_lock(&az->lock);
	err = del_locked(az, fz_policy_of(az, owner), changes, names, count, bad ?: &unused,
			 extack);
	mutex_unlock(&az->lock);
	return err;
}

/**
 * fz_resource_dump_begin() - begins a dump of the policy in force
 * @az: the device's
 * @cursor: its position; given to fz_resource_dump_end() in the end
 *
 * Context: may sleep; takes az->lock.
 */
void fz_resource_dump_begin(struct fz_authz *az, struct fz_resource_cursor *cursor)
{
	cursor->policy = fz_policy_get(az);
	rhashtable_walk_enter(&cursor->policy->names, &cursor->iter);
}

/* A dump of resources while it goes on. */
struct dump {
	const struct fz_resource_cursor *cursor;
	int (*emit)(void *context, const struct fz_resource_info *info);
	void *context;
};

static int visit(void *context, void *entry)
{
	const struct fz_resource *resource = entry;
	const struct fz_shape *shape = rcu_dereference(resource->shape);
	const struct dump *dump = context;
	struct fz_resource_info info;

	if (READ_ONCE(dump->cursor->policy->over))
		return -EINTR;
	if (!shape)
		return 0;
	info.name = resource->name;
	info.prefixes = shape->prefixes;
	info.services = shape->services;
	info.n_prefixes = shape->n_prefixes;
	info.n_services = shape->n_services;
	info.grants = READ_ONCE(resource->n_grants);
	return dump->emit(dump->context, &info);
}

/**
 * fz_resource_dump() - goes on with a dump
 * @cursor: its position
 * @emit: takes one resource, under RCU; may not sleep. Non-zero ends the call, and the same
 *	  resource comes again in the next
 * @context: for @emit
 *
 * Context: may sleep.
 * Return: what @emit returned; 0 at the end; -EINTR if the policy was replaced meanwhile, or so
 * changed that some may be missing or come twice.
 */
int fz_resource_dump(struct fz_resource_cursor *cursor,
		     int (*emit)(void *context, const struct fz_resource_info *info),
		     void *context)
{
	struct dump dump = { .cursor = cursor, .emit = emit, .context = context };

	return fz_walk(&cursor->iter, visit, &dump);
}

/**
 * fz_resource_dump_end() - ends a dump
 * @cursor: its position; a cursor of zeros, never begun, is fine
 *
 * Context: may sleep.
 */
void fz_resource_dump_end(struct fz_resource_cursor *cursor)
{
	if (!cursor->policy)
		return;
	rhashtable_walk_exit(&cursor->iter);
	fz_policy_put(cursor->policy);
	cursor->policy = NULL;
}
