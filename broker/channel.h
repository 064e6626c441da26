/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links: TCP connections from agents, authenticated by the control channel, their messages handed to signalling.
 *
 * Unauthenticated bytes reach nothing but the handshake. Handshakes are limited for every source (an IPv4 address,
 * an IPv6 /64) and in all.
 */
#ifndef BROKER_CHANNEL_H
#define BROKER_CHANNEL_H

#include "broker.h"
#include "signal.h"

struct channel_server;

/**
 * struct channel_limits - what nobody may exceed
 * @connections: in all
 * @unauthenticated: connections that have not authenticated, in all
 * @unauthenticated_source: the same for one source
 * @burst: handshakes of one source in a row
 * @rate: and every second
 */
struct channel_limits {
	unsigned int connections;
	unsigned int unauthenticated;
	unsigned int unauthenticated_source;
	unsigned int burst;
	unsigned int rate;
};

#define CHANNEL_LIMITS_DEFAULT \
	{ .connections = 200000, .unauthenticated = 4096, .unauthenticated_source = 32, .burst = 256, .rate = 64 }

struct channel_server *channel_start(uv_loop_t *loop, const struct sockaddr *listen, const uint8_t key[MODEL_KEY_LEN],
				     const struct channel_limits *limits, struct fault *fault);
void channel_attach(struct channel_server *server, struct signal *sig, void (*after)(void *arg), void *arg);
void channel_stop(struct channel_server *server);
int channel_port(const struct channel_server *server);

bool link_room(void *link);
bool link_send(void *link, const fz_Message *msg);
void link_close(void *link);

#endif
