// SPDX-License-Identifier: GPL-2.0-only
/* Feeds a target with its corpus: corpus/NAME beside this file, NAME being that of the program. Needs no libFuzzer. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX (1 << 17)

static int replay(const char *directory, const char *name)
{
	static uint8_t input[INPUT_MAX];
	char path[512];
	uint8_t *exact;
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	len = fread(input, 1, sizeof(input), file);
	fclose(file);
	/* where it ends, so that the address sanitizer sees who reads on */
	exact = malloc(len ? len : 1);
	if (!exact)
		return -1;
	memcpy(exact, input, len);
	for (size_t part = len; ; part /= 2) {
		uint8_t *cut = malloc(part ? part : 1);

		if (cut) {
			memcpy(cut, exact, part);
			LLVMFuzzerTestOneInput(cut, part);
		}
		free(cut);
		if (!part)
			break;
	}
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	const struct dirent *entry;
	char directory[256];
	int n = 0, failed = 0;
	DIR *dir;

	if (argc == 2)
		snprintf(directory, sizeof(directory), "%s", argv[1]);
	else
		snprintf(directory, sizeof(directory), "tools/lib/fuzz/corpus/%s", name ? name + 1 : argv[0]);
	dir = opendir(directory);
	if (!dir) {
		fprintf(stderr, "%s: %s\n", directory, strerror(errno));
		return 1;
	}
	while ((entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		failed |= replay(directory, entry->d_name);
		n++;
	}
	closedir(dir);
	printf("%s: %d inputs\n", directory, n);
	return failed || !n;
}
