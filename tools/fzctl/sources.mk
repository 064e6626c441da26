# SPDX-License-Identifier: GPL-2.0-only
programs += fzctl
fzctl-src += $(addprefix tools/fzctl/,fzctl.c session.c words.c terms.c output.c queue.c show.c show_text.c \
	paint.c setconf.c config.c endpoint.c keys.c mode.c resource.c grant.c flow.c explain.c monitor.c \
	observe_report.c denials.c sighting.c suggest.c stats.c batch.c updown.c program.c quick.c quick_policy.c \
	quick_save.c quick_apply.c quick_route.c quick_firewall.c quick_dns.c)

tests += tools/fzctl/config_test tools/fzctl/show_test tools/fzctl/quick_test tools/fzctl/words_test \
	tools/fzctl/observe_report_test
tools/fzctl/config_test-src := tools/fzctl/config.c tools/fzctl/endpoint.c
tools/fzctl/show_test-src := tools/fzctl/show_text.c tools/fzctl/paint.c
tools/fzctl/quick_test-src := $(addprefix tools/fzctl/,quick.c quick_policy.c quick_save.c terms.c config.c endpoint.c show_text.c paint.c)
tools/fzctl/words_test-src := $(addprefix tools/fzctl/,session.c words.c terms.c output.c queue.c show.c show_text.c paint.c setconf.c \
	config.c endpoint.c mode.c resource.c grant.c flow.c explain.c stats.c batch.c)
tools/fzctl/observe_report_test-src := $(addprefix tools/fzctl/,session.c words.c terms.c output.c queue.c observe_report.c \
	denials.c sighting.c suggest.c)

man-src += tools/fzctl/fzctl.8
unit-src += tools/fzctl/fz-quick@.service tools/fzctl/fz-quick.target
completion-src += tools/fzctl/completion/fzctl
