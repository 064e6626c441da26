// SPDX-License-Identifier: GPL-2.0-only
/* A control message: what the decoder takes, and what the agent then makes of the states in it. */
#include "fuzz.h"

#include <string.h>

#include "../../agent/desired.h"
#include "message.h"

static const fz_State *state_of(const fz_Message *msg)
{
	switch (msg->which_body) {
	case fz_Message_state_tag:
		return &msg->body.state;
	case fz_Message_admit_tag:
		return msg->body.admit.has_state ? &msg->body.admit.state : NULL;
	case fz_Message_access_answer_tag:
		return msg->body.access_answer.has_state ? &msg->body.access_answer.state : NULL;
	case fz_Message_revoke_tag:
		return msg->body.revoke.has_state ? &msg->body.revoke.state : NULL;
	default:
		return NULL;
	}
}

/* As the session does: all is checked before any of it is put. */
static void put(const fz_State *state)
{
	struct desired desired = { 0 };
	struct fz_error err;
	int ret = 0;

	for (size_t i = 0; i < state->item_count && !ret; i++)
		ret = desired_check(&state->item[i], &err);
	for (size_t i = 0; i < state->item_count && !ret; i++)
		ret = desired_put(&desired, &state->item[i], &err);
	desired_clear(&desired);
}

static void put_candidates(const fz_Candidates *c)
{
	struct fz_candidate *list = NULL;
	size_t n;

	desired_candidates(&list, &n, c->candidate, c->candidate_count);
	free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[fz_Message_size];
	static fz_Message msg, back;
	struct fz_error err;
	size_t len;

	if (size > FZ_CHANNEL_MESSAGE_MAX || fz_message_decode(&msg, data, size, &err))
		return 0;
	always(*fz_message_name(&msg));
	/* what was taken can be said again */
	always(!fz_message_encode(&msg, bytes, sizeof(bytes), &len, &err));
	always(!fz_message_decode(&back, bytes, len, &err) && back.which_body == msg.which_body);
	if (state_of(&msg))
		put(state_of(&msg));
	if (msg.which_body == fz_Message_candidates_tag)
		put_candidates(&msg.body.candidates);
	return 0;
}
