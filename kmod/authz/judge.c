// SPDX-License-Identifier: GPL-2.0-only
/*
 * Judging bundles of packets.
 *
 * A packet is admitted by its flow; without one, by policy, which then makes one. What is refused
 * passes all the same in modes open and observe: the last word is refuse().
 */

#include "authz/judge.h"

#include <linux/ktime.h>
#include <net/tcp.h>

#include "authz/authz.h"
#include "authz/decide.h"
#include "authz/drop.h"
#include "authz/fragment.h"
#include "authz/ghosts.h"
#include "authz/held.h"
#include "authz/reject.h"
#include "authz/tell.h"

/*
 * How often a packet is judged whose flow ends under it, or is another's just then. So often in a row it
 * is no coincidence: somebody keeps it busy.
 */
#define ROUNDS 8

enum outcome {
	PASSES,		/* and is counted */
	GONE,		/* freed, or held */
	AGAIN,		/* its flow has ended meanwhile: to be judged once more */
};

/* Counts packets with their flow. False if it has ended. */
static bool count(struct fz_bundle *bundle, struct fz_flow *flow, u64 packets, u64 bytes)
{
	u8 observed = READ_ONCE(flow->observed);

	if (bundle->again)
		return true;
	if (!fz_flow_pass(flow, bundle->dir, packets, bytes))
		return false;
	if (observed)
		fz_count_add(bundle->az, observed[bundle->dir][observed], packets);
	return true;
}

/* Begins a run with a packet that is counted. */
static void begin_run(struct fz_bundle *bundle, struct fz_flow *flow,
		      const struct fz_packet *packet)
{
	bundle->flow = flow;
	bundle->tuple = packet->tuple;
	bundle->run = 0;
	bundle->packets = 0;
	bundle->bytes = 0;
}

/*
 * Counts the rest of the run. If the flow has ended since, it does not pass with it: it comes to
 * the head of @queue once more. Nothing was done about these packets yet but to look at them.
 */
static bool close_run(struct fz_bundle *bundle, struct sk_buff_head *queue)
{
	struct fz_flow *flow = bundle->flow;

	bundle->flow = NULL;
	if (!flow || !bundle->run || count(bundle, flow, bundle->packets, bundle->bytes))
		return true;
	while (bundle->run--)
		__skb_queue_head(queue, __skb_dequeue_tail(&bundle->passed));
	return false;
}

/**
 * fz_judge_refuse() - refuses a packet for good
 * @az: the device's
 * @ap: the peer's; NULL where there is none
 * @dir: direction
 * @packet: what the dissector found
 * @decision: verdict REFUSE, reason, flags, and grant or tag if one has a part in it
 * @skb: freed
 *
 * Context: RCU, BH disabled.
 */
void fz_judge_refuse(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		     const struct fz_packet *packet, const struct fz_decision *decision,
		     struct sk_buff *skb)
{
	fz_count_add(az, refused[dir][decision->reason], packet->packets);
	fz_tell_denial(az, ap, dir, &packet->tuple, decision);
	if (decision->flags & FZ_MODE_F_REJECT)
		fz_reject(az, ap, dir, packet, decision->reason, skb);
	fz_drop(skb, decision->reason);
}

/*
 * The end of a packet that nothing admits. @decision has the reason; mode and flags are those in
 * force now.
 */
static enum outcome refuse(struct fz_bundle *bundle, const struct fz_packet *packet,
			   struct fz_decision *decision, struct sk_buff *skb)
{
	struct fz_mode_setting setting = fz_mode_effective(bundle->az, bundle->ap, bundle->dir);

	decision->mode = setting.mode;
	decision->flags = setting.flags;
	if (setting.mode == FZ_MODE_OPEN)
		return PASSES;
	if (setting.mode == FZ_MODE_OBSERVE) {
		decision->verdict = FZ_VERDICT_OBSERVE;
		fz_count_add(bundle->az, observed[bundle->dir][decision->reason], packet->packets);
		fz_tell_denial(bundle->az, bundle->ap, bundle->dir, &packet->tuple, decision);
		return PASSES;
	}
	decision->verdict = FZ_VERDICT_REFUSE;
	fz_judge_refuse(bundle->az, bundle->ap, bundle->dir, packet, decision, skb);
	return GONE;
}

