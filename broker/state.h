/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one agent shall have: a set of control-protocol items, each with its key. Sets are built anew from the
 * directory and the leases, and compared with what the agent was given last.
 *
 * What changes without being a change of policy stands beside the items: the end of a lease here, candidates and
 * sealed keys of peers with whoever sends.
 */
#ifndef BROKER_STATE_H
#define BROKER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.pb.h"

/**
 * struct state_item - one thing
 * @kind: which body of fz_Item
 * @expires_ms: of a grant, wall clock; 0: no end
 * @key_len: bytes of the key at the start of @data
 * @body_len: bytes of the encoded fz_Item that follow it
 */
struct state_item {
	pb_size_t kind;
	int64_t expires_ms;
	size_t key_len;
	size_t body_len;
	uint8_t data[];
};

/* All zero is an empty one. */
struct state {
	struct state_item **items;
	size_t n;
	size_t size;
	bool failed;	/* memory ran out; what is there is not everything */
};

void state_clear(struct state *state);
void state_add(struct state *state, const fz_Item *item, int64_t expires_ms);
bool state_sort(struct state *state);
bool state_decode(const struct state_item *from, fz_Item *item);

/**
 * struct state_change - one difference
 * @remove: the item goes; else it is new or other than it was
 */
struct state_change {
	const struct state_item *item;
	bool remove;
};

int state_diff(const struct state *old, const struct state *new, struct state_change **changes, size_t *n);

#endif
