// SPDX-License-Identifier: GPL-2.0-only
/* States brought to a kernel that refuses a part of them. The kernel is made of the functions below. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel.h"
#include "message.h"
#include "parse.h"

#define IFINDEX 7
#define ROOM 8

/**
 * struct fake - the kernel
 * @no_ipv6: this host has switched it off
 * @taken: somebody else's route, in text
 * @other: a route through another device, in text
 * @bad_peer: first byte of the key of a peer that is not taken; 0: none
 * @epoch: what fz_nl_epoch_begin() returns
 * @addrs, @routes: what the device has
 * @grants: the last ones that were added
 * @modes, @asks: how often they were set
 * @psk: the preshared key that was set last; @n_psks: how often one was
 * @removed: first bytes of the keys of peers that were removed
 */
static struct fake {
	bool no_ipv6;
	const char *taken, *other;
	uint8_t bad_peer;
	int epoch;
	struct fz_prefix addrs[ROOM], routes[ROOM];
	size_t n_addrs, n_routes;
	struct fz_grant grants[ROOM];
	size_t n_grants;
	unsigned int modes, asks, commits, n_psks;
	uint8_t psk[FZ_KEY_LEN];
	uint8_t peers[ROOM], removed[ROOM];
	size_t n_peers, n_removed;
} fake;

static struct kernel kernel = { .dev = "fz0", .ifindex = IFINDEX };

#define WRAP(name) __wrap_##name
int WRAP(fz_nl_device_get)(struct fz_nl *nl, const char *dev, struct fz_device **out, struct fz_error *err);
int WRAP(fz_nl_device_set)(struct fz_nl *nl, const struct fz_device *dev, struct fz_error *err);
int WRAP(fz_nl_epoch_begin)(struct fz_nl *nl, const char *dev, struct fz_error *err);
int WRAP(fz_nl_epoch_commit)(struct fz_nl *nl, const char *dev, struct fz_error *err);
int WRAP(fz_nl_epoch_abort)(struct fz_nl *nl, const char *dev, struct fz_error *err);
int WRAP(fz_nl_resource_add)(struct fz_nl *nl, const char *dev, const struct fz_resource *list, size_t n,
			     struct fz_error *err);
int WRAP(fz_nl_grant_add)(struct fz_nl *nl, const char *dev, const struct fz_grant *list, size_t n,
			  struct fz_error *err);
int WRAP(fz_rtnl_addr_list)(struct fz_rtnl *rt, struct fz_local_addr **list, size_t *n, struct fz_error *err);
int WRAP(fz_rtnl_addr_add)(struct fz_rtnl *rt, const char *dev, const struct fz_prefix *addr, struct fz_error *err);
int WRAP(fz_rtnl_addr_del)(struct fz_rtnl *rt, const char *dev, const struct fz_prefix *addr, struct fz_error *err);
int WRAP(fz_rtnl_route_list)(struct fz_rtnl *rt, uint32_t ifindex, struct fz_route **list, size_t *n,
			     struct fz_error *err);
int WRAP(fz_rtnl_route_add)(struct fz_rtnl *rt, const struct fz_route *route, struct fz_error *err);
int WRAP(fz_rtnl_route_del)(struct fz_rtnl *rt, const struct fz_route *route, struct fz_error *err);

int WRAP(fz_nl_device_get)(struct fz_nl *nl, const char *dev, struct fz_device **out, struct fz_error *err)
{
	(void)nl;
	(void)err;
	*out = fz_device_new(dev);
	assert_non_null(*out);
	for (size_t i = 0; i < fake.n_peers; i++)
		memset(fz_device_add_peer(*out)->public_key, fake.peers[i], FZ_KEY_LEN);
	return 0;
}

static int set_peer(const struct fz_peer *peer, struct fz_error *err)
{
	if (peer->public_key[0] == fake.bad_peer)
		return fz_error_set(err, -EINVAL, "no such key");
	if (peer->has & FZ_HAS_PRESHARED_KEY) {
		memcpy(fake.psk, peer->preshared_key, FZ_KEY_LEN);
		fake.n_psks++;
	}
	if (peer->flags & FZ_PEER_F_REMOVE_ME)
		fake.removed[fake.n_removed++] = peer->public_key[0];
	return 0;
}

