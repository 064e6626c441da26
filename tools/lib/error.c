// SPDX-License-Identifier: GPL-2.0-only
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/**
 * fz_error_vset - note what went wrong
 * @err: where to; NULL drops it
 * @code: a negative errno
 * @fmt: the sentence, as for printf
 * @args: its arguments
 *
 * Return: @code, so that a caller can return it at once.
 */
int fz_error_vset(struct fz_error *err, int code, const char *fmt, va_list args)
{
	if (!err)
		return code;
	err->code = code;
	err->object = FZ_NO_OBJECT;
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	return code;
}

/**
 * fz_error_set - fz_error_vset() with its arguments in line
 * @err: where to; NULL drops it
 * @code: a negative errno
 * @fmt: the sentence, as for printf
 *
 * Return: @code
 */
int fz_error_set(struct fz_error *err, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fz_error_vset(err, code, fmt, args);
	va_end(args);
	return code;
}

/**
 * fz_error_memory - there was no memory
 * @err: where to; NULL drops it
 *
 * Return: -ENOMEM
 */
int fz_error_memory(struct fz_error *err)
{
	return fz_error_set(err, -ENOMEM, "out of memory");
}

/**
 * fz_error_prefix - say where, before what went wrong
 * @err: holds a sentence already; NULL does nothing
 * @fmt: what comes before it, as for printf
 */
void fz_error_prefix(struct fz_error *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list args;
	size_t used;

	if (!err)
		return;
	memcpy(old, err->text, sizeof(old));
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, "%s", old);
}
