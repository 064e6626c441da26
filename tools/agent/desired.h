/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Desired state: what the broker wants this agent to have, by key. Pure
 * memory; apply.h brings it to the kernel.
 *
 * A snapshot comes in parts and is collected in a struct desired of its own;
 * a difference is applied to the one in force.
 */
#ifndef AGENT_DESIRED_H
#define AGENT_DESIRED_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "control.pb.h"
#include "error.h"
#include "types.h"

/* Room for 100,000 grants of as many clients, and a limit to what a broker can make an agent keep. */
#define DESIRED_BYTES_MAX (256u << 20)

struct want_peer {
	uint8_t key[FZ_KEY_LEN];
	uint8_t control_key[32];
	bool has_control_key;
	bool psk;			/* the pair uses a preshared key */
	bool failed;			/* the kernel did not take it: no grant may name it */
	bool has_preshared;		/* a gateway knows it: @preshared */
	uint8_t preshared[FZ_KEY_LEN];
	bool made;			/* for @made_for; else it was found in the kernel */
	int64_t made_at;		/* the wall clock, s; a handshake since then shows that the other end has it */
	uint8_t made_for[32];		/* the only control key that it is ever sealed to */
	uint8_t sealed_psk[80];
	size_t sealed_len;
	bool asked;			/* a client's: for another one, as the sealed one does not open */
	uint16_t keepalive;
	char name[129];
	struct fz_prefix *allowedips;
	size_t n_allowedips;
	struct fz_candidate *candidates;
	size_t n_candidates;
	UT_hash_handle hh;
};

struct want_resource {
	char name[FZ_NAME_MAX + 1];
	struct fz_resource spec;
	UT_hash_handle hh;
};

/* What makes two grants the same one. No padding: it is hashed as it is. */
struct grant_key {
	uint8_t any;
	uint8_t direction;
	uint8_t peer[FZ_KEY_LEN];
	char resource[FZ_NAME_MAX + 1];
};

struct want_grant {
	struct grant_key key;
	struct fz_grant spec;
	uint64_t ends;		/* desired_clock() at which the lease ends, if spec.has_lease */
	char policy[65];
	UT_hash_handle hh;
};

enum prefix_kind {
	PREFIX_ADDRESS,		/* of the tunnel device */
	PREFIX_ROUTE,		/* into it */
	PREFIX_ASK,		/* destinations that become requests */
	PREFIX_MASQUERADE,	/* sources to masquerade */
	PREFIX_KINDS,
};

/* Hashed as it is: bytes not used are 0. */
struct prefix_key {
	uint8_t kind;
	uint8_t family;
	uint8_t len;
	uint8_t addr[16];
};

struct want_prefix {
	struct prefix_key key;
	struct fz_prefix prefix;
	UT_hash_handle hh;
};

struct mode_key {
	uint8_t device;
	uint8_t direction;
	uint8_t peer[FZ_KEY_LEN];
};

struct want_mode {
	struct mode_key key;
	struct fz_mode_state state;
	UT_hash_handle hh;
};

/**
 * struct desired - a desired state, whole or in the making
 * @instance: of the broker's memory that numbered it; 0: none
 * @number: its number
 * @bytes: that it takes in memory, at most DESIRED_BYTES_MAX
 */
struct desired {
	uint64_t instance;
	uint64_t number;
	size_t bytes;
	struct want_peer *peers;
	struct want_resource *resources;
	struct want_grant *grants;
	struct want_prefix *prefixes;
	struct want_mode *modes;
};

uint64_t desired_clock(void);
int desired_put(struct desired *d, const fz_Item *item, struct fz_error *err);
int desired_check(const fz_Item *item, struct fz_error *err);
void desired_clear(struct desired *d);

struct want_peer *desired_peer(const struct desired *d, const uint8_t key[FZ_KEY_LEN]);
struct want_grant *desired_grant(const struct desired *d, const struct grant_key *key);
uint64_t desired_lease_left(const struct want_grant *grant);

void want_peer_seal(struct want_peer *peer, const uint8_t *sealed, size_t len);
void want_peer_keep_key(struct want_peer *peer, const struct want_peer *before);
int want_peer_candidates(struct want_peer *peer, const struct fz_candidate *list, size_t n);
int desired_candidates(struct fz_candidate **out, size_t *n, const fz_Candidate *list, size_t count);
void grant_key_of(struct grant_key *key, const fz_Grant *grant);

#endif
