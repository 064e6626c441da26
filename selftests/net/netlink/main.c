// SPDX-License-Identifier: GPL-2.0-only
/* Runs the tests, each with a fresh device in this process' own network namespace. */

#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "message.h"

static void run(const char *command)
{
	if (system(command))
		errx(1, "failed: %s", command);
}

static bool run_test(const struct test *test)
{
	struct mnl_socket *sock = sock_open();
	bool passed;

	run("ip link add " DEV " type fz && ip link set " DEV " up");
	passed = test->run(sock);
	mnl_socket_close(sock);
	run("ip link del " DEV);
	return passed;
}

int main(void)
{
	const struct test *const suites[] = { device_tests, policy_tests, epoch_tests,
					      event_tests, fault_tests };
	unsigned int number = 0;
	unsigned int failures = 0;
	unsigned int count = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (unshare(CLONE_NEWNET))
		err(1, "cannot make a network namespace");
	run("ip link set lo up");
	for (size_t i = 0; i < sizeof(suites) / sizeof(*suites); i++) {
		for (const struct test *test = suites[i]; test->name; test++)
			count++;
	}
	printf("KTAP version 1\n1..%u\n", count);
	for (size_t i = 0; i < sizeof(suites) / sizeof(*suites); i++) {
		for (const struct test *test = suites[i]; test->name; test++) {
			bool passed;

			if (suites[i] == fault_tests && !faults_possible()) {
				printf("ok %u netlink: %s # SKIP\n", ++number, test->name);
				continue;
			}
			passed = run_test(test);
			failures += !passed;
			printf("%s %u netlink: %s\n", passed ? "ok" : "not ok", ++number,
			       test->name);
		}
	}
	return failures != 0;
}