static enum outcome refuse_for(struct fz_bundle *bundle, const struct fz_packet *packet,
			       enum fz_reason reason, struct sk_buff *skb)
{
	struct fz_decision decision = { .reason = reason };

	return refuse(bundle, packet, &decision, skb);
}

static enum fz_direction other_way(enum fz_direction dir)
{
	return dir == FZ_DIR_IN ? FZ_DIR_OUT : FZ_DIR_IN;
}

static enum fz_reason remember_fragment(struct fz_bundle *bundle, const struct fz_packet *packet,
					const struct fz_flow_key *key)
{
	if (packet->kind != FZ_PACKET_FRAGMENT_FIRST || bundle->again)
		return FZ_REASON_NONE;
	return fz_fragment_first(bundle->az, bundle->ap, bundle->dir, packet, key);
}

/* What remember_fragment() did is undone: the packet does not pass after all. */
static void forget_fragment(struct fz_bundle *bundle, const struct fz_packet *packet)
{
	if (packet->kind == FZ_PACKET_FRAGMENT_FIRST)
		fz_fragment_forget(bundle->az, bundle->ap, bundle->dir, packet);
}

/*
 * Counts a packet with its flow, if the limits of the flow's grant have room for it; if not, @why
 * says so. When a quota is used up, another grant may admit the flow. Without a reason in @why, it
 * has ended.
 */
static bool charge(struct fz_bundle *bundle, struct fz_flow *flow, const struct fz_packet *packet,
		   struct fz_decision *why)
{
	struct fz_grant *grant;
	struct fz_meter *meter;
	enum fz_reason reason;

	do {
		grant = rcu_dereference(flow->grant);
		meter = grant ? rcu_dereference(grant->meter) : NULL;
		bundle->metered = meter && !bundle->again;
		why->reason = FZ_REASON_NONE;
		if (likely(!bundle->metered))
			return count(bundle, flow, packet->packets, packet->bytes);
		if (!fz_flow_pass_metered(flow, bundle->dir, packet, meter, bundle->now, &reason))
			return false;
		if (reason == FZ_REASON_NONE)
			return true;
		*why = (struct fz_decision){ .reason = reason, .grant = grant };
	} while (reason == FZ_REASON_QUOTA && fz_flow_check(bundle->az, flow, bundle->now, why));
	return false;
}

/*
 * What admits @bytes for themselves, with no flow that could say so: those of a packet that went in
 * direction @dir with @tuple, or of one about it. @key is that of the flow there could be.
 */
static void decide_alone(struct fz_bundle *bundle, const struct fz_flow_key *key,
			 enum fz_direction dir, const struct fz_tuple *tuple, u32 bytes,
			 struct fz_decision *decision)
{
	enum fz_reason reason;
	struct fz_meter *meter;

	do {
		fz_decide(bundle->az, bundle->ap, dir, tuple, bundle->now, decision);
		/* As in judge_new(); and what was not found may be gone with the peer. */
		if (!fz_flow_has_address(bundle->az, key) || fz_flow_is_leaving(bundle->ap)) {
			reason = FZ_REASON_SOURCE;
			break;
		}
		if (decision->verdict != FZ_VERDICT_PASS || !decision->grant || bundle->again)
			return;
		meter = rcu_dereference(decision->grant->meter);
		if (!meter)
			return;
		reason = fz_meter_take(meter, bytes, bundle->now);
	} while (reason == FZ_REASON_QUOTA);
	decision->reason = reason;
	if (reason != FZ_REASON_NONE)
		decision->verdict = FZ_VERDICT_REFUSE;
}

