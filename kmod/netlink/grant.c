// SPDX-License-Identifier: GPL-2.0-only
/* get-grant, new-grant, del-grant. */

#include <linux/fz.h>
#include <net/genetlink.h>

#include "compat/netlink.h"
#include "netlink/batch.h"
#include "netlink/dump.h"
#include "netlink/grant.h"
#include "netlink/parse.h"
#include "netlink/policy.h"
#include "netlink/put.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

/**
 * struct grant_dump - a get-grant under way
 * @dump: device, peer and message
 * @cursor: where among the grants
 */
struct grant_dump {
	struct fz_dump dump;
	struct fz_grant_cursor cursor;
};

static struct grant_dump *state_of(struct netlink_callback *cb)
{
	return (struct grant_dump *)cb->args[0];
}

static int begin(struct netlink_callback *cb)
{
	struct grant_dump *state = fz_dump_new(cb, sizeof(*state), FZ_POLICY_A_PEER);

	if (IS_ERR(state))
		return PTR_ERR(state);
	fz_grant_dump_begin(&state->dump.fz->authz, &state->cursor, fz_dump_only(&state->dump));
	return 0;
}

int fz_nl_get_grant_start(struct netlink_callback *cb)
{
	return fz_genl_dump_start(cb, begin);
}

static int emit(void *context, const struct fz_grant_info *info)
{
	struct grant_dump *state = context;
	int ret = fz_put_grant(state->dump.skb, FZ_POLICY_A_GRANT, info);

	if (!ret)
		state->dump.told = true;
	return ret;
}

int fz_nl_get_grant_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct grant_dump *state;
	int ret;

	ret = fz_genl_dump_begun(cb, begin);
	if (ret)
		return ret;
	state = state_of(cb);
	if (state->dump.done)
		return 0;
	ret = fz_dump_open(&state->dump, skb, cb, FZ_CMD_GET_GRANT);
	if (ret)
		return ret;
	ret = fz_put_u64(skb, FZ_POLICY_A_GENERATION, fz_authz_generation(&state->dump.fz->authz));
	if (!ret)
		ret = fz_grant_dump(&state->cursor, emit, state);
	return fz_dump_close(&state->dump, cb, ret);
}

int fz_nl_get_grant_done(struct netlink_callback *cb)
{
	struct grant_dump *state = state_of(cb);

	if (!state)
		return 0;
	fz_grant_dump_end(&state->cursor);
	fz_dump_free(&state->dump);
	return 0;
}

static void parse_limits(struct nlattr **tb, struct fz_limits *limits)
{
	if (tb[FZ_GRANT_A_QUOTA])
		limits->quota = nla_get_u64(tb[FZ_GRANT_A_QUOTA]);
	if (tb[FZ_GRANT_A_RATE])
		limits->rate = nla_get_u64(tb[FZ_GRANT_A_RATE]);
	if (tb[FZ_GRANT_A_FLOW_RATE])
		limits->flow_rate = nla_get_u32(tb[FZ_GRANT_A_FLOW_RATE]);
}

/**
 * fz_nl_grant_parse() - read a grant
 * @fz: its device
 * @nest: of FZ_GRANT_A_*; must outlive @spec
 * @spec: zeros; takes the grant, with a reference to its peer, to be given back with
 *	  fz_nl_grant_put() even after a failure
 * @extack: takes the sentence
 *
 * Return: 0 or a negative errno.
 */
int fz_nl_grant_parse(struct fz_device *fz, const struct nlattr *nest, struct fz_grant_spec *spec,
		      struct netlink_ext_ack *extack)
{
	struct nlattr *tb[FZ_GRANT_A_MAX + 1];
	int ret;

	ret = nla_parse_nested(tb, FZ_GRANT_A_MAX, nest, fz_grant_nest_policy, extack);
	if (ret)
		return ret;
	if (!tb[FZ_GRANT_A_RESOURCE] || !*(const char *)nla_data(tb[FZ_GRANT_A_RESOURCE])) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a grant needs a resource");
		return -EINVAL;
	}
	if (tb[FZ_GRANT_A_PEER]) {
		struct fz_peer *peer = fz_nl_peer_get(fz, tb[FZ_GRANT_A_PEER], extack);

		if (IS_ERR(peer))
			return PTR_ERR(peer);
		spec->ap = &peer->authz;
	}
	spec->resource = nla_data(tb[FZ_GRANT_A_RESOURCE]);
	spec->dir = tb[FZ_GRANT_A_DIRECTION] ? nla_get_u8(tb[FZ_GRANT_A_DIRECTION]) : FZ_DIR_IN;
	spec->action = tb[FZ_GRANT_A_ACTION] ? nla_get_u8(tb[FZ_GRANT_A_ACTION]) : FZ_ACTION_ALLOW;
	spec->has_lease = tb[FZ_GRANT_A_LEASE_MS];
	if (spec->has_lease)
		spec->lease_ms = nla_get_u64(tb[FZ_GRANT_A_LEASE_MS]);
	if (tb[FZ_GRANT_A_TAG])
		memcpy(spec->tag, nla_data(tb[FZ_GRANT_A_TAG]), FZ_TAG_LEN);
	parse_limits(tb, &spec->limits);
	return 0;
}

/**
 * fz_nl_grant_put() - give back what a grant of a request holds
 * @spec: from fz_nl_grant_parse()
 */
void fz_nl_grant_put(const struct fz_grant_spec *spec)
{
	if (spec->ap)
		fz_peer_put(container_of(spec->ap, struct fz_peer, authz));
}

static int parse(struct fz_batch *batch, const struct nlattr *nest, void *spec)
{
	return fz_nl_grant_parse(batch->fz, nest, spec, batch->info->extack);
}

static int set(struct fz_batch *batch, unsigned int *bad)
{
	return fz_grant_set(&batch->fz->authz, batch->owner, batch->specs, batch->count, bad,
			    batch->info->extack);
}

static int del(struct fz_batch *batch, unsigned int *bad)
{
	return fz_grant_del(&batch->fz->authz, batch->owner, batch->specs, batch->count, bad,
			    batch->info->extack);
}

static void finish(struct fz_batch *batch)
{
	const struct fz_grant_spec *specs = batch->specs;
	unsigned int i;

	for (i = 0; i < batch->count; i++)
		fz_nl_grant_put(&specs[i]);
}

static const struct fz_batch_kind new_grants = {
	.attribute = FZ_POLICY_A_GRANT,
	.none = "the request names no grant",
	.event = FZ_POLICY_EVENT_GRANT_NEW,
	.size = sizeof(struct fz_grant_spec),
	.parse = parse,
	.apply = set,
	.finish = finish,
};

static const struct fz_batch_kind del_grants = {
	.attribute = FZ_POLICY_A_GRANT,
	.none = "the request names no grant",
	.event = FZ_POLICY_EVENT_GRANT_DEL,
	.size = sizeof(struct fz_grant_spec),
	.parse = parse,
	.apply = del,
	.finish = finish,
};

int fz_nl_new_grant_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fz_batch batch = {};

	return fz_batch_doit(&batch, &new_grants, info);
}

int fz_nl_del_grant_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fz_batch batch = {};

	return fz_batch_doit(&batch, &del_grants, info);
}
