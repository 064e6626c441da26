// SPDX-License-Identifier: GPL-2.0-only
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

#include "parse.h"

/* What was cut, or repeats what somebody sent, may be no UTF-8, which neither JSON nor a message to an agent takes. */
static void make_utf8(char *text)
{
	while (*text) {
		size_t n = fz_utf8_char(text);

		if (!n)
			*text = '?';
		text += n ? n : 1;
	}
}

int fault_set(struct fault *fault, int code, const char *field, const char *format, ...)
{
	va_list args;

	if (!fault)
		return code;
	snprintf(fault->field, sizeof(fault->field), "%s", field ? field : "");
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	make_utf8(fault->field);
	make_utf8(fault->text);
	return code;
}
