/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * get_unaligned_be32() and its like.
 */
#ifndef _FZ_COMPAT_UNALIGNED_H
#define _FZ_COMPAT_UNALIGNED_H

#include "compat/probed.h"

#if FZ_HAVE_UNALIGNED_H
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#endif /* _FZ_COMPAT_UNALIGNED_H */
