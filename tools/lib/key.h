/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys: their text forms, and making them. */
#ifndef FZ_KEY_H
#define FZ_KEY_H

#include <linux/fz.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_KEY_TEXT_LEN 44		/* base64, without the final 0 */
#define FZ_KEY_TEXT_SIZE (FZ_KEY_TEXT_LEN + 1)

void fz_key_format(char text[FZ_KEY_TEXT_SIZE], const uint8_t key[FZ_KEY_LEN]);
bool fz_key_parse(uint8_t key[FZ_KEY_LEN], const char *text);
bool fz_key_parse_hex(uint8_t *bytes, size_t len, const char *text);
bool fz_key_is_zero(const uint8_t key[FZ_KEY_LEN]);
bool fz_key_equal(const uint8_t a[FZ_KEY_LEN], const uint8_t b[FZ_KEY_LEN]);
void fz_key_clamp(uint8_t key[FZ_KEY_LEN]);
int fz_key_generate_private(uint8_t key[FZ_KEY_LEN]);
int fz_key_generate_preshared(uint8_t key[FZ_KEY_LEN]);
int fz_key_derive_public(uint8_t public_key[FZ_KEY_LEN], const uint8_t private_key[FZ_KEY_LEN]);

#endif
