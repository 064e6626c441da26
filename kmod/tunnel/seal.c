// SPDX-License-Identifier: GPL-2.0-only
/*
 * From inner packets to the messages that carry them. Messages of one length, the last of them may
 * be shorter, become one super-packet, which passes the stack once and is cut into datagrams where it
 * leaves (SKB_GSO_UDP_L4): by the device, or just before it. Others are encrypted where they are.
 */

#include "tunnel/seal.h"

#include <crypto/chacha20poly1305.h>
#include <linux/mm.h>
#include <linux/skbuff.h>
#include <net/checksum.h>
#include <net/inet_ecn.h>
#include <net/ip_tunnels.h>
#include <net/sock.h>

#include "tunnel/bundle.h"
#include "tunnel/device.h"
#include "tunnel/keypair.h"
#include "tunnel/packet.h"

/*
 * What messages may come to in a super-packet, which has one IP header that says its length, and has to
 * stay below 64 KiB with the link's header in front.
 */
#define SUPER_LEN (65535 - FZ_OUTER_LEN - LL_MAX_HEADER)
/* Receivers of such packets, in virtual machines above all, once took no more segments. */
static_assert(FZ_BUNDLE_PACKETS <= 64);

/* To a multiple of 16 bytes, but never past the MTU (paper, section 5.4.6). */
static unsigned int padding(unsigned int len, unsigned int mtu)
{
	unsigned int last = mtu ? len % mtu : len;
	unsigned int padded = ALIGN(last, FZ_PADDING_MULTIPLE);

	if (mtu && padded > mtu)
		padded = mtu;
	return padded - last;
}

/* Length of the message that carries @skb. */
static unsigned int message_len(const struct sk_buff *skb)
{
	return FZ_DATA_LEN(skb->len + padding(skb->len, FZ_CB(skb)->mtu));
}

/* Of the inner header only ECN shows outside. */
static u8 outer_ds(const struct sk_buff *skb)
{
	return skb->len ? ip_tunnel_ecn_encap(0, ip_hdr(skb), skb) : 0;
}

/* @to need not be aligned: messages of a super-packet stand side by side. */
static void put_header(u8 *to, const struct fz_keypair *keypair, u64 nonce)
{
	struct fz_message_data header = {
		.header.type = cpu_to_le32(FZ_MESSAGE_DATA),
		.receiver_index = keypair->remote_index,
		.counter = cpu_to_le64(nonce),
	};

	memcpy(to, &header, sizeof(header));
}

/*
 * Makes @skb linear and its owner's alone, with room on both sides: the one copy on the way,
 * from wherever the payload is into the buffer that leaves.
 */
static int make_linear(struct sk_buff *skb, unsigned int headroom, unsigned int tailroom)
{
	int more_head = max_t(int, 0, headroom - skb_headroom(skb));
	int more_tail = max_t(int, 0, skb->data_len + tailroom - (skb_end_pointer(skb) -
								  skb_tail_pointer(skb)));

	if (skb_cloned(skb) || more_head || more_tail) {
		int err = pskb_expand_head(skb, SKB_DATA_ALIGN(more_head), more_tail, GFP_ATOMIC);

		if (err)
			return err;
	}
	return skb_linearize(skb);
}

/* Forgets what the stack noted about the inner packet, which nobody on the way shall see. */
static void forget_inner(struct sk_buff *skb)
{
	skb_scrub_packet(skb, true);
	skb_gso_reset(skb);
	skb->ip_summed = CHECKSUM_NONE;
	skb->csum_level = 0;
	skb->encapsulation = 0;
	skb->queue_mapping = 0;
	skb->priority = 0;
	skb_reset_redirect(skb);
}

/* Turns an inner packet into the message that carries it. */
static int seal_in_place(struct sk_buff *skb, const struct fz_keypair *keypair, u64 nonce)
{
	unsigned int pad = padding(skb->len, FZ_CB(skb)->mtu);
	unsigned int len;
	int err;

	err = make_linear(skb, FZ_HEADROOM + LL_MAX_HEADER, pad + FZ_AUTHTAG_LEN);
	if (unlikely(err))
		return err;
	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		err = skb_checksum_help(skb);
		if (unlikely(err))
			return err;
	}
	FZ_CB(skb)->ds = outer_ds(skb);
	skb_put_zero(skb, pad);
	len = skb->len;
	skb_put(skb, FZ_AUTHTAG_LEN);
	chacha20poly1305_encrypt(skb->data, skb->data, len, NULL, 0, nonce, keypair->sending_key);

	forget_inner(skb);
	put_header(skb_push(skb, sizeof(struct fz_message_data)), keypair, nonce);
	/* The device's counters take what follows for the packet: all of the message. */
	skb_set_inner_network_header(skb, 0);
	return 0;
}