int WRAP(fz_nl_device_set)(struct fz_nl *nl, const struct fz_device *dev, struct fz_error *err)
{
	int ret = 0;

	(void)nl;
	fake.modes += dev->mode[FZ_DIR_IN].present;
	fake.asks += (dev->flags & FZ_DEVICE_F_REPLACE_ASK_PREFIXES) != 0;
	for (size_t i = 0; i < dev->n_peers && !ret; i++)
		ret = set_peer(&dev->peers[i], err);
	return ret;
}

int WRAP(fz_nl_epoch_begin)(struct fz_nl *nl, const char *dev, struct fz_error *err)
{
	(void)nl;
	(void)dev;
	fake.n_grants = 0;
	return fake.epoch ? fz_error_set(err, fake.epoch, "an epoch is open already") : 0;
}

int WRAP(fz_nl_epoch_commit)(struct fz_nl *nl, const char *dev, struct fz_error *err)
{
	(void)nl;
	(void)dev;
	(void)err;
	fake.commits++;
	return 0;
}

int WRAP(fz_nl_epoch_abort)(struct fz_nl *nl, const char *dev, struct fz_error *err)
{
	(void)nl;
	(void)dev;
	(void)err;
	return 0;
}

int WRAP(fz_nl_resource_add)(struct fz_nl *nl, const char *dev, const struct fz_resource *list, size_t n,
			     struct fz_error *err)
{
	(void)nl;
	(void)dev;
	(void)list;
	(void)n;
	(void)err;
	return 0;
}

int WRAP(fz_nl_grant_add)(struct fz_nl *nl, const char *dev, const struct fz_grant *list, size_t n,
			  struct fz_error *err)
{
	(void)nl;
	(void)dev;
	(void)err;
	for (size_t i = 0; i < n; i++)
		fake.grants[fake.n_grants++] = list[i];
	return 0;
}

int WRAP(fz_rtnl_addr_list)(struct fz_rtnl *rt, struct fz_local_addr **list, size_t *n, struct fz_error *err)
{
	(void)rt;
	(void)err;
	*list = calloc(ROOM, sizeof(**list));
	assert_non_null(*list);
	for (*n = 0; *n < fake.n_addrs; (*n)++)
		(*list)[*n] = (struct fz_local_addr){ .ifindex = IFINDEX, .prefix = fake.addrs[*n] };
	return 0;
}

int WRAP(fz_rtnl_addr_add)(struct fz_rtnl *rt, const char *dev, const struct fz_prefix *addr, struct fz_error *err)
{
	(void)rt;
	(void)dev;
	if (fake.no_ipv6 && addr->addr.family == AF_INET6)
		return fz_error_set(err, -EACCES, "Permission denied");
	for (size_t i = 0; i < fake.n_addrs; i++) {
		if (!memcmp(&fake.addrs[i], addr, sizeof(*addr)))
			return 0;
	}
	fake.addrs[fake.n_addrs++] = *addr;
	return 0;
}

int WRAP(fz_rtnl_addr_del)(struct fz_rtnl *rt, const char *dev, const struct fz_prefix *addr, struct fz_error *err)
{
	(void)rt;
	(void)dev;
	(void)addr;
	(void)err;
	fake.n_addrs--;
	return 0;
}

int WRAP(fz_rtnl_route_list)(struct fz_rtnl *rt, uint32_t ifindex, struct fz_route **list, size_t *n,
			     struct fz_error *err)
{
	(void)rt;
	(void)err;
	*list = calloc(ROOM + 1, sizeof(**list));
	assert_non_null(*list);
	for (*n = 0; *n < fake.n_routes; (*n)++)
		(*list)[*n] = (struct fz_route){ .dst = fake.routes[*n], .ifindex = IFINDEX,
						 .protocol = KERNEL_ROUTE_PROTOCOL };
	if (fake.other && !ifindex) {
		assert_int_equal(fz_parse_prefix(fake.other, &(*list)[*n].dst, NULL), 0);
		(*list)[(*n)++].ifindex = IFINDEX + 1;
	}
	return 0;
}

