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
 * @since: only from then on, in milliseconds since 1970; 0 for all
 * @refused: what was refused counts like what would have been
 * @bits4, @bits6: of an address that count
 * @seen: what a grant would admit, or one that is there did admit once
 * @by_reason: events that no grant, or not a grant alone, would admit
 * @refusals: events that tell of refused packets, unless @refused
 * @strays: events without a peer
 * @earlier: events before @since
 * @others: events of other devices or peers
 * @events: all that were told of
 * @suppressed: those that the kernel did not tell of
 * @lost: those that the monitor did not read in time; at least
 * @bad_lines: lines that make no sense
 * @bad_line: the first of them in the file that was read last; 0 if it has none
 * @good_lines: lines that are events, of whatever kind
 * @first, @last: milliseconds since 1970
 */
struct denials {
	const char *dev;
	const char *peer;
	int64_t since;
	bool refused;
	uint8_t bits4;
	uint8_t bits6;
	struct sightings seen;
	uint64_t by_reason[FZ_REASON_MAX + 1];
	uint64_t refusals;
	uint64_t strays;
	uint64_t earlier;
	uint64_t others;
	uint64_t events;
	uint64_t suppressed;
	uint64_t lost;
	uint64_t bad_lines;
	uint64_t bad_line;
	uint64_t good_lines;
	int64_t first;
	int64_t last;
};

int denials_read(struct denials *denials, FILE *in);

#endif
