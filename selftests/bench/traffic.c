// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets, for fz-bench-policy.
 *
 *	flows FROM N		one datagram of each of the flows FROM to N of the layout `spread`
 *	blast SECONDS FROM TO	as many as possible, of these flows in turn; prints how many were sent. From
 *				number 10000000 on none has a grant
 *	probe LEFT RIGHT ADDR PORT
 *				a datagram each millisecond from one namespace to the other until SIGTERM; prints how
 *				many were sent, how many were lost, ms of the longest gap and ms of the longest way
 *	revoke LEFT RIGHT DEV KEY RESOURCE ADDR PORT N
 *				takes the grant away N times and gives it back; prints us of the median and of the
 *				longest removal. Fails if one packet passes after a removal has returned
 */
#include "netns.h"
#include "policy.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "key.h"
#include "nl.h"

#define AT_ONCE 64
#define FLOW_RESOURCES 100000

static int udp_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

static struct sockaddr_in address(const char *addr, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number(port)) };

	if (inet_pton(AF_INET, addr, &to.sin_addr) != 1)
		errx(2, "\"%s\" is no address", addr);
	return to;
}

static struct sockaddr_in flow_address(unsigned int i)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)(1000 + i / FLOW_RESOURCES)),
		.sin_addr.s_addr = htonl(0x0a800000 + i % FLOW_RESOURCES),
	};
}

/* Sends one datagram of each of AT_ONCE flows from number @i on, before @end. */
static void send_some(int fd, unsigned int i, unsigned int end)
{
	static char payload[64];
	struct sockaddr_in to[AT_ONCE];
	struct iovec data = { .iov_base = payload, .iov_len = 18 };
	struct mmsghdr messages[AT_ONCE] = { 0 };
	unsigned int count;

	for (count = 0; count < AT_ONCE; count++) {
		to[count] = flow_address(i + count < end ? i + count : end - 1);
		messages[count].msg_hdr.msg_name = &to[count];
		messages[count].msg_hdr.msg_namelen = sizeof(to[count]);
		messages[count].msg_hdr.msg_iov = &data;
		messages[count].msg_hdr.msg_iovlen = 1;
	}
	for (count = 0; count < AT_ONCE;) {
		int sent = sendmmsg(fd, messages + count, AT_ONCE - count, 0);

		if (sent < 0 && errno != ENOBUFS && errno != EINTR)
			err(1, "sendmmsg");
		if (sent > 0)
			count += (unsigned int)sent;
	}
}

static void bind_source(int fd)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(40000) };

	if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
		err(1, "bind");
}

int flows_main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	int fd = udp_socket();

	if (argc != 3)
		errx(2, "flows FROM N");
	bind_source(fd);
	for (unsigned int i = number(argv[1]); i < number(argv[2]); i += AT_ONCE) {
		send_some(fd, i, number(argv[2]));
		if (i / AT_ONCE % 16 == 0)
			nanosleep(&pause, NULL);
	}
	close(fd);
	return 0;
}

int blast_main(int argc, char **argv)
{
	unsigned int from, to, sent = 0;
	int fd = udp_socket();
	double end;

	if (argc != 4)
		errx(2, "blast SECONDS FROM TO");
	bind_source(fd);
	from = number(argv[2]);
	to = number(argv[3]);
	for (end = now() + number(argv[1]); now() < end; sent += AT_ONCE)
		send_some(fd, from + sent % (to - from), to);
	printf("%u\n", sent);
	close(fd);
	return 0;
}

/* What is in a datagram of a probe; number 0 is the last one. */
struct ping {
	uint64_t number;
	double sent;
};

static volatile sig_atomic_t over;

static void stop(int signal)
{
	(void)signal;
	over = 1;
}

