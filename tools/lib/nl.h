/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The netlink family `fz`, for programs. One struct fz_nl is one socket; it
 * must not be used by two threads at a time. Functions that ask the kernel wait
 * for its answer; only fz_nl_dispatch() never waits.
 *
 * Requests, sideband datagrams and the groups' events come to the same socket.
 * Those that come while an answer is awaited are kept for fz_nl_dispatch().
 *
 * Each function returns 0, or a negative errno and the sentence in @err. Where
 * the kernel gave a sentence, it is that one. @dev names a device.
 */
#ifndef FZ_NL_H
#define FZ_NL_H

#include "error.h"
#include "types.h"

struct fz_nl;

enum fz_group {
	FZ_GROUP_PEERS		= 1 << 0,
	FZ_GROUP_FLOWS		= 1 << 1,
	FZ_GROUP_DENIALS	= 1 << 2,
	FZ_GROUP_POLICY		= 1 << 3,
	FZ_GROUP_ALL		= (1 << 4) - 1,
};

enum fz_event_kind {
	FZ_EVENT_PEER,			/* .peer */
	FZ_EVENT_FLOW_START,		/* .flow */
	FZ_EVENT_FLOW_END,		/* .flow */
	FZ_EVENT_DENIAL,		/* .decision */
	FZ_EVENT_POLICY,		/* .policy */
	FZ_EVENT_REQUEST,		/* .decision: id, direction, tuple, perhaps peer */
	FZ_EVENT_SIDEBAND,		/* .sideband */
	FZ_EVENT_SUPPRESSED,		/* .group; nothing but the count: no event came that could carry it */
	FZ_EVENT_LOST,			/* .lost: the socket overflowed */
};

/**
 * struct fz_event - something the kernel told without being asked
 * @suppressed: events of this group that were not sent since the one before
 * @group: FZ_GROUP_*, whose events were not sent
 * @lost: messages that were sent, but found no room; 0 if the kernel does not say how many
 *
 * What pointers in it point to lives until the handler returns.
 */
struct fz_event {
	enum fz_event_kind kind;
	uint32_t ifindex;
	char dev[IFNAMSIZ];
	uint64_t suppressed;
	union {
		struct {
			uint8_t type;	/* enum fz_peer_event_type */
			uint8_t public_key[FZ_KEY_LEN];
			union fz_endpoint endpoint;
		} peer;
		struct fz_flow flow;
		struct fz_decision decision;
		struct {
			uint8_t event;	/* enum fz_policy_event_type */
			uint64_t generation;
			bool has_grant;
			bool has_resource;
			struct fz_grant grant;
			struct fz_resource resource;
			struct fz_mode_state mode[FZ_DIRECTIONS];
			bool has_peer;
			uint8_t peer[FZ_KEY_LEN];
		} policy;
		struct {
			union fz_endpoint from;
			const void *data;
			size_t len;
		} sideband;
		unsigned int group;
		uint64_t lost;
	};
};

typedef void (*fz_event_fn)(const struct fz_event *event, void *arg);

/* nl.c: the socket */
int fz_nl_open(struct fz_nl **nl, struct fz_error *err);
void fz_nl_close(struct fz_nl *nl);
int fz_nl_check_name(const char *dev, struct fz_error *err);

/* nl_device.c */
int fz_nl_device_get(struct fz_nl *nl, const char *dev, struct fz_device **out, struct fz_error *err);
int fz_nl_device_set(struct fz_nl *nl, const struct fz_device *dev, struct fz_error *err);
int fz_nl_device_list(char (**names)[IFNAMSIZ], size_t *n, struct fz_error *err);

/* nl_policy.c: the arrays that are returned belong to the caller */
int fz_nl_resource_list(struct fz_nl *nl, const char *dev, struct fz_resource **list, size_t *n,
			struct fz_error *err);
int fz_nl_resource_add(struct fz_nl *nl, const char *dev, const struct fz_resource *list, size_t n,
		       struct fz_error *err);
int fz_nl_resource_del(struct fz_nl *nl, const char *dev, const struct fz_resource *list, size_t n,
		       struct fz_error *err);
int fz_nl_grant_list(struct fz_nl *nl, const char *dev, const uint8_t *peer, struct fz_grant **list,
		     size_t *n, struct fz_error *err);
int fz_nl_grant_add(struct fz_nl *nl, const char *dev, const struct fz_grant *list, size_t n,
		    struct fz_error *err);
int fz_nl_grant_del(struct fz_nl *nl, const char *dev, const struct fz_grant *list, size_t n,
		    struct fz_error *err);
int fz_nl_epoch_begin(struct fz_nl *nl, const char *dev, struct fz_error *err);
int fz_nl_epoch_commit(struct fz_nl *nl, const char *dev, struct fz_error *err);
int fz_nl_epoch_abort(struct fz_nl *nl, const char *dev, struct fz_error *err);

/* nl_flow.c */
int fz_nl_flow_list(struct fz_nl *nl, const char *dev, const uint8_t *peer, struct fz_flow **list,
		    size_t *n, struct fz_error *err);
int fz_nl_flow_flush(struct fz_nl *nl, const char *dev, const uint8_t *peer, struct fz_error *err);
int fz_nl_explain(struct fz_nl *nl, const char *dev, struct fz_decision *decision,
		  struct fz_error *err);
int fz_nl_stats_get(struct fz_nl *nl, const char *dev, struct fz_stats *stats, struct fz_error *err);

/* nl_event.c */
int fz_nl_fd(struct fz_nl *nl);
void fz_nl_on_event(struct fz_nl *nl, fz_event_fn fn, void *arg);
int fz_nl_dispatch(struct fz_nl *nl, struct fz_error *err);
int fz_nl_wait(struct fz_nl *nl, int timeout_ms, struct fz_error *err);
int fz_nl_join(struct fz_nl *nl, unsigned int groups, struct fz_error *err);
int fz_nl_leave(struct fz_nl *nl, unsigned int groups, struct fz_error *err);
int fz_nl_register(struct fz_nl *nl, const char *dev, uint32_t roles, struct fz_error *err);
int fz_nl_verdict(struct fz_nl *nl, const char *dev, const struct fz_decision *decision,
		  struct fz_error *err);
int fz_nl_sideband_send(struct fz_nl *nl, const char *dev, const union fz_endpoint *to,
			const void *data, size_t len, struct fz_error *err);

#endif
