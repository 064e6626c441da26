// SPDX-License-Identifier: GPL-2.0-only
/* Flows: finding, beginning, ending. */

#include "authz/flow.h"

#include <linux/ktime.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <net/tcp.h>

#include "authz/authz.h"
#include "authz/decide.h"
#include "authz/ghosts.h"
#include "authz/sweep.h"
#include "authz/tell.h"

/* How many flows are asked to make room: of the oldest, some may be just being judged. */
#define CANDIDATES 8

static struct kmem_cache *flow_cache;

const struct rhashtable_params fz_flow_table = {
	.key_len = sizeof(struct fz_flow_key),
	.key_offset = offsetof(struct fz_flow, key),
	.head_offset = offsetof(struct fz_flow, node),
	.automatic_shrinking = true,
};

/**
 * fz_flow_module_init() - makes what all devices share
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int fz_flow_module_init(void)
{
	flow_cache = kmem_cache_create("fz_flow", sizeof(struct fz_flow), 0,
				       SLAB_HWCACHE_ALIGN, NULL);
	return flow_cache ? 0 : -ENOMEM;
}

/**
 * fz_flow_module_exit() - frees what all devices share
 *
 * Context: module unload, after rcu_barrier().
 */
void fz_flow_module_exit(void)
{
	kmem_cache_destroy(flow_cache);
}

/**
 * fz_flow_find() - the flow of a key
 * @az: the device's
 * @key: the key
 *
 * Context: RCU.
 * Return: the flow, or NULL.
 */
struct fz_flow *fz_flow_find(struct fz_authz *az, const struct fz_flow_key *key)
{
	return rhashtable_lookup(&az->flows, key, fz_flow_table);
}

/**
 * fz_flow_note_lease() - makes sure that the sweep sees a lease end
 * @az: the device's
 * @lease: boot clock, ns
 *
 * Context: any.
 */
void fz_flow_note_lease(struct fz_authz *az, u64 lease)
{
	u64 next = atomic64_read(&az->next_lease);

	while (lease < next) {
		u64 seen = atomic64_cmpxchg(&az->next_lease, next, lease);

		if (seen == next)
			break;
		next = seen;
	}
}

/**
 * fz_flow_fold_locked() - as fz_flow_fold(), to a grant that is not in the flow any more, or yet
 * @flow: the flow
 * @grant: gets what was not counted before; NULL nobody
 *
 * Context: BH disabled, flow->lock held.
 */
void fz_flow_fold_locked(struct fz_flow *flow, struct fz_grant *grant)
{
	unsigned int dir;

	lockdep_assert_held(&flow->lock);
	for (dir = 0; dir < FZ_DIRS; dir++) {
		struct fz_flow_side *side = &flow->side[dir];
		u64 packets, bytes;

		spin_lock(&side->lock);
		packets = side->packets;
		bytes = side->bytes;
		spin_unlock(&side->lock);
		if (grant && packets != side->counted_packets) {
			atomic64_add(packets - side->counted_packets, &grant->packets);
			atomic64_add(bytes - side->counted_bytes, &grant->bytes);
		}
		side->counted_packets = packets;
		side->counted_bytes = bytes;
	}
}

static struct fz_grant *grant_of(const struct fz_flow *flow)
{
	return rcu_dereference_protected(flow->grant, lockdep_is_held(&flow->lock));
}

/**
 * fz_flow_fold() - adds what a flow has counted to its grant
 * @flow: the flow
 *
 * Done when it ends and whenever the sweep comes by, so that packets of different flows never
 * write to the same place.
 *
 * Context: BH disabled.
 */
void fz_flow_fold(struct fz_flow *flow)
{
	spin_lock(&flow->lock);
	fz_flow_fold_locked(flow, grant_of(flow));
	spin_unlock(&flow->lock);
}

/**
 * fz_flow_set_grant() - gives a flow another grant
 * @az: the device's
 * @flow: the flow
 * @grant: with a reference for the flow; NULL none
 *
 * Context: BH disabled, flow->lock held.
 */
