// SPDX-License-Identifier: GPL-2.0-only
/* The store on a state directory of its own for each test: what it keeps, what it refuses, what survives kill -9. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db.h"
#include "directory.h"
#include "schema.h"
#include "store.h"

static char dir[64];
static struct fault fault;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/fz-store-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define assert_ok(call) \
	do { \
		fault.text[0] = '\0'; \
		int assert_ret = (call); \
		if (assert_ret) \
			fail_msg("%s: %d: %s", #call, assert_ret, fault.text); \
	} while (0)

#define assert_refused(code, words, call) \
	do { \
		fault.text[0] = '\0'; \
		int assert_ret = (call); \
		if (assert_ret != (code) || !strstr(fault.text, words)) \
			fail_msg("%s: %d: '%s'", #call, assert_ret, fault.text); \
	} while (0)

static struct store *opened(void)
{
	struct store *store = store_open(dir, NULL, &fault);

	if (!store)
		fail_msg("store_open: %s", fault.text);
	return store;
}

static void assert_not_opened(const struct store_options *options, const char *words)
{
	struct store *store = store_open(dir, options, &fault);

	if (store || !strstr(fault.text, words))
		fail_msg("store_open: '%s'", store ? "succeeded" : fault.text);
}

static char *inside(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void raw_sql(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(inside("broker.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int64_t raw_number(const char *sql)
{
	sqlite3_stmt *statement;
	int64_t number = -1;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(inside("broker.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	if (sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

/* ---- a small deployment ---- */

struct world {
	struct group group;
	struct user user;
	struct site site;
	struct resource resource;
	struct policy policy;
	struct prefix prefixes[2];
	struct service services[1];
	int64_t groups[1], resources[1];
};

static void world_make(struct store *store, struct world *w)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->group.name, "eng");
	assert_ok(store_group_put(store, &w->group, &fault));
	w->groups[0] = w->group.id;
	w->user = (struct user){ .name = "alice", .enabled = true, .groups = w->groups, .n_groups = 1 };
	assert_ok(store_user_put(store, &w->user, &fault));
	w->prefixes[0] = (struct prefix){ AF_INET, 24, { 10, 1 } };
	w->site = (struct site){ .name = "office", .masquerade = true, .prefixes = w->prefixes, .n_prefixes = 1 };
	assert_ok(store_site_put(store, &w->site, &fault));
	w->prefixes[1] = (struct prefix){ AF_INET, 32, { 10, 1, 0, 10 } };
	w->services[0] = (struct service){ IPPROTO_TCP, 80, 80 };
	w->resource = (struct resource){ .name = "web", .site_id = w->site.id, .prefixes = w->prefixes + 1,
					 .n_prefixes = 1, .services = w->services, .n_services = 1 };
	assert_ok(store_resource_put(store, &w->resource, &fault));
	w->resources[0] = w->resource.id;
	w->policy = (struct policy){ .name = "eng-web", .action = POLICY_ALLOW, .enabled = true, .lease_s = 900,
				     .has_window = true, .groups = w->groups, .n_groups = 1,
				     .resources = w->resources, .n_resources = 1,
				     .window = { 0x1f, 480, 1080, "Europe/Madrid" } };
	assert_ok(store_policy_put(store, &w->policy, &fault));
}

static struct device enrolled(struct store *store, int64_t user_id, int64_t site_id, uint8_t key, const char *name)
{
	struct invitation invitation = { .user_id = user_id, .site_id = site_id, .expires_ms = store_clock() + 60000 };
	struct enrolment enrolment = { .control_key = { key }, .tunnel_key = { key, 1 } };
	struct device device;

	snprintf(enrolment.name, sizeof(enrolment.name), "%s", name);
	assert_ok(store_invitation_add(store, &invitation, enrolment.token, &fault));
	assert_ok(store_enrol(store, &enrolment, store_clock(), &device, &fault));
	return device;
}

/* ---- the state directory ---- */

