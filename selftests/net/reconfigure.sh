#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a live tunnel does not suffer from: settings that change nothing, small packets in large ones;
# and what processes keep of a device that moves away from them.
#
#	  left                                  right
#	tun 192.168.7.1/24 ------------- 192.168.7.2/24 tun
#	eth 192.0.2.1/24 ---- veth ----- 192.0.2.2/24 eth

# shellcheck source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open
umask 077
for end in left right; do
	fzctl genkey >"$WORK/$end.key" || skip_all "no fzctl"
done
host left right away
cable left eth 192.0.2.1/24 2001:db8::1/64 right eth 192.0.2.2/24 2001:db8::2/64

# end NAME NUMBER OTHER OTHER-NUMBER
end()
{
	cmd_ok on "$1" ip link add tun type fz
	cmd_ok on "$1" fzctl set tun private-key "$WORK/$1.key" listen-port 1000 \
		peer "$(fzctl pubkey <"$WORK/$3.key")" endpoint "192.0.2.$4:1000" \
		allowed-ips "192.168.7.$4/32"
	cmd_ok on "$1" ip addr add "192.168.7.$2/24" dev tun
	cmd_ok on "$1" ip link set tun up
}

tunnel()
{
	cmd_mayfail on left ip link del tun
	cmd_mayfail on right ip link del tun
	end left 1 right 2
	end right 2 left 1
	cmd_ok on left ping -c 1 -W 10 192.168.7.2
}

# From here on a session that ends is not followed by another.
no_more_handshakes()
{
	cmd_ok on left nft "add table ip no; add chain ip no out { type filter hook output priority 0; };
		add rule ip no out udp length 156 counter drop"
}

same_key()
{
	tunnel
	no_more_handshakes
	cmd_ok on left fzctl set tun private-key "$WORK/left.key"
	cmd_ok on left ping -c 1 -W 10 192.168.7.2
	on left fzctl showconf tun >"$WORK/conf"
	cmd_ok on left fzctl syncconf tun "$WORK/conf"
	cmd_ok on left ping -c 1 -W 10 192.168.7.2
	# Another one ends it: the rule above is not for nothing.
	fzctl genkey >"$WORK/other.key"
	cmd_ok on left fzctl set tun private-key "$WORK/other.key"
	cmd_fail on left ping -c 1 -W 1 192.168.7.2
	cmd_ok on left nft delete table ip no
}

dropped()
{
	on left cat /sys/class/net/tun/statistics/tx_dropped
}

# A super-packet has more segments than may wait for a session; there is one, and none is lost. The
# window is small enough for all of them to fit into the queues behind.
many_segments()
{
	local before

	tunnel
	cmd_ok on left ip link set tun mtu 300
	cmd_ok on right ip link set tun mtu 300
	before=$(dropped)
	iperf left right 192.168.7.2 -w 96K
	equal "$(dropped)" "$before" "number of packets dropped"
}

refused()
{
	on left fzctl stats tun --json | jq '[.refused[] | .in.refused, .out.refused] | add'
}

# Whoever states again what a peer's addresses are takes none of them away, not even for the moment that
# it takes to read a thousand others.
same_addresses()
{
	local ips before errors pinging

	tunnel
	ips=$(printf '10.1.%d.0/24,' {0..255} && printf '10.%d.0.0/16,' {2..255})192.168.7.2/32
	cmd_ok on left fzctl set tun peer "$(fzctl pubkey <"$WORK/right.key")" allowed-ips "$ips"
	before=$(refused)
	errors=$(on left cat /sys/class/net/tun/statistics/tx_errors)
	on left timeout 120 ping -q -f -c 20000 192.168.7.2 >"$WORK/ping" 2>&1 &
	pinging=$!
	while kill -0 "$pinging" 2>/dev/null; do
		cmd_ok on left fzctl set tun peer "$(fzctl pubkey <"$WORK/right.key")" allowed-ips "$ips"
	done
	wait "$pinging"
	equal "$(refused)" "$before" "number of packets refused"
	equal "$(on left cat /sys/class/net/tun/statistics/tx_errors)" "$errors" "number of packets without a peer"
}

# listener NAMESPACE: takes the role of who answers requests and begins an epoch on tun, says "ready",
# and stays until its input ends
listener()
{
	on "$1" /usr/bin/python3 "$TOP/selftests/net/listener.py" tun
}

# The namespace that a device has left keeps neither the role nor an epoch.
moves()
{
	cmd_mayfail on left ip link del tun
	cmd_ok on left ip link add tun type fz
	mkfifo "$WORK/hold"
	listener left <"$WORK/hold" >"$WORK/first" 2>&1 &
	exec 3>"$WORK/hold"
	wait_for 20 grep -q ready "$WORK/first"
	listener left </dev/null >"$WORK/second" 2>&1
	grep -q "another process" "$WORK/second" || fail "a second process: $(cat "$WORK/second")"
	cmd_ok on left ip link set tun netns "$(ns away)"
	listener away </dev/null >"$WORK/third" 2>&1
	grep -q ready "$WORK/third" || fail "after the move: $(cat "$WORK/third")"
	exec 3>&-
	wait
}

check "the same private key keeps the session" same_key
check "a super-packet of many segments" many_segments
check "allowed IPs stated again lose no packet" same_addresses
if /usr/bin/python3 -c 'import yaml'; then
	check "roles and epochs end when a device moves" moves
fi
finish_tests
