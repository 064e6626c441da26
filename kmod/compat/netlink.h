/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Generic netlink as this family uses it, whatever the kernel offers.
 *
 * FZ_HAVE_GENL_INFO_DUMP: a dump finds its request's attributes with genl_info_dump(). Before:
 * in struct genl_dumpit_info itself.
 *
 * FZ_HAVE_DUMP_EXTACK: what refuses a dump at its start can say why. Before: only at its first
 * message.
 */
#ifndef _FZ_COMPAT_NETLINK_H
#define _FZ_COMPAT_NETLINK_H

#include <net/genetlink.h>

#include "compat/probed.h"

/* Who may join a group: administrators of the namespace. Older kernels know it by another name. */
#ifdef GENL_MCAST_CAP_NET_ADMIN
#define FZ_COMPAT_MCAST_ADMIN GENL_MCAST_CAP_NET_ADMIN
#else
#define FZ_COMPAT_MCAST_ADMIN GENL_UNS_ADMIN_PERM
#endif

/**
 * fz_genl_dump_attrs() - the attributes of the request that a dump answers
 * @cb: the dump
 *
 * Return: the attributes, by type.
 */
static inline struct nlattr **fz_genl_dump_attrs(struct netlink_callback *cb)
{
#if FZ_HAVE_GENL_INFO_DUMP
	return genl_info_dump(cb)->attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

/**
 * fz_genl_dump_start() - begin a dump, where a refusal can be told
 * @cb: the dump
 * @begin: finds what is dumped and sets cb->args[0], or refuses with a sentence in cb->extack
 *
 * To be called by a dump's start. Return: 0 or what @begin returned.
 */
static inline int fz_genl_dump_start(struct netlink_callback *cb,
				     int (*begin)(struct netlink_callback *cb))
{
	return FZ_HAVE_DUMP_EXTACK ? begin(cb) : 0;
}

/**
 * fz_genl_dump_begun() - make sure that a dump has begun
 * @cb: the dump
 * @begin: as given to fz_genl_dump_start()
 *
 * To be called first by a dump's dumpit. Return: 0 or what @begin returned.
 */
static inline int fz_genl_dump_begun(struct netlink_callback *cb,
				     int (*begin)(struct netlink_callback *cb))
{
	return cb->args[0] ? 0 : begin(cb);
}

#endif /* _FZ_COMPAT_NETLINK_H */
