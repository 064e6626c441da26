// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "invite.h"

#define PREFIX "fz1-"
#define VERSION 1
#define KEY_LEN 32
#define SUM_LEN 4
#define FIXED_LEN (7 + KEY_LEN + FZ_INVITE_TOKEN_LEN + SUM_LEN)
#define BYTES_MAX (FIXED_LEN + FZ_INVITE_HOST_MAX)

_Static_assert(sizeof(PREFIX) + (BYTES_MAX * 8 + 4) / 5 <= FZ_INVITE_TEXT_MAX, "text fits");

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";	/* RFC 4648 section 6 */

static void checksum(uint8_t sum[SUM_LEN], const uint8_t *data, size_t len)
{
	uint8_t hash[crypto_generichash_BYTES];

	crypto_generichash(hash, sizeof(hash), data, len, NULL, 0);
	memcpy(sum, hash, SUM_LEN);
}

/* What a name or an address consists of; anything else could mean something to a shell or a log. */
static bool host_valid(const char *host, size_t len)
{
	if (!len || len > FZ_INVITE_HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)host[i];

		if (c > 127 || (!isalnum(c) && !strchr(".-:_", c)))
			return false;
	}
	return isalnum((unsigned char)host[0]) || host[0] == ':';
}

static void encode(char *out, const uint8_t *data, size_t len)
{
	unsigned int acc = 0, bits = 0;

	for (size_t i = 0; i < len; i++) {
		acc = (acc << 8 | data[i]) & 0xfff;
		for (bits += 8; bits >= 5; bits -= 5)
			*out++ = alphabet[acc >> (bits - 5) & 31];
	}
	if (bits)
		*out++ = alphabet[acc << (5 - bits) & 31];
	*out = '\0';
}

static int decode(uint8_t *out, size_t size, size_t *len, const char *text, struct fz_error *err)
{
	unsigned int acc = 0, bits = 0;

	*len = 0;
	for (; *text; text++) {
		const char *at;

		if (*text == '-' || isspace((unsigned char)*text))
			continue;
		at = strchr(alphabet, tolower((unsigned char)*text));
		if (!at)
			return fz_error_set(err, -EINVAL, isprint((unsigned char)*text) ?
					    "the invitation has a character that none can have: '%c'" :
					    "the invitation has a character that none can have (code %u)",
					    (unsigned char)*text);
		acc = (acc << 5 | (unsigned int)(at - alphabet)) & 0xfff;
		bits += 5;
		if (bits < 8)
			continue;
		bits -= 8;
		if (*len == size)
			return fz_error_set(err, -EINVAL, "the invitation is too long");
		out[(*len)++] = (uint8_t)(acc >> bits);
	}
	return 0;
}

/**
 * fz_invite_format() - an invitation as text
 * @inv: what it says
 * @out: gets the text
 * @size: room at @out in bytes; FZ_INVITE_TEXT_MAX is always enough
 * @err: why not, or NULL
 *
 * Return: 0 or a negative errno.
 */
int fz_invite_format(const struct fz_invite *inv, char *out, size_t size, struct fz_error *err)
{
	size_t host_len = strnlen(inv->host, sizeof(inv->host)), len;
	uint8_t bytes[BYTES_MAX], *p = bytes;

	if (!host_valid(inv->host, host_len))
		return fz_error_set(err, -EINVAL, "'%.*s' is not a host name or address",
				    (int)host_len, inv->host);
	if (!inv->port)
		return fz_error_set(err, -EINVAL, "an invitation needs the broker's port");
	if (inv->role != FZ_INVITE_CLIENT && inv->role != FZ_INVITE_GATEWAY)
		return fz_error_set(err, -EINVAL, "an invitation is for a client or a gateway");
	len = FIXED_LEN + host_len;
	if (size < sizeof(PREFIX) + (len * 8 + 4) / 5)
		return fz_error_set(err, -ENOSPC, "no room for the invitation");

	*p++ = VERSION;
	*p++ = (uint8_t)inv->role;
	*p++ = (uint8_t)(inv->port >> 8);
	*p++ = (uint8_t)inv->port;
	*p++ = (uint8_t)(inv->stun_port >> 8);
	*p++ = (uint8_t)inv->stun_port;
	*p++ = (uint8_t)host_len;
	memcpy(p, inv->host, host_len);
	p += host_len;
	memcpy(p, inv->broker_key, KEY_LEN);
	p += KEY_LEN;
	memcpy(p, inv->token, FZ_INVITE_TOKEN_LEN);
	p += FZ_INVITE_TOKEN_LEN;
	checksum(p, bytes, len - SUM_LEN);

	memcpy(out, PREFIX, sizeof(PREFIX) - 1);
	encode(out + sizeof(PREFIX) - 1, bytes, len);
	sodium_memzero(bytes, sizeof(bytes));
	return 0;
}

