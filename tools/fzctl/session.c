// SPDX-License-Identifier: GPL-2.0-only
#include "fzctl.h"

#include <stdarg.h>
#include <stdio.h>

static struct fz_nl *session;
static unsigned long batch_line;

/**
 * session_nl - the handle for the kernel, opened when first asked for
 * @nl: receives it; it stays the session's
 *
 * Return: 0, or an exit status after saying why not
 */
int session_nl(struct fz_nl **nl)
{
	struct fz_error err;

	if (!session && fz_nl_open(&session, &err))
		return refused(&err);
	*nl = session;
	return 0;
}

/* At the end. */
void session_close(void)
{
	fz_nl_close(session);
	session = NULL;
	forget_peers();
}

/* Which line of a batch complaints are about; 0 for none. */
void session_at_line(unsigned long line)
{
	batch_line = line;
}

static void complain(const char *fmt, va_list args)
{
	char *text;

	if (queue_goes_first())
		return;
	fflush(stdout);
	if (vasprintf(&text, fmt, args) < 0)
		return;
	/* At once: others may write to the same log. */
	if (batch_line)
		fprintf(stderr, "fzctl: line %lu: %s\n", batch_line, text);
	else
		fprintf(stderr, "fzctl: %s\n", text);
	free(text);
}

/**
 * usage_error - a word is wrong
 * @fmt: the sentence, as for printf
 *
 * Return: EXIT_USAGE
 */
int usage_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	return EXIT_USAGE;
}

/* The same, with the sentence of a parser. */
int bad_word(const struct fz_error *err)
{
	return usage_error("%s", err->text);
}

/* The kernel said no. Returns EXIT_REFUSED. */
int refused(const struct fz_error *err)
{
	usage_error("%s", err->text);
	return EXIT_REFUSED;
}

/* @what, such as "a device", should follow the word @after. */
int out_of_words(const char *what, const char *after)
{
	return usage_error("%s is missing after \"%s\"", what, after);
}

int too_many_words(const char *word)
{
	return usage_error("\"%s\" is one word too many", word);
}
