// SPDX-License-Identifier: GPL-2.0-only
/* Flows, explanations, counters. */
#include "nl_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct nlmsghdr *begin_flows(struct fz_nl *nl, uint8_t cmd, uint16_t flags, const char *dev,
				    const uint8_t *peer)
{
	struct nlmsghdr *nlh = fz_nl_begin(nl, &nl->cmd, cmd, flags);

	mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, FZ_FLOWS_A_IFNAME, dev);
	if (peer)
		mnl_attr_put_check(nlh, FZ_MSG_SIZE, FZ_FLOWS_A_PEER, FZ_KEY_LEN, peer);
	return nlh;
}

struct flow_dump {
	struct fz_flow *list;
	size_t n;
};

static int read_flows(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	struct flow_dump *dump = arg;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, 4) {
		struct fz_flow *flow;

		if (mnl_attr_get_type(attr) != FZ_FLOWS_A_FLOW)
			continue;
		flow = fz_list_append((void **)&dump->list, &dump->n, sizeof(*flow));
		if (!flow)
			return fz_error_memory(err);
		fz_get_flow(attr, flow);
	}
	return 0;
}

/**
 * fz_nl_flow_list - all flows of a device, or of one peer
 * @nl: the handle
 * @dev: the device
 * @peer: a public key; NULL for all
 * @list: receives an array for free()
 * @n: receives how many
 * @err: why not
 *
 * Flows come and go while they are read: what is listed was there at some
 * moment meanwhile.
 *
 * Return: 0 or a negative errno
 */
int fz_nl_flow_list(struct fz_nl *nl, const char *dev, const uint8_t *peer, struct fz_flow **list,
		    size_t *n, struct fz_error *err)
{
	struct flow_dump dump = { 0 };
	int ret;

	ret = fz_nl_check_name(dev, err);
	if (ret)
		return ret;
	for (int tries = 0;; tries++) {
		ret = fz_nl_talk(nl, &nl->cmd, dev,
				 begin_flows(nl, FZ_CMD_GET_FLOW, NLM_F_DUMP, dev, peer),
				 read_flows, &dump, err);
		if (ret || !nl->cmd.interrupted || tries == FZ_DUMP_RETRIES)
			break;
		free(dump.list);
		memset(&dump, 0, sizeof(dump));
	}
	if (ret) {
		if (peer && ret == -ENOENT)
			fz_nl_name_peer(peer, err);
		free(dump.list);
		return ret;
	}
	*list = dump.list;
	*n = dump.n;
	return 0;
}

/**
 * fz_nl_flow_flush - forget all flows of a device, or of one peer
 * @nl: the handle
 * @dev: the device
 * @peer: a public key; NULL for all
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nl_flow_flush(struct fz_nl *nl, const char *dev, const uint8_t *peer, struct fz_error *err)
{
	int ret = fz_nl_check_name(dev, err);

	if (!ret)
		ret = fz_nl_talk(nl, &nl->cmd, dev,
				 begin_flows(nl, FZ_CMD_DEL_FLOW, NLM_F_ACK, dev, peer), NULL, NULL, err);
	if (peer && ret == -ENOENT)
		fz_nl_name_peer(peer, err);
	return ret;
}

static int read_decision(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	struct fz_attrs attrs;

	(void)err;
	fz_attrs_read(&attrs, nlh);
	fz_get_decision(&attrs, arg);
	return 0;
}

/**
 * fz_nl_explain - what would happen to the first packet of a flow?
 * @nl: the handle
 * @dev: the device
 * @decision: peer, direction and tuple are the question; verdict, reason, mode
 *	and perhaps grant become the answer
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nl_explain(struct fz_nl *nl, const char *dev, struct fz_decision *decision,
		  struct fz_error *err)
{
	struct nlmsghdr *nlh = fz_nl_begin(nl, &nl->cmd, FZ_CMD_EXPLAIN, NLM_F_ACK);
	int ret;

	ret = fz_nl_check_name(dev, err);
	if (ret)
		return ret;
	mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, FZ_DECISION_A_IFNAME, dev);
	if (decision->has_peer)
		mnl_attr_put_check(nlh, FZ_MSG_SIZE, FZ_DECISION_A_PEER, FZ_KEY_LEN, decision->peer);
	mnl_attr_put_u8_check(nlh, FZ_MSG_SIZE, FZ_DECISION_A_DIRECTION, decision->direction);
	fz_put_tuple(nlh, FZ_DECISION_A_TUPLE, &decision->tuple);
	ret = fz_nl_talk(nl, &nl->cmd, dev, nlh, read_decision, decision, err);
	if (decision->has_peer && ret == -ENOENT)
		fz_nl_name_peer(decision->peer, err);
	return ret;
}

static int read_stats(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	struct fz_stats *stats = arg;
	const struct nlattr *attr;
	struct fz_attrs attrs;

	(void)err;
	fz_attrs_read(&attrs, nlh);
	stats->peers = fz_attr_u32(&attrs, FZ_STATS_A_PEERS);
	stats->resources = fz_attr_u32(&attrs, FZ_STATS_A_RESOURCES);
	stats->grants = fz_attr_u32(&attrs, FZ_STATS_A_GRANTS);
	stats->flows = fz_attr_u32(&attrs, FZ_STATS_A_FLOWS);
	stats->flows_created = fz_attr_u64(&attrs, FZ_STATS_A_FLOWS_CREATED);
	stats->flows_evicted = fz_attr_u64(&attrs, FZ_STATS_A_FLOWS_EVICTED);
	stats->requests = fz_attr_u64(&attrs, FZ_STATS_A_REQUESTS);
	stats->requests_suppressed = fz_attr_u64(&attrs, FZ_STATS_A_REQUESTS_SUPPRESSED);
	stats->events_suppressed = fz_attr_u64(&attrs, FZ_STATS_A_EVENTS_SUPPRESSED);
	stats->sideband_dropped = fz_attr_u64(&attrs, FZ_STATS_A_SIDEBAND_DROPPED);
	stats->generation = fz_attr_u64(&attrs, FZ_STATS_A_GENERATION);
	mnl_attr_for_each(attr, nlh, 4) {
		uint8_t reason, direction;
		struct fz_attrs count;

		if (mnl_attr_get_type(attr) != FZ_STATS_A_REFUSED)
			continue;
		fz_attrs_read_nest(&count, attr);
		reason = fz_attr_u8(&count, FZ_REASON_COUNT_A_REASON);
		direction = fz_attr_u8(&count, FZ_REASON_COUNT_A_DIRECTION);
		if (reason >= FZ_REASONS_MAX || direction >= FZ_DIRECTIONS)
			continue;
		stats->refused[direction][reason].packets = fz_attr_u64(&count, FZ_REASON_COUNT_A_PACKETS);
		stats->refused[direction][reason].observed = fz_attr_u64(&count, FZ_REASON_COUNT_A_OBSERVED);
	}
	return 0;
}

/**
 * fz_nl_stats_get - every counter of a device
 * @nl: the handle
 * @dev: the device
 * @stats: filled
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nl_stats_get(struct fz_nl *nl, const char *dev, struct fz_stats *stats, struct fz_error *err)
{
	struct nlmsghdr *nlh = fz_nl_begin(nl, &nl->cmd, FZ_CMD_GET_STATS, NLM_F_ACK);
	int ret;

	ret = fz_nl_check_name(dev, err);
	if (ret)
		return ret;
	memset(stats, 0, sizeof(*stats));
	mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, FZ_STATS_A_IFNAME, dev);
	return fz_nl_talk(nl, &nl->cmd, dev, nlh, read_stats, stats, err);
}
