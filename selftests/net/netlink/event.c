// SPDX-License-Identifier: GPL-2.0-only
/* Roles, verdicts, sideband, groups. */

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "message.h"

static struct message *with_device(enum fz_cmd cmd)
{
	struct message *m = request(cmd);

	put_string(m, FZ_SIDEBAND_A_IFNAME, DEV);
	return m;
}

static struct answer take_roles(struct mnl_socket *sock, uint32_t roles)
{
	struct message *m = with_device(FZ_CMD_REGISTER);

	put_u32(m, FZ_SIDEBAND_A_ROLES, roles);
	return do_request(sock, m);
}

static bool roles(struct mnl_socket *sock)
{
	static const char taken[] = "another process has this role on the device";
	struct mnl_socket *other = sock_open();

	EXPECT_REFUSED(do_request(sock, with_device(FZ_CMD_REGISTER)), EINVAL,
		       "register needs roles; 0 gives all back");
	EXPECT_OK(take_roles(sock, FZ_ROLE_REQUESTS));
	EXPECT_OK(take_roles(sock, FZ_ROLE_REQUESTS));
	EXPECT_REFUSED(take_roles(other, FZ_ROLE_REQUESTS), EBUSY, taken);
	/* All or none: the free role is not given when the other is taken. */
	EXPECT_REFUSED(take_roles(other, FZ_ROLE_REQUESTS | FZ_ROLE_SIDEBAND), EBUSY, taken);
	EXPECT_OK(take_roles(sock, FZ_ROLE_REQUESTS | FZ_ROLE_SIDEBAND));
	EXPECT_OK(take_roles(sock, FZ_ROLE_SIDEBAND));
	EXPECT_OK(take_roles(other, FZ_ROLE_REQUESTS));
	EXPECT_REFUSED(take_roles(other, FZ_ROLE_SIDEBAND), EBUSY, taken);
	mnl_socket_close(other);
	EXPECT_OK(take_roles(sock, FZ_ROLE_REQUESTS | FZ_ROLE_SIDEBAND));
	EXPECT_OK(take_roles(sock, 0));
	return true;
}

static struct message *verdict(int value)
{
	struct message *m = with_device(FZ_CMD_VERDICT);

	put_u64(m, FZ_DECISION_A_ID, 12345);
	put_u8(m, FZ_DECISION_A_VERDICT, value);
	return m;
}

static bool wrong_verdicts(struct mnl_socket *sock)
{
	struct message *m = with_device(FZ_CMD_VERDICT);
	struct answer answer;
	struct nlattr *grant;

	EXPECT_REFUSED(do_request(sock, m), EINVAL,
		       "a verdict needs the request's number and a verdict");
	EXPECT_REFUSED(do_request(sock, verdict(FZ_VERDICT_ASK)), EINVAL,
		       "a verdict is pass or refuse");
	m = verdict(FZ_VERDICT_PASS);
	put_u32(m, FZ_DECISION_A_TTL_MS, 1000);
	EXPECT_REFUSED(do_request(sock, m), EINVAL,
		       "this goes with a refusal alone; a grant has its own");
	m = verdict(FZ_VERDICT_REFUSE);
	grant = nest(m, FZ_DECISION_A_GRANT);
	put_string(m, FZ_GRANT_A_RESOURCE, "web");
	end(m, grant);
	EXPECT_REFUSED(do_request(sock, m), EINVAL, "a refusal brings no grant");
	answer = do_request(sock, verdict(FZ_VERDICT_REFUSE));
	EXPECT(answer.error == ENOENT && *answer.sentence);
	return true;
}

/**
 * struct question - a request event
 * @id: its number
 */
struct question {
	uint64_t id;
};

static void read_question(const struct nlmsghdr *nlh, void *arg)
{
	struct question *question = arg;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_DECISION_A_ID)
			question->id = mnl_attr_get_u64(attr);
	}
}

