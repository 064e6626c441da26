// SPDX-License-Identifier: GPL-2.0-only
#include "nlsock.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/**
 * fz_nlsock_open - open and bind a socket
 * @s: filled; on failure there is nothing to close
 * @bus: NETLINK_*
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nlsock_open(struct fz_nlsock *s, int bus, struct fz_error *err)
{
	int one = 1, ret;

	memset(s, 0, sizeof(*s));
	s->tx = malloc(FZ_MSG_SIZE);
	s->rx = malloc(FZ_RX_SIZE);
	if (!s->tx || !s->rx) {
		ret = fz_error_memory(err);
		goto fail;
	}
	s->sock = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!s->sock || mnl_socket_bind(s->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		ret = fz_error_set(err, -errno, "cannot open a netlink socket: %s", strerror(errno));
		goto fail;
	}
	s->portid = mnl_socket_get_portid(s->sock);
	/* Without these there are only fewer words when something is refused. */
	mnl_socket_setsockopt(s->sock, NETLINK_CAP_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(s->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	return 0;
fail:
	fz_nlsock_close(s);
	return ret;
}

/**
 * fz_nlsock_close - close a socket; its buffers, which have seen keys, are wiped
 * @s: may be closed already
 */
void fz_nlsock_close(struct fz_nlsock *s)
{
	if (s->sock)
		mnl_socket_close(s->sock);
	if (s->tx)
		sodium_memzero(s->tx, FZ_MSG_SIZE);
	if (s->rx)
		sodium_memzero(s->rx, FZ_RX_SIZE);
	free(s->tx);
	free(s->rx);
	memset(s, 0, sizeof(*s));
}

/**
 * fz_nlsock_begin - start a request
 * @s: the socket; a request that was being built is forgotten
 * @type: nlmsg_type
 * @flags: NLM_F_* beside NLM_F_REQUEST
 *
 * Return: the message; it has room for FZ_MSG_SIZE bytes in all.
 */
struct nlmsghdr *fz_nlsock_begin(struct fz_nlsock *s, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(s->tx);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	return nlh;
}

/* The sentence and the place in the attributes that follow an acknowledgement. */
static void read_extack(struct fz_nlsock *s, const void *start, const void *end, const char **text)
{
	const struct nlattr *attr;
	const char *pos = start;

	while (pos + sizeof(*attr) <= (const char *)end) {
		attr = (const struct nlattr *)pos;
		if (!mnl_attr_ok(attr, (int)((const char *)end - pos)))
			return;
		switch (mnl_attr_get_type(attr)) {
		case NLMSGERR_ATTR_MSG:
			if (!mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
				*text = mnl_attr_get_str(attr);
			break;
		case NLMSGERR_ATTR_OFFS:
			if (!mnl_attr_validate(attr, MNL_TYPE_U32))
				s->err_offset = mnl_attr_get_u32(attr);
			break;
		default:
			break;
		}
		pos += MNL_ALIGN(attr->nla_len);
	}
}

static int refused(int code, const char *text, struct fz_error *err)
{
	if (!code)
		return 0;
	if (text && *text) {
		size_t len = strlen(text);

		if (text[len - 1] == '.')
			len--;
		return fz_error_set(err, code, "%.*s", (int)len, text);
	}
	if (code == -EPERM)
		return fz_error_set(err, code, "permission denied: CAP_NET_ADMIN is needed");
	return fz_error_set(err, code, "%s", strerror(-code));
}

static int read_ack(struct fz_nlsock *s, const struct nlmsghdr *nlh, struct fz_error *err)
{
	const struct nlmsgerr *ack = mnl_nlmsg_get_payload(nlh);
	const char *start, *end = (const char *)nlh + nlh->nlmsg_len, *text = NULL;

	if (nlh->nlmsg_len < mnl_nlmsg_size(sizeof(*ack)))
		return fz_error_set(err, -EBADMSG, "the kernel's answer is cut short");
	start = (const char *)(ack + 1);
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && ack->error)
		start += MNL_ALIGN(ack->msg.nlmsg_len) - MNL_NLMSG_HDRLEN;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS && start < end)
		read_extack(s, start, end, &text);
	return refused(ack->error, text, err);
}

static int read_done(struct fz_nlsock *s, const struct nlmsghdr *nlh, struct fz_error *err)
{
	const char *payload = mnl_nlmsg_get_payload(nlh), *text = NULL;
	int code = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
		memcpy(&code, payload, sizeof(code));
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		read_extack(s, payload + MNL_ALIGN(sizeof(code)), (const char *)nlh + nlh->nlmsg_len, &text);
	return refused(code < 0 ? code : 0, text, err);
}

/* All messages of one read. Returns 1 when the answer is complete, 0 to go on. */
static int read_answers(struct fz_nlsock *s, int len, fz_nlsock_fn fn, void *arg, int *ret,
			struct fz_error *err)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)s->rx;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_seq != s->seq || nlh->nlmsg_pid != s->portid) {
			if (s->stray)
				s->stray(nlh, s->stray_arg);
			continue;
		}
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			s->interrupted = true;
		switch (nlh->nlmsg_type) {
		case NLMSG_ERROR:
			*ret = read_ack(s, nlh, err);
			return 1;
		case NLMSG_DONE:
			*ret = *ret ? *ret : read_done(s, nlh, err);
			return 1;
		case NLMSG_NOOP:
			break;
		default:
			/* After a failure the rest is read, and dropped. */
			if (fn && !*ret)
				*ret = fn(nlh, arg, err);
		}
	}
	return 0;
}

/**
 * fz_nlsock_talk - send a request and read the answer to its end
 * @s: the socket
 * @nlh: from fz_nlsock_begin(), with NLM_F_ACK or NLM_F_DUMP
 * @fn: gets every message of the answer; NULL if only success counts
 * @arg: for @fn
 * @err: why not
 *
 * Waits for the kernel. What is no answer goes to @s->stray.
 *
 * Return: 0, what @fn returned, or what the kernel did.
 */
int fz_nlsock_talk(struct fz_nlsock *s, struct nlmsghdr *nlh, fz_nlsock_fn fn, void *arg,
		   struct fz_error *err)
{
	int ret = 0;
	ssize_t len;

	if (!++s->seq)
		s->seq = 1;
	nlh->nlmsg_seq = s->seq;
	s->err_offset = 0;
	s->interrupted = false;
	if (mnl_socket_sendto(s->sock, nlh, nlh->nlmsg_len) < 0)
		return fz_error_set(err, -errno, "cannot ask the kernel: %s", strerror(errno));
	for (;;) {
		len = mnl_socket_recvfrom(s->sock, s->rx, FZ_RX_SIZE);
		if (len < 0 && errno == EINTR)
			continue;
		/* Events overflowed; answers to requests are not lost that way. */
		if (len < 0 && errno == ENOBUFS && s->stray) {
			s->stray(NULL, s->stray_arg);
			continue;
		}
		if (len < 0)
			return fz_error_set(err, -errno, "no answer from the kernel: %s", strerror(errno));
		if (read_answers(s, (int)len, fn, arg, &ret, err))
			return ret;
	}
}
