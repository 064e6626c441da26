// SPDX-License-Identifier: GPL-2.0-only
/* fzctl observe-report: from what `monitor denials --json` wrote to resources and grants. */
#include "fzctl.h"
#include "denials.h"
#include "suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WHEN_SIZE 32
#define DOUBTFUL_SHOWN 100	/* in a text; JSON has all */

enum form {
	FORM_COMMANDS,
	FORM_UP,
	FORM_JSON,
};

/**
 * struct report - the words of the command line, and what comes of them
 * @lease: DURATION for each grant, NULL for none
 * @room: how many different flows are remembered
 */
struct report {
	enum form form;
	const char *lease;
	uint32_t room;
	struct suggest_options options;
	struct denials denials;
	struct suggestions all;
};

static const char *format_when(char buf[WHEN_SIZE], int64_t ms)
{
	time_t when = ms / 1000;
	struct tm tm;

	gmtime_r(&when, &tm);
	strftime(buf, WHEN_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}

static void print_seen(const char *what, const struct seen *seen)
{
	char first[WHEN_SIZE], last[WHEN_SIZE];

	printf("# %s%" PRIu64 " time%s, %s to %s\n", what, seen->count, seen->count == 1 ? "" : "s",
	       format_when(first, seen->first), format_when(last, seen->last));
}

/* "tcp/443" */
static const char *sighting_service(const struct sighting *one, char *buf, size_t size)
{
	struct fz_service service = { .protocol = one->protocol };
	bool icmp = one->protocol == IPPROTO_ICMP || one->protocol == IPPROTO_ICMPV6;

	if (icmp || one->port) {
		service.has_ports = true;
		service.port_min = service.port_max = one->port;
	}
	return fz_format_service(buf, size, &service);
}

static const char *sighting_prefix(const struct sighting *one, char *buf, size_t size)
{
	struct fz_prefix prefix = { .addr = sighting_addr(one), .len = one->len };

	return fz_format_prefix(buf, size, &prefix);
}

static void print_doubtful(const struct doubtful *d)
{
	char key[FZ_KEY_TEXT_SIZE], prefix[FZ_ADDR_TEXT_SIZE], word[32], what[384];
	const struct sighting *one = d->one;

	fz_key_format(key, one->peer);
	sighting_prefix(one, prefix, sizeof(prefix));
	sighting_service(one, word, sizeof(word));
	if (d->n == 1)
		snprintf(what, sizeof(what), "%s %s", prefix, word);
	else if (d->doubt == DOUBT_MANY)
		snprintf(what, sizeof(what), "%s %s and %zu others", prefix, word, d->n - 1);
	else if (d->doubt == DOUBT_ADDRESSES)
		snprintf(what, sizeof(what), "%s and %zu others %s", prefix, d->n - 1, word);
	else
		snprintf(what, sizeof(what), "%s %s and %zu ports more", prefix, word, d->n - 1);
	printf("# %s peer %s %s %s: %s; %" PRIu64 " time%s\n", one->dev, key, fz_direction_name(one->direction), what,
	       doubt_sentence(d->doubt), d->seen.count, d->seen.count == 1 ? "" : "s");
}

/* Those that have a grant, or the others. */
static void print_all_doubtful(const struct suggestions *all, bool of_grant, const char *title)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n_doubtful; i++) {
		if (doubt_is_of_grant(all->doubtful[i].doubt) != of_grant)
			continue;
		if (!n++)
			printf("#\n# %s\n", title);
		if (n <= DOUBTFUL_SHOWN)
			print_doubtful(&all->doubtful[i]);
	}
	if (n > DOUBTFUL_SHOWN)
		printf("# and %zu lines more: --json shows all\n", n - DOUBTFUL_SHOWN);
}

