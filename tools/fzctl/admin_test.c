// SPDX-License-Identifier: GPL-2.0-only
/*
 * fzctl admin against a real admin API in a process of its own: every example of docs/admin.md as it stands there, and
 * wrong words.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../broker/api.h"
#include "../../broker/broker.h"
#include "../../broker/log.h"
#include "admin.h"
#include "invite.h"

_Static_assert(ADMIN_LEASE_DAYS * 24 * 3600 == LEASE_MAX_S, "the longest lease");

static char dir[64], path[128], state_path[128], out_path[128];
static char output[1 << 16];
static pid_t child;

/* ---- the broker, less what speaks to agents ---- */

void server_changed(struct server *server)
{
	(void)server;
}

void server_presence(struct server *server, int64_t device_id, struct presence *presence)
{
	(void)server;
	(void)device_id;
	(void)presence;
}

static void on_term(uv_signal_t *handle, int number)
{
	struct broker *broker = handle->data;

	(void)number;
	uv_close((uv_handle_t *)handle, NULL);
	api_stop(broker->api);
}

/* What an agent would do with an invitation: as soon as there is alice, she has a laptop. */
static void laptop_enrol(struct broker *broker)
{
	const struct user *alice = directory_user_named(broker->dir, "alice");
	struct enrolment enrolment = { .name = "laptop", .control_key = { 1 }, .tunnel_key = { 2 } };
	struct invitation invitation = { .expires_ms = store_clock() + 60000 };
	struct device device;
	struct fault fault;

	if (!alice || broker->dir->n_devices)
		return;
	invitation.user_id = alice->id;
	if (store_invitation_add(broker->store, &invitation, enrolment.token, NULL) ||
	    store_enrol(broker->store, &enrolment, store_clock(), &device, NULL))
		_exit(1);
	broker_refresh(broker, &fault);
}

static void on_idle(uv_check_t *handle)
{
	laptop_enrol(handle->data);
}

static void serve(int ready)
{
	struct broker broker = { .config = { .public = "192.0.2.1:7700", .lease_s = 900 } };
	struct fault fault = { 0 };
	uv_signal_t term;
	uv_check_t check;
	uv_loop_t loop;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_threshold = LOG_LEVEL_ERROR;
	uv_loop_init(&loop);
	broker.loop = &loop;
	uv_timer_init(&loop, &broker.retry);
	broker.store = store_open(state_path, NULL, &fault);
	if (broker.store)
		broker.dir = store_directory(broker.store, &fault);
	if (broker.dir)
		broker.api = api_start(&broker, path, &fault);
	if (!broker.api)
		_exit(1);
	uv_signal_init(&loop, &term);
	term.data = &broker;
	uv_signal_start(&term, on_term, SIGTERM);
	uv_check_init(&loop, &check);
	check.data = &broker;
	uv_check_start(&check, on_idle);
	uv_unref((uv_handle_t *)&check);
	if (write(ready, "x", 1) != 1)
		_exit(1);
	uv_run(&loop, UV_RUN_DEFAULT);
	directory_free(broker.dir);
	store_close(broker.store);
	_exit(0);
}

