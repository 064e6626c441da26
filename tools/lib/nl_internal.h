/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the netlink client share. */
#ifndef FZ_NL_INTERNAL_H
#define FZ_NL_INTERNAL_H

#include "nl.h"
#include "nlsock.h"

/* An event that came while an answer was awaited. */
struct fz_kept {
	struct fz_kept *next;
	size_t len;			/* 0: the socket overflowed here */
	char message[] __attribute__((aligned(MNL_ALIGNTO)));
};

/**
 * struct fz_nl - two sockets
 * @cmd: requests; nothing comes to it but their answers
 * @ev: who we are to the kernel: registrations, verdicts, groups; opened when
 *	first needed. Its answers are mixed with events.
 * @family: the family's number
 * @groups: the groups' numbers, in the order of enum fz_group
 * @kept_head, @kept_tail: events that wait for fz_nl_dispatch()
 * @poll_fd: readable when @ev or @wake_fd is; -1 until asked for
 * @wake_fd: an eventfd, readable while something is kept
 * @dispatching: what is kept is handed out before fz_nl_dispatch() returns, and wakes nobody
 * @fn, @arg: who gets the events
 * @drops: messages that found no room in @ev, as far as they were told of
 * @overflowed: there may be more of them until @ev is empty
 */
struct fz_nl {
	struct fz_nlsock cmd;
	struct fz_nlsock ev;
	uint16_t family;
	uint32_t groups[4];
	struct fz_kept *kept_head;
	struct fz_kept **kept_tail;
	int poll_fd;
	int wake_fd;
	bool dispatching;
	fz_event_fn fn;
	void *arg;
	uint32_t drops;
	bool overflowed;
};

#define FZ_DUMP_RETRIES 32

/* nl.c */
struct nlmsghdr *fz_nl_begin(struct fz_nl *nl, struct fz_nlsock *s, uint8_t cmd, uint16_t flags);
int fz_nl_talk(struct fz_nl *nl, struct fz_nlsock *s, const char *dev, struct nlmsghdr *nlh,
	       fz_nlsock_fn fn, void *arg, struct fz_error *err);
void fz_nl_name_peer(const uint8_t key[FZ_KEY_LEN], struct fz_error *err);
int fz_nl_open_events(struct fz_nl *nl, struct fz_error *err);
void fz_nl_forget_events(struct fz_nl *nl);

/* nl_attr.c: writing; false when the message is full, which then is unchanged or to be cancelled */
bool fz_put_prefix(struct nlmsghdr *nlh, uint16_t type, const struct fz_prefix *prefix);
bool fz_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct fz_addr *addr);
bool fz_put_endpoint(struct nlmsghdr *nlh, uint16_t type, const union fz_endpoint *endpoint);
bool fz_put_mode(struct nlmsghdr *nlh, uint16_t type, uint8_t direction,
		 const struct fz_mode_state *mode);
bool fz_put_resource(struct nlmsghdr *nlh, uint16_t type, const struct fz_resource *res, bool name_only);
bool fz_put_grant(struct nlmsghdr *nlh, uint16_t type, const struct fz_grant *grant, bool key_only);
bool fz_put_tuple(struct nlmsghdr *nlh, uint16_t type, const struct fz_tuple *tuple);

/*
 * nl_attr.c: reading. Attributes are found by number in an array; what is too
 * short for its type counts as absent. Unknown ones are skipped: the kernel may
 * be newer.
 */
struct fz_attrs {
	const struct nlattr *found[32];
};

void fz_attrs_read(struct fz_attrs *attrs, const struct nlmsghdr *nlh);
void fz_attrs_read_nest(struct fz_attrs *attrs, const struct nlattr *nest);
uint8_t fz_attr_u8(const struct fz_attrs *attrs, unsigned int type);
uint16_t fz_attr_u16(const struct fz_attrs *attrs, unsigned int type);
uint32_t fz_attr_u32(const struct fz_attrs *attrs, unsigned int type);
uint64_t fz_attr_u64(const struct fz_attrs *attrs, unsigned int type);
bool fz_attr_bytes(const struct fz_attrs *attrs, unsigned int type, void *out, size_t len);
void fz_attr_text(const struct fz_attrs *attrs, unsigned int type, char *out, size_t size);
void fz_attr_addr(const struct fz_attrs *attrs, unsigned int type, struct fz_addr *out);
void fz_attr_endpoint(const struct fz_attrs *attrs, unsigned int type, union fz_endpoint *out);
void fz_get_prefix(const struct nlattr *nest, struct fz_prefix *out);
void fz_get_mode(const struct nlattr *nest, struct fz_mode_state out[FZ_DIRECTIONS]);
int fz_get_resource(const struct nlattr *nest, struct fz_resource *out);
void fz_get_grant(const struct nlattr *nest, struct fz_grant *out);
void fz_get_tuple(const struct nlattr *nest, struct fz_tuple *out);
void fz_get_flow(const struct nlattr *nest, struct fz_flow *out);
void fz_get_decision(const struct fz_attrs *attrs, struct fz_decision *out);

/* nl_policy.c: an array that grows by one */
void *fz_list_append(void **list, size_t *n, size_t size);

#endif
