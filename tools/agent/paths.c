// SPDX-License-Identifier: GPL-2.0-only
/*
 * This device's candidates: where the other end may reach its tunnel port.
 *
 * Host candidates are the addresses of its links. The reflexive one is what
 * the broker's STUN server sees, asked through the tunnel's own socket by way
 * of the kernel's sideband, again and again so that a NAT keeps it.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "format.h"
#include "log.h"
#include "parse.h"
#include "stun.h"

#define STUN_FIRST_MS 300	/* retransmission while there is no answer; doubles */
#define STUN_SLOW_MS 8000
#define STUN_KEEP_MS 20000	/* NATs forget UDP after 30 s */
#define CANDIDATES_MAX 16

/* RFC 8445, section 5.1.2: the type decides first. */
#define PRIORITY_HOST 126u
#define PRIORITY_REFLEXIVE 100u

/**
 * struct paths - candidates and how they are found
 * @list: as last reported
 * @stun: where to ask; family 0 if the broker has no STUN server
 * @id: of the transaction under way
 * @mapped: what was answered last; family 0: nothing
 * @delay: until it is asked again
 */
struct paths {
	struct agent *a;
	fz_Candidate list[CANDIDATES_MAX];
	size_t n;
	union fz_endpoint stun;
	uint8_t id[FZ_STUN_ID_LEN];
	bool asking;
	struct sockaddr_storage mapped;
	uint32_t delay;
	uv_timer_t timer;
	uv_timer_t links;
};

static uint32_t priority_of(unsigned int type, unsigned int preference)
{
	return type << 24 | preference << 8 | 255;
}

static bool usable(const struct fz_prefix *p)
{
	const uint8_t *b = p->addr.bytes;

	if (p->addr.family == AF_INET)
		return b[0] != 127 && b[0] != 0 && !(b[0] == 169 && b[1] == 254);
	return !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80) && memcmp(b, &in6addr_loopback, 16);
}

static void add(struct paths *paths, const struct sockaddr *sa, fz_CandidateKind kind, uint32_t priority)
{
	fz_Candidate *c = &paths->list[paths->n];
	fz_Endpoint ep = fz_Endpoint_init_zero;

	if (paths->n == CANDIDATES_MAX || !fz_endpoint_from_sockaddr(&ep, sa))
		return;
	for (size_t i = 0; i < paths->n; i++) {
		if (paths->list[i].endpoint.port == ep.port &&
		    paths->list[i].endpoint.addr.size == ep.addr.size &&
		    !memcmp(paths->list[i].endpoint.addr.bytes, ep.addr.bytes, ep.addr.size))
			return;
	}
	memset(c, 0, sizeof(*c));
	c->has_endpoint = true;
	c->endpoint = ep;
	c->kind = kind;
	c->priority = priority;
	paths->n++;
}

static void add_host(struct paths *paths, const struct fz_addr *addr, unsigned int preference)
{
	union fz_endpoint ep;

	memset(&ep, 0, sizeof(ep));
	ep.sa.sa_family = addr->family;
	if (addr->family == AF_INET) {
		ep.v4.sin_addr = addr->v4;
		ep.v4.sin_port = htons(paths->a->kernel.listen_port);
	} else {
		ep.v6.sin6_addr = addr->v6;
		ep.v6.sin6_port = htons(paths->a->kernel.listen_port);
	}
	add(paths, &ep.sa, fz_CANDIDATE_HOST, priority_of(PRIORITY_HOST, preference));
}

/* The addresses of tunnels are no way to reach a tunnel. */
static bool tunnel(const struct fz_link *links, size_t n, uint32_t ifindex)
{
	for (size_t i = 0; i < n; i++) {
		if (links[i].ifindex == ifindex)
			return !strcmp(links[i].kind, "fz") || !strcmp(links[i].kind, "wireguard") ||
			       !links[i].up;
	}
	return true;
}

/* Makes the list anew. Return: whether it differs from the one before. */
static bool gather(struct paths *paths)
{
	struct kernel *k = &paths->a->kernel;
	fz_Candidate before[CANDIDATES_MAX];
	struct fz_local_addr *addrs = NULL;
	struct fz_link *links = NULL;
	size_t n_before = paths->n, n_addrs = 0, n_links = 0;
	unsigned int preference = 65535;

	memcpy(before, paths->list, sizeof(before));
	memset(paths->list, 0, sizeof(paths->list));
	paths->n = 0;
	if (paths->mapped.ss_family)
		add(paths, (struct sockaddr *)&paths->mapped, fz_CANDIDATE_REFLEXIVE,
		    priority_of(PRIORITY_REFLEXIVE, 65535));
	if (fz_rtnl_link_list(k->rt, &links, &n_links, NULL) ||
	    fz_rtnl_addr_list(k->rt, &addrs, &n_addrs, NULL))
		n_addrs = 0;
	for (size_t i = 0; i < n_addrs; i++) {
		if (usable(&addrs[i].prefix) && !tunnel(links, n_links, addrs[i].ifindex))
			add_host(paths, &addrs[i].prefix.addr, preference--);
	}
	free(links);
	free(addrs);
	return paths->n != n_before || memcmp(before, paths->list, sizeof(before));
}

/**
 * paths_candidates() - the candidates as they are now
 * @paths: the paths
 * @out: array
 * @room: its size
 *
 * Return: how many were written.
 */
size_t paths_candidates(const struct paths *paths, fz_Candidate *out, size_t room)
{
	size_t n = paths->n < room ? paths->n : room;

	memcpy(out, paths->list, n * sizeof(*out));
	return n;
}

/**
 * paths_report() - tell the broker all candidates
 * @paths: the paths
 */