static void probe_send(int fd, const struct sockaddr_in *to)
{
	const struct sched_param first = { .sched_priority = 10 };
	struct ping ping = { .number = 1 };
	struct timespec next;

	signal(SIGTERM, stop);
	sched_setscheduler(0, SCHED_FIFO, &first);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (; !over; ping.number++) {
		ping.sent = now();
		sendto(fd, &ping, sizeof(ping), 0, (const void *)to, sizeof(*to));
		next.tv_nsec += 1000000;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	printf("%llu ", (unsigned long long)ping.number - 1);
	fflush(stdout);
	ping.number = 0;
	sendto(fd, &ping, sizeof(ping), 0, (const void *)to, sizeof(*to));
}

static void probe_receive(int fd)
{
	const struct sched_param first = { .sched_priority = 10 };
	double last = 0, gap = 0, way = 0;
	uint64_t lost = 0, expected = 1;
	struct ping ping;

	sched_setscheduler(0, SCHED_FIFO, &first);
	for (;;) {
		double at;

		if (recv(fd, &ping, sizeof(ping), 0) != sizeof(ping))
			err(1, "recv");
		at = now();
		if (!ping.number)
			break;
		if (last && at - last > gap)
			gap = at - last;
		if (at - ping.sent > way)
			way = at - ping.sent;
		last = at;
		lost += ping.number - expected;
		expected = ping.number + 1;
	}
	printf("%llu %.2f %.2f\n", (unsigned long long)lost, gap * 1e3, way * 1e3);
}

int probe_main(int argc, char **argv)
{
	struct sockaddr_in to;
	int in, out, status, room = 32 << 20;
	pid_t receiver;

	if (argc != 5)
		errx(2, "probe LEFT RIGHT ADDR PORT");
	to = address(argv[3], argv[4]);
	enter(argv[2]);
	in = udp_socket();
	/* What comes while the receiver waits for a CPU is not lost. */
	setsockopt(in, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(in, (struct sockaddr *)&to, sizeof(to)))
		err(1, "%s", argv[3]);
	enter(argv[1]);
	out = udp_socket();
	receiver = fork();
	if (!receiver) {
		signal(SIGTERM, SIG_IGN);
		probe_receive(in);
		return 0;
	}
	probe_send(out, &to);
	if (waitpid(receiver, &status, 0) != receiver || status)
		errx(1, "the receiver failed");
	return 0;
}

/* The number of the next datagram that comes, 0 if none does in time. */
static uint64_t receive(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct ping ping;

	if (poll(&poll_fd, 1, timeout_ms) != 1 || recv(fd, &ping, sizeof(ping), 0) != sizeof(ping))
		return 0;
	return ping.number;
}

static uint64_t refusals(struct fz_nl *nl, const char *dev)
{
	struct fz_stats stats;
	struct fz_error error;
	uint64_t sum = 0;

	check(fz_nl_stats_get(nl, dev, &stats, &error), &error);
	for (unsigned int i = 0; i <= FZ_REASON_MAX; i++)
		sum += stats.refused[FZ_DIR_IN][i].packets;
	return sum;
}

/**
 * struct revocation - a grant, and the flow that it admits
 * @number: of the last datagram
 */
struct revocation {
	struct fz_nl *nl;
	const char *dev;
	struct fz_grant grant;
	struct sockaddr_in to;
	int in, out;
	uint64_t number;
};

static void send_next(struct revocation *r)
{
	struct ping ping = { .number = ++r->number };

	if (sendto(r->out, &ping, sizeof(ping), 0, (void *)&r->to, sizeof(r->to)) < 0)
		err(1, "sendto");
}

/* Once: us that the removal took. */
static double take_away(struct revocation *r)
{
	struct fz_error error;
	uint64_t refused;
	double took, end;

	send_next(r);
	if (receive(r->in, 5000) != r->number)
		errx(1, "a packet that is granted was lost");
	refused = refusals(r->nl, r->dev);
	took = now();
	check(fz_nl_grant_del(r->nl, r->dev, &r->grant, 1, &error), &error);
	took = now() - took;
	send_next(r);
	for (end = now() + 5; refusals(r->nl, r->dev) == refused;) {
		if (receive(r->in, 0) || now() > end)
			errx(1, "a packet passed without a grant");
	}
	check(fz_nl_grant_add(r->nl, r->dev, &r->grant, 1, &error), &error);
	return took * 1e6;
}

int revoke_main(int argc, char **argv)
{
	struct revocation r = { 0 };
	unsigned int n;
	double *took;

	if (argc != 9)
		errx(2, "revoke LEFT RIGHT DEV KEY RESOURCE ADDR PORT N");
	r.dev = argv[3];
	if (!fz_key_parse(r.grant.peer, argv[4]))
		errx(2, "\"%s\" is no key", argv[4]);
	snprintf(r.grant.resource, sizeof(r.grant.resource), "%s", argv[5]);
	r.grant.direction = FZ_DIR_IN;
	r.to = address(argv[6], argv[7]);
	n = number(argv[8]);
	took = calloc(n, sizeof(*took));
	if (!took || !n)
		errx(1, "out of memory");
	enter(argv[2]);
	r.nl = open_family();
	r.in = udp_socket();
	if (bind(r.in, (struct sockaddr *)&r.to, sizeof(r.to)))
		err(1, "%s", argv[6]);
	enter(argv[1]);
	r.out = udp_socket();
	for (unsigned int i = 0; i < n; i++)
		took[i] = take_away(&r);
	qsort(took, n, sizeof(*took), compare);
	printf("%.0f %.0f\n", took[n / 2], took[n - 1]);
	free(took);
	fz_nl_close(r.nl);
	return 0;
}