static void test_first_start(void **state)
{
	uint8_t secret[32], public[32], again[32];
	struct prefix overlay4, overlay6, same4, same6;
	struct store *store = opened();
	struct stat st;

	(void)state;
	assert_ok(store_broker_key(store, secret, public, &fault));
	store_overlay(store, &overlay4, &overlay6);
	assert_int_equal(overlay4.bits, 11);
	assert_int_equal(overlay6.bits, 48);
	assert_int_equal(overlay6.addr[0], 0xfd);
	assert_int_equal(stat(inside("broker.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(inside("broker.db"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store_close(store);

	store = opened();
	assert_ok(store_broker_key(store, secret, again, &fault));
	assert_memory_equal(public, again, 32);
	store_overlay(store, &same4, &same6);
	assert_memory_equal(&overlay6, &same6, sizeof(same6));
	store_close(store);
}

static void test_overlay_options(void **state)
{
	struct store_options options = { .overlay4 = { AF_INET, 30, { 100, 64 } } };
	struct prefix overlay4, overlay6;
	struct store *store;

	(void)state;
	assert_not_opened(&options, "too small");
	options.overlay4 = (struct prefix){ AF_INET, 24, { 224 } };
	assert_not_opened(&options, "no host can have");
	options.overlay4 = (struct prefix){ AF_INET6, 64, { 0xfd } };
	assert_not_opened(&options, "is not IPv4");
	options.overlay4 = (struct prefix){ AF_INET, 24, { 10, 77 } };
	store = store_open(dir, &options, &fault);
	assert_non_null(store);
	store_overlay(store, &overlay4, &overlay6);
	assert_int_equal(overlay4.addr[1], 77);
	store_close(store);
	store = store_open(dir, &options, &fault);
	assert_non_null(store);
	store_close(store);
	options.overlay4.addr[1] = 78;
	assert_not_opened(&options, "10.77.0.0/24 since the first start");
}

static void test_newer_refused(void **state)
{
	int64_t version = SCHEMA_SQLITE_VERSION + 1;
	char sql[64];

	(void)state;
	store_close(opened());
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %lld", (long long)version);
	raw_sql(sql);
	assert_not_opened(NULL, "newer version");
	assert_int_equal(raw_number("PRAGMA user_version"), version);
}

static void test_foreign_database_refused(void **state)
{
	(void)state;
	raw_sql("CREATE TABLE somebody_elses (x)");
	assert_not_opened(NULL, "not a database of this broker");
	assert_int_equal(raw_number("SELECT count(*) FROM sqlite_schema"), 1);
}

static void test_key_guarded(void **state)
{
	int fd;

	(void)state;
	store_close(opened());
	assert_int_equal(chmod(inside("broker.key"), 0644), 0);
	assert_not_opened(NULL, "others may read");
	assert_int_equal(chmod(inside("broker.key"), 0600), 0);
	fd = open(inside("broker.key"), O_WRONLY);
	assert_int_equal(write(fd, "another key, of 32 bytes, really", 32), 32);
	close(fd);
	assert_not_opened(NULL, "is not the key");
	assert_int_equal(truncate(inside("broker.key"), 31), 0);
	assert_not_opened(NULL, "damaged");
	assert_int_equal(unlink(inside("broker.key")), 0);
	assert_not_opened(NULL, "cannot read the broker's key");
	assert_int_equal(chmod(dir, 0777), 0);
	assert_not_opened(NULL, "others may write");
	chmod(dir, 0700);
}

/* Whoever owns it can make the files in it others. Root can give one away; anybody else has none but root's. */
static void test_somebody_elses(void **state)
{
	char own[sizeof(dir)];

	(void)state;
	strcpy(own, dir);
	if (geteuid())
		strcpy(dir, "/usr");
	else
		assert_int_equal(chown(dir, 65534, 65534), 0);
	assert_not_opened(NULL, "belongs to somebody else");
	strcpy(dir, own);
	if (geteuid())
		return;
	assert_int_equal(chown(dir, 0, 0), 0);
	store_close(opened());
}

static void test_second_broker_refused(void **state)
{
	struct store *store = opened();

	(void)state;
	assert_not_opened(NULL, "in use by another broker");
	store_close(store);
	store_close(opened());
}

/* ---- objects ---- */

static void test_objects_come_back(void **state)
{
	struct store *store = opened();
	struct directory *directory;
	const struct policy *policy;
	const struct resource *resource;
	struct device device;
	struct world w;

	(void)state;
	world_make(store, &w);
	device = enrolled(store, w.user.id, 0, 1, "laptop");
	store_close(store);
	store = opened();
	directory = store_directory(store, &fault);
	assert_non_null(directory);
	assert_int_equal(directory_user_named(directory, "alice")->groups[0], w.group.id);
	assert_true(directory_site_named(directory, "office")->masquerade);
	resource = directory_resource_named(directory, "web");
	assert_int_equal(resource->n_prefixes, 1);
	assert_int_equal(resource->prefixes[0].addr[3], 10);
	assert_int_equal(resource->services[0].last, 80);
	policy = directory_policy_named(directory, "eng-web");
	assert_memory_equal(policy->tag, w.policy.tag, MODEL_TAG_LEN);
	assert_memory_equal(&policy->window, &w.policy.window, sizeof(policy->window));
	assert_int_equal(policy->groups[0], w.group.id);
	assert_int_equal(policy->resources[0], w.resource.id);
	assert_non_null(policy->zone);
	assert_ptr_equal(directory_device_by_control(directory, device.control_key),
			 directory_device(directory, device.id));
	assert_ptr_equal(directory_device_by_tunnel(directory, device.tunnel_key),
			 directory_device(directory, device.id));
	assert_ptr_equal(directory_device_by_address(directory, AF_INET, device.overlay4.addr),
			 directory_device(directory, device.id));
	assert_ptr_equal(directory_device_by_address(directory, AF_INET6, device.overlay6.addr),
			 directory_device(directory, device.id));
	device.overlay6.addr[8] ^= 1;
	assert_null(directory_device_by_address(directory, AF_INET6, device.overlay6.addr));
	assert_null(directory_user_named(directory, "bob"));
	directory_free(directory);
	store_close(store);
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", " ", "-x", ".x", "a b", "a/b", "a\n", "ü", "a'b",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	struct store *store = opened();
	struct group group = { .name = "eng" }, other = { 0 };
	char long_name[80];

	(void)state;
	assert_ok(store_group_put(store, &group, &fault));
	assert_refused(-EEXIST, "exists already", store_group_put(store, &(struct group){ .name = "eng" }, &fault));
	assert_string_equal(fault.field, "name");
	assert_refused(-EEXIST, "exists already", store_group_put(store, &(struct group){ .name = "ENG" }, &fault));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad) - 1; i++) {
		strcpy(other.name, bad[i]);
		assert_refused(-EINVAL, "name", store_group_put(store, &other, &fault));
		assert_int_equal(other.id, 0);
	}
	memset(long_name, 'x', 63);
	long_name[63] = '\0';
	strcpy(other.name, long_name);
	assert_ok(store_group_put(store, &other, &fault));
	store_close(store);
}

static void test_wrong_objects(void **state)
{
	struct prefix bad[] = { { AF_INET, 24, { 10, 1, 0, 1 } }, { AF_INET, 8, { 127 } }, { AF_INET, 0, { 0 } },
				{ AF_INET6, 16, { 0xff } }, { AF_INET, 12, { 100, 64 } } };
	struct service service = { IPPROTO_TCP, 90, 80 };
	struct store *store = opened();
	struct resource resource;
	struct policy policy;
	struct site site;
	int64_t none = 4711;
	struct world w;

	(void)state;
	world_make(store, &w);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		site = (struct site){ .name = "bad", .prefixes = &bad[i], .n_prefixes = 1 };
		assert_refused(-EINVAL, "/", store_site_put(store, &site, &fault));
		assert_string_equal(fault.field, "prefixes");
	}
	resource = w.resource;
	resource.id = 0;
	strcpy(resource.name, "other");
	bad[0] = (struct prefix){ AF_INET, 32, { 10, 2, 0, 1 } };
	resource.prefixes = bad;
	assert_refused(-EINVAL, "10.2.0.1/32 is in no prefix of its site", store_resource_put(store, &resource, &fault));
	resource.prefixes = w.resource.prefixes;
	resource.services = &service;
	assert_refused(-EINVAL, "backwards", store_resource_put(store, &resource, &fault));
	service = (struct service){ 47, 1, 2 };
	assert_refused(-EINVAL, "no ports", store_resource_put(store, &resource, &fault));
	resource.services = w.resource.services;
	resource.site_id = none;
	assert_refused(-EINVAL, "site does not exist", store_resource_put(store, &resource, &fault));

	/* A site does not lose a prefix that a resource lies in, and keeps what it had. */
	site = w.site;
	bad[0] = (struct prefix){ AF_INET, 24, { 10, 2 } };
	site.prefixes = bad;
	assert_refused(-EINVAL, "resource 'web'", store_site_put(store, &site, &fault));
	assert_int_equal(raw_number("SELECT count(*) FROM site_prefixes WHERE address = x'0a010000'"), 1);

	policy = w.policy;
	policy.id = 0;
	strcpy(policy.name, "other");
	policy.groups = &none;
	assert_refused(-EINVAL, "group does not exist", store_policy_put(store, &policy, &fault));
	assert_int_equal(policy.id, 0);
	assert_int_equal(raw_number("SELECT count(*) FROM policies"), 1);
	policy.groups = w.policy.groups;
	strcpy(policy.window.zone, "Mars/Olympus");
	assert_refused(-EINVAL, "time zone", store_policy_put(store, &policy, &fault));
	strcpy(policy.window.zone, "UTC");
	policy.window.days = 0;
	assert_refused(-EINVAL, "day", store_policy_put(store, &policy, &fault));
	policy.window.days = 1;
	policy.lease_s = 0;
	assert_refused(-EINVAL, "lease", store_policy_put(store, &policy, &fault));
	policy.lease_s = LEASE_MAX_S + 1;
	assert_refused(-EINVAL, "lease", store_policy_put(store, &policy, &fault));

	assert_refused(-EBUSY, "policy 'eng-web'", store_group_del(store, w.group.id, &fault));
	assert_refused(-EBUSY, "policy 'eng-web'", store_resource_del(store, w.resource.id, &fault));
	assert_refused(-EBUSY, "resource 'web'", store_site_del(store, w.site.id, &fault));
	assert_ok(store_policy_del(store, w.policy.id, &fault));
	assert_refused(-ENOENT, "no such policy", store_policy_del(store, w.policy.id, &fault));
	assert_refused(-ENOENT, "no such policy", store_policy_put(store, &w.policy, &fault));
	assert_ok(store_resource_del(store, w.resource.id, &fault));
	enrolled(store, 0, w.site.id, 9, "gw");
	assert_refused(-EBUSY, "gateway 'gw'", store_site_del(store, w.site.id, &fault));
	assert_ok(store_group_del(store, w.group.id, &fault));
	store_close(store);
}

