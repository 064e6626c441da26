// SPDX-License-Identifier: GPL-2.0-only
/* Whole states and differences, brought to the kernel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* The worse of two results. @err is about it: of two of a kind about the first. */
static int worse(int ret, int now, struct fz_error *err, const struct fz_error *why)
{
	if (!now || ret < 0 || (ret && now > 0))
		return ret;
	if (err)
		*err = *why;
	return now;
}

static int left_out(int ret)
{
	return ret ? KERNEL_LEFT_OUT : 0;
}

/* Modes that differ are set; what the state says nothing of is left alone. */
static int apply_modes(struct kernel *k, const struct desired *d, const struct fz_device *now,
		       struct fz_error *err)
{
	struct want_mode *want;
	struct fz_device *dev = fz_device_new(k->dev);
	int ret = 0;

	if (!dev)
		return fz_error_memory(err);
	for (want = d->modes; want && !ret; want = want->hh.next) {
		struct fz_mode_state *mode = &dev->mode[want->key.direction];
		const struct fz_mode_state *old = now ? &now->mode[want->key.direction] : NULL;

		if (!want->key.device) {
			struct fz_peer *peer = fz_device_find_peer(dev, want->key.peer);

			if (!peer)
				peer = fz_device_add_peer(dev);
			if (!peer) {
				ret = fz_error_memory(err);
				break;
			}
			memcpy(peer->public_key, want->key.peer, FZ_KEY_LEN);
			peer->has |= FZ_HAS_PUBLIC_KEY;
			peer->flags |= FZ_PEER_F_UPDATE_ONLY;
			mode = &peer->mode[want->key.direction];
			old = NULL;
		}
		if (!old || old->mode != want->state.mode || old->flags != want->state.flags)
			*mode = want->state;
	}
	if (!ret && (dev->n_peers || dev->mode[FZ_DIR_IN].present || dev->mode[FZ_DIR_OUT].present))
		ret = fz_nl_device_set(k->nl, dev, err);
	fz_device_free(dev);
	return ret;
}

/* A grant as the kernel takes it, with what is left of its lease; false when it is over. */
static bool grant_now(struct fz_grant *out, const struct want_grant *want)
{
	*out = want->spec;
	if (want->spec.has_lease) {
		out->lease_ms = desired_lease_left(want);
		if (!out->lease_ms)
			return false;
	}
	return true;
}

/* Whether a grant names a peer that the kernel did not take: it would not take the grant either. */
static bool peer_failed(const struct desired *d, const struct want_grant *grant)
{
	const struct want_peer *peer = grant->key.any ? NULL : desired_peer(d, grant->key.peer);

	return peer && peer->failed;
}

/* All resources and grants, in force from the commit on. */
static int apply_policy(struct kernel *k, const struct desired *d, struct fz_error *err)
{
	struct want_resource *res;
	struct want_grant *grant;
	struct fz_resource *specs;
	struct fz_grant *grants;
	size_t n = 0, m = 0;
	int ret;

	specs = calloc(HASH_COUNT(d->resources) + 1, sizeof(*specs));
	grants = calloc(HASH_COUNT(d->grants) + 1, sizeof(*grants));
	if (!specs || !grants) {
		ret = fz_error_memory(err);
		goto out;
	}
	for (res = d->resources; res; res = res->hh.next)
		specs[n++] = res->spec;		/* shares the arrays: not freed here */
	for (grant = d->grants; grant; grant = grant->hh.next) {
		if (!peer_failed(d, grant))
			m += grant_now(&grants[m], grant);
	}
	ret = fz_nl_epoch_begin(k->nl, k->dev, err);
	if (ret)
		goto out;
	ret = n ? fz_nl_resource_add(k->nl, k->dev, specs, n, err) : 0;
	if (!ret && m)
		ret = fz_nl_grant_add(k->nl, k->dev, grants, m, err);
	if (!ret)
		ret = fz_nl_epoch_commit(k->nl, k->dev, err);
	if (ret)
		fz_nl_epoch_abort(k->nl, k->dev, NULL);
out:
	free(specs);
	free(grants);
	return ret;
}

