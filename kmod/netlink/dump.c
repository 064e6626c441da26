// SPDX-License-Identifier: GPL-2.0-only
/* What dumps of many objects have in common. */

#include <net/genetlink.h>

#include "authz/authz.h"
#include "netlink/dump.h"
#include "netlink/family.h"
#include "netlink/put.h"
#include "tunnel/device.h"

/**
 * fz_dump_open() - begin the next message of a dump
 * @dump: the dump
 * @skb: where the message goes
 * @cb: the dump, as netlink knows it
 * @cmd: what is dumped
 *
 * Return: 0, to be followed by fz_dump_close(); -EMSGSIZE.
 */
int fz_dump_open(struct fz_dump *dump, struct sk_buff *skb, struct netlink_callback *cb,
		 enum fz_cmd cmd)
{
	dump->skb = skb;
	dump->told = false;
	dump->header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				   &fz_nl_family, NLM_F_MULTI, cmd);
	if (!dump->header)
		return -EMSGSIZE;
	cb->seq = (u32)fz_authz_generation(&dump->fz->authz) ?: 1;
	if (!fz_put_device(skb, dump->fz->dev))
		return 0;
	genlmsg_cancel(skb, dump->header);
	return -EMSGSIZE;
}

/**
 * fz_dump_close() - end a message of a dump
 * @dump: the dump
 * @cb: the dump, as netlink knows it
 * @ret: 0 if all is told; -EINTR if there were changes that let no more be told; another negative
 *	 errno if the next object does not fit
 *
 * A dump during which the policy changed carries NLM_F_DUMP_INTR: who wants all of one state asks
 * again.
 *
 * Return: what a dumpit returns.
 */
int fz_dump_close(struct fz_dump *dump, struct netlink_callback *cb, int ret)
{
	if (ret && ret != -EINTR && !dump->told) {
		genlmsg_cancel(dump->skb, dump->header);
		return -EMSGSIZE;
	}
	genl_dump_check_consistent(cb, dump->header);
	if (ret == -EINTR)
		genlmsg_nlhdr(dump->header)->nlmsg_flags |= NLM_F_DUMP_INTR;
	dump->done = !ret || ret == -EINTR;
	genlmsg_end(dump->skb, dump->header);
	return dump->skb->len;
}
