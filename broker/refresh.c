// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "broker.h"
#include "log.h"

#define RETRY_MS	1000

static void on_retry(uv_timer_t *timer)
{
	struct fault fault;

	broker_refresh(timer->data, &fault);
}

int broker_refresh(struct broker *broker, struct fault *fault)
{
	struct directory *old = broker->dir;
	struct directory *new = store_directory(broker->store, fault);

	if (!new) {
		broker->doubtful = true;
		log_error("store", "cannot read what was changed, granting nothing until it can: %s", fault->text);
		uv_timer_start(&broker->retry, on_retry, RETRY_MS, 0);
		return -EIO;
	}
	if (broker->doubtful)
		log_warning("store", "what was changed is read, and in force");
	broker->doubtful = false;
	broker->dir = new;
	server_changed(broker->server);
	directory_free(old);
	return 0;
}
