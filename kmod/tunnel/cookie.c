// SPDX-License-Identifier: GPL-2.0-only
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/random.h>
#include <linux/socket.h>
#include <linux/string.h>

#include "compat/crypto.h"
#include "tunnel/clock.h"
#include "tunnel/cookie.h"
#include "tunnel/ratelimiter.h"

#define LABEL_LEN 8

static const u8 mac1_label[] __nonstring = { 'm', 'a', 'c', '1', '-', '-', '-', '-' };
static const u8 cookie_label[] __nonstring = { 'c', 'o', 'o', 'k', 'i', 'e', '-', '-' };

static_assert(sizeof(mac1_label) == LABEL_LEN);
static_assert(sizeof(cookie_label) == LABEL_LEN);

/* Handshake messages end with their MACs, so that where these are follows from the length alone. */
static size_t mac1_covers(size_t len)
{
	return len - sizeof(struct fz_message_macs);
}

static size_t mac2_covers(size_t len)
{
	return mac1_covers(len) + FZ_MAC_LEN;
}

static void derive_key(u8 key[FZ_KEY_LEN], const u8 label[LABEL_LEN],
		       const u8 public_key[FZ_KEY_LEN])
{
	struct fz_blake2s_ctx ctx;

	blake2s_init(&ctx, FZ_KEY_LEN);
	blake2s_update(&ctx, label, LABEL_LEN);
	blake2s_update(&ctx, public_key, FZ_KEY_LEN);
	blake2s_final(&ctx, key);
}

/**
 * fz_cookie_checker_init() - begin without a key
 * @checker: of a new device
 *
 * Context: any, not shared yet.
 */
void fz_cookie_checker_init(struct fz_cookie_checker *checker)
{
	memset(checker, 0, sizeof(*checker));
	init_rwsem(&checker->lock);
}

/**
 * fz_cookie_checker_set_key() - the device has another identity
 * @checker: of the device
 * @public_key: of the device, NULL when it has none; then no message has a valid MAC
 *
 * Context: may sleep.
 */
void fz_cookie_checker_set_key(struct fz_cookie_checker *checker, const u8 public_key[FZ_KEY_LEN])
{
	down_write(&checker->lock);
	checker->present = public_key;
	if (public_key) {
		derive_key(checker->mac1_key, mac1_label, public_key);
		derive_key(checker->sealing_key, cookie_label, public_key);
	} else {
		memzero_explicit(checker->mac1_key, FZ_KEY_LEN);
		memzero_explicit(checker->sealing_key, FZ_KEY_LEN);
	}
	up_write(&checker->lock);
}

static bool secret_is_stale(const struct fz_cookie_checker *checker)
{
	return !checker->secret_drawn ||
	       fz_clock_expired(checker->secret_birth_ns, FZ_COOKIE_SECRET_MAX_AGE);
}

/* Leaves with the lock held for reading and a secret that is young enough. */
static void lock_with_secret(struct fz_cookie_checker *checker)
{
	down_read(&checker->lock);
	while (unlikely(secret_is_stale(checker))) {
		up_read(&checker->lock);
		down_write(&checker->lock);
		if (secret_is_stale(checker)) {
			get_random_bytes(checker->secret, sizeof(checker->secret));
			checker->secret_birth_ns = fz_clock_now();
			checker->secret_drawn = true;
		}
		downgrade_write(&checker->lock);
	}
}

/* The cookie of a source (paper, section 5.4.7); false when it is neither IPv4 nor IPv6. */
static bool make_cookie(u8 cookie[FZ_COOKIE_LEN], struct fz_cookie_checker *checker,
			const struct sockaddr *source)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)source;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)source;
	u8 name[sizeof(in6->sin6_addr) + sizeof(in6->sin6_port)];
	size_t address_len;
	__be16 port;

	if (source->sa_family == AF_INET) {
		address_len = sizeof(in4->sin_addr);
		memcpy(name, &in4->sin_addr, address_len);
		port = in4->sin_port;
	} else if (source->sa_family == AF_INET6) {
		address_len = sizeof(in6->sin6_addr);
		memcpy(name, &in6->sin6_addr, address_len);
		port = in6->sin6_port;
	} else {
		return false;
	}
	memcpy(name + address_len, &port, sizeof(port));

	lock_with_secret(checker);
	fz_blake2s(cookie, FZ_COOKIE_LEN, name, address_len + sizeof(port), checker->secret,
		   sizeof(checker->secret));
	up_read(&checker->lock);
	return true;
}

