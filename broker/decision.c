// SPDX-License-Identifier: GPL-2.0-only
#include "decision.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prefix.h"
#include "window.h"

/**
 * struct judging - one decision being made
 * @now_s: the request's time
 * @tuple: what is asked for, NULL when it is @resource
 * @nearest, @nearest_bits: of the covering resources the most specific one
 * @allow, @allow_resource, @allow_bits: the best allow so far
 * @deny, @deny_resource: a deny, the one with the lowest id
 * @closed, @off: policies that would allow, were it another time, or were they enabled
 */
struct judging {
	const struct directory *dir;
	const struct device *device;
	const struct user *user;
	const struct tuple *tuple;
	int64_t now_s;
	const struct resource *nearest;
	unsigned int nearest_bits;
	const struct policy *allow;
	const struct resource *allow_resource;
	unsigned int allow_bits;
	const struct policy *deny;
	const struct resource *deny_resource;
	const struct policy *closed;
	const struct resource *closed_resource;
	const struct policy *off;
};

const char *decision_reason_name(enum decision_reason reason)
{
	switch (reason) {
	case DECISION_GRANTED:
		return "granted";
	case DECISION_NO_DEVICE:
		return "no-device";
	case DECISION_NO_USER:
		return "no-user";
	case DECISION_NO_RESOURCE:
		return "no-resource";
	case DECISION_NO_POLICY:
		return "no-policy";
	case DECISION_OUTSIDE_WINDOW:
		return "outside-window";
	case DECISION_DENIED:
		return "denied";
	}
	return "?";
}

static int64_t seconds_of(int64_t ms)
{
	return (ms >= 0 ? ms : ms - 999) / 1000;
}

/* A window whose zone is not in this host's database any more: an allow never holds, a deny always does. */
static bool in_window(const struct policy *policy, int64_t now_s)
{
	if (!policy->has_window)
		return true;
	if (!policy->zone)
		return policy->action == POLICY_DENY;
	return window_holds(&policy->window, policy->zone, now_s);
}

/* When the answer of in_window() changes next, in seconds. */
static int64_t window_change_s(const struct policy *policy, int64_t now_s)
{
	if (!policy->has_window || !policy->zone)
		return INT64_MAX;
	return window_change(&policy->window, policy->zone, now_s);
}

static int64_t window_change_ms(const struct policy *policy, int64_t now_s)
{
	int64_t at = window_change_s(policy, now_s);

	return at == INT64_MAX ? at : at * 1000;
}

/* When it begins to hold, or does so again, in milliseconds. */
static int64_t window_begin_ms(const struct policy *policy, int64_t now_s)
{
	int64_t end = now_s;

	if (in_window(policy, now_s))
		end = window_change_s(policy, now_s);
	return end == INT64_MAX ? end : window_change_ms(policy, end);
}

static bool services_hold(const struct resource *resource, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < resource->n_services; i++)
		if (service_holds(&resource->services[i], proto, port))
			return true;
	return !resource->n_services;
}

static bool overlap(const struct resource *a, const struct resource *b)
{
	bool prefixes = false, services = !a->n_services || !b->n_services;

	for (size_t i = 0; i < a->n_prefixes && !prefixes; i++)
		for (size_t j = 0; j < b->n_prefixes && !prefixes; j++)
			prefixes = prefix_overlaps(&a->prefixes[i], &b->prefixes[j]);
	for (size_t i = 0; i < a->n_services && !services; i++)
		for (size_t j = 0; j < b->n_services && !services; j++)
			services = service_overlaps(&a->services[i], &b->services[j]);
	return prefixes && services;
}

/* Whatever @inner covers, @outer covers with one of its prefixes and services each. */
static bool contain(const struct resource *outer, const struct resource *inner)
{
	for (size_t i = 0; i < inner->n_prefixes; i++) {
		bool held = false;

		for (size_t j = 0; j < outer->n_prefixes && !held; j++)
			held = prefix_contains(&outer->prefixes[j], &inner->prefixes[i]);
		if (!held)
			return false;
	}
	if (outer->n_services && !inner->n_services)
		return false;
	for (size_t i = 0; outer->n_services && i < inner->n_services; i++) {
		bool held = false;

		for (size_t j = 0; j < outer->n_services && !held; j++)
			held = service_contains(&outer->services[j], &inner->services[i]);
		if (!held)
			return false;
	}
	return true;
}

