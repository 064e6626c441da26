// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/string.h>
#include <net/net_namespace.h>

#include "tests/noise_vectors.h"
#include "tests/suites.h"
#include "tunnel/clock.h"
#include "tunnel/cookie.h"

/**
 * struct scene - an initiator and the responder that it writes to
 * @checker: of the responder
 * @cookie: of the initiator
 * @message: what the initiator sends
 */
struct scene {
	struct fz_cookie_checker checker;
	struct fz_cookie cookie;
	struct fz_message_initiation message;
};

/* A netns that no traffic comes from, so that the shared rate limit counts for nobody else. */
static const struct net *const no_net = (const struct net *)&no_net;

static const struct sockaddr_in here = {
	.sin_family = AF_INET,
	.sin_addr.s_addr = cpu_to_be32(0xc0000201),
	.sin_port = cpu_to_be16(51820),
};

static const struct sockaddr_in6 there = {
	.sin6_family = AF_INET6,
	.sin6_addr.s6_addr = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 },
	.sin6_port = cpu_to_be16(51820),
};

static int init(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scene);
	fz_cookie_checker_init(&scene->checker);
	fz_cookie_checker_set_key(&scene->checker, vector_responder_public);
	fz_cookie_init(&scene->cookie, vector_responder_public);
	memcpy(&scene->message, vector_initiation, sizeof(scene->message));
	test->priv = scene;
	return 0;
}

static bool same(const void *a, const void *b, size_t len)
{
	return !memcmp(a, b, len);
}

static enum fz_cookie_verdict check(struct scene *scene, bool under_load, const void *source)
{
	return fz_cookie_check(&scene->checker, &scene->message, sizeof(scene->message), under_load,
			       no_net, source);
}

static void add_macs(struct scene *scene)
{
	fz_cookie_add_macs(&scene->message, sizeof(scene->message), &scene->cookie);
}

static int ask(struct scene *scene, struct fz_message_cookie *reply, const void *source)
{
	return fz_cookie_reply_create(reply, &scene->message, sizeof(scene->message), source,
				      &scene->checker);
}

/* Has the responder give the initiator a cookie, and the initiator use it. */
static void exchange(struct kunit *test, const void *source)
{
	struct scene *scene = test->priv;
	struct fz_message_cookie reply;

	add_macs(scene);
	KUNIT_ASSERT_EQ(test, ask(scene, &reply, source), 0);
	KUNIT_ASSERT_EQ(test, fz_cookie_reply_consume(&reply, &scene->cookie), 0);
	add_macs(scene);
}

static void cookie_agrees_with_vectors(struct kunit *test)
{
	struct scene *scene = test->priv;

	memset(&scene->message.macs, 0xff, sizeof(scene->message.macs));
	add_macs(scene);
	KUNIT_EXPECT_TRUE(test, same(&scene->message, vector_initiation, sizeof(scene->message)));

	KUNIT_ASSERT_EQ(test, fz_cookie_reply_consume((const void *)vector_cookie_reply,
						      &scene->cookie), 0);
	add_macs(scene);
	KUNIT_EXPECT_TRUE(test, same(scene->message.macs.mac2, vector_initiation_mac2, FZ_MAC_LEN));
}

static void cookie_mac1_covers_the_message(struct kunit *test)
{
	struct scene *scene = test->priv;
	u8 *bytes = (u8 *)&scene->message;
	size_t i;

	KUNIT_EXPECT_EQ(test, check(scene, false, &here), FZ_COOKIE_MAC_VALID);
	for (i = 0; i < offsetofend(struct fz_message_initiation, macs.mac1); i++) {
		bytes[i] ^= 1;
		KUNIT_EXPECT_EQ_MSG(test, check(scene, false, &here), FZ_COOKIE_MAC_INVALID,
				    "byte %zu", i);
		bytes[i] ^= 1;
	}
	KUNIT_EXPECT_EQ(test, check(scene, false, &here), FZ_COOKIE_MAC_VALID);

	/* Too short to have MACs, and for somebody else. */
	KUNIT_EXPECT_EQ(test, fz_cookie_check(&scene->checker, bytes, FZ_MAC_LEN, false, no_net,
					      (const void *)&here), FZ_COOKIE_MAC_INVALID);
	fz_cookie_checker_set_key(&scene->checker, vector_initiator_public);
	KUNIT_EXPECT_EQ(test, check(scene, false, &here), FZ_COOKIE_MAC_INVALID);
}

static void cookie_needs_a_key(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_message_cookie reply;

	fz_cookie_checker_set_key(&scene->checker, NULL);
	KUNIT_EXPECT_EQ(test, check(scene, false, &here), FZ_COOKIE_MAC_INVALID);
	KUNIT_EXPECT_EQ(test, ask(scene, &reply, &here), -ENOKEY);
}

static void cookie_proves_address_and_port(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct sockaddr_in elsewhere = here;

	KUNIT_EXPECT_EQ(test, check(scene, true, &here), FZ_COOKIE_MAC_VALID);
	exchange(test, &here);
	KUNIT_EXPECT_EQ(test, check(scene, true, &here), FZ_COOKIE_VALID);
	KUNIT_EXPECT_EQ(test, check(scene, true, &there), FZ_COOKIE_MAC_VALID);
	elsewhere.sin_port ^= cpu_to_be16(1);
	KUNIT_EXPECT_EQ(test, check(scene, true, &elsewhere), FZ_COOKIE_MAC_VALID);
	elsewhere = here;
	elsewhere.sin_addr.s_addr ^= cpu_to_be32(1);
	KUNIT_EXPECT_EQ(test, check(scene, true, &elsewhere), FZ_COOKIE_MAC_VALID);
	scene->message.macs.mac2[0] ^= 1;
	KUNIT_EXPECT_EQ(test, check(scene, true, &here), FZ_COOKIE_MAC_VALID);

	exchange(test, &there);
	KUNIT_EXPECT_EQ(test, check(scene, true, &there), FZ_COOKIE_VALID);
	KUNIT_EXPECT_EQ(test, check(scene, true, &here), FZ_COOKIE_MAC_VALID);
}

