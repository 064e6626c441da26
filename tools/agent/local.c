// SPDX-License-Identifier: GPL-2.0-only
/*
 * fzctl's questions: a Unix socket for root, a JSON object a line each way.
 *
 *	{"op": "join", "invitation": TEXT, "name": TEXT?}
 *	{"op": "status"}
 *	{"op": "why", "target": "ADDRESS:PORT" or a resource's name, "protocol": "tcp"?}
 *
 * Every answer has "ok"; without it "error" is the sentence, and "malformed" says that the question was wrong.
 */
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"
#include "format.h"
#include "key.h"
#include "log.h"

#define LINE_MAX_BYTES 8192
#define CLIENTS_MAX 32
#define ANSWER_MS 6000

enum waiting {
	WAIT_NOTHING,
	WAIT_JOIN,
	WAIT_WHY,
};

/* One connection; ends itself once its last answer is written. */
struct client {
	struct local *local;
	struct client *next;
	uv_pipe_t pipe;
	uv_timer_t timer;
	enum waiting waiting;
	uint64_t id;
	bool closing;
	unsigned int handles;
	size_t len;
	char line[LINE_MAX_BYTES];
};

/**
 * struct local - the socket
 * @clients: those connected
 * @next_id: numbers the questions to the broker
 */
struct local {
	struct agent *a;
	uv_pipe_t pipe;
	char *path;
	struct client *clients;
	unsigned int n_clients;
	uint64_t next_id;
};

struct answer {
	uv_write_t req;
	char *text;
};

static void handle_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;

	if (!--c->handles) {
		sodium_memzero(c->line, sizeof(c->line));
		free(c);
	}
}

static void client_close(struct client *c)
{
	struct client **at;

	if (c->closing)
		return;
	c->closing = true;
	for (at = &c->local->clients; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	c->local->n_clients--;
	session_join_forget(c->local->a, c);
	uv_close((uv_handle_t *)&c->pipe, handle_closed);
	uv_close((uv_handle_t *)&c->timer, handle_closed);
}

static void written(uv_write_t *req, int status)
{
	struct answer *answer = req->data;

	if (status < 0)
		log_debug("an answer could not be written: %s", uv_strerror(status));
	free(answer->text);
	free(answer);
}

/* Takes the reference to @root. */
static void reply(struct client *c, json_t *root)
{
	struct answer *answer = calloc(1, sizeof(*answer));
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	size_t len;
	uv_buf_t buf;

	json_decref(root);
	if (!text)	/* what others sent need not be UTF-8 */
		text = strdup("{\"ok\":false,\"error\":\"the agent cannot put its answer into words\"}");
	len = text ? strlen(text) : 0;
	c->waiting = WAIT_NOTHING;
	uv_timer_stop(&c->timer);
	if (!answer || !text || c->closing) {
		free(answer);
		free(text);
		return;
	}
	text[len] = '\n';	/* where the 0 was: the length is kept */
	answer->text = text;
	answer->req.data = answer;
	buf = uv_buf_init(text, (unsigned int)len + 1);
	if (uv_write(&answer->req, (uv_stream_t *)&c->pipe, &buf, 1, written)) {
		free(text);
		free(answer);
	}
}

static void reply_error(struct client *c, const char *sentence)
{
	reply(c, json_pack("{s:b, s:s%}", "ok", 0, "error", sentence, strlen(sentence)));
}

/* The question itself was wrong, as a wrong word of a command line is. */
static void reply_malformed(struct client *c, const char *sentence)
{
	reply(c, json_pack("{s:b, s:b, s:s%}", "ok", 0, "malformed", 1, "error", sentence, strlen(sentence)));
}

static void on_timeout(uv_timer_t *timer)
{
	struct client *c = timer->data;

	if (c->waiting != WAIT_NOTHING)
		reply_error(c, "the broker did not answer in time");
}

/* --- join ------------------------------------------------------------------ */

static void joined(void *arg, const char *error)
{
	struct client *c = arg;
	struct agent *a = c->local->a;

	if (error)
		reply_error(c, error);
	else
		reply(c, json_pack("{s:b, s:s, s:s, s:s}", "ok", 1, "name", a->welcome.name, "role",
				   a->welcome.role == fz_ROLE_GATEWAY ? "gateway" : "client",
				   "broker", a->id.broker.host));
}

static void op_join(struct client *c, json_t *root)
{
	const char *text = json_string_value(json_object_get(root, "invitation"));
	const char *name = json_string_value(json_object_get(root, "name"));
	struct fz_error err = { 0 };
	struct fz_invite invite;

	if (!text || fz_invite_parse(&invite, text, &err)) {
		reply_error(c, text ? err.text : "there is no invitation");
		return;
	}
	c->waiting = WAIT_JOIN;
	if (session_join(c->local->a, &invite, name, joined, c, &err))
		reply_error(c, err.text);
	fz_invite_wipe(&invite);
}

/* --- status ---------------------------------------------------------------- */

static json_t *prefixes_json(const fz_Prefix *list, size_t n)
{
	json_t *array = json_array();
	char text[FZ_ADDR_TEXT_SIZE];
	struct fz_prefix p;

	for (size_t i = 0; i < n; i++) {
		memset(&p, 0, sizeof(p));
		p.addr.family = list[i].addr.size == 4 ? AF_INET : AF_INET6;
		memcpy(p.addr.bytes, list[i].addr.bytes, list[i].addr.size);
		p.len = (uint8_t)list[i].len;
		json_array_append_new(array, json_string(fz_format_prefix(text, sizeof(text), &p)));
	}
	return array;
}

static json_t *candidates_json(struct agent *a)
{
	static const char *const kinds[] = { "host", "reflexive", "relayed" };
	fz_Candidate list[16];
	size_t n = paths_candidates(a->paths, list, sizeof(list) / sizeof(*list));
	char text[FZ_ENDPOINT_TEXT_SIZE];
	struct sockaddr_storage ss;
	union fz_endpoint ep;
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		if (!fz_endpoint_to_sockaddr(&list[i].endpoint, &ss) || (unsigned int)list[i].kind > 2)
			continue;
		memcpy(&ep, &ss, sizeof(ep));
		json_array_append_new(array, json_pack("{s:s, s:s}", "kind", kinds[list[i].kind], "endpoint",
						       fz_format_endpoint(text, sizeof(text), &ep)));
	}
	return array;
}

