// SPDX-License-Identifier: GPL-2.0-only
/*
 * Telling what changed in a device's policy: the group `policy`.
 *
 * An event about resources or grants repeats what the request said of them; a big request becomes
 * several events.
 */

#include <linux/netdevice.h>
#include <net/genetlink.h>

#include "authz/authz.h"
#include "netlink/change.h"
#include "netlink/group.h"
#include "netlink/put.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

/* Bytes of objects in one event; a greater object is alone in its event. */
#define CHANGE_ROOM 3072

static size_t fixed_room(void)
{
	return nla_total_size(sizeof(u8)) + nla_total_size_64bit(sizeof(u64));
}

static bool begin(struct fz_device *fz, enum fz_policy_event_type type, size_t room,
		  struct fz_message *message)
{
	if (!fz_group_begin(fz, FZ_NL_GROUP_POLICY, FZ_CMD_POLICY_EVENT, fixed_room() + room, NULL,
			    message))
		return false;
	if (!nla_put_u8(message->skb, FZ_POLICY_A_EVENT, type) &&
	    !fz_put_u64(message->skb, FZ_POLICY_A_GENERATION, fz_authz_generation(&fz->authz)))
		return true;
	fz_group_cancel(fz, FZ_NL_GROUP_POLICY, message);
	return false;
}

/**
 * fz_change_mode() - tell that a mode was set
 * @fz: the device
 * @peer: whose mode; NULL if it is the device's
 * @direction: enum fz_direction
 * @setting: the new mode
 *
 * Context: any but hard interrupts.
 */
void fz_change_mode(struct fz_device *fz, struct fz_peer *peer, u8 direction,
		    const struct fz_mode_setting *setting)
{
	struct fz_message message;

	if (!begin(fz, FZ_POLICY_EVENT_MODE, 128, &message))
		return;
	if ((peer && fz_put_peer(message.skb, FZ_POLICY_A_PEER, &peer->authz)) ||
	    fz_put_mode(message.skb, FZ_POLICY_A_MODE, direction, setting))
		fz_group_cancel(fz, FZ_NL_GROUP_POLICY, &message);
	else
		fz_group_end(fz, FZ_NL_GROUP_POLICY, &message);
}

/* One event with the objects from @first up to, not with, @end. */
static void tell_range(struct fz_device *fz, enum fz_policy_event_type type, int attribute,
		       const struct nlattr *first, const struct nlattr *end, size_t room)
{
	struct fz_message message;
	const struct nlattr *attr;

	if (!begin(fz, type, room, &message))
		return;
	for (attr = first; attr < end; attr = (void *)attr + NLA_ALIGN(attr->nla_len)) {
		if (nla_type(attr) == attribute &&
		    nla_put(message.skb, attribute | NLA_F_NESTED, nla_len(attr), nla_data(attr))) {
			fz_group_cancel(fz, FZ_NL_GROUP_POLICY, &message);
			return;
		}
	}
	fz_group_end(fz, FZ_NL_GROUP_POLICY, &message);
}

/**
 * fz_change_objects() - tell that the objects of a request are in force, or gone
 * @fz: the device
 * @type: what happened
 * @attribute: FZ_POLICY_A_RESOURCE or FZ_POLICY_A_GRANT
 * @info: the request
 *
 * Context: process.
 */
void fz_change_objects(struct fz_device *fz, enum fz_policy_event_type type, int attribute,
		       const struct genl_info *info)
{
	const struct nlattr *first = NULL;
	const struct nlattr *attr;
	size_t room = 0;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		size_t size = nla_total_size(nla_len(attr));

		if (nla_type(attr) != attribute)
			continue;
		if (first && room + size > CHANGE_ROOM) {
			tell_range(fz, type, attribute, first, attr, room);
			first = NULL;
		}
		if (!first) {
			first = attr;
			room = 0;
		}
		room += size;
	}
	if (first)
		tell_range(fz, type, attribute, first, attr, room);
}

/**
 * fz_change_grant() - tell that a verdict brought a grant
 * @fz: the device
 * @grant: of FZ_GRANT_A_*
 *
 * Context: process.
 */
void fz_change_grant(struct fz_device *fz, const struct nlattr *grant)
{
	struct fz_message message;

	if (!begin(fz, FZ_POLICY_EVENT_GRANT_NEW, nla_total_size(nla_len(grant)), &message))
		return;
	if (nla_put(message.skb, FZ_POLICY_A_GRANT | NLA_F_NESTED, nla_len(grant),
		    nla_data(grant)))
		fz_group_cancel(fz, FZ_NL_GROUP_POLICY, &message);
	else
		fz_group_end(fz, FZ_NL_GROUP_POLICY, &message);
}

/**
 * fz_change_policy() - tell that an epoch put a new policy in force
 * @fz: the device
 *
 * Context: process.
 */
void fz_change_policy(struct fz_device *fz)
{
	struct fz_message message;

	if (begin(fz, FZ_POLICY_EVENT_COMMIT, 0, &message))
		fz_group_end(fz, FZ_NL_GROUP_POLICY, &message);
}
