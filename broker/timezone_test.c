// SPDX-License-Identifier: GPL-2.0-only
/* Time zones against the C library's own reading of the same database; windows against minute-by-minute tries. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "timezone.h"
#include "window.h"

static const char *const zones[] = {
	"Europe/Madrid", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia",
	"Africa/Casablanca", "Africa/Cairo", "America/Nuuk", "Asia/Gaza", "Antarctica/Troll", "Etc/GMT+5",
	"America/Sao_Paulo", "Europe/Dublin", "Asia/Tehran",
};

static uint64_t seed = 0x5eed;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int32_t libc_offset(time_t at)
{
	struct tm local;

	assert_non_null(localtime_r(&at, &local));
	return (int32_t)local.tm_gmtoff;
}

static void test_against_libc(void **state)
{
	(void)state;
	for (size_t z = 0; z < sizeof(zones) / sizeof(*zones); z++) {
		const struct timezone_info *zone = timezone_get(zones[z]);

		assert_non_null(zone);
		setenv("TZ", zones[z], 1);
		tzset();
		for (int i = 0; i < 4000; i++) {
			/* 1910 to 2130, so both the table and the rule after it */
			int64_t at = -1893456000 + (int64_t)(draw() % UINT64_C(6942000000));
			int64_t until;
			int32_t offset = timezone_offset(zone, at, &until);

			if (offset != libc_offset(at))
				fail_msg("%s at %lld: %d, the C library says %d", zones[z], (long long)at, offset,
					 libc_offset(at));
			if (until == INT64_MAX)
				continue;
			assert_true(until > at);
			if (timezone_offset(zone, until - 1, NULL) != offset)
				fail_msg("%s at %lld: not until %lld", zones[z], (long long)at, (long long)until);
		}
	}
	unsetenv("TZ");
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", "/etc/passwd", "../zoneinfo/UTC", "Europe/../UTC", "Europe/", "Europe//Madrid",
					   "Mars/Olympus", "Europe", "zone.tab", "tzdata.zi" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (timezone_get(bad[i]))
			fail_msg("'%s' was taken for a zone", bad[i]);
	assert_non_null(timezone_get("UTC"));
	assert_int_equal(timezone_offset(timezone_get("UTC"), 1234567890, NULL), 0);
	assert_ptr_equal(timezone_get("Europe/Madrid"), timezone_get("Europe/Madrid"));
}

/* Any bytes: refused or read, never out of bounds (the sanitizers watch). */
static void test_broken_files(void **state)
{
	static uint8_t good[262144], bytes[sizeof(good)];
	FILE *file = fopen("/usr/share/zoneinfo/Europe/Madrid", "rb");
	size_t len;

	(void)state;
	assert_non_null(file);
	len = fread(good, 1, sizeof(good), file);
	fclose(file);
	timezone_free(timezone_parse(good, len));
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *exact = malloc(cut + 1);

		memcpy(exact, good, cut);
		timezone_free(timezone_parse(exact, cut));
		free(exact);
	}
	for (int i = 0; i < 20000; i++) {
		struct timezone_info *zone;

		memcpy(bytes, good, len);
		for (int flips = 1 + (int)(draw() % 4); flips; flips--)
			bytes[draw() % len] = (uint8_t)draw();
		zone = timezone_parse(bytes, len);
		if (zone)
			timezone_offset(zone, (int64_t)(draw() % 8000000000u), NULL);
		timezone_free(zone);
	}
}

/* 08:00-18:00 from Monday to Friday in Madrid, around the change to summer time of 2026-03-29. */
static void test_window(void **state)
{
	const struct timezone_info *madrid = timezone_get("Europe/Madrid");
	struct window work = { .days = 0x1f, .from_min = 480, .to_min = 1080, .zone = "Europe/Madrid" };
	char text[WINDOW_TEXT_SIZE];
	int64_t friday = 1774566000;	/* 2026-03-27 00:00 in Madrid, 23:00 UTC before */

	(void)state;
	assert_false(window_holds(&work, madrid, friday + 8 * 3600 - 1));
	assert_true(window_holds(&work, madrid, friday + 8 * 3600));
	assert_true(window_holds(&work, madrid, friday + 18 * 3600 - 1));
	assert_false(window_holds(&work, madrid, friday + 18 * 3600));
	assert_int_equal(window_change(&work, madrid, friday), friday + 8 * 3600);
	assert_int_equal(window_change(&work, madrid, friday + 9 * 3600), friday + 18 * 3600);
	/* Monday's 08:00 comes an hour sooner. */
	assert_int_equal(window_change(&work, madrid, friday + 18 * 3600), friday + (3 * 24 + 8 - 1) * 3600);
	assert_string_equal(window_format(&work, text), "mon-fri 08:00-18:00 Europe/Madrid");
	work.days = 0x7f;
	assert_string_equal(window_format(&work, text), "08:00-18:00 Europe/Madrid");
	work.days = 0x55;
	assert_string_equal(window_format(&work, text), "mon,wed,fri,sun 08:00-18:00 Europe/Madrid");
}

/* What the days and times mean, said another way: by the broken-down local time of the C library. */
static bool naive(const struct window *window, int64_t at)
{
	time_t time = at;
	struct tm local;
	int minute, today, yesterday;

	localtime_r(&time, &local);
	minute = local.tm_hour * 60 + local.tm_min;
	today = (local.tm_wday + 6) % 7;
	yesterday = (today + 6) % 7;
	if (window->from_min < window->to_min)
		return (window->days >> today & 1) && minute >= window->from_min && minute < window->to_min;
	return ((window->days >> today & 1) && minute >= window->from_min) ||
	       ((window->days >> yesterday & 1) && minute < window->to_min);
}

static void test_windows_at_random(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		const char *name = zones[draw() % (sizeof(zones) / sizeof(*zones))];
		const struct timezone_info *zone = timezone_get(name);
		struct window window = { .days = (uint8_t)(1 + draw() % 127), .from_min = (uint16_t)(draw() % 1440),
					 .to_min = (uint16_t)(1 + draw() % 1440) };
		int64_t at = 1699999980 + (int64_t)(draw() % 1000000000) / 60 * 60;
		int64_t change, t;
		bool now;

		setenv("TZ", name, 1);
		tzset();
		now = window_holds(&window, zone, at);
		assert_int_equal(now, naive(&window, at));
		change = window_change(&window, zone, at);
		/* All minutes of ten days: the answer turns at the change and not before. */
		for (t = at; t < at + 10 * 86400 && naive(&window, t) == now; t += 60)
			;
		if (t < at + 10 * 86400)
			assert_int_equal(change, t);
		else
			assert_true(change >= t);
	}
	unsetenv("TZ");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_libc),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_broken_files),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_windows_at_random),
	};

	return cmocka_run_group_tests_name("timezone", tests, NULL, NULL);
}
