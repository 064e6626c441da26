// SPDX-License-Identifier: GPL-2.0-only
#include "parse.h"
#include "key.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS_PER_S 1000ULL
#define LEASE_MAX_MS (100ULL * 365 * 24 * 3600 * MS_PER_S)

/*
 * Digits and nothing else, up to @end; false if there are none, if there are
 * too many, or if the number is above @max.
 */
static bool parse_digits(const char *word, const char *end, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (word == end)
		return false;
	for (; word < end; word++) {
		if (*word < '0' || *word > '9')
			return false;
		if (value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(*word - '0');
		if (value > max)
			return false;
	}
	*out = value;
	return true;
}

/* Whether parse_digits() has refused a number for its size alone. */
static bool is_too_large(const char *word, const char *end)
{
	return word < end && word + strspn(word, "0123456789") >= end;
}

static bool parse_number(const char *word, uint64_t max, uint64_t *out)
{
	return parse_digits(word, word + strlen(word), max, out);
}

int fz_parse_u32(const char *word, const char *what, uint32_t min, uint32_t max, uint32_t *out,
		 struct fz_error *err)
{
	uint64_t value;

	if (!parse_number(word, max, &value) || value < min)
		return fz_error_set(err, -EINVAL, "\"%s\" is no %s (%u to %u)", word, what, min, max);
	*out = (uint32_t)value;
	return 0;
}

static bool addr_from_text(const char *text, struct fz_addr *out)
{
	struct fz_addr addr = { 0 };

	if (inet_pton(AF_INET, text, &addr.v4) == 1)
		addr.family = AF_INET;
	else if (inet_pton(AF_INET6, text, &addr.v6) == 1)
		addr.family = AF_INET6;
	else
		return false;
	*out = addr;
	return true;
}

int fz_parse_addr(const char *word, struct fz_addr *out, struct fz_error *err)
{
	if (!addr_from_text(word, out))
		return fz_error_set(err, -EINVAL, "\"%s\" is no IPv4 or IPv6 address", word);
	return 0;
}

static bool has_host_bits(const struct fz_prefix *prefix)
{
	unsigned int bytes = prefix->addr.family == AF_INET ? 4 : 16;
	unsigned int whole = prefix->len / 8;

	if (whole < bytes && prefix->len % 8) {
		if (prefix->addr.bytes[whole] & (0xff >> (prefix->len % 8)))
			return true;
		whole++;
	}
	for (; whole < bytes; whole++) {
		if (prefix->addr.bytes[whole])
			return true;
	}
	return false;
}

int fz_parse_ifaddr(const char *word, struct fz_prefix *out, struct fz_error *err)
{
	const char *slash = strchr(word, '/');
	size_t len = slash ? (size_t)(slash - word) : strlen(word);
	struct fz_prefix prefix = { 0 };
	char text[INET6_ADDRSTRLEN];
	uint64_t bits;
	unsigned int max;

	if (len >= sizeof(text))
		goto bad;
	memcpy(text, word, len);
	text[len] = 0;
	if (!addr_from_text(text, &prefix.addr))
		goto bad;
	max = prefix.addr.family == AF_INET ? 32 : 128;
	bits = max;
	if (slash && !parse_number(slash + 1, max, &bits))
		return fz_error_set(err, -EINVAL, "\"%s\": the length after the slash must be 0 to %u",
				    word, max);
	prefix.len = (uint8_t)bits;
	*out = prefix;
	return 0;
bad:
	return fz_error_set(err, -EINVAL, "\"%s\" is no prefix, like 10.0.0.0/8 or fd00::/8", word);
}

int fz_parse_prefix(const char *word, struct fz_prefix *out, struct fz_error *err)
{
	struct fz_prefix prefix;
	int ret;

	ret = fz_parse_ifaddr(word, &prefix, err);
	if (ret)
		return ret;
	if (has_host_bits(&prefix))
		return fz_error_set(err, -EINVAL, "\"%s\" has bits set after its length", word);
	*out = prefix;
	return 0;
}

int fz_parse_port(const char *word, uint16_t *out, struct fz_error *err)
{
	uint64_t value;

	if (!parse_number(word, UINT16_MAX, &value) || !value)
		return fz_error_set(err, -EINVAL, "\"%s\" is no port (1 to 65535)", word);
	*out = (uint16_t)value;
	return 0;
}

int fz_parse_endpoint(const char *word, union fz_endpoint *out, struct fz_error *err)
{
	union fz_endpoint ep = { 0 };
	char text[INET6_ADDRSTRLEN];
	const char *colon = strrchr(word, ':'), *start = word, *end = colon;
	struct fz_addr addr;
	uint16_t port;

	if (!colon)
		goto bad;
	if (*word == '[') {
		if (colon == word || colon[-1] != ']')
			goto bad;
		start++;
		end--;
	}
	if (end <= start || (size_t)(end - start) >= sizeof(text))
		goto bad;
	memcpy(text, start, (size_t)(end - start));
	text[end - start] = 0;
	if (!addr_from_text(text, &addr) || (addr.family == AF_INET6) != (*word == '['))
		goto bad;
	if (fz_parse_port(colon + 1, &port, NULL))
		return fz_error_set(err, -EINVAL, "\"%s\": \"%s\" is no port (1 to 65535)", word,
				    colon + 1);
	if (addr.family == AF_INET) {
		ep.v4.sin_family = AF_INET;
		ep.v4.sin_addr = addr.v4;
		ep.v4.sin_port = htons(port);
	} else {
		ep.v6.sin6_family = AF_INET6;
		ep.v6.sin6_addr = addr.v6;
		ep.v6.sin6_port = htons(port);
	}
	*out = ep;
	return 0;
bad:
	return fz_error_set(err, -EINVAL,
			    "\"%s\" is no endpoint, like 192.0.2.1:51820 or [2001:db8::1]:51820", word);
}

int fz_parse_protocol(const char *word, uint8_t *out, struct fz_error *err)
{
	static const struct {
		const char *name;
		uint8_t number;
	} known[] = {
		{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP },
		{ "icmp", IPPROTO_ICMP }, { "icmpv6", IPPROTO_ICMPV6 },
	};
	uint64_t value;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strcmp(word, known[i].name)) {
			*out = known[i].number;
			return 0;
		}
	}
	if (strncmp(word, "proto/", 6) || !parse_number(word + 6, UINT8_MAX, &value))
		return fz_error_set(err, -EINVAL,
				    "\"%s\" is no protocol (tcp, udp, sctp, icmp, icmpv6, proto/NUMBER)",
				    word);
	*out = (uint8_t)value;
	return 0;
}

