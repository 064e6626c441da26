// SPDX-License-Identifier: GPL-2.0-only
/* Flows as packets come: whether they may go on, and where they are in their life. */

#include <linux/ktime.h>
#include <linux/rhashtable.h>
#include <net/tcp.h>

#include "authz/authz.h"
#include "authz/decide.h"
#include "authz/tell.h"

static u32 timeout_of(const struct fz_authz *az, const struct fz_flow *flow)
{
	const struct fz_timeouts *timeouts = &az->timeouts;
	u8 state = READ_ONCE(flow->state);

	if (flow->key.proto == IPPROTO_TCP) {
		/*
		 * It stands for the withdrawn one too, or is one; and a connection that is said to be
		 * closed may be silent for that long, too, if it is not.
		 */
		if (READ_ONCE(flow->reopened) || READ_ONCE(flow->refused))
			return READ_ONCE(timeouts->tcp_established);
		if (state == FZ_FLOW_ESTABLISHED)
			return READ_ONCE(timeouts->tcp_established);
		if (state == FZ_FLOW_CLOSING)
			return READ_ONCE(timeouts->tcp_closing);
		return READ_ONCE(timeouts->tcp_opening);
	}
	if (flow->key.proto == IPPROTO_UDP || flow->key.proto == IPPROTO_UDPLITE)
		return state == FZ_FLOW_NEW ? READ_ONCE(timeouts->udp_new) :
					      READ_ONCE(timeouts->udp_answered);
	if (fz_proto_is_icmp(flow->key.family, flow->key.proto))
		return READ_ONCE(timeouts->icmp);
	return READ_ONCE(timeouts->other);
}

/* Jiffies since the last packet of one side; jiffies are kept as 32 bits. */
static u32 silent(const struct fz_flow *flow, u8 dir)
{
	u32 used = READ_ONCE(flow->side[dir].used);

	/* Another CPU may have noted a later jiffy meanwhile. */
	return max_t(s32, 0, (s32)((u32)jiffies - used));
}

/**
 * fz_flow_is_idle() - whether a flow was silent for too long
 * @az: the device's
 * @flow: the flow
 * @dir: the side to look at first: the other's cache line is left alone if this one was heard
 *
 * Context: RCU.
 * Return: true if it has to end.
 */
bool fz_flow_is_idle(const struct fz_authz *az, const struct fz_flow *flow, u8 dir)
{
	u32 limit = timeout_of(az, flow) * HZ;

	return silent(flow, dir) > limit && silent(flow, !dir) > limit;
}

/**
 * fz_flow_keep_time() - keeps a side that has been silent for long from looking like one just heard
 * @flow: the flow
 *
 * Of two moments 32 bits of jiffies can only tell which is later if they are near each other, and
 * one side of a flow may never say a word. To be called far more often than jiffies go round.
 *
 * Context: RCU.
 */
void fz_flow_keep_time(struct fz_flow *flow)
{
	unsigned int dir;

	for (dir = 0; dir < FZ_DIRS; dir++) {
		u32 used = READ_ONCE(flow->side[dir].used);

		/* Longer than any timeout, still. Not over what a packet writes meanwhile. */
		if (silent(flow, dir) > S32_MAX / 2)
			cmpxchg(&flow->side[dir].used, used, (u32)jiffies - S32_MAX / 2);
	}
}

/**
 * fz_flow_timeout_ms() - until a flow ends if it stays silent
 * @az: the device's
 * @flow: the flow
 *
 * Context: RCU.
 * Return: milliseconds.
 */
u64 fz_flow_timeout_ms(const struct fz_authz *az, const struct fz_flow *flow)
{
	u32 limit = timeout_of(az, flow) * HZ;
	u32 idle = min(silent(flow, FZ_DIR_IN), silent(flow, FZ_DIR_OUT));

	return idle < limit ? jiffies_to_msecs(limit - idle) : 0;
}

/* Why a flow ends that is not admitted any more. */
static enum fz_flow_end end_of(const struct fz_flow *flow, const struct fz_grant *grant,
			       const struct fz_decision *decision, u64 now)
{
	u64 lease = grant ? READ_ONCE(grant->lease) : 0;

	if (decision->reason == FZ_REASON_DENIED)
		return FZ_END_DENIED;
	if (flow->mode != decision->mode)
		return FZ_END_MODE;
	if (decision->reason == FZ_REASON_QUOTA)
		return FZ_END_QUOTA;
	if (decision->reason == FZ_REASON_EXPIRED || (lease && lease <= now))
		return FZ_END_EXPIRED;
	return FZ_END_REVOKED;
}

