/* SPDX-License-Identifier: GPL-2.0-only */
/* Structured lines on stderr: time level part message key=value ... */
#ifndef BROKER_LOG_H
#define BROKER_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

extern enum log_level log_threshold;

/* @part: "store", "api", "channel" ...; never keys, tokens or what a file of secrets holds. */
__attribute__((format(printf, 3, 4)))
void log_line(enum log_level level, const char *part, const char *format, ...);

#define log_error(part, ...)	log_line(LOG_LEVEL_ERROR, part, __VA_ARGS__)
#define log_warning(part, ...)	log_line(LOG_LEVEL_WARNING, part, __VA_ARGS__)
#define log_info(part, ...)	log_line(LOG_LEVEL_INFO, part, __VA_ARGS__)
#define log_debug(part, ...)	log_line(LOG_LEVEL_DEBUG, part, __VA_ARGS__)

#endif
