// SPDX-License-Identifier: GPL-2.0-only
/* Which resources somebody may have a grant to. */

#include "authz/filter.h"

#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "authz/grant.h"

/* Resources for each word: one question in a hundred is answered wrongly then. */
#define PER_WORD 4
#define WORDS_MIN 8
/* What the bits of a word leave of a tag. */
#define WORDS_MAX (1U << 20)

static void add(struct fz_filter *filter, const struct fz_resource *resource)
{
	u32 tag = fz_filter_tag(resource);
	u64 *word = &filter->words[tag >> filter->shift];

	WRITE_ONCE(*word, *word | fz_filter_bits(tag));
	filter->noted++;
}

static unsigned int words_of(const struct fz_filter *filter)
{
	return 1U << (32 - filter->shift);
}

/* Whether it is full, and a new one would be larger, or rid of much that is gone. */
static bool is_worn(const struct fz_filter *filter, unsigned int count)
{
	unsigned int room = words_of(filter) * PER_WORD;

	return filter->noted >= room &&
	       (words_of(filter) < WORDS_MAX || filter->noted - room > 2 * count);
}

/* One with room for twice what there is, without what was taken away since. */
static struct fz_filter *renew(const struct list_head *grants, unsigned int count)
{
	const struct fz_grant *grant;
	struct fz_filter *filter;
	unsigned int words;

	words = clamp_t(unsigned int, roundup_pow_of_two(2 * count / PER_WORD + 1), WORDS_MIN,
			WORDS_MAX);
	filter = kvzalloc(struct_size(filter, words, words), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return NULL;
	filter->shift = 32 - ilog2(words);
	list_for_each_entry(grant, grants, peer_node) {
		add(filter, grant->key.resource);
		if (filter->noted % 1024 == 0)
			cond_resched();
	}
	return filter;
}

/**
 * fz_filter_note() - adds a resource
 * @slot: where the filter is; NULL in it if nothing was noted yet
 * @grants: all of whose resources have to be in it, by struct fz_grant.peer_node
 * @count: how many they are
 * @resource: to add
 *
 * Without memory for a larger one, the old one goes on: it says "perhaps" more often.
 *
 * Context: az->lock held; may sleep.
 * Return: 0, or -ENOMEM if there is none at all.
 */
int fz_filter_note(struct fz_filter __rcu **slot, const struct list_head *grants,
		   unsigned int count, const struct fz_resource *resource)
{
	struct fz_filter *old = rcu_dereference_protected(*slot, true), *filter = old;

	if (!old || is_worn(old, count))
		filter = renew(grants, count) ?: old;
	if (!filter)
		return -ENOMEM;
	if (filter != old) {
		rcu_assign_pointer(*slot, filter);
		if (old)
			kvfree_rcu(old, rcu);
	}
	add(filter, resource);
	return 0;
}

/**
 * fz_filter_free() - frees a filter
 * @slot: where it is; nobody notes anything there any more
 *
 * Context: may sleep. Freed after the last reader.
 */
void fz_filter_free(struct fz_filter __rcu **slot)
{
	struct fz_filter *filter = rcu_dereference_protected(*slot, true);

	RCU_INIT_POINTER(*slot, NULL);
	if (filter)
		kvfree_rcu(filter, rcu);
}
