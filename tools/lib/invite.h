/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An invitation as a person sees it: "fz1-" and base32 without padding, in
 * groups parted by hyphens; case, hyphens and white space do not matter. It holds
 *
 *	u8 version (1) | u8 role | u16 TCP port | u16 STUN port | u8 length of host |
 *	host | broker public key, 32 | token, 16 | checksum, 4
 *
 * numbers big-endian; the checksum is the start of the BLAKE2b hash of what
 * precedes it and catches typing errors, nothing else.
 */
#ifndef FZ_INVITE_H
#define FZ_INVITE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define FZ_INVITE_TOKEN_LEN 16
#define FZ_INVITE_HOST_MAX 253
/* Longest text, with its end. */
#define FZ_INVITE_TEXT_MAX 640

enum fz_invite_role {
	FZ_INVITE_CLIENT = 1,
	FZ_INVITE_GATEWAY = 2,
};

/**
 * struct fz_invite - what an invitation says
 * @role: what the invited becomes
 * @host: name or address of the broker, IPv6 addresses without brackets
 * @port: TCP port of its control channel
 * @stun_port: UDP port of its STUN server; 0 when it has none
 * @broker_key: its public key
 * @token: the secret that the broker recognises
 */
struct fz_invite {
	enum fz_invite_role role;
	char host[FZ_INVITE_HOST_MAX + 1];
	uint16_t port;
	uint16_t stun_port;
	uint8_t broker_key[32];
	uint8_t token[FZ_INVITE_TOKEN_LEN];
};

int fz_invite_format(const struct fz_invite *inv, char *out, size_t size, struct fz_error *err);
int fz_invite_parse(struct fz_invite *inv, const char *text, struct fz_error *err);
void fz_invite_wipe(struct fz_invite *inv);

#endif
