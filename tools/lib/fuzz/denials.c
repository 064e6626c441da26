// SPDX-License-Identifier: GPL-2.0-only
/* What `monitor denials --json` wrote, or somebody else; what is suggested from it goes to a shell. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "../../fzctl/denials.h"
#include "../../fzctl/suggest.h"

static void check_word(const char *word, size_t max)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:+-";

	always(*word && *word != '-' && strlen(word) <= max && !word[strspn(word, good)]);
}

static void check(const struct suggestion *s)
{
	check_word(s->dev, IFNAMSIZ - 1);
	check_word(s->resource.name, FZ_NAME_MAX);
	always(s->n_grants && s->resource.n_prefixes && s->resource.n_services && s->seen.count);
	for (size_t i = 0; i < s->resource.n_services; i++)
		always(s->resource.services[i].port_min <= s->resource.services[i].port_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct suggest_options options = {
		.min_count = 1, .max_ports = 3, .max_addresses = 3, .name = "seen",
	};
	struct denials denials = { .bits4 = 32, .bits6 = 128 };
	struct suggestions all;
	FILE *in;

	if (size < 2)
		return 0;
	denials.refused = data[0] & 1;
	denials.bits4 = data[0] & 2 ? 20 : 32;
	/* little room, so that it runs out */
	if (sightings_init(&denials.seen, 8))
		return 0;
	in = fmemopen((void *)(data + 1), size - 1, "r");
	if (in) {
		always(!denials_read(&denials, in));
		fclose(in);
	}
	if (!suggest(&denials.seen, &options, &all)) {
		for (size_t i = 0; i < all.n; i++)
			check(&all.list[i]);
		suggestions_clear(&all);
	}
	sightings_clear(&denials.seen);
	return 0;
}
