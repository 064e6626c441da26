// SPDX-License-Identifier: GPL-2.0-only
/* A radix trie over prefixes. */

#include "authz/trie.h"

#include <linux/sched.h>
#include <linux/slab.h>

#include "authz/services.h"

/* Only the writer follows pointers with this. */
#define own(pointer) rcu_dereference_protected(pointer, 1)

/* How many bits two prefixes have in common. */
static unsigned int common_bits(const struct fz_prefix *a, const struct fz_prefix *b)
{
	unsigned int limit = min(a->len, b->len);
	unsigned int i;

	for (i = 0; i * 32 < limit; i++) {
		u32 differ = be32_to_cpu(a->addr.words[i] ^ b->addr.words[i]);

		if (differ)
			return min(limit, i * 32 + 32 - fls(differ));
	}
	return limit;
}

static struct fz_trie_node *new_node(const struct fz_prefix *prefix, unsigned int len)
{
	struct fz_trie_node *node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!node)
		return NULL;
	node->prefix.family = prefix->family;
	node->prefix.len = len;
	for (i = 0; i * 32 < len; i++) {
		u32 word = be32_to_cpu(prefix->addr.words[i]);

		if (len < i * 32 + 32)
			word &= ~0U << (i * 32 + 32 - len);
		node->prefix.addr.words[i] = cpu_to_be32(word);
	}
	return node;
}

/* Puts a new node for @prefix where @below is, with @below under it, or beside it under a third. */
static struct fz_trie_node *split(struct fz_trie_node __rcu **slot, struct fz_trie_node *below,
				  const struct fz_prefix *prefix, unsigned int common)
{
	struct fz_trie_node *node = new_node(prefix, prefix->len);
	struct fz_trie_node *fork;

	if (!node)
		return NULL;
	if (common == prefix->len) {
		RCU_INIT_POINTER(node->child[fz_trie_bit(&below->prefix.addr, common)], below);
		rcu_assign_pointer(*slot, node);
		return node;
	}
	fork = new_node(prefix, common);
	if (!fork) {
		kfree(node);
		return NULL;
	}
	RCU_INIT_POINTER(fork->child[fz_trie_bit(&below->prefix.addr, common)], below);
	RCU_INIT_POINTER(fork->child[fz_trie_bit(&prefix->addr, common)], node);
	rcu_assign_pointer(*slot, fork);
	return node;
}

static struct fz_trie_node *find_or_add(struct fz_trie *trie, const struct fz_prefix *prefix)
{
	struct fz_trie_node __rcu **slot = &trie->root;
	struct fz_trie_node *node;

	while ((node = own(*slot))) {
		unsigned int common = common_bits(&node->prefix, prefix);

		if (common < node->prefix.len)
			return split(slot, node, prefix, common);
		if (common == prefix->len)
			return node;
		slot = &node->child[fz_trie_bit(&prefix->addr, common)];
	}
	node = new_node(prefix, prefix->len);
	if (node)
		rcu_assign_pointer(*slot, node);
	return node;
}

/**
 * fz_trie_get() - the site of a prefix, made if it is not there
 * @trie: of the prefix's family
 * @prefix: clean
 *
 * Context: the writer; may sleep.
 * Return: the site, or NULL without memory. One without bindings is to be given to fz_trie_prune() in
 * the end.
 */
struct fz_site *fz_trie_get(struct fz_trie *trie, const struct fz_prefix *prefix)
{
	struct fz_site *site = kzalloc(sizeof(*site), GFP_KERNEL_ACCOUNT);
	struct fz_trie_node *node;

	if (!site)
		return NULL;
	node = find_or_add(trie, prefix);
	if (!node || node->site) {
		kfree(site);
		return node ? node->site : NULL;
	}
	INIT_LIST_HEAD(&site->bindings);
	INIT_LIST_HEAD(&site->dirty);
	site->node = node;
	node->site = site;
	return site;
}

/* Whether nothing is at a node and it does not part two others. */
static bool is_idle(const struct fz_trie_node *node)
{
	return !node->site &&
	       !(rcu_access_pointer(node->child[0]) && rcu_access_pointer(node->child[1]));
}

/**
 * fz_trie_prune() - takes a site away if nothing is bound there any more, with what it alone needs
 * @trie: that holds it
 * @site: a site of @trie, not dirty
 *
 * Context: the writer. Frees nodes after the last reader.
 */
void fz_trie_prune(struct fz_trie *trie, struct fz_site *site)
{
	struct fz_trie_node __rcu **slot = &trie->root, **above = NULL;
	struct fz_trie_node *at, *parent = NULL, *node = site->node;

	if (!list_empty(&site->bindings) || rcu_access_pointer(node->services))
		return;
	node->site = NULL;
	kfree(site);
	if (!is_idle(node))
		return;
	while ((at = own(*slot)) != node) {
		above = slot;
		parent = at;
		slot = &at->child[fz_trie_bit(&node->prefix.addr, at->prefix.len)];
	}
	at = own(node->child[0]) ?: own(node->child[1]);
	rcu_assign_pointer(*slot, at);
	kfree_rcu(node, rcu);
	/* Without children the node left its parent with one; a parent that only parted two is
	 * not needed then. Its own parent has still two.
	 */
	if (at || !parent || !is_idle(parent))
		return;
	rcu_assign_pointer(*above, own(parent->child[0]) ?: own(parent->child[1]));
	kfree_rcu(parent, rcu);
}

/**
 * fz_trie_free() - frees all nodes, sites and indexes
 * @trie: no reader is in it any more
 *
 * Context: the writer; may sleep.
 */
void fz_trie_free(struct fz_trie *trie)
{
	struct fz_trie_node *node = own(trie->root), *next;

	RCU_INIT_POINTER(trie->root, NULL);
	while (node) {
		next = own(node->child[0]);
		if (next) {
			/* Turned to the right until the least is on top: it needs no list of what is left. */
			RCU_INIT_POINTER(node->child[0], own(next->child[1]));
			RCU_INIT_POINTER(next->child[1], node);
		} else {
			next = own(node->child[1]);
			fz_services_free(own(node->services));
			kfree(node->site);
			kfree(node);
		}
		node = next;
		cond_resched();
	}
}
