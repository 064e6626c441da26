// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz-bench-policy: what the benchmark `policy` does a million times, and measures.
 *
 *	peers DEV N			so many peers; prints s
 *	limits DEV FLOWS		room for so many flows, which do not end for silence
 *	resources|grants|ungrant|load|batch DEV LAYOUT RESOURCES GRANTS PEERS KEY OWN
 *					loads resources, loads grants, removes grants, loads both in an epoch; prints
 *					s, for the last s of all and ms of the commit. batch prints the grants as
 *					text for `fzctl batch`. OWN of the grants are KEY's; the others are the peers'
 *	explain DEV LAYOUT RESOURCES KEY N
 *					asks about N first packets of KEY's; prints ns for each
 *	elements N			the elements of an nftables set, as text
 *	nft FILE			loads it by libnftables; prints s
 *	flows, blast, probe, revoke	see traffic.c
 */
#include "policy.h"

#include <err.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "key.h"
#include "nl.h"
#include "nl_internal.h"

#define OBJECTS_AT_ONCE 10000

/* Seconds of a clock that only goes on. */
double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* For qsort() of doubles. */
int compare(const void *a, const void *b)
{
	const double *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

void check(int ret, const struct fz_error *error)
{
	if (ret)
		errx(1, "%s", error->text);
}

struct fz_nl *open_family(void)
{
	struct fz_error error;
	struct fz_nl *nl;

	check(fz_nl_open(&nl, &error), &error);
	return nl;
}

unsigned int number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end || value > 100000000)
		errx(2, "\"%s\" is no number", text);
	return (unsigned int)value;
}

static int peers_main(int argc, char **argv)
{
	struct fz_nl *nl = open_family();
	struct fz_device *dev;
	struct fz_error error;
	double begun;

	if (argc != 3)
		errx(2, "peers DEV N");
	dev = fz_device_new(argv[1]);
	for (unsigned int i = 1; dev && i <= number(argv[2]); i++) {
		struct fz_peer *peer = fz_device_add_peer(dev);

		if (!peer)
			errx(1, "out of memory");
		key_of(peer->public_key, i);
	}
	begun = now();
	check(fz_nl_device_set(nl, dev, &error), &error);
	printf("%.3f\n", now() - begun);
	fz_device_free(dev);
	fz_nl_close(nl);
	return 0;
}

static int limits_main(int argc, char **argv)
{
	struct fz_nl *nl = open_family();
	struct fz_device *dev;
	struct fz_error error;
	const uint32_t day = 86400;

	if (argc != 3)
		errx(2, "limits DEV FLOWS");
	dev = fz_device_new(argv[1]);
	if (!dev)
		errx(1, "out of memory");
	dev->has = FZ_HAS_MAX_FLOWS | FZ_HAS_TIMEOUTS;
	dev->max_flows = number(argv[2]);
	dev->timeouts = (struct fz_timeouts){ day, day, day, day, day, day, day };
	check(fz_nl_device_set(nl, dev, &error), &error);
	fz_device_free(dev);
	fz_nl_close(nl);
	return 0;
}

/**
 * struct policy - what `load` and its like are told
 * @own: of the grants, so many are @key's
 */
struct policy {
	const char *dev;
	const struct layout *layout;
	unsigned int resources;
	unsigned int grants;
	unsigned int peers;
	unsigned int own;
	uint8_t key[FZ_KEY_LEN];
};

static void read_policy(struct policy *policy, int argc, char **argv)
{
	if (argc < 8)
		errx(2, "%s DEV LAYOUT RESOURCES GRANTS PEERS KEY OWN", argv[0]);
	policy->dev = argv[1];
	policy->layout = layout_find(argv[2]);
	policy->resources = number(argv[3]);
	policy->grants = number(argv[4]);
	policy->peers = number(argv[5]);
	if (!fz_key_parse(policy->key, argv[6]))
		errx(2, "\"%s\" is no key", argv[6]);
	policy->own = number(argv[7]);
	if (policy->own > policy->resources || policy->own > policy->grants)
		errx(2, "too many grants of one peer");
}

/* The first are @key's, spread over the resources; the last resource is among them. */
static void make_grant(struct fz_grant *grant, const struct policy *policy, unsigned int i)
{
	unsigned int resource;

	memset(grant, 0, sizeof(*grant));
	if (i < policy->own) {
		resource = policy->resources - 1 -
			   (unsigned int)((uint64_t)i * policy->resources / policy->own);
		memcpy(grant->peer, policy->key, FZ_KEY_LEN);
	} else {
		i -= policy->own;
		resource = i % policy->resources;
		key_of(grant->peer, 1 + (resource * 7 + i / policy->resources) % policy->peers);
	}
	snprintf(grant->resource, sizeof(grant->resource), "r%u", resource);
	grant->has_tag = true;
	memset(grant->tag, 7, sizeof(grant->tag));
	grant->direction = FZ_DIR_IN;
	grant->action = FZ_ACTION_ALLOW;
}

