// SPDX-License-Identifier: GPL-2.0-only
#include "terms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The kernel's limits. */
#define LEASE_MAX_DAYS 366
#define RATE_MAX_BITS 53

static bool has_lease(const struct fz_grant *grant)
{
	return grant->has_lease;
}

static bool has_tag(const struct fz_grant *grant)
{
	return grant->has_tag;
}

static bool has_quota(const struct fz_grant *grant)
{
	return grant->quota;
}

static bool has_rate(const struct fz_grant *grant)
{
	return grant->rate;
}

static bool has_flows(const struct fz_grant *grant)
{
	return grant->flow_rate;
}

/* Whether a grant may last that long; @value is what says so. */
int grant_check_lease(const char *value, uint64_t ms, struct fz_error *err)
{
	if (ms > LEASE_MAX_DAYS * 24 * 3600 * 1000ULL)
		return fz_error_set(err, -EINVAL, "\"%s\" is longer than a year (%d days)", value, LEASE_MAX_DAYS);
	return 0;
}

static int set_lease(const char *value, uint64_t ms, struct fz_grant *grant, struct fz_error *err)
{
	int ret = grant_check_lease(value, ms, err);

	if (ret)
		return ret;
	grant->has_lease = true;
	grant->lease_ms = ms;
	return 0;
}

static int parse_for(const char *value, struct fz_grant *grant, struct fz_error *err)
{
	uint64_t ms;
	int ret;

	ret = fz_parse_duration(value, &ms, err);
	return ret ? ret : set_lease(value, ms, grant, err);
}

static int parse_until(const char *value, struct fz_grant *grant, struct fz_error *err)
{
	struct timespec now;
	int64_t until;
	int ret;

	ret = fz_parse_time(value, &until, err);
	if (ret)
		return ret;
	clock_gettime(CLOCK_REALTIME, &now);
	if (until <= now.tv_sec)
		return fz_error_set(err, -ETIME, "\"%s\" is in the past", value);
	return set_lease(value, (uint64_t)(until - now.tv_sec) * 1000 - (uint64_t)now.tv_nsec / 1000000, grant, err);
}

static int parse_tag(const char *value, struct fz_grant *grant, struct fz_error *err)
{
	int ret = fz_parse_tag(value, grant->tag, err);

	grant->has_tag = !ret;
	return ret;
}

static int parse_quota(const char *value, struct fz_grant *grant, struct fz_error *err)
{
	return fz_parse_size(value, &grant->quota, err);
}

static int parse_rate(const char *value, struct fz_grant *grant, struct fz_error *err)
{
	int ret = fz_parse_rate(value, &grant->rate, err);

	if (!ret && grant->rate > 1ULL << RATE_MAX_BITS)
		ret = fz_error_set(err, -EINVAL, "\"%s\" is more than the largest rate (2^%d bits per second)", value,
				   RATE_MAX_BITS);
	return ret;
}

static int parse_flows(const char *value, struct fz_grant *grant, struct fz_error *err)
{
	return fz_parse_flow_rate(value, &grant->flow_rate, err);
}

static const struct grant_term terms[] = {
	{ "for", "a duration", has_lease, "a grant ends once only", parse_for },
	{ "until", "a time", has_lease, "a grant ends once only", parse_until },
	{ "tag", "32 hexadecimal digits", has_tag, "it is there twice", parse_tag },
	{ "quota", "a size", has_quota, "it is there twice", parse_quota },
	{ "rate", "a rate", has_rate, "it is there twice", parse_rate },
	{ "flows", "a number of new flows", has_flows, "it is there twice", parse_flows },
};

/* NULL if there is none of that name. */
const struct grant_term *grant_term_find(const char *word)
{
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		if (!strcmp(terms[i].word, word))
			return &terms[i];
	}
	return NULL;
}

/* allow or deny */
int grant_parse_action(const char *word, uint8_t *action, struct fz_error *err)
{
	for (uint8_t a = 0; a <= FZ_ACTION_MAX; a++) {
		if (!strcmp(word, fz_action_name(a))) {
			*action = a;
			return 0;
		}
	}
	return fz_error_set(err, -EINVAL, "\"%s\" is no action (allow, deny)", word);
}

/* Whether the terms go together. */
int grant_check(const struct fz_grant *grant, struct fz_error *err)
{
	if (grant->action == FZ_ACTION_DENY && (grant->quota || grant->rate || grant->flow_rate))
		return fz_error_set(err, -EINVAL, "quota, rate and flows are for what is allowed, not for a denial");
	return 0;
}

/* By name. */
int compare_resources(const void *left, const void *right)
{
	return strcmp(((const struct fz_resource *)left)->name, ((const struct fz_resource *)right)->name);
}

/* By resource, then any before the peers, then direction. */
int compare_grants(const void *left, const void *right)
{
	const struct fz_grant *a = left, *b = right;
	int order = strcmp(a->resource, b->resource);

	if (!order)
		order = b->any - a->any;
	if (!order && !a->any)
		order = memcmp(a->peer, b->peer, FZ_KEY_LEN);
	return order ? order : a->direction - b->direction;
}

