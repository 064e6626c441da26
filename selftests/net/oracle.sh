#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Policies by chance, of which a second evaluator has to think the same: oracle/oracle.py says how.
# FZ_SEED has it made of another seed, FZ_ROUNDS so often; FZ_LONG of one from the clock, ten times as often.
#
#	        peer                         gate
#	  10.9.0.0/16, fd09::/16       10.1.0.0/16, fd01::/16
#	  fz1 - - - - - - - - - - - - - - - - - fz0
#	  eth 192.0.2.2/24 ------------------- eth 192.0.2.1/24

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh" >/dev/null
need_module
default_mode enforce
/usr/bin/python3 -c 'import yaml' || skip_all "Python lacks yaml"

umask 077
host gate peer
cable gate eth 192.0.2.1/24 2001:db8::1/64 peer eth 192.0.2.2/24 2001:db8::2/64
for name in gate peer; do
	fzctl genkey >"$WORK/$name.key" || skip_all "no fzctl"
done
key() { fzctl pubkey <"$WORK/$1.key"; }

on gate ip link add fz0 type fz
on gate fzctl set fz0 private-key "$WORK/gate.key" listen-port 1000 \
	peer "$(key peer)" endpoint 192.0.2.2:1001
on gate ip link set fz0 up
on peer ip link add fz1 type fz
on peer fzctl set fz1 private-key "$WORK/peer.key" listen-port 1001 \
	peer "$(key gate)" allowed-ips 0.0.0.0/0,::/0 endpoint 192.0.2.1:1000
on peer fzctl mode fz1 open
on peer ip link set fz1 up

seed=20260101
rounds=24
if [ -n "${FZ_LONG-}" ]; then
	seed=$(date +%s)
	rounds=240
fi
on gate /usr/bin/python3 "$TOP/selftests/net/oracle/oracle.py" "$(ns gate)" "$(ns peer)" "$(key peer)" \
	"$(fzctl genkey | fzctl pubkey)" "$(fzctl genkey | fzctl pubkey)" "${FZ_SEED-$seed}" "${FZ_ROUNDS-$rounds}"
