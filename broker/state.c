// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define KEY_MAX	160

/**
 * state_clear() - forget all items
 * @state: the set; empty afterwards and usable
 */
void state_clear(struct state *state)
{
	for (size_t i = 0; i < state->n; i++)
		free(state->items[i]);
	free(state->items);
	memset(state, 0, sizeof(*state));
}

struct key {
	uint8_t bytes[KEY_MAX];
	size_t len;
};

static void key_put(struct key *key, const void *data, size_t len)
{
	memcpy(key->bytes + key->len, data, len);
	key->len += len;
}

static void key_prefix(struct key *key, const fz_Prefix *prefix)
{
	uint8_t len = (uint8_t)prefix->len;

	key_put(key, &len, 1);
	key_put(key, prefix->addr.bytes, prefix->addr.size);
}

/* What makes two items the same thing (control.proto says it of each). */
static void key_of(struct key *key, const fz_Item *item)
{
	uint8_t dir;

	key->len = 0;
	switch (item->which_body) {
	case fz_Item_peer_tag:
		key_put(key, item->body.peer.public_key.bytes, item->body.peer.public_key.size);
		break;
	case fz_Item_resource_tag:
		key_put(key, item->body.resource.name, strlen(item->body.resource.name));
		break;
	case fz_Item_grant_tag:
		dir = (uint8_t)item->body.grant.direction;
		key_put(key, &dir, 1);
		key_put(key, item->body.grant.peer.bytes, item->body.grant.peer.size);
		key_put(key, item->body.grant.resource, strlen(item->body.grant.resource));
		break;
	case fz_Item_mode_tag:
		dir = (uint8_t)item->body.mode.direction;
		key_put(key, &dir, 1);
		key_put(key, item->body.mode.peer.bytes, item->body.mode.peer.size);
		break;
	case fz_Item_address_tag:
		key_prefix(key, &item->body.address);
		break;
	case fz_Item_route_tag:
		key_prefix(key, &item->body.route);
		break;
	case fz_Item_ask_tag:
		key_prefix(key, &item->body.ask);
		break;
	case fz_Item_masquerade_tag:
		key_prefix(key, &item->body.masquerade);
		break;
	}
}

/* The order in which things are made; they go in the opposite one. */
static unsigned int rank(pb_size_t kind)
{
	static const uint8_t ranks[] = {
		[fz_Item_address_tag] = 0,
		[fz_Item_route_tag] = 1,
		[fz_Item_ask_tag] = 2,
		[fz_Item_masquerade_tag] = 3,
		[fz_Item_mode_tag] = 4,
		[fz_Item_peer_tag] = 5,
		[fz_Item_resource_tag] = 6,
		[fz_Item_grant_tag] = 7,
	};

	return ranks[kind];
}

static int compare(const struct state_item *a, const struct state_item *b)
{
	size_t len = a->key_len < b->key_len ? a->key_len : b->key_len;
	int order;

	if (a->kind != b->kind)
		return rank(a->kind) < rank(b->kind) ? -1 : 1;
	order = memcmp(a->data, b->data, len);
	if (order)
		return order;
	return a->key_len == b->key_len ? 0 : a->key_len < b->key_len ? -1 : 1;
}

static int compare_entries(const void *a, const void *b)
{
	return compare(*(struct state_item *const *)a, *(struct state_item *const *)b);
}

static bool make_room(struct state *state)
{
	size_t size = state->size ? 2 * state->size : 16;
	struct state_item **items;

	if (state->n < state->size)
		return true;
	items = realloc(state->items, size * sizeof(*items));
	if (!items)
		return false;
	state->items = items;
	state->size = size;
	return true;
}

/**
 * state_add() - put an item into the set
 * @state: the set; @state->failed tells afterwards when something could not be kept
 * @item: the item, without lease, candidates and sealed key
 * @expires_ms: end of a grant's lease, wall clock; 0: none
 */
void state_add(struct state *state, const fz_Item *item, int64_t expires_ms)
{
	uint8_t body[fz_Item_size];
	pb_ostream_t stream = pb_ostream_from_buffer(body, sizeof(body));
	struct state_item *kept;
	struct key key;

	key_of(&key, item);
	if (!pb_encode(&stream, fz_Item_fields, item) || !make_room(state)) {
		state->failed = true;
		return;
	}
	kept = malloc(sizeof(*kept) + key.len + stream.bytes_written);
	if (!kept) {
		state->failed = true;
		return;
	}
	kept->kind = item->which_body;
	kept->expires_ms = expires_ms;
	kept->key_len = key.len;
	kept->body_len = stream.bytes_written;
	memcpy(kept->data, key.bytes, key.len);
	memcpy(kept->data + key.len, body, stream.bytes_written);
	state->items[state->n++] = kept;
}

/**
 * state_sort() - make the set comparable; of items with one key, one stays
 * @state: the set
 *
 * Return: false when the set is not everything (see state_add()).
 */
bool state_sort(struct state *state)
{
	size_t kept = 0;

	if (state->n > 1)
		qsort(state->items, state->n, sizeof(*state->items), compare_entries);
	for (size_t i = 0; i < state->n; i++) {
		if (kept && !compare(state->items[kept - 1], state->items[i]))
			free(state->items[i]);
		else
			state->items[kept++] = state->items[i];
	}
	state->n = kept;
	return !state->failed;
}

/**
 * state_decode() - an item as it was put in
 * @from: the item of a set
 * @item: gets it
 *
 * Return: false when it cannot be read, which does not happen.
 */
bool state_decode(const struct state_item *from, fz_Item *item)
{
	pb_istream_t stream = pb_istream_from_buffer(from->data + from->key_len, from->body_len);

	return pb_decode(&stream, fz_Item_fields, item);
}

static bool same(const struct state_item *a, const struct state_item *b)
{
	return a->expires_ms == b->expires_ms && a->body_len == b->body_len &&
	       !memcmp(a->data + a->key_len, b->data + b->key_len, a->body_len);
}

/**
 * state_diff() - what must be said to lead from one set to another
 * @old: sorted
 * @new: sorted
 * @changes: gets the changes, removals first, grants before what they name; pointers into both sets; to be freed
 * @n: gets their number
 *
 * Return: 0 or -ENOMEM.
 */
int state_diff(const struct state *old, const struct state *new, struct state_change **changes, size_t *n)
{
	struct state_change *all = calloc(old->n + new->n + 1, sizeof(*all));
	size_t gone = 0, come = 0, i = 0, j = 0;

	if (!all)
		return -ENOMEM;
	/* Removals are counted from the front, the others from the back; both are put in order afterwards. */
	while (i < old->n || j < new->n) {
		int order = i == old->n ? 1 : j == new->n ? -1 : compare(old->items[i], new->items[j]);

		if (order < 0)
			all[gone++] = (struct state_change){ old->items[i++], true };
		else if (order > 0 || !same(old->items[i], new->items[j]))
			all[old->n + new->n - ++come] = (struct state_change){ new->items[j], false };
		if (order == 0)
			i++;
		if (order >= 0)
			j++;
	}
	for (size_t a = 0, b = gone; a + 1 < b; a++) {
		struct state_change swap = all[a];

		all[a] = all[--b];
		all[b] = swap;
	}
	for (size_t k = 0; k < come / 2; k++) {
		size_t a = old->n + new->n - come + k, b = old->n + new->n - 1 - k;
		struct state_change swap = all[a];

		all[a] = all[b];
		all[b] = swap;
	}
	memmove(all + gone, all + (old->n + new->n - come), come * sizeof(*all));
	*changes = all;
	*n = gone + come;
	return 0;
}
