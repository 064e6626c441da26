/* SPDX-License-Identifier: GPL-2.0-only */
/* The side of the broker that agents see: channel, signalling and STUN together. broker.h declares how it is used. */
#ifndef BROKER_SERVER_H
#define BROKER_SERVER_H

#include "broker.h"

/* Ports in use, for whoever asked for port 0; a negative errno without one. */
int server_port(const struct server *server);
int server_stun_port(const struct server *server);

#endif
