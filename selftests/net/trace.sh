#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the kernel's own tools see: the module's trace events, with filters on their fields, and with a
# dropped packet the reason for which it was refused, as the name of the function that dropped it.
if [ -z "${FZ_INSIDE-}" ] && [ "$(id -u)" = 0 ]; then
	FZ_INSIDE=1 exec unshare --net --mount bash "$0" "$@"
fi
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_module
mkdir "$WORK/tracefs"
mount -t tracefs nodev "$WORK/tracefs" 2>/dev/null || skip_all "there is no tracefs"
# An instance of our own: whatever else is being traced goes on.
TRACE=$WORK/tracefs/instances/fz$$
mkdir "$TRACE" || skip_all "cannot trace"
[ -d "$TRACE/events/fz" ] || skip_all "the kernel has no trace events of modules"

stop_tracing()
{
	echo 0 >"$TRACE/events/enable"
	rmdir "$TRACE"
	umount "$WORK/tracefs"
	cleanup
}
trap stop_tracing EXIT

device()
{
	device_alone
	: >"$TRACE/trace"
}

# datagram PORT: to the peer
datagram() { echo >"/dev/udp/10.7.0.2/$1"; }

# traced REGEXP: how many lines
traced() { grep -cE "$1" "$TRACE/trace"; }

events()
{
	device
	echo 1 >"$TRACE/events/fz/enable"
	datagram 5
	equal "$(traced 'fz_denial: .*dir=1 what=1 why=1 family=2 proto=17 src=10\.7\.0\.1 sport=[0-9]+ dst=10\.7\.0\.2 dport=5$')" 1 \
		"refusals that are traced"
	cmd_ok fzctl set fz0 peer "$KEY" allowed-ips 10.7.0.0/16,fd07::/16
	cmd_ok ip addr add fd07::1/16 dev fz0 nodad
	echo >/dev/udp/fd07::2/5
	equal "$(traced 'fz_denial: .*family=10 proto=17 src=fd07::1 sport=[0-9]+ dst=fd07::2 dport=5$')" 1 \
		"refusals of IPv6 that are traced"
	cmd_ok fzctl resource add fz0 web 10.7.0.2 udp/80
	cmd_ok fzctl grant add fz0 any resource web out
	datagram 80
	equal "$(traced 'fz_flow: .*why=0 family=2 proto=17 .*dport=80$')" 1 "flows that start"
	cmd_ok fzctl flow flush fz0
	equal "$(traced 'fz_flow: .*why=9 family=2 proto=17 .*dport=80$')" 1 "flows that end"
	echo 0 >"$TRACE/events/fz/enable"
}

filters()
{
	device
	echo 'dir == 1 && why == 1 && proto == 17 && dport > 100' >"$TRACE/events/fz/fz_denial/filter"
	echo 1 >"$TRACE/events/fz/fz_denial/enable"
	datagram 7
	datagram 107
	datagram 108
	echo 0 >"$TRACE/events/fz/fz_denial/enable"
	echo 0 >"$TRACE/events/fz/fz_denial/filter"
	equal "$(traced fz_denial:)" 2 "refusals that the filter lets through"
}

# The function that a place is in: newer kernels print it themselves, the others an address.
function_at()
{
	case $1 in
	*+*) echo "${1%%+*}" ;;
	*) awk -v at="${1#0x}" '/\[fz\]$/ && $1 "" <= at "" && $1 "" > best { best = $1 ""; name = $3 }
		END { print name }' /proc/kallsyms ;;
	esac
}

# dropped REASON KERNELS-REASON: a datagram to port 80 is
dropped()
{
	local reason place places=()

	: >"$TRACE/trace"
	echo 1 >"$TRACE/events/skb/kfree_skb/enable"
	datagram 80
	echo 0 >"$TRACE/events/skb/kfree_skb/enable"
	sed -n 's/.*kfree_skb: .* reason: *//p' "$TRACE/trace" >"$WORK/reasons"
	# 6.1 prints no reasons when it prints addresses as they are
	echo nohash-ptr >"$TRACE/trace_options"
	sed -nE 's/.*kfree_skb: .*location=([^ ]*).*/\1/p' "$TRACE/trace" >"$WORK/places"
	echo hash-ptr >"$TRACE/trace_options"
	while read -r reason place; do
		[[ $reason =~ ^($2)$ ]] && places+=("$(function_at "$place")")
	done < <(paste -d ' ' "$WORK/reasons" "$WORK/places")
	equal "${places[*]}" "fz_drop_$1" "places where packets are dropped for $2"
}

drops()
{
	local policy='SECURITY_HOOK|XFRM_POLICY'

	device
	dropped no_grant "$policy"
	cmd_ok fzctl resource add fz0 web 10.7.0.2 udp/80
	cmd_ok fzctl grant add fz0 any resource web out deny
	dropped denied "$policy"
	cmd_ok fzctl grant add fz0 any resource web out quota 1
	dropped quota "$policy"
	cmd_ok fzctl grant add fz0 any resource web out flows 1/s
	datagram 80
	dropped rate QDISC_DROP
}

# What perf and bpftrace go by: formats that say what is in an event.
formats()
{
	local event

	for event in fz_denial fz_flow fz_request; do
		for field in ifindex peer dir what why family proto sport dport 'src\[16\]' 'dst\[16\]' \
			'saddr\[28\]' 'daddr\[28\]'; do
			grep -qE "field:.* $field;" "$TRACE/events/fz/$event/format" || fail "$event has no $field"
		done
	done
}

# datagrams PORT...: prints a command that sends them, for programs that run one
datagrams()
{
	printf 'echo >/dev/udp/10.7.0.2/%s\n' "$@" >"$WORK/datagrams"
	echo "/bin/bash $WORK/datagrams"
}

# The filter is the kernel's work, the text that of a library beside perf.
seen_by_perf()
{
	device
	# shellcheck disable=SC2046 # words
	cmd_ok perf record -q -m 8 -e fz:fz_denial --filter 'dport > 5' -o "$WORK/perf.data" $(datagrams 5 7 8)
	perf script -i "$WORK/perf.data" >"$WORK/perf" 2>/dev/null
	equal "$(sed -nE 's/.* fz:fz_denial: .* proto=17 src=10\.7\.0\.1 .* dst=10\.7\.0\.2 dport=//p' "$WORK/perf" | xargs)" \
		"7 8" "ports of the refusals that perf shows"
}

seen_by_bpftrace()
{
	device
	bpftrace -c "$(datagrams 5 7 7)" -e 'tracepoint:fz:fz_denial
		{ @[args->why, ntop(args->family, args->dst), args->dport] = count(); }' >"$WORK/bpftrace" 2>&1
	sed 's/^/# /' "$WORK/bpftrace"
	equal "$(grep '^@' "$WORK/bpftrace" | sort | xargs)" "@[1, 10.7.0.2, 5]: 1 @[1, 10.7.0.2, 7]: 2" \
		"refusals that bpftrace counts"
}

check "trace events tell of refusals and flows" events
check "filters look at their fields" filters
check "their formats name the fields" formats
check "a refused packet is dropped with its reason" drops
if [ -e "$TRACE/events/fz/fz_denial/id" ] && [ -n "$(command -v perf)" ]; then
	check "perf records and prints them" seen_by_perf
else
	echo "# no perf, or the kernel has no events for it"
fi
if [ -e /sys/kernel/btf/vmlinux ] && [ -n "$(command -v bpftrace)" ]; then
	check "bpftrace reads their fields" seen_by_bpftrace
else
	echo "# no bpftrace, or the kernel does not describe its types"
fi
finish_tests
