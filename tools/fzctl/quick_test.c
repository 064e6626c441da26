// SPDX-License-Identifier: GPL-2.0-only
#include "quick.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define OTHER "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Ag="
#define TAG "000102030405060708090a0b0c0d0e0f"

static int read_bytes(const char *text, size_t len, struct quick *quick, struct fz_error *err)
{
	char path[] = "/tmp/fz-quick-test-XXXXXX";
	int fd = mkstemp(path), ret;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
	ret = quick_read(path, "fz0", quick, err);
	unlink(path);
	return ret;
}

static int read_text(const char *text, struct quick *quick, struct fz_error *err)
{
	return read_bytes(text, strlen(text), quick, err);
}

static void test_file(void **state)
{
	struct fz_device *dev;
	struct quick quick;
	struct fz_error err;

	(void)state;
	assert_int_equal(read_text("[Interface]\nPrivateKey = " KEY " # mine\nAddress = 10.0.0.1/24, fd00::1/64\n"
				   "address=192.0.2.1\nDNS = 10.0.0.53, example.org # home\nMTU = 1380\nTable = 7\n"
				   "PostUp = echo '%i' = up # said\nPreDown = false\nListenPort = 5\nSaveConfig = false\n"
				   "[Peer]\nPublicKey = " KEY "\nAllowedIPs = 0.0.0.0/0\n", &quick, &err), 0);
	assert_int_equal(quick.n_addresses, 3);
	assert_int_equal(quick.addresses[0].len, 24);
	assert_int_equal(quick.addresses[2].len, 32);
	assert_int_equal(quick.mtu, 1380);
	assert_int_equal(quick.table, 7);
	assert_int_equal(quick.servers.n, 1);
	assert_string_equal(quick.servers.texts[0], "10.0.0.53");
	assert_int_equal(quick.domains.n, 1);
	assert_string_equal(quick.domains.texts[0], "example.org");
	assert_int_equal(quick.hooks[POST_UP].n, 1);
	assert_string_equal(quick.hooks[POST_UP].texts[0], "echo '%i' = up");
	assert_int_equal(quick.hooks[PRE_DOWN].n, 1);
	assert_false(quick.save);
	assert_false(quick_says_policy(&quick));
	assert_int_equal(quick_config(&quick, false, &dev, &err), 0);
	assert_int_equal(dev->listen_port, 5);
	assert_int_equal(dev->n_peers, 1);
	fz_device_free(dev);
	quick_free(&quick);
}

/* What an editor of another system leaves, or a generator that has nothing to say. */
static void test_spellings(void **state)
{
	struct fz_device *dev;
	struct quick quick;
	struct fz_error err;

	(void)state;
	assert_int_equal(read_text("\xef\xbb\xbf [interFACE] # us\r\nPRIVATEKEY=" KEY "\r\n\tADDRESS\t=\t10.0.0.1/255.255.255.0\r\n"
				   "DNS =\r\nMTU =\r\nTable = auto\r\nPostUp =\r\nSAVECONFIG = TRUE\r\n#Address = 10.0.0.2\r\n"
				   "Address = \r\n\r\n [ Peer ]\r\npublickey = " KEY, &quick, &err), 0);
	assert_int_equal(quick.n_addresses, 1);
	assert_int_equal(quick.addresses[0].len, 24);
	assert_int_equal(quick.servers.n + quick.domains.n, 0);
	assert_int_equal(quick.mtu, 0);
	assert_int_equal(quick.table, 0);
	assert_false(quick.no_routes);
	assert_string_equal(quick.table_text, "auto");
	assert_int_equal(quick.hooks[POST_UP].n, 1);
	assert_string_equal(quick.hooks[POST_UP].texts[0], "");
	assert_true(quick.save);
	assert_int_equal(quick_config(&quick, false, &dev, &err), 0);
	assert_int_equal(dev->n_peers, 1);
	fz_device_free(dev);
	quick_free(&quick);
}

