// SPDX-License-Identifier: GPL-2.0-only
/* Routes to what the peers hold, and the largest packet that fits their paths. */
#include "quick_up.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TUNNEL_OVERHEAD 80	/* IPv6, UDP and a data message around a packet */
#define MTU_DEFAULT 1500	/* of a path that nobody knows */
#define TABLE_DEFAULT 51820	/* where a default route goes, and the mark of what must not take it */
#define SRC_VALID_MARK "/proc/sys/net/ipv4/conf/all/src_valid_mark"

/* What a route takes: its own limit, or that of its device. 0 if nothing is known. */
static uint32_t mtu_of(struct quick_up *up, const struct fz_route *route)
{
	char name[IFNAMSIZ];
	struct fz_link link;

	if (route->mtu)
		return route->mtu;
	if (!route->ifindex || !if_indextoname(route->ifindex, name) ||
	    fz_rtnl_link_get(up->rt, name, &link, NULL))
		return 0;
	return link.mtu;
}

static bool addr_of(const union fz_endpoint *endpoint, struct fz_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->family = endpoint->sa.sa_family;
	if (addr->family == AF_INET)
		addr->v4 = endpoint->v4.sin_addr;
	else
		addr->v6 = endpoint->v6.sin6_addr;
	/* the way to an address of one link is not found by the address */
	return addr->family && (addr->family == AF_INET || !endpoint->v6.sin6_scope_id);
}

static uint32_t mtu_to_endpoints(struct quick_up *up, const struct fz_device *dev)
{
	uint32_t largest = 0, mtu;
	struct fz_route route;
	struct fz_addr addr;

	for (size_t i = 0; i < dev->n_peers; i++) {
		if (!addr_of(&dev->peers[i].endpoint, &addr) || fz_rtnl_route_get(up->rt, &addr, &route, NULL))
			continue;
		mtu = mtu_of(up, &route);
		if (mtu > largest)
			largest = mtu;
	}
	return largest;
}

/* Of the first default route of IPv4. */
static uint32_t mtu_of_default(struct quick_up *up)
{
	struct fz_route *list;
	uint32_t mtu = 0;
	size_t n;

	if (fz_rtnl_route_list(up->rt, 0, &list, &n, NULL))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (list[i].dst.addr.family == AF_INET && !list[i].dst.len && list[i].table == RT_TABLE_MAIN) {
			mtu = mtu_of(up, &list[i]);
			break;
		}
	}
	free(list);
	return mtu;
}

/**
 * quick_route_mtu - the largest packet of a device whose file does not say it
 * @up: the device, with its peers, but without routes
 * @mtu: receives it
 *
 * Return: 0, or an exit status after saying why not
 */
int quick_route_mtu(struct quick_up *up, uint32_t *mtu)
{
	struct fz_device *dev;
	struct fz_error err;
	uint32_t outer;

	if (fz_nl_device_get(up->nl, up->quick->name, &dev, &err))
		return refused(&err);
	outer = mtu_to_endpoints(up, dev);
	fz_device_free(dev);
	if (!outer)
		outer = mtu_of_default(up);
	if (!outer)
		outer = MTU_DEFAULT;
	*mtu = outer - TUNNEL_OVERHEAD < QUICK_MTU_LARGEST ? outer - TUNNEL_OVERHEAD : QUICK_MTU_LARGEST;
	return EXIT_DONE;
}

static bool covers(const struct fz_prefix *outer, const struct fz_prefix *inner)
{
	uint8_t full = outer->len / 8, rest = outer->len % 8;

	if (outer->addr.family != inner->addr.family || outer->len > inner->len ||
	    memcmp(outer->addr.bytes, inner->addr.bytes, full))
		return false;
	return !rest || !((outer->addr.bytes[full] ^ inner->addr.bytes[full]) >> (8 - rest));
}

