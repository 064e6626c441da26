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

static int apply_addresses(struct kernel *k, const struct desired *d, struct fz_error *err)
{
	struct fz_local_addr *list = NULL;
	struct want_prefix *want;
	size_t n = 0;
	int ret;

	ret = fz_rtnl_addr_list(k->rt, &list, &n, err);
	for (want = d->prefixes; want && !ret; want = want->hh.next) {
		if (want->key.kind == PREFIX_ADDRESS)
			ret = fz_rtnl_addr_add(k->rt, k->dev, &want->prefix, err);
	}
	for (size_t i = 0; i < n && !ret; i++) {
		if (list[i].ifindex == k->ifindex && !link_local(&list[i].prefix) &&
		    !wanted(d, PREFIX_ADDRESS, &list[i].prefix))
			ret = fz_rtnl_addr_del(k->rt, k->dev, &list[i].prefix, err);
	}
	free(list);
	return ret;
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

static int apply_routes(struct kernel *k, const struct desired *d, struct fz_error *err)
{
	struct fz_route *list = NULL;
	struct want_prefix *want;
	size_t n = 0;
	int ret;

	ret = fz_rtnl_route_list(k->rt, k->ifindex, &list, &n, err);
	for (want = d->prefixes; want && !ret; want = want->hh.next) {
		struct fz_route route = { .dst = want->prefix, .ifindex = k->ifindex,
					  .protocol = KERNEL_ROUTE_PROTOCOL };
		bool there = false;

		if (want->key.kind != PREFIX_ROUTE)
			continue;
		for (size_t i = 0; i < n && !there; i++)
			there = list[i].protocol == KERNEL_ROUTE_PROTOCOL &&
				same_prefix(&list[i].dst, &want->prefix);
		prefer_source(&route, d);
		if (!there)
			ret = fz_rtnl_route_add(k->rt, &route, err);
	}
	for (size_t i = 0; i < n && !ret; i++) {
		if (list[i].protocol == KERNEL_ROUTE_PROTOCOL && !wanted(d, PREFIX_ROUTE, &list[i].dst))
			ret = fz_rtnl_route_del(k->rt, &list[i], err);
	}
	free(list);
	return ret;
}

/**
 * kernel_network_apply() - addresses of the device and routes into it
 * @k: the device
 * @d: the desired state
 * @err: why not
 *
 * Return: 0 or a negative errno.
 */
int kernel_network_apply(struct kernel *k, const struct desired *d, struct fz_error *err)
{
	int ret = apply_addresses(k, d, err);

	return ret ? ret : apply_routes(k, d, err);
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
		return fz_error_set(err, -ENOMEM, "out of memory");
	dev->flags |= FZ_DEVICE_F_REPLACE_ASK_PREFIXES;
	for (want = d->prefixes; want && !ret; want = want->hh.next) {
		if (want->key.kind == PREFIX_ASK)
			ret = fz_device_add_ask_prefix(dev, &want->prefix);
	}
	ret = ret ? fz_error_set(err, ret, "out of memory") : fz_nl_device_set(k->nl, dev, err);
	fz_device_free(dev);
	return ret;
}