void paths_report(struct paths *paths)
{
	fz_Message *msg = paths->a->online ? session_message(fz_Message_candidates_tag) : NULL;

	if (!msg)
		return;
	msg->body.candidates.candidate_count =
		(pb_size_t)paths_candidates(paths, msg->body.candidates.candidate, CANDIDATES_MAX);
	session_send(paths->a, msg);
}

static void refresh(struct paths *paths)
{
	if (gather(paths))
		paths_report(paths);
}

/* The STUN server: the address it was told by, else the broker's own. */
static void find_server(struct paths *paths)
{
	struct agent *a = paths->a;
	uint16_t port = a->welcome.stun_port ? (uint16_t)a->welcome.stun_port : a->id.broker.stun_port;
	struct sockaddr_storage broker;
	struct fz_addr addr;

	memset(&paths->stun, 0, sizeof(paths->stun));
	if (!port || !uplink_address(a->uplink, &broker))
		return;
	memcpy(&paths->stun, &broker, sizeof(paths->stun));
	if (*a->welcome.stun_host && !fz_parse_addr(a->welcome.stun_host, &addr, NULL)) {
		memset(&paths->stun, 0, sizeof(paths->stun));
		paths->stun.sa.sa_family = addr.family;
		if (addr.family == AF_INET)
			paths->stun.v4.sin_addr = addr.v4;
		else
			paths->stun.v6.sin6_addr = addr.v6;
	}
	if (paths->stun.sa.sa_family == AF_INET)
		paths->stun.v4.sin_port = htons(port);
	else
		paths->stun.v6.sin6_port = htons(port);
}

static void ask(uv_timer_t *timer)
{
	struct paths *paths = timer->data;
	struct kernel *k = &paths->a->kernel;
	struct fz_error err = { 0 };
	uint8_t request[FZ_STUN_MAX];
	size_t len;

	if (!paths->stun.sa.sa_family)
		return;
	if (!paths->asking) {
		randombytes_buf(paths->id, sizeof(paths->id));
		paths->asking = true;
		paths->delay = STUN_FIRST_MS;
	} else {
		paths->delay = paths->delay * 2 > STUN_SLOW_MS ? STUN_SLOW_MS : paths->delay * 2;
	}
	len = fz_stun_request(request, sizeof(request), paths->id);
	if (fz_nl_sideband_send(k->nl, k->dev, &paths->stun, request, len, &err))
		log_debug("the STUN server could not be asked: %s", err.text);
	uv_timer_start(timer, ask, paths->delay, 0);
}

static bool from_server(const struct paths *paths, const union fz_endpoint *from)
{
	const union fz_endpoint *stun = &paths->stun;

	if (from->sa.sa_family != stun->sa.sa_family)
		return false;
	if (from->sa.sa_family == AF_INET)
		return from->v4.sin_port == stun->v4.sin_port &&
		       from->v4.sin_addr.s_addr == stun->v4.sin_addr.s_addr;
	return from->v6.sin6_port == stun->v6.sin6_port &&
	       !memcmp(&from->v6.sin6_addr, &stun->v6.sin6_addr, sizeof(from->v6.sin6_addr));
}

/**
 * paths_sideband() - a datagram came to the tunnel's port that is not WireGuard's
 * @paths: the paths
 * @from: who sent it
 * @data: the datagram
 * @len: its length
 *
 * Only the answer to our own question counts: same transaction, same server.
 */
void paths_sideband(struct paths *paths, const union fz_endpoint *from, const void *data, size_t len)
{
	char text[FZ_ENDPOINT_TEXT_SIZE];
	union fz_endpoint mapped;
	struct fz_stun msg;

	fz_stun_parse(&msg, data, len);
	if (!paths->asking || msg.kind != FZ_STUN_SUCCESS || !fz_stun_answers(&msg, paths->id) ||
	    !from_server(paths, from) || !msg.mapped.ss_family)
		return;
	paths->asking = false;
	memcpy(&mapped, &msg.mapped, sizeof(mapped));
	if (memcmp(&paths->mapped, &msg.mapped, sizeof(paths->mapped)))
		log_info("the broker sees the tunnel's port as %s", fz_format_endpoint(text, sizeof(text), &mapped));
	paths->mapped = msg.mapped;
	refresh(paths);
	uv_timer_start(&paths->timer, ask, STUN_KEEP_MS, 0);
}

static void on_links(uv_timer_t *timer)
{
	refresh(timer->data);
}

struct paths *paths_new(struct agent *a)
{
	struct paths *paths = calloc(1, sizeof(*paths));

	if (!paths)
		return NULL;
	paths->a = a;
	uv_timer_init(a->loop, &paths->timer);
	uv_timer_init(a->loop, &paths->links);
	paths->timer.data = paths;
	paths->links.data = paths;
	return paths;
}

/**
 * paths_start() - the broker is known: find the candidates, now and whenever they change
 * @paths: the paths
 */
void paths_start(struct paths *paths)
{
	find_server(paths);
	gather(paths);
	paths->asking = false;
	if (paths->stun.sa.sa_family)
		uv_timer_start(&paths->timer, ask, 0, 0);
	if (!uv_is_active((uv_handle_t *)&paths->links))
		uv_timer_start(&paths->links, on_links, 2000, 2000);
}

static void links_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void timer_closed(uv_handle_t *handle)
{
	struct paths *paths = handle->data;

	uv_close((uv_handle_t *)&paths->links, links_closed);
}

void paths_free(struct paths *paths)
{
	if (!paths)
		return;
	uv_timer_stop(&paths->links);	/* it is closed after the other one */
	uv_close((uv_handle_t *)&paths->timer, timer_closed);
}
