/* SPDX-License-Identifier: GPL-2.0-only */
/* STUN Binding (RFC 8489): the codec, without I/O. */
#ifndef FZ_STUN_H
#define FZ_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define FZ_STUN_ID_LEN 12
#define FZ_STUN_MAX 548
#define FZ_STUN_DEFAULT_PORT 3478

enum fz_stun_kind {
	FZ_STUN_NOT_STUN,	/* some other protocol's datagram */
	FZ_STUN_REQUEST,	/* Binding request */
	FZ_STUN_INDICATION,	/* Binding indication: a keepalive, not answered */
	FZ_STUN_SUCCESS,	/* Binding success response */
	FZ_STUN_ERROR,		/* Binding error response */
	FZ_STUN_BAD,		/* STUN, but broken or of another method */
};

/**
 * struct fz_stun - a parsed message
 * @kind: what it is; the rest is meaningful for Binding messages only
 * @id: transaction id
 * @mapped: XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS; ss_family is 0 without either
 * @error: code of an error response, such as 420
 * @unknown: comprehension-required attributes that are not understood
 * @unknown_len: how many
 */
struct fz_stun {
	enum fz_stun_kind kind;
	uint8_t id[FZ_STUN_ID_LEN];
	struct sockaddr_storage mapped;
	unsigned int error;
	uint16_t unknown[8];
	size_t unknown_len;
};

bool fz_stun_is_stun(const void *data, size_t len);
void fz_stun_parse(struct fz_stun *msg, const void *data, size_t len);
size_t fz_stun_request(uint8_t *out, size_t size, const uint8_t id[FZ_STUN_ID_LEN]);
size_t fz_stun_response(uint8_t *out, size_t size, const struct fz_stun *req,
			const struct sockaddr *from);
bool fz_stun_answers(const struct fz_stun *msg, const uint8_t id[FZ_STUN_ID_LEN]);

#endif
