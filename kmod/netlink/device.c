// SPDX-License-Identifier: GPL-2.0-only
/*
 * get-device and set-device: WireGuard's messages, with what fz adds.
 *
 * A set-device is checked as a whole, against the message and against the device, under the lock
 * under which it is done then. What can fail after that comes first: the port, then the prefixes
 * for asking. If those fail, the old port is put back, which fails only if it was taken in that
 * moment. Of the rest only memory that runs out while peers are added leaves a part done; the
 * sentence says so.
 */

#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/fz.h>
#include <net/genetlink.h>

#include "compat/netlink.h"
#include "netlink/change.h"
#include "netlink/family.h"
#include "netlink/parse.h"
#include "netlink/peer.h"
#include "netlink/policy.h"
#include "netlink/put.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

/**
 * struct device_dump - a get-device under way
 * @fz: the device, with a reference
 * @began: the first message is out
 * @prefix: number of the next prefix for asking
 * @prefixes_done: all of them are out
 * @peers: where among the peers
 */
struct device_dump {
	struct fz_device *fz;
	bool began;
	unsigned int prefix;
	bool prefixes_done;
	struct fz_peer_cursor peers;
};

static struct device_dump *dump_of(struct netlink_callback *cb)
{
	return (struct device_dump *)cb->args[0];
}

static int begin(struct netlink_callback *cb)
{
	struct device_dump *dump = kzalloc(sizeof(*dump), GFP_KERNEL);

	if (!dump) {
		NL_SET_ERR_MSG(cb->extack, "out of memory for the list");
		return -ENOMEM;
	}
	dump->fz = fz_nl_device_get(sock_net(cb->skb->sk), fz_genl_dump_attrs(cb), cb->extack);
	if (IS_ERR(dump->fz)) {
		int ret = PTR_ERR(dump->fz);

		kfree(dump);
		return ret;
	}
	cb->args[0] = (long)dump;
	return 0;
}

int fz_nl_get_device_start(struct netlink_callback *cb)
{
	return fz_genl_dump_start(cb, begin);
}

static int put_identity(struct sk_buff *skb, struct fz_device *fz)
{
	int ret = 0;

	down_read(&fz->identity.lock);
	if (fz->identity.present &&
	    (nla_put(skb, FZ_DEVICE_A_PRIVATE_KEY, FZ_KEY_LEN, fz->identity.private_key) ||
	     nla_put(skb, FZ_DEVICE_A_PUBLIC_KEY, FZ_KEY_LEN, fz->identity.public_key)))
		ret = -EMSGSIZE;
	up_read(&fz->identity.lock);
	return ret;
}

