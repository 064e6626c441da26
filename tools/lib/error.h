/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What went wrong, as one sentence for a person.
 *
 * Every function of the library that can fail takes a struct fz_error as its
 * last argument (NULL if the caller does not care), returns 0 or a negative
 * errno, and leaves the sentence there. Nothing in the library prints or ends
 * the process.
 */
#ifndef FZ_ERROR_H
#define FZ_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#define FZ_NO_OBJECT ((size_t)-1)

/**
 * struct fz_error - one failure
 * @code: the negative errno that the function returned
 * @object: which of the objects in the call was refused, counted from 0;
 *	FZ_NO_OBJECT when it is not about one of them
 * @text: the sentence, without a full stop at its end or a line feed
 */
struct fz_error {
	int code;
	size_t object;
	char text[512];
};

int fz_error_set(struct fz_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int fz_error_vset(struct fz_error *err, int code, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));
int fz_error_memory(struct fz_error *err);
void fz_error_prefix(struct fz_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
