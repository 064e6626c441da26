/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a peer may be reached: several endpoints, of which the best that answers is used. */

#ifndef _FZ_PATH_CANDIDATES_H
#define _FZ_PATH_CANDIDATES_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/rcupdate.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct fz_endpoint;
struct fz_peer;

/* Candidates of one peer at most. */
#define FZ_PATH_MAX 16
/* Where one initiation goes at most: all candidates, and an endpoint that is none. */
#define FZ_PATH_TARGETS (FZ_PATH_MAX + 1)
/* A path that brought nothing authentic for this long has gone quiet: the protocol's
 * keepalive timeout and rekey timeout together, so a working path always spoke.
 */
#define FZ_PATH_QUIET (15 * HZ)
/* While a path works, better ones alone are tried first, once in this time. */
#define FZ_PATH_PROBE (60 * HZ)

/**
 * union fz_path_addr - a UDP address
 * @any: its family
 * @v4: IPv4
 * @v6: IPv6
 */
union fz_path_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/**
 * struct fz_candidate - one endpoint that might reach a peer
 * @addr: where
 * @priority: the higher, the better
 * @heard: jiffies when something authentic last came from it; valid if @answered
 * @answered: something authentic did come from it
 */
struct fz_candidate {
	union fz_path_addr addr;
	u32 priority;
	unsigned long heard;
	bool answered;
};

/**
 * struct fz_path_list - a peer's candidates, replaced as a whole; all but @rcu and @count under
 *			 the path's lock
 * @rcu: frees it after the last reader
 * @used: the endpoint in use
 * @used_priority: its priority; an endpoint that is no candidate has U32_MAX, for a peer
 *		   that roams is where it says it is
 * @used_valid: something authentic made @used the endpoint in use
 * @used_heard: jiffies when something authentic last came from @used
 * @probed: jiffies when better ones alone were tried last; valid if @probed_valid
 * @probed_valid: they have been
 * @count: of @candidates
 * @candidates: best first
 */
struct fz_path_list {
	struct rcu_head rcu;
	union fz_path_addr used;
	u32 used_priority;
	bool used_valid;
	unsigned long used_heard;
	unsigned long probed;
	bool probed_valid;
	unsigned int count;
	struct fz_candidate candidates[];
};

/**
 * struct fz_path - embedded in struct fz_peer as `path`
 * @lock: protects what is in the list; taken with BH disabled, inside no other lock of the path
 * @list: RCU, replaced under the device's device_update_lock; NULL without candidates
 */
struct fz_path {
	spinlock_t lock; /* the list */
	struct fz_path_list __rcu *list;
};

void fz_path_init(struct fz_path *path);
void fz_path_clear(struct fz_path *path);
int fz_path_set(struct fz_path *path, const struct fz_candidate *candidates, unsigned int count,
		bool replace);
unsigned int fz_path_get(struct fz_path *path, struct fz_candidate *candidates, unsigned int max);
void fz_path_forget(struct fz_path *path);

bool fz_path_addr_usable(const union fz_path_addr *addr);
bool fz_path_addr_equal(const union fz_path_addr *a, const union fz_path_addr *b);
void fz_path_to_endpoint(const union fz_path_addr *addr, struct fz_endpoint *endpoint);
bool fz_path_adopt(struct fz_path *path, const union fz_path_addr *addr, unsigned long now);
unsigned int fz_path_targets(struct fz_path *path, union fz_path_addr *targets, bool *probe,
			     unsigned long now);

bool fz_path_send_initiation(struct fz_peer *peer, const void *message, size_t len, u8 ds);
bool fz_path_heard(struct fz_peer *peer, const struct fz_endpoint *endpoint);

#endif /* _FZ_PATH_CANDIDATES_H */
