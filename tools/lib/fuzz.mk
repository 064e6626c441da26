# SPDX-License-Identifier: GPL-2.0-only
#
# What parses bytes of strangers, fuzzed: `make fuzz` builds the targets with
# clang into build/fuzz/bin; one is run by
#
#	build/fuzz/bin/fuzz-stun -max_total_time=60 build/fuzz/corpus tools/lib/fuzz/corpus/stun
#
# which keeps what it finds in build/fuzz/corpus. Without clang, in the unit
# tests, the kept corpora go through the same functions.
fuzzers := channel config denials inner invite message quick stun
fuzz-config-extra := tools/fzctl/config.c
fuzz-denials-extra := $(addprefix tools/fzctl/,denials.c sighting.c suggest.c)
fuzz-inner-extra := kmod/authz/dissect.c kmod/authz/tuple.c
fuzz-message-extra := tools/agent/desired.c
fuzz-quick-extra := $(addprefix tools/fzctl/,quick.c quick_policy.c quick_save.c terms.c config.c show_text.c paint.c)

ifdef FUZZ
$(foreach f,$(fuzzers),$(eval test-programs += fuzz-$f) \
	$(eval fuzz-$f-src := tools/lib/fuzz/$f.c $(fuzz-$f-extra)) \
	$(eval fuzz-$f-libs := -fsanitize=fuzzer))
else
$(foreach f,$(fuzzers),$(eval tests += tools/lib/fuzz/$f) \
	$(eval tools/lib/fuzz/$f-src := tools/lib/fuzz/replay.c $(fuzz-$f-extra)))
endif

# The kernel's headers are its user-space ones and those beside the target.
$(addprefix $(OBJ)/,tools/lib/fuzz/inner.o $(fuzz-inner-extra:.c=.o)): CPPFLAGS := \
	-Itools/lib/fuzz/kernel -Ikmod -Ikmod/uapi -include tools/lib/fuzz/kernel/linux/skbuff.h

.PHONY: fuzz
fuzz:
	@mkdir -p build/fuzz/corpus
	+@$(MAKE) --no-print-directory FUZZ=1 SANITIZE=1 B=build/fuzz CC=clang \
		CFLAGS='-g -fsanitize=fuzzer-no-link' $(fuzzers:%=build/fuzz/bin/fuzz-%)
