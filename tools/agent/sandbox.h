/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef AGENT_SANDBOX_H
#define AGENT_SANDBOX_H

#include "error.h"

int sandbox_enter(struct fz_error *err);

#endif
