// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams on the tunnel's port that are not WireGuard's: STUN, TURN control.
 *
 * They go to the registered process over netlink, as many as the rate and its socket's buffer
 * allow; for what comes from where the process has sent to there is a rate of its own, so that nobody
 * drowns the answers that it waits for. What is dropped is counted, and the next one that gets
 * through carries the count. The process sends through the same port in the same way, which is what
 * opens the NAT's mapping for the tunnel itself.
 */

#include <linux/jhash.h>
#include <linux/random.h>
#include <linux/skbuff.h>
#include <linux/fz.h>
#include <net/genetlink.h>

#include "compat/unaligned.h"
#include "netlink/family.h"
#include "netlink/listener.h"
#include "netlink/put.h"
#include "path/sideband.h"
#include "tunnel/device.h"
#include "tunnel/socket.h"

/**
 * fz_sideband_init() - a device begins without sideband
 * @sideband: the device's
 */
void fz_sideband_init(struct fz_sideband *sideband)
{
	fz_bucket_init(&sideband->bucket, FZ_SIDEBAND_RATE, FZ_SIDEBAND_BURST);
	fz_bucket_init(&sideband->known_bucket, FZ_SIDEBAND_RATE, FZ_SIDEBAND_BURST);
	memset(sideband->known, 0, sizeof(sideband->known));
	atomic_set(&sideband->last_known, 0);
	sideband->seed = get_random_u32();
	atomic64_set(&sideband->suppressed, 0);
	atomic64_set(&sideband->dropped, 0);
}

/**
 * fz_sideband_is_tunnel() - whether a datagram begins like a message of the tunnel
 * @data: the datagram
 * @len: its length in bytes
 *
 * Return: true for a type of 1 to 4 followed by three zero bytes (paper, section 5.4).
 */
bool fz_sideband_is_tunnel(const void *data, size_t len)
{
	u32 type;

	if (len < sizeof(type))
		return false;
	type = get_unaligned_le32(data);
	return type >= 1 && type <= 4;
}

static void count_drop(struct fz_sideband *sideband, u64 reported)
{
	atomic64_add(reported + 1, &sideband->suppressed);
	atomic64_inc(&sideband->dropped);
}

/* Address and port; never 0. */
static u32 address_hash(const struct fz_sideband *sideband, const struct sockaddr *addr)
{
	const struct sockaddr_in *in4 = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;

	if (addr->sa_family == AF_INET)
		return jhash_2words((__force u32)in4->sin_addr.s_addr, (__force u32)in4->sin_port,
				    sideband->seed) ?: 1;
	return jhash(&in6->sin6_addr, sizeof(in6->sin6_addr),
		     sideband->seed + (__force u32)in6->sin6_port) ?: 1;
}

static bool is_known(const struct fz_sideband *sideband, u32 hash)
{
	unsigned int i;

	for (i = 0; i < FZ_SIDEBAND_KNOWN; i++) {
		if (READ_ONCE(sideband->known[i]) == hash)
			return true;
	}
	return false;
}

static void remember(struct fz_sideband *sideband, const struct sockaddr *addr)
{
	u32 hash = address_hash(sideband, addr);

	if (!is_known(sideband, hash))
		WRITE_ONCE(sideband->known[(u32)atomic_inc_return(&sideband->last_known) %
					   FZ_SIDEBAND_KNOWN], hash);
}

/* Whether one more may pass from this address. */
static bool take_token(struct fz_sideband *sideband, const struct sockaddr *from)
{
	if (is_known(sideband, address_hash(sideband, from)))
		return fz_bucket_take(&sideband->known_bucket);
	return fz_bucket_take(&sideband->bucket);
}

/* The datagram as a message, with the count of those dropped before it. */
static struct sk_buff *message(struct fz_device *fz, const struct sk_buff *in,
			       const struct fz_endpoint *endpoint, u64 suppressed)
{
	struct nlattr *data;
	struct sk_buff *skb;
	void *header;

	skb = genlmsg_new(FZ_PUT_DEVICE_SIZE + nla_total_size(sizeof(struct sockaddr_in6)) +
			  nla_total_size(in->len) + nla_total_size_64bit(sizeof(u64)),
			  GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	header = genlmsg_put(skb, 0, 0, &fz_nl_family, 0, FZ_CMD_SIDEBAND);
	if (!header || fz_put_device(skb, fz->dev) ||
	    fz_put_endpoint(skb, FZ_SIDEBAND_A_ENDPOINT, &endpoint->addr) ||
	    (suppressed && fz_put_u64(skb, FZ_SIDEBAND_A_SUPPRESSED, suppressed)))
		goto free;
	data = nla_reserve(skb, FZ_SIDEBAND_A_DATA, in->len);
	if (!data || skb_copy_bits(in, 0, nla_data(data), in->len))
		goto free;
	genlmsg_end(skb, header);
	return skb;

free:
	nlmsg_free(skb);
	return NULL;
}

/**
 * fz_sideband_receive() - take a datagram that is not the tunnel's
 * @fz: the device it came to
 * @skb: the datagram; data and len are the UDP payload
 *
 * Context: softirq, or BH disabled.
 * Return: true if @skb was consumed; false if nobody is registered or it is dropped: then it is
 * still the caller's.
 */
bool fz_sideband_receive(struct fz_device *fz, struct sk_buff *skb)
{
	struct fz_sideband *sideband = &fz->sideband;
	struct fz_endpoint from;
	struct sk_buff *out;
	u64 suppressed;
	int ret;

	if (!fz_listener_present(&fz->events, FZ_LISTENER_SIDEBAND))
		return false;
	if (!skb->len || skb->len > FZ_SIDEBAND_MAX || fz_socket_endpoint_from_skb(&from, skb) ||
	    !take_token(sideband, &from.addr)) {
		count_drop(sideband, 0);
		return false;
	}
	suppressed = atomic64_xchg(&sideband->suppressed, 0);
	out = message(fz, skb, &from, suppressed);
	ret = out ? fz_listener_send(&fz->events, FZ_LISTENER_SIDEBAND, out) : -ENOBUFS;
	if (ret) {
		count_drop(sideband, suppressed);
		return false;
	}
	consume_skb(skb);
	return true;
}

/**
 * fz_sideband_send() - send a datagram from the tunnel's port
 * @fz: the device
 * @to: where; usable, see fz_path_addr_usable()
 * @data: the datagram
 * @len: its length in bytes
 *
 * Context: process, BH enabled.
 * Return: 0 or a negative errno.
 */
int fz_sideband_send(struct fz_device *fz, const union fz_path_addr *to, const void *data,
		     size_t len)
{
	struct fz_endpoint endpoint;

	fz_path_to_endpoint(to, &endpoint);
	remember(&fz->sideband, &endpoint.addr);
	return fz_socket_send_buffer(fz, &endpoint, data, len, 0);
}