static bool mac1_is_valid(struct fz_cookie_checker *checker, const u8 *message, size_t len)
{
	u8 mac1[FZ_MAC_LEN];
	bool present;

	down_read(&checker->lock);
	present = checker->present;
	if (present)
		fz_blake2s(mac1, FZ_MAC_LEN, message, mac1_covers(len), checker->mac1_key,
			   FZ_KEY_LEN);
	up_read(&checker->lock);
	return present && !crypto_memneq(mac1, message + mac1_covers(len), FZ_MAC_LEN);
}

static bool mac2_is_valid(struct fz_cookie_checker *checker, const u8 *message, size_t len,
			  const struct sockaddr *source)
{
	u8 cookie[FZ_COOKIE_LEN], mac2[FZ_MAC_LEN];
	bool ok;

	ok = make_cookie(cookie, checker, source);
	if (ok) {
		fz_blake2s(mac2, FZ_MAC_LEN, message, mac2_covers(len), cookie, FZ_COOKIE_LEN);
		ok = !crypto_memneq(mac2, message + mac2_covers(len), FZ_MAC_LEN);
	}
	memzero_explicit(cookie, sizeof(cookie));
	return ok;
}

/**
 * fz_cookie_check() - is a handshake message worth reading (paper, sections 5.3 and 5.4.4)
 * @checker: of the device
 * @message: &struct fz_message_initiation or &struct fz_message_response, contiguous
 * @len: its length in bytes
 * @under_load: look at MAC2 too, and at how often the source comes
 * @net: the netns that it came in by
 * @source: IPv4 or IPv6 address and port that it came from
 *
 * Context: may sleep.
 * Return: see &enum fz_cookie_verdict. Without @under_load it is MAC_INVALID or MAC_VALID.
 */
enum fz_cookie_verdict fz_cookie_check(struct fz_cookie_checker *checker,
				       const void *message, size_t len, bool under_load,
				       const struct net *net, const struct sockaddr *source)
{
	if (len < sizeof(struct fz_message_macs) || !mac1_is_valid(checker, message, len))
		return FZ_COOKIE_MAC_INVALID;
	if (!under_load || !mac2_is_valid(checker, message, len, source))
		return FZ_COOKIE_MAC_VALID;
	if (!fz_ratelimiter_allow(net, source))
		return FZ_COOKIE_RATELIMITED;
	return FZ_COOKIE_VALID;
}

/**
 * fz_cookie_reply_create() - answer a handshake message with a cookie (paper, section 5.4.7)
 * @reply: takes the answer
 * @message: &struct fz_message_initiation or &struct fz_message_response with a valid MAC1
 * @len: its length in bytes
 * @source: IPv4 or IPv6 address and port that it came from
 * @checker: of the device
 *
 * Context: may sleep.
 * Return: 0, -EAFNOSUPPORT when @source is of another family, -ENOKEY when the device has no key.
 */
int fz_cookie_reply_create(struct fz_message_cookie *reply, const void *message, size_t len,
			   const struct sockaddr *source, struct fz_cookie_checker *checker)
{
	/* Both handshake messages have their sender's index in the same place. */
	const struct fz_message_initiation *head = message;
	const u8 *mac1 = (const u8 *)message + mac1_covers(len);
	u8 cookie[FZ_COOKIE_LEN];
	int err = 0;

	static_assert(offsetof(struct fz_message_initiation, sender_index) ==
		      offsetof(struct fz_message_response, sender_index));

	if (!make_cookie(cookie, checker, source))
		return -EAFNOSUPPORT;

	reply->header.type = cpu_to_le32(FZ_MESSAGE_COOKIE);
	reply->receiver_index = head->sender_index;
	get_random_bytes_wait(reply->nonce, FZ_COOKIE_NONCE_LEN);
	down_read(&checker->lock);
	if (checker->present)
		xchacha20poly1305_encrypt(reply->sealed_cookie, cookie, FZ_COOKIE_LEN, mac1,
					  FZ_MAC_LEN, reply->nonce, checker->sealing_key);
	else
		err = -ENOKEY;
	up_read(&checker->lock);
	memzero_explicit(cookie, sizeof(cookie));
	return err;
}

