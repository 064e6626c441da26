// SPDX-License-Identifier: GPL-2.0-only
/* The index of services at one prefix. */

#include "authz/services.h"

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "authz/filter.h"
#include "authz/policy.h"

/**
 * fz_services_alloc() - makes an index to be filled
 * @count: intervals it will have, at least one
 *
 * Context: may sleep.
 * Return: the index, or NULL without memory.
 */
struct fz_services *fz_services_alloc(unsigned int count)
{
	struct fz_services *services;

	services = kvzalloc(struct_size(services, intervals, count), GFP_KERNEL_ACCOUNT);
	if (services)
		services->count = count;
	return services;
}

/**
 * fz_services_free() - frees an index that no reader has seen or can see
 * @services: NULL is fine
 *
 * Context: may sleep.
 */
void fz_services_free(struct fz_services *services)
{
	kvfree(services);
}

/**
 * fz_services_retire() - frees an index after its last reader
 * @services: no longer published; NULL is fine
 *
 * Context: may sleep.
 */
void fz_services_retire(struct fz_services *services)
{
	if (services)
		kvfree_rcu(services, rcu);
}

static u32 first_of(const struct fz_service *service)
{
	return service->proto << 16 | (service->all ? 0 : service->min);
}

static u32 last_of(const struct fz_service *service)
{
	return service->proto << 16 | (service->all ? 0xffff : service->max);
}

/**
 * fz_services_fill() - sets one interval
 * @services: not sealed yet
 * @at: number of the interval, counted up
 * @shape: whose it is
 * @service: what it is; NULL everything
 *
 * Context: any.
 */
void fz_services_fill(struct fz_services *services, unsigned int *at, struct fz_shape *shape,
		      const struct fz_service *service)
{
	struct fz_interval *interval = &services->intervals[(*at)++];

	interval->shape = shape;
	interval->tag = fz_filter_tag(shape->resource);
	if (!service) {
		interval->first = 0;
		interval->last = FZ_SERVICE_LAST;
		return;
	}
	interval->first = first_of(service);
	interval->last = last_of(service);
}

static int compare(const void *a, const void *b)
{
	const struct fz_interval *one = a, *other = b;

	return one->first < other->first ? -1 : one->first > other->first;
}

/* The middle of a range is the root of its subtree. */
static u32 middle(u32 from, u32 to)
{
	return from + (to - from) / 2;
}

/* Depth is the logarithm of the count. */
static u32 set_reach(struct fz_services *services, u32 from, u32 to)
{
	struct fz_interval *root = &services->intervals[middle(from, to)];

	root->reach = root->last;
	if (from < middle(from, to))
		root->reach = max(root->reach, set_reach(services, from, middle(from, to)));
	if (middle(from, to) + 1 < to)
		root->reach = max(root->reach, set_reach(services, middle(from, to) + 1, to));
	return root->reach;
}

/**
 * fz_services_seal() - makes an index ready for questions
 * @services: all intervals are set
 *
 * Context: may take long.
 */
void fz_services_seal(struct fz_services *services)
{
	sort(services->intervals, services->count, sizeof(services->intervals[0]), compare, NULL);
	set_reach(services, 0, services->count);
}

/**
 * fz_services_strike() - takes shapes that are gone out of a published index
 * @services: NULL is fine
 *
 * For when there is no memory for a new index.
 *
 * Context: the writer.
 */
void fz_services_strike(struct fz_services *services)
{
	unsigned int i;

	for (i = 0; services && i < services->count; i++) {
		const struct fz_shape *shape = services->intervals[i].shape;

		if (shape && shape->gone)
			WRITE_ONCE(services->intervals[i].shape, NULL);
	}
}

/**
 * fz_services_point() - where a packet is on the line of protocols and ports
 * @tuple: of the packet
 *
 * Context: any.
 * Return: the point.
 */
u32 fz_services_point(const struct fz_tuple *tuple)
{
	if (fz_proto_is_icmp(tuple->family, tuple->proto))
		return tuple->proto << 16 | tuple->icmp_type;
	if (fz_proto_has_ports(tuple->proto))
		return tuple->proto << 16 | tuple->dport;
	/* No type is that high: only whole protocols cover ICMP of the other family. */
	return tuple->proto << 16 | 0xffff;
}

/**
 * fz_services_ask() - begins a question
 * @walk: its state
 * @services: the index, NULL is fine; stays as long as the walk
 * @point: see fz_services_point()
 *
 * Context: RCU, or the writer.
 */
void fz_services_ask(struct fz_services_walk *walk, const struct fz_services *services, u32 point)
{
	walk->services = services;
	walk->point = point;
	walk->depth = 0;
	if (services) {
		walk->from[0] = 0;
		walk->to[0] = services->count;
		walk->depth = 1;
	}
}

static void push(struct fz_services_walk *walk, u32 from, u32 to)
{
	if (from >= to)
		return;
	walk->from[walk->depth] = from;
	walk->to[walk->depth] = to;
	walk->depth++;
}

/**
 * fz_services_answer() - the next shape that has a service at the point
 * @walk: begun by fz_services_ask()
 * @tag: set to that of the shape's resource
 *
 * Context: RCU, or the writer.
 * Return: a shape, perhaps more than once, or NULL at the end. It counts only if it still is its
 * resource's.
 */
struct fz_shape *fz_services_answer(struct fz_services_walk *walk, u32 *tag)
{
	while (walk->depth) {
		u32 from = walk->from[--walk->depth];
		u32 to = walk->to[walk->depth];
		u32 root = middle(from, to);
		const struct fz_interval *interval = &walk->services->intervals[root];
		struct fz_shape *shape;

		if (interval->reach < walk->point)
			continue;
		push(walk, from, root);
		if (interval->first > walk->point)
			continue;
		push(walk, root + 1, to);
		shape = READ_ONCE(interval->shape);
		if (interval->last >= walk->point && shape) {
			*tag = interval->tag;
			return shape;
		}
	}
	return NULL;
}

static bool has_service(const struct fz_shape *shape, u32 point)
{
	unsigned int i;

	for (i = 0; i < shape->n_services; i++) {
		const struct fz_service *service = &shape->services[i];
		if (first_of(service) <= point && point <= last_of(service))
			return true;
	}
	return !shape->n_services;
}

/**
 * fz_services_cover() - whether a shape covers a destination, without an index
 * @shape: the shape
 * @tuple: of a packet
 *
 * Context: RCU, or the writer.
 * Return: true if it does.
 */
bool fz_services_cover(const struct fz_shape *shape, const struct fz_tuple *tuple)
{
	unsigned int i;

	if (!has_service(shape, fz_services_point(tuple)))
		return false;
	for (i = 0; i < shape->n_prefixes; i++) {
		if (fz_prefix_covers(&shape->prefixes[i], tuple->family, &tuple->dst))
			return true;
	}
	return false;
}
