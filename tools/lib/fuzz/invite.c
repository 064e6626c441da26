// SPDX-License-Identifier: GPL-2.0-only
/* An invitation, as somebody pastes it. The checksum is right if the first byte says so: else hardly any input has it. */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "invite.h"

#define CHECKSUM_LEN 4

static void try_text(const char *text)
{
	char again[FZ_INVITE_TEXT_MAX];
	struct fz_invite invite, back;
	struct fz_error err;

	if (fz_invite_parse(&invite, text, &err))
		return;
	always(memchr(invite.host, 0, sizeof(invite.host)) && *invite.host && invite.port);
	always(!fz_invite_format(&invite, again, sizeof(again), &err));
	always(!fz_invite_parse(&back, again, &err));
	always(back.port == invite.port && back.stun_port == invite.stun_port && back.role == invite.role);
	always(!strcmp(back.host, invite.host));
	always(!memcmp(back.token, invite.token, sizeof(back.token)));
	fz_invite_wipe(&invite);
}

/* What is in an invitation as text: base32 of the bytes and of their checksum. */
static void try_bytes(const uint8_t *data, size_t size)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t bytes[512] = { 0 }, hash[crypto_generichash_BYTES];
	char text[1024] = "fz1-";
	size_t n = 4, bits;

	if (size > sizeof(bytes) - CHECKSUM_LEN - 1)
		size = sizeof(bytes) - CHECKSUM_LEN - 1;
	memcpy(bytes, data, size);
	crypto_generichash(hash, sizeof(hash), bytes, size, NULL, 0);
	memcpy(bytes + size, hash, CHECKSUM_LEN);
	bits = (size + CHECKSUM_LEN) * 8;
	for (size_t at = 0; at < bits; at += 5) {
		unsigned int two = (unsigned int)bytes[at / 8] << 8 | bytes[at / 8 + 1];

		text[n++] = digits[two >> (11 - at % 8) & 31];
	}
	text[n] = '\0';
	try_text(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size && *data == 1) {
		try_bytes(data, size);	/* 1 is the version, too */
		return 0;
	}
	text = malloc(size + 1);
	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	try_text(text);
	free(text);
	return 0;
}
