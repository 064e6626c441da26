# SPDX-License-Identifier: GPL-2.0-only
test-programs += fz-test-netlink
fz-test-netlink-src := $(addprefix selftests/net/netlink/,main.c message.c device.c policy.c \
	stranger.c epoch.c event.c faults.c)
