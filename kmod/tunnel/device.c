// SPDX-License-Identifier: GPL-2.0-only
/* The net device. */

#include "tunnel/device.h"

#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/inetdevice.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/suspend.h>
#include <net/addrconf.h>
#include <net/ip_tunnels.h>
#include <net/rtnetlink.h>

#include "compat/netdev.h"
#include "compat/workqueue.h"
#include "tunnel/clock.h"
#include "tunnel/packet.h"
#include "tunnel/peer.h"
#include "tunnel/receive.h"
#include "tunnel/respond.h"
#include "tunnel/send.h"
#include "tunnel/socket.h"
#include "tunnel/timers.h"

/* All devices, under RTNL. */
static LIST_HEAD(devices);

static int default_mode = FZ_MODE_ENFORCE;
static const char * const mode_names[] = {
	[FZ_MODE_OPEN] = "open",
	[FZ_MODE_OBSERVE] = "observe",
	[FZ_MODE_ENFORCE] = "enforce",
};

static int default_mode_set(const char *value, const struct kernel_param *kp)
{
	int mode = sysfs_match_string(mode_names, value);

	if (mode < 0) {
		pr_err("default_mode is open, observe or enforce, not \"%s\"\n", value);
		return -EINVAL;
	}
	WRITE_ONCE(default_mode, mode);
	return 0;
}

static int default_mode_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%s\n", mode_names[READ_ONCE(default_mode)]);
}

static const struct kernel_param_ops default_mode_ops = {
	.set = default_mode_set,
	.get = default_mode_get,
};
module_param_cb(default_mode, &default_mode_ops, NULL, 0644);
MODULE_PARM_DESC(default_mode, "Mode of new devices: open, observe or enforce (default)");

/* &struct fz_authz_ops.recheck */
static enum fz_reason recheck(struct fz_authz *az, struct fz_authz_peer *ap,
			      enum fz_direction dir, const struct sk_buff *skb)
{
	struct fz_device *fz = container_of(az, struct fz_device, authz);
	const struct fz_peer *peer;

	if (!netif_running(fz->dev))
		return FZ_REASON_TIMEOUT;
	if (!ap)
		return FZ_REASON_NONE;
	peer = dir == FZ_DIR_OUT ? fz_allowedips_lookup_dst(&fz->allowedips, skb) :
				   fz_allowedips_lookup_src(&fz->allowedips, skb);
	return peer == container_of(ap, struct fz_peer, authz) ? FZ_REASON_NONE :
								FZ_REASON_SOURCE;
}

/* &struct fz_authz_ops.routes */
static bool routes(const struct fz_authz_peer *ap, u8 family, const union fz_addr *addr)
{
	const struct fz_peer *peer = container_of(ap, struct fz_peer, authz);
	const struct fz_allowedips *table = &peer->device->allowedips;
	const struct in_addr addr4 = { .s_addr = addr->ip };

	return peer == (family == AF_INET ? fz_allowedips_lookup4(table, &addr4) :
					    fz_allowedips_lookup6(table, &addr->ip6));
}

static const struct fz_authz_ops authz_ops = {
	.xmit = fz_send_judged,
	.deliver = fz_receive_deliver,
	.reroute = fz_send_reroute,
	.recheck = recheck,
	.routes = routes,
};

/* Brought up: peers that keep their connection alive begin at once, others when they have data. */
static int device_open(struct net_device *dev)
{
	struct in_device *dev4 = __in_dev_get_rtnl(dev);
	struct fz_device *fz = netdev_priv(dev);
	struct inet6_dev *dev6;
	struct fz_peer *peer;
	int err;

	if (dev4) {
		/* There are no links behind the device that a redirect could be about. */
		IN_DEV_CONF_SET(dev4, SEND_REDIRECTS, false);
		IPV4_DEVCONF_ALL(dev_net(dev), SEND_REDIRECTS) = false;
	}
	dev6 = __in6_dev_get(dev);
	if (dev6)
		dev6->cnf.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;

	mutex_lock(&fz->device_update_lock);
	err = fz_socket_open(fz, fz->incoming_port);
	if (!err) {
		list_for_each_entry(peer, &fz->peer_list, peer_list) {
			fz_send_staged(peer);
			if (peer->persistent_keepalive_interval)
				fz_send_keepalive(peer);
		}
	}
	mutex_unlock(&fz->device_update_lock);
	return err;
}