/* @first: a direction could have stood there as well */
static int parse_mode(const char *word, bool first, uint8_t *mode, struct fz_error *err)
{
	for (uint8_t m = 0; m <= FZ_MODE_MAX; m++) {
		if (!strcmp(word, fz_mode_name(m))) {
			*mode = m;
			return 0;
		}
	}
	return fz_error_set(err, -EINVAL, "\"%s\" is %s (open, observe, enforce, inherit)", word,
			    first ? "neither a direction (in, out) nor a mode" : "no mode");
}

/* [ask] [reject] after the mode; moves *i behind them. */
static int parse_flags(int *i, int n, char **words, struct fz_mode_state *state, struct fz_error *err)
{
	for (; *i < n; ++*i) {
		if (!strcmp(words[*i], "ask"))
			state->flags |= FZ_MODE_F_ASK;
		else if (!strcmp(words[*i], "reject"))
			state->flags |= FZ_MODE_F_REJECT;
		else
			return 0;
		if (state->mode != FZ_MODE_ENFORCE)
			return fz_error_set(err, -EINVAL, "\"%s\" goes with enforce only", words[*i]);
	}
	return 0;
}

/**
 * mode_parse - what happens to flows without a grant
 * @n: number of words
 * @words: [in|out] MODE [ask] [reject], any number of times; without a direction, both
 * @modes: filled; a direction that is not named is not present
 * @err: why not
 *
 * Return: 0 or -EINVAL
 */
int mode_parse(int n, char **words, struct fz_mode_state modes[FZ_DIRECTIONS], struct fz_error *err)
{
	memset(modes, 0, FZ_DIRECTIONS * sizeof(*modes));
	for (int i = 0; i < n; ) {
		struct fz_mode_state state = { .present = true };
		const char *first = words[i];
		uint8_t direction;
		bool both = fz_parse_direction(first, &direction, NULL) != 0;
		int ret;

		if (!both && ++i == n)
			return fz_error_set(err, -EINVAL, "a mode is missing after \"%s\"", first);
		ret = parse_mode(words[i++], both, &state.mode, err);
		if (!ret)
			ret = parse_flags(&i, n, words, &state, err);
		if (ret)
			return ret;
		for (uint8_t d = 0; d < FZ_DIRECTIONS; d++) {
			if (!both && d != direction)
				continue;
			if (modes[d].present)
				return fz_error_set(err, -EINVAL, "\"%s\": %s direction has a mode already", first,
						    both ? "a" : "this");
			modes[d] = state;
		}
	}
	return 0;
}

/* Whether a device, and not only a peer, can have such modes. */
int mode_check_device(const struct fz_mode_state modes[FZ_DIRECTIONS], struct fz_error *err)
{
	for (int d = 0; d < FZ_DIRECTIONS; d++) {
		if (modes[d].present && modes[d].mode == FZ_MODE_INHERIT)
			return fz_error_set(err, -EINVAL, "\"inherit\" is for peers, not for a device");
	}
	return 0;
}

/* As on the command line: "enforce ask reject". */
const char *format_mode(char *buf, size_t size, const struct fz_mode_state *mode)
{
	snprintf(buf, size, "%s%s%s", fz_mode_name(mode->mode),
		 mode->flags & FZ_MODE_F_ASK ? " ask" : "", mode->flags & FZ_MODE_F_REJECT ? " reject" : "");
	return buf;
}

/* The services of a resource, as words of the command line; for free(). NULL if out of memory. */
char *format_services(const struct fz_resource *res)
{
	size_t size = 16 + 24 * res->n_services;
	char *text = malloc(size);

	if (text)
		fz_format_services(text, size, res);
	return text;
}

/* Bytes of the start of a key, as "ab" or, as tables show it, "ab..."; 0 if the word is none. */
size_t peer_start(const char *word)
{
	size_t len = strlen(word);

	if (len > 3 && !strcmp(word + len - 3, "..."))
		len -= 3;
	return len < FZ_KEY_TEXT_LEN ? len : 0;
}

/**
 * peer_find - the peer whose key starts so, if there is exactly one
 * @dev: the device, or what a file makes of it, which may name a peer more than once
 * @place: where that is, such as "in this file"; NULL says "on" and the device's name
 * @word: the start, as peer_start() knows it
 * @key: receives the whole of it
 * @err: why not
 *
 * Return: 0 or -EINVAL
 */
int peer_find(const struct fz_device *dev, const char *place, const char *word, uint8_t key[FZ_KEY_LEN],
	      struct fz_error *err)
{
	char on[sizeof("on \"\"") + sizeof(dev->name)];
	const struct fz_peer *match = NULL;
	int len = (int)peer_start(word);
	char text[FZ_KEY_TEXT_SIZE];

	snprintf(on, sizeof(on), "on \"%s\"", dev->name);
	if (!place)
		place = on;
	for (size_t i = 0; i < dev->n_peers; i++) {
		const struct fz_peer *peer = &dev->peers[i];

		fz_key_format(text, peer->public_key);
		if (strncmp(text, word, (size_t)len))
			continue;
		if (match && memcmp(match->public_key, peer->public_key, FZ_KEY_LEN))
			return fz_error_set(err, -EINVAL, "\"%.*s\" is the start of more than one key %s", len, word,
					    place);
		match = peer;
	}
	if (!match)
		return fz_error_set(err, -EINVAL, "\"%.*s\" is neither a key nor the start of one %s",
				    len, word, place);
	memcpy(key, match->public_key, FZ_KEY_LEN);
	return 0;
}
