/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_COMPAT_TIMER_H
#define FZ_COMPAT_TIMER_H

#include <linux/timer.h>

#include "compat/probed.h"

#ifndef timer_container_of
#define timer_container_of(var, timer, field) from_timer(var, timer, field)
#endif

#if !FZ_HAVE_TIMER_DELETE
#define timer_delete(timer) del_timer(timer)
#define timer_delete_sync(timer) del_timer_sync(timer)
#endif

#endif