static int parse_bytes(struct fz_invite *inv, const uint8_t *p, size_t len, struct fz_error *err)
{
	uint8_t sum[SUM_LEN];
	size_t host_len;

	/* What is short may be of our version and mistyped as well. */
	if (len < FIXED_LEN)
		return fz_error_set(err, -EINVAL, "the invitation is cut short%s",
				    len && p[0] != VERSION ? " or mistyped" : "");
	if (p[0] != VERSION)
		return fz_error_set(err, -EOVERFLOW,
				    "the invitation is of version %u, this program knows version %u",
				    p[0], VERSION);
	if (len < FIXED_LEN + (size_t)p[6])
		return fz_error_set(err, -EINVAL, "the invitation is cut short");
	host_len = p[6];
	if (len > FIXED_LEN + host_len)
		return fz_error_set(err, -EINVAL, "the invitation is too long");
	checksum(sum, p, len - SUM_LEN);
	if (memcmp(sum, p + len - SUM_LEN, SUM_LEN))
		return fz_error_set(err, -EINVAL, "the invitation has a typing error");
	if (p[1] != FZ_INVITE_CLIENT && p[1] != FZ_INVITE_GATEWAY)
		return fz_error_set(err, -EINVAL, "the invitation is for a role that this program does not know");
	inv->role = (enum fz_invite_role)p[1];
	inv->port = (uint16_t)(p[2] << 8 | p[3]);
	inv->stun_port = (uint16_t)(p[4] << 8 | p[5]);
	p += 7;
	if (!inv->port || !host_valid((const char *)p, host_len))
		return fz_error_set(err, -EINVAL, "the invitation names no valid broker");
	memcpy(inv->host, p, host_len);
	inv->host[host_len] = '\0';
	p += host_len;
	memcpy(inv->broker_key, p, KEY_LEN);
	memcpy(inv->token, p + KEY_LEN, FZ_INVITE_TOKEN_LEN);
	return 0;
}

/**
 * fz_invite_parse() - understand the text of an invitation
 * @inv: gets what it says; zero when this fails
 * @text: the text, as a person pasted it
 * @err: why not, or NULL
 *
 * Return: 0, -EINVAL, or -EOVERFLOW for a newer version.
 */
int fz_invite_parse(struct fz_invite *inv, const char *text, struct fz_error *err)
{
	uint8_t bytes[BYTES_MAX];
	size_t len;
	int ret;

	memset(inv, 0, sizeof(*inv));
	while (isspace((unsigned char)*text))
		text++;
	if (strncasecmp(text, PREFIX, sizeof(PREFIX) - 1))
		return fz_error_set(err, -EINVAL, "this is not an invitation: those begin with " PREFIX);
	ret = decode(bytes, sizeof(bytes), &len, text + sizeof(PREFIX) - 1, err);
	if (!ret)
		ret = parse_bytes(inv, bytes, len, err);
	sodium_memzero(bytes, sizeof(bytes));
	if (ret)
		fz_invite_wipe(inv);
	return ret;
}

/**
 * fz_invite_wipe() - forget the secret in an invitation
 * @inv: the invitation; zero afterwards
 */
void fz_invite_wipe(struct fz_invite *inv)
{
	sodium_memzero(inv, sizeof(*inv));
}