/* Why decide_alone() does not admit what a withdrawn flow, by @why, does not either. */
static struct fz_decision *reason_of(struct fz_decision *decision, struct fz_decision *why)
{
	if (why->reason == FZ_REASON_NONE || decision->reason == FZ_REASON_RATE ||
	    decision->reason == FZ_REASON_QUOTA || decision->reason == FZ_REASON_SOURCE)
		return decision;
	return why;
}

/* What becomes of a packet that charge() has not counted. */
static enum outcome refuse_charge(struct fz_bundle *bundle, struct fz_flow *flow,
				  const struct fz_packet *packet, struct fz_decision *why,
				  struct sk_buff *skb)
{
	if (why->reason == FZ_REASON_NONE)
		return AGAIN;
	if (refuse(bundle, packet, why, skb) == GONE)
		return GONE;
	return count(bundle, flow, packet->packets, packet->bytes) ? PASSES : AGAIN;
}

/* Whether a packet waits behind others of its flow. It is judged again then, and remembered. */
static bool follows(struct fz_bundle *bundle, const struct fz_flow *flow, struct sk_buff *skb)
{
	return unlikely(READ_ONCE(flow->held)) && !bundle->asked &&
	       fz_ask_follow(bundle->az, flow, bundle->dir, skb);
}

static enum outcome admit(struct fz_bundle *bundle, struct fz_flow *flow,
			  const struct fz_packet *packet, struct sk_buff *skb)
{
	enum outcome outcome = PASSES;
	struct fz_decision why;
	enum fz_reason reason;

	if (follows(bundle, flow, skb))
		return GONE;
	/* Before it is charged: what does not pass uses nothing up. */
	reason = remember_fragment(bundle, packet, &flow->key);
	if (reason != FZ_REASON_NONE)
		return refuse_for(bundle, packet, reason, skb);
	if (unlikely(!charge(bundle, flow, packet, &why)))
		outcome = refuse_charge(bundle, flow, packet, &why, skb);
	if (unlikely(outcome != PASSES)) {
		forget_fragment(bundle, packet);
		return outcome;
	}
	fz_flow_advance(bundle->az, flow, bundle->dir, packet);
	/* There each needs a look. */
	if (likely(!READ_ONCE(flow->reopened)))
		begin_run(bundle, flow, packet);
	return PASSES;
}

static enum outcome ask(struct fz_bundle *bundle, const struct fz_flow_key *key,
			const struct fz_packet *packet, struct fz_decision *decision,
			struct sk_buff *skb)
{
	enum fz_reason reason = decision->reason;

	if (!bundle->asked) {
		reason = fz_ask_hold(bundle->az, bundle->ap, bundle->dir, key, packet, skb);
		if (reason == FZ_REASON_NONE)
			return GONE;
	}
	/* Not held: nobody answers, or too many are. */
	if (reason != FZ_REASON_NO_GRANT)
		decision->reason = reason;
	return refuse(bundle, packet, decision, skb);
}

/* Whether the limits of the grant that admits it have room for a flow. */
static bool may_begin(struct fz_bundle *bundle, struct fz_decision *decision)
{
	struct fz_meter *meter = decision->grant ? rcu_dereference(decision->grant->meter) : NULL;

	if (likely(!meter) || bundle->begun)
		return true;
	decision->reason = fz_meter_take_flow(meter, bundle->now);
	bundle->begun = decision->reason == FZ_REASON_NONE;
	return bundle->begun;
}

