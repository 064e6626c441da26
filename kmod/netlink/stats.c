// SPDX-License-Identifier: GPL-2.0-only
/* get-stats: what a device counts. */

#include <linux/slab.h>
#include <linux/fz.h>
#include <net/genetlink.h>

#include "netlink/family.h"
#include "netlink/parse.h"
#include "netlink/policy.h"
#include "netlink/put.h"
#include "tunnel/device.h"

/* One reason and direction takes at most this many bytes. */
#define REASON_SIZE (nla_total_size(0) + 2 * nla_total_size(sizeof(u8)) + \
		     2 * nla_total_size_64bit(sizeof(u64)))

static int put_reason(struct sk_buff *skb, u8 dir, u8 reason, u64 refused, u64 observed)
{
	struct nlattr *nest = nla_nest_start(skb, FZ_STATS_A_REFUSED);

	if (!nest || nla_put_u8(skb, FZ_REASON_COUNT_A_REASON, reason) ||
	    nla_put_u8(skb, FZ_REASON_COUNT_A_DIRECTION, dir) ||
	    fz_put_u64(skb, FZ_REASON_COUNT_A_PACKETS, refused) ||
	    fz_put_u64(skb, FZ_REASON_COUNT_A_OBSERVED, observed))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* Each reason in each direction, those that never happened left out. */
static int put_reasons(struct sk_buff *skb, const struct fz_authz_stats *stats)
{
	unsigned int reason;
	unsigned int dir;

	for (dir = 0; dir < FZ_DIRS; dir++) {
		for (reason = 0; reason < FZ_REASONS; reason++) {
			const u64 refused = stats->refused[dir][reason];
			const u64 observed = stats->observed[dir][reason];

			if ((refused || observed) &&
			    put_reason(skb, dir, reason, refused, observed))
				return -EMSGSIZE;
		}
	}
	return 0;
}

static int put_stats(struct sk_buff *skb, struct fz_device *fz, const struct fz_authz_stats *stats)
{
	if (put_reasons(skb, stats) ||
	    nla_put_u32(skb, FZ_STATS_A_PEERS, READ_ONCE(fz->num_peers)) ||
	    nla_put_u32(skb, FZ_STATS_A_RESOURCES, stats->resources) ||
	    nla_put_u32(skb, FZ_STATS_A_GRANTS, stats->grants) ||
	    nla_put_u32(skb, FZ_STATS_A_FLOWS, stats->flows) ||
	    fz_put_u64(skb, FZ_STATS_A_FLOWS_CREATED, stats->flows_created) ||
	    fz_put_u64(skb, FZ_STATS_A_FLOWS_EVICTED, stats->flows_evicted) ||
	    fz_put_u64(skb, FZ_STATS_A_REQUESTS, stats->requests) ||
	    fz_put_u64(skb, FZ_STATS_A_REQUESTS_SUPPRESSED, stats->requests_suppressed) ||
	    fz_put_u64(skb, FZ_STATS_A_EVENTS_SUPPRESSED, atomic64_read(&fz->events.suppressed)) ||
	    fz_put_u64(skb, FZ_STATS_A_SIDEBAND_DROPPED, atomic64_read(&fz->sideband.dropped)) ||
	    fz_put_u64(skb, FZ_STATS_A_GENERATION, stats->generation))
		return -EMSGSIZE;
	return 0;
}

static int reply(struct fz_device *fz, struct genl_info *info, const struct fz_authz_stats *stats)
{
	struct sk_buff *skb;
	void *header;

	skb = genlmsg_new(512 + FZ_DIRS * FZ_REASONS * REASON_SIZE, GFP_KERNEL);
	if (!skb) {
		NL_SET_ERR_MSG(info->extack, "out of memory for the answer");
		return -ENOMEM;
	}
	header = genlmsg_put_reply(skb, info, &fz_nl_family, 0, FZ_CMD_GET_STATS);
	if (!header || fz_put_device(skb, fz->dev) || put_stats(skb, fz, stats)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return genlmsg_reply(skb, info);
}

int fz_nl_get_stats_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fz_authz_stats *stats;
	struct fz_device *fz;
	int ret = -ENOMEM;

	fz = fz_nl_device_get(genl_info_net(info), info->attrs, info->extack);
	if (IS_ERR(fz))
		return PTR_ERR(fz);
	stats = kzalloc(sizeof(*stats), GFP_KERNEL);
	if (stats) {
		fz_authz_stats(&fz->authz, stats);
		ret = reply(fz, info, stats);
		kfree(stats);
	} else {
		NL_SET_ERR_MSG(info->extack, "out of memory for the answer");
	}
	fz_nl_device_put(fz);
	return ret;
}
