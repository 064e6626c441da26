/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * WireGuard's configuration: as a file, and as the words of `set`. The
 * grammar, and what is said about a wrong value, are those of wg(8).
 */
#ifndef FZCTL_CONFIG_H
#define FZCTL_CONFIG_H

#include "fz.h"

struct config_parser {
	struct fz_device *dev;
	struct fz_peer *peer;		/* the section that we are in, if it is a peer's */
	bool in_interface;
	bool check;			/* the words only: no name is resolved, and no warning given */
};

/* @append: what the file does not say stays; else it is reset, and other peers removed. */
int config_begin(struct config_parser *parser, const char *name, bool append);
int config_line(struct config_parser *parser, const char *line, struct fz_error *err);
int config_end(struct config_parser *parser, struct fz_error *err);
void config_abandon(struct config_parser *parser);

/* The words after `set DEVICE`. *@out belongs to the caller. */
int config_words(const char *name, int n, char **words, struct fz_device **out, struct fz_error *err);

#endif
