#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the kernel tells is all, or it is said how much is missing: told, suppressed and lost add up to
# what happened. The end of a flow has its packets, bytes and duration exactly, a refusal the tag of
# the policy that refused.
if [ -z "${FZ_INSIDE-}" ] && [ "$(id -u)" = 0 ]; then
	FZ_INSIDE=1 exec unshare --net bash "$0" "$@"
fi
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_module
command -v jq >/dev/null || skip_all "needs jq"
host one two

WATCHERS=()
TAG=000102030405060708090a0b0c0d0e0f

# watch HOST FILE GROUP...: until unwatch. "-" is no host. It listens when it tells of a policy.
watch()
{
	local where=() file=$2

	[ "$1" = - ] || where=(ip netns exec "$(ns "$1")")
	"${where[@]}" setpriv --pdeathsig KILL fzctl monitor "${@:3}" policy --json >"$file" &
	WATCHERS+=($!)
	wait_for 20 heard "$file" "${where[@]}"
}

heard()
{
	"${@:2}" fzctl resource add fz0 heard 192.0.2.0/24
	grep -q '"name":"heard"' "$1"
}

unwatch()
{
	kill "${WATCHERS[@]}"
	wait "${WATCHERS[@]}"
	WATCHERS=()
}

# send COUNT [NETWORK]: so many datagrams, each to another port, as many as sockets take
send()
{
	/usr/bin/python3 - "$1" "${2-10.7}" <<-'PYTHON'
	import socket, sys
	sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	for i in range(int(sys.argv[1])):
	    sock.sendto(b'?', (f'{sys.argv[2]}.1.{i // 60000}', 1 + i % 60000))
	PYTHON
}

stat() { fzctl stats fz0 --json | jq "$1"; }

# told KIND FILE, suppressed FILE, lost FILE: how many events
told() { grep -c "\"event\":\"$1\"" "$2"; }
suppressed() { sum suppressed "$1"; }
lost() { sum lost "$1"; }
# The last line may still be on its way.
sum() { grep -o "\"$1\":[0-9]*" "$2" | awk -F: '{ n += $2 } END { print n + 0 }'; }

# Those that came too fast are told of when a second has passed.
refusals_add_up()
{
	local sum=$(($(told denial "$WORK/denials") + $(suppressed "$WORK/denials")))

	[ $sum = "$(stat '[.refused[].out.refused] | add')" ]
}

refusals()
{
	device_alone
	watch - "$WORK/denials" denials
	cmd_ok send 20000
	equal "$(stat '.refused["no-grant"].out.refused')" 20000 "refused packets"
	wait_for 20 refusals_add_up
	equal "$(lost "$WORK/denials")" 0 "lost"
	[ "$(suppressed "$WORK/denials")" -gt 0 ] || fail "there were too few of them for this test"
	equal "$(stat .events_suppressed)" "$(suppressed "$WORK/denials")" "suppressed, by the kernel's count"
	# each is one of a packet: nothing but the count is in an event of its own
	cmd_fail grep -q '"verdict":"pass"' "$WORK/denials"
	unwatch
}

# One flow over its rate, a refusal for each packet: it leaves room for those of others.
too_fast()
{
	device_alone
	cmd_ok fzctl resource add fz0 slow 10.7.0.80 udp/1
	cmd_ok fzctl grant add fz0 any resource slow out rate 8kbit
	watch - "$WORK/denials" denials
	/usr/bin/python3 - <<-'PYTHON'
	import socket
	sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	sock.connect(('10.7.0.80', 1))
	for _ in range(20000):
	    sock.send(b'?')
	other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	for port in range(100):
	    other.sendto(b'?', ('10.7.0.81', 1000 + port))
	PYTHON
	wait_for 20 refusals_add_up
	equal "$(grep -c '"reason":"no-grant"' "$WORK/denials")" 100 "other refusals"
	cmd_ok grep -q '"reason":"rate"' "$WORK/denials"
	unwatch
}

# A monitor that does not read for a while.
flows_add_up()
{
	local sum=$(($(told flow-start "$WORK/flows") + $(told flow-end "$WORK/flows") + $(lost "$WORK/flows")))

	sum=$((sum + $(stat .events_suppressed)))
	echo "$sum of 40000"
	[ $sum = 40000 ]
}

flows()
{
	device_alone
	cmd_ok fzctl resource add fz0 all 10.7.0.0/16
	cmd_ok fzctl grant add fz0 any resource all out
	watch - "$WORK/flows" flows
	kill -STOP "${WATCHERS[@]}"
	cmd_ok send 20000
	equal "$(stat .flows_created)" 20000 "flows"
	cmd_ok fzctl flow flush fz0
	kill -CONT "${WATCHERS[@]}"
	wait_for 30 flows_add_up
	[ "$(lost "$WORK/flows")" -gt 0 ] || fail "there were too few of them for this test"
	unwatch
}

