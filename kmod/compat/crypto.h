/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's lib/crypto as the tunnel uses it, whatever the kernel calls it.
 *
 * FZ_HAVE_BLAKE2S_CTX: the state of BLAKE2s is `struct blake2s_ctx`, before `struct blake2s_state`.
 * FZ_HAVE_BLAKE2S_KEY_FIRST: blake2s() takes key, input and output, each followed by its length;
 * before, output, input, key and then the three lengths.
 */
#ifndef _FZ_COMPAT_CRYPTO_H
#define _FZ_COMPAT_CRYPTO_H

#include "compat/probed.h"

#include <asm/simd.h>
#include <crypto/blake2s.h>
#include <crypto/chacha20poly1305.h>
#include <crypto/curve25519.h>
#if FZ_HAVE_CRYPTO_UTILS_H
#include <crypto/utils.h>
#else
#include <crypto/algapi.h>	/* crypto_memneq() */
#endif

#if FZ_HAVE_BLAKE2S_CTX
#define fz_blake2s_ctx blake2s_ctx
#else
#define fz_blake2s_ctx blake2s_state
#endif

/**
 * fz_blake2s() - BLAKE2s in one call (RFC 7693)
 * @out: takes the hash
 * @out_len: bytes of hash, 1 to 32
 * @in: what to hash
 * @in_len: bytes of @in
 * @key: makes it a MAC; NULL for none
 * @key_len: bytes of @key, up to 32
 *
 * Context: any.
 */
static inline void fz_blake2s(u8 *out, size_t out_len, const void *in, size_t in_len,
			      const void *key, size_t key_len)
{
#if FZ_HAVE_BLAKE2S_KEY_FIRST
	blake2s(key, key_len, in, in_len, out, out_len);
#else
	blake2s(out, in, key, out_len, in_len, key_len);
#endif
}

/**
 * fz_compat_cipher_is_fast() - whether ChaCha20-Poly1305 is as fast here as in a task
 *
 * On x86 the CPU's cipher wants vector registers, and until kernel_fpu_begin() kept softirqs away these did not get
 * them from whoever they interrupt. On older kernels for ARM softirqs never get them. The generic cipher is several
 * times slower.
 *
 * Context: any.
 */
static inline bool fz_compat_cipher_is_fast(void)
{
	return !(IS_ENABLED(CONFIG_X86) || IS_ENABLED(CONFIG_KERNEL_MODE_NEON)) || may_use_simd();
}

#endif /* _FZ_COMPAT_CRYPTO_H */
