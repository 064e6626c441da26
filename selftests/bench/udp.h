/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The UDP traffic of the benchmarks. One program is both ends: the near one in the network namespace it
 * is started in, the far one, a child, in another. They share memory, so that the near end knows what
 * has arrived without anything going back through the tunnel.
 */
#ifndef FZ_BENCH_UDP_H
#define FZ_BENCH_UDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Messages of one system call. */
#define UDP_BATCH 64
#define UDP_TIMES_MAX 16

/**
 * struct udp_plan - what is asked for
 * @netns: the far end's network namespace, as `ip netns` knows it
 * @to: where the near end sends to; the first of @addresses
 * @sink: the port that the far end listens on
 * @addresses: how many consecutive addresses are sent to in turn
 * @sources: how many sockets, and so source ports, the near end has
 * @size: bytes of a datagram
 * @segments: datagrams that the stack gets in one piece (UDP_SEGMENT); 1 is none of that
 * @window: datagrams on their way at most
 * @seconds: how long it is measured
 * @times: how often
 * @pause: microseconds between an answer and the next request
 * @look: microseconds after which the far end of udp_send() looks for what has arrived; 0: that wakes it
 * @file: messages to be sent as they are, each of @size; NULL none
 */
struct udp_plan {
	const char *netns;
	struct sockaddr_in to;
	uint16_t sink;
	unsigned int addresses, sources, size, segments, window, times;
	double seconds;
	unsigned int pause, look;
	const char *file;
};

/**
 * struct udp_shared - what both ends see
 * @packets, @bytes: what has arrived; written by the far end
 * @limit: the far end wakes the near one when so many have arrived; UINT64_MAX when it does not wait
 * @wake: an eventfd
 */
struct udp_shared {
	_Atomic uint64_t packets, bytes, limit;
	int wake;
};

double udp_now(void);
int udp_open(const struct sockaddr_in *bound);
struct sockaddr_in udp_address(const struct udp_plan *plan, unsigned int i);
struct udp_shared *udp_far(const struct udp_plan *plan,
			   void (*run)(const struct udp_plan *plan, int fd, struct udp_shared *shared));

void udp_send(const struct udp_plan *plan);
void udp_ping(const struct udp_plan *plan);
void udp_load(const struct udp_plan *plan);

#endif
