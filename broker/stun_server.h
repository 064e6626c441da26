/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers STUN Binding requests (RFC 8489), so that agents learn what their NAT makes of their address. */
#ifndef BROKER_STUN_SERVER_H
#define BROKER_STUN_SERVER_H

#include <uv.h>

#include "fault.h"

struct stun_server;

struct stun_server *stun_start(uv_loop_t *loop, const struct sockaddr *listen, struct fault *fault);
void stun_stop(struct stun_server *server);
int stun_port(const struct stun_server *server);

#endif