/* What is to be known before any of it is applied. */
static void print_notes(const struct report *r)
{
	const struct denials *d = &r->denials;

	if (d->events)
		print_seen("denials: ", &(struct seen){ d->events, d->first, d->last });
	else
		puts("# no denials");
	if (d->earlier)
		printf("# %" PRIu64 " are earlier than --since says\n", d->earlier);
	if (d->others)
		printf("# %" PRIu64 " are of other devices or peers than --device and --peer say\n", d->others);
	if (d->suppressed)
		printf("# %" PRIu64 " more came too fast for the kernel to tell of them: something may be missing here\n",
		       d->suppressed);
	if (d->lost)
		printf("# %" PRIu64 " more came too fast for the monitor: something may be missing here\n", d->lost);
	if (d->seen.given_up)
		printf("# %" PRIu64 " flows, seen %" PRIu64 " times, were given up for want of room: --room\n",
		       d->seen.given_up, d->seen.given_up_count);
	if (d->refusals)
		printf("# %" PRIu64 " tell of packets that were refused, not observed: --refused counts them too\n",
		       d->refusals);
	if (d->strays)
		printf("# %" PRIu64 " belong to no peer\n", d->strays);
	for (uint8_t reason = 0; reason <= FZ_REASON_MAX; reason++) {
		if (d->by_reason[reason])
			printf("# %" PRIu64 " have the reason \"%s\", which a grant does not change\n",
			       d->by_reason[reason], fz_reason_name(reason));
	}
	print_all_doubtful(&r->all, true, "there is a grant, that did not admit it:");
	print_all_doubtful(&r->all, false, "not suggested:");
}

static void print_commands(const struct report *r, const struct suggestion *s, const char *services)
{
	char text[FZ_KEY_TEXT_SIZE > FZ_ADDR_TEXT_SIZE ? FZ_KEY_TEXT_SIZE : FZ_ADDR_TEXT_SIZE];

	printf("fzctl resource add %s %s", s->dev, s->resource.name);
	for (size_t i = 0; i < s->resource.n_prefixes; i++)
		printf(" %s", fz_format_prefix(text, sizeof(text), &s->resource.prefixes[i]));
	printf(" %s\n", services);
	for (size_t i = 0; i < s->n_grants; i++) {
		if (s->n_grants > 1)
			print_seen("", &s->grants[i].seen);
		fz_key_format(text, s->grants[i].peer);
		printf("fzctl grant add %s peer %s resource %s %s", s->dev, text, s->resource.name,
		       fz_direction_name(s->direction));
		printf(r->lease ? " for %s\n" : "\n", r->lease);
	}
}

static void print_sections(const struct report *r, const struct suggestion *s, const char *services)
{
	char text[FZ_KEY_TEXT_SIZE > FZ_ADDR_TEXT_SIZE ? FZ_KEY_TEXT_SIZE : FZ_ADDR_TEXT_SIZE];

	printf("[Resource]\nName = %s\nPrefix = ", s->resource.name);
	for (size_t i = 0; i < s->resource.n_prefixes; i++)
		printf("%s%s", i ? ", " : "", fz_format_prefix(text, sizeof(text), &s->resource.prefixes[i]));
	printf("\nService = %s\n", services);
	for (size_t i = 0; i < s->n_grants; i++) {
		putchar('\n');
		if (s->n_grants > 1)
			print_seen("", &s->grants[i].seen);
		fz_key_format(text, s->grants[i].peer);
		printf("[Grant]\nPeer = %s\nResource = %s\nDirection = %s\n", text, s->resource.name,
		       fz_direction_name(s->direction));
		if (r->lease)
			printf("For = %s\n", r->lease);
	}
}

static int print_text(const struct report *r)
{
	print_notes(r);
	for (size_t i = 0; i < r->all.n; i++) {
		const struct suggestion *s = &r->all.list[i];
		char *services = format_services(&s->resource);

		if (!services)
			return usage_error("out of memory");
		putchar('\n');
		print_seen("", &s->seen);
		(r->form == FORM_UP ? print_sections : print_commands)(r, s, services);
		free(services);
	}
	return EXIT_DONE;
}

