// SPDX-License-Identifier: GPL-2.0-only
/* [Resource] and [Grant]: each becomes the command that says the same. */
#include "quick.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/*
 * The keys, in the order of their words.
 * @word: comes before the values, if there are any
 * @delimiters: between values; the ports of a service have commas of their own
 */
static const struct {
	bool is_grant;
	bool needed;
	const char *key, *word, *delimiters;
} keys[QUICK_KEYS] = {
	{ false, true, "Name", NULL, QUICK_SPACE },
	{ false, true, "Prefix", NULL, "," QUICK_SPACE },
	{ false, false, "Service", NULL, QUICK_SPACE },
	{ true, true, "Peer", "peer", QUICK_SPACE },
	{ true, true, "Resource", "resource", QUICK_SPACE },
	{ true, false, "Direction", NULL, QUICK_SPACE },
	{ true, false, "Action", NULL, QUICK_SPACE },
	{ true, false, "For", "for", QUICK_SPACE },
	{ true, false, "Until", "until", QUICK_SPACE },
	{ true, false, "Tag", "tag", QUICK_SPACE },
	{ true, false, "Quota", "quota", QUICK_SPACE },
	{ true, false, "Rate", "rate", QUICK_SPACE },
	{ true, false, "Flows", "flows", QUICK_SPACE },
};

static const char *name_of(const struct quick_section *section)
{
	return section->is_grant ? "[Grant]" : "[Resource]";
}

/**
 * quick_section_key - a line of a section
 * @section: whose it is
 * @key: the word before the equals sign
 * @value: what comes after it; may be changed
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int quick_section_key(struct quick_section *section, const char *key, char *value, struct fz_error *err)
{
	for (size_t i = 0; i < QUICK_KEYS; i++) {
		if (keys[i].is_grant != section->is_grant || strcasecmp(key, keys[i].key))
			continue;
		if (strcmp(keys[i].key, "Action") || strcmp(value, "allow"))
			return quick_list_words(&section->values[i], value, keys[i].delimiters, err);
		return 0;
	}
	return fz_error_set(err, -EINVAL, "\"%s\" is no key of %s", key, name_of(section));
}

/**
 * quick_section_check - whether a section says what it has to
 * @section: complete
 * @err: what is missing
 *
 * Return: 0 or -EINVAL
 */
int quick_section_check(const struct quick_section *section, struct fz_error *err)
{
	for (size_t i = 0; i < QUICK_KEYS; i++) {
		if (keys[i].is_grant == section->is_grant && keys[i].needed && !section->values[i].n)
			return fz_error_set(err, -EINVAL, "%s without \"%s\"", name_of(section), keys[i].key);
	}
	return 0;
}

/**
 * quick_section_command - the words of `resource add` or `grant add`
 * @section: checked
 * @dev: the device
 * @words: appended to
 * @err: why not
 *
 * Return: 0 or -ENOMEM
 */
int quick_section_command(const struct quick_section *section, const char *dev, struct quick_list *words,
			  struct fz_error *err)
{
	int ret;

	ret = quick_list_add(words, section->is_grant ? "grant" : "resource", err);
	if (!ret)
		ret = quick_list_add(words, "add", err);
	if (!ret)
		ret = quick_list_add(words, dev, err);
	for (size_t i = 0; i < QUICK_KEYS && !ret; i++) {
		const struct quick_list *values = &section->values[i];

		if (values->n && keys[i].word)
			ret = quick_list_add(words, keys[i].word, err);
		for (size_t k = 0; k < values->n && !ret; k++)
			ret = quick_list_add(words, values->texts[k], err);
	}
	return ret;
}
