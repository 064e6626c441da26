# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# What benchmarks of the tunnel share: two hosts, left 192.0.2.1 and right 192.0.2.2, with tunnels of
# either kind between them. A benchmark sources this file and calls hosts.
umask 077
left=bench$$-left right=bench$$-right
work=$(mktemp -d)

finish()
{
	local host

	if [ -n "${server-}" ]; then kill "$server" 2>/dev/null || :; fi
	for host in $(ip netns list | sed -n "s/^\(bench$$-[^ ]*\).*/\1/p"); do
		ip netns del "$host"
	done
	rm -rf "$work"
}
trap finish EXIT

on() { local host=$1; shift; ip netns exec "$host" "$@"; }

# Both hosts, with a cable between them; seconds is how long a measurement takes.
hosts()
{
	local end host

	modprobe wireguard
	modprobe fz
	ip netns add "$left"
	ip netns add "$right"
	ip link add eth0 netns "$left" type veth peer name eth0 netns "$right"
	for end in 1 2; do
		host=$([ $end = 1 ] && echo "$left" || echo "$right")
		on "$host" ip addr add 192.0.2.$end/24 dev eth0
		on "$host" ip link set eth0 up
		on "$host" ip link set lo up
	done
}

# tunnel KIND DEV NET PORT COMMAND
tunnel()
{
	local kind=$1 dev=$2 net=$3 port=$4 ctl=$5 end

	for end in 1 2; do
		wg genkey >"$work/$dev.$end"
	done
	on "$left" ip link add "$dev" type "$kind"
	on "$right" ip link add "$dev" type "$kind"
	on "$left" "$ctl" set "$dev" private-key "$work/$dev.1" listen-port "$port" \
		peer "$(wg pubkey <"$work/$dev.2")" endpoint "192.0.2.2:$port" allowed-ips "$net.2/32"
	on "$right" "$ctl" set "$dev" private-key "$work/$dev.2" listen-port "$port" \
		peer "$(wg pubkey <"$work/$dev.1")" endpoint "192.0.2.1:$port" allowed-ips "$net.1/32"
	on "$left" ip addr add "$net.1/24" dev "$dev"
	on "$right" ip addr add "$net.2/24" dev "$dev"
	on "$left" ip link set "$dev" up
	on "$right" ip link set "$dev" up
}

# TCP from left to right, Mbit/s
mbits()
{
	on "$left" iperf3 -c "$1" -t "$seconds" -O 1 -J |
		jq -r '.end.sum_received.bits_per_second / 1e6 | floor'
}