static int put_timeouts(struct sk_buff *skb, const struct fz_authz *az)
{
	struct fz_timeouts timeouts;
	struct nlattr *nest;

	fz_timeouts_get(az, &timeouts);
	nest = nla_nest_start(skb, FZ_DEVICE_A_TIMEOUTS);
	if (!nest ||
	    nla_put_u32(skb, FZ_TIMEOUT_A_TCP_OPENING, timeouts.tcp_opening) ||
	    nla_put_u32(skb, FZ_TIMEOUT_A_TCP_ESTABLISHED, timeouts.tcp_established) ||
	    nla_put_u32(skb, FZ_TIMEOUT_A_TCP_CLOSING, timeouts.tcp_closing) ||
	    nla_put_u32(skb, FZ_TIMEOUT_A_UDP_NEW, timeouts.udp_new) ||
	    nla_put_u32(skb, FZ_TIMEOUT_A_UDP_ANSWERED, timeouts.udp_answered) ||
	    nla_put_u32(skb, FZ_TIMEOUT_A_ICMP, timeouts.icmp) ||
	    nla_put_u32(skb, FZ_TIMEOUT_A_OTHER, timeouts.other))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* What a device has one of. */
static int put_settings(struct sk_buff *skb, struct fz_device *fz)
{
	unsigned int dir;

	if (put_identity(skb, fz) ||
	    nla_put_u16(skb, FZ_DEVICE_A_LISTEN_PORT, fz->incoming_port) ||
	    nla_put_u32(skb, FZ_DEVICE_A_FWMARK, fz->fwmark))
		return -EMSGSIZE;
	for (dir = 0; dir <= FZ_DIR_MAX; dir++) {
		struct fz_mode_setting setting = fz_mode_get(&fz->authz, NULL, dir);

		if (fz_put_mode(skb, FZ_DEVICE_A_MODE, dir, &setting))
			return -EMSGSIZE;
	}
	if (put_timeouts(skb, &fz->authz))
		return -EMSGSIZE;
	return nla_put_u32(skb, FZ_DEVICE_A_MAX_FLOWS, fz_max_flows_get(&fz->authz));
}

static int emit_prefix(void *context, const struct fz_prefix *prefix)
{
	return fz_put_prefix(context, FZ_DEVICE_A_ASK_PREFIX, prefix);
}

/* Fills one message. Return: 0 if all is told, 1 if more is to come, -EMSGSIZE if nothing fits. */
static int fill(struct sk_buff *skb, struct device_dump *dump)
{
	struct fz_device *fz = dump->fz;
	unsigned int before;
	int ret;

	if (fz_put_device(skb, fz->dev))
		return -EMSGSIZE;
	before = skb->len;
	if (!dump->began) {
		if (put_settings(skb, fz))
			return -EMSGSIZE;
		dump->began = true;
	}
	if (!dump->prefixes_done) {
		rcu_read_lock();
		ret = fz_ask_prefixes_dump(&fz->authz, &dump->prefix, emit_prefix, skb);
		rcu_read_unlock();
		if (ret)
			return skb->len > before ? 1 : -EMSGSIZE;
		dump->prefixes_done = true;
	}
	ret = fz_nl_peers_put(skb, fz, &dump->peers);
	if (ret < 0 && skb->len > before)
		return 1;
	return ret;
}

int fz_nl_get_device_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct device_dump *dump;
	struct fz_device *fz;
	void *header;
	int ret;

	ret = fz_genl_dump_begun(cb, begin);
	if (ret || cb->args[1])
		return ret;
	dump = dump_of(cb);
	fz = dump->fz;
	header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &fz_nl_family,
			     NLM_F_MULTI, FZ_CMD_GET_DEVICE);
	if (!header)
		return -EMSGSIZE;

	rtnl_lock();
	mutex_lock(&fz->device_update_lock);
	cb->seq = fz->update_generation ?: 1;
	ret = fill(skb, dump);
	mutex_unlock(&fz->device_update_lock);
	rtnl_unlock();

	if (ret < 0) {
		genlmsg_cancel(skb, header);
		return ret;
	}
	genl_dump_check_consistent(cb, header);
	genlmsg_end(skb, header);
	cb->args[1] = !ret;
	return skb->len;
}

int fz_nl_get_device_done(struct netlink_callback *cb)
{
	struct device_dump *dump = dump_of(cb);

	if (!dump)
		return 0;
	fz_nl_peers_end(&dump->peers);
	fz_nl_device_put(dump->fz);
	kfree(dump);
	return 0;
}

/**
 * struct device_set - what a set-device wants, besides identity, port, mark and peers
 * @has_mode: the mode of this direction changes
 * @modes: to this
 * @timeouts: that change; 0 for those that do not
 * @prefixes: for asking, to add
 * @n_prefixes: how many
 * @replace_prefixes: the old ones go
 * @n_peers: that the message names
 */
struct device_set {
	bool has_mode[FZ_DIR_MAX + 1];
	struct fz_mode_setting modes[FZ_DIR_MAX + 1];
	struct fz_timeouts timeouts;
	struct fz_prefix *prefixes;
	unsigned int n_prefixes;
	bool replace_prefixes;
	unsigned int n_peers;
};

static int parse_timeouts(const struct nlattr *nest, struct fz_timeouts *timeouts,
			  struct netlink_ext_ack *extack)
{
	const struct {
		int attribute;
		u32 *value;
	} all[] = {
		{ FZ_TIMEOUT_A_TCP_OPENING, &timeouts->tcp_opening },
		{ FZ_TIMEOUT_A_TCP_ESTABLISHED, &timeouts->tcp_established },
		{ FZ_TIMEOUT_A_TCP_CLOSING, &timeouts->tcp_closing },
		{ FZ_TIMEOUT_A_UDP_NEW, &timeouts->udp_new },
		{ FZ_TIMEOUT_A_UDP_ANSWERED, &timeouts->udp_answered },
		{ FZ_TIMEOUT_A_ICMP, &timeouts->icmp },
		{ FZ_TIMEOUT_A_OTHER, &timeouts->other },
	};
	struct nlattr *tb[FZ_TIMEOUT_A_MAX + 1];
	unsigned int i;
	int ret;

