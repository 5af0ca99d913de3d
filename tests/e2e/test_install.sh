#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make install and make uninstall: what is staged, and an installation in /usr/local as it is on a
# host, in a namespace where /usr/local is empty and /etc a copy. As root.
#
#   test_install.sh            all of it
#   test_install.sh inside     what is done within that namespace
# shellcheck disable=SC2317 # called by check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/tally.sh
. tests/tally.sh
: "${BUILD:=build}"
LIST=tests/e2e/installed.txt
MEMBER=(setpriv --reuid nobody --regid nogroup --groups pdmv2)
STRANGER=(setpriv --reuid nobody --regid nogroup --clear-groups)
# How exposed systemd-analyze(1) finds a unit, in tenths of 10. Of a system unit's most is network and
# sockets; a user's service manager can enforce neither namespaces nor a bounding set.
EXPOSURE_SYSTEM=20
EXPOSURE_USER=65

# STATUS CMD...
exits() {
    local status=0
    "${@:2}" || status=$?
    [ "$status" -eq "$1" ] || { echo "exit status $status, not $1"; return 1; }
}
# TEXT CMD...: succeeds, and says TEXT
says() {
    local output
    output=$("${@:2}" 2>&1) || { echo "failed: $output"; return 1; }
    grep -qF -- "$1" <<<"$output" || { echo "says: $output"; return 1; }
}

make_it() { make -s say= BUILD="$BUILD" "$@"; }
listed() { (cd "$1" && find . \( -type f -o -type l \) -printf '%m %p -> %l\n' | sed 's/ -> $//' | sort -k 2); }
nothing_in() { [ -z "$(listed "$1")" ] || { listed "$1"; return 1; }; }

# --- staged ---

staged() { make_it install DESTDIR="$WORK/stage" && diff <(grep -v "^#" "$LIST") <(listed "$WORK/stage"); }

unstaged() {
    make_it uninstall DESTDIR="$WORK/stage" && nothing_in "$WORK/stage" || return
    ! find "$WORK/stage" -type d -name '*pdmv2*' | grep .
}

# What is not ours stays, and so does its directory.
others_stay() {
    local other=$WORK/stage/usr/local/share/doc/pdmv2/notes
    make_it install DESTDIR="$WORK/stage" && touch "$other" &&
        make_it uninstall DESTDIR="$WORK/stage" && [ -e "$other" ] && rm "$other"
}

# Elsewhere, from a copy of what is built: $BUILD is for /usr/local.
elsewhere() {
    local settings=(BUILD="$WORK/build" DESTDIR="$WORK/else" PREFIX=/opt/pdm LIBDIR=/opt/pdm/lib64)
    mkdir "$WORK/build" &&
        cp -a "$BUILD"/{core,conf,shim,keyagent,cli,libpdm*,pdm*} "$WORK/build" &&
        make -s say= "${settings[@]}" install || return
    listed "$WORK/else" | grep -vE '^[0-7]+ \./opt/pdm/' && return 1
    [ "$(grep -c /opt/pdm "$WORK/else/opt/pdm/lib64/pkgconfig/libpdmv2.pc")" -eq 3 ] &&
        grep -qx 'ExecStart=/opt/pdm/bin/pdmkeyagent .*' \
            "$WORK/else/opt/pdm/lib/systemd/system/pdmkeyagent.service" &&
        readelf -d "$WORK/else/opt/pdm/bin/pdmping" | grep -q 'RUNPATH.*:/opt/pdm/lib64' &&
        grep -qa /opt/pdm/lib64 "$WORK/else/opt/pdm/bin/pdmrun" &&
        make -s say= "${settings[@]}" uninstall && nothing_in "$WORK/else"
}

# --- in /usr/local ---

installed() { make_it install; }
library_is_known() { ldconfig -p | grep -q 'libpdmv2.so.0 .*/usr/local/lib'; }
by_name() { says libpdmv2.so env LD_PRELOAD=libpdmv2.so grep -o 'libpdmv2.so.*' /proc/self/maps; }

owns() { [ "$(stat -c '%U %G %a' "$1")" = "$2" ] || { stat "$1"; return 1; }; }
has_capability() { [ "$(getcap "$1")" = "$1 cap_net_raw=p" ] || { getcap "$1"; return 1; }; }
none_else_has() { [ "$(getcap -r /usr/local | wc -l)" -eq 1 ] || { getcap -r /usr/local; return 1; }; }

measured() {
    ip link set lo up || return
    "${MEMBER[@]}" pdmrun -m plain socat UDP6-LISTEN:7007,fork PIPE &
    local server=$! output
    sleep 1
    output=$("${MEMBER[@]}" pdmrun -m plain pdmping -c 5 -i 0.2 -p 7007 ::1 2>&1)
    kill "$server"
    grep -E 'net=[0-9.]+ srv=[0-9.]+ ms' <<<"$output" || { echo "$output"; return 1; }
}

