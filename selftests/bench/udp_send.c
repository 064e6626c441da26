// SPDX-License-Identifier: GPL-2.0-only
/* As many datagrams as pass. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "udp.h"

/* Until queues and clocks have settled. */
#define WARM_UP 0.5
/* What has not arrived after so long never will. */
#define GIVE_UP_MS 50

/**
 * struct sender - the near end
 * @fds: @plan->sources of them
 * @next: the socket, and of the file or the addresses, the one whose turn it is
 * @sent, @lost: datagrams
 */
struct sender {
	const struct udp_plan *plan;
	struct udp_shared *shared;
	int *fds;
	unsigned int next;
	uint64_t sent, lost;
	char *messages;
	size_t n_messages, at;
	struct mmsghdr batch[UDP_BATCH];
	struct iovec pieces[UDP_BATCH];
	struct sockaddr_in to[UDP_BATCH];
};

/* How far it was at some time, or came in some time. */
struct moment {
	double time;
	uint64_t packets, bytes, sent;
};

static unsigned int segments_of(struct msghdr *msg, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int size;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		if (size > 0)
			return (unsigned int)((len + (size_t)size - 1) / (size_t)size);
	}
	return 1;
}

/* What is there, or what comes next. */
static int receive(const struct udp_plan *plan, int fd, struct mmsghdr *batch)
{
	int n;

	if (!plan->look)
		return recvmmsg(fd, batch, UDP_BATCH, MSG_WAITFORONE, NULL);
	while ((n = recvmmsg(fd, batch, UDP_BATCH, MSG_DONTWAIT, NULL)) < 0 && errno == EAGAIN)
		usleep(plan->look);
	return n;
}

/* The far end: counts. */
static void count(const struct udp_plan *plan, int fd, struct udp_shared *shared)
{
	static char blocks[UDP_BATCH][65536], control[UDP_BATCH][CMSG_SPACE(sizeof(int))];
	struct iovec pieces[UDP_BATCH];
	struct mmsghdr batch[UDP_BATCH];
	int on = 1;

	if (plan->segments > 1 && setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)))
		err(1, "UDP_GRO");
	for (;;) {
		uint64_t packets = 0, bytes = 0, seen;
		int n;

		for (int i = 0; i < UDP_BATCH; i++) {
			pieces[i] = (struct iovec){ blocks[i], sizeof(blocks[i]) };
			batch[i].msg_hdr = (struct msghdr){
				.msg_iov = &pieces[i], .msg_iovlen = 1,
				.msg_control = control[i], .msg_controllen = sizeof(control[i]),
			};
		}
		n = receive(plan, fd, batch);
		if (n < 0)
			err(1, "receiving");
		for (int i = 0; i < n; i++) {
			packets += segments_of(&batch[i].msg_hdr, batch[i].msg_len);
			bytes += batch[i].msg_len;
		}
		shared->bytes += bytes;
		seen = shared->packets += packets;
		if (seen >= shared->limit) {
			shared->limit = UINT64_MAX;
			eventfd_write(shared->wake, 1);
		}
	}
}

/* Waits until half of the window is free, or what is missing must be lost. */
static void wait_for_room(struct sender *s)
{
	struct pollfd woken = { .fd = s->shared->wake, .events = POLLIN };
	uint64_t limit, count;

	while (s->sent - s->lost >= s->shared->packets + s->plan->window) {
		uint64_t before = s->shared->packets;

		limit = s->sent - s->lost - s->plan->window / 2;
		s->shared->limit = limit;
		/* The far end may have come so far before it could see the limit. */
		if (s->shared->packets < limit && poll(&woken, 1, GIVE_UP_MS) == 0 &&
		    s->shared->packets == before)
			s->lost = s->sent - before;
		s->shared->limit = UINT64_MAX;
		if (poll(&woken, 1, 0) > 0)
			eventfd_read(s->shared->wake, &count);
	}
}

static unsigned int fill(struct sender *s)
{
	const struct udp_plan *plan = s->plan;
	unsigned int n = plan->segments > 1 ? 1 : UDP_BATCH;

	for (unsigned int i = 0; i < n; i++) {
		if (s->messages) {
			if (s->at == s->n_messages)
				return i;
			s->pieces[i].iov_base = s->messages + s->at++ * plan->size;
			continue;
		}
		s->to[i] = udp_address(plan, (unsigned int)(s->at++ % plan->addresses));
	}
	return n;
}

