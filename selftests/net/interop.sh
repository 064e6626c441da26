#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a session must outlive, between fz and every other implementation in either role: ends that
# move, ends that start again, packets that are lost, overtaken or doubled, packets of every size,
# and a clock that jumps back. pair.sh draws the topology; all pairs play a case at the same time.

# shellcheck source=lib.sh disable=SC2031,SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open
# shellcheck source=pair.sh
. "$(dirname "$0")/pair.sh"

# begin [ENDPOINT]: a session
begin()
{
	tunnel "$KIND_LEFT" "$KIND_RIGHT" "${1:-192.0.2.2:1002}"
	reaches left 192.168.7.2
}

# Left's address and port change, then the family: right follows the next authentic packet and
# answers to it at once. It is the same session all the time.
left_moves()
{
	begin
	cmd_ok endpoint_is right_ctl 192.0.2.1:1001
	cmd_ok left_ctl set tun listen-port 1003
	cmd_ok left ip addr del 192.0.2.1/24 dev eth
	reaches left 192.168.7.2
	cmd_ok endpoint_is right_ctl 192.0.2.3:1003
	cmd_ok left_ctl set tun peer "$PUB_RIGHT" endpoint '[2001:db8::2]:1002'
	reaches left 192.168.7.2
	cmd_ok endpoint_is right_ctl '[2001:db8::1]:1003'
	reaches right fd07::1
	cmd_ok left_ctl set tun peer "$PUB_RIGHT" endpoint 192.0.2.2:1002
	reaches left fd07::2
	cmd_ok endpoint_is right_ctl 192.0.2.3:1003
	equal "$(count left initiations)" 1 "number of initiations"
}

# The same of right, which left knew by its address.
right_moves()
{
	begin
	cmd_ok right_ctl set tun listen-port 1004
	cmd_ok right ip addr del 192.0.2.2/24 dev eth
	reaches right 192.168.7.1
	cmd_ok endpoint_is left_ctl 192.0.2.4:1004
	reaches left fd07::2
	# Left has answered: no keepalive is due that would call right back to the old family.
	reaches right fd07::1
	cmd_ok right_ctl set tun peer "$PUB_LEFT" endpoint '[2001:db8::1]:1001'
	reaches right fd07::1
	cmd_ok endpoint_is left_ctl '[2001:db8::2]:1004'
	reaches left 192.168.7.2
	equal "$(count left initiations) $(count right initiations)" "1 0" "number of initiations"
}

# Left's device was down: its keys are gone, what it was configured with is not. wireguard-go may not
# notice.
left_was_down()
{
	begin
	cmd_ok left ip link set tun down
	cmd_ok left ip link set tun up
	reaches left 192.168.7.2
	reaches right 192.168.7.1
}

# Left has lost everything.
left_restarts()
{
	begin
	end_del left
	left_start 192.0.2.2:1002
	reaches left 192.168.7.2
	reaches right fd07::1
}

# Right has lost everything, also left's address. Left goes on with its session, to which nobody
# answers, and begins another one after 15 s.
right_restarts()
{
	begin
	end_del right
	right_start
	wait_for 60 left ping -c 1 -W 1 192.168.7.2
	reaches right fd07::1
}

copy_both_ways()
{
	local one other

	copy left right 4 192.168.7.2 200000 &
	one=$!
	copy right left 6 '[fd07::1]' 200000 &
	other=$!
	wait "$one" || fail "bytes from left to right"
	wait "$other" || fail "bytes from right to left"
}

# Half of the packets overtake the others, some come twice: each arrives once all the same.
line_shuffles()
{
	begin
	shape delay 50ms reorder 50% duplicate 20%
	each_once left 192.168.7.2
	each_once right fd07::1
	copy_both_ways
}

each_once()
{
	"$1" ping -q -i 0.01 -c 100 -W 10 "$2" >"$WORK/ping-$PAIR"
	grep -q '^100 packets transmitted, 100 received, 0% packet loss' "$WORK/ping-$PAIR" ||
		fail "$1: $(grep transmitted "$WORK/ping-$PAIR")"
}

# A tenth of the packets is lost, also of those that begin the session.
line_loses()
{
	tunnel "$KIND_LEFT" "$KIND_RIGHT" 192.0.2.2:1002
	shape delay 5ms loss 10%
	wait_for 120 left ping -c 1 -W 2 192.168.7.2
	copy_both_ways
}

# sizes ENDPOINT: packets up to what the device takes go through whole, bigger ones are refused
# before they are sent. The line is smaller than most; but the in-tree WireGuard decrypts nothing
# that came in more than 25 pieces.
sizes()
{
	local mtu less

	begin "$1"
	for mtu in 1280 1420 9000 65000; do
		cmd_ok left ip link set tun mtu "$mtu"
		cmd_ok right ip link set tun mtu "$mtu"
		if [ "$mtu" = 65000 ] && [[ " $KIND_LEFT $KIND_RIGHT " == *" wireguard "* ]]; then
			cmd_ok left ip link set eth mtu 65535
			cmd_ok right ip link set eth mtu 65535
		fi
		for less in 0 1 15 16; do
			reaches left 192.168.7.2 -M "do" -s $((mtu - 28 - less))
			reaches right fd07::1 -M "do" -s $((mtu - 48 - less))
		done
		cmd_fail left ping -c 1 -W 1 -M "do" -s $((mtu - 27)) 192.168.7.2
		cmd_fail right ping -c 1 -W 1 -M "do" -s $((mtu - 47)) fd07::1
	done
}

# The clock is an hour late after it was right. Only the stamps of initiations depend on it: a
# session goes on, what left initiates is refused as a replay, and right can still initiate.
clock_is_back()
{
	reaches left 192.168.7.2
	reaches right fd07::1
	cmd_ok right nft reset counters table inet count
	end_del left
	left_start 192.0.2.2:1002
	cmd_fail left ping -c 1 -W 2 192.168.7.2
	wait_for 30 has_sent left initiations 3
	equal "$(count right responses)" 0 "number of responses to old stamps"
	equal "$(handshakes)" 0 "the last handshake"
	wait_for 60 right ping -c 1 -W 1 192.168.7.1
	reaches left fd07::2
	equal "$(count right responses)" 0 "number of responses to old stamps"
}

# The clock has caught up.
clock_is_right()
{
	end_del left
	left_start 192.0.2.2:1002
	reaches left 192.168.7.2
	[ "$(count right responses)" -ge 1 ] || fail "no response to a new stamp"
}

# clock SECONDS: moves it, for all
clock()
{
	date -s "@$(($(date +%s) + $1))" >/dev/null
}

add_pair fz fz
for other in $(kinds | sed 1d); do
	add_pair fz "$other"
	add_pair "$other" fz
done
play "left moves" left_moves
play "right moves" right_moves
play "left was down" left_was_down
play "left starts again" left_restarts
play "every size over IPv4" sizes 192.0.2.2:1002
play "every size over IPv6" sizes '[2001:db8::2]:1002'
play "packets overtaken and doubled" line_shuffles
if [ -z "${FZ_SHORT-}" ]; then
	play "packets lost" line_loses
	play "right starts again" right_restarts
fi
# Only a lab's clock may be moved.
if [ -z "${FZ_SHORT-}" ] && [ -n "${FZ_LAB-}" ]; then
	if [ -d /sys/module/wireguard ]; then add_pair wireguard wireguard; fi
	play "a session before the clock jumps" begin
	clock -3600
	play "initiations after the clock jumped back" clock_is_back
	clock 3601
	play "initiations when the clock has caught up" clock_is_right
fi
finish_tests
