/* SPDX-License-Identifier: GPL-2.0-only */
/* What the authorization tells: contents of the events. */

#ifndef _FZ_AUTHZ_EVENT_H
#define _FZ_AUTHZ_EVENT_H

#include <linux/fz.h>
#include <linux/types.h>

#include "authz/tuple.h"

/**
 * struct fz_denial - a packet was refused, or passed in mode observe and would have been
 * @dir: enum fz_direction
 * @verdict: FZ_VERDICT_REFUSE or FZ_VERDICT_OBSERVE
 * @reason: enum fz_reason
 * @has_tuple: @tuple says what the packet was; not so for malformed ones
 * @has_tag: @tag is that of the grant, or of the verdict, that refused
 * @tuple: of the packet
 * @tag: of the grant or verdict
 * @resource: name of the grant's resource, NULL if no grant had a part in it; valid under RCU
 */
struct fz_denial {
	u8 dir;
	u8 verdict;
	u8 reason;
	bool has_tuple;
	bool has_tag;
	struct fz_tuple tuple;
	u8 tag[FZ_TAG_LEN];
	const char *resource;
};

/**
 * struct fz_request - a question to user space about one held flow
 * @id: its number, for the verdict; never 0, never used twice on a device
 * @dir: enum fz_direction
 * @tuple: of the first packet
 */
struct fz_request {
	u64 id;
	u8 dir;
	struct fz_tuple tuple;
};

#endif /* _FZ_AUTHZ_EVENT_H */
