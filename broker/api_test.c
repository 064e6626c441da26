// SPDX-License-Identifier: GPL-2.0-only
/*
 * The admin API over its real socket: a broker without channel server in a process of its own, libcurl as the client.
 * The last test holds the routes against openapi.yaml.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#include <curl/curl.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "api_internal.h"
#include "invite.h"
#include "log.h"

static char dir[64], path[128], state_path[128];
static pid_t child;

/* ---- the broker, less what speaks to agents ---- */

/* In memory of both processes: the broker cannot read its store. */
static volatile bool *unreadable;

struct directory *__real_store_directory(struct store *store, struct fault *fault);
struct directory *__wrap_store_directory(struct store *store, struct fault *fault);

struct directory *__wrap_store_directory(struct store *store, struct fault *fault)
{
	if (!*unreadable)
		return __real_store_directory(store, fault);
	fault_set(fault, -EIO, NULL, "the store failed: disk I/O error");
	return NULL;
}

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
	uv_close((uv_handle_t *)&broker->retry, NULL);
	api_stop(broker->api);
}

static void serve(int ready)
{
	struct broker broker = { .config = { .public = "[2001:db8::1]:7700", .lease_s = 900 } };
	struct fault fault = { 0 };
	uv_signal_t term;
	uv_loop_t loop;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_threshold = LOG_LEVEL_ERROR;
	uv_loop_init(&loop);
	broker.loop = &loop;
	uv_timer_init(&loop, &broker.retry);
	broker.retry.data = &broker;
	broker.started_ms = store_clock();
	broker.store = store_open(state_path, NULL, &fault);
	if (broker.store)
		broker.dir = store_directory(broker.store, &fault);
	if (broker.dir)
		broker.api = api_start(&broker, path, &fault);
	if (!broker.api) {
		fprintf(stderr, "%s\n", fault.text);
		_exit(1);
	}
	uv_signal_init(&loop, &term);
	term.data = &broker;
	uv_signal_start(&term, on_term, SIGTERM);
	if (write(ready, "x", 1) != 1)
		_exit(1);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	directory_free(broker.dir);
	store_close(broker.store);
	exit(0);
}

static int setup(void **state)
{
	int pipes[2];
	char byte;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/fz-api-test-XXXXXX");
	if (!mkdtemp(dir) || pipe(pipes))
		return -1;
	snprintf(path, sizeof(path), "%s/admin.sock", dir);
	snprintf(state_path, sizeof(state_path), "%s/state", dir);
	unreadable = mmap(NULL, sizeof(*unreadable), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (unreadable == MAP_FAILED)
		return -1;
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

/* It ends on SIGTERM without a leak (its exit status says so under the sanitizers) and takes its socket away. */
static int teardown(void **state)
{
	int status;

	(void)state;
	kill(child, SIGTERM);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
		return -1;
	if (!access(path, F_OK))
		return -1;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the client ---- */

struct answer {
	long status;
	json_t *json;
	char text[1 << 17];
	size_t len;
};

static struct answer answer;

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
	(void)context;
	if (answer.len + size * n >= sizeof(answer.text))
		return 0;
	memcpy(answer.text + answer.len, data, size * n);
	answer.len += size * n;
	answer.text[answer.len] = '\0';
	return size * n;
}

static void call_typed(const char *method, const char *target, const char *body, size_t len, const char *type)
{
	struct curl_slist *headers = curl_slist_append(NULL, type);
	CURL *curl = curl_easy_init();
	char url[512];

	snprintf(url, sizeof(url), "http://fz%s", target);
	json_decref(answer.json);
	answer.json = NULL;
	answer.len = 0;
	answer.text[0] = '\0';
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
	if (body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)len);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	}
	assert_int_equal(curl_easy_perform(curl), CURLE_OK);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	if (answer.len)
		answer.json = json_loads(answer.text, 0, NULL);
}

static void call(const char *method, const char *target, const char *body)
{
	call_typed(method, target, body, body ? strlen(body) : 0, "Content-Type: application/json");
}

static const char *text_of(const char *key)
{
	const char *text = json_string_value(json_object_get(answer.json, key));

	return text ? text : "";
}