/* Peer @number has 10.7.0.2, and 192.0.2.1 as its endpoint. */
static struct message *route_to(unsigned int number)
{
	static const uint8_t addr[4] = { 10, 7, 0, 2 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct message *m = request(FZ_CMD_SET_DEVICE);
	struct nlattr *nests[4];
	uint8_t key[FZ_KEY_LEN];

	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	nests[0] = nest(m, FZ_DEVICE_A_PEERS);
	nests[1] = nest(m, 0);
	key_of(key, number);
	put_bytes(m, FZ_PEER_A_PUBLIC_KEY, key, sizeof(key));
	to.sin_addr.s_addr = htonl(0xc0000201);
	put_bytes(m, FZ_PEER_A_ENDPOINT, &to, sizeof(to));
	nests[2] = nest(m, FZ_PEER_A_ALLOWEDIPS);
	nests[3] = nest(m, 0);
	put_u16(m, FZ_ALLOWEDIP_A_FAMILY, AF_INET);
	put_bytes(m, FZ_ALLOWEDIP_A_IPADDR, addr, sizeof(addr));
	put_u8(m, FZ_ALLOWEDIP_A_CIDR_MASK, 32);
	for (int i = 3; i >= 0; i--)
		end(m, nests[i]);
	return m;
}

static struct message *ask_about_all(void)
{
	struct message *m = request(FZ_CMD_SET_DEVICE);
	struct nlattr *mode;

	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	mode = nest(m, FZ_DEVICE_A_MODE);
	put_u8(m, FZ_MODE_A_DIRECTION, FZ_DIR_OUT);
	put_u8(m, FZ_MODE_A_MODE, FZ_MODE_ENFORCE);
	put_u32(m, FZ_MODE_A_FLAGS, FZ_MODE_F_ASK);
	end(m, mode);
	return m;
}

/* Peer @number may be sent all. */
static void put_grant_of_all(struct message *m, int type, unsigned int number)
{
	struct nlattr *grant = nest(m, type);
	uint8_t key[FZ_KEY_LEN];

	key_of(key, number);
	put_bytes(m, FZ_GRANT_A_PEER, key, sizeof(key));
	put_string(m, FZ_GRANT_A_RESOURCE, "all");
	put_u8(m, FZ_GRANT_A_DIRECTION, FZ_DIR_OUT);
	end(m, grant);
}

static struct message *pass_to(unsigned int number, uint64_t id)
{
	struct message *m = with_device(FZ_CMD_VERDICT);

	put_u64(m, FZ_DECISION_A_ID, id);
	put_u8(m, FZ_DECISION_A_VERDICT, FZ_VERDICT_PASS);
	put_grant_of_all(m, FZ_DECISION_A_GRANT, number);
	return m;
}

static struct message *resource_of_all(void)
{
	static const uint8_t addr[4];
	struct message *m = request(FZ_CMD_NEW_RESOURCE);
	struct nlattr *outer;
	struct nlattr *inner;

	put_string(m, FZ_POLICY_A_IFNAME, DEV);
	outer = nest(m, FZ_POLICY_A_RESOURCE);
	put_string(m, FZ_RESOURCE_A_NAME, "all");
	inner = nest(m, FZ_RESOURCE_A_PREFIX);
	put_bytes(m, FZ_PREFIX_A_ADDR, addr, sizeof(addr));
	put_u8(m, FZ_PREFIX_A_LEN, 0);
	end(m, inner);
	end(m, outer);
	return m;
}

/**
 * struct refusals - packets refused on the way out
 * @by_reason: of enum fz_reason
 */
struct refusals {
	uint64_t by_reason[FZ_REASON_MAX + 1];
};

static void read_refusals(const struct nlmsghdr *nlh, void *arg)
{
	struct refusals *refusals = arg;
	const struct nlattr *attr;
	const struct nlattr *inner;

	mnl_attr_for_each(attr, nlh, 4) {
		uint64_t packets = 0;
		unsigned int reason = 0;
		bool out = false;

		if (mnl_attr_get_type(attr) != FZ_STATS_A_REFUSED)
			continue;
		mnl_attr_for_each_nested(inner, attr) {
			if (mnl_attr_get_type(inner) == FZ_REASON_COUNT_A_REASON)
				reason = mnl_attr_get_u8(inner);
			else if (mnl_attr_get_type(inner) == FZ_REASON_COUNT_A_DIRECTION)
				out = mnl_attr_get_u8(inner) == FZ_DIR_OUT;
			else if (mnl_attr_get_type(inner) == FZ_REASON_COUNT_A_PACKETS)
				packets = mnl_attr_get_u64(inner);
		}
		if (out && reason <= FZ_REASON_MAX)
			refusals->by_reason[reason] = packets;
	}
}

static struct refusals refusals(struct mnl_socket *sock)
{
	struct message *m = request(FZ_CMD_GET_STATS);
	struct refusals all = {};

