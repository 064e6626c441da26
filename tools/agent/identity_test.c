// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "identity.h"

static char directory[64], file[128];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/identity-test-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(file, sizeof(file), "%s/agent.json", directory);
	return 0;
}

static int remove_directory(void **state)
{
	char name[192];

	(void)state;
	unlink(file);
	snprintf(name, sizeof(name), "%s/lock", directory);
	unlink(name);
	return rmdir(directory);
}

static void write_text(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void test_is_made_once_and_kept(void **state)
{
	struct fz_error err = { 0 };
	struct identity a, b;
	struct stat st;

	(void)state;
	assert_int_equal(identity_open(&a, directory, &err), 0);
	assert_false(a.joined);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	a.joined = true;
	strcpy(a.broker.host, "broker.example");
	a.broker.port = 7700;
	a.broker.stun_port = 3478;
	memset(a.broker.broker_key, 5, sizeof(a.broker.broker_key));
	assert_int_equal(identity_save(&a, &err), 0);
	b = a;
	close(a.lock);
	assert_int_equal(identity_open(&a, directory, &err), 0);
	assert_memory_equal(a.control_private, b.control_private, 32);
	assert_memory_equal(a.control_public, b.control_public, 32);
	assert_true(a.joined);
	assert_string_equal(a.broker.host, "broker.example");
	assert_int_equal(a.broker.port, 7700);
	assert_int_equal(a.broker.stun_port, 3478);
	assert_memory_equal(a.broker.broker_key, b.broker.broker_key, 32);
	identity_close(&a);
	assert_true(sodium_is_zero(a.control_private, sizeof(a.control_private)));
	free(b.path);
}

static void test_two_agents_do_not_share_it(void **state)
{
	struct fz_error err = { 0 };
	struct identity a, b;

	(void)state;
	assert_int_equal(identity_open(&a, directory, &err), 0);
	assert_int_equal(identity_open(&b, directory, &err), -EBUSY);
	assert_non_null(strstr(err.text, "another fzagent"));
	identity_close(&b);
	identity_close(&a);
}

static void test_newer_version_is_refused(void **state)
{
	struct fz_error err = { 0 };
	struct identity a;

	(void)state;
	write_text("{\"version\": 2, \"control_key\": \"\"}");
	assert_int_equal(identity_open(&a, directory, &err), -EOVERFLOW);
	assert_non_null(strstr(err.text, "newer"));
	identity_close(&a);
}

static void test_damage_is_named(void **state)
{
	static const char *const damaged[] = {
		"", "{", "[]", "{\"version\": 1}", "{\"version\": 1, \"control_key\": \"short\"}",
		"{\"version\": 1, \"control_key\": \"yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\", \"broker\": {}}",
		"{\"version\": 1, \"version\": 1}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		struct fz_error err = { 0 };
		struct identity a;

		write_text(damaged[i]);
		assert_int_equal(identity_open(&a, directory, &err), -EINVAL);
		assert_non_null(strstr(err.text, "agent.json"));
		identity_close(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_is_made_once_and_kept, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(test_two_agents_do_not_share_it, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(test_newer_version_is_refused, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(test_damage_is_named, make_directory, remove_directory),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
