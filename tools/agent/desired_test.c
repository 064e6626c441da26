// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "desired.h"
#include "message.h"

static fz_Item *item_new(pb_size_t which)
{
	fz_Item *item = calloc(1, sizeof(*item));

	assert_non_null(item);
	item->which_body = which;
	return item;
}

static void prefix_set(fz_Prefix *p, const char *addr, size_t len, uint32_t bits)
{
	p->addr.size = (pb_size_t)len;
	memcpy(p->addr.bytes, addr, len);
	p->len = bits;
}

/* Puts and frees. */
static void put(struct desired *d, fz_Item *item)
{
	struct fz_error err = { 0 };

	assert_int_equal(desired_check(item, &err), 0);
	assert_int_equal(desired_put(d, item, &err), 0);
	free(item);
}

static fz_Item *peer_item(uint8_t key, unsigned int keepalive)
{
	fz_Item *item = item_new(fz_Item_peer_tag);
	fz_Peer *peer = &item->body.peer;

	peer->public_key.size = FZ_KEY_LEN;
	memset(peer->public_key.bytes, key, FZ_KEY_LEN);
	peer->keepalive_s = keepalive;
	peer->allowed_ip_count = 1;
	prefix_set(&peer->allowed_ip[0], "\x0a\x01\x00\x0a", 4, 32);
	return item;
}

static fz_Item *grant_item(uint8_t peer, const char *resource, uint64_t lease_ms)
{
	fz_Item *item = item_new(fz_Item_grant_tag);
	fz_Grant *grant = &item->body.grant;

	if (peer) {
		grant->peer.size = FZ_KEY_LEN;
		memset(grant->peer.bytes, peer, FZ_KEY_LEN);
	}
	strcpy(grant->resource, resource);
	grant->has_lease_ms = lease_ms != 0;
	grant->lease_ms = lease_ms;
	return item;
}

static void test_peer_is_replaced_by_key(void **state)
{
	struct desired d = { 0 };
	struct want_peer *peer;
	uint8_t key[FZ_KEY_LEN];
	fz_Item *gone;

	(void)state;
	memset(key, 7, sizeof(key));
	put(&d, peer_item(7, 25));
	peer = desired_peer(&d, key);
	assert_non_null(peer);
	peer->has_preshared = true;
	memset(peer->preshared, 9, FZ_KEY_LEN);
	put(&d, peer_item(7, 0));
	put(&d, peer_item(8, 0));
	assert_int_equal(HASH_COUNT(d.peers), 2);
	peer = desired_peer(&d, key);
	assert_int_equal(peer->keepalive, 0);
	assert_int_equal(peer->n_allowedips, 1);
	assert_int_equal(peer->allowedips[0].len, 32);
	/* the key of the pair outlives a change of the peer */
	assert_true(peer->has_preshared);
	assert_int_equal(peer->preshared[31], 9);

	gone = peer_item(7, 0);
	gone->remove = true;
	put(&d, gone);
	assert_null(desired_peer(&d, key));
	gone = peer_item(7, 0);
	gone->remove = true;
	put(&d, gone);	/* twice changes nothing */
	assert_int_equal(HASH_COUNT(d.peers), 1);
	desired_clear(&d);
	assert_null(d.peers);
}

static void test_grant_lease_counts_from_arrival(void **state)
{
	struct desired d = { 0 };
	struct want_grant *grant;
	struct grant_key key;
	fz_Item *item;

	(void)state;
	item = grant_item(7, "web", 60000);
	grant_key_of(&key, &item->body.grant);
	put(&d, item);
	grant = desired_grant(&d, &key);
	assert_non_null(grant);
	assert_in_range(desired_lease_left(grant), 1, 60000);
	grant->ends = desired_clock();
	assert_int_equal(desired_lease_left(grant), 0);

	/* the same peer, resource and direction renews; another direction is another grant */
	put(&d, grant_item(7, "web", 90000));
	assert_int_equal(HASH_COUNT(d.grants), 1);
	assert_in_range(desired_lease_left(desired_grant(&d, &key)), 60001, 90000);
	item = grant_item(7, "web", 0);
	item->body.grant.direction = fz_DIRECTION_OUT;
	put(&d, item);
	put(&d, grant_item(0, "web", 0));
	assert_int_equal(HASH_COUNT(d.grants), 3);
	desired_clear(&d);
}

static void test_prefix_kinds_are_apart(void **state)
{
	struct desired d = { 0 };
	fz_Item *item;

	(void)state;
	item = item_new(fz_Item_route_tag);
	prefix_set(&item->body.route, "\x0a\x01\x00\x00", 4, 24);
	put(&d, item);
	item = item_new(fz_Item_ask_tag);
	prefix_set(&item->body.ask, "\x0a\x01\x00\x00", 4, 24);
	put(&d, item);
	item = item_new(fz_Item_ask_tag);
	prefix_set(&item->body.ask, "\x0a\x01\x00\x00", 4, 24);
	put(&d, item);
	assert_int_equal(HASH_COUNT(d.prefixes), 2);
	item = item_new(fz_Item_route_tag);
	prefix_set(&item->body.route, "\x0a\x01\x00\x00", 4, 24);
	item->remove = true;
	put(&d, item);
	assert_int_equal(HASH_COUNT(d.prefixes), 1);
	assert_int_equal(d.prefixes->key.kind, PREFIX_ASK);
	desired_clear(&d);
}

