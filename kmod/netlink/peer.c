// SPDX-License-Identifier: GPL-2.0-only
/* Peers in set-device and get-device. */

#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/fz.h>
#include <net/genetlink.h>

#include "netlink/change.h"
#include "netlink/parse.h"
#include "netlink/peer.h"
#include "netlink/policy.h"
#include "netlink/put.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"
#include "tunnel/send.h"
#include "tunnel/socket.h"

/**
 * struct peer_set - what a set-device wants of one peer
 * @tb: the peer's attributes
 * @flags: of enum fz_peer_flag
 * @endpoint: if FZ_PEER_A_ENDPOINT is there
 * @has_mode: the mode of this direction changes
 * @modes: to this
 * @n_candidates: that the peer's nest holds
 */
struct peer_set {
	struct nlattr *tb[FZ_PEER_A_MAX + 1];
	u32 flags;
	union fz_path_addr endpoint;
	bool has_mode[FZ_DIR_MAX + 1];
	struct fz_mode_setting modes[FZ_DIR_MAX + 1];
	unsigned int n_candidates;
};

/**
 * struct allowedip_set - an allowed IP to add or to remove
 * @family: AF_INET or AF_INET6
 * @len: of the prefix
 * @remove: it goes
 * @address: in the message
 */
struct allowedip_set {
	u8 family;
	u8 len;
	bool remove;
	const void *address;
};

static int parse_allowedip(const struct nlattr *nest, struct allowedip_set *set,
			   struct netlink_ext_ack *extack)
{
	struct nlattr *tb[FZ_ALLOWEDIP_A_MAX + 1];
	u16 family;
	int ret;

	ret = nla_parse_nested(tb, FZ_ALLOWEDIP_A_MAX, nest, fz_allowedip_nest_policy, extack);
	if (ret)
		return ret;
	if (!tb[FZ_ALLOWEDIP_A_FAMILY] || !tb[FZ_ALLOWEDIP_A_IPADDR] ||
	    !tb[FZ_ALLOWEDIP_A_CIDR_MASK]) {
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "an allowed IP needs a family, an address and a length");
		return -EINVAL;
	}
	family = nla_get_u16(tb[FZ_ALLOWEDIP_A_FAMILY]);
	if ((family != AF_INET && family != AF_INET6) ||
	    nla_len(tb[FZ_ALLOWEDIP_A_IPADDR]) * 8 != fz_family_bits(family)) {
		NL_SET_ERR_MSG_ATTR(extack, tb[FZ_ALLOWEDIP_A_IPADDR],
				    "an allowed IP is 4 bytes of AF_INET or 16 of AF_INET6");
		return -EINVAL;
	}
	set->family = family;
	set->len = nla_get_u8(tb[FZ_ALLOWEDIP_A_CIDR_MASK]);
	if (set->len > fz_family_bits(family)) {
		NL_SET_ERR_MSG_ATTR(extack, tb[FZ_ALLOWEDIP_A_CIDR_MASK],
				    "the prefix is longer than its address");
		return -EINVAL;
	}
	set->address = nla_data(tb[FZ_ALLOWEDIP_A_IPADDR]);
	set->remove = tb[FZ_ALLOWEDIP_A_FLAGS] &&
		      nla_get_u32(tb[FZ_ALLOWEDIP_A_FLAGS]) & FZ_ALLOWEDIP_F_REMOVE_ME;
	return 0;
}

static int parse_candidate(const struct nlattr *nest, struct fz_candidate *candidate,
			   struct netlink_ext_ack *extack)
{
	struct nlattr *tb[FZ_CANDIDATE_A_MAX + 1];
	int ret;

