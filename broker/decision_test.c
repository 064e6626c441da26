// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decision against an oracle that knows no index: a small universe of addresses and ports, random users, resources
 * and policies in it, and every answer compared with a plain reading of the rules in decision.h.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decision.h"
#include "prefix.h"
#include "timezone.h"
#include "window.h"

#define GROUPS		4
#define USERS		4
#define DEVICES		6
#define SITES		2
#define RESOURCES	8
#define POLICIES	10
#define PORTS		6	/* ports 0..5 */
#define HOSTS		8	/* 10.0.0.0..7 and fd00::0..7 */

static uint64_t seed = 0xdec15104;

static unsigned int draw(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)(seed % n);
}

/* ---- random worlds ---- */

static int64_t *draw_ids(unsigned int most, unsigned int of, size_t *n)
{
	int64_t *ids = calloc(of + 1, sizeof(*ids));

	*n = 0;
	for (unsigned int id = 1; id <= of && *n < most; id++)
		if (draw(of) < most)
			ids[(*n)++] = id;
	return ids;
}

static struct prefix draw_prefix(void)
{
	struct prefix prefix = { 0 };
	unsigned int host = draw(HOSTS), cut = draw(4);

	if (draw(4)) {
		prefix.family = AF_INET;
		prefix.addr[0] = 10;
		prefix.addr[3] = (uint8_t)host;
		prefix.bits = (uint8_t)(32 - cut);
	} else {
		prefix.family = AF_INET6;
		prefix.addr[0] = 0xfd;
		prefix.addr[15] = (uint8_t)host;
		prefix.bits = (uint8_t)(128 - cut);
	}
	prefix_mask(&prefix);
	return prefix;
}

static struct service draw_service(void)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, 47 };
	struct service service = { .proto = protos[draw(3)], .last = UINT16_MAX };

	if (service.proto != 47 && draw(3)) {
		service.first = (uint16_t)draw(PORTS);
		service.last = (uint16_t)(service.first + draw(PORTS - service.first));
	}
	return service;
}

static void draw_policy(struct policy *policy)
{
	policy->action = draw(4) ? POLICY_ALLOW : POLICY_DENY;
	policy->enabled = draw(5);
	policy->lease_s = 60 * (1 + draw(180));
	policy->groups = draw_ids(2, GROUPS, &policy->n_groups);
	policy->resources = draw_ids(2, RESOURCES, &policy->n_resources);
	policy->has_window = !draw(3);
	if (!policy->has_window)
		return;
	policy->window.days = (uint8_t)(1 + draw(127));
	policy->window.from_min = (uint16_t)draw(1440);
	policy->window.to_min = (uint16_t)(1 + draw(1440));
	strcpy(policy->window.zone, draw(2) ? "UTC" : "Europe/Madrid");
	policy->zone = draw(8) ? timezone_get(policy->window.zone) : NULL;
}

static struct directory *draw_world(void)
{
	struct directory *dir = calloc(1, sizeof(*dir));

