// SPDX-License-Identifier: GPL-2.0-only
/* How reports travel. Clock, timer and connection are functions of this file, and so time passes only when it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent.h"

#define RING 4096
#define NEVER UINT64_MAX

/**
 * struct world - what the reports see, and what they sent
 * @now: the time
 * @due, @cb, @timer: the timer, NEVER when it does not run
 * @reports: messages sent, @flows: entries in them, @last: number of the last entry, @epoch: of them
 * @denials: refusals sent, @suppressed: those that they say were not
 */
static struct world {
	uint64_t now, due;
	uv_timer_cb cb;
	uv_timer_t *timer;
	unsigned int reports, flows, denials;
	uint64_t suppressed;
	uint64_t last, epoch;
} world;

static struct agent agent;
static uv_loop_t loop;

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat);
uint64_t __wrap_uv_timer_get_due_in(const uv_timer_t *timer);
int __wrap_uv_is_active(const uv_handle_t *handle);
uint64_t __wrap_uv_now(const uv_loop_t *of);

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
	assert_int_equal(repeat, 0);
	assert_true(timeout > 0);
	world.timer = timer;
	world.cb = cb;
	world.due = world.now + timeout;
	return 0;
}

uint64_t __wrap_uv_timer_get_due_in(const uv_timer_t *timer)
{
	(void)timer;
	return world.due - world.now;
}

int __wrap_uv_is_active(const uv_handle_t *handle)
{
	(void)handle;
	return world.due != NEVER;
}

uint64_t __wrap_uv_now(const uv_loop_t *of)
{
	(void)of;
	return world.now;
}

bool uplink_send(struct uplink *up, const fz_Message *msg)
{
	const fz_FlowReport *report = &msg->body.flow_report;

	(void)up;
	if (msg->which_body == fz_Message_denial_report_tag) {
		for (size_t i = 0; i < msg->body.denial_report.denial_count; i++)
			world.suppressed += msg->body.denial_report.denial[i].suppressed;
		world.denials += msg->body.denial_report.denial_count;
		return true;
	}
	assert_int_equal(msg->which_body, fz_Message_flow_report_tag);
	assert_true(report->flow_count > 0);
	world.reports++;
	world.flows += report->flow_count;
	world.last = report->flow[report->flow_count - 1].seq;
	world.epoch = report->epoch;
	return true;
}

uint64_t desired_clock(void)
{
	return world.now;
}

void tuple_to_message(fz_Tuple *out, const struct fz_tuple *in)
{
	(void)out;
	(void)in;
}

/* To the moment for which the timer is set. */
static void pass(void)
{
	assert_true(world.due != NEVER);
	world.now = world.due;
	world.due = NEVER;
	world.cb(world.timer);
}

static void tell(unsigned int flows)
{
	const struct fz_flow flow = { 0 };

	while (flows--)
		reports_flow(agent.reports, &flow, false);
}

static void acknowledge(uint64_t seq)
{
	const fz_ReportAck ack = { .epoch = world.epoch, .flow_seq = seq };

	reports_ack(agent.reports, &ack);
}

static void start(bool gateway)
{
	memset(&world, 0, sizeof(world));
	memset(&agent, 0, sizeof(agent));
	world.now = 1000000;
	world.due = NEVER;
	assert_int_equal(uv_loop_init(&loop), 0);
	agent.loop = &loop;
	agent.online = true;
	agent.kernel.gateway = gateway;
	agent.reports = reports_new(&agent);
	assert_non_null(agent.reports);
}

static void stop(void)
{
	reports_free(agent.reports);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* A broker takes 20 reports a second from a device, of refusals and of flows together. */
static void test_client_keeps_its_pace(void **state)
{
	uint64_t begin;

	(void)state;
	start(false);
	tell(RING);
	begin = world.now;
	while (world.last < RING) {
		pass();
		acknowledge(world.last);
		/* more comes all the time */
		tell(1);
		assert_true(world.reports <= 1 + (world.now - begin) * 10 / 1000);
	}
	assert_true(world.reports >= RING / 32);
	stop();
}

static void test_window(void **state)
{
	(void)state;
	start(true);
	tell(RING);
	pass();
	assert_int_equal(world.last, 1024);
	assert_int_equal(world.flows, 1024);

	/* as much as is acknowledged may follow */
	acknowledge(512);
	pass();
	assert_int_equal(world.last, 1536);
	acknowledge(1536);
	pass();
	assert_int_equal(world.last, 2560);
	assert_int_equal(world.flows, 2560);
	stop();
}

static void test_what_is_not_acknowledged_comes_again(void **state)
{
	uint64_t sent;

	(void)state;
	start(true);
	tell(40);
	pass();
	sent = world.now;
	assert_int_equal(world.flows, 40);
	acknowledge(32);
	pass();
	assert_true(world.now - sent >= 5000);
	assert_int_equal(world.flows, 48);
	assert_int_equal(world.last, 40);
	/* something new does not wait so long */
	sent = world.now;
	tell(1);
	pass();
	assert_true(world.now - sent <= 100);
	assert_int_equal(world.last, 41);
	acknowledge(41);
	pass();
	assert_int_equal(world.flows, 49);
	assert_int_equal(world.due, NEVER);
	stop();
}

static void test_after_a_lost_connection(void **state)
{
	(void)state;
	start(false);
	tell(RING);
	for (int i = 0; i < 10; i++)
		pass();
	acknowledge(64);
	agent.online = false;
	pass();
	assert_int_equal(world.reports, 10);
	agent.online = true;
	reports_online(agent.reports);
	pass();
	assert_int_equal(world.reports, 11);
	assert_int_equal(world.last, 96);
	stop();
}

/* A count that came alone is no refusal; it goes with the next. */
static void test_suppressed(void **state)
{
	const struct fz_decision denial = { .verdict = FZ_VERDICT_REFUSE };

	(void)state;
	start(true);
	reports_suppressed(agent.reports, 5);
	assert_true(world.due == NEVER);
	reports_denial(agent.reports, &denial, 2);
	pass();
	assert_int_equal(world.denials, 1);
	assert_int_equal(world.suppressed, 7);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_keeps_its_pace),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_what_is_not_acknowledged_comes_again),
		cmocka_unit_test(test_after_a_lost_connection),
		cmocka_unit_test(test_suppressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