static bool is_icmp(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

/* One of the comma-separated parts of a list of ports, or ICMP types: 443 or 8000-8010. */
static bool parse_port_range(const char *part, const char *end, struct fz_service *service)
{
	uint64_t low, high, max = is_icmp(service->protocol) ? UINT8_MAX : UINT16_MAX;
	const char *dash = memchr(part, '-', (size_t)(end - part));

	if (!parse_digits(part, dash ? dash : end, max, &low))
		return false;
	high = low;
	if (dash && !parse_digits(dash + 1, end, max, &high))
		return false;
	/* nobody listens on port 0 */
	if (low > high || (!high && !is_icmp(service->protocol)))
		return false;
	service->has_ports = true;
	service->port_min = (uint16_t)low;
	service->port_max = (uint16_t)high;
	return true;
}

static int parse_port_list(const char *word, const char *list, uint8_t protocol,
			   struct fz_resource *out, struct fz_error *err)
{
	size_t before = out->n_services;
	const char *end;

	for (;; list = end + 1) {
		struct fz_service service = { .protocol = protocol };

		end = strchrnul(list, ',');
		if (!parse_port_range(list, end, &service)) {
			out->n_services = before;
			return fz_error_set(err, -EINVAL, "\"%s\": \"%.*s\" is no %s", word, (int)(end - list), list,
					    is_icmp(protocol) ? "ICMP type or range of them" :
								"port or range of ports");
		}
		if (fz_resource_add_service(out, &service))
			return fz_error_memory(err);
		if (!*end)
			return 0;
	}
}

int fz_parse_service(const char *word, struct fz_resource *out, struct fz_error *err)
{
	static const char *const with_ports[] = { "tcp", "udp", "sctp", "icmp", "icmpv6" };
	struct fz_service service = { 0 };
	uint8_t protocol;

	for (size_t i = 0; i < sizeof(with_ports) / sizeof(with_ports[0]); i++) {
		size_t len = strlen(with_ports[i]);

		if (!strncmp(word, with_ports[i], len) && word[len] == '/') {
			fz_parse_protocol(with_ports[i], &protocol, NULL);
			return parse_port_list(word, word + len + 1, protocol, out, err);
		}
	}
	if (!strcmp(word, "icmp")) {
		service.protocol = IPPROTO_ICMP;
		if (fz_resource_add_service(out, &service))
			return fz_error_memory(err);
		service.protocol = IPPROTO_ICMPV6;
	} else if (fz_parse_protocol(word, &service.protocol, NULL)) {
		return fz_error_set(err, -EINVAL,
				    "\"%s\" is no service (tcp, udp or sctp with optional /PORTS, icmp, icmp/TYPES, icmpv6/TYPES, proto/NUMBER)",
				    word);
	}
	if (fz_resource_add_service(out, &service))
		return fz_error_memory(err);
	return 0;
}

int fz_parse_duration(const char *word, uint64_t *ms, struct fz_error *err)
{
	static const char units[] = "smhd";
	static const uint64_t seconds[] = { 1, 60, 3600, 86400 };
	size_t len = strlen(word);
	const char *unit = len ? strchr(units, word[len - 1]) : NULL;
	const char *end = unit ? word + len - 1 : word;
	uint64_t value;

	/* What is too large for a number is too long in any unit. */
	if (!parse_digits(word, end, UINT32_MAX, &value))
		value = is_too_large(word, end) ? UINT32_MAX : 0;
	if (!value)
		return fz_error_set(err, -EINVAL, "\"%s\" is no duration, like 90s, 15m, 8h or 7d", word);
	value *= seconds[unit - units] * MS_PER_S;
	if (value > LEASE_MAX_MS)
		return fz_error_set(err, -EINVAL, "\"%s\" is longer than a hundred years", word);
	*ms = value;
	return 0;
}

/*
 * Digits up to @end, with one of @units before it, each @base times the one before. -EINVAL if it is none, or
 * 0; -ERANGE if it is too large.
 */
static int parse_scaled(const char *word, const char *end, const char *units, uint64_t base, uint64_t *out)
{
	const char *unit = end > word ? strchr(units, end[-1]) : NULL;
	uint64_t scale = 1;

	if (unit) {
		end--;
		for (; unit >= units; unit--)
			scale *= base;
	}
	if (!parse_digits(word, end, UINT64_MAX / scale, out))
		return is_too_large(word, end) ? -ERANGE : -EINVAL;
	*out *= scale;
	return *out ? 0 : -EINVAL;
}

int fz_parse_size(const char *word, uint64_t *bytes, struct fz_error *err)
{
	int ret = parse_scaled(word, word + strlen(word), "KMGT", 1024, bytes);

	if (ret == -ERANGE)
		return fz_error_set(err, ret, "\"%s\" is more bytes than can be counted", word);
	if (ret)
		return fz_error_set(err, ret, "\"%s\" is no size, like 1500, 500M or 20G", word);
	return 0;
}

int fz_parse_rate(const char *word, uint64_t *bits, struct fz_error *err)
{
	size_t len = strlen(word);
	bool unit = len && strchr("kMG", word[len - 1]);
	int ret;

	if (len > 3 && !strcmp(word + len - 3, "bit")) {
		unit = true;
		len -= 3;
	}
	/* A number alone could be meant as anything. */
	ret = unit ? parse_scaled(word, word + len, "kMG", 1000, bits) : -EINVAL;
	if (ret == -ERANGE)
		return fz_error_set(err, ret, "\"%s\" is more than can be counted", word);
	if (ret)
		return fz_error_set(err, ret, "\"%s\" is no rate, like 64kbit, 10Mbit or 1Gbit", word);
	return 0;
}

int fz_parse_flow_rate(const char *word, uint32_t *flows, struct fz_error *err)
{
	size_t len = strlen(word);
	const char *end = len > 2 && !strcmp(word + len - 2, "/s") ? word + len - 2 : word;
	uint64_t value;

	if (!parse_digits(word, end, UINT32_MAX, &value)) {
		if (is_too_large(word, end))
			return fz_error_set(err, -ERANGE, "\"%s\" is more than %u new flows a second", word, UINT32_MAX);
		value = 0;
	}
	if (!value)
		return fz_error_set(err, -EINVAL, "\"%s\" is no number of new flows, like 20/s", word);
	*flows = (uint32_t)value;
	return 0;
}

/* The zone after a time of RFC 3339: Z or +HH:MM; false if it is none. */
static bool parse_zone(const char *text, long *offset)
{
	uint64_t hours, minutes;

	*offset = 0;
	if (!strcmp(text, "Z") || !strcmp(text, "z"))
		return true;
	if ((*text != '+' && *text != '-') || strlen(text) != 6 || text[3] != ':')
		return false;
	if (!parse_digits(text + 1, text + 3, 23, &hours) || !parse_digits(text + 4, text + 6, 59, &minutes))
		return false;
	*offset = (long)(hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
	return true;
}

int fz_parse_time(const char *word, int64_t *out, struct fz_error *err)
{
	time_t now = time(NULL), when;
	struct tm tm = { 0 };
	const char *rest;
	long offset;
	int mday;

	rest = strptime(word, "%H:%M", &tm);
	if (rest && !*rest) {
		struct tm today;

		if (!localtime_r(&now, &today))
			goto bad;
		today.tm_hour = tm.tm_hour;
		today.tm_min = tm.tm_min;
		today.tm_sec = 0;
		today.tm_isdst = -1;
		when = mktime(&today);
		if (when <= now) {
			today.tm_mday++;
			today.tm_isdst = -1;
			when = mktime(&today);
		}
		*out = when;
		return 0;
	}

	memset(&tm, 0, sizeof(tm));
	rest = strptime(word, "%Y-%m-%dT%H:%M", &tm);
	if (rest && *rest == ':')
		rest = strptime(rest, ":%S", &tm);
	if (!rest)
		goto bad;
	mday = tm.tm_mday;
	tm.tm_isdst = -1;
	if (!*rest) {
		when = mktime(&tm);
	} else {
		if (!parse_zone(rest, &offset))
			goto bad;
		when = timegm(&tm) - offset;
	}
	/* the 31st of a short month would become the 1st of the next */
	if (tm.tm_mday != mday)
		goto bad;
	*out = when;
	return 0;
bad:
	return fz_error_set(err, -EINVAL,
			    "\"%s\" is no time, like 18:00, 2026-12-31T18:00 or 2026-12-31T18:00:00Z", word);
}

int fz_parse_tag(const char *word, uint8_t tag[FZ_TAG_LEN], struct fz_error *err)
{
	char digits[2 * FZ_TAG_LEN + 1];
	uint8_t bytes[FZ_TAG_LEN];
	size_t n = 0, i;
	bool dashed = strlen(word) == 2 * FZ_TAG_LEN + 4;

	for (i = 0; word[i]; i++) {
		if (dashed && (i == 8 || i == 13 || i == 18 || i == 23)) {
			if (word[i] != '-')
				goto bad;
			continue;
		}
		if (n == sizeof(digits) - 1)
			goto bad;
		digits[n++] = word[i];
	}
	digits[n] = 0;
	if (!fz_key_parse_hex(bytes, sizeof(bytes), digits))
		goto bad;
	memcpy(tag, bytes, sizeof(bytes));
	return 0;
bad:
	return fz_error_set(err, -EINVAL, "\"%s\" is no tag (32 hexadecimal digits)", word);
}

size_t fz_utf8_char(const char *text)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)*text;
	int more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : -1;
	uint32_t point;

	if (!c || more < 0)
		return 0;
	point = more ? c & (0x3fU >> more) : c;
	for (int i = 1; i <= more; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	return (size_t)more + 1;
}

static bool is_utf8(const char *text)
{
	size_t n;

	while ((n = fz_utf8_char(text)))
		text += n;
	return !*text;
}

int fz_parse_name(const char *word, char out[FZ_NAME_MAX + 1], struct fz_error *err)
{
	size_t len = strlen(word);

	if (!len)
		return fz_error_set(err, -EINVAL, "a name must not be empty");
	if (len > FZ_NAME_MAX)
		return fz_error_set(err, -EINVAL, "\"%s\" is longer than %u bytes", word, FZ_NAME_MAX);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)word[i];

		if (c <= ' ' || c == 0x7f)
			return fz_error_set(err, -EINVAL,
					    "\"%s\" is no name: it has a space or a control character", word);
	}
	if (!is_utf8(word))
		return fz_error_set(err, -EINVAL, "\"%s\" is no name: it is not UTF-8", word);
	memcpy(out, word, len + 1);
	return 0;
}

int fz_parse_direction(const char *word, uint8_t *out, struct fz_error *err)
{
	if (!strcmp(word, "in"))
		*out = FZ_DIR_IN;
	else if (!strcmp(word, "out"))
		*out = FZ_DIR_OUT;
	else
		return fz_error_set(err, -EINVAL, "\"%s\" is no direction (in, out)", word);
	return 0;
}
