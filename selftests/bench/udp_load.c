// SPDX-License-Identifier: GPL-2.0-only
/* Flows, so that tables are full of them: a datagram from each source to each address, answered. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "udp.h"

#define FIRST_SOURCE 20000
#define GIVE_UP_MS 500
#define ROOM CMSG_SPACE(sizeof(struct in_pktinfo))

/* What left from the address it came to: the cmsg that brought the one says so of the other. */
static void turn_round(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct in_pktinfo info;

	if (!c || c->cmsg_type != IP_PKTINFO)
		errx(1, "a datagram without its address");
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	info.ipi_spec_dst = info.ipi_addr;
	info.ipi_ifindex = 0;
	memcpy(CMSG_DATA(c), &info, sizeof(info));
}

/* The far end: answers whatever address was asked. */
static void answer(const struct udp_plan *plan, int fd, struct udp_shared *shared)
{
	static char blocks[UDP_BATCH][2048], control[UDP_BATCH][ROOM];
	struct sockaddr_in from[UDP_BATCH];
	struct iovec pieces[UDP_BATCH];
	struct mmsghdr batch[UDP_BATCH];
	int on = 1;

	(void)plan;
	if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)))
		err(1, "IP_PKTINFO");
	for (;;) {
		int n, done = 0;

		for (int i = 0; i < UDP_BATCH; i++) {
			pieces[i] = (struct iovec){ blocks[i], sizeof(blocks[i]) };
			batch[i].msg_hdr = (struct msghdr){
				.msg_name = &from[i], .msg_namelen = sizeof(from[i]),
				.msg_iov = &pieces[i], .msg_iovlen = 1,
				.msg_control = control[i], .msg_controllen = ROOM,
			};
		}
		n = recvmmsg(fd, batch, UDP_BATCH, MSG_WAITFORONE, NULL);
		if (n < 0)
			err(1, "receiving");
		for (int i = 0; i < n; i++) {
			turn_round(&batch[i].msg_hdr);
			pieces[i].iov_len = batch[i].msg_len;
		}
		while (done < n) {
			int sent = sendmmsg(fd, batch + done, (unsigned int)(n - done), 0);

			done += sent > 0 ? sent : 1;
		}
		shared->packets += (unsigned int)n;
	}
}

/* Answers that are there, or come in time. */
static unsigned int collect(int fd, bool wait)
{
	static char blocks[UDP_BATCH][2048];
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	struct iovec pieces[UDP_BATCH];
	struct mmsghdr batch[UDP_BATCH];
	int n;

	if (wait && poll(&readable, 1, GIVE_UP_MS) <= 0)
		return 0;
	for (int i = 0; i < UDP_BATCH; i++) {
		pieces[i] = (struct iovec){ blocks[i], sizeof(blocks[i]) };
		batch[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
	}
	n = recvmmsg(fd, batch, UDP_BATCH, MSG_DONTWAIT, NULL);
	return n > 0 ? (unsigned int)n : 0;
}

/* From one source to all addresses; how many answered. */
static uint64_t load_source(const struct udp_plan *plan, int fd)
{
	char block[64] = { 0 };
	struct iovec piece = { block, plan->size < sizeof(block) ? plan->size : sizeof(block) };
	struct sockaddr_in to[UDP_BATCH];
	struct mmsghdr batch[UDP_BATCH];
	unsigned int next = 0, missing = 0, got;
	uint64_t answered = 0;

	while (next < plan->addresses || missing) {
		unsigned int n = 0;

		for (; n < UDP_BATCH && next < plan->addresses; n++) {
			to[n] = udp_address(plan, next++);
			batch[n].msg_hdr = (struct msghdr){
				.msg_name = &to[n], .msg_namelen = sizeof(to[n]),
				.msg_iov = &piece, .msg_iovlen = 1,
			};
		}
		for (unsigned int done = 0; done < n;) {
			int sent = sendmmsg(fd, batch + done, n - done, 0);

			if (sent < 0)
				err(1, "sending");
			done += (unsigned int)sent;
		}
		missing += n;
		while (missing && (missing >= plan->window || next == plan->addresses)) {
			got = collect(fd, true);
			if (!got)
				missing = 0;
			missing -= got < missing ? got : missing;
			answered += got;
		}
	}
	return answered;
}

void udp_load(const struct udp_plan *plan)
{
	struct sockaddr_in source = { .sin_family = AF_INET };
	uint64_t answered = 0;

	udp_far(plan, answer);
	for (unsigned int i = 0; i < plan->sources; i++) {
		int fd;

		source.sin_port = htons((uint16_t)(FIRST_SOURCE + i));
		fd = udp_open(&source);
		answered += load_source(plan, fd);
		close(fd);
	}
	printf("%llu %llu\n", (unsigned long long)plan->sources * plan->addresses,
	       (unsigned long long)answered);
}
