// SPDX-License-Identifier: GPL-2.0-only
/* fzctl explain */
#include "fzctl.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define ICMP_ECHO_REQUEST 8
#define ICMPV6_ECHO_REQUEST 128

/* ADDRESS or ADDRESS:PORT, IPv6 with a port in brackets. */
static int parse_end(const char *word, struct fz_addr *addr, uint16_t *port, bool *has_port)
{
	union fz_endpoint ep;
	struct fz_error err;

	*has_port = false;
	if (!fz_parse_addr(word, addr, NULL))
		return 0;
	if (fz_parse_endpoint(word, &ep, &err)) {
		if (strchr(word, ':'))
			return bad_word(&err);
		fz_parse_addr(word, addr, &err);
		return bad_word(&err);
	}
	*has_port = true;
	memset(addr, 0, sizeof(*addr));
	addr->family = ep.sa.sa_family;
	if (addr->family == AF_INET) {
		addr->v4 = ep.v4.sin_addr;
		*port = ntohs(ep.v4.sin_port);
	} else {
		addr->v6 = ep.v6.sin6_addr;
		*port = ntohs(ep.v6.sin6_port);
	}
	return 0;
}

static int parse_protocol(const char *word, uint8_t *protocol)
{
	struct fz_error err;

	if (!strncmp(word, "icmp/", 5))
		*protocol = IPPROTO_ICMP;
	else if (!strncmp(word, "icmpv6/", 7))
		*protocol = IPPROTO_ICMPV6;
	else if (fz_parse_protocol(word, protocol, &err))
		return bad_word(&err);
	return 0;
}

/* "/8" moves *rest behind it. */
static bool take_byte(const char **rest, uint8_t *byte)
{
	unsigned int value = 0;
	const char *digits = *rest + 1;
	size_t n = strspn(digits, "0123456789");

	if (**rest != '/' || !n || n > 3)
		return false;
	for (*rest = digits; *rest < digits + n; (*rest)++)
		value = 10 * value + (unsigned int)(**rest - '0');
	*byte = (uint8_t)value;
	return value <= UINT8_MAX;
}

/* With /TYPE or /TYPE/CODE; without, an echo request of the family that the addresses have. */
static int parse_icmp(char **words, struct fz_tuple *tuple)
{
	const char *rest = words[0] + strcspn(words[0], "/");
	bool six = tuple->src.family == AF_INET6;

	tuple->has_icmp = true;
	/* Alone it is that of either family. */
	if (six && !strcmp(words[0], "icmp"))
		tuple->protocol = IPPROTO_ICMPV6;
	if (six != (tuple->protocol == IPPROTO_ICMPV6))
		return usage_error("\"%s\" is of %s, \"%s\" is not", words[0], six ? "IPv4" : "IPv6", words[1]);
	if (!*rest) {
		tuple->icmp_type = six ? ICMPV6_ECHO_REQUEST : ICMP_ECHO_REQUEST;
		return 0;
	}
	if (!take_byte(&rest, &tuple->icmp_type) || (*rest && !take_byte(&rest, &tuple->icmp_code)) || *rest)
		return usage_error("\"%s\" is no ICMP type (0 to 255), with an optional code: icmp/8, icmp/3/1", words[0]);
	return 0;
}

/* PROTO SRC DST */
static int parse_tuple(char **words, struct fz_tuple *tuple)
{
	bool ports, src_port, dst_port;
	int ret;

	ret = parse_protocol(words[0], &tuple->protocol);
	if (!ret)
		ret = parse_end(words[1], &tuple->src, &tuple->sport, &src_port);
	if (!ret)
		ret = parse_end(words[2], &tuple->dst, &tuple->dport, &dst_port);
	if (ret)
		return ret;
	if (tuple->src.family != tuple->dst.family)
		return usage_error("\"%s\" and \"%s\" are of different families", words[1], words[2]);
	ports = tuple->protocol == IPPROTO_TCP || tuple->protocol == IPPROTO_UDP ||
		tuple->protocol == IPPROTO_SCTP;
	if (!ports && (src_port || dst_port))
		return usage_error("\"%s\" has a port, but \"%s\" has none", words[src_port ? 1 : 2], words[0]);
	if (ports && !dst_port)
		return usage_error("\"%s\" needs a port after the address", words[2]);
	tuple->has_ports = ports;
	if (tuple->protocol == IPPROTO_ICMP || tuple->protocol == IPPROTO_ICMPV6)
		return parse_icmp(words, tuple);
	return 0;
}