void fz_flow_set_grant(struct fz_authz *az, struct fz_flow *flow, struct fz_grant *grant)
{
	struct fz_grant *old = grant_of(flow);

	if (old)
		atomic_dec(&old->flows);
	if (grant) {
		u64 lease = READ_ONCE(grant->lease);

		atomic_inc(&grant->flows);
		if (lease)
			fz_flow_note_lease(az, lease);
	}
	rcu_assign_pointer(flow->grant, grant);
	if (old)
		fz_grant_put(old);
}

static bool on_device_list(const struct fz_flow *flow)
{
	return !flow->answered || flow->refused;
}

/* Takes @flow off the lists. It stays in the table until its end is told: see finish_flow(). */
static void unlist_flow(struct fz_authz *az, struct fz_flow *flow)
{
	lockdep_assert_held(&flow->lock);
	lockdep_assert_held(&az->flow_lock);
	WRITE_ONCE(flow->dead, true);
	list_del(&flow->peer_node);
	if (on_device_list(flow))
		list_del(&flow->device_node);
	flow->key.ap->n_flows--;
	WRITE_ONCE(az->n_flows, az->n_flows - 1);
}

/*
 * From here on nothing passes with the flow: what it has counted stays as it is told. Whoever has
 * found it already judges it again, which waits for the lock, and finds that it is over.
 */
static void close_sides(struct fz_authz *az, struct fz_flow *flow)
{
	unsigned int dir;

	lockdep_assert_held(&flow->lock);
	WRITE_ONCE(flow->gen, READ_ONCE(az->gen) - 1);
	for (dir = 0; dir < FZ_DIRS; dir++) {
		spin_lock(&flow->side[dir].lock);
		flow->side[dir].closed = true;
		spin_unlock(&flow->side[dir].lock);
	}
}

static void release_grant(struct fz_authz *az, struct fz_flow *flow)
{
	fz_flow_fold_locked(flow, grant_of(flow));
	fz_flow_set_grant(az, flow, NULL);
}

static void free_flow_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(flow_cache, container_of(rcu, struct fz_flow, rcu));
}

/* The rest of a flow's end, after unlist_flow(). In its place another can begin only afterwards. */
static void finish_flow(struct fz_authz *az, struct fz_flow *flow, enum fz_flow_end end)
{
	lockdep_assert_held(&flow->lock);
	close_sides(az, flow);
	if (!flow->refused)
		fz_tell_flow(az, flow, end);
	release_grant(az, flow);
	/* Unless another has taken its place. */
	rhashtable_remove_fast(&az->flows, &flow->node, fz_flow_table);
	call_rcu(&flow->rcu, free_flow_rcu);
}

/**
 * fz_flow_end() - ends a flow
 * @az: the device's
 * @flow: the flow; freed after the last reader
 * @end: why
 *
 * Context: RCU, BH disabled, no flow's lock held. Of several callers one ends it.
 */
void fz_flow_end(struct fz_authz *az, struct fz_flow *flow, enum fz_flow_end end)
{
	bool ours;

	spin_lock(&flow->lock);
	ours = !flow->dead;
	if (ours) {
		spin_lock(&az->flow_lock);
		unlist_flow(az, flow);
		spin_unlock(&az->flow_lock);
		finish_flow(az, flow, end);
	}
	spin_unlock(&flow->lock);
}

/**
 * fz_flow_refuse() - ends a flow that policy does not admit any more, and keeps it
 * @az: the device's
 * @flow: the flow; lives
 * @end: why
 *
 * Without the entry the far end's next packet would look like the first of a flow in the other
 * direction, and if policy admits that one, the withdrawn flow would go on as its replies. It goes
 * when it has been silent for as long as a live one may be, or, when there is no room for another,
 * leaves a ghost: a peer must not be able to get rid of it.
 *
 * Context: RCU, BH disabled, flow->lock held.
 */
void fz_flow_refuse(struct fz_authz *az, struct fz_flow *flow, enum fz_flow_end end)
{
	lockdep_assert_held(&flow->lock);
	spin_lock(&az->flow_lock);
	if (on_device_list(flow))
		list_del(&flow->device_node);
	WRITE_ONCE(flow->refused, true);
	WRITE_ONCE(flow->answered, true);
	list_move_tail(&flow->peer_node, &flow->key.ap->refused);
	list_add_tail(&flow->device_node, &az->refused);
	spin_unlock(&az->flow_lock);
	close_sides(az, flow);
	fz_tell_flow(az, flow, end);
	release_grant(az, flow);
}

