// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel tells, and the few things said by whom it tells them. */
#include "nl_internal.h"

#include <assert.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#define EV_RCVBUF (4 << 20)	/* bytes of events that may wait for us */
#define EV_READS 256		/* messages at once: who called has other things to see to */
#define EV_TIMEOUT 5		/* seconds; an answer may be lost when they overflow */

/* Wakes the event loop while something is kept. */
static void set_wake(struct fz_nl *nl, bool on)
{
	uint64_t value = 1;
	ssize_t done;

	if (nl->wake_fd < 0 || nl->dispatching)
		return;
	if (on)
		done = write(nl->wake_fd, &value, sizeof(value));
	else
		done = read(nl->wake_fd, &value, sizeof(value));
	(void)done;	/* nonblocking: it already was as wanted */
}

/* An event in the middle of a dialogue; @nlh NULL says that some were lost. */
static void keep(const struct nlmsghdr *nlh, void *arg)
{
	struct fz_nl *nl = arg;
	struct fz_kept *kept;
	size_t len = nlh ? nlh->nlmsg_len : 0;

	if (nlh && (nlh->nlmsg_seq || nlh->nlmsg_type != nl->family))
		return;
	kept = malloc(sizeof(*kept) + len);
	if (!kept)
		return;
	kept->next = NULL;
	kept->len = len;
	if (nlh)
		memcpy(kept->message, nlh, len);
	*nl->kept_tail = kept;
	nl->kept_tail = &kept->next;
	set_wake(nl, true);
}

static struct fz_kept *take_kept(struct fz_nl *nl)
{
	struct fz_kept *kept = nl->kept_head;

	if (!kept)
		return NULL;
	nl->kept_head = kept->next;
	if (!nl->kept_head) {
		nl->kept_tail = &nl->kept_head;
		set_wake(nl, false);
	}
	return kept;
}

void fz_nl_forget_events(struct fz_nl *nl)
{
	struct fz_kept *kept;

	while ((kept = take_kept(nl)))
		free(kept);
}

/* The second socket, when something needs it. */
int fz_nl_open_events(struct fz_nl *nl, struct fz_error *err)
{
	struct timeval timeout = { .tv_sec = EV_TIMEOUT };
	int size = EV_RCVBUF, fd, ret;

	if (nl->ev.sock)
		return 0;
	ret = fz_nlsock_open(&nl->ev, NETLINK_GENERIC, err);
	if (ret)
		return ret;
	nl->ev.stray = keep;
	nl->ev.stray_arg = nl;
	fd = mnl_socket_get_fd(nl->ev.sock);
	/* Beyond the limit with CAP_NET_ADMIN, else as much as is allowed. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return 0;
}

/**
 * fz_nl_fd - a descriptor for an event loop
 * @nl: the handle, which keeps it
 *
 * Return: a descriptor that is readable when fz_nl_dispatch() has something to
 * do, or a negative errno.
 */
int fz_nl_fd(struct fz_nl *nl)
{
	struct epoll_event want = { .events = EPOLLIN };
	int ret, fd;

	if (nl->poll_fd >= 0)
		return nl->poll_fd;
	ret = fz_nl_open_events(nl, NULL);
	if (ret)
		return ret;
	nl->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fd = epoll_create1(EPOLL_CLOEXEC);
	if (nl->wake_fd < 0 || fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, nl->wake_fd, &want) ||
	    epoll_ctl(fd, EPOLL_CTL_ADD, mnl_socket_get_fd(nl->ev.sock), &want)) {
		ret = -errno;
		if (fd >= 0)
			close(fd);
		if (nl->wake_fd >= 0)
			close(nl->wake_fd);
		nl->wake_fd = -1;
		return ret;
	}
	nl->poll_fd = fd;
	if (nl->kept_head)
		set_wake(nl, true);
	return fd;
}

/**
 * fz_nl_on_event - who gets the events
 * @nl: the handle
 * @fn: called by fz_nl_dispatch() and fz_nl_wait(), for each event; it may call
 *	any function of the handle but those two and fz_nl_close()
 * @arg: for @fn
 */
void fz_nl_on_event(struct fz_nl *nl, fz_event_fn fn, void *arg)
{
	nl->fn = fn;
	nl->arg = arg;
}

