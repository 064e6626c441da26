#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Everything changes at once, with traffic both ways: devices, peers, identities, policy, links and
# namespaces come and go while others list them. Nothing is asked of what happens meanwhile but that
# each of these could be done; afterwards the same tunnel carries packets, and so does a new one. At
# last the module is unloaded, once after all its links were deleted and once with all of them alive.
# The lab sees what the kernel reports, and what leaked.
#
#	        left                                        right
#	  tun 192.168.7.1/24 ------------------------ 192.168.7.2/24 tun
#	      fd07::1/64                              fd07::2/64
#	  eth 192.0.2.1/24 --------- veth ----------- 192.0.2.2/24 eth
#	      churn, moved: come and go               moved
#	  endN 198.51.100.1/24 ----- veth ----------- namespaces that come and go
#
# FZ_STRESS_SECONDS=N takes that long instead of 15 s.

# shellcheck source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open

DURATION=${FZ_STRESS_SECONDS:-15}
umask 077
for name in left right other end; do
	fzctl genkey >"$WORK/$name.key" || skip_all "no fzctl"
done
PUB_LEFT=$(fzctl pubkey <"$WORK/left.key")
PUB_RIGHT=$(fzctl pubkey <"$WORK/right.key")
PUB_OTHER=$(fzctl pubkey <"$WORK/other.key")
PUB_END=$(fzctl pubkey <"$WORK/end.key")
fzctl genpsk >"$WORK/psk"
DECOYS=()
for _ in 1 2 3 4; do
	DECOYS+=("$(fzctl genkey | fzctl pubkey)")
done

# Nothing that looks for the module once it is gone may bring it back.
AUTOLOAD=$(sysctl -n kernel.modprobe)
trap 'sysctl -qw kernel.modprobe="$AUTOLOAD"; cleanup' EXIT

# How the tunnel is meant to be, whatever has been done to it.
restore_left()
{
	on left fzctl set tun private-key "$WORK/left.key" listen-port 1001 fwmark 0 \
		peer "$PUB_RIGHT" endpoint 192.0.2.2:1002 preshared-key /dev/null \
		persistent-keepalive 0 allowed-ips 192.168.7.2/32,fd07::2/128
}

restore_right()
{
	on right fzctl set tun private-key "$WORK/right.key" listen-port 1002 fwmark 0 \
		peer "$PUB_LEFT" endpoint 192.0.2.1:1001 preshared-key /dev/null \
		persistent-keepalive 0 allowed-ips 192.168.7.1/32,fd07::1/128
}

addresses()
{
	on "$1" ip addr replace "192.168.7.$2/24" dev tun
	on "$1" ip addr replace "fd07::$2/64" dev tun nodad
}

tunnel()
{
	cmd_ok on left ip link add tun type fz
	cmd_ok on right ip link add tun type fz
	cmd_ok restore_left
	cmd_ok restore_right
	cmd_ok on left ip link set tun up
	cmd_ok on right ip link set tun up
	cmd_ok addresses left 1
	cmd_ok addresses right 2
}

passes()
{
	on left ping -c 1 -W 2 192.168.7.2 && on right ping -c 1 -W 2 fd07::1
}

# ---- what happens all the time: each function is one round, and fails if it came to nothing ----

# for_seconds N COMMAND...: ends it then, which is no failure
for_seconds()
{
	local status=0

	timeout "$@" || status=$?
	[ $status = 0 ] || [ $status = 124 ]
}

ping_flood()
{
	on "$1" ping -q -f -w 2 -s 1000 "$2"
}

# Datagrams that fill a packet, and some that come in many fragments.
udp_flood()
{
	on "$1" timeout 1 socat -u -b 1300 /dev/zero "UDP-SENDTO:$2:7"
	for_seconds 1 ip netns exec "$(ns "$1")" socat -u -b 30000 /dev/zero "UDP-SENDTO:$2:7"
}

# TCP, and with it packets that the device segments.
tcp_stream()
{
	for_seconds 3 ip netns exec "$(ns "$1")" socat -u -b 65536 /dev/zero "TCP:$2:7,connect-timeout=2"
}

devices()
{
	on left ip link add churn type fz &&
		on left fzctl set churn private-key "$WORK/other.key" peer "$PUB_RIGHT" \
			endpoint 192.0.2.2:1002 allowed-ips 192.168.8.0/24 persistent-keepalive 1 &&
		on left ip addr add 192.168.8.1/24 dev churn &&
		on left ip link set churn up &&
		on left timeout 0.2 ping -q -f 192.168.8.2
	on left ip link del churn
}

# Decoys come with many prefixes, take those of right, and go.
peers()
{
	local key arguments=() prefixes=192.168.7.2/32,fd07::2/128 n=0 status

	for key in "${DECOYS[@]}"; do
		n=$((n + 1))
		prefixes+=",10.$n.0.0/16,10.$n.$n.0/24,fd0$n::/16"
		arguments+=(peer "$key" preshared-key "$WORK/psk" endpoint "192.0.2.2:$n"
			persistent-keepalive 1 allowed-ips "$prefixes")
	done
	on left fzctl set tun "${arguments[@]}"
	status=$?
	for key in "${DECOYS[@]}"; do
		on left fzctl set tun peer "$key" remove
	done
	restore_left && return $status
}

