// SPDX-License-Identifier: GPL-2.0-only
/*
 * HTTP for the admin API: libmicrohttpd on a Unix socket of ours, its epoll descriptor inside the broker's loop.
 * Bodies are collected up to API_BODY_MAX, then the request goes to api_handle().
 */
#include "api.h"

#include <errno.h>
#include <microhttpd.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api_internal.h"
#include "log.h"

#define CONNECTIONS_MAX		64
#define CONNECTION_TIMEOUT_S	60

/**
 * struct api - the server
 * @closing: handles of the loop that are still to close; the last one frees this
 */
struct api {
	struct broker *broker;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int closing;
	char *path;
};

/* One request while its body comes in. */
struct exchange {
	char *body;
	size_t len;
	bool too_large;
};

static const char *query_value(void *context, const char *key)
{
	return MHD_lookup_connection_value(context, MHD_GET_ARGUMENT_KIND, key);
}

/* Who is at the other end of the socket, by the kernel's word. */
static void actor_name(struct MHD_Connection *connection, char *text, size_t size)
{
	const union MHD_ConnectionInfo *info;
	socklen_t len = sizeof(struct ucred);
	struct passwd entry, *found = NULL;
	struct ucred who;
	char space[1024];

	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &who, &len)) {
		snprintf(text, size, "admin");
		return;
	}
	getpwuid_r(who.uid, &entry, space, sizeof(space), &found);
	snprintf(text, size, "admin uid %u (%s)", who.uid, found ? found->pw_name : "?");
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct api_request *request)
{
	char *text = request->answer ? json_dumps(request->answer, JSON_COMPACT) : strdup("");
	struct MHD_Response *response;
	enum MHD_Result result;

	if (!text)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	if (request->answer)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (request->status == 405)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, request->allow);
	result = MHD_queue_response(connection, request->status, response);
	MHD_destroy_response(response);
	return result;
}

static void refuse(struct api_request *request, unsigned int status, const char *sentence)
{
	request->status = status;
	request->answer = json_pack("{ss}", "error", sentence);
}

static bool type_is_json(struct MHD_Connection *connection)
{
	const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
	size_t n = strlen("application/json");

	return type && !strncasecmp(type, "application/json", n) && (!type[n] || type[n] == ';' || type[n] == ' ');
}

static enum MHD_Result finish(struct api *api, struct MHD_Connection *connection, const char *path,
			      const char *method, struct exchange *exchange)
{
	char actor[96];
	struct api_request request = { .broker = api->broker, .actor = actor, .method = method, .path = path,
				       .query = query_value, .query_context = connection };
	enum MHD_Result result;

	actor_name(connection, actor, sizeof(actor));
	if (exchange->too_large)
		refuse(&request, 413, "the body is larger than 65536 bytes");
	else if (exchange->len && !type_is_json(connection))
		refuse(&request, 415, "the body has to be application/json");
	else if (exchange->len && !(request.body = api_body_parse(exchange->body, exchange->len, &request.fault)))
		refuse(&request, 400, request.fault.text);
	else
		api_handle(&request);
	result = send_answer(connection, &request);
	json_decref(request.body);
	json_decref(request.answer);
	return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *size,
				  void **slot)
{
	struct exchange *exchange = *slot;
	char *body;

	(void)version;
	if (!exchange) {
		*slot = calloc(1, sizeof(*exchange));
		return *slot ? MHD_YES : MHD_NO;
	}
	if (!*size)
		return finish(context, connection, path, method, exchange);
	if (exchange->too_large || *size > API_BODY_MAX - exchange->len) {
		exchange->too_large = true;
		*size = 0;
		return MHD_YES;
	}
	body = realloc(exchange->body, exchange->len + *size);
	if (!body)
		return MHD_NO;
	memcpy(body + exchange->len, data, *size);
	exchange->body = body;
	exchange->len += *size;
	*size = 0;
	return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **slot,
			 enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *slot;

	(void)context;
	(void)connection;
	(void)code;
	if (!exchange)
		return;
	free(exchange->body);
	free(exchange);
	*slot = NULL;
}

