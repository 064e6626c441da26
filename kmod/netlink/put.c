// SPDX-License-Identifier: GPL-2.0-only
/* Objects as attributes. */

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/netdevice.h>
#include <linux/fz.h>

#include "authz/authz.h"
#include "netlink/put.h"
#include "tunnel/peer.h"

/* Attributes that all sets with a device have in the same place. */
static_assert((int)FZ_DEVICE_A_IFINDEX == (int)FZ_POLICY_A_IFINDEX &&
	      (int)FZ_DEVICE_A_IFINDEX == (int)FZ_FLOWS_A_IFINDEX &&
	      (int)FZ_DEVICE_A_IFINDEX == (int)FZ_DECISION_A_IFINDEX &&
	      (int)FZ_DEVICE_A_IFINDEX == (int)FZ_SIDEBAND_A_IFINDEX &&
	      (int)FZ_DEVICE_A_IFINDEX == (int)FZ_STATS_A_IFINDEX &&
	      (int)FZ_DEVICE_A_IFINDEX == (int)FZ_PEER_EVENT_A_IFINDEX);
static_assert((int)FZ_DEVICE_A_IFNAME == (int)FZ_POLICY_A_IFNAME &&
	      (int)FZ_DEVICE_A_IFNAME == (int)FZ_FLOWS_A_IFNAME &&
	      (int)FZ_DEVICE_A_IFNAME == (int)FZ_DECISION_A_IFNAME &&
	      (int)FZ_DEVICE_A_IFNAME == (int)FZ_SIDEBAND_A_IFNAME &&
	      (int)FZ_DEVICE_A_IFNAME == (int)FZ_STATS_A_IFNAME &&
	      (int)FZ_DEVICE_A_IFNAME == (int)FZ_PEER_EVENT_A_IFNAME);

/* Ends a nest, or takes it back if something of it did not fit. */
static int close_nest(struct sk_buff *skb, struct nlattr *nest, bool failed)
{
	if (failed) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * fz_put_device() - name a device
 * @skb: the message, of any attribute set that names devices
 * @dev: the device
 *
 * Return: 0 or -EMSGSIZE.
 */
int fz_put_device(struct sk_buff *skb, const struct net_device *dev)
{
	if (nla_put_u32(skb, FZ_DEVICE_A_IFINDEX, dev->ifindex) ||
	    nla_put_string(skb, FZ_DEVICE_A_IFNAME, dev->name))
		return -EMSGSIZE;
	return 0;
}

/**
 * fz_put_u64() - put 64 bits, aligned where the machine needs that
 * @skb: the message, of any attribute set: 0 is unused in all of them, and pads
 * @attribute: its type
 * @value: its value
 *
 * Return: 0 or -EMSGSIZE.
 */
int fz_put_u64(struct sk_buff *skb, int attribute, u64 value)
{
	return nla_put_u64_64bit(skb, attribute, value, 0);
}

/**
 * fz_put_peer() - put a peer's public key
 * @skb: the message
 * @attribute: its type
 * @ap: the peer, as the authorization knows it
 *
 * Context: under RCU, or with a reference to the peer.
 * Return: 0 or -EMSGSIZE.
 */
int fz_put_peer(struct sk_buff *skb, int attribute, const struct fz_authz_peer *ap)
{
	const struct fz_peer *peer = container_of(ap, struct fz_peer, authz);

	return nla_put(skb, attribute, FZ_KEY_LEN, peer->handshake.remote.public_key);
}

/**
 * fz_put_endpoint() - put a UDP address
 * @skb: the message
 * @attribute: its type
 * @addr: a struct sockaddr_in or sockaddr_in6
 *
 * Return: 0 or -EMSGSIZE.
 */
int fz_put_endpoint(struct sk_buff *skb, int attribute, const struct sockaddr *addr)
{
	size_t len = addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) :
						  sizeof(struct sockaddr_in6);

	return nla_put(skb, attribute, len, addr);
}

static int put_addr(struct sk_buff *skb, int attribute, u8 family, const union fz_addr *addr)
{
	return nla_put(skb, attribute, fz_family_bits(family) / 8, addr);
}

/**
 * fz_put_prefix() - put a prefix as a nest
 * @skb: the message
 * @attribute: its type
 * @prefix: the prefix
 *
 * Return: 0 or -EMSGSIZE.
 */