/* One system call. False when nothing is left to be sent. */
static bool send_batch(struct sender *s)
{
	int fd = s->fds[s->next++ % s->plan->sources];
	unsigned int n = fill(s);
	int done;

	if (!n)
		return false;
	done = sendmmsg(fd, s->batch, n, 0);
	if (done < 0 && errno != ENOBUFS)
		err(1, "sending");
	if (done > 0)
		s->sent += (unsigned int)done * s->plan->segments;
	return true;
}

static void prepare(struct sender *s)
{
	const struct udp_plan *plan = s->plan;
	struct sockaddr_in any = { .sin_family = AF_INET };
	int size = (int)plan->size;
	static char zeros[65536];

	s->fds = calloc(plan->sources, sizeof(*s->fds));
	if (!s->fds)
		err(1, "memory");
	for (unsigned int i = 0; i < plan->sources; i++) {
		s->fds[i] = udp_open(&any);
		if (plan->segments > 1 && setsockopt(s->fds[i], SOL_UDP, UDP_SEGMENT, &size, sizeof(size)))
			err(1, "UDP_SEGMENT");
	}
	for (unsigned int i = 0; i < UDP_BATCH; i++) {
		s->to[i] = plan->to;
		s->pieces[i] = (struct iovec){ zeros, (size_t)plan->size * plan->segments };
		s->batch[i].msg_hdr = (struct msghdr){
			.msg_name = &s->to[i], .msg_namelen = sizeof(s->to[i]),
			.msg_iov = &s->pieces[i], .msg_iovlen = 1,
		};
	}
}

static void read_messages(struct sender *s)
{
	int fd = open(s->plan->file, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", s->plan->file);
	s->n_messages = (size_t)st.st_size / s->plan->size;
	s->messages = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (s->messages == MAP_FAILED)
		err(1, "%s", s->plan->file);
	close(fd);
}

static struct moment now_at(const struct sender *s)
{
	return (struct moment){ udp_now(), s->shared->packets, s->shared->bytes, s->sent };
}

/* Nothing more is sent: when the last came. */
static struct moment wait_for_rest(const struct sender *s)
{
	struct moment last = now_at(s), now = last;

	while (last.packets < s->sent && now.time < last.time + GIVE_UP_MS / 1000.0) {
		poll(NULL, 0, 1);
		now = now_at(s);
		if (now.packets != last.packets)
			last = now;
	}
	return last;
}

/* Each address was sent to at least once: that begins a flow. False when nothing is left to be sent. */
static bool warm_up(struct sender *s)
{
	double end = s->plan->file ? 0 : udp_now() + WARM_UP;

	while (s->sent < s->plan->addresses || udp_now() < end) {
		wait_for_room(s);
		if (!send_batch(s))
			return false;
	}
	return true;
}

/* What passes in the time that was asked for; of a file, the rest of it. */
static struct moment measure(struct sender *s)
{
	struct moment from, to;

	wait_for_room(s);
	from = now_at(s);
	while (send_batch(s) && (s->plan->file || udp_now() < from.time + s->plan->seconds))
		wait_for_room(s);
	to = s->plan->file ? wait_for_rest(s) : now_at(s);
	if (to.packets == from.packets)
		errx(1, "nothing arrived");
	return (struct moment){ to.time - from.time, to.packets - from.packets, to.bytes - from.bytes,
				to.sent - from.sent };
}

static int compare(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;
	double left = (double)x->packets / x->time, right = (double)y->packets / y->time;

	return (left > right) - (left < right);
}

void udp_send(const struct udp_plan *plan)
{
	static struct sender sender;
	struct sender *s = &sender;
	struct moment found[UDP_TIMES_MAX], *median = &found[(plan->times - 1) / 2];

	s->plan = plan;
	if (plan->file)
		read_messages(s);
	prepare(s);
	s->shared = udp_far(plan, count);
	if (!warm_up(s))
		errx(1, "there are too few messages");
	for (unsigned int i = 0; i < plan->times; i++)
		found[i] = measure(s);
	qsort(found, plan->times, sizeof(*found), compare);
	printf("%.0f %.0f %.4f\n", (double)median->packets / median->time, (double)median->bytes * 8 / median->time,
	       median->sent > median->packets ?
	       (double)(median->sent - median->packets) / (double)median->sent : 0.0);
}
