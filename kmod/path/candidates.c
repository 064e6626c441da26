// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a peer may be reached: several endpoints, of which the best that answers is used.
 *
 * An initiation goes to all candidates; the responder accepts the first copy and its time stamp
 * refuses the rest. What comes from an endpoint and is authentic makes it the one in use
 *  - if nothing authentic has come from anywhere yet,
 *  - if it is better than the one in use,
 *  - if the one in use has gone quiet,
 *  - if it is no candidate: then the peer has roamed, as WireGuard has it.
 * To let a better one answer while a worse one works, an initiation for a session that lives goes
 * to the better ones alone first, once in FZ_PATH_PROBE; the next try goes to all.
 */

#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <net/ipv6.h>

#include "path/candidates.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"
#include "tunnel/socket.h"

/* The priority of an endpoint that is no candidate: where the peer itself says it is. */
#define ROAMED U32_MAX

/**
 * fz_path_addr_usable() - whether a datagram can be sent to an address
 * @addr: the address
 *
 * Return: true for one host's address with a port.
 */
bool fz_path_addr_usable(const union fz_path_addr *addr)
{
	if (addr->any.sa_family == AF_INET)
		return addr->v4.sin_port && !ipv4_is_zeronet(addr->v4.sin_addr.s_addr) &&
		       !ipv4_is_multicast(addr->v4.sin_addr.s_addr) &&
		       !ipv4_is_lbcast(addr->v4.sin_addr.s_addr);
	if (addr->any.sa_family == AF_INET6)
		return addr->v6.sin6_port && !ipv6_addr_any(&addr->v6.sin6_addr) &&
		       !ipv6_addr_is_multicast(&addr->v6.sin6_addr) &&
		       !ipv6_addr_v4mapped(&addr->v6.sin6_addr);
	return false;
}

/**
 * fz_path_addr_equal() - whether two addresses are the same endpoint
 * @a: one
 * @b: the other
 *
 * The interface counts for link-local addresses alone.
 *
 * Return: true if they are.
 */
bool fz_path_addr_equal(const union fz_path_addr *a, const union fz_path_addr *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	if (a->any.sa_family != AF_INET6 || a->v6.sin6_port != b->v6.sin6_port ||
	    !ipv6_addr_equal(&a->v6.sin6_addr, &b->v6.sin6_addr))
		return false;
	return !(ipv6_addr_type(&a->v6.sin6_addr) & IPV6_ADDR_LINKLOCAL) ||
	       a->v6.sin6_scope_id == b->v6.sin6_scope_id;
}

static struct fz_candidate *find(struct fz_path_list *list, const union fz_path_addr *addr)
{
	unsigned int i;

	for (i = 0; list && i < list->count; i++) {
		if (fz_path_addr_equal(&list->candidates[i].addr, addr))
			return &list->candidates[i];
	}
	return NULL;
}

/**
 * fz_path_init() - a peer begins without candidates
 * @path: the peer's
 */
void fz_path_init(struct fz_path *path)
{
	spin_lock_init(&path->lock);
	RCU_INIT_POINTER(path->list, NULL);
}

static void replace_list(struct fz_path *path, struct fz_path_list *list)
{
	struct fz_path_list *old;

	lockdep_assert_held(&path->lock);
	old = rcu_replace_pointer(path->list, list, lockdep_is_held(&path->lock));
	if (old)
		kfree_rcu(old, rcu);
}

/**
 * fz_path_clear() - a peer has no candidates any more
 * @path: the peer's
 *
 * Context: any but hard interrupts.
 */
void fz_path_clear(struct fz_path *path)
{
	spin_lock_bh(&path->lock);
	replace_list(path, NULL);
	spin_unlock_bh(&path->lock);
}

static int compare_priority(const void *a, const void *b)
{
	const struct fz_candidate *one = a;
	const struct fz_candidate *other = b;

	if (one->priority == other->priority)
		return 0;
	return one->priority < other->priority ? 1 : -1;
}

/* Adds a candidate to a list that has room for FZ_PATH_MAX. */
static int add(struct fz_path_list *list, const struct fz_candidate *candidate)
{
	struct fz_candidate *same = find(list, &candidate->addr);

	if (same) {
		same->priority = candidate->priority;
		return 0;
	}
	if (list->count == FZ_PATH_MAX)
		return -E2BIG;
	list->candidates[list->count++] = *candidate;
	return 0;
}

/* What a list knows of endpoints holds as well for the one that takes its place. */
static void inherit(struct fz_path_list *list, struct fz_path_list *old)
{
	struct fz_candidate *candidate;
	unsigned int i;

	for (i = 0; i < list->count; i++) {
		candidate = find(old, &list->candidates[i].addr);
		list->candidates[i].answered = candidate && candidate->answered;
		list->candidates[i].heard = candidate ? candidate->heard : 0;
	}
	if (!old || !old->used_valid)
		return;
	list->used = old->used;
	list->used_valid = true;
	list->used_heard = old->used_heard;
	candidate = find(list, &list->used);
	if (candidate)
		list->used_priority = candidate->priority;
	else
		list->used_priority = find(old, &old->used) ? 0 : ROAMED;
}

