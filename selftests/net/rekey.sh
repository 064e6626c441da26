#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sessions that follow each other lose nothing: 20 packets a second each way, over a line on which
# many are under way, past the moment when the session is renewed. After an ordinary beginning, and
# after one where both ends initiated at the same moment. All pairs at once, for it takes 120 s.
# pair.sh draws the topology; here both ends know where the other is. The long form waits for three
# renewals.

# shellcheck source=lib.sh disable=SC2031,SC2317
. "$(dirname "$0")/lib.sh"
[ -z "${FZ_SHORT-}" ] || skip_all "takes more than two minutes"
need_module
default_mode open
# shellcheck source=pair.sh
. "$(dirname "$0")/pair.sh"

REKEYS=1
[ -z "${FZ_LONG-}" ] || REKEYS=3
PACKETS=$(((REKEYS * 120 + 12) * 20))

# How each pair begins, by its number.
HOW=()

# Left begins.
begin()
{
	reaches left 192.168.7.2
	equal "$(count left initiations) $(count right initiations)" "1 0" "number of initiations"
}

# Both begin, each before it can have heard of the other: the line is long enough for a slow machine.
begin_crossing()
{
	local one other

	shape delay 1s
	left ping -c 1 -W 10 192.168.7.2 >/dev/null &
	one=$!
	right ping -c 1 -W 10 192.168.7.1 >/dev/null &
	other=$!
	wait "$one" "$other"
	equal "$(count left initiations) $(count right initiations)" "1 1" "number of initiations"
}

# pings SIDE ADDRESS: all that a side sends, and how it went in a file
pings()
{
	"$1" ping -q -i 0.05 -c "$PACKETS" -W 5 "$2" >"$WORK/pings-$1$PAIR"
}

# One initiation for each renewal, by whichever end begins. A slow machine takes longer to send so many
# packets, and renews more often: never before 120 s are over.
renewals()
{
	local begun=$SECONDS one other side first more most

	tunnel "$KIND_LEFT" "$KIND_RIGHT" 192.0.2.2:1002
	cmd_ok right_ctl set tun peer "$PUB_LEFT" endpoint 192.0.2.1:1001
	"${HOW[PAIR]}"
	first=$(($(count left initiations) + $(count right initiations)))
	shape delay 200ms
	pings left 192.168.7.2 &
	one=$!
	pings right 192.168.7.1 &
	other=$!
	wait "$one" "$other"
	for side in left right; do
		echo "# $side: $(grep transmitted "$WORK/pings-$side$PAIR")"
		grep -q "^$PACKETS packets transmitted, $PACKETS received, 0% packet loss" \
			"$WORK/pings-$side$PAIR" || fail "lost packets of $side"
	done
	more=$(($(count left initiations) + $(count right initiations) - first))
	echo "# $more renewals in $((SECONDS - begun)) s"
	most=$(((SECONDS - begun) / 120))
	# Starved, it asks once more before it has come to read the answer.
	[ "$KIND_LEFT" != wireguard-go ] || most=$((most + 1))
	if [ "$more" -lt "$REKEYS" ] || [ "$more" -gt "$most" ]; then
		fail "number of renewals"
	fi
}

# add_case HOW LEFT-KIND RIGHT-KIND [REMARK]
add_case()
{
	HOW+=("$1")
	add_pair "${@:2}"
}

for other in $(kinds); do
	add_case begin fz "$other"
	if [ "$other" != fz ]; then add_case begin "$other" fz; fi
	add_case begin_crossing fz "$other" "after initiations crossed"
done
play renewal renewals
finish_tests
