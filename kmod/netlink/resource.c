// SPDX-License-Identifier: GPL-2.0-only
/* get-resource, new-resource, del-resource. */

#include <linux/mm.h>
#include <linux/fz.h>
#include <net/genetlink.h>

#include "compat/netlink.h"
#include "netlink/batch.h"
#include "netlink/dump.h"
#include "netlink/parse.h"
#include "netlink/policy.h"
#include "netlink/put.h"
#include "tunnel/device.h"

/**
 * struct resource_dump - a get-resource under way
 * @dump: device and message
 * @cursor: where among the resources
 * @name: the resource of which a part is told
 * @prefixes: of it, already told
 * @services: of it, already told
 */
struct resource_dump {
	struct fz_dump dump;
	struct fz_resource_cursor cursor;
	char name[FZ_NAME_MAX + 1];
	unsigned int prefixes;
	unsigned int services;
};

static struct resource_dump *state_of(struct netlink_callback *cb)
{
	return (struct resource_dump *)cb->args[0];
}

static int begin(struct netlink_callback *cb)
{
	struct resource_dump *state = fz_dump_new(cb, sizeof(*state), 0);

	if (IS_ERR(state))
		return PTR_ERR(state);
	fz_resource_dump_begin(&state->dump.fz->authz, &state->cursor);
	return 0;
}

int fz_nl_get_resource_start(struct netlink_callback *cb)
{
	return fz_genl_dump_start(cb, begin);
}

/* What fits of the prefixes and services that are not told yet. Return: whether all did. */
static bool put_lists(struct resource_dump *state, const struct fz_resource_info *info)
{
	struct sk_buff *skb = state->dump.skb;

	for (; state->prefixes < info->n_prefixes; state->prefixes++) {
		if (fz_put_prefix(skb, FZ_RESOURCE_A_PREFIX, &info->prefixes[state->prefixes]))
			return false;
	}
	for (; state->services < info->n_services; state->services++) {
		if (fz_put_service(skb, FZ_RESOURCE_A_SERVICE, &info->services[state->services]))
			return false;
	}
	return true;
}

/*
 * A resource that does not fit is told in parts: the same name again, with more prefixes and
 * services. Return: 0 if all of it is told, else the walk stops and comes back here.
 */
static int emit(void *context, const struct fz_resource_info *info)
{
	struct resource_dump *state = context;
	struct sk_buff *skb = state->dump.skb;
	unsigned int before;
	struct nlattr *nest;
	bool all;

	if (strcmp(state->name, info->name)) {
		strscpy(state->name, info->name, sizeof(state->name));
		state->prefixes = 0;
		state->services = 0;
	}
	nest = nla_nest_start(skb, FZ_POLICY_A_RESOURCE);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_string(skb, FZ_RESOURCE_A_NAME, info->name) ||
	    nla_put_u32(skb, FZ_RESOURCE_A_GRANTS, info->grants)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	before = skb->len;
	all = put_lists(state, info);
	if (!all && skb->len == before) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	state->dump.told = true;
	if (!all)
		return -EMSGSIZE;
	state->name[0] = '\0';
	return 0;
}

int fz_nl_get_resource_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct resource_dump *state;
	int ret;

	ret = fz_genl_dump_begun(cb, begin);
	if (ret)
		return ret;
	state = state_of(cb);
	if (state->dump.done)
		return 0;
	ret = fz_dump_open(&state->dump, skb, cb, FZ_CMD_GET_RESOURCE);
	if (ret)
		return ret;
	ret = fz_put_u64(skb, FZ_POLICY_A_GENERATION, fz_authz_generation(&state->dump.fz->authz));
	if (!ret)
		ret = fz_resource_dump(&state->cursor, emit, state);
	return fz_dump_close(&state->dump, cb, ret);
}

int fz_nl_get_resource_done(struct netlink_callback *cb)
{
	struct resource_dump *state = state_of(cb);

	if (!state)
		return 0;
	fz_resource_dump_end(&state->cursor);
	fz_dump_free(&state->dump);
	return 0;
}

/**
 * struct resource_batch - a new-resource under way
 * @batch: what it has in common with other requests
 * @prefixes: of all resources, one after the other
 * @n_prefixes: read so far
 * @services: of all resources, one after the other
 * @n_services: read so far
 */
struct resource_batch {
	struct fz_batch batch;
	struct fz_prefix *prefixes;
	unsigned int n_prefixes;
	struct fz_service *services;
	unsigned int n_services;
};

static struct resource_batch *batch_of(struct fz_batch *batch)
{
	return container_of(batch, struct resource_batch, batch);
}

static void finish(struct fz_batch *batch)
{
	kvfree(batch_of(batch)->prefixes);
	kvfree(batch_of(batch)->services);
}

/* Room for all that the request holds. */
static int prepare(struct fz_batch *batch)
{
	struct resource_batch *own = batch_of(batch);
	const struct genl_info *info = batch->info;
	unsigned int prefixes = 0;
	unsigned int services = 0;
	const struct nlattr *inner;
	const struct nlattr *attr;
	int rem_inner;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != FZ_POLICY_A_RESOURCE)
			continue;
		nla_for_each_nested(inner, attr, rem_inner) {
			prefixes += nla_type(inner) == FZ_RESOURCE_A_PREFIX;
			services += nla_type(inner) == FZ_RESOURCE_A_SERVICE;
		}
	}
	own->prefixes = kvcalloc(prefixes ?: 1, sizeof(*own->prefixes), GFP_KERNEL);
	own->services = kvcalloc(services ?: 1, sizeof(*own->services), GFP_KERNEL);
	if (own->prefixes && own->services)
		return 0;
	NL_SET_ERR_MSG(info->extack, "out of memory for so many resources at once");
	return -ENOMEM;
}

