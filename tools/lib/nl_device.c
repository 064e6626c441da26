// SPDX-License-Identifier: GPL-2.0-only
/* Devices and peers, in the shape of WireGuard's own family. */
#include "nl_internal.h"
#include "key.h"
#include "rtnl.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* What every fixed attribute of a peer, and a nest's end, need at most. */
#define PEER_ROOM 512

/*
 * A device being sent. It may take several messages; the first carries what is
 * the device's own. A peer that does not fit is continued in the next message
 * under its key alone, and its lists go on where they stopped.
 */
struct sender {
	struct fz_nl *nl;
	const struct fz_device *dev;
	struct nlmsghdr *nlh;
	struct nlattr *peers;
	struct fz_error *err;
};

static bool has_room(const struct sender *s, size_t len)
{
	return s->nlh->nlmsg_len + len <= FZ_MSG_SIZE;
}

static void begin_message(struct sender *s)
{
	s->nlh = fz_nl_begin(s->nl, &s->nl->cmd, FZ_CMD_SET_DEVICE, NLM_F_ACK);
	s->peers = NULL;
	mnl_attr_put_strz_check(s->nlh, FZ_MSG_SIZE, FZ_DEVICE_A_IFNAME, s->dev->name);
}

static int finish_message(struct sender *s)
{
	if (s->peers)
		mnl_attr_nest_end(s->nlh, s->peers);
	return fz_nl_talk(s->nl, &s->nl->cmd, s->dev->name, s->nlh, NULL, NULL, s->err);
}

static int next_message(struct sender *s)
{
	int ret = finish_message(s);

	if (!ret)
		begin_message(s);
	return ret;
}

static void put_timeout(struct nlmsghdr *nlh, uint16_t type, uint32_t seconds)
{
	if (seconds)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, type, seconds);
}

static void put_timeouts(struct nlmsghdr *nlh, const struct fz_timeouts *t)
{
	struct nlattr *nest = mnl_attr_nest_start_check(nlh, FZ_MSG_SIZE, FZ_DEVICE_A_TIMEOUTS);

	put_timeout(nlh, FZ_TIMEOUT_A_TCP_OPENING, t->tcp_opening);
	put_timeout(nlh, FZ_TIMEOUT_A_TCP_ESTABLISHED, t->tcp_established);
	put_timeout(nlh, FZ_TIMEOUT_A_TCP_CLOSING, t->tcp_closing);
	put_timeout(nlh, FZ_TIMEOUT_A_UDP_NEW, t->udp_new);
	put_timeout(nlh, FZ_TIMEOUT_A_UDP_ANSWERED, t->udp_answered);
	put_timeout(nlh, FZ_TIMEOUT_A_ICMP, t->icmp);
	put_timeout(nlh, FZ_TIMEOUT_A_OTHER, t->other);
	mnl_attr_nest_end(nlh, nest);
}

static void put_modes(struct nlmsghdr *nlh, uint16_t type, const struct fz_mode_state *modes)
{
	for (uint8_t direction = 0; direction < FZ_DIRECTIONS; direction++) {
		if (modes[direction].present)
			fz_put_mode(nlh, type, direction, &modes[direction]);
	}
}

static int put_device(struct sender *s)
{
	const struct fz_device *dev = s->dev;
	struct nlmsghdr *nlh = s->nlh;
	int ret;

	if (dev->has & FZ_HAS_PRIVATE_KEY)
		mnl_attr_put_check(nlh, FZ_MSG_SIZE, FZ_DEVICE_A_PRIVATE_KEY, FZ_KEY_LEN, dev->private_key);
	if (dev->has & FZ_HAS_LISTEN_PORT)
		mnl_attr_put_u16_check(nlh, FZ_MSG_SIZE, FZ_DEVICE_A_LISTEN_PORT, dev->listen_port);
	if (dev->has & FZ_HAS_FWMARK)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FZ_DEVICE_A_FWMARK, dev->fwmark);
	if (dev->flags)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FZ_DEVICE_A_FLAGS, dev->flags);
	if (dev->has & FZ_HAS_MAX_FLOWS)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FZ_DEVICE_A_MAX_FLOWS, dev->max_flows);
	if (dev->has & FZ_HAS_TIMEOUTS)
		put_timeouts(nlh, &dev->timeouts);
	put_modes(nlh, FZ_DEVICE_A_MODE, dev->mode);
	for (size_t i = 0; i < dev->n_ask_prefixes; i++) {
		if (!has_room(s, PEER_ROOM)) {
			ret = next_message(s);
			if (ret)
				return ret;
		}
		fz_put_prefix(s->nlh, FZ_DEVICE_A_ASK_PREFIX, &dev->ask_prefixes[i]);
	}
	return 0;
}

