#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The netlink family, message by message: wrong input gets its sentence and changes nothing, and so
# does a lack of memory. Needs the module, and root; works in a network namespace of its own.
set -eu

cd "$(dirname "$0")/../.."
[ -d /sys/module/fz ] || modprobe fz

# Where an allocation can be made to fail, let it be one that could sleep too, and without a report.
faults=/sys/kernel/debug/failslab
PATH=$PWD/build/bin:$PATH
if [ ! -d $faults ]; then
	exec fz-test-netlink
fi
sleeping=$(cat $faults/ignore-gfp-wait)
verbose=$(cat $faults/verbose)
echo N >$faults/ignore-gfp-wait
echo 0 >$faults/verbose
status=0
fz-test-netlink || status=$?
echo "$sleeping" >$faults/ignore-gfp-wait
echo "$verbose" >$faults/verbose
exit $status