	memset(candidate, 0, sizeof(*candidate));
	ret = nla_parse_nested(tb, FZ_CANDIDATE_A_MAX, nest, fz_candidate_nest_policy, extack);
	if (ret)
		return ret;
	if (!tb[FZ_CANDIDATE_A_ENDPOINT]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a candidate needs an endpoint");
		return -EINVAL;
	}
	ret = fz_parse_endpoint(tb[FZ_CANDIDATE_A_ENDPOINT], &candidate->addr, extack);
	if (ret)
		return ret;
	if (!fz_path_addr_usable(&candidate->addr)) {
		NL_SET_ERR_MSG_ATTR(extack, tb[FZ_CANDIDATE_A_ENDPOINT],
				    "a candidate is one host's address and a port");
		return -EINVAL;
	}
	if (tb[FZ_CANDIDATE_A_PRIORITY])
		candidate->priority = nla_get_u32(tb[FZ_CANDIDATE_A_PRIORITY]);
	return 0;
}

static int parse_peer_mode(const struct nlattr *nest, struct peer_set *set,
			   struct netlink_ext_ack *extack)
{
	struct fz_mode_setting setting;
	u8 dir;
	int ret;

	ret = fz_parse_mode(nest, true, &dir, &setting, extack);
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

/* The peer's attributes that may come more than once. */
static int parse_peer_lists(const struct nlattr *nest, struct peer_set *set,
			    struct netlink_ext_ack *extack)
{
	struct fz_candidate candidate;
	const struct nlattr *attr;
	int ret = 0;
	int rem;

	nla_for_each_nested(attr, nest, rem) {
		if (nla_type(attr) == FZ_PEER_A_MODE) {
			ret = parse_peer_mode(attr, set, extack);
		} else if (nla_type(attr) == FZ_PEER_A_CANDIDATE) {
			ret = parse_candidate(attr, &candidate, extack);
			if (!ret && ++set->n_candidates > FZ_PATH_MAX) {
				NL_SET_ERR_MSG_ATTR(extack, attr,
						    "more candidates than a peer can have");
				ret = -E2BIG;
			}
		}
		if (ret)
			return ret;
	}
	return 0;
}

/* Reads all of a peer but its allowed IPs. */
static int parse_peer(const struct nlattr *nest, struct peer_set *set,
		      struct netlink_ext_ack *extack)
{
	struct nlattr **tb = set->tb;
	int ret;

	memset(set, 0, sizeof(*set));
	ret = nla_parse_nested(tb, FZ_PEER_A_MAX, nest, fz_peer_nest_policy, extack);
	if (ret)
		return ret;
	if (!tb[FZ_PEER_A_PUBLIC_KEY]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a peer needs a public key");
		return -EINVAL;
	}
	if (tb[FZ_PEER_A_PROTOCOL_VERSION] && nla_get_u32(tb[FZ_PEER_A_PROTOCOL_VERSION]) != 1) {
		NL_SET_ERR_MSG_ATTR(extack, tb[FZ_PEER_A_PROTOCOL_VERSION],
				    "there is no protocol version but 1");
		return -EPFNOSUPPORT;
	}
	if (tb[FZ_PEER_A_FLAGS])
		set->flags = nla_get_u32(tb[FZ_PEER_A_FLAGS]);
	if (tb[FZ_PEER_A_ENDPOINT]) {
		ret = fz_parse_endpoint(tb[FZ_PEER_A_ENDPOINT], &set->endpoint, extack);
		if (ret)
			return ret;
	}
	return parse_peer_lists(nest, set, extack);
}

/*
 * An array ends where its next element would be malformed: walking it says nothing about what
 * follows, and half of a list is not what was asked for.
 */
static int check_array_end(const struct nlattr *array, int rem, struct netlink_ext_ack *extack)
{
	if (rem <= 0)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, array, "an element of the list has a length that cannot be");
	return -EINVAL;
}

static int check_allowedips(const struct nlattr *ips, struct netlink_ext_ack *extack)
{
	struct allowedip_set allowedip;
	const struct nlattr *ip;
	int rem;
	int ret;

	nla_for_each_nested(ip, ips, rem) {
		ret = parse_allowedip(ip, &allowedip, extack);
		if (ret)
			return ret;
	}
	return check_array_end(ips, rem, extack);
}