/**
 * fz_path_set() - give a peer candidates
 * @path: the peer's
 * @candidates: address and priority of each; usable addresses
 * @count: how many
 * @replace: all others go; otherwise these are added, and known ones get the priority
 *
 * What is in use stays so until something better answers or it goes quiet.
 *
 * Context: may sleep; device_update_lock held.
 * Return: 0; -E2BIG if there were more than FZ_PATH_MAX then; -ENOMEM. Nothing is changed then.
 */
int fz_path_set(struct fz_path *path, const struct fz_candidate *candidates, unsigned int count,
		bool replace)
{
	struct fz_path_list *list;
	struct fz_path_list *old;
	unsigned int i;
	int ret = 0;

	list = kzalloc(struct_size(list, candidates, FZ_PATH_MAX), GFP_KERNEL);
	if (!list)
		return -ENOMEM;

	spin_lock_bh(&path->lock);
	old = rcu_dereference_protected(path->list, lockdep_is_held(&path->lock));
	for (i = 0; !replace && old && i < old->count; i++)
		add(list, &old->candidates[i]);
	for (i = 0; i < count && !ret; i++)
		ret = add(list, &candidates[i]);
	if (!ret && list->count) {
		sort(list->candidates, list->count, sizeof(*list->candidates), compare_priority,
		     NULL);
		inherit(list, old);
		replace_list(path, list);
		list = NULL;
	} else if (!ret) {
		replace_list(path, NULL);
	}
	spin_unlock_bh(&path->lock);

	kfree(list);
	return ret;
}

/**
 * fz_path_get() - read a peer's candidates
 * @path: the peer's
 * @candidates: takes them, best first
 * @max: room there
 *
 * Context: any but hard interrupts.
 * Return: how many there are, at most @max.
 */
unsigned int fz_path_get(struct fz_path *path, struct fz_candidate *candidates, unsigned int max)
{
	const struct fz_path_list *list;
	unsigned int count = 0;

	spin_lock_bh(&path->lock);
	list = rcu_dereference_protected(path->list, lockdep_is_held(&path->lock));
	if (list) {
		count = min(list->count, max);
		memcpy(candidates, list->candidates, count * sizeof(*candidates));
	}
	spin_unlock_bh(&path->lock);
	return count;
}

/**
 * fz_path_forget() - the endpoint was set by hand: none is in use for having answered
 * @path: the peer's
 *
 * Context: any but hard interrupts.
 */
void fz_path_forget(struct fz_path *path)
{
	struct fz_path_list *list;

	spin_lock_bh(&path->lock);
	list = rcu_dereference_protected(path->list, lockdep_is_held(&path->lock));
	if (list)
		list->used_valid = false;
	spin_unlock_bh(&path->lock);
}

static bool is_quiet(const struct fz_path_list *list, unsigned long now)
{
	return time_after(now, list->used_heard + FZ_PATH_QUIET);
}

static bool adopt(struct fz_path_list *list, const union fz_path_addr *addr, unsigned long now)
{
	struct fz_candidate *candidate = find(list, addr);

	if (candidate) {
		candidate->heard = now;
		candidate->answered = true;
	}
	if (list->used_valid && !fz_path_addr_equal(&list->used, addr) && candidate &&
	    candidate->priority <= list->used_priority && !is_quiet(list, now))
		return false;
	list->used = *addr;
	list->used_priority = candidate ? candidate->priority : ROAMED;
	list->used_valid = true;
	list->used_heard = now;
	return true;
}

/**
 * fz_path_adopt() - decide whether an endpoint from which something authentic came is used
 * @path: the peer's
 * @addr: the endpoint
 * @now: jiffies
 *
 * Context: any but hard interrupts.
 * Return: true if it is, or was already, the one in use.
 */
bool fz_path_adopt(struct fz_path *path, const union fz_path_addr *addr, unsigned long now)
{
	struct fz_path_list *list;
	bool adopted = true;

	spin_lock_bh(&path->lock);
	list = rcu_dereference_protected(path->list, lockdep_is_held(&path->lock));
	if (list)
		adopted = adopt(list, addr, now);
	spin_unlock_bh(&path->lock);
	return adopted;
}

/* Whether the better ones alone are tried now. */
static bool want_probe(struct fz_path_list *list, unsigned long now)
{
	if (!list->used_valid || is_quiet(list, now) ||
	    list->candidates[0].priority <= list->used_priority)
		return false;
	return !list->probed_valid || time_after(now, list->probed + FZ_PATH_PROBE);
}

