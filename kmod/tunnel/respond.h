/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_RESPOND_H
#define FZ_TUNNEL_RESPOND_H

#include <linux/workqueue.h>

void fz_respond_work(struct work_struct *work);

#endif