/* ---- enrolment ---- */

static void test_invitation_once(void **state)
{
	struct invitation invitation = { 0 };
	struct enrolment enrolment = { .control_key = { 1 }, .tunnel_key = { 2 }, .name = "Alice's Laptop!" };
	struct store *store = opened();
	struct device device, other;
	struct world w;

	(void)state;
	world_make(store, &w);
	invitation.expires_ms = 5;
	invitation.user_id = w.user.id;
	assert_refused(-EINVAL, "future", store_invitation_add(store, &invitation, enrolment.token, &fault));
	invitation.expires_ms = store_clock() + 100000;
	invitation.site_id = w.site.id;
	assert_refused(-EINVAL, "user or for a gateway", store_invitation_add(store, &invitation, enrolment.token, &fault));
	invitation.site_id = 0;
	assert_ok(store_invitation_add(store, &invitation, enrolment.token, &fault));

	enrolment.token[0] ^= 1;
	assert_refused(-ENOENT, "does not know", store_enrol(store, &enrolment, store_clock(), &device, &fault));
	enrolment.token[0] ^= 1;
	assert_refused(-ETIME, "expired", store_enrol(store, &enrolment, invitation.expires_ms, &device, &fault));
	assert_ok(store_enrol(store, &enrolment, store_clock(), &device, &fault));
	assert_string_equal(device.name, "AlicesLaptop");
	assert_int_equal(device.role, DEVICE_CLIENT);
	assert_int_equal(device.user_id, w.user.id);
	assert_int_equal(device.overlay4.addr[3], 1);
	assert_int_equal(device.overlay6.addr[15], 1);
	enrolment.control_key[0] = 3;
	enrolment.tunnel_key[0] = 4;
	assert_refused(-EBUSY, "used", store_enrol(store, &enrolment, store_clock(), &other, &fault));

	/* Keys belong to one device; the invitation stays unused when they are refused. */
	invitation.id = 0;
	assert_ok(store_invitation_add(store, &invitation, enrolment.token, &fault));
	enrolment.control_key[0] = 1;
	assert_refused(-EEXIST, "two agents", store_enrol(store, &enrolment, store_clock(), &other, &fault));
	enrolment.control_key[0] = 3;
	enrolment.tunnel_key[0] = 2;
	assert_refused(-EEXIST, "tunnel key", store_enrol(store, &enrolment, store_clock(), &other, &fault));
	w.user.enabled = false;
	assert_ok(store_user_put(store, &w.user, &fault));
	enrolment.tunnel_key[0] = 4;
	assert_refused(-EPERM, "disabled", store_enrol(store, &enrolment, store_clock(), &other, &fault));
	w.user.enabled = true;
	assert_ok(store_user_put(store, &w.user, &fault));
	assert_ok(store_enrol(store, &enrolment, store_clock(), &other, &fault));
	assert_string_equal(other.name, "AlicesLaptop-2");
	assert_int_equal(other.host, 2);
	assert_int_equal(raw_number("SELECT count(*) FROM audit WHERE action = 'device.enrol'"), 2);
	assert_refused(-EEXIST, "tunnel key", store_device_set_tunnel_key(store, other.id, device.tunnel_key, &fault));

	assert_ok(store_user_del(store, w.user.id, &fault));
	assert_int_equal(raw_number("SELECT count(*) FROM devices"), 0);
	assert_int_equal(raw_number("SELECT count(*) FROM invitations"), 0);
	store_close(store);
}

