// SPDX-License-Identifier: GPL-2.0-only
/* A second evaluator of policy, without an index. */

#include "tests/plain.h"

enum lease {
	RUNS,
	HAS_ENDED,
	ENDS_NOW,
};

static enum lease lease_of(const struct plain_grant *grant, const struct plain_question *question)
{
	if (!grant->lease_ms || question->to < grant->ends_from)
		return RUNS;
	return question->from >= grant->ends_to ? HAS_ENDED : ENDS_NOW;
}

static bool prefix_covers(const struct fz_prefix *prefix, const struct fz_tuple *tuple)
{
	unsigned int bit;

	if (prefix->family != tuple->family)
		return false;
	for (bit = 0; bit < prefix->len; bit++) {
		u32 differs = ntohl(prefix->addr.words[bit / 32] ^ tuple->dst.words[bit / 32]);

		if (differs >> (31 - bit % 32) & 1)
			return false;
	}
	return true;
}

static bool service_covers(const struct fz_service *service, const struct fz_tuple *tuple)
{
	bool v4 = tuple->family == AF_INET;
	u16 port = tuple->dport;

	if (service->proto != tuple->proto)
		return false;
	if (service->all)
		return true;
	/* ICMP of the other family is a protocol without types. */
	if (tuple->proto == (v4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return false;
	if (tuple->proto == (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		port = tuple->icmp_type;
	return port >= service->min && port <= service->max;
}

static bool resource_covers(const struct plain_resource *resource, const struct fz_tuple *tuple)
{
	bool service = !resource->n_services, prefix = false;
	unsigned int i;

	for (i = 0; i < resource->n_services; i++)
		service |= service_covers(&resource->services[i], tuple);
	for (i = 0; i < resource->n_prefixes; i++)
		prefix |= prefix_covers(&resource->prefixes[i], tuple);
	return resource->there && service && prefix;
}

static bool grant_covers(const struct plain *plain, const struct plain_grant *grant,
			 const struct plain_question *question)
{
	return grant->there && grant->dir == question->dir &&
	       (grant->peer == FZ_STAGE_ANY || grant->peer == (int)question->peer) &&
	       resource_covers(&plain->policy.resources[grant->resource], &question->tuple);
}

/**
 * plain_mode() - the mode in force
 * @plain: all
 * @peer: number of the peer
 * @dir: direction
 *
 * Context: any.
 * Return: the mode.
 */
struct fz_mode_setting plain_mode(const struct plain *plain, unsigned int peer, u8 dir)
{
	if (plain->peers[peer][dir].mode == FZ_MODE_INHERIT)
		return plain->device[dir];
	return plain->peers[peer][dir];
}

/**
 * plain_answer() - what should happen to the first packet of a flow
 * @plain: all
 * @question: about it
 *
 * Context: any.
 * Return: the answer.
 */
struct plain_answer plain_answer(const struct plain *plain, const struct plain_question *question)
{
	struct fz_mode_setting mode = plain_mode(plain, question->peer, question->dir);
	bool allow = false, deny = false, expired = false, unsure = false;
	struct plain_answer answer = { .verdict = FZ_VERDICT_PASS, .mode = mode.mode };
	unsigned int i;

	if (mode.mode == FZ_MODE_OPEN)
		return answer;
	for (i = 0; i < PLAIN_GRANTS; i++) {
		const struct plain_grant *grant = &plain->policy.grants[i];
		enum lease lease = lease_of(grant, question);

		if (!grant_covers(plain, grant, question))
			continue;
		unsure |= lease == ENDS_NOW;
		deny |= lease == RUNS && grant->action == FZ_ACTION_DENY;
		allow |= lease == RUNS && grant->action == FZ_ACTION_ALLOW;
		expired |= lease == HAS_ENDED && grant->action == FZ_ACTION_ALLOW;
	}
	if (unsure)
		answer.verdict = PLAIN_UNSURE;
	else if (deny)
		answer.reason = FZ_REASON_DENIED;
	else if (!allow)
		answer.reason = expired ? FZ_REASON_EXPIRED : FZ_REASON_NO_GRANT;
	if (unsure || answer.reason == FZ_REASON_NONE)
		return answer;
	if (mode.mode == FZ_MODE_OBSERVE)
		answer.verdict = FZ_VERDICT_OBSERVE;
	else if (mode.flags & FZ_MODE_F_ASK && !deny)
		answer.verdict = FZ_VERDICT_ASK;
	else
		answer.verdict = FZ_VERDICT_REFUSE;
	return answer;
}

/* Without limits rather than with, and that which ends last. */
static bool is_better(const struct plain_grant *a, const struct plain_grant *b)
{
	if (a->limited != b->limited)
		return b->limited;
	if (!a->lease_ms || !b->lease_ms)
		return !a->lease_ms && b->lease_ms;
	return a->ends_from > b->ends_to;
}

static const struct plain_grant *named(const struct plain *plain,
				       const struct fz_grant_info *info,
				       const struct fz_stage *stage)
{
	unsigned int i;

	for (i = 0; i < PLAIN_GRANTS; i++) {
		const struct plain_grant *grant = &plain->policy.grants[i];
		const struct fz_authz_peer *ap = grant->peer == FZ_STAGE_ANY ?
						 NULL : &stage->peers[grant->peer];

		if (grant->there && ap == info->ap && grant->dir == info->dir &&
		    !strcmp(plain->policy.resources[grant->resource].name, info->resource))
			return grant;
	}
	return NULL;
}

/**
 * plain_wrong_grant() - what is wrong with the grant that an explanation names
 * @plain: all
 * @question: what was explained
 * @explanation: with the right verdict and reason
 * @stage: whose peers are meant
 *
 * Context: any.
 * Return: a word, or NULL if it is one that decides.
 */
const char *plain_wrong_grant(const struct plain *plain, const struct plain_question *question,
			      const struct fz_explanation *explanation,
			      const struct fz_stage *stage)
{
	bool deny = explanation->reason == FZ_REASON_DENIED;
	const struct plain_grant *grant;
	unsigned int i;

	if (explanation->mode == FZ_MODE_OPEN || explanation->reason == FZ_REASON_NO_GRANT)
		return explanation->has_grant ? "named" : NULL;
	if (!explanation->has_grant)
		return "not named";
	grant = named(plain, &explanation->grant, stage);
	if (!grant || !grant_covers(plain, grant, question))
		return "another's";
	if (grant->action != (deny ? FZ_ACTION_DENY : FZ_ACTION_ALLOW) ||
	    grant->tag != explanation->grant.tag[0])
		return "not as it is";
	if (lease_of(grant, question) !=
	    (explanation->reason == FZ_REASON_EXPIRED ? HAS_ENDED : RUNS))
		return "over, or not over";
	for (i = 0; i < PLAIN_GRANTS && explanation->reason == FZ_REASON_NONE; i++) {
		const struct plain_grant *other = &plain->policy.grants[i];

		if (grant_covers(plain, other, question) && is_better(other, grant) &&
		    lease_of(other, question) == RUNS)
			return "not the best";
	}
	return NULL;
}

/**
 * plain_grant_find() - the grant of a key
 * @policy: that has it
 * @peer: number of the peer, or FZ_STAGE_ANY
 * @resource: number of the resource
 * @dir: direction
 *
 * Context: any.
 * Return: the grant; if there is none, a free place; NULL if there is no room.
 */
struct plain_grant *plain_grant_find(struct plain_policy *policy, int peer, unsigned int resource,
				     u8 dir)
{
	struct plain_grant *free = NULL;
	unsigned int i;

	for (i = 0; i < PLAIN_GRANTS; i++) {
		struct plain_grant *grant = &policy->grants[i];

		if (!grant->there)
			free = free ?: grant;
		else if (grant->peer == peer && grant->resource == resource && grant->dir == dir)
			return grant;
	}
	return free;
}

/**
 * plain_resource_del() - removes a resource with its grants
 * @policy: that has it
 * @n: its number
 *
 * Context: any.
 */
void plain_resource_del(struct plain_policy *policy, unsigned int n)
{
	unsigned int i;

	policy->resources[n].there = false;
	for (i = 0; i < PLAIN_GRANTS; i++) {
		if (policy->grants[i].resource == n)
			policy->grants[i].there = false;
	}
}

/**
 * plain_peer_del() - removes the grants of a peer
 * @policy: that has them
 * @peer: its number
 *
 * Context: any.
 */
void plain_peer_del(struct plain_policy *policy, int peer)
{
	unsigned int i;

	for (i = 0; i < PLAIN_GRANTS; i++) {
		if (policy->grants[i].peer == peer)
			policy->grants[i].there = false;
	}
}