static void begin_anew(struct fz_flow *flow)
{
	unsigned int dir;

	lockdep_assert_held(&flow->lock);
	WRITE_ONCE(flow->state, flow->key.proto == IPPROTO_TCP ? FZ_FLOW_OPENING : FZ_FLOW_NEW);
	WRITE_ONCE(flow->started, ktime_get_boottime_ns());
	for (dir = 0; dir < FZ_DIRS; dir++) {
		struct fz_flow_side *side = &flow->side[dir];

		spin_lock(&side->lock);
		side->packets = 0;
		side->bytes = 0;
		side->counted_packets = 0;
		side->counted_bytes = 0;
		WRITE_ONCE(side->fin, false);
		side->closed = false;
		spin_unlock(&side->lock);
	}
}

/**
 * fz_flow_restore() - policy admits a flow again that it had ended: it begins anew
 * @az: the device's
 * @flow: refused; judged, with the grant that admits it now
 *
 * Context: RCU, BH disabled, flow->lock held.
 */
void fz_flow_restore(struct fz_authz *az, struct fz_flow *flow)
{
	lockdep_assert_held(&flow->lock);
	spin_lock(&az->flow_lock);
	WRITE_ONCE(flow->refused, false);
	list_del(&flow->device_node);
	list_move_tail(&flow->peer_node, &flow->key.ap->flows);
	spin_unlock(&az->flow_lock);
	begin_anew(flow);
	fz_count_add(az, flows_created, 1);
	fz_tell_flow(az, flow, FZ_END_NONE);
}

/**
 * fz_flow_end_peer() - ends all flows of a peer
 * @az: the device's
 * @ap: the peer
 * @end: why
 *
 * As many as there are now: who begins others all the while does not keep it busy. A peer that is being
 * removed begins none.
 *
 * Context: may sleep.
 */
void fz_flow_end_peer(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_flow_end end)
{
	struct fz_flow *flow;
	unsigned int left;

	/* With the lock: whoever begins one after this has seen that the peer is being removed. */
	spin_lock_bh(&az->flow_lock);
	left = ap->n_flows;
	spin_unlock_bh(&az->flow_lock);
	while (left--) {
		rcu_read_lock();
		spin_lock_bh(&az->flow_lock);
		flow = list_first_entry_or_null(&ap->flows, struct fz_flow, peer_node) ?:
		       list_first_entry_or_null(&ap->fresh, struct fz_flow, peer_node) ?:
		       list_first_entry_or_null(&ap->refused, struct fz_flow, peer_node);
		spin_unlock_bh(&az->flow_lock);
		if (flow) {
			local_bh_disable();
			fz_flow_end(az, flow, end);
			local_bh_enable();
		}
		rcu_read_unlock();
		cond_resched();
		if (!flow)
			break;
	}
}

static u8 first_state(const struct fz_packet *packet)
{
	if (packet->tuple.proto != IPPROTO_TCP)
		return FZ_FLOW_NEW;
	return packet->tcp_flags & TCPHDR_RST ? FZ_FLOW_CLOSING : FZ_FLOW_OPENING;
}

