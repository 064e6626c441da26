#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fzctl up, down, save and strip beside wg-quick(8): the same file, with the same name, makes a
# device of either kind, each in a namespace of its own:
#
#	theirs: wg-quick, wireguard	ours: fzctl, fz
#	  eth0 192.0.2.1/24, 2001:db8::1/64, default by 192.0.2.254 and 2001:db8::fe
#
# Links, addresses, routes, rules, sysctls, packet filters, name servers (a resolvconf that only
# writes down what it is told), configuration and what hooks saw must be the same then; and after
# down both must be as they were.
if [ -z "${FZ_INSIDE-}" ] && [ "$(id -u)" = 0 ]; then
	FZ_INSIDE=1 exec unshare --net --mount bash "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
need_module
umask 077
shopt -s lastpipe	# what fails at the end of a pipe ends the case

NAME=wg0
FILE=/etc/wireguard/$NAME.conf
MADE=()

# Only this test sees the files in /etc; a directory that was not there goes again.
cover()
{
	local directory

	for directory in "$@"; do
		if ! [ -d "$directory" ]; then
			mkdir "$directory"
			MADE+=("$directory")
		fi
		mount -t tmpfs tmpfs "$directory"
		chmod 700 "$directory"
	done
}

uncover()
{
	local directory

	for directory in "${MADE[@]}"; do
		umount "$directory" && rmdir "$directory"
	done
	cleanup
}