#define assert_done(method, target, body, want) \
	do { \
		call(method, target, body); \
		if (answer.status != (want)) \
			fail_msg("%s %s: %ld %s", method, target, answer.status, answer.text); \
	} while (0)

#define assert_refused(method, target, body, want, bad_field, words) \
	do { \
		call(method, target, body); \
		if (answer.status != (want) || !strstr(text_of("error"), words) || strcmp(text_of("field"), bad_field)) \
			fail_msg("%s %s: %ld %s", method, target, answer.status, answer.text); \
	} while (0)

static size_t items(void)
{
	return json_array_size(json_object_get(answer.json, "items"));
}

static void world(void)
{
	assert_done("POST", "/v1/groups", "{\"name\":\"eng\"}", 201);
	assert_done("POST", "/v1/users", "{\"name\":\"alice\",\"groups\":[\"eng\"]}", 201);
	assert_done("POST", "/v1/sites", "{\"name\":\"office\",\"prefixes\":[\"10.1.0.0/24\",\"fd01::/64\"],"
		    "\"masquerade\":true}", 201);
	assert_done("POST", "/v1/resources", "{\"name\":\"web\",\"site\":\"office\",\"prefixes\":[\"10.1.0.10\"],"
		    "\"services\":[\"tcp/80,8000-8010\",\"icmp\"]}", 201);
	assert_done("POST", "/v1/policies", "{\"name\":\"eng-web\",\"groups\":[\"eng\"],\"resources\":[\"web\"],"
		    "\"window\":{\"days\":[\"mon\",\"fri\"],\"from\":\"08:00\",\"to\":\"24:00\",\"zone\":\"Europe/Madrid\"}}",
		    201);
}

/* ---- tests ---- */

static void test_objects(void **state)
{
	json_t *window;

	(void)state;
	world();
	assert_string_equal(text_of("action"), "allow");
	assert_int_equal(strlen(text_of("id")), 32);
	assert_int_equal(json_integer_value(json_object_get(answer.json, "lease")), 900);
	window = json_object_get(answer.json, "window");
	assert_string_equal(json_string_value(json_object_get(window, "to")), "24:00");
	assert_int_equal(json_array_size(json_object_get(window, "days")), 2);
	assert_done("GET", "/v1/resources/web", NULL, 200);
	assert_int_equal(json_array_size(json_object_get(answer.json, "services")), 4);
	assert_non_null(strstr(answer.text, "\"tcp/8000-8010\""));
	assert_non_null(strstr(answer.text, "\"10.1.0.10/32\""));
	assert_done("GET", "/v1/users", NULL, 200);
	assert_int_equal(items(), 1);

	/* What a change does not name stays. */
	assert_done("PATCH", "/v1/policies/eng-web", "{\"enabled\":false}", 200);
	assert_true(json_is_false(json_object_get(answer.json, "enabled")));
	assert_true(json_is_object(json_object_get(answer.json, "window")));
	assert_done("PATCH", "/v1/policies/eng-web", "{\"window\":null,\"lease\":6,\"name\":\"web\"}", 200);
	assert_true(json_is_null(json_object_get(answer.json, "window")));
	assert_true(json_is_false(json_object_get(answer.json, "enabled")));
	assert_done("GET", "/v1/policies/web", NULL, 200);
	assert_refused("GET", "/v1/policies/eng-web", NULL, 404, "", "no policy 'eng-web'");
	assert_done("PATCH", "/v1/users/alice", "{\"groups\":[]}", 200);
	assert_int_equal(json_array_size(json_object_get(answer.json, "groups")), 0);
	assert_done("PATCH", "/v1/resources/web", "{\"services\":[]}", 200);
	assert_int_equal(json_array_size(json_object_get(answer.json, "services")), 0);

	assert_refused("DELETE", "/v1/groups/eng", NULL, 409, "", "policy 'web'");
	assert_refused("DELETE", "/v1/resources/web", NULL, 409, "", "policy 'web'");
	assert_refused("DELETE", "/v1/sites/office", NULL, 409, "", "resource 'web'");
	assert_done("DELETE", "/v1/policies/web", NULL, 204);
	assert_int_equal(answer.len, 0);
	assert_done("DELETE", "/v1/resources/web", NULL, 204);
	assert_done("DELETE", "/v1/sites/office", NULL, 204);
	assert_done("DELETE", "/v1/groups/eng", NULL, 204);
	assert_done("DELETE", "/v1/users/alice", NULL, 204);
	assert_refused("DELETE", "/v1/users/alice", NULL, 404, "", "no user 'alice'");
}

