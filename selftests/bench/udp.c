// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp: UDP traffic between two network namespaces, sent and received many datagrams a system call,
 * because system calls are slow in User-Mode Linux.
 *
 *	udp send [OPTION...] ADDRESS	as much as passes: packets/s, bits/s, share that was lost
 *	udp ping [OPTION...] ADDRESS	requests and responses: median and 99th percentile of the round
 *					trip, us; how many, how many were lost
 *	udp load [OPTION...] ADDRESS	one datagram and its answer for each source and address: how many
 *					were sent, how many answered
 *
 *	-n NETNS	where the far end is		-p PORT		it is sent to (7000)
 *	-l PORT		the far end listens on (-p)	-a COUNT	consecutive addresses (1)
 *	-c COUNT	sockets to send from (1)	-s BYTES	of a datagram (64)
 *	-g COUNT	datagrams in one piece (1)	-w COUNT	on their way at most (512)
 *	-t SECONDS	(3)				-i US		pause after a response (2000)
 *	-r TIMES	send: measured so often, and said what the median was (1)
 *	-k US		send: the far end looks so often (0: what arrives wakes it)
 *	-f FILE		send: of messages to be sent as they are, once
 */
#include "netns.h"
#include "udp.h"

#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Room for what is on its way, so that a socket never drops. */
#define SOCKET_BUFFER (64 << 20)

double udp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int udp_open(const struct sockaddr_in *bound)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = SOCKET_BUFFER;

	if (fd < 0 || bind(fd, (const struct sockaddr *)bound, sizeof(*bound)))
		err(1, "port %u", ntohs(bound->sin_port));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		err(1, "buffers");
	return fd;
}

struct sockaddr_in udp_address(const struct udp_plan *plan, unsigned int i)
{
	struct sockaddr_in to = plan->to;

	to.sin_addr.s_addr = htonl(ntohl(to.sin_addr.s_addr) + i);
	return to;
}

/* Begins the far end. Its socket is open when this returns; it ends with the near one. */
struct udp_shared *udp_far(const struct udp_plan *plan,
			   void (*run)(const struct udp_plan *plan, int fd, struct udp_shared *shared))
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(plan->sink) };
	struct udp_shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t ready;
	pid_t child;

	if (shared == MAP_FAILED)
		err(1, "memory");
	shared->limit = UINT64_MAX;
	shared->wake = eventfd(0, EFD_CLOEXEC);
	child = shared->wake < 0 ? -1 : fork();
	if (child < 0)
		err(1, "the far end");
	if (!child) {
		int fd;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (plan->netns)
			enter(plan->netns);
		fd = udp_open(&any);
		eventfd_write(shared->wake, 1);
		run(plan, fd, shared);
		_exit(1);
	}
	if (eventfd_read(shared->wake, &ready))
		err(1, "the far end");
	return shared;
}

/* The far end, which has said why. */
static void died(int sig)
{
	(void)sig;
	_exit(1);
}

static unsigned int number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value > UINT32_MAX)
		errx(2, "'%s' is not a number", text);
	return (unsigned int)value;
}

static void parse(struct udp_plan *plan, int argc, char **argv)
{
	uint16_t port = 7000;
	int opt;

	while ((opt = getopt(argc, argv, "n:p:l:a:c:s:g:w:t:i:r:k:f:")) != -1) {
		switch (opt) {
		case 'n': plan->netns = optarg; break;
		case 'p': port = (uint16_t)number(optarg); break;
		case 'l': plan->sink = (uint16_t)number(optarg); break;
		case 'a': plan->addresses = number(optarg); break;
		case 'c': plan->sources = number(optarg); break;
		case 's': plan->size = number(optarg); break;
		case 'g': plan->segments = number(optarg); break;
		case 'w': plan->window = number(optarg); break;
		case 't': plan->seconds = number(optarg); break;
		case 'i': plan->pause = number(optarg); break;
		case 'r': plan->times = number(optarg); break;
		case 'k': plan->look = number(optarg); break;
		case 'f': plan->file = optarg; break;
		default: exit(2);
		}
	}
	plan->to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	if (!plan->sink)
		plan->sink = port;
	if (argc - optind != 1 || inet_pton(AF_INET, argv[optind], &plan->to.sin_addr) != 1)
		errx(2, "one ADDRESS of IPv4 is needed");
	if (plan->size < 8 || plan->size > 65507 || !plan->segments || plan->segments * plan->size > 65507)
		errx(2, "a datagram has 8 bytes to what a packet holds");
	if (!plan->addresses || !plan->sources || !plan->window || !plan->times)
		errx(2, "none is too few");
	if (plan->times > UDP_TIMES_MAX || (plan->file && plan->times > 1))
		errx(2, "at most %u times, and a file once", UDP_TIMES_MAX);
}

static const struct {
	const char *name;
	void (*run)(const struct udp_plan *plan);
} modes[] = {
	{ "send", udp_send },
	{ "ping", udp_ping },
	{ "load", udp_load },
};

int main(int argc, char **argv)
{
	struct udp_plan plan = { .addresses = 1, .sources = 1, .size = 64, .segments = 1, .window = 512,
				 .seconds = 3, .pause = 2000, .times = 1 };

	signal(SIGCHLD, died);
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++) {
		if (!strcmp(argv[1], modes[i].name)) {
			parse(&plan, argc - 1, argv + 1);
			modes[i].run(&plan);
			return 0;
		}
	}
	fputs("udp: send|ping|load [-n NETNS] [OPTION...] ADDRESS\n", stderr);
	return 2;
}
