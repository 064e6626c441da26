/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two ends of a handshake have said and what they share, folded into a hash and a key
 * (Noise specification, revision 34, section 5.2: SymmetricState).
 */
#ifndef _FZ_TUNNEL_TRANSCRIPT_H
#define _FZ_TUNNEL_TRANSCRIPT_H

#include <linux/types.h>

#include "tunnel/messages.h"

/**
 * struct fz_transcript - what a handshake in progress has agreed on so far
 * @hash: of everything said
 * @chaining_key: of every secret shared
 */
struct fz_transcript {
	u8 hash[FZ_HASH_LEN];
	u8 chaining_key[FZ_HASH_LEN];
};

void fz_noise_init(void);

void fz_transcript_begin(struct fz_transcript *transcript, const u8 responder[FZ_KEY_LEN]);
void fz_transcript_hear(struct fz_transcript *transcript, const u8 *data, size_t len);
void fz_transcript_mix_ephemeral(struct fz_transcript *transcript, const u8 ephemeral[FZ_KEY_LEN]);
void fz_transcript_mix(struct fz_transcript *transcript, u8 key[FZ_KEY_LEN],
		       const u8 secret[FZ_KEY_LEN]);
bool fz_transcript_mix_dh(struct fz_transcript *transcript, u8 key[FZ_KEY_LEN],
			  const u8 private_key[FZ_KEY_LEN], const u8 public_key[FZ_KEY_LEN]);
void fz_transcript_mix_psk(struct fz_transcript *transcript, u8 key[FZ_KEY_LEN],
			   const u8 psk[FZ_KEY_LEN]);
void fz_transcript_seal(struct fz_transcript *transcript, u8 *sealed, const u8 *plain,
			size_t plain_len, const u8 key[FZ_KEY_LEN]);
bool fz_transcript_open(struct fz_transcript *transcript, u8 *plain, const u8 *sealed,
			size_t sealed_len, const u8 key[FZ_KEY_LEN]);

#endif /* _FZ_TUNNEL_TRANSCRIPT_H */
