// SPDX-License-Identifier: GPL-2.0-only
/* A device's authorization: its beginning, its end, its peers, and questions about it. */

#include "authz/authz.h"

#include <linux/ktime.h>
#include <linux/slab.h>

#include "authz/decide.h"
#include "authz/drop.h"
#include "authz/filter.h"
#include "authz/fragment.h"
#include "authz/ghosts.h"
#include "authz/held.h"
#include "authz/policy.h"
#include "authz/reject.h"
#include "authz/sweep.h"
#include "authz/tell.h"

static const struct fz_timeouts default_timeouts = {
	.tcp_opening = 60,
	.tcp_established = 2 * 3600 + 4 * 60,
	.tcp_closing = 120,
	.udp_new = 30,
	.udp_answered = 180,
	.icmp = 30,
	.other = 600,
};

struct workqueue_struct *fz_authz_wq;

/**
 * fz_authz_module_init() - makes what all devices share
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int fz_authz_module_init(void)
{
	int err = fz_grant_module_init();

	if (err)
		return err;
	err = fz_flow_module_init();
	if (err)
		goto no_flows;
	fz_authz_wq = alloc_workqueue("fz-authz", WQ_UNBOUND, 0);
	if (!fz_authz_wq)
		goto no_wq;
	return 0;

no_wq:
	err = -ENOMEM;
	fz_flow_module_exit();
no_flows:
	fz_grant_module_exit();
	return err;
}

/**
 * fz_authz_module_exit() - frees what all devices share
 *
 * Context: module unload, after the last device.
 */
void fz_authz_module_exit(void)
{
	destroy_workqueue(fz_authz_wq);
	rcu_barrier();
	fz_flow_module_exit();
	fz_grant_module_exit();
}

static void init_counts(struct fz_authz *az)
{
	int cpu;

	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(az->counts, cpu)->sync);
}

/**
 * fz_authz_init() - prepares the authorization of a device
 * @az: zeros
 * @dev: the device
 * @ops: the tunnel's
 * @mode: in both directions
 * @max_flows: of the device, passed fz_max_flows_check() or is fz_max_flows_default()
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int fz_authz_init(struct fz_authz *az, struct net_device *dev, const struct fz_authz_ops *ops,
		  enum fz_mode mode, u32 max_flows)
{
	struct fz_policy *policy = fz_policy_alloc();
	int err = -ENOMEM;

	if (!policy)
		return -ENOMEM;
	az->counts = alloc_percpu(struct fz_authz_count);
	if (!az->counts)
		goto no_counts;
	init_counts(az);
	err = rhashtable_init(&az->flows, &fz_flow_table);
	if (err)
		goto no_flows;

	az->dev = dev;
	az->ops = ops;
	az->gen = 1;
	seqcount_init(&az->change);
	az->mode[FZ_DIR_IN].mode = mode;
	az->mode[FZ_DIR_OUT].mode = mode;
	az->observes = mode == FZ_MODE_OBSERVE;
	az->timeouts = default_timeouts;
	az->max_flows = max_flows;
	az->max_peer_flows = max_flows - max_flows / 4;
	mutex_init(&az->lock);
	spin_lock_init(&az->flow_lock);
	INIT_LIST_HEAD(&az->fresh);
	INIT_LIST_HEAD(&az->refused);
	INIT_LIST_HEAD(&az->peers);
	fz_bucket_init(&az->rejects, FZ_REJECT_RATE, FZ_REJECT_BURST);
	fz_refusal_init(&az->refusals);
	fz_ask_init(az);
	fz_sweep_init(az);
	policy->live = true;
	rcu_assign_pointer(az->policy, policy);
	return 0;

no_flows:
	free_percpu(az->counts);
no_counts:
	fz_policy_put(policy);
	return err;
}

/**
 * fz_authz_stop() - nothing happens by itself any more, and nothing is told
 * @az: all its peers are removed; no packet or request can come any more
 *
 * Before what fz_event_*() needs is taken down.
 *
 * Context: may sleep.
 */
void fz_authz_stop(struct fz_authz *az)
{
	fz_sweep_exit(az);
	fz_ask_exit(az);
}

/**
 * fz_authz_destroy() - the end of a device's authorization
 * @az: after fz_authz_stop(); no dump can come any more
 *
 * Context: may sleep.
 */
