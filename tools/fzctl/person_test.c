// SPDX-License-Identifier: GPL-2.0-only
/* fzctl join, status and why against an agent that is a child of this process and says what it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fzctl.h"
#include "invite.h"
#include "person.h"

static char dir[] = "/tmp/fz-person-test-XXXXXX";
static char path[64], out_path[64], in_path[64];
static char output[4096], question[4096];

/* Takes one question, gives the answer, and writes the question to @to. */
static void answer_one(int listener, const char *answer, int to)
{
	int fd = accept(listener, NULL, NULL);
	char line[4096];
	ssize_t len = fd < 0 ? -1 : read(fd, line, sizeof(line));

	if (len <= 0 || write(fd, answer, strlen(answer)) < 0 || write(to, line, (size_t)len) != len)
		_exit(1);
	_exit(0);
}

/* Calls @fn with descriptors 0 to 2 on files: @in is what it reads, output[] what it printed. */
static int redirected(int (*fn)(int argc, char **argv), int argc, char **argv, const char *in)
{
	int files[2], kept[3], status;
	ssize_t len;

	files[0] = open(in_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	files[1] = open(out_path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	assert_true(files[0] >= 0 && files[1] >= 0);
	assert_int_equal(pwrite(files[0], in, strlen(in), 0), strlen(in));
	fflush(NULL);
	for (int i = 0; i < 3; i++) {
		kept[i] = dup(i);
		dup2(files[i > 0], i);
	}
	__fpurge(stdin);	/* it is another file now */
	clearerr(stdin);
	status = fn(argc, argv);
	fflush(NULL);
	for (int i = 0; i < 3; i++) {
		dup2(kept[i], i);
		close(kept[i]);
	}
	len = pread(files[1], output, sizeof(output) - 1, 0);
	output[len > 0 ? len : 0] = '\0';
	close(files[0]);
	close(files[1]);
	return status;
}

/* Runs a command line, split at spaces, while the agent answers with @answer. */
static int run(int (*fn)(int argc, char **argv), const char *words, const char *in, const char *answer)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pipes[2], status, argc = 0;
	char copy[FZ_INVITE_TEXT_MAX + 128], *argv[16], *save = NULL;
	pid_t child;
	ssize_t len;

	strcpy(un.sun_path, path);
	unlink(path);
	assert_int_equal(bind(listener, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(pipe(pipes), 0);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		answer_one(listener, answer, pipes[1]);
	}
	close(listener);
	close(pipes[1]);
	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	status = redirected(fn, argc, argv, in);
	kill(child, SIGTERM);	/* it may not have been asked */
	waitpid(child, NULL, 0);
	len = read(pipes[0], question, sizeof(question) - 1);
	question[len > 0 ? len : 0] = '\0';
	close(pipes[0]);
	return status;
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/agent.sock", dir);
	snprintf(out_path, sizeof(out_path), "%s/out", dir);
	snprintf(in_path, sizeof(in_path), "%s/in", dir);
	return setenv("FZ_AGENT_SOCKET", path, 1);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path) || unlink(out_path) || unlink(in_path) || rmdir(dir);
}

static void test_words_of_others_are_plain(void **state)
{
	(void)state;
	assert_int_equal(run(status_main, "status", "",
			     "{\"ok\":true,\"joined\":true,\"role\":\"client\",\"name\":\"a\\u001b[2Jb\",\"user\":\"c\\u009bd\","
			     "\"broker\":\"h\",\"connected\":true,\"trouble\":\"one\\ntwo\",\"device\":\"fz0\",\"grants\":"
			     "[{\"action\":\"allow\",\"resource\":\"w\\u007feb\",\"direction\":\"out\",\"peer\":\"g\\u00e4te\","
			     "\"policy\":\"p\\r\",\"lease_ms\":60000}]}\n"), 0);
	assert_string_equal(output, "client a?[2Jb of c?d\n  broker: h, connected\n  trouble: one?two\n  device: fz0\n"
				    "  allow: w?eb, by way of g\xc3\xa4te, policy p?, for 1m more\n");
	assert_int_equal(run(why_main, "why web", "", "{\"ok\":true,\"allowed\":false,\"sentence\":\"\\u001b]0;x\\u0007\"}\n"), 1);
	assert_string_equal(output, "no: ?]0;x?\n");
	assert_int_equal(run(why_main, "why web", "", "{\"ok\":false,\"error\":\"a\\u001bb\"}\n"), 1);
	assert_string_equal(output, "fzctl: a?b\n");
	/* a wrong word is neither a no nor a failure */
	assert_int_equal(run(why_main, "why web", "", "{\"ok\":false,\"malformed\":true,\"error\":\"no port\"}\n"), 2);
	assert_string_equal(output, "fzctl: no port\n");
}

/* Before the broker has said what the device is called, there is no name to print. */
static void test_status_without_name(void **state)
{
	(void)state;
	assert_int_equal(run(status_main, "status", "",
			     "{\"ok\":true,\"joined\":true,\"broker\":\"h\",\"connected\":false,"
			     "\"trouble\":\"this device is disabled\",\"device\":\"fz0\",\"grants\":[]}\n"), 0);
	assert_string_equal(output, "joined, but not let in by the broker since the agent started\n"
				    "  broker: h, not connected\n  trouble: this device is disabled\n  device: fz0\n");
}

/* The device is not as the broker wants it, and status does not keep that to itself. */
static void test_status_of_changed_device(void **state)
{
	(void)state;
	assert_int_equal(run(status_main, "status", "",
			     "{\"ok\":true,\"joined\":true,\"role\":\"client\",\"name\":\"n\",\"broker\":\"h\","
			     "\"connected\":true,\"device\":\"fz0\",\"changed\":\"its mode is open\"}\n"), 0);
	assert_string_equal(output, "client n\n  broker: h, connected\n"
				    "  device: fz0, not as the broker wants it: its mode is open\n");
}

static void test_words_are_text(void **state)
{
	(void)state;
	assert_int_equal(run(why_main, "why b\xff" "b", "", ""), 2);
	assert_string_equal(output, "fzctl: word 1 is not UTF-8 text\n");
	assert_string_equal(question, "");
}

static void test_invitation_on_standard_input(void **state)
{
	const char *joined = "{\"ok\":true,\"broker\":\"h\",\"role\":\"client\",\"name\":\"n\"}\n";
	const struct fz_invite invite = { .role = FZ_INVITE_CLIENT, .port = 7700, .host = "h" };
	char text[FZ_INVITE_TEXT_MAX], line[FZ_INVITE_TEXT_MAX + 128];

	(void)state;
	assert_int_equal(fz_invite_format(&invite, text, sizeof(text), NULL), 0);
	snprintf(line, sizeof(line), "%s \r\n", text);
	assert_int_equal(run(join_main, "join - --name n", line, joined), 0);
	snprintf(line, sizeof(line), "{\"op\":\"join\",\"invitation\":\"%s\",\"name\":\"n\"}\n", text);
	assert_string_equal(question, line);
	assert_string_equal(output, "joined h as client n\n");
	snprintf(line, sizeof(line), "join %s", text);
	assert_int_equal(run(join_main, line, "", joined), 0);
	snprintf(line, sizeof(line), "{\"op\":\"join\",\"invitation\":\"%s\"}\n", text);
	assert_string_equal(question, line);

	/* A wrong word is not sent: the invitation is still good. */
	snprintf(line, sizeof(line), "join %s --name a/b", text);
	assert_int_equal(run(join_main, line, "", joined), 2);
	assert_string_equal(output, "fzctl: \"a/b\" is no name: letters, digits and . _ - @ after the first\n");
	assert_string_equal(question, "");
	snprintf(line, sizeof(line), "join %s --name %064d", text, 0);
	assert_int_equal(run(join_main, line, "", joined), 2);
	assert_non_null(strstr(output, "0\" is no name (1 to 63 characters)\n"));
	assert_string_equal(question, "");
	assert_int_equal(run(join_main, "join bogus", "", joined), 2);
	assert_string_equal(output, "fzctl: this is not an invitation: those begin with fz1-\n");
	assert_string_equal(question, "");
	assert_int_equal(run(join_main, "join", "", joined), 2);
	assert_string_equal(output, "fzctl: an invitation is missing\nUsage: " JOIN_USAGE "\n");

	assert_int_equal(run(join_main, "join -", "\n", joined), 1);
	assert_string_equal(output, "fzctl: there is no invitation on standard input\n");
	assert_string_equal(question, "");
	assert_int_equal(run(join_main, "join -", "fz1-\xff\n", joined), 2);
	assert_string_equal(output, "fzctl: the invitation has a character that none can have (code 255)\n");
	assert_int_equal(run(join_main, "join -x", "", joined), 2);
}

static void test_why_words(void **state)
{
	static const struct {
		const char *line, *sentence;
	} cases[] = {
		{ "why 10.1.0.10:99999", "fzctl: \"99999\" is no port (1 to 65535)\n" },
		{ "why 10.1.0.10:80 bogus", "fzctl: \"bogus\" is no protocol (tcp, udp, sctp, icmp)\n" },
		{ "why 10.1.0.10:80/udp", "fzctl: \"80/udp\" is no port (1 to 65535)\n" },
		{ "why localhost:80", "fzctl: \"localhost:80\" is no ADDRESS:PORT, like 10.1.0.10:80 or [fd00::1]:80\n" },
		{ "why 10.1.0.10 udp", "fzctl: \"10.1.0.10\" needs a port after the address\n" },
		{ "why", "fzctl: an address or a resource is missing\nUsage: " WHY_USAGE "\n" },
	};
	static const char *const good[] = { "why web", "why 10.1.0.10 icmp", "why fd00::1 icmp", "why [fd00::1]:80 sctp" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run(why_main, cases[i].line, "", ""), 2);
		assert_string_equal(output, cases[i].sentence);
		assert_string_equal(question, "");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(run(why_main, good[i], "", "{\"ok\":true,\"allowed\":true,\"sentence\":\"s\"}\n"), 0);
		assert_string_equal(output, "yes: s\n");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_others_are_plain),
		cmocka_unit_test(test_status_without_name),
		cmocka_unit_test(test_status_of_changed_device),
		cmocka_unit_test(test_words_are_text),
		cmocka_unit_test(test_invitation_on_standard_input),
		cmocka_unit_test(test_why_words),
	};

	return cmocka_run_group_tests_name("person", tests, setup, teardown);
}
