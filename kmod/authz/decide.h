/* SPDX-License-Identifier: GPL-2.0-only */
/* The decision about one flow: what policy and mode say. */

#ifndef _FZ_AUTHZ_DECIDE_H
#define _FZ_AUTHZ_DECIDE_H

#include <linux/fz.h>

#include "authz/tuple.h"

struct fz_authz;
struct fz_authz_peer;
struct fz_grant;

/**
 * struct fz_decision - what would happen to the first packet of a flow
 * @verdict: enum fz_verdict
 * @reason: why it is not admitted; FZ_REASON_NONE if it is, or in mode open
 * @mode: enum fz_mode in force
 * @flags: of enum fz_mode_flag in force
 * @has_tag: @tag is that of a remembered refusal; that of a grant is in @grant
 * @tag: see @has_tag
 * @grant: that decides: admits, denies, or has expired. NULL if none has a part in it. Under RCU
 */
struct fz_decision {
	u8 verdict;
	u8 reason;
	u8 mode;
	u8 flags;
	bool has_tag;
	u8 tag[FZ_TAG_LEN];
	struct fz_grant *grant;
};

void fz_decide(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
	       const struct fz_tuple *tuple, u64 now, struct fz_decision *decision);

#endif /* _FZ_AUTHZ_DECIDE_H */
