// SPDX-License-Identifier: GPL-2.0-only
/* The same objects as JSON. Names are those of the netlink attributes. */
#include "fzctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a character that a terminal obeys, in UTF-8; 0 if it shows it. */
static size_t control_character(const char *at)
{
	const unsigned char *c = (const unsigned char *)at;

	if (c[0] < 0x20 || c[0] == 0x7f)
		return 1;
	return c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0 ? 2 : 0;
}

/**
 * print_plain - print text that comes from elsewhere: one line stays one line, and does nothing to a terminal
 * @out: where to
 * @text: the text, UTF-8
 */
void print_plain(FILE *out, const char *text)
{
	size_t skip;

	while (*text) {
		skip = control_character(text);
		putc(skip ? '?' : *text, out);
		text += skip ? skip : 1;
	}
}

/**
 * print_line - print a line with print_plain()
 * @out: where to
 * @fmt: the line without its end, as for printf
 */
void print_line(FILE *out, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		return;
	print_plain(out, text);
	putc('\n', out);
	free(text);
}

/**
 * output_failed - complain that what was printed cannot be written
 * @error: the errno; 0 if it is not known any more
 *
 * Return: EXIT_REFUSED
 */
int output_failed(int error)
{
	struct fz_error err;

	fz_error_set(&err, -1, error ? "cannot write the output: %s" : "cannot write the output", strerror(error));
	return refused(&err);
}

/**
 * print_json - print a value and free it
 * @value: NULL if there was no memory for it
 * @pretty: over several lines, for a list; else on one, for an event
 *
 * Return: an exit status
 */
int print_json(json_t *value, bool pretty)
{
	int ret;

	if (!value)
		return usage_error("out of memory");
	ret = json_dumpf(value, stdout, (pretty ? (size_t)JSON_INDENT(2) : (size_t)JSON_COMPACT) |
			 JSON_ENSURE_ASCII);
	json_decref(value);
	if (ret || putchar('\n') == EOF || fflush(stdout))
		return output_failed(errno);
	return EXIT_DONE;
}

json_t *json_key(const uint8_t key[FZ_KEY_LEN])
{
	char text[FZ_KEY_TEXT_SIZE];

	fz_key_format(text, key);
	return json_string(text);
}

json_t *json_tag(const uint8_t tag[FZ_TAG_LEN])
{
	char text[FZ_TAG_TEXT_SIZE];

	return json_string(fz_format_tag(text, sizeof(text), tag));
}

json_t *json_addr(const struct fz_addr *addr)
{
	char text[FZ_ADDR_TEXT_SIZE];

	return addr->family ? json_string(fz_format_addr(text, sizeof(text), addr)) : json_null();
}

json_t *json_endpoint(const union fz_endpoint *endpoint)
{
	char text[FZ_ENDPOINT_TEXT_SIZE];

	if (!endpoint->sa.sa_family)
		return json_null();
	return json_string(fz_format_endpoint(text, sizeof(text), endpoint));
}

json_t *json_tuple(const struct fz_tuple *tuple)
{
	json_t *object = json_object();
	char protocol[16];

	fz_format_protocol(protocol, sizeof(protocol), tuple->protocol);
	json_object_set_new(object, "protocol", json_string(protocol));
	json_object_set_new(object, "src", json_addr(&tuple->src));
	json_object_set_new(object, "dst", json_addr(&tuple->dst));
	if (tuple->has_ports) {
		json_object_set_new(object, "sport", json_integer(tuple->sport));
		json_object_set_new(object, "dport", json_integer(tuple->dport));
	}
	if (tuple->has_icmp) {
		json_object_set_new(object, "icmp_type", json_integer(tuple->icmp_type));
		json_object_set_new(object, "icmp_code", json_integer(tuple->icmp_code));
		json_object_set_new(object, "icmp_id", json_integer(tuple->icmp_id));
	}
	return object;
}

/* When a grant ends: "never", "expired", or how long that is away. */
const char *format_lease(char *buf, size_t size, const struct fz_grant *grant)
{
	if (!grant->has_lease)
		return "never";
	return grant->lease_ms ? fz_format_duration(buf, size, grant->lease_ms) : "expired";
}

/* The limits of a grant: "12.0K/500.0M 10Mbit 20/s", or "-". */
const char *format_limits(char *buf, size_t size, const struct fz_grant *grant)
{
	char used[32], quota[32], rate[32];
	int len = 0;

	*buf = '\0';
	if (grant->quota)
		len += snprintf(buf + len, size - (size_t)len, " %s/%s",
				fz_format_bytes(used, sizeof(used), grant->quota_used),
				fz_format_bytes(quota, sizeof(quota), grant->quota));
	if (grant->rate)
		len += snprintf(buf + len, size - (size_t)len, " %s", fz_format_rate(rate, sizeof(rate), grant->rate));
	if (grant->flow_rate)
		len += snprintf(buf + len, size - (size_t)len, " %u/s", grant->flow_rate);
	return len ? buf + 1 : "-";
}

