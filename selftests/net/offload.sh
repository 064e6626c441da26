#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What fz sends as super-packets arrives whatever the line can do with them: cut by the device, cut just
# before it, without checksums of the device's, joined again on arrival, through bridges and VLANs, over
# a line that is too narrow or becomes so. pair.sh draws the topology.

# shellcheck source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open
# shellcheck source=pair.sh
. "$(dirname "$0")/pair.sh"
pair_hosts
BYTES=1000000

# offload FEATURE on|off...: at both ends of the line
offload()
{
	cmd_ok left ethtool -K eth "$@"
	cmd_ok right ethtool -K eth "$@"
}

begin()
{
	offload tx on sg on tso on gso on gro off rx on tx-udp-segmentation on
	tunnel "$KIND_LEFT" "$KIND_RIGHT" "${1-192.0.2.2:1002}"
	reaches left 192.168.7.2
}

both_ways()
{
	copy left right 4 192.168.7.2 "$BYTES"
	copy right left 6 '[fd07::1]' "$BYTES"
}

# watch SIDE DEVICE FILTER...: what passes there, until watched
watch()
{
	"$1" tcpdump -U --immediate-mode -i "$2" -w "$WORK/watch.pcap" "${@:3}" 2>"$WORK/watch.err" &
	WATCH=$!
	wait_for 20 grep -q 'listening on' "$WORK/watch.err"
}

# watched: the packets, one a line, are in $WORK/seen
watched()
{
	kill "$WATCH"
	wait "$WATCH"
	see
}

see()
{
	tcpdump -r "$WORK/watch.pcap" -nn -vv 2>/dev/null | paste -sd " " | sed "s, IP6\? (,\\n&,g" >"$WORK/seen"
}

# The longest payload of UDP or TCP that was seen.
longest()
{
	grep -o 'length [0-9]*' "$WORK/seen" | sort -k 2n | tail -n 1 | cut -d ' ' -f 2
}

# none_longer BYTES: of what was seen
none_longer()
{
	[ "$(longest)" -le "$1" ] && return
	grep -m 1 "length $(longest)" "$WORK/seen" | cut -c 1-300
	fail "a packet of $(longest) bytes"
}

# super_packet_seen BYTES: one that is longer
super_packet_seen()
{
	see
	[ "$(longest)" -gt "$1" ]
}

# The line takes 64 KiB at once: so much leaves at once.
as_one()
{
	begin
	watch right eth udp
	copy left right 4 192.168.7.2 "$BYTES"
	wait_for 20 super_packet_seen 10000
	watched
	copy right left 6 '[fd07::1]' "$BYTES"
}

# The device cannot segment: it gets datagrams of the line's length, with right checksums.
cut_before_the_device()
{
	begin "$1"
	offload tx-udp-segmentation off
	watch right eth udp
	both_ways
	watched
	none_longer 1500
	cmd_ok grep -q 'length 1452' "$WORK/seen"
}

# Whoever receives has summed up everything.
no_checksum_errors()
{
	local side

	for side in left right; do
		"$side" nstat -asz UdpInCsumErrors Udp6InCsumErrors >"$WORK/errors"
		awk '/InCsumErrors/ { errors += $2; seen++ } END { exit errors || seen != 2 }' "$WORK/errors" ||
			fail "$side: $(grep InCsumErrors "$WORK/errors" | xargs)"
	done
}

nothing_offloaded()
{
	begin "$1"
	offload tx off sg off tso off gso off rx off
	watch right eth udp
	both_ways
	watched
	cmd_ok grep -q 'udp sum ok' "$WORK/seen"
	no_checksum_errors
}

# Datagrams come one by one, and the receiving end of the line joins what it can.
joined_on_arrival()
{
	begin
	offload tx-udp-segmentation off tso off gro on
	# The in-tree module sends one by one, and there may be nothing to join.
	if [ "$KIND_LEFT $KIND_RIGHT" = "fz fz" ]; then
		watch right eth udp
		copy left right 4 192.168.7.2 "$BYTES"
		wait_for 20 super_packet_seen 1500
		watched
	fi
	both_ways
}

# What is in the tunnel's packets is whole: nobody behind the receiver will make good a checksum.
inner_packets()
{
	begin
	cmd_ok right ethtool -K tun gro off
	watch right tun tcp -Q in
	copy left right 4 192.168.7.2 "$BYTES"
	copy left right 6 '[fd07::2]' "$BYTES"
	watched
	cmd_ok grep -q 'length 13' "$WORK/seen"
	none_longer 1420
	cmd_ok grep -q 'cksum .*(correct)' "$WORK/seen"
	if grep 'incorrect' "$WORK/seen" | cut -c 1-200 | head -n 5 | grep . >&2; then
		fail "wrong checksums"
	fi
}

# A bridge at one end, a VLAN over it at both.
bridge_and_vlan()
{
	begin
	cmd_ok left ip link add link eth name lan type vlan id 5
	cmd_ok left ip addr add 198.51.100.1/24 dev lan
	cmd_ok left ip link set lan up
	cmd_ok right ip link add bridge0 type bridge
	cmd_ok right ip link set eth master bridge0
	cmd_ok right ip link set bridge0 up
	cmd_ok right ip link add link bridge0 name lan type vlan id 5
	cmd_ok right ip addr add 198.51.100.2/24 dev lan
	cmd_ok right ip link set lan up
	cmd_ok left_ctl set tun peer "$PUB_RIGHT" endpoint 198.51.100.2:1002
	both_ways
	cmd_ok endpoint_is right_ctl 198.51.100.1:1001
	cmd_ok right ip link del bridge0
	cmd_ok left ip link del lan
}