/* A packet without a flow: policy decides. */
static enum outcome judge_new(struct fz_bundle *bundle, const struct fz_flow_key *key,
			      const struct fz_packet *packet, struct sk_buff *skb)
{
	/* Pairs with fz_policy_judge_again(). Before the decision: a change after it is seen later. */
	u32 gen = smp_load_acquire(&bundle->az->gen);
	struct fz_decision decision;
	struct fz_flow *flow;

	/* It was routed before that: the address may be another's by now, and nobody left to say so. */
	if (!fz_flow_has_address(bundle->az, key) || READ_ONCE(bundle->ap->dead)) {
		decision = (struct fz_decision){
			.verdict = FZ_VERDICT_REFUSE,
			.reason = FZ_REASON_SOURCE,
		};
		fz_judge_refuse(bundle->az, bundle->ap, bundle->dir, packet, &decision, skb);
		return GONE;
	}
	fz_decide(bundle->az, bundle->ap, bundle->dir, &packet->tuple, bundle->now, &decision);
	switch ((enum fz_verdict)decision.verdict) {
	case FZ_VERDICT_REFUSE:
		return refuse(bundle, packet, &decision, skb);
	case FZ_VERDICT_ASK:
		return ask(bundle, key, packet, &decision, skb);
	case FZ_VERDICT_PASS:
		if (may_begin(bundle, &decision))
			break;
		return refuse(bundle, packet, &decision, skb);
	case FZ_VERDICT_OBSERVE:
		break;
	}
	flow = fz_flow_create(bundle->az, key, bundle->dir, packet, &decision, gen,
			      bundle->asked);
	if (IS_ERR(flow))
		return AGAIN;
	if (!flow)
		return refuse_for(bundle, packet, FZ_REASON_TABLE_FULL, skb);
	if (decision.verdict == FZ_VERDICT_OBSERVE)
		fz_tell_denial(bundle->az, bundle->ap, bundle->dir, &packet->tuple, &decision);
	return admit(bundle, flow, packet, skb);
}

/*
 * What is no reply, though it goes the other way than the flow, and so needs leave of its own: the
 * peer, or we, begin a connection from the far end of one that the other side began, perhaps with the
 * same ports; or the flow was withdrawn. It leads to no flow: what is sent back would be taken for its
 * replies, and so would what the withdrawn flow sends. It leads no run either, and with a flow that
 * has ended it is not counted.
 */
static enum outcome judge_reverse(struct fz_bundle *bundle, struct fz_flow *flow,
				  const struct fz_packet *packet, struct fz_decision *why,
				  struct sk_buff *skb)
{
	struct fz_decision decision;
	enum outcome outcome;
	enum fz_reason reason;

	/* Before it is charged: that comes when it is judged again. */
	if (follows(bundle, flow, skb))
		return GONE;
	reason = remember_fragment(bundle, packet, &flow->key);
	if (reason != FZ_REASON_NONE)
		return refuse_for(bundle, packet, reason, skb);
	decide_alone(bundle, &flow->key, bundle->dir, &packet->tuple, packet->bytes, &decision);
	if (decision.verdict != FZ_VERDICT_PASS) {
		outcome = refuse(bundle, packet, reason_of(&decision, why), skb);
		if (outcome != PASSES)
			forget_fragment(bundle, packet);
		return outcome;
	}
	count(bundle, flow, packet->packets, packet->bytes);
	fz_flow_advance(bundle->az, flow, bundle->dir, packet);
	return PASSES;
}

/* As judge_reverse(), where the withdrawn flow is a ghost by now: there is nothing to count by. */
static enum outcome judge_ghost(struct fz_bundle *bundle, const struct fz_flow_key *key,
				const struct fz_packet *packet, struct sk_buff *skb)
{
	struct fz_decision decision;

	decide_alone(bundle, key, bundle->dir, &packet->tuple, packet->bytes, &decision);
	if (decision.verdict != FZ_VERDICT_PASS)
		return refuse(bundle, packet, &decision, skb);
	if (packet->kind != FZ_PACKET_PLAIN)
		return refuse_for(bundle, packet, FZ_REASON_FRAGMENT, skb);
	return PASSES;
}

/**
 * struct lookup - what is known of the conversation that a packet belongs to
 * @flow: it may go on
 * @withdrawn: one of the other direction, not TCP, that is kept to be refused by
 * @ghost: the same, of which only the ghost is left
 * @again: it has just ended, and is not there any more
 * @why: with a reason, none of these: it was ended under the packet
 */
struct lookup {
	struct fz_flow *flow;
	struct fz_flow *withdrawn;
	bool ghost;
	bool again;
	struct fz_decision why;
};

