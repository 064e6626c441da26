// SPDX-License-Identifier: GPL-2.0-only
/*
 * A resource is a set of addresses, each with all of a set of services. It is suggested for those peers
 * that were seen at every one of its services on every one of its addresses, so that what is granted is
 * what was seen: accesses of one service on one address are put together if the same peers made them.
 */
#include "suggest.h"
#include "format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPHEMERAL_PORT	32768	/* where Linux begins to hand out ports */
#define EPHEMERAL_COUNT	3	/* a service there is used more often than this */
#define SUM_SIZE	12	/* bytes of a sum in a name */
#define STANDS_OUT	10	/* times as often as its like, it is no part of a scan */

/* What is looked at: a sighting and what is thought of it. */
struct item {
	const struct sighting *one;
	enum doubt doubt;
};

/* One service on one address, and all who were seen there: items[first .. first + n). */
struct access {
	const struct item *first;
	size_t n;
};

/* One address with all services that the same peers were seen at. */
struct place {
	const struct access *first;
	size_t n;
};

const char *doubt_name(enum doubt doubt)
{
	static const char *const names[DOUBTS] = {
		"none", "rare", "reply", "ephemeral-port", "many-ports", "many-addresses", "many-flows", "unnamed-port",
		"expired", "quota", "rate",
	};

	return names[doubt];
}

const char *doubt_sentence(enum doubt doubt)
{
	static const char *const sentences[DOUBTS] = {
		"",
		"seen too seldom",
		"looks like a reply to what began before",
		"a port that is handed out for an hour, seen once or twice",
		"one of many ports, perhaps a scan",
		"one of many addresses, perhaps a sweep",
		"one of very many, perhaps a scan",
		"a grant cannot name ports of this protocol",
		"the grant has expired: renew it",
		"the quota of the grant is used up: raise it",
		"faster than the rate of the grant, or than may be asked about",
	};

	return sentences[doubt];
}

/* Whether it is no matter of a missing grant. */
bool doubt_is_of_grant(enum doubt doubt)
{
	return doubt == DOUBT_EXPIRED || doubt == DOUBT_QUOTA || doubt == DOUBT_RATE;
}

static void seen_add(struct seen *seen, const struct sighting *one)
{
	if (!seen->count || one->first < seen->first)
		seen->first = one->first;
	if (!seen->count || one->last > seen->last)
		seen->last = one->last;
	seen->count += one->count;
}

#define COMPARE(a, b) do {		\
	if ((a) != (b))			\
		return (a) < (b) ? -1 : 1;	\
} while (0)

static int compare_who(const struct sighting *a, const struct sighting *b)
{
	int order = strncmp(a->dev, b->dev, sizeof(a->dev));

	if (!order)
		order = memcmp(a->peer, b->peer, sizeof(a->peer));
	return order ? order : (int)a->direction - b->direction;
}

static int compare_dst(const struct sighting *a, const struct sighting *b)
{
	int order;

	COMPARE(a->family, b->family);
	order = memcmp(a->dst, b->dst, sizeof(a->dst));
	return order ? order : (int)a->len - b->len;
}

static int compare_service(const struct sighting *a, const struct sighting *b)
{
	COMPARE(a->protocol, b->protocol);
	COMPARE(a->port, b->port);
	return 0;
}

/* All ports that one peer was seen at, of one protocol on one address, side by side. */
static int by_address(const void *left, const void *right)
{
	const struct sighting *a = ((const struct item *)left)->one, *b = ((const struct item *)right)->one;
	int order = compare_who(a, b);

	if (!order)
		order = compare_dst(a, b);
	if (!order)
		order = compare_service(a, b);
	if (order)
		return order;
	COMPARE(a->last, b->last);
	return (int)a->reason - b->reason;
}

/* All addresses that one peer was seen at, with one service, side by side. */
static int by_service(const void *left, const void *right)
{
	const struct sighting *a = ((const struct item *)left)->one, *b = ((const struct item *)right)->one;
	int order = compare_who(a, b);

	if (!order)
		order = compare_service(a, b);
	return order ? order : compare_dst(a, b);
}

