// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signalling between links that are not there: a store and directory of its own for each test, a clock that the test
 * moves, agents that keep what they are told as a real one would.
 *
 *	alice's laptop -- broker -- gw of site hq -- web 10.1.0.10 tcp/443, db 10.1.0.20 tcp/5432
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "signal.h"
#include "state.h"

#define ITEMS_KEPT	2048
#define QUEUE		512
#define LINES		300	/* more than one device may cause */
#define REPORTS_WAIT_MS	50

/**
 * struct fake - an agent
 * @session: NULL: not connected
 * @closed: the broker let the link go
 * @queue: messages that came and were not looked at
 * @instance, @number, @items: the state as it was told
 * @deaf: takes nothing
 * @reads: has no room for more messages than this in its queue; 0: always room
 */
struct fake {
	struct session *session;
	uint8_t control[32], tunnel[32];
	bool closed, deaf;
	fz_Message *queue[QUEUE];
	size_t head, tail, reads;
	uint64_t instance, number;
	fz_Item *items[ITEMS_KEPT];
	size_t n_items;
	unsigned int parts;
	char sentence[256];
	fz_Code code;
};

static struct {
	char path[64];
	struct store *store;
	struct directory *dir;
	struct signal *sig;
	uint64_t now;
	int64_t clock;
	struct user alice;
	struct group staff;
	struct site hq;
	struct resource web, db;
	struct fake laptop, gw;
	bool doubtful;
	fz_Message msg;
} w;

static struct fault fault;

