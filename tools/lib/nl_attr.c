// SPDX-License-Identifier: GPL-2.0-only
/* Attributes of the family `fz` to and from the plain structures. */
#include "nl_internal.h"
#include "key.h"

#include <sodium.h>
#include <string.h>

static size_t addr_len(sa_family_t family)
{
	return family == AF_INET ? 4 : 16;
}

static struct nlattr *nest_start(struct nlmsghdr *nlh, uint16_t type)
{
	return mnl_attr_nest_start_check(nlh, FZ_MSG_SIZE, type);
}

/* Ends a nest, or takes it back when it is not @ok. */
static bool nest_end(struct nlmsghdr *nlh, struct nlattr *nest, bool ok)
{
	if (ok)
		mnl_attr_nest_end(nlh, nest);
	else if (nest)
		mnl_attr_nest_cancel(nlh, nest);
	return ok;
}

bool fz_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct fz_addr *addr)
{
	return mnl_attr_put_check(nlh, FZ_MSG_SIZE, type, addr_len(addr->family), addr->bytes);
}

bool fz_put_prefix(struct nlmsghdr *nlh, uint16_t type, const struct fz_prefix *prefix)
{
	struct nlattr *nest = nest_start(nlh, type);

	return nest_end(nlh, nest, nest && fz_put_addr(nlh, FZ_PREFIX_A_ADDR, &prefix->addr) &&
			mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_PREFIX_A_LEN, prefix->len));
}

bool fz_put_endpoint(struct nlmsghdr *nlh, uint16_t type, const union fz_endpoint *endpoint)
{
	return mnl_attr_put_check(nlh, FZ_MSG_SIZE, type,
				  endpoint->sa.sa_family == AF_INET ? sizeof(endpoint->v4) :
								      sizeof(endpoint->v6), endpoint);
}

bool fz_put_mode(struct nlmsghdr *nlh, uint16_t type, uint8_t direction,
		 const struct fz_mode_state *mode)
{
	struct nlattr *nest = nest_start(nlh, type);

	return nest_end(nlh, nest, nest &&
			mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_MODE_A_DIRECTION, direction) &&
			mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_MODE_A_MODE, mode->mode) &&
			mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FZ_MODE_A_FLAGS, mode->flags));
}

static bool put_service(struct nlmsghdr *nlh, uint16_t type, const struct fz_service *service)
{
	struct nlattr *nest = nest_start(nlh, type);
	bool ok;

	ok = nest && mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_SERVICE_A_PROTOCOL, service->protocol);
	if (ok && service->has_ports)
		ok = mnl_attr_put_u16_check(nlh, FZ_MSG_SIZE, FZ_SERVICE_A_PORT_MIN, service->port_min) &&
		     mnl_attr_put_u16_check(nlh, FZ_MSG_SIZE, FZ_SERVICE_A_PORT_MAX, service->port_max);
	return nest_end(nlh, nest, ok);
}

bool fz_put_resource(struct nlmsghdr *nlh, uint16_t type, const struct fz_resource *res, bool name_only)
{
	struct nlattr *nest = nest_start(nlh, type);
	bool ok;

	ok = nest && mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, FZ_RESOURCE_A_NAME, res->name);
	for (size_t i = 0; ok && !name_only && i < res->n_prefixes; i++)
		ok = fz_put_prefix(nlh, FZ_RESOURCE_A_PREFIX, &res->prefixes[i]);
	for (size_t i = 0; ok && !name_only && i < res->n_services; i++)
		ok = put_service(nlh, FZ_RESOURCE_A_SERVICE, &res->services[i]);
	return nest_end(nlh, nest, ok);
}

