#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fzctl against the module. Its wg verbs must do and print what wg(8) does: the same commands are
# given to a device of each kind, and what comes out is compared byte by byte. Every other noun is
# used, wrong words are refused by name, and what takes --json gives JSON.
if [ -z "${FZ_INSIDE-}" ] && [ "$(id -u)" = 0 ]; then
	FZ_INSIDE=1 exec unshare --net bash "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
need_module
umask 077

# What needs only one device happens here, in a namespace without a name; a tunnel has two hosts.
host one two
fz() { fzctl "$@"; }

has_wireguard()
{
	[ -d /sys/module/wireguard ] || modprobe wireguard 2>/dev/null
}

# Both kinds, freshly made, with nothing on them. What wg says is compared with its device's name
# replaced by ours, so that name has a character that no key has.
WG=wg-0
new_pair()
{
	ip link del fz0 2>/dev/null
	ip link del $WG 2>/dev/null
	cmd_ok ip link add fz0 type fz
	cmd_ok ip link add $WG type wireguard
}

new_device()
{
	ip link del fz0 2>/dev/null
	cmd_ok ip link add fz0 type fz
	cmd_ok fz set fz0 private-key "$WORK/key" peer "$PEER" allowed-ips 10.9.0.0/16
}

# same ARGUMENT...: the same arguments to both programs; DEV stands for the device.
same()
{
	local ours theirs ours_is theirs_is

	ours=$(fzctl "${@/#DEV/fz0}" 2>&1)
	ours_is=$?
	theirs=$(wg "${@/#DEV/$WG}" 2>&1)
	theirs_is=$?
	theirs=${theirs//$WG/fz0}
	ours=${ours//fzctl: /}
	if [ "$ours" != "$theirs" ]; then
		diff <(echo "$theirs") <(echo "$ours") | head -20 | sed 's/^/# /'
		fail "differs from wg: $*"
	fi
	[ $((ours_is != 0)) = $((theirs_is != 0)) ] || fail "exit status $ours_is, of wg $theirs_is: $*"
}

same_state()
{
	same show DEV
	same show DEV dump
	same showconf DEV
}

same_everywhere()
{
	local field

	same_state
	same show all
	for field in public-key private-key listen-port fwmark peers preshared-keys endpoints \
			allowed-ips latest-handshakes transfer persistent-keepalive dump; do
		same show DEV $field
		same show all $field
	done
	WG_HIDE_KEYS=never same show DEV
	WG_COLOR_MODE=always same show DEV
	WG_COLOR_MODE=never same show DEV
}

# Public keys, as many as asked for.
many_keys() { head -c $(($1 * 32)) /dev/urandom | base64 -w 0 | fold -w 42 | head -n "$1" | sed 's/$/A=/'; }

wg_verbs()
{
	local i

	new_pair
	same_state
	same show interfaces
	same set DEV private-key "$WORK/key" listen-port 51820 fwmark 0xcafe
	same_state
	same set DEV peer "$PEER" preshared-key "$WORK/psk" endpoint 192.0.2.1:5 \
		persistent-keepalive 25 allowed-ips 10.0.0.0/8,fd00::/8,192.0.2.0/24
	same set DEV peer "$OTHER" endpoint '[2001:db8::1]:65535' allowed-ips 10.1.2.3,::1
	same_everywhere
	same set DEV peer "$OTHER" allowed-ips 10.0.0.0/8
	same set DEV peer "$PEER" persistent-keepalive off preshared-key /dev/null
	same_state
	same set DEV peer "$PEER" allowed-ips ''
	same set DEV peer "$OTHER" remove fwmark 5
	same set DEV fwmark 5 peer "$OTHER" remove
	same_state
	same set DEV fwmark off
	same_state
	same set DEV peer "$OTHER" endpoint 192.0.2.1:0 allowed-ips '10.0.0.0 /24, 10.0.0.7'
	same_state
	same set DEV peer "$OTHER" allowed-ips ' '
	same_state
	same set DEV private-key /dev/null peer "$PEER" remove peer "$OTHER" remove
	same_state
	# more than a message holds, in both ways
	{
		printf '[Interface]\nPrivateKey = %s\n[Peer]\nPublicKey = %s\n' "$(cat "$WORK/key")" "$PEER"
		for ((i = 0; i < 1500; i++)); do
			echo "AllowedIPs = 10.$((i / 250)).$((i % 250)).0/24, fd00:$i::/32"
		done
		{
			many_keys 299
			echo wg0wg0wg0wg0wg0wg0wg0wg0wg0wg0wg0wg0wg0wg0A=
		} | awk '{ printf "[Peer]\nPublicKey = %s\nAllowedIPs = 172.16.%d.%d/32\n", $0, NR / 250, NR % 250 }'
	} >"$WORK/large"
	same setconf DEV "$WORK/large"
	equal "$(fz show fz0 peers | wc -l)" 301 "peers of the large file"
	equal "$(fz show fz0 allowed-ips | head -1 | wc -w)" 3001 "allowed IPs of its first peer"
	same show DEV dump
}

conf_verbs()
{
	new_pair
	printf '[Interface]\nPrivateKey=%s\nListenPort = 5\nfwmark = 0x7\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.0.0.0/8\nPersistentKeepalive = 9\nPresharedKey = %s\n' \
		"$(cat "$WORK/key")" "$PEER" "$(cat "$WORK/psk")" >"$WORK/a"
	printf '[Peer]\nPublicKey = %s # no more\nAllowedIPs = 10.1.0.0/16, fd00::/8\n' "$OTHER" >"$WORK/b"
	printf '[Interface]\nListenPort = 6\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.2.0.0/16\n' "$PEER" >"$WORK/c"
	same setconf DEV "$WORK/a"
	same_state
	same addconf DEV "$WORK/b"
	same_state
	same syncconf DEV "$WORK/c"
	same_state
	same setconf DEV "$WORK/b"
	same_state
	# what showconf says can be fed back
	fz showconf fz0 >"$WORK/d"
	cmd_ok fz setconf fz0 "$WORK/d"
	same_state
	printf '[Interface]\nAddress = 10.0.0.1/24\n' >"$WORK/e"
	same_refusal "Line unrecognized: \`Address=10.0.0.1/24'" setconf fz0 "$WORK/e"
	printf '[Peer]\nAllowedIPs = 10.0.0.0/8\n' >"$WORK/e"
	same_refusal "A peer is missing a public key" setconf fz0 "$WORK/e"
	same_state
}

# refused STATUS WORD ARGUMENT...: it says WORD, line, and exits with STATUS
refused()
{
	local status=$1 word=$2 said is

	shift 2
	said=$(fz "$@" 2>&1 >/dev/null)
	is=$?
	[ $is = "$status" ] || fail "exit status $is, not $status: fzctl $* (\"$said\")"
	[[ $said == *"$word"* ]] || fail "\"$said\" does not say \"$word\": fzctl $*"
	[ "$(echo "$said" | wc -l)" = 1 ] || fail "more than a sentence: \"$said\""
}

same_refusal()
{
	local word=$1

	shift
	refused 2 "$word" "$@"
}

keys()
{
	local key

	key=$(fzctl genkey)
	equal "$(echo "$key" | fzctl pubkey)" "$(echo "$key" | wg pubkey)" "the public key"
	equal "$(fzctl genpsk | base64 -d | wc -c)" 32 "length of a preshared key"
	(umask 0; fzctl genkey 2>"$WORK/warning" >"$WORK/open")
	(umask 0; wg genkey 2>"$WORK/warning.wg" >"$WORK/open.wg")
	cmd_ok cmp "$WORK/warning" "$WORK/warning.wg"
	for key in foo "${key}x" "${key%?}"; do
		echo "$key" | fzctl pubkey >/dev/null 2>&1 && fail "\"$key\" is taken for a key"
	done
	:
}

usage_errors()
{
	new_device
	refused 2 '"frobnicate"' frobnicate
	refused 2 '"bar"' show fz0 foo bar
	refused 2 "\`foo'" show fz0 foo
	refused 2 foo set fz0 foo bar
	refused 2 "\`foo'" set fz0 peer foo
	refused 2 "\`99999'" set fz0 listen-port 99999
	refused 2 "\`x'" set fz0 fwmark x
	refused 2 "\`10.0.0.300'" set fz0 peer "$PEER" allowed-ips 10.0.0.300
	refused 2 "\`1.2.3.4'" set fz0 peer "$PEER" endpoint 1.2.3.4
	refused 2 /nonexistent set fz0 private-key /nonexistent
	refused 2 /nonexistent setconf fz0 /nonexistent
	refused 2 '"mode"' mode
	refused 2 '"closed"' mode fz0 closed
	refused 2 '"sideways" is neither a direction' mode fz0 sideways enforce
	refused 2 '"up" is neither a direction' mode fz0 up open
	refused 2 '"up" is no mode' mode fz0 in up
	refused 2 '"in"' mode fz0 in
	refused 2 '"inherit"' mode fz0 inherit
	refused 2 '"10.0.0.1/8"' ask-prefixes fz0 10.0.0.1/8
	refused 2 '"make"' resource make
	refused 2 '"add"' resource add
	refused 2 '"web"' resource add fz0 web
	refused 2 '"web"' resource add fz0 web tcp/80
	refused 2 '"10.0.0.1/8"' resource add fz0 web 10.0.0.1/8
	refused 2 '"10.0.0.0/33"' resource add fz0 web 10.0.0.0/33
	refused 2 '"65536"' resource add fz0 web 10.0.0.0/8 tcp/65536
	refused 2 '"90-80"' resource add fz0 web 10.0.0.0/8 tcp/90-80
	refused 2 '"tpc/80" is neither a prefix' resource add fz0 web 10.0.0.0/8 tpc/80
	refused 2 '"10.0.0.300" is no prefix' resource add fz0 web 10.0.0.300
	refused 2 '"proto/256"' resource add fz0 web 10.0.0.0/8 proto/256
	refused 2 'a b' resource add fz0 'a b' 10.0.0.0/8
	refused 2 bytes resource add fz0 "$(printf 'x%.0s' {1..64})" 10.0.0.0/8
	refused 2 '"somebody"' grant add fz0 somebody resource web
	refused 2 '"zzzz"' grant add fz0 peer zzzz resource web
	refused 2 '"10x"' grant add fz0 any resource web for 10x
	refused 2 '"0s"' grant add fz0 any resource web for 0s
	refused 2 '"2001-01-01T00:00"' grant add fz0 any resource web until 2001-01-01T00:00
	refused 2 '"abc"' grant add fz0 any resource web tag abc
	refused 2 '"often"' grant add fz0 any resource web often
	refused 2 '"until"' grant add fz0 any resource web for 1h until 18:00
	refused 2 '"8h"' grant del fz0 any resource web 8h
	refused 2 '"up"' explain fz0 peer "$PEER" up tcp 10.0.0.1 10.0.0.2:80
	refused 2 '"http"' explain fz0 peer "$PEER" in http 10.0.0.1 10.0.0.2:80
	refused 2 '"10.0.0.2"' explain fz0 peer "$PEER" in tcp 10.0.0.1 10.0.0.2
	refused 2 'families' explain fz0 peer "$PEER" in tcp 10.0.0.1 '[fd00::1]:80'
	refused 2 '"icmpv6" is of IPv6' explain fz0 peer "$PEER" in icmpv6 10.0.0.1 10.0.0.2
	refused 2 '"icmp/8" is of IPv4' explain fz0 peer "$PEER" in icmp/8 fd00::1 fd00::2
	refused 2 '"everything"' monitor everything
	refused 2 '"fz1"' stats fz0 fz1
	refused 2 'comes after the command' --json stats fz0
	refused 2 /etc/fz/nosuch.conf up nosuch
	refused 2 /etc/wireguard/nosuch.conf up nosuch
	# nothing of that was applied
	equal "$(fz resource list fz0)$(fz grant list fz0)$(fz ask-prefixes fz0)" "" "what is left of it"
}

# A name that is cut is another device's.
too_long_names()
{
	local long=a-name-of-16-chr verb said

	cmd_ok ip link add "${long:0:15}" type fz
	fz mode "${long:0:15}" >"$WORK/before"
	fz showconf "${long:0:15}" >>"$WORK/before"
	for verb in "mode $long open" "ask-prefixes $long 10.0.0.0/8" "set $long listen-port 5" \
			"resource add $long web 10.0.0.0/8" "grant add $long any resource web" "flow flush $long" \
			"setconf $long /dev/null" "show $long" "stats $long" "resource list $long" "grant list $long"; do
		# shellcheck disable=SC2086
		refused 2 "\"$long\" is no name of a device" $verb
	done
	fz mode "${long:0:15}" >"$WORK/after"
	fz showconf "${long:0:15}" >>"$WORK/after"
	cmd_ok cmp "$WORK/before" "$WORK/after"
	equal "$(fz ask-prefixes "${long:0:15}")$(fz resource list "${long:0:15}")" "" "what was added to it"
	ip link del "${long:0:15}"
	command -v fzagent >/dev/null || return 0
	said=$(fzagent --dev "$long" 2>&1)
	equal $? 2 "the exit status of fzagent"
	[[ $said == *"\"$long\" is no name of a device"* ]] || fail "\"$said\" does not name it"
}

wrong_devices()
{
	local verb

	new_device
	ip link add dummy0 type dummy 2>/dev/null || ip link add dummy0 type bridge
	for verb in show showconf mode ask-prefixes stats "resource list" "grant list" "flow list" "flow flush"; do
		# shellcheck disable=SC2086
		refused 1 '"fz9"' $verb fz9
		# shellcheck disable=SC2086
		refused 1 'wg' $verb dummy0
		# shellcheck disable=SC2086
		refused 1 'wg' $verb lo
	done
	refused 1 '"fz9"' resource add fz9 web 10.0.0.0/8
	refused 1 '"fz9"' grant add fz9 any resource web
	refused 1 '"fz9"' set fz9 listen-port 5
	refused 1 '"fz9"' explain fz9 peer "$PEER" in tcp 10.0.0.1 10.0.0.2:80
	refused 2 '"a-name-that-is-too-long"' resource add a-name-that-is-too-long web 10.0.0.0/8
	if has_wireguard; then
		ip link add wg9 type wireguard
		refused 1 'wireguard device' show wg9
		refused 1 'use wg' resource add wg9 web 10.0.0.0/8
		ip link del wg9
	fi
	ip link del dummy0
}

no_permission()
{
	local said

	new_device
	command -v setpriv >/dev/null || return 0
	cp "$(command -v fzctl)" "$WORK/fzctl"
	chmod 755 "$WORK" "$WORK/fzctl"
	said=$(setpriv --reuid=65534 --clear-groups --inh-caps=-all "$WORK/fzctl" mode fz0 2>&1)
	equal $? 1 "the exit status"
	[[ $said == *permission*CAP_NET_ADMIN* ]] || fail "\"$said\" does not say what is needed"
	said=$(setpriv --reuid=65534 --clear-groups --inh-caps=-all "$WORK/fzctl" show fz9 2>&1)
	equal "$said" 'fzctl: there is no device "fz9"' "what it says of no device"
}

not_loaded()
{
	local said status helper listed listed_is

	ip link del fz0 2>/dev/null
	helper=$(cat /proc/sys/kernel/modprobe)
	rmmod fz 2>/dev/null || return 0	# another test's devices are there
	echo /bin/false >/proc/sys/kernel/modprobe
	said=$(fzctl mode fz0 2>&1)
	status=$?
	listed=$(fzctl 2>&1)
	listed_is=$?
	echo "$helper" >/proc/sys/kernel/modprobe
	modprobe fz
	equal $status 1 "the exit status"
	[[ $said == *"modprobe fz"* ]] || fail "\"$said\" does not say what to do"
	equal "$listed_is" 0 "the exit status of a list of nothing"
	equal "$listed" "$said" "what is said instead of a list"
}

modes()
{
	local default

	new_device
	default=$(fz mode fz0)
	[ "$default" = "$(printf 'in enforce\nout enforce')" ] || fail "a new device has mode $default"
	cmd_ok fz mode fz0 in enforce ask reject
	equal "$(fz mode fz0)" "$(printf 'in enforce ask reject\nout enforce')" mode
	cmd_ok fz mode fz0 observe
	equal "$(fz mode fz0)" "$(printf 'in observe\nout observe')" mode
	cmd_ok fz mode fz0 peer "${PEER:0:12}" out open
	equal "$(fz mode fz0 peer "$PEER")" "$(printf 'in inherit\nout open')" "the peer's mode"
	cmd_ok fz set fz0 peer "$OTHER"
	equal "$(fz mode fz0)" "$(printf 'in observe\nout observe\npeer %s out open' "$PEER")" "who differs"
	cmd_ok fz mode fz0 peer "$PEER" in enforce reject
	equal "$(fz mode fz0 | tail -n +3)" "peer $PEER in enforce reject out open" "who differs"
	equal "$(fz mode fz0 --json | jq -c .peers)" \
		'[{"peer":"'"$PEER"'","in":{"mode":"enforce","ask":false,"reject":true},"out":{"mode":"open","ask":false,"reject":false}}]' JSON
	cmd_ok fz set fz0 peer "$OTHER" remove
	cmd_ok fz mode fz0 peer "$PEER" inherit
	equal "$(fz mode fz0 peer "$PEER")" "$(printf 'in inherit\nout inherit')" "the peer's mode"
	equal "$(fz mode fz0 --json | jq -c .)" \
		'{"in":{"mode":"observe","ask":false,"reject":false},"out":{"mode":"observe","ask":false,"reject":false},"peers":[]}' JSON
	refused 1 'peer' mode fz0 peer "$OTHER" open
	refused 1 '"fz0"' mode fz0 peer "$OTHER"
	cmd_ok fz ask-prefixes fz0 10.0.0.0/8 fd00::/8
	equal "$(fz ask-prefixes fz0 --json | jq -c sort)" '["10.0.0.0/8","fd00::/8"]' "prefixes"
	cmd_ok fz ask-prefixes fz0 192.168.0.0/16
	equal "$(fz ask-prefixes fz0)" 192.168.0.0/16 "prefixes"
	cmd_ok fz ask-prefixes fz0 none
	equal "$(fz ask-prefixes fz0)" "" "prefixes"
}

resources_and_grants()
{
	local similar

	new_device
	cmd_ok fz set fz0 peer "$OTHER"
	cmd_ok fz resource add fz0 web 10.1.0.0/16 fd00::/64 tcp/443,8000-8010 icmp
	cmd_ok fz resource add fz0 all 0.0.0.0/0
	equal "$(fz resource list fz0 --json | jq -c '.[1]')" \
		'{"name":"web","prefixes":["10.1.0.0/16","fd00::/64"],"services":["tcp/443,8000-8010","icmp"],"grants":0}' web
	# what it lists can be said again
	equal "$(fz resource list fz0 | sed -n 's/^all *//p' | tr -s ' ')" "0.0.0.0/0 any 0" all
	cmd_ok fz resource add fz0 web 10.2.0.0/16
	equal "$(fz resource list fz0 --json | jq -c '.[1].prefixes')" '["10.2.0.0/16"]' "replaced prefixes"
	cmd_ok fz grant add fz0 peer "${PEER:0:10}" resource web for 1h tag 000102030405060708090a0b0c0d0e0f
	cmd_ok fz grant add fz0 any resource all out deny
	cmd_ok fz grant add fz0 peer "$OTHER" resource all until "$(date -d +2hours +%Y-%m-%dT%H:%M)"
	equal "$(fz grant list fz0 --json | jq 'length')" 3 grants
	equal "$(fz grant list fz0 peer "$PEER" --json | jq -r '.[] | .resource + .tag + .action')" \
		web000102030405060708090a0b0c0d0e0fallow "the peer's grant"
	cmd_ok fz grant add fz0 peer "$PEER" resource web deny
	equal "$(fz grant list fz0 peer "$PEER" --json | jq -c '[.[] | .action, .lease_ms]')" '["deny",null]' "the changed grant"
	equal "$(fz explain fz0 peer "$PEER" in tcp 10.9.0.1 10.2.0.1:1 --json | jq -r '.verdict + " " + .reason')" \
		"refuse denied" explanation
	cmd_ok fz grant add fz0 peer "$PEER" resource web
	equal "$(fz explain fz0 peer "$PEER" in udp 10.9.0.1:5 10.2.0.1:1 --json | jq -r '.verdict + " " + .grant.resource')" \
		"pass web" explanation
	equal "$(fz explain fz0 peer "$PEER" in proto/47 10.9.0.1 10.3.0.1 | head -1)" "verdict: refuse" explanation
	# limits, of which only the quota is looked at; a type of ICMP
	cmd_ok fz grant add fz0 peer "$PEER" resource web quota 1M rate 1Mbit flows 1/s
	equal "$(fz explain fz0 peer "$PEER" in udp 10.9.0.1:5 10.2.0.1:1 | tail -n 1)" \
		"limits: 0B/1.0M 1Mbit 1/s (what is left of rate and flows is not looked at)" "what is said of limits"
	cmd_ok fz grant add fz0 peer "$PEER" resource web quota 1M
	equal "$(fz explain fz0 peer "$PEER" in udp 10.9.0.1:5 10.2.0.1:1 | tail -n 1)" "limits: 0B/1.0M" "what is said of limits"
	cmd_ok fz grant add fz0 peer "$PEER" resource web
	cmd_ok fz resource add fz0 echo 10.4.0.0/16 icmp/13 icmp/8
	cmd_ok fz grant add fz0 peer "$PEER" resource echo
	equal "$(for type in icmp icmp/8 icmp/13 icmp/13/7 icmp/17; do
		fz explain fz0 peer "$PEER" in $type 10.9.0.1 10.4.0.1 --json | jq -r .verdict
	done | xargs)" "pass pass pass pass refuse" "what is said of types"
	equal "$(fz explain fz0 peer "$PEER" in icmp/13/7 10.9.0.1 10.4.0.1 --json |
		jq -c '.tuple | [.protocol, .icmp_type, .icmp_code]')" '["icmp",13,7]' "the type and code"
	cmd_ok fz resource del fz0 echo
	refused 1 '"nothing"' grant add fz0 any resource nothing
	refused 1 "\"$STRANGER\"" grant add fz0 peer "$STRANGER" resource web
	refused 1 "\"$STRANGER\"" grant del fz0 peer "$STRANGER" resource web
	refused 1 "\"$STRANGER\"" grant list fz0 peer "$STRANGER"
	refused 1 "\"$STRANGER\"" flow list fz0 peer "$STRANGER"
	refused 1 "\"$STRANGER\"" flow flush fz0 peer "$STRANGER"
	refused 1 "\"$STRANGER\"" explain fz0 peer "$STRANGER" in tcp 10.0.0.1 10.2.0.1:1
	refused 1 "\"nothing\"" grant add fz0 peer "$PEER" resource nothing
	refused 1 '"nothing"' resource del fz0 nothing
	refused 1 '"web"' grant del fz0 any resource web out
	cmd_ok fz grant del fz0 any resource all out
	cmd_ok fz resource del fz0 all
	equal "$(fz grant list fz0 --json | jq -r '.[].resource')" web "what is left"
	refused 2 '""' grant add fz0 peer "" resource web
	# a key that begins like the other
	similar=${PEER:0:20}$([ "${PEER:20:1}" = A ] && echo B || echo A)${PEER:21}
	cmd_ok fz set fz0 peer "$similar"
	refused 2 'more than one' grant add fz0 peer "${PEER:0:20}" resource web
	cmd_ok fz set fz0 peer "$similar" remove
	cmd_ok fz grant del fz0 peer "${PEER:0:10}..." resource web
	equal "$(fz stats fz0 --json | jq -c '[.resources, .grants, .peers]')" '[1,0,2]' counters
	cmd_ok fz stats fz0
}

