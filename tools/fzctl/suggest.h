/* SPDX-License-Identifier: GPL-2.0-only */
/* From what was seen to the resources and grants that would admit it, and nothing else. */
#ifndef FZCTL_SUGGEST_H
#define FZCTL_SUGGEST_H

#include "sighting.h"

/* Why something that was seen is not suggested. */
enum doubt {
	DOUBT_NONE,
	DOUBT_RARE,		/* seen less often than was asked for */
	DOUBT_REPLY,		/* from a service's port to an ephemeral one */
	DOUBT_EPHEMERAL,	/* to an ephemeral port, hardly ever */
	DOUBT_PORTS,		/* one of too many ports of an address */
	DOUBT_ADDRESSES,	/* one of too many addresses with a service */
	DOUBT_MANY,		/* one of too many services on too many addresses */
	DOUBT_UNNAMED,		/* a port of a protocol whose ports a grant cannot name */
	/* there is a grant: */
	DOUBT_EXPIRED,
	DOUBT_QUOTA,		/* used up */
	DOUBT_RATE,		/* of packets or new flows, or of requests */
	DOUBTS
};

/**
 * struct suggest_options - what is believed
 * @min_count: seen less often, it is not suggested
 * @max_ports: more ports of one address, by one peer, are a scan
 * @max_addresses: more addresses with one service, by one peer, are a sweep; more services on addresses
 *	than the product of both are neither, but as suspect
 * @name: what names of resources begin with
 */
struct suggest_options {
	uint64_t min_count;
	size_t max_ports;
	size_t max_addresses;
	const char *name;
};

/**
 * struct seen - how often and when
 */
struct seen {
	uint64_t count;
	int64_t first;
	int64_t last;
};

/**
 * struct suggested_grant - a peer may reach the resource
 * @peer: points into the sightings
 */
struct suggested_grant {
	const uint8_t *peer;
	struct seen seen;
};

/**
 * struct suggestion - a resource, and those who were seen to reach all of it
 * @dev: points into the sightings
 * @resource: owned
 * @grants: owned, one for each peer, in order of their keys
 */
struct suggestion {
	const char *dev;
	uint8_t direction;
	struct fz_resource resource;
	struct seen seen;
	struct suggested_grant *grants;
	size_t n_grants;
};

/**
 * struct doubtful - what is not suggested, for one reason
 * @one: the first of them; @n > 1 says that more differ from it in port or address
 * @n: how many
 */
struct doubtful {
	enum doubt doubt;
	const struct sighting *one;
	size_t n;
	struct seen seen;
};

/**
 * struct suggestions - all that can be said
 * @list: owned, by device, direction, peers
 * @doubtful: owned, by device, peer, direction
 */
struct suggestions {
	struct suggestion *list;
	size_t n;
	struct doubtful *doubtful;
	size_t n_doubtful;
};

int suggest(const struct sightings *s, const struct suggest_options *options, struct suggestions *out);
void suggestions_clear(struct suggestions *all);
const char *doubt_sentence(enum doubt doubt);
bool doubt_is_of_grant(enum doubt doubt);
const char *doubt_name(enum doubt doubt);

#endif
