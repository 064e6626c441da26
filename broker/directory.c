// SPDX-License-Identifier: GPL-2.0-only
/* Lookups are binary searches in arrays of pointers, each ordered once when the directory is made. */
#include "directory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "prefix.h"

/* Objects by name: every kind begins with its id and then its name. */
struct named {
	int64_t id;
	char name[NAME_LEN_MAX + 1];
};

#define ASSERT_NAMED(type) \
	_Static_assert(offsetof(struct type, name) == offsetof(struct named, name) && \
		       offsetof(struct type, id) == 0, #type)
ASSERT_NAMED(user);
ASSERT_NAMED(group);
ASSERT_NAMED(site);
ASSERT_NAMED(device);
ASSERT_NAMED(resource);
ASSERT_NAMED(policy);

struct cover {
	struct prefix prefix;
	const struct resource *resource;
};

struct claim {
	int64_t resource_id;
	const struct policy *policy;
};

/**
 * struct directory_index - the orders
 * @covers: every prefix of every resource, by family, length, address
 * @lengths: which lengths occur: [0] IPv4, [1] IPv6
 * @claims: policies by resource; @claimed: the same order, policies alone
 * @denying: enabled deny policies
 */
struct directory_index {
	const void **users, **groups, **sites, **devices, **resources, **policies;
	const struct device **by_control, **by_tunnel, **by_host;
	struct cover *covers;
	size_t n_covers;
	bool lengths[2][129];
	struct claim *claims;
	const struct policy **claimed;
	size_t n_claims;
	const struct policy **denying;
	size_t n_denying;
};

static int compare_names(const void *a, const void *b)
{
	const struct named *const *p = a, *const *q = b;

	return strcmp((*p)->name, (*q)->name);
}

static int compare_control(const void *a, const void *b)
{
	const struct device *const *p = a, *const *q = b;

	return memcmp((*p)->control_key, (*q)->control_key, MODEL_KEY_LEN);
}

static int compare_tunnel(const void *a, const void *b)
{
	const struct device *const *p = a, *const *q = b;

	return memcmp((*p)->tunnel_key, (*q)->tunnel_key, MODEL_KEY_LEN);
}

static int compare_host(const void *a, const void *b)
{
	const struct device *const *p = a, *const *q = b;

	return (*p)->host < (*q)->host ? -1 : (*p)->host > (*q)->host;
}

static int compare_covers(const void *a, const void *b)
{
	const struct cover *p = a, *q = b;

	if (p->prefix.family != q->prefix.family)
		return p->prefix.family == AF_INET ? -1 : 1;
	if (p->prefix.bits != q->prefix.bits)
		return (int)p->prefix.bits - (int)q->prefix.bits;
	return memcmp(p->prefix.addr, q->prefix.addr, sizeof(p->prefix.addr));
}

static int compare_claims(const void *a, const void *b)
{
	const struct claim *p = a, *q = b;

	if (p->resource_id != q->resource_id)
		return p->resource_id < q->resource_id ? -1 : 1;
	return p->policy->id < q->policy->id ? -1 : p->policy->id > q->policy->id;
}

/* An array of pointers to @n objects of @size bytes, in the given order. */
static const void **ordered(const void *objects, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	const void **pointers = calloc(n + 1, sizeof(*pointers));

	for (size_t i = 0; pointers && i < n; i++)
		pointers[i] = (const char *)objects + i * size;
	if (pointers)
		qsort(pointers, n, sizeof(*pointers), compare);
	return pointers;
}

#define BY_NAME(noun) \
	(index->noun = ordered(dir->noun, dir->n_##noun, sizeof(*dir->noun), compare_names))
#define DEVICES_BY(compare) \
	((const struct device **)ordered(dir->devices, dir->n_devices, sizeof(*dir->devices), compare))

static bool index_objects(struct directory *dir, struct directory_index *index)
{
	index->by_control = DEVICES_BY(compare_control);
	index->by_tunnel = DEVICES_BY(compare_tunnel);
	index->by_host = DEVICES_BY(compare_host);
	return BY_NAME(users) && BY_NAME(groups) && BY_NAME(sites) && BY_NAME(devices) && BY_NAME(resources) &&
	       BY_NAME(policies) && index->by_control && index->by_tunnel && index->by_host;
}

static bool index_covers(struct directory *dir, struct directory_index *index)
{
	size_t n = 0;

	for (size_t i = 0; i < dir->n_resources; i++)
		n += dir->resources[i].n_prefixes;
	index->covers = calloc(n + 1, sizeof(*index->covers));
	if (!index->covers)
		return false;
	for (size_t i = 0; i < dir->n_resources; i++) {
		const struct resource *resource = &dir->resources[i];

		for (size_t j = 0; j < resource->n_prefixes; j++) {
			const struct prefix *prefix = &resource->prefixes[j];

			index->covers[index->n_covers++] = (struct cover){ *prefix, resource };
			index->lengths[prefix->family == AF_INET6][prefix->bits] = true;
		}
	}
	qsort(index->covers, n, sizeof(*index->covers), compare_covers);
	return true;
}

static bool index_claims(struct directory *dir, struct directory_index *index)
{
	size_t n = 0;

	for (size_t i = 0; i < dir->n_policies; i++)
		n += dir->policies[i].n_resources;
	index->claims = calloc(n + 1, sizeof(*index->claims));
	index->claimed = calloc(n + 1, sizeof(*index->claimed));
	index->denying = calloc(dir->n_policies + 1, sizeof(*index->denying));
	if (!index->claims || !index->claimed || !index->denying)
		return false;
	for (size_t i = 0; i < dir->n_policies; i++)
		if (dir->policies[i].enabled && dir->policies[i].action == POLICY_DENY)
			index->denying[index->n_denying++] = &dir->policies[i];
	for (size_t i = 0; i < dir->n_policies; i++)
		for (size_t j = 0; j < dir->policies[i].n_resources; j++)
			index->claims[index->n_claims++] =
				(struct claim){ dir->policies[i].resources[j], &dir->policies[i] };
	qsort(index->claims, n, sizeof(*index->claims), compare_claims);
	for (size_t i = 0; i < n; i++)
		index->claimed[i] = index->claims[i].policy;
	return true;
}

int directory_index(struct directory *dir)
{
	dir->index = calloc(1, sizeof(*dir->index));
	if (!dir->index || !index_objects(dir, dir->index) || !index_covers(dir, dir->index) ||
	    !index_claims(dir, dir->index))
		return -ENOMEM;
	return 0;
}

static void index_free(struct directory_index *index)
{
	if (!index)
		return;
	free(index->users);
	free(index->groups);
	free(index->sites);
	free(index->devices);
	free(index->resources);
	free(index->policies);
	free(index->by_control);
	free(index->by_tunnel);
	free(index->by_host);
	free(index->covers);
	free(index->claims);
	free(index->claimed);
	free(index->denying);
	free(index);
}

void directory_free(struct directory *dir)
{
	if (!dir)
		return;
	index_free(dir->index);
	for (size_t i = 0; i < DIRECTORY_POOLS; i++)
		free(dir->pools[i]);
	free(dir->users);
	free(dir->groups);
	free(dir->sites);
	free(dir->devices);
	free(dir->resources);
	free(dir->policies);
	free(dir);
}

static int compare_id(const void *key, const void *object)
{
	int64_t id = *(const int64_t *)key, other = *(const int64_t *)object;

	return id < other ? -1 : id > other;
}

static int compare_name(const void *key, const void *element)
{
	const struct named *const *object = element;

	return strcmp(key, (*object)->name);
}

static const void *find_named(const void *const *names, size_t n, const char *name)
{
	const void *const *found = bsearch(name, names, n, sizeof(*names), compare_name);

	return found ? *found : NULL;
}

#define LOOKUPS(noun, nouns) \
const struct noun *directory_##noun(const struct directory *dir, int64_t id) \
{ \
	return dir->n_##nouns ? bsearch(&id, dir->nouns, dir->n_##nouns, sizeof(*dir->nouns), compare_id) : NULL; \
} \
const struct noun *directory_##noun##_named(const struct directory *dir, const char *name) \
{ \
	return find_named(dir->index->nouns, dir->n_##nouns, name); \
}

LOOKUPS(user, users)
LOOKUPS(group, groups)
LOOKUPS(site, sites)
LOOKUPS(device, devices)
LOOKUPS(resource, resources)
LOOKUPS(policy, policies)

static const struct device *find_device(const struct directory *dir, const struct device **order,
					const struct device *like, int (*compare)(const void *, const void *))
{
	const struct device *const *found = bsearch(&like, order, dir->n_devices, sizeof(*order), compare);

	return found ? *found : NULL;
}

const struct device *directory_device_by_control(const struct directory *dir, const uint8_t key[MODEL_KEY_LEN])
{
	struct device like;

	memcpy(like.control_key, key, MODEL_KEY_LEN);
	return find_device(dir, dir->index->by_control, &like, compare_control);
}

const struct device *directory_device_by_tunnel(const struct directory *dir, const uint8_t key[MODEL_KEY_LEN])
{
	struct device like;

	memcpy(like.tunnel_key, key, MODEL_KEY_LEN);
	return find_device(dir, dir->index->by_tunnel, &like, compare_tunnel);
}

static void swap(const struct device **a, const struct device **b)
{
	const struct device *kept = *a;

	*a = *b;
	*b = kept;
}

void directory_rekey(struct directory *dir, int64_t device_id, const uint8_t key[MODEL_KEY_LEN])
{
	const struct device **order = dir->index->by_tunnel, **end = order + dir->n_devices, **at;
	const struct device *device = directory_device(dir, device_id);

	if (!device)
		return;
	at = bsearch(&device, order, dir->n_devices, sizeof(*order), compare_tunnel);
	memcpy(dir->devices[device - dir->devices].tunnel_key, key, MODEL_KEY_LEN);
	for (; at > order && compare_tunnel(at - 1, at) > 0; at--)
		swap(at - 1, at);
	for (; at + 1 < end && compare_tunnel(at, at + 1) > 0; at++)
		swap(at, at + 1);
}

const struct device *directory_device_by_address(const struct directory *dir, uint8_t family, const uint8_t *addr)
{
	const struct prefix *overlay = family == AF_INET ? &dir->overlay4 : &dir->overlay6;
	size_t tail = family == AF_INET ? 0 : 12;
	const struct device *device;
	uint32_t low, base;
	struct device like;

	if (!prefix_holds(overlay, family, addr))
		return NULL;
	memcpy(&low, addr + tail, 4);
	memcpy(&base, overlay->addr + tail, 4);
	like.host = ntohl(low) - ntohl(base);
	device = find_device(dir, dir->index->by_host, &like, compare_host);
	if (!device)
		return NULL;
	/* The middle of an IPv6 address counts too. */
	return memcmp(family == AF_INET ? device->overlay4.addr : device->overlay6.addr, addr,
		      family == AF_INET ? 4 : 16) ? NULL : device;
}

/* The first element that is not before @like. */
static size_t first_cover(const struct directory_index *index, const struct cover *like)
{
	size_t low = 0, high = index->n_covers;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_covers(&index->covers[middle], like) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void directory_covering(const struct directory *dir, uint8_t family, const uint8_t *addr,
			void (*visit)(void *context, const struct resource *resource, uint8_t bits), void *context)
{
	const struct directory_index *index = dir->index;
	unsigned int most = family == AF_INET ? 32 : 128;

	for (unsigned int bits = 0; bits <= most; bits++) {
		struct cover like = { .prefix = { .family = family, .bits = (uint8_t)bits } };

		if (!index->lengths[family == AF_INET6][bits])
			continue;
		memcpy(like.prefix.addr, addr, most / 8);
		prefix_mask(&like.prefix);
		for (size_t i = first_cover(index, &like);
		     i < index->n_covers && !compare_covers(&index->covers[i], &like); i++)
			visit(context, index->covers[i].resource, (uint8_t)bits);
	}
}

const struct policy *const *directory_policies_on(const struct directory *dir, int64_t resource_id, size_t *n)
{
	const struct directory_index *index = dir->index;
	size_t low = 0, high = index->n_claims, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->claims[middle].resource_id < resource_id)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < index->n_claims && index->claims[end].resource_id == resource_id; end++)
		;
	*n = end - low;
	return index->claimed + low;
}

const struct policy *const *directory_denying(const struct directory *dir, size_t *n)
{
	*n = dir->index->n_denying;
	return dir->index->denying;
}

bool directory_concerns(const struct policy *policy, const struct user *user)
{
	size_t i = 0, j = 0;

	while (i < policy->n_groups && j < user->n_groups) {
		if (policy->groups[i] == user->groups[j])
			return true;
		if (policy->groups[i] < user->groups[j])
			i++;
		else
			j++;
	}
	return false;
}

int directory_prefixes(const struct directory *dir, int64_t user_id, struct prefix **prefixes)
{
	const struct user *user = directory_user(dir, user_id);
	size_t n = 0, most = 0, kept = 0;

	for (size_t i = 0; user && i < dir->n_sites; i++)
		most += dir->sites[i].n_prefixes;
	*prefixes = calloc(most + 1, sizeof(**prefixes));
	for (size_t i = 0; *prefixes && user && i < dir->n_sites; i++) {
		memcpy(*prefixes + n, dir->sites[i].prefixes, dir->sites[i].n_prefixes * sizeof(**prefixes));
		n += dir->sites[i].n_prefixes;
	}
	if (!*prefixes)
		return -ENOMEM;
	qsort(*prefixes, n, sizeof(**prefixes), prefix_compare);
	for (size_t i = 0; i < n; i++)
		if (!kept || !prefix_equal(&(*prefixes)[kept - 1], &(*prefixes)[i]))
			(*prefixes)[kept++] = (*prefixes)[i];
	return (int)kept;
}
