// SPDX-License-Identifier: GPL-2.0-only
/* Requests with many objects: all of them are done, or none. */

#include <net/genetlink.h>

#include "netlink/batch.h"
#include "netlink/policy.h"
#include "tunnel/device.h"

/**
 * fz_batch_count() - count the objects of a request
 * @info: the request
 * @attribute: what each of them is in
 *
 * Return: how many there are.
 */
unsigned int fz_batch_count(const struct genl_info *info, int attribute)
{
	const struct nlattr *attr;
	unsigned int count = 0;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		count += nla_type(attr) == attribute;
	return count;
}

/**
 * fz_batch_require() - count the objects of a request that needs at least one
 * @info: the request
 * @attribute: what each of them is in
 * @count: takes how many there are
 *
 * Return: 0 or -EINVAL.
 */
int fz_batch_require(const struct genl_info *info, int attribute, unsigned int *count)
{
	*count = fz_batch_count(info, attribute);
	if (*count)
		return 0;
	if (attribute == FZ_POLICY_A_GRANT)
		NL_SET_ERR_MSG(info->extack, "the request names no grant");
	else
		NL_SET_ERR_MSG(info->extack, "the request names no resource");
	return -EINVAL;
}

/**
 * fz_batch_blame() - make an object the offending attribute
 * @info: the request, whose sentence is set
 * @attribute: what each object is in
 * @index: which of them, from 0; any other number blames none
 */
void fz_batch_blame(const struct genl_info *info, int attribute, unsigned int index)
{
	const struct nlattr *attr;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) == attribute && !index--) {
			NL_SET_BAD_ATTR(info->extack, attr);
			return;
		}
	}
}

/**
 * fz_batch_is_staged() - whether a sender's changes are kept aside for now
 * @fz: the device
 * @owner: the sender, see fz_nl_owner()
 *
 * Context: may sleep.
 * Return: true if it has an epoch open.
 */
bool fz_batch_is_staged(struct fz_device *fz, u64 owner)
{
	bool staged;

	mutex_lock(&fz->authz.lock);
	staged = fz->authz.staged && fz->authz.owner == owner;
	mutex_unlock(&fz->authz.lock);
	return staged;
}
