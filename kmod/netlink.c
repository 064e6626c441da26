// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netlink family. Commands, their attributes and their groups: fz.yaml, from which
 * netlink/policy.c is made; each kind of object has its file in netlink/.
 *
 * Families with one policy for each command are validated strictly: unknown attributes, and those
 * that belong to other commands, never reach a handler. Reserved bits of the headers are checked
 * for every command (resv_start_op is 0).
 */

#include <linux/module.h>

#include "netlink.h"
#include "netlink/family.h"
#include "netlink/listener.h"
#include "netlink/policy.h"

struct genl_family fz_nl_family __ro_after_init = {
	.name = FZ_GENL_NAME,
	.version = FZ_GENL_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.parallel_ops = true,
	.ops = fz_nl_ops,
	.n_ops = ARRAY_SIZE(fz_nl_ops),
	.mcgrps = fz_nl_groups,
	.n_mcgrps = ARRAY_SIZE(fz_nl_groups),
};

/**
 * fz_netlink_init() - let user space in
 *
 * Context: module initialisation, after everything that commands can reach.
 * Return: 0 or a negative errno.
 */
int __init fz_netlink_init(void)
{
	int ret;

	ret = fz_listener_init();
	if (ret)
		return ret;
	ret = genl_register_family(&fz_nl_family);
	if (ret)
		fz_listener_exit();
	return ret;
}

/**
 * fz_netlink_exit() - let nobody in any more
 *
 * Context: module exit, before anything that commands can reach goes.
 */
void fz_netlink_exit(void)
{
	genl_unregister_family(&fz_nl_family);
	fz_listener_exit();
}
