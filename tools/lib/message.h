/* SPDX-License-Identifier: GPL-2.0-only */
/* Control messages (control.proto) to bytes and back. */
#ifndef FZ_MESSAGE_H
#define FZ_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "channel.h"
#include "control.pb.h"
#include "error.h"

#define FZ_CONTROL_MAJOR 1
#define FZ_CONTROL_MINOR 0

int fz_message_encode(const fz_Message *msg, uint8_t *buf, size_t size, size_t *len,
		      struct fz_error *err);
int fz_message_decode(fz_Message *msg, const uint8_t *buf, size_t len, struct fz_error *err);
int fz_message_send(struct fz_channel *ch, const fz_Message *msg, uint64_t now,
		    struct fz_error *err);
const char *fz_message_name(const fz_Message *msg);

/* Assignments between nanopb's bounded fields and plain C. */
#define fz_bytes_set(field, src, n) fz_bytes_put(&(field), sizeof((field).bytes), (src), (n))
#define fz_string_set(field, src) fz_string_put((field), sizeof(field), (src))
bool fz_bytes_put(void *field, size_t size, const void *src, size_t n);
bool fz_string_put(char *field, size_t size, const char *src);
bool fz_endpoint_to_sockaddr(const fz_Endpoint *ep, struct sockaddr_storage *ss);
bool fz_endpoint_from_sockaddr(fz_Endpoint *ep, const struct sockaddr *sa);

#endif
