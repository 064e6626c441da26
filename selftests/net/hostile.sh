#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a peer with a right key may put into its tunnel: hostile.py says what, and what becomes of it.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh" >/dev/null
need_module
/usr/bin/python3 -c 'import cryptography, yaml' || skip_all "Python lacks cryptography or yaml"
/usr/bin/python3 "$TOP/selftests/net/hostile.py"
