# SPDX-License-Identifier: GPL-2.0-only
test-programs += fz-bench-udp fz-bench-room
fz-bench-udp-src := $(addprefix selftests/bench/,udp.c udp_send.c udp_ping.c udp_load.c netns.c)
fz-bench-room-src := selftests/bench/room.c
