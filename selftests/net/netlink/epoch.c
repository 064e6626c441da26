// SPDX-License-Identifier: GPL-2.0-only
/* Epochs: a policy is replaced at once, by one socket, or not at all. */

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

static struct answer simple(struct mnl_socket *sock, enum fz_cmd cmd)
{
	return do_request(sock, policy_request(cmd));
}

/* 10.0.NUMBER.0/24, everything in it, and a grant for anyone. */
static bool add(struct mnl_socket *sock, const char *name, uint8_t number)
{
	const uint8_t addr[4] = { 10, 0, number, 0 };
	struct message *m = policy_request(FZ_CMD_NEW_RESOURCE);
	struct nlattr *resource = nest(m, FZ_POLICY_A_RESOURCE);
	struct nlattr *prefix;
	struct nlattr *grant;

	put_string(m, FZ_RESOURCE_A_NAME, name);
	prefix = nest(m, FZ_RESOURCE_A_PREFIX);
	put_bytes(m, FZ_PREFIX_A_ADDR, addr, sizeof(addr));
	put_u8(m, FZ_PREFIX_A_LEN, 24);
	end(m, prefix);
	end(m, resource);
	EXPECT_OK(do_request(sock, m));
	m = policy_request(FZ_CMD_NEW_GRANT);
	grant = nest(m, FZ_POLICY_A_GRANT);
	put_string(m, FZ_GRANT_A_RESOURCE, name);
	end(m, grant);
	EXPECT_OK(do_request(sock, m));
	return true;
}

static void add_name(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;
	const struct nlattr *inner;
	char *names = arg;

	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) != FZ_POLICY_A_GRANT)
			continue;
		mnl_attr_for_each_nested(inner, attr) {
			if (mnl_attr_get_type(inner) == FZ_GRANT_A_RESOURCE)
				strcat(names, mnl_attr_get_str(inner));
		}
	}
}

/* Whether the resources that grants name are these, in any order; names are one letter. */
static bool policy_is(struct mnl_socket *sock, const char *letters)
{
	char names[64] = "";

	if (dump(sock, policy_request(FZ_CMD_GET_GRANT), add_name, names).error)
		errx(1, "cannot read the policy");
	return strlen(names) == strlen(letters) && strspn(names, letters) == strlen(letters);
}

static bool commit_replaces(struct mnl_socket *sock)
{
	struct mnl_socket *other = sock_open();

	EXPECT(add(sock, "a", 1) && add(sock, "b", 2));
	EXPECT_OK(simple(sock, FZ_CMD_BEGIN_EPOCH));
	EXPECT(add(sock, "b", 2) && add(sock, "c", 3));
	EXPECT(policy_is(other, "ab"));
	EXPECT_OK(simple(sock, FZ_CMD_COMMIT_EPOCH));
	EXPECT(policy_is(other, "bc"));
	mnl_socket_close(other);
	return true;
}

static bool abort_changes_nothing(struct mnl_socket *sock)
{
	EXPECT(add(sock, "a", 1));
	EXPECT_OK(simple(sock, FZ_CMD_BEGIN_EPOCH));
	EXPECT(add(sock, "b", 2));
	EXPECT_OK(simple(sock, FZ_CMD_ABORT_EPOCH));
	EXPECT(policy_is(sock, "a"));
	return true;
}

static bool one_at_a_time(struct mnl_socket *sock)
{
	struct mnl_socket *other = sock_open();

	EXPECT_REFUSED(simple(sock, FZ_CMD_COMMIT_EPOCH), ENOENT,
		       "this socket has no epoch open on this device");
	EXPECT_OK(simple(sock, FZ_CMD_BEGIN_EPOCH));
	EXPECT_REFUSED(simple(other, FZ_CMD_BEGIN_EPOCH), EBUSY,
		       "another process has an epoch open on this device");
	EXPECT(simple(other, FZ_CMD_COMMIT_EPOCH).error == ENOENT);
	EXPECT(simple(other, FZ_CMD_ABORT_EPOCH).error == ENOENT);
	/* What others change meanwhile is in force at once, and gone with the commit. */
	EXPECT(add(other, "a", 1));
	EXPECT(policy_is(sock, "a"));
	EXPECT_OK(simple(sock, FZ_CMD_COMMIT_EPOCH));
	EXPECT(policy_is(sock, ""));
	mnl_socket_close(other);
	return true;
}

/* The socket's end is the epoch's: at once, for close() waits for it. */
static bool closing_aborts(struct mnl_socket *sock)
{
	struct mnl_socket *other = sock_open();

	EXPECT(add(sock, "a", 1));
	EXPECT_OK(simple(other, FZ_CMD_BEGIN_EPOCH));
	EXPECT(add(other, "b", 2));
	mnl_socket_close(other);
	EXPECT(policy_is(sock, "a"));
	EXPECT_OK(simple(sock, FZ_CMD_BEGIN_EPOCH));
	return true;
}

const struct test epoch_tests[] = {
	{ "commit puts in force what was restated, and nothing else", commit_replaces },
	{ "abort changes nothing", abort_changes_nothing },
	{ "one epoch at a time", one_at_a_time },
	{ "closing the socket aborts its epoch", closing_aborts },
	{}
};
