/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints, at the places where user space is told. */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM fz

#if !defined(_FZ_AUTHZ_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _FZ_AUTHZ_TRACE_H

#include <linux/tracepoint.h>

#include "authz/authz.h"

/*
 * Numbers are those of linux/fz.h; addresses are IPv6, or IPv4 in the first four bytes. saddr and
 * daddr are the same as sockaddr, which is what knows how to be printed.
 */
DECLARE_EVENT_CLASS(fz_tuple_class,
	TP_PROTO(const struct fz_authz *az, const struct fz_authz_peer *ap, u8 dir,
		 const struct fz_tuple *tuple, u8 what, u8 why),
	TP_ARGS(az, ap, dir, tuple, what, why),
	TP_STRUCT__entry(
		__field(int, ifindex)
		__field(u64, peer)
		__field(u8, dir)
		__field(u8, what)
		__field(u8, why)
		__field(u8, family)
		__field(u8, proto)
		__field(u16, sport)
		__field(u16, dport)
		__array(u8, src, 16)
		__array(u8, dst, 16)
		__array(u8, saddr, sizeof(struct sockaddr_in6))
		__array(u8, daddr, sizeof(struct sockaddr_in6))
	),
	TP_fast_assign(
		__entry->ifindex = az->dev ? az->dev->ifindex : 0;
		__entry->peer = ap ? ap->id : 0;
		__entry->dir = dir;
		__entry->what = what;
		__entry->why = why;
		__entry->family = tuple->family;
		__entry->proto = tuple->proto;
		/* Of ICMP, its type and id. */
		__entry->sport = tuple->sport ?: tuple->icmp_type;
		__entry->dport = tuple->dport ?: tuple->icmp_id;
		memcpy(__entry->src, &tuple->src, 16);
		memcpy(__entry->dst, &tuple->dst, 16);
		fz_addr_to_sockaddr(tuple->family, &tuple->src, __entry->saddr);
		fz_addr_to_sockaddr(tuple->family, &tuple->dst, __entry->daddr);
	),
	TP_printk("ifindex=%d peer=%llu dir=%u what=%u why=%u family=%u proto=%u src=%pISc sport=%u dst=%pISc dport=%u",
		  __entry->ifindex, __entry->peer, __entry->dir, __entry->what, __entry->why,
		  __entry->family, __entry->proto, __entry->saddr, __entry->sport, __entry->daddr,
		  __entry->dport)
);

/* what: enum fz_verdict; why: enum fz_reason */
DEFINE_EVENT(fz_tuple_class, fz_denial,
	TP_PROTO(const struct fz_authz *az, const struct fz_authz_peer *ap, u8 dir,
		 const struct fz_tuple *tuple, u8 what, u8 why),
	TP_ARGS(az, ap, dir, tuple, what, why)
);

/* what: enum fz_flow_state; why: enum fz_flow_end, 0 when it starts */
DEFINE_EVENT(fz_tuple_class, fz_flow,
	TP_PROTO(const struct fz_authz *az, const struct fz_authz_peer *ap, u8 dir,
		 const struct fz_tuple *tuple, u8 what, u8 why),
	TP_ARGS(az, ap, dir, tuple, what, why)
);

/* what: 0 asked, 1 nobody could be asked; why: 0 */
DEFINE_EVENT(fz_tuple_class, fz_request,
	TP_PROTO(const struct fz_authz *az, const struct fz_authz_peer *ap, u8 dir,
		 const struct fz_tuple *tuple, u8 what, u8 why),
	TP_ARGS(az, ap, dir, tuple, what, why)
);

#endif /* _FZ_AUTHZ_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH authz
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
