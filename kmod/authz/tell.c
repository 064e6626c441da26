// SPDX-License-Identifier: GPL-2.0-only
/* Telling what happened: to the listener of the device, which is netlink but for tests. */

#include "authz/tell.h"

#include "netlink/event.h"

#define CREATE_TRACE_POINTS
#include "authz/trace.h"

/**
 * fz_tell_denial() - tells of a packet that was refused, or would have been
 * @az: the device's
 * @ap: the peer's; NULL where there is none
 * @dir: direction
 * @tuple: of the packet; NULL if it could not be read
 * @decision: its verdict, reason, tag and grant
 *
 * Context: RCU, BH disabled.
 */
void fz_tell_denial(struct fz_authz *az, struct fz_authz_peer *ap, enum fz_direction dir,
		    const struct fz_tuple *tuple, const struct fz_decision *decision)
{
	struct fz_denial denial = {
		.dir = dir,
		.verdict = decision->verdict == FZ_VERDICT_OBSERVE ? FZ_VERDICT_OBSERVE :
								     FZ_VERDICT_REFUSE,
		.reason = decision->reason,
	};

	if (tuple && tuple->family) {
		denial.has_tuple = true;
		denial.tuple = *tuple;
	}
	if (decision->grant) {
		denial.has_tag = true;
		memcpy(denial.tag, decision->grant->tag, sizeof(denial.tag));
		denial.resource = decision->grant->key.resource->name;
	} else if (decision->has_tag) {
		denial.has_tag = true;
		memcpy(denial.tag, decision->tag, sizeof(denial.tag));
	}
	trace_fz_denial(az, ap, dir, &denial.tuple, denial.verdict, denial.reason);
	if (az->listener)
		az->listener->denial(az, ap, &denial);
	else if (az->dev)
		fz_event_denial(az, ap, &denial);
}

/**
 * fz_tell_flow() - tells that a flow started or ended
 * @az: the device's
 * @flow: the flow
 * @end: why it ended; FZ_END_NONE if it started
 *
 * Context: RCU, BH disabled.
 */
void fz_tell_flow(struct fz_authz *az, const struct fz_flow *flow, enum fz_flow_end end)
{
	if (trace_fz_flow_enabled()) {
		struct fz_tuple tuple;

		fz_flow_tuple(flow, &tuple);
		trace_fz_flow(az, flow->key.ap, flow->dir, &tuple, flow->state, end);
	}
	if (az->listener)
		az->listener->flow(az, flow, end);
	else if (az->dev)
		fz_event_flow(az, flow, end);
}

/**
 * fz_tell_request() - asks user space about a held flow
 * @az: the device's
 * @ap: the peer's; NULL where there is none
 * @request: the question
 *
 * Context: RCU, BH disabled.
 * Return: 0, -ESRCH when nobody answers requests, another error when they cannot be taken.
 */
int fz_tell_request(struct fz_authz *az, struct fz_authz_peer *ap,
		    const struct fz_request *request)
{
	int err = -ESRCH;

	if (az->listener)
		err = az->listener->request(az, ap, request);
	else if (az->dev)
		err = fz_event_request(az, ap, request);
	trace_fz_request(az, ap, request->dir, &request->tuple, !!err, 0);
	return err;
}
