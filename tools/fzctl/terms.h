/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What modes and grants are made of: the words of a command, and the values of
 * a file. Each function returns 0, or a negative errno and the sentence in @err.
 */
#ifndef FZCTL_TERMS_H
#define FZCTL_TERMS_H

#include "fz.h"

/**
 * struct grant_term - something that a grant may say once, with a value
 * @word: its name
 * @what: its value is
 * @said: whether the grant says it already
 * @twice: what is wrong then
 * @parse: takes the value; -ETIME if that is in the past
 */
struct grant_term {
	const char *word, *what;
	bool (*said)(const struct fz_grant *grant);
	const char *twice;
	int (*parse)(const char *value, struct fz_grant *grant, struct fz_error *err);
};

const struct grant_term *grant_term_find(const char *word);
int grant_parse_action(const char *word, uint8_t *action, struct fz_error *err);
int grant_check_lease(const char *value, uint64_t ms, struct fz_error *err);
int grant_check(const struct fz_grant *grant, struct fz_error *err);
int compare_resources(const void *left, const void *right);
int compare_grants(const void *left, const void *right);

int mode_parse(int n, char **words, struct fz_mode_state modes[FZ_DIRECTIONS], struct fz_error *err);
int mode_check_device(const struct fz_mode_state modes[FZ_DIRECTIONS], struct fz_error *err);
const char *format_mode(char *buf, size_t size, const struct fz_mode_state *mode);
char *format_services(const struct fz_resource *res);

size_t peer_start(const char *word);
int peer_find(const struct fz_device *dev, const char *place, const char *word, uint8_t key[FZ_KEY_LEN],
	      struct fz_error *err);

#endif
