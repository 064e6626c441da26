// SPDX-License-Identifier: GPL-2.0-only
/* send-sideband: a datagram from the tunnel's port. */

#include <linux/fz.h>
#include <net/genetlink.h>

#include "netlink/parse.h"
#include "netlink/policy.h"
#include "path/sideband.h"
#include "tunnel/device.h"

static int send_datagram(struct fz_device *fz, const struct genl_info *info)
{
	const struct nlattr *endpoint = info->attrs[FZ_SIDEBAND_A_ENDPOINT];
	const struct nlattr *data = info->attrs[FZ_SIDEBAND_A_DATA];
	union fz_path_addr to;
	int ret;

	if (!endpoint || !data) {
		NL_SET_ERR_MSG(info->extack, "send-sideband needs an endpoint and data");
		return -EINVAL;
	}
	ret = fz_parse_endpoint(endpoint, &to, info->extack);
	if (ret)
		return ret;
	if (!fz_path_addr_usable(&to)) {
		NL_SET_ERR_MSG_ATTR(info->extack, endpoint,
				    "a datagram goes to one host's address and a port");
		return -EINVAL;
	}
	if (fz_sideband_is_tunnel(nla_data(data), nla_len(data))) {
		NL_SET_ERR_MSG_ATTR(info->extack, data,
				    "this would be taken for a message of the tunnel");
		return -EINVAL;
	}
	ret = fz_nl_sockets_allowed(fz, endpoint, info->extack);
	if (ret)
		return ret;
	ret = fz_sideband_send(fz, &to, nla_data(data), nla_len(data));
	if (ret)
		NL_SET_ERR_MSG_ATTR(info->extack, endpoint,
				    "the tunnel's socket could not send there");
	return ret;
}

int fz_nl_send_sideband_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fz_device *fz = fz_nl_device_get(genl_info_net(info), info->attrs, info->extack);
	int ret;

	if (IS_ERR(fz))
		return PTR_ERR(fz);
	ret = send_datagram(fz, info);
	fz_nl_device_put(fz);
	return ret;
}