# The outer packets do not fit: they are fragmented. Then the line becomes narrower under traffic.
narrow_line()
{
	begin "$1"
	cmd_ok left ip link set eth mtu 1400
	cmd_ok right ip link set eth mtu 1400
	copy left right 4 192.168.7.2 "$BYTES" &
	cmd_ok left ip link set eth mtu 1300
	cmd_ok right ip link set eth mtu 1300
	wait $! || fail "bytes over a line that became narrower"
	copy right left 6 '[fd07::1]' "$BYTES"
}

# Filters see the outer packets on both sides, all bytes of them.
filters_see_them()
{
	begin
	left nft "add table inet see; add chain inet see out { type filter hook output priority 0; };
		add rule inet see out udp dport 1002 counter"
	right nft "add table inet see; add chain inet see in { type filter hook input priority 0; };
		add rule inet see in udp dport 1002 counter"
	copy left right 4 192.168.7.2 "$BYTES"
	[ "$(seen_bytes left out)" -gt "$BYTES" ] || fail "output saw $(seen_bytes left out) bytes"
	[ "$(seen_bytes right in)" -gt "$BYTES" ] || fail "input saw $(seen_bytes right in) bytes"
	right nft insert rule inet see in udp dport 1002 drop
	cmd_fail left ping -c 1 -W 1 192.168.7.2
	right nft delete table inet see
	left nft delete table inet see
	reaches left 192.168.7.2
}

seen_bytes()
{
	"$1" nft list chain inet see "$2" | sed -n 's/.* bytes \([0-9]*\).*/\1/p'
}

# A checksum of zero would say that there is none, which IPv6 does not allow.
zero_checksums()
{
	local receiver

	begin
	right /usr/bin/python3 "$TOP/selftests/net/zerosum.py" receive fd07::2 20 >"$WORK/ready" &
	receiver=$!
	wait_for 20 grep -q ready "$WORK/ready"
	cmd_ok left /usr/bin/python3 "$TOP/selftests/net/zerosum.py" send fd07::1 fd07::2 20
	wait "$receiver" || fail "datagrams with a checksum of zero were lost"
}

# Each end counts packets, however many left at once.
packets_are_counted()
{
	local before

	begin
	before=$(left cat /sys/class/net/tun/statistics/tx_packets)
	copy left right 4 192.168.7.2 "$BYTES"
	[ $(($(left cat /sys/class/net/tun/statistics/tx_packets) - before)) -ge $((BYTES / 1420)) ] ||
		fail "fewer packets were counted than were sent"
}

# sent_by QUEUE: packets
sent_by()
{
	left tc -s qdisc show dev eth parent "1:$(($1 + 1))" | sed -n 's/^ Sent .* bytes \([0-9]*\) pkt.*/\1/p'
}

# A line with a queue for each CPU: whoever is on one sends by its queue, whatever CPUs encrypt.
queue_of_the_sender()
{
	local cpu

	begin
	cmd_ok left ethtool -L eth tx 2
	for cpu in 0 1; do
		left sh -c "echo $((cpu + 1)) >/sys/class/net/eth/queues/tx-$cpu/xps_cpus" || fail "no XPS"
	done
	cmd_ok left tc qdisc replace dev eth root handle 1: mq
	cmd_ok left /usr/bin/python3 - <<-'PYTHON'
	import os, socket
	os.sched_setaffinity(0, {1})
	sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	sock.setsockopt(socket.SOL_UDP, 103, 1000)
	for _ in range(200):
	    sock.sendto(bytes(20000), ('192.168.7.2', 9))
	PYTHON
	wait_for 20 sent_enough
	[ "$(sent_by 0)" -lt 20 ] || fail "$(sent_by 0) of $(($(sent_by 0) + $(sent_by 1))) by another queue"
	cmd_ok left tc qdisc del dev eth root
	cmd_ok left ethtool -L eth tx 1
}

sent_enough() { [ "$(sent_by 1)" -ge 180 ]; }

KIND_LEFT=fz KIND_RIGHT=fz
[ "$(nproc)" = 1 ] || check "one queue for what one CPU sends" queue_of_the_sender
for pair in "fz fz" "fz wireguard" "wireguard fz"; do
	read -r KIND_LEFT KIND_RIGHT <<<"$pair"
	modprobe -q wireguard || [ "$pair" = "fz fz" ] || continue
	remark="$KIND_LEFT -> $KIND_RIGHT"
	[ "$KIND_LEFT" != fz ] || check "leaves as one, $remark" as_one
	check "cut before the device, $remark over IPv4" cut_before_the_device 192.0.2.2:1002
	check "cut before the device, $remark over IPv6" cut_before_the_device "[2001:db8::2]:1002"
	check "nothing offloaded, $remark over IPv4" nothing_offloaded 192.0.2.2:1002
	check "nothing offloaded, $remark over IPv6" nothing_offloaded "[2001:db8::2]:1002"
	check "joined on arrival, $remark" joined_on_arrival
	check "whole packets inside, $remark" inner_packets
	check "bridge and VLAN, $remark" bridge_and_vlan
	check "narrow line, $remark over IPv4" narrow_line 192.0.2.2:1002
	check "narrow line, $remark over IPv6" narrow_line "[2001:db8::2]:1002"
	check "filters see them, $remark" filters_see_them
	check "checksums of zero, $remark" zero_checksums
	check "packets are counted, $remark" packets_are_counted
done
finish_tests
