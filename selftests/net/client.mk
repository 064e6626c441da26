# SPDX-License-Identifier: GPL-2.0-only
test-programs += fz-test-client
fz-test-client-src := selftests/net/client.c
