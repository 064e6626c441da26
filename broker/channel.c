// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "channel.h"
#include "format.h"
#include "log.h"

#define READ_SIZE	65536
#define BACKLOG		1024
/* A large state waits while so many bytes of it are on the way: an agent that reads slowly is pinged among them. */
#define ROOM		(256 * 1024)
/* How long a link that is being closed may take to send its last words. */
#define LINGER_MS	2000
/* When there was no memory for a connection, it is tried again after this. */
#define ACCEPT_AGAIN_MS	100

/* Where connections come from. Gone when nothing comes any more and it may do all again. */
struct source {
	uint8_t prefix[16];
	unsigned int pending;	/* connections that have not authenticated */
	uint64_t at;
	unsigned int left;	/* handshakes it may begin */
	UT_hash_handle hh;
};

/**
 * struct link - one connection
 * @session: signalling's, from authentication until one of both lets go
 * @source: as long as it has not authenticated
 * @writing: a write is under way
 * @closing: nothing is read any more; it ends once everything is written
 * @failed: nothing can be written any more
 */
struct link {
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_write_t write;
	struct channel_server *server;
	struct fz_channel *channel;
	struct session *session;
	struct source *source;
	char address[64];
	uint8_t *sending;
	size_t sending_len;
	bool writing, closing, failed;
	int open_handles;
	struct link *prev, *next;
};

/**
 * struct channel_server - the listening socket and its links
 * @after: called after signalling was called, for what its next deadline is
 * @again: runs while a connection waits to be accepted for want of memory; there is no next one before that
 * @open_handles: of the loop, that are still to close
 * @in, @message: for one read and one message, used and done with before the next
 */
struct channel_server {
	uv_tcp_t tcp;
	uv_timer_t again;
	uv_loop_t *loop;
	struct channel_limits limits;
	struct signal *sig;
	void (*after)(void *arg);
	void *arg;
	uint8_t key[MODEL_KEY_LEN];
	struct link *links;
	unsigned int n_links, n_pending;
	struct source *sources;
	bool stopped;
	int open_handles;
	uint8_t in[READ_SIZE];
	fz_Message message;
};

/* --- limits ---------------------------------------------------------------- */

static void source_prefix(uint8_t prefix[16], const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;

	memset(prefix, 0, 16);
	if (ss->ss_family == AF_INET)
		memcpy(prefix + 12, &v4->sin_addr, 4);
	else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		memcpy(prefix + 12, v6->sin6_addr.s6_addr + 12, 4);
	else
		memcpy(prefix, &v6->sin6_addr, 8);
}

static void source_refill(const struct channel_server *server, struct source *source)
{
	uint64_t now = uv_now(server->loop), more = (now - source->at) * server->limits.rate / 1000;

	if (!more)
		return;
	source->at = now;
	source->left = more > server->limits.burst - source->left ? server->limits.burst :
								    source->left + (unsigned int)more;
}

static struct source *source_get(struct channel_server *server, const struct sockaddr_storage *ss)
{
	struct source *source;
	uint8_t prefix[16];

	source_prefix(prefix, ss);
	HASH_FIND(hh, server->sources, prefix, sizeof(prefix), source);
	if (source) {
		source_refill(server, source);
		return source;
	}
	source = calloc(1, sizeof(*source));
	if (!source)
		return NULL;
	memcpy(source->prefix, prefix, sizeof(prefix));
	source->at = uv_now(server->loop);
	source->left = server->limits.burst;
	HASH_ADD(hh, server->sources, prefix, sizeof(source->prefix), source);
	return source;
}

/* Sources that may do all again need not be remembered; looked at when there are many. */
static void sources_clean(struct channel_server *server)
{
	struct source *source, *next;

	if (HASH_COUNT(server->sources) < 1024)
		return;
	HASH_ITER(hh, server->sources, source, next) {
		source_refill(server, source);
		if (source->pending || source->left < server->limits.burst)
			continue;
		HASH_DEL(server->sources, source);
		free(source);
	}
}

/* --- links ----------------------------------------------------------------- */

static void server_put(struct channel_server *server)
{
	struct source *source, *next;

	if (server->open_handles || server->links)
		return;
	HASH_ITER(hh, server->sources, source, next) {
		HASH_DEL(server->sources, source);
		free(source);
	}
	sodium_memzero(server, sizeof(*server));
	free(server);
}