# What the test puts in the place of programs. RECORD is the namespace's, see in_both().
fake_programs()
{
	mkdir "$WORK/bin" "$WORK/no-nft" "$WORK/theirs" "$WORK/ours"
	cat >"$WORK/bin/resolvconf" <<-'END'
		#!/bin/bash
		[ "$1" = -l ] || echo "resolvconf $*" >>"$RECORD/dns"	# it only looks
		case $1 in
		-a) tee "$RECORD/servers" | sed 's/^/    /' >>"$RECORD/dns" ;;
		-l) cat "$RECORD/servers" ;;
		-d) rm "$RECORD/servers" ;;
		esac
		[ ! -e "$RECORD/dns-fails" ]
	END
	chmod 755 "$WORK/bin/resolvconf"
	ln -s /usr/bin/* /usr/sbin/* "$WORK/no-nft" 2>/dev/null
	rm "$WORK/no-nft/nft"
	PATH=$WORK/bin:$PATH
}

in_theirs() { RECORD=$WORK/theirs on theirs "$@"; }
in_ours() { RECORD=$WORK/ours on ours "$@"; }

in_both()
{
	in_theirs "$@"
	in_ours "$@"
}

outside()
{
	local side

	host theirs ours
	for side in theirs ours; do
		on $side ip link add eth0 type veth peer name far
		# no addresses that differ
		on $side ip link set far addrgenmode none up
		on $side ip link set eth0 addrgenmode none
		on $side ip link set eth0 up
		on $side ip addr add 192.0.2.1/24 dev eth0
		on $side ip addr add 2001:db8::1/64 dev eth0 nodad
		on $side ip route add default via 192.0.2.254
		on $side ip route add default via 2001:db8::fe
		# made when first looked at, with its loaded module
		on $side nft list ruleset >/dev/null
	done
}

# Everything that a tunnel may change, without what names one of the two.
state()
{
	local tool

	echo "-- links"
	ip -d addr show
	echo "-- routes"
	ip -4 route show table all
	ip -6 route show table all
	echo "-- rules"
	ip -4 rule
	ip -6 rule
	echo "-- sysctls"
	sysctl net.ipv4.conf.all.src_valid_mark net.ipv4.conf.all.rp_filter
	echo "-- packet filter"
	nft list ruleset ip
	nft list ruleset ip6
	echo "-- record"
	cat "$RECORD"/dns "$RECORD"/hooks 2>/dev/null
	for tool in wg fzctl; do
		$tool showconf $NAME 2>/dev/null
	done
}

normal()
{
	sed -E 's/^[0-9]+: //
		s/\bwireguard( |$)/fz\1/
		s/(fzctl-up|wg-quick)-/table-/
		s/\b(preraw|strangers)\b/chain-raw/; s/\bpremangle|marks_in\b/chain-in/; s/\bpostmangle|marks_out\b/chain-out/
		s/wg-quick\(8\) rule for |fzctl up /rule of /
		s/ (maxmtu|tso_max_size) [0-9]+//g
		s/mtu 65456/mtu 65455/	# the largest of ours
		/link\/ether/d
		/valid_lft/d
		s/link-netnsid [0-9]+//'
}

compare()
{
	local what=$1

	in_theirs bash -c 'state' 2>&1 | normal >"$WORK/theirs.state"
	in_ours bash -c 'state' 2>&1 | normal >"$WORK/ours.state"
	if ! diff "$WORK/theirs.state" "$WORK/ours.state" >"$WORK/diff"; then
		sed 's/^/# /' "$WORK/diff"
		fail "$what: not as wg-quick leaves it"
	fi
}

# both VERB [WORD]: by both programs; the exit statuses must be alike. What they said stays in
# $WORK/theirs.said and ours.said.
both()
{
	local verb=$1 word=${2-$NAME} theirs ours

	in_theirs wg-quick "$verb" "$word" >"$WORK/theirs.said" 2>&1
	theirs=$?
	in_ours fzctl "$verb" "$word" >"$WORK/ours.said" 2>&1
	ours=$?
	[ $((theirs != 0)) = $((ours != 0)) ] && return 0
	sed 's/^/# theirs: /' "$WORK/theirs.said"
	sed 's/^/# ours: /' "$WORK/ours.said"
	fail "$verb: exit status $ours, of wg-quick $theirs"
}

start()
{
	# only after a case that failed
	if on theirs ip link show $NAME >/dev/null 2>&1; then
		in_theirs wg-quick down $NAME >/dev/null 2>&1
		in_ours fzctl down $NAME >/dev/null 2>&1
		in_both ip link del $NAME 2>/dev/null
	fi
	rm -f "$WORK"/{theirs,ours}/*
	in_both sysctl -qw net.ipv4.conf.all.src_valid_mark=0
	compare "before"
	cp "$WORK/theirs.state" "$WORK/before"
}

# Nothing is left but the sysctl, which wg-quick leaves as well.
left()
{
	compare "$1"
	diff <(sed '/src_valid_mark/d; /^-- record/,$d' "$WORK/before") \
		<(sed '/src_valid_mark/d; /^-- record/,$d' "$WORK/ours.state") >"$WORK/diff" && return 0
	sed 's/^/# /' "$WORK/diff"
	fail "$1: something is left"
}

# The file comes from stdin.
up_and_down()
{
	cat >$FILE
	start
	both up
	on ours fzctl show $NAME >/dev/null 2>&1 || { sed 's/^/# /' "$WORK/ours.said"; fail "refused"; }
	compare "up"
	both down
	left "down"
}

# Both refuse, and leave nothing; ours says WORD.
both_refuse()
{
	cat >$FILE
	start
	both up
	grep -qF -- "$1" "$WORK/ours.said" || { sed 's/^/# /' "$WORK/ours.said"; fail "it does not say \"$1\""; }
	on ours ip link show $NAME >/dev/null 2>&1 && fail "the device is there"
	left "after it was refused"
}

interface()
{
	echo "[Interface]"
	echo "PrivateKey = $KEY"
	echo "ListenPort = 51820"
}

# peer NUMBER [ENDPOINT]
peer()
{
	echo "[Peer]"
	echo "PublicKey = ${PEERS[$1]}"
	if [ -n "${2-}" ]; then echo "Endpoint = $2"; fi
}

addresses()
{
	{
		interface
		echo "Address = 10.0.0.1/24, fd00::1/64"
		echo "Address = 10.7.0.1"
		echo "address=fd07::1,10.8.0.1/255.255.255.0"
		peer 0 192.0.2.9:51820
		echo "AllowedIPs = 10.0.0.2/32, fd00::2/128"
	} | up_and_down
}

overlaps()
{
	{
		interface
		echo "Address = 10.0.0.1/24, fd00::1/64"
		peer 0
		echo "AllowedIPs = 10.0.0.0/16, 10.0.0.5/32, 10.1.0.0/16, 10.1.2.0/24, fd00::/48, fd00::7/128"
		peer 1
		echo "AllowedIPs = 10.1.0.0/16, 10.1.3.0/25,10.1.3.9, fd00:1::/32, fd00:1:2::/48"
		echo "AllowedIPs = 192.168.0.0/16"
	} | up_and_down
}

mtus()
{
	local endpoint

	for endpoint in 192.0.2.9:1 198.51.100.1:1 203.0.113.1:1 '[2001:db8::9]:1' '[2001:db8:1::1]:1' '127.0.0.1:1' ''; do
		on theirs ip route replace 198.51.100.0/24 via 192.0.2.254 mtu 1300
		on ours ip route replace 198.51.100.0/24 via 192.0.2.254 mtu 1300
		in_both ip route replace unreachable 203.0.113.0/24
		in_both ip -6 route replace 2001:db8:1::/48 via 2001:db8::fe mtu 1290
		{
			interface
			echo "Address = 10.0.0.1/24"
			peer 0 "$endpoint"
			echo "AllowedIPs = 10.0.0.0/24"
			peer 1 198.51.100.7:9
		} | up_and_down
	done
	in_both ip link set eth0 mtu 1700
	in_both ip route del default
	{ interface; echo "Address = 10.0.0.1/24"; } | up_and_down
	in_both ip route add default via 192.0.2.254 mtu 1600
	{ interface; echo "Address = 10.0.0.1/24"; } | up_and_down
	in_both ip link set eth0 mtu 1500
	in_both ip route replace default via 192.0.2.254
	in_both ip route flush cache
	{ interface; echo "MTU = 1337"; } | up_and_down
	{ interface; echo "MTU ="; } | up_and_down
}

tables()
{
	local table

	for table in off auto main 777 0x30a 51820 ''; do
		{
			interface
			echo "Address = 10.0.0.1/24, fd00::1/64"
			echo "Table = $table"
			peer 0
			echo "AllowedIPs = 10.3.0.0/16, fd03::/48"
			if [ "$table" != auto ] && [ "$table" != main ] && [ -n "$table" ]; then
				echo "AllowedIPs = 0.0.0.0/0, ::/0"
			fi
		} | up_and_down
	done
}

# default_route ALLOWED MARK: two peers claim it
default_route()
{
	{
		interface
		echo "Address = 10.0.0.1/24, 10.0.9.1/32, fd00::1/64"
		echo "$2"
		peer 0 192.0.2.9:51820
		echo "AllowedIPs = $1"
		peer 1
		echo "AllowedIPs = $1"
	} | up_and_down
}

defaults()
{
	local allowed='0.0.0.0/0, ::/0, 10.0.0.0/16, 172.16.0.0/12'

	default_route 0.0.0.0/0 ''
	default_route ::/0 'FwMark = off'
	default_route "$allowed" ''
	default_route "$allowed" 'FwMark = 0xbeef'
	grep -q 'table-wg0' "$WORK/theirs.state" && fail "a packet filter is left"
	# the first table is taken, the second one by a kind of route that carries nothing
	in_both ip route add 10.99.0.0/16 dev eth0 table 51820
	in_both ip -6 route add blackhole default table 51821
	{
		interface
		echo "Address = 10.0.0.1/24, fd00::1/64"
		peer 0
		echo "AllowedIPs = 0.0.0.0/0, ::/0"
	} | up_and_down
	in_both ip route del 10.99.0.0/16 table 51820
	in_both ip -6 route del blackhole default table 51821
}

without_nft()
{
	local with=$PATH

	command -v iptables-save >/dev/null || return 0
	PATH=$WORK/bin:$TOP/build/bin:$WORK/no-nft
	{
		interface
		echo "Address = 10.0.0.1/24, 10.0.9.1/32, fd00::1/64"
		peer 0
		echo "AllowedIPs = 0.0.0.0/0, ::/0"
	} >$FILE
	start
	in_theirs wg-quick up $NAME >"$WORK/theirs.said" 2>&1 || fail "wg-quick itself fails"
	cmd_ok in_ours fzctl up $NAME
	for tool in iptables-save ip6tables-save; do
		in_theirs $tool | normal | grep -v '^[#:]' >"$WORK/theirs.rules"
		in_ours $tool | normal | grep -v '^[#:]' >"$WORK/ours.rules"
		grep -q 'rule of wg0' "$WORK/ours.rules" || fail "no rules of $tool"
		cmd_ok diff "$WORK/theirs.rules" "$WORK/ours.rules"
	done
	# what one program has set goes if both are there
	PATH=$with
	both down
	in_both iptables-save | grep 'rule of\|fzctl up' && fail "rules are left"
	in_both nft flush ruleset
	:
}

dns()
{
	{
		interface
		echo "DNS = 10.0.0.53, fd00::53,example.org"
		echo "DNS = corp.example 10.0.0.54"
		echo "DNS ="
		peer 0
	} | up_and_down
	grep -q 'resolvconf -d wg0 -f' "$WORK/ours/dns" || fail "the name servers are left"
	# domains without a server are for nobody
	{ interface; echo "DNS = example.org"; } | up_and_down
	[ -e "$WORK/ours/dns" ] && fail "resolvconf was called"
	printf 'lo.inet*\nlo*\ntun*\n' >/etc/resolvconf/interface-order
	{ interface; echo "DNS = 10.0.0.53"; } | up_and_down
	grep -q 'resolvconf -a lo.wg0 -m 0 -x' "$WORK/ours/dns" || fail "not as the order of interfaces has it"
	rm /etc/resolvconf/interface-order
}

hooks()
{
	{
		interface
		echo "Address = 10.0.0.1/24"
		echo "MTU = 1400"
		echo 'PreUp = echo "pre-up %i $LC_ALL $(ip -o link show %i 2>&1)" | cat >>"$RECORD/hooks" # not before'
		echo 'PostUp = [[ %i == w+(g)0 ]] && echo "post-up %i %i" >>"$RECORD/hooks"; ip -o -4 addr show dev %i >>"$RECORD/hooks"'
		echo 'PostUp = echo "$INTERFACE $CONFIG_FILE $PWD" >>"$RECORD/hooks"'
		echo 'postup = cat >>"$RECORD/hooks" <<<100%'
		echo 'PostUp ='
		echo 'PreDown = echo "pre-down" >>"$RECORD/hooks"; ip -o -4 addr show dev %i >>"$RECORD/hooks"'
		echo 'PostDown = echo "post-down $(ip -o link show %i 2>&1)" >>"$RECORD/hooks"'
		echo 'PostDown = ip link add after type veth peer name after2'
		peer 0
		echo "AllowedIPs = 10.0.0.0/24"
	} >$FILE
	start
	both up
	compare up
	grep -q '^wg0 /etc/wireguard/wg0.conf' "$WORK/ours/hooks" || fail "PostUp has not run"
	both down
	in_both ip link del after || fail "PostDown has not run"
	left down
	grep -q '^post-down' "$WORK/ours/hooks" || fail "PostDown has not run"
	# which of them fail
	for hook in false 'false | true' 'false; true' '(exit 3)' nonsense; do
		{ interface; echo "PreUp = $hook"; } | both_refuse "$hook"
		{ interface; echo "Address = 10.0.0.1/24"; echo "DNS = 1.2.3.4"; echo "PostUp = $hook"; peer 0
			echo "AllowedIPs = 0.0.0.0/0, 10.0.0.0/8"; } | both_refuse "$hook"
	done
	for hook in 'false || true' 'true; exit 0' 'if false; then :; fi'; do
		{ interface; echo "PostUp = $hook"; } | up_and_down
	done
	# a PreDown that fails leaves it up
	{ interface; echo "PreDown = false"; echo "PostDown = touch \$RECORD/gone"; } >$FILE
	start
	both up
	both down
	grep -q 'this command failed: false' "$WORK/ours.said" || fail "the failure of PreDown is not told"
	compare "a PreDown that fails"
	on ours fzctl show $NAME >/dev/null || fail "it is not up any more"
	in_both ip link del $NAME
}

saves()
{
	local side

	for side in theirs ours; do
		{
			interface
			echo "Address = 10.0.0.1/24, fd00::1/64"
			echo "MTU = 1400"
			echo "Table = 77"
			echo "# a comment"
			echo "SaveConfig = TRUE"
			echo "DNS = 10.0.0.53, 10.0.0.54"
			echo 'PostUp = true # why'
			echo 'PreUp = true'
			echo 'PostDown = echo %i >/dev/null'
			echo 'PreDown = [ %i = wg0 ]'
			peer 0 192.0.2.9:51820
			echo "AllowedIPs = 10.0.0.0/24"
			echo "PersistentKeepalive = 25"
		} >"$WORK/$side.conf"
	done
	start
	# each has a file of its own, which is a link to another name
	in_each_its_file up
	compare up
	in_theirs wg set $NAME peer "${PEERS[1]}" allowed-ips 10.1.0.0/16,fd01::/32
	in_ours fzctl set $NAME peer "${PEERS[1]}" allowed-ips 10.1.0.0/16,fd01::/32
	in_both ip addr add 10.5.0.1/30 dev $NAME
	in_both ip link set $NAME mtu 1390
	in_each_its_file save
	cmd_ok diff "$WORK/theirs.conf" "$WORK/ours.conf"
	grep -q '^Address = 10.5.0.1/30' "$WORK/ours.conf" || fail "the new address is not saved"
	grep -q "^PublicKey = ${PEERS[1]}" "$WORK/ours.conf" || fail "the new peer is not saved"
	in_both ip addr del 10.5.0.1/30 dev $NAME
	in_each_its_file down
	cmd_ok diff "$WORK/theirs.conf" "$WORK/ours.conf"
	grep -q '^Address = 10.5.0.1/30' "$WORK/ours.conf" && fail "down does not save"
	equal "$(stat -c %a "$WORK/ours.conf")" 600 "the mode of the file"
	[ -L "$WORK/ours.d/$NAME.conf" ] || fail "the link is no link any more"
	ls "$WORK"/*.tmp "$WORK"/ours.d/*.tmp 2>/dev/null && fail "another file is left"
	left down
	# and it can be used again
	in_each_its_file up
	compare "up once more"
	in_each_its_file down
	left down
}

in_each_its_file()
{
	mkdir -p "$WORK/theirs.d" "$WORK/ours.d"
	ln -sf "$WORK/theirs.conf" "$WORK/theirs.d/$NAME.conf"
	ln -sf "$WORK/ours.conf" "$WORK/ours.d/$NAME.conf"
	in_theirs wg-quick "$1" "$WORK/theirs.d/$NAME.conf" >"$WORK/theirs.said" 2>&1 || fail "wg-quick $1"
	cmd_ok in_ours fzctl "$1" "$WORK/ours.d/$NAME.conf"
}

# More prefixes for the last line.
long_list()
{
	local i

	for ((i = 0; i < $1; i++)); do
		printf ', 10.%d.%d.0/24' $((i / 250 + 64)) $((i % 250))
	done
	echo
}

spellings()
{
	{
		echo "  [interface] # that is us"
		echo "PRIVATEKEY=$KEY# no space"
		echo "	listenport	=	51820	"
		echo "# Address = 10.9.9.9/24"
		echo "ADDRESS =10.0.0.1/24 # , 10.0.0.2/24"
		echo
		echo "   "
		echo "saveconfig = False"
		echo "mtu = 1380"
		echo "mtu = 1390"
		echo " [PEER] "
		echo "publickey=${PEERS[0]}"
		echo "allowedips = 10.3.0.0/16 , fd03::/16"
		echo "[Peer]"
		echo "PublicKey = ${PEERS[1]}"
		printf 'AllowedIPs = 10.4.0.0/16'
	} >"$WORK/file"
	up_and_down <"$WORK/file"
	sed 's/$/\r/' "$WORK/file" | up_and_down
	{ cat "$WORK/file"; long_list 50; } >$FILE	# bash takes a minute for a thousand
	both strip
	# theirs ends in an empty line more
	cmd_ok diff <(sed '$d' "$WORK/theirs.said") "$WORK/ours.said"
	{ cat "$WORK/file"; long_list 5000; } >$FILE
	in_ours fzctl strip $NAME | tail -1 | cmd_ok cmp - <(tail -1 $FILE)
	sed 's/^/  /' "$WORK/file" >$FILE
	both strip
	cmd_ok diff <(sed '$d' "$WORK/theirs.said") "$WORK/ours.said"
	grep -q 'AllowedIPs = 10.4.0.0/16' "$WORK/ours.said" || fail "the last line is not there"
	# where wg-quick has no answer
	{ printf '\xef\xbb\xbf'; cat "$WORK/file"; } >$FILE
	cmd_ok in_ours fzctl up $NAME
	cmd_ok in_ours fzctl down $NAME
}

refusals()
{
	{ interface; echo "Foo = 1"; } | both_refuse "line 4: Line unrecognized: \`Foo=1'"
	{ interface; peer 0; echo "Address = 10.0.0.1/24"; } | both_refuse "line 6: Line unrecognized: \`Address=10.0.0.1/24'"
	{ echo "Address = 10.0.0.1/24"; interface; } | both_refuse "line 1: Line unrecognized"
	{ interface; peer 0; echo "DNS = 10.0.0.1"; } | both_refuse "line 6"
	{ interface; echo "AllowedIPs = 10.0.0.0/8"; } | both_refuse "line 4"
	{ interface; echo "[Foo]"; } | both_refuse "[Foo]"
	{ interface; echo "SaveConfig = perhaps"; } | both_refuse '"perhaps" is neither true nor false'
	{ interface; echo "Address = 10.0.0.300/24"; } | both_refuse 'line 4: "10.0.0.300/24"'
	{ interface; echo "Address = 10.0.0.1/255.0.255.0"; } | both_refuse 'line 4: "10.0.0.1/255.0.255.0"'
	{ interface; echo "MTU = many"; } | both_refuse '"many"'
	{ interface; echo "Table = nowhere"; peer 0; echo "AllowedIPs = 10.0.0.0/8"; } | both_refuse '"nowhere"'
	{ interface; echo "[Peer]"; echo "AllowedIPs = 10.0.0.0/8"; } | both_refuse "missing a public key"
	{ interface; peer 0 'host.invalid:1'; } | WG_ENDPOINT_RESOLUTION_RETRIES=0 both_refuse host.invalid
	# others are there first
	{ interface; echo "Address = 10.0.0.1/24"; peer 0; echo "AllowedIPs = 192.0.2.0/24, 0.0.0.0/0"; } | both_refuse 192.0.2.0/24
	{ interface; echo "Address = 10.0.0.1/24"; echo "DNS = 10.0.0.53"; peer 0; echo "AllowedIPs = 0.0.0.0/0, ::/0"; } >$FILE
	start
	touch "$WORK/theirs/dns-fails" "$WORK/ours/dns-fails"
	both up
	left "name servers that cannot be set"
}

wrong_times()
{
	local said

	{ interface; echo "PreUp = touch \$RECORD/pre"; } >$FILE
	start
	both down
	both save
	in_both ip link add $NAME type veth peer name other
	both up
	[ -e "$WORK/ours/pre" ] && fail "PreUp has run for a device that exists"
	both down
	both save
	on ours ip link show other >/dev/null || fail "the device of somebody else is gone"
	in_both ip link del $NAME
	both up
	both up
	grep -q '"wg0" exists already' "$WORK/ours.said" || fail "that it exists is not told"
	in_ours fzctl show $NAME >/dev/null || fail "the second up removed the device"
	both down
	left down
	# another's
	in_ours ip link add $NAME type wireguard
	said=$(in_ours fzctl down $NAME 2>&1) && fail "took down a wireguard device"
	[[ $said == *wg-quick* ]] || fail "\"$said\" does not name wg-quick"
	on ours ip link del $NAME
}

names()
{
	local word

	interface >$FILE
	for word in nothing /etc/wireguard/wg0 ./wg0 /nonexistent/wg0.conf /dev/null ''; do
		start
		both up "$word"
		left "\"$word\""
	done
	for word in 'a b' 'sixteen-letters-' 'x;id' 'a$b'; do
		interface >"/etc/wireguard/$word.conf"
		start
		both up "$word"
		both up "/etc/wireguard/$word.conf"
		left "\"$word\""
		rm "/etc/wireguard/$word.conf"
	done
	for word in 'a=b+c_d-e.f' fifteen-letters; do
		interface >"/etc/wireguard/$word.conf"
		both up "$word"
		on ours fzctl show "$word" >/dev/null || fail "\"$word\" is not up"
		both down "/etc/wireguard/$word.conf"
		left "\"$word\""
		rm "/etc/wireguard/$word.conf"
	done
	{ interface; echo "Address = 10.0.0.1/24"; peer 0; echo "AllowedIPs = 0.0.0.0/0"; } >/etc/wireguard/a=b+c.conf
	cmd_ok in_ours fzctl up a=b+c
	in_ours nft list ruleset | grep -q 'iifname != "a=b+c"' || fail "no packet filter"
	cmd_ok in_ours fzctl down a=b+c
	rm /etc/wireguard/a=b+c.conf
	# ours come first
	interface >/etc/fz/$NAME.conf
	echo "MTU = 1333" >>/etc/fz/$NAME.conf
	cmd_ok in_ours fzctl up $NAME
	in_ours ip link show $NAME | grep -q 'mtu 1333' || fail "/etc/wireguard is looked at first"
	cmd_ok in_ours fzctl down $NAME
	rm /etc/fz/$NAME.conf
}

warnings()
{
	interface >$FILE
	start
	chmod 755 /etc/wireguard
	chmod 644 $FILE
	both strip
	grep -q 'is world accessible' "$WORK/theirs.said" || fail "wg-quick does not warn"
	grep -q "^Warning: \`$FILE' is world accessible" "$WORK/ours.said" || fail "it does not warn"
	chmod 700 /etc/wireguard
	both strip
	chmod 600 $FILE
	grep -q Warning "$WORK/theirs.said" "$WORK/ours.said" && fail "it warns of what nobody can reach"
	:
}

# Of two tunnels that take everything the second one keeps its rules when the first goes.
two_tunnels()
{
	local name before

	for name in wg1 wg2; do
		{
			interface | grep -v ListenPort
			echo "Address = 10.0.${name#wg}.1/24"
			peer 0
			echo "AllowedIPs = 0.0.0.0/0"
		} >/etc/wireguard/$name.conf
	done
	before=$(in_ours ip rule)
	cmd_ok in_ours fzctl up wg1
	cmd_ok in_ours fzctl up wg2
	cmd_ok in_ours fzctl down wg1
	in_ours ip rule | sed 's/^[0-9]*:\t//' >"$WORK/rules"
	equal "$(sed -n 2,3p "$WORK/rules")" "$(printf 'from all lookup main suppress_prefixlength 0\nnot from all fwmark 0xca6d lookup 51821')" \
		"what the second tunnel has"
	equal "$(wc -l <"$WORK/rules")" 5 "rules"
	in_ours nft list tables | grep -q fzctl-up-wg2 || fail "the packet filter of the second is gone"
	cmd_ok in_ours fzctl down wg2
	equal "$(in_ours ip rule)" "$before" "what is left"
	rm /etc/wireguard/wg[12].conf
}

# A file of wg-quick's lets everything pass; one that speaks of flows does not.
modes()
{
	local said

	default_mode enforce
	{ interface; echo "Address = 10.0.0.1/24"; peer 0; echo "AllowedIPs = 10.0.0.2/32"; } >"$WORK/file"
	cp "$WORK/file" $FILE
	said=$(in_ours fzctl up $NAME 2>&1) || fail "$said"
	equal "$said" "fzctl: \"wg0\" is open, as with WireGuard: \"$FILE\" has no Mode, [Resource] or [Grant]" "what it says"
	equal "$(in_ours fzctl mode $NAME)" "$(printf 'in open\nout open')" "the mode"
	cmd_ok in_ours fzctl down $NAME
	default_mode observe
	said=$(in_ours fzctl up $NAME 2>&1)
	equal "$said" "" "what it says"
	equal "$(in_ours fzctl mode $NAME)" "$(printf 'in observe\nout observe')" "the mode"
	cmd_ok in_ours fzctl down $NAME
	default_mode enforce
	sed '/PrivateKey/a Mode = in enforce reject out open' "$WORK/file" >$FILE
	said=$(in_ours fzctl up $NAME 2>&1)
	equal "$said" "" "what it says"
	equal "$(in_ours fzctl mode $NAME)" "$(printf 'in enforce reject\nout open')" "the mode"
	cmd_ok in_ours fzctl down $NAME
	{
		sed '/PrivateKey/a SaveConfig = true' "$WORK/file"
		printf '[Grant]\nPeer = %s...\nResource = web\nFor = 8h # a day\n' "${PEERS[0]:0:7}"
		printf '[Resource]\nName = web\nPrefix = 10.0.0.1/32, fd00::1/128\nService = tcp/80,443 icmp\n'
		printf '[Resource] # all\nname = all\nprefix = 0.0.0.0/0\n\n'
		printf '[Grant]\nPeer = any\nResource = all\nDirection = out\nAction = deny\n'
		printf '[Grant]\nPeer = any\nResource = web\nAction = allow\n'
	} >$FILE
	said=$(in_ours fzctl up $NAME 2>&1)
	equal "$said" "" "what it says"
	policy_is_there
	cmd_ok in_ours fzctl down $NAME
	# it was saved, and says the same
	grep -q '^FwMark\|^ListenPort' $FILE || fail "the file was not saved"
	cmd_ok in_ours fzctl up $NAME
	policy_is_there
	in_ours fzctl strip $NAME 2>/dev/null | grep -qi 'grant\|resource\|SaveConfig' && fail "strip leaves what setconf does not take"
	in_ours fzctl strip $NAME >"$WORK/stripped" 2>/dev/null
	cmd_ok in_ours fzctl syncconf $NAME "$WORK/stripped"
	cmd_ok in_ours fzctl down $NAME
	refused_policies
	saved_policy
}

# Mode, resources and grants of the device are saved, and what the file says of them stays where it is true.
saved_policy()
{
	local said

	cp "$WORK/file" $FILE
	in_ours fzctl up $NAME 2>/dev/null || fail "it does not come up"
	cmd_ok in_ours fzctl save $NAME
	grep -q '^Mode\|^\[Grant\]\|^\[Resource\]' $FILE && fail "a file of wg-quick's is one no more"
	in_ours fzctl batch - <<-END || fail "cannot set the policy"
		mode $NAME in enforce out observe
		resource add $NAME web 10.0.0.1/32 tcp/80,443 icmp
		grant add $NAME any resource web out deny
		grant add $NAME peer ${PEERS[0]} resource web for 8h quota 20G rate 10Mbit flows 20/s
	END
	cmd_ok in_ours fzctl save $NAME
	in_ours bash -c policy >"$WORK/policy"
	cmd_ok in_ours fzctl down $NAME
	said=$(in_ours fzctl up $NAME 2>&1)
	equal "$said" "" "what it says"
	cmd_ok diff "$WORK/policy" <(in_ours bash -c policy)
	# a mode of its own is more than a file can say
	sed -i 's/^Rate = .*/& # slow/; s/^Until = .*/For = 7d/' $FILE
	cmd_ok in_ours fzctl mode $NAME peer "${PEERS[0]}" open
	cmd_ok in_ours fzctl grant del $NAME any resource web out
	said=$(in_ours fzctl save $NAME 2>&1) || fail "$said"
	equal "$said" 'fzctl: peers of "wg0" have modes of their own, which are not saved' "what it says"
	grep -q '# slow' $FILE || fail "what did not change is not left alone"
	equal "$(grep -c '^\[Grant\]\|^\[Resource\]' $FILE)" 2 sections
	cmd_ok in_ours fzctl down $NAME
	# as with wg-quick, what became of the file meanwhile does not matter
	sed '/PrivateKey/a SaveConfig = true' "$WORK/file" >$FILE
	in_ours fzctl up $NAME 2>/dev/null || fail "it does not come up"
	echo "[Peer]" >>$FILE
	cmd_ok in_ours fzctl down $NAME
	equal "$(grep -c '^\[Peer\]' $FILE)" 1 "peers"
	# but where it speaks of flows, nothing is lost
	sed '/PrivateKey/a SaveConfig = true\nMode = enforce\nPreDown = touch $RECORD/pre' "$WORK/file" >$FILE
	cmd_ok in_ours fzctl up $NAME
	printf '[Grant]\nAction =\n' >>$FILE
	said=$(in_ours fzctl down $NAME 2>&1) && fail "a file that is wrong is written over"
	[[ $said == *"Action: there is no value"* ]] || fail "it says \"$said\""
	[ -e "$WORK/ours/pre" ] && fail "PreDown has run"
	sed -i '/^\[Grant/,$d' $FILE
	cmd_ok in_ours fzctl down $NAME
}

