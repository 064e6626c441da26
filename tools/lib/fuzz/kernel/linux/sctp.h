/* SPDX-License-Identifier: GPL-2.0-only */
/* RFC 9260, sections 3.1 and 3.2. */
#ifndef _FZ_FUZZ_SCTP_H
#define _FZ_FUZZ_SCTP_H

#include <linux/types.h>

#define SCTP_CID_INIT 1

struct sctphdr {
	__be16 source;
	__be16 dest;
	__be32 vtag;
	__le32 checksum;
};

#endif
