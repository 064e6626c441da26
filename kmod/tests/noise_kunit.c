// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "tests/noise_vectors.h"
#include "tests/suites.h"
#include "tunnel/noise.h"
#include "tunnel/peer.h"
#include "tunnel/tai64n.h"

/**
 * struct side - a device with one peer, as far as the handshake knows of them
 * @identity: of the device
 * @peers: of the device
 * @indices: of the device
 * @peer: the other side; only its handshake, sessions and reference count are used
 */
struct side {
	struct fz_identity identity;
	struct fz_peertable peers;
	struct fz_indextable indices;
	struct fz_peer *peer;
};

/**
 * struct scene - two sides that know each other
 * @initiator: begins
 * @responder: answers
 */
struct scene {
	struct side initiator;
	struct side responder;
};

static struct fz_handshake *handshake(struct side *side)
{
	return &side->peer->handshake;
}

static struct fz_keypairs *keypairs(struct side *side)
{
	return &side->peer->keypairs;
}

static void set_identity(struct side *side, const u8 private_key[FZ_KEY_LEN])
{
	down_write(&side->identity.lock);
	fz_identity_set(&side->identity, private_key);
	fz_handshake_forget_secret(handshake(side));
	up_write(&side->identity.lock);
}

static void set_up(struct kunit *test, struct side *side, const u8 private_key[FZ_KEY_LEN],
		   const u8 remote_key[FZ_KEY_LEN])
{
	struct fz_peer *peer = kunit_kzalloc(test, sizeof(*peer), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, peer);
	kref_init(&peer->refcount);
	fz_identity_init(&side->identity);
	KUNIT_ASSERT_EQ(test, fz_peertable_init(&side->peers), 0);
	KUNIT_ASSERT_EQ(test, fz_indextable_init(&side->indices), 0);
	fz_keypairs_init(&peer->keypairs, "kunit", 0);
	fz_handshake_init(&peer->handshake, peer, &side->identity, &side->indices, remote_key,
			  vector_psk);
	side->peer = peer;
	set_identity(side, private_key);
	KUNIT_ASSERT_EQ(test, fz_peertable_insert(&side->peers, &peer->handshake.remote), 0);
}

static void tear_down(struct kunit *test, struct side *side)
{
	if (!side->peer)
		return;
	fz_handshake_close(handshake(side));
	fz_keypairs_close(keypairs(side));
	fz_peertable_remove(&side->peers, &handshake(side)->remote);
	KUNIT_EXPECT_EQ(test, kref_read(&side->peer->refcount), 1);
	fz_peertable_destroy(&side->peers);
	fz_indextable_destroy(&side->indices);
	/* Nothing looks at the peer any more. */
	synchronize_rcu();
}

static int init(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scene);
	test->priv = scene;
	set_up(test, &scene->initiator, vector_initiator_private, vector_responder_public);
	set_up(test, &scene->responder, vector_responder_private, vector_initiator_public);
	return 0;
}

static void cleanup(struct kunit *test)
{
	struct scene *scene = test->priv;

	tear_down(test, &scene->initiator);
	tear_down(test, &scene->responder);
}

static bool same(const void *a, const void *b, size_t len)
{
	return !memcmp(a, b, len);
}

static bool is_wiped(const void *memory, size_t len)
{
	return !memchr_inv(memory, 0, len);
}

static bool has_no_exchange(struct side *side)
{
	return !handshake(side)->ours && !handshake(side)->theirs;
}

/* Each says whether the message was accepted, and gives the reference back. */
static bool consume_initiation(struct side *side, const struct fz_message_initiation *msg)
{
	struct fz_peer *peer = fz_handshake_consume_initiation(msg, &side->identity, &side->peers);

	if (peer)
		fz_peer_put(peer);
	return peer == side->peer;
}

static bool consume_response(struct side *side, const struct fz_message_response *msg)
{
	struct fz_peer *peer = fz_handshake_consume_response(msg, &side->identity, &side->indices);

	if (peer)
		fz_peer_put(peer);
	return peer == side->peer;
}

