// SPDX-License-Identifier: GPL-2.0-only
/* The socket for fzctl: what of a file system it replaces. The agent's other parts are functions of this file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent.h"

static char dir[] = "/tmp/fz-local-test-XXXXXX";
static char path[64];
static struct agent agent;
static uv_loop_t loop;

fz_Message *session_message(pb_size_t which) { (void)which; return NULL; }
bool session_send(struct agent *a, fz_Message *msg) { (void)a; (void)msg; return false; }
void session_join_forget(struct agent *a, void *arg) { (void)a; (void)arg; }

int session_join(struct agent *a, const struct fz_invite *invite, const char *name, join_done done, void *arg,
		 struct fz_error *err)
{
	(void)a;
	(void)invite;
	(void)name;
	(void)done;
	(void)arg;
	return fz_error_set(err, -1, "no");
}

int kernel_compare(struct kernel *k, const struct desired *d, struct fz_error *err)
{
	(void)k;
	(void)d;
	(void)err;
	return 0;
}

size_t paths_candidates(const struct paths *paths, fz_Candidate *out, size_t room)
{
	(void)paths;
	(void)out;
	(void)room;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/agent.sock", dir);
	agent.loop = &loop;
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	(void)state;
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) || rmdir(dir);
}

static void stop(struct local *local)
{
	local_free(local);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_other_files_stay(void **state)
{
	struct fz_error err = { 0 };
	char want[128], target[80];
	FILE *file;

	(void)state;
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_null(local_new(&agent, path, &err));
	snprintf(want, sizeof(want), "%s exists and is no socket", path);
	assert_string_equal(err.text, want);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);

	/* nor is what a link leads to of interest */
	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(symlink(target, path), 0);
	assert_null(local_new(&agent, path, &err));
	assert_string_equal(err.text, want);
	unlink(path);
}

static void test_dead_socket_is_replaced(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct fz_error err = { 0 };
	struct local *local;

	(void)state;
	strcpy(un.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	local = local_new(&agent, path, &err);
	assert_non_null(local);
	/* and a living one is not */
	assert_null(local_new(&agent, path, &err));
	assert_non_null(strstr(err.text, "another fzagent listens on"));
	stop(local);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_files_stay),
		cmocka_unit_test(test_dead_socket_is_replaced),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
