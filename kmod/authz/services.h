/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The index at one prefix: which resources have a service at (protocol, port).
 *
 * A service is an interval of the line protocol * 65536 + port: one port, a range, all of a
 * protocol, or everything. The intervals are an array in order of their first point, read as a
 * balanced tree whose nodes know the last point of their subtree (an interval tree in the sense
 * of Cormen et al., section 14.3). A question costs the logarithm of the number of intervals, for
 * each interval that answers it.
 *
 * The array never changes once published, but for entries that are struck out.
 */

#ifndef _FZ_AUTHZ_SERVICES_H
#define _FZ_AUTHZ_SERVICES_H

#include <linux/rcupdate.h>
#include <linux/types.h>

#include "authz/resource.h"

struct fz_tuple;

/* The last point of the line. */
#define FZ_SERVICE_LAST 0xffffffU

/**
 * struct fz_interval - one service of one shape
 * @first: its first point
 * @last: its last point
 * @reach: the last point of all intervals in its subtree
 * @tag: of the shape's resource, see fz_filter_tag()
 * @shape: whose it is; struck out when NULL. READ_ONCE
 */
struct fz_interval {
	u32 first;
	u32 last;
	u32 reach;
	u32 tag;
	struct fz_shape *shape;
};

/**
 * struct fz_services - the index
 * @rcu: frees it
 * @count: length of @intervals
 * @intervals: in order of their first point
 */
struct fz_services {
	struct rcu_head rcu;
	unsigned int count;
	struct fz_interval intervals[];
};

/**
 * struct fz_services_walk - a question on its way through the tree
 * @services: the index
 * @point: that is asked for
 * @depth: ranges that are still to be looked at
 * @from: their first entries
 * @to: the entries after their last
 *
 * Each level leaves at most one range behind; a tree of 2^32 entries has 32 levels.
 */
struct fz_services_walk {
	const struct fz_services *services;
	u32 point;
	unsigned int depth;
	u32 from[34];
	u32 to[34];
};

struct fz_services *fz_services_alloc(unsigned int count);
void fz_services_free(struct fz_services *services);
void fz_services_retire(struct fz_services *services);
void fz_services_fill(struct fz_services *services, unsigned int *at, struct fz_shape *shape,
		      const struct fz_service *service);
void fz_services_seal(struct fz_services *services);
void fz_services_strike(struct fz_services *services);

u32 fz_services_point(const struct fz_tuple *tuple);
void fz_services_ask(struct fz_services_walk *walk, const struct fz_services *services, u32 point);
struct fz_shape *fz_services_answer(struct fz_services_walk *walk, u32 *tag);
bool fz_services_cover(const struct fz_shape *shape, const struct fz_tuple *tuple);

#endif /* _FZ_AUTHZ_SERVICES_H */