static void test_tables(void **state)
{
	static const struct {
		const char *word;
		uint32_t table;
		bool off;
	} cases[] = {
		{ "off", 0, true }, { "auto", 0, false }, { "", 0, false }, { "main", 254, false },
		{ "0x10", 16, false }, { "4294967295", UINT32_MAX, false },
	};
	struct quick quick;
	struct fz_error err;
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "[Interface]\nTable = 9\nTable = %s\n", cases[i].word);
		assert_int_equal(read_text(text, &quick, &err), 0);
		assert_int_equal(quick.table, cases[i].table);
		assert_int_equal(quick.no_routes, cases[i].off);
		quick_free(&quick);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{ "[Interface]\nAddress = 10.0.0.300/24\n", "line 2: \"10.0.0.300/24\"" },
		{ "[Interface]\nAddress = 10.0.0.1/255.0.255.0\n", "\"10.0.0.1/255.0.255.0\"" },
		{ "[Interface]\nAddress = fd00::1/255.0.0.0\n", "\"fd00::1/255.0.0.0\"" },
		{ "[Interface]\nMTU = 10\n", "\"10\"" },
		{ "[Interface]\nMTU = 65456\n", "\"65456\"" },
		{ "[Interface]\nTable = no-such-table\n", "\"no-such-table\"" },
		{ "[Interface]\nTable = OFF\n", "\"OFF\"" },
		{ "[Interface]\nTable = 0\n", "\"0\"" },
		{ "[Interface]\nTable = 4294967296\n", "\"4294967296\"" },
		{ "[Interface]\nTable = 5x\n", "\"5x\"" },
		{ "[Interface]\nSaveConfig = yes\n", "\"yes\"" },
		{ "[Interface]\nSaveConfig =\n", "\"\"" },
	}, of_wg[] = {
		{ "[Interface]\nFoo = 1\n", "line 2: Line unrecognized: `Foo=1'" },
		{ "[Interface]\nAddress\n", "line 2: Line unrecognized: `Address'" },
		{ "[Peer]\n\nAddress = 10.0.0.1/24\n", "line 3: Line unrecognized: `Address=10.0.0.1/24'" },
		{ "Address = 10.0.0.1/24\n", "line 1: Line unrecognized" },
		{ "[Interface]\n[Peer]\nMode = open\n", "line 3: Line unrecognized" },
		{ "[Interface]\nMode\n", "line 2: Line unrecognized: `Mode'" },
		{ "[Interface]\n[Grant] = 1\n", "line 2: Line unrecognized: `[Grant]=1'" },
		{ "[Interface]\nMTU = 1400\n[Peer]\nEndpoint = nowhere.invalid:1\n", "A peer is missing a public key" },
	};
	struct fz_device *dev;
	struct quick quick;
	struct fz_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_not_equal(read_text(cases[i].text, &quick, &err), 0);
		assert_non_null(strstr(err.text, cases[i].word));
	}
	for (size_t i = 0; i < sizeof(of_wg) / sizeof(of_wg[0]); i++) {
		assert_int_equal(read_text(of_wg[i].text, &quick, &err), 0);
		assert_int_not_equal(quick_config(&quick, true, &dev, &err), 0);
		assert_non_null(strstr(err.text, of_wg[i].word));
		quick_free(&quick);
	}
	assert_int_not_equal(read_bytes("[Interface]\nMTU = 1400\0\n", 24, &quick, &err), 0);
	assert_non_null(strstr(err.text, "line 2: there is a zero byte"));
	assert_int_not_equal(quick_read("/nonexistent/fz0.conf", "fz0", &quick, &err), 0);
}

static int read_policy(const char *text, struct quick_policy *policy, struct fz_error *err)
{
	struct fz_device *dev;
	struct quick quick;
	int ret;

	assert_int_equal(read_text(text, &quick, err), 0);
	assert_int_equal(quick_config(&quick, true, &dev, err), 0);
	ret = quick_policy(&quick, dev, policy, err);
	fz_device_free(dev);
	quick_free(&quick);
	return ret;
}