# reload makes of a device what its file says now, and of nothing else.
reloads()
{
	local said web='[Resource]\nName = web\nPrefix = 10.0.0.1/32\n' grant="[Grant]\nPeer = ${PEERS[0]:0:9}\nResource = web\n"

	default_mode enforce
	{ interface; echo "PreUp = touch \$RECORD/pre"; peer 0; echo "AllowedIPs = 10.0.0.2/32"; peer 1; } >"$WORK/file"
	{ cat "$WORK/file"; printf "$web$grant"; printf '[Grant]\nPeer = any\nResource = web\nDirection = out\n'; } >$FILE
	cmd_ok in_ours fzctl up $NAME
	rm "$WORK/ours/pre"
	cmd_ok in_ours fzctl grant add $NAME any resource web deny
	{
		printf '[Interface]\nMode = in enforce out observe\n'
		sed "s|10.0.0.2/32|10.0.0.0/24|" "$WORK/file"
		printf "${grant}For = 8h\n$web"
		printf '[Resource]\nName = all\nPrefix = 0.0.0.0/0\n[Grant]\nPeer = any\nResource = all\nUntil = 2001-01-01T00:00\n'
	} >$FILE
	said=$(in_ours fzctl reload $NAME 2>&1) || fail "$said"
	equal "$said" "fzctl: $FILE, line $(grep -n '^\[Grant' $FILE | tail -1 | cut -d: -f1): this [Grant] is over and is not made" \
		"what it says"
	[ -e "$WORK/ours/pre" ] && fail "PreUp has run"
	equal "$(in_ours fzctl mode $NAME)" "$(printf 'in enforce\nout observe')" "the mode"
	equal "$(in_ours fzctl show $NAME allowed-ips | grep -c '10.0.0.0/24')" 1 "peers that changed"
	equal "$(in_ours fzctl resource list $NAME --json | jq -c 'map(.name)')" '["all","web"]' resources
	equal "$(in_ours fzctl grant list $NAME --json | jq -c 'map([.peer, .resource, .direction, .action, .lease_ms != null])')" \
		"[[\"${PEERS[0]}\",\"web\",\"in\",\"allow\",true]]" grants
	in_ours bash -c policy >"$WORK/policy"
	# a wrong file changes nothing
	sed -i 's/^For.*/For = 8 hours/; s|10.0.0.0/24|10.0.0.0/25|' $FILE
	said=$(in_ours fzctl reload $NAME 2>&1) && fail "a wrong file is taken"
	[[ $said == *'For: "8 hours"'* ]] || fail "$said"
	in_ours fzctl show $NAME allowed-ips | grep -q 10.0.0.0/24 || fail "a wrong file is taken for peers"
	# one that says nothing of flows leaves them as they are, and what setconf does not take is told
	said=$(in_ours fzctl strip $NAME 2>&1 >/dev/null)
	[[ $said == *"fzctl reload"* ]] || fail "strip says \"$said\""
	cp "$WORK/file" $FILE
	said=$(in_ours fzctl reload $NAME 2>&1) || fail "$said"
	equal "$said" "" "what it says"
	cmd_ok diff "$WORK/policy" <(in_ours bash -c policy)
	in_ours fzctl show $NAME allowed-ips | grep -q 10.0.0.2/32 || fail "the peers are not those of the file"
	cmd_ok in_ours fzctl down $NAME
	in_ours fzctl reload $NAME 2>/dev/null && fail "there is no device"
	:
}

