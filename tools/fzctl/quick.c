// SPDX-License-Identifier: GPL-2.0-only
#include "quick.h"
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int add_text(struct quick_list *list, const char *text, struct fz_error *err)
{
	char **grown = reallocarray(list->texts, list->n + 1, sizeof(*grown));

	if (!grown)
		return fz_error_set(err, -ENOMEM, "out of memory");
	list->texts = grown;
	grown[list->n] = strdup(text);
	if (!grown[list->n])
		return fz_error_set(err, -ENOMEM, "out of memory");
	list->n++;
	return 0;
}

static int add_address(struct quick *quick, const char *word, struct fz_error *err)
{
	struct fz_prefix prefix, *grown;
	int ret;

	ret = fz_parse_ifaddr(word, &prefix, err);
	if (ret)
		return ret;
	grown = reallocarray(quick->addresses, quick->n_addresses + 1, sizeof(*grown));
	if (!grown)
		return fz_error_set(err, -ENOMEM, "out of memory");
	quick->addresses = grown;
	grown[quick->n_addresses++] = prefix;
	return 0;
}

/* Each of a list with commas. */
static int read_words(struct quick *quick, char *value, bool addresses, struct fz_error *err)
{
	char *word;
	int ret = 0;

	while (!ret && (word = strtok_r(value, ", \t", &value)))
		ret = addresses ? add_address(quick, word, err) : add_text(&quick->dns, word, err);
	return ret;
}

static int read_table(struct quick *quick, const char *value, struct fz_error *err)
{
	if (!strcmp(value, "off")) {
		quick->no_routes = true;
		return 0;
	}
	if (!strcmp(value, "auto")) {
		quick->table = 0;
		return 0;
	}
	return fz_parse_u32(value, "routing table", 1, UINT32_MAX, &quick->table, err);
}

static int hook_of(const char *key)
{
	static const char *const names[QUICK_HOOKS] = {
		[PRE_UP] = "PreUp", [POST_UP] = "PostUp", [PRE_DOWN] = "PreDown", [POST_DOWN] = "PostDown",
	};

	for (int i = 0; i < QUICK_HOOKS; i++) {
		if (!strcasecmp(key, names[i]))
			return i;
	}
	return -1;
}

/*
 * A key of wg-quick's own; 1 if it is none of them.
 * @value: may be changed
 */
static int own_key(struct quick *quick, const char *key, char *value, struct fz_error *err)
{
	int hook = hook_of(key);

	if (hook >= 0)
		return add_text(&quick->hooks[hook], value, err);
	if (!strcasecmp(key, "Address"))
		return read_words(quick, value, true, err);
	if (!strcasecmp(key, "DNS"))
		return read_words(quick, value, false, err);
	if (!strcasecmp(key, "MTU"))
		return fz_parse_u32(value, "MTU", 68, 65535, &quick->mtu, err);
	if (!strcasecmp(key, "Table"))
		return read_table(quick, value, err);
	if (!strcasecmp(key, "SaveConfig")) {
		if (!strcasecmp(value, "false"))
			return 0;
		return fz_error_set(err, -EINVAL, "\"SaveConfig = %s\": files are not written back", value);
	}
	return 1;
}

/* Cut "key = value" in two, in place and without the space around them; false if it is not that. */
static bool cut(char *line, char **key, char **value)
{
	char *equals = strchr(line, '='), *end;

	if (!equals)
		return false;
	line += strspn(line, " \t");
	for (end = equals; end > line && isspace((unsigned char)end[-1]); end--)
		;
	*end = 0;
	*key = line;
	*value = equals + 1 + strspn(equals + 1, " \t");
	for (end = *value + strlen(*value); end > *value && isspace((unsigned char)end[-1]); end--)
		;
	*end = 0;
	return **key && **value;
}

static int read_line(struct quick *quick, struct config_parser *parser, const char *line,
		     struct fz_error *err)
{
	char *copy, *key, *value;
	int ret = 1;

	if (parser->in_interface && *line != '#') {
		copy = strdup(line);
		if (!copy)
			return fz_error_set(err, -ENOMEM, "out of memory");
		/* A comment ends any value but a command. */
		if (cut(copy, &key, &value)) {
			if (hook_of(key) < 0)
				value[strcspn(value, "#")] = 0;
			for (size_t n = strlen(value); n && isspace((unsigned char)value[n - 1]); n--)
				value[n - 1] = 0;
			ret = own_key(quick, key, value, err);
		}
		sodium_memzero(copy, strlen(line));
		free(copy);
	}
	return ret == 1 ? config_line(parser, line, err) : ret;
}

/**
 * quick_read - read a file
 * @path: the file
 * @name: the device's name
 * @quick: filled, for quick_free(); on failure there is nothing to free
 * @err: why not, with the line's number
 *
 * Return: 0 or a negative errno
 */
int quick_read(const char *path, const char *name, struct quick *quick, struct fz_error *err)
{
	struct config_parser parser;
	unsigned long number = 0;
	char *line = NULL;
	size_t size = 0;
	int ret;
	FILE *file;

	memset(quick, 0, sizeof(*quick));
	file = fopen(path, "re");
	if (!file)
		return fz_error_set(err, -errno, "cannot read \"%s\": %s", path, strerror(errno));
	ret = config_begin(&parser, name, false);
	if (ret)
		fz_error_set(err, ret, "out of memory");
	while (!ret && getline(&line, &size, file) >= 0) {
		number++;
		ret = read_line(quick, &parser, line, err);
		if (ret)
			fz_error_prefix(err, "%s, line %lu: ", path, number);
	}
	if (!ret && ferror(file))
		ret = fz_error_set(err, -EIO, "cannot read \"%s\"", path);
	if (!ret)
		ret = config_end(&parser, err);
	if (line)
		sodium_memzero(line, size);
	free(line);
	fclose(file);
	quick->dev = parser.dev;
	if (ret)
		quick_free(quick);
	return ret;
}

/**
 * quick_free - what a file was read into; its keys are wiped
 * @quick: itself not freed
 */
void quick_free(struct quick *quick)
{
	fz_device_free(quick->dev);
	free(quick->addresses);
	for (size_t i = 0; i < quick->dns.n; i++)
		free(quick->dns.texts[i]);
	free(quick->dns.texts);
	for (int hook = 0; hook < QUICK_HOOKS; hook++) {
		for (size_t i = 0; i < quick->hooks[hook].n; i++)
			free(quick->hooks[hook].texts[i]);
		free(quick->hooks[hook].texts);
	}
	memset(quick, 0, sizeof(*quick));
}