static bool put_grant_terms(struct nlmsghdr *nlh, const struct fz_grant *grant)
{
	if (!mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_GRANT_A_ACTION, grant->action))
		return false;
	if (grant->has_lease &&
	    !mnl_attr_put_u64_check(nlh, FZ_MSG_SIZE, FZ_GRANT_A_LEASE_MS, grant->lease_ms))
		return false;
	if (grant->has_tag && !mnl_attr_put_check(nlh, FZ_MSG_SIZE, FZ_GRANT_A_TAG, FZ_TAG_LEN, grant->tag))
		return false;
	if (grant->quota && !mnl_attr_put_u64_check(nlh, FZ_MSG_SIZE, FZ_GRANT_A_QUOTA, grant->quota))
		return false;
	if (grant->rate && !mnl_attr_put_u64_check(nlh, FZ_MSG_SIZE, FZ_GRANT_A_RATE, grant->rate))
		return false;
	return !grant->flow_rate ||
	       mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FZ_GRANT_A_FLOW_RATE, grant->flow_rate);
}

bool fz_put_grant(struct nlmsghdr *nlh, uint16_t type, const struct fz_grant *grant, bool key_only)
{
	struct nlattr *nest = nest_start(nlh, type);
	bool ok;

	ok = nest && (grant->any || mnl_attr_put_check(nlh, FZ_MSG_SIZE, FZ_GRANT_A_PEER, FZ_KEY_LEN,
							grant->peer)) &&
	     mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, FZ_GRANT_A_RESOURCE, grant->resource) &&
	     mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_GRANT_A_DIRECTION, grant->direction) &&
	     (key_only || put_grant_terms(nlh, grant));
	return nest_end(nlh, nest, ok);
}

bool fz_put_tuple(struct nlmsghdr *nlh, uint16_t type, const struct fz_tuple *tuple)
{
	struct nlattr *nest = nest_start(nlh, type);
	bool ok;

	ok = nest && mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_TUPLE_A_PROTOCOL, tuple->protocol) &&
	     fz_put_addr(nlh, FZ_TUPLE_A_SRC, &tuple->src) && fz_put_addr(nlh, FZ_TUPLE_A_DST, &tuple->dst);
	if (ok && tuple->has_ports)
		ok = mnl_attr_put_u16_check(nlh, FZ_MSG_SIZE, FZ_TUPLE_A_SPORT, tuple->sport) &&
		     mnl_attr_put_u16_check(nlh, FZ_MSG_SIZE, FZ_TUPLE_A_DPORT, tuple->dport);
	if (ok && tuple->has_icmp)
		ok = mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_TUPLE_A_ICMP_TYPE, tuple->icmp_type) &&
		     mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_TUPLE_A_ICMP_CODE, tuple->icmp_code) &&
		     mnl_attr_put_u16_check(nlh, FZ_MSG_SIZE, FZ_TUPLE_A_ICMP_ID, tuple->icmp_id);
	return nest_end(nlh, nest, ok);
}

static void remember(struct fz_attrs *attrs, const struct nlattr *attr)
{
	unsigned int type = mnl_attr_get_type(attr);

	if (type < sizeof(attrs->found) / sizeof(attrs->found[0]))
		attrs->found[type] = attr;
}

void fz_attrs_read(struct fz_attrs *attrs, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	memset(attrs, 0, sizeof(*attrs));
	mnl_attr_for_each(attr, nlh, MNL_ALIGN(4) /* struct genlmsghdr */)
		remember(attrs, attr);
}

void fz_attrs_read_nest(struct fz_attrs *attrs, const struct nlattr *nest)
{
	const struct nlattr *attr;

	memset(attrs, 0, sizeof(*attrs));
	mnl_attr_for_each_nested(attr, nest)
		remember(attrs, attr);
}

bool fz_attr_bytes(const struct fz_attrs *attrs, unsigned int type, void *out, size_t len)
{
	const struct nlattr *attr = attrs->found[type];

	if (!attr || mnl_attr_get_payload_len(attr) < len)
		return false;
	memcpy(out, mnl_attr_get_payload(attr), len);
	return true;
}

