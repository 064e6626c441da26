// SPDX-License-Identifier: GPL-2.0-only
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

/* Memory that held plaintext is wiped when it is given back. */
static void release(uint8_t *data, size_t size)
{
	if (data)
		sodium_memzero(data, size);
	free(data);
}

static bool grow(struct fz_buffer *buf, size_t need)
{
	size_t size = buf->size ? buf->size : 256;
	uint8_t *data;

	while (size < need)
		size *= 2;
	data = malloc(size);
	if (!data)
		return false;
	if (buf->len)
		memcpy(data, buf->data + buf->start, buf->len);
	release(buf->data, buf->size);
	buf->data = data;
	buf->size = size;
	buf->start = 0;
	return true;
}

/**
 * fz_buffer_reserve() - room for bytes at the end, counted as waiting at once
 * @buf: the buffer
 * @len: how many, in bytes
 *
 * Return: where the caller writes them before the next call on @buf, or NULL without memory.
 */
uint8_t *fz_buffer_reserve(struct fz_buffer *buf, size_t len)
{
	uint8_t *at;

	if (len > SIZE_MAX / 4 - buf->len)
		return NULL;
	if (buf->start + buf->len + len > buf->size) {
		if (buf->len + len <= buf->size) {
			memmove(buf->data, buf->data + buf->start, buf->len);
			buf->start = 0;
		} else if (!grow(buf, buf->len + len)) {
			return NULL;
		}
	}
	at = buf->data + buf->start + buf->len;
	buf->len += len;
	return at;
}

/**
 * fz_buffer_put() - append bytes
 * @buf: the buffer
 * @data: the bytes
 * @len: how many
 *
 * Return: false without memory; @buf is then unchanged.
 */
bool fz_buffer_put(struct fz_buffer *buf, const void *data, size_t len)
{
	uint8_t *at;

	if (!len)
		return true;
	at = fz_buffer_reserve(buf, len);
	if (!at)
		return false;
	memcpy(at, data, len);
	return true;
}

/**
 * fz_buffer_take() - remove bytes from the front
 * @buf: the buffer; keeps no memory once it is empty
 * @len: how many, at most as many as wait
 */
void fz_buffer_take(struct fz_buffer *buf, size_t len)
{
	buf->start += len;
	buf->len -= len;
	if (!buf->len)
		fz_buffer_wipe(buf);
}

/**
 * fz_buffer_wipe() - forget everything
 * @buf: the buffer; empty afterwards and usable
 */
void fz_buffer_wipe(struct fz_buffer *buf)
{
	release(buf->data, buf->size);
	memset(buf, 0, sizeof(*buf));
}

/**
 * fz_frame_peek() - the frame at the front
 * @buf: the buffer
 * @max: longest body allowed, in bytes
 * @body: gets the body, inside @buf until bytes are added or taken
 * @len: gets its length
 *
 * The length is judged before the body has arrived. To go on, take FZ_FRAME_HEADER_LEN + @len bytes.
 *
 * Return: whether there is one.
 */
enum fz_frame_result fz_frame_peek(const struct fz_buffer *buf, size_t max, uint8_t **body,
				   size_t *len)
{
	const uint8_t *head;

	if (buf->len < FZ_FRAME_HEADER_LEN)
		return FZ_FRAME_PARTIAL;
	head = buf->data + buf->start;
	*len = (size_t)head[0] << 8 | head[1];
	if (!*len || *len > max)
		return FZ_FRAME_TOO_LONG;
	if (buf->len < FZ_FRAME_HEADER_LEN + *len)
		return FZ_FRAME_PARTIAL;
	*body = buf->data + buf->start + FZ_FRAME_HEADER_LEN;
	return FZ_FRAME_READY;
}

/**
 * fz_frame_reserve() - append a frame whose body the caller writes
 * @buf: the buffer
 * @len: length of the body, 1 to 65535 bytes
 *
 * Return: where the body goes, or NULL without memory or for a wrong length.
 */
uint8_t *fz_frame_reserve(struct fz_buffer *buf, size_t len)
{
	uint8_t *at;

	if (!len || len > FZ_FRAME_MAX)
		return NULL;
	at = fz_buffer_reserve(buf, FZ_FRAME_HEADER_LEN + len);
	if (!at)
		return NULL;
	at[0] = (uint8_t)(len >> 8);
	at[1] = (uint8_t)len;
	return at + FZ_FRAME_HEADER_LEN;
}
