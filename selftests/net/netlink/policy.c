// SPDX-License-Identifier: GPL-2.0-only
/* Resources, grants, explain. */

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

struct message *policy_request(enum fz_cmd cmd)
{
	struct message *m = request(cmd);

	put_string(m, FZ_POLICY_A_IFNAME, DEV);
	return m;
}

static void put_prefix(struct message *m, int type, const void *addr, uint8_t size, uint8_t len)
{
	struct nlattr *nested = nest(m, type);

	put_bytes(m, FZ_PREFIX_A_ADDR, addr, size);
	put_u8(m, FZ_PREFIX_A_LEN, len);
	end(m, nested);
}

static void put_service(struct message *m, uint8_t protocol, int min, int max)
{
	struct nlattr *nested = nest(m, FZ_RESOURCE_A_SERVICE);

	put_u8(m, FZ_SERVICE_A_PROTOCOL, protocol);
	if (min >= 0)
		put_u16(m, FZ_SERVICE_A_PORT_MIN, min);
	if (max >= 0)
		put_u16(m, FZ_SERVICE_A_PORT_MAX, max);
	end(m, nested);
}

/* 10.0.NUMBER.0/24, TCP 443. */
struct nlattr *put_resource(struct message *m, const char *name, uint8_t number)
{
	const uint8_t addr[4] = { 10, 0, number, 0 };
	struct nlattr *nested = nest(m, FZ_POLICY_A_RESOURCE);

	put_string(m, FZ_RESOURCE_A_NAME, name);
	put_prefix(m, FZ_RESOURCE_A_PREFIX, addr, 4, 24);
	put_service(m, IPPROTO_TCP, 443, -1);
	end(m, nested);
	return nested;
}

static struct answer add_resource(struct mnl_socket *sock, const char *name, uint8_t number)
{
	struct message *m = policy_request(FZ_CMD_NEW_RESOURCE);

	put_resource(m, name, number);
	return do_request(sock, m);
}

struct nlattr *put_grant(struct message *m, int peer, const char *resource)
{
	struct nlattr *nested = nest(m, FZ_POLICY_A_GRANT);
	uint8_t key[FZ_KEY_LEN];

	if (peer) {
		key_of(key, peer);
		put_bytes(m, FZ_GRANT_A_PEER, key, sizeof(key));
	}
	put_string(m, FZ_GRANT_A_RESOURCE, resource);
	end(m, nested);
	return nested;
}

/* A peer that has one address: 192.0.2.NUMBER. */
static struct answer add_peer(struct mnl_socket *sock, unsigned int number)
{
	struct message *m = policy_request(FZ_CMD_SET_DEVICE);
	const uint8_t address[4] = { 192, 0, 2, number };
	struct nlattr *peers = nest(m, FZ_DEVICE_A_PEERS);
	struct nlattr *one = nest(m, 0);
	struct nlattr *ips, *ip;
	uint8_t key[FZ_KEY_LEN];

	key_of(key, number);
	put_bytes(m, FZ_PEER_A_PUBLIC_KEY, key, sizeof(key));
	ips = nest(m, FZ_PEER_A_ALLOWEDIPS);
	ip = nest(m, 0);
	put_u16(m, FZ_ALLOWEDIP_A_FAMILY, AF_INET);
	put_bytes(m, FZ_ALLOWEDIP_A_IPADDR, address, sizeof(address));
	put_u8(m, FZ_ALLOWEDIP_A_CIDR_MASK, 32);
	end(m, ip);
	end(m, ips);
	end(m, one);
	end(m, peers);
	return do_request(sock, m);
}

/**
 * struct tally - what a dump of the policy found
 * @resources: names, a continued one once
 * @prefixes: of all of them
 * @grants: of all
 * @last: name of the resource told last
 */
struct tally {
	unsigned int resources;
	unsigned int prefixes;
	unsigned int grants;
	char last[FZ_NAME_MAX + 1];
};

