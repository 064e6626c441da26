// SPDX-License-Identifier: GPL-2.0-only
#include "desired.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "message.h"

/* As many as an item has, whatever a peer has at a time: they come and go by themselves. */
#define CANDIDATES_COUNTED (sizeof(((fz_Peer *)NULL)->candidate) / sizeof(fz_Candidate))

/**
 * desired_clock() - milliseconds since boot, suspend included: the clock of leases
 *
 * Return: the time.
 */
uint64_t desired_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int prefix_of(struct fz_prefix *out, const fz_Prefix *in)
{
	unsigned int bits = in->addr.size * 8;

	memset(out, 0, sizeof(*out));
	if ((in->addr.size != 4 && in->addr.size != 16) || in->len > bits)
		return -EINVAL;
	out->addr.family = in->addr.size == 4 ? AF_INET : AF_INET6;
	memcpy(out->addr.bytes, in->addr.bytes, in->addr.size);
	out->len = (uint8_t)in->len;
	return 0;
}

/**
 * desired_candidates() - candidates as the netlink client takes them
 * @out: a new array, the caller's
 * @n: how many
 * @list: as received
 * @count: how many of those
 *
 * Those of an unknown address family or without a port are left out.
 *
 * Return: 0 or -ENOMEM.
 */
int desired_candidates(struct fz_candidate **out, size_t *n, const fz_Candidate *list, size_t count)
{
	struct sockaddr_storage ss;

	*n = 0;
	*out = calloc(count ? count : 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct fz_candidate *c = &(*out)[*n];

		if (!list[i].has_endpoint || !list[i].endpoint.port ||
		    !fz_endpoint_to_sockaddr(&list[i].endpoint, &ss))
			continue;
		memcpy(&c->endpoint, &ss, sizeof(c->endpoint));
		c->priority = list[i].priority;
		(*n)++;
	}
	return 0;
}

/**
 * want_peer_candidates() - a peer's candidates, from elsewhere than a state
 * @peer: the peer
 * @list: copied
 * @n: how many
 *
 * Return: 0 or -ENOMEM; then the old ones stay.
 */
int want_peer_candidates(struct want_peer *peer, const struct fz_candidate *list, size_t n)
{
	struct fz_candidate *copy = calloc(n ? n : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, list, n * sizeof(*copy));
	free(peer->candidates);
	peer->candidates = copy;
	peer->n_candidates = n;
	return 0;
}

/**
 * want_peer_keep_key() - what was agreed with a peer about its preshared key stays
 * @peer: as the broker wants it now
 * @before: the same peer in the state before
 *
 * Whom a gateway made it for stays too, whatever control key the broker names now.
 */
void want_peer_keep_key(struct want_peer *peer, const struct want_peer *before)
{
	peer->has_preshared = before->has_preshared;
	memcpy(peer->preshared, before->preshared, sizeof(peer->preshared));
	peer->asked = before->asked;
	peer->made = before->made;
	peer->made_at = before->made_at;
	memcpy(peer->made_for, before->made_for, sizeof(peer->made_for));
}

/**
 * want_peer_seal() - a preshared key that came sealed becomes the one that the peer shall have
 * @peer: as the broker wants it
 * @sealed: as it came
 * @len: its length, no more than a message has room for
 */
void want_peer_seal(struct want_peer *peer, const uint8_t *sealed, size_t len)
{
	memcpy(peer->sealed_psk, sealed, len);
	peer->sealed_len = len;
}

/**
 * grant_key_of() - what makes a received grant the same as another
 * @key: out
 * @grant: as received
 */
void grant_key_of(struct grant_key *key, const fz_Grant *grant)
{
	memset(key, 0, sizeof(*key));
	key->any = grant->peer.size == 0;
	key->direction = grant->direction == fz_DIRECTION_OUT ? FZ_DIR_OUT : FZ_DIR_IN;
	if (!key->any)
		memcpy(key->peer, grant->peer.bytes, FZ_KEY_LEN);
	memcpy(key->resource, grant->resource, strnlen(grant->resource, FZ_NAME_MAX));
}

