// SPDX-License-Identifier: GPL-2.0-only
/* What a file says of flows: Mode, [Resource] and [Grant]. */
#include "quick.h"
#include "terms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEYS_MAX 10	/* of a section */
#define ACTION 3	/* among those of [Grant] */

struct key;
struct reader;

/**
 * struct section - one of the two kinds
 * @header: its first line
 * @keys: what it may say, up to one without a name
 * @begin: makes room for another
 * @end: all of it was read
 */
struct section {
	const char *header;
	const struct key *keys;
	int (*begin)(struct reader *reader, struct fz_error *err);
	int (*end)(struct reader *reader, struct fz_error *err);
};

/**
 * struct key - a key of a section
 * @word: of the term that it is, on the command line
 * @needed: no section is without it
 * @is_list: more lines add to it; else there is one
 * @take: takes the value, which is not empty and may be changed
 */
struct key {
	const char *name, *word;
	bool needed;
	bool is_list;
	int (*take)(struct reader *reader, char *value, struct fz_error *err);
};

/**
 * struct reader - where in the file we are
 * @dev: the device that the file makes; it knows the peers
 * @section: the kind that is read; the other one is passed over
 * @inside: we are in one of that kind
 * @key: of the line, if it is one of the section
 * @number: of the line
 * @begun: the line where the section begins
 * @said: for each key, the line where the section says it; 0 if it does not
 */
struct reader {
	const struct quick *quick;
	const struct fz_device *dev;
	struct quick_policy *policy;
	const struct section *section;
	bool inside;
	const struct key *key;
	unsigned long number;
	unsigned long begun;
	unsigned long said[KEYS_MAX];
};

static int no_value(struct fz_error *err)
{
	return fz_error_set(err, -EINVAL, "there is no value");
}

/* The error is about what @key says in a line. */
static int at_key(const struct quick *quick, unsigned long number, const char *key, int ret, struct fz_error *err)
{
	fz_error_prefix(err, "%s, line %lu: %s: ", quick->path, number, key);
	return ret;
}

/* The error is about a section, or a line that is none of its keys. */
static int at_line(const struct quick *quick, unsigned long number, int ret, struct fz_error *err)
{
	fz_error_prefix(err, "%s, line %lu: ", quick->path, number);
	return ret;
}

static struct fz_resource *this_resource(const struct reader *reader)
{
	return &reader->policy->resources[reader->policy->n_resources - 1];
}

static struct fz_grant *this_grant(const struct reader *reader)
{
	return &reader->policy->grants[reader->policy->n_grants - 1];
}

/* Room for one more in a list, and for the line where it begins. */
static int grow(const struct reader *reader, void **list, unsigned long **lines, size_t *n, size_t size,
		struct fz_error *err)
{
	void *grown = reallocarray(*list, *n + 1, size);
	unsigned long *numbers;

	if (!grown)
		return fz_error_memory(err);
	*list = grown;
	numbers = reallocarray(*lines, *n + 1, sizeof(*numbers));
	if (!numbers)
		return fz_error_memory(err);
	*lines = numbers;
	numbers[*n] = reader->number;
	memset((char *)grown + *n * size, 0, size);
	++*n;
	return 0;
}

static int begin_resource(struct reader *reader, struct fz_error *err)
{
	struct quick_policy *policy = reader->policy;

	return grow(reader, (void **)&policy->resources, &policy->resource_lines, &policy->n_resources,
		    sizeof(*policy->resources), err);
}

/* NULL if there is none of that name. */
const struct fz_resource *quick_find_resource(const struct fz_resource *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(list[i].name, name))
			return &list[i];
	}
	return NULL;
}

static int take_name(struct reader *reader, char *value, struct fz_error *err)
{
	const struct quick_policy *policy = reader->policy;
	const struct fz_resource *other = quick_find_resource(policy->resources, policy->n_resources - 1, value);

	if (other)
		return fz_error_set(err, -EINVAL, "\"%s\" is the resource in line %lu", value,
				    policy->resource_lines[other - policy->resources]);
	return fz_parse_name(value, this_resource(reader)->name, err);
}

static int take_prefixes(struct reader *reader, char *value, struct fz_error *err)
{
	struct fz_resource *res = this_resource(reader);
	struct fz_prefix prefix;
	size_t before = res->n_prefixes;
	char *word;
	int ret;

	while ((word = strtok_r(value, "," QUICK_SPACE, &value))) {
		ret = fz_parse_prefix(word, &prefix, err);
		if (ret)
			return ret;
		if (fz_resource_add_prefix(res, &prefix))
			return fz_error_memory(err);
	}
	return res->n_prefixes > before ? 0 : no_value(err);
}