/* Most specific prefix, then services named, then longest lease, then lowest ids. */
static bool better(const struct judging *j, const struct policy *policy, const struct resource *resource,
		   unsigned int bits)
{
	if (!j->allow)
		return true;
	if (bits != j->allow_bits)
		return bits > j->allow_bits;
	if (!resource->n_services != !j->allow_resource->n_services)
		return resource->n_services;
	if (policy->lease_s != j->allow->lease_s)
		return policy->lease_s > j->allow->lease_s;
	if (policy->id != j->allow->id)
		return policy->id < j->allow->id;
	return resource->id < j->allow_resource->id;
}

static void weigh(struct judging *j, const struct policy *policy, const struct resource *resource,
		  unsigned int bits)
{
	if (!directory_concerns(policy, j->user))
		return;
	if (policy->action == POLICY_DENY) {
		if (policy->enabled && in_window(policy, j->now_s) && (!j->deny || policy->id < j->deny->id)) {
			j->deny = policy;
			j->deny_resource = resource;
		}
		return;
	}
	if (!policy->enabled) {
		if (!j->off || policy->id < j->off->id)
			j->off = policy;
	} else if (!in_window(policy, j->now_s)) {
		if (!j->closed || policy->id < j->closed->id) {
			j->closed = policy;
			j->closed_resource = resource;
		}
	} else if (better(j, policy, resource, bits)) {
		j->allow = policy;
		j->allow_resource = resource;
		j->allow_bits = bits;
	}
}

/* A resource that covers what is asked for. */
static void consider(void *context, const struct resource *resource, uint8_t bits)
{
	struct judging *j = context;
	const struct policy *const *policies;
	size_t n;

	if (j->tuple && !services_hold(resource, j->tuple->proto, j->tuple->dport))
		return;
	if (!j->nearest || bits > j->nearest_bits ||
	    (bits == j->nearest_bits && resource->id < j->nearest->id)) {
		j->nearest = resource;
		j->nearest_bits = bits;
	}
	policies = directory_policies_on(j->dir, resource->id, &n);
	for (size_t i = 0; i < n; i++)
		weigh(j, policies[i], resource, bits);
}

/* Asked for a whole resource, a deny on one that contains it refuses too. */
static void consider_containing(struct judging *j, const struct resource *resource)
{
	const struct policy *const *denying;
	size_t n;

	denying = directory_denying(j->dir, &n);
	for (size_t i = 0; i < n; i++) {
		if (!directory_concerns(denying[i], j->user) || !in_window(denying[i], j->now_s))
			continue;
		for (size_t k = 0; k < denying[i]->n_resources; k++) {
			const struct resource *outer = directory_resource(j->dir, denying[i]->resources[k]);

			if (outer && contain(outer, resource))
				weigh(j, denying[i], outer, 0);
		}
	}
}

static void refuse(struct decision *decision, enum decision_reason reason, const struct resource *resource,
		   const struct policy *policy)
{
	decision->allow = false;
	decision->reason = reason;
	decision->resource = resource;
	decision->policy = policy;
}

#define say(decision, ...) snprintf((decision)->text, sizeof((decision)->text), __VA_ARGS__)

