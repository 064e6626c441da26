/* SPDX-License-Identifier: GPL-2.0-only */
/* What `up` does to the host beside the device, and `down` takes back. */
#ifndef FZCTL_QUICK_UP_H
#define FZCTL_QUICK_UP_H

#include "fzctl.h"
#include "quick.h"

/**
 * struct quick_up - a device that comes up or goes down
 * @ifindex: the device's
 * @has_dns, @has_firewall: what has been set
 * @was_opened: its mode has become open, without being asked for by the file
 */
struct quick_up {
	const struct quick *quick;
	struct fz_rtnl *rt;
	struct fz_nl *nl;
	uint32_t ifindex;
	bool has_dns;
	bool has_firewall;
	bool was_opened;
};

/* Those that can fail return 0, or an exit status after saying why. */

/* quick_apply.c */
int quick_apply(struct quick_up *up, struct quick_policy *policy);
int quick_apply_again(struct quick_up *up, struct quick_policy *policy);

/* quick_route.c */
int quick_route_mtu(struct quick_up *up, uint32_t *mtu);
int quick_route_add(struct quick_up *up);
void quick_route_del_rules(struct quick_up *up);

/* quick_firewall.c */
int quick_firewall_add(struct quick_up *up, sa_family_t family, uint32_t mark);
void quick_firewall_del(const char *name);

/* quick_dns.c */
int quick_dns_set(struct quick_up *up);
void quick_dns_unset(const struct quick *quick);

#endif
