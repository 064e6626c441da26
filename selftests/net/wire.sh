#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a device does on the wire, byte by byte, asked by an end that is written for it
# (wire/probe.py): first of the in-tree WireGuard, where the kernel has it, then of fz. What the
# one does not do is not expected of the other.
#
#	        probe                                       host
#	  192.168.7.1, fd07::1 ---------------------- 192.168.7.2/24 tun, port 1000
#	                                              fd07::2/64
#	  eth 192.0.2.1/24 --------- veth ----------- 192.0.2.2/24 eth
#	      192.0.2.3/24                            192.0.2.4/24
#	      2001:db8::1/64                          2001:db8::2/64, 2001:db8::4/64
#
# FZ_LONG=1 also waits until keys expire, three minutes for each kind. FZ_WIRE="CASE..." runs those.

# shellcheck source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"
need_module
default_mode open
/usr/bin/python3 -c 'import cryptography' || skip_all "Python lacks cryptography"

umask 077
for name in probe host other; do
	fzctl genkey >"$WORK/$name.key" || skip_all "no fzctl"
done
fzctl genpsk >"$WORK/psk"
export KEY_PROBE=$WORK/probe.key KEY_HOST=$WORK/host.key KEY_OTHER=$WORK/other.key PSK=$WORK/psk
PUB_PROBE=$(fzctl pubkey <"$WORK/probe.key")

host probe host
cable probe eth 192.0.2.1/24 2001:db8::1/64 host eth 192.0.2.2/24 2001:db8::2/64
on probe ip addr add 192.0.2.3/24 dev eth
HOST=$(ns host)
export HOST
coproc PROBE { on probe /usr/bin/python3 "$TOP/selftests/net/wire/probe.py"; }
# Cases run in subshells, which do not get the coprocess's own.
exec {TO_PROBE}>&"${PROBE[1]}" {FROM_PROBE}<&"${PROBE[0]}"

# A new device, which does not know where its peer is.
device()
{
	CTL=$(ctl "$1")
	cmd_mayfail on host nft delete table ip probe
	cmd_mayfail ip -n "$HOST" -force -batch - <<-END
		link del tun
		addr add 192.0.2.4/24 dev eth
		addr add 2001:db8::4/64 dev eth nodad preferred_lft 0
	END
	cmd_ok on host ip link add tun type "$1"
	cmd_ok on host "$CTL" set tun private-key "$WORK/host.key" listen-port 1000 \
		peer "$PUB_PROBE" preshared-key "$WORK/psk" allowed-ips 192.168.7.1/32,fd07::1/128
	cmd_ok ip -n "$HOST" -batch - <<-END
		addr add 192.168.7.2/24 dev tun
		addr add fd07::2/64 dev tun
		link set tun up
	END
}

# probe KIND CASE
probe()
{
	local status

	device "$1"
	echo "$CTL $2 $WORK/out" >&"$TO_PROBE"
	read -rt 600 status <&"$FROM_PROBE" || fail "the probe does not answer"
	sed 's/^/# /' "$WORK/out"
	[ "$status" = 0 ] || fail "$2"
}

shown()
{
	on host "$CTL" show tun "$1"
}

# A device is never its own peer, whichever comes first, the key or the peer.
self()
{
	device "$1"
	cmd_ok on host "$CTL" set tun private-key "$WORK/probe.key"
	equal "$(shown peers)" "" "list of peers"
	cmd_ok on host "$CTL" set tun peer "$PUB_PROBE" allowed-ips 192.168.7.1/32
	equal "$(shown peers)" "" "list of peers"
	cmd_ok on host "$CTL" set tun private-key "$WORK/host.key" peer "$PUB_PROBE"
	equal "$(shown peers)" "$PUB_PROBE" "list of peers"
}

# Bits of a private key that have no meaning are as they should be; another MTU was not asked for.
defaults()
{
	device "$1"
	printf '\377%.0s' {1..32} | base64 >"$WORK/ones.key"
	cmd_ok on host "$CTL" set tun private-key "$WORK/ones.key"
	equal "$(shown private-key)" "+P///////////////////////////////////////38=" "private key"
	equal "$(on host cat /sys/class/net/tun/mtu)" 1420 "MTU"
}

CASES_WIRE=(session padding ds_field replay malformed roaming replayed_initiation low_order
	initiation_limit cookie_asked cookie_rate cookie_used staged link_down new_key source fwmark)
if [ -z "${FZ_SHORT-}" ]; then CASES_WIRE+=(retry silence); fi
if [ -n "${FZ_LONG-}" ]; then CASES_WIRE+=(expiry); fi
if [ -w /sys/power/pm_test ]; then CASES_WIRE+=(suspend); fi
if [ -n "${FZ_WIRE-}" ]; then read -ra CASES_WIRE <<<"$FZ_WIRE"; fi

kinds=fz
if [ -d /sys/module/wireguard ] || modprobe -q wireguard; then
	kinds="wireguard fz"
else
	echo "# the kernel has no WireGuard of its own: fz alone"
fi
for name in "${CASES_WIRE[@]}"; do
	for kind in $kinds; do
		check "$kind: ${name//_/ }" probe "$kind" "$name"
	done
done
for kind in $kinds; do
	check "$kind: a device is not its own peer" self "$kind"
	check "$kind: key and MTU of a new device" defaults "$kind"
done
echo >&"$TO_PROBE"
wait
finish_tests
