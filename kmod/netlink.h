/* SPDX-License-Identifier: GPL-2.0-only */
/* The netlink family: registered last and unregistered first, see main.c. */

#ifndef _FZ_NETLINK_H
#define _FZ_NETLINK_H

int fz_netlink_init(void);
void fz_netlink_exit(void);

#endif /* _FZ_NETLINK_H */
