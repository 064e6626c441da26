// SPDX-License-Identifier: GPL-2.0-only
/* What observe-report makes of what was seen: all of it, and nothing else, but for what is in doubt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "denials.h"
#include "fzctl.h"
#include "suggest.h"

#define ALICE "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define BOB "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="

const struct command *command_find(const char *name)
{
	(void)name;
	return NULL;
}

static const struct suggest_options usual = { .min_count = 1, .max_ports = 16, .max_addresses = 64, .name = "seen" };

/* A flow of peer number @peer to 10.0.0.@host, or fd00::@host. */
static struct sighting sighting(uint8_t peer, bool six, uint8_t host, uint8_t protocol, uint16_t port)
{
	struct sighting one = { .dev = "fz0", .peer = { peer }, .protocol = protocol, .port = port, .count = 1 };

	one.family = six ? AF_INET6 : AF_INET;
	one.len = six ? 128 : 32;
	one.dst[0] = six ? 0xfd : 10;
	one.dst[six ? 15 : 3] = host;
	return one;
}

static void see(struct sightings *s, struct sighting one, uint64_t times)
{
	one.count = times;
	sightings_add(s, &one);
}

/* ---- suggestions ---- */

static bool holds(const struct suggestion *s, const struct sighting *one)
{
	bool address = false, service = false, peer = false;
	struct fz_addr addr = sighting_addr(one);

	if (strcmp(s->dev, one->dev) || s->direction != one->direction)
		return false;
	for (size_t i = 0; i < s->resource.n_prefixes; i++)
		address |= s->resource.prefixes[i].len == one->len &&
			   !memcmp(&s->resource.prefixes[i].addr, &addr, sizeof(addr));
	for (size_t i = 0; i < s->resource.n_services; i++) {
		const struct fz_service *v = &s->resource.services[i];

		service |= v->protocol == one->protocol &&
			   (!v->has_ports || (v->port_min <= one->port && one->port <= v->port_max));
	}
	for (size_t i = 0; i < s->n_grants; i++)
		peer |= !memcmp(s->grants[i].peer, one->peer, FZ_KEY_LEN);
	return address && service && peer;
}

/* How many different flows a suggestion admits. */
static size_t width(const struct suggestion *s)
{
	size_t services = 0;

	for (size_t i = 0; i < s->resource.n_services; i++) {
		const struct fz_service *v = &s->resource.services[i];

		services += v->has_ports ? v->port_max - v->port_min + 1U : 1;
	}
	return services * s->resource.n_prefixes * s->n_grants;
}

/* Whatever was seen is admitted once, and as many flows are admitted as were seen. */
static void test_exact(void **state)
{
	static const struct { uint8_t protocol; uint16_t port; } services[] = {
		{ IPPROTO_TCP, 22 }, { IPPROTO_TCP, 443 }, { IPPROTO_TCP, 444 }, { IPPROTO_TCP, 445 },
		{ IPPROTO_UDP, 443 }, { IPPROTO_ICMP, 8 }, { 47, 0 },
	};
	struct suggestions all;
	struct sightings s;

	(void)state;
	srandom(1);
	for (int round = 0; round < 300; round++) {
		size_t n = (size_t)random() % 200, admitted = 0;
		uint64_t count = 0;

		assert_int_equal(sightings_init(&s, 1000), 0);
		for (size_t i = 0; i < n; i++) {
			size_t v = (size_t)random() % (sizeof(services) / sizeof(services[0]));
			struct sighting one = sighting(random() % 3, random() % 4 == 0, random() % 5,
						       services[v].protocol, services[v].port);

			one.direction = random() % 4 == 0;
			if (random() % 8 == 0)
				strcpy(one.dev, "fz1");
			see(&s, one, 1 + (uint64_t)random() % 3);
		}
		assert_int_equal(suggest(&s, &usual, &all), 0);
		assert_int_equal(all.n_doubtful, 0);
		for (size_t i = 0; i < s.n; i++) {
			size_t times = 0;

			for (size_t k = 0; k < all.n; k++)
				times += holds(&all.list[k], &s.list[i]);
			assert_int_equal(times, 1);
			count += s.list[i].count;
		}
		for (size_t k = 0; k < all.n; k++) {
			admitted += width(&all.list[k]);
			count -= all.list[k].seen.count;
			for (size_t other = 0; other < k; other++) {
				/* one name is one resource */
				if (!strcmp(all.list[k].resource.name, all.list[other].resource.name) &&
				    !strcmp(all.list[k].dev, all.list[other].dev))
					assert_int_equal(all.list[k].direction + all.list[other].direction, 1);
			}
		}
		assert_int_equal(admitted, s.n);
		assert_int_equal(count, 0);
		suggestions_clear(&all);
		sightings_clear(&s);
	}
}

