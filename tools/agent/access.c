// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's requests about held flows, asked of the broker. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "agent.h"
#include "format.h"
#include "log.h"

/* The kernel holds a flow for two seconds; later answers still set the policy. */
#define PENDING_MS 6000
#define PENDING_MAX 4096
/* When the broker is away: short, so that its return is noticed soon. */
#define OFFLINE_TTL_MS 500

struct pending {
	uint64_t id;			/* towards the broker */
	struct fz_decision request;	/* the kernel's */
	uint64_t deadline;		/* uv_now() */
	UT_hash_handle hh;
};

/**
 * struct access - requests that wait for the broker
 * @next_id: the broker must not see an id twice, also over restarts, so it starts at random
 * @pending: by id, oldest first
 */
struct access {
	struct agent *a;
	uint64_t next_id;
	struct pending *pending;
	uv_timer_t timer;
};

/**
 * tuple_to_message() - a tuple as it travels to the broker
 * @out: the message
 * @in: the tuple
 */
void tuple_to_message(fz_Tuple *out, const struct fz_tuple *in)
{
	pb_size_t len = in->src.family == AF_INET6 || in->dst.family == AF_INET6 ? 16 : 4;

	memset(out, 0, sizeof(*out));
	out->protocol = in->protocol;
	out->src.size = len;
	memcpy(out->src.bytes, in->src.bytes, len);
	out->dst.size = len;
	memcpy(out->dst.bytes, in->dst.bytes, len);
	out->sport = in->sport;
	out->dport = in->dport;
	out->icmp_type = in->icmp_type;
	out->icmp_code = in->icmp_code;
	out->icmp_id = in->icmp_id;
}

static void verdict(struct access *access, const struct fz_decision *request, enum fz_verdict word,
		    uint32_t ttl_ms, const fz_AccessAnswer *answer)
{
	struct fz_decision d = { .id = request->id, .verdict = (uint8_t)word, .ttl_ms = ttl_ms };
	struct fz_error err = { 0 };

	if (word == FZ_VERDICT_REFUSE && answer && answer->tag.size == FZ_TAG_LEN) {
		d.has_tag = true;
		memcpy(d.tag, answer->tag.bytes, FZ_TAG_LEN);
	}
	/* -ENOENT: the kernel waited long enough and refused it by itself */
	if (fz_nl_verdict(access->a->kernel.nl, access->a->kernel.dev, &d, &err) && err.code != -ENOENT)
		log_warning("the kernel did not take a verdict: %s", err.text);
}

static void drop(struct access *access, struct pending *p)
{
	HASH_DEL(access->pending, p);
	free(p);
}

static void expire(uv_timer_t *timer)
{
	struct access *access = timer->data;
	uint64_t now = uv_now(access->a->loop);
	struct pending *p, *next;

	HASH_ITER(hh, access->pending, p, next) {
		if (p->deadline > now)
			break;
		drop(access, p);
	}
	if (access->pending)
		uv_timer_start(timer, expire, access->pending->deadline - now, 0);
}

struct access *access_new(struct agent *a)
{
	struct access *access = calloc(1, sizeof(*access));

	if (!access)
		return NULL;
	access->a = a;
	randombytes_buf(&access->next_id, sizeof(access->next_id));
	uv_timer_init(a->loop, &access->timer);
	access->timer.data = access;
	return access;
}

static bool ask(struct access *access, const struct pending *p)
{
	fz_Message *msg = session_message(fz_Message_access_request_tag);
	fz_AccessRequest *out;

	if (!msg)
		return false;
	out = &msg->body.access_request;
	out->id = p->id;
	out->direction = (fz_Direction)p->request.direction;
	out->has_tuple = true;
	tuple_to_message(&out->tuple, &p->request.tuple);
	if (p->request.has_peer)
		fz_bytes_set(out->peer, p->request.peer, FZ_KEY_LEN);
	return session_send(access->a, msg);
}

/**
 * access_request() - ask the broker about a flow that the kernel holds
 * @access: the requests
 * @request: the kernel's
 *
 * Without a broker it is refused at once: nothing new is granted then.
 */
void access_request(struct access *access, const struct fz_decision *request)
{
	struct agent *a = access->a;
	struct pending *p = NULL;
	char text[160];

	if (a->online && HASH_COUNT(access->pending) < PENDING_MAX)
		p = calloc(1, sizeof(*p));
	if (!p)
		goto refuse;
	if (!++access->next_id)
		access->next_id++;
	p->id = access->next_id;
	p->request = *request;
	p->deadline = uv_now(a->loop) + PENDING_MS;
	if (!ask(access, p))
		goto refuse;
	log_debug("asked: %s", fz_format_tuple(text, sizeof(text), &request->tuple));
	HASH_ADD(hh, access->pending, id, sizeof(p->id), p);
	if (!uv_is_active((uv_handle_t *)&access->timer))
		uv_timer_start(&access->timer, expire, PENDING_MS, 0);
	return;
refuse:
	log_debug("refused without asking: %s", fz_format_tuple(text, sizeof(text), &request->tuple));
	verdict(access, request, FZ_VERDICT_REFUSE, OFFLINE_TTL_MS, NULL);
	free(p);
}

/**
 * access_answer() - what the broker decided
 * @access: the requests
 * @answer: the answer; a grant in it is put in force even if the kernel has given up waiting
 */
void access_answer(struct access *access, const fz_AccessAnswer *answer)
{
	const struct want_peer *peer = NULL;
	struct fz_error err = { 0 };
	bool granted = answer->granted;
	struct pending *p;

	if (granted && answer->has_state && session_apply(access->a, &answer->state, false, &err) != 1)
		granted = false;
	if (answer->peer.size == FZ_KEY_LEN)
		peer = desired_peer(&access->a->desired, answer->peer.bytes);
	if (peer && peer->failed)	/* and the grant with it */
		granted = false;
	HASH_FIND(hh, access->pending, &answer->id, sizeof(answer->id), p);
	if (answer->granted)
		log_info("granted: %s, by policy %s", answer->resource, answer->policy);
	else
		log_info("refused: %s", answer->sentence);
	if (!p)
		return;
	if (granted)
		verdict(access, &p->request, FZ_VERDICT_PASS, 0, answer);
	else
		verdict(access, &p->request, FZ_VERDICT_REFUSE, answer->remember_ms, answer);
	drop(access, p);
}

/**
 * access_offline() - the broker is gone: refuse all that waits for it
 * @access: the requests
 */
void access_offline(struct access *access)
{
	struct pending *p, *next;

	HASH_ITER(hh, access->pending, p, next) {
		verdict(access, &p->request, FZ_VERDICT_REFUSE, OFFLINE_TTL_MS, NULL);
		drop(access, p);
	}
	uv_timer_stop(&access->timer);
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void access_free(struct access *access)
{
	if (!access)
		return;
	access_offline(access);
	uv_close((uv_handle_t *)&access->timer, closed);
}
