/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tunnel and the authorization tell user space.
 *
 * Every fz_event_* function may be called in any context with BH usable, holding
 * an RCU read lock or a reference that keeps its arguments alive. None takes a
 * lock of its caller, none sleeps, and all return at once when nobody listens.
 */

#ifndef _FZ_NETLINK_EVENT_H
#define _FZ_NETLINK_EVENT_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/fz.h>

#include "netlink/bucket.h"
#include "netlink/policy.h"

struct fz_authz;
struct fz_authz_peer;
struct fz_denial;
struct fz_device;
struct fz_events;
struct fz_flow;
struct fz_peer;
struct fz_request;
struct net;
struct sk_buff;

/**
 * struct fz_listener - the one process that has a role on a device
 * @net: the network namespace of its socket; valid as long as RCU shows the listener,
 *       because the socket's release takes the listener away first
 * @portid: its netlink port
 * @rcu: frees it after the last reader
 */
struct fz_listener {
	struct net *net;
	u32 portid;
	struct rcu_head rcu;
};

/**
 * enum fz_listener_role - index of a listener; bit numbers of enum fz_role
 * @FZ_LISTENER_REQUESTS: answers requests about held flows
 * @FZ_LISTENER_SIDEBAND: gets the sideband
 * @FZ_LISTENERS: how many there are
 */
enum fz_listener_role {
	FZ_LISTENER_REQUESTS,
	FZ_LISTENER_SIDEBAND,
	FZ_LISTENERS
};

/**
 * struct fz_event_group - one multicast group of one device
 * @events: the device's events, of which it is one group
 * @bucket: limits its rate
 * @suppressed: events not sent since the last one that was
 * @report: tells @suppressed when no event comes that could carry it
 */
struct fz_event_group {
	struct fz_events *events;
	struct fz_bucket bucket;
	atomic64_t suppressed;
	struct delayed_work report;
};

/**
 * struct fz_events - a device's netlink state, embedded in struct fz_device as `events`
 * @devices: all devices' events, for the release of sockets; under fz_events_lock
 * @groups: the multicast groups
 * @too_fast: the part of FZ_NL_GROUP_DENIALS that those with FZ_REASON_RATE may have
 * @listeners: RCU; changed under fz_events_lock
 * @suppressed: events not sent since the device exists
 */
struct fz_events {
	struct list_head devices;
	struct fz_event_group groups[FZ_NL_GROUPS];
	struct fz_bucket too_fast;
	struct fz_listener __rcu *listeners[FZ_LISTENERS];
	atomic64_t suppressed;
};

void fz_events_init(struct fz_events *events);
void fz_events_destroy(struct fz_events *events);

void fz_event_denial(struct fz_authz *az, struct fz_authz_peer *ap, const struct fz_denial *denial);
void fz_event_flow(struct fz_authz *az, const struct fz_flow *flow, enum fz_flow_end end);
int fz_event_request(struct fz_authz *az, struct fz_authz_peer *ap,
		     const struct fz_request *request);
void fz_event_peer(struct fz_peer *peer, enum fz_peer_event_type type);

#endif /* _FZ_NETLINK_EVENT_H */