/* One that the kernel does not take is left out: it must not keep the others from theirs. */
static int apply_peer(struct kernel *k, struct want_peer *peer, const struct fz_peer *now, bool connect,
		      struct fz_error *err)
{
	int ret = kernel_peer_set(k, peer, now, connect, err);

	peer->failed = ret != 0;
	if (ret)
		fz_error_prefix(err, "the peer %s is left out: ", peer->name);
	return left_out(ret);
}

static int apply_peers(struct kernel *k, struct desired *d, const struct fz_device *now, struct fz_error *err)
{
	struct want_peer *peer;
	struct fz_error why = { 0 };
	int ret = 0;

	for (peer = d->peers; peer; peer = peer->hh.next)
		ret = worse(ret, apply_peer(k, peer, fz_device_find_peer(now, peer->key), false, &why), err, &why);
	return ret;
}

/**
 * kernel_apply_all() - make the kernel have this state and nothing else
 * @k: the device
 * @d: the state
 * @err: why not, or what is left out
 *
 * Peers come before the policy that names them, and those not wanted go last;
 * the policy changes in one epoch. What is as it shall be is not touched. Every
 * part is tried, whatever becomes of the others: a host that cannot have one
 * route still has all else, and above all what policy takes away is taken away.
 *
 * Return: 0; KERNEL_LEFT_OUT when all that policy says is in force, but a peer,
 * an address or a route could not be had; or a negative errno.
 */
int kernel_apply_all(struct kernel *k, struct desired *d, struct fz_error *err)
{
	struct fz_device *now = NULL;
	struct fz_error why = { 0 };
	int ret;

	ret = fz_nl_device_get(k->nl, k->dev, &now, err);
	if (ret)
		return ret;
	ret = apply_peers(k, d, now, err);
	ret = worse(ret, apply_policy(k, d, &why), err, &why);
	ret = worse(ret, kernel_network_apply(k, d, &why), err, &why);
	ret = worse(ret, apply_modes(k, d, now, &why), err, &why);
	ret = worse(ret, left_out(kernel_ask_apply(k, d, now, &why)), err, &why);
	for (size_t i = 0; i < now->n_peers; i++) {
		if (!desired_peer(d, now->peers[i].public_key))
			ret = worse(ret, kernel_peer_remove(k, now->peers[i].public_key, &why), err, &why);
	}
	fz_device_free(now);
	return ret;
}

/* Which kinds of thing a difference touches. */
struct touched {
	bool network, ask, modes;
};

static int remove_grants(struct kernel *k, const fz_Item *items, size_t n, struct fz_error *err)
{
	struct fz_grant spec;
	struct grant_key key;
	int ret;

	for (size_t i = 0; i < n; i++) {
		if (!items[i].remove || items[i].which_body != fz_Item_grant_tag)
			continue;
		grant_key_of(&key, &items[i].body.grant);
		memset(&spec, 0, sizeof(spec));
		spec.any = key.any;
		memcpy(spec.peer, key.peer, FZ_KEY_LEN);
		strcpy(spec.resource, key.resource);
		spec.direction = key.direction;
		ret = fz_nl_grant_del(k->nl, k->dev, &spec, 1, err);
		if (ret && ret != -ENOENT)	/* its lease may have ended by itself */
			return ret;
	}
	return 0;
}

static int set_object(struct kernel *k, struct desired *d, const fz_Item *item, bool connect,
		      struct fz_error *err)
{
	struct want_resource *res;
	struct want_peer *peer;

	if (item->remove)
		return 0;
	if (item->which_body == fz_Item_resource_tag) {
		HASH_FIND_STR(d->resources, item->body.resource.name, res);
		return res ? fz_nl_resource_add(k->nl, k->dev, &res->spec, 1, err) : 0;
	}
	if (item->which_body == fz_Item_peer_tag) {
		peer = desired_peer(d, item->body.peer.public_key.bytes);
		return peer ? apply_peer(k, peer, NULL, connect, err) : 0;
	}
	return 0;
}

