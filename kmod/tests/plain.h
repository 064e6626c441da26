/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second evaluator of policy, for tests. It has no index: it goes over every resource, service and
 * grant in turn, and over prefixes bit by bit. Nothing of it is the module's own but the types.
 */

#ifndef _FZ_TESTS_PLAIN_H
#define _FZ_TESTS_PLAIN_H

#include "tests/stage.h"

#define PLAIN_RESOURCES 24
#define PLAIN_PREFIXES 3
#define PLAIN_SERVICES 3
#define PLAIN_GRANTS 64

/* Of a verdict: a lease ends at the very moment. */
#define PLAIN_UNSURE 0xff

struct plain_resource {
	char name[16];
	bool there;
	struct fz_prefix prefixes[PLAIN_PREFIXES];
	struct fz_service services[PLAIN_SERVICES];
	unsigned int n_prefixes;
	unsigned int n_services;
};

/**
 * struct plain_grant - a grant
 * @there: it is
 * @peer: its number, or FZ_STAGE_ANY
 * @resource: its number
 * @dir: enum fz_direction
 * @action: enum fz_action
 * @limited: has a quota, that is never used up
 * @tag: first byte of the tag
 * @lease_ms: that it was given; 0 none
 * @ends_from: boot clock, ns: before this it has not ended
 * @ends_to: from this on it has
 */
struct plain_grant {
	bool there;
	int peer;
	unsigned int resource;
	u8 dir;
	u8 action;
	bool limited;
	u8 tag;
	u64 lease_ms;
	u64 ends_from;
	u64 ends_to;
};

struct plain_policy {
	struct plain_resource resources[PLAIN_RESOURCES];
	struct plain_grant grants[PLAIN_GRANTS];
};

/**
 * struct plain - what is in force
 * @policy: resources and grants
 * @device: modes of the device
 * @peers: and of its peers
 */
struct plain {
	struct plain_policy policy;
	struct fz_mode_setting device[FZ_DIRS];
	struct fz_mode_setting peers[FZ_STAGE_PEERS][FZ_DIRS];
};

/**
 * struct plain_question - a first packet at some time
 * @peer: number of the peer
 * @dir: enum fz_direction
 * @tuple: of the packet
 * @from: boot clock, ns: it was asked after this
 * @to: and before this
 * @refused: the last time
 */
struct plain_question {
	unsigned int peer;
	u8 dir;
	struct fz_tuple tuple;
	u64 from;
	u64 to;
	bool refused;
};

/**
 * struct plain_answer - what should happen to it
 * @verdict: enum fz_verdict, or PLAIN_UNSURE
 * @reason: enum fz_reason
 * @mode: enum fz_mode
 */
struct plain_answer {
	u8 verdict;
	u8 reason;
	u8 mode;
};

struct fz_mode_setting plain_mode(const struct plain *plain, unsigned int peer, u8 dir);
struct plain_answer plain_answer(const struct plain *plain, const struct plain_question *question);
const char *plain_wrong_grant(const struct plain *plain, const struct plain_question *question,
			      const struct fz_explanation *explanation,
			      const struct fz_stage *stage);

struct plain_grant *plain_grant_find(struct plain_policy *policy, int peer, unsigned int resource,
				     u8 dir);
void plain_resource_del(struct plain_policy *policy, unsigned int n);
void plain_peer_del(struct plain_policy *policy, int peer);

#endif /* _FZ_TESTS_PLAIN_H */