	dir->overlay4 = (struct prefix){ AF_INET, 11, { 100, 64 } };
	dir->overlay6 = (struct prefix){ AF_INET6, 48, { 0xfd, 1 } };
	dir->users = calloc(dir->n_users = USERS, sizeof(*dir->users));
	dir->groups = calloc(dir->n_groups = GROUPS, sizeof(*dir->groups));
	dir->sites = calloc(dir->n_sites = SITES, sizeof(*dir->sites));
	dir->devices = calloc(dir->n_devices = DEVICES, sizeof(*dir->devices));
	dir->resources = calloc(dir->n_resources = RESOURCES, sizeof(*dir->resources));
	dir->policies = calloc(dir->n_policies = POLICIES, sizeof(*dir->policies));
	for (unsigned int i = 0; i < USERS; i++) {
		dir->users[i] = (struct user){ .id = i + 1, .enabled = draw(8) };
		snprintf(dir->users[i].name, NAME_LEN_MAX, "user%u", i);
		dir->users[i].groups = draw_ids(2, GROUPS, &dir->users[i].n_groups);
	}
	for (unsigned int i = 0; i < GROUPS; i++) {
		dir->groups[i].id = i + 1;
		snprintf(dir->groups[i].name, NAME_LEN_MAX, "group%u", i);
	}
	for (unsigned int i = 0; i < SITES; i++) {
		dir->sites[i].id = i + 1;
		snprintf(dir->sites[i].name, NAME_LEN_MAX, "site%u", i);
		dir->sites[i].prefixes = calloc(2, sizeof(struct prefix));
		dir->sites[i].prefixes[0] = (struct prefix){ AF_INET, 24, { 10 } };
		dir->sites[i].prefixes[1] = (struct prefix){ AF_INET6, 64, { 0xfd } };
		dir->sites[i].n_prefixes = 2;
	}
	for (unsigned int i = 0; i < DEVICES; i++) {
		dir->devices[i] = (struct device){ .id = i + 1, .enabled = draw(8), .host = i + 1, .user_id = 1 + draw(USERS) };
		snprintf(dir->devices[i].name, NAME_LEN_MAX, "device%u", i);
		dir->devices[i].control_key[0] = dir->devices[i].tunnel_key[0] = (uint8_t)i;
		if (i == DEVICES - 1) {
			dir->devices[i].role = DEVICE_GATEWAY;
			dir->devices[i].user_id = 0;
			dir->devices[i].site_id = 1 + draw(SITES);
		}
	}
	for (unsigned int i = 0; i < RESOURCES; i++) {
		struct resource *resource = &dir->resources[i];

		resource->id = i + 1;
		resource->site_id = 1 + draw(SITES);
		snprintf(resource->name, NAME_LEN_MAX, "resource%u", i);
		resource->n_prefixes = 1 + draw(2);
		resource->prefixes = calloc(2, sizeof(struct prefix));
		for (size_t k = 0; k < resource->n_prefixes; k++)
			resource->prefixes[k] = draw_prefix();
		resource->n_services = draw(3);
		resource->services = calloc(2, sizeof(struct service));
		for (size_t k = 0; k < resource->n_services; k++)
			resource->services[k] = draw_service();
	}
	for (unsigned int i = 0; i < POLICIES; i++) {
		dir->policies[i].id = i + 1;
		snprintf(dir->policies[i].name, NAME_LEN_MAX, "policy%u", i);
		draw_policy(&dir->policies[i]);
	}
	assert_int_equal(directory_index(dir), 0);
	return dir;
}

static void world_free(struct directory *dir)
{
	for (size_t i = 0; i < dir->n_users; i++)
		free(dir->users[i].groups);
	for (size_t i = 0; i < dir->n_sites; i++)
		free(dir->sites[i].prefixes);
	for (size_t i = 0; i < dir->n_resources; i++) {
		free(dir->resources[i].prefixes);
		free(dir->resources[i].services);
	}
	for (size_t i = 0; i < dir->n_policies; i++) {
		free(dir->policies[i].groups);
		free(dir->policies[i].resources);
	}
	directory_free(dir);
}

/* Every flow of the universe, by number. */
#define TUPLES (HOSTS * 2 * 3 * PORTS)

static struct tuple tuple_number(unsigned int n)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, 47 };
	struct tuple tuple = { .dport = (uint16_t)(n % PORTS) };

	n /= PORTS;
	tuple.proto = protos[n % 3];
	n /= 3;
	tuple.family = n % 2 ? AF_INET6 : AF_INET;
	n /= 2;
	tuple.dst[0] = tuple.family == AF_INET ? 10 : 0xfd;
	tuple.dst[tuple.family == AF_INET ? 3 : 15] = (uint8_t)n;
	return tuple;
}

/* ---- the oracle ---- */

/* Length of the longest prefix of the resource that covers the flow, -1 when it does not cover it. */
static int covers(const struct resource *resource, const struct tuple *tuple)
{
	unsigned int host = tuple->dst[tuple->family == AF_INET ? 3 : 15];
	unsigned int width = tuple->family == AF_INET ? 32 : 128;
	bool served = !resource->n_services;
	int best = -1;

	for (size_t i = 0; i < resource->n_services; i++)
		if (resource->services[i].proto == tuple->proto &&
		    (tuple->proto == 47 || (resource->services[i].first <= tuple->dport &&
					    tuple->dport <= resource->services[i].last)))
			served = true;
	for (size_t i = 0; i < resource->n_prefixes && served; i++) {
		const struct prefix *prefix = &resource->prefixes[i];
		unsigned int base = prefix->addr[prefix->family == AF_INET ? 3 : 15];

		if (prefix->family == tuple->family && base <= host && host < base + (1u << (width - prefix->bits)) &&
		    (int)prefix->bits > best)
			best = prefix->bits;
	}
	return best;
}

