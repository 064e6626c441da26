/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_DEVICE_H
#define FZ_TUNNEL_DEVICE_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include <linux/fz.h>

#include "authz/authz.h"
#include "netlink/event.h"
#include "path/sideband.h"
#include "tunnel/allowedips.h"
#include "tunnel/bundle.h"
#include "tunnel/cookie.h"
#include "tunnel/indextable.h"
#include "tunnel/noise.h"
#include "tunnel/peertable.h"

struct fz_peer;

/**
 * struct fz_device - one tunnel identity, the private part of an fz net device
 * @dev: the net device
 * @creating_net: the netns the sockets live in; NULL after that netns has gone. Written under
 *	RTNL and @device_update_lock, read under RCU
 * @sock4: UDP socket, NULL while down; written under @socket_update_lock, read under RCU
 * @sock6: the same for IPv6
 * @incoming_port: host order; written under @device_update_lock
 * @fwmark: mark of outgoing datagrams; written under @device_update_lock
 * @device_update_lock: protects all configuration and @peer_list. Taken inside RTNL where both
 *	are held
 * @socket_update_lock: protects replacing the sockets; inside @device_update_lock
 * @identity: private and public key, with an own lock inside @device_update_lock
 * @cookie_checker: keys of MAC1 and cookies, with an own lock
 * @peertable: peers by public key
 * @indextable: peers and keypairs by the index in messages
 * @allowedips: peers by inner address; written under @device_update_lock, read under RCU
 * @peer_list: all peers, under @device_update_lock
 * @device_list: in the list of all devices, under RTNL
 * @num_peers: on @peer_list, under @device_update_lock
 * @update_generation: of the configuration, for dumps; under @device_update_lock
 * @crypto_wq: where bundles are encrypted and decrypted
 * @handshake_receive_wq: where handshake messages are consumed
 * @handshake_send_wq: where initiations are made
 * @encrypt: bundles to encrypt
 * @decrypt: bundles to decrypt
 * @handshakes: received handshake messages (skbs) to consume
 * @last_under_load: boot time in ns at which @handshakes was last too long
 * @authz: the authorization tables
 * @sideband: datagrams that are not WireGuard's
 * @events: what user space is told
 */
struct fz_device {
	struct net_device *dev;
	struct net __rcu *creating_net;
	struct sock __rcu *sock4;
	struct sock __rcu *sock6;
	u16 incoming_port;
	u32 fwmark;
	struct mutex device_update_lock;
	struct mutex socket_update_lock;

	struct fz_identity identity;
	struct fz_cookie_checker cookie_checker;
	struct fz_peertable peertable;
	struct fz_indextable indextable;
	struct fz_allowedips allowedips;

	struct list_head peer_list;
	struct list_head device_list;
	unsigned int num_peers;
	unsigned int update_generation;

	struct workqueue_struct *crypto_wq;
	struct workqueue_struct *handshake_receive_wq;
	struct workqueue_struct *handshake_send_wq;
	struct fz_ring encrypt;
	struct fz_ring decrypt;
	struct fz_ring handshakes;
	atomic64_t last_under_load;

	struct fz_authz authz;
	struct fz_sideband sideband;
	struct fz_events events;
};

int fz_device_init(void);
void fz_device_uninit(void);
#ifdef FZ_KUNIT
struct net_device *fz_device_create(struct net *net);
#endif
bool fz_device_is_fz(const struct net_device *dev);
void fz_device_set_private_key(struct fz_device *fz, const u8 private_key[FZ_KEY_LEN]);
int fz_device_set_port(struct fz_device *fz, u16 port);
int fz_device_set_fwmark(struct fz_device *fz, u32 fwmark);

#endif
