// SPDX-License-Identifier: GPL-2.0-only
/* get-device and set-device. */

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"

struct message *set_device(void)
{
	struct message *m = request(FZ_CMD_SET_DEVICE);

	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	return m;
}

struct nlattr *put_peer(struct message *m, unsigned int number)
{
	struct nlattr *nested = nest(m, 0);
	uint8_t key[FZ_KEY_LEN];

	key_of(key, number);
	put_bytes(m, FZ_PEER_A_PUBLIC_KEY, key, sizeof(key));
	return nested;
}

void put_allowedip(struct message *m, const char *addr, uint8_t len, uint32_t flags)
{
	struct nlattr *nested = nest(m, 0);
	uint8_t bytes[16];
	int family = strchr(addr, ':') ? AF_INET6 : AF_INET;

	inet_pton(family, addr, bytes);
	put_u16(m, FZ_ALLOWEDIP_A_FAMILY, family);
	put_bytes(m, FZ_ALLOWEDIP_A_IPADDR, bytes, family == AF_INET ? 4 : 16);
	put_u8(m, FZ_ALLOWEDIP_A_CIDR_MASK, len);
	if (flags)
		put_u32(m, FZ_ALLOWEDIP_A_FLAGS, flags);
	end(m, nested);
}

/* One peer with one allowed IP. */
static struct answer add_peer(struct mnl_socket *sock, unsigned int number, uint32_t flags,
			      const char *allowedip, uint32_t ip_flags)
{
	struct message *m = set_device();
	struct nlattr *peers = nest(m, FZ_DEVICE_A_PEERS);
	struct nlattr *one = put_peer(m, number);
	struct nlattr *ips;

	if (flags)
		put_u32(m, FZ_PEER_A_FLAGS, flags);
	if (allowedip) {
		ips = nest(m, FZ_PEER_A_ALLOWEDIPS);
		put_allowedip(m, allowedip, strchr(allowedip, ':') ? 128 : 32, ip_flags);
		end(m, ips);
	}
	end(m, one);
	end(m, peers);
	return do_request(sock, m);
}

/**
 * struct counts - what a get-device found
 * @peers: peers that began in it; a continued one counts once
 * @allowedips: of all of them
 * @last: the key of the peer told last
 */
struct counts {
	unsigned int peers;
	unsigned int allowedips;
	uint8_t last[FZ_KEY_LEN];
};

static void count_peer(const struct nlattr *nested, struct counts *counts)
{
	const struct nlattr *attr;
	const struct nlattr *ip;

	mnl_attr_for_each_nested(attr, nested) {
		if (mnl_attr_get_type(attr) == FZ_PEER_A_PUBLIC_KEY) {
			const void *key = mnl_attr_get_payload(attr);

			counts->peers += !!memcmp(counts->last, key, FZ_KEY_LEN);
			memcpy(counts->last, key, FZ_KEY_LEN);
		} else if (mnl_attr_get_type(attr) == FZ_PEER_A_ALLOWEDIPS) {
			mnl_attr_for_each_nested(ip, attr)
				counts->allowedips++;
		}
	}
}

static void count_message(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;
	const struct nlattr *one;

	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) != FZ_DEVICE_A_PEERS)
			continue;
		mnl_attr_for_each_nested(one, attr)
			count_peer(one, arg);
	}
}

static struct counts count(struct mnl_socket *sock)
{
	struct counts counts = {};
	struct message *m = request(FZ_CMD_GET_DEVICE);

	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	if (dump(sock, m, count_message, &counts).error)
		errx(1, "cannot read the device");
	return counts;
}