#define assert_ok(call) \
	do { \
		fault.text[0] = '\0'; \
		int assert_ret = (call); \
		if (assert_ret) \
			fail_msg("%s: %d: %s", #call, assert_ret, fault.text); \
	} while (0)

/* --- what signalling calls ------------------------------------------------- */

static bool on_send(void *arg, void *link, const fz_Message *msg)
{
	struct fake *fake = link;

	(void)arg;
	if (fake->deaf)
		return false;
	assert_true(fake->tail - fake->head < QUEUE);
	fake->queue[fake->tail % QUEUE] = malloc(sizeof(*msg));
	memcpy(fake->queue[fake->tail++ % QUEUE], msg, sizeof(*msg));
	return true;
}

static bool on_room(void *arg, void *link)
{
	const struct fake *fake = link;

	(void)arg;
	return !fake->reads || fake->tail - fake->head < fake->reads;
}

static void on_close(void *arg, void *link)
{
	struct fake *fake = link;

	(void)arg;
	fake->session = NULL;
	fake->closed = true;
}

static void on_refresh(void *arg)
{
	struct directory *old = w.dir;

	(void)arg;
	if (w.doubtful)
		return;
	w.dir = store_directory(w.store, &fault);
	assert_non_null(w.dir);
	if (w.sig)
		signal_changed(w.sig);
	directory_free(old);
}

static void on_rekey(void *arg, int64_t device_id, const uint8_t key[MODEL_KEY_LEN])
{
	(void)arg;
	directory_rekey(w.dir, device_id, key);
}

static const struct directory *on_directory(void *arg)
{
	(void)arg;
	return w.dir;
}

static bool on_doubtful(void *arg)
{
	(void)arg;
	return w.doubtful;
}

static uint64_t on_now(void *arg)
{
	(void)arg;
	return w.now;
}

static int64_t on_clock(void *arg)
{
	(void)arg;
	return w.clock;
}

static const struct signal_calls calls = {
	.send = on_send,
	.room = on_room,
	.close = on_close,
	.refresh = on_refresh,
	.rekey = on_rekey,
	.directory = on_directory,
	.doubtful = on_doubtful,
	.now = on_now,
	.clock = on_clock,
};

/* --- the store, counted ---------------------------------------------------- */

/*
 * @transactions: each is a flush of the disk, and what is written outside of one is one by itself
 * @untold: leases that were deleted while the gateway had nothing to read
 * @open: between begin and commit
 * @full: nothing can be committed
 */
static struct {
	unsigned int transactions, untold;
	bool open, full;
} disk;

int __real_store_begin(struct store *store, struct fault *f);
int __wrap_store_begin(struct store *store, struct fault *f);
int __real_store_commit(struct store *store, struct fault *f);
int __wrap_store_commit(struct store *store, struct fault *f);
void __real_store_rollback(struct store *store);
void __wrap_store_rollback(struct store *store);

int __wrap_store_begin(struct store *store, struct fault *f)
{
	int ret = __real_store_begin(store, f);

	disk.open = !ret;
	return ret;
}

void __wrap_store_rollback(struct store *store)
{
	disk.open = false;
	__real_store_rollback(store);
}

int __wrap_store_commit(struct store *store, struct fault *f)
{
	disk.open = false;
	disk.transactions++;
	if (!disk.full)
		return __real_store_commit(store, f);
	__real_store_rollback(store);
	return fault_set(f, -EIO, NULL, "the disk is full");
}

int __real_store_report_add(struct store *store, int64_t reporter_id, uint64_t epoch,
			    const struct denial_entry *denials, size_t n_denials, const struct flow_entry *flows,
			    size_t n_flows, struct report_state *state, struct fault *f);
int __wrap_store_report_add(struct store *store, int64_t reporter_id, uint64_t epoch,
			    const struct denial_entry *denials, size_t n_denials, const struct flow_entry *flows,
			    size_t n_flows, struct report_state *state, struct fault *f);

int __wrap_store_report_add(struct store *store, int64_t reporter_id, uint64_t epoch,
			    const struct denial_entry *denials, size_t n_denials, const struct flow_entry *flows,
			    size_t n_flows, struct report_state *state, struct fault *f)
{
	disk.transactions += !disk.open;
	return __real_store_report_add(store, reporter_id, epoch, denials, n_denials, flows, n_flows, state, f);
}

int __real_store_lease_put(struct store *store, struct lease *lease, struct fault *f);
int __wrap_store_lease_put(struct store *store, struct lease *lease, struct fault *f);
int __real_store_lease_del(struct store *store, int64_t id, struct fault *f);
int __wrap_store_lease_del(struct store *store, int64_t id, struct fault *f);
int __real_store_audit_add(struct store *store, const struct audit_entry *entry, struct fault *f);
int __wrap_store_audit_add(struct store *store, const struct audit_entry *entry, struct fault *f);

int __wrap_store_lease_put(struct store *store, struct lease *lease, struct fault *f)
{
	disk.transactions += !disk.open;
	return __real_store_lease_put(store, lease, f);
}

int __wrap_store_lease_del(struct store *store, int64_t id, struct fault *f)
{
	disk.transactions += !disk.open;
	disk.untold += w.gw.head == w.gw.tail;
	return __real_store_lease_del(store, id, f);
}

int __wrap_store_audit_add(struct store *store, const struct audit_entry *entry, struct fault *f)
{
	disk.transactions += !disk.open;
	return __real_store_audit_add(store, entry, f);
}

/* --- time ------------------------------------------------------------------ */

/* As the loop does: never later than what is due. */
static void pass(uint64_t ms)
{
	uint64_t until = w.now + ms;

	while (w.now < until) {
		uint64_t due = signal_due(w.sig);
		uint64_t step = due < until ? due : until;

		if (step <= w.now)
			step = w.now + (due <= w.now ? 0 : 1);
		w.clock += (int64_t)(step - w.now);
		w.now = step;
		/* what is due again and again at once would never end */
		for (int i = 0; signal_due(w.sig) <= w.now; i++) {
			assert_true(i < 3);
			signal_tick(w.sig);
		}
	}
}

/* What is due at once. */
static void settle(void)
{
	for (int i = 0; signal_due(w.sig) <= w.now && i < 3; i++)
		signal_tick(w.sig);
}

/* --- fake agents ----------------------------------------------------------- */

static bool same_key(const fz_Item *a, const fz_Item *b)
{
	struct state one = { 0 }, two = { 0 };
	bool same;

	if (a->which_body != b->which_body)
		return false;
	state_add(&one, a, 0);
	state_add(&two, b, 0);
	same = one.items[0]->key_len == two.items[0]->key_len &&
	       !memcmp(one.items[0]->data, two.items[0]->data, one.items[0]->key_len);
	state_clear(&one);
	state_clear(&two);
	return same;
}

static void keep_item(struct fake *fake, const fz_Item *item)
{
	for (size_t i = 0; i < fake->n_items; i++) {
		if (!same_key(fake->items[i], item))
			continue;
		free(fake->items[i]);
		fake->items[i] = fake->items[--fake->n_items];
		break;
	}
	if (item->remove)
		return;
	assert_true(fake->n_items < ITEMS_KEPT);
	fake->items[fake->n_items] = malloc(sizeof(*item));
	*fake->items[fake->n_items++] = *item;
}

static void forget_items(struct fake *fake)
{
	while (fake->n_items)
		free(fake->items[--fake->n_items]);
}

static void say(struct fake *fake, pb_size_t which)
{
	assert_non_null(fake->session);
	w.msg.which_body = which;
	if (signal_received(w.sig, fake->session))
		signal_message(w.sig, fake->session, &w.msg);
	memset(&w.msg, 0, sizeof(w.msg));
}

static void apply(struct fake *fake, const fz_State *state)
{
	if (state->snapshot) {
		if (!fake->parts)
			forget_items(fake);
	} else {
		assert_true(state->instance == fake->instance);
		assert_true(state->base == fake->number);
	}
	for (pb_size_t i = 0; i < state->item_count; i++)
		keep_item(fake, &state->item[i]);
	fake->parts++;
	if (!state->last)
		return;
	fake->parts = 0;
	fake->instance = state->instance;
	fake->number = state->number;
	if (!fake->session)
		return;
	w.msg.body.ack.instance = state->instance;
	w.msg.body.ack.number = state->number;
	say(fake, fz_Message_ack_tag);
}

/* Takes the next message; states in it are applied. NULL when there is none. Valid until the next call. */
static fz_Message *hear(struct fake *fake)
{
	static fz_Message *last;
	fz_Message *msg;

	free(last);
	last = NULL;
	if (fake->head == fake->tail)
		return NULL;
	msg = last = fake->queue[fake->head++ % QUEUE];
	switch (msg->which_body) {
	case fz_Message_state_tag:
		apply(fake, &msg->body.state);
		break;
	case fz_Message_admit_tag:
		apply(fake, &msg->body.admit.state);
		break;
	case fz_Message_access_answer_tag:
		if (msg->body.access_answer.has_state)
			apply(fake, &msg->body.access_answer.state);
		break;
	case fz_Message_revoke_tag:
		apply(fake, &msg->body.revoke.state);
		break;
	case fz_Message_refused_tag:
		fake->code = msg->body.refused.code;
		strcpy(fake->sentence, msg->body.refused.sentence);
		break;
	default:
		break;
	}
	return msg;
}

/* The next message must be this. */
static fz_Message *expect(struct fake *fake, pb_size_t which)
{
	fz_Message *msg = hear(fake);

	if (!msg)
		fail_msg("nothing came");
	else if (msg->which_body != which)
		fail_msg("%s came", fz_message_name(msg));
	return msg;
}

static void expect_nothing(struct fake *fake)
{
	fz_Message *msg = hear(fake);

	if (msg)
		fail_msg("%s came", fz_message_name(msg));
}

static void hear_all(struct fake *fake)
{
	while (hear(fake))
		;
}

static void link_up(struct fake *fake)
{
	while (fake->head < fake->tail)
		free(fake->queue[fake->head++ % QUEUE]);
	fake->closed = false;
	fake->parts = 0;
	fake->session = signal_open(w.sig, fake, fake->control, "192.0.2.9:40000");
	assert_non_null(fake->session);
}

static void say_hello(struct fake *fake)
{
	fz_Hello *hello = &w.msg.body.hello;

	hello->major = FZ_CONTROL_MAJOR;
	strcpy(hello->software, "fake 1\x1b\xc2\x9b");
	hello->instance = fake->instance;
	hello->number = fake->number;
	fz_bytes_set(hello->tunnel_key, fake->tunnel, 32);
	say(fake, fz_Message_hello_tag);
}

static void connect_known(struct fake *fake)
{
	link_up(fake);
	say_hello(fake);
	assert_true(expect(fake, fz_Message_hello_ack_tag)->body.hello_ack.enrolled);
	hear_all(fake);
}

static void disconnect(struct fake *fake)
{
	signal_closed(w.sig, fake->session, "test");
	fake->session = NULL;
}

static void make_keys(struct fake *fake)
{
	randombytes_buf(fake->control, 32);
	randombytes_buf(fake->tunnel, 32);
}

static void say_ping(struct fake *fake)
{
	say(fake, fz_Message_ping_tag);
}

static void invite(uint8_t token[INVITATION_TOKEN_LEN], bool gateway)
{
	struct invitation invitation = { .user_id = gateway ? 0 : w.alice.id, .site_id = gateway ? w.hq.id : 0,
					 .created_ms = w.clock, .expires_ms = w.clock + 3600000 };

	assert_ok(store_invitation_add(w.store, &invitation, token, &fault));
}

static void say_enrol(struct fake *fake, const uint8_t token[INVITATION_TOKEN_LEN], const char *name)
{
	fz_bytes_set(w.msg.body.enrol.token, token, INVITATION_TOKEN_LEN);
	fz_string_set(w.msg.body.enrol.name, name);
	fz_bytes_set(w.msg.body.enrol.tunnel_key, fake->tunnel, 32);
	say(fake, fz_Message_enrol_tag);
}

static void enrol(struct fake *fake, bool gateway, const char *name)
{
	uint8_t token[INVITATION_TOKEN_LEN];
	fz_Message *msg;

	make_keys(fake);
	invite(token, gateway);
	link_up(fake);
	say_hello(fake);
	assert_false(expect(fake, fz_Message_hello_ack_tag)->body.hello_ack.enrolled);
	say_enrol(fake, token, name);
	msg = expect(fake, fz_Message_enrol_ack_tag);
	assert_string_equal(msg->body.enrol_ack.identity.name, name);
	assert_int_equal(msg->body.enrol_ack.identity.role, gateway ? fz_ROLE_GATEWAY : fz_ROLE_CLIENT);
	expect(fake, fz_Message_state_tag);
	assert_true(fake->number);
}

static const fz_Item *find(const struct fake *fake, pb_size_t which, const char *resource)
{
	for (size_t i = 0; i < fake->n_items; i++) {
		const fz_Item *item = fake->items[i];

		if (item->which_body != which)
			continue;
		if (!resource || (which == fz_Item_grant_tag && !strcmp(item->body.grant.resource, resource)) ||
		    (which == fz_Item_resource_tag && !strcmp(item->body.resource.name, resource)))
			return item;
	}
	return NULL;
}

static size_t count(const struct fake *fake, pb_size_t which)
{
	size_t n = 0;

	for (size_t i = 0; i < fake->n_items; i++)
		n += fake->items[i]->which_body == which;
	return n;
}

/* --- the world ------------------------------------------------------------- */

static struct prefix v4(const char *text, uint8_t bits)
{
	struct prefix prefix = { .family = AF_INET, .bits = bits };

	assert_int_equal(inet_pton(AF_INET, text, prefix.addr), 1);
	return prefix;
}

static void add_resource(struct resource *resource, const char *name, const char *addr, uint16_t port)
{
	struct prefix prefix = v4(addr, 32);
	struct service service = { .proto = IPPROTO_TCP, .first = port, .last = port };

	memset(resource, 0, sizeof(*resource));
	strcpy(resource->name, name);
	resource->site_id = w.hq.id;
	resource->prefixes = &prefix;
	resource->n_prefixes = 1;
	resource->services = &service;
	resource->n_services = 1;
	assert_ok(store_resource_put(w.store, resource, &fault));
	resource->prefixes = NULL;
	resource->services = NULL;
}

static struct policy add_policy(const char *name, enum policy_action action, int64_t resource, uint32_t lease_s)
{
	struct policy policy = { .action = action, .enabled = true, .lease_s = lease_s, .groups = &w.staff.id,
				 .n_groups = 1, .resources = &resource, .n_resources = 1 };

	strcpy(policy.name, name);
	assert_ok(store_policy_put(w.store, &policy, &fault));
	on_refresh(NULL);
	return policy;
}

static void broker_up(void)
{
	struct signal_config config = SIGNAL_CONFIG_DEFAULT;

	config.stun_port = 3478;
	w.sig = signal_new(w.store, &config, &calls, NULL, &fault);
	assert_non_null(w.sig);
}

static int setup(void **state)
{
	struct prefix prefix;

	(void)state;
	memset(&w, 0, sizeof(w));
	log_threshold = LOG_LEVEL_ERROR;
	strcpy(w.path, "/tmp/fz-signal-test-XXXXXX");
	if (!mkdtemp(w.path))
		return -1;
	w.now = 5000;
	w.clock = store_clock();
	w.store = store_open(w.path, NULL, &fault);
	assert_non_null(w.store);
	strcpy(w.staff.name, "staff");
	assert_ok(store_group_put(w.store, &w.staff, &fault));
	strcpy(w.alice.name, "alice");
	w.alice.enabled = true;
	w.alice.groups = &w.staff.id;
	w.alice.n_groups = 1;
	assert_ok(store_user_put(w.store, &w.alice, &fault));
	strcpy(w.hq.name, "hq");
	prefix = v4("10.1.0.0", 16);
	w.hq.prefixes = &prefix;
	w.hq.n_prefixes = 1;
	w.hq.masquerade = true;
	assert_ok(store_site_put(w.store, &w.hq, &fault));
	add_resource(&w.web, "web", "10.1.0.10", 443);
	add_resource(&w.db, "db", "10.1.0.20", 5432);
	on_refresh(NULL);
	broker_up();
	return 0;
}

static int setup_joined(void **state)
{
	if (setup(state))
		return -1;
	enrol(&w.gw, true, "gw");
	enrol(&w.laptop, false, "laptop");
	hear_all(&w.gw);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void forget(struct fake *fake)
{
	forget_items(fake);
	while (fake->head < fake->tail)
		free(fake->queue[fake->head++ % QUEUE]);
}

static int teardown(void **state)
{
	(void)state;
	signal_free(w.sig);
	forget(&w.laptop);
	forget(&w.gw);
	hear(&w.gw);
	directory_free(w.dir);
	store_close(w.store);
	return nftw(w.path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct counting {
	const char *words;
	int n;
};

static int count_row(void *context, const struct log_row *row)
{
	struct counting *counting = context;

	if (!counting->words || (row->text && strstr(row->text, counting->words)) ||
	    (row->reason && !strcmp(row->reason, counting->words)) ||
	    (row->policy && !strcmp(row->policy, counting->words)))
		counting->n++;
	return 0;
}

static int logged(enum log_kind kind, const char *action, const char *words)
{
	struct log_filter filter = { .kind = kind, .limit = 1000, .action = action };
	struct counting counting = { .words = words };

	assert_ok(store_log_each(w.store, &filter, count_row, &counting, &fault));
	return counting.n;
}

static int count_lease(void *context, const struct lease *lease)
{
	(void)lease;
	++*(int *)context;
	return 0;
}

static int leases(void)
{
	int n = 0;

	assert_ok(store_lease_each(w.store, count_lease, &n, &fault));
	return n;
}

static void say_access(uint64_t id, const char *dst, uint16_t port)
{
	fz_AccessRequest *request = &w.msg.body.access_request;
	struct in_addr addr;

	assert_int_equal(inet_pton(AF_INET, dst, &addr), 1);
	request->id = id;
	request->direction = fz_DIRECTION_OUT;
	request->has_tuple = true;
	request->tuple.protocol = IPPROTO_TCP;
	fz_bytes_set(request->tuple.src, "\x64\x40\x00\x01", 4);
	fz_bytes_set(request->tuple.dst, &addr, 4);
	request->tuple.sport = 50000;
	request->tuple.dport = port;
	say(&w.laptop, fz_Message_access_request_tag);
}

static void ask(uint64_t id, const char *dst, uint16_t port)
{
	say_access(id, dst, port);
	settle();
}

static void admitted(uint64_t id, fz_Code code, const char *sentence)
{
	fz_Admitted *msg = &w.msg.body.admitted;

	msg->id = id;
	msg->code = code;
	fz_string_set(msg->sentence, sentence);
	if (!code)
		fz_bytes_set(msg->sealed_psk, "sealed", 6);
	say(&w.gw, fz_Message_admitted_tag);
}

/* From request to answer, granted. */
static void reach(uint64_t id, const char *dst, uint16_t port)
{
	ask(id, dst, port);
	admitted(expect(&w.gw, fz_Message_admit_tag)->body.admit.id, fz_CODE_NONE, "");
	assert_true(expect(&w.laptop, fz_Message_access_answer_tag)->body.access_answer.granted);
	hear_all(&w.gw);
}

static void expect_refusal(uint64_t id, fz_Code code, const char *words)
{
	fz_AccessAnswer *answer = &expect(&w.laptop, fz_Message_access_answer_tag)->body.access_answer;

	assert_true(answer->id == id);
	assert_false(answer->granted);
	assert_int_equal(answer->code, code);
	if (!strstr(answer->sentence, words))
		fail_msg("'%s' does not say '%s'", answer->sentence, words);
}

static void expect_refused(struct fake *fake, fz_Code code, const char *words)
{
	hear_all(fake);
	assert_true(fake->closed);
	assert_int_equal(fake->code, code);
	if (!strstr(fake->sentence, words))
		fail_msg("'%s' does not say '%s'", fake->sentence, words);
}

/* --- who is who ------------------------------------------------------------ */

static void enrolment(void **state)
{
	uint8_t token[INVITATION_TOKEN_LEN], wrong[INVITATION_TOKEN_LEN];
	struct fake other = { 0 };

	(void)state;
	enrol(&w.laptop, false, "laptop");
	assert_int_equal(count(&w.laptop, fz_Item_address_tag), 2);
	assert_non_null(find(&w.laptop, fz_Item_mode_tag, NULL));
	assert_true(find(&w.laptop, fz_Item_mode_tag, NULL)->body.mode.ask);
	/* before any policy: what is meant for a site is asked about, and leaves no other way */
	assert_int_equal(count(&w.laptop, fz_Item_route_tag), 1);
	assert_int_equal(count(&w.laptop, fz_Item_ask_tag), 1);

	make_keys(&other);
	randombytes_buf(wrong, sizeof(wrong));
	link_up(&other);
	say_hello(&other);
	say_enrol(&other, wrong, "x");
	expect_refused(&other, fz_CODE_INVITATION, "invitation");

	invite(token, false);
	w.clock += 3600001;
	link_up(&other);
	say_hello(&other);
	say_enrol(&other, token, "x");
	expect_refused(&other, fz_CODE_INVITATION, "expired");

	invite(token, false);
	link_up(&other);
	say_hello(&other);
	say_enrol(&other, token, "x");
	hear_all(&other);
	assert_false(other.closed);
	forget_items(&other);
	disconnect(&other);

	make_keys(&other);
	link_up(&other);
	say_hello(&other);
	say_enrol(&other, token, "y");
	expect_refused(&other, fz_CODE_INVITATION, "used");

	/* another device's tunnel key */
	make_keys(&other);
	memcpy(other.tunnel, w.laptop.tunnel, 32);
	invite(token, false);
	link_up(&other);
	say_hello(&other);
	say_enrol(&other, token, "z");
	expect_refused(&other, fz_CODE_INVITATION, "key");
	assert_int_equal(logged(LOG_AUDIT, "enrol.refuse", "from 192.0.2.9"), 4);
	assert_int_equal(logged(LOG_AUDIT, "enrol.refuse", "the invitation was used already"), 1);

	/* strangers cannot fill the log */
	for (int i = 0; i < 250; i++) {
		link_up(&other);
		say_hello(&other);
		say_enrol(&other, wrong, "x");
		expect_refused(&other, fz_CODE_INVITATION, "invitation");
	}
	assert_int_equal(logged(LOG_AUDIT, "enrol.refuse", NULL), 200);
	pass(1000);
	link_up(&other);
	say_hello(&other);
	say_enrol(&other, wrong, "x");
	expect_refused(&other, fz_CODE_INVITATION, "invitation");
	assert_int_equal(logged(LOG_AUDIT, "enrol.refuse", "54 more before it were not written"), 1);
}

static void first_words(void **state)
{
	(void)state;
	make_keys(&w.laptop);
	link_up(&w.laptop);
	say(&w.laptop, fz_Message_status_request_tag);
	expect_refused(&w.laptop, fz_CODE_MALFORMED, "first message must be Hello");

	link_up(&w.laptop);
	w.msg.body.hello.major = 2;
	say(&w.laptop, fz_Message_hello_tag);
	expect_refused(&w.laptop, fz_CODE_VERSION, "version 2.0");

	link_up(&w.laptop);
	say_hello(&w.laptop);
	assert_false(expect(&w.laptop, fz_Message_hello_ack_tag)->body.hello_ack.enrolled);
	ask(1, "10.1.0.10", 443);
	expect_refused(&w.laptop, fz_CODE_NOT_ENROLLED, "invitation");

	link_up(&w.laptop);
	pass(4999);
	assert_false(w.laptop.closed);
	pass(1);
	expect_refused(&w.laptop, fz_CODE_TIMEOUT, "who it is");

	link_up(&w.laptop);
	signal_malformed(w.sig, w.laptop.session, "a malformed message");
	expect_refused(&w.laptop, fz_CODE_MALFORMED, "malformed");
}

static void disabled(void **state)
{
	struct device device;

	(void)state;
	device = *directory_device_named(w.dir, "laptop");
	device.enabled = false;
	assert_ok(store_device_put(w.store, &device, &fault));
	on_refresh(NULL);
	expect_refused(&w.laptop, fz_CODE_DISABLED, "this device was disabled");
	link_up(&w.laptop);
	say_hello(&w.laptop);
	expect_refused(&w.laptop, fz_CODE_DISABLED, "this device is disabled");
	/* and removed altogether */
	assert_ok(store_device_del(w.store, device.id, &fault));
	on_refresh(NULL);
	link_up(&w.laptop);
	say_hello(&w.laptop);
	assert_false(expect(&w.laptop, fz_Message_hello_ack_tag)->body.hello_ack.enrolled);
	disconnect(&w.laptop);
	/* a user, with the device connected */
	assert_ok(store_device_del(w.store, directory_device_named(w.dir, "gw")->id, &fault));
	on_refresh(NULL);
	expect_refused(&w.gw, fz_CODE_NOT_ENROLLED, "removed");
}

/* The line of a lease that ends with its user still says whose it was. */
static void removed(void **state)
{
	struct log_filter filter = { .kind = LOG_AUDIT, .action = "lease.revoke", .device = "laptop", .user = "alice" };
	struct counting counting = { 0 };

	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	assert_ok(store_user_del(w.store, directory_user_named(w.dir, "alice")->id, &fault));
	on_refresh(NULL);
	pass(1);
	hear_all(&w.laptop);
	assert_true(w.laptop.closed);
	assert_ok(store_log_each(w.store, &filter, count_row, &counting, &fault));
	assert_int_equal(counting.n, 1);
}

/* Two agents with one key: the one that lives stays. */
static void rivals(void **state)
{
	struct fake second = w.laptop, third = w.laptop;

	(void)state;
	second.n_items = third.n_items = 0;
	second.head = second.tail = third.head = third.tail = 0;
	link_up(&second);
	say_hello(&second);
	expect_nothing(&second);
	/* a third one need not wait */
	link_up(&third);
	say_hello(&third);
	expect_refused(&third, fz_CODE_DUPLICATE, "other agents");
	/* the first answers */
	w.msg.body.pong.number = expect(&w.laptop, fz_Message_ping_tag)->body.ping.number;
	say(&w.laptop, fz_Message_pong_tag);
	expect_refused(&second, fz_CODE_DUPLICATE, "another agent that uses this device's key is connected, from 192.0.2.9");
	assert_false(w.laptop.closed);
	assert_int_equal(logged(LOG_AUDIT, "device.refuse", "from 192.0.2.9"), 2);

	/* the first is dead */
	link_up(&second);
	say_hello(&second);
	pass(2999);
	expect_nothing(&second);
	pass(1);
	hear_all(&w.laptop);
	assert_true(w.laptop.closed);
	assert_true(expect(&second, fz_Message_hello_ack_tag)->body.hello_ack.enrolled);
	hear_all(&second);

	/* the first goes by itself meanwhile */
	link_up(&third);
	say_hello(&third);
	disconnect(&second);
	pass(1);
	assert_true(expect(&third, fz_Message_hello_ack_tag)->body.hello_ack.enrolled);
	hear_all(&third);

	/* and says so */
	link_up(&second);
	say_hello(&second);
	say(&third, fz_Message_goodbye_tag);
	pass(1);
	assert_true(expect(&second, fz_Message_hello_ack_tag)->body.hello_ack.enrolled);
	/* the waiting one goes away */
	link_up(&third);
	say_hello(&third);
	disconnect(&third);
	pass(10000);
	assert_false(second.closed);
	disconnect(&second);
	forget(&second);
	forget(&third);
}

static void silence(void **state)
{
	(void)state;
	pass(9999);
	expect_nothing(&w.laptop);
	pass(1);
	w.msg.body.pong.number = expect(&w.laptop, fz_Message_ping_tag)->body.ping.number;
	say(&w.laptop, fz_Message_pong_tag);
	pass(29999);
	assert_false(w.laptop.closed);
	assert_true(w.gw.closed);
	pass(1);
	assert_true(w.laptop.closed);
	hear_all(&w.laptop);
}

static void takes_nothing(void **state)
{
	(void)state;
	w.gw.deaf = true;
	add_policy("p", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	ask(1, "10.1.0.10", 443);
	expect_refusal(1, fz_CODE_UNAVAILABLE, "connection was lost");
	assert_true(w.gw.closed);
	assert_int_equal(leases(), 0);
	/* back again, it hears everything anew */
	w.gw.deaf = false;
	connect_known(&w.gw);
	assert_null(find(&w.gw, fz_Item_grant_tag, NULL));
}

/* --- access ---------------------------------------------------------------- */

static void granted(void **state)
{
	const fz_Item *item;
	fz_AccessAnswer *answer;
	fz_Admit *admit;
	uint64_t id;

	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	/* a policy alone changes nothing for anybody */
	expect_nothing(&w.laptop);
	expect_nothing(&w.gw);

	ask(77, "10.1.0.10", 443);
	expect_nothing(&w.laptop);
	admit = &expect(&w.gw, fz_Message_admit_tag)->body.admit;
	id = admit->id;
	assert_true(admit->want_psk && admit->connect);
	assert_memory_equal(admit->peer.bytes, w.laptop.tunnel, 32);
	assert_memory_equal(admit->control_key.bytes, w.laptop.control, 32);
	assert_string_equal(admit->client, "alice on laptop");
	item = find(&w.gw, fz_Item_grant_tag, "web");
	assert_non_null(item);
	assert_int_equal(item->body.grant.direction, fz_DIRECTION_IN);
	assert_int_equal(item->body.grant.action, fz_ACTION_ALLOW);
	assert_memory_equal(item->body.grant.peer.bytes, w.laptop.tunnel, 32);
	assert_true(item->body.grant.has_lease_ms && item->body.grant.lease_ms == 60000);
	assert_string_equal(item->body.grant.policy, "staff-web");
	item = find(&w.gw, fz_Item_peer_tag, NULL);
	assert_non_null(item);
	assert_int_equal(item->body.peer.allowed_ip_count, 2);
	assert_int_equal(item->body.peer.allowed_ip[0].len, 32);
	item = find(&w.gw, fz_Item_resource_tag, "web");
	assert_non_null(item);
	assert_int_equal(item->body.resource.service[0].port_min, 443);
	/* on disk before the gateway heard of it */
	assert_int_equal(leases(), 1);
	assert_int_equal(logged(LOG_AUDIT, "decision.allow", "staff-web"), 1);

	/* what else changes meanwhile says nothing of it to the client */
	add_policy("other", POLICY_ALLOW, w.web.id, 60);
	w.msg.body.ack.code = fz_CODE_STALE;
	w.msg.body.ack.instance = w.laptop.instance;
	say(&w.laptop, fz_Message_ack_tag);
	assert_true(expect(&w.laptop, fz_Message_state_tag)->body.state.snapshot);
	assert_null(find(&w.laptop, fz_Item_grant_tag, "web"));

	pass(250);
	admitted(id, fz_CODE_NONE, "");
	answer = &expect(&w.laptop, fz_Message_access_answer_tag)->body.access_answer;
	assert_true(answer->granted && answer->id == 77);
	assert_memory_equal(answer->peer.bytes, w.gw.tunnel, 32);
	assert_string_equal(answer->resource, "web");
	assert_string_equal(answer->policy, "staff-web");
	assert_int_equal(answer->tag.size, 16);
	assert_true(answer->lease_ms == 59750);
	item = find(&w.laptop, fz_Item_grant_tag, "web");
	assert_non_null(item);
	assert_int_equal(item->body.grant.direction, fz_DIRECTION_OUT);
	assert_true(item->body.grant.lease_ms == 59750);
	item = find(&w.laptop, fz_Item_peer_tag, NULL);
	assert_non_null(item);
	assert_int_equal(item->body.peer.sealed_psk.size, 6);
	assert_int_equal(item->body.peer.allowed_ip_count, 3);
	assert_true(item->body.peer.psk && item->body.peer.keepalive_s == 25);
	expect_nothing(&w.laptop);
	expect_nothing(&w.gw);

	/* the second resource, by name */
	add_policy("staff-db", POLICY_ALLOW, w.db.id, 60);
	w.msg.body.access_request.id = 78;
	w.msg.body.access_request.direction = fz_DIRECTION_OUT;
	strcpy(w.msg.body.access_request.resource, "db");
	say(&w.laptop, fz_Message_access_request_tag);
	settle();
	admitted(expect(&w.gw, fz_Message_admit_tag)->body.admit.id, fz_CODE_NONE, "");
	hear_all(&w.laptop);
	assert_int_equal(count(&w.laptop, fz_Item_peer_tag), 1);
	assert_int_equal(find(&w.laptop, fz_Item_peer_tag, NULL)->body.peer.allowed_ip_count, 4);
	assert_int_equal(count(&w.laptop, fz_Item_grant_tag), 2);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 2);
}

static void refused(void **state)
{
	struct policy deny;

	(void)state;
	ask(1, "10.1.0.10", 443);
	expect_refusal(1, fz_CODE_DENIED, "web");
	ask(2, "10.1.0.99", 443);
	expect_refusal(2, fz_CODE_DENIED, "no resource");
	assert_int_equal(logged(LOG_AUDIT, "decision.refuse", NULL), 2);
	/* the same packet again is answered, and not written down again until later */
	ask(3, "10.1.0.99", 443);
	expect_refusal(3, fz_CODE_DENIED, "no resource");
	assert_int_equal(logged(LOG_AUDIT, "decision.refuse", NULL), 2);
	w.now += 10000;
	ask(4, "10.1.0.99", 443);
	expect_refusal(4, fz_CODE_DENIED, "no resource");
	expect(&w.gw, fz_Message_ping_tag);
	assert_int_equal(logged(LOG_AUDIT, "decision.refuse", NULL), 3);

	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	deny = add_policy("not-web", POLICY_DENY, w.web.id, 60);
	hear_all(&w.laptop);
	ask(5, "10.1.0.10", 443);
	{
		fz_AccessAnswer *answer = &expect(&w.laptop, fz_Message_access_answer_tag)->body.access_answer;

		assert_false(answer->granted);
		assert_string_equal(answer->policy, "not-web");
		assert_memory_equal(answer->tag.bytes, deny.tag, 16);
		assert_true(answer->remember_ms > 0);
	}
	/* nonsense */
	w.msg.body.access_request.id = 6;
	w.msg.body.access_request.direction = fz_DIRECTION_OUT;
	say(&w.laptop, fz_Message_access_request_tag);
	settle();
	expect_refusal(6, fz_CODE_DENIED, "no resource");
	w.msg.body.access_request.id = 7;
	say(&w.laptop, fz_Message_access_request_tag);
	settle();
	expect_refusal(7, fz_CODE_DENIED, "opens");
	w.msg.body.access_request.id = 8;
	w.msg.body.access_request.direction = fz_DIRECTION_OUT;
	w.msg.body.access_request.has_tuple = true;
	say(&w.laptop, fz_Message_access_request_tag);
	settle();
	expect_refusal(8, fz_CODE_DENIED, "no flow");
	expect_nothing(&w.gw);
	assert_int_equal(leases(), 0);
}

static void gateway_trouble(void **state)
{
	uint64_t id;

	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);

	/* it refuses */
	ask(1, "10.1.0.10", 443);
	id = expect(&w.gw, fz_Message_admit_tag)->body.admit.id;
	admitted(id, fz_CODE_INTERNAL, "the kernel is full");
	expect_refusal(1, fz_CODE_UNAVAILABLE, "gateway gw did not admit this device: the kernel is full");
	hear_all(&w.gw);
	assert_null(find(&w.gw, fz_Item_grant_tag, NULL));
	assert_null(find(&w.gw, fz_Item_peer_tag, NULL));
	settle();
	assert_int_equal(leases(), 0);

	/* it says nothing */
	ask(2, "10.1.0.10", 443);
	id = expect(&w.gw, fz_Message_admit_tag)->body.admit.id;
	pass(3999);
	expect_nothing(&w.laptop);
	pass(1);
	expect_refusal(2, fz_CODE_TIMEOUT, "did not answer in time");
	hear_all(&w.gw);
	assert_null(find(&w.gw, fz_Item_grant_tag, NULL));
	/* it says it too late */
	admitted(id, fz_CODE_NONE, "");
	expect_nothing(&w.laptop);

	/* it goes away in between */
	ask(3, "10.1.0.10", 443);
	disconnect(&w.gw);
	expect_refusal(3, fz_CODE_UNAVAILABLE, "connection was lost");
	settle();
	assert_int_equal(leases(), 0);

	/* it is not there */
	ask(4, "10.1.0.10", 443);
	expect_refusal(4, fz_CODE_UNAVAILABLE, "the gateway of site hq is not connected");
	assert_int_equal(logged(LOG_AUDIT, "decision.refuse", "not connected"), 1);
	connect_known(&w.gw);
	assert_null(find(&w.gw, fz_Item_grant_tag, NULL));
	reach(5, "10.1.0.10", 443);
}

static void asked_twice(void **state)
{
	struct resource ssh;
	uint64_t first, second;

	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	/* the same id while it is under way: one admission, one answer */
	say_access(9, "10.1.0.10", 443);
	ask(9, "10.1.0.10", 443);
	ask(9, "10.1.0.10", 443);
	first = expect(&w.gw, fz_Message_admit_tag)->body.admit.id;
	expect_nothing(&w.gw);
	admitted(first, fz_CODE_NONE, "");
	assert_true(expect(&w.laptop, fz_Message_access_answer_tag)->body.access_answer.granted);
	expect_nothing(&w.laptop);
	/* and afterwards: the same answer */
	reach(9, "10.1.0.10", 443);
	assert_int_equal(leases(), 1);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 1);

	/* two ids for one resource: when the first is not admitted, the second still can be */
	add_policy("staff-db", POLICY_ALLOW, w.db.id, 60);
	ask(10, "10.1.0.20", 5432);
	ask(11, "10.1.0.20", 5432);
	first = expect(&w.gw, fz_Message_admit_tag)->body.admit.id;
	second = expect(&w.gw, fz_Message_admit_tag)->body.admit.id;
	admitted(first, fz_CODE_INTERNAL, "no");
	expect_refusal(10, fz_CODE_UNAVAILABLE, "no");
	assert_int_equal(leases(), 2);
	admitted(second, fz_CODE_NONE, "");
	assert_true(expect(&w.laptop, fz_Message_access_answer_tag)->body.access_answer.granted);
	hear_all(&w.gw);
	assert_non_null(find(&w.gw, fz_Item_grant_tag, "db"));

	/* when neither is, nothing is left of them */
	add_resource(&ssh, "ssh", "10.1.0.30", 22);
	add_policy("staff-ssh", POLICY_ALLOW, ssh.id, 60);
	hear_all(&w.laptop);
	ask(12, "10.1.0.30", 22);
	ask(13, "10.1.0.30", 22);
	first = expect(&w.gw, fz_Message_admit_tag)->body.admit.id;
	second = expect(&w.gw, fz_Message_admit_tag)->body.admit.id;
	admitted(first, fz_CODE_INTERNAL, "no");
	admitted(second, fz_CODE_INTERNAL, "no");
	expect_refusal(12, fz_CODE_UNAVAILABLE, "no");
	expect_refusal(13, fz_CODE_UNAVAILABLE, "no");
	hear_all(&w.gw);
	assert_null(find(&w.gw, fz_Item_grant_tag, "ssh"));
	settle();
	assert_int_equal(leases(), 2);
}

/* What cannot be remembered is not granted, and what was before stays. */
static void disk_trouble(void **state)
{
	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	add_policy("staff-db", POLICY_ALLOW, w.db.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	pass(1000);
	disk.full = true;
	say_access(2, "10.1.0.10", 443);
	say_access(3, "10.1.0.10", 443);
	say_access(4, "10.1.0.20", 5432);
	ask(5, "10.1.0.20", 5432);
	for (uint64_t id = 2; id <= 5; id++)
		expect_refusal(id, fz_CODE_UNAVAILABLE, "cannot write its database");
	expect_nothing(&w.gw);
	assert_int_equal(leases(), 1);
	/* nothing of it is told by and by either */
	w.msg.body.ack.code = fz_CODE_STALE;
	w.msg.body.ack.instance = w.gw.instance;
	say(&w.gw, fz_Message_ack_tag);
	hear_all(&w.gw);
	assert_null(find(&w.gw, fz_Item_grant_tag, "db"));
	disk.full = false;
	reach(6, "10.1.0.20", 5432);
	assert_int_equal(leases(), 2);
	/* the first lease was not prolonged by what failed */
	w.msg.body.ack.code = fz_CODE_STALE;
	w.msg.body.ack.instance = w.gw.instance;
	say(&w.gw, fz_Message_ack_tag);
	hear_all(&w.gw);
	assert_true(find(&w.gw, fz_Item_grant_tag, "web")->body.grant.lease_ms == 59000);
	assert_true(find(&w.gw, fz_Item_grant_tag, "db")->body.grant.lease_ms == 60000);
}

static void floods(void **state)
{
	unsigned int limited = 0;

	(void)state;
	/* a gateway answers for many clients */
	w.now += 1000;
	for (int i = 0; i < 5000; i++)
		say(&w.gw, fz_Message_pong_tag);
	assert_false(w.gw.closed);
	for (uint64_t id = 1; id <= 400; id++) {
		fz_Message *msg;

		ask(id, "10.1.0.99", 1);
		msg = expect(&w.laptop, fz_Message_access_answer_tag);
		limited += msg->body.access_answer.code == fz_CODE_LIMIT;
	}
	assert_int_equal(limited, 200);
	w.now += 1000;
	ask(1000, "10.1.0.99", 1);
	expect_refusal(1000, fz_CODE_DENIED, "");
	for (int i = 0; i < 2000 && w.laptop.session; i++)
		say(&w.laptop, fz_Message_pong_tag);
	expect_refused(&w.laptop, fz_CODE_LIMIT, "too many messages");
}

/* What policy denies inside of what it grants. */
static void deny_inside(void **state)
{
	struct prefix prefix = v4("10.1.0.0", 24);
	struct resource all = { .site_id = w.hq.id, .prefixes = &prefix, .n_prefixes = 1 };
	const fz_Item *item;

	(void)state;
	strcpy(all.name, "all");
	assert_ok(store_resource_put(w.store, &all, &fault));
	add_policy("staff-all", POLICY_ALLOW, all.id, 60);
	add_policy("not-db", POLICY_DENY, w.db.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.77", 22);
	item = find(&w.gw, fz_Item_grant_tag, "db");
	assert_non_null(item);
	assert_int_equal(item->body.grant.action, fz_ACTION_DENY);
	assert_false(item->body.grant.has_lease_ms);
	assert_int_equal(find(&w.gw, fz_Item_grant_tag, "all")->body.grant.action, fz_ACTION_ALLOW);
	ask(2, "10.1.0.20", 5432);
	expect_refusal(2, fz_CODE_DENIED, "not-db");
}

/* --- change ---------------------------------------------------------------- */

static void withdrawn(void **state)
{
	struct policy policy;
	struct fake phone = { 0 };
	fz_Revoke *revoke;

	(void)state;
	enrol(&phone, false, "phone");
	policy = add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	add_policy("staff-db", POLICY_ALLOW, w.db.id, 60);
	hear_all(&w.laptop);
	hear_all(&phone);
	reach(1, "10.1.0.10", 443);
	reach(2, "10.1.0.20", 5432);

	assert_ok(store_policy_del(w.store, policy.id, &fault));
	on_refresh(NULL);
	revoke = &expect(&w.gw, fz_Message_revoke_tag)->body.revoke;
	assert_true(revoke->sentence[0]);
	assert_null(find(&w.gw, fz_Item_grant_tag, "web"));
	assert_non_null(find(&w.gw, fz_Item_grant_tag, "db"));
	expect(&w.laptop, fz_Message_revoke_tag);
	assert_null(find(&w.laptop, fz_Item_grant_tag, "web"));
	assert_non_null(find(&w.laptop, fz_Item_grant_tag, "db"));
	expect_nothing(&w.gw);
	expect_nothing(&w.laptop);
	/* who is not concerned hears nothing */
	expect_nothing(&phone);
	assert_int_equal(leases(), 1);
	assert_int_equal(logged(LOG_AUDIT, "lease.revoke", NULL), 1);
	ask(3, "10.1.0.10", 443);
	expect_refusal(3, fz_CODE_DENIED, "web");

	/* a change that concerns nobody */
	strcpy(w.staff.name, "others");
	w.staff.id = 0;
	assert_ok(store_group_put(w.store, &w.staff, &fault));
	add_policy("unrelated", POLICY_ALLOW, w.web.id, 60);
	expect_nothing(&w.gw);
	expect_nothing(&w.laptop);

	/* the user is disabled: everything goes */
	w.alice.groups = NULL;
	w.alice.n_groups = 0;
	w.alice.enabled = false;
	assert_ok(store_user_put(w.store, &w.alice, &fault));
	on_refresh(NULL);
	hear_all(&w.gw);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 0);
	assert_int_equal(count(&w.gw, fz_Item_peer_tag), 0);
	expect_refused(&w.laptop, fz_CODE_DISABLED, "user");
	expect_refused(&phone, fz_CODE_DISABLED, "user");
	forget_items(&phone);
}

#define MANY	10

static void lend_many(void)
{
	for (int i = 0; i < MANY; i++) {
		struct resource resource;
		char name[16], addr[16];

		snprintf(name, sizeof(name), "many%d", i);
		snprintf(addr, sizeof(addr), "10.1.9.%d", i + 1);
		add_resource(&resource, name, addr, 80);
		add_policy(name, POLICY_ALLOW, resource.id, 60);
		hear_all(&w.laptop);
		reach((uint64_t)i + 1, addr, 80);
	}
}

static void disable_alice(void)
{
	w.alice.enabled = false;
	assert_ok(store_user_put(w.store, &w.alice, &fault));
	on_refresh(NULL);
}

/* The agents hear of it before a disk is waited for, which is once. */
static void many_withdrawn(void **state)
{
	(void)state;
	lend_many();
	disk.transactions = disk.untold = 0;
	disable_alice();
	assert_int_equal(disk.untold, 0);
	assert_int_equal(disk.transactions, 1);
	assert_int_equal(leases(), 0);
	assert_int_equal(logged(LOG_AUDIT, "lease.revoke", NULL), MANY);
	hear_all(&w.gw);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 0);
}

/* The broker ended between the two: what the store still has does not come back. */
static void withdrawn_not_written(void **state)
{
	(void)state;
	lend_many();
	disk.full = true;
	disable_alice();
	disk.full = false;
	hear_all(&w.gw);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 0);
	assert_int_equal(leases(), MANY);
	signal_free(w.sig);
	w.gw.session = NULL;
	broker_up();
	connect_known(&w.gw);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 0);
	assert_int_equal(leases(), 0);
	assert_int_equal(logged(LOG_AUDIT, "lease.revoke", NULL), MANY);
}

