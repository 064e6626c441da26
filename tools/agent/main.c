// SPDX-License-Identifier: GPL-2.0-only
/* fzagent: command line, start and end. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "log.h"
#include "masquerade.h"
#include "parse.h"
#include "sandbox.h"

#define WATCH_MS 2000

const char *argp_program_version = "fzagent " FZ_VERSION;

struct options {
	const char *state, *control, *dev;
	uint16_t port;
	bool keep, undo;
};

static const struct argp_option option_list[] = {
	{ "state", 's', "DIR", 0, "State directory (default /var/lib/fz)", 0 },
	{ "control", 'c', "PATH", 0, "Socket for fzctl (default /run/fz/agent.sock)", 0 },
	{ "dev", 'd', "NAME", 0, "Tunnel device, made or adopted (default fz0)", 0 },
	{ "port", 'p', "PORT", 0, "UDP port of the tunnel (default: keep or choose one)", 0 },
	{ "keep", 'k', NULL, 0, "Leave the device as it is on exit (default on a gateway)", 0 },
	{ "undo", 'u', NULL, 0, "Remove the device on exit (default on a client)", 0 },
	{ "log-level", 'l', "LEVEL", 0, "error, warning, info (default) or debug", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct fz_error err = { 0 };

	switch (key) {
	case 's':
		o->state = arg;
		break;
	case 'c':
		o->control = arg;
		break;
	case 'd':
		if (fz_nl_check_name(arg, &err))
			argp_error(state, "%s", err.text);
		o->dev = arg;
		break;
	case 'p':
		if (fz_parse_port(arg, &o->port, &err))
			argp_error(state, "%s", err.text);
		break;
	case 'k':
		o->keep = true;
		break;
	case 'u':
		o->undo = true;
		break;
	case 'l':
		if (log_level_parse(arg, &log_threshold))
			argp_error(state, "'%s' is not a level: error, warning, info or debug", arg);
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not expected", arg);
		break;
	case ARGP_KEY_END:
		if (o->keep && o->undo)
			argp_error(state, "--keep and --undo exclude each other");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- the kernel's events ---------------------------------------------------- */