/* Four brokers' worth of connections on one database, all with the token, at the same moment. */
struct racer {
	pthread_barrier_t *start;
	uint8_t token[INVITATION_TOKEN_LEN];
	struct store *store;
	uint8_t key;
	int result;
};

/* store_open() keeps a second broker out; several brokers on one database is what a later store will have. */
static void unlock(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s", inside("lock"));
	assert_int_equal(unlink(path), 0);
}

static void *race(void *context)
{
	struct racer *racer = context;
	struct enrolment enrolment = { .control_key = { racer->key }, .tunnel_key = { racer->key, 1 } };
	struct device device;

	memcpy(enrolment.token, racer->token, sizeof(enrolment.token));
	pthread_barrier_wait(racer->start);
	racer->result = store_enrol(racer->store, &enrolment, 1000, &device, NULL);
	return NULL;
}

static void test_invitation_race(void **state)
{
	struct store *stores[4];
	struct world w;

	(void)state;
	for (int i = 0; i < 4; i++) {
		stores[i] = opened();
		unlock();
	}
	world_make(stores[0], &w);
	for (int round = 0; round < 30; round++) {
		struct invitation invitation = { .user_id = w.user.id, .expires_ms = store_clock() + 100000 };
		uint8_t token[INVITATION_TOKEN_LEN];
		pthread_barrier_t start;
		struct racer racers[4];
		pthread_t threads[4];
		int won = 0, late = 0;

		assert_ok(store_invitation_add(stores[0], &invitation, token, &fault));
		pthread_barrier_init(&start, NULL, 4);
		for (int i = 0; i < 4; i++) {
			racers[i] = (struct racer){ .start = &start, .store = stores[i],
						      .key = (uint8_t)(1 + round * 4 + i) };
			memcpy(racers[i].token, token, sizeof(token));
			assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
		}
		for (int i = 0; i < 4; i++) {
			pthread_join(threads[i], NULL);
			won += racers[i].result == 0;
			late += racers[i].result == -EBUSY;
		}
		pthread_barrier_destroy(&start);
		assert_int_equal(won, 1);
		assert_int_equal(late, 3);
	}
	assert_int_equal(raw_number("SELECT count(*) FROM devices"), 30);
	for (int i = 0; i < 4; i++)
		store_close(stores[i]);
}