/* Who may ask at all. False when refused. */
static bool judge_asker(struct judging *j, int64_t device_id, struct decision *decision)
{
	j->device = directory_device(j->dir, device_id);
	if (!j->device) {
		refuse(decision, DECISION_NO_DEVICE, NULL, NULL);
		say(decision, "the device is not known (any more)");
		return false;
	}
	if (!j->device->enabled) {
		refuse(decision, DECISION_NO_DEVICE, NULL, NULL);
		say(decision, "device %s is disabled", j->device->name);
		return false;
	}
	j->user = directory_user(j->dir, j->device->user_id);
	if (!j->user) {
		refuse(decision, DECISION_NO_USER, NULL, NULL);
		say(decision, "device %s is a gateway and may not open flows", j->device->name);
		return false;
	}
	if (!j->user->enabled) {
		refuse(decision, DECISION_NO_USER, NULL, NULL);
		say(decision, "user %s is disabled", j->user->name);
		return false;
	}
	return true;
}

/*
 * The lease ends with the policy's window, and where a deny begins, or begins again, that touches the resource: a
 * gateway that hears nothing then must not let it through.
 */
static int64_t lease_end(const struct judging *j, int64_t now_ms)
{
	int64_t end = now_ms + (int64_t)j->allow->lease_s * 1000;
	int64_t change = window_change_ms(j->allow, j->now_s);
	const struct policy *const *denying;
	size_t n;

	if (change < end)
		end = change;
	denying = directory_denying(j->dir, &n);
	for (size_t i = 0; i < n; i++) {
		if (!denying[i]->has_window || !directory_concerns(denying[i], j->user))
			continue;
		change = window_begin_ms(denying[i], j->now_s);
		for (size_t k = 0; change < end && k < denying[i]->n_resources; k++) {
			const struct resource *other = directory_resource(j->dir, denying[i]->resources[k]);

			if (other && overlap(other, j->allow_resource))
				end = change;
		}
	}
	return end;
}

static const struct group *granting_group(const struct judging *j)
{
	struct policy alone = { .n_groups = 1 };

	for (size_t i = 0; i < j->allow->n_groups; i++) {
		alone.groups = &j->allow->groups[i];
		if (directory_concerns(&alone, j->user))
			return directory_group(j->dir, j->allow->groups[i]);
	}
	return NULL;
}

static void grant(const struct judging *j, int64_t now_ms, struct decision *decision)
{
	const struct group *group = granting_group(j);

	decision->allow = true;
	decision->reason = DECISION_GRANTED;
	decision->resource = j->allow_resource;
	decision->policy = j->allow;
	decision->expires_ms = lease_end(j, now_ms);
	decision->lease_s = (uint32_t)((decision->expires_ms - now_ms) / 1000);
	if (!decision->lease_s)
		decision->lease_s = 1;
	say(decision, "policy %s grants resource %s to group %s, which %s is in, for %u s", j->allow->name,
	    j->allow_resource->name, group ? group->name : "?", j->user->name, decision->lease_s);
}

static void conclude(const struct judging *j, int64_t now_ms, struct decision *decision)
{
	char text[WINDOW_TEXT_SIZE > TUPLE_TEXT_SIZE ? WINDOW_TEXT_SIZE : TUPLE_TEXT_SIZE];

	if (!j->nearest) {
		refuse(decision, DECISION_NO_RESOURCE, NULL, NULL);
		if (j->tuple)
			say(decision, "no resource covers %s", target_format(j->tuple, text));
		else
			say(decision, "there is no such resource");
	} else if (j->deny) {
		refuse(decision, DECISION_DENIED, j->deny_resource, j->deny);
		say(decision, "policy %s denies resource %s to %s", j->deny->name, j->deny_resource->name, j->user->name);
	} else if (j->allow) {
		grant(j, now_ms, decision);
	} else if (j->closed) {
		refuse(decision, DECISION_OUTSIDE_WINDOW, j->closed_resource, j->closed);
		say(decision, "policy %s: outside its time window %s", j->closed->name,
		    window_format(&j->closed->window, text));
	} else {
		refuse(decision, DECISION_NO_POLICY, j->nearest, NULL);
		say(decision, "no policy grants resource %s to any group of %s%s%s%s", j->nearest->name, j->user->name,
		    j->off ? " (policy " : "", j->off ? j->off->name : "", j->off ? " is disabled)" : "");
	}
}

