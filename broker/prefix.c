// SPDX-License-Identifier: GPL-2.0-only
#include "prefix.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole))
		return false;
	return !rest || !((a[whole] ^ b[whole]) >> (8 - rest));
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->family == b->family && a->bits == b->bits && bits_equal(a->addr, b->addr, a->bits);
}

bool prefix_contains(const struct prefix *outer, const struct prefix *inner)
{
	return outer->family == inner->family && outer->bits <= inner->bits &&
	       bits_equal(outer->addr, inner->addr, outer->bits);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_contains(a, b) || prefix_contains(b, a);
}

bool prefix_holds(const struct prefix *prefix, uint8_t family, const uint8_t *addr)
{
	return prefix->family == family && bits_equal(prefix->addr, addr, prefix->bits);
}

bool prefix_unicast(const struct prefix *prefix)
{
	static const struct prefix never[] = {
		{ AF_INET, 8, { 0 } },				/* this network */
		{ AF_INET, 8, { 127 } },			/* loopback */
		{ AF_INET, 16, { 169, 254 } },			/* link-local */
		{ AF_INET, 4, { 224 } },			/* multicast */
		{ AF_INET, 4, { 240 } },			/* reserved, broadcast */
		{ AF_INET6, 127, { 0 } },			/* unspecified, loopback */
		{ AF_INET6, 96, { [10] = 0xff, [11] = 0xff } },	/* IPv4-mapped */
		{ AF_INET6, 10, { 0xfe, 0x80 } },		/* link-local */
		{ AF_INET6, 8, { 0xff } },			/* multicast */
	};

	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		if (prefix_overlaps(&never[i], prefix))
			return false;
	return true;
}

bool prefix_mask(struct prefix *prefix)
{
	unsigned int len = prefix->family == AF_INET ? 4 : 16;
	bool clean = true;

	for (unsigned int i = 0; i < sizeof(prefix->addr); i++) {
		unsigned int first = 8 * i;
		uint8_t keep = 0;

		if (i < len && prefix->bits >= first + 8)
			keep = 0xff;
		else if (i < len && prefix->bits > first)
			keep = (uint8_t)(0xff << (8 - (prefix->bits - first)));
		if (prefix->addr[i] & ~keep)
			clean = false;
		prefix->addr[i] &= keep;
	}
	return clean;
}

int prefix_compare(const void *a, const void *b)
{
	const struct prefix *p = a, *q = b;
	int order;

	if (p->family != q->family)
		return p->family == AF_INET ? -1 : 1;
	order = memcmp(p->addr, q->addr, sizeof(p->addr));
	return order ? order : (int)p->bits - (int)q->bits;
}

bool proto_has_ports(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return true;
	default:
		return false;
	}
}

bool service_holds(const struct service *service, uint8_t proto, uint16_t port)
{
	return service->proto == proto &&
	       (!proto_has_ports(proto) || (service->first <= port && port <= service->last));
}

bool service_contains(const struct service *outer, const struct service *inner)
{
	return outer->proto == inner->proto && outer->first <= inner->first && inner->last <= outer->last;
}

bool service_overlaps(const struct service *a, const struct service *b)
{
	return a->proto == b->proto && a->first <= b->last && b->first <= a->last;
}

int service_compare(const void *a, const void *b)
{
	const struct service *s = a, *t = b;

	if (s->proto != t->proto)
		return (int)s->proto - (int)t->proto;
	if (s->first != t->first)
		return (int)s->first - (int)t->first;
	return (int)s->last - (int)t->last;
}

char *addr_format(uint8_t family, const uint8_t *addr, char text[ADDR_TEXT_SIZE])
{
	if (!inet_ntop(family, addr, text, ADDR_TEXT_SIZE))
		snprintf(text, ADDR_TEXT_SIZE, "?");
	return text;
}

char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_SIZE])
{
	char addr[ADDR_TEXT_SIZE];

	snprintf(text, PREFIX_TEXT_SIZE, "%s/%u", addr_format(prefix->family, prefix->addr, addr), prefix->bits);
	return text;
}

static const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	default:
		return NULL;
	}
}

static char *proto_format(uint8_t proto, char text[SERVICE_TEXT_SIZE])
{
	const char *name = proto_name(proto);

	if (name)
		snprintf(text, SERVICE_TEXT_SIZE, "%s", name);
	else
		snprintf(text, SERVICE_TEXT_SIZE, "proto/%u", proto);
	return text;
}

char *service_format(const struct service *service, char text[SERVICE_TEXT_SIZE])
{
	size_t n;

	proto_format(service->proto, text);
	n = strlen(text);
	if (service->first == 0 && service->last == UINT16_MAX)
		return text;
	if (service->first == service->last)
		snprintf(text + n, SERVICE_TEXT_SIZE - n, "/%u", service->first);
	else
		snprintf(text + n, SERVICE_TEXT_SIZE - n, "/%u-%u", service->first, service->last);
	return text;
}

char *target_format(const struct tuple *tuple, char text[TUPLE_TEXT_SIZE])
{
	char addr[ADDR_TEXT_SIZE], proto[SERVICE_TEXT_SIZE];

	addr_format(tuple->family, tuple->dst, addr);
	proto_format(tuple->proto, proto);
	if (!proto_has_ports(tuple->proto) || tuple->proto == IPPROTO_ICMP || tuple->proto == IPPROTO_ICMPV6)
		snprintf(text, TUPLE_TEXT_SIZE, "%s/%s", addr, proto);
	else if (tuple->family == AF_INET6)
		snprintf(text, TUPLE_TEXT_SIZE, "[%s]:%u/%s", addr, tuple->dport, proto);
	else
		snprintf(text, TUPLE_TEXT_SIZE, "%s:%u/%s", addr, tuple->dport, proto);
	return text;
}

char *tag_format(const uint8_t tag[MODEL_TAG_LEN], char text[TAG_TEXT_SIZE])
{
	return sodium_bin2hex(text, TAG_TEXT_SIZE, tag, MODEL_TAG_LEN);
}
