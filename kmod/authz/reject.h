/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers to refused packets. */

#ifndef _FZ_AUTHZ_REJECT_H
#define _FZ_AUTHZ_REJECT_H

#include <linux/fz.h>
#include <linux/skbuff.h>

struct fz_authz;
struct fz_authz_peer;
struct fz_packet;

#define FZ_REJECT_RATE 1000		/* answers per second and device, as for ICMP in general */
#define FZ_REJECT_BURST 50

/* Whether a packet is refused just now, and the same may pass in a moment: no answer is to say otherwise. */
static inline bool fz_reject_is_early(enum fz_reason reason)
{
	return reason == FZ_REASON_RATE || reason == FZ_REASON_TABLE_FULL;
}

void fz_reject(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
	       const struct fz_packet *packet, enum fz_reason reason, const struct sk_buff *skb);

#endif /* _FZ_AUTHZ_REJECT_H */
