// SPDX-License-Identifier: GPL-2.0-only
/* Requests to the broker: HTTP over its Unix socket. */
#include "admin.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX	(256u * 1024 * 1024)
#define TIMEOUT_S	30L

struct received {
	char *text;
	size_t len;
};

static CURL *handle;

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
	struct received *received = context;
	size_t len = size * n;
	char *text;

	if (len > ANSWER_MAX - received->len)
		return 0;
	text = realloc(received->text, received->len + len + 1);
	if (!text)
		return 0;
	memcpy(text + received->len, data, len);
	received->text = text;
	received->len += len;
	text[received->len] = '\0';
	return len;
}

void admin_call_close(void)
{
	if (!handle)
		return;
	curl_easy_cleanup(handle);
	curl_global_cleanup();
	handle = NULL;
}

/* Why nobody answers there: asked of the kernel anew, because libcurl says only that it could not connect. */
static int nobody(const struct admin *admin)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct fz_error err;
	int fd, error = ENAMETOOLONG;

	if (strlen(admin->socket) < sizeof(address.sun_path)) {
		strcpy(address.sun_path, admin->socket);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		error = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : EPIPE;
		if (fd >= 0)
			close(fd);
	}
	if (error == EACCES || error == EPERM)
		fz_error_set(&err, -error, "no permission to administer the broker at \"%s\"", admin->socket);
	else
		fz_error_set(&err, -error, "no broker answers at \"%s\" (%s): is fzbroker running?", admin->socket,
			     strerror(error));
	return refused(&err);
}

static int transport_failed(const struct admin *admin, CURLcode code)
{
	struct fz_error err;

	if (code == CURLE_COULDNT_CONNECT)
		return nobody(admin);
	fz_error_set(&err, -EIO, "the broker at \"%s\" did not answer: %s", admin->socket, curl_easy_strerror(code));
	return refused(&err);
}

/* The broker's sentence, when it is not a success. */
static int judge(const struct admin *admin, long status, const json_t *answer)
{
	const char *sentence = json_string_value(json_object_get(answer, "error"));
	struct fz_error err;

	if (status >= 200 && status < 300)
		return EXIT_DONE;
	if (sentence)
		fz_error_set(&err, -EINVAL, "%s", sentence);
	else
		fz_error_set(&err, -EIO, "what answers at \"%s\" is no fz broker (HTTP status %ld)", admin->socket, status);
	return refused(&err);
}

static int perform(const struct admin *admin, const char *method, const char *path, const char *body,
		   struct received *received, long *status)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURLcode code;
	char *url;

	if (!handle) {
		curl_global_init(CURL_GLOBAL_DEFAULT);
		handle = curl_easy_init();
	}
	if (!handle || !headers || asprintf(&url, "http://fz%s", path) < 0) {
		curl_slist_free_all(headers);
		return usage_error("out of memory");
	}
	curl_easy_reset(handle);
	curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, admin->socket);
	curl_easy_setopt(handle, CURLOPT_URL, url);
	curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(handle, CURLOPT_PROXY, "");
	curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(handle, CURLOPT_TIMEOUT, TIMEOUT_S);
	curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(handle, CURLOPT_WRITEDATA, received);
	if (body) {
		curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
	}
	code = curl_easy_perform(handle);
	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, status);
	curl_slist_free_all(headers);
	free(url);
	return code == CURLE_OK ? EXIT_DONE : transport_failed(admin, code);
}

int admin_call(const struct admin *admin, const char *method, const char *path, json_t *body, json_t **answer)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct received received = { 0 };
	long http = 0;
	int status;

	*answer = NULL;
	if (!path || (body && !text)) {
		json_decref(body);
		return usage_error("out of memory");
	}
	status = perform(admin, method, path, text, &received, &http);
	if (!status) {
		*answer = received.len ? json_loadb(received.text, received.len, 0, NULL) : NULL;
		status = judge(admin, http, *answer);
	}
	if (status) {
		json_decref(*answer);
		*answer = NULL;
	}
	free(received.text);
	free(text);
	json_decref(body);
	return status;
}

/* Everything but letters, digits and - . _ ~ as %XX. */
static void escape(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c))
			fputc(c, out);
		else
			fprintf(out, "%%%02X", c);
	}
}

char *admin_path(const char *collection, const char *name)
{
	char *path = NULL;
	size_t size;
	FILE *out = open_memstream(&path, &size);

	if (!out)
		return NULL;
	fprintf(out, "%s/", collection);
	escape(out, name);
	return fclose(out) ? NULL : path;
}

char *admin_query(const char *path, const char *const *pairs)
{
	char separator = '?', *query = NULL;
	size_t size;
	FILE *out = open_memstream(&query, &size);

	if (!out)
		return NULL;
	fputs(path, out);
	for (; pairs[0]; pairs += 2) {
		if (!pairs[1])
			continue;
		fprintf(out, "%c%s=", separator, pairs[0]);
		escape(out, pairs[1]);
		separator = '&';
	}
	return fclose(out) ? NULL : query;
}
