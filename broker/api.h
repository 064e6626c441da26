/* SPDX-License-Identifier: GPL-2.0-only */
/* The admin API: HTTP + JSON on a Unix socket, described by openapi.yaml. */
#ifndef BROKER_API_H
#define BROKER_API_H

#include <uv.h>

#include "fault.h"

struct api;
struct broker;

/**
 * api_start() - serve the admin API on the broker's loop
 * @broker: uses its loop, store and directory; calls broker_refresh() after each committed change
 * @path: of the Unix socket, made with mode 0600; a dead socket file there is replaced
 * @fault: why not
 *
 * Return: the server, to be given to api_stop(), or NULL.
 */
struct api *api_start(struct broker *broker, const char *path, struct fault *fault);
void api_stop(struct api *api);

#endif
