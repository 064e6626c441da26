#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The walk of docs/transition.md, from open over observe to enforce, with its commands as they stand
# there, but for where files are. Numbered packets run through the tunnel all the while, both ways: no
# one of them is lost. At the end what was seen passes, and what was not is refused, and told so.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_module
command -v jq >/dev/null || skip_all "needs jq"
umask 077
host one two
STREAMS=()
doc_blocks "$TOP/docs/transition.md" sh "$WORK"
sed -i "s#/var/log/#$WORK/#; s#/run/#$WORK/#; s#/etc/fz\\>#$WORK#g" "$WORK"/*.sh

# walk STEP: the commands of the page, on the gateway
walk() { cmd_ok on two env PEER="$PEER" bash -eu "$WORK/$1.sh"; }

tunnel()
{
	cable one v0 192.0.2.1/24 2001:db8::1/64 two v0 192.0.2.2/24 2001:db8::2/64
	fzctl genkey >"$WORK/k1"
	fzctl genkey >"$WORK/k2"
	PEER=$(fzctl pubkey <"$WORK/k1")
	on one ip link add fz0 type fz
	on two ip link add fz0 type fz
	on one fzctl set fz0 private-key "$WORK/k1" peer "$(fzctl pubkey <"$WORK/k2")" allowed-ips 10.8.0.2/32 \
		endpoint 192.0.2.2:2000
	on two fzctl set fz0 private-key "$WORK/k2" listen-port 2000 peer "$PEER" allowed-ips 10.8.0.1/32 \
		peer "$(fzctl genkey | fzctl pubkey)" allowed-ips 10.8.0.9/32
	on one fzctl mode fz0 open
	on one ip addr add 10.8.0.1/24 dev fz0
	on two ip addr add 10.8.0.2/24 dev fz0
	on one ip link set fz0 up
}

serve()
{
	ip netns exec "$(ns "$1")" setpriv --pdeathsig KILL /usr/bin/python3 "$TOP/selftests/net/stream.py" serve "${@:2}" &
}

# stream HOST PROTOCOL ADDRESS PORT
stream()
{
	ip netns exec "$(ns "$1")" setpriv --pdeathsig KILL /usr/bin/python3 "$TOP/selftests/net/stream.py" send "${@:2}" \
		"$WORK/stop" >"$WORK/stream.$1.$2" 2>&1 &
	STREAMS+=($!)
}

listening() { on "$1" ss -Hln"$2" "sport = $3" | grep -q .; }

# Of the three, two are opened by the peer, one by this side.
start_streams()
{
	serve two udp 10.8.0.2 7000
	serve two tcp 10.8.0.2 7001
	serve one udp 10.8.0.1 7002
	wait_for 60 listening two u 7000
	wait_for 60 listening two t 7001
	wait_for 60 listening one u 7002
	wait_for 30 on one ping -c 1 -W 1 10.8.0.2
	stream one udp 10.8.0.2 7000
	stream one tcp 10.8.0.2 7001
	stream two udp 10.8.0.1 7002
}

# flowing N: each stream has sent and received that many more packets
packets() { on two fzctl flow list fz0 --json | jq '[.[] | select(.tuple.dport // 0 | . >= 7000 and . <= 7002).reply_packets] | min'; }

flowing()
{
	local before

	before=$(packets)
	wait_for 30 have_flowed "$((before + $1))"
}

have_flowed() { [ "$(packets)" -ge "$1" ]; }

all_reported()
{
	[ "$(jq -r 'select(.event == "denial" and .verdict == "observe") | [.direction, .tuple.protocol, .tuple.dport] | @csv' \
		"$WORK/fz-denials.json" | sort -u | wc -l)" -ge 4 ]
}

observe()
{
	walk observe
	on one ping -c 1 -W 5 10.8.0.2 >/dev/null || fail "the ping is lost"
	wait_for 30 all_reported
	flowing 20
}

# Files are as old as a second says: what comes after the report is told from what came before.
quiet() { [ "$(date +%s)" -gt "$(date -d "$(jq -rs last.time "$WORK/fz-denials.json")" +%s)" ]; }

report()
{
	wait_for 30 quiet
	walk report
	equal "$(grep -c '^fzctl grant add' "$WORK/fz0.grants")" 2 "grants that are suggested"
	cmd_ok grep -q "^fzctl resource add fz0 [^ ]* 10.8.0.2/32 icmp/8 tcp/7001 udp/7000$" "$WORK/fz0.grants"
	cmd_ok grep -q "^fzctl resource add fz0 [^ ]* 10.8.0.1/32 udp/7002$" "$WORK/fz0.grants"
	equal "$(on two fzctl grant list fz0)" "" "what is granted before it is applied"
}

verdict() { on two fzctl explain fz0 peer "$PEER" "$@" --json | jq -r .verdict; }

apply()
{
	walk apply
	flowing 20
	equal "$(on two fzctl flow list fz0 --json | jq '[.[] | select(.tuple.protocol != "icmp" and .observed != null)] | length')" 0 \
		"flows that would be refused"
	equal "$(verdict in udp 10.8.0.1:1 10.8.0.2:7000)" pass "the verdict on what was seen"
	equal "$(verdict in udp 10.8.0.1:1 10.8.0.2:7009)" observe "the verdict on what was not"
}

# Once more, with what was not seen before.
reported_anew()
{
	on one bash -c 'echo >/dev/udp/10.8.0.2/7019'
	walk again
	grep -q "^fzctl resource add fz0 [^ ]* 10.8.0.2/32 udp/7019$" "$WORK/fz0.more"
}

again()
{
	wait_for 30 reported_anew
	equal "$(grep -c '^fzctl grant add' "$WORK/fz0.more")" 1 "grants that are suggested"
}

# Whoever is refused hears of it: a program fails, instead of waiting for what never comes.
answered()
{
	timeout 30 ip netns exec "$(ns "$1")" bash -c "exec 3<>/dev/tcp/$2/7009" 2>"$WORK/said"
	equal $? 1 "the exit status of who is refused"
	cmd_ok grep -q "refused\|unreachable\|prohibited\|No route" "$WORK/said"
}

enforce_peer()
{
	walk enforce-peer
	equal "$(on two fzctl mode fz0 peer "$PEER")" "$(printf 'in enforce reject\nout enforce reject')" "the peer's mode"
	answered one 10.8.0.2
	equal "$(verdict in udp 10.8.0.1:1 10.8.0.2:7009)" refuse "the verdict on what was not seen"
	flowing 20
}

enforce()
{
	walk enforce
	equal "$(on two fzctl mode fz0)" "$(printf 'in enforce reject\nout enforce reject')" "the mode"
	answered one 10.8.0.2
	equal "$(verdict in udp 10.8.0.1:1 10.8.0.2:7000)" pass "the verdict on what was seen"
	equal "$(verdict in udp 10.8.0.1:1 10.8.0.2:7009)" refuse "the verdict on what was not"
	cmd_ok on one ping -c 1 -W 5 10.8.0.2
	flowing 20
}

nothing_lost()
{
	local file

	equal "$(on two fzctl stats fz0 --json | jq '[.refused[].out.refused] | add')" 0 "refused packets of this side"
	on two fzctl stats fz0 --json | jq -c '.refused | map_values([.in.refused, .out.refused]) | map_values(select(add > 0))' | sed 's/^/# refused: /'
	for file in "$WORK"/stream.*; do
		grep -q '^sent [0-9][0-9]* lost 0$' "$file" || fail "${file##*/}: $(cat "$file")"
	done
}

unseen_is_refused()
{
	local before

	before=$(on two fzctl stats fz0 --json | jq '.refused["no-grant"].in.refused')
	on one bash -c 'echo >/dev/udp/10.8.0.2/7009'
	wait_for 20 refused_more_than "$before"
}

refused_more_than() { [ "$(on two fzctl stats fz0 --json | jq '.refused["no-grant"].in.refused')" -gt "$1" ]; }

tunnel
walk open
start_streams
check "what is open is observed, and reported" observe
check "the report suggests what was seen" report
check "it is applied as it is" apply
check "what is new is reported apart" again
check "one peer is enforced" enforce_peer
check "the device enforces, and what was seen passes" enforce
check "what was not seen is refused" unseen_is_refused
touch "$WORK/stop"
wait "${STREAMS[@]}"
check "not one of the packets was lost" nothing_lost
kill "$(cat "$WORK/fz-monitor.pid")"
finish_tests