static bool naming(struct mnl_socket *sock)
{
	static const char one[] = "name one device, by ifindex or by ifname";
	struct message *m = request(FZ_CMD_SET_DEVICE);

	EXPECT_REFUSED(do_request(sock, m), EBADR, one);
	m = set_device();
	put_u32(m, FZ_DEVICE_A_IFINDEX, 1);
	EXPECT_REFUSED(do_request(sock, m), EBADR, one);
	m = request(FZ_CMD_SET_DEVICE);
	put_string(m, FZ_DEVICE_A_IFNAME, "nowhere");
	EXPECT_REFUSED(do_request(sock, m), ENODEV, "there is no such device");
	m = request(FZ_CMD_SET_DEVICE);
	put_string(m, FZ_DEVICE_A_IFNAME, "lo");
	EXPECT_REFUSED(do_request(sock, m), EOPNOTSUPP, "this device is not an fz device");
	m = request(FZ_CMD_GET_FLOW);
	put_string(m, FZ_FLOWS_A_IFNAME, "lo");
	EXPECT_REFUSED(dump(sock, m, NULL, NULL), EOPNOTSUPP, "this device is not an fz device");
	return true;
}

static bool foreign_attributes(struct mnl_socket *sock)
{
	struct message *m = set_device();
	struct nlattr *peers;
	struct nlattr *one;
	struct answer answer;
	uint32_t offset;

	put_u32(m, FZ_DEVICE_A_MAX + 1, 0);
	EXPECT_REFUSED(do_request(sock, m), EINVAL, "Unknown attribute type");
	m = set_device();
	put_bytes(m, FZ_DEVICE_A_PUBLIC_KEY, "0123456789abcdef0123456789abcdef", FZ_KEY_LEN);
	EXPECT_REFUSED(do_request(sock, m), EINVAL, "Unsupported attribute");
	m = set_device();
	put_u32(m, FZ_DEVICE_A_FLAGS, 1U << 31);
	EXPECT_REFUSED(do_request(sock, m), EINVAL, "reserved bit set");
	m = set_device();
	peers = nest(m, FZ_DEVICE_A_PEERS);
	one = put_peer(m, 1);
	offset = m->nlh->nlmsg_len;
	put_u64(m, FZ_PEER_A_RX_BYTES, 1);
	end(m, one);
	end(m, peers);
	answer = do_request(sock, m);
	EXPECT_REFUSED(answer, EINVAL, "rx-bytes is only for answers");
	EXPECT(answer.offset == offset);
	EXPECT(count(sock).peers == 0);
	return true;
}

/* A message with much that is right and, at its end, something wrong. */
static bool nothing_half_applied(struct mnl_socket *sock)
{
	char *before = snapshot(sock);
	struct message *m = set_device();
	struct nlattr *peers;
	struct nlattr *one;
	struct nlattr *ips;
	struct answer answer;
	uint32_t offset;
	char *after;

	put_u16(m, FZ_DEVICE_A_LISTEN_PORT, 7000);
	put_u32(m, FZ_DEVICE_A_FWMARK, 7);
	put_u32(m, FZ_DEVICE_A_MAX_FLOWS, 1000);
	put_bytes(m, FZ_DEVICE_A_PRIVATE_KEY, "0123456789abcdef0123456789abcdef", FZ_KEY_LEN);
	peers = nest(m, FZ_DEVICE_A_PEERS);
	end(m, put_peer(m, 1));
	one = put_peer(m, 2);
	ips = nest(m, FZ_PEER_A_ALLOWEDIPS);
	put_allowedip(m, "10.0.0.1", 32, 0);
	offset = m->nlh->nlmsg_len + 4 + 8 + 8;
	put_allowedip(m, "10.0.0.2", 33, 0);
	end(m, ips);
	end(m, one);
	end(m, peers);
	answer = do_request(sock, m);
	EXPECT_REFUSED(answer, EINVAL, "the prefix is longer than its address");
	EXPECT(answer.offset == offset);
	after = snapshot(sock);
	EXPECT(!strcmp(before, after));
	free(before);
	free(after);
	return true;
}