static void test_addresses(void **state)
{
	struct store_options options = { .overlay4 = { AF_INET, 28, { 10, 77 } } };
	struct store *store = store_open(dir, &options, &fault);
	struct invitation invitation = { 0 };
	struct enrolment enrolment = { .control_key = { 99 }, .tunnel_key = { 99 } };
	struct device devices[14], device;
	struct world w;

	(void)state;
	assert_non_null(store);
	world_make(store, &w);
	for (int i = 0; i < 14; i++) {
		devices[i] = enrolled(store, w.user.id, 0, (uint8_t)(i + 1), "d");
		assert_int_equal(devices[i].overlay4.addr[3], i + 1);
	}
	invitation = (struct invitation){ .user_id = w.user.id, .expires_ms = store_clock() + 100000 };
	assert_ok(store_invitation_add(store, &invitation, enrolment.token, &fault));
	assert_refused(-ENOSPC, "no address", store_enrol(store, &enrolment, store_clock(), &device, &fault));
	/* The lowest free one comes again once all were given. */
	assert_ok(store_device_del(store, devices[8].id, &fault));
	assert_ok(store_device_del(store, devices[4].id, &fault));
	assert_ok(store_enrol(store, &enrolment, store_clock(), &device, &fault));
	assert_int_equal(device.overlay4.addr[3], 5);
	store_close(store);
}

/* ---- leases, states, logs ---- */

static int count_leases(void *context, const struct lease *lease)
{
	int64_t *last = context;

	last[0]++;
	last[1] = lease->expires_ms;
	last[2] = lease->id;
	return 0;
}

static void test_leases(void **state)
{
	struct store *store = opened();
	struct device client, gateway;
	struct lease lease;
	int64_t seen[3] = { 0 };
	struct world w;
	size_t n;

	(void)state;
	world_make(store, &w);
	client = enrolled(store, w.user.id, 0, 1, "laptop");
	gateway = enrolled(store, 0, w.site.id, 2, "gw");
	lease = (struct lease){ .device_id = client.id, .gateway_id = gateway.id, .resource_id = w.resource.id,
				.policy_id = w.policy.id, .request_id = UINT64_MAX, .issued_ms = 1000, .expires_ms = 2000 };
	assert_ok(store_lease_put(store, &lease, &fault));
	lease.expires_ms = 3000;
	assert_ok(store_lease_put(store, &lease, &fault));
	store_close(store);
	store = opened();
	assert_ok(store_lease_each(store, count_leases, seen, &fault));
	assert_int_equal(seen[0], 1);
	assert_int_equal(seen[1], 3000);
	assert_int_equal(seen[2], lease.id);
	assert_ok(store_lease_expire(store, 2999, &n, &fault));
	assert_int_equal(n, 0);
	assert_ok(store_lease_expire(store, 3000, &n, &fault));
	assert_int_equal(n, 1);
	assert_refused(-ENOENT, "lease", store_lease_del(store, lease.id, &fault));
	assert_ok(store_lease_put(store, &lease, &fault));
	assert_ok(store_policy_del(store, w.policy.id, &fault));
	seen[0] = 0;
	assert_ok(store_lease_each(store, count_leases, seen, &fault));
	assert_int_equal(seen[0], 0);
	assert_refused(-ENOENT, "any more", store_lease_put(store, &lease, &fault));
	store_close(store);
}

static int count_rows(void *context, const struct log_row *row)
{
	struct log_row *last = context;
	int64_t n = last->id;

	*last = *row;
	last->id = n + 1;
	return 0;
}

/* Whoever reported it, it was the laptop's. */
static int check_owner(void *context, const struct log_row *row)
{
	bool by_client = !strcmp(row->reporter, "laptop");

	assert_string_equal(row->user, "alice");
	assert_string_equal(row->device, "laptop");
	assert_string_equal(row->peer, by_client ? "gw" : "laptop");
	assert_true(by_client == (row->text != NULL));
	return count_rows(context, row);
}

