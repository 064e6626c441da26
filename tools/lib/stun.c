// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "stun.h"

#define COOKIE 0x2112a442u
#define HEADER_LEN 20
#define ATTR_HEADER_LEN 4

/* Message types of the Binding method (sections 5 and 18.2). */
enum {
	TYPE_REQUEST	= 0x0001,
	TYPE_INDICATION	= 0x0011,
	TYPE_SUCCESS	= 0x0101,
	TYPE_ERROR	= 0x0111,
};

/* Attributes (section 18.3). Below 0x8000 they must be understood. */
enum {
	ATTR_MAPPED_ADDRESS	= 0x0001,
	ATTR_USERNAME		= 0x0006,
	ATTR_INTEGRITY		= 0x0008,
	ATTR_ERROR_CODE		= 0x0009,
	ATTR_UNKNOWN		= 0x000a,
	ATTR_REALM		= 0x0014,
	ATTR_NONCE		= 0x0015,
	ATTR_INTEGRITY_SHA256	= 0x001c,
	ATTR_PASSWORD_ALGORITHM	= 0x001d,
	ATTR_USERHASH		= 0x001e,
	ATTR_XOR_MAPPED_ADDRESS	= 0x0020,
	ATTR_OPTIONAL		= 0x8000,
	ATTR_FINGERPRINT	= 0x8028,
};

#define FINGERPRINT_XOR 0x5354554eu
#define FINGERPRINT_LEN (ATTR_HEADER_LEN + 4)

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

/* The CRC of ITU V.42 that FINGERPRINT wants (section 14.7). */
static uint32_t crc32(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xffffffffu;

	while (len--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

/* Address and port of @value xored with cookie and transaction id, or not when @mask is NULL. */
static bool read_address(struct sockaddr_storage *ss, const uint8_t *value, size_t len,
			 const uint8_t *mask)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	size_t alen = len == 8 && value[1] == 1 ? 4 : len == 20 && value[1] == 2 ? 16 : 0;
	uint8_t addr[16], port[2];

	if (!alen)
		return false;
	for (size_t i = 0; i < 2; i++)
		port[i] = value[2 + i] ^ (mask ? mask[i] : 0);
	for (size_t i = 0; i < alen; i++)
		addr[i] = value[4 + i] ^ (mask ? mask[i] : 0);
	memset(ss, 0, sizeof(*ss));
	if (alen == 4) {
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, addr, 4);
		memcpy(&v4->sin_port, port, 2);
	} else {
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, addr, 16);
		memcpy(&v6->sin6_port, port, 2);
	}
	return true;
}

static void note_unknown(struct fz_stun *msg, uint16_t type)
{
	if (msg->unknown_len < sizeof(msg->unknown) / sizeof(msg->unknown[0]))
		msg->unknown[msg->unknown_len++] = type;
}

/* False when the attribute breaks the message. */
static bool read_attribute(struct fz_stun *msg, const uint8_t *start, uint16_t type,
			   const uint8_t *value, size_t len)
{
	struct sockaddr_storage plain;

	switch (type) {
	case ATTR_XOR_MAPPED_ADDRESS:
		return read_address(&msg->mapped, value, len, start + 4);
	case ATTR_MAPPED_ADDRESS:
		/* Of old servers; the other one wins wherever it stands. */
		if (!read_address(&plain, value, len, NULL))
			return false;
		if (!msg->mapped.ss_family)
			msg->mapped = plain;
		return true;
	case ATTR_ERROR_CODE:
		if (len < 4)
			return false;
		msg->error = (value[2] & 7u) * 100 + value[3];
		return true;
	case ATTR_FINGERPRINT: {
		size_t before = (size_t)(value - ATTR_HEADER_LEN - start);

		return len == 4 && before + FINGERPRINT_LEN == HEADER_LEN + (size_t)get16(start + 2) &&
		       get32(value) == (crc32(start, before) ^ FINGERPRINT_XOR);
	}
	case ATTR_USERNAME:
	case ATTR_INTEGRITY:
	case ATTR_UNKNOWN:
	case ATTR_REALM:
	case ATTR_NONCE:
	case ATTR_INTEGRITY_SHA256:
	case ATTR_PASSWORD_ALGORITHM:
	case ATTR_USERHASH:
		return true;
	default:
		if (type < ATTR_OPTIONAL)
			note_unknown(msg, type);
		return true;
	}
}

/**
 * fz_stun_is_stun() - whether a datagram can be STUN (section 5)
 * @data: the datagram
 * @len: its length in bytes
 *
 * Return: true when its first bytes, its length and the cookie fit.
 */
bool fz_stun_is_stun(const void *data, size_t len)
{
	const uint8_t *p = data;

	return len >= HEADER_LEN && !(p[0] & 0xc0) && get32(p + 4) == COOKIE && !(p[3] & 3) &&
	       (size_t)get16(p + 2) + HEADER_LEN == len;
}

/**
 * fz_stun_parse() - understand a datagram (RFC 8489 section 5, attributes of section 14)
 * @msg: gets what it says; @msg->kind tells whether it can be used
 * @data: the datagram
 * @len: its length in bytes
 */
