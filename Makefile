# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the user-space programs, and asks kbuild for the module.
# `make help` lists the targets.
#
# Each directory says what it holds in a sources.mk (or any other *.mk beside
# it), so that a program is added without touching this file:
#
#	programs += NAME		builds build/bin/NAME
#	test-programs += NAME		the same, for tests: not installed
#	NAME-src := a.c b.c		its sources, as paths from here
#	NAME-pkgs := libuv ...		pkg-config packages beside those of the library
#	NAME-libs := -lm ...		anything else for the linker
#	lib-src += a.c			a source of the shared library, libfz.a
#	proto-src += a.proto		becomes build/gen/a.pb.{c,h}, part of the library
#	tests += DIR/x_test		DIR/x_test.c is a cmocka test
#	DIR/x_test-src := a.c ...	sources it is linked with, beside the library
#	DIR/x_test-pkgs, -libs		as for programs (--wrap goes into -libs)
#	man-src, unit-src, completion-src	files that `make install` puts in place;
#			in units @PREFIX@ becomes what PREFIX is then

VERSION := 0.1.0

PREFIX ?= /usr/local
KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
PYTHON ?= /usr/bin/python3

# Sanitized objects live in a tree of their own.
ifdef SANITIZE
B := build/san
else
B := build
endif

OBJ := $(B)/obj
GEN := build/gen
BIN := $(B)/bin

CFLAGS ?= -O2 -g
override CFLAGS += -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wvla -fno-strict-aliasing
CPPFLAGS += -DFZ_VERSION='"$(VERSION)"' -Itools/lib -I$(GEN) -Ikmod/uapi
ifdef SANITIZE
override CFLAGS += -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
override LDFLAGS += -fsanitize=address,undefined
else
override CFLAGS += -fstack-protector-strong -fPIE
CPPFLAGS += -D_FORTIFY_SOURCE=2
override LDFLAGS += -pie -Wl,-z,relro,-z,now
endif
override LDFLAGS += -Wl,--as-needed
ifeq ($(WERROR),1)
override CFLAGS += -Werror
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all tools module module_install install uninstall test-unit run-tests check check-build check-dkms \
	check-long check-machine check-netns bench demo clean help

all: tools

lib-src :=
lib-pkgs := libmnl libsodium jansson
proto-src :=
programs :=
test-programs :=
tests :=
man-src :=
unit-src :=
completion-src :=

include $(sort $(wildcard tools/*/*.mk broker/*.mk selftests/*/*.mk))

pkg-cflags := $(shell pkg-config --cflags $(sort $(lib-pkgs) $(foreach p,$(programs) $(tests),$($p-pkgs))) 2>/dev/null)
pkg-libs = $(if $(strip $1),$(shell pkg-config --libs $1))

# argp is part of glibc; elsewhere it comes as argp-standalone.
hash := \#
argp-libs = $(eval argp-libs := $(shell printf '%s\n' '$(hash)include <argp.h>' \
	'int main(int c, char **v) { return argp_parse(0, c, v, 0, 0, 0); }' | \
	$(CC) -D_GNU_SOURCE -x c - -o /dev/null 2>/dev/null || echo -largp))$(argp-libs)

gen-c := $(patsubst %.proto,$(GEN)/%.pb.c,$(notdir $(proto-src)))
gen-h := $(gen-c:.c=.h)
.SECONDARY: $(gen-c) $(gen-h)
objs = $(patsubst %.c,$(OBJ)/%.o,$(filter-out $(GEN)/%,$1)) \
	$(patsubst $(GEN)/%.c,$(OBJ)/gen/%.o,$(filter $(GEN)/%,$1))

lib := $(B)/libfz.a
lib-objs := $(call objs,$(lib-src) $(gen-c))
lib-libs := $(if $(proto-src),-lprotobuf-nanopb)

tools: $(addprefix $(BIN)/,$(programs) $(test-programs))

# --- the protocol buffers --------------------------------------------------
vpath %.proto $(sort $(dir $(proto-src)))
vpath %.options $(sort $(dir $(proto-src)))

$(GEN)/%.pb.c $(GEN)/%.pb.h &: %.proto $(wildcard $(proto-src:.proto=.options))
	@mkdir -p $(GEN)
	$(or $(NANOPB),nanopb_generator.py) -q -I $(dir $<) -D $(GEN) $(notdir $<)

$(OBJ)/gen/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# --- objects, library, programs --------------------------------------------
$(OBJ)/%.o: %.c | $(gen-h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(pkg-cflags) $(CFLAGS) -MMD -MP -c -o $@ $<

$(lib): $(lib-objs)
	@rm -f $@
	$(AR) rcs $@ $^

# link NAME, SOURCES, TARGET
define link-rule
$3: $$(call objs,$2) $(lib)
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) -o $$@ $$(call objs,$2) $(lib) $$($1-libs) $$(lib-libs) \
		$$(call pkg-libs,$(lib-pkgs) $$($1-pkgs)) $$(argp-libs)