static void tally_resource(const struct nlattr *nested, struct tally *tally)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nested) {
		if (mnl_attr_get_type(attr) == FZ_RESOURCE_A_NAME) {
			tally->resources += !!strcmp(tally->last, mnl_attr_get_str(attr));
			snprintf(tally->last, sizeof(tally->last), "%s", mnl_attr_get_str(attr));
		}
		tally->prefixes += mnl_attr_get_type(attr) == FZ_RESOURCE_A_PREFIX;
	}
}

static void tally_message(const struct nlmsghdr *nlh, void *arg)
{
	struct tally *tally = arg;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_POLICY_A_RESOURCE)
			tally_resource(attr, tally);
		tally->grants += mnl_attr_get_type(attr) == FZ_POLICY_A_GRANT;
	}
}

/* A dump that was interrupted, perhaps by a table that grew, is asked for again. */
static struct tally count(struct mnl_socket *sock)
{
	struct answer resources;
	struct answer grants;
	struct tally tally;

	do {
		tally = (struct tally){};
		resources = dump(sock, policy_request(FZ_CMD_GET_RESOURCE), tally_message, &tally);
		grants = dump(sock, policy_request(FZ_CMD_GET_GRANT), tally_message, &tally);
		if (resources.error || grants.error)
			errx(1, "cannot read the policy");
	} while (resources.interrupted || grants.interrupted);
	return tally;
}

static bool wrong_resources(struct mnl_socket *sock)
{
	static const uint8_t addr[16] = { 10 };
	struct message *m = policy_request(FZ_CMD_NEW_RESOURCE);
	struct nlattr *nested;

	EXPECT_REFUSED(do_request(sock, m), EINVAL, "the request names no resource");
	m = policy_request(FZ_CMD_NEW_RESOURCE);
	put_resource(m, "", 1);
	EXPECT_REFUSED(do_request(sock, m), EINVAL, "a resource needs a name");
	m = policy_request(FZ_CMD_NEW_RESOURCE);
	nested = nest(m, FZ_POLICY_A_RESOURCE);
	put_string(m, FZ_RESOURCE_A_NAME, "web");
	end(m, nested);
	EXPECT_REFUSED(do_request(sock, m), EINVAL, NULL);
	m = policy_request(FZ_CMD_NEW_RESOURCE);
	nested = nest(m, FZ_POLICY_A_RESOURCE);
	put_string(m, FZ_RESOURCE_A_NAME, "web");
	put_prefix(m, FZ_RESOURCE_A_PREFIX, addr, 5, 8);
	end(m, nested);
	EXPECT_REFUSED(do_request(sock, m), EINVAL, "an address is 4 bytes (IPv4) or 16 (IPv6)");
	m = policy_request(FZ_CMD_NEW_RESOURCE);
	nested = nest(m, FZ_POLICY_A_RESOURCE);
	put_string(m, FZ_RESOURCE_A_NAME, "web");
	put_prefix(m, FZ_RESOURCE_A_PREFIX, addr, 4, 8);
	put_service(m, IPPROTO_TCP, 443, 80);
	end(m, nested);
	EXPECT_REFUSED(do_request(sock, m), EINVAL, "a service's first port is after its last");
	m = policy_request(FZ_CMD_NEW_RESOURCE);
	nested = nest(m, FZ_POLICY_A_RESOURCE);
	put_string(m, FZ_RESOURCE_A_NAME, "web");
	put_prefix(m, FZ_RESOURCE_A_PREFIX, addr, 4, 8);
	put_service(m, IPPROTO_GRE, 443, -1);
	end(m, nested);
	EXPECT_REFUSED(do_request(sock, m), EINVAL, NULL);
	EXPECT(count(sock).resources == 0);
	return true;
}

