/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_SEND_H
#define FZ_TUNNEL_SEND_H

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>

struct fz_authz;
struct fz_authz_peer;
struct fz_bundle;
struct fz_peer;

netdev_tx_t fz_send_xmit(struct sk_buff *skb, struct net_device *dev);
void fz_send_reroute(struct fz_authz *az, struct sk_buff *skb);
void fz_send_judged(struct fz_authz_peer *ap, struct sk_buff_head *queue);
void fz_send_staged(struct fz_peer *peer);
void fz_send_purge_staged(struct fz_peer *peer);
void fz_send_keepalive(struct fz_peer *peer);
bool fz_send_lane_softly(struct fz_peer *peer);
void fz_send_encrypt_work(struct work_struct *work);

#endif