int fz_put_prefix(struct sk_buff *skb, int attribute, const struct fz_prefix *prefix)
{
	struct nlattr *nest = nla_nest_start(skb, attribute);

	if (!nest)
		return -EMSGSIZE;
	return close_nest(skb, nest,
			  put_addr(skb, FZ_PREFIX_A_ADDR, prefix->family, &prefix->addr) ||
			  nla_put_u8(skb, FZ_PREFIX_A_LEN, prefix->len));
}

/**
 * fz_put_service() - put a service as a nest
 * @skb: the message
 * @attribute: its type
 * @service: the service
 *
 * Return: 0 or -EMSGSIZE.
 */
int fz_put_service(struct sk_buff *skb, int attribute, const struct fz_service *service)
{
	struct nlattr *nest = nla_nest_start(skb, attribute);

	if (!nest)
		return -EMSGSIZE;
	return close_nest(skb, nest,
			  nla_put_u8(skb, FZ_SERVICE_A_PROTOCOL, service->proto) ||
			  (!service->all &&
			   (nla_put_u16(skb, FZ_SERVICE_A_PORT_MIN, service->min) ||
			    nla_put_u16(skb, FZ_SERVICE_A_PORT_MAX, service->max))));
}

/**
 * fz_put_tuple() - put a tuple as a nest
 * @skb: the message
 * @attribute: its type
 * @tuple: the tuple
 *
 * Return: 0 or -EMSGSIZE.
 */
int fz_put_tuple(struct sk_buff *skb, int attribute, const struct fz_tuple *tuple)
{
	struct nlattr *nest = nla_nest_start(skb, attribute);
	bool failed;

	if (!nest)
		return -EMSGSIZE;
	failed = nla_put_u8(skb, FZ_TUPLE_A_PROTOCOL, tuple->proto) ||
		 put_addr(skb, FZ_TUPLE_A_SRC, tuple->family, &tuple->src) ||
		 put_addr(skb, FZ_TUPLE_A_DST, tuple->family, &tuple->dst);
	if (!failed && fz_proto_has_ports(tuple->proto))
		failed = nla_put_u16(skb, FZ_TUPLE_A_SPORT, tuple->sport) ||
			 nla_put_u16(skb, FZ_TUPLE_A_DPORT, tuple->dport);
	if (!failed && fz_proto_is_icmp(tuple->family, tuple->proto))
		failed = nla_put_u8(skb, FZ_TUPLE_A_ICMP_TYPE, tuple->icmp_type) ||
			 nla_put_u8(skb, FZ_TUPLE_A_ICMP_CODE, tuple->icmp_code) ||
			 nla_put_u16(skb, FZ_TUPLE_A_ICMP_ID, tuple->icmp_id);
	return close_nest(skb, nest, failed);
}

/**
 * fz_put_mode() - put the mode of one direction as a nest
 * @skb: the message
 * @attribute: its type
 * @direction: enum fz_direction
 * @setting: mode and flags
 *
 * Return: 0 or -EMSGSIZE.
 */
int fz_put_mode(struct sk_buff *skb, int attribute, u8 direction,
		const struct fz_mode_setting *setting)
{
	struct nlattr *nest = nla_nest_start(skb, attribute);

	if (!nest)
		return -EMSGSIZE;
	return close_nest(skb, nest, nla_put_u8(skb, FZ_MODE_A_DIRECTION, direction) ||
				     nla_put_u8(skb, FZ_MODE_A_MODE, setting->mode) ||
				     nla_put_u32(skb, FZ_MODE_A_FLAGS, setting->flags));
}

static int put_tag(struct sk_buff *skb, int attribute, const u8 tag[FZ_TAG_LEN])
{
	if (!memchr_inv(tag, 0, FZ_TAG_LEN))
		return 0;
	return nla_put(skb, attribute, FZ_TAG_LEN, tag);
}

static bool put_limits(struct sk_buff *skb, const struct fz_grant_info *info)
{
	const struct fz_limits *limits = &info->limits;

	return (limits->quota && (fz_put_u64(skb, FZ_GRANT_A_QUOTA, limits->quota) ||
				  fz_put_u64(skb, FZ_GRANT_A_QUOTA_USED, info->used))) ||
	       (limits->rate && fz_put_u64(skb, FZ_GRANT_A_RATE, limits->rate)) ||
	       (limits->flow_rate && nla_put_u32(skb, FZ_GRANT_A_FLOW_RATE, limits->flow_rate));
}