/* Copies a packet, with its checksum made if that was left to whoever sends it. */
static void copy_packet(const struct sk_buff *skb, u8 *to)
{
	unsigned int start, at;
	__sum16 sum;

	start = skb->ip_summed == CHECKSUM_PARTIAL ? skb_checksum_start_offset(skb) : skb->len;
	if (unlikely(skb_copy_bits(skb, 0, to, start))) {
		/* What cannot be read is no packet; but what is in memory must not leave either. */
		memset(to, 0, skb->len);
		return;
	}
	if (start == skb->len)
		return;
	at = start + skb->csum_offset;
	sum = csum_fold(skb_copy_and_csum_bits(skb, start, to + start, skb->len - start)) ?:
	      CSUM_MANGLED_0;
	memcpy(to + at, &sum, sizeof(sum));
}

/* Whether copy_packet() knows how, and what else @skb stands for can be handed on. */
static bool may_be_copied(const struct sk_buff *skb)
{
	if (!skb->len || (skb->destructor && !FZ_CB(skb)->charge_moves))
		return false;
	/* Somebody waits to hear when it leaves. */
	if (skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP)
		return false;
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return true;
	return skb_checksum_start_offset(skb) >= 0 &&
	       skb_checksum_start_offset(skb) + skb->csum_offset + sizeof(__sum16) <= skb->len;
}

/*
 * How many packets from the first of @packets on may leave as one super-packet; 0 or 1: none. Those of
 * other flows are others: queues on the way take a super-packet for one packet of one flow.
 */
static unsigned int count_alike(const struct sk_buff_head *packets)
{
	const struct sk_buff *first = skb_peek(packets), *skb;
	unsigned int len = message_len(first), total = 0, count = 0;
	u8 ds = outer_ds(first);

	skb_queue_walk(packets, skb) {
		unsigned int this = message_len(skb);

		if (!may_be_copied(skb) || skb->sk != first->sk ||
		    skb->destructor != first->destructor || skb->hash != first->hash ||
		    outer_ds(skb) != ds || this > len || total + this > SUPER_LEN)
			break;
		total += this;
		count++;
		if (this < len)
			break;
	}
	return count;
}

/* Room for one more message of @super, which grows by it; NULL if there is none. */
static u8 *add_room(struct sk_buff *super, unsigned int len, struct page_frag *room)
{
	struct skb_shared_info *shared = skb_shinfo(super);
	int last = shared->nr_frags - 1;
	u8 *at;

	if (!fz_room_refill(room, len))
		return NULL;
	if (last >= 0 && skb_can_coalesce(super, last + 1, room->page, room->offset)) {
		skb_frag_size_add(&shared->frags[last], len);
	} else {
		if (last + 1 >= MAX_SKB_FRAGS)
			return NULL;
		get_page(room->page);
		skb_fill_page_desc(super, last + 1, room->page, room->offset, len);
	}
	at = (u8 *)page_address(room->page) + room->offset;
	room->offset += len;
	super->len += len;
	super->data_len += len;
	super->truesize += len;
	return at;
}

static void seal_copy(const struct sk_buff *skb, u8 *to, unsigned int message_len,
		      const struct fz_keypair *keypair, u64 nonce)
{
	unsigned int len = message_len - FZ_DATA_LEN(0);
	u8 *text = to + sizeof(struct fz_message_data);

	put_header(to, keypair, nonce);
	copy_packet(skb, text);
	memset(text + skb->len, 0, len - skb->len);
	chacha20poly1305_encrypt(text, text, len, NULL, 0, nonce, keypair->sending_key);
}

