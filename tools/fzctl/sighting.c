// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counting in bounded room. A scan makes as many different flows as it likes, so the room does run out;
 * then what was seen least often goes, and is counted. What is seen often enough to matter stays, as
 * with lossy counting (Manku and Motwani, 2002).
 */
#include "sighting.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define WHAT offsetof(struct sighting, backwards)

static_assert(WHAT == IFNAMSIZ + FZ_KEY_LEN + 16 + 8, "no holes");

/**
 * sightings_init - nothing seen yet
 * @s: to be cleared by sightings_clear()
 * @max: how many different ones there may be, at least 4
 *
 * Return: 0 or -ENOMEM
 */
int sightings_init(struct sightings *s, size_t max)
{
	size_t size = 8;

	memset(s, 0, sizeof(*s));
	while (size < 2 * max)
		size *= 2;
	s->max = max;
	s->mask = size - 1;
	randombytes_buf(s->key, sizeof(s->key));
	/* Untouched pages cost nothing. */
	s->list = calloc(max, sizeof(*s->list));
	s->index = calloc(size, sizeof(*s->index));
	if (s->list && s->index)
		return 0;
	sightings_clear(s);
	return -ENOMEM;
}

/**
 * sightings_clear - free what they own
 * @s: itself not freed
 */
void sightings_clear(struct sightings *s)
{
	free(s->list);
	free(s->index);
	memset(s, 0, sizeof(*s));
}

static uint64_t hash(const struct sightings *s, const struct sighting *one)
{
	unsigned char sum[crypto_shorthash_BYTES];
	uint64_t value;

	static_assert(sizeof(sum) == sizeof(value), "all of it");
	crypto_shorthash(sum, (const unsigned char *)one, WHAT, s->key);
	memcpy(&value, sum, sizeof(value));
	return value;
}

/* Where it is in the index, or would be. */
static uint32_t *find(struct sightings *s, const struct sighting *one)
{
	size_t at = hash(s, one) & s->mask;

	while (s->index[at] && memcmp(&s->list[s->index[at] - 1], one, WHAT))
		at = (at + 1) & s->mask;
	return &s->index[at];
}

/* Makes room: what was seen once, and if that is not enough, twice, four times ... */
static void give_up_some(struct sightings *s)
{
	size_t kept = s->n;

	for (uint64_t rare = 1; kept > s->max - s->max / 4; rare *= 2) {
		kept = 0;
		for (size_t i = 0; i < s->n; i++) {
			if (s->list[i].count > rare) {
				s->list[kept++] = s->list[i];
				continue;
			}
			s->given_up++;
			s->given_up_count += s->list[i].count;
		}
		s->n = kept;
	}
	memset(s->index, 0, (s->mask + 1) * sizeof(*s->index));
	for (size_t i = 0; i < s->n; i++)
		*find(s, &s->list[i]) = (uint32_t)i + 1;
}

/**
 * sightings_add - one more
 * @s: all
 * @one: copied; zeroed where it says nothing
 */
void sightings_add(struct sightings *s, const struct sighting *one)
{
	uint32_t *at = find(s, one);
	struct sighting *known;

	if (!*at) {
		if (s->n == s->max) {
			give_up_some(s);
			at = find(s, one);
		}
		s->list[s->n++] = *one;
		*at = (uint32_t)s->n;
		return;
	}
	known = &s->list[*at - 1];
	known->backwards &= one->backwards;
	known->count += one->count;
	if (one->first < known->first)
		known->first = one->first;
	if (one->last > known->last)
		known->last = one->last;
}

struct fz_addr sighting_addr(const struct sighting *one)
{
	struct fz_addr addr = { .family = one->family };

	memcpy(addr.bytes, one->dst, sizeof(addr.bytes));
	return addr;
}

bool protocol_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}
