// SPDX-License-Identifier: GPL-2.0-only
/* Requests with many objects: all of them are done, or none. */

#include <linux/mm.h>
#include <net/genetlink.h>

#include "netlink/batch.h"
#include "netlink/change.h"
#include "netlink/parse.h"
#include "tunnel/device.h"

static unsigned int count_objects(const struct fz_batch *batch)
{
	const struct nlattr *attr;
	unsigned int count = 0;
	int rem;

	nlmsg_for_each_attr(attr, batch->info->nlhdr, GENL_HDRLEN, rem)
		count += nla_type(attr) == batch->kind->attribute;
	return count;
}

static int parse_objects(struct fz_batch *batch)
{
	const struct nlattr *attr;
	void *spec = batch->specs;
	int rem;
	int ret;

	nlmsg_for_each_attr(attr, batch->info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != batch->kind->attribute)
			continue;
		ret = batch->kind->parse(batch, attr, spec);
		if (ret)
			return ret;
		spec += batch->kind->size;
	}
	return 0;
}

/* Makes an object the offending attribute; any number that none has blames none. */
static void blame(const struct fz_batch *batch, unsigned int index)
{
	const struct nlattr *attr;
	int rem;

	nlmsg_for_each_attr(attr, batch->info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) == batch->kind->attribute && !index--) {
			NL_SET_BAD_ATTR(batch->info->extack, attr);
			return;
		}
	}
}

static int apply_objects(struct fz_batch *batch)
{
	const bool staged = fz_epoch_is_owner(&batch->fz->authz, batch->owner);
	unsigned int bad = UINT_MAX;
	int ret = batch->kind->apply(batch, &bad);

	if (ret)
		blame(batch, bad);
	else if (!staged)
		fz_change_objects(batch->fz, batch->kind->event, batch->kind->attribute,
				  batch->info);
	return ret;
}

static int run(struct fz_batch *batch)
{
	int ret = 0;

	batch->count = count_objects(batch);
	if (!batch->count) {
		/* The macro takes literals alone. */
		batch->info->extack->_msg = batch->kind->none;
		return -EINVAL;
	}
	batch->specs = kvcalloc(batch->count, batch->kind->size, GFP_KERNEL);
	if (!batch->specs) {
		NL_SET_ERR_MSG(batch->info->extack, "out of memory for so many objects at once");
		return -ENOMEM;
	}
	if (batch->kind->prepare)
		ret = batch->kind->prepare(batch);
	if (!ret)
		ret = parse_objects(batch);
	if (!ret)
		ret = apply_objects(batch);
	if (batch->kind->finish)
		batch->kind->finish(batch);
	kvfree(batch->specs);
	return ret;
}

/**
 * fz_batch_doit() - do what a request with many objects says
 * @batch: zeros, perhaps the first member of what the kind's functions need
 * @kind: of the request
 * @info: the request
 *
 * Context: may sleep.
 * Return: 0 or a negative errno, and nothing was done.
 */
int fz_batch_doit(struct fz_batch *batch, const struct fz_batch_kind *kind,
		  struct genl_info *info)
{
	int ret;

	batch->kind = kind;
	batch->info = info;
	batch->owner = fz_nl_owner(genl_info_net(info), info->snd_portid);
	batch->fz = fz_nl_device_get(genl_info_net(info), info->attrs, info->extack);
	if (IS_ERR(batch->fz))
		return PTR_ERR(batch->fz);
	ret = run(batch);
	fz_nl_device_put(batch->fz);
	return ret;
}