# The ends of all flows of ten devices at once; with --long 100,000, as many as one device may tell of in ten
# seconds. So much fits the limits of the kernel: what is missing was lost by the monitor.
crowds()
{
	local count=1000 i before

	[ -z "${FZ_LONG-}" ] || count=10000
	EVENTS=$((2 * 10 * count))
	for i in {0..9}; do
		ip link del "fz$i" 2>/dev/null
		cmd_ok ip link add "fz$i" type fz
		cmd_ok fzctl set "fz$i" private-key <(fzctl genkey) peer "$(fzctl genkey | fzctl pubkey)" \
			allowed-ips "10.2$i.0.0/16" endpoint 192.0.2.1:9
		cmd_ok ip addr add "10.2$i.0.1/16" dev "fz$i"
		cmd_ok ip link set "fz$i" up
		cmd_ok fzctl resource add "fz$i" all "10.2$i.0.0/16"
		cmd_ok fzctl grant add "fz$i" any resource all out
	done
	watch - "$WORK/crowds" flows
	for i in {0..9}; do
		cmd_ok send "$count" "10.2$i"
	done
	before=${EPOCHREALTIME/[.,]/}
	for i in {0..9}; do
		cmd_ok fzctl flow flush "fz$i"
	done
	echo "# $((10 * count)) flows ended within $(((${EPOCHREALTIME/[.,]/} - before) / 1000)) ms"
	wait_for 60 crowds_add_up
	equal "$(suppressed "$WORK/crowds")" 0 "suppressed"
	equal "$(for i in {0..9}; do fzctl stats "fz$i" --json; done | jq -s 'map(.events_suppressed) | add')" 0 \
		"suppressed, by the kernel's count"
	echo "# $(told flow-end "$WORK/crowds") told of within $((($(last_end) - before) / 1000)) ms, $(lost "$WORK/crowds") lost"
	unwatch
	for i in {1..9}; do
		cmd_ok ip link del "fz$i"
	done
}

crowds_add_up()
{
	[ $(($(told flow-start "$WORK/crowds") + $(told flow-end "$WORK/crowds") + $(suppressed "$WORK/crowds") + \
		$(lost "$WORK/crowds"))) = $EVENTS ]
}

# Microseconds since 1970.
last_end()
{
	echo $(($(date -d "$(grep '"event":"flow-end"' "$WORK/crowds" | tail -n 1 | jq -r .time)" +%s%N) / 1000))
}

# All objects of a message are told of, each for itself.
policies()
{
	device_alone
	watch - "$WORK/policy"
	printf 'resource add fz0 r%d 10.0.0.0/8\n' {1..50} >"$WORK/batch"
	printf 'fzctl grant add fz0 any resource r%d\n' {1..50} >>"$WORK/batch"
	cmd_ok fzctl batch "$WORK/batch"
	wait_for 20 policies_add_up
	equal "$(jq -r 'select(.change == "resource-new").resource.name' "$WORK/policy" | sort -u | wc -l)" 51 \
		"resources that are named"
	equal "$(jq -r 'select(.change == "grant-new").grant.resource' "$WORK/policy" | sort -u | wc -l)" 50 \
		"grants that are named"
	unwatch
}

policies_add_up() { [ "$(grep -c '"event":"policy".*"r[0-9]*"' "$WORK/policy")" = 100 ]; }

tags()
{
	device_alone
	cmd_ok fzctl resource add fz0 web 10.7.0.80 udp/1
	cmd_ok fzctl grant add fz0 peer "$KEY" resource web out deny tag $TAG
	watch - "$WORK/denials" denials
	echo >/dev/udp/10.7.0.80/1
	wait_for 20 jq -e "select(.reason == \"denied\" and .resource == \"web\" and .tag == \"$TAG\")" "$WORK/denials"
	cmd_ok fzctl grant add fz0 peer "$KEY" resource web out for 1s tag $TAG
	wait_for 20 expired
	cmd_ok jq -e "select(.reason == \"expired\" and .resource == \"web\" and .tag == \"$TAG\")" "$WORK/denials"
	unwatch
}

expired()
{
	echo >/dev/udp/10.7.0.80/1
	grep -q '"reason":"expired"' "$WORK/denials"
}

