// SPDX-License-Identifier: GPL-2.0-only
#include "quick.h"
#include "config.h"
#include "show.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static const char *const hook_names[QUICK_HOOKS] = {
	[PRE_UP] = "PreUp", [POST_UP] = "PostUp", [PRE_DOWN] = "PreDown", [POST_DOWN] = "PostDown",
};

/* Where in the file we are. */
struct reader {
	struct quick *quick;
	bool in_interface;
	bool in_section;		/* one of ours */
	unsigned long number;
};

/**
 * quick_list_add - append a text
 * @list: grows
 * @text: copied
 * @err: why not
 *
 * Return: 0 or -ENOMEM
 */
int quick_list_add(struct quick_list *list, const char *text, struct fz_error *err)
{
	char **grown = reallocarray(list->texts, list->n + 1, sizeof(*grown));

	if (!grown)
		return fz_error_memory(err);
	list->texts = grown;
	grown[list->n] = strdup(text);
	if (!grown[list->n])
		return fz_error_memory(err);
	list->n++;
	return 0;
}

/**
 * quick_list_words - append each word of a text
 * @list: grows
 * @text: is changed
 * @delimiters: what may stand between words
 * @err: why not
 *
 * Return: 0 or -ENOMEM
 */
int quick_list_words(struct quick_list *list, char *text, const char *delimiters, struct fz_error *err)
{
	char *word;
	int ret = 0;

	while (!ret && (word = strtok_r(text, delimiters, &text)))
		ret = quick_list_add(list, word, err);
	return ret;
}

void quick_list_free(struct quick_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->texts[i]);
	free(list->texts);
	memset(list, 0, sizeof(*list));
}

static int add_line(struct quick_lines *lines, const char *text, unsigned long number, struct fz_error *err)
{
	struct quick_line *grown = reallocarray(lines->lines, lines->n + 1, sizeof(*grown));

	if (!grown)
		return fz_error_memory(err);
	lines->lines = grown;
	grown[lines->n].text = strdup(text);
	grown[lines->n].number = number;
	if (!grown[lines->n].text)
		return fz_error_memory(err);
	lines->n++;
	return 0;
}

/* A private key may be in one. */
static void free_lines(struct quick_lines *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		sodium_memzero(lines->lines[i].text, strlen(lines->lines[i].text));
		free(lines->lines[i].text);
	}
	free(lines->lines);
}

/* ip(8) takes 10.0.0.1/255.255.255.0 too, and so does wg-quick. */
static int parse_address(const char *word, struct fz_prefix *prefix, struct fz_error *err)
{
	const char *slash = strchr(word, '/');
	struct fz_prefix found;
	struct in_addr mask;
	char text[64];
	uint32_t bits;

	if (!slash || inet_pton(AF_INET, slash + 1, &mask) != 1)
		return fz_parse_ifaddr(word, prefix, err);
	bits = ntohl(mask.s_addr);
	snprintf(text, sizeof(text), "%.*s", (int)(slash - word), word);
	if ((~bits & (~bits + 1)) || fz_parse_ifaddr(text, &found, NULL) || found.addr.family != AF_INET)
		return fz_error_set(err, -EINVAL, "\"%s\" is no address with a netmask", word);
	found.len = (uint8_t)__builtin_popcount(bits);
	*prefix = found;
	return 0;
}

static int read_addresses(struct quick *quick, char *value, struct fz_error *err)
{
	struct fz_prefix *grown;
	char *word;
	int ret = 0;

	while (!ret && (word = strtok_r(value, "," QUICK_SPACE, &value))) {
		grown = reallocarray(quick->addresses, quick->n_addresses + 1, sizeof(*grown));
		if (!grown)
			return fz_error_memory(err);
		quick->addresses = grown;
		ret = parse_address(word, &grown[quick->n_addresses], err);
		if (!ret)
			quick->n_addresses++;
	}
	return ret;
}