/* All peers that were seen at one service on one address, side by side. */
static int by_access(const void *left, const void *right)
{
	const struct sighting *a = ((const struct item *)left)->one, *b = ((const struct item *)right)->one;
	int order = strncmp(a->dev, b->dev, sizeof(a->dev));

	if (!order)
		order = (int)a->direction - b->direction;
	if (!order)
		order = compare_dst(a, b);
	if (!order)
		order = compare_service(a, b);
	return order ? order : memcmp(a->peer, b->peer, sizeof(a->peer));
}

static bool same_who(const struct sighting *a, const struct sighting *b)
{
	return !compare_who(a, b);
}

static bool same_address(const struct sighting *a, const struct sighting *b)
{
	return !compare_who(a, b) && !compare_dst(a, b) && a->protocol == b->protocol;
}

static bool same_service(const struct sighting *a, const struct sighting *b)
{
	return !compare_who(a, b) && !compare_service(a, b);
}

/* Whether two that are not suggested for the same reason can be told of together. */
static bool alike(enum doubt doubt, const struct sighting *a, const struct sighting *b)
{
	if (doubt == DOUBT_MANY)
		return same_who(a, b);
	return doubt == DOUBT_ADDRESSES ? same_service(a, b) : same_address(a, b);
}

static bool same_access(const struct sighting *a, const struct sighting *b)
{
	return !strncmp(a->dev, b->dev, sizeof(a->dev)) && a->direction == b->direction &&
	       !compare_dst(a, b) && !compare_service(a, b);
}

static enum doubt doubt_of(const struct sighting *one, const struct suggest_options *options)
{
	bool ephemeral = protocol_has_ports(one->protocol) && one->port >= EPHEMERAL_PORT;

	/* Of port 0 no resource can be made either. */
	if (one->protocol == IPPROTO_DCCP || one->protocol == IPPROTO_UDPLITE ||
	    (protocol_has_ports(one->protocol) && !one->port))
		return DOUBT_UNNAMED;
	if (ephemeral && one->backwards)
		return DOUBT_REPLY;
	if (ephemeral && one->count < EPHEMERAL_COUNT)
		return DOUBT_EPHEMERAL;
	if (one->count < options->min_count)
		return DOUBT_RARE;
	return DOUBT_NONE;
}

/* Nothing is missing where there is a grant. */
static enum doubt doubt_of_grant(uint8_t reason)
{
	switch (reason) {
	case FZ_REASON_EXPIRED:
		return DOUBT_EXPIRED;
	case FZ_REASON_QUOTA:
		return DOUBT_QUOTA;
	case FZ_REASON_RATE:
		return DOUBT_RATE;
	default:
		return DOUBT_NONE;
	}
}

/*
 * What was refused for want of a grant, and later for what the grant says, has got one since. Of whole
 * addresses alone: in a prefix another address may have been without one.
 */
static void doubt_grants(struct item *items, size_t n)
{
	for (size_t i = n; i-- > 0;) {
		const struct sighting *one = items[i].one, *next = i + 1 < n ? items[i + 1].one : NULL;

		items[i].doubt = doubt_of_grant(one->reason);
		if (items[i].doubt == DOUBT_NONE && next && one->len == (one->family == AF_INET ? 32 : 128) &&
		    same_address(one, next) && one->port == next->port)
			items[i].doubt = items[i + 1].doubt;
	}
}

static int compare_counts(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	COMPARE(*a, *b);
	return 0;
}

/* More than @max that belong together are doubted, but for those that stand out. @counts is room for @n. */
static void doubt_many(struct item *items, size_t n, size_t max, enum doubt doubt, uint64_t *counts)
{
	uint64_t median;

	if (n <= max)
		return;
	for (size_t i = 0; i < n; i++)
		counts[i] = items[i].one->count;
	qsort(counts, n, sizeof(*counts), compare_counts);
	median = counts[n / 2];
	for (size_t i = 0; i < n; i++) {
		if (items[i].one->count / STANDS_OUT < median)
			items[i].doubt = doubt;
	}
}

