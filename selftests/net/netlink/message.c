// SPDX-License-Identifier: GPL-2.0-only
#include <err.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "message.h"

#define TIMEOUT_MS 5000

static int family_id;
static struct {
	char name[GENL_NAMSIZ];
	uint32_t id;
} groups[8];

bool failed(const char *file, int line, const char *what)
{
	printf("# %s:%d: expected %s\n", file, line, what);
	return false;
}

bool expect_answer(const char *file, int line, struct answer answer, int error,
		   const char *sentence)
{
	if (answer.error == error && (!sentence || !strcmp(answer.sentence, sentence)))
		return true;
	printf("# %s:%d: expected %s \"%s\", got %s \"%s\"\n", file, line, strerror(error),
	       sentence ? sentence : "(any)", strerror(answer.error), answer.sentence);
	return false;
}

static struct message *begin(uint16_t type, uint8_t cmd, uint8_t version)
{
	struct message *m = malloc(sizeof(*m));
	struct genlmsghdr *genl;

	if (!m)
		err(1, "malloc");
	memset(m->bytes, 0, 64);
	m->nlh = mnl_nlmsg_put_header(m->bytes);
	m->nlh->nlmsg_type = type;
	genl = mnl_nlmsg_put_extra_header(m->nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
	return m;
}

struct message *request(enum fz_cmd cmd)
{
	return begin(family_id, cmd, FZ_GENL_VERSION);
}

static void fits(bool put)
{
	if (!put)
		errx(1, "a test's message is too long");
}

void put_bytes(struct message *m, int type, const void *data, size_t len)
{
	fits(mnl_attr_put_check(m->nlh, MESSAGE_MAX, type, len, data));
}

void put_u8(struct message *m, int type, uint8_t value)
{
	put_bytes(m, type, &value, sizeof(value));
}

void put_u16(struct message *m, int type, uint16_t value)
{
	put_bytes(m, type, &value, sizeof(value));
}

void put_u32(struct message *m, int type, uint32_t value)
{
	put_bytes(m, type, &value, sizeof(value));
}

void put_u64(struct message *m, int type, uint64_t value)
{
	put_bytes(m, type, &value, sizeof(value));
}

void put_string(struct message *m, int type, const char *value)
{
	put_bytes(m, type, value, strlen(value) + 1);
}

struct nlattr *nest(struct message *m, int type)
{
	struct nlattr *attr = mnl_attr_nest_start_check(m->nlh, MESSAGE_MAX, type);

	fits(attr);
	return attr;
}

void end(struct message *m, struct nlattr *attr)
{
	mnl_attr_nest_end(m->nlh, attr);
}

uint32_t offset_of(const struct message *m, const struct nlattr *attr)
{
	return (const char *)attr - m->bytes;
}

int command_of(const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	return nlh->nlmsg_type == family_id ? genl->cmd : -1;
}

void key_of(uint8_t key[FZ_KEY_LEN], unsigned int number)
{
	memset(key, 0, FZ_KEY_LEN);
	key[0] = 9;
	memcpy(key + 8, &number, sizeof(number));
}

int try_request(struct mnl_socket *sock, struct message *m, int flags)
{
	static unsigned int seq;
	int error = 0;

	m->nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	m->nlh->nlmsg_seq = ++seq;
	if (mnl_socket_sendto(sock, m->nlh, m->nlh->nlmsg_len) < 0)
		error = errno;
	free(m);
	return error;
}

void send_request(struct mnl_socket *sock, struct message *m, int flags)
{
	errno = try_request(sock, m, flags);
	if (errno)
		err(1, "send");
}

/* The sentence and the attribute that come after the header, and the request's copy, of an ACK. */
static void read_extack(const struct nlmsghdr *nlh, struct answer *answer)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*error);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += error->msg.nlmsg_len - sizeof(struct nlmsghdr);
	mnl_attr_for_each(attr, nlh, skip) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(answer->sentence, sizeof(answer->sentence), "%s",
				 mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS)
			answer->offset = mnl_attr_get_u32(attr);
	}
}

/* The end of a dump: an int, then perhaps the sentence. */
static void read_done(const struct nlmsghdr *nlh, struct answer *answer)
{
	const struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(int))
		return;
	answer->error = -*(int *)mnl_nlmsg_get_payload(nlh);
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	mnl_attr_for_each(attr, nlh, sizeof(int)) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(answer->sentence, sizeof(answer->sentence), "%s",
				 mnl_attr_get_str(attr));
	}
}

