/* SPDX-License-Identifier: GPL-2.0-only */
/* What the agent tells its operator: lines on stderr, one sentence each. */
#ifndef AGENT_LOG_H
#define AGENT_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

extern enum log_level log_threshold;

int log_level_parse(const char *word, enum log_level *level);
/* Never keys, tokens or invitations. */
__attribute__((format(printf, 2, 3)))
void log_line(enum log_level level, const char *format, ...);

#define log_error(...)		log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)	log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)		log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)		log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
