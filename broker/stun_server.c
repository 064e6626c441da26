// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "log.h"
#include "stun.h"
#include "stun_server.h"

/* An answer is not much longer than its request, so nothing is gained by sending from a forged address. */

struct stun_server {
	uv_udp_t udp;
	uint8_t in[FZ_STUN_MAX];
};

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct stun_server *server = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)server->in, sizeof(server->in));
}

static void on_datagram(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned int flags)
{
	uint8_t out[FZ_STUN_MAX];
	struct fz_stun request;
	uv_buf_t answer;
	size_t len;

	if (n <= 0 || !from || (flags & UV_UDP_PARTIAL))
		return;
	fz_stun_parse(&request, buf->base, (size_t)n);
	len = fz_stun_response(out, sizeof(out), &request, from);
	if (!len)
		return;
	answer = uv_buf_init((char *)out, (unsigned int)len);
	/* When it cannot be sent at once it is lost, as on the way; the agent asks again. */
	uv_udp_try_send(udp, &answer, 1, from);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/**
 * stun_start() - answer on a UDP socket
 * @loop: the broker's
 * @listen: address and port; port 0: any
 * @fault: why not
 *
 * Return: the server, to be given to stun_stop(), or NULL.
 */
struct stun_server *stun_start(uv_loop_t *loop, const struct sockaddr *listen, struct fault *fault)
{
	struct stun_server *server = calloc(1, sizeof(*server));
	char text[FZ_ENDPOINT_TEXT_SIZE];
	union fz_endpoint endpoint = { 0 };
	int ret;

	if (!server) {
		fault_set(fault, -ENOMEM, NULL, "out of memory");
		return NULL;
	}
	ret = uv_udp_init(loop, &server->udp);
	if (ret) {
		fault_set(fault, ret, "stun", "STUN cannot be served: %s", uv_strerror(ret));
		free(server);
		return NULL;
	}
	server->udp.data = server;
	ret = uv_udp_bind(&server->udp, listen, 0);
	if (!ret)
		ret = uv_udp_recv_start(&server->udp, give_buffer, on_datagram);
	if (ret) {
		memcpy(&endpoint, listen, listen->sa_family == AF_INET6 ? sizeof(endpoint.v6) : sizeof(endpoint.v4));
		fault_set(fault, ret, "stun", "STUN cannot be served on %s (--stun): %s",
			  fz_format_endpoint(text, sizeof(text), &endpoint), uv_strerror(ret));
		stun_stop(server);
		return NULL;
	}
	return server;
}

/**
 * stun_stop() - end
 * @server: freed once the loop has run
 */
void stun_stop(struct stun_server *server)
{
	if (server)
		uv_close((uv_handle_t *)&server->udp, on_closed);
}

/**
 * stun_port() - where it listens
 * @server: the server
 *
 * Return: the UDP port, or a negative errno.
 */
int stun_port(const struct stun_server *server)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss), ret;

	ret = uv_udp_getsockname(&server->udp, (struct sockaddr *)&ss, &len);
	if (ret)
		return ret;
	return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port :
						((struct sockaddr_in *)&ss)->sin_port);
}