static bool is_current(const struct fz_flow *flow, u32 gen, u64 now)
{
	const struct fz_grant *grant;
	u64 lease;

	if (READ_ONCE(flow->gen) != gen)
		return false;
	/* Its number was yesterday's when it ended, and may be today's again. */
	if (unlikely(READ_ONCE(flow->refused) || READ_ONCE(flow->dead)))
		return false;
	grant = rcu_dereference(flow->grant);
	if (!grant)
		return true;
	lease = READ_ONCE(grant->lease);
	if (lease && now >= lease)
		return false;
	return !fz_meter_is_spent(rcu_dereference(grant->meter));
}

/**
 * fz_flow_has_address() - whether the far end of a flow is an address of its peer
 * @az: the device's
 * @key: of the flow
 *
 * What cryptokey routing refuses has no leave to lose: the flow is over, whatever the mode. To be
 * asked after az->gen was read: an address that goes later moves it.
 *
 * Context: RCU.
 * Return: true if so, or if that is being changed.
 */
bool fz_flow_has_address(const struct fz_authz *az, const struct fz_flow_key *key)
{
	if (az->ops->routes(key->ap, key->family, &key->remote))
		return true;
	/* Pairs with fz_authz_reroute_begin(). It is judged again when they have changed. */
	smp_rmb();
	if (READ_ONCE(az->rerouting))
		return true;
	/* They may have, just now. */
	smp_rmb();
	return az->ops->routes(key->ap, key->family, &key->remote);
}

/**
 * fz_flow_is_leaving() - whether what is missing is so because the peer is being removed
 * @ap: the peer; its grants and flows go one by one
 *
 * Context: RCU.
 * Return: true if so.
 */
bool fz_flow_is_leaving(const struct fz_authz_peer *ap)
{
	/* Pairs with fz_authz_peer_going(). */
	smp_rmb();
	return READ_ONCE(ap->dead);
}

/* Whether @heir is @grant after a change of it, or restated by an epoch. */
static bool is_heir(const struct fz_grant *heir, const struct fz_grant *grant)
{
	return heir && grant && heir->key.ap == grant->key.ap &&
	       heir->key.dir == grant->key.dir &&
	       !strcmp(heir->key.resource->name, grant->key.resource->name);
}

/* Whether the peer, or its address, is gone; else @decision is what policy says. */
static bool is_gone(struct fz_authz *az, const struct fz_flow *flow, u64 now,
		    struct fz_decision *decision)
{
	struct fz_tuple tuple;

	if (!fz_flow_has_address(az, &flow->key))
		return true;
	fz_flow_tuple(flow, &tuple);
	fz_decide(az, flow->key.ap, flow->dir, &tuple, now, decision);
	/* After it: a denial that it did not find may be gone with the peer. */
	return fz_flow_is_leaving(flow->key.ap);
}

/* Judges @flow again. True if it goes on. */
static bool judge_again(struct fz_authz *az, struct fz_flow *flow, u64 now,
			struct fz_decision *decision, enum fz_flow_end *end)
{
	struct fz_grant *old, *grant = NULL;

	lockdep_assert_held(&flow->lock);
	if (is_gone(az, flow, now, decision)) {
		struct fz_mode_setting setting = fz_mode_effective(az, flow->key.ap, flow->dir);

		*decision = (struct fz_decision){
			.verdict = FZ_VERDICT_REFUSE,
			.reason = FZ_REASON_SOURCE,
			.mode = setting.mode,
			.flags = setting.flags,
		};
		*end = FZ_END_SOURCE;
		return false;
	}
	old = rcu_dereference_protected(flow->grant, lockdep_is_held(&flow->lock));
	if (decision->verdict == FZ_VERDICT_REFUSE || decision->verdict == FZ_VERDICT_ASK) {
		*end = end_of(flow, old, decision, now);
		return false;
	}
	if (decision->verdict == FZ_VERDICT_PASS)
		grant = decision->grant;
	if (grant != old && (!grant || refcount_inc_not_zero(&grant->refs))) {
		/* What the old one had counted its heir has already: see carry_counts(). */
		fz_flow_fold_locked(flow, is_heir(grant, old) ? grant : old);
		fz_flow_set_grant(az, flow, grant);
	}
	flow->mode = decision->mode;
	if (flow->observed != (grant ? 0 : decision->reason))
		WRITE_ONCE(flow->observed, grant ? 0 : decision->reason);
	else if (decision->verdict == FZ_VERDICT_OBSERVE)
		decision->verdict = FZ_VERDICT_PASS;	/* told already */
	return true;
}

