// SPDX-License-Identifier: GPL-2.0-only
#include "options.h"

#include <argp.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "log.h"
#include "parse.h"

const char *argp_program_version = "fzbroker " FZ_VERSION;

enum {
	OPTION_STATE = 256,
	OPTION_LISTEN,
	OPTION_STUN,
	OPTION_ADMIN,
	OPTION_PUBLIC,
	OPTION_OVERLAY4,
	OPTION_OVERLAY6,
	OPTION_LEASE,
	OPTION_KEEP,
	OPTION_LOG_ROWS,
	OPTION_LOG_LEVEL,
};

static const struct argp_option table[] = {
	{ "state", OPTION_STATE, "DIR", 0, "Keep everything in DIR (/var/lib/fz/broker)", 0 },
	{ "listen", OPTION_LISTEN, "ADDRESS:PORT", 0, "Take the agents' channels here, TCP ([::]:7700)", 0 },
	{ "stun", OPTION_STUN, "ADDRESS:PORT", 0, "Answer STUN here, UDP ([::]:3478); \"none\": nowhere", 0 },
	{ "admin", OPTION_ADMIN, "PATH", 0, "Serve the admin API on this Unix socket (/run/fz/broker.sock)", 0 },
	{ "public", OPTION_PUBLIC, "HOST:PORT", 0,
	  "Where agents reach the broker, as invitations say it; the address of --listen if that is one", 0 },
	{ "overlay4", OPTION_OVERLAY4, "PREFIX", 0,
	  "IPv4 addresses of devices, fixed at the first start (100.64.0.0/11)", 0 },
	{ "overlay6", OPTION_OVERLAY6, "PREFIX", 0,
	  "IPv6 addresses of devices, fixed at the first start (a random fd00::/48)", 0 },
	{ "lease", OPTION_LEASE, "DURATION", 0, "Lease of policies that name none (15m)", 0 },
	{ "keep", OPTION_KEEP, "DURATION", 0, "Keep reports of refusals and flows so long (90d)", 0 },
	{ "log-rows", OPTION_LOG_ROWS, "N", 0, "Keep at most the last N lines of each log (10000000)", 0 },
	{ "log-level", OPTION_LOG_LEVEL, "LEVEL", 0, "error, warning, info or debug (info)", 0 },
	{ 0 },
};

struct parsing {
	struct config *config;
	struct store_options *store;
};

static void parse_endpoint(struct argp_state *state, const char *word, struct sockaddr_storage *out)
{
	union fz_endpoint endpoint = { 0 };
	struct fz_error error;

	if (fz_parse_endpoint(word, &endpoint, &error))
		argp_error(state, "%s", error.text);
	memset(out, 0, sizeof(*out));
	memcpy(out, &endpoint, sizeof(endpoint));
}

static void parse_overlay(struct argp_state *state, const char *word, struct prefix *out)
{
	struct fz_prefix prefix = { 0 };
	struct fz_error error;

	if (fz_parse_prefix(word, &prefix, &error))
		argp_error(state, "%s", error.text);
	memset(out, 0, sizeof(*out));
	out->family = (uint8_t)prefix.addr.family;
	out->bits = prefix.len;
	memcpy(out->addr, prefix.addr.bytes, out->family == AF_INET ? 4 : 16);
}

static void parse_public(struct argp_state *state, const char *word, char *out, size_t size)
{
	const char *colon = strrchr(word, ':');
	uint16_t port;

	if (!colon || colon == word || fz_parse_port(colon + 1, &port, NULL) || strlen(word) >= size ||
	    (memchr(word, ':', (size_t)(colon - word)) && (word[0] != '[' || colon[-1] != ']')))
		argp_error(state, "\"%s\" is no HOST:PORT", word);
	strcpy(out, word);
}

