#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# probe.sh PROBES OUTPUT CC FLAGS...
#
# Compiles PROBES once, without output. Each probe in it stands in a "file" of its own, by a #line
# directive: a probe that the compiler reports an error for is absent from the kernel. OUTPUT gets
# a 0 or 1 for each, and is only touched if it changes.
set -eu

probes=$1
output=$2
shift 2

tmp=$output.$$
trap 'rm -f "$tmp" "$tmp.log"' EXIT
mkdir -p "$(dirname "$output")"

# A limit on the number of errors would make things look present.
case $("$1" --version 2>/dev/null | head -n 1) in
*clang*) limit=-ferror-limit=0 ;;
*) limit=-fmax-errors=0 ;;
esac

LC_ALL=C "$@" "$limit" -Werror=implicit-function-declaration -Werror=incompatible-pointer-types \
	-Werror=int-conversion -DMODULE \
	-DKBUILD_MODNAME=\"fz\" -DKBUILD_BASENAME=\"probes\" -DKBUILD_MODFILE=\"fz\" -fsyntax-only -x c "$probes" 2>"$tmp.log" || :

sed -n 's/^#line 1 "\(FZ_[A-Z0-9_]*\)"$/\1/p' "$probes" | sort -u >"$tmp"
awk -v log_file="$tmp.log" '
	BEGIN {
		while ((getline line < log_file) > 0) {
			if (line !~ /^[^ ]+:[0-9]+:[0-9]+: (fatal )?error: /)
				continue
			name = line
			sub(/:.*/, "", name)
			if (name !~ /^FZ_[A-Z0-9_]+$/) {
				print "fz: cannot probe this kernel: " line >"/dev/stderr"
				exit bad = 1
			}
			absent[name] = 1
		}
		print "/* Made by probe.sh for this kernel. */"
	}
	{ print "#define " $1 " " ($1 in absent ? 0 : 1) }
	$1 == "FZ_PROBE_MUST_PASS" && $1 in absent { bad = 1 }
	$1 == "FZ_PROBE_MUST_FAIL" && !($1 in absent) { bad = 1 }
	END { exit bad }
' "$tmp" >"$tmp.h" || {
	rm -f "$tmp.h"
	echo "fz: probing this kernel with $1 failed:" >&2
	head -n 20 "$tmp.log" >&2
	exit 1
}
cmp -s "$tmp.h" "$output" && rm -f "$tmp.h" || mv -f "$tmp.h" "$output"