/**
 * fz_put_grant() - put a grant with its counters as a nest
 * @skb: the message
 * @attribute: its type
 * @info: the grant
 *
 * Context: under RCU, or with a reference to the grant's peer.
 * Return: 0 or -EMSGSIZE.
 */
int fz_put_grant(struct sk_buff *skb, int attribute, const struct fz_grant_info *info)
{
	struct nlattr *nest = nla_nest_start(skb, attribute);
	bool failed;

	if (!nest)
		return -EMSGSIZE;
	failed = (info->ap && fz_put_peer(skb, FZ_GRANT_A_PEER, info->ap)) ||
		 nla_put_string(skb, FZ_GRANT_A_RESOURCE, info->resource) ||
		 nla_put_u8(skb, FZ_GRANT_A_DIRECTION, info->dir) ||
		 nla_put_u8(skb, FZ_GRANT_A_ACTION, info->action) ||
		 (info->has_lease && fz_put_u64(skb, FZ_GRANT_A_LEASE_MS, info->lease_ms)) ||
		 put_tag(skb, FZ_GRANT_A_TAG, info->tag) || put_limits(skb, info) ||
		 fz_put_u64(skb, FZ_GRANT_A_PACKETS, info->packets) ||
		 fz_put_u64(skb, FZ_GRANT_A_BYTES, info->bytes) ||
		 nla_put_u32(skb, FZ_GRANT_A_FLOWS, info->flows);
	return close_nest(skb, nest, failed);
}

/* What a flow has carried, and how long it has lived and may live. */
static bool put_flow_figures(struct sk_buff *skb, const struct fz_flow_info *info, u8 end)
{
	return fz_put_u64(skb, FZ_FLOW_A_ORIG_PACKETS, info->orig_packets) ||
	       fz_put_u64(skb, FZ_FLOW_A_ORIG_BYTES, info->orig_bytes) ||
	       fz_put_u64(skb, FZ_FLOW_A_REPLY_PACKETS, info->reply_packets) ||
	       fz_put_u64(skb, FZ_FLOW_A_REPLY_BYTES, info->reply_bytes) ||
	       fz_put_u64(skb, FZ_FLOW_A_AGE_MS, info->age_ms) ||
	       (end == FZ_END_NONE && fz_put_u64(skb, FZ_FLOW_A_TIMEOUT_MS, info->timeout_ms)) ||
	       (end == FZ_END_NONE && info->has_lease &&
		fz_put_u64(skb, FZ_FLOW_A_LEASE_MS, info->lease_ms));
}

/**
 * fz_put_flow() - put a flow as a nest
 * @skb: the message
 * @attribute: its type
 * @info: the flow
 * @end: enum fz_flow_end; FZ_END_NONE if it lives
 *
 * Context: under RCU.
 * Return: 0 or -EMSGSIZE.
 */
int fz_put_flow(struct sk_buff *skb, int attribute, const struct fz_flow_info *info, u8 end)
{
	struct nlattr *nest = nla_nest_start(skb, attribute);
	bool failed;

	if (!nest)
		return -EMSGSIZE;
	failed = (info->ap && fz_put_peer(skb, FZ_FLOW_A_PEER, info->ap)) ||
		 nla_put_u8(skb, FZ_FLOW_A_DIRECTION, info->dir) ||
		 fz_put_tuple(skb, FZ_FLOW_A_TUPLE, &info->tuple) ||
		 nla_put_u8(skb, FZ_FLOW_A_STATE, info->state) ||
		 (info->has_grant && nla_put_string(skb, FZ_FLOW_A_RESOURCE, info->resource)) ||
		 (info->has_grant && put_tag(skb, FZ_FLOW_A_TAG, info->tag)) ||
		 put_flow_figures(skb, info, end) ||
		 (end != FZ_END_NONE && nla_put_u8(skb, FZ_FLOW_A_END, end)) ||
		 (info->observed != FZ_REASON_NONE &&
		  nla_put_u8(skb, FZ_FLOW_A_OBSERVED, info->observed));
	return close_nest(skb, nest, failed);
}