static int setup(void **state)
{
	int pipes[2];
	char byte;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/fz-admin-test-XXXXXX");
	if (!mkdtemp(dir) || pipe(pipes))
		return -1;
	snprintf(path, sizeof(path), "%s/admin.sock", dir);
	snprintf(state_path, sizeof(state_path), "%s/state", dir);
	snprintf(out_path, sizeof(out_path), "%s/out", dir);
	setenv("FZ_BROKER_SOCKET", path, 1);
	fflush(NULL);
	child = fork();
	if (child < 0)
		return -1;
	if (!child)
		serve(pipes[1]);
	close(pipes[1]);
	if (read(pipes[0], &byte, 1) != 1)
		return -1;
	close(pipes[0]);
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static int teardown(void **state)
{
	int status;

	(void)state;
	kill(child, SIGTERM);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
		return -1;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- running a command line ---- */

/* "admin ..." split at spaces; what it prints on either channel goes to output[]. */
static int run(const char *line)
{
	char copy[1024], *words[64], *save = NULL;
	int status, n = 0, channels[2], file;
	ssize_t len;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " ", &save); word && n < 63; word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	words[n] = NULL;
	fflush(NULL);
	file = open(out_path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	for (int i = 0; i < 2; i++) {
		channels[i] = dup(i + 1);
		dup2(file, i + 1);
	}
	status = admin_main(n, words);
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		dup2(channels[i], i + 1);
		close(channels[i]);
	}
	len = pread(file, output, sizeof(output) - 1, 0);
	output[len > 0 ? len : 0] = '\0';
	close(file);
	return status;
}

#define assert_run(want, words, line) \
	do { \
		int assert_status = run(line); \
		if (assert_status != (want) || !strstr(output, words)) \
			fail_msg("%s: exit %d: %s", line, assert_status, output); \
	} while (0)

static void test_documentation(void **state)
{
	FILE *file = fopen("docs/admin.md", "r");
	bool block = false;
	char line[512];
	int ran = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "#\n")] = '\0';
		if (!strncmp(line, "```", 3))
			block = !strcmp(line, "```sh");
		if (!block || strncmp(line, "fzctl admin ", 12) || strstr(line, "--follow"))
			continue;
		/* there is no gateway here */
		if (strstr(line, " explain "))
			assert_run(EXIT_REFUSED, "no: ", line + 6);
		else
			assert_run(EXIT_DONE, "", line + 6);
		ran++;
	}
	fclose(file);
	assert_true(ran > 25);
}

static void test_output(void **state)
{
	struct fz_invite invite;
	json_t *json;

	(void)state;
	assert_run(0, "", "admin group add eng");
	assert_string_equal(output, "");
	assert_run(0, "", "admin user add alice --group=eng");
	assert_run(0, "", "admin site add office --prefix 10.1.0.0/24 --prefix fd01::/64");
	assert_run(0, "    \"tcp/80\"", "admin resource add web --site office 10.1.0.10 tcp/80 icmp --json");
	assert_run(0, "", "admin policy add p --group eng --resource web --days fri-mon --to 18:30");
	assert_run(0, "mon,fri-sun 00:00-18:30 UTC", "admin policy list");
	assert_run(0, "", "admin policy set p --tz Europe/Madrid --deny");
	assert_run(0, "window: mon,fri-sun 00:00-18:30 Europe/Madrid", "admin policy show p");
	assert_run(0, "action: deny", "admin policy show p");
	assert_run(0, "", "admin policy set p --always --allow");
	assert_run(1, "no: policy p grants resource web to group eng", "admin explain laptop 10.1.0.10:80");
	assert_run(1, ", but the gateway of site office is not connected", "admin explain laptop 10.1.0.10:80");
	assert_run(0, "yes: policy p grants", "admin explain laptop 10.1.0.10:80 --at 22:00");
	assert_run(1, "no: no resource covers 10.1.0.10:81/tcp", "admin explain alice 10.1.0.10:81");
	assert_run(1, "\"reachable\": false", "admin explain alice 10.1.0.10/icmp --json");
	assert_run(1, "\"reason\": \"granted\"", "admin explain alice web --json");
	assert_run(0, "fz1-", "admin invite user alice");
	output[strcspn(output, "\n")] = '\0';
	assert_int_equal(fz_invite_parse(&invite, output, NULL), 0);
	assert_run(0, "", "admin invite gateway --site office --expires 1h");
	assert_run(0, "gateway  -      office  open", "admin invite list");
	assert_run(0, "[", "admin user list --json");
	json = json_loads(output, 0, NULL);
	assert_true(json_is_array(json));
	json_decref(json);
	assert_run(0, "\"action\":\"device.enrol\"", "admin log --json");
	assert_run(0, "policy.set p by admin uid", "admin log");
	assert_run(0, "", "admin log --kind denial");
	assert_string_equal(output, "");
}

