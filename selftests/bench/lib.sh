# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# What benchmarks share: two hosts, left 192.0.2.1 and right 192.0.2.2, with tunnels of either kind
# between them, and the summary. A benchmark sources this file, calls hosts if it needs them, writes the
# figures of each round as a line of $work/rounds, and ends with summarize, show and $work/json.
if [ -z "${FZ_LAB-}" ]; then
	echo "${0##*/}: this loads modules and makes hosts: run it in the lab, as the head of $0 says" >&2
	exit 1
fi
umask 077
left=bench$$-left right=bench$$-right
work=$(mktemp -d)

# What is left over goes; links says which links, outside of the hosts, are the benchmark's.
finish()
{
	local host link

	# shellcheck disable=SC2086 # words
	if [ -n "${servers-}" ]; then kill $servers 2>/dev/null || :; fi
	for host in $(ip netns list | sed -n "s/^\(bench$$-[^ ]*\).*/\1/p"); do
		ip netns del "$host"
	done
	for link in ${links-}; do
		ip link del "$link" 2>/dev/null || :
	done
	rm -rf "$work"
}
trap finish EXIT

on() { local host=$1; shift; ip netns exec "$host" "$@"; }

# cable DEV NET [OPTION...]: between both hosts, with addresses of NET; with these of a link at both ends
cable()
{
	local dev=$1 net=$2 end host

	shift 2
	ip link add "$dev" "$@" netns "$left" type veth peer name "$dev" "$@" netns "$right"
	for end in 1 2; do
		host=$([ $end = 1 ] && echo "$left" || echo "$right")
		on "$host" ip addr add "$net.$end/24" dev "$dev"
		on "$host" ip link set "$dev" up
	done
}

# Both hosts, with a cable between them.
hosts()
{
	modprobe wireguard
	modprobe fz
	ip netns add "$left"
	ip netns add "$right"
	cable eth0 192.0.2
	on "$left" ip link set lo up
	on "$right" ip link set lo up
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

# open_up DEV: fz refuses nothing
open_up()
{
	local end

	for end in "$left" "$right"; do
		on "$end" fzctl mode "$1" in open
		on "$end" fzctl mode "$1" out open
	done
}

# serve ADDRESS...: right is ready for mbits, and left reaches it at all of these
serve()
{
	local address

	on "$right" iperf3 -s >/dev/null 2>&1 &
	servers="${servers-} $!"
	for address in "$@"; do
		until on "$left" ping -qc1 -W1 "$address" >/dev/null; do :; done
	done
}

# mbits ADDRESS [OPTION...]: TCP from left to right, Mbit/s; seconds is how long it takes.
mbits()
{
	on "$left" iperf3 -c "$@" -t "$seconds" -O 1 -J |
		jq -r '.end.sum_received.bits_per_second / 1e6 | floor'
}

# From what ping says to the median of its round trips, microseconds.
median_rtt()
{
	sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | sort -n |
		awk '{ v[NR] = $1 } END { print int(v[int((NR + 1) / 2)] * 1000) }'
}

# summarize JQ [OPTION...]: the rounds as one object in $work/json. JQ makes its special fields of a list
# of rounds, which are lists of numbers; pair(i; j) compares what is in column i for WireGuard with what
# is in column j for fz.
summarize()
{
	local fields=$1

	shift
	jq -Rsc --arg kernel "$(uname -r)" --argjson cpus "$(nproc)" "$@" '
		def median: sort | .[((length - 1) / 2) | floor];
		def figure: { median: median, min: min, max: max };
		def pair($i; $j): { wireguard: (map(.[$i]) | figure), fz: (map(.[$j]) | figure),
				    ratio: (map(.[$j] / .[$i]) | median) };
		split("\n") | map(select(. != "") | split(" ") | map(tonumber)) |
		{ kernel: $kernel, cpus: $cpus } + ('"$fields"')' "$work/rounds" >"$work/json"
}

# show JQ: the lists that JQ makes of the summary as the rows of a table; hundredths is for ratios
show()
{
	jq -r "def hundredths: . * 100 | round / 100; $1 | @tsv" "$work/json" | column -t -s "$(printf '\t')"
}

# show_pairs FZ JQ: a table of the pairs in the summary. FZ is what the column of fz is called, JQ makes a
# [NAME, PAIR] for each row.
show_pairs()
{
	show '["kernel \(.kernel), \(.cpus) CPUs, \(if .peers then "\(.peers) peers, " else "" end)\(.rounds) rounds; median (min-max)"],
		["", "wireguard", "'"$1"'", "ratio"],
		(('"$2"') | [.[0], (.[1] | .wireguard, .fz | "\(.median) (\(.min)-\(.max))"), (.[1].ratio | hundredths)])'
}