void fz_authz_destroy(struct fz_authz *az)
{
	struct fz_policy *policy;

	fz_refusal_drop_all(az);
	mutex_lock(&az->lock);
	if (az->staged)
		fz_policy_retire(az, az->staged);
	az->staged = NULL;
	policy = rcu_dereference_protected(az->policy, lockdep_is_held(&az->lock));
	RCU_INIT_POINTER(az->policy, NULL);
	fz_policy_retire(az, policy);
	mutex_unlock(&az->lock);
	/* They need the lock to go. */
	fz_policy_wait(az);
	WARN_ON(az->n_flows || !list_empty(&az->peers));
	rhashtable_destroy(&az->flows);
	fz_ghosts_free(az);
	free_percpu(az->counts);
	mutex_destroy(&az->lock);
}

/**
 * fz_authz_peer_init() - prepares the authorization of a peer
 * @az: the device's
 * @ap: zeros
 * @id: the peer's number, not 0
 *
 * Context: may sleep; takes az->lock.
 */
void fz_authz_peer_init(struct fz_authz *az, struct fz_authz_peer *ap, u64 id)
{
	unsigned int dir;

	ap->az = az;
	ap->id = id;
	for (dir = 0; dir < FZ_DIRS; dir++)
		ap->mode[dir] = (struct fz_mode_setting){ .mode = FZ_MODE_INHERIT };
	INIT_LIST_HEAD(&ap->held.list);
	INIT_LIST_HEAD(&ap->flows);
	INIT_LIST_HEAD(&ap->fresh);
	INIT_LIST_HEAD(&ap->refused);
	fz_grant_list_init(&ap->grants);
	fz_fragment_init(&ap->fragments);
	fz_bucket_init(&ap->requests, FZ_ASK_RATE, FZ_ASK_BURST);
	mutex_lock(&az->lock);
	list_add_tail_rcu(&ap->node, &az->peers);
	mutex_unlock(&az->lock);
}

/**
 * fz_authz_peer_going() - a peer is about to be removed
 * @ap: the peer's
 *
 * Before it loses addresses and grants: flows that end from here on end for its removal, whatever
 * it was that they missed first.
 *
 * Context: device_update_lock held; fz_authz_peer_remove() follows.
 */
void fz_authz_peer_going(struct fz_authz_peer *ap)
{
	WRITE_ONCE(ap->dead, true);
	/* Pairs with fz_flow_is_leaving(): who misses something knows why. */
	smp_wmb();
}

/**
 * fz_authz_peer_remove() - takes a peer out of the authorization
 * @az: the device's
 * @ap: the peer's; may be freed after an RCU grace period
 *
 * 1. Dead, nothing comes to its lists any more. 2. Its grants go. 3. What is held for it is
 * dropped. 4. Its flows end. 5. What is remembered of it is forgotten.
 *
 * Context: device_update_lock held, may sleep; takes az->lock.
 */
void fz_authz_peer_remove(struct fz_authz *az, struct fz_authz_peer *ap)
{
	fz_authz_peer_going(ap);
	mutex_lock(&az->lock);
	list_del_rcu(&ap->node);
	fz_grant_drop_peer(az, ap);
	fz_filter_free(&ap->grants.filter);
	mutex_unlock(&az->lock);
	fz_ask_drop_peer(az, ap);
	fz_flow_end_peer(az, ap, FZ_END_PEER_REMOVED);
	fz_refusal_drop(az, ap);
	fz_fragment_drop(az, ap);
}

/**
 * fz_authz_reroute_begin() - addresses of peers are about to change
 * @az: the device's
 *
 * Until fz_authz_reroute_end() no flow ends because its address is not the peer's: it may be about to
 * be given back.
 *
 * Context: device_update_lock held.
 */
void fz_authz_reroute_begin(struct fz_authz *az)
{
	WRITE_ONCE(az->rerouting, true);
	/* Pairs with fz_flow_has_address(): who misses an address knows why. */
	smp_wmb();
}

/**
 * fz_authz_reroute_end() - addresses have changed
 * @az: the device's
 * @lost: some may not be the peer's any more whose they were
 *
 * Packets of such an address are refused without it: cryptokey routing comes first. It has flows judged
 * again, so that their end is told.
 *
 * Context: may sleep; device_update_lock held, takes az->lock.
 */