/**
 * fz_nl_peers_check() - check the peers of a message, changing nothing
 * @peers: FZ_DEVICE_A_PEERS
 * @count: takes how many there are
 * @extack: takes the sentence
 *
 * Return: 0 or a negative errno.
 */
int fz_nl_peers_check(const struct nlattr *peers, unsigned int *count,
		      struct netlink_ext_ack *extack)
{
	const struct nlattr *nest;
	struct peer_set set;
	int rem;
	int ret;

	*count = 0;
	nla_for_each_nested(nest, peers, rem) {
		ret = parse_peer(nest, &set, extack);
		if (ret)
			return ret;
		++*count;
		if (set.tb[FZ_PEER_A_ALLOWEDIPS]) {
			ret = check_allowedips(set.tb[FZ_PEER_A_ALLOWEDIPS], extack);
			if (ret)
				return ret;
		}
	}
	return check_array_end(peers, rem, extack);
}

/**
 * struct mention - a place in a message that names a peer
 * @key: the peer's public key
 * @nest: the place; those further on have greater addresses
 * @creates: the peer is made here if it is not there
 */
struct mention {
	const u8 *key;
	const struct nlattr *nest;
	bool creates;
};

static int compare_mentions(const void *a, const void *b)
{
	const struct mention *one = a;
	const struct mention *other = b;
	int order = memcmp(one->key, other->key, FZ_KEY_LEN);

	if (order)
		return order;
	return one->nest < other->nest ? -1 : one->nest > other->nest;
}

/**
 * struct candidate_set - the candidates that a peer would have
 * @all: of them
 * @count: how many
 */
struct candidate_set {
	struct fz_candidate all[FZ_PATH_MAX];
	unsigned int count;
};

static bool add_candidate(struct candidate_set *set, const struct fz_candidate *candidate)
{
	unsigned int i;

	for (i = 0; i < set->count; i++) {
		if (fz_path_addr_equal(&set->all[i].addr, &candidate->addr))
			return true;
	}
	if (set->count == FZ_PATH_MAX)
		return false;
	set->all[set->count++] = *candidate;
	return true;
}

/* What one place in the message makes of a peer's candidates. */
static int mention_candidates(struct candidate_set *candidates, const struct nlattr *nest,
			      struct netlink_ext_ack *extack)
{
	struct fz_candidate candidate;
	const struct nlattr *attr;
	struct peer_set set;
	int rem;
	int ret;

	ret = parse_peer(nest, &set, extack);
	if (ret)
		return ret;
	if (set.flags & (FZ_PEER_F_REMOVE_ME | FZ_PEER_F_REPLACE_CANDIDATES))
		candidates->count = 0;
	if (set.flags & FZ_PEER_F_REMOVE_ME)
		return 0;
	nla_for_each_nested(attr, nest, rem) {
		if (nla_type(attr) != FZ_PEER_A_CANDIDATE)
			continue;
		ret = parse_candidate(attr, &candidate, extack);
		if (ret)
			return ret;
		if (!add_candidate(candidates, &candidate)) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "more candidates than a peer can have");
			return -E2BIG;
		}
	}
	return 0;
}

/* The candidates that a peer has. False if there is no such peer. */
static bool load_candidates(struct fz_device *fz, const u8 *key, struct candidate_set *candidates)
{
	struct fz_peer *peer = fz_peertable_lookup(fz, key);

	if (!peer)
		return false;
	candidates->count = fz_path_get(&peer->path, candidates->all, FZ_PATH_MAX);
	fz_peer_put(peer);
	return true;
}

