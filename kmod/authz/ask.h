/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asking: the first packets of a flow without a grant wait while user space is asked.
 */

#ifndef _FZ_AUTHZ_ASK_H
#define _FZ_AUTHZ_ASK_H

#include <linux/fz.h>
#include <linux/netlink.h>
#include <linux/skbuff.h>

#include "authz/grant.h"
#include "authz/tuple.h"

struct fz_authz;
struct fz_authz_peer;

#define FZ_ASK_PACKETS 4		/* held of one flow */
#define FZ_ASK_FLOWS_PEER 64		/* held flows of one peer, or of destinations without one */
#define FZ_ASK_FLOWS 4096		/* held flows of a device */
/* Memory that held packets take, with what surrounds them (truesize), on a device and of a peer. */
#define FZ_ASK_BYTES (32U << 20)
#define FZ_ASK_BYTES_PEER (FZ_ASK_BYTES / 4)
#define FZ_ASK_TIMEOUT_MS 2000		/* until a held flow is refused */
#define FZ_ASK_RATE 32			/* requests per second and peer */
#define FZ_ASK_BURST 64
#define FZ_ASK_REFUSALS 4096		/* remembered on a device */
#define FZ_ASK_TTL_MS_MAX (3600 * 1000)	/* a refusal is remembered at most so long */
#define FZ_ASK_PREFIXES 1024		/* prefixes for asking on a device */

/**
 * struct fz_verdict_spec - user space's answer to a request
 * @id: number of the request
 * @verdict: FZ_VERDICT_PASS or FZ_VERDICT_REFUSE
 * @ttl_ms: how long a refusal is remembered; 0 not at all
 * @has_tag: @tag is given
 * @tag: told with the refusal
 * @grant: with PASS, a grant to set first; NULL none. A grant without a peer is for `any`
 */
struct fz_verdict_spec {
	u64 id;
	u8 verdict;
	u32 ttl_ms;
	bool has_tag;
	u8 tag[FZ_TAG_LEN];
	const struct fz_grant_spec *grant;
};

int fz_ask_verdict(struct fz_authz *az, const struct fz_verdict_spec *spec,
		   struct netlink_ext_ack *extack);

/* Checks one prefix, without changing anything. */
int fz_ask_prefix_check(const struct fz_prefix *prefix, struct netlink_ext_ack *extack);
int fz_ask_prefixes_set(struct fz_authz *az, const struct fz_prefix *prefixes, unsigned int count,
			bool replace, struct netlink_ext_ack *extack);
/* Calls @emit for each ask prefix under RCU, from number *@pos on, until it returns non-zero. */
int fz_ask_prefixes_dump(struct fz_authz *az, unsigned int *pos,
			 int (*emit)(void *context, const struct fz_prefix *prefix),
			 void *context);

#endif /* _FZ_AUTHZ_ASK_H */