/* The ports of a service have commas of their own. */
static int take_services(struct reader *reader, char *value, struct fz_error *err)
{
	char *word;
	int ret = 0;

	while (!ret && (word = strtok_r(value, QUICK_SPACE, &value))) {
		if (word[strlen(word) - 1] == ',')
			return fz_error_set(err, -EINVAL, "\"%s\": services are divided by blanks", word);
		ret = fz_parse_service(word, this_resource(reader), err);
	}
	return ret;
}

static int begin_grant(struct reader *reader, struct fz_error *err)
{
	struct quick_policy *policy = reader->policy;

	return grow(reader, (void **)&policy->grants, &policy->grant_lines, &policy->n_grants,
		    sizeof(*policy->grants), err);
}

static int take_peer(struct reader *reader, char *value, struct fz_error *err)
{
	struct fz_grant *grant = this_grant(reader);

	grant->any = !strcmp(value, "any");
	if (grant->any)
		return 0;
	if (!fz_key_parse(grant->peer, value)) {
		if (!peer_start(value))
			return fz_error_set(err, -EINVAL, "\"%s\" is no key", value);
		return peer_find(reader->dev, "in this file", value, grant->peer, err);
	}
	if (!fz_device_find_peer(reader->dev, grant->peer))
		return fz_error_set(err, -EINVAL, "\"%s\" is no [Peer] of this file", value);
	return 0;
}

static int take_resource(struct reader *reader, char *value, struct fz_error *err)
{
	const struct quick_policy *policy = reader->policy;
	int ret;

	ret = fz_parse_name(value, this_grant(reader)->resource, err);
	if (ret || quick_find_resource(policy->resources, policy->n_resources, value))
		return ret;
	return fz_error_set(err, -EINVAL, "\"%s\" is no [Resource] of this file", value);
}

static int take_direction(struct reader *reader, char *value, struct fz_error *err)
{
	return fz_parse_direction(value, &this_grant(reader)->direction, err);
}

static int take_action(struct reader *reader, char *value, struct fz_error *err)
{
	return grant_parse_action(value, &this_grant(reader)->action, err);
}

static int take_term(struct reader *reader, char *value, struct fz_error *err)
{
	const struct grant_term *term = grant_term_find(reader->key->word);
	struct fz_grant *grant = this_grant(reader);
	int ret;

	if (term->said(grant))
		return fz_error_set(err, -EINVAL, "%s", term->twice);
	ret = term->parse(value, grant, err);
	/* Such a time comes to any file, and is no mistake: the grant is over. */
	if (ret != -ETIME)
		return ret;
	grant->has_lease = true;
	grant->lease_ms = 0;
	return 0;
}

/* The one that @grant would renew, NULL if there is none. */
const struct fz_grant *quick_find_grant(const struct fz_grant *list, size_t n, const struct fz_grant *grant)
{
	for (size_t i = 0; i < n; i++) {
		if (!compare_grants(&list[i], grant))
			return &list[i];
	}
	return NULL;
}

static int end_grant(struct reader *reader, struct fz_error *err)
{
	const struct quick_policy *policy = reader->policy;
	const struct fz_grant *grant = this_grant(reader);
	const struct fz_grant *other = quick_find_grant(policy->grants, policy->n_grants - 1, grant);
	int ret;

	if (other) {
		ret = fz_error_set(err, -EINVAL, "[Grant] for the peer, resource and direction of that in line %lu",
				   policy->grant_lines[other - policy->grants]);
		return at_line(reader->quick, reader->begun, ret, err);
	}
	ret = grant_check(grant, err);
	return ret ? at_key(reader->quick, reader->said[ACTION], "Action", ret, err) : 0;
}

static const struct key resource_keys[] = {
	{ "Name", NULL, true, false, take_name },
	{ "Prefix", NULL, true, true, take_prefixes },
	{ "Service", NULL, false, true, take_services },
	{ 0 }
};

static const struct key grant_keys[] = {
	{ "Peer", NULL, true, false, take_peer },
	{ "Resource", NULL, true, false, take_resource },
	{ "Direction", NULL, false, false, take_direction },
	[ACTION] = { "Action", NULL, false, false, take_action },
	{ "For", "for", false, false, take_term },
	{ "Until", "until", false, false, take_term },
	{ "Tag", "tag", false, false, take_term },
	{ "Quota", "quota", false, false, take_term },
	{ "Rate", "rate", false, false, take_term },
	{ "Flows", "flows", false, false, take_term },
	{ 0 }
};

/* In the order in which they are read: wherever they stand, a grant finds its resource. */
static const struct section sections[] = {
	{ "[Resource]", resource_keys, begin_resource, NULL },
	{ "[Grant]", grant_keys, begin_grant, end_grant },
};

