// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mode, [Resource] and [Grant] of a device, as `save` writes them. What the file
 * says of them and the device still has stays as it was written, with comments.
 */
#include "quick.h"
#include "terms.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SLACK_MS 60000		/* the wall clock may have been set */

static bool same_mode(const struct fz_mode_state *a, const struct fz_mode_state *b)
{
	return a->mode == b->mode && a->flags == b->flags;
}

/* Whether the file, as it is, makes a device of this mode. */
static bool says_mode(const struct quick *quick, const struct quick_policy *policy, const struct fz_device *dev)
{
	const struct fz_mode_state silent = {
		.mode = quick_says_policy(quick) ? FZ_MODE_ENFORCE : FZ_MODE_OPEN,
	};

	for (int d = 0; d < FZ_DIRECTIONS; d++) {
		if (!same_mode(policy->mode[d].present ? &policy->mode[d] : &silent, &dev->mode[d]))
			return false;
	}
	return true;
}

/**
 * quick_write_mode - the line Mode, if one is needed
 * @out: receives it
 * @quick: the file that made the device
 * @policy: what that says of flows
 * @state: the device
 */
void quick_write_mode(FILE *out, const struct quick *quick, const struct quick_policy *policy,
		      const struct quick_state *state)
{
	const struct fz_mode_state *mode = state->dev->mode;
	char in[64], to[64];

	if (says_mode(quick, policy, state->dev)) {
		for (size_t i = 0; i < quick->mode.n; i++)
			fprintf(out, "Mode = %s\n", quick->mode.lines[i].text);
		/* a file of wg-quick's stays one */
		if (quick_says_policy(quick) || (!state->n_resources && !state->n_grants))
			return;
	}
	format_mode(in, sizeof(in), &mode[FZ_DIR_IN]);
	format_mode(to, sizeof(to), &mode[FZ_DIR_OUT]);
	if (same_mode(&mode[FZ_DIR_IN], &mode[FZ_DIR_OUT]))
		fprintf(out, "Mode = %s\n", in);
	else
		fprintf(out, "Mode = in %s out %s\n", in, to);
}

static bool has_prefix(const struct fz_resource *res, const struct fz_prefix *prefix)
{
	size_t bytes = prefix->addr.family == AF_INET ? 4 : 16;

	for (size_t i = 0; i < res->n_prefixes; i++) {
		const struct fz_prefix *one = &res->prefixes[i];

		if (one->len == prefix->len && one->addr.family == prefix->addr.family &&
		    !memcmp(one->addr.bytes, prefix->addr.bytes, bytes))
			return true;
	}
	return false;
}

static bool has_service(const struct fz_resource *res, const struct fz_service *service)
{
	for (size_t i = 0; i < res->n_services; i++) {
		const struct fz_service *one = &res->services[i];

		if (one->protocol == service->protocol && one->has_ports == service->has_ports &&
		    (!one->has_ports || (one->port_min == service->port_min && one->port_max == service->port_max)))
			return true;
	}
	return false;
}

/* All of @b is in @a. */
static bool contains(const struct fz_resource *a, const struct fz_resource *b)
{
	for (size_t i = 0; i < b->n_prefixes; i++) {
		if (!has_prefix(a, &b->prefixes[i]))
			return false;
	}
	for (size_t i = 0; i < b->n_services; i++) {
		if (!has_service(a, &b->services[i]))
			return false;
	}
	return true;
}

static bool same_resource(const struct fz_resource *a, const struct fz_resource *b)
{
	return contains(a, b) && contains(b, a);
}

static bool is_over(const struct fz_grant *grant)
{
	return grant->has_lease && !grant->lease_ms;
}

/*
 * Whether the lease of a grant that the file made would be what it is now. A For
 * has been running since then; an Until is the same time still.
 */
static bool same_lease(const struct fz_grant *said, bool ends_at, const struct fz_grant *is)
{
	if (!said->has_lease || !is->has_lease)
		return said->has_lease == is->has_lease;
	if (is->lease_ms > said->lease_ms + SLACK_MS)
		return false;
	return !ends_at || (is->lease_ms && is->lease_ms + SLACK_MS >= said->lease_ms);
}

static bool same_terms(const struct fz_grant *a, const struct fz_grant *b)
{
	return a->action == b->action && a->quota == b->quota && a->rate == b->rate && a->flow_rate == b->flow_rate &&
	       a->has_tag == b->has_tag && (!a->has_tag || !memcmp(a->tag, b->tag, FZ_TAG_LEN));
}

static void write_resource(FILE *out, const struct fz_resource *res)
{
	char text[FZ_ADDR_TEXT_SIZE], *services = format_services(res);

	fprintf(out, "\n[Resource]\nName = %s\nPrefix = ", res->name);
	for (size_t i = 0; i < res->n_prefixes; i++)
		fprintf(out, "%s%s", i ? ", " : "", fz_format_prefix(text, sizeof(text), &res->prefixes[i]));
	fputc('\n', out);
	if (res->n_services && services)
		fprintf(out, "Service = %s\n", services);
	free(services);
}

