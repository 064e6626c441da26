// SPDX-License-Identifier: GPL-2.0-only
/* room DEV FLOWS: the device tracks so many flows at most, and keeps for a week those that are answered. */
#include <stdio.h>
#include <stdlib.h>

#include "nl.h"

#define WEEK (7 * 24 * 3600)

int main(int argc, char **argv)
{
	struct fz_device *dev = argc == 3 ? fz_device_new(argv[1]) : NULL;
	struct fz_error err = { 0 };
	struct fz_nl *nl = NULL;
	int ret = 1;

	if (!dev) {
		fputs("room: DEV FLOWS\n", stderr);
		return 2;
	}
	dev->has = FZ_HAS_MAX_FLOWS | FZ_HAS_TIMEOUTS;
	dev->max_flows = (uint32_t)strtoul(argv[2], NULL, 10);
	dev->timeouts.udp_new = WEEK;
	dev->timeouts.udp_answered = WEEK;
	if (fz_nl_open(&nl, &err) || fz_nl_device_set(nl, dev, &err))
		fprintf(stderr, "room: %s\n", err.text);
	else
		ret = 0;
	fz_nl_close(nl);
	fz_device_free(dev);
	return ret;
}