static size_t doubted(const struct suggestions *all, enum doubt doubt)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n_doubtful; i++) {
		if (all->doubtful[i].doubt == doubt)
			n += all->doubtful[i].n;
	}
	return n;
}

static void test_doubts(void **state)
{
	struct suggest_options options = usual;
	struct sighting reply = sighting(4, false, 9, IPPROTO_TCP, 40000);
	struct suggestions all;
	struct sightings s;

	(void)state;
	assert_int_equal(sightings_init(&s, 10000), 0);
	for (uint16_t port = 1; port <= 1000; port++)
		see(&s, sighting(1, false, 1, IPPROTO_TCP, port), port == 80 ? 50 : 1);
	for (uint16_t port = 1; port <= 16; port++)
		see(&s, sighting(1, false, 2, IPPROTO_TCP, port * 10), 1);
	for (uint8_t host = 1; host <= 100; host++)
		see(&s, sighting(2, false, host, IPPROTO_TCP, 445), host == 7 ? 50 : 1);
	see(&s, sighting(3, false, 1, IPPROTO_UDP, 50000), 2);
	see(&s, sighting(3, false, 1, IPPROTO_TCP, 50051), 3);
	see(&s, sighting(3, false, 1, IPPROTO_UDPLITE, 5), 9);
	reply.backwards = true;
	see(&s, reply, 9);
	assert_int_equal(suggest(&s, &options, &all), 0);
	assert_int_equal(doubted(&all, DOUBT_PORTS), 999);
	assert_int_equal(doubted(&all, DOUBT_ADDRESSES), 99);
	assert_int_equal(doubted(&all, DOUBT_EPHEMERAL), 1);
	assert_int_equal(doubted(&all, DOUBT_REPLY), 1);
	assert_int_equal(doubted(&all, DOUBT_UNNAMED), 1);
	assert_int_equal(doubted(&all, DOUBT_RARE), 0);
	/* port 80, 16 ports, host 7, port 50051 */
	assert_int_equal(all.n, 4);
	assert_int_equal(all.n_doubtful, 5);
	suggestions_clear(&all);
	/* neither many ports of an address, nor many addresses of a port */
	for (uint16_t i = 0; i < 1200; i++)
		see(&s, sighting(5, false, (uint8_t)(i / 10), IPPROTO_TCP, (uint16_t)(1 + i)), i == 7 ? 50 : 1);
	assert_int_equal(suggest(&s, &options, &all), 0);
	assert_int_equal(doubted(&all, DOUBT_MANY), 1199);
	assert_int_equal(all.n, 5);
	assert_int_equal(all.n_doubtful, 6);
	suggestions_clear(&all);
	options.min_count = 3;
	assert_int_equal(suggest(&s, &options, &all), 0);
	assert_int_equal(doubted(&all, DOUBT_RARE), 16 + 99 + 1199);
	assert_int_equal(doubted(&all, DOUBT_ADDRESSES), 0);
	assert_int_equal(all.n, 4);
	suggestions_clear(&all);
	sightings_clear(&s);
}