	put_string(m, FZ_STATS_A_IFNAME, DEV);
	send_request(sock, m, NLM_F_ACK);
	if (read_answer(sock, read_refusals, &all).error)
		errx(1, "cannot read the counters");
	return all;
}

/* Sends a datagram by the device, and reads the question about it. */
static bool hold_one(struct mnl_socket *own, uint16_t port, struct question *question)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(0x0a070002);
	EXPECT(sendto(fd, "?", 1, 0, (void *)&to, sizeof(to)) == 1);
	EXPECT(read_event(own, FZ_CMD_REQUEST, read_question, question));
	close(fd);
	return true;
}

/* What waited for a verdict goes by what is true then: the route, and whether the device is up. */
static bool held_packets(struct mnl_socket *sock)
{
	struct mnl_socket *own = sock_open();
	struct question question = {};
	struct message *m;

	EXPECT_OK(do_request(sock, ask_about_all()));
	EXPECT_OK(do_request(sock, resource_of_all()));
	EXPECT_OK(do_request(sock, route_to(1)));
	EXPECT(!system("ip addr add 10.7.0.1/24 dev " DEV));
	EXPECT_OK(take_roles(own, FZ_ROLE_REQUESTS));

	EXPECT(hold_one(own, 1, &question));
	EXPECT_OK(do_request(sock, pass_to(1, question.id)));
	EXPECT(!refusals(sock).by_reason[FZ_REASON_SOURCE]);
	m = request(FZ_CMD_DEL_GRANT);
	put_string(m, FZ_POLICY_A_IFNAME, DEV);
	put_grant_of_all(m, FZ_POLICY_A_GRANT, 1);
	EXPECT_OK(do_request(sock, m));

	EXPECT(hold_one(own, 2, &question));
	EXPECT_OK(do_request(sock, route_to(2)));
	EXPECT_OK(do_request(sock, pass_to(1, question.id)));
	EXPECT(refusals(sock).by_reason[FZ_REASON_SOURCE] == 1);

	EXPECT(hold_one(own, 3, &question));
	EXPECT(!system("ip link set " DEV " down"));
	EXPECT_OK(do_request(sock, pass_to(2, question.id)));
	EXPECT(refusals(sock).by_reason[FZ_REASON_SOURCE] == 1);
	EXPECT(refusals(sock).by_reason[FZ_REASON_TIMEOUT] == 1);
	mnl_socket_close(own);
	return true;
}

static uint16_t bound(int fd)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (void *)&addr, sizeof(addr)) || getsockname(fd, (void *)&addr, &len))
		return 0;
	return ntohs(addr.sin_port);
}

static struct message *datagram(uint16_t port, const void *data, size_t len)
{
	struct message *m = with_device(FZ_CMD_SEND_SIDEBAND);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	put_bytes(m, FZ_SIDEBAND_A_ENDPOINT, &to, sizeof(to));
	put_bytes(m, FZ_SIDEBAND_A_DATA, data, len);
	return m;
}

/**
 * struct heard - a sideband event
 * @data: the datagram
 * @port: where it came from
 */
struct heard {
	char data[64];
	uint16_t port;
};

