/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cryptokey routing: which peer an inner address belongs to, by the longest prefix.
 */
#ifndef _FZ_TUNNEL_ALLOWEDIPS_H
#define _FZ_TUNNEL_ALLOWEDIPS_H

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

struct fz_peer;
struct in6_addr;
struct in_addr;
struct mutex;
struct sk_buff;

/**
 * struct fz_allowedip_prefix - 128 bits from the left, of which IPv4 has the first 32
 * @high: first 64 bits, host order
 * @low: last 64 bits, host order
 * @len: how many bits count; those after are zero
 * @family: AF_INET or AF_INET6
 */
struct fz_allowedip_prefix {
	u64 high;
	u64 low;
	u8 len;
	u8 family;
};

/**
 * struct fz_allowedip - a node of the trie
 * @prefix: all below this node begin with it
 * @child: by the bit after the prefix; read under RCU
 * @peer: who owns the prefix, or NULL at a node that only forks. No reference: a peer's entries are
 *	removed before it, and it is freed an RCU grace period later
 * @parent: under the device's update_lock
 * @siblings: in the owner's list of entries, under update_lock
 * @rcu: once the node is out of trie and list
 */
struct fz_allowedip {
	struct fz_allowedip_prefix prefix;
	struct fz_allowedip __rcu *child[2];
	struct fz_peer __rcu *peer;
	struct fz_allowedip *parent;
	union {
		struct list_head siblings;
		struct rcu_head rcu;
	};
};

/**
 * struct fz_allowedips - the tries of one device
 * @root4: IPv4, read under RCU
 * @root6: IPv6, read under RCU
 * @lock: the device's update_lock: everything but lookups is done under it
 * @seq: moves with every change, so that a dump in parts notices one
 * @lost: some address may not be the peer's any more whose it was; under @lock
 */
struct fz_allowedips {
	struct fz_allowedip __rcu *root4;
	struct fz_allowedip __rcu *root6;
	struct mutex *lock;
	u64 seq;
	bool lost;
};

int fz_allowedips_module_init(void);
void fz_allowedips_module_exit(void);

void fz_allowedips_init(struct fz_allowedips *table, struct mutex *lock);
void fz_allowedips_clear(struct fz_allowedips *table);
int fz_allowedips_insert(struct fz_allowedips *table, u8 family, const void *address, u8 len,
			 struct fz_peer *peer, struct list_head *owned);
int fz_allowedips_remove(struct fz_allowedips *table, u8 family, const void *address, u8 len,
			 const struct fz_peer *peer);
void fz_allowedips_remove_by_peer(struct fz_allowedips *table, struct list_head *owned);
void fz_allowedips_set_aside(struct list_head *owned, struct list_head *aside);
bool fz_allowedips_lost(struct fz_allowedips *table);
struct fz_allowedip *fz_allowedips_find(struct fz_allowedips *table, u8 family,
					const void *address, u8 len);

/*
 * Lookups: any context, under RCU; the peer found is good until rcu_read_unlock(), or longer if a
 * reference can be taken.
 */
struct fz_peer *fz_allowedips_lookup4(const struct fz_allowedips *table,
				      const struct in_addr *address);
struct fz_peer *fz_allowedips_lookup6(const struct fz_allowedips *table,
				      const struct in6_addr *address);
struct fz_peer *fz_allowedips_lookup_dst(const struct fz_allowedips *table,
					 const struct sk_buff *skb);
struct fz_peer *fz_allowedips_lookup_src(const struct fz_allowedips *table,
					 const struct sk_buff *skb);

/**
 * fz_allowedips_walk - go through the prefixes of one peer, in the order of insertion
 * @entry: the &struct fz_allowedip to go by
 * @owned: the peer's list of entries, which fz_allowedips_insert() was given
 *
 * To go on where an earlier walk ended, find the entry with fz_allowedips_find() and use
 * list_for_each_entry_from(). Context: update_lock held.
 */
#define fz_allowedips_walk(entry, owned) list_for_each_entry(entry, owned, siblings)

u8 fz_allowedip_read(const struct fz_allowedip *entry, u8 address[16]);

#endif /* _FZ_TUNNEL_ALLOWEDIPS_H */
