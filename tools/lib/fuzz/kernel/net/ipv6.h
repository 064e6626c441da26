/* SPDX-License-Identifier: GPL-2.0-only */
/* RFC 8200, section 4. */
#ifndef _FZ_FUZZ_IPV6_H
#define _FZ_FUZZ_IPV6_H

#include <linux/types.h>

#define NEXTHDR_HOP 0
#define NEXTHDR_ROUTING 43
#define NEXTHDR_FRAGMENT 44
#define NEXTHDR_AUTH 51
#define NEXTHDR_DEST 60

#define IP6_MF 0x0001
#define IP6_OFFSET 0xfff8

struct frag_hdr {
	__u8 nexthdr;
	__u8 reserved;
	__be16 frag_off;
	__be32 identification;
};

#endif
