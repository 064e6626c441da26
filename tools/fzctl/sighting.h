/* SPDX-License-Identifier: GPL-2.0-only */
/* What was seen to be refused, or would have been: counted by who, which way, where to, and what. */
#ifndef FZCTL_SIGHTING_H
#define FZCTL_SIGHTING_H

#include "types.h"

#include <sodium.h>

/**
 * struct sighting - flows that differ in nothing that a grant could tell apart
 * @dev: the device
 * @peer: the peer's key
 * @dst: where to, cut to @len bits
 * @port: of the destination, or the ICMP type; 0 if the protocol has neither
 * @direction: enum fz_direction
 * @protocol: IP protocol number
 * @len: bits of @dst that count
 * @reason: enum fz_reason: FZ_REASON_NO_GRANT, or why a grant that is there did not admit it
 * @backwards: each came from a service's port and went to one that is handed out for an hour: a reply,
 *	more likely, to what began before anybody looked
 * @count: how often
 * @first, @last: milliseconds since 1970
 *
 * What comes before @backwards has no holes and is compared as bytes.
 */
struct sighting {
	char dev[IFNAMSIZ];
	uint8_t peer[FZ_KEY_LEN];
	uint8_t dst[16];
	uint16_t family;
	uint16_t port;
	uint8_t direction;
	uint8_t protocol;
	uint8_t len;
	uint8_t reason;
	bool backwards;
	uint64_t count;
	int64_t first;
	int64_t last;
};

/**
 * struct sightings - a bounded number of them
 * @list: in no order
 * @n: how many
 * @max: how many there may be
 * @index: hash table of numbers in @list plus one; 0 is free
 * @mask: size of @index less one
 * @key: of the hash: whoever is reported on does not know what is put beside what
 * @given_up: sightings that were given up for want of room, the rarest first
 * @given_up_count: how often they had been seen
 */
struct sightings {
	struct sighting *list;
	size_t n;
	size_t max;
	uint32_t *index;
	size_t mask;
	uint8_t key[crypto_shorthash_KEYBYTES];
	uint64_t given_up;
	uint64_t given_up_count;
};

#define SIGHTINGS_MAX 500000	/* about 70 MB with the index */

int sightings_init(struct sightings *s, size_t max);
void sightings_clear(struct sightings *s);
void sightings_add(struct sightings *s, const struct sighting *one);

struct fz_addr sighting_addr(const struct sighting *one);
bool protocol_has_ports(uint8_t protocol);

#endif