/**
 * fz_nl_peers_check_state() - check what the peers of a message would become
 * @fz: the device
 * @peers: FZ_DEVICE_A_PEERS, that fz_nl_peers_check() has passed
 * @count: as it counted
 * @replace: all of the device's peers go first
 * @extack: takes the sentence
 *
 * Candidates join those that a peer has, so that how many there will be depends on the device, and
 * on all that the message says of the same peer. So does how many peers there will be; that some are
 * removed first is not counted on.
 *
 * Context: may sleep; device_update_lock held.
 * Return: 0, -E2BIG, -ENOMEM. Nothing is changed.
 */
int fz_nl_peers_check_state(struct fz_device *fz, const struct nlattr *peers, unsigned int count,
			    bool replace, struct netlink_ext_ack *extack)
{
	struct candidate_set *candidates = kmalloc(sizeof(*candidates), GFP_KERNEL);
	struct mention *mentions = kvmalloc_array(count, sizeof(*mentions), GFP_KERNEL);
	const struct nlattr *nest;
	struct peer_set set;
	unsigned int room = FZ_MAX_PEERS - (replace ? 0 : fz->num_peers);
	bool known = false;
	unsigned int i = 0;
	int ret = 0;
	int rem;

	lockdep_assert_held(&fz->device_update_lock);
	if (!candidates || !mentions) {
		NL_SET_ERR_MSG_ATTR(extack, peers, "out of memory for so many peers at once");
		ret = -ENOMEM;
		goto out;
	}
	nla_for_each_nested(nest, peers, rem) {
		ret = parse_peer(nest, &set, extack);
		if (ret)
			goto out;
		mentions[i].nest = nest;
		mentions[i].creates = !(set.flags & (FZ_PEER_F_REMOVE_ME | FZ_PEER_F_UPDATE_ONLY));
		mentions[i++].key = nla_data(set.tb[FZ_PEER_A_PUBLIC_KEY]);
	}
	sort(mentions, count, sizeof(*mentions), compare_mentions, NULL);
	for (i = 0; i < count && !ret; i++) {
		if (!i || memcmp(mentions[i].key, mentions[i - 1].key, FZ_KEY_LEN)) {
			candidates->count = 0;
			known = !replace && load_candidates(fz, mentions[i].key, candidates);
		}
		if (!known && mentions[i].creates) {
			known = true;
			if (!room--) {
				NL_SET_ERR_MSG_ATTR(extack, mentions[i].nest,
						    "more peers than a device can have");
				ret = -E2BIG;
				break;
			}
		}
		ret = mention_candidates(candidates, mentions[i].nest, extack);
	}
out:
	kvfree(mentions);
	kfree(candidates);
	return ret;
}

/* There was room for all the peers: it can only be memory. */
static int half_done(const struct nlattr *nest, int ret, struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG_ATTR(extack, nest,
			    "out of memory here; what precedes in the message is in force");
	return ret;
}

static bool is_self(struct fz_device *fz, const u8 *public_key)
{
	bool self;

	down_read(&fz->identity.lock);
	self = fz->identity.present &&
	       !memcmp(public_key, fz->identity.public_key, FZ_KEY_LEN);
	up_read(&fz->identity.lock);
	return self;
}

/* A new peer, with a reference; NULL where WireGuard ignores the request. */
static struct fz_peer *create_peer(struct fz_device *fz, const struct peer_set *set)
{
	static const u8 no_psk[FZ_KEY_LEN];
	const u8 *public_key = nla_data(set->tb[FZ_PEER_A_PUBLIC_KEY]);
	const struct nlattr *psk = set->tb[FZ_PEER_A_PRESHARED_KEY];
	struct fz_peer *peer;

	if (set->flags & (FZ_PEER_F_REMOVE_ME | FZ_PEER_F_UPDATE_ONLY) || is_self(fz, public_key))
		return NULL;
	peer = fz_peer_create(fz, public_key, psk ? nla_data(psk) : no_psk);
	if (!IS_ERR(peer))
		fz_peer_get(peer);
	return peer;
}

static int apply_allowedips(struct fz_peer *peer, const struct nlattr *ips,
			    struct netlink_ext_ack *extack)
{
	struct fz_allowedips *table = &peer->device->allowedips;
	struct allowedip_set set;
	const struct nlattr *ip;
	int rem;
	int ret;

