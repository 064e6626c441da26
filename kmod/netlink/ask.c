// SPDX-License-Identifier: GPL-2.0-only
/* register and verdict: the process that answers, and its answers. */

#include <linux/fz.h>
#include <net/genetlink.h>

#include "netlink/change.h"
#include "netlink/grant.h"
#include "netlink/listener.h"
#include "netlink/parse.h"
#include "netlink/policy.h"
#include "tunnel/device.h"

int fz_nl_register_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *roles = info->attrs[FZ_SIDEBAND_A_ROLES];
	struct fz_device *fz = fz_nl_device_get(genl_info_net(info), info->attrs, info->extack);
	int ret;

	if (IS_ERR(fz))
		return PTR_ERR(fz);
	if (!roles) {
		NL_SET_ERR_MSG(info->extack, "register needs roles; 0 gives all back");
		ret = -EINVAL;
		goto out;
	}
	if (nla_get_u32(roles) & FZ_ROLE_SIDEBAND) {
		ret = fz_nl_sockets_allowed(fz, roles, info->extack);
		if (ret)
			goto out;
	}
	ret = fz_listener_set(&fz->events, nla_get_u32(roles), info);
	if (ret == -EBUSY)
		NL_SET_ERR_MSG_ATTR(info->extack, roles,
				    "another process has this role on the device");
out:
	fz_nl_device_put(fz);
	return ret;
}

/* Reads a verdict but for its grant. */
static int parse_verdict(struct genl_info *info, struct fz_verdict_spec *spec)
{
	struct nlattr **attrs = info->attrs;
	const struct nlattr *verdict = attrs[FZ_DECISION_A_VERDICT];

	if (!attrs[FZ_DECISION_A_ID] || !verdict) {
		NL_SET_ERR_MSG(info->extack, "a verdict needs the request's number and a verdict");
		return -EINVAL;
	}
	spec->id = nla_get_u64(attrs[FZ_DECISION_A_ID]);
	spec->verdict = nla_get_u8(verdict);
	if (spec->verdict != FZ_VERDICT_PASS && spec->verdict != FZ_VERDICT_REFUSE) {
		NL_SET_ERR_MSG_ATTR(info->extack, verdict, "a verdict is pass or refuse");
		return -EINVAL;
	}
	if (spec->verdict == FZ_VERDICT_PASS &&
	    (attrs[FZ_DECISION_A_TTL_MS] || attrs[FZ_DECISION_A_TAG])) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    attrs[FZ_DECISION_A_TTL_MS] ?: attrs[FZ_DECISION_A_TAG],
				    "this goes with a refusal alone; a grant has its own");
		return -EINVAL;
	}
	if (spec->verdict == FZ_VERDICT_REFUSE && attrs[FZ_DECISION_A_GRANT]) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[FZ_DECISION_A_GRANT],
				    "a refusal brings no grant");
		return -EINVAL;
	}
	if (attrs[FZ_DECISION_A_TTL_MS])
		spec->ttl_ms = nla_get_u32(attrs[FZ_DECISION_A_TTL_MS]);
	spec->has_tag = attrs[FZ_DECISION_A_TAG];
	if (spec->has_tag)
		memcpy(spec->tag, nla_data(attrs[FZ_DECISION_A_TAG]), FZ_TAG_LEN);
	return 0;
}

static int judge(struct fz_device *fz, struct genl_info *info)
{
	const struct nlattr *nest = info->attrs[FZ_DECISION_A_GRANT];
	struct fz_verdict_spec spec = {};
	struct fz_grant_spec grant = {};
	int ret;

	ret = parse_verdict(info, &spec);
	if (ret)
		return ret;
	if (nest) {
		ret = fz_nl_grant_parse(fz, nest, &grant, info->extack);
		spec.grant = &grant;
	}
	if (!ret)
		ret = fz_ask_verdict(&fz->authz, &spec, info->extack);
	if (!ret && nest)
		fz_change_grant(fz, nest);
	fz_nl_grant_put(&grant);
	return ret;
}

int fz_nl_verdict_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fz_device *fz = fz_nl_device_get(genl_info_net(info), info->attrs, info->extack);
	int ret;

	if (IS_ERR(fz))
		return PTR_ERR(fz);
	/* Peers stay while held packets of theirs are judged. */
	mutex_lock(&fz->device_update_lock);
	ret = judge(fz, info);
	mutex_unlock(&fz->device_update_lock);
	fz_nl_device_put(fz);
	return ret;
}