/* One gateway after the other: a client that is given the second leaves the first, and does not go back by itself. */
static void another_gateway(void **state)
{
	static const uint8_t tag[MODEL_TAG_LEN];
	struct lease lease = { .request_id = 9, .issued_ms = w.clock - 1000, .expires_ms = w.clock + 50000 };
	struct fake gw2 = { 0 };
	struct policy policy;

	(void)state;
	policy = add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	add_policy("staff-db", POLICY_ALLOW, w.db.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	assert_int_equal(count(&w.laptop, fz_Item_peer_tag), 1);
	enrol(&gw2, true, "gw2");
	disconnect(&w.gw);
	/* as long as the second one has not let it in, it keeps what it has */
	ask(2, "10.1.0.20", 5432);
	hear_all(&w.laptop);
	assert_non_null(find(&w.laptop, fz_Item_grant_tag, "web"));
	w.msg.body.admitted.id = expect(&gw2, fz_Message_admit_tag)->body.admit.id;
	say(&gw2, fz_Message_admitted_tag);
	assert_true(expect(&w.laptop, fz_Message_access_answer_tag)->body.access_answer.granted);
	assert_int_equal(count(&w.laptop, fz_Item_peer_tag), 1);
	assert_memory_equal(find(&w.laptop, fz_Item_peer_tag, NULL)->body.peer.public_key.bytes, gw2.tunnel, 32);
	assert_null(find(&w.laptop, fz_Item_grant_tag, "web"));
	settle();
	assert_int_equal(leases(), 1);
	assert_int_equal(logged(LOG_AUDIT, "lease.revoke", "reaches site hq through gateway gw2 now"), 1);
	connect_known(&w.gw);
	assert_int_equal(count(&w.gw, fz_Item_peer_tag), 0);
	ask(3, "10.1.0.10", 443);
	expect_nothing(&w.gw);
	expect(&gw2, fz_Message_admit_tag);

	/* the broker ended before the store knew */
	lease.device_id = directory_device_named(w.dir, "laptop")->id;
	lease.gateway_id = directory_device_named(w.dir, "gw")->id;
	lease.resource_id = w.web.id;
	lease.policy_id = policy.id;
	memcpy(lease.policy_tag, tag, MODEL_TAG_LEN);
	assert_ok(store_lease_put(w.store, &lease, &fault));
	signal_free(w.sig);
	w.laptop.session = NULL;
	broker_up();
	connect_known(&w.laptop);
	assert_int_equal(count(&w.laptop, fz_Item_peer_tag), 1);
	assert_memory_equal(find(&w.laptop, fz_Item_peer_tag, NULL)->body.peer.public_key.bytes, gw2.tunnel, 32);
	forget(&gw2);
}

/* Withdrawn while the gateway is being asked. */
static void withdrawn_meanwhile(void **state)
{
	struct policy policy;
	uint64_t id;

	(void)state;
	policy = add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	ask(1, "10.1.0.10", 443);
	id = expect(&w.gw, fz_Message_admit_tag)->body.admit.id;
	assert_ok(store_policy_del(w.store, policy.id, &fault));
	on_refresh(NULL);
	expect_refusal(1, fz_CODE_DENIED, "policy changed");
	hear_all(&w.gw);
	assert_null(find(&w.gw, fz_Item_grant_tag, NULL));
	admitted(id, fz_CODE_NONE, "");
	hear_all(&w.laptop);
	assert_null(find(&w.laptop, fz_Item_grant_tag, NULL));
}

static unsigned int states;	/* that were built */
static bool no_memory;
int __real_state_diff(const struct state *old, const struct state *new, struct state_change **changes, size_t *n);
int __wrap_state_diff(const struct state *old, const struct state *new, struct state_change **changes, size_t *n);

int __wrap_state_diff(const struct state *old, const struct state *new, struct state_change **changes, size_t *n)
{
	states++;
	return no_memory ? -ENOMEM : __real_state_diff(old, new, changes, n);
}

/* What cannot be told to an agent ends its link: it may not go on without knowing. */
static void withdrawn_without_memory(void **state)
{
	struct policy policy;

	(void)state;
	policy = add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	no_memory = true;
	assert_ok(store_policy_del(w.store, policy.id, &fault));
	on_refresh(NULL);
	no_memory = false;
	settle();
	assert_true(w.gw.closed);
	assert_true(w.laptop.closed);
	expect_nothing(&w.gw);
	assert_non_null(find(&w.gw, fz_Item_grant_tag, "web"));
	link_up(&w.gw);
	say_hello(&w.gw);
	expect(&w.gw, fz_Message_hello_ack_tag);
	assert_true(expect(&w.gw, fz_Message_state_tag)->body.state.snapshot);
	assert_null(find(&w.gw, fz_Item_grant_tag, "web"));
	connect_known(&w.laptop);
	assert_null(find(&w.laptop, fz_Item_grant_tag, "web"));
}

/* The store changed, and what it says now cannot be read. */
static void doubt(void **state)
{
	uint8_t token[INVITATION_TOKEN_LEN];
	struct fake phone = { 0 };
	uint64_t id;

	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	add_policy("staff-db", POLICY_ALLOW, w.db.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	ask(2, "10.1.0.20", 5432);
	id = expect(&w.gw, fz_Message_admit_tag)->body.admit.id;
	w.doubtful = true;
	/* what was decided before is not handed out */
	admitted(id, fz_CODE_NONE, "");
	expect_refusal(2, fz_CODE_UNAVAILABLE, "cannot read its database");
	ask(3, "10.1.0.20", 5432);
	expect_refusal(3, fz_CODE_UNAVAILABLE, "cannot read its database");
	fz_string_set(w.msg.body.why.target, "web");
	say(&w.laptop, fz_Message_why_tag);
	assert_false(expect(&w.laptop, fz_Message_why_answer_tag)->body.why_answer.allowed);
	/* what is lent runs on, and out: it is not renewed */
	hear_all(&w.gw);
	assert_non_null(find(&w.gw, fz_Item_grant_tag, "web"));
	assert_null(find(&w.gw, fz_Item_grant_tag, "db"));
	/* who comes is sent away, and its invitation stays good */
	disconnect(&w.laptop);
	link_up(&w.laptop);
	say_hello(&w.laptop);
	expect_refused(&w.laptop, fz_CODE_UNAVAILABLE, "cannot read its database");
	make_keys(&phone);
	invite(token, false);
	link_up(&phone);
	say_hello(&phone);
	expect_refused(&phone, fz_CODE_UNAVAILABLE, "cannot read its database");
	w.doubtful = false;
	on_refresh(NULL);
	link_up(&phone);
	say_hello(&phone);
	expect(&phone, fz_Message_hello_ack_tag);
	w.doubtful = true;
	say_enrol(&phone, token, "phone");
	expect_refused(&phone, fz_CODE_UNAVAILABLE, "cannot read its database");
	w.doubtful = false;
	link_up(&phone);
	say_hello(&phone);
	expect(&phone, fz_Message_hello_ack_tag);
	say_enrol(&phone, token, "phone");
	expect(&phone, fz_Message_enrol_ack_tag);
	connect_known(&w.laptop);
	assert_non_null(find(&w.laptop, fz_Item_grant_tag, "web"));
	reach(4, "10.1.0.20", 5432);
	forget(&phone);
}

static void not_renewed_in_doubt(void **state)
{
	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	w.doubtful = true;
	pass(9000);
	say_ping(&w.gw);
	say_ping(&w.laptop);
	for (int i = 0; i < 6; i++) {
		pass(9000);
		say_ping(&w.gw);
		say_ping(&w.laptop);
		hear_all(&w.gw);
		hear_all(&w.laptop);
	}
	assert_int_equal(leases(), 0);
	assert_null(find(&w.gw, fz_Item_grant_tag, "web"));
}

static void another_policy_takes_over(void **state)
{
	struct policy first, second;

	(void)state;
	first = add_policy("first", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	second = add_policy("second", POLICY_ALLOW, w.web.id, 30);
	expect_nothing(&w.gw);
	assert_ok(store_policy_del(w.store, first.id, &fault));
	on_refresh(NULL);
	hear_all(&w.gw);
	assert_memory_equal(find(&w.gw, fz_Item_grant_tag, "web")->body.grant.tag.bytes, second.tag, 16);
	assert_true(find(&w.gw, fz_Item_grant_tag, "web")->body.grant.lease_ms == 30000);
	/* the first policy took the lease with it in the store, and what is there since is the same that is here */
	assert_int_equal(leases(), 1);
	disable_alice();
	assert_int_equal(leases(), 0);
}

static void renewal(void **state)
{
	const fz_Item *grant;

	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 20);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	pass(9999);
	expect_nothing(&w.gw);
	/* half of it is left */
	pass(1);
	hear_all(&w.gw);
	hear_all(&w.laptop);
	grant = find(&w.gw, fz_Item_grant_tag, "web");
	assert_true(grant->body.grant.lease_ms == 20000);
	assert_true(find(&w.laptop, fz_Item_grant_tag, "web")->body.grant.lease_ms == 20000);

	/* nobody renews it for a client that is away */
	disconnect(&w.laptop);
	say(&w.gw, fz_Message_pong_tag);
	pass(15000);
	say(&w.gw, fz_Message_pong_tag);
	while (w.gw.head < w.gw.tail)
		assert_int_equal(hear(&w.gw)->which_body, fz_Message_ping_tag);
	pass(5000);
	hear_all(&w.gw);
	assert_null(find(&w.gw, fz_Item_grant_tag, "web"));
	assert_int_equal(count(&w.gw, fz_Item_peer_tag), 0);
	assert_int_equal(leases(), 0);
	connect_known(&w.laptop);
	assert_null(find(&w.laptop, fz_Item_grant_tag, "web"));
}

static void window_ends(void **state)
{
	struct policy policy = { .action = POLICY_ALLOW, .enabled = true, .lease_s = 3600, .groups = &w.staff.id,
				 .n_groups = 1, .resources = &w.web.id, .n_resources = 1, .has_window = true,
				 .window = { .days = 0x7f, .from_min = 0, .to_min = 720, .zone = "UTC" } };

	(void)state;
	/* ten seconds before noon of the day */
	w.clock = w.clock / 86400000 * 86400000 + 86400000 + 43200000 - 10000;
	strcpy(policy.name, "mornings");
	assert_ok(store_policy_put(w.store, &policy, &fault));
	on_refresh(NULL);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	assert_true(find(&w.gw, fz_Item_grant_tag, "web")->body.grant.lease_ms == 10000);
	pass(10000);
	hear_all(&w.gw);
	assert_null(find(&w.gw, fz_Item_grant_tag, "web"));
	hear_all(&w.laptop);
	ask(2, "10.1.0.10", 443);
	expect_refusal(2, fz_CODE_DENIED, "mornings");
}

/* --- losing and regaining the channel --------------------------------------- */

static void reconnection(void **state)
{
	struct policy policy;
	uint64_t number;
	fz_Message *msg;

	(void)state;
	policy = add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);

	/* nothing happened meanwhile: an empty difference */
	number = w.gw.number;
	disconnect(&w.gw);
	link_up(&w.gw);
	say_hello(&w.gw);
	expect(&w.gw, fz_Message_hello_ack_tag);
	msg = expect(&w.gw, fz_Message_state_tag);
	assert_false(msg->body.state.snapshot);
	assert_int_equal(msg->body.state.item_count, 0);
	assert_true(msg->body.state.number == number);

	/* withdrawn meanwhile: that alone */
	disconnect(&w.gw);
	assert_ok(store_policy_del(w.store, policy.id, &fault));
	on_refresh(NULL);
	link_up(&w.gw);
	say_hello(&w.gw);
	expect(&w.gw, fz_Message_hello_ack_tag);
	msg = hear(&w.gw);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 0);
	assert_int_equal(count(&w.gw, fz_Item_peer_tag), 0);
	assert_int_equal(count(&w.gw, fz_Item_address_tag), 2);

	/* it has another state than we think: everything */
	disconnect(&w.gw);
	w.gw.number = 1;
	link_up(&w.gw);
	say_hello(&w.gw);
	expect(&w.gw, fz_Message_hello_ack_tag);
	assert_true(expect(&w.gw, fz_Message_state_tag)->body.state.snapshot);
	assert_int_equal(count(&w.gw, fz_Item_masquerade_tag), 2);
	assert_int_equal(count(&w.gw, fz_Item_route_tag), 2);

	/* it could not apply a difference: everything */
	w.msg.body.ack.instance = w.gw.instance;
	w.msg.body.ack.number = w.gw.number;
	w.msg.body.ack.code = fz_CODE_STALE;
	say(&w.gw, fz_Message_ack_tag);
	assert_true(expect(&w.gw, fz_Message_state_tag)->body.state.snapshot);
}

