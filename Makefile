# SPDX-License-Identifier: BSD-2-Clause
# make            everything that is installed
# make demo       the whole product between two namespaces, on a fresh machine (as root)
# make demo-registration   two organisations of three hosts each, in each mode of operation (as root)
# make check      all tests (as root); make check-long adds the long ones
# make lint       style, static analysis, include rule, exported symbols
# make install    below PREFIX (/usr/local), and DESTDIR before it; make uninstall removes it again
# make deb        Debian packages, in build/deb/
# make bench      one line a figure, each a ratio to a floor measured in the same run

VERSION = 0.1.0
BUILD  ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
SONAME  = libpdmv2.so.0
# Where programs find the library: here as well as when they are installed.
RPATH  ?= $$ORIGIN:$(LIBDIR)
ifeq ($(origin CC),default)
CC = gcc
endif
PYTHON ?= /usr/bin/python3

# The data path crosses many small files: with gcc they are optimised together.
OPT      ?= $(if $(findstring clang,$(CC)),-O2,-O3 -flto=auto -ffat-lto-objects -fno-plt)
WARN      = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
HARDEN   ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection
SANITIZE ?=
DEFS     ?=
CFLAGS   += -std=c11 -D_GNU_SOURCE -DPDM_RELEASE='"$(VERSION)"' $(OPT) -g $(WARN) $(HARDEN) $(SANITIZE) $(DEFS) \
            -fPIC -fvisibility=hidden -I. -MMD -MP
LDFLAGS  += -Wl,-z,relro,-z,now,-z,defs $(SANITIZE)
ifneq ($(SANITIZE),)
LDFLAGS  := $(filter-out -Wl%,$(LDFLAGS)) -Wl,-z,relro,-z,now
endif

ifneq ($(V),1)
Q = @
say = @printf '  %-4s %s\n' $(1) $(2)
endif