/* Wherever a grant stands, its resource and its peer are found. */
static void test_policy(void **state)
{
	struct quick_policy policy;
	struct fz_error err;
	const struct fz_grant *grant;
	char services[64];

	(void)state;
	assert_int_equal(read_policy("[Interface]\nMode = in enforce  reject out open # yes\n[Grant]\n# later\nFor = 8h\n"
				     "resource = web\nAction = deny\nPeer = any\nDirection = out\n[resource] # one\n"
				     " service = tcp/80,443 icmp # web\nName = web\nPrefix = 10.0.0.0/8,fd00::/8\n"
				     "Prefix = 192.0.2.1\n[Peer]\nPublicKey = " KEY "\n[grant]\nPeer = xTIB...\nResource = web\n"
				     "Action = allow\nTag = " TAG "\nQuota=20G\nRate = 10Mbit\nFlows = 20/s\n"
				     "[Grant]\nPeer = " KEY "\nDirection = out\nResource = web\nUntil = 2001-01-01T00:00\n",
				     &policy, &err), 0);
	assert_int_equal(policy.mode[FZ_DIR_IN].flags, FZ_MODE_F_REJECT);
	assert_int_equal(policy.mode[FZ_DIR_OUT].mode, FZ_MODE_OPEN);
	assert_int_equal(policy.n_resources, 1);
	assert_int_equal(policy.resource_lines[0], 10);
	assert_string_equal(policy.resources[0].name, "web");
	assert_int_equal(policy.resources[0].n_prefixes, 3);
	assert_string_equal(fz_format_services(services, sizeof(services), &policy.resources[0]), "tcp/80,443 icmp");
	assert_int_equal(policy.n_grants, 3);
	grant = policy.grants;
	assert_true(grant->any && grant->has_lease && !grant->quota && !grant->has_tag);
	assert_int_equal(grant->lease_ms, 8 * 3600 * 1000);
	assert_int_equal(grant->action, FZ_ACTION_DENY);
	assert_int_equal(grant->direction, FZ_DIR_OUT);
	grant++;
	assert_true(!grant->any && !grant->has_lease && grant->has_tag);
	assert_int_equal(grant->peer[0], 0xc5);
	assert_int_equal(grant->tag[15], 0x0f);
	assert_int_equal(grant->quota, 20ULL << 30);
	assert_int_equal(grant->rate, 10000000);
	assert_int_equal(grant->flow_rate, 20);
	assert_int_equal(policy.grant_lines[1], 17);
	/* what is over is no mistake */
	assert_true(grant[1].has_lease);
	assert_int_equal(grant[1].lease_ms, 0);
	quick_policy_free(&policy);
}

/* What wg(8) gets is the rest. */
static void test_rest(void **state)
{
	struct quick quick;
	struct fz_error err;

	(void)state;
	assert_int_equal(read_text("[Interface]\nMode =\n[Resource]\nName = web\n[Peer]\nPublicKey = " KEY "\n[Grant]\nfoo\n",
				   &quick, &err), 0);
	assert_true(quick_says_policy(&quick));
	assert_int_equal(quick.config.n, 3);
	assert_string_equal(quick.config.lines[1].text, "[Peer]");
	assert_int_equal(quick.config.lines[1].number, 5);
	assert_int_equal(quick.policy.n, 4);
	quick_free(&quick);
}

#define WEB "[Resource]\nName = web\nPrefix = 10.0.0.0/8\n"	/* lines 1 to 3 of what follows */
#define ANY WEB "[Grant]\nPeer = any\nResource = web\n"		/* lines 1 to 6 */

