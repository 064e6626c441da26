// SPDX-License-Identifier: GPL-2.0-only
#include "kernel.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "format.h"
#include "key.h"
#include "log.h"

/* Makes the device, or takes the one of that name if it is fz's. */
static int adopt_link(struct kernel *k, struct fz_error *err)
{
	struct fz_link link;
	int ret;

	ret = fz_rtnl_link_get(k->rt, k->dev, &link, NULL);
	if (ret == -ENODEV) {
		ret = fz_rtnl_link_add(k->rt, k->dev, "fz", err);
		if (ret == -EOPNOTSUPP)
			return fz_error_set(err, ret, "the fz module is not loaded (modprobe fz)");
		if (ret)
			return ret;
		k->made = true;
		log_info("device %s made", k->dev);
		ret = fz_rtnl_link_get(k->rt, k->dev, &link, err);
	}
	if (ret)
		return fz_rtnl_link_get(k->rt, k->dev, &link, err);
	if (strcmp(link.kind, "fz"))
		return fz_error_set(err, -EOPNOTSUPP, "the device %s is of kind %s, not fz; choose another name with --dev",
				    k->dev, *link.kind ? link.kind : "(none)");
	k->ifindex = link.ifindex;
	return 0;
}

/* A tunnel key if there is none, the wanted port; of a new device the modes, whatever the module's default is. */
static int complete_device(struct kernel *k, uint16_t port, struct fz_error *err)
{
	struct fz_device *now = NULL, *set;
	int ret;

	ret = fz_nl_device_get(k->nl, k->dev, &now, err);
	if (ret)
		return ret;
	set = fz_device_new(k->dev);
	if (!set) {
		ret = fz_error_memory(err);
		goto out;
	}
	if (!(now->has & FZ_HAS_PRIVATE_KEY) || fz_key_is_zero(now->private_key)) {
		ret = fz_key_generate_private(set->private_key);
		set->has |= FZ_HAS_PRIVATE_KEY;
	}
	if (port && now->listen_port != port) {
		set->listen_port = port;
		set->has |= FZ_HAS_LISTEN_PORT;
	}
	for (int dir = FZ_DIR_IN; k->made && dir <= FZ_DIR_OUT; dir++)
		set->mode[dir] = (struct fz_mode_state){ .present = true, .mode = FZ_MODE_ENFORCE };
	if (!ret && (set->has || k->made))
		ret = fz_nl_device_set(k->nl, set, err);
out:
	fz_device_free(set);
	fz_device_free(now);
	return ret;
}

static int read_device(struct kernel *k, struct fz_error *err)
{
	struct fz_device *now = NULL;
	int ret = fz_nl_device_get(k->nl, k->dev, &now, err);

	if (ret)
		return ret;
	memcpy(k->public_key, now->public_key, sizeof(k->public_key));
	k->listen_port = now->listen_port;
	fz_device_free(now);
	return 0;
}

