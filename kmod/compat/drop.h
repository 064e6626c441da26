/* SPDX-License-Identifier: GPL-2.0-only */

#ifndef _FZ_COMPAT_DROP_H
#define _FZ_COMPAT_DROP_H

#include <linux/skbuff.h>

#include "compat/probed.h"

/* What the kernel calls it when policy drops a packet. */
#if FZ_HAVE_DROP_SECURITY_HOOK
#define FZ_DROP_POLICY SKB_DROP_REASON_SECURITY_HOOK
#else
#define FZ_DROP_POLICY SKB_DROP_REASON_XFRM_POLICY
#endif

#endif /* _FZ_COMPAT_DROP_H */