/* Nothing secret stays in memory while the device is not in use. */
static int device_stop(struct net_device *dev)
{
	struct fz_device *fz = netdev_priv(dev);
	struct fz_peer *peer;
	struct sk_buff *skb;

	/* First: nobody may make keys after they were wiped. */
	fz_socket_close(fz);
	while ((skb = fz_ring_take(&fz->handshakes)) != NULL)
		kfree_skb(skb);
	flush_workqueue(fz->handshake_receive_wq);
	flush_workqueue(fz->handshake_send_wq);
	mutex_lock(&fz->device_update_lock);
	list_for_each_entry(peer, &fz->peer_list, peer_list)
		fz_peer_wipe_sessions(peer);
	mutex_unlock(&fz->device_update_lock);
	return 0;
}

static const struct net_device_ops device_ops = {
	.ndo_open = device_open,
	.ndo_stop = device_stop,
	.ndo_start_xmit = fz_send_xmit,
	.ndo_get_stats64 = dev_get_tstats64,
};

static void get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	strscpy(info->version, THIS_MODULE->version ?: "", sizeof(info->version));
}

static const struct ethtool_ops ethtool_ops = {
	.get_drvinfo = get_drvinfo,
	.get_link = ethtool_op_get_link,
};

static const struct device_type device_type = { .name = KBUILD_MODNAME };

/**
 * fz_device_is_fz() - whether a net device is one of ours
 * @dev: any
 *
 * Context: any.
 * Return: true if its private part is a &struct fz_device.
 */
bool fz_device_is_fz(const struct net_device *dev)
{
	return dev->netdev_ops == &device_ops;
}

static void free_queued_handshake(void *item)
{
	kfree_skb(item);
}

static void destroy_queues(struct fz_device *fz)
{
	fz_ring_destroy(&fz->handshakes, free_queued_handshake);
	fz_ring_destroy(&fz->decrypt, NULL);
	fz_ring_destroy(&fz->encrypt, NULL);
	destroy_workqueue(fz->crypto_wq);
	destroy_workqueue(fz->handshake_send_wq);
	destroy_workqueue(fz->handshake_receive_wq);
}

/*
 * The last step of a device's life, after the stack has let go of it, without RTNL.
 * 1. Netns exit and suspend no longer find it.
 * 2. Its sockets close: no packet comes in. None comes from the stack since it is unregistered.
 * 3. Its peers go; each drains its own bundles.
 * 4. Queued handshakes are consumed (there is nobody left whom they could be from) and their
 *    workers end; the references they had to peers end with them.
 * 5. RCU frees peers and keypairs, which still look at the device.
 * 6. What peers and packets used goes, the private key is wiped.
 */
static void device_destruct(struct net_device *dev)
{
	struct fz_device *fz = netdev_priv(dev);

	rtnl_lock();
	list_del(&fz->device_list);
	rtnl_unlock();

	mutex_lock(&fz->device_update_lock);
	rcu_assign_pointer(fz->creating_net, NULL);
	fz->incoming_port = 0;
	fz_socket_close(fz);
	fz_peer_remove_all(fz);
	mutex_unlock(&fz->device_update_lock);

	flush_workqueue(fz->handshake_receive_wq);
	flush_workqueue(fz->handshake_send_wq);
	drain_workqueue(fz->crypto_wq);
	rcu_barrier();

	fz_authz_stop(&fz->authz);
	fz_events_destroy(&fz->events);
	fz_authz_destroy(&fz->authz);
	destroy_queues(fz);
	mutex_lock(&fz->device_update_lock);
	fz_allowedips_clear(&fz->allowedips);
	mutex_unlock(&fz->device_update_lock);
	fz_peertable_destroy(&fz->peertable);
	fz_indextable_destroy(&fz->indextable);
	memzero_explicit(&fz->identity, sizeof(fz->identity));
	memzero_explicit(&fz->cookie_checker, sizeof(fz->cookie_checker));
	fz_compat_stats_free(dev);
	pr_debug("%s: Interface destroyed\n", dev->name);
}

static void device_setup(struct net_device *dev)
{
	dev->netdev_ops = &device_ops;
	dev->header_ops = &ip_tunnel_header_ops;
	dev->ethtool_ops = &ethtool_ops;
	dev->hard_header_len = 0;
	dev->addr_len = 0;
	dev->needed_headroom = FZ_HEADROOM;
	dev->needed_tailroom = FZ_TAILROOM;
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_POINTOPOINT | IFF_NOARP;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->features = NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_SG | NETIF_F_GSO |
			NETIF_F_GSO_SOFTWARE | NETIF_F_HIGHDMA;
	dev->hw_features = dev->features;
	dev->hw_enc_features = dev->features;
	fz_compat_set_lltx(dev);
	dev->mtu = FZ_DEFAULT_MTU;
	dev->min_mtu = 0;
	dev->max_mtu = FZ_MAX_MTU;
	SET_NETDEV_DEVTYPE(dev, &device_type);
	/* The route of a packet that cannot be sent is needed to say so. */
	netif_keep_dst(dev);
	netif_set_tso_max_size(dev, GSO_MAX_SIZE);
}

