#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The tunnel: sessions of fz with fz and with other implementations in either role, the in-tree
# WireGuard where the kernel has it and wireguard-go, over IPv4 and IPv6. pair.sh draws the topology.

# shellcheck source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open
# shellcheck source=pair.sh
. "$(dirname "$0")/pair.sh"
pair_hosts

# What one end counts as sent is what the other counts as received. A keepalive may pass between
# two readings.
counts_agree()
{
	[ "$(received right_ctl)" = "$(sent left_ctl)" ] && [ "$(received left_ctl)" = "$(sent right_ctl)" ]
}

session()
{
	tunnel "$@"
	cmd_ok on left ping -c 3 -i 0.2 -W 5 192.168.7.2
	cmd_ok on left ping -c 3 -i 0.2 -W 5 fd07::2
	[ "$(handshakes)" -gt 0 ] || fail "no handshake is reported"
	wait_for 10 counts_agree
	iperf left right 192.168.7.2
	iperf left right fd07::2 -R
	cmd_ok on right ping -c 1 -W 5 192.168.7.1
	# TCP fills what is between the ends until something is lost: that was sent all the same.
	cmd_ok test "$(received right_ctl)" -le "$(sent left_ctl)"
	cmd_ok test "$(received left_ctl)" -le "$(sent right_ctl)"
}

more_than()
{
	[ "$(received "$1")" -gt "$2" ]
}

# Right knows no endpoint and cannot send first; the keepalives of left tell it.
keepalive()
{
	local before

	tunnel "$1" "$2" 192.0.2.2:1002
	cmd_ok left_ctl set tun peer "$PUB_RIGHT" persistent-keepalive 1
	wait_for 10 endpoint_is right_ctl 192.0.2.1:1001
	cmd_ok on right ping -c 1 -W 5 192.168.7.1
	before=$(received right_ctl)
	wait_for 10 more_than right_ctl "$before"
}

# A new identity: no session of the old one is used, the new one needs no waiting.
rekey()
{
	tunnel fz "$1" 192.0.2.2:1002
	cmd_ok on left ping -c 1 -W 5 192.168.7.2
	fzctl genkey >"$WORK/other.key"
	cmd_ok right_ctl set tun peer "$PUB_LEFT" remove \
		peer "$(fzctl pubkey <"$WORK/other.key")" preshared-key "$WORK/psk" \
		allowed-ips 192.168.7.1/32,fd07::1/128
	cmd_ok left_ctl set tun private-key "$WORK/other.key"
	cmd_ok on left ping -c 1 -W 5 192.168.7.2
}

# More at once than the queues hold, while there is a session and while there is none: both ends
# must carry packets again afterwards, without a new handshake.
stall()
{
	local first

	tunnel fz "$1" 192.0.2.2:1002
	cmd_mayfail on left ping -f -l 300 -c 300 -W 1 192.168.7.2
	cmd_ok on left ping -c 1 -W 5 192.168.7.2
	first=$(handshakes)
	cmd_mayfail on left ping -f -l 4000 -c 4000 -s 1000 -W 1 192.168.7.2
	cmd_mayfail on right ping -f -l 4000 -c 4000 -s 1000 -W 1 192.168.7.1
	cmd_ok on left ping -c 1 -W 5 192.168.7.2
	cmd_ok on right ping -c 1 -W 5 fd07::1
	# A slow machine may take so long that the session was due to be renewed.
	[ $(($(handshakes) - first)) -ge 120 ] || equal "$(handshakes)" "$first" "the last handshake"
}

# An inner source that is not the peer's is dropped and counted; so is one of another peer.

errors()
{
	on right cat /sys/class/net/tun/statistics/rx_frame_errors
}

sources()
{
	local before

	tunnel "$1" fz 192.0.2.2:1002
	cmd_ok on left ping -c 1 -W 5 192.168.7.2
	cmd_ok on left ip addr add 192.168.8.1/32 dev lo
	before=$(errors)
	cmd_fail on left ping -c 1 -W 1 -I 192.168.8.1 192.168.7.2
	equal "$(errors)" $((before + 1)) "number of packets with a bad source"
	cmd_ok on left ping -c 1 -W 5 192.168.7.2
	cmd_mayfail on left ip addr del 192.168.8.1/32 dev lo
}

# Refusals that the sender gets to see at once, as with the in-tree module.
refusals()
{
	tunnel fz fz 192.0.2.2:1002
	cmd_fail on left ping -c 1 -W 1 192.168.7.9
	on left ping -c 1 -W 1 192.168.7.9 2>&1 | grep -q 'Required key not available' ||
		fail "an address without a peer"
	on right ping -c 1 -W 1 192.168.7.1 2>&1 | grep -q 'Destination address required' ||
		fail "a peer without an endpoint"
	cmd_ok left_ctl set tun peer "$PUB_RIGHT" allowed-ips 192.168.7.2/32
	on left ping -c 1 -W 1 fd07::2 2>&1 | grep -q 'Required key not available' ||
		fail "an address that was taken from a peer"
}

# The wrong preshared key: no session, not even half of one.
wrong_psk()
{
	tunnel fz "$1" 192.0.2.2:1002
	fzctl genpsk >"$WORK/wrong"
	cmd_ok right_ctl set tun peer "$PUB_LEFT" preshared-key "$WORK/wrong"
	cmd_fail on left ping -c 2 -i 0.2 -W 1 192.168.7.2
	equal "$(handshakes)" 0 "the last handshake"
}