static void print_grant(const struct fz_grant *grant)
{
	char key[FZ_KEY_TEXT_SIZE], lease[32], tag[FZ_TAG_TEXT_SIZE], limits[96];

	fz_key_format(key, grant->peer);
	printf("grant: %s %s resource %s %s", fz_action_name(grant->action), grant->any ? "any" : key,
	       grant->resource, fz_direction_name(grant->direction));
	if (grant->has_lease)
		printf(grant->lease_ms ? ", ends in %s" : ", %s", format_lease(lease, sizeof(lease), grant));
	if (grant->has_tag)
		printf(", tag %s", fz_format_tag(tag, sizeof(tag), grant->tag));
	putchar('\n');
	if (grant->quota || grant->rate || grant->flow_rate)
		printf("limits: %s%s\n", format_limits(limits, sizeof(limits), grant),
		       grant->rate || grant->flow_rate ? " (what is left of rate and flows is not looked at)" : "");
}

static int print_decision(const struct fz_decision *d, bool json)
{
	json_t *object;

	if (!json) {
		printf("verdict: %s\nmode: %s\n", fz_verdict_name(d->verdict), fz_mode_name(d->mode));
		if (d->reason != FZ_REASON_NONE)
			printf("reason: %s\n", fz_reason_name(d->reason));
		if (d->has_grant)
			print_grant(&d->grant);
		return EXIT_DONE;
	}
	object = json_object();
	json_object_set_new(object, "peer", json_key(d->peer));
	json_object_set_new(object, "direction", json_string(fz_direction_name(d->direction)));
	json_object_set_new(object, "tuple", json_tuple(&d->tuple));
	json_object_set_new(object, "verdict", json_string(fz_verdict_name(d->verdict)));
	json_object_set_new(object, "reason", json_string(fz_reason_name(d->reason)));
	json_object_set_new(object, "mode", json_string(fz_mode_name(d->mode)));
	if (d->has_grant)
		json_object_set_new(object, "grant", json_grant(&d->grant));
	return print_json(object, true);
}

int explain_main(int argc, char **argv)
{
	static const char *const wanted[] = {
		"", "a device", "\"peer\"", "a key", "\"in\" or \"out\"", "a protocol", "a source", "a destination",
	};
	bool json = take_flag(&argc, argv, "--json");
	struct fz_decision decision = { 0 };
	struct fz_error err;
	struct fz_nl *nl;
	int i = 2, ret;

	/* What needs no peer is checked first, so that a wrong word is found without a device. */
	if (argc > 1 && check_device(argv[1]))
		return EXIT_USAGE;
	if (argc > 2 && strcmp(argv[2], "peer"))
		return usage_error("\"%s\" should be \"peer\"", argv[2]);
	if (argc > 4 && fz_parse_direction(argv[4], &decision.direction, &err))
		return bad_word(&err);
	if (argc < 8)
		return out_of_words(wanted[argc], argv[argc - 1]);
	if (argc > 8)
		return too_many_words(argv[8]);
	ret = parse_tuple(&argv[5], &decision.tuple);
	if (!ret)
		ret = take_peer(argv[1], &i, argc, argv, decision.peer, &decision.has_peer);
	if (!ret)
		ret = session_nl(&nl);
	if (ret)
		return ret;
	if (fz_nl_explain(nl, argv[1], &decision, &err))
		return refused(&err);
	return print_decision(&decision, json);
}
