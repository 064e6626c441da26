// SPDX-License-Identifier: GPL-2.0-only
#include "rtnl.h"
#include "nlsock.h"
#include "nl_internal.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fz_rtnl {
	struct fz_nlsock s;
};

/**
 * fz_rtnl_open - open an rtnetlink socket
 * @out: receives it, for fz_rtnl_close()
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_open(struct fz_rtnl **out, struct fz_error *err)
{
	struct fz_rtnl *rt = calloc(1, sizeof(*rt));
	int ret;

	if (!rt)
		return fz_error_memory(err);
	ret = fz_nlsock_open(&rt->s, NETLINK_ROUTE, err);
	if (ret) {
		free(rt);
		return ret;
	}
	*out = rt;
	return 0;
}

/**
 * fz_rtnl_close - close it
 * @rt: may be NULL
 */
void fz_rtnl_close(struct fz_rtnl *rt)
{
	if (!rt)
		return;
	fz_nlsock_close(&rt->s);
	free(rt);
}

/* As fz_attrs_read(), after any header. */
static void read_attrs(struct fz_attrs *attrs, const struct nlmsghdr *nlh, unsigned int header)
{
	const struct nlattr *attr;

	memset(attrs, 0, sizeof(*attrs));
	mnl_attr_for_each(attr, nlh, header) {
		if (mnl_attr_get_type(attr) < sizeof(attrs->found) / sizeof(attrs->found[0]))
			attrs->found[mnl_attr_get_type(attr)] = attr;
	}
}

/* What failed, before the kernel's words. */
static int failed(int ret, struct fz_error *err, const char *what, const char *name)
{
	if (ret)
		fz_error_prefix(err, "cannot %s \"%s\": ", what, name);
	return ret;
}

static struct nlmsghdr *begin_link(struct fz_rtnl *rt, uint16_t type, uint16_t flags, unsigned int set,
				   unsigned int mask)
{
	struct nlmsghdr *nlh = fz_nlsock_begin(&rt->s, type, flags);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_flags = set;
	ifi->ifi_change = mask;
	return nlh;
}

static void put_name(struct nlmsghdr *nlh, const char *name)
{
	mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, IFLA_IFNAME, name);
}

static int talk(struct fz_rtnl *rt, struct nlmsghdr *nlh, struct fz_error *err)
{
	return fz_nlsock_talk(&rt->s, nlh, NULL, NULL, err);
}

