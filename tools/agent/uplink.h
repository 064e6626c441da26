/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection to the broker: TCP, the control channel in it, and trying
 * again when it is lost. Knows bytes and messages, not what they mean.
 */
#ifndef AGENT_UPLINK_H
#define AGENT_UPLINK_H

#include <stdbool.h>
#include <uv.h>

#include "channel.h"
#include "identity.h"
#include "message.h"

struct uplink;

/**
 * struct uplink_calls - what the owner hears
 * @open: the channel is authenticated: say Hello
 * @message: a message came; valid during the call
 * @closed: the channel is over, or could not be had; the sentence says why. @refusal
 *	tells whether the broker refused us before authentication
 */
struct uplink_calls {
	void (*open)(void *arg);
	void (*message)(void *arg, const fz_Message *msg);
	void (*closed)(void *arg, enum fz_channel_refusal refusal, const char *sentence);
};

struct uplink *uplink_new(uv_loop_t *loop, const struct identity *id, const struct uplink_calls *calls,
			  void *arg);
void uplink_start(struct uplink *up);
void uplink_retry_in(struct uplink *up, uint32_t ms);
void uplink_reconnect(struct uplink *up, const char *sentence);
void uplink_stop(struct uplink *up, const char *sentence);
void uplink_alive_every(struct uplink *up, uint32_t ping_ms);
bool uplink_send(struct uplink *up, const fz_Message *msg);
bool uplink_is_open(const struct uplink *up);
bool uplink_address(const struct uplink *up, struct sockaddr_storage *broker);
/* Ends it for good and frees it once libuv has closed its handles. */
void uplink_free(struct uplink *up);

#endif