static void json_seen(json_t *object, const struct seen *seen)
{
	char when[WHEN_SIZE];

	json_object_set_new(object, "count", json_integer((json_int_t)seen->count));
	json_object_set_new(object, "first", json_string(format_when(when, seen->first)));
	json_object_set_new(object, "last", json_string(format_when(when, seen->last)));
}

static json_t *json_suggestion(const struct report *r, const struct suggestion *s)
{
	json_t *object = json_object(), *grants = json_array(), *grant, *resource;

	resource = json_resource(&s->resource);
	json_object_del(resource, "grants");	/* how many name it: those that exist */
	json_object_set_new(object, "device", json_string(s->dev));
	json_object_set_new(object, "resource", resource);
	json_seen(object, &s->seen);
	for (size_t i = 0; i < s->n_grants; i++) {
		grant = json_object();
		json_object_set_new(grant, "peer", json_key(s->grants[i].peer));
		json_object_set_new(grant, "direction", json_string(fz_direction_name(s->direction)));
		if (r->lease)
			json_object_set_new(grant, "for", json_string(r->lease));
		json_seen(grant, &s->grants[i].seen);
		json_array_append_new(grants, grant);
	}
	json_object_set_new(object, "grants", grants);
	return object;
}

static json_t *json_doubtful(const struct doubtful *d)
{
	char prefix[FZ_ADDR_TEXT_SIZE], service[32];
	json_t *object = json_object();

	json_object_set_new(object, "device", json_string(d->one->dev));
	json_object_set_new(object, "peer", json_key(d->one->peer));
	json_object_set_new(object, "direction", json_string(fz_direction_name(d->one->direction)));
	json_object_set_new(object, "prefix", json_string(sighting_prefix(d->one, prefix, sizeof(prefix))));
	json_object_set_new(object, "service", json_string(sighting_service(d->one, service, sizeof(service))));
	json_object_set_new(object, "different", json_integer((json_int_t)d->n));
	json_object_set_new(object, "doubt", json_string(doubt_name(d->doubt)));
	json_seen(object, &d->seen);
	return object;
}

static int print_report_json(const struct report *r)
{
	json_t *object = json_object(), *suggested = json_array(), *doubtful = json_array(), *granted = json_array();
	json_t *others = json_object();
	const struct denials *d = &r->denials;

	if (d->events)
		json_seen(object, &(struct seen){ d->events, d->first, d->last });
	else
		json_object_set_new(object, "count", json_integer(0));
	json_object_set_new(object, "earlier", json_integer((json_int_t)d->earlier));
	json_object_set_new(object, "others", json_integer((json_int_t)d->others));
	json_object_set_new(object, "suppressed", json_integer((json_int_t)d->suppressed));
	json_object_set_new(object, "lost", json_integer((json_int_t)d->lost));
	json_object_set_new(object, "given_up", json_integer((json_int_t)d->seen.given_up_count));
	json_object_set_new(object, "refused", json_integer((json_int_t)d->refusals));
	json_object_set_new(object, "without_peer", json_integer((json_int_t)d->strays));
	json_object_set_new(object, "bad_lines", json_integer((json_int_t)d->bad_lines));
	for (uint8_t reason = 0; reason <= FZ_REASON_MAX; reason++) {
		if (d->by_reason[reason])
			json_object_set_new(others, fz_reason_name(reason),
					    json_integer((json_int_t)d->by_reason[reason]));
	}
	json_object_set_new(object, "other_reasons", others);
	for (size_t i = 0; i < r->all.n; i++)
		json_array_append_new(suggested, json_suggestion(r, &r->all.list[i]));
	for (size_t i = 0; i < r->all.n_doubtful; i++)
		json_array_append_new(doubt_is_of_grant(r->all.doubtful[i].doubt) ? granted : doubtful,
				      json_doubtful(&r->all.doubtful[i]));
	json_object_set_new(object, "suggested", suggested);
	json_object_set_new(object, "granted", granted);
	json_object_set_new(object, "not_suggested", doubtful);
	return print_json(object, true);
}