static void test_wrong_fields(void **state)
{
	(void)state;
	world();
	assert_refused("POST", "/v1/groups", "{\"name\":\"eng\"}", 409, "name", "exists already");
	assert_refused("POST", "/v1/groups", "{}", 400, "name", "missing");
	assert_refused("POST", "/v1/groups", "{\"name\":7}", 400, "name", "text");
	assert_refused("POST", "/v1/groups", "{\"name\":\"a b\"}", 400, "name", "no name");
	assert_refused("POST", "/v1/groups", "{\"name\":\"x\",\"colour\":1}", 400, "colour", "no field 'colour'");
	assert_refused("POST", "/v1/groups", "{\"name\":\"x\\u0000y\"}", 400, "", "JSON");
	assert_refused("POST", "/v1/users", "{\"name\":\"bob\",\"groups\":[\"nobody\"]}", 400, "groups", "'nobody'");
	assert_refused("POST", "/v1/users", "{\"name\":\"bob\",\"groups\":\"eng\"}", 400, "groups", "list");
	assert_refused("POST", "/v1/users", "{\"name\":\"bob\",\"enabled\":1}", 400, "enabled", "true or false");
	assert_refused("POST", "/v1/sites", "{\"name\":\"x\",\"prefixes\":[\"10.1.0.1/24\"]}", 400, "prefixes", "10.1.0.1/24");
	assert_refused("POST", "/v1/sites", "{\"name\":\"x\",\"prefixes\":[\"10.1.0.0/33\"]}", 400, "prefixes", "10.1.0.0/33");
	assert_refused("POST", "/v1/sites", "{\"name\":\"x\",\"prefixes\":[]}", 400, "prefixes", "at least one");
	assert_refused("POST", "/v1/sites", "{\"name\":\"x\",\"prefixes\":[\"100.64.1.0/24\"]}", 400, "prefixes", "overlay");
	assert_refused("POST", "/v1/sites", "{\"name\":\"x\",\"prefixes\":[\"10.2.0.0/24\",\"2001:db8::/64\"]}", 400,
		       "prefixes", "2001:db8::/64 holds the broker's own address (--public [2001:db8::1]:7700)");
	assert_refused("POST", "/v1/resources", "{\"name\":\"x\",\"site\":\"moon\",\"prefixes\":[\"10.1.0.1\"]}", 400, "site",
		       "no site 'moon'");
	assert_refused("POST", "/v1/resources", "{\"name\":\"x\",\"site\":\"office\",\"prefixes\":[\"10.2.0.1\"]}", 400,
		       "prefixes", "no prefix of its site");
	assert_refused("POST", "/v1/resources", "{\"name\":\"x\",\"site\":\"office\",\"prefixes\":[\"10.1.0.1\"],"
		       "\"services\":[\"tcp/99999\"]}", 400, "services", "99999");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"lease\":0}", 400, "lease", "number");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"lease\":\"15m\"}", 400, "lease", "number");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"action\":\"perhaps not\"}", 400, "action", "too long");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"action\":\"\"}", 400, "action", "allow or deny");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"action\":\"maybe\"}", 400, "action", "allow or deny");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"window\":{\"days\":[\"noday\"]}}", 400, "days", "no day");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"window\":{\"from\":\"8:00\"}}", 400, "from", "time of day");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"window\":{\"to\":\"24:01\"}}", 400, "to", "time of day");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"window\":{\"zone\":\"Mars\"}}", 400, "zone", "time zone");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"window\":{\"hours\":1}}", 400, "hours", "no field");
	assert_refused("PATCH", "/v1/policies/eng-web", "{\"resources\":[]}", 400, "resources", "between 1");
	/* And nothing of all that was done. */
	assert_done("GET", "/v1/policies/eng-web", NULL, 200);
	assert_int_equal(json_integer_value(json_object_get(answer.json, "lease")), 900);
	assert_done("GET", "/v1/groups", NULL, 200);
	assert_int_equal(items(), 1);
	assert_done("GET", "/v1/log?limit=1000", NULL, 200);
	assert_int_equal(items(), 5);
}

