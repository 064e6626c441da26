// SPDX-License-Identifier: GPL-2.0-only
#include "denials.h"
#include "format.h"
#include "key.h"
#include "parse.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVICE_PORT_MAX	1023	/* a program without rights is given none of these */
#define EPHEMERAL_PORT		32768

/* "2026-11-26T12:00:00.123Z" */
static bool parse_when(const char *text, int64_t *ms)
{
	struct tm tm = { 0 };
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (!rest)
		return false;
	*ms = (int64_t)timegm(&tm) * 1000;
	if (*rest == '.') {
		size_t digits = strspn(++rest, "0123456789");

		for (size_t i = 0, worth = 100; i < digits && worth; i++, worth /= 10)
			*ms += (rest[i] - '0') * (int64_t)worth;
		rest += digits;
		if (!digits)
			return false;
	}
	return !strcmp(rest, "Z");
}

/* Devices are named in commands that go to a shell; none of ours has such a name, but others may. */
static bool parse_device(const char *text, char dev[IFNAMSIZ])
{
	if (!text || !*text || strlen(text) >= IFNAMSIZ)
		return false;
	if (*text == '-' || text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:+-")])
		return false;
	strcpy(dev, text);
	return true;
}

static bool take_number(const json_t *object, const char *key, json_int_t max, json_int_t *out)
{
	const json_t *value = json_object_get(object, key);

	*out = json_integer_value(value);
	return json_is_integer(value) && *out >= 0 && *out <= max;
}

/* What follows the first @len bits is no part of what is asked for. */
static void cut(struct sighting *one, const struct denials *denials)
{
	unsigned int most = one->family == AF_INET ? 32 : 128;
	unsigned int len = one->family == AF_INET ? denials->bits4 : denials->bits6;

	one->len = (uint8_t)(len < most ? len : most);
	for (unsigned int i = one->len / 8; i < sizeof(one->dst); i++)
		one->dst[i] &= i == one->len / 8 ? (uint8_t)~(0xff >> one->len % 8) : 0;
}

static bool parse_tuple(const json_t *tuple, const struct denials *denials, struct sighting *one)
{
	const char *protocol = json_string_value(json_object_get(tuple, "protocol"));
	const char *dst = json_string_value(json_object_get(tuple, "dst"));
	json_int_t sport, dport, type;
	struct fz_addr addr;

	if (!protocol || !dst || fz_parse_protocol(protocol, &one->protocol, NULL) ||
	    fz_parse_addr(dst, &addr, NULL))
		return false;
	one->family = addr.family;
	memcpy(one->dst, addr.bytes, addr.family == AF_INET ? 4 : 16);
	cut(one, denials);
	if (take_number(tuple, "sport", UINT16_MAX, &sport) && take_number(tuple, "dport", UINT16_MAX, &dport)) {
		one->port = (uint16_t)dport;
		one->backwards = sport && sport <= SERVICE_PORT_MAX && dport >= EPHEMERAL_PORT;
		return true;
	}
	if (one->protocol == IPPROTO_ICMP || one->protocol == IPPROTO_ICMPV6) {
		if (!take_number(tuple, "icmp_type", UINT8_MAX, &type))
			return false;
		one->port = (uint16_t)type;
	}
	return !protocol_has_ports(one->protocol);
}

static uint8_t parse_reason(const json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "reason"));

	for (uint8_t reason = 0; name && reason <= FZ_REASON_MAX; reason++) {
		if (!strcmp(name, fz_reason_name(reason)))
			return reason;
	}
	return FZ_REASON_NONE;
}

static void note_time(struct denials *denials, int64_t ms)
{
	if (!denials->events || ms < denials->first)
		denials->first = ms;
	if (!denials->events || ms > denials->last)
		denials->last = ms;
	denials->events++;
}

static bool is_early(const struct denials *denials, const json_t *event)
{
	int64_t ms;

	return parse_when(json_string_value(json_object_get(event, "time")), &ms) && ms < denials->since;
}

