// SPDX-License-Identifier: GPL-2.0-only
#include "window.h"

#include <stdio.h>
#include <string.h>

#include "timezone.h"

#define DAY_S	INT64_C(86400)

static int64_t day_of(int64_t local)
{
	return (local >= 0 ? local : local - (DAY_S - 1)) / DAY_S;
}

/* Bit of a day counted from 1970-01-01, a Thursday. */
static bool day_chosen(const struct window *window, int64_t day)
{
	return window->days >> (((day + 3) % 7 + 7) % 7) & 1;
}

static int64_t window_begin(const struct window *window, int64_t day)
{
	return day * DAY_S + window->from_min * 60;
}

static int64_t window_end(const struct window *window, int64_t day)
{
	return (day + (window->to_min <= window->from_min)) * DAY_S + window->to_min * 60;
}

static bool holds_local(const struct window *window, int64_t local)
{
	int64_t today = day_of(local);

	for (int64_t day = today - 1; day <= today; day++)
		if (day_chosen(window, day) && window_begin(window, day) <= local && local < window_end(window, day))
			return true;
	return false;
}

bool window_holds(const struct window *window, const struct timezone_info *zone, int64_t at)
{
	return holds_local(window, at + timezone_offset(zone, at, NULL));
}

/* The next begin or end after @local, were the offset to stay. There is one within eight days. */
static int64_t next_edge(const struct window *window, int64_t local)
{
	int64_t today = day_of(local), next = INT64_MAX;

	for (int64_t day = today - 1; day <= today + 8; day++) {
		int64_t begin = window_begin(window, day), end = window_end(window, day);

		if (!day_chosen(window, day))
			continue;
		if (begin > local && begin < next)
			next = begin;
		if (end > local && end < next)
			next = end;
	}
	return next;
}

int64_t window_change(const struct window *window, const struct timezone_info *zone, int64_t at)
{
	bool now = window_holds(window, zone, at);
	int64_t limit = at + WINDOW_HORIZON_S;

	while (at <= limit) {
		int64_t until, edge;
		int32_t offset = timezone_offset(zone, at, &until);

		edge = next_edge(window, at + offset);
		if (edge != INT64_MAX)
			edge -= offset;
		at = edge < until ? edge : until;
		if (at <= limit && window_holds(window, zone, at) != now)
			return at;
	}
	return INT64_MAX;
}

char *days_format(uint8_t days, char text[32])
{
	static const char *const names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
	size_t n = 0;
	int last;

	text[0] = '\0';
	if ((days & 0x7f) == 0x7f) {
		strcpy(text, "every day");
		return text;
	}
	for (int first = 0; first < 7; first = last + 1) {
		for (last = first; last < 6 && days >> first & 1 && days >> (last + 1) & 1; last++)
			;
		if (!(days >> first & 1))
			continue;
		n += (size_t)snprintf(text + n, 32 - n, "%s%s", n ? "," : "", names[first]);
		if (last > first)
			n += (size_t)snprintf(text + n, 32 - n, "%c%s", last > first + 1 ? '-' : ',', names[last]);
	}
	return text;
}

char *window_format(const struct window *window, char text[WINDOW_TEXT_SIZE])
{
	char days[32];

	snprintf(text, WINDOW_TEXT_SIZE, "%s%s%02u:%02u-%02u:%02u %s",
		 window->days == 0x7f ? "" : days_format(window->days, days), window->days == 0x7f ? "" : " ",
		 window->from_min / 60, window->from_min % 60, window->to_min / 60, window->to_min % 60, window->zone);
	return text;
}