static bool has(const int64_t *ids, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static bool for_user(const struct policy *policy, const struct user *user)
{
	for (size_t i = 0; i < user->n_groups; i++)
		if (has(policy->groups, policy->n_groups, user->groups[i]))
			return true;
	return false;
}

static bool open_at(const struct policy *policy, int64_t now_s)
{
	if (!policy->has_window)
		return true;
	if (!policy->zone)
		return policy->action == POLICY_DENY;
	return window_holds(&policy->window, policy->zone, now_s);
}

struct verdict {
	enum decision_reason reason;
	int bits;			/* of the best allow */
	const struct policy *policy;
	const struct resource *resource;
};

static bool beats(const struct verdict *best, int bits, const struct policy *policy,
		  const struct resource *resource)
{
	/* As one number of decimal places: prefix, services, lease, lowest policy, lowest resource. */
	long long rank[2];
	const struct verdict *v[2] = { best, &(struct verdict){ .bits = bits, .policy = policy, .resource = resource } };

	for (int i = 0; i < 2; i++)
		rank[i] = ((((v[i]->bits * 10LL + (v[i]->resource->n_services > 0)) * 1000000LL +
			     v[i]->policy->lease_s) * 100 + (99 - v[i]->policy->id)) * 100 +
			   (99 - v[i]->resource->id));
	return rank[1] > rank[0];
}

static struct verdict oracle(const struct directory *dir, const struct decision_request *request)
{
	struct verdict verdict = { .reason = DECISION_NO_RESOURCE };
	int64_t now_s = request->now_ms / 1000;
	bool denied = false, closed = false;
	const struct device *device = NULL;
	const struct user *user;

	if (request->device_id >= 1 && request->device_id <= DEVICES)
		device = &dir->devices[request->device_id - 1];
	if (!device || !device->enabled)
		return (struct verdict){ .reason = DECISION_NO_DEVICE };
	if (!device->user_id || !dir->users[device->user_id - 1].enabled)
		return (struct verdict){ .reason = DECISION_NO_USER };
	user = &dir->users[device->user_id - 1];
	for (int r = 0; r < RESOURCES; r++) {
		const struct resource *resource = &dir->resources[r];
		int bits = covers(resource, &request->tuple);

		if (bits < 0)
			continue;
		if (verdict.reason == DECISION_NO_RESOURCE)
			verdict.reason = DECISION_NO_POLICY;
		for (int p = 0; p < POLICIES; p++) {
			const struct policy *policy = &dir->policies[p];

			if (!policy->enabled || !for_user(policy, user) ||
			    !has(policy->resources, policy->n_resources, resource->id))
				continue;
			if (policy->action == POLICY_DENY)
				denied = denied || open_at(policy, now_s);
			else if (!open_at(policy, now_s))
				closed = true;
			else if (!verdict.policy || beats(&verdict, bits, policy, resource))
				verdict = (struct verdict){ DECISION_GRANTED, bits, policy, resource };
		}
	}
	if (denied)
		verdict.reason = DECISION_DENIED;
	else if (verdict.reason != DECISION_GRANTED && closed)
		verdict.reason = DECISION_OUTSIDE_WINDOW;
	return verdict;
}

/* Is there a flow that both cover? */
static bool meet(const struct resource *a, const struct resource *b)
{
	for (unsigned int n = 0; n < TUPLES; n++) {
		struct tuple tuple = tuple_number(n);

		if (covers(a, &tuple) >= 0 && covers(b, &tuple) >= 0)
			return true;
	}
	return false;
}

/* Minute by minute until the grant would have to end. */
static int64_t oracle_expiry(const struct directory *dir, const struct user *user, const struct verdict *verdict,
			     int64_t now_ms)
{
	int64_t end = now_ms + verdict->policy->lease_s * 1000LL;

	for (int64_t before = now_ms, t = (now_ms / 60000 + 1) * 60000; t < end; before = t, t += 60000) {
		if (!open_at(verdict->policy, t / 1000))
			return t;
		for (int p = 0; p < POLICIES; p++) {
			const struct policy *policy = &dir->policies[p];

			if (policy->action != POLICY_DENY || !policy->enabled || !for_user(policy, user) ||
			    open_at(policy, before / 1000) || !open_at(policy, t / 1000))
				continue;
			for (size_t k = 0; k < policy->n_resources; k++)
				if (meet(&dir->resources[policy->resources[k] - 1], verdict->resource))
					return t;
		}
	}
	return end;
}

/* ---- tests ---- */

static void test_flows_against_oracle(void **state)
{
	unsigned int seen[DECISION_DENIED + 1] = { 0 };

	(void)state;
	for (int i = 0; i < 1500; i++) {
		struct directory *dir = draw_world();

		for (int k = 0; k < 120; k++) {
			struct decision_request request = {
				.device_id = draw(DEVICES + 1) + (k == 0 ? 1 : 0),
				.now_ms = 1790000000000LL + draw(700000) * 1000LL + draw(1000),
				.tuple = tuple_number(draw(TUPLES)),
			};
			struct verdict want = oracle(dir, &request);
			struct decision got;

			decision_make(dir, &request, &got);
			seen[got.reason]++;
			assert_int_equal(got.reason, want.reason);
			assert_int_equal(got.allow, want.reason == DECISION_GRANTED);
			assert_true(got.text[0]);
			if (!got.allow)
				continue;
			assert_ptr_equal(got.policy, want.policy);
			assert_ptr_equal(got.resource, want.resource);
			assert_int_equal(got.site->id, got.resource->site_id);
			assert_int_equal(got.expires_ms,
					 oracle_expiry(dir, &dir->users[dir->devices[request.device_id - 1].user_id - 1],
						       &want, request.now_ms));
			assert_true(got.lease_s >= 1 && got.lease_s <= got.policy->lease_s);
		}
		world_free(dir);
	}
	for (int i = 0; i <= DECISION_DENIED; i++)
		if (seen[i] < 50)
			fail_msg("reason %s came only %u times: the worlds are too poor", decision_reason_name(i), seen[i]);
}

/* Does some deny that holds now, on one resource without services, cover all of the resource? */
static bool denied_wholly(const struct directory *dir, const struct user *user, const struct resource *resource,
			  int64_t now_s)
{
	for (int p = 0; p < POLICIES; p++) {
		const struct policy *policy = &dir->policies[p];

		if (policy->action != POLICY_DENY || !policy->enabled || !for_user(policy, user) ||
		    !open_at(policy, now_s))
			continue;
		for (size_t k = 0; k < policy->n_resources; k++) {
			const struct resource *outer = &dir->resources[policy->resources[k] - 1];
			bool all = !outer->n_services;

			for (size_t i = 0; i < resource->n_prefixes; i++) {
				bool held = false;

				for (size_t o = 0; o < outer->n_prefixes; o++)
					held = held || prefix_contains(&outer->prefixes[o], &resource->prefixes[i]);
				all = all && held;
			}
			if (all)
				return true;
		}
	}
	return false;
}

/* What a gateway admits (granted resource without the denies it was given) is never what a deny forbids. */
static void test_denies_are_complete(void **state)
{
	unsigned int allowed = 0, narrowed = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct directory *dir = draw_world();

		for (int k = 0; k < 20; k++) {
			struct decision_request request = { .device_id = 1 + draw(DEVICES - 1),
							    .resource_id = 1 + draw(RESOURCES),
							    .now_ms = 1790000000000LL + draw(700000) * 1000LL };
			struct decision_deny *denies;
			struct decision got;
			int n;

			decision_make(dir, &request, &got);
			if (got.allow)
				assert_false(denied_wholly(dir, &dir->users[dir->devices[request.device_id - 1].user_id - 1],
							   &dir->resources[request.resource_id - 1],
							   request.now_ms / 1000));
			if (got.reason == DECISION_DENIED) {
				/* then no flow of it is allowed */
				for (unsigned int t = 0; t < TUPLES; t++) {
					struct decision_request flow = { .device_id = request.device_id,
						.now_ms = request.now_ms, .tuple = tuple_number(t) };
					struct decision answer;

					if (covers(&dir->resources[request.resource_id - 1], &flow.tuple) < 0)
						continue;
					decision_make(dir, &flow, &answer);
					assert_int_equal(answer.reason, DECISION_DENIED);
				}
			}
			if (!got.allow)
				continue;
			allowed++;
			assert_int_equal(got.resource->id, request.resource_id);
			n = decision_denies(dir, request.device_id, got.site->id, request.now_ms, &denies);
			assert_true(n >= 0);
			narrowed += n > 0;
			for (unsigned int t = 0; t < TUPLES; t++) {
				struct decision_request flow = { .device_id = request.device_id,
					.now_ms = request.now_ms, .tuple = tuple_number(t) };
				struct decision answer;
				bool admitted = covers(got.resource, &flow.tuple) >= 0;

				for (int d = 0; d < n; d++)
					if (covers(denies[d].resource, &flow.tuple) >= 0)
						admitted = false;
				if (!admitted)
					continue;
				decision_make(dir, &flow, &answer);
				assert_true(answer.allow);
			}
			free(denies);
		}
		world_free(dir);
	}
	assert_true(allowed > 300);
	assert_true(narrowed > 30);
}