comma := ,
objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)))
CORE  = $(call objects,core/*.c)
CONF  = $(call objects,conf/*.c)
SHIM  = $(call objects,shim/*.c)
AGENT = $(call objects,$(wildcard $(addprefix keyagent/,*.c enrolment/*.c metrics/*.c pairing/*.c tls/*.c)))
PRIMARY = $(call objects,keyagent/primary/*.c)
STORE = $(call objects,keyagent/primary/db*.c keyagent/primary/store*.c keyagent/primary/vault.c)
TOOLS = $(call objects,cli/*.c)
PING  = $(call objects,cli/pdmping/*.c)
PERF  = $(call objects,cli/pdmperf/*.c cli/pdmperf/net/*.c)
CTL   = $(call objects,cli/pdmctl/*.c cli/pdmctl/decode/*.c)
RUN   = $(call objects,cli/pdmrun/*.c)
UNIT  = $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
APPS  = $(patsubst tests/apps/%.c,$(BUILD)/tests/apps/%,$(wildcard tests/apps/*.c)) $(BUILD)/tests/net/linksim

BINARIES = $(BUILD)/libpdmv2.so $(BUILD)/pdmkeyagent $(BUILD)/pdmprimary $(BUILD)/pdmping $(BUILD)/pdmperf $(BUILD)/pdmctl $(BUILD)/pdmrun

# For what is installed, and for what is not: pkg-config prefers the second where it finds both.
PKGCONFIG = $(BUILD)/libpdmv2.pc $(BUILD)/libpdmv2-uninstalled.pc

all: $(BINARIES) $(PKGCONFIG)
apps: $(APPS)
unit: $(UNIT)
# Compiled alone, for what another compiler warns of.
objects: $(BUILD)/libpdmcore.a $(CONF) $(SHIM) $(AGENT) $(PRIMARY) $(TOOLS) $(PING) $(PERF) $(CTL) $(RUN) $(call objects,tests/unit/*.c tests/fuzz/*.c)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -c $< -o $@

$(BUILD)/libpdmcore.a: $(CORE)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

# What the tools share; each takes what it uses.
$(BUILD)/libpdmtools.a: $(TOOLS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

# What has a directory in it is made again when that is another.
DIRECTORIES = $(PREFIX) $(BINDIR) $(SBINDIR) $(LIBDIR) $(INCLUDEDIR) $(RPATH)
$(BUILD)/directories: FORCE
	@mkdir -p $(@D)
	@echo '$(DIRECTORIES)' | cmp -s - $@ || echo '$(DIRECTORIES)' >$@
.PHONY: FORCE
$(BUILD)/cli/pdmrun/library.o: CFLAGS += -DPDM_LIBDIR='"$(LIBDIR)"'
$(BUILD)/cli/pdmrun/library.o $(BUILD)/pdmping $(BUILD)/pdmperf: $(BUILD)/directories

# The shim lives inside other people's programs: libc and a hidden, static libsodium, nothing else.
$(BUILD)/libpdmv2.so: $(SHIM) $(BUILD)/libpdmcore.a shim/libpdmv2.map $(SHIM_EXTRA) Makefile
	$(call say,LD,$@)
	$(Q)ln -sf libpdmv2.so $(BUILD)/$(SONAME)
	$(Q)$(CC) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--exclude-libs,ALL -Wl,--version-script,shim/libpdmv2.map \
	    $(SHIM) $(SHIM_EXTRA) $(BUILD)/libpdmcore.a -l:libsodium.a -o $@

$(BUILD)/libpdmv2.pc: pc_dirs = s,@LIBDIR@,$(LIBDIR),;s,@INCLUDEDIR@,$(INCLUDEDIR),
$(BUILD)/libpdmv2-uninstalled.pc: pc_dirs = s,@LIBDIR@,$(abspath $(BUILD)),;s,@INCLUDEDIR@,$(abspath shim),
$(PKGCONFIG): shim/libpdmv2.pc.in Makefile $(BUILD)/directories
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)sed 's,@PREFIX@,$(PREFIX),;s,@VERSION@,$(VERSION),;$(pc_dirs)' $< >$@

$(BUILD)/pdmkeyagent: $(AGENT) $(CONF) $(BUILD)/libpdmcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -pie $^ -liniparser -levent_openssl -levent_extra -levent_core -lssl -lcrypto -lgmp -lsodium -o $@

# The agent's objects that it needs.
PRIMARY_SHARED = $(call objects,$(patsubst %,keyagent/%.c,bucket connections daemon harden keyfile listener log table tls/certificate tls/credentials tls/dialer tls/incoming tls/link tls/link_maker tls/link_peer))

$(BUILD)/pdmprimary: $(PRIMARY) $(PRIMARY_SHARED) $(CONF) $(BUILD)/libpdmcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -pie $^ -liniparser -levent_openssl -levent_extra -levent_core -lssl -lcrypto -lgmp -lsqlite3 -lpq -lsodium -o $@

$(BUILD)/pdmping: $(PING) $(BUILD)/libpdmtools.a $(BUILD)/libpdmcore.a $(BUILD)/libpdmv2.so
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -pie $(filter %.o %.a,$^) -L$(BUILD) -lpdmv2 $(if $(RPATH),-Wl$(comma)-rpath$(comma)'$(RPATH)') -lncursesw -ltinfo -lsodium -lm -o $@

$(BUILD)/pdmperf: $(PERF) $(BUILD)/libpdmtools.a $(BUILD)/libpdmcore.a $(BUILD)/libpdmv2.so
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -pie $(filter %.o %.a,$^) -L$(BUILD) -lpdmv2 $(if $(RPATH),-Wl$(comma)-rpath$(comma)'$(RPATH)') -lcurl -lsodium -lm -o $@

$(BUILD)/pdmctl: $(CTL) $(BUILD)/libpdmtools.a $(CONF) $(BUILD)/libpdmcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -pie $^ -liniparser -lpcap -lncursesw -ltinfo -lcrypto -lsodium -o $@

$(BUILD)/pdmrun: $(RUN) $(BUILD)/libpdmtools.a $(BUILD)/libpdmcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -pie $^ -lcap -o $@

# Tests.
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(filter-out %/main.o,$(AGENT)) $(CONF) $(BUILD)/libpdmcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fno-lto $^ -lcriterion -liniparser -levent_openssl -levent_extra -levent_core -lssl -lcrypto -lgmp -lsodium -lm $(LIBS) -o $@

$(BUILD)/tests/unit/test_control: $(BUILD)/shim/control.o
$(BUILD)/tests/unit/test_echo: $(BUILD)/shim/echo.o
$(BUILD)/tests/unit/test_vault: $(BUILD)/keyagent/primary/vault.o
$(BUILD)/tests/unit/test_store: $(STORE)
$(BUILD)/tests/unit/test_store: LIBS = -lsqlite3 -lpq
PRIMARY_UNIT = $(patsubst %,$(BUILD)/tests/unit/test_%,grants lists negotiation primary)
$(PRIMARY_UNIT): $(filter-out %/main.o %/admin.o,$(PRIMARY))
$(PRIMARY_UNIT): LIBS = $(BUILD)/libpdmcore.a -lsqlite3 -lpq -lgmp -lcrypto -lsodium
$(BUILD)/tests/unit/test_primary: LIBS += -Wl,--wrap=list_apply
$(call objects,keyagent/primary/db_postgres*.c): CFLAGS += $$(pkg-config --cflags libpq)
$(BUILD)/tests/unit/test_pdmrun: $(call objects,cli/pdmrun/elf.c cli/pdmrun/environment.c cli/pdmrun/options.c cli/pdmrun/script.c)

# Those of pdmping link its parts, without the library.
$(BUILD)/tests/unit/test_pdmpin%: $(BUILD)/tests/unit/test_pdmpin%.o $(filter-out %/main.o %/run.o %/target.o,$(PING)) $(BUILD)/libpdmtools.a $(BUILD)/libpdmcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fno-lto $^ -lcriterion -lncursesw -ltinfo -lsodium -lm -o $@

# What of pdmperf needs neither libcurl nor the library.
$(BUILD)/tests/unit/test_pdmperf: $(BUILD)/tests/unit/test_pdmperf.o $(call objects,$(patsubst %,cli/pdmperf/%.c,argument exchange format options schedule slowest tally verdict net/message net/options net/quantity)) $(BUILD)/libpdmtools.a $(BUILD)/libpdmcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fno-lto $^ -lcriterion -lm -o $@

$(BUILD)/tests/unit/test_pdmperf_net: $(BUILD)/tests/unit/test_pdmperf_net.o $(call objects,$(patsubst %,cli/pdmperf/%.c,schedule verdict slowest tally net/arrival net/channel net/latency net/message net/options net/poller net/quantity)) $(BUILD)/libpdmtools.a $(BUILD)/libpdmcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fno-lto $^ -lcriterion -lm -o $@

# Likewise pdmctl's decoder.
$(BUILD)/tests/unit/test_decode: $(BUILD)/tests/unit/test_decode.o $(call objects,cli/pdmctl/decode/*.c cli/pdmctl/delay.c cli/pdmctl/format.c) $(BUILD)/libpdmtools.a $(CONF) $(BUILD)/libpdmcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fno-lto $^ -lcriterion -liniparser -lpcap -lsodium -o $@

# As any program outside the tree includes it.
$(BUILD)/tests/apps/ownstats: CFLAGS += -Ishim

$(BUILD)/tests/apps/%: tests/apps/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(filter-out -fvisibility=hidden,$(CFLAGS)) $< -pthread -o $@

bench-programs: $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.c))

$(BUILD)/tests/bench/%: tests/bench/%.c $(BUILD)/libpdmcore.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $< $(BUILD)/libpdmcore.a $(LIBS) -lgmp -lsodium -o $@

$(BUILD)/tests/bench/hpke: LIBS = -lcrypto
$(BUILD)/tests/bench/registrations: LIBS = -lssl -lcrypto

MATRIX = $(wildcard tests/apps/callmatrix.c tests/apps/matrix/*.c)

$(BUILD)/tests/apps/callmatrix: $(MATRIX) $(wildcard tests/apps/matrix/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(filter-out -fvisibility=hidden -M%,$(CFLAGS)) -fno-lto $(MATRIX) -pthread -o $@

$(BUILD)/tests/net/linksim: tests/net/linksim.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $< -lm -o $@

check check-long lint bench demo demo-registration fuzz: ; $(Q)BUILD=$(BUILD) PYTHON=$(PYTHON) tests/$@.sh

include conf/install.mk

clean:
	rm -rf $(BUILD)

.PHONY: all apps bench-programs unit objects check check-long lint bench demo demo-registration fuzz clean
.SECONDARY:
-include $(shell find $(BUILD) -path $(BUILD)/deb -prune -o -name '*.d' -type f -print 2>/dev/null)