/* Applies doubt_many() to each run of items that are the @same, among the first @n. */
static void doubt_runs(struct item *items, size_t n, bool (*same)(const struct sighting *, const struct sighting *),
		       size_t max, enum doubt doubt, uint64_t *counts)
{
	for (size_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && same(items[i].one, items[k].one); k++)
			;
		doubt_many(items + i, k - i, max, doubt, counts);
	}
}

/* Moves what is in no doubt to the front; returns how many those are. */
static size_t believed(struct item *items, size_t n)
{
	size_t good = 0;

	for (size_t i = 0; i < n; i++) {
		struct item item = items[i];

		if (item.doubt != DOUBT_NONE)
			continue;
		items[i] = items[good];
		items[good++] = item;
	}
	return good;
}

static int by_doubt(const void *left, const void *right)
{
	const struct item *a = left, *b = right;
	int order = compare_who(a->one, b->one);

	if (!order)
		order = (int)a->doubt - (int)b->doubt;
	if (order)
		return order;
	return a->doubt == DOUBT_ADDRESSES ? by_service(a, b) : by_address(a, b);
}

/* Those in doubt, together as far as they are alike. */
static int list_doubtful(struct item *items, size_t n, struct suggestions *out)
{
	qsort(items, n, sizeof(*items), by_doubt);
	out->doubtful = calloc(n ? n : 1, sizeof(*out->doubtful));
	if (!out->doubtful)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct doubtful *last = out->n_doubtful ? &out->doubtful[out->n_doubtful - 1] : NULL;
		bool again = i && !compare_dst(items[i - 1].one, items[i].one) &&
			     !compare_service(items[i - 1].one, items[i].one);

		if (!last || last->doubt != items[i].doubt || !alike(last->doubt, last->one, items[i].one)) {
			last = &out->doubtful[out->n_doubtful++];
			last->doubt = items[i].doubt;
			last->one = items[i].one;
			again = false;
		}
		last->n += !again;
		seen_add(&last->seen, items[i].one);
	}
	return 0;
}

/* By device, direction and peers; then by address and service. */
static int by_peers(const void *left, const void *right)
{
	const struct access *a = left, *b = right;
	int order = strncmp(a->first->one->dev, b->first->one->dev, IFNAMSIZ);

	if (!order)
		order = (int)a->first->one->direction - b->first->one->direction;
	if (order)
		return order;
	COMPARE(a->n, b->n);
	for (size_t i = 0; i < a->n && !order; i++)
		order = memcmp(a->first[i].one->peer, b->first[i].one->peer, FZ_KEY_LEN);
	if (!order)
		order = compare_dst(a->first->one, b->first->one);
	return order ? order : compare_service(a->first->one, b->first->one);
}

static bool same_peers(const struct access *a, const struct access *b)
{
	if (strncmp(a->first->one->dev, b->first->one->dev, IFNAMSIZ) ||
	    a->first->one->direction != b->first->one->direction || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (memcmp(a->first[i].one->peer, b->first[i].one->peer, FZ_KEY_LEN))
			return false;
	}
	return true;
}

/* By services; then by address. For places of the same peers. */
static int by_services(const void *left, const void *right)
{
	const struct place *a = left, *b = right;
	int order = 0;

	COMPARE(a->n, b->n);
	for (size_t i = 0; i < a->n && !order; i++)
		order = compare_service(a->first[i].first->one, b->first[i].first->one);
	return order ? order : compare_dst(a->first->first->one, b->first->first->one);
}

static bool same_services(const struct place *a, const struct place *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (compare_service(a->first[i].first->one, b->first[i].first->one))
			return false;
	}
	return true;
}

/* Ports that follow each other become a range. */
static int add_service(struct fz_resource *res, const struct sighting *one)
{
	struct fz_service *last = res->n_services ? &res->services[res->n_services - 1] : NULL;
	struct fz_service service = { .protocol = one->protocol };

	if (protocol_has_ports(one->protocol) || one->protocol == IPPROTO_ICMP ||
	    one->protocol == IPPROTO_ICMPV6) {
		service.has_ports = true;
		service.port_min = service.port_max = one->port;
		if (last && last->protocol == one->protocol && last->port_max + 1 == one->port) {
			last->port_max = one->port;
			return 0;
		}
	}
	return fz_resource_add_service(res, &service);
}