expired() { fz grant list fz0 | grep -q " lab .* expired "; }

limits()
{
	local i prefixes=()

	new_device
	for ((i = 0; i < 4000; i++)); do
		prefixes+=("10.$((i / 250)).$((i % 250)).0/24")
	done
	refused 1 '"many" is too large for a message (some 3072 IPv4' resource add fz0 many "${prefixes[@]}"
	cmd_ok fz resource add fz0 many "${prefixes[@]:0:3000}"
	cmd_ok fz resource add fz0 lab 10.2.0.0/16
	refused 2 '"367d" is longer than a year' grant add fz0 peer "$PEER" resource many for 367d
	cmd_ok fz grant add fz0 peer "$PEER" resource many for 366d
	cmd_ok fz grant add fz0 peer "$PEER" resource lab for 1s
	wait_for 30 expired
}

batches()
{
	local i said

	new_device
	for ((i = 0; i < 2000; i++)); do
		echo "resource add fz0 r$i 10.$((i / 250)).$((i % 250)).0/24 tcp/$((i + 1)) # a comment"
		echo
	done >"$WORK/batch"
	for ((i = 0; i < 2000; i++)); do
		echo "grant add fz0 peer '${PEER:0:20}' resource r$i for 1h"
	done >>"$WORK/batch"
	cmd_ok fz batch "$WORK/batch"
	equal "$(fz stats fz0 --json | jq -c '[.resources, .grants]')" '[2000,2000]' "what the batch added"
	printf 'resource add fz0 a 10.0.0.0/8\nresource add fz0 b 10.0.0.0/8\ngrant add fz0 any resource a\ngrant add fz0 any resource c\ngrant add fz0 any resource b\n' >"$WORK/batch"
	said=$(fz batch "$WORK/batch" 2>&1)
	equal $? 1 "the exit status"
	equal "$said" 'fzctl: line 4: "c": there is no resource of this name' sentence
	equal "$(fz grant list fz0 --json | jq -c '[.[] | select(.peer == "any").resource]')" '["a"]' \
		"what came before the error"
	said=$(fz batch --force <"$WORK/batch" 2>&1)
	equal $? 1 "the exit status"
	equal "$(fz grant list fz0 --json | jq -c '[.[] | select(.peer == "any").resource]')" '["a","b"]' \
		"what was forced"
	printf 'resource del fz0 a\nfrobnicate\nresource del fz0 b\n' >"$WORK/batch"
	said=$(fz batch "$WORK/batch" 2>&1)
	equal $? 2 "the exit status"
	equal "$said" 'fzctl: line 2: "frobnicate" is no command' sentence
	equal "$(fz resource list fz0 --json | jq -c '[.[].name | select(length == 1)]')" '["b"]' "what is left"
	printf "resource del fz0 'b\n" >"$WORK/batch"
	refused 2 'line 1' batch "$WORK/batch"
	printf 'monitor\n' >"$WORK/batch"
	refused 2 '"monitor"' batch "$WORK/batch"
}

