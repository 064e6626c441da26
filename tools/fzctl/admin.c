// SPDX-License-Identifier: GPL-2.0-only
#include "admin.h"

#include <stdlib.h>
#include <string.h>

struct option {
	const char *name;
	bool takes_value;
};

static const struct option known_options[] = {
	{ "--socket", true }, { "--json", false }, { "--name", true }, { "--group", true }, { "--add-group", true },
	{ "--del-group", true }, { "--disabled", false }, { "--prefix", true }, { "--masquerade", false },
	{ "--no-masquerade", false }, { "--site", true }, { "--any-service", false }, { "--resource", true },
	{ "--allow", false }, { "--deny", false }, { "--lease", true }, { "--days", true }, { "--from", true },
	{ "--to", true }, { "--tz", true }, { "--always", false }, { "--expires", true }, { "--follow", false },
	{ "--kind", true }, { "--limit", true }, { "--user", true }, { "--device", true }, { "--policy", true },
	{ "--at", true },
};

/**
 * struct verb - what can be done
 * @run: does it
 * @words: how many words it wants after the verb; @most: at most so many, -1 for any number
 * @options: those that it takes beside --json and --socket
 */
struct verb {
	const char *noun;
	const char *verb;
	int (*run)(const struct admin *admin);
	int words, most;
	const char *const *options;
};

#define OPTIONS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL })

#define USER_OPTIONS "--group", "--disabled"
#define POLICY_OPTIONS \
	"--group", "--resource", "--allow", "--deny", "--lease", "--days", "--from", "--to", "--tz", "--disabled"

#define SHARED_VERBS(noun) \
	{ noun, "list", admin_object, 0, 0, OPTIONS() }, \
	{ noun, "show", admin_object, 1, 1, OPTIONS() }, \
	{ noun, "del", admin_object, 1, 1, OPTIONS() }

#define SWITCH_VERBS(noun) \
	{ noun, "enable", admin_object, 1, 1, OPTIONS() }, \
	{ noun, "disable", admin_object, 1, 1, OPTIONS() }

static const struct verb verbs[] = {
	SHARED_VERBS("user"), SWITCH_VERBS("user"),
	{ "user", "add", admin_object, 1, 1, OPTIONS(USER_OPTIONS) },
	{ "user", "set", admin_object, 1, 1, OPTIONS("--name", "--group", "--add-group", "--del-group") },
	SHARED_VERBS("group"),
	{ "group", "add", admin_object, 1, 1, OPTIONS() },
	{ "group", "set", admin_object, 1, 1, OPTIONS("--name") },
	SHARED_VERBS("site"),
	{ "site", "add", admin_object, 1, 1, OPTIONS("--prefix", "--masquerade", "--no-masquerade") },
	{ "site", "set", admin_object, 1, 1, OPTIONS("--name", "--prefix", "--masquerade", "--no-masquerade") },
	SHARED_VERBS("gateway"), SWITCH_VERBS("gateway"),
	{ "gateway", "set", admin_object, 1, 1, OPTIONS("--name") },
	SHARED_VERBS("device"), SWITCH_VERBS("device"),
	{ "device", "set", admin_object, 1, 1, OPTIONS("--name") },
	SHARED_VERBS("resource"),
	{ "resource", "add", admin_object, 2, -1, OPTIONS("--site") },
	{ "resource", "set", admin_object, 1, -1, OPTIONS("--name", "--site", "--any-service") },
	SHARED_VERBS("policy"), SWITCH_VERBS("policy"),
	{ "policy", "add", admin_policy, 1, 1, OPTIONS(POLICY_OPTIONS) },
	{ "policy", "set", admin_policy, 1, 1, OPTIONS("--name", "--always", POLICY_OPTIONS) },
	{ "invite", "user", admin_invite, 1, 1, OPTIONS("--expires") },
	{ "invite", "gateway", admin_invite, 0, 0, OPTIONS("--site", "--expires") },
	{ "invite", "list", admin_invite, 0, 0, OPTIONS() },
	{ "invite", "del", admin_invite, 1, 1, OPTIONS() },
	{ "log", NULL, admin_log, 0, 0,
	  OPTIONS("--follow", "--kind", "--limit", "--user", "--device", "--resource", "--policy") },
	{ "explain", NULL, admin_explain, 2, 2, OPTIONS("--at") },
	{ "status", NULL, admin_status, 0, 0, OPTIONS() },
};

#define N_VERBS (sizeof(verbs) / sizeof(*verbs))

const char *admin_option(const struct admin *admin, const char *name)
{
	for (size_t i = admin->n_options; i--;)
		if (!strcmp(admin->options[i].name, name))
			return admin->options[i].value;
	return NULL;
}

bool admin_flag(const struct admin *admin, const char *name)
{
	for (size_t i = 0; i < admin->n_options; i++)
		if (!strcmp(admin->options[i].name, name))
			return true;
	return false;
}

json_t *admin_list(const struct admin *admin, const char *name)
{
	json_t *list = NULL;

	for (size_t i = 0; i < admin->n_options; i++) {
		if (strcmp(admin->options[i].name, name))
			continue;
		if (!list)
			list = json_array();
		json_array_append_new(list, json_string(admin->options[i].value));
	}
	return list;
}

