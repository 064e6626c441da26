/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One target a file, for libFuzzer (`make fuzz`) and for replay.c, which feeds
 * it the kept corpus in every run of the unit tests.
 */
#ifndef FZ_FUZZ_H
#define FZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What holds for every input; abort() is what libFuzzer takes for a finding. */
#define always(condition) do { if (!(condition)) abort(); } while (0)

#endif
