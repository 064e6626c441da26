// SPDX-License-Identifier: GPL-2.0-only
/* Modes of devices and peers. */

#include "authz/mode.h"

#include "authz/authz.h"
#include "authz/policy.h"

static_assert(sizeof(struct fz_mode_setting) == sizeof(u16));

static struct fz_mode_setting load(const struct fz_mode_setting *from)
{
	u16 raw = READ_ONCE(*(const u16 *)from);
	struct fz_mode_setting setting;

	memcpy(&setting, &raw, sizeof(setting));
	return setting;
}

static void store(struct fz_mode_setting *to, const struct fz_mode_setting *setting)
{
	u16 raw;

	memcpy(&raw, setting, sizeof(raw));
	WRITE_ONCE(*(u16 *)to, raw);
}

/**
 * fz_mode_check() - whether a mode can be set
 * @setting: the mode
 * @for_peer: it is to be a peer's, which may inherit
 * @extack: says why not; may be NULL
 *
 * Context: any.
 * Return: 0 or -EINVAL.
 */
int fz_mode_check(const struct fz_mode_setting *setting, bool for_peer,
		  struct netlink_ext_ack *extack)
{
	if (setting->mode > FZ_MODE_MAX) {
		NL_SET_ERR_MSG(extack, "a mode is open, observe, enforce or inherit");
		return -EINVAL;
	}
	if (setting->mode == FZ_MODE_INHERIT && !for_peer) {
		NL_SET_ERR_MSG(extack, "a device has nothing to inherit its mode from");
		return -EINVAL;
	}
	if (setting->flags & ~FZ_MODE_F_MASK) {
		NL_SET_ERR_MSG(extack, "unknown flag of a mode");
		return -EINVAL;
	}
	if (setting->flags && setting->mode != FZ_MODE_ENFORCE) {
		NL_SET_ERR_MSG(extack, "ask and reject go with mode enforce only");
		return -EINVAL;
	}
	return 0;
}

/**
 * fz_mode_set() - sets the mode of a device or peer in one direction
 * @az: the device's
 * @ap: the peer's; NULL for the device
 * @dir: the direction
 * @setting: passed fz_mode_check()
 *
 * Live flows are judged again: none is lost that the new mode would admit.
 *
 * Context: may sleep; takes az->lock.
 */
void fz_mode_set(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		 const struct fz_mode_setting *setting)
{
	mutex_lock(&az->lock);
	if (setting->mode == FZ_MODE_OBSERVE)
		az->observes = true;
	store(ap ? &ap->mode[dir] : &az->mode[dir], setting);
	fz_policy_moved(az, true);
	mutex_unlock(&az->lock);
}

/**
 * fz_mode_get() - the mode that was set for a device or peer
 * @az: the device's
 * @ap: the peer's; NULL for the device
 * @dir: the direction
 *
 * Context: any.
 * Return: the mode; FZ_MODE_INHERIT for a peer without one of its own.
 */
struct fz_mode_setting fz_mode_get(const struct fz_authz *az, const struct fz_authz_peer *ap,
				   enum fz_direction dir)
{
	return load(ap ? &ap->mode[dir] : &az->mode[dir]);
}

/**
 * fz_mode_effective() - the mode in force
 * @az: the device's
 * @ap: the peer's; NULL where there is no peer
 * @dir: the direction
 *
 * Context: any.
 * Return: the peer's mode, or the device's where it inherits.
 */
struct fz_mode_setting fz_mode_effective(const struct fz_authz *az,
					 const struct fz_authz_peer *ap, enum fz_direction dir)
{
	struct fz_mode_setting setting;

	if (ap) {
		setting = load(&ap->mode[dir]);
		if (setting.mode != FZ_MODE_INHERIT)
			return setting;
	}
	return load(&az->mode[dir]);
}