int WRAP(fz_rtnl_route_del)(struct fz_rtnl *rt, const struct fz_route *route, struct fz_error *err)
{
	(void)rt;
	(void)err;
	for (size_t i = 0; i < fake.n_routes; i++) {
		if (!memcmp(&fake.routes[i], &route->dst, sizeof(route->dst)))
			fake.routes[i] = fake.routes[--fake.n_routes];
	}
	return 0;
}

int WRAP(fz_rtnl_route_add)(struct fz_rtnl *rt, const struct fz_route *route, struct fz_error *err)
{
	struct fz_prefix taken;

	(void)rt;
	if (fake.no_ipv6 && route->dst.addr.family == AF_INET6)
		return fz_error_set(err, -EACCES, "IPv6 is disabled on nexthop device");
	if (fake.taken && !fz_parse_prefix(fake.taken, &taken, NULL) && !memcmp(&taken, &route->dst, sizeof(taken)))
		return fz_error_set(err, -EEXIST, "there is another route to the same destination");
	fake.routes[fake.n_routes++] = route->dst;
	return 0;
}

/* --- states ---------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	return 0;
}

static void put(struct desired *d, const fz_Item *item)
{
	struct fz_error err = { 0 };

	assert_int_equal(desired_check(item, &err), 0);
	assert_int_equal(desired_put(d, item, &err), 0);
}

static void put_prefix(struct desired *d, pb_size_t which, const char *text)
{
	static fz_Item item;
	struct fz_prefix prefix;
	struct fz_error err;

	assert_int_equal(fz_parse_prefix(text, &prefix, &err), 0);
	memset(&item, 0, sizeof(item));
	item.which_body = which;
	/* all of them are the same kind of member of the union */
	item.body.route.addr.size = prefix.addr.family == AF_INET ? 4 : 16;
	memcpy(item.body.route.addr.bytes, prefix.addr.bytes, item.body.route.addr.size);
	item.body.route.len = prefix.len;
	put(d, &item);
}

static const fz_Item *peer_item(uint8_t key)
{
	static fz_Item item;

	memset(&item, 0, sizeof(item));
	item.which_body = fz_Item_peer_tag;
	item.body.peer.public_key.size = FZ_KEY_LEN;
	memset(item.body.peer.public_key.bytes, key, FZ_KEY_LEN);
	item.body.peer.name[0] = 'p';
	return &item;
}

static const fz_Item *grant_item(uint8_t key)
{
	static fz_Item item;

	memset(&item, 0, sizeof(item));
	item.which_body = fz_Item_grant_tag;
	item.body.grant.peer.size = FZ_KEY_LEN;
	memset(item.body.grant.peer.bytes, key, FZ_KEY_LEN);
	strcpy(item.body.grant.resource, "web");
	return &item;
}

static void put_mode(struct desired *d)
{
	static fz_Item item;

	memset(&item, 0, sizeof(item));
	item.which_body = fz_Item_mode_tag;
	item.body.mode.mode = fz_MODE_ENFORCE;
	item.body.mode.ask = true;
	put(d, &item);
}

/* A client's usual state: two sites, one gateway, and a peer in the kernel that is not wanted any more. */
static void usual(struct desired *d)
{
	put_prefix(d, fz_Item_address_tag, "100.64.0.2/32");
	put_prefix(d, fz_Item_address_tag, "fd00::2/128");
	put_prefix(d, fz_Item_route_tag, "10.1.0.0/24");
	put_prefix(d, fz_Item_route_tag, "192.168.1.0/24");
	put_prefix(d, fz_Item_route_tag, "fd01::/64");
	put_prefix(d, fz_Item_ask_tag, "10.1.0.0/24");
	put_mode(d);
	put(d, peer_item(1));
	put(d, grant_item(1));
	fake.peers[fake.n_peers++] = 9;
}

