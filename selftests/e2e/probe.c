// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe: the traffic of the end-to-end tests, with a clock on every byte.
 *
 * All programs of a test share one kernel, so CLOCK_MONOTONIC is one clock
 * for all of them, whatever their network namespace: a moment printed here
 * can be compared with `probe now` taken by the script.
 *
 *	probe now [real]                        the clock, in microseconds; and that of the wall
 *	probe serve ADDR PORT [RATE]            TCP: streams RATE bytes/s (0: all it can) to whoever connects
 *	probe get [-b BYTES] [-t SECONDS] [-o FILE] ADDR PORT
 *	                                        TCP: reads, notes first and last byte
 *	probe echo ADDR PORT                    UDP: sends back what it gets
 *	probe beat [-n COUNT] [-i MS] ADDR PORT UDP: numbered datagrams; which came back
 *	probe epoch DEV                         opens an epoch of the device's policy, and holds it until a signal
 *
 * get and beat print one line of key=value on exit and, with -o, append a
 * line "TIME BYTES" for every read, so that a script can watch.
 *
 * Exit status: 0 all that was asked for came; 2 wrong usage; 3 the network
 * refused it, or nobody answered; 1 anything else, so that a probe which went
 * wrong by itself is not taken for a refusal.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "nl.h"

enum {
	EXIT_CAME	= 0,
	EXIT_TROUBLE	= 1,
	EXIT_USAGE	= 2,
	EXIT_NO_ANSWER	= 3,
};

static volatile sig_atomic_t stopping;

