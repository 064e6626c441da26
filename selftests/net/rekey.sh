#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sessions that follow each other lose nothing: 20 packets a second each way, over a line on which
# many are under way, past the moment when the session is renewed. After an ordinary beginning, and
# after one where both ends initiated at the same moment. All pairs at once, for it takes 120 s.
#
#	        leftN                                       rightN
#	  tun 192.168.7.1/24 ------------------------ 192.168.7.2/24 tun
#	  eth 192.0.2.1/24 ---- veth, 200 ms each way --- 192.0.2.2/24 eth
#
# FZ_REKEYS=N waits for more than one renewal.

# shellcheck source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"
[ -z "${FZ_SHORT-}" ] || skip_all "takes more than two minutes"
need_module
default_mode open

REKEYS=${FZ_REKEYS:-1}
PACKETS=$(((REKEYS * 120 + 12) * 20))
umask 077
fzctl genkey >"$WORK/left.key" || skip_all "no fzctl"
fzctl genkey >"$WORK/right.key"

delay()
{
	on "left$1" tc qdisc replace dev eth root netem delay "$2" &&
		on "right$1" tc qdisc replace dev eth root netem delay "$2"
}

# end PAIR SIDE KIND OTHER-SIDE ADDRESS OTHER-ADDRESS
end()
{
	cmd_ok on "$2$1" ip link add tun type "$3"
	cmd_ok on "$2$1" "$(ctl "$3")" set tun private-key "$WORK/$2.key" listen-port 1000 \
		peer "$(fzctl pubkey <"$WORK/$4.key")" endpoint "192.0.2.$6:1000" \
		allowed-ips "192.168.7.$6/32"
	cmd_ok on "$2$1" ip addr add "192.168.7.$5/24" dev tun
	cmd_ok on "$2$1" ip link set tun up
	# Initiations have a length of their own.
	cmd_ok on "$2$1" nft "add table ip count; add chain ip count out { type filter hook output \
		priority 0; }; add rule ip count out udp length 156 counter"
}

# initiations HOST: how many it has sent
initiations()
{
	on "$1" nft list chain ip count out | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}

# pair N LEFT-KIND RIGHT-KIND: both ends, with no session yet
pair()
{
	host "left$1" "right$1"
	cable "left$1" eth 192.0.2.1/24 2001:db8::1/64 "right$1" eth 192.0.2.2/24 2001:db8::2/64
	end "$1" left "$2" right 1 2
	end "$1" right "$3" left 2 1
}

# Left begins.
begin()
{
	cmd_ok on "left$1" ping -c 1 -W 5 192.168.7.2
}

# Both begin, each before it can have heard of the other: the line is long enough for a slow machine.
begin_crossing()
{
	cmd_ok delay "$1" 1s
	on "left$1" ping -c 1 -W 10 192.168.7.2 >"$WORK/begin-left$1" &
	on "right$1" ping -c 1 -W 10 192.168.7.1 >"$WORK/begin-right$1" &
	wait
}

# go N HOW: what happens to a pair, with its output in files
go()
{
	local number=$1

	"$2" "$number"
	cmd_ok delay "$number" 200ms
	for host in left right; do
		initiations "$host$number" >"$WORK/first-$host$number"
	done
	on "left$number" ping -q -i 0.05 -c "$PACKETS" -W 5 192.168.7.2 >"$WORK/left$number" &
	on "right$number" ping -q -i 0.05 -c "$PACKETS" -W 5 192.168.7.1 >"$WORK/right$number" &
	wait
}

# judge N HOW: one initiation from each end that was to begin, and one more for each renewal
judge()
{
	local number=$1 first=1 host

	if [ "$2" = begin_crossing ]; then
		first=2
		equal "$(cat "$WORK/first-left$number") $(cat "$WORK/first-right$number")" "1 1" \
			"number of initiations of each end"
	fi
	for host in left right; do
		echo "# $host: $(grep transmitted "$WORK/$host$number")"
		grep -q "^$PACKETS packets transmitted, $PACKETS received, 0% packet loss" \
			"$WORK/$host$number" || fail "lost packets of $host"
	done
	equal "$(($(initiations "left$number") + $(initiations "right$number")))" \
		$((first + REKEYS)) "number of initiations"
}

CASES_LEFT=()
CASES_RIGHT=()
CASES_HOW=()
add_case()
{
	CASES_LEFT+=("$1")
	CASES_RIGHT+=("$2")
	CASES_HOW+=("$3")
}

add_case fz fz begin
add_case fz fz begin_crossing
if [ -d /sys/module/wireguard ] || modprobe -q wireguard; then
	add_case fz wireguard begin
	add_case wireguard fz begin
	add_case fz wireguard begin_crossing
else
	echo "# the kernel has no WireGuard of its own: fz with fz only"
fi

for i in "${!CASES_HOW[@]}"; do
	pair "$i" "${CASES_LEFT[i]}" "${CASES_RIGHT[i]}"
	(go "$i" "${CASES_HOW[i]}") &
done
wait
for i in "${!CASES_HOW[@]}"; do
	name="renewal ${CASES_LEFT[i]} -> ${CASES_RIGHT[i]}"
	[ "${CASES_HOW[i]}" = begin ] || name+=" after initiations crossed"
	check "$name" judge "$i" "${CASES_HOW[i]}"
done
finish_tests