/* A name says the same of the same, and is no longer than it may be. */
static void test_names(void **state)
{
	struct sighting far = sighting(1, true, 1, IPPROTO_SCTP, 65535);
	struct suggestions one, two;
	struct sightings s;

	(void)state;
	memset(far.dst, 0xab, sizeof(far.dst));
	assert_int_equal(sightings_init(&s, 100), 0);
	see(&s, far, 5);
	assert_int_equal(suggest(&s, &usual, &one), 0);
	assert_string_equal(one.list[0].resource.name, "seen-abab:abab:abab:abab:abab:abab:abab:abab-sctp-65535");
	suggestions_clear(&one);
	sightings_clear(&s);
	assert_int_equal(sightings_init(&s, 100), 0);
	see(&s, sighting(1, false, 1, IPPROTO_TCP, 80), 1);
	see(&s, sighting(1, false, 1, IPPROTO_TCP, 443), 1);
	assert_int_equal(suggest(&s, &usual, &one), 0);
	see(&s, sighting(2, false, 9, IPPROTO_TCP, 22), 1);
	assert_int_equal(suggest(&s, &usual, &two), 0);
	assert_string_equal(one.list[0].resource.name, two.list[0].resource.name);
	suggestions_clear(&two);
	see(&s, sighting(1, false, 1, IPPROTO_TCP, 444), 1);
	assert_int_equal(suggest(&s, &usual, &two), 0);
	assert_string_not_equal(one.list[0].resource.name, two.list[0].resource.name);
	suggestions_clear(&two);
	suggestions_clear(&one);
	sightings_clear(&s);
}

/* Two resources that begin alike, and that a short sum (FNV-1a, 32 bits) took for one. */
static void test_names_differ(void **state)
{
	static const uint16_t ports[2][3] = { { 1, 35, 3389 }, { 1, 349, 737 } };
	struct suggestions all;
	struct sightings s;

	(void)state;
	assert_int_equal(sightings_init(&s, 100), 0);
	for (uint8_t direction = 0; direction < 2; direction++) {
		for (int i = 0; i < 3; i++) {
			struct sighting one = sighting(1, false, 1, IPPROTO_TCP, ports[direction][i]);

			one.direction = direction;
			see(&s, one, 1);
		}
	}
	assert_int_equal(suggest(&s, &usual, &all), 0);
	assert_int_equal(all.n, 2);
	assert_memory_equal(all.list[0].resource.name, "seen-10.0.0.1-tcp-1-", 20);
	assert_memory_equal(all.list[1].resource.name, "seen-10.0.0.1-tcp-1-", 20);
	assert_string_not_equal(all.list[0].resource.name, all.list[1].resource.name);
	suggestions_clear(&all);
	sightings_clear(&s);
}

/* What lies beside what in the table is another matter every time. */
static void test_keyed(void **state)
{
	struct sightings one, two;

	(void)state;
	assert_int_equal(sightings_init(&one, 1000), 0);
	assert_int_equal(sightings_init(&two, 1000), 0);
	for (uint16_t port = 1; port < 500; port++) {
		see(&one, sighting(1, false, 1, IPPROTO_TCP, port), 1);
		see(&two, sighting(1, false, 1, IPPROTO_TCP, port), 1);
	}
	assert_int_equal(one.n, two.n);
	assert_memory_equal(one.list, two.list, one.n * sizeof(*one.list));
	assert_memory_not_equal(one.index, two.index, (one.mask + 1) * sizeof(*one.index));
	sightings_clear(&one);
	sightings_clear(&two);
}

static struct sighting judged(struct sighting one, uint8_t reason, int64_t when)
{
	one.reason = reason;
	one.first = one.last = when;
	return one;
}

