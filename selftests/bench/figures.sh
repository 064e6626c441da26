# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# What is measured, between the hosts of one side. Each function prints one or more lines "FIGURE VALUE".

# The largest datagram that the tunnel takes whole, and how many of them the stack gets in one piece.
datagram=1392 pieces=44

udp() { on "$left" fz-bench-udp "$1" -n "$right" -p "$rule_port" "${@:2}" 10.0.0.2; }

figure_tcp1() { echo "tcp1 $(mbits 10.0.0.2)"; }
figure_tcp8() { echo "tcp8 $(mbits 10.0.0.2 -P 8)"; }
figure_udp() { udp send -t "$seconds" -s $datagram -g $pieces | awk '{ printf "udp %d\n", $2 / 1e6 }'; }
figure_pps() { udp send -t "$seconds" -s 64 | awk '{ print "pps", $1 }'; }
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