/* A file for `up` is of one device. */
static int check_one_device(const struct report *r)
{
	for (size_t i = 1; i < r->all.n; i++) {
		if (strcmp(r->all.list[i].dev, r->all.list[0].dev))
			return usage_error("the events are of \"%s\" and \"%s\": --device says which is meant",
					   r->all.list[0].dev, r->all.list[i].dev);
	}
	return EXIT_DONE;
}

static int print_report(const struct report *r)
{
	int ret;

	switch (r->form) {
	case FORM_JSON:
		return print_report_json(r);
	case FORM_UP:
		ret = check_one_device(r);
		return ret ? ret : print_text(r);
	case FORM_COMMANDS:
		return print_text(r);
	}
	return EXIT_USAGE;
}

/* @good and @bad: how many lines of the files before it were events, or none */
static int complain_of_lines(const struct denials *d, const char *name, uint64_t good, uint64_t bad)
{
	struct fz_error err;

	if (d->bad_lines > bad && d->good_lines == good) {
		fz_error_set(&err, -1, "\"%s\" holds no event: it is not what `monitor denials --json` wrote", name);
		return refused(&err);
	}
	/* The last line of a file that is being written is often half a line. */
	if (d->bad_lines == bad + 1)
		usage_error("\"%s\": line %" PRIu64 " is no event", name, d->bad_line);
	else if (d->bad_lines > bad)
		usage_error("\"%s\": %" PRIu64 " lines are no events, the first of them line %" PRIu64,
			    name, d->bad_lines - bad, d->bad_line);
	return EXIT_DONE;
}

static int read_file(struct report *r, const char *name)
{
	uint64_t good = r->denials.good_lines, bad = r->denials.bad_lines;
	bool is_stdin = !strcmp(name, "-");
	FILE *in = is_stdin ? stdin : fopen(name, "re");
	int ret;

	if (!in)
		return usage_error("cannot read \"%s\": %s", name, strerror(errno));
	ret = denials_read(&r->denials, in);
	if (!is_stdin)
		fclose(in);
	if (ret)
		return usage_error("cannot read \"%s\": %s", name, strerror(-ret));
	return complain_of_lines(&r->denials, is_stdin ? "standard input" : name, good, bad);
}

static int run_report(struct report *r, int n, char **files)
{
	int ret = EXIT_DONE;

	if (sodium_init() < 0)
		return usage_error("libsodium cannot be used");
	if (sightings_init(&r->denials.seen, r->room))
		return usage_error("out of memory");
	if (!n)
		ret = read_file(r, "-");
	for (int i = 0; i < n && !ret; i++)
		ret = read_file(r, files[i]);
	if (!ret && suggest(&r->denials.seen, &r->options, &r->all))
		ret = usage_error("out of memory");
	if (!ret)
		ret = print_report(r);
	suggestions_clear(&r->all);
	sightings_clear(&r->denials.seen);
	return ret;
}

/* Names go to a shell as they are. */
static int check_start_of_name(const char *word)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (!*word || *word == '-' || strlen(word) > 20 || word[strspn(word, good)])
		return usage_error("\"%s\" is no start of a name (1 to 20 letters, digits and . _ -)", word);
	return EXIT_DONE;
}

static int take_lease(struct report *r, const char *value)
{
	struct fz_error err;
	uint64_t ms;

	r->lease = value;
	return fz_parse_duration(value, &ms, &err) ? bad_word(&err) : check_lease(value, ms);
}

