// SPDX-License-Identifier: GPL-2.0-only
/* fzctl batch */
#include "fzctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 1024

/*
 * Split a line into words in place. Quotes of both kinds hold a word together;
 * '#' at the start of a word begins a comment. Returns the number of words, or -1
 * after a complaint.
 */
static int split(char *line, char **words)
{
	char *in = line, *out = line, quote;
	int n = 0;

	for (;;) {
		in += strspn(in, " \t\r\n");
		if (!*in || *in == '#')
			break;
		if (n == WORDS_MAX - 1) {
			usage_error("more than %d words", WORDS_MAX - 1);
			return -1;
		}
		words[n++] = out;
		for (quote = 0; *in && (quote || !strchr(" \t\r\n", *in)); in++) {
			if (quote ? *in == quote : *in == '"' || *in == '\'')
				quote = quote ? 0 : *in;
			else
				*out++ = *in;
		}
		if (quote) {
			usage_error("a %c is not closed", quote);
			return -1;
		}
		if (*in)
			in++;
		*out++ = 0;
	}
	words[n] = NULL;
	return n;
}

static int run_line(char *line)
{
	const struct command *command;
	char *space[WORDS_MAX], **words = space;
	int n = split(line, words), ret;

	if (n <= 0)
		return n ? EXIT_USAGE : EXIT_DONE;
	/* As a shell would have it. */
	if (n > 1 && !strcmp(words[0], "fzctl")) {
		words++;
		n--;
	}
	command = command_find(words[0]);
	if (!command)
		return usage_error("\"%s\" is no command", words[0]);
	if (command->flags & COMMAND_NOT_IN_BATCH)
		return usage_error("\"%s\" cannot be part of a batch", words[0]);
	/* Listing, too, comes after what was asked before. */
	if (!(command->flags & COMMAND_QUEUES) || (n > 1 && !strcmp(words[1], "list"))) {
		ret = queue_flush();
		if (ret)
			return ret;
	}
	if (!(command->flags & COMMAND_QUEUES))
		forget_peers();
	return command->run(n, words);
}

/* @name: of the file, for complaints */
static int run_lines(FILE *in, const char *name, bool force)
{
	int status = EXIT_DONE, failure = 0, ret;
	unsigned long number = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	queue_start(force);
	for (;;) {
		len = getline(&line, &size, in);
		if (len < 0) {
			failure = feof(in) ? 0 : errno;
			break;
		}
		queue_at_line(++number);
		if (strlen(line) != (size_t)len)
			ret = usage_error("the line has a zero byte");
		else
			ret = run_line(line);
		status = status ? status : ret;
		if (ret && !force)
			break;
	}
	free(line);
	queue_at_line(number);
	/* What came before a wrong line is in force, as if run one by one. */
	ret = queue_flush();
	status = status ? status : ret;
	session_at_line(0);
	queue_stop();
	if (failure) {
		ret = usage_error("cannot read \"%s\": %s", name, strerror(failure));
		status = status ? status : ret;
	}
	return queue_failed() ? EXIT_REFUSED : status;
}

int batch_main(int argc, char **argv)
{
	bool force = take_flag(&argc, argv, "--force");
	const char *name = "-";
	FILE *in = stdin;
	int ret;

	if (argc > 2)
		return too_many_words(argv[2]);
	if (argc == 2 && !strncmp(argv[1], "--", 2))
		return usage_error("\"%s\" is no option of batch (a file of that name: ./%s)", argv[1], argv[1]);
	if (argc == 2 && strcmp(argv[1], "-")) {
		name = argv[1];
		in = fopen(name, "re");
		if (!in)
			return usage_error("cannot read \"%s\": %s", name, strerror(errno));
	}
	ret = run_lines(in, name, force);
	if (in != stdin)
		fclose(in);
	return ret;
}
