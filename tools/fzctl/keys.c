// SPDX-License-Identifier: GPL-2.0-only
/* fzctl genkey, genpsk, pubkey */
#include "fzctl.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A secret that others can read is worth a word. */
static void warn_of_readers(void)
{
	struct stat st;

	if (!fstat(fileno(stdout), &st) && S_ISREG(st.st_mode) && st.st_mode & S_IRWXO)
		fputs("Warning: writing to world accessible file.\n"
		      "Consider setting the umask to 077 and trying again.\n", stderr);
}

/* genkey and genpsk. */
int genkey_main(int argc, char **argv)
{
	char text[FZ_KEY_TEXT_SIZE];
	uint8_t key[FZ_KEY_LEN];
	int ret;

	if (argc > 1)
		return too_many_words(argv[1]);
	warn_of_readers();
	ret = strcmp(argv[0], "genkey") ? fz_key_generate_preshared(key) : fz_key_generate_private(key);
	if (ret)
		return usage_error("there is no randomness to make a key of");
	fz_key_format(text, key);
	puts(text);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(text, sizeof(text));
	return EXIT_DONE;
}

int pubkey_main(int argc, char **argv)
{
	char text[FZ_KEY_TEXT_SIZE] = "";
	uint8_t key[FZ_KEY_LEN], public_key[FZ_KEY_LEN];
	int c, ret = 0;
	size_t len;

	if (argc > 1)
		return too_many_words(argv[1]);
	len = fread(text, 1, FZ_KEY_TEXT_LEN, stdin);
	while (!ret && len == FZ_KEY_TEXT_LEN && (c = getchar()) != EOF) {
		if (!isspace(c))
			ret = usage_error("Trailing characters found after key");
	}
	if (!ret && !fz_key_parse(key, text))
		ret = usage_error("Key is not the correct length or format");
	if (!ret && fz_key_derive_public(public_key, key))
		ret = usage_error("the public key cannot be computed");
	if (!ret) {
		fz_key_format(text, public_key);
		puts(text);
	}
	sodium_memzero(key, sizeof(key));
	sodium_memzero(text, sizeof(text));
	return ret;
}
