/* SPDX-License-Identifier: GPL-2.0-only */
/* Bytes that wait, and frames in them: 16-bit big-endian length, then that many bytes. */
#ifndef FZ_FRAME_H
#define FZ_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_FRAME_HEADER_LEN 2
#define FZ_FRAME_MAX 65535

/**
 * struct fz_buffer - bytes in order; all zero is an empty one
 * @data: allocated, NULL while empty
 * @start: first byte that waits
 * @len: bytes that wait
 * @size: allocated
 */
struct fz_buffer {
	uint8_t *data;
	size_t start;
	size_t len;
	size_t size;
};

enum fz_frame_result {
	FZ_FRAME_PARTIAL,	/* more bytes are needed */
	FZ_FRAME_READY,
	FZ_FRAME_TOO_LONG,	/* longer than allowed, or empty */
};

uint8_t *fz_buffer_reserve(struct fz_buffer *buf, size_t len);
bool fz_buffer_put(struct fz_buffer *buf, const void *data, size_t len);
void fz_buffer_take(struct fz_buffer *buf, size_t len);
void fz_buffer_wipe(struct fz_buffer *buf);
enum fz_frame_result fz_frame_peek(const struct fz_buffer *buf, size_t max, uint8_t **body,
				   size_t *len);
uint8_t *fz_frame_reserve(struct fz_buffer *buf, size_t len);

#endif
