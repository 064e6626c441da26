// SPDX-License-Identifier: GPL-2.0-only
/* fzbroker: store, directory, agents' server, admin API, in this order; and back. */
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "api.h"
#include "broker.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "public.h"

#define TRIM_MS		60000

/* What belongs to the process rather than to the broker's parts. */
struct process {
	struct broker broker;
	uv_signal_t term, interrupt;
	uv_timer_t trim;
};

static struct process *process_of(struct broker *broker)
{
	return (struct process *)((char *)broker - offsetof(struct process, broker));
}

static void on_trim(uv_timer_t *timer)
{
	struct broker *broker = timer->data;
	struct fault fault;
	size_t n;

	if (store_log_trim(broker->store, store_clock() - broker->config.keep_ms,
			   broker->config.log_rows, &n, &fault))
		log_error("store", "cannot trim the logs: %s", fault.text);
	else if (n)
		log_info("store", "trimmed the logs by %zu lines", n);
}

/* A channel for each agent: as many descriptors as we may have. */
static void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct process *process = handle->data;

	log_info("broker", "stopping: %s", strsignal(number));
	notify_manager("STOPPING=1");
	uv_stop(process->broker.loop);
}

static void loop_start(struct process *process)
{
	uv_loop_t *loop = process->broker.loop;

	uv_signal_init(loop, &process->term);
	uv_signal_init(loop, &process->interrupt);
	process->term.data = process->interrupt.data = process;
	uv_timer_init(loop, &process->broker.retry);
	uv_timer_init(loop, &process->trim);
	process->broker.retry.data = process->trim.data = &process->broker;
	uv_signal_start(&process->term, on_signal, SIGTERM);
	uv_signal_start(&process->interrupt, on_signal, SIGINT);
}

static void loop_stop(struct process *process)
{
	uv_close((uv_handle_t *)&process->term, NULL);
	uv_close((uv_handle_t *)&process->interrupt, NULL);
	uv_close((uv_handle_t *)&process->broker.retry, NULL);
	uv_close((uv_handle_t *)&process->trim, NULL);
	uv_run(process->broker.loop, UV_RUN_DEFAULT);
	uv_loop_close(process->broker.loop);
}

/* The directory of the default socket may not be there after a boot; any other one is the admin's business. */
static void socket_directory_make(const char *path)
{
	if (!strncmp(path, "/run/fz/", 8))
		mkdir("/run/fz", 0755);
}

/* The broker may have moved since they were made: they stay as they are, but somebody has to know. */
static void sites_check(const struct broker *broker)
{
	struct fault fault;

	for (size_t i = 0; i < broker->dir->n_sites; i++)
		if (public_avoid(&broker->config, &broker->dir->sites[i], &fault))
			log_warning("broker", "site %s: %s", broker->dir->sites[i].name, fault.text);
}

static int start(struct broker *broker, const struct store_options *options, struct fault *fault)
{
	struct audit_entry entry = { .at_ms = broker->started_ms, .actor = "broker", .action = "broker.start",
				     .text = "version " FZ_VERSION };

	broker->store = store_open(broker->config.state, options, fault);
	if (!broker->store)
		return -1;
	broker->dir = store_directory(broker->store, fault);
	if (!broker->dir)
		return -1;
	sites_check(broker);
	broker->server = server_start(broker, fault);
	if (!broker->server)
		return -1;
	socket_directory_make(broker->config.admin);
	uv_timer_start(&process_of(broker)->trim, on_trim, TRIM_MS, TRIM_MS);
	broker->api = api_start(broker, broker->config.admin, fault);
	if (!broker->api)
		return -1;
	/* Last: a broker that cannot start has not started. */
	return store_audit_add(broker->store, &entry, fault);
}

static void stop(struct process *process)
{
	struct broker *broker = &process->broker;

	api_stop(broker->api);
	if (broker->server)
		server_stop(broker->server);
	loop_stop(process);
	directory_free(broker->dir);
	store_close(broker->store);
}

int main(int argc, char **argv)
{
	static struct process process;
	struct broker *broker = &process.broker;
	struct store_options options;
	struct fault fault = { 0 };
	int status = 1;
	uv_loop_t loop;

	options_parse(argc, argv, &broker->config, &options);
	if (sodium_init() < 0 || uv_loop_init(&loop)) {
		fprintf(stderr, "fzbroker: cannot start: no randomness or no event loop\n");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	descriptors_raise();
	broker->loop = &loop;
	broker->started_ms = store_clock();
	loop_start(&process);
	if (start(broker, &options, &fault)) {
		fprintf(stderr, "fzbroker: %s\n", fault.text);
	} else {
		log_info("broker", "version " FZ_VERSION " ready: state %s, admin %s, public %s", broker->config.state,
			 broker->config.admin, broker->config.public[0] ? broker->config.public : "not set");
		notify_manager("READY=1");
		uv_run(&loop, UV_RUN_DEFAULT);
		status = 0;
	}
	stop(&process);
	return status;
}