static void test_nonsense_is_refused(void **state)
{
	struct fz_error err = { 0 };
	fz_Item *item;

	(void)state;
	item = peer_item(7, 0);
	item->body.peer.public_key.size = 31;
	assert_int_equal(desired_check(item, &err), -EINVAL);
	item->body.peer.public_key.size = 32;
	item->body.peer.allowed_ip[0].len = 33;
	assert_int_equal(desired_check(item, &err), -EINVAL);
	free(item);

	item = grant_item(7, "", 0);
	assert_int_equal(desired_check(item, &err), -EINVAL);
	free(item);

	item = item_new(fz_Item_route_tag);
	prefix_set(&item->body.route, "\x0a\x01\x00\x00\x00", 5, 24);
	assert_int_equal(desired_check(item, &err), -EINVAL);
	free(item);

	item = item_new(fz_Item_resource_tag);
	strcpy(item->body.resource.name, "web");
	item->body.resource.service_count = 1;
	item->body.resource.service[0].protocol = 6;
	item->body.resource.service[0].has_port_min = true;
	item->body.resource.service[0].port_min = 65536;
	assert_int_equal(desired_check(item, &err), -EINVAL);
	item->body.resource.service[0].port_min = 80;
	item->body.resource.service[0].has_port_max = true;
	item->body.resource.service[0].port_max = 79;
	assert_int_equal(desired_check(item, &err), -EINVAL);
	free(item);

	/* what a later version may send is no error */
	item = item_new(0);
	assert_int_equal(desired_check(item, &err), 0);
	free(item);
}

static void test_candidates_without_address_are_left_out(void **state)
{
	fz_Candidate list[2] = { 0 };
	struct fz_candidate *out;
	size_t n;

	(void)state;
	list[0].has_endpoint = true;
	list[0].endpoint.addr.size = 3;
	list[0].endpoint.port = 1;
	list[1].has_endpoint = true;
	list[1].endpoint.addr.size = 4;
	memcpy(list[1].endpoint.addr.bytes, "\xc6\x33\x64\x0a", 4);
	list[1].endpoint.port = 51820;
	list[1].priority = 5;
	assert_int_equal(desired_candidates(&out, &n, list, 2), 0);
	assert_int_equal(n, 1);
	assert_int_equal(out[0].priority, 5);
	assert_int_equal(ntohs(out[0].endpoint.v4.sin_port), 51820);
	free(out);
}

static fz_Item *removal(fz_Item *item)
{
	item->remove = true;
	return item;
}

/* One of each kind, the peer and the resource with more in them. */
static void put_each(struct desired *d)
{
	fz_Item *item;

	put(d, peer_item(1, 25));
	put(d, grant_item(1, "web", 1000));
	item = item_new(fz_Item_resource_tag);
	strcpy(item->body.resource.name, "web");
	item->body.resource.prefix_count = 2;
	prefix_set(&item->body.resource.prefix[0], "\x0a\x01\x00\x0a", 4, 32);
	prefix_set(&item->body.resource.prefix[1], "\x0a\x01\x00\x0b", 4, 32);
	put(d, item);
	item = item_new(fz_Item_route_tag);
	prefix_set(&item->body.route, "\x0a\x01\x00\x00", 4, 24);
	put(d, item);
	put(d, item_new(fz_Item_mode_tag));
}

static void test_bytes_are_counted(void **state)
{
	struct desired d = { 0 };
	fz_Item *item;
	size_t once;

	(void)state;
	put_each(&d);
	once = d.bytes;
	assert_true(once > 0);
	put_each(&d);
	assert_int_equal(d.bytes, once);

	put(&d, removal(peer_item(1, 0)));
	put(&d, removal(grant_item(1, "web", 0)));
	item = removal(item_new(fz_Item_resource_tag));
	strcpy(item->body.resource.name, "web");
	put(&d, item);
	item = removal(item_new(fz_Item_route_tag));
	prefix_set(&item->body.route, "\x0a\x01\x00\x00", 4, 24);
	put(&d, item);
	put(&d, removal(item_new(fz_Item_mode_tag)));
	assert_int_equal(d.bytes, 0);
	desired_clear(&d);
}

static void test_bytes_are_bounded(void **state)
{
	struct fz_error err = { 0 };
	struct desired d = { 0 };
	fz_Item *item;

	(void)state;
	put(&d, grant_item(1, "web", 0));
	d.bytes += DESIRED_BYTES_MAX;
	item = grant_item(1, "ssh", 0);
	assert_int_equal(desired_put(&d, item, &err), -E2BIG);
	assert_string_equal(err.text, "the broker's state is larger than the 256 MiB that are kept of it");
	assert_int_equal(HASH_COUNT(d.grants), 1);
	free(item);
	/* what goes may go */
	put(&d, removal(grant_item(1, "web", 0)));
	assert_int_equal(HASH_COUNT(d.grants), 0);
	desired_clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peer_is_replaced_by_key),
		cmocka_unit_test(test_grant_lease_counts_from_arrival),
		cmocka_unit_test(test_prefix_kinds_are_apart),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_candidates_without_address_are_left_out),
		cmocka_unit_test(test_bytes_are_counted),
		cmocka_unit_test(test_bytes_are_bounded),
	};

	return cmocka_run_group_tests_name("desired", tests, NULL, NULL);
}