static void link_settled(struct link *link)
{
	if (!link->source)
		return;
	link->source->pending--;
	link->source = NULL;
	link->server->n_pending--;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;
	struct channel_server *server = link->server;

	if (--link->open_handles)
		return;
	DL_DELETE(server->links, link);
	server->n_links--;
	fz_channel_free(link->channel);
	if (link->sending)
		sodium_memzero(link->sending, link->sending_len);
	free(link->sending);
	free(link);
	server_put(server);
}

/* Now, whatever is left to be sent. */
static void link_end(struct link *link)
{
	link_settled(link);
	if (uv_is_closing((uv_handle_t *)&link->tcp))
		return;
	link->closing = true;
	uv_close((uv_handle_t *)&link->tcp, on_handle_closed);
	uv_close((uv_handle_t *)&link->timer, on_handle_closed);
}

static void on_failed(uv_timer_t *timer)
{
	struct link *link = timer->data;
	struct channel_server *server = link->server;
	struct session *session = link->session;

	link->session = NULL;
	link_end(link);
	if (!session)
		return;
	signal_closed(server->sig, session, "nothing can be sent to it");
	if (server->after)
		server->after(server->arg);
}

/* What is queued is lost. Signalling may be in the middle of something: it hears of it with the next turn of the loop. */
static void link_fail(struct link *link)
{
	link->failed = true;
	if (link->session)
		uv_timer_start(&link->timer, on_failed, 0, 0);
	else
		link_end(link);
}

/* One write at a time: what comes meanwhile waits in the channel, and goes together. */
static void write_with(struct link *link, uv_write_cb done)
{
	const uint8_t *data;
	uv_buf_t buf;
	size_t n;

	if (link->writing || link->failed || uv_is_closing((uv_handle_t *)&link->tcp))
		return;
	n = fz_channel_output(link->channel, &data);
	if (!n) {
		if (link->closing)
			link_end(link);
		return;
	}
	link->sending = malloc(n);
	if (!link->sending) {
		link_fail(link);
		return;
	}
	memcpy(link->sending, data, n);
	link->sending_len = n;
	fz_channel_wrote(link->channel, n);
	buf = uv_buf_init((char *)link->sending, (unsigned int)n);
	link->write.data = link;
	link->writing = true;
	if (uv_write(&link->write, (uv_stream_t *)&link->tcp, &buf, 1, done)) {
		link->writing = false;
		link_fail(link);
	}
}

/**
 * link_room() - whether to queue more of what is large
 * @arg: the link
 *
 * Return: false when the agent has enough to read; signal_drained() is called once it has read some.
 */
bool link_room(void *arg)
{
	const struct link *link = arg;
	const uint8_t *data;

	return !link->writing || link->sending_len + fz_channel_output(link->channel, &data) < ROOM;
}

static void on_written(uv_write_t *req, int status)
{
	struct link *link = req->data;

	sodium_memzero(link->sending, link->sending_len);
	free(link->sending);
	link->sending = NULL;
	link->writing = false;
	if (status < 0)
		link_fail(link);
	else
		write_with(link, on_written);
	if (!link->session || !link_room(link))
		return;
	signal_drained(link->server->sig, link->session);
	if (link->server->after)
		link->server->after(link->server->arg);
}

static void link_write(struct link *link)
{
	write_with(link, on_written);
}

static void on_linger(uv_timer_t *timer)
{
	link_end(timer->data);
}

/* Last words are sent, then it ends. */
static void link_finish(struct link *link)
{
	if (link->closing)
		return;
	link_settled(link);
	link->closing = true;
	if (link->failed) {
		link_end(link);
		return;
	}
	uv_read_stop((uv_stream_t *)&link->tcp);
	uv_timer_start(&link->timer, on_linger, LINGER_MS, 0);
	link_write(link);
}

/**
 * link_send() - queue a message
 * @arg: the link
 * @msg: the message
 *
 * Return: false when the link takes no more.
 */
bool link_send(void *arg, const fz_Message *msg)
{
	struct link *link = arg;
	struct fz_error err;

	if (link->closing || link->failed ||
	    fz_message_send(link->channel, msg, uv_now(link->server->loop), &err))
		return false;
	link_write(link);
	return !link->failed;
}

/**
 * link_close() - signalling has done with a link
 * @arg: the link; what is queued is sent
 */
void link_close(void *arg)
{
	struct link *link = arg;

	link->session = NULL;
	link_finish(link);
}

