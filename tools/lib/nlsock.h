/* SPDX-License-Identifier: GPL-2.0-only */
/* One netlink socket and its dialogue with the kernel; for nl*.c and rtnl.c. */
#ifndef FZ_NLSOCK_H
#define FZ_NLSOCK_H

#include "error.h"

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * An attribute holds at most 64 KiB, and a message is mostly one nest or many
 * small ones; a message larger than this is split.
 */
#define FZ_MSG_SIZE 61440
#define FZ_RX_SIZE 131072

/* Every message of an answer; returns 0 or a negative errno that ends the dialogue. */
typedef int (*fz_nlsock_fn)(const struct nlmsghdr *nlh, void *arg, struct fz_error *err);
/* A message that is no answer. */
typedef void (*fz_nlsock_stray_fn)(const struct nlmsghdr *nlh, void *arg);

/**
 * struct fz_nlsock - a socket
 * @sock: the descriptor
 * @portid: our address
 * @seq: number of the last request; never 0, which is what events carry
 * @err_offset: where in the last request the kernel found fault, 0 if it did not say
 * @interrupted: the last dump was not consistent
 * @stray: gets what is no answer, if not NULL
 * @tx: a request being built, FZ_MSG_SIZE
 * @rx: answers, FZ_RX_SIZE
 */
struct fz_nlsock {
	struct mnl_socket *sock;
	unsigned int portid;
	uint32_t seq;
	uint32_t err_offset;
	bool interrupted;
	fz_nlsock_stray_fn stray;
	void *stray_arg;
	char *tx;
	char *rx;
};

int fz_nlsock_open(struct fz_nlsock *s, int bus, struct fz_error *err);
void fz_nlsock_close(struct fz_nlsock *s);
struct nlmsghdr *fz_nlsock_begin(struct fz_nlsock *s, uint16_t type, uint16_t flags);
int fz_nlsock_talk(struct fz_nlsock *s, struct nlmsghdr *nlh, fz_nlsock_fn fn, void *arg,
		   struct fz_error *err);

#endif
