/* SPDX-License-Identifier: GPL-2.0-only */
/* Walking a table in pieces, for dumps. */

#ifndef _FZ_AUTHZ_WALK_H
#define _FZ_AUTHZ_WALK_H

#include <linux/rhashtable-types.h>

int fz_walk(struct rhashtable_iter *iter, int (*visit)(void *context, void *entry), void *context);

#endif /* _FZ_AUTHZ_WALK_H */
