// SPDX-License-Identifier: GPL-2.0-only
/* The processes that have a role on a device, and what ends with their sockets. */

#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "netlink/group.h"
#include "netlink/listener.h"
#include "netlink/parse.h"
#include "tunnel/device.h"

/* Protects the list and who listens. Taken before a device's &struct fz_authz.lock. */
static DEFINE_MUTEX(fz_events_lock);
static LIST_HEAD(fz_events_devices);

/* Events per second and device, and at once; generous, for user space keeps records of them. */
static const struct {
	u32 rate;
	u32 burst;
} limits[FZ_NL_GROUPS] = {
	[FZ_NL_GROUP_PEERS] = { .rate = 1000, .burst = 4096 },
	[FZ_NL_GROUP_FLOWS] = { .rate = 10000, .burst = 20000 },
	[FZ_NL_GROUP_DENIALS] = { .rate = 1000, .burst = 4096 },
	[FZ_NL_GROUP_POLICY] = { .rate = 1000, .burst = 4096 },
};

/* Of the denials, at most so many for being too fast. */
#define TOO_FAST_RATE 50
#define TOO_FAST_BURST 200

static struct fz_listener *listener_of(struct fz_events *events, enum fz_listener_role role)
{
	return rcu_dereference_protected(events->listeners[role], lockdep_is_held(&fz_events_lock));
}

static bool is_from(const struct fz_listener *listener, const struct net *net, u32 portid)
{
	return listener && listener->portid == portid && net_eq(listener->net, net);
}

static void drop_listener(struct fz_events *events, enum fz_listener_role role)
{
	struct fz_listener *old = listener_of(events, role);

	RCU_INIT_POINTER(events->listeners[role], NULL);
	if (old)
		kfree_rcu(old, rcu);
}

/**
 * fz_events_init() - a device begins to tell
 * @events: the device's
 *
 * Context: may sleep; takes fz_events_lock. Undone by fz_events_destroy().
 */
void fz_events_init(struct fz_events *events)
{
	unsigned int i;

	for (i = 0; i < FZ_NL_GROUPS; i++)
		fz_group_init(events, i, limits[i].rate, limits[i].burst);
	fz_bucket_init(&events->too_fast, TOO_FAST_RATE, TOO_FAST_BURST);
	for (i = 0; i < FZ_LISTENERS; i++)
		RCU_INIT_POINTER(events->listeners[i], NULL);
	atomic64_set(&events->suppressed, 0);

	mutex_lock(&fz_events_lock);
	list_add(&events->devices, &fz_events_devices);
	mutex_unlock(&fz_events_lock);
}

/**
 * fz_events_destroy() - a device has told everything
 * @events: the device's; nothing calls fz_event_*() for it any more
 *
 * Context: may sleep; takes fz_events_lock.
 */
void fz_events_destroy(struct fz_events *events)
{
	unsigned int i;

	mutex_lock(&fz_events_lock);
	list_del(&events->devices);
	for (i = 0; i < FZ_LISTENERS; i++)
		drop_listener(events, i);
	mutex_unlock(&fz_events_lock);
	for (i = 0; i < FZ_NL_GROUPS; i++)
		fz_group_destroy(events, i);
}

static int set_one(struct fz_events *events, enum fz_listener_role role, struct fz_listener *fresh)
{
	struct fz_listener *old = listener_of(events, role);

	if (is_from(old, fresh->net, fresh->portid))
		return 0;
	rcu_assign_pointer(events->listeners[role], fresh);
	return 1;
}

/* Whether somebody else has one of the roles. */
static bool is_taken(struct fz_events *events, u32 roles, const struct net *net, u32 portid)
{
	unsigned int i;

	for (i = 0; i < FZ_LISTENERS; i++) {
		const struct fz_listener *old = listener_of(events, i);

		if ((roles & BIT(i)) && old && !is_from(old, net, portid))
			return true;
	}
	return false;
}

/**
 * fz_listener_set() - give a process the roles it asks for, and take the others back
 * @events: the device's
 * @roles: bits of enum fz_role
 * @info: the request; its sender gets them
 *
 * All the roles are given, or none. Context: may sleep; takes fz_events_lock.
 * Return: 0, -EBUSY if another process has one of them, -ENOMEM.
 */