json_t *json_resource(const struct fz_resource *res)
{
	json_t *object = json_object(), *prefixes = json_array(), *services = json_array();
	char text[FZ_ADDR_TEXT_SIZE], *words, *rest, *word;

	for (size_t i = 0; i < res->n_prefixes; i++)
		json_array_append_new(prefixes, json_string(fz_format_prefix(text, sizeof(text),
									     &res->prefixes[i])));
	words = rest = res->n_services ? format_services(res) : NULL;
	while (words && (word = strsep(&rest, " ")))
		json_array_append_new(services, json_string(word));
	free(words);
	json_object_set_new(object, "name", json_string(res->name));
	json_object_set_new(object, "prefixes", prefixes);
	json_object_set_new(object, "services", services);
	json_object_set_new(object, "grants", json_integer(res->grants));
	return object;
}

json_t *json_grant(const struct fz_grant *grant)
{
	json_t *object = json_object();

	json_object_set_new(object, "peer", grant->any ? json_string("any") : json_key(grant->peer));
	json_object_set_new(object, "resource", json_string(grant->resource));
	json_object_set_new(object, "direction", json_string(fz_direction_name(grant->direction)));
	json_object_set_new(object, "action", json_string(fz_action_name(grant->action)));
	if (grant->has_lease)
		json_object_set_new(object, "lease_ms", json_integer((json_int_t)grant->lease_ms));
	if (grant->has_tag)
		json_object_set_new(object, "tag", json_tag(grant->tag));
	if (grant->quota) {
		json_object_set_new(object, "quota", json_integer((json_int_t)grant->quota));
		json_object_set_new(object, "quota_used", json_integer((json_int_t)grant->quota_used));
	}
	if (grant->rate)
		json_object_set_new(object, "rate", json_integer((json_int_t)grant->rate));
	if (grant->flow_rate)
		json_object_set_new(object, "flow_rate", json_integer(grant->flow_rate));
	json_object_set_new(object, "packets", json_integer((json_int_t)grant->packets));
	json_object_set_new(object, "bytes", json_integer((json_int_t)grant->bytes));
	json_object_set_new(object, "flows", json_integer(grant->flows));
	return object;
}

json_t *json_flow(const struct fz_flow *flow)
{
	json_t *object = json_object();

	json_object_set_new(object, "peer", json_key(flow->peer));
	json_object_set_new(object, "direction", json_string(fz_direction_name(flow->direction)));
	json_object_set_new(object, "tuple", json_tuple(&flow->tuple));
	json_object_set_new(object, "state", json_string(fz_flow_state_name(flow->state)));
	if (*flow->resource)
		json_object_set_new(object, "resource", json_string(flow->resource));
	if (flow->has_tag)
		json_object_set_new(object, "tag", json_tag(flow->tag));
	json_object_set_new(object, "orig_packets", json_integer((json_int_t)flow->orig_packets));
	json_object_set_new(object, "orig_bytes", json_integer((json_int_t)flow->orig_bytes));
	json_object_set_new(object, "reply_packets", json_integer((json_int_t)flow->reply_packets));
	json_object_set_new(object, "reply_bytes", json_integer((json_int_t)flow->reply_bytes));
	json_object_set_new(object, "age_ms", json_integer((json_int_t)flow->age_ms));
	json_object_set_new(object, "timeout_ms", json_integer((json_int_t)flow->timeout_ms));
	if (flow->has_lease)
		json_object_set_new(object, "lease_ms", json_integer((json_int_t)flow->lease_ms));
	if (flow->end != FZ_END_NONE)
		json_object_set_new(object, "end", json_string(fz_flow_end_name(flow->end)));
	if (flow->observed != FZ_REASON_NONE)
		json_object_set_new(object, "observed", json_string(fz_reason_name(flow->observed)));
	return object;
}

json_t *json_mode(const struct fz_mode_state modes[FZ_DIRECTIONS])
{
	json_t *object = json_object(), *one;

	for (uint8_t direction = 0; direction < FZ_DIRECTIONS; direction++) {
		if (!modes[direction].present)
			continue;
		one = json_object();
		json_object_set_new(one, "mode", json_string(fz_mode_name(modes[direction].mode)));
		json_object_set_new(one, "ask", json_boolean(modes[direction].flags & FZ_MODE_F_ASK));
		json_object_set_new(one, "reject", json_boolean(modes[direction].flags & FZ_MODE_F_REJECT));
		json_object_set_new(object, fz_direction_name(direction), one);
	}
	return object;
}