static void test_reports_once(void **state)
{
	struct store *store = opened();
	struct denial_entry denials[3];
	struct flow_entry flow = { .sequence = 1, .start_ms = 5, .end_ms = 9, .end = "closed", .resource = "web",
				   .tuple = { AF_INET, 6, { 1 }, { 10, 1, 0, 10 }, 4444, 80 }, .bytes_in = 1ull << 40 };
	struct report_state reports;
	struct log_row row = { 0 };
	struct device client, gateway;
	struct log_filter filter = { .kind = LOG_DENIALS };
	size_t trimmed;
	struct world w;

	(void)state;
	world_make(store, &w);
	client = enrolled(store, w.user.id, 0, 1, "laptop");
	gateway = enrolled(store, 0, w.site.id, 2, "gw");
	for (int i = 0; i < 3; i++)
		denials[i] = (struct denial_entry){ .sequence = (uint64_t)i + 1, .at_ms = 100 + i, .peer_id = client.id,
			.reason = "no-grant", .policy_tag = w.policy.tag, .count = 1,
			.tuple = { AF_INET, 6, { 100, 64, 0, 1 }, { 10, 1, 0, 20 }, 4444, (uint16_t)(5430 + i) } };
	assert_ok(store_report_add(store, gateway.id, 77, denials, 2, NULL, 0, &reports, &fault));
	assert_int_equal(reports.denial_sequence, 2);
	/* The acknowledgement was lost: the agent repeats and goes on. */
	assert_ok(store_report_add(store, gateway.id, 77, denials, 3, &flow, 1, &reports, &fault));
	assert_int_equal(reports.denial_sequence, 3);
	assert_int_equal(reports.flow_sequence, 1);
	assert_ok(store_report_get(store, gateway.id, &reports, &fault));
	assert_int_equal(reports.epoch, 77);
	assert_ok(store_log_each(store, &filter, count_rows, &row, &fault));
	assert_int_equal(row.id, 3);
	assert_int_equal(row.tuple.dport, 5432);
	assert_int_equal(row.has_tag, true);
	/* A new run of the agent counts from the start. */
	assert_ok(store_report_add(store, gateway.id, 78, denials, 1, NULL, 0, &reports, &fault));
	assert_int_equal(reports.denial_sequence, 1);
	row.id = 0;
	filter.after_id = 3;
	assert_ok(store_log_each(store, &filter, count_rows, &row, &fault));
	assert_int_equal(row.id, 1);
	filter = (struct log_filter){ .kind = LOG_DENIALS, .user = "alice", .device = "laptop", .policy = "eng-web" };
	row.id = 0;
	assert_ok(store_log_each(store, &filter, count_rows, &row, &fault));
	assert_int_equal(row.id, 4);
	/* What the client reports of the same flow is its own, too. */
	denials[0].peer_id = gateway.id;
	denials[0].text = "no policy grants it";
	assert_ok(store_report_add(store, client.id, 5, denials, 1, &flow, 1, &reports, &fault));
	row.id = 0;
	assert_ok(store_log_each(store, &filter, check_owner, &row, &fault));
	assert_int_equal(row.id, 5);
	filter.user = "bob";
	row.id = 0;
	assert_ok(store_log_each(store, &filter, count_rows, &row, &fault));
	assert_int_equal(row.id, 0);
	assert_ok(store_log_trim(store, 101, 1000, &trimmed, &fault));
	assert_int_equal(trimmed, 5);
	filter = (struct log_filter){ .kind = LOG_FLOWS };
	row.id = 0;
	assert_ok(store_log_each(store, &filter, count_rows, &row, &fault));
	assert_int_equal(row.id, 0);
	flow.sequence = 2;
	assert_ok(store_report_add(store, gateway.id, 78, NULL, 0, &flow, 1, &reports, &fault));
	assert_ok(store_log_each(store, &filter, count_rows, &row, &fault));
	assert_int_equal(row.id, 1);
	assert_int_equal(row.bytes_in, 1ull << 40);
	store_close(store);
}

/* What version 1 wrote goes on, without what nobody needs any more. */
static void test_migration(void **state)
{
	struct store *store;

	(void)state;
	raw_sql(schema_sqlite[0]);
	raw_sql("PRAGMA application_id = 1719296626; PRAGMA user_version = 1;"
		"INSERT INTO audit (at_ms, actor, action) VALUES (1, 'broker', 'broker.start');"
		"INSERT INTO denials (at_ms, reporter, peer, outbound, observed, reason, count) "
		"VALUES (1, 'gw', 'laptop', 0, 0, 'no-grant', 1)");
	store = opened();
	store_close(store);
	assert_int_equal(raw_number("PRAGMA user_version"), SCHEMA_SQLITE_VERSION);
	assert_int_equal(raw_number("SELECT count(*) FROM sqlite_schema WHERE name = 'states'"), 0);
	assert_int_equal(raw_number("SELECT count(*) FROM audit WHERE action = 'broker.start'"), 1);
	assert_int_equal(raw_number("SELECT count(*) FROM denials WHERE device = 'laptop'"), 1);
}

