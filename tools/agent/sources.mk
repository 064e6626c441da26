# SPDX-License-Identifier: GPL-2.0-only
programs += fzagent
fzagent-src := $(addprefix tools/agent/,main.c log.c identity.c desired.c kernel.c peer.c network.c apply.c \
	masquerade.c sandbox.c uplink.c session.c access.c paths.c reports.c local.c)
fzagent-pkgs := libuv libnftables libcap

tests += tools/agent/desired_test tools/agent/identity_test
tools/agent/desired_test-src := tools/agent/desired.c
tools/agent/identity_test-src := tools/agent/identity.c
