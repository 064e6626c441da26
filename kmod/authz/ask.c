// SPDX-License-Identifier: GPL-2.0-only
/*
 * Held flows: their first packets wait while user space is asked.
 *
 * A held flow ends in one of three ways: a verdict, its time, or its peer's removal. Whoever ends
 * it claims it first (held->releasing, under az->ask.lock), and alone takes it off the lists. The
 * claimer is under RCU or device_update_lock until it is done, so that the peer stays.
 */

#include "authz/ask.h"

#include <linux/ktime.h>
#include <linux/slab.h>
#include <net/dst.h>

#include "authz/authz.h"
#include "authz/decide.h"
#include "authz/held.h"
#include "authz/judge.h"
#include "authz/tell.h"
#include "compat/workqueue.h"

/* What may queue up behind packets that are being released, all in all: more overtake. */
#define FOLLOWERS 64

static struct hlist_head *bucket_of(struct fz_ask *ask, u64 id)
{
	return &ask->ids[id % FZ_ASK_BUCKETS];
}

static struct fz_held_list *list_of(struct fz_ask *ask, struct fz_authz_peer *ap)
{
	return ap ? &ap->held : &ask->unrouted;
}

static struct fz_held *find(struct fz_ask *ask, const struct fz_flow_key *key,
			    enum fz_direction dir)
{
	struct fz_held *held;

	lockdep_assert_held(&ask->lock);
	list_for_each_entry(held, &list_of(ask, key->ap)->list, peer_node) {
		if (held->dir == dir && !memcmp(&held->key, key, sizeof(*key)))
			return held;
	}
	return NULL;
}

static struct fz_held *find_id(struct fz_ask *ask, u64 id)
{
	struct fz_held *held;

	lockdep_assert_held(&ask->lock);
	hlist_for_each_entry(held, bucket_of(ask, id), id_node) {
		if (held->id == id)
			return held;
	}
	return NULL;
}

static void unlink_held(struct fz_ask *ask, struct fz_held *held)
{
	lockdep_assert_held(&ask->lock);
	list_del(&held->node);
	list_del_init(&held->peer_node);
	hlist_del(&held->id_node);
	ask->count--;
	list_of(ask, held->key.ap)->count--;
}

/*
 * Packets are few, but one may be a super-packet: what they may take together is bounded in bytes,
 * and no peer alone can take all of it.
 */
static bool has_room(struct fz_ask *ask, struct fz_authz_peer *ap, const struct sk_buff *skb)
{
	lockdep_assert_held(&ask->lock);
	return skb->truesize <= FZ_ASK_BYTES - ask->bytes &&
	       skb->truesize <= FZ_ASK_BYTES_PEER - list_of(ask, ap)->bytes;
}

/* There is room for it. */
static void add_packet(struct fz_ask *ask, struct fz_held *held, struct sk_buff *skb)
{
	lockdep_assert_held(&ask->lock);
	/* It may outlive what its route was borrowed from, and is not to keep its sender from sending. */
	skb_dst_force(skb);
	skb_orphan(skb);
	__skb_queue_tail(&held->packets, skb);
	held->bytes += skb->truesize;
	list_of(ask, held->key.ap)->bytes += skb->truesize;
	ask->bytes += skb->truesize;
}

static void splice_packets(struct fz_ask *ask, struct fz_held *held, struct sk_buff_head *queue)
{
	lockdep_assert_held(&ask->lock);
	skb_queue_splice_tail_init(&held->packets, queue);
	list_of(ask, held->key.ap)->bytes -= held->bytes;
	ask->bytes -= held->bytes;
	held->bytes = 0;
}

static struct fz_held *new_held(struct fz_ask *ask, const struct fz_flow_key *key,
				enum fz_direction dir, const struct fz_packet *packet)
{
	struct fz_held *held = kzalloc(sizeof(*held), GFP_ATOMIC);

	if (!held)
		return NULL;
	held->id = ++ask->last_id;
	held->key = *key;
	held->dir = dir;
	held->tuple = packet->tuple;
	held->until = jiffies + msecs_to_jiffies(FZ_ASK_TIMEOUT_MS);
	__skb_queue_head_init(&held->packets);
	return held;
}

static enum fz_reason send_request(struct fz_authz *az, struct fz_authz_peer *ap,
				   const struct fz_held *held)
{
	struct fz_request request = { .id = held->id, .dir = held->dir, .tuple = held->tuple };
	int err = fz_tell_request(az, ap, &request);

	if (!err) {
		fz_count_add(az, requests, 1);
		return FZ_REASON_NONE;
	}
	if (err == -ESRCH)
		return FZ_REASON_NO_GRANT;
	fz_count_add(az, requests_suppressed, 1);
	return FZ_REASON_RATE;
}