/**
 * fz_rtnl_link_add - create a link
 * @rt: the socket
 * @name: its name, not yet used
 * @kind: such as "fz"
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_link_add(struct fz_rtnl *rt, const char *name, const char *kind, struct fz_error *err)
{
	struct nlmsghdr *nlh = begin_link(rt, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 0, 0);
	struct nlattr *info;
	int ret;

	ret = fz_nl_check_name(name, err);
	if (ret)
		return ret;
	put_name(nlh, name);
	info = mnl_attr_nest_start_check(nlh, FZ_MSG_SIZE, IFLA_LINKINFO);
	mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(nlh, info);
	ret = talk(rt, nlh, err);
	if (ret == -EOPNOTSUPP)
		return fz_error_set(err, ret, "the %s module is not loaded (modprobe %s)", kind, kind);
	return failed(ret, err, "create", name);
}

/**
 * fz_rtnl_link_del - remove a link
 * @rt: the socket
 * @name: its name
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_link_del(struct fz_rtnl *rt, const char *name, struct fz_error *err)
{
	struct nlmsghdr *nlh = begin_link(rt, RTM_DELLINK, NLM_F_ACK, 0, 0);

	put_name(nlh, name);
	return failed(talk(rt, nlh, err), err, "remove", name);
}

static int set_flags(struct fz_rtnl *rt, const char *name, bool up, struct fz_error *err)
{
	struct nlmsghdr *nlh = begin_link(rt, RTM_NEWLINK, NLM_F_ACK, up ? IFF_UP : 0, IFF_UP);

	put_name(nlh, name);
	return failed(talk(rt, nlh, err), err, up ? "bring up" : "take down", name);
}

/**
 * fz_rtnl_link_up - bring a link up
 * @rt: the socket
 * @name: its name
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_link_up(struct fz_rtnl *rt, const char *name, struct fz_error *err)
{
	return set_flags(rt, name, true, err);
}

/**
 * fz_rtnl_link_down - take a link down
 * @rt: the socket
 * @name: its name
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_link_down(struct fz_rtnl *rt, const char *name, struct fz_error *err)
{
	return set_flags(rt, name, false, err);
}

/**
 * fz_rtnl_link_mtu - set a link's largest packet
 * @rt: the socket
 * @name: its name
 * @mtu: bytes
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_link_mtu(struct fz_rtnl *rt, const char *name, uint32_t mtu, struct fz_error *err)
{
	struct nlmsghdr *nlh = begin_link(rt, RTM_NEWLINK, NLM_F_ACK, 0, 0);

	put_name(nlh, name);
	mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, IFLA_MTU, mtu);
	return failed(talk(rt, nlh, err), err, "set the MTU of", name);
}

static void read_link(const struct nlmsghdr *nlh, struct fz_link *link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct fz_attrs attrs, info;

	read_attrs(&attrs, nlh, sizeof(*ifi));
	memset(link, 0, sizeof(*link));
	link->ifindex = (uint32_t)ifi->ifi_index;
	link->up = ifi->ifi_flags & IFF_UP;
	link->running = ifi->ifi_flags & IFF_RUNNING;
	fz_attr_text(&attrs, IFLA_IFNAME, link->name, sizeof(link->name));
	link->mtu = fz_attr_u32(&attrs, IFLA_MTU);
	if (attrs.found[IFLA_LINKINFO]) {
		fz_attrs_read_nest(&info, attrs.found[IFLA_LINKINFO]);
		fz_attr_text(&info, IFLA_INFO_KIND, link->kind, sizeof(link->kind));
	}
}

static int read_one_link(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	(void)err;
	read_link(nlh, arg);
	return 0;
}

/**
 * fz_rtnl_link_get - one link
 * @rt: the socket
 * @name: its name
 * @link: filled
 * @err: why not
 *
 * Return: 0 or a negative errno; -ENODEV if there is none of that name
 */
int fz_rtnl_link_get(struct fz_rtnl *rt, const char *name, struct fz_link *link, struct fz_error *err)
{
	struct nlmsghdr *nlh = begin_link(rt, RTM_GETLINK, NLM_F_ACK, 0, 0);
	int ret;

	put_name(nlh, name);
	ret = fz_nlsock_talk(&rt->s, nlh, read_one_link, link, err);
	if (ret == -ENODEV)
		return fz_error_set(err, ret, "there is no device \"%s\"", name);
	return ret;
}

/* A dump whose rows are collected in an array. */
struct rows {
	void *list;
	size_t n;
	uint32_t ifindex;
	uint32_t table;
};

static int read_link_row(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	struct rows *rows = arg;
	struct fz_link *link = fz_list_append(&rows->list, &rows->n, sizeof(*link));

	if (!link)
		return fz_error_memory(err);
	read_link(nlh, link);
	return 0;
}

/*
 * Dump until it is consistent.
 * @family: AF_UNSPEC is all of them
 * @header: of struct ifinfomsg, ifaddrmsg, rtmsg or fib_rule_hdr, which all begin with the family
 */
static int dump(struct fz_rtnl *rt, uint16_t type, sa_family_t family, size_t header, fz_nlsock_fn fn,
		struct rows *rows, struct fz_error *err)
{
	int ret;

	for (int tries = 0;; tries++) {
		struct nlmsghdr *nlh = fz_nlsock_begin(&rt->s, type, NLM_F_DUMP);

		*(unsigned char *)mnl_nlmsg_put_extra_header(nlh, header) = (unsigned char)family;
		ret = fz_nlsock_talk(&rt->s, nlh, fn, rows, err);
		if (ret || !rt->s.interrupted || tries == FZ_DUMP_RETRIES)
			break;
		free(rows->list);
		rows->list = NULL;
		rows->n = 0;
	}
	if (ret)
		free(rows->list);
	return ret;
}