static void broker_restart(void **state)
{
	struct policy policy;

	(void)state;
	policy = add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	add_policy("staff-db", POLICY_ALLOW, w.db.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	reach(2, "10.1.0.20", 5432);
	signal_free(w.sig);
	w.sig = NULL;
	/* one is withdrawn while nobody can be told */
	assert_ok(store_policy_del(w.store, policy.id, &fault));
	on_refresh(NULL);
	w.clock += 10000;
	w.now = 100;
	broker_up();
	connect_known(&w.gw);
	assert_null(find(&w.gw, fz_Item_grant_tag, "web"));
	assert_non_null(find(&w.gw, fz_Item_grant_tag, "db"));
	assert_true(find(&w.gw, fz_Item_grant_tag, "db")->body.grant.lease_ms == 50000);
	connect_known(&w.laptop);
	assert_non_null(find(&w.laptop, fz_Item_grant_tag, "db"));
	/* it is not known here any more; the kernels have it */
	assert_int_equal(find(&w.laptop, fz_Item_peer_tag, NULL)->body.peer.sealed_psk.size, 0);
	assert_true(find(&w.laptop, fz_Item_peer_tag, NULL)->body.peer.psk);
	pass(29999);
	w.msg.body.pong.number = 1;
	say(&w.gw, fz_Message_pong_tag);
	hear_all(&w.gw);
	assert_true(find(&w.gw, fz_Item_grant_tag, "db")->body.grant.lease_ms == 60000);
}

/* --- keys and candidates --------------------------------------------------- */

static void tunnel_key_changes(void **state)
{
	const struct directory *dir;
	struct fake others[8];
	uint8_t old[32];

	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	reach(1, "10.1.0.10", 443);
	memset(others, 0, sizeof(others));
	for (int i = 0; i < 8; i++) {
		char name[] = { 'p', (char)('0' + i), 0 };

		enrol(&others[i], false, name);
		disconnect(&others[i]);
	}
	memcpy(old, w.laptop.tunnel, 32);
	randombytes_buf(w.laptop.tunnel, 32);
	dir = w.dir;
	states = 0;
	fz_bytes_set(w.msg.body.tunnel_key.public_key, w.laptop.tunnel, 32);
	say(&w.laptop, fz_Message_tunnel_key_tag);
	hear_all(&w.gw);
	assert_int_equal(count(&w.gw, fz_Item_peer_tag), 1);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 1);
	assert_memory_equal(find(&w.gw, fz_Item_peer_tag, NULL)->body.peer.public_key.bytes, w.laptop.tunnel, 32);
	/* which is work for the gateway, and for nobody else */
	assert_ptr_equal(dir, w.dir);
	assert_int_equal(states, 1);
	assert_int_equal(logged(LOG_AUDIT, "device.rekey", "tunnel key"), 1);
	assert_null(directory_device_by_tunnel(w.dir, old));
	assert_string_equal(directory_device_by_tunnel(w.dir, w.laptop.tunnel)->name, "laptop");
	assert_string_equal(directory_device_by_tunnel(w.dir, w.gw.tunnel)->name, "gw");
	for (int i = 0; i < 8; i++) {
		assert_int_equal(directory_device_by_tunnel(w.dir, others[i].tunnel)->name[1], '0' + i);
		forget(&others[i]);
	}

	/* changed while it was away, and the key of another one */
	disconnect(&w.laptop);
	randombytes_buf(w.laptop.tunnel, 32);
	connect_known(&w.laptop);
	hear_all(&w.gw);
	assert_memory_equal(find(&w.gw, fz_Item_peer_tag, NULL)->body.peer.public_key.bytes, w.laptop.tunnel, 32);
	disconnect(&w.laptop);
	memcpy(w.laptop.tunnel, w.gw.tunnel, 32);
	link_up(&w.laptop);
	say_hello(&w.laptop);
	expect_refused(&w.laptop, fz_CODE_DUPLICATE, "key");

	/* each change concerns everybody, so they cannot go on for ever */
	w.now += 10000;
	randombytes_buf(w.laptop.tunnel, 32);
	connect_known(&w.laptop);
	for (int i = 0; i < 10 && w.laptop.session; i++) {
		randombytes_buf(w.laptop.tunnel, 32);
		fz_bytes_set(w.msg.body.tunnel_key.public_key, w.laptop.tunnel, 32);
		say(&w.laptop, fz_Message_tunnel_key_tag);
	}
	expect_refused(&w.laptop, fz_CODE_LIMIT, "too often");
}