static void peer_free(struct want_peer *peer)
{
	sodium_memzero(peer->sealed_psk, sizeof(peer->sealed_psk));
	sodium_memzero(peer->preshared, sizeof(peer->preshared));
	free(peer->allowedips);
	free(peer->candidates);
	free(peer);
}

static void resource_free(struct want_resource *res)
{
	fz_resource_clear(&res->spec);
	free(res);
}

/* What each thing is counted for; not the table that finds it, which is a part of that. */
static size_t peer_bytes(const struct want_peer *peer)
{
	return sizeof(*peer) + peer->n_allowedips * sizeof(*peer->allowedips) +
	       CANDIDATES_COUNTED * sizeof(*peer->candidates);
}

static size_t resource_bytes(const struct want_resource *res)
{
	return sizeof(*res) + res->spec.n_prefixes * sizeof(*res->spec.prefixes) +
	       res->spec.n_services * sizeof(*res->spec.services);
}

static void del_peer(struct desired *d, struct want_peer *peer)
{
	d->bytes -= peer_bytes(peer);
	HASH_DEL(d->peers, peer);
	peer_free(peer);
}

static void del_resource(struct desired *d, struct want_resource *res)
{
	d->bytes -= resource_bytes(res);
	HASH_DEL(d->resources, res);
	resource_free(res);
}

static void del_grant(struct desired *d, struct want_grant *grant)
{
	d->bytes -= sizeof(*grant);
	HASH_DEL(d->grants, grant);
	free(grant);
}

static void del_prefix(struct desired *d, struct want_prefix *want)
{
	d->bytes -= sizeof(*want);
	HASH_DEL(d->prefixes, want);
	free(want);
}

static void del_mode(struct desired *d, struct want_mode *want)
{
	d->bytes -= sizeof(*want);
	HASH_DEL(d->modes, want);
	free(want);
}

static int put_peer(struct desired *d, const fz_Peer *in, bool remove)
{
	struct want_peer *old = desired_peer(d, in->public_key.bytes), *peer;

	if (remove) {
		if (old)
			del_peer(d, old);
		return 0;
	}
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	memcpy(peer->key, in->public_key.bytes, FZ_KEY_LEN);
	peer->has_control_key = in->control_key.size == sizeof(peer->control_key);
	if (peer->has_control_key)
		memcpy(peer->control_key, in->control_key.bytes, sizeof(peer->control_key));
	peer->psk = in->psk;
	want_peer_seal(peer, in->sealed_psk.bytes, in->sealed_psk.size);
	peer->keepalive = in->keepalive_s > UINT16_MAX ? UINT16_MAX : (uint16_t)in->keepalive_s;
	strncpy(peer->name, in->name, sizeof(peer->name) - 1);
	peer->allowedips = calloc(in->allowed_ip_count + 1u, sizeof(*peer->allowedips));
	if (!peer->allowedips ||
	    desired_candidates(&peer->candidates, &peer->n_candidates, in->candidate, in->candidate_count)) {
		peer_free(peer);
		return -ENOMEM;
	}
	for (size_t i = 0; i < in->allowed_ip_count; i++)
		prefix_of(&peer->allowedips[peer->n_allowedips++], &in->allowed_ip[i]);
	if (old) {
		want_peer_keep_key(peer, old);
		del_peer(d, old);
	}
	d->bytes += peer_bytes(peer);
	HASH_ADD(hh, d->peers, key, FZ_KEY_LEN, peer);
	return 0;
}

