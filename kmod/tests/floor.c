// SPDX-License-Identifier: GPL-2.0-only
/*
 * What no tunnel can do without: the time that this kernel's ChaCha20-Poly1305 takes for a packet
 * of 1420 bytes, sealed and opened, and that of one copy of it. A module of its own that benchmarks
 * load; the times are parameters of it, in nanoseconds. Each is the least of several, so that what
 * else happens on the machine does not count.
 */
#include <crypto/chacha20poly1305.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#define PACKET 1420
#define TRIES 64
#define PACKETS_PER_TRY 128

static unsigned int seal_ns, open_ns, copy_ns;

module_param(seal_ns, uint, 0444);
module_param(open_ns, uint, 0444);
module_param(copy_ns, uint, 0444);

struct packets {
	u8 plain[PACKET];
	u8 sealed[PACKET + CHACHA20POLY1305_AUTHTAG_SIZE];
	u8 opened[PACKET];
	u8 key[CHACHA20POLY1305_KEY_SIZE];
	bool broken;
};

static void seal(struct packets *p)
{
	chacha20poly1305_encrypt(p->sealed, p->plain, PACKET, NULL, 0, 1, p->key);
}

static void open(struct packets *p)
{
	if (!chacha20poly1305_decrypt(p->opened, p->sealed, sizeof(p->sealed), NULL, 0, 1, p->key))
		p->broken = true;
}

static void copy(struct packets *p)
{
	memcpy(p->opened, p->plain, PACKET);
	/* Another copy of the same is not left out. */
	barrier_data(p->opened);
}

/* Of one packet, with the call. */
static unsigned int least(struct packets *p, void (*step)(struct packets *p))
{
	u64 best = U64_MAX, begin;
	unsigned int try, i;

	for (try = 0; try < TRIES; try++) {
		begin = ktime_get_ns();
		for (i = 0; i < PACKETS_PER_TRY; i++)
			step(p);
		best = min(best, ktime_get_ns() - begin);
		cond_resched();
	}
	return div_u64(best, PACKETS_PER_TRY);
}

static int __init floor_init(void)
{
	struct packets *p = kzalloc(sizeof(*p), GFP_KERNEL);
	bool broken;

	if (!p)
		return -ENOMEM;
	seal_ns = least(p, seal);
	open_ns = least(p, open);
	copy_ns = least(p, copy);
	broken = p->broken;
	kfree(p);
	return broken ? -EBADMSG : 0;
}

static void __exit floor_exit(void)
{
}

module_init(floor_init);
module_exit(floor_exit);
MODULE_DESCRIPTION("The least that a packet costs a tunnel");
MODULE_LICENSE("GPL");
