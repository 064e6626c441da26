/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fragments: the first is judged by its ports, the others by what became of the first.
 *
 * Remembered per peer and direction is each datagram whose first fragment passed, with the flow
 * it is of and the bytes that were seen. A fragment that overlaps bytes already seen is refused:
 * receivers differ in whose bytes win (RFC 1858, RFC 5722).
 */

#ifndef _FZ_AUTHZ_FRAGMENT_H
#define _FZ_AUTHZ_FRAGMENT_H

#include <linux/fz.h>
#include <linux/types.h>

struct fz_authz;
struct fz_authz_peer;
struct fz_flow_key;
struct fz_fragments;
struct fz_packet;

#define FZ_FRAGMENTS_PEER 128		/* datagrams remembered of one peer */
#define FZ_FRAGMENT_SECONDS 30		/* until the rest of a datagram is too late */
#define FZ_FRAGMENT_GAPS 8		/* pieces that a datagram may be in at one time */

void fz_fragment_init(struct fz_fragments *fragments);
enum fz_reason fz_fragment_first(struct fz_authz *az, struct fz_authz_peer *ap,
				 enum fz_direction dir, const struct fz_packet *packet,
				 const struct fz_flow_key *key);
void fz_fragment_forget(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
			const struct fz_packet *packet);
enum fz_reason fz_fragment_later(struct fz_authz *az, struct fz_authz_peer *ap,
				 enum fz_direction dir, const struct fz_packet *packet,
				 struct fz_flow_key *key);
enum fz_reason fz_fragment_again(struct fz_authz *az, struct fz_authz_peer *ap,
				 enum fz_direction dir, const struct fz_packet *packet,
				 struct fz_flow_key *key);
void fz_fragment_expire(struct fz_authz *az, struct fz_authz_peer *ap);
void fz_fragment_drop(struct fz_authz *az, struct fz_authz_peer *ap);

#endif /* _FZ_AUTHZ_FRAGMENT_H */