/* ---- in the loop ---- */

static void on_timer(uv_timer_t *timer);

static void run(struct api *api)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	MHD_run(api->daemon);
	if (MHD_get_timeout(api->daemon, &timeout) == MHD_YES)
		uv_timer_start(&api->timer, on_timer, timeout, 0);
	else
		uv_timer_stop(&api->timer);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

static bool socket_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 && !connect(fd, (const struct sockaddr *)address, sizeof(*address));

	if (fd >= 0)
		close(fd);
	return alive;
}

/* A socket that only its owner may connect to; one left by a broker that died is replaced, nothing else is. */
static int socket_open(const char *path, struct fault *fault)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int fd, ret;

	if (strlen(path) >= sizeof(address.sun_path))
		return fault_set(fault, -EINVAL, NULL, "the path of the admin socket is too long: %s", path);
	strcpy(address.sun_path, path);
	if (!lstat(path, &st)) {
		if (!S_ISSOCK(st.st_mode))
			return fault_set(fault, -EEXIST, NULL, "%s exists and is no socket", path);
		if (socket_alive(&address))
			return fault_set(fault, -EBUSY, NULL, "another process serves the admin socket %s", path);
		unlink(path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0177);
	ret = fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64);
	umask(mask);
	if (!ret)
		return fd;
	ret = fault_set(fault, -errno, NULL, "cannot make the admin socket %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

static void on_mhd_log(void *context, const char *format, va_list args)
{
	char text[256];
	size_t n;

	(void)context;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	vsnprintf(text, sizeof(text), format, args);
#pragma GCC diagnostic pop
	n = strlen(text);
	while (n && text[n - 1] == '\n')
		text[--n] = '\0';
	log_debug("api", "%s", text);
}

static int daemon_start(struct api *api, int fd, struct fault *fault)
{
	const union MHD_DaemonInfo *info;

	api->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, api,
				       MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
				       MHD_OPTION_LISTEN_SOCKET, fd,
				       MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
				       MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)CONNECTION_TIMEOUT_S,
				       MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	if (!api->daemon) {
		close(fd);
		return fault_set(fault, -EIO, NULL, "the admin API's HTTP server does not start");
	}
	info = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || uv_poll_init(api->broker->loop, &api->poll, info->epoll_fd))
		return fault_set(fault, -EIO, NULL, "the admin API's HTTP server cannot be watched");
	api->poll.data = api;
	uv_timer_init(api->broker->loop, &api->timer);
	api->timer.data = api;
	api->closing = 2;
	uv_poll_start(&api->poll, UV_READABLE, on_ready);
	return 0;
}

static void api_free(struct api *api)
{
	if (api->daemon)
		MHD_stop_daemon(api->daemon);
	if (api->path)
		unlink(api->path);
	free(api->path);
	free(api);
}

struct api *api_start(struct broker *broker, const char *path, struct fault *fault)
{
	struct api *api = calloc(1, sizeof(*api));
	int fd;

	if (!api) {
		fault_set(fault, -ENOMEM, NULL, "out of memory");
		return NULL;
	}
	api->broker = broker;
	fd = socket_open(path, fault);
	if (fd < 0) {
		free(api);
		return NULL;
	}
	api->path = strdup(path);
	if (!api->path || daemon_start(api, fd, fault)) {
		api_free(api);
		return NULL;
	}
	return api;
}

static void on_closed(uv_handle_t *handle)
{
	struct api *api = handle->data;

	if (!--api->closing)
		api_free(api);
}

void api_stop(struct api *api)
{
	if (!api)
		return;
	uv_close((uv_handle_t *)&api->poll, on_closed);
	uv_close((uv_handle_t *)&api->timer, on_closed);
}
