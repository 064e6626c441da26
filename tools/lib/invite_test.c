// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <sodium.h>

#include "invite.h"

static struct fz_invite sample(const char *host)
{
	struct fz_invite inv = { .role = FZ_INVITE_CLIENT, .port = 7000, .stun_port = 3478 };

	snprintf(inv.host, sizeof(inv.host), "%s", host);
	for (unsigned int i = 0; i < 32; i++)
		inv.broker_key[i] = (uint8_t)(i * 7);
	for (unsigned int i = 0; i < FZ_INVITE_TOKEN_LEN; i++)
		inv.token[i] = (uint8_t)(200 + i);
	return inv;
}

static void assert_same(const struct fz_invite *a, const struct fz_invite *b)
{
	assert_int_equal(a->role, b->role);
	assert_string_equal(a->host, b->host);
	assert_int_equal(a->port, b->port);
	assert_int_equal(a->stun_port, b->stun_port);
	assert_memory_equal(a->broker_key, b->broker_key, 32);
	assert_memory_equal(a->token, b->token, FZ_INVITE_TOKEN_LEN);
}

static void round_trip(void **state)
{
	char longest[FZ_INVITE_HOST_MAX + 1], text[FZ_INVITE_TEXT_MAX];
	const char *hosts[] = { "192.0.2.10", "2001:db8::1", "::1", "broker.example.org", "b", longest };

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct fz_invite inv = sample(hosts[i]), back;
		struct fz_error err;

		inv.role = i % 2 ? FZ_INVITE_GATEWAY : FZ_INVITE_CLIENT;
		assert_int_equal(fz_invite_format(&inv, text, sizeof(text), &err), 0);
		assert_memory_equal(text, "fz1-", 4);
		assert_int_equal(fz_invite_parse(&back, text, &err), 0);
		assert_same(&inv, &back);
	}
}

/* As people paste it. */
static void lenient(void **state)
{
	char text[FZ_INVITE_TEXT_MAX], odd[2 * FZ_INVITE_TEXT_MAX], *p = odd;
	struct fz_invite inv = sample("192.0.2.10"), back;

	(void)state;
	assert_int_equal(fz_invite_format(&inv, text, sizeof(text), NULL), 0);
	*p++ = ' ';
	for (size_t i = 0; text[i]; i++) {
		*p++ = (char)toupper((unsigned char)text[i]);
		if (i > 4 && i % 8 == 0)
			*p++ = i % 16 ? '-' : '\n';
	}
	*p++ = '\n';
	*p = '\0';
	assert_int_equal(fz_invite_parse(&back, odd, NULL), 0);
	assert_same(&inv, &back);
}

static void refused(const char *text, int code, const char *sentence)
{
	static const struct fz_invite zero;
	struct fz_invite inv;
	struct fz_error err;

	assert_int_equal(fz_invite_parse(&inv, text, &err), code);
	assert_string_equal(err.text, sentence);
	assert_memory_equal(&inv, &zero, sizeof(inv));
}

static void bad_texts(void **state)
{
	char good[FZ_INVITE_TEXT_MAX], bad[FZ_INVITE_TEXT_MAX + 2];
	struct fz_invite inv = sample("192.0.2.10");
	size_t len;

	(void)state;
	assert_int_equal(fz_invite_format(&inv, good, sizeof(good), NULL), 0);
	len = strlen(good);
	refused("", -EINVAL, "this is not an invitation: those begin with fz1-");
	refused("hello", -EINVAL, "this is not an invitation: those begin with fz1-");
	refused("fz1-", -EINVAL, "the invitation is cut short");
	refused("fz1-ab!cd", -EINVAL, "the invitation has a character that none can have: '!'");
	refused("fz1-ab\1cd", -EINVAL, "the invitation has a character that none can have (code 1)");
	refused("fz1-abc", -EINVAL, "the invitation is cut short or mistyped");
	refused("fz1-ai", -EINVAL, "the invitation is cut short or mistyped");
	strcpy(bad, good);
	bad[5] = 'i';
	refused(bad, -EOVERFLOW, "the invitation is of version 2, this program knows version 1");
	for (size_t cut = 6; cut < len; cut++) {
		memcpy(bad, good, cut);
		bad[cut] = '\0';
		refused(bad, -EINVAL, "the invitation is cut short");
	}
	snprintf(bad, sizeof(bad), "%saa", good);
	refused(bad, -EINVAL, "the invitation is too long");
	memset(bad, 'a', sizeof(bad));
	memcpy(bad, "fz1-ae", 6);
	bad[sizeof(bad) - 1] = '\0';
	refused(bad, -EINVAL, "the invitation is too long");
	/* one character for another: never believed */
	for (size_t i = 4; i < len - 1; i++) {
		struct fz_invite back;

		strcpy(bad, good);
		bad[i] = bad[i] == 'a' ? 'b' : 'a';
		assert_int_not_equal(fz_invite_parse(&back, bad, NULL), 0);
	}
}

static void bad_values(void **state)
{
	static const char *const hosts[] = { "", "a b", "a;b", "-x", "a/b", "[::1]", "h\303\266" };
	char text[FZ_INVITE_TEXT_MAX];
	struct fz_invite inv;

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		inv = sample(hosts[i]);
		assert_int_equal(fz_invite_format(&inv, text, sizeof(text), NULL), -EINVAL);
	}
	inv = sample("a");
	inv.port = 0;
	assert_int_equal(fz_invite_format(&inv, text, sizeof(text), NULL), -EINVAL);
	inv = sample("a");
	inv.role = 0;
	assert_int_equal(fz_invite_format(&inv, text, sizeof(text), NULL), -EINVAL);
	inv = sample("a");
	assert_int_equal(fz_invite_format(&inv, text, 50, NULL), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(lenient),
		cmocka_unit_test(bad_texts),
		cmocka_unit_test(bad_values),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("invite", tests, NULL, NULL);
}