/* Holds the first packet of a flow. Asks under the lock: the verdict finds it held. */
static enum fz_reason hold_first(struct fz_authz *az, struct fz_authz_peer *ap,
				 enum fz_direction dir, const struct fz_flow_key *key,
				 const struct fz_packet *packet, struct sk_buff *skb)
{
	struct fz_ask *ask = &az->ask;
	enum fz_reason reason;
	struct fz_held *held;

	lockdep_assert_held(&ask->lock);
	if (ap && READ_ONCE(ap->dead))
		return FZ_REASON_NO_GRANT;
	if (ask->count >= FZ_ASK_FLOWS || list_of(ask, ap)->count >= FZ_ASK_FLOWS_PEER ||
	    !has_room(ask, ap, skb))
		return FZ_REASON_TABLE_FULL;
	if (!fz_bucket_take(ap ? &ap->requests : &ask->bucket)) {
		fz_count_add(az, requests_suppressed, 1);
		return FZ_REASON_RATE;
	}
	held = new_held(ask, key, dir, packet);
	if (!held)
		return FZ_REASON_TABLE_FULL;
	reason = send_request(az, ap, held);
	if (reason != FZ_REASON_NONE) {
		kfree(held);
		return reason;
	}
	list_add_tail(&held->node, &ask->list);
	list_add_tail(&held->peer_node, &list_of(ask, ap)->list);
	hlist_add_head(&held->id_node, bucket_of(ask, held->id));
	ask->count++;
	list_of(ask, ap)->count++;
	add_packet(ask, held, skb);
	queue_delayed_work(fz_compat_unbound_wq, &ask->work,
			   msecs_to_jiffies(FZ_ASK_TIMEOUT_MS));
	return FZ_REASON_NONE;
}

/**
 * fz_ask_hold() - holds a packet that no grant admits
 * @az: the device's
 * @ap: the peer's; NULL for a destination without one
 * @dir: direction
 * @key: of its flow
 * @packet: what the dissector found
 * @skb: taken, if held
 *
 * Context: RCU, BH disabled.
 * Return: FZ_REASON_NONE if held; FZ_REASON_NO_GRANT when nobody answers requests; otherwise why
 * it could not be held.
 */
enum fz_reason fz_ask_hold(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
			   const struct fz_flow_key *key, const struct fz_packet *packet,
			   struct sk_buff *skb)
{
	struct fz_ask *ask = &az->ask;
	enum fz_reason reason = FZ_REASON_NONE;
	struct fz_held *held;

	spin_lock(&ask->lock);
	held = find(ask, key, dir);
	if (!held)
		reason = hold_first(az, ap, dir, key, packet, skb);
	else if (skb_queue_len(&held->packets) < FZ_ASK_PACKETS && has_room(ask, ap, skb))
		add_packet(ask, held, skb);
	else
		reason = FZ_REASON_TABLE_FULL;
	spin_unlock(&ask->lock);
	return reason;
}

/**
 * fz_ask_follow() - queues a packet up behind those of its flow that are being released
 * @az: the device's
 * @flow: its flow
 * @dir: direction
 * @skb: taken, if there are some
 *
 * Context: RCU, BH disabled.
 * Return: true if taken.
 */
bool fz_ask_follow(struct fz_authz *az, const struct fz_flow *flow, enum fz_direction dir,
		   struct sk_buff *skb)
{
	struct fz_held *held;
	bool taken;

	spin_lock(&az->ask.lock);
	held = find(&az->ask, &flow->key, dir);
	taken = held && held->followers < FOLLOWERS && has_room(&az->ask, flow->key.ap, skb);
	if (taken) {
		held->followers++;
		add_packet(&az->ask, held, skb);
	}
	spin_unlock(&az->ask.lock);
	return taken;
}

/* Ends @held when nothing is queued any more; otherwise takes what is. */
static bool take_packets(struct fz_authz *az, struct fz_held *held, struct sk_buff_head *queue)
{
	struct fz_flow *flow;
	bool some;

	spin_lock(&az->ask.lock);
	some = !skb_queue_empty(&held->packets);
	if (some) {
		splice_packets(&az->ask, held, queue);
	} else {
		unlink_held(&az->ask, held);
		flow = fz_flow_find(az, &held->key);
		if (flow) {
			/* Pairs with the consumer of what was released: who passes finds it in front. */
			smp_store_release(&flow->held, false);
		}
	}
	spin_unlock(&az->ask.lock);
	return some;
}

/*
 * Drops what the tunnel would not take any more: while a packet waited, the device may have gone
 * down, or the address to another peer. It gets no answer: there is no way, or not for this peer.
 */
