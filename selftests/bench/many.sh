# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2086,SC2154
#
# Many peers that share the load of one device: datagrams of 64 bytes to all of them in turn, and from all
# of them in turn. The device is right's; left has none, but what begins a session for each peer, and then
# counts the messages that come, or sends those that were sealed beforehand. So what is measured is one
# end, and what begins flows is not counted. The program that counts looks each millisecond; and once more, as what is
# called woken, each arrival wakes it: the sooner a packet is there, the fewer it then gets at a time. Of in-tree
# WireGuard and fz in mode enforce, with two grants for each peer, one in each direction; nothing else is loaded into
# that device.
#
# A device is set up when it is needed first, and stays until the guest ends: the in-tree module takes minutes to remove
# 10,000 peers. Between its turns it is down, so that nothing tries to reach peers that do not answer.

peer_port=6000 device_port=51820

# look [_woken]: after how many us the far end looks for what has come; 0: it is woken
look() { if [ "${1-}" = _woken ]; then echo 0; else echo 1000; fi; }

# grant_each COUNT: right may send to each peer, and each peer to right
grant_each()
{
	{
		echo "resource add $dev peers 10.128.0.0/9 udp/$rule_port"
		echo "resource add $dev here 10.0.0.2/32 udp/$rule_port"
		awk -v dev=$dev '$1 == "PublicKey" {
			printf "grant add %s peer %s resource peers out\n", dev, $3
			printf "grant add %s peer %s resource here in\n", dev, $3 }' "$work/$1/sections"
	} >"$work/batch"
	on "$right" fzctl batch "$work/batch"
}

# many_up KIND COMMAND COUNT
many_up()
{
	[ "$3" -lt 1000 ] || echo "$side: making $3 peers, a minute or two" >&2
	hosts
	if [ ! -d "$work/$3" ]; then
		mkdir "$work/$3"
		wg genkey >"$work/$3/key"
		/usr/bin/python3 "$here/sessions.py" make "$3" "$work/$3"
	fi
	{
		printf '[Interface]\nPrivateKey = %s\nListenPort = %s\n' "$(cat "$work/$3/key")" $device_port
		cat "$work/$3/sections"
	} >"$work/many.conf"
	on "$right" ip link add $dev type "$1"
	on "$right" "$2" setconf $dev "$work/many.conf"
	on "$right" ip addr add 10.0.0.2/24 dev $dev
	[ "$2" != fzctl ] || grant_each "$3"
}

# many_begin COUNT: all have a session, and messages to send; they are of $length bytes
many_begin()
{
	[ -e "/run/netns/$right" ] || many_up "$(kind_of "$side")" "$(control_of "$side")" "$1" || return
	on "$right" ip link set $dev up || return
	on "$right" ip route add 10.128.0.0/9 dev $dev || return
	length=$(on "$left" /usr/bin/python3 "$here/sessions.py" begin "$(wg pubkey <"$work/$1/key")" 192.0.2.2 \
		$device_port $peer_port $((2 * (50000 * seconds + $1))) "$work/$1")
}

# many_halve COUNT: the later half of the messages is for the reader that is woken
many_halve()
{
	local half=$(($(stat -c %s "$work/$1/messages") / 2))

	tail -c $half "$work/$1/messages" >"$work/$1/messages_woken" && truncate -s $half "$work/$1/messages"
}

# many_send COUNT [_woken], many_receive COUNT [_woken]: right does, the former $times times
many_send()
{
	local rate

	rate=$(on "$right" fz-bench-udp send -n "$left" -t "$seconds" -r "$times" -k "$(look "${2-}")" -p "$rule_port" \
		-l $peer_port -a "$1" 10.128.0.0) || return
	echo "peers$1_send${2-} ${rate%% *}"
}

many_receive()
{
	local rate

	rate=$(on "$left" fz-bench-udp send -n "$right" -k "$(look "${2-}")" -p $device_port -l "$rule_port" -s "$length" \
		-a "$1" -f "$work/$1/messages${2-}" 192.0.2.2) || return
	echo "peers$1_receive${2-} ${rate%% *}"
}

# many COUNT
many()
{
	local left=$left-$1 right=$right-$1 length times=3 status=0

	case $side in
	wireguard | enforce) ;;
	*) return 0 ;;
	esac
	many_begin "$1" && many_halve "$1" && seconds=1 many_send "$1" && seconds=1 many_send "$1" _woken &&
		many_receive "$1" && many_receive "$1" _woken || status=1
	on "$right" ip link set $dev down
	return $status
}

figure_peers1() { many 1; }
figure_peers100() { many 100; }
figure_peers10000() { many 10000; }