tunnel()
{
	local name

	cable one v0 192.0.2.1/24 2001:db8::1/64 two v0 192.0.2.2/24 2001:db8::2/64
	fzctl genkey >"$WORK/k1"
	fzctl genkey >"$WORK/k2"
	for name in one two; do
		on $name ip link del fz0 2>/dev/null
		on $name ip link add fz0 type fz
	done
	K1=$(fzctl pubkey <"$WORK/k1")
	K2=$(fzctl pubkey <"$WORK/k2")
	on one fzctl set fz0 private-key "$WORK/k1" listen-port 1000 peer "$K2" allowed-ips 10.8.0.2/32 \
		endpoint 192.0.2.2:2000
	on two fzctl set fz0 private-key "$WORK/k2" listen-port 2000 peer "$K1" allowed-ips 10.8.0.1/32 \
		endpoint 192.0.2.1:1000
	on one ip addr add 10.8.0.1/24 dev fz0
	on two ip addr add 10.8.0.2/24 dev fz0
	on one ip link set fz0 up
	on two ip link set fz0 up
}

# A line of the file for which the filter is true.
logged() { jq "select($2)" "$1" >"$WORK/found" 2>/dev/null && [ -s "$WORK/found" ]; }

provoke()
{
	on two fzctl resource add fz0 probe 10.8.0.2/32 icmp
	logged "$WORK/events" '.event == "policy" and .change == "resource-new"'
}

