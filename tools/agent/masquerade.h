/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A gateway's forwarding: the sysctls that let packets through, and source
 * translation in an nftables table of its own, `fz-DEVICE`. Other tables are
 * never touched.
 */
#ifndef AGENT_MASQUERADE_H
#define AGENT_MASQUERADE_H

#include "desired.h"

int masquerade_apply(const char *dev, const struct desired *d, struct fz_error *err);
int masquerade_remove(const char *dev, struct fz_error *err);
int forwarding_enable(struct fz_error *err);

#endif
