/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_RECEIVE_H
#define FZ_TUNNEL_RECEIVE_H

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>

struct fz_authz_peer;
struct fz_device;

void fz_receive_packet(struct fz_device *fz, struct sk_buff *skb, bool more);
void fz_receive_decrypt_work(struct work_struct *work);
int fz_receive_poll(struct napi_struct *napi, int budget);
void fz_receive_deliver(struct fz_authz_peer *ap, struct sk_buff_head *queue);

#endif
