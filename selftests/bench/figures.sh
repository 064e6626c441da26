# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# What is measured, between the hosts of one side. Each function prints one or more lines "FIGURE VALUE".

# The largest datagram that the tunnel takes whole, and how many of them the stack gets in one piece.
datagram=1392 pieces=44

udp() { on "$left" fz-bench-udp "$1" -n "$right" -p "$rule_port" "${@:2}" 10.0.0.2; }

# What the cable's ends are called, and the longest frame of it: the tunnel's, or what is in the place of the tunnel.
line_of() { if [ "$side" = none ]; then echo "$dev"; else echo eth0; fi; }
frame_max=1514

# offload FEATURE on|off...: at both ends of the cable
offload()
{
	local end

	# It says what else changed.
	for end in "$left" "$right"; do
		on "$end" ethtool -K "$(line_of)" "$@" >/dev/null || return
	done
}

# The cable as it is for all other figures: it takes 64 KB at once, and the other end gets it so.
cable_whole() { offload tx on sg on tso on gso on gro off rx on tx-udp-segmentation on; }

# It takes frames, as many network cards do that cut TCP but not UDP, and the other end joins what fits together. (A veth
# has its receiving end do so only if the sending one does not cut TCP: nothing else here is TCP on the outside.)
cable_cut() { offload tx-udp-segmentation off tso off gro on; }

# It takes frames whose checksums are right, and joins nothing.
cable_plain() { offload tx-udp-segmentation off tso off gso off gro off sg off tx off rx off; }

# It takes frames, half a millisecond long, and loses one of 5000: whoever receives drops it, as netem would lose all at
# once what is cut only after it. Nothing is joined, or as much would be lost at once again.
loss='numgen random mod 5000 == 0 drop'
cable_lossy()
{
	local end

	offload tx-udp-segmentation off tso off gro off || return
	for end in "$left" "$right"; do
		on "$end" tc qdisc add dev "$(line_of)" root netem delay 500us limit 100000 &&
			on "$end" nft "add table netdev lossy;
				add chain netdev lossy in { type filter hook ingress device $(line_of) priority 0; };
				add rule netdev lossy in $loss" || return
	done
}

# And no longer.
cable_lossless()
{
	local end

	for end in "$left" "$right"; do
		on "$end" nft delete table netdev lossy
		on "$end" tc qdisc del dev "$(line_of)" root
	done
}

# sent: frames and bytes that the cable was given at its left end
sent() { on "$left" cat "/sys/class/net/$(line_of)/statistics/"tx_{packets,bytes} | xargs; }

# over KIND COMMAND...: measures over a cable of that kind, which is whole again afterwards; it fails if more than a frame
# went over it at once
over()
{
	local before after status=0

	before=$(sent)
	{ "cable_$1" && "${@:2}"; } || status=1
	after=$(sent)
	[ "$1" != lossy ] || cable_lossless
	cable_whole
	echo "$before $after" | awk -v max=$frame_max '{ exit !($3 > $1 && ($4 - $2) / ($3 - $1) <= max) }' ||
		{ echo "$side: the cable was given more than frames, or nothing" >&2; status=1; }
	return $status
}

# tcp FIGURE [OPTION...]
tcp()
{
	local rate

	rate=$(mbits 10.0.0.2 "${@:2}") && echo "$1 $rate"
}

# small FIGURE: datagrams of 64 bytes, one by one
small() { udp send -t "$seconds" -s 64 | awk -v name="$1" '{ print name, $1 }'; }

figure_tcp1() { tcp tcp1; }
figure_tcp8() { tcp tcp8 -P 8; }
figure_tcp64() { tcp tcp64 -P 64; }
figure_window() { tcp window -w 16K; }
figure_lossy() { over lossy tcp lossy; }
figure_cut1() { over cut tcp cut1; }
figure_plain1() { over plain tcp plain1; }
figure_udp() { udp send -t "$seconds" -s $datagram -g $pieces | awk '{ printf "udp %d\n", $2 / 1e6 }'; }
figure_pps() { small pps; }
figure_cut_pps() { over cut small cut_pps; }
figure_pps_gso() { udp send -t "$seconds" -s 64 -g 64 | awk '{ print "pps_gso", $1 }'; }
figure_idle() { udp ping -t "$seconds" | awk '{ print "idle_p50", $1; print "idle_p99", $2 }'; }

# transmitted: bytes that left by the tunnel
transmitted() { on "$left" cat /sys/class/net/"$dev"/statistics/tx_bytes; }

# Beside a TCP transfer to the same end of the tunnel that has begun, and goes on.
figure_loaded()
{
	local before transfer

	before=$(transmitted)
	# Itself, not a shell that would be killed in its place.
	ip netns exec "$left" iperf3 -c 10.0.0.2 -t $((seconds + 30)) >/dev/null 2>&1 &
	transfer=$!
	until [ "$(transmitted)" -gt $((before + (16 << 20))) ]; do
		kill -0 $transfer
	done
	udp ping -t "$seconds" | awk '{ print "loaded_p50", $1; print "loaded_p99", $2 }'
	kill -0 $transfer
	kill $transfer
	wait $transfer || :
}
