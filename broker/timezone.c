// SPDX-License-Identifier: GPL-2.0-only
#include "timezone.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRANSITIONS_MAX	4096
#define FILE_MAX	(256 * 1024)
#define DAY_S		86400

/* When the rule of a footer changes the offset: one day of a year, and a time on it. */
struct rule {
	char kind;		/* 'M' month.week.day, 'J' 1..365 without 29 February, 'N' 0..365 */
	int month, week, day;
	int32_t time;		/* seconds after local midnight, may be negative or beyond a day */
};

/**
 * struct timezone_info - one zone
 * @n: number of transitions; @at[i] begins the time with @offset[i]
 * @first: offset before @at[0]
 * @has_rule: the footer holds after the last transition
 * @std: offset outside of summer time, @dst: within; the same when there is none
 */
struct timezone_info {
	struct timezone_info *next;
	char name[64];
	size_t n;
	int64_t *at;
	int32_t *offset;
	int32_t first;
	bool has_rule, has_dst;
	int32_t std, dst;
	struct rule begin, end;
};

struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

static const uint8_t *take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->bad || (size_t)(c->end - c->p) < n) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return p;
}

static int64_t take_int(struct cursor *c, size_t n)
{
	const uint8_t *p = take(c, n);
	uint64_t v = 0;

	if (!p)
		return 0;
	if (p[0] & 0x80)
		v = UINT64_MAX;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return (int64_t)v;
}

struct header {
	uint8_t version;
	size_t isutc, isstd, leap, times, types, chars;
};

static bool header_take(struct cursor *c, struct header *h)
{
	const uint8_t *magic = take(c, 4), *version = take(c, 16);

	h->isutc = (size_t)take_int(c, 4);
	h->isstd = (size_t)take_int(c, 4);
	h->leap = (size_t)take_int(c, 4);
	h->times = (size_t)take_int(c, 4);
	h->types = (size_t)take_int(c, 4);
	h->chars = (size_t)take_int(c, 4);
	if (c->bad || memcmp(magic, "TZif", 4))
		return false;
	h->version = *version;
	return h->times <= TRANSITIONS_MAX && h->types && h->types <= 256 && h->chars <= 4096 &&
	       h->leap <= 4096 && h->isutc <= 256 && h->isstd <= 256;
}

static size_t body_size(const struct header *h, size_t time_size)
{
	return h->times * time_size + h->times + h->types * 6 + h->chars + h->leap * (time_size + 4) +
	       h->isstd + h->isutc;
}

static bool body_take(struct cursor *c, const struct header *h, struct timezone_info *zone)
{
	struct cursor times = *c, indices, types;
	const uint8_t *body = take(c, body_size(h, 8));

	if (!body)
		return false;
	indices = (struct cursor){ .p = body + h->times * 8, .end = c->p };
	types = (struct cursor){ .p = indices.p + h->times, .end = c->p };
	zone->at = calloc(h->times + 1, sizeof(*zone->at));
	zone->offset = calloc(h->times + 1, sizeof(*zone->offset));
	if (!zone->at || !zone->offset)
		return false;
	zone->n = h->times;
	zone->first = (int32_t)take_int(&types, 4);
	for (size_t i = 0; i < h->times; i++) {
		const uint8_t *index = take(&indices, 1);
		struct cursor type;

		zone->at[i] = take_int(&times, 8);
		if (!index || *index >= h->types || (i && zone->at[i] <= zone->at[i - 1]))
			return false;
		type = (struct cursor){ .p = body + h->times * 9 + *index * 6u, .end = c->p };
		zone->offset[i] = (int32_t)take_int(&type, 4);
		if (zone->offset[i] < -26 * 3600 || zone->offset[i] > 26 * 3600)
			return false;
	}
	return true;
}