/* Each key has one value, which is all of its line; the sentence says where it stands. */
static void test_policy_refused(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{ "[Interface]\nMode =\n", ", line 2: Mode: there is no value" },
		{ "[Interface]\nMode = opne\n", ", line 2: Mode: \"opne\" is neither a direction (in, out) nor a mode" },
		{ "[Interface]\nMode = in\n", ", line 2: Mode: a mode is missing after \"in\"" },
		{ "[Interface]\nMode = in inherit\n", ", line 2: Mode: \"inherit\" is for peers" },
		{ "[Interface]\nMode = peer " KEY " open\n", ", line 2: Mode: \"peer\" is neither a direction" },
		{ "[Interface]\nMode = open\nMode = open\n", ", line 3: Mode: it is there already, in line 2" },
		{ "[Interface]\nMode = in open in observe\n", ", line 2: Mode: \"in\": this direction has a mode already" },
		{ "[Resource]\nPrefix = 10.0.0.0/8\n", ", line 1: [Resource] without \"Name\"" },
		{ "[Resource]\nName = web\n[Grant]\n", ", line 1: [Resource] without \"Prefix\"" },
		{ "[Resource]\nName =\n", ", line 2: Name: there is no value" },
		{ "[Resource]\nName = db 10.0.0.0/8\n", ", line 2: Name: \"db 10.0.0.0/8\" is no name" },
		{ "[Resource]\nName = db\nNAME = db\n", ", line 3: Name: it is there already, in line 2" },
		{ WEB WEB, ", line 5: Name: \"web\" is the resource in line 1" },
		{ "[Resource]\nPrefix = 10.0.0.1/8\n", ", line 2: Prefix: \"10.0.0.1/8\" has bits set" },
		{ "[Resource]\nPrefix = ,\n", ", line 2: Prefix: there is no value" },
		{ "[Resource]\nPrefix = tcp/80\n", ", line 2: Prefix: \"tcp/80\" is no prefix" },
		{ WEB "Service =\n", ", line 4: Service: there is no value" },
		{ WEB "Service = tcp/80, icmp\n", ", line 4: Service: \"tcp/80,\": services are divided by blanks" },
		{ WEB "Service = tcp 10.0.0.0/8\n", ", line 4: Service: \"10.0.0.0/8\" is no service" },
		{ WEB "Port = 1\n", ", line 4: \"Port\" is no key of [Resource]" },
		{ WEB "Peer = any\n", ", line 4: \"Peer\" is no key of [Resource]" },
		{ "[Interface]\n[Grant]\nPeer = any\n", ", line 2: [Grant] without \"Resource\"" },
		{ WEB "[Grant]\nResource = web\n", ", line 4: [Grant] without \"Peer\"" },
		{ "[Grant]\nPrefix = any\n", ", line 2: \"Prefix\" is no key of [Grant]" },
		{ "[Grant]\nany\n", ", line 2: \"any\" is no line of a [Grant]" },
		{ "[Grant]\nPeer =\n", ", line 2: Peer: there is no value" },
		{ "[Grant]\nPeer = " KEY "\n", ", line 2: Peer: \"" KEY "\" is no [Peer] of this file" },
		{ "[Grant]\nPeer = xT\n", ", line 2: Peer: \"xT\" is neither a key nor the start of one in this file" },
		{ "[Peer]\nPublicKey = " KEY "\n[Peer]\nPublicKey = " OTHER "\n[Grant]\nPeer = xTIB\n",
		  ", line 6: Peer: \"xTIB\" is the start of more than one key" },
		{ "[Peer]\nPublicKey = " KEY "\n[Peer]\nPublicKey = " KEY "\n[Grant]\nPeer = xTIB\n", ", line 5: [Grant] without" },
		{ "[Grant]\nPeer = " KEY " resource\n", ", line 2: Peer: \"" KEY " resource\" is no key" },
		{ "[Grant]\nResource = web\n", ", line 2: Resource: \"web\" is no [Resource] of this file" },
		{ WEB "[Grant]\nResource = web deny\n", ", line 5: Resource: \"web deny\" is no name" },
		{ ANY "Resource = web\n", ", line 7: Resource: it is there already, in line 6" },
		{ ANY "Direction =\n", ", line 7: Direction: there is no value" },
		{ ANY "Direction = deny\n", ", line 7: Direction: \"deny\" is no direction" },
		{ ANY "Action =\n", ", line 7: Action: there is no value" },
		{ ANY "Action = out\n", ", line 7: Action: \"out\" is no action (allow, deny)" },
		{ ANY "Action = alow\n", ", line 7: Action: \"alow\" is no action (allow, deny)" },
		{ ANY "For =# 8h\n", ", line 7: For: there is no value" },
		{ ANY "For = 367d\n", ", line 7: For: \"367d\" is longer than a year" },
		{ ANY "For = 8h\nUntil = 18:00\n", ", line 8: Until: a grant ends once only" },
		{ ANY "Until =\n", ", line 7: Until: there is no value" },
		{ ANY "Tag = 00\n", ", line 7: Tag: \"00\" is no tag" },
		{ ANY "\n# what\nQuota =\n", ", line 9: Quota: there is no value" },
		{ ANY "Quota = 1G rate 1Mbit\n", ", line 7: Quota: \"1G rate 1Mbit\" is no size" },
		{ ANY "Quota = 1G\nRate = 1Mbit\nquota = 2G\n", ", line 9: Quota: it is there already, in line 7" },
		{ ANY "Rate = 10Mbps\n", ", line 7: Rate: \"10Mbps\" is no rate" },
		{ ANY "Rate = 10000000Gbit\n", ", line 7: Rate: \"10000000Gbit\" is more than the largest rate" },
		{ ANY "Flows = 20\n", ", line 7: Flows: \"20\" is no number of new flows" },
		{ ANY "Action = deny\nFlows = 20/s\n", ", line 7: Action: quota, rate and flows are for what is allowed" },
		{ ANY "[Grant]\nResource = web\nDirection = in\nPeer = any\n",
		  ", line 7: [Grant] for the peer, resource and direction of that in line 4" },
	};
	struct quick_policy policy;
	struct fz_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!read_policy(cases[i].text, &policy, &err))
			fail_msg("not refused: %s", cases[i].text);
		if (!strstr(err.text, cases[i].word))
			fail_msg("%s: \"%s\"", cases[i].text, err.text);
		quick_policy_free(&policy);
	}
}

