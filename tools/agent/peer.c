// SPDX-License-Identifier: GPL-2.0-only
/* One peer of the desired state, brought to the kernel. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel.h"
#include "key.h"
#include "log.h"

static bool same_addr(const struct fz_addr *a, const struct fz_addr *b)
{
	size_t len = a->family == AF_INET ? 4 : 16;

	return a->family == b->family && !memcmp(a->bytes, b->bytes, len);
}

static bool same_endpoint(const union fz_endpoint *a, const union fz_endpoint *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port &&
	       !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr));
}

static bool same_allowedips(const struct want_peer *want, const struct fz_peer *now)
{
	if (want->n_allowedips != now->n_allowedips)
		return false;
	for (size_t i = 0; i < want->n_allowedips; i++) {
		const struct fz_prefix *p = &want->allowedips[i];
		bool found = false;

		for (size_t j = 0; j < now->n_allowedips && !found; j++)
			found = p->len == now->allowedips[j].prefix.len &&
				same_addr(&p->addr, &now->allowedips[j].prefix.addr);
		if (!found)
			return false;
	}
	return true;
}

static bool same_candidates(const struct fz_candidate *list, size_t n, const struct fz_candidate *now,
			    size_t n_now)
{
	if (n != n_now)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool found = false;

		for (size_t j = 0; j < n_now && !found; j++)
			found = list[i].priority == now[j].priority &&
				same_endpoint(&list[i].endpoint, &now[j].endpoint);
		if (!found)
			return false;
	}
	return true;
}

static int add_candidates(struct fz_peer *peer, const struct fz_candidate *list, size_t n)
{
	peer->flags |= FZ_PEER_F_REPLACE_CANDIDATES;
	for (size_t i = 0; i < n; i++) {
		if (fz_peer_add_candidate(peer, &list[i]))
			return -ENOMEM;
	}
	return 0;
}

static int open_sealed(const struct kernel *k, uint8_t psk[FZ_KEY_LEN], const uint8_t *sealed, size_t len,
		       struct fz_error *err)
{
	if (len != KERNEL_SEALED_LEN ||
	    crypto_box_seal_open(psk, sealed, len, k->control_public, k->control_private))
		return fz_error_set(err, -EBADMSG, "a preshared key came that was not sealed for this device");
	return 0;
}

/* A new preshared key, for whoever holds the peer's control key now. */
static int make_key(struct want_peer *want, struct fz_error *err)
{
	int ret = fz_key_generate_preshared(want->preshared);

	if (ret)
		return fz_error_set(err, ret, "no random numbers for a preshared key");
	want->has_preshared = true;
	want->made = want->has_control_key;
	want->made_at = time(NULL);
	memcpy(want->made_for, want->control_key, sizeof(want->made_for));
	return 0;
}

/*
 * What the gateway sealed for this client. One that does not open is as good as
 * none, and no reason to do without the peer's other properties; another one is
 * asked for once, so that a gateway which answers with nonsense is left alone.
 */
static void take_key(struct kernel *k, struct want_peer *want, const struct fz_peer *now, struct fz_peer *set)
{
	bool held = now && !fz_key_is_zero(now->preshared_key);
	struct fz_error err = { 0 };
	bool ask = now && !held;

	if (want->sealed_len) {
		if (!open_sealed(k, set->preshared_key, want->sealed_psk, want->sealed_len, &err)) {
			set->has |= FZ_HAS_PRESHARED_KEY;
			want->asked = false;
			return;
		}
		if (want->asked)
			return;
		log_warning("peer %s: %s", want->name, err.text);
		want->asked = ask = true;
	}
	if (ask && k->key_missing)
		k->key_missing(k->arg, want);
}

/* The key may have been lost with a broker or a connection: nothing shows yet that the other end has it. */
static bool unheard(const struct want_peer *want, const struct fz_peer *now)
{
	return want->made && now && now->last_handshake.sec < want->made_at;
}

/*
 * The pair's preshared key. The gateway makes it and keeps it over restarts by
 * reading it from the kernel; the client has what the gateway sealed for it.
 */
static int choose_key(struct kernel *k, struct want_peer *want, const struct fz_peer *now,
		      struct fz_peer *set, struct fz_error *err)
{
	bool held = now && !fz_key_is_zero(now->preshared_key);
	int ret;

