// SPDX-License-Identifier: GPL-2.0-only
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "compat/unaligned.h"
#include "compat/workqueue.h"
#include "tunnel/clock.h"
#include "tunnel/ratelimiter.h"

/*
 * A bucket of tokens that are nanoseconds: time fills it, a message takes 1/20 s out, and it holds
 * five messages' worth.
 */
#define PER_SECOND	20
#define BURST		5
#define COST_NS		(NSEC_PER_SEC / PER_SECOND)
#define FULL_NS		(BURST * COST_NS)

/* A source this old has a full bucket again: nothing is lost when it is forgotten. */
#define IDLE_NS		NSEC_PER_SEC

#define SOURCES_MIN	1024U
#define SOURCES_MAX	65536U
#define SOURCES_PER_CHAIN 8

/**
 * struct source - who is counted together
 * @net: the netns; never followed, only compared
 * @prefix: an IPv4 address, or the first 64 bits of an IPv6 address: that much an attacker may own
 * @family: AF_INET or AF_INET6
 */
struct source {
	const struct net *net;
	u64 prefix;
	sa_family_t family;
};

/**
 * struct bucket - what a source may still do
 * @chain: in &struct fz_ratelimiter.chains
 * @source: whose it is; constant
 * @lock: protects what follows; taken inside &struct fz_ratelimiter.lock
 * @tokens_ns: what it may still do, as of @filled_ns
 * @filled_ns: when tokens were last added
 * @rcu: once out of the table
 */
struct bucket {
	struct hlist_node chain;
	struct source source;
	spinlock_t lock;
	u64 tokens_ns;
	u64 filled_ns;
	struct rcu_head rcu;
};

/**
 * struct fz_ratelimiter - all sources that came lately
 * @lock: for adding and removing; BH off. Lookups are under RCU
 * @chains: hash table of &struct bucket
 * @chain_bits: 2^chain_bits chains
 * @key: addresses come from outside; without this secret nobody can make them collide
 * @sources: how many there are; under @lock
 * @max_sources: how many there may be. When it is full, who is not in it is refused
 * @collector: forgets idle sources; pending only while there are any
 */
struct fz_ratelimiter {
	spinlock_t lock;
	struct hlist_head *chains;
	unsigned int chain_bits;
	siphash_key_t key;
	unsigned int sources;
	unsigned int max_sources;
	struct delayed_work collector;
};

static struct fz_ratelimiter *shared;

static bool read_source(struct source *source, const struct net *net,
			const struct sockaddr *address)
{
	source->net = net;
	source->family = address->sa_family;
	if (address->sa_family == AF_INET)
		source->prefix =
			be32_to_cpu(((const struct sockaddr_in *)address)->sin_addr.s_addr);
	else if (address->sa_family == AF_INET6)
		source->prefix =
			get_unaligned_be64(&((const struct sockaddr_in6 *)address)->sin6_addr);
	else
		return false;
	return true;
}

static struct hlist_head *chain_of(struct fz_ratelimiter *limiter, const struct source *source)
{
	u64 hash = siphash_3u64((unsigned long)source->net, source->prefix, source->family,
				&limiter->key);

	return &limiter->chains[hash & ((1U << limiter->chain_bits) - 1)];
}

/* Under RCU, or with the limiter's lock. */
static struct bucket *find(struct fz_ratelimiter *limiter, struct hlist_head *chain,
			   const struct source *source)
{
	struct bucket *bucket;

	hlist_for_each_entry_rcu(bucket, chain, chain, lockdep_is_held(&limiter->lock))
		if (bucket->source.net == source->net &&
		    bucket->source.prefix == source->prefix &&
		    bucket->source.family == source->family)
			return bucket;
	return NULL;
}

static bool charge(struct bucket *bucket, u64 now_ns)
{
	bool allowed;

	spin_lock_bh(&bucket->lock);
	if (now_ns > bucket->filled_ns) {
		bucket->tokens_ns = min_t(u64, FULL_NS,
					  bucket->tokens_ns + (now_ns - bucket->filled_ns));
		bucket->filled_ns = now_ns;
	}
	allowed = bucket->tokens_ns >= COST_NS;
	if (allowed)
		bucket->tokens_ns -= COST_NS;
	spin_unlock_bh(&bucket->lock);
	return allowed;
}

/* A source that is not known. Its lock is the limiter's. */
static struct bucket *add(struct fz_ratelimiter *limiter, struct hlist_head *chain,
			  const struct source *source, u64 now_ns)
{
	struct bucket *bucket;

	lockdep_assert_held(&limiter->lock);

	if (limiter->sources >= limiter->max_sources)
		return NULL;
	bucket = kzalloc(sizeof(*bucket), GFP_ATOMIC | __GFP_NOWARN);
	if (!bucket)
		return NULL;
	bucket->source = *source;
	spin_lock_init(&bucket->lock);
	bucket->tokens_ns = FULL_NS;
	bucket->filled_ns = now_ns;
	hlist_add_head_rcu(&bucket->chain, chain);
	limiter->sources++;
	queue_delayed_work(fz_compat_unbound_wq, &limiter->collector, HZ);
	return bucket;
}