static void say_candidates(fz_CandidateKind kind, uint32_t port, fz_CandidateKind kind2, uint32_t port2)
{
	fz_Candidates *c = &w.msg.body.candidates;

	for (int i = 0; i < (port2 ? 2 : 1); i++) {
		c->candidate[i].has_endpoint = true;
		c->candidate[i].kind = i ? kind2 : kind;
		c->candidate[i].endpoint.port = i ? port2 : port;
		fz_bytes_set(c->candidate[i].endpoint.addr, "\xc0\x00\x02\x02", 4);
		c->candidate_count++;
	}
	say(&w.laptop, fz_Message_candidates_tag);
}

static void candidates(void **state)
{
	/* only the first can be reached; the second has no port */
	static const struct {
		const char *addr;
		size_t len;
	} odd[] = {
		{ "\xc0\x00\x02\x01", 4 }, { "\xc0\x00\x02\x01", 4 },
		{ "\xe0\x00\x00\x01", 4 }, { "\xff\xff\xff\xff", 4 }, { "\x00\x00\x00\x01", 4 },
		{ "\x7f\x00\x00\x01", 4 }, { "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16 },
		{ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16 }, { "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
		{ "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01", 16 },
	};
	fz_Candidates *c;

	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	add_policy("staff-db", POLICY_ALLOW, w.db.id, 60);
	hear_all(&w.laptop);
	c = &w.msg.body.candidates;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		c->candidate[i].has_endpoint = true;
		c->candidate[i].endpoint.port = i == 1 ? 0 : 51820;
		fz_bytes_set(c->candidate[i].endpoint.addr, odd[i].addr, odd[i].len);
	}
	c->candidate_count = sizeof(odd) / sizeof(odd[0]);
	say(&w.gw, fz_Message_candidates_tag);
	/* nobody talks with it yet */
	expect_nothing(&w.laptop);
	reach(1, "10.1.0.10", 443);
	reach(2, "10.1.0.20", 5432);
	assert_int_equal(find(&w.laptop, fz_Item_peer_tag, NULL)->body.peer.candidate_count, 1);

	/* the grants are old, and it is somewhere for the first time: no tunnel is disturbed */
	w.now += 10000;
	for (int again = 0; again < 2; again++)
		say_candidates(fz_CANDIDATE_HOST, 4242, 0, 0);
	/* once, though they share two grants and it said so twice */
	c = &expect(&w.gw, fz_Message_candidates_tag)->body.candidates;
	assert_memory_equal(c->peer.bytes, w.laptop.tunnel, 32);
	assert_int_equal(c->candidate[0].endpoint.port, 4242);
	assert_false(c->connect);
	expect_nothing(&w.gw);
	/* more of the same place */
	say_candidates(fz_CANDIDATE_HOST, 4242, fz_CANDIDATE_REFLEXIVE, 50000);
	assert_false(expect(&w.gw, fz_Message_candidates_tag)->body.candidates.connect);
	/* the NAT has another address for it: both are to open their firewalls */
	say_candidates(fz_CANDIDATE_HOST, 4242, fz_CANDIDATE_REFLEXIVE, 50001);
	assert_true(expect(&w.gw, fz_Message_candidates_tag)->body.candidates.connect);
	w.now += 10000;
	/* it moves: first it knows the one, then the other */
	say_candidates(fz_CANDIDATE_HOST, 4343, 0, 0);
	assert_true(expect(&w.gw, fz_Message_candidates_tag)->body.candidates.connect);
	say_candidates(fz_CANDIDATE_HOST, 4343, fz_CANDIDATE_REFLEXIVE, 50002);
	assert_true(expect(&w.gw, fz_Message_candidates_tag)->body.candidates.connect);
	/* no state changed over it */
	disconnect(&w.gw);
	link_up(&w.gw);
	say_hello(&w.gw);
	expect(&w.gw, fz_Message_hello_ack_tag);
	hear_all(&w.laptop);
}

static void preshared_keys(void **state)
{
	fz_PeerKey *key;

	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	/* of whom nothing is shared with */
	fz_bytes_set(w.msg.body.peer_key.peer, w.laptop.tunnel, 32);
	fz_bytes_set(w.msg.body.peer_key.sealed_psk, "new", 3);
	say(&w.gw, fz_Message_peer_key_tag);
	expect_nothing(&w.laptop);
	reach(1, "10.1.0.10", 443);

	w.msg.body.peer_key.want = true;
	fz_bytes_set(w.msg.body.peer_key.peer, w.gw.tunnel, 32);
	say(&w.laptop, fz_Message_peer_key_tag);
	key = &expect(&w.gw, fz_Message_peer_key_tag)->body.peer_key;
	assert_true(key->want);
	assert_memory_equal(key->peer.bytes, w.laptop.tunnel, 32);
	assert_memory_equal(key->control_key.bytes, w.laptop.control, 32);

	fz_bytes_set(w.msg.body.peer_key.peer, w.laptop.tunnel, 32);
	fz_bytes_set(w.msg.body.peer_key.sealed_psk, "new", 3);
	say(&w.gw, fz_Message_peer_key_tag);
	key = &expect(&w.laptop, fz_Message_peer_key_tag)->body.peer_key;
	assert_memory_equal(key->peer.bytes, w.gw.tunnel, 32);
	assert_int_equal(key->sealed_psk.size, 3);
	/* kept for when the client has lost everything */
	disconnect(&w.laptop);
	w.laptop.number = 0;
	connect_known(&w.laptop);
	assert_int_equal(find(&w.laptop, fz_Item_peer_tag, NULL)->body.peer.sealed_psk.size, 3);
}

/* --- questions and reports ------------------------------------------------- */

static void why(const char *target, bool allowed, const char *words)
{
	fz_WhyAnswer *answer;

	w.msg.body.why.id = 4;
	fz_string_set(w.msg.body.why.target, target);
	say(&w.laptop, fz_Message_why_tag);
	answer = &expect(&w.laptop, fz_Message_why_answer_tag)->body.why_answer;
	assert_true(answer->id == 4);
	if (answer->allowed != allowed || !strstr(answer->sentence, words))
		fail_msg("%s: %d '%s'", target, answer->allowed, answer->sentence);
}

static void why_error(const char *target, const char *words)
{
	fz_Error *error;

	w.msg.body.why.id = 5;
	fz_string_set(w.msg.body.why.target, target);
	say(&w.laptop, fz_Message_why_tag);
	error = &expect(&w.laptop, fz_Message_error_tag)->body.error;
	assert_true(error->id == 5 && error->code == fz_CODE_MALFORMED);
	if (!strstr(error->sentence, words))
		fail_msg("%s: '%s'", target, error->sentence);
}

static void questions(void **state)
{
	fz_StatusAnswer *status;

	(void)state;
	add_policy("staff-web", POLICY_ALLOW, w.web.id, 60);
	hear_all(&w.laptop);
	why("web", true, "staff-web");
	why("db", false, "db");
	why("10.1.0.10:443", true, "staff-web");
	why("tcp:10.1.0.10:443", true, "staff-web");
	why("udp:10.1.0.10:443", false, "");
	why("icmp:10.1.0.10", false, "");
	why("[2001:db8::1]:443", false, "no resource");
	why_error("nothing", "there is no resource nothing");
	why_error("10.1.0.10", "needs a port");
	why_error("10.1.0.10:0", "'0' is not a port");
	why_error("10.1.0.10:99999", "not a port");
	why_error("2001:db8::1", "needs a port");
	why_error("host.example:443", "neither a resource nor an address");
	why_error("", "names nothing");
	disconnect(&w.gw);
	why("web", false, "staff-web");
	why("web", false, "but the gateway of site hq is not connected");
	connect_known(&w.gw);
	why("web", true, "staff-web");
	/* asking leaves no trace */
	assert_int_equal(logged(LOG_AUDIT, "decision.allow", NULL), 0);
	assert_int_equal(leases(), 0);

	reach(1, "10.1.0.10", 443);
	disconnect(&w.gw);
	why("web", true, "but the gateway of site hq is not connected; its lease still holds");
	connect_known(&w.gw);
	w.msg.body.status_request.id = 8;
	pass(100);
	say(&w.laptop, fz_Message_status_request_tag);
	status = &expect(&w.laptop, fz_Message_status_answer_tag)->body.status_answer;
	assert_true(status->id == 8 && status->connected_ms == 100);
	assert_string_equal(status->identity.user, "alice");
	assert_int_equal(status->identity.stun_port, 3478);
	assert_int_equal(status->grant_count, 1);
	assert_string_equal(status->grant[0].peer, "gw");
	assert_true(status->grant[0].lease_ms == 59900);
	assert_int_equal(status->gateways, 1);
	say(&w.gw, fz_Message_status_request_tag);
	status = &expect(&w.gw, fz_Message_status_answer_tag)->body.status_answer;
	assert_string_equal(status->identity.site, "hq");
	assert_string_equal(status->grant[0].peer, "laptop");
}

static void report_denials_of(struct fake *fake, uint64_t epoch, uint64_t from, pb_size_t n)
{
	static const char *const reasons[] = { "<script>", "no-grant", "refused" };
	fz_DenialReport *report = &w.msg.body.denial_report;

	report->epoch = epoch;
	report->denial_count = n;
	for (pb_size_t i = 0; i < n; i++) {
		fz_Denial *denial = &report->denial[i];

		denial->seq = from + i;
		denial->age_ms = 500;
		fz_bytes_set(denial->peer, w.laptop.tunnel, 32);
		denial->has_tuple = true;
		denial->tuple.protocol = IPPROTO_TCP;
		fz_bytes_set(denial->tuple.src, "\x64\x40\x00\x01", 4);
		fz_bytes_set(denial->tuple.dst, "\x0a\x01\x00\x14", 4);
		denial->tuple.dport = 22;
		strcpy(denial->reason, reasons[i % 3]);
		denial->verdict = fz_VERDICT_REFUSE;
	}
	say(fake, fz_Message_denial_report_tag);
}

static void report_denials(uint64_t epoch, uint64_t from, pb_size_t n)
{
	report_denials_of(&w.gw, epoch, from, n);
}

/* What is stored of the reports, once they were. */
static fz_ReportAck *report_ack(struct fake *fake)
{
	pass(REPORTS_WAIT_MS);
	return &expect(fake, fz_Message_report_ack_tag)->body.report_ack;
}

static void reports(void **state)
{
	fz_ReportAck *ack;
	fz_Flow *flow;

	(void)state;
	report_denials(5, 1, 3);
	ack = report_ack(&w.gw);
	assert_true(ack->epoch == 5 && ack->denial_seq == 3);
	assert_int_equal(logged(LOG_DENIALS, NULL, NULL), 3);
	/* what is no word of the kernel's is not repeated */
	assert_int_equal(logged(LOG_DENIALS, NULL, "no-grant"), 1);
	/* where the kernel knows no more than that the broker refused, the broker says why */
	assert_int_equal(logged(LOG_DENIALS, "refused", "no resource"), 1);
	assert_int_equal(logged(LOG_DENIALS, NULL, "no resource"), 1);
	assert_int_equal(logged(LOG_DENIALS, NULL, "unknown"), 1);
	/* repeated after a reconnection, and more */
	report_denials(5, 2, 4);
	assert_true(report_ack(&w.gw)->denial_seq == 5);
	assert_int_equal(logged(LOG_DENIALS, NULL, NULL), 5);
	/* the agent began anew */
	report_denials(6, 1, 1);
	assert_true(report_ack(&w.gw)->denial_seq == 1);
	assert_int_equal(logged(LOG_DENIALS, NULL, NULL), 6);

	flow = &w.msg.body.flow_report.flow[0];
	w.msg.body.flow_report.epoch = 6;
	w.msg.body.flow_report.flow_count = 1;
	flow->seq = 1;
	flow->end = true;
	flow->duration_ms = 1000;
	flow->has_tuple = true;
	flow->tuple.protocol = IPPROTO_UDP;
	fz_bytes_set(flow->tuple.dst, "\x0a\x01\x00\x14", 4);
	strcpy(flow->reason, "closed");
	flow->orig_bytes = 10;
	say(&w.gw, fz_Message_flow_report_tag);
	ack = report_ack(&w.gw);
	assert_true(ack->flow_seq == 1 && ack->denial_seq == 1);
	assert_int_equal(logged(LOG_FLOWS, NULL, NULL), 1);

	/* without a flow it is none */
	w.msg.body.denial_report.epoch = 6;
	w.msg.body.denial_report.denial_count = 1;
	say(&w.gw, fz_Message_denial_report_tag);
	expect(&w.gw, fz_Message_error_tag);
	assert_false(w.gw.closed);
}

/* Many reports are few transactions, and nobody is sent away for them: neither a client nor a gateway. */
static void many_reports(void **state)
{
	struct fake *reporters[] = { &w.laptop, &w.gw };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fake *fake = reporters[i];

		pass(1000);
		disk.transactions = 0;
		for (uint64_t seq = 1; seq <= 450; seq++)
			report_denials_of(fake, 5, seq, 1);
		for (uint64_t seq = 64; seq < 450; seq += 64)
			assert_true(expect(fake, fz_Message_report_ack_tag)->body.report_ack.denial_seq == seq);
		assert_true(report_ack(fake)->denial_seq == 450);
		assert_int_equal(disk.transactions, 8);
		assert_false(fake->closed);
	}
	assert_int_equal(logged(LOG_DENIALS, NULL, NULL), 900);
}

