/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often one source address may make us do a handshake's work while the device is under load.
 */
#ifndef _FZ_TUNNEL_RATELIMITER_H
#define _FZ_TUNNEL_RATELIMITER_H

#include <linux/types.h>

struct fz_ratelimiter;
struct net;
struct sockaddr;

/* The module's own, which all devices share: what counts is the netns and the address. */
int fz_ratelimiter_init(void);
void fz_ratelimiter_exit(void);
bool fz_ratelimiter_allow(const struct net *net, const struct sockaddr *source);

/* What it is made of. */
struct fz_ratelimiter *fz_ratelimiter_create(unsigned int max_sources);
void fz_ratelimiter_destroy(struct fz_ratelimiter *limiter);
bool fz_ratelimiter_take(struct fz_ratelimiter *limiter, const struct net *net,
			 const struct sockaddr *source, u64 now_ns);
unsigned int fz_ratelimiter_collect(struct fz_ratelimiter *limiter, u64 now_ns);

#endif /* _FZ_TUNNEL_RATELIMITER_H */
