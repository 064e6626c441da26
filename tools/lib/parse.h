/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Words of a command line, a configuration or a policy. Every parser takes the
 * whole word or refuses it: it returns 0, or -EINVAL with a sentence that
 * quotes the word in @err (which may be NULL), and then leaves @out alone.
 */
#ifndef FZ_PARSE_H
#define FZ_PARSE_H

#include "error.h"
#include "types.h"

/* 10.0.0.1 or fd00::1 */
int fz_parse_addr(const char *word, struct fz_addr *out, struct fz_error *err);
/* As an address with an optional /LENGTH; bits after the length must be zero. */
int fz_parse_prefix(const char *word, struct fz_prefix *out, struct fz_error *err);
/* The same, but host bits are kept (an interface's address). */
int fz_parse_ifaddr(const char *word, struct fz_prefix *out, struct fz_error *err);
/* 192.0.2.1:51820 or [2001:db8::1]:51820; numbers only, nothing is resolved */
int fz_parse_endpoint(const char *word, union fz_endpoint *out, struct fz_error *err);
int fz_parse_port(const char *word, uint16_t *out, struct fz_error *err);
/* tcp, udp, sctp, icmp, icmpv6 or proto/N */
int fz_parse_protocol(const char *word, uint8_t *out, struct fz_error *err);
/* SERVICE: appends what it stands for (a port list is several, icmp is two, but icmp/8 is IPv4's alone). */
int fz_parse_service(const char *word, struct fz_resource *out, struct fz_error *err);
/* 90s, 15m, 8h, 7d; milliseconds. 0 is refused. */
int fz_parse_duration(const char *word, uint64_t *ms, struct fz_error *err);
/* 1500, 10K, 500M, 20G, 2T; bytes, by 1024. 0 is refused. */
int fz_parse_size(const char *word, uint64_t *bytes, struct fz_error *err);
/* 64kbit, 10Mbit, 1Gbit, 10M; bits per second, by 1000. 0 is refused. */
int fz_parse_rate(const char *word, uint64_t *bits, struct fz_error *err);
/* 20/s; 0 is refused. */
int fz_parse_flow_rate(const char *word, uint32_t *flows, struct fz_error *err);
/* RFC 3339, or local 2026-11-22T18:00[:00], or 18:00 for the next such time; seconds since 1970 */
int fz_parse_time(const char *word, int64_t *out, struct fz_error *err);
/* 32 hexadecimal digits, with or without the dashes of a UUID */
int fz_parse_tag(const char *word, uint8_t tag[FZ_TAG_LEN], struct fz_error *err);
/* Bytes of the character that a text begins with; 0 at its end, and for what is no UTF-8 (surrogates, overlong forms). */
size_t fz_utf8_char(const char *text);
/* 1 to FZ_NAME_MAX printable bytes, no space */
int fz_parse_name(const char *word, char out[FZ_NAME_MAX + 1], struct fz_error *err);
int fz_parse_direction(const char *word, uint8_t *out, struct fz_error *err);
int fz_parse_u32(const char *word, const char *what, uint32_t min, uint32_t max, uint32_t *out,
		 struct fz_error *err);

#endif