uint8_t fz_attr_u8(const struct fz_attrs *attrs, unsigned int type)
{
	uint8_t value = 0;

	fz_attr_bytes(attrs, type, &value, sizeof(value));
	return value;
}

uint16_t fz_attr_u16(const struct fz_attrs *attrs, unsigned int type)
{
	uint16_t value = 0;

	fz_attr_bytes(attrs, type, &value, sizeof(value));
	return value;
}

uint32_t fz_attr_u32(const struct fz_attrs *attrs, unsigned int type)
{
	uint32_t value = 0;

	fz_attr_bytes(attrs, type, &value, sizeof(value));
	return value;
}

uint64_t fz_attr_u64(const struct fz_attrs *attrs, unsigned int type)
{
	uint64_t value = 0;

	fz_attr_bytes(attrs, type, &value, sizeof(value));
	return value;
}

void fz_attr_text(const struct fz_attrs *attrs, unsigned int type, char *out, size_t size)
{
	const struct nlattr *attr = attrs->found[type];
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	if (len >= size)
		len = size - 1;
	if (len)
		memcpy(out, mnl_attr_get_payload(attr), len);
	out[len] = 0;
}

void fz_attr_addr(const struct fz_attrs *attrs, unsigned int type, struct fz_addr *out)
{
	const struct nlattr *attr = attrs->found[type];
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	memset(out, 0, sizeof(*out));
	if (len != 4 && len != 16)
		return;
	out->family = len == 4 ? AF_INET : AF_INET6;
	memcpy(out->bytes, mnl_attr_get_payload(attr), len);
}

void fz_attr_endpoint(const struct fz_attrs *attrs, unsigned int type, union fz_endpoint *out)
{
	union fz_endpoint ep = { 0 };

	memset(out, 0, sizeof(*out));
	if (!fz_attr_bytes(attrs, type, &ep, sizeof(ep.sa.sa_family)))
		return;
	if (ep.sa.sa_family == AF_INET)
		fz_attr_bytes(attrs, type, &out->v4, sizeof(out->v4));
	else if (ep.sa.sa_family == AF_INET6)
		fz_attr_bytes(attrs, type, &out->v6, sizeof(out->v6));
}

void fz_get_prefix(const struct nlattr *nest, struct fz_prefix *out)
{
	struct fz_attrs attrs;

	fz_attrs_read_nest(&attrs, nest);
	memset(out, 0, sizeof(*out));
	fz_attr_addr(&attrs, FZ_PREFIX_A_ADDR, &out->addr);
	out->len = fz_attr_u8(&attrs, FZ_PREFIX_A_LEN);
}

void fz_get_mode(const struct nlattr *nest, struct fz_mode_state out[FZ_DIRECTIONS])
{
	struct fz_attrs attrs;
	uint8_t direction;

	fz_attrs_read_nest(&attrs, nest);
	direction = fz_attr_u8(&attrs, FZ_MODE_A_DIRECTION);
	if (direction >= FZ_DIRECTIONS)
		return;
	out[direction].present = true;
	out[direction].mode = fz_attr_u8(&attrs, FZ_MODE_A_MODE);
	out[direction].flags = fz_attr_u32(&attrs, FZ_MODE_A_FLAGS);
}

static void get_service(const struct nlattr *nest, struct fz_service *out)
{
	struct fz_attrs attrs;

	fz_attrs_read_nest(&attrs, nest);
	memset(out, 0, sizeof(*out));
	out->protocol = fz_attr_u8(&attrs, FZ_SERVICE_A_PROTOCOL);
	if (!attrs.found[FZ_SERVICE_A_PORT_MIN])
		return;
	out->has_ports = true;
	out->port_min = fz_attr_u16(&attrs, FZ_SERVICE_A_PORT_MIN);
	out->port_max = out->port_min;
	if (attrs.found[FZ_SERVICE_A_PORT_MAX])
		out->port_max = fz_attr_u16(&attrs, FZ_SERVICE_A_PORT_MAX);
}

