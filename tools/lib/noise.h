/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Noise_IK_25519_ChaChaPoly_SHA512, revision 34 of the Noise specification.
 *
 *	<- s
 *	...
 *	-> e, es, s, ss
 *	<- e, ee, se
 *
 * No I/O, no clock and no allocation; the callers keep the structures and
 * wipe them with the functions below.
 */
#ifndef FZ_NOISE_H
#define FZ_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_NOISE_KEY_LEN 32
#define FZ_NOISE_TAG_LEN 16
#define FZ_NOISE_HASH_LEN 64
#define FZ_NOISE_MESSAGE_MAX 65535
/* What the two handshake messages are longer than their payloads. */
#define FZ_NOISE_FIRST_LEN (FZ_NOISE_KEY_LEN + FZ_NOISE_KEY_LEN + 2 * FZ_NOISE_TAG_LEN)
#define FZ_NOISE_SECOND_LEN (FZ_NOISE_KEY_LEN + FZ_NOISE_TAG_LEN)

/**
 * struct fz_noise_cipher - one direction of a channel (CipherState, section 5.1)
 * @key: the key
 * @nonce: number of the next message
 * @keyed: false as long as there is no key
 */
struct fz_noise_cipher {
	uint8_t key[FZ_NOISE_KEY_LEN];
	uint64_t nonce;
	bool keyed;
};

enum fz_noise_step {
	FZ_NOISE_FIRST,
	FZ_NOISE_SECOND,
	FZ_NOISE_DONE,
	FZ_NOISE_FAILED,
};

/**
 * struct fz_noise - a handshake (HandshakeState and SymmetricState, sections 5.2 and 5.3)
 * @cipher: key of the message being written or read
 * @chaining_key: ck
 * @hash: h; after the handshake, the handshake hash
 * @static_private: s, private half
 * @static_public: s, public half
 * @ephemeral_private: e, private half; made by the first write unless set before
 * @ephemeral_public: e, public half
 * @remote_static: rs; of a responder known after the first message was read
 * @remote_ephemeral: re
 * @initiator: whose side this is
 * @step: message that comes next
 */
struct fz_noise {
	struct fz_noise_cipher cipher;
	uint8_t chaining_key[FZ_NOISE_HASH_LEN];
	uint8_t hash[FZ_NOISE_HASH_LEN];
	uint8_t static_private[FZ_NOISE_KEY_LEN];
	uint8_t static_public[FZ_NOISE_KEY_LEN];
	uint8_t ephemeral_private[FZ_NOISE_KEY_LEN];
	uint8_t ephemeral_public[FZ_NOISE_KEY_LEN];
	uint8_t remote_static[FZ_NOISE_KEY_LEN];
	uint8_t remote_ephemeral[FZ_NOISE_KEY_LEN];
	bool initiator;
	enum fz_noise_step step;
};

bool fz_noise_init(struct fz_noise *hs, bool initiator, const void *prologue, size_t prologue_len,
		   const uint8_t static_private[FZ_NOISE_KEY_LEN],
		   const uint8_t *remote_static);
bool fz_noise_write(struct fz_noise *hs, const void *payload, size_t len,
		    uint8_t *out, size_t size, size_t *out_len);
bool fz_noise_read(struct fz_noise *hs, const uint8_t *msg, size_t len,
		   uint8_t *payload, size_t size, size_t *payload_len);
bool fz_noise_split(struct fz_noise *hs, struct fz_noise_cipher *tx, struct fz_noise_cipher *rx);
void fz_noise_wipe(struct fz_noise *hs);

bool fz_noise_encrypt(struct fz_noise_cipher *cipher, const void *ad, size_t ad_len,
		      const uint8_t *plain, size_t len, uint8_t *out);
bool fz_noise_decrypt(struct fz_noise_cipher *cipher, const void *ad, size_t ad_len,
		      const uint8_t *msg, size_t len, uint8_t *plain);
bool fz_noise_rekey(struct fz_noise_cipher *cipher);
void fz_noise_cipher_wipe(struct fz_noise_cipher *cipher);

#endif
