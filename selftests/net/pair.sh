# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Two ends of a tunnel, for the tests that source this file after lib.sh.
#
#	        left                                        right
#	  tun 192.168.7.1/24 ------------------------ 192.168.7.2/24 tun
#	      fd07::1/64                              fd07::2/64
#	  eth 192.0.2.1/24 --------- veth ----------- 192.0.2.2/24 eth
#	      192.0.2.3/24 (roaming)                  192.0.2.4/24 (roaming)
#	      2001:db8::1/64                          2001:db8::2/64
#
# The initiator is left: only left knows where the other end is. PAIR, if it is set, ends the names
# of both hosts: each pair has its own, so that several can play at once.
#
#	pair_hosts		makes them
#	tunnel LEFT-KIND RIGHT-KIND ENDPOINT	makes both ends of a tunnel
#	left COMMAND...		runs it on left, right on right
#	left_ctl COMMAND...	runs what configures left's device, right_ctl right's
#	reaches SIDE ADDRESS [OPTION...]	fails the case unless a ping is answered
#	copy FROM TO FAMILY ADDRESS BYTES	fails the case unless TCP carries them over
#	add_pair LEFT-KIND RIGHT-KIND, play TITLE FUNCTION	a case on several pairs

PAIR=
umask 077
fzctl genkey >"$WORK/left.key" || skip_all "no fzctl"
fzctl genkey >"$WORK/right.key"
fzctl genpsk >"$WORK/psk"
PUB_LEFT=$(fzctl pubkey <"$WORK/left.key")
PUB_RIGHT=$(fzctl pubkey <"$WORK/right.key")

left()
{
	on "left$PAIR" "$@"
}

right()
{
	on "right$PAIR" "$@"
}

left_ctl()
{
	configure "left$PAIR" "$KIND_LEFT" "$@"
}

right_ctl()
{
	configure "right$PAIR" "$KIND_RIGHT" "$@"
}

pair_hosts()
{
	local side

	host "left$PAIR" "right$PAIR"
	cable "left$PAIR" eth 192.0.2.1/24 2001:db8::1/64 "right$PAIR" eth 192.0.2.2/24 2001:db8::2/64
	for side in left right; do
		# Roaming takes the first address away; the other must not go with it.
		"$side" sysctl -qw net.ipv4.conf.eth.promote_secondaries=1
		# What an end has sent: messages of a handshake have lengths of their own.
		"$side" nft "add table inet count; add counter inet count initiations
			add counter inet count responses; add counter inet count keepalives
			add chain inet count out { type filter hook output priority 0; }
			add rule inet count out udp length 156 counter name initiations
			add rule inet count out udp length 100 counter name responses
			add rule inet count out udp length 40 counter name keepalives"
	done
}

# count SIDE initiations|responses|keepalives: that this end has sent since the last tunnel was made
count()
{
	"$1" nft list counter inet count "$2" | sed -n 's/.*packets \([0-9]*\).*/\1/p'
}

# has_sent SIDE WHAT NUMBER: that many at least
has_sent()
{
	[ "$(count "$1" "$2")" -ge "$3" ]
}

end_del()
{
	device_del "$1$PAIR" tun
}

# end_start SIDE NUMBER: the addresses and the start of that side
end_start()
{
	cmd_ok "$1" ip addr add "192.168.7.$2/24" dev tun
	cmd_ok "$1" ip addr add "fd07::$2/64" dev tun
	cmd_ok "$1" ip link set tun up
}

# left_start ENDPOINT, right_start: as after boot, with nothing but what is configured
left_start()
{
	device_add "left$PAIR" tun "$KIND_LEFT"
	cmd_ok left_ctl set tun private-key "$WORK/left.key" listen-port 1001 \
		peer "$PUB_RIGHT" preshared-key "$WORK/psk" endpoint "$1" \
		allowed-ips 192.168.7.2/32,fd07::2/128
	end_start left 1
}