static double load_resources(struct fz_nl *nl, const struct policy *policy)
{
	struct fz_resource *list = calloc(OBJECTS_AT_ONCE, sizeof(*list));
	struct fz_error error;
	double seconds = 0;

	if (!list)
		errx(1, "out of memory");
	for (unsigned int i = 0; i < policy->resources;) {
		unsigned int n = 0;

		for (; n < OBJECTS_AT_ONCE && i < policy->resources; n++, i++) {
			snprintf(list[n].name, sizeof(list[n].name), "r%u", i);
			policy->layout->resource(&list[n], i, policy->resources);
		}
		seconds -= now();
		check(fz_nl_resource_add(nl, policy->dev, list, n, &error), &error);
		seconds += now();
		for (unsigned int j = 0; j < n; j++)
			fz_resource_clear(&list[j]);
		memset(list, 0, OBJECTS_AT_ONCE * sizeof(*list));
	}
	free(list);
	return seconds;
}

typedef int (*grants_fn)(struct fz_nl *nl, const char *dev, const struct fz_grant *list, size_t n,
			 struct fz_error *err);

static double each_grant(struct fz_nl *nl, const struct policy *policy, grants_fn fn)
{
	struct fz_grant *list = calloc(policy->grants, sizeof(*list));
	struct fz_error error;
	double begun;

	if (!list)
		errx(1, "out of memory");
	for (unsigned int i = 0; i < policy->grants; i++)
		make_grant(&list[i], policy, i);
	begun = now();
	check(fn(nl, policy->dev, list, policy->grants, &error), &error);
	free(list);
	return now() - begun;
}

/* What the layouts of many flows and the probes need beside them, in every policy that is loaded. */
static void load_bench(struct fz_nl *nl, const char *dev)
{
	static const struct fz_service services[] = {
		{ .protocol = IPPROTO_TCP }, { .protocol = IPPROTO_ICMP },
		{ .protocol = IPPROTO_UDP, .has_ports = true, .port_min = 10, .port_max = 10 },
	};
	struct fz_grant grant = { .any = true, .resource = "bench", .direction = FZ_DIR_IN };
	struct fz_prefix prefix = { .addr.family = AF_INET, .len = 32 };
	struct fz_resource resource = { .name = "bench" };
	struct fz_error error;

	prefix.addr.v4.s_addr = htonl(0x0a000102);
	if (fz_resource_add_prefix(&resource, &prefix))
		errx(1, "out of memory");
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		if (fz_resource_add_service(&resource, &services[i]))
			errx(1, "out of memory");
	}
	check(fz_nl_resource_add(nl, dev, &resource, 1, &error), &error);
	check(fz_nl_grant_add(nl, dev, &grant, 1, &error), &error);
	fz_resource_clear(&resource);
}

static int load_main(int argc, char **argv)
{
	struct fz_nl *nl = open_family();
	double begun = now(), commit;
	struct policy policy;
	struct fz_error error;

	read_policy(&policy, argc, argv);
	check(fz_nl_epoch_begin(nl, policy.dev, &error), &error);
	load_bench(nl, policy.dev);
	load_resources(nl, &policy);
	each_grant(nl, &policy, fz_nl_grant_add);
	commit = now();
	check(fz_nl_epoch_commit(nl, policy.dev, &error), &error);
	printf("%.3f %.1f\n", now() - begun, (now() - commit) * 1e3);
	fz_nl_close(nl);
	return 0;
}

static int resources_main(int argc, char **argv)
{
	struct fz_nl *nl = open_family();
	struct policy policy;

	read_policy(&policy, argc, argv);
	load_bench(nl, policy.dev);
	printf("%.3f\n", load_resources(nl, &policy));
	fz_nl_close(nl);
	return 0;
}

static int grants_main(int argc, char **argv)
{
	struct fz_nl *nl = open_family();
	struct policy policy;

	read_policy(&policy, argc, argv);
	printf("%.3f\n", each_grant(nl, &policy, strcmp(argv[0], "grants") ? fz_nl_grant_del : fz_nl_grant_add));
	fz_nl_close(nl);
	return 0;
}

static int batch_main(int argc, char **argv)
{
	char key[FZ_KEY_TEXT_SIZE];
	struct policy policy;
	struct fz_grant grant;

	read_policy(&policy, argc, argv);
	for (unsigned int i = 0; i < policy.grants; i++) {
		make_grant(&grant, &policy, i);
		fz_key_format(key, grant.peer);
		printf("grant add %s peer %s resource %s\n", policy.dev, key, grant.resource);
	}
	return 0;
}