/* The rest of fz_flow_check(), where it takes more than a look. */
static bool check_locked(struct fz_authz *az, struct fz_flow *flow, u32 gen, u64 now,
			 struct fz_decision *why)
{
	enum fz_flow_end end = FZ_END_NONE;
	bool refused = flow->refused;

	lockdep_assert_held(&flow->lock);
	if (flow->dead) {
		/* Out of the table, too: whoever ended it let go of the lock after that. */
		*why = (struct fz_decision){ .verdict = FZ_VERDICT_REFUSE };
		return false;
	}
	if (!refused && is_current(flow, gen, now)) {
		why->verdict = FZ_VERDICT_PASS;
		return true;
	}
	if (!judge_again(az, flow, now, why, &end)) {
		if (fz_flow_is_leaving(flow->key.ap))
			end = FZ_END_PEER_REMOVED;
		if (!refused)
			fz_flow_refuse(az, flow, end);
		return false;
	}
	if (refused)
		fz_flow_restore(az, flow);
	WRITE_ONCE(flow->gen, gen);
	return true;
}

/**
 * fz_flow_check() - whether a flow may go on
 * @az: the device's
 * @flow: the flow
 * @now: boot clock, ns
 * @why: if it may not, filled in with the decision that ended it; without a reason if it is over, and
 *	 not in the table any more
 *
 * While nothing changed this reads four words. After a change of policy or mode, or when the lease
 * of its grant has ended or its quota is used up, the flow is judged again as its first packet was:
 * another grant may admit it just as well. If none does, it is ended, but kept to be refused by,
 * until policy admits it again or it has been silent for long: see fz_flow_refuse().
 *
 * Context: RCU, BH disabled.
 * Return: true if it may.
 */
bool fz_flow_check(struct fz_authz *az, struct fz_flow *flow, u64 now, struct fz_decision *why)
{
	/* Pairs with fz_policy_judge_again(). */
	u32 gen = smp_load_acquire(&az->gen);
	struct fz_tuple tuple;
	bool goes_on;

	if (likely(is_current(flow, gen, now)))
		return true;
	spin_lock(&flow->lock);
	goes_on = check_locked(az, flow, gen, now, why);
	spin_unlock(&flow->lock);
	if (goes_on && why->verdict == FZ_VERDICT_OBSERVE) {
		fz_flow_tuple(flow, &tuple);
		fz_tell_denial(az, flow->key.ap, flow->dir, &tuple, why);
	}
	return goes_on;
}

static void mark_answered(struct fz_authz *az, struct fz_flow *flow)
{
	spin_lock(&az->flow_lock);
	if (!flow->dead && !flow->answered) {
		list_del(&flow->device_node);
		list_move_tail(&flow->peer_node, &flow->key.ap->flows);
		WRITE_ONCE(flow->answered, true);
	}
	spin_unlock(&az->flow_lock);
}

static void set_state(struct fz_flow *flow, enum fz_flow_state state)
{
	spin_lock(&flow->lock);
	if (flow->state < state)
		WRITE_ONCE(flow->state, state);
	spin_unlock(&flow->lock);
}

/**
 * fz_flow_may_reopen() - whether a packet fits a connection that begins where another was withdrawn
 * @flow: the flow
 * @dir: of the packet
 * @packet: of the flow
 *
 * Anybody can write a SYN. An end that still has the old connection answers it with an ACK (RFC 5961,
 * section 4) and goes on; were that a reply, one SYN would bring the withdrawn connection back. An end
 * that begins a new one answers with SYN and ACK, one that has none with RST. Until then nothing else
 * passes but the SYN itself.
 *
 * Context: RCU.
 * Return: true if the packet may pass, as far as that goes.
 */
