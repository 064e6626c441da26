#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Epochs with traffic through the device whose policy is replaced. pair.sh draws the topology; right
# enforces. What is restated loses no packet, whatever becomes of the epoch and of who began it.

# shellcheck source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open
# shellcheck source=pair.sh
. "$(dirname "$0")/pair.sh"
pair_hosts

KEPT=kept=192.168.7.2/32
OTHER=other=10.0.0.0/8

begin()
{
	tunnel fz fz 192.0.2.2:1002
	reaches left 192.168.7.2
	cmd_ok right fz-test-client epochs tun 1 "$KEPT"
	cmd_ok right_ctl mode tun in enforce
	reaches left 192.168.7.2
	: >"$WORK/said"
}

# Echo requests until ping_end, which fails if one had no answer.
ping_start()
{
	ip netns exec "$(ns left)" ping -i 0.002 192.168.7.2 >"$WORK/ping" 2>&1 &
	pinger=$!
	wait_for 20 pinged 20
}

# pinged NUMBER: that many answers, more
pinged()
{
	[ "$(grep -c "bytes from" "$WORK/ping")" -ge "$1" ]
}

answers()
{
	grep -c "bytes from" "$WORK/ping"
}

goes_on()
{
	wait_for 20 pinged $(($(answers) + 20))
}

# ping counts every answer; between two of them that have consecutive numbers none is missing.
ping_end()
{
	goes_on
	kill "$pinger"
	wait "$pinger" 2>/dev/null || :
	sed -n 's/.*icmp_seq=\([0-9]*\).*/\1/p' "$WORK/ping" |
		awk 'NR == 1 { first = $1 } { last = $1 } END { exit last - first + 1 != NR }' ||
		fail "a packet was lost"
}

# An epoch that is begun and staged; $client is its process.
stage()
{
	ip netns exec "$(ns right)" fz-test-client epoch tun "$@" >>"$WORK/said" 2>&1 &
	client=$!
	wait_for 10 grep -q staged "$WORK/said"
}

grants()
{
	right_ctl grant list tun --json | jq -r '[.[].resource] | sort | join(" ")'
}

commits()
{
	begin
	ping_start
	stage "$KEPT" "$OTHER"
	equal "$(grants)" kept "what is granted before the commit"
	goes_on
	kill -USR1 "$client"
	wait "$client" || fail "$(cat "$WORK/said")"
	equal "$(grants)" "kept other" "what is granted after it"
	ping_end
}

# One after the other, as fast as they go.
many()
{
	begin
	ping_start
	cmd_ok right fz-test-client epochs tun 100 "$KEPT" "$OTHER"
	ping_end
	equal "$(grants)" "kept other" "what is granted"
	equal "$(flows)" 1 "number of flows since the last that began"
}

# The flow of the pings is one and the same all the time.
flows()
{
	right_ctl flow list tun --json | jq '[.[] | select(.orig_packets > 100)] | length'
}

left_out()
{
	begin
	ping_start
	stage "$OTHER"
	goes_on
	kill -USR1 "$client"
	wait "$client" || fail "$(cat "$WORK/said")"
	cmd_fail left ping -c 3 -i 0.1 -W 1 192.168.7.2
	kill "$pinger"
	wait "$pinger" 2>/dev/null || :
	equal "$(grants)" other "what is granted"
}

begins()
{
	right fz-test-client epochs tun 1 "$KEPT"
}

# Killed, with all that it had staged: nothing has changed, and another can begin.
killed()
{
	begin
	ping_start
	stage "$OTHER"
	kill -9 "$client"
	wait "$client" 2>/dev/null || :
	equal "$(grants)" kept "what is granted"
	goes_on
	wait_for 10 begins
	ping_end
	equal "$(grants)" kept "what is granted"
}

two()
{
	begin
	ping_start
	stage "$KEPT" "$OTHER"
	right fz-test-client epochs tun 1 "$OTHER" 2>"$WORK/refused" && fail "two epochs at once"
	grep -q "another process has an epoch open on this device" "$WORK/refused" ||
		fail "the second is told: $(cat "$WORK/refused")"
	kill -USR1 "$client"
	wait "$client" || fail "$(cat "$WORK/said")"
	ping_end
	equal "$(grants)" "kept other" "what is granted"
}

check "a commit loses no packet of what is restated" commits
check "a hundred commits lose none" many
check "what is left out ends with the commit" left_out
check "a client that is killed changes nothing" killed
check "the second of two clients is refused" two
finish_tests
