/* SPDX-License-Identifier: GPL-2.0-only */
/* The broker process: what its parts share, and what they call of each other. One loop, one thread. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <sys/socket.h>
#include <uv.h>

#include "directory.h"
#include "fault.h"
#include "store.h"

/**
 * struct config - from the command line
 * @listen: channel, TCP
 * @stun: STUN, UDP; family 0: none
 * @public: HOST:PORT that invitations name
 * @public_stun: HOST:PORT of STUN as agents are told, empty: none
 */
struct config {
	const char *state;
	const char *admin;
	struct sockaddr_storage listen;
	struct sockaddr_storage stun;
	char public[280];
	char public_stun[280];
	uint32_t lease_s;		/* of policies that name none */
	int64_t keep_ms;		/* denials and flows, so long */
	int64_t log_rows;		/* of each log, at most */
};

struct server;	/* channel server, signalling and STUN: server.h */

struct broker {
	uv_loop_t *loop;
	struct config config;
	struct store *store;
	struct directory *dir;		/* replaced by broker_refresh() */
	uv_timer_t retry;		/* of broker_refresh() */
	bool doubtful;			/* the store says something else than @dir: set and cleared by broker_refresh() */
	struct server *server;
	struct api *api;
	int64_t started_ms;
};

/**
 * broker_refresh() - after a committed change of the store: load the directory anew and tell the server
 * @broker: the broker
 * @fault: why not
 *
 * Called by the admin API after each change, and by the server after store_enrol() and the like. Calls
 * server_changed() before it returns; it must not be called from there.
 *
 * If the store cannot be read, the old directory stays, but what it says may no longer hold: @broker->doubtful is set,
 * with which nothing new is granted and the admin API refuses; the trouble is logged, and it is tried again until it
 * works.
 *
 * Return: 0 when the change is in force, else a negative errno.
 */
int broker_refresh(struct broker *broker, struct fault *fault);

/* ---- the channel server's side (server.h declares the same) ---- */

/**
 * struct presence - what the server knows of one device's channel
 * @since_ms: connected (or gone) since then, 0 when never seen in this process
 */
struct presence {
	bool online;
	int64_t since_ms;
	char address[64];
	char version[32];
	uint64_t state_sent, state_acked;
};

struct server *server_start(struct broker *broker, struct fault *fault);
void server_stop(struct server *server);
/* The directory was replaced: work out who is concerned. */
void server_changed(struct server *server);
void server_presence(struct server *server, int64_t device_id, struct presence *presence);

#endif