	if (!want->psk)
		return 0;
	if (!k->gateway) {
		take_key(k, want, now, set);
		return 0;
	}
	if (!want->has_preshared && held) {
		memcpy(want->preshared, now->preshared_key, FZ_KEY_LEN);
		want->has_preshared = true;
		return 0;
	}
	if (!want->has_preshared) {
		ret = make_key(want, err);
		if (ret)
			return ret;
		if (k->key_made)
			k->key_made(k->arg, want);
	} else if (unheard(want, now) && k->key_made) {
		k->key_made(k->arg, want);
	}
	memcpy(set->preshared_key, want->preshared, FZ_KEY_LEN);
	set->has |= FZ_HAS_PRESHARED_KEY;
	return 0;
}

/* A device with one peer, to be filled in. */
static struct fz_device *one_peer(const struct kernel *k, const uint8_t key[FZ_KEY_LEN], struct fz_peer **peer)
{
	struct fz_device *dev = fz_device_new(k->dev);

	*peer = dev ? fz_device_add_peer(dev) : NULL;
	if (!*peer) {
		fz_device_free(dev);
		return NULL;
	}
	memcpy((*peer)->public_key, key, FZ_KEY_LEN);
	(*peer)->has |= FZ_HAS_PUBLIC_KEY;
	return dev;
}

static int fill_peer(struct kernel *k, struct want_peer *want, const struct fz_peer *now,
		     struct fz_peer *set, bool *differs, struct fz_error *err)
{
	int ret = choose_key(k, want, now, set, err);

	if (ret)
		return ret;
	*differs = !now || (set->has & FZ_HAS_PRESHARED_KEY) || now->keepalive != want->keepalive;
	set->keepalive = want->keepalive;
	set->has |= FZ_HAS_KEEPALIVE;
	/* replacing takes the old ones away first: only where it is needed */
	if (!now || !same_allowedips(want, now)) {
		*differs = true;
		set->flags |= FZ_PEER_F_REPLACE_ALLOWEDIPS;
		for (size_t i = 0; i < want->n_allowedips && !ret; i++)
			ret = fz_peer_add_allowedip(set, &want->allowedips[i], 0);
	}
	/* what the kernel knows is better than nothing: the broker may not have heard of the peer yet */
	if (!ret && now && !want->n_candidates)
		ret = want_peer_candidates(want, now->candidates, now->n_candidates);
	if (!ret && want->n_candidates &&
	    (!now || !same_candidates(want->candidates, want->n_candidates, now->candidates, now->n_candidates))) {
		*differs = true;
		ret = add_candidates(set, want->candidates, want->n_candidates);
	}
	return ret ? fz_error_set(err, ret, "out of memory") : 0;
}

/**
 * kernel_peer_set() - bring one peer to the kernel
 * @k: the device
 * @want: the peer; a gateway's gets its preshared key here
 * @now: what the kernel has of it, NULL when that is not known
 * @connect: start a handshake at once
 * @err: why not
 *
 * Return: 0 or a negative errno.
 */
int kernel_peer_set(struct kernel *k, struct want_peer *want, const struct fz_peer *now, bool connect,
		    struct fz_error *err)
{
	struct fz_peer *peer;
	struct fz_device *dev = one_peer(k, want->key, &peer);
	bool differs = false;
	int ret;

	if (!dev)
		return fz_error_memory(err);
	ret = fill_peer(k, want, now, peer, &differs, err);
	if (connect) {
		peer->flags |= FZ_PEER_F_CONNECT;
		differs = true;
	}
	if (!ret && differs)
		ret = fz_nl_device_set(k->nl, dev, err);
	fz_device_free(dev);
	return ret;
}

/**
 * kernel_peer_remove() - take a peer away, with its grants and flows
 * @k: the device
 * @key: its public key; one that is not there is fine
 * @err: why not
 *
 * Return: 0 or a negative errno.
 */
int kernel_peer_remove(struct kernel *k, const uint8_t key[FZ_KEY_LEN], struct fz_error *err)
{
	struct fz_peer *peer;
	struct fz_device *dev = one_peer(k, key, &peer);
	int ret;

	if (!dev)
		return fz_error_memory(err);
	peer->flags |= FZ_PEER_F_REMOVE_ME | FZ_PEER_F_UPDATE_ONLY;
	ret = fz_nl_device_set(k->nl, dev, err);
	fz_device_free(dev);
	return ret;
}

