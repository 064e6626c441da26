/* SPDX-License-Identifier: GPL-2.0-only */
/* Time windows of policies: pure functions of a window, its zone and a moment. */
#ifndef BROKER_WINDOW_H
#define BROKER_WINDOW_H

#include "model.h"

#define WINDOW_TEXT_SIZE	128

/* How far ahead window_change() looks. Leases are never longer. */
#define WINDOW_HORIZON_S	((int64_t)LEASE_MAX_S)

/* Whether the moment (seconds since 1970) is inside. */
bool window_holds(const struct window *window, const struct timezone_info *zone, int64_t at);

/**
 * window_change() - the next moment after @at at which window_holds() gives the other answer
 *
 * Changes of the zone's offset are taken into account: a window of local time is an hour longer or shorter then.
 *
 * Return: seconds since 1970, INT64_MAX when it stays within the horizon.
 */
int64_t window_change(const struct window *window, const struct timezone_info *zone, int64_t at);

/* "mon-fri 08:00-18:00 Europe/Madrid" */
char *window_format(const struct window *window, char text[WINDOW_TEXT_SIZE]);
/* "mon-fri", "sat,sun", "every day"; at most 32 bytes */
char *days_format(uint8_t days, char text[32]);

#endif
