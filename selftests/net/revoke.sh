#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every kind of flow against every source of revocation: revoke/revoke.py says how. FZ_REVOKE="NAME..."
# plays those revocations only, by the names of their classes there.
#
#	        peer                        gate                       other
#	  10.9.0.0/16, fd09::/16      10.1.0.0/16, fd01::/16     10.8.0.0/16, fd08::/16
#	  fz1 - - - - - - - - - - - - - - - fz0 - - - - - - - - - - - - - - - fz2
#	  eth 192.0.2.2/30 ----- one 192.0.2.1/30
#	                         two 192.0.2.5/30 --------- eth 192.0.2.6/30

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh" >/dev/null
need_module
default_mode enforce
/usr/bin/python3 -c 'import yaml' || skip_all "Python lacks yaml"

umask 077
host gate peer other
cable gate one 192.0.2.1/30 2001:db8:1::1/64 peer eth 192.0.2.2/30 2001:db8:1::2/64
cable gate two 192.0.2.5/30 2001:db8:2::1/64 other eth 192.0.2.6/30 2001:db8:2::2/64
keep_order gate one two
keep_order peer eth
keep_order other eth
for name in gate peer other; do
	fzctl genkey >"$WORK/$name.key" || skip_all "no fzctl"
done
key() { fzctl pubkey <"$WORK/$1.key"; }

on gate ip link add fz0 type fz
on gate fzctl set fz0 private-key "$WORK/gate.key" listen-port 1000 \
	peer "$(key peer)" allowed-ips 10.9.0.0/16,fd09::/16 \
	peer "$(key other)" allowed-ips 10.8.0.0/16,fd08::/16
# end NAME DEVICE ENDPOINT
end()
{
	on "$1" ip link add "$2" type fz
	on "$1" fzctl set "$2" private-key "$WORK/$1.key" \
		peer "$(key gate)" allowed-ips 0.0.0.0/0,::/0 endpoint "$3"
	on "$1" fzctl mode "$2" open
	on "$1" ip link set "$2" up
}
on gate ip link set fz0 up
end peer fz1 192.0.2.1:1000
end other fz2 192.0.2.5:1000


# inner HOST DEVICE NETWORK ROUTE...: addresses of connections that are the kernel's own
inner()
{
	local address network

	for address in {2..7}; do
		on "$1" ip addr add "10.$3.100.$address/32" dev "$2"
	done
	for network in "${@:4}"; do
		on "$1" ip route add "10.$network.0.0/16" dev "$2"
	done
}
inner gate fz0 1 8 9
inner peer fz1 9 1
inner other fz2 8 1

# shellcheck disable=SC2086
on gate /usr/bin/python3 "$TOP/selftests/net/revoke/revoke.py" "$(ns gate)" "$(ns peer)" "$(ns other)" \
	"$(key peer)" "$(key other)" "$(key gate)" ${FZ_REVOKE-}
