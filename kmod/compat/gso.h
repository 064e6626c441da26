/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_COMPAT_GSO_H
#define FZ_COMPAT_GSO_H

#include <linux/netdevice.h>

#include "compat/probed.h"

#if FZ_HAVE_NET_GSO_H
#include <net/gso.h>
#endif

#endif
