/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations that fail on purpose, where CONFIG_FAILSLAB is; those that may sleep only if
 * failslab/ignore-gfp-wait in debugfs says so.
 */

#ifndef _FZ_TESTS_FAULT_H
#define _FZ_TESTS_FAULT_H

#include <linux/types.h>

/* The one that this task makes next fails, counted from 1; 0 is none. */
void fz_fault_allocation(unsigned int nth);

/* Whether the allocation that was to fail was never made; none fails any more. */
bool fz_fault_left(void);

#endif /* _FZ_TESTS_FAULT_H */