/* All that does not depend on the part which was refused. */
static void the_rest_is_in_force(void)
{
	assert_int_equal(fake.commits, 1);
	assert_int_equal(fake.n_grants, 1);
	assert_int_equal(fake.modes, 1);
	assert_int_equal(fake.asks, 1);
	assert_int_equal(fake.n_removed, 1);
	assert_int_equal(fake.removed[0], 9);
}

static void test_all_is_taken(void **state)
{
	struct desired d = { 0 };
	struct fz_error err = { 0 };

	(void)state;
	usual(&d);
	assert_int_equal(kernel_apply_all(&kernel, &d, &err), 0);
	the_rest_is_in_force();
	assert_int_equal(fake.n_addrs, 2);
	assert_int_equal(fake.n_routes, 3);
	desired_clear(&d);
}

static void test_host_without_ipv6(void **state)
{
	struct desired d = { 0 };
	struct fz_error err = { 0 };

	(void)state;
	usual(&d);
	fake.no_ipv6 = true;
	assert_int_equal(kernel_apply_all(&kernel, &d, &err), 0);
	the_rest_is_in_force();
	assert_int_equal(fake.n_addrs, 1);
	assert_int_equal(fake.n_routes, 2);
	desired_clear(&d);
}

static void test_route_of_somebody_else(void **state)
{
	struct desired d = { 0 };
	struct fz_error err = { 0 };

	(void)state;
	usual(&d);
	fake.taken = "192.168.1.0/24";
	assert_int_equal(kernel_apply_all(&kernel, &d, &err), KERNEL_LEFT_OUT);
	assert_string_equal(err.text, "the route to 192.168.1.0/24 is left out: "
				      "there is another route to the same destination");
	the_rest_is_in_force();
	assert_int_equal(fake.n_routes, 2);

	/* once it is gone, the next try has it */
	fake.taken = NULL;
	assert_int_equal(kernel_apply_all(&kernel, &d, &err), 0);
	assert_int_equal(fake.n_routes, 3);
	desired_clear(&d);
}

static void test_route_over_the_broker(void **state)
{
	struct kernel k = kernel;
	struct desired d = { 0 };
	struct fz_error err = { 0 };

	(void)state;
	usual(&d);
	assert_int_equal(kernel_apply_all(&k, &d, &err), 0);
	assert_int_equal(fake.n_routes, 3);

	/* the broker has moved there: the route goes */
	assert_int_equal(fz_parse_addr("192.168.1.200", &k.broker, NULL), 0);
	assert_int_equal(kernel_apply_all(&k, &d, &err), KERNEL_LEFT_OUT);
	assert_string_equal(err.text, "the route to 192.168.1.0/24 is left out: "
				      "the broker is there, and would be out of reach");
	assert_int_equal(fake.n_routes, 2);

	/* unless it is reached by a longer route anyway */
	fake.other = "192.168.1.192/27";
	assert_int_equal(kernel_apply_all(&k, &d, &err), 0);
	assert_int_equal(fake.n_routes, 3);
	fake.other = "192.168.1.128/26";
	assert_int_equal(kernel_apply_all(&k, &d, &err), KERNEL_LEFT_OUT);
	assert_int_equal(fake.n_routes, 2);

	/* or is this host */
	assert_int_equal(fz_parse_prefix("192.168.1.200/32", &fake.addrs[fake.n_addrs++], NULL), 0);
	put_prefix(&d, fz_Item_address_tag, "192.168.1.200/32");
	assert_int_equal(kernel_apply_all(&k, &d, &err), 0);
	assert_int_equal(fake.n_routes, 3);
	desired_clear(&d);
}

static void test_peer_that_is_not_taken(void **state)
{
	struct desired d = { 0 };
	struct fz_error err = { 0 };

	(void)state;
	usual(&d);
	put(&d, peer_item(2));
	put(&d, grant_item(2));
	fake.bad_peer = 2;
	assert_int_equal(kernel_apply_all(&kernel, &d, &err), KERNEL_LEFT_OUT);
	assert_string_equal(err.text, "the peer p is left out: no such key");
	the_rest_is_in_force();
	assert_int_equal(fake.grants[0].peer[0], 1);
	desired_clear(&d);
}

