// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/inet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/skbuff.h>

#include "tests/suites.h"
#include "tunnel/allowedips.h"

#define PEERS 8
#define ENTRIES 600

/**
 * struct entry - a prefix as the oracle knows it
 * @used: it is in the table
 * @family: AF_INET or AF_INET6
 * @len: in bits
 * @address: 4 or 16 bytes, zeros after the prefix
 * @peer: number of the owner
 */
struct entry {
	bool used;
	u8 family;
	u8 len;
	u8 address[16];
	unsigned int peer;
};

/**
 * struct scene - a table and what ought to be in it
 * @table: under test
 * @lock: the update lock
 * @owned: each peer's list
 * @entries: the oracle
 * @random: reproducible
 */
struct scene {
	struct fz_allowedips table;
	struct mutex lock;
	struct list_head owned[PEERS];
	struct entry entries[ENTRIES];
	struct rnd_state random;
};

/* Peers are told apart by address and never followed. */
static struct fz_peer *peer(struct scene *scene, unsigned int number)
{
	return (struct fz_peer *)&scene->owned[number];
}

static int init(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scene);
	mutex_init(&scene->lock);
	fz_allowedips_init(&scene->table, &scene->lock);
	for (int i = 0; i < PEERS; i++)
		INIT_LIST_HEAD(&scene->owned[i]);
	prandom_seed_state(&scene->random, 4632);
	test->priv = scene;
	return 0;
}

/* Each case changes the table between begin() and end(), in the thread that it runs in. */
static struct scene *begin(struct kunit *test)
{
	struct scene *scene = test->priv;

	mutex_lock(&scene->lock);
	return scene;
}

static void end(struct kunit *test)
{
	struct scene *scene = test->priv;

	fz_allowedips_clear(&scene->table);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(scene->table.root4), NULL);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(scene->table.root6), NULL);
	for (int i = 0; i < PEERS; i++)
		KUNIT_EXPECT_TRUE(test, list_empty(&scene->owned[i]));
	mutex_unlock(&scene->lock);
}

static u8 family_of(const char *text)
{
	return strchr(text, ':') ? AF_INET6 : AF_INET;
}

static void read_address(struct kunit *test, const char *text, u8 address[16])
{
	int ok = family_of(text) == AF_INET6 ? in6_pton(text, -1, address, -1, NULL) :
					       in4_pton(text, -1, address, -1, NULL);

	KUNIT_ASSERT_EQ_MSG(test, ok, 1, "%s", text);
}

static int insert(struct kunit *test, const char *text, u8 len, unsigned int number)
{
	struct scene *scene = test->priv;
	u8 address[16];

	read_address(test, text, address);
	return fz_allowedips_insert(&scene->table, family_of(text), address, len,
				    peer(scene, number), &scene->owned[number]);
}

static int take(struct kunit *test, const char *text, u8 len, unsigned int number)
{
	struct scene *scene = test->priv;
	u8 address[16];

	read_address(test, text, address);
	return fz_allowedips_remove(&scene->table, family_of(text), address, len,
				    peer(scene, number));
}

/* Number of the peer that an address belongs to, or -1. */
static int owner(struct scene *scene, u8 family, const u8 *address)
{
	struct fz_peer *found;

	rcu_read_lock();
	found = family == AF_INET ? fz_allowedips_lookup4(&scene->table, (const void *)address) :
				    fz_allowedips_lookup6(&scene->table, (const void *)address);
	rcu_read_unlock();
	return found ? (struct list_head *)found - scene->owned : -1;
}

static int owner_of(struct kunit *test, const char *text)
{
	u8 address[16];

	read_address(test, text, address);
	return owner(test->priv, family_of(text), address);
}