# The peer itself goes, with a session and packets in flight.
peer_again()
{
	on right fzctl set tun peer "$PUB_LEFT" remove && restore_right
}

identity()
{
	on right fzctl set tun listen-port $((2000 + RANDOM % 1000)) fwmark $((RANDOM % 3)) &&
		on right fzctl set tun private-key "$WORK/other.key" &&
		on right fzctl set tun private-key /dev/null &&
		restore_right
}

endpoints()
{
	on left fzctl set tun peer "$PUB_RIGHT" endpoint '[2001:db8::2]:1002' preshared-key "$WORK/psk" &&
		on left fzctl set tun peer "$PUB_RIGHT" endpoint 192.0.2.2:9 persistent-keepalive 1 &&
		on left fzctl set tun listen-port $((2000 + RANDOM % 1000)) &&
		restore_left
}

links()
{
	on right ip link set tun down && on left ip link set tun mtu $((1280 + RANDOM % 8000)) &&
		on right ip link set tun up && addresses right 2 && addresses left 1 &&
		on left ip link set eth down && on left ip link set eth up &&
		on left ip addr replace 2001:db8::1/64 dev eth nodad
}

# A device goes to another namespace and back, its sockets stay where they were.
moves()
{
	on left ip link add moved type fz &&
		on left fzctl set moved private-key "$WORK/other.key" peer "$PUB_RIGHT" \
			endpoint 192.0.2.2:1002 allowed-ips 192.168.6.0/24 &&
		on left ip link set moved up &&
		on left ip link set moved netns "$(ns right)" &&
		on right ip link set moved up &&
		on right ip addr add 192.168.6.1/24 dev moved &&
		on right timeout 0.2 ping -q -f 192.168.6.2
	on right ip link set moved netns "$(ns left)"
	on left ip link del moved
}

# A namespace with a tunnel of its own to left, which goes while packets fly both ways.
namespaces()
{
	local status

	host end || return
	cable left end 198.51.100.1/24 2001:db8:1::1/64 end eth 198.51.100.2/24 2001:db8:1::2/64
	on left ip link add far type fz
	on end ip link add tun type fz
	on left fzctl set far private-key "$WORK/other.key" peer "$PUB_END" \
		endpoint 198.51.100.2:1003 allowed-ips 192.168.9.2/32
	on end fzctl set tun private-key "$WORK/end.key" listen-port 1003 peer "$PUB_OTHER" \
		allowed-ips 192.168.9.1/32
	on left ip addr add 192.168.9.1/24 dev far
	on end ip addr add 192.168.9.2/24 dev tun
	on end ip link set tun up
	on left ip link set far up
	on left ping -q -c 1 -W 2 192.168.9.2
	status=$?
	on left timeout 5 ping -q -f 192.168.9.2 &
	on end timeout 5 ping -q -f 192.168.9.1 &
	host_del end
	if ((RANDOM % 2)); then
		on left ip link del far
		kill %1 %2
	else
		kill %1 %2
		on left ip link del far
	fi
	wait
	on left ip link del end
	return $status
}

policy()
{
	on right fzctl batch - <<-BATCH || return
		mode tun in enforce reject
		resource add tun web 192.168.7.2/32 tcp udp
		resource add tun all 192.168.7.0/24
		mode tun in enforce ask
		grant add tun any resource all
		flow flush tun
		grant add tun any resource web for 1s
		resource del tun web
		mode tun out enforce
		resource del tun all
		mode tun observe
		mode tun open
	BATCH
	# While the peer is not there these come to nothing.
	on right fzctl batch --force - <<-BATCH
		resource add tun all 192.168.7.0/24
		grant add tun peer $PUB_LEFT resource all
		mode tun peer $PUB_LEFT in enforce
		grant add tun peer $PUB_LEFT resource all deny
		flow flush tun peer $PUB_LEFT
		mode tun peer $PUB_LEFT in inherit
		resource del tun all
	BATCH
	return 0
}

lists()
{
	local name

	for name in left right; do
		on "$name" fzctl show all dump && on "$name" fzctl showconf tun &&
			on "$name" fzctl resource list tun && on "$name" fzctl grant list tun &&
			on "$name" fzctl flow list tun && on "$name" fzctl stats tun &&
			on "$name" ip -s -d link show || return
	done
	on right fzctl explain tun peer "$PUB_LEFT" in tcp 192.168.7.1:4000 192.168.7.2:7
}

watching()
{
	for_seconds 1 ip netns exec "$(ns right)" fzctl monitor --json
}

parameter()
{
	local mode

	for mode in observe enforce open; do
		echo "$mode" >$MODE || return
	done
	read -rt 0.1 _ <>"$WORK/never"
	return 0
}

# ---- all of it together ----