static ssize_t receive(struct mnl_socket *sock, char *bytes, size_t size)
{
	struct pollfd pfd = { .fd = mnl_socket_get_fd(sock), .events = POLLIN };
	ssize_t len;

	if (poll(&pfd, 1, TIMEOUT_MS) != 1)
		return -1;
	len = mnl_socket_recvfrom(sock, bytes, size);
	if (len < 0)
		err(1, "receive");
	return len;
}

struct answer read_answer(struct mnl_socket *sock, message_fn fn, void *arg)
{
	static _Alignas(struct nlmsghdr) char bytes[MESSAGE_MAX];
	struct answer answer = {};

	for (;;) {
		int len = receive(sock, bytes, sizeof(bytes));
		const struct nlmsghdr *nlh = (const void *)bytes;

		if (len < 0)
			errx(1, "the kernel did not answer");
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			answer.interrupted |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				answer.error = -((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
				read_extack(nlh, &answer);
				return answer;
			}
			if (nlh->nlmsg_type == NLMSG_DONE) {
				read_done(nlh, &answer);
				return answer;
			}
			answer.messages++;
			if (fn)
				fn(nlh, arg);
		}
	}
}

struct answer do_request(struct mnl_socket *sock, struct message *m)
{
	send_request(sock, m, NLM_F_ACK);
	return read_answer(sock, NULL, NULL);
}

struct answer dump(struct mnl_socket *sock, struct message *m, message_fn fn, void *arg)
{
	send_request(sock, m, NLM_F_DUMP);
	return read_answer(sock, fn, arg);
}

bool read_event(struct mnl_socket *sock, int cmd, message_fn fn, void *arg)
{
	static _Alignas(struct nlmsghdr) char bytes[MESSAGE_MAX];

	for (;;) {
		int len = receive(sock, bytes, sizeof(bytes));
		const struct nlmsghdr *nlh = (const void *)bytes;

		if (len < 0)
			return false;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			if (command_of(nlh) == cmd) {
				fn(nlh, arg);
				return true;
			}
		}
	}
}

static void read_group(const struct nlattr *group, unsigned int i)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, group) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME)
			snprintf(groups[i].name, sizeof(groups[i].name), "%s",
				 mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
			groups[i].id = mnl_attr_get_u32(attr);
	}
}

static void read_family(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;
	const struct nlattr *group;
	unsigned int i = 0;

	(void)arg;
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			family_id = mnl_attr_get_u16(attr);
		if (mnl_attr_get_type(attr) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		mnl_attr_for_each_nested(group, attr) {
			if (i < sizeof(groups) / sizeof(*groups))
				read_group(group, i++);
		}
	}
}

struct mnl_socket *sock_open(void)
{
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	struct message *m;
	int one = 1;

	if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_setsockopt(sock, NETLINK_EXT_ACK, &one, sizeof(one)))
		err(1, "netlink socket");
	if (family_id)
		return sock;
	m = begin(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	put_string(m, CTRL_ATTR_FAMILY_NAME, FZ_GENL_NAME);
	send_request(sock, m, NLM_F_ACK);
	if (read_answer(sock, read_family, NULL).error || !family_id)
		errx(1, "the kernel has no netlink family \"" FZ_GENL_NAME "\"");
	return sock;
}

int sock_try_join(struct mnl_socket *sock, const char *group)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		if (!strcmp(groups[i].name, group))
			return mnl_socket_setsockopt(sock, NETLINK_ADD_MEMBERSHIP, &groups[i].id,
						     sizeof(int)) ? errno : 0;
	}
	errx(1, "the family has no group \"%s\"", group);
}

void sock_join(struct mnl_socket *sock, const char *group)
{
	errno = sock_try_join(sock, group);
	if (errno)
		err(1, "joining %s", group);
}

static void add_hex(const struct nlmsghdr *nlh, void *arg)
{
	const unsigned char *bytes = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	char **text = arg;
	size_t old = strlen(*text);
	char *more = realloc(*text, old + 2 * len + 1);

	if (!more)
		err(1, "realloc");
	*text = more;
	for (size_t i = 0; i < len; i++)
		sprintf(more + old + 2 * i, "%02x", bytes[i]);
}

char *snapshot(struct mnl_socket *sock)
{
	static const enum fz_cmd all[] = { FZ_CMD_GET_DEVICE, FZ_CMD_GET_RESOURCE,
					   FZ_CMD_GET_GRANT };
	char *text = strdup("");

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct message *m = request(all[i]);

		put_string(m, FZ_DEVICE_A_IFNAME, DEV);
		if (dump(sock, m, add_hex, &text).error)
			errx(1, "cannot read the device's state");
	}
	return text;
}
