// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz-test-client: a process as the agent is one, for the tests that are shell scripts.
 *
 *	ask DEV [RESOURCE]	answers requests: prints "request PORT" for each as it comes. SIGUSR1 passes
 *				what is open, with a grant of RESOURCE to any peer; SIGUSR2 refuses it for
 *				two seconds. Prints "answered N" then
 *	epoch DEV NAME=PREFIX...	begins an epoch with these resources and a grant of each to any peer, prints
 *				"staged", and commits with SIGUSR1
 *	epochs DEV N NAME=PREFIX...	does so N times without waiting
 *
 * What the kernel refuses goes to stderr, and ends it with 1.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "nl.h"
#include "parse.h"

#define OPEN_MAX_REQUESTS 4096

static struct fz_nl *nl;
static const char *dev;
static struct {
	uint64_t id;
	uint8_t direction;
} open_requests[OPEN_MAX_REQUESTS];
static size_t n_open;

static void check(int ret, const struct fz_error *error)
{
	if (ret)
		errx(1, "%s", error->text);
}

static int signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		err(1, "signalfd");
	return fd;
}

static int next_signal(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		err(1, "signalfd");
	return (int)info.ssi_signo;
}

static void note(const struct fz_event *event, void *arg)
{
	(void)arg;
	if (event->kind != FZ_EVENT_REQUEST)
		return;
	printf("request %u\n", event->decision.tuple.dport);
	fflush(stdout);
	if (n_open == OPEN_MAX_REQUESTS)
		return;
	open_requests[n_open].id = event->decision.id;
	open_requests[n_open++].direction = event->decision.direction;
}

static void answer_all(bool pass, const char *resource)
{
	struct fz_decision decision = { .verdict = pass ? FZ_VERDICT_PASS : FZ_VERDICT_REFUSE };
	unsigned int answered = 0;
	struct fz_error error;

	if (pass && resource) {
		decision.has_grant = true;
		decision.grant.any = true;
		decision.grant.action = FZ_ACTION_ALLOW;
		snprintf(decision.grant.resource, sizeof(decision.grant.resource), "%s", resource);
	}
	if (!pass)
		decision.ttl_ms = 2000;
	for (size_t i = 0; i < n_open; i++) {
		int ret;

		decision.id = open_requests[i].id;
		decision.grant.direction = open_requests[i].direction;
		ret = fz_nl_verdict(nl, dev, &decision, &error);
		if (ret != -ENOENT)
			check(ret, &error);
		answered += !ret;
	}
	n_open = 0;
	printf("answered %u\n", answered);
	fflush(stdout);
}

static int ask(const char *resource)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct fz_error error;

	fz_nl_on_event(nl, note, NULL);
	check(fz_nl_register(nl, dev, FZ_ROLE_REQUESTS, &error), &error);
	puts("registered");
	fflush(stdout);
	fds[0].fd = signals();
	fds[1].fd = fz_nl_fd(nl);
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			err(1, "poll");
		/* What came before the signal is answered with the rest. */
		check(fz_nl_dispatch(nl, &error), &error);
		if (fds[0].revents)
			answer_all(next_signal(fds[0].fd) == SIGUSR1, resource);
	}
}

static void restate(char *word)
{
	char *prefix = strchr(word, '=');
	struct fz_resource resource = { 0 };
	struct fz_grant grant = { .any = true, .direction = FZ_DIR_IN, .action = FZ_ACTION_ALLOW };
	struct fz_prefix parsed;
	struct fz_error error;

	if (!prefix)
		errx(2, "\"%s\" is no NAME=PREFIX", word);
	check(fz_parse_prefix(prefix + 1, &parsed, &error), &error);
	snprintf(resource.name, sizeof(resource.name), "%.*s", (int)(prefix - word), word);
	snprintf(grant.resource, sizeof(grant.resource), "%s", resource.name);
	if (fz_resource_add_prefix(&resource, &parsed))
		errx(1, "out of memory");
	check(fz_nl_resource_add(nl, dev, &resource, 1, &error), &error);
	check(fz_nl_grant_add(nl, dev, &grant, 1, &error), &error);
	fz_resource_clear(&resource);
}

static void begin(char **words)
{
	struct fz_error error;

	check(fz_nl_epoch_begin(nl, dev, &error), &error);
	for (; *words; words++)
		restate(*words);
}

static int epoch(char **words)
{
	struct fz_error error;
	int fd = signals();

	begin(words);
	puts("staged");
	fflush(stdout);
	next_signal(fd);
	check(fz_nl_epoch_commit(nl, dev, &error), &error);
	puts("committed");
	return 0;
}

static int epochs(unsigned long n, char **words)
{
	struct fz_error error;

	while (n--) {
		begin(words);
		check(fz_nl_epoch_commit(nl, dev, &error), &error);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct fz_error error;

	if (argc < 3)
		errx(2, "ask DEV [RESOURCE] | epoch DEV NAME=PREFIX... | epochs DEV N NAME=PREFIX...");
	dev = argv[2];
	check(fz_nl_open(&nl, &error), &error);
	if (!strcmp(argv[1], "ask"))
		return ask(argv[3]);
	if (!strcmp(argv[1], "epoch"))
		return epoch(argv + 3);
	if (!strcmp(argv[1], "epochs") && argc > 3)
		return epochs(strtoul(argv[3], NULL, 10), argv + 4);
	errx(2, "which command?");
}