static int end_section(struct reader *reader, struct fz_error *err)
{
	const struct section *section = reader->section;
	int ret;

	if (!reader->inside)
		return 0;
	reader->inside = false;
	for (size_t i = 0; section->keys[i].name; i++) {
		if (!section->keys[i].needed || reader->said[i])
			continue;
		ret = fz_error_set(err, -EINVAL, "%s without \"%s\"", section->header, section->keys[i].name);
		return at_line(reader->quick, reader->begun, ret, err);
	}
	return section->end ? section->end(reader, err) : 0;
}

static int begin_section(struct reader *reader, const char *header, struct fz_error *err)
{
	int ret = end_section(reader, err);

	if (ret || !quick_is_header(header, reader->section->header))
		return ret;
	reader->inside = true;
	reader->begun = reader->number;
	memset(reader->said, 0, sizeof(reader->said));
	return reader->section->begin(reader, err);
}

static int read_key(struct reader *reader, const char *name, char *value, struct fz_error *err)
{
	const struct key *key = reader->section->keys;
	unsigned long *said = reader->said;
	int ret = 0;

	for (; key->name && strcasecmp(key->name, name); key++)
		said++;
	if (!key->name || !value) {
		ret = fz_error_set(err, -EINVAL, value ? "\"%s\" is no key of %s" : "\"%s\" is no line of a %s", name,
				   reader->section->header);
		return at_line(reader->quick, reader->number, ret, err);
	}
	if (!*value)
		ret = no_value(err);
	else if (*said && !key->is_list)
		ret = fz_error_set(err, -EINVAL, "it is there already, in line %lu", *said);
	*said = reader->number;
	reader->key = key;
	if (!ret)
		ret = key->take(reader, value, err);
	return ret ? at_key(reader->quick, reader->number, key->name, ret, err) : 0;
}

static int read_line(struct reader *reader, const struct quick_line *line, struct fz_error *err)
{
	char *copy = strdup(line->text), *name, *value;
	int ret = 0;

	if (!copy)
		return fz_error_memory(err);
	reader->number = line->number;
	name = quick_split(copy, &value);
	if (*name == '[')
		ret = begin_section(reader, name, err);
	else if (reader->inside && (*name || value))
		ret = read_key(reader, name, value, err);
	free(copy);
	return ret;
}

/* All sections of one kind. */
static int read_sections(struct reader *reader, const struct section *section, struct fz_error *err)
{
	const struct quick_lines *lines = &reader->quick->policy;
	int ret = 0;

	reader->section = section;
	for (size_t i = 0; i < lines->n && !ret; i++)
		ret = read_line(reader, &lines->lines[i], err);
	return ret ? ret : end_section(reader, err);
}

static int parse_mode(char *value, struct quick_policy *policy, struct fz_error *err)
{
	struct quick_list words = { 0 };
	int ret;

	ret = quick_list_words(&words, value, QUICK_SPACE, err);
	if (!ret && !words.n)
		ret = no_value(err);
	if (!ret)
		ret = mode_parse((int)words.n, words.texts, policy->mode, err);
	if (!ret)
		ret = mode_check_device(policy->mode, err);
	quick_list_free(&words);
	return ret;
}

static int read_mode(const struct quick *quick, struct quick_policy *policy, struct fz_error *err)
{
	const struct quick_line *lines = quick->mode.lines;
	char *value;
	int ret;

	if (!quick->mode.n)
		return 0;
	if (quick->mode.n > 1) {
		ret = fz_error_set(err, -EINVAL, "it is there already, in line %lu", lines[0].number);
		return at_key(quick, lines[1].number, "Mode", ret, err);
	}
	value = strdup(lines[0].text);
	if (!value)
		return fz_error_memory(err);
	ret = parse_mode(value, policy, err);
	free(value);
	return ret ? at_key(quick, lines[0].number, "Mode", ret, err) : 0;
}

/**
 * quick_policy - the part of a file that is about flows
 * @quick: the file
 * @dev: what quick_config() made of it
 * @policy: filled, for quick_policy_free(), which may be called on failure too
 * @err: why not, with the line's number and the key
 *
 * Every value is looked at, and every name found, so that the kernel has no reason to refuse it.
 *
 * Return: 0 or a negative errno
 */
int quick_policy(const struct quick *quick, const struct fz_device *dev, struct quick_policy *policy,
		 struct fz_error *err)
{
	struct reader reader = { .quick = quick, .dev = dev, .policy = policy };
	int ret;

	memset(policy, 0, sizeof(*policy));
	ret = read_mode(quick, policy, err);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && !ret; i++)
		ret = read_sections(&reader, &sections[i], err);
	return ret;
}

void quick_policy_free(struct quick_policy *policy)
{
	fz_resources_free(policy->resources, policy->n_resources);
	free(policy->resource_lines);
	free(policy->grants);
	free(policy->grant_lines);
	memset(policy, 0, sizeof(*policy));
}