static int create_queues(struct fz_device *fz)
{
	const char *name = fz->dev->name;

	fz->handshake_receive_wq = alloc_workqueue("fz-kex-rx-%s", WQ_CPU_INTENSIVE | WQ_FREEZABLE |
						   FZ_COMPAT_WQ_PERCPU, 0, name);
	if (!fz->handshake_receive_wq)
		return -ENOMEM;
	fz->handshake_send_wq = alloc_workqueue("fz-kex-tx-%s", WQ_UNBOUND | WQ_FREEZABLE, 0, name);
	if (!fz->handshake_send_wq)
		goto err_receive_wq;
	fz->crypto_wq = alloc_workqueue("fz-crypt-%s", WQ_CPU_INTENSIVE | WQ_MEM_RECLAIM |
					FZ_COMPAT_WQ_PERCPU, 0, name);
	if (!fz->crypto_wq)
		goto err_send_wq;
	if (fz_ring_init(&fz->encrypt, fz, fz->crypto_wq, fz_send_encrypt_work, FZ_RING_BUNDLES))
		goto err_crypto_wq;
	if (fz_ring_init(&fz->decrypt, fz, fz->crypto_wq, fz_receive_decrypt_work,
			 FZ_RING_BUNDLES))
		goto err_encrypt;
	if (fz_ring_init(&fz->handshakes, fz, fz->handshake_receive_wq, fz_respond_work,
			 FZ_MAX_QUEUED_HANDSHAKES))
		goto err_decrypt;
	/* Nothing is saved by delivering several at once; what comes at once is in one bundle anyhow. */
	fz->decrypt.gathers = false;
	return 0;

err_decrypt:
	fz_ring_destroy(&fz->decrypt, NULL);
err_encrypt:
	fz_ring_destroy(&fz->encrypt, NULL);
err_crypto_wq:
	destroy_workqueue(fz->crypto_wq);
err_send_wq:
	destroy_workqueue(fz->handshake_send_wq);
err_receive_wq:
	destroy_workqueue(fz->handshake_receive_wq);
	return -ENOMEM;
}

static void device_init(struct fz_device *fz, struct net *net, struct net_device *dev)
{
	fz->dev = dev;
	rcu_assign_pointer(fz->creating_net, net);
	mutex_init(&fz->device_update_lock);
	mutex_init(&fz->socket_update_lock);
	fz_identity_init(&fz->identity);
	fz_cookie_checker_init(&fz->cookie_checker);
	fz_allowedips_init(&fz->allowedips, &fz->device_update_lock);
	INIT_LIST_HEAD(&fz->peer_list);
	atomic64_set(&fz->last_under_load, fz_clock_now() - 2 * NSEC_PER_SEC);
	fz_sideband_init(&fz->sideband);
}

static int link_create(struct net *net, struct net_device *dev)
{
	struct fz_device *fz = netdev_priv(dev);
	int err;

	device_init(fz, net, dev);
	err = fz_peertable_init(&fz->peertable);
	if (err)
		return err;
	err = fz_indextable_init(&fz->indextable);
	if (err)
		goto err_peertable;
	err = create_queues(fz);
	if (err)
		goto err_indextable;
	err = fz_compat_stats_alloc(dev);
	if (err)
		goto err_queues;
	err = fz_authz_init(&fz->authz, dev, &authz_ops, READ_ONCE(default_mode),
			    fz_max_flows_default(dev_net(dev)));
	if (err)
		goto err_stats;
	fz_events_init(&fz->events);
	err = register_netdevice(dev);
	if (err)
		goto err_events;

	list_add(&fz->device_list, &devices);
	/* Only now, since a failed registration would call it, and leaves the device to the caller. */
	dev->priv_destructor = device_destruct;
	dev->needs_free_netdev = true;
	pr_debug("%s: Interface created\n", dev->name);
	return 0;

err_events:
	fz_authz_stop(&fz->authz);
	fz_events_destroy(&fz->events);
	fz_authz_destroy(&fz->authz);
err_stats:
	fz_compat_stats_free(dev);
err_queues:
	destroy_queues(fz);
err_indextable:
	fz_indextable_destroy(&fz->indextable);
err_peertable:
	fz_peertable_destroy(&fz->peertable);
	return err;
}