# What a device has of it, but for what moves.
policy()
{
	fzctl mode $NAME
	fzctl resource list $NAME
	fzctl grant list $NAME --json | jq 'map(.lease_ms |= (. != null))'
}

# Before PreUp runs: each sentence names the file, the line and the key.
refused_policies()
{
	local web='[Resource]\nName = web\nPrefix = 10.0.0.0/8\n' any='[Grant]\nPeer = any\nResource = web\n'

	refused_policy 'line 8: [Grant] without "Peer"' "[Grant]\nResource = web\n$web"
	refused_policy 'line 9: "Port" is no key of [Resource]' '[Resource]\nPort = 5\n'
	refused_policy 'line 10: Prefix: "10.0.0.1/8"' '[Resource]\nName = x\nPrefix = 10.0.0.1/8\n'
	refused_policy 'line 10: Resource: "x" is no [Resource] of this file' '[Grant]\nPeer = any\nResource = x\n'
	refused_policy "line 9: Peer: \"$KEY\" is no [Peer] of this file" "[Grant]\nPeer = $KEY\nResource = web\n$web"
	refused_policy 'line 14: Action: "maybe"' "$web${any}Action = maybe\n"
	refused_policy 'line 15: Rate: "10Mbps"' "$web${any}Quota = 1G\nRate = 10Mbps\n"
	refused_policy 'line 14: Quota: "1G rate 1Mbit"' "$web${any}Quota = 1G rate 1Mbit\n"
	refused_policy 'line 14: Action: there is no value' "$web${any}Action =\n"
	refused_policy 'line 12: Name: "web" is the resource in line 8' "$web$web"
	refused_policy 'line 14: [Grant] for the peer, resource and direction of that in line 11' "$web$any$any"
	refused_policy 'line 9: Mode: "perhaps"' '[Interface]\nMode = perhaps\n'
	refused_policy 'line 9: Mode: "inherit" is for peers' '[Interface]\nMode = inherit\n'
	refused_policy 'line 9: Mode: there is no value' '[Interface]\nMode =\n'
	refused_policy 'line 9: Mode: "peer"' "[Interface]\nMode = peer ${PEERS[0]} open\n"
	# down needs none of it
	sed '/PrivateKey/a Mode = open' "$WORK/file" >$FILE
	cmd_ok in_ours fzctl up $NAME
	printf '[Grant]\nAction =\n' >>$FILE
	cmd_ok in_ours fzctl down $NAME
}

