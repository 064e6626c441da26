/* SPDX-License-Identifier: GPL-2.0-only */
/* The processes that have a role on a device, and what ends with their sockets. */

#ifndef _FZ_NETLINK_LISTENER_H
#define _FZ_NETLINK_LISTENER_H

#include "netlink/event.h"

struct genl_info;
struct netlink_ext_ack;

int fz_listener_set(struct fz_events *events, u32 roles, struct genl_info *info);
bool fz_listener_present(struct fz_events *events, enum fz_listener_role role);
int fz_listener_send(struct fz_events *events, enum fz_listener_role role, struct sk_buff *skb);

int fz_listener_init(void);
void fz_listener_exit(void);

#endif /* _FZ_NETLINK_LISTENER_H */
