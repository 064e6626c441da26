/* SPDX-License-Identifier: GPL-2.0-only */
/* Prefixes, services and tuples: comparing them, and as text. */
#ifndef BROKER_PREFIX_H
#define BROKER_PREFIX_H

#include "model.h"

#define ADDR_TEXT_SIZE		48
#define PREFIX_TEXT_SIZE	52
#define SERVICE_TEXT_SIZE	32
#define TUPLE_TEXT_SIZE		140
#define TAG_TEXT_SIZE		(2 * MODEL_TAG_LEN + 1)

bool prefix_equal(const struct prefix *a, const struct prefix *b);
/* Every address of @inner is in @outer. */
bool prefix_contains(const struct prefix *outer, const struct prefix *inner);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
bool prefix_holds(const struct prefix *prefix, uint8_t family, const uint8_t *addr);
/* No multicast, loopback, link-local, unspecified or reserved address in it; a default route is no such prefix. */
bool prefix_unicast(const struct prefix *prefix);
/* Clears the bits of @addr beyond @bits; true when none was set. */
bool prefix_mask(struct prefix *prefix);
int prefix_compare(const void *a, const void *b);

/* A protocol has ports or types to choose by. */
bool proto_has_ports(uint8_t proto);
bool service_holds(const struct service *service, uint8_t proto, uint16_t port);
bool service_contains(const struct service *outer, const struct service *inner);
bool service_overlaps(const struct service *a, const struct service *b);
int service_compare(const void *a, const void *b);

/* All return @text. */
char *addr_format(uint8_t family, const uint8_t *addr, char text[ADDR_TEXT_SIZE]);
/* 10.1.0.0/24; a whole address has its length too */
char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_SIZE]);
/* tcp/443, udp/8000-8010, icmp, proto/47 */
char *service_format(const struct service *service, char text[SERVICE_TEXT_SIZE]);
/* 10.1.0.5:443/tcp */
char *target_format(const struct tuple *tuple, char text[TUPLE_TEXT_SIZE]);
char *tag_format(const uint8_t tag[MODEL_TAG_LEN], char text[TAG_TEXT_SIZE]);

#endif