static bool wrong_peers(struct mnl_socket *sock)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct message *m = set_device();
	struct nlattr *peers = nest(m, FZ_DEVICE_A_PEERS);
	struct nlattr *one = nest(m, 0);

	put_u32(m, FZ_PEER_A_FLAGS, 0);
	end(m, one);
	end(m, peers);
	EXPECT_REFUSED(do_request(sock, m), EINVAL, "a peer needs a public key");

	m = set_device();
	peers = nest(m, FZ_DEVICE_A_PEERS);
	one = put_peer(m, 1);
	put_u32(m, FZ_PEER_A_PROTOCOL_VERSION, 2);
	end(m, one);
	end(m, peers);
	EXPECT_REFUSED(do_request(sock, m), EPFNOSUPPORT, "there is no protocol version but 1");

	m = set_device();
	peers = nest(m, FZ_DEVICE_A_PEERS);
	one = put_peer(m, 1);
	put_bytes(m, FZ_PEER_A_ENDPOINT, &in6, sizeof(struct sockaddr_in));
	end(m, one);
	end(m, peers);
	EXPECT_REFUSED(do_request(sock, m), EINVAL,
		       "an endpoint is a struct sockaddr_in or sockaddr_in6 of that family");
	EXPECT(count(sock).peers == 0);
	return true;
}

/* The port is the one thing of a set-device that can fail for what another process does. */
static bool port_in_use(struct mnl_socket *sock)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(7001) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct message *m = set_device();
	struct nlattr *peers;
	char *before;
	char *after;

	EXPECT(!bind(fd, (void *)&addr, sizeof(addr)));
	before = snapshot(sock);
	put_u16(m, FZ_DEVICE_A_LISTEN_PORT, 7001);
	put_u32(m, FZ_DEVICE_A_FWMARK, 7);
	peers = nest(m, FZ_DEVICE_A_PEERS);
	end(m, put_peer(m, 1));
	end(m, peers);
	EXPECT_REFUSED(do_request(sock, m), EADDRINUSE, "cannot listen on this port");
	after = snapshot(sock);
	EXPECT(!strcmp(before, after));
	free(before);
	free(after);
	close(fd);
	return true;
}

static bool wireguard_flags(struct mnl_socket *sock)
{
	struct message *m;

	EXPECT_OK(add_peer(sock, 1, FZ_PEER_F_UPDATE_ONLY, "10.0.0.1", 0));
	EXPECT(count(sock).peers == 0);
	EXPECT_OK(add_peer(sock, 1, FZ_PEER_F_REMOVE_ME, NULL, 0));
	EXPECT(count(sock).peers == 0);
	EXPECT_OK(add_peer(sock, 1, 0, "10.0.0.1", 0));
	EXPECT_OK(add_peer(sock, 1, FZ_PEER_F_UPDATE_ONLY, "10.0.0.2", 0));
	EXPECT(count(sock).allowedips == 2);
	EXPECT_OK(add_peer(sock, 1, 0, "10.0.0.2", FZ_ALLOWEDIP_F_REMOVE_ME));
	EXPECT(count(sock).allowedips == 1);
	EXPECT_OK(add_peer(sock, 1, FZ_PEER_F_REPLACE_ALLOWEDIPS, "fd00::1", 0));
	EXPECT(count(sock).allowedips == 1);
	/* An allowed IP belongs to the peer that got it last. */
	EXPECT_OK(add_peer(sock, 2, 0, "fd00::1", 0));
	EXPECT(count(sock).peers == 2 && count(sock).allowedips == 1);
	EXPECT_OK(add_peer(sock, 2, FZ_PEER_F_REMOVE_ME, NULL, 0));
	EXPECT(count(sock).peers == 1 && count(sock).allowedips == 0);
	m = set_device();
	put_u32(m, FZ_DEVICE_A_FLAGS, FZ_DEVICE_F_REPLACE_PEERS);
	EXPECT_OK(do_request(sock, m));
	EXPECT(count(sock).peers == 0);
	return true;
}

static void find_public_key(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_DEVICE_A_PUBLIC_KEY)
			memcpy(arg, mnl_attr_get_payload(attr), FZ_KEY_LEN);
	}
}

