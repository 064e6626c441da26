/* SPDX-License-Identifier: GPL-2.0-only */
/* One grant of a request. */

#ifndef _FZ_NETLINK_GRANT_H
#define _FZ_NETLINK_GRANT_H

struct fz_device;
struct fz_grant_spec;
struct netlink_ext_ack;
struct nlattr;

int fz_nl_grant_parse(struct fz_device *fz, const struct nlattr *nest, struct fz_grant_spec *spec,
		      struct netlink_ext_ack *extack);
void fz_nl_grant_put(const struct fz_grant_spec *spec);

#endif /* _FZ_NETLINK_GRANT_H */