static void test_wrong_words(void **state)
{
	(void)state;
	assert_run(2, "needs a noun", "admin");
	assert_run(2, "\"frog\" is nothing", "admin frog add x");
	assert_run(2, "needs a verb", "admin user");
	assert_run(2, "\"eat\" cannot be done with user", "admin user eat x");
	assert_run(2, "\"admin user add\" needs a name", "admin user add");
	assert_run(2, "\"admin resource add\" needs a prefix", "admin resource add x");
	assert_run(2, "\"admin explain\" needs a device or a user", "admin explain");
	assert_run(2, "\"admin explain\" needs a resource or", "admin explain alice");
	assert_run(2, "\"admin invite del\" needs an id", "admin invite del");
	assert_run(2, "\"admin invite user\" needs the name of a user", "admin invite user");
	assert_run(2, "\"a/b\" is no name", "admin group add a/b");
	assert_run(2, "\"-x\" is no name", "admin policy set x --name -x");
	assert_run(2, "\"admin resource add\" needs --site", "admin resource add x 10.1.0.1");
	assert_run(2, "\"admin site add\" needs --prefix", "admin site add x");
	assert_run(2, "\"25:00\" is no time", "admin explain alice web --at 25:00");
	assert_run(2, "\"99999\" is no port", "admin explain alice 10.1.0.10:99999");
	assert_run(2, "\"10.1.0.10\" needs a port", "admin explain alice 10.1.0.10/udp");
	assert_run(2, "\"http\" is no protocol", "admin explain alice 10.1.0.10:80/http");
	assert_run(2, "\"localhost:80\" is no ADDRESS:PORT", "admin explain alice localhost:80");
	assert_run(2, "\"y\"", "admin user add x y");
	assert_run(2, "\"--colour\" is no option", "admin user add x --colour red");
	assert_run(2, "--lease has no meaning", "admin user add x --lease 5m");
	assert_run(2, "--group needs a value", "admin user add x --group");
	assert_run(2, "--json takes no value", "admin user list --json=yes");
	assert_run(2, "changes nothing", "admin user set x");
	assert_run(2, "changes nothing", "admin policy set x");
	assert_run(2, "needs --group and --resource", "admin policy add x --group eng");
	assert_run(2, "exclude each other", "admin policy add x --group a --resource b --allow --deny");
	assert_run(2, "exclude each other", "admin policy set x --always --from 08:00");
	assert_run(2, "exclude each other", "admin site set x --masquerade --no-masquerade");
	assert_run(2, "no list of days", "admin policy add x --group a --resource b --days mon-");
	assert_run(2, "no duration", "admin invite user alice --expires soon");
	assert_run(2, "needs --site", "admin invite gateway");
	assert_run(2, "\"10.1.0.0/33\"", "admin resource add x --site s 10.1.0.0/33");
	assert_run(2, "no kind of log", "admin log --kind all");
	assert_run(2, "\"10.1.0.1/24\"", "admin site add x --prefix 10.1.0.1/24");
	assert_run(2, "\"office\" is no prefix", "admin site set x --prefix 10.1.0.0/24 --prefix office");
	assert_run(2, "\"tpc/80\" is neither a prefix", "admin resource add x --site s 10.1.0.1 tpc/80");
	assert_run(2, "\"tcp/99999\"", "admin resource add x --site s 10.1.0.1 tcp/99999");
	assert_run(2, "\"40d\" is too long", "admin policy add x --group a --resource b --lease 40d");
	assert_run(2, "\"91d\" is too long", "admin invite user alice --expires 91d");
	assert_run(2, "\"25:00\" is no time of day", "admin policy add x --group a --resource b --from 25:00");
	assert_run(2, "\"24:01\" is no time of day", "admin policy add x --group a --resource b --to 24:01");
	assert_run(2, "\"8:00\" is no time of day", "admin policy set x --from 8:00");
	assert_run(2, "\"08:60\" is no time of day", "admin policy set x --from 08:60");
	assert_run(2, "word 3 is not UTF-8 text", "admin user show b\xff" "b");
	assert_run(2, "word 3 is not UTF-8 text", "admin user add b\xff" "b");
	assert_run(2, "word 5 is not UTF-8 text", "admin user add bob --group \xe4rger");
	assert_run(1, "no site 'nowhere'", "admin resource add x --site nowhere 10.1.0.1");
	assert_run(1, "no user 'bob'", "admin user del bob");
	assert_run(1, "no user '..'", "admin user show ..");
	assert_run(1, "no user 'bob'", "admin invite user bob");
	assert_run(1, "no broker answers at \"/dev/null\"", "admin status --socket /dev/null");
}

static void test_nobody_there(void **state)
{
	(void)state;
	assert_run(1, "no broker answers at \"/nonexistent\" (No such file or directory)",
		   "admin status --socket /nonexistent");
}

int main(void)
{
#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	static const struct CMUnitTest tests[] = {
		WITH_BROKER(test_documentation),
		WITH_BROKER(test_output),
		WITH_BROKER(test_wrong_words),
		WITH_BROKER(test_nobody_there),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
