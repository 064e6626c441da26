#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What goes over the line is what the in-tree WireGuard would send: the same exchange of every
# pair, recorded on left, is compared message by message with that of two in-tree ends. exchange.py
# says what of a message is compared. pair.sh draws the topology.

# shellcheck source=lib.sh disable=SC2031,SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open
kinds | grep -qx wireguard || skip_all "the kernel has no WireGuard of its own to compare with"
# shellcheck source=pair.sh
. "$(dirname "$0")/pair.sh"

# exchange FAMILY ENDPOINT: records it in a file of the pair and the family
exchange()
{
	local file=$WORK/exchange-$1-$PAIR recorder

	end_del left
	end_del right
	ip netns exec "$(ns "left$PAIR")" tcpdump -i eth --immediate-mode -U -Z root -w "$file.pcap" udp \
		2>"$file.said" &
	recorder=$!
	wait_for 20 grep -q 'listening on' "$file.said"
	tunnel "$KIND_LEFT" "$KIND_RIGHT" "$2"
	talk_sizes
	forget
	talk_marks
	forget
	reaches left 192.168.7.2
	talk_silence
	talk_deaf
	# The recorder has seen all when it has seen this.
	cmd_ok left bash -c 'echo end >/dev/udp/192.0.2.2/9'
	wait_for 20 recorded "$file.pcap"
	kill "$recorder"
	/usr/bin/python3 exchange.py "$file.pcap" | uniq >"$file"
	[ "${PIPESTATUS[0]}" = 0 ] || fail "cannot read what was recorded"
}

# Left begins again with its next packet: no session gets so old, not even on a slow machine, that it
# is renewed in the middle of what is compared.
forget()
{
	cmd_ok left ip link set tun down
	cmd_ok left ip link set tun up
	cmd_ok left ip addr replace fd07::1/64 dev tun
}

recorded()
{
	tcpdump -nr "$1" udp dst port 9 2>/dev/null | grep -q .
}

# Around full blocks, and up to the MTU, where there is no room for padding.
talk_sizes()
{
	local size

	for size in 0 3 4 5 100 1391 1392; do
		reaches left 192.168.7.2 -s "$size"
	done
	for size in 0 15 16 17 100 1371 1372; do
		reaches left fd07::2 -s "$size"
	done
	reaches right 192.168.7.1 -M "do"
	reaches right 192.168.7.1 -M "dont" -t 3
}

# DSCP and ECN of what is inside.
talk_marks()
{
	local mark

	for mark in 1 2 3 0xb8 0xbb; do
		reaches left 192.168.7.2 -Q "$mark"
		reaches left fd07::2 -Q "$mark"
	done
}

# A keepalive at once when it is switched on; and one from right when it has nothing else to say.
talk_silence()
{
	cmd_ok left_ctl set tun peer "$PUB_RIGHT" persistent-keepalive 65535
	wait_for 20 has_sent left keepalives 1
	cmd_ok left_ctl set tun peer "$PUB_RIGHT" persistent-keepalive off
	cmd_ok right sysctl -qw net.ipv4.icmp_echo_ignore_all=1
	cmd_fail left ping -c 1 -W 1 192.168.7.2
	wait_for 30 has_sent right keepalives 1
	cmd_ok right sysctl -qw net.ipv4.icmp_echo_ignore_all=0
}

# Left begins again, and right does not hear the first initiations.
talk_deaf()
{
	local ping

	cmd_ok right nft "add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }
		add rule inet deaf in udp dport 1002 drop"
	forget
	left ping -c 1 -W 90 192.168.7.2 >/dev/null &
	ping=$!
	wait_for 30 has_sent left initiations 3
	cmd_ok right nft delete table inet deaf
	wait "$ping" || fail "left was not heard in the end"
}

# as_in_tree PAIR FAMILY ENDPOINT. Where packets come seconds late, either kind begins a session more: what differs has to
# differ three times.
as_in_tree()
{
	local turn

	for turn in 1 2; do
		cmp -s "$WORK/exchange-$2-0" "$WORK/exchange-$2-$1" && return
		echo "# they differ, recorded once more, with nothing beside it"
		of_pair 0 exchange "${@:2}" && of_pair "$1" exchange "${@:2}" || :
	done
	cmd_ok test -s "$WORK/exchange-$2-0"
	cmd_ok diff -U 3 "$WORK/exchange-$2-0" "$WORK/exchange-$2-$1"
}

cd "$(dirname "$0")" || exit 1
add_pair wireguard wireguard
add_pair fz fz
add_pair fz wireguard
add_pair wireguard fz
families=(IPv4:192.0.2.2:1002 'IPv6:[2001:db8::2]:1002')
for family in "${families[@]}"; do
	play "exchange over ${family%%:*}" exchange "${family%%:*}" "${family#*:}"
done
for family in "${families[@]}"; do
	for i in 1 2 3; do
		check "messages over ${family%%:*} as in-tree, ${PAIRS_TITLE[i]}" \
			as_in_tree "$i" "${family%%:*}" "${family#*:}"
	done
done
finish_tests
