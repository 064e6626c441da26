# SPDX-License-Identifier: GPL-2.0-only
# fzctl admin: the broker's admin API.
fzctl-src += $(addprefix tools/fzctl/,admin.c admin_call.c admin_object.c admin_policy.c admin_log.c)
fzctl-pkgs += libcurl

tests += tools/fzctl/admin_test
tools/fzctl/admin_test-src = $(addprefix tools/fzctl/,admin.c admin_call.c admin_object.c admin_policy.c admin_log.c \
	session.c output.c words.c terms.c queue.c) broker/refresh.c $(broker-store-src) $(broker-decision-src) $(broker-api-src)
tools/fzctl/admin_test-pkgs := libcurl sqlite3 libuv libmicrohttpd