/* What is not at all like an address is a domain to search. */
static int read_dns(struct quick *quick, char *value, struct fz_error *err)
{
	char *word;
	int ret = 0;

	while (!ret && (word = strtok_r(value, "," QUICK_SPACE, &value))) {
		bool is_server = strchr(word, ':') || !word[strspn(word, "0123456789.")];

		ret = quick_list_add(is_server ? &quick->servers : &quick->domains, word, err);
	}
	return ret;
}

/* The number of a table in a file of lines "NUMBER NAME"; 0 if it is not there. */
static uint32_t table_in_file(const char *path, const char *name)
{
	char line[256], *word, *rest, *end;
	uint32_t found = 0;
	FILE *file = fopen(path, "re");

	while (file && !found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "#\n")] = 0;
		rest = line;
		word = strtok_r(rest, " \t", &rest);
		if (word && (end = strtok_r(rest, " \t", &rest)) && !strcmp(end, name))
			found = (uint32_t)strtoul(word, NULL, 0);
	}
	if (file)
		fclose(file);
	return found;
}

/* As ip(8) finds it. */
static uint32_t table_by_name(const char *name)
{
	static const char *const patterns[] = {
		"/etc/iproute2/rt_tables", "/etc/iproute2/rt_tables.d/*.conf", "/usr/share/iproute2/rt_tables",
		"/usr/lib/iproute2/rt_tables",
	};
	uint32_t found = 0;
	glob_t files;

	if (!strcmp(name, "main"))
		return 254;
	for (size_t i = 0; !found && i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		if (glob(patterns[i], 0, NULL, &files))
			continue;
		for (size_t k = 0; !found && k < files.gl_pathc; k++)
			found = table_in_file(files.gl_pathv[k], name);
		globfree(&files);
	}
	return found;
}

static int read_table(struct quick *quick, const char *value, struct fz_error *err)
{
	unsigned long long number = 0;
	char *end;

	free(quick->table_text);
	quick->table_text = NULL;
	quick->table = 0;
	quick->no_routes = !strcmp(value, "off");
	if (!*value)
		return 0;
	quick->table_text = strdup(value);
	if (!quick->table_text)
		return fz_error_memory(err);
	if (quick->no_routes || !strcmp(value, "auto"))
		return 0;
	if (isdigit((unsigned char)*value)) {
		errno = 0;
		number = strtoull(value, &end, 0);
		if (*end || errno || number > UINT32_MAX)
			number = 0;
	} else {
		number = table_by_name(value);
	}
	if (!number)
		return fz_error_set(err, -EINVAL, "\"%s\" is no routing table (off, auto, a number or a name that ip knows)",
				    value);
	quick->table = (uint32_t)number;
	return 0;
}

static int read_bool(const char *value, bool *out, struct fz_error *err)
{
	if (strcasecmp(value, "true") && strcasecmp(value, "false"))
		return fz_error_set(err, -EINVAL, "\"%s\" is neither true nor false", value);
	*out = !strcasecmp(value, "true");
	return 0;
}

static int hook_of(const char *key)
{
	for (int i = 0; i < QUICK_HOOKS; i++) {
		if (!strcasecmp(key, hook_names[i]))
			return i;
	}
	return -1;
}

/*
 * A key of [Interface] that wg(8) does not know; 1 if it is none of them.
 * @value: may be changed
 * @number: of the line
 */
static int own_key(struct quick *quick, const char *key, char *value, unsigned long number, struct fz_error *err)
{
	int hook = hook_of(key);

	if (hook >= 0)
		return quick_list_add(&quick->hooks[hook], value, err);
	if (!strcasecmp(key, "Address"))
		return read_addresses(quick, value, err);
	if (!strcasecmp(key, "DNS"))
		return read_dns(quick, value, err);
	if (!strcasecmp(key, "MTU")) {
		quick->mtu = 0;
		return *value ? fz_parse_u32(value, "MTU", 68, QUICK_MTU_LARGEST, &quick->mtu,
					     err) : 0;
	}
	if (!strcasecmp(key, "Table"))
		return read_table(quick, value, err);
	if (!strcasecmp(key, "SaveConfig"))
		return read_bool(value, &quick->save, err);
	if (!strcasecmp(key, "Mode"))
		return add_line(&quick->mode, value, number, err);
	return 1;
}

