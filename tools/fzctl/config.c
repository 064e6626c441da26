// SPDX-License-Identifier: GPL-2.0-only
#include "config.h"
#include "endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int parse_key(const char *value, uint8_t key[FZ_KEY_LEN], struct fz_error *err)
{
	if (!fz_key_parse(key, value))
		return fz_error_set(err, -EINVAL, "Key is not the correct length or format: `%s'", value);
	return 0;
}

/* A key alone in a file; an empty file is no key, all zeros. */
static int read_key_file(const char *path, uint8_t key[FZ_KEY_LEN], struct fz_error *err)
{
	char text[FZ_KEY_TEXT_SIZE] = "";
	size_t len;
	FILE *file;
	int c, ret = 0;

	file = fopen(path, "re");
	if (!file)
		return fz_error_set(err, -errno, "cannot read \"%s\": %s", path, strerror(errno));
	len = fread(text, 1, FZ_KEY_TEXT_LEN, file);
	if (ferror(file)) {
		ret = fz_error_set(err, -errno, "cannot read \"%s\": %s", path, strerror(errno));
	} else if (!len) {
		memset(key, 0, FZ_KEY_LEN);
	} else if (len < FZ_KEY_TEXT_LEN) {
		ret = fz_error_set(err, -EINVAL, "Invalid length key in key file: `%s'", path);
	} else {
		while (!ret && (c = getc(file)) != EOF) {
			if (!isspace(c))
				ret = fz_error_set(err, -EINVAL, "Found trailing character in key file: `%c'", c);
		}
		if (!ret && !fz_key_parse(key, text))
			ret = fz_error_set(err, -EINVAL,
					   "Key is not the correct length or format in key file: `%s'", path);
	}
	sodium_memzero(text, sizeof(text));
	fclose(file);
	return ret;
}

static int parse_fwmark(const char *value, uint32_t *mark, struct fz_error *err)
{
	unsigned long long number;
	char *end;

	if (!strcasecmp(value, "off")) {
		*mark = 0;
		return 0;
	}
	errno = 0;
	number = strtoull(value, &end, strncasecmp(value, "0x", 2) ? 10 : 16);
	if (!isdigit((unsigned char)*value) || *end || errno || number > UINT32_MAX)
		return fz_error_set(err, -EINVAL, "Fwmark is neither 0/off nor 0-0xffffffff: `%s'", value);
	*mark = (uint32_t)number;
	return 0;
}

static int parse_keepalive(const char *value, uint16_t *seconds, struct fz_error *err)
{
	uint32_t number;

	if (!strcasecmp(value, "off")) {
		*seconds = 0;
		return 0;
	}
	if (fz_parse_u32(value, "interval", 0, UINT16_MAX, &number, NULL))
		return fz_error_set(err, -EINVAL,
				    "Persistent keepalive interval is neither 0/off nor 1-65535: `%s'", value);
	*seconds = (uint16_t)number;
	return 0;
}

/*
 * One of a list. A sign makes the list a change of what the peer has. The host part is kept, and the
 * kernel masks it, but it is worth a warning.
 */
static int parse_allowedip(char *word, struct fz_peer *peer, bool quiet, struct fz_error *err)
{
	uint32_t flags = *word == '-' ? FZ_ALLOWEDIP_F_REMOVE_ME : 0;
	struct fz_prefix prefix = { 0 };
	char *slash;
	uint32_t len;

	if (*word == '+' || *word == '-') {
		peer->flags &= ~(uint32_t)FZ_PEER_F_REPLACE_ALLOWEDIPS;
		word++;
	}
	slash = strchr(word, '/');
	if (slash)
		*slash = 0;
	if (fz_parse_addr(word, &prefix.addr, NULL))
		return fz_error_set(err, -EINVAL, "Unable to parse IP address: `%s'", word);
	prefix.len = prefix.addr.family == AF_INET ? 32 : 128;
	if (slash)
		*slash = '/';
	if (slash && fz_parse_u32(slash + 1, "length", 0, prefix.len, &len, NULL))
		return fz_error_set(err, -EINVAL, "AllowedIP is not in the correct format: `%s'", word);
	if (slash)
		prefix.len = (uint8_t)len;
	if (fz_parse_prefix(word, &prefix, NULL) && !quiet)
		fprintf(stderr, "Warning: AllowedIP has nonzero host part: %s\n", word);
	return fz_peer_add_allowedip(peer, &prefix, flags) ? fz_error_memory(err) : 0;
}

