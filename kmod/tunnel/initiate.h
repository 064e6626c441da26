/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_INITIATE_H
#define FZ_TUNNEL_INITIATE_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct fz_peer;

void fz_initiate_handshake(struct fz_peer *peer, bool is_retry);
void fz_initiate_work(struct work_struct *work);
void fz_initiate_response(struct fz_peer *peer);

#endif
