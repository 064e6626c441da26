/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FZ_COMPAT_CPUMASK_H
#define _FZ_COMPAT_CPUMASK_H

#include <linux/cpumask.h>

/**
 * fz_compat_next_cpu() - the CPU that comes after one, in turn
 * @cpu: any
 *
 * As cpumask_next_wrap(), whose parameters differ between kernels.
 *
 * Context: any.
 * Return: a CPU that is online; @cpu if there is no other.
 */
static inline unsigned int fz_compat_next_cpu(unsigned int cpu)
{
	cpu = cpumask_next(cpu, cpu_online_mask);
	return cpu < nr_cpu_ids ? cpu : cpumask_first(cpu_online_mask);
}

#endif /* _FZ_COMPAT_CPUMASK_H */
