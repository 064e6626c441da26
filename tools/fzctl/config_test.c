// SPDX-License-Identifier: GPL-2.0-only
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="

static struct fz_device *parse(const char *text, bool append, struct fz_error *err)
{
	struct config_parser parser;
	char *copy = strdup(text), *line, *rest = copy;
	int ret;

	assert_int_equal(config_begin(&parser, "fz0", append), 0);
	for (ret = 0; !ret && (line = strsep(&rest, "\n")); )
		ret = config_line(&parser, line, err);
	if (!ret)
		ret = config_end(&parser, err);
	free(copy);
	if (!ret)
		return parser.dev;
	config_abandon(&parser);
	return NULL;
}

static void test_whole_file(void **state)
{
	struct fz_device *dev;
	struct fz_error err;

	(void)state;
	dev = parse("# a comment\n[interface]\nprivatekey = " KEY " # another\n ListenPort=51820\n"
		    "FwMark = 0x10\n\n[PEER]\nPublicKey = " KEY "\nPresharedKey = " KEY "\n"
		    "AllowedIPs = 10.0.0.0/8 , ::/0\nAllowedIPs = 192.0.2.1\n"
		    "Endpoint = [2001:db8::1]:5\nPersistentKeepalive = 25\n[Peer]\nPublicKey=" KEY "\n"
		    "PersistentKeepalive = off\n", false, &err);
	assert_non_null(dev);
	assert_int_equal(dev->flags, FZ_DEVICE_F_REPLACE_PEERS);
	assert_int_equal(dev->listen_port, 51820);
	assert_int_equal(dev->fwmark, 0x10);
	assert_int_equal(dev->n_peers, 2);
	assert_int_equal(dev->peers[0].n_allowedips, 3);
	assert_int_equal(dev->peers[0].allowedips[2].prefix.len, 32);
	assert_int_equal(dev->peers[0].endpoint.sa.sa_family, AF_INET6);
	assert_int_equal(dev->peers[0].keepalive, 25);
	assert_int_equal(dev->peers[0].flags, FZ_PEER_F_REPLACE_ALLOWEDIPS);
	assert_true(dev->peers[1].has & FZ_HAS_KEEPALIVE);
	assert_int_equal(dev->peers[1].keepalive, 0);
	assert_int_equal(dev->has, FZ_HAS_PRIVATE_KEY | FZ_HAS_LISTEN_PORT | FZ_HAS_FWMARK);
	fz_device_free(dev);
}

/* setconf resets what the file does not say; addconf leaves it. */
static void test_empty_file(void **state)
{
	struct fz_device *dev;
	struct fz_error err;

	(void)state;
	dev = parse("", false, &err);
	assert_int_equal(dev->has, FZ_HAS_PRIVATE_KEY | FZ_HAS_LISTEN_PORT | FZ_HAS_FWMARK);
	fz_device_free(dev);
	dev = parse("", true, &err);
	assert_int_equal(dev->has, 0);
	assert_int_equal(dev->flags, 0);
	fz_device_free(dev);
}

/* The sentences are those of wg(8). */
static void test_refused(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
		{ "[Interface]\nAddress = 10.0.0.1/24", "Line unrecognized: `Address=10.0.0.1/24'" },
		{ "[Interface]\nPrivateKey = foo", "Key is not the correct length or format: `foo'" },
		{ "[Interface]\nListenPort = 99999", "Port is not 0-65535: `99999'" },
		{ "[Interface]\nListenPort =", "Line unrecognized: `ListenPort='" },
		{ "[Interface]\nFwMark = 0x1ffffffff", "Fwmark is neither 0/off nor 0-0xffffffff: `0x1ffffffff'" },
		{ "[Interface]\nFwMark = -1", "Fwmark is neither 0/off nor 0-0xffffffff: `-1'" },
		{ "PrivateKey = " KEY, "Line unrecognized: `PrivateKey=" KEY "'" },
		{ "[Foo]", "Line unrecognized: `[Foo]'" },
		{ "[Peer]\nAllowedIPs = 10.0.0.0/8", "A peer is missing a public key" },
		{ "[Peer]\nAllowedIPs = 10.0.0.300/8", "Unable to parse IP address: `10.0.0.300'" },
		{ "[Peer]\nAllowedIPs = fd00::/129", "AllowedIP is not in the correct format: `fd00::/129'" },
		{ "[Peer]\nAllowedIPs = 10.0.0.0/8,", "Unable to parse IP address: `'" },
		{ "[Peer]\nAllowedIPs =", "Line unrecognized: `AllowedIPs='" },
		{ "[Peer]\nEndpoint = 1.2.3.4", "Unable to find port of endpoint: `1.2.3.4'" },
		{ "[Peer]\nEndpoint = [::1:5", "Unable to find matching brace of endpoint: `[::1:5'" },
		{ "[Peer]\nEndpoint = [::1]", "Unable to find port of endpoint: `[::1]'" },
		{ "[Peer]\nEndpoint = 1.2.3.4:70000", "Port is not 0-65535: `70000'" },
		{ "[Peer]\nPersistentKeepalive = 70000",
		  "Persistent keepalive interval is neither 0/off nor 1-65535: `70000'" },
		{ "[Peer]\nListenPort = 5", "Line unrecognized: `ListenPort=5'" },
	};
	struct fz_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(parse(cases[i].text, false, &err));
		assert_string_equal(err.text, cases[i].sentence);
	}
}

