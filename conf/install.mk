# SPDX-License-Identifier: BSD-2-Clause
# make install, make uninstall. DESTDIR stages: files are put below it, and nothing else is done.

BINDIR     ?= $(PREFIX)/bin
SBINDIR    ?= $(PREFIX)/sbin
DATADIR    ?= $(PREFIX)/share
MANDIR     ?= $(DATADIR)/man
DOCDIR     ?= $(DATADIR)/doc/pdmv2
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
BASHCOMPDIR  ?= $(DATADIR)/bash-completion/completions
ZSHCOMPDIR   ?= $(DATADIR)/zsh/site-functions
FISHCOMPDIR  ?= $(DATADIR)/fish/vendor_completions.d
# systemd looks below /usr/local too.
UNITDIR      ?= $(PREFIX)/lib/systemd/system
USERUNITDIR  ?= $(PREFIX)/lib/systemd/user
SYSUSERSDIR  ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR  ?= $(PREFIX)/lib/tmpfiles.d

USER_PROGRAMS = pdmping pdmperf pdmctl pdmrun pdmkeyagent
UNITS = $(patsubst conf/%,$(BUILD)/%,$(wildcard conf/systemd/*/*.service conf/systemd/*/*.socket))
COMPLETED = $(basename $(notdir $(wildcard conf/completions/*.table)))
SHELLS = bash zsh fish
COMPLETIONS = $(foreach shell,$(SHELLS),$(COMPLETED:%=$(BUILD)/completions/$(shell)/%))

# What goes where: MODE:FILE:PLACE.
put_in = $(foreach file,$(2),$(1):$(file):$(3)/$(notdir $(file)))
FILES = $(call put_in,755,$(USER_PROGRAMS:%=$(BUILD)/%),$(BINDIR)) \
    $(call put_in,755,$(BUILD)/pdmprimary,$(SBINDIR)) \
    644:$(BUILD)/libpdmv2.so:$(LIBDIR)/$(SONAME) \
    $(call put_in,644,shim/pdmv2.h,$(INCLUDEDIR)) \
    $(call put_in,644,$(BUILD)/libpdmv2.pc,$(PKGCONFIGDIR)) \
    $(foreach page,$(wildcard man/*),$(call put_in,644,$(page),$(MANDIR)/man$(subst .,,$(suffix $(page))))) \
    $(call put_in,644,$(filter $(BUILD)/systemd/system/%,$(UNITS)),$(UNITDIR)) \
    $(call put_in,644,$(filter $(BUILD)/systemd/user/%,$(UNITS)),$(USERUNITDIR)) \
    644:conf/systemd/sysusers.conf:$(SYSUSERSDIR)/pdmv2.conf \
    644:conf/systemd/tmpfiles.conf:$(TMPFILESDIR)/pdmv2.conf \
    $(foreach name,$(COMPLETED),644:$(BUILD)/completions/bash/$(name):$(BASHCOMPDIR)/$(name) \
        644:$(BUILD)/completions/zsh/$(name):$(ZSHCOMPDIR)/_$(name) \
        644:$(BUILD)/completions/fish/$(name):$(FISHCOMPDIR)/$(name).fish) \
    $(call put_in,644,README.md CHANGELOG.md LICENSE,$(DOCDIR)) \
    $(call put_in,644,conf/pdmv2.conf conf/pdmprimary.conf conf/wireshark/pdmv2.lua \
        conf/grafana/pdmv2.json conf/prometheus/pdmv2.rules.yml,$(DOCDIR)/examples) \
    $(call put_in,644,$(wildcard conf/wireshark/pdmv2/*.lua),$(DOCDIR)/examples/pdmv2) \
    $(call put_in,644,$(wildcard conf/schema/*.json),$(DOCDIR))

place = $(lastword $(subst :, ,$(1)))
LIBRARY_LINK = $(LIBDIR)/libpdmv2.so

$(BUILD)/systemd/%: conf/systemd/% $(BUILD)/directories
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)sed -E 's,^(ExecStart=)(pdmprimary),\1$(SBINDIR)/\2,; s,^(ExecStart=)(pdm),\1$(BINDIR)/\2,' $< >$@

# A table in the script of a shell, without the blanks that make it readable.
define completion
$(BUILD)/completions/$(1)/$(2): conf/completions/$(1).in conf/completions/$(2).table
	@mkdir -p $$(@D)
	$$(call say,GEN,$$@)
	$$(Q)sed -E '/^#/d; s/ *\| */|/g; s/^ //' conf/completions/$(2).table >$$@.rows
	$$(Q)sed -e '/^@TABLE@$$$$/{r $$@.rows' -e 'd}' -e 's/@PROGRAM@/$(2)/g' $$< >$$@ && rm $$@.rows
endef
$(foreach shell,$(SHELLS),$(foreach name,$(COMPLETED),$(eval $(call completion,$(shell),$(name)))))

all: $(UNITS) $(COMPLETIONS)

install: all
	$(Q)set -e; for entry in $(FILES); do \
	    mode=$${entry%%:*} file=$${entry#*:}; \
	    install -D -m $$mode $${file%%:*} '$(DESTDIR)'$${file#*:}; \
	done
	$(Q)ln -sf $(SONAME) '$(DESTDIR)$(LIBRARY_LINK)'
	$(if $(DESTDIR),,$(Q)conf/settle.sh $(BINDIR)/pdmrun $(SYSUSERSDIR)/pdmv2.conf $(TMPFILESDIR)/pdmv2.conf)

# Directories that others may use too stay.
uninstall:
	$(Q)rm -f $(foreach entry,$(FILES),'$(DESTDIR)$(call place,$(entry))') '$(DESTDIR)$(LIBRARY_LINK)'
	$(Q)for directory in $(DOCDIR)/examples/pdmv2 $(DOCDIR)/examples $(DOCDIR); do \
	    [ ! -d '$(DESTDIR)'$$directory ] || rmdir --ignore-fail-on-non-empty '$(DESTDIR)'$$directory; \
	done

.PHONY: install uninstall deb

# Debian's tools want the packaging at the top of a tree: so they are given a copy.
DEB = $(BUILD)/deb
deb:
	$(Q)rm -rf $(DEB) && mkdir -p $(DEB)/pdmv2
	$(Q)tar -c --exclude=./build --exclude=./.git --exclude=./$(BUILD) . | tar -x -C $(DEB)/pdmv2
	$(Q)cp -r conf/debian $(DEB)/pdmv2/debian
	$(Q)cd $(DEB)/pdmv2 && env -u BUILD -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -us -uc -b
	$(Q)rm -rf $(DEB)/pdmv2