policy_is_there()
{
	equal "$(in_ours fzctl mode $NAME)" "$(printf 'in enforce\nout enforce')" "the mode"
	equal "$(in_ours fzctl resource list $NAME --json | jq -c '[.[] | [.name, .prefixes, .services]]')" \
		'[["all",["0.0.0.0/0"],[]],["web",["10.0.0.1/32","fd00::1/128"],["tcp/80,443","icmp"]]]' resources
	equal "$(in_ours fzctl grant list $NAME --json | jq -c '[.[] | [.resource, .direction, .action, .lease_ms != null]]')" \
		'[["all","out","deny",false],["web","in","allow",false],["web","in","allow",true]]' grants
}

# refused_policy SENTENCE TEXT: the file with TEXT at its end
refused_policy()
{
	local said before=$(in_ours bash -c state 2>&1)

	# shellcheck disable=SC2059
	{ cat "$WORK/file"; printf "$2"; printf '[Interface]\nPreUp = touch $RECORD/pre\n'; } >$FILE
	said=$(in_ours fzctl up $NAME 2>&1) && fail "not refused: $2"
	[[ $said == "fzctl: $FILE, $1"* ]] || fail "\"$said\" does not say \"$1\""
	[ -e "$WORK/ours/pre" ] && fail "PreUp has run: $2"
	equal "$(echo "$said" | wc -l)" 1 "sentences"
	equal "$(in_ours bash -c state 2>&1)" "$before" "what is left"
}

