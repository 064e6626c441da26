# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests of a loaded module share. A test sources this file, makes its topology, calls
# `check NAME FUNCTION` for each of its cases and last `finish_tests`.
#
#	cmd_ok COMMAND...	fails the case unless it exits 0
#	cmd_fail COMMAND...	fails the case if it exits 0
#	cmd_mayfail COMMAND...	runs it whatever it says
#	wait_for SECONDS COMMAND...	until it exits 0; a busy machine gets four times as many
#	host NAME		makes a namespace, named after the process too: $(ns NAME)
#	on NAME COMMAND...	runs it there
#	cable A DEV A4 A6 B DEV B4 B6	connects two hosts
#	keep_order HOST DEV...	of what is sent by cables, whatever CPUs do so
#	device_add HOST NAME KIND	makes a tunnel device there: fz, wireguard or wireguard-go
#	device_del HOST NAME	removes it with all that it knew
#	device_alone		makes fz0, here, with a peer, $KEY, that never answers
#	configure HOST KIND COMMAND...	runs `fzctl` or `wg` there
#	iperf FROM TO ADDRESS [OPTION...]	fails the case unless TCP passes for a second, or what options say
#	iperf_awaited HOST ADDRESS	whether it is ready there
#	doc_blocks PAGE LANGUAGE DIRECTORY	takes the examples out of a page
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

# A veth leaves what it is given to the CPU that is sending, whose softirq may be put off (to ksoftirqd),
# and what another CPU sends next is there before. One queue takes all where the receiving end has GRO
# and the sending one does not segment.
keep_order()
{
	local device

	for device in "${@:2}"; do
		on "$1" ethtool -K "$device" tso off gro on || skip_all "no ethtool"
	done
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

# Cases may run side by side, each in a process of its own.

cmd_ok()
{
	local out=$WORK/out.$BASHPID

	"$@" >"$out" 2>&1 && return 0
	sed 's/^/# /' "$out"
	fail "$*"
}

cmd_fail()
{
	local out=$WORK/out.$BASHPID

	"$@" >"$out" 2>&1 || return 0
	sed 's/^/# /' "$out"
	fail "not refused: $*"
}

cmd_mayfail()
{
	"$@" >/dev/null 2>&1 || :
}

# Four looks a second. What it said last is shown if it never did.
wait_for()
{
	local left=$(($1 * 4 * 4)) out=$WORK/out.$BASHPID

	shift
	until "$@" >"$out" 2>&1; do
		left=$((left - 1))
		if [ $left -le 0 ]; then
			sed 's/^/# /' "$out"
			fail "waited in vain for: $*"
		fi
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

# kinds: of devices that can be made here, one a line; fz is the first
kinds()
{
	echo fz
	if [ -d /sys/module/wireguard ] || modprobe -q wireguard; then
		echo wireguard
	else
		echo "# the kernel has no WireGuard of its own" >&2
	fi
	[ -c /dev/net/tun ] || modprobe -q tun
	if [ -c /dev/net/tun ] && [ -n "$(command -v wireguard-go)" ]; then
		echo wireguard-go
	else
		echo "# there is no wireguard-go, or no TUN devices for it" >&2
	fi
}

# wireguard-go is a process, and `wg` finds it by a socket in /run that has the device's name. Every
# host has a /run of its own for both.
on_with_run()
{
	local name=$1

	shift
	mkdir -p "$WORK/run-$name"
	# shellcheck disable=SC2016
	on "$name" bash -c 'mount --bind "$1" /run && shift && exec "$@"' - "$WORK/run-$name" "$@"
}

device_add()
{
	local run=$WORK/run-$1

	if [ "$3" != wireguard-go ]; then
		cmd_ok on "$1" ip link add "$2" type "$3"
		return
	fi
	# shellcheck disable=SC2016
	WG_PROCESS_FOREGROUND=1 on_with_run "$1" bash -c 'echo $$ >"/run/$1.pid"; exec wireguard-go "$1"' \
		- "$2" >"$WORK/wireguard-go-$1" 2>&1 &
	wait_for 20 test -S "$run/wireguard/$2.sock"
}

# What is sent to 10.7.0.0/16 goes to the peer.
device_alone()
{
	KEY=$(fzctl genkey | fzctl pubkey)
	ip link del fz0 2>/dev/null
	cmd_ok ip link add fz0 type fz
	cmd_ok fzctl set fz0 private-key <(fzctl genkey) peer "$KEY" allowed-ips 10.7.0.0/16 endpoint 192.0.2.1:9
	cmd_ok ip addr add 10.7.0.1/16 dev fz0
	cmd_ok ip link set fz0 up
}

# Whatever it is, if it is there; all that it knew is gone with it.
device_del()
{
	local run=$WORK/run-$1

	if [ -e "$run/$2.pid" ]; then
		cmd_mayfail kill -9 "$(cat "$run/$2.pid")"
		rm -f "$run/$2.pid" "$run/wireguard/$2.sock"
		wait_for 20 has_no_device "$1" "$2"
	else
		cmd_mayfail on "$1" ip link del "$2"
	fi
}

has_no_device()
{
	! on "$1" ip link show "$2"
}

# Which program configures a device of this kind.
ctl()
{
	case $1 in
	fz) echo fzctl ;;
	wireguard | wireguard-go) echo wg ;;
	esac
}

configure()
{
	local name=$1 kind=$2

	shift 2
	if [ "$kind" = wireguard-go ]; then
		on_with_run "$name" wg "$@"
	else
		on "$name" "$(ctl "$kind")" "$@"
	fi
}

iperf()
{
	local from=$1 to=$2 address=$3 server

	shift 3
	on "$to" iperf3 -s -1 -B "$address" >/dev/null 2>&1 &
	server=$!
	wait_for 20 iperf_awaited "$to" "$address"
	cmd_ok on "$from" timeout 60 iperf3 -c "$address" -t 1 "$@"
	wait "$server" || fail "iperf3 on $to ended with $?"
}

iperf_awaited()
{
	on "$1" ss -Htln "src [$2]:5201" | grep -q .
}

# Each block of a page in that language becomes a file, which its first line names: "# NAME" or "/* NAME".
doc_blocks()
{
	awk -v begin="\`\`\`$2" -v dir="$3" '
		$0 == "```" { file = "" }
		wanted { file = dir "/" $2; sub(/:$/, "", file); printf "" >file; wanted = 0 }
		$0 == begin { wanted = 1 }
		file { print >file }' "$1"
}

mkfifo "$WORK/never"
echo "TAP version 13"
