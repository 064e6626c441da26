// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation that the kernel makes for a request fails once, in turn. The request is refused
 * or done, the next one works, and nothing is left behind: that is seen by kmemleak.
 */

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "message.h"

#define FAIL_NTH "/proc/thread-self/fail-nth"
#define ALLOCATIONS_MAX 20000
#define LINK "fault"

/**
 * struct trial - what is tried with each allocation failing
 * @bus: netlink protocol
 * @make: the request, another one for each number
 * @flags: of the request
 * @undo: makes what takes the effects away, if there may be any that stand in the way; or NULL
 */
struct trial {
	int bus;
	struct message *(*make)(unsigned int number);
	int flags;
	struct message *(*undo)(unsigned int number);
};

bool faults_possible(void)
{
	return !access(FAIL_NTH, W_OK);
}

static int fail_file(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", FAIL_NTH);
	return fd;
}

static void fail_allocation(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(fail_file(), text, len, 0) != len)
		err(1, "%s", FAIL_NTH);
}

/* Whether the allocation that was to fail was never made; none fails any more. */
static bool allocation_left(void)
{
	char text[16] = "";

	if (pread(fail_file(), text, sizeof(text) - 1, 0) < 0)
		err(1, "%s", FAIL_NTH);
	fail_allocation(0);
	return atoi(text);
}

static struct mnl_socket *open_bus(int bus)
{
	struct mnl_socket *sock = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID))
		err(1, "netlink socket");
	return sock;
}

/* Whatever was answered, and all of a dump. */
static void drain(struct mnl_socket *sock)
{
	char bytes[32768];
	unsigned int tries = 0;

	while (recv(mnl_socket_get_fd(sock), bytes, sizeof(bytes), MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && ++tries < 100))
		;
}

static struct answer request_on(int bus, struct message *m)
{
	struct mnl_socket *sock = open_bus(bus);
	struct answer answer = do_request(sock, m);

	mnl_socket_close(sock);
	return answer;
}

/* Sockets of their own: one that is closed amid a dump is a case too. */
static bool survives(const struct trial *trial)
{
	unsigned int nth = 0;
	bool left;

	do {
		struct mnl_socket *sock = open_bus(trial->bus);
		struct message *m = trial->make(++nth);
		int error;

		fail_allocation(nth);
		error = try_request(sock, m, trial->flags);
		if (!error && trial->flags & NLM_F_DUMP)
			drain(sock);
		left = allocation_left();
		if (left && !(trial->flags & NLM_F_DUMP)) {
			EXPECT(!error);
			EXPECT(!read_answer(sock, NULL, NULL).error);
		}
		mnl_socket_close(sock);
		if (trial->undo)
			request_on(trial->bus, trial->undo(nth));
	} while (!left && nth < ALLOCATIONS_MAX);
	EXPECT(left);
	EXPECT(nth > 1);
	printf("# %u allocations\n", nth - 1);
	return true;
}

static struct message *link_message(int type, const char *name, unsigned int up)
{
	struct message *m = calloc(1, sizeof(*m));
	struct ifinfomsg *info;

	if (!m)
		err(1, "calloc");
	m->nlh = mnl_nlmsg_put_header(m->bytes);
	m->nlh->nlmsg_type = type;
	info = mnl_nlmsg_put_extra_header(m->nlh, sizeof(*info));
	info->ifi_flags = up;
	info->ifi_change = IFF_UP;
	put_string(m, IFLA_IFNAME, name);
	return m;
}

static struct message *new_link(unsigned int number)
{
	struct message *m = link_message(RTM_NEWLINK, LINK, 0);
	struct nlattr *info = nest(m, IFLA_LINKINFO);

	(void)number;
	put_string(m, IFLA_INFO_KIND, "fz");
	end(m, info);
	return m;
}

static struct message *del_link(unsigned int number)
{
	(void)number;
	return link_message(RTM_DELLINK, LINK, 0);
}

static struct message *link_up(unsigned int number)
{
	(void)number;
	return link_message(RTM_NEWLINK, DEV, IFF_UP);
}

static struct message *link_down(unsigned int number)
{
	(void)number;
	return link_message(RTM_NEWLINK, DEV, 0);
}

static bool links(struct mnl_socket *sock)
{
	static const struct trial create = {
		NETLINK_ROUTE, new_link, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, del_link
	};
	static const struct trial up = { NETLINK_ROUTE, link_up, NLM_F_ACK, link_down };

	(void)sock;
	EXPECT(!request_on(NETLINK_ROUTE, link_down(0)).error);
	return survives(&create) && survives(&up);
}