/* What was read, and the device that it makes; its state is changed by a test before it is written. */
struct written {
	struct quick quick;
	struct quick_policy policy;
	struct fz_device *dev;
	struct quick_state state;
};

static void read_to_write(struct written *w, const char *text)
{
	struct fz_error err;

	assert_int_equal(read_text(text, &w->quick, &err), 0);
	assert_int_equal(quick_config(&w->quick, false, &w->dev, &err), 0);
	assert_int_equal(quick_policy(&w->quick, w->dev, &w->policy, &err), 0);
	/* as the kernel says it, which knows no key that is zero */
	w->dev->has |= FZ_HAS_PRIVATE_KEY;
	for (int d = 0; d < FZ_DIRECTIONS; d++) {
		w->dev->mode[d].mode = quick_says_policy(&w->quick) ? FZ_MODE_ENFORCE : FZ_MODE_OPEN;
		if (w->policy.mode[d].present)
			w->dev->mode[d] = w->policy.mode[d];
	}
	w->state = (struct quick_state){
		.dev = w->dev, .addresses = w->quick.addresses, .n_addresses = w->quick.n_addresses, .mtu = 1400,
		.resources = w->policy.resources, .n_resources = w->policy.n_resources,
		.grants = w->policy.grants, .n_grants = w->policy.n_grants,
	};
}

static char *write_out(struct written *w)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	quick_write(out, &w->quick, &w->policy, &w->state);
	fclose(out);
	return text;
}