static void look_for_ghost(struct fz_bundle *bundle, const struct fz_flow_key *key,
			   const struct fz_packet *packet, struct lookup *found)
{
	if (key->proto == IPPROTO_TCP && packet->opens)
		return;
	if (!fz_ghosts_find(bundle->az, key, other_way(bundle->dir)))
		return;
	found->ghost = key->proto != IPPROTO_TCP;
	found->why = (struct fz_decision){ .reason = FZ_REASON_NO_GRANT };
}

static void look_up(struct fz_bundle *bundle, const struct fz_flow_key *key,
		    const struct fz_packet *packet, struct lookup *found)
{
	struct fz_flow *flow = fz_flow_find(bundle->az, key);

	memset(found, 0, sizeof(*found));
	if (!flow) {
		look_for_ghost(bundle, key, packet, found);
		return;
	}
	if (fz_flow_is_idle(bundle->az, flow, bundle->dir)) {
		fz_flow_end(bundle->az, flow, READ_ONCE(flow->state) == FZ_FLOW_CLOSING ?
					      FZ_END_CLOSED : FZ_END_TIMEOUT);
		return;
	}
	if (fz_flow_check(bundle->az, flow, bundle->now, &found->why)) {
		found->why.reason = FZ_REASON_NONE;
		if (!packet->opens || READ_ONCE(flow->state) != FZ_FLOW_CLOSING)
			found->flow = flow;
		/* Begun at the other end, it takes the place: see link_flow(). */
		else if (bundle->dir == flow->dir)
			fz_flow_end(bundle->az, flow, FZ_END_CLOSED);
		return;
	}
	found->again = found->why.reason == FZ_REASON_NONE;
	if (found->again)
		return;
	/* Whoever goes on sending does not outlast it. */
	fz_flow_touch(flow, bundle->dir);
	if (bundle->dir == flow->dir) {
		/* In its own direction it is a first packet again, if this still is the peer. */
		if (found->why.reason != FZ_REASON_SOURCE)
			found->why.reason = FZ_REASON_NONE;
	} else if (key->proto != IPPROTO_TCP) {
		found->withdrawn = flow;
	} else if (packet->opens) {
		/* In the other one, what really begins there. It takes the place as well. */
		found->why.reason = FZ_REASON_NONE;
	}
}

static enum outcome judge_plain(struct fz_bundle *bundle, const struct fz_packet *packet,
				struct sk_buff *skb)
{
	struct fz_flow_key key;
	struct lookup found;
	struct fz_flow *flow;

	fz_flow_key_make(&key, bundle->ap, bundle->dir, &packet->tuple);
	look_up(bundle, &key, packet, &found);
	if (!found.flow && !found.again && found.why.reason == FZ_REASON_NONE &&
	    fz_flow_key_alone(&key, bundle->dir, &packet->tuple))
		look_up(bundle, &key, packet, &found);
	flow = found.flow;
	if (!flow) {
		if (found.again)
			return AGAIN;
		if (found.withdrawn)
			return judge_reverse(bundle, found.withdrawn, packet, &found.why, skb);
		if (found.ghost)
			return judge_ghost(bundle, &key, packet, skb);
		if (found.why.reason != FZ_REASON_NONE)
			return refuse(bundle, packet, &found.why, skb);
		return judge_new(bundle, &key, packet, skb);
	}
	if (packet->opens && bundle->dir != flow->dir)
		return judge_reverse(bundle, flow, packet, &found.why, skb);
	if (!fz_flow_may_reopen(flow, bundle->dir, packet))
		return refuse_for(bundle, packet, FZ_REASON_NO_GRANT, skb);
	return admit(bundle, flow, packet, skb);
}

/*
 * What belongs to a packet that a withdrawn flow was in the way of, for it went in the other direction,
 * @dir: it passes as that did.
 */