/* False if it makes no sense. */
static bool take_denial(struct denials *denials, const json_t *event)
{
	const char *verdict = json_string_value(json_object_get(event, "verdict"));
	const char *peer = json_string_value(json_object_get(event, "peer"));
	const char *direction = json_string_value(json_object_get(event, "direction"));
	const json_t *tuple = json_object_get(event, "tuple");
	struct sighting one = { .count = 1 };
	uint8_t reason = parse_reason(event);

	if (!verdict || !parse_when(json_string_value(json_object_get(event, "time")), &one.first) ||
	    !parse_device(json_string_value(json_object_get(event, "device")), one.dev) ||
	    fz_parse_direction(direction ? direction : "", &one.direction, NULL) ||
	    (peer && !fz_key_parse(one.peer, peer)))
		return false;
	one.last = one.first;
	if (is_early(denials, event)) {
		denials->earlier++;
		return true;
	}
	if ((denials->dev && strcmp(denials->dev, one.dev)) ||
	    (denials->peer && (!peer || strncmp(denials->peer, peer, strlen(denials->peer))))) {
		denials->others++;
		return true;
	}
	note_time(denials, one.first);
	if (!denials->refused && strcmp(verdict, "observe")) {
		denials->refusals++;
		return true;
	}
	if (reason != FZ_REASON_NO_GRANT && reason != FZ_REASON_EXPIRED && reason != FZ_REASON_QUOTA &&
	    reason != FZ_REASON_RATE) {
		denials->by_reason[reason]++;
		return true;
	}
	one.reason = reason;
	if (!peer) {
		denials->strays++;
		return true;
	}
	if (!parse_tuple(tuple, denials, &one))
		return false;
	sightings_add(&denials->seen, &one);
	return true;
}

/* Counts of what nobody read; false if there are none. */
static bool take_counts(struct denials *denials, const json_t *event, const char *name)
{
	const char *group = json_string_value(json_object_get(event, "group"));
	const char *dev = json_string_value(json_object_get(event, "device"));
	json_int_t n;

	if (!strcmp(name, "lost")) {
		if (is_early(denials, event))
			return true;
		denials->lost += take_number(event, "lost", INT64_MAX, &n) ? (uint64_t)n : 1;
		return true;
	}
	if (strcmp(name, "denial") && (strcmp(name, "suppressed") || !group || strcmp(group, "denials")))
		return false;
	if (is_early(denials, event) || (denials->dev && (!dev || strcmp(denials->dev, dev))))
		return true;
	if (take_number(event, "suppressed", INT64_MAX, &n))
		denials->suppressed += (uint64_t)n;
	return true;
}

static bool take_line(struct denials *denials, const char *line, size_t len)
{
	json_t *event = json_loadb(line, len, 0, NULL);
	const char *name = json_string_value(json_object_get(event, "event"));
	bool good = name;

	if (name && take_counts(denials, event, name) && !strcmp(name, "denial"))
		good = take_denial(denials, event);
	json_decref(event);
	return good;
}

/**
 * denials_read - count what is in a file
 * @denials: with @seen ready; added to
 * @in: one event a line; events of other kinds are passed over
 *
 * Return: 0 or a negative errno
 */
int denials_read(struct denials *denials, FILE *in)
{
	char *line = NULL;
	uint64_t number;
	size_t size = 0;
	ssize_t len;
	int ret = 0;

	errno = 0;
	denials->bad_line = 0;
	for (number = 1; (len = getline(&line, &size, in)) >= 0; number++) {
		if (line[strspn(line, " \t\r\n")] == '\0')
			continue;
		if (take_line(denials, line, (size_t)len)) {
			denials->good_lines++;
			continue;
		}
		denials->bad_lines++;
		if (!denials->bad_line)
			denials->bad_line = number;
	}
	if (ferror(in))
		ret = errno ? -errno : -EIO;
	free(line);
	return ret;
}
