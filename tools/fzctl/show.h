/* SPDX-License-Identifier: GPL-2.0-only */
/* A device as text, byte for byte as wg(8) prints one of its own. */
#ifndef FZCTL_SHOW_H
#define FZCTL_SHOW_H

#include "fz.h"

#include <stdio.h>

/* For people. @now: seconds since 1970. Sorts the device's peers. */
void show_pretty(FILE *out, struct fz_device *dev, int64_t now, bool hide_keys);
/* For scripts: one field, or "dump". False if there is no such field. */
bool show_field(FILE *out, const struct fz_device *dev, const char *field, bool with_name);
void show_config(FILE *out, const struct fz_device *dev);

#endif