static void hear(const struct nlmsghdr *nlh, void *arg)
{
	struct heard *heard = arg;
	const struct sockaddr_in *from;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_SIDEBAND_A_ENDPOINT) {
			from = mnl_attr_get_payload(attr);
			heard->port = ntohs(from->sin_port);
		} else if (mnl_attr_get_type(attr) == FZ_SIDEBAND_A_DATA) {
			memcpy(heard->data, mnl_attr_get_payload(attr),
			       mnl_attr_get_payload_len(attr));
		}
	}
}

static uint64_t dropped;

static void read_dropped(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;

	(void)arg;
	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_STATS_A_SIDEBAND_DROPPED)
			dropped = mnl_attr_get_u64(attr);
	}
}

static bool sideband(struct mnl_socket *sock)
{
	static const char stun[] = "\x00\x01\x00\x00\x21\x12\xa4\x42";
	static const char tunnel[] = "\x04\x00\x00\x00mine";
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(7002) };
	struct mnl_socket *own = sock_open();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct heard heard = {};
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint16_t port = bound(fd);
	struct message *m = request(FZ_CMD_SET_DEVICE);
	char big[1600] = {};

	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	put_u16(m, FZ_DEVICE_A_LISTEN_PORT, 7002);
	EXPECT_OK(do_request(sock, m));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

	EXPECT_REFUSED(do_request(sock, with_device(FZ_CMD_SEND_SIDEBAND)), EINVAL,
		       "send-sideband needs an endpoint and data");
	EXPECT_REFUSED(do_request(sock, datagram(port, tunnel, sizeof(tunnel))), EINVAL,
		       "this would be taken for a message of the tunnel");
	EXPECT_REFUSED(do_request(sock, datagram(0, stun, sizeof(stun))), EINVAL,
		       "a datagram goes to one host's address and a port");
	EXPECT(do_request(sock, datagram(port, big, sizeof(big))).error == ERANGE);
	EXPECT_OK(do_request(sock, datagram(port, stun, sizeof(stun))));
	EXPECT(poll(&pfd, 1, 5000) == 1);
	EXPECT(recvfrom(fd, heard.data, sizeof(heard.data), 0, (void *)&from, &len) ==
	       sizeof(stun));
	EXPECT(ntohs(from.sin_port) == 7002 && !memcmp(heard.data, stun, sizeof(stun)));

	EXPECT_OK(take_roles(own, FZ_ROLE_SIDEBAND));
	/* Too long for the sideband: counted, not delivered. */
	EXPECT(sendto(fd, big, sizeof(big), 0, (void *)&to, sizeof(to)) == sizeof(big));
	EXPECT(sendto(fd, stun, sizeof(stun), 0, (void *)&to, sizeof(to)) == sizeof(stun));
	memset(&heard, 0, sizeof(heard));
	EXPECT(read_event(own, FZ_CMD_SIDEBAND, hear, &heard));
	EXPECT(heard.port == port && !memcmp(heard.data, stun, sizeof(stun)));
	m = request(FZ_CMD_GET_STATS);
	put_string(m, FZ_STATS_A_IFNAME, DEV);
	send_request(sock, m, NLM_F_ACK);
	EXPECT_OK(read_answer(sock, read_dropped, NULL));
	EXPECT(dropped == 1);
	mnl_socket_close(own);
	close(fd);
	return true;
}

