/* SPDX-License-Identifier: GPL-2.0-only */
/* Refusals that user space gave, remembered for the time that it said. */

#ifndef _FZ_AUTHZ_REFUSAL_H
#define _FZ_AUTHZ_REFUSAL_H

#include <linux/fz.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "authz/tuple.h"

struct fz_authz;
struct fz_authz_peer;

#define FZ_REFUSAL_BUCKETS 256

/**
 * struct fz_refusals - a device's memory of refusals
 * @lock: all changes; BH disabled, inside all other locks
 * @list: struct fz_refusal, oldest first
 * @count: length of @list
 * @buckets: by what was refused; RCU
 */
struct fz_refusals {
	spinlock_t lock;
	struct list_head list;
	unsigned int count;
	struct hlist_head buckets[FZ_REFUSAL_BUCKETS];
};

void fz_refusal_init(struct fz_refusals *refusals);
void fz_refusal_add(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		    const struct fz_tuple *tuple, u32 ttl_ms, const u8 *tag);
bool fz_refusal_find(struct fz_authz *az, const struct fz_authz_peer *ap, enum fz_direction dir,
		     const struct fz_tuple *tuple, u8 *tag, bool *has_tag);
void fz_refusal_drop(struct fz_authz *az, const struct fz_authz_peer *ap);
void fz_refusal_drop_all(struct fz_authz *az);

#endif /* _FZ_AUTHZ_REFUSAL_H */