flow_listed()
{
	on two fzctl flow list fz0 --json | jq -e 'any(.resource == "probe" and .direction == "in" and
		.tuple.protocol == "icmp" and .orig_packets > 0 and .reply_packets > 0)'
}

# A monitor runs for days.
told_of_day()
{
	on two fzctl mode fz0 observe
	grep -Eq "^$(date +%Y)-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-9.]* fz0 policy mode " "$WORK/told"
}

events_and_flows()
{
	local watcher pinger teller

	tunnel
	ip netns exec "$(ns two)" fzctl monitor --json >"$WORK/events" &
	watcher=$!
	wait_for 30 provoke
	cmd_fail on one ping -c 1 -W 1 10.8.0.2
	cmd_ok on one fzctl mode fz0 out open
	cmd_fail on one ping -c 1 -W 1 10.8.0.2
	wait_for 30 logged "$WORK/events" '.event == "peer" and .type == "handshake"'
	wait_for 30 logged "$WORK/events" '.event == "denial" and .reason == "no-grant" and .tuple.protocol == "icmp" and .direction == "in"'
	cmd_ok on two fzctl grant add fz0 peer "$K1" resource probe for 5m tag 0102030405060708090a0b0c0d0e0f10
	cmd_ok on one ping -c 1 -W 5 10.8.0.2
	wait_for 30 logged "$WORK/events" '.event == "flow-start" and .flow.resource == "probe" and .flow.tag == "0102030405060708090a0b0c0d0e0f10"'
	ip netns exec "$(ns one)" ping -i 0.5 10.8.0.2 >/dev/null &
	pinger=$!
	wait_for 30 flow_listed
	cmd_ok on two fzctl flow list fz0 peer "$K1"
	equal "$(on two fzctl stats fz0 --json | jq '.refused["no-grant"].in.refused > 0 and .flows >= 1')" true counters
	cmd_ok on two fzctl grant del fz0 peer "$K1" resource probe
	wait_for 30 logged "$WORK/events" '.event == "flow-end" and .flow.end == "revoked"'
	wait_for 30 logged "$WORK/events" '.change == "grant-del" and (.grant | keys) == ["direction", "peer", "resource"]'
	wait_for 30 logged "$WORK/events" '.change == "resource-new" and (.resource | has("grants") | not)'
	kill "$pinger"
	cmd_fail on one ping -c 1 -W 1 10.8.0.2
	cmd_ok on two fzctl flow flush fz0
	equal "$(on two fzctl flow list fz0 --json | jq length)" 0 flows
	ip netns exec "$(ns two)" fzctl monitor policy >"$WORK/told" &
	teller=$!
	wait_for 30 told_of_day
	kill "$watcher" "$teller"
	wait "$watcher"
	equal $? 0 "the exit status of monitor"
	cmd_ok jq -e 'has("time") and has("event")' "$WORK/events"
	equal "$(jq -s length "$WORK/events")" "$(wc -l <"$WORK/events")" "objects, one a line,"
	on two fzctl show fz0 --json | jq -e '.[0].peers[0].latest_handshake > 0' >/dev/null || fail "no handshake shown"
}