static int parse_allowedips(const char *value, struct fz_peer *peer, bool quiet, struct fz_error *err)
{
	char *copy, *word, *rest;
	size_t len = 0;
	int ret = 0;

	peer->flags |= FZ_PEER_F_REPLACE_ALLOWEDIPS;
	if (!value[strspn(value, " \t\n\v\f\r")])
		return 0;
	copy = rest = malloc(strlen(value) + 1);
	if (!copy)
		return fz_error_memory(err);
	/* as wg does */
	for (; *value; value++) {
		if (!isspace((unsigned char)*value))
			copy[len++] = *value;
	}
	copy[len] = 0;
	while (!ret && (word = strsep(&rest, ",")))
		ret = parse_allowedip(word, peer, quiet, err);
	free(copy);
	return ret;
}

static int parse_endpoint(const char *value, struct fz_peer *peer, struct fz_error *err)
{
	return endpoint_resolve(value, &peer->endpoint, err);
}

static int unrecognized(const char *line, struct fz_error *err)
{
	return fz_error_set(err, -EINVAL, "Line unrecognized: `%s'", line);
}

/* The value, if the line says "key=value" with something in it. */
static const char *value_of(const char *line, const char *key)
{
	size_t len = strlen(key);

	if (strncasecmp(line, key, len) || line[len] != '=' || !line[len + 1])
		return NULL;
	return line + len + 1;
}

static int interface_line(struct fz_device *dev, const char *line, struct fz_error *err)
{
	const char *value;
	int ret;

	if ((value = value_of(line, "ListenPort"))) {
		ret = port_resolve(value, &dev->listen_port, err);
		dev->has |= FZ_HAS_LISTEN_PORT;
	} else if ((value = value_of(line, "FwMark"))) {
		ret = parse_fwmark(value, &dev->fwmark, err);
		dev->has |= FZ_HAS_FWMARK;
	} else if ((value = value_of(line, "PrivateKey"))) {
		ret = parse_key(value, dev->private_key, err);
		dev->has |= FZ_HAS_PRIVATE_KEY;
	} else {
		ret = unrecognized(line, err);
	}
	return ret;
}

static int peer_line(struct fz_peer *peer, const char *line, bool check, struct fz_error *err)
{
	const char *value;
	int ret;

	if ((value = value_of(line, "Endpoint"))) {
		ret = check ? 0 : parse_endpoint(value, peer, err);
	} else if ((value = value_of(line, "PublicKey"))) {
		ret = parse_key(value, peer->public_key, err);
		peer->has |= FZ_HAS_PUBLIC_KEY;
	} else if ((value = value_of(line, "AllowedIPs"))) {
		ret = parse_allowedips(value, peer, check, err);
	} else if ((value = value_of(line, "PersistentKeepalive"))) {
		ret = parse_keepalive(value, &peer->keepalive, err);
		peer->has |= FZ_HAS_KEEPALIVE;
	} else if ((value = value_of(line, "PresharedKey"))) {
		ret = parse_key(value, peer->preshared_key, err);
		peer->has |= FZ_HAS_PRESHARED_KEY;
	} else {
		ret = unrecognized(line, err);
	}
	return ret;
}

/**
 * config_begin - start on a file
 * @parser: filled
 * @name: the device
 * @append: whether what is there already stays
 *
 * Return: 0 or -ENOMEM
 */
int config_begin(struct config_parser *parser, const char *name, bool append)
{
	memset(parser, 0, sizeof(*parser));
	parser->dev = fz_device_new(name);
	if (!parser->dev)
		return -ENOMEM;
	if (!append) {
		parser->dev->flags = FZ_DEVICE_F_REPLACE_PEERS;
		parser->dev->has = FZ_HAS_PRIVATE_KEY | FZ_HAS_FWMARK | FZ_HAS_LISTEN_PORT;
	}
	return 0;
}

