// SPDX-License-Identifier: GPL-2.0-only
/* Wrong words are refused by name before anything is asked of the kernel, which need not be there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fzctl.h"

#define KEY "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define TAG "000102030405060708090a0b0c0d0e0f"
#define LONG "toolongdevicenamexxx"

static const struct command commands[] = {
	{ "show", show_main, "", "", 0 },
	{ "showconf", showconf_main, "", "", 0 },
	{ "set", set_main, "", "", 0 },
	{ "setconf", setconf_main, "", "", 0 },
	{ "mode", mode_main, "", "", 0 },
	{ "ask-prefixes", ask_prefixes_main, "", "", 0 },
	{ "resource", resource_main, "", "", COMMAND_QUEUES },
	{ "grant", grant_main, "", "", COMMAND_QUEUES },
	{ "flow", flow_main, "", "", 0 },
	{ "explain", explain_main, "", "", 0 },
	{ "stats", stats_main, "", "", 0 },
	{ "batch", batch_main, "", "", COMMAND_NOT_IN_BATCH },
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

/* The command line, split at spaces, is refused with exactly this sentence. */
static void refused_with(const char *sentence, const char *line)
{
	char copy[512], *words[32], *save = NULL, *said = NULL;
	FILE *kept = stderr;
	int n = 0, status;
	size_t size;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	words[n] = NULL;
	stderr = open_memstream(&said, &size);
	assert_non_null(stderr);
	status = command_find(words[0])->run(n, words);
	fclose(stderr);
	stderr = kept;
	said[strcspn(said, "\n")] = 0;
	if (status != EXIT_USAGE || strncmp(said, "fzctl: ", 7) || strcmp(said + 7, sentence))
		fail_msg("%s: exit %d: \"%s\"", line, status, said);
	free(said);
}

static void test_device_names(void **state)
{
	static const char *const lines[] = {
		"show " LONG, "show " LONG " dump", "showconf " LONG, "set " LONG " listen-port 5",
		"setconf " LONG " /dev/null", "mode " LONG, "mode " LONG " open", "mode " LONG " peer abc open",
		"ask-prefixes " LONG, "ask-prefixes " LONG " none", "resource list " LONG, "resource del " LONG " web",
		"resource add " LONG " web 10.0.0.0/8", "grant list " LONG, "grant list " LONG " peer abc",
		"grant add " LONG " peer abc resource web", "grant del " LONG " any resource web", "flow list " LONG,
		"flow flush " LONG " peer abc", "explain " LONG " peer " KEY " in tcp 10.0.0.1 10.0.0.2:80", "stats " LONG,
	};
	struct fz_device *dev = fz_device_new(LONG);

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		refused_with("\"" LONG "\" is no name of a device (1 to 15 characters)", lines[i]);
	/* even what does not check can not mean another device */
	assert_non_null(dev);
	assert_string_equal(dev->name, "");
	fz_device_free(dev);
}

static void test_what_is_missing(void **state)
{
	(void)state;
	refused_with("a device is missing after \"mode\"", "mode");
	refused_with("a mode is missing after \"in\"", "mode fz0 in");
	refused_with("what to set is missing after \"fz0\"", "set fz0");
	refused_with("a file is missing after \"fz0\"", "setconf fz0");
	refused_with("add, del or list is missing after \"grant\"", "grant");
	refused_with("\"peer\" or \"any\" is missing after \"fz0\"", "grant add fz0");
	refused_with("\"resource\" is missing after \"any\"", "grant add fz0 any");
	refused_with("a time is missing after \"until\"", "grant add fz0 any resource web until");
	refused_with("a name is missing after \"fz0\"", "resource add fz0");
	refused_with("a destination is missing after \"10.0.0.1\"", "explain fz0 peer " KEY " in tcp 10.0.0.1");
	refused_with("\"tcp\" is no direction (in, out)", "explain fz0 peer " KEY " tcp 10.0.0.1 10.0.0.2:80");
	refused_with("a key is missing after \"peer\"", "explain fz0 peer");
#define EXPLAIN "explain fz0 peer " KEY " in "
	refused_with("\"icmp/256\" is no ICMP type (0 to 255), with an optional code: icmp/8, icmp/3/1",
		     EXPLAIN "icmp/256 10.0.0.1 10.0.0.2");
	refused_with("\"icmp/8/\" is no ICMP type (0 to 255), with an optional code: icmp/8, icmp/3/1",
		     EXPLAIN "icmp/8/ 10.0.0.1 10.0.0.2");
	refused_with("\"icmpv6/\" is no ICMP type (0 to 255), with an optional code: icmp/8, icmp/3/1",
		     EXPLAIN "icmpv6/ fd00::1 fd00::2");
	refused_with("\"icmp/8\" is of IPv4, \"fd00::1\" is not", EXPLAIN "icmp/8 fd00::1 fd00::2");
	refused_with("\"icmpv6/128\" is of IPv6, \"10.0.0.1\" is not", EXPLAIN "icmpv6/128 10.0.0.1 10.0.0.2");
#undef EXPLAIN
}