static int put_resource(struct desired *d, const fz_Resource *in, bool remove)
{
	struct want_resource *old, *res;
	struct fz_prefix prefix;
	struct fz_service service;

	HASH_FIND_STR(d->resources, in->name, old);
	if (remove) {
		if (old)
			del_resource(d, old);
		return 0;
	}
	res = calloc(1, sizeof(*res));
	if (!res)
		return -ENOMEM;
	strcpy(res->name, in->name);
	strcpy(res->spec.name, in->name);
	for (size_t i = 0; i < in->prefix_count; i++) {
		prefix_of(&prefix, &in->prefix[i]);
		if (fz_resource_add_prefix(&res->spec, &prefix))
			goto nomem;
	}
	for (size_t i = 0; i < in->service_count; i++) {
		const fz_Service *s = &in->service[i];

		memset(&service, 0, sizeof(service));
		service.protocol = (uint8_t)s->protocol;
		service.has_ports = s->has_port_min;
		service.port_min = (uint16_t)s->port_min;
		service.port_max = (uint16_t)(s->has_port_max ? s->port_max : s->port_min);
		if (fz_resource_add_service(&res->spec, &service))
			goto nomem;
	}
	if (old)
		del_resource(d, old);
	d->bytes += resource_bytes(res);
	HASH_ADD_STR(d->resources, name, res);
	return 0;
nomem:
	resource_free(res);
	return -ENOMEM;
}

static void grant_fill(struct want_grant *grant, const fz_Grant *in)
{
	struct fz_grant *spec = &grant->spec;

	memset(spec, 0, sizeof(*spec));
	spec->any = grant->key.any;
	memcpy(spec->peer, grant->key.peer, FZ_KEY_LEN);
	strcpy(spec->resource, grant->key.resource);
	spec->direction = grant->key.direction;
	spec->action = in->action == fz_ACTION_DENY ? FZ_ACTION_DENY : FZ_ACTION_ALLOW;
	spec->has_lease = in->has_lease_ms;
	spec->lease_ms = in->lease_ms;
	grant->ends = in->has_lease_ms ? desired_clock() + in->lease_ms : 0;
	spec->has_tag = in->tag.size == FZ_TAG_LEN;
	if (spec->has_tag)
		memcpy(spec->tag, in->tag.bytes, FZ_TAG_LEN);
	spec->quota = in->quota;
	spec->rate = in->rate;
	spec->flow_rate = in->flow_rate;
	strncpy(grant->policy, in->policy, sizeof(grant->policy) - 1);
}

static int put_grant(struct desired *d, const fz_Grant *in, bool remove)
{
	struct want_grant *grant;
	struct grant_key key;

	grant_key_of(&key, in);
	grant = desired_grant(d, &key);
	if (remove) {
		if (grant)
			del_grant(d, grant);
		return 0;
	}
	if (!grant) {
		grant = calloc(1, sizeof(*grant));
		if (!grant)
			return -ENOMEM;
		grant->key = key;
		d->bytes += sizeof(*grant);
		HASH_ADD(hh, d->grants, key, sizeof(grant->key), grant);
	}
	grant_fill(grant, in);
	return 0;
}

static int put_prefix(struct desired *d, enum prefix_kind kind, const fz_Prefix *in, bool remove)
{
	struct want_prefix *want;
	struct prefix_key key;

	memset(&key, 0, sizeof(key));
	key.kind = (uint8_t)kind;
	key.family = in->addr.size == 4 ? AF_INET : AF_INET6;
	key.len = (uint8_t)in->len;
	memcpy(key.addr, in->addr.bytes, in->addr.size);
	HASH_FIND(hh, d->prefixes, &key, sizeof(key), want);
	if (remove) {
		if (want)
			del_prefix(d, want);
		return 0;
	}
	if (want)
		return 0;
	want = calloc(1, sizeof(*want));
	if (!want)
		return -ENOMEM;
	want->key = key;
	prefix_of(&want->prefix, in);
	d->bytes += sizeof(*want);
	HASH_ADD(hh, d->prefixes, key, sizeof(want->key), want);
	return 0;
}