/* Root in the namespace that the device was moved to, and nobody in the one it was made in. */
static bool as_stranger(int fd)
{
	static const char sentence[] = "no right in the namespace that the tunnel's sockets are in";
	static const char stun[] = "\x00\x01\x00\x00\x21\x12\xa4\x42";
	struct mnl_socket *sock = sock_open();
	struct message *m;
	char byte;

	EXPECT(meet(fd));
	/* Here comes the device. */
	EXPECT(meet(fd));
	EXPECT(!system("ip link set " DEV " up"));
	EXPECT_OK(take_roles(sock, FZ_ROLE_REQUESTS));
	EXPECT_REFUSED(take_roles(sock, FZ_ROLE_SIDEBAND), EPERM, sentence);
	EXPECT_REFUSED(take_roles(sock, FZ_ROLE_REQUESTS | FZ_ROLE_SIDEBAND), EPERM, sentence);
	EXPECT_REFUSED(do_request(sock, datagram(7, stun, sizeof(stun))), EPERM, sentence);
	m = request(FZ_CMD_SET_DEVICE);
	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	put_u16(m, FZ_DEVICE_A_LISTEN_PORT, 7004);
	EXPECT_REFUSED(do_request(sock, m), EPERM, sentence);
	m = request(FZ_CMD_SET_DEVICE);
	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	put_u32(m, FZ_DEVICE_A_FWMARK, 1);
	EXPECT_REFUSED(do_request(sock, m), EPERM, sentence);
	EXPECT(meet(fd));
	/* A datagram came to the tunnel's port, and was heard where that is. */
	EXPECT(meet(fd));
	EXPECT(recv(mnl_socket_get_fd(sock), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	mnl_socket_close(sock);
	return true;
}

static bool with_stranger(struct mnl_socket *sock, int fd, pid_t stranger)
{
	static const char stun[] = "\x00\x01\x00\x00\x21\x12\xa4\x42";
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(7003) };
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct mnl_socket *own = sock_open();
	struct message *m = request(FZ_CMD_SET_DEVICE);
	struct heard heard = {};
	uint16_t port = bound(udp);
	char command[64];

	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	put_u16(m, FZ_DEVICE_A_LISTEN_PORT, 7003);
	EXPECT_OK(do_request(sock, m));
	EXPECT_OK(take_roles(own, FZ_ROLE_SIDEBAND));
	EXPECT(meet(fd));
	snprintf(command, sizeof(command), "ip link set " DEV " netns %d", stranger);
	EXPECT(!system(command));
	EXPECT(meet(fd));
	EXPECT(meet(fd));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EXPECT(sendto(udp, stun, sizeof(stun), 0, (void *)&to, sizeof(to)) == sizeof(stun));
	EXPECT(read_event(own, FZ_CMD_SIDEBAND, hear, &heard));
	EXPECT(heard.port == port && !memcmp(heard.data, stun, sizeof(stun)));
	EXPECT(meet(fd));
	mnl_socket_close(own);
	close(udp);
	return true;
}

/* Who gets the device does not get the sockets of those who made it. */
static bool moved_device(struct mnl_socket *sock)
{
	bool passed = beside_stranger(sock, with_stranger, as_stranger);

	/* It went with the namespace that it was in. */
	EXPECT(!system("ip link show " DEV " >/dev/null 2>&1 || ip link add " DEV " type fz"));
	return passed;
}

/**
 * struct change - a policy event
 * @event: what changed
 * @objects: grants or resources in it
 * @mode: the new mode, -1 if there is none
 */
struct change {
	int event;
	unsigned int objects;
	int mode;
};

static void read_change(const struct nlmsghdr *nlh, void *arg)
{
	struct change *change = arg;
	const struct nlattr *attr;
	const struct nlattr *inner;

	*change = (struct change){ .event = -1, .mode = -1 };
	mnl_attr_for_each(attr, nlh, 4) {
		switch (mnl_attr_get_type(attr)) {
		case FZ_POLICY_A_EVENT:
			change->event = mnl_attr_get_u8(attr);
			break;
		case FZ_POLICY_A_RESOURCE:
		case FZ_POLICY_A_GRANT:
			change->objects++;
			break;
		case FZ_POLICY_A_MODE:
			mnl_attr_for_each_nested(inner, attr) {
				if (mnl_attr_get_type(inner) == FZ_MODE_A_MODE)
					change->mode = mnl_attr_get_u8(inner);
			}
			break;
		}
	}
}

static bool policy_group(struct mnl_socket *sock)
{
	static const uint8_t addr[4] = { 10 };
	struct mnl_socket *own = sock_open();
	struct change change;
	struct message *m;
	struct nlattr *outer;
	struct nlattr *inner;

	sock_join(own, FZ_MCGRP_POLICY);
	m = request(FZ_CMD_NEW_RESOURCE);
	put_string(m, FZ_POLICY_A_IFNAME, DEV);
	for (int i = 0; i < 2; i++) {
		outer = nest(m, FZ_POLICY_A_RESOURCE);
		put_string(m, FZ_RESOURCE_A_NAME, i ? "web" : "mail");
		inner = nest(m, FZ_RESOURCE_A_PREFIX);
		put_bytes(m, FZ_PREFIX_A_ADDR, addr, sizeof(addr));
		put_u8(m, FZ_PREFIX_A_LEN, 8);
		end(m, inner);
		end(m, outer);
	}
	EXPECT_OK(do_request(sock, m));
	EXPECT(read_event(own, FZ_CMD_POLICY_EVENT, read_change, &change));
	EXPECT(change.event == FZ_POLICY_EVENT_RESOURCE_NEW && change.objects == 2);

	m = request(FZ_CMD_NEW_GRANT);
	put_string(m, FZ_POLICY_A_IFNAME, DEV);
	outer = nest(m, FZ_POLICY_A_GRANT);
	put_string(m, FZ_GRANT_A_RESOURCE, "web");
	end(m, outer);
	EXPECT_OK(do_request(sock, m));
	EXPECT(read_event(own, FZ_CMD_POLICY_EVENT, read_change, &change));
	EXPECT(change.event == FZ_POLICY_EVENT_GRANT_NEW && change.objects == 1);

	m = request(FZ_CMD_SET_DEVICE);
	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	outer = nest(m, FZ_DEVICE_A_MODE);
	put_u8(m, FZ_MODE_A_DIRECTION, FZ_DIR_IN);
	put_u8(m, FZ_MODE_A_MODE, FZ_MODE_OBSERVE);
	end(m, outer);
	EXPECT_OK(do_request(sock, m));
	EXPECT(read_event(own, FZ_CMD_POLICY_EVENT, read_change, &change));
	EXPECT(change.event == FZ_POLICY_EVENT_MODE && change.mode == FZ_MODE_OBSERVE);
	mnl_socket_close(own);
	return true;
}

/* More events than the rate lets through: those sent and those reported as suppressed are all. */
static void add_up(const struct nlmsghdr *nlh, void *arg)
{
	unsigned int *sum = arg;
	const struct nlattr *attr;
	bool event = false;

	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_POLICY_A_SUPPRESSED)
			*sum += mnl_attr_get_u64(attr);
		event |= mnl_attr_get_type(attr) == FZ_POLICY_A_EVENT;
	}
	*sum += event;
}

