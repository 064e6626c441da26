#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What fz sends as super-packets, over a path with a router on it: it cuts them, its next line is too
# narrow or becomes so under traffic, and its queues have to tell flows apart. A host behind the left
# end sends flows that left forwards only. pair.sh draws left and right; besides their line there are
#
#	client ------------ left ----------------- router ----------------- right
#	    10.1.0.2/24        198.51.100.1/24         203.0.113.1/24
#	    in              in  far          near        far            far
#	           10.1.0.1/24          198.51.100.2/24           203.0.113.2/24
#	                        2001:db8:1::1/64        2001:db8:2::1/64
#	                                2001:db8:1::2/64        2001:db8:2::2/64

# shellcheck source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open
# shellcheck source=line.sh
. "$(dirname "$0")/line.sh"
pair_hosts
host router client
cable "left$PAIR" far 198.51.100.1/24 2001:db8:1::1/64 router near 198.51.100.2/24 2001:db8:1::2/64
cable router far 203.0.113.1/24 2001:db8:2::1/64 "right$PAIR" far 203.0.113.2/24 2001:db8:2::2/64
cable client in 10.1.0.2/24 fd01::2/64 "left$PAIR" in 10.1.0.1/24 fd01::1/64
on router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
left sysctl -qw net.ipv4.ip_forward=1
on client ip route add default via 10.1.0.1
right ip route add 198.51.100.0/24 via 203.0.113.1
right ip route add 2001:db8:1::/64 via 2001:db8:2::1

# The routes of left, with options.
left_routes()
{
	cmd_ok left ip route replace 203.0.113.0/24 via 198.51.100.2 "$@"
	cmd_ok left ip -6 route replace 2001:db8:2::/64 via 2001:db8:1::2 "$@"
}

# begin ENDPOINT: everything may be offloaded
begin()
{
	cmd_mayfail left tc qdisc del dev far root
	cmd_ok on router ethtool -K far tx on sg on tso on gso on tx-udp-segmentation on
	cmd_ok on router ip link set far mtu 1500
	# What was learnt of the path in the case before is forgotten.
	cmd_ok left ip -6 route flush cache
	left_routes
	tunnel "$KIND_LEFT" "$KIND_RIGHT" "$1"
	reaches left 192.168.7.2
}

received_by_router()
{
	on router cat /sys/class/net/near/statistics/rx_packets
}

# A router gets super-packets whose checksums nobody has made, and nothing that could do so behind it.
cut_by_a_router()
{
	local before

	begin "$1"
	cmd_ok on router ethtool -K far tx off sg off tso off gso off tx-udp-segmentation off
	before=$(received_by_router)
	watch right far -Q in -s 2000 udp
	both_ways
	watched
	sums_are_right
	none_longer 1500
	no_checksum_errors
	[ "$KIND_LEFT" != fz ] || [ $((($(received_by_router) - before) * 2)) -lt "$(datagrams)" ] ||
		fail "the router did not have to cut"
}

# counted HOST NAME...: the sum of what that host has counted under these names
counted()
{
	on "$1" nstat -asz "${@:2}" | awk '/^[^#]/ { all += $2 } END { print all }'
}

# has_counted_more BEFORE HOST NAME...
has_counted_more()
{
	[ "$(counted "${@:2}")" -gt "$1" ]
}

# Over IPv4 the router makes fragments of what no longer fits, over IPv6 it says so to the sender.
path_becomes_narrower()
{
	local mtu before counters=(router IpFragCreates Icmp6OutPktTooBigs)

	begin "$1"
	stream_begin left right 4 192.168.7.2
	for mtu in 1400 1290; do
		stream_goes_on left far
		before=$(counted "${counters[@]}")
		cmd_ok on router ip link set far mtu "$mtu"
		stream_goes_on left far
		wait_for 20 has_counted_more "$before" "${counters[@]}"
	done
	cmd_ok on router ip link set far mtu 1500
	stream_goes_on left far
	stream_end
	copy right left 6 '[fd07::1]' "$BYTES"
}

# The sender's own route says that less fits from now on, and later that all does.
route_becomes_narrower()
{
	local before counters=("left$PAIR" IpFragCreates Ip6FragCreates)

	begin "$1"
	stream_begin left right 4 192.168.7.2
	stream_goes_on left far
	before=$(counted "${counters[@]}")
	left_routes mtu 1300
	stream_goes_on left far
	wait_for 20 has_counted_more "$before" "${counters[@]}"
	left_routes
	stream_goes_on left far
	stream_end
	copy right left 6 '[fd07::1]' "$BYTES"
}