static json_t *grants_json(struct agent *a)
{
	json_t *array = json_array(), *o;
	struct want_grant *g;

	for (g = a->desired.grants; g; g = g->hh.next) {
		const struct want_peer *peer = g->key.any ? NULL : desired_peer(&a->desired, g->key.peer);

		if (g->spec.has_lease && !desired_lease_left(g))
			continue;
		o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "resource", g->key.resource, "direction",
			      fz_direction_name(g->key.direction), "action", fz_action_name(g->spec.action),
			      "policy", g->policy, "peer", peer ? peer->name : "any");
		if (o && g->spec.has_lease)
			json_object_set_new(o, "lease_ms", json_integer((json_int_t)desired_lease_left(g)));
		json_array_append_new(array, o);
	}
	return array;
}

static void op_status(struct client *c)
{
	struct agent *a = c->local->a;
	char key[FZ_KEY_TEXT_SIZE];
	struct fz_error err = { 0 };
	const char *trouble;
	json_t *root;

	root = json_pack("{s:b, s:b, s:b, s:s, s:s}", "ok", 1, "joined", a->id.joined, "connected", a->online,
			 "device", a->dev, "version", FZ_VERSION);
	if (a->id.joined) {
		json_object_set_new(root, "broker", json_string(a->id.broker.host));
		json_object_set_new(root, "broker_port", json_integer(a->id.broker.port));
	}
	trouble = a->online ? a->left_out : a->trouble;
	if (*trouble)
		json_object_set_new(root, "trouble", json_stringn(trouble, strlen(trouble)));
	if (a->kernel_open) {
		if (a->known && kernel_compare(&a->kernel, &a->desired, &err))
			json_object_set_new(root, "changed", json_stringn(err.text, strlen(err.text)));
		fz_key_format(key, a->kernel.public_key);
		json_object_set_new(root, "public_key", json_string(key));
		json_object_set_new(root, "listen_port", json_integer(a->kernel.listen_port));
		json_object_set_new(root, "candidates", candidates_json(a));
		json_object_set_new(root, "grants", grants_json(a));
	}
	if (a->known) {
		json_object_set_new(root, "name", json_string(a->welcome.name));
		json_object_set_new(root, "role",
				    json_string(a->welcome.role == fz_ROLE_GATEWAY ? "gateway" : "client"));
		json_object_set_new(root, "user", json_string(a->welcome.user));
		json_object_set_new(root, "site", json_string(a->welcome.site));
		json_object_set_new(root, "addresses",
				    prefixes_json(a->welcome.address, a->welcome.address_count));
		json_object_set_new(root, "broker_software", json_string(a->broker_software));
	}
	reply(c, root);
}