/**
 * config_line - the next line of the file
 * @parser: begun
 * @line: with or without its line feed
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int config_line(struct config_parser *parser, const char *line, struct fz_error *err)
{
	char *clean = malloc(strlen(line) + 1);
	size_t len = 0;
	int ret = 0;

	if (!clean)
		return fz_error_memory(err);
	for (; *line && *line != '#'; line++) {
		if (!isspace((unsigned char)*line))
			clean[len++] = *line;
	}
	clean[len] = 0;
	if (!len) {
		;
	} else if (!strcasecmp(clean, "[Interface]")) {
		parser->in_interface = true;
		parser->peer = NULL;
	} else if (!strcasecmp(clean, "[Peer]")) {
		parser->in_interface = false;
		parser->peer = fz_device_add_peer(parser->dev);
		if (parser->peer)
			parser->peer->flags = FZ_PEER_F_REPLACE_ALLOWEDIPS;
		else
			ret = fz_error_memory(err);
	} else if (parser->in_interface) {
		ret = interface_line(parser->dev, clean, err);
	} else if (parser->peer) {
		ret = peer_line(parser->peer, clean, parser->check, err);
	} else {
		ret = unrecognized(clean, err);
	}
	sodium_memzero(clean, len);
	free(clean);
	return ret;
}

/**
 * config_end - the file is over
 * @parser: its device is complete, and belongs to the caller, if this returns 0
 * @err: why not
 *
 * Return: 0 or -EINVAL
 */
int config_end(struct config_parser *parser, struct fz_error *err)
{
	for (size_t i = 0; i < parser->dev->n_peers; i++) {
		if (!(parser->dev->peers[i].has & FZ_HAS_PUBLIC_KEY))
			return fz_error_set(err, -EINVAL, "A peer is missing a public key");
	}
	return 0;
}

/* After an error. */
void config_abandon(struct config_parser *parser)
{
	fz_device_free(parser->dev);
	parser->dev = NULL;
}

/* Words that belong to a peer, after `peer KEY`. Returns how many were used, or a negative errno. */
static int peer_words(struct fz_peer *peer, int n, char **words, struct fz_error *err)
{
	int ret;

	if (!strcmp(words[0], "remove")) {
		peer->flags |= FZ_PEER_F_REMOVE_ME;
		return 1;
	}
	if (n < 2)
		return -ENODATA;
	if (!strcmp(words[0], "endpoint")) {
		ret = parse_endpoint(words[1], peer, err);
	} else if (!strcmp(words[0], "allowed-ips")) {
		ret = parse_allowedips(words[1], peer, false, err);
	} else if (!strcmp(words[0], "persistent-keepalive")) {
		ret = parse_keepalive(words[1], &peer->keepalive, err);
		peer->has |= FZ_HAS_KEEPALIVE;
	} else if (!strcmp(words[0], "preshared-key")) {
		ret = read_key_file(words[1], peer->preshared_key, err);
		peer->has |= FZ_HAS_PRESHARED_KEY;
	} else {
		return -ENODATA;
	}
	return ret ? ret : 2;
}

static int device_words(struct fz_device *dev, int n, char **words, struct fz_error *err)
{
	int ret;

	if (n < 2)
		return -ENODATA;
	if (!strcmp(words[0], "listen-port")) {
		ret = port_resolve(words[1], &dev->listen_port, err);
		dev->has |= FZ_HAS_LISTEN_PORT;
	} else if (!strcmp(words[0], "fwmark")) {
		ret = parse_fwmark(words[1], &dev->fwmark, err);
		dev->has |= FZ_HAS_FWMARK;
	} else if (!strcmp(words[0], "private-key")) {
		ret = read_key_file(words[1], dev->private_key, err);
		dev->has |= FZ_HAS_PRIVATE_KEY;
	} else {
		return -ENODATA;
	}
	return ret ? ret : 2;
}

/**
 * config_words - what `set` is told
 * @name: the device
 * @n: number of words
 * @words: after the device
 * @out: receives the change, for fz_device_free()
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int config_words(const char *name, int n, char **words, struct fz_device **out, struct fz_error *err)
{
	struct fz_device *dev = fz_device_new(name);
	struct fz_peer *peer = NULL;
	int ret = 0, used;

	if (!dev)
		return fz_error_memory(err);
	for (int i = 0; i < n && !ret; i += used) {
		if (!strcmp(words[i], "peer") && i + 1 < n) {
			peer = fz_device_add_peer(dev);
			ret = peer ? parse_key(words[i + 1], peer->public_key, err) : fz_error_memory(err);
			used = 2;
			continue;
		}
		used = peer ? peer_words(peer, n - i, words + i, err) : device_words(dev, n - i, words + i, err);
		if (used == -ENODATA)
			ret = fz_error_set(err, -EINVAL, "Invalid argument: %s", words[i]);
		else if (used < 0)
			ret = used;
	}
	if (ret) {
		fz_device_free(dev);
		return ret;
	}
	*out = dev;
	return 0;
}