endef

$(foreach p,$(programs) $(test-programs),$(eval $(call link-rule,$p,$($p-src),$(BIN)/$p)))

# --- the module ------------------------------------------------------------
module:
	@test -d $(KDIR) || { echo 'No kernel headers in $(KDIR): install linux-headers-$(KVER), or name others with KDIR=' >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

module_install: module
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install

# --- installing ------------------------------------------------------------
dkms-dir := $(DESTDIR)/usr/src/fz-$(VERSION)

install: tools
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(addprefix $(BIN)/,$(programs)) $(DESTDIR)$(PREFIX)/bin/
	$(if $(man-src),install -d $(DESTDIR)$(PREFIX)/share/man/man8)
	$(if $(man-src),install -m 644 $(man-src) $(DESTDIR)$(PREFIX)/share/man/man8/)
	$(if $(completion-src),install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions)
	$(if $(completion-src),install -m 644 $(completion-src) $(DESTDIR)$(PREFIX)/share/bash-completion/completions/)
	$(if $(unit-src),install -d $(DESTDIR)$(PREFIX)/lib/systemd/system)
	$(foreach u,$(unit-src),sed 's|@PREFIX@|$(PREFIX)|g' $u | \
		install -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/$(notdir $u) &&) true
	install -d $(dkms-dir)
	install -m 644 Kbuild dkms.conf $(dkms-dir)/
	find kmod -type f \( -name '*.[chS]' -o -name '*.mk' -o -name Kbuild -o -name '*.sh' -o -name '*.yaml' \) \
		! -name '*.mod.c' ! -name probed.h -exec sh -c 'for f; do install -D -m "$$(stat -c %a "$$f")" "$$f" "$$0/$$f"; done' $(dkms-dir) {} +

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(programs))
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/man/man8/,$(notdir $(man-src)))
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/bash-completion/completions/,$(notdir $(completion-src)))
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/lib/systemd/system/,$(notdir $(unit-src)))
	rm -rf $(dkms-dir)

# --- tests -----------------------------------------------------------------
test-bins := $(addprefix $(B)/test/,$(tests))

$(foreach t,$(tests),$(eval $t-pkgs += cmocka) \
	$(eval $(call link-rule,$t,$t.c $($t-src),$(B)/test/$t)))

# Everything is built with the address and undefined-behaviour sanitizers.
test-unit:
	+@$(MAKE) --no-print-directory SANITIZE=1 run-tests

run-tests: $(test-bins)
	@passed=0; failed=0; \
	for t in $(or $(TEST),$(test-bins)); do \
		if "$$t"; then passed=$$((passed + 1)); \
		else failed=$$((failed + 1)); echo "FAILED: $$t"; fi; \
	done; \
	echo "$$passed passed, $$failed failed"; test $$failed -eq 0

check:
	selftests/check

check-long:
	selftests/check install build long long_fast

check-build:
	selftests/build/run

check-dkms:
	selftests/dkms/run

check-machine:
	selftests/machine/run

check-netns:
	selftests/netns/run

bench:
	selftests/bench/run $(if $(BASE),--base $(BASE)) $(ARGS)

demo:
	selftests/demo

# --- the rest --------------------------------------------------------------
clean:
	rm -rf build
	@if [ -d "$(KDIR)" ]; then $(MAKE) -C $(KDIR) M=$(CURDIR) clean; fi

help:
	@echo 'make, make tools     the programs, into build/bin'
	@echo 'make module          fz.ko for the running kernel (KVER=release or KDIR=directory for another)'
	@echo 'make module_install  the same, installed for that kernel'
	@echo 'make install         programs, manual pages and the DKMS source (PREFIX, DESTDIR)'
	@echo 'make deb             Debian packages of all that, into build/deb'
	@echo 'make test-unit       the user-space unit tests, with sanitizers'
	@echo 'make fuzz            fuzz targets of what parses bytes of strangers, by clang, into build/fuzz/bin'
	@echo 'make check           all tests, in kernels booted for the purpose'
	@echo 'make check-long      the tests that take too long for every check'
	@echo 'make check-build     fz.ko for the oldest to the newest kernel, by gcc, clang and sparse: no warnings'
	@echo 'make check-dkms      the Debian packages and DKMS, in clean systems'
	@echo 'make check-machine   sessions of a machine that sleeps, is saved and goes on, or is duplicated'
	@echo 'make check-netns     the test that comes with WireGuard in the kernel, netns.sh, on fz'
	@echo 'make bench           measures the fast path (ARGS=--help; BASE=a revision or directory to compare with)'
	@echo 'make demo            the whole story on real packets'
	@echo 'make clean           removes what was built'
	@echo 'WERROR=1 makes warnings errors; SANITIZE=1 builds sanitized programs into build/san'

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