static int set_objects(struct kernel *k, struct desired *d, const fz_Item *items, size_t n, bool connect,
		       struct fz_error *err)
{
	struct fz_error why = { 0 };
	int ret = 0;

	for (size_t i = 0; i < n; i++)
		ret = worse(ret, set_object(k, d, &items[i], connect, &why), err, &why);
	return ret;
}

static int set_grants(struct kernel *k, struct desired *d, const fz_Item *items, size_t n,
		      struct fz_error *err)
{
	struct want_grant *want;
	struct fz_grant *specs = calloc(n ? n : 1, sizeof(*specs));
	struct grant_key key;
	size_t m = 0;
	int ret = 0;

	if (!specs)
		return fz_error_memory(err);
	for (size_t i = 0; i < n; i++) {
		if (items[i].remove || items[i].which_body != fz_Item_grant_tag)
			continue;
		grant_key_of(&key, &items[i].body.grant);
		want = desired_grant(d, &key);
		if (want && !peer_failed(d, want))
			m += grant_now(&specs[m], want);
	}
	if (m)
		ret = fz_nl_grant_add(k->nl, k->dev, specs, m, err);
	free(specs);
	return ret;
}

static int remove_objects(struct kernel *k, const fz_Item *items, size_t n, struct fz_error *err)
{
	int ret = 0;

	for (size_t i = 0; i < n && !ret; i++) {
		if (!items[i].remove)
			continue;
		if (items[i].which_body == fz_Item_peer_tag) {
			ret = kernel_peer_remove(k, items[i].body.peer.public_key.bytes, err);
		} else if (items[i].which_body == fz_Item_resource_tag) {
			struct fz_resource spec = { 0 };

			strcpy(spec.name, items[i].body.resource.name);
			ret = fz_nl_resource_del(k->nl, k->dev, &spec, 1, err);
			if (ret == -ENOENT)
				ret = 0;
		}
	}
	return ret;
}

static struct touched what_is_touched(const fz_Item *items, size_t n)
{
	struct touched t = { 0 };

	for (size_t i = 0; i < n; i++) {
		t.network |= items[i].which_body == fz_Item_address_tag ||
			     items[i].which_body == fz_Item_route_tag;
		t.ask |= items[i].which_body == fz_Item_ask_tag;
		t.modes |= items[i].which_body == fz_Item_mode_tag;
	}
	return t;
}

/**
 * kernel_apply_items() - bring a difference to the kernel
 * @k: the device
 * @d: the state, in which the difference is already
 * @items: the difference
 * @n: how many
 * @connect: start handshakes with the peers among them
 * @err: why not, or what is left out
 *
 * What is taken away goes first: in doubt less is admitted, not more. Every
 * part is tried, as in kernel_apply_all().
 *
 * Return: 0; KERNEL_LEFT_OUT as kernel_apply_all(); or a negative errno, and
 * then the kernel may have a part of it, so kernel_apply_all() is due.
 */
int kernel_apply_items(struct kernel *k, struct desired *d, const fz_Item *items, size_t n, bool connect,
		       struct fz_error *err)
{
	struct touched t = what_is_touched(items, n);
	struct fz_error why = { 0 };
	int ret;

	ret = remove_grants(k, items, n, err);
	if (t.network)
		ret = worse(ret, kernel_network_apply(k, d, &why), err, &why);
	ret = worse(ret, set_objects(k, d, items, n, connect, &why), err, &why);
	ret = worse(ret, set_grants(k, d, items, n, &why), err, &why);
	ret = worse(ret, remove_objects(k, items, n, &why), err, &why);
	if (t.modes)
		ret = worse(ret, apply_modes(k, d, NULL, &why), err, &why);
	if (t.ask)
		ret = worse(ret, left_out(kernel_ask_apply(k, d, NULL, &why)), err, &why);
	return ret;
}
