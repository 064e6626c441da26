// SPDX-License-Identifier: GPL-2.0-only
/*
 * Of the capabilities only CAP_NET_ADMIN stays, with which netlink and
 * nftables work. Files that root owns stay open to it because it owns them,
 * not because it may open anything, and only those that sandbox_files() names.
 */
#include "sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

static const cap_value_t keep[] = { CAP_NET_ADMIN };

/**
 * sandbox_rights() - whether this process may do at all what an agent does
 * @err: what it needs
 *
 * Return: 0 or -EPERM
 */
int sandbox_rights(struct fz_error *err)
{
	cap_flag_value_t may = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps)
		cap_get_flag(caps, keep[0], CAP_EFFECTIVE, &may);
	cap_free(caps);
	if (may == CAP_SET)
		return 0;
	return fz_error_set(err, -EPERM,
			    "no permission to change the network: fzagent needs CAP_NET_ADMIN, so start it as root");
}

/* No program that this process might be made to start gets more than it has. */
static int limit_children(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (cap_reset_ambient() && errno != EINVAL)
		return -errno;
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++) {
		/* without CAP_SETPCAP we never had more than we were started with */
		if (cap != keep[0] && cap_get_bound(cap) && cap_drop_bound(cap) && errno != EPERM)
			return -errno;
	}
	return 0;
}

static int limit_capabilities(void)
{
	cap_t caps = cap_init();	/* none */
	int ret = 0;

	if (!caps)
		return -ENOMEM;
	if (cap_set_flag(caps, CAP_PERMITTED, 1, keep, CAP_SET) ||
	    cap_set_flag(caps, CAP_EFFECTIVE, 1, keep, CAP_SET) || cap_set_proc(caps))
		ret = -errno;
	cap_free(caps);
	return ret;
}

/**
 * sandbox_enter() - give up all that an agent with a device does not need, for good
 * @state: the state directory
 * @control: path of the control socket, which is removed on exit
 * @err: why not
 *
 * To be called while there is one thread: all three limits belong to threads,
 * and those started later inherit them.
 *
 * Return: 0 or a negative errno.
 */
int sandbox_enter(const char *state, const char *control, struct fz_error *err)
{
	int ret = limit_children();

	if (!ret)
		ret = sandbox_files(state, control);
	if (!ret)
		ret = limit_capabilities();
	if (!ret)
		ret = sandbox_calls();
	return ret ? fz_error_set(err, ret, "privileges cannot be given up: %s", strerror(-ret)) : 0;
}