# A full disk is no end to be silent about; a reader that has seen enough is none to speak of.
unwritable()
{
	local watcher said status=$WORK/status

	new_device
	fzctl monitor policy >/dev/full 2>"$WORK/said" &
	watcher=$!
	wait_for 30 changed_until_gone "$watcher"
	wait "$watcher"
	equal $? 1 "the exit status of a monitor that cannot write"
	equal "$(cat "$WORK/said")" "fzctl: cannot write the output: No space left on device" "what it says"
	(trap '' PIPE; fzctl monitor policy 2>"$WORK/said"; echo $? >"$status") | head -n 1 >"$WORK/first" &
	watcher=$!
	wait_for 30 changed_until_gone "$watcher"
	wait_for 30 changed_until "$status"
	equal "$(cat "$status"; cat "$WORK/said")" 0 "what a monitor says when its reader has gone"
	said=$(fzctl genkey 2>&1 >/dev/full)
	equal $? 1 "the exit status of a key that cannot be written"
	equal "$said" "fzctl: cannot write the output: No space left on device" "what it says"
}

# fits HOST COLUMNS ARGUMENT...: on a terminal that wide, no line of the table is wider
fits()
{
	on "$1" script -qec "stty cols $2; fzctl ${*:3}" /dev/null </dev/null | tr -d '\r' >"$WORK/table"
	equal "$(awk -v max="$2" 'length > max' "$WORK/table")" "" "what does not fit $2 columns"
}

