// SPDX-License-Identifier: GPL-2.0-only
/* The sandbox as the kernel has it: what is refused in it, and what an agent still can. Each in a child, for good. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netdb.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

static char work[64], state[128], control[128], other[128];

/* In the child: cmocka's assertions would go back into the parent's tests. */
#define want(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s does not hold (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			_exit(1); \
		} \
	} while (0)

static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	return fd < 0 || close(fd) ? -1 : 0;
}

static int setup(void **context)
{
	(void)context;
	strcpy(work, "/tmp/fz-sandbox-XXXXXX");
	if (!mkdtemp(work))
		return -1;
	snprintf(state, sizeof(state), "%s/state", work);
	snprintf(control, sizeof(control), "%s/run/agent.sock", work);
	snprintf(other, sizeof(other), "%s/run", work);
	if (mkdir(state, 0700) || mkdir(other, 0700) || make_file(control))
		return -1;
	snprintf(other, sizeof(other), "%s/other", work);
	return make_file(other);
}

static int teardown(void **context)
{
	char path[256];

	(void)context;
	unlink(other);
	unlink(control);
	snprintf(path, sizeof(path), "%s/agent.json", state);
	unlink(path);
	snprintf(path, sizeof(path), "%s/run", work);
	rmdir(path);
	rmdir(state);
	return rmdir(work);
}

/* Whether it held in a child that had entered the sandbox. */
static void in_sandbox(void (*look)(void))
{
	struct fz_error err = { 0 };
	int status;
	pid_t pid;

	if (sandbox_rights(NULL))
		skip();	/* an agent would not run here either */
	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (sandbox_enter(state, control, &err)) {
			fprintf(stderr, "%s\n", err.text);
			_exit(1);
		}
		look();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool status_says(const char *line)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)	/* Landlock: then the calls below say it */
		return errno == EACCES;
	close(fd);
	text[n] = '\0';
	return strstr(text, line);
}

/* What nobody needs a capability for: it is the filter that refuses. */
static void look_at_calls(void)
{
	char *const words[] = { (char *)"true", NULL };

	want(status_says("\nSeccomp:\t2\n"));
	want(status_says("\nNoNewPrivs:\t1\n"));
	want(execv("/bin/true", words) == -1 && errno == EPERM);
	want(unshare(CLONE_FS) == -1 && errno == EPERM);
	want(setuid(getuid()) == -1 && errno == EPERM);
	want(syscall(SYS_keyctl, 0, -4, 0) == -1 && errno == EPERM);
	want(syscall(SYS_add_key, "user", "x", "y", 1, -4) == -1 && errno == EPERM);
	want(syscall(SYS_personality, 0xffffffff) == -1 && errno == EPERM);
	want(syscall(SYS_bpf, -1, NULL, 0) == -1 && errno == EPERM);
	want(syscall(SYS_init_module, NULL, 0, "") == -1 && errno == EPERM);
	want(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL) == -1 && errno == EPERM);
	want(syscall(SYS_io_uring_setup, 0, NULL) == -1 && errno == EPERM);
#ifndef __SANITIZE_ADDRESS__
	want(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1 && errno == EPERM);
#endif
}

static void test_calls(void **context)
{
	(void)context;
	in_sandbox(look_at_calls);
}

static void look_at_files(void)
{
	char path[256];

	want(open(other, O_RDONLY) == -1 && errno == EACCES);
	want(open(other, O_WRONLY) == -1 && errno == EACCES);
	want(unlink(other) == -1 && errno == EACCES);
	want(open("/root", O_RDONLY) == -1 && errno == EACCES);
	want(open("/etc/passwd", O_RDWR) == -1 && errno == EACCES);
	snprintf(path, sizeof(path), "%s/run/new", work);
	want(open(path, O_WRONLY | O_CREAT, 0600) == -1 && errno == EACCES);
}

static void test_files(void **context)
{
	(void)context;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
		skip();
	in_sandbox(look_at_files);
}

static void look_at_work(void)
{
	struct addrinfo *found = NULL;
	char fresh[256], path[256];

	/* as identity_save() does */
	snprintf(fresh, sizeof(fresh), "%s/agent.json.new", state);
	snprintf(path, sizeof(path), "%s/agent.json", state);
	want(!make_file(fresh) && !rename(fresh, path));
	want(!make_file(path));
	want(open(state, O_RDONLY | O_DIRECTORY) >= 0);
	want(open("/etc/passwd", O_RDONLY) >= 0);
	want(open("/proc/sys/net/ipv4/ip_forward", O_RDWR) >= 0 || errno == EROFS);
	want(!getaddrinfo("localhost", "7700", NULL, &found) && found);
	want(!unlink(control));
}

static void test_work(void **context)
{
	(void)context;
	in_sandbox(look_at_work);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_work, setup, teardown),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