# With packets in flight both ways: what removes peers, devices and whole namespaces.
teardown()
{
	local turn

	for turn in 1 2 3; do
		host "end$turn"
		cable left "veth$turn" "198.51.100.1/24" "2001:db8:$turn::1/64" \
			"end$turn" eth "198.51.100.2/24" "2001:db8:$turn::2/64"
		cmd_ok on left ip link add "gone$turn" type fz
		cmd_ok on "end$turn" ip link add tun type fz
		cmd_ok on left fzctl set "gone$turn" private-key "$WORK/left.key" peer "$PUB_RIGHT" \
			endpoint 198.51.100.2:1002 allowed-ips 192.168.9.2/32
		cmd_ok on "end$turn" fzctl set tun private-key "$WORK/right.key" listen-port 1002 \
			peer "$PUB_LEFT" allowed-ips 192.168.9.1/32
		cmd_ok on left ip addr add 192.168.9.1/24 dev "gone$turn"
		cmd_ok on "end$turn" ip addr add 192.168.9.2/24 dev tun
		cmd_ok on "end$turn" ip link set tun up
		cmd_ok on left ip link set "gone$turn" up
		cmd_ok on left ping -c 1 -W 5 192.168.9.2
		on left ping -f -w 60 192.168.9.2 >/dev/null 2>&1 &
		on "end$turn" ping -f -w 60 192.168.9.1 >/dev/null 2>&1 &
		case $turn in
		1) cmd_ok on left fzctl set gone1 peer "$PUB_RIGHT" remove ;;
		2) cmd_ok on left ip link del gone2 ;;
		3) cmd_ok ip netns del "$(ns end3)" ;;
		esac
		cmd_mayfail on left ip link del "gone$turn"
		cmd_mayfail host_del "end$turn"
		cmd_mayfail on left ip link del "veth$turn"
		wait
	done
}

# The netns that the sockets are in goes: the device stays without carrier.
creator()
{
	host creator
	cmd_ok on creator ip link add moved type fz
	cmd_ok on creator ip link set moved netns "$(ns right)"
	cmd_ok on right ip link set moved up
	on right ip link show moved | grep -q 'LOWER_UP' || fail "no carrier"
	host_del creator
	wait_for 10 no_carrier right moved
	cmd_ok on right ip link del moved
}

# no_carrier HOST DEV
no_carrier()
{
	on "$1" ip link show "$2" | grep -q 'NO-CARRIER'
}

# With packets in flight both ways the device moves on, there and back, and its sockets stay where they
# are; until that netns goes.
moves()
{
	local at=creator next floods=()

	# what is left of a pair that failed
	device_del left under
	for next in creator first second; do cmd_mayfail host_del "$next"; done
	host creator first second
	cable left line 203.0.113.1/24 2001:db8:9::1/64 creator line 203.0.113.2/24 2001:db8:9::2/64
	device_add left under "$1"
	cmd_ok on creator ip link add under type fz
	cmd_ok configure left "$1" set under private-key "$WORK/left.key" peer "$PUB_RIGHT" \
		endpoint 203.0.113.2:1002 allowed-ips 192.168.9.2/32
	cmd_ok on creator fzctl set under private-key "$WORK/right.key" listen-port 1002 \
		peer "$PUB_LEFT" endpoint 203.0.113.1:9 allowed-ips 192.168.9.1/32
	cmd_ok on left ip addr add 192.168.9.1/24 dev under
	cmd_ok on left ip link set under up
	on left ping -f -w 120 192.168.9.2 >/dev/null 2>&1 &
	floods+=($!)
	for next in first creator second; do
		cmd_ok ip -n "$(ns "$at")" link set under netns "$(ns "$next")"
		at=$next
		cmd_ok on "$at" ip addr add 192.168.9.2/24 dev under
		cmd_ok on "$at" ip link set under up
		wait_for 30 on "$at" ping -c 1 -W 1 192.168.9.1
		wait_for 30 on left ping -c 1 -W 1 192.168.9.2
		on creator ss -Huln 'sport = 1002' | grep -q . || fail "the sockets have moved to $at"
		on "$at" ping -f -w 120 192.168.9.1 >/dev/null 2>&1 &
		floods+=($!)
	done
	host_del creator
	wait_for 10 no_carrier second under
	cmd_fail on second ping -c 1 -W 1 192.168.9.1
	cmd_mayfail kill "${floods[@]}"
	wait "${floods[@]}"
	device_del left under
	host_del first
	host_del second
}

# Everything that is wrong with the parameter gets its sentence and changes nothing.
parameter()
{
	cmd_fail default_mode closed
	equal "$(cat "$MODE")" open "default_mode"
	cmd_fail default_mode ''
	equal "$(cat "$MODE")" open "default_mode"
}

for other in $(kinds); do
	check "session fz -> $other over IPv4" session fz "$other" 192.0.2.2:1002
	check "session fz -> $other over IPv6" session fz "$other" '[2001:db8::2]:1002'
	if [ "$other" != fz ]; then
		check "session $other -> fz over IPv4" session "$other" fz 192.0.2.2:1002
		check "session $other -> fz over IPv6" session "$other" fz '[2001:db8::2]:1002'
		check "persistent keepalive $other -> fz" keepalive "$other" fz
	fi
	check "persistent keepalive fz -> $other" keepalive fz "$other"
	check "new identity fz -> $other" rekey "$other"
	check "wrong preshared key fz -> $other" wrong_psk "$other"
	check "full queues fz -> $other" stall "$other"
	check "foreign inner source $other -> fz" sources "$other"
	check "moves between namespaces under traffic from $other" moves "$other"
done
check "refusals that the sender sees" refusals
check "removal with packets in flight" teardown
check "end of the creating namespace" creator
check "module parameter" parameter
finish_tests
