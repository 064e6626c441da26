/* SPDX-License-Identifier: GPL-2.0-only */
/* Counting and telling what happened. */

#ifndef _FZ_AUTHZ_TELL_H
#define _FZ_AUTHZ_TELL_H

#include "authz/authz.h"
#include "authz/decide.h"

void fz_tell_denial(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		    const struct fz_tuple *tuple, const struct fz_decision *decision);
void fz_tell_flow(struct fz_authz *az, const struct fz_flow *flow, enum fz_flow_end end);
int fz_tell_request(struct fz_authz *az, struct fz_authz_peer *ap,
		    const struct fz_request *request);

/* Adds to one field of this CPU's counters. Context: BH disabled. */
#define fz_count_add(az, field, n) do {						\
	struct fz_authz_count *__count = this_cpu_ptr((az)->counts);		\
										\
	u64_stats_update_begin(&__count->sync);					\
	u64_stats_add(&__count->field, n);					\
	u64_stats_update_end(&__count->sync);					\
} while (0)

#endif /* _FZ_AUTHZ_TELL_H */