static void parse_lease(struct argp_state *state, const char *word, uint32_t *out)
{
	struct fz_error error;
	uint64_t ms = 0;

	if (fz_parse_duration(word, &ms, &error))
		argp_error(state, "%s", error.text);
	if (ms / 1000 < LEASE_MIN_S || ms / 1000 > LEASE_MAX_S)
		argp_error(state, "a lease is at most %d days", LEASE_MAX_S / 86400);
	*out = (uint32_t)(ms / 1000);
}

static void parse_keep(struct argp_state *state, const char *word, int64_t *out)
{
	struct fz_error error;
	uint64_t ms = 0;

	if (fz_parse_duration(word, &ms, &error))
		argp_error(state, "%s", error.text);
	*out = (int64_t)ms;
}

static void parse_rows(struct argp_state *state, const char *word, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(word, &end, 10);
	if (*word < '0' || *word > '9' || *end || errno || *out < 1000)
		argp_error(state, "\"%s\" is no number of lines: at least 1000", word);
}

static void parse_level(struct argp_state *state, const char *word)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(names[i], word))
			continue;
		log_threshold = (enum log_level)i;
		return;
	}
	argp_error(state, "\"%s\" is no log level", word);
}

static error_t parse_one(int key, char *word, struct argp_state *state)
{
	struct parsing *parsing = state->input;

	switch (key) {
	case OPTION_STATE:
		parsing->config->state = word;
		return 0;
	case OPTION_LISTEN:
		parse_endpoint(state, word, &parsing->config->listen);
		return 0;
	case OPTION_STUN:
		if (strcmp(word, "none"))
			parse_endpoint(state, word, &parsing->config->stun);
		else
			memset(&parsing->config->stun, 0, sizeof(parsing->config->stun));
		return 0;
	case OPTION_ADMIN:
		parsing->config->admin = word;
		return 0;
	case OPTION_PUBLIC:
		parse_public(state, word, parsing->config->public, sizeof(parsing->config->public));
		return 0;
	case OPTION_OVERLAY4:
		parse_overlay(state, word, &parsing->store->overlay4);
		return 0;
	case OPTION_OVERLAY6:
		parse_overlay(state, word, &parsing->store->overlay6);
		return 0;
	case OPTION_LEASE:
		parse_lease(state, word, &parsing->config->lease_s);
		return 0;
	case OPTION_KEEP:
		parse_keep(state, word, &parsing->config->keep_ms);
		return 0;
	case OPTION_LOG_ROWS:
		parse_rows(state, word, &parsing->config->log_rows);
		return 0;
	case OPTION_LOG_LEVEL:
		parse_level(state, word);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is one word too many", word);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Without --public, a definite --listen address is what agents use. */
static void public_default(struct config *config)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&config->listen;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&config->listen;
	union fz_endpoint endpoint;

	if (config->public[0])
		return;
	if (config->listen.ss_family == AF_INET ? v4->sin_addr.s_addr == INADDR_ANY :
	    !memcmp(&v6->sin6_addr, &in6addr_any, sizeof(in6addr_any)))
		return;
	memcpy(&endpoint, &config->listen, sizeof(endpoint));
	fz_format_endpoint(config->public, sizeof(config->public), &endpoint);
}

void options_parse(int argc, char **argv, struct config *config, struct store_options *store)
{
	static const struct argp argp = {
		.options = table,
		.parser = parse_one,
		.doc = "fzbroker: decides who reaches what, and introduces the two ends to each other.",
	};
	struct parsing parsing = { config, store };

	*config = (struct config){ .state = "/var/lib/fz/broker", .admin = "/run/fz/broker.sock", .lease_s = 900,
				     .keep_ms = INT64_C(90) * 86400 * 1000, .log_rows = 10000000 };
	*store = (struct store_options){ 0 };
	*(struct sockaddr_in6 *)&config->listen =
		(struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(7700) };
	*(struct sockaddr_in6 *)&config->stun =
		(struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(3478) };
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &parsing);
	public_default(config);
}