static bool put_allowedip(struct nlmsghdr *nlh, const struct fz_allowedip *ip)
{
	struct nlattr *nest = mnl_attr_nest_start_check(nlh, FZ_MSG_SIZE, 0);
	bool ok;

	ok = nest && mnl_attr_put_u16_check(nlh, FZ_MSG_SIZE, FZ_ALLOWEDIP_A_FAMILY, ip->prefix.addr.family) &&
	     fz_put_addr(nlh, FZ_ALLOWEDIP_A_IPADDR, &ip->prefix.addr) &&
	     mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_ALLOWEDIP_A_CIDR_MASK, ip->prefix.len) &&
	     (!ip->flags || mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FZ_ALLOWEDIP_A_FLAGS, ip->flags));
	if (ok)
		mnl_attr_nest_end(nlh, nest);
	else if (nest)
		mnl_attr_nest_cancel(nlh, nest);
	return ok;
}

static bool put_candidate(struct nlmsghdr *nlh, const struct fz_candidate *candidate)
{
	struct nlattr *nest = mnl_attr_nest_start_check(nlh, FZ_MSG_SIZE, FZ_PEER_A_CANDIDATE);
	bool ok;

	ok = nest && fz_put_endpoint(nlh, FZ_CANDIDATE_A_ENDPOINT, &candidate->endpoint) &&
	     mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FZ_CANDIDATE_A_PRIORITY, candidate->priority);
	if (ok)
		mnl_attr_nest_end(nlh, nest);
	else if (nest)
		mnl_attr_nest_cancel(nlh, nest);
	return ok;
}

static void put_peer_start(struct nlmsghdr *nlh, const struct fz_peer *peer, bool continued)
{
	uint32_t flags = peer->flags;

	mnl_attr_put_check(nlh, FZ_MSG_SIZE, FZ_PEER_A_PUBLIC_KEY, FZ_KEY_LEN, peer->public_key);
	if (continued)
		flags &= FZ_PEER_F_UPDATE_ONLY;
	if (flags)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FZ_PEER_A_FLAGS, flags);
	if (continued)
		return;
	if (peer->has & FZ_HAS_PRESHARED_KEY)
		mnl_attr_put_check(nlh, FZ_MSG_SIZE, FZ_PEER_A_PRESHARED_KEY, FZ_KEY_LEN,
				   peer->preshared_key);
	if (peer->endpoint.sa.sa_family)
		fz_put_endpoint(nlh, FZ_PEER_A_ENDPOINT, &peer->endpoint);
	if (peer->has & FZ_HAS_KEEPALIVE)
		mnl_attr_put_u16_check(nlh, FZ_MSG_SIZE, FZ_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
				       peer->keepalive);
	put_modes(nlh, FZ_PEER_A_MODE, peer->mode);
}

/* As much of a peer as fits; moves on the two counters. True when it is complete. */
static bool put_peer(struct sender *s, const struct fz_peer *peer, bool continued, size_t *candidate,
		     size_t *ip)
{
	struct nlattr *nest, *ips;
	bool full = false;

	if (!s->peers)
		s->peers = mnl_attr_nest_start_check(s->nlh, FZ_MSG_SIZE, FZ_DEVICE_A_PEERS);
	nest = mnl_attr_nest_start_check(s->nlh, FZ_MSG_SIZE, 0);
	put_peer_start(s->nlh, peer, continued);
	/* Room is kept for the header of the nest of allowed IPs. */
	for (; *candidate < peer->n_candidates && !full; ) {
		full = !has_room(s, 64) || !put_candidate(s->nlh, &peer->candidates[*candidate]);
		*candidate += !full;
	}
	if (!full && *ip < peer->n_allowedips) {
		ips = mnl_attr_nest_start_check(s->nlh, FZ_MSG_SIZE, FZ_PEER_A_ALLOWEDIPS);
		while (*ip < peer->n_allowedips && !full) {
			full = !put_allowedip(s->nlh, &peer->allowedips[*ip]);
			*ip += !full;
		}
		mnl_attr_nest_end(s->nlh, ips);
	}
	mnl_attr_nest_end(s->nlh, nest);
	return !full;
}

