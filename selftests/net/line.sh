# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What passes a line and how, for the tests that source this file in the place of pair.sh.
#
#	both_ways		fails the case unless TCP carries $BYTES each way
#	stream_begin FROM TO FAMILY ADDRESS	TCP without end, until stream_end has compared what came
#	stream_goes_on SIDE DEVICE	waits until $BYTES more of it have left there
#	watch SIDE DEVICE FILTER...	captures, until watched has put what was seen into $WORK/seen
#	datagrams		how many of UDP were seen
#	sums_are_right		fails the case unless each of them has the right checksum
#	longest, none_longer BYTES	of what was seen

# shellcheck source=pair.sh
. "$(dirname "$0")/pair.sh"

BYTES=1000000
head -c 65536 /dev/urandom >"$WORK/block"

both_ways()
{
	copy left right 4 192.168.7.2 "$BYTES"
	copy right left 6 '[fd07::1]' "$BYTES"
}

# What a case has begun ends with it, however that is. Not begun by left or right, whose process is not
# the one to end.
WATCH='' STREAM_TO='' STREAM_FROM=''

end_all()
{
	touch "$WORK/enough"
	# shellcheck disable=SC2086
	kill $WATCH $STREAM_TO $STREAM_FROM 2>/dev/null
}

until_enough()
{
	while [ ! -e "$WORK/enough" ]; do
		cat "$WORK/block" 2>/dev/null || break
	done
}

stream_begin()
{
	trap end_all EXIT
	rm -f "$WORK/enough"
	ip netns exec "$(ns "$2$PAIR")" socat -u -b 65536 "TCP$3-LISTEN:7000,bind=$4,reuseaddr" \
		"CREATE:$WORK/stream.received" &
	STREAM_TO=$!
	wait_for 20 copy_awaited "$2"
	until_enough | tee "$WORK/stream.sent" |
		ip netns exec "$(ns "$1$PAIR")" socat -u -b 65536 - "TCP$3:$4:7000" &
	STREAM_FROM=$!
}

bytes_left()
{
	"$1" cat "/sys/class/net/$2/statistics/tx_bytes"
}

have_left()
{
	[ "$(bytes_left "$1" "$2")" -ge "$3" ]
}

stream_goes_on()
{
	wait_for 60 have_left "$1" "$2" $(($(bytes_left "$1" "$2") + BYTES))
	kill -0 "$STREAM_FROM" || fail "the stream has ended"
}

stream_end()
{
	touch "$WORK/enough"
	wait "$STREAM_FROM" || fail "the stream broke off"
	wait "$STREAM_TO" || fail "the stream broke off"
	STREAM_TO='' STREAM_FROM=''
	cmd_ok cmp "$WORK/stream.sent" "$WORK/stream.received"
	rm "$WORK/stream.sent" "$WORK/stream.received"
}

watch()
{
	trap end_all EXIT
	rm -f "$WORK/watch.pcap" "$WORK/watch.err"
	ip netns exec "$(ns "$1$PAIR")" tcpdump -U --immediate-mode -B 32768 -s 66000 -i "$2" \
		-w "$WORK/watch.pcap" "${@:3}" 2>"$WORK/watch.err" &
	WATCH=$!
	wait_for 20 grep -qs 'listening on' "$WORK/watch.err"
}

# The packets are one a line.
watched()
{
	kill "$WATCH"
	wait "$WATCH"
	WATCH=''
	see
}

see()
{
	tcpdump -r "$WORK/watch.pcap" -nn -vv 2>/dev/null | paste -sd " " | sed "s, IP6\? (,\\n&,g" >"$WORK/seen"
}

# The longest payload of UDP or TCP that was seen.
longest()
{
	grep -o 'length [0-9]*' "$WORK/seen" | sort -k 2n | tail -n 1 | cut -d ' ' -f 2
}

none_longer()
{
	[ "$(longest)" -le "$1" ] && return
	grep -m 1 "length $(longest)" "$WORK/seen" | cut -c 1-300
	fail "a packet of $(longest) bytes"
}

# super_packet_seen BYTES: one that is longer
super_packet_seen()
{
	see
	[ "$(longest)" -gt "$1" ]
}

datagrams()
{
	grep -c 'UDP, length' "$WORK/seen"
}

sums_are_right()
{
	local all right

	all=$(datagrams)
	right=$(grep 'UDP, length' "$WORK/seen" | grep -c 'udp sum ok')
	[ "$all" -ge $((BYTES / 1420)) ] || fail "only $all datagrams were seen"
	[ "$right" = "$all" ] && return
	grep 'UDP, length' "$WORK/seen" | grep -m 3 -v 'udp sum ok' | cut -c 1-300
	fail "$((all - right)) of $all datagrams have no right checksum"
}

# Whoever receives has summed up everything.
no_checksum_errors()
{
	local side

	for side in left right; do
		"$side" nstat -asz UdpInCsumErrors Udp6InCsumErrors >"$WORK/errors"
		awk '/InCsumErrors/ { errors += $2; seen++ } END { exit errors || seen != 2 }' "$WORK/errors" ||
			fail "$side: $(grep InCsumErrors "$WORK/errors" | xargs)"
	done
}
