/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_COMPAT_NETDEV_H
#define FZ_COMPAT_NETDEV_H

#include <linux/netdevice.h>
#include <linux/workqueue.h>
#include <net/ip_tunnels.h>
#include <net/rtnetlink.h>

#include "compat/probed.h"

/**
 * fz_compat_set_lltx() - declare that the device sends without the queue's lock
 * @dev: being set up
 */
static inline void fz_compat_set_lltx(struct net_device *dev)
{
#if FZ_HAVE_LLTX
	dev->lltx = true;
#else
	dev->features |= NETIF_F_LLTX;
#endif
}

/**
 * fz_compat_stats_alloc() - provide the device's counters for each CPU
 * @dev: not yet registered
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
static inline int fz_compat_stats_alloc(struct net_device *dev)
{
#if FZ_HAVE_PCPU_STAT_TYPE
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	return 0;
#else
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	return dev->tstats ? 0 : -ENOMEM;
#endif
}

/**
 * fz_compat_stats_free() - undo fz_compat_stats_alloc()
 * @dev: no longer registered
 */
static inline void fz_compat_stats_free(struct net_device *dev)
{
#if !FZ_HAVE_PCPU_STAT_TYPE
	free_percpu(dev->tstats);
	dev->tstats = NULL;
#endif
}

/* How rtnl_link_ops.newlink is called; the body gets the netns that the sockets belong to. */
#if FZ_HAVE_NEWLINK_PARAMS
#define FZ_COMPAT_NEWLINK(name, body)							\
	static int name(struct net_device *dev, struct rtnl_newlink_params *params,	\
			struct netlink_ext_ack *extack)					\
	{										\
		return body(rtnl_newlink_link_net(params), dev);			\
	}
#else
#define FZ_COMPAT_NEWLINK(name, body)							\
	static int name(struct net *link_net, struct net_device *dev, struct nlattr *tb[], \
			struct nlattr *data[], struct netlink_ext_ack *extack)		\
	{										\
		return body(link_net, dev);						\
	}
#endif

#endif