static int put_peers(struct sender *s)
{
	int ret = 0;

	for (size_t i = 0; i < s->dev->n_peers && !ret; i++) {
		const struct fz_peer *peer = &s->dev->peers[i];
		size_t candidate = 0, ip = 0;
		bool continued = false;

		if (!has_room(s, PEER_ROOM))
			ret = next_message(s);
		while (!ret && !put_peer(s, peer, continued, &candidate, &ip)) {
			continued = true;
			ret = next_message(s);
		}
	}
	return ret;
}

/**
 * fz_nl_device_set - change a device and its peers
 * @nl: the handle
 * @dev: what is present is changed, the rest left alone
 * @err: why not
 *
 * Goes in as many messages as it needs, each applied whole or not at all.
 *
 * Return: 0 or a negative errno
 */
int fz_nl_device_set(struct fz_nl *nl, const struct fz_device *dev, struct fz_error *err)
{
	struct sender s = { .nl = nl, .dev = dev, .err = err };
	int ret;

	ret = fz_nl_check_name(dev->name, err);
	if (ret)
		return ret;
	begin_message(&s);
	ret = put_device(&s);
	if (!ret)
		ret = put_peers(&s);
	if (!ret)
		ret = finish_message(&s);
	sodium_memzero(nl->cmd.tx, FZ_MSG_SIZE);
	return ret;
}

static int read_allowedips(const struct nlattr *nest, struct fz_peer *peer)
{
	const struct nlattr *attr;
	struct fz_prefix prefix;
	struct fz_attrs attrs;

	memset(&prefix, 0, sizeof(prefix));
	mnl_attr_for_each_nested(attr, nest) {
		fz_attrs_read_nest(&attrs, attr);
		fz_attr_addr(&attrs, FZ_ALLOWEDIP_A_IPADDR, &prefix.addr);
		prefix.len = fz_attr_u8(&attrs, FZ_ALLOWEDIP_A_CIDR_MASK);
		if (prefix.addr.family && fz_peer_add_allowedip(peer, &prefix, 0))
			return -ENOMEM;
	}
	return 0;
}

static int read_candidate(const struct nlattr *nest, struct fz_peer *peer)
{
	struct fz_candidate candidate = { 0 };
	struct fz_attrs attrs;

	fz_attrs_read_nest(&attrs, nest);
	fz_attr_endpoint(&attrs, FZ_CANDIDATE_A_ENDPOINT, &candidate.endpoint);
	candidate.priority = fz_attr_u32(&attrs, FZ_CANDIDATE_A_PRIORITY);
	candidate.heard = attrs.found[FZ_CANDIDATE_A_LAST_HEARD_MS];
	candidate.last_heard_ms = fz_attr_u64(&attrs, FZ_CANDIDATE_A_LAST_HEARD_MS);
	return fz_peer_add_candidate(peer, &candidate);
}

static void read_peer_start(const struct fz_attrs *attrs, struct fz_peer *peer)
{
	int64_t when[2];

	if (fz_attr_bytes(attrs, FZ_PEER_A_PRESHARED_KEY, peer->preshared_key, FZ_KEY_LEN) &&
	    !fz_key_is_zero(peer->preshared_key))
		peer->has |= FZ_HAS_PRESHARED_KEY;
	fz_attr_endpoint(attrs, FZ_PEER_A_ENDPOINT, &peer->endpoint);
	peer->keepalive = fz_attr_u16(attrs, FZ_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL);
	if (attrs->found[FZ_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL])
		peer->has |= FZ_HAS_KEEPALIVE;
	if (fz_attr_bytes(attrs, FZ_PEER_A_LAST_HANDSHAKE_TIME, when, sizeof(when))) {
		peer->last_handshake.sec = when[0];
		peer->last_handshake.nsec = when[1];
	}
	peer->rx_bytes = fz_attr_u64(attrs, FZ_PEER_A_RX_BYTES);
	peer->tx_bytes = fz_attr_u64(attrs, FZ_PEER_A_TX_BYTES);
}

