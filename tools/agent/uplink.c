// SPDX-License-Identifier: GPL-2.0-only
#include "uplink.h"

#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define RETRY_MIN_MS 250
#define RETRY_MAX_MS 15000
#define CONNECT_MS 5000
/* Silence for so many of the broker's ping intervals is a lost channel. */
#define SILENT_PINGS 3

/* One connection; outlives the uplink's interest in it until libuv has closed it. */
struct conn {
	struct uplink *up;		/* NULL once abandoned */
	uv_tcp_t tcp;
	uv_connect_t connecting;
	bool writing;
	uv_write_t write;
	uint8_t *out;
	char in[65536];
};

/**
 * struct uplink - see the header
 * @id: the owner's; where the broker is
 * @conn: the connection in use or in the making, NULL between two
 * @ch: its channel
 * @timer: the channel's deadlines, silence, and the time until the next try
 * @wanted: to be kept up
 * @resolving: uv_getaddrinfo() is under way
 * @stale: what it resolves is not asked any more: uplink_stop() came in between
 * @freeing: uplink_free() was called; whichever of timer and lookup ends last frees
 * @delay: until the next try, doubled each time
 * @heard: when the broker last said something
 * @silence: how long it may say nothing, 0 until it said how often it pings
 */
struct uplink {
	uv_loop_t *loop;
	const struct identity *id;
	struct uplink_calls calls;
	void *arg;
	struct conn *conn;
	struct fz_channel *ch;
	uv_timer_t timer;
	uv_getaddrinfo_t lookup;
	bool wanted, resolving, stale, freeing, timer_closed;
	uint32_t delay;
	uint64_t heard, connect_deadline;
	uint32_t silence;
	struct sockaddr_storage broker;
};

static void arm(struct uplink *up);

static void conn_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	free(conn->out);
	free(conn);
}

static void drop_conn(struct uplink *up)
{
	if (up->conn) {
		up->conn->up = NULL;
		uv_close((uv_handle_t *)&up->conn->tcp, conn_closed);
		up->conn = NULL;
	}
	fz_channel_free(up->ch);
	up->ch = NULL;
	up->silence = 0;
}

/* Half of the delay is certain, half chance: many agents do not come back at once. */
static uint32_t next_delay(struct uplink *up)
{
	uint32_t delay = up->delay / 2 + randombytes_uniform(up->delay / 2 + 1);

	up->delay = up->delay * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : up->delay * 2;
	return delay;
}

static void try_now(uv_timer_t *timer);

static void lost(struct uplink *up, enum fz_channel_refusal refusal, const char *sentence)
{
	char copy[512];
	uint32_t delay;

	snprintf(copy, sizeof(copy), "%s", sentence);
	drop_conn(up);
	if (up->wanted) {
		delay = next_delay(up);
		uv_timer_start(&up->timer, try_now, delay, 0);
	}
	up->calls.closed(up->arg, refusal, copy);
}

static void write_done(uv_write_t *req, int status)
{
	struct conn *conn = req->data;

	conn->writing = false;
	free(conn->out);
	conn->out = NULL;
	if (!conn->up)
		return;
	if (status < 0)
		lost(conn->up, FZ_REFUSAL_NONE, uv_strerror(status));
	else
		arm(conn->up);
}

/* Hands what the channel wants sent to libuv, one piece at a time. */
static void flush(struct uplink *up)
{
	struct conn *conn = up->conn;
	const uint8_t *data;
	uv_buf_t buf;
	size_t len;

	if (!conn || conn->writing || !up->ch)
		return;
	len = fz_channel_output(up->ch, &data);
	if (!len)
		return;
	conn->out = malloc(len);
	if (!conn->out)
		return;
	memcpy(conn->out, data, len);
	fz_channel_wrote(up->ch, len);
	buf = uv_buf_init((char *)conn->out, (unsigned int)len);
	conn->writing = true;
	conn->write.data = conn;
	if (uv_write(&conn->write, (uv_stream_t *)&conn->tcp, &buf, 1, write_done)) {
		conn->writing = false;
		free(conn->out);
		conn->out = NULL;
	}
}

static void handle_message(struct uplink *up, const uint8_t *data, size_t len)
{
	struct fz_error err = { 0 };
	fz_Message *msg;

	msg = malloc(sizeof(*msg));	/* large */
	if (!msg)
		return;
	if (!fz_message_decode(msg, data, len, &err))
		up->calls.message(up->arg, msg);
	else
		log_warning("a message of the broker could not be read: %s", err.text);
	sodium_memzero(msg, sizeof(*msg));
	free(msg);
}

