/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which resources somebody may have a grant to: a Bloom filter.
 *
 * Most of what covers a destination is granted to others. The filter says so without touching the
 * resource or the table of grants, which a lookup in a large policy would have to fetch from memory.
 * All bits of a resource are in one word (a blocked filter: Putze, Sanders and Singler, "Cache-,
 * Hash- and Space-Efficient Bloom Filters").
 */

#ifndef _FZ_AUTHZ_FILTER_H
#define _FZ_AUTHZ_FILTER_H

#include <linux/hash.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

struct fz_resource;
struct list_head;

/**
 * struct fz_filter - a set of resources; grows by being replaced
 * @rcu: frees it
 * @noted: resources that were added, ever; the writer's
 * @shift: 32 less the logarithm of the number of @words
 * @words: READ_ONCE
 */
struct fz_filter {
	struct rcu_head rcu;
	unsigned int noted;
	unsigned int shift;
	u64 words[];
};

int fz_filter_note(struct fz_filter __rcu **slot, const struct list_head *grants,
		   unsigned int count, const struct fz_resource *resource);
void fz_filter_free(struct fz_filter __rcu **slot);

/**
 * fz_filter_tag() - what a filter knows a resource by
 * @resource: compared, never followed
 *
 * Context: any.
 * Return: the tag.
 */
static inline u32 fz_filter_tag(const struct fz_resource *resource)
{
	return hash_long((unsigned long)resource, 32);
}

static inline u64 fz_filter_bits(u32 tag)
{
	return BIT_ULL(tag & 63) | BIT_ULL(tag >> 6 & 63);
}

/**
 * fz_filter_has() - whether there may be a grant to a resource
 * @filter: NULL if there are none
 * @tag: of the resource
 *
 * Context: RCU.
 * Return: false if there is none.
 */
static inline bool fz_filter_has(const struct fz_filter *filter, u32 tag)
{
	u64 bits = fz_filter_bits(tag);

	return filter && (READ_ONCE(filter->words[tag >> filter->shift]) & bits) == bits;
}

#endif /* _FZ_AUTHZ_FILTER_H */