static void allowedips_prefers_the_longest(struct kunit *test)
{
	begin(test);
	KUNIT_EXPECT_EQ(test, owner_of(test, "192.0.2.1"), -1);
	KUNIT_EXPECT_EQ(test, insert(test, "0.0.0.0", 0, 0), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "192.0.2.0", 24, 1), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "192.0.0.0", 16, 2), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "192.0.2.128", 25, 3), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "192.0.2.255", 32, 4), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "192.0.3.0", 24, 5), 0);

	KUNIT_EXPECT_EQ(test, owner_of(test, "8.8.8.8"), 0);
	KUNIT_EXPECT_EQ(test, owner_of(test, "255.255.255.255"), 0);
	KUNIT_EXPECT_EQ(test, owner_of(test, "192.0.2.1"), 1);
	KUNIT_EXPECT_EQ(test, owner_of(test, "192.0.200.1"), 2);
	KUNIT_EXPECT_EQ(test, owner_of(test, "192.0.2.128"), 3);
	KUNIT_EXPECT_EQ(test, owner_of(test, "192.0.2.254"), 3);
	KUNIT_EXPECT_EQ(test, owner_of(test, "192.0.2.255"), 4);
	KUNIT_EXPECT_EQ(test, owner_of(test, "192.0.3.255"), 5);
	/* The families have nothing to do with each other: c000:02ff is 192.0.2.255. */
	KUNIT_EXPECT_EQ(test, owner_of(test, "c000:2ff::"), -1);

	KUNIT_EXPECT_EQ(test, insert(test, "2001:db8::", 32, 1), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "2001:db8:0:1::", 64, 2), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "2001:db8:0:1:8000::", 65, 3), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "2001:db8:0:1:8000::1", 128, 4), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "2001:db8:0:1:8000::2", 127, 5), 0);
	KUNIT_EXPECT_EQ(test, owner_of(test, "2001:db9::"), -1);
	KUNIT_EXPECT_EQ(test, owner_of(test, "2001:db8:ffff::"), 1);
	KUNIT_EXPECT_EQ(test, owner_of(test, "2001:db8:0:1::5"), 2);
	KUNIT_EXPECT_EQ(test, owner_of(test, "2001:db8:0:1:8000::"), 3);
	KUNIT_EXPECT_EQ(test, owner_of(test, "2001:db8:0:1:8000::1"), 4);
	KUNIT_EXPECT_EQ(test, owner_of(test, "2001:db8:0:1:8000::3"), 5);
	KUNIT_EXPECT_EQ(test, owner_of(test, "2001:db8:0:1:8000::4"), 3);
	end(test);
}

static void allowedips_moves_a_prefix(struct kunit *test)
{
	struct scene *scene = begin(test);

	/* Host bits do not count. */
	KUNIT_EXPECT_EQ(test, insert(test, "10.1.2.3", 8, 0), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "10.9.9.9", 8, 1), 0);
	KUNIT_EXPECT_EQ(test, owner_of(test, "10.200.0.1"), 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&scene->owned[0]));
	KUNIT_EXPECT_TRUE(test, list_is_singular(&scene->owned[1]));

	KUNIT_EXPECT_EQ(test, take(test, "10.0.0.0", 8, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, take(test, "10.0.0.0", 9, 1), -ENOENT);
	KUNIT_EXPECT_EQ(test, owner_of(test, "10.200.0.1"), 1);
	KUNIT_EXPECT_EQ(test, take(test, "10.0.0.0", 8, 1), 0);
	KUNIT_EXPECT_EQ(test, owner_of(test, "10.200.0.1"), -1);
	KUNIT_EXPECT_EQ(test, take(test, "10.0.0.0", 8, 1), -ENOENT);
	end(test);
}