/* A batch with something wrong in it names it and does nothing. */
static bool batches_are_whole(struct mnl_socket *sock)
{
	struct message *m = policy_request(FZ_CMD_NEW_RESOURCE);
	struct answer answer;
	uint32_t offset;

	put_resource(m, "web", 1);
	offset = offset_of(m, put_resource(m, "", 2));
	answer = do_request(sock, m);
	EXPECT_REFUSED(answer, EINVAL, "a resource needs a name");
	EXPECT(answer.offset == offset);
	EXPECT(count(sock).resources == 0);

	EXPECT_OK(add_resource(sock, "web", 1));
	m = policy_request(FZ_CMD_NEW_GRANT);
	put_grant(m, 0, "web");
	offset = offset_of(m, put_grant(m, 0, "nothing"));
	answer = do_request(sock, m);
	EXPECT_REFUSED(answer, ENOENT, "there is no resource of this name");
	EXPECT(answer.offset == offset);
	EXPECT(count(sock).grants == 0);

	EXPECT_OK(add_resource(sock, "mail", 2));
	m = policy_request(FZ_CMD_DEL_RESOURCE);
	put_resource(m, "web", 1);
	offset = offset_of(m, put_resource(m, "nothing", 2));
	answer = do_request(sock, m);
	EXPECT(answer.error == ENOENT && answer.offset == offset && *answer.sentence);
	EXPECT(count(sock).resources == 2);

	m = policy_request(FZ_CMD_NEW_GRANT);
	put_grant(m, 0, "web");
	put_grant(m, 0, "mail");
	EXPECT_OK(do_request(sock, m));
	m = policy_request(FZ_CMD_DEL_RESOURCE);
	put_resource(m, "web", 1);
	EXPECT_OK(do_request(sock, m));
	EXPECT(count(sock).resources == 1 && count(sock).grants == 1);
	return true;
}

static bool wrong_grants(struct mnl_socket *sock)
{
	static const struct {
		int type;
		uint64_t value;
		uint8_t action;
		int error;
		const char *sentence;
	} limits[] = {
		{ FZ_GRANT_A_QUOTA, 1000, FZ_ACTION_DENY, EINVAL,
		  "quota, rate and flow-rate are for what is allowed, not for a denial" },
		{ FZ_GRANT_A_RATE, (1ULL << 53) + 1, FZ_ACTION_ALLOW, ERANGE,
		  "the rate of a grant is at most 2^53 bits per second" },
		{ FZ_GRANT_A_QUOTA, 0, FZ_ACTION_ALLOW, ERANGE, "integer out of range" },
	};
	struct message *m = policy_request(FZ_CMD_NEW_GRANT);
	struct nlattr *nested;
	uint32_t offset;
	struct answer answer;

	EXPECT_OK(add_resource(sock, "web", 1));
	offset = offset_of(m, put_grant(m, 5, "web")) + 4;
	answer = do_request(sock, m);
	EXPECT_REFUSED(answer, ENOENT, "the device has no peer with this public key");
	EXPECT(answer.offset == offset);
	m = policy_request(FZ_CMD_NEW_GRANT);
	end(m, nest(m, FZ_POLICY_A_GRANT));
	EXPECT_REFUSED(do_request(sock, m), EINVAL, "a grant needs a resource");
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		m = policy_request(FZ_CMD_NEW_GRANT);
		nested = nest(m, FZ_POLICY_A_GRANT);
		put_string(m, FZ_GRANT_A_RESOURCE, "web");
		put_u8(m, FZ_GRANT_A_ACTION, limits[i].action);
		put_u64(m, limits[i].type, limits[i].value);
		end(m, nested);
		EXPECT_REFUSED(do_request(sock, m), limits[i].error, limits[i].sentence);
	}
	m = policy_request(FZ_CMD_NEW_GRANT);
	nested = nest(m, FZ_POLICY_A_GRANT);
	put_string(m, FZ_GRANT_A_RESOURCE, "web");
	put_u64(m, FZ_GRANT_A_LEASE_MS, 0);
	end(m, nested);
	EXPECT_REFUSED(do_request(sock, m), ERANGE, "integer out of range");
	m = policy_request(FZ_CMD_NEW_GRANT);
	nested = nest(m, FZ_POLICY_A_GRANT);
	put_string(m, FZ_GRANT_A_RESOURCE, "web");
	put_u8(m, FZ_GRANT_A_DIRECTION, 2);
	end(m, nested);
	EXPECT_REFUSED(do_request(sock, m), ERANGE, "integer out of range");
	EXPECT(count(sock).grants == 0);
	return true;
}

