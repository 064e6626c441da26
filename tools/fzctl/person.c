// SPDX-License-Identifier: GPL-2.0-only
/* fzctl join, status, why: questions to the agent on this host. */
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fz.h"
#include "fzctl.h"
#include "invite.h"
#include "person.h"

#define AGENT_SOCKET "/run/fz/agent.sock"

struct person_options {
	const char *control, *name;
	bool json;
	char *words[2];
	int n_words;
};

static int agent_connect(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(un.sun_path)) {
		fprintf(stderr, "fzctl: the name of the agent's socket is too long: %s\n", path);
		return -1;
	}
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&un, sizeof(un)))
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED)
		fprintf(stderr, "fzctl: no agent listens on %s (start fzagent)\n", path);
	else if (errno == EACCES)
		fprintf(stderr, "fzctl: no permission to speak to the agent on %s\n", path);
	else
		fprintf(stderr, "fzctl: the agent on %s cannot be reached: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/*
 * One question, one answer; prints the sentence and returns NULL if it is a refusal. Takes @question. @status: gets 2
 * if the question was wrong, else 1; of no use with an answer
 */
static json_t *ask_agent(const char *path, json_t *question, int *status)
{
	json_t *answer = NULL;
	json_error_t where;
	FILE *stream = NULL;
	char *line = NULL;
	size_t room = 0;
	int fd;

	*status = 1;
	if (!question) {
		fputs("fzctl: out of memory\n", stderr);
		return NULL;
	}
	fd = agent_connect(path);
	if (fd < 0)
		goto out;
	stream = fdopen(fd, "r+");
	if (!stream) {
		close(fd);
		goto out;
	}
	if (json_dumpf(question, stream, JSON_COMPACT) || fputc('\n', stream) == EOF || fflush(stream) ||
	    getline(&line, &room, stream) < 0) {
		fputs("fzctl: the agent closed the connection without an answer\n", stderr);
		goto out;
	}
	answer = json_loads(line, JSON_REJECT_DUPLICATES, &where);
	if (!answer) {
		fputs("fzctl: the agent's answer cannot be understood\n", stderr);
	} else if (!json_is_true(json_object_get(answer, "ok"))) {
		const char *sentence = json_string_value(json_object_get(answer, "error"));

		print_line(stderr, "fzctl: %s", sentence ? sentence : "the agent refused");
		if (json_is_true(json_object_get(answer, "malformed")))
			*status = 2;
		json_decref(answer);
		answer = NULL;
	}
out:
	if (stream)
		fclose(stream);
	free(line);
	json_decref(question);
	return answer;
}

/* @missing: what the first word is, NULL if none is needed */
static int parse(struct person_options *o, int argc, char **argv, const char *missing, int words_max,
		 const char *usage)
{
	int ret = words_are_text(argc, argv);

	memset(o, 0, sizeof(*o));
	if (ret)
		return ret;
	o->control = getenv("FZ_AGENT_SOCKET");
	if (!o->control || !*o->control)
		o->control = AGENT_SOCKET;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			o->json = true;
		} else if (!strcmp(argv[i], "--control") && i + 1 < argc) {
			o->control = argv[++i];
		} else if (!strcmp(argv[i], "--name") && i + 1 < argc) {
			o->name = argv[++i];
		} else if (!strcmp(argv[i], "--help")) {
			printf("Usage: %s\n", usage);
			return -1;
		} else if ((argv[i][0] == '-' && argv[i][1]) || o->n_words == words_max) {
			fprintf(stderr, "fzctl: '%s' is not expected\nUsage: %s\n", argv[i], usage);
			return 2;
		} else {
			o->words[o->n_words++] = argv[i];
		}
	}
	if (missing && !o->n_words) {
		fprintf(stderr, "fzctl: %s is missing\nUsage: %s\n", missing, usage);
		return 2;
	}
	return 0;
}

static const char *text_of(const json_t *root, const char *name)
{
	const char *text = json_string_value(json_object_get(root, name));

	return text ? text : "";
}

/*
 * The invitation as it is asked for by "-": everybody on this host can read a
 * command line. For free(); NULL after a complaint.
 */
static char *read_invitation(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	if (isatty(STDIN_FILENO))
		fputs("invitation: ", stderr);
	len = getline(&line, &room, stdin);
	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		line[--len] = '\0';
	if (len > 0)
		return line;
	fputs("fzctl: there is no invitation on standard input\n", stderr);
	free(line);
	return NULL;
}

/* An invitation serves once: what would be wrong with it or the name is found before it is sent. */
static int join_question(const struct person_options *o, json_t **question)
{
	char *line = NULL, *text = o->words[0];
	struct fz_invite invite;
	struct fz_error err;
	int ret = o->name ? check_name(o->name) : 0;

	if (ret)
		return ret;
	if (!strcmp(text, "-")) {
		text = line = read_invitation();
		if (!line)
			return EXIT_REFUSED;
	}
	if (fz_invite_parse(&invite, text, &err))
		ret = bad_word(&err);
	else
		*question = json_pack("{s:s, s:s, s:s*}", "op", "join", "invitation", text, "name", o->name);
	fz_invite_wipe(&invite);
	if (line)
		sodium_memzero(line, strlen(line));
	free(line);
	return ret;
}