FZ_COMPAT_NEWLINK(device_newlink, link_create)

static struct rtnl_link_ops link_ops __read_mostly = {
	.kind = KBUILD_MODNAME,
	.priv_size = sizeof(struct fz_device),
	.setup = device_setup,
	.newlink = device_newlink,
};

#ifdef FZ_KUNIT
/**
 * fz_device_create() - make a device without anybody having asked for a link, for tests
 * @net: netns of the device and its sockets
 *
 * Context: may sleep. RTNL held.
 * Return: the device, for unregister_netdevice() to end; or ERR_PTR.
 */
struct net_device *fz_device_create(struct net *net)
{
	struct nlattr *tb[IFLA_MAX + 1] = {};
	struct net_device *dev;
	int err;

	dev = rtnl_create_link(net, "fz%d", NET_NAME_ENUM, &link_ops, tb, NULL);
	if (IS_ERR(dev))
		return dev;
	err = link_create(net, dev);
	if (err) {
		free_netdev(dev);
		return ERR_PTR(err);
	}
	rtnl_configure_link(dev, NULL, 0, NULL);
	return dev;
}
#endif

/* The netns that the sockets live in goes: the device stays, without a way to the outside. */
static void netns_pre_exit(struct net *net)
{
	struct fz_device *fz;

	rtnl_lock();
	list_for_each_entry(fz, &devices, device_list) {
		if (rcu_access_pointer(fz->creating_net) != net)
			continue;
		netif_carrier_off(fz->dev);
		mutex_lock(&fz->device_update_lock);
		rcu_assign_pointer(fz->creating_net, NULL);
		fz_socket_close(fz);
		fz_socket_reset_sources(fz);
		mutex_unlock(&fz->device_update_lock);
	}
	rtnl_unlock();
}

static struct pernet_operations pernet_ops = {
	.pre_exit = netns_pre_exit,
};

/* Suspend: a key in memory could be read while the machine sleeps. */
static int pm_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct fz_device *fz;
	struct fz_peer *peer;

	/* With Android's and the like, sleep is too frequent to be the end of a session. */
	if (IS_ENABLED(CONFIG_PM_AUTOSLEEP) || IS_ENABLED(CONFIG_PM_USERSPACE_AUTOSLEEP))
		return 0;
	if (action != PM_HIBERNATION_PREPARE && action != PM_SUSPEND_PREPARE)
		return 0;
	rtnl_lock();
	list_for_each_entry(fz, &devices, device_list) {
		mutex_lock(&fz->device_update_lock);
		list_for_each_entry(peer, &fz->peer_list, peer_list) {
			timer_delete(&peer->zero_keys);
			fz_handshake_clear(&peer->handshake);
			fz_keypairs_clear(&peer->keypairs);
		}
		mutex_unlock(&fz->device_update_lock);
	}
	rtnl_unlock();
	rcu_barrier();
	return 0;
}

static struct notifier_block pm_notifier = { .notifier_call = pm_notify };

/* Two machines have the same keys now: if both sent with them, nonces would be used twice. */
static int vm_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct fz_device *fz;
	struct fz_peer *peer;

	rtnl_lock();
	list_for_each_entry(fz, &devices, device_list) {
		mutex_lock(&fz->device_update_lock);
		list_for_each_entry(peer, &fz->peer_list, peer_list)
			fz_peer_expire_sessions(peer);
		mutex_unlock(&fz->device_update_lock);
	}
	rtnl_unlock();
	return 0;
}

static struct notifier_block vm_notifier = { .notifier_call = vm_notify };

/**
 * fz_device_init() - make the link kind known
 *
 * Context: module load.
 * Return: 0 or -errno.
 */
int fz_device_init(void)
{
	int err = register_pm_notifier(&pm_notifier);

	if (err)
		return err;
	err = register_random_vmfork_notifier(&vm_notifier);
	if (err)
		goto err_pm;
	err = register_pernet_device(&pernet_ops);
	if (err)
		goto err_vm;
	err = rtnl_link_register(&link_ops);
	if (err)
		goto err_pernet;
	return 0;

err_pernet:
	unregister_pernet_device(&pernet_ops);
err_vm:
	unregister_random_vmfork_notifier(&vm_notifier);
err_pm:
	unregister_pm_notifier(&pm_notifier);
	return err;
}

