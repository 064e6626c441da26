// SPDX-License-Identifier: GPL-2.0-only
#include "paint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool coloured;

/* Looks at the environment and at standard output. */
void paint_decide(void)
{
	const char *mode = getenv("WG_COLOR_MODE");

	if (mode && !strcmp(mode, "always"))
		coloured = true;
	else if (mode && !strcmp(mode, "never"))
		coloured = false;
	else
		coloured = isatty(STDOUT_FILENO);
}

/* What switches a colour on; nothing if there are none. */
const char *paint(enum paint colour)
{
	if (!coloured)
		return "";
	switch (colour) {
	case PAINT_RESET:
		return "\x1b[0m";
	case PAINT_BOLD:
		return "\x1b[1m";
	case PAINT_RED:
		return "\x1b[31m";
	case PAINT_GREEN:
		return "\x1b[32m";
	case PAINT_YELLOW:
		return "\x1b[33m";
	case PAINT_CYAN:
		return "\x1b[36m";
	}
	return "";
}