/* --- why ------------------------------------------------------------------- */

/* Those that the broker knows by name. */
static bool known_protocol(const char *word)
{
	return !strcmp(word, "tcp") || !strcmp(word, "udp") || !strcmp(word, "sctp") || !strcmp(word, "icmp");
}

static void op_why(struct client *c, json_t *root)
{
	const char *target = json_string_value(json_object_get(root, "target"));
	const char *protocol = json_string_value(json_object_get(root, "protocol"));
	struct agent *a = c->local->a;
	char sentence[1024];
	fz_Message *msg;
	uint64_t id;
	int n;

	if (!target || !*target) {
		reply_error(c, "there is no target to explain");
		return;
	}
	if (protocol && !known_protocol(protocol)) {
		snprintf(sentence, sizeof(sentence), "\"%s\" is no protocol (tcp, udp, sctp, icmp)", protocol);
		reply_malformed(c, sentence);
		return;
	}
	if (!a->id.joined) {
		reply_error(c, "this device has not joined a broker (fzctl join INVITATION)");
		return;
	}
	if (!a->online) {
		snprintf(sentence, sizeof(sentence),
			 "the broker at %s cannot be asked: %s; nothing new is granted until it is back",
			 a->id.broker.host, *a->trouble ? a->trouble : "not connected yet");
		reply_error(c, sentence);
		return;
	}
	msg = session_message(fz_Message_why_tag);
	if (!msg) {
		reply_error(c, "out of memory");
		return;
	}
	id = ++c->local->next_id;
	msg->body.why.id = id;
	msg->body.why.direction = fz_DIRECTION_OUT;
	n = snprintf(msg->body.why.target, sizeof(msg->body.why.target), "%s%s%s", protocol ? protocol : "",
		     protocol ? ":" : "", target);
	if (n < 0 || (size_t)n >= sizeof(msg->body.why.target)) {
		free(msg);
		reply_malformed(c, "the target is too long");
	} else if (!session_send(a, msg)) {
		reply_error(c, "the broker cannot be asked right now");
	} else {
		c->waiting = WAIT_WHY;
		c->id = id;
		uv_timer_start(&c->timer, on_timeout, ANSWER_MS, 0);
	}
}

/* Who asked that, NULL when nobody waits for it any more. */
static struct client *why_asker(struct local *local, uint64_t id)
{
	struct client *c;

	for (c = local->clients; c; c = c->next) {
		if (c->waiting == WAIT_WHY && c->id == id)
			break;
	}
	return c;
}

/**
 * local_error() - the broker could not handle a message
 * @local: the socket
 * @error: which, and why
 */
void local_error(struct local *local, const fz_Error *error)
{
	struct client *c = why_asker(local, error->id);

	if (c && error->code == fz_CODE_MALFORMED)
		reply_malformed(c, error->sentence);
	else if (c)
		reply_error(c, error->sentence);
}

/**
 * local_why() - the broker has answered a why
 * @local: the socket
 * @answer: the answer
 */
void local_why(struct local *local, const fz_WhyAnswer *answer)
{
	struct client *c = why_asker(local, answer->id);
	char tag[FZ_TAG_TEXT_SIZE] = "";
	json_t *root;

	if (!c)
		return;
	if (answer->tag.size == FZ_TAG_LEN)
		fz_format_tag(tag, sizeof(tag), answer->tag.bytes);
	/* the broker says yes to nothing that cannot be reached */
	root = json_pack("{s:b, s:b, s:b, s:s, s:s, s:s, s:s}", "ok", 1, "allowed", answer->allowed, "reachable",
			 answer->allowed, "sentence", answer->sentence, "resource", answer->resource, "policy",
			 answer->policy, "tag", tag);
	if (root && answer->has_lease_ms)
		json_object_set_new(root, "lease_ms", json_integer((json_int_t)answer->lease_ms));
	reply(c, root);
}

/**
 * local_offline() - the broker is gone: whoever waits for it is told
 * @local: the socket
 */
void local_offline(struct local *local)
{
	for (struct client *c = local ? local->clients : NULL; c; c = c->next) {
		if (c->waiting == WAIT_WHY)
			reply_error(c, "the connection to the broker was lost before it answered");
	}
}

/* --- the socket ------------------------------------------------------------ */