/* Where there is a grant, none is missing. */
static void test_grants(void **state)
{
	struct sighting web = sighting(1, false, 1, IPPROTO_TCP, 443), ssh = sighting(1, false, 1, IPPROTO_TCP, 22);
	struct suggestions all;
	struct sightings s;

	(void)state;
	assert_int_equal(sightings_init(&s, 1000), 0);
	/* more than a scan has */
	for (uint16_t port = 1000; port < 1100; port++)
		see(&s, judged(sighting(2, false, 1, IPPROTO_TCP, port), FZ_REASON_EXPIRED, 1), 1);
	see(&s, judged(sighting(2, false, 1, IPPROTO_TCP, 80), FZ_REASON_NO_GRANT, 1), 1);
	/* it was missing, and has ended since */
	see(&s, judged(web, FZ_REASON_NO_GRANT, 1), 2);
	see(&s, judged(web, FZ_REASON_EXPIRED, 2), 5);
	/* it has ended, and was removed since */
	see(&s, judged(ssh, FZ_REASON_QUOTA, 1), 2);
	see(&s, judged(ssh, FZ_REASON_NO_GRANT, 2), 5);
	see(&s, judged(sighting(3, false, 1, IPPROTO_UDP, 53), FZ_REASON_RATE, 1), 1);
	assert_int_equal(suggest(&s, &usual, &all), 0);
	assert_int_equal(all.n, 2);
	assert_int_equal(all.list[0].seen.count + all.list[1].seen.count, 6);
	assert_int_equal(doubted(&all, DOUBT_EXPIRED), 101);
	assert_int_equal(doubted(&all, DOUBT_QUOTA), 1);
	assert_int_equal(doubted(&all, DOUBT_RATE), 1);
	assert_int_equal(all.n_doubtful, 4);
	for (size_t i = 0; i < all.n_doubtful; i++) {
		assert_true(doubt_is_of_grant(all.doubtful[i].doubt));
		if (all.doubtful[i].one->port == 443)
			assert_int_equal(all.doubtful[i].seen.count, 7);
	}
	suggestions_clear(&all);
	/* Of a prefix it says nothing about each address. */
	for (size_t i = 0; i < s.n; i++)
		s.list[i].len = 24;
	assert_int_equal(suggest(&s, &usual, &all), 0);
	assert_int_equal(all.n, 2);
	assert_int_equal(all.list[0].seen.count + all.list[1].seen.count, 8);
	suggestions_clear(&all);
	sightings_clear(&s);
}

/* A million different flows in the room of a thousand: what is seen again and again is there at the end. */
static void test_room(void **state)
{
	struct sighting often = sighting(1, false, 1, IPPROTO_TCP, 443), rare = sighting(2, false, 0, IPPROTO_TCP, 1);
	uint64_t kept = 0;
	struct sightings s;
	bool found = false;

	(void)state;
	assert_int_equal(sightings_init(&s, 1000), 0);
	for (uint32_t i = 0; i < 300000; i++) {
		memcpy(&rare.dst[0], &i, sizeof(i));
		see(&s, rare, 1);
		if (i % 100 == 0)
			see(&s, often, 1);
	}
	assert_true(s.n <= 1000);
	for (size_t i = 0; i < s.n; i++) {
		kept += s.list[i].count;
		if (!memcmp(s.list[i].peer, often.peer, FZ_KEY_LEN)) {
			assert_int_equal(s.list[i].count, 3000);
			found = true;
		}
	}
	assert_true(found);
	assert_int_equal(kept + s.given_up_count, 303000);
	assert_int_equal(s.n + s.given_up, 300001);
	sightings_clear(&s);
}

/* ---- the command ---- */

#define EVENT(time, peer, tuple, verdict, reason) \
	"{\"time\":\"2026-11-" time "\",\"event\":\"denial\",\"device\":\"fz0\",\"peer\":\"" peer "\"," \
	"\"direction\":\"in\",\"tuple\":{" tuple "},\"verdict\":\"" verdict "\",\"reason\":\"" reason "\"}\n"
#define TCP(dst, port) "\"protocol\":\"tcp\",\"src\":\"10.9.0.2\",\"dst\":\"" dst "\",\"sport\":40000,\"dport\":" port