/* Flows are judged again only where a peer has lost something. */
static void allowedips_says_what_was_lost(struct kunit *test)
{
	struct scene *scene = begin(test);
	static const struct {
		const char *address;
		u8 len;
		unsigned int peer;
		bool lost;
	} gifts[] = {
		{ "10.0.0.0", 8, 0, false },
		{ "10.0.0.0", 8, 0, false },
		{ "10.1.0.0", 16, 0, false },
		{ "11.0.0.0", 8, 1, false },
		/* Of what another has; then, of its own, and of nobody's. */
		{ "10.1.2.0", 24, 1, true },
		{ "10.1.2.3", 32, 1, false },
		{ "10.1.2.3", 32, 0, true },
		{ "10.0.0.0", 8, 1, true },
		{ "0.0.0.0", 0, 2, false },
		{ "12.0.0.0", 8, 2, false },
		{ "10.128.0.0", 9, 2, true },
		{ "fd00::", 8, 2, false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(gifts); i++) {
		KUNIT_EXPECT_EQ(test, 0, insert(test, gifts[i].address, gifts[i].len,
						gifts[i].peer));
		KUNIT_EXPECT_EQ_MSG(test, gifts[i].lost, fz_allowedips_lost(&scene->table),
				    "gift %u", i);
	}
	KUNIT_EXPECT_EQ(test, -ENOENT, take(test, "12.0.0.0", 8, 1));
	KUNIT_EXPECT_FALSE(test, fz_allowedips_lost(&scene->table));
	KUNIT_EXPECT_EQ(test, 0, take(test, "10.128.0.0", 9, 2));
	KUNIT_EXPECT_TRUE(test, fz_allowedips_lost(&scene->table));
	/* A shorter prefix of the same peer holds it still. */
	KUNIT_EXPECT_EQ(test, 0, take(test, "12.0.0.0", 8, 2));
	KUNIT_EXPECT_FALSE(test, fz_allowedips_lost(&scene->table));
	fz_allowedips_remove_by_peer(&scene->table, &scene->owned[1]);
	KUNIT_EXPECT_TRUE(test, fz_allowedips_lost(&scene->table));
	KUNIT_EXPECT_FALSE(test, fz_allowedips_lost(&scene->table));
	end(test);
}

/* Whoever states the same again takes nothing away, not even for a moment. */
static void allowedips_are_stated_again(struct kunit *test)
{
	static const struct {
		const char *address;
		u8 len;
		bool lost;
	} stated[] = {
		{ "10.1.2.0", 24, false },
		/* More; the longer one goes, but is held by the shorter; less. */
		{ "10.1.0.0", 16, false },
		{ "10.1.2.0", 24, true },
	};
	struct scene *scene = begin(test);
	unsigned int i;
	LIST_HEAD(aside);

	KUNIT_EXPECT_EQ(test, 0, insert(test, "10.0.0.0", 16, 1));
	KUNIT_EXPECT_EQ(test, 0, insert(test, "10.1.2.0", 24, 0));
	KUNIT_EXPECT_EQ(test, 0, insert(test, "fd00::", 8, 0));
	fz_allowedips_lost(&scene->table);
	for (i = 0; i < ARRAY_SIZE(stated); i++) {
		fz_allowedips_set_aside(&scene->owned[0], &aside);
		KUNIT_EXPECT_EQ(test, 0, owner_of(test, "10.1.2.3"));
		KUNIT_EXPECT_EQ(test, 0, insert(test, stated[i].address, stated[i].len, 0));
		KUNIT_EXPECT_EQ(test, 0, owner_of(test, "10.1.2.3"));
		KUNIT_EXPECT_EQ(test, 0, insert(test, "fd00::", 8, 0));
		fz_allowedips_remove_by_peer(&scene->table, &aside);
		KUNIT_EXPECT_EQ(test, 0, owner_of(test, "10.1.2.3"));
		KUNIT_EXPECT_EQ_MSG(test, stated[i].lost, fz_allowedips_lost(&scene->table),
				    "set %u", i);
	}
	KUNIT_EXPECT_EQ(test, -1, owner_of(test, "10.1.3.3"));
	KUNIT_EXPECT_EQ(test, 1, owner_of(test, "10.0.3.3"));
	KUNIT_EXPECT_EQ(test, -ENOENT, take(test, "10.1.0.0", 16, 0));
	end(test);
}

static void allowedips_refuses_what_is_no_prefix(struct kunit *test)
{
	struct scene *scene = begin(test);
	u8 address[16] = {};
	u64 seq = scene->table.seq;

	KUNIT_EXPECT_EQ(test, insert(test, "10.0.0.0", 33, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, insert(test, "fd00::", 129, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, insert(test, "fd00::", 255, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, take(test, "10.0.0.0", 33, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, fz_allowedips_insert(&scene->table, AF_UNIX, address, 8,
						   peer(scene, 0), &scene->owned[0]), -EINVAL);
	KUNIT_EXPECT_NULL(test, fz_allowedips_find(&scene->table, AF_UNIX, address, 8));
	KUNIT_EXPECT_EQ(test, scene->table.seq, seq);
	KUNIT_EXPECT_TRUE(test, list_empty(&scene->owned[0]));
	end(test);
}

static void allowedips_reads_packets(struct kunit *test)
{
	struct scene *scene = begin(test);
	struct sk_buff *skb = alloc_skb(256, GFP_KERNEL);
	struct ipv6hdr *ip6;
	struct iphdr *ip4;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_EQ(test, insert(test, "10.0.0.1", 32, 1), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "10.0.0.2", 32, 2), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "fd00::1", 128, 3), 0);
	KUNIT_EXPECT_EQ(test, insert(test, "fd00::2", 128, 4), 0);

	skb_reset_network_header(skb);
	ip4 = skb_put_zero(skb, sizeof(*ip4));
	ip4->saddr = cpu_to_be32(0x0a000001);
	ip4->daddr = cpu_to_be32(0x0a000002);
	skb->protocol = htons(ETH_P_IP);
	rcu_read_lock();
	KUNIT_EXPECT_PTR_EQ(test, fz_allowedips_lookup_src(&scene->table, skb), peer(scene, 1));
	KUNIT_EXPECT_PTR_EQ(test, fz_allowedips_lookup_dst(&scene->table, skb), peer(scene, 2));
	rcu_read_unlock();

	skb_trim(skb, 0);
	ip6 = skb_put_zero(skb, sizeof(*ip6));
	read_address(test, "fd00::1", ip6->saddr.s6_addr);
	read_address(test, "fd00::2", ip6->daddr.s6_addr);
	skb->protocol = htons(ETH_P_IPV6);
	rcu_read_lock();
	KUNIT_EXPECT_PTR_EQ(test, fz_allowedips_lookup_src(&scene->table, skb), peer(scene, 3));
	KUNIT_EXPECT_PTR_EQ(test, fz_allowedips_lookup_dst(&scene->table, skb), peer(scene, 4));
	skb->protocol = htons(ETH_P_ARP);
	KUNIT_EXPECT_PTR_EQ(test, fz_allowedips_lookup_src(&scene->table, skb), NULL);
	rcu_read_unlock();
	kfree_skb(skb);
	end(test);
}

static u32 random(struct scene *scene, u32 below)
{
	return prandom_u32_state(&scene->random) % below;
}

static bool bit(const u8 *address, unsigned int at)
{
	return address[at / 8] >> (7 - at % 8) & 1;
}

/* Addresses that share beginnings of all lengths with others. */
static void random_address(struct scene *scene, u8 family, u8 address[16])
{
	const struct entry *like = &scene->entries[random(scene, ENTRIES)];
	unsigned int bits = family == AF_INET ? 32 : 128;
	unsigned int same = like->family == family ? random(scene, bits + 1) : random(scene, 8);
	unsigned int at;

	memset(address, 0, 16);
	for (at = 0; at < bits; at++)
		if (at < same ? bit(like->address, at) : random(scene, 2))
			address[at / 8] |= 0x80 >> at % 8;
}

static bool is_inside(const struct entry *entry, u8 family, const u8 *address)
{
	unsigned int at;

	if (!entry->used || entry->family != family)
		return false;
	for (at = 0; at < entry->len; at++)
		if (bit(entry->address, at) != bit(address, at))
			return false;
	return true;
}

static int oracle(struct scene *scene, u8 family, const u8 *address)
{
	const struct entry *best = NULL, *entry;

	for (entry = scene->entries; entry < scene->entries + ENTRIES; entry++)
		if (is_inside(entry, family, address) && (!best || entry->len > best->len))
			best = entry;
	return best ? (int)best->peer : -1;
}

static struct entry *oracle_find(struct scene *scene, const struct entry *like)
{
	struct entry *entry;

	for (entry = scene->entries; entry < scene->entries + ENTRIES; entry++)
		if (entry->used && entry->family == like->family && entry->len == like->len &&
		    !memcmp(entry->address, like->address, sizeof(like->address)))
			return entry;
	return NULL;
}

static void random_insert(struct kunit *test, struct entry *free_entry)
{
	struct scene *scene = test->priv;
	struct entry new = { .used = true };
	unsigned int at;

	new.family = random(scene, 2) ? AF_INET : AF_INET6;
	new.len = random(scene, new.family == AF_INET ? 33 : 129);
	new.peer = random(scene, PEERS);
	random_address(scene, new.family, new.address);
	KUNIT_ASSERT_EQ(test, fz_allowedips_insert(&scene->table, new.family, new.address, new.len,
						   peer(scene, new.peer), &scene->owned[new.peer]),
			0);
	for (at = new.len; at < 128; at++)
		new.address[at / 8] &= ~(0x80 >> at % 8);
	*(oracle_find(scene, &new) ?: free_entry) = new;
}

static void random_remove(struct kunit *test, struct entry *entry)
{
	struct scene *scene = test->priv;
	unsigned int number = random(scene, PEERS);

	KUNIT_EXPECT_EQ(test, fz_allowedips_remove(&scene->table, entry->family, entry->address,
						   entry->len, peer(scene, number)),
			number == entry->peer ? 0 : -ENOENT);
	if (number == entry->peer)
		entry->used = false;
}

/* The walks say the same as the oracle, entry by entry. */
static void compare_walks(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_allowedip *node;
	unsigned int number, walked = 0, used = 0;
	struct entry *entry;

	for (number = 0; number < PEERS; number++) {
		fz_allowedips_walk(node, &scene->owned[number]) {
			struct entry like = { .family = node->prefix.family };

			like.len = fz_allowedip_read(node, like.address);
			entry = oracle_find(scene, &like);
			KUNIT_ASSERT_NOT_NULL(test, entry);
			KUNIT_EXPECT_EQ(test, entry->peer, number);
			KUNIT_EXPECT_PTR_EQ(test, fz_allowedips_find(&scene->table, like.family,
								     like.address, like.len), node);
			walked++;
		}
	}
	for (entry = scene->entries; entry < scene->entries + ENTRIES; entry++)
		used += entry->used;
	KUNIT_EXPECT_EQ(test, walked, used);
}

static struct fz_allowedip *child_of(struct fz_allowedip *node, int which)
{
	return rcu_dereference_protected(node->child[which], true);
}

/* No node without a reason: it is somebody's, or it forks; and it is shorter than its children. */
static bool node_is_sound(struct fz_allowedip *node)
{
	struct fz_allowedip *child;
	int which, children = 0;

	for (which = 0; which < 2; which++) {
		child = child_of(node, which);
		if (!child)
			continue;
		children++;
		if (child->parent != node || child->prefix.len <= node->prefix.len)
			return false;
	}
	return rcu_access_pointer(node->peer) || children == 2;
}

/* Not by recursion: a trie may be deeper than the stack. */
static void check_shape(struct kunit *test, struct fz_allowedip __rcu *root)
{
	struct fz_allowedip *node = rcu_dereference_protected(root, true);
	struct fz_allowedip *next;
	unsigned int unsound = 0;

	while (node) {
		unsound += !node_is_sound(node);
		next = child_of(node, 0) ?: child_of(node, 1);
		while (!next && node->parent) {
			if (node == child_of(node->parent, 0))
				next = child_of(node->parent, 1);
			node = node->parent;
		}
		node = next;
	}
	KUNIT_EXPECT_EQ(test, unsound, 0);
}

static void compare_lookups(struct kunit *test, unsigned int count)
{
	struct scene *scene = test->priv;
	u8 address[16];
	u8 family;

	while (count--) {
		family = random(scene, 2) ? AF_INET : AF_INET6;
		random_address(scene, family, address);
		if (owner(scene, family, address) != oracle(scene, family, address)) {
			KUNIT_FAIL(test, "%16ph: %d, expected %d", address,
				   owner(scene, family, address), oracle(scene, family, address));
			return;
		}
	}
}

static void allowedips_agrees_with_brute_force(struct kunit *test)
{
	struct scene *scene = begin(test);
	struct entry *entry;
	int round, i;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < 300; i++) {
			entry = &scene->entries[random(scene, ENTRIES)];
			if (entry->used)
				random_remove(test, entry);
			else
				random_insert(test, entry);
		}
		compare_lookups(test, 300);
		compare_walks(test);
		check_shape(test, scene->table.root4);
		check_shape(test, scene->table.root6);
	}
	for (i = 0; i < PEERS; i++) {
		fz_allowedips_remove_by_peer(&scene->table, &scene->owned[i]);
		KUNIT_EXPECT_TRUE(test, list_empty(&scene->owned[i]));
		for (entry = scene->entries; entry < scene->entries + ENTRIES; entry++)
			entry->used &= entry->peer != i;
		compare_lookups(test, 100);
		compare_walks(test);
		check_shape(test, scene->table.root4);
		check_shape(test, scene->table.root6);
	}
	/* Nobody has anything, so there is nothing left. */
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(scene->table.root4), NULL);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(scene->table.root6), NULL);
	end(test);
}

static struct kunit_case allowedips_cases[] = {
	KUNIT_CASE(allowedips_prefers_the_longest),
	KUNIT_CASE(allowedips_moves_a_prefix),
	KUNIT_CASE(allowedips_says_what_was_lost),
	KUNIT_CASE(allowedips_are_stated_again),
	KUNIT_CASE(allowedips_refuses_what_is_no_prefix),
	KUNIT_CASE(allowedips_reads_packets),
	KUNIT_CASE(allowedips_agrees_with_brute_force),
	{}
};

struct kunit_suite fz_allowedips_suite = {
	.name = "fz_allowedips",
	.init = init,
	.test_cases = allowedips_cases,
};
