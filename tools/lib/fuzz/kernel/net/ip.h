/* SPDX-License-Identifier: GPL-2.0-only */
/* RFC 791, section 3.1. */
#ifndef _FZ_FUZZ_IP_H
#define _FZ_FUZZ_IP_H

#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

#endif