/* A route of the device in the main table leads there already, such as that of its own network. */
static int is_routed(struct quick_up *up, const struct fz_prefix *prefix, bool *routed)
{
	struct fz_route *list;
	struct fz_error err;
	size_t n;

	if (fz_rtnl_route_list(up->rt, up->ifindex, &list, &n, &err))
		return refused(&err);
	for (size_t i = 0; i < n && !*routed; i++)
		*routed = list[i].table == RT_TABLE_MAIN && covers(&list[i].dst, prefix);
	free(list);
	return EXIT_DONE;
}

static int add_route(struct quick_up *up, const struct fz_prefix *prefix, uint32_t table)
{
	const struct fz_route route = {
		.dst = *prefix, .ifindex = up->ifindex, .table = table, .protocol = RTPROT_BOOT,
	};
	char text[FZ_ADDR_TEXT_SIZE];
	struct fz_error err;

	if (!fz_rtnl_route_add(up->rt, &route, &err))
		return EXIT_DONE;
	fz_error_prefix(&err, "cannot add a route to %s: ", fz_format_prefix(text, sizeof(text), prefix));
	return refused(&err);
}

/* The first table from 51820 on that nobody uses. */
static int free_table(struct quick_up *up, uint32_t *table)
{
	struct fz_error err;
	bool used;

	for (*table = TABLE_DEFAULT;; (*table)++) {
		if (fz_rtnl_table_used(up->rt, *table, &used, &err))
			return refused(&err);
		if (!used)
			return EXIT_DONE;
	}
}

/* The mark is that of the file, or becomes the number of the table. */
static int choose_table(struct quick_up *up, struct fz_device *dev)
{
	struct fz_device *change;
	struct fz_error err;
	int ret;

	if (dev->fwmark)
		return EXIT_DONE;
	ret = free_table(up, &dev->fwmark);
	if (ret)
		return ret;
	change = fz_device_new(dev->name);
	if (!change)
		return usage_error("out of memory");
	change->fwmark = dev->fwmark;
	change->has = FZ_HAS_FWMARK;
	if (fz_nl_device_set(up->nl, change, &err))
		ret = refused(&err);
	fz_device_free(change);
	return ret;
}

/* A container may not write it, and does not have to if it is on. */
static int set_src_valid_mark(void)
{
	int fd = open(SRC_VALID_MARK, O_RDONLY | O_CLOEXEC);
	char is = 0;
	bool ok = fd >= 0 && read(fd, &is, 1) == 1 && is == '1';

	if (fd >= 0)
		close(fd);
	if (ok)
		return EXIT_DONE;
	fd = open(SRC_VALID_MARK, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, "1", 1) == 1;

	if (fd >= 0)
		close(fd);
	if (ok)
		return EXIT_DONE;
	usage_error("cannot write \"%s\": %s", SRC_VALID_MARK, strerror(errno));
	return EXIT_REFUSED;
}

/*
 * A default route lives in a table that everything looks at but the tunnel's
 * own datagrams, which carry the mark. Routes of the main table that are more
 * specific still come first.
 */
static int add_default(struct quick_up *up, struct fz_device *dev, const struct fz_prefix *prefix)
{
	struct fz_rule rule = { .family = prefix->addr.family };
	struct fz_error err;
	int ret;

	ret = choose_table(up, dev);
	if (!ret)
		ret = add_route(up, prefix, dev->fwmark);
	if (ret)
		return ret;
	rule.table = rule.mark = dev->fwmark;
	rule.not_marked = true;
	if (fz_rtnl_rule_add(up->rt, &rule, &err))
		return refused(&err);
	rule = (struct fz_rule){ .family = prefix->addr.family, .table = RT_TABLE_MAIN, .no_default = true };
	if (fz_rtnl_rule_add(up->rt, &rule, &err))
		return refused(&err);
	if (prefix->addr.family == AF_INET)
		ret = set_src_valid_mark();
	return ret ? ret : quick_firewall_add(up, prefix->addr.family, dev->fwmark);
}