# The widest of everything; and nothing of it is cut but keys and names.
tables()
{
	tunnel
	on two fzctl resource add fz0 a-resource-with-a-name 10.8.0.2/32
	cmd_ok on two fzctl grant add fz0 peer "$K1" resource a-resource-with-a-name for 365d quota 20G rate 10Mbit \
		flows 1000/s tag 000102030405060708090a0b0c0d0e0f
	cmd_ok on two fzctl mode fz0 observe
	cmd_ok on one fzctl mode fz0 open
	cmd_ok on one ping -c 1 -W 5 10.8.0.2
	fits two 80 grant list fz0
	cmd_ok grep -q "/20.0G 10Mbit 1000/s  000102030405060708090a0b0c0d0e0f" "$WORK/table"
	fits two 80 flow list fz0
	cmd_ok grep -q "icmp 10.8.0.1 > 10.8.0.2 type 8 code 0 id" "$WORK/table"
}

changed_until_gone()
{
	fzctl mode fz0 open
	! kill -0 "$1" 2>/dev/null
}

changed_until()
{
	fzctl mode fz0 open
	[ -s "$1" ]
}

quota_used() { on two fzctl grant list fz0 --json | jq -c '.[0] | [.quota, .quota_used, .rate, .flow_rate]'; }

# Of 84 bytes each, request and reply: the fourth reply is the one that does not fit.
quotas()
{
	local watcher text=0102030405060708090a0b0c0d0e0f10

	tunnel
	on two fzctl resource add fz0 probe 10.8.0.2/32 icmp
	on one fzctl mode fz0 out open
	ip netns exec "$(ns two)" fzctl monitor --json >"$WORK/events" &
	watcher=$!
	wait_for 30 provoke
	cmd_ok on two fzctl grant add fz0 peer "$K1" resource probe quota 600 rate 1Gbit flows 1000/s tag $text
	equal "$(quota_used)" '[600,0,1000000000,1000]' "quota, used, rate and flows"
	equal "$(on two fzctl grant list fz0 | awk '/probe/ { print $6, $7, $8 }')" "0B/600B 1Gbit 1000/s" limits
	on one ping -c 4 -i 0.2 -W 5 10.8.0.2 >"$WORK/ping"
	equal "$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$WORK/ping")" 3 replies
	equal "$(quota_used)" '[600,588,1000000000,1000]' "quota, used, rate and flows"
	wait_for 30 logged "$WORK/events" '.event == "flow-end" and .flow.end == "quota" and
		.flow.orig_bytes + .flow.reply_bytes == 588'
	wait_for 30 logged "$WORK/events" '.event == "denial" and .reason == "quota" and .direction == "out" and
		.tag == "'$text'"'
	equal "$(on two fzctl explain fz0 peer "$K1" in icmp 10.8.0.1 10.8.0.2 --json | jq -r .reason)" quota reason
	cmd_fail on one ping -c 1 -W 1 10.8.0.2
	cmd_ok on two fzctl grant add fz0 peer "$K1" resource probe quota 1M
	wait_for 30 logged "$WORK/events" '.change == "grant-new" and
		(.grant | .quota == 1048576 and ([has("quota_used", "packets", "bytes", "flows")] | any | not))'
	cmd_ok on one ping -c 1 -W 5 10.8.0.2
	equal "$(quota_used)" "[1048576,$((588 + 168)),null,null]" "quota, used, rate and flows"
	cmd_ok on two fzctl grant add fz0 peer "$K1" resource probe
	equal "$(quota_used)" '[null,null,null,null]' "quota, used, rate and flows"
	kill "$watcher"
	wait "$watcher"
	refused 2 '"10mbit" is no rate' grant add fz0 any resource probe rate 10mbit
	refused 2 '"0" is no size' grant add fz0 any resource probe quota 0
	refused 2 '"20" is no number of new flows' grant add fz0 any resource probe flows 20
	refused 2 'a size' grant add fz0 any resource probe quota
	refused 2 'quota, rate and flows are for what is allowed, not for a denial' grant add fz0 any resource probe deny quota 1
}

