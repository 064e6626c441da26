// SPDX-License-Identifier: GPL-2.0-only
/*
 * begin-epoch, commit-epoch, abort-epoch. The sender's socket owns the epoch: its release aborts it
 * (listener.c).
 */

#include <net/genetlink.h>

#include "netlink/change.h"
#include "netlink/parse.h"
#include "netlink/policy.h"
#include "tunnel/device.h"

typedef int (*epoch_step)(struct fz_authz *az, u64 owner, struct netlink_ext_ack *extack);

static int take_step(struct genl_info *info, epoch_step step, bool tell)
{
	struct fz_device *fz = fz_nl_device_get(genl_info_net(info), info->attrs, info->extack);
	int ret;

	if (IS_ERR(fz))
		return PTR_ERR(fz);
	ret = step(&fz->authz, fz_nl_owner(genl_info_net(info), info->snd_portid), info->extack);
	if (!ret && tell)
		fz_change_policy(fz);
	fz_nl_device_put(fz);
	return ret;
}

int fz_nl_begin_epoch_doit(struct sk_buff *skb, struct genl_info *info)
{
	return take_step(info, fz_epoch_begin, false);
}

int fz_nl_commit_epoch_doit(struct sk_buff *skb, struct genl_info *info)
{
	return take_step(info, fz_epoch_commit, true);
}

int fz_nl_abort_epoch_doit(struct sk_buff *skb, struct genl_info *info)
{
	return take_step(info, fz_epoch_abort, false);
}