static void recheck(struct fz_authz *az, const struct fz_held *held, struct sk_buff_head *queue)
{
	struct fz_decision decision = { .verdict = FZ_VERDICT_REFUSE };
	struct fz_packet packet;
	struct sk_buff *skb, *next;

	skb_queue_walk_safe(queue, skb, next) {
		decision.reason = az->ops->recheck(az, held->key.ap, held->dir, skb);
		if (likely(decision.reason == FZ_REASON_NONE))
			continue;
		__skb_unlink(skb, queue);
		fz_dissect(skb, &packet);
		fz_judge_refuse(az, held->key.ap, held->dir, &packet, &decision, skb);
	}
}

/* Judges the packets of a claimed flow, and sends on what policy admits now. */
static void release(struct fz_authz *az, struct fz_held *held)
{
	struct fz_authz_peer *ap = held->key.ap;
	struct sk_buff_head queue;
	struct sk_buff *skb;

	__skb_queue_head_init(&queue);
	while (take_packets(az, held, &queue)) {
		struct fz_bundle bundle = { .az = az, .ap = ap, .dir = held->dir, .asked = true };

		recheck(az, held, &queue);
		if (!ap) {
			while ((skb = __skb_dequeue(&queue)))
				az->ops->reroute(az, skb);
			continue;
		}
		fz_judge_queue(&bundle, &queue);
		if (skb_queue_empty(&queue))
			continue;
		if (held->dir == FZ_DIR_OUT)
			az->ops->xmit(ap, &queue);
		else
			az->ops->deliver(ap, &queue);
	}
	kfree(held);
}

/* Refuses the packets of a claimed flow. */
static void refuse(struct fz_authz *az, struct fz_held *held, enum fz_reason reason,
		   const u8 *tag)
{
	struct fz_authz_peer *ap = held->key.ap;
	struct fz_mode_setting setting = fz_mode_effective(az, ap, held->dir);
	struct fz_decision decision = {
		.verdict = FZ_VERDICT_REFUSE,
		.reason = reason,
		.mode = setting.mode,
		/* What has no peer is always told so, as it is without asking. */
		.flags = setting.flags | (ap ? 0 : FZ_MODE_F_REJECT),
	};
	struct sk_buff_head queue;
	struct fz_packet packet;
	struct sk_buff *skb;

	if (tag) {
		decision.has_tag = true;
		memcpy(decision.tag, tag, sizeof(decision.tag));
	}
	__skb_queue_head_init(&queue);
	while (take_packets(az, held, &queue)) {
		while ((skb = __skb_dequeue(&queue))) {
			fz_dissect(skb, &packet);
			fz_judge_refuse(az, ap, held->dir, &packet, &decision, skb);
		}
	}
	kfree(held);
}

static struct fz_held *claim(struct fz_ask *ask, u64 id)
{
	struct fz_held *held;

	spin_lock_bh(&ask->lock);
	held = find_id(ask, id);
	if (held && !held->releasing)
		held->releasing = true;
	else
		held = NULL;
	spin_unlock_bh(&ask->lock);
	return held;
}

/* The verdict was no good: the flow waits on. */
static void unclaim(struct fz_ask *ask, struct fz_held *held)
{
	spin_lock_bh(&ask->lock);
	held->releasing = false;
	spin_unlock_bh(&ask->lock);
	mod_delayed_work(fz_compat_unbound_wq, &ask->work, 0);
}

static int check_verdict(const struct fz_verdict_spec *spec, struct netlink_ext_ack *extack)
{
	if (spec->verdict != FZ_VERDICT_PASS && spec->verdict != FZ_VERDICT_REFUSE) {
		NL_SET_ERR_MSG(extack, "a verdict is pass or refuse");
		return -EINVAL;
	}
	if (spec->verdict == FZ_VERDICT_REFUSE && spec->grant) {
		NL_SET_ERR_MSG(extack, "a refusal brings no grant");
		return -EINVAL;
	}
	if (spec->ttl_ms > FZ_ASK_TTL_MS_MAX) {
		NL_SET_ERR_MSG(extack, "a refusal is remembered for at most 3600000 ms");
		return -ERANGE;
	}
	return 0;
}

/**
 * fz_ask_verdict() - answers a request
 * @az: the device's
 * @spec: the verdict. Its grant goes to the policy in force, whatever epoch is open
 * @extack: says why not; may be NULL
 *
 * PASS judges the held packets again: without a grant that admits them they are refused all the
 * same, as they are when the device is down or the address another peer's by now. REFUSE drops
 * them, and what would ask the same again until its time is over.
 *
 * Context: may sleep; takes az->lock if there is a grant. device_update_lock keeps the peers.
 * Return: 0; -ENOENT if the request is not open any more, or what fz_grant_set() returns; then
 * nothing was done.
 */
int fz_ask_verdict(struct fz_authz *az, const struct fz_verdict_spec *spec,
		   struct netlink_ext_ack *extack)
{
	struct fz_held *held;
	int err = check_verdict(spec, extack);

