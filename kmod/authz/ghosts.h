/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ghosts: what is left of withdrawn flows that had to make room.
 *
 * A withdrawn flow stays in the table so that what its far end still sends is not taken for the
 * beginning of a flow in the other direction. When the table is full it must give way all the
 * same, and leaves a few bits here, by which it is still known. The bits err on one side: a packet
 * that nothing was withdrawn from may be taken for one of a ghost's, never the other way round.
 * It happens to one new flow in forty when as many flows as the table holds have made room. Only
 * packets that could be replies are looked up at all, never one that begins a connection.
 *
 * There are two sets of bits. Ghosts go into the younger; when it is as old as the longest timeout,
 * the older is emptied and becomes the younger. So a ghost stays at least as long as the flow would
 * have stayed in the table, and what goes on sending stays a ghost.
 */

#ifndef _FZ_AUTHZ_GHOSTS_H
#define _FZ_AUTHZ_GHOSTS_H

#include <linux/fz.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

struct fz_authz;
struct fz_flow;
struct fz_flow_key;

/**
 * struct fz_ghost_set - one of the two sets
 * @rcu: frees it
 * @mask: number of bits, less one
 * @any: there are ghosts in it
 * @bits: atomic
 */
struct fz_ghost_set {
	struct rcu_head rcu;
	u32 mask;
	bool any;
	unsigned long bits[];
};

/**
 * struct fz_ghosts - withdrawn flows of a device that are not in its table any more
 * @seed: of the hash
 * @young: which set new ghosts go into; the sweep writes
 * @turned: jiffies when @young became so; the sweep's
 * @sets: each as large as the table was when it became the younger; RCU, replaced by the sweep
 */
struct fz_ghosts {
	u32 seed;
	unsigned int young;
	unsigned long turned;
	struct fz_ghost_set __rcu *sets[2];
};

bool fz_ghosts_add(struct fz_authz *az, const struct fz_flow_key *key, enum fz_direction dir);
bool fz_ghosts_find(struct fz_authz *az, const struct fz_flow_key *key, enum fz_direction dir);
void fz_ghosts_age(struct fz_authz *az);
void fz_ghosts_forget(struct fz_authz *az);
void fz_ghosts_free(struct fz_authz *az);

#endif /* _FZ_AUTHZ_GHOSTS_H */