/* Without the space around it. */
static char *trim(char *text)
{
	char *end;

	text += strspn(text, QUICK_SPACE);
	for (end = text + strlen(text); end > text && isspace((unsigned char)end[-1]); end--)
		;
	*end = 0;
	return text;
}

/**
 * quick_split - the parts of a line, without the space around them and without a comment
 * @line: is changed
 * @value: receives what comes after the equals sign, NULL if there is none
 *
 * Return: what comes before it, or all of a section's header
 */
char *quick_split(char *line, char **value)
{
	line[strcspn(line, "#")] = 0;
	line = trim(line);
	*value = *line == '[' ? NULL : strchr(line, '=');
	if (!*value)
		return line;
	*(*value)++ = 0;
	*value = trim(*value);
	return trim(line);
}

/* As config_line() knows it: whatever the case, and wherever there is space. */
bool quick_is_header(const char *line, const char *header)
{
	for (; *line; line++) {
		if (isspace((unsigned char)*line))
			continue;
		if (tolower((unsigned char)*line) != tolower((unsigned char)*header))
			return false;
		header++;
	}
	return !*header;
}

/*
 * A line that may be ours.
 * @line: is changed
 * @ours: receives whether it is, and not one of wg(8)
 */
static int own_line(struct reader *reader, char *line, bool *ours, struct fz_error *err)
{
	char *key, *value;
	int ret;

	key = quick_split(line, &value);
	if (*key == '[') {
		reader->in_interface = quick_is_header(key, "[Interface]");
		reader->in_section = quick_is_header(key, "[Resource]") || quick_is_header(key, "[Grant]");
	}
	*ours = reader->in_section;
	if (*key == '[' || !*key || !value || !reader->in_interface)
		return 0;
	ret = own_key(reader->quick, key, value, reader->number, err);
	*ours = ret != 1;
	return ret == 1 ? 0 : ret;
}

static int read_line(struct reader *reader, const char *line, struct fz_error *err)
{
	char *copy = strdup(line), *text = strdup(line);
	struct quick *quick = reader->quick;
	bool ours, in_section = reader->in_section;
	int ret;

	if (!copy || !text) {
		ret = fz_error_memory(err);
	} else {
		ret = own_line(reader, copy, &ours, err);
		if (!ret && !ours)
			ret = add_line(&quick->config, trim(text), reader->number, err);
		else if (!ret && (in_section || reader->in_section))
			ret = add_line(&quick->policy, trim(text), reader->number, err);
	}
	if (copy)
		sodium_memzero(copy, strlen(line));
	if (text)
		sodium_memzero(text, strlen(line));
	free(copy);
	free(text);
	return ret;
}

/* A line of the file, with its line feed. */
static int next_line(struct reader *reader, const char *line, size_t len, struct fz_error *err)
{
	int ret;

	reader->number++;
	if (strlen(line) != len) {
		ret = fz_error_set(err, -EINVAL, "there is a zero byte in it");
	} else {
		if (reader->number == 1 && !strncmp(line, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)))
			line += strlen(BYTE_ORDER_MARK);
		ret = read_line(reader, line, err);
	}
	if (ret)
		fz_error_prefix(err, "%s, line %lu: ", reader->quick->path, reader->number);
	return ret;
}

/**
 * quick_read - read a file
 * @path: the file
 * @name: the device's name
 * @quick: filled, for quick_free(); on failure there is nothing to free
 * @err: why not, with the line's number
 *
 * What belongs to wg(8) is kept as it is, for quick_config(), and what is about flows for quick_policy().
 *
 * Return: 0 or a negative errno
 */
int quick_read(const char *path, const char *name, struct quick *quick, struct fz_error *err)
{
	struct reader reader = { .quick = quick };
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int ret = 0;
	FILE *file;

	memset(quick, 0, sizeof(*quick));
	snprintf(quick->name, sizeof(quick->name), "%s", name);
	file = fopen(path, "re");
	if (!file)
		return fz_error_set(err, -errno, "cannot read \"%s\": %s", path, strerror(errno));
	quick->path = strdup(path);
	if (!quick->path)
		ret = fz_error_memory(err);
	while (!ret && (len = getline(&line, &size, file)) >= 0)
		ret = next_line(&reader, line, (size_t)len, err);
	if (!ret && ferror(file))
		ret = fz_error_set(err, -EIO, "cannot read \"%s\"", path);
	if (line)
		sodium_memzero(line, size);
	free(line);
	fclose(file);
	if (ret)
		quick_free(quick);
	return ret;
}

