/* SPDX-License-Identifier: GPL-2.0-only */
/* Other programs. */
#ifndef FZCTL_PROGRAM_H
#define FZCTL_PROGRAM_H

#include <stdbool.h>

int program_run(char *const argv[], const char *input, char **output, bool quiet);

#endif