/* A time, of the day the last such one, or how long ago. */
static int take_since(struct report *r, const char *value)
{
	int64_t now = time(NULL), when;
	uint64_t ago;

	if (!fz_parse_duration(value, &ago, NULL)) {
		when = now - (int64_t)(ago / 1000);
	} else if (fz_parse_time(value, &when, NULL)) {
		return usage_error("\"%s\" is neither a time, like 18:00 or 2026-12-31T18:00:00Z, nor how long ago, like 8h",
				   value);
	} else if (when > now) {
		if (strchr(value, '-'))
			return usage_error("\"%s\" is in the future", value);
		when -= 24 * 3600;
	}
	r->denials.since = when * 1000;
	return EXIT_DONE;
}

/* An option with a number. Returns an exit status. */
static int take_number(struct report *r, const char *option, const char *value)
{
	uint32_t number = 0;
	struct fz_error err;
	int ret;

	if (!strcmp(option, "--min-count")) {
		ret = fz_parse_u32(value, "number", 1, UINT32_MAX, &number, &err);
		r->options.min_count = number;
	} else if (!strcmp(option, "--max-ports")) {
		ret = fz_parse_u32(value, "number", 1, UINT16_MAX + 1, &number, &err);
		r->options.max_ports = number;
	} else if (!strcmp(option, "--max-addresses")) {
		ret = fz_parse_u32(value, "number", 1, UINT32_MAX, &number, &err);
		r->options.max_addresses = number;
	} else if (!strcmp(option, "--prefix-length")) {
		ret = fz_parse_u32(value, "length of an IPv4 prefix", 0, 32, &number, &err);
		r->denials.bits4 = (uint8_t)number;
	} else if (!strcmp(option, "--prefix-length6")) {
		ret = fz_parse_u32(value, "length of an IPv6 prefix", 0, 128, &number, &err);
		r->denials.bits6 = (uint8_t)number;
	} else {
		ret = fz_parse_u32(value, "number", 4, 1U << 28, &r->room, &err);
	}
	return ret ? bad_word(&err) : EXIT_DONE;
}

static bool is_option(const char *word)
{
	static const char *const options[] = {
		"--device", "--peer", "--name", "--for", "--since", "--min-count", "--max-ports", "--max-addresses",
		"--prefix-length", "--prefix-length6", "--room",
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (!strcmp(word, options[i]))
			return true;
	}
	return false;
}

/* An option with a value. Returns an exit status. */
static int take_option(struct report *r, const char *option, const char *value)
{
	if (!strcmp(option, "--device")) {
		r->denials.dev = value;
		return check_device(value);
	}
	if (!strcmp(option, "--peer")) {
		r->denials.peer = value;
		return EXIT_DONE;
	}
	if (!strcmp(option, "--name")) {
		r->options.name = value;
		return check_start_of_name(value);
	}
	if (!strcmp(option, "--for"))
		return take_lease(r, value);
	if (!strcmp(option, "--since"))
		return take_since(r, value);
	return take_number(r, option, value);
}

int observe_report_main(int argc, char **argv)
{
	bool json = take_flag(&argc, argv, "--json"), up = take_flag(&argc, argv, "--up");
	struct report r = {
		.form = json ? FORM_JSON : up ? FORM_UP : FORM_COMMANDS,
		.room = SIGHTINGS_MAX,
		.options = { .min_count = 1, .max_ports = 16, .max_addresses = 64, .name = "seen" },
		.denials = { .bits4 = 32, .bits6 = 128 },
	};
	int n = 0, ret = EXIT_DONE;

	r.denials.refused = take_flag(&argc, argv, "--refused");
	if (json && up)
		return usage_error("--json and --up exclude each other");
	for (int i = 1; i < argc && !ret; i++) {
		if (strncmp(argv[i], "--", 2)) {
			argv[n++] = argv[i];
		} else if (!is_option(argv[i])) {
			ret = usage_error("\"%s\" is no option of observe-report", argv[i]);
		} else if (i + 1 == argc) {
			ret = out_of_words("a value", argv[i]);
		} else {
			ret = take_option(&r, argv[i], argv[i + 1]);
			i++;
		}
	}
	return ret ? ret : run_report(&r, n, argv);
}