/* Appends to what @out already holds, so that a continued resource grows. 0 or -ENOMEM. */
int fz_get_resource(const struct nlattr *nest, struct fz_resource *out)
{
	const struct nlattr *attr;
	struct fz_service service;
	struct fz_prefix prefix;
	struct fz_attrs attrs;
	int ret = 0;

	fz_attrs_read_nest(&attrs, nest);
	fz_attr_text(&attrs, FZ_RESOURCE_A_NAME, out->name, sizeof(out->name));
	out->grants = fz_attr_u32(&attrs, FZ_RESOURCE_A_GRANTS);
	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == FZ_RESOURCE_A_PREFIX) {
			fz_get_prefix(attr, &prefix);
			ret = fz_resource_add_prefix(out, &prefix);
		} else if (mnl_attr_get_type(attr) == FZ_RESOURCE_A_SERVICE) {
			get_service(attr, &service);
			ret = fz_resource_add_service(out, &service);
		}
		if (ret)
			return ret;
	}
	return 0;
}

void fz_get_grant(const struct nlattr *nest, struct fz_grant *out)
{
	struct fz_attrs attrs;

	fz_attrs_read_nest(&attrs, nest);
	memset(out, 0, sizeof(*out));
	out->any = !fz_attr_bytes(&attrs, FZ_GRANT_A_PEER, out->peer, FZ_KEY_LEN);
	fz_attr_text(&attrs, FZ_GRANT_A_RESOURCE, out->resource, sizeof(out->resource));
	out->direction = fz_attr_u8(&attrs, FZ_GRANT_A_DIRECTION);
	out->action = fz_attr_u8(&attrs, FZ_GRANT_A_ACTION);
	out->has_lease = attrs.found[FZ_GRANT_A_LEASE_MS];
	out->lease_ms = fz_attr_u64(&attrs, FZ_GRANT_A_LEASE_MS);
	out->has_tag = fz_attr_bytes(&attrs, FZ_GRANT_A_TAG, out->tag, FZ_TAG_LEN);
	out->quota = fz_attr_u64(&attrs, FZ_GRANT_A_QUOTA);
	out->quota_used = fz_attr_u64(&attrs, FZ_GRANT_A_QUOTA_USED);
	out->rate = fz_attr_u64(&attrs, FZ_GRANT_A_RATE);
	out->flow_rate = fz_attr_u32(&attrs, FZ_GRANT_A_FLOW_RATE);
	out->packets = fz_attr_u64(&attrs, FZ_GRANT_A_PACKETS);
	out->bytes = fz_attr_u64(&attrs, FZ_GRANT_A_BYTES);
	out->flows = fz_attr_u32(&attrs, FZ_GRANT_A_FLOWS);
}

void fz_get_tuple(const struct nlattr *nest, struct fz_tuple *out)
{
	struct fz_attrs attrs;

	fz_attrs_read_nest(&attrs, nest);
	memset(out, 0, sizeof(*out));
	out->protocol = fz_attr_u8(&attrs, FZ_TUPLE_A_PROTOCOL);
	fz_attr_addr(&attrs, FZ_TUPLE_A_SRC, &out->src);
	fz_attr_addr(&attrs, FZ_TUPLE_A_DST, &out->dst);
	out->has_ports = attrs.found[FZ_TUPLE_A_SPORT] || attrs.found[FZ_TUPLE_A_DPORT];
	out->sport = fz_attr_u16(&attrs, FZ_TUPLE_A_SPORT);
	out->dport = fz_attr_u16(&attrs, FZ_TUPLE_A_DPORT);
	out->has_icmp = attrs.found[FZ_TUPLE_A_ICMP_TYPE];
	out->icmp_type = fz_attr_u8(&attrs, FZ_TUPLE_A_ICMP_TYPE);
	out->icmp_code = fz_attr_u8(&attrs, FZ_TUPLE_A_ICMP_CODE);
	out->icmp_id = fz_attr_u16(&attrs, FZ_TUPLE_A_ICMP_ID);
}