	ret = nla_parse_nested(tb, FZ_TIMEOUT_A_MAX, nest, fz_timeouts_nest_policy, extack);
	if (ret)
		return ret;
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		if (tb[all[i].attribute])
			*all[i].value = nla_get_u32(tb[all[i].attribute]);
	}
	ret = fz_timeouts_check(timeouts, extack);
	if (ret)
		NL_SET_BAD_ATTR(extack, nest);
	return ret;
}

static int parse_device_mode(const struct nlattr *nest, struct device_set *set,
			     struct netlink_ext_ack *extack)
{
	struct fz_mode_setting setting;
	u8 dir;
	int ret;

	ret = fz_parse_mode(nest, false, &dir, &setting, extack);
	if (ret)
		return ret;
	if (set->has_mode[dir]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "this direction has its mode twice");
		return -EINVAL;
	}
	set->has_mode[dir] = true;
	set->modes[dir] = setting;
	return 0;
}

static int parse_ask_prefix(const struct nlattr *nest, struct device_set *set,
			    struct netlink_ext_ack *extack)
{
	struct fz_prefix *prefix = &set->prefixes[set->n_prefixes];
	int ret;

	ret = fz_parse_prefix(nest, prefix, extack);
	if (ret)
		return ret;
	ret = fz_ask_prefix_check(prefix, extack);
	if (ret) {
		NL_SET_BAD_ATTR(extack, nest);
		return ret;
	}
	set->n_prefixes++;
	return 0;
}

/* The attributes that may come more than once. */
static int parse_lists(struct genl_info *info, struct device_set *set)
{
	const struct nlattr *attr;
	int prefixes = 0;
	int ret = 0;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		prefixes += nla_type(attr) == FZ_DEVICE_A_ASK_PREFIX;
	if (prefixes) {
		set->prefixes = kvcalloc(prefixes, sizeof(*set->prefixes), GFP_KERNEL);
		if (!set->prefixes) {
			NL_SET_ERR_MSG(info->extack, "out of memory for so many prefixes");
			return -ENOMEM;
		}
	}
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) == FZ_DEVICE_A_MODE)
			ret = parse_device_mode(attr, set, info->extack);
		else if (nla_type(attr) == FZ_DEVICE_A_ASK_PREFIX)
			ret = parse_ask_prefix(attr, set, info->extack);
		if (ret)
			return ret;
	}
	return 0;
}

/* Everything that the message itself says, without looking at the device's state. */
static int check_message(struct genl_info *info, struct device_set *set)
{
	struct nlattr **attrs = info->attrs;
	u32 flags = attrs[FZ_DEVICE_A_FLAGS] ? nla_get_u32(attrs[FZ_DEVICE_A_FLAGS]) : 0;
	int ret;

	ret = parse_lists(info, set);
	if (ret)
		return ret;
	set->replace_prefixes = flags & FZ_DEVICE_F_REPLACE_ASK_PREFIXES;
	if (attrs[FZ_DEVICE_A_TIMEOUTS]) {
		ret = parse_timeouts(attrs[FZ_DEVICE_A_TIMEOUTS], &set->timeouts, info->extack);
		if (ret)
			return ret;
	}
	if (attrs[FZ_DEVICE_A_MAX_FLOWS]) {
		ret = fz_max_flows_check(nla_get_u32(attrs[FZ_DEVICE_A_MAX_FLOWS]), info->extack);
		if (ret) {
			NL_SET_BAD_ATTR(info->extack, attrs[FZ_DEVICE_A_MAX_FLOWS]);
			return ret;
		}
	}
	if (!attrs[FZ_DEVICE_A_PEERS])
		return 0;
	return fz_nl_peers_check(attrs[FZ_DEVICE_A_PEERS], &set->n_peers, info->extack);
}

/* What the device's state forbids. */
static int check_state(struct fz_device *fz, struct genl_info *info,
		       const struct device_set *set)
{
	struct nlattr **attrs = info->attrs;
	const struct nlattr *outer = attrs[FZ_DEVICE_A_LISTEN_PORT] ?: attrs[FZ_DEVICE_A_FWMARK];
	u32 flags = attrs[FZ_DEVICE_A_FLAGS] ? nla_get_u32(attrs[FZ_DEVICE_A_FLAGS]) : 0;

	lockdep_assert_held(&fz->device_update_lock);
	if (outer) {
		int ret = fz_nl_sockets_allowed(fz, outer, info->extack);

		if (ret)
			return ret;
	}
	if (!set->n_peers)
		return 0;
	return fz_nl_peers_check_state(fz, attrs[FZ_DEVICE_A_PEERS], set->n_peers,
				       flags & FZ_DEVICE_F_REPLACE_PEERS, info->extack);
}