up_and_down()
{
	local before after

	printf '[Interface]\nPrivateKey = %s\nAddress = 10.5.0.1/24, fd05::1/64\nMTU = 1380\nPostUp = echo %%i >%s\nPostDown = echo gone >%s\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.5.0.0/16, 0.0.0.0/0\nEndpoint = 192.0.2.1:5\n' \
		"$(cat "$WORK/key")" "$WORK/up" "$WORK/down" "$PEER" >"$WORK/fzq0.conf"
	before=$(ip rule; ip route show table all; ip -br link)
	cmd_ok fz up "$WORK/fzq0.conf"
	equal "$(cat "$WORK/up")" fzq0 "what PostUp wrote"
	equal "$(fz show fzq0 peers)" "$PEER" "the peer"
	equal "$(ip -o link show fzq0 | grep -o 'mtu [0-9]*')" "mtu 1380" "the MTU"
	cmd_ok sh -c 'ip -o addr show fzq0 | grep "10.5.0.1/24"'
	cmd_ok sh -c 'ip -o -6 addr show fzq0 | grep "fd05::1/64"'
	cmd_ok sh -c 'ip route show dev fzq0 | grep "^10.5.0.0/16"'
	cmd_ok sh -c 'ip route show table 51820 | grep "^default dev fzq0"'
	cmd_ok sh -c 'ip rule | grep "not from all fwmark 0xca6c lookup 51820"'
	equal "$(fz show fzq0 fwmark)" 0xca6c "the mark"
	refused 1 '"fzq0"' up "$WORK/fzq0.conf"
	equal "$(fz show fzq0 peers)" "$PEER" "the peer, after up was refused,"
	cmd_ok fz down "$WORK/fzq0.conf"
	equal "$(cat "$WORK/down")" gone "what PostDown wrote"
	after=$(ip rule; ip route show table all; ip -br link)
	equal "$after" "$before" "what is left"
	refused 1 '"fzq0"' down "$WORK/fzq0.conf"
	# a file whose last step fails leaves nothing
	sed -i 's/^PostUp.*/PostUp = false/' "$WORK/fzq0.conf"
	refused 1 false up "$WORK/fzq0.conf"
	after=$(ip rule; ip route show table all; ip -br link)
	equal "$after" "$before" "what is left of a failure"
	refused 2 .conf up /dev/null
}