static bool filtered_dump(struct mnl_socket *sock)
{
	struct tally tally = {};
	uint8_t key[FZ_KEY_LEN];
	struct message *m;

	EXPECT_OK(add_resource(sock, "web", 1));
	EXPECT_OK(add_peer(sock, 1));
	EXPECT_OK(add_peer(sock, 2));
	m = policy_request(FZ_CMD_NEW_GRANT);
	put_grant(m, 1, "web");
	put_grant(m, 2, "web");
	put_grant(m, 0, "web");
	EXPECT_OK(do_request(sock, m));
	EXPECT(count(sock).grants == 3);
	m = policy_request(FZ_CMD_GET_GRANT);
	key_of(key, 1);
	put_bytes(m, FZ_POLICY_A_PEER, key, sizeof(key));
	EXPECT_OK(dump(sock, m, tally_message, &tally));
	EXPECT(tally.grants == 1);
	m = policy_request(FZ_CMD_GET_GRANT);
	key_of(key, 3);
	put_bytes(m, FZ_POLICY_A_PEER, key, sizeof(key));
	EXPECT_REFUSED(dump(sock, m, NULL, NULL), ENOENT,
		       "the device has no peer with this public key");
	return true;
}

/* One resource that no message holds in one piece, and many that one message does not. */
static bool long_dumps(struct mnl_socket *sock)
{
	struct message *m = policy_request(FZ_CMD_NEW_RESOURCE);
	struct nlattr *nested = nest(m, FZ_POLICY_A_RESOURCE);
	struct tally tally;

	put_string(m, FZ_RESOURCE_A_NAME, "big");
	for (unsigned int i = 0; i < 2000; i++) {
		const uint8_t addr[16] = { 0x20, 1, 0xd, 0xb8, i / 256, i };

		put_prefix(m, FZ_RESOURCE_A_PREFIX, addr, 16, 48);
	}
	end(m, nested);
	EXPECT_OK(do_request(sock, m));
	for (unsigned int i = 0; i < 10; i++) {
		m = policy_request(FZ_CMD_NEW_RESOURCE);
		for (unsigned int j = 0; j < 100; j++) {
			char name[32];

			snprintf(name, sizeof(name), "r%u", i * 100 + j);
			put_resource(m, name, j);
		}
		EXPECT_OK(do_request(sock, m));
		m = policy_request(FZ_CMD_NEW_GRANT);
		for (unsigned int j = 0; j < 100; j++) {
			char name[32];

			snprintf(name, sizeof(name), "r%u", i * 100 + j);
			put_grant(m, 0, name);
		}
		EXPECT_OK(do_request(sock, m));
	}
	tally = count(sock);
	EXPECT(tally.resources == 1001);
	EXPECT(tally.prefixes == 3000);
	EXPECT(tally.grants == 1000);
	return true;
}

/* A dump during which all of it is deleted ends, and says that it was interrupted. */
static bool deleting_while_dumping(struct mnl_socket *sock)
{
	struct mnl_socket *other = sock_open();
	struct message *m = policy_request(FZ_CMD_NEW_RESOURCE);
	struct answer answer;
	char name[32];

	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		put_resource(m, name, i);
	}
	EXPECT_OK(do_request(sock, m));
	send_request(other, policy_request(FZ_CMD_GET_RESOURCE), NLM_F_DUMP);
	m = policy_request(FZ_CMD_DEL_RESOURCE);
	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		put_resource(m, name, i);
	}
	EXPECT_OK(do_request(sock, m));
	answer = read_answer(other, NULL, NULL);
	EXPECT_OK(answer);
	EXPECT(answer.interrupted);
	mnl_socket_close(other);
	EXPECT(count(sock).resources == 0);
	return true;
}

