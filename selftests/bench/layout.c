// SPDX-License-Identifier: GPL-2.0-only
/* Policies to be asked: some as they come, some as bad as they can be. */
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

/* 10.0.1.1 and fd00::1 are the peer's. */
static void from_peer(struct fz_tuple *tuple, sa_family_t family, uint8_t protocol, unsigned int k)
{
	memset(tuple, 0, sizeof(*tuple));
	tuple->src.family = family;
	tuple->dst.family = family;
	if (family == AF_INET) {
		tuple->src.v4.s_addr = htonl(0x0a000101);
	} else {
		tuple->src.bytes[0] = 0xfd;
		tuple->src.bytes[15] = 1;
	}
	tuple->protocol = protocol;
	tuple->has_ports = true;
	tuple->sport = (uint16_t)(1024 + k % 60000);
}

static void put(struct fz_resource *res, struct fz_prefix *prefix)
{
	if (fz_resource_add_prefix(res, prefix))
		err(1, "out of memory");
}

static void put4(struct fz_resource *res, uint32_t addr, uint8_t len)
{
	struct fz_prefix prefix = { .addr.family = AF_INET, .len = len };

	prefix.addr.v4.s_addr = htonl(len ? addr & ~0U << (32 - len) : 0);
	put(res, &prefix);
}

static void put_ports(struct fz_resource *res, unsigned int min, unsigned int max)
{
	const struct fz_service service = {
		.protocol = IPPROTO_UDP, .has_ports = true, .port_min = (uint16_t)min, .port_max = (uint16_t)max
	};

	if (fz_resource_add_service(res, &service))
		err(1, "out of memory");
}

/* One address each, from 10.128.0.0 on, two dozen ports. */
static void spread(struct fz_resource *res, unsigned int i, unsigned int n)
{
	(void)n;
	put4(res, 0x0a800000 + i, 32);
	put_ports(res, 1000, 1023);
}

static void to_spread(struct fz_tuple *tuple, unsigned int k, unsigned int n)
{
	from_peer(tuple, AF_INET, IPPROTO_UDP, k);
	tuple->dst.v4.s_addr = htonl(0x0a800000 + k * 2654435761U % n);
	tuple->dport = (uint16_t)(1000 + k % 24);
}

/*
 * Number @i of the prefixes around an address of @bits bits, all different: one of each length, until
 * @n are enough for all that are as long as that. Below the first address only the last 17 bits vary.
 */
static uint8_t nested(unsigned int i, unsigned int bits, uint32_t *low)
{
	unsigned int path = bits - 16, depth = 1;

	*low = 0;
	if (i < path)
		return (uint8_t)i;
	i -= path;
	for (; i >= 1U << (depth - 1) && depth <= 17; depth++)
		i -= 1U << (depth - 1);
	*low = depth == 1 ? 0 : i << (17 - depth);
	return (uint8_t)(path + depth - 1);
}

static void nested4(struct fz_resource *res, unsigned int i, unsigned int n)
{
	uint32_t low;
	uint8_t len = nested(i, 32, &low);

	(void)n;
	put4(res, 0x0a800000 | low, len);
}

/* Those whose every prefix is there. */
static void to_nested4(struct fz_tuple *tuple, unsigned int k, unsigned int n)
{
	unsigned int leaves = n > 16 + 65535 ? n - 16 - 65535 : 1;

	from_peer(tuple, AF_INET, IPPROTO_UDP, k);
	tuple->dst.v4.s_addr = htonl(0x0a800000 | k * 2654435761U % leaves);
	tuple->dport = 7;
}

static void nested6(struct fz_resource *res, unsigned int i, unsigned int n)
{
	struct fz_prefix prefix = { .addr.family = AF_INET6 };
	uint32_t low;

	(void)n;
	prefix.len = nested(i, 128, &low);
	if (prefix.len >= 8)
		prefix.addr.bytes[0] = 0xfc;
	else if (prefix.len)
		prefix.addr.bytes[0] = (uint8_t)(0xfc & (0xff << (8 - prefix.len)));
	prefix.addr.bytes[14] = (uint8_t)(low >> 8);
	prefix.addr.bytes[15] = (uint8_t)low;
	put(res, &prefix);
}

static void to_nested6(struct fz_tuple *tuple, unsigned int k, unsigned int n)
{
	unsigned int leaves = n > 112 + 65535 ? n - 112 - 65535 : 1;
	uint32_t low = k * 2654435761U % leaves;

	from_peer(tuple, AF_INET6, IPPROTO_UDP, k);
	tuple->dst.bytes[0] = 0xfc;
	tuple->dst.bytes[14] = (uint8_t)(low >> 8);
	tuple->dst.bytes[15] = (uint8_t)low;
	tuple->dport = 7;
}

/* All at one address: six ports each, which overlap those of the neighbours. */
static void ranges(struct fz_resource *res, unsigned int i, unsigned int n)
{
	unsigned int first = (unsigned int)((uint64_t)i * 65000 / n);

	put4(res, 0x0a800000, 32);
	put_ports(res, first, first + (n > 10000 ? 0 : 5));
}

static void to_ranges(struct fz_tuple *tuple, unsigned int k, unsigned int n)
{
	from_peer(tuple, AF_INET, IPPROTO_UDP, k);
	tuple->dst.v4.s_addr = htonl(0x0a800000);
	tuple->dport = (uint16_t)((uint64_t)(k * 2654435761U % n) * 65000 / n);
}

/* All at one address, each range inside the one before. */
static void around(struct fz_resource *res, unsigned int i, unsigned int n)
{
	unsigned int first = (unsigned int)((uint64_t)i * 32000 / n);

	put4(res, 0x0a800000, 32);
	put_ports(res, first, 65535 - first);
}

static void to_around(struct fz_tuple *tuple, unsigned int k, unsigned int n)
{
	(void)n;
	from_peer(tuple, AF_INET, IPPROTO_UDP, k);
	tuple->dst.v4.s_addr = htonl(0x0a800000);
	tuple->dport = 32500;
}

/* Everything at one address, again and again. */
static void same(struct fz_resource *res, unsigned int i, unsigned int n)
{
	(void)i;
	(void)n;
	put4(res, 0x0a800000, 32);
}

static const struct layout layouts[] = {
	{ "spread", spread, to_spread },
	{ "nested4", nested4, to_nested4 },
	{ "nested6", nested6, to_nested6 },
	{ "ranges", ranges, to_ranges },
	{ "around", around, to_around },
	{ "same", same, to_around },
};

const struct layout *layout_find(const char *name)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (!strcmp(layouts[i].name, name))
			return &layouts[i];
	}
	errx(2, "there is no layout \"%s\"", name);
}

/* A peer's public key; nobody has the private one. */
void key_of(uint8_t key[FZ_KEY_LEN], unsigned int number)
{
	memset(key, 0, FZ_KEY_LEN);
	memcpy(key, "bench", 5);
	for (unsigned int i = 0; i < 4; i++)
		key[8 + i] = (uint8_t)(number >> (8 * i));
}