void fz_authz_reroute_end(struct fz_authz *az, bool lost)
{
	/* The changes before the end of them. */
	smp_store_release(&az->rerouting, false);
	if (!lost)
		return;
	mutex_lock(&az->lock);
	fz_policy_judge_again(az);
	mutex_unlock(&az->lock);
}

/**
 * fz_authz_bad_packet() - a packet from a peer that the tunnel does not take
 * @az: the device's
 * @ap: the peer's
 * @reason: FZ_REASON_SOURCE if its source is not the peer's, FZ_REASON_MALFORMED if it is no IP
 *	    packet or shorter than it says
 * @skb: the inner packet, as for fz_authz_judge(), but that it may be anything; freed
 *
 * It is refused in every mode; here it is counted and told.
 *
 * Context: BH disabled. Takes RCU.
 */
void fz_authz_bad_packet(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_reason reason,
			 struct sk_buff *skb)
{
	struct fz_decision decision = {
		.verdict = FZ_VERDICT_REFUSE,
		.reason = reason,
	};
	struct fz_packet packet;

	rcu_read_lock();
	/* Whatever else may be wrong with it. */
	fz_dissect(skb, &packet);
	fz_count_add(az, refused[FZ_DIR_IN][reason], packet.packets);
	fz_tell_denial(az, ap, FZ_DIR_IN, &packet.tuple, &decision);
	rcu_read_unlock();
	fz_drop(skb, reason);
}

/**
 * fz_authz_hold_unrouted() - holds an outgoing packet whose destination no peer holds
 * @az: the device's
 * @skb: network header and protocol set; taken if held, or if there is no room for it just now: then
 *	 it is dropped, as an answer would say that all is decided
 *
 * It is held where the device asks about what has no grant, and about this destination.
 *
 * Context: BH disabled. Takes RCU.
 * Return: true if taken; else the caller answers it as unreachable.
 */
bool fz_authz_hold_unrouted(struct fz_authz *az, struct sk_buff *skb)
{
	struct fz_decision decision = { .verdict = FZ_VERDICT_REFUSE };
	struct fz_mode_setting setting;
	struct fz_packet packet;
	struct fz_flow_key key;
	bool taken = false;

	rcu_read_lock();
	setting = fz_mode_effective(az, NULL, FZ_DIR_OUT);
	if (setting.mode != FZ_MODE_ENFORCE || !(setting.flags & FZ_MODE_F_ASK))
		goto out;
	if (fz_dissect(skb, &packet) != FZ_REASON_NONE ||
	    (packet.kind != FZ_PACKET_PLAIN && packet.kind != FZ_PACKET_FRAGMENT_FIRST) ||
	    !fz_ask_covers(az, &packet.tuple))
		goto out;
	if (fz_refusal_find(az, NULL, FZ_DIR_OUT, &packet.tuple, decision.tag,
			    &decision.has_tag)) {
		decision.reason = FZ_REASON_REFUSED;
	} else {
		fz_flow_key_make(&key, NULL, FZ_DIR_OUT, &packet.tuple);
		decision.reason = fz_ask_hold(az, NULL, FZ_DIR_OUT, &key, &packet, skb);
		taken = decision.reason == FZ_REASON_NONE;
	}
	if (!taken) {
		fz_count_add(az, refused[FZ_DIR_OUT][decision.reason], packet.packets);
		fz_tell_denial(az, NULL, FZ_DIR_OUT, &packet.tuple, &decision);
	}
	if (fz_reject_is_early(decision.reason)) {
		fz_drop(skb, decision.reason);
		taken = true;
	}
out:
	rcu_read_unlock();
	return taken;
}

static int check_tuple(const struct fz_tuple *tuple, struct netlink_ext_ack *extack)
{
	if (!fz_family_bits(tuple->family)) {
		NL_SET_ERR_MSG(extack, "the addresses of a tuple are IPv4 or IPv6");
		return -EAFNOSUPPORT;
	}
	if ((tuple->sport || tuple->dport) && !fz_proto_has_ports(tuple->proto)) {
		NL_SET_ERR_MSG(extack, "this protocol has no ports");
		return -EINVAL;
	}
	if ((tuple->icmp_type || tuple->icmp_code || tuple->icmp_id) &&
	    !fz_proto_is_icmp(tuple->family, tuple->proto)) {
		NL_SET_ERR_MSG(extack, "only ICMP over IPv4 and ICMPv6 over IPv6 have types");
		return -EINVAL;
	}
	return 0;
}

