#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Dumps while what they list changes: dump.py says how. Root, in a namespace.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh" >/dev/null
need_module
/usr/bin/python3 -c 'import yaml' || skip_all "Python lacks yaml"
host a
on a ip link add fz0 type fz || skip_all "cannot make a device"
on a /usr/bin/python3 "$TOP/selftests/net/dump.py" fz0
