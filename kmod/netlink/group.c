// SPDX-License-Identifier: GPL-2.0-only
/*
 * Multicast groups: how an event leaves, or is counted instead.
 *
 * What the rate does not let out, or memory, is counted in the group; the next event carries the
 * count. If none comes within a second, a message with nothing but the count does.
 */

#include <linux/netdevice.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include "netlink/family.h"
#include "netlink/group.h"
#include "netlink/put.h"
#include "tunnel/device.h"

/* How each group says what it did not say. */
static const struct {
	enum fz_cmd cmd;
	int attribute;
} reports[FZ_NL_GROUPS] = {
	[FZ_NL_GROUP_PEERS] = { FZ_CMD_PEER_EVENT, FZ_PEER_EVENT_A_SUPPRESSED },
	[FZ_NL_GROUP_FLOWS] = { FZ_CMD_FLOW_END, FZ_FLOWS_A_SUPPRESSED },
	[FZ_NL_GROUP_DENIALS] = { FZ_CMD_DENIAL, FZ_DECISION_A_SUPPRESSED },
	[FZ_NL_GROUP_POLICY] = { FZ_CMD_POLICY_EVENT, FZ_POLICY_A_SUPPRESSED },
};

static void suppress(struct fz_event_group *group, u64 count)
{
	atomic64_add(count, &group->suppressed);
	queue_delayed_work(system_power_efficient_wq, &group->report, HZ);
}

/* Opens a message of @room bytes, with the device's name and what was suppressed. */
static bool open_message(struct fz_device *fz, enum fz_nl_group which, enum fz_cmd cmd,
			 size_t room, struct fz_message *message)
{
	struct fz_event_group *group = &fz->events.groups[which];

	message->skb = genlmsg_new(room + FZ_PUT_DEVICE_SIZE + nla_total_size_64bit(sizeof(u64)),
				   GFP_ATOMIC | __GFP_NOWARN);
	if (!message->skb)
		return false;
	message->header = genlmsg_put(message->skb, 0, 0, &fz_nl_family, 0, cmd);
	message->suppressed = atomic64_xchg(&group->suppressed, 0);
	if (message->header && !fz_put_device(message->skb, fz->dev) &&
	    (!message->suppressed || !fz_put_u64(message->skb, reports[which].attribute,
						 message->suppressed)))
		return true;
	atomic64_add(message->suppressed, &group->suppressed);
	nlmsg_free(message->skb);
	return false;
}

static void report(struct work_struct *work)
{
	struct fz_event_group *group = container_of(to_delayed_work(work), struct fz_event_group,
						    report);
	struct fz_device *fz = container_of(group->events, struct fz_device, events);
	enum fz_nl_group which = group - group->events->groups;
	struct fz_message message;

	if (!atomic64_read(&group->suppressed))
		return;
	if (open_message(fz, which, reports[which].cmd, 0, &message))
		fz_group_end(fz, which, &message);
	else
		queue_delayed_work(system_power_efficient_wq, &group->report, HZ);
}

/**
 * fz_group_init() - a device's group begins
 * @events: the device's
 * @group: which
 * @rate: events per second
 * @burst: events at once
 */
void fz_group_init(struct fz_events *events, enum fz_nl_group group, u32 rate, u32 burst)
{
	events->groups[group].events = events;
	fz_bucket_init(&events->groups[group].bucket, rate, burst);
	atomic64_set(&events->groups[group].suppressed, 0);
	INIT_DELAYED_WORK(&events->groups[group].report, report);
}

/**
 * fz_group_destroy() - a device's group ends
 * @events: the device's, which get no more events
 * @group: which
 *
 * Context: may sleep.
 */
void fz_group_destroy(struct fz_events *events, enum fz_nl_group group)
{
	cancel_delayed_work_sync(&events->groups[group].report);
}

/**
 * fz_group_begin() - begin an event, if somebody listens and the rate allows it
 * @fz: the device it is about
 * @group: where it goes
 * @cmd: what it is
 * @room: bytes that its attributes may take, besides those that name the device
 * @share: how much of the group's rate events of this kind may have; NULL for all of it
 * @message: takes the event, to be filled and given to fz_group_end() or fz_group_cancel()
 *
 * Context: any but hard interrupts; never sleeps.
 * Return: true if @message is to be filled; false if there is nothing to do.
 */
bool fz_group_begin(struct fz_device *fz, enum fz_nl_group group, enum fz_cmd cmd, size_t room,
		    struct fz_bucket *share, struct fz_message *message)
{
	struct fz_event_group *state = &fz->events.groups[group];
	bool heard;

	rcu_read_lock();
	heard = genl_has_listeners(&fz_nl_family, dev_net(fz->dev), group);
	rcu_read_unlock();
	if (!heard)
		return false;
	if ((!share || fz_bucket_take(share)) && fz_bucket_take(&state->bucket) &&
	    open_message(fz, group, cmd, room, message))
		return true;
	atomic64_inc(&fz->events.suppressed);
	suppress(state, 1);
	return false;
}

/**
 * fz_group_end() - send an event
 * @fz: the device it is about
 * @group: where it goes
 * @message: from fz_group_begin(); used up
 *
 * Context: any but hard interrupts; never sleeps.
 */
void fz_group_end(struct fz_device *fz, enum fz_nl_group group, struct fz_message *message)
{
	genlmsg_end(message->skb, message->header);
	rcu_read_lock();
	genlmsg_multicast_netns(&fz_nl_family, dev_net(fz->dev), message->skb, 0, group,
				GFP_ATOMIC);
	rcu_read_unlock();
}

/**
 * fz_group_cancel() - count an event that did not fit its message
 * @fz: the device it is about
 * @group: where it was to go
 * @message: from fz_group_begin(); used up
 *
 * Context: any but hard interrupts; never sleeps.
 */
void fz_group_cancel(struct fz_device *fz, enum fz_nl_group group, struct fz_message *message)
{
	nlmsg_free(message->skb);
	atomic64_inc(&fz->events.suppressed);
	suppress(&fz->events.groups[group], message->suppressed + 1);
}