/* Of what the kernel takes for a name, that which needs no quotes anywhere. */
static bool valid_name(const char *dev)
{
	size_t len = strspn(dev, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return len && !dev[len] && len < IFNAMSIZ && dev[0] != '.' && dev[0] != '-';
}

/* One agent, one device: this role is given once, and taken back when its owner ends, however it ends. */
static int claim(struct kernel *k, uint32_t roles, struct fz_error *err)
{
	int ret = fz_nl_register(k->nl, k->dev, roles, err);

	return ret == -EBUSY ? fz_error_set(err, ret, "another agent drives the device %s", k->dev) : ret;
}

/**
 * kernel_open() - make or adopt the device, give it a key, a port, and bring it up
 * @k: zeroed, with the fields that are the caller's; to be given to kernel_close(), also after a failure
 * @dev: its name
 * @port: UDP port, 0 to keep or choose one
 * @err: why not; above all that another agent drives this device, which is left as it is then
 *
 * Return: 0 or a negative errno.
 */
int kernel_open(struct kernel *k, const char *dev, uint16_t port, struct fz_error *err)
{
	int ret;

	if (!valid_name(dev))
		return fz_error_set(err, -EINVAL, "'%s' is not the name of a device", dev);
	strcpy(k->dev, dev);
	ret = fz_rtnl_open(&k->rt, err);
	if (!ret)
		ret = adopt_link(k, err);
	if (!ret)
		ret = fz_nl_open(&k->nl, err);
	if (!ret)
		ret = claim(k, FZ_ROLE_SIDEBAND, err);
	if (!ret && !k->made)
		log_info("device %s is there already and adopted", k->dev);
	if (!ret)
		ret = complete_device(k, port, err);
	if (!ret)
		ret = fz_rtnl_link_up(k->rt, k->dev, err);
	if (!ret)
		ret = read_device(k, err);
	return ret;
}

/**
 * kernel_listen() - ask for what the kernel has to tell
 * @k: the device
 * @gateway: requests go to clients only: a gateway's peers get no answer by asking
 * @fn: called from fz_nl_dispatch()
 * @arg: for @fn
 * @err: why not
 *
 * Return: 0 or a negative errno.
 */
int kernel_listen(struct kernel *k, bool gateway, fz_event_fn fn, void *arg, struct fz_error *err)
{
	uint32_t roles = FZ_ROLE_SIDEBAND | (gateway ? 0 : FZ_ROLE_REQUESTS);
	int ret;

	k->gateway = gateway;
	fz_nl_on_event(k->nl, fn, arg);
	ret = claim(k, roles, err);
	if (!ret)
		ret = fz_nl_join(k->nl, FZ_GROUP_DENIALS | FZ_GROUP_FLOWS, err);
	return ret;
}

/**
 * kernel_present() - whether the device is still the one that was opened
 * @k: the device
 * @err: what happened to it
 *
 * Return: 0 or a negative errno.
 */
int kernel_present(struct kernel *k, struct fz_error *err)
{
	struct fz_link link;
	int ret = fz_rtnl_link_get(k->rt, k->dev, &link, err);

	if (ret == -ENODEV)
		return fz_error_set(err, ret, "somebody deleted the device %s, and its tunnels with it: the agent ends, "
				    "and makes it again when it is started again", k->dev);
	if (!ret && link.ifindex != k->ifindex)
		ret = fz_error_set(err, -ENODEV, "somebody replaced the device %s by another one: the agent ends, and "
				   "works with that when it is started again", k->dev);
	return ret;
}

/* The modes of the device itself; those of peers are told apart by nobody here. */
static void compare_modes(const struct fz_device *now, const struct desired *d, struct fz_error *err)
{
	for (struct want_mode *want = d->modes; want; want = want->hh.next) {
		const struct fz_mode_state *mode = &now->mode[want->key.direction];

		if (!want->key.device || (mode->mode == want->state.mode && mode->flags == want->state.flags))
			continue;
		if (mode->mode == want->state.mode)
			fz_error_set(err, -ESTALE, "what it does with refused packets (%s) was changed",
				     fz_direction_name(want->key.direction));
		else
			fz_error_set(err, -ESTALE, "its mode (%s) is %s instead of %s",
				     fz_direction_name(want->key.direction), fz_mode_name(mode->mode),
				     fz_mode_name(want->state.mode));
		return;
	}
}

/**
 * kernel_compare() - whether somebody changed the device's key or modes behind the agent's back
 * @k: the device
 * @d: what the broker wants
 * @err: out: what is not so, in words
 *
 * Return: 0, -ESTALE when it was changed, or another negative errno.
 */
int kernel_compare(struct kernel *k, const struct desired *d, struct fz_error *err)
{
	struct fz_device *now = NULL;
	int ret = fz_nl_device_get(k->nl, k->dev, &now, err);

	if (ret)
		return ret;
	err->code = 0;
	if (memcmp(now->public_key, k->public_key, sizeof(k->public_key)))
		fz_error_set(err, -ESTALE, "its private key is another one");
	else
		compare_modes(now, d, err);
	fz_device_free(now);
	return err->code;
}

/**
 * kernel_remove() - delete the device, and with it its addresses, routes, peers and grants
 * @k: the device
 * @err: why not
 *
 * Return: 0 or a negative errno.
 */
int kernel_remove(struct kernel *k, struct fz_error *err)
{
	return fz_rtnl_link_del(k->rt, k->dev, err);
}

/**
 * kernel_close() - close the sockets; the device stays as it is
 * @k: the device
 */
void kernel_close(struct kernel *k)
{
	if (k->nl)
		fz_nl_close(k->nl);
	if (k->rt)
		fz_rtnl_close(k->rt);
	k->nl = NULL;
	k->rt = NULL;
}
