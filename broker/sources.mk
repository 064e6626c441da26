# SPDX-License-Identifier: GPL-2.0-only
#
# The broker. What speaks to agents (channel, signalling, STUN) is in server.mk.
broker-store-src := broker/fault.c broker/prefix.c broker/timezone.c broker/db_sqlite.c broker/schema_sqlite.c \
	broker/store.c broker/store_identity.c broker/store_user.c broker/store_site.c broker/store_policy.c \
	broker/store_device.c broker/store_invitation.c broker/store_lease.c broker/store_log.c \
	broker/store_log_read.c broker/store_directory.c broker/directory.c
broker-decision-src := broker/window.c broker/decision.c
broker-api-src := broker/log.c broker/api.c broker/api_route.c broker/api_json.c broker/api_user.c broker/api_site.c \
	broker/api_policy.c broker/api_device.c broker/api_log.c broker/public.c

programs += fzbroker
unit-src += broker/fzbroker.service
man-src += broker/fzbroker.8
fzbroker-src = $(broker-store-src) $(broker-decision-src) $(broker-api-src) $(broker-server-src) \
	broker/refresh.c broker/options.c broker/notify.c broker/main.c
fzbroker-pkgs := sqlite3 libuv libmicrohttpd

tests += broker/store_test broker/decision_test broker/timezone_test broker/api_test

broker/store_test-src := $(broker-store-src)
broker/store_test-pkgs := sqlite3
broker/decision_test-src := $(broker-store-src) $(broker-decision-src)
broker/decision_test-pkgs := sqlite3
broker/timezone_test-src := broker/timezone.c broker/window.c
broker/api_test-src := broker/refresh.c $(broker-store-src) $(broker-decision-src) $(broker-api-src)
broker/api_test-pkgs := sqlite3 libuv libmicrohttpd libcurl
broker/api_test-libs := -Wl,--wrap=store_directory