/**
 * fz_rtnl_link_list - all links
 * @rt: the socket
 * @list: receives an array for free()
 * @n: receives how many
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_link_list(struct fz_rtnl *rt, struct fz_link **list, size_t *n, struct fz_error *err)
{
	struct rows rows = { 0 };
	int ret;

	ret = dump(rt, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), read_link_row, &rows, err);
	if (ret)
		return ret;
	*list = rows.list;
	*n = rows.n;
	return 0;
}

static int index_of(const char *dev, uint32_t *ifindex, struct fz_error *err)
{
	*ifindex = if_nametoindex(dev);
	if (!*ifindex)
		return fz_error_set(err, -ENODEV, "there is no device \"%s\"", dev);
	return 0;
}

static size_t addr_len(const struct fz_addr *addr)
{
	return addr->family == AF_INET ? 4 : 16;
}

static bool put_addr(struct nlmsghdr *nlh, uint16_t type, const struct fz_addr *addr)
{
	return mnl_attr_put_check(nlh, FZ_MSG_SIZE, type, addr_len(addr), addr->bytes);
}

static int change_addr(struct fz_rtnl *rt, uint16_t type, uint16_t flags, const char *dev,
		       const struct fz_prefix *addr, struct fz_error *err)
{
	struct nlmsghdr *nlh = fz_nlsock_begin(&rt->s, type, NLM_F_ACK | flags);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	uint32_t ifindex;
	int ret;

	ret = index_of(dev, &ifindex, err);
	if (ret)
		return ret;
	ifa->ifa_family = (unsigned char)addr->addr.family;
	ifa->ifa_prefixlen = addr->len;
	ifa->ifa_index = ifindex;
	put_addr(nlh, IFA_LOCAL, &addr->addr);
	put_addr(nlh, IFA_ADDRESS, &addr->addr);
	return talk(rt, nlh, err);
}

/**
 * fz_rtnl_addr_add - give a device an address
 * @rt: the socket
 * @dev: the device
 * @addr: the address, and the length of its network
 * @err: why not
 *
 * Return: 0, also if it has it already, or a negative errno
 */
int fz_rtnl_addr_add(struct fz_rtnl *rt, const char *dev, const struct fz_prefix *addr,
		     struct fz_error *err)
{
	int ret = change_addr(rt, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, dev, addr, err);

	return ret == -EEXIST ? 0 : failed(ret, err, "add the address to", dev);
}

/**
 * fz_rtnl_addr_del - take an address from a device
 * @rt: the socket
 * @dev: the device
 * @addr: as it was added
 * @err: why not
 *
 * Return: 0, also if it does not have it, or a negative errno
 */
int fz_rtnl_addr_del(struct fz_rtnl *rt, const char *dev, const struct fz_prefix *addr,
		     struct fz_error *err)
{
	int ret = change_addr(rt, RTM_DELADDR, 0, dev, addr, err);

	return ret == -EADDRNOTAVAIL ? 0 : failed(ret, err, "remove the address from", dev);
}