right_start()
{
	device_add "right$PAIR" tun "$KIND_RIGHT"
	cmd_ok right_ctl set tun private-key "$WORK/right.key" listen-port 1002 \
		peer "$PUB_LEFT" preshared-key "$WORK/psk" allowed-ips 192.168.7.1/32,fd07::1/128
	end_start right 2
}

# line_reset SIDE LAST-BYTE ROAMING-LAST-BYTE: as it was in the beginning
line_reset()
{
	cmd_mayfail "$1" tc qdisc del dev eth root
	cmd_ok "$1" ip link set eth mtu 1500
	cmd_ok "$1" ip -4 addr flush dev eth
	cmd_ok "$1" ip addr add "192.0.2.$2/24" dev eth
	cmd_ok "$1" ip addr add "192.0.2.$3/24" dev eth
	cmd_ok "$1" nft reset counters table inet count
}

# tunnel LEFT-KIND RIGHT-KIND ENDPOINT: both ends, up
tunnel()
{
	end_del left
	end_del right
	KIND_LEFT=$1 KIND_RIGHT=$2
	line_reset left 1 3
	line_reset right 2 4
	right_start
	left_start "$3"
}

handshakes()
{
	left_ctl show tun latest-handshakes | cut -f2
}

received()
{
	"$1" show tun transfer | cut -f2
}

sent()
{
	"$1" show tun transfer | cut -f3
}

# endpoint_is left_ctl|right_ctl ENDPOINT: where that side sends to
endpoint_is()
{
	"$1" show tun endpoints | grep -qF "$2"
}

# reaches SIDE ADDRESS [OPTION...]
reaches()
{
	cmd_ok "$1" ping -c 1 -W 10 "${@:3}" "$2"
}

# shape NETEM...: what the line does to packets, both ways, until the next tunnel is made
shape()
{
	cmd_ok left tc qdisc replace dev eth root netem "$@"
	cmd_ok right tc qdisc replace dev eth root netem "$@"
}

# copy FROM TO FAMILY ADDRESS BYTES: from one end to the other by TCP
copy()
{
	local file=$WORK/copy-$1$PAIR server

	head -c "$5" /dev/urandom >"$file.sent"
	"$2" timeout 300 socat -u -b 65536 "TCP$3-LISTEN:7000,bind=$4,reuseaddr" "CREATE:$file.received" &
	server=$!
	wait_for 20 copy_awaited "$2"
	cmd_ok "$1" timeout 300 socat -u -b 65536 "OPEN:$file.sent" "TCP$3:$4:7000"
	wait "$server"
	cmd_ok cmp "$file.sent" "$file.received"
}

copy_awaited()
{
	"$1" ss -Htln 'sport = :7000' | grep -q .
}

# Several pairs, which play the same cases at the same time.
PAIRS_LEFT=()
PAIRS_RIGHT=()
PAIRS_TITLE=()

# add_pair LEFT-KIND RIGHT-KIND [REMARK]
add_pair()
{
	PAIR=${#PAIRS_TITLE[@]}
	pair_hosts
	PAIRS_LEFT+=("$1")
	PAIRS_RIGHT+=("$2")
	PAIRS_TITLE+=("$1 -> $2${3:+ $3}")
}

# of_pair NUMBER COMMAND...: runs it, in a subshell, as what is done with that pair
of_pair()
{
	local i=$1

	shift
	# shellcheck disable=SC2030
	(PAIR=$i KIND_LEFT=${PAIRS_LEFT[i]} KIND_RIGHT=${PAIRS_RIGHT[i]} && "$@")
}

# play TITLE FUNCTION [ARGUMENT...]: a case, on all pairs. What they say waits in files.
play()
{
	local title=$1 i players=()

	shift
	for i in "${!PAIRS_TITLE[@]}"; do
		of_pair "$i" "$@" >"$WORK/said-$i" 2>&1 &
		players+=($!)
	done
	for i in "${!PAIRS_TITLE[@]}"; do
		wait "${players[i]}"
		check "$title, ${PAIRS_TITLE[i]}" said "$i" $?
	done
}

said()
{
	cat "$WORK/said-$1"
	return "$2"
}
