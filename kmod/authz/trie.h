/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A radix trie over the prefixes of one family.
 *
 * Each node is a prefix; a child extends its parent's prefix by at least one bit. Nodes that only
 * part two children hold nothing. An address is inside all prefixes on its path and no others, so
 * a walk visits every covering prefix, and at most one node per bit of the address.
 *
 * Changed by one writer; read under RCU at any time.
 */

#ifndef _FZ_AUTHZ_TRIE_H
#define _FZ_AUTHZ_TRIE_H

#include <linux/list.h>
#include <linux/rcupdate.h>

#include "authz/tuple.h"

struct fz_services;

/**
 * struct fz_trie_node - a prefix
 * @child: by the bit after the prefix; RCU
 * @services: index over what is bound here, NULL if nothing is. RCU
 * @prefix: never changes
 * @tag: of the only resource that @services can lead to, see fz_filter_tag(); 0 of several. READ_ONCE
 * @bindings: struct fz_binding.node; the writer's
 * @dirty: in the policy's list while @services does not show @bindings; the writer's
 * @rcu: frees it
 *
 * What a walk reads is in one cache line: in a large trie most of them come from memory.
 */
struct fz_trie_node {
	struct fz_trie_node __rcu *child[2];
	struct fz_services __rcu *services;
	struct fz_prefix prefix;
	u32 tag;
	struct list_head bindings;
	struct list_head dirty;
	struct rcu_head rcu;
} __aligned(64);

static_assert(offsetofend(struct fz_trie_node, tag) <= 64);

/**
 * struct fz_trie - the trie
 * @root: RCU
 */
struct fz_trie {
	struct fz_trie_node __rcu *root;
};

struct fz_trie_node *fz_trie_get(struct fz_trie *trie, const struct fz_prefix *prefix);
void fz_trie_prune(struct fz_trie *trie, struct fz_trie_node *node);
void fz_trie_free(struct fz_trie *trie);
unsigned int fz_trie_bit(const union fz_addr *addr, unsigned int bit);

/**
 * fz_trie_next() - one step of the walk over all prefixes that cover an address
 * @trie: of the address's family
 * @node: the step before, NULL at the beginning
 * @family: of @addr
 * @addr: the address
 *
 * Context: RCU, or the writer.
 * Return: the next longer covering node, NULL at the end.
 */
static inline struct fz_trie_node *fz_trie_next(const struct fz_trie *trie,
						const struct fz_trie_node *node, u8 family,
						const union fz_addr *addr)
{
	struct fz_trie_node *next;

	if (node && node->prefix.len == fz_family_bits(family))
		return NULL;
	if (node)
		next = rcu_dereference_check(node->child[fz_trie_bit(addr, node->prefix.len)], 1);
	else
		next = rcu_dereference_check(trie->root, 1);
	if (!next || !fz_prefix_covers(&next->prefix, family, addr))
		return NULL;
	return next;
}

#endif /* _FZ_AUTHZ_TRIE_H */