static void on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void print_now(bool real)
{
	struct timespec ts;

	printf("%" PRIu64, now_us());
	if (real && !clock_gettime(CLOCK_REALTIME, &ts))
		printf(" %" PRIu64, (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
	putchar('\n');
}

/* What a network says that refuses; EINTR is the end of the time that was given. */
static bool no_answer(int error)
{
	switch (error) {
	case EACCES:		/* ICMPv6: administratively prohibited */
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case EINTR:
	case ENETUNREACH:
	case EPERM:		/* this host's own filter */
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

/* -1 with errno. */
static int open_socket(const char *addr, const char *port, int type, bool listener)
{
	struct addrinfo hints = {
		.ai_socktype = type,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | (listener ? AI_PASSIVE : 0),
	};
	struct addrinfo *ai;
	int fd, err, error, one = 1;

	err = getaddrinfo(addr, port, &hints, &ai);
	if (err) {
		fprintf(stderr, "probe: %s port %s: %s\n", addr, port, gai_strerror(err));
		errno = EINVAL;
		return -1;
	}
	fd = socket(ai->ai_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		goto fail;
	if (listener) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, ai->ai_addr, ai->ai_addrlen))
			goto fail;
		if (type == SOCK_STREAM && listen(fd, 16))
			goto fail;
	} else if (connect(fd, ai->ai_addr, ai->ai_addrlen)) {
		goto fail;
	}
	freeaddrinfo(ai);
	return fd;
fail:
	error = errno;
	fprintf(stderr, "probe: %s port %s: %s\n", addr, port, strerror(error));
	if (fd >= 0)
		close(fd);
	freeaddrinfo(ai);
	errno = error;
	return -1;
}

/* Streams to one connection, in slices of 10 ms when a rate is given. */
static void stream_to(int fd, uint64_t rate)
{
	static char block[65536];
	uint64_t start = now_us(), sent = 0;

	while (!stopping) {
		uint64_t due = rate ? (now_us() - start) * rate / 1000000 + rate / 100 : UINT64_MAX;
		size_t want = sizeof(block);
		ssize_t n;

		if (sent >= due) {
			struct pollfd gone = { .fd = fd, .events = POLLRDHUP };

			if (poll(&gone, 1, 10) > 0)
				return;
			continue;
		}
		if (due - sent < want)
			want = due - sent;
		n = send(fd, block, want, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		sent += (uint64_t)n;
	}
}

static int cmd_serve(int argc, char **argv)
{
	uint64_t rate;
	int fd;

	if (argc < 3 || argc > 4)
		return EXIT_USAGE;
	rate = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
	fd = open_socket(argv[1], argv[2], SOCK_STREAM, true);
	if (fd < 0)
		return EXIT_TROUBLE;
	signal(SIGCHLD, SIG_IGN);
	while (!stopping) {
		int conn = accept(fd, NULL, NULL);

		if (conn < 0)
			continue;
		if (fork() == 0) {
			close(fd);
			stream_to(conn, rate);
			_exit(0);
		}
		close(conn);
	}
	close(fd);
	return 0;
}

struct span {
	uint64_t start, connected, first, last, bytes, longest_gap;
	uint64_t want, deadline;
	FILE *trace;
};

/* Why it ended: an errno, 0 for the end of the stream or of what was wanted. */
static int read_stream(int fd, struct span *s)
{
	static char block[65536];

	while (!stopping && (!s->want || s->bytes < s->want)) {
		struct pollfd readable = { .fd = fd, .events = POLLIN };
		uint64_t now = now_us();
		ssize_t n;

		if (now >= s->deadline)
			return ETIMEDOUT;
		if (poll(&readable, 1, (int)((s->deadline - now) / 1000) + 1) <= 0)
			continue;
		n = recv(fd, block, sizeof(block), 0);
		if (n <= 0)
			return n ? errno : 0;
		now = now_us();
		if (!s->first)
			s->first = now;
		else if (now - s->last > s->longest_gap)
			s->longest_gap = now - s->last;
		s->last = now;
		s->bytes += (uint64_t)n;
		if (s->trace) {
			fprintf(s->trace, "%" PRIu64 " %" PRIu64 "\n", now, s->bytes);
			fflush(s->trace);
		}
	}
	return stopping ? EINTR : 0;
}

static int cmd_get(int argc, char **argv)
{
	struct span s = { .start = now_us(), .deadline = now_us() + 10000000 };
	int opt, fd, error;

	while ((opt = getopt(argc, argv, "b:t:o:")) != -1) {
		if (opt == 'b')
			s.want = strtoull(optarg, NULL, 10);
		else if (opt == 't')
			s.deadline = s.start + strtoull(optarg, NULL, 10) * 1000000;
		else if (opt == 'o')
			s.trace = fopen(optarg, "we");
		else
			return EXIT_USAGE;
	}
	if (argc - optind != 2)
		return EXIT_USAGE;
	alarm((unsigned int)((s.deadline - s.start) / 1000000));
	fd = open_socket(argv[optind], argv[optind + 1], SOCK_STREAM, false);
	error = fd < 0 ? errno : 0;
	if (fd >= 0) {
		s.connected = now_us();
		error = read_stream(fd, &s);
		close(fd);
	}
	printf("start=%" PRIu64 " connected=%" PRIu64 " first=%" PRIu64 " last=%" PRIu64
	       " bytes=%" PRIu64 " gap=%" PRIu64 "\n",
	       s.start, s.connected, s.first, s.last, s.bytes, s.longest_gap);
	if (s.trace)
		fclose(s.trace);
	if (s.bytes && s.bytes >= s.want)
		return EXIT_CAME;
	return !s.bytes && no_answer(error) ? EXIT_NO_ANSWER : EXIT_TROUBLE;
}

static int cmd_echo(int argc, char **argv)
{
	int fd;

	if (argc != 3)
		return EXIT_USAGE;
	fd = open_socket(argv[1], argv[2], SOCK_DGRAM, true);
	if (fd < 0)
		return EXIT_TROUBLE;
	while (!stopping) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		char block[2048];
		ssize_t n = recvfrom(fd, block, sizeof(block), 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, block, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
	close(fd);
	return 0;
}

/* Takes what has come back until @until; counts each number once. */
static uint32_t collect(int fd, bool *seen, uint32_t count, uint64_t until)
{
	uint32_t got = 0;

	for (;;) {
		struct pollfd readable = { .fd = fd, .events = POLLIN };
		uint64_t now = now_us();
		uint32_t number;
		int ready = poll(&readable, 1, now < until ? (int)((until - now + 999) / 1000) : 0);

		if (ready <= 0) {
			if (now_us() >= until || stopping)
				return got;
			continue;
		}
		if (recv(fd, &number, sizeof(number), 0) != sizeof(number))
			continue;	/* an ICMP error that waited on the socket */
		number = ntohl(number);
		if (number < count && !seen[number]) {
			seen[number] = true;
			got++;
		}
	}
}

/*
 * So many are on their way at most: when this process or the other end does not get to run for a while, nothing piles
 * up in a socket or a queue between them, and what is lost is the network's loss. What is not there after GIVE_UP_US
 * makes room for others, and is counted when it comes after all.
 */
#define ON_THE_WAY 16
#define GIVE_UP_US 3000000

static int cmd_beat(int argc, char **argv)
{
	uint64_t interval = 10000, next, patience;
	uint32_t count = 100, sent = 0, got = 0, given_up = 0;
	bool *seen;
	int opt, fd;

	while ((opt = getopt(argc, argv, "n:i:")) != -1) {
		if (opt == 'n')
			count = (uint32_t)strtoul(optarg, NULL, 10);
		else if (opt == 'i')
			interval = strtoull(optarg, NULL, 10) * 1000;
		else
			return EXIT_USAGE;
	}
	if (argc - optind != 2)
		return EXIT_USAGE;
	fd = open_socket(argv[optind], argv[optind + 1], SOCK_DGRAM, false);
	seen = calloc(count ? count : 1, sizeof(*seen));
	if (fd < 0 || !seen)
		return EXIT_TROUBLE;
	next = now_us();
	while (sent < count && !stopping) {
		uint32_t number = htonl(sent);

		send(fd, &number, sizeof(number), 0);
		sent++;
		next += interval;
		got += collect(fd, seen, count, next);
		patience = now_us() + GIVE_UP_US;
		while (sent - got >= given_up + ON_THE_WAY && now_us() < patience && !stopping)
			got += collect(fd, seen, count, now_us() + 10000);
		if (sent - got >= given_up + ON_THE_WAY)
			given_up = sent - got;
	}
	/* stragglers: as long as anything is missing, up to three seconds */
	next = now_us() + GIVE_UP_US;
	while (got < sent && now_us() < next)
		got += collect(fd, seen, count, now_us() + 10000);
	printf("sent=%u received=%u lost=%u\n", sent, got, sent - got);
	free(seen);
	close(fd);
	return got == sent ? EXIT_CAME : got ? EXIT_TROUBLE : EXIT_NO_ANSWER;
}

static int cmd_epoch(int argc, char **argv)
{
	struct fz_error err = { 0 };
	struct fz_nl *nl = NULL;

	if (argc != 2)
		return EXIT_USAGE;
	if (fz_nl_open(&nl, &err) || fz_nl_epoch_begin(nl, argv[1], &err)) {
		fprintf(stderr, "probe: %s\n", err.text);
		fz_nl_close(nl);
		return EXIT_TROUBLE;
	}
	puts("begun");
	fflush(stdout);
	while (!stopping)
		poll(NULL, 0, 100);
	fz_nl_close(nl);
	return EXIT_CAME;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "serve", cmd_serve },
	{ "get", cmd_get },
	{ "echo", cmd_echo },
	{ "beat", cmd_beat },
	{ "epoch", cmd_epoch },
};

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	int ret = EXIT_USAGE;

	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGALRM, &act, NULL);
	if (argc >= 2 && !strcmp(argv[1], "now")) {
		print_now(argc == 3 && !strcmp(argv[2], "real"));
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++) {
		if (!strcmp(argv[1], commands[i].name))
			ret = commands[i].run(argc - 1, argv + 1);
	}
	if (ret == EXIT_USAGE)
		fputs("probe: now [real] | serve ADDR PORT [RATE] | get [-b BYTES] [-t SECONDS] [-o FILE] ADDR PORT |"
		      " echo ADDR PORT | beat [-n COUNT] [-i MS] ADDR PORT | epoch DEV\n", stderr);
	return ret;
}
