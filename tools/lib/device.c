// SPDX-License-Identifier: GPL-2.0-only
/* The plain structures: growing, sorting, freeing them. */
#include "types.h"
#include "key.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/*
 * One more zeroed element at the end of an array. Arrays grow when their
 * length is a power of two (or 0), so that no capacity needs to be kept.
 */
static void *append(void **array, size_t *n, size_t size)
{
	void *grown, *element;

	if (!(*n & (*n - 1))) {
		grown = reallocarray(*array, *n ? 2 * *n : 1, size);
		if (!grown)
			return NULL;
		*array = grown;
	}
	element = (char *)*array + *n * size;
	memset(element, 0, size);
	(*n)++;
	return element;
}

/**
 * fz_device_new - a device to be filled
 * @name: its name
 *
 * A name that is too long would, cut, be another device's: it is left out, and the kernel never asked.
 *
 * Return: a device without anything, which the caller owns; NULL if out of memory.
 */
struct fz_device *fz_device_new(const char *name)
{
	struct fz_device *dev = calloc(1, sizeof(*dev));

	if (dev && strlen(name) < sizeof(dev->name))
		strcpy(dev->name, name);
	return dev;
}

/**
 * fz_device_free - a device and all that it owns; its keys are wiped
 * @dev: may be NULL
 */
void fz_device_free(struct fz_device *dev)
{
	if (!dev)
		return;
	for (size_t i = 0; i < dev->n_peers; i++) {
		free(dev->peers[i].allowedips);
		free(dev->peers[i].candidates);
		sodium_memzero(dev->peers[i].preshared_key, FZ_KEY_LEN);
	}
	free(dev->peers);
	free(dev->ask_prefixes);
	sodium_memzero(dev->private_key, FZ_KEY_LEN);
	free(dev);
}

/**
 * fz_device_add_peer - one more peer
 * @dev: the device
 *
 * Return: the new peer, zeroed; valid until the next is added. NULL if out of memory.
 */
struct fz_peer *fz_device_add_peer(struct fz_device *dev)
{
	struct fz_peer *grown;

	if (dev->n_peers && !(dev->n_peers & (dev->n_peers - 1))) {
		/* By hand, so that no copy of a preshared key stays behind. */
		grown = calloc(2 * dev->n_peers, sizeof(*grown));
		if (!grown)
			return NULL;
		memcpy(grown, dev->peers, dev->n_peers * sizeof(*grown));
		sodium_memzero(dev->peers, dev->n_peers * sizeof(*grown));
		free(dev->peers);
		dev->peers = grown;
	} else if (!dev->n_peers) {
		free(dev->peers);
		dev->peers = calloc(1, sizeof(*dev->peers));
		if (!dev->peers)
			return NULL;
	}
	grown = &dev->peers[dev->n_peers++];
	memset(grown, 0, sizeof(*grown));
	return grown;
}

/**
 * fz_device_find_peer - the peer with a key
 * @dev: the device
 * @public_key: the key
 *
 * Return: the peer, or NULL.
 */
struct fz_peer *fz_device_find_peer(const struct fz_device *dev, const uint8_t public_key[FZ_KEY_LEN])
{
	for (size_t i = 0; i < dev->n_peers; i++) {
		if (!memcmp(dev->peers[i].public_key, public_key, FZ_KEY_LEN))
			return &dev->peers[i];
	}
	return NULL;
}

/**
 * fz_device_add_ask_prefix - one more prefix to ask about
 * @dev: the device
 * @prefix: copied
 *
 * Return: 0 or -ENOMEM
 */
int fz_device_add_ask_prefix(struct fz_device *dev, const struct fz_prefix *prefix)
{
	struct fz_prefix *p = append((void **)&dev->ask_prefixes, &dev->n_ask_prefixes, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = *prefix;
	return 0;
}

/**
 * fz_peer_add_allowedip - one more allowed IP
 * @peer: the peer
 * @prefix: copied
 * @flags: FZ_ALLOWEDIP_F_*
 *
 * Return: 0 or -ENOMEM
 */
int fz_peer_add_allowedip(struct fz_peer *peer, const struct fz_prefix *prefix, uint32_t flags)
{
	struct fz_allowedip *ip = append((void **)&peer->allowedips, &peer->n_allowedips, sizeof(*ip));

	if (!ip)
		return -ENOMEM;
	ip->prefix = *prefix;
	ip->flags = flags;
	return 0;
}

/**
 * fz_peer_add_candidate - one more endpoint to try
 * @peer: the peer
 * @candidate: copied
 *
 * Return: 0 or -ENOMEM
 */
int fz_peer_add_candidate(struct fz_peer *peer, const struct fz_candidate *candidate)
{
	struct fz_candidate *c = append((void **)&peer->candidates, &peer->n_candidates, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*c = *candidate;
	return 0;
}

/* The most recent handshake first, peers that never had one last. */
static int compare_handshakes(const void *left, const void *right)
{
	const struct fz_peer *a = left, *b = right;

	if (a->last_handshake.sec != b->last_handshake.sec)
		return a->last_handshake.sec < b->last_handshake.sec ? 1 : -1;
	if (a->last_handshake.nsec != b->last_handshake.nsec)
		return a->last_handshake.nsec < b->last_handshake.nsec ? 1 : -1;
	return 0;
}

/**
 * fz_device_sort - peers in the order in which they are shown
 * @dev: the device; pointers to its peers are no longer valid
 */
void fz_device_sort(struct fz_device *dev)
{
	if (dev->n_peers)
		qsort(dev->peers, dev->n_peers, sizeof(*dev->peers), compare_handshakes);
}

/**
 * fz_resource_add_prefix - one more prefix
 * @res: the resource
 * @prefix: copied
 *
 * Return: 0 or -ENOMEM
 */
int fz_resource_add_prefix(struct fz_resource *res, const struct fz_prefix *prefix)
{
	struct fz_prefix *p = append((void **)&res->prefixes, &res->n_prefixes, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = *prefix;
	return 0;
}

/**
 * fz_resource_add_service - one more service
 * @res: the resource
 * @service: copied
 *
 * Return: 0 or -ENOMEM
 */
int fz_resource_add_service(struct fz_resource *res, const struct fz_service *service)
{
	struct fz_service *s = append((void **)&res->services, &res->n_services, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = *service;
	return 0;
}

/**
 * fz_resource_clear - free what a resource owns, and make it empty
 * @res: itself not freed
 */
void fz_resource_clear(struct fz_resource *res)
{
	free(res->prefixes);
	free(res->services);
	memset(res, 0, sizeof(*res));
}

/**
 * fz_resources_free - free an array of resources and what they own
 * @list: may be NULL
 * @n: how many
 */
void fz_resources_free(struct fz_resource *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fz_resource_clear(&list[i]);
	free(list);
}
