// SPDX-License-Identifier: GPL-2.0-only
/* Allocations that fail on purpose. */

#include "tests/fault.h"

#include <linux/sched.h>

void fz_fault_allocation(unsigned int nth)
{
#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = nth;
#endif
}

bool fz_fault_left(void)
{
	bool left = false;

#ifdef CONFIG_FAULT_INJECTION
	left = current->fail_nth;
	current->fail_nth = 0;
#endif
	return left;
}
