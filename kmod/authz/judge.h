/* SPDX-License-Identifier: GPL-2.0-only */
/* Judging packets: what the ask part needs of it besides fz_authz_judge(). */

#ifndef _FZ_AUTHZ_JUDGE_H
#define _FZ_AUTHZ_JUDGE_H

#include <linux/fz.h>
#include <linux/skbuff.h>

#include "authz/flow.h"

struct fz_authz;
struct fz_authz_peer;
struct fz_decision;
struct fz_packet;

/**
 * struct fz_bundle - a bundle while it is judged
 * @az: the device's
 * @ap: the peer's
 * @dir: direction
 * @now: boot clock, ns
 * @asked: user space was asked about these packets: nobody is asked again
 * @again: they were judged before, and counted
 * @begun: the packet at hand has been charged for the flow that it begins
 * @metered: the run's grant has limits, for which each packet counts by itself
 * @flow: of the run of packets at hand, NULL if there is none
 * @tuple: of the run
 * @run: skbs of the run after the first, not yet counted; the last in @passed
 * @packets: in these
 * @bytes: in these
 * @passed: what may pass
 */
struct fz_bundle {
	struct fz_authz *az;
	struct fz_authz_peer *ap;
	enum fz_direction dir;
	u64 now;
	bool asked;
	bool again;
	bool begun;
	bool metered;
	struct fz_flow *flow;
	struct fz_tuple tuple;
	unsigned int run;
	u64 packets;
	u64 bytes;
	struct sk_buff_head passed;
};

void fz_judge_queue(struct fz_bundle *bundle, struct sk_buff_head *queue);
void fz_judge_refuse(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		     const struct fz_packet *packet, const struct fz_decision *decision,
		     struct sk_buff *skb);

#endif /* _FZ_AUTHZ_JUDGE_H */
