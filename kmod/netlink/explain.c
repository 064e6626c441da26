// SPDX-License-Identifier: GPL-2.0-only
/* explain: what would happen to the first packet of a flow, without a packet. */

#include <linux/fz.h>
#include <net/genetlink.h>

#include "netlink/family.h"
#include "netlink/listener.h"
#include "netlink/parse.h"
#include "netlink/policy.h"
#include "netlink/put.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

static int require(const struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;

	if (!attrs[FZ_DECISION_A_DIRECTION]) {
		NL_SET_ERR_MSG(info->extack, "explain needs a direction");
		return -EINVAL;
	}
	if (!attrs[FZ_DECISION_A_TUPLE]) {
		NL_SET_ERR_MSG(info->extack, "explain needs a tuple");
		return -EINVAL;
	}
	return 0;
}

static int reply(struct fz_device *fz, struct genl_info *info,
		 const struct fz_explanation *explanation)
{
	struct sk_buff *skb;
	void *header;

	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb) {
		NL_SET_ERR_MSG(info->extack, "out of memory for the answer");
		return -ENOMEM;
	}
	header = genlmsg_put_reply(skb, info, &fz_nl_family, 0, FZ_CMD_EXPLAIN);
	if (!header || fz_put_device(skb, fz->dev) ||
	    nla_put_u8(skb, FZ_DECISION_A_VERDICT, explanation->verdict) ||
	    nla_put_u8(skb, FZ_DECISION_A_REASON, explanation->reason) ||
	    nla_put_u8(skb, FZ_DECISION_A_MODE, explanation->mode) ||
	    (explanation->has_grant &&
	     fz_put_grant(skb, FZ_DECISION_A_GRANT, &explanation->grant))) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return genlmsg_reply(skb, info);
}

/* Cryptokey routing, which comes before all else: whether the far end's address is the peer's. */
static bool is_routed(struct fz_device *fz, const struct fz_peer *peer, u8 dir,
		      const struct fz_tuple *tuple)
{
	const union fz_addr *far = dir == FZ_DIR_IN ? &tuple->src : &tuple->dst;
	bool routed;

	rcu_read_lock();
	routed = fz->authz.ops->routes(&peer->authz, tuple->family, far);
	rcu_read_unlock();
	return routed;
}

static int explain(struct fz_device *fz, struct fz_peer *peer, struct genl_info *info)
{
	const u8 dir = nla_get_u8(info->attrs[FZ_DECISION_A_DIRECTION]);
	struct fz_explanation explanation = {};
	struct fz_tuple tuple;
	int ret;

	ret = fz_parse_tuple(info->attrs[FZ_DECISION_A_TUPLE], &tuple, info->extack);
	if (!ret)
		ret = fz_authz_explain(&fz->authz, peer ? &peer->authz : NULL, dir, &tuple,
				       &explanation, info->extack);
	if (ret)
		return ret;
	if (peer && !is_routed(fz, peer, dir, &tuple)) {
		explanation.verdict = FZ_VERDICT_REFUSE;
		explanation.reason = FZ_REASON_SOURCE;
		explanation.has_grant = false;
	}
	/* What nobody answers is refused at once. */
	if (explanation.verdict == FZ_VERDICT_ASK &&
	    !fz_listener_present(&fz->events, FZ_LISTENER_REQUESTS))
		explanation.verdict = FZ_VERDICT_REFUSE;
	return reply(fz, info, &explanation);
}

int fz_nl_explain_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *key = info->attrs[FZ_DECISION_A_PEER];
	struct fz_device *fz = fz_nl_device_get(genl_info_net(info), info->attrs, info->extack);
	struct fz_peer *peer = NULL;
	int ret;

	if (IS_ERR(fz))
		return PTR_ERR(fz);
	ret = require(info);
	if (ret)
		goto out;
	if (key) {
		peer = fz_nl_peer_get(fz, key, info->extack);
		if (IS_ERR(peer)) {
			ret = PTR_ERR(peer);
			goto out;
		}
	}
	ret = explain(fz, peer, info);
	if (peer)
		fz_peer_put(peer);
out:
	fz_nl_device_put(fz);
	return ret;
}