/* Every set of attributes starts with the device, under the same numbers. */
static_assert((int)FZ_FLOWS_A_IFNAME == (int)FZ_POLICY_A_IFNAME &&
	      (int)FZ_DECISION_A_IFNAME == (int)FZ_POLICY_A_IFNAME &&
	      (int)FZ_SIDEBAND_A_IFNAME == (int)FZ_POLICY_A_IFNAME &&
	      (int)FZ_PEER_EVENT_A_IFNAME == (int)FZ_POLICY_A_IFNAME, "same number");

static void read_event_start(struct fz_event *event, enum fz_event_kind kind,
			     const struct fz_attrs *attrs, unsigned int suppressed)
{
	event->kind = kind;
	event->ifindex = fz_attr_u32(attrs, FZ_POLICY_A_IFINDEX);
	fz_attr_text(attrs, FZ_POLICY_A_IFNAME, event->dev, sizeof(event->dev));
	event->suppressed = fz_attr_u64(attrs, suppressed);
}

static void tell(struct fz_nl *nl, const struct fz_event *event)
{
	if (nl->fn)
		nl->fn(event, nl->arg);
}

/* A message without what it is about was sent for its count alone. True if it is one. */
static bool tell_suppressed(struct fz_nl *nl, const struct fz_attrs *attrs, unsigned int group, unsigned int about,
			    unsigned int suppressed)
{
	struct fz_event event = { 0 };

	if (attrs->found[about])
		return false;
	read_event_start(&event, FZ_EVENT_SUPPRESSED, attrs, suppressed);
	event.group = group;
	tell(nl, &event);
	return true;
}

/* A message can hold several flows; the count goes with the first. */
static void tell_flows(struct fz_nl *nl, const struct nlmsghdr *nlh, const struct fz_attrs *attrs,
		       enum fz_event_kind kind)
{
	struct fz_event event = { 0 };
	const struct nlattr *attr;

	if (tell_suppressed(nl, attrs, FZ_GROUP_FLOWS, FZ_FLOWS_A_FLOW, FZ_FLOWS_A_SUPPRESSED))
		return;
	read_event_start(&event, kind, attrs, FZ_FLOWS_A_SUPPRESSED);
	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) != FZ_FLOWS_A_FLOW)
			continue;
		fz_get_flow(attr, &event.flow);
		tell(nl, &event);
		event.suppressed = 0;
	}
}

/* One object of a message, as an event of its own. */
static void tell_object(struct fz_nl *nl, struct fz_event *event, const struct nlattr *attr)
{
	event->policy.has_grant = mnl_attr_get_type(attr) == FZ_POLICY_A_GRANT;
	event->policy.has_resource = !event->policy.has_grant;
	if (event->policy.has_grant)
		fz_get_grant(attr, &event->policy.grant);
	else
		fz_get_resource(attr, &event->policy.resource);
	tell(nl, event);
	fz_resource_clear(&event->policy.resource);
	event->suppressed = 0;
}

/* A message can hold several grants or resources; the count goes with the first. */
static void tell_policy(struct fz_nl *nl, const struct nlmsghdr *nlh, const struct fz_attrs *attrs)
{
	struct fz_event event = { 0 };
	const struct nlattr *attr;

	if (tell_suppressed(nl, attrs, FZ_GROUP_POLICY, FZ_POLICY_A_EVENT, FZ_POLICY_A_SUPPRESSED))
		return;
	read_event_start(&event, FZ_EVENT_POLICY, attrs, FZ_POLICY_A_SUPPRESSED);
	event.policy.event = fz_attr_u8(attrs, FZ_POLICY_A_EVENT);
	event.policy.generation = fz_attr_u64(attrs, FZ_POLICY_A_GENERATION);
	event.policy.has_peer = fz_attr_bytes(attrs, FZ_POLICY_A_PEER, event.policy.peer, FZ_KEY_LEN);
	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_POLICY_A_MODE)
			fz_get_mode(attr, event.policy.mode);
	}
	if (!attrs->found[FZ_POLICY_A_GRANT] && !attrs->found[FZ_POLICY_A_RESOURCE])
		tell(nl, &event);
	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_POLICY_A_GRANT || mnl_attr_get_type(attr) == FZ_POLICY_A_RESOURCE)
			tell_object(nl, &event, attr);
	}
}