/**
 * fz_ratelimiter_take() - may a source do one more thing
 * @limiter: that counts
 * @net: the netns that the source is in
 * @source: IPv4 or IPv6 address; the port does not count
 * @now_ns: fz_clock_now(), or what a test says
 *
 * Context: process context or softirq.
 * Return: true when it may. False when it came too often, or when it cannot be counted: no memory,
 *	too many sources at once, or an address of another family.
 */
bool fz_ratelimiter_take(struct fz_ratelimiter *limiter, const struct net *net,
			 const struct sockaddr *source, u64 now_ns)
{
	struct hlist_head *chain;
	struct bucket *bucket;
	bool allowed = false;
	struct source who;

	if (!read_source(&who, net, source))
		return false;
	chain = chain_of(limiter, &who);

	rcu_read_lock();
	bucket = find(limiter, chain, &who);
	if (!bucket) {
		spin_lock_bh(&limiter->lock);
		bucket = find(limiter, chain, &who) ?: add(limiter, chain, &who, now_ns);
		spin_unlock_bh(&limiter->lock);
	}
	if (bucket)
		allowed = charge(bucket, now_ns);
	rcu_read_unlock();
	return allowed;
}

/**
 * fz_ratelimiter_collect() - forget the sources that have been idle
 * @limiter: that counts
 * @now_ns: fz_clock_now(), or what a test says
 *
 * Context: may sleep.
 * Return: how many are left.
 */
unsigned int fz_ratelimiter_collect(struct fz_ratelimiter *limiter, u64 now_ns)
{
	struct hlist_node *next;
	struct bucket *bucket;
	unsigned int i, left;

	for (i = 0; i < 1U << limiter->chain_bits; i++) {
		if (hlist_empty(&limiter->chains[i]))
			continue;
		spin_lock_bh(&limiter->lock);
		hlist_for_each_entry_safe(bucket, next, &limiter->chains[i], chain) {
			if (now_ns < READ_ONCE(bucket->filled_ns) + IDLE_NS)
				continue;
			hlist_del_rcu(&bucket->chain);
			limiter->sources--;
			kfree_rcu(bucket, rcu);
		}
		spin_unlock_bh(&limiter->lock);
		cond_resched();
	}
	spin_lock_bh(&limiter->lock);
	left = limiter->sources;
	spin_unlock_bh(&limiter->lock);
	return left;
}

static void collector(struct work_struct *work)
{
	struct fz_ratelimiter *limiter = container_of(to_delayed_work(work), struct fz_ratelimiter,
						      collector);

	if (fz_ratelimiter_collect(limiter, fz_clock_now()))
		queue_delayed_work(fz_compat_unbound_wq, &limiter->collector, HZ);
}

/**
 * fz_ratelimiter_create() - begin to count
 * @max_sources: how many sources to remember at a time
 *
 * Context: may sleep.
 * Return: a limiter to be freed with fz_ratelimiter_destroy(), or NULL without memory.
 */
struct fz_ratelimiter *fz_ratelimiter_create(unsigned int max_sources)
{
	struct fz_ratelimiter *limiter = kzalloc(sizeof(*limiter), GFP_KERNEL);

	if (!limiter)
		return NULL;
	limiter->chain_bits = order_base_2(DIV_ROUND_UP(max_sources, SOURCES_PER_CHAIN));
	limiter->chains = kvcalloc(1U << limiter->chain_bits, sizeof(*limiter->chains), GFP_KERNEL);
	if (!limiter->chains) {
		kfree(limiter);
		return NULL;
	}
	spin_lock_init(&limiter->lock);
	limiter->max_sources = max_sources;
	get_random_bytes(&limiter->key, sizeof(limiter->key));
	INIT_DELAYED_WORK(&limiter->collector, collector);
	return limiter;
}

/**
 * fz_ratelimiter_destroy() - stop counting
 * @limiter: that nobody asks any more; or NULL
 *
 * Context: may sleep.
 */
void fz_ratelimiter_destroy(struct fz_ratelimiter *limiter)
{
	if (!limiter)
		return;
	cancel_delayed_work_sync(&limiter->collector);
	fz_ratelimiter_collect(limiter, U64_MAX);
	kvfree(limiter->chains);
	kfree(limiter);
}

/**
 * fz_ratelimiter_init() - begin to count for all devices
 *
 * Context: once, when the module is loaded, before any device.
 * Return: 0 or -ENOMEM.
 */
int fz_ratelimiter_init(void)
{
	shared = fz_ratelimiter_create(clamp_t(unsigned long, totalram_pages() / 8, SOURCES_MIN,
					       SOURCES_MAX));
	return shared ? 0 : -ENOMEM;
}

/**
 * fz_ratelimiter_exit() - stop counting for all devices
 *
 * Context: once, when the module is unloaded, after the last device.
 */
void fz_ratelimiter_exit(void)
{
	fz_ratelimiter_destroy(shared);
	shared = NULL;
}

/**
 * fz_ratelimiter_allow() - may a source make us do the work of one more handshake
 * @net: the netns that the source is in
 * @source: IPv4 or IPv6 address; the port does not count
 *
 * Context: process context or softirq.
 * Return: see fz_ratelimiter_take().
 */
bool fz_ratelimiter_allow(const struct net *net, const struct sockaddr *source)
{
	return fz_ratelimiter_take(shared, net, source, fz_clock_now());
}
