/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests with many objects: all of them are done, or none. */

#ifndef _FZ_NETLINK_BATCH_H
#define _FZ_NETLINK_BATCH_H

#include <linux/fz.h>
#include <linux/types.h>

struct fz_batch_kind;
struct fz_device;
struct genl_info;
struct nlattr;

/**
 * struct fz_batch - a request with many objects under way
 * @kind: what it is
 * @fz: the device, with a reference
 * @info: the request
 * @owner: its sender, as the owner of an epoch
 * @specs: what the authorization is given for each object, zeros until it is parsed
 * @count: how many there are
 */
struct fz_batch {
	const struct fz_batch_kind *kind;
	struct fz_device *fz;
	struct genl_info *info;
	u64 owner;
	void *specs;
	unsigned int count;
};

/**
 * struct fz_batch_kind - what differs between such requests
 * @attribute: each object is in one of these
 * @none: the sentence when there is no object
 * @event: tells that it was done
 * @size: of each of fz_batch.specs
 * @prepare: makes what @parse needs; NULL nothing
 * @parse: reads an object; it must outlive the batch
 * @apply: does it for all, or sets @bad to the number of the one that is refused
 * @finish: gives back what @prepare and @parse have taken, whatever failed; NULL nothing
 *
 * All but @finish return 0 or a negative errno with a sentence.
 */
struct fz_batch_kind {
	int attribute;
	const char *none;
	enum fz_policy_event_type event;
	size_t size;
	int (*prepare)(struct fz_batch *batch);
	int (*parse)(struct fz_batch *batch, const struct nlattr *nest, void *spec);
	int (*apply)(struct fz_batch *batch, unsigned int *bad);
	void (*finish)(struct fz_batch *batch);
};

int fz_batch_doit(struct fz_batch *batch, const struct fz_batch_kind *kind,
		  struct genl_info *info);

#endif /* _FZ_NETLINK_BATCH_H */