/* Takes all that the channel has to tell. The calls may end the connection. */
static void drain(struct uplink *up)
{
	struct fz_channel_event ev;

	while (up->ch) {
		fz_channel_next(up->ch, &ev);
		switch (ev.type) {
		case FZ_CHANNEL_NONE:
			arm(up);
			return;
		case FZ_CHANNEL_OPEN:
			up->delay = RETRY_MIN_MS;
			up->calls.open(up->arg);
			break;
		case FZ_CHANNEL_MESSAGE:
			handle_message(up, ev.data, ev.len);
			break;
		case FZ_CHANNEL_CLOSED:
			flush(up);
			lost(up, ev.refusal, ev.sentence);
			return;
		}
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *conn = stream->data;
	struct uplink *up = conn->up;

	if (!up || !up->ch || n == 0)
		return;
	if (n < 0) {
		fz_channel_eof(up->ch);
	} else {
		up->heard = uv_now(up->loop);
		fz_channel_input(up->ch, buf->base, (size_t)n, up->heard);
	}
	drain(up);
	if (n < 0 && conn->up == up && up->conn == conn)
		lost(up, FZ_REFUSAL_NONE, n == UV_EOF ? "the broker closed the connection" : uv_strerror((int)n));
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct conn *conn = handle->data;

	(void)suggested;
	*buf = uv_buf_init(conn->in, sizeof(conn->in));
}

static void on_connect(uv_connect_t *req, int status)
{
	struct conn *conn = req->data;
	struct uplink *up = conn->up;

	if (!up)
		return;
	if (status < 0) {
		lost(up, FZ_REFUSAL_NONE, uv_strerror(status));
		return;
	}
	uv_tcp_nodelay(&conn->tcp, 1);
	uv_update_time(up->loop);
	up->heard = uv_now(up->loop);
	up->ch = fz_channel_new(FZ_CHANNEL_AGENT, up->id->control_private, up->id->broker.broker_key,
				up->heard);
	if (!up->ch) {
		lost(up, FZ_REFUSAL_NONE, "out of memory");
		return;
	}
	uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
	arm(up);
}

static void connect_to(struct uplink *up, const struct sockaddr *addr)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	int ret;

	if (!conn) {
		lost(up, FZ_REFUSAL_NONE, "out of memory");
		return;
	}
	conn->up = up;
	conn->tcp.data = conn;
	conn->connecting.data = conn;
	uv_tcp_init(up->loop, &conn->tcp);
	up->conn = conn;
	memcpy(&up->broker, addr, addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							      : sizeof(struct sockaddr_in6));
	uv_update_time(up->loop);
	up->connect_deadline = uv_now(up->loop) + CONNECT_MS;
	ret = uv_tcp_connect(&conn->connecting, &conn->tcp, addr, on_connect);
	if (ret)
		lost(up, FZ_REFUSAL_NONE, uv_strerror(ret));
	else
		arm(up);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct uplink *up = req->data;
	unsigned int n = 0, chosen;
	struct addrinfo *ai;

	up->resolving = false;
	if (up->freeing) {
		uv_freeaddrinfo(list);
		if (up->timer_closed)
			free(up);
		return;
	}
	if (up->stale || !up->wanted) {
		up->stale = false;
		uv_freeaddrinfo(list);
		if (up->wanted)
			try_now(&up->timer);
		return;
	}
	if (status < 0 || !list) {
		char sentence[512];

		snprintf(sentence, sizeof(sentence), "the broker's name %s cannot be resolved: %s",
			 up->id->broker.host, uv_strerror(status));
		lost(up, FZ_REFUSAL_NONE, sentence);
	} else if (!up->conn) {
		for (ai = list; ai; ai = ai->ai_next)
			n++;
		/* any of them: the next try takes another one perhaps */
		chosen = randombytes_uniform(n);
		for (ai = list; chosen; ai = ai->ai_next)
			chosen--;
		connect_to(up, ai->ai_addr);
	}
	uv_freeaddrinfo(list);
}

static void try_now(uv_timer_t *timer)
{
	struct uplink *up = timer->data;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	char port[8];

	if (!up->wanted || up->conn || up->resolving)
		return;
	snprintf(port, sizeof(port), "%u", up->id->broker.port);
	up->lookup.data = up;
	if (uv_getaddrinfo(up->loop, &up->lookup, on_resolved, up->id->broker.host, port, &hints))
		lost(up, FZ_REFUSAL_NONE, "the broker's name cannot be resolved");
	else
		up->resolving = true;
}

static void on_deadline(uv_timer_t *timer)
{
	struct uplink *up = timer->data;
	uint64_t now = uv_now(up->loop);

	if (!up->conn)
		return;
	if (!up->ch) {
		if (now >= up->connect_deadline)
			lost(up, FZ_REFUSAL_NONE, "the broker does not answer");
		else
			arm(up);
		return;
	}
	if (up->silence && now - up->heard >= up->silence) {
		lost(up, FZ_REFUSAL_NONE, "the broker has fallen silent");
		return;
	}
	fz_channel_tick(up->ch, now);
	drain(up);
}

