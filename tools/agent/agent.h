/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent: what its parts share. One thread, one event loop.
 *
 *	main.c		command line, start and end
 *	session.c	what the broker says, and what is answered
 *	access.c	the kernel's requests, asked of the broker
 *	paths.c		this device's candidates
 *	reports.c	refusals and flows, on their way to the broker
 *	local.c		fzctl's questions
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <uv.h>

#include "desired.h"
#include "identity.h"
#include "kernel.h"
#include "uplink.h"

struct access;
struct local;
struct paths;
struct reports;
struct join;

/**
 * struct agent - the process
 * @id: who this device is
 * @kernel: its tunnel device
 * @kernel_open: @kernel is open
 * @uplink: the connection to the broker
 * @online: the broker knows us on this connection
 * @welcome: what the broker calls us; meaningful once @known
 * @trouble: why we are not connected, for people; empty when we are
 * @refused: @trouble is what the broker said on this connection; that it closed then is no news
 * @desired: the state that the broker wants, in the kernel but for what @left_out says
 * @behind: the kernel may still have what @desired has no more
 * @again: when it is brought to the kernel again, because it was not taken whole; @again_ms is the next delay
 * @left_out: which part of it this host does not have and why, for people; empty when it has all
 * @incoming: parts of a state that is not complete
 * @join: enrolment under way, NULL if none
 * @lost: events of the kernel, of whatever kind, that were not read in time
 * @keep: leave the device in the kernel on exit
 */
struct agent {
	uv_loop_t *loop;
	struct identity id;
	struct kernel kernel;
	bool kernel_open;
	uv_poll_t kernel_poll;
	uv_timer_t watch;
	struct uplink *uplink;
	bool online, known;
	fz_Identity welcome;
	char broker_software[64];
	char trouble[256];
	bool refused;
	struct desired desired;
	char left_out[256];
	bool behind;
	uv_timer_t again;
	uint32_t again_ms;
	struct {
		bool collecting, snapshot;
		bool refused;		/* the parts still to come are not wanted */
		uint64_t instance, number, base;
		struct desired fresh;	/* of a snapshot */
		fz_Item *items;		/* of a difference */
		size_t n, room;
	} incoming;
	struct join *join;
	struct access *access;
	struct paths *paths;
	struct reports *reports;
	struct local *local;
	uint64_t lost;
	const char *dev;
	uint16_t port;
	bool keep;
	int status;
};

/* main.c */
void agent_fail(struct agent *a, const char *sentence);
int agent_kernel_start(struct agent *a, bool gateway, struct fz_error *err);

/* session.c */
fz_Message *session_message(pb_size_t which);
bool session_send(struct agent *a, fz_Message *msg);
int session_start(struct agent *a);
void session_stop(struct agent *a);
typedef void (*join_done)(void *arg, const char *error);
int session_join(struct agent *a, const struct fz_invite *invite, const char *name, join_done done, void *arg,
		 struct fz_error *err);
void session_join_forget(struct agent *a, void *arg);
int session_apply(struct agent *a, const fz_State *state, bool connect, struct fz_error *err);

/* access.c */
struct access *access_new(struct agent *a);
void access_request(struct access *access, const struct fz_decision *request);
void access_answer(struct access *access, const fz_AccessAnswer *answer);
void access_offline(struct access *access);
void access_free(struct access *access);
void tuple_to_message(fz_Tuple *out, const struct fz_tuple *in);

/* paths.c */
struct paths *paths_new(struct agent *a);
void paths_start(struct paths *paths);
void paths_sideband(struct paths *paths, const union fz_endpoint *from, const void *data, size_t len);
size_t paths_candidates(const struct paths *paths, fz_Candidate *out, size_t room);
void paths_report(struct paths *paths);
void paths_free(struct paths *paths);

/* reports.c */
struct reports *reports_new(struct agent *a);
void reports_denial(struct reports *reports, const struct fz_decision *denial, uint64_t suppressed);
void reports_suppressed(struct reports *reports, uint64_t count);
void reports_flow(struct reports *reports, const struct fz_flow *flow, bool end);
void reports_online(struct reports *reports);
void reports_ack(struct reports *reports, const fz_ReportAck *ack);
void reports_free(struct reports *reports);

/* local.c */
struct local *local_new(struct agent *a, const char *path, struct fz_error *err);
void local_why(struct local *local, const fz_WhyAnswer *answer);
void local_error(struct local *local, const fz_Error *error);
void local_offline(struct local *local);
void local_free(struct local *local);

#endif
