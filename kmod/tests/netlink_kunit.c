// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/fz.h>
#include <linux/in.h>
#include <linux/ktime.h>
#include <net/netlink.h>

#include "netlink/bucket.h"
#include "netlink/parse.h"
#include "tests/suites.h"

/**
 * struct scene - a message under construction and what a parser said
 * @skb: holds it
 * @nest: open at its beginning
 * @extack: of the parser
 */
struct scene {
	struct sk_buff *skb;
	struct nlattr *nest;
	struct netlink_ext_ack extack;
};

static int init(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scene);
	scene->skb = nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, scene->skb);
	scene->nest = nla_nest_start(scene->skb, 1);
	test->priv = scene;
	return 0;
}

static void finish(struct kunit *test)
{
	struct scene *scene = test->priv;

	if (scene)
		nlmsg_free(scene->skb);
}

static struct nlattr *finished(struct scene *scene)
{
	nla_nest_end(scene->skb, scene->nest);
	return scene->nest;
}

static void expect_refused(struct kunit *test, int ret, const char *sentence)
{
	struct scene *scene = test->priv;

	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	KUNIT_ASSERT_NOT_NULL(test, scene->extack._msg);
	KUNIT_EXPECT_STREQ(test, scene->extack._msg, sentence);
	KUNIT_EXPECT_NOT_NULL(test, scene->extack.bad_attr);
}

static void put_prefix(struct scene *scene, const void *addr, int size, u8 len)
{
	nla_put(scene->skb, FZ_PREFIX_A_ADDR, size, addr);
	nla_put_u8(scene->skb, FZ_PREFIX_A_LEN, len);
}

static void prefix_is_read(struct kunit *test)
{
	static const u8 addr[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	struct scene *scene = test->priv;
	struct fz_prefix prefix;

	put_prefix(scene, addr, 16, 32);
	KUNIT_EXPECT_EQ(test, fz_parse_prefix(finished(scene), &prefix, &scene->extack), 0);
	KUNIT_EXPECT_EQ(test, prefix.family, AF_INET6);
	KUNIT_EXPECT_EQ(test, prefix.len, 32);
	KUNIT_EXPECT_EQ(test, memcmp(&prefix.addr, addr, 16), 0);
}

static void prefix_of_odd_length(struct kunit *test)
{
	static const u8 addr[16];
	struct scene *scene = test->priv;
	struct fz_prefix prefix;

	put_prefix(scene, addr, 6, 8);
	expect_refused(test, fz_parse_prefix(finished(scene), &prefix, &scene->extack),
		       "an address is 4 bytes (IPv4) or 16 (IPv6)");
}

static void prefix_too_long(struct kunit *test)
{
	static const u8 addr[4];
	struct scene *scene = test->priv;
	struct fz_prefix prefix;

	put_prefix(scene, addr, 4, 33);
	expect_refused(test, fz_parse_prefix(finished(scene), &prefix, &scene->extack),
		       "the prefix is longer than its address");
}

static void prefix_with_host_bits(struct kunit *test)
{
	static const u8 addr[4] = { 10, 0, 0, 1 };
	struct scene *scene = test->priv;
	struct fz_prefix prefix;

	put_prefix(scene, addr, 4, 24);
	expect_refused(test, fz_parse_prefix(finished(scene), &prefix, &scene->extack),
		       "the address has bits set after the prefix length");
}

static void prefix_without_length(struct kunit *test)
{
	static const u8 addr[4] = { 10 };
	struct scene *scene = test->priv;
	struct fz_prefix prefix;

	nla_put(scene->skb, FZ_PREFIX_A_ADDR, 4, addr);
	expect_refused(test, fz_parse_prefix(finished(scene), &prefix, &scene->extack),
		       "a prefix needs an address and a length");
}

static void put_tuple(struct scene *scene, u8 proto)
{
	static const u8 src[4] = { 10, 0, 0, 1 };
	static const u8 dst[4] = { 10, 0, 0, 2 };

	nla_put_u8(scene->skb, FZ_TUPLE_A_PROTOCOL, proto);
	nla_put(scene->skb, FZ_TUPLE_A_SRC, 4, src);
	nla_put(scene->skb, FZ_TUPLE_A_DST, 4, dst);
}

static void tuple_is_read(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_tuple tuple;

	put_tuple(scene, IPPROTO_TCP);
	nla_put_u16(scene->skb, FZ_TUPLE_A_SPORT, 40000);
	nla_put_u16(scene->skb, FZ_TUPLE_A_DPORT, 443);
	KUNIT_EXPECT_EQ(test, fz_parse_tuple(finished(scene), &tuple, &scene->extack), 0);
	KUNIT_EXPECT_EQ(test, tuple.family, AF_INET);
	KUNIT_EXPECT_EQ(test, tuple.proto, IPPROTO_TCP);
	KUNIT_EXPECT_EQ(test, tuple.sport, 40000);
	KUNIT_EXPECT_EQ(test, tuple.dport, 443);
	KUNIT_EXPECT_EQ(test, tuple.icmp_type, 0);
}

static void tuple_without_port(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_tuple tuple;

	put_tuple(scene, IPPROTO_UDP);
	expect_refused(test, fz_parse_tuple(finished(scene), &tuple, &scene->extack),
		       "the tuple needs a destination port");
}

static void tuple_with_port_too_many(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_tuple tuple;

	put_tuple(scene, IPPROTO_GRE);
	nla_put_u16(scene->skb, FZ_TUPLE_A_DPORT, 443);
	expect_refused(test, fz_parse_tuple(finished(scene), &tuple, &scene->extack),
		       "this protocol has no ports");
}

static void tuple_of_the_wrong_icmp(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_tuple tuple;

	put_tuple(scene, IPPROTO_ICMPV6);
	nla_put_u8(scene->skb, FZ_TUPLE_A_ICMP_TYPE, 128);
	expect_refused(test, fz_parse_tuple(finished(scene), &tuple, &scene->extack),
		       "this protocol is not the family's ICMP");
}

static void tuple_of_two_families(struct kunit *test)
{
	static const u8 dst[16] = { 0x20 };
	static const u8 src[4] = { 10, 0, 0, 1 };
	struct scene *scene = test->priv;
	struct fz_tuple tuple;

	nla_put_u8(scene->skb, FZ_TUPLE_A_PROTOCOL, IPPROTO_TCP);
	nla_put(scene->skb, FZ_TUPLE_A_SRC, 4, src);
	nla_put(scene->skb, FZ_TUPLE_A_DST, 16, dst);
	expect_refused(test, fz_parse_tuple(finished(scene), &tuple, &scene->extack),
		       "source and destination are of different families");
}

static void unknown_attribute_in_a_nest(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_tuple tuple;

	put_tuple(scene, IPPROTO_GRE);
	nla_put_u8(scene->skb, FZ_TUPLE_A_MAX + 1, 0);
	KUNIT_EXPECT_EQ(test, fz_parse_tuple(finished(scene), &tuple, &scene->extack), -EINVAL);
	KUNIT_EXPECT_NOT_NULL(test, scene->extack._msg);
}

static void endpoint_of_the_wrong_size(struct kunit *test)
{
	const struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(1) };
	struct scene *scene = test->priv;
	union fz_path_addr addr;

	/* An IPv6 family in the size of an IPv4 address. */
	nla_put(scene->skb, 1, sizeof(struct sockaddr_in), &in6);
	expect_refused(test, fz_parse_endpoint(nla_data(scene->nest), &addr, &scene->extack),
		       "an endpoint is a struct sockaddr_in or sockaddr_in6 of that family");
	nla_put(scene->skb, 1, sizeof(in6), &in6);
	finished(scene);
	KUNIT_EXPECT_EQ(test, fz_parse_endpoint(nla_next(nla_data(scene->nest), &(int){ 64 }),
						&addr, &scene->extack), 0);
	KUNIT_EXPECT_EQ(test, addr.any.sa_family, AF_INET6);
}

