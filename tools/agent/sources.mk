# SPDX-License-Identifier: GPL-2.0-only
programs += fzagent
fzagent-src := $(addprefix tools/agent/,main.c log.c identity.c desired.c kernel.c peer.c network.c apply.c \
	masquerade.c sandbox.c sandbox_files.c sandbox_calls.c uplink.c session.c access.c paths.c reports.c local.c)
fzagent-pkgs := libuv libnftables libcap libseccomp

tests += tools/agent/desired_test tools/agent/identity_test tools/agent/sandbox_test tools/agent/apply_test \
	tools/agent/session_test tools/agent/reports_test tools/agent/local_test
tools/agent/desired_test-src := tools/agent/desired.c
tools/agent/identity_test-src := tools/agent/identity.c
tools/agent/sandbox_test-src := $(addprefix tools/agent/,sandbox.c sandbox_files.c sandbox_calls.c log.c)
tools/agent/sandbox_test-pkgs := libcap libseccomp
tools/agent/apply_test-src := $(addprefix tools/agent/,apply.c network.c peer.c desired.c log.c)
tools/agent/apply_test-libs := $(foreach f,fz_nl_device_get fz_nl_device_set fz_nl_epoch_begin fz_nl_epoch_commit \
	fz_nl_epoch_abort fz_nl_resource_add fz_nl_grant_add fz_rtnl_addr_list fz_rtnl_addr_add fz_rtnl_addr_del \
	fz_rtnl_route_list fz_rtnl_route_add fz_rtnl_route_del,-Wl,--wrap=$f)
tools/agent/session_test-src := $(addprefix tools/agent/,session.c desired.c log.c)
tools/agent/session_test-pkgs := libuv
tools/agent/reports_test-src := tools/agent/reports.c
tools/agent/reports_test-pkgs := libuv
tools/agent/reports_test-libs := $(foreach f,uv_now uv_timer_start uv_timer_get_due_in uv_is_active,-Wl,--wrap=$f)
tools/agent/local_test-src := $(addprefix tools/agent/,local.c desired.c log.c)
tools/agent/local_test-pkgs := libuv

man-src += tools/agent/fzagent.8
unit-src += tools/agent/fzagent.service
