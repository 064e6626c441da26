// SPDX-License-Identifier: GPL-2.0-only
/* Attributes as objects. */

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/fz.h>

#include "netlink/parse.h"
#include "netlink/policy.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

/**
 * fz_nl_device_get() - find the device that a request names
 * @net: the network namespace of the request's socket
 * @attrs: attributes of any set that names devices
 * @extack: takes the sentence if there is none
 *
 * Context: may sleep.
 * Return: the device, with a reference to be given back with fz_nl_device_put(); or -EBADR,
 * -ENODEV, -EOPNOTSUPP.
 */
struct fz_device *fz_nl_device_get(struct net *net, struct nlattr **attrs,
				   struct netlink_ext_ack *extack)
{
	const struct nlattr *index = attrs[FZ_DEVICE_A_IFINDEX];
	const struct nlattr *name = attrs[FZ_DEVICE_A_IFNAME];
	struct net_device *dev;

	if (!index == !name) {
		NL_SET_ERR_MSG_ATTR(extack, name, "name one device, by ifindex or by ifname");
		return ERR_PTR(-EBADR);
	}
	if (index)
		dev = dev_get_by_index(net, nla_get_u32(index));
	else
		dev = dev_get_by_name(net, nla_data(name));
	if (!dev) {
		NL_SET_ERR_MSG_ATTR(extack, index ?: name, "there is no such device");
		return ERR_PTR(-ENODEV);
	}
	if (!fz_device_is_fz(dev)) {
		NL_SET_ERR_MSG_ATTR(extack, index ?: name, "this device is not an fz device");
		dev_put(dev);
		return ERR_PTR(-EOPNOTSUPP);
	}
	return netdev_priv(dev);
}

/**
 * fz_nl_device_put() - give a device back
 * @fz: from fz_nl_device_get()
 */
void fz_nl_device_put(struct fz_device *fz)
{
	dev_put(fz->dev);
}

/**
 * fz_nl_sockets_allowed() - whether the sender may use the tunnel's sockets
 * @fz: the device
 * @attr: what asks for it, named if not
 * @extack: takes the sentence
 *
 * They stay in the namespace that made the device, wherever the device is moved: rights are needed
 * there.
 *
 * Context: a netlink request.
 * Return: 0 or -EPERM.
 */
int fz_nl_sockets_allowed(struct fz_device *fz, const struct nlattr *attr,
			  struct netlink_ext_ack *extack)
{
	struct net *net;
	bool may;

	rcu_read_lock();
	net = rcu_dereference(fz->creating_net);
	may = net && ns_capable(net->user_ns, CAP_NET_ADMIN);
	rcu_read_unlock();
	if (may)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr,
			    "no right in the namespace that the tunnel's sockets are in");
	return -EPERM;
}

/**
 * fz_nl_peer_get() - find the peer that a request names
 * @fz: its device
 * @key: its public key
 * @extack: takes the sentence if there is none
 *
 * Return: the peer, with a reference to be given back with fz_peer_put(); or -ENOENT.
 */
struct fz_peer *fz_nl_peer_get(struct fz_device *fz, const struct nlattr *key,
			       struct netlink_ext_ack *extack)
{
	struct fz_peer *peer = fz_peertable_lookup(fz, nla_data(key));

	if (peer)
		return peer;
	NL_SET_ERR_MSG_ATTR(extack, key, "the device has no peer with this public key");
	return ERR_PTR(-ENOENT);
}

/**
 * fz_parse_endpoint() - read a UDP address
 * @attr: a struct sockaddr_in or sockaddr_in6
 * @addr: takes it; what the family does not use is zero
 * @extack: takes the sentence
 *
 * Return: 0 or -EINVAL.
 */
int fz_parse_endpoint(const struct nlattr *attr, union fz_path_addr *addr,
		      struct netlink_ext_ack *extack)
{
	const struct sockaddr *any = nla_data(attr);