static void test_policy_that_is_not_taken(void **state)
{
	struct desired d = { 0 };
	struct fz_error err = { 0 };

	(void)state;
	usual(&d);
	/* what is merely left out comes first, and is not what is told */
	put(&d, peer_item(2));
	fake.bad_peer = 2;
	fake.epoch = -EBUSY;
	assert_int_equal(kernel_apply_all(&kernel, &d, &err), -EBUSY);
	assert_string_equal(err.text, "an epoch is open already");
	assert_int_equal(fake.modes, 1);
	assert_int_equal(fake.n_removed, 1);
	assert_int_equal(fake.n_routes, 3);
	desired_clear(&d);
}

static void test_difference(void **state)
{
	static fz_Item items[5];
	struct desired d = { 0 };
	struct fz_error err = { 0 };

	(void)state;
	items[0] = *peer_item(1);
	items[1] = *peer_item(2);
	items[2] = *grant_item(2);
	items[3] = *grant_item(1);
	items[4].which_body = fz_Item_mode_tag;
	for (size_t i = 0; i < 5; i++)
		put(&d, &items[i]);
	fake.bad_peer = 2;
	assert_int_equal(kernel_apply_items(&kernel, &d, items, 5, false, &err), KERNEL_LEFT_OUT);
	assert_string_equal(err.text, "the peer p is left out: no such key");
	assert_int_equal(fake.n_grants, 1);
	assert_int_equal(fake.grants[0].peer[0], 1);
	assert_int_equal(fake.modes, 1);
	desired_clear(&d);
}

/* --- preshared keys -------------------------------------------------------- */

/* The other end of a pair, with a control key to open what is sealed for it. */
struct end {
	uint8_t public[crypto_box_PUBLICKEYBYTES], private[crypto_box_SECRETKEYBYTES];
};

static void put_end(struct desired *d, const struct end *end)
{
	fz_Item item = *peer_item(1);

	item.body.peer.psk = true;
	item.body.peer.control_key.size = sizeof(end->public);
	memcpy(item.body.peer.control_key.bytes, end->public, sizeof(end->public));
	put(d, &item);
}

static bool opens(const uint8_t sealed[KERNEL_SEALED_LEN], const struct end *end, uint8_t psk[FZ_KEY_LEN])
{
	return !crypto_box_seal_open(psk, sealed, KERNEL_SEALED_LEN, end->public, end->private);
}

static void test_key_is_sealed_to_whom_it_was_made_for(void **state)
{
	struct kernel gateway = { .dev = "fz0", .ifindex = IFINDEX, .gateway = true };
	uint8_t sealed[KERNEL_SEALED_LEN], psk[FZ_KEY_LEN], first[FZ_KEY_LEN], key[FZ_KEY_LEN];
	struct end client, other;
	struct desired d = { 0 };
	struct want_peer *peer;

	(void)state;
	crypto_box_keypair(client.public, client.private);
	crypto_box_keypair(other.public, other.private);
	memset(key, 1, sizeof(key));
	put_end(&d, &client);
	assert_int_equal(kernel_apply_all(&gateway, &d, NULL), 0);
	memcpy(first, fake.psk, sizeof(first));
	peer = desired_peer(&d, key);
	assert_int_equal(kernel_peer_seal(&gateway, peer, sealed, NULL), 0);
	assert_true(opens(sealed, &client, psk));
	assert_memory_equal(psk, first, sizeof(first));
	/* again: the same key */
	assert_int_equal(kernel_peer_seal(&gateway, peer, sealed, NULL), 0);
	assert_true(opens(sealed, &client, psk));
	assert_memory_equal(psk, first, sizeof(first));

	/* the broker names somebody else as the other end: not this key */
	put_end(&d, &other);
	peer = desired_peer(&d, key);
	assert_int_equal(kernel_peer_seal(&gateway, peer, sealed, NULL), 0);
	assert_false(opens(sealed, &client, psk));
	assert_true(opens(sealed, &other, psk));
	assert_memory_not_equal(psk, first, sizeof(first));
	assert_memory_equal(psk, fake.psk, sizeof(psk));
	desired_clear(&d);
}

