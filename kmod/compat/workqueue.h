/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FZ_COMPAT_WORKQUEUE_H
#define _FZ_COMPAT_WORKQUEUE_H

#include "compat/probed.h"

#include <linux/workqueue.h>

/* Recent kernels want a workqueue that is not WQ_UNBOUND to say that it is for each CPU. */
#if FZ_HAVE_WQ_PERCPU
#define FZ_COMPAT_WQ_PERCPU WQ_PERCPU
#else
#define FZ_COMPAT_WQ_PERCPU 0
#endif

/* The system's workqueue whose workers run wherever there is a CPU for them. */
#if FZ_HAVE_SYSTEM_DFL_WQ
#define fz_compat_unbound_wq system_dfl_wq
#else
#define fz_compat_unbound_wq system_unbound_wq
#endif

#endif /* _FZ_COMPAT_WORKQUEUE_H */