/* No log grows without end: the oldest lines go, of the audit log too, and no others. */
static void test_log_rows(void **state)
{
	struct audit_entry entry = { .at_ms = 1, .actor = "broker", .action = "decision.refuse" };
	struct denial_entry denials[10] = { 0 };
	struct flow_entry flows[10] = { 0 };
	struct store *store = opened();
	struct device gateway;
	struct report_state reports;
	struct world w;
	size_t trimmed;
	int64_t before;

	(void)state;
	world_make(store, &w);
	gateway = enrolled(store, 0, w.site.id, 2, "gw");
	for (int i = 0; i < 10; i++) {
		denials[i] = (struct denial_entry){ .sequence = (uint64_t)i + 1, .at_ms = 100, .reason = "no-grant",
						    .tuple = { .family = AF_INET }, .count = 1, .dropped = i < 3 };
		flows[i] = (struct flow_entry){ .sequence = (uint64_t)i + 1, .start_ms = 100,
						.tuple = { .family = AF_INET }, .dropped = i < 3 };
		assert_ok(store_audit_add(store, &entry, &fault));
	}
	assert_ok(store_report_add(store, gateway.id, 77, denials, 10, flows, 10, &reports, &fault));
	assert_true(reports.denial_sequence == 10 && reports.flow_sequence == 10);
	assert_int_equal(raw_number("SELECT count(*) FROM denials"), 7);
	assert_int_equal(raw_number("SELECT count(*) FROM flows"), 7);
	before = raw_number("SELECT count(*) FROM audit");
	assert_ok(store_log_trim(store, 0, 1000, &trimmed, &fault));
	assert_int_equal(trimmed, 0);
	assert_ok(store_log_trim(store, 0, 4, &trimmed, &fault));
	assert_int_equal(trimmed, 3 + 3 + before - 4);
	assert_int_equal(raw_number("SELECT count(*) FROM denials"), 4);
	assert_int_equal(raw_number("SELECT count(*) FROM flows"), 4);
	assert_int_equal(raw_number("SELECT count(*) FROM audit"), 4);
	assert_int_equal(raw_number("SELECT max(id) FROM audit"), before);
	assert_ok(store_log_trim(store, 0, 4, &trimmed, &fault));
	assert_int_equal(trimmed, 0);
	store_close(store);
}

static void test_audit_append_only(void **state)
{
	struct tuple tuple = { AF_INET6, 6, { 0xfd }, { 0xfd, 1 }, 1, 22 };
	struct audit_entry entry = { .at_ms = 1, .actor = "admin uid 0 (root)", .action = "decision.refuse",
				     .user = "alice", .tuple = &tuple, .text = "no policy" };
	struct log_filter filter = { .kind = LOG_AUDIT, .limit = 5 };
	struct store *store = opened();
	struct log_row row = { 0 };
	char *error = NULL;
	sqlite3 *db;

	(void)state;
	for (int i = 0; i < 20; i++) {
		entry.at_ms = i;
		assert_ok(store_audit_add(store, &entry, &fault));
	}
	assert_ok(store_log_each(store, &filter, count_rows, &row, &fault));
	assert_int_equal(row.id, 5);
	assert_int_equal(row.at_ms, 19);
	filter.after_id = 2;
	row.id = 0;
	assert_ok(store_log_each(store, &filter, count_rows, &row, &fault));
	assert_int_equal(row.id, 5);
	assert_int_equal(row.at_ms, 6);
	assert_int_equal(row.tuple.dport, 22);
	assert_int_equal(row.tuple.family, AF_INET6);
	assert_int_equal(sqlite3_open(inside("broker.db"), &db), SQLITE_OK);
	assert_int_not_equal(sqlite3_exec(db, "DELETE FROM audit", NULL, NULL, &error), SQLITE_OK);
	assert_non_null(strstr(error, "append-only"));
	sqlite3_free(error);
	assert_int_not_equal(sqlite3_exec(db, "UPDATE audit SET text = ''", NULL, NULL, &error), SQLITE_OK);
	sqlite3_free(error);
	sqlite3_close(db);
	store_close(store);
}

/* ---- transactions and crashes ---- */

static void test_transaction(void **state)
{
	struct group group = { .name = "one" }, twin = { .name = "one" }, two = { .name = "two" };
	int64_t none = 4711;
	struct user half = { .name = "half", .groups = &none, .n_groups = 1 };
	struct store *store = opened();

	(void)state;
	assert_ok(store_begin(store, &fault));
	assert_refused(-EBUSY, "open already", store_begin(store, &fault));
	assert_ok(store_group_put(store, &group, &fault));
	store_rollback(store);
	assert_int_equal(raw_number("SELECT count(*) FROM groups"), 0);

	/* What one call refuses leaves the rest of the transaction alone. */
	group.id = 0;
	assert_ok(store_begin(store, &fault));
	assert_ok(store_group_put(store, &group, &fault));
	assert_refused(-EEXIST, "exists", store_group_put(store, &twin, &fault));
	assert_refused(-EINVAL, "group does not exist", store_user_put(store, &half, &fault));
	assert_ok(store_group_put(store, &two, &fault));
	assert_ok(store_commit(store, &fault));
	assert_int_equal(raw_number("SELECT count(*) FROM groups"), 2);
	assert_int_equal(raw_number("SELECT count(*) FROM users"), 0);
	store_close(store);
}

