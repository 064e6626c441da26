// SPDX-License-Identifier: GPL-2.0-only
/* The table of subcommands, and help. */
#include "fzctl.h"
#include "admin.h"
#include "person.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
	{ "show", show_main, "shows devices and their peers",
	  "show [DEV|all|interfaces] [--json]\n"
	  "show DEV|all public-key|private-key|listen-port|fwmark|peers|\n"
	  "     preshared-keys|endpoints|allowed-ips|latest-handshakes|transfer|\n"
	  "     persistent-keepalive|dump\n", 0 },
	{ "showconf", showconf_main, "shows a device's configuration, for use with setconf",
	  "showconf DEV\n", 0 },
	{ "set", set_main, "changes a device, adds, changes and removes peers",
	  "set DEV [listen-port PORT] [fwmark MARK] [private-key FILE]\n"
	  "    [peer KEY [remove] [preshared-key FILE] [endpoint HOST:PORT]\n"
	  "     [persistent-keepalive SECONDS] [allowed-ips [+|-]PREFIX[,...]]]...\n", 0 },
	{ "setconf", setconf_main, "applies a configuration file to a device", "setconf DEV FILE\n", 0 },
	{ "addconf", setconf_main, "adds a configuration file to what a device has",
	  "addconf DEV FILE\n", 0 },
	{ "syncconf", setconf_main, "applies a configuration file, and disturbs no peer that stays",
	  "syncconf DEV FILE\n", 0 },
	{ "genkey", genkey_main, "makes a private key", "genkey\n", 0 },
	{ "genpsk", genkey_main, "makes a preshared key", "genpsk\n", 0 },
	{ "pubkey", pubkey_main, "reads a private key and prints its public key", "pubkey < FILE\n",
	  COMMAND_NOT_IN_BATCH },
	{ "up", updown_main, "makes a device from a file of wg-quick(8)", "up FILE|NAME\n", 0 },
	{ "down", updown_main, "removes it", "down FILE|NAME\n", 0 },
	{ "reload", updown_main, "applies a file to the device that was made from it", "reload FILE|NAME\n", 0 },
	{ "save", updown_main, "writes a device as it is into the file that it was made from", "save FILE|NAME\n", 0 },
	{ "strip", updown_main, "prints a file of wg-quick(8) as setconf and syncconf take it", "strip FILE|NAME\n", 0 },
	{ "mode", mode_main, "shows or sets what happens to flows without a grant",
	  "mode DEV [peer KEY]\n"
	  "     [[in|out] open|observe|enforce|inherit [ask] [reject]]...\n", 0 },
	{ "ask-prefixes", ask_prefixes_main,
	  "destinations that are asked about when no peer holds them",
	  "ask-prefixes DEV [PREFIX...|none]\n", 0 },
	{ "resource", resource_main, "what can be reached",
	  "resource add DEV NAME PREFIX... [SERVICE...]\n"
	  "resource del DEV NAME\n"
	  "resource list DEV [--json]\n"
	  "    SERVICE is tcp, udp or sctp with optional /PORTS (443,8000-8010), icmp,\n"
	  "    icmp/TYPES of IPv4, icmpv6/TYPES or proto/NUMBER; none means everything\n", COMMAND_QUEUES },
	{ "grant", grant_main, "who may, or may not, reach what",
	  "grant add DEV peer KEY|any resource NAME [in|out] [allow|deny]\n"
	  "          [for DURATION|until TIME] [tag HEX] [quota SIZE] [rate RATE]\n"
	  "          [flows N/s]\n"
	  "grant del DEV peer KEY|any resource NAME [in|out]\n"
	  "grant list DEV [peer KEY] [--json]\n"
	  "    in, the default: the peer opens the flow; out: this side does\n"
	  "    DURATION is 90s, 15m, 8h or 7d; TIME 18:00, 2026-12-31T18:00 or\n"
	  "    2026-12-31T18:00:00Z; neither is further away than 366 days\n"
	  "    SIZE is 1500, 500M or 20G (bytes, by 1024); RATE 64kbit, 10Mbit or 1Gbit\n",
	  COMMAND_QUEUES },
	{ "flow", flow_main, "conversations that were admitted",
	  "flow list DEV [peer KEY] [--json]\n"
	  "flow flush DEV [peer KEY]\n", 0 },
	{ "explain", explain_main, "what would happen to a flow, and why",
	  "explain DEV peer KEY in|out PROTO SRC[:PORT] DST[:PORT] [--json]\n"
	  "    PROTO is tcp, udp, sctp, icmp[/TYPE[/CODE]] of IPv4, icmpv6[/TYPE[/CODE]]\n"
	  "    or proto/NUMBER\n", 0 },
	{ "monitor", monitor_main, "prints what happens while it happens",
	  "monitor [peers] [flows] [denials] [policy] [--json]\n", COMMAND_NOT_IN_BATCH },
	{ "observe-report", observe_report_main, "turns observed denials into resources and grants",
	  "observe-report [FILE]... [--up|--json] [--device DEV] [--peer KEY]\n"
	  "               [--since TIME] [--min-count N] [--prefix-length N]\n"
	  "               [--prefix-length6 N] [--max-ports N] [--max-addresses N]\n"
	  "               [--for DURATION] [--name START] [--refused] [--room N]\n"
	  "    reads what `monitor denials --json` wrote\n", COMMAND_NOT_IN_BATCH },
	{ "stats", stats_main, "every counter of a device", "stats DEV [--json]\n", 0 },
	{ "batch", batch_main, "runs one command a line",
	  "batch [FILE] [--force]\n"
	  "    stops at the first error; with --force goes on\n", COMMAND_NOT_IN_BATCH },
	{ "join", join_main, "joins a network by invitation", JOIN_USAGE "\n",
	  COMMAND_NOT_IN_BATCH },
	{ "status", status_main, "what the agent on this host does", STATUS_USAGE "\n",
	  COMMAND_NOT_IN_BATCH },
	{ "why", why_main, "why something can, or cannot, be reached", WHY_USAGE "\n",
	  COMMAND_NOT_IN_BATCH },
	{ "admin", admin_main, "administers the broker", ADMIN_USAGE, COMMAND_NOT_IN_BATCH },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/**
 * command_find - the row with a name
 * @name: the first word
 *
 * Return: the row, or NULL.
 */
