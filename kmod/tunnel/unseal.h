/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_UNSEAL_H
#define FZ_TUNNEL_UNSEAL_H

#include <linux/mm_types.h>

struct fz_bundle;
struct fz_device;

void fz_unseal_bundle(struct fz_device *fz, struct fz_bundle *bundle, struct page_frag *room);

#endif
