#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# settle.sh PDMRUN SYSUSERS TMPFILES: what an installation takes beside its files, for make install:
# the library's place made known, the user pdmv2 and its directory, pdmrun's capability. What cannot
# be done is said, and is no failure: everything works for root without.
set -u

say() { echo "install: $*"; }

if [ "$(id -u)" -ne 0 ]; then
    say "not root: no user pdmv2 is made, and pdmrun gets no capability; see pdmrun(1)"
    exit 0
fi

PATH=$PATH:/usr/sbin:/sbin
ldconfig || say "ldconfig failed: programs may not find libpdmv2.so by its name"
if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers "$2" || say "systemd-sysusers failed for $2"
    systemd-tmpfiles --create "$3" || say "systemd-tmpfiles failed for $3"
fi

# Whoever may run it has raw sockets: so it is a group's.
if ! getent group pdmv2 >/dev/null; then
    say "no group pdmv2: $1 is without CAP_NET_RAW, so that only root's programs attach; see pdmrun(1)"
elif chgrp pdmv2 "$1" && chmod 750 "$1" && setcap cap_net_raw+p "$1"; then
    say "$1 is for root and members of the group pdmv2, with CAP_NET_RAW"
else
    say "$1 could not be given CAP_NET_RAW; see pdmrun(1)"
fi