static void test_lease_stands(void **state)
{
	struct lease lease = { .device_id = 1, .resource_id = 1, .policy_id = 1, .gateway_id = DEVICES };
	struct directory *dir = draw_world();
	int64_t now = 1790000000000LL;
	struct decision decision;

	(void)state;
	dir->users[0].enabled = dir->devices[0].enabled = dir->devices[DEVICES - 1].enabled = true;
	dir->devices[0].user_id = 1;
	dir->users[0].groups[0] = 1;
	dir->users[0].n_groups = 1;
	dir->resources[0].site_id = dir->devices[DEVICES - 1].site_id;
	for (int p = 0; p < POLICIES; p++)
		dir->policies[p].n_groups = dir->policies[p].n_resources = 0;
	dir->policies[0] = (struct policy){ .id = 1, .name = "only", .action = POLICY_ALLOW, .enabled = true, .lease_s = 90,
					    .groups = dir->policies[0].groups, .n_groups = 1,
					    .resources = dir->policies[0].resources, .n_resources = 1 };
	dir->policies[0].groups[0] = dir->policies[0].resources[0] = 1;
	/* The orders were made before: make them again. */
	struct directory *again = calloc(1, sizeof(*again));

	*again = *dir;
	again->index = NULL;
	assert_int_equal(directory_index(again), 0);
	assert_true(decision_lease_stands(again, &lease, now, &decision));
	assert_int_equal(decision.lease_s, 90);
	again->policies[0].enabled = false;
	assert_false(decision_lease_stands(again, &lease, now, &decision));
	assert_non_null(strstr(decision.text, "no policy grants resource resource0 to any group of user0 "
			       "(policy only is disabled)"));
	again->policies[0].enabled = true;
	again->users[0].enabled = false;
	assert_false(decision_lease_stands(again, &lease, now, &decision));
	assert_string_equal(decision.text, "user user0 is disabled");
	again->users[0].enabled = true;
	again->devices[DEVICES - 1].enabled = false;
	assert_false(decision_lease_stands(again, &lease, now, &decision));
	again->devices[DEVICES - 1].enabled = true;
	again->devices[DEVICES - 1].site_id = 3 - again->devices[DEVICES - 1].site_id;
	assert_false(decision_lease_stands(again, &lease, now, &decision));
	lease.gateway_id = 99;
	assert_false(decision_lease_stands(again, &lease, now, &decision));
	/* Frees the arrays once, and both orders. */
	dir->users = NULL; dir->groups = NULL; dir->sites = NULL; dir->devices = NULL; dir->resources = NULL;
	dir->policies = NULL;
	dir->n_users = dir->n_groups = dir->n_sites = dir->n_devices = dir->n_resources = dir->n_policies = 0;
	directory_free(dir);
	world_free(again);
}

