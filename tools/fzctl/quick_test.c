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

static int read_text(const char *text, struct quick *quick, struct fz_error *err)
{
	char path[] = "/tmp/fz-quick-test-XXXXXX";
	int fd = mkstemp(path), ret;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ret = quick_read(path, "fz0", quick, err);
	unlink(path);
	return ret;
}

static void test_file(void **state)
{
	struct quick quick;
	struct fz_error err;

	(void)state;
	assert_int_equal(read_text("[Interface]\nPrivateKey = " KEY " # mine\nAddress = 10.0.0.1/24, fd00::1/64\n"
				   "address=192.0.2.1\nDNS = 10.0.0.53, example.org # home\nMTU = 1380\nTable = 7\n"
				   "PostUp = echo '#' %i = up\nPreDown = false\nListenPort = 5\nSaveConfig = false\n"
				   "[Peer]\nPublicKey = " KEY "\nAllowedIPs = 0.0.0.0/0\n", &quick, &err), 0);
	assert_int_equal(quick.n_addresses, 3);
	assert_int_equal(quick.addresses[0].len, 24);
	assert_int_equal(quick.addresses[2].len, 32);
	assert_int_equal(quick.mtu, 1380);
	assert_int_equal(quick.table, 7);
	assert_int_equal(quick.dns.n, 2);
	assert_string_equal(quick.dns.texts[1], "example.org");
	assert_int_equal(quick.hooks[POST_UP].n, 1);
	assert_string_equal(quick.hooks[POST_UP].texts[0], "echo '#' %i = up");
	assert_int_equal(quick.hooks[PRE_DOWN].n, 1);
	assert_int_equal(quick.dev->listen_port, 5);
	assert_int_equal(quick.dev->n_peers, 1);
	quick_free(&quick);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{ "[Interface]\nAddress = 10.0.0.300/24\n", "line 2: \"10.0.0.300/24\"" },
		{ "[Interface]\nMTU = 10\n", "\"10\"" },
		{ "[Interface]\nTable = x\n", "\"x\"" },
		{ "[Interface]\nSaveConfig = true\n", "true" },
		{ "[Interface]\nFoo = 1\n", "Foo=1" },
		{ "[Peer]\nAddress = 10.0.0.1/24\n", "Address=10.0.0.1/24" },
		{ "Address = 10.0.0.1/24\n", "Address=10.0.0.1/24" },
	};
	struct quick quick;
	struct fz_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_not_equal(read_text(cases[i].text, &quick, &err), 0);
		assert_non_null(strstr(err.text, cases[i].word));
	}
	assert_int_not_equal(quick_read("/nonexistent/fz0.conf", "fz0", &quick, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("quick", tests, NULL, NULL);
}
