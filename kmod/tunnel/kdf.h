/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FZ_TUNNEL_KDF_H
#define _FZ_TUNNEL_KDF_H

#include <linux/types.h>

#include "tunnel/messages.h"

void fz_kdf(const u8 chaining_key[FZ_HASH_LEN], const u8 *input, size_t input_len,
	    u8 first[FZ_HASH_LEN], u8 second[FZ_HASH_LEN], u8 third[FZ_HASH_LEN]);

#endif /* _FZ_TUNNEL_KDF_H */
