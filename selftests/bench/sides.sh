# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# What is compared, each a pair of hosts of its own with one tunnel, all alike but for what is said here:
#
#	wireguard	in-tree WireGuard, no filter
#	nftables	in-tree WireGuard; nftables lets established flows pass, and new ones whose address,
#			protocol and port are in a set; conntrack. What is outside of the tunnel is not tracked
#	enforce		fz, mode enforce, the same rules as grants
#	open		fz, mode open
#	ipip		the kernel's IPv4 in IPv4, no cipher and no rules: what it costs alone to go by a tunnel
#	none		no tunnel, a second cable in its place: what sockets, stack and cable cost alone
#
# Both ends decide, each from its side: left what it opens, right what is opened towards it. There are $grants rules: for UDP
# port 7000 of one address each, from 10.64.0.0 on, and $flows flows in the tables of both ends, answered,
# spread over them. A few rules more are for the traffic that is measured.

dev=t0
rule_port=7000

# side NAME: the pair of hosts that what follows is about
side()
{
	side=$1 left=bench$$-$1-left right=bench$$-$1-right
}

kind_of() { case $1 in wireguard | nftables) echo wireguard ;; *) echo fz ;; esac; }
control_of() { case $1 in wireguard | nftables) echo wg ;; *) echo fzctl ;; esac; }

# The address of each rule, one a line.
addresses()
{
	awk -v n="$grants" 'BEGIN { for (i = 0; i < n; i++)
		printf "10.%d.%d.%d\n", 64 + int(i / 65536), int(i / 256) % 256, i % 256 }'
}

# filter HOST: the rules of nftables
filter()
{
	on "$1" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=604800 \
		net.netfilter.nf_conntrack_udp_timeout_stream=604800
	{
		cat <<-RULES
			table inet bench {
				set grants {
					type ipv4_addr . inet_proto . inet_service
				}
				chain untracked_in {
					type filter hook prerouting priority raw
					iifname eth0 notrack
				}
				chain untracked_out {
					type filter hook output priority raw
					oifname eth0 notrack
				}
				chain filter {
					ct state established,related accept
					ct state new ip daddr . meta l4proto . th dport @grants accept
					ip protocol icmp accept
					drop
				}
				chain in {
					type filter hook input priority filter
					iifname $dev jump filter
				}
				chain out {
					type filter hook output priority filter
					oifname $dev jump filter
				}
			}
			add element inet bench grants {
		RULES
		addresses | sed "s/.*/& . udp . $rule_port,/"
		echo "10.0.0.2 . tcp . 5201, 10.0.0.2 . udp . $rule_port }"
	} | on "$1" nft -f -
}

# grant HOST DIRECTION
grant()
{
	on "$1" fz-bench-room $dev $((flows * 3 / 2 + 65536))
	{
		addresses | awk -v dev=$dev -v port=$rule_port \
			'{ printf "resource add %s r%d %s/32 udp/%d\n", dev, NR, $1, port }'
		echo "resource add $dev measured 10.0.0.2/32 tcp/5201 udp/$rule_port icmp"
		addresses | awk -v dev=$dev -v dir="$2" '{ printf "grant add %s any resource r%d %s\n", dev, NR, dir }'
		echo "grant add $dev any resource measured $2"
	} >"$work/batch"
	on "$1" fzctl batch "$work/batch"
}

# flows_of SIDE: how many are in the table of that of its ends that has fewer
flows_of()
{
	local end

	for end in "$left" "$right"; do
		case $1 in
		nftables) on "$end" sysctl -n net.netfilter.nf_conntrack_count ;;
		enforce) on "$end" fzctl stats $dev --json | jq '.flows' ;;
		*) echo 0 ;;
		esac
	done | sort -n | head -n 1
}

# load_flows SIDE
load_flows()
{
	local sources=$(((flows + grants - 1) / grants)) sent answered have

	[ "$flows" -gt 0 ] || return 0
	echo "$1: beginning $flows flows, some minutes for a million" >&2
	read -r sent answered < <(on "$left" fz-bench-udp load -n "$right" -p $rule_port \
		-a $((flows / sources)) -c $sources -w 256 10.64.0.0)
	have=$(flows_of "$1")
	echo "$1: $sent flows begun, $answered answered, $have at least in the table of each end" >&2
	[ "$have" -ge $((flows * 98 / 100)) ] || { echo "$1: the table does not hold the flows" >&2; exit 1; }
}

# encapsulation DEV: a second header, and nothing else
encapsulation()
{
	local end host

	modprobe ipip
	for end in 1 2; do
		host=$([ $end = 1 ] && echo "$left" || echo "$right")
		on "$host" ip link add "$1" mtu 1420 type ipip local 192.0.2.$end remote 192.0.2.$((3 - end))
		on "$host" ip addr add 10.0.0.$end/24 dev "$1"
		on "$host" ip link set "$1" up
	done
}

# secured NAME: by in-tree WireGuard or fz, and by the rules of that side
secured()
{
	tunnel "$(kind_of "$1")" $dev 10.0.0 51820 "$(control_of "$1")"
	on "$left" "$(control_of "$1")" set $dev peer "$(wg pubkey <"$work/$dev.2")" \
		allowed-ips 10.0.0.2/32,10.64.0.0/10
	on "$left" ip route add 10.64.0.0/10 dev $dev
	on "$right" ip route add local 10.64.0.0/10 dev lo
	case $1 in
	nftables)
		filter "$left"
		filter "$right"
		;;
	enforce)
		grant "$left" out
		grant "$right" in
		;;
	open) open_up $dev ;;
	esac
}

# side_up NAME
side_up()
{
	side "$1"
	hosts
	case $1 in
	none) cable $dev 10.0.0 mtu 1420 ;;
	ipip) encapsulation $dev ;;
	*) secured "$1" ;;
	esac
	serve 10.0.0.2
	case $1 in nftables | enforce) load_flows "$1" ;; esac
}