	nla_for_each_nested(ip, ips, rem) {
		ret = parse_allowedip(ip, &set, extack);
		if (ret)
			return ret;
		if (set.remove) {
			ret = fz_allowedips_remove(table, set.family, set.address, set.len, peer);
			/* As in WireGuard: what the peer does not have is removed. */
			if (ret == -ENOENT)
				ret = 0;
		} else {
			ret = fz_allowedips_insert(table, set.family, set.address, set.len, peer,
						   &peer->allowedips_list);
		}
		if (ret)
			return half_done(ip, ret, extack);
	}
	return 0;
}

static int apply_candidates(struct fz_peer *peer, const struct nlattr *nest,
			    const struct peer_set *set, struct netlink_ext_ack *extack)
{
	struct fz_candidate *candidates;
	const struct nlattr *attr;
	unsigned int count = 0;
	int ret = 0;
	int rem;

	candidates = kcalloc(FZ_PATH_MAX, sizeof(*candidates), GFP_KERNEL);
	if (!candidates)
		return half_done(nest, -ENOMEM, extack);
	nla_for_each_nested(attr, nest, rem) {
		if (nla_type(attr) == FZ_PEER_A_CANDIDATE && count < set->n_candidates) {
			ret = parse_candidate(attr, &candidates[count++], extack);
			if (ret)
				goto out;
		}
	}
	/* That there are not too many was checked: only memory is left to run out. */
	ret = fz_path_set(&peer->path, candidates, count,
			  set->flags & FZ_PEER_F_REPLACE_CANDIDATES);
	if (ret)
		half_done(nest, ret, extack);
out:
	kfree(candidates);
	return ret;
}

/* What is set without being able to fail. */
static void apply_settings(struct fz_peer *peer, const struct peer_set *set)
{
	struct fz_device *fz = peer->device;
	unsigned int dir;

	if (set->tb[FZ_PEER_A_ENDPOINT]) {
		struct fz_endpoint endpoint;

		fz_path_to_endpoint(&set->endpoint, &endpoint);
		fz_path_forget(&peer->path);
		fz_socket_set_peer_endpoint(peer, &endpoint);
	}
	for (dir = 0; dir <= FZ_DIR_MAX; dir++) {
		if (set->has_mode[dir]) {
			fz_mode_set(&fz->authz, &peer->authz, dir, &set->modes[dir]);
			fz_change_mode(fz, peer, dir, &set->modes[dir]);
		}
	}
}

static int apply_peer(struct fz_device *fz, const struct nlattr *nest, const struct peer_set *set,
		      struct netlink_ext_ack *extack)
{
	struct fz_peer *peer = fz_peertable_lookup(fz, nla_data(set->tb[FZ_PEER_A_PUBLIC_KEY]));
	const struct nlattr *keepalive = set->tb[FZ_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL];
	const struct nlattr *psk = set->tb[FZ_PEER_A_PRESHARED_KEY];
	LIST_HEAD(aside);
	int ret = 0;

	if (!peer) {
		peer = create_peer(fz, set);
		if (IS_ERR(peer))
			return half_done(nest, PTR_ERR(peer), extack);
		if (!peer)
			return 0;
	} else if (set->flags & FZ_PEER_F_REMOVE_ME) {
		fz_peer_remove(peer);
		goto out;
	} else if (psk) {
		fz_handshake_set_psk(&peer->handshake, nla_data(psk));
	}
	apply_settings(peer, set);
	if (set->flags & FZ_PEER_F_REPLACE_ALLOWEDIPS)
		fz_allowedips_set_aside(&peer->allowedips_list, &aside);
	if (set->tb[FZ_PEER_A_ALLOWEDIPS])
		ret = apply_allowedips(peer, set->tb[FZ_PEER_A_ALLOWEDIPS], extack);
	fz_allowedips_remove_by_peer(&fz->allowedips, &aside);
	if (!ret && (set->n_candidates || set->flags & FZ_PEER_F_REPLACE_CANDIDATES))
		ret = apply_candidates(peer, nest, set, extack);
	/* Begins a handshake, and the next is a while away: only now there is a way to the peer. */
	if (!ret && keepalive)
		fz_peer_set_keepalive(peer, nla_get_u16(keepalive));
	if (!ret && netif_running(fz->dev)) {
		fz_send_staged(peer);
		if (set->flags & FZ_PEER_F_CONNECT)
			fz_peer_connect(peer);
	}
out:
	fz_peer_put(peer);
	return ret;
}