static void test_key_found_in_the_kernel_is_sealed_to_nobody(void **state)
{
	struct kernel gateway = { .dev = "fz0", .ifindex = IFINDEX, .gateway = true };
	uint8_t sealed[KERNEL_SEALED_LEN], psk[FZ_KEY_LEN], key[FZ_KEY_LEN];
	struct fz_peer now = { .preshared_key = { 7 } };
	struct desired d = { 0 };
	struct want_peer *peer;
	struct end client;

	(void)state;
	crypto_box_keypair(client.public, client.private);
	memset(key, 1, sizeof(key));
	put_end(&d, &client);
	peer = desired_peer(&d, key);
	assert_int_equal(kernel_peer_set(&gateway, peer, &now, false, NULL), 0);
	assert_int_equal(fake.n_psks, 0);
	assert_int_equal(kernel_peer_seal(&gateway, peer, sealed, NULL), 0);
	assert_true(opens(sealed, &client, psk));
	assert_memory_not_equal(psk, now.preshared_key, sizeof(psk));
	assert_memory_equal(psk, fake.psk, sizeof(psk));
	desired_clear(&d);
}

static void count_missing(void *arg, const struct want_peer *peer)
{
	(void)peer;
	(*(unsigned int *)arg)++;
}

static void test_sealed_key_that_does_not_open(void **state)
{
	fz_Item items[] = { *peer_item(1), *peer_item(2), *grant_item(1) };
	fz_Peer *bad = &items[0].body.peer, *good = &items[1].body.peer;
	struct desired d = { 0 };
	unsigned int missing = 0;
	struct end client;
	struct kernel k = { .dev = "fz0", .ifindex = IFINDEX, .control_public = client.public,
			    .control_private = client.private, .key_missing = count_missing, .arg = &missing };

	(void)state;
	crypto_box_keypair(client.public, client.private);
	bad->psk = good->psk = true;
	bad->sealed_psk.size = good->sealed_psk.size = KERNEL_SEALED_LEN;
	randombytes_buf(bad->sealed_psk.bytes, KERNEL_SEALED_LEN);
	assert_int_equal(crypto_box_seal(good->sealed_psk.bytes, client.public, FZ_KEY_LEN, client.public), 0);
	for (size_t i = 0; i < 3; i++)
		put(&d, &items[i]);
	assert_int_equal(kernel_apply_items(&k, &d, items, 3, false, NULL), 0);
	assert_int_equal(fake.n_psks, 1);
	assert_memory_equal(fake.psk, client.public, FZ_KEY_LEN);
	assert_int_equal(fake.n_grants, 1);
	assert_int_equal(missing, 1);

	/* the answer is no better: that is that */
	randombytes_buf(bad->sealed_psk.bytes, KERNEL_SEALED_LEN);
	put(&d, &items[0]);
	assert_int_equal(kernel_apply_items(&k, &d, items, 1, false, NULL), 0);
	assert_int_equal(missing, 1);

	/* one that opens is taken at any time */
	*bad = *good;
	memset(bad->public_key.bytes, 1, FZ_KEY_LEN);
	put(&d, &items[0]);
	assert_int_equal(kernel_apply_items(&k, &d, items, 1, false, NULL), 0);
	assert_int_equal(fake.n_psks, 2);
	desired_clear(&d);
}

static void seal(fz_PeerKey *key, const struct end *end, uint8_t first)
{
	const uint8_t psk[FZ_KEY_LEN] = { first };

	key->sealed_psk.size = KERNEL_SEALED_LEN;
	assert_int_equal(crypto_box_seal(key->sealed_psk.bytes, psk, sizeof(psk), end->public), 0);
}