/* Sends what is to be sent, and sets the timer to what comes first. */
static void arm(struct uplink *up)
{
	uint64_t now, next = UINT64_MAX;

	if (!up->conn)
		return;
	flush(up);
	now = uv_now(up->loop);
	if (!up->ch)
		next = up->connect_deadline;
	else
		next = fz_channel_deadline(up->ch);
	if (up->silence && up->heard + up->silence < next)
		next = up->heard + up->silence;
	if (next == UINT64_MAX)
		uv_timer_stop(&up->timer);
	else
		uv_timer_start(&up->timer, on_deadline, next > now ? next - now : 0, 0);
}

/**
 * uplink_new() - a connection that is not yet wanted
 * @loop: the event loop
 * @id: whose keys and broker; must outlive it
 * @calls: whom to tell
 * @arg: for @calls
 *
 * Return: the uplink, or NULL without memory.
 */
struct uplink *uplink_new(uv_loop_t *loop, const struct identity *id, const struct uplink_calls *calls,
			  void *arg)
{
	struct uplink *up = calloc(1, sizeof(*up));

	if (!up)
		return NULL;
	up->loop = loop;
	up->id = id;
	up->calls = *calls;
	up->arg = arg;
	up->delay = RETRY_MIN_MS;
	uv_timer_init(loop, &up->timer);
	up->timer.data = up;
	return up;
}

/**
 * uplink_start() - connect, and keep connected, to the identity's broker
 * @up: the uplink
 */
void uplink_start(struct uplink *up)
{
	up->wanted = true;
	up->delay = RETRY_MIN_MS;
	uv_timer_start(&up->timer, try_now, 0, 0);
}

/**
 * uplink_retry_in() - do not come back sooner
 * @up: the uplink
 * @ms: what the broker asked for; bounded
 */
void uplink_retry_in(struct uplink *up, uint32_t ms)
{
	if (ms > RETRY_MAX_MS * 4)
		ms = RETRY_MAX_MS * 4;
	if (ms > up->delay)
		up->delay = ms;
}

/**
 * uplink_reconnect() - close the connection, and come back after the delay
 * @up: the uplink
 * @sentence: why, for whoever hears that it is closed
 */
void uplink_reconnect(struct uplink *up, const char *sentence)
{
	if (!up->conn)
		return;
	flush(up);
	lost(up, FZ_REFUSAL_NONE, sentence);
}

/**
 * uplink_stop() - close the connection and do not come back
 * @up: the uplink
 * @sentence: for the log
 */
void uplink_stop(struct uplink *up, const char *sentence)
{
	up->wanted = false;
	up->stale = up->resolving;
	uv_timer_stop(&up->timer);
	if (up->conn) {
		flush(up);
		log_info("connection to the broker closed: %s", sentence);
	}
	drop_conn(up);
}

/**
 * uplink_alive_every() - what the broker said of its pings
 * @up: the uplink
 * @ping_ms: their interval; 0: there are none
 */
void uplink_alive_every(struct uplink *up, uint32_t ping_ms)
{
	up->silence = ping_ms > UINT32_MAX / SILENT_PINGS ? 0 : ping_ms * SILENT_PINGS;
	arm(up);
}

/**
 * uplink_send() - send a message
 * @up: the uplink
 * @msg: the message
 *
 * Return: false when there is no channel, or it is too full.
 */
bool uplink_send(struct uplink *up, const fz_Message *msg)
{
	bool sent = up->ch && fz_channel_is_open(up->ch) && !fz_message_send(up->ch, msg, uv_now(up->loop), NULL);

	if (sent)
		arm(up);
	return sent;
}

/* Whether the channel is authenticated. */
bool uplink_is_open(const struct uplink *up)
{
	return up->ch && fz_channel_is_open(up->ch);
}

/**
 * uplink_address() - where the broker was last found
 * @up: the uplink
 * @broker: out
 *
 * Return: false when it never was.
 */
bool uplink_address(const struct uplink *up, struct sockaddr_storage *broker)
{
	*broker = up->broker;
	return up->broker.ss_family != 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct uplink *up = handle->data;

	up->timer_closed = true;
	if (!up->resolving)
		free(up);
}

void uplink_free(struct uplink *up)
{
	if (!up)
		return;
	up->wanted = false;
	up->freeing = true;
	if (up->resolving)
		uv_cancel((uv_req_t *)&up->lookup);
	drop_conn(up);
	uv_timer_stop(&up->timer);
	uv_close((uv_handle_t *)&up->timer, on_timer_closed);
}
