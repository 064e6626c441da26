// SPDX-License-Identifier: GPL-2.0-only
/*
 * In a batch, resources and grants of the same kind for the same device wait
 * until there are many, and go in one message, which the kernel applies whole or
 * not at all. When it refuses one of them, those before it are sent again
 * without it, so that the outcome is that of one command after the other.
 */
#include "fzctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MAX 256

enum kind { NOTHING, RESOURCE_ADD, RESOURCE_DEL, GRANT_ADD, GRANT_DEL };

static struct {
	enum kind kind;
	char dev[IFNAMSIZ];
	struct fz_resource resources[QUEUE_MAX];
	struct fz_grant grants[QUEUE_MAX];
	unsigned long lines[QUEUE_MAX];
	size_t n;
	bool waits;		/* in a batch */
	bool force;		/* go on after a refusal */
	bool failed;		/* there was one */
	bool sending;
	unsigned long line;
} queue;

static int send_range(struct fz_nl *nl, size_t first, size_t n, struct fz_error *err)
{
	switch (queue.kind) {
	case RESOURCE_ADD:
		return fz_nl_resource_add(nl, queue.dev, queue.resources + first, n, err);
	case RESOURCE_DEL:
		return fz_nl_resource_del(nl, queue.dev, queue.resources + first, n, err);
	case GRANT_ADD:
		return fz_nl_grant_add(nl, queue.dev, queue.grants + first, n, err);
	case GRANT_DEL:
		return fz_nl_grant_del(nl, queue.dev, queue.grants + first, n, err);
	case NOTHING:
		break;
	}
	return 0;
}

/* Everything in @first, @n; says what was refused, and stops there unless forced to go on. */
static int send_all(struct fz_nl *nl, size_t first, size_t n)
{
	struct fz_error err;
	int ret = EXIT_DONE;
	size_t bad;

	while (n && send_range(nl, first, n, &err)) {
		if (err.object == FZ_NO_OBJECT && n > 1) {
			/* It did not say which: one at a time then. */
			for (size_t i = 0; i < n && (!ret || queue.force); i++)
				ret |= send_all(nl, first + i, 1);
			return ret;
		}
		bad = err.object == FZ_NO_OBJECT ? 0 : err.object;
		/* Adding is repeatable; of removals, none of this message was done. */
		if (bad)
			ret |= send_all(nl, first, bad);
		session_at_line(queue.lines[first + bad]);
		ret |= refused(&err);
		queue.failed = true;
		if (!queue.force)
			return ret;
		first += bad + 1;
		n -= bad + 1;
	}
	return queue.force ? EXIT_DONE : ret;
}

/**
 * queue_flush - send what waits
 *
 * Return: 0, or an exit status after saying what was refused; with force, 0
 */
int queue_flush(void)
{
	struct fz_nl *nl;
	int ret = 0;

	if (queue.n) {
		queue.sending = true;
		session_at_line(queue.lines[0]);
		ret = session_nl(&nl);
		if (!ret)
			ret = send_all(nl, 0, queue.n);
		queue.sending = false;
	}
	if (queue.kind == RESOURCE_ADD || queue.kind == RESOURCE_DEL) {
		for (size_t i = 0; i < queue.n; i++)
			fz_resource_clear(&queue.resources[i]);
	}
	queue.n = 0;
	queue.kind = NOTHING;
	session_at_line(queue.line);
	return ret;
}

/*
 * Something is about to be complained about: what came before it goes first.
 * Returns whether that failed, and the complaint no longer matters.
 */
bool queue_goes_first(void)
{
	return queue.n && !queue.sending && queue_flush();
}

/* Whether something was refused since queue_start(). */
bool queue_failed(void)
{
	return queue.failed;
}

/* Room for one more of a kind; the caller fills the element at queue.n and calls finish_one(). */
static int make_room(enum kind kind, const char *dev)
{
	int ret = check_device(dev);

	if (ret)
		return ret;
	if (queue.n == QUEUE_MAX || queue.kind != kind || strcmp(queue.dev, dev))
		ret = queue_flush();
	queue.kind = kind;
	strncpy(queue.dev, dev, sizeof(queue.dev) - 1);
	return ret;
}

static int finish_one(void)
{
	queue.lines[queue.n++] = queue.line;
	return queue.waits ? EXIT_DONE : queue_flush();
}

/**
 * queue_resource - add or remove a resource, now or with others
 * @dev: the device
 * @res: what it owns is taken
 * @del: by name, else all of it is put
 *
 * Return: an exit status; in a batch, refusals come with queue_flush()
 */
int queue_resource(const char *dev, struct fz_resource *res, bool del)
{
	int ret = make_room(del ? RESOURCE_DEL : RESOURCE_ADD, dev);

	if (ret) {
		fz_resource_clear(res);
		return ret;
	}
	queue.resources[queue.n] = *res;
	memset(res, 0, sizeof(*res));
	return finish_one();
}

/**
 * queue_grant - add or remove a grant, now or with others
 * @dev: the device
 * @grant: copied
 * @del: removes it
 *
 * Return: as queue_resource()
 */
int queue_grant(const char *dev, const struct fz_grant *grant, bool del)
{
	int ret = make_room(del ? GRANT_DEL : GRANT_ADD, dev);

	if (ret)
		return ret;
	queue.grants[queue.n] = *grant;
	return finish_one();
}

/* A batch begins: from here objects wait. @force: refusals do not end it. */
void queue_start(bool force)
{
	queue.waits = true;
	queue.force = force;
	queue.failed = false;
}

/* It is over. */
void queue_stop(void)
{
	queue.waits = false;
	queue.line = 0;
}

/* The line that the next objects come from. */
void queue_at_line(unsigned long line)
{
	queue.line = line;
	session_at_line(line);
}