static void cookie_is_rate_limited(struct kunit *test)
{
	struct scene *scene = test->priv;
	const struct sockaddr_in busy = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = cpu_to_be32(0xc0000263),
	};
	int valid = 0;

	exchange(test, &busy);
	/* More often than 20 a second for as long as a slow machine may need for it. */
	for (int i = 0; i < 1000; i++)
		valid += check(scene, true, &busy) == FZ_COOKIE_VALID;
	KUNIT_EXPECT_GE(test, valid, 5);
	KUNIT_EXPECT_LT(test, valid, 1000);
}

static void cookie_secret_is_drawn_anew(struct kunit *test)
{
	struct scene *scene = test->priv;
	u8 secret[FZ_HASH_LEN];

	exchange(test, &there);
	memcpy(secret, scene->checker.secret, sizeof(secret));
	scene->checker.secret_birth_ns -= (FZ_COOKIE_SECRET_MAX_AGE - 10) * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, check(scene, true, &there), FZ_COOKIE_VALID);
	KUNIT_EXPECT_TRUE(test, same(secret, scene->checker.secret, sizeof(secret)));

	scene->checker.secret_birth_ns -= 10 * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, check(scene, true, &there), FZ_COOKIE_MAC_VALID);
	KUNIT_EXPECT_FALSE(test, same(secret, scene->checker.secret, sizeof(secret)));
}

static void cookie_is_not_used_when_old(struct kunit *test)
{
	struct scene *scene = test->priv;

	exchange(test, &there);
	KUNIT_EXPECT_TRUE(test, memchr_inv(scene->message.macs.mac2, 0, FZ_MAC_LEN));
	scene->cookie.birth_ns -= (FZ_COOKIE_SECRET_MAX_AGE - FZ_COOKIE_SECRET_LATENCY) *
				  NSEC_PER_SEC;
	add_macs(scene);
	KUNIT_EXPECT_FALSE(test, memchr_inv(scene->message.macs.mac2, 0, FZ_MAC_LEN));
}

static void cookie_reply_answers_one_message(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_message_cookie reply, changed;

	/* Nothing was sent. */
	KUNIT_EXPECT_EQ(test, fz_cookie_reply_consume((const void *)vector_cookie_reply,
						      &scene->cookie), -EPROTO);
	add_macs(scene);
	KUNIT_ASSERT_EQ(test, ask(scene, &reply, &here), 0);
	KUNIT_EXPECT_EQ(test, reply.header.type, cpu_to_le32(FZ_MESSAGE_COOKIE));
	KUNIT_EXPECT_EQ(test, reply.receiver_index, scene->message.sender_index);

	changed = reply;
	changed.nonce[0] ^= 1;
	KUNIT_EXPECT_EQ(test, fz_cookie_reply_consume(&changed, &scene->cookie), -EBADMSG);
	changed = reply;
	changed.sealed_cookie[0] ^= 1;
	KUNIT_EXPECT_EQ(test, fz_cookie_reply_consume(&changed, &scene->cookie), -EBADMSG);

	/* Another message has been sent since. */
	scene->message.ephemeral[0] ^= 1;
	add_macs(scene);
	KUNIT_EXPECT_EQ(test, fz_cookie_reply_consume(&reply, &scene->cookie), -EBADMSG);
	KUNIT_EXPECT_FALSE(test, scene->cookie.present);

	KUNIT_ASSERT_EQ(test, ask(scene, &reply, &here), 0);
	KUNIT_EXPECT_EQ(test, fz_cookie_reply_consume(&reply, &scene->cookie), 0);
	KUNIT_EXPECT_EQ(test, fz_cookie_reply_consume(&reply, &scene->cookie), -EPROTO);
}

static void cookie_refuses_other_families(struct kunit *test)
{
	const struct sockaddr unknown = { .sa_family = AF_UNIX };
	struct scene *scene = test->priv;
	struct fz_message_cookie reply;

	KUNIT_EXPECT_EQ(test, ask(scene, &reply, &unknown), -EAFNOSUPPORT);
	KUNIT_EXPECT_EQ(test, check(scene, true, &unknown), FZ_COOKIE_MAC_VALID);
}

static struct kunit_case cookie_cases[] = {
	KUNIT_CASE(cookie_agrees_with_vectors),
	KUNIT_CASE(cookie_mac1_covers_the_message),
	KUNIT_CASE(cookie_needs_a_key),
	KUNIT_CASE(cookie_proves_address_and_port),
	KUNIT_CASE(cookie_is_rate_limited),
	KUNIT_CASE(cookie_secret_is_drawn_anew),
	KUNIT_CASE(cookie_is_not_used_when_old),
	KUNIT_CASE(cookie_reply_answers_one_message),
	KUNIT_CASE(cookie_refuses_other_families),
	{}
};

struct kunit_suite fz_cookie_suite = {
	.name = "fz_cookie",
	.init = init,
	.test_cases = cookie_cases,
};