/**
 * quick_config - the part of a file that wg(8) understands
 * @quick: the file
 * @check: see whether it is right: names of endpoints are not resolved
 * @out: receives what the kernel gets, for fz_device_free()
 * @err: why not, with the line's number
 *
 * Return: 0 or a negative errno
 */
int quick_config(const struct quick *quick, bool check, struct fz_device **out, struct fz_error *err)
{
	struct config_parser parser;
	int ret;

	ret = config_begin(&parser, quick->name, false);
	if (ret)
		return fz_error_memory(err);
	parser.check = check;
	for (size_t i = 0; i < quick->config.n && !ret; i++) {
		ret = config_line(&parser, quick->config.lines[i].text, err);
		if (ret)
			fz_error_prefix(err, "%s, line %lu: ", quick->path, quick->config.lines[i].number);
	}
	if (!ret) {
		ret = config_end(&parser, err);
		if (ret)
			fz_error_prefix(err, "%s: ", quick->path);
	}
	if (ret)
		config_abandon(&parser);
	else
		*out = parser.dev;
	return ret;
}

/* Whether the file knows that flows need grants: one written for wg-quick does not. */
bool quick_says_policy(const struct quick *quick)
{
	return quick->mode.n || quick->policy.n;
}

static void write_words(FILE *out, const char *key, const struct quick_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		fprintf(out, "%s = %s\n", key, list->texts[i]);
}

/* What wg(8) would print of the device, after the header, which is there already. */
static void write_config(FILE *out, const struct fz_device *dev)
{
	size_t size, skip;
	char *config;
	FILE *memory = open_memstream(&config, &size);

	if (!memory)
		return;
	show_config(memory, dev);
	fclose(memory);
	skip = strcspn(config, "\n");
	fputs(config + skip + (config[skip] == '\n'), out);
	sodium_memzero(config, size);
	free(config);
}

/**
 * quick_write - a file that makes a device as it is now
 * @out: receives it
 * @quick: the file that made it
 * @policy: what that says of flows
 * @state: the device
 */
void quick_write(FILE *out, const struct quick *quick, const struct quick_policy *policy,
		 const struct quick_state *state)
{
	char text[FZ_ADDR_TEXT_SIZE];

	fputs("[Interface]\n", out);
	for (size_t i = 0; i < state->n_addresses; i++)
		fprintf(out, "Address = %s\n", fz_format_prefix(text, sizeof(text), &state->addresses[i]));
	write_words(out, "DNS", &quick->servers);
	write_words(out, "DNS", &quick->domains);
	if (quick->mtu)
		fprintf(out, "MTU = %u\n", state->mtu);
	if (quick->table_text)
		fprintf(out, "Table = %s\n", quick->table_text);
	if (quick->save)
		fputs("SaveConfig = true\n", out);
	for (int hook = 0; hook < QUICK_HOOKS; hook++)
		write_words(out, hook_names[hook], &quick->hooks[hook]);
	quick_write_mode(out, quick, policy, state);
	write_config(out, state->dev);
	quick_write_policy(out, quick, policy, state);
}

/**
 * quick_free - what a file was read into; its keys are wiped
 * @quick: itself not freed
 */
void quick_free(struct quick *quick)
{
	free(quick->path);
	free(quick->addresses);
	free(quick->table_text);
	quick_list_free(&quick->servers);
	quick_list_free(&quick->domains);
	for (int hook = 0; hook < QUICK_HOOKS; hook++)
		quick_list_free(&quick->hooks[hook]);
	free_lines(&quick->config);
	free_lines(&quick->mode);
	free_lines(&quick->policy);
	memset(quick, 0, sizeof(*quick));
}
