// SPDX-License-Identifier: GPL-2.0-only
/* What the tunnel and the authorization tell user space; see event.h for who may call. */

#include <linux/netdevice.h>
#include <linux/fz.h>
#include <net/genetlink.h>

#include "authz/authz.h"
#include "netlink/family.h"
#include "netlink/group.h"
#include "netlink/listener.h"
#include "netlink/put.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

/* Bytes of a decision's attributes besides those that name the device. */
#define DECISION_ROOM (FZ_PUT_TUPLE_SIZE + nla_total_size(FZ_KEY_LEN) + \
		       nla_total_size(FZ_TAG_LEN) + nla_total_size(FZ_NAME_MAX + 1) + \
		       nla_total_size_64bit(sizeof(u64)) + 8 * nla_total_size(sizeof(u32)))

static struct fz_device *device_of(struct fz_authz *az)
{
	return container_of(az, struct fz_device, authz);
}

static bool put_denial(struct sk_buff *skb, const struct fz_authz_peer *ap,
		       const struct fz_denial *denial)
{
	return (ap && fz_put_peer(skb, FZ_DECISION_A_PEER, ap)) ||
	       nla_put_u8(skb, FZ_DECISION_A_DIRECTION, denial->dir) ||
	       (denial->has_tuple &&
		fz_put_tuple(skb, FZ_DECISION_A_TUPLE, &denial->tuple)) ||
	       nla_put_u8(skb, FZ_DECISION_A_VERDICT, denial->verdict) ||
	       nla_put_u8(skb, FZ_DECISION_A_REASON, denial->reason) ||
	       (denial->has_tag &&
		nla_put(skb, FZ_DECISION_A_TAG, FZ_TAG_LEN, denial->tag)) ||
	       (denial->resource &&
		nla_put_string(skb, FZ_DECISION_A_RESOURCE, denial->resource));
}

/**
 * fz_event_denial() - tell that a packet was refused, or would have been
 * @az: of the device
 * @ap: the peer, NULL if there is none
 * @denial: what and why
 *
 * Context: see event.h.
 */
void fz_event_denial(struct fz_authz *az, struct fz_authz_peer *ap, const struct fz_denial *denial)
{
	struct fz_device *fz = device_of(az);
	struct fz_message message;
	struct fz_bucket *share = NULL;

	/* There is one for each packet of a flow that is too fast. */
	if (denial->reason == FZ_REASON_RATE)
		share = &fz->events.too_fast;
	if (!fz_group_begin(fz, FZ_NL_GROUP_DENIALS, FZ_CMD_DENIAL, DECISION_ROOM, share, &message))
		return;
	if (put_denial(message.skb, ap, denial))
		fz_group_cancel(fz, FZ_NL_GROUP_DENIALS, &message);
	else
		fz_group_end(fz, FZ_NL_GROUP_DENIALS, &message);
}

/**
 * fz_event_flow() - tell that a flow began or ended
 * @az: of the device
 * @flow: the flow
 * @end: why it ended; FZ_END_NONE if it began
 *
 * Context: see event.h.
 */
void fz_event_flow(struct fz_authz *az, const struct fz_flow *flow, enum fz_flow_end end)
{
	const enum fz_cmd cmd = end == FZ_END_NONE ? FZ_CMD_FLOW_START : FZ_CMD_FLOW_END;
	struct fz_device *fz = device_of(az);
	struct fz_message message;
	struct fz_flow_info info;

	if (!fz_group_begin(fz, FZ_NL_GROUP_FLOWS, cmd, FZ_PUT_FLOW_SIZE, NULL, &message))
		return;
	rcu_read_lock();
	fz_flow_read(az, flow, &info);
	if (fz_put_flow(message.skb, FZ_FLOWS_A_FLOW, &info, end))
		fz_group_cancel(fz, FZ_NL_GROUP_FLOWS, &message);
	else
		fz_group_end(fz, FZ_NL_GROUP_FLOWS, &message);
	rcu_read_unlock();
}

/**
 * fz_event_request() - ask the registered process about a held flow
 * @az: of the device
 * @ap: the peer, NULL if no peer holds the destination
 * @request: the question
 *
 * Context: see event.h.
 * Return: 0; -ESRCH when nobody is registered; -EAGAIN or -ENOBUFS when the process cannot take it.
 */
int fz_event_request(struct fz_authz *az, struct fz_authz_peer *ap,
		     const struct fz_request *request)
{
	struct fz_device *fz = device_of(az);
	struct sk_buff *skb;
	void *header;

	if (!fz_listener_present(&fz->events, FZ_LISTENER_REQUESTS))
		return -ESRCH;
	skb = genlmsg_new(FZ_PUT_DEVICE_SIZE + DECISION_ROOM, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return -ENOBUFS;
	header = genlmsg_put(skb, 0, 0, &fz_nl_family, 0, FZ_CMD_REQUEST);
	if (!header || fz_put_device(skb, fz->dev) ||
	    fz_put_u64(skb, FZ_DECISION_A_ID, request->id) ||
	    (ap && fz_put_peer(skb, FZ_DECISION_A_PEER, ap)) ||
	    nla_put_u8(skb, FZ_DECISION_A_DIRECTION, request->dir) ||
	    fz_put_tuple(skb, FZ_DECISION_A_TUPLE, &request->tuple)) {
		nlmsg_free(skb);
		return -ENOBUFS;
	}
	genlmsg_end(skb, header);
	return fz_listener_send(&fz->events, FZ_LISTENER_REQUESTS, skb);
}

/* Where the peer is, if that is known. */
static int put_endpoint_of(struct sk_buff *skb, struct fz_peer *peer)
{
	int ret = 0;

	read_lock_bh(&peer->endpoint_lock);
	if (peer->endpoint.addr.sa_family != AF_UNSPEC)
		ret = fz_put_endpoint(skb, FZ_PEER_EVENT_A_ENDPOINT, &peer->endpoint.addr);
	read_unlock_bh(&peer->endpoint_lock);
	return ret;
}

/**
 * fz_event_peer() - tell that something authenticated happened to a peer, or that it went quiet
 * @peer: the peer
 * @type: what happened
 *
 * Context: see event.h; the caller does not hold the peer's endpoint_lock.
 */
void fz_event_peer(struct fz_peer *peer, enum fz_peer_event_type type)
{
	const size_t room = nla_total_size(sizeof(u8)) + nla_total_size(FZ_KEY_LEN) +
			    nla_total_size(sizeof(struct sockaddr_in6));
	struct fz_device *fz = peer->device;
	struct fz_message message;

	if (!fz_group_begin(fz, FZ_NL_GROUP_PEERS, FZ_CMD_PEER_EVENT, room, NULL, &message))
		return;
	if (nla_put_u8(message.skb, FZ_PEER_EVENT_A_TYPE, type) ||
	    fz_put_peer(message.skb, FZ_PEER_EVENT_A_PUBLIC_KEY, &peer->authz) ||
	    put_endpoint_of(message.skb, peer))
		fz_group_cancel(fz, FZ_NL_GROUP_PEERS, &message);
	else
		fz_group_end(fz, FZ_NL_GROUP_PEERS, &message);
}
