# SPDX-License-Identifier: GPL-2.0-only
lib-src += tools/lib/error.c tools/lib/key.c tools/lib/parse.c tools/lib/names.c tools/lib/format.c \
	tools/lib/table.c tools/lib/nlsock.c tools/lib/nl.c tools/lib/nl_attr.c tools/lib/nl_device.c tools/lib/nl_policy.c \
	tools/lib/nl_flow.c tools/lib/nl_event.c tools/lib/rtnl.c tools/lib/device.c

tests += tools/lib/parse_test tools/lib/key_test tools/lib/table_test tools/lib/nl_attr_test