int fz_listener_set(struct fz_events *events, u32 roles, struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	struct fz_listener *fresh[FZ_LISTENERS];
	unsigned int i;

	for (i = 0; i < FZ_LISTENERS; i++) {
		fresh[i] = kmalloc(sizeof(*fresh[i]), GFP_KERNEL);
		if (!fresh[i]) {
			while (i--)
				kfree(fresh[i]);
			NL_SET_ERR_MSG(info->extack, "out of memory for a role");
			return -ENOMEM;
		}
		fresh[i]->net = net;
		fresh[i]->portid = info->snd_portid;
	}

	mutex_lock(&fz_events_lock);
	if (is_taken(events, roles, net, info->snd_portid)) {
		mutex_unlock(&fz_events_lock);
		for (i = 0; i < FZ_LISTENERS; i++)
			kfree(fresh[i]);
		return -EBUSY;
	}
	for (i = 0; i < FZ_LISTENERS; i++) {
		if (!(roles & BIT(i))) {
			if (is_from(listener_of(events, i), net, info->snd_portid))
				drop_listener(events, i);
			kfree(fresh[i]);
		} else if (!set_one(events, i, fresh[i])) {
			kfree(fresh[i]);
		}
	}
	mutex_unlock(&fz_events_lock);
	return 0;
}

/**
 * fz_listener_present() - whether some process has a role
 * @events: the device's
 * @role: which
 *
 * Context: any. Return: true if one has it, or had it a moment ago.
 */
bool fz_listener_present(struct fz_events *events, enum fz_listener_role role)
{
	return rcu_access_pointer(events->listeners[role]);
}

/**
 * fz_listener_send() - send a message to the process that has a role
 * @events: the device's
 * @role: which
 * @skb: the message, finished with genlmsg_end(); consumed
 *
 * Context: any but hard interrupts; never sleeps.
 * Return: 0; -ESRCH when nobody has the role; -EAGAIN when the process' socket is full.
 */
int fz_listener_send(struct fz_events *events, enum fz_listener_role role, struct sk_buff *skb)
{
	struct fz_listener *listener;
	int ret = -ESRCH;

	rcu_read_lock();
	listener = rcu_dereference(events->listeners[role]);
	if (listener)
		ret = genlmsg_unicast(listener->net, skb, listener->portid);
	else
		kfree_skb(skb);
	rcu_read_unlock();
	return ret == -ECONNREFUSED ? -ESRCH : ret;
}

/* What one device kept for a socket that is gone. */
static void release_one(struct fz_events *events, const struct net *net, u32 portid)
{
	struct fz_device *fz = container_of(events, struct fz_device, events);
	unsigned int i;

	for (i = 0; i < FZ_LISTENERS; i++) {
		if (is_from(listener_of(events, i), net, portid))
			drop_listener(events, i);
	}
	fz_epoch_release(&fz->authz, fz_nl_owner(net, portid));
}

/*
 * What processes kept of a device that leaves their network namespace: they have no more to say about
 * it, and nothing more to hear. What comes to the sockets stays with those where the sockets stay.
 */
static void release_all(struct fz_events *events)
{
	struct fz_device *fz = container_of(events, struct fz_device, events);
	const struct net *sockets;
	unsigned int i;

	sockets = rcu_dereference_protected(fz->creating_net, lockdep_rtnl_is_held());
	mutex_lock(&fz_events_lock);
	for (i = 0; i < FZ_LISTENERS; i++) {
		const struct fz_listener *listener = listener_of(events, i);

		if (!listener || (i == FZ_LISTENER_SIDEBAND && listener->net == sockets))
			continue;
		drop_listener(events, i);
	}
	mutex_unlock(&fz_events_lock);
	fz_epoch_release_any(&fz->authz);
}

static int netdev_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct net_device *dev = netdev_notifier_info_to_dev(data);
	struct fz_device *fz = netdev_priv(dev);

	/* When a device moves, too, this is the last that is heard of it in the old namespace. */
	if (event == NETDEV_UNREGISTER && fz_device_is_fz(dev))
		release_all(&fz->events);
	return NOTIFY_DONE;
}

static struct notifier_block netdev_notifier = { .notifier_call = netdev_event };

static int netlink_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;
	struct fz_events *events;

	if (event != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC)
		return NOTIFY_DONE;
	mutex_lock(&fz_events_lock);
	list_for_each_entry(events, &fz_events_devices, devices)
		release_one(events, notify->net, notify->portid);
	mutex_unlock(&fz_events_lock);
	return NOTIFY_DONE;
}

static struct notifier_block netlink_notifier = { .notifier_call = netlink_event };

/**
 * fz_listener_init() - watch for sockets that close, and for devices that leave
 *
 * Return: 0 or a negative errno.
 */
int fz_listener_init(void)
{
	int ret = netlink_register_notifier(&netlink_notifier);

	if (ret)
		return ret;
	ret = register_netdevice_notifier(&netdev_notifier);
	if (ret)
		netlink_unregister_notifier(&netlink_notifier);
	return ret;
}

/**
 * fz_listener_exit() - watch no more
 */
void fz_listener_exit(void)
{
	unregister_netdevice_notifier(&netdev_notifier);
	netlink_unregister_notifier(&netlink_notifier);
}
