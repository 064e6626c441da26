// SPDX-License-Identifier: GPL-2.0-only
/*
 * Landlock: the file system as the agent sees it. It is not in every kernel;
 * where it is not, the owner of files and their modes are what is left.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

/* Debian 12's headers end with the second version. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER	(1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE	(1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV	(1ULL << 15)
#endif

#define READ	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define CHANGE	(READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define KEEP	(CHANGE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)

static const struct {
	const char *path;
	uint64_t access;
} allowed[] = {
	/*
	 * Names are resolved by what /etc says at that moment, with modules of
	 * libc. Directories, because their files are replaced, not rewritten.
	 */
	{ "/etc", READ },
	{ "/usr", READ },
	{ "/lib", READ },
	{ "/lib64", READ },
	{ "/run/NetworkManager", READ },	/* where /etc/resolv.conf may lead */
	{ "/run/resolvconf", READ },
	{ "/run/systemd/resolve", READ },
	{ "/proc/sys/net", CHANGE },		/* a gateway switches forwarding on */
#ifdef __SANITIZE_ADDRESS__
	{ "/proc", READ },			/* the leak check reads it at the end */
#endif
};

/* All kinds of access that this version knows: what is not named is allowed. */
static uint64_t known_to(int version)
{
	uint64_t all = LANDLOCK_ACCESS_FS_REFER - 1;	/* the first version's */

	if (version >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		all |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (version >= 5)
		all |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	return all;
}

/* What is not there needs no rule: then it is not to be used either. */
static int allow(int rules, uint64_t known, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access & known };
	int ret = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		ret = -errno;
	/* procfs forgets a directory that nobody holds, and with it the rule */
	if (strncmp(path, "/proc/", 6))
		close(rule.parent_fd);
	return ret;
}

static int allow_parent(int rules, uint64_t known, const char *path, uint64_t access)
{
	char *copy = strdup(path);
	int ret;

	if (!copy)
		return -ENOMEM;
	ret = allow(rules, known, dirname(copy), access);
	free(copy);
	return ret;
}

/**
 * sandbox_files() - from here, no files but those that are needed
 * @state: the state directory, in which files are written
 * @control: the control socket, removed on exit
 *
 * Return: 0, also where the kernel cannot do it, or a negative errno.
 */
int sandbox_files(const char *state, const char *control)
{
	int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	uint64_t handled;
	int rules, ret;

	if (version < 1) {
		log_info("this kernel has no Landlock (%s): files are guarded by their modes alone", strerror(errno));
		return 0;
	}
	handled = known_to(version);
	rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
	if (rules < 0)
		return -errno;
	ret = allow(rules, handled, state, KEEP);
	if (!ret)
		ret = allow_parent(rules, handled, control, LANDLOCK_ACCESS_FS_REMOVE_FILE);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed) && !ret; i++)
		ret = allow(rules, handled, allowed[i].path, allowed[i].access);
	if (!ret && syscall(SYS_landlock_restrict_self, rules, 0))
		ret = -errno;
	close(rules);
	return ret;
}
