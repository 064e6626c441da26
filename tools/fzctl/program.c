// SPDX-License-Identifier: GPL-2.0-only
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* A file in memory with a text in it, to be read from its start; -1 if that fails. */
static int memory_file(const char *text)
{
	int fd = memfd_create("fzctl", MFD_CLOEXEC);
	size_t len = strlen(text);

	if (fd >= 0 && (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static char *text_of(int fd)
{
	struct stat st;
	char *text;

	if (fstat(fd, &st))
		return NULL;
	text = calloc(1, (size_t)st.st_size + 1);
	if (text && pread(fd, text, (size_t)st.st_size, 0) != st.st_size) {
		free(text);
		text = NULL;
	}
	return text;
}

static int run(char *const argv[], int in, int out, bool quiet)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status, ret;

	if (posix_spawn_file_actions_init(&actions))
		return -ENOMEM;
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (quiet)
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	ret = -posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (ret)
		return ret;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/**
 * program_run - run a program and wait for it
 * @argv: its name, found by PATH, and its words
 * @input: what it reads; NULL leaves it ours
 * @output: receives what it writes, for free(), if it exits with 0; NULL leaves it ours
 * @quiet: nobody hears what it complains about
 *
 * Return: its exit status, 128 and its number for a signal, or a negative errno if it does not
 * start: -ENOENT if there is no such program
 */
int program_run(char *const argv[], const char *input, char **output, bool quiet)
{
	int in = -1, out = -1, ret = -ENOMEM;

	if (input)
		in = memory_file(input);
	if (output)
		out = memory_file("");
	if ((in >= 0 || !input) && (out >= 0 || !output))
		ret = run(argv, in, out, quiet);
	if (!ret && output) {
		*output = text_of(out);
		if (!*output)
			ret = -ENOMEM;
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ret;
}
