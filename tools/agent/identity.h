/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who this device is: the state directory, its one file, and its lock.
 *
 *	agent.json	version, control key, and after joining the broker's
 *			address and key; mode 0600, replaced whole
 *	lock		held while an agent runs: one agent, one directory
 *
 * The tunnel's private key is not here: it is the kernel's.
 */
#ifndef AGENT_IDENTITY_H
#define AGENT_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "invite.h"

#define IDENTITY_VERSION 1

/**
 * struct identity - what the state directory holds
 * @control_private: X25519, made on this device at first start
 * @control_public: its public half: who this device is to the broker
 * @joined: the broker below is ours
 * @broker: where the broker is and its key; the token is used up and empty
 */
struct identity {
	char *path;
	int lock;
	uint8_t control_private[32];
	uint8_t control_public[32];
	bool joined;
	struct fz_invite broker;
};

int identity_open(struct identity *id, const char *directory, struct fz_error *err);
int identity_save(const struct identity *id, struct fz_error *err);
void identity_close(struct identity *id);

#endif