static const struct option *option_find(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(known_options) / sizeof(*known_options); i++)
		if (strlen(known_options[i].name) == len && !strncmp(known_options[i].name, word, len))
			return &known_options[i];
	return NULL;
}

/* --name VALUE or --name=VALUE; @i moves on over the value. */
static int option_take(struct admin *admin, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *equals = strchr(word, '=');
	const struct option *option = option_find(word, equals ? (size_t)(equals - word) : strlen(word));
	const char *value = NULL;

	if (!option)
		return usage_error("\"%s\" is no option of `fzctl admin`", word);
	if (equals && !option->takes_value)
		return usage_error("%s takes no value", option->name);
	if (equals)
		value = equals + 1;
	else if (option->takes_value && *i + 1 < argc)
		value = argv[++*i];
	if (option->takes_value && (!value || !*value))
		return usage_error("%s needs a value", option->name);
	if (admin->n_options == ADMIN_OPTIONS_MAX)
		return usage_error("there are more than %d options", ADMIN_OPTIONS_MAX);
	admin->options[admin->n_options].name = option->name;
	admin->options[admin->n_options++].value = value;
	return EXIT_DONE;
}

/* Options out of the words; what is left starts with noun and verb. */
static int words_take(struct admin *admin, int argc, char **argv)
{
	bool options = true;
	int status;

	for (int i = 1; i < argc; i++) {
		if (options && !strcmp(argv[i], "--")) {
			options = false;
		} else if (options && !strncmp(argv[i], "--", 2)) {
			status = option_take(admin, argc, argv, &i);
			if (status)
				return status;
		} else {
			admin->words[admin->n_words++] = argv[i];
		}
	}
	return EXIT_DONE;
}

static bool option_allowed(const struct verb *verb, const char *name)
{
	if (!strcmp(name, "--json") || !strcmp(name, "--socket"))
		return true;
	for (size_t i = 0; verb->options[i]; i++)
		if (!strcmp(verb->options[i], name))
			return true;
	return false;
}

static int verb_find(const struct admin *admin, const struct verb **found)
{
	bool noun = false;

	if (!admin->n_words)
		return usage_error("\"admin\" needs a noun; `fzctl help admin` lists them");
	for (size_t i = 0; i < N_VERBS; i++) {
		if (strcmp(verbs[i].noun, admin->words[0]))
			continue;
		noun = true;
		if (verbs[i].verb && (admin->n_words < 2 || strcmp(verbs[i].verb, admin->words[1])))
			continue;
		*found = &verbs[i];
		return EXIT_DONE;
	}
	if (!noun)
		return usage_error("\"%s\" is nothing that `fzctl admin` knows; `fzctl help admin` lists it",
				   admin->words[0]);
	if (admin->n_words < 2)
		return usage_error("\"admin %s\" needs a verb; `fzctl help admin` lists them", admin->words[0]);
	return usage_error("\"%s\" cannot be done with %s; `fzctl help admin` lists what can", admin->words[1],
			   admin->words[0]);
}

/* What the next word would be, after @n. */
static const char *word_missing(const struct verb *verb, int n)
{
	if (!verb->verb)
		return n ? "a resource or an ADDRESS:PORT" : "a device or a user";
	if (n)
		return "a prefix";
	return strcmp(verb->noun, "invite") ? "a name" : !strcmp(verb->verb, "del") ? "an id" : "the name of a user";
}

static int verb_run(struct admin *admin)
{
	const struct verb *verb = NULL;
	int status = verb_find(admin, &verb), skip;

	if (status)
		return status;
	skip = verb->verb ? 2 : 1;
	admin->noun = verb->noun;
	admin->verb = verb->verb;
	admin->words += skip;
	admin->n_words -= skip;
	for (size_t i = 0; i < admin->n_options; i++)
		if (!option_allowed(verb, admin->options[i].name))
			return usage_error("%s has no meaning for \"admin %s%s%s\"", admin->options[i].name, verb->noun,
					   verb->verb ? " " : "", verb->verb ? verb->verb : "");
	if (admin->n_words < verb->words)
		return usage_error("\"admin %s%s%s\" needs %s", verb->noun, verb->verb ? " " : "",
				   verb->verb ? verb->verb : "", word_missing(verb, admin->n_words));
	if (verb->most >= 0 && admin->n_words > verb->most)
		return too_many_words(admin->words[verb->most]);
	admin->json = admin_flag(admin, "--json");
	admin->socket = admin_option(admin, "--socket");
	if (!admin->socket)
		admin->socket = getenv("FZ_BROKER_SOCKET");
	if (!admin->socket || !*admin->socket)
		admin->socket = "/run/fz/broker.sock";
	return verb->run(admin);
}

/* fzctl admin ... */
int admin_main(int argc, char **argv)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	char **words = calloc((size_t)argc + 1, sizeof(*words));
	int status;

	if (!admin || !words) {
		free(admin);
		free(words);
		return usage_error("out of memory");
	}
	admin->words = words;
	status = words_are_text(argc, argv);
	if (!status)
		status = words_take(admin, argc, argv);
	if (!status)
		status = verb_run(admin);
	admin_call_close();
	free(words);
	free(admin);
	return status;
}
