// SPDX-License-Identifier: GPL-2.0-only
/* Fields of a body to the model and back. Text forms are those of tools/lib, the same as on the command line. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api_internal.h"
#include "parse.h"
#include "prefix.h"

#define refused(...) fault_set(&request->fault, -EINVAL, __VA_ARGS__)

int api_fields_known(struct api_request *request, const char *const *known)
{
	const char *field;
	json_t *value;

	json_object_foreach(request->body, field, value) {
		size_t i;

		for (i = 0; known[i] && strcmp(known[i], field); i++)
			;
		if (!known[i])
			return refused(field, "there is no field '%.64s' here", field);
	}
	return 0;
}

int api_take_text(struct api_request *request, const char *field, char *text, size_t size, bool required)
{
	json_t *value = json_object_get(request->body, field);

	if (!value)
		return required ? refused(field, "'%s' is missing", field) : 0;
	if (!json_is_string(value))
		return refused(field, "'%s' has to be text", field);
	if (strlen(json_string_value(value)) != json_string_length(value) || json_string_length(value) >= size)
		return refused(field, "'%s' is too long: at most %zu bytes", field, size - 1);
	strcpy(text, json_string_value(value));
	return 0;
}

int api_take_name(struct api_request *request, char name[NAME_LEN_MAX + 1], bool required)
{
	return api_take_text(request, "name", name, NAME_LEN_MAX + 1, required);
}

int api_take_bool(struct api_request *request, const char *field, bool *value)
{
	json_t *found = json_object_get(request->body, field);

	if (!found)
		return 0;
	if (!json_is_boolean(found))
		return refused(field, "'%s' has to be true or false", field);
	*value = json_is_true(found);
	return 0;
}

int api_take_u32(struct api_request *request, const char *field, uint32_t min, uint32_t max, uint32_t *value)
{
	json_t *found = json_object_get(request->body, field);

	if (!found)
		return 0;
	if (!json_is_integer(found) || json_integer_value(found) < min || json_integer_value(found) > max)
		return refused(field, "'%s' has to be a number from %u to %u", field, min, max);
	*value = (uint32_t)json_integer_value(found);
	return 0;
}

/* The list, when it is one of strings and not too long. NULL without a fault: absent. */
static int take_list(struct api_request *request, const char *field, size_t max, json_t **list)
{
	json_t *item;
	size_t i;

	*list = json_object_get(request->body, field);
	if (!*list)
		return 0;
	if (!json_is_array(*list))
		return refused(field, "'%s' has to be a list of text", field);
	if (json_array_size(*list) > max)
		return refused(field, "'%s' has more than %zu entries", field, max);
	json_array_foreach(*list, i, item)
		if (!json_is_string(item) || strlen(json_string_value(item)) != json_string_length(item))
			return refused(field, "'%s' has to be a list of text", field);
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	const int64_t *p = a, *q = b;

	return *p < *q ? -1 : *p > *q;
}

int api_take_ids(struct api_request *request, const char *field, const char *what,
		 int64_t (*find)(const struct directory *dir, const char *name), int64_t **ids, size_t *n)
{
	json_t *list, *item;
	int64_t *found;
	size_t i, kept = 0;
	int code = take_list(request, field, 4096, &list);

	if (code || !list)
		return code;
	found = calloc(json_array_size(list) + 1, sizeof(*found));
	if (!found)
		return fault_set(&request->fault, -ENOMEM, NULL, "out of memory");
	json_array_foreach(list, i, item) {
		found[i] = find(request->broker->dir, json_string_value(item));
		if (!found[i]) {
			free(found);
			return refused(field, "there is no %s '%.64s'", what, json_string_value(item));
		}
	}
	qsort(found, json_array_size(list), sizeof(*found), compare_ids);
	for (i = 0; i < json_array_size(list); i++)
		if (!kept || found[kept - 1] != found[i])
			found[kept++] = found[i];
	*ids = found;
	*n = kept;
	return 0;
}

static void prefix_from(const struct fz_prefix *from, struct prefix *to)
{
	memset(to, 0, sizeof(*to));
	to->family = (uint8_t)from->addr.family;
	to->bits = from->len;
	memcpy(to->addr, from->addr.bytes, to->family == AF_INET ? 4 : 16);
}

int api_take_prefixes(struct api_request *request, struct prefix **prefixes, size_t *n)
{
	struct fz_error error;
	struct prefix *found;
	struct fz_prefix one;
	json_t *list, *item;
	size_t i;
	int code = take_list(request, "prefixes", SITE_PREFIXES_MAX, &list);

	if (code || !list)
		return code;
	found = calloc(json_array_size(list) + 1, sizeof(*found));
	if (!found)
		return fault_set(&request->fault, -ENOMEM, NULL, "out of memory");
	json_array_foreach(list, i, item) {
		memset(&one, 0, sizeof(one));
		if (fz_parse_prefix(json_string_value(item), &one, &error)) {
			free(found);
			return refused("prefixes", "%.200s", error.text);
		}
		prefix_from(&one, &found[i]);
	}
	*prefixes = found;
	*n = json_array_size(list);
	return 0;
}

