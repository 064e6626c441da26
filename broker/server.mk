# SPDX-License-Identifier: GPL-2.0-only
# What speaks to agents: channel, signalling, STUN.
broker-signal-src := broker/state.c broker/signal.c broker/signal_session.c broker/signal_agent.c \
	broker/signal_build.c broker/signal_sync.c broker/signal_grant.c broker/signal_decide.c \
	broker/signal_access.c broker/signal_answer.c \
	broker/signal_report.c broker/signal_budget.c
broker-server-src := $(broker-signal-src) broker/channel.c broker/stun_server.c broker/server.c

tests += broker/signal_test broker/server_test

broker/signal_test-src = $(broker-signal-src) broker/log.c $(broker-store-src) $(broker-decision-src)
broker/signal_test-pkgs := sqlite3
broker/signal_test-libs := -Wl,--wrap=store_begin,--wrap=store_commit,--wrap=store_rollback,--wrap=store_report_add \
	-Wl,--wrap=store_lease_put,--wrap=store_lease_del,--wrap=store_audit_add \
	-Wl,--wrap=state_diff
broker/server_test-src = $(broker-server-src) broker/refresh.c broker/log.c $(broker-store-src) $(broker-decision-src)
broker/server_test-pkgs := sqlite3 libuv
broker/server_test-libs := -Wl,--wrap=fz_channel_new,--wrap=fz_noise_init