static void bucket_holds_its_rate(struct kunit *test)
{
	struct fz_bucket bucket;
	unsigned int taken = 0;
	u64 begin;
	u64 now;

	fz_bucket_init(&bucket, 100, 5);
	begin = bucket.filled;
	while (fz_bucket_take_at(&bucket, begin))
		taken++;
	KUNIT_EXPECT_EQ(test, taken, 5);
	KUNIT_EXPECT_FALSE(test, fz_bucket_take_at(&bucket, begin + 9 * NSEC_PER_MSEC));
	KUNIT_EXPECT_TRUE(test, fz_bucket_take_at(&bucket, begin + 10 * NSEC_PER_MSEC));
	KUNIT_EXPECT_FALSE(test, fz_bucket_take_at(&bucket, begin + 10 * NSEC_PER_MSEC));
	/* A second of trying ten times as often lets the rate through, no more. */
	begin += NSEC_PER_SEC;
	while (fz_bucket_take_at(&bucket, begin))
		;
	for (taken = 0, now = begin; now < begin + NSEC_PER_SEC; now += NSEC_PER_MSEC)
		taken += fz_bucket_take_at(&bucket, now);
	KUNIT_EXPECT_EQ(test, taken, 99);
	/* It never holds more than its burst, and a clock that stands back takes nothing away. */
	now += 3600ULL * NSEC_PER_SEC;
	for (taken = 0; fz_bucket_take_at(&bucket, now); taken++)
		;
	KUNIT_EXPECT_EQ(test, taken, 5);
	KUNIT_EXPECT_FALSE(test, fz_bucket_take_at(&bucket, begin));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(prefix_is_read),
	KUNIT_CASE(prefix_of_odd_length),
	KUNIT_CASE(prefix_too_long),
	KUNIT_CASE(prefix_with_host_bits),
	KUNIT_CASE(prefix_without_length),
	KUNIT_CASE(tuple_is_read),
	KUNIT_CASE(tuple_without_port),
	KUNIT_CASE(tuple_with_port_too_many),
	KUNIT_CASE(tuple_of_the_wrong_icmp),
	KUNIT_CASE(tuple_of_two_families),
	KUNIT_CASE(unknown_attribute_in_a_nest),
	KUNIT_CASE(endpoint_of_the_wrong_size),
	KUNIT_CASE(bucket_holds_its_rate),
	{}
};

struct kunit_suite fz_netlink_suite = {
	.name = "fz-netlink",
	.init = init,
	.exit = finish,
	.test_cases = cases,
};
