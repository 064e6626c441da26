// SPDX-License-Identifier: GPL-2.0-only
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

int fault_set(struct fault *fault, int code, const char *field, const char *format, ...)
{
	va_list args;

	if (!fault)
		return code;
	snprintf(fault->field, sizeof(fault->field), "%s", field ? field : "");
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return code;
}
