// SPDX-License-Identifier: GPL-2.0-only
/* A file of `fzctl up`: read, understood, written and read again, which must change nothing. */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../fzctl/endpoint.h"
#include "../../fzctl/quick.h"
#include "../../fzctl/terms.h"

/* Names are not resolved: what asks the network is replaced by what reads numbers. */
int endpoint_resolve(const char *text, union fz_endpoint *out, struct fz_error *err)
{
	return fz_parse_endpoint(text, out, err);
}

int port_resolve(const char *text, uint16_t *port, struct fz_error *err)
{
	return fz_parse_port(text, port, err);
}

static int read_memory(const void *data, size_t size, struct quick *quick, struct fz_error *err)
{
	int fd = memfd_create("quick", MFD_CLOEXEC), ret;
	char path[32];

	always(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = quick_read(path, "fz0", quick, err);
	close(fd);
	return ret;
}

static void same_list(const struct quick_list *a, const struct quick_list *b)
{
	always(a->n == b->n);
	for (size_t i = 0; i < a->n; i++)
		always(!strcmp(a->texts[i], b->texts[i]));
}

static void same_lines(const struct quick_lines *a, const struct quick_lines *b)
{
	always(a->n == b->n);
	for (size_t i = 0; i < a->n; i++)
		always(!strcmp(a->lines[i].text, b->lines[i].text));
}

static void same(const struct quick *a, const struct quick *b)
{
	always(a->n_addresses == b->n_addresses && a->mtu == b->mtu && a->table == b->table &&
	       a->no_routes == b->no_routes && a->save == b->save);
	same_list(&a->servers, &b->servers);
	same_list(&a->domains, &b->domains);
	same_lines(&a->mode, &b->mode);
	for (int i = 0; i < QUICK_HOOKS; i++)
		same_list(&a->hooks[i], &b->hooks[i]);
}

static void same_policy(const struct quick_policy *a, const struct quick_policy *b)
{
	size_t n = 0;

	always(a->n_resources == b->n_resources);
	for (size_t i = 0; i < a->n_resources; i++)
		always(!strcmp(a->resources[i].name, b->resources[i].name) &&
		       a->resources[i].n_prefixes == b->resources[i].n_prefixes &&
		       a->resources[i].n_services == b->resources[i].n_services);
	for (size_t i = 0; i < a->n_grants; i++) {
		/* over, and not written */
		if (a->grants[i].has_lease && !a->grants[i].lease_ms)
			continue;
		always(n < b->n_grants && !compare_grants(&a->grants[i], &b->grants[n]) &&
		       a->grants[i].action == b->grants[n].action && a->grants[i].quota == b->grants[n].quota);
		n++;
	}
	always(n == b->n_grants);
}

static void write_and_read(const struct quick *quick, struct fz_device *dev, const struct quick_policy *policy)
{
	struct quick_state state = {
		.dev = dev, .addresses = quick->addresses, .n_addresses = quick->n_addresses, .mtu = quick->mtu,
		.resources = policy->resources, .n_resources = policy->n_resources,
		.grants = policy->grants, .n_grants = policy->n_grants,
	};
	struct quick_policy policy_again;
	struct fz_device *again;
	struct quick copy;
	struct fz_error err;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	always(out);
	for (int d = 0; d < FZ_DIRECTIONS; d++) {
		dev->mode[d].mode = quick_says_policy(quick) ? FZ_MODE_ENFORCE : FZ_MODE_OPEN;
		if (policy->mode[d].present)
			dev->mode[d] = policy->mode[d];
	}
	quick_write(out, quick, policy, &state);
	fclose(out);
	always(!read_memory(text, size, &copy, &err));
	same(quick, &copy);
	always(!quick_config(&copy, false, &again, &err));
	always(again->n_peers == dev->n_peers && again->fwmark == dev->fwmark);
	always(!quick_policy(&copy, again, &policy_again, &err));
	same_policy(policy, &policy_again);
	quick_policy_free(&policy_again);
	fz_device_free(again);
	quick_free(&copy);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct quick_policy policy = { 0 };
	struct fz_device *dev = NULL;
	struct quick quick;
	struct fz_error err;

	if (read_memory(data, size, &quick, &err)) {
		always(memchr(err.text, 0, sizeof(err.text)) && *err.text);
		return 0;
	}
	if (quick_config(&quick, false, &dev, &err) || quick_policy(&quick, dev, &policy, &err))
		always(memchr(err.text, 0, sizeof(err.text)) && *err.text);
	else
		write_and_read(&quick, dev, &policy);
	quick_policy_free(&policy);
	fz_device_free(dev);
	quick_free(&quick);
	return 0;
}
