/* SPDX-License-Identifier: GPL-2.0-only */
/* Colours of the `show` commands: as WG_COLOR_MODE says, else on a terminal only. */
#ifndef FZCTL_PAINT_H
#define FZCTL_PAINT_H

#include <stdbool.h>

enum paint { PAINT_RESET, PAINT_BOLD, PAINT_RED, PAINT_GREEN, PAINT_YELLOW, PAINT_CYAN };

void paint_decide(void);
const char *paint(enum paint colour);

#endif