/* Without a peer nothing can pass; some destinations are asked about. */
static void decide_unrouted(struct fz_authz *az, enum fz_direction dir,
			    const struct fz_tuple *tuple, struct fz_decision *decision)
{
	struct fz_mode_setting setting = fz_mode_effective(az, NULL, dir);

	memset(decision, 0, sizeof(*decision));
	decision->mode = setting.mode;
	decision->verdict = FZ_VERDICT_REFUSE;
	decision->reason = FZ_REASON_NO_GRANT;
	if (dir != FZ_DIR_OUT || !(setting.flags & FZ_MODE_F_ASK) || !fz_ask_covers(az, tuple))
		return;
	if (fz_refusal_find(az, NULL, dir, tuple, decision->tag, &decision->has_tag))
		decision->reason = FZ_REASON_REFUSED;
	else
		decision->verdict = FZ_VERDICT_ASK;
}

/**
 * fz_authz_explain() - what would happen to the first packet of a flow
 * @az: the device's
 * @ap: the peer's; NULL where no peer holds the destination
 * @dir: of the packet
 * @tuple: of the packet
 * @explanation: filled in
 * @extack: says why not; may be NULL
 *
 * It is the decision that packets get, with nothing done about it.
 *
 * Context: any; the caller keeps the peer. Takes RCU.
 * Return: 0; -EAFNOSUPPORT or -EINVAL for a tuple that no packet can have.
 */
int fz_authz_explain(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		     const struct fz_tuple *tuple, struct fz_explanation *explanation,
		     struct netlink_ext_ack *extack)
{
	struct fz_decision decision;
	int err = check_tuple(tuple, extack);

	if (err)
		return err;
	memset(explanation, 0, sizeof(*explanation));
	rcu_read_lock();
	if (ap)
		fz_decide(az, ap, dir, tuple, ktime_get_boottime_ns(), &decision);
	else
		decide_unrouted(az, dir, tuple, &decision);
	explanation->verdict = decision.verdict;
	explanation->reason = decision.reason;
	explanation->mode = decision.mode;
	if (decision.grant) {
		explanation->has_grant = true;
		fz_grant_read(decision.grant, &explanation->grant);
	}
	rcu_read_unlock();
	return 0;
}

static void add_counts(struct fz_authz_stats *stats, const struct fz_authz_count *count)
{
	struct fz_authz_count copy;
	unsigned int start, dir, reason;

	do {
		start = u64_stats_fetch_begin(&count->sync);
		memcpy(&copy, count, sizeof(copy));
	} while (u64_stats_fetch_retry(&count->sync, start));
	for (dir = 0; dir < FZ_DIRS; dir++) {
		for (reason = 0; reason < FZ_REASONS; reason++) {
			stats->refused[dir][reason] += u64_stats_read(&copy.refused[dir][reason]);
			stats->observed[dir][reason] += u64_stats_read(&copy.observed[dir][reason]);
		}
	}
	stats->flows_created += u64_stats_read(&copy.flows_created);
	stats->flows_evicted += u64_stats_read(&copy.flows_evicted);
	stats->requests += u64_stats_read(&copy.requests);
	stats->requests_suppressed += u64_stats_read(&copy.requests_suppressed);
}

/**
 * fz_authz_stats() - sums up a device's counters
 * @az: the device's
 * @stats: filled in
 *
 * Context: may sleep; takes az->lock.
 */
void fz_authz_stats(struct fz_authz *az, struct fz_authz_stats *stats)
{
	const struct fz_policy *policy;
	int cpu;

	memset(stats, 0, sizeof(*stats));
	for_each_possible_cpu(cpu)
		add_counts(stats, per_cpu_ptr(az->counts, cpu));
	mutex_lock(&az->lock);
	policy = rcu_dereference_protected(az->policy, lockdep_is_held(&az->lock));
	stats->resources = policy->n_resources;
	stats->grants = policy->n_grants;
	stats->generation = az->generation;
	mutex_unlock(&az->lock);
	stats->flows = READ_ONCE(az->n_flows);
}

/**
 * fz_authz_generation() - the number that every change of policy moves
 * @az: the device's
 *
 * Context: any.
 * Return: the number.
 */
u64 fz_authz_generation(const struct fz_authz *az)
{
	return READ_ONCE(az->generation);
}