void fz_stun_parse(struct fz_stun *msg, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t at = HEADER_LEN;

	memset(msg, 0, sizeof(*msg));
	if (!fz_stun_is_stun(data, len))
		return;
	memcpy(msg->id, p + 8, FZ_STUN_ID_LEN);
	msg->kind = FZ_STUN_BAD;
	while (at < len) {
		size_t vlen, padded;

		if (len - at < ATTR_HEADER_LEN)
			return;
		vlen = get16(p + at + 2);
		padded = (vlen + 3) & ~(size_t)3;
		if (len - at - ATTR_HEADER_LEN < padded ||
		    !read_attribute(msg, p, get16(p + at), p + at + ATTR_HEADER_LEN, vlen))
			return;
		at += ATTR_HEADER_LEN + padded;
	}
	switch (get16(p)) {
	case TYPE_REQUEST:
		msg->kind = FZ_STUN_REQUEST;
		break;
	case TYPE_INDICATION:
		msg->kind = FZ_STUN_INDICATION;
		break;
	case TYPE_SUCCESS:
		/* What cannot be understood must not be believed (section 6.3.3). */
		if (!msg->unknown_len && msg->mapped.ss_family)
			msg->kind = FZ_STUN_SUCCESS;
		break;
	case TYPE_ERROR:
		msg->kind = FZ_STUN_ERROR;
		break;
	}
}

static size_t begin(uint8_t *out, uint16_t type, const uint8_t id[FZ_STUN_ID_LEN])
{
	put16(out, type);
	put16(out + 2, 0);
	put32(out + 4, COOKIE);
	memcpy(out + 8, id, FZ_STUN_ID_LEN);
	return HEADER_LEN;
}

/* The length in the header counts FINGERPRINT before it is computed. */
static size_t finish(uint8_t *out, size_t at)
{
	put16(out + 2, (uint16_t)(at - HEADER_LEN + FINGERPRINT_LEN));
	put16(out + at, ATTR_FINGERPRINT);
	put16(out + at + 2, 4);
	put32(out + at + 4, crc32(out, at) ^ FINGERPRINT_XOR);
	return at + FINGERPRINT_LEN;
}

/**
 * fz_stun_request() - write a Binding request
 * @out: gets it
 * @size: room at @out in bytes
 * @id: transaction id, random for every transaction
 *
 * Return: its length in bytes, 0 without room.
 */
size_t fz_stun_request(uint8_t *out, size_t size, const uint8_t id[FZ_STUN_ID_LEN])
{
	if (size < HEADER_LEN + FINGERPRINT_LEN)
		return 0;
	return finish(out, begin(out, TYPE_REQUEST, id));
}

static size_t put_mapped(uint8_t *out, size_t at, const struct sockaddr *from)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	bool mapped = from->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
	bool is4 = from->sa_family == AF_INET || mapped;
	size_t alen = is4 ? 4 : 16;
	const uint8_t *addr;
	uint8_t *value = out + at + ATTR_HEADER_LEN;
	const uint8_t *port;

	if (from->sa_family == AF_INET) {
		addr = (const uint8_t *)&v4->sin_addr;
		port = (const uint8_t *)&v4->sin_port;
	} else {
		addr = (const uint8_t *)&v6->sin6_addr + (mapped ? 12 : 0);
		port = (const uint8_t *)&v6->sin6_port;
	}
	put16(out + at, ATTR_XOR_MAPPED_ADDRESS);
	put16(out + at + 2, (uint16_t)(4 + alen));
	value[0] = 0;
	value[1] = is4 ? 1 : 2;
	for (size_t i = 0; i < 2; i++)
		value[2 + i] = port[i] ^ out[4 + i];
	for (size_t i = 0; i < alen; i++)
		value[4 + i] = addr[i] ^ out[4 + i];
	return at + ATTR_HEADER_LEN + 4 + alen;
}

static size_t put_unknown(uint8_t *out, size_t at, const struct fz_stun *req)
{
	size_t vlen = 2 * req->unknown_len;

	put16(out + at, ATTR_ERROR_CODE);
	put16(out + at + 2, 4);
	put32(out + at + 4, 0x0414); /* 420, without a phrase */
	at += ATTR_HEADER_LEN + 4;
	put16(out + at, ATTR_UNKNOWN);
	put16(out + at + 2, (uint16_t)vlen);
	at += ATTR_HEADER_LEN;
	for (size_t i = 0; i < req->unknown_len; i++, at += 2)
		put16(out + at, req->unknown[i]);
	if (vlen & 3) {
		put16(out + at, 0);
		at += 2;
	}
	return at;
}

/**
 * fz_stun_response() - write the answer to a Binding request (section 6.3.1)
 * @out: gets it: a success response, or error 420 when the request needs what we do not know
 * @size: room at @out in bytes; 64 are enough
 * @req: the request
 * @from: where it came from; IPv4 addresses mapped into IPv6 are given as IPv4
 *
 * Return: its length in bytes, 0 without room, or if @req is no request or @from no IP address.
 */
size_t fz_stun_response(uint8_t *out, size_t size, const struct fz_stun *req,
			const struct sockaddr *from)
{
	size_t at;

	if (req->kind != FZ_STUN_REQUEST || size < 64 ||
	    (from->sa_family != AF_INET && from->sa_family != AF_INET6))
		return 0;
	at = begin(out, req->unknown_len ? TYPE_ERROR : TYPE_SUCCESS, req->id);
	at = req->unknown_len ? put_unknown(out, at, req) : put_mapped(out, at, from);
	return finish(out, at);
}

/**
 * fz_stun_answers() - whether a message answers a transaction
 * @msg: the message
 * @id: transaction id of the request
 *
 * Return: true for a response, good or bad, with that id.
 */
bool fz_stun_answers(const struct fz_stun *msg, const uint8_t id[FZ_STUN_ID_LEN])
{
	return (msg->kind == FZ_STUN_SUCCESS || msg->kind == FZ_STUN_ERROR) &&
	       !memcmp(msg->id, id, FZ_STUN_ID_LEN);
}
