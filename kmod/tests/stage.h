/* SPDX-License-Identifier: GPL-2.0-only */
/* An authorization without a device, for tests: peers, packets, and a record of what it tells. */

#ifndef _FZ_TESTS_STAGE_H
#define _FZ_TESTS_STAGE_H

#include <kunit/test.h>
#include <linux/skbuff.h>

#include "authz/authz.h"

#define FZ_STAGE_PEERS 3
#define FZ_STAGE_RECORDS 64

/**
 * struct fz_stage - the authorization and its surroundings
 * @test: that uses it
 * @az: the authorization
 * @peers: of it; their ids are 1, 2, 3
 * @removed: peers that are removed
 * @denials: the latest told
 * @n_denials: ever told
 * @ends: how the latest flows ended
 * @infos: what was told about them
 * @n_ends: flows ended
 * @n_starts: flows begun
 * @requests: the latest
 * @n_requests: ever made
 * @request_err: what the listener returns
 * @recheck: why the tunnel does not take what was held, but for the first @recheck_from packets
 * @recheck_from: see @recheck
 * @lost: the peers have none of their addresses
 * @sent: packets given to xmit
 * @delivered: packets given to deliver
 * @rerouted: packets given to reroute
 */
struct fz_stage {
	struct kunit *test;
	struct fz_authz az;
	struct fz_authz_peer peers[FZ_STAGE_PEERS];
	bool removed[FZ_STAGE_PEERS];
	struct fz_denial denials[FZ_STAGE_RECORDS];
	unsigned int n_denials;
	u8 ends[FZ_STAGE_RECORDS];
	struct fz_flow_info infos[FZ_STAGE_RECORDS];
	unsigned int n_ends;
	unsigned int n_starts;
	struct fz_request requests[FZ_STAGE_RECORDS];
	unsigned int n_requests;
	int request_err;
	enum fz_reason recheck;
	unsigned int recheck_from;
	bool lost;
	struct sk_buff_head sent;
	struct sk_buff_head delivered;
	struct sk_buff_head rerouted;
};

int fz_stage_init(struct kunit *test);
void fz_stage_exit(struct kunit *test);
void fz_stage_remove(struct fz_stage *stage, unsigned int peer);

/* "10.1.2.3/24", "2001:db8::/32", an address alone is all its bits */
struct fz_prefix fz_stage_prefix(struct fz_stage *stage, const char *text);
void fz_stage_tuple(struct fz_stage *stage, struct fz_tuple *tuple, u8 proto, const char *src,
		    u16 sport, const char *dst, u16 dport);
void fz_stage_ping(struct fz_stage *stage, struct fz_tuple *tuple, const char *src,
		   const char *dst, u8 type, u16 id);
struct fz_tuple fz_stage_reply(const struct fz_tuple *tuple);
struct sk_buff *fz_stage_packet(struct fz_stage *stage, const struct fz_tuple *tuple,
				u8 tcp_flags, unsigned int payload);
struct sk_buff *fz_stage_error(struct fz_stage *stage, const struct fz_tuple *quoted,
			       const char *src);
struct sk_buff *fz_stage_fragment(struct fz_stage *stage, const struct fz_tuple *tuple, u16 id,
				  unsigned int start, unsigned int len, bool more);

/* Judges one packet, frees it; true if it passed. */
bool fz_stage_judge(struct fz_stage *stage, unsigned int peer, enum fz_direction dir,
		    struct sk_buff *skb);
bool fz_stage_pass(struct fz_stage *stage, unsigned int peer, enum fz_direction dir,
		   const struct fz_tuple *tuple, u8 tcp_flags);
u64 fz_stage_refused(struct fz_stage *stage, enum fz_direction dir, enum fz_reason reason);
struct fz_flow *fz_stage_flow(struct fz_stage *stage, unsigned int peer, enum fz_direction dir,
			      const struct fz_tuple *tuple);

/* "tcp/22" "udp/1000-2000" "icmp" "" */
int fz_stage_resource(struct fz_stage *stage, u64 owner, const char *name, const char *prefix,
		      const char *service);
int fz_stage_grant(struct fz_stage *stage, u64 owner, int peer, const char *resource,
		   enum fz_direction dir, enum fz_action action, u64 lease_ms);
int fz_stage_revoke(struct fz_stage *stage, u64 owner, int peer, const char *resource,
		    enum fz_direction dir);
void fz_stage_mode(struct fz_stage *stage, int peer, enum fz_direction dir, enum fz_mode mode,
		   u8 flags);
void fz_stage_sweep(struct fz_stage *stage);

/* Peer number of what holds for any, or for the device. */
#define FZ_STAGE_ANY (-1)

#endif /* _FZ_TESTS_STAGE_H */