static int put_mode(struct desired *d, const fz_ModeSetting *in, bool remove)
{
	struct want_mode *want;
	struct mode_key key;

	memset(&key, 0, sizeof(key));
	key.device = in->peer.size == 0;
	key.direction = in->direction == fz_DIRECTION_OUT ? FZ_DIR_OUT : FZ_DIR_IN;
	memcpy(key.peer, in->peer.bytes, in->peer.size);
	HASH_FIND(hh, d->modes, &key, sizeof(key), want);
	if (remove) {
		if (want)
			del_mode(d, want);
		return 0;
	}
	if (!want) {
		want = calloc(1, sizeof(*want));
		if (!want)
			return -ENOMEM;
		want->key = key;
		d->bytes += sizeof(*want);
		HASH_ADD(hh, d->modes, key, sizeof(want->key), want);
	}
	want->state.present = true;
	want->state.mode = (uint8_t)in->mode;
	want->state.flags = (in->ask ? FZ_MODE_F_ASK : 0) | (in->reject ? FZ_MODE_F_REJECT : 0);
	return 0;
}

static int check_prefixes(const fz_Prefix *list, size_t n, const char *what, struct fz_error *err)
{
	struct fz_prefix prefix;

	for (size_t i = 0; i < n; i++) {
		if (prefix_of(&prefix, &list[i]))
			return fz_error_set(err, -EINVAL, "the broker sent a prefix that is none, as %s", what);
	}
	return 0;
}

static int check_resource(const fz_Resource *res, struct fz_error *err)
{
	if (!*res->name || strlen(res->name) > FZ_NAME_MAX)
		return fz_error_set(err, -EINVAL, "the broker sent a resource without a valid name");
	for (size_t i = 0; i < res->service_count; i++) {
		const fz_Service *s = &res->service[i];

		if (s->protocol > 255 || s->port_min > 65535 || s->port_max > 65535 ||
		    (s->has_port_max && s->port_max < s->port_min))
			return fz_error_set(err, -EINVAL, "the broker sent an invalid service of resource %s",
					    res->name);
	}
	return check_prefixes(res->prefix, res->prefix_count, res->name, err);
}

/**
 * desired_check() - whether an item makes sense, before anything of its state is kept
 * @item: as received
 * @err: what is wrong with it
 *
 * Return: 0 or -EINVAL.
 */
int desired_check(const fz_Item *item, struct fz_error *err)
{
	switch (item->which_body) {
	case fz_Item_peer_tag:
		if (item->body.peer.public_key.size != FZ_KEY_LEN)
			return fz_error_set(err, -EINVAL, "the broker sent a peer without a key");
		return check_prefixes(item->body.peer.allowed_ip, item->body.peer.allowed_ip_count,
				      "allowed IP", err);
	case fz_Item_resource_tag:
		return check_resource(&item->body.resource, err);
	case fz_Item_grant_tag:
		if (!*item->body.grant.resource || strlen(item->body.grant.resource) > FZ_NAME_MAX ||
		    (item->body.grant.peer.size && item->body.grant.peer.size != FZ_KEY_LEN))
			return fz_error_set(err, -EINVAL, "the broker sent a grant without a valid peer or resource");
		return 0;
	case fz_Item_address_tag:
		return check_prefixes(&item->body.address, 1, "address", err);
	case fz_Item_route_tag:
		return check_prefixes(&item->body.route, 1, "route", err);
	case fz_Item_ask_tag:
		return check_prefixes(&item->body.ask, 1, "ask prefix", err);
	case fz_Item_masquerade_tag:
		return check_prefixes(&item->body.masquerade, 1, "prefix to masquerade", err);
	case fz_Item_mode_tag:
		if (item->body.mode.mode > fz_MODE_INHERIT ||
		    (item->body.mode.peer.size && item->body.mode.peer.size != FZ_KEY_LEN))
			return fz_error_set(err, -EINVAL, "the broker sent an invalid mode");
		return 0;
	default:
		/* a later minor version's: not for us */
		return 0;
	}
}

