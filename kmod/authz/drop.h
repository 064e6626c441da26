/* SPDX-License-Identifier: GPL-2.0-only */
/* Freeing refused packets so that the kernel's own tools say why. */

#ifndef _FZ_AUTHZ_DROP_H
#define _FZ_AUTHZ_DROP_H

#include <linux/fz.h>

struct sk_buff;

void fz_drop(struct sk_buff *skb, enum fz_reason reason);

#endif /* _FZ_AUTHZ_DROP_H */