/* With its end, so that no two lists of words are the same bytes. */
static void sum_up(crypto_generichash_state *state, const char *word)
{
	crypto_generichash_update(state, (const unsigned char *)word, strlen(word) + 1);
}

/*
 * The same resource has the same name every time, and another one another: what was suggested earlier
 * and applied is not replaced by something else. Where address and service do not say everything, a
 * sum of all does; it is long and good enough for a peer not to find two resources that have the same.
 */
static void name_resource(struct fz_resource *res, const char *start)
{
	char addr[FZ_ADDR_TEXT_SIZE], service[32], text[FZ_ADDR_TEXT_SIZE], name[128];
	const struct fz_prefix *prefix = &res->prefixes[0];
	unsigned char sum[crypto_generichash_BYTES];
	char hex[2 * SUM_SIZE + 1];
	crypto_generichash_state state;
	int len;

	fz_format_addr(addr, sizeof(addr), &prefix->addr);
	fz_format_service(service, sizeof(service), &res->services[0]);
	service[strcspn(service, "/")] = service[strcspn(service, "/")] ? '-' : '\0';
	len = snprintf(name, sizeof(name), "%s-%s", start, addr);
	if (prefix->len != (prefix->addr.family == AF_INET ? 32 : 128))
		len += snprintf(name + len, sizeof(name) - (size_t)len, "_%u", prefix->len);
	len += snprintf(name + len, sizeof(name) - (size_t)len, "-%s", service);
	if (res->n_prefixes == 1 && res->n_services == 1 && len <= FZ_NAME_MAX) {
		memcpy(res->name, name, (size_t)len + 1);
		return;
	}
	crypto_generichash_init(&state, NULL, 0, sizeof(sum));
	for (size_t i = 0; i < res->n_prefixes; i++)
		sum_up(&state, fz_format_prefix(text, sizeof(text), &res->prefixes[i]));
	for (size_t i = 0; i < res->n_services; i++)
		sum_up(&state, fz_format_service(text, sizeof(text), &res->services[i]));
	crypto_generichash_final(&state, sum, sizeof(sum));
	sodium_bin2hex(hex, sizeof(hex), sum, SUM_SIZE);
	snprintf(res->name, sizeof(res->name), "%.*s-%s", FZ_NAME_MAX - 2 * SUM_SIZE - 1, name, hex);
}

/* What @n places have in common, which is all but their addresses. */
static int make_suggestion(const struct place *places, size_t n, const char *name, struct suggestion *out)
{
	const struct access *accesses = places->first;
	int ret = 0;

	out->dev = accesses->first->one->dev;
	out->direction = accesses->first->one->direction;
	out->n_grants = accesses->n;
	out->grants = calloc(out->n_grants, sizeof(*out->grants));
	if (!out->grants)
		return -ENOMEM;
	for (size_t i = 0; i < n && !ret; i++) {
		const struct sighting *one = places[i].first->first->one;
		struct fz_prefix prefix = { .addr = sighting_addr(one), .len = one->len };

		ret = fz_resource_add_prefix(&out->resource, &prefix);
	}
	for (size_t i = 0; i < places->n && !ret; i++)
		ret = add_service(&out->resource, accesses[i].first->one);
	if (ret)
		return ret;
	name_resource(&out->resource, name);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < places[i].n; k++) {
			for (size_t peer = 0; peer < out->n_grants; peer++) {
				const struct sighting *one = places[i].first[k].first[peer].one;

				out->grants[peer].peer = one->peer;
				seen_add(&out->grants[peer].seen, one);
				seen_add(&out->seen, one);
			}
		}
	}
	return 0;
}