static void test_terms(void **state)
{
	(void)state;
	refused_with("\"ask\" goes with enforce only", "mode fz0 open ask");
	refused_with("\"reject\" goes with enforce only", "mode fz0 in enforce ask out observe reject");
	refused_with("\"out\" comes right after the resource, and once", "grant add fz0 any resource web deny out");
	refused_with("\"out\" comes right after the resource, and once", "grant add fz0 any resource web in out");
	refused_with("\"367d\" is longer than a year (366 days)", "grant add fz0 any resource web for 367d");
	refused_with("\"2199-01-01T00:00:00Z\" is longer than a year (366 days)",
		     "grant add fz0 any resource web until 2199-01-01T00:00:00Z");
	refused_with("quota, rate and flows are for what is allowed, not for a denial",
		     "grant add fz0 any resource web deny quota 1G");
	refused_with("quota, rate and flows are for what is allowed, not for a denial",
		     "grant add fz0 any resource web flows 1/s deny");
	refused_with("\"10\" is no rate, like 64kbit, 10Mbit or 1Gbit", "grant add fz0 any resource web rate 10");
	refused_with("\"99999999999999Gbit\" is more than can be counted",
		     "grant add fz0 any resource web rate 99999999999999Gbit");
	refused_with("\"99999999T\" is more bytes than can be counted", "grant add fz0 any resource web quota 99999999T");
	refused_with("\"4294967296/s\" is more than 4294967295 new flows a second",
		     "grant add fz0 any resource web flows 4294967296/s");
	refused_with("\"99999999999s\" is longer than a hundred years", "grant add fz0 any resource web for 99999999999s");
	refused_with("\"proto/300\" is no service (tcp, udp or sctp with optional /PORTS, icmp, icmp/TYPES, icmpv6/TYPES, proto/NUMBER)",
		     "resource add fz0 web 10.0.0.0/8 proto/300");
	refused_with("\"web\" is neither a prefix, like 10.0.0.0/8 or fd00::/8, nor a service (tcp, udp or sctp with optional /PORTS, icmp, icmp/TYPES, icmpv6/TYPES, proto/NUMBER)",
		     "resource add fz0 web web");
	refused_with("\"in\": this direction has a mode already", "mode fz0 in open in observe");
	refused_with("\"observe\": a direction has a mode already", "mode fz0 open observe");
	refused_with("\"observe\": a direction has a mode already", "mode fz0 out open observe");
	refused_with("\"out\": this direction has a mode already", "mode fz0 open out enforce");
	refused_with("\"until\": a grant ends once only", "grant add fz0 any resource web for 8h until 18:00");
	refused_with("\"quota\": it is there twice", "grant add fz0 any resource web quota 1G quota 1G");
	refused_with("\"rate\": it is there twice", "grant add fz0 any resource web rate 1Mbit flows 1/s rate 1Mbit");
	refused_with("\"flows\": it is there twice", "grant add fz0 any resource web flows 1/s flows 2/s");
	refused_with("\"tag\": it is there twice", "grant add fz0 any resource web tag " TAG " tag " TAG);
	refused_with("\"deny\": a grant has one action", "grant add fz0 any resource web allow deny");
	refused_with("\"allow\": a grant has one action", "grant add fz0 any resource web allow allow");
	refused_with("\"alow\" is no term of a grant (allow, deny, for, until, tag, quota, rate, flows)",
		     "grant add fz0 any resource web allow quota 1G alow");
	refused_with("\"10000000Gbit\" is more than the largest rate (2^53 bits per second)",
		     "grant add fz0 any resource web rate 10000000Gbit");
	refused_with("\"peers\" and --json exclude each other", "show fz0 peers --json");
}

static void test_files(void **state)
{
	(void)state;
	refused_with("cannot read \"/\": Is a directory", "batch /");
	refused_with("cannot read \"/\": Is a directory", "set fz0 private-key /");
	refused_with("cannot read \"/\": Is a directory", "setconf fz0 /");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_names),
		cmocka_unit_test(test_what_is_missing),
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
