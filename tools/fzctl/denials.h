/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading what `fzctl monitor denials --json` wrote. */
#ifndef FZCTL_DENIALS_H
#define FZCTL_DENIALS_H

#include "sighting.h"

#include <stdio.h>

/**
 * struct denials - what the lines said
 * @dev: only this device is looked at; NULL for all
 * @peer: only peers whose key starts so; NULL for all
 * @refused: what was refused counts like what would have been
 * @bits4, @bits6: of an address that count
 * @seen: what a grant would admit, or one that is there did admit once
 * @by_reason: events that no grant, or not a grant alone, would admit
 * @refusals: events that tell of refused packets, unless @refused
 * @strays: events without a peer
 * @events: all that were told of
 * @suppressed: those that the kernel did not tell of
 * @lost: those that the monitor did not read in time; at least
 * @bad_lines: lines that make no sense
 * @bad_line: the first of them, 0 if there is none
 * @first, @last: milliseconds since 1970
 */
struct denials {
	const char *dev;
	const char *peer;
	bool refused;
	uint8_t bits4;
	uint8_t bits6;
	struct sightings seen;
	uint64_t by_reason[FZ_REASON_MAX + 1];
	uint64_t refusals;
	uint64_t strays;
	uint64_t events;
	uint64_t suppressed;
	uint64_t lost;
	uint64_t bad_lines;
	uint64_t bad_line;
	int64_t first;
	int64_t last;
};

int denials_read(struct denials *denials, FILE *in);

#endif