/* Says how @super is cut: at every @len bytes, with a UDP header that is yet to be put in front. */
static void mark_super(struct sk_buff *super, unsigned int len, unsigned int count)
{
	skb_set_inner_network_header(super, 0);
	if (count == 1)
		return;
	skb_shinfo(super)->gso_size = len;
	skb_shinfo(super)->gso_segs = count;
	skb_shinfo(super)->gso_type = SKB_GSO_UDP_L4;
	super->ip_summed = CHECKSUM_PARTIAL;
	super->csum_start = skb_headroom(super) - sizeof(struct udphdr);
	super->csum_offset = offsetof(struct udphdr, check);
}

static struct sk_buff *new_super(const struct sk_buff *first)
{
	struct sk_buff *super = alloc_skb(FZ_HEADROOM + LL_MAX_HEADER, GFP_ATOMIC | __GFP_NOWARN);

	if (!super)
		return NULL;
	skb_reserve(super, FZ_HEADROOM + LL_MAX_HEADER);
	FZ_CB(super)->ds = outer_ds(first);
	/* By which queues outside tell flows apart. */
	skb_copy_hash(super, first);
#ifdef CONFIG_XPS
	/* A device gives each CPU a queue: that of the sender, so that what is sent here and there keeps its order. */
	super->sender_cpu = first->sender_cpu;
#endif
	return super;
}

/*
 * Makes a super-packet of up to @count packets, taken from @packets; NULL without memory. What the
 * sockets that sent them have under way is then the super-packet.
 */
static struct sk_buff *seal_super(struct sk_buff_head *packets, unsigned int count,
				  const struct fz_keypair *keypair, u64 nonce,
				  struct page_frag *room)
{
	struct sk_buff *skb = skb_peek(packets), *super = new_super(skb);
	unsigned int stride = message_len(skb), done, charge = 0;

	if (unlikely(!super))
		return NULL;
	super->sk = skb->sk;
	super->destructor = skb->destructor;
	for (done = 0; done < count; done++) {
		unsigned int len;
		u8 *to;

		skb = skb_peek(packets);
		len = message_len(skb);
		to = add_room(super, len, room);
		if (unlikely(!to))
			break;
		seal_copy(skb, to, len, keypair, nonce + done);
		charge += skb->truesize;
		__skb_unlink(skb, packets);
		skb->destructor = NULL;
		skb->sk = NULL;
		/* Whoever lent the memory is told that it was copied. */
		skb_zcopy_clear(skb, false);
		consume_skb(skb);
	}
	if (unlikely(!done)) {
		super->destructor = NULL;
		super->sk = NULL;
		kfree_skb(super);
		return NULL;
	}
	if (super->destructor)
		super->truesize = charge;
	mark_super(super, stride, done);
	return super;
}

/* Seals the first packets of @plain, appended to @sealed. Return: how many. */
static unsigned int seal_next(struct fz_device *fz, struct sk_buff_head *plain,
			      struct sk_buff_head *sealed, const struct fz_keypair *keypair,
			      u64 nonce, struct page_frag *room)
{
	unsigned int waiting = skb_queue_len(plain);
	unsigned int count = room ? count_alike(plain) : 1;
	struct sk_buff *skb;

	if (count > 1) {
		skb = seal_super(plain, count, keypair, nonce, room);
		if (likely(skb)) {
			__skb_queue_tail(sealed, skb);
			return waiting - skb_queue_len(plain);
		}
	}
	skb = __skb_dequeue(plain);
	if (unlikely(seal_in_place(skb, keypair, nonce))) {
		DEV_STATS_INC(fz->dev, tx_dropped);
		kfree_skb(skb);
	} else {
		__skb_queue_tail(sealed, skb);
	}
	return 1;
}

/**
 * fz_seal_bundle() - encrypt the packets of a bundle
 * @fz: the device
 * @bundle: of inner packets; of messages afterwards, each with its ECN bits in &struct fz_cb.ds, as
 *	    super-packets where that is possible. What could not be encrypted is dropped
 * @room: memory for super-packets, of the caller alone; NULL to make none
 *
 * Context: any but hard interrupts.
 */
void fz_seal_bundle(struct fz_device *fz, struct fz_bundle *bundle, struct page_frag *room)
{
	struct sk_buff_head plain;
	u64 nonce = bundle->nonce;

	__skb_queue_head_init(&plain);
	skb_queue_splice_init(&bundle->packets, &plain);
	while (!skb_queue_empty(&plain))
		nonce += seal_next(fz, &plain, &bundle->packets, bundle->keypair, nonce, room);
}