/* As if the last initiation had come long ago. */
static void let_time_pass(struct side *side)
{
	handshake(side)->latest_initiation_ns = 0;
	memset(handshake(side)->latest_timestamp, 0, FZ_TIMESTAMP_LEN);
}

static int begin_session(struct side *side)
{
	const struct fz_exchange *theirs = handshake(side)->theirs;
	bool initiator = !theirs || theirs->state != FZ_HANDSHAKE_CREATED_RESPONSE;

	return fz_handshake_begin_session(handshake(side), keypairs(side), initiator);
}

static void shake_hands(struct kunit *test, struct side *from, struct side *to)
{
	struct fz_message_initiation initiation;
	struct fz_message_response response;

	let_time_pass(to);
	KUNIT_ASSERT_EQ(test, fz_handshake_create_initiation(&initiation, handshake(from)), 0);
	KUNIT_ASSERT_TRUE(test, consume_initiation(to, &initiation));
	KUNIT_ASSERT_EQ(test, fz_handshake_create_response(&response, handshake(to)), 0);
	KUNIT_ASSERT_EQ(test, begin_session(to), 0);
	KUNIT_ASSERT_TRUE(test, consume_response(from, &response));
	KUNIT_ASSERT_EQ(test, begin_session(from), 0);
}

static struct fz_keypair *peek(struct fz_keypair __rcu *place)
{
	return rcu_dereference_protected(place, true);
}

static void noise_reads_the_vector_initiation(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_handshake *responder = handshake(&scene->responder);

	KUNIT_ASSERT_TRUE(test, consume_initiation(&scene->responder,
						   (const void *)vector_initiation));
	KUNIT_ASSERT_NOT_NULL(test, responder->theirs);
	KUNIT_EXPECT_EQ(test, responder->theirs->state, FZ_HANDSHAKE_CONSUMED_INITIATION);
	KUNIT_EXPECT_TRUE(test, same(responder->theirs->transcript.hash, vector_initiation_hash,
				     FZ_HASH_LEN));
	KUNIT_EXPECT_TRUE(test, same(responder->theirs->transcript.chaining_key,
				     vector_initiation_chaining_key, FZ_HASH_LEN));
	KUNIT_EXPECT_TRUE(test, same(responder->latest_timestamp, vector_timestamp,
				     FZ_TIMESTAMP_LEN));
	KUNIT_EXPECT_EQ(test, responder->theirs->remote_index, cpu_to_le32(0x01020304));
}

/* The initiator is put where it was when the vector initiation was made. */
static void await_vector_response(struct kunit *test, struct side *side,
				  struct fz_message_response *response)
{
	struct fz_message_initiation made;
	struct fz_exchange *ours;

	KUNIT_ASSERT_EQ(test, fz_handshake_create_initiation(&made, handshake(side)), 0);
	ours = handshake(side)->ours;
	memcpy(ours->transcript.hash, vector_initiation_hash, FZ_HASH_LEN);
	memcpy(ours->transcript.chaining_key, vector_initiation_chaining_key, FZ_HASH_LEN);
	memcpy(ours->ephemeral_private, vector_initiator_ephemeral_private, FZ_KEY_LEN);

	/* The index is protected by the MACs alone. */
	memcpy(response, vector_response, sizeof(*response));
	response->receiver_index = ours->entry.index;
}