/* Two peers that nobody had before. */
static struct message *new_peers(unsigned int number)
{
	const struct sockaddr_in endpoint = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct message *m = set_device();
	struct nlattr *peers = nest(m, FZ_DEVICE_A_PEERS);

	for (unsigned int i = 0; i < 2; i++) {
		struct nlattr *one = put_peer(m, 2 * number + i);
		struct nlattr *ips;

		put_bytes(m, FZ_PEER_A_ENDPOINT, &endpoint, sizeof(endpoint));
		put_u16(m, FZ_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL, 25);
		ips = nest(m, FZ_PEER_A_ALLOWEDIPS);
		put_allowedip(m, i ? "10.9.0.0" : "10.9.1.0", 24, 0);
		put_allowedip(m, i ? "fd09::" : "fd09:1::", 32, 0);
		end(m, ips);
		end(m, one);
	}
	end(m, peers);
	return m;
}

static struct message *get_device(unsigned int number)
{
	struct message *m = request(FZ_CMD_GET_DEVICE);

	(void)number;
	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	return m;
}

static bool peers(struct mnl_socket *sock)
{
	static const struct trial set = { NETLINK_GENERIC, new_peers, NLM_F_ACK, NULL };
	static const struct trial get = { NETLINK_GENERIC, get_device, NLM_F_DUMP, NULL };

	if (!survives(&set) || !survives(&get))
		return false;
	EXPECT_OK(do_request(sock, new_peers(0)));
	return true;
}

static struct message *new_resource(unsigned int number)
{
	struct message *m = policy_request(FZ_CMD_NEW_RESOURCE);
	char name[16];

	snprintf(name, sizeof(name), "r%u", number);
	put_resource(m, name, number);
	return m;
}

static struct message *grant_message(enum fz_cmd cmd)
{
	struct message *m = policy_request(cmd);

	put_grant(m, 0, "r0");
	return m;
}

static struct message *new_grant(unsigned int number)
{
	(void)number;
	return grant_message(FZ_CMD_NEW_GRANT);
}

static struct message *del_grant(unsigned int number)
{
	(void)number;
	return grant_message(FZ_CMD_DEL_GRANT);
}

static struct message *get_resources(unsigned int number)
{
	(void)number;
	return policy_request(FZ_CMD_GET_RESOURCE);
}

static struct message *get_grants(unsigned int number)
{
	(void)number;
	return policy_request(FZ_CMD_GET_GRANT);
}

static bool policy(struct mnl_socket *sock)
{
	static const struct trial trials[] = {
		{ NETLINK_GENERIC, new_resource, NLM_F_ACK, NULL },
		{ NETLINK_GENERIC, new_grant, NLM_F_ACK, del_grant },
		{ NETLINK_GENERIC, get_resources, NLM_F_DUMP, NULL },
		{ NETLINK_GENERIC, get_grants, NLM_F_DUMP, NULL },
	};

	EXPECT_OK(do_request(sock, new_resource(0)));
	for (size_t i = 0; i < sizeof(trials) / sizeof(*trials); i++) {
		if (!survives(&trials[i]))
			return false;
	}
	EXPECT_OK(do_request(sock, new_grant(0)));
	return true;
}

/* From the system call through the stack into the queue, each time a new flow. */
static bool sending(struct mnl_socket *sock)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.9.0.2"),
	};
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned int nth = 0;
	bool left, sent;

	EXPECT_OK(do_request(sock, new_peers(1)));
	if (system("ip address add 10.9.0.1/24 dev " DEV " && fzctl resource add " DEV " all 0.0.0.0/0 && "
		   "fzctl grant add " DEV " any resource all out"))
		errx(1, "cannot prepare to send");
	EXPECT(udp >= 0);
	do {
		to.sin_port = htons(++nth);
		fail_allocation(nth);
		sent = sendto(udp, "fault", 5, 0, (struct sockaddr *)&to, sizeof(to)) == 5;
		left = allocation_left();
	} while (!left && nth < ALLOCATIONS_MAX);
	close(udp);
	EXPECT(left && sent);
	EXPECT(nth > 1);
	printf("# %u allocations\n", nth - 1);
	return true;
}

const struct test fault_tests[] = {
	{ "a link is created and brought up with no memory", links },
	{ "peers are set and told with no memory", peers },
	{ "policy is set and told with no memory", policy },
	{ "packets are sent with no memory", sending },
	{ NULL, NULL }
};
