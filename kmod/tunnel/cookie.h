/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MAC1, MAC2 and cookies: what a handshake message must show before it is worth a Curve25519
 * multiplication (paper, sections 5.3, 5.4.4 and 5.4.7).
 */
#ifndef _FZ_TUNNEL_COOKIE_H
#define _FZ_TUNNEL_COOKIE_H

#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "tunnel/messages.h"

struct net;
struct sockaddr;

/**
 * struct fz_cookie_checker - a device's side: checks MACs, hands out cookies
 * @lock: protects all
 * @mac1_key: from the device's public key
 * @sealing_key: from the device's public key; seals cookie replies
 * @secret: makes a cookie out of a source address; random, never leaves the device
 * @secret_birth_ns: fz_clock_now() when @secret was drawn; it is drawn anew after
 *	FZ_COOKIE_SECRET_MAX_AGE
 * @secret_drawn: false until the first cookie
 * @present: the device has a public key
 */
struct fz_cookie_checker {
	struct rw_semaphore lock;
	u8 mac1_key[FZ_KEY_LEN];
	u8 sealing_key[FZ_KEY_LEN];
	u8 secret[FZ_HASH_LEN];
	u64 secret_birth_ns;
	bool secret_drawn;
	bool present;
};

/**
 * struct fz_cookie - a peer's side: makes MACs, keeps the last cookie that the peer gave us
 * @public_key: the peer's, the keys follow from it: peers are many, and a hash is little beside the rest of
 *	a handshake. Constant
 * @lock: protects what follows. Process context only
 * @present: there is a cookie, of whatever age
 * @last_mac1_present: there is a @last_mac1 that no cookie reply has answered yet
 * @birth_ns: fz_clock_now() when the cookie came
 * @cookie: what the peer gave us
 * @last_mac1: of the last handshake message we sent: a cookie reply answers exactly that one
 */
struct fz_cookie {
	const u8 *public_key;
	spinlock_t lock;
	bool present;
	bool last_mac1_present;
	u64 birth_ns;
	u8 cookie[FZ_COOKIE_LEN];
	u8 last_mac1[FZ_MAC_LEN];
};

/**
 * enum fz_cookie_verdict - what a handshake message showed
 * @FZ_COOKIE_MAC_INVALID: MAC1 is wrong: drop without a word
 * @FZ_COOKIE_MAC_VALID: MAC1 is right, MAC2 was not asked for or is not right: under load, answer
 *	with a cookie
 * @FZ_COOKIE_RATELIMITED: both are right, but the source comes too often: drop
 * @FZ_COOKIE_VALID: both are right
 */
enum fz_cookie_verdict {
	FZ_COOKIE_MAC_INVALID,
	FZ_COOKIE_MAC_VALID,
	FZ_COOKIE_RATELIMITED,
	FZ_COOKIE_VALID,
};

void fz_cookie_checker_init(struct fz_cookie_checker *checker);
void fz_cookie_checker_set_key(struct fz_cookie_checker *checker, const u8 public_key[FZ_KEY_LEN]);
enum fz_cookie_verdict fz_cookie_check(struct fz_cookie_checker *checker,
				       const void *message, size_t len, bool under_load,
				       const struct net *net, const struct sockaddr *source);
int fz_cookie_reply_create(struct fz_message_cookie *reply, const void *message, size_t len,
			   const struct sockaddr *source, struct fz_cookie_checker *checker);

void fz_cookie_init(struct fz_cookie *cookie, const u8 public_key[FZ_KEY_LEN]);
void fz_cookie_add_macs(void *message, size_t len, struct fz_cookie *cookie);
int fz_cookie_reply_consume(const struct fz_message_cookie *reply, struct fz_cookie *cookie);

#endif /* _FZ_TUNNEL_COOKIE_H */
