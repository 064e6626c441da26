#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Asking, with real packets: right enforces and asks about what left opens towards it. pair.sh draws
# the topology. What is held goes on in order when there is a verdict, is refused when there is none in
# time, and whoever was to answer may be killed. A flood of flows that nobody granted leaves those
# that are granted alone.

# shellcheck source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open
# shellcheck source=pair.sh
. "$(dirname "$0")/pair.sh"
pair_hosts
keep_order left eth
keep_order right eth

# A session, and then nothing but TCP/5201 and ICMP is granted; a resource for what is asked about is there.
begin()
{
	tunnel fz fz 192.0.2.2:1002
	reaches left 192.168.7.2
	cmd_ok right_ctl resource add tun granted 192.168.7.2/32 tcp/5201 icmp
	cmd_ok right_ctl resource add tun asked 192.168.7.2/32 udp
	cmd_ok right_ctl grant add tun peer any resource granted in
	cmd_ok right_ctl mode tun in enforce ask
	: >"$WORK/asked"
	: >"$WORK/heard"
	client='' hearer=''
	trap 'for pid in $client $hearer; do kill -9 "$pid"; done' EXIT
}

# The client that answers, $client is its process; what it says is in $WORK/asked.
client_start()
{
	local before

	before=$(grep -c registered "$WORK/asked")
	ip netns exec "$(ns right)" fz-test-client ask tun "$@" >>"$WORK/asked" 2>&1 &
	client=$!
	wait_for 10 said $((before + 1)) registered
}

# said NUMBER WORD: the client said that so often, or more
said()
{
	[ "$(grep -c "^$2" "$WORK/asked")" -ge "$1" ]
}

client_kill()
{
	kill -9 "$client"
	wait "$client" 2>/dev/null || :
	client=
}

# hear [SIDE]: what comes to its port 7 goes to $WORK/heard; right, if none is named
hear()
{
	ip netns exec "$(ns "${1-right}")" socat -u UDP4-RECV:7 "OPEN:$WORK/heard,append" &
	hearer=$!
	wait_for 10 hears "${1-right}"
}

hears()
{
	"$1" ss -Hlun 'sport = :7' | grep -q .
}

# A number from the counters: stat JQ
stat()
{
	right_ctl stats tun --json | jq -r "$1"
}

# refused REASON
refused()
{
	stat ".refused[\"$1\"].in.refused"
}

refused_is()
{
	[ "$(refused "$1")" -ge "$2" ]
}

# turned_away NUMBER: that many packets were refused for the rate or for want of room
turned_away()
{
	[ $(($(refused rate) + $(refused table-full))) -ge "$1" ]
}

last_heard()
{
	[ "$(tail -n 1 "$WORK/heard")" = "$1" ]
}

has_more_than()
{
	[ "$(wc -l <"$WORK/heard")" -gt "$1" ]
}

# The first four wait, and whatever comes while they are sent on comes after them. What comes before there
# is a verdict, and finds four waiting, is refused. It goes on coming until there is one.
in_order()
{
	local sent

	begin
	hear
	client_start asked
	left bash -c '
		exec 3<>/dev/udp/192.168.7.2/7
		for ((i = 1; i <= 4; i++)); do echo $i >&3; done
		read -r _ <"$1"
		for (( ; i < 100000; i++)); do
			echo $i >&3
			[ ! -e "$2" ] || break
			read -rt 0.002 _ <>"$3"
		done
		echo $i >"$4"' - "$WORK/go" "$WORK/full" "$WORK/never" "$WORK/last" &
	wait_for 10 said 1 "request 7"
	equal "$(wc -l <"$WORK/heard")" 0 "number of datagrams before the verdict"
	: >"$WORK/go" &
	kill -USR1 "$client"
	wait_for 10 said 1 "answered 1"
	wait_for 10 has_more_than 10
	: >"$WORK/full"
	wait_for 20 test -s "$WORK/last"
	sent=$(cat "$WORK/last")
	wait_for 20 last_heard "$sent"
	equal "$(head -n 4 "$WORK/heard" | tr '\n' ' ')" "1 2 3 4 " "what was heard first"
	cmd_ok sort -cnu "$WORK/heard"
	equal $(($(wc -l <"$WORK/heard") + $(refused table-full))) "$sent" "number heard, or come too soon"
	equal "$(stat .requests)" 1 "number of requests"
}