static bool suppressed_events(struct mnl_socket *sock)
{
	const unsigned int all = 8192;
	struct mnl_socket *own = sock_open();
	int size = 64 << 20;
	unsigned int sum = 0;

	sock_join(own, FZ_MCGRP_POLICY);
	EXPECT(!setsockopt(mnl_socket_get_fd(own), SOL_SOCKET, SO_RCVBUFFORCE, &size,
			   sizeof(size)));
	for (unsigned int i = 0; i < all; i++) {
		struct message *m = request(FZ_CMD_SET_DEVICE);
		struct nlattr *mode;

		put_string(m, FZ_DEVICE_A_IFNAME, DEV);
		mode = nest(m, FZ_DEVICE_A_MODE);
		put_u8(m, FZ_MODE_A_DIRECTION, FZ_DIR_IN);
		put_u8(m, FZ_MODE_A_MODE, i % 2 ? FZ_MODE_OPEN : FZ_MODE_ENFORCE);
		end(m, mode);
		EXPECT_OK(do_request(sock, m));
	}
	while (sum < all)
		EXPECT(read_event(own, FZ_CMD_POLICY_EVENT, add_up, &sum));
	EXPECT(sum == all);
	mnl_socket_close(own);
	return true;
}

const struct test event_tests[] = {
	{ "a role is one process'", roles },
	{ "wrong verdicts are refused", wrong_verdicts },
	{ "held packets go by what is true when the verdict comes", held_packets },
	{ "sideband goes out and comes in, bounded", sideband },
	{ "a moved device leaves its sockets behind", moved_device },
	{ "changes of policy are told", policy_group },
	{ "suppressed events are counted and told", suppressed_events },
	{}
};