static void noise_reads_the_vector_response(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct side *side = &scene->initiator;
	struct fz_message_response response;
	struct fz_keypair *keypair;

	await_vector_response(test, side, &response);
	KUNIT_ASSERT_TRUE(test, consume_response(side, &response));
	KUNIT_EXPECT_TRUE(test, same(handshake(side)->ours->transcript.hash, vector_response_hash,
				     FZ_HASH_LEN));
	KUNIT_EXPECT_TRUE(test, same(handshake(side)->ours->transcript.chaining_key,
				     vector_response_chaining_key, FZ_HASH_LEN));
	KUNIT_ASSERT_EQ(test, begin_session(side), 0);

	keypair = peek(keypairs(side)->current_keypair);
	KUNIT_ASSERT_NOT_NULL(test, keypair);
	KUNIT_EXPECT_TRUE(test, same(keypair->sending_key, vector_key_by_initiator, FZ_KEY_LEN));
	KUNIT_EXPECT_TRUE(test, same(keypair->receiving_key, vector_key_by_responder, FZ_KEY_LEN));
	KUNIT_EXPECT_EQ(test, keypair->remote_index, cpu_to_le32(0x05060708));
}

/* It is freed after that, when nobody can look. */
static void noise_wipes_an_exchange(struct kunit *test)
{
	struct fz_exchange *exchange = kunit_kzalloc(test, sizeof(*exchange), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, exchange);
	memset(exchange, 0xff, sizeof(*exchange));
	fz_exchange_wipe(exchange);
	KUNIT_EXPECT_TRUE(test, is_wiped(exchange, offsetof(struct fz_exchange, entry)));
}

static void noise_makes_a_session(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct side *from = &scene->initiator, *to = &scene->responder;
	struct fz_keypair *ours, *theirs;
	struct fz_index_entry *found;

	shake_hands(test, from, to);
	ours = peek(keypairs(from)->current_keypair);
	theirs = peek(keypairs(to)->next_keypair);
	KUNIT_ASSERT_NOT_NULL(test, ours);
	KUNIT_ASSERT_NOT_NULL(test, theirs);
	KUNIT_EXPECT_NULL(test, peek(keypairs(to)->current_keypair));

	KUNIT_EXPECT_TRUE(test, ours->initiator && !theirs->initiator);
	KUNIT_EXPECT_TRUE(test, same(ours->sending_key, theirs->receiving_key, FZ_KEY_LEN));
	KUNIT_EXPECT_TRUE(test, same(ours->receiving_key, theirs->sending_key, FZ_KEY_LEN));
	KUNIT_EXPECT_FALSE(test, same(ours->sending_key, ours->receiving_key, FZ_KEY_LEN));
	KUNIT_EXPECT_EQ(test, ours->remote_index, theirs->entry.index);
	KUNIT_EXPECT_EQ(test, theirs->remote_index, ours->entry.index);
	KUNIT_EXPECT_TRUE(test, fz_keypair_may_send(ours) && fz_keypair_may_receive(theirs));

	rcu_read_lock();
	found = fz_indextable_find(&from->indices, theirs->remote_index);
	rcu_read_unlock();
	KUNIT_EXPECT_PTR_EQ(test, found, &ours->entry);

	/* Of the handshake nothing is left. */
	KUNIT_EXPECT_TRUE(test, has_no_exchange(from) && has_no_exchange(to));
	KUNIT_EXPECT_EQ(test, begin_session(from), -EPROTO);
	KUNIT_EXPECT_EQ(test, begin_session(to), -EPROTO);
}

/* Whether what @from sends in its current session can be read by @to in any of its own. */
static bool is_heard(struct side *from, struct side *to)
{
	const struct fz_keypair *sent = peek(keypairs(from)->current_keypair);
	struct fz_keypair *heard[] = {
		peek(keypairs(to)->current_keypair),
		peek(keypairs(to)->previous_keypair),
		peek(keypairs(to)->next_keypair),
	};
	int i;

	for (i = 0; sent && i < ARRAY_SIZE(heard); i++) {
		if (heard[i] && heard[i]->entry.index == sent->remote_index &&
		    same(heard[i]->receiving_key, sent->sending_key, FZ_KEY_LEN))
			return true;
	}
	return false;
}

