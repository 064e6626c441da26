// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netinet/in.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <sodium.h>
#include <string.h>

#include "message.h"

_Static_assert(fz_Message_size <= FZ_CHANNEL_MESSAGE_MAX, "every message fits a frame");

/**
 * fz_message_encode() - a control message to bytes
 * @msg: the message
 * @buf: gets the bytes
 * @size: room at @buf; fz_Message_size is always enough
 * @len: gets their number
 * @err: why not, or NULL
 *
 * Return: 0 or -EMSGSIZE.
 */
int fz_message_encode(const fz_Message *msg, uint8_t *buf, size_t size, size_t *len,
		      struct fz_error *err)
{
	pb_ostream_t stream = pb_ostream_from_buffer(buf, size);

	if (!pb_encode(&stream, fz_Message_fields, msg))
		return fz_error_set(err, -EMSGSIZE, "cannot encode %s: %s", fz_message_name(msg),
				    PB_GET_ERROR(&stream));
	*len = stream.bytes_written;
	return 0;
}

/**
 * fz_message_decode() - bytes to a control message
 * @msg: gets the message; large, so not for a small stack
 * @buf: the bytes
 * @len: their number
 * @err: why not, or NULL
 *
 * Fields that this version does not know are skipped.
 *
 * Return: 0; -EBADMSG when it is malformed or beyond its bounds; -ENOMSG for a message of a kind that
 * this version does not know, which the caller ignores.
 */
int fz_message_decode(fz_Message *msg, const uint8_t *buf, size_t len, struct fz_error *err)
{
	pb_istream_t stream = pb_istream_from_buffer(buf, len);

	if (!pb_decode(&stream, fz_Message_fields, msg))
		return fz_error_set(err, -EBADMSG, "a malformed message: %s", PB_GET_ERROR(&stream));
	if (!msg->which_body)
		return fz_error_set(err, -ENOMSG, "a message of an unknown kind");
	return 0;
}

/**
 * fz_message_send() - encode a message into a channel's output
 * @ch: an open channel
 * @msg: the message
 * @now: the time, ms
 * @err: why not, or NULL
 *
 * Return: 0; -EMSGSIZE; -ENOBUFS when the channel takes no more, because it is closed or the other
 * side does not read.
 */
int fz_message_send(struct fz_channel *ch, const fz_Message *msg, uint64_t now,
		    struct fz_error *err)
{
	uint8_t buf[fz_Message_size];
	size_t len;
	int ret;

	ret = fz_message_encode(msg, buf, sizeof(buf), &len, err);
	if (ret)
		return ret;
	if (!fz_channel_send(ch, buf, len, now))
		ret = fz_error_set(err, -ENOBUFS, "the channel takes no %s", fz_message_name(msg));
	/* Enrol holds a token. */
	sodium_memzero(buf, len);
	return ret;
}

/**
 * fz_message_name() - what a message is, for logs
 * @msg: the message
 *
 * Return: a word.
 */
const char *fz_message_name(const fz_Message *msg)
{
	static const char *const names[] = {
		[fz_Message_hello_tag] = "Hello",
		[fz_Message_hello_ack_tag] = "HelloAck",
		[fz_Message_enrol_tag] = "Enrol",
		[fz_Message_enrol_ack_tag] = "EnrolAck",
		[fz_Message_refused_tag] = "Refused",
		[fz_Message_state_tag] = "State",
		[fz_Message_ack_tag] = "Ack",
		[fz_Message_access_request_tag] = "AccessRequest",
		[fz_Message_access_answer_tag] = "AccessAnswer",
		[fz_Message_admit_tag] = "Admit",
		[fz_Message_admitted_tag] = "Admitted",
		[fz_Message_candidates_tag] = "Candidates",
		[fz_Message_peer_key_tag] = "PeerKey",
		[fz_Message_revoke_tag] = "Revoke",
		[fz_Message_tunnel_key_tag] = "TunnelKey",
		[fz_Message_why_tag] = "Why",
		[fz_Message_why_answer_tag] = "WhyAnswer",
		[fz_Message_status_request_tag] = "StatusRequest",
		[fz_Message_status_answer_tag] = "StatusAnswer",
		[fz_Message_denial_report_tag] = "DenialReport",
		[fz_Message_flow_report_tag] = "FlowReport",
		[fz_Message_report_ack_tag] = "ReportAck",
		[fz_Message_health_tag] = "Health",
		[fz_Message_ping_tag] = "Ping",
		[fz_Message_pong_tag] = "Pong",
		[fz_Message_goodbye_tag] = "Goodbye",
		[fz_Message_error_tag] = "Error",
	};

	if (msg->which_body >= sizeof(names) / sizeof(names[0]) || !names[msg->which_body])
		return "message";
	return names[msg->which_body];
}

/**
 * fz_bytes_put() - fill one of nanopb's bounded byte fields; use fz_bytes_set()
 * @field: the field
 * @size: room in it, in bytes
 * @src: the bytes
 * @n: their number
 *
 * Return: false when they do not fit; the field is then empty.
 */
bool fz_bytes_put(void *field, size_t size, const void *src, size_t n)
{
	pb_bytes_array_t *array = field;

	array->size = 0;
	if (n > size)
		return false;
	array->size = (pb_size_t)n;
	if (n)
		memcpy(array->bytes, src, n);
	return true;
}

/**
 * fz_string_put() - fill one of nanopb's bounded strings; use fz_string_set()
 * @field: the field
 * @size: room in it, in bytes
 * @src: the string, or NULL for an empty one
 *
 * A string that is too long is cut, never within a UTF-8 character.
 *
 * Return: false when it was cut.
 */
bool fz_string_put(char *field, size_t size, const char *src)
{
	size_t len = src ? strlen(src) : 0, n = len;

	if (n >= size) {
		n = size - 1;
		while (n && ((unsigned char)src[n] & 0xc0) == 0x80)
			n--;
	}
	if (n)
		memcpy(field, src, n);
	field[n] = '\0';
	return n == len;
}

/**
 * fz_endpoint_to_sockaddr() - an address and port as the system has them
 * @ep: from a message
 * @ss: gets them
 *
 * Return: false when @ep is no address, or its port none.
 */
bool fz_endpoint_to_sockaddr(const fz_Endpoint *ep, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (!ep->port || ep->port > 65535)
		return false;
	if (ep->addr.size == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)ep->port);
		memcpy(&v4->sin_addr, ep->addr.bytes, 4);
	} else if (ep->addr.size == 16) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)ep->port);
		memcpy(&v6->sin6_addr, ep->addr.bytes, 16);
	} else {
		return false;
	}
	return true;
}

/**
 * fz_endpoint_from_sockaddr() - the opposite
 * @ep: gets address and port
 * @sa: IPv4 or IPv6
 *
 * Return: false for another family.
 */
bool fz_endpoint_from_sockaddr(fz_Endpoint *ep, const struct sockaddr *sa)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;

	if (sa->sa_family == AF_INET) {
		ep->port = ntohs(v4->sin_port);
		return fz_bytes_set(ep->addr, &v4->sin_addr, 4);
	}
	if (sa->sa_family == AF_INET6) {
		ep->port = ntohs(v6->sin6_port);
		return fz_bytes_set(ep->addr, &v6->sin6_addr, 16);
	}
	return false;
}
