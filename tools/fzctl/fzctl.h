/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the subcommands of fzctl share. Each is one function in the table of
 * fzctl.c; argv[0] is its own name, and what it returns is the exit status.
 */
#ifndef FZCTL_H
#define FZCTL_H

#include "fz.h"
#include "terms.h"

#include <jansson.h>
#include <stdio.h>

enum {
	EXIT_DONE	= 0,
	EXIT_REFUSED	= 1,	/* by the kernel or the broker */
	EXIT_USAGE	= 2,
};

enum {
	COMMAND_QUEUES		= 1 << 0,	/* its objects may be sent together with others' */
	COMMAND_NOT_IN_BATCH	= 1 << 1,
};

/**
 * struct command - a row of the table
 * @name: the first word
 * @run: does it
 * @summary: one line, for `fzctl help`
 * @usage: what comes after "fzctl", a line for each form; for `fzctl help NAME`
 * @flags: COMMAND_*
 */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
	const char *usage;
	unsigned int flags;
};

const struct command *command_find(const char *name);

/* session.c: one dialogue with the kernel, and one way to complain */
int session_nl(struct fz_nl **nl);
void session_close(void);
void session_at_line(unsigned long line);
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int bad_word(const struct fz_error *err);
int refused(const struct fz_error *err);
int out_of_words(const char *what, const char *after);
int too_many_words(const char *word);

/* words.c: the words that several nouns have in common */
int words_are_text(int argc, char **argv);
int check_device(const char *dev);
int check_name(const char *name);
int check_lease(const char *word, uint64_t ms);
int check_target(const char *target, uint8_t protocol);
bool take_flag(int *argc, char **argv, const char *flag);
bool looks_like_service(const char *word);
int bad_prefix_or_service(const char *word);
int find_key(const char *dev, const char *word, uint8_t key[FZ_KEY_LEN]);
int take_peer(const char *dev, int *i, int argc, char **argv, uint8_t key[FZ_KEY_LEN], bool *found);
int take_peer_or_any(const char *dev, int *i, int argc, char **argv, struct fz_grant *grant);
void forget_peers(void);

/* output.c */
void print_plain(FILE *out, const char *text);
void print_line(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int output_failed(int error);
int print_json(json_t *value, bool pretty);
json_t *json_key(const uint8_t key[FZ_KEY_LEN]);
json_t *json_tag(const uint8_t tag[FZ_TAG_LEN]);
json_t *json_addr(const struct fz_addr *addr);
json_t *json_endpoint(const union fz_endpoint *endpoint);
json_t *json_tuple(const struct fz_tuple *tuple);
json_t *json_resource(const struct fz_resource *res);
json_t *json_grant(const struct fz_grant *grant);
json_t *json_flow(const struct fz_flow *flow);
json_t *json_mode(const struct fz_mode_state modes[FZ_DIRECTIONS]);
const char *format_lease(char *buf, size_t size, const struct fz_grant *grant);
const char *format_limits(char *buf, size_t size, const struct fz_grant *grant);

/* setconf.c: what syncconf does with a whole configuration, which becomes the change */
int sync_device(struct fz_device *wanted);

/* queue.c: objects that go to the kernel together */
int queue_resource(const char *dev, struct fz_resource *res, bool del);
int queue_grant(const char *dev, const struct fz_grant *grant, bool del);
int queue_flush(void);
void queue_at_line(unsigned long line);
void queue_start(bool force);
void queue_stop(void);
bool queue_goes_first(void);
bool queue_failed(void);

/* the subcommands */
int show_main(int argc, char **argv);
int showconf_main(int argc, char **argv);
int set_main(int argc, char **argv);
int setconf_main(int argc, char **argv);
int genkey_main(int argc, char **argv);
int pubkey_main(int argc, char **argv);
int updown_main(int argc, char **argv);
int mode_main(int argc, char **argv);
int ask_prefixes_main(int argc, char **argv);
int resource_main(int argc, char **argv);
int grant_main(int argc, char **argv);
int flow_main(int argc, char **argv);
int explain_main(int argc, char **argv);
int monitor_main(int argc, char **argv);
int observe_report_main(int argc, char **argv);
int stats_main(int argc, char **argv);
int batch_main(int argc, char **argv);

#endif