static int read_peer(const struct nlattr *nest, struct fz_device *dev)
{
	const struct nlattr *attr;
	uint8_t key[FZ_KEY_LEN];
	struct fz_attrs attrs;
	struct fz_peer *peer;
	int ret = 0;

	fz_attrs_read_nest(&attrs, nest);
	if (!fz_attr_bytes(&attrs, FZ_PEER_A_PUBLIC_KEY, key, sizeof(key)))
		return 0;
	/* The last peer of one message may be continued as the first of the next. */
	peer = dev->n_peers ? &dev->peers[dev->n_peers - 1] : NULL;
	if (!peer || memcmp(peer->public_key, key, sizeof(key))) {
		peer = fz_device_add_peer(dev);
		if (!peer)
			return -ENOMEM;
		memcpy(peer->public_key, key, sizeof(key));
		peer->has = FZ_HAS_PUBLIC_KEY;
		read_peer_start(&attrs, peer);
	}
	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case FZ_PEER_A_ALLOWEDIPS:
			ret = read_allowedips(attr, peer);
			break;
		case FZ_PEER_A_CANDIDATE:
			ret = read_candidate(attr, peer);
			break;
		case FZ_PEER_A_MODE:
			fz_get_mode(attr, peer->mode);
			break;
		default:
			break;
		}
		if (ret)
			return ret;
	}
	return 0;
}

static void read_timeouts(const struct nlattr *nest, struct fz_device *dev)
{
	struct fz_timeouts *t = &dev->timeouts;
	struct fz_attrs attrs;

	fz_attrs_read_nest(&attrs, nest);
	t->tcp_opening = fz_attr_u32(&attrs, FZ_TIMEOUT_A_TCP_OPENING);
	t->tcp_established = fz_attr_u32(&attrs, FZ_TIMEOUT_A_TCP_ESTABLISHED);
	t->tcp_closing = fz_attr_u32(&attrs, FZ_TIMEOUT_A_TCP_CLOSING);
	t->udp_new = fz_attr_u32(&attrs, FZ_TIMEOUT_A_UDP_NEW);
	t->udp_answered = fz_attr_u32(&attrs, FZ_TIMEOUT_A_UDP_ANSWERED);
	t->icmp = fz_attr_u32(&attrs, FZ_TIMEOUT_A_ICMP);
	t->other = fz_attr_u32(&attrs, FZ_TIMEOUT_A_OTHER);
	dev->has |= FZ_HAS_TIMEOUTS;
}

static void read_device_start(const struct fz_attrs *attrs, struct fz_device *dev)
{
	if (attrs->found[FZ_DEVICE_A_IFINDEX])
		dev->ifindex = fz_attr_u32(attrs, FZ_DEVICE_A_IFINDEX);
	if (fz_attr_bytes(attrs, FZ_DEVICE_A_PRIVATE_KEY, dev->private_key, FZ_KEY_LEN) &&
	    !fz_key_is_zero(dev->private_key))
		dev->has |= FZ_HAS_PRIVATE_KEY;
	if (fz_attr_bytes(attrs, FZ_DEVICE_A_PUBLIC_KEY, dev->public_key, FZ_KEY_LEN) &&
	    !fz_key_is_zero(dev->public_key))
		dev->has |= FZ_HAS_PUBLIC_KEY;
	if (attrs->found[FZ_DEVICE_A_LISTEN_PORT]) {
		dev->listen_port = fz_attr_u16(attrs, FZ_DEVICE_A_LISTEN_PORT);
		dev->has |= FZ_HAS_LISTEN_PORT;
	}
	if (attrs->found[FZ_DEVICE_A_FWMARK]) {
		dev->fwmark = fz_attr_u32(attrs, FZ_DEVICE_A_FWMARK);
		dev->has |= FZ_HAS_FWMARK;
	}
	if (attrs->found[FZ_DEVICE_A_MAX_FLOWS]) {
		dev->max_flows = fz_attr_u32(attrs, FZ_DEVICE_A_MAX_FLOWS);
		dev->has |= FZ_HAS_MAX_FLOWS;
	}
	if (attrs->found[FZ_DEVICE_A_TIMEOUTS])
		read_timeouts(attrs->found[FZ_DEVICE_A_TIMEOUTS], dev);
}

