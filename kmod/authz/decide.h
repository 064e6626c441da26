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

/**
 * struct fz_decide_tuning - when the grants themselves are tried, rather than indexes alone
 * @few: so many are tried before the indexes
 * @few_steps: what may be spent on that, in comparisons
 * @crowd: answers of indexes after which they are, and again when they have doubled
 * @steps_per_answer: what may be spent on that for each answer so far, in comparisons
 * @steps_per_grant: what a grant costs before any
 */
struct fz_decide_tuning {
	unsigned int few;
	int few_steps;
	unsigned int crowd;
	int steps_per_answer;
	int steps_per_grant;
};

/**
 * enum fz_decide_way - how a decision was come by; counted for tests
 * @FZ_DECIDE_BY_INDEX: the indexes were looked through to their end
 * @FZ_DECIDE_BY_FEW: the grants were, before the indexes
 * @FZ_DECIDE_BY_GRANTS: the grants were, after a crowd of answers
 * @FZ_DECIDE_TOO_MANY: the grants were not begun with
 * @FZ_DECIDE_OUT_OF_STEPS: they were left in the middle
 */
enum fz_decide_way {
	FZ_DECIDE_BY_INDEX,
	FZ_DECIDE_BY_FEW,
	FZ_DECIDE_BY_GRANTS,
	FZ_DECIDE_TOO_MANY,
	FZ_DECIDE_OUT_OF_STEPS,
	FZ_DECIDE_WAYS,
};

/* Only tests change it. */
extern struct fz_decide_tuning fz_decide_tuning;
#ifdef FZ_KUNIT
extern unsigned int fz_decide_ways[FZ_DECIDE_WAYS];
#endif

void fz_decide(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
	       const struct fz_tuple *tuple, u64 now, struct fz_decision *decision);

#endif /* _FZ_AUTHZ_DECIDE_H */