/* What cannot be stored waits, and what does not fit is counted. Others do not suffer from a device that is gone. */
static void reports_wait(void **state)
{
	struct fake phone = { 0 };

	(void)state;
	enrol(&phone, false, "phone");
	disk.full = true;
	report_denials(5, 1, 3);
	report_denials_of(&phone, 5, 1, 1);
	pass(3000);
	expect_nothing(&w.gw);
	for (uint64_t seq = 4; seq < 104; seq++)
		report_denials(5, seq, 1);
	disk.full = false;
	assert_ok(store_device_del(w.store, directory_device_named(w.dir, "phone")->id, &fault));
	on_refresh(NULL);
	expect_refused(&phone, fz_CODE_NOT_ENROLLED, "removed");
	pass(1000);
	assert_true(expect(&w.gw, fz_Message_report_ack_tag)->body.report_ack.denial_seq == 65);
	expect_nothing(&w.gw);
	assert_int_equal(logged(LOG_DENIALS, NULL, NULL), 65);
	for (int i = 0; i < 7; i++) {
		pass(9000);
		say_ping(&w.gw);
		say_ping(&w.laptop);
	}
	assert_int_equal(logged(LOG_AUDIT, "log.suppress", ": 0 decisions, 38 refusals and 0 flows"), 1);
	/* and the last ones are not lost when the broker ends */
	report_denials(5, 104, 1);
	signal_goodbye(w.sig);
	assert_int_equal(logged(LOG_DENIALS, NULL, NULL), 66);
	hear_all(&w.laptop);
	forget_items(&phone);
}