static void tell_decision(struct fz_nl *nl, const struct fz_attrs *attrs, enum fz_event_kind kind)
{
	struct fz_event event = { 0 };

	if (tell_suppressed(nl, attrs, FZ_GROUP_DENIALS, FZ_DECISION_A_DIRECTION, FZ_DECISION_A_SUPPRESSED))
		return;
	read_event_start(&event, kind, attrs, FZ_DECISION_A_SUPPRESSED);
	fz_get_decision(attrs, &event.decision);
	tell(nl, &event);
}

static void tell_peer(struct fz_nl *nl, const struct fz_attrs *attrs)
{
	struct fz_event event = { 0 };

	if (tell_suppressed(nl, attrs, FZ_GROUP_PEERS, FZ_PEER_EVENT_A_TYPE, FZ_PEER_EVENT_A_SUPPRESSED))
		return;
	read_event_start(&event, FZ_EVENT_PEER, attrs, FZ_PEER_EVENT_A_SUPPRESSED);
	event.peer.type = fz_attr_u8(attrs, FZ_PEER_EVENT_A_TYPE);
	fz_attr_bytes(attrs, FZ_PEER_EVENT_A_PUBLIC_KEY, event.peer.public_key, FZ_KEY_LEN);
	fz_attr_endpoint(attrs, FZ_PEER_EVENT_A_ENDPOINT, &event.peer.endpoint);
	tell(nl, &event);
}

static void tell_sideband(struct fz_nl *nl, const struct fz_attrs *attrs)
{
	const struct nlattr *data = attrs->found[FZ_SIDEBAND_A_DATA];
	struct fz_event event = { 0 };

	read_event_start(&event, FZ_EVENT_SIDEBAND, attrs, FZ_SIDEBAND_A_SUPPRESSED);
	fz_attr_endpoint(attrs, FZ_SIDEBAND_A_ENDPOINT, &event.sideband.from);
	event.sideband.data = data ? mnl_attr_get_payload(data) : NULL;
	event.sideband.len = data ? mnl_attr_get_payload_len(data) : 0;
	tell(nl, &event);
}

static void tell_message(struct fz_nl *nl, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	struct fz_attrs attrs;

	if (nlh->nlmsg_type != nl->family || nlh->nlmsg_len < mnl_nlmsg_size(sizeof(*genl)))
		return;
	fz_attrs_read(&attrs, nlh);
	switch (genl->cmd) {
	case FZ_CMD_PEER_EVENT:
		tell_peer(nl, &attrs);
		break;
	case FZ_CMD_FLOW_START:
		tell_flows(nl, nlh, &attrs, FZ_EVENT_FLOW_START);
		break;
	case FZ_CMD_FLOW_END:
		tell_flows(nl, nlh, &attrs, FZ_EVENT_FLOW_END);
		break;
	case FZ_CMD_DENIAL:
		tell_decision(nl, &attrs, FZ_EVENT_DENIAL);
		break;
	case FZ_CMD_REQUEST:
		tell_decision(nl, &attrs, FZ_EVENT_REQUEST);
		break;
	case FZ_CMD_POLICY_EVENT:
		tell_policy(nl, nlh, &attrs);
		break;
	case FZ_CMD_SIDEBAND:
		tell_sideband(nl, &attrs);
		break;
	default:	/* a newer kernel's */
		break;
	}
}

/* How many messages found no room since this was asked last. */
static uint32_t new_drops(struct fz_nl *nl)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 }, fresh;
	socklen_t len = sizeof(info);

	if (getsockopt(mnl_socket_get_fd(nl->ev.sock), SOL_SOCKET, SO_MEMINFO, info, &len))
		return 0;
	fresh = info[SK_MEMINFO_DROPS] - nl->drops;
	nl->drops = info[SK_MEMINFO_DROPS];
	return fresh;
}

/* From the overflow on the kernel drops all that comes, until the socket is empty. */
static void tell_lost(struct fz_nl *nl)
{
	struct fz_event event = { .kind = FZ_EVENT_LOST, .lost = new_drops(nl) };

	nl->overflowed = true;
	tell(nl, &event);
}

/* What was dropped while the rest was read. */
static void tell_more_lost(struct fz_nl *nl)
{
	struct fz_event event = { .kind = FZ_EVENT_LOST };

	if (!nl->overflowed)
		return;
	nl->overflowed = false;
	event.lost = new_drops(nl);
	if (event.lost)
		tell(nl, &event);
}

