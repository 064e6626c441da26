/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the broker must not forget. One writer, one thread; every function is one transaction of its own unless
 * called between store_begin() and store_commit(). What returned 0 outside of a transaction, or whose
 * store_commit() returned 0, survives a loss of power.
 *
 * Functions return 0 or a negative errno as in fault.h and then fill in @fault (NULL allowed). Nothing is half
 * applied on failure. Names never reach SQL as text.
 *
 * store_<noun>.c speak to the database through db.h alone, which is what a second database has to implement.
 */
#ifndef BROKER_STORE_H
#define BROKER_STORE_H

#include "fault.h"
#include "model.h"

struct store;
struct directory;

/**
 * struct store_options - what is fixed when a state directory is used for the first time
 * @overlay4: IPv4 overlay prefix, family 0: 100.64.0.0/11
 * @overlay6: IPv6 overlay prefix, family 0: a random fd00::/48
 *
 * A prefix given for a directory that has another one already is refused.
 */
struct store_options {
	struct prefix overlay4;
	struct prefix overlay6;
};

/**
 * store_open() - open a state directory, making or migrating it when needed
 * @path: directory; made with mode 0700 when missing
 * @options: NULL for the defaults
 * @fault: why not: newer version (-EOVERFLOW), held by another broker (-EBUSY), damaged or not writable (-EIO)
 *
 * Return: the store, to be given to store_close(), or NULL.
 */
struct store *store_open(const char *path, const struct store_options *options, struct fault *fault);
void store_close(struct store *store);

/** store_clock() - the wall clock, milliseconds since 1970 */
int64_t store_clock(void);

/* Several calls as one transaction. Not nested: -EBUSY. A failed commit has rolled back. */
int store_begin(struct store *store, struct fault *fault);
int store_commit(struct store *store, struct fault *fault);
void store_rollback(struct store *store);

/* The broker's own identity, made at first start. The secret is to be wiped by the caller after use. */
int store_broker_key(struct store *store, uint8_t secret[MODEL_KEY_LEN], uint8_t public[MODEL_KEY_LEN],
		     struct fault *fault);
void store_overlay(struct store *store, struct prefix *overlay4, struct prefix *overlay6);

/* ---- enrolment: what agents do ---- */

#define INVITATION_TOKEN_LEN	16

/**
 * struct enrolment - a device that presents an invitation
 * @token: as it stands in the invitation
 * @name: wished name (host name); made valid and unique, may be empty
 * @control_key: proved by the channel's handshake
 * @tunnel_key: its WireGuard identity
 */
struct enrolment {
	uint8_t token[INVITATION_TOKEN_LEN];
	char name[NAME_LEN_MAX + 1];
	uint8_t control_key[MODEL_KEY_LEN];
	uint8_t tunnel_key[MODEL_KEY_LEN];
};

/**
 * store_enrol() - use an invitation up and make its device, both or neither
 * @store: the store
 * @enrolment: who asks
 * @now_ms: the time
 * @device: out: the new device, addresses included
 * @fault: the sentence for the agent
 *
 * Two enrolments that use one token at the same moment: exactly one succeeds. An agent whose answer was lost finds
 * itself known by its control key when it connects again. The enrolment is in the audit log.
 *
 * Return: 0; -ENOENT unknown invitation, -EBUSY used, -ETIME expired, -EEXIST a key is another device's already,
 * -EPERM its user is disabled, -ENOSPC no address left, -EIO.
 */
int store_enrol(struct store *store, const struct enrolment *enrolment, int64_t now_ms, struct device *device,
		struct fault *fault);

/* The agent made a new tunnel key. -EEXIST: another device has it. */
int store_device_set_tunnel_key(struct store *store, int64_t device_id, const uint8_t key[MODEL_KEY_LEN],
				struct fault *fault);

/* ---- leases: grants as issued ---- */

