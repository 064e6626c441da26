# SPDX-License-Identifier: GPL-2.0-only
test-programs += fz-bench-policy
fz-bench-policy-src := $(addprefix selftests/bench/,policy.c layout.c traffic.c netns.c)
fz-bench-policy-libs := -lnftables