	memset(addr, 0, sizeof(*addr));
	if (any->sa_family == AF_INET && nla_len(attr) == sizeof(addr->v4)) {
		memcpy(&addr->v4, nla_data(attr), sizeof(addr->v4));
		memset(addr->v4.sin_zero, 0, sizeof(addr->v4.sin_zero));
		return 0;
	}
	if (any->sa_family == AF_INET6 && nla_len(attr) == sizeof(addr->v6)) {
		memcpy(&addr->v6, nla_data(attr), sizeof(addr->v6));
		return 0;
	}
	NL_SET_ERR_MSG_ATTR(extack, attr,
			    "an endpoint is a struct sockaddr_in or sockaddr_in6 of that family");
	return -EINVAL;
}

/* An address whose family follows from its length. */
static int parse_addr(const struct nlattr *attr, union fz_addr *addr, u8 *family,
		      struct netlink_ext_ack *extack)
{
	memset(addr, 0, sizeof(*addr));
	switch (nla_len(attr)) {
	case sizeof(struct in_addr):
		*family = AF_INET;
		break;
	case sizeof(struct in6_addr):
		*family = AF_INET6;
		break;
	default:
		NL_SET_ERR_MSG_ATTR(extack, attr, "an address is 4 bytes (IPv4) or 16 (IPv6)");
		return -EINVAL;
	}
	memcpy(addr, nla_data(attr), nla_len(attr));
	return 0;
}

/**
 * fz_parse_prefix() - read a prefix
 * @nest: of FZ_PREFIX_A_*
 * @prefix: takes it
 * @extack: takes the sentence
 *
 * Return: 0 or -EINVAL.
 */
int fz_parse_prefix(const struct nlattr *nest, struct fz_prefix *prefix,
		    struct netlink_ext_ack *extack)
{
	struct nlattr *tb[FZ_PREFIX_A_MAX + 1];
	int ret;

	ret = nla_parse_nested(tb, FZ_PREFIX_A_MAX, nest, fz_prefix_nest_policy, extack);
	if (ret)
		return ret;
	if (!tb[FZ_PREFIX_A_ADDR] || !tb[FZ_PREFIX_A_LEN]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a prefix needs an address and a length");
		return -EINVAL;
	}
	ret = parse_addr(tb[FZ_PREFIX_A_ADDR], &prefix->addr, &prefix->family, extack);
	if (ret)
		return ret;
	prefix->len = nla_get_u8(tb[FZ_PREFIX_A_LEN]);
	if (prefix->len > fz_family_bits(prefix->family)) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "the prefix is longer than its address");
		return -EINVAL;
	}
	if (!fz_prefix_is_clean(prefix)) {
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "the address has bits set after the prefix length");
		return -EINVAL;
	}
	return 0;
}

/* Ports and ICMP fields: only those that the protocol has. */
static int parse_transport(const struct nlattr *nest, struct nlattr **tb, struct fz_tuple *tuple,
			   struct netlink_ext_ack *extack)
{
	const struct nlattr *port = tb[FZ_TUPLE_A_SPORT] ?: tb[FZ_TUPLE_A_DPORT];
	const struct nlattr *icmp = tb[FZ_TUPLE_A_ICMP_TYPE] ?: tb[FZ_TUPLE_A_ICMP_CODE] ?:
				    tb[FZ_TUPLE_A_ICMP_ID];