static const char events[] =
	EVENT("20T10:00:00.500Z", ALICE, TCP("10.1.0.5", "443"), "observe", "no-grant")
	EVENT("19T10:00:00.000Z", BOB, TCP("10.1.0.5", "443"), "observe", "no-grant")
	EVENT("21T10:00:00.000Z", ALICE, TCP("10.1.0.5", "443"), "observe", "no-grant")
	EVENT("21T10:00:00.000Z", ALICE, TCP("10.1.0.6", "22"), "refuse", "no-grant")
	EVENT("21T10:00:00.000Z", ALICE, TCP("10.1.0.5", "80"), "observe", "denied")
	EVENT("20T10:00:00.000Z", BOB, TCP("10.1.0.7", "25"), "observe", "expired")
	EVENT("21T10:00:00.000Z", BOB, TCP("10.1.0.7", "25"), "observe", "expired")
	EVENT("21T10:00:00.000Z", BOB, TCP("10.1.0.7", "587"), "observe", "quota")
	"\n"
	"{\"time\":\"2026-11-21T10:00:01.000Z\",\"event\":\"suppressed\",\"group\":\"denials\",\"device\":\"fz0\",\"suppressed\":5}\n"
	"{\"time\":\"2026-11-21T10:00:01.000Z\",\"event\":\"suppressed\",\"group\":\"flows\",\"device\":\"fz0\",\"suppressed\":9}\n"
	"{\"time\":\"2026-11-21T10:00:01.000Z\",\"event\":\"lost\",\"lost\":7}\n"
	"{\"time\":\"2026-11-21T10:00:01.000Z\",\"event\":\"peer\",\"device\":\"fz0\"}\n";

/* Runs the command line with @input in the file that it names FILE; returns what it printed, for free(). */
static char *run(int expected, const char *line, const char *input)
{
	char copy[512], file[] = "/tmp/fz-observe-XXXXXX", *words[32], *save = NULL, *said = NULL;
	FILE *kept_out = stdout, *kept_err = stderr;
	int n = 0, fd = mkstemp(file), status;
	size_t size;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, input, strlen(input)), strlen(input));
	close(fd);
	snprintf(copy, sizeof(copy), "observe-report %s", line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		words[n++] = strcmp(word, "FILE") ? word : file;
	words[n] = NULL;
	stdout = stderr = open_memstream(&said, &size);
	status = observe_report_main(n, words);
	fclose(stdout);
	stdout = kept_out;
	stderr = kept_err;
	unlink(file);
	if (status != expected)
		print_message("%s: exit status %d: %s\n", line, status, said);
	assert_int_equal(status, expected);
	return said;
}

static void expect(int expected, const char *line, const char *input, const char *output)
{
	char *said = run(expected, line, input);

	assert_string_equal(said, output);
	free(said);
}

