// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whoever watches skb:kfree_skb, or drop_monitor, sees a reason and a place. Reasons are numbers of
 * the kernel's: it has a few that are near to ours, and no room for those of a module, since the
 * subsystems that may have reasons of their own are an enum. So the place says it: each of our reasons
 * has a function to be dropped in, whose name is the reason's.
 */

#include "authz/drop.h"

#include <linux/skbuff.h>

#include "compat/drop.h"

/*
 * The number in the asm statement keeps functions that are otherwise the same apart, and that it comes
 * last keeps the call from becoming a jump, which would leave no place.
 */
#define FZ_DROP_FUNCTION(name, why, reason)				\
static noinline void fz_drop_##name(struct sk_buff *skb)		\
{									\
	kfree_skb_reason(skb, reason);					\
	asm volatile("" : : "i" (why) : "memory");			\
}

FZ_DROP_FUNCTION(no_grant, FZ_REASON_NO_GRANT, FZ_DROP_POLICY)
FZ_DROP_FUNCTION(denied, FZ_REASON_DENIED, FZ_DROP_POLICY)
FZ_DROP_FUNCTION(expired, FZ_REASON_EXPIRED, FZ_DROP_POLICY)
FZ_DROP_FUNCTION(quota, FZ_REASON_QUOTA, FZ_DROP_POLICY)
FZ_DROP_FUNCTION(rate, FZ_REASON_RATE, SKB_DROP_REASON_QDISC_DROP)
FZ_DROP_FUNCTION(source, FZ_REASON_SOURCE, SKB_DROP_REASON_IP_RPFILTER)
FZ_DROP_FUNCTION(fragment, FZ_REASON_FRAGMENT, FZ_DROP_POLICY)
FZ_DROP_FUNCTION(malformed, FZ_REASON_MALFORMED, SKB_DROP_REASON_IP_INHDR)
FZ_DROP_FUNCTION(table_full, FZ_REASON_TABLE_FULL, SKB_DROP_REASON_NOMEM)
FZ_DROP_FUNCTION(refused, FZ_REASON_REFUSED, FZ_DROP_POLICY)
FZ_DROP_FUNCTION(timeout, FZ_REASON_TIMEOUT, FZ_DROP_POLICY)

/**
 * fz_drop() - frees a refused packet
 * @skb: freed
 * @reason: why
 *
 * Context: any.
 */
void fz_drop(struct sk_buff *skb, enum fz_reason reason)
{
	switch (reason) {
	case FZ_REASON_NO_GRANT:
		fz_drop_no_grant(skb);
		return;
	case FZ_REASON_DENIED:
		fz_drop_denied(skb);
		return;
	case FZ_REASON_EXPIRED:
		fz_drop_expired(skb);
		return;
	case FZ_REASON_QUOTA:
		fz_drop_quota(skb);
		return;
	case FZ_REASON_RATE:
		fz_drop_rate(skb);
		return;
	case FZ_REASON_SOURCE:
		fz_drop_source(skb);
		return;
	case FZ_REASON_FRAGMENT:
		fz_drop_fragment(skb);
		return;
	case FZ_REASON_MALFORMED:
		fz_drop_malformed(skb);
		return;
	case FZ_REASON_TABLE_FULL:
		fz_drop_table_full(skb);
		return;
	case FZ_REASON_REFUSED:
		fz_drop_refused(skb);
		return;
	case FZ_REASON_TIMEOUT:
		fz_drop_timeout(skb);
		return;
	case FZ_REASON_NONE:
		break;
	}
	kfree_skb(skb);
}