static struct fz_flow *new_flow(struct fz_authz *az, const struct fz_flow_key *key,
				enum fz_direction dir, const struct fz_packet *packet,
				const struct fz_decision *decision, u32 gen, bool held)
{
	struct fz_flow *flow = kmem_cache_zalloc(flow_cache, GFP_ATOMIC);
	struct fz_grant *grant = NULL;

	if (!flow)
		return NULL;
	if (decision->verdict == FZ_VERDICT_PASS && decision->grant) {
		grant = decision->grant;
		/* Its policy may have let go of it since: the flow is judged again then. */
		if (!refcount_inc_not_zero(&grant->refs))
			grant = NULL;
	}
	spin_lock_init(&flow->lock);
	spin_lock_init(&flow->side[0].lock);
	spin_lock_init(&flow->side[1].lock);
	flow->key = *key;
	flow->dir = dir;
	/* Without the grant that admits it, its number must not be today's. */
	flow->gen = grant || !decision->grant ? gen : gen - 1;
	flow->state = first_state(packet);
	flow->mode = decision->mode;
	flow->held = held;
	flow->observed = decision->verdict == FZ_VERDICT_OBSERVE ? decision->reason : 0;
	flow->icmp_code = packet->tuple.icmp_code;
	flow->started = ktime_get_boottime_ns();
	flow->side[0].used = jiffies;
	flow->side[1].used = jiffies;
	if (packet->tcp_flags & TCPHDR_FIN)
		flow->side[dir].fin = true;
	spin_lock(&flow->lock);
	fz_flow_set_grant(az, flow, grant);
	spin_unlock(&flow->lock);
	return flow;
}

/* What a flow that makes room has to be remembered by. False if it has to stay. */
static bool may_go(struct fz_authz *az, const struct fz_flow *flow)
{
	if (flow->refused && !fz_ghosts_add(az, &flow->key, flow->dir))
		return false;
	return !READ_ONCE(flow->reopened) || fz_ghosts_add(az, &flow->key, !flow->dir);
}

/* Locks a flow that makes room. False if it has to stay, or is being judged: not now, then. */
static bool take_victim(struct fz_authz *az, struct fz_flow *flow)
{
	if (!spin_trylock(&flow->lock))
		return false;
	if (may_go(az, flow)) {
		/* It stays locked until finish_victim(), where sparse cannot follow. */
		__release(&flow->lock);
		return true;
	}
	spin_unlock(&flow->lock);
	return false;
}

/* The first of a list that can make room; @offset is where its flows have the list's node. */
static struct fz_flow *pick_victim(struct fz_authz *az, struct list_head *list, size_t offset)
{
	unsigned int left = CANDIDATES;
	struct list_head *node;

	list_for_each(node, list) {
		struct fz_flow *flow = (void *)node - offset;

		if (take_victim(az, flow))
			return flow;
		if (!--left)
			break;
	}
	return NULL;
}

/*
 * Room for one more flow of a peer. Who is over its own budget gives of its own; when the whole
 * device is full, the oldest of all goes. Withdrawn flows go before unanswered ones: as long as
 * there are some, nothing that lives has to. @victim comes locked.
 */
static bool make_room(struct fz_authz *az, struct fz_authz_peer *ap, struct fz_flow **victim)
{
	size_t offset;

	lockdep_assert_held(&az->flow_lock);
	*victim = NULL;
	if (ap->n_flows >= READ_ONCE(az->max_peer_flows)) {
		offset = offsetof(struct fz_flow, peer_node);
		*victim = pick_victim(az, &ap->refused, offset) ?:
			  pick_victim(az, &ap->fresh, offset);
	} else if (az->n_flows >= READ_ONCE(az->max_flows)) {
		offset = offsetof(struct fz_flow, device_node);
		*victim = pick_victim(az, &az->refused, offset) ?:
			  pick_victim(az, &az->fresh, offset);
	} else {
		return true;
	}
	if (!*victim)
		return false;
	unlist_flow(az, *victim);
	return true;
}

static void list_flow(struct fz_authz *az, struct fz_flow *flow)
{
	struct fz_authz_peer *ap = flow->key.ap;

	lockdep_assert_held(&az->flow_lock);
	list_add_tail(&flow->peer_node, &ap->fresh);
	list_add_tail(&flow->device_node, &az->fresh);
	ap->n_flows++;
	WRITE_ONCE(az->n_flows, az->n_flows + 1);
}

/* Whether a connection that begins at the other end may take the place of @flow. */
static bool gives_way(const struct fz_flow *flow)
{
	return flow->refused || READ_ONCE(flow->state) == FZ_FLOW_CLOSING;
}

/*
 * A connection begins in the place of one of the other direction that was withdrawn, or said to be
 * closed. Whether its end at the beginner's far side is of that opinion, too, remains to be seen.
 * False if that one is being judged.
 */