static void on_event(const struct fz_event *event, void *arg)
{
	struct agent *a = arg;

	if (event->kind == FZ_EVENT_LOST) {
		a->lost += event->lost;
		log_warning("the kernel told more than could be read: events are lost, %" PRIu64 " so far", a->lost);
		return;
	}
	if (event->ifindex != a->kernel.ifindex)
		return;
	switch (event->kind) {
	case FZ_EVENT_REQUEST:
		access_request(a->access, &event->decision);
		break;
	case FZ_EVENT_SIDEBAND:
		paths_sideband(a->paths, &event->sideband.from, event->sideband.data, event->sideband.len);
		break;
	case FZ_EVENT_DENIAL:
		reports_denial(a->reports, &event->decision, event->suppressed);
		break;
	case FZ_EVENT_FLOW_START:
	case FZ_EVENT_FLOW_END:
		reports_flow(a->reports, &event->flow, event->kind == FZ_EVENT_FLOW_END);
		break;
	case FZ_EVENT_SUPPRESSED:
		if (event->group == FZ_GROUP_DENIALS)
			reports_suppressed(a->reports, event->suppressed);
		break;
	case FZ_EVENT_PEER:
	case FZ_EVENT_POLICY:
	case FZ_EVENT_LOST:
		break;
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct agent *a = poll->data;
	struct fz_error err = { 0 };

	(void)events;
	if (status < 0 || (fz_nl_dispatch(a->kernel.nl, &err) && err.code != -EAGAIN))
		log_warning("the kernel's events could not be read: %s", status < 0 ? uv_strerror(status) : err.text);
}

static void on_watch(uv_timer_t *timer)
{
	struct agent *a = timer->data;
	struct fz_error err = { 0 };

	if (kernel_present(&a->kernel, &err))
		agent_fail(a, err.text);
	/* events that came while an answer was awaited do not wake the socket */
	else if (fz_nl_dispatch(a->kernel.nl, &err) && err.code != -EAGAIN)
		log_warning("the kernel's events could not be read: %s", err.text);
}

/**
 * agent_kernel_start() - listen to the kernel, in the role that the broker gave us
 * @a: the agent
 * @gateway: the role
 * @err: why not
 *
 * Return: 0, also when that is so already, or a negative errno.
 */
int agent_kernel_start(struct agent *a, bool gateway, struct fz_error *err)
{
	int ret;

	if (uv_is_active((uv_handle_t *)&a->kernel_poll)) {
		if (gateway == a->kernel.gateway)
			return 0;
		return fz_error_set(err, -EINVAL, "the broker changed the role of this device; start the agent again");
	}
	ret = kernel_listen(&a->kernel, gateway, on_event, a, err);
	if (ret)
		return ret;
	ret = uv_poll_start(&a->kernel_poll, UV_READABLE, on_readable);
	if (ret)
		return fz_error_set(err, ret, "%s", uv_strerror(ret));
	return 0;
}

/**
 * agent_fail() - end the process: something is wrong that only a person can mend
 * @a: the agent
 * @sentence: what
 */
void agent_fail(struct agent *a, const char *sentence)
{
	log_error("%s", sentence);
	a->status = 1;
	uv_stop(a->loop);
}

/* --- start and end ---------------------------------------------------------- */

static void on_signal(uv_signal_t *sig, int number)
{
	struct agent *a = sig->data;

	log_info("ending on signal %d", number);
	uv_stop(a->loop);
}

static int start(struct agent *a, const struct options *o, struct fz_error *err)
{
	int ret;

	ret = sandbox_rights(err);
	if (!ret)
		ret = identity_open(&a->id, o->state, err);
	if (ret)
		return ret;
	a->access = access_new(a);
	a->paths = paths_new(a);
	a->reports = reports_new(a);
	if (!a->access || !a->paths || !a->reports)
		return fz_error_memory(err);
	a->local = local_new(a, o->control, err);
	if (!a->local)
		return err->code;
	ret = kernel_open(&a->kernel, o->dev, o->port, err);
	if (ret)
		return ret;
	ret = uv_poll_init(a->loop, &a->kernel_poll, fz_nl_fd(a->kernel.nl));
	if (ret)
		return fz_error_set(err, ret, "the kernel's events cannot be waited for: %s", uv_strerror(ret));
	a->kernel_open = true;
	a->kernel_poll.data = a;
	uv_timer_init(a->loop, &a->watch);
	a->watch.data = a;
	uv_timer_start(&a->watch, on_watch, WATCH_MS, WATCH_MS);
	ret = sandbox_enter(o->state, o->control, err);
	if (ret)
		return ret;
	return session_start(a) ? fz_error_memory(err) : 0;
}

/*
 * A client leaves nothing behind. A gateway leaves the tunnel: its clients'
 * flows live until their leases end, and the next agent takes over.
 */
static void undo(struct agent *a, const struct options *o)
{
	struct fz_error err = { 0 };

	if (!a->kernel_open || o->keep || (a->kernel.gateway && !o->undo))
		return;
	if (a->kernel.gateway && masquerade_remove(a->kernel.dev, &err))
		log_warning("%s", err.text);
	if (kernel_remove(&a->kernel, &err))
		log_warning("the device %s could not be removed: %s", a->kernel.dev, err.text);
	else
		log_info("device %s removed", a->kernel.dev);
}

static void finish(struct agent *a, const struct options *o)
{
	session_stop(a);
	if (a->local)
		local_free(a->local);
	access_free(a->access);
	paths_free(a->paths);
	reports_free(a->reports);
	if (a->kernel_open) {
		uv_close((uv_handle_t *)&a->kernel_poll, NULL);
		uv_close((uv_handle_t *)&a->watch, NULL);
	}
	if (!a->status)
		undo(a, o);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_list,
		.parser = parse_option,
		.doc = "The fz agent of a gateway or client: keeps a channel to the broker and drives the tunnel.",
	};
	struct options o = {
		.state = "/var/lib/fz",
		.control = "/run/fz/agent.sock",
		.dev = "fz0",
	};
	static struct agent a;
	struct fz_error err = { 0 };
	uv_signal_t term, interrupt;
	uv_loop_t loop;

	argp_err_exit_status = 2;	/* as every program of ours */
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (sodium_init() < 0) {
		fputs("fzagent: no random numbers\n", stderr);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	uv_loop_init(&loop);
	loop.data = &a;
	a.loop = &loop;
	a.dev = o.dev;
	a.port = o.port;
	uv_signal_init(&loop, &term);
	uv_signal_init(&loop, &interrupt);
	term.data = interrupt.data = &a;
	uv_signal_start(&term, on_signal, SIGTERM);
	uv_signal_start(&interrupt, on_signal, SIGINT);

	if (start(&a, &o, &err)) {
		fprintf(stderr, "fzagent: %s\n", err.text);
		a.status = 1;
		/* as if it had not been tried */
		if (a.kernel.made && kernel_remove(&a.kernel, &err))
			log_warning("the device %s could not be removed: %s", a.kernel.dev, err.text);
	} else {
		uv_run(&loop, UV_RUN_DEFAULT);
	}

	finish(&a, &o);
	uv_close((uv_handle_t *)&term, NULL);
	uv_close((uv_handle_t *)&interrupt, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	kernel_close(&a.kernel);
	identity_close(&a.id);
	return a.status;
}