/**
 * join_main() - fzctl join: enrol this device with an invitation
 * @argc: words, with the subcommand's name
 * @argv: the words; "-" for an invitation on standard input
 *
 * Return: exit status.
 */
int join_main(int argc, char **argv)
{
	struct person_options o;
	json_t *question = NULL, *answer;
	int ret = parse(&o, argc, argv, "an invitation", 1, JOIN_USAGE);

	if (ret)
		return ret < 0 ? 0 : ret;
	ret = join_question(&o, &question);
	if (ret)
		return ret;
	answer = ask_agent(o.control, question, &ret);
	if (!answer)
		return ret;
	if (o.json)
		print_json(json_incref(answer), true);
	else
		print_line(stdout, "joined %s as %s %s", text_of(answer, "broker"), text_of(answer, "role"),
			   text_of(answer, "name"));
	json_decref(answer);
	return 0;
}

static void print_list(const char *title, const json_t *list, const char *kind, const char *value)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		if (json_is_string(item))
			print_line(stdout, "  %s: %s", title, json_string_value(item));
		else
			print_line(stdout, "  %s: %s (%s)", title, text_of(item, value), text_of(item, kind));
	}
}

static void print_grants(const json_t *list)
{
	json_t *item, *lease;
	char left[32];
	size_t i;

	json_array_foreach(list, i, item) {
		lease = json_object_get(item, "lease_ms");
		if (lease)
			fz_format_duration(left, sizeof(left), (uint64_t)json_integer_value(lease));
		print_line(stdout, "  %s: %s, %s %s, policy %s%s%s%s", text_of(item, "action"), text_of(item, "resource"),
			   strcmp(text_of(item, "direction"), "in") ? "by way of" : "for", text_of(item, "peer"),
			   text_of(item, "policy"), lease ? ", for " : "", lease ? left : "", lease ? " more" : "");
	}
}

static void print_status(const json_t *s)
{
	const char *owner = *text_of(s, "user") ? text_of(s, "user") : text_of(s, "site");

	if (!json_is_true(json_object_get(s, "joined"))) {
		printf("not joined: fzctl join INVITATION\n");
		return;
	}
	if (*text_of(s, "name"))
		print_line(stdout, "%s %s%s%s", text_of(s, "role"), text_of(s, "name"), *owner ? " of " : "", owner);
	else	/* only the broker knows what this device is called, and who has it */
		printf("joined, but not let in by the broker since the agent started\n");
	print_line(stdout, "  broker: %s, %s", text_of(s, "broker"),
		   json_is_true(json_object_get(s, "connected")) ? "connected" : "not connected");
	if (*text_of(s, "trouble"))
		print_line(stdout, "  trouble: %s", text_of(s, "trouble"));
	print_line(stdout, "  device: %s%s%s", text_of(s, "device"),
		   *text_of(s, "changed") ? ", not as the broker wants it: " : "", text_of(s, "changed"));
	print_list("address", json_object_get(s, "addresses"), "", "");
	print_list("reachable at", json_object_get(s, "candidates"), "kind", "endpoint");
	print_grants(json_object_get(s, "grants"));
}

/**
 * status_main() - fzctl status: what the agent on this host is and has
 * @argc: words, with the subcommand's name
 * @argv: the words
 *
 * Return: exit status.
 */
int status_main(int argc, char **argv)
{
	struct person_options o;
	json_t *answer;
	int ret = parse(&o, argc, argv, NULL, 0, STATUS_USAGE);

	if (ret)
		return ret < 0 ? 0 : ret;
	answer = ask_agent(o.control, json_pack("{s:s}", "op", "status"), &ret);
	if (!answer)
		return ret;
	if (o.json)
		print_json(json_incref(answer), true);
	else
		print_status(answer);
	json_decref(answer);
	return 0;
}

static int check_why(const struct person_options *o)
{
	const char *protocol = o->n_words == 2 ? o->words[1] : "tcp";
	uint8_t number;

	if (fz_parse_protocol(protocol, &number, NULL) || strchr(protocol, '/') || !strcmp(protocol, "icmpv6"))
		return usage_error("\"%s\" is no protocol (tcp, udp, sctp, icmp)", protocol);
	return check_target(o->words[0], number);
}

/**
 * why_main() - fzctl why: may this device reach that, and which policy says so
 * @argc: words, with the subcommand's name
 * @argv: the words
 *
 * Return: exit status; 1 when the answer is no.
 */
int why_main(int argc, char **argv)
{
	struct person_options o;
	json_t *question, *answer;
	int ret = parse(&o, argc, argv, "an address or a resource", 2, WHY_USAGE);
	bool allowed;

	if (!ret)
		ret = check_why(&o);
	if (ret)
		return ret < 0 ? 0 : ret;
	question = json_pack("{s:s, s:s}", "op", "why", "target", o.words[0]);
	if (o.n_words == 2 && question)
		json_object_set_new(question, "protocol", json_string(o.words[1]));
	answer = ask_agent(o.control, question, &ret);
	if (!answer)
		return ret;
	allowed = json_is_true(json_object_get(answer, "allowed"));
	if (o.json)
		print_json(json_incref(answer), true);
	else
		print_line(stdout, "%s: %s", allowed ? "yes" : "no", text_of(answer, "sentence"));
	json_decref(answer);
	return allowed ? 0 : 1;
}