/**
 * fz_device_uninit() - remove all devices and the link kind
 *
 * Context: module unload.
 */
void fz_device_uninit(void)
{
	rtnl_link_unregister(&link_ops);
	unregister_pernet_device(&pernet_ops);
	unregister_random_vmfork_notifier(&vm_notifier);
	unregister_pm_notifier(&pm_notifier);
	rcu_barrier();
}

/* A device cannot be its own peer. */
static void remove_self(struct fz_device *fz, const u8 public_key[FZ_KEY_LEN])
{
	struct fz_peertable_entry *self;
	struct fz_peer *peer;

	rcu_read_lock();
	self = fz_peertable_find(&fz->peertable, public_key);
	peer = self ? fz_peer_get_maybe_zero(self->peer) : NULL;
	rcu_read_unlock();
	if (peer) {
		fz_peer_remove(peer);
		fz_peer_put(peer);
	}
}

/**
 * fz_device_set_private_key() - give the device another identity
 * @fz: the device
 * @private_key: clamped by this function; all zeros takes the identity away
 *
 * A peer that has the new public key is removed. The sessions of all others are expired, since they
 * were agreed on under the old key; with the key that there is already, nothing happens.
 *
 * Context: may sleep. device_update_lock held.
 */
void fz_device_set_private_key(struct fz_device *fz, const u8 private_key[FZ_KEY_LEN])
{
	u8 public_key[FZ_KEY_LEN];
	struct fz_peer *peer;
	bool same;

	lockdep_assert_held(&fz->device_update_lock);
	down_read(&fz->identity.lock);
	same = fz_identity_is(&fz->identity, private_key);
	up_read(&fz->identity.lock);
	if (same)
		return;
	if (fz_identity_public(public_key, private_key))
		remove_self(fz, public_key);

	/* At once: nobody is to mix the new key with secrets of the old one. */
	down_write(&fz->identity.lock);
	fz_identity_set(&fz->identity, private_key);
	list_for_each_entry(peer, &fz->peer_list, peer_list) {
		fz_handshake_forget_secret(&peer->handshake);
		fz_peer_expire_sessions(peer);
	}
	fz_cookie_checker_set_key(&fz->cookie_checker,
				  fz->identity.present ? fz->identity.public_key : NULL);
	up_write(&fz->identity.lock);

	if (!netif_running(fz->dev))
		return;
	/* What waited for a key can go now. */
	list_for_each_entry(peer, &fz->peer_list, peer_list)
		fz_send_staged(peer);
}

/* The sockets are another netns's: who changes them needs rights there. */
static int may_change_sockets(struct fz_device *fz)
{
	struct net *net;
	int err = 0;

	rcu_read_lock();
	net = rcu_dereference(fz->creating_net);
	if (!net)
		err = -ENONET;
	else if (!ns_capable(net->user_ns, CAP_NET_ADMIN))
		err = -EPERM;
	rcu_read_unlock();
	return err;
}

/**
 * fz_device_set_port() - listen on another port
 * @fz: the device
 * @port: host order; 0 chooses one
 *
 * Context: may sleep. device_update_lock held.
 * Return: 0; -EADDRINUSE; -EPERM without CAP_NET_ADMIN in the netns that created the device;
 * -ENONET if that is gone; -errno of opening sockets. The old port stays unless 0 is returned.
 */
int fz_device_set_port(struct fz_device *fz, u16 port)
{
	int err;

	lockdep_assert_held(&fz->device_update_lock);
	if (fz->incoming_port == port)
		return 0;
	err = may_change_sockets(fz);
	if (err)
		return err;
	fz_socket_reset_sources(fz);
	if (!netif_running(fz->dev)) {
		fz->incoming_port = port;
		return 0;
	}
	return fz_socket_open(fz, port);
}

/**
 * fz_device_set_fwmark() - mark outgoing datagrams
 * @fz: the device
 * @fwmark: 0 for none
 *
 * Context: may sleep. device_update_lock held.
 * Return: 0; -EPERM or -ENONET as for fz_device_set_port().
 */
int fz_device_set_fwmark(struct fz_device *fz, u32 fwmark)
{
	int err;

	lockdep_assert_held(&fz->device_update_lock);
	err = may_change_sockets(fz);
	if (err)
		return err;
	WRITE_ONCE(fz->fwmark, fwmark);
	fz_socket_reset_sources(fz);
	return 0;
}
