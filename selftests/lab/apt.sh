# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A private apt root in the cache: it knows more suites than the machine itself and changes nothing
# on it. The mirrors are those of the machine's own apt configuration.

APT_ROOT=$CACHE_DIR/apt
APT_SUITES=(bookworm bookworm-updates bookworm-security bookworm-backports trixie trixie-backports)
APT_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
APT_MAX_AGE=86400

# apt_mirror SUITE_PATTERN: URI of the mirror that the machine uses for suites like that
apt_mirror() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
		awk -v pattern="^($1)\$" '$1 ~ pattern && $3 ~ /^Debian/ { print $2; exit }'
}

apt_write_root() {
	local main security suite uri

	main=$(apt_mirror '[a-z]+(-updates)?|stable|oldstable')
	security=$(apt_mirror '[a-z]+-security')
	[[ $main ]] || return 1
	mkdir -p "$APT_ROOT"/{lists/partial,archives/partial,parts,empty}
	for suite in "${APT_SUITES[@]}"; do
		uri=$main
		if [[ $suite == *-security ]]; then
			[[ $security ]] || continue
			uri=$security
		fi
		echo "deb [signed-by=$APT_KEYRING] $uri $suite main"
	done >"$APT_ROOT/sources.list.part"
	mv "$APT_ROOT/sources.list.part" "$APT_ROOT/sources.list"
	# Nothing in this root counts as installed: packages are only looked up and unpacked.
	: >"$APT_ROOT/status"
	cat >"$APT_ROOT/apt.conf" <<-CONF
		Dir::Etc::sourcelist "$APT_ROOT/sources.list";
		Dir::Etc::sourceparts "$APT_ROOT/empty";
		Dir::Etc::preferencesparts "$APT_ROOT/empty";
		Dir::State "$APT_ROOT";
		Dir::State::lists "$APT_ROOT/lists";
		Dir::State::status "$APT_ROOT/status";
		Dir::Cache "$APT_ROOT";
		Dir::Cache::archives "$APT_ROOT/archives";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
		Acquire::Languages "none";
		Acquire::GzipIndexes "true";
		APT::Update::Post-Invoke-Success "";
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
	CONF
}

apt_update() {
	if [[ -f $APT_ROOT/fresh ]] && (($(seconds_since "$(stat -c %Y "$APT_ROOT/fresh")") < APT_MAX_AGE)); then
		return 0
	fi
	if ! apt_write_root; then
		step "$CACHE_DIR/log/apt-update-host" "reading the machine's package lists" apt-get update &&
			apt_write_root || die "no Debian mirror in this machine's apt configuration"
	fi
	step "$CACHE_DIR/log/apt-update" "reading the package lists of ${APT_SUITES[*]}" \
		env APT_CONFIG="$APT_ROOT/apt.conf" apt-get update || return
	touch "$APT_ROOT/fresh"
}

# apt_prepare: package lists not older than a day. Lists at hand are good enough when offline.
apt_prepare() {
	with_lock apt apt_update && return
	[[ -f $APT_ROOT/fresh ]] || die "the Debian mirror cannot be reached and nothing is cached"
	say "the Debian mirror cannot be reached: going on with the package lists of $(date -r "$APT_ROOT/fresh" +%F)"
}

# apt_uri SUITE: where this root has SUITE from
apt_uri() {
	awk -v suite="$1" '$(NF - 1) == suite { print $(NF - 2) }' "$APT_ROOT/sources.list"
}

lab_apt_cache() {
	APT_CONFIG=$APT_ROOT/apt.conf apt-cache "$@"
}

# apt_field SUITE PACKAGE FIELD: "VERSION FIELD" of the newest PACKAGE in SUITE and its security updates
apt_field() {
	local lists
	mapfile -t lists < <(APT_CONFIG=$APT_ROOT/apt.conf apt-get indextargets \
		--format '$(RELEASE) $(FILENAME)' 'Created-By: Packages' |
		awk -v suite="$1" '$1 == suite || $1 == suite "-security" { print $2 }')
	((${#lists[@]})) || return
	/usr/lib/apt/apt-helper cat-file "${lists[@]}" |
		awk -v package="$2" -v field="$3:" '
			$1 == "Package:" { found = $2 == package }
			found && $1 == "Version:" { version = $2 }
			found && $1 == field { sub(/^[^ ]+ /, ""); value = $0 }
			found && NF == 0 { print version, value; found = 0 }' |
		sort -V | tail -n 1
}

# apt_target SUITE METAPACKAGE: what METAPACKAGE stands for in SUITE, as "PACKAGE VERSION"
apt_target() {
	apt_field "$1" "$2" Depends | tr ',' '\n' |
		awk -v stem="${2%-amd64}-" '{
			for (i = 1; i < NF; i++)
				if (index($i, stem) == 1 && substr($i, length(stem) + 1) ~ /^[0-9]/ && $(i + 1) == "(=") {
					print $i, substr($(i + 2), 1, length($(i + 2)) - 1)
					exit
				}
		}'
}

# apt_unpack DIR PACKAGE=VERSION...: download and unpack packages below DIR; nothing is installed
apt_unpack() (
	local dir=$1 package
	shift
	mkdir -p "$dir"
	cd "$(mktemp -d "$APT_ROOT/archives/unpack.XXXXXX")" || exit
	trap 'rm -rf "$PWD"' EXIT
	APT_CONFIG=$APT_ROOT/apt.conf apt-get -o APT::Sandbox::User=root download "$@" || exit
	for package in ./*.deb; do
		dpkg-deb -x "$package" "$dir" || exit
	done
)