/**
 * desired_put() - take one item into a state
 * @d: the state
 * @item: checked by desired_check(); replaces what has its key, or removes it
 * @err: why not
 *
 * Return: 0; -ENOMEM; or -E2BIG when the state has all the room that there is.
 */
int desired_put(struct desired *d, const fz_Item *item, struct fz_error *err)
{
	int ret = 0;

	if (!item->remove && d->bytes >= DESIRED_BYTES_MAX)
		return fz_error_set(err, -E2BIG, "the broker's state is larger than the %u MiB that are kept of it",
				    DESIRED_BYTES_MAX >> 20);
	switch (item->which_body) {
	case fz_Item_peer_tag:
		ret = put_peer(d, &item->body.peer, item->remove);
		break;
	case fz_Item_resource_tag:
		ret = put_resource(d, &item->body.resource, item->remove);
		break;
	case fz_Item_grant_tag:
		ret = put_grant(d, &item->body.grant, item->remove);
		break;
	case fz_Item_address_tag:
		ret = put_prefix(d, PREFIX_ADDRESS, &item->body.address, item->remove);
		break;
	case fz_Item_route_tag:
		ret = put_prefix(d, PREFIX_ROUTE, &item->body.route, item->remove);
		break;
	case fz_Item_ask_tag:
		ret = put_prefix(d, PREFIX_ASK, &item->body.ask, item->remove);
		break;
	case fz_Item_masquerade_tag:
		ret = put_prefix(d, PREFIX_MASQUERADE, &item->body.masquerade, item->remove);
		break;
	case fz_Item_mode_tag:
		ret = put_mode(d, &item->body.mode, item->remove);
		break;
	default:
		break;
	}
	return ret ? fz_error_set(err, ret, "out of memory for the broker's state") : 0;
}

/**
 * desired_clear() - forget everything
 * @d: the state; usable and empty afterwards
 */
void desired_clear(struct desired *d)
{
	struct want_resource *res, *next_res;
	struct want_prefix *prefix, *next_prefix;
	struct want_grant *grant, *next_grant;
	struct want_peer *peer, *next_peer;
	struct want_mode *mode, *next_mode;

	HASH_ITER(hh, d->peers, peer, next_peer)
		del_peer(d, peer);
	HASH_ITER(hh, d->resources, res, next_res)
		del_resource(d, res);
	HASH_ITER(hh, d->grants, grant, next_grant)
		del_grant(d, grant);
	HASH_ITER(hh, d->prefixes, prefix, next_prefix)
		del_prefix(d, prefix);
	HASH_ITER(hh, d->modes, mode, next_mode)
		del_mode(d, mode);
	memset(d, 0, sizeof(*d));
}

/**
 * desired_peer() - the peer with a key
 * @d: the state
 * @key: tunnel public key
 *
 * Return: the peer, the state's, or NULL.
 */
struct want_peer *desired_peer(const struct desired *d, const uint8_t key[FZ_KEY_LEN])
{
	struct want_peer *peer;

	HASH_FIND(hh, d->peers, key, FZ_KEY_LEN, peer);
	return peer;
}

/**
 * desired_grant() - the grant with a key
 * @d: the state
 * @key: peer, resource and direction
 *
 * Return: the grant, the state's, or NULL.
 */
struct want_grant *desired_grant(const struct desired *d, const struct grant_key *key)
{
	struct want_grant *grant;

	HASH_FIND(hh, d->grants, key, sizeof(*key), grant);
	return grant;
}

/**
 * desired_lease_left() - what is left of a lease
 * @grant: a grant with a lease
 *
 * Return: milliseconds, 0 when it is over.
 */
uint64_t desired_lease_left(const struct want_grant *grant)
{
	uint64_t now = desired_clock();

	return grant->ends > now ? grant->ends - now : 0;
}
