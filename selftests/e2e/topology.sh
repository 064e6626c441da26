# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The world of the end-to-end tests, in network namespaces named after the
# process that made them:
#
#        site 10.1.0.0/24                "internet" 198.51.100.0/24          home 192.168.1.0/24
#
#   web .10 ---+                              broker .10
#   db  .20 ---+-- siterouter .1 ===== .20 ---- inet ---- .30 ===== homerouter .1 ---+--- client .10
#   gateway .2 +   drops all that               |  .40              port-restricted NAT
#                  comes in unasked           stock WireGuard
#
# === has 10 ms of delay each way, so 20 ms between site and home. Both routers
# drop whatever connection is opened from outside and masquerade what goes out.
#
# Functions: topology_up, topology_down, on HOST COMMAND..., bg HOST LOG
# COMMAND... (pid in $!), wait_for SECONDS COMMAND...

topology_prefix="fz$$"

ns() { echo "$topology_prefix-$1"; }

on()
{
	local host=$1
	shift
	ip netns exec "$(ns "$host")" "$@"
}

# Starts COMMAND on HOST in the background, output appended to LOG.
bg()
{
	local host=$1 log=$2
	shift 2
	ip netns exec "$(ns "$host")" "$@" >>"$log" 2>&1 </dev/null &
	background_pids+=("$!")
}
background_pids=()

# Tries COMMAND until it succeeds, for SECONDS, and on a busy machine four times as many; what it said
# last is shown if it never did.
wait_for()
{
	local until=$((SECONDS + 4 * $1)) said
	shift
	until said=$("$@" 2>&1); do
		if ((SECONDS >= until)); then
			printf '%s\n' "$said"
			return 1
		fi
		read -rt 0.05 <> <(:) || :
	done
}

# link A IFA B IFB: a cable between two hosts.
link()
{
	ip link add "$2" netns "$(ns "$1")" type veth peer name "$4" netns "$(ns "$3")"
	on "$1" ip link set "$2" up
	on "$3" ip link set "$4" up
}

# bridge HOST NAME PORT...: joins ports to one Ethernet.
bridge()
{
	local host=$1 name=$2 port
	shift 2
	on "$host" ip link add "$name" type bridge forward_delay 0
	on "$host" ip link set "$name" up
	for port; do
		on "$host" ip link set "$port" master "$name"
	done
}

# router HOST OUTSIDE: forwards and masquerades what goes out; whatever comes
# from outside without having been asked for is counted and dropped.
router()
{
	on "$1" sysctl -qw net.ipv4.ip_forward=1
	on "$1" nft -f - <<-NFT
	table inet filter {
		counter unasked { }
		counter admitted { }
		chain forward {
			type filter hook forward priority 0; policy drop;
			ct state established,related accept
			iifname "$2" counter name unasked drop
			accept
		}
		chain passed {
			type filter hook forward priority 10;
			iifname "$2" ct state new counter name admitted
		}
		chain input {
			type filter hook input priority 0; policy drop;
			ct state established,related accept
			iifname "$2" counter name unasked drop
			accept
		}
	}
	table ip nat {
		chain postrouting {
			type nat hook postrouting priority 100;
			oifname "$2" masquerade
		}
	}
	NFT
}

topology_hosts="inet broker stock siterouter gateway web db homerouter client"

topology_up()
{
	local host

	for host in $topology_hosts; do
		ip netns add "$(ns "$host")"
		on "$host" ip link set lo up
		on "$host" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
	done

	link inet broker0 broker eth0
	link inet stock0 stock eth0
	link inet site0 siterouter wan
	link inet home0 homerouter wan
	bridge inet br0 broker0 stock0 site0 home0
	link siterouter gw0 gateway eth0
	link siterouter web0 web eth0
	link siterouter db0 db eth0
	bridge siterouter lan gw0 web0 db0
	link homerouter client0 client eth0
	bridge homerouter lan client0

	on broker ip addr add 198.51.100.10/24 dev eth0
	on stock ip addr add 198.51.100.40/24 dev eth0
	on siterouter ip addr add 198.51.100.20/24 dev wan
	on homerouter ip addr add 198.51.100.30/24 dev wan
	on siterouter ip addr add 10.1.0.1/24 dev lan
	on gateway ip addr add 10.1.0.2/24 dev eth0
	on web ip addr add 10.1.0.10/24 dev eth0
	on db ip addr add 10.1.0.20/24 dev eth0
	on homerouter ip addr add 192.168.1.1/24 dev lan
	on client ip addr add 192.168.1.10/24 dev eth0
	for host in gateway web db; do
		on "$host" ip route add default via 10.1.0.1
	done
	on client ip route add default via 192.168.1.1
	on gateway sysctl -qw net.ipv4.ip_forward=1

	# 10 ms on each uplink, each way
	on siterouter tc qdisc add dev wan root netem delay 10ms limit 10000
	on inet tc qdisc add dev site0 root netem delay 10ms limit 10000
	on homerouter tc qdisc add dev wan root netem delay 10ms limit 10000
	on inet tc qdisc add dev home0 root netem delay 10ms limit 10000

	router siterouter wan
	router homerouter wan
}

# counted ROUTER NAME: what its counter says in packets. `unasked`: came from
# outside without having been asked for, and dropped; `admitted`: a connection
# opened from outside that got through (the demo checks that there is none).
counted()
{
	on "$1" nft list counter inet filter "$2" | awk '$1 == "packets" { print $2 }'
}

topology_down()
{
	local host pid

	for pid in "${background_pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	for host in $topology_hosts; do
		ip netns del "$(ns "$host")" 2>/dev/null
	done
}
