// SPDX-License-Identifier: GPL-2.0-only
/*
 * From messages to the inner packets in them. A message alone in one piece of memory is decrypted where
 * it is. One that is in pieces, or shares them, as those do that were cut from a super-packet, is
 * decrypted into a new buffer, of a kind that GRO joins without another copy.
 */

#include "tunnel/unseal.h"

#include <crypto/chacha20poly1305.h>
#include <linux/mm.h>
#include <linux/skbuff.h>

#include "tunnel/bundle.h"
#include "tunnel/device.h"
#include "tunnel/keypair.h"
#include "tunnel/packet.h"

/* In front of a new packet: the outer headers, which are still asked for, and what forwarding needs. */
#define NEW_HEADROOM (NET_SKB_PAD + 128)
/* What is longer, in bytes, comes from pages that packets share. */
#define SHORT_LEN 512

static bool unseal_in_place(struct sk_buff *skb, const struct fz_keypair *keypair)
{
	unsigned int len;

	if (unlikely(skb_linearize_cow(skb)))
		return false;
	__skb_pull(skb, sizeof(struct fz_message_data));
	len = skb->len;
	if (!chacha20poly1305_decrypt(skb->data, skb->data, len, NULL, 0, FZ_CB(skb)->counter,
				      keypair->receiving_key))
		return false;
	__skb_trim(skb, len - FZ_AUTHTAG_LEN);
	return true;
}

/* Where the sealed part is, if it is in one piece of memory that is not the linear one; else NULL. */
static const u8 *sealed_piece(const struct sk_buff *skb)
{
	unsigned int offset = sizeof(struct fz_message_data);
	const struct skb_shared_info *shared = skb_shinfo(skb);
	const u8 *at;

	if (shared->nr_frags != 1 || skb_has_frag_list(skb) || skb_headlen(skb) > offset ||
	    PageHighMem(skb_frag_page(&shared->frags[0])))
		return NULL;
	at = skb_frag_address_safe(&shared->frags[0]);
	return at ? at + offset - skb_headlen(skb) : NULL;
}

/* For @len bytes and what stands in front of them; @room may be NULL. */
static struct sk_buff *new_buffer(unsigned int len, struct page_frag *room)
{
	unsigned int size = SKB_DATA_ALIGN(NEW_HEADROOM + len) +
			    SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	struct sk_buff *packet;
	u8 *at;

	/* A short one that somebody keeps would keep pages with it, and be charged for next to nothing. */
	if (len <= SHORT_LEN || !room) {
		packet = alloc_skb(NEW_HEADROOM + len, GFP_ATOMIC | __GFP_NOWARN);
		if (packet)
			skb_reserve(packet, NEW_HEADROOM);
		return packet;
	}
	/* Memory is handed out in what caches like. */
	room->offset = ALIGN(room->offset, SMP_CACHE_BYTES);
	if (!fz_room_refill(room, size))
		return NULL;
	at = (u8 *)page_address(room->page) + room->offset;
	packet = build_skb(at, size);
	if (unlikely(!packet))
		return NULL;
	get_page(room->page);
	room->offset += size;
	skb_reserve(packet, NEW_HEADROOM);
	return packet;
}

/* A packet with @len bytes, and in front of them the outer headers of @skb, as it stands there. */
static struct sk_buff *new_packet(const struct sk_buff *skb, unsigned int len,
				  struct page_frag *room)
{
	unsigned int outer = skb->data - skb_network_header(skb);
	struct sk_buff *packet = new_buffer(len, room);

	if (unlikely(!packet))
		return NULL;
	memcpy(packet->data - outer, skb_network_header(skb), outer);
	skb_set_network_header(packet, -(int)outer);
	skb_set_transport_header(packet, -(int)(skb->data - skb_transport_header(skb)));
	packet->protocol = skb->protocol;
	packet->skb_iif = skb->skb_iif;
	packet->dev = skb->dev;
	*FZ_CB(packet) = *FZ_CB(skb);
	return packet;
}

/*
 * Decrypts @skb into a new packet, which takes its place. Return: the new packet, NULL without memory,
 * or ERR_PTR if it is not authentic.
 */
static struct sk_buff *unseal_copy(const struct sk_buff *skb, const struct fz_keypair *keypair,
				   struct page_frag *room)
{
	unsigned int len = skb->len - sizeof(struct fz_message_data);
	struct sk_buff *packet = new_packet(skb, len, room);
	const u8 *sealed = sealed_piece(skb);

	if (unlikely(!packet))
		return NULL;
	if (unlikely(!sealed)) {
		skb_copy_bits(skb, sizeof(struct fz_message_data), packet->data, len);
		sealed = packet->data;
	}
	skb_put(packet, len - FZ_AUTHTAG_LEN);
	if (chacha20poly1305_decrypt(packet->data, sealed, len, NULL, 0, FZ_CB(skb)->counter,
				     keypair->receiving_key))
		return packet;
	kfree_skb(packet);
	return ERR_PTR(-EBADMSG);
}

/* Return: the inner packet, with its padding, where @skb was; NULL if it is not authentic. */
static struct sk_buff *unseal(struct sk_buff *skb, const struct fz_keypair *keypair,
			      struct page_frag *room)
{
	bool copy = (skb_is_nonlinear(skb) || skb_cloned(skb)) &&
		    skb->data - skb_network_header(skb) <= NEW_HEADROOM;
	struct sk_buff *packet = NULL;

	if (unlikely(FZ_CB(skb)->counter >= FZ_REJECT_AFTER_MESSAGES))
		goto bad;
	if (copy)
		packet = unseal_copy(skb, keypair, room);
	if (IS_ERR(packet))
		goto bad;
	if (packet) {
		consume_skb(skb);
		return packet;
	}
	if (unseal_in_place(skb, keypair))
		return skb;
bad:
	kfree_skb(skb);
	return NULL;
}

/**
 * fz_unseal_bundle() - decrypt the messages of a bundle
 * @fz: the device
 * @bundle: of messages; of inner packets afterwards, with their padding behind and the outer headers
 *	    in front. What is not authentic is dropped
 * @room: memory for packets, of the caller alone; NULL to have it from the allocator
 *
 * Context: any but hard interrupts.
 */
void fz_unseal_bundle(struct fz_device *fz, struct fz_bundle *bundle, struct page_frag *room)
{
	bool valid = fz_keypair_may_receive(bundle->keypair);
	struct sk_buff_head sealed;
	struct sk_buff *skb;

	__skb_queue_head_init(&sealed);
	skb_queue_splice_init(&bundle->packets, &sealed);
	while ((skb = __skb_dequeue(&sealed)) != NULL) {
		if (likely(valid)) {
			skb = unseal(skb, bundle->keypair, room);
		} else {
			kfree_skb(skb);
			skb = NULL;
		}
		if (likely(skb))
			__skb_queue_tail(&bundle->packets, skb);
		else
			DEV_STATS_INC(fz->dev, rx_errors);
	}
}
