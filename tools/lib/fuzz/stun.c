// SPDX-License-Identifier: GPL-2.0-only
/* STUN, as it comes to the broker's UDP port and, by way of the sideband, to an agent. */
#include "fuzz.h"

#include <netinet/in.h>

#include "stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = 0x1234, .sin_addr = { 0x0a000001 } };
	uint8_t answer[FZ_STUN_MAX];
	struct fz_stun msg, back;
	size_t len;

	fz_stun_parse(&msg, data, size);
	always(msg.unknown_len <= sizeof(msg.unknown) / sizeof(*msg.unknown));
	if (!fz_stun_is_stun(data, size))
		always(msg.kind == FZ_STUN_NOT_STUN || msg.kind == FZ_STUN_BAD);
	if (msg.kind != FZ_STUN_REQUEST)
		return 0;
	len = fz_stun_response(answer, sizeof(answer), &msg, (struct sockaddr *)&from);
	always(len && len <= sizeof(answer));
	fz_stun_parse(&back, answer, len);
	always(back.kind == (msg.unknown_len ? FZ_STUN_ERROR : FZ_STUN_SUCCESS));
	always(fz_stun_answers(&back, msg.id));
	return 0;
}
