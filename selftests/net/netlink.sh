#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The netlink family, message by message: wrong input gets its sentence and changes nothing. Needs
# the module, and root; works in a network namespace of its own.
set -eu

cd "$(dirname "$0")/../.."
[ -d /sys/module/fz ] || modprobe fz
exec build/bin/fz-test-netlink
