# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests of a loaded module share. A test sources this file, makes its topology, calls
# `check NAME FUNCTION` for each of its cases and last `finish_tests`.
#
#	cmd_ok COMMAND...	fails the case unless it exits 0
#	cmd_fail COMMAND...	fails the case if it exits 0
#	cmd_mayfail COMMAND...	runs it whatever it says
#	wait_for SECONDS COMMAND...	until it exits 0
#	host NAME		makes a namespace, named after the process too: $(ns NAME)
#	on NAME COMMAND...	runs it there
#	cable A DEV A4 A6 B DEV B4 B6	connects two hosts
#
# Output is KTAP, what commands print goes into it as comments. All namespaces vanish at the end.

set -u

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=$TOP/build/bin:$PATH
CASES=0
FAILED=0
WORK=$(mktemp -d)
MODE=/sys/module/fz/parameters/default_mode
MODE_BEFORE=

ns()
{
	echo "fz$$-$1"
}

on()
{
	local name=$1

	shift
	ip netns exec "$(ns "$name")" "$@"
}

host()
{
	local name

	for name in "$@"; do
		ip netns add "$(ns "$name")" || skip_all "cannot make a network namespace"
		on "$name" ip link set lo up
		on "$name" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
	done
}

# The host and all that is in it.
host_del()
{
	ip netns pids "$(ns "$1")" | xargs -r kill 2>/dev/null
	ip netns del "$(ns "$1")"
}

cable()
{
	ip link add "$2" netns "$(ns "$1")" type veth peer name "$6" netns "$(ns "$5")"
	on "$1" ip addr add "$3" dev "$2"
	on "$1" ip addr add "$4" dev "$2" nodad
	on "$5" ip addr add "$7" dev "$6"
	on "$5" ip addr add "$8" dev "$6" nodad
	on "$1" ip link set "$2" up
	on "$5" ip link set "$6" up
}

cleanup()
{
	local name

	for name in $(ip netns list 2>/dev/null | sed -n "s/^fz$$-\([^ ]*\).*/\1/p"); do
		host_del "$name"
	done
	if [ -n "$MODE_BEFORE" ]; then echo "$MODE_BEFORE" >$MODE; fi
	rm -rf "$WORK"
}
trap cleanup EXIT

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 4
}

# The subshell of the case ends with it.
fail()
{
	echo "# failed: $*"
	exit 1
}

cmd_ok()
{
	"$@" >"$WORK/out" 2>&1 && return 0
	sed 's/^/# /' "$WORK/out"
	fail "$*"
}

cmd_fail()
{
	"$@" >"$WORK/out" 2>&1 || return 0
	sed 's/^/# /' "$WORK/out"
	fail "not refused: $*"
}

cmd_mayfail()
{
	"$@" >/dev/null 2>&1 || :
}

# Four looks a second.
wait_for()
{
	local left=$(($1 * 4))

	shift
	until "$@" >/dev/null 2>&1; do
		left=$((left - 1))
		[ $left -gt 0 ] || fail "waited in vain for: $*"
		read -rt 0.25 _ <>"$WORK/never"
	done
	return 0
}

equal()
{
	[ "$1" = "$2" ] || fail "${3:-value} is \"$1\", not \"$2\""
}

# check NAME FUNCTION [ARGUMENT...]: one case, in a subshell
check()
{
	local name=$1

	shift
	CASES=$((CASES + 1))
	if ("$@"); then
		echo "ok $CASES $name"
	else
		echo "not ok $CASES $name"
		FAILED=$((FAILED + 1))
	fi
}

# The number of cases is not known before: KTAP allows the plan at the end.
finish_tests()
{
	echo "1..$CASES"
	exit $((FAILED ? 1 : 0))
}

need_module()
{
	[ "$(id -u)" = 0 ] || skip_all "needs root"
	[ -d /sys/module/fz ] || modprobe fz || skip_all "the module fz cannot be loaded"
}

# What every new device of this test does with a flow that no grant admits: open|observe|enforce.
# The parameter is the whole machine's, so that tests run one after the other; it is put back.
default_mode()
{
	MODE_BEFORE=${MODE_BEFORE:-$(cat $MODE)}
	echo "$1" >$MODE
}

# Which program configures a device of this kind.
ctl()
{
	case $1 in
	fz) echo fzctl ;;
	wireguard) echo wg ;;
	esac
}

mkfifo "$WORK/never"
echo "TAP version 13"
