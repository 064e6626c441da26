// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel's enums are called on the command line and in output. */
#include "format.h"

#define NAME_OF(names, value) \
	((value) < sizeof(names) / sizeof((names)[0]) && (names)[value] ? (names)[value] : "?")

static const char *const directions[] = {
	[FZ_DIR_IN] = "in", [FZ_DIR_OUT] = "out",
};

static const char *const modes[] = {
	[FZ_MODE_OPEN] = "open", [FZ_MODE_OBSERVE] = "observe",
	[FZ_MODE_ENFORCE] = "enforce", [FZ_MODE_INHERIT] = "inherit",
};

static const char *const actions[] = {
	[FZ_ACTION_ALLOW] = "allow", [FZ_ACTION_DENY] = "deny",
};

static const char *const reasons[] = {
	[FZ_REASON_NONE] = "none",
	[FZ_REASON_NO_GRANT] = "no-grant",
	[FZ_REASON_DENIED] = "denied",
	[FZ_REASON_EXPIRED] = "expired",
	[FZ_REASON_QUOTA] = "quota",
	[FZ_REASON_RATE] = "rate",
	[FZ_REASON_SOURCE] = "source",
	[FZ_REASON_FRAGMENT] = "fragment",
	[FZ_REASON_MALFORMED] = "malformed",
	[FZ_REASON_TABLE_FULL] = "table-full",
	[FZ_REASON_REFUSED] = "refused",
	[FZ_REASON_TIMEOUT] = "timeout",
};

static const char *const verdicts[] = {
	[FZ_VERDICT_PASS] = "pass", [FZ_VERDICT_REFUSE] = "refuse",
	[FZ_VERDICT_OBSERVE] = "observe", [FZ_VERDICT_ASK] = "ask",
};

static const char *const flow_states[] = {
	[FZ_FLOW_NEW] = "new", [FZ_FLOW_OPENING] = "opening",
	[FZ_FLOW_ESTABLISHED] = "established", [FZ_FLOW_CLOSING] = "closing",
};

static const char *const flow_ends[] = {
	[FZ_END_NONE] = "none",
	[FZ_END_TIMEOUT] = "timeout",
	[FZ_END_CLOSED] = "closed",
	[FZ_END_REVOKED] = "revoked",
	[FZ_END_DENIED] = "denied",
	[FZ_END_EXPIRED] = "expired",
	[FZ_END_QUOTA] = "quota",
	[FZ_END_MODE] = "mode",
	[FZ_END_PEER_REMOVED] = "peer-removed",
	[FZ_END_FLUSHED] = "flushed",
	[FZ_END_EVICTED] = "evicted",
	[FZ_END_SOURCE] = "source",
};

static const char *const peer_events[] = {
	[FZ_PEER_EVENT_HANDSHAKE] = "handshake",
	[FZ_PEER_EVENT_ENDPOINT] = "endpoint",
	[FZ_PEER_EVENT_QUIET] = "quiet",
};

static const char *const policy_events[] = {
	[FZ_POLICY_EVENT_RESOURCE_NEW] = "resource-new",
	[FZ_POLICY_EVENT_RESOURCE_DEL] = "resource-del",
	[FZ_POLICY_EVENT_GRANT_NEW] = "grant-new",
	[FZ_POLICY_EVENT_GRANT_DEL] = "grant-del",
	[FZ_POLICY_EVENT_MODE] = "mode",
	[FZ_POLICY_EVENT_COMMIT] = "commit",
};

const char *fz_direction_name(uint8_t direction)
{
	return NAME_OF(directions, direction);
}

const char *fz_mode_name(uint8_t mode)
{
	return NAME_OF(modes, mode);
}

const char *fz_action_name(uint8_t action)
{
	return NAME_OF(actions, action);
}

const char *fz_reason_name(uint8_t reason)
{
	return NAME_OF(reasons, reason);
}

const char *fz_verdict_name(uint8_t verdict)
{
	return NAME_OF(verdicts, verdict);
}

const char *fz_flow_state_name(uint8_t state)
{
	return NAME_OF(flow_states, state);
}

const char *fz_flow_end_name(uint8_t end)
{
	return NAME_OF(flow_ends, end);
}

const char *fz_peer_event_name(uint8_t type)
{
	return NAME_OF(peer_events, type);
}

const char *fz_policy_event_name(uint8_t event)
{
	return NAME_OF(policy_events, event);
}
