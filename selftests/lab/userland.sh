# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Minimal systems of a distribution in the cache: unpacked once, entered with what they need mounted in a
# namespace of its own, so that nothing is left behind.

# userland_unpack ROOT SUITE [PACKAGE,...]: the smallest system of SUITE, with PACKAGEs, becomes ROOT
userland_unpack() {
	local staged

	[[ -d $1 ]] && return
	((EUID == 0)) || { echo "only root can unpack a system"; return 1; }
	staged=$(staging "$1")
	debootstrap --variant=minbase --keyring="$APT_KEYRING" ${3:+--include="$3"} "$2" "$staged" "$(apt_uri "$2")" ||
		return
	finish "$staged" "$1"
}

# userland_has ROOT PACKAGE...: whether it has them all
userland_has() {
	local root=$1 package

	shift
	for package; do
		[[ -f $root/var/lib/dpkg/info/$package.list || -f $root/var/lib/dpkg/info/$package:amd64.list ]] || return
	done
}

# userland_sources ROOT SUITE: SUITE, its updates and backports, from where the lab has them
userland_sources() {
	grep -E " $2(-[a-z]+)? main$" "$APT_ROOT/sources.list" >"$1/etc/apt/sources.list"
	cp -L /etc/resolv.conf /etc/hosts "$1/etc/"
}

# userland_install ROOT SUITE PACKAGE...: with what they depend on. What is downloaded is not kept.
userland_install() {
	local root=$1

	userland_sources "$1" "$2" || return
	shift 2
	userland_enter "$root" "$CACHE_DIR" apt-get update &&
		userland_enter "$root" "$CACHE_DIR" env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y --no-install-recommends "$@" &&
		userland_enter "$root" "$CACHE_DIR" apt-get clean
}

# userland_enter ROOT DIR COMMAND...: run COMMAND there, in an environment of its own. DIR of this machine is at
# the same path.
userland_enter() {
	# shellcheck disable=SC2016 # expanded in the namespace
	unshare --mount --propagation private /bin/bash -c '
		root=$1 dir=$2
		shift 2
		mkdir -p "$root$dir" && mount --bind "$dir" "$root$dir" &&
			mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev" &&
			exec chroot "$root" /usr/bin/env -i PATH=/usr/bin:/usr/sbin:/bin:/sbin HOME=/ LANG=C.UTF-8 "$@"
		' userland "$@"
}

# userland_layer ROOT DIR COMMAND...: as userland_enter, but what COMMAND changes in ROOT is gone afterwards. The
# layer is on disk, in the cache.
userland_layer() (
	mkdir -p "$CACHE_DIR/run"
	layer=$(mktemp -d "$CACHE_DIR/run/layer.XXXXXX") || exit
	trap 'rm -rf "$layer"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir "$layer"/{upper,work,root}
	# shellcheck disable=SC2016 # expanded in the namespace
	unshare --mount --propagation private /bin/bash -c '
		lab=$1 layer=$2 root=$3
		shift 3
		. "$lab/userland.sh" &&
			mount -t overlay -o "lowerdir=$root,upperdir=$layer/upper,workdir=$layer/work" layer "$layer/root" &&
			userland_enter "$layer/root" "$@"
		' userland "$LAB_DIR" "$layer" "$@"
)
