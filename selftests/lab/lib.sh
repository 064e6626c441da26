# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What every script of the lab shares: messages, progress, the cache and its locks.

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP_DIR=$(cd "$LAB_DIR/../.." && pwd)
CACHE_DIR=${FZ_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/fz}

# Exit statuses of the lab itself; anything else is COMMAND's own.
# shellcheck disable=SC2034
STATUS_USAGE=2 STATUS_TIMEOUT=124 STATUS_LAB=125 STATUS_REPORT=126

say() {
	printf 'lab: %s\n' "$*" >&2
}

die() {
	say "$*"
	exit "$STATUS_LAB"
}

# seconds_since START: whole seconds since $EPOCHSECONDS was START
seconds_since() {
	echo $((EPOCHSECONDS - $1))
}

# step LOG WHAT COMMAND...: run COMMAND in a subshell with its output in LOG. Says WHAT and how long it took if that
# is more than 2 seconds, and shows the end of LOG if it fails.
step() {
	local log=$1 what=$2 start=$EPOCHSECONDS timer status=0
	shift 2
	mkdir -p "$(dirname "$log")"
	announce_after 2 "$what" &
	timer=$!
	("$@") >"$log" 2>&1 </dev/null || status=$?
	kill "$timer" 2>/dev/null
	wait "$timer" 2>/dev/null
	if ((status)); then
		say "$what: failed after $(seconds_since "$start") s (status $status); from $log:"
		grep -E 'error: |undefined|No rule to make' "$log" | head -n 20 >&2
		tail -n 15 "$log" >&2
		return "$status"
	fi
	if (($(seconds_since "$start") > 2)); then
		say "$what: done in $(seconds_since "$start") s"
	fi
}

# announce_after SECONDS WHAT: say WHAT unless killed first. Reads from a pipe nobody writes to, so that
# no sleeping child is left behind.
announce_after() {
	local fd
	exec {fd}<> <(:)
	read -r -t "$1" -u "$fd" || say "$2 ..."
}

# with_lock NAME COMMAND...: one at a time for everybody who uses this cache
with_lock() {
	local name=$1 fd status=0
	shift
	mkdir -p "$CACHE_DIR/lock"
	exec {fd}>"$CACHE_DIR/lock/$name"
	if ! flock -n "$fd"; then
		say "waiting for another run that prepares $name"
		flock "$fd"
	fi
	"$@" || status=$?
	exec {fd}>&-
	return "$status"
}

# finish STAGED FINAL: what was built in STAGED becomes FINAL in one rename, so that an interrupted
# build is never taken for a finished one
finish() {
	rm -rf "$2"
	mkdir -p "$(dirname "$2")"
	mv -T "$1" "$2"
}

# staging FINAL: an empty directory beside FINAL to build in; prints its path
staging() {
	local dir=$1.part
	rm -rf "$dir"
	mkdir -p "$dir"
	echo "$dir"
}

# module_sources: what a build of the module depends on, from the current directory, without what a build in
# the checkout left there
module_sources() {
	find Kbuild kmod -type f ! \( -name '*.[oa]' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*' \
		-o -name 'modules.order' -o -name 'Module.symvers' -o -path kmod/compat/probed.h \)
}

# unpack_modules DIR ROOT RELEASE MODULE...: those MODULEs that the kernel below ROOT has, and what they need, go
# into DIR, numbered in the order in which they load
unpack_modules() {
	local dir=$1 path module number=10

	while read -r path; do
		module=$(basename "$path")
		case $path in
		*.xz) xz -dc "$path" >"$dir/$number-${module%.xz}" ;;
		*.zst) zstd -qdc "$path" >"$dir/$number-${module%.zst}" ;;
		*) cp "$path" "$dir/$number-$module" ;;
		esac || return
		number=$((number + 1))
	done < <(modprobe -q -d "$2" -S "$3" -a --show-depends "${@:4}" | awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
}
