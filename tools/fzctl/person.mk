# SPDX-License-Identifier: GPL-2.0-only
fzctl-src += tools/fzctl/person.c
