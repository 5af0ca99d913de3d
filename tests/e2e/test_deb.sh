#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make deb, and what it makes, with CHECK_LONG=1 alone, since it takes minutes and the network: lintian
# finds nothing; on a fresh Debian 12 the packages install, systemd runs their units, and purged they
# leave nothing. As root.
# shellcheck disable=SC2317 # called by check
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build}" "${CHECK_LONG:=0}"
# shellcheck source=tests/net/machine.sh
. tests/net/machine.sh
# shellcheck source=tests/net/pki.sh
. tests/net/pki.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh
BOOT_SECONDS=180
PACKAGES=(libpdmv2-0 libpdmv2-dev pdmv2 pdmprimary)
WORK=$(mktemp -d) || exit 1
MACHINE=$WORK/machine
trap 'rm -rf "$WORK"' EXIT

finish() {
    tally
    exit
}

# One version, in the Makefile, the changelog and the packages.
version_agrees() {
    local version deb
    version=$(sed -n 's/^VERSION = //p' Makefile)
    for deb in "$BUILD"/deb/*.deb; do
        [ "$(dpkg-deb -f "$deb" Version)" = "$version" ] || { echo "$deb: not $version"; return 1; }
    done
}

lintian_accepts() {
    lintian --allow-root --tag-display-limit 0 --fail-on error,warning "$BUILD"/deb/*.changes >"$WORK/lintian" 2>&1
    local status=$?
    cat "$WORK/lintian"
    [ "$status" -eq 0 ] && [ ! -s "$WORK/lintian" ]
}

# What they need but each other: what is new afterwards is theirs. Beside that an init, sessions for
# users, and what the script asks for.
needed() {
    local package
    for package in "${PACKAGES[@]}"; do
        dpkg-deb -f "$MACHINE/root/${package}"_*.deb Depends | tr ',' '\n'
    done | sed 's/^ *//' | grep -vE '^(libpdmv2|pdmv2)' | paste -sd,
    echo 'systemd-sysv, dbus-user-session, libpam-systemd, iproute2, socat'
}
machine() {
    local depends package
    machine_make "$MACHINE" || return
    for package in "${PACKAGES[@]}"; do
        cp "$BUILD/deb/${package}"_*.deb "$MACHINE/root" || return
    done
    mapfile -t depends < <(needed)
    machine_run "$MACHINE" apt-get -q update &&
        machine_run "$MACHINE" apt-get -q -y --no-install-recommends satisfy "${depends[@]}"
}

# Names, owners and modes of all but what dpkg and apt write themselves.
manifest() {
    find "$MACHINE" -xdev -mindepth 1 \( -path '*/var/lib/dpkg' -o -path '*/var/log' -o -path '*/var/cache' \
        -o -path '*/var/lib/apt' -o -path '*/root' \) -prune -o -printf '%P %M %U %G\n' | sort
}

installs() { machine_run "$MACHINE" sh -c 'dpkg -i /root/*.deb'; }
# shellcheck disable=SC2016 # the inner shell's
works() {
    machine_run "$MACHINE" sh -ec 'pdmping -V; pdmctl -V; pdmkeyagent -V; pdmprimary -V
        pdmrun -m plain true; LD_PRELOAD=libpdmv2.so true 2>&1 | grep . && exit 1
        [ "$(stat -c "%U %G %a" /usr/bin/pdmrun)" = "root pdmv2 750" ]
        /sbin/getcap /usr/bin/pdmrun | grep -x "/usr/bin/pdmrun cap_net_raw=p"'
}
certificates() {
    mkdir "$MACHINE/root/pki" && pki_ca "$MACHINE/root/pki" ca &&
        pki_leaf "$MACHINE/root/pki" ca primary DNS:pc.example
}
boots() {
    cp tests/tally.sh "$MACHINE/root/" &&
        machine_boot "$MACHINE" tests/e2e/booted.sh "$BOOT_SECONDS" >"$WORK/booted"
    local status=$?
    cat "$WORK/booted"
    return "$status"
}

# Purged, nothing that was not there before; but for users, which Debian keeps. Booting leaves traces
# that are not the packages': so this is of a machine that has not booted.
purges() {
    manifest | grep -q '^usr/bin/pdmrun ' && machine_run "$MACHINE" dpkg -P pdmprimary pdmv2 libpdmv2-dev libpdmv2-0 || return
    manifest >"$WORK/after"
    diff "$WORK/before" "$WORK/after" | grep '^[<>]' |
        grep -vE ' etc/(\.pwd\.lock|(passwd|group|shadow|gshadow)-?) ' >"$WORK/left"
    [ ! -s "$WORK/left" ] || { cat "$WORK/left"; return 1; }
    # shellcheck disable=SC2016 # dpkg-query's
    ! machine_run "$MACHINE" dpkg-query -W -f '${Package} ${db:Status-Status}\n' | grep -E '^(lib)?pdm'
}
# Keys and their counts stay together.
purges_with_keys() {
    installs && machine_run "$MACHINE" sh -ec 'mkdir -p /etc/pdmv2; pdmctl keygen /etc/pdmv2/lab.key' &&
        machine_run "$MACHINE" dpkg -P pdmprimary pdmv2 libpdmv2-dev libpdmv2-0 &&
        [ "$(cd "$MACHINE/etc/pdmv2" && echo *)" = 'lab.key lab.key.gen' ] && rm -r "$MACHINE/etc/pdmv2"
}

if [ "$CHECK_LONG" -ne 1 ]; then
    echo "packages and a fresh machine take minutes and the network: see make check-long"
    exit 77
fi
[ "$(id -u)" -eq 0 ] || { echo "test_deb: must be run as root"; exit 1; }
check "make deb" make -s BUILD="$BUILD" deb
check "the version is the Makefile's" version_agrees
check "lintian" lintian_accepts
[ "$FAILED" -eq 0 ] || finish

check "a fresh Debian 12" machine
[ "$FAILED" -eq 0 ] || finish
manifest >"$WORK/before"
check "the packages install" installs
check "their programs run" works
check "purged, they leave nothing" purges
check "but keys" purges_with_keys
check "they install again" installs
check "certificates" certificates
check "systemd runs their units" boots
grep '^ok' "$WORK/booted" | sed 's/^ok   /ok    booted:/'
finish
