/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZCTL_ENDPOINT_H
#define FZCTL_ENDPOINT_H

#include "fz.h"

#include <signal.h>

/* Becomes true when nobody waits for a name any more: then it is not looked up again. */
extern volatile sig_atomic_t endpoint_give_up;

/* HOST:PORT, the host being resolved; waits for the resolver. */
int endpoint_resolve(const char *text, union fz_endpoint *out, struct fz_error *err);
/* A port by number or name; 0 is allowed. */
int port_resolve(const char *text, uint16_t *port, struct fz_error *err);

#endif