static void tell_kept(struct fz_nl *nl)
{
	struct fz_kept *kept;

	while ((kept = take_kept(nl))) {
		if (kept->len)
			tell_message(nl, (const struct nlmsghdr *)kept->message);
		else
			tell_lost(nl);
		free(kept);
	}
}

static int dispatch(struct fz_nl *nl, struct fz_error *err)
{
	struct nlmsghdr *nlh;
	ssize_t len;
	int rest;

	tell_kept(nl);
	if (!nl->ev.sock)
		return 0;
	for (unsigned int reads = 0; reads < EV_READS; reads++) {
		len = recv(mnl_socket_get_fd(nl->ev.sock), nl->ev.rx, FZ_RX_SIZE, MSG_DONTWAIT);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN) {
			tell_more_lost(nl);
			return 0;
		}
		if (len < 0 && errno == ENOBUFS) {
			tell_lost(nl);
			continue;
		}
		if (len < 0)
			return fz_error_set(err, -errno, "cannot read events: %s", strerror(errno));
		rest = (int)len;
		for (nlh = (struct nlmsghdr *)nl->ev.rx; mnl_nlmsg_ok(nlh, rest);
		     nlh = mnl_nlmsg_next(nlh, &rest))
			keep(nlh, nl);
		tell_kept(nl);
	}
	return 0;
}

/**
 * fz_nl_dispatch - hand out the events that are there
 * @nl: the handle
 * @err: why not
 *
 * Does not wait, and leaves some for the next time if they come without end. A
 * handler that calls back into the handle may reuse its buffers, so each read is
 * copied first.
 *
 * Return: 0 or a negative errno
 */
int fz_nl_dispatch(struct fz_nl *nl, struct fz_error *err)
{
	int ret;

	if (nl->kept_head)
		set_wake(nl, false);
	nl->dispatching = true;
	ret = dispatch(nl, err);
	nl->dispatching = false;
	if (nl->kept_head)
		set_wake(nl, true);
	return ret;
}

/**
 * fz_nl_wait - wait for events and hand them out
 * @nl: the handle
 * @timeout_ms: how long at most; -1 for ever
 * @err: why not
 *
 * Return: 1 if there were some, 0 if the time is over, or a negative errno;
 * -EINTR if a signal came.
 */
int fz_nl_wait(struct fz_nl *nl, int timeout_ms, struct fz_error *err)
{
	struct pollfd pfd = { .fd = fz_nl_fd(nl), .events = POLLIN };
	int ret;

	if (pfd.fd < 0)
		return fz_error_set(err, pfd.fd, "cannot wait for events: %s", strerror(-pfd.fd));
	ret = poll(&pfd, 1, timeout_ms);
	if (ret < 0)
		return fz_error_set(err, -errno, "cannot wait for events: %s", strerror(errno));
	if (!ret)
		return 0;
	ret = fz_nl_dispatch(nl, err);
	return ret ? ret : 1;
}

static int change_groups(struct fz_nl *nl, unsigned int groups, int option, struct fz_error *err)
{
	int ret = fz_nl_open_events(nl, err);

	for (size_t i = 0; !ret && i < sizeof(nl->groups) / sizeof(nl->groups[0]); i++) {
		if (!(groups & (1U << i)))
			continue;
		if (mnl_socket_setsockopt(nl->ev.sock, option, &nl->groups[i], sizeof(nl->groups[i])) < 0)
			ret = fz_error_set(err, -errno, "cannot listen to events: %s",
					   errno == EPERM ? "CAP_NET_ADMIN is needed" : strerror(errno));
	}
	return ret;
}

/**
 * fz_nl_join - hear of what happens on every fz device of this network namespace
 * @nl: the handle
 * @groups: FZ_GROUP_*
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nl_join(struct fz_nl *nl, unsigned int groups, struct fz_error *err)
{
	return change_groups(nl, groups, NETLINK_ADD_MEMBERSHIP, err);
}

/**
 * fz_nl_leave - no longer
 * @nl: the handle
 * @groups: FZ_GROUP_*
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nl_leave(struct fz_nl *nl, unsigned int groups, struct fz_error *err)
{
	return change_groups(nl, groups, NETLINK_DROP_MEMBERSHIP, err);
}

/**
 * fz_nl_register - become the process that answers requests or handles the sideband
 * @nl: the handle; closing it gives the roles back
 * @dev: the device
 * @roles: FZ_ROLE_*; 0 gives all back
 * @err: why not
 *
 * Return: 0 or a negative errno; -EBUSY if another process has a role
 */
