# SPDX-License-Identifier: GPL-2.0-only
test-programs += fz-probe
fz-probe-src := selftests/e2e/probe.c