# Nothing leaves, so that its queue can be looked at: a line of some bits a second, behind queues for flows.
hold()
{
	cmd_ok left tc qdisc replace dev far root handle 1: tbf rate 8bit burst 2000 limit 10000000
	cmd_ok left tc qdisc replace dev far parent 1:1 handle 2: fq_codel flows 65535 memory_limit 32Mb limit 10000
}

# The queues that are not empty: how many packets are in each
queues()
{
	left tc -s class show dev far | sed -n '/^class fq_codel/,/backlog/ s/.*backlog [0-9KMb]* \([0-9]*\)p.*/\1/p'
}

# all_held FLOWS PACKETS: but a few, which the line had room for
all_held()
{
	queues
	queues | awk -v wanted=$(($1 * $2 - 4)) '{ all += $1 } END { exit all < wanted }'
}

FLOWS=8 PACKETS=20

# kept_apart: each flow has a queue and all its packets in it
kept_apart()
{
	wait_for 20 all_held $FLOWS $PACKETS
	queues | awk -v packets=$PACKETS -v flows=$FLOWS '
		$1 > packets / 2 { full++ }
		$1 > packets { mixed++ }
		END { exit full < flows || mixed }' ||
		fail "$FLOWS flows of $PACKETS packets are in queues of $(queues | xargs)"
	cmd_ok left tc qdisc del dev far root
}

# in_turn SIDE one|many ADDRESS...: packets to each address in turn, by one socket or one for each
in_turn()
{
	cmd_ok "$1" timeout 60 /usr/bin/python3 - "$PACKETS" "${@:2}" <<-'PYTHON'
	import socket, sys
	packets, sockets, *addresses = sys.argv[1:]
	senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
	if sockets == 'one':
	    senders = senders[:1] * len(addresses)
	# SO_SNDBUFFORCE: what is held is on the account of who sent it.
	senders[0].setsockopt(socket.SOL_SOCKET, 32, 8 << 20)
	for _ in range(int(packets)):
	    for sender, address in zip(senders, addresses):
	        sender.sendto(bytes(1200), (address, 9))
	PYTHON
}

client()
{
	on client "$@"
}

begin_to_many()
{
	begin "$1"
	cmd_ok left_ctl set tun peer "$PUB_RIGHT" allowed-ips 192.168.7.2/32,fd07::2/128,10.2.0.0/24
	cmd_ok left ip route replace 10.2.0.0/24 dev tun
	hold
}

# Flows of others, which no socket here knows. They come in bursts, not each when the one before has left.
forwarded_flows_are_kept_apart()
{
	begin_to_many "$1"
	# What waits for a neighbour's address is not much.
	reaches client 10.1.0.1
	cmd_ok client tc qdisc replace dev in root netem slot 300ms 300ms limit 1000
	in_turn client many 10.2.0.{1..8}
	kept_apart
	cmd_ok client tc qdisc del dev in root
}

# One socket, connected to none of those it sends to.
flows_of_a_socket_are_kept_apart()
{
	begin_to_many "$1"
	in_turn left one 10.2.0.{1..8}
	kept_apart
}

for pair in "fz fz" "fz wireguard" "wireguard fz"; do
	read -r KIND_LEFT KIND_RIGHT <<<"$pair"
	modprobe -q wireguard || [ "$pair" = "fz fz" ] || continue
	for line in "IPv4=203.0.113.2:1002" "IPv6=[2001:db8:2::2]:1002"; do
		over="$KIND_LEFT -> $KIND_RIGHT over ${line%%=*}" endpoint=${line#*=}
		check "cut by a router, $over" cut_by_a_router "$endpoint"
		check "a narrower path, $over" path_becomes_narrower "$endpoint"
		check "a narrower route, $over" route_becomes_narrower "$endpoint"
		[ "$pair" != "fz fz" ] || check "forwarded flows apart, $over" forwarded_flows_are_kept_apart "$endpoint"
		[ "$pair" != "fz fz" ] || check "flows of a socket apart, $over" flows_of_a_socket_are_kept_apart "$endpoint"
	done
done
finish_tests
