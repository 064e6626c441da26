#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own Python client speaks to the module with kmod/fz.yaml as it is. Skipped where
# there is no kernel source with that client (tools/net/ynl); YNL says where it is.

. "$(dirname "$0")/lib.sh"

YNL=${YNL-$(printf '%s\n' ~/.cache/fz/source/*/tools/net/ynl | tail -n 1)}
[ -f "$YNL/pyynl/cli.py" ] || skip_all "there is no kernel source with tools/net/ynl"
/usr/bin/python3 -c 'import yaml, jsonschema' || skip_all "Python lacks yaml or jsonschema"
SCHEMA=$YNL/../../../Documentation/netlink/genetlink-legacy.yaml
KEY_A=0909090909090909090909090909090909090909090909090909090909090909

ynl()
{
	on a /usr/bin/python3 "$YNL/pyynl/cli.py" --spec "$TOP/kmod/fz.yaml" --schema "$SCHEMA" \
		--output-json "$@"
}

sets_and_gets_a_device()
{
	cmd_ok ynl --do set-device --json '{"ifname": "fz0", "listen-port": 7000, "fwmark": 5,
		"mode": [{"direction": "in", "mode": "observe", "flags": []}]}'
	cmd_ok ynl --dump get-device --json '{"ifname": "fz0"}'
	ynl --dump get-device --json '{"ifname": "fz0"}' >"$WORK/device"
	cmd_ok jq -e '.[0] | .["listen-port"] == 7000 and .fwmark == 5 and
		(.mode[] | select(.direction == "in").mode) == "observe"' "$WORK/device"
}

sets_and_gets_a_peer()
{
	cmd_ok ynl --do set-device --json "{\"ifname\": \"fz0\", \"peers\": [{\"public-key\": \"$KEY_A\",
		\"allowedips\": [{\"family\": 2, \"ipaddr\": \"10.0.0.0\", \"cidr-mask\": 8}]}]}"
	ynl --dump get-device --json '{"ifname": "fz0"}' >"$WORK/device"
	cmd_ok jq -e --arg key "$KEY_A" '[.. | .["public-key"]? | strings | gsub("[ :]"; "")] |
		index($key) != null' "$WORK/device"
}

sets_and_gets_policy()
{
	cmd_ok ynl --do new-resource --json '{"ifname": "fz0", "resource": [{"name": "web",
		"prefix": [{"addr": "10.0.0.0", "len": 8}],
		"service": [{"protocol": 6, "port-min": 443}]}]}'
	cmd_ok ynl --do new-grant --json '{"ifname": "fz0", "grant": [{"resource": "web",
		"direction": "in", "action": "allow", "lease-ms": 60000}]}'
	ynl --dump get-grant --json '{"ifname": "fz0"}' >"$WORK/grants"
	cmd_ok jq -e '.[0].grant[0] | .resource == "web" and .action == "allow" and
		.["lease-ms"] <= 60000' "$WORK/grants"
	ynl --do explain --json "{\"ifname\": \"fz0\", \"peer\": \"$KEY_A\", \"direction\": \"in\",
		\"tuple\": {\"protocol\": 6, \"src\": \"10.200.0.1\", \"dst\": \"10.1.2.3\",
		\"sport\": 1000, \"dport\": 443}}" >"$WORK/explain"
	cmd_ok jq -e '.verdict == "pass"' "$WORK/explain"
	ynl --do get-stats --json '{"ifname": "fz0"}' >"$WORK/stats"
	cmd_ok jq -e '.resources == 1 and .grants == 1' "$WORK/stats"
}

says_what_is_wrong()
{
	cmd_fail ynl --do new-grant --json '{"ifname": "fz0", "grant": [{"resource": "nothing"}]}'
	ynl --do new-grant --json '{"ifname": "fz0", "grant": [{"resource": "nothing"}]}' \
		>"$WORK/error" 2>&1
	cmd_ok grep -q "there is no resource of this name" "$WORK/error"
}

host a
on a ip link add fz0 type fz || skip_all "cannot make a device"
check "a device is set and read" sets_and_gets_a_device
check "a peer is set and read" sets_and_gets_a_peer
check "policy is set, read and explained" sets_and_gets_policy
check "a refusal has its sentence" says_what_is_wrong
finish_tests
