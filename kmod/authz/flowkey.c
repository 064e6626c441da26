// SPDX-License-Identifier: GPL-2.0-only
/* What both directions of a flow have in common. */

#include <linux/icmp.h>
#include <linux/icmpv6.h>

#include "authz/flow.h"

/* In fz_flow_key.remote_port of ICMP, beside the type of the request. */
#define KEY_FROM_PEER BIT(8)	/* the peer asked */
#define KEY_FROM_US BIT(9)	/* we asked */
#define KEY_ALONE BIT(10)	/* not a question, nor an answer that was asked for */

/* Keys are hashed and compared as memory. */
static_assert(sizeof(struct fz_flow_key) == sizeof(void *) + 2 * sizeof(union fz_addr) + 8);

/* The type of the question that an ICMP message answers, or -1. */
static int icmp_question(u8 family, u8 type)
{
	if (family == AF_INET6)
		return type == ICMPV6_ECHO_REPLY ? ICMPV6_ECHO_REQUEST : -1;
	switch (type) {
	case ICMP_ECHOREPLY:
		return ICMP_ECHO;
	case ICMP_TIMESTAMPREPLY:
		return ICMP_TIMESTAMP;
	case ICMP_INFO_REPLY:
		return ICMP_INFO_REQUEST;
	case ICMP_ADDRESSREPLY:
		return ICMP_ADDRESS;
	default:
		return -1;
	}
}

/* The type of what answers an ICMP message; its own if nothing does. */
static u8 icmp_answer(u8 family, u8 type)
{
	unsigned int answer;

	for (answer = 0; answer <= U8_MAX; answer++) {
		if (icmp_question(family, answer) == type)
			return answer;
	}
	return type;
}

static bool icmp_is_question(u8 family, u8 type)
{
	if (family == AF_INET6)
		return type == ICMPV6_ECHO_REQUEST;
	return type == ICMP_ECHO || type == ICMP_TIMESTAMP || type == ICMP_INFO_REQUEST ||
	       type == ICMP_ADDRESS;
}

static void make_icmp_key(struct fz_flow_key *key, enum fz_direction dir,
			  const struct fz_tuple *tuple)
{
	int question = icmp_question(tuple->family, tuple->icmp_type);
	bool from_peer = dir == FZ_DIR_IN;

	key->local_port = tuple->icmp_id;
	if (question >= 0)
		key->remote_port = question | (from_peer ? KEY_FROM_US : KEY_FROM_PEER);
	else
		key->remote_port = tuple->icmp_type | (from_peer ? KEY_FROM_PEER : KEY_FROM_US);
	if (question < 0 && !icmp_is_question(tuple->family, tuple->icmp_type))
		key->remote_port |= KEY_ALONE;
}

/**
 * fz_flow_key_make() - the key of the flow that a packet is of
 * @key: filled in
 * @ap: the peer
 * @dir: of the packet
 * @tuple: of the packet
 *
 * Question and answer of ICMP have the same key; so have both directions of all else. What we ask
 * and what the peer asks have different ones even if they chose the same id.
 *
 * Context: any.
 */
void fz_flow_key_make(struct fz_flow_key *key, struct fz_authz_peer *ap, enum fz_direction dir,
		      const struct fz_tuple *tuple)
{
	bool in = dir == FZ_DIR_IN;

	memset(key, 0, sizeof(*key));
	key->ap = ap;
	key->family = tuple->family;
	key->proto = tuple->proto;
	key->remote = in ? tuple->src : tuple->dst;
	key->local = in ? tuple->dst : tuple->src;
	if (fz_proto_is_icmp(tuple->family, tuple->proto)) {
		make_icmp_key(key, dir, tuple);
		return;
	}
	key->remote_port = in ? tuple->sport : tuple->dport;
	key->local_port = in ? tuple->dport : tuple->sport;
}

/**
 * fz_flow_key_alone() - the key of an ICMP answer that nobody asked for
 * @key: of the packet; changed if it is an answer
 * @dir: of the packet
 * @tuple: of the packet
 *
 * Such an answer, if a grant admits it, must not become a flow that questions could pass with.
 *
 * Context: any.
 * Return: true if the key was changed.
 */
bool fz_flow_key_alone(struct fz_flow_key *key, enum fz_direction dir,
		       const struct fz_tuple *tuple)
{
	if (!fz_proto_is_icmp(tuple->family, tuple->proto) ||
	    icmp_question(tuple->family, tuple->icmp_type) < 0)
		return false;
	key->remote_port = tuple->icmp_type | KEY_ALONE |
			   (dir == FZ_DIR_IN ? KEY_FROM_PEER : KEY_FROM_US);
	return true;
}

/**
 * fz_flow_tuple() - what the first packet of a flow was
 * @flow: the flow
 * @tuple: filled in
 *
 * Context: RCU.
 */
void fz_flow_tuple(const struct fz_flow *flow, struct fz_tuple *tuple)
{
	fz_flow_tuple_of(flow, flow->dir, tuple);
}

/**
 * fz_flow_tuple_of() - what a packet of a flow is
 * @flow: the flow
 * @dir: of the packet
 * @tuple: filled in; the code of ICMP is the first packet's
 *
 * Context: RCU.
 */
void fz_flow_tuple_of(const struct fz_flow *flow, enum fz_direction dir, struct fz_tuple *tuple)
{
	const struct fz_flow_key *key = &flow->key;
	bool in = dir == FZ_DIR_IN;

	memset(tuple, 0, sizeof(*tuple));
	tuple->family = key->family;
	tuple->proto = key->proto;
	tuple->src = in ? key->remote : key->local;
	tuple->dst = in ? key->local : key->remote;
	if (fz_proto_is_icmp(key->family, key->proto)) {
		tuple->icmp_type = key->remote_port & 0xff;
		if (dir != flow->dir)
			tuple->icmp_type = icmp_answer(key->family, tuple->icmp_type);
		tuple->icmp_code = flow->icmp_code;
		tuple->icmp_id = key->local_port;
		return;
	}
	tuple->sport = in ? key->remote_port : key->local_port;
	tuple->dport = in ? key->local_port : key->remote_port;
}