bool fz_flow_may_reopen(struct fz_flow *flow, enum fz_direction dir,
			const struct fz_packet *packet)
{
	const u8 both = TCPHDR_SYN | TCPHDR_ACK;

	if (likely(!READ_ONCE(flow->reopened)))
		return true;
	if (dir == flow->dir)
		return packet->opens;
	if (packet->tcp_flags & TCPHDR_RST)
		return true;
	if ((packet->tcp_flags & both) != both)
		return false;
	WRITE_ONCE(flow->reopened, false);
	return true;
}

/**
 * fz_flow_advance() - moves a flow's state by a packet that passes
 * @az: the device's
 * @flow: the flow
 * @dir: of the packet
 * @packet: not an ICMP error
 *
 * TCP is established when both sides were heard, closes with both FINs or one RST. A RST is no
 * answer that would keep the flow when room is needed.
 *
 * Context: RCU, BH disabled.
 */
void fz_flow_advance(struct fz_authz *az, struct fz_flow *flow, enum fz_direction dir,
		     const struct fz_packet *packet)
{
	bool reply = dir != flow->dir;
	u8 state = READ_ONCE(flow->state);

	if (packet->tcp_flags & TCPHDR_RST) {
		if (state != FZ_FLOW_CLOSING)
			set_state(flow, FZ_FLOW_CLOSING);
		return;
	}
	if (reply && !READ_ONCE(flow->answered))
		mark_answered(az, flow);
	if (reply && state < FZ_FLOW_ESTABLISHED)
		set_state(flow, FZ_FLOW_ESTABLISHED);
	if (!(packet->tcp_flags & TCPHDR_FIN))
		return;
	WRITE_ONCE(flow->side[dir].fin, true);
	if (READ_ONCE(flow->side[!dir].fin))
		set_state(flow, FZ_FLOW_CLOSING);
}

/**
 * fz_flow_touch() - something of a flow was seen just now
 * @flow: the flow
 * @dir: of the packet
 *
 * Context: RCU.
 */
void fz_flow_touch(struct fz_flow *flow, enum fz_direction dir)
{
	struct fz_flow_side *side = &flow->side[dir];

	if (READ_ONCE(side->used) != (u32)jiffies)
		WRITE_ONCE(side->used, (u32)jiffies);
}

/**
 * fz_flow_pass() - counts packets of a flow that pass
 * @flow: the flow
 * @dir: of the packets
 * @packets: how many
 * @bytes: together
 *
 * What is counted here is in what is told of the flow's end, however soon that comes.
 *
 * Context: RCU, BH disabled. Takes the side's lock.
 * Return: true; false if the flow has ended: nothing passes with it.
 */
bool fz_flow_pass(struct fz_flow *flow, enum fz_direction dir, u64 packets, u64 bytes)
{
	struct fz_flow_side *side = &flow->side[dir];
	bool passes;

	spin_lock(&side->lock);
	passes = !side->closed;
	if (passes) {
		side->packets += packets;
		side->bytes += bytes;
	}
	spin_unlock(&side->lock);
	if (passes)
		fz_flow_touch(flow, dir);
	return passes;
}

/**
 * fz_flow_pass_metered() - counts a packet that passes if a meter has room for it
 * @flow: the flow
 * @dir: of the packet
 * @packet: the packet
 * @meter: of the flow's grant
 * @now: boot clock, ns
 * @reason: set to what fz_meter_take() returns; only with FZ_REASON_NONE it is counted
 *
 * A packet that comes too late for the flow has used up nothing.
 *
 * Context: RCU, BH disabled. Takes the side's lock.
 * Return: true; false if the flow has ended: nothing passes with it.
 */
bool fz_flow_pass_metered(struct fz_flow *flow, enum fz_direction dir,
			  const struct fz_packet *packet, struct fz_meter *meter, u64 now,
			  enum fz_reason *reason)
{
	struct fz_flow_side *side = &flow->side[dir];
	bool open;

	*reason = FZ_REASON_NONE;
	spin_lock(&side->lock);
	open = !side->closed;
	if (open)
		*reason = fz_meter_take(meter, packet->bytes, now);
	if (open && *reason == FZ_REASON_NONE) {
		side->packets += packet->packets;
		side->bytes += packet->bytes;
	}
	spin_unlock(&side->lock);
	if (open && *reason == FZ_REASON_NONE)
		fz_flow_touch(flow, dir);
	return open;
}
