// SPDX-License-Identifier: GPL-2.0-only
/* Addresses, routes and ask prefixes of the device: what is wanted and missing comes, what is ours and not wanted goes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "kernel.h"
#include "log.h"

static bool same_prefix(const struct fz_prefix *a, const struct fz_prefix *b)
{
	return a->len == b->len && a->addr.family == b->addr.family &&
	       !memcmp(a->addr.bytes, b->addr.bytes, a->addr.family == AF_INET ? 4 : 16);
}

static bool wanted(const struct desired *d, enum prefix_kind kind, const struct fz_prefix *prefix)
{
	struct want_prefix *want;

	for (want = d->prefixes; want; want = want->hh.next) {
		if (want->key.kind == kind && same_prefix(&want->prefix, prefix))
			return true;
	}
	return false;
}

static bool link_local(const struct fz_prefix *prefix)
{
	return prefix->addr.family == AF_INET6 && prefix->addr.bytes[0] == 0xfe &&
	       (prefix->addr.bytes[1] & 0xc0) == 0x80;
}

/**
 * struct left_out - addresses and routes that this host cannot have
 * @n: how many
 * @first: what is said of the first
 */
struct left_out {
	unsigned int n;
	struct fz_error first;
};

/* A host that has switched IPv6 off has no use for such an address or route: that is no trouble. */
static bool no_ipv6(const struct fz_prefix *prefix, int ret)
{
	return prefix->addr.family == AF_INET6 &&
	       (ret == -EACCES || ret == -EOPNOTSUPP || ret == -EAFNOSUPPORT);
}

static void note(struct left_out *left, const struct fz_error *why)
{
	log_debug("%s", why->text);
	if (!left->n++)
		left->first = *why;
}

static void check(struct left_out *left, const char *what, const struct fz_prefix *prefix, int ret,
		  struct fz_error *why)
{
	char text[FZ_ADDR_TEXT_SIZE];

	if (!ret || no_ipv6(prefix, ret))
		return;
	fz_error_prefix(why, "the %s %s is left out: ", what, fz_format_prefix(text, sizeof(text), prefix));
	note(left, why);
}

static void apply_addresses(struct kernel *k, const struct desired *d, struct left_out *left)
{
	struct fz_local_addr *list = NULL;
	struct want_prefix *want;
	struct fz_error why = { 0 };
	size_t n = 0;

	if (fz_rtnl_addr_list(k->rt, &list, &n, &why))
		note(left, &why);
	for (want = d->prefixes; want; want = want->hh.next) {
		if (want->key.kind == PREFIX_ADDRESS)
			check(left, "address", &want->prefix, fz_rtnl_addr_add(k->rt, k->dev, &want->prefix, &why), &why);
	}
	for (size_t i = 0; i < n; i++) {
		if (list[i].ifindex == k->ifindex && !link_local(&list[i].prefix) &&
		    !wanted(d, PREFIX_ADDRESS, &list[i].prefix) &&
		    fz_rtnl_addr_del(k->rt, k->dev, &list[i].prefix, &why))
			note(left, &why);
	}
	free(list);
}

/* Packets that we send ourselves into the tunnel carry our overlay address: gateways know us by it. */
static void prefer_source(struct fz_route *route, const struct desired *d)
{
	struct want_prefix *want;

	for (want = d->prefixes; want; want = want->hh.next) {
		if (want->key.kind == PREFIX_ADDRESS && want->prefix.addr.family == route->dst.addr.family) {
			route->src = want->prefix.addr;
			return;
		}
	}
}

static bool ours(const struct fz_route *list, size_t n, const struct fz_prefix *prefix)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].protocol == KERNEL_ROUTE_PROTOCOL && same_prefix(&list[i].dst, prefix))
			return true;
	}
	return false;
}

static bool holds(const struct fz_prefix *prefix, const struct fz_addr *addr)
{
	unsigned int bytes = prefix->len / 8, bits = prefix->len % 8;

	return prefix->addr.family == addr->family && !memcmp(prefix->addr.bytes, addr->bytes, bytes) &&
	       (!bits || !((prefix->addr.bytes[bytes] ^ addr->bytes[bytes]) >> (8 - bits)));
}