static void free_written(struct written *w)
{
	quick_policy_free(&w->policy);
	fz_device_free(w->dev);
	quick_free(&w->quick);
}

/* What is written reads as it was. */
static void test_write(void **state)
{
	static const char text[] =
		"[Interface]\nAddress = 10.0.0.1/24\nAddress = fd00::1/128\nDNS = 10.0.0.53\nDNS = example.org\nMTU = 1400\n"
		"Table = off\nSaveConfig = true\nPreUp = true\nPostUp = a = b\nPostUp = c\nPreDown = d\nPostDown = e %i\n"
		"Mode = in open\nListenPort = 5\nFwMark = 0x7\nPrivateKey = " KEY "\n\n[Peer]\nPublicKey = " KEY "\n"
		"AllowedIPs = 10.0.0.0/8\n\n[Resource]\nName = web\nPrefix = 10.0.0.0/8\n\n[Grant] # one\nPeer = any\nResource = web\n";
	struct written w;
	char *written;

	(void)state;
	read_to_write(&w, text);
	written = write_out(&w);
	/* wg(8) clamps nothing when it reads, and neither do we */
	assert_string_equal(written, text);
	free(written);
	free_written(&w);
}

#define PEER "[Peer]\nPublicKey = " KEY "\n"
#define KEYS "PrivateKey = " KEY "\n"

static void test_write_mode(void **state)
{
	static const struct {
		const char *text;
		struct fz_mode_state in, out;
		const char *line;	/* none if it is empty */
	} cases[] = {
		{ "", { .mode = FZ_MODE_OPEN }, { .mode = FZ_MODE_OPEN }, "" },
		{ "", { .mode = FZ_MODE_ENFORCE }, { .mode = FZ_MODE_ENFORCE }, "Mode = enforce\n" },
		{ "", { .mode = FZ_MODE_OBSERVE }, { .mode = FZ_MODE_OPEN }, "Mode = in observe out open\n" },
		{ "Mode = open # all\n", { .mode = FZ_MODE_OPEN }, { .mode = FZ_MODE_OPEN }, "Mode = open\n" },
		{ "Mode = in enforce ask  reject\n", { .mode = FZ_MODE_ENFORCE, .flags = FZ_MODE_F_ASK | FZ_MODE_F_REJECT },
		  { .mode = FZ_MODE_ENFORCE }, "Mode = in enforce ask  reject\n" },
		{ "Mode = enforce\n", { .mode = FZ_MODE_ENFORCE, .flags = FZ_MODE_F_ASK },
		  { .mode = FZ_MODE_ENFORCE }, "Mode = in enforce ask out enforce\n" },
		{ WEB, { .mode = FZ_MODE_ENFORCE }, { .mode = FZ_MODE_ENFORCE }, "" },
		{ WEB, { .mode = FZ_MODE_OPEN }, { .mode = FZ_MODE_OPEN }, "Mode = open\n" },
	};
	char text[256], *written;
	struct written w;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "[Interface]\n" KEYS "%s", cases[i].text);
		read_to_write(&w, text);
		w.dev->mode[FZ_DIR_IN] = cases[i].in;
		w.dev->mode[FZ_DIR_OUT] = cases[i].out;
		written = write_out(&w);
		if (!strstr(written, cases[i].line) || (!*cases[i].line && strstr(written, "Mode")))
			fail_msg("case %zu: %s", i, written);
		free(written);
		free_written(&w);
	}
}