static int elements_main(int argc, char **argv)
{
	if (argc != 2)
		errx(2, "elements N");
	printf("add element inet bench s { ");
	for (unsigned int i = 0; i < number(argv[1]); i++)
		printf("%s10.%u.%u.%u", i ? ", " : "", i >> 16 & 255, i >> 8 & 255, i & 255);
	puts(" }");
	return 0;
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	long size;

	if (file && !fseek(file, 0, SEEK_END)) {
		size = ftell(file);
		rewind(file);
		text = calloc(1, (size_t)size + 1);
		if (text && fread(text, 1, (size_t)size, file) == (size_t)size) {
			fclose(file);
			return text;
		}
	}
	err(1, "%s", path);
}

static int nft_main(int argc, char **argv)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	char *text;
	double begun;

	if (argc != 2)
		errx(2, "nft FILE");
	text = read_file(argv[1]);
	begun = now();
	if (!nft || nft_run_cmd_from_buffer(nft, text))
		errx(1, "nftables refused %s", argv[1]);
	printf("%.3f\n", now() - begun);
	nft_ctx_free(nft);
	free(text);
	return 0;
}

/* Reads what was answered, which must be verdicts alone. */
static unsigned int drain(struct mnl_socket *sock, char *buffer, unsigned int wanted)
{
	unsigned int got = 0;

	while (got < wanted) {
		ssize_t size = mnl_socket_recvfrom(sock, buffer, FZ_RX_SIZE);
		const struct nlmsghdr *nlh = (const void *)buffer;
		int len = (int)size;

		if (size < 0)
			err(1, "explain");
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_type == NLMSG_ERROR)
				errx(1, "explain was refused");
			got++;
		}
	}
	return got;
}

/*
 * Many questions in one send: the kernel answers them all before it returns, and that time is taken.
 * What of it is not the lookup shows a device in mode open, which looks nothing up.
 */
#define QUESTIONS 256

static double ask_some(struct fz_nl *nl, const struct policy *policy, unsigned int *k)
{
	static char batch[FZ_MSG_SIZE], answers[FZ_RX_SIZE];
	struct nlmsghdr *nlh;
	unsigned int n = 0;
	size_t size = 0;
	double seconds;

	for (; n < QUESTIONS; n++, (*k)++) {
		struct fz_tuple tuple;

		nlh = fz_nl_begin(nl, &nl->cmd, FZ_CMD_EXPLAIN, 0);
		policy->layout->tuple(&tuple, *k, policy->resources);
		mnl_attr_put_strz(nlh, FZ_DECISION_A_IFNAME, policy->dev);
		mnl_attr_put(nlh, FZ_DECISION_A_PEER, FZ_KEY_LEN, policy->key);
		mnl_attr_put_u8(nlh, FZ_DECISION_A_DIRECTION, FZ_DIR_IN);
		fz_put_tuple(nlh, FZ_DECISION_A_TUPLE, &tuple);
		if (size + MNL_ALIGN(nlh->nlmsg_len) > sizeof(batch))
			break;
		memcpy(batch + size, nlh, nlh->nlmsg_len);
		size += MNL_ALIGN(nlh->nlmsg_len);
	}
	seconds = now();
	if (mnl_socket_sendto(nl->cmd.sock, batch, size) < 0)
		err(1, "explain");
	seconds = now() - seconds;
	drain(nl->cmd.sock, answers, n);
	return seconds / n;
}

static int explain_main(int argc, char **argv)
{
	struct fz_nl *nl = open_family();
	struct policy policy = { 0 };
	unsigned int k = 0, n = 0, room = 32 << 20;
	double *times;

	if (argc != 6)
		errx(2, "explain DEV LAYOUT RESOURCES KEY N");
	policy.dev = argv[1];
	policy.layout = layout_find(argv[2]);
	policy.resources = number(argv[3]);
	if (!fz_key_parse(policy.key, argv[4]))
		errx(2, "\"%s\" is no key", argv[4]);
	if (setsockopt(mnl_socket_get_fd(nl->cmd.sock), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		err(1, "cannot make room for answers");
	times = calloc(number(argv[5]) / QUESTIONS + 1, sizeof(*times));
	if (!times)
		errx(1, "out of memory");
	do {
		times[n++] = ask_some(nl, &policy, &k);
	} while (k + QUESTIONS <= number(argv[5]));
	qsort(times, n, sizeof(*times), compare);
	/* Of a send in ten that was faster; what else the machine does shows least there. */
	printf("%.0f\n", times[n / 10] * 1e9);
	free(times);
	fz_nl_close(nl);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "peers", peers_main }, { "limits", limits_main }, { "resources", resources_main },
	{ "grants", grants_main }, { "ungrant", grants_main }, { "load", load_main },
	{ "batch", batch_main }, { "elements", elements_main }, { "nft", nft_main },
	{ "explain", explain_main },
	{ "flows", flows_main }, { "blast", blast_main }, { "probe", probe_main },
	{ "revoke", revoke_main },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(commands[i].name, argv[1]))
			return commands[i].run(argc - 1, argv + 1);
	}
	errx(2, "which command?");
}
