/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links, addresses, routes and rules. One struct fz_rtnl is one rtnetlink socket;
 * every function waits for the kernel's answer. Returns as in nl.h.
 */
#ifndef FZ_RTNL_H
#define FZ_RTNL_H

#include "error.h"
#include "types.h"

struct fz_rtnl;

/* A link, as far as anybody here asks. */
struct fz_link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	char kind[16];			/* "" for a link without one, such as lo or a NIC */
	bool up;			/* administratively */
	bool running;
	uint32_t mtu;
};

/**
 * struct fz_route - a route to a prefix through a device
 * @via: family 0 if directly reachable
 * @src: preferred source, family 0 if left to the kernel
 * @table: 0 is the main table
 * @metric: 0 is the kernel's choice
 * @mtu: 0 is the device's
 */
struct fz_route {
	struct fz_prefix dst;
	struct fz_addr via;
	struct fz_addr src;
	uint32_t ifindex;
	uint32_t table;
	uint32_t metric;
	uint32_t mtu;
	uint8_t protocol;		/* RTPROT_*; 0 is RTPROT_STATIC */
};

/**
 * struct fz_rule - which table a packet is routed by
 * @priority: 0 is the kernel's choice: before all that are there but the first
 * @table: of routes
 * @mark: 0 if packets of every mark are meant
 * @not_marked: those are meant that do not carry @mark
 * @no_default: the table's default routes do not count
 */
struct fz_rule {
	sa_family_t family;
	uint32_t priority;
	uint32_t table;
	uint32_t mark;
	bool not_marked;
	bool no_default;
};

/* A local address, with the length of its network. */
struct fz_local_addr {
	uint32_t ifindex;
	struct fz_prefix prefix;
};

int fz_rtnl_open(struct fz_rtnl **rt, struct fz_error *err);
void fz_rtnl_close(struct fz_rtnl *rt);

int fz_rtnl_link_add(struct fz_rtnl *rt, const char *name, const char *kind, struct fz_error *err);
int fz_rtnl_link_del(struct fz_rtnl *rt, const char *name, struct fz_error *err);
int fz_rtnl_link_get(struct fz_rtnl *rt, const char *name, struct fz_link *link, struct fz_error *err);
int fz_rtnl_link_list(struct fz_rtnl *rt, struct fz_link **list, size_t *n, struct fz_error *err);
int fz_rtnl_link_up(struct fz_rtnl *rt, const char *name, struct fz_error *err);
int fz_rtnl_link_down(struct fz_rtnl *rt, const char *name, struct fz_error *err);
int fz_rtnl_link_mtu(struct fz_rtnl *rt, const char *name, uint32_t mtu, struct fz_error *err);

/* Adding what is there already, and deleting what is not, is no error. */
int fz_rtnl_addr_add(struct fz_rtnl *rt, const char *dev, const struct fz_prefix *addr,
		     struct fz_error *err);
int fz_rtnl_addr_del(struct fz_rtnl *rt, const char *dev, const struct fz_prefix *addr,
		     struct fz_error *err);
int fz_rtnl_addr_list(struct fz_rtnl *rt, struct fz_local_addr **list, size_t *n, struct fz_error *err);
int fz_rtnl_route_add(struct fz_rtnl *rt, const struct fz_route *route, struct fz_error *err);
int fz_rtnl_route_del(struct fz_rtnl *rt, const struct fz_route *route, struct fz_error *err);
int fz_rtnl_route_list(struct fz_rtnl *rt, uint32_t ifindex, struct fz_route **list, size_t *n,
		       struct fz_error *err);
int fz_rtnl_route_get(struct fz_rtnl *rt, const struct fz_addr *to, struct fz_route *route, struct fz_error *err);
int fz_rtnl_table_used(struct fz_rtnl *rt, uint32_t table, bool *used, struct fz_error *err);

int fz_rtnl_rule_add(struct fz_rtnl *rt, const struct fz_rule *rule, struct fz_error *err);
int fz_rtnl_rule_del(struct fz_rtnl *rt, const struct fz_rule *rule, struct fz_error *err);
int fz_rtnl_rule_list(struct fz_rtnl *rt, sa_family_t family, struct fz_rule **list, size_t *n,
		      struct fz_error *err);

/* For a program that wants to know when links, addresses or routes change. */
int fz_rtnl_monitor(struct fz_rtnl *rt, struct fz_error *err);
int fz_rtnl_fd(const struct fz_rtnl *rt);
int fz_rtnl_drain(struct fz_rtnl *rt);

#endif
