# SPDX-License-Identifier: GPL-2.0-only
# The control channel and what travels in it.
proto-src += tools/lib/control.proto
lib-src += tools/lib/noise.c tools/lib/frame.c tools/lib/channel.c tools/lib/message.c \
	tools/lib/invite.c tools/lib/stun.c

tests += tools/lib/noise_test tools/lib/channel_test tools/lib/message_test \
	tools/lib/invite_test tools/lib/stun_test