/* Adds, or renews the one with the same device, gateway and resource; sets lease->id. */
int store_lease_put(struct store *store, struct lease *lease, struct fault *fault);
int store_lease_del(struct store *store, int64_t lease_id, struct fault *fault);
/* Removes what expired before @now_ms; the number removed goes to @n (NULL allowed). */
int store_lease_expire(struct store *store, int64_t now_ms, size_t *n, struct fault *fault);
/*
 * All leases, ordered by gateway then device; stops when @visit returns non-zero, which is then returned. @visit does
 * not change the store (this holds for every store_*_each()).
 */
int store_lease_each(struct store *store, int (*visit)(void *context, const struct lease *lease), void *context,
		     struct fault *fault);

/* ---- logs ---- */

/**
 * struct audit_entry - one line of the append-only audit log
 * @actor: who: "admin uid 0 (root)", "device laptop", "broker"
 * @action: what: "policy.add", "decision.allow", "decision.refuse", "lease.revoke", "device.enrol" ...
 * @object: name of the object it was done to; NULL allowed
 * @user, @device, @resource, @policy: names concerned, as they are now; NULL allowed
 * @policy_tag: NULL allowed
 * @tuple: NULL allowed
 * @text: the reason or the change in words; NULL allowed
 *
 * Names are kept as text: the line outlives its objects.
 */
struct audit_entry {
	int64_t at_ms;
	const char *actor;
	const char *action;
	const char *object;
	const char *user;
	const char *device;
	const char *resource;
	const char *policy;
	const uint8_t *policy_tag;
	const struct tuple *tuple;
	const char *text;
};

int store_audit_add(struct store *store, const struct audit_entry *entry, struct fault *fault);

/**
 * struct denial_entry - a refusal that a kernel reported
 * @sequence: the agent's number for it, rising from 1 within an epoch
 * @reporter_id: device id of the agent that reports
 * @peer_id: device at the other end of the tunnel, 0 when unknown
 * @outbound: direction at the reporter: true for "out"
 * @observed: the mode was observe: reported but let through
 * @reason: the kernel's word: "no-grant", "denied", "expired" ...
 * @resource: name, NULL when none
 * @policy_tag: NULL when no grant decided
 * @text: what the broker knows of the reason, in words; NULL allowed
 * @count: how many alike this line stands for, at least 1
 * @dropped: its sequence counts as stored, but it is not kept
 */
struct denial_entry {
	uint64_t sequence;
	int64_t at_ms;
	int64_t reporter_id;
	int64_t peer_id;
	bool outbound;
	bool observed;
	const char *reason;
	const char *resource;
	const uint8_t *policy_tag;
	const char *text;
	struct tuple tuple;
	uint64_t count;
	bool dropped;
};

/* A flow that a gateway's kernel reported as ended, or still running when @end_ms is 0. */
struct flow_entry {
	uint64_t sequence;	/* as in struct denial_entry, counted by itself */
	int64_t start_ms;
	int64_t end_ms;
	int64_t reporter_id;
	int64_t peer_id;
	const char *end;	/* the kernel's word, NULL while running */
	const char *resource;
	const uint8_t *policy_tag;
	struct tuple tuple;
	uint64_t packets_in, packets_out;
	uint64_t bytes_in, bytes_out;
	bool dropped;		/* as in struct denial_entry */
};

/**
 * struct report_state - what of an agent's reports is stored
 * @epoch: the agent's own number for the run of its sequences, 0 when it never reported
 * @denial_sequence: all denials up to this one are stored
 * @flow_sequence: all flows up to this one are stored
 */
struct report_state {
	uint64_t epoch;
	uint64_t denial_sequence;
	uint64_t flow_sequence;
};

/**
 * store_report_add() - keep reports, each once
 * @reporter_id: the agent's device
 * @epoch: not 0; another one than before starts both sequences anew
 * @state: out, NULL allowed: what is stored now, to be acknowledged
 *
 * Entries whose sequence is stored already are accepted and not kept again, so an agent may repeat what was not
 * acknowledged. Entries are ordered by sequence.
 */