/* The port and the prefixes for asking: both, or neither. */
static int apply_fallible(struct fz_device *fz, struct genl_info *info,
			  const struct device_set *set)
{
	const struct nlattr *port = info->attrs[FZ_DEVICE_A_LISTEN_PORT];
	u16 old_port = fz->incoming_port;
	int ret;

	if (port) {
		ret = fz_device_set_port(fz, nla_get_u16(port));
		if (ret) {
			NL_SET_ERR_MSG_ATTR(info->extack, port, "cannot listen on this port");
			return ret;
		}
	}
	if (set->n_prefixes || set->replace_prefixes) {
		ret = fz_ask_prefixes_set(&fz->authz, set->prefixes, set->n_prefixes,
					  set->replace_prefixes, info->extack);
		if (ret) {
			if (set->n_prefixes)
				NL_SET_BAD_ATTR(info->extack, info->attrs[FZ_DEVICE_A_ASK_PREFIX]);
			if (port && fz->incoming_port != old_port)
				fz_device_set_port(fz, old_port);
			return ret;
		}
	}
	return 0;
}

static void apply_modes(struct fz_device *fz, const struct device_set *set)
{
	unsigned int dir;

	for (dir = 0; dir <= FZ_DIR_MAX; dir++) {
		if (set->has_mode[dir]) {
			fz_mode_set(&fz->authz, NULL, dir, &set->modes[dir]);
			fz_change_mode(fz, NULL, dir, &set->modes[dir]);
		}
	}
}

static int apply(struct fz_device *fz, struct genl_info *info, const struct device_set *set)
{
	struct nlattr **attrs = info->attrs;
	int ret;

	ret = apply_fallible(fz, info, set);
	if (ret)
		return ret;
	fz->update_generation++;
	if (attrs[FZ_DEVICE_A_FLAGS] &&
	    nla_get_u32(attrs[FZ_DEVICE_A_FLAGS]) & FZ_DEVICE_F_REPLACE_PEERS)
		fz_peer_remove_all(fz);
	if (attrs[FZ_DEVICE_A_FWMARK]) {
		ret = fz_device_set_fwmark(fz, nla_get_u32(attrs[FZ_DEVICE_A_FWMARK]));
		if (ret)
			return ret;
	}
	if (attrs[FZ_DEVICE_A_PRIVATE_KEY])
		fz_device_set_private_key(fz, nla_data(attrs[FZ_DEVICE_A_PRIVATE_KEY]));
	apply_modes(fz, set);
	if (attrs[FZ_DEVICE_A_TIMEOUTS])
		fz_timeouts_set(&fz->authz, &set->timeouts);
	if (attrs[FZ_DEVICE_A_MAX_FLOWS])
		fz_max_flows_set(&fz->authz, nla_get_u32(attrs[FZ_DEVICE_A_MAX_FLOWS]));
	if (attrs[FZ_DEVICE_A_PEERS])
		return fz_nl_peers_apply(fz, attrs[FZ_DEVICE_A_PEERS], info->extack);
	return 0;
}

/* Keys do not stay behind in a buffer that somebody else gets. */
static void wipe(struct genl_info *info)
{
	struct nlattr *key = info->attrs[FZ_DEVICE_A_PRIVATE_KEY];

	if (key)
		memzero_explicit(nla_data(key), nla_len(key));
	if (info->attrs[FZ_DEVICE_A_PEERS])
		fz_nl_peers_wipe(info->attrs[FZ_DEVICE_A_PEERS]);
}

int fz_nl_set_device_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct device_set set = {};
	struct fz_device *fz;
	int ret;

	fz = fz_nl_device_get(genl_info_net(info), info->attrs, info->extack);
	if (IS_ERR(fz)) {
		ret = PTR_ERR(fz);
		goto out;
	}
	ret = check_message(info, &set);
	if (ret)
		goto out_put;

	rtnl_lock();
	mutex_lock(&fz->device_update_lock);
	ret = check_state(fz, info, &set);
	if (!ret)
		ret = apply(fz, info, &set);
	mutex_unlock(&fz->device_update_lock);
	rtnl_unlock();

out_put:
	kvfree(set.prefixes);
	fz_nl_device_put(fz);
out:
	wipe(info);
	return ret;
}
