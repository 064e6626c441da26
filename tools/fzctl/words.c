// SPDX-License-Identifier: GPL-2.0-only
#include "fzctl.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* The peers of the device that was asked about last, so that a batch asks once. */
static struct fz_device *known;

void forget_peers(void)
{
	fz_device_free(known);
	known = NULL;
}

/**
 * words_are_text - check words that travel as JSON, before anything is made of them
 * @argc: how many
 * @argv: the words
 *
 * Return: 0, or the exit status after a complaint
 */
int words_are_text(int argc, char **argv)
{
	json_t *text;

	for (int i = 1; i < argc; i++) {
		text = json_string(argv[i]);
		if (!text)
			return usage_error("word %d is not UTF-8 text", i);
		json_decref(text);
	}
	return 0;
}

/**
 * check_device - whether a word can be a device's name
 * @dev: the word
 *
 * Return: 0, or the exit status after a complaint
 */
int check_device(const char *dev)
{
	struct fz_error err;

	return fz_nl_check_name(dev, &err) ? bad_word(&err) : 0;
}

/**
 * check_name - whether the broker takes a word as the name of something
 * @name: the word
 *
 * Return: 0, or the exit status after a complaint
 */
int check_name(const char *name)
{
	if (!*name || strlen(name) > FZ_NAME_MAX)
		return usage_error("\"%s\" is no name (1 to %u characters)", name, FZ_NAME_MAX);
	for (size_t i = 0; name[i]; i++) {
		unsigned char c = (unsigned char)name[i];

		if (!(c < 0x80 && isalnum(c)) && (!i || !strchr("._-@", c)))
			return usage_error("\"%s\" is no name: letters, digits and . _ - @ after the first", name);
	}
	return 0;
}

/**
 * check_lease - whether a grant may last that long
 * @word: as it was typed
 * @ms: what it means
 *
 * Return: 0, or the exit status after a complaint
 */
int check_lease(const char *word, uint64_t ms)
{
	struct fz_error err;

	return grant_check_lease(word, ms, &err) ? bad_word(&err) : 0;
}

/**
 * check_target - whether something can be asked about
 * @target: an address, with a port if the protocol has them, or a resource
 * @protocol: its number
 *
 * Return: 0, or the exit status after a complaint
 */
int check_target(const char *target, uint8_t protocol)
{
	bool ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
	const char *colon = strrchr(target, ':');
	union fz_endpoint endpoint;
	struct fz_error err;
	struct fz_addr addr;
	uint16_t port;

	if (!fz_parse_addr(target, &addr, NULL))
		return ports ? usage_error("\"%s\" needs a port after the address", target) : 0;
	if (!colon)
		return check_name(target);
	if (!fz_parse_endpoint(target, &endpoint, NULL))
		return 0;
	if (strchr(target, ':') == colon && fz_parse_port(colon + 1, &port, &err))
		return bad_word(&err);
	return usage_error("\"%s\" is no ADDRESS:PORT, like 10.1.0.10:80 or [fd00::1]:80", target);
}

/**
 * take_flag - take a flag out of the words, wherever it stands
 * @argc: how many there are; less afterwards
 * @argv: the words, without it afterwards
 * @flag: such as "--json"
 *
 * Return: whether it was there.
 */
bool take_flag(int *argc, char **argv, const char *flag)
{
	bool found = false;
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		if (!strcmp(argv[i], flag))
			found = true;
		else
			argv[kept++] = argv[i];
	}
	if (*argc > kept)
		argv[kept] = NULL;
	*argc = kept;
	return found;
}

/* A service, right or wrong: nothing else starts so. */
bool looks_like_service(const char *word)
{
	static const char *const names[] = { "tcp", "udp", "sctp", "icmp", "icmpv6", "proto" };
	size_t len = strcspn(word, "/");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == len && !strncmp(word, names[i], len))
			return true;
	}
	return false;
}

/**
 * bad_prefix_or_service - complain about a word that is neither
 * @word: as it was typed; what it looks like decides what is said of it
 *
 * Return: EXIT_USAGE
 */
int bad_prefix_or_service(const char *word)
{
	struct fz_resource ignored = { 0 };
	struct fz_prefix prefix;
	struct fz_error err;

	if (looks_like_service(word)) {
		fz_parse_service(word, &ignored, &err);
		fz_resource_clear(&ignored);
		return bad_word(&err);
	}
	if (strpbrk(word, ".:")) {
		fz_parse_prefix(word, &prefix, &err);
		return bad_word(&err);
	}
	return usage_error("\"%s\" is neither a prefix, like 10.0.0.0/8 or fd00::/8, nor a service (tcp, udp or sctp with optional /PORTS, icmp, icmp/TYPES, icmpv6/TYPES, proto/NUMBER)",
			   word);
}

/**
 * find_key - a key, or the unique start of a peer's key
 * @dev: the device whose peers are meant
 * @word: the word; "ab..." as tables show it is understood
 * @key: receives the key
 *
 * Return: 0, or an exit status after saying why not
 */
int find_key(const char *dev, const char *word, uint8_t key[FZ_KEY_LEN])
{
	struct fz_error err;
	struct fz_nl *nl;
	int ret;

	if (fz_key_parse(key, word))
		return 0;
	if (!peer_start(word))
		return usage_error("\"%s\" is no key", word);
	if (!known || strcmp(known->name, dev)) {
		forget_peers();
		ret = session_nl(&nl);
		if (ret)
			return ret;
		if (fz_nl_device_get(nl, dev, &known, &err))
			return refused(&err);
	}
	return peer_find(known, NULL, word, key, &err) ? bad_word(&err) : 0;
}

/**
 * take_peer - an optional `peer KEY`
 * @dev: the device
 * @i: index of the word that may be "peer"; moved behind the key
 * @argc: of
 * @argv: the words
 * @key: receives the key
 * @found: receives whether it was there
 *
 * Return: 0, or an exit status after saying why not
 */
int take_peer(const char *dev, int *i, int argc, char **argv, uint8_t key[FZ_KEY_LEN], bool *found)
{
	*found = *i < argc && !strcmp(argv[*i], "peer");
	if (!*found)
		return 0;
	if (*i + 1 >= argc)
		return out_of_words("a key", "peer");
	*i += 2;
	return find_key(dev, argv[*i - 1], key);
}

/**
 * take_peer_or_any - `peer KEY`, `peer any` or `any`
 * @dev: the device
 * @i: index of the first of the words; moved behind the last
 * @argc: of
 * @argv: the words
 * @grant: receives whose it is
 *
 * Return: 0, or an exit status after saying why not
 */
int take_peer_or_any(const char *dev, int *i, int argc, char **argv, struct fz_grant *grant)
{
	if (*i >= argc)
		return out_of_words("\"peer\" or \"any\"", argv[*i - 1]);
	if (!strcmp(argv[*i], "peer")) {
		if (*i + 1 >= argc)
			return out_of_words("a key", "peer");
		(*i)++;
	} else if (strcmp(argv[*i], "any")) {
		return usage_error("\"%s\" should be \"peer\" or \"any\"", argv[*i]);
	}
	grant->any = !strcmp(argv[*i], "any");
	(*i)++;
	return grant->any ? 0 : find_key(dev, argv[*i - 1], grant->peer);
}
