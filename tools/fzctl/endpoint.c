// SPDX-License-Identifier: GPL-2.0-only
/* Endpoints with names in them. */
#include "endpoint.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRIES_DEFAULT 15
#define FIRST_WAIT_US 1000000U
#define LONGEST_WAIT_US 20000000U

volatile sig_atomic_t endpoint_give_up;

/* How often to try again, from WG_ENDPOINT_RESOLUTION_RETRIES; negative is for ever. */
static int read_retries(long *retries, struct fz_error *err)
{
	const char *text = getenv("WG_ENDPOINT_RESOLUTION_RETRIES");
	char *end;

	*retries = RETRIES_DEFAULT;
	if (!text)
		return 0;
	if (!strcmp(text, "infinity")) {
		*retries = -1;
		return 0;
	}
	errno = 0;
	*retries = strtol(text, &end, 10);
	if (errno || end == text || *end || *retries < 0 || *retries > INT_MAX)
		return fz_error_set(err, -EINVAL,
				    "Unable to parse WG_ENDPOINT_RESOLUTION_RETRIES: `%s'", text);
	return 0;
}

/* Trying again does not help. */
static bool is_final(int code)
{
	return code == EAI_NONAME || code == EAI_FAIL || code == EAI_SERVICE
#ifdef EAI_NODATA
	       || code == EAI_NODATA
#endif
	       || code == EAI_ADDRFAMILY || code == EAI_FAMILY || code == EAI_BADFLAGS;
}

static int lookup(const char *text, const char *host, const char *port, struct addrinfo **result,
		  struct fz_error *err)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_protocol = IPPROTO_UDP,
	};
	unsigned int wait = FIRST_WAIT_US;
	long retries;
	int code;

	code = read_retries(&retries, err);
	if (code)
		return code;
	for (;;) {
		code = getaddrinfo(host, port, &hints, result);
		if (!code)
			return 0;
		if (is_final(code) || !retries || endpoint_give_up)
			return fz_error_set(err, -EINVAL, "%s: `%s'",
					    code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code), text);
		fprintf(stderr, "%s: `%s'. Trying again in %.2f seconds...\n",
			code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code), text, wait / 1000000.0);
		usleep(wait);
		if (retries > 0)
			retries--;
		wait = wait >= LONGEST_WAIT_US / 6 * 5 ? LONGEST_WAIT_US : wait / 5 * 6;
	}
}

/* A number has to be a port: the resolver would silently cut it to 16 bits. */
static int check_port(const char *text, struct fz_error *err)
{
	uint32_t number;

	if (text[strspn(text, "0123456789")])
		return 0;
	if (fz_parse_u32(text, "port", 0, UINT16_MAX, &number, NULL))
		return fz_error_set(err, -EINVAL, "Port is not 0-65535: `%s'", text);
	return 0;
}

int port_resolve(const char *text, uint16_t *port, struct fz_error *err)
{
	const struct addrinfo hints = {
		.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM, .ai_protocol = IPPROTO_UDP,
		.ai_flags = AI_PASSIVE,
	};
	struct addrinfo *result;
	int ret;

	if (!*text)
		return fz_error_set(err, -EINVAL, "Unable to parse empty port");
	if (check_port(text, err))
		return -EINVAL;
	ret = getaddrinfo(NULL, text, &hints, &result);
	if (ret)
		return fz_error_set(err, -EINVAL, "%s: `%s'", gai_strerror(ret), text);
	*port = ntohs(((struct sockaddr_in *)(void *)result->ai_addr)->sin_port);
	freeaddrinfo(result);
	return 0;
}

/* Cut "host:port" or "[host]:port" in two, in place. */
static int cut(const char *text, char *copy, char **host, char **port, struct fz_error *err)
{
	char *end;

	if (!*copy)
		return fz_error_set(err, -EINVAL, "Unable to parse empty endpoint");
	if (*copy == '[') {
		*host = copy + 1;
		end = strchr(copy, ']');
		if (!end)
			return fz_error_set(err, -EINVAL, "Unable to find matching brace of endpoint: `%s'",
					    text);
		*end++ = 0;
		if (*end != ':' || !end[1])
			return fz_error_set(err, -EINVAL, "Unable to find port of endpoint: `%s'", text);
		*port = end + 1;
		return 0;
	}
	*host = copy;
	end = strrchr(copy, ':');
	if (!end || !end[1])
		return fz_error_set(err, -EINVAL, "Unable to find port of endpoint: `%s'", text);
	*end = 0;
	*port = end + 1;
	return 0;
}

int endpoint_resolve(const char *text, union fz_endpoint *out, struct fz_error *err)
{
	struct addrinfo *result = NULL;
	char *copy = strdup(text), *host = NULL, *port = NULL;
	int ret;

	if (!copy)
		return fz_error_memory(err);
	ret = cut(text, copy, &host, &port, err);
	if (!ret)
		ret = check_port(port, err);
	if (!ret)
		ret = lookup(text, host, port, &result, err);
	if (!ret) {
		if ((result->ai_family == AF_INET && result->ai_addrlen == sizeof(out->v4)) ||
		    (result->ai_family == AF_INET6 && result->ai_addrlen == sizeof(out->v6)))
			memcpy(out, result->ai_addr, result->ai_addrlen);
		else
			ret = fz_error_set(err, -EINVAL, "Neither IPv4 nor IPv6 address found: `%s'", text);
		freeaddrinfo(result);
	}
	free(copy);
	return ret;
}