static void link_open(struct link *link, const uint8_t *key)
{
	link_settled(link);
	uv_timer_stop(&link->timer);
	if (link->server->sig)
		link->session = signal_open(link->server->sig, link, key, link->address);
	if (!link->session)
		link_finish(link);
}

static void link_message(struct link *link, const struct fz_channel_event *ev)
{
	struct channel_server *server = link->server;
	struct fz_error err;
	int ret;

	if (!link->session || !signal_received(server->sig, link->session))
		return;
	ret = fz_message_decode(&server->message, ev->data, ev->len, &err);
	if (!ret)
		signal_message(server->sig, link->session, &server->message);
	else if (ret != -ENOMSG)
		signal_malformed(server->sig, link->session, err.text);
	sodium_memzero(&server->message, sizeof(server->message.which_body) + 512);
}

static void link_lost(struct link *link, const char *sentence)
{
	struct session *session = link->session;

	link->session = NULL;
	if (session)
		signal_closed(link->server->sig, session, sentence);
	else if (!link->closing)
		log_debug("channel", "dropped address=%s reason=\"%s\"", link->address, sentence);
	link_finish(link);
}

static void link_events(struct link *link)
{
	struct fz_channel_event ev;

	for (;;) {
		fz_channel_next(link->channel, &ev);
		switch (ev.type) {
		case FZ_CHANNEL_NONE:
			link_write(link);
			if (link->server->after)
				link->server->after(link->server->arg);
			return;
		case FZ_CHANNEL_OPEN:
			link_open(link, ev.key);
			break;
		case FZ_CHANNEL_MESSAGE:
			link_message(link, &ev);
			break;
		case FZ_CHANNEL_CLOSED:
			link_lost(link, ev.sentence);
			break;
		}
	}
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct link *link = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)link->server->in, sizeof(link->server->in));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct link *link = stream->data;

	if (link->closing)
		return;
	if (n < 0)
		fz_channel_eof(link->channel);
	else
		fz_channel_input(link->channel, buf->base, (size_t)n, uv_now(link->server->loop));
	link_events(link);
	sodium_memzero(buf->base, n > 0 ? (size_t)n : 0);
}

static void on_handshake_late(uv_timer_t *timer)
{
	struct link *link = timer->data;

	fz_channel_tick(link->channel, uv_now(link->server->loop));
	link_events(link);
}

static void name_address(struct link *link, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	char text[INET6_ADDRSTRLEN] = "?";

	if (ss->ss_family == AF_INET) {
		uv_ip4_name(v4, text, sizeof(text));
		snprintf(link->address, sizeof(link->address), "%s:%u", text, ntohs(v4->sin_port));
	} else {
		uv_ip6_name(v6, text, sizeof(text));
		snprintf(link->address, sizeof(link->address), "[%s]:%u", text, ntohs(v6->sin6_port));
	}
}

static bool within_limits(struct channel_server *server, struct source *source)
{
	const struct channel_limits *limits = &server->limits;

	if (server->n_links > limits->connections || server->n_pending > limits->unauthenticated || !source ||
	    source->pending > limits->unauthenticated_source || !source->left)
		return false;
	source->left--;
	return true;
}

static struct link *link_new(struct channel_server *server)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->server = server;
	link->channel = fz_channel_new(FZ_CHANNEL_BROKER, server->key, NULL, uv_now(server->loop));
	if (!link->channel || uv_tcp_init(server->loop, &link->tcp)) {
		fz_channel_free(link->channel);
		free(link);
		return NULL;
	}
	uv_timer_init(server->loop, &link->timer);
	link->tcp.data = link->timer.data = link;
	link->open_handles = 2;
	DL_APPEND(server->links, link);
	server->n_links++;
	return link;
}

/* Takes the connection that waits. False without memory; it goes on waiting, and the others behind it. */
static bool connection_take(struct channel_server *server)
{
	struct sockaddr_storage ss = { 0 };
	int len = sizeof(ss);
	struct link *link = link_new(server);

	if (!link)
		return false;
	if (uv_accept((uv_stream_t *)&server->tcp, (uv_stream_t *)&link->tcp) ||
	    uv_tcp_getpeername(&link->tcp, (struct sockaddr *)&ss, &len)) {
		link_end(link);
		return true;
	}
	name_address(link, &ss);
	uv_tcp_nodelay(&link->tcp, 1);
	sources_clean(server);
	link->source = source_get(server, &ss);
	if (link->source)
		link->source->pending++;
	server->n_pending += link->source != NULL;
	if (!within_limits(server, link->source)) {
		log_debug("channel", "refused address=%s reason=\"too many connections\"", link->address);
		fz_channel_refuse(link->channel, FZ_REFUSAL_BUSY);
		link_events(link);
		return true;
	}
	uv_timer_start(&link->timer, on_handshake_late, FZ_CHANNEL_HANDSHAKE_MS, 0);
	if (uv_read_start((uv_stream_t *)&link->tcp, give_buffer, on_read))
		link_end(link);
	return true;
}