/* A device is never its own peer, whichever comes first, key or peer. */
static bool self_is_no_peer(struct mnl_socket *sock)
{
	static const uint8_t none[FZ_KEY_LEN];
	uint8_t key[FZ_KEY_LEN] = {};
	struct message *m = set_device();
	struct nlattr *peers;
	struct nlattr *one;

	put_bytes(m, FZ_DEVICE_A_PRIVATE_KEY, "0123456789abcdef0123456789abcdef", FZ_KEY_LEN);
	EXPECT_OK(do_request(sock, m));
	m = request(FZ_CMD_GET_DEVICE);
	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	EXPECT_OK(dump(sock, m, find_public_key, key));
	EXPECT(memcmp(key, none, sizeof(key)));
	for (int with_key = 1; with_key >= 0; with_key--) {
		m = set_device();
		if (!with_key)
			put_bytes(m, FZ_DEVICE_A_PRIVATE_KEY, none, sizeof(none));
		peers = nest(m, FZ_DEVICE_A_PEERS);
		one = nest(m, 0);
		put_bytes(m, FZ_PEER_A_PUBLIC_KEY, key, sizeof(key));
		end(m, one);
		end(m, peers);
		EXPECT_OK(do_request(sock, m));
		EXPECT(count(sock).peers == (with_key ? 0 : 1));
	}
	m = set_device();
	put_bytes(m, FZ_DEVICE_A_PRIVATE_KEY, "0123456789abcdef0123456789abcdef", FZ_KEY_LEN);
	EXPECT_OK(do_request(sock, m));
	EXPECT(count(sock).peers == 0);
	return true;
}

static struct answer add_many(struct mnl_socket *sock, unsigned int peers, unsigned int ips)
{
	struct message *m = set_device();
	struct nlattr *all = nest(m, FZ_DEVICE_A_PEERS);

	for (unsigned int i = 0; i < peers; i++) {
		struct nlattr *one = put_peer(m, 100 + i);
		struct nlattr *list = nest(m, FZ_PEER_A_ALLOWEDIPS);

		for (unsigned int j = 0; j < ips; j++) {
			char addr[32];

			snprintf(addr, sizeof(addr), "10.%u.%u.%u", i, j / 250, j % 250);
			put_allowedip(m, addr, 32, 0);
		}
		end(m, list);
		end(m, one);
	}
	end(m, all);
	return do_request(sock, m);
}

static bool long_dump(struct mnl_socket *sock)
{
	struct counts counts;

	EXPECT_OK(add_many(sock, 30, 60));
	for (unsigned int i = 1000; i < 1400; i++)
		EXPECT_OK(add_peer(sock, i, 0, NULL, 0));
	counts = count(sock);
	EXPECT(counts.peers == 430);
	EXPECT(counts.allowedips == 30 * 60);
	/* One peer with more allowed IPs than a message holds. */
	EXPECT_OK(add_many(sock, 1, 1900));
	counts = count(sock);
	EXPECT(counts.peers == 430);
	EXPECT(counts.allowedips == 29 * 60 + 1900);
	return true;
}

/* A dump goes on where its peer was, though that is gone. */
static bool deleting_while_dumping(struct mnl_socket *sock)
{
	struct mnl_socket *other = sock_open();
	struct counts counts = {};
	struct message *m;
	struct answer answer;

	for (unsigned int i = 0; i < 600; i++)
		EXPECT_OK(add_peer(sock, i, 0, NULL, 0));
	m = request(FZ_CMD_GET_DEVICE);
	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	send_request(other, m, NLM_F_DUMP);
	m = set_device();
	put_u32(m, FZ_DEVICE_A_FLAGS, FZ_DEVICE_F_REPLACE_PEERS);
	EXPECT_OK(do_request(sock, m));
	EXPECT_OK(add_peer(sock, 9999, 0, NULL, 0));
	answer = read_answer(other, count_message, &counts);
	EXPECT_OK(answer);
	EXPECT(answer.interrupted);
	EXPECT(counts.peers > 1 && counts.peers < 600);
	mnl_socket_close(other);
	return true;
}