/**
 * fz_nl_peers_apply() - do what a message says about peers
 * @fz: the device
 * @peers: FZ_DEVICE_A_PEERS, that fz_nl_peers_check() and fz_nl_peers_check_state() have passed
 * @extack: takes the sentence
 *
 * Context: may sleep; device_update_lock held.
 * Return: 0; or a negative errno when memory runs out, with a part done.
 */
int fz_nl_peers_apply(struct fz_device *fz, const struct nlattr *peers,
		      struct netlink_ext_ack *extack)
{
	const struct nlattr *nest;
	struct peer_set set;
	int ret = 0;
	int rem;

	lockdep_assert_held(&fz->device_update_lock);
	fz_authz_reroute_begin(&fz->authz);
	nla_for_each_nested(nest, peers, rem) {
		ret = parse_peer(nest, &set, extack);
		if (!ret)
			ret = apply_peer(fz, nest, &set, extack);
		if (ret)
			break;
	}
	fz_authz_reroute_end(&fz->authz, fz_allowedips_lost(&fz->allowedips));
	return ret;
}

/**
 * fz_nl_peers_wipe() - overwrite the preshared keys of a message
 * @peers: FZ_DEVICE_A_PEERS
 */
void fz_nl_peers_wipe(const struct nlattr *peers)
{
	struct nlattr *nest;
	struct nlattr *attr;
	int rem_attr;
	int rem;

	nla_for_each_nested(nest, peers, rem) {
		nla_for_each_nested(attr, nest, rem_attr) {
			if (nla_type(attr) == FZ_PEER_A_PRESHARED_KEY)
				memzero_explicit(nla_data(attr), nla_len(attr));
		}
	}
}

static int put_psk(struct sk_buff *skb, struct fz_peer *peer)
{
	int ret;

	down_read(&peer->handshake.lock);
	ret = nla_put(skb, FZ_PEER_A_PRESHARED_KEY, FZ_KEY_LEN, peer->handshake.psk);
	up_read(&peer->handshake.lock);
	return ret;
}

static int put_peer_endpoint(struct sk_buff *skb, struct fz_peer *peer)
{
	int ret = 0;

	read_lock_bh(&peer->endpoint_lock);
	if (peer->endpoint.addr.sa_family != AF_UNSPEC)
		ret = fz_put_endpoint(skb, FZ_PEER_A_ENDPOINT, &peer->endpoint.addr);
	read_unlock_bh(&peer->endpoint_lock);
	return ret;
}

static int put_candidates(struct sk_buff *skb, struct fz_peer *peer)
{
	struct fz_candidate *candidates;
	unsigned int count;
	unsigned int i;
	int ret = 0;

	if (!rcu_access_pointer(peer->path.list))
		return 0;
	candidates = kcalloc(FZ_PATH_MAX, sizeof(*candidates), GFP_KERNEL);
	if (!candidates)
		return -ENOMEM;
	count = fz_path_get(&peer->path, candidates, FZ_PATH_MAX);
	for (i = 0; i < count && !ret; i++) {
		const struct fz_candidate *candidate = &candidates[i];
		struct nlattr *nest = nla_nest_start(skb, FZ_PEER_A_CANDIDATE);

		if (!nest ||
		    fz_put_endpoint(skb, FZ_CANDIDATE_A_ENDPOINT, &candidate->addr.any) ||
		    nla_put_u32(skb, FZ_CANDIDATE_A_PRIORITY, candidate->priority) ||
		    (candidate->answered &&
		     fz_put_u64(skb, FZ_CANDIDATE_A_LAST_HEARD_MS,
				jiffies_to_msecs(jiffies - candidate->heard))))
			ret = -EMSGSIZE;
		else
			nla_nest_end(skb, nest);
	}
	kfree(candidates);
	return ret;
}

