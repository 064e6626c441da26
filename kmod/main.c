// SPDX-License-Identifier: GPL-2.0-only
/* A tunnel that speaks WireGuard, whose every packet passes per-flow authorization. */

#include <linux/module.h>
#include <net/genetlink.h>
#include <net/rtnetlink.h>

#include "authz/authz.h"
#include "netlink.h"
#include "tunnel/allowedips.h"
#include "tunnel/bundle.h"
#include "tunnel/device.h"
#include "tunnel/noise.h"
#include "tunnel/peer.h"
#include "tunnel/ratelimiter.h"

static int __init fz_init(void)
{
	int err;

	fz_noise_init();
	err = fz_authz_module_init();
	if (err)
		goto err_authz;
	err = fz_allowedips_module_init();
	if (err)
		goto err_allowedips;
	err = fz_bundle_init();
	if (err)
		goto err_bundle;
	err = fz_peer_init();
	if (err)
		goto err_peer;
	err = fz_ratelimiter_init();
	if (err)
		goto err_ratelimiter;
	err = fz_device_init();
	if (err)
		goto err_device;
	err = fz_netlink_init();
	if (err)
		goto err_netlink;
	return 0;

err_netlink:
	fz_device_uninit();
err_device:
	fz_ratelimiter_exit();
err_ratelimiter:
	fz_peer_uninit();
err_peer:
	fz_bundle_uninit();
err_bundle:
	fz_allowedips_module_exit();
err_allowedips:
	fz_authz_module_exit();
err_authz:
	return err;
}

static void __exit fz_exit(void)
{
	fz_netlink_exit();
	fz_device_uninit();
	fz_ratelimiter_exit();
	fz_peer_uninit();
	fz_bundle_uninit();
	fz_allowedips_module_exit();
	fz_authz_module_exit();
}

module_init(fz_init);
module_exit(fz_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Tunnel that speaks WireGuard, with per-flow authorization");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_RTNL_LINK(KBUILD_MODNAME);
MODULE_ALIAS_GENL_FAMILY(KBUILD_MODNAME);
