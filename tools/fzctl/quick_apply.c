// SPDX-License-Identifier: GPL-2.0-only
/* What a file says of flows, put in force on its device. */
#include "quick_up.h"

#include <stdio.h>
#include <string.h>

static int set_modes(struct quick_up *up, const struct fz_mode_state modes[FZ_DIRECTIONS])
{
	struct fz_device *change;
	struct fz_error err;
	int ret = 0;

	if (!modes[FZ_DIR_IN].present && !modes[FZ_DIR_OUT].present)
		return 0;
	change = fz_device_new(up->quick->name);
	if (!change)
		return usage_error("out of memory");
	memcpy(change->mode, modes, sizeof(change->mode));
	if (fz_nl_device_set(up->nl, change, &err))
		ret = refused(&err);
	fz_device_free(change);
	return ret;
}

/*
 * A file of wg-quick's knows nothing of grants, and its traffic passes: the
 * device is open, unless it would not refuse anything anyway.
 */
static int open_device(struct quick_up *up)
{
	static const struct fz_mode_state open_mode = { .present = true, .mode = FZ_MODE_OPEN };
	const struct fz_mode_state modes[FZ_DIRECTIONS] = { open_mode, open_mode };
	struct fz_device *is;
	struct fz_error err;
	bool enforces;
	int ret;

	if (fz_nl_device_get(up->nl, up->quick->name, &is, &err))
		return refused(&err);
	enforces = is->mode[FZ_DIR_IN].mode == FZ_MODE_ENFORCE || is->mode[FZ_DIR_OUT].mode == FZ_MODE_ENFORCE;
	fz_device_free(is);
	if (!enforces)
		return EXIT_DONE;
	ret = set_modes(up, modes);
	up->was_opened = !ret;
	return ret;
}

/* The grants whose time has come already are not made. */
static void drop_what_is_over(const struct quick *quick, struct quick_policy *policy)
{
	size_t kept = 0;

	for (size_t i = 0; i < policy->n_grants; i++) {
		if (policy->grants[i].has_lease && !policy->grants[i].lease_ms) {
			fprintf(stderr, "fzctl: %s, line %lu: this [Grant] is over and is not made\n", quick->path,
				policy->grant_lines[i]);
			continue;
		}
		policy->grants[kept] = policy->grants[i];
		policy->grant_lines[kept++] = policy->grant_lines[i];
	}
	policy->n_grants = kept;
}

/* One of a list was refused: where the file says it. */
static int refused_at(const struct quick *quick, const unsigned long *lines, struct fz_error *err)
{
	if (err->object != FZ_NO_OBJECT)
		fz_error_prefix(err, "%s, line %lu: ", quick->path, lines[err->object]);
	return refused(err);
}

static int add_objects(struct quick_up *up, const struct quick_policy *policy)
{
	const struct quick *quick = up->quick;
	struct fz_error err;

	if (fz_nl_resource_add(up->nl, quick->name, policy->resources, policy->n_resources, &err))
		return refused_at(quick, policy->resource_lines, &err);
	if (fz_nl_grant_add(up->nl, quick->name, policy->grants, policy->n_grants, &err))
		return refused_at(quick, policy->grant_lines, &err);
	return EXIT_DONE;
}

/**
 * quick_apply - what a new device is told of flows
 * @up: the device, with its peers
 * @policy: what the file says; what is over is dropped from it
 *
 * Return: an exit status
 */
int quick_apply(struct quick_up *up, struct quick_policy *policy)
{
	int ret;

	if (!quick_says_policy(up->quick))
		return open_device(up);
	drop_what_is_over(up->quick, policy);
	ret = set_modes(up, policy->mode);
	return ret ? ret : add_objects(up, policy);
}

/* The resources and grants of the file, and no others, from one moment on. */
static int replace_objects(struct quick_up *up, const struct quick_policy *policy)
{
	const char *name = up->quick->name;
	struct fz_error err;
	int ret;

	if (fz_nl_epoch_begin(up->nl, name, &err))
		return refused(&err);
	ret = add_objects(up, policy);
	if (ret)
		fz_nl_epoch_abort(up->nl, name, NULL);
	else if (fz_nl_epoch_commit(up->nl, name, &err))
		ret = refused(&err);
	return ret;
}

/**
 * quick_apply_again - what a device is told of flows whose file has changed
 * @up: the device, with its peers
 * @policy: as quick_apply() has it
 *
 * What the file is silent about stays: a device may get its mode from a file, and
 * its grants from elsewhere.
 *
 * Return: an exit status
 */
int quick_apply_again(struct quick_up *up, struct quick_policy *policy)
{
	int ret = 0;

	drop_what_is_over(up->quick, policy);
	if (up->quick->policy.n)
		ret = replace_objects(up, policy);
	return ret ? ret : set_modes(up, policy->mode);
}