/* What a peer has one of, and its few candidates. */
static int put_peer_settings(struct sk_buff *skb, struct fz_peer *peer)
{
	const struct timespec64 last = fz_peer_last_handshake(peer);
	const struct __kernel_timespec handshake = { .tv_sec = last.tv_sec,
						     .tv_nsec = last.tv_nsec };
	unsigned int dir;

	if (put_psk(skb, peer) || put_peer_endpoint(skb, peer) ||
	    nla_put_u16(skb, FZ_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
			peer->persistent_keepalive_interval) ||
	    nla_put(skb, FZ_PEER_A_LAST_HANDSHAKE_TIME, sizeof(handshake), &handshake) ||
	    fz_put_u64(skb, FZ_PEER_A_RX_BYTES, atomic64_read(&peer->rx_bytes)) ||
	    fz_put_u64(skb, FZ_PEER_A_TX_BYTES, atomic64_read(&peer->tx_bytes)) ||
	    nla_put_u32(skb, FZ_PEER_A_PROTOCOL_VERSION, 1))
		return -EMSGSIZE;
	for (dir = 0; dir <= FZ_DIR_MAX; dir++) {
		struct fz_mode_setting setting = fz_mode_get(&peer->device->authz, &peer->authz,
							     dir);

		if (setting.mode != FZ_MODE_INHERIT &&
		    fz_put_mode(skb, FZ_PEER_A_MODE, dir, &setting))
			return -EMSGSIZE;
	}
	return put_candidates(skb, peer);
}

static int put_allowedip(struct sk_buff *skb, const struct fz_allowedip *entry,
			 struct fz_peer_cursor *cursor)
{
	struct nlattr *nest = nla_nest_start(skb, 0);
	u8 address[16];
	u8 len = fz_allowedip_read(entry, address);

	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u8(skb, FZ_ALLOWEDIP_A_CIDR_MASK, len) ||
	    nla_put_u16(skb, FZ_ALLOWEDIP_A_FAMILY, entry->prefix.family) ||
	    nla_put(skb, FZ_ALLOWEDIP_A_IPADDR, fz_family_bits(entry->prefix.family) / 8, address)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	cursor->family = entry->prefix.family;
	cursor->len = len;
	memcpy(cursor->address, address, sizeof(address));
	return 0;
}

/* The first allowed IP not told yet; NULL if there is none, or if the last one told has gone. */
static struct fz_allowedip *next_allowedip(struct fz_peer *peer, struct fz_peer_cursor *cursor)
{
	struct list_head *list = &peer->allowedips_list;
	struct fz_allowedip *last;

	if (cursor->family == AF_UNSPEC)
		return list_first_entry_or_null(list, struct fz_allowedip, siblings);
	last = fz_allowedips_find(&peer->device->allowedips, cursor->family, cursor->address,
				  cursor->len);
	if (!last || rcu_access_pointer(last->peer) != peer || list_is_last(&last->siblings, list))
		return NULL;
	return list_next_entry(last, siblings);
}

/* Return: 0 if all are told, -EMSGSIZE if the next one has no room. */
static int put_allowedips(struct sk_buff *skb, struct fz_peer *peer, struct fz_peer_cursor *cursor)
{
	struct fz_allowedip *entry = next_allowedip(peer, cursor);
	struct nlattr *nest;
	int ret = 0;

	if (!entry)
		return 0;
	nest = nla_nest_start(skb, FZ_PEER_A_ALLOWEDIPS);
	if (!nest)
		return -EMSGSIZE;
	list_for_each_entry_from(entry, &peer->allowedips_list, siblings) {
		ret = put_allowedip(skb, entry, cursor);
		if (ret)
			break;
	}
	nla_nest_end(skb, nest);
	return ret;
}