static struct nlattr *candidate(struct message *m, const char *addr, uint16_t port, uint32_t priority)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct nlattr *nested = nest(m, FZ_PEER_A_CANDIDATE);

	inet_pton(AF_INET, addr, &in.sin_addr);
	put_bytes(m, FZ_CANDIDATE_A_ENDPOINT, &in, sizeof(in));
	put_u32(m, FZ_CANDIDATE_A_PRIORITY, priority);
	return nested;
}

/* One peer with candidates 192.0.2.1 and so on. */
static struct answer add_candidates(struct mnl_socket *sock, unsigned int n, uint16_t port)
{
	struct message *m = set_device();
	struct nlattr *peers = nest(m, FZ_DEVICE_A_PEERS);
	struct nlattr *one = put_peer(m, 1);

	put_u32(m, FZ_PEER_A_FLAGS, FZ_PEER_F_REPLACE_CANDIDATES);
	for (unsigned int i = 0; i < n; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "192.0.2.%u", i + 1);
		end(m, candidate(m, addr, port, i));
	}
	end(m, one);
	end(m, peers);
	return do_request(sock, m);
}

static void count_candidates(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;
	const struct nlattr *one;
	const struct nlattr *inner;

	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) != FZ_DEVICE_A_PEERS)
			continue;
		mnl_attr_for_each_nested(one, attr) {
			mnl_attr_for_each_nested(inner, one)
				*(unsigned int *)arg += mnl_attr_get_type(inner) ==
							FZ_PEER_A_CANDIDATE;
		}
	}
}

static bool candidates(struct mnl_socket *sock)
{
	struct message *m;
	unsigned int n = 0;

	EXPECT_REFUSED(add_candidates(sock, 17, 1), E2BIG, "more candidates than a peer can have");
	EXPECT_REFUSED(add_candidates(sock, 1, 0), EINVAL,
		       "a candidate is one host's address and a port");
	EXPECT(count(sock).peers == 0);
	EXPECT_OK(add_candidates(sock, 16, 1));
	m = request(FZ_CMD_GET_DEVICE);
	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	EXPECT_OK(dump(sock, m, count_candidates, &n));
	EXPECT(n == 16);
	return true;
}

/* Candidates 192.0.2.first and following for a peer, with an allowed IP in front of them. */
static void mention(struct message *m, unsigned int number, uint32_t flags, unsigned int first,
		    unsigned int n)
{
	struct nlattr *one = put_peer(m, number);
	struct nlattr *ips;
	char addr[32];

	put_u32(m, FZ_PEER_A_FLAGS, flags);
	ips = nest(m, FZ_PEER_A_ALLOWEDIPS);
	put_allowedip(m, "10.9.9.9", 32, 0);
	end(m, ips);
	for (unsigned int i = first; i < first + n; i++) {
		snprintf(addr, sizeof(addr), "192.0.2.%u", i);
		end(m, candidate(m, addr, 1, i));
	}
	end(m, one);
}

/* What joins candidates that are there is counted with them, before anything is done. */
static bool candidates_join(struct mnl_socket *sock)
{
	static const char sentence[] = "more candidates than a peer can have";
	struct message *m;
	struct nlattr *peers;
	char *before;
	char *after;

	EXPECT_OK(add_candidates(sock, 16, 1));
	before = snapshot(sock);
	m = set_device();
	peers = nest(m, FZ_DEVICE_A_PEERS);
	mention(m, 2, 0, 1, 1);
	mention(m, 1, 0, 16, 2);
	end(m, peers);
	EXPECT_REFUSED(do_request(sock, m), E2BIG, sentence);
	/* Also when the message says it in two places, of a peer that is there or is new. */
	for (unsigned int number = 1; number < 3; number++) {
		m = set_device();
		peers = nest(m, FZ_DEVICE_A_PEERS);
		mention(m, number, FZ_PEER_F_REPLACE_CANDIDATES, 1, 10);
		mention(m, 3, 0, 1, 1);
		mention(m, number, 0, 11, 7);
		end(m, peers);
		EXPECT_REFUSED(do_request(sock, m), E2BIG, sentence);
	}
	after = snapshot(sock);
	EXPECT(!strcmp(before, after));
	free(before);
	free(after);

	/* Known ones, and others in the place of all, are as many as they are. */
	m = set_device();
	peers = nest(m, FZ_DEVICE_A_PEERS);
	mention(m, 1, 0, 1, 16);
	mention(m, 1, FZ_PEER_F_REPLACE_CANDIDATES, 101, 16);
	mention(m, 1, FZ_PEER_F_REMOVE_ME, 0, 0);
	mention(m, 1, 0, 1, 16);
	end(m, peers);
	EXPECT_OK(do_request(sock, m));
	m = set_device();
	put_u32(m, FZ_DEVICE_A_FLAGS, FZ_DEVICE_F_REPLACE_PEERS);
	peers = nest(m, FZ_DEVICE_A_PEERS);
	mention(m, 1, 0, 101, 16);
	end(m, peers);
	EXPECT_OK(do_request(sock, m));
	EXPECT(count(sock).peers == 1 && count(sock).allowedips == 1);
	return true;
}