static void handle_line(struct client *c, const char *line)
{
	json_error_t where;
	const char *op;
	json_t *root;

	if (c->waiting != WAIT_NOTHING) {
		reply_error(c, "the question before this one is not answered yet");
		return;
	}
	root = json_loads(line, JSON_REJECT_DUPLICATES, &where);
	op = json_string_value(json_object_get(root, "op"));
	if (!op)
		reply_error(c, "a question is a JSON object with an op");
	else if (!strcmp(op, "join"))
		op_join(c, root);
	else if (!strcmp(op, "status"))
		op_status(c);
	else if (!strcmp(op, "why"))
		op_why(c, root);
	else
		reply_error(c, "op is none of join, status, why");
	json_decref(root);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct client *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->line + c->len, (unsigned int)(sizeof(c->line) - 1 - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = stream->data;
	char *end;

	(void)buf;
	if (n == 0)
		return;
	if (n < 0) {
		client_close(c);
		return;
	}
	c->len += (size_t)n;
	c->line[c->len] = '\0';
	while (!c->closing && (end = memchr(c->line, '\n', c->len))) {
		size_t used = (size_t)(end - c->line) + 1;

		*end = '\0';
		handle_line(c, c->line);
		sodium_memzero(c->line, used);
		memmove(c->line, c->line + used, c->len - used);
		c->len -= used;
	}
	if (c->len == sizeof(c->line) - 1)
		client_close(c);
}

static void on_connection(uv_stream_t *server, int status)
{
	struct local *local = server->data;
	struct client *c;

	if (status < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->local = local;
	c->handles = 2;
	uv_pipe_init(local->a->loop, &c->pipe, 0);
	uv_timer_init(local->a->loop, &c->timer);
	c->pipe.data = c;
	c->timer.data = c;
	c->next = local->clients;
	local->clients = c;
	local->n_clients++;
	if (uv_accept(server, (uv_stream_t *)&c->pipe) || local->n_clients > CLIENTS_MAX ||
	    uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read))
		client_close(c);
}

/* Whether somebody answers on a socket file, which is then not ours to replace. */
static bool somebody_there(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool there;

	strncpy(un.sun_path, path, sizeof(un.sun_path) - 1);
	there = fd >= 0 && !connect(fd, (struct sockaddr *)&un, sizeof(un));
	if (fd >= 0)
		close(fd);
	return there;
}

/* Nothing but a socket that nobody listens on is replaced. */
static int make_room(const char *path, struct fz_error *err)
{
	struct stat st;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return fz_error_set(err, -EEXIST, "%s exists and is no socket", path);
	if (somebody_there(path))
		return fz_error_set(err, -EADDRINUSE, "another fzagent listens on %s already", path);
	unlink(path);
	return 0;
}

static int make_parent(const char *path)
{
	char parent[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	strcpy(parent, path);
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return 0;
	*slash = '\0';
	return mkdir(parent, 0755) && errno != EEXIST ? -errno : 0;
}

/**
 * local_new() - listen for fzctl
 * @a: the agent
 * @path: of the socket; a dead one there is replaced
 * @err: why not
 *
 * Return: the socket, or NULL.
 */
struct local *local_new(struct agent *a, const char *path, struct fz_error *err)
{
	struct local *local;
	mode_t mask;
	int ret;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		fz_error_set(err, -ENAMETOOLONG, "the name of the control socket is too long: %s", path);
		return NULL;
	}
	if (make_room(path, err))
		return NULL;
	ret = make_parent(path);
	if (ret) {
		fz_error_set(err, ret, "the directory of %s cannot be made: %s", path, strerror(-ret));
		return NULL;
	}
	local = calloc(1, sizeof(*local));
	if (!local) {
		fz_error_memory(err);
		return NULL;
	}
	local->a = a;
	local->path = strdup(path);
	uv_pipe_init(a->loop, &local->pipe, 0);
	local->pipe.data = local;
	mask = umask(0177);
	ret = uv_pipe_bind(&local->pipe, path);
	umask(mask);
	if (!ret)
		ret = uv_listen((uv_stream_t *)&local->pipe, 8, on_connection);
	if (ret) {
		fz_error_set(err, ret, "the control socket %s cannot be made: %s", path, uv_strerror(ret));
		local_free(local);
		return NULL;
	}
	return local;
}

static void closed(uv_handle_t *handle)
{
	struct local *local = handle->data;

	free(local->path);
	free(local);
}

void local_free(struct local *local)
{
	if (!local)
		return;
	while (local->clients)
		client_close(local->clients);
	/* libuv removes the file that it bound */
	uv_close((uv_handle_t *)&local->pipe, closed);
}
