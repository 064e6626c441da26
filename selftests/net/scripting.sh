#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The programs of docs/netlink.md, as they stand there. Those in Python need the kernel's own client
# (tools/net/ynl); YNL says where it is.
if [ -z "${FZ_INSIDE-}" ] && [ "$(id -u)" = 0 ]; then
	FZ_INSIDE=1 exec unshare --net bash "$0" "$@"
fi
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_module

YNL=${YNL-$(printf '%s\n' ~/.cache/fz/source/*/tools/net/ynl | tail -n 1)}
export YNL FZ_SPEC=$TOP/kmod/fz.yaml
doc_blocks "$TOP/docs/netlink.md" python "$WORK"
doc_blocks "$TOP/docs/netlink.md" c "$WORK"

have_ynl()
{
	[ -f "$YNL/pyynl/cli.py" ] && /usr/bin/python3 -c 'import yaml, jsonschema'
}

device()
{
	ip link del fz0 2>/dev/null
	cmd_ok ip link add fz0 type fz
}

# prints EXPECTED COMMAND...
prints()
{
	local expected=$1

	shift
	"$@" >"$WORK/said" 2>&1
	equal "$(cat "$WORK/said")" "$expected" "what it prints"
}

policy()
{
	device
	prints "verdict pass web
grants 1 web True
refused 2 there is no resource of this name
left 0" /usr/bin/python3 "$WORK/policy.py"
	equal "$(fzctl show fz0 listen-port) $(fzctl show fz0 peers)" "7000 " "port and peers afterwards"
	equal "$(fzctl resource list fz0 --json | jq -c 'map([.name, .prefixes, .services])')" \
		'[["web",["10.1.0.0/24"],["tcp/80,8000-8010"]]]' "the resource"
}

epoch()
{
	device
	prints "before 500 500
refused another process has an epoch open on this device
meanwhile 500
after 20" /usr/bin/python3 "$WORK/epoch.py"
	equal "$(fzctl resource list fz0 --json | jq -r '.[].name' | sort -V | sed -n '1p; $p' | xargs)" "r490 r509" \
		"the first and the last of what is left"
}

told() { [ -n "$(grep -E "$1" "$WORK/told")" ]; }

events()
{
	device_alone
	setpriv --pdeathsig KILL /usr/bin/python3 "$WORK/events.py" 3600 >"$WORK/told" &
	wait_for 60 told '^ready$'
	echo >/dev/udp/10.7.0.2/5
	wait_for 20 told '^denial no-grant 5$'
	cmd_ok fzctl resource add fz0 web 10.7.0.2 udp/80
	wait_for 20 told '^resource-new web$'
	cmd_ok fzctl grant add fz0 any resource web out
	echo >/dev/udp/10.7.0.2/80
	wait_for 20 told '^flow-start web 80 '
	cmd_ok fzctl grant del fz0 any resource web out
	wait_for 20 told '^flow-end web 80 1$'
	kill $!
}

dump()
{
	device
	cmd_ok fzctl resource add fz0 web 10.1.0.0/24
	cmd_ok fzctl resource add fz0 mail 10.1.0.0/24
	cmd_ok fzctl set fz0 peer "$(fzctl genkey | fzctl pubkey)"
	cmd_ok fzctl grant add fz0 any resource web
	cmd_ok fzctl grant add fz0 peer "$(fzctl show fz0 peers)" resource web
	cmd_ok fzctl grant add fz0 any resource mail
	prints "3 grants, of 2 resources" /usr/bin/python3 "$WORK/dump.py" fz0
}

in_c()
{
	device
	cmd_ok "$CC" -Wall -Wextra -Werror -I "$TOP/kmod/uapi" -o "$WORK/grant" "$WORK/grant.c" -lmnl
	cmd_fail "$WORK/grant" fz0 web
	equal "$("$WORK/grant" fz0 web)" "refused: there is no resource of this name" "what it says"
	cmd_ok fzctl resource add fz0 web 10.1.0.0/24
	prints "grant of web
1 in all" "$WORK/grant" fz0 web
	equal "$(fzctl grant list fz0 --json | jq -c 'map([.peer, .direction, .action, .lease_ms <= 28800000])')" \
		'[["any","in","allow",true]]' "the grant"
}

command -v jq >/dev/null || skip_all "needs jq"
if have_ynl; then
	check "policy.py" policy
	check "epoch.py" epoch
	check "events.py" events
else
	echo "# there is no kernel source with tools/net/ynl, or Python lacks yaml or jsonschema"
fi
check "dump.py" dump
CC=$(command -v cc gcc | head -n 1)
if [ -n "$CC" ]; then
	check "grant.c" in_c
fi
finish_tests
