// SPDX-License-Identifier: GPL-2.0-only
/* What dumps of many objects have in common. */

#include <linux/slab.h>
#include <net/genetlink.h>

#include "authz/authz.h"
#include "compat/netlink.h"
#include "netlink/dump.h"
#include "netlink/family.h"
#include "netlink/parse.h"
#include "netlink/put.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

/**
 * fz_dump_new() - begin a dump of what a request names
 * @cb: the dump, as netlink knows it; its args[0] becomes the dump's state
 * @size: of the state, whose first member is a struct fz_dump
 * @peer_attribute: of the request, names a peer; 0 if it cannot
 *
 * Return: the state, zeros but for device and peer, to be given to fz_dump_free(); or what
 * fz_nl_device_get() and fz_nl_peer_get() return.
 */
void *fz_dump_new(struct netlink_callback *cb, size_t size, int peer_attribute)
{
	struct nlattr **attrs = fz_genl_dump_attrs(cb);
	struct fz_dump *dump = kzalloc(size, GFP_KERNEL);
	struct fz_device *fz;
	struct fz_peer *peer;

	if (!dump) {
		NL_SET_ERR_MSG(cb->extack, "out of memory for the list");
		return ERR_PTR(-ENOMEM);
	}
	fz = fz_nl_device_get(sock_net(cb->skb->sk), attrs, cb->extack);
	if (IS_ERR(fz)) {
		kfree(dump);
		return ERR_CAST(fz);
	}
	dump->fz = fz;
	if (peer_attribute && attrs[peer_attribute]) {
		peer = fz_nl_peer_get(fz, attrs[peer_attribute], cb->extack);
		if (IS_ERR(peer)) {
			fz_dump_free(dump);
			return ERR_CAST(peer);
		}
		dump->peer = peer;
	}
	cb->args[0] = (long)dump;
	return dump;
}

/**
 * fz_dump_free() - end a dump
 * @dump: from fz_dump_new(), freed
 */
void fz_dump_free(struct fz_dump *dump)
{
	if (dump->peer)
		fz_peer_put(dump->peer);
	fz_nl_device_put(dump->fz);
	kfree(dump);
}

/**
 * fz_dump_only() - whose objects a dump tells, as authorization knows it
 * @dump: the dump
 *
 * Return: the peer; NULL for all.
 */
const struct fz_authz_peer *fz_dump_only(const struct fz_dump *dump)
{
	return dump->peer ? &dump->peer->authz : NULL;
}

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