static enum outcome judge_related_reverse(struct fz_bundle *bundle, const struct fz_flow *flow,
					  enum fz_direction dir, const struct fz_packet *packet,
					  struct fz_decision *why, struct sk_buff *skb)
{
	struct fz_decision decision;
	struct fz_tuple tuple;

	fz_flow_tuple_of(flow, dir, &tuple);
	decide_alone(bundle, &flow->key, dir, &tuple, packet->bytes, &decision);
	if (decision.verdict == FZ_VERDICT_PASS)
		return PASSES;
	/* What it is about passed: the mode of this direction has no say in that. */
	if (decision.verdict == FZ_VERDICT_OBSERVE && dir != bundle->dir)
		return PASSES;
	return refuse(bundle, packet, reason_of(&decision, why), skb);
}

/*
 * What belongs to a packet of the flow of @key that went in direction @dir, without being one that could
 * move the flow, or lead others. Without a flow, it is refused for @reason.
 */
static enum outcome judge_related(struct fz_bundle *bundle, const struct fz_flow_key *key,
				  enum fz_direction dir, const struct fz_packet *packet,
				  enum fz_reason reason, struct sk_buff *skb)
{
	struct fz_flow *flow = fz_flow_find(bundle->az, key);
	struct fz_decision why = {};

	if (!flow)
		return refuse_for(bundle, packet, reason, skb);
	if (!fz_flow_check(bundle->az, flow, bundle->now, &why)) {
		if (why.reason == FZ_REASON_NONE)
			return AGAIN;
		if (dir == flow->dir || key->proto == IPPROTO_TCP)
			return refuse(bundle, packet, &why, skb);
		return judge_related_reverse(bundle, flow, dir, packet, &why, skb);
	}
	if (unlikely(!charge(bundle, flow, packet, &why)))
		return refuse_charge(bundle, flow, packet, &why, skb);
	return PASSES;
}

/* A later fragment goes the way of the first, as long as its flow may. */
static enum outcome judge_later(struct fz_bundle *bundle, const struct fz_packet *packet,
				struct sk_buff *skb)
{
	unsigned int rounds = ROUNDS;
	struct fz_flow_key key;
	enum outcome outcome;
	enum fz_reason reason;

	if (bundle->again)
		reason = fz_fragment_again(bundle->az, bundle->ap, bundle->dir, packet, &key);
	else
		reason = fz_fragment_later(bundle->az, bundle->ap, bundle->dir, packet, &key);
	if (reason != FZ_REASON_NONE)
		return refuse_for(bundle, packet, reason, skb);
	/* Not from the start: it would be taken for a duplicate. */
	do {
		outcome = judge_related(bundle, &key, bundle->dir, packet, FZ_REASON_FRAGMENT, skb);
	} while (outcome == AGAIN && --rounds);
	return outcome;
}

/*
 * An ICMP error belongs to the flow of the packet that it quotes, which went the other way. It
 * proves nothing about the other end: the flow's state stays.
 */
static enum outcome judge_error(struct fz_bundle *bundle, const struct fz_packet *packet,
				struct sk_buff *skb)
{
	enum fz_direction other = other_way(bundle->dir);
	struct fz_flow_key key;

	fz_flow_key_make(&key, bundle->ap, other, &packet->quoted);
	if (!fz_flow_find(bundle->az, &key))
		fz_flow_key_alone(&key, other, &packet->quoted);
	return judge_related(bundle, &key, other, packet, FZ_REASON_NO_GRANT, skb);
}

/* Whether a packet is the next of the run: same flow, and nothing in it that changes the flow. */
static bool continues_run(const struct fz_bundle *bundle, const struct fz_packet *packet)
{
	return bundle->flow && !bundle->metered && packet->kind == FZ_PACKET_PLAIN &&
	       !packet->opens &&
	       !(packet->tcp_flags & (TCPHDR_SYN | TCPHDR_FIN | TCPHDR_RST)) &&
	       fz_tuple_equal(&bundle->tuple, &packet->tuple);
}