static int read_addr_row(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct fz_local_addr *row;
	struct rows *rows = arg;
	struct fz_attrs attrs;
	struct fz_addr addr;

	read_attrs(&attrs, nlh, sizeof(*ifa));
	fz_attr_addr(&attrs, attrs.found[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS, &addr);
	if (!addr.family)
		return 0;
	row = fz_list_append(&rows->list, &rows->n, sizeof(*row));
	if (!row)
		return fz_error_memory(err);
	row->ifindex = ifa->ifa_index;
	row->prefix.addr = addr;
	row->prefix.len = ifa->ifa_prefixlen;
	return 0;
}

/**
 * fz_rtnl_addr_list - the addresses of all devices
 * @rt: the socket
 * @list: receives an array for free()
 * @n: receives how many
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_addr_list(struct fz_rtnl *rt, struct fz_local_addr **list, size_t *n, struct fz_error *err)
{
	struct rows rows = { 0 };
	int ret;

	ret = dump(rt, RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg), read_addr_row, &rows, err);
	if (ret)
		return ret;
	*list = rows.list;
	*n = rows.n;
	return 0;
}

static void put_route_mtu(struct nlmsghdr *nlh, uint32_t mtu)
{
	struct nlattr *nest = mnl_attr_nest_start_check(nlh, FZ_MSG_SIZE, RTA_METRICS);

	mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, RTAX_MTU, mtu);
	mnl_attr_nest_end(nlh, nest);
}

static struct nlmsghdr *begin_route(struct fz_rtnl *rt, uint16_t type, uint16_t flags,
				    const struct fz_route *route)
{
	struct nlmsghdr *nlh = fz_nlsock_begin(&rt->s, type, NLM_F_ACK | flags);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	uint32_t table = route->table ? route->table : RT_TABLE_MAIN;

	rtm->rtm_family = (unsigned char)route->dst.addr.family;
	rtm->rtm_dst_len = route->dst.len;
	rtm->rtm_table = table < 256 ? (unsigned char)table : RT_TABLE_UNSPEC;
	rtm->rtm_protocol = route->protocol ? route->protocol : RTPROT_STATIC;
	rtm->rtm_type = RTN_UNICAST;
	rtm->rtm_scope = route->via.family || rtm->rtm_family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, RTA_TABLE, table);
	if (route->dst.len)
		put_addr(nlh, RTA_DST, &route->dst.addr);
	if (route->ifindex)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, RTA_OIF, route->ifindex);
	if (route->via.family)
		put_addr(nlh, RTA_GATEWAY, &route->via);
	if (route->src.family)
		put_addr(nlh, RTA_PREFSRC, &route->src);
	if (route->metric)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, RTA_PRIORITY, route->metric);
	if (route->mtu)
		put_route_mtu(nlh, route->mtu);
	return nlh;
}

/**
 * fz_rtnl_route_add - add a route
 * @rt: the socket
 * @route: the route
 * @err: why not
 *
 * Return: 0, also if there is one to the same prefix, metric and table through
 * the same device already, or a negative errno
 */
int fz_rtnl_route_add(struct fz_rtnl *rt, const struct fz_route *route, struct fz_error *err)
{
	int ret = talk(rt, begin_route(rt, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route), err);
	struct fz_route *list;
	size_t n;

	if (ret != -EEXIST)
		return ret;
	/* Somebody's route to the same place is not ours. */
	ret = fz_rtnl_route_list(rt, route->ifindex, &list, &n, err);
	if (ret)
		return ret;
	ret = fz_error_set(err, -EEXIST, "there is another route to the same destination");
	for (size_t i = 0; i < n; i++) {
		if (list[i].dst.len == route->dst.len &&
		    list[i].table == (route->table ? route->table : RT_TABLE_MAIN) &&
		    list[i].dst.addr.family == route->dst.addr.family &&
		    !memcmp(list[i].dst.addr.bytes, route->dst.addr.bytes, addr_len(&route->dst.addr)))
			ret = 0;
	}
	free(list);
	return ret;
}

/**
 * fz_rtnl_route_del - remove a route
 * @rt: the socket
 * @route: as it was added
 * @err: why not
 *
 * Return: 0, also if there is none, or a negative errno
 */
int fz_rtnl_route_del(struct fz_rtnl *rt, const struct fz_route *route, struct fz_error *err)
{
	int ret = talk(rt, begin_route(rt, RTM_DELROUTE, 0, route), err);

	return ret == -ESRCH ? 0 : ret;
}

static void read_route(const struct nlmsghdr *nlh, struct fz_route *route)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct fz_attrs attrs, metrics;

	read_attrs(&attrs, nlh, sizeof(*rtm));
	fz_attr_addr(&attrs, RTA_DST, &route->dst.addr);
	route->dst.addr.family = rtm->rtm_family;
	route->dst.len = rtm->rtm_dst_len;
	fz_attr_addr(&attrs, RTA_GATEWAY, &route->via);
	fz_attr_addr(&attrs, RTA_PREFSRC, &route->src);
	route->ifindex = fz_attr_u32(&attrs, RTA_OIF);
	route->table = fz_attr_u32(&attrs, RTA_TABLE);
	route->metric = fz_attr_u32(&attrs, RTA_PRIORITY);
	if (attrs.found[RTA_METRICS]) {
		fz_attrs_read_nest(&metrics, attrs.found[RTA_METRICS]);
		route->mtu = fz_attr_u32(&metrics, RTAX_MTU);
	}
	route->protocol = rtm->rtm_protocol;
}

