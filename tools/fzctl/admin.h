/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fzctl admin: the broker's admin API as commands. admin.c has the table and the options, admin_call.c speaks HTTP,
 * admin_object.c has what is kept, admin_policy.c policies, admin_log.c the log and what is asked.
 */
#ifndef FZCTL_ADMIN_H
#define FZCTL_ADMIN_H

#include "fzctl.h"

#define ADMIN_USAGE \
	"admin user add NAME [--group GROUP]... [--disabled]\n" \
	"admin user set NAME [--name NEW] [--group GROUP]... [--add-group GROUP]...\n" \
	"      [--del-group GROUP]...\n" \
	"admin user enable|disable|show|del NAME\n" \
	"admin group add|show|del NAME\n" \
	"admin group set NAME --name NEW\n" \
	"admin site add|set NAME [--name NEW] [--prefix PREFIX]...\n" \
	"      [--masquerade|--no-masquerade]\n" \
	"admin site show|del NAME\n" \
	"admin gateway|device set NAME --name NEW\n" \
	"admin gateway|device enable|disable|show|del NAME\n" \
	"admin resource add NAME --site SITE PREFIX... [SERVICE...]\n" \
	"admin resource set NAME [--name NEW] [--site SITE] [PREFIX...]\n" \
	"      [SERVICE...|--any-service]\n" \
	"admin resource show|del NAME\n" \
	"admin policy add NAME --group GROUP... --resource RESOURCE...\n" \
	"      [--allow|--deny] [--lease DURATION] [--days mon-fri]\n" \
	"      [--from 08:00] [--to 18:00] [--tz Europe/Madrid] [--disabled]\n" \
	"admin policy set NAME [--name NEW] [the same] [--always]\n" \
	"admin policy enable|disable|show|del NAME\n" \
	"admin invite user NAME [--expires DURATION]\n" \
	"admin invite gateway --site SITE [--expires DURATION]\n" \
	"admin invite list | del ID\n" \
	"admin user|group|site|gateway|device|resource|policy list\n" \
	"admin log [--follow] [--kind audit|denial|flow] [--limit N]\n" \
	"      [--user U] [--device D] [--resource R] [--policy P]\n" \
	"admin explain DEVICE|USER RESOURCE|ADDRESS:PORT[/PROTOCOL] [--at TIME]\n" \
	"admin status\n" \
	"    all of them: [--json] [--socket PATH], or FZ_BROKER_SOCKET=PATH\n"

#define ADMIN_OPTIONS_MAX 128

/* What the broker allows at most. */
#define ADMIN_LEASE_DAYS 30
#define ADMIN_INVITE_DAYS 90

/**
 * struct admin - one command: its words without options, and the options
 * @noun: "user", "site" ...
 * @verb: "add" ...
 * @words: what is neither noun, verb nor option
 */
struct admin {
	const char *noun;
	const char *verb;
	char **words;
	int n_words;
	bool json;
	const char *socket;
	struct {
		const char *name;
		const char *value;	/* NULL: it takes none */
	} options[ADMIN_OPTIONS_MAX];
	size_t n_options;
};

/* The value of an option given once, NULL when it was not given; the last one when it was given again. */
const char *admin_option(const struct admin *admin, const char *name);
bool admin_flag(const struct admin *admin, const char *name);
/* Every value of an option that may be given several times, as a list of text; NULL when it was not given. */
json_t *admin_list(const struct admin *admin, const char *name);

/**
 * admin_call() - one request to the broker
 * @admin: the command
 * @method: HTTP method
 * @path: below the root, with escaped names
 * @body: object to send, taken over; NULL for none
 * @answer: out: what the broker answered, NULL with an answer without a body; to be freed by the caller
 *
 * Return: an exit status; when not EXIT_DONE the sentence was printed.
 */
int admin_call(const struct admin *admin, const char *method, const char *path, json_t *body, json_t **answer);
/* COLLECTION/NAME with the name escaped; to be freed */
char *admin_path(const char *collection, const char *name);
/* A query of key=value pairs; pairs whose value is NULL are left out. Ends with a NULL key. To be freed. */
char *admin_query(const char *path, const char *const *pairs);
void admin_call_close(void);

/* Texts of fields, for tables. */
const char *admin_text(const json_t *object, const char *key);
const char *admin_join(const json_t *list, char *text, size_t size);

int admin_object(const struct admin *admin);
int admin_policy(const struct admin *admin);
int admin_invite(const struct admin *admin);
int admin_log(const struct admin *admin);
int admin_explain(const struct admin *admin);
int admin_status(const struct admin *admin);

/* admin_object.c: what all objects have in common. */
int admin_list_print(const struct admin *admin, const char *collection);
int admin_show(const struct admin *admin, const char *collection, const char *name);
int admin_send(const struct admin *admin, const char *method, const char *path, json_t *body);

int admin_main(int argc, char **argv);

#endif
