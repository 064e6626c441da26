/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time zones from the system's database, without the process-wide TZ of the C library: TZif files (RFC 8536) and the
 * rule at their end for the years to come.
 */
#ifndef BROKER_TIMEZONE_H
#define BROKER_TIMEZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timezone_info;

/**
 * timezone_get() - a zone by its name in the database
 * @name: "Europe/Madrid"; "UTC" is known without a database
 *
 * Zones are read once and kept for the life of the process.
 *
 * Return: the zone, or NULL when there is none of that name.
 */
const struct timezone_info *timezone_get(const char *name);

/**
 * timezone_offset() - what to add to UTC for the local time
 * @zone: the zone
 * @at: seconds since 1970, UTC
 * @until: out: the first moment after @at at which it may be another, INT64_MAX if never; NULL allowed
 *
 * Return: seconds east of UTC.
 */
int32_t timezone_offset(const struct timezone_info *zone, int64_t at, int64_t *until);

/* For tests: a zone from the bytes of a TZif file, NULL when they are none; and its end. */
struct timezone_info *timezone_parse(const uint8_t *bytes, size_t len);
void timezone_free(struct timezone_info *zone);

#endif