# Somebody stops it while a hook runs.
signals()
{
	local pid

	mkfifo "$WORK/go"	# of its own: nobody else opens it meanwhile
	{ interface; echo "Address = 10.0.0.1/24"; echo "DNS = 1.2.3.4"
		echo "PostUp = touch \$RECORD/waiting; read -r _ <$WORK/go"
		peer 0; echo "AllowedIPs = 0.0.0.0/0"; } >$FILE
	start
	RECORD=$WORK/ours ip netns exec "$(ns ours)" fzctl up $NAME >"$WORK/ours.said" 2>&1 &
	pid=$!
	wait_for 60 test -e "$WORK/ours/waiting"
	kill -TERM "$pid"
	echo >"$WORK/go"
	wait "$pid" && fail "it ended well"
	grep -q interrupted "$WORK/ours.said" || fail "it does not say why: $(cat "$WORK/ours.said")"
	in_ours ip link show $NAME 2>/dev/null && fail "the device is left"
	rm -f "$WORK"/ours/*
	in_both sysctl -qw net.ipv4.conf.all.src_valid_mark=0	# theirs has not been up
	left "a signal"
}

export -f state policy
export NAME
command -v wg-quick >/dev/null || skip_all "needs wg-quick"
command -v jq >/dev/null || skip_all "needs jq"
[ -d /sys/module/wireguard ] || modprobe wireguard 2>/dev/null || skip_all "needs the in-tree module"
trap uncover EXIT
cover /etc/wireguard /etc/fz /etc/resolvconf
fake_programs
default_mode open
outside
KEY=$(fzctl genkey)
PEERS=("$(fzctl genkey | fzctl pubkey)" "$(fzctl genkey | fzctl pubkey)")

check "addresses" addresses
check "peers that overlap" overlaps
check "default routes" defaults
check "name servers" dns
check "hooks" hooks
check "files that are saved" saves
check "what is there already, or not" wrong_times
check "a signal" signals
check "two tunnels that take everything" two_tunnels
check "modes, resources and grants" modes
check "a file that is read again" reloads
if [ -z "${FZ_SHORT-}" ]; then
	check "the largest packet" mtus
	check "tables" tables
	check "default routes without nft" without_nft
	check "spellings" spellings
	check "what is refused" refusals
	check "names of files and devices" names
	check "who may read the file" warnings
fi
finish_tests
