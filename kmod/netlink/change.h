/* SPDX-License-Identifier: GPL-2.0-only */
/* Telling what changed in a device's policy: the group `policy`. */

#ifndef _FZ_NETLINK_CHANGE_H
#define _FZ_NETLINK_CHANGE_H

#include <linux/fz.h>
#include <linux/types.h>

struct fz_device;
struct fz_mode_setting;
struct fz_peer;
struct genl_info;
struct nlattr;

void fz_change_mode(struct fz_device *fz, struct fz_peer *peer, u8 direction,
		    const struct fz_mode_setting *setting);
void fz_change_objects(struct fz_device *fz, enum fz_policy_event_type type, int attribute,
		       const struct genl_info *info);
void fz_change_grant(struct fz_device *fz, const struct nlattr *grant);
void fz_change_policy(struct fz_device *fz);

#endif /* _FZ_NETLINK_CHANGE_H */