helps()
{
	local noun

	cmd_ok fzctl help
	for noun in show set up down reload save strip mode ask-prefixes resource grant flow explain monitor observe-report stats batch; do
		equal "$(fzctl help $noun | tail -n +2)" "$(fzctl $noun --help)" "help of $noun"
		fzctl $noun --help | grep -q "^fzctl $noun" || fail "the help of $noun does not name it"
	done
	for noun in join status why; do
		equal "$(fzctl $noun -h)" "$(fzctl help $noun | tail -n +2)" "help of $noun"
		fzctl $noun -h | grep -q "^fzctl $noun" || fail "the help of $noun does not name it"
	done
	equal "$(for noun in "" $(fzctl help | awk '/^  / { print $1 }'); do fzctl help $noun; done | awk 'length > 80')" "" \
		"help that is wider than a terminal"
	cmd_ok fzctl --version
	new_device
	for noun in $(fz stats fz0 --json | jq -r 'keys_unsorted + (.refused | keys_unsorted) | .[]' | sort -u); do
		grep -q "^[a-z_, -]*\<$noun\>.*	" "$TOP/tools/fzctl/fzctl.8" || fail "fzctl(8) does not say what $noun is"
	done
}

# completes WORD...: what is offered for the last of the words, as bash cuts them
completes()
{
	COMP_LINE="$*"
	COMP_POINT=${#COMP_LINE}
	COMPREPLY=()
	_fzctl
	echo "${COMPREPLY[*]}"
}

completion()
{
	. "$TOP/tools/fzctl/completion/fzctl"
	new_device
	cmd_ok fz resource add fz0 web 10.1.0.0/16
	cd "$WORK" && touch batch-file
	equal "$(completes fzctl gra)" grant "the start of a command"
	equal "$(completes fzctl grant add f)" fz0 "a device"
	equal "$(completes fzctl batch batch-)" batch-file "a file"
	equal "$(completes fzctl join f; completes fzctl why f; completes fzctl status f; completes fzctl genkey "")" "" \
		"devices, where none belongs"
	equal "$(completes fzctl admin res)" resource "a noun"
	equal "$(completes fzctl admin resource s)" "set show" "its verbs"
	equal "$(completes fzctl grant add fz0 "")" "peer any" "whose"
	equal "$(completes fzctl grant add fz0 peer "${PEER:0:6}")" "$PEER" "a peer"
	equal "$(completes fzctl grant add fz0 any "")" resource "what"
	equal "$(completes fzctl grant add fz0 peer "$PEER" "")" resource "what, behind a key that bash cuts in two"
	equal "$(completes fzctl grant add fz0 peer "$PEER")" "" "what is behind the cut"
	equal "$(completes fzctl grant add fz0 peer "$PEER" resource "")" web "a resource"
	equal "$(completes fzctl grant del fz0 peer "$PEER" resource web "")" "in out" "a direction"
	equal "$(completes fzctl grant add fz0 any resource web for "")" "" "how long"
	equal "$(completes fzctl grant add fz0 any resource web quota 1G "")" "allow deny for until tag quota rate flows" "terms"
	equal "$(completes fzctl grant add fz0 any resource web f)" "for flows" "terms"
	equal "$(completes fzctl explain fz0 peer "$PEER" in icmp)" "icmp icmpv6" "protocols"
	equal "$(completes fzctl resource add fz0 web 10.1.0.0/16 p)" proto/ "services"
	equal "$(completes fzctl mode fz0 peer "${PEER:0:6}")" "$PEER" "a peer"
	equal "$(completes fzctl observe-report --since "")" "" "since when"
	# names that are written like commands, and like several words
	touch 'zc$(touch ran)' 'zd"e f'
	equal "$(completes fzctl batch zc)" 'zc\$\(touch\ ran\)' "a file's name that is a command"
	equal "$(HOME=$WORK completes fzctl batch "~/zc")" '~/zc\$\(touch\ ran\)' "a file at home"
	equal "$(completes fzctl batch zd)" 'zd\"e\ f' "a file's name that is two words"
	cmd_ok fz resource add fz0 'y$(id>ran)' 10.2.0.0/16
	equal "$(completes fzctl resource del fz0 y)" 'y\$\(id\>ran\)' "a resource's name that is a command"
	[ ! -e ran ] || fail "a name was run"
}

command -v jq >/dev/null || skip_all "needs jq"
fzctl genkey >"$WORK/key"
fzctl genpsk >"$WORK/psk"
PEER=$(fzctl genkey | fzctl pubkey)
OTHER=$(fzctl genkey | fzctl pubkey)
STRANGER=$(fzctl genkey | fzctl pubkey)	# no device has it

if has_wireguard; then
	check "set and show as wg does" wg_verbs
	check "setconf, addconf and syncconf as wg does" conf_verbs
	ip link del $WG 2>/dev/null
fi
check "keys" keys
check "a wrong word is named, and nothing applied" usage_errors
check "a wrong device is named" wrong_devices
check "a name that is too long means no other device" too_long_names
check "without permission" no_permission
check "modes and prefixes for asking" modes
check "resources, grants and explanations" resources_and_grants
check "limits" limits
check "batches" batches
check "flows and events" events_and_flows
check "what cannot be written is said" unwritable
check "tables fit a terminal" tables
check "quota, rate and new flows of a grant" quotas
check "up and down" up_and_down
check "help" helps
check "completion" completion
check "without the module" not_loaded
finish_tests