	if (err)
		return err;
	held = claim(&az->ask, spec->id);
	if (!held) {
		NL_SET_ERR_MSG(extack, "there is no such request, or its time is up");
		return -ENOENT;
	}
	if (spec->grant) {
		err = fz_grant_set(az, 0, spec->grant, 1, NULL, extack);
		if (err) {
			unclaim(&az->ask, held);
			return err;
		}
	}
	rcu_read_lock();
	local_bh_disable();
	if (spec->verdict == FZ_VERDICT_PASS) {
		release(az, held);
	} else {
		const u8 *tag = spec->has_tag ? spec->tag : NULL;

		fz_refusal_add(az, held->key.ap, held->dir, &held->tuple, spec->ttl_ms, tag);
		refuse(az, held, FZ_REASON_REFUSED, tag);
	}
	local_bh_enable();
	rcu_read_unlock();
	return 0;
}

/* Nobody answered in time. A grant may have come all the same. */
static void time_out(struct fz_authz *az, struct fz_held *held)
{
	struct fz_decision decision;

	if (held->key.ap) {
		fz_decide(az, held->key.ap, held->dir, &held->tuple, ktime_get_boottime_ns(),
			  &decision);
		if (decision.verdict == FZ_VERDICT_PASS ||
		    decision.verdict == FZ_VERDICT_OBSERVE) {
			release(az, held);
			return;
		}
	}
	refuse(az, held, FZ_REASON_TIMEOUT, NULL);
}

/* Claims the oldest held flow whose time is up. Sets @wait to the time of the next. */
static struct fz_held *claim_late(struct fz_ask *ask, unsigned long *wait)
{
	struct fz_held *held, *late = NULL;

	*wait = 0;
	spin_lock(&ask->lock);
	list_for_each_entry(held, &ask->list, node) {
		if (held->releasing)
			continue;
		if (time_before(jiffies, held->until)) {
			*wait = held->until - jiffies;
		} else {
			held->releasing = true;
			late = held;
		}
		break;
	}
	spin_unlock(&ask->lock);
	return late;
}

static void run_late(struct work_struct *work)
{
	struct fz_authz *az = container_of(to_delayed_work(work), struct fz_authz, ask.work);
	unsigned long wait;
	struct fz_held *held;

	do {
		rcu_read_lock();
		local_bh_disable();
		held = claim_late(&az->ask, &wait);
		if (held)
			time_out(az, held);
		local_bh_enable();
		rcu_read_unlock();
		cond_resched();
	} while (held);
	if (wait)
		queue_delayed_work(fz_compat_unbound_wq, &az->ask.work, wait);
}

/**
 * fz_ask_drop_peer() - drops the held packets of a peer that goes
 * @az: the device's
 * @ap: the peer, marked dead
 *
 * Context: may sleep.
 */
void fz_ask_drop_peer(struct fz_authz *az, struct fz_authz_peer *ap)
{
	struct fz_held *held, *next;
	struct sk_buff_head queue;
	LIST_HEAD(ours);

	__skb_queue_head_init(&queue);
	spin_lock_bh(&az->ask.lock);
	list_for_each_entry_safe(held, next, &ap->held.list, peer_node) {
		splice_packets(&az->ask, held, &queue);
		/* Whoever has claimed it finds it empty and ends it. */
		if (held->releasing)
			continue;
		unlink_held(&az->ask, held);
		list_add(&held->node, &ours);
	}
	spin_unlock_bh(&az->ask.lock);
	list_for_each_entry_safe(held, next, &ours, node)
		kfree(held);
	__skb_queue_purge(&queue);
}

/**
 * fz_ask_init() - prepares a device for asking
 * @az: the device's
 *
 * Context: any.
 */
void fz_ask_init(struct fz_authz *az)
{
	struct fz_ask *ask = &az->ask;
	unsigned int i;

	spin_lock_init(&ask->lock);
	INIT_LIST_HEAD(&ask->list);
	INIT_LIST_HEAD(&ask->unrouted.list);
	for (i = 0; i < FZ_ASK_BUCKETS; i++)
		INIT_HLIST_HEAD(&ask->ids[i]);
	fz_bucket_init(&ask->bucket, FZ_ASK_RATE, FZ_ASK_BURST);
	INIT_DELAYED_WORK(&ask->work, run_late);
}

/**
 * fz_ask_exit() - drops all that is held
 * @az: the device's; its peers are gone and no packet can come any more
 *
 * Context: may sleep.
 */
void fz_ask_exit(struct fz_authz *az)
{
	struct fz_held *held, *next;

	cancel_delayed_work_sync(&az->ask.work);
	list_for_each_entry_safe(held, next, &az->ask.list, node) {
		__skb_queue_purge(&held->packets);
		kfree(held);
	}
	INIT_LIST_HEAD(&az->ask.list);
	fz_ask_prefixes_free(az);
}