const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

/* Each line of a usage that starts with a word is a form of the command. */
static void print_usage(FILE *out, const struct command *command)
{
	const char *line = command->usage, *end;

	for (; *line; line = end + 1) {
		end = strchrnul(line, '\n');
		if (!strncmp(line, "fzctl ", 6) || *line == ' ')
			fprintf(out, "%.*s\n", (int)(end - line), line);
		else
			fprintf(out, "fzctl %.*s\n", (int)(end - line), line);
		if (!*end)
			break;
	}
}

static int print_help(FILE *out)
{
	fputs("usage: fzctl COMMAND ...\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].summary);
	fputs("\n`fzctl help COMMAND` says how one is used. What lists or watches takes --json.\n", out);
	return EXIT_DONE;
}

static int help(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2)
		return print_help(stdout);
	command = command_find(argv[1]);
	if (!command)
		return usage_error("\"%s\" is no command; `fzctl help` lists them", argv[1]);
	printf("%s: %s\n", command->name, command->summary);
	print_usage(stdout, command);
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	const struct command *command;

	if (!strcmp(argv[0], "help") || !strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))
		return help(argc, argv);
	if (!strcmp(argv[0], "version") || !strcmp(argv[0], "--version") || !strcmp(argv[0], "-v")) {
		puts("fzctl " FZ_VERSION);
		return EXIT_DONE;
	}
	if (!strcmp(argv[0], "--json"))
		return usage_error("\"--json\" comes after the command");
	command = command_find(argv[0]);
	if (!command)
		return usage_error("\"%s\" is no command; `fzctl help` lists them", argv[0]);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			print_usage(stdout, command);
			return EXIT_DONE;
		}
	}
	return command->run(argc, argv);
}

int main(int argc, char **argv)
{
	static char *show_all[] = { (char *)"show", NULL };
	int ret;

	/* As wg does: with nothing to do, show everything. */
	ret = argc > 1 ? run(argc - 1, argv + 1) : run(1, show_all);
	session_close();
	if (fflush(stdout) && !ret)
		ret = output_failed(errno);
	if (ferror(stdout) && !ret)
		ret = output_failed(0);
	return ret;
}
