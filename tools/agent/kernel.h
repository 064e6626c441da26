/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent's device in the kernel: made or adopted, and brought to a desired
 * state. What is there and shall be there is left untouched, so that running
 * flows do not notice an agent that starts again.
 */
#ifndef AGENT_KERNEL_H
#define AGENT_KERNEL_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

#include "desired.h"
#include "error.h"
#include "nl.h"
#include "rtnl.h"

/* Marks our routes, so that nobody else's is ever deleted (rtnetlink's rtm_protocol). */
#define KERNEL_ROUTE_PROTOCOL 102

/* A preshared key, sealed for its other end. */
#define KERNEL_SEALED_LEN (crypto_box_SEALBYTES + FZ_KEY_LEN)

/* A state is in force but for a part that this host cannot have, or another peer's fault kept from it. */
#define KERNEL_LEFT_OUT 1

/**
 * struct kernel - the device and the sockets to it
 * @nl: for questions and changes, and for the kernel's events
 * @rt: links, addresses, routes
 * @dev: name of the device
 * @ifindex: its number
 * @made: it was not there before
 * @public_key: of the tunnel
 * @listen_port: UDP, host byte order
 * @broker: where the broker is, family 0 if that is not known: no route leads there through the tunnel
 * @gateway: what this agent is; decides who makes preshared keys
 * @control_private: key that sealed preshared keys open with; the identity's
 * @control_public: its public half
 * @key_missing: called for a peer whose preshared key we do not have (client)
 * @key_made: called for a peer for which one was made just now (gateway)
 * @arg: for the calls
 */
struct kernel {
	struct fz_nl *nl;
	struct fz_rtnl *rt;
	char dev[IFNAMSIZ];
	uint32_t ifindex;
	bool made;
	uint8_t public_key[FZ_KEY_LEN];
	uint16_t listen_port;
	struct fz_addr broker;
	bool gateway;
	const uint8_t *control_private;
	const uint8_t *control_public;
	void (*key_missing)(void *arg, const struct want_peer *peer);
	void (*key_made)(void *arg, struct want_peer *peer);
	void *arg;
};

/* kernel.c: the device */
int kernel_open(struct kernel *k, const char *dev, uint16_t port, struct fz_error *err);
int kernel_listen(struct kernel *k, bool gateway, fz_event_fn fn, void *arg, struct fz_error *err);
int kernel_present(struct kernel *k, struct fz_error *err);
int kernel_compare(struct kernel *k, const struct desired *d, struct fz_error *err);
int kernel_remove(struct kernel *k, struct fz_error *err);
void kernel_close(struct kernel *k);

/* peer.c */
int kernel_peer_set(struct kernel *k, struct want_peer *want, const struct fz_peer *now, bool connect,
		    struct fz_error *err);
int kernel_peer_remove(struct kernel *k, const uint8_t key[FZ_KEY_LEN], struct fz_error *err);
int kernel_peer_candidates(struct kernel *k, struct want_peer *want, const struct fz_candidate *list,
			   size_t n, bool connect, struct fz_error *err);
int kernel_peer_seal(struct kernel *k, struct want_peer *want, uint8_t sealed[KERNEL_SEALED_LEN],
		     struct fz_error *err);
int kernel_peer_key(struct kernel *k, struct want_peer *want, const fz_PeerKey *key, struct fz_error *err);

/* network.c: addresses, routes, ask prefixes */
int kernel_network_apply(struct kernel *k, const struct desired *d, struct fz_error *err);
int kernel_ask_apply(struct kernel *k, const struct desired *d, const struct fz_device *now,
		     struct fz_error *err);

/* apply.c: whole states and differences */
int kernel_apply_all(struct kernel *k, struct desired *d, struct fz_error *err);
int kernel_apply_items(struct kernel *k, struct desired *d, const fz_Item *items, size_t n, bool connect,
		       struct fz_error *err);

#endif