/* A file of wg-quick's whose device got grants says its mode too, or they would change it. */
static void test_write_first_grant(void **state)
{
	struct fz_grant grant = { .any = true, .resource = "web", .direction = FZ_DIR_OUT, .quota = 1, .rate = 64000,
				  .flow_rate = 7, .has_tag = true };
	struct quick_policy web;
	struct fz_error err;
	struct written w;
	char *written;

	(void)state;
	assert_int_equal(read_policy(WEB "Service = tcp/80 icmp\n", &web, &err), 0);
	read_to_write(&w, "[Interface]\n" KEYS PEER);
	w.state.resources = web.resources;
	w.state.n_resources = 1;
	w.state.grants = &grant;
	w.state.n_grants = 1;
	written = write_out(&w);
	assert_string_equal(written, "[Interface]\nMode = open\n" KEYS "\n" PEER
			    "\n" WEB "Service = tcp/80 icmp\n\n[Grant]\nPeer = any\nResource = web\nDirection = out\n"
			    "Tag = 00000000000000000000000000000000\nQuota = 1\nRate = 64kbit\nFlows = 7/s\n");
	free(written);
	grant = (struct fz_grant){ .resource = "web", .action = FZ_ACTION_DENY };
	assert_true(fz_key_parse(grant.peer, KEY));
	written = write_out(&w);
	assert_non_null(strstr(written, "[Grant]\nPeer = " KEY "\nResource = web\nAction = deny\n"));
	free(written);
	quick_policy_free(&web);
	free_written(&w);
}

/* Sections stay as they were written for as long as they are true. */
static void test_write_kept(void **state)
{
	static const char head[] = "[Interface]\n" KEYS "\n" PEER "\n";
	struct fz_prefix *prefix;
	struct written w;
	char *written;

	(void)state;
	read_to_write(&w, "[Interface]\n" KEYS PEER "# of the peer\n"
		      "[Grant]\nPeer = xTIB # me\n# why\nResource = web\nFor = 8h\n\n\n"
		      "[resource] # what\nName = web\nPrefix = 10.0.0.0/8\nService = tcp/80\nService = udp\n\n# next\n"
		      "[Resource]\nName = gone\nPrefix = 10.0.0.0/8\n[Grant]\nPeer = any #all\nresource=web\n");
	w.state.n_resources--;
	w.state.grants[0].lease_ms -= 3600 * 1000;
	written = write_out(&w);
	assert_ptr_equal(strstr(written, head), written);
	assert_string_equal(written + strlen(head),
			    "[Grant]\nPeer = " KEY "\n# why\nResource = web\nFor = 8h\n\n"
			    "[resource] # what\nName = web\nPrefix = 10.0.0.0/8\nService = tcp/80\nService = udp\n\n# next\n\n"
			    "[Grant]\nPeer = any #all\nresource=web\n");
	free(written);
	/* what differs is said as the device has it */
	w.state.resources = calloc(1, sizeof(*w.state.resources));
	assert_non_null(w.state.resources);
	strcpy(w.state.resources->name, "web");
	for (prefix = w.policy.resources[1].prefixes; prefix->len < 9; prefix->len++)
		assert_int_equal(fz_resource_add_prefix(w.state.resources, prefix), 0);
	written = write_out(&w);
	assert_non_null(strstr(written, "For = 8h\n\n[Resource]\nName = web\nPrefix = 10.0.0.0/8\n\n[Grant]\nPeer = any #all\n"));
	free(written);
	fz_resources_free(w.state.resources, 1);
	free_written(&w);
}

/* A resource stays as written only if all of it is as it was. */
static void test_write_resource(void **state)
{
	static const struct {
		const char *said, *is;
		bool kept;
	} cases[] = {
		{ "Service = tcp/80,443 icmp # x\n", "Service = icmp tcp/443\nService = tcp/80\n", true },
		{ "Service = tcp/80 # x\n", "Service = tcp/80 udp\n", false },
		{ "Service = tcp/80 udp # x\n", "Service = tcp/80\n", false },
		{ "Service = tcp/80 # x\n", "Service = tcp/81\n", false },
		{ "Service = tcp/80 # x\n", "Service = tcp\n", false },
		{ "Service = tcp/80 # x\n", "", false },
		{ "# x\n", "Service = tcp/80\n", false },
		{ "# x\n", "", true },
		{ "Prefix = fd00::/8 # x\n", "Prefix = fd00::/8\n", true },
		{ "Prefix = fd00::/8 # x\n", "Prefix = fd00::/9\n", false },
		{ "Prefix = fd00::/8 # x\n", "", false },
		{ "# x\n", "Prefix = 11.0.0.0/8\n", false },
	};
	struct quick_policy is;
	struct fz_error err;
	struct written w;
	char text[256], *written;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), WEB "%s", cases[i].is);
		assert_int_equal(read_policy(text, &is, &err), 0);
		snprintf(text, sizeof(text), "[Interface]\n" KEYS WEB "%s", cases[i].said);
		read_to_write(&w, text);
		w.state.resources = is.resources;
		written = write_out(&w);
		if (!strstr(written, "# x") == cases[i].kept || !strstr(written, "[Resource]"))
			fail_msg("case %zu: %s", i, written);
		free(written);
		quick_policy_free(&is);
		free_written(&w);
	}
}