/* Longest first, so that a short one does not make the others needless. */
static int compare_lengths(const void *a, const void *b)
{
	const struct fz_prefix *left = a, *right = b;

	return right->len - left->len;
}

/* What the peers hold by now: of two that claim the same prefix, one. NULL if out of memory. */
static struct fz_prefix *all_prefixes(const struct fz_device *dev, size_t *n)
{
	struct fz_prefix *list;
	size_t size = 0;

	for (size_t i = 0; i < dev->n_peers; i++)
		size += dev->peers[i].n_allowedips;
	list = calloc(size + 1, sizeof(*list));
	*n = 0;
	for (size_t i = 0; list && i < dev->n_peers; i++) {
		for (size_t k = 0; k < dev->peers[i].n_allowedips; k++)
			list[(*n)++] = dev->peers[i].allowedips[k].prefix;
	}
	if (list)
		qsort(list, *n, sizeof(*list), compare_lengths);
	return list;
}

static int add_prefix(struct quick_up *up, struct fz_device *dev, const struct fz_prefix *prefix)
{
	bool routed = false;
	int ret;

	if (up->quick->table)
		return add_route(up, prefix, up->quick->table);
	if (!prefix->len)
		return add_default(up, dev, prefix);
	ret = is_routed(up, prefix, &routed);
	return ret || routed ? ret : add_route(up, prefix, 0);
}

/**
 * quick_route_add - route what the peers hold to the device
 * @up: the device, up
 *
 * Return: 0, or an exit status after saying why not
 */
int quick_route_add(struct quick_up *up)
{
	struct fz_prefix *list;
	struct fz_device *dev;
	struct fz_error err;
	int ret = 0;
	size_t n;

	if (up->quick->no_routes)
		return EXIT_DONE;
	if (fz_nl_device_get(up->nl, up->quick->name, &dev, &err))
		return refused(&err);
	list = all_prefixes(dev, &n);
	if (!list)
		ret = usage_error("out of memory");
	for (size_t i = 0; list && i < n && !ret; i++)
		ret = add_prefix(up, dev, &list[i]);
	free(list);
	fz_device_free(dev);
	return ret;
}

/*
 * Of two devices with a default route each has its own pair of rules. The
 * second of a pair is asked before the first, because it was added after it.
 */
static const struct fz_rule *partner_of(const struct fz_rule *list, size_t i)
{
	while (i-- && !list[i].not_marked) {
		if (list[i].table == RT_TABLE_MAIN && list[i].no_default)
			return &list[i];
	}
	return NULL;
}

static void del_rules(struct quick_up *up, sa_family_t family, uint32_t mark)
{
	const struct fz_rule *partner;
	struct fz_rule *list;
	size_t n;

	if (fz_rtnl_rule_list(up->rt, family, &list, &n, NULL))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!list[i].not_marked || list[i].mark != mark || list[i].table != mark)
			continue;
		partner = partner_of(list, i);
		if (partner)
			fz_rtnl_rule_del(up->rt, partner, NULL);
		fz_rtnl_rule_del(up->rt, &list[i], NULL);
	}
	free(list);
}

static bool has_default(const struct fz_device *dev)
{
	for (size_t i = 0; i < dev->n_peers; i++) {
		for (size_t k = 0; k < dev->peers[i].n_allowedips; k++) {
			if (!dev->peers[i].allowedips[k].prefix.len)
				return true;
		}
	}
	return false;
}

/**
 * quick_route_del_rules - what leads to a device's default route
 * @up: the device, which still has its mark and its peers; routes go with it
 */
void quick_route_del_rules(struct quick_up *up)
{
	struct fz_device *dev;

	if (up->quick->no_routes || up->quick->table || fz_nl_device_get(up->nl, up->quick->name, &dev, NULL))
		return;
	if (dev->fwmark && has_default(dev)) {
		del_rules(up, AF_INET, dev->fwmark);
		del_rules(up, AF_INET6, dev->fwmark);
	}
	fz_device_free(dev);
}
