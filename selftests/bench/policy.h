/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of fz-bench-policy share. */
#ifndef FZ_BENCH_POLICY_H
#define FZ_BENCH_POLICY_H

#include <stdint.h>

#include "error.h"
#include "types.h"

/* layout.c */

/**
 * struct layout - a way to put resources where many of them meet
 * @name: of the layout
 * @resource: makes the number @i of @n: prefixes and services
 * @tuple: of a first packet, the @k'th of any number, towards us
 */
struct layout {
	const char *name;
	void (*resource)(struct fz_resource *res, unsigned int i, unsigned int n);
	void (*tuple)(struct fz_tuple *tuple, unsigned int k, unsigned int n);
};

const struct layout *layout_find(const char *name);
void key_of(uint8_t key[FZ_KEY_LEN], unsigned int number);

/* traffic.c: each ends the program when it is used wrongly */
int flows_main(int argc, char **argv);
int blast_main(int argc, char **argv);
int probe_main(int argc, char **argv);
int revoke_main(int argc, char **argv);

/* policy.c */
double now(void);
struct fz_nl *open_family(void);
void check(int ret, const struct fz_error *error);
int compare(const void *a, const void *b);
unsigned int number(const char *text);

#endif