static enum outcome judge_packet(struct fz_bundle *bundle, const struct fz_packet *packet,
				 struct sk_buff *skb)
{
	switch ((enum fz_packet_kind)packet->kind) {
	case FZ_PACKET_PLAIN:
	case FZ_PACKET_FRAGMENT_FIRST:
		return judge_plain(bundle, packet, skb);
	case FZ_PACKET_FRAGMENT_LATER:
		return judge_later(bundle, packet, skb);
	case FZ_PACKET_ERROR:
		return judge_error(bundle, packet, skb);
	}
	return refuse_for(bundle, packet, FZ_REASON_MALFORMED, skb);
}

/* Judges the first packet of @queue, unless others have to be judged again before it. */
static void judge_next(struct fz_bundle *bundle, struct sk_buff_head *queue)
{
	struct sk_buff *skb = skb_peek(queue);
	struct fz_packet packet;
	enum fz_reason reason = fz_dissect(skb, &packet);
	unsigned int rounds = ROUNDS;
	enum outcome outcome;

	if (reason == FZ_REASON_NONE && continues_run(bundle, &packet)) {
		bundle->run++;
		bundle->packets += packet.packets;
		bundle->bytes += packet.bytes;
		__skb_unlink(skb, queue);
		__skb_queue_tail(&bundle->passed, skb);
		return;
	}
	if (!close_run(bundle, queue))
		return;
	__skb_unlink(skb, queue);
	bundle->begun = false;
	do {
		outcome = reason == FZ_REASON_NONE ?
			  judge_packet(bundle, &packet, skb) :
			  refuse_for(bundle, &packet, reason, skb);
	} while (outcome == AGAIN && --rounds);
	if (unlikely(outcome == AGAIN))
		outcome = refuse_for(bundle, &packet, FZ_REASON_TABLE_FULL, skb);
	if (outcome == PASSES)
		__skb_queue_tail(&bundle->passed, skb);
}

/**
 * fz_judge_queue() - judges packets of one peer and direction
 * @bundle: az, ap, dir and asked are set, the rest is zero
 * @queue: what may not pass is taken out; the order stays
 *
 * Context: RCU, BH disabled.
 */
void fz_judge_queue(struct fz_bundle *bundle, struct sk_buff_head *queue)
{
	__skb_queue_head_init(&bundle->passed);
	bundle->now = ktime_get_boottime_ns();
	do {
		while (!skb_queue_empty(queue))
			judge_next(bundle, queue);
	} while (!close_run(bundle, queue));
	skb_queue_splice(&bundle->passed, queue);
}

/**
 * fz_authz_judge() - judges a bundle
 * @az: the device's
 * @ap: the peer's; the caller has a reference to the peer
 * @dir: direction
 * @queue: packets with network header and protocol set, data at the network header; linear or
 *	   not, outbound may be super-packets. Refused ones are freed (and answered, where the
 *	   mode says so), held ones taken; what is left may pass, in order
 *
 * Consecutive packets of one flow are one lookup.
 *
 * Context: softirq, or BH disabled. Takes RCU.
 */
void fz_authz_judge(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		    struct sk_buff_head *queue)
{
	struct fz_bundle bundle = { .az = az, .ap = ap, .dir = dir };

	rcu_read_lock();
	fz_judge_queue(&bundle, queue);
	rcu_read_unlock();
}

/**
 * fz_authz_judge_again() - judges packets that waited since they were judged
 * @az: the device's
 * @ap: the peer's; the caller has a reference to the peer
 * @dir: direction
 * @queue: as for fz_authz_judge(), whose packets passed it; perhaps segmented since
 *
 * Policy may be another by now. What still may pass is not counted a second time, nor taken for a
 * duplicate fragment.
 *
 * Context: softirq, or BH disabled. Takes RCU.
 */
void fz_authz_judge_again(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
			  struct sk_buff_head *queue)
{
	struct fz_bundle bundle = { .az = az, .ap = ap, .dir = dir, .again = true };

	rcu_read_lock();
	fz_judge_queue(&bundle, queue);
	rcu_read_unlock();
}