/* One device cannot fill the disk: what it causes beyond its share is counted, and the count written. */
static void budget(void **state)
{
	int written = 0;

	(void)state;
	for (int i = 0; i < LINES; i++) {
		char dst[32];

		w.now += 20;
		w.clock += 20;
		snprintf(dst, sizeof(dst), "10.1.%d.%d", 2 + i / 200, i % 200);
		ask((uint64_t)i + 1, dst, 80);
		expect_refusal((uint64_t)i + 1, fz_CODE_DENIED, "no resource");
	}
	written = logged(LOG_AUDIT, "decision.refuse", NULL);
	assert_in_range(written, 200, 200 + LINES * 20 / 1000 + 1);
	assert_int_equal(logged(LOG_AUDIT, "log.suppress", NULL), 0);
	for (uint64_t seq = 1; seq < 2400; seq += 30)
		report_denials_of(&w.laptop, 5, seq, 30);
	assert_true(expect(&w.laptop, fz_Message_report_ack_tag)->body.report_ack.denial_seq == 64 * 30);
	assert_true(report_ack(&w.laptop)->denial_seq == 2400);
	for (int i = 0; i < 7; i++) {
		pass(9000);
		say_ping(&w.gw);
		say_ping(&w.laptop);
	}
	assert_int_equal(logged(LOG_AUDIT, "log.suppress", NULL), 1);
	snprintf(fault.text, sizeof(fault.text), ": %d decisions, 400 refusals and 0 flows", LINES - written);
	assert_int_equal(logged(LOG_AUDIT, "log.suppress", fault.text), 1);
	hear_all(&w.laptop);
}