int fz_nl_register(struct fz_nl *nl, const char *dev, uint32_t roles, struct fz_error *err)
{
	struct nlmsghdr *nlh;
	int ret;

	ret = fz_nl_check_name(dev, err);
	if (!ret)
		ret = fz_nl_open_events(nl, err);
	if (ret)
		return ret;
	nlh = fz_nl_begin(nl, &nl->ev, FZ_CMD_REGISTER, NLM_F_ACK);
	mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, FZ_SIDEBAND_A_IFNAME, dev);
	mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FZ_SIDEBAND_A_ROLES, roles);
	return fz_nl_talk(nl, &nl->ev, dev, nlh, NULL, NULL, err);
}

/**
 * fz_nl_verdict - answer a request
 * @nl: the handle that registered for them
 * @dev: the device
 * @decision: id and verdict; with FZ_VERDICT_PASS perhaps a grant to add, with
 *	FZ_VERDICT_REFUSE ttl_ms, for how long to remember it, and perhaps a tag
 * @err: why not
 *
 * Return: 0 or a negative errno; -ENOENT if nobody waits for it any more
 */
int fz_nl_verdict(struct fz_nl *nl, const char *dev, const struct fz_decision *decision,
		  struct fz_error *err)
{
	struct nlmsghdr *nlh;
	int ret;

	ret = fz_nl_check_name(dev, err);
	if (!ret)
		ret = fz_nl_open_events(nl, err);
	if (ret)
		return ret;
	nlh = fz_nl_begin(nl, &nl->ev, FZ_CMD_VERDICT, NLM_F_ACK);
	mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, FZ_DECISION_A_IFNAME, dev);
	mnl_attr_put_u64_check(nlh, FZ_MSG_SIZE, FZ_DECISION_A_ID, decision->id);
	mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_DECISION_A_VERDICT, decision->verdict);
	if (decision->ttl_ms)
		mnl_attr_put_u32_check(nlh, FZ_MSG_SIZE, FZ_DECISION_A_TTL_MS, decision->ttl_ms);
	if (decision->has_tag)
		mnl_attr_put_check(nlh, FZ_MSG_SIZE, FZ_DECISION_A_TAG, FZ_TAG_LEN, decision->tag);
	if (decision->has_grant)
		fz_put_grant(nlh, FZ_DECISION_A_GRANT, &decision->grant, false);
	return fz_nl_talk(nl, &nl->ev, dev, nlh, NULL, NULL, err);
}

/**
 * fz_nl_sideband_send - send a datagram from the tunnel's port
 * @nl: the handle that registered for the sideband
 * @dev: the device
 * @to: where to
 * @data: the datagram
 * @len: its bytes, at most FZ_SIDEBAND_MAX
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nl_sideband_send(struct fz_nl *nl, const char *dev, const union fz_endpoint *to,
			const void *data, size_t len, struct fz_error *err)
{
	struct nlmsghdr *nlh;
	int ret;

	ret = fz_nl_check_name(dev, err);
	if (!ret && (!len || len > FZ_SIDEBAND_MAX))
		ret = fz_error_set(err, -EMSGSIZE, "a sideband datagram has 1 to %u bytes", FZ_SIDEBAND_MAX);
	if (!ret)
		ret = fz_nl_open_events(nl, err);
	if (ret)
		return ret;
	nlh = fz_nl_begin(nl, &nl->ev, FZ_CMD_SEND_SIDEBAND, NLM_F_ACK);
	mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, FZ_SIDEBAND_A_IFNAME, dev);
	fz_put_endpoint(nlh, FZ_SIDEBAND_A_ENDPOINT, to);
	mnl_attr_put_check(nlh, FZ_MSG_SIZE, FZ_SIDEBAND_A_DATA, len, data);
	return fz_nl_talk(nl, &nl->ev, dev, nlh, NULL, NULL, err);
}