static int read_device(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	const struct nlattr *attr, *peer;
	struct fz_device *dev = arg;
	struct fz_prefix prefix;
	struct fz_attrs attrs;
	int ret = 0;

	fz_attrs_read(&attrs, nlh);
	read_device_start(&attrs, dev);
	mnl_attr_for_each(attr, nlh, 4) {
		switch (mnl_attr_get_type(attr)) {
		case FZ_DEVICE_A_PEERS:
			mnl_attr_for_each_nested(peer, attr) {
				ret = read_peer(peer, dev);
				if (ret)
					break;
			}
			break;
		case FZ_DEVICE_A_MODE:
			fz_get_mode(attr, dev->mode);
			break;
		case FZ_DEVICE_A_ASK_PREFIX:
			fz_get_prefix(attr, &prefix);
			ret = fz_device_add_ask_prefix(dev, &prefix);
			break;
		default:
			break;
		}
		if (ret)
			return fz_error_memory(err);
	}
	return 0;
}

/**
 * fz_nl_device_get - a device with all its peers
 * @nl: the handle
 * @name: its name
 * @out: receives it, for fz_device_free()
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nl_device_get(struct fz_nl *nl, const char *name, struct fz_device **out, struct fz_error *err)
{
	struct fz_device *dev = NULL;
	int ret;

	ret = fz_nl_check_name(name, err);
	for (int tries = 0; !ret; tries++) {
		struct nlmsghdr *nlh = fz_nl_begin(nl, &nl->cmd, FZ_CMD_GET_DEVICE, NLM_F_DUMP);

		fz_device_free(dev);
		dev = fz_device_new(name);
		if (!dev)
			return fz_error_memory(err);
		mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, FZ_DEVICE_A_IFNAME, name);
		ret = fz_nl_talk(nl, &nl->cmd, name, nlh, read_device, dev, err);
		if (ret || !nl->cmd.interrupted)
			break;
		if (tries == FZ_DUMP_RETRIES)
			ret = fz_error_set(err, -EBUSY, "the peers of \"%s\" change all the time", name);
	}
	sodium_memzero(nl->cmd.rx, FZ_RX_SIZE);
	if (ret) {
		fz_device_free(dev);
		return ret;
	}
	*out = dev;
	return 0;
}

/**
 * fz_nl_device_list - the names of all fz devices in this network namespace
 * @names: receives an array for free()
 * @n: receives how many
 * @err: why not
 *
 * Needs no module: without it, there are none.
 *
 * Return: 0 or a negative errno
 */
int fz_nl_device_list(char (**names)[IFNAMSIZ], size_t *n, struct fz_error *err)
{
	struct fz_link *links = NULL;
	struct fz_rtnl *rt = NULL;
	size_t n_links = 0;
	int ret;

	ret = fz_rtnl_open(&rt, err);
	if (ret)
		return ret;
	ret = fz_rtnl_link_list(rt, &links, &n_links, err);
	fz_rtnl_close(rt);
	if (ret)
		return ret;
	*n = 0;
	*names = calloc(n_links ? n_links : 1, IFNAMSIZ);
	for (size_t i = 0; *names && i < n_links; i++) {
		if (!strcmp(links[i].kind, "fz"))
			memcpy((*names)[(*n)++], links[i].name, IFNAMSIZ);
	}
	free(links);
	return *names ? 0 : fz_error_memory(err);
}
