# SPDX-License-Identifier: GPL-2.0-only
fz-y += kmod/path/candidates.o
fz-y += kmod/path/sideband.o