static void test_wrong_requests(void **state)
{
	static char large[API_BODY_MAX + 100];
	char path_cut[128];

	(void)state;
	assert_refused("GET", "/v1/nothing", NULL, 404, "", "no /v1/nothing");
	assert_refused("GET", "/", NULL, 404, "", "no /");
	/* what is said back is UTF-8, whatever was asked for, and wherever it is cut */
	assert_refused("GET", "/v1/users/b%ffb", NULL, 404, "", "there is no user 'b?b'");
	assert_refused("GET", "/v1/%c0%80%ed%a0%80", NULL, 404, "", "there is no /v1/????? here");
	assert_refused("GET", "/v1/b%c3%bccher", NULL, 404, "", "there is no /v1/b\xc3\xbc" "cher here");
	snprintf(path_cut, sizeof(path_cut), "/v1/%0*d%%c3%%bc", 95, 0);
	assert_refused("GET", path_cut, NULL, 404, "", "00? here");
	assert_refused("GET", "/v1/users/a/b", NULL, 404, "", "");
	assert_refused("GET", "/v1/users/", NULL, 404, "", "");
	assert_refused("PUT", "/v1/users", "{}", 405, "", "PUT cannot");
	assert_refused("DELETE", "/v1/users", NULL, 405, "", "DELETE cannot");
	assert_refused("POST", "/v1/groups", NULL, 400, "", "body is missing");
	assert_refused("DELETE", "/v1/groups/x", "{}", 400, "", "takes no body");
	assert_refused("POST", "/v1/groups", "{", 400, "", "not valid JSON");
	assert_refused("POST", "/v1/groups", "[]", 400, "", "no JSON object");
	assert_refused("POST", "/v1/groups", "{\"name\":\"a\",\"name\":\"b\"}", 400, "", "not valid JSON");
	assert_refused("POST", "/v1/groups", "{\"name\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", 400, "", "deeper");
	call_typed("POST", "/v1/groups", "{\"name\":\"a\"}", 12, "Content-Type: text/plain");
	assert_int_equal(answer.status, 415);
	memset(large, ' ', sizeof(large));
	memcpy(large, "{\"name\":\"a\"}", 12);
	call_typed("POST", "/v1/groups", large, API_BODY_MAX, "Content-Type: application/json");
	assert_int_equal(answer.status, 201);
	call_typed("POST", "/v1/groups", large, sizeof(large) - 1, "Content-Type: application/json");
	assert_int_equal(answer.status, 413);
	call_typed("POST", "/v1/groups", "\xff\xfe{}", 4, "Content-Type: application/json");
	assert_int_equal(answer.status, 400);
	assert_done("GET", "/v1/groups", NULL, 200);
	assert_int_equal(items(), 1);
}

static void test_invitations(void **state)
{
	struct fz_invite invite;
	struct fz_error error;
	char *text, target[64];

	(void)state;
	world();
	assert_refused("POST", "/v1/invitations", "{}", 400, "", "one of them");
	assert_refused("POST", "/v1/invitations", "{\"user\":\"bob\"}", 404, "user", "no user 'bob'");
	assert_refused("POST", "/v1/invitations", "{\"user\":\"alice\",\"expires\":0}", 400, "expires", "number");
	assert_done("POST", "/v1/invitations", "{\"user\":\"alice\",\"expires\":3600}", 201);
	text = strdup(text_of("invitation"));
	if (fz_invite_parse(&invite, text, &error))
		fail_msg("%s: %s", text, error.text);
	assert_int_equal(invite.role, FZ_INVITE_CLIENT);
	assert_string_equal(invite.host, "2001:db8::1");
	assert_int_equal(invite.port, 7700);
	snprintf(target, sizeof(target), "/v1/invitations/%lld",
		 (long long)json_integer_value(json_object_get(answer.json, "id")));
	assert_done("POST", "/v1/invitations", "{\"site\":\"office\"}", 201);
	assert_string_equal(text_of("role"), "gateway");
	assert_done("GET", "/v1/invitations", NULL, 200);
	assert_int_equal(items(), 2);
	assert_null(strstr(answer.text, text));
	assert_done("DELETE", target, NULL, 204);
	assert_refused("DELETE", target, NULL, 404, "", "no such invitation");
	assert_refused("DELETE", "/v1/invitations/x", NULL, 404, "", "no invitation");
	assert_done("PATCH", "/v1/users/alice", "{\"enabled\":false}", 200);
	assert_refused("POST", "/v1/invitations", "{\"user\":\"alice\"}", 400, "user", "disabled");
	/* The secret is nowhere but in the answer. */
	assert_done("GET", "/v1/log?limit=1000", NULL, 200);
	assert_null(strstr(answer.text, text));
	free(text);
}