linked() {
    cat >"$WORK/own.c" <<'END'
#include <pdmv2.h>
int main(void) { struct pdmv2_stats s = {.size = sizeof s}; pdmv2_stats(0, &s); return 0; }
END
    # shellcheck disable=SC2046 # words
    ${CC:-gcc} "$WORK/own.c" $(PKG_CONFIG_PATH=/usr/local/lib/pkgconfig pkg-config --cflags --libs libpdmv2) \
        -o "$WORK/own" && readelf -d "$WORK/own" | grep -q 'NEEDED.*libpdmv2.so.0' && "$WORK/own"
}

# As bash-completion finds them, by itself.
completed_in_bash() {
    [ "$(bash --norc -c '. /usr/share/bash-completion/bash_completion; __load_completion pdmctl
        complete -p pdmctl')" = 'complete -F _pdmctl pdmctl' ]
}
completed_in_zsh() {
    zsh -f -c 'autoload -Uz compinit; compinit -u -D; [[ $_comps[pdmctl] = _pdmctl ]]'
}
completed_in_fish() { says keygen env HOME="$WORK" XDG_DATA_DIRS=/usr/local/share:/usr/share fish -c 'complete -C "pdmctl key"'; }

units_hold() {
    systemd-analyze verify --man=no /usr/local/lib/systemd/system/pdm*.service &&
        XDG_RUNTIME_DIR=$WORK systemd-analyze verify --man=no --user /usr/local/lib/systemd/user/pdm*
}

# UNIT
exposed() {
    local level most=$EXPOSURE_SYSTEM
    [[ $1 != */user/* ]] || most=$EXPOSURE_USER
    level=$(systemd-analyze security --offline=true --json=off "$1" | sed -nE 's/.*exposure level for .*: ([0-9]+)\.([0-9]) .*/\1\2/p')
    echo "exposure of ${1#/usr/local/lib/systemd/}: $level tenths of 10"
    [ -n "$level" ] && [ "$level" -le "$most" ]
}

removed() {
    make_it uninstall && nothing_in /usr/local
}

inside() {
    mount -t tmpfs tmpfs /usr/local && cp -a /etc "$WORK/etc" && mount --bind "$WORK/etc" /etc &&
        mount -t tmpfs tmpfs /run || exit 1
    sed -i '/^pdmv2:/d' /etc/passwd /etc/group /etc/shadow /etc/gshadow
    check "make install" installed
    check "the linker knows the library" library_is_known
    check "it is preloaded by its name" by_name
    check "there is a user pdmv2, with the configuration's directory" owns /etc/pdmv2 'pdmv2 pdmv2 750'
    check "pdmrun is a group's" owns /usr/local/bin/pdmrun 'root pdmv2 750'
    check "and has the capability" has_capability /usr/local/bin/pdmrun
    check "which nothing else has" none_else_has
    check "a member of the group measures with it" measured
    check "it names what it preloads" says 'LD_PRELOAD: /usr/local/lib/libpdmv2.so.0' \
        "${MEMBER[@]}" pdmrun -m plain -v true
    check "nobody else may run it" exits 126 "${STRANGER[@]}" bash -c 'pdmrun true'
    for program in pdmping pdmctl pdmkeyagent pdmprimary; do
        check "$program runs" says "$program " "${STRANGER[@]}" "$program" -V
    done
    check "a program is linked with what pkg-config says" linked
    check "bash finds the completions" completed_in_bash
    check "zsh finds the completions" completed_in_zsh
    check "fish finds the completions" completed_in_fish
    check "man finds the pages" says /usr/local/share/man/man1/pdmctl.1 man -w pdmctl
    check "systemd accepts the units" units_hold
    for unit in /usr/local/lib/systemd/*/pdm*.service; do
        check "$(exposed "$unit")" exposed "$unit"
    done
    check "make uninstall leaves nothing" removed
    echo "$PASSED $FAILED" >"$WORK/counts"
}

if [ "${1:-}" = inside ]; then
    inside
    exit
fi

[ "$(id -u)" -eq 0 ] || { echo "test_install: must be run as root"; exit 1; }
WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$WORK"' EXIT
chmod 755 "$WORK"
export WORK
make_it all || exit 1
check "what is staged" staged
check "of what is staged, uninstalling leaves nothing" unstaged
check "what others put beside it stays" others_stay
check "other directories" elsewhere
unshare -mn --propagation private "$0" inside
read -r good bad <"$WORK/counts" || exit 1
PASSED=$((PASSED + good))
FAILED=$((FAILED + bad))
tally