static int words(struct fz_device **dev, struct fz_error *err, ...)
{
	char *list[16];
	va_list args;
	int n = 0;

	va_start(args, err);
	while ((list[n] = va_arg(args, char *)))
		n++;
	va_end(args);
	return config_words("fz0", n, list, dev, err);
}

static void test_words(void **state)
{
	struct fz_device *dev;
	struct fz_error err;

	(void)state;
	assert_int_equal(words(&dev, &err, "listen-port", "0", "fwmark", "off", "peer", KEY, "allowed-ips", "",
			       "persistent-keepalive", "1", "peer", KEY, "remove", NULL), 0);
	assert_int_equal(dev->has, FZ_HAS_LISTEN_PORT | FZ_HAS_FWMARK);
	assert_int_equal(dev->flags, 0);
	assert_int_equal(dev->n_peers, 2);
	assert_int_equal(dev->peers[0].flags, FZ_PEER_F_REPLACE_ALLOWEDIPS);
	assert_int_equal(dev->peers[1].flags, FZ_PEER_F_REMOVE_ME);
	fz_device_free(dev);

	/* One sign, wherever it is, and the list changes what is there. */
	assert_int_equal(words(&dev, &err, "peer", KEY, "allowed-ips", "10.0.0.1,-fd00::/64,+10.0.0.2/32", NULL), 0);
	assert_int_equal(dev->peers[0].flags, 0);
	assert_int_equal(dev->peers[0].n_allowedips, 3);
	assert_int_equal(dev->peers[0].allowedips[0].flags, 0);
	assert_int_equal(dev->peers[0].allowedips[1].flags, FZ_ALLOWEDIP_F_REMOVE_ME);
	assert_int_equal(dev->peers[0].allowedips[1].prefix.len, 64);
	assert_int_equal(dev->peers[0].allowedips[2].flags, 0);
	assert_int_equal(dev->peers[0].allowedips[2].prefix.len, 32);
	fz_device_free(dev);
	assert_int_not_equal(words(&dev, &err, "peer", KEY, "allowed-ips", "--10.0.0.1", NULL), 0);
	assert_string_equal(err.text, "Unable to parse IP address: `-10.0.0.1'");

	/* Blanks count for nothing, and a port 0 is taken. */
	assert_int_equal(words(&dev, &err, "peer", KEY, "endpoint", "1.2.3.4:0", "allowed-ips", "10.0.0.0 /24, 10.0.0.7",
			       "peer", KEY, "allowed-ips", " ", NULL), 0);
	assert_int_equal(dev->peers[0].endpoint.v4.sin_port, 0);
	assert_int_equal(dev->peers[0].n_allowedips, 2);
	assert_int_equal(dev->peers[0].allowedips[0].prefix.len, 24);
	assert_int_equal(dev->peers[1].flags, FZ_PEER_F_REPLACE_ALLOWEDIPS);
	assert_int_equal(dev->peers[1].n_allowedips, 0);
	fz_device_free(dev);

	assert_int_not_equal(words(&dev, &err, "foo", "bar", NULL), 0);
	assert_string_equal(err.text, "Invalid argument: foo");
	assert_int_not_equal(words(&dev, &err, "listen-port", NULL), 0);
	assert_string_equal(err.text, "Invalid argument: listen-port");
	assert_int_not_equal(words(&dev, &err, "peer", KEY, "listen-port", "5", NULL), 0);
	assert_string_equal(err.text, "Invalid argument: listen-port");
	assert_int_not_equal(words(&dev, &err, "peer", "foo", NULL), 0);
	assert_int_not_equal(words(&dev, &err, "remove", NULL), 0);
	assert_int_not_equal(words(&dev, &err, "private-key", "/nonexistent", NULL), 0);
	assert_non_null(strstr(err.text, "/nonexistent"));
	assert_int_equal(words(&dev, &err, "private-key", "/dev/null", NULL), 0);
	assert_true(dev->has & FZ_HAS_PRIVATE_KEY);
	fz_device_free(dev);
}

static void check_key_file(const char *content, const char *sentence)
{
	char path[] = "/tmp/fz-config-test-XXXXXX";
	int fd = mkstemp(path);
	struct fz_device *dev = NULL;
	struct fz_error err = { .text = "" };
	int ret;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
	ret = words(&dev, &err, "private-key", path, NULL);
	unlink(path);
	fz_device_free(dev);
	if (!sentence) {
		assert_int_equal(ret, 0);
	} else {
		assert_int_not_equal(ret, 0);
		assert_non_null(strstr(err.text, sentence));
	}
}

static void test_key_file(void **state)
{
	(void)state;
	check_key_file(KEY "\n", NULL);
	check_key_file(KEY " \n\n", NULL);
	check_key_file("", NULL);
	check_key_file("foo\n", "Invalid length key in key file");
	check_key_file(KEY "\nx", "Found trailing character in key file: `x'");
	check_key_file("!" KEY, "Found trailing character");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_file),
		cmocka_unit_test(test_empty_file),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_key_file),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