/**
 * fz_cookie_init() - begin without a cookie
 * @cookie: of a new peer
 * @public_key: the peer's; stays as long as @cookie
 *
 * Context: any, not shared yet.
 */
void fz_cookie_init(struct fz_cookie *cookie, const u8 public_key[FZ_KEY_LEN])
{
	memset(cookie, 0, sizeof(*cookie));
	spin_lock_init(&cookie->lock);
	cookie->public_key = public_key;
}

/* The other end may draw a new secret at any time from its age on; we stop a little sooner. */
static bool cookie_is_fresh(const struct fz_cookie *cookie)
{
	return cookie->present &&
	       !fz_clock_expired(cookie->birth_ns,
				 FZ_COOKIE_SECRET_MAX_AGE - FZ_COOKIE_SECRET_LATENCY);
}

/**
 * fz_cookie_add_macs() - finish a handshake message (paper, section 5.4.4)
 * @message: &struct fz_message_initiation or &struct fz_message_response, complete but for the MACs
 * @len: its length in bytes
 * @cookie: of the peer that it is for
 *
 * Context: process context.
 */
void fz_cookie_add_macs(void *message, size_t len, struct fz_cookie *cookie)
{
	u8 *mac1 = (u8 *)message + mac1_covers(len);
	u8 *mac2 = (u8 *)message + mac2_covers(len);
	u8 key[FZ_KEY_LEN];

	derive_key(key, mac1_label, cookie->public_key);
	fz_blake2s(mac1, FZ_MAC_LEN, message, mac1_covers(len), key, FZ_KEY_LEN);
	spin_lock(&cookie->lock);
	memcpy(cookie->last_mac1, mac1, FZ_MAC_LEN);
	cookie->last_mac1_present = true;

	if (cookie_is_fresh(cookie))
		fz_blake2s(mac2, FZ_MAC_LEN, message, mac2_covers(len), cookie->cookie,
			   FZ_COOKIE_LEN);
	else
		memset(mac2, 0, FZ_MAC_LEN);
	spin_unlock(&cookie->lock);
}

/**
 * fz_cookie_reply_consume() - a peer under load has sent a cookie (paper, section 5.4.7)
 * @reply: as received
 * @cookie: of the peer that &struct fz_message_cookie.receiver_index leads to
 *
 * It counts from the next handshake message on.
 *
 * Context: process context.
 * Return: 0; -EPROTO when no handshake message waits for an answer; -EBADMSG when it is not an
 *	authentic answer to the last one.
 */
int fz_cookie_reply_consume(const struct fz_message_cookie *reply, struct fz_cookie *cookie)
{
	u8 opened[FZ_COOKIE_LEN], key[FZ_KEY_LEN];
	int err = 0;

	derive_key(key, cookie_label, cookie->public_key);
	spin_lock(&cookie->lock);
	if (!cookie->last_mac1_present) {
		err = -EPROTO;
	} else if (!xchacha20poly1305_decrypt(opened, reply->sealed_cookie,
					      sizeof(reply->sealed_cookie), cookie->last_mac1,
					      FZ_MAC_LEN, reply->nonce, key)) {
		err = -EBADMSG;
	} else {
		memcpy(cookie->cookie, opened, FZ_COOKIE_LEN);
		cookie->birth_ns = fz_clock_now();
		cookie->present = true;
		cookie->last_mac1_present = false;
	}
	spin_unlock(&cookie->lock);
	memzero_explicit(opened, sizeof(opened));
	return err;
}