/*
 * One peer, or what is left of it. Return: 0 if all of it is told; 1 if a part is, and the cursor
 * says which; a negative errno if nothing is.
 */
static int put_peer(struct sk_buff *skb, struct fz_peer *peer, struct fz_peer_cursor *cursor)
{
	struct nlattr *nest = nla_nest_start(skb, 0);
	unsigned int start;
	int ret;

	if (!nest)
		return -EMSGSIZE;
	ret = fz_put_peer(skb, FZ_PEER_A_PUBLIC_KEY, &peer->authz);
	if (!ret && !cursor->resumed)
		ret = put_peer_settings(skb, peer);
	if (ret) {
		nla_nest_cancel(skb, nest);
		return ret;
	}
	start = skb->len;
	ret = put_allowedips(skb, peer, cursor);
	if (ret && cursor->resumed && skb->len <= start + nla_total_size(0)) {
		nla_nest_cancel(skb, nest);
		return ret;
	}
	nla_nest_end(skb, nest);
	return ret ? 1 : 0;
}

static void move_cursor(struct fz_peer_cursor *cursor, struct fz_peer *peer)
{
	fz_nl_peers_end(cursor);
	memset(cursor, 0, sizeof(*cursor));
	if (peer) {
		cursor->peer = fz_peer_get(peer);
		cursor->id = peer->internal_id;
	}
}

/*
 * Where to go on: at the cursor's peer, or, if that was removed, at the first one made after it.
 * NULL at the end.
 */
static struct fz_peer *current_peer(struct fz_device *fz, struct fz_peer_cursor *cursor)
{
	struct fz_peer *peer;

	if (cursor->peer && !cursor->peer->is_dead)
		return cursor->peer;
	list_for_each_entry(peer, &fz->peer_list, peer_list) {
		if (peer->internal_id > cursor->id) {
			move_cursor(cursor, peer);
			return peer;
		}
	}
	return NULL;
}

/**
 * fz_nl_peers_put() - put as many peers into a message as fit
 * @skb: the message
 * @fz: the device
 * @cursor: where to go on; zeros at the beginning. To be ended with fz_nl_peers_end()
 *
 * Context: may sleep; device_update_lock held.
 * Return: 0 if all are told, 1 if more are to come, a negative errno if nothing fitted.
 */
int fz_nl_peers_put(struct sk_buff *skb, struct fz_device *fz, struct fz_peer_cursor *cursor)
{
	struct fz_peer *peer;
	struct nlattr *nest;
	bool told = false;
	int ret = 0;

	lockdep_assert_held(&fz->device_update_lock);
	peer = current_peer(fz, cursor);
	if (!peer)
		return 0;
	nest = nla_nest_start(skb, FZ_DEVICE_A_PEERS);
	if (!nest)
		return -EMSGSIZE;
	list_for_each_entry_from(peer, &fz->peer_list, peer_list) {
		if (cursor->peer != peer)
			move_cursor(cursor, peer);
		ret = put_peer(skb, peer, cursor);
		if (ret >= 0)
			told = true;
		if (ret) {
			cursor->resumed |= ret > 0;
			break;
		}
	}
	if (!told) {
		nla_nest_cancel(skb, nest);
		return ret;
	}
	nla_nest_end(skb, nest);
	return ret ? 1 : 0;
}

/**
 * fz_nl_peers_end() - drop what a cursor holds
 * @cursor: the cursor
 */
void fz_nl_peers_end(struct fz_peer_cursor *cursor)
{
	if (cursor->peer)
		fz_peer_put(cursor->peer);
	cursor->peer = NULL;
}
