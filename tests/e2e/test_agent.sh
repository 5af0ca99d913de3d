#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The agent as its administrator meets it: what it refuses and how it says so, reloading, one instance,
# and what it lets be seen of its secrets.
# shellcheck disable=SC2317 # called by check and trap
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build}"

work=$(mktemp -d) || exit 1
agent=
clean_up() {
    [ -z "$agent" ] || kill "$agent" 2>/dev/null
    wait
    rm -rf "$work"
}
trap clean_up EXIT

failed=0
check() { # WHAT CMD...
    local what=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok    $what"
    else
        echo "FAIL  $what"
        sed 's/^/      /' "$work/out"
        failed=1
    fi
}
# CODE TEXT CMD...: exits with CODE and says TEXT.
says() {
    local code=$1 text=$2 status
    shift 2
    timeout 10 "$@" >"$work/said" 2>&1
    status=$?
    cat "$work/said"
    [ "$status" -eq "$code" ] && grep -qF -- "$text" "$work/said"
}
within() { # SECONDS CMD...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}
configure() { # ASSOCIATION PEER...
    printf '[agent]\nstate = %s/state\n' "$work"
    while [ $# -gt 1 ]; do
        printf '[association %s]\npeer = %s\nkey = key\n' "$1" "$2"
        shift 2
    done
}
conf=$work/conf
status_shows() { "$BUILD/pdmctl" -s "$work/sock" status 2>/dev/null | grep -qE "^$1 "; }
logged() { grep -qF -- "$1" "$work/log"; }

"$BUILD/pdmctl" keygen "$work/key" >/dev/null || exit 1
check "a key is its owner's alone" test "$(stat -c %a "$work/key")" = 600
configure one 2001:db8:1::/48 >"$conf"
check "-t accepts a good configuration" says 0 "ok, associations: 1" \
    "$BUILD/pdmkeyagent" -t -c "$conf"
printf '[association one]\npeer = 2001:db8:1::/48\nkey = key\ncolour = red\n' >"$work/bad"
check "a bad key is named with its line and what is allowed" says 2 "$work/bad:4: colour" \
    "$BUILD/pdmkeyagent" -t -c "$work/bad"
chmod 644 "$work/key"
check "a key that others can read is refused" says 2 "chmod 600" \
    "$BUILD/pdmkeyagent" -t -c "$conf"
chmod 600 "$work/key"

"$BUILD/pdmkeyagent" -c "$conf" -s "$work/sock" 2>"$work/log" &
agent=$!
check "it serves" within 10 status_shows one
check "an association with a key file has no epoch" status_shows 'one +psk +-'
check "a second instance is refused" says 3 "" "$BUILD/pdmkeyagent" -c "$conf" -s "$work/sock"
check "the socket is its owner's alone" test "$(stat -c %a "$work/sock")" = 600
check "no core file" grep -qE '^Max core file size +0 +0 ' "/proc/$agent/limits"
check "secrets are locked in memory" grep -qE '^VmLck:[[:space:]]+[1-9]' "/proc/$agent/status"

configure one 2001:db8:1::/48 two 2001:db8:2::/48 >"$conf"
kill -HUP "$agent"
check "SIGHUP brings a new association" within 10 status_shows two
cp "$work/bad" "$conf"
kill -HUP "$agent"
check "a bad configuration is told on reload" within 10 logged "$conf:4: colour"
check "and the old one stays" status_shows two

kill -TERM "$agent"
wait "$agent"
check "SIGTERM ends it" test $? -eq 0
agent=
check "and its socket is gone" test ! -e "$work/sock"
check "pdmctl says that there is no agent" says 3 "" "$BUILD/pdmctl" -s "$work/sock" status
[ "$failed" -eq 0 ] && echo "test_agent: ok"
exit "$failed"
