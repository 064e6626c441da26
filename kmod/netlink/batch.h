/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests with many objects: all of them are done, or none. */

#ifndef _FZ_NETLINK_BATCH_H
#define _FZ_NETLINK_BATCH_H

#include <linux/types.h>

struct fz_device;
struct genl_info;
struct nlattr;

unsigned int fz_batch_count(const struct genl_info *info, int attribute);
int fz_batch_require(const struct genl_info *info, int attribute, unsigned int *count);
void fz_batch_blame(const struct genl_info *info, int attribute, unsigned int index);
bool fz_batch_is_staged(struct fz_device *fz, u64 owner);

#endif /* _FZ_NETLINK_BATCH_H */
