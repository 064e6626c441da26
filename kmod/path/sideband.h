/* SPDX-License-Identifier: GPL-2.0-only */
/* Datagrams on the tunnel's port that are not WireGuard's: STUN, TURN control. */

#ifndef _FZ_PATH_SIDEBAND_H
#define _FZ_PATH_SIDEBAND_H

#include <linux/atomic.h>
#include <linux/types.h>

#include "netlink/bucket.h"
#include "path/candidates.h"

struct fz_device;
struct sk_buff;

/* Datagrams per second that reach the registered process, and at once. */
#define FZ_SIDEBAND_RATE 1000
#define FZ_SIDEBAND_BURST 256

/* Addresses that the process has sent to of late, whose answers are not to suffer from strangers. */
#define FZ_SIDEBAND_KNOWN 32

/**
 * struct fz_sideband - embedded in struct fz_device as `sideband`
 * @bucket: limits what the process gets from anybody
 * @known_bucket: limits what it gets from where it has sent to
 * @known: hashes of those addresses; 0 is none. Written and read without a lock
 * @last_known: the number of the one written last
 * @seed: of the hashes
 * @suppressed: datagrams dropped since the last one delivered
 * @dropped: datagrams dropped since the device exists
 */
struct fz_sideband {
	struct fz_bucket bucket;
	struct fz_bucket known_bucket;
	u32 known[FZ_SIDEBAND_KNOWN];
	atomic_t last_known;
	u32 seed;
	atomic64_t suppressed;
	atomic64_t dropped;
};

void fz_sideband_init(struct fz_sideband *sideband);
bool fz_sideband_is_tunnel(const void *data, size_t len);
bool fz_sideband_receive(struct fz_device *fz, struct sk_buff *skb);
int fz_sideband_send(struct fz_device *fz, const union fz_path_addr *to, const void *data,
		     size_t len);

#endif /* _FZ_PATH_SIDEBAND_H */