/* Whether the broker is this host, or reached by a route that comes before one to @prefix. */
static bool broker_is_nearer(struct kernel *k, const struct fz_prefix *prefix)
{
	struct fz_local_addr *addrs = NULL;
	struct fz_route *routes = NULL;
	size_t n = 0, m = 0;
	bool nearer = false;

	if (!fz_rtnl_addr_list(k->rt, &addrs, &n, NULL) && !fz_rtnl_route_list(k->rt, 0, &routes, &m, NULL)) {
		for (size_t i = 0; i < n && !nearer; i++)
			nearer = addrs[i].prefix.addr.family == k->broker.family &&
				 !memcmp(addrs[i].prefix.addr.bytes, k->broker.bytes, k->broker.family == AF_INET ? 4 : 16);
		for (size_t i = 0; i < m && !nearer; i++)
			nearer = routes[i].ifindex != k->ifindex && routes[i].dst.len > prefix->len &&
				 holds(&routes[i].dst, &k->broker);
	}
	free(addrs);
	free(routes);
	return nearer;
}

/*
 * A route that takes the way to the broker into the tunnel would be the last
 * thing that the broker says: nobody could undo it.
 */
static bool hides_broker(struct kernel *k, const struct fz_prefix *prefix)
{
	return k->broker.family && holds(prefix, &k->broker) && !broker_is_nearer(k, prefix);
}

static void apply_routes(struct kernel *k, const struct desired *d, struct left_out *left)
{
	struct fz_route *list = NULL;
	struct want_prefix *want;
	struct fz_error why = { 0 };
	size_t n = 0;

	if (fz_rtnl_route_list(k->rt, k->ifindex, &list, &n, &why))
		note(left, &why);
	for (want = d->prefixes; want; want = want->hh.next) {
		struct fz_route route = { .dst = want->prefix, .ifindex = k->ifindex,
					  .protocol = KERNEL_ROUTE_PROTOCOL };

		if (want->key.kind != PREFIX_ROUTE)
			continue;
		if (hides_broker(k, &want->prefix)) {
			fz_error_set(&why, -EADDRINUSE, "the broker is there, and would be out of reach");
			check(left, "route to", &want->prefix, why.code, &why);
			continue;
		}
		if (ours(list, n, &want->prefix))
			continue;
		prefer_source(&route, d);
		check(left, "route to", &want->prefix, fz_rtnl_route_add(k->rt, &route, &why), &why);
	}
	for (size_t i = 0; i < n; i++) {
		if (list[i].protocol == KERNEL_ROUTE_PROTOCOL &&
		    (!wanted(d, PREFIX_ROUTE, &list[i].dst) || hides_broker(k, &list[i].dst)) &&
		    fz_rtnl_route_del(k->rt, &list[i], &why))
			note(left, &why);
	}
	free(list);
}

/**
 * kernel_network_apply() - addresses of the device and routes into it
 * @k: the device
 * @d: the desired state
 * @err: what is left out
 *
 * Each is tried: another network of this host may have the same addresses, and
 * that must keep nobody from all the other ones.
 *
 * Return: 0 or KERNEL_LEFT_OUT.
 */
int kernel_network_apply(struct kernel *k, const struct desired *d, struct fz_error *err)
{
	struct left_out left = { 0 };

	apply_addresses(k, d, &left);
	apply_routes(k, d, &left);
	if (!left.n)
		return 0;
	if (left.n > 1)
		return fz_error_set(err, KERNEL_LEFT_OUT, "%s (and %u more)", left.first.text, left.n - 1);
	return fz_error_set(err, KERNEL_LEFT_OUT, "%s", left.first.text);
}

static bool same_ask(const struct desired *d, const struct fz_device *now)
{
	struct want_prefix *want;
	size_t n = 0;

	for (want = d->prefixes; want; want = want->hh.next)
		n += want->key.kind == PREFIX_ASK;
	if (n != now->n_ask_prefixes)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!wanted(d, PREFIX_ASK, &now->ask_prefixes[i]))
			return false;
	}
	return true;
}

/**
 * kernel_ask_apply() - which destinations become requests
 * @k: the device
 * @d: the desired state
 * @now: the device as the kernel has it, NULL when that is not known
 * @err: why not
 *
 * Return: 0 or a negative errno.
 */
int kernel_ask_apply(struct kernel *k, const struct desired *d, const struct fz_device *now,
		     struct fz_error *err)
{
	struct want_prefix *want;
	struct fz_device *dev;
	int ret = 0;

	if (now && same_ask(d, now))
		return 0;
	dev = fz_device_new(k->dev);
	if (!dev)
		return fz_error_memory(err);
	dev->flags |= FZ_DEVICE_F_REPLACE_ASK_PREFIXES;
	for (want = d->prefixes; want && !ret; want = want->hh.next) {
		if (want->key.kind == PREFIX_ASK)
			ret = fz_device_add_ask_prefix(dev, &want->prefix);
	}
	ret = ret ? fz_error_set(err, ret, "out of memory") : fz_nl_device_set(k->nl, dev, err);
	fz_device_free(dev);
	return ret;
}