/* Leases go on from where they are. */
static void write_lease(FILE *out, uint64_t ms)
{
	char text[32];
	struct timespec now;
	struct tm tm;
	time_t end;

	/* To the second that was said, and not the one before. */
	clock_gettime(CLOCK_REALTIME, &now);
	end = now.tv_sec + (time_t)((ms + (uint64_t)now.tv_nsec / 1000000 + 500) / 1000);
	gmtime_r(&end, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(out, "Until = %s\n", text);
}

static void write_grant(FILE *out, const struct fz_grant *grant)
{
	char text[FZ_KEY_TEXT_SIZE];

	fz_key_format(text, grant->peer);
	fprintf(out, "\n[Grant]\nPeer = %s\nResource = %s\n", grant->any ? "any" : text, grant->resource);
	if (grant->direction != FZ_DIR_IN)
		fprintf(out, "Direction = %s\n", fz_direction_name(grant->direction));
	if (grant->action != FZ_ACTION_ALLOW)
		fprintf(out, "Action = %s\n", fz_action_name(grant->action));
	if (grant->has_lease)
		write_lease(out, grant->lease_ms);
	if (grant->has_tag)
		fprintf(out, "Tag = %s\n", fz_format_tag(text, sizeof(text), grant->tag));
	if (grant->quota)
		fprintf(out, "Quota = %" PRIu64 "\n", grant->quota);
	if (grant->rate)
		fprintf(out, "Rate = %s\n", fz_format_rate(text, sizeof(text), grant->rate));
	if (grant->flow_rate)
		fprintf(out, "Flows = %u/s\n", grant->flow_rate);
}

/* A section of the file: some of its lines. */
struct part {
	const struct quick_line *lines;
	size_t n;
};

/* The section that begins at @first, without the empty lines after it; moves *first to the next one. */
static struct part next_part(const struct quick_lines *lines, size_t *first)
{
	struct part part = { &lines->lines[*first], 1 };
	size_t i = *first + 1;

	for (; i < lines->n && *lines->lines[i].text != '['; i++) {
		if (*lines->lines[i].text)
			part.n = i + 1 - *first;
	}
	*first = i;
	return part;
}

/* Whether a line says @key; @value receives what, for free() of the line that it is in. */
static char *split_line(const struct quick_line *line, const char *key, char **value)
{
	char *copy = strdup(line->text);

	if (copy && !strcasecmp(quick_split(copy, value), key) && *value)
		return copy;
	free(copy);
	return NULL;
}

static bool says_until(const struct part *part)
{
	char *line = NULL, *value;

	for (size_t i = 0; i < part->n && !line; i++)
		line = split_line(&part->lines[i], "Until", &value);
	free(line);
	return line;
}

/* As it was, but for the start of a key: there may be another one now that starts so. */
static void write_part(FILE *out, const struct part *part, const struct fz_grant *grant)
{
	char text[FZ_KEY_TEXT_SIZE], *line, *value;
	uint8_t key[FZ_KEY_LEN];

	fputc('\n', out);
	for (size_t i = 0; i < part->n; i++) {
		line = grant && !grant->any ? split_line(&part->lines[i], "Peer", &value) : NULL;
		if (line && !fz_key_parse(key, value)) {
			fz_key_format(text, grant->peer);
			fprintf(out, "Peer = %s\n", text);
		} else {
			fprintf(out, "%s\n", part->lines[i].text);
		}
		free(line);
	}
}

static void keep_resource(FILE *out, const struct part *part, const struct fz_resource *said,
			  const struct quick_state *state)
{
	const struct fz_resource *is = quick_find_resource(state->resources, state->n_resources, said->name);

	if (is && same_resource(said, is))
		write_part(out, part, NULL);
	else if (is)
		write_resource(out, is);
}

static void keep_grant(FILE *out, const struct part *part, const struct fz_grant *said,
		       const struct quick_state *state)
{
	const struct fz_grant *is = quick_find_grant(state->grants, state->n_grants, said);

	if (is && same_terms(said, is) && same_lease(said, says_until(part), is))
		write_part(out, part, said);
	else if (is && !is_over(is))
		write_grant(out, is);
}

/* What the file says, as far as the device has it still. */
static void keep_policy(FILE *out, const struct quick *quick, const struct quick_policy *policy,
			const struct quick_state *state)
{
	const struct quick_lines *lines = &quick->policy;
	size_t resource = 0, grant = 0;

	for (size_t i = 0; i < lines->n; ) {
		unsigned long number = lines->lines[i].number;
		struct part part = next_part(lines, &i);

		if (resource < policy->n_resources && policy->resource_lines[resource] == number)
			keep_resource(out, &part, &policy->resources[resource++], state);
		else if (grant < policy->n_grants && policy->grant_lines[grant] == number)
			keep_grant(out, &part, &policy->grants[grant++], state);
	}
}

/**
 * quick_write_policy - the sections [Resource] and [Grant]
 * @out: receives them
 * @quick: the file that made the device
 * @policy: what that says of flows
 * @state: the device
 */
void quick_write_policy(FILE *out, const struct quick *quick, const struct quick_policy *policy,
			const struct quick_state *state)
{
	keep_policy(out, quick, policy, state);
	for (size_t i = 0; i < state->n_resources; i++) {
		if (!quick_find_resource(policy->resources, policy->n_resources, state->resources[i].name))
			write_resource(out, &state->resources[i]);
	}
	for (size_t i = 0; i < state->n_grants; i++) {
		if (!quick_find_grant(policy->grants, policy->n_grants, &state->grants[i]) &&
		    !is_over(&state->grants[i]))
			write_grant(out, &state->grants[i]);
	}
}