/* A packet comes that names @index as its receiver. */
static void confirm(struct side *side, __le32 index)
{
	struct fz_index_entry *entry;

	rcu_read_lock();
	entry = fz_indextable_find(&side->indices, index);
	if (entry)
		fz_keypairs_confirm(keypairs(side), container_of(entry, struct fz_keypair, entry));
	rcu_read_unlock();
}

/* Both ends begin before either has heard of it, as they do behind two firewalls. */
static void noise_survives_crossing_initiations(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct side *side[] = { &scene->initiator, &scene->responder };
	struct fz_message_initiation initiation[2];
	struct fz_message_response response[2];
	__le32 sent[2];
	int i;

	for (i = 0; i < 2; i++)
		KUNIT_ASSERT_EQ(test, fz_handshake_create_initiation(&initiation[i],
								     handshake(side[i])), 0);
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_TRUE(test, consume_initiation(side[i], &initiation[!i]));
		KUNIT_ASSERT_EQ(test, fz_handshake_create_response(&response[i],
								   handshake(side[i])), 0);
		KUNIT_ASSERT_EQ(test, begin_session(side[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, consume_response(side[i], &response[!i]));
		KUNIT_EXPECT_EQ(test, begin_session(side[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, is_heard(side[i], side[!i]));
		KUNIT_EXPECT_TRUE(test, has_no_exchange(side[i]));
	}

	/* Each sends a packet: from then on there is one session that both send in. */
	sent[0] = peek(keypairs(side[0])->current_keypair)->remote_index;
	sent[1] = peek(keypairs(side[1])->current_keypair)->remote_index;
	for (i = 0; i < 2; i++)
		confirm(side[i], sent[!i]);
	KUNIT_EXPECT_EQ(test, peek(keypairs(side[0])->current_keypair)->remote_index,
			peek(keypairs(side[1])->current_keypair)->entry.index);
	KUNIT_EXPECT_NE(test, peek(keypairs(side[0])->current_keypair)->initiator,
			peek(keypairs(side[1])->current_keypair)->initiator);
}

static void noise_makes_other_keys_each_time(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypairs *ours = keypairs(&scene->initiator);

	shake_hands(test, &scene->initiator, &scene->responder);
	shake_hands(test, &scene->initiator, &scene->responder);
	KUNIT_ASSERT_NOT_NULL(test, peek(ours->current_keypair));
	KUNIT_ASSERT_NOT_NULL(test, peek(ours->previous_keypair));
	KUNIT_EXPECT_FALSE(test, same(peek(ours->current_keypair)->sending_key,
				      peek(ours->previous_keypair)->sending_key, FZ_KEY_LEN));
}

static void noise_needs_the_same_psk(struct kunit *test)
{
	static const u8 none[FZ_KEY_LEN];
	struct scene *scene = test->priv;
	struct side *from = &scene->initiator, *to = &scene->responder;
	struct fz_message_initiation initiation;
	struct fz_message_response response;

	fz_handshake_set_psk(handshake(to), none);
	KUNIT_ASSERT_EQ(test, fz_handshake_create_initiation(&initiation, handshake(from)), 0);
	KUNIT_ASSERT_TRUE(test, consume_initiation(to, &initiation));
	KUNIT_ASSERT_EQ(test, fz_handshake_create_response(&response, handshake(to)), 0);
	KUNIT_EXPECT_FALSE(test, consume_response(from, &response));
	KUNIT_EXPECT_EQ(test, handshake(from)->ours->state, FZ_HANDSHAKE_CREATED_INITIATION);
	KUNIT_EXPECT_EQ(test, begin_session(from), -EPROTO);

	fz_handshake_set_psk(handshake(from), none);
	shake_hands(test, from, to);
}

static void noise_refuses_replays(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct side *from = &scene->initiator, *to = &scene->responder;
	struct fz_message_initiation first, second;

	KUNIT_ASSERT_TRUE(test, consume_initiation(to, (const void *)vector_initiation));
	KUNIT_EXPECT_FALSE(test, consume_initiation(to, (const void *)vector_initiation));
	/* However much later. */
	handshake(to)->latest_initiation_ns = 0;
	KUNIT_EXPECT_FALSE(test, consume_initiation(to, (const void *)vector_initiation));
	/* And when all sessions have been forgotten. */
	fz_handshake_clear(handshake(to));
	KUNIT_EXPECT_FALSE(test, consume_initiation(to, (const void *)vector_initiation));

	/* An older one is not accepted after a newer one. */
	KUNIT_ASSERT_EQ(test, fz_handshake_create_initiation(&first, handshake(from)), 0);
	KUNIT_ASSERT_EQ(test, fz_handshake_create_initiation(&second, handshake(from)), 0);
	KUNIT_ASSERT_TRUE(test, consume_initiation(to, &second));
	handshake(to)->latest_initiation_ns = 0;
	KUNIT_EXPECT_FALSE(test, consume_initiation(to, &first));
	KUNIT_EXPECT_FALSE(test, consume_initiation(to, (const void *)vector_initiation));
}

static void noise_refuses_a_flood(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct side *to = &scene->responder;
	const void *initiation = vector_initiation;

	KUNIT_ASSERT_TRUE(test, consume_initiation(to, initiation));
	/* It would be new, but comes less than a fiftieth of a second after the one before. */
	let_time_pass(to);
	handshake(to)->latest_initiation_ns = fz_clock_now() + NSEC_PER_SEC;
	KUNIT_EXPECT_FALSE(test, consume_initiation(to, initiation));
	handshake(to)->latest_initiation_ns = fz_clock_now() - NSEC_PER_SEC /
					      FZ_INITIATIONS_PER_SECOND;
	KUNIT_EXPECT_TRUE(test, consume_initiation(to, initiation));
}

static void noise_refuses_every_changed_bit(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_message_initiation initiation;
	struct fz_message_response response;
	size_t i;

	memcpy(&initiation, vector_initiation, sizeof(initiation));
	i = offsetof(struct fz_message_initiation, ephemeral);
	for (; i < offsetof(struct fz_message_initiation, macs); i++) {
		((u8 *)&initiation)[i] ^= 1 << i % 8;
		KUNIT_EXPECT_FALSE_MSG(test, consume_initiation(&scene->responder, &initiation),
				       "initiation, byte %zu", i);
		((u8 *)&initiation)[i] ^= 1 << i % 8;
	}
	KUNIT_EXPECT_NULL(test, handshake(&scene->responder)->theirs);
	KUNIT_EXPECT_TRUE(test, consume_initiation(&scene->responder, &initiation));

	await_vector_response(test, &scene->initiator, &response);
	i = offsetof(struct fz_message_response, ephemeral);
	for (; i < offsetof(struct fz_message_response, macs); i++) {
		((u8 *)&response)[i] ^= 1 << i % 7;
		KUNIT_EXPECT_FALSE_MSG(test, consume_response(&scene->initiator, &response),
				       "response, byte %zu", i);
		((u8 *)&response)[i] ^= 1 << i % 7;
	}
	KUNIT_EXPECT_TRUE(test, consume_response(&scene->initiator, &response));
}

static void noise_takes_only_the_latest_response(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct side *from = &scene->initiator, *to = &scene->responder;
	struct fz_message_initiation initiation;
	struct fz_message_response stale, response;

	KUNIT_ASSERT_EQ(test, fz_handshake_create_initiation(&initiation, handshake(from)), 0);
	KUNIT_ASSERT_TRUE(test, consume_initiation(to, &initiation));
	KUNIT_ASSERT_EQ(test, fz_handshake_create_response(&stale, handshake(to)), 0);
	/* One initiation is answered once. */
	KUNIT_EXPECT_EQ(test, fz_handshake_create_response(&response, handshake(to)), -EPROTO);

	KUNIT_ASSERT_EQ(test, fz_handshake_create_initiation(&initiation, handshake(from)), 0);
	KUNIT_EXPECT_FALSE(test, consume_response(from, &stale));
	let_time_pass(to);
	KUNIT_ASSERT_TRUE(test, consume_initiation(to, &initiation));
	KUNIT_ASSERT_EQ(test, fz_handshake_create_response(&response, handshake(to)), 0);
	KUNIT_EXPECT_TRUE(test, consume_response(from, &response));
	KUNIT_EXPECT_FALSE(test, consume_response(from, &response));
	KUNIT_EXPECT_EQ(test, begin_session(from), 0);
	KUNIT_EXPECT_FALSE(test, consume_response(from, &response));
}

static void noise_refuses_strangers(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_message_initiation initiation;

	/* The initiator gets another key, which the responder does not know. */
	set_identity(&scene->initiator, vector_initiator_ephemeral_private);
	KUNIT_ASSERT_EQ(test, fz_handshake_create_initiation(&initiation,
							     handshake(&scene->initiator)), 0);
	KUNIT_EXPECT_FALSE(test, consume_initiation(&scene->responder, &initiation));
	/* The responder gets another key: the message is not for it. */
	set_identity(&scene->responder, vector_initiator_ephemeral_private);
	KUNIT_EXPECT_FALSE(test, consume_initiation(&scene->responder,
						    (const void *)vector_initiation));
}

static void noise_needs_an_identity(struct kunit *test)
{
	static const u8 none[FZ_KEY_LEN];
	struct scene *scene = test->priv;
	struct side *side = &scene->responder;
	struct fz_message_initiation initiation;

	KUNIT_EXPECT_TRUE(test, same(side->identity.public_key, vector_responder_public,
				     FZ_KEY_LEN));
	set_identity(side, none);
	KUNIT_EXPECT_FALSE(test, side->identity.present);
	KUNIT_EXPECT_TRUE(test, is_wiped(side->identity.private_key, FZ_KEY_LEN));
	KUNIT_EXPECT_TRUE(test, is_wiped(side->identity.public_key, FZ_KEY_LEN));
	KUNIT_EXPECT_TRUE(test, is_wiped(handshake(side)->static_static, FZ_KEY_LEN));
	KUNIT_EXPECT_EQ(test, fz_handshake_create_initiation(&initiation, handshake(side)),
			-ENOKEY);
	KUNIT_EXPECT_FALSE(test, consume_initiation(side, (const void *)vector_initiation));

	set_identity(side, vector_responder_private);
	KUNIT_EXPECT_TRUE(test, consume_initiation(side, (const void *)vector_initiation));
	set_identity(side, NULL);
	KUNIT_EXPECT_FALSE(test, side->identity.present);
}

/* Points whose product with any clamped scalar is zero (RFC 7748, section 6.1). */
static const u8 low_order[][FZ_KEY_LEN] = {
	{ 0 },
	{ 1 },
	{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
	  0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
	  0xb8, 0x00 },
	{ 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
	  0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
	  0x11, 0x57 },
	{ 0xec, [1 ... 30] = 0xff, 0x7f },	/* p - 1 */
	{ 0xed, [1 ... 30] = 0xff, 0x7f },	/* p */
	{ 0xee, [1 ... 30] = 0xff, 0x7f },	/* p + 1 */
};

static void noise_refuses_low_order_peers(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct side *side = &scene->initiator;
	struct fz_message_initiation initiation;

	for (size_t i = 0; i < ARRAY_SIZE(low_order); i++) {
		struct side *weak = kunit_kzalloc(test, sizeof(*weak), GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, weak);
		set_up(test, weak, vector_initiator_private, low_order[i]);
		KUNIT_EXPECT_EQ_MSG(test, fz_handshake_create_initiation(&initiation,
									 handshake(weak)),
				    -EKEYREJECTED, "point %zu", i);
		KUNIT_EXPECT_TRUE(test, is_wiped(handshake(weak)->static_static, FZ_KEY_LEN));
		KUNIT_EXPECT_NULL(test, handshake(weak)->ours);
		tear_down(test, weak);
	}
	KUNIT_EXPECT_EQ(test, fz_handshake_create_initiation(&initiation, handshake(side)), 0);
	KUNIT_EXPECT_FALSE(test, is_wiped(handshake(side)->static_static, FZ_KEY_LEN));
}

/* The secret of the static keys is there from the first handshake on, and goes with our key. */
static void noise_secret_of_static_keys(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct side *side = &scene->responder;
	u8 known[FZ_KEY_LEN];

	KUNIT_EXPECT_FALSE(test, handshake(side)->static_known);
	KUNIT_EXPECT_TRUE(test, is_wiped(handshake(side)->static_static, FZ_KEY_LEN));
	KUNIT_EXPECT_TRUE(test, consume_initiation(side, (const void *)vector_initiation));
	KUNIT_EXPECT_TRUE(test, handshake(side)->static_known);
	memcpy(known, handshake(side)->static_static, FZ_KEY_LEN);
	KUNIT_EXPECT_FALSE(test, is_wiped(known, FZ_KEY_LEN));

	set_identity(side, vector_initiator_private);
	KUNIT_EXPECT_FALSE(test, handshake(side)->static_known);
	KUNIT_EXPECT_TRUE(test, is_wiped(handshake(side)->static_static, FZ_KEY_LEN));
	KUNIT_EXPECT_FALSE(test, consume_initiation(side, (const void *)vector_initiation));

	set_identity(side, vector_responder_private);
	fz_handshake_close(handshake(side));
	KUNIT_EXPECT_FALSE(test, consume_initiation(side, (const void *)vector_initiation));
	KUNIT_EXPECT_TRUE(test, is_wiped(handshake(side)->static_static, FZ_KEY_LEN));
	memzero_explicit(known, sizeof(known));
}

/* Right in everything, but that whoever made it chose what the ephemeral's secrets would be. */
static void forge_initiation(struct side *from, const u8 ephemeral[FZ_KEY_LEN],
			     struct fz_message_initiation *msg)
{
	static const u8 nothing[FZ_KEY_LEN];
	struct fz_transcript transcript;
	u8 key[FZ_KEY_LEN];

	memcpy(msg->ephemeral, ephemeral, FZ_KEY_LEN);
	fz_transcript_begin(&transcript, handshake(from)->remote.public_key);
	fz_transcript_mix_ephemeral(&transcript, ephemeral);
	fz_transcript_mix(&transcript, key, nothing);
	fz_transcript_seal(&transcript, msg->sealed_static, from->identity.public_key, FZ_KEY_LEN,
			   key);
	fz_transcript_mix(&transcript, key, handshake(from)->static_static);
	fz_transcript_seal(&transcript, msg->sealed_timestamp, vector_timestamp, FZ_TIMESTAMP_LEN,
			   key);
}

static void forge_response(const struct fz_handshake *to, const u8 ephemeral[FZ_KEY_LEN],
			   struct fz_message_response *msg)
{
	static const u8 nothing[FZ_KEY_LEN];
	struct fz_transcript transcript = to->ours->transcript;
	u8 key[FZ_KEY_LEN];

	memcpy(msg->ephemeral, ephemeral, FZ_KEY_LEN);
	fz_transcript_mix_ephemeral(&transcript, ephemeral);
	fz_transcript_mix(&transcript, NULL, nothing);
	fz_transcript_mix(&transcript, NULL, nothing);
	fz_transcript_mix_psk(&transcript, key, to->psk);
	fz_transcript_seal(&transcript, msg->sealed_nothing, NULL, 0, key);
}

static void noise_refuses_low_order_ephemerals(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_message_initiation initiation;
	struct fz_message_response response;

	memcpy(&initiation, vector_initiation, sizeof(initiation));
	await_vector_response(test, &scene->initiator, &response);
	for (size_t i = 0; i < ARRAY_SIZE(low_order); i++) {
		forge_initiation(&scene->initiator, low_order[i], &initiation);
		KUNIT_EXPECT_FALSE(test, consume_initiation(&scene->responder, &initiation));
		forge_response(handshake(&scene->initiator), low_order[i], &response);
		KUNIT_EXPECT_FALSE(test, consume_response(&scene->initiator, &response));
	}
}

static void noise_stops_when_closed(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct side *side = &scene->responder;
	struct fz_message_initiation initiation;
	struct fz_message_response response;

	KUNIT_ASSERT_TRUE(test, consume_initiation(side, (const void *)vector_initiation));
	KUNIT_EXPECT_FALSE(test, has_no_exchange(side));
	fz_handshake_close(handshake(side));
	KUNIT_EXPECT_TRUE(test, has_no_exchange(side));
	KUNIT_EXPECT_TRUE(test, is_wiped(handshake(side)->psk, FZ_KEY_LEN));
	KUNIT_EXPECT_TRUE(test, is_wiped(handshake(side)->static_static, FZ_KEY_LEN));

	KUNIT_EXPECT_EQ(test, fz_handshake_create_response(&response, handshake(side)),
			-ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, fz_handshake_create_initiation(&initiation, handshake(side)),
			-ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, begin_session(side), -ESHUTDOWN);
	let_time_pass(side);
	KUNIT_EXPECT_FALSE(test, consume_initiation(side, (const void *)vector_initiation));
}

static void noise_writes_tai64n(struct kunit *test)
{
	static const u8 expected[FZ_TIMESTAMP_LEN] = {
		/* 2026-01-02 03:04:05, and 16777216 * 29 ns */
		0x40, 0x00, 0x00, 0x00, 0x69, 0x57, 0x35, 0xaf, 0x1d, 0x00, 0x00, 0x00,
	};
	const struct timespec64 time = { .tv_sec = 1767323045, .tv_nsec = 500000000 };
	const struct timespec64 next = { .tv_sec = 1767323046, .tv_nsec = 0 };
	u8 a[FZ_TIMESTAMP_LEN], b[FZ_TIMESTAMP_LEN];

	fz_tai64n_encode(a, &time);
	KUNIT_EXPECT_TRUE(test, same(a, expected, sizeof(a)));
	fz_tai64n_encode(b, &next);
	KUNIT_EXPECT_TRUE(test, fz_tai64n_after(b, a));
	KUNIT_EXPECT_FALSE(test, fz_tai64n_after(a, b));
	KUNIT_EXPECT_FALSE(test, fz_tai64n_after(a, a));
}

static struct kunit_case noise_cases[] = {
	KUNIT_CASE(noise_reads_the_vector_initiation),
	KUNIT_CASE(noise_reads_the_vector_response),
	KUNIT_CASE(noise_wipes_an_exchange),
	KUNIT_CASE(noise_makes_a_session),
	KUNIT_CASE(noise_survives_crossing_initiations),
	KUNIT_CASE(noise_makes_other_keys_each_time),
	KUNIT_CASE(noise_needs_the_same_psk),
	KUNIT_CASE(noise_refuses_replays),
	KUNIT_CASE(noise_refuses_a_flood),
	KUNIT_CASE(noise_refuses_every_changed_bit),
	KUNIT_CASE(noise_takes_only_the_latest_response),
	KUNIT_CASE(noise_refuses_strangers),
	KUNIT_CASE(noise_needs_an_identity),
	KUNIT_CASE(noise_refuses_low_order_peers),
	KUNIT_CASE(noise_secret_of_static_keys),
	KUNIT_CASE(noise_refuses_low_order_ephemerals),
	KUNIT_CASE(noise_stops_when_closed),
	KUNIT_CASE(noise_writes_tai64n),
	{}
};

struct kunit_suite fz_noise_suite = {
	.name = "fz_noise",
	.init = init,
	.exit = cleanup,
	.test_cases = noise_cases,
};
