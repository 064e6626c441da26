/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZ_TUNNEL_SOCKET_H
#define FZ_TUNNEL_SOCKET_H

#include <linux/skbuff.h>
#include <linux/types.h>

#include "tunnel/endpoint.h"

struct fz_device;
struct fz_peer;
struct sock;

int fz_socket_open(struct fz_device *fz, u16 port);
void fz_socket_close(struct fz_device *fz);
void fz_socket_reset_sources(struct fz_device *fz);

int fz_socket_send_list(struct fz_peer *peer, struct sk_buff_head *packets);
int fz_socket_send_buffer(struct fz_device *fz, const struct fz_endpoint *ep, const void *data,
			  size_t len, u8 ds);
int fz_socket_send_outside(struct fz_device *fz, const struct fz_endpoint *ep, const void *data,
			   size_t len, u8 ds);
int fz_socket_send_buffer_to_peer(struct fz_peer *peer, const void *data, size_t len, u8 ds);
int fz_socket_send_reply(struct fz_device *fz, struct sk_buff *in, const void *data, size_t len);

int fz_socket_endpoint_from_skb(struct fz_endpoint *ep, const struct sk_buff *skb);
bool fz_socket_set_peer_endpoint(struct fz_peer *peer, const struct fz_endpoint *ep);
void fz_socket_forget_peer_source(struct fz_peer *peer);
bool fz_socket_has_endpoint(struct fz_peer *peer);

#endif