# busy EXTRA FUNCTION [ARGUMENT...]: rounds until the time is over, and up to EXTRA seconds more while
# none came to anything; how many did
busy()
{
	local rounds=0 tries=0 last=$((END + $1))

	shift
	while [ "$EPOCHSECONDS" -lt "$END" ] || { [ $rounds = 0 ] && [ "$EPOCHSECONDS" -lt $last ]; }; do
		tries=$((tries + 1))
		"$@" >/dev/null 2>&1 </dev/null && rounds=$((rounds + 1))
	done
	printf '%s %s\n' "$rounds" "$tries" >"$WORK/rounds $*"
}

# The other ends of the streams.
sinks()
{
	local name

	for name in left right; do
		on "$name" socat -u TCP-LISTEN:7,fork,reuseaddr OPEN:/dev/null &
		on "$name" socat -u UDP-RECV:7 OPEN:/dev/null &
	done >/dev/null 2>&1
}

TRAFFIC=("ping_flood left 192.168.7.2" "ping_flood right fd07::1" "udp_flood left 192.168.7.2"
	"udp_flood right 192.168.7.1" "tcp_stream left 192.168.7.2" "tcp_stream right 192.168.7.1")
CHANGES=(devices peers peer_again identity endpoints links moves namespaces policy lists watching
	parameter)

everything()
{
	local what rounds tries

	END=$((EPOCHSECONDS + DURATION))
	sinks
	# shellcheck disable=SC2086 # a function and its arguments
	for what in "${TRAFFIC[@]}"; do
		busy 0 $what &
	done
	for what in "${CHANGES[@]}"; do
		busy 120 "$what" &
	done
	for what in "${TRAFFIC[@]}" "${CHANGES[@]}"; do
		wait_for $((DURATION + 300)) test -s "$WORK/rounds $what"
	done
	for what in "${TRAFFIC[@]}" "${CHANGES[@]}"; do
		read -r rounds tries <"$WORK/rounds $what"
		echo "# $what: $rounds of $tries rounds came to something"
	done
	for what in "${CHANGES[@]}"; do
		read -r rounds _ <"$WORK/rounds $what"
		[ "$rounds" -gt 0 ] || fail "nothing came of: $what"
	done
}

# The tunnel that has seen all of it, once it is again what it was meant to be.
recovers()
{
	cmd_ok restore_left
	cmd_ok restore_right
	cmd_ok on right fzctl mode tun open
	cmd_ok on left ip link set eth up
	cmd_ok on right ip link set tun up
	cmd_ok addresses left 1
	cmd_ok addresses right 2
	wait_for 60 passes
}

fresh()
{
	cmd_mayfail on left ip link del tun
	cmd_mayfail on right ip link del tun
	default_mode open
	tunnel
	wait_for 60 passes
}

in_use()
{
	END=$((EPOCHSECONDS + 600))
	for what in "${TRAFFIC[@]}" lists; do
		while [ ! -e "$WORK/end" ]; do
			$what
		done >/dev/null 2>&1 </dev/null &
	done
	wait_for 60 passes
}

is_loaded()
{
	[ -d /sys/module/fz ]
}

# unload HOW: with traffic and dumps
unload()
{
	local what

	rm -f "$WORK/end"
	sysctl -qw kernel.modprobe=/bin/false
	in_use
	if [ "$1" = deleted ]; then
		cmd_ok on left ip link del tun
		cmd_ok on right ip link del tun
	fi
	# A dump holds the module for as long as it takes.
	wait_for 120 rmmod fz
	cmd_fail is_loaded
	for what in left right; do
		cmd_fail on "$what" ip link show tun
	done
	touch "$WORK/end"
	wait
	cmd_ok modprobe fz
	fresh
}

# Deleted devices are freed. What the kernel keeps of each one that is not shows where it tracks their
# references; elsewhere in its memory, and a device has some 20 kB.
tracked()
{
	find /sys/kernel/debug/ref_tracker -name 'netdev*' | wc -l
}

unreclaimable()
{
	awk '$1 == "SUnreclaim:" { print $2 }' /proc/meminfo
}

churn()
{
	local n

	for ((n = 0; n < $1; n++)); do
		cmd_ok on left ip link add churn type fz
		cmd_ok on left ip link del churn
	done
}

at_most()
{
	[ "$($1)" -le "$2" ]
}

freed()
{
	local most

	churn 20
	if [ -d /sys/kernel/debug/ref_tracker ]; then
		most=$(tracked)
		churn 5
		wait_for 30 at_most tracked "$most"
	else
		most=$(($(unreclaimable) + 1000))
		churn 100
		wait_for 30 at_most unreclaimable "$most"
	fi
}

host left right
cable left eth 192.0.2.1/24 2001:db8::1/64 right eth 192.0.2.2/24 2001:db8::2/64
tunnel
check "everything at once for $DURATION s" everything
check "the tunnel recovers" recovers
check "a new tunnel" fresh
check "deleted devices are freed" freed
check "unloaded after its links were deleted, with traffic and dumps" unload deleted
check "unloaded with its links, with traffic and dumps" unload alive
finish_tests