static void test_commands(void **state)
{
	(void)state;
	expect(EXIT_DONE, "FILE", events,
	       "# denials: 8 times, 2026-11-19T10:00:00Z to 2026-11-21T10:00:00Z\n"
	       "# 5 more came too fast for the kernel to tell of them: something may be missing here\n"
	       "# 7 more came too fast for the monitor: something may be missing here\n"
	       "# 1 tell of packets that were refused, not observed: --refused counts them too\n"
	       "# 1 have the reason \"denied\", which a grant does not change\n"
	       "#\n"
	       "# there is a grant, that did not admit it:\n"
	       "# fz0 peer " BOB " in 10.1.0.7/32 tcp/25: the grant has expired: renew it; 2 times\n"
	       "# fz0 peer " BOB " in 10.1.0.7/32 tcp/587: the quota of the grant is used up: raise it; 1 time\n"
	       "\n"
	       "# 3 times, 2026-11-19T10:00:00Z to 2026-11-21T10:00:00Z\n"
	       "fzctl resource add fz0 seen-10.1.0.5-tcp-443 10.1.0.5/32 tcp/443\n"
	       "# 1 time, 2026-11-19T10:00:00Z to 2026-11-19T10:00:00Z\n"
	       "fzctl grant add fz0 peer " BOB " resource seen-10.1.0.5-tcp-443 in\n"
	       "# 2 times, 2026-11-20T10:00:00Z to 2026-11-21T10:00:00Z\n"
	       "fzctl grant add fz0 peer " ALICE " resource seen-10.1.0.5-tcp-443 in\n");
	expect(EXIT_DONE, "FILE --up --refused --peer xTI --for 7d --prefix-length 24 --name week", events,
	       "# denials: 4 times, 2026-11-20T10:00:00Z to 2026-11-21T10:00:00Z\n"
	       "# 4 are of other devices or peers than --device and --peer say\n"
	       "# 5 more came too fast for the kernel to tell of them: something may be missing here\n"
	       "# 7 more came too fast for the monitor: something may be missing here\n"
	       "# 1 have the reason \"denied\", which a grant does not change\n"
	       "\n"
	       "# 3 times, 2026-11-20T10:00:00Z to 2026-11-21T10:00:00Z\n"
	       "[Resource]\n"
	       "Name = week-10.1.0.0_24-tcp-22-b4065c6dfdad0f68f24825a1\n"
	       "Prefix = 10.1.0.0/24\n"
	       "Service = tcp/22,443\n"
	       "\n"
	       "[Grant]\n"
	       "Peer = " ALICE "\n"
	       "Resource = week-10.1.0.0_24-tcp-22-b4065c6dfdad0f68f24825a1\n"
	       "Direction = in\n"
	       "For = 7d\n");
	expect(EXIT_DONE, "FILE", "", "# no denials\n");
	expect(EXIT_DONE, "FILE --device fz9", events, "# no denials\n"
	       "# 8 are of other devices or peers than --device and --peer say\n"
	       "# 7 more came too fast for the monitor: something may be missing here\n");
	expect(EXIT_DONE, "FILE --peer CQk --min-count 2 --since 2026-11-20T10:00:00Z", events,
	       "# denials: 3 times, 2026-11-20T10:00:00Z to 2026-11-21T10:00:00Z\n"
	       "# 1 are earlier than --since says\n"
	       "# 4 are of other devices or peers than --device and --peer say\n"
	       "# 5 more came too fast for the kernel to tell of them: something may be missing here\n"
	       "# 7 more came too fast for the monitor: something may be missing here\n"
	       "#\n"
	       "# there is a grant, that did not admit it:\n"
	       "# fz0 peer " BOB " in 10.1.0.7/32 tcp/25: the grant has expired: renew it; 2 times\n"
	       "# fz0 peer " BOB " in 10.1.0.7/32 tcp/587: the quota of the grant is used up: raise it; 1 time\n");
	/* nor are the others of an earlier time counted */
	expect(EXIT_DONE, "FILE --since 2026-11-21T10:00:02Z", events, "# no denials\n"
	       "# 8 are earlier than --since says\n");
}

static void test_json(void **state)
{
	char *said = run(EXIT_DONE, "--json FILE", events);
	json_t *report = json_loads(said, 0, NULL), *suggested = json_object_get(report, "suggested");
	json_t *granted = json_object_get(report, "granted");

	(void)state;
	assert_non_null(report);
	assert_int_equal(json_integer_value(json_object_get(report, "count")), 8);
	assert_int_equal(json_integer_value(json_object_get(report, "suppressed")), 5);
	assert_int_equal(json_integer_value(json_object_get(report, "lost")), 7);
	assert_int_equal(json_array_size(suggested), 1);
	assert_int_equal(json_array_size(json_object_get(json_array_get(suggested, 0), "grants")), 2);
	assert_int_equal(json_array_size(granted), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(granted, 0), "doubt")), "expired");
	assert_string_equal(json_string_value(json_object_get(json_array_get(granted, 1), "doubt")), "quota");
	assert_int_equal(json_array_size(json_object_get(report, "not_suggested")), 0);
	json_decref(report);
	free(said);
}

