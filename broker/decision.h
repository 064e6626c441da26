/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * May this device reach that, now, and why (not)? Pure functions of a directory and a request: no clock, no store, no
 * network. Live decisions, explain and tests all use them.
 *
 * Rules. A policy speaks about a request when it is enabled, holds a group of the device's user and a resource that
 * covers the destination. Deny beats allow; among allows the most specific resource wins, then the longest lease,
 * then the lowest policy id. A policy outside its time window says nothing.
 */
#ifndef BROKER_DECISION_H
#define BROKER_DECISION_H

#include "directory.h"

enum decision_reason {
	DECISION_GRANTED,
	DECISION_NO_DEVICE,		/* not known (any more), or disabled */
	DECISION_NO_USER,		/* its user is disabled, or it is a gateway */
	DECISION_NO_RESOURCE,		/* nothing covers the destination */
	DECISION_NO_POLICY,		/* nobody grants it to a group of the user */
	DECISION_OUTSIDE_WINDOW,	/* a policy would, at another time */
	DECISION_DENIED,		/* a deny policy */
};

/**
 * struct decision_request - the question
 * @device_id: who asks
 * @now_ms: when
 * @resource_id: the resource asked for, or 0 and then
 * @tuple: the flow asked for
 */
struct decision_request {
	int64_t device_id;
	int64_t now_ms;
	int64_t resource_id;
	struct tuple tuple;
};

/**
 * struct decision - the answer
 * @allow: yes or no
 * @reason: DECISION_GRANTED when @allow
 * @resource: what is granted; when refused, the resource that came nearest, or NULL
 * @site: of @resource
 * @policy: the deciding policy, or NULL when there is none
 * @expires_ms: until when it may be granted: @lease_s from now
 * @lease_s: the policy's lease, cut short where its window ends or where the window of a deny policy that touches
 *	the resource begins. At least 1 when @allow
 * @text: the answer in one sentence
 */
struct decision {
	bool allow;
	enum decision_reason reason;
	const struct resource *resource;
	const struct site *site;
	const struct policy *policy;
	int64_t expires_ms;
	uint32_t lease_s;
	char text[384];
};

/**
 * decision_make() - answer one request
 * @dir: state to decide from
 * @request: the question
 * @decision: out: the answer; pointers are into @dir
 *
 * For a tuple: a deny policy on any covering resource refuses. For a resource: a deny policy on it, or on one that
 * contains it wholly, refuses; one that covers a part of it is for decision_denies().
 */
void decision_make(const struct directory *dir, const struct decision_request *request, struct decision *decision);

/** decision_reason_name() - a stable word for machines: "granted", "no-policy" ... */
const char *decision_reason_name(enum decision_reason reason);

/**
 * struct decision_deny - a deny that a gateway must know beside its allow grants for a device
 * @expires_ms: when its window ends, INT64_MAX when it has none
 */
struct decision_deny {
	const struct policy *policy;
	const struct resource *resource;
	int64_t expires_ms;
};

/**
 * decision_denies() - the deny grants to install for a device at a site, now
 * @dir: state
 * @device_id: the client
 * @site_id: the gateway's site
 * @now_ms: the time
 * @denies: out: array of one entry per resource, to be freed by the caller
 *
 * A granted resource may contain others that a deny policy names. The gateway gets these with every Admit.
 *
 * Return: their number, or -ENOMEM.
 */
int decision_denies(const struct directory *dir, int64_t device_id, int64_t site_id, int64_t now_ms,
		    struct decision_deny **denies);

/**
 * decision_lease_stands() - whether a lease as issued would still be granted
 * @dir: state, after a change
 * @lease: as issued
 * @now_ms: the time
 * @decision: out: the answer now; NULL allowed
 *
 * True when the device is still granted that resource; @decision names the policy that grants it now, which may be
 * another one than @lease's.
 */
bool decision_lease_stands(const struct directory *dir, const struct lease *lease, int64_t now_ms,
			   struct decision *decision);

/**
 * decision_next_change() - the next moment at which some window begins or ends
 * @dir: state
 * @now_ms: the time
 *
 * Return: a time after @now_ms at which leases and denies should be judged again, INT64_MAX when none will come.
 */
int64_t decision_next_change(const struct directory *dir, int64_t now_ms);

#endif