static struct answer set_mode(struct mnl_socket *sock, uint8_t mode, bool twice)
{
	struct message *m = set_device();

	for (int i = 0; i <= twice; i++) {
		struct nlattr *nested = nest(m, FZ_DEVICE_A_MODE);

		put_u8(m, FZ_MODE_A_DIRECTION, FZ_DIR_OUT);
		put_u8(m, FZ_MODE_A_MODE, mode);
		end(m, nested);
	}
	return do_request(sock, m);
}

static bool settings(struct mnl_socket *sock)
{
	struct message *m;
	struct nlattr *nested;

	EXPECT_OK(set_mode(sock, FZ_MODE_OPEN, false));
	EXPECT(set_mode(sock, FZ_MODE_INHERIT, false).error == EINVAL);
	EXPECT_REFUSED(set_mode(sock, FZ_MODE_OPEN, true), EINVAL,
		       "this direction has its mode twice");
	m = set_device();
	nested = nest(m, FZ_DEVICE_A_TIMEOUTS);
	put_u32(m, FZ_TIMEOUT_A_ICMP, 0);
	end(m, nested);
	EXPECT_REFUSED(do_request(sock, m), ERANGE, "integer out of range");
	m = set_device();
	nested = nest(m, FZ_DEVICE_A_ASK_PREFIX);
	put_bytes(m, FZ_PREFIX_A_ADDR, "\x0a\x00\x00\x01", 4);
	put_u8(m, FZ_PREFIX_A_LEN, 8);
	end(m, nested);
	EXPECT_REFUSED(do_request(sock, m), EINVAL,
		       "the address has bits set after the prefix length");
	return true;
}

static void read_max_flows(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_DEVICE_A_MAX_FLOWS)
			*(uint32_t *)arg = mnl_attr_get_u32(attr);
	}
}

static uint32_t max_flows(struct mnl_socket *sock)
{
	struct message *m = request(FZ_CMD_GET_DEVICE);
	uint32_t max = 0;

	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	if (dump(sock, m, read_max_flows, &max).error)
		errx(1, "cannot read the device");
	return max;
}

static struct answer set_max_flows(struct mnl_socket *sock, uint32_t max)
{
	struct message *m = set_device();

	put_u32(m, FZ_DEVICE_A_MAX_FLOWS, max);
	return do_request(sock, m);
}

/* A device of a user namespace, in the hands of its root. */
static bool few_flows_there(int fd)
{
	static const char sentence[] =
		"max-flows above 65536 needs CAP_NET_ADMIN outside of any user namespace";
	struct mnl_socket *sock = sock_open();

	EXPECT(!system("ip link add " DEV " type fz"));
	EXPECT(max_flows(sock) == 1 << 16);
	EXPECT_OK(set_max_flows(sock, 1000));
	EXPECT_OK(set_max_flows(sock, 1 << 16));
	EXPECT_REFUSED(set_max_flows(sock, (1 << 16) + 1), EPERM, sentence);
	EXPECT(max_flows(sock) == 1 << 16);
	EXPECT(meet(fd));
	/* Whoever has the right outside has allowed more. */
	EXPECT(meet(fd));
	EXPECT(max_flows(sock) == 1 << 20);
	EXPECT_REFUSED(set_max_flows(sock, 1 << 20), EPERM, sentence);
	EXPECT_OK(set_max_flows(sock, 1));
	mnl_socket_close(sock);
	return true;
}