static void on_again(uv_timer_t *timer)
{
	if (connection_take(timer->data))
		uv_timer_stop(timer);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct channel_server *server = stream->data;

	if (status < 0 || server->stopped || connection_take(server))
		return;
	log_error("channel", "out of memory: agents that connect have to wait");
	uv_timer_start(&server->again, on_again, ACCEPT_AGAIN_MS, ACCEPT_AGAIN_MS);
}

/* --- the server ------------------------------------------------------------ */

static void on_server_closed(uv_handle_t *handle)
{
	struct channel_server *server = handle->data;

	server->open_handles--;
	server_put(server);
}

static void server_close(struct channel_server *server)
{
	uv_close((uv_handle_t *)&server->tcp, on_server_closed);
	uv_close((uv_handle_t *)&server->again, on_server_closed);
}

/**
 * channel_start() - listen for agents
 * @loop: the broker's
 * @listen: address and port; port 0: any
 * @key: the broker's private key; copied
 * @limits: copied
 * @fault: why not
 *
 * Return: the server, to be given to channel_stop(), or NULL. Links are taken once channel_attach() was called and the
 * loop runs.
 */
struct channel_server *channel_start(uv_loop_t *loop, const struct sockaddr *listen, const uint8_t key[MODEL_KEY_LEN],
				     const struct channel_limits *limits, struct fault *fault)
{
	struct channel_server *server = calloc(1, sizeof(*server));
	char text[FZ_ENDPOINT_TEXT_SIZE];
	union fz_endpoint endpoint = { 0 };
	int ret;

	if (!server) {
		fault_set(fault, -ENOMEM, NULL, "out of memory");
		return NULL;
	}
	server->loop = loop;
	server->limits = *limits;
	memcpy(server->key, key, MODEL_KEY_LEN);
	ret = uv_tcp_init(loop, &server->tcp);
	if (ret) {
		fault_set(fault, ret, "listen", "agents cannot be served: %s", uv_strerror(ret));
		free(server);
		return NULL;
	}
	uv_timer_init(loop, &server->again);
	server->tcp.data = server->again.data = server;
	server->open_handles = 2;
	ret = uv_tcp_bind(&server->tcp, listen, 0);
	if (!ret)
		ret = uv_listen((uv_stream_t *)&server->tcp, BACKLOG, on_connection);
	if (ret) {
		memcpy(&endpoint, listen, listen->sa_family == AF_INET6 ? sizeof(endpoint.v6) : sizeof(endpoint.v4));
		fault_set(fault, ret, "listen", "agents cannot be served on %s (--listen): %s",
			  fz_format_endpoint(text, sizeof(text), &endpoint), uv_strerror(ret));
		server_close(server);
		return NULL;
	}
	return server;
}

/**
 * channel_attach() - whom links are told
 * @server: the server
 * @sig: signalling
 * @after: called whenever it was called, or NULL
 * @arg: for @after
 */
void channel_attach(struct channel_server *server, struct signal *sig, void (*after)(void *arg), void *arg)
{
	server->sig = sig;
	server->after = after;
	server->arg = arg;
}

/**
 * channel_stop() - listen no more, and end all links
 * @server: freed once the loop has run; links that signalling closed still send their last words
 */
void channel_stop(struct channel_server *server)
{
	struct link *link, *next;

	if (!server)
		return;
	server->stopped = true;
	server->sig = NULL;
	server->after = NULL;
	server_close(server);
	DL_FOREACH_SAFE(server->links, link, next) {
		link->session = NULL;
		if (!link->closing)
			link_end(link);
	}
}

/**
 * channel_port() - where it listens
 * @server: the server
 *
 * Return: the TCP port, or a negative errno.
 */
int channel_port(const struct channel_server *server)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss), ret;

	ret = uv_tcp_getsockname(&server->tcp, (struct sockaddr *)&ss, &len);
	if (ret)
		return ret;
	return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port :
						((struct sockaddr_in *)&ss)->sin_port);
}
