// SPDX-License-Identifier: GPL-2.0-only
/* A process beside the test's own, with no right outside of its namespaces. */

#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"

/* Namespaces of users and networks of this process' own, whose root it is. */
static void leave_namespaces(void)
{
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		err(1, "cannot make a user namespace");
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0 0 1", 5) != 5)
		err(1, "uid_map");
	close(fd);
}

bool meet(int fd)
{
	char byte = 0;

	return write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1;
}

bool beside_stranger(struct mnl_socket *sock, here_fn here, there_fn there)
{
	bool passed;
	int fds[2];
	int status;
	pid_t child;

	EXPECT(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	fflush(stdout);
	child = fork();
	if (!child) {
		close(fds[0]);
		leave_namespaces();
		passed = there(fds[1]);
		fflush(stdout);
		_exit(passed ? 0 : 1);
	}
	close(fds[1]);
	passed = here(sock, fds[0], child);
	close(fds[0]);
	waitpid(child, &status, 0);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return passed;
}