static struct mnl_socket *sock_open_at(pid_t pid)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct mnl_socket *sock;
	char path[64];
	int there;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || there < 0 || setns(there, CLONE_NEWNET))
		err(1, "%s", path);
	sock = sock_open();
	if (setns(own, CLONE_NEWNET))
		err(1, "cannot return to the own namespace");
	close(there);
	close(own);
	return sock;
}

static bool many_flows_here(struct mnl_socket *sock, int fd, pid_t stranger)
{
	struct mnl_socket *there;

	EXPECT(max_flows(sock) == 1 << 20);
	EXPECT_OK(set_max_flows(sock, 1 << 24));
	EXPECT_REFUSED(set_max_flows(sock, (1 << 24) + 1), ERANGE, "integer out of range");
	EXPECT(max_flows(sock) == 1 << 24);
	EXPECT(meet(fd));
	there = sock_open_at(stranger);
	EXPECT_OK(set_max_flows(there, 1 << 20));
	mnl_socket_close(there);
	EXPECT(meet(fd));
	return true;
}

static bool few_flows(struct mnl_socket *sock)
{
	return beside_stranger(sock, many_flows_here, few_flows_there);
}

static bool as_nobody(struct mnl_socket *sock)
{
	static const char *const groups[] = { FZ_MCGRP_PEERS, FZ_MCGRP_FLOWS, FZ_MCGRP_DENIALS,
					      FZ_MCGRP_POLICY };
	struct message *m = request(FZ_CMD_GET_STATS);

	put_string(m, FZ_STATS_A_IFNAME, DEV);
	EXPECT_OK(do_request(sock, m));
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		EXPECT(sock_try_join(sock, groups[i]) == EPERM);
	m = request(FZ_CMD_GET_DEVICE);
	put_string(m, FZ_DEVICE_A_IFNAME, DEV);
	EXPECT(dump(sock, m, NULL, NULL).error == EPERM);
	m = request(FZ_CMD_GET_GRANT);
	put_string(m, FZ_POLICY_A_IFNAME, DEV);
	EXPECT(dump(sock, m, NULL, NULL).error == EPERM);
	EXPECT(add_peer(sock, 1, 0, NULL, 0).error == EPERM);
	return true;
}

static bool needs_rights(struct mnl_socket *sock)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};
	pid_t child;
	int status;

	(void)sock;
	fflush(stdout);
	child = fork();
	if (!child) {
		struct mnl_socket *own = sock_open();

		if (syscall(SYS_capset, &header, none))
			err(1, "capset");
		_exit(as_nobody(own) ? 0 : 1);
	}
	waitpid(child, &status, 0);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return true;
}

const struct test device_tests[] = {
	{ "a request names one fz device", naming },
	{ "unknown attributes and those of answers are refused", foreign_attributes },
	{ "a wrong set-device changes nothing", nothing_half_applied },
	{ "wrong peers are refused", wrong_peers },
	{ "a port in use changes nothing", port_in_use },
	{ "flags mean what they mean to WireGuard", wireguard_flags },
	{ "a device is not its own peer", self_is_no_peer },
	{ "a dump continues over messages", long_dump },
	{ "a dump survives what is deleted", deleting_while_dumping },
	{ "candidates are kept or refused", candidates },
	{ "candidates that join others are counted with them", candidates_join },
	{ "modes, timeouts and ask prefixes are checked", settings },
	{ "a user namespace has few flows and cannot take more", few_flows },
	{ "only counting needs no rights", needs_rights },
	{}
};
