/* SPDX-License-Identifier: GPL-2.0-only */
/* fzbroker's command line. */
#ifndef BROKER_OPTIONS_H
#define BROKER_OPTIONS_H

#include "broker.h"

/* Fills in both; a usage error ends the process with status 2 after saying which word was wrong. */
void options_parse(int argc, char **argv, struct config *config, struct store_options *store);

#endif
