/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A radix trie over the prefixes of one family.
 *
 * Each node is a prefix; a child extends its parent's prefix by at least one bit. Nodes that only
 * part two children hold nothing. All prefixes that cover an address are on its path, which goes by
 * the bits after each node's prefix and has at most one node per bit of the address; what follows the
 * first that does not cover it does not either.
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
 * struct fz_site - what is bound at a prefix; the writer's
 * @node: of the prefix
 * @bindings: struct fz_binding.node
 * @dirty: in the policy's list while the node does not show @bindings
 */
struct fz_site {
	struct fz_trie_node *node;
	struct list_head bindings;
	struct list_head dirty;
};

/**
 * struct fz_trie_node - a prefix
 * @child: by the bit after the prefix; RCU
 * @services: index over what is bound here, NULL if nothing is. RCU
 * @prefix: never changes
 * @tag: of the only resource that @services can lead to, see fz_filter_tag(); 0 of several. READ_ONCE
 * @site: NULL if nothing is to be bound here; the writer's
 * @rcu: frees it
 *
 * A cache line each: in a large trie most of them come from memory.
 */
struct fz_trie_node {
	struct fz_trie_node __rcu *child[2];
	struct fz_services __rcu *services;
	struct fz_prefix prefix;
	u32 tag;
	union {
		struct fz_site *site;
		struct rcu_head rcu;
	};
} __aligned(64);

static_assert(sizeof(struct fz_trie_node) == 64);

/**
 * struct fz_trie - the trie
 * @root: RCU
 */
struct fz_trie {
	struct fz_trie_node __rcu *root;
};

struct fz_site *fz_trie_get(struct fz_trie *trie, const struct fz_prefix *prefix);
void fz_trie_prune(struct fz_trie *trie, struct fz_site *site);
void fz_trie_free(struct fz_trie *trie);

/**
 * fz_trie_bit() - one bit of an address
 * @addr: the address
 * @bit: its number from the left, less than the address has
 *
 * Context: any.
 * Return: 0 or 1.
 */
static inline unsigned int fz_trie_bit(const union fz_addr *addr, unsigned int bit)
{
	return be32_to_cpu(addr->words[bit / 32]) >> (31 - bit % 32) & 1;
}

/**
 * fz_trie_next() - one step of the walk along the path of an address
 * @trie: of the address's family
 * @node: the step before, NULL at the beginning
 * @bits: that addresses of the family have
 * @addr: the address
 *
 * The path is not compared with the address, which most walks have no need of.
 *
 * Context: RCU, or the writer.
 * Return: the next longer node, which covers the address or nothing on the rest of the path does; NULL
 * at the end.
 */
static inline struct fz_trie_node *fz_trie_next(const struct fz_trie *trie,
						const struct fz_trie_node *node, unsigned int bits,
						const union fz_addr *addr)
{
	if (!node)
		return rcu_dereference_check(trie->root, 1);
	if (node->prefix.len >= bits)
		return NULL;
	return rcu_dereference_check(node->child[fz_trie_bit(addr, node->prefix.len)], 1);
}

#endif /* _FZ_AUTHZ_TRIE_H */
