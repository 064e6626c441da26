// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "log.h"
#include "server.h"
#include "signal.h"
#include "stun_server.h"

/**
 * struct server - everything that serves agents
 * @armed: when @timer fires, 0: not
 */
struct server {
	struct broker *broker;
	struct channel_server *channel;
	struct stun_server *stun;
	struct signal *sig;
	uv_timer_t timer;
	uint64_t armed;
};

static void refresh(void *arg)
{
	struct server *server = arg;
	struct fault fault;

	broker_refresh(server->broker, &fault);
}

static void rekey(void *arg, int64_t device_id, const uint8_t key[MODEL_KEY_LEN])
{
	struct server *server = arg;

	directory_rekey(server->broker->dir, device_id, key);
}

static bool doubtful(void *arg)
{
	struct server *server = arg;

	return server->broker->doubtful;
}

static const struct directory *directory(void *arg)
{
	struct server *server = arg;

	return server->broker->dir;
}

static uint64_t now(void *arg)
{
	struct server *server = arg;

	return uv_now(server->broker->loop);
}

static int64_t clock_ms(void *arg)
{
	(void)arg;
	return store_clock();
}

static bool send_message(void *arg, void *link, const fz_Message *msg)
{
	(void)arg;
	return link_send(link, msg);
}

static bool has_room(void *arg, void *link)
{
	(void)arg;
	return link_room(link);
}

static void close_link(void *arg, void *link)
{
	(void)arg;
	link_close(link);
}

static const struct signal_calls calls = {
	.send = send_message,
	.room = has_room,
	.close = close_link,
	.refresh = refresh,
	.rekey = rekey,
	.directory = directory,
	.doubtful = doubtful,
	.now = now,
	.clock = clock_ms,
};

/* The wall clock can jump, and leases follow it: look at them now and then in any case. */
#define LOOK_MS	1000

static void arm(struct server *server, uv_timer_cb fire)
{
	uint64_t at = now(server), due = signal_due(server->sig);

	if (due > at + LOOK_MS)
		due = at + LOOK_MS;
	if (due < at)
		due = at;
	if (server->armed && server->armed <= due)
		return;
	server->armed = due ? due : 1;
	uv_timer_start(&server->timer, fire, due - at, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct server *server = timer->data;

	server->armed = 0;
	signal_tick(server->sig);
	arm(server, on_timer);
}

static void rearm(void *arg)
{
	arm(arg, on_timer);
}

/* HOST:PORT, IPv6 addresses in brackets. */
static bool split_host(const char *text, char *host, size_t size, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	unsigned long value = colon ? strtoul(colon + 1, NULL, 10) : 0;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (!len || len >= size || !value || value > UINT16_MAX)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	*port = (uint16_t)value;
	return true;
}

static int start_channel(struct server *server, struct fault *fault)
{
	static const struct channel_limits limits = CHANNEL_LIMITS_DEFAULT;
	uint8_t secret[MODEL_KEY_LEN], public[MODEL_KEY_LEN];
	struct broker *broker = server->broker;
	int ret = store_broker_key(broker->store, secret, public, fault);

	if (!ret) {
		server->channel = channel_start(broker->loop, (struct sockaddr *)&broker->config.listen, secret,
						&limits, fault);
		if (!server->channel)
			ret = -EIO;
	}
	sodium_memzero(secret, sizeof(secret));
	return ret;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/**
 * server_start() - serve agents, from the next turn of the loop on
 * @broker: uses its loop, store, directory and configuration
 * @fault: why not
 *
 * Return: the server, to be given to server_stop(), or NULL.
 */
struct server *server_start(struct broker *broker, struct fault *fault)
{
	struct signal_config config = SIGNAL_CONFIG_DEFAULT;
	struct server *server = calloc(1, sizeof(*server));

	if (!server) {
		fault_set(fault, -ENOMEM, NULL, "out of memory");
		return NULL;
	}
	server->broker = broker;
	uv_timer_init(broker->loop, &server->timer);
	server->timer.data = server;
	if (broker->config.stun.ss_family) {
		server->stun = stun_start(broker->loop, (struct sockaddr *)&broker->config.stun, fault);
		if (!server->stun)
			goto failed;
		config.stun_port = (uint16_t)stun_port(server->stun);
	}
	if (broker->config.public_stun[0] &&
	    !split_host(broker->config.public_stun, config.stun_host, sizeof(config.stun_host), &config.stun_port)) {
		fault_set(fault, -EINVAL, "public-stun", "'%s' is not HOST:PORT", broker->config.public_stun);
		goto failed;
	}
	server->sig = signal_new(broker->store, &config, &calls, server, fault);
	if (!server->sig || start_channel(server, fault))
		goto failed;
	channel_attach(server->channel, server->sig, rearm, server);
	rearm(server);
	return server;

failed:
	server_stop(server);
	return NULL;
}

/**
 * server_stop() - say goodbye to all agents and end
 * @server: freed once the loop has run; NULL allowed
 */
void server_stop(struct server *server)
{
	if (!server)
		return;
	if (server->sig)
		signal_goodbye(server->sig);
	channel_stop(server->channel);
	stun_stop(server->stun);
	signal_free(server->sig);
	server->sig = NULL;
	uv_close((uv_handle_t *)&server->timer, on_closed);
}

/**
 * server_changed() - the directory was replaced
 * @server: the server; NULL allowed
 */
void server_changed(struct server *server)
{
	if (!server || !server->sig)
		return;
	signal_changed(server->sig);
	rearm(server);
}

/**
 * server_presence() - what is known of a device's channel
 * @server: the server; NULL allowed
 * @device_id: the device
 * @presence: gets it
 */
void server_presence(struct server *server, int64_t device_id, struct presence *presence)
{
	memset(presence, 0, sizeof(*presence));
	if (server && server->sig)
		signal_presence(server->sig, device_id, presence);
}

int server_port(const struct server *server)
{
	return channel_port(server->channel);
}

int server_stun_port(const struct server *server)
{
	return server->stun ? stun_port(server->stun) : -ENOENT;
}