/* A time from now, as a file says it. */
static const char *in_hours(int hours)
{
	time_t when = time(NULL) + hours * 3600;
	static char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&when, &tm));
	return text;
}

#define HOUR 3600000ULL

static void test_write_leases(void **state)
{
	static const struct {
		const char *line;	/* of the file; with hours for an Until */
		int hours;
		struct fz_grant is;
		bool kept, written;
	} cases[] = {
		{ "For = 8h", 0, { .has_lease = true, .lease_ms = 8 * HOUR }, true, true },
		{ "For = 8h", 0, { .has_lease = true, .lease_ms = 1 }, true, true },
		{ "For = 8h", 0, { .has_lease = true }, true, true },
		{ "For = 8h", 0, { .has_lease = true, .lease_ms = 9 * HOUR }, false, true },
		{ "For = 8h", 0, { 0 }, false, true },
		{ "For = 8h", 0, { .has_lease = true, .lease_ms = HOUR, .quota = 1 }, false, true },
		{ "For = 8h", 0, { .has_lease = true, .quota = 1 }, false, false },
		{ "Until", 8, { .has_lease = true, .lease_ms = 8 * HOUR }, true, true },
		{ "Until", 8, { .has_lease = true, .lease_ms = 7 * HOUR }, false, true },
		{ "Until", 8, { .has_lease = true, .lease_ms = 9 * HOUR }, false, true },
		{ "Until", 8, { .has_lease = true }, false, false },
		{ "Until", -8, { .has_lease = true }, false, false },
		{ "Flows = 1/s", 0, { .flow_rate = 1 }, true, true },
		{ "Flows = 1/s", 0, { .flow_rate = 2 }, false, true },
		{ "Flows = 1/s", 0, { .has_lease = true }, false, false },
		{ "Action = deny", 0, { .action = FZ_ACTION_DENY }, true, true },
		{ "Action = deny", 0, { 0 }, false, true },
		{ "Tag = " TAG, 0, { .has_tag = true }, false, true },
	};
	char text[256], line[64], *written;
	struct fz_grant is;
	struct written w;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(line, sizeof(line), "%s%s%s # x\n", cases[i].line, cases[i].hours ? " = " : "",
			 cases[i].hours ? in_hours(cases[i].hours) : "");
		snprintf(text, sizeof(text), "[Interface]\n" KEYS ANY "%s", line);
		read_to_write(&w, text);
		is = cases[i].is;
		is.any = true;
		strcpy(is.resource, "web");
		w.state.grants = &is;
		written = write_out(&w);
		if (!strstr(written, line) == cases[i].kept || !strstr(written, "[Grant]") == cases[i].written)
			fail_msg("case %zu: %s", i, written);
		free(written);
		free_written(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_policy_refused),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_mode),
		cmocka_unit_test(test_write_first_grant),
		cmocka_unit_test(test_write_kept),
		cmocka_unit_test(test_write_resource),
		cmocka_unit_test(test_write_leases),
	};

	return cmocka_run_group_tests_name("quick", tests, NULL, NULL);
}
