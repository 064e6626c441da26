# SPDX-License-Identifier: GPL-2.0-only
#
# Debian packages: fz-dkms, fz-tools and fz-broker, from a copy of the tree as it is. It gets the packaging
# where Debian's tools look for it, and a change log that says nothing but the version and the time.
deb-tree := build/deb/fz-$(VERSION)

.PHONY: deb
deb:
	rm -rf build/deb
	mkdir -p $(deb-tree)
	tar -c -X .gitignore --exclude=probed.h Kbuild Makefile COPYING README.md dkms.conf broker docs kmod tools | \
		tar -x -C $(deb-tree)
	mv $(deb-tree)/tools/packaging/debian $(deb-tree)/
	printf 'fz (%s) unstable; urgency=medium\n\n  * Built from the source tree.\n\n -- %s  %s\n' '$(VERSION)' \
		"$$(sed -n 's/^Maintainer: //p' $(deb-tree)/debian/control)" \
		"$$(date -R -d "@$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || date +%s)}")" \
		>$(deb-tree)/debian/changelog
	cd $(deb-tree) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
		DEB_BUILD_OPTIONS="$${DEB_BUILD_OPTIONS-noautodbgsym parallel=$$(nproc)}" dpkg-buildpackage -us -uc -b
	@ls build/deb/*.deb