int store_report_add(struct store *store, int64_t reporter_id, uint64_t epoch,
		     const struct denial_entry *denials, size_t n_denials,
		     const struct flow_entry *flows, size_t n_flows, struct report_state *state,
		     struct fault *fault);
int store_report_get(struct store *store, int64_t reporter_id, struct report_state *state, struct fault *fault);

/*
 * Forgets denials and flows from before @before_ms, and the oldest lines of every log that has more than @rows. @n:
 * lines removed, NULL allowed.
 */
int store_log_trim(struct store *store, int64_t before_ms, int64_t rows, size_t *n, struct fault *fault);

/* ---- objects: what admins do ---- */

/*
 * store_<noun>_put() adds the object when its id is 0 (and then sets id, created_ms and, of a policy, the tag), else
 * replaces everything of it but these. -EINVAL and -EEXIST name the field. store_<noun>_del(): -EBUSY and what still
 * uses it.
 */
int store_user_put(struct store *store, struct user *user, struct fault *fault);
/* With its devices, invitations and leases. */
int store_user_del(struct store *store, int64_t id, struct fault *fault);
int store_group_put(struct store *store, struct group *group, struct fault *fault);
int store_group_del(struct store *store, int64_t id, struct fault *fault);
int store_site_put(struct store *store, struct site *site, struct fault *fault);
int store_site_del(struct store *store, int64_t id, struct fault *fault);
int store_resource_put(struct store *store, struct resource *resource, struct fault *fault);
int store_resource_del(struct store *store, int64_t id, struct fault *fault);
int store_policy_put(struct store *store, struct policy *policy, struct fault *fault);
int store_policy_del(struct store *store, int64_t id, struct fault *fault);
/* Changes name and enabled alone; devices are made by store_enrol(). */
int store_device_put(struct store *store, const struct device *device, struct fault *fault);
int store_device_del(struct store *store, int64_t id, struct fault *fault);

/* Makes an invitation for a user or for a gateway of a site (the other id is 0). The token exists only here. */
int store_invitation_add(struct store *store, struct invitation *invitation, uint8_t token[INVITATION_TOKEN_LEN],
			 struct fault *fault);
int store_invitation_del(struct store *store, int64_t id, struct fault *fault);
/* Newest first; a visit that returns non-zero ends it and is returned. */
int store_invitation_each(struct store *store, int (*visit)(void *context, const struct invitation *invitation),
			  void *context, struct fault *fault);

/* ---- reading the logs ---- */

enum log_kind {
	LOG_AUDIT,
	LOG_DENIALS,
	LOG_FLOWS,
};

/**
 * struct log_filter - which lines
 * @kind: of which log
 * @after_id: only later ones; 0: the last @limit lines
 * @limit: at most so many, 1..1000
 * @user, @device, @resource, @policy, @action: NULL or the exact name
 */
struct log_filter {
	enum log_kind kind;
	int64_t after_id;
	unsigned int limit;
	const char *user;
	const char *device;
	const char *resource;
	const char *policy;
	const char *action;
};

/* One line of any log; what a log does not have is NULL or 0. */
struct log_row {
	enum log_kind kind;
	int64_t id;
	int64_t at_ms, end_ms;
	const char *actor, *action, *object;	/* audit */
	const char *user, *device, *resource, *policy, *text;
	const char *reporter, *peer, *reason;	/* denials, flows; @device is whichever end is a user's */
	bool outbound, observed;
	bool has_tag, has_tuple;
	uint8_t tag[MODEL_TAG_LEN];
	struct tuple tuple;
	uint64_t count;				/* denials */
	uint64_t packets_in, packets_out, bytes_in, bytes_out;	/* flows */
};

/* Oldest first. */
int store_log_each(struct store *store, const struct log_filter *filter,
		   int (*visit)(void *context, const struct log_row *row), void *context, struct fault *fault);

/* ---- what the broker decides from ---- */

/* A whole, consistent copy of all objects; see directory.h. NULL on failure. */
struct directory *store_directory(struct store *store, struct fault *fault);

#endif
