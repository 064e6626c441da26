/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other way: what a parser took, as text again, and the names of the
 * kernel's enums. Each fz_format_*() writes at most @size bytes with the final
 * 0 and returns @buf.
 */
#ifndef FZ_FORMAT_H
#define FZ_FORMAT_H

#include "types.h"
#include <jansson.h>

#define FZ_ADDR_TEXT_SIZE 64
#define FZ_ENDPOINT_TEXT_SIZE 80
#define FZ_TAG_TEXT_SIZE (2 * FZ_TAG_LEN + 1)

const char *fz_format_addr(char *buf, size_t size, const struct fz_addr *addr);
const char *fz_format_prefix(char *buf, size_t size, const struct fz_prefix *prefix);
const char *fz_format_endpoint(char *buf, size_t size, const union fz_endpoint *endpoint);
const char *fz_format_service(char *buf, size_t size, const struct fz_service *service);
/* All services of a resource, as words of the command line: "tcp/443,8000-8010 icmp" */
const char *fz_format_services(char *buf, size_t size, const struct fz_resource *res);
const char *fz_format_protocol(char *buf, size_t size, uint8_t protocol);
/* "tcp 10.0.0.1:4711 > 10.1.0.5:443" */
const char *fz_format_tuple(char *buf, size_t size, const struct fz_tuple *tuple);
const char *fz_format_tag(char *buf, size_t size, const uint8_t tag[FZ_TAG_LEN]);
/* 1m30s, 8h, 6d23h: the two largest units */
const char *fz_format_duration(char *buf, size_t size, uint64_t ms);
/* As fz_parse_rate() takes it, exact. */
const char *fz_format_rate(char *buf, size_t size, uint64_t bits);
const char *fz_format_bytes(char *buf, size_t size, uint64_t bytes);

/* names.c: "?" for what this version does not know */
const char *fz_direction_name(uint8_t direction);
const char *fz_mode_name(uint8_t mode);
const char *fz_action_name(uint8_t action);
const char *fz_reason_name(uint8_t reason);
const char *fz_verdict_name(uint8_t verdict);
const char *fz_flow_state_name(uint8_t state);
const char *fz_flow_end_name(uint8_t end);
const char *fz_peer_event_name(uint8_t type);
const char *fz_policy_event_name(uint8_t event);

#endif
