/* SPDX-License-Identifier: GPL-2.0-only */
/* sd_notify(3) without its library: tells the service manager, if there is one, how far we are. */
#ifndef BROKER_NOTIFY_H
#define BROKER_NOTIFY_H

/* @state: "READY=1", "STOPPING=1". Nothing happens without NOTIFY_SOCKET. */
void notify_manager(const char *state);

#endif
