// SPDX-License-Identifier: GPL-2.0-only
#include "public.h"

#include <errno.h>
#include <netinet/in.h>

#include "parse.h"
#include "prefix.h"

int public_avoid(const struct config *config, const struct site *site, struct fault *fault)
{
	union fz_endpoint endpoint = { 0 };
	char text[PREFIX_TEXT_SIZE];
	const uint8_t *addr;
	uint8_t family;

	if (fz_parse_endpoint(config->public, &endpoint, NULL))
		return 0;
	family = (uint8_t)endpoint.sa.sa_family;
	addr = family == AF_INET ? (const uint8_t *)&endpoint.v4.sin_addr : endpoint.v6.sin6_addr.s6_addr;
	for (size_t i = 0; i < site->n_prefixes; i++)
		if (prefix_holds(&site->prefixes[i], family, addr))
			return fault_set(fault, -EINVAL, "prefixes", "%s holds the broker's own address (--public %s): "
					 "devices would look for the broker behind the site's gateway",
					 prefix_format(&site->prefixes[i], text), config->public);
	return 0;
}