#define AT(second) EVENT("20T10:00:0" second, ALICE, TCP("10.1.0.5", "443"), "observe", "no-grant")

/* Of a second, whatever the locale takes for a decimal point. */
static void test_fractions(void **state)
{
	static const struct { const char *line; int64_t ms; } whens[] = {
		{ AT("1Z"), 1000 }, { AT("1.5Z"), 1500 }, { AT("1.05Z"), 1050 }, { AT("1.123Z"), 1123 },
		{ AT("1.123999Z"), 1123 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(whens) / sizeof(whens[0]); i++) {
		struct denials denials = { .bits4 = 32, .bits6 = 128 };
		FILE *in = fmemopen((void *)whens[i].line, strlen(whens[i].line), "r");

		assert_non_null(in);
		assert_int_equal(sightings_init(&denials.seen, 10), 0);
		assert_int_equal(denials_read(&denials, in), 0);
		fclose(in);
		assert_int_equal(denials.bad_lines, 0);
		assert_int_equal(denials.first % 10000, whens[i].ms);
		sightings_clear(&denials.seen);
	}
}

/* What a clock and a calendar say now is behind us, as is what was a while ago. */
static void test_since(void **state)
{
	char now[48], line[sizeof(events)], *said;
	time_t when = time(NULL) - 60;
	struct tm tm;

	(void)state;
	gmtime_r(&when, &tm);
	strftime(now, sizeof(now), "\"time\":\"%Y-%m-%dT%H:%M:%SZ\"", &tm);
	snprintf(line, sizeof(line), "{%s,\"event\":\"lost\",\"lost\":3}\n", now);
	said = run(EXIT_DONE, "--since 2m FILE", line);
	assert_non_null(strstr(said, "# 3 more came"));
	free(said);
	said = run(EXIT_DONE, "--since 30s FILE", line);
	assert_null(strstr(said, "# 3 more came"));
	free(said);
	/* the last such time of the day, not the next: three minutes ago, or yesterday */
	when -= 120;
	localtime_r(&when, &tm);
	strftime(line + strlen(line) + 1, 32, "--since %H:%M FILE", &tm);
	said = run(EXIT_DONE, line + strlen(line) + 1, line);
	assert_non_null(strstr(said, "# 3 more came"));
	free(said);
}

/* A file of something else is no file without denials; which one it is, is said. */
static void test_wrong_files(void **state)
{
	static const char *const wrong[] = {
		"\037\213\b\n\377", "10:00:00.000 fz0 refused in peer " ALICE "\n",
		"[\n  {\n    \"peer\": \"" ALICE "\"\n  }\n]\n", "[]\n",
	};
	char *said;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		said = run(EXIT_REFUSED, "FILE", wrong[i]);
		if (strncmp(said, "fzctl: \"/tmp/fz-observe-", 23) || strchr(said, '#') ||
		    !strstr(said, "\" holds no event: it is not what `monitor denials --json` wrote\n"))
			fail_msg("%s: %s", wrong[i], said);
		free(said);
	}
	/* one that has some is read as far as it goes */
	said = run(EXIT_DONE, "FILE FILE", "{\"event\":\"peer\"}\n{\n");
	assert_non_null(strstr(said, "\": line 2 is no event\n"));
	assert_non_null(strstr(strstr(said, "no event") + 8, "\": line 2 is no event\n"));
	free(said);
}