# A tunnel, and who answers 4 of 10 datagrams.
conversation()
{
	local name

	cable one v0 192.0.2.1/24 2001:db8::1/64 two v0 192.0.2.2/24 2001:db8::2/64
	fzctl genkey >"$WORK/k1"
	fzctl genkey >"$WORK/k2"
	umask 077
	for name in one two; do
		cmd_ok on $name ip link add fz0 type fz
	done
	on one fzctl set fz0 private-key "$WORK/k1" peer "$(fzctl pubkey <"$WORK/k2")" allowed-ips 10.8.0.2/32 \
		endpoint 192.0.2.2:2000
	on two fzctl set fz0 private-key "$WORK/k2" listen-port 2000 peer "$(fzctl pubkey <"$WORK/k1")" \
		allowed-ips 10.8.0.1/32
	on one ip addr add 10.8.0.1/24 dev fz0
	on two ip addr add 10.8.0.2/24 dev fz0
	on one ip link set fz0 up
	on two ip link set fz0 up
	for name in one two; do
		cmd_ok on $name fzctl resource add fz0 echo 10.8.0.2 udp/7 tcp/7
		cmd_ok on $name fzctl grant add fz0 any resource echo "$([ $name = one ] && echo out || echo in)" tag $TAG
	done
	ip netns exec "$(ns two)" setpriv --pdeathsig KILL /usr/bin/python3 - <<-'PYTHON' &
	import socket, threading
	udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	udp.bind(('10.8.0.2', 7))
	tcp = socket.create_server(('10.8.0.2', 7))
	def echo_udp():
	    while True:
	        data, peer = udp.recvfrom(2000)
	        if data[0] < 4:
	            udp.sendto(data[:50], peer)
	threading.Thread(target=echo_udp, daemon=True).start()
	while True:
	    connection, _ = tcp.accept()
	    while data := connection.recv(65536):
	        connection.sendall(data)
	    connection.close()
	PYTHON
	SERVER=$!
	wait_for 60 answers
}

answers()
{
	[ "$(on two ss -Hlun 'sport = 7' | wc -l)" = 1 ] && [ "$(on two ss -Hltn 'sport = 7' | wc -l)" = 1 ]
}

# Each side's file of events, and the times around the first packet and the end.
exact_ends()
{
	local name before after end

	conversation
	for name in one two; do
		watch $name "$WORK/$name" flows
	done
	before=${EPOCHREALTIME/[.,]/}
	cmd_ok on one /usr/bin/python3 - "$WORK/first" <<-'PYTHON'
	import socket, sys, time
	udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	udp.settimeout(10)
	udp.connect(('10.8.0.2', 7))
	for i in range(10):
	    udp.send(bytes([i]) * 100)
	    if i == 0:
	        open(sys.argv[1], 'w').write(str(time.time_ns() // 1000))
	    if i < 4 and len(udp.recv(2000)) != 50:
	        sys.exit('another length')
	PYTHON
	after=$(cat "$WORK/first")
	# before the end, all ten have to be there
	wait_for 20 ten_arrived
	end=${EPOCHREALTIME/[.,]/}
	for name in one two; do
		cmd_ok on $name fzctl grant del fz0 any resource echo "$([ $name = one ] && echo out || echo in)"
	done
	for name in one two; do
		wait_for 20 ended "$WORK/$name" udp
		jq -c 'select(.event == "flow-end" and .flow.tuple.protocol == "udp").flow' "$WORK/$name" >"$WORK/flow"
		equal "$(jq -c '[.orig_packets, .orig_bytes, .reply_packets, .reply_bytes, .end, .tag, .resource]' "$WORK/flow")" \
			"[10,1280,4,312,\"revoked\",\"$TAG\",\"echo\"]" "the end, as $name tells it"
		cmd_ok jq -e --argjson before $before --argjson after "$after" --argjson last $end \
			--argjson now "${EPOCHREALTIME/[.,]/}" \
			'.age_ms >= ($last - $after) / 1000 - 2 and .age_ms <= ($now - $before) / 1000 + 2' "$WORK/flow"
	done
	unwatch
	kill $SERVER
}

ten_arrived()
{
	on two fzctl flow list fz0 --json | jq -e 'any(.tuple.protocol == "udp" and .orig_packets == 10)'
}

ended() { jq -e "select(.event == \"flow-end\" and .flow.tuple.protocol == \"$2\")" "$1"; }

check "refusals: told and suppressed are all" refusals
check "refusals for being too fast leave room for others" too_fast
check "flows: told, suppressed and lost are all" flows
check "flows of ten devices: told and lost are all" crowds
check "policy: each object of a message is told" policies
check "refusals carry the tag of the policy" tags
check "ends of flows are exact" exact_ends
finish_tests
