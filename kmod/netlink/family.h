/* SPDX-License-Identifier: GPL-2.0-only */
/* The family itself, for those who send. */

#ifndef _FZ_NETLINK_FAMILY_H
#define _FZ_NETLINK_FAMILY_H

#include <net/genetlink.h>

extern struct genl_family fz_nl_family;

#endif /* _FZ_NETLINK_FAMILY_H */
