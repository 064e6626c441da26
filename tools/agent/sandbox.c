// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the agent gives up once it has its device: every capability but
 * CAP_NET_ADMIN, with which netlink and nftables work. Files that root owns
 * stay open to it because it owns them, not because it may open anything.
 */
#include "sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

/* No program that this process might be made to start gets more than it has. */
static int limit_children(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (cap_reset_ambient() && errno != EINVAL)
		return -errno;
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++) {
		/* without CAP_SETPCAP we never had more than we were started with */
		if (cap != CAP_NET_ADMIN && cap_get_bound(cap) && cap_drop_bound(cap) && errno != EPERM)
			return -errno;
	}
	return 0;
}

/**
 * sandbox_enter() - keep CAP_NET_ADMIN and nothing else, for good
 * @err: why not
 *
 * To be called while there is one thread: capabilities belong to threads, and
 * those started later inherit them.
 *
 * Return: 0 or a negative errno.
 */
int sandbox_enter(struct fz_error *err)
{
	static const cap_value_t keep[] = { CAP_NET_ADMIN };
	int ret = limit_children();
	cap_t caps = cap_init();	/* none */

	if (!ret && !caps)
		ret = -ENOMEM;
	if (!ret && (cap_set_flag(caps, CAP_PERMITTED, 1, keep, CAP_SET) ||
		     cap_set_flag(caps, CAP_EFFECTIVE, 1, keep, CAP_SET) || cap_set_proc(caps)))
		ret = -errno;
	cap_free(caps);
	return ret ? fz_error_set(err, ret, "privileges cannot be given up: %s", strerror(-ret)) : 0;
}
