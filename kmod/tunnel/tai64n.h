/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FZ_TUNNEL_TAI64N_H
#define _FZ_TUNNEL_TAI64N_H

#include <linux/time64.h>
#include <linux/types.h>

#include "tunnel/messages.h"

void fz_tai64n_encode(u8 out[FZ_TIMESTAMP_LEN], const struct timespec64 *time);
void fz_tai64n_now(u8 out[FZ_TIMESTAMP_LEN]);
bool fz_tai64n_after(const u8 a[FZ_TIMESTAMP_LEN], const u8 b[FZ_TIMESTAMP_LEN]);

#endif /* _FZ_TUNNEL_TAI64N_H */
