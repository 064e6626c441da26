// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "tests/suites.h"
#include "tunnel/indextable.h"
#include "tunnel/peertable.h"

#define MANY 5000

static struct fz_index_entry *find_index(struct fz_indextable *table, __le32 index)
{
	struct fz_index_entry *entry;

	rcu_read_lock();
	entry = fz_indextable_find(table, index);
	rcu_read_unlock();
	return entry;
}

static struct fz_peertable_entry *find_key(struct fz_peertable *table, const u8 *key)
{
	struct fz_peertable_entry *entry;

	rcu_read_lock();
	entry = fz_peertable_find(table, key);
	rcu_read_unlock();
	return entry;
}

static void *zeroed(struct kunit *test, size_t count, size_t size)
{
	void *memory = kunit_kzalloc(test, count * size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, memory);
	return memory;
}

static void lookup_finds_each_index(struct kunit *test)
{
	struct fz_index_entry *entries = zeroed(test, MANY, sizeof(*entries));
	int i, missed = 0, left = 0;
	struct fz_indextable *table = zeroed(test, 1, sizeof(*table));
	__le32 old;

	KUNIT_ASSERT_EQ(test, fz_indextable_init(table), 0);
	for (i = 0; i < MANY; i++)
		missed += fz_indextable_insert(table, &entries[i]) != 0;
	for (i = 0; i < MANY; i++)
		missed += find_index(table, entries[i].index) != &entries[i];
	KUNIT_EXPECT_EQ(test, missed, 0);

	/* A new index for the same entry: the old one leads nowhere. */
	old = entries[0].index;
	KUNIT_EXPECT_EQ(test, fz_indextable_insert(table, &entries[0]), 0);
	KUNIT_EXPECT_PTR_EQ(test, find_index(table, entries[0].index), &entries[0]);
	if (entries[0].index != old)
		KUNIT_EXPECT_NULL(test, find_index(table, old));

	for (i = 0; i < MANY; i++) {
		fz_indextable_remove(table, &entries[i]);
		fz_indextable_remove(table, &entries[i]);
		left += !!find_index(table, entries[i].index);
	}
	KUNIT_EXPECT_EQ(test, left, 0);
	fz_indextable_destroy(table);
}

static void lookup_hands_an_index_on(struct kunit *test)
{
	struct fz_index_entry *handshake = zeroed(test, 1, sizeof(*handshake));
	struct fz_index_entry *keypair = zeroed(test, 1, sizeof(*keypair));
	struct fz_indextable *table = zeroed(test, 1, sizeof(*table));
	__le32 index;

	KUNIT_ASSERT_EQ(test, fz_indextable_init(table), 0);
	handshake->type = FZ_INDEX_HANDSHAKE;
	keypair->type = FZ_INDEX_KEYPAIR;

	/* There is nothing to hand on yet. */
	KUNIT_EXPECT_FALSE(test, fz_indextable_replace(table, handshake, keypair));
	KUNIT_EXPECT_FALSE(test, keypair->listed);

	KUNIT_ASSERT_EQ(test, fz_indextable_insert(table, handshake), 0);
	index = handshake->index;
	KUNIT_EXPECT_TRUE(test, fz_indextable_replace(table, handshake, keypair));
	KUNIT_EXPECT_PTR_EQ(test, find_index(table, index), keypair);
	KUNIT_EXPECT_FALSE(test, fz_indextable_replace(table, handshake, keypair));

	/* The handshake goes on with another index, and takes nothing from the session. */
	KUNIT_EXPECT_EQ(test, fz_indextable_insert(table, handshake), 0);
	KUNIT_EXPECT_NE(test, handshake->index, index);
	fz_indextable_remove(table, handshake);
	KUNIT_EXPECT_PTR_EQ(test, find_index(table, index), keypair);
	fz_indextable_remove(table, keypair);
	KUNIT_EXPECT_NULL(test, find_index(table, index));
	fz_indextable_destroy(table);
}

static void lookup_finds_each_key(struct kunit *test)
{
	struct fz_peertable_entry *entries = zeroed(test, MANY, sizeof(*entries));
	struct fz_peertable_entry *twin = zeroed(test, 1, sizeof(*twin));
	int i, missed = 0, mistaken = 0, left = 0;
	struct fz_peertable *table = zeroed(test, 1, sizeof(*table));
	u8 key[FZ_KEY_LEN];

	KUNIT_ASSERT_EQ(test, fz_peertable_init(table), 0);
	for (i = 0; i < MANY; i++) {
		get_random_bytes(entries[i].public_key, FZ_KEY_LEN);
		missed += fz_peertable_insert(table, &entries[i]) != 0;
	}
	memcpy(twin->public_key, entries[7].public_key, FZ_KEY_LEN);
	KUNIT_EXPECT_EQ(test, fz_peertable_insert(table, twin), -EEXIST);

	for (i = 0; i < MANY; i++) {
		missed += find_key(table, entries[i].public_key) != &entries[i];
		/* Every bit counts. */
		memcpy(key, entries[i].public_key, FZ_KEY_LEN);
		key[i % FZ_KEY_LEN] ^= 1 << i % 8;
		mistaken += !!find_key(table, key);
	}
	KUNIT_EXPECT_EQ(test, missed, 0);
	KUNIT_EXPECT_EQ(test, mistaken, 0);
	for (i = 0; i < MANY; i++) {
		fz_peertable_remove(table, &entries[i]);
		left += !!find_key(table, entries[i].public_key);
	}
	KUNIT_EXPECT_EQ(test, left, 0);
	KUNIT_EXPECT_EQ(test, fz_peertable_insert(table, twin), 0);
	KUNIT_EXPECT_PTR_EQ(test, find_key(table, twin->public_key), twin);
	fz_peertable_remove(table, twin);
	fz_peertable_destroy(table);
}

static struct kunit_case lookup_cases[] = {
	KUNIT_CASE(lookup_finds_each_index),
	KUNIT_CASE(lookup_hands_an_index_on),
	KUNIT_CASE(lookup_finds_each_key),
	{}
};

struct kunit_suite fz_lookup_suite = {
	.name = "fz_lookup",
	.test_cases = lookup_cases,
};