/* [+-]h[h][:mm[:ss]] */
static bool footer_time(const char **s, int32_t *out)
{
	int32_t sign = 1, part[3] = { 0 };
	int n = 0;

	if (**s == '+' || **s == '-')
		sign = *(*s)++ == '-' ? -1 : 1;
	do {
		int digits = 0;

		while (isdigit((unsigned char)**s) && digits++ < 3)
			part[n] = part[n] * 10 + (*(*s)++ - '0');
		if (!digits)
			return false;
	} while (++n < 3 && **s == ':' && (*s)++);
	if (part[0] > 167 || part[1] > 59 || part[2] > 59)
		return false;
	*out = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
	return true;
}

static bool footer_name(const char **s)
{
	size_t n;

	if (**s == '<') {
		n = strcspn(*s, ">");
		if (!(*s)[n])
			return false;
		*s += n + 1;
		return true;
	}
	for (n = 0; isalpha((unsigned char)(*s)[n]); n++)
		;
	*s += n;
	return n >= 3;
}

static bool footer_number(const char **s, int min, int max, int *out)
{
	int value = 0, digits = 0;

	while (isdigit((unsigned char)**s) && digits++ < 3)
		value = value * 10 + (*(*s)++ - '0');
	*out = value;
	return digits && value >= min && value <= max;
}

static bool footer_rule(const char **s, struct rule *rule)
{
	bool good;

	if (*(*s)++ != ',')
		return false;
	rule->time = 2 * 3600;
	if (**s == 'M') {
		rule->kind = *(*s)++;
		good = footer_number(s, 1, 12, &rule->month) && *(*s)++ == '.' &&
		       footer_number(s, 1, 5, &rule->week) && *(*s)++ == '.' && footer_number(s, 0, 6, &rule->day);
	} else if (**s == 'J') {
		rule->kind = *(*s)++;
		good = footer_number(s, 1, 365, &rule->day);
	} else {
		rule->kind = 'N';
		good = footer_number(s, 0, 365, &rule->day);
	}
	if (good && **s == '/') {
		++*s;
		good = footer_time(s, &rule->time);
	}
	return good;
}

/* The POSIX TZ string at the end of a file: STDoffset[DST[offset],begin,end]; offsets count west. */
static bool footer_parse(const char *s, struct timezone_info *zone)
{
	int32_t west;

	if (!*s)
		return true;
	if (!footer_name(&s) || !footer_time(&s, &west))
		return false;
	zone->has_rule = true;
	zone->std = zone->dst = -west;
	if (!*s)
		return true;
	zone->has_dst = true;
	zone->dst = zone->std + 3600;
	if (!footer_name(&s))
		return false;
	if (*s != ',') {
		if (!footer_time(&s, &west))
			return false;
		zone->dst = -west;
	}
	return footer_rule(&s, &zone->begin) && footer_rule(&s, &zone->end) && !*s;
}

static bool footer_take(struct cursor *c, struct timezone_info *zone)
{
	char text[128];
	size_t n;

	if (c->end - c->p < 2 || *c->p != '\n')
		return false;
	c->p++;
	for (n = 0; c->p + n < c->end && c->p[n] != '\n'; n++)
		;
	if (c->p + n == c->end || n >= sizeof(text))
		return false;
	memcpy(text, c->p, n);
	text[n] = '\0';
	return footer_parse(text, zone);
}

struct timezone_info *timezone_parse(const uint8_t *bytes, size_t len)
{
	struct timezone_info *zone = calloc(1, sizeof(*zone));
	struct cursor c = { .p = bytes, .end = bytes + len };
	struct header old, h;
	bool good;

	if (!zone)
		return NULL;
	/* The first part is for readers of 32-bit times. */
	good = header_take(&c, &old) && old.version >= '2' && take(&c, body_size(&old, 4)) && header_take(&c, &h) &&
	       body_take(&c, &h, zone) && footer_take(&c, zone);
	if (good)
		return zone;
	timezone_free(zone);
	return NULL;
}

