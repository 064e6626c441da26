/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_TIMERS_H
#define FZ_TUNNEL_TIMERS_H

struct fz_peer;

void fz_timers_init(struct fz_peer *peer);
void fz_timers_stop(struct fz_peer *peer);
void fz_timers_data_sent(struct fz_peer *peer);
void fz_timers_data_received(struct fz_peer *peer);
void fz_timers_any_sent(struct fz_peer *peer);
void fz_timers_any_received(struct fz_peer *peer);
void fz_timers_any_traversal(struct fz_peer *peer);
void fz_timers_handshake_initiated(struct fz_peer *peer);
void fz_timers_handshake_complete(struct fz_peer *peer);
void fz_timers_session_derived(struct fz_peer *peer);

#endif