/*
 * A child enrols devices without end and is killed with -9 wherever it is. Whatever it had been told to be done is
 * there; nothing is half done: every used invitation has its device, every device its line in the audit log.
 */
static void child_enrols(int done, int64_t user_id)
{
	struct store *store = store_open(dir, NULL, NULL);
	uint8_t serial = (uint8_t)getpid();

	for (unsigned int i = 1; store; i++) {
		struct invitation invitation = { .user_id = user_id, .expires_ms = store_clock() + 1000000 };
		struct enrolment enrolment = { .control_key = { (uint8_t)i, (uint8_t)(i >> 8), serial } };
		struct device device;

		memcpy(enrolment.tunnel_key, enrolment.control_key, 32);
		if (store_invitation_add(store, &invitation, enrolment.token, NULL) ||
		    store_enrol(store, &enrolment, store_clock(), &device, NULL) || write(done, "x", 1) != 1)
			break;
	}
	_exit(1);
}

static void test_kill(void **state)
{
	struct store *store = opened();
	int64_t promised = 0;
	struct world w;

	(void)state;
	world_make(store, &w);
	store_close(store);
	for (int round = 0; round < 12; round++) {
		int64_t devices, used, audited, status;
		int pipes[2], wait_status;
		char bytes[4096];
		ssize_t n;
		pid_t child;

		assert_int_equal(pipe(pipes), 0);
		child = fork();
		assert_true(child >= 0);
		if (!child) {
			close(pipes[0]);
			child_enrols(pipes[1], w.user.id);
		}
		close(pipes[1]);
		/* Once a few are done, somewhere in the middle of another. */
		for (n = 0; n < 3 + round;) {
			ssize_t got = read(pipes[0], bytes, 1);

			assert_int_equal(got, 1);
			n += got;
		}
		promised += n;
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &wait_status, 0), child);
		assert_true(WIFSIGNALED(wait_status));
		while ((n = read(pipes[0], bytes, sizeof(bytes))) > 0)
			promised += n;
		close(pipes[0]);

		store_close(opened());
		devices = raw_number("SELECT count(*) FROM devices");
		used = raw_number("SELECT count(*) FROM invitations WHERE used_ms IS NOT NULL AND device_id IS NOT NULL");
		audited = raw_number("SELECT count(*) FROM audit WHERE action = 'device.enrol'");
		status = raw_number("SELECT count(*) FROM invitations WHERE (used_ms IS NULL) <> (device_id IS NULL)");
		assert_true(devices >= promised);
		assert_int_equal(devices, used);
		assert_int_equal(devices, audited);
		assert_int_equal(status, 0);
		promised = devices;
	}
}

/* Killed in the middle of an open transaction, nothing of it is there. */
static void test_kill_in_transaction(void **state)
{
	int pipes[2], wait_status;
	struct store *store;
	char byte;
	pid_t child;

	(void)state;
	store_close(opened());
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct group group = { .name = "half" };

		store = store_open(dir, NULL, NULL);
		if (store && !store_begin(store, NULL) && !store_group_put(store, &group, NULL) &&
		    write(pipes[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	kill(child, SIGKILL);
	waitpid(child, &wait_status, 0);
	close(pipes[0]);
	close(pipes[1]);
	store = opened();
	assert_ok(store_group_put(store, &(struct group){ .name = "half" }, &fault));
	store_close(store);
}

int main(void)
{
#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	static const struct CMUnitTest tests[] = {
		WITH_DIR(test_first_start),
		WITH_DIR(test_overlay_options),
		WITH_DIR(test_newer_refused),
		WITH_DIR(test_foreign_database_refused),
		WITH_DIR(test_key_guarded),
		WITH_DIR(test_somebody_elses),
		WITH_DIR(test_second_broker_refused),
		WITH_DIR(test_objects_come_back),
		WITH_DIR(test_names),
		WITH_DIR(test_wrong_objects),
		WITH_DIR(test_invitation_once),
		WITH_DIR(test_invitation_race),
		WITH_DIR(test_addresses),
		WITH_DIR(test_leases),
		WITH_DIR(test_reports_once),
		WITH_DIR(test_migration),
		WITH_DIR(test_log_rows),
		WITH_DIR(test_audit_append_only),
		WITH_DIR(test_transaction),
		WITH_DIR(test_kill),
		WITH_DIR(test_kill_in_transaction),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