static bool reopen_flow(struct fz_authz *az, struct fz_flow *flow, struct fz_flow *old)
{
	if (!spin_trylock(&old->lock))
		return false;
	flow->reopened = true;
	if (rhashtable_replace_fast(&az->flows, &old->node, &flow->node, fz_flow_table)) {
		spin_unlock(&old->lock);
		return false;
	}
	unlist_flow(az, old);
	list_flow(az, flow);
	/* As in take_victim(). */
	__release(&old->lock);
	return true;
}

/*
 * Puts @flow into table and lists. Returns it, or the one that is there, or NULL. What had to go for
 * it is in @victim, locked.
 */
static struct fz_flow *link_flow(struct fz_authz *az, struct fz_flow *flow, bool opens,
				 struct fz_flow **victim)
{
	struct fz_authz_peer *ap = flow->key.ap;
	struct fz_flow *old;

	lockdep_assert_held(&az->flow_lock);
	*victim = NULL;
	/* Whoever removes the peer ends what is here after saying so. */
	if (READ_ONCE(ap->dead))
		return NULL;
	old = rhashtable_lookup(&az->flows, &flow->key, fz_flow_table);
	if (old && opens && old->dir != flow->dir && gives_way(old) &&
	    reopen_flow(az, flow, old)) {
		*victim = old;
		return flow;
	}
	if (old)
		return old;
	if (!make_room(az, ap, victim))
		return NULL;
	/* Ghosts come with this lock: none takes the place of what was not found above. */
	flow->reopened = opens && fz_ghosts_find(az, &flow->key, !flow->dir);
	old = rhashtable_lookup_get_insert_fast(&az->flows, &flow->node, fz_flow_table);
	if (IS_ERR(old))
		return NULL;
	list_flow(az, flow);
	return flow;
}

static void finish_victim(struct fz_authz *az, struct fz_flow *victim)
{
	bool closing = victim->state == FZ_FLOW_CLOSING;

	__acquire(&victim->lock);
	if (!closing && !victim->refused)
		fz_count_add(az, flows_evicted, 1);
	finish_flow(az, victim, closing ? FZ_END_CLOSED : FZ_END_EVICTED);
	spin_unlock(&victim->lock);
}

static void discard_flow(struct fz_authz *az, struct fz_flow *flow)
{
	spin_lock(&flow->lock);
	fz_flow_set_grant(az, flow, NULL);
	spin_unlock(&flow->lock);
	kmem_cache_free(flow_cache, flow);
}

/**
 * fz_flow_create() - begins a flow
 * @az: the device's
 * @key: of the flow
 * @dir: of the first packet
 * @packet: the first packet
 * @decision: PASS or OBSERVE
 * @gen: az->gen, read before the decision was made
 * @held: its first packets were held and are on their way: others queue up behind them
 *
 * Context: RCU, BH disabled.
 * Return: the flow; NULL when there is no room; ERR_PTR(-EAGAIN) when there is one now that was not
 * there, or not so, when it was looked for.
 */
struct fz_flow *fz_flow_create(struct fz_authz *az, const struct fz_flow_key *key,
			       enum fz_direction dir, const struct fz_packet *packet,
			       const struct fz_decision *decision, u32 gen, bool held)
{
	bool opens = key->proto == IPPROTO_TCP && packet->opens;
	struct fz_flow *flow, *found, *victim;

	flow = new_flow(az, key, dir, packet, decision, gen, held);
	if (!flow)
		return NULL;
	/* Whoever finds it and ends it waits until its beginning is told. */
	spin_lock(&flow->lock);
	spin_lock(&az->flow_lock);
	found = link_flow(az, flow, opens, &victim);
	spin_unlock(&az->flow_lock);
	if (victim)
		finish_victim(az, victim);
	if (found == flow) {
		fz_count_add(az, flows_created, 1);
		fz_tell_flow(az, flow, FZ_END_NONE);
	}
	spin_unlock(&flow->lock);
	if (found != flow) {
		discard_flow(az, flow);
		if (!found)
			return NULL;
		/* Until whoever has it has done with it. */
		spin_lock(&found->lock);
		spin_unlock(&found->lock);
		return ERR_PTR(-EAGAIN);
	}
	fz_sweep_expect(az);
	return flow;
}
