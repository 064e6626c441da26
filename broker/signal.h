/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What passes between the agents by way of the broker: who is connected, what each shall have, one device's access to
 * a resource behind another. No sockets and no clock here: links are whatever the caller says, time is asked of it.
 *
 * A session is one authenticated channel; an agent is a device that was ever heard of or has leases, connected or not.
 */
#ifndef BROKER_SIGNAL_H
#define BROKER_SIGNAL_H

#include "broker.h"
#include "message.h"

struct signal;
struct session;

/**
 * struct signal_calls - what signalling needs of its surroundings; @arg is the caller's own
 * @send: queue a message; false when the link takes no more
 * @room: whether to queue more of what is large; if not, signal_drained() is called once there is
 * @close: send what is queued, then close; the link is not spoken of again
 * @refresh: the store was changed: load the directory anew and call signal_changed()
 * @rekey: the store has another tunnel key for a device: the directory is to have it too
 * @directory: the present one
 * @doubtful: the store may say something else than it does: nothing is granted until signal_changed() is called
 * @now: monotonic, ms
 * @clock: wall clock, ms
 */
struct signal_calls {
	bool (*send)(void *arg, void *link, const fz_Message *msg);
	bool (*room)(void *arg, void *link);
	void (*close)(void *arg, void *link);
	void (*refresh)(void *arg);
	void (*rekey)(void *arg, int64_t device_id, const uint8_t key[MODEL_KEY_LEN]);
	const struct directory *(*directory)(void *arg);
	bool (*doubtful)(void *arg);
	uint64_t (*now)(void *arg);
	int64_t (*clock)(void *arg);
};

/**
 * struct signal_config - fixed while it runs
 * @stun_host: as agents are told, empty: the broker's own address
 * @stun_port: 0: none
 * @ping_ms: how often a silent link is pinged; three times as long is lost
 * @rival_ms: how long an old link has to answer when another agent comes with the same key
 * @hello_ms: how long an authenticated agent has to say who it is
 * @admit_ms: how long a gateway has to admit
 */
struct signal_config {
	char stun_host[256];
	uint16_t stun_port;
	uint32_t ping_ms;
	uint32_t rival_ms;
	uint32_t hello_ms;
	uint32_t admit_ms;
};

#define SIGNAL_CONFIG_DEFAULT \
	{ .ping_ms = 10000, .rival_ms = 3000, .hello_ms = 5000, .admit_ms = 4000 }

struct signal *signal_new(struct store *store, const struct signal_config *config, const struct signal_calls *calls,
			  void *arg, struct fault *fault);
void signal_free(struct signal *sig);

struct session *signal_open(struct signal *sig, void *link, const uint8_t key[MODEL_KEY_LEN], const char *address);
bool signal_received(struct signal *sig, struct session *session);
void signal_message(struct signal *sig, struct session *session, const fz_Message *msg);
void signal_malformed(struct signal *sig, struct session *session, const char *sentence);
void signal_closed(struct signal *sig, struct session *session, const char *sentence);
void signal_drained(struct signal *sig, struct session *session);
void signal_changed(struct signal *sig);
void signal_goodbye(struct signal *sig);

uint64_t signal_due(const struct signal *sig);
void signal_tick(struct signal *sig);
void signal_presence(const struct signal *sig, int64_t device_id, struct presence *presence);

#endif