static void test_log_and_status(void **state)
{
	json_t *last;

	(void)state;
	world();
	assert_done("GET", "/v1/log", NULL, 200);
	assert_int_equal(items(), 5);
	last = json_array_get(json_object_get(answer.json, "items"), 4);
	assert_string_equal(json_string_value(json_object_get(last, "action")), "policy.add");
	assert_string_equal(json_string_value(json_object_get(last, "object")), "eng-web");
	assert_non_null(strstr(json_string_value(json_object_get(last, "actor")), "admin uid "));
	assert_non_null(strstr(json_string_value(json_object_get(last, "text")), "Europe/Madrid"));
	assert_done("GET", "/v1/log?after=3&limit=1", NULL, 200);
	assert_int_equal(items(), 1);
	assert_done("GET", "/v1/log?action=site.add", NULL, 200);
	assert_int_equal(items(), 1);
	assert_done("GET", "/v1/log?kind=denial", NULL, 200);
	assert_int_equal(items(), 0);
	assert_refused("GET", "/v1/log?kind=other", NULL, 400, "kind", "audit, denial or flow");
	assert_refused("GET", "/v1/log?limit=5000", NULL, 400, "limit", "number");
	assert_refused("GET", "/v1/log?after=x", NULL, 400, "after", "number");
	assert_refused("GET", "/v1/explain?target=10.1.0.10:80", NULL, 400, "device", "who asks");
	assert_refused("GET", "/v1/explain?user=alice&target=10.1.0.10:80", NULL, 404, "user", "no device yet");
	/* which hides nothing else that is wrong */
	assert_refused("GET", "/v1/explain?user=alice&resource=nope", NULL, 404, "resource", "no resource 'nope'");
	assert_refused("GET", "/v1/explain?user=alice&target=10.1.0.10:99999", NULL, 400, "target", "port");
	assert_refused("GET", "/v1/explain?user=alice&resource=web&at=25:00", NULL, 400, "at", "25:00");
	assert_refused("GET", "/v1/explain?device=x&target=10.1.0.10:80", NULL, 404, "device", "no device 'x'");
	assert_done("GET", "/v1/health", NULL, 200);
	assert_string_equal(text_of("status"), "ok");
	assert_done("GET", "/v1/status", NULL, 200);
	assert_int_equal(json_integer_value(json_object_get(answer.json, "policies")), 1);
	assert_int_equal(strlen(text_of("key")), 44);
}

/* Devices are made by enrolment alone; here by hand. The next change makes the broker see it. */
static void device_make(const char *name, const char *user)
{
	char file[160], sql[512];
	sqlite3 *db;

	snprintf(file, sizeof(file), "%s/broker.db", state_path);
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO devices (name, role, user_id, enabled, control_key, tunnel_key, host, created_ms) "
		 "SELECT '%s', 'client', id, 1, randomblob(32), randomblob(32), "
		 "(SELECT count(*) + 1 FROM devices), 1 FROM users WHERE name = '%s'", name, user);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* A user's devices go with the user, and the audit log says so of each. */
static void test_user_with_devices(void **state)
{
	json_t *line;

	(void)state;
	world();
	assert_done("POST", "/v1/users", "{\"name\":\"bob\"}", 201);
	device_make("laptop", "alice");
	device_make("phone", "alice");
	device_make("tablet", "bob");
	assert_done("PATCH", "/v1/users/alice", "{\"enabled\":true}", 200);
	assert_done("GET", "/v1/devices", NULL, 200);
	assert_int_equal(items(), 3);
	assert_done("DELETE", "/v1/users/alice", NULL, 204);
	assert_done("GET", "/v1/devices", NULL, 200);
	assert_int_equal(items(), 1);
	assert_done("GET", "/v1/log?action=device.del", NULL, 200);
	assert_int_equal(items(), 2);
	line = json_array_get(json_object_get(answer.json, "items"), 1);
	assert_string_equal(json_string_value(json_object_get(line, "device")), "phone");
	assert_string_equal(json_string_value(json_object_get(line, "user")), "alice");
	assert_string_equal(json_string_value(json_object_get(line, "text")), "with user alice");
	assert_non_null(strstr(json_string_value(json_object_get(line, "actor")), "admin uid "));
}