	if (port && !fz_proto_has_ports(tuple->proto)) {
		NL_SET_ERR_MSG_ATTR(extack, port, "this protocol has no ports");
		return -EINVAL;
	}
	if (icmp && !fz_proto_is_icmp(tuple->family, tuple->proto)) {
		NL_SET_ERR_MSG_ATTR(extack, icmp, "this protocol is not the family's ICMP");
		return -EINVAL;
	}
	if (!tb[FZ_TUPLE_A_DPORT] && fz_proto_has_ports(tuple->proto)) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "the tuple needs a destination port");
		return -EINVAL;
	}
	if (!tb[FZ_TUPLE_A_ICMP_TYPE] && fz_proto_is_icmp(tuple->family, tuple->proto)) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "the tuple needs an ICMP type");
		return -EINVAL;
	}
	if (tb[FZ_TUPLE_A_SPORT])
		tuple->sport = nla_get_u16(tb[FZ_TUPLE_A_SPORT]);
	if (tb[FZ_TUPLE_A_DPORT])
		tuple->dport = nla_get_u16(tb[FZ_TUPLE_A_DPORT]);
	if (tb[FZ_TUPLE_A_ICMP_TYPE])
		tuple->icmp_type = nla_get_u8(tb[FZ_TUPLE_A_ICMP_TYPE]);
	if (tb[FZ_TUPLE_A_ICMP_CODE])
		tuple->icmp_code = nla_get_u8(tb[FZ_TUPLE_A_ICMP_CODE]);
	if (tb[FZ_TUPLE_A_ICMP_ID])
		tuple->icmp_id = nla_get_u16(tb[FZ_TUPLE_A_ICMP_ID]);
	return 0;
}

/**
 * fz_parse_tuple() - read a tuple
 * @nest: of FZ_TUPLE_A_*
 * @tuple: takes it; what the protocol does not have is zero
 * @extack: takes the sentence
 *
 * Return: 0 or -EINVAL.
 */
int fz_parse_tuple(const struct nlattr *nest, struct fz_tuple *tuple,
		   struct netlink_ext_ack *extack)
{
	struct nlattr *tb[FZ_TUPLE_A_MAX + 1];
	u8 family;
	int ret;

	memset(tuple, 0, sizeof(*tuple));
	ret = nla_parse_nested(tb, FZ_TUPLE_A_MAX, nest, fz_tuple_nest_policy, extack);
	if (ret)
		return ret;
	if (!tb[FZ_TUPLE_A_PROTOCOL] || !tb[FZ_TUPLE_A_SRC] || !tb[FZ_TUPLE_A_DST]) {
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "a tuple needs protocol, source and destination");
		return -EINVAL;
	}
	ret = parse_addr(tb[FZ_TUPLE_A_SRC], &tuple->src, &family, extack);
	if (!ret)
		ret = parse_addr(tb[FZ_TUPLE_A_DST], &tuple->dst, &tuple->family, extack);
	if (ret)
		return ret;
	if (family != tuple->family) {
		NL_SET_ERR_MSG_ATTR(extack, tb[FZ_TUPLE_A_DST],
				    "source and destination are of different families");
		return -EINVAL;
	}
	tuple->proto = nla_get_u8(tb[FZ_TUPLE_A_PROTOCOL]);
	return parse_transport(nest, tb, tuple, extack);
}

/**
 * fz_parse_mode() - read the mode of one direction
 * @nest: of FZ_MODE_A_*
 * @for_peer: it is a peer's, not a device's
 * @direction: takes enum fz_direction
 * @setting: takes mode and flags
 * @extack: takes the sentence
 *
 * Return: 0 or -EINVAL.
 */
int fz_parse_mode(const struct nlattr *nest, bool for_peer, u8 *direction,
		  struct fz_mode_setting *setting, struct netlink_ext_ack *extack)
{
	struct nlattr *tb[FZ_MODE_A_MAX + 1];
	int ret;

	ret = nla_parse_nested(tb, FZ_MODE_A_MAX, nest, fz_mode_nest_policy, extack);
	if (ret)
		return ret;
	if (!tb[FZ_MODE_A_DIRECTION] || !tb[FZ_MODE_A_MODE]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a mode needs a direction and a mode");
		return -EINVAL;
	}
	*direction = nla_get_u8(tb[FZ_MODE_A_DIRECTION]);
	setting->mode = nla_get_u8(tb[FZ_MODE_A_MODE]);
	setting->flags = tb[FZ_MODE_A_FLAGS] ? nla_get_u32(tb[FZ_MODE_A_FLAGS]) : 0;
	ret = fz_mode_check(setting, for_peer, extack);
	if (ret)
		NL_SET_BAD_ATTR(extack, nest);
	return ret;
}