static int read_route_row(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct rows *rows = arg;
	struct fz_attrs attrs;
	struct fz_route *row;

	read_attrs(&attrs, nlh, sizeof(*rtm));
	if (rtm->rtm_type != RTN_UNICAST || fz_attr_u32(&attrs, RTA_TABLE) == RT_TABLE_LOCAL)
		return 0;
	if (rtm->rtm_flags & RTM_F_CLONED)
		return 0;
	if (rows->ifindex && fz_attr_u32(&attrs, RTA_OIF) != rows->ifindex)
		return 0;
	row = fz_list_append(&rows->list, &rows->n, sizeof(*row));
	if (!row)
		return fz_error_memory(err);
	read_route(nlh, row);
	return 0;
}

/**
 * fz_rtnl_route_list - the unicast routes through a device, of every table but local
 * @rt: the socket
 * @ifindex: the device; 0 for all
 * @list: receives an array for free()
 * @n: receives how many
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_route_list(struct fz_rtnl *rt, uint32_t ifindex, struct fz_route **list, size_t *n,
		       struct fz_error *err)
{
	struct rows rows = { .ifindex = ifindex };
	int ret;

	ret = dump(rt, RTM_GETROUTE, AF_UNSPEC, sizeof(struct rtmsg), read_route_row, &rows, err);
	if (ret)
		return ret;
	*list = rows.list;
	*n = rows.n;
	return 0;
}

static int read_one_route(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	(void)err;
	memset(arg, 0, sizeof(struct fz_route));
	read_route(nlh, arg);
	return 0;
}

/**
 * fz_rtnl_route_get - the way of a packet without a mark
 * @rt: the socket
 * @to: where it goes
 * @route: filled
 * @err: why not
 *
 * Return: 0 or a negative errno, such as -ENETUNREACH
 */
int fz_rtnl_route_get(struct fz_rtnl *rt, const struct fz_addr *to, struct fz_route *route, struct fz_error *err)
{
	struct nlmsghdr *nlh = fz_nlsock_begin(&rt->s, RTM_GETROUTE, NLM_F_ACK);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = (unsigned char)to->family;
	rtm->rtm_dst_len = (unsigned char)(addr_len(to) * 8);
	put_addr(nlh, RTA_DST, to);
	return fz_nlsock_talk(&rt->s, nlh, read_one_route, route, err);
}

static int read_table_row(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	struct rows *rows = arg;
	struct fz_attrs attrs;

	(void)err;
	read_attrs(&attrs, nlh, sizeof(struct rtmsg));
	if (fz_attr_u32(&attrs, RTA_TABLE) == rows->table)
		rows->n++;
	return 0;
}

/**
 * fz_rtnl_table_used - whether there is a route in a table, of any kind and either family
 * @rt: the socket
 * @table: its number
 * @used: receives the answer
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_table_used(struct fz_rtnl *rt, uint32_t table, bool *used, struct fz_error *err)
{
	struct rows rows = { .table = table };
	int ret;

	ret = dump(rt, RTM_GETROUTE, AF_UNSPEC, sizeof(struct rtmsg), read_table_row, &rows, err);
	*used = rows.n > 0;
	return ret;
}

static struct nlmsghdr *begin_rule(struct fz_rtnl *rt, uint16_t type, uint16_t flags, const struct fz_rule *rule)
{
	struct nlmsghdr *nlh = fz_nlsock_begin(&rt->s, type, NLM_F_ACK | flags);
	struct fib_rule_hdr *hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));

	hdr->family = (unsigned char)rule->family;
	hdr->action = FR_ACT_TO_TBL;
	hdr->table = rule->table < 256 ? (unsigned char)rule->table : RT_TABLE_UNSPEC;
	hdr->flags = rule->not_marked ? FIB_RULE_INVERT : 0;
	mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FRA_TABLE, rule->table);
	if (rule->priority)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FRA_PRIORITY, rule->priority);
	if (rule->mark)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FRA_FWMARK, rule->mark);
	if (rule->no_default)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FRA_SUPPRESS_PREFIXLEN, 0);
	return nlh;
}

/**
 * fz_rtnl_rule_add - add a rule
 * @rt: the socket
 * @rule: the rule
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_rule_add(struct fz_rtnl *rt, const struct fz_rule *rule, struct fz_error *err)
{
	return talk(rt, begin_rule(rt, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule), err);
}

/**
 * fz_rtnl_rule_del - remove a rule
 * @rt: the socket
 * @rule: as it was listed
 * @err: why not
 *
 * Return: 0, also if there is none, or a negative errno
 */