/* A change that is stored and cannot be read is not done, and nothing is answered from what was before. */
static void test_doubt(void **state)
{
	(void)state;
	assert_done("POST", "/v1/groups", "{\"name\":\"before\"}", 201);
	*unreadable = true;
	assert_refused("POST", "/v1/groups", "{\"name\":\"doubt\"}", 503, "",
		       "the change is stored, but not in force yet: the broker cannot read its database "
		       "(the store failed: disk I/O error), and grants nothing until it can");
	assert_refused("GET", "/v1/groups", NULL, 503, "", "nothing was done: the broker cannot read");
	assert_refused("DELETE", "/v1/groups/before", NULL, 503, "", "nothing was done: the broker cannot read");
	assert_refused("GET", "/v1/health", NULL, 503, "", "the broker cannot read");
	*unreadable = false;
	assert_done("GET", "/v1/groups/doubt", NULL, 200);
	assert_done("DELETE", "/v1/groups/doubt", NULL, 204);
	assert_done("DELETE", "/v1/groups/before", NULL, 204);
	assert_done("GET", "/v1/health", NULL, 200);
}

static void test_socket_mode(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Half a request, then gone; many at once; none of it keeps the next one waiting. */
static void test_rude_clients(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fds[40];

	(void)state;
	strcpy(address.sun_path, path);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 40; i++) {
			fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
			assert_int_equal(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
			assert_true(send(fds[i], "POST /v1/groups HTTP/1.1\r\nContent-Length: 99\r\n\r\n{\"na",
					 i % 50 + 1, MSG_NOSIGNAL) > 0);
		}
		assert_done("GET", "/v1/health", NULL, 200);
		for (size_t i = 0; i < 40; i++)
			close(fds[i]);
	}
	assert_done("GET", "/v1/groups", NULL, 200);
	assert_int_equal(items(), 0);
}

/* Every route is in openapi.yaml and the other way round. Paths stand at two spaces, methods at four. */
static void test_openapi(void **state)
{
	char line[512], where[256] = "";
	size_t described = 0, routes = 0;
	FILE *file = fopen("broker/openapi.yaml", "r");

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		bool found = false;
		char method[16];

		if (!strncmp(line, "  /", 3) && sscanf(line, "  %255[/a-z0-9{}]:", where) == 1)
			continue;
		if (strncmp(line, "    ", 4) || line[4] == ' ' || sscanf(line, "    %15[a-z]:", method) != 1 || !*where ||
		    (strcmp(method, "get") && strcmp(method, "post") && strcmp(method, "patch") && strcmp(method, "delete")))
			continue;
		described++;
		for (const struct api_route *route = api_routes; route->method; route++)
			found = found || (!strcasecmp(route->method, method) && !strcmp(route->path, where));
		if (!found)
			fail_msg("openapi.yaml describes %s %s, which is not served", method, where);
	}
	fclose(file);
	for (const struct api_route *route = api_routes; route->method; route++)
		routes++;
	if (described != routes)
		fail_msg("openapi.yaml describes %zu operations, %zu are served", described, routes);
}

int main(void)
{
#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	static const struct CMUnitTest tests[] = {
		WITH_BROKER(test_objects),
		WITH_BROKER(test_wrong_fields),
		WITH_BROKER(test_wrong_requests),
		WITH_BROKER(test_invitations),
		WITH_BROKER(test_log_and_status),
		WITH_BROKER(test_user_with_devices),
		WITH_BROKER(test_doubt),
		WITH_BROKER(test_socket_mode),
		WITH_BROKER(test_rude_clients),
		cmocka_unit_test(test_openapi),
	};
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	failed = cmocka_run_group_tests_name("api", tests, NULL, NULL);
	json_decref(answer.json);
	curl_global_cleanup();
	return failed;
}