/* Half a line at the end, and lines that would be something else to a shell. */
static void test_bad_lines(void **state)
{
	static const char *const bad[] = {
		"{\"time\":\"2026", "[]", "7", "{}", "{\"event\":7}", "{\"event\":\"denial\"}",
		EVENT("21T10:00:00", ALICE, TCP("10.1.0.5", "443"), "observe", "no-grant"),
		EVENT("21T10:00:00.Z", ALICE, TCP("10.1.0.5", "443"), "observe", "no-grant"),
		EVENT("21T10:00:00,5Z", ALICE, TCP("10.1.0.5", "443"), "observe", "no-grant"),
		EVENT("21T10:00:00.5e9Z", ALICE, TCP("10.1.0.5", "443"), "observe", "no-grant"),
		EVENT("x", ALICE, TCP("10.1.0.5", "443"), "observe", "no-grant"),
		EVENT("21T10:00:00Z", "a;rm", TCP("10.1.0.5", "443"), "observe", "no-grant"),
		EVENT("21T10:00:00Z", ALICE, TCP("10.1.0.5; rm", "443"), "observe", "no-grant"),
		EVENT("21T10:00:00Z", ALICE, TCP("10.1.0.5", "65536"), "observe", "no-grant"),
		EVENT("21T10:00:00Z", ALICE, TCP("10.1.0.5", "-1"), "observe", "no-grant"),
		EVENT("21T10:00:00Z", ALICE, "\"protocol\":\"icmp\",\"dst\":\"10.1.0.5\",\"icmp_type\":256", "observe", "no-grant"),
		EVENT("21T10:00:00Z\",\"device\":\"$(rm)", ALICE, TCP("10.1.0.5", "443"), "observe", "no-grant"),
	};
	char text[1024], *said;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "{\"event\":\"peer\"}\n%s", bad[i]);
		if (strstr(text, "$(rm)")) {
			/* the first of two keys does not count */
			snprintf(text, sizeof(text), "{\"event\":\"peer\"}\n%s", EVENT("21T10:00:00Z", ALICE, TCP("10.1.0.5", "443"),
								  "observe", "no-grant"));
			memcpy(strstr(text, "fz0"), "$rm", 3);
		}
		said = run(EXIT_DONE, "FILE", text);
		if (!strstr(said, ": line 2 is no event\n") || strstr(said, "resource add"))
			fail_msg("%s: %s", text, said);
		free(said);
	}
}

static void test_wrong_words(void **state)
{
	static const struct { const char *line, *sentence; } wrong[] = {
		{ "/nonexistent/x", "fzctl: cannot read \"/nonexistent/x\": No such file or directory\n" },
		{ "--up --json", "fzctl: --json and --up exclude each other\n" },
		{ "--frobnicate 1", "fzctl: \"--frobnicate\" is no option of observe-report\n" },
		{ "--min-count", "fzctl: a value is missing after \"--min-count\"\n" },
		{ "--min-count 0", "fzctl: \"0\" is no number (1 to 4294967295)\n" },
		{ "--prefix-length 33", "fzctl: \"33\" is no length of an IPv4 prefix (0 to 32)\n" },
		{ "--for 400d", "fzctl: \"400d\" is longer than a year (366 days)\n" },
		{ "--since 2199-01-01T00:00", "fzctl: \"2199-01-01T00:00\" is in the future\n" },
		{ "--since yesterday", "fzctl: \"yesterday\" is neither a time, like 18:00 or 2026-12-31T18:00:00Z, nor how long ago, like 8h\n" },
		{ "--for 1x", "fzctl: \"1x\" is no duration, like 90s, 15m, 8h or 7d\n" },
		{ "--name a;b", "fzctl: \"a;b\" is no start of a name (1 to 20 letters, digits and . _ -)\n" },
		{ "--device toolongdevicenamexxx", "fzctl: \"toolongdevicenamexxx\" is no name of a device (1 to 15 characters)\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect(EXIT_USAGE, wrong[i].line, "", wrong[i].sentence);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_doubts),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_differ),
		cmocka_unit_test(test_keyed),
		cmocka_unit_test(test_grants),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_fractions),
		cmocka_unit_test(test_since),
		cmocka_unit_test(test_wrong_files),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_wrong_words),
	};

	return cmocka_run_group_tests_name("observe-report", tests, NULL, NULL);
}
