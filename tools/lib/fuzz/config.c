// SPDX-License-Identifier: GPL-2.0-only
/* A configuration file. Names are not resolved: what asks the network is replaced by what reads numbers. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "../../fzctl/config.h"
#include "../../fzctl/endpoint.h"

int endpoint_resolve(const char *text, union fz_endpoint *out, struct fz_error *err)
{
	return fz_parse_endpoint(text, out, err);
}

int port_resolve(const char *text, uint16_t *port, struct fz_error *err)
{
	return fz_parse_port(text, port, err);
}

static void check(const struct fz_device *dev)
{
	for (size_t i = 0; i < dev->n_peers; i++) {
		const struct fz_peer *peer = &dev->peers[i];

		always(!fz_key_is_zero(peer->public_key) || (peer->has & FZ_HAS_PUBLIC_KEY));
		for (size_t k = 0; k < peer->n_allowedips; k++)
			always(peer->allowedips[k].prefix.len <=
			       (peer->allowedips[k].prefix.addr.family == AF_INET ? 32 : 128));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_parser parser;
	struct fz_error err;
	char *text, *line, *rest;
	int ret;

	if (!size || config_begin(&parser, "fz0", *data & 1))
		return 0;
	text = malloc(size);
	if (!text) {
		config_abandon(&parser);
		return 0;
	}
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	rest = text;
	ret = 0;
	while (!ret && (line = strsep(&rest, "\n")))
		ret = config_line(&parser, line, &err);
	if (!ret)
		ret = config_end(&parser, &err);
	if (ret)
		always(memchr(err.text, 0, sizeof(err.text)) && *err.text);
	else
		check(parser.dev);
	config_abandon(&parser);
	free(text);
	return 0;
}
