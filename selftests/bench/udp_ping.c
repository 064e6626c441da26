// SPDX-License-Identifier: GPL-2.0-only
/* Requests and their responses, one after the other. */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "udp.h"

#define GIVE_UP_MS 1000
/* Of these no time is taken: caches and queues have to settle. */
#define WARM_UP 20

/* The far end: sends back what it gets. */
static void answer(const struct udp_plan *plan, int fd, struct udp_shared *shared)
{
	(void)plan;
	(void)shared;
	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		char block[65536];
		ssize_t n = recvfrom(fd, block, sizeof(block), 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, block, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

/* Microseconds until the response to @number was there; negative if it did not come. */
static double ask(const struct udp_plan *plan, int fd, uint64_t number)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char block[65536] = { 0 };
	double begin = udp_now();
	uint64_t got;

	memcpy(block, &number, sizeof(number));
	if (send(fd, block, plan->size, 0) < 0)
		return -1;
	do {
		if (poll(&readable, 1, GIVE_UP_MS) <= 0 || recv(fd, block, sizeof(block), 0) < 0)
			return -1;
		memcpy(&got, block, sizeof(got));
	} while (got != number);
	return (udp_now() - begin) * 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void udp_ping(const struct udp_plan *plan)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	size_t n = 0, room = 0, lost = 0;
	double *times = NULL, end;
	int fd = udp_open(&any);

	if (connect(fd, (const struct sockaddr *)&plan->to, sizeof(plan->to)))
		err(1, "connecting");
	udp_far(plan, answer);
	for (uint64_t i = 0; i < WARM_UP; i++)
		ask(plan, fd, i);
	end = udp_now() + plan->seconds;
	for (uint64_t i = WARM_UP; udp_now() < end; i++) {
		double time;

		usleep(plan->pause);
		time = ask(plan, fd, i);
		if (time < 0) {
			lost++;
			continue;
		}
		if (n == room) {
			room = room ? room * 2 : 1024;
			times = realloc(times, room * sizeof(*times));
			if (!times)
				err(1, "memory");
		}
		times[n++] = time;
	}
	if (!n)
		errx(1, "no response");
	qsort(times, n, sizeof(*times), compare);
	printf("%.1f %.1f %zu %zu\n", times[(n - 1) / 2], times[(n - 1) * 99 / 100], n, lost);
	free(times);
	close(fd);
}