static void test_key_that_came_after_the_state_stays(void **state)
{
	fz_Item item = *peer_item(1);
	fz_PeerKey key = { 0 };
	struct desired d = { 0 };
	struct want_peer *peer;
	struct end client;
	struct kernel k = { .dev = "fz0", .ifindex = IFINDEX, .control_public = client.public,
			    .control_private = client.private };

	(void)state;
	crypto_box_keypair(client.public, client.private);
	seal(&key, &client, 1);
	item.body.peer.psk = true;
	fz_bytes_set(item.body.peer.sealed_psk, key.sealed_psk.bytes, key.sealed_psk.size);
	put(&d, &item);
	assert_int_equal(kernel_apply_all(&k, &d, NULL), 0);
	assert_int_equal(fake.psk[0], 1);

	seal(&key, &client, 2);
	peer = desired_peer(&d, item.body.peer.public_key.bytes);
	assert_int_equal(kernel_peer_key(&k, peer, &key, NULL), 0);
	assert_int_equal(fake.psk[0], 2);
	assert_int_equal(kernel_apply_all(&k, &d, NULL), 0);
	assert_int_equal(fake.psk[0], 2);

	/* one that does not open is not taken */
	key.sealed_psk.bytes[0] ^= 1;
	assert_int_equal(kernel_peer_key(&k, peer, &key, NULL), -EBADMSG);
	assert_int_equal(kernel_apply_all(&k, &d, NULL), 0);
	assert_int_equal(fake.psk[0], 2);
	desired_clear(&d);
}

static void count_made(void *arg, struct want_peer *peer)
{
	(void)peer;
	(*(unsigned int *)arg)++;
}

static void test_key_is_told_until_there_was_a_handshake(void **state)
{
	unsigned int made = 0;
	struct kernel gateway = { .dev = "fz0", .ifindex = IFINDEX, .gateway = true, .key_made = count_made,
				  .arg = &made };
	struct fz_peer now = { 0 };
	struct desired d = { 0 };
	struct want_peer *peer;
	uint8_t key[FZ_KEY_LEN];
	struct end client;

	(void)state;
	crypto_box_keypair(client.public, client.private);
	memset(key, 1, sizeof(key));
	put_end(&d, &client);
	peer = desired_peer(&d, key);
	assert_int_equal(kernel_peer_set(&gateway, peer, NULL, false, NULL), 0);
	assert_int_equal(made, 1);
	memcpy(now.preshared_key, fake.psk, sizeof(fake.psk));
	assert_int_equal(kernel_peer_set(&gateway, peer, &now, false, NULL), 0);
	assert_int_equal(made, 2);
	now.last_handshake.sec = peer->made_at - 1;
	assert_int_equal(kernel_peer_set(&gateway, peer, &now, false, NULL), 0);
	assert_int_equal(made, 3);
	now.last_handshake.sec = peer->made_at;
	assert_int_equal(kernel_peer_set(&gateway, peer, &now, false, NULL), 0);
	assert_int_equal(made, 3);
	assert_memory_equal(now.preshared_key, fake.psk, sizeof(fake.psk));
	desired_clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_is_taken, setup),
		cmocka_unit_test_setup(test_host_without_ipv6, setup),
		cmocka_unit_test_setup(test_route_of_somebody_else, setup),
		cmocka_unit_test_setup(test_route_over_the_broker, setup),
		cmocka_unit_test_setup(test_peer_that_is_not_taken, setup),
		cmocka_unit_test_setup(test_policy_that_is_not_taken, setup),
		cmocka_unit_test_setup(test_difference, setup),
		cmocka_unit_test_setup(test_key_is_sealed_to_whom_it_was_made_for, setup),
		cmocka_unit_test_setup(test_key_found_in_the_kernel_is_sealed_to_nobody, setup),
		cmocka_unit_test_setup(test_sealed_key_that_does_not_open, setup),
		cmocka_unit_test_setup(test_key_that_came_after_the_state_stays, setup),
		cmocka_unit_test_setup(test_key_is_told_until_there_was_a_handshake, setup),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