/**
 * kernel_peer_candidates() - new candidates of a peer
 * @k: the device
 * @want: the peer; those that it has already change nothing
 * @list: all candidates
 * @n: how many
 * @connect: start a handshake at once, by way of the new ones
 * @err: why not
 *
 * Return: 0 or a negative errno.
 */
int kernel_peer_candidates(struct kernel *k, struct want_peer *want, const struct fz_candidate *list,
			   size_t n, bool connect, struct fz_error *err)
{
	struct fz_peer *peer;
	struct fz_device *dev;
	int ret;

	if (same_candidates(list, n, want->candidates, want->n_candidates))
		return 0;
	dev = one_peer(k, want->key, &peer);
	if (!dev || want_peer_candidates(want, list, n)) {
		fz_device_free(dev);
		return fz_error_memory(err);
	}
	peer->flags |= FZ_PEER_F_UPDATE_ONLY | (connect ? FZ_PEER_F_CONNECT : 0);
	ret = add_candidates(peer, list, n) ? fz_error_memory(err)
					    : fz_nl_device_set(k->nl, dev, err);
	fz_device_free(dev);
	return ret;
}

/* Brings the preshared key that @want has to the kernel. */
static int set_key(struct kernel *k, const struct want_peer *want, struct fz_error *err)
{
	struct fz_peer *peer;
	struct fz_device *dev = one_peer(k, want->key, &peer);
	int ret;

	if (!dev)
		return fz_error_memory(err);
	memcpy(peer->preshared_key, want->preshared, FZ_KEY_LEN);
	peer->has |= FZ_HAS_PRESHARED_KEY;
	peer->flags |= FZ_PEER_F_UPDATE_ONLY;
	ret = fz_nl_device_set(k->nl, dev, err);
	fz_device_free(dev);
	return ret;
}

/**
 * kernel_peer_seal() - the preshared key of a pair, sealed for its other end
 * @k: the device, a gateway's
 * @want: the peer
 * @sealed: out
 * @err: why not
 *
 * A key is sealed to nobody but whom it was made for. It is the broker that
 * says who is at the other end: for another one than before, or than this
 * process remembers, there is another key, and the one that the pair had is
 * told to nobody.
 *
 * Return: 0 or a negative errno.
 */
int kernel_peer_seal(struct kernel *k, struct want_peer *want, uint8_t sealed[KERNEL_SEALED_LEN],
		     struct fz_error *err)
{
	int ret = 0;

	if (!want->psk || !want->has_control_key)
		return fz_error_set(err, -ENOKEY, "there is no preshared key for this peer, or nobody to seal it to");
	if (!want->has_preshared || !want->made ||
	    memcmp(want->made_for, want->control_key, sizeof(want->made_for))) {
		ret = make_key(want, err);
		if (!ret)
			ret = set_key(k, want, err);
	}
	if (!ret && crypto_box_seal(sealed, want->preshared, FZ_KEY_LEN, want->made_for))
		ret = fz_error_set(err, -EINVAL, "the preshared key could not be sealed");
	return ret;
}

/**
 * kernel_peer_key() - a preshared key that the other end sealed for us
 * @k: the device
 * @want: the peer; a key that opens is the one that it shall have from now on
 * @key: the message, with a crypto_box_seal to our control key
 * @err: why not
 *
 * Return: 0 or a negative errno.
 */
int kernel_peer_key(struct kernel *k, struct want_peer *want, const fz_PeerKey *key, struct fz_error *err)
{
	struct fz_peer *peer;
	struct fz_device *dev = one_peer(k, want->key, &peer);
	int ret;

	if (!dev)
		return fz_error_memory(err);
	ret = open_sealed(k, peer->preshared_key, key->sealed_psk.bytes, key->sealed_psk.size, err);
	peer->has |= FZ_HAS_PRESHARED_KEY;
	peer->flags |= FZ_PEER_F_UPDATE_ONLY;
	if (!ret) {
		want_peer_seal(want, key->sealed_psk.bytes, key->sealed_psk.size);
		want->asked = false;
		ret = fz_nl_device_set(k->nl, dev, err);
	}
	fz_device_free(dev);
	return ret;
}
