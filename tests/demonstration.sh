# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the demonstrations.
#
#   demo_begin           as root, with all packages
#   quietly WHAT CMD...  what CMD prints is shown if it fails
#   die TEXT

DEMO=$(basename "$0" .sh)

die() {
    echo "$DEMO: $*" >&2
    exit 1
}

quietly() {
    local what=$1 log
    shift
    log=$(mktemp) || exit
    printf '%s\n' "$what"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        die "failed: $what"
    fi
    rm -f "$log"
}

demo_begin() {
    [ "$(id -u)" -eq 0 ] || die "root is needed, for packages and network namespaces"
    quietly "packages ..." .ci/packages
}
