#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What fz sends as super-packets arrives whatever the line can do with them: cut by the device, cut just
# before it, without checksums of the device's, joined again on arrival, each through a bridge and a VLAN
# too, over a line that is too narrow or becomes so. pair.sh draws the topology; path.sh has a router.

# shellcheck source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open
# shellcheck source=line.sh
. "$(dirname "$0")/line.sh"
pair_hosts

# offload FEATURE on|off...: at both ends of the line
offload()
{
	cmd_ok left ethtool -K eth "$@"
	cmd_ok right ethtool -K eth "$@"
}

# A bridge at one end, a VLAN over it at both.
bridge_and_vlan()
{
	cmd_ok right ip link add bridge0 type bridge
	cmd_ok right ip link set eth master bridge0
	cmd_ok right ip link set bridge0 up
	cmd_ok left ip link add link eth name lan type vlan id 5
	cmd_ok left ip addr add 198.51.100.1/24 dev lan
	cmd_ok left ip addr add 2001:db8:5::1/64 dev lan nodad
	cmd_ok left ip link set lan up
	cmd_ok right ip link add link bridge0 name lan type vlan id 5
	cmd_ok right ip addr add 198.51.100.2/24 dev lan
	cmd_ok right ip addr add 2001:db8:5::2/64 dev lan nodad
	cmd_ok right ip link set lan up
}

# begin [ENDPOINT]: where the other end is says what the line is made of
begin()
{
	offload tx on sg on tso on gso on gro off rx on tx-udp-segmentation on
	cmd_mayfail left ip link del lan
	cmd_mayfail right ip link del bridge0
	case ${1-} in
	198.51.100.2:* | "[2001:db8:5::2]:"*) bridge_and_vlan ;;
	esac
	tunnel "$KIND_LEFT" "$KIND_RIGHT" "${1-192.0.2.2:1002}"
	reaches left 192.168.7.2
}

# The line takes 64 KiB at once: so much leaves at once.
as_one()
{
	begin "$1"
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

nothing_offloaded()
{
	begin "$1"
	offload tx off sg off tso off gso off rx off
	watch right eth udp
	both_ways
	watched
	sums_are_right
	no_checksum_errors
}

# Datagrams come one by one, and the receiving end of the line joins what it can.
joined_on_arrival()
{
	begin "$1"
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

inner_sums_are_right()
{
	cmd_ok grep -q 'cksum .*(correct)' "$WORK/seen"
	if grep 'incorrect' "$WORK/seen" | cut -c 1-200 | head -n 5 | grep . >&2; then
		fail "wrong checksums"
	fi
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
	inner_sums_are_right
}

# The outer packets do not fit: they are fragmented. Then the line becomes narrower under traffic.
narrow_line()
{
	begin "$1"
	cmd_ok left ip link set eth mtu 1400
	cmd_ok right ip link set eth mtu 1400
	stream_begin left right 4 192.168.7.2
	stream_goes_on left eth
	cmd_ok left ip link set eth mtu 1300
	cmd_ok right ip link set eth mtu 1300
	stream_goes_on left eth
	stream_end
	copy right left 6 '[fd07::1]' "$BYTES"
}

# Where they are sent, the tunnel's device shows packets that are as long as they like; or, if it may
# neither cut nor sum up, as they are in the tunnel.
seen_where_they_are_sent()
{
	begin
	watch left tun -Q out
	copy left right 4 192.168.7.2 "$BYTES"
	wait_for 20 all_of_it_seen
	watched
	only_it_was_seen
	cmd_ok left ethtool -K tun tx off sg off tso off gso off
	watch left tun -Q out -s 2000
	copy left right 4 192.168.7.2 "$BYTES"
	wait_for 20 all_of_it_seen
	watched
	only_it_was_seen
	none_longer 1420
	inner_sums_are_right
}

all_of_it_seen()
{
	see
	sed -n 's/.* > 192\.168\.7\.2\.7000: .*, length \([0-9]*\).*/\1/p' "$WORK/seen" |
		awk -v wanted="$BYTES" '{ all += $1 } END { exit all < wanted }'
}

only_it_was_seen()
{
	if grep ' > ' "$WORK/seen" | grep -v ' 192\.168\.7\.1\.[0-9]* > 192\.168\.7\.2\.7000: ' | cut -c 1-200 | grep .; then
		fail "other packets"
	fi
}

# Filters see the outer packets on both sides, all bytes of them.
filters_see_them()
{
	begin "$1"
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
	left nft insert rule inet see out udp dport 1002 drop
	cmd_fail left ping -c 1 -W 1 192.168.7.2
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

dropped() { left cat /sys/class/net/tun/statistics/tx_dropped; }

# Together these have more under way than may wait of what nobody answers for; each of them has its own limit.
many_streams()
{
	local before

	begin
	before=$(dropped)
	iperf left right 192.168.7.2 -t 2 -P 64
	[ "$(dropped)" = "$before" ] || fail "$(($(dropped) - before)) packets were dropped where they were sent"
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
check "many streams" many_streams
[ "$(nproc)" = 1 ] || check "one queue for what one CPU sends" queue_of_the_sender
for pair in "fz fz" "fz wireguard" "wireguard fz"; do
	read -r KIND_LEFT KIND_RIGHT <<<"$pair"
	modprobe -q wireguard || [ "$pair" = "fz fz" ] || continue
	remark="$KIND_LEFT -> $KIND_RIGHT"
	lines=("IPv4=192.0.2.2:1002" "IPv6=[2001:db8::2]:1002" "bridge, VLAN and IPv4=198.51.100.2:1002")
	[ "$pair" != "fz fz" ] || lines+=("bridge, VLAN and IPv6=[2001:db8:5::2]:1002")
	for line in "${lines[@]}"; do
		over="$remark over ${line%%=*}" endpoint=${line#*=}
		[ "$KIND_LEFT" != fz ] || check "leaves as one, $over" as_one "$endpoint"
		check "cut before the device, $over" cut_before_the_device "$endpoint"
		check "nothing offloaded, $over" nothing_offloaded "$endpoint"
		check "joined on arrival, $over" joined_on_arrival "$endpoint"
	done
	for line in "IPv4=192.0.2.2:1002" "IPv6=[2001:db8::2]:1002"; do
		over="$remark over ${line%%=*}" endpoint=${line#*=}
		check "narrow line, $over" narrow_line "$endpoint"
		check "filters see them, $over" filters_see_them "$endpoint"
	done
	check "whole packets inside, $remark" inner_packets
	check "seen where they are sent, $remark" seen_where_they_are_sent
	check "checksums of zero, $remark" zero_checksums
	check "packets are counted, $remark" packets_are_counted
done
finish_tests