static void odd_messages(void **state)
{
	struct presence presence;

	(void)state;
	say(&w.laptop, fz_Message_hello_ack_tag);
	expect(&w.laptop, fz_Message_error_tag);
	w.msg.body.ping.number = 3;
	say(&w.laptop, fz_Message_ping_tag);
	assert_true(expect(&w.laptop, fz_Message_pong_tag)->body.pong.number == 3);
	admitted(1234, fz_CODE_NONE, "");
	expect_nothing(&w.gw);
	signal_presence(w.sig, directory_device_named(w.dir, "laptop")->id, &presence);
	assert_true(presence.online);
	assert_string_equal(presence.address, "192.0.2.9:40000");
	assert_string_equal(presence.version, "fake 1???");
	assert_true(presence.state_sent == w.laptop.number && presence.state_acked == w.laptop.number);
	say(&w.laptop, fz_Message_goodbye_tag);
	assert_true(w.laptop.closed);
	signal_presence(w.sig, directory_device_named(w.dir, "laptop")->id, &presence);
	assert_false(presence.online);
	signal_goodbye(w.sig);
	expect(&w.gw, fz_Message_goodbye_tag);
	assert_true(w.gw.closed);
}

/* More than one message holds. */
static void large_state(void **state)
{
	struct prefix prefixes[60];
	struct resource resource;
	int64_t ids[50];

	(void)state;
	for (int i = 0; i < 50; i++) {
		char name[32], addr[32];

		snprintf(name, sizeof(name), "r%d", i);
		snprintf(addr, sizeof(addr), "10.1.1.%d", i + 1);
		add_resource(&resource, name, addr, 80);
		ids[i] = resource.id;
	}
	struct policy policy = { .action = POLICY_ALLOW, .enabled = true, .lease_s = 60, .groups = &w.staff.id,
				 .n_groups = 1, .resources = ids, .n_resources = 50 };

	strcpy(policy.name, "many");
	assert_ok(store_policy_put(w.store, &policy, &fault));
	on_refresh(NULL);
	hear_all(&w.laptop);
	for (int i = 0; i < 50; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.1.1.%d", i + 1);
		w.now += 20;
		reach((uint64_t)i + 1, addr, 80);
	}
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 50);
	disconnect(&w.gw);
	w.gw.number = 0;
	link_up(&w.gw);
	say_hello(&w.gw);
	expect(&w.gw, fz_Message_hello_ack_tag);
	assert_false(expect(&w.gw, fz_Message_state_tag)->body.state.last);
	hear_all(&w.gw);
	assert_int_equal(w.gw.parts, 0);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 50);
	assert_int_equal(count(&w.gw, fz_Item_resource_tag), 50);
	assert_int_equal(count(&w.gw, fz_Item_peer_tag), 1);

	/* one that reads slowly gets it bit by bit; what changes meanwhile comes after that, with its words */
	disconnect(&w.gw);
	w.gw.number = 0;
	w.gw.reads = 3;
	link_up(&w.gw);
	say_hello(&w.gw);
	assert_int_equal(w.gw.tail - w.gw.head, 3);
	policy.n_resources = 49;
	assert_ok(store_policy_put(w.store, &policy, &fault));
	on_refresh(NULL);
	expect(&w.laptop, fz_Message_revoke_tag);
	hear_all(&w.laptop);
	say_access(60, "10.1.1.1", 80);
	settle();
	assert_int_equal(w.gw.tail - w.gw.head, 3);
	expect(&w.gw, fz_Message_hello_ack_tag);
	while (w.gw.head < w.gw.tail) {
		assert_true(expect(&w.gw, fz_Message_state_tag)->body.state.snapshot);
		signal_drained(w.sig, w.gw.session);
		assert_true(w.gw.tail - w.gw.head <= 3);
	}
	assert_int_equal(w.gw.parts, 0);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 50);
	settle();
	w.gw.reads = 0;
	expect(&w.gw, fz_Message_admit_tag);
	expect(&w.gw, fz_Message_revoke_tag);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 49);
	/* one that goes away in the middle begins anew */
	disconnect(&w.gw);
	w.gw.number = 0;
	w.gw.reads = 3;
	link_up(&w.gw);
	say_hello(&w.gw);
	disconnect(&w.gw);
	w.gw.reads = 0;
	connect_known(&w.gw);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 49);
	hear_all(&w.laptop);

	/* all at once away again */
	policy.enabled = false;
	assert_ok(store_policy_put(w.store, &policy, &fault));
	on_refresh(NULL);
	hear_all(&w.gw);
	hear_all(&w.laptop);
	assert_int_equal(count(&w.gw, fz_Item_grant_tag), 0);
	assert_int_equal(count(&w.laptop, fz_Item_grant_tag), 0);

	/* more prefixes than one peer can have */
	memset(&resource, 0, sizeof(resource));
	resource.site_id = w.hq.id;
	resource.prefixes = prefixes;
	resource.n_prefixes = 60;
	for (int r = 0; r < 3; r++) {
		for (int i = 0; i < 60; i++) {
			char addr[32];

			snprintf(addr, sizeof(addr), "10.1.%d.%d", 10 + r, i + 1);
			prefixes[i] = v4(addr, 32);
		}
		snprintf(resource.name, sizeof(resource.name), "wide%d", r);
		resource.id = 0;
		assert_ok(store_resource_put(w.store, &resource, &fault));
		snprintf(policy.name, sizeof(policy.name), "wide%d", r);
		add_policy(policy.name, POLICY_ALLOW, resource.id, 60);
	}
	hear_all(&w.laptop);
	reach(101, "10.1.10.1", 1);
	reach(102, "10.1.11.1", 1);
	ask(103, "10.1.12.1", 1);
	expect_refusal(103, fz_CODE_LIMIT, "too many prefixes");
}

int main(void)
{
#define joined(test) cmocka_unit_test_setup_teardown(test, setup_joined, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(enrolment, setup, teardown),
		cmocka_unit_test_setup_teardown(first_words, setup, teardown),
		joined(disabled),
		joined(removed),
		joined(rivals),
		joined(silence),
		joined(takes_nothing),
		joined(granted),
		joined(refused),
		joined(gateway_trouble),
		joined(asked_twice),
		joined(disk_trouble),
		joined(floods),
		joined(deny_inside),
		joined(withdrawn),
		joined(many_withdrawn),
		joined(withdrawn_not_written),
		joined(another_gateway),
		joined(withdrawn_meanwhile),
		joined(withdrawn_without_memory),
		joined(doubt),
		joined(not_renewed_in_doubt),
		joined(another_policy_takes_over),
		joined(renewal),
		joined(window_ends),
		joined(reconnection),
		joined(broker_restart),
		joined(tunnel_key_changes),
		joined(candidates),
		joined(preshared_keys),
		joined(questions),
		joined(reports),
		joined(many_reports),
		joined(reports_wait),
		joined(budget),
		joined(odd_messages),
		joined(large_state),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("signal", tests, NULL, NULL);
}
