// SPDX-License-Identifier: GPL-2.0-only
/* Walking a table in pieces, for dumps. */

#include "authz/walk.h"

#include <linux/rhashtable.h>

/**
 * fz_walk() - goes on with a walk
 * @iter: position in the table, from rhashtable_walk_enter()
 * @visit: takes one entry, under RCU; may not sleep. Non-zero ends the call, and the same entry
 *	   comes again in the next
 * @context: for @visit
 *
 * Context: may sleep.
 * Return: what @visit returned; 0 at the end; -EINTR if the table was so changed that some may be
 * missing or come twice.
 */
int fz_walk(struct rhashtable_iter *iter, int (*visit)(void *context, void *entry), void *context)
{
	void *entry;
	int err = 0;

	/* A table that was rebuilt since begins anew: some would come twice. */
	if (rhashtable_walk_start_check(iter) == -EAGAIN) {
		rhashtable_walk_stop(iter);
		return -EINTR;
	}
	for (entry = rhashtable_walk_peek(iter); entry; entry = rhashtable_walk_next(iter)) {
		err = IS_ERR(entry) ? -EINTR : visit(context, entry);
		if (err)
			break;
	}
	rhashtable_walk_stop(iter);
	return err;
}
