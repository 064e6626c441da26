/* SPDX-License-Identifier: GPL-2.0-only */
/* One refusal in words: what was wrong, and with which field. */
#ifndef BROKER_FAULT_H
#define BROKER_FAULT_H

/**
 * struct fault - why something was refused
 * @field: the field of the request that was wrong, empty when it is none of them
 * @text: one sentence without a full stop, fit for a person
 *
 * Both are UTF-8: a byte that is none becomes a question mark.
 */
struct fault {
	char field[32];
	char text[256];
};

/**
 * fault_set() - fill in a refusal
 * @fault: where to; NULL is allowed and keeps nothing
 * @code: a negative errno: -EINVAL (bad input), -ENOENT (no such object), -EEXIST (name or key taken),
 *	-EBUSY (still in use, or an invitation used already), -ETIME (expired), -EPERM (not allowed),
 *	-EOVERFLOW (a newer version's), -ENOSPC (full), -EIO (the database failed)
 * @field: name of the field, NULL for none
 * @format: the sentence
 *
 * Return: @code, so that callers can ``return fault_set(...)``.
 */
__attribute__((format(printf, 4, 5)))
int fault_set(struct fault *fault, int code, const char *field, const char *format, ...);

#endif
