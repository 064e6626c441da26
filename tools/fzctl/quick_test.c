// SPDX-License-Identifier: GPL-2.0-only
#include "quick.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="

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
		{ "[Resource]\nPrefix = 10.0.0.0/8\n", "line 1: [Resource] without \"Name\"" },
		{ "[Interface]\n[Grant]\nPeer = any\n", "line 2: [Grant] without \"Resource\"" },
		{ "[Grant]\nPrefix = any\n", "line 2: \"Prefix\" is no key of [Grant]" },
		{ "[Grant]\nany\n", "line 2: \"any\"" },
	}, of_wg[] = {
		{ "[Interface]\nFoo = 1\n", "line 2: Line unrecognized: `Foo=1'" },
		{ "[Interface]\nAddress\n", "line 2: Line unrecognized: `Address'" },
		{ "[Peer]\n\nAddress = 10.0.0.1/24\n", "line 3: Line unrecognized: `Address=10.0.0.1/24'" },
		{ "Address = 10.0.0.1/24\n", "line 1: Line unrecognized" },
		{ "[Interface]\n[Peer]\nMode = open\n", "line 3: Line unrecognized" },
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

static void assert_words(const struct quick_section *section, const char *expected)
{
	struct quick_list words = { 0 };
	struct fz_error err;
	char text[256] = "";

	assert_int_equal(quick_section_command(section, "fz0", &words, &err), 0);
	for (size_t i = 0; i < words.n; i++) {
		strcat(text, i ? " " : "");
		strcat(text, words.texts[i]);
	}
	quick_list_free(&words);
	assert_string_equal(text, expected);
}

static void test_sections(void **state)
{
	struct quick quick;
	struct fz_error err;

	(void)state;
	assert_int_equal(read_text("[Interface]\nMode = in enforce ask\nMode = in enforce  reject out open # yes\n"
				   "[Resource]\n service = tcp/80,443 icmp # web\nName = web\nPrefix = 10.0.0.0/8,fd00::/8\n"
				   "Prefix = 192.0.2.1\n[Peer]\nPublicKey = " KEY "\n[Grant]\n# later\nFor = 8h\nResource = web\n"
				   "Action = deny\nPeer = any\nDirection = out\n[grant]\nPeer = " KEY "\nResource = web\n"
				   "Action = allow\nTag = 00\n", &quick, &err), 0);
	assert_true(quick_says_policy(&quick));
	assert_int_equal(quick.mode.n, 5);
	assert_string_equal(quick.mode.texts[2], "reject");
	assert_int_equal(quick.n_sections, 3);
	assert_int_equal(quick.sections[1].line, 11);
	assert_words(&quick.sections[0], "resource add fz0 web 10.0.0.0/8 fd00::/8 192.0.2.1 tcp/80,443 icmp");
	assert_words(&quick.sections[1], "grant add fz0 peer any resource web out deny for 8h");
	assert_words(&quick.sections[2], "grant add fz0 peer " KEY " resource web tag 00");
	/* what wg(8) gets is the rest */
	assert_int_equal(quick.config.n, 3);
	assert_string_equal(quick.config.lines[1].text, "[Peer]");
	assert_int_equal(quick.config.lines[1].number, 9);
	quick_free(&quick);
}

/* What is written reads as it was. */
static void test_write(void **state)
{
	static const char text[] =
		"[Interface]\nAddress = 10.0.0.1/24\nAddress = fd00::1/128\nDNS = 10.0.0.53\nDNS = example.org\nMTU = 1400\n"
		"Table = off\nSaveConfig = true\nPreUp = true\nPostUp = a = b\nPostUp = c\nPreDown = d\nPostDown = e %i\n"
		"Mode = in open\nListenPort = 5\nFwMark = 0x7\nPrivateKey = " KEY "\n\n[Peer]\nPublicKey = " KEY "\n"
		"AllowedIPs = 10.0.0.0/8\n\n[Resource]\nName = web\nPrefix = 10.0.0.0/8\n\n[Grant] # one\nPeer = any\nResource = web\n";
	struct fz_device *dev;
	struct quick quick;
	struct fz_error err;
	char *written;
	size_t size;
	FILE *out;

	(void)state;
	assert_int_equal(read_text(text, &quick, &err), 0);
	assert_int_equal(quick_config(&quick, false, &dev, &err), 0);
	out = open_memstream(&written, &size);
	assert_non_null(out);
	/* as the kernel says it, which knows no key that is zero */
	dev->has |= FZ_HAS_PRIVATE_KEY;
	quick_write(out, &quick, quick.addresses, quick.n_addresses, 1400, dev);
	fclose(out);
	/* wg(8) clamps nothing when it reads, and neither do we */
	assert_string_equal(written, text);
	free(written);
	fz_device_free(dev);
	quick_free(&quick);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests_name("quick", tests, NULL, NULL);
}
