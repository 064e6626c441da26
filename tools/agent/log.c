// SPDX-License-Identifier: GPL-2.0-only
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum log_level log_threshold = LOG_LEVEL_INFO;

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

/**
 * log_level_parse() - the level of a name
 * @word: error, warning, info or debug
 * @level: out
 *
 * Return: 0, or -1 for another word.
 */
int log_level_parse(const char *word, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(*level_names); i++) {
		if (!strcmp(word, level_names[i])) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

/**
 * log_line() - write one line, if its level is to be seen
 * @level: how much it matters
 * @format: the sentence, without its end of line
 */
void log_line(enum log_level level, const char *format, ...)
{
	struct timespec now;
	char stamp[32], text[1024];
	struct tm tm;
	va_list args;

	if (level > log_threshold)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* text of other hosts may be in it: one line stays one line */
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	fprintf(stderr, "%s.%03ldZ %s %s\n", stamp, now.tv_nsec / 1000000, level_names[level], text);
}