void decision_make(const struct directory *dir, const struct decision_request *request, struct decision *decision)
{
	struct judging j = { .dir = dir, .now_s = seconds_of(request->now_ms) };
	const struct resource *resource;

	memset(decision, 0, sizeof(*decision));
	if (!judge_asker(&j, request->device_id, decision))
		return;
	if (request->resource_id) {
		resource = directory_resource(dir, request->resource_id);
		if (resource) {
			consider(&j, resource, 0);
			consider_containing(&j, resource);
		}
	} else {
		j.tuple = &request->tuple;
		directory_covering(dir, j.tuple->family, j.tuple->dst, consider, &j);
	}
	conclude(&j, request->now_ms, decision);
	if (decision->resource)
		decision->site = directory_site(dir, decision->resource->site_id);
}

static bool touches_site(const struct resource *resource, const struct site *site)
{
	for (size_t i = 0; i < resource->n_prefixes; i++)
		for (size_t j = 0; j < site->n_prefixes; j++)
			if (prefix_overlaps(&resource->prefixes[i], &site->prefixes[j]))
				return true;
	return false;
}

/* One entry per resource: that of the deny that lasts longest. */
static void add_deny(struct decision_deny *denies, int *n, const struct policy *policy,
		     const struct resource *resource, int64_t expires_ms)
{
	for (int i = 0; i < *n; i++) {
		if (denies[i].resource != resource)
			continue;
		if (denies[i].expires_ms < expires_ms)
			denies[i] = (struct decision_deny){ policy, resource, expires_ms };
		return;
	}
	denies[(*n)++] = (struct decision_deny){ policy, resource, expires_ms };
}

int decision_denies(const struct directory *dir, int64_t device_id, int64_t site_id, int64_t now_ms,
		    struct decision_deny **denies)
{
	const struct device *device = directory_device(dir, device_id);
	const struct user *user = device ? directory_user(dir, device->user_id) : NULL;
	const struct site *site = directory_site(dir, site_id);
	const struct policy *const *denying;
	int64_t now_s = seconds_of(now_ms);
	size_t n_denying, most = 0;
	int n = 0;

	denying = directory_denying(dir, &n_denying);
	for (size_t i = 0; i < n_denying; i++)
		most += denying[i]->n_resources;
	*denies = calloc(most + 1, sizeof(**denies));
	if (!*denies)
		return -ENOMEM;
	for (size_t i = 0; user && site && i < n_denying; i++) {
		if (!directory_concerns(denying[i], user) || !in_window(denying[i], now_s))
			continue;
		for (size_t k = 0; k < denying[i]->n_resources; k++) {
			const struct resource *resource = directory_resource(dir, denying[i]->resources[k]);

			if (resource && touches_site(resource, site))
				add_deny(*denies, &n, denying[i], resource, window_change_ms(denying[i], now_s));
		}
	}
	return n;
}

bool decision_lease_stands(const struct directory *dir, const struct lease *lease, int64_t now_ms,
			   struct decision *decision)
{
	const struct decision_request request = { .device_id = lease->device_id, .now_ms = now_ms,
						  .resource_id = lease->resource_id };
	const struct device *gateway = directory_device(dir, lease->gateway_id);
	struct decision local;

	if (!decision)
		decision = &local;
	decision_make(dir, &request, decision);
	if (!decision->allow)
		return false;
	if (gateway && gateway->enabled && gateway->role == DEVICE_GATEWAY &&
	    gateway->site_id == decision->resource->site_id)
		return true;
	refuse(decision, DECISION_NO_DEVICE, decision->resource, NULL);
	if (gateway)
		say(decision, "gateway %s does not serve resource %s any more", gateway->name, decision->resource->name);
	else
		say(decision, "the gateway is not known any more");
	return false;
}

int64_t decision_next_change(const struct directory *dir, int64_t now_ms)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < dir->n_policies; i++) {
		int64_t change;

		if (!dir->policies[i].enabled)
			continue;
		change = window_change_ms(&dir->policies[i], seconds_of(now_ms));
		if (change < next)
			next = change;
	}
	return next;
}