static void read_verdict(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;
	int *verdict = arg;

	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_DECISION_A_VERDICT)
			*verdict = mnl_attr_get_u8(attr);
	}
}

static struct message *explain(int peer, uint16_t port)
{
	static const uint8_t src[4] = { 192, 0, 2, 1 };
	static const uint8_t dst[4] = { 10, 0, 1, 7 };
	struct message *m = policy_request(FZ_CMD_EXPLAIN);
	uint8_t key[FZ_KEY_LEN];
	struct nlattr *nested;

	if (peer) {
		key_of(key, peer);
		put_bytes(m, FZ_DECISION_A_PEER, key, sizeof(key));
	}
	put_u8(m, FZ_DECISION_A_DIRECTION, FZ_DIR_IN);
	nested = nest(m, FZ_DECISION_A_TUPLE);
	put_u8(m, FZ_TUPLE_A_PROTOCOL, IPPROTO_TCP);
	put_bytes(m, FZ_TUPLE_A_SRC, src, sizeof(src));
	put_bytes(m, FZ_TUPLE_A_DST, dst, sizeof(dst));
	put_u16(m, FZ_TUPLE_A_SPORT, 40000);
	if (port)
		put_u16(m, FZ_TUPLE_A_DPORT, port);
	end(m, nested);
	return m;
}

static bool explaining(struct mnl_socket *sock)
{
	struct message *m;
	int verdict = -1;

	EXPECT_OK(add_peer(sock, 1));
	EXPECT_OK(add_resource(sock, "web", 1));
	EXPECT_REFUSED(do_request(sock, explain(1, 0)), EINVAL,
		       "the tuple needs a destination port");
	EXPECT_REFUSED(do_request(sock, policy_request(FZ_CMD_EXPLAIN)), EINVAL,
		       "explain needs a direction");
	send_request(sock, explain(1, 443), NLM_F_ACK);
	EXPECT_OK(read_answer(sock, read_verdict, &verdict));
	EXPECT(verdict == FZ_VERDICT_REFUSE);
	m = policy_request(FZ_CMD_NEW_GRANT);
	put_grant(m, 1, "web");
	EXPECT_OK(do_request(sock, m));
	send_request(sock, explain(1, 443), NLM_F_ACK);
	EXPECT_OK(read_answer(sock, read_verdict, &verdict));
	EXPECT(verdict == FZ_VERDICT_PASS);
	send_request(sock, explain(1, 80), NLM_F_ACK);
	EXPECT_OK(read_answer(sock, read_verdict, &verdict));
	EXPECT(verdict == FZ_VERDICT_REFUSE);
	/* The address is somebody else's: no grant helps. */
	EXPECT_OK(add_peer(sock, 2));
	m = policy_request(FZ_CMD_NEW_GRANT);
	put_grant(m, 2, "web");
	EXPECT_OK(do_request(sock, m));
	send_request(sock, explain(2, 443), NLM_F_ACK);
	EXPECT_OK(read_answer(sock, read_verdict, &verdict));
	EXPECT(verdict == FZ_VERDICT_REFUSE);
	return true;
}

const struct test policy_tests[] = {
	{ "wrong resources are refused", wrong_resources },
	{ "a batch is done whole or not at all", batches_are_whole },
	{ "wrong grants are refused", wrong_grants },
	{ "grants are listed by peer", filtered_dump },
	{ "long dumps are whole", long_dumps },
	{ "a dump of resources survives what is deleted", deleting_while_dumping },
	{ "explain decides as packets are decided", explaining },
	{}
};
