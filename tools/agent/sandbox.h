/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the agent gives up once it has its device.
 *
 *	sandbox.c		capabilities
 *	sandbox_files.c		files, by Landlock
 *	sandbox_calls.c		system calls, by seccomp
 */
#ifndef AGENT_SANDBOX_H
#define AGENT_SANDBOX_H

#include "error.h"

int sandbox_rights(struct fz_error *err);
int sandbox_enter(const char *state, const char *control, struct fz_error *err);

/* For sandbox_enter(); both need no_new_privs. */
int sandbox_files(const char *state, const char *control);
int sandbox_calls(void);

#endif
