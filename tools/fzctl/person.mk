# SPDX-License-Identifier: GPL-2.0-only
fzctl-src += tools/fzctl/person.c

tests += tools/fzctl/person_test
tools/fzctl/person_test-src := $(addprefix tools/fzctl/,person.c session.c output.c words.c terms.c queue.c)
