/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Epochs: replacing a whole policy at once.
 *
 * Between begin and commit, the owner's changes go to a policy aside that no packet sees. Commit
 * puts it in the place of the old one with one store; abort, or the owner's death, drops it.
 */

#ifndef _FZ_AUTHZ_EPOCH_H
#define _FZ_AUTHZ_EPOCH_H

#include <linux/netlink.h>
#include <linux/types.h>

struct fz_authz;

int fz_epoch_begin(struct fz_authz *az, u64 owner, struct netlink_ext_ack *extack);
int fz_epoch_commit(struct fz_authz *az, u64 owner, struct netlink_ext_ack *extack);
int fz_epoch_abort(struct fz_authz *az, u64 owner, struct netlink_ext_ack *extack);
void fz_epoch_release(struct fz_authz *az, u64 owner);
void fz_epoch_release_any(struct fz_authz *az);
bool fz_epoch_is_owner(const struct fz_authz *az, u64 owner);

#endif /* _FZ_AUTHZ_EPOCH_H */
