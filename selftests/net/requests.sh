#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kept cases of selftests/fuzz/netlink and a few random ones, new in each run; the output says
# how to have the same again.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh" >/dev/null
need_module
/usr/bin/python3 -c 'import yaml' || skip_all "Python lacks yaml"
"$TOP/selftests/fuzz/netlink" --count "${FZ_FUZZ_CASES-20}"