/* Accesses of the same peers. @places is room for @n. */
static int suggest_for_peers(const struct access *accesses, size_t n, struct place *places, const char *name,
			     struct suggestions *out)
{
	size_t n_places = 0;
	int ret = 0;

	for (size_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && !compare_dst(accesses[i].first->one, accesses[k].first->one); k++)
			;
		places[n_places++] = (struct place){ accesses + i, k - i };
	}
	qsort(places, n_places, sizeof(*places), by_services);
	for (size_t i = 0, k; i < n_places && !ret; i = k) {
		for (k = i + 1; k < n_places && same_services(&places[i], &places[k]); k++)
			;
		ret = make_suggestion(places + i, k - i, name, &out->list[out->n++]);
	}
	return ret;
}

static int suggest_all(struct item *items, size_t n, const char *name, struct suggestions *out)
{
	struct access *accesses = calloc(n ? n : 1, sizeof(*accesses));
	struct place *places = calloc(n ? n : 1, sizeof(*places));
	size_t n_accesses = 0;
	int ret = 0;

	out->list = calloc(n ? n : 1, sizeof(*out->list));
	if (!accesses || !places || !out->list) {
		ret = -ENOMEM;
		goto out;
	}
	qsort(items, n, sizeof(*items), by_access);
	for (size_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && same_access(items[i].one, items[k].one); k++)
			;
		accesses[n_accesses++] = (struct access){ items + i, k - i };
	}
	qsort(accesses, n_accesses, sizeof(*accesses), by_peers);
	for (size_t i = 0, k; i < n_accesses && !ret; i = k) {
		for (k = i + 1; k < n_accesses && same_peers(&accesses[i], &accesses[k]); k++)
			;
		ret = suggest_for_peers(accesses + i, k - i, places, name, out);
	}
out:
	free(accesses);
	free(places);
	return ret;
}

/**
 * suggest - what would admit what was seen
 * @s: what was seen; has to outlive the answer
 * @options: what is believed of it
 * @out: the answer, for suggestions_clear()
 *
 * Return: 0 or -ENOMEM
 */
int suggest(const struct sightings *s, const struct suggest_options *options, struct suggestions *out)
{
	struct item *items = calloc(s->n ? s->n : 1, sizeof(*items));
	uint64_t *counts = calloc(s->n ? s->n : 1, sizeof(*counts));
	size_t good;
	int ret = -ENOMEM;

	memset(out, 0, sizeof(*out));
	if (!items || !counts)
		goto out;
	for (size_t i = 0; i < s->n; i++)
		items[i].one = &s->list[i];
	qsort(items, s->n, sizeof(*items), by_address);
	doubt_grants(items, s->n);
	good = believed(items, s->n);
	/* A scan is one whatever else is wrong with its ports. */
	qsort(items, good, sizeof(*items), by_address);
	doubt_runs(items, good, same_address, options->max_ports, DOUBT_PORTS, counts);
	for (size_t i = 0; i < good; i++) {
		if (items[i].doubt == DOUBT_NONE)
			items[i].doubt = doubt_of(items[i].one, options);
	}
	good = believed(items, good);
	qsort(items, good, sizeof(*items), by_service);
	doubt_runs(items, good, same_service, options->max_addresses, DOUBT_ADDRESSES, counts);
	good = believed(items, good);
	qsort(items, good, sizeof(*items), by_service);
	doubt_runs(items, good, same_who, options->max_ports * options->max_addresses, DOUBT_MANY, counts);
	good = believed(items, good);
	ret = list_doubtful(items + good, s->n - good, out);
	if (!ret)
		ret = suggest_all(items, good, options->name, out);
out:
	free(items);
	free(counts);
	if (ret)
		suggestions_clear(out);
	return ret;
}

/**
 * suggestions_clear - free what they own
 * @all: itself not freed
 */
void suggestions_clear(struct suggestions *all)
{
	for (size_t i = 0; i < all->n; i++) {
		fz_resource_clear(&all->list[i].resource);
		free(all->list[i].grants);
	}
	free(all->list);
	free(all->doubtful);
	memset(all, 0, sizeof(*all));
}