void timezone_free(struct timezone_info *zone)
{
	if (!zone)
		return;
	free(zone->at);
	free(zone->offset);
	free(zone);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool leap_year(int64_t year)
{
	return (!(year % 4) && year % 100) || !(year % 400);
}

static int64_t year_of(int64_t at)
{
	int64_t year = 1970 + at / 31556952;

	while (days_of(year, 1, 1) * DAY_S > at)
		year--;
	while (days_of(year + 1, 1, 1) * DAY_S <= at)
		year++;
	return year;
}

/* When the rule strikes in a year, in seconds of local time (of the offset before it). */
static int64_t rule_at(const struct rule *rule, int64_t year)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t day;
	int length, weekday, date;

	if (rule->kind == 'M') {
		length = lengths[rule->month - 1] + (rule->month == 2 && leap_year(year));
		weekday = (int)(((days_of(year, rule->month, 1) + 4) % 7 + 7) % 7);	/* 1970-01-01: Thursday */
		date = 1 + (rule->day - weekday + 7) % 7 + (rule->week - 1) * 7;
		while (date > length)
			date -= 7;
		day = days_of(year, rule->month, date);
	} else if (rule->kind == 'J') {
		day = days_of(year, 1, 1) + rule->day - 1 + (leap_year(year) && rule->day >= 60);
	} else {
		day = days_of(year, 1, 1) + rule->day;
	}
	return day * DAY_S + rule->time;
}

static int32_t rule_offset(const struct timezone_info *zone, int64_t at, int64_t *until)
{
	int64_t year = year_of(at + zone->std);
	int64_t last = INT64_MIN;
	int32_t offset = zone->std;

	*until = INT64_MAX;
	if (!zone->has_dst)
		return offset;
	for (int64_t y = year - 1; y <= year + 1; y++) {
		int64_t begin = rule_at(&zone->begin, y) - zone->std;
		int64_t end = rule_at(&zone->end, y) - zone->dst;

		/* At equal moments (summer time all year) its begin counts. */
		if (end <= at && end > last) {
			last = end;
			offset = zone->std;
		}
		if (begin <= at && begin >= last) {
			last = begin;
			offset = zone->dst;
		}
		if (begin > at && begin < *until)
			*until = begin;
		if (end > at && end < *until)
			*until = end;
	}
	return offset;
}

int32_t timezone_offset(const struct timezone_info *zone, int64_t at, int64_t *until)
{
	int64_t ignored;
	size_t low = 0, high = zone->n;

	if (!until)
		until = &ignored;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zone->at[middle] <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == zone->n && zone->has_rule)
		return rule_offset(zone, at, until);
	*until = low < zone->n ? zone->at[low] : INT64_MAX;
	return low ? zone->offset[low - 1] : zone->first;
}

/* Parts of letters, digits and + - _, joined by single slashes: nothing that leads out of the database. */
static bool name_plain(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > 63)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c == '/' && i && i + 1 < len && name[i - 1] != '/')
			continue;
		if (c >= 0x80 || (!isalnum(c) && !strchr("+-_", c)))
			return false;
	}
	return true;
}

static struct timezone_info *zone_read(const char *name)
{
	struct timezone_info *zone = NULL;
	uint8_t *bytes = NULL;
	char path[128];
	struct stat st;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= FILE_MAX)
		bytes = malloc((size_t)st.st_size);
	if (bytes) {
		n = read(fd, bytes, (size_t)st.st_size);
		if (n == st.st_size)
			zone = timezone_parse(bytes, (size_t)n);
	}
	free(bytes);
	close(fd);
	return zone;
}

const struct timezone_info *timezone_get(const char *name)
{
	static struct timezone_info utc = { .name = "UTC" };
	static struct timezone_info *zones;
	struct timezone_info *zone;

	if (!strcmp(name, utc.name))
		return &utc;
	if (!name_plain(name))
		return NULL;
	for (zone = zones; zone; zone = zone->next)
		if (!strcmp(zone->name, name))
			return zone;
	zone = zone_read(name);
	if (!zone)
		return NULL;
	strcpy(zone->name, name);
	zone->next = zones;
	zones = zone;
	return zone;
}
