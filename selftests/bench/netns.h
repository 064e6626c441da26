/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_BENCH_NETNS_H
#define FZ_BENCH_NETNS_H

/* Sockets that are opened from here on are that namespace's. */
void enter(const char *netns);

#endif
