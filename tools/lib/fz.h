/* SPDX-License-Identifier: GPL-2.0-only */
/* All of the library that speaks to the kernel. */
#ifndef FZ_LIB_H
#define FZ_LIB_H

#include "error.h"
#include "format.h"
#include "key.h"
#include "nl.h"
#include "parse.h"
#include "rtnl.h"
#include "table.h"
#include "types.h"

#endif
