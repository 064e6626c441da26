/* SPDX-License-Identifier: GPL-2.0-only */
/* Modes: open, observe or enforce, for a device and direction, overridable for a peer. */

#ifndef _FZ_AUTHZ_MODE_H
#define _FZ_AUTHZ_MODE_H

#include <linux/fz.h>
#include <linux/netlink.h>
#include <linux/types.h>

struct fz_authz;
struct fz_authz_peer;

/**
 * struct fz_mode_setting - a mode with its flags
 * @mode: enum fz_mode
 * @flags: of enum fz_mode_flag
 *
 * Two bytes, read and written as one u16: a packet never sees half a change.
 */
struct fz_mode_setting {
	u8 mode;
	u8 flags;
} __aligned(2);

int fz_mode_check(const struct fz_mode_setting *setting, bool for_peer,
		  struct netlink_ext_ack *extack);
void fz_mode_set(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		 const struct fz_mode_setting *setting);
struct fz_mode_setting fz_mode_get(const struct fz_authz *az, const struct fz_authz_peer *ap,
				   enum fz_direction dir);
struct fz_mode_setting fz_mode_effective(const struct fz_authz *az,
					 const struct fz_authz_peer *ap, enum fz_direction dir);

#endif /* _FZ_AUTHZ_MODE_H */