# Nobody says anything for two seconds: refused, and asked again.
in_time()
{
	begin
	hear
	client_start asked
	left bash -c 'echo 1 >/dev/udp/192.168.7.2/7'
	wait_for 10 said 1 "request 7"
	wait_for 20 refused_is timeout 1
	kill -USR1 "$client"
	wait_for 10 said 1 "answered 0"
	left bash -c 'echo 2 >/dev/udp/192.168.7.2/7'
	wait_for 10 said 2 "request 7"
	kill -USR1 "$client"
	wait_for 10 said 1 "answered 1"
	wait_for 10 last_heard 2
	equal "$(wc -l <"$WORK/heard")" 1 "number of datagrams"
}

asks_again()
{
	left bash -c 'echo again >/dev/udp/192.168.7.2/7'
	said 2 "request 7"
}

# A refusal is remembered for as long as it says, two seconds: no request meanwhile, one afterwards.
remembered()
{
	begin
	client_start
	left bash -c 'echo 1 >/dev/udp/192.168.7.2/7'
	wait_for 10 said 1 "request 7"
	kill -USR2 "$client"
	wait_for 10 said 1 "answered 1"
	equal "$(refused refused)" 1 "number of packets refused"
	wait_for 20 asks_again
	[ "$(refused refused)" -gt 1 ] || fail "the refusal was not remembered"
}

# explains VERDICT: of a flow like those that are asked about
explains()
{
	equal "$(right_ctl explain tun peer "$PUB_LEFT" in udp 192.168.7.1:9999 192.168.7.2:9999 --json | jq -r .verdict)" "$1"
}

# Whoever was to answer is killed: what is held is refused when its time is over, nothing is held any
# more, and another can answer at once.
killed()
{
	begin
	hear
	client_start
	for port in 7 8 9; do left bash -c "echo 1 >/dev/udp/192.168.7.2/$port"; done
	wait_for 10 said 3 request
	explains ask
	client_kill
	wait_for 10 explains refuse
	left bash -c 'echo 2 >/dev/udp/192.168.7.2/10'
	wait_for 10 refused_is no-grant 1
	equal "$(stat .requests)" 3 "number of requests"
	wait_for 20 refused_is timeout 3
	client_start asked
	left bash -c 'echo 3 >/dev/udp/192.168.7.2/7'
	wait_for 10 said 4 request
	kill -USR1 "$client"
	wait_for 10 last_heard 3
	equal "$(wc -l <"$WORK/heard")" 1 "number of datagrams"
}

# Thousands of flows, of which the client hears 64 and then 32 a second at most, and of which no more
# than 64 wait. TCP that is granted goes on beside it, and new flows that are granted begin.
flood()
{
	local begun stream requests asked=0

	begin
	client_start
	ip netns exec "$(ns right)" iperf3 -s -1 -B 192.168.7.2 >/dev/null 2>&1 &
	wait_for 10 iperf_awaited right 192.168.7.2
	begun=$SECONDS
	left bash -c '
		while [ ! -e "$1" ]; do
			for ((i = 0; i < 500; i++)); do
				echo >"/dev/udp/192.168.7.2/$((20000 + RANDOM))"
			done
		done' - "$WORK/enough" 2>/dev/null &
	wait_for 20 turned_away 1000
	cmd_ok left timeout 60 iperf3 -c 192.168.7.2 -n 20M
	reaches left 192.168.7.2
	wait_for 20 turned_away 5000
	: >"$WORK/enough"
	wait $!
	requests=$(stat .requests)
	[ "$requests" -ge 64 ] || fail "only $requests requests"
	[ "$requests" -le $((64 + 32 * (SECONDS - begun + 1))) ] ||
		fail "$requests requests in $((SECONDS - begun)) s"
	wait_for 10 said "$requests" request
	equal "$(grep -c ^request "$WORK/asked")" "$requests" "number of requests that came"
	# Nothing is held for ever.
	wait_for 20 refused_is timeout "$requests"
}

# What a process lent to the kernel, and changes after it was judged: what was judged goes.
lent()
{
	begin
	cmd_ok right_ctl resource add tun back 192.168.7.1/32 udp/7
	cmd_ok right_ctl mode tun out enforce ask
	hear left
	client_start back
	cmd_ok right /usr/bin/python3 ring.py tun 192.168.7.2 192.168.7.1 7 9 "$WORK/asked"
	wait_for 10 said 1 "request 7"
	kill -USR1 "$client"
	wait_for 10 last_heard lent
}

mkfifo "$WORK/go"
check "held packets go on in order, and others behind them" in_order
check "no verdict in time is a refusal, and the next packet asks again" in_time
check "a refusal is remembered for its time" remembered
check "a client that is killed holds nothing up" killed
check "what is held is no longer its sender's" lent
check "a flood of flows asks at its rate, and leaves granted flows alone" flood
finish_tests