int fz_rtnl_rule_del(struct fz_rtnl *rt, const struct fz_rule *rule, struct fz_error *err)
{
	int ret = talk(rt, begin_rule(rt, RTM_DELRULE, 0, rule), err);

	return ret == -ENOENT ? 0 : ret;
}

static int read_rule_row(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	const struct fib_rule_hdr *hdr = mnl_nlmsg_get_payload(nlh);
	struct rows *rows = arg;
	struct fz_attrs attrs;
	struct fz_rule *row;

	row = fz_list_append(&rows->list, &rows->n, sizeof(*row));
	if (!row)
		return fz_error_memory(err);
	read_attrs(&attrs, nlh, sizeof(*hdr));
	row->family = hdr->family;
	row->priority = fz_attr_u32(&attrs, FRA_PRIORITY);
	row->table = fz_attr_u32(&attrs, FRA_TABLE);
	row->mark = fz_attr_u32(&attrs, FRA_FWMARK);
	row->not_marked = hdr->flags & FIB_RULE_INVERT;
	row->no_default = attrs.found[FRA_SUPPRESS_PREFIXLEN] && !fz_attr_u32(&attrs, FRA_SUPPRESS_PREFIXLEN);
	return 0;
}

/**
 * fz_rtnl_rule_list - the rules of a family, in the order in which they are asked
 * @rt: the socket
 * @family: AF_INET or AF_INET6
 * @list: receives an array for free()
 * @n: receives how many
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_rule_list(struct fz_rtnl *rt, sa_family_t family, struct fz_rule **list, size_t *n,
		      struct fz_error *err)
{
	struct rows rows = { 0 };
	int ret;

	ret = dump(rt, RTM_GETRULE, family, sizeof(struct fib_rule_hdr), read_rule_row, &rows, err);
	if (ret)
		return ret;
	*list = rows.list;
	*n = rows.n;
	return 0;
}

/**
 * fz_rtnl_monitor - hear when links, addresses and routes change
 * @rt: the socket; from here it is good for nothing but fz_rtnl_fd() and fz_rtnl_drain()
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_rtnl_monitor(struct fz_rtnl *rt, struct fz_error *err)
{
	static const int groups[] = {
		RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE,
	};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(rt->s.sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return fz_error_set(err, -errno, "cannot watch addresses and routes: %s",
					    strerror(errno));
	}
	return 0;
}

/**
 * fz_rtnl_fd - the descriptor, for an event loop
 * @rt: the socket
 *
 * Return: the descriptor, which stays the socket's
 */
int fz_rtnl_fd(const struct fz_rtnl *rt)
{
	return mnl_socket_get_fd(rt->s.sock);
}

/**
 * fz_rtnl_drain - read what is there and forget it
 * @rt: a socket that monitors
 *
 * Return: 1 if something changed, 0 if not, or a negative errno
 */
int fz_rtnl_drain(struct fz_rtnl *rt)
{
	int changed = 0;
	ssize_t len;

	for (;;) {
		len = recv(fz_rtnl_fd(rt), rt->s.rx, FZ_RX_SIZE, MSG_DONTWAIT);
		if (len >= 0 || errno == ENOBUFS)
			changed = 1;
		else if (errno == EAGAIN)
			return changed;
		else if (errno != EINTR)
			return -errno;
	}
}