int api_take_services(struct api_request *request, struct service **services, size_t *n)
{
	struct fz_resource parsed = { 0 };
	struct service *found = NULL;
	struct fz_error error;
	json_t *list, *item;
	size_t i;
	int code = take_list(request, "services", RESOURCE_SERVICES_MAX, &list);

	if (code || !list)
		return code;
	json_array_foreach(list, i, item) {
		if (!fz_parse_service(json_string_value(item), &parsed, &error))
			continue;
		code = refused("services", "%.200s", error.text);
		goto out;
	}
	found = calloc(parsed.n_services + 1, sizeof(*found));
	if (!found) {
		code = fault_set(&request->fault, -ENOMEM, NULL, "out of memory");
		goto out;
	}
	for (i = 0; i < parsed.n_services; i++) {
		const struct fz_service *service = &parsed.services[i];

		found[i] = (struct service){ service->protocol, service->has_ports ? service->port_min : 0,
					     service->has_ports ? service->port_max : UINT16_MAX };
	}
	*services = found;
	*n = parsed.n_services;
out:
	fz_resource_clear(&parsed);
	return code;
}

int api_parse_target(const char *text, struct tuple *tuple, struct fault *fault)
{
	char copy[160], *host = copy, *port = NULL, *proto;
	struct fz_error error;
	struct fz_addr addr;
	uint16_t number = 0;

	if (strlen(text) >= sizeof(copy))
		return fault_set(fault, -EINVAL, "target", "the target is too long");
	strcpy(copy, text);
	proto = strrchr(copy, '/');
	if (proto)
		*proto++ = '\0';
	if (*host == '[') {
		port = strchr(++host, ']');
		if (!port)
			return fault_set(fault, -EINVAL, "target", "'%.100s': the ] is missing", text);
		*port++ = '\0';
		port = *port == ':' ? port + 1 : NULL;
	} else if (strchr(host, ':') && strchr(host, ':') == strrchr(host, ':')) {
		port = strchr(host, ':');
		*port++ = '\0';
	}
	memset(tuple, 0, sizeof(*tuple));
	tuple->proto = IPPROTO_TCP;
	if (fz_parse_addr(host, &addr, &error) || (proto && fz_parse_protocol(proto, &tuple->proto, &error)) ||
	    (port && fz_parse_port(port, &number, &error)))
		return fault_set(fault, -EINVAL, "target", "%.200s", error.text);
	if (!port && proto_has_ports(tuple->proto) && tuple->proto != IPPROTO_ICMP && tuple->proto != IPPROTO_ICMPV6)
		return fault_set(fault, -EINVAL, "target", "'%.100s' lacks a port", text);
	tuple->family = (uint8_t)addr.family;
	tuple->dport = number;
	memcpy(tuple->dst, addr.bytes, tuple->family == AF_INET ? 4 : 16);
	if (tuple->proto == IPPROTO_ICMP && tuple->family == AF_INET6)
		tuple->proto = IPPROTO_ICMPV6;
	if ((tuple->proto == IPPROTO_ICMP || tuple->proto == IPPROTO_ICMPV6) && !port)
		tuple->dport = tuple->family == AF_INET ? 8 : 128;	/* echo request */
	return 0;
}

json_t *api_json_time(int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[32], all[40];
	struct tm utc;

	if (!ms)
		return json_null();
	gmtime_r(&seconds, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(all, sizeof(all), "%s.%03dZ", text, (int)(ms % 1000));
	return json_string(all);
}

json_t *api_json_prefixes(const struct prefix *prefixes, size_t n)
{
	json_t *list = json_array();
	char text[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(prefix_format(&prefixes[i], text)));
	return list;
}

json_t *api_json_services(const struct service *services, size_t n)
{
	json_t *list = json_array();
	char text[SERVICE_TEXT_SIZE];

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(service_format(&services[i], text)));
	return list;
}

json_t *api_json_tag(const uint8_t tag[MODEL_TAG_LEN])
{
	char text[TAG_TEXT_SIZE];

	return json_string(tag_format(tag, text));
}

json_t *api_json_text(const char *text)
{
	json_t *value = text ? json_string(text) : NULL;

	return value ? value : json_null();
}

json_t *api_items(json_t *array)
{
	return json_pack("{so}", "items", array);
}

int64_t api_find_group(const struct directory *dir, const char *name)
{
	const struct group *group = directory_group_named(dir, name);

	return group ? group->id : 0;
}

int64_t api_find_resource(const struct directory *dir, const char *name)
{
	const struct resource *resource = directory_resource_named(dir, name);

	return resource ? resource->id : 0;
}
