// SPDX-License-Identifier: GPL-2.0-only
/* get-flow, del-flow. */

#include <linux/fz.h>
#include <net/genetlink.h>

#include "compat/netlink.h"
#include "netlink/dump.h"
#include "netlink/parse.h"
#include "netlink/policy.h"
#include "netlink/put.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

/**
 * struct flow_dump - a get-flow under way
 * @dump: device, peer and message
 * @cursor: where among the flows
 */
struct flow_dump {
	struct fz_dump dump;
	struct fz_flow_cursor cursor;
};

static struct flow_dump *state_of(struct netlink_callback *cb)
{
	return (struct flow_dump *)cb->args[0];
}

static int begin(struct netlink_callback *cb)
{
	struct flow_dump *state = fz_dump_new(cb, sizeof(*state), FZ_FLOWS_A_PEER);

	if (IS_ERR(state))
		return PTR_ERR(state);
	fz_flow_dump_begin(&state->dump.fz->authz, &state->cursor, fz_dump_only(&state->dump));
	return 0;
}

int fz_nl_get_flow_start(struct netlink_callback *cb)
{
	return fz_genl_dump_start(cb, begin);
}

static int emit(void *context, const struct fz_flow_info *info)
{
	struct flow_dump *state = context;
	int ret = fz_put_flow(state->dump.skb, FZ_FLOWS_A_FLOW, info, FZ_END_NONE);

	if (!ret)
		state->dump.told = true;
	return ret;
}

/*
 * Flows come and go while they are told; the flag for an interrupted dump says that the policy
 * changed meanwhile.
 */
int fz_nl_get_flow_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct flow_dump *state;
	int ret;

	ret = fz_genl_dump_begun(cb, begin);
	if (ret)
		return ret;
	state = state_of(cb);
	if (state->dump.done)
		return 0;
	ret = fz_dump_open(&state->dump, skb, cb, FZ_CMD_GET_FLOW);
	if (ret)
		return ret;
	ret = fz_flow_dump(&state->cursor, emit, state);
	return fz_dump_close(&state->dump, cb, ret);
}

int fz_nl_get_flow_done(struct netlink_callback *cb)
{
	struct flow_dump *state = state_of(cb);

	if (!state)
		return 0;
	fz_flow_dump_end(&state->cursor);
	fz_dump_free(&state->dump);
	return 0;
}

int fz_nl_del_flow_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fz_device *fz = fz_nl_device_get(genl_info_net(info), info->attrs, info->extack);
	struct fz_peer *peer = NULL;
	int ret = 0;

	if (IS_ERR(fz))
		return PTR_ERR(fz);
	if (info->attrs[FZ_FLOWS_A_PEER]) {
		peer = fz_nl_peer_get(fz, info->attrs[FZ_FLOWS_A_PEER], info->extack);
		if (IS_ERR(peer)) {
			ret = PTR_ERR(peer);
			goto out;
		}
	}
	fz_flow_flush(&fz->authz, peer ? &peer->authz : NULL);
	if (peer)
		fz_peer_put(peer);
out:
	fz_nl_device_put(fz);
	return ret;
}