void fz_get_flow(const struct nlattr *nest, struct fz_flow *out)
{
	struct fz_attrs attrs;

	fz_attrs_read_nest(&attrs, nest);
	memset(out, 0, sizeof(*out));
	fz_attr_bytes(&attrs, FZ_FLOW_A_PEER, out->peer, FZ_KEY_LEN);
	out->direction = fz_attr_u8(&attrs, FZ_FLOW_A_DIRECTION);
	if (attrs.found[FZ_FLOW_A_TUPLE])
		fz_get_tuple(attrs.found[FZ_FLOW_A_TUPLE], &out->tuple);
	out->state = fz_attr_u8(&attrs, FZ_FLOW_A_STATE);
	fz_attr_text(&attrs, FZ_FLOW_A_RESOURCE, out->resource, sizeof(out->resource));
	out->has_tag = fz_attr_bytes(&attrs, FZ_FLOW_A_TAG, out->tag, FZ_TAG_LEN);
	out->orig_packets = fz_attr_u64(&attrs, FZ_FLOW_A_ORIG_PACKETS);
	out->orig_bytes = fz_attr_u64(&attrs, FZ_FLOW_A_ORIG_BYTES);
	out->reply_packets = fz_attr_u64(&attrs, FZ_FLOW_A_REPLY_PACKETS);
	out->reply_bytes = fz_attr_u64(&attrs, FZ_FLOW_A_REPLY_BYTES);
	out->age_ms = fz_attr_u64(&attrs, FZ_FLOW_A_AGE_MS);
	out->timeout_ms = fz_attr_u64(&attrs, FZ_FLOW_A_TIMEOUT_MS);
	out->has_lease = attrs.found[FZ_FLOW_A_LEASE_MS];
	out->lease_ms = fz_attr_u64(&attrs, FZ_FLOW_A_LEASE_MS);
	out->end = fz_attr_u8(&attrs, FZ_FLOW_A_END);
	out->observed = fz_attr_u8(&attrs, FZ_FLOW_A_OBSERVED);
}

/* Leaves alone what the message does not say, so that an answer completes its question. */
void fz_get_decision(const struct fz_attrs *attrs, struct fz_decision *out)
{
	if (fz_attr_bytes(attrs, FZ_DECISION_A_PEER, out->peer, FZ_KEY_LEN))
		out->has_peer = true;
	if (attrs->found[FZ_DECISION_A_DIRECTION])
		out->direction = fz_attr_u8(attrs, FZ_DECISION_A_DIRECTION);
	if (attrs->found[FZ_DECISION_A_TUPLE])
		fz_get_tuple(attrs->found[FZ_DECISION_A_TUPLE], &out->tuple);
	out->verdict = fz_attr_u8(attrs, FZ_DECISION_A_VERDICT);
	out->reason = fz_attr_u8(attrs, FZ_DECISION_A_REASON);
	out->mode = fz_attr_u8(attrs, FZ_DECISION_A_MODE);
	out->has_grant = attrs->found[FZ_DECISION_A_GRANT];
	if (out->has_grant)
		fz_get_grant(attrs->found[FZ_DECISION_A_GRANT], &out->grant);
	out->id = fz_attr_u64(attrs, FZ_DECISION_A_ID);
	out->ttl_ms = fz_attr_u32(attrs, FZ_DECISION_A_TTL_MS);
	/* an expired grant's is reported whether it had one or not */
	out->has_tag = fz_attr_bytes(attrs, FZ_DECISION_A_TAG, out->tag, FZ_TAG_LEN) &&
		       !sodium_is_zero(out->tag, FZ_TAG_LEN);
	fz_attr_text(attrs, FZ_DECISION_A_RESOURCE, out->resource, sizeof(out->resource));
}