static int parse_service(const struct nlattr *nest, struct fz_service *service,
			 struct netlink_ext_ack *extack)
{
	struct nlattr *tb[FZ_SERVICE_A_MAX + 1];
	int ret;

	ret = nla_parse_nested(tb, FZ_SERVICE_A_MAX, nest, fz_service_nest_policy, extack);
	if (ret)
		return ret;
	if (!tb[FZ_SERVICE_A_PROTOCOL]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a service needs a protocol");
		return -EINVAL;
	}
	if (!tb[FZ_SERVICE_A_PORT_MIN] && tb[FZ_SERVICE_A_PORT_MAX]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a service has a last port but no first");
		return -EINVAL;
	}
	service->proto = nla_get_u8(tb[FZ_SERVICE_A_PROTOCOL]);
	service->all = !tb[FZ_SERVICE_A_PORT_MIN];
	if (service->all)
		return 0;
	service->min = nla_get_u16(tb[FZ_SERVICE_A_PORT_MIN]);
	service->max = service->min;
	if (tb[FZ_SERVICE_A_PORT_MAX])
		service->max = nla_get_u16(tb[FZ_SERVICE_A_PORT_MAX]);
	if (service->min > service->max) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a service's first port is after its last");
		return -EINVAL;
	}
	return 0;
}

static const char *parse_name(const struct nlattr *nest, const struct nlattr *name,
			      struct netlink_ext_ack *extack)
{
	if (name && *(const char *)nla_data(name))
		return nla_data(name);
	NL_SET_ERR_MSG_ATTR(extack, nest, "a resource needs a name");
	return NULL;
}

static int parse(struct fz_batch *batch, const struct nlattr *nest, void *context)
{
	struct netlink_ext_ack *extack = batch->info->extack;
	struct resource_batch *own = batch_of(batch);
	struct nlattr *tb[FZ_RESOURCE_A_MAX + 1];
	struct fz_resource_spec *spec = context;
	const struct nlattr *attr;
	int rem;
	int ret;

	ret = nla_parse_nested(tb, FZ_RESOURCE_A_MAX, nest, fz_resource_nest_policy, extack);
	if (ret)
		return ret;
	spec->name = parse_name(nest, tb[FZ_RESOURCE_A_NAME], extack);
	if (!spec->name)
		return -EINVAL;
	spec->prefixes = own->prefixes + own->n_prefixes;
	spec->services = own->services + own->n_services;
	nla_for_each_nested(attr, nest, rem) {
		if (nla_type(attr) == FZ_RESOURCE_A_PREFIX) {
			ret = fz_parse_prefix(attr, &own->prefixes[own->n_prefixes++], extack);
			spec->n_prefixes++;
		} else if (nla_type(attr) == FZ_RESOURCE_A_SERVICE) {
			ret = parse_service(attr, &own->services[own->n_services++], extack);
			spec->n_services++;
		}
		if (ret)
			return ret;
	}
	return 0;
}

static int set(struct fz_batch *batch, unsigned int *bad)
{
	return fz_resource_set(&batch->fz->authz, batch->owner, batch->specs, batch->count, bad,
			       batch->info->extack);
}

static const struct fz_batch_kind new_resources = {
	.attribute = FZ_POLICY_A_RESOURCE,
	.none = "the request names no resource",
	.event = FZ_POLICY_EVENT_RESOURCE_NEW,
	.size = sizeof(struct fz_resource_spec),
	.prepare = prepare,
	.parse = parse,
	.apply = set,
	.finish = finish,
};

int fz_nl_new_resource_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct resource_batch own = {};

	return fz_batch_doit(&own.batch, &new_resources, info);
}

/* To remove one, its name is enough; the rest is checked and not used. */
static int parse_del(struct fz_batch *batch, const struct nlattr *nest, void *context)
{
	struct nlattr *tb[FZ_RESOURCE_A_MAX + 1];
	const char **name = context;
	int ret;

	ret = nla_parse_nested(tb, FZ_RESOURCE_A_MAX, nest, fz_resource_nest_policy,
			       batch->info->extack);
	if (ret)
		return ret;
	*name = parse_name(nest, tb[FZ_RESOURCE_A_NAME], batch->info->extack);
	return *name ? 0 : -EINVAL;
}

static int del(struct fz_batch *batch, unsigned int *bad)
{
	return fz_resource_del(&batch->fz->authz, batch->owner, batch->specs, batch->count, bad,
			       batch->info->extack);
}

static const struct fz_batch_kind del_resources = {
	.attribute = FZ_POLICY_A_RESOURCE,
	.none = "the request names no resource",
	.event = FZ_POLICY_EVENT_RESOURCE_DEL,
	.size = sizeof(const char *),
	.parse = parse_del,
	.apply = del,
};

int fz_nl_del_resource_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fz_batch batch = {};

	return fz_batch_doit(&batch, &del_resources, info);
}