static void test_sentences(void **state)
{
	struct directory *dir = draw_world();
	struct decision_request request = { .device_id = 1, .now_ms = 1790000000000LL };
	struct decision decision;

	(void)state;
	dir->devices[0].enabled = dir->users[dir->devices[0].user_id - 1].enabled = true;
	request.tuple = (struct tuple){ .family = AF_INET, .proto = IPPROTO_TCP, .dst = { 10, 9, 0, 9 }, .dport = 22 };
	decision_make(dir, &request, &decision);
	assert_int_equal(decision.reason, DECISION_NO_RESOURCE);
	assert_string_equal(decision.text, "no resource covers 10.9.0.9:22/tcp");
	request.tuple.family = AF_INET6;
	memset(request.tuple.dst, 0, 16);
	request.tuple.dst[0] = 0x20;
	decision_make(dir, &request, &decision);
	assert_string_equal(decision.text, "no resource covers [2000::]:22/tcp");
	request.resource_id = 4711;
	decision_make(dir, &request, &decision);
	assert_string_equal(decision.text, "there is no such resource");
	request.device_id = DEVICES;
	dir->devices[DEVICES - 1].enabled = true;
	decision_make(dir, &request, &decision);
	assert_int_equal(decision.reason, DECISION_NO_USER);
	world_free(dir);
}

static void test_next_change(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct directory *dir = draw_world();
		int64_t now = 1790000000000LL + draw(700000) * 1000LL, got = decision_next_change(dir, now), t;
		bool same = true;

		for (t = (now / 60000 + 1) * 60000; same && t < now + 8 * 86400000LL; t += same ? 60000 : 0)
			for (int p = 0; p < POLICIES; p++)
				if (dir->policies[p].enabled &&
				    open_at(&dir->policies[p], t / 1000) != open_at(&dir->policies[p], now / 1000))
					same = false;
		if (!same)
			assert_int_equal(got, t);
		else
			assert_true(got >= t);
		world_free(dir);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows_against_oracle),
		cmocka_unit_test(test_denies_are_complete),
		cmocka_unit_test(test_lease_stands),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_next_change),
	};

	return cmocka_run_group_tests_name("decision", tests, NULL, NULL);
}