static unsigned int choose(struct fz_path_list *list, union fz_path_addr *targets, bool *probe,
			   unsigned long now)
{
	unsigned int count = 0;
	unsigned int i;

	*probe = want_probe(list, now);
	if (*probe) {
		list->probed = now;
		list->probed_valid = true;
	}
	for (i = 0; i < list->count; i++) {
		if (!*probe || list->candidates[i].priority > list->used_priority)
			targets[count++] = list->candidates[i].addr;
	}
	if (!*probe && list->used_valid && !find(list, &list->used))
		targets[count++] = list->used;
	return count;
}

/**
 * fz_path_targets() - where an initiation goes
 * @path: the peer's
 * @targets: takes up to FZ_PATH_TARGETS addresses
 * @probe: takes whether these are the better ones alone
 * @now: jiffies
 *
 * Context: any but hard interrupts.
 * Return: how many; 0 if the peer has no candidates.
 */
unsigned int fz_path_targets(struct fz_path *path, union fz_path_addr *targets, bool *probe,
			     unsigned long now)
{
	struct fz_path_list *list;
	unsigned int count = 0;

	spin_lock_bh(&path->lock);
	list = rcu_dereference_protected(path->list, lockdep_is_held(&path->lock));
	if (list)
		count = choose(list, targets, probe, now);
	spin_unlock_bh(&path->lock);
	return count;
}

/**
 * fz_path_to_endpoint() - an address as an endpoint whose source routing chooses
 * @addr: of either family
 * @endpoint: takes it
 */
void fz_path_to_endpoint(const union fz_path_addr *addr, struct fz_endpoint *endpoint)
{
	memset(endpoint, 0, sizeof(*endpoint));
	if (addr->any.sa_family == AF_INET)
		endpoint->addr4 = addr->v4;
	else
		endpoint->addr6 = addr->v6;
}

static void to_addr(const struct fz_endpoint *endpoint, union fz_path_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (endpoint->addr.sa_family == AF_INET)
		addr->v4 = endpoint->addr4;
	else if (endpoint->addr.sa_family == AF_INET6)
		addr->v6 = endpoint->addr6;
}

/* The peer's endpoint, if it is not among the targets already. */
static unsigned int add_current(struct fz_peer *peer, union fz_path_addr *targets,
				unsigned int count)
{
	union fz_path_addr current_addr;
	unsigned int i;

	read_lock_bh(&peer->endpoint_lock);
	to_addr(&peer->endpoint, &current_addr);
	read_unlock_bh(&peer->endpoint_lock);
	if (current_addr.any.sa_family == AF_UNSPEC || count == FZ_PATH_TARGETS)
		return count;
	for (i = 0; i < count; i++) {
		if (fz_path_addr_equal(&targets[i], &current_addr))
			return count;
	}
	targets[count] = current_addr;
	return count + 1;
}

/**
 * fz_path_send_initiation() - send an initiation to a peer's candidates
 * @peer: the peer
 * @message: the initiation, MACs included
 * @len: its length in bytes
 * @ds: the outer DS field
 *
 * Sending is best effort, as it is with one endpoint.
 *
 * Context: may sleep, BH enabled.
 * Return: false if the peer has no candidates, or there is no memory for them: then nothing was sent.
 */
bool fz_path_send_initiation(struct fz_peer *peer, const void *message, size_t len, u8 ds)
{
	union fz_path_addr *targets;
	unsigned int count;
	unsigned int i;
	bool probe;

	if (!rcu_access_pointer(peer->path.list))
		return false;
	/* Too many for a stack that all of the outer packet's way through the host is still to come on. */
	targets = kmalloc_array(FZ_PATH_TARGETS, sizeof(*targets), GFP_KERNEL);
	if (!targets)
		return false;
	count = fz_path_targets(&peer->path, targets, &probe, jiffies);
	if (count && !probe)
		count = add_current(peer, targets, count);
	for (i = 0; i < count; i++) {
		struct fz_endpoint endpoint;

		fz_path_to_endpoint(&targets[i], &endpoint);
		fz_socket_send_outside(peer->device, &endpoint, message, len, ds);
	}
	kfree(targets);
	return count;
}

/**
 * fz_path_heard() - something authentic came from a peer
 * @peer: the peer
 * @endpoint: where from
 *
 * Context: any but hard interrupts; the caller does not hold the peer's endpoint_lock.
 * Return: true if @endpoint is to be the peer's endpoint; always so without candidates.
 */
bool fz_path_heard(struct fz_peer *peer, const struct fz_endpoint *endpoint)
{
	union fz_path_addr addr;

	if (likely(!rcu_access_pointer(peer->path.list)))
		return true;
	to_addr(endpoint, &addr);
	return fz_path_adopt(&peer->path, &addr, jiffies);
}
